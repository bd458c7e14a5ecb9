//! Answers from another thread: `GET /` is handed to a thread that takes 100 ms for it, `GET
//! /after/MS` to one that takes as long as it is told. When the peer leaves meanwhile, the work is
//! told to stop, and its late answer is an error that hurts nobody.
#![allow(clippy::print_stdout, reason = "it says where it listens")]
#![allow(
    clippy::disallowed_methods,
    reason = "the sleep stands for work on a thread of its own"
)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use keirin::{Reply, Response, Server};

/// How often the work looks whether anybody still wants it.
const STEP_MS: u64 = 10;

fn main() -> keirin::Result<()> {
    support::serve(Server::new(|app| {
        app.get("/", |res, _req| answer_after(res, 100));
        app.get("/after/:ms", |res, req| {
            let ms = req
                .parameter("ms")
                .and_then(|ms| ms.parse().ok())
                .unwrap_or(0);
            answer_after(res, ms)
        });
    }))
}

fn answer_after(mut res: Response<'_>, ms: u64) -> Reply {
    let remote = res.cx().remote();
    let unwanted = Arc::new(AtomicBool::new(false));
    let abort = Arc::clone(&unwanted);
    let (id, reply) = res.detach(move |_cx| abort.store(true, Ordering::Relaxed));
    thread::spawn(move || {
        for _ in 0..ms / STEP_MS {
            if unwanted.load(Ordering::Relaxed) {
                return;
            }
            thread::sleep(Duration::from_millis(STEP_MS));
        }
        let queued = remote.defer(move |cx| {
            // The peer may have left a moment ago: then the id is stale.
            if let Ok(res) = cx.response(id) {
                res.end(b"answered from another thread\n");
            }
        });
        if let Err(error) = queued {
            eprintln!("cannot answer: {error}");
        }
    });
    reply
}
