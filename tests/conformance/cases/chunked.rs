//! The chunked coding, byte for byte.

use crate::harness::build::{GET, chunked, join, label, size_line};
use crate::harness::{Answer, Case, Expect};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = served();
    cases.extend(misleading_data());
    cases.extend(sizes());
    cases.extend(extensions());
    cases.extend(line_ends());
    cases.extend(data_ends());
    cases.extend(body_ends());
    cases.extend(too_large());
    cases
}

fn served() -> Vec<Case> {
    let ok = |name: &str, body: &str, decoded: &str| {
        Case::served(name, "9112 §7.1", chunked(body)).body(decoded)
    };
    let by_ones: String = "hello"
        .chars()
        .map(|letter| format!("1\r\n{letter}\r\n"))
        .collect();
    vec![
        ok("one chunk", "5\r\nhello\r\n0\r\n\r\n", "hello"),
        ok(
            "two chunks",
            "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n",
            "hello world",
        ),
        ok(
            "chunks of one byte",
            &format!("{by_ones}0\r\n\r\n"),
            "hello",
        ),
        ok("no chunk", "0\r\n\r\n", ""),
        ok(
            "size in capitals",
            "A\r\n0123456789\r\n0\r\n\r\n",
            "0123456789",
        ),
        ok(
            "size in small letters",
            "a\r\n0123456789\r\n0\r\n\r\n",
            "0123456789",
        ),
        ok(
            "size of two digits",
            "1a\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\n\r\n",
            "abcdefghijklmnopqrstuvwxyz",
        ),
        ok("size with zeros", "0005\r\nhello\r\n0\r\n\r\n", "hello"),
        ok(
            "size of sixteen digits",
            "0000000000000005\r\nhello\r\n0\r\n\r\n",
            "hello",
        ),
        ok(
            "last size of many zeros",
            "5\r\nhello\r\n0000\r\n\r\n",
            "hello",
        ),
    ]
}

/// Data is data, whatever it looks like.
fn misleading_data() -> Vec<Case> {
    let ok = |name: &str, body: &str, decoded: &str| {
        Case::served(name, "9112 §7.1", chunked(body)).body(decoded)
    };
    vec![
        ok(
            "data that looks like an end",
            "7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n",
            "\r\n0\r\n\r\n",
        ),
        ok(
            "data that looks like a request",
            "10\r\nGET / HTTP/1.1\r\n\r\n0\r\n\r\n",
            "GET / HTTP/1.1\r\n",
        ),
        Case::new(
            "a next request after it",
            "9112 §9.3.2",
            join(&[
                &chunked("5\r\nhello\r\n0\r\n\r\n"),
                &chunked("0\r\n\r\n"),
                GET.as_bytes(),
            ]),
            Expect::served(vec![
                Answer::ok().body("hello"),
                Answer::ok().body(""),
                Answer::ok().is("x-method", "GET"),
            ]),
        ),
    ]
}

/// Size lines that are none, though some number parser takes the most of them.
const NOT_A_SIZE: &[&str] = &[
    "",
    "g",
    "G",
    "@",
    "`",
    "/",
    ":",
    "5:",
    "5,",
    "5.",
    "5.0",
    "5g",
    "g5",
    "5h",
    "+5",
    "-5",
    "-0",
    "+0",
    "--5",
    "0x5",
    "0X5",
    "x5",
    "5x",
    "1_0",
    "5_",
    "\"5\"",
    "(5)",
    "5=",
    "=5",
    "5 5",
    "5a 5",
    "5e+0",
    "#5",
    "5#",
    "5\0",
    "\x005",
    "5\x0b",
    "5\x0c",
    "5\x7f",
    "5\u{a0}",
    "\u{665}",
    "5 ",
    "5\t",
    " 5",
    "\t5",
    "5 x",
    "00000000000000005",
];

fn sizes() -> Vec<Case> {
    let case = |line: &str| {
        Case::body_rejected(
            format!("size line {line:?}"),
            "9112 §7.1: 1*HEXDIG",
            size_line(line),
            &[400],
        )
    };
    NOT_A_SIZE.iter().copied().map(case).collect()
}

/// What it does not take.
const NOT_EXTENSIONS: &[&str] = &[
    ";",
    ";;",
    ";;a",
    ";a;",
    "; ",
    ";a ",
    ";a=b ",
    ";=",
    ";=b",
    ";a=",
    ";a= ",
    ";a==b",
    ";a=b=c",
    ";a b",
    ";a=b c",
    ";a,b",
    ";a=b,c",
    ";a=\"",
    ";a=\"b",
    ";a=b\"",
    ";a=\"b\"c",
    ";a=\"b\" ",
    ";a=\"b\\\"",
    ";\"a\"",
    ";\"a\"=b",
    ";a[",
    ";bad[=x",
    ";a=[",
    ";a(b)",
    ";a:b",
    ";a/b",
    ";a=\u{e9}",
    ";\u{e9}",
    ";a\0",
    ";\0a",
    ";a=\0",
    ";a=\"\0\"",
    ";a=\"\x01\"",
    ";a=\"\x7f\"",
    ";a\x0b",
    ";a\x7f",
    ",a",
    "=a",
    "a=b;",
    ";a\u{0}=b",
    "?a",
];

/// What the grammar of RFC 9112 section 7.1.1 takes after a size.
const EXTENSIONS: &[&str] = &[
    ";a",
    ";a=b",
    ";a=b;c=d",
    ";a;b;c",
    ";a=\"\"",
    ";a=\"b\"",
    ";a=\"b c\"",
    ";a=\"b;c\"",
    ";a=\"\\\"\"",
    ";a=\"\\\\\"",
    ";a=\"\\b\"",
    ";a=\"\t\"",
    ";a=\"\u{e9}\"",
    ";a=\"b=c,d\"",
    " ;a",
    "\t;a",
    "; a",
    ";\ta",
    ";a =b",
    ";a= b",
    " ; a = b ; c",
    ";a=5",
    ";5=5",
    ";!#$%&'*+-.^_`|~=b",
    ";a=\"'\"",
];

fn extensions() -> Vec<Case> {
    let good = |line: &str| {
        Case::served(
            format!("extension {line:?}"),
            "9112 §7.1.1: ignored",
            size_line(format!("5{line}")),
        )
        .body("hello")
    };
    let bad = |line: &str| {
        Case::body_rejected(
            format!("extension {line:?}"),
            "9112 §7.1.1: grammar",
            size_line(format!("5{line}")),
            &[400],
        )
    };
    let last = |name: &str, line: &str| {
        (
            name.to_owned(),
            chunked(format!("5\r\nhello\r\n0{line}\r\n\r\n")),
        )
    };
    let mut cases: Vec<_> = EXTENSIONS.iter().copied().map(good).collect();
    cases.extend(NOT_EXTENSIONS.iter().copied().map(bad));
    let (name, send) = last("extension on the last chunk", ";a=\"b\"");
    cases.push(Case::served(name, "9112 §7.1", send).body("hello"));
    let (name, send) = last("bad extension on the last chunk", ";a=");
    cases.push(Case::body_rejected(name, "9112 §7.1.1", send, &[400]));
    let (name, send) = last("blank after the last size", " ");
    cases.push(Case::body_rejected(name, "9112 §7.1", send, &[400]));
    cases
}

/// The CRLF after a size, with each other end a lenient parser takes for one.
fn line_ends() -> Vec<Case> {
    let ends: [&[u8]; 8] = [
        b"\n", b"\r", b"\r\r\n", b"\n\r", b"\n\n", b"\0\r\n", b"\x85", b"\r\0",
    ];
    let places: [(&str, &[u8]); 4] = [
        ("size", b"5"),
        ("extension name", b"5;a"),
        ("extension value", b"5;a=b"),
        ("quoted value", b"5;a=\"b\""),
    ];
    let case = |end: &[u8], (place, line): (&str, &[u8])| {
        let send = chunked(join(&[line, end, b"hello\r\n0\r\n\r\n"]));
        let name = format!("{} after {place}", end.escape_ascii());
        Case::body_rejected(name, "9112 §7.1: CRLF", send, &[400])
    };
    let mut cases: Vec<_> = ends
        .into_iter()
        .flat_map(|end| places.map(|place| case(end, place)))
        .collect();
    let inside: [(&str, &[u8]); 6] = [
        ("LF right after the semicolon", b"5;\nhello\r\n0\r\n\r\n"),
        ("LF in an extension", b"5;a\nb\r\nhello\r\n0\r\n\r\n"),
        ("CR in an extension", b"5;a\rb\r\nhello\r\n0\r\n\r\n"),
        ("LF in a quoted value", b"5;a=\"\n\"\r\nhello\r\n0\r\n\r\n"),
        ("CR in a quoted value", b"5;a=\"\r\"\r\nhello\r\n0\r\n\r\n"),
        (
            "CRLF in a quoted value",
            b"5;a=\"\r\n\"\r\nhello\r\n0\r\n\r\n",
        ),
    ];
    cases.extend(
        inside.map(|(name, body)| Case::body_rejected(name, "9112 §7.1.1", chunked(body), &[400])),
    );
    cases
}

/// What stands where the CRLF after chunk data belongs.
fn data_ends() -> Vec<Case> {
    let ends: [(&str, &[u8]); 12] = [
        ("missing", b""),
        ("LF", b"\n"),
        ("CR", b"\r"),
        ("CR CR LF", b"\r\r\n"),
        ("LF CR", b"\n\r"),
        ("two spaces", b"  "),
        ("two letters", b"XX"),
        ("a letter and CRLF", b"X\r\n"),
        ("a letter and LF", b"X\n"),
        ("CR and a letter", b"\rX"),
        ("spilled data", b"!!\r\n"),
        ("two CRLF", b"\r\n\r\n"),
    ];
    let case = |(name, end): (&str, &[u8])| {
        let send = chunked(join(&[b"5\r\nhello", end, b"0\r\n\r\n"]));
        Case::body_rejected(
            format!("after data: {name}"),
            "9112 §7.1: chunk-data CRLF",
            send,
            &[400],
        )
    };
    let mut cases: Vec<_> = ends.into_iter().map(case).collect();
    cases.push(Case::body_rejected(
        "data too short",
        "9112 §7.1",
        chunked("5\r\nhel\r\n0\r\n\r\n"),
        &[400],
    ));
    cases.push(Case::body_rejected(
        "data too long by far",
        "9112 §7.1",
        chunked("1\r\nhello\r\n0\r\n\r\n"),
        &[400],
    ));
    cases
}

/// The end of the body: `0`, CRLF, no trailer, CRLF.
fn body_ends() -> Vec<Case> {
    let ends: [(&str, &[u8]); 11] = [
        ("0 CRLF LF", b"0\r\n\n"),
        ("0 LF CRLF", b"0\n\r\n"),
        ("0 LF LF", b"0\n\n"),
        ("0 CR CR", b"0\r\r"),
        ("0 CRLF CR and a letter", b"0\r\n\rX"),
        ("0 CRLF CR CRLF", b"0\r\n\r\r\n"),
        ("0 CRLF and garbage", b"0\r\nXX\r\n\r\n"),
        ("0 CRLF NUL NUL", b"0\r\n\0\0\r\n"),
        ("00 and garbage", b"00 0\r\n\r\n"),
        ("minus zero", b"-0\r\n\r\n"),
        ("a size line of nothing", b"\r\n\r\n"),
    ];
    let case = |(name, end): (&str, &[u8])| {
        let send = chunked(join(&[b"5\r\nhello\r\n", end]));
        Case::body_rejected(
            format!("end: {name}"),
            "9112 §7.1: last-chunk CRLF",
            send,
            &[400],
        )
    };
    let mut cases: Vec<_> = ends.into_iter().map(case).collect();
    let prefixes = [
        "5",
        "5\r",
        "5\r\n",
        "5\r\nhel",
        "5\r\nhello",
        "5\r\nhello\r",
        "5\r\nhello\r\n",
        "5\r\nhello\r\n0",
        "5\r\nhello\r\n0\r",
        "5\r\nhello\r\n0\r\n",
        "5\r\nhello\r\n0\r\n\r",
    ];
    let whole = "5\r\nhello\r\n0\r\n\r\n";
    cases.extend(prefixes.map(|prefix| {
        let name = format!("cut off after {prefix:?}");
        Case::waiting(
            name,
            "9112 §8: incomplete",
            chunked(prefix),
            &whole[prefix.len()..],
            Answer::ok().body("hello"),
        )
    }));
    // Bytes beside the hex digits, which the wrong comparison takes for one.
    cases.extend(
        (b':'..=b'?')
            .chain([b'@', b'G', b'Z', b'[', b'`', b'g', b'z', b'{', b'/', b' '])
            .map(|byte| {
                let send = chunked(join(&[&[byte], b"\r\nhello\r\n0\r\n\r\n"]));
                Case::body_rejected(
                    format!("digit {}", label(byte)),
                    "9112 §7.1: HEXDIG",
                    send,
                    &[400],
                )
            }),
    );
    cases
}

/// Sizes above the limit, up to where they leave 32, 53, 63 and 64 bits. None may be cut short.
fn too_large() -> Vec<Case> {
    let sizes = [
        "80000000",
        "100000005",
        "20000000000000",
        "20000000000005",
        "8000000000000000",
        "8000000000000005",
        "FFFFFFFFFFFFFFFB",
        "FFFFFFFFFFFFFFFF",
    ];
    let mut cases: Vec<_> = sizes
        .into_iter()
        .map(|size| {
            let name = format!("size {size}");
            Case::body_rejected(
                name,
                "9112 §7.1: anticipate large numbers",
                size_line(size),
                &[400, 413],
            )
        })
        .collect();
    for size in [
        "10000000000000000",
        "10000000000000005",
        "FFFFFFFFFFFFFFFF0",
        "5000000000000000000000000000000000",
    ] {
        let name = format!("size {size}");
        cases.push(Case::body_rejected(
            name,
            "9112 §7.1: no overflow",
            size_line(size),
            &[400, 413],
        ));
    }
    let sum = "5\r\nhello\r\nFFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n";
    cases.push(Case::body_rejected(
        "sum of sizes overflows",
        "9112 §7.1",
        chunked(sum),
        &[400, 413],
    ));
    let sum = "5\r\nhello\r\nFFFFFFFFFFFFFFFB\r\nhello\r\n0\r\n\r\n";
    cases.push(Case::body_rejected(
        "sum of sizes is zero",
        "9112 §7.1",
        chunked(sum),
        &[400, 413],
    ));
    let zeros = "0".repeat(70_000);
    cases.push(Case::body_rejected(
        "seventy thousand zeros",
        "9112 §7.1, decided: 16 digits",
        size_line(zeros + "5"),
        &[400],
    ));
    let extension = format!("5;a={}", "b".repeat(65_536));
    cases.push(Case::body_rejected(
        "extension of 64 KiB",
        "9112 §7.1.1: limit",
        size_line(extension),
        &[400, 413, 431],
    ));
    cases
}
