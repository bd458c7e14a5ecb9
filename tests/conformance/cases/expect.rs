//! Expect: 100-continue, and nothing else.

use crate::harness::build::{
    CHUNKED_HELLO, GET, SMUGGLED, fields, join, length, length_and_coding, post,
};
use crate::harness::{Answer, Case, Expect, Setup, Then};

/// What a client sends that does not wait for the 100 it asked for: whether one is sent depends
/// on whether content has arrived by then.
fn impatient(name: &str, rfc: &'static str, send: impl AsRef<[u8]>) -> Case {
    Case::new(
        name,
        rfc,
        send,
        Expect {
            answers: vec![Answer::maybe_continue(), Answer::ok().body("hello")],
            ..Expect::served(vec![Answer::ok()])
        },
    )
}

/// A head that waits: the 100 comes first, the answer after the content.
fn patient(name: &str, head: &str) -> Case {
    let then = Then::Waiting {
        rest: b"hello".to_vec(),
        answer: Answer::ok().body("hello"),
    };
    let expect = Expect {
        answers: vec![Answer::status(100)],
        then,
        completed: 0,
        entered: 1..=1,
    };
    Case::new(
        name,
        "9110 §10.1.1: 100 when the content is wanted",
        head,
        expect,
    )
}

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = continued();
    cases.extend(needless());
    cases.extend(needless_for_refused());
    cases.extend(unwanted());
    cases.extend(refused());
    cases
}

fn continued() -> Vec<Case> {
    let with = |expectation: &str| {
        format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: {expectation}\r\n\r\n")
    };
    let chunked =
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n";
    let then = Then::Waiting {
        rest: CHUNKED_HELLO.into(),
        answer: Answer::ok().body("hello"),
    };
    vec![
        patient("client waits", &with("100-continue")),
        patient("client waits, capitals", &with("100-Continue")),
        patient("client waits, blanks around", &with(" \t100-continue\t")),
        Case::new(
            "client waits with chunks",
            "9110 §10.1.1",
            chunked,
            Expect {
                answers: vec![Answer::status(100)],
                then,
                completed: 0,
                entered: 1..=1,
            },
        ),
        impatient(
            "client does not wait",
            "9110 §10.1.1: content may follow at once",
            with("100-continue") + "hello",
        ),
        impatient(
            "client does not wait with chunks",
            "9110 §10.1.1",
            chunked.to_owned() + CHUNKED_HELLO,
        ),
        Case::new(
            "client does not wait, next request",
            "9110 §10.1.1",
            join(&[with("100-continue").as_bytes(), b"hello", GET.as_bytes()]),
            Expect {
                answers: vec![
                    Answer::maybe_continue(),
                    Answer::ok().body("hello"),
                    Answer::ok().body(""),
                ],
                ..Expect::served(vec![Answer::ok(), Answer::ok()])
            },
        ),
        impatient(
            "asked twice",
            "9110 §10.1.1",
            post(
                "Content-Length: 5\r\nExpect: 100-continue\r\nExpect: 100-continue\r\n",
                "hello",
            ),
        )
        .or_rejected(&[417]),
    ]
}

/// No 100: there is nothing to wait for, or the client would not know it.
fn needless() -> Vec<Case> {
    let old = "POST / HTTP/1.0\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";
    // Kept alive, so that the test sees the silence on a connection that lives on.
    let old_waiting = old.replace("Host: a", "Connection: keep-alive");
    let hello = Answer::ok().body("hello");
    vec![
        Case::served(
            "no content",
            "9110 §10.1.1: may omit",
            fields("Expect: 100-continue\r\n"),
        ),
        Case::served(
            "content of zero",
            "9110 §10.1.1",
            length("0\r\nExpect: 100-continue", ""),
        )
        .body(""),
        Case::served(
            "on 1.0",
            "9110 §10.1.1: must ignore",
            old.to_owned() + "hello",
        )
        .body("hello")
        .closed_unannounced(),
        Case::waiting(
            "on 1.0, client waits",
            "9110 §15.2: no 1xx to 1.0",
            old_waiting,
            "hello",
            hello,
        ),
    ]
}

/// The final status instead: a client that waits must not be told to go on.
fn needless_for_refused() -> Vec<Case> {
    let refused = |name: &str, fields: &str, statuses: &[u16]| {
        Case::rejected(name, "9110 §10.1.1", post(fields, ""), statuses)
    };
    let to = |target: &str| {
        let fields = "Host: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n";
        format!("POST {target} HTTP/1.1\r\n{fields}\r\n")
    };
    vec![
        refused(
            "invalid length",
            "Content-Length: +5\r\nExpect: 100-continue\r\n",
            &[400],
        ),
        refused(
            "length and chunks",
            &length_and_coding("5\r\nExpect: 100-continue"),
            &[400],
        ),
        refused(
            "unknown coding",
            "Transfer-Encoding: gzip\r\nExpect: 100-continue\r\n",
            &[501],
        ),
        refused(
            "too large",
            "Content-Length: 1001\r\nExpect: 100-continue\r\n",
            &[413],
        )
        .on(Setup::Small),
        Case::rejected("no such route", "9110 §10.1.1", to("/missing"), &[404]).on(Setup::Routes),
        Case::rejected("no such method", "9110 §10.1.1", to("/text"), &[405]).on(Setup::Routes),
    ]
}

/// A handler that answers without the content: the client that waited may now send it or not, so
/// that nobody can tell whether the next bytes are content or a request.
fn unwanted() -> Vec<Case> {
    let head = "GET /text HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";
    let answer = || Expect::served(vec![Answer::ok().body("hello")]);
    vec![
        Case::new(
            "content nobody wants, not sent",
            "9110 §10.1.1, 9112 §9.6",
            head,
            answer().then(Then::Closed),
        ),
        Case::new(
            "content nobody wants, a request instead",
            "9110 §10.1.1, 9112 §11.2",
            join(&[head.as_bytes(), SMUGGLED.as_bytes()]),
            answer().then(Then::Closed),
        ),
    ]
}

fn refused() -> Vec<Case> {
    let values = [
        "x",
        "200-ok",
        "100",
        "100-continued",
        "100 continue",
        "100-continue, x",
        "x, 100-continue",
        "100-continue=x",
        "\"100-continue\"",
        "999",
    ];
    let case = |value: &str| {
        let send = fields(format!("Expect: {value}\r\n"));
        Case::rejected(
            format!("expectation {value:?}"),
            "9110 §10.1.1, decided: 417",
            send,
            &[417],
        )
    };
    let mut cases: Vec<_> = values.into_iter().map(case).collect();
    let body = post("Content-Length: 5\r\nExpect: x\r\n", "hello");
    cases.push(Case::rejected(
        "unknown with a body",
        "9110 §15.5.18",
        body,
        &[417],
    ));
    cases.push(
        Case::served("empty expectation", "9110 §10.1.1", fields("Expect:\r\n"))
            .or_rejected(&[417]),
    );
    cases
}
