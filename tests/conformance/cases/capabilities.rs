//! What an engine does for its application: HEAD, OPTIONS, 404, 405, bodiless answers.

use crate::app::LARGE_BYTES;
use crate::harness::build::{CHUNKED_HELLO, fields, join, length_and_coding, line};
use crate::harness::{Answer, Case, Expect, Setup, Then};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = head();
    cases.extend(head_refused());
    cases.extend(options());
    cases.extend(no_route());
    cases.extend(answers());
    cases.extend(left_to_the_application());
    cases
}

fn routes(name: &str, rfc: &'static str, first: &str) -> Case {
    Case::served(name, rfc, line(format!("{first} HTTP/1.1"))).on(Setup::Routes)
}

fn head() -> Vec<Case> {
    let head = |name: &str, path: &str| {
        routes(
            name,
            "9110 §9.3.2: as GET, no body",
            &format!("HEAD {path}"),
        )
        .headed()
    };
    vec![
        head("HEAD of a route of GET", "/text").is("content-length", "5"),
        head("HEAD of a large answer", "/large").is("content-length", LARGE_BYTES.to_string()),
        head("HEAD of a streamed answer", "/streamed"),
        head("HEAD with a query", "/text?a").is("content-length", "5"),
        Case::new(
            "HEAD of 204",
            "9110 §8.6",
            line("HEAD /no-content HTTP/1.1"),
            Expect::served(vec![Answer::status(204).headed()]),
        ),
        Case::new(
            "HEAD of no route",
            "9110 §9.3.2",
            line("HEAD /missing HTTP/1.1"),
            Expect::rejected(&[404]),
        )
        .headed()
        .on(Setup::Routes)
        .or_open(),
        Case::served(
            "HEAD with a body, next request",
            "9110 §9.3.2: the body is read away",
            join(&[b"HEAD /text HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"]),
        )
        .headed()
        .on(Setup::Routes),
    ]
}

/// An error is an answer to HEAD like any other: no body, whatever is wrong with the request.
fn head_refused() -> Vec<Case> {
    let refused = |name: &str, fields: &str, status: u16| {
        let send = format!("HEAD / HTTP/1.1\r\n{fields}\r\n");
        Case::rejected(
            format!("HEAD refused: {name}"),
            "9110 §9.3.2",
            send,
            &[status],
        )
        .headed()
    };
    vec![
        refused("no host", "", 400),
        refused("bad host", "Host: a/b\r\n", 400),
        refused("bad length", "Host: a\r\nContent-Length: x\r\n", 400),
        refused(
            "length and chunks",
            &format!("Host: a\r\n{}", length_and_coding(5)),
            400,
        ),
        refused(
            "unknown coding",
            "Host: a\r\nTransfer-Encoding: gzip\r\n",
            501,
        ),
        refused("expectation", "Host: a\r\nExpect: x\r\n", 417),
        refused("too large", "Host: a\r\nContent-Length: 1001\r\n", 413).on(Setup::Small),
        refused(
            "too many fields",
            &format!("Host: a\r\n{}", "A: b\r\n".repeat(20)),
            431,
        )
        .on(Setup::Small),
        Case::rejected(
            "HEAD refused: version",
            "9110 §9.3.2",
            line("HEAD / HTTP/2.0"),
            &[505],
        )
        .headed(),
        Case::rejected(
            "HEAD refused: target",
            "9110 §9.3.2",
            line("HEAD /# HTTP/1.1"),
            &[400],
        )
        .headed(),
    ]
}

/// Answered by the engine from its routes; no handler is called.
fn options() -> Vec<Case> {
    let allowed = |name: &str, send: Vec<u8>| {
        let answer = Answer::status(204)
            .lists("allow", "OPTIONS")
            .absent("content-length")
            .absent("transfer-encoding");
        Case::new(
            name,
            "9110 §9.3.7, §8.6",
            send,
            Expect::served(vec![answer]).handled(0),
        )
        .on(Setup::Routes)
    };
    vec![
        allowed(
            "OPTIONS of a route of GET",
            line("OPTIONS /only-get HTTP/1.1"),
        )
        .lists("allow", "GET")
        .lists("allow", "HEAD"),
        allowed(
            "OPTIONS of a route of POST",
            line("OPTIONS /only-post HTTP/1.1"),
        )
        .lists("allow", "POST"),
        allowed(
            "OPTIONS in absolute-form",
            line("OPTIONS http://a/text HTTP/1.1"),
        )
        .lists("allow", "GET"),
        allowed(
            "OPTIONS with a body",
            b"OPTIONS /text HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello".to_vec(),
        )
        .lists("allow", "GET"),
        allowed(
            "OPTIONS with chunks",
            join(&[
                b"OPTIONS /text HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
                CHUNKED_HELLO.as_bytes(),
            ]),
        )
        .lists("allow", "GET"),
        Case::rejected(
            "OPTIONS of no route",
            "9110 §15.5.5",
            line("OPTIONS /missing HTTP/1.1"),
            &[404],
        )
        .on(Setup::Routes)
        .or_open(),
        Case::served(
            "OPTIONS of an app that takes it",
            "9110 §9.3.7",
            line("OPTIONS / HTTP/1.1"),
        )
        .is("x-method", "OPTIONS"),
    ]
}

fn no_route() -> Vec<Case> {
    let refused = |name: &str, first: &str, status: u16| {
        Case::rejected(
            name,
            "9110 §15.5",
            line(format!("{first} HTTP/1.1")),
            &[status],
        )
        .on(Setup::Routes)
    };
    let cases = vec![
        refused("404", "GET /missing", 404),
        refused("404 of the root", "GET /", 404),
        refused("404 below a route", "GET /text/more", 404),
        refused("404 of a part of a route", "GET /tex", 404),
        refused("405", "DELETE /only-get", 405)
            .lists("allow", "GET")
            .lists("allow", "HEAD"),
        refused("405 of the other method", "GET /only-post", 405).lists("allow", "POST"),
        Case::rejected(
            "404 with a body",
            "9112 §9.6",
            "POST /missing HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
            &[404],
        )
        .on(Setup::Routes),
    ];
    cases.into_iter().map(Case::or_open).collect()
}

fn answers() -> Vec<Case> {
    let bodiless = |name: &str, path: &str, status: u16| {
        let answer = Answer::status(status).absent("transfer-encoding");
        Case::new(
            name,
            "9110 §6.4.1",
            line(format!("GET {path} HTTP/1.1")),
            Expect::served(vec![answer]),
        )
        .on(Setup::Routes)
    };
    vec![
        routes("200 of known length", "9112 §6.2", "GET /text")
            .body("hello")
            .is("content-length", "5"),
        routes("200 of large length", "9112 §6.2", "GET /large").body(vec![b'x'; LARGE_BYTES]),
        routes("200 of unknown length", "9112 §7.1", "GET /streamed")
            .body("hello")
            .is("transfer-encoding", "chunked"),
        bodiless("204 drops its body", "/no-content", 204).absent("content-length"),
        bodiless("304 drops its body", "/not-modified", 304),
        Case::new(
            "handler that gives up the connection",
            "9112 §9.6",
            line("GET /closes HTTP/1.1"),
            Expect::served(Vec::new())
                .handled(1)
                .then(Then::ClosedUnannounced),
        )
        .on(Setup::Routes),
    ]
}

/// Fields with a meaning the engine leaves to handlers.
const IGNORED: &[&str] = &[
    "Range: bytes=0-1",
    "Range: bytes=abc-xyz",
    "If-None-Match: *",
    "If-None-Match: \"a\"",
    "If-None-Match: W/\"a\"",
    "If-None-Match: a",
    "If-Match: \"a\"",
    "If-Modified-Since: Thu, 01 Jan 1970 00:00:00 GMT",
    "If-Modified-Since: Thu, 01 Jan 2099 00:00:00 GMT",
    "If-Modified-Since: not-a-date",
    "If-Unmodified-Since: Thu, 01 Jan 1970 00:00:00 GMT",
    "Accept: application/x-nonsense",
    "Accept-Encoding: gzip, br",
    "Accept-Encoding: identity;q=0",
    "Content-Type: application/x-nonsense",
    "Content-Type: text/a\r\nContent-Type: text/b",
    "Content-Encoding: gzip",
    "Authorization: Bearer secret",
    "Max-Forwards: 0",
    "Date: yesterday",
    "Referer: a b",
    "User-Agent: ",
    "X-HTTP-Method-Override: DELETE",
    "X-Forwarded-Host: b",
    "X-Original-URL: /b",
    "Forwarded: for=x",
    "Keep-Alive: timeout=0",
    "Trailer: Content-Length",
    "Origin: null",
    "Via: 1.1 a",
];

/// A plain 200 all the same.
fn left_to_the_application() -> Vec<Case> {
    let case = |line: &str| {
        let listed: String = line
            .split("\r\n")
            .map(|line| {
                let (name, value) = line.split_once(':').expect("a field line");
                format!("{}: {}\n", name.to_ascii_lowercase(), value.trim())
            })
            .collect();
        let send = fields(format!("{line}\r\n"));
        Case::served(format!("ignored {line:?}"), "9110 §5.1", send)
            .body(format!("host: a\n{listed}"))
    };
    let mut cases: Vec<_> = IGNORED.iter().copied().map(case).collect();
    let many = vec!["0-"; 1000].join(",");
    cases.push(
        Case::served(
            "a thousand ranges",
            "9110 §14.2: may be ignored",
            join(&[
                b"GET /text HTTP/1.1\r\nHost: a\r\nRange: bytes=",
                many.as_bytes(),
                b"\r\n\r\n",
            ]),
        )
        .body("hello"),
    );
    cases.push(
        Case::served(
            "range on POST",
            "9110 §14.2: GET only",
            join(&[
                b"POST / HTTP/1.1\r\nHost: a\r\nRange: bytes=0-1\r\nContent-Length: 5\r\n\r\nhello",
            ]),
        )
        .body("hello"),
    );
    cases
}
