//! The relay: what the null server is for echoes, for publishing. Whatever one connection says is
//! sent to all others, one `send` each, by a bare loop that knows no topics, keeps nothing for who
//! cannot take it, and checks nothing. What it costs is what the kernel charges for as many sends;
//! it is unmasked all the same, since the generator compares what arrives.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use crate::Result;
use crate::load::closed_loop::Poll;
use crate::load::frame::{self, HEADER_BYTES_MAX, Header};
use crate::load::handshake;

const RECEIVE_BYTES: usize = 64 * 1024;
/// For ever, as `epoll` sees it.
const NEVER: Duration = Duration::from_secs(1_000_000);

/// Serves until the process ends, on the calling thread alone.
///
/// # Errors
/// What `epoll` or `accept` report. A failing connection is closed and forgotten.
pub fn serve(listener: &TcpListener) -> Result<()> {
    listener.set_nonblocking(true)?;
    let mut poll = Poll::new()?;
    // The first number is the listener's.
    poll.add(listener, 0)?;
    let mut relay = Relay {
        members: vec![None],
        buffer: vec![0; RECEIVE_BYTES],
    };
    loop {
        for position in 0..poll.wait(NEVER)? {
            match poll.ready(position).number {
                0 => relay.accept(listener, &poll)?,
                number => relay.handle_ready(number),
            }
        }
    }
}

struct Member {
    stream: TcpStream,
    is_upgraded: bool,
    /// The beginning of a head or of a frame.
    unread: Vec<u8>,
}

struct Relay {
    members: Vec<Option<Member>>,
    buffer: Vec<u8>,
}

/// The connection ended, by whichever side.
struct Closed;

impl Relay {
    fn accept(&mut self, listener: &TcpListener, poll: &Poll) -> Result<()> {
        loop {
            let stream = match listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => continue,
                Err(error) => return Err(error.into()),
            };
            stream.set_nonblocking(true)?;
            stream.set_nodelay(true)?;
            poll.add(&stream, self.members.len())?;
            self.members.push(Some(Member {
                stream,
                is_upgraded: false,
                unread: Vec::new(),
            }));
        }
    }

    fn handle_ready(&mut self, number: usize) {
        // Out of its place, so that it is not among those that hear it.
        if let Some(mut speaker) = self.members[number].take()
            && self.listen(&mut speaker).is_ok()
        {
            self.members[number] = Some(speaker);
        }
    }

    fn listen(&mut self, speaker: &mut Member) -> std::result::Result<(), Closed> {
        loop {
            let received = match speaker.stream.read(&mut self.buffer) {
                Ok(0) => return Err(Closed),
                Ok(received) => received,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(_) => return Err(Closed),
            };
            speaker.unread.extend_from_slice(&self.buffer[..received]);
            if !speaker.is_upgraded {
                speaker.upgrade()?;
            }
            if speaker.is_upgraded {
                self.pass_on(&take_messages(&mut speaker.unread)?);
            }
        }
    }

    /// Who does not take all of it at once is dropped.
    fn pass_on(&mut self, frames: &[u8]) {
        if frames.is_empty() {
            return;
        }
        for slot in &mut self.members {
            if let Some(member) = slot
                && member.is_upgraded
                && !matches!(member.stream.write(frames), Ok(sent) if sent == frames.len())
            {
                *slot = None;
            }
        }
    }
}

impl Member {
    fn upgrade(&mut self) -> std::result::Result<(), Closed> {
        let Some(head_bytes) = handshake::head_bytes(&self.unread) else {
            return Ok(());
        };
        let answer = handshake::answer(&self.unread[..head_bytes]).ok_or(Closed)?;
        // Fits a fresh socket's buffer.
        self.stream.write_all(&answer).map_err(|_| Closed)?;
        self.unread.drain(..head_bytes);
        self.is_upgraded = true;
        Ok(())
    }
}

/// Takes all whole frames of a client's, and returns them as a server's.
fn take_messages(unread: &mut Vec<u8>) -> std::result::Result<Vec<u8>, Closed> {
    let (mut frames, mut at) = (Vec::with_capacity(unread.len()), 0);
    while let Some((header, mask)) = parse_masked(&unread[at..])? {
        let payload = at + header.header_bytes + mask.len();
        let end = payload + header.payload_bytes;
        let Some(masked) = unread.get(payload..end) else {
            break;
        };
        frame::push_header(&mut frames, header.first, masked.len());
        frames.extend(masked.iter().zip(mask.iter().cycle()).map(|(b, m)| b ^ m));
        at = end;
    }
    unread.drain(..at);
    Ok(frames)
}

/// A client's header is a server's with another bit and the mask behind it.
fn parse_masked(bytes: &[u8]) -> std::result::Result<Option<(Header, [u8; 4])>, Closed> {
    let mut start = [0; HEADER_BYTES_MAX];
    let known = bytes.len().min(start.len());
    start[..known].copy_from_slice(&bytes[..known]);
    start[1] &= !frame::MASKED;
    let Some(header) = frame::parse_header(&start[..known]).map_err(|_| Closed)? else {
        return Ok(None);
    };
    let mask = bytes[header.header_bytes..].first_chunk();
    Ok(mask.map(|mask| (header, *mask)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_passed_on_once_whole_wherever_they_are_cut() {
        let (mut sent, mut expected, mut ends) = (Vec::new(), Vec::new(), vec![]);
        for payload in [&b""[..], b"short", &[7; 125], &[8; 126], &[9; 70_000]] {
            frame::push_masked(&mut sent, 0x82, payload, [1, 2, 3, 4]);
            frame::push_header(&mut expected, 0x82, payload.len());
            expected.extend_from_slice(payload);
            ends.push(sent.len());
        }
        let cuts = (0..300).chain([sent.len() - 1, sent.len()]);
        for cut in cuts {
            let mut unread = sent[..cut].to_vec();
            let mut frames = take_messages(&mut unread).ok().unwrap();
            let whole = ends.iter().rfind(|&&end| end <= cut).unwrap_or(&0);
            assert_eq!(unread, sent[*whole..cut], "{cut}");
            unread.extend_from_slice(&sent[cut..]);
            frames.extend(take_messages(&mut unread).ok().unwrap());
            assert!(unread.is_empty() && frames == expected, "{cut}");
        }
    }
}
