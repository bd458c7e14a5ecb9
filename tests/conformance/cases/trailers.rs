//! The trailer section: its syntax counts, its fields do not.

use crate::harness::build::{GET, chunked, join, trailers};
use crate::harness::{Answer, Case, Expect};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = served();
    cases.extend(forbidden_fields());
    cases.extend(invalid());
    cases
}

fn served() -> Vec<Case> {
    let ok = |name: &str, section: &[u8]| {
        Case::served(name, "9112 §7.1.2", trailers(section)).body("hello")
    };
    let cut_off = chunked("5\r\nhello\r\n0\r\nA: 1\r\n");
    vec![
        ok("one field", b"X-Checksum: abc\r\n"),
        ok("three fields", b"A: 1\r\nB: 2\r\nC: 3\r\n"),
        ok("same field twice", b"A: 1\r\nA: 2\r\n"),
        ok("empty value", b"A:\r\n"),
        ok("blanks around the value", b"A: \t b \t\r\n"),
        ok("obs-text", b"A: \x80\xff\r\n"),
        Case::served(
            "announced by Trailer",
            "9110 §6.6.2",
            join(&[
                b"POST / HTTP/1.1\r\nHost: a\r\nTrailer: A\r\nTransfer-Encoding: chunked\r\n\r\n",
                b"5\r\nhello\r\n0\r\nA: 1\r\n\r\n",
            ]),
        )
        .body("hello"),
        Case::served("after no data", "9112 §7.1.2", chunked("0\r\nA: 1\r\n\r\n")).body(""),
        Case::served(
            "does not join the fields",
            "9110 §6.5.1",
            join(&[
                b"POST /fields HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
                b"5\r\nhello\r\n0\r\nX-Trailer: 1\r\n\r\n",
            ]),
        )
        .body("host: a\ntransfer-encoding: chunked\nhello"),
        Case::waiting(
            "cut off",
            "9112 §8",
            cut_off,
            "\r\n",
            Answer::ok().body("hello"),
        ),
    ]
}

/// Fields that would change the message if they counted. None may touch it or the next one.
fn forbidden_fields() -> Vec<Case> {
    let sections = [
        "Content-Length: 50",
        "Content-Length: 0",
        "Transfer-Encoding: chunked",
        "Transfer-Encoding: gzip",
        "Host: evil.example",
        "Host: a\r\nHost: b",
        "Connection: close",
        "Authorization: Bearer evil",
        "Cookie: a=b",
        "Content-Type: text/evil",
        "Content-Encoding: gzip",
        "Expect: 100-continue",
        "Expect: x",
        "Upgrade: websocket",
        "Trailer: A",
    ];
    let case = |section: &str| {
        let send = join(&[&trailers(format!("{section}\r\n")), GET.as_bytes()]);
        let expect = Expect::served(vec![
            Answer::ok().body("hello"),
            Answer::ok().is("x-method", "GET").body(""),
        ]);
        Case::new(
            format!("forbidden {section:?}"),
            "9110 §6.5.1: ignored",
            send,
            expect,
        )
        .or(Expect::rejected(&[400]).entered(0..=1))
    };
    sections.into_iter().map(case).collect()
}

fn invalid() -> Vec<Case> {
    let sections: [(&str, &[u8]); 23] = [
        ("no colon", b"NoColon\r\n"),
        ("no name", b": b\r\n"),
        ("space before the colon", b"A : b\r\n"),
        ("tab before the colon", b"A\t: b\r\n"),
        ("space in the name", b"A B: c\r\n"),
        ("bracket in the name", b"A[: b\r\n"),
        ("NUL in the name", b"A\0: b\r\n"),
        ("utf-8 in the name", b"\xc3\xa9: b\r\n"),
        ("NUL in the value", b"A: \0\r\n"),
        ("control in the value", b"A: \x01\r\n"),
        ("DEL in the value", b"A: \x7f\r\n"),
        ("CR in the value", b"A: b\rc\r\n"),
        ("LF in the value", b"A: b\nc\r\n"),
        ("LF ends a field", b"A: b\nC: d\r\n"),
        ("LF ends the section", b"A: b\r\n\n"),
        ("LF LF ends the section", b"A: b\n\n"),
        ("CR CR LF ends a field", b"A: b\r\r\n"),
        ("CR ends the section", b"A: b\r\n\rX"),
        ("folded", b"A: b\r\n c\r\n"),
        ("folded with a tab", b"A: b\r\n\tc\r\n"),
        ("blank first", b" A: b\r\n"),
        ("blank line", b" \r\n"),
        ("a request", b"GET /smuggled HTTP/1.1\r\nHost: a\r\n"),
    ];
    let case = |(name, section): (&str, &[u8])| {
        Case::body_rejected(name, "9112 §7.1.2: field-line", trailers(section), &[400])
    };
    sections.into_iter().map(case).collect()
}
