//! curl, and a plain client on a socket for what curl will not do: to send half of something, to
//! wait, to leave.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

use super::PATIENCE;
use super::program::{Finished, require, succeed};

/// Runs curl, which has to be content with the answer's framing. What it says of the exchange is on
/// standard error.
pub(crate) fn curl<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Finished {
    let seconds = PATIENCE.as_secs().to_string();
    let mut command = require("curl");
    command.args([
        "--silent",
        "--show-error",
        "--verbose",
        "--max-time",
        &seconds,
    ]);
    succeed(command.args(arguments))
}

/// What GET is answered.
pub(crate) fn get(url: &str) -> String {
    String::from_utf8(curl(["--fail", url]).stdout).unwrap()
}

/// A status line and headers.
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
}

/// One connection.
pub(crate) struct Client {
    reader: BufReader<TcpStream>,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect_timeout(&address, PATIENCE).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        let reader = BufReader::new(stream);
        Self { reader }
    }

    /// Asks for a path, and leaves the answer unread.
    pub(crate) fn ask(address: SocketAddr, path: &str) -> Self {
        let mut client = Self::connect(address);
        client.send(format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n"));
        client
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.reader.get_mut().write_all(bytes.as_ref()).unwrap();
    }

    /// The stream, and what was read ahead of it.
    pub(crate) fn into_parts(self) -> (TcpStream, Vec<u8>) {
        let unread = self.reader.buffer().to_vec();
        (self.reader.into_inner(), unread)
    }

    pub(crate) fn read_head(&mut self) -> Head {
        let status_line = self.read_line();
        let status = status_line.split(' ').nth(1);
        let status = status.and_then(|code| code.parse().ok());
        let mut headers = Vec::new();
        loop {
            let line = self.read_line();
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').expect("a header");
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        Head {
            status: status.unwrap_or_else(|| panic!("status line {status_line:?}")),
            headers,
        }
    }

    pub(crate) fn read_exact(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.reader.read_exact(&mut bytes).unwrap();
        bytes
    }

    /// Reads an answer of announced length.
    pub(crate) fn read_answer(&mut self) -> (Head, Vec<u8>) {
        let head = self.read_head();
        let length = head.header("content-length").expect("a length");
        let body = self.read_exact(length.parse().unwrap());
        (head, body)
    }

    fn read_line(&mut self) -> String {
        let mut line = String::new();
        self.reader.read_line(&mut line).unwrap();
        assert!(line.ends_with("\r\n"), "closed within a head: {line:?}");
        line.truncate(line.len() - 2);
        line
    }
}
