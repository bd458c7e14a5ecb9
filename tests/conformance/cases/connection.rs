//! Persistence: who closes, when, and what it says before.

use crate::harness::build::{CHUNKED_HELLO, GET, SMUGGLED, fields, join, post};
use crate::harness::{Answer, Case, Expect, Then};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = persistent();
    cases.extend(closing());
    cases.extend(closing_once());
    cases.extend(http_1_0());
    cases.extend(http_1_0_kept());
    cases.extend(upgrades());
    cases
}

fn connection(value: &str) -> Vec<u8> {
    format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: {value}\r\n\r\n").into_bytes()
}

fn persistent() -> Vec<Case> {
    let open = |value: &str| {
        Case::served(format!("open: {value:?}"), "9112 §9.3", connection(value)).body("")
    };
    let mut cases: Vec<_> = [
        "keep-alive",
        "Keep-Alive",
        "",
        "closed",
        "xclose",
        "clos",
        "abcde",
        "close-x",
        "\"close\"",
        "close=1",
        "x,y",
        ",",
        "te",
    ]
    .into_iter()
    .map(open)
    .collect();
    cases.push(
        Case::served(
            "open without Connection",
            "9112 §9.3: the default of 1.1",
            GET,
        )
        .absent("connection"),
    );
    cases.push(Case::served(
        "open: close in Proxy-Connection",
        "9110 §7.6.1: no such field",
        fields("Proxy-Connection: close\r\n"),
    ));
    cases.push(
        Case::served(
            "open: names the length",
            "9110 §7.6.1",
            post(
                "Connection: content-length\r\nContent-Length: 5\r\n",
                "hello",
            ),
        )
        .body("hello")
        .or_rejected(&[400]),
    );
    cases.push(
        Case::served(
            "open: names the host",
            "9110 §7.6.1",
            "GET / HTTP/1.1\r\nConnection: host\r\nHost: a\r\n\r\n",
        )
        .or_rejected(&[400]),
    );
    cases
}

fn closing() -> Vec<Case> {
    let close = |value: &str| {
        Case::served(format!("close: {value:?}"), "9112 §9.6", connection(value)).closed()
    };
    let mut cases: Vec<_> = [
        "close",
        "Close",
        "CLOSE",
        "close ",
        "close, x",
        "x, close",
        "x,close,y",
        ",close",
        "close,",
        "keep-alive, close",
        "close, keep-alive",
        "te, close, te",
        "x\t,\tclose",
    ]
    .into_iter()
    .map(close)
    .collect();
    cases.push(Case::new(
        "close on the second of three",
        "9112 §9.6",
        join(&[GET.as_bytes(), &connection("close"), SMUGGLED.as_bytes()]),
        Expect::served(vec![Answer::ok(), Answer::ok()]).then(Then::Closed),
    ));
    cases
}

/// One answer, and nothing of what stands behind it.
fn closing_once() -> Vec<Case> {
    let once = |name: &str, send: Vec<u8>, body: &str| {
        Case::new(
            name,
            "9112 §9.6: nothing after close",
            send,
            Expect::served(vec![Answer::ok().body(body)]).then(Then::Closed),
        )
    };
    vec![
        once(
            "close in a second field",
            fields("Connection: keep-alive\r\nConnection: close\r\n"),
            "host: a\nconnection: keep-alive\nconnection: close\n",
        ),
        once(
            "close in a first field",
            fields("Connection: close\r\nConnection: x\r\n"),
            "host: a\nconnection: close\nconnection: x\n",
        ),
        once(
            "close, then a request",
            join(&[&connection("close"), SMUGGLED.as_bytes()]),
            "",
        ),
        once(
            "close after a body",
            post(
                "Connection: close\r\nContent-Length: 5\r\n",
                format!("hello{SMUGGLED}"),
            ),
            "hello",
        ),
        once(
            "close after a chunked body",
            post(
                "Connection: close\r\nTransfer-Encoding: chunked\r\n",
                format!("{CHUNKED_HELLO}{SMUGGLED}"),
            ),
            "hello",
        ),
        once(
            "close, then garbage",
            join(&[&connection("close"), b"\0\0\0\r\n\r\n"]),
            "",
        ),
    ]
}

fn old(name: &str, first: &str, fields: &str, body: &str) -> Case {
    let send = format!("{first} HTTP/1.0\r\nHost: a\r\n{fields}\r\n{body}");
    Case::served(name, "9112 §9.3, Appendix C.2.2", send).absent("transfer-encoding")
}

fn http_1_0() -> Vec<Case> {
    vec![
        old("1.0", "GET /", "", "").closed_unannounced(),
        old("1.0 close", "GET /", "Connection: close\r\n", "").closed_unannounced(),
        old(
            "1.0 with a body",
            "POST /",
            "Content-Length: 5\r\n",
            "hello",
        )
        .body("hello")
        .closed_unannounced(),
        old("1.0 POST without length", "POST /", "", "")
            .body("")
            .closed_unannounced(),
        old("1.0 then a request", "GET /", "", SMUGGLED)
            .is("x-target", "/")
            .closed_unannounced(),
        old("1.0 HEAD", "HEAD /text", "", "")
            .headed()
            .closed_unannounced(),
        old("1.0 streamed", "GET /streamed", "", "")
            .body("hello")
            .closed_unannounced(),
    ]
}

/// Kept alive on request, where the answer has a length.
fn http_1_0_kept() -> Vec<Case> {
    vec![
        old("1.0 keep-alive", "GET /", "Connection: keep-alive\r\n", "")
            .lists("connection", "keep-alive"),
        old("1.0 Keep-Alive", "GET /", "Connection: Keep-Alive\r\n", "")
            .lists("connection", "keep-alive"),
        old(
            "1.0 keep-alive in a list",
            "GET /",
            "Connection: x, keep-alive\r\n",
            "",
        )
        .lists("connection", "keep-alive"),
        old(
            "1.0 keep-alive with a body",
            "POST /",
            "Connection: keep-alive\r\nContent-Length: 5\r\n",
            "hello",
        )
        .body("hello")
        .lists("connection", "keep-alive"),
        old(
            "1.0 keep-alive and close",
            "GET /",
            "Connection: keep-alive, close\r\n",
            "",
        )
        .closed_unannounced(),
        old(
            "1.0 keep-alive of a proxy",
            "GET /",
            "Proxy-Connection: keep-alive\r\n",
            "",
        )
        .closed_unannounced(),
        old(
            "1.0 keep-alive, streamed",
            "GET /streamed",
            "Connection: keep-alive\r\n",
            "",
        )
        .body("hello")
        .closed_unannounced()
        // Open only if the whole answer was there before its head left, and had its length.
        .or(Expect::served(vec![
            Answer::ok().body("hello").absent("transfer-encoding"),
        ])),
        Case::new(
            "1.0 keep-alive twice, then 1.1",
            "9112 §9.3",
            join(&[
                &b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n".repeat(2),
                GET.as_bytes(),
            ]),
            Expect::served(vec![
                Answer::ok().is("x-minor", "0"),
                Answer::ok(),
                Answer::ok().is("x-minor", "1"),
            ]),
        ),
    ]
}

/// No route of this application upgrades, so Upgrade is ignored wherever it is sent.
fn upgrades() -> Vec<Case> {
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";
    let websocket = &format!("Upgrade: websocket\r\n{key}");
    let ignored = |name: &str, first: &str, fields: &str| {
        let send = format!("{first}\r\nHost: a\r\n{fields}\r\n");
        Case::served(name, "9110 §7.8: may be ignored", send).absent("upgrade")
    };
    let asked = format!("Connection: Upgrade\r\n{websocket}");
    let http2 = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\n";
    vec![
        ignored("upgrade on a plain route", "GET / HTTP/1.1", &asked),
        ignored("upgrade by POST", "POST / HTTP/1.1", &asked),
        ignored("upgrade without Connection", "GET / HTTP/1.1", websocket),
        ignored(
            "upgrade to the unknown",
            "GET / HTTP/1.1",
            "Connection: Upgrade\r\nUpgrade: totally-unknown/1.0\r\n",
        ),
        ignored("upgrade to h2c", "GET / HTTP/1.1", http2),
        ignored(
            "upgrade of a wrong version",
            "GET / HTTP/1.1",
            &asked.replace("13", "99"),
        )
        .or_rejected(&[426]),
        ignored(
            "upgrade without a protocol",
            "GET / HTTP/1.1",
            "Connection: Upgrade\r\n",
        ),
        ignored("upgrade on 1.0", "GET / HTTP/1.0", &asked).closed_unannounced(),
        Case::new(
            "upgrade ignored, next request served",
            "9110 §7.8",
            join(&[
                format!("GET / HTTP/1.1\r\nHost: a\r\n{asked}\r\n").as_bytes(),
                SMUGGLED.as_bytes(),
            ]),
            Expect::served(vec![Answer::ok(), Answer::ok().is("x-target", "/smuggled")]),
        ),
    ]
}
