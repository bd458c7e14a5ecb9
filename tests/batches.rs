//! The output of many connections in one call: nothing about it may be seen on the wire.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use keirin::{
    App, Backpressure, Behaviour, Config, Server, ServerHandle, WebSocket, WebSocketConfig,
};

const CLIENTS: usize = 150;

/// A server of one worker, with batches or without; it is stopped when this is dropped.
struct Running {
    port: u16,
    handle: ServerHandle,
    thread: Option<thread::JoinHandle<keirin::Result<()>>>,
}

fn serve(io_uring: bool, setup: impl Fn(&mut App) + Send + Sync + 'static) -> Running {
    let config = Config::builder().io_uring(io_uring).build().unwrap();
    let server = Server::new(setup).config(config).workers(1);
    let server = server.listen("127.0.0.1:0").unwrap();
    let port = server.addresses()[0].port().unwrap();
    let handle = server.handle();
    let thread = Some(thread::spawn(move || server.run()));
    Running {
        port,
        handle,
        thread,
    }
}

impl Running {
    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        stream
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.handle.stop(Duration::from_secs(5));
        self.thread.take().unwrap().join().unwrap().unwrap();
    }
}

/// Whether this kernel hands over batches, to this process.
fn kernel_has_batches() -> bool {
    let ring = keirin_ring::SendRing::new(1);
    if let Err(error) = &ring {
        // Past the test harness, which would swallow it.
        let _ = writeln!(std::io::stderr(), "no io_uring here: {error}");
    }
    ring.is_ok()
}

fn expect(stream: &mut TcpStream, bytes: &[u8]) {
    let mut got = vec![0; bytes.len()];
    stream.read_exact(&mut got).unwrap();
    assert!(
        got == bytes,
        "{:?} in place of {:?}",
        got.escape_ascii().to_string(),
        bytes.escape_ascii().to_string()
    );
}

/// Everything up to the empty line.
fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

/// Sockets that get what is published to `t`, by a request for `/publish`: 40 messages that name
/// their number, and then `large` bytes.
fn publishing(large: usize) -> impl Fn(&mut App) + Send + Sync + 'static {
    move |app: &mut App| {
        let config = WebSocketConfig::builder()
            .backpressure(Backpressure::Queue)
            .build()
            .unwrap();
        let subscriber = Behaviour::<()>::new().config(config);
        app.websocket("/ws", subscriber.on_open(subscribe_and_say));
        app.get("/publish", move |mut res, _req| {
            let mut cx = res.cx();
            for number in 0..40 {
                let text = format!("message {number:02}");
                let _ = cx.publish("t", keirin::Message::Text(&text));
            }
            let _ = cx.publish("t", keirin::Message::Binary(&vec![7; large]));
            res.end(b"")
        });
    }
}

fn subscribe_and_say(ws: &mut WebSocket<'_, (), ()>) {
    ws.subscribe("t").unwrap();
    let _ = ws.send_text("ready");
}

fn subscribe(server: &Running) -> TcpStream {
    let mut stream = server.connect();
    stream
        .write_all(
            b"GET /ws HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
              Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        )
        .unwrap();
    assert!(read_head(&mut stream).starts_with("HTTP/1.1 101"));
    expect(&mut stream, b"\x81\x05ready");
    stream
}

fn published(large: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for number in 0..40 {
        bytes.extend(b"\x81\x0a");
        bytes.extend(format!("message {number:02}").bytes());
    }
    bytes.extend([0x82, 127]);
    bytes.extend((large as u64).to_be_bytes());
    bytes.extend(vec![7; large]);
    bytes
}

#[test]
fn answers_to_many_clients_are_each_their_own() {
    for io_uring in [true, false] {
        let server = serve(io_uring, |app| {
            app.get("/:number", |res, req| {
                let number = req.parameter("number").unwrap_or("");
                res.end(number.as_bytes())
            });
        });
        let mut clients: Vec<_> = (0..CLIENTS).map(|_| server.connect()).collect();
        for round in 0..20 {
            for (number, client) in clients.iter_mut().enumerate() {
                let request = format!("GET /{number}-{round} HTTP/1.1\r\nHost: x\r\n\r\n");
                client.write_all(request.repeat(3).as_bytes()).unwrap();
            }
            for (number, client) in clients.iter_mut().enumerate() {
                for _ in 0..3 {
                    read_head(client);
                    expect(client, format!("{number}-{round}").as_bytes());
                }
            }
        }
        let batched = server.handle.counts().sends_batched;
        assert_eq!(batched > 0, io_uring && kernel_has_batches());
    }
}

#[test]
fn long_output_is_not_held_back() {
    if !kernel_has_batches() {
        return; // `answers_to_many_clients_are_each_their_own` says so.
    }
    // With its header of four bytes.
    for (payload, is_batched) in [((8 << 10) - 4, true), ((8 << 10) - 3, false)] {
        let server = serve(true, move |app| {
            app.websocket("/ws", Behaviour::<()>::new().on_open(subscribe_and_say));
            app.get("/publish", move |mut res, _req| {
                let message = vec![7; payload];
                let _ = res.cx().publish("t", keirin::Message::Binary(&message));
                res.end(b"")
            });
        });
        let mut subscribers: Vec<_> = (0..8).map(|_| subscribe(&server)).collect();
        let mut publisher = server.connect();
        let mut ask = |path: &str, status: &str| {
            let request = format!("HEAD {path} HTTP/1.1\r\nHost: x\r\n\r\n");
            publisher.write_all(request.as_bytes()).unwrap();
            assert!(read_head(&mut publisher).starts_with(&format!("HTTP/1.1 {status}")));
        };
        // What came before a request has been counted when that is answered.
        ask("/nothing", "404");
        let before = server.handle.counts().sends_batched;
        ask("/publish", "200");
        let mut frame = vec![0x82, 126];
        frame.extend((payload as u16).to_be_bytes());
        frame.resize(4 + payload, 7);
        for subscriber in &mut subscribers {
            expect(subscriber, &frame);
        }
        ask("/nothing", "404");
        let batched = server.handle.counts().sends_batched - before;
        assert_eq!(batched >= 8, is_batched, "{payload}: {batched}");
    }
}

#[test]
fn what_is_published_reaches_slow_and_fast_readers_whole() {
    // The large one goes past what a socket takes at once, the small ones are batched.
    for large in [70_000, 12 << 20] {
        let server = serve(true, publishing(large));
        let mut slow: Vec<_> = (0..5).map(|_| subscribe(&server)).collect();
        let mut fast: Vec<_> = (0..CLIENTS / 4).map(|_| subscribe(&server)).collect();
        let wanted = published(large);
        let mut publisher = server.connect();
        for _ in 0..2 {
            publisher
                .write_all(b"GET /publish HTTP/1.1\r\nHost: x\r\n\r\n")
                .unwrap();
            assert!(read_head(&mut publisher).starts_with("HTTP/1.1 200"));
            for client in &mut fast {
                expect(client, &wanted);
            }
        }
        for client in &mut slow {
            expect(client, &wanted);
            expect(client, &wanted);
        }
    }
}

#[test]
fn a_reader_whose_window_closes_within_a_batch_misses_nothing() {
    // Each message is a batch of its own; what a socket takes is used up somewhere in the middle.
    const MESSAGES: usize = 3000;
    let server = serve(true, |app| {
        let config = WebSocketConfig::builder()
            .backpressure(Backpressure::Queue)
            .build()
            .unwrap();
        let subscriber = Behaviour::<()>::new().config(config);
        app.websocket("/ws", subscriber.on_open(subscribe_and_say));
        app.get("/publish/:number", |mut res, req| {
            let text = format!("{:>3000}", req.parameter("number").unwrap());
            let _ = res.cx().publish("t", keirin::Message::Text(&text));
            res.end(b"")
        });
    });
    let mut readers: Vec<_> = (0..4).map(|_| subscribe(&server)).collect();
    let mut publisher = server.connect();
    for number in 0..MESSAGES {
        let request = format!("GET /publish/{number} HTTP/1.1\r\nHost: x\r\n\r\n");
        publisher.write_all(request.as_bytes()).unwrap();
        read_head(&mut publisher);
    }
    for reader in &mut readers {
        for number in 0..MESSAGES {
            expect(reader, b"\x81\x7e\x0b\xb8");
            expect(reader, format!("{number:>3000}").as_bytes());
        }
    }
}

#[test]
fn a_peer_that_left_does_not_concern_the_others_of_its_batch() {
    let server = serve(true, publishing(70_000));
    let mut stay = Vec::new();
    let mut leave = Vec::new();
    for _ in 0..CLIENTS / 2 {
        stay.push(subscribe(&server));
        leave.push(subscribe(&server));
    }
    let mut publisher = server.connect();
    // A reset, without a word: unread input makes close(2) do that.
    let publish = b"GET /publish HTTP/1.1\r\nHost: x\r\n\r\n";
    publisher.write_all(publish).unwrap();
    read_head(&mut publisher);
    drop(leave);
    publisher.write_all(publish).unwrap();
    read_head(&mut publisher);
    let wanted = published(70_000);
    for client in &mut stay {
        expect(client, &wanted);
        expect(client, &wanted);
    }
}
