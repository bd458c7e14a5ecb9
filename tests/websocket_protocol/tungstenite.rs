//! Against tungstenite: what it sends is read here, what is sent here it reads.

use std::io::{self, Read, Write};

use keirin::proto::ws::close::ClosePayload;
use keirin::proto::ws::frame::{encode_frame, encode_masked};
use keirin::proto::ws::{Kind, Opcode, Role};
use tungstenite::protocol::frame::coding::{Data, OpCode};
use tungstenite::protocol::frame::{CloseFrame, Frame};
use tungstenite::protocol::{self, WebSocket};
use tungstenite::{Error, Message};

use crate::drive::{Seen, Setting};
use crate::random::Random;

const ROUNDS: u64 = 60;
const MESSAGES: usize = 30;

/// A peer's end of the wire.
#[derive(Default)]
struct Wire {
    input: Vec<u8>,
    at: usize,
    output: Vec<u8>,
    /// The most that is read at once.
    read_bytes_max: usize,
}

impl Read for Wire {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let left = &self.input[self.at..];
        if left.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let count = left.len().min(into.len()).min(self.read_bytes_max);
        into[..count].copy_from_slice(&left[..count]);
        self.at += count;
        Ok(count)
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.output.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A stream of messages: what each is, and the lengths of its frames.
fn any_messages(random: &mut Random) -> Vec<(Seen, Vec<usize>)> {
    let mut messages = Vec::new();
    for _ in 0..MESSAGES {
        let len = random.len();
        messages.push(match random.below(6) {
            0..2 => (Seen::text(&random.text(len)), random.cuts(len)),
            2..4 => (Seen::binary(&random.bytes(len)), random.cuts(len)),
            4 => (Seen::Ping(random.bytes(len.min(125))), vec![]),
            _ => (Seen::Pong(random.bytes(len.min(125))), vec![]),
        });
        if let (Seen::Message { payload, .. }, cuts) = messages.last_mut().expect("pushed") {
            if random.one_in(2) || cuts.is_empty() {
                *cuts = vec![payload.len()];
            } else if random.one_in(3) {
                cuts.insert(random.below(cuts.len() + 1), 0);
            }
        }
    }
    let reason = random.text(20);
    let close = [None, Some((1000, reason.clone())), Some((4999, reason))][random.below(3)].clone();
    messages.push((Seen::Close(close), vec![]));
    messages
}

/// The frames of a message: opcode, FIN, payload. Other frames may come between.
fn frames<'a>(kind: Kind, payload: &'a [u8], cuts: &[usize]) -> Vec<(Opcode, bool, &'a [u8])> {
    let mut rest = payload;
    let mut frames = Vec::new();
    for (index, cut) in cuts.iter().enumerate() {
        let (front, behind) = rest.split_at(*cut);
        let opcode = match (index, kind) {
            (0, Kind::Text) => Opcode::Text,
            (0, Kind::Binary) => Opcode::Binary,
            _ => Opcode::Continuation,
        };
        frames.push((opcode, index + 1 == cuts.len(), front));
        rest = behind;
    }
    frames
}

fn sent_by_tungstenite(messages: &[(Seen, Vec<usize>)], role: protocol::Role) -> Vec<u8> {
    let mut peer = WebSocket::from_raw_socket(Wire::default(), role, None);
    for (message, cuts) in messages {
        match message.clone() {
            Seen::Message { kind, payload, .. } => {
                for (opcode, fin, part) in frames(kind, &payload, cuts) {
                    let data = match opcode {
                        Opcode::Text => Data::Text,
                        Opcode::Binary => Data::Binary,
                        _ => Data::Continue,
                    };
                    let frame = Frame::message(part.to_vec(), OpCode::Data(data), fin);
                    peer.write(Message::Frame(frame)).expect("memory");
                }
            }
            Seen::Ping(payload) => peer.write(Message::Ping(payload.into())).expect("memory"),
            Seen::Pong(payload) => peer.write(Message::Pong(payload.into())).expect("memory"),
            Seen::Close(close) => {
                let frame = close.map(|(code, reason)| CloseFrame {
                    code: code.into(),
                    reason: reason.into(),
                });
                peer.write(Message::Close(frame)).expect("memory");
            }
        }
    }
    peer.flush().expect("memory");
    peer.get_ref().output.clone()
}

fn sent_by_us(messages: &[(Seen, Vec<usize>)], role: Role, random: &mut Random) -> Vec<u8> {
    let mut out = Vec::new();
    let mut send = |opcode: Opcode, fin: bool, payload: &[u8]| match role {
        Role::Server => encode_frame(&mut out, fin, false, opcode, payload),
        Role::Client => encode_masked(&mut out, fin, false, opcode, payload, random.mask()),
    };
    for (message, cuts) in messages {
        match message {
            Seen::Message { kind, payload, .. } => {
                for (opcode, fin, part) in frames(*kind, payload, cuts) {
                    send(opcode, fin, part);
                }
            }
            Seen::Ping(payload) => send(Opcode::Ping, true, payload),
            Seen::Pong(payload) => send(Opcode::Pong, true, payload),
            Seen::Close(None) => send(Opcode::Close, true, b""),
            Seen::Close(Some((code, reason))) => {
                send(Opcode::Close, true, &ClosePayload::new(*code, reason));
            }
        }
    }
    out
}

fn read_by_tungstenite(stream: Vec<u8>, role: protocol::Role, random: &mut Random) -> Vec<Seen> {
    let wire = Wire {
        input: stream,
        read_bytes_max: 1 + random.below(3000),
        ..Wire::default()
    };
    let mut peer = WebSocket::from_raw_socket(wire, role, None);
    let mut seen = Vec::new();
    loop {
        seen.push(match peer.read() {
            Ok(Message::Text(text)) => Seen::text(&text),
            Ok(Message::Binary(bytes)) => Seen::binary(&bytes),
            Ok(Message::Ping(bytes)) => Seen::Ping(bytes.to_vec()),
            Ok(Message::Pong(bytes)) => Seen::Pong(bytes.to_vec()),
            Ok(Message::Close(frame)) => {
                Seen::Close(frame.map(|frame| (u16::from(frame.code), frame.reason.to_string())))
            }
            Ok(Message::Frame(_)) => panic!("a frame is no message"),
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => return seen,
            Err(Error::ConnectionClosed) => return seen,
            Err(error) => panic!("{error} after {seen:?}"),
        });
    }
}

/// Who we are, and who tungstenite is then.
const ROLES: [(Role, protocol::Role); 2] = [
    (Role::Server, protocol::Role::Client),
    (Role::Client, protocol::Role::Server),
];

#[test]
fn what_it_sends_is_read() {
    for seed in 0..ROUNDS {
        let mut random = Random::new(seed);
        let messages = any_messages(&mut random);
        let expected: Vec<Seen> = messages.iter().map(|(seen, _)| seen.clone()).collect();
        for (ours, its) in ROLES {
            let stream = sent_by_tungstenite(&messages, its);
            let setting = Setting::plain(ours);
            for cuts in [vec![stream.len()], random.cuts(stream.len())] {
                let (seen, error) = setting.read(&stream, &cuts);
                assert_eq!(error, None, "seed {seed}, {ours:?}");
                assert!(seen == expected, "seed {seed}, {ours:?}");
            }
        }
    }
}

#[test]
fn what_we_send_it_reads() {
    for seed in 0..ROUNDS {
        let mut random = Random::new(seed);
        let messages = any_messages(&mut random);
        let expected: Vec<Seen> = messages.iter().map(|(seen, _)| seen.clone()).collect();
        for (ours, its) in ROLES {
            let stream = sent_by_us(&messages, ours, &mut random);
            let seen = read_by_tungstenite(stream, its, &mut random);
            assert!(seen == expected, "seed {seed}, {ours:?}");
        }
    }
}
