//! The checks of WebSocket replies, against a server that can do each thing wrong.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use flate2::{Compress, Compression, FlushCompress};
use keirin_bench::load::verify::{Content, Errors};
use keirin_bench::load::{self, Load, Outcome};
use keirin_bench::load::{frame, handshake, idle};
use keirin_bench::scenarios::Row;

/// What the server does wrong, with the third message of a connection, or of all publications.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    /// The last byte of the payload is another.
    Byte,
    /// The message is of the other kind.
    Opcode,
    /// The message is a byte shorter.
    Length,
    /// The message comes after the next.
    Late,
    /// The message comes twice.
    Twice,
    /// The message never comes.
    Missing,
    /// The connection ends instead.
    Close,
    /// A ping before the message, which is none.
    Ping,
    /// The frame is masked, as only a client's may be.
    Masked,
    /// Publishing does not leave out the publisher.
    ToItself,
    /// The key is not accepted.
    Accept,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Echo,
    Publish,
    /// Messages are compressed one by one.
    Deflate,
    /// Each refers to those before it.
    DeflateContext,
}

type Streams = Arc<Mutex<Vec<TcpStream>>>;

/// Serves on threads that end with the connections.
fn serve(mode: Mode, fault: Fault) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let streams = Streams::default();
        for stream in listener.incoming() {
            let streams = Arc::clone(&streams);
            thread::spawn(move || converse(stream.unwrap(), &streams, mode, fault));
        }
    });
    address
}

/// Ends with an error when the client leaves.
fn converse(
    mut stream: TcpStream,
    streams: &Streams,
    mode: Mode,
    fault: Fault,
) -> std::io::Result<()> {
    let answer = upgrade(&mut stream, mode, fault)?;
    let mut own = stream.try_clone()?;
    let me = own.peer_addr()?;
    streams.lock().unwrap().push(own.try_clone()?);
    own.write_all(&answer)?;
    let mut compressor = Compress::new(Compression::new(6), false);
    let mut held = Vec::new();
    for number in 0.. {
        let (first, payload) = read_message(&mut stream)?;
        if first & 0x0f == frame::CLOSE {
            let code = &payload[..2];
            own.write_all(&[&[0x88, 2], code].concat())?;
            return own.shutdown(std::net::Shutdown::Both);
        }
        let payload = match mode {
            Mode::Echo | Mode::Publish => payload,
            Mode::Deflate | Mode::DeflateContext => {
                if mode == Mode::Deflate {
                    compressor.reset();
                }
                recompress(&mut compressor, &payload)
            }
        };
        let fault = if number == 2 { fault } else { Fault::None };
        let mut reply = Vec::new();
        if fault == Fault::Late {
            frame::push_header(&mut held, first, payload.len());
            held.extend_from_slice(&payload);
            continue;
        }
        compose(&mut reply, first, payload, fault);
        reply.append(&mut held);
        if fault == Fault::Close {
            return own.shutdown(std::net::Shutdown::Both);
        }
        match mode {
            Mode::Publish => {
                let streams = streams.lock().unwrap();
                for mut other in streams.iter() {
                    if other.peer_addr().is_ok_and(|a| a != me) || fault == Fault::ToItself {
                        let _ = other.write_all(&reply);
                    }
                }
            }
            _ => own.write_all(&reply)?,
        }
    }
    Ok(())
}

/// Reads the request for an upgrade, and returns the answer.
fn upgrade(stream: &mut TcpStream, mode: Mode, fault: Fault) -> std::io::Result<Vec<u8>> {
    let mut head = Vec::new();
    while handshake::head_bytes(&head).is_none() {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let mut answer = handshake::answer(&head).unwrap();
    let end = answer.len() - 2;
    if fault == Fault::Accept {
        answer[end - 5] ^= 1;
    }
    let extension = match mode {
        Mode::Echo | Mode::Publish => "",
        Mode::Deflate => {
            "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover\r\n"
        }
        Mode::DeflateContext => "Sec-WebSocket-Extensions: permessage-deflate\r\n",
    };
    answer.splice(end..end, extension.bytes());
    Ok(answer)
}

fn compose(reply: &mut Vec<u8>, first: u8, mut payload: Vec<u8>, fault: Fault) {
    match fault {
        Fault::Byte => *payload.last_mut().unwrap() ^= 1,
        Fault::Length => drop(payload.pop()),
        Fault::Ping => reply.extend_from_slice(&[0x89, 3, b'a', b'b', b'c']),
        Fault::Missing => return,
        _ => {}
    }
    let first = match fault {
        Fault::Opcode => first ^ frame::TEXT ^ frame::BINARY,
        _ => first,
    };
    if fault == Fault::Masked {
        return frame::push_masked(reply, first, &payload, [1; 4]);
    }
    frame::push_header(reply, first, payload.len());
    reply.extend_from_slice(&payload);
    if fault == Fault::Twice {
        frame::push_header(reply, first, payload.len());
        reply.extend_from_slice(&payload);
    }
}

/// The first byte and the payload of a masked frame.
fn read_message(stream: &mut TcpStream) -> std::io::Result<(u8, Vec<u8>)> {
    let mut start = [0; 2];
    stream.read_exact(&mut start)?;
    assert!(start[1] & 0x80 != 0, "a client masks");
    let length = match start[1] & 0x7f {
        126 => {
            let mut bytes = [0; 2];
            stream.read_exact(&mut bytes)?;
            u64::from(u16::from_be_bytes(bytes))
        }
        127 => {
            let mut bytes = [0; 8];
            stream.read_exact(&mut bytes)?;
            u64::from_be_bytes(bytes)
        }
        short => u64::from(short),
    };
    let mut mask = [0; 4];
    stream.read_exact(&mut mask)?;
    let mut payload = vec![0; usize::try_from(length).unwrap()];
    stream.read_exact(&mut payload)?;
    for (byte, key) in payload.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= key;
    }
    Ok((start[0], payload))
}

/// Inflates a message and deflates it anew.
fn recompress(compressor: &mut Compress, message: &[u8]) -> Vec<u8> {
    let tail = [0, 0, 0xff, 0xff];
    let whole = [message, &tail].concat();
    let mut inflated = Vec::with_capacity(1 << 20);
    let mut stream = flate2::Decompress::new(false);
    let flush = flate2::FlushDecompress::Sync;
    stream.decompress_vec(&whole, &mut inflated, flush).unwrap();
    let mut deflated = Vec::with_capacity(1 << 20);
    let flush = FlushCompress::Sync;
    compressor
        .compress_vec(&inflated, &mut deflated, flush)
        .unwrap();
    deflated.truncate(deflated.len() - tail.len());
    deflated
}

/// Runs a load for as long as it takes to show a wrong answer.
fn run_wrong(scenario: &str, in_flight: usize, mode: Mode, fault: Fault) -> Errors {
    let shows = |outcome: &Outcome| outcome.errors != Errors::default();
    run_until(shows, scenario, in_flight, mode, fault).errors
}

/// Runs a load for as long as it takes to show any answer.
fn run(scenario: &str, in_flight: usize, mode: Mode, fault: Fault) -> Outcome {
    let shows = |outcome: &Outcome| outcome.operations > 0 || outcome.errors != Errors::default();
    run_until(shows, scenario, in_flight, mode, fault)
}

fn run_until(
    shows: impl Fn(&Outcome) -> bool,
    scenario: &str,
    in_flight: usize,
    mode: Mode,
    fault: Fault,
) -> Outcome {
    let mut window = Duration::from_millis(50);
    loop {
        let outcome = run_for(window, scenario, in_flight, mode, fault);
        if shows(&outcome) || window > Duration::from_secs(5) {
            return outcome;
        }
        window *= 4;
    }
}

fn run_for(
    window: Duration,
    scenario: &str,
    in_flight: usize,
    mode: Mode,
    fault: Fault,
) -> Outcome {
    let load = Load {
        row: Row {
            task: scenario.parse().unwrap(),
            in_flight,
        },
        connections: 4,
        cores: &[],
        warm_up: Duration::ZERO,
        window,
        address: serve(mode, fault),
        socket_io: false,
        content: Content::All,
    };
    load::run(&load, |_| Ok(())).unwrap()
}

#[test]
fn right_echoes_count_without_errors() {
    for (scenario, in_flight) in [
        ("ws1", 1),
        ("ws20", 32),
        ("ws125-text", 3),
        ("ws126", 7),
        ("ws1k-text", 32),
        ("ws70k", 5),
        ("ws1m", 1),
    ] {
        let outcome = run(scenario, in_flight, Mode::Echo, Fault::None);
        assert_eq!(outcome.errors, Errors::default(), "{scenario}");
        assert!(outcome.operations > 0, "{scenario}");
        // A ping is no reply, and no error.
        let outcome = run(scenario, in_flight, Mode::Echo, Fault::Ping);
        assert_eq!(outcome.errors, Errors::default(), "{scenario} with ping");
    }
}

#[test]
fn right_compressed_echoes_count_without_errors() {
    for mode in [Mode::Deflate, Mode::DeflateContext] {
        for (scenario, in_flight) in [("deflate1k", 1), ("deflate1k", 8), ("deflate45k", 1)] {
            let outcome = run(scenario, in_flight, mode, Fault::None);
            assert_eq!(outcome.errors, Errors::default(), "{scenario}");
            assert!(outcome.operations > 0, "{scenario}");
            let compressed_bytes = outcome.compressed_bytes.unwrap();
            // Of the messages that were answered, which are some of all.
            let limit = compressed_bytes * 105 / 100;
            assert!(outcome.answer_bytes <= limit, "{scenario}: {outcome:?}");
        }
    }
}

type Count = fn(&Errors) -> u64;

/// A scenario, how it is served, and which errors a fault should count as.
fn check(scenario: &str, mode: Mode, faults: &[(Fault, Count)]) {
    thread::scope(|scope| {
        for &(fault, count) in faults {
            scope.spawn(move || {
                let errors = run_wrong(scenario, 4, mode, fault);
                assert!(count(&errors) > 0, "{scenario} {fault:?}: {errors}");
            });
        }
    });
}

#[test]
fn wrong_echoes_are_noticed() {
    let faults: &[(Fault, Count)] = &[
        (Fault::Byte, |e| e.bad_body),
        (Fault::Opcode, |e| e.bad_opcode),
        (Fault::Length, |e| e.bad_length),
        (Fault::Late, |e| e.bad_body),
        (Fault::Twice, |e| e.bad_body + e.bad_length),
        (Fault::Missing, |e| e.bad_body + e.unanswered),
        (Fault::Close, |e| e.unexpected_close),
        (Fault::Masked, |e| e.bad_length),
        (Fault::Accept, |e| e.bad_status),
    ];
    for scenario in ["ws20", "ws1k-text", "ws70k"] {
        check(scenario, Mode::Echo, faults);
    }
    let faults: &[(Fault, Count)] = &[
        (Fault::Byte, |e| e.bad_body),
        (Fault::Opcode, |e| e.bad_opcode),
        (Fault::Late, |e| e.bad_body),
        (Fault::Length, |e| e.bad_body),
    ];
    check("deflate1k", Mode::Deflate, faults);
    check("deflate1k", Mode::DeflateContext, faults);
}

#[test]
fn compression_that_was_not_agreed_is_an_error() {
    let outcome = run("deflate1k", 1, Mode::Echo, Fault::None);
    assert_eq!(outcome.errors.bad_status, 4);
    assert_eq!(outcome.operations, 0);
}

#[test]
fn right_deliveries_count_without_errors() {
    for (scenario, in_flight) in [("publish1", 1), ("publish20", 1), ("publish20", 16)] {
        let outcome = run(scenario, in_flight, Mode::Publish, Fault::None);
        assert_eq!(outcome.errors, Errors::default(), "{scenario}");
        let subscribers = outcome.connections as u64 - 1;
        assert!(outcome.operations > 0, "{scenario}");
        assert_eq!(
            outcome.operations % (subscribers * in_flight as u64),
            0,
            "whole rounds"
        );
    }
}

#[test]
fn wrong_deliveries_are_noticed() {
    let faults: &[(Fault, Count)] = &[
        (Fault::Byte, |e| e.bad_body),
        (Fault::Opcode, |e| e.bad_opcode),
        (Fault::Length, |e| e.bad_length),
        (Fault::Late, |e| e.bad_order),
        (Fault::Twice, |e| e.bad_order),
        (Fault::Missing, |e| e.bad_order),
        (Fault::Close, |e| e.unanswered + e.unexpected_close),
        (Fault::Ping, |e| e.bad_opcode),
        (Fault::Masked, |e| e.bad_length),
        (Fault::ToItself, |e| e.bad_length),
    ];
    check("publish5", Mode::Publish, faults);
    // With one message a round, nothing comes after the one that is missing, or comes twice.
    for (fault, unanswered, surplus) in [(Fault::Missing, 5, 0), (Fault::Twice, 0, 5)] {
        let errors = run_wrong("publish5", 1, Mode::Publish, fault);
        assert_eq!(errors.unanswered, unanswered, "{errors}");
        assert!(errors.bad_order + errors.bad_length >= surplus, "{errors}");
    }
}

#[test]
fn a_room_and_slow_readers_are_served_without_errors() {
    let outcome = run("room5", 1, Mode::Publish, Fault::None);
    assert_eq!(outcome.errors, Errors::default());
    assert_eq!((outcome.connections, outcome.operations % 20), (5, 0));
    let outcome = run("slow5", 4, Mode::Publish, Fault::None);
    assert_eq!(outcome.errors, Errors::default());
    assert_eq!((outcome.connections, outcome.operations % 20), (7, 0));
}

#[test]
fn wrong_deliveries_in_a_room_and_beside_slow_readers_are_noticed() {
    let faults: &[(Fault, Count)] = &[
        (Fault::Byte, |e| e.bad_body),
        (Fault::Opcode, |e| e.bad_opcode),
        (Fault::Length, |e| e.bad_length),
        (Fault::Twice, |e| e.bad_order),
        (Fault::Missing, |e| e.unanswered),
        (Fault::Close, |e| e.unexpected_close + e.unanswered),
        (Fault::Masked, |e| e.bad_length),
        (Fault::ToItself, |e| e.bad_order),
    ];
    for &(fault, count) in faults {
        let errors = run_wrong("room5", 1, Mode::Publish, fault);
        assert!(count(&errors) > 0, "{fault:?}: {errors}");
    }
    let faults: &[(Fault, Count)] = &[
        (Fault::Byte, |e| e.bad_body),
        (Fault::Length, |e| e.bad_length),
        (Fault::Missing, |e| e.bad_order),
    ];
    check("slow5", Mode::Publish, faults);
}

#[test]
fn handshakes_are_counted_and_checked() {
    let outcome = run("handshake", 1, Mode::Echo, Fault::None);
    assert_eq!(outcome.errors, Errors::default());
    assert!(outcome.operations > 0);
    let outcome = run("handshake", 1, Mode::Echo, Fault::Accept);
    assert!(outcome.errors.bad_status > 0);
    assert_eq!(outcome.operations, 0);
}

#[test]
fn idle_connections_are_held_and_checked() {
    // A process whose memory and files stay as they are, in place of the server's: once it has
    // given a line back, it has started, and it waits for the next.
    let mut other = Command::new("cat")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    other.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
    other.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
    for (scenario, mode) in [("idle30", Mode::Echo), ("idle30-deflate", Mode::Deflate)] {
        let scenario = scenario.parse().unwrap();
        let run = |fault| idle::run(scenario, serve(mode, fault), other.id(), Content::All);
        let memory = run(Fault::None).unwrap();
        assert_eq!((memory.connections, memory.errors), (30, Errors::default()));
        assert_eq!(memory.open_bytes, memory.before_bytes);
        assert!(memory.is_valid());
        let memory = run(Fault::Accept).unwrap();
        assert_eq!((memory.connections, memory.errors.bad_status), (0, 31));
        assert!(!memory.is_valid());
    }
    other.kill().unwrap();
    other.wait().unwrap();
}
