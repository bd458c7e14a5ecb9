//! A server of one worker on a port of the loopback interface.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread::JoinHandle;
use std::time::Duration;

use keirin::{ListenAddress, Server, ServerHandle};

use super::case::Setup;
use super::exchange::{After, Exchange, Outcome};
use crate::app::{self, Counters};

/// How long a server may keep silent before a test gives up on it. Only failures last so long.
const PATIENCE: Duration = Duration::from_secs(10);

/// A running server.
pub(crate) struct Sockets {
    address: SocketAddr,
    counters: Counters,
    handle: ServerHandle,
    thread: JoinHandle<keirin::Result<()>>,
}

impl Sockets {
    pub(crate) fn start(setup: Setup) -> Self {
        let counters = Counters::default();
        let own = counters.clone();
        let server = Server::new(move |app| app::routes(app, setup, &own))
            .config(app::config(setup))
            .workers(1)
            .listen("127.0.0.1:0")
            .expect("a free port");
        let address = match server.addresses()[..] {
            [ListenAddress::Tcp(address)] => address,
            ref other => panic!("one TCP address, not {other:?}"),
        };
        let handle = server.handle();
        let thread = std::thread::spawn(move || server.run());
        Self {
            address,
            counters,
            handle,
            thread,
        }
    }

    pub(crate) fn stop(self) {
        self.handle.stop(Duration::ZERO);
        self.thread
            .join()
            .expect("a server that does not panic")
            .expect("a clean end");
    }
}

impl Exchange for Sockets {
    fn run(&mut self, segments: &[&[u8]], _after: After) -> Outcome {
        let before = self.counters.read();
        let mut stream = TcpStream::connect(self.address).expect("a listening server");
        stream.set_nodelay(true).expect("a TCP option");
        stream
            .set_read_timeout(Some(PATIENCE))
            .expect("a timeout above zero");
        stream
            .set_write_timeout(Some(PATIENCE))
            .expect("a timeout above zero");
        for segment in segments {
            // A server that has already answered and closed takes no more.
            if stream.write_all(segment).is_err() {
                break;
            }
        }
        let (bytes, closed) = read_to_end(&mut stream);
        let (entered, completed) = self.counters.read();
        Outcome {
            bytes,
            closed,
            entered: entered - before.0,
            completed: completed - before.1,
        }
    }

    fn sees_silence(&self) -> bool {
        false
    }
}

/// Reads until the server closes, or [`PATIENCE`] is at its end.
fn read_to_end(stream: &mut TcpStream) -> (Vec<u8>, bool) {
    let mut bytes = Vec::new();
    let mut buffer = [0; 16 * 1024];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return (bytes, true),
            Ok(count) => bytes.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // What a client sent after the answer was due may be refused with a reset.
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return (bytes, true),
            Err(_) => return (bytes, false),
        }
    }
}
