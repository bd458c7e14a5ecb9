//! Every option at its extremes and beyond: it is refused, or a loop works with it. None of them is
//! a reason to panic.

use std::ffi::c_void;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::ptr::null_mut;

use crate::abi::*;
use crate::callbacks;
use crate::numbers::*;
use crate::world::Limit;

const NUMBERS: [u64; 17] = [
    0,
    1,
    2,
    8,
    9,
    15,
    16,
    24,
    25,
    255,
    256,
    16_384,
    65_536,
    1 << 31,
    u32::MAX as u64,
    i64::MAX as u64,
    u64::MAX,
];

/// The options of the header, and one more at each end.
const OPTIONS: std::ops::RangeInclusive<u32> = 0..=25;
const WS_OPTIONS: std::ops::RangeInclusive<u32> = 0..=17;

const HANDSHAKE: &str = "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n\
    Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n";

unsafe extern "C" fn probe(
    _user: *mut c_void,
    raw: *mut Loop,
    response: Response,
    _request: *const Request,
) {
    callbacks::end(raw, response, b"probe");
}

unsafe extern "C" fn echo(
    _user: *mut c_void,
    raw: *mut Loop,
    ws: Ws,
    kind: u32,
    data: *const u8,
    length: usize,
) {
    // SAFETY: all of it is this callback's.
    unsafe {
        keirin_ws_set_lifetime(raw, ws, u32::MAX);
        keirin_ws_send(raw, ws, kind, data, length);
    }
}

/// What is set: of the loop, and of a kind of WebSocket.
#[derive(Clone, Copy, Debug)]
enum Setting {
    Config(u32, u64),
    Behaviour(u32, u64),
}

/// A loop with a setting, if there is one that has it.
unsafe fn make(setting: Setting) -> Option<*mut Loop> {
    let mut raw = null_mut();
    // SAFETY: what is freed is not used again.
    unsafe {
        let (app, config, kind) = (
            keirin_app_new(),
            keirin_config_new(),
            keirin_behaviour_new(),
        );
        let set = match setting {
            Setting::Config(option, number) => keirin_config_set(config, option, number),
            Setting::Behaviour(option, number) => keirin_behaviour_set(kind, option, number),
        };
        assert!(matches!(set, OK | ERR_ARGUMENT), "{setting:?}: {set}");
        keirin_behaviour_on_message(kind, Some(echo));
        let method = c"GET".as_ptr();
        let route = keirin_app_route(
            app,
            method,
            c"/probe".as_ptr(),
            Some(probe),
            null_mut(),
            None,
        );
        assert_eq!(route, OK);
        let added = keirin_app_websocket(app, c"/ws".as_ptr(), kind, null_mut());
        assert!(matches!(added, OK | ERR_CONFIG), "{setting:?}: {added}");
        let made = keirin_loop_new(app, config, &raw mut raw);
        assert!(matches!(made, OK | ERR_CONFIG), "{setting:?}: {made}");
        keirin_app_free(app);
        keirin_config_free(config);
        keirin_behaviour_free(kind);
        let is_whole = set == OK && added == OK && made == OK;
        if !is_whole && made == OK {
            assert_eq!(keirin_loop_free(raw), OK);
        }
        is_whole.then_some(raw)
    }
}

/// Sends something, and turns the loop until there is an answer, or an end.
unsafe fn ask(raw: *mut Loop, stream: &mut TcpStream, bytes: &[u8], setting: Setting) {
    let text = format!("an answer with {setting:?}");
    let limit = Limit::new(&text);
    // A connection that was closed is an answer too.
    if stream.write_all(bytes).is_err() {
        return;
    }
    loop {
        // SAFETY: the caller's loop is alive.
        assert_eq!(unsafe { keirin_loop_turn(raw, 1) }, OK, "{setting:?}");
        match stream.read(&mut [0; 4096]) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => limit.check(),
            _ => return,
        }
    }
}

fn try_setting(setting: Setting) -> bool {
    // SAFETY: the loop is freed last.
    unsafe {
        let Some(raw) = make(setting) else {
            return false;
        };
        let mut port = 0;
        let bound = keirin_loop_listen(raw, c"127.0.0.1:0".as_ptr(), &raw mut port);
        assert_eq!(bound, OK, "{setting:?}");
        for first in ["GET /probe HTTP/1.1\r\nHost: x\r\n\r\n", HANDSHAKE] {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
            stream.set_nonblocking(true).expect("a socket can");
            ask(raw, &mut stream, first.as_bytes(), setting);
            if first == HANDSHAKE {
                let mut frame = vec![0x81, 0x80 | 100, 0, 0, 0, 0];
                frame.extend([b'a'; 100]);
                ask(raw, &mut stream, &frame, setting);
            }
        }
        let mut panics = 0;
        assert_eq!(keirin_loop_count(raw, COUNT_PANICS, &raw mut panics), OK);
        assert_eq!(panics, 0, "{setting:?}");
        assert_eq!(keirin_loop_stop(raw, 0), OK);
        assert_eq!(keirin_loop_run(raw), OK, "{setting:?}");
        assert_eq!(keirin_loop_free(raw), OK);
    }
    true
}

#[test]
fn every_option_at_every_extreme_is_refused_or_works() {
    let config = OPTIONS.flat_map(|option| NUMBERS.map(|n| Setting::Config(option, n)));
    let behaviour = WS_OPTIONS.flat_map(|option| NUMBERS.map(|n| Setting::Behaviour(option, n)));
    let (mut refused, mut worked) = (0, 0);
    for setting in config.chain(behaviour) {
        if try_setting(setting) {
            worked += 1;
        } else {
            refused += 1;
        }
    }
    assert!(
        refused > 100 && worked > 100,
        "{refused} refused, {worked} worked"
    );
}
