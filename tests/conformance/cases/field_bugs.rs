//! Bugs that HTTP servers have had in the field, one case each, by advisory number where there is
//! one. What other tables say in general, this one says about the very bytes that once got through.

use crate::harness::build::{
    CHUNKED_HELLO, CODING, GET, SMUGGLED, bare, chunked, coding, fields, join, length,
    length_and_coding, line, post, size_line,
};
use crate::harness::{Answer, Case, Expect, Setup, Then};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = lengths();
    cases.extend(codings());
    cases.extend(chunk_sizes());
    cases.extend(chunk_extensions());
    cases.extend(chunk_ends());
    cases.extend(heads());
    cases.extend(targets_and_fields());
    cases.extend(connections());
    cases.extend(statuses());
    cases
}

fn refused(name: &str, rfc: &'static str, send: impl AsRef<[u8]>) -> Case {
    Case::rejected(name, rfc, send, &[400])
}

fn refused_body(name: &str, send: impl AsRef<[u8]>) -> Case {
    Case::body_rejected(name, "9112 §7.1", send, &[400])
}

fn lengths() -> Vec<Case> {
    let first_used = format!(
        "Content-Length: 4\r\nContent-Length: {}\r\n",
        SMUGGLED.len() + 4
    );
    let two = "Content-Length: 0\r\nContent-Length: 5\r\n";
    let bad = |name: &str, send: Vec<u8>| refused(name, "9110 §8.6, 9112 §6.3 (5)", send);
    let mut cases = vec![
        bad(
            "first of two lengths used",
            post(first_used, format!("PING{SMUGGLED}")),
        ),
        bad(
            "handler ran before the second length was checked",
            post(two, ""),
        ),
        bad(
            "handler ran before the length was parsed",
            length("five", ""),
        ),
        bad(
            "RUSTSEC-2021-0078: plus before a length",
            length("+3", "abc"),
        ),
        bad("length folded", post("Content-Length:\r\n 5\r\n", "hello")),
        bad(
            "CVE-2024-27982: space before a length",
            post(" Content-Length: 5\r\n", "hello"),
        ),
        Case::rejected(
            "length of twenty digits wrapped",
            "9110 §8.6",
            length("18446744073709551619", "abc"),
            &[400, 413],
        ),
        Case::new(
            "bytes after the body refused though pipelined",
            "9112 §9.3.2",
            length("5", format!("hello{GET}")),
            Expect::served(vec![Answer::ok().body("hello"), Answer::ok().body("")]),
        ),
        Case::new(
            "bytes after the body not told from a request",
            "9112 §9.3.2",
            length("5", "hello worlds\r\n\r\n"),
            Expect::served(vec![Answer::ok().body("hello"), Answer::status(400)])
                .handled(1)
                .then(Then::Closed),
        ),
    ];
    for value in ["-0", "0x3", "3,3", "3,4", "", "00000000000000000000x"] {
        let name = format!("length parsed by the language's own rules: {value:?}");
        cases.push(bad(&name, length(value, "abc")));
    }
    for value in [" 3", "3 "] {
        let name = format!("length with blanks refused: {value:?}");
        cases.push(Case::served(name, "9112 §5.1: OWS", length(value, "abc")).body("abc"));
    }
    cases
}

fn codings() -> Vec<Case> {
    let bad = |name: &str, fields: &str| refused(name, "9112 §6.1", post(fields, CHUNKED_HELLO));
    let two = |first: &str, second: &str| {
        format!("Transfer-Encoding: {first}\r\nTransfer-Encoding: {second}\r\n")
    };
    let kept = post(length_and_coding(5), format!("0\r\n\r\n{GET}"));
    let old = format!("POST / HTTP/1.0\r\n{CODING}\r\n{CHUNKED_HELLO}");
    let list = coding("gzip, chunked", CHUNKED_HELLO);
    let capital = coding("Chunked", CHUNKED_HELLO);
    vec![
        bad(
            "handler ran before the coding was checked",
            "Transfer-Encoding: chunked, x\r\n",
        ),
        bad(
            "second coding field not looked at",
            &two("chunked", "identity"),
        ),
        bad(
            "RUSTSEC-2021-0020: several codings taken as chunked",
            &two("chunked", "cow"),
        ),
        bad("empty coding before chunked", &two("", "chunked")),
        bad(
            "empty coding after a length",
            "Content-Length: 5\r\nTransfer-Encoding:\r\n",
        ),
        bad(
            "CVE-2022-35256: coding folded",
            "Transfer-Encoding:\r\n chunked\r\n",
        ),
        bad(
            "CVE-2022-32215: coding on two lines",
            "Transfer-Encoding: chunked\r\n , x\r\n",
        ),
        bad("length kept beside chunked", &length_and_coding(5)),
        refused(
            "connection kept after length beside chunked",
            "9112 §6.1: must close",
            kept,
        ),
        refused("coding on 1.0 honoured", "9112 §6.1", old),
        Case::rejected(
            "list of codings taken as chunked",
            "9112 §6.1",
            list,
            &[501],
        ),
        Case::served(
            "chunked compared by case",
            "9112 §7: case-insensitive",
            capital,
        )
        .body("hello"),
    ]
}

fn chunk_sizes() -> Vec<Case> {
    let too_large = |name: &str, size: &str| {
        Case::body_rejected(
            name,
            "9112 §7.1: no overflow, no truncation",
            size_line(size),
            &[400, 413],
        )
    };
    let mut cases = vec![
        too_large("size cut to 32 bits: 2^32+5", "100000005"),
        too_large("size cut to 31 bits: 2^31", "80000000"),
        too_large("size cut to 32 bits: 2^32", "100000000"),
        too_large("size beyond a double: 2^53", "20000000000000"),
        too_large("size signed: 2^63", "8000000000000000"),
        too_large("RUSTSEC-2021-0079: size wrapped: 2^64", "10000000000000000"),
        too_large("size of seventeen digits", "10000000000000005"),
        refused_body(
            "size line of nothing taken for the last",
            chunked("\r\n\r\n"),
        ),
        refused_body(
            "semicolon taken for a digit",
            chunked(join(&[b"5;a\r\n", &[b'x'; 0x5ba], b"\r\n0\r\n\r\n"])),
        ),
        Case::served(
            "extension taken for a bad digit",
            "9112 §7.1.1",
            size_line("5;ext"),
        )
        .body("hello"),
    ];
    for (digit, value) in [
        ('g', 16),
        ('G', 16),
        ('@', 16),
        (':', 10),
        (';', 11),
        ('<', 12),
        ('=', 13),
        ('>', 14),
        ('?', 15),
    ] {
        let body = join(&[
            &[digit as u8],
            b"\r\n",
            &vec![b'x'; value],
            b"\r\n0\r\n\r\n",
        ]);
        cases.push(refused_body(
            &format!("digit test off by one: {digit:?} as {value}"),
            chunked(body),
        ));
    }
    cases
}

fn chunk_extensions() -> Vec<Case> {
    vec![
        refused_body(
            "bytes after the size skipped up to the line feed",
            size_line("5 x"),
        ),
        refused_body("control after the size skipped", size_line("5\x01garbage")),
        refused_body("colon after the size skipped", size_line("5:")),
        refused_body(
            "size line ended by a bare LF",
            chunked("5\nhello\r\n0\r\n\r\n"),
        ),
        refused_body(
            "CVE-2025-55315: bare LF in an extension",
            chunked("5;a\nhello\r\n0\r\n\r\n"),
        ),
        refused_body(
            "CVE-2025-55315: bare CR in an extension",
            chunked("5;a\rhello\r\n0\r\n\r\n"),
        ),
        refused_body(
            "CVE-2021-22960: extension not checked",
            size_line("5;\x01\x02"),
        ),
        Case::body_rejected(
            "CVE-2023-39326: extensions without limit",
            "9112 §7.1.1",
            chunked("1;aaaaaaaa\r\nb\r\n".repeat(1000) + "0\r\n\r\n"),
            &[400, 413, 431],
        ),
    ]
}

fn chunk_ends() -> Vec<Case> {
    vec![
        refused_body(
            "two bytes after data skipped unseen",
            chunked("5\r\nhelloXX0\r\n\r\n"),
        ),
        refused_body(
            "two bytes after the last chunk swallowed",
            chunked("5\r\nhello\r\n0\r\n??"),
        ),
        refused_body(
            "two bytes after the last chunk swallowed, then a request",
            chunked(format!("0\r\nXX{SMUGGLED}")),
        ),
        Case::new(
            "trailers parsed as the next request",
            "9112 §7.1.2",
            chunked("5\r\nhello\r\n0\r\nX-Trailer: a\r\n\r\n"),
            Expect::served(vec![Answer::ok().body("hello")]),
        ),
        refused_body(
            "request in the trailers served",
            chunked(format!("5\r\nhello\r\n0\r\n{SMUGGLED}")),
        ),
        Case::new(
            "handler that closed, body still parsed",
            "9112 §9.6",
            join(&[
                b"GET /closes HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
                CHUNKED_HELLO.as_bytes(),
                SMUGGLED.as_bytes(),
            ]),
            Expect::served(Vec::new())
                .handled(1)
                .then(Then::ClosedUnannounced),
        ),
        Case::new(
            "handler that closed, length still read",
            "9112 §9.6",
            join(&[
                b"GET /closes HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
                SMUGGLED.as_bytes(),
            ]),
            Expect::served(Vec::new())
                .handled(1)
                .then(Then::ClosedUnannounced),
        ),
    ]
}

fn heads() -> Vec<Case> {
    vec![
        refused(
            "CVE-2021-22959: space before the colon",
            "9112 §5.1",
            post("Content-Length : 5\r\n", "hello"),
        ),
        refused(
            "CVE-2022-32213: coding behind a bare CR",
            "9112 §2.2",
            post("X: a\rTransfer-Encoding: chunked\r\n", CHUNKED_HELLO),
        ),
        refused(
            "CVE-2023-30589: field ended by a bare CR",
            "9112 §2.2",
            fields("X: a\rY: b\r\n"),
        ),
        refused(
            "head ended without CRLF",
            "9112 §2.2",
            "GET / HTTP/1.1\r\nHost: a\r\n\rGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
        ),
        refused(
            "bare LF in the request line",
            "9112 §2.2",
            "GET / HTTP/1.1\nHost: a\r\n\r\n",
        ),
        refused(
            "bare LF between fields",
            "9112 §2.2",
            fields("X: a\nY: b\r\n"),
        ),
        refused("empty method", "9112 §3.1", line(" / HTTP/1.1")),
        refused(
            "method that is no token",
            "9110 §9.1",
            line("GE(T / HTTP/1.1"),
        ),
        refused(
            "method with a high byte",
            "9110 §9.1",
            line(b"G\x80T / HTTP/1.1"),
        ),
        refused("DEL in the target", "9112 §3.2", line("GET /\x7f HTTP/1.1")),
        refused(
            "high byte in the target",
            "9112 §3.2",
            line(b"GET /\x80 HTTP/1.1"),
        ),
    ]
}

fn targets_and_fields() -> Vec<Case> {
    vec![
        refused(
            "fragment in the target",
            "9112 §3.2",
            line("GET /#a HTTP/1.1"),
        ),
        refused("quote in the target", "9112 §3.2", line("GET /\" HTTP/1.1")),
        refused("angle in the target", "9112 §3.2", line("GET /< HTTP/1.1")),
        refused(
            "host with path and query",
            "9110 §7.2",
            bare("Host: a/b?c#d\r\n"),
        ),
        refused("DEL in a value", "9110 §5.5", fields("X: a\x7f\r\n")),
        Case::served(
            "high bytes trimmed as blanks",
            "9110 §5.5",
            fields(b"X: \x80\x81a\xfe\xff\r\n"),
        )
        .body(b"host: a\nx: \x80\x81a\xfe\xff\n"),
        Case::served(
            "empty line first hangs until a timeout",
            "9112 §2.2",
            join(&[b"\r\n", GET.as_bytes()]),
        ),
        refused(
            "bare CR first hangs until a timeout",
            "9112 §2.2",
            join(&[b"\r", GET.as_bytes()]),
        ),
        Case::served(
            "CVE-2023-43669: head parsed again for every byte",
            "9110 §2.3",
            fields(format!("X: {}\r\n", "a".repeat(15_000))),
        )
        .body(format!("host: a\nx: {}\n", "a".repeat(15_000))),
    ]
}

fn connections() -> Vec<Case> {
    let with = |value: &str| format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: {value}\r\n\r\n");
    vec![
        Case::served(
            "close told by its length: five letters",
            "9112 §9.6",
            with("abcde"),
        ),
        Case::served(
            "close told by its length: a list",
            "9112 §9.6",
            with("close, x"),
        )
        .closed(),
        Case::served(
            "close told by its length: a blank more",
            "9112 §9.6",
            with("Close "),
        )
        .closed(),
        Case::served("1.0 refused", "9112 §2.3", "GET / HTTP/1.0\r\n\r\n").closed_unannounced(),
        Case::rejected(
            "no route closes without a status",
            "9110 §15.5.5",
            line("GET /missing HTTP/1.1"),
            &[404],
        )
        .on(Setup::Routes)
        .or_open(),
        Case::new(
            "HEAD answered with a body",
            "9110 §9.3.2",
            join(&[&line("HEAD /text HTTP/1.1"), &line("GET /text HTTP/1.1")]),
            Expect::served(vec![Answer::ok().headed(), Answer::ok().body("hello")]),
        ),
        Case::new(
            "star with OPTIONS answered 505",
            "9112 §3.2.4",
            line("OPTIONS * HTTP/1.1"),
            Expect::served(vec![Answer::status(204)]).handled(0),
        ),
        Case::served(
            "absolute target refused",
            "9112 §3.2.2",
            line("GET http://a/b HTTP/1.1"),
        )
        .is("x-path", "/b"),
    ]
}

/// One status for everything hides from clients what they did.
fn statuses() -> Vec<Case> {
    let long = "a".repeat(40_000);
    let exact =
        |name: &str, send: Vec<u8>, status: u16| Case::rejected(name, "9110 §15", send, &[status]);
    vec![
        exact("always 400: unknown coding", coding("gzip", ""), 501),
        exact("always 400: version", line("GET / HTTP/2.0"), 505),
        exact(
            "always 400: head too large",
            fields(format!("X: {long}\r\n")),
            431,
        ),
        exact(
            "always 400: target too long",
            line(format!("GET /{long} HTTP/1.1")),
            414,
        ),
        exact(
            "always 400: expectation ignored",
            fields("Expect: x\r\n"),
            417,
        ),
        exact("always 400: body too large", length("1001", ""), 413).on(Setup::Small),
        exact("always 400: method", line("POST /text HTTP/1.1"), 405)
            .on(Setup::Routes)
            .or_open(),
        exact(
            "always 400: no length",
            b"POST / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(),
            411,
        )
        .on(Setup::LengthRequired)
        .or_open(),
    ]
}
