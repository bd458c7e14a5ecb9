//! A plain HTTP/1.1 client on a socket, for what the real clients will not do: to send half of
//! something, to wait, to leave.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::support::PATIENCE;

/// The request that most tests send.
pub(crate) const GET: &str = "GET / HTTP/1.1\r\nHost: test\r\n\r\n";

/// A status line and headers.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
}

impl Head {
    /// The value of a header; the name is given in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let found = headers.find(|(candidate, _)| candidate == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn closes(&self) -> bool {
        self.header("connection")
            .is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }
}

/// One connection.
pub(crate) struct Client<S: Read + Write> {
    reader: BufReader<S>,
}

impl Client<TcpStream> {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)
            .unwrap_or_else(|error| panic!("{address}: {error}"));
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self::new(stream)
    }

    pub(crate) fn stream(&self) -> &TcpStream {
        self.reader.get_ref()
    }

    /// Waits until something has arrived, and leaves it unread: dropping the connection then resets
    /// it.
    pub(crate) fn wait_for_bytes(&self) {
        let count = self.stream().peek(&mut [0]).expect("bytes to arrive");
        assert_eq!(count, 1, "closed before any byte of an answer");
    }

    /// Whether something has arrived that is not read yet.
    pub(crate) fn has_bytes(&self) -> bool {
        self.stream().set_nonblocking(true).unwrap();
        let peeked = self.stream().peek(&mut [0]);
        self.stream().set_nonblocking(false).unwrap();
        !self.reader.buffer().is_empty() || peeked.is_ok()
    }
}

impl<S: Read + Write> Client<S> {
    pub(crate) fn new(stream: S) -> Self {
        let reader = BufReader::new(stream);
        Self { reader }
    }

    /// The stream, and what was read ahead of it.
    pub(crate) fn into_parts(self) -> (S, Vec<u8>) {
        let unread = self.reader.buffer().to_vec();
        (self.reader.into_inner(), unread)
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).expect("the peer to read");
    }

    pub(crate) fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        self.reader.get_mut().write_all(bytes.as_ref())
    }

    pub(crate) fn read_head(&mut self) -> Head {
        let status_line = self.read_line();
        let status = status_line
            .split(' ')
            .nth(1)
            .and_then(|code| code.parse().ok());
        let mut headers = Vec::new();
        loop {
            let line = self.read_line();
            if line.is_empty() {
                break;
            }
            let (name, value) = line
                .split_once(':')
                .unwrap_or_else(|| panic!("header {line:?}"));
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        Head {
            status: status.unwrap_or_else(|| panic!("status line {status_line:?}")),
            headers,
        }
    }

    /// Reads the answer to anything but HEAD.
    pub(crate) fn read_answer(&mut self) -> (Head, Vec<u8>) {
        let head = self.read_head();
        let mut body = Vec::new();
        self.body(&head).read_to_end(&mut body).unwrap();
        (head, body)
    }

    /// The body that follows a head of known length.
    pub(crate) fn body(&mut self, head: &Head) -> impl Read {
        let length = head
            .header("content-length")
            .unwrap_or_else(|| panic!("no length: {head:?}"));
        (&mut self.reader).take(length.parse().unwrap())
    }

    pub(crate) fn read_exact(&mut self, buffer: &mut [u8]) {
        self.reader.read_exact(buffer).expect("more of the body");
    }

    /// Asks for `/` and expects to be answered 200.
    pub(crate) fn is_served(&mut self) -> Vec<u8> {
        self.send(GET);
        let (head, body) = self.read_answer();
        assert_eq!(head.status, 200);
        body
    }

    /// What still arrives before the server closes or resets the connection, which it must.
    pub(crate) fn read_to_close(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        match self.reader.read_to_end(&mut bytes) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
            Err(error) => panic!("the connection is not closed: {error}"),
        }
        bytes
    }

    fn read_line(&mut self) -> String {
        let mut line = String::new();
        self.reader.read_line(&mut line).expect("a line of a head");
        let stripped = line.strip_suffix("\r\n");
        stripped
            .unwrap_or_else(|| panic!("the connection ends after {line:?}"))
            .to_owned()
    }
}

/// Asks for `/` on a connection of its own and expects 200.
pub(crate) fn is_served(address: SocketAddr) -> Vec<u8> {
    Client::connect(address).is_served()
}

/// Checks that a server ended a connection as it should: without a word, or with 408 and nothing
/// else.
pub(crate) fn assert_cut(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let status = text.split(' ').nth(1);
    assert!(
        bytes.is_empty() || status == Some("408"),
        "cut with {text:?}"
    );
    assert_eq!(
        text.matches("HTTP/1.1 ").count(),
        usize::from(!bytes.is_empty())
    );
}
