//! The examples in C, driven by real clients: as two compilers make them, under the sanitizers, and
//! under valgrind. Where `KEIRIN_PREFIX` names an installed library they are built with that one.

#[path = "support/chat.rs"]
mod chat;
#[path = "support/echo.rs"]
mod echo;
mod support;

use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::thread;

use tungstenite::Message;

use support::build::Way;
use support::data::{self, TempFile};
use support::eventually;
use support::http::{Client, curl, get};
use support::program::Example;
use support::websocket;

/// What a transfer carries, and the memory that is enough for it.
const LARGE_BYTES: usize = 50_000_000;
const PEAK_KIB_MAX: u64 = 24 << 10;

/// Drives each example in each of the ways.
macro_rules! drive {
    ($($example:ident: $drive:path,)*) => {
        $(mod $example {
            use super::support::build::Way;

            #[test]
            fn as_gcc_makes_it() {
                $drive(Way::Gcc);
            }

            #[test]
            fn as_clang_makes_it() {
                $drive(Way::Clang);
            }

            #[test]
            fn under_sanitizers() {
                $drive(Way::Sanitizers);
            }

            #[test]
            fn under_valgrind() {
                $drive(Way::Valgrind);
            }
        })*
    };
}

drive! {
    hello: super::say_hello,
    echo_ws: super::echo::echo,
    chat_rooms: super::chat::talk,
    upload: super::upload_a_body,
    download: super::download_a_body,
    async_answer: super::answer_later,
    libuv: super::answer_at_ticks,
    poll_loop: super::pass_input_on,
}

/// The tools are slow, and what they look for is in the first few pieces.
fn transfer_bytes(way: Way) -> usize {
    if way.is_plain() {
        LARGE_BYTES
    } else {
        2_000_000
    }
}

/// The tools need memory of their own, so it is only looked at without them.
fn check_peak(server: &Example, way: Way) {
    if way.is_plain() {
        let peak_kib = server.peak_kib();
        assert!(peak_kib < PEAK_KIB_MAX, "{peak_kib} KiB");
    }
}

fn say_hello(way: Way) {
    let server = Example::start("hello", way);
    assert_eq!(get(&server.url("/")), "Hello world!");
    let head = curl(["--head", &server.url("/")]);
    let head = String::from_utf8(head.stdout).unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.contains("\r\nContent-Type: text/html; charset=utf-8\r\n"));
    assert!(head.contains("\r\nContent-Length: 12\r\n"), "{head}");
    let (head, _) = Client::ask(server.address, "/nowhere").read_answer();
    assert_eq!(head.status, 404);
    server.stop();
}

fn upload_a_body(way: Way) {
    let server = Example::start("upload", way);
    for length in [0, 1, transfer_bytes(way)] {
        let bytes = data::noise(length);
        let file = TempFile::new(&bytes);
        let body = format!("@{}", file.path().display());
        let url = server.url("/");
        let finished = curl([
            "--header",
            "Expect: 100-continue",
            "--data-binary",
            &body,
            &url,
        ]);
        let answer = String::from_utf8(finished.stdout).unwrap();
        let crc = data::crc32(&bytes);
        assert_eq!(answer, format!("{length} bytes, CRC-32 {crc:08x}\n"));
        let was_told_to_go_on = finished.stderr.contains("< HTTP/1.1 100 Continue");
        assert_eq!(was_told_to_go_on, length > 0, "{}", finished.stderr);
    }
    // A peer that leaves in the middle takes its upload with it.
    let mut client = Client::connect(server.address);
    client.send("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 1000000\r\n\r\n");
    client.send(data::noise(500_000));
    drop(client);
    check_peak(&server, way);
    server.stop();
}

fn download_a_body(way: Way) {
    let server = Example::start("download", way);
    for length in [0, 1, transfer_bytes(way)] {
        let url = server.url(&format!("/{length}"));
        let file = TempFile::new(b"");
        let path = file.path().to_str().unwrap();
        curl(["--fail", "--output", path, &url]);
        assert!(fs::read(path).unwrap() == data::pattern(length), "{url}");
        let head = curl(["--head", &url]);
        let head = String::from_utf8(head.stdout).unwrap();
        assert!(head.contains(&format!("\r\nContent-Length: {length}\r\n")));
    }
    for (path, status) in [("/x", 400), ("/99999999999999999999", 400)] {
        let (head, _) = Client::ask(server.address, path).read_answer();
        assert_eq!(head.status, status, "{path}");
    }
    // However much is asked for, what nobody reads is not made.
    let mut reader = Client::ask(server.address, "/1000000000000");
    reader.read_head();
    reader.read_exact(1_000_000);
    drop(reader);
    check_peak(&server, way);
    let output = server.stop();
    let note = "a reader has left before the end of 1000000000000 bytes";
    assert!(output.contains(note), "{output}");
}

/// Waits until so many answers are awaited.
fn wait_for_pending(server: &Example, count: usize) {
    eventually("so many answers are awaited", || {
        let (_, body) = Client::ask(server.address, "/pending").read_answer();
        body == format!("{count}\n").as_bytes()
    });
}

fn answer_later(way: Way) {
    let server = Example::start("async_answer", way);
    let text = "answered from another thread\n";
    assert_eq!(get(&server.url("/after/0")), text);
    let mut clients: Vec<Client> = (0..20)
        .map(|_| Client::ask(server.address, "/after/50"))
        .collect();
    for client in &mut clients {
        assert_eq!(client.read_answer().1, text.as_bytes());
    }
    wait_for_pending(&server, 0);

    // Those who leave early have the work stopped, which would take an hour.
    let leaving: Vec<Client> = (0..3)
        .map(|_| Client::ask(server.address, "/after/3600000"))
        .collect();
    wait_for_pending(&server, 3);
    drop(leaving);
    wait_for_pending(&server, 0);

    // So has the answer that leaves while the work ends: nobody is there to take it.
    for _ in 0..50 {
        drop(Client::ask(server.address, "/after/0"));
    }
    wait_for_pending(&server, 0);
    server.stop();
}

#[test]
fn more_jobs_than_are_taken_are_refused() {
    let server = Example::start("async_answer", Way::Sanitizers);
    let taken: Vec<Client> = (0..256)
        .map(|_| Client::ask(server.address, "/after/3600000"))
        .collect();
    wait_for_pending(&server, 256);
    let (head, body) = Client::ask(server.address, "/after/0").read_answer();
    assert_eq!((head.status, &*body), (503, &b"too much to do\n"[..]));
    drop(taken);
    wait_for_pending(&server, 0);
    assert_eq!(
        Client::ask(server.address, "/after/0").read_head().status,
        200
    );
    server.stop();
}

fn answer_at_ticks(way: Way) {
    let server = Example::start("libuv", way);
    let tick = |mut client: Client| -> u64 {
        let text = String::from_utf8(client.read_answer().1).unwrap();
        let number = text.strip_prefix("tick ").expect("a tick").trim_end();
        number.parse().unwrap()
    };
    let ask = || Client::ask(server.address, "/next");
    let first = tick(ask());
    // Those who leave before the tick are no trouble to those who stay.
    let clients: Vec<Client> = (0..20).map(|_| ask()).collect();
    drop((0..20).map(|_| ask()).collect::<Vec<_>>());
    for later in clients.into_iter().map(tick) {
        assert!(later > first, "{later} after {first}");
    }
    let (head, _) = Client::ask(server.address, "/nowhere").read_answer();
    assert_eq!(head.status, 404);
    server.signal("INT");
    server.finish();
}

fn pass_input_on(way: Way) {
    let mut server = Example::start("poll_loop", way);
    let address = server.address;
    let mut sockets = [(); 3].map(|()| websocket::connect(address, "/input", ""));
    // What is answered after the upgrade shows that the socket is subscribed.
    for socket in &mut sockets {
        socket.send(Message::Ping("subscribed?".into())).unwrap();
        assert_eq!(socket.read().unwrap(), Message::Pong("subscribed?".into()));
    }
    for line in ["one\n", "zwei\u{fc}\n"] {
        let input = server.input().as_mut().unwrap();
        input.write_all(line.as_bytes()).unwrap();
        for socket in &mut sockets {
            assert_eq!(socket.read().unwrap(), Message::binary(line));
        }
    }
    assert_eq!(get(&server.url("/")), "11\n");
    // It goes on without an input.
    drop(server.input().take());
    assert_eq!(get(&server.url("/")), "11\n");
    server.signal("TERM");
    for socket in &mut sockets {
        let Message::Close(Some(frame)) = socket.read().unwrap() else {
            panic!("a Close frame");
        };
        assert_eq!(u16::from(frame.code), 1001);
        let _ = socket.flush();
    }
    let output = server.finish();
    for socket in &sockets {
        let note = format!(
            "{} has left: 1001\n",
            socket.get_ref().local_addr().unwrap()
        );
        assert!(output.contains(&note), "{output}");
    }
}

#[test]
fn foreign_loops_keep_the_timeouts() {
    let servers = ["libuv", "poll_loop"].map(|name| Example::start(name, Way::Gcc));
    let clients = servers.each_ref().map(|server| {
        let mut client = Client::connect(server.address);
        client.send("GET / HTTP/1.1\r\nHost: te");
        client
    });
    for mut client in clients {
        assert_eq!(client.read_head().status, 408);
    }
    for server in servers {
        server.stop();
    }
}

/// Asks for the end, and waits until it has begun.
fn begin_stop(server: &Example) {
    server.signal("TERM");
    eventually("nothing new is accepted", || {
        TcpStream::connect(server.address).is_err()
    });
}

#[test]
fn a_stop_completes_a_download() {
    let server = Example::start("download", Way::Gcc);
    let mut client = Client::ask(server.address, &format!("/{LARGE_BYTES}"));
    assert_eq!(client.read_head().status, 200);
    begin_stop(&server);
    assert!(client.read_exact(LARGE_BYTES) == data::pattern(LARGE_BYTES));
    drop(client);
    server.finish();
}

#[test]
fn a_stop_completes_an_upload() {
    let server = Example::start("upload", Way::Gcc);
    let bytes = data::noise(4_000_000);
    let mut client = Client::connect(server.address);
    client.send(
        "POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 4000000\r\nExpect: 100-continue\r\n\r\n",
    );
    assert_eq!(client.read_head().status, 100);
    client.send(&bytes[..1_000_000]);
    begin_stop(&server);
    client.send(&bytes[1_000_000..]);
    let crc = data::crc32(&bytes);
    let answer = format!("4000000 bytes, CRC-32 {crc:08x}\n");
    assert_eq!(client.read_answer().1, answer.as_bytes());
    server.finish();
}

#[test]
fn a_stop_completes_an_answer_of_another_thread() {
    let server = Example::start("async_answer", Way::Gcc);
    let mut client = Client::ask(server.address, "/after/5000");
    wait_for_pending(&server, 1);
    begin_stop(&server);
    assert_eq!(client.read_answer().1, b"answered from another thread\n");
    server.finish();
}

#[test]
fn a_stop_may_come_before_anything_else() {
    for name in ["hello", "async_answer", "chat", "libuv", "poll_loop"] {
        for _ in 0..10 {
            let server = Example::start(name, Way::Sanitizers);
            server.stop();
        }
    }
}

#[test]
fn what_is_not_done_when_a_stop_gives_up_is_cut() {
    let server = Example::start("async_answer", Way::Sanitizers);
    let client = Client::ask(server.address, "/after/3600000");
    wait_for_pending(&server, 1);
    // The server waits for ten seconds, then tells the thread, which the program waits for.
    let output = server.stop();
    assert_eq!(output.lines().count(), 1, "{output}");
    drop(client);
}

#[test]
fn a_port_that_is_taken_is_told() {
    let server = Example::start("hello", Way::Gcc);
    let port = server.address.port().to_string();
    for name in ["hello", "echo_ws", "libuv"] {
        let program = support::build::example(name, Way::Gcc);
        let output = std::process::Command::new(program).arg(&port).output();
        let output = output.unwrap();
        assert_eq!(output.status.code(), Some(1), "{name}");
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(told.contains(&port), "{name}: {told}");
    }
    server.stop();
}

#[test]
fn many_ask_at_once() {
    let server = Example::start("hello", Way::Sanitizers);
    let address = server.address;
    let clients = (0..8).map(|_| {
        thread::spawn(move || {
            let mut client = Client::connect(address);
            for _ in 0..200 {
                client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
                assert_eq!(client.read_answer().1, b"Hello world!");
            }
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.join().unwrap();
    }
    server.stop();
}
