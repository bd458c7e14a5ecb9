//! Field lines: names, values, and where a line ends.

use crate::harness::build::{bare, fields, join, label};
use crate::harness::{Case, is_tchar};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = line_ends();
    cases.extend(head_ends());
    cases.extend(folds());
    cases.extend(names());
    cases.extend(bytes_of_names());
    cases.extend(values());
    cases.extend(bytes_of_values());
    cases
}

fn line_ends() -> Vec<Case> {
    vec![
        Case::rejected(
            "LF ends a field",
            "9112 §2.2, decided: CRLF only",
            fields("A: b\nC: d\r\n"),
            &[400],
        ),
        Case::rejected(
            "CR ends a field",
            "9112 §2.2: bare CR",
            fields("A: b\rC: d\r\n"),
            &[400],
        ),
        Case::rejected(
            "CR CR LF ends a field",
            "9112 §2.2: bare CR",
            fields("A: b\r\r\n"),
            &[400],
        ),
        Case::rejected(
            "LF CR ends a field",
            "9112 §2.2",
            fields("A: b\n\rC: d\r\n"),
            &[400],
        ),
        Case::rejected("LF in a value", "9110 §5.5", fields("A: b\nc\r\n"), &[400]),
        Case::rejected("CR in a value", "9110 §5.5", fields("A: b\rc\r\n"), &[400]),
        Case::rejected(
            "CR at the end of a name",
            "9112 §2.2: bare CR",
            fields("A\r: b\r\n"),
            &[400],
        ),
        Case::rejected(
            "LF after the colon",
            "9110 §5.5",
            fields("A:\nb\r\n"),
            &[400],
        ),
        Case::rejected(
            "CR after the colon",
            "9110 §5.5",
            fields("A:\rb\r\n"),
            &[400],
        ),
        Case::rejected(
            "CR first in a line",
            "9112 §2.2: bare CR",
            fields("\rA: b\r\n"),
            &[400],
        ),
    ]
}

fn head_ends() -> Vec<Case> {
    vec![
        Case::rejected(
            "LF ends the head",
            "9112 §2.2, decided: CRLF only",
            "GET / HTTP/1.1\r\nHost: a\r\n\n",
            &[400],
        ),
        Case::rejected(
            "LF LF ends the head",
            "9112 §2.2, decided: CRLF only",
            "GET / HTTP/1.1\r\nHost: a\n\n",
            &[400],
        ),
        Case::rejected(
            "LF CR LF ends the head",
            "9112 §2.2",
            "GET / HTTP/1.1\r\nHost: a\n\r\n",
            &[400],
        ),
        Case::rejected(
            "CR and no LF ends the head",
            "9112 §2.2",
            "GET / HTTP/1.1\r\nHost: a\r\n\rX",
            &[400],
        ),
        Case::rejected(
            "CR CR LF ends the head",
            "9112 §2.2",
            "GET / HTTP/1.1\r\nHost: a\r\n\r\r\n",
            &[400],
        ),
    ]
}

fn folds() -> Vec<Case> {
    vec![
        Case::rejected(
            "folded with a space",
            "9112 §5.2: reject obs-fold",
            fields("A: b\r\n c\r\n"),
            &[400],
        ),
        Case::rejected(
            "folded with a tab",
            "9112 §5.2: reject obs-fold",
            fields("A: b\r\n\tc\r\n"),
            &[400],
        ),
        Case::rejected(
            "folded before the value",
            "9112 §5.2",
            fields("A:\r\n b\r\n"),
            &[400],
        ),
        Case::rejected(
            "folded to nothing",
            "9112 §5.2",
            fields("A: b\r\n \r\n"),
            &[400],
        ),
        Case::rejected(
            "folded like a field",
            "9112 §5.2",
            fields("A: b\r\n C: d\r\n"),
            &[400],
        ),
        Case::rejected(
            "folded at the end",
            "9112 §5.2",
            fields("A: b\r\n\t\r\n"),
            &[400],
        ),
        Case::rejected(
            "blank before the first field",
            "9112 §2.2",
            bare(" Host: a\r\n"),
            &[400],
        ),
        Case::rejected(
            "tab before the first field",
            "9112 §2.2",
            bare("\tHost: a\r\n"),
            &[400],
        ),
        Case::rejected(
            "blank line before the first field",
            "9112 §2.2",
            bare(" \r\nHost: a\r\n"),
            &[400],
        ),
    ]
}

fn names() -> Vec<Case> {
    let every_tchar: String = (0..128u8)
        .filter(|&byte| is_tchar(byte))
        .map(char::from)
        .collect();
    let listed = format!("host: a\n{}: b\n", every_tchar.to_ascii_lowercase());
    vec![
        Case::served(
            "every tchar in a name",
            "9110 §5.6.2",
            fields(format!("{every_tchar}: b\r\n")),
        )
        .body(listed),
        Case::served("one-byte name", "9110 §5.1", fields("a:b\r\n")).body("host: a\na: b\n"),
        Case::served("name of digits", "9110 §5.1", fields("1: b\r\n")).body("host: a\n1: b\n"),
        Case::served(
            "mixed case",
            "9110 §5.1: case-insensitive",
            bare("hOsT: a\r\n"),
        ),
        Case::served(
            "same name twice",
            "9110 §5.3: order is kept",
            fields("A: 1\r\nB: 2\r\nA: 3\r\n"),
        )
        .body("host: a\na: 1\nb: 2\na: 3\n"),
        Case::served(
            "like a framing field",
            "9110 §5.1",
            fields("Content-Length-X: 5\r\nX-Content-Length: 5\r\n"),
        )
        .body("host: a\ncontent-length-x: 5\nx-content-length: 5\n"),
        Case::rejected(
            "empty name",
            "9112 §5: a token has a character",
            fields(": b\r\n"),
            &[400],
        ),
        Case::rejected("colon alone", "9112 §5", fields(":\r\n"), &[400]),
        Case::rejected("no colon", "9112 §5", fields("NoColon\r\n"), &[400]),
        Case::rejected(
            "no colon on the first line",
            "9112 §5",
            bare("NoColon\r\nHost: a\r\n"),
            &[400],
        ),
        Case::rejected(
            "space before the colon",
            "9112 §5.1: must reject",
            fields("A : b\r\n"),
            &[400],
        ),
        Case::rejected(
            "tab before the colon",
            "9112 §5.1: must reject",
            fields("A\t: b\r\n"),
            &[400],
        ),
        Case::rejected("space in a name", "9110 §5.1", fields("A B: c\r\n"), &[400]),
        Case::rejected(
            "utf-8 in a name",
            "9110 §5.1",
            fields("X-\u{eb}: b\r\n"),
            &[400],
        ),
    ]
}

/// Each byte that is no tchar, in the middle of a name.
fn bytes_of_names() -> Vec<Case> {
    let bytes = (0..=255u8).filter(|&byte| !is_tchar(byte) && byte != b':');
    let case = |byte| {
        let send = fields(join(&[b"X-a", &[byte], b"b: c\r\n"]));
        Case::rejected(
            format!("{} in a name", label(byte)),
            "9110 §5.6.2: tchar",
            send,
            &[400],
        )
    };
    bytes.map(case).collect()
}

fn values() -> Vec<Case> {
    let seen = |value: &str| format!("host: a\na: {value}\n");
    vec![
        Case::served("empty value", "9110 §5.5", fields("A:\r\n")).body(seen("")),
        Case::served(
            "value of blanks",
            "9112 §5.1: OWS is no part of it",
            fields("A: \t \r\n"),
        )
        .body(seen("")),
        Case::served("no space after the colon", "9112 §5.1", fields("A:b\r\n")).body(seen("b")),
        Case::served("tab after the colon", "9112 §5.1", fields("A:\tb\r\n")).body(seen("b")),
        Case::served(
            "blanks around the value",
            "9112 §5.1",
            fields("A: \t b \t \r\n"),
        )
        .body(seen("b")),
        Case::served("blanks in the value", "9110 §5.5", fields("A: b \t c\r\n"))
            .body(seen("b \t c")),
        Case::served("colons in the value", "9112 §5", fields("A: :b:c:\r\n")).body(seen(":b:c:")),
        Case::served("case of the value", "9110 §5.5", fields("A: bCdE\r\n")).body(seen("bCdE")),
        Case::served("quotes left open", "9110 §5.5", fields("A: \"b\r\n")).body(seen("\"b")),
        Case::served(
            "all visible bytes",
            "9110 §5.5",
            fields(format!("A: {}\r\n", ('!'..='~').collect::<String>())),
        )
        .body(seen(&('!'..='~').collect::<String>())),
        Case::served(
            "obs-text at both ends",
            "9110 §5.5: opaque data, kept",
            fields(b"A: \x80b\xff\r\n"),
        )
        .body(b"host: a\na: \x80b\xff\n"),
        Case::served("obs-text alone", "9110 §5.5", fields(b"A: \xff\r\n"))
            .body(b"host: a\na: \xff\n"),
        Case::served(
            "value like a request line",
            "9112 §5",
            fields("A: GET / HTTP/1.1\r\n"),
        )
        .body(seen("GET / HTTP/1.1")),
    ]
}

/// Each control but HTAB: CR, LF and NUL by the RFC, the others by the engine's own decision.
fn bytes_of_values() -> Vec<Case> {
    let controls = (0..0x20u8).filter(|&byte| byte != b'\t').chain([0x7f]);
    let places = [
        ("inside", &b"A: b"[..], &b"c\r\n"[..]),
        ("first in", b"A: ", b"c\r\n"),
        ("last in", b"A: b", b"\r\n"),
    ];
    let case = |byte: u8, (place, before, after): (&str, &[u8], &[u8])| {
        let send = fields(join(&[before, &[byte], after]));
        Case::rejected(
            format!("{} {place} a value", label(byte)),
            "9110 §5.5: CTL",
            send,
            &[400],
        )
    };
    controls
        .flat_map(|byte| places.map(|place| case(byte, place)))
        .collect()
}
