//! A download that is made while it is sent: `GET /BYTES` answers that many bytes, byte `i` being
//! `i % 251`. However slow the reader and however large the number, only one block is in memory.
#![allow(clippy::print_stdout, reason = "it says where it listens")]

mod support;

use keirin::{Reply, Response, Server, TryEnd};

/// A multiple of the pattern's period, so that every block begins with 0.
const BLOCK_BYTES: usize = 251 * 1024;

fn main() -> keirin::Result<()> {
    support::serve(Server::new(|app| {
        app.get("/:bytes", |mut res, req| {
            let Some(total) = req.parameter("bytes").and_then(|bytes| bytes.parse().ok()) else {
                res.status(400);
                return res.end(b"the path is a number of bytes\n");
            };
            res.header("Content-Type", b"application/octet-stream");
            let block = (0..BLOCK_BYTES * 2).map(|i| (i % 251) as u8).collect();
            send(res, block, total)
        });
    }))
}

/// Sends what the reader takes, and goes on when it takes more.
fn send(mut res: Response<'_>, block: Vec<u8>, total: u64) -> Reply {
    loop {
        let written = res.written();
        let start = (written % 251) as usize;
        let left = usize::try_from(total - written).unwrap_or(usize::MAX);
        match res.try_end(&block[start..][..left.min(BLOCK_BYTES)], total) {
            TryEnd::Done(reply) => return reply,
            TryEnd::More(guard) => res = guard,
            TryEnd::Blocked(guard) => {
                return guard.on_writable(move |res, _written| send(res, block, total));
            }
        }
    }
}
