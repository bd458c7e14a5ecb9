//! Cookie is a field like any other to the engine: delivered as it came, or refused with its head.

use crate::harness::Case;
use crate::harness::build::fields;

pub(crate) fn cases() -> Vec<Case> {
    let seen = |name: &str, value: &str| {
        let send = fields(format!("Cookie: {value}\r\n"));
        Case::served(name, "6265 §4.2.1, 9110 §5.5", send)
            .body(format!("host: a\ncookie: {}\n", value.trim()))
    };
    let refused = |name: &str, value: &str| {
        Case::rejected(
            name,
            "9110 §5.5: CTL",
            fields(format!("Cookie: {value}\r\n")),
            &[400],
        )
    };
    let many: Vec<_> = (0..1000).map(|number| format!("c{number}=v")).collect();
    vec![
        seen("one pair", "foo=bar"),
        seen("three pairs", "a=1; b=2; c=3"),
        seen("a thousand pairs", &many.join("; ")),
        seen("no value", "foo="),
        seen("no name", "=bar"),
        seen("empty", ""),
        seen("malformed", "===;;;"),
        seen("only separators", "; ; ;"),
        seen("spaces and equals signs in values", "a=hello world; b=x=y"),
        seen("quoted value", "a=\"b; c\"; d=e"),
        seen("comma in a value", "a=b,c"),
        seen("no space between", "a=1;b=2"),
        seen("same name twice", "a=1; a=2"),
        seen("percent escapes", "a=%00%0d%0a"),
        seen("attributes", "$Version=1; a=b; $Path=/"),
        Case::served(
            "utf-8 in a value",
            "9110 §5.5: obs-text",
            fields("Cookie: a=\u{e9}\r\n"),
        )
        .body("host: a\ncookie: a=\u{e9}\n"),
        Case::served(
            "two fields",
            "6265 §5.4, 9113 §8.2.3",
            fields("Cookie: a=1\r\nCookie: b=2\r\n"),
        )
        .body("host: a\ncookie: a=1\ncookie: b=2\n"),
        refused("NUL in a value", "foo=\0bar"),
        refused("controls in a value", "foo=\x01\x02\x03"),
        refused("CR in a value", "foo=a\rb"),
        refused("LF in a value", "foo=a\nSet-Cookie: b"),
        refused("DEL in a value", "foo=\x7f"),
        Case::rejected(
            "of 64 KiB",
            "6585 §5",
            fields(format!("Cookie: big={}\r\n", "a".repeat(65_536))),
            &[431],
        ),
        Case::rejected(
            "folded",
            "9112 §5.2",
            fields("Cookie: a=1;\r\n b=2\r\n"),
            &[400],
        ),
    ]
}
