//! Content-Length: one field of digits, nothing else.

use crate::harness::build::{SMUGGLED, bare, join, length, post};
use crate::harness::{Answer, Case, Expect};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = served();
    cases.extend(invalid());
    cases.extend(too_large());
    cases.extend(repeated());
    cases.extend(boundaries());
    cases
}

fn served() -> Vec<Case> {
    let two_hundred = "x".repeat(200);
    vec![
        Case::served("of five", "9112 §6.2", length("5", "hello"))
            .body("hello")
            .is("x-method", "POST"),
        Case::served("of zero", "9112 §6.2", length("0", "")).body(""),
        Case::served("missing", "9112 §6.3: no body", post("", "")).body(""),
        Case::served(
            "name in lower case",
            "9110 §5.1",
            post("content-length: 5\r\n", "hello"),
        )
        .body("hello"),
        Case::served(
            "name in upper case",
            "9110 §5.1",
            post("CONTENT-LENGTH: 5\r\n", "hello"),
        )
        .body("hello"),
        Case::served(
            "no space after the colon",
            "9112 §5.1: OWS",
            post("Content-Length:5\r\n", "hello"),
        )
        .body("hello"),
        Case::served("two spaces before", "9112 §5.1: OWS", length(" 5", "hello")).body("hello"),
        Case::served(
            "tab before",
            "9112 §5.1: OWS",
            post("Content-Length:\t5\r\n", "hello"),
        )
        .body("hello"),
        Case::served("space after", "9112 §5.1: OWS", length("5 ", "hello")).body("hello"),
        Case::served("tab after", "9112 §5.1: OWS", length("5\t", "hello")).body("hello"),
        Case::served(
            "leading zeros",
            "9110 §8.6: 1*DIGIT",
            length("005", "hello"),
        )
        .body("hello")
        .or_rejected(&[400]),
        Case::served("two zeros", "9110 §8.6: 1*DIGIT", length("00", ""))
            .body("")
            .or_rejected(&[400]),
        Case::served(
            "leading zero is not octal",
            "9110 §8.6: decimal",
            length("0200", &two_hundred),
        )
        .body(&two_hundred)
        .or_rejected(&[400]),
        Case::served(
            "before the host",
            "9110 §5.3: order is free",
            join(&[b"POST / HTTP/1.1\r\nContent-Length: 5\r\nHost: a\r\n\r\nhello"]),
        )
        .body("hello"),
        Case::served(
            "with underscore is another field",
            "9110 §5.1",
            post("Content_Length: 99\r\nContent-Length: 5\r\n", "hello"),
        )
        .body("hello")
        .or_rejected(&[400]),
    ]
}

/// Values that some number parser takes, and the grammar does not.
const NOT_A_LENGTH: &[&[u8]] = &[
    b"",
    b" ",
    b"abc",
    b"5a",
    b"a5",
    b"+5",
    b"+0",
    b"-5",
    b"-1",
    b"-0",
    b"0x5",
    b"0X5",
    b"0o5",
    b"0b1",
    b"5h",
    b"1_0",
    b"1 0",
    b"1\t0",
    b"5.",
    b"5.0",
    b".5",
    b"5e0",
    b"5,",
    b",5",
    b"5,5",
    b"5, 5",
    b"5, 5, 5",
    b"5,10",
    b"5, 10",
    b"5;5",
    b"5;a=b",
    b"\"5\"",
    b"'5'",
    b"(5)",
    b"5\0",
    b"\x0b5",
    b"\x0c5",
    b"5\xa0",
    b"\xd9\xa5",
    b"\xef\xbc\x95",
    b"5%20",
    b"5\x7f",
];

fn invalid() -> Vec<Case> {
    let case = |value: &[u8]| {
        let name = format!("invalid {:?}", value.escape_ascii().to_string());
        Case::rejected(
            name,
            "9110 §8.6: 1*DIGIT; 9112 §6.3",
            length(value, "hello"),
            &[400],
        )
    };
    let mut cases: Vec<_> = NOT_A_LENGTH.iter().copied().map(case).collect();
    cases.push(Case::rejected(
        "space before the colon",
        "9112 §5.1",
        post("Content-Length : 5\r\n", "hello"),
        &[400],
    ));
    cases.push(Case::rejected(
        "tab in the name",
        "9112 §5.1",
        post("Content\tLength: 5\r\n", "hello"),
        &[400],
    ));
    cases.push(Case::rejected(
        "folded",
        "9112 §5.2",
        post("Content-Length:\r\n 5\r\n", "hello"),
        &[400],
    ));
    cases.push(Case::rejected(
        "folded digits",
        "9112 §5.2",
        post("Content-Length: 1\r\n 0\r\n", "hello12345"),
        &[400],
    ));
    cases.push(Case::rejected(
        "invalid on GET",
        "9112 §6.3: any request",
        bare("Host: a\r\nContent-Length: x\r\n"),
        &[400],
    ));
    cases
}

/// What no number of the machine may wrap or cut.
fn too_large() -> Vec<Case> {
    let overflowing = [
        "18446744073709551616",
        "18446744073709551621",
        "99999999999999999999",
        "340282366920938463463374607431768211461",
    ];
    let case = |value: &str, statuses: &[u16]| {
        Case::rejected(
            format!("too large {value}"),
            "9110 §8.6: anticipate large numbers",
            length(value, "hello"),
            statuses,
        )
    };
    let mut cases: Vec<_> = overflowing
        .iter()
        .map(|value| case(value, &[400, 413]))
        .collect();
    let representable = [
        "4294967301",
        "9007199254740993",
        "9223372036854775807",
        "9223372036854775808",
        "18446744073709551615",
    ];
    cases.extend(representable.iter().map(|value| case(value, &[400, 413])));
    cases.push(Case::rejected(
        "too large, 400 digits",
        "9110 §8.6",
        length("9".repeat(400), "hello"),
        &[400, 413],
    ));
    cases
}

fn repeated() -> Vec<Case> {
    let twice = |first: &str, second: &str| {
        format!("Content-Length: {first}\r\nContent-Length: {second}\r\n")
    };
    let reject = |name: &str, fields: String, body: &str| {
        Case::rejected(
            name,
            "9112 §6.3 (5), decided: identical too",
            post(fields, body),
            &[400],
        )
    };
    let smuggling = format!(
        "Content-Length: 4\r\nContent-Length: {}\r\n",
        SMUGGLED.len() + 4
    );
    vec![
        reject("twice, different", twice("5", "10"), "helloworld"),
        reject("twice, larger first", twice("10", "5"), "helloworld"),
        reject("twice, the same", twice("5", "5"), "hello"),
        reject("twice, zero first", twice("0", "5"), "hello"),
        reject("twice, zero last", twice("5", "0"), "hello"),
        reject("twice, both zero", twice("0", "0"), ""),
        reject("twice, first empty", twice("", "5"), "hello"),
        reject("twice, last empty", twice("5", ""), "hello"),
        reject("twice, last invalid", twice("5", "x"), "hello"),
        reject(
            "twice, cases differ",
            "Content-Length: 5\r\ncontent-length: 5\r\n".into(),
            "hello",
        ),
        reject(
            "twice, far apart",
            "Content-Length: 5\r\nA: b\r\nC: d\r\nContent-Length: 6\r\n".into(),
            "hello!",
        ),
        reject(
            "thrice",
            format!("{}Content-Length: 5\r\n", twice("5", "5")),
            "hello",
        ),
        reject(
            "twice over a smuggled request",
            smuggling,
            &format!("PING{SMUGGLED}"),
        ),
    ]
}

fn boundaries() -> Vec<Case> {
    let two = |second: Answer| Expect::served(vec![Answer::ok(), second]);
    vec![
        Case::waiting(
            "body not there yet",
            "9112 §8: incomplete",
            length("5", ""),
            "hello",
            Answer::ok().body("hello"),
        ),
        Case::waiting(
            "body half there",
            "9112 §8: incomplete",
            length("10", "hello"),
            "world",
            Answer::ok().body("helloworld"),
        ),
        Case::new(
            "bytes after zero begin the next request",
            "9112 §9.3.2",
            length("0", "XGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
            two(Answer::ok().is("x-method", "XGET")),
        )
        .or(two(Answer::status(501))
            .handled(1)
            .then(crate::harness::Then::Closed)),
        Case::new(
            "garbage after the body",
            "9112 §6.3: it is the next request",
            length("5", "hello\0\r\n\r\n"),
            Expect::served(vec![Answer::ok().body("hello"), Answer::status(400)])
                .handled(1)
                .then(crate::harness::Then::Closed),
        ),
        Case::new(
            "a request in a body is a body",
            "9112 §6.3",
            length(SMUGGLED.len().to_string(), SMUGGLED),
            Expect::served(vec![Answer::ok().body(SMUGGLED)]),
        ),
        Case::new(
            "next request after a body",
            "9112 §9.3.2",
            length("5", format!("hello{SMUGGLED}")),
            two(Answer::ok().is("x-target", "/smuggled")),
        ),
    ]
}
