//! `cargo xtask tidy`: style as a test, over the files that git knows or would add.
//!
//! Each rule is a function from a path and a text to findings, so that its tests need no tree.

mod banned;
mod layers;
mod links;
mod modules;
mod scan;
mod size;

use std::collections::BTreeMap;
use std::fmt;
use std::fs;

use scan::Scan;

use crate::shell::{self, Result, command};

/// Something to mend, at a line that counts from 1.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    path: String,
    line: usize,
    text: String,
}

impl Finding {
    fn new(path: &str, line: usize, text: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            line,
            text: text.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.text)
    }
}

/// The files to look at: paths from the root, `/` between folders. The text of one that is not
/// UTF-8 is empty: a seed or a picture has no style.
type Tree = BTreeMap<String, String>;

/// Prints what is to be mended, and fails if that is anything.
pub(crate) fn run() -> Result {
    let tree = read_tree()?;
    let findings = check(&tree);
    for finding in &findings {
        println!("{finding}");
    }
    if !findings.is_empty() {
        return Err(format!("tidy: {} to mend", findings.len()).into());
    }
    println!("{} files are tidy", tree.len());
    Ok(())
}

/// Files that are new count too: what would fail once it is committed should fail before.
fn read_tree() -> Result<Tree> {
    let arguments = [
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ];
    let listing = shell::capture(&mut command("git", &arguments))?.output;
    let mut tree = Tree::new();
    for path in listing.split_terminator('\0') {
        let file = shell::root().join(path);
        // A file that was removed but not yet from the index is listed, and is no file.
        if file.is_file() {
            let text = String::from_utf8(fs::read(file)?).unwrap_or_default();
            tree.insert(path.to_owned(), text);
        }
    }
    Ok(tree)
}

fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut scans = BTreeMap::new();
    for (path, text) in tree {
        findings.extend(size::check_file(path, text));
        if path.ends_with(".rs") {
            let scan = Scan::of(text);
            findings.extend(size::check_lines(path, text, &scan));
            findings.extend(size::check_functions(path, &scan));
            findings.extend(banned::check(path, &scan));
            findings.extend(layers::check(path, &scan));
            findings.extend(modules::check_doc(path, text));
            scans.insert(path.as_str(), scan);
        }
        if path.ends_with(".md") {
            findings.extend(links::check(path, text, tree));
        }
    }
    findings.extend(modules::check_reachable(&scans));
    findings.sort();
    findings.dedup();
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rules_are_all_applied() {
        let wide = format!("// {}\n", "x".repeat(100));
        let tree = Tree::from([
            ("README.md".to_owned(), "[gone](docs/gone.md)\n".to_owned()),
            (
                "src/lib.rs".to_owned(),
                "//! It.\nmod proto;\nuse mio::Poll;\n".to_owned(),
            ),
            ("src/dead.rs".to_owned(), "//! Dead.\n".to_owned()),
            ("src/proto.rs".to_owned(), "fn f() {}\n".to_owned()),
            ("tests/a.rs".to_owned(), "fn f() {\n}\n".repeat(401) + &wide),
            (
                "tests/b.rs".to_owned(),
                "fn f() {\n".to_owned() + &"\n".repeat(70) + "}\n",
            ),
        ]);
        let places: Vec<String> = check(&tree)
            .iter()
            .map(|finding| format!("{}:{}", finding.path, finding.line))
            .collect();
        let expected = [
            "README.md:1",
            "src/dead.rs:1",
            "src/lib.rs:3",
            "src/proto.rs:1",
            "tests/a.rs:801",
            "tests/a.rs:803",
            "tests/b.rs:1",
        ];
        assert_eq!(places, expected);
    }

    #[test]
    fn a_tidy_tree_has_no_findings() {
        let tree = Tree::from([
            (
                "README.md".to_owned(),
                "[the code](src/lib.rs)\n".to_owned(),
            ),
            ("src/lib.rs".to_owned(), "//! It.\nmod proto;\n".to_owned()),
            (
                "src/proto.rs".to_owned(),
                "//! Pure.\nuse crate::util;\n".to_owned(),
            ),
        ]);
        assert_eq!(check(&tree), []);
    }
}
