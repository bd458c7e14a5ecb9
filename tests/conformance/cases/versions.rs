//! The version: `HTTP/DIGIT.DIGIT`, case-sensitive.

use crate::harness::Case;
use crate::harness::build::{join, line};

/// Close to a version, and none.
const MALFORMED: &[&[u8]] = &[
    b"HTTP/1",
    b"HTTP/1.",
    b"HTTP/.1",
    b"HTTP/",
    b"HTTP",
    b"HTTP/11",
    b"HTTP/1.10",
    b"HTTP/1.1.1",
    b"HTTP/1.01",
    b"HTTP/01.1",
    b"HTTP/01.01",
    b"HTTP/10.1",
    b"HTTP/1,1",
    b"HTTP/1-1",
    b"HTTP/+1.1",
    b"HTTP/1.-1",
    b"HTTP/1.a",
    b"HTTP/a.b",
    b"HTTP/1.1x",
    b"HTTP/1.1\0",
    b"HTTP/1.\x7f",
    b"HTTP-1.1",
    b"HTTP\\1.1",
    b"HTTPS/1.1",
    b"XHTTP/1.1",
    b"ICY/1.1",
    b"HTTP/\xd9\xa1.\xd9\xa1",
];

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::served("1.1", "9112 §2.3", line("GET / HTTP/1.1")).is("x-minor", "1"),
        Case::served("1.0", "9112 §2.3", line("GET / HTTP/1.0"))
            .is("x-minor", "0")
            .closed_unannounced(),
        // The grammar allows 0.9 here, but no such message has a version.
        Case::rejected("0.9", "9112 §2.3", line("GET / HTTP/0.9"), &[400, 505]),
        Case::rejected("0.0", "9112 §2.3", line("GET / HTTP/0.0"), &[400, 505]),
    ];
    cases.extend(["1.2", "1.9", "2.0", "2.1", "3.0", "9.9"].map(|version| {
        let send = line(format!("GET / HTTP/{version}"));
        Case::rejected(
            format!("unsupported {version}"),
            "9110 §15.6.6, decided: 1.2 and up",
            send,
            &[505],
        )
    }));
    cases.extend(MALFORMED.iter().map(|version| {
        let send = line(join(&[b"GET / ", version]));
        Case::rejected(
            format!("malformed {}", version.escape_ascii()),
            "9112 §2.3: grammar",
            send,
            &[400],
        )
    }));
    cases.extend(
        ["http/1.1", "Http/1.1", "HTTp/1.1", "hTTP/1.0"].map(|version| {
            let send = line(format!("GET / {version}"));
            Case::rejected(
                format!("case {version}"),
                "9112 §2.3: case-sensitive",
                send,
                &[400],
            )
        }),
    );
    cases.extend(
        [
            "HTTP/ 1.1",
            "HTTP /1.1",
            "HTTP/1 .1",
            "HTTP/1. 1",
            "HTTP/\t1.1",
        ]
        .map(|version| {
            let send = line(format!("GET / {version}"));
            Case::rejected(
                format!("blank in {version:?}"),
                "9112 §2.3: grammar",
                send,
                &[400],
            )
        }),
    );
    cases
}
