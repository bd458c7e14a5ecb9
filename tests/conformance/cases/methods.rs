//! Methods: tokens, case-sensitive, and what each may carry.

use crate::harness::build::{CHUNKED_HELLO, join, label, line};
use crate::harness::{Case, Expect, Setup, is_tchar};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = known();
    cases.extend(unknown());
    cases.extend(on_routes());
    cases.extend(trace_and_connect());
    cases.extend(invalid());
    cases
}

fn with_body(method: &str) -> Vec<u8> {
    format!("{method} / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello").into_bytes()
}

fn known() -> Vec<Case> {
    let methods = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    let plain = methods.map(|method| {
        Case::served(method, "9110 §9.3", line(format!("{method} / HTTP/1.1")))
            .is("x-method", method)
            .body("")
    });
    let carrying = methods.map(|method| {
        Case::served(
            format!("{method} with a body"),
            "9110 §9.3",
            with_body(method),
        )
        .is("x-method", method)
        .body("hello")
    });
    let mut cases: Vec<_> = plain.into_iter().chain(carrying).collect();
    cases.push(
        Case::served("HEAD", "9110 §9.3.2", line("HEAD / HTTP/1.1"))
            .headed()
            .is("x-method", "HEAD"),
    );
    cases.push(
        Case::served(
            "HEAD with a body",
            "9110 §9.3.2: read and answered without one",
            with_body("HEAD"),
        )
        .headed()
        .is("x-method", "HEAD"),
    );
    cases
}

/// Well-formed methods nobody registered by name, on an app that takes any.
fn unknown() -> Vec<Case> {
    let methods = [
        "PROPFIND",
        "M-SEARCH",
        "BREW",
        "FOOBAR",
        "G",
        "!#$%&'*+-.^_`|~09az",
        "get",
        "Get",
        "GETX",
        "GE",
        "HEADX",
        "POSTT",
    ];
    let case = |method: &str| {
        Case::served(
            format!("any {method}"),
            "9110 §9.1: case-sensitive token",
            line(format!("{method} / HTTP/1.1")),
        )
        .is("x-method", method)
        .or_rejected(&[501])
    };
    methods.into_iter().map(case).collect()
}

fn on_routes() -> Vec<Case> {
    let refused = |name: &str, first: &str, statuses: &[u16]| {
        Case::rejected(
            name,
            "9110 §15.5.6, §15.6.2",
            line(format!("{first} HTTP/1.1")),
            statuses,
        )
        .on(Setup::Routes)
    };
    let cases = vec![
        refused("DELETE on a route of GET", "DELETE /text", &[405])
            .lists("allow", "GET")
            .lists("allow", "HEAD"),
        refused("POST on a route of GET", "POST /only-get", &[405])
            .lists("allow", "GET")
            .lists("allow", "HEAD"),
        refused("GET on a route of POST", "GET /only-post", &[405]).lists("allow", "POST"),
        refused("HEAD on a route of POST", "HEAD /only-post", &[405])
            .headed()
            .lists("allow", "POST"),
        refused("small letters on a route of GET", "get /text", &[405, 501]),
        refused("unknown on a route of GET", "FOOBAR /text", &[405, 501]),
        refused("unknown on no route", "FOOBAR /missing", &[404, 501]),
        refused("DELETE on no route", "DELETE /missing", &[404]),
    ];
    cases.into_iter().map(Case::or_open).collect()
}

fn trace_and_connect() -> Vec<Case> {
    let chunked = join(&[
        b"TRACE / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
        CHUNKED_HELLO.as_bytes(),
    ]);
    let connect = join(&[b"CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n"]);
    vec![
        Case::rejected(
            "TRACE with a body",
            "9110 §9.3.8",
            with_body("TRACE"),
            &[400],
        ),
        Case::rejected("TRACE with a chunked body", "9110 §9.3.8", chunked, &[400]),
        Case::served(
            "TRACE",
            "9110 §9.3.8: as the app says",
            line("TRACE / HTTP/1.1"),
        )
        .is("x-method", "TRACE")
        .body("")
        .or_rejected(&[405, 501]),
        Case::rejected(
            "TRACE on routes",
            "9110 §9.3.8",
            line("TRACE /text HTTP/1.1"),
            &[405, 501],
        )
        .on(Setup::Routes)
        .or_open(),
        Case::rejected("CONNECT", "9110 §9.3.6: 501", connect, &[501]),
        Case::rejected(
            "CONNECT to an address",
            "9110 §9.3.6",
            line("CONNECT [::1]:443 HTTP/1.1"),
            &[501],
        ),
        Case::rejected(
            "CONNECT to a path",
            "9112 §3.2.3: authority-form",
            line("CONNECT / HTTP/1.1"),
            &[400, 501],
        ),
        Case::rejected(
            "CONNECT without port",
            "9112 §3.2.3",
            line("CONNECT a HTTP/1.1"),
            &[400, 501],
        ),
        Case::rejected(
            "CONNECT to a uri",
            "9112 §3.2.3",
            line("CONNECT http://a/ HTTP/1.1"),
            &[400, 501],
        ),
        Case::rejected(
            "CONNECT to a star",
            "9112 §3.2.3",
            line("CONNECT * HTTP/1.1"),
            &[400, 501],
        ),
        Case::rejected(
            "CONNECT on routes",
            "9110 §9.3.6",
            line("CONNECT a:80 HTTP/1.1"),
            &[501],
        )
        .on(Setup::Routes),
    ]
}

fn invalid() -> Vec<Case> {
    let bytes = (0..=255u8).filter(|&byte| !is_tchar(byte) && !b" \n".contains(&byte));
    let case = |byte| {
        let send = line(join(&[b"G", &[byte], b"T / HTTP/1.1"]));
        Case::rejected(
            format!("{} in a method", label(byte)),
            "9110 §9.1: token",
            send,
            &[400],
        )
    };
    let mut cases: Vec<_> = bytes.map(case).collect();
    for method in ["\"GET\"", "[GET]", "GET,", "GET:", "(GET", "GET/1", "@GET"] {
        cases.push(Case::new(
            format!("method {method}"),
            "9110 §9.1: token",
            line(format!("{method} / HTTP/1.1")),
            Expect::rejected(&[400]),
        ));
    }
    cases
}
