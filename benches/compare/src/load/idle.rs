//! Idle connections: what the server's own memory grows by for each, and what of that stays when
//! they are gone.

use std::fs;
use std::io::{ErrorKind, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::scenarios::content::Random;
use serde::Serialize;

use super::echo::{Echoes, Messages};
use super::handshake::{Door, HOST, Offer, receive};
use crate::Result;
use crate::load::closed_loop::Client as _;
use crate::load::verify::{Content, Errors, Lost};
use crate::run::process::{parse_kilobytes, sum_over_family};
use crate::scenarios::websocket::Scenario;

/// How long a server may take to notice that connections are closed.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);
/// For what a server does a moment later.
const REST: Duration = Duration::from_millis(200);

/// What a run showed.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Memory {
    /// How many connections there were.
    pub connections: usize,
    /// Anonymous memory before any of them, in bytes.
    pub before_bytes: u64,
    /// The same while all are open.
    pub open_bytes: u64,
    /// The same after all are closed.
    pub closed_bytes: u64,
    /// What the kernel had for sockets while all were open beyond what it had before, in bytes:
    /// both ends, and whatever else happened on the machine.
    pub kernel_bytes: u64,
    /// What went wrong on the way.
    pub errors: Errors,
}

impl Memory {
    /// Nothing was wrong.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.errors.total() == 0 && self.connections > 0
    }

    /// Bytes that each open connection takes.
    #[must_use]
    pub fn open_per_connection(&self) -> f64 {
        self.open_bytes.saturating_sub(self.before_bytes) as f64 / self.connections as f64
    }

    /// Bytes of the kernel's for each open connection, both ends together.
    #[must_use]
    pub fn kernel_per_connection(&self) -> f64 {
        self.kernel_bytes as f64 / self.connections as f64
    }

    /// Bytes that each closed connection has left behind.
    #[must_use]
    pub fn closed_per_connection(&self) -> f64 {
        self.closed_bytes.saturating_sub(self.before_bytes) as f64 / self.connections as f64
    }
}

/// Opens the connections to the server of process `id`, has one message echoed on each, and reads
/// the process's memory before, meanwhile and afterwards.
///
/// # Errors
/// When `scenario` is not of idle connections, the server cannot be reached, or the system fails.
pub fn run(scenario: Scenario, address: SocketAddr, id: u32, content: Content) -> Result<Memory> {
    let (
        Scenario::Idle { connections, .. },
        Scenario::Echo {
            kind,
            message_bytes,
        },
    ) = (scenario, scenario.echoed())
    else {
        return Err("not a scenario of idle connections".into());
    };
    let offer = if scenario.deflates() {
        Offer::Deflate
    } else {
        Offer::Plain
    };
    let door = Door {
        address,
        host: HOST,
        path: "/",
        offer,
    };
    let messages = Messages::new(kind, message_bytes, 1, offer);
    let (mut random, mut errors) = (Random::new(5), Errors::default());
    let mut visit = |index| -> Result<Option<TcpStream>> {
        let opened = door.open(index, &mut random, &mut errors)?;
        let Some((stream, agreed)) = opened else {
            return Ok(None);
        };
        let client = messages.client(index, 1, content, agreed);
        exchange(stream, client, &mut errors)
    };
    // What is set up once, for the first connection, is not the second's.
    drop(visit(0)?);
    let nothing_open = open_files(id)?;
    let (before_bytes, kernel_before) = (anonymous_bytes(id)?, kernel_bytes());
    let mut open = Vec::with_capacity(connections);
    for index in 0..connections {
        open.extend(visit(index)?);
    }
    std::thread::sleep(REST);
    let (open_bytes, kernel_open) = (anonymous_bytes(id)?, kernel_bytes());
    let held = open.len();
    drop(open);
    let deadline = Instant::now() + CLOSE_TIMEOUT;
    while open_files(id)? > nothing_open {
        if Instant::now() > deadline {
            errors.unanswered += 1;
            break;
        }
        std::thread::sleep(REST / 10);
    }
    std::thread::sleep(REST);
    Ok(Memory {
        connections: held,
        before_bytes,
        open_bytes,
        closed_bytes: anonymous_bytes(id)?,
        kernel_bytes: kernel_open.saturating_sub(kernel_before),
        errors,
    })
}

/// Sends one message and waits for its echo; the stream blocks, with a time limit.
///
/// # Errors
/// When there is none in time.
fn exchange(
    mut stream: TcpStream,
    mut client: Echoes<'_>,
    errors: &mut Errors,
) -> Result<Option<TcpStream>> {
    client.begin_batch();
    let mut buffer = [0; 4096];
    if stream.write_all(client.unsent()).is_err() {
        errors.unexpected_close += 1;
        return Ok(None);
    }
    while client.pending() > 0 {
        let received = match receive(&stream, &mut buffer) {
            Ok(received @ 1..) => received,
            // Nor would it answer the others, and each would wait as long.
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                return Err("no answer to a message".into());
            }
            _ => {
                errors.unexpected_close += 1;
                return Ok(None);
            }
        };
        match client.feed(&buffer[..received], errors) {
            Ok(_) => {}
            Err(Lost) => return Ok(None),
        }
    }
    Ok(Some(stream))
}

fn open_files(id: u32) -> Result<usize> {
    sum_over_family(id, |id| Ok(fs::read_dir(format!("/proc/{id}/fd"))?.count()))
}

/// Heap and stacks: `Anonymous` of `/proc/PID/smaps_rollup`. Pages of files are left out: which
/// parts of a program have been read so far is no cost of a connection.
fn anonymous_bytes(id: u32) -> Result<u64> {
    sum_over_family(id, |id| {
        let text = fs::read_to_string(format!("/proc/{id}/smaps_rollup"))?;
        Ok(parse_kilobytes(&text, "Anonymous:").ok_or("unknown format of smaps_rollup")?)
    })
}

/// What the kernel has for sockets, of all processes: objects of all kinds, and buffers.
/// 0 where it does not tell.
fn kernel_bytes() -> u64 {
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let slabs = parse_kilobytes(&memory, "Slab:").unwrap_or(0);
    let sockets = fs::read_to_string("/proc/net/sockstat").unwrap_or_default();
    let page_bytes = rustix::param::page_size() as u64;
    slabs + parse_pages(&sockets).unwrap_or(0) * page_bytes
}

/// The last figure of the line of TCP.
fn parse_pages(sockstat: &str) -> Option<u64> {
    let line = sockstat
        .lines()
        .find_map(|line| line.strip_prefix("TCP:"))?;
    let (_, pages) = line.split_once("mem ")?;
    pages.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anonymous_memory_is_not_huge_pages() {
        let text = "00400000-7ff [rollup]\nRss:       1000 kB\nAnonymous:    12 kB\n\
                    AnonHugePages:  0 kB\n";
        assert_eq!(parse_kilobytes(text, "Anonymous:"), Some(12 * 1024));
        assert_eq!(parse_kilobytes("Rss: 1000 kB\n", "Anonymous:"), None);
    }

    #[test]
    fn buffers_of_sockets_are_counted_in_pages() {
        let text = "sockets: used 9\nTCP: inuse 5 orphan 0 tw 0 alloc 6 mem 31\nUDP: mem 7\n";
        assert_eq!(parse_pages(text), Some(31));
        assert_eq!(parse_pages("UDP: mem 7\n"), None);
    }

    #[test]
    fn our_own_memory_grows_with_what_we_touch() {
        let id = std::process::id();
        let before = anonymous_bytes(id).unwrap();
        let held = std::hint::black_box(vec![1_u8; 256 << 20]);
        let with = anonymous_bytes(id).unwrap();
        // Other tests take and give back some at the same time.
        assert!(with >= before + (128 << 20), "{before} {with}");
        drop(held);
    }

    #[test]
    fn what_connections_cost_is_their_share_of_the_growth() {
        let memory = Memory {
            connections: 10,
            before_bytes: 1000,
            open_bytes: 3000,
            closed_bytes: 900,
            kernel_bytes: 50_000,
            errors: Errors::default(),
        };
        assert!((memory.open_per_connection() - 200.0).abs() < 1e-9);
        assert!(memory.closed_per_connection().abs() < 1e-9);
        assert!(memory.is_valid());
    }
}
