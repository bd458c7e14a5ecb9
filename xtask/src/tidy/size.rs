//! Limits of size: a file, a function, a line.

use super::Finding;
use super::scan::{Scan, joins, line_at, words};

const FILE_LINES_MAX: usize = 800;
const FUNCTION_LINES_MAX: usize = 70;
const LINE_WIDTH_MAX: usize = 100;

/// What people write by hand, by the end of its name.
const SOURCES: &[&str] = &[
    ".rs", ".c", ".h", ".hpp", ".cpp", ".js", ".mjs", ".ts", ".py", ".sh",
];

/// What a tool writes.
const GENERATED: &[&str] = &["include/keirin.h"];

pub(super) fn check_file(path: &str, text: &str) -> Option<Finding> {
    let is_source = SOURCES.iter().any(|end| path.ends_with(end)) && !GENERATED.contains(&path);
    let lines = text.lines().count();
    (is_source && lines > FILE_LINES_MAX).then(|| {
        let text = format!("{lines} lines in a file, at most {FILE_LINES_MAX}: split it");
        Finding::new(path, FILE_LINES_MAX + 1, text)
    })
}

pub(super) fn check_lines(path: &str, text: &str, scan: &Scan) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, (line, code)) in text.lines().zip(scan.code.lines()).enumerate() {
        let width = line.chars().count();
        if width > LINE_WIDTH_MAX && !is_unbreakable(line, code) {
            let text = format!("{width} columns in a line, at most {LINE_WIDTH_MAX}: break it");
            findings.push(Finding::new(path, index + 1, text));
        }
    }
    findings
}

/// An address, or a literal that has its line to itself.
fn is_unbreakable(line: &str, code: &str) -> bool {
    let starts_literal = line.trim_start().starts_with(['"', 'b', 'r']);
    let is_literal = starts_literal && !code.contains(|c| !" br,;)]".contains(c));
    is_literal || line.contains("https://")
}

pub(super) fn check_functions(path: &str, scan: &Scan) -> Vec<Finding> {
    let mut findings = Vec::new();
    for start in words(&scan.code, "fn") {
        let Some(function) = Function::at(&scan.code[start..]) else {
            continue;
        };
        let lines = function.code.lines().count();
        if lines > FUNCTION_LINES_MAX && !function.is_table() {
            let name = function.name;
            let text = format!(
                "{lines} lines in `{name}`, at most {FUNCTION_LINES_MAX}: give parts names"
            );
            findings.push(Finding::new(path, line_at(&scan.code, start), text));
        }
    }
    findings
}

struct Function<'a> {
    name: &'a str,
    /// From `fn` to the end of the body.
    code: &'a str,
    /// Within the outer braces.
    body: &'a str,
}

impl<'a> Function<'a> {
    /// The function at the start of `code`, if it has a body.
    fn at(code: &'a str) -> Option<Self> {
        let name = code.strip_prefix("fn")?.trim_start();
        // `fn(u8)` is the type of a pointer.
        let name = &name[..name.find(|character| !joins(Some(character)))?];
        if name.is_empty() {
            return None;
        }
        let mut depth = 0;
        let mut body = None;
        for (at, character) in code.char_indices() {
            match character {
                ';' if depth == 0 => return None,
                '{' if depth == 0 => {
                    body = Some(at + 1);
                    depth = 1;
                }
                '(' | '[' | '{' => depth += 1,
                ')' | ']' | '}' => depth -= 1,
                _ => {}
            }
            if let (Some(body), 0) = (body, depth) {
                let (code, body) = (&code[..=at], &code[body..at]);
                return Some(Self { name, code, body });
            }
        }
        None
    }

    /// Whether it is nothing but a list, which may be as long as it likes.
    fn is_table(&self) -> bool {
        let body = self.body.trim();
        let items = body.strip_prefix("vec!").unwrap_or(body);
        let mut depth = 0;
        let end = items.find(|character| {
            match character {
                '[' => depth += 1,
                ']' => depth -= 1,
                _ => {}
            }
            depth == 0
        });
        items.starts_with('[') && end == Some(items.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<usize> {
        let findings = check_lines("a.rs", text, &Scan::of(text));
        findings.iter().map(|finding| finding.line).collect()
    }

    fn functions(text: &str) -> Vec<(usize, String)> {
        let findings = check_functions("a.rs", &Scan::of(text));
        findings
            .into_iter()
            .map(|finding| (finding.line, finding.text))
            .collect()
    }

    #[test]
    fn a_file_has_a_limit() {
        assert_eq!(check_file("a.rs", &"\n".repeat(800)), None);
        assert_eq!(check_file("a.rs", &"\n".repeat(801)).unwrap().line, 801);
        assert_eq!(check_file("notes.md", &"\n".repeat(801)), None);
        assert_eq!(check_file("include/keirin.h", &"\n".repeat(801)), None);
    }

    #[test]
    fn a_line_has_a_limit() {
        assert_eq!(lines(&"é".repeat(100)), []);
        assert_eq!(lines(&format!("\n{}\n", "é".repeat(101))), [2]);
        assert_eq!(lines(&format!("// {}", "a".repeat(98))), [1]);
        assert_eq!(lines(&format!("f({:?});", "a".repeat(98))), [1]);
    }

    #[test]
    fn what_cannot_be_broken_has_no_limit() {
        let long = "a".repeat(100);
        assert_eq!(lines(&format!("//! https://{long}")), []);
        assert_eq!(lines(&format!("    f(\n        b{long:?},\n    );")), []);
        assert_eq!(lines(&format!("    {long:?}, f({long:?}),")), [1]);
    }

    #[test]
    fn a_function_has_a_limit() {
        let body = |lines| {
            format!(
                "\nfn f(a: [u8; 2]) -> u8 {{\n{}}}\n",
                "{ '}' }\n".repeat(lines)
            )
        };
        assert_eq!(functions(&body(68)), []);
        let text = "71 lines in `f`, at most 70: give parts names";
        assert_eq!(functions(&body(69)), [(2, text.to_owned())]);
    }

    #[test]
    fn a_nested_function_counts_for_itself() {
        let inner = format!("fn inner() {{\n{}}}\n", "\n".repeat(70));
        let outer = format!("fn outer() {{\n{inner}}}\n");
        let lines: Vec<usize> = functions(&outer).iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [1, 2]);
    }

    #[test]
    fn a_table_has_no_limit() {
        let rows = "    row([1]),\n".repeat(80);
        assert_eq!(
            functions(&format!("fn f() -> Vec<Row> {{\n  vec![\n{rows}  ]\n}}")),
            []
        );
        assert_eq!(
            functions(&format!("fn f() -> [Row; 80] {{\n  [\n{rows}  ]\n}}")),
            []
        );
        let more = format!("fn f() {{\n  vec![\n{rows}  ].into_iter().map(g) + h[0]\n}}");
        assert_eq!(functions(&more).len(), 1);
    }

    #[test]
    fn what_has_no_body_has_no_length() {
        let after = "\n".repeat(80);
        assert_eq!(functions(&format!("trait T {{ fn f(&self);{after} }}")), []);
        assert_eq!(
            functions(&format!("type F = fn(u8) -> u8;\nmod m {{{after}}}")),
            []
        );
        assert_eq!(functions(&format!("// fn f() {{{after}}}\n")), []);
    }
}
