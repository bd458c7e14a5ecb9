//! HTTP/1.1 conformance on the wire: bytes in, answers out.
//!
//! The tables in `cases/` say what to send and what must come back, with the section of RFC 9110
//! or RFC 9112 that says so. Every case runs on the in-memory worker as a whole, byte by byte and
//! at three random cuts, and the outcome has to be the same each time: how TCP cuts the bytes is
//! nobody's message. A second pass runs the same tables over real sockets.

mod app;
mod cases;
mod dialogues;
mod harness;
mod mutations;
mod oracle;

use std::collections::HashSet;

/// One test per table, so that a failure names its theme.
macro_rules! themes {
    ($($theme:ident),* $(,)?) => {
        mod table {
            $(
                #[test]
                fn $theme() {
                    let cases = crate::cases::$theme::cases();
                    crate::harness::check_simulated(stringify!($theme), cases);
                }
            )*
        }

        fn all_themes() -> Vec<(&'static str, Vec<harness::Case>)> {
            vec![$((stringify!($theme), cases::$theme::cases())),*]
        }
    };
}

themes![
    request_line,
    headers,
    host,
    content_length,
    transfer_encoding,
    chunked,
    trailers,
    methods,
    targets,
    versions,
    connection,
    expect,
    pipelining,
    limits,
    normalisation,
    cookies,
    capabilities,
    field_bugs,
    smuggling,
];

/// The same tables over a TCP connection on the loopback interface.
#[test]
fn sockets() {
    harness::check_sockets(all_themes());
}

/// A copied case that still carries its old name would hide which one failed.
#[test]
fn names_are_unique() {
    let mut seen = HashSet::new();
    for (theme, cases) in all_themes() {
        for case in cases {
            assert!(
                seen.insert((theme, case.name.clone())),
                "{theme}: two cases are called {:?}",
                case.name
            );
        }
    }
    assert!(seen.len() >= 2000, "only {} cases left", seen.len());
}
