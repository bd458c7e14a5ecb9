//! Each limit, on both sides of its edge, and what comes far above all of them.

use crate::app::{COLLECTED_BYTES_MAX, small};
use crate::harness::build::{GET, chunked, join, length, line, trailers};
use crate::harness::{Answer, Case, Expect, Setup};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = heads();
    cases.extend(targets());
    cases.extend(bodies());
    cases.extend(extensions());
    cases.extend(trailer_sections());
    cases.extend(far_above());
    cases.extend(far_above_in_bodies());
    cases.extend(length_required());
    cases
}

/// On the small limits, for a case that must be served and one that must not.
fn edge(name: &str, served: Vec<u8>, refused: Vec<u8>, status: u16) -> [Case; 2] {
    let at =
        Case::served(format!("{name} at its limit"), "9110 §2.3: limits", served).on(Setup::Small);
    let over = Case::rejected(
        format!("{name} one over"),
        "6585 §5, 9110 §15.5",
        refused,
        &[status],
    )
    .on(Setup::Small);
    [at, over]
}

/// A GET whose head has exactly so many bytes, the last of them in a field value.
fn head_of(size: usize) -> Vec<u8> {
    let shell = "GET / HTTP/1.1\r\nHost: a\r\nA: \r\n\r\n".len();
    format!(
        "GET / HTTP/1.1\r\nHost: a\r\nA: {}\r\n\r\n",
        "b".repeat(size - shell)
    )
    .into_bytes()
}

/// A GET with so many fields, Host among them.
fn fields_of(count: usize) -> Vec<u8> {
    format!(
        "GET / HTTP/1.1\r\nHost: a\r\n{}\r\n",
        "A: b\r\n".repeat(count - 1)
    )
    .into_bytes()
}

fn heads() -> Vec<Case> {
    let bytes = small::HEAD_BYTES_MAX;
    let count = small::HEADER_COUNT_MAX;
    let mut cases = Vec::new();
    cases.extend(edge("head", head_of(bytes), head_of(bytes + 1), 431));
    cases.extend(edge(
        "field count",
        fields_of(count),
        fields_of(count + 1),
        431,
    ));
    let second = join(&[&head_of(bytes), &head_of(bytes + 1)]);
    cases.push(
        Case::new(
            "head of a second request one over",
            "6585 §5: the limit is of each head",
            second,
            Expect::served(vec![Answer::ok(), Answer::status(431)])
                .handled(1)
                .then(crate::harness::Then::Closed),
        )
        .on(Setup::Small),
    );
    cases.push(
        Case::served(
            "head at its limit after an empty line",
            "9112 §2.2: no part of the head",
            join(&[b"\r\n", &head_of(bytes)]),
        )
        .or_rejected(&[431])
        .on(Setup::Small),
    );
    cases
}

fn targets() -> Vec<Case> {
    let of = |size: usize| line(format!("GET /{} HTTP/1.1", "a".repeat(size - 1)));
    let query = |size: usize| line(format!("GET /?{} HTTP/1.1", "a".repeat(size - 2)));
    let absolute = |size: usize| line(format!("GET http://a/{} HTTP/1.1", "a".repeat(size - 9)));
    let max = small::TARGET_BYTES_MAX;
    let mut cases = Vec::new();
    cases.extend(edge("target", of(max), of(max + 1), 414));
    cases.extend(edge("query", query(max), query(max + 1), 414));
    cases.extend(edge(
        "absolute target",
        absolute(max),
        absolute(max + 1),
        414,
    ));
    cases
}

fn bodies() -> Vec<Case> {
    let max = small::BODY_BYTES_MAX;
    let body = |size: usize| "b".repeat(size);
    let of = |size: usize| length(size.to_string(), body(size));
    let one_chunk = |size: usize| chunked(format!("{size:x}\r\n{}\r\n0\r\n\r\n", body(size)));
    let by_ones = |size: usize| chunked("1\r\nb\r\n".repeat(size) + "0\r\n\r\n");
    let over = |name: &str, send: Vec<u8>| {
        Case::body_rejected(name, "9110 §15.5.14", send, &[413]).on(Setup::Small)
    };
    let mut cases = Vec::new();
    cases.extend(edge("body", of(max), of(max + 1), 413));
    cases.push(
        Case::rejected(
            "body one over, not sent",
            "9110 §15.5.14",
            length((max + 1).to_string(), ""),
            &[413],
        )
        .on(Setup::Small),
    );
    cases.push(
        Case::served("one chunk at its limit", "9112 §7.1", one_chunk(max))
            .body(body(max))
            .on(Setup::Small),
    );
    cases.push(over("one chunk one over", one_chunk(max + 1)));
    cases.push(
        Case::served("many chunks at their limit", "9112 §7.1", by_ones(max))
            .body(body(max))
            .on(Setup::Small),
    );
    cases.push(over("many chunks one over", by_ones(max + 1)));
    let collected = COLLECTED_BYTES_MAX;
    cases.push(
        Case::served(
            "collected body at its limit",
            "9110 §15.5.14",
            of(collected),
        )
        .body(body(collected)),
    );
    cases.push(Case::body_rejected(
        "collected body one over, not sent",
        "9110 §15.5.14",
        length((collected + 1).to_string(), ""),
        &[413],
    ));
    cases.push(Case::body_rejected(
        "collected chunks one over",
        "9110 §15.5.14",
        one_chunk(collected + 1),
        &[413],
    ));
    cases
}

/// Extension bytes, counted over all chunks. Whether the semicolon counts is the engine's affair,
/// so these stand a little off the edge.
fn extensions() -> Vec<Case> {
    const SLACK: usize = 8;
    let max = small::CHUNK_EXTENSION_BYTES_MAX as usize;
    let one = |size: usize| chunked(format!("5;{}\r\nhello\r\n0\r\n\r\n", "a".repeat(size)));
    let many = |size: usize| chunked("1;a\r\nb\r\n".repeat(size) + "0\r\n\r\n");
    let last = |size: usize| chunked(format!("5\r\nhello\r\n0;{}\r\n\r\n", "a".repeat(size)));
    let quoted = |size: usize| {
        chunked(format!(
            "5;a=\"{}\"\r\nhello\r\n0\r\n\r\n",
            "b".repeat(size)
        ))
    };
    let under = |name: &str, send: Vec<u8>| {
        Case::served(format!("{name} below"), "9112 §7.1.1", send).on(Setup::Small)
    };
    let over = |name: &str, send: Vec<u8>| {
        Case::body_rejected(
            format!("{name} above"),
            "9112 §7.1.1: limit the total",
            send,
            &[400, 413, 431],
        )
        .on(Setup::Small)
    };
    vec![
        under("extension", one(max - SLACK)),
        over("extension", one(max + SLACK)),
        under("extensions of many chunks", many(max / 2 - SLACK)),
        over("extensions of many chunks", many(max + SLACK)),
        under("extension of the last chunk", last(max - SLACK)),
        over("extension of the last chunk", last(max + SLACK)),
        under("quoted extension", quoted(max - SLACK)),
        over("quoted extension", quoted(max + SLACK)),
    ]
}

/// As with extensions: whether the line ends count is left open.
fn trailer_sections() -> Vec<Case> {
    const SLACK: usize = 8;
    let max = small::TRAILER_BYTES_MAX as usize;
    let one = |size: usize| trailers(format!("A: {}\r\n", "b".repeat(size)));
    let many = |count: usize| trailers("A: b\r\n".repeat(count));
    let under = |name: &str, send: Vec<u8>| {
        Case::served(format!("{name} below"), "9112 §7.1.2", send).on(Setup::Small)
    };
    let over = |name: &str, send: Vec<u8>| {
        Case::body_rejected(
            format!("{name} above"),
            "9112 §7.1.2, 6585 §5",
            send,
            &[400, 413, 431],
        )
        .on(Setup::Small)
    };
    vec![
        under("trailer", one(max - SLACK)),
        over("trailer", one(max + SLACK)),
        under("many trailers", many((max - SLACK) / 6)),
        over("many trailers", many(max / 4 + SLACK)),
    ]
}

/// A hundred kilobytes where a few are enough, on the default limits.
fn far_above() -> Vec<Case> {
    let long = "a".repeat(100_000);
    let refused = |name: &str, send: String, statuses: &[u16]| {
        Case::rejected(name, "9110 §2.3, 6585 §5: bounded memory", send, statuses)
    };
    let many: String = (0..10_000)
        .map(|number| format!("X-{number}: a\r\n"))
        .collect();
    vec![
        refused(
            "long target",
            format!("GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n"),
            &[414],
        ),
        refused(
            "long query",
            format!("GET /?{long} HTTP/1.1\r\nHost: a\r\n\r\n"),
            &[414],
        ),
        refused(
            "long method",
            format!("{long} / HTTP/1.1\r\nHost: a\r\n\r\n"),
            &[400, 431, 501],
        ),
        refused(
            "long version",
            format!("GET / HTTP/1.{}\r\nHost: a\r\n\r\n", "1".repeat(100_000)),
            &[400, 431],
        ),
        refused(
            "long name",
            format!("GET / HTTP/1.1\r\nHost: a\r\n{long}: b\r\n\r\n"),
            &[431],
        ),
        refused(
            "long value",
            format!("GET / HTTP/1.1\r\nHost: a\r\nA: {long}\r\n\r\n"),
            &[431],
        ),
        refused(
            "long host",
            format!("GET / HTTP/1.1\r\nHost: {long}\r\n\r\n"),
            &[431],
        ),
        refused(
            "long blanks",
            format!(
                "GET / HTTP/1.1\r\nHost: a\r\nA:{}b\r\n\r\n",
                " ".repeat(100_000)
            ),
            &[431],
        ),
        refused(
            "ten thousand fields",
            format!("GET / HTTP/1.1\r\nHost: a\r\n{many}\r\n"),
            &[431],
        ),
        refused(
            "a head without end",
            format!("GET / HTTP/1.1\r\nHost: a\r\nA: {long}"),
            &[431],
        ),
    ]
}

fn far_above_in_bodies() -> Vec<Case> {
    let line = "5".repeat(100_000);
    let trailer = format!("5\r\nhello\r\n0\r\nA: {}\r\n\r\n", "a".repeat(100_000));
    vec![
        Case::body_rejected("long chunk size", "9112 §7.1", chunked(line), &[400]),
        Case::body_rejected(
            "long trailer",
            "9112 §7.1.2",
            chunked(trailer),
            &[400, 413, 431],
        ),
        Case::new(
            "five hundred empty lines",
            "9112 §2.2: at least one, not all there are",
            join(&[&b"\r\n".repeat(500), GET.as_bytes()]),
            Expect::rejected(&[400]),
        )
        .or(Expect::served(vec![Answer::ok()])),
    ]
}

/// An application may insist on a length, RFC 9110 §15.5.12.
fn length_required() -> Vec<Case> {
    let send =
        |method: &str, fields: &str| format!("{method} / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
    let refused = |method: &str| {
        Case::rejected(
            format!("{method} without length"),
            "9110 §15.5.12",
            send(method, ""),
            &[411],
        )
        .on(Setup::LengthRequired)
        .or_open()
    };
    let served = |name: &str, send: String| {
        Case::served(name, "9110 §15.5.12", send).on(Setup::LengthRequired)
    };
    vec![
        refused("POST"),
        refused("PUT"),
        refused("PATCH"),
        served("GET needs no length", send("GET", "")),
        served("DELETE needs no length", send("DELETE", "")),
        served(
            "POST with a length of zero",
            send("POST", "Content-Length: 0\r\n"),
        ),
        served(
            "POST with chunks",
            send("POST", "Transfer-Encoding: chunked\r\n") + "0\r\n\r\n",
        ),
    ]
}
