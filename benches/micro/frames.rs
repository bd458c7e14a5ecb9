//! Reading WebSocket messages, whole and in pieces, and writing them.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use keirin::proto::ws::frame::{encode_frame, encode_masked};
use keirin::proto::ws::{MessageLimits, Opcode, Receiver, Role, Workspace, mask};

const LIMITS: MessageLimits = MessageLimits {
    message_bytes_max: 16 << 20,
    message_cost_max: 16 << 20,
};

/// Messages in one packet.
const MESSAGES: usize = 32;

/// A client's messages, each in frames of this size.
fn packet(opcode: Opcode, message: &[u8], frame: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..MESSAGES {
        let count = message.len().div_ceil(frame);
        for (index, part) in message.chunks(frame).enumerate() {
            let opcode = if index == 0 {
                opcode
            } else {
                Opcode::Continuation
            };
            let fin = index + 1 == count;
            encode_masked(&mut bytes, fin, false, opcode, part, [1, 2, 3, 4]);
        }
    }
    bytes
}

/// Bytes of payload in a packet.
fn read(mut bytes: &mut [u8], workspace: &mut Workspace) -> usize {
    let mut receiver = Receiver::new(Role::Server, false);
    let mut payload_bytes = 0;
    while !bytes.is_empty() {
        let step = receiver
            .next(bytes, workspace, &LIMITS)
            .expect("well formed");
        let used = step.used;
        if let Some((_, _, payload)) = step.event.and_then(|event| event.message()) {
            payload_bytes += black_box(payload).len();
        }
        bytes = &mut bytes[used..];
    }
    payload_bytes
}

fn reading(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("read messages");
    let umlauts = "\u{e9}".repeat(512);
    let mut workspace = Workspace::default();
    for (name, opcode, message, frame) in [
        ("binary of 20", Opcode::Binary, &[7; 20][..], 20),
        ("binary of 1 KiB", Opcode::Binary, &[7; 1024], 1024),
        ("ASCII of 20", Opcode::Text, &[b'a'; 20], 20),
        ("ASCII of 1 KiB", Opcode::Text, &[b'a'; 1024], 1024),
        ("umlauts of 1 KiB", Opcode::Text, umlauts.as_bytes(), 1024),
        (
            "ASCII of 1 KiB in frames of 64",
            Opcode::Text,
            &[b'a'; 1024],
            64,
        ),
    ] {
        let packet = packet(opcode, message, frame);
        let bytes = message.len() * MESSAGES;
        assert_eq!(read(&mut packet.clone(), &mut workspace), bytes);
        group.throughput(Throughput::Elements(MESSAGES as u64));
        group.bench_function(name, |bencher| {
            bencher.iter_batched_ref(
                || packet.clone(),
                |packet| read(packet, &mut workspace),
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

fn writing(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("write frames");
    let mut out = Vec::with_capacity(64 << 10);
    for len in [20, 1024] {
        let payload = vec![7; len];
        group.bench_function(format!("of {len}"), |bencher| {
            bencher.iter(|| {
                out.clear();
                encode_frame(&mut out, true, false, Opcode::Binary, black_box(&payload));
                black_box(out.len())
            });
        });
    }
    group.finish();
}

fn masking(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("mask");
    for len in [7, 20, 125, 1024, 64 << 10] {
        let mut bytes = vec![7; len];
        group.throughput(Throughput::Bytes(len as u64));
        group.bench_function(format!("{len} bytes"), |bencher| {
            bencher.iter(|| mask::apply(black_box(&mut bytes), [1, 2, 3, 4], 0));
        });
    }
    group.finish();
}

criterion_group!(benches, reading, writing, masking);
criterion_main!(benches);
