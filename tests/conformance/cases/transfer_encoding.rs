//! Transfer-Encoding: exactly one `chunked`, and no Content-Length beside it.

use crate::harness::build::{
    CHUNKED_HELLO, SMUGGLED, chunked, coding, coding_and_length, fields, join, length,
    length_and_coding, line, post,
};
use crate::harness::{Answer, Case, Expect, Then};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = served();
    cases.extend(values());
    cases.extend(lists());
    cases.extend(repeated());
    cases.extend(beside_length());
    cases.extend(elsewhere());
    cases.extend(other_fields());
    cases
}

fn served() -> Vec<Case> {
    let hello = |name: &str, fields: &str| {
        Case::served(name, "9112 §6.1, §7.1", post(fields, CHUNKED_HELLO)).body("hello")
    };
    vec![
        hello("chunked", "Transfer-Encoding: chunked\r\n"),
        hello("capital letter", "Transfer-Encoding: Chunked\r\n"),
        hello("capitals", "Transfer-Encoding: CHUNKED\r\n"),
        hello("mixed case", "Transfer-Encoding: cHuNkEd\r\n"),
        hello("name in capitals", "TRANSFER-ENCODING: chunked\r\n"),
        hello("name in lower case", "transfer-encoding: chunked\r\n"),
        hello("no space before", "Transfer-Encoding:chunked\r\n"),
        hello("tab before", "Transfer-Encoding:\tchunked\r\n"),
        hello("space after", "Transfer-Encoding: chunked \r\n"),
        hello("tab after", "Transfer-Encoding: chunked\t\r\n"),
        Case::served(
            "on GET",
            "9110 §9.3.1: framed all the same",
            join(&[
                b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
                CHUNKED_HELLO.as_bytes(),
            ]),
        )
        .body("hello"),
        Case::served(
            "on OPTIONS",
            "9110 §9.3.7",
            join(&[
                b"OPTIONS / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
                CHUNKED_HELLO.as_bytes(),
            ]),
        )
        .body("hello"),
        Case::served(
            "TE is another field",
            "9110 §10.1.4",
            fields("TE: gzip, trailers\r\n"),
        )
        .body("host: a\nte: gzip, trailers\n"),
    ]
}

/// Values that look like the one that is meant.
const NOT_CHUNKED: &[&[u8]] = &[
    b"chun ked",
    b"chunked gzip",
    b"chunked;ext=val",
    b"chunked;",
    b"\"chunked\"",
    b"'chunked'",
    b"chunked=1",
    b"chunked\"",
    b"(chunked)",
    b"chunked/1",
    b"chun\xe2\x84\xaaed",
    b"\xef\xbb\xbfchunked",
    b"chunked\x80",
    b"\xa0chunked",
    b"chunked\xa0",
    b"%63hunked",
    b"chunked:",
    b"[chunked]",
];

fn values() -> Vec<Case> {
    let unknown = [
        "xchunked", "chunkedx", "chunk", "chunke", "gzip", "deflate", "compress", "br", "identity",
        "x-custom",
    ];
    let mut cases: Vec<_> = unknown
        .into_iter()
        .map(|value| {
            let send = coding(value, CHUNKED_HELLO);
            Case::rejected(format!("unknown {value}"), "9112 §6.1: 501", send, &[501])
        })
        .collect();
    cases.extend(NOT_CHUNKED.iter().map(|value| {
        let send = coding(value, CHUNKED_HELLO);
        Case::rejected(
            format!("not chunked {}", value.escape_ascii()),
            "9112 §7: token; no parameters",
            send,
            &[400, 501],
        )
    }));
    let controls: [&[u8]; 9] = [
        b"\x0bchunked",
        b"\x0cchunked",
        b"chunked\x0b",
        b"chunked\x0c",
        b"chunked\0",
        b"\0chunked",
        b"chun\0ked",
        b"chunked\x7f",
        b"chunked\x1f",
    ];
    cases.extend(controls.map(|value| {
        let send = coding(value, CHUNKED_HELLO);
        Case::rejected(
            format!("control {}", value.escape_ascii()),
            "9110 §5.5",
            send,
            &[400],
        )
    }));
    cases.push(Case::rejected(
        "empty",
        "9112 §6.3 (4)",
        coding("", CHUNKED_HELLO),
        &[400],
    ));
    cases.push(Case::rejected(
        "blank",
        "9112 §6.3 (4)",
        post("Transfer-Encoding: \t \r\n", CHUNKED_HELLO),
        &[400],
    ));
    cases.push(Case::rejected(
        "empty without a body",
        "9112 §6.3 (4)",
        coding("", ""),
        &[400],
    ));
    cases
}

fn lists() -> Vec<Case> {
    let reject = |value: &str, statuses: &[u16]| {
        Case::rejected(
            format!("list {value:?}"),
            "9112 §6.1, §6.3 (4)",
            coding(value, CHUNKED_HELLO),
            statuses,
        )
    };
    let mut cases = vec![
        reject("chunked, chunked", &[400]),
        reject("chunked,chunked", &[400]),
        reject("chunked, gzip", &[400]),
        reject("chunked, identity", &[400]),
        reject("chunked, x-custom", &[400]),
        reject("gzip, chunked", &[501]),
        reject("identity, chunked", &[501]),
        reject("x-custom, chunked", &[501]),
        reject("gzip, deflate", &[400, 501]),
        reject("chunked, gzip, chunked", &[400, 501]),
        reject("gzip;q=1, chunked", &[400, 501]),
        reject(",", &[400]),
        reject(", ,", &[400]),
    ];
    // 9110 §5.6.1.2 wants empty elements ignored; a smuggler likes it when one of two does so.
    for value in [
        ", chunked",
        "chunked,",
        "chunked, ",
        ",chunked,",
        "chunked ,",
    ] {
        cases.push(reject(value, &[400]).or(Expect::served(vec![Answer::ok().body("hello")])));
    }
    cases
}

fn repeated() -> Vec<Case> {
    let twice = |first: &str, second: &str, statuses: &[u16]| {
        let fields = format!("Transfer-Encoding: {first}\r\nTransfer-Encoding: {second}\r\n");
        let name = format!("fields {first:?} and {second:?}");
        Case::rejected(
            name,
            "9110 §5.3: two fields are one list",
            post(fields, CHUNKED_HELLO),
            statuses,
        )
    };
    vec![
        twice("chunked", "chunked", &[400]),
        twice("chunked", "identity", &[400]),
        twice("chunked", "gzip", &[400]),
        twice("identity", "chunked", &[400, 501]),
        twice("gzip", "chunked", &[400, 501]),
        twice("", "chunked", &[400]),
        twice("chunked", "", &[400]),
        twice("chunked", "cow", &[400]),
        twice("Chunked", "CHUNKED", &[400]),
        Case::rejected(
            "fields far apart",
            "9110 §5.3",
            post(
                "transfer-encoding: chunked\r\nA: b\r\nC: d\r\nTransfer-Encoding: chunked\r\n",
                CHUNKED_HELLO,
            ),
            &[400],
        ),
    ]
}

fn beside_length() -> Vec<Case> {
    let both = |name: &str, fields: &str, statuses: &[u16]| {
        Case::rejected(
            name,
            "9112 §6.1, §6.3 (3), decided: 400",
            post(fields, CHUNKED_HELLO),
            statuses,
        )
    };
    vec![
        both("length first", &length_and_coding(5), &[400]),
        both("length last", &coding_and_length(5), &[400]),
        both("length of the chunked body", &length_and_coding(15), &[400]),
        both("length of zero", &length_and_coding(0), &[400]),
        both("length that is none", &length_and_coding("x"), &[400]),
        both(
            "length and capitals",
            "Content-Length: 5\r\nTransfer-Encoding: Chunked\r\n",
            &[400],
        ),
        both(
            "length and identity",
            "Content-Length: 5\r\nTransfer-Encoding: identity\r\n",
            &[400, 501],
        ),
        both(
            "length and xchunked",
            "Content-Length: 5\r\nTransfer-Encoding: xchunked\r\n",
            &[400, 501],
        ),
        both(
            "length and empty",
            "Content-Length: 5\r\nTransfer-Encoding:\r\n",
            &[400],
        ),
        both(
            "empty and length",
            "Transfer-Encoding:\r\nContent-Length: 5\r\n",
            &[400],
        ),
        both(
            "length between",
            "Transfer-Encoding: chunked\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            &[400],
        ),
        both(
            "length and close",
            "Connection: close\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            &[400],
        ),
    ]
}

fn elsewhere() -> Vec<Case> {
    let old = |fields: &str| {
        join(&[
            b"POST / HTTP/1.0\r\nHost: a\r\n",
            fields.as_bytes(),
            b"\r\n",
            CHUNKED_HELLO.as_bytes(),
        ])
    };
    vec![
        Case::rejected(
            "on 1.0",
            "9112 §6.1: faulty",
            old("Transfer-Encoding: chunked\r\n"),
            &[400],
        ),
        Case::rejected(
            "on 1.0 with length",
            "9112 §6.1",
            old("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"),
            &[400],
        ),
        Case::rejected(
            "on 1.0 with keep-alive",
            "9112 §6.1",
            old("Connection: keep-alive\r\nTransfer-Encoding: chunked\r\n"),
            &[400],
        ),
        Case::rejected(
            "folded",
            "9112 §5.2",
            post("Transfer-Encoding:\r\n chunked\r\n", CHUNKED_HELLO),
            &[400],
        ),
        Case::rejected(
            "folded list",
            "9112 §5.2",
            post("Transfer-Encoding: chunked\r\n , gzip\r\n", CHUNKED_HELLO),
            &[400],
        ),
        Case::rejected(
            "space before the colon",
            "9112 §5.1",
            post("Transfer-Encoding : chunked\r\n", CHUNKED_HELLO),
            &[400],
        ),
        Case::rejected(
            "ends in LF",
            "9112 §2.2",
            post("Transfer-Encoding: chunked\nA: b\r\n", CHUNKED_HELLO),
            &[400],
        ),
        Case::rejected(
            "name not ascii",
            "9110 §5.1",
            post(b"Transfer-Encodin\xe7: chunked\r\n", CHUNKED_HELLO),
            &[400],
        ),
    ]
}

fn other_fields() -> Vec<Case> {
    vec![
        Case::served(
            "underscore is another field",
            "9110 §5.1",
            post(
                "Transfer_Encoding: chunked\r\nContent-Length: 5\r\n",
                "hello",
            ),
        )
        .body("hello")
        .or_rejected(&[400]),
        Case::new(
            "longer name is another field",
            "9110 §5.1",
            post("X-Transfer-Encoding: chunked\r\n", "\0"),
            Expect::served(vec![Answer::ok().body(""), Answer::status(400)])
                .handled(1)
                .then(Then::Closed),
        ),
        Case::served(
            "named by Connection, still counts",
            "9110 §7.6.1",
            post(
                "Connection: transfer-encoding\r\nTransfer-Encoding: chunked\r\n",
                CHUNKED_HELLO,
            ),
        )
        .body("hello")
        .or_rejected(&[400]),
        Case::new(
            "a next request after it",
            "9112 §9.3.2",
            join(&[
                &chunked(CHUNKED_HELLO),
                SMUGGLED.as_bytes(),
                &length("5", "world"),
            ]),
            Expect::served(vec![
                Answer::ok().body("hello"),
                Answer::ok().is("x-target", "/smuggled"),
                Answer::ok().body("world"),
            ]),
        ),
        Case::waiting(
            "body not there yet",
            "9112 §8",
            chunked(""),
            CHUNKED_HELLO,
            Answer::ok().body("hello"),
        ),
        Case::rejected(
            "on CONNECT",
            "9110 §9.3.6",
            line("CONNECT a:80 HTTP/1.1\r\nTransfer-Encoding: chunked"),
            &[400, 501],
        ),
    ]
}
