//! Parsing request heads.

#[path = "../icount/requests.rs"]
mod requests;

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use keirin::proto::http1::head::{HeadLimits, HeaderSlots, parse};

const LIMITS: HeadLimits = HeadLimits {
    head_bytes_max: 16 << 10,
    header_count_max: 100,
    target_bytes_max: 8 << 10,
};

fn heads(criterion: &mut Criterion) {
    let behind_empty_line = requests::BROWSER.replacen("GET", "\r\nGET", 1);
    let unfinished = &requests::BROWSER[..requests::BROWSER.len() - 2];
    let mut group = criterion.benchmark_group("head");
    for (name, head) in [
        ("minimal", requests::MINIMAL),
        ("browser", requests::BROWSER),
        // These two take the thorough way.
        ("browser behind an empty line", &behind_empty_line),
        ("browser unfinished", unfinished),
    ] {
        let mut slots = HeaderSlots::default();
        group.throughput(Throughput::Bytes(head.len() as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let head = parse(black_box(head.as_bytes()), &mut slots, &LIMITS);
                head.map(|head| head.map(|head| black_box(head.len())))
            });
        });
    }
    group.finish();
}

criterion_group!(benches, heads);
criterion_main!(benches);
