//! Decoding chunked bodies.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use keirin::proto::http1::body::BodyLimits;
use keirin::proto::http1::{BodyDecoder, BodyLength, BodyStep, encode};

const CONTENT_BYTES: usize = 64 << 10;

const LIMITS: BodyLimits = BodyLimits {
    body_bytes_max: 1 << 30,
    chunk_extension_bytes_max: 4 << 10,
    trailer_bytes_max: 8 << 10,
};

/// The content in chunks of this size.
fn body(chunk: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for data in vec![b'x'; CONTENT_BYTES].chunks(chunk) {
        encode::chunk_size(&mut bytes, data.len());
        bytes.extend_from_slice(data);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(encode::LAST_CHUNK);
    bytes
}

/// Bytes of content in a whole body.
fn decode(mut bytes: &[u8]) -> usize {
    let mut decoder = BodyDecoder::new(BodyLength::Chunked);
    let mut content = 0;
    loop {
        match decoder.decode(bytes, &LIMITS) {
            Ok(BodyStep::Data { skip, len }) => {
                content += len;
                bytes = &bytes[skip + len..];
            }
            Ok(BodyStep::End { .. }) => return content,
            other => panic!("the body is whole and well formed: {other:?}"),
        }
    }
}

fn bodies(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("chunked");
    group.throughput(Throughput::Bytes(CONTENT_BYTES as u64));
    for chunk in [16, 1024, 16 << 10] {
        let body = body(chunk);
        assert_eq!(decode(&body), CONTENT_BYTES);
        group.bench_function(format!("64 KiB in chunks of {chunk}"), |bencher| {
            bencher.iter(|| decode(black_box(&body)));
        });
    }
    group.finish();
}

criterion_group!(benches, bodies);
criterion_main!(benches);
