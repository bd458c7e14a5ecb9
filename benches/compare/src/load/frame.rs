//! Frames (RFC 6455, section 5): those of a client are written, those of a server read.

/// In the first byte: the last frame of its message.
pub const FIN: u8 = 0x80;
/// In the first byte: the message is compressed (RFC 7692, section 6).
pub const RSV1: u8 = 0x40;
/// The opcode of a text message.
pub const TEXT: u8 = 1;
/// The opcode of a binary message.
pub const BINARY: u8 = 2;
/// The opcode of a close frame.
pub const CLOSE: u8 = 8;
/// The opcode of a ping.
pub const PING: u8 = 9;
/// The opcode of a pong.
pub const PONG: u8 = 10;

/// In the second byte: the payload is masked.
pub const MASKED: u8 = 0x80;

/// The longest header of a server's frame.
pub const HEADER_BYTES_MAX: usize = 10;

/// Appends a client's frame: `first` byte, length, `mask`, masked payload.
pub fn push_masked(to: &mut Vec<u8>, first: u8, payload: &[u8], mask: [u8; 4]) {
    push_start(to, first, MASKED, payload.len());
    to.extend_from_slice(&mask);
    let key = mask.iter().cycle();
    to.extend(payload.iter().zip(key).map(|(byte, key)| byte ^ key));
}

/// Appends the header of a server's frame.
pub fn push_header(to: &mut Vec<u8>, first: u8, payload_bytes: usize) {
    push_start(to, first, 0, payload_bytes);
}

fn push_start(to: &mut Vec<u8>, first: u8, masked: u8, payload_bytes: usize) {
    to.push(first);
    // The shortest encoding that fits: section 5.2.
    match payload_bytes {
        0..=125 => to.push(masked | payload_bytes as u8),
        126..=0xffff => {
            to.push(masked | 126);
            to.extend_from_slice(&(payload_bytes as u16).to_be_bytes());
        }
        _ => {
            to.push(masked | 127);
            to.extend_from_slice(&(payload_bytes as u64).to_be_bytes());
        }
    }
}

/// The header of a frame that a server sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// FIN, reserved bits and opcode.
    pub first: u8,
    /// Bytes of the payload that follows.
    pub payload_bytes: usize,
    /// Bytes of the header itself.
    pub header_bytes: usize,
}

impl Header {
    /// The opcode.
    #[must_use]
    pub fn opcode(self) -> u8 {
        self.first & 0x0f
    }
}

/// A server must not send this: masked, or the length not in the shortest encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// Reads the header at the beginning of `bytes`; `None` when it has not arrived in full.
///
/// # Errors
/// [`Malformed`].
pub fn parse_header(bytes: &[u8]) -> Result<Option<Header>, Malformed> {
    let &[first, second, ref rest @ ..] = bytes else {
        return Ok(None);
    };
    let (length_bytes, shortest) = match second {
        0..=125 => (0, 0),
        126 => (2, 126),
        127 => (8, 0x1_0000),
        MASKED.. => return Err(Malformed),
    };
    let Some(digits) = rest.get(..length_bytes) else {
        return Ok(None);
    };
    let long = digits.iter().fold(0, |n, &b| n << 8 | u64::from(b));
    let length = if length_bytes == 0 {
        u64::from(second)
    } else {
        long
    };
    if length < shortest || length > u64::from(u32::MAX) {
        return Err(Malformed);
    }
    Ok(Some(Header {
        first,
        payload_bytes: length as usize,
        header_bytes: 2 + length_bytes,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_masked_frame_is_the_example_of_the_rfc() {
        // Section 5.7.
        let mut frame = Vec::new();
        push_masked(&mut frame, FIN | TEXT, b"Hello", [0x37, 0xfa, 0x21, 0x3d]);
        let expected = [
            0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58,
        ];
        assert_eq!(frame, expected);
    }

    #[test]
    fn lengths_take_the_shortest_form_and_are_read_back() {
        let lengths = [
            (0, 2),
            (125, 2),
            (126, 4),
            (0xffff, 4),
            (0x1_0000, 10),
            (1 << 24, 10),
        ];
        for (payload_bytes, header_bytes) in lengths {
            let mut bytes = Vec::new();
            push_header(&mut bytes, FIN | BINARY, payload_bytes);
            let header = Header {
                first: 0x82,
                payload_bytes,
                header_bytes,
            };
            assert_eq!(parse_header(&bytes), Ok(Some(header)));
            for cut in 0..bytes.len() {
                assert_eq!(parse_header(&bytes[..cut]), Ok(None));
            }
            let mut masked = Vec::new();
            push_masked(&mut masked, FIN | BINARY, &vec![1; payload_bytes], [1; 4]);
            assert_eq!(masked.len(), header_bytes + 4 + payload_bytes);
            assert!(masked[header_bytes + 4..].iter().all(|&b| b == 0));
        }
    }

    #[test]
    fn what_a_server_must_not_send_is_malformed() {
        let malformed: [&[u8]; 5] = [
            &[0x82, 0x85],
            &[0x82, 126, 0, 125],
            &[0x82, 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff],
            &[0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0],
            &[0x82, 127, 0, 0, 0, 1, 0, 0, 0, 0],
        ];
        for bytes in malformed {
            assert_eq!(parse_header(bytes), Err(Malformed), "{bytes:?}");
        }
    }
}
