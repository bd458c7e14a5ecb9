//! The header as the tests read it: which functions take a loop, and which statuses each documents.

use std::collections::{BTreeMap, BTreeSet};

use crate::abi::Status;

const HEADER: &str = include_str!("../../../include/keirin.h");

/// A function of the header.
#[derive(Clone, Debug)]
pub(crate) struct Function {
    pub(crate) returns_status: bool,
    pub(crate) takes_loop: bool,
    /// The names of the statuses that its documentation has, also by reference to another.
    pub(crate) statuses: BTreeSet<String>,
}

#[derive(Debug)]
pub(crate) struct Header {
    pub(crate) functions: BTreeMap<String, Function>,
    numbers: BTreeMap<String, Status>,
}

impl Header {
    pub(crate) fn read() -> Self {
        let mut functions = BTreeMap::new();
        let mut documents = BTreeMap::new();
        for block in HEADER.split("/**").skip(1) {
            let (document, code) = block.split_once("*/").expect("the comment ends");
            let declaration = code.split(';').next().unwrap_or_default();
            let Some((name, arguments)) = function(declaration) else {
                continue;
            };
            documents.insert(name.to_owned(), document.to_owned());
            functions.insert(
                name.to_owned(),
                Function {
                    returns_status: declaration.trim_start().starts_with("keirin_status_t"),
                    takes_loop: arguments.contains("keirin_loop_t *loop"),
                    statuses: BTreeSet::new(),
                },
            );
        }
        for (name, function) in &mut functions {
            function.statuses = statuses(name, &documents, 0);
        }
        Self {
            functions,
            numbers: numbers(),
        }
    }

    /// The functions that take a loop.
    pub(crate) fn of_loops(&self) -> BTreeSet<&str> {
        let taking = self.functions.iter().filter(|(_, f)| f.takes_loop);
        taking.map(|(name, _)| name.as_str()).collect()
    }

    /// Whether the function's documentation has this status. That something has succeeded needs
    /// no word.
    pub(crate) fn documents(&self, function: &str, status: Status) -> bool {
        let of = &self.functions[function].statuses;
        status == 0 || of.iter().any(|name| self.numbers[name] == status)
    }
}

/// The name and the arguments of a declaration, if it is one of a function.
fn function(declaration: &str) -> Option<(&str, &str)> {
    let declaration = declaration.trim();
    if declaration.starts_with("typedef") || declaration.starts_with('#') {
        return None;
    }
    let (before, arguments) = declaration.split_once('(')?;
    let name = before.rsplit([' ', '*']).next()?;
    name.starts_with("keirin_").then_some((name, arguments))
}

/// What holds for every call that names an answer, and for every one that names a socket. The
/// header says so in the comments of the functions that come first.
const EVERY: [(&str, &str); 2] = [
    (
        "those of every call for an answer",
        "keirin_response_status",
    ),
    ("those of every call for a socket", "keirin_ws_send"),
];

fn statuses(name: &str, documents: &BTreeMap<String, String>, depth: u32) -> BTreeSet<String> {
    assert!(depth < 5, "{name}: references in a circle");
    let document = plain(&documents[name]);
    let mut found: BTreeSet<String> = words(&document)
        .filter(|word| is_status(word))
        .map(str::to_owned)
        .collect();
    for (text, first) in EVERY {
        if document.contains(text) {
            let common = match first {
                "keirin_ws_send" => &["NULL", "WRONG_THREAD", "STALE"][..],
                _ => &["NULL", "WRONG_THREAD", "STALE", "ALREADY_ENDED"][..],
            };
            found.extend(common.iter().map(|word| format!("KEIRIN_ERR_{word}")));
        }
    }
    let errors = document
        .split_once("Errors:")
        .map_or("", |(_, errors)| errors);
    for other in words(errors).filter(|word| documents.contains_key(*word)) {
        if errors.contains(&format!("as {other}()")) || errors.contains(&format!("of {other}()")) {
            found.extend(statuses(other, documents, depth + 1));
        }
    }
    found
}

/// A comment in one line.
fn plain(comment: &str) -> String {
    let lines = comment
        .lines()
        .map(|line| line.trim().trim_start_matches('*').trim());
    lines.collect::<Vec<_>>().join(" ")
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
}

fn is_status(word: &str) -> bool {
    let positive = [
        "KEIRIN_QUEUED",
        "KEIRIN_DROPPED",
        "KEIRIN_MORE",
        "KEIRIN_BLOCKED",
    ];
    word.starts_with("KEIRIN_ERR_") || positive.contains(&word)
}

fn numbers() -> BTreeMap<String, Status> {
    let defines = HEADER
        .lines()
        .filter_map(|line| line.strip_prefix("#define "));
    let numbers = defines.filter_map(|line| {
        let (name, number) = line.split_once(' ')?;
        Some((name.to_owned(), number.parse().ok()?))
    });
    numbers.filter(|(name, _)| is_status(name)).collect()
}

#[test]
fn the_header_is_read_as_it_is_meant() {
    let header = Header::read();
    assert!(header.functions.len() > 100, "{}", header.functions.len());
    assert!(header.of_loops().len() > 50, "{}", header.of_loops().len());
    let of = |name: &str| {
        let statuses = header.functions[name].statuses.iter();
        statuses
            .map(|name| name.trim_start_matches("KEIRIN_"))
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(
        of("keirin_response_end_without_body"),
        "ERR_ALREADY_ENDED ERR_LENGTH ERR_NULL ERR_STALE ERR_WRONG_THREAD"
    );
    assert_eq!(
        of("keirin_ws_send_fragment"),
        "DROPPED ERR_ARGUMENT ERR_FRAGMENT ERR_NULL ERR_STALE ERR_UTF8 ERR_WRONG_THREAD QUEUED"
    );
    assert_eq!(
        of("keirin_loop_run"),
        "ERR_IO ERR_NULL ERR_REENTRANT ERR_WRONG_THREAD"
    );
}
