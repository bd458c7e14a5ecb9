//! The smallest server: `cargo run --release --example hello`, then open the printed address.
#![allow(clippy::print_stdout, reason = "it says where it listens")]

use keirin::Server;

mod support;

fn main() -> keirin::Result<()> {
    support::serve(Server::new(|app| {
        app.get("/", |mut res, _req| {
            res.header("Content-Type", b"text/html; charset=utf-8");
            res.end(b"Hello world!")
        });
    }))
}
