//! Clients of WebSockets: tungstenite, which knows no compression, and frames by hand, which do.

use std::net::{SocketAddr, TcpStream};

use miniz_oxide::deflate::compress_to_vec;
use miniz_oxide::inflate::stream::{InflateState, inflate};
use miniz_oxide::{DataFormat, MZFlush};
use tungstenite::protocol::{Role, WebSocket, WebSocketConfig};

use super::http::{Client, Head};

/// Asks for a WebSocket, with further headers, each ended by CRLF.
pub(crate) fn handshake(address: SocketAddr, target: &str, headers: &str) -> (Client, Head) {
    let mut client = Client::connect(address);
    client.send(format!(
        "GET {target} HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
    ));
    let head = client.read_head();
    (client, head)
}

/// A WebSocket without compression.
pub(crate) fn connect(address: SocketAddr, target: &str, headers: &str) -> WebSocket<TcpStream> {
    let (client, head) = handshake(address, target, headers);
    assert_eq!(head.status, 101);
    // RFC 6455 section 1.3: what this key is answered with.
    let accept = head.header("sec-websocket-accept");
    assert_eq!(accept, Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    assert_eq!(head.header("sec-websocket-extensions"), None);
    let (stream, unread) = client.into_parts();
    let config = WebSocketConfig::default().max_frame_size(None);
    WebSocket::from_partially_read(stream, unread, Role::Client, Some(config))
}

/// A WebSocket with permessage-deflate (RFC 7692), frame by frame.
pub(crate) struct Deflated {
    client: Client,
    /// What came before, in as far as the server may refer to it.
    window: Box<InflateState>,
}

impl Deflated {
    /// Offers the extension, and returns what the server has agreed to.
    pub(crate) fn connect(address: SocketAddr, target: &str) -> (Self, String) {
        let offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";
        let (client, head) = handshake(address, target, offer);
        assert_eq!(head.status, 101);
        let agreed = head.header("sec-websocket-extensions").unwrap_or_default();
        let window = InflateState::new_boxed(DataFormat::Raw);
        (Self { client, window }, agreed.to_owned())
    }

    /// Sends a compressed text, in one frame and, as section 7.2.3.4 allows, in a final block.
    pub(crate) fn send(&mut self, text: &str) {
        let mut payload = compress_to_vec(text.as_bytes(), 6);
        payload.push(0);
        let mask = [0x12, 0x34, 0x56, 0x78];
        let mut frame = vec![0xC1, 0xFE];
        let length = u16::try_from(payload.len()).expect("a length in two bytes");
        frame.extend(length.to_be_bytes());
        frame.extend(mask);
        frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(a, b)| a ^ b));
        self.client.send(frame);
    }

    /// Reads a text: what it says, and how many bytes that took.
    pub(crate) fn read(&mut self) -> (String, usize) {
        let start = self.client.read_exact(2);
        assert_eq!(start[0], 0xC1, "a compressed text in one frame");
        let length = match start[1] {
            126 => {
                let length = self.client.read_exact(2);
                usize::from(u16::from_be_bytes([length[0], length[1]]))
            }
            short @ 0..126 => usize::from(short),
            long => panic!("a length of {long}"),
        };
        let mut payload = self.client.read_exact(length);
        payload.extend([0, 0, 0xFF, 0xFF]);
        let mut text = vec![0; 1 << 20];
        let result = inflate(&mut self.window, &payload, &mut text, MZFlush::Sync);
        assert_eq!(result.bytes_consumed, payload.len(), "{:?}", result.status);
        text.truncate(result.bytes_written);
        (String::from_utf8(text).unwrap(), length)
    }
}
