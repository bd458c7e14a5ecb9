//! The server under test: the scenarios on the keirin crate, as a user would write them.

use std::net::{Ipv4Addr, SocketAddr};

use crate::scenario::{BODY_BYTES, Scenario, compose_json, pattern};

/// Serves on `port` of 127.0.0.1 until the process ends.
///
/// # Errors
/// When the port cannot be had.
pub fn serve(port: u16, workers: usize) -> crate::Result<()> {
    let server = keirin::Server::new(|app: &mut keirin::App| {
        let body = pattern(BODY_BYTES);
        app.get("/", |res, _req| res.end(b"Hello world!"));
        app.get("/16k", move |res, _req| res.end(&body));
        app.get("/json", |mut res, _req| {
            if let Some((name, value)) = Scenario::Json.response_header() {
                res.header(name, value.as_bytes());
            }
            res.end(compose_json().as_bytes())
        });
        app.post("/upload", |res, _req| {
            let mut received = 0;
            res.stream_body(move |res, chunk, last| {
                received += chunk.len();
                if last {
                    res.end(received.to_string().as_bytes())
                } else {
                    res.more()
                }
            })
        });
    });
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    server
        .workers(workers)
        .listen(&address.to_string())?
        .run()?;
    Ok(())
}
