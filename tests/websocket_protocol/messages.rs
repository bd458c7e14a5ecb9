//! What comes out of which bytes.

use std::slice::from_ref;

use keirin::proto::ws::frame::encode_masked;
use keirin::proto::ws::{
    Event, Kind, MessageLimits, Opcode, Receiver, Role, Step, Workspace, WsError,
};

use crate::drive::{LARGE, Seen, Setting};
use crate::reference::frame;

const MASK: [u8; 4] = [0xa1, 0x02, 0xff, 0x40];

/// Masked frames, from their first bytes and payloads.
fn stream(frames: &[(u8, &[u8])]) -> Vec<u8> {
    let masked = |(first, payload): &(u8, &[u8])| frame(*first, Some(MASK), payload);
    frames.iter().flat_map(masked).collect()
}

#[track_caller]
fn expect(frames: &[(u8, &[u8])], events: &[Seen], error: Option<WsError>) {
    let outcome = Setting::plain(Role::Server).read_all_ways(&stream(frames));
    assert_eq!(outcome, (events.to_vec(), error), "{frames:x?}");
}

/// Section 5.7.
#[test]
fn the_examples_of_the_rfc() {
    let hello = Seen::text("Hello");
    let unmasked: [(&[u8], &[Seen]); 4] = [
        (b"\x81\x05Hello", from_ref(&hello)),
        (b"\x01\x03Hel\x80\x02lo", from_ref(&hello)),
        (b"\x89\x05Hello", &[Seen::Ping(b"Hello".to_vec())]),
        (b"\x82\x7e\x01\x00", &[]),
    ];
    for (bytes, events) in unmasked {
        let outcome = Setting::plain(Role::Client).read_all_ways(bytes);
        assert_eq!(outcome, (events.to_vec(), None), "{bytes:x?}");
    }
    let masked: [(&[u8], Seen); 2] = [
        (b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", hello),
        (
            b"\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58",
            Seen::Pong(b"Hello".to_vec()),
        ),
    ];
    for (bytes, event) in masked {
        let outcome = Setting::plain(Role::Server).read_all_ways(bytes);
        assert_eq!(outcome, (vec![event], None), "{bytes:x?}");
    }
}

#[test]
fn messages_and_their_pieces() {
    let text = "a\u{20ac}\u{1f6b2}z";
    let bytes = text.as_bytes();
    expect(&[(0x81, b"")], &[Seen::text("")], None);
    expect(&[(0x82, b"\xff")], &[Seen::binary(b"\xff")], None);
    expect(
        &[(0x81, b"a"), (0x82, b"b")],
        &[Seen::text("a"), Seen::binary(b"b")],
        None,
    );
    for cut in 0..=bytes.len() {
        let (front, back) = bytes.split_at(cut);
        expect(&[(0x01, front), (0x80, back)], &[Seen::text(text)], None);
    }
    expect(
        &[(0x02, b""), (0x00, b""), (0x80, b"")],
        &[Seen::binary(b"")],
        None,
    );
    expect(
        &[
            (0x01, b"a"),
            (0x89, b"?"),
            (0x00, b"b"),
            (0x8a, b""),
            (0x80, b"c"),
        ],
        &[
            Seen::Ping(b"?".to_vec()),
            Seen::Pong(vec![]),
            Seen::text("abc"),
        ],
        None,
    );
}

#[test]
fn frames_out_of_order() {
    let unexpected = Some(WsError::ContinuationUnexpected);
    let missing = Some(WsError::ContinuationMissing);
    expect(&[(0x80, b"")], &[], unexpected);
    expect(&[(0x00, b"a")], &[], unexpected);
    expect(
        &[(0x81, b"a"), (0x80, b"b")],
        &[Seen::text("a")],
        unexpected,
    );
    expect(
        &[(0x01, b"a"), (0x80, b""), (0x00, b"b")],
        &[Seen::text("a")],
        unexpected,
    );
    expect(&[(0x01, b"a"), (0x81, b"b")], &[], missing);
    expect(&[(0x02, b"a"), (0x01, b"b")], &[], missing);
    expect(
        &[(0x01, b"a"), (0x89, b""), (0x82, b"b")],
        &[Seen::Ping(vec![])],
        missing,
    );
}

#[test]
fn text_that_is_none() {
    for bad in [
        &b"\xff"[..],
        b"a\xc3",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\xc0\xaf",
    ] {
        expect(&[(0x81, bad)], &[], Some(WsError::Utf8));
        expect(&[(0x01, bad), (0x80, b"")], &[], Some(WsError::Utf8));
        expect(&[(0x82, bad)], &[Seen::binary(bad)], None);
        for cut in 0..bad.len() {
            let (front, back) = bad.split_at(cut);
            expect(&[(0x01, front), (0x80, back)], &[], Some(WsError::Utf8));
        }
    }
}

/// The receiver does not wait for the end of a text to find that it is none.
#[test]
fn text_fails_at_its_first_wrong_byte() {
    let mut bytes = frame(0x01, Some(MASK), b"good \xe2\x82");
    let header = frame(0x80, Some(MASK), &[b'x'; 1000]);
    bytes.extend(&header[..8]);
    let good = bytes.len();
    for (next, expected) in [(0xac, None), (0x41, Some(WsError::Utf8))] {
        bytes.truncate(good);
        bytes.push(next ^ MASK[0]);
        let setting = Setting::plain(Role::Server);
        assert_eq!(setting.read_all_ways(&bytes), (vec![], expected));
    }
}

#[test]
fn closing() {
    let why = |code: u16, reason: &str| [&code.to_be_bytes(), reason.as_bytes()].concat();
    expect(&[(0x88, b"")], &[Seen::Close(None)], None);
    expect(
        &[(0x88, &why(1001, "bye")), (0xff, b"ignored")],
        &[Seen::Close(Some((1001, "bye".to_owned())))],
        None,
    );
    expect(&[(0x01, b"a"), (0x88, b"")], &[Seen::Close(None)], None);
    expect(&[(0x88, b"\x03")], &[], Some(WsError::CloseLength));
    expect(&[(0x88, &why(1005, ""))], &[], Some(WsError::CloseCode));
    expect(&[(0x88, b"\x03\xe8\xff")], &[], Some(WsError::CloseReason));
}

/// Compressed text is for the one who decompresses it to check.
#[test]
fn compressed_messages_pass_as_they_are() {
    let setting = Setting {
        compression_agreed: true,
        ..Setting::plain(Role::Server)
    };
    let compressed = |kind, payload: &[u8]| Seen::Message {
        kind,
        compressed: true,
        payload: payload.to_vec(),
    };
    let bytes = stream(&[
        (0xc1, b"\xff"),
        (0x42, b"\xfe"),
        (0x80, b"\xfd"),
        (0x81, b"a"),
    ]);
    let events = vec![
        compressed(Kind::Text, b"\xff"),
        compressed(Kind::Binary, b"\xfe\xfd"),
        Seen::text("a"),
    ];
    assert_eq!(setting.read_all_ways(&bytes), (events, None));
    for first in [0xc0, 0xc8, 0xc9, 0xca] {
        let bytes = stream(&[(0x01, b"a"), (first, b"")]);
        let outcome = (vec![], Some(WsError::ReservedBit));
        assert_eq!(setting.read_all_ways(&bytes), outcome, "{first:x}");
    }
    expect(&[(0xc1, b"a")], &[], Some(WsError::ReservedBit));
}

/// One step of a receiver that has what it needs.
#[track_caller]
fn step<'a>(
    receiver: &mut Receiver,
    bytes: &'a mut [u8],
    workspace: &'a mut Workspace,
    limits: &MessageLimits,
) -> Step<'a> {
    receiver
        .next(bytes, workspace, limits)
        .expect("well formed")
}

#[test]
fn a_message_that_is_all_there_is_not_copied() {
    let mut receiver = Receiver::new(Role::Server, false);
    let mut workspace = Workspace::default();
    let mut bytes = stream(&[(0x81, &[b'a'; 500]), (0x82, b"next")]);
    let place = bytes.as_ptr_range();
    let step = step(&mut receiver, &mut bytes, &mut workspace, &LARGE);
    let Some((_, _, payload)) = step.event.as_ref().and_then(Event::message) else {
        panic!("{step:?}");
    };
    assert!(place.contains(&payload.as_ptr()));
    assert_eq!((step.used, payload.len()), (508, 500));
    assert_eq!(receiver.buffered_bytes(), 0);
}

/// The buffer of one message in pieces serves the next, on any socket, unless it is large.
#[test]
fn buffers_are_used_again() {
    let mut workspace = Workspace::default();
    let mut places = Vec::new();
    for len in [3000, 3000, 1000, 5 << 20, 3000] {
        let mut receiver = Receiver::new(Role::Server, false);
        let mut bytes = stream(&[(0x02, &vec![7; len - 1]), (0x80, b"z")]);
        let step = step(&mut receiver, &mut bytes, &mut workspace, &LARGE);
        let Some((_, _, payload)) = step.event.as_ref().and_then(Event::message) else {
            panic!("{step:?}");
        };
        assert_eq!(payload.len(), len);
        places.push(payload.as_ptr());
        assert_eq!(receiver.buffered_bytes(), 0, "it has left the socket");
    }
    assert!(places[0] == places[1] && places[1] == places[2]);
    assert!(places[3] != places[4], "a large one is given back");
}

#[test]
fn a_receiver_is_small() {
    assert!(size_of::<Receiver>() <= 16, "{}", size_of::<Receiver>());
}

/// A control frame is left alone until all of it is there, its mask on.
#[test]
fn what_is_not_used_is_not_changed() {
    let mut receiver = Receiver::new(Role::Server, false);
    let mut workspace = Workspace::default();
    let mut bytes = Vec::new();
    encode_masked(&mut bytes, true, false, Opcode::Ping, b"hello", MASK);
    for len in 0..bytes.len() {
        let mut front = bytes[..len].to_vec();
        let step = step(&mut receiver, &mut front, &mut workspace, &LARGE);
        assert_eq!((step.used, step.event), (0, None));
        assert_eq!(front, bytes[..len]);
    }
}
