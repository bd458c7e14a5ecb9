//! Host: one, valid, and there.

use crate::harness::Case;
use crate::harness::build::{bare, join, line};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = presence();
    cases.extend(repeated());
    cases.extend(valid_values());
    cases.extend(invalid_values());
    cases
}

fn presence() -> Vec<Case> {
    vec![
        Case::rejected("missing", "9112 §3.2", bare(""), &[400]),
        Case::rejected(
            "missing among others",
            "9112 §3.2",
            bare("A: b\r\nX-Host: a\r\nHosts: a\r\n"),
            &[400],
        ),
        Case::rejected(
            "missing with a body",
            "9112 §3.2",
            "POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello",
            &[400],
        ),
        Case::rejected(
            "missing beside absolute-form",
            "9112 §3.2.2: still sent",
            "GET http://a/ HTTP/1.1\r\n\r\n",
            &[400],
        ),
        Case::rejected(
            "missing on OPTIONS *",
            "9112 §3.2",
            "OPTIONS * HTTP/1.1\r\n\r\n",
            &[400],
        ),
        Case::served(
            "missing on 1.0",
            "9112 §3.2: for 1.1 requests",
            "GET / HTTP/1.0\r\n\r\n",
        )
        .closed_unannounced(),
        Case::rejected("empty", "9110 §7.2, decided", bare("Host:\r\n"), &[400]),
        Case::rejected("blank", "9110 §7.2, decided", bare("Host: \t \r\n"), &[400]),
    ]
}

fn repeated() -> Vec<Case> {
    vec![
        Case::rejected(
            "twice, different",
            "9112 §3.2",
            bare("Host: a\r\nHost: b\r\n"),
            &[400],
        ),
        Case::rejected(
            "twice, the same",
            "9112 §3.2",
            bare("Host: a\r\nHost: a\r\n"),
            &[400],
        ),
        Case::rejected(
            "twice, cases differ",
            "9112 §3.2",
            bare("Host: a\r\nhost: a\r\n"),
            &[400],
        ),
        Case::rejected(
            "twice, one empty",
            "9112 §3.2",
            bare("Host: a\r\nHost:\r\n"),
            &[400],
        ),
        Case::rejected(
            "twice, far apart",
            "9112 §3.2",
            bare("Host: a\r\nA: b\r\nC: d\r\nHost: a\r\n"),
            &[400],
        ),
        Case::rejected(
            "twice on 1.0",
            "9112 §3.2: any request message",
            "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n",
            &[400],
        ),
        Case::rejected(
            "invalid on 1.0",
            "9112 §3.2: any request message",
            "GET / HTTP/1.0\r\nHost: a/b\r\n\r\n",
            &[400],
        ),
        Case::rejected(
            "space before the colon",
            "9112 §5.1",
            bare("Host : a\r\n"),
            &[400],
        ),
        Case::rejected("folded", "9112 §5.2", bare("Host:\r\n a\r\n"), &[400]),
        Case::served(
            "other than in the target",
            "9112 §3.2.2: the target's authority counts",
            line("GET http://b/ HTTP/1.1"),
        )
        .or_rejected(&[400]),
    ]
}

fn valid_values() -> Vec<Case> {
    let values = [
        "a",
        "example.com",
        "EXAMPLE.com",
        "example.com.",
        "a:80",
        "a:",
        "127.0.0.1",
        "127.0.0.1:8080",
        "[::1]",
        "[::1]:80",
        "[2001:db8::ff]",
        "[::ffff:192.0.2.1]",
        "_dmarc.a",
        "a-b.c",
        "a~b",
        "a%20b",
        "xn--bcher-kva.example",
        "a!$&'()*+;=b",
    ];
    let case = |value: &str| {
        Case::served(
            format!("valid {value}"),
            "9110 §7.2",
            bare(format!("Host: {value}\r\n")),
        )
    };
    let mut cases: Vec<_> = values.into_iter().map(case).collect();
    cases.push(Case::served(
        "blanks around",
        "9112 §5.1",
        bare("Host: \t a \t\r\n"),
    ));
    // Valid by the grammar, of no use to an http server.
    for value in [":80", "a,b", "[v1.x]", "a:99999"] {
        cases.push(case(value).or_rejected(&[400]));
    }
    cases
}

fn invalid_values() -> Vec<Case> {
    let values: [&[u8]; 34] = [
        b"user@a",
        b"user:pass@a",
        b"@a",
        b"a/",
        b"a/path",
        b"a?b",
        b"a#b",
        b"http://a",
        b"//a",
        b"a b",
        b"a\tb",
        b"a, b",
        b"a:80:80",
        b"a:b",
        b"a:+80",
        b"a:-1",
        b"a:8 0",
        b"a\\b",
        b"a\"b",
        b"<a>",
        b"a^b",
        b"a`b",
        b"{a}",
        b"a|b",
        b"a%",
        b"a%4",
        b"a%zz",
        b"[::1",
        b"::1]",
        b"[]",
        b"[zz]",
        b"[::1]a",
        b"\xc3\xa9.example",
        b"a\x7f",
    ];
    let case = |value: &[u8]| {
        let send = bare(join(&[b"Host: ", value, b"\r\n"]));
        Case::rejected(
            format!("invalid {}", value.escape_ascii()),
            "9112 §3.2: 9110 §7.2 grammar",
            send,
            &[400],
        )
    };
    values.into_iter().map(case).collect()
}
