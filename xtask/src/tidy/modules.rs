//! Module files: each is declared somewhere, and says what it is.

use std::collections::{BTreeMap, BTreeSet};

use super::Finding;
use super::scan::{Scan, joins, words};

/// Every file in a crate's `src/` starts with its own documentation.
pub(super) fn check_doc(path: &str, text: &str) -> Option<Finding> {
    let starts = text.starts_with("//!");
    let text = "starts without `//!`: say what it is and what it must not use";
    (in_crate(path).is_some() && !starts).then(|| Finding::new(path, 1, text))
}

/// Every file in a crate's `src/` can be reached from one of the crate's roots by `mod` lines.
pub(super) fn check_reachable(scans: &BTreeMap<&str, Scan>) -> Vec<Finding> {
    let mut reached = BTreeSet::new();
    let mut next: Vec<String> = scans
        .keys()
        .filter(|path| is_root(path))
        .map(|path| (*path).to_owned())
        .collect();
    while let Some(path) = next.pop() {
        let Some(scan) = scans.get(path.as_str()) else {
            continue;
        };
        if reached.insert(path.clone()) {
            let folder = children(&path);
            for name in declared(scan) {
                next.push(format!("{folder}{name}.rs"));
                next.push(format!("{folder}{name}/mod.rs"));
            }
        }
    }
    let mut findings = Vec::new();
    for path in scans
        .keys()
        .filter(|path| in_crate(path).is_some() && !reached.contains(**path))
    {
        findings.push(Finding::new(
            path,
            1,
            "no `mod` line reaches it: declare it or remove it",
        ));
    }
    findings
}

/// The path below the crate's `src/`.
fn in_crate(path: &str) -> Option<&str> {
    path.strip_prefix("src/")
        .or_else(|| path.split_once("/src/").map(|(_, rest)| rest))
}

fn is_root(path: &str) -> bool {
    let Some(path) = in_crate(path) else {
        return false;
    };
    let is_program = path
        .strip_prefix("bin/")
        .is_some_and(|name| !name.contains('/'));
    let is_large_program = path.starts_with("bin/") && path.ends_with("/main.rs");
    matches!(path, "lib.rs" | "main.rs") || is_program || is_large_program
}

/// The folder, with its `/`, that holds the modules a file declares.
fn children(path: &str) -> String {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    if is_root(path) || name == "mod.rs" {
        format!("{folder}/")
    } else {
        format!("{}/", path.strip_suffix(".rs").unwrap_or(path))
    }
}

/// The names in `mod name;`.
fn declared(scan: &Scan) -> Vec<&str> {
    let mut names = Vec::new();
    for at in words(&scan.code, "mod") {
        let rest = scan.code[at + "mod".len()..].trim_start();
        let end = rest
            .find(|character| !joins(Some(character)))
            .unwrap_or(rest.len());
        if end > 0 && rest[end..].trim_start().starts_with(';') {
            names.push(&rest[..end]);
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The files that no `mod` line reaches.
    fn dead(files: &[(&str, &str)]) -> Vec<String> {
        let scans = files
            .iter()
            .map(|(path, text)| (*path, Scan::of(text)))
            .collect();
        check_reachable(&scans)
            .into_iter()
            .map(|finding| finding.path)
            .collect()
    }

    #[test]
    fn declared_files_are_alive() {
        let files = [
            ("src/lib.rs", "mod a;\n#[cfg(test)]\npub(crate) mod d;"),
            ("src/a.rs", "mod b;"),
            ("src/a/b.rs", ""),
            ("src/d/mod.rs", "mod e;"),
            ("src/d/e.rs", ""),
            ("xtask/src/main.rs", "mod f;"),
            ("xtask/src/f.rs", ""),
            ("ffi/src/bin/tool.rs", ""),
            ("tests/common/mod.rs", ""),
        ];
        assert_eq!(dead(&files), Vec::<String>::new());
    }

    #[test]
    fn undeclared_files_are_dead() {
        let files = [
            ("src/lib.rs", "// mod a;\nmod b { }\nmod c;"),
            ("src/a.rs", "mod d;"),
            ("src/a/d.rs", ""),
            ("src/b.rs", ""),
            ("src/c.rs", ""),
            ("src/x/c.rs", ""),
        ];
        assert_eq!(
            dead(&files),
            ["src/a.rs", "src/a/d.rs", "src/b.rs", "src/x/c.rs"]
        );
    }

    #[test]
    fn a_module_says_what_it_is() {
        assert_eq!(check_doc("src/a.rs", "//! It.\n"), None);
        assert_eq!(check_doc("tests/a.rs", "fn f() {}\n"), None);
        assert!(check_doc("src/a.rs", "fn f() {}\n").is_some());
        assert!(check_doc("xtask/src/a.rs", "// It.\n").is_some());
    }
}
