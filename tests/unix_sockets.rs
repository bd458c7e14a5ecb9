//! Unix sockets in the file system: when they listen, and whose file is removed.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use keirin::{App, Remote, ResponseId, Server, ServerHandle};

/// Longer than any of this takes.
const GRACE: Duration = Duration::from_secs(60);

struct Running {
    path: PathBuf,
    handle: ServerHandle,
    thread: JoinHandle<keirin::Result<()>>,
    /// Answers to `/hold`.
    held: mpsc::Receiver<(ResponseId, Remote)>,
}

fn start(name: &str) -> Running {
    let path = std::env::temp_dir().join(format!("keirin-{}-{name}", std::process::id()));
    let (send, held) = mpsc::channel();
    let server = Server::new(move |app: &mut App| {
        let send = send.clone();
        app.get("/hold", move |mut res, _| {
            send.send((res.id(), res.cx().remote())).unwrap();
            res.detach(|_| {}).1
        });
    });
    let server = server.listen(&format!("unix:{}", path.display())).unwrap();
    let handle = server.handle();
    Running {
        path,
        handle,
        thread: thread::spawn(|| server.run()),
        held,
    }
}

fn hold(running: &Running) -> (UnixStream, ResponseId, Remote) {
    let mut stream = UnixStream::connect(&running.path).unwrap();
    stream
        .write_all(b"GET /hold HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    let (id, remote) = running.held.recv_timeout(GRACE).unwrap();
    (stream, id, remote)
}

fn answer(mut stream: UnixStream, id: ResponseId, remote: &Remote) -> String {
    let queued = remote.defer(move |cx| {
        let _ = cx.response(id).map(|res| res.end(b"held"));
    });
    queued.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn a_server_that_stops_takes_no_further_connections_and_removes_its_file() {
    let running = start("stop");
    let (stream, id, remote) = hold(&running);
    running.handle.stop(GRACE);
    // The worker stops in a turn of its own; from then on nobody listens.
    while UnixStream::connect(&running.path).is_ok() {
        thread::yield_now();
    }
    let text = answer(stream, id, &remote);
    assert!(
        text.contains("Connection: close\r\n") && text.ends_with("held"),
        "{text}"
    );
    running.thread.join().unwrap().unwrap();
    assert!(!running.path.exists());
}

#[test]
fn a_server_leaves_the_file_of_its_successor_alone() {
    let running = start("successor");
    std::fs::remove_file(&running.path).unwrap();
    let successor = UnixListener::bind(&running.path).unwrap();
    running.handle.stop(Duration::ZERO);
    running.thread.join().unwrap().unwrap();
    assert!(running.path.exists());
    drop(successor);
    std::fs::remove_file(&running.path).unwrap();
}
