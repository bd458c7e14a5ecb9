//! Answers every request with its own body, and its method and target in headers.
#![allow(clippy::print_stdout, reason = "it says where it listens")]

use keirin::Server;

mod support;

/// Bodies are collected in memory, and answered from there, up to this size.
const BODY_BYTES_MAX: usize = 8 << 20;

fn main() -> keirin::Result<()> {
    support::serve(Server::new(|app| {
        app.any("/*", |mut res, req| {
            res.header("x-method", req.method().as_bytes());
            res.header("x-target", req.target().as_bytes());
            res.collect_body(BODY_BYTES_MAX, |res, body| res.end(&body))
        });
    }))
}
