//! The application under test, and the limits it runs with.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use keirin::{App, Config, Reply, Request, Response};

use crate::harness::Setup;

/// What the mirror collects at most, above any body of these tables but the one that tests it.
pub(crate) const COLLECTED_BYTES_MAX: usize = 1 << 20;

/// How large the answer of `/large` is: more than one write to a socket takes.
pub(crate) const LARGE_BYTES: usize = 300_000;

/// The limits of [`Setup::Small`], each small enough to stand on its edge, and far enough apart
/// that a case meets only the one it is about.
pub(crate) mod small {
    pub(crate) const HEAD_BYTES_MAX: usize = 1024;
    pub(crate) const HEADER_COUNT_MAX: usize = 10;
    pub(crate) const TARGET_BYTES_MAX: usize = 200;
    pub(crate) const BODY_BYTES_MAX: usize = 1000;
    pub(crate) const CHUNK_EXTENSION_BYTES_MAX: u32 = 64;
    pub(crate) const TRAILER_BYTES_MAX: u32 = 128;
}

/// The timeouts all setups run with, in milliseconds; the defaults.
pub(crate) mod timeouts {
    pub(crate) const HEAD_MS: u64 = 10_000;
    pub(crate) const KEEP_ALIVE_MS: u64 = 75_000;
}

/// Handler calls of all connections of one server.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counters {
    entered: Arc<AtomicUsize>,
    completed: Arc<AtomicUsize>,
}

impl Counters {
    /// Calls at the moment of the call, and calls that got a whole body.
    pub(crate) fn read(&self) -> (usize, usize) {
        (self.entered.load(SeqCst), self.completed.load(SeqCst))
    }

    fn enter(&self) {
        self.entered.fetch_add(1, SeqCst);
    }

    fn complete(&self) {
        self.completed.fetch_add(1, SeqCst);
    }
}

pub(crate) fn config(setup: Setup) -> Config {
    let builder = Config::builder();
    let builder = match setup {
        Setup::Mirror | Setup::Routes => builder,
        Setup::LengthRequired => builder.length_required(true),
        Setup::Small => builder
            .head_bytes_max(small::HEAD_BYTES_MAX)
            .header_count_max(small::HEADER_COUNT_MAX)
            .target_bytes_max(small::TARGET_BYTES_MAX)
            .body_bytes_max(small::BODY_BYTES_MAX as u64)
            .chunk_extension_bytes_max(small::CHUNK_EXTENSION_BYTES_MAX)
            .trailer_bytes_max(small::TRAILER_BYTES_MAX),
    };
    builder.build().expect("limits the engine accepts")
}

/// Adds the routes of a setup.
pub(crate) fn routes(app: &mut App, setup: Setup, counters: &Counters) {
    let counted = |answer: fn(Response<'_>) -> Reply| {
        let counters = counters.clone();
        move |res: Response<'_>, _: &Request<'_>| {
            counters.enter();
            counters.complete();
            answer(res)
        }
    };
    app.get("/text", counted(|res| res.end(b"hello")));
    app.get("/large", counted(|res| res.end(&vec![b'x'; LARGE_BYTES])));
    app.get(
        "/streamed",
        counted(|mut res| {
            let _ = res.write(b"hel");
            let _ = res.write(b"lo");
            res.end(b"")
        }),
    );
    // These statuses have no body, whatever a handler hands over.
    app.get(
        "/no-content",
        counted(|mut res| {
            res.status(204);
            res.end(b"must not be sent")
        }),
    );
    app.get(
        "/not-modified",
        counted(|mut res| {
            res.status(304);
            res.end(b"must not be sent")
        }),
    );
    app.get("/closes", counted(|res| res.close()));
    app.get("/only-get", counted(|res| res.end(b"got")));
    app.post("/only-post", counted(|res| res.end(b"posted")));
    if setup != Setup::Routes {
        let own = counters.clone();
        app.any("/fields", move |res, req| fields(res, req, &own));
        let own = counters.clone();
        app.any("/*", move |res, req| mirror(res, req, &own));
    }
}

/// Answers with the request's body, and what the request line came to in fields.
fn mirror<'a>(mut res: Response<'a>, req: &Request<'_>, counters: &Counters) -> Reply {
    counters.enter();
    res.header("x-method", req.method().as_bytes());
    res.header("x-target", req.target().as_bytes());
    res.header("x-path", req.path().as_bytes());
    res.header("x-query", req.query().unwrap_or("(none)").as_bytes());
    res.header("x-minor", req.version_minor().to_string().as_bytes());
    let counters = counters.clone();
    res.collect_body(COLLECTED_BYTES_MAX, move |res, body| {
        counters.complete();
        res.end(&body)
    })
}

/// Answers with the request's fields, one `name: value` to a line with the name in lower case,
/// then the body.
fn fields<'a>(res: Response<'a>, req: &Request<'_>, counters: &Counters) -> Reply {
    counters.enter();
    let mut listing = Vec::new();
    for (name, value) in req.headers() {
        listing.extend_from_slice(name.to_ascii_lowercase().as_bytes());
        listing.extend_from_slice(b": ");
        listing.extend_from_slice(value);
        listing.push(b'\n');
    }
    let counters = counters.clone();
    res.collect_body(COLLECTED_BYTES_MAX, move |res, body| {
        counters.complete();
        listing.extend_from_slice(&body);
        res.end(&listing)
    })
}
