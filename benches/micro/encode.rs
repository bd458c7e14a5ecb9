//! The pieces of an answer.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use keirin::proto::http1::{date, encode};

fn pieces(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("encode");
    // As in a connection's output: the buffer has room already.
    let mut out = Vec::with_capacity(4096);
    let mut piece = |name: &str, write: &dyn Fn(&mut Vec<u8>)| {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                out.clear();
                write(&mut out);
                black_box(out.len())
            });
        });
    };
    piece("status line 200", &|out| {
        encode::status_line(out, black_box(200))
    });
    piece("status line 404", &|out| {
        encode::status_line(out, black_box(404))
    });
    piece("header", &|out| {
        encode::header(out, b"Content-Type", black_box(b"application/json"));
    });
    piece("content length", &|out| {
        encode::content_length(out, black_box(16_384))
    });
    piece("chunk size", &|out| {
        encode::chunk_size(out, black_box(16_384))
    });
    piece("date", &|out| {
        out.extend(date::line(black_box(784_111_777)))
    });
    group.finish();
}

criterion_group!(benches, pieces);
criterion_main!(benches);
