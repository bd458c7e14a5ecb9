//! A batch of sends does what as many calls of `send(2)` would have done.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};

use keirin_ring::SendRing;

fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (far, _) = listener.accept().unwrap();
    near.set_nonblocking(true).unwrap();
    (near, far)
}

/// A ring, or `None` and a word about it where the kernel has none for this process.
fn ring(capacity: u32) -> Option<SendRing> {
    let ring = SendRing::new(capacity);
    ring.map_err(|error| writeln!(std::io::stderr(), "no io_uring here: {error}"))
        .ok()
}

#[test]
fn more_sends_than_the_ring_holds_all_arrive() {
    let pairs: Vec<_> = (0..50).map(|_| pair()).collect();
    let texts: Vec<String> = (0..50).map(|number| format!("for {number}")).collect();
    for capacity in [1, 7, 50, 64] {
        let Some(mut ring) = ring(capacity) else {
            return;
        };
        let sends = pairs.iter().zip(&texts);
        let sends = sends.map(|((near, _), text)| (near.as_fd(), text.as_bytes()));
        ring.send_each(sends, |index, result| panic!("{index}: {result:?}"))
            .unwrap();
        for ((_, far), text) in pairs.iter().zip(&texts) {
            let mut got = vec![0; text.len()];
            (&*far).read_exact(&mut got).unwrap();
            assert_eq!(got, text.as_bytes());
        }
    }
}

#[test]
fn what_is_taken_in_part_or_not_at_all_is_told_of_and_nothing_else() {
    let (near, mut far) = pair();
    let (other, mut other_far) = pair();
    let (gone, peer) = pair();
    drop(peer);
    let Some(mut ring) = ring(8) else { return };
    // The reset that the first byte provokes is there once the socket has seen it.
    while !matches!((&gone).read(&mut [0]), Ok(0) | Err(_)) {}
    let large: Vec<u8> = (0..64_u32 << 20).map(|n| (n >> 3) as u8).collect();
    let mut seen = Vec::new();
    let sends = [(near.as_fd(), &large[..]), (other.as_fd(), b"small")];
    ring.send_each(sends, |index, result| seen.push((index, result.unwrap())))
        .unwrap();
    let [(0, taken)] = seen[..] else {
        panic!("{seen:?}")
    };
    assert!(taken > 0 && taken < large.len());

    let mut seen = Vec::new();
    let sends = [(near.as_fd(), &large[taken..]), (other.as_fd(), b"again")];
    ring.send_each(sends, |index, result| {
        seen.push((index, result.unwrap_err().kind()))
    })
    .unwrap();
    assert_eq!(seen, [(0, ErrorKind::WouldBlock)]);

    let mut got = vec![0; taken];
    far.read_exact(&mut got).unwrap();
    assert!(
        got == large[..taken],
        "what was taken is what was at the front"
    );
    let mut got = [0; 10];
    other_far.read_exact(&mut got).unwrap();
    assert_eq!(&got, b"smallagain");
}

#[test]
fn a_broken_socket_does_not_keep_the_others_from_sending() {
    let (first, mut first_far) = pair();
    let (closed, _far) = pair();
    let (last, mut last_far) = pair();
    closed.shutdown(std::net::Shutdown::Write).unwrap();
    let sends: [(BorrowedFd<'_>, &[u8]); 3] = [
        (first.as_fd(), b"a"),
        (closed.as_fd(), b"b"),
        (last.as_fd(), b"c"),
    ];
    let mut seen = Vec::new();
    let Some(mut ring) = ring(4) else { return };
    ring.send_each(sends, |index, result| {
        seen.push((index, result.unwrap_err().kind()))
    })
    .unwrap();
    assert_eq!(seen, [(1, ErrorKind::BrokenPipe)]);
    for (far, byte) in [(&mut first_far, b'a'), (&mut last_far, b'c')] {
        let mut got = [0];
        far.read_exact(&mut got).unwrap();
        assert_eq!(got, [byte]);
    }
}

#[test]
fn an_iterator_that_panics_leaves_nothing_behind() {
    let (near, mut far) = pair();
    let Some(mut ring) = ring(4) else { return };
    let panicking = std::panic::AssertUnwindSafe(|| {
        let gone = b"never".to_vec();
        let sends = (0..2).map(|n| {
            if n == 0 {
                (near.as_fd(), &gone[..])
            } else {
                panic!("n")
            }
        });
        let _ = ring.send_each(sends, |_, _| {});
    });
    assert!(std::panic::catch_unwind(panicking).is_err());
    ring.send_each([(near.as_fd(), &b"after"[..])], |_, _| unreachable!())
        .unwrap();
    let mut got = [0; 5];
    far.read_exact(&mut got).unwrap();
    assert_eq!(&got, b"after");
}
