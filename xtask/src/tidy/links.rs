//! Links in Markdown: those into the tree lead somewhere.

use super::{Finding, Tree};

pub(super) fn check(path: &str, text: &str, tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut in_code = false;
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        if in_code {
            continue;
        }
        for link in links(&without_code(line)) {
            let missing = local(link)
                .and_then(|target| resolve(path, target))
                .filter(|target| {
                    let folder = format!("{target}/");
                    !target.is_empty()
                        && !tree.contains_key(target)
                        && !tree.keys().any(|file| file.starts_with(&folder))
                });
            if let Some(target) = missing {
                let text = format!("link to `{link}`: there is no {target}");
                findings.push(Finding::new(path, index + 1, text));
            }
        }
    }
    findings
}

/// The line without its `code`, in which brackets are no links.
fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect()
}

/// The targets of `[text](target "title")` and of `[name]: target`.
fn links(line: &str) -> Vec<&str> {
    let inline = line
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split([')', ' ']).next());
    let reference = line
        .starts_with('[')
        .then(|| line.split_once("]: "))
        .flatten();
    let reference = reference.and_then(|(_, rest)| rest.split_whitespace().next());
    inline.chain(reference).collect()
}

/// The path in a link that leads to another file of the tree.
fn local(link: &str) -> Option<&str> {
    let elsewhere = link.contains("://") || link.starts_with("mailto:") || link.starts_with('#');
    (!elsewhere).then(|| link.split('#').next()).flatten()
}

/// The path from the root of the tree. A link that leaves the tree stays as it is, and so names
/// nothing in it.
fn resolve(from: &str, target: &str) -> Option<String> {
    let mut folders: Vec<&str> = from.split('/').collect();
    folders.pop();
    if target.starts_with('/') {
        folders.clear();
    }
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." if folders.is_empty() => return Some(target.to_owned()),
            ".." => {
                folders.pop();
            }
            name => folders.push(name),
        }
    }
    Some(folders.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines with a link that leads nowhere, in a tree of three files.
    #[track_caller]
    fn expect(path: &str, text: &str, lines: &[usize]) {
        let files = ["README.md", "docs/guide.md", "src/lib.rs"];
        let tree = files
            .map(|file| (file.to_owned(), String::new()))
            .into_iter()
            .collect();
        let findings = check(path, text, &tree);
        let found: Vec<usize> = findings.iter().map(|finding| finding.line).collect();
        assert_eq!(found, lines, "{text}: {findings:?}");
    }

    #[test]
    fn links_to_files_and_folders_resolve() {
        expect(
            "README.md",
            "[a](docs/guide.md), [b](src/), [c](./src/lib.rs#L1)",
            &[],
        );
        expect(
            "docs/guide.md",
            "[a](../README.md \"title\") [b](/src/lib.rs) [c](..)",
            &[],
        );
        expect("README.md", "see [a]\n\n[a]: docs/guide.md", &[]);
    }

    #[test]
    fn links_to_nothing_are_found() {
        expect("README.md", "\n[a](docs/gone.md) and [b](src/lib.rs)", &[2]);
        expect("docs/guide.md", "[a](README.md)", &[1]);
        expect("docs/guide.md", "[a](../../README.md)", &[1]);
        expect("README.md", "[a]: gone.md", &[1]);
    }

    #[test]
    fn what_is_no_link_into_the_tree_is_left_alone() {
        expect(
            "README.md",
            "[a](https://example.org/x) [b](#part) [c](mailto:a@b.c)",
            &[],
        );
        expect("README.md", "`[a](gone.md)`\n```\n[a](gone.md)\n```", &[]);
        expect("README.md", "```\n```\n[a](gone.md)", &[3]);
    }
}
