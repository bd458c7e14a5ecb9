//! A chat room: everybody says something, everybody hears all others, and the next round begins.
//!
//! What comes from different speakers may come in any order, so each delivery is looked at: it says
//! which round and speaker it is of, and no two of a round are the same.

use std::io::Write;
use std::net::TcpStream;
use std::time::Instant;

use super::closed_loop::{Dropped, GRACE, Poll, Ready, receive_all};
use super::frame;
use super::handshake::{Door, HOST, Offer};
use super::verify::Errors;
use super::{Edge, Load, Outcome};
use crate::Result;
use crate::scenarios::content::Random;

/// Bytes of a message: round, speaker, and what follows from them.
const MESSAGE_BYTES: usize = 20;
const DELIVERY_BYTES: usize = 2 + MESSAGE_BYTES;
const RECEIVE_BYTES: usize = 64 * 1024;

/// Runs the load with `members` sockets.
///
/// # Errors
/// When the server cannot be reached, or the system or `on_edge` fails.
pub fn run(
    load: &Load<'_>,
    members: usize,
    on_edge: impl FnMut(Edge) -> Result<()>,
) -> Result<Outcome> {
    let mut room = Room::open(load, members)?;
    let window = super::measure(load, on_edge, |deadline| room.run_until(deadline))?;
    if !room.failed {
        // What is surplus in the rounds before comes before what belongs to this one.
        room.round()?;
    }
    Ok(Outcome {
        operations: window.operations,
        errors: room.errors,
        wall: window.wall,
        cpu: window.cpu,
        threads: 1,
        connections: members,
        answer_bytes: DELIVERY_BYTES,
        compressed_bytes: None,
    })
}

struct Member {
    stream: TcpStream,
    /// The beginning of a delivery, kept until the rest arrives.
    partial: Vec<u8>,
    /// Who has been heard in this round.
    heard: Vec<bool>,
    missing: usize,
}

struct Room {
    poll: Poll,
    members: Vec<Member>,
    /// Members that have not heard everybody.
    waiting: usize,
    round: u32,
    random: Random,
    buffer: Vec<u8>,
    delivered: u64,
    failed: bool,
    errors: Errors,
}

fn message(round: u32, speaker: usize) -> [u8; MESSAGE_BYTES] {
    let mut message = [0; MESSAGE_BYTES];
    let seed = u64::from(round) << 32 | speaker as u64;
    message[..8].copy_from_slice(&seed.to_be_bytes());
    message[8..].copy_from_slice(&Random::new(seed).bytes::<{ MESSAGE_BYTES - 8 }>());
    message
}

impl Room {
    fn open(load: &Load<'_>, count: usize) -> Result<Self> {
        let (mut random, mut errors) = (Random::new(6), Errors::default());
        let door = Door {
            address: load.address,
            host: HOST,
            path: "/",
            offer: Offer::Plain,
        };
        let poll = Poll::new()?;
        let mut members = Vec::with_capacity(count);
        for index in 0..count {
            let opened = door.open(index, &mut random, &mut errors)?;
            let (stream, _) = opened.ok_or("a member of the room was refused")?;
            stream.set_nonblocking(true)?;
            poll.add(&stream, index)?;
            members.push(Member {
                stream,
                partial: Vec::new(),
                heard: vec![false; count],
                missing: 0,
            });
        }
        Ok(Self {
            poll,
            members,
            waiting: 0,
            round: 0,
            random,
            buffer: vec![0; RECEIVE_BYTES],
            delivered: 0,
            failed: false,
            errors,
        })
    }

    fn run_until(&mut self, deadline: Instant) -> Result<u64> {
        while !self.failed && Instant::now() < deadline {
            self.round()?;
        }
        Ok(self.delivered)
    }

    fn round(&mut self) -> Result<()> {
        self.round += 1;
        self.waiting = self.members.len();
        let mut frames = Vec::new();
        for (speaker, member) in self.members.iter_mut().enumerate() {
            member.heard.fill(false);
            // Nobody hears himself.
            member.heard[speaker] = true;
            member.missing = member.heard.len() - 1;
            frames.clear();
            let (first, mask) = (frame::FIN | frame::BINARY, self.random.bytes());
            frame::push_masked(&mut frames, first, &message(self.round, speaker), mask);
            // Far less than a socket's buffer, which is empty now.
            if !matches!(member.stream.write(&frames), Ok(sent) if sent == frames.len()) {
                self.errors.unexpected_close += 1;
                self.failed = true;
            }
        }
        while self.waiting > 0 && !self.failed {
            let count = self.poll.wait(GRACE)?;
            for position in 0..count {
                self.receive(self.poll.ready(position));
            }
            if count == 0 {
                self.errors.unanswered += u64::try_from(self.waiting)?;
                self.failed = true;
            }
        }
        Ok(())
    }

    fn receive(&mut self, ready: Ready) {
        let (round, member) = (self.round, &mut self.members[ready.number]);
        let (delivered, waiting) = (&mut self.delivered, &mut self.waiting);
        let (stream, buffer) = (&member.stream, &mut self.buffer);
        let take = |arrived: &[u8], errors: &mut Errors| {
            member.partial.extend_from_slice(arrived);
            let mut deliveries = member.partial.chunks_exact(DELIVERY_BYTES);
            for delivery in &mut deliveries {
                if let Err(count) = hear(&mut member.heard, round, delivery) {
                    *count(errors) += 1;
                    return Err(Dropped);
                }
                *delivered += 1;
                member.missing -= 1;
                *waiting -= usize::from(member.missing == 0);
            }
            member.partial = deliveries.remainder().to_vec();
            Ok(())
        };
        let errors = &mut self.errors;
        self.failed |= receive_all(stream, buffer, ready.ended, errors, take).is_err();
    }
}

type Count = fn(&mut Errors) -> &mut u64;

/// Notes who was heard, or names what is wrong.
fn hear(heard: &mut [bool], round: u32, delivery: &[u8]) -> std::result::Result<(), Count> {
    let (header, payload) = delivery.split_at(2);
    if header[0] != frame::FIN | frame::BINARY {
        return Err(|errors| &mut errors.bad_opcode);
    }
    if usize::from(header[1]) != MESSAGE_BYTES {
        return Err(|errors| &mut errors.bad_length);
    }
    let number = |range: std::ops::Range<usize>| {
        payload[range].iter().fold(0, |n, &b| n << 8 | u32::from(b))
    };
    let speaker = number(4..8) as usize;
    match heard.get_mut(speaker) {
        Some(heard) if number(0..4) == round && !*heard => *heard = true,
        _ => return Err(|errors| &mut errors.bad_order),
    }
    if payload != message(round, speaker) {
        return Err(|errors| &mut errors.bad_body);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivery(round: u32, speaker: usize) -> Vec<u8> {
        let mut delivery = vec![frame::FIN | frame::BINARY, MESSAGE_BYTES as u8];
        delivery.extend_from_slice(&message(round, speaker));
        delivery
    }

    fn errors_of(heard: &mut [bool], delivery: &[u8]) -> Errors {
        let mut errors = Errors::default();
        if let Err(count) = hear(heard, 7, delivery) {
            *count(&mut errors) += 1;
        }
        errors
    }

    #[test]
    fn each_speaker_is_heard_once_in_a_round() {
        let mut heard = vec![true, false, false];
        assert_eq!(errors_of(&mut heard, &delivery(7, 2)), Errors::default());
        assert_eq!(heard, [true, false, true]);
        for wrong in [
            delivery(7, 2),
            delivery(7, 0),
            delivery(6, 1),
            delivery(7, 3),
        ] {
            assert_eq!(errors_of(&mut heard, &wrong).bad_order, 1);
        }
        let mut wrong = delivery(7, 1);
        *wrong.last_mut().unwrap() ^= 1;
        assert_eq!(errors_of(&mut heard, &wrong).bad_body, 1);
        let mut wrong = delivery(7, 1);
        wrong[0] ^= 3;
        assert_eq!(errors_of(&mut heard, &wrong).bad_opcode, 1);
        let mut wrong = delivery(7, 1);
        wrong[1] -= 1;
        assert_eq!(errors_of(&mut heard, &wrong).bad_length, 1);
    }
}
