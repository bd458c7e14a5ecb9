//! `cargo xtask symbols`: what the libraries export, what the header declares, and the list in
//! `ffi/symbols.txt` are the same names.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::{defined_symbols, for_tests, of, read};
use crate::shell::{self, Result};

type Names = BTreeSet<String>;

const LIST: &str = "ffi/symbols.txt";

/// Compares; without `check` the list is written first, from what the shared library exports.
pub(crate) fn run(check: bool) -> Result {
    let prefix = for_tests()?;
    let exported = exported(&prefix.join("lib/libkeirin.so"), &["--dynamic"])?;
    let within = self::exported(&prefix.join("lib/libkeirin.a"), &["--extern-only"])?;
    let declared = declared(&read(&shell::root().join("include/keirin.h"))?);
    let list = shell::root().join(LIST);
    if !check {
        let text: String = exported.iter().map(|name| format!("{name}\n")).collect();
        fs::write(&list, text).map_err(|error| of(&list, error))?;
    }
    let listed: Names = read(&list)?.lines().map(str::to_owned).collect();
    let findings: Vec<String> = [
        ("libkeirin.so", exported),
        ("libkeirin.a", within),
        ("include/keirin.h", declared),
    ]
    .iter()
    .flat_map(|(place, names)| compare(place, names, &listed))
    .collect();
    if findings.is_empty() {
        println!("{} symbols, the same everywhere", listed.len());
        return Ok(());
    }
    Err(format!(
        "{}\n`cargo xtask symbols` writes the list; a name may go only with a new major version",
        findings.join("\n")
    )
    .into())
}

/// The names that others can see. One that is not a function is part of its name, to be found.
fn exported(library: &Path, arguments: &[&str]) -> Result<Names> {
    let symbols = defined_symbols(library, arguments)?;
    let names = symbols.into_iter().map(|(kind, name)| match kind.as_str() {
        "T" => name,
        _ => format!("{name} (which is no function, but `{kind}`)"),
    });
    Ok(names.collect())
}

/// The functions that a header declares: their names stand right before a parenthesis.
fn declared(header: &str) -> Names {
    let code = without_comments(header);
    let mut names = Names::new();
    for (at, _) in code.match_indices('(') {
        let before = &code[..at];
        let is_part = |character: char| character.is_ascii_alphanumeric() || character == '_';
        let name = &before[before.trim_end_matches(is_part).len()..];
        if name.starts_with("keirin_") {
            names.insert(name.to_owned());
        }
    }
    names
}

fn without_comments(header: &str) -> String {
    let mut code = String::new();
    let mut rest = header;
    while let Some((before, after)) = rest.split_once("/*") {
        code.push_str(before);
        rest = after.split_once("*/").map_or("", |(_, after)| after);
    }
    code.push_str(rest);
    let lines = code.lines();
    let lines = lines.map(|line| line.split_once("//").map_or(line, |(code, _)| code));
    lines.collect::<Vec<_>>().join("\n")
}

fn compare(place: &str, names: &Names, listed: &Names) -> Vec<String> {
    let missing = listed.difference(names);
    let missing = missing.map(|name| format!("{name}: in {LIST}, not in {place}"));
    let surplus = names.difference(listed);
    let surplus = surplus.map(|name| format!("{name}: in {place}, not in {LIST}"));
    missing.chain(surplus).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Names {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn functions_are_found_in_a_header() {
        let header = "\
/** As keirin_other() does. */
typedef void (*keirin_drop_fn)(void *user);
// keirin_gone(1)
keirin_status_t keirin_app_route(keirin_app_t *app,
                                 keirin_drop_fn drop_user);
const char *keirin_version(void); /* keirin_a( */
#define MAJOR(x) x
";
        assert_eq!(
            declared(header),
            names(&["keirin_app_route", "keirin_version"])
        );
    }

    #[test]
    fn both_directions_are_compared() {
        let listed = names(&["keirin_a", "keirin_b"]);
        assert_eq!(
            compare("lib", &names(&["keirin_b", "rust_c"]), &listed),
            [
                "keirin_a: in ffi/symbols.txt, not in lib",
                "rust_c: in lib, not in ffi/symbols.txt"
            ]
        );
        assert_eq!(compare("lib", &listed, &listed), [""; 0]);
    }
}
