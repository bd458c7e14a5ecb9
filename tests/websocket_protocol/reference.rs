//! RFC 6455 once more: slow, and with nothing in common with the code under test but its names.

use keirin::proto::ws::message::FRAGMENT_COST;
use keirin::proto::ws::{Kind, Role, WsError};

use crate::drive::{Outcome, Seen, Setting};

/// A frame by section 5.2's drawing. `mask` is there or not whoever sends it.
pub(crate) fn frame(first: u8, mask: Option<[u8; 4]>, payload: &[u8]) -> Vec<u8> {
    let mask_bit = if mask.is_some() { 0x80 } else { 0 };
    let len = payload.len();
    let mut bytes = vec![first];
    if len <= 125 {
        bytes.push(mask_bit | len as u8);
    } else if len <= 0xffff {
        bytes.push(mask_bit | 126);
        bytes.extend([(len >> 8) as u8, len as u8]);
    } else {
        bytes.push(mask_bit | 127);
        bytes.extend((0..8).map(|index| (len >> (56 - 8 * index)) as u8));
    }
    bytes.extend(mask.unwrap_or_default().iter().filter(|_| mask.is_some()));
    let mask = mask.unwrap_or_default();
    bytes.extend((0..len).map(|index| payload[index] ^ mask[index % 4]));
    bytes
}

/// The message that is being continued.
struct Partial {
    kind: Kind,
    compressed: bool,
    payload: Vec<u8>,
    fragments: usize,
}

/// Everything that a stream says, up to its end, its first error or its Close frame.
pub(crate) fn decode(stream: &[u8], setting: &Setting) -> Outcome {
    let mut seen = Vec::new();
    let mut partial = None;
    let mut at = 0;
    loop {
        match decode_frame(&stream[at..], setting, &mut partial) {
            Err(error) => return (seen, Some(error)),
            Ok(None) => return (seen, None),
            Ok(Some((len, event))) => {
                at += len;
                seen.extend(event);
                if let Some(Seen::Close(_)) = seen.last() {
                    return (seen, None);
                }
            }
        }
    }
}

type Decoded = Result<Option<(usize, Option<Seen>)>, WsError>;

fn decode_frame(bytes: &[u8], setting: &Setting, partial: &mut Option<Partial>) -> Decoded {
    let Some((first, masked, len, header)) = header(bytes, setting)? else {
        return Ok(None);
    };
    let (fin, opcode) = (first >= 0x80, first % 16);
    if opcode < 8 {
        check_order(opcode, partial.is_some())?;
        let before = partial.as_ref().map_or(0, |partial| partial.payload.len());
        let fragments = partial.as_ref().map_or(0, |partial| partial.fragments + 1);
        let total = before as u128 + len as u128;
        if total > setting.limits.message_bytes_max as u128 {
            return Err(WsError::MessageTooBig);
        }
        let cost = total + (fragments * FRAGMENT_COST) as u128;
        if cost > setting.limits.message_cost_max as u128 {
            return Err(WsError::MessageTooCostly);
        }
    }
    let there = (bytes.len() - header).min(len as usize);
    let mut payload = bytes[header..header + there].to_vec();
    if masked {
        for index in 0..there {
            payload[index] ^= bytes[header - 4 + index % 4];
        }
    }
    let whole = there as u64 == len;
    if opcode >= 8 {
        return if whole {
            Ok(Some((header + there, Some(control(opcode, payload)?))))
        } else {
            Ok(None)
        };
    }
    let mut message = match partial.take() {
        None => Partial {
            kind: if opcode == 1 {
                Kind::Text
            } else {
                Kind::Binary
            },
            compressed: first & 0x40 != 0,
            payload: Vec::new(),
            fragments: 0,
        },
        Some(partial) => Partial {
            fragments: partial.fragments + 1,
            ..partial
        },
    };
    message.payload.append(&mut payload);
    let ends = fin && whole;
    if message.kind == Kind::Text && !message.compressed {
        check_text(&message.payload, ends)?;
    }
    if !whole {
        return Ok(None);
    }
    if !fin {
        *partial = Some(message);
        return Ok(Some((header + there, None)));
    }
    let event = Seen::Message {
        kind: message.kind,
        compressed: message.compressed,
        payload: message.payload,
    };
    Ok(Some((header + there, Some(event))))
}

/// The first byte, whether there is a mask, the payload's length and the header's.
type Header = (u8, bool, u64, usize);

fn header(bytes: &[u8], setting: &Setting) -> Result<Option<Header>, WsError> {
    let [first, rest @ ..] = bytes else {
        return Ok(None);
    };
    let opcode = first % 16;
    if ![0, 1, 2, 8, 9, 10].contains(&opcode) {
        return Err(WsError::ReservedOpcode);
    }
    let compressible = setting.compression_agreed && [1, 2].contains(&opcode);
    if first & 0x30 != 0 || (first & 0x40 != 0 && !compressible) {
        return Err(WsError::ReservedBit);
    }
    if opcode >= 8 && *first < 0x80 {
        return Err(WsError::ControlFragmented);
    }
    let [second, rest @ ..] = rest else {
        return Ok(None);
    };
    let masked = *second >= 0x80;
    match (setting.role, masked) {
        (Role::Server, false) => return Err(WsError::Unmasked),
        (Role::Client, true) => return Err(WsError::Masked),
        _ => {}
    }
    let short = u64::from(second % 128);
    if opcode >= 8 && short > 125 {
        return Err(WsError::ControlTooLong);
    }
    let size = match short {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    let mut len = if size == 0 { short } else { 0 };
    for byte in rest.iter().take(size) {
        len = len * 256 + u64::from(*byte);
    }
    // Whatever follows, a length like this is too long, or could have been written shorter.
    let known = rest.len().min(size);
    let least = (u128::from(len)) << (8 * (size - known));
    let most = least + ((1 << (8 * (size - known))) - 1);
    let needless = match short {
        126 => most <= 125,
        127 => most <= 0xffff,
        _ => false,
    };
    if needless || (short == 127 && least >= 1 << 63) {
        return Err(WsError::Length);
    }
    let header = 2 + size + if masked { 4 } else { 0 };
    Ok((bytes.len() >= header).then_some((*first, masked, len, header)))
}

fn check_order(opcode: u8, continues: bool) -> Result<(), WsError> {
    match (opcode, continues) {
        (0, false) => Err(WsError::ContinuationUnexpected),
        (1 | 2, true) => Err(WsError::ContinuationMissing),
        _ => Ok(()),
    }
}

fn check_text(payload: &[u8], ends: bool) -> Result<(), WsError> {
    match str::from_utf8(payload) {
        Ok(_) => Ok(()),
        Err(error) if error.error_len().is_none() && !ends => Ok(()),
        Err(_) => Err(WsError::Utf8),
    }
}

fn control(opcode: u8, payload: Vec<u8>) -> Result<Seen, WsError> {
    match opcode {
        9 => return Ok(Seen::Ping(payload)),
        10 => return Ok(Seen::Pong(payload)),
        _ => {}
    }
    match payload.len() {
        0 => return Ok(Seen::Close(None)),
        1 => return Err(WsError::CloseLength),
        _ => {}
    }
    let code = u16::from(payload[0]) * 256 + u16::from(payload[1]);
    let unsendable = [1004, 1005, 1006].contains(&code);
    if !(1000..=1014).contains(&code) && !(3000..=4999).contains(&code) || unsendable {
        return Err(WsError::CloseCode);
    }
    let reason = String::from_utf8(payload[2..].to_vec());
    let reason = reason.map_err(|_| WsError::CloseReason)?;
    Ok(Seen::Close(Some((code, reason))))
}
