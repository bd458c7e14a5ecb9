//! A loop and its clients on one thread.

use std::io::{ErrorKind, Read, Write};
use std::time::Duration;

use keirin::EventLoop;

/// Turns after which what is waited for does not come.
const TURNS_MAX: usize = 2000;

/// Turns until `condition` holds.
pub(crate) fn turn_until<U>(
    event_loop: &mut EventLoop<U>,
    mut condition: impl FnMut(&mut EventLoop<U>) -> bool,
) {
    for _ in 0..TURNS_MAX {
        if condition(event_loop) {
            return;
        }
        event_loop.turn(Some(Duration::from_millis(10))).unwrap();
    }
    panic!("it does not come");
}

/// Reads what a non-blocking client has; the end of the stream, and a reset, are `None`.
pub(crate) fn take(client: &mut impl Read, into: &mut Vec<u8>) -> Option<()> {
    let mut buffer = [0; 4096];
    match client.read(&mut buffer) {
        Ok(0) => None,
        Ok(len) => {
            into.extend_from_slice(&buffer[..len]);
            Some(())
        }
        Err(error) if error.kind() == ErrorKind::WouldBlock => Some(()),
        Err(_) => None,
    }
}

/// Asks for `/` and turns until there is an answer that ends with `.`, which it returns.
pub(crate) fn ask<U>(event_loop: &mut EventLoop<U>, client: &mut (impl Read + Write)) -> String {
    client
        .write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    answer(event_loop, client)
}

/// Turns until there is an answer that ends with `.`, or the connection.
pub(crate) fn answer<U>(event_loop: &mut EventLoop<U>, client: &mut impl Read) -> String {
    let mut bytes = Vec::new();
    turn_until(event_loop, |_| {
        take(client, &mut bytes).is_none() || bytes.ends_with(b".")
    });
    String::from_utf8(bytes).unwrap()
}
