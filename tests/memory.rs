//! Memory that nothing but the process as a whole can tell: so this is alone in its process.
#![cfg(target_os = "linux")]

use keirin::testing::Sim;
use keirin::{App, Behaviour, Config, DeflateConfig, WebSocketConfig};

const MESSAGE_BYTES: usize = 64 << 20;

/// What the process has in memory.
fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux has it");
    let mut lines = status.lines();
    let line = lines.find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next());
    kib.and_then(|kib| kib.parse::<usize>().ok())
        .expect("a number")
        << 10
}

/// A masked frame of a compressed binary message.
fn frame(message: &[u8]) -> Vec<u8> {
    let payload = miniz_oxide::deflate::compress_to_vec(message, 9);
    let length = u16::try_from(payload.len()).expect("a thousandth");
    let mut frame = vec![0xc2, 0x80 | 126];
    frame.extend(length.to_be_bytes());
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

#[test]
fn the_memory_of_a_large_inflated_message_is_given_back() {
    let settings = WebSocketConfig::builder()
        .message_bytes_max(MESSAGE_BYTES)
        .deflate(DeflateConfig::default())
        .build()
        .expect("it is in range");
    let mut sim = Sim::new(Config::default(), move |app: &mut App| {
        let echo_length = Behaviour::new().on_message(|ws, message| {
            let _ = ws.send_text(&message.bytes().len().to_string());
        });
        app.websocket::<()>("/", echo_length.config(settings.clone()));
    });
    let client = sim.connect();
    let handshake = "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\
         Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n";
    sim.send(client, handshake.as_bytes());
    sim.run_until_idle();
    let head = String::from_utf8(sim.received(client)).expect("ASCII");
    assert!(head.contains("permessage-deflate"), "{head}");
    let frame = frame(&vec![0; MESSAGE_BYTES]);
    let before = resident_bytes();
    sim.send(client, &frame);
    sim.run_until_idle();
    assert!(
        sim.received(client)
            .ends_with(MESSAGE_BYTES.to_string().as_bytes())
    );
    let after = resident_bytes();
    assert!(
        after < before + MESSAGE_BYTES / 4,
        "{before} and then {after}"
    );
}
