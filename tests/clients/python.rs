//! Python's `http.client`, and raw sockets from Python: the cases are in `http_client.py`.

use crate::support::{Example, require, source, succeed};

fn case(name: &str, example: &str) {
    let server = Example::start(example);
    let mut command = require("python3");
    command.arg(source("http_client.py")).arg(name);
    command
        .arg(server.address.ip().to_string())
        .arg(server.address.port().to_string());
    let finished = succeed(&mut command);
    // Without this line a script that does nothing would pass.
    assert_eq!(finished.text(), format!("{name}: passed\n"));
}

#[test]
fn keep_alive() {
    case("keep_alive", "hello");
}

#[test]
fn head() {
    case("head", "hello");
}

#[test]
fn refusals() {
    case("refusals", "hello");
}

#[test]
fn chunked_body() {
    case("chunked_body", "mirror");
}

#[test]
fn large_body() {
    case("large_body", "mirror");
}

#[test]
fn pipelined() {
    case("pipelined", "mirror");
}

#[test]
fn byte_by_byte() {
    case("byte_by_byte", "mirror");
}

#[test]
fn pipelined_downloads() {
    case("pipelined_downloads", "stream");
}

#[test]
fn pipelined_behind_a_pending_answer() {
    case("pipelined_behind_a_pending_answer", "async_answer");
}
