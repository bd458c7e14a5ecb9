//! wrk: 64 connections at once, with and without pipelining; every answer is looked at.

use crate::support::{Example, require, source, succeed};

fn load(pipelined: &str) {
    let server = Example::start("hello");
    let mut command = require("wrk");
    // An answer that takes long on a busy machine is not an error; one that never comes is.
    command.args([
        "--threads",
        "2",
        "--connections",
        "64",
        "--duration",
        "2s",
        "--timeout",
        "30s",
    ]);
    command
        .arg("--script")
        .arg(source("wrk.lua"))
        .arg(server.url("/"));
    let finished = succeed(command.args(["--", pipelined]));
    let result = finished
        .text()
        .lines()
        .find_map(|line| line.strip_prefix("result: "));
    let (errors, done) = result
        .and_then(|result| result.split_once(" done "))
        .unwrap_or_else(|| panic!("{}", finished.text()));
    assert_eq!(
        errors,
        "connect 0 read 0 write 0 timeout 0 status 0 wrong 0"
    );
    assert!(done.parse::<u64>().unwrap() > 64, "{}", finished.text());
}

#[test]
fn one_request_at_a_time() {
    load("1");
}

#[test]
fn sixteen_requests_at_once() {
    load("16");
}
