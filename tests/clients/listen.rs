//! Addresses: what can be listened on, what is reported, and what is refused because somebody has
//! it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{self as unix, UnixListener, UnixStream};
use std::path::Path;
use std::process::Stdio;

use keirin::{App, Config};

use crate::data::TempDir;
use crate::support::{Example, InProcess, Process, eventually, executable, require, run, succeed};
use crate::wire::{Client, GET, is_served};

fn hello(app: &mut App) {
    app.get("/", |res, _req| res.end(b"Hello world!"));
}

fn listen(address: &str) -> Result<InProcess, String> {
    InProcess::start(Config::default(), address, hello)
}

/// The reason why an address cannot be listened on.
fn refusal(address: &str) -> String {
    match listen(address) {
        Ok(server) => panic!("{address} is served at {:?}", server.addresses),
        Err(reason) => reason,
    }
}

/// Listens on what has just been released in this process. A child that another test is starting at
/// this moment holds copies of the descriptors until it executes its program, so the address may be
/// in use for a little longer.
fn listen_again(address: &str) -> InProcess {
    let mut outcome = Err(String::new());
    eventually(&format!("{address} is free"), || {
        outcome = listen(address);
        outcome.is_ok()
    });
    outcome.unwrap()
}

/// A free port that no outgoing connection occupies: the system takes those from 32768 up.
fn port() -> u16 {
    let start = 16_000 + (std::process::id() % 8_000) as u16;
    let is_free = |port: &u16| TcpStream::connect((Ipv4Addr::LOCALHOST, *port)).is_err();
    (start..32_000).find(is_free).expect("a free port")
}

/// Checks by curl that a URL is served, however it is reached.
fn curl_is_served(arguments: &[&str], url: &str) {
    let mut command = require("curl");
    command.args([
        "--disable",
        "--silent",
        "--show-error",
        "--fail",
        "--noproxy",
        "*",
    ]);
    command.args(["--max-time", "50"]).args(arguments);
    // Brackets are those of an address.
    assert_eq!(
        succeed(command.args(["--globoff", url])).text(),
        "Hello world!"
    );
}

#[test]
fn examples_report_the_port_that_the_system_chose() {
    let one = Example::start("hello");
    let other = Example::start("hello");
    assert_ne!(one.address.port(), 0);
    assert_ne!(one.address.port(), other.address.port());
    assert_eq!(is_served(one.address), b"Hello world!");
    assert_eq!(is_served(other.address), b"Hello world!");
}

#[test]
fn ipv4() {
    let server = listen("127.0.0.1:0").unwrap();
    let address: SocketAddr = server.addresses[0].parse().unwrap();
    assert_eq!(address.ip(), Ipv4Addr::LOCALHOST);
    curl_is_served(&["--ipv4"], &format!("http://{address}/"));
}

#[test]
fn ipv6() {
    let server = listen("[::1]:0").expect("IPv6 on the loopback interface");
    let address: SocketAddr = server.addresses[0].parse().unwrap();
    assert_eq!(address.ip(), Ipv6Addr::LOCALHOST);
    curl_is_served(&["--ipv6"], &format!("http://{address}/"));
}

#[test]
fn both_families_by_one_address() {
    let server = listen("[::]:0").expect("IPv6 on the loopback interface");
    let port = server.addresses[0].parse::<SocketAddr>().unwrap().port();
    curl_is_served(&["--ipv4"], &format!("http://127.0.0.1:{port}/"));
    curl_is_served(&["--ipv6"], &format!("http://[::1]:{port}/"));
}

/// Another program that listens: the process and its port.
fn holder(address: &str, option: &str) -> (Process, u16) {
    let script = format!(
        "import socket, sys\n\
         held = socket.socket()\n\
         held.setsockopt(socket.SOL_SOCKET, socket.{option}, 1)\n\
         held.bind((\"{address}\", 0))\n\
         held.listen()\n\
         print(held.getsockname()[1], flush=True)\n\
         sys.stdin.read()\n"
    );
    let mut command = require("python3");
    command
        .args(["-c", &script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut process = Process::spawn(&mut command);
    let mut line = String::new();
    let mut stdout = BufReader::new(process.child().stdout.take().unwrap());
    stdout.read_line(&mut line).unwrap();
    let port = line.trim().parse().expect("a port from the other program");
    (process, port)
}

#[test]
fn a_port_that_another_program_holds_is_an_error() {
    for held in ["127.0.0.1", "0.0.0.0"] {
        // With SO_REUSEPORT on both sides the system would let them share it, and the other would
        // get some of the connections.
        for option in ["SO_KEEPALIVE", "SO_REUSEADDR", "SO_REUSEPORT"] {
            let (_process, port) = holder(held, option);
            let reason = refusal(&format!("127.0.0.1:{port}"));
            assert!(
                reason.contains(&port.to_string()),
                "{held}, {option}: {reason}"
            );
        }
    }
}

#[test]
fn examples_say_that_their_port_is_held() {
    let (_process, port) = holder("0.0.0.0", "SO_REUSEPORT");
    let finished = run(require_example("hello").arg(port.to_string()));
    assert!(
        !finished.status.success() && finished.status.code().is_some(),
        "{}",
        finished.status
    );
    assert!(
        !finished.text().contains("listening on"),
        "{}",
        finished.text()
    );
    assert!(
        finished.stderr.contains(&port.to_string()),
        "{}",
        finished.stderr
    );
}

fn require_example(name: &str) -> std::process::Command {
    std::process::Command::new(executable(name))
}

#[test]
fn a_port_that_another_server_of_ours_holds_is_an_error() {
    let server = listen("127.0.0.1:0").unwrap();
    refusal(&server.addresses[0]);
    assert_eq!(is_served(server.address()), b"Hello world!");
}

#[test]
fn a_port_is_free_again_after_a_stop() {
    let port = port();
    for _ in 0..3 {
        let mut server = Example::start_on("hello", port);
        // The server closes first, which leaves its end in TIME_WAIT.
        let mut client = Client::connect(server.address);
        client.send("GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
        assert_eq!(client.read_answer().1, b"Hello world!");
        assert_eq!(client.read_to_close(), b"");
        server.process.signal("TERM");
        assert_eq!(server.process.wait().code(), Some(0));
    }
}

#[test]
fn nonsense_is_an_error() {
    for address in [
        "",
        "nonsense",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:65536",
        "unix:",
        "unix:@",
    ] {
        refusal(address);
    }
    // An address that no interface has, a folder that does not exist, a name longer than the system
    // takes.
    refusal("192.0.2.1:0");
    refusal("unix:/nonexistent/keirin.socket");
    refusal(&format!("unix:/tmp/{}", "x".repeat(200)));
    refusal(&format!("unix:@{}", "x".repeat(200)));
}

/// The address of a path, for `listen`.
fn by_path(path: &Path) -> String {
    format!("unix:{}", path.display())
}

fn path_is_served(path: &Path) {
    curl_is_served(&["--unix-socket", path.to_str().unwrap()], "http://test/");
}

#[test]
fn unix_path() {
    let folder = TempDir::new();
    let path = folder.path("socket");
    // More than once: a path that an earlier server has left, or has not, is no obstacle.
    for _ in 0..3 {
        let server = listen_again(&by_path(&path));
        assert!(
            server.addresses[0].contains(path.to_str().unwrap()),
            "{:?}",
            server.addresses
        );
        path_is_served(&path);
    }
}

#[test]
fn unix_path_left_by_a_dead_server_is_taken_over() {
    let folder = TempDir::new();
    let path = folder.path("socket");
    drop(UnixListener::bind(&path).unwrap());
    assert!(fs::metadata(&path).unwrap().file_type().is_socket());
    let _server = listen_again(&by_path(&path));
    path_is_served(&path);
}

#[test]
fn unix_path_of_a_live_server_is_an_error() {
    let folder = TempDir::new();
    let path = folder.path("socket");
    let live = UnixListener::bind(&path).unwrap();
    let reason = refusal(&by_path(&path));
    assert!(reason.contains(path.to_str().unwrap()), "{reason}");
    // It still has its path.
    let connected = UnixStream::connect(&path);
    connected.expect("the path to lead to the live server");
    drop(live);

    let server = listen_again(&by_path(&path));
    refusal(&by_path(&path));
    path_is_served(&path);
    drop(server);
}

#[test]
fn unix_path_of_anything_but_a_socket_is_an_error() {
    let folder = TempDir::new();
    let path = folder.path("letter");
    fs::write(&path, "do not lose this").unwrap();
    refusal(&by_path(&path));
    assert_eq!(fs::read_to_string(&path).unwrap(), "do not lose this");
    let directory = folder.path("directory");
    fs::create_dir(&directory).unwrap();
    refusal(&by_path(&directory));
    assert!(directory.is_dir());
}

#[test]
fn unix_abstract_name() {
    let name = format!("keirin-clients-{}-abstract", std::process::id());
    for _ in 0..2 {
        let server = listen_again(&format!("unix:@{name}"));
        assert!(
            server.addresses[0].contains(&name),
            "{:?}",
            server.addresses
        );
        curl_is_served(&["--abstract-unix-socket", &name], "http://test/");
        // The name is all of the address: no zero bytes after it.
        let address = unix::SocketAddr::from_abstract_name(&name).unwrap();
        let mut client = Client::new(UnixStream::connect_addr(&address).unwrap());
        client.send(GET);
        assert_eq!(client.read_answer().1, b"Hello world!");
    }
}

#[test]
fn unix_abstract_name_of_a_live_server_is_an_error() {
    let name = format!("keirin-clients-{}-held", std::process::id());
    let address = unix::SocketAddr::from_abstract_name(&name).unwrap();
    let live = UnixListener::bind_addr(&address).unwrap();
    let reason = refusal(&format!("unix:@{name}"));
    assert!(reason.contains(&name), "{reason}");
    drop(live);
    listen_again(&format!("unix:@{name}"));
}
