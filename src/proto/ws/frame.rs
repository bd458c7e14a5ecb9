//! Frame headers, RFC 6455 section 5.2.

use super::{WsError, mask};

/// Which side of a connection we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Expects masked frames and sends unmasked ones.
    Server,
    /// Expects unmasked frames and sends masked ones.
    Client,
}

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Opcode {
    /// Goes on with a message.
    Continuation = 0,
    /// Begins a message that is UTF-8.
    Text = 1,
    /// Begins a message of any bytes.
    Binary = 2,
    /// Ends the connection.
    Close = 8,
    /// Asks for a pong.
    Ping = 9,
    /// Answers a ping, or says that its sender is alive.
    Pong = 10,
}

impl Opcode {
    /// Whether a frame of this kind stands by itself (section 5.5).
    #[inline]
    pub const fn is_control(self) -> bool {
        self as u8 & CONTROL != 0
    }
}

/// What each value of an opcode's four bits means.
const OPCODES: [Option<Opcode>; 16] = {
    let mut opcodes = [None; 16];
    opcodes[0] = Some(Opcode::Continuation);
    opcodes[1] = Some(Opcode::Text);
    opcodes[2] = Some(Opcode::Binary);
    opcodes[8] = Some(Opcode::Close);
    opcodes[9] = Some(Opcode::Ping);
    opcodes[10] = Some(Opcode::Pong);
    opcodes
};

/// The most bytes that a control frame carries (section 5.5).
pub const CONTROL_BYTES_MAX: usize = 125;

const FIN: u8 = 0x80;
const RSV1: u8 = 0x40;
const RESERVED: u8 = 0x70;
const OPCODE: u8 = 0x0f;
/// The bit of an opcode that makes it a control frame's.
const CONTROL: u8 = 0x08;
const MASK: u8 = 0x80;
const LENGTH: u8 = 0x7f;
/// Lengths that say how many bytes of length follow.
const LENGTH_16: u8 = 126;
const LENGTH_64: u8 = 127;

/// What stands before a frame's payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// Whether the message ends with this frame.
    pub fin: bool,
    /// Whether the message is compressed (RFC 7692 section 6).
    pub rsv1: bool,
    /// What the frame is.
    pub opcode: Opcode,
    /// What the payload is to be unmasked with.
    pub mask: Option<[u8; 4]>,
    /// Bytes of the payload; fewer than 2^63.
    pub payload_bytes: u64,
    /// Bytes of the header itself, 2 to 14.
    pub header_bytes: usize,
}

/// Parses one frame header at the front of `bytes`; `None` when they end before it does.
///
/// RSV1 passes on the first frame of a message if `rsv1_allowed`, and nowhere else.
///
/// # Errors
/// The first thing in the order of the bytes that breaks section 5.1, 5.2 or 5.5, as soon as it is
/// there.
#[inline]
pub fn parse_header(
    bytes: &[u8],
    role: Role,
    rsv1_allowed: bool,
) -> Result<Option<FrameHeader>, WsError> {
    let Some(&first) = bytes.first() else {
        return Ok(None);
    };
    let (fin, rsv1) = (first & FIN != 0, first & RSV1 != 0);
    let opcode = OPCODES[usize::from(first & OPCODE)].ok_or(WsError::ReservedOpcode)?;
    if first & RESERVED != 0 {
        let begins = matches!(opcode, Opcode::Text | Opcode::Binary);
        if first & RESERVED != RSV1 || !rsv1_allowed || !begins {
            return Err(WsError::ReservedBit);
        }
    }
    if first & (FIN | CONTROL) == CONTROL {
        return Err(WsError::ControlFragmented);
    }
    let Some(&second) = bytes.get(1) else {
        return Ok(None);
    };
    let masked = second & MASK != 0;
    if masked != (role == Role::Server) {
        return Err(if masked {
            WsError::Masked
        } else {
            WsError::Unmasked
        });
    }
    let (payload_bytes, length_end) = match second & LENGTH {
        short if short < LENGTH_16 => (u64::from(short), 2),
        _ if opcode.is_control() => return Err(WsError::ControlTooLong),
        long => match parse_length(bytes, long)? {
            Some(found) => found,
            None => return Ok(None),
        },
    };
    let (mask, header_bytes) = if masked {
        let Some(mask) = bytes[length_end..].first_chunk() else {
            return Ok(None);
        };
        (Some(*mask), length_end + mask.len())
    } else {
        (None, length_end)
    };
    Ok(Some(FrameHeader {
        fin,
        rsv1,
        opcode,
        mask,
        payload_bytes,
        header_bytes,
    }))
}

/// A length behind the first two bytes, and where it ends. It has to be the shortest form.
fn parse_length(bytes: &[u8], form: u8) -> Result<Option<(u64, usize)>, WsError> {
    let size = if form == LENGTH_64 { 8 } else { 2 };
    let mut length = 0;
    for (index, &byte) in bytes[2..].iter().take(size).enumerate() {
        length = length << 8 | u64::from(byte);
        let too_long = form == LENGTH_64 && index == 0 && byte >= 0x80;
        let too_short = match form {
            // Six zeros in front leave no more than the shorter form holds.
            LENGTH_64 => index == 5 && length == 0,
            _ => index == 1 && length < u64::from(LENGTH_16),
        };
        if too_long || too_short {
            return Err(WsError::Length);
        }
    }
    Ok((bytes.len() >= 2 + size).then_some((length, 2 + size)))
}

/// Appends the header of an unmasked frame.
#[inline]
pub fn encode_header(
    out: &mut Vec<u8>,
    fin: bool,
    rsv1: bool,
    opcode: Opcode,
    payload_bytes: usize,
) {
    encode(out, fin, rsv1, opcode, payload_bytes, 0);
}

/// Appends a whole masked frame, as clients send them. The mask has to come from a strong source of
/// randomness, new for each frame (section 5.3).
pub fn encode_masked(
    out: &mut Vec<u8>,
    fin: bool,
    rsv1: bool,
    opcode: Opcode,
    payload: &[u8],
    mask: [u8; 4],
) {
    encode(out, fin, rsv1, opcode, payload.len(), MASK);
    out.extend_from_slice(&mask);
    let start = out.len();
    out.extend_from_slice(payload);
    mask::apply(&mut out[start..], mask, 0);
}

#[inline(always)]
fn encode(
    out: &mut Vec<u8>,
    fin: bool,
    rsv1: bool,
    opcode: Opcode,
    payload_bytes: usize,
    mask_bit: u8,
) {
    debug_assert!(!opcode.is_control() || (fin && !rsv1 && payload_bytes <= CONTROL_BYTES_MAX));
    let first = u8::from(fin) << 7 | u8::from(rsv1) << 6 | opcode as u8;
    if payload_bytes < usize::from(LENGTH_16) {
        out.extend_from_slice(&[first, mask_bit | payload_bytes as u8]);
    } else {
        encode_long(out, first, payload_bytes, mask_bit);
    }
}

/// Not inlined, so that the common case is.
#[inline(never)]
fn encode_long(out: &mut Vec<u8>, first: u8, payload_bytes: usize, mask_bit: u8) {
    if let Ok(length) = u16::try_from(payload_bytes) {
        let [high, low] = length.to_be_bytes();
        out.extend_from_slice(&[first, mask_bit | LENGTH_16, high, low]);
    } else {
        out.extend_from_slice(&[first, mask_bit | LENGTH_64]);
        out.extend_from_slice(&(payload_bytes as u64).to_be_bytes());
    }
}

/// Appends a whole unmasked frame, as servers send them.
#[inline]
pub fn encode_frame(out: &mut Vec<u8>, fin: bool, rsv1: bool, opcode: Opcode, payload: &[u8]) {
    encode(out, fin, rsv1, opcode, payload.len(), 0);
    out.extend_from_slice(payload);
}

#[cfg(test)]
mod tests {
    use super::*;

    type Outcome = Result<Option<FrameHeader>, WsError>;

    /// The verdict on a growing prefix, and how many bytes it took. It does not change after.
    #[track_caller]
    fn verdict(bytes: &[u8], role: Role, rsv1_allowed: bool) -> (Outcome, usize) {
        let mut verdict = (Ok(None), bytes.len());
        for len in 0..=bytes.len() {
            let outcome = parse_header(&bytes[..len], role, rsv1_allowed);
            if verdict.0 == Ok(None) {
                verdict = (outcome, len);
            }
            assert_eq!(outcome, verdict.0, "{len} bytes of {bytes:x?}");
        }
        verdict
    }

    /// Sections 5.1, 5.2 and 5.5 for the first two bytes, one sentence after the other.
    fn first_errors(first: u8, second: u8, role: Role, rsv1_allowed: bool) -> Vec<WsError> {
        let mut errors = Vec::new();
        let opcode = first % 16;
        if (3..=7).contains(&opcode) || opcode >= 11 {
            errors.push(WsError::ReservedOpcode);
        }
        let rsv1_means_something = rsv1_allowed && (opcode == 1 || opcode == 2);
        if first & 0x30 != 0 || (first & 0x40 != 0 && !rsv1_means_something) {
            errors.push(WsError::ReservedBit);
        }
        if opcode >= 8 && first < 0x80 {
            errors.push(WsError::ControlFragmented);
        }
        match role {
            Role::Server if second < 0x80 => errors.push(WsError::Unmasked),
            Role::Client if second >= 0x80 => errors.push(WsError::Masked),
            _ => {}
        }
        if opcode >= 8 && second % 128 > 125 {
            errors.push(WsError::ControlTooLong);
        }
        errors
    }

    #[test]
    fn every_pair_of_first_bytes() {
        let settings = [Role::Server, Role::Client].map(|role| [(role, false), (role, true)]);
        for &(role, rsv1_allowed) in settings.as_flattened() {
            for first in 0..=u8::MAX {
                for second in 0..=u8::MAX {
                    let rest: &[u8] = match second % 128 {
                        126 => &[1, 0, 9, 9, 9, 9],
                        127 => &[0, 0, 0, 0, 0, 1, 0, 0, 9, 9, 9, 9],
                        _ => &[9, 9, 9, 9],
                    };
                    let bytes = [&[first, second], rest].concat();
                    let (outcome, _) = verdict(&bytes, role, rsv1_allowed);
                    let errors = first_errors(first, second, role, rsv1_allowed);
                    match outcome {
                        Err(error) => assert_eq!(Some(&error), errors.first(), "{bytes:x?}"),
                        Ok(header) => {
                            assert_eq!(errors, [], "{bytes:x?}");
                            let header = header.expect("enough bytes");
                            assert_eq!(header.fin, first >= 0x80);
                            assert_eq!(header.rsv1, first & 0x40 != 0);
                            assert_eq!(header.opcode as u8, first % 16);
                            assert_eq!(header.mask, (second >= 0x80).then_some([9; 4]));
                        }
                    }
                }
            }
        }
    }

    /// Errors that show before the header ends are told then.
    #[test]
    fn lengths_in_their_shortest_form_only() {
        let forms = |form: u8, length: &[u8]| [&[0x82, form], length].concat();
        let error = Err(WsError::Length);
        for (bytes, expected, after) in [
            (forms(0, &[]), Ok(0), 2),
            (forms(125, &[]), Ok(125), 2),
            (forms(126, &[0, 125]), error, 4),
            (forms(126, &[0, 126]), Ok(126), 4),
            (forms(126, &[0, 0]), error, 4),
            (forms(126, &[255, 255]), Ok(65_535), 4),
            (forms(127, &[0, 0, 0, 0, 0, 0, 255, 255]), error, 8),
            (forms(127, &[0, 0, 0, 0, 0, 0, 0, 1]), error, 8),
            (forms(127, &[0, 0, 0, 0, 0, 1, 0, 0]), Ok(65_536), 10),
            (
                forms(127, &[127, 255, 255, 255, 255, 255, 255, 255]),
                Ok(u64::MAX >> 1),
                10,
            ),
            (forms(127, &[128, 0, 0, 0, 0, 0, 0, 0]), error, 3),
            (forms(127, &[255, 0, 0, 0, 0, 0, 0, 1]), error, 3),
        ] {
            let (outcome, len) = verdict(&bytes, Role::Client, false);
            let length = outcome.map(|header| header.expect("all there").payload_bytes);
            assert_eq!((length, len), (expected, after), "{bytes:x?}");
        }
        assert_eq!(
            verdict(&[0x89, 126], Role::Client, false),
            (Err(WsError::ControlTooLong), 2)
        );
    }

    #[test]
    fn what_is_encoded_is_parsed() {
        use Opcode::{Binary, Close, Continuation, Ping, Pong, Text};
        for len in [0, 1, 124, 125, 126, 127, 65_535, 65_536, 70_000] {
            let payload = vec![0x5a; len];
            for opcode in [Continuation, Text, Binary, Close, Ping, Pong] {
                if opcode.is_control() && len > CONTROL_BYTES_MAX {
                    continue;
                }
                let rsv1 = matches!(opcode, Text | Binary);
                let fin = opcode.is_control();
                for mask in [None, Some([1, 2, 3, 4])] {
                    let mut out = b"before".to_vec();
                    let role = match mask {
                        Some(mask) => {
                            encode_masked(&mut out, fin, rsv1, opcode, &payload, mask);
                            Role::Server
                        }
                        None => {
                            encode_frame(&mut out, fin, rsv1, opcode, &payload);
                            Role::Client
                        }
                    };
                    let out = &mut out[b"before".len()..];
                    let header = parse_header(out, role, true).unwrap().unwrap();
                    let header_bytes = header.header_bytes;
                    let expected = FrameHeader {
                        fin,
                        rsv1,
                        opcode,
                        mask,
                        payload_bytes: len as u64,
                        header_bytes: out.len() - len,
                    };
                    assert_eq!(header, expected);
                    mask::apply(&mut out[header_bytes..], mask.unwrap_or_default(), 0);
                    assert!(out[header_bytes..] == payload, "{opcode:?} of {len}");
                }
            }
        }
    }
}
