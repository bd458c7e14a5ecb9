//! What the engine must not tidy up: an upstream or a filter that reads it otherwise is misled.

use crate::harness::build::{CHUNKED_HELLO, fields, join, line, post};
use crate::harness::{Case, Setup};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = paths();
    cases.extend(routes());
    cases.extend(names());
    cases.extend(values());
    cases
}

/// RFC 3986 §6 normal forms are for comparing, not for a parser to apply.
fn paths() -> Vec<Case> {
    let targets = [
        "/a/../b",
        "/a/./b",
        "/..",
        "/../../etc/passwd",
        "/.",
        "/a//b",
        "//",
        "///a",
        "/a/",
        "/%2e%2e/a",
        "/%2E%2e/a",
        "/a%2fb",
        "/a%2Fb",
        "/%41",
        "/a%20b",
        "/a+b",
        "/A/b",
        "/a;b=c",
        "/%25",
        "/%c3%a9",
    ];
    let case = |target: &str| {
        Case::served(
            format!("path {target}"),
            "3986 §6, 9112 §3.2.1",
            line(format!("GET {target} HTTP/1.1")),
        )
        .is("x-target", target)
        .is("x-path", target)
    };
    let mut cases: Vec<_> = targets.into_iter().map(case).collect();
    for query in [
        "a=b&a=c", "a+b", "a%20b", "%61=b", "A=B", "a=../b", "&&", "=", "a=b;c=d",
    ] {
        let send = line(format!("GET /?{query} HTTP/1.1"));
        cases.push(Case::served(format!("query {query}"), "3986 §6", send).is("x-query", query));
    }
    cases
}

/// Another spelling of a route's path is another path.
fn routes() -> Vec<Case> {
    let other = |target: &str| {
        Case::rejected(
            format!("not /text: {target}"),
            "3986 §6",
            line(format!("GET {target} HTTP/1.1")),
            &[404],
        )
        .on(Setup::Routes)
        .or_open()
    };
    let mut cases: Vec<_> = [
        "/TEXT",
        "//text",
        "/./text",
        "/a/../text",
        "/text/",
        "/text/.",
        "/text%20",
        "/text;a",
        "/text.",
    ]
    .into_iter()
    .map(other)
    .collect();
    cases.push(
        Case::served(
            "still /text: query",
            "3986 §3.4",
            line("GET /text?a=b HTTP/1.1"),
        )
        .body("hello")
        .on(Setup::Routes),
    );
    cases
}

/// Names that turn into a framing field if somebody tidies them up.
fn names() -> Vec<Case> {
    let hello = |name: &str, extra: &str, listed: &str| {
        let send =
            format!("POST /fields HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n{extra}\r\nhello");
        Case::served(name, "9110 §5.1", send)
            .body(format!("host: a\ncontent-length: 5\n{listed}hello"))
    };
    let refused = |name: &str, extra: &str| {
        let send = join(&[
            b"POST /fields HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n",
            extra.as_bytes(),
            b"\r\nhello",
        ]);
        Case::rejected(name, "9112 §5.1", send, &[400])
    };
    vec![
        hello(
            "underscore for the length",
            "Content_Length: 99\r\n",
            "content_length: 99\n",
        )
        .or_rejected(&[400]),
        hello(
            "underscore for the coding",
            "Transfer_Encoding: chunked\r\n",
            "transfer_encoding: chunked\n",
        )
        .or_rejected(&[400]),
        hello(
            "dot for the length",
            "Content.Length: 99\r\n",
            "content.length: 99\n",
        ),
        hello(
            "no hyphen in the length",
            "ContentLength: 99\r\n",
            "contentlength: 99\n",
        ),
        hello(
            "letter before the coding",
            "XTransfer-Encoding: chunked\r\n",
            "xtransfer-encoding: chunked\n",
        ),
        hello(
            "letter after the coding",
            "Transfer-Encodings: chunked\r\n",
            "transfer-encodings: chunked\n",
        ),
        refused(
            "space before the colon of a length",
            "Content-Length : 9\r\n",
        ),
        refused("tab in the name of a length", "Content\tLength: 9\r\n"),
        refused("space in the name of a length", "Content Length: 9\r\n"),
        refused("capitals for the coding", "TRANSFER-ENCODING: chunked\r\n"),
        refused("capitals for a second length", "CONTENT-LENGTH: 5\r\n"),
    ]
}

fn values() -> Vec<Case> {
    vec![
        Case::served(
            "capitals for the coding alone",
            "9110 §5.1",
            post("TRANSFER-ENCODING: CHUNKED\r\n", CHUNKED_HELLO),
        )
        .body("hello"),
        Case::served(
            "values keep their case",
            "9110 §5.5",
            fields("X-Value: MiXeD  CaSe\r\n"),
        )
        .body("host: a\nx-value: MiXeD  CaSe\n"),
        Case::served(
            "values are not decoded",
            "9110 §5.5",
            fields("X-Value: %41%0d%0aB: c\r\n"),
        )
        .body("host: a\nx-value: %41%0d%0aB: c\n"),
    ]
}
