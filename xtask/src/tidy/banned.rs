//! What must not be written, and what to write instead.

use super::Finding;
use super::scan::{Scan, line_at, words};

struct Ban {
    /// The folders it holds in, each with its `/` at the end; none means everywhere.
    folders: &'static [&'static str],
    /// The folders below those where it does not hold.
    except: &'static [&'static str],
    /// The words that must not be there.
    words: &'static [&'static str],
    /// What to do about it.
    instead: &'static str,
}

const EVERYWHERE: &[&str] = &[];
const PURE: &[&str] = &["src/proto/", "src/util/"];

const BANS: &[Ban] = &[
    Ban {
        folders: PURE,
        except: &[],
        words: &["std::net", "std::io", "std::thread"],
        instead: "bytes in, events out; the operating system belongs to src/net",
    },
    Ban {
        folders: PURE,
        except: &[],
        words: &["Instant", "SystemTime"],
        instead: "take the time as an argument",
    },
    Ban {
        folders: &["src/proto/"],
        except: &[],
        words: &[
            ".parse::<u8",
            ".parse::<u16",
            ".parse::<u32",
            ".parse::<u64",
            ".parse::<u128",
            ".parse::<usize",
            "from_str_radix",
        ],
        instead: "parse numbers from the wire by their digits: these take `+3`",
    },
    Ban {
        folders: &["src/proto/"],
        except: &[],
        words: &[".parse()", "from_str"],
        instead: "name the type, `.parse::<T>()`, so that one sees it is no number",
    },
    Ban {
        folders: &["src/"],
        except: &["src/net/"],
        words: &["mio", "socket2"],
        instead: "only src/net names it; use what crate::net offers",
    },
    Ban {
        folders: &["src/"],
        except: &[],
        words: &["unsafe"],
        instead: "this crate has none; unsafe code goes to ffi/",
    },
    Ban {
        folders: &["src/"],
        except: &[],
        words: &["print!", "println!"],
        instead: "standard output belongs to the user; use the log hook",
    },
    Ban {
        folders: &["src/"],
        except: &[],
        words: &["super::super"],
        instead: "write the path from `crate::`, so that its layer shows",
    },
    Ban {
        folders: EVERYWHERE,
        except: &[],
        words: &["todo!", "unimplemented!", "dbg!"],
        instead: "finish it before it is merged",
    },
];

/// Marks in comments that block a merge.
const MARKS: &[&str] = &["FIXME"];

pub(super) fn check(path: &str, scan: &Scan) -> Vec<Finding> {
    let mut findings = Vec::new();
    for ban in BANS.iter().filter(|ban| ban.holds_in(path)) {
        for word in ban.words {
            let lines = lines_with(scan, word);
            let text = format!("`{word}`: {}", ban.instead);
            findings.extend(
                lines
                    .into_iter()
                    .map(|line| Finding::new(path, line, text.as_str())),
            );
        }
    }
    for mark in MARKS {
        for at in words(&scan.comments, mark) {
            let line = line_at(&scan.comments, at);
            findings.push(Finding::new(
                path,
                line,
                format!("`{mark}`: mend it before it is merged"),
            ));
        }
    }
    findings
}

/// The lines where a word or a path stands in the code, or is imported as a part of a group.
pub(super) fn lines_with(scan: &Scan, word: &str) -> Vec<usize> {
    let mut lines: Vec<usize> = words(&scan.code, word)
        .map(|at| line_at(&scan.code, at))
        .collect();
    if word.contains("::") {
        let imports = scan.imports().into_iter();
        lines.extend(
            imports
                .filter(|(_, path)| words(path, word).next() == Some(0))
                .map(|it| it.0),
        );
    }
    lines.sort_unstable();
    lines.dedup();
    lines
}

impl Ban {
    fn holds_in(&self, path: &str) -> bool {
        let is_in = |folders: &[&str]| folders.iter().any(|folder| path.starts_with(folder));
        (self.folders.is_empty() || is_in(self.folders)) && !is_in(self.except)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines that are found in `text` if it stands at `path`.
    #[track_caller]
    fn expect(path: &str, text: &str, lines: &[usize]) {
        let findings = check(path, &Scan::of(text));
        let found: Vec<usize> = findings.iter().map(|finding| finding.line).collect();
        assert_eq!(found, lines, "{path}: {text}: {findings:?}");
    }

    #[test]
    fn pure_code_knows_no_system() {
        for folder in ["src/proto", "src/util"] {
            let path = format!("{folder}/a.rs");
            expect(&path, "use std::net::TcpStream;", &[1]);
            expect(&path, "\nuse std::{fmt, io};", &[2]);
            expect(&path, "use std::{\n    fmt,\n    net::{A, B},\n};", &[1]);
            expect(&path, "fn f() { std::thread::yield_now() }", &[1]);
            expect(&path, "use std::fmt;\nuse std::iter;", &[]);
        }
        expect("src/net/a.rs", "use std::net::TcpStream;", &[]);
    }

    #[test]
    fn pure_code_knows_no_clock() {
        expect("src/proto/a.rs", "fn f(now: Instant) {}", &[1]);
        expect("src/util/a.rs", "use std::time::SystemTime;", &[1]);
        expect("src/proto/a.rs", "fn f(now: InstantMs) {} // Instant", &[]);
        expect("src/engine/a.rs", "fn f(now: Instant) {}", &[]);
    }

    #[test]
    fn numbers_are_parsed_by_digits() {
        expect("src/proto/a.rs", "let n = text.parse::<u64>();", &[1]);
        expect("src/proto/a.rs", "let n: u64 = text.parse()?;", &[1]);
        expect(
            "src/proto/a.rs",
            "let n = u64::from_str_radix(text, 16);",
            &[1],
        );
        expect("src/proto/a.rs", "let n = usize::from_str(text);", &[1]);
        expect("src/proto/a.rs", "let head = parser.parse(bytes);", &[]);
        expect("src/proto/a.rs", "text.parse::<Ipv6Addr>()", &[]);
        expect("src/app/a.rs", "let n = text.parse::<u64>();", &[]);
    }

    #[test]
    fn only_net_names_its_crates() {
        expect("src/engine/a.rs", "use mio::Token;", &[1]);
        expect("src/lib.rs", "fn f(socket: socket2::Socket) {}", &[1]);
        expect("src/net/poll.rs", "use mio::Token;", &[]);
        expect("src/engine/a.rs", "// what mio does\nlet minor = 1;", &[]);
    }

    #[test]
    fn the_crate_is_safe_and_quiet() {
        expect("src/lib.rs", "fn f() { unsafe { g() } }", &[1]);
        expect("src/lib.rs", "#![forbid(unsafe_code)]", &[]);
        expect("src/app/a.rs", "println!();\nprint!(\"a\");", &[2, 1]);
        expect("examples/hello.rs", "println!();", &[]);
        expect("src/app/a.rs", "/// println!()\nfn f() {}", &[]);
    }

    #[test]
    fn layers_show_in_paths() {
        expect("src/proto/a.rs", "use super::super::net;", &[1]);
        expect("src/proto/a.rs", "use super::head;", &[]);
    }

    #[test]
    fn unfinished_code_is_found_anywhere() {
        expect("tests/a.rs", "todo!()", &[1]);
        expect("xtask/src/a.rs", "unimplemented!()\n", &[1]);
        expect("benches/a.rs", "let a = dbg!(b);", &[1]);
        expect("tests/a.rs", "\n// FIXME: later", &[2]);
        expect("tests/a.rs", "let word = \"FIXME\"; // todo!()", &[]);
    }
}
