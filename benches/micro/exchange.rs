//! Whole requests through a worker in memory: the scenarios of `icount`, in time.

#[path = "../icount/requests.rs"]
mod requests;
#[path = "../icount/scenario.rs"]
mod scenario;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};

use scenario::{Bench, SCENARIOS};

fn exchanges(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("exchange");
    for scenario in SCENARIOS {
        let mut bench = Bench::new(scenario);
        group.throughput(Throughput::Elements(scenario.pipelined as u64));
        group.bench_function(scenario.name, |bencher| {
            bencher.iter(|| bench.run(scenario.pipelined));
        });
    }
    group.finish();
}

criterion_group!(benches, exchanges);
criterion_main!(benches);
