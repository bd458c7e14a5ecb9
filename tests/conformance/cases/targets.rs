//! The request target and its four forms.

use crate::harness::build::{join, label, line};
use crate::harness::{Answer, Case, Expect, Setup};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = origin_form();
    cases.extend(absolute_form());
    cases.extend(asterisk_form());
    cases.extend(refused_forms());
    cases.extend(bytes());
    cases
}

fn origin_form() -> Vec<Case> {
    let ok = |name: &str, target: &str, path: &str, query: &str| {
        Case::served(name, "9112 §3.2.1", line(format!("GET {target} HTTP/1.1")))
            .is("x-target", target)
            .is("x-path", path)
            .is("x-query", query)
    };
    let long = format!("/{}", "a".repeat(7_900));
    vec![
        ok("path", "/a/b", "/a/b", "(none)"),
        ok("query", "/a?b=c", "/a", "b=c"),
        ok("empty query", "/a?", "/a", ""),
        ok("query on the root", "/?a", "/", "a"),
        ok("question marks in a query", "/a?b?c?", "/a", "b?c?"),
        ok("slash in a query", "/a?/b", "/a", "/b"),
        ok("two slashes first", "//a/b", "//a/b", "(none)"),
        ok("star in a path", "/*", "/*", "(none)"),
        ok("colon in a path", "/a:80", "/a:80", "(none)"),
        ok("a uri in a path", "/http://b/", "/http://b/", "(none)"),
        ok(
            "all of pchar",
            "/-._~!$&'()*+,;=:@%20",
            "/-._~!$&'()*+,;=:@%20",
            "(none)",
        ),
        ok("long enough", &long, &long, "(none)"),
    ]
}

fn absolute_form() -> Vec<Case> {
    let ok = |target: &str, path: &str, query: &str| {
        Case::served(
            format!("absolute {target}"),
            "9112 §3.2.2",
            line(format!("GET {target} HTTP/1.1")),
        )
        .is("x-path", path)
        .is("x-query", query)
    };
    let refused = |target: &str| {
        Case::rejected(
            format!("absolute {target:?}"),
            "9112 §3.2.2",
            line(format!("GET {target} HTTP/1.1")),
            &[400],
        )
    };
    vec![
        ok("http://a/", "/", "(none)"),
        ok("http://a/b/c?d", "/b/c", "d"),
        ok("http://a", "/", "(none)"),
        ok("http://a?b", "/", "b"),
        ok("http://a:80/b", "/b", "(none)"),
        ok("http://[::1]:80/b", "/b", "(none)"),
        ok("https://a/b", "/b", "(none)"),
        ok("HTTP://A/b", "/b", "(none)"),
        Case::served(
            "absolute on a route",
            "9112 §3.2.2",
            line("GET http://a/text HTTP/1.1"),
        )
        .body("hello")
        .on(Setup::Routes),
        Case::served(
            "absolute on 1.0",
            "9112 §3.2.2",
            line("GET http://a/b HTTP/1.0"),
        )
        .is("x-path", "/b")
        .closed_unannounced(),
        refused("http://"),
        refused("http:///a"),
        refused("http:/a"),
        refused("http:a"),
        refused("http:"),
        refused("://a/"),
        refused("ftp://a/"),
        refused("file:///a"),
        refused("ws://a/"),
        refused("xhttp://a/"),
        refused("httpx://a/"),
        refused("http://a b/"),
        refused("http://a/#b"),
        refused("http://[::1/"),
        refused("http://a:b/"),
        ok("http://user@a/b", "/b", "(none)").or_rejected(&[400]),
    ]
}

fn asterisk_form() -> Vec<Case> {
    let options = Answer::status(204)
        .lists("allow", "GET")
        .lists("allow", "OPTIONS")
        .absent("content-length");
    let methods = ["GET", "POST", "HEAD", "PUT", "DELETE", "TRACE", "FOOBAR"];
    let mut cases: Vec<_> = methods
        .into_iter()
        .map(|method| {
            let case = Case::rejected(
                format!("star with {method}"),
                "9112 §3.2.4: only OPTIONS",
                line(format!("{method} * HTTP/1.1")),
                &[400, 501],
            );
            if method == "HEAD" {
                case.headed()
            } else {
                case
            }
        })
        .collect();
    for setup in [Setup::Mirror, Setup::Routes] {
        let expect = Expect::served(vec![options.clone()]).handled(0);
        let name = format!("star with OPTIONS, {setup:?}");
        cases.push(
            Case::new(
                name,
                "9112 §3.2.4, 9110 §9.3.7",
                line("OPTIONS * HTTP/1.1"),
                expect,
            )
            .on(setup),
        );
    }
    cases
}

fn refused_forms() -> Vec<Case> {
    let targets = [
        "*a", "**", "*/", "a", "a/b", "a:80", "?", "?a", ".", "..", "./a", ";", "@", "%2f",
        "[::1]", "-", "1",
    ];
    let case = |target: &str| {
        Case::rejected(
            format!("form {target:?}"),
            "9112 §3.2: none of the four",
            line(format!("GET {target} HTTP/1.1")),
            &[400],
        )
    };
    let mut cases: Vec<_> = targets.into_iter().map(case).collect();
    for target in ["/a#b", "/#", "#", "/a?b#c", "/##"] {
        let send = line(format!("GET {target} HTTP/1.1"));
        cases.push(Case::rejected(
            format!("fragment {target:?}"),
            "9112 §3.2: no fragment",
            send,
            &[400],
        ));
    }
    for target in ["/a b", "/a\tb", "/ ", "/a?b c"] {
        let send = line(format!("GET {target} HTTP/1.1"));
        cases.push(Case::rejected(
            format!("blank {target:?}"),
            "9112 §3.2: no whitespace",
            send,
            &[400],
        ));
    }
    cases
}

/// Each byte that no URI has, in a path and in a query.
fn bytes() -> Vec<Case> {
    let refused = (0..0x20)
        .chain(*b"\"<>")
        .chain(0x7f..=0xff)
        .filter(|byte| !b"\t\n\r".contains(byte));
    let case = |byte: u8, before: &str| {
        let send = line(join(&[b"GET ", before.as_bytes(), &[byte], b"b HTTP/1.1"]));
        Case::rejected(
            format!("{} after {before}", label(byte)),
            "9112 §3.2, 3986 §2",
            send,
            &[400],
        )
    };
    let mut cases: Vec<_> = refused
        .flat_map(|byte| [case(byte, "/a"), case(byte, "/a?")])
        .collect();
    // Not of the grammar either, but sent by browsers: refused, or passed on as they are.
    for target in [
        "/a\\b",
        "/a^b",
        "/a`b",
        "/a{b}",
        "/a|b",
        "/[a]",
        "/a?b[]=c",
        "/a?b|c",
        "/%",
        "/%4",
        "/%zz",
        "/%00",
        "/%0d%0aA:b",
        "/%c0%af",
    ] {
        let send = line(format!("GET {target} HTTP/1.1"));
        let case = Case::served(
            format!("odd {target:?}"),
            "9112 §3.2: pass on or refuse",
            send,
        );
        cases.push(case.is("x-target", target).or_rejected(&[400]));
    }
    cases
}
