//! WebSocket: frame headers, messages, the opening handshake.

use keirin::proto::http1::head::{HeadLimits, HeaderSlots, parse};
use keirin::proto::ws::close::{ClosePayload, REASON_BYTES_MAX, parse_close};
use keirin::proto::ws::frame::{FrameHeader, Role, encode_header, parse_header};
use keirin::proto::ws::handshake::{Handshake, accept_key, check};
use keirin::proto::ws::message::FRAGMENT_COST;
use keirin::proto::ws::{
    Event, Kind, MessageLimits, OriginPolicy, Receiver, Workspace, WsError, utf8,
};

use crate::pieces::{CUTS, pieces};

const ROLES: [Role; 2] = [Role::Server, Role::Client];

/// Parses a header as a growing prefix; what was accepted is what our own encoder makes of it.
pub fn frames(data: &[u8]) {
    for role in ROLES {
        for rsv1_allowed in [false, true] {
            let mut verdict = Ok(None);
            for len in 0..=data.len().min(20) {
                let outcome = parse_header(&data[..len], role, rsv1_allowed);
                if verdict == Ok(None) {
                    verdict = outcome;
                }
                assert_eq!(outcome, verdict, "with {len} bytes");
            }
            if let Ok(Some(header)) = verdict {
                check_header(&header, data, role);
            }
        }
    }
}

fn check_header(header: &FrameHeader, data: &[u8], role: Role) {
    assert_eq!(header.mask.is_some(), role == Role::Server);
    let mut again = Vec::new();
    let length = header.payload_bytes as usize;
    encode_header(&mut again, header.fin, header.rsv1, header.opcode, length);
    if let Some(mask) = header.mask {
        again[1] |= 0x80;
        again.extend_from_slice(&mask);
    }
    assert_eq!(again, data[..header.header_bytes]);
}

/// Limits that an input can run into.
const LIMITS: MessageLimits = MessageLimits {
    message_bytes_max: 300,
    message_cost_max: 600,
};

/// The events of a stream, with their bytes, and the error that ended it.
type Outcome = (Vec<(String, Vec<u8>)>, Option<WsError>);

/// Reads a stream whole and in pieces: the events and the error are the same. The first byte
/// chooses the role and whether compression was agreed on, the next four how it is cut.
pub fn messages(data: &[u8]) {
    let Some((&[settings, ref cuts @ ..], stream)) = data.split_first_chunk::<{ 1 + CUTS }>()
    else {
        return;
    };
    let role = ROLES[usize::from(settings & 1)];
    let agreed = settings & 2 != 0;
    let whole = read([stream].into_iter(), role, agreed);
    let single = read(stream.chunks(1), role, agreed);
    assert_eq!(single, whole, "byte by byte");
    assert_eq!(read(pieces(stream, cuts), role, agreed), whole, "in pieces");
}

fn read<'a>(input: impl Iterator<Item = &'a [u8]>, role: Role, agreed: bool) -> Outcome {
    let mut receiver = Receiver::new(role, agreed);
    let mut workspace = Workspace::default();
    let (mut seen, mut pending) = (Vec::new(), Vec::new());
    for piece in input {
        pending.extend_from_slice(piece);
        loop {
            let step = match receiver.next(&mut pending, &mut workspace, &LIMITS) {
                Ok(step) => step,
                Err(error) => return (seen, Some(error)),
            };
            let used = step.used;
            let Some(event) = step.event else {
                pending.drain(..used);
                assert!(pending.len() < 6 + 125, "{} unused", pending.len());
                break;
            };
            let is_last = matches!(event, Event::Close(_));
            seen.push(check_event(event));
            if is_last {
                return (seen, None);
            }
            pending.drain(..used);
        }
        assert!(receiver.buffered_bytes() <= LIMITS.message_bytes_max);
    }
    (seen, None)
}

fn check_event(event: Event<'_>) -> (String, Vec<u8>) {
    const { assert!(LIMITS.message_cost_max > FRAGMENT_COST) };
    if let Some((kind, compressed, payload)) = event.message() {
        assert!(payload.len() <= LIMITS.message_bytes_max);
        assert_eq!(str::from_utf8(payload).is_ok(), utf8::text(payload).is_some());
        return (format!("{kind:?} {compressed}"), payload.to_vec());
    }
    match event {
        Event::Text(_) | Event::Binary(_) | Event::Compressed(..) => unreachable!("seen to"),
        Event::Ping(payload) => ("ping".to_owned(), payload.to_vec()),
        Event::Pong(payload) => ("pong".to_owned(), payload.to_vec()),
        Event::Close(None) => ("close".to_owned(), Vec::new()),
        Event::Close(Some((code, reason))) => {
            assert!(reason.len() <= REASON_BYTES_MAX);
            let again = ClosePayload::new(code, reason);
            assert_eq!(parse_close(&again), Ok(Some((code, reason))));
            (format!("close {code}"), reason.as_bytes().to_vec())
        }
    }
}

const HEAD_LIMITS: HeadLimits = HeadLimits {
    head_bytes_max: 16 << 10,
    header_count_max: 100,
    target_bytes_max: 8 << 10,
};

/// Checks any head that parses for a handshake; what is agreed to has what section 4.1 asks for.
pub fn handshake(data: &[u8]) {
    let mut slots = HeaderSlots::default();
    let Ok(Some(head)) = parse(data, &mut slots, &HEAD_LIMITS) else {
        return;
    };
    let values = |name: &str| -> Vec<String> {
        let named = head
            .headers()
            .filter(|(found, _)| found.eq_ignore_ascii_case(name.as_bytes()));
        named
            .map(|(_, value)| String::from_utf8_lossy(value).to_ascii_lowercase())
            .collect()
    };
    match check(&head) {
        Ok(handshake) => {
            assert_eq!(head.method(), b"GET");
            assert_eq!(head.version_minor(), 1);
            assert!(values("upgrade").join(",").contains("websocket"));
            assert!(values("connection").join(",").contains("upgrade"));
            assert_eq!(values("sec-websocket-version"), ["13"]);
            assert_eq!(values("sec-websocket-key").len(), 1);
            assert_eq!(
                handshake.extensions().count(),
                values("sec-websocket-extensions").len()
            );
            check_handshake(&handshake, &values("host").concat());
        }
        Err(error) => assert!([400, 405, 426].contains(&error.status())),
    }
}

fn check_handshake(handshake: &Handshake<'_>, host: &str) {
    assert_eq!(handshake.key().len(), 24);
    assert_eq!(handshake.accept(), accept_key(handshake.key()));
    let protocols: Vec<_> = handshake.protocols().collect();
    for (index, protocol) in protocols.iter().enumerate() {
        assert!(!protocols[..index].contains(protocol));
    }
    let origin = handshake.origin();
    let allowed = OriginPolicy::SameHost.allows(origin, host.as_bytes());
    match origin.map(String::from_utf8_lossy) {
        None => assert!(allowed),
        Some(origin) => {
            let name = host.split(':').next().unwrap_or_default();
            let origin = origin.to_ascii_lowercase();
            assert!(!allowed || origin.starts_with("http") && origin.contains(name));
        }
    }
}
