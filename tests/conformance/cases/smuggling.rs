//! Two readers of the same bytes must not find different requests in them.
//!
//! Each of these hides a request where a lenient reader would look for one. It is served only
//! where the RFC says that a request begins; everywhere else its target must never reach a handler.

use crate::harness::build::{
    GET, SMUGGLED, chunked, coding, coding_and_length, join, length, length_and_coding, line, post,
};
use crate::harness::{Answer, Case, Expect, Setup, Then};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = length_beside_coding();
    cases.extend(obscured_coding());
    cases.extend(obscured_length());
    cases.extend(bodies_nobody_asks_for());
    cases.extend(bodies_of_the_refused());
    cases.extend(chunk_tricks());
    cases
}

/// A chunked end, then the hidden request; a reader of the length takes both as the body.
fn hidden_behind_chunks(fields: impl AsRef<[u8]>) -> Vec<u8> {
    post(fields, format!("0\r\n\r\n{SMUGGLED}"))
}

fn length_of_all() -> usize {
    "0\r\n\r\n".len() + SMUGGLED.len()
}

fn length_beside_coding() -> Vec<Case> {
    let refused =
        |name: &str, send: Vec<u8>| Case::rejected(name, "9112 §6.3 (3), §11.2", send, &[400]);
    let all = length_of_all();
    let end = "0\r\n\r\n";
    let prefix = format!("{:x}\r\n", SMUGGLED.len());
    let in_a_chunk = format!("{prefix}{SMUGGLED}\r\n{end}");
    let head = format!("{end}{}", SMUGGLED.replace("GET", "HEAD"));
    let folded = "OPTIONS / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\n";
    let folded = format!("{folded}Content-Length: 5\r\n\r\nhello{SMUGGLED}");
    let get = format!(
        "GET / HTTP/1.1\r\nHost: a\r\n{}\r\n{end}{SMUGGLED}",
        length_and_coding(5)
    );
    let twice = length_and_coding("5\r\nContent-Length: 5");
    vec![
        refused(
            "length counts all",
            hidden_behind_chunks(length_and_coding(all)),
        ),
        refused(
            "length counts all, coding first",
            hidden_behind_chunks(coding_and_length(all)),
        ),
        refused(
            "length counts all, HEAD hidden",
            post(length_and_coding(all + 1), head),
        ),
        refused(
            "length counts a size",
            post(coding_and_length(prefix.len()), in_a_chunk),
        ),
        refused(
            "length counts one byte more",
            post(length_and_coding(6), "0\r\n\r\nX"),
        ),
        refused(
            "length counts too much",
            post(coding_and_length(30), "0\r\n\r\nX"),
        ),
        refused(
            "length counts one byte less",
            post(length_and_coding(4), end),
        ),
        refused("length counts right", post(length_and_coding(5), end)),
        refused(
            "length with a plus",
            hidden_behind_chunks(length_and_coding(format!("+{all}"))),
        ),
        refused(
            "length with a letter",
            hidden_behind_chunks(length_and_coding(format!("{all}x"))),
        ),
        refused("length empty", hidden_behind_chunks(length_and_coding(""))),
        refused("length twice", hidden_behind_chunks(twice)),
        refused("on GET", get.into_bytes()),
        refused("on OPTIONS, coding folded", folded.into_bytes()),
    ]
}

/// A Transfer-Encoding that one reader takes for `chunked` and another does not, with a length
/// for the other.
fn obscured_coding() -> Vec<Case> {
    let lines: [(&str, &[u8]); 22] = [
        ("space before the colon", b"Transfer-Encoding : chunked"),
        ("tab before the colon", b"Transfer-Encoding\t: chunked"),
        ("folded", b"Transfer-Encoding:\r\n chunked"),
        ("folded with a tab", b"Transfer-Encoding:\r\n\tchunked"),
        (
            "folded onto the line before",
            b"X: x\r\n Transfer-Encoding: chunked",
        ),
        ("vertical tab", b"Transfer-Encoding: \x0bchunked"),
        ("form feed", b"Transfer-Encoding: \x0cchunked"),
        ("NUL after", b"Transfer-Encoding: chunked\0"),
        ("CR after", b"Transfer-Encoding: chunked\rX"),
        ("LF before", b"X: x\nTransfer-Encoding: chunked"),
        ("CR before", b"X: x\rTransfer-Encoding: chunked"),
        ("letter before", b"Transfer-Encoding: xchunked"),
        ("quoted", b"Transfer-Encoding: \"chunked\""),
        ("trailing space", b"Transfer-Encoding: chunked "),
        ("trailing comma", b"Transfer-Encoding: chunked,"),
        ("leading comma", b"Transfer-Encoding: , chunked"),
        ("parameter", b"Transfer-Encoding: chunked;a=b"),
        ("twice in a list", b"Transfer-Encoding: chunked, chunked"),
        ("identity", b"Transfer-Encoding: identity"),
        ("empty", b"Transfer-Encoding:"),
        (
            "two fields",
            b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        ),
        (
            "two fields, the other way",
            b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked",
        ),
    ];
    let case = |(name, line): (&str, &[u8])| {
        let length = format!("\r\nContent-Length: {}\r\n", length_of_all());
        let send = hidden_behind_chunks(join(&[line, length.as_bytes()]));
        Case::rejected(
            format!("coding: {name}"),
            "9112 §6.1, §11.2",
            send,
            &[400, 501],
        )
    };
    lines.into_iter().map(case).collect()
}

/// A length that one reader takes for a number and another for none.
fn obscured_length() -> Vec<Case> {
    let count = SMUGGLED.len();
    let values = [
        format!("+{count}"),
        format!("-{count}"),
        format!("{count}x"),
        format!("{count},{count}"),
        format!("{count}, 0"),
        format!("0, {count}"),
        format!("{count};x"),
        format!("{count}.0"),
        format!("0x{count:x}"),
        format!("\"{count}\""),
        format!("{count} {count}"),
        format!("{count}\0"),
        format!("\u{b}{count}"),
        format!("{count}e0"),
    ];
    let case = |value: String| {
        let send = length(&value, SMUGGLED);
        Case::rejected(
            format!("length: {value:?}"),
            "9112 §6.3 (5), §11.2",
            send,
            &[400],
        )
    };
    let mut cases: Vec<_> = values.into_iter().map(case).collect();
    for (name, line) in [
        ("space before the colon", "Content-Length : "),
        ("folded", "Content-Length:\r\n "),
        ("behind a bare LF", "X: x\nContent-Length: "),
        ("behind a bare CR", "X: x\rContent-Length: "),
        ("behind a NUL", "X: x\0Content-Length: "),
    ] {
        let send = post(format!("{line}{count}\r\n"), SMUGGLED);
        cases.push(Case::rejected(
            format!("length: {name}"),
            "9112 §2.2, §5, §11.2",
            send,
            &[400],
        ));
    }
    cases
}

/// Bodies on requests that seldom have one are read away all the same.
fn bodies_nobody_asks_for() -> Vec<Case> {
    let with_length = |first: &str, body: &str| {
        format!(
            "{first} HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let next = Answer::ok().is("x-target", "/").is("x-method", "GET");
    let two = |name: &str, send: String, first: Answer| {
        let send = join(&[send.as_bytes(), GET.as_bytes()]);
        Case::new(
            name,
            "9112 §6.3, §11.2",
            send,
            Expect::served(vec![first, next.clone()]),
        )
    };
    let prefix = "GET /smuggled HTTP/1.1\r\nX: ";
    let chunks = format!("{:x}\r\n{SMUGGLED}\r\n0\r\n\r\n", SMUGGLED.len());
    vec![
        two(
            "body of GET",
            with_length("GET /text", SMUGGLED),
            Answer::ok().body("hello"),
        ),
        two(
            "body of GET begins a request",
            with_length("GET /text", prefix),
            Answer::ok().body("hello"),
        ),
        two(
            "body of HEAD",
            with_length("HEAD /text", SMUGGLED),
            Answer::ok().headed(),
        ),
        two(
            "body of DELETE",
            with_length("DELETE /", SMUGGLED),
            Answer::ok().body(SMUGGLED),
        ),
        two(
            "body of OPTIONS",
            with_length("OPTIONS /", SMUGGLED),
            Answer::ok().body(SMUGGLED),
        ),
        two(
            "chunks of GET",
            format!("GET /text HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}"),
            Answer::ok().body("hello"),
        ),
        two(
            "body of a 204",
            with_length("GET /no-content", SMUGGLED),
            Answer::status(204),
        ),
    ]
}

/// A request refused for its head still has its body.
fn bodies_of_the_refused() -> Vec<Case> {
    let expecting = post(
        format!("Content-Length: {}\r\nExpect: x\r\n", SMUGGLED.len()),
        SMUGGLED,
    );
    let refused = format!(
        "POST /text HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{SMUGGLED}",
        SMUGGLED.len()
    );
    vec![
        Case::new(
            "body of a refused method",
            "9112 §9.6",
            join(&[refused.as_bytes(), &line("GET /text HTTP/1.1")]),
            Expect::rejected(&[405]),
        )
        .or(Expect::served(vec![Answer::status(405), Answer::ok().body("hello")]).handled(1))
        .on(Setup::Routes),
        Case::new(
            "body of an unmet expectation",
            "9110 §10.1.1",
            join(&[&expecting, GET.as_bytes()]),
            Expect::rejected(&[417]),
        ),
        Case::new(
            "body that was not announced",
            "9112 §6.3 (7): the next request",
            join(&[&post("", ""), SMUGGLED.as_bytes()]),
            Expect::served(vec![
                Answer::ok().body(""),
                Answer::ok().is("x-target", "/smuggled"),
            ]),
        ),
    ]
}

fn chunk_tricks() -> Vec<Case> {
    let refused = |name: &str, body: String| {
        Case::body_rejected(name, "9112 §7.1, §11.2", chunked(body), &[400])
    };
    let count = SMUGGLED.len();
    vec![
        refused("plus zero", format!("+0\r\n\r\n{SMUGGLED}")),
        refused("minus zero", format!("-0\r\n\r\n{SMUGGLED}")),
        refused("zero and a letter", format!("0x\r\n\r\n{SMUGGLED}")),
        refused("zero with hex prefix", format!("0x0\r\n\r\n{SMUGGLED}")),
        refused("LF in an extension", format!("5;\n{SMUGGLED}\r\n0\r\n\r\n")),
        refused(
            "CR in an extension",
            format!("5;a\r{SMUGGLED}\r\n0\r\n\r\n"),
        ),
        refused(
            "request in an extension",
            format!("{count:x};{SMUGGLED}\r\n0\r\n\r\n"),
        ),
        refused("end after one line feed", format!("0\n\r\n{SMUGGLED}")),
        refused("end after two line feeds", format!("0\r\n\n{SMUGGLED}")),
        refused("request as trailer", format!("0\r\n{SMUGGLED}")),
        refused(
            "request after spilled data",
            format!("1\r\nhello\r\n0\r\n\r\n{SMUGGLED}"),
        ),
        refused(
            "two bytes skipped after data",
            format!("5\r\nhelloXX0\r\n\r\n{SMUGGLED}"),
        ),
        refused(
            "two bytes skipped after the end",
            format!("0\r\nXX{SMUGGLED}"),
        ),
        refused(
            "size cut to 32 bits",
            format!("100000000\r\n\r\n{SMUGGLED}"),
        )
        .statuses(&[400, 413]),
        refused(
            "size cut to 64 bits",
            format!("10000000000000000\r\n\r\n{SMUGGLED}"),
        )
        .statuses(&[400, 413]),
        Case::new(
            "request as data",
            "9112 §7.1",
            coding("chunked", format!("{count:x}\r\n{SMUGGLED}\r\n0\r\n\r\n")),
            Expect::served(vec![Answer::ok().body(SMUGGLED)]),
        ),
        Case::new(
            "request after the end is the next",
            "9112 §9.3.2",
            chunked(format!("0\r\n\r\n{SMUGGLED}")),
            Expect::served(vec![
                Answer::ok().body(""),
                Answer::ok().is("x-target", "/smuggled"),
            ]),
        ),
        Case::new(
            "garbage after the end",
            "9112 §9.3.2: the next request, and none",
            chunked("0\r\n\r\nX\r\n\r\n"),
            Expect::served(vec![Answer::ok().body(""), Answer::status(400)])
                .handled(1)
                .then(Then::Closed),
        ),
    ]
}
