//! What a client must not send: the Close frame that answers it, the cause that the handler is
//! told, and that this is the last thing to happen.

use keirin::WsError;

use crate::support::{assert_clean, assert_gone, config, frames, heard, open_quietly, send, start};
use crate::wire::{self, BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, frame};

/// Sends `bytes` whole, byte by byte, and in two pieces cut everywhere; then more messages, which
/// nobody may hear.
fn refused(bytes: &[u8], before: &[&str], error: WsError) {
    let mut ways: Vec<Vec<&[u8]>> = vec![vec![bytes], bytes.chunks(1).collect()];
    if bytes.len() < 300 {
        ways.extend((1..bytes.len()).map(|at| vec![&bytes[..at], &bytes[at..]]));
    } else {
        ways.truncate(1);
    }
    for pieces in ways {
        let mut sim = start(config());
        let client = open_quietly(&mut sim);
        for piece in &pieces {
            send(&mut sim, client, piece);
        }
        send(
            &mut sim,
            client,
            [wire::text("late"), wire::ping(b"late")].concat(),
        );
        let told = heard(&mut sim, 0);
        let code = error.close_code();
        let (last, others) = told.split_last().expect("the end is told");
        assert!(
            last.starts_with(&format!("closed Protocol({error:?}) {code}")),
            "{told:?} for {}",
            bytes.escape_ascii()
        );
        assert_eq!(others, before);
        let sent = frames(&mut sim, client);
        let closes: Vec<_> = sent
            .iter()
            .filter(|line| line.starts_with("close"))
            .collect();
        assert_eq!(closes.len(), 1, "{sent:?}");
        assert!(
            sent.last()
                .is_some_and(|line| line.starts_with(&format!("close {code}")))
        );
        assert_gone(&mut sim, client);
        assert_clean(&sim);
        assert_eq!(heard(&mut sim, 0), [""; 0]);
    }
}

/// A frame with its first two bytes changed.
fn with_bits(mut frame: Vec<u8>, first: u8, second: u8) -> Vec<u8> {
    frame[0] ^= first;
    frame[1] ^= second;
    frame
}

/// A frame whose length is written in as many bytes as are given.
fn with_length(opcode: u8, length: &[u8], payload: usize) -> Vec<u8> {
    let short = if length.len() == 2 { 126 } else { 127 };
    let mut frame = vec![0x80 | opcode, 0x80 | short];
    frame.extend(length);
    frame.extend([0; 4]);
    frame.resize(frame.len() + payload, b'x');
    frame
}

#[test]
fn reserved_bits_have_no_meaning() {
    for bit in [0x40, 0x20, 0x10, 0x70] {
        for opcode in [TEXT, BINARY, PING, PONG, CLOSE] {
            refused(
                &with_bits(frame(opcode, true, b""), bit, 0),
                &[],
                WsError::ReservedBit,
            );
        }
        let middle = with_bits(frame(CONTINUATION, true, b"b"), bit, 0);
        let stream = [frame(TEXT, false, b"a"), middle].concat();
        refused(&stream, &[], WsError::ReservedBit);
    }
}

#[test]
fn reserved_opcodes_have_no_meaning() {
    for opcode in (3..8).chain(11..16) {
        refused(&frame(opcode, true, b"x"), &[], WsError::ReservedOpcode);
        refused(
            &[wire::text("before"), frame(opcode, true, b"")].concat(),
            &["text before"],
            WsError::ReservedOpcode,
        );
    }
}

#[test]
fn a_client_has_to_mask() {
    for opcode in [TEXT, BINARY, PING, PONG, CLOSE] {
        refused(&[0x80 | opcode, 0], &[], WsError::Unmasked);
        refused(&[0x80 | opcode, 2, 3, 232], &[], WsError::Unmasked);
    }
}

#[test]
fn a_length_has_as_few_bytes_as_it_needs() {
    for length in [0_u16, 1, 125] {
        let frame = with_length(BINARY, &length.to_be_bytes(), length.into());
        refused(&frame, &[], WsError::Length);
    }
    for length in [0_u64, 125, 126, 0xffff] {
        let frame = with_length(BINARY, &length.to_be_bytes(), 10);
        refused(&frame, &[], WsError::Length);
    }
    for length in [1 << 63, u64::MAX] {
        refused(
            &with_length(BINARY, &length.to_be_bytes(), 10),
            &[],
            WsError::Length,
        );
    }
}

#[test]
fn control_frames_are_short_and_whole() {
    for opcode in [PING, PONG, CLOSE] {
        refused(&frame(opcode, false, b""), &[], WsError::ControlFragmented);
        refused(
            &frame(opcode, true, &[b'x'; 126]),
            &[],
            WsError::ControlTooLong,
        );
        refused(
            &frame(opcode, true, &[b'x'; 70_000]),
            &[],
            WsError::ControlTooLong,
        );
    }
}

#[test]
fn fragments_are_in_order() {
    for is_last in [false, true] {
        let alone = frame(CONTINUATION, is_last, b"x");
        refused(&alone, &[], WsError::ContinuationUnexpected);
        let behind = [wire::text("whole"), frame(CONTINUATION, is_last, b"x")].concat();
        refused(&behind, &["text whole"], WsError::ContinuationUnexpected);
        for opcode in [TEXT, BINARY] {
            let inside = [frame(TEXT, false, b"x"), frame(opcode, is_last, b"y")].concat();
            refused(&inside, &[], WsError::ContinuationMissing);
        }
    }
    let ended = [
        frame(BINARY, false, b"a"),
        frame(CONTINUATION, true, b"b"),
        frame(CONTINUATION, true, b"c"),
    ];
    refused(
        &ended.concat(),
        &["binary ab"],
        WsError::ContinuationUnexpected,
    );
}

#[test]
fn text_is_utf8() {
    let malformed: [&[u8]; 12] = [
        b"\x80",
        b"a\xff",
        b"\xc0\x80",
        b"\xc1\xbf",
        b"\xe0\x80\x80",
        b"\xed\xa0\x80",
        b"\xf0\x80\x80\x80",
        b"\xf4\x90\x80\x80",
        b"\xf8\x88\x80\x80\x80",
        b"\xe2\x82",
        b"\xf0\x9f\x98",
        b"0123456789abcdef0123456789abcdef\xc3",
    ];
    for payload in malformed {
        refused(&frame(TEXT, true, payload), &[], WsError::Utf8);
        let (front, back) = payload.split_at(payload.len() / 2);
        let stream = [frame(TEXT, false, front), frame(CONTINUATION, true, back)].concat();
        refused(&stream, &[], WsError::Utf8);
    }
    let mut sim = start(config());
    let client = open_quietly(&mut sim);
    send(&mut sim, client, frame(BINARY, true, b"\xff\xc0"));
    assert_eq!(heard(&mut sim, 0), ["binary \\xff\\xc0"]);
}

#[test]
fn malformed_text_is_refused_before_its_frame_ends() {
    // The fifth byte cannot follow the fourth; 995 more are announced.
    for fragmented in [false, true] {
        let mut sim = start(config());
        let client = open_quietly(&mut sim);
        if fragmented {
            send(&mut sim, client, frame(TEXT, false, b"ok \xf0\x9f"));
        }
        let opcode = if fragmented { CONTINUATION } else { TEXT };
        let whole = frame(opcode, true, &[&b"\xc0\xaf"[..], &[b'x'; 998]].concat());
        // The header has 8 bytes.
        send(&mut sim, client, &whole[..10]);
        assert!(heard(&mut sim, 0)[0].starts_with("closed Protocol(Utf8) 1007"));
        assert!(frames(&mut sim, client)[0].starts_with("close 1007"));
    }
}

#[test]
fn malformed_text_is_refused_before_its_last_fragment() {
    let mut sim = start(config());
    let client = open_quietly(&mut sim);
    send(&mut sim, client, frame(TEXT, false, b"a\xed\xa0"));
    assert!(heard(&mut sim, 0)[0].starts_with("closed Protocol(Utf8) 1007"));
    assert!(frames(&mut sim, client)[0].starts_with("close 1007"));
}

#[test]
fn close_frames_are_checked() {
    refused(&frame(CLOSE, true, b"\x03"), &[], WsError::CloseLength);
    for code in [
        0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535,
    ] {
        refused(&wire::close(code, b""), &[], WsError::CloseCode);
        refused(&wire::close(code, b"reason"), &[], WsError::CloseCode);
    }
    for reason in [&b"\xff"[..], b"a\xc3", b"\xed\xa0\x80"] {
        refused(&wire::close(1000, reason), &[], WsError::CloseReason);
    }
    let behind = [frame(TEXT, false, b"begun"), frame(CLOSE, true, b"x")].concat();
    refused(&behind, &[], WsError::CloseLength);
}

#[test]
fn messages_in_front_of_an_error_are_delivered_and_none_behind_it() {
    let stream = [
        wire::text("one"),
        wire::ping(b"two"),
        frame(BINARY, false, b"never"),
        frame(TEXT, true, b"inside"),
        wire::text("behind"),
    ];
    refused(
        &stream.concat(),
        &["text one", "ping two"],
        WsError::ContinuationMissing,
    );
}
