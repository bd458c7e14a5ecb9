//! Requests sent without waiting: answered in order, each once.

use crate::app::LARGE_BYTES;
use crate::harness::build::{
    CHUNKED_HELLO, GET, chunked, coding, join, length, length_and_coding, line, post,
};
use crate::harness::{Answer, Case, Expect, Setup, Then};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = in_order();
    cases.extend(mixed());
    cases.extend(many());
    cases.extend(until_an_error());
    cases
}

fn target(target: &str) -> Vec<u8> {
    line(format!("GET {target} HTTP/1.1"))
}

fn numbered(count: usize) -> (Vec<u8>, Vec<Answer>) {
    let send = (0..count)
        .flat_map(|number| target(&format!("/{number}")))
        .collect();
    let answers = (0..count)
        .map(|number| Answer::ok().is("x-target", format!("/{number}")))
        .collect();
    (send, answers)
}

fn served(name: &str, send: &[&[u8]], answers: Vec<Answer>) -> Case {
    Case::new(name, "9112 §9.3.2", join(send), Expect::served(answers))
}

fn in_order() -> Vec<Case> {
    let hello = Answer::ok().body("hello");
    let empty = Answer::ok().body("");
    vec![
        served(
            "two",
            &[GET.as_bytes(), GET.as_bytes()],
            vec![empty.clone(), empty.clone()],
        ),
        served(
            "body, then none",
            &[&length("5", "hello"), GET.as_bytes()],
            vec![hello.clone(), empty.clone()],
        ),
        served(
            "chunks, then none",
            &[&chunked(CHUNKED_HELLO), GET.as_bytes()],
            vec![hello.clone(), empty],
        ),
        served(
            "length, chunks, length",
            &[
                &length("5", "first"),
                &chunked(CHUNKED_HELLO),
                &length("5", "third"),
            ],
            vec![
                Answer::ok().body("first"),
                hello.clone(),
                Answer::ok().body("third"),
            ],
        ),
        served(
            "HEAD between",
            &[
                &target("/text"),
                &line("HEAD /text HTTP/1.1"),
                &target("/text"),
            ],
            vec![hello.clone(), Answer::ok().headed(), hello],
        ),
    ]
}

/// Neighbours whose answers are not of a plain length, or whose bodies nobody reads.
fn mixed() -> Vec<Case> {
    let hello = Answer::ok().body("hello");
    let empty = Answer::ok().body("");
    vec![
        served(
            "204 and 304 between",
            &[
                &target("/no-content"),
                &target("/not-modified"),
                &target("/text"),
            ],
            vec![Answer::status(204), Answer::status(304), hello.clone()],
        ),
        served(
            "large and streamed between",
            &[
                &target("/large"),
                &target("/streamed"),
                &target("/large"),
                &target("/text"),
            ],
            vec![
                Answer::ok().body(vec![b'x'; LARGE_BYTES]),
                hello.clone(),
                Answer::ok().body(vec![b'x'; LARGE_BYTES]),
                hello.clone(),
            ],
        ),
        served(
            "a body nobody reads",
            &[
                b"GET /text HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
                GET.as_bytes(),
            ],
            vec![hello.clone(), empty.clone()],
        ),
        served(
            "chunks nobody reads",
            &[
                b"GET /text HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
                CHUNKED_HELLO.as_bytes(),
                GET.as_bytes(),
            ],
            vec![hello.clone(), empty.clone()],
        ),
        Case::new(
            "OPTIONS answered by the engine between",
            "9112 §9.3.2",
            join(&[
                &target("/text"),
                &line("OPTIONS /text HTTP/1.1"),
                &target("/text"),
            ]),
            Expect::served(vec![hello.clone(), Answer::status(204), hello]).handled(2),
        )
        .on(Setup::Routes),
        Case::new(
            "second cut off",
            "9112 §9.3.2: the first is answered",
            join(&[GET.as_bytes(), b"GET / HT"]),
            Expect::served(vec![empty.clone()]).then(Then::Waiting {
                rest: b"TP/1.1\r\nHost: a\r\n\r\n".to_vec(),
                answer: empty,
            }),
        ),
    ]
}

fn many() -> Vec<Case> {
    let case = |count| {
        let (send, answers) = numbered(count);
        served(&format!("{count} numbered"), &[&send], answers)
    };
    [3, 20, 300, 1500].map(case).into()
}

/// The good ones before it are answered, it gets its error, the rest is not read as requests.
fn until_an_error() -> Vec<Case> {
    let bad: [(&str, Vec<u8>, u16); 7] = [
        ("no host", b"GET / HTTP/1.1\r\n\r\n".to_vec(), 400),
        ("no version", line("GET /"), 400),
        (
            "folded",
            b"GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n".to_vec(),
            400,
        ),
        ("length and chunks", post(length_and_coding(1), ""), 400),
        ("unknown coding", coding("gzip", ""), 501),
        ("version", line("GET / HTTP/2.0"), 505),
        (
            "expectation",
            b"GET / HTTP/1.1\r\nHost: a\r\nExpect: x\r\n\r\n".to_vec(),
            417,
        ),
    ];
    let case = |(name, bad, status): (&str, Vec<u8>, u16)| {
        let send = join(&[&target("/1"), &target("/2"), &bad, &target("/3")]);
        let answers = vec![
            Answer::ok().is("x-target", "/1"),
            Answer::ok().is("x-target", "/2"),
            Answer::status(status),
        ];
        let expect = Expect::served(answers).handled(2).then(Then::Closed);
        Case::new(
            format!("third is bad: {name}"),
            "9112 §9.3.2, §9.6",
            send,
            expect,
        )
    };
    let mut cases: Vec<_> = bad.into_iter().map(case).collect();
    cases.push(Case::new(
        "second has a bad chunk",
        "9112 §9.3.2, §7.1",
        join(&[&target("/1"), &chunked("5\r\nhelloXX"), &target("/3")]),
        Expect::served(vec![Answer::ok().is("x-target", "/1"), Answer::status(400)])
            .handled(1)
            .entered(1..=2)
            .then(Then::Closed),
    ));
    cases.push(
        Case::new(
            "second finds no route",
            "9110 §15.5.5",
            join(&[&target("/text"), &target("/missing"), &target("/text")]),
            Expect::served(vec![Answer::ok().body("hello"), Answer::status(404)])
                .handled(1)
                .then(Then::Closed),
        )
        .or(Expect::served(vec![
            Answer::ok().body("hello"),
            Answer::status(404),
            Answer::ok().body("hello"),
        ])
        .handled(2))
        .on(Setup::Routes),
    );
    cases
}
