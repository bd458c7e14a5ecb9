//! The request line and what may stand before it.

use crate::harness::build::{GET, join, line, post};
use crate::harness::{Answer, Case, Expect, Setup};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = lines();
    cases.extend(broken_lines());
    cases.extend(separators());
    cases.extend(blanks_at_the_ends());
    cases.extend(line_ends());
    cases.extend(empty_lines());
    cases.extend(other_protocols());
    cases
}

fn lines() -> Vec<Case> {
    vec![
        Case::served("baseline", "9112 §3", GET)
            .body("")
            .is("x-method", "GET")
            .is("x-target", "/")
            .is("x-path", "/")
            .is("x-query", "(none)")
            .is("x-minor", "1"),
        Case::rejected(
            "no target",
            "9112 §3: three parts",
            line("GET HTTP/1.1"),
            &[400],
        ),
        Case::rejected("empty target", "9112 §3.2", line("GET  HTTP/1.1"), &[400]),
        Case::rejected("no method", "9112 §3.1", line("/ HTTP/1.1"), &[400]),
        Case::rejected(
            "empty method",
            "9112 §3.1: a token has a character",
            line(" / HTTP/1.1"),
            &[400],
        ),
        Case::rejected(
            "no version",
            "9112 §3: HTTP/0.9 is not served",
            line("GET /"),
            &[400],
        ),
        Case::rejected(
            "no version but its space",
            "9112 §3",
            line("GET / "),
            &[400],
        ),
        Case::rejected("method alone", "9112 §3", line("GET"), &[400]),
        Case::rejected("a fourth part", "9112 §3", line("GET / HTTP/1.1 x"), &[400]),
        Case::rejected(
            "a part in between",
            "9112 §3.2: no space in a target",
            line("GET / x HTTP/1.1"),
            &[400],
        ),
    ]
}

fn broken_lines() -> Vec<Case> {
    vec![
        Case::rejected(
            "field line first",
            "9112 §3",
            "Host: a\r\nGET / HTTP/1.1\r\n\r\n",
            &[400],
        ),
        Case::rejected(
            "status line",
            "9112 §4 is for answers",
            line("HTTP/1.1 200 OK"),
            &[400, 505],
        ),
        Case::rejected(
            "cut in two",
            "9112 §3: one line",
            "GET /\r\n HTTP/1.1\r\nHost: a\r\n\r\n",
            &[400],
        ),
        Case::waiting(
            "cut off",
            "9112 §2: not a whole message",
            "GET / HTTP",
            "/1.1\r\nHost: a\r\n\r\n",
            Answer::ok(),
        ),
        Case::waiting(
            "head without its last line feed",
            "9112 §2.1: the empty line ends the head",
            "GET / HTTP/1.1\r\nHost: a\r\n\r",
            "\n",
            Answer::ok(),
        ),
    ]
}

fn separators() -> Vec<Case> {
    vec![
        Case::rejected(
            "two spaces after method",
            "9112 §3: single SP",
            line("GET  / HTTP/1.1"),
            &[400],
        ),
        Case::rejected(
            "two spaces after target",
            "9112 §3: single SP",
            line("GET /  HTTP/1.1"),
            &[400],
        ),
        Case::rejected(
            "tab after method",
            "9112 §3: SP",
            line("GET\t/ HTTP/1.1"),
            &[400],
        ),
        Case::rejected(
            "tab after target",
            "9112 §3: SP",
            line("GET /\tHTTP/1.1"),
            &[400],
        ),
        Case::rejected(
            "vertical tab after method",
            "9112 §3: SP",
            line("GET\x0b/ HTTP/1.1"),
            &[400],
        ),
        Case::rejected(
            "form feed after target",
            "9112 §3: SP",
            line("GET /\x0cHTTP/1.1"),
            &[400],
        ),
        Case::rejected(
            "carriage return after method",
            "9112 §3: SP",
            line("GET\r/ HTTP/1.1"),
            &[400],
        ),
        Case::rejected(
            "no-break space after method",
            "9112 §3: SP",
            line(b"GET\xa0/ HTTP/1.1"),
            &[400],
        ),
    ]
}

fn blanks_at_the_ends() -> Vec<Case> {
    vec![
        Case::rejected(
            "space before method",
            "9112 §3",
            line(" GET / HTTP/1.1"),
            &[400],
        ),
        Case::rejected(
            "tab before method",
            "9112 §3",
            line("\tGET / HTTP/1.1"),
            &[400],
        ),
        Case::rejected(
            "space after version",
            "9112 §3",
            line("GET / HTTP/1.1 "),
            &[400],
        ),
        Case::rejected(
            "tab after version",
            "9112 §3",
            line("GET / HTTP/1.1\t"),
            &[400],
        ),
    ]
}

fn line_ends() -> Vec<Case> {
    vec![
        Case::rejected(
            "ends in LF",
            "9112 §2.2, decided: CRLF only",
            "GET / HTTP/1.1\nHost: a\r\n\r\n",
            &[400],
        ),
        Case::rejected(
            "ends in CR",
            "9112 §2.2: bare CR",
            "GET / HTTP/1.1\rHost: a\r\n\r\n",
            &[400],
        ),
        Case::rejected(
            "ends in CR CR LF",
            "9112 §2.2: bare CR",
            "GET / HTTP/1.1\r\r\nHost: a\r\n\r\n",
            &[400],
        ),
        Case::rejected(
            "ends in LF CR",
            "9112 §2.2",
            "GET / HTTP/1.1\n\rHost: a\r\n\r\n",
            &[400],
        ),
        Case::rejected(
            "all lines end in LF",
            "9112 §2.2, decided: CRLF only",
            "GET / HTTP/1.1\nHost: a\n\n",
            &[400],
        ),
        Case::unfinished(
            "all lines end in CR",
            "9112 §2.2: bare CR",
            "GET / HTTP/1.1\rHost: a\r\r",
        ),
    ]
}

fn empty_lines() -> Vec<Case> {
    let two = vec![Answer::ok(), Answer::ok()];
    vec![
        Case::served(
            "empty line first",
            "9112 §2.2: ignore at least one",
            join(&[b"\r\n", GET.as_bytes()]),
        ),
        Case::served(
            "two empty lines first",
            "9112 §2.2: at least one",
            join(&[b"\r\n\r\n", GET.as_bytes()]),
        )
        .or_rejected(&[400]),
        Case::new(
            "empty line after a body",
            "9112 §2.2: old clients send it",
            join(&[
                &post("Content-Length: 5\r\n", "hello"),
                b"\r\n",
                GET.as_bytes(),
            ]),
            Expect::served(two.clone()),
        ),
        Case::new(
            "empty line between requests",
            "9112 §2.2",
            join(&[GET.as_bytes(), b"\r\n", GET.as_bytes()]),
            Expect::served(two),
        ),
        Case::rejected(
            "LF first",
            "9112 §2.2: an empty line is CRLF",
            join(&[b"\n", GET.as_bytes()]),
            &[400],
        ),
        Case::rejected(
            "CR first",
            "9112 §2.2: bare CR",
            join(&[b"\r", GET.as_bytes()]),
            &[400],
        ),
        Case::rejected(
            "CR CR LF first",
            "9112 §2.2: bare CR",
            join(&[b"\r\r\n", GET.as_bytes()]),
            &[400],
        ),
        Case::rejected(
            "line of spaces first",
            "9112 §2.2: not empty",
            join(&[b"   \r\n", GET.as_bytes()]),
            &[400],
        ),
        Case::waiting("only an empty line", "9112 §2.2", "\r\n", GET, Answer::ok()),
        Case::unfinished("line of spaces alone", "9112 §3", "   \r\n\r\n"),
    ]
}

fn other_protocols() -> Vec<Case> {
    // Fixed, and without a line feed: a TLS client waits for its answer, not for our parser.
    let garbage: Vec<u8> = (0..=255u8)
        .map(|byte| byte.wrapping_mul(167) ^ 0x5a)
        .filter(|&byte| byte != b'\n')
        .collect();
    let garbage_line = join(&[&garbage, b"\r\n\r\n"]);
    vec![
        Case::unfinished(
            "nothing at all",
            "9112 §9.5: idle connections may be closed",
            "",
        ),
        Case::unfinished(
            "tls client hello",
            "9112 §3",
            b"\x16\x03\x01\x00\xf4\x01\x00\x00\xf0\x03\x03",
        ),
        Case::unfinished("garbage", "9112 §3", garbage),
        Case::rejected("garbage line", "9112 §3", garbage_line, &[400]),
        Case::rejected(
            "http/2 preface",
            "9113 §3.4",
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            &[400, 505],
        ),
        Case::unfinished("http/0.9 request", "9112 §3", "GET /\r\n"),
        Case::unfinished(
            "proxy protocol v2",
            "9112 §3",
            b"\x0d\x0a\x0d\x0a\x00\x0d\x0a\x51\x55\x49\x54\x0a",
        ),
        Case::rejected(
            "proxy protocol v1",
            "9112 §3",
            "PROXY TCP4 192.0.2.1 192.0.2.2 1 80\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
            &[400],
        ),
        Case::rejected(
            "smtp greeting",
            "9112 §3",
            "EHLO example.com\r\n\r\n",
            &[400],
        ),
        Case::rejected("on routes too", "9112 §3", line("GET /text"), &[400]).on(Setup::Routes),
    ]
}
