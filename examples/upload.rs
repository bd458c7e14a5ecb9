//! Hashes what is posted to it while it arrives: `POST /` answers the body's SHA-256 in
//! hexadecimal. `curl --data-binary @FILE http://127.0.0.1:3000/`
#![allow(clippy::print_stdout, reason = "it says where it listens")]

mod support;

use std::fmt::Write;

use keirin::Server;
use sha2::{Digest, Sha256};

fn main() -> keirin::Result<()> {
    support::serve(Server::new(|app| {
        app.post("/", |res, _req| {
            let mut hash = Sha256::new();
            res.stream_body(move |res, piece, last| {
                hash.update(piece);
                if !last {
                    return res.more();
                }
                let mut hex = String::new();
                for byte in hash.finalize_reset() {
                    let written = write!(hex, "{byte:02x}");
                    written.expect("a string has room for more");
                }
                res.end(hex.as_bytes())
            })
        });
    }))
}
