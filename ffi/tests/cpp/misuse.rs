//! Calls that come too late or from elsewhere are refused, and nobody else notices.

use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;

use tungstenite::Message;

use crate::build::{program, sanitized};
use crate::client::{connect, get, open, text, wait_for};
use crate::process::Server;

#[test]
fn refusals_are_told_and_change_nothing() {
    let server = Server::start(&sanitized("ffi/tests/cpp/misuse.cpp"), &["0"]);
    let port = server.port;
    assert_eq!(get(port, "/twice").body, "once");
    assert_eq!(get(port, "/record").body, "the answer is complete already");
    let refusals = get(port, "/refusals");
    assert_eq!(refusals.status(), 200);
    assert_eq!(refusals.header("A"), Some("fine"));
    assert_eq!(refusals.header("B"), None);
    let elsewhere = get(port, "/wrong-thread").body;
    assert!(elsewhere.contains("thread"), "{elsewhere}");
    assert_eq!(get(port, "/turn").status(), 200);
    server.stop();
}

#[test]
fn ids_are_stale_after_the_peer_has_left() {
    let server = Server::start(&sanitized("ffi/tests/cpp/misuse.cpp"), &["0"]);
    let port = server.port;
    let mut waiting = connect(port);
    let request = b"GET /keep HTTP/1.1\r\nHost: localhost\r\n\r\n";
    waiting.write_all(request).expect("it is sent");
    wait_for(port, "/kept", |kept| kept == "an answer");
    drop(waiting);
    let gone = "the id names nothing any more";
    // Until it is seen that the peer has left, its answer goes to it, and then it is complete.
    let record = wait_for(port, "/stale", |record| record == gone);
    assert_eq!(record, gone);
    // The last of them, and the one of the remote.
    wait_for(port, "/counts", |count| {
        count.parse().is_ok_and(|count: u32| count >= 2)
    });

    let mut socket = open(port, "/ws");
    assert_eq!(text(&mut socket), "checked");
    assert_eq!(get(port, "/socket").body, "open");
    socket.send(Message::Close(None)).expect("it is sent");
    drop(socket);
    assert_eq!(wait_for(port, "/socket", |body| body != "open"), gone);
    server.stop();
}

#[test]
fn a_loop_destroyed_in_its_own_handler_ends_the_program() {
    let sources = ["ffi/tests/cpp/destroyed_within.cpp"];
    let program = program(&sources, &[], "destroyed_within");
    let output = Command::new(program).output().expect("it starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.signal(), Some(6), "not SIGABRT: {output:?}");
    assert_eq!(
        said,
        "keirin: an EventLoop was destroyed within one of its handlers\n"
    );
}
