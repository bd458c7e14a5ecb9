//! Every limit on both sides, and what a peer can make a socket hold.

use keirin::proto::ws::message::FRAGMENT_COST;
use keirin::proto::ws::{Event, MessageLimits, Receiver, Role, Workspace, WsError};

use crate::drive::{LARGE, Seen, Setting};
use crate::reference::frame;

const MASK: [u8; 4] = [9, 8, 7, 6];

#[track_caller]
fn outcome(limits: MessageLimits, frames: &[(u8, usize)]) -> Result<usize, WsError> {
    let masked = |(first, len): &(u8, usize)| frame(*first, Some(MASK), &vec![0; *len]);
    let stream: Vec<u8> = frames.iter().flat_map(masked).collect();
    let setting = Setting {
        limits,
        ..Setting::plain(Role::Server)
    };
    match setting.read_all_ways(&stream) {
        (_, Some(error)) => Err(error),
        (events, None) => match &events[..] {
            [Seen::Message { payload, .. }] => Ok(payload.len()),
            other => panic!("{other:?}"),
        },
    }
}

#[test]
fn bytes_of_a_message() {
    let limits = MessageLimits {
        message_bytes_max: 1000,
        ..LARGE
    };
    let too_big = Err(WsError::MessageTooBig);
    assert_eq!(outcome(limits, &[(0x82, 1000)]), Ok(1000));
    assert_eq!(outcome(limits, &[(0x82, 1001)]), too_big);
    assert_eq!(outcome(limits, &[(0x02, 500), (0x80, 500)]), Ok(1000));
    assert_eq!(outcome(limits, &[(0x02, 500), (0x80, 501)]), too_big);
    assert_eq!(outcome(limits, &[(0x02, 1000), (0x80, 0)]), Ok(1000));
    assert_eq!(outcome(limits, &[(0x02, 1000), (0x00, 1)]), too_big);
}

#[test]
fn cost_of_a_message() {
    let limits = |cost| MessageLimits {
        message_cost_max: cost,
        ..LARGE
    };
    let pieces: Vec<(u8, usize)> = (0..10)
        .map(|index| (if index == 0 { 0x02 } else { 0x00 }, 10))
        .chain([(0x80, 10)])
        .collect();
    let cost = 11 * 10 + 10 * FRAGMENT_COST;
    assert_eq!(outcome(limits(cost), &pieces), Ok(110));
    let costly = Err(WsError::MessageTooCostly);
    assert_eq!(outcome(limits(cost - 1), &pieces), costly);
    assert_eq!(outcome(limits(1000), &[(0x82, 1000)]), Ok(1000));
    assert_eq!(outcome(limits(1000), &[(0x82, 1001)]), costly);
}

/// Autobahn's cases 9.3.1 and 9.4.1.
#[test]
fn four_mebibytes_in_small_fragments_pass() {
    let count = (4 << 20) / 64;
    let first = |index: usize| match index {
        0 => 0x02,
        last if last + 1 == count => 0x80,
        _ => 0x00,
    };
    let piece = |index| frame(first(index), Some(MASK), &[0; 64]);
    let stream: Vec<u8> = (0..count).flat_map(piece).collect();
    let (events, error) = Setting::plain(Role::Server).read(&stream, &[stream.len()]);
    assert_eq!(error, None);
    assert!(events == [Seen::binary(&vec![0; 4 << 20])]);
}

/// Frames without end: empty ones, and ones of a byte.
#[test]
fn a_message_of_crumbs_comes_to_an_end() {
    for len in [0, 1] {
        let mut receiver = Receiver::new(Role::Server, false);
        let mut workspace = Workspace::default();
        let limits = MessageLimits {
            message_bytes_max: 100_000,
            message_cost_max: 100_000,
        };
        let mut bytes = frame(0x02, Some(MASK), &[]);
        let mut count = 0;
        let error = loop {
            let frame_bytes = bytes.len();
            match receiver.next(&mut bytes, &mut workspace, &limits) {
                Ok(step) => assert_eq!((step.used, step.event), (frame_bytes, None)),
                Err(error) => break error,
            }
            assert!(receiver.buffered_bytes() <= limits.message_bytes_max);
            bytes = frame(0x00, Some(MASK), &[7][..len]);
            count += 1;
            assert!(count <= limits.message_cost_max, "without end");
        };
        assert_eq!(error, WsError::MessageTooCostly);
        assert_eq!(count, 100_000 / (FRAGMENT_COST + len) + 1);
    }
}

/// An announced length is refused before any of its bytes, and believed no further than it is kept.
#[test]
fn what_a_header_announces() {
    let header = |length: u64| [&[0x82, 0xff], &length.to_be_bytes()[..], &MASK].concat();
    let setting = Setting::plain(Role::Server);
    for (length, error) in [
        (16 << 20, None),
        ((16 << 20) + 1, Some(WsError::MessageTooBig)),
        ((1 << 63) - 1, Some(WsError::MessageTooBig)),
        (1 << 63, Some(WsError::Length)),
    ] {
        assert_eq!(setting.read_all_ways(&header(length)), (vec![], error));
    }

    let mut receiver = Receiver::new(Role::Server, false);
    let mut workspace = Workspace::default();
    let mut arrived = 0;
    let mut bytes = header(16 << 20);
    loop {
        let step = receiver.next(&mut bytes, &mut workspace, &LARGE).unwrap();
        match step.event {
            Some(Event::Binary(payload)) => {
                assert_eq!(payload.len(), 16 << 20);
                return;
            }
            other => assert_eq!(other, None),
        }
        let held = receiver.buffered_bytes();
        assert!(
            held <= arrived + arrived.max(64 << 10),
            "{held} for {arrived}"
        );
        bytes = vec![1; 10_000.min((16 << 20) - arrived)];
        arrived += bytes.len();
    }
}

/// Fragments of one byte hold no more than twice what has arrived, and never more than the limit.
#[test]
fn small_fragments_take_little_room() {
    let limits = MessageLimits {
        message_bytes_max: 1500,
        ..LARGE
    };
    let mut receiver = Receiver::new(Role::Server, false);
    let mut workspace = Workspace::default();
    for arrived in 1..=1500 {
        let mut bytes = frame(if arrived == 1 { 0x02 } else { 0x00 }, Some(MASK), b"x");
        let len = bytes.len();
        let step = receiver.next(&mut bytes, &mut workspace, &limits).unwrap();
        assert_eq!((step.used, step.event), (len, None));
        let held = receiver.buffered_bytes();
        assert!(held <= (2 * arrived).min(1500), "{held} for {arrived}");
    }
}
