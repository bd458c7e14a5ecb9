//! Publishing within one worker: what is kept for each subscriber, and putting together what it
//! gets. Each figure is for a message and all its subscribers, who do nothing with it.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use keirin::testing::Fanout;

const PAYLOAD: &[u8] = &[b'x'; 64];

/// A message a turn, to ever more subscribers.
fn one_message(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("publish");
    for subscribers in [1, 100, 1_000, 10_000] {
        group.throughput(Throughput::Elements(subscribers.into()));
        let mut fanout = Fanout::new(subscribers, 0);
        group.bench_function(format!("to {subscribers}"), |bencher| {
            bencher.iter(|| {
                assert_eq!(fanout.publish("news", PAYLOAD), subscribers as usize);
                fanout.drain()
            });
        });
    }
    group.finish();
}

/// Ten messages a turn, and a topic of each one's own, so that no two have the same pending.
fn many_messages(criterion: &mut Criterion) {
    const SUBSCRIBERS: u32 = 1_000;
    let mut group = criterion.benchmark_group("publish ten");
    group.throughput(Throughput::Elements(u64::from(SUBSCRIBERS) * 10));
    let own: Vec<String> = (0..SUBSCRIBERS).map(|index| format!("{index}/0")).collect();
    for (name, is_mixed) in [("alike", false), ("mixed with one of each one's own", true)] {
        let mut fanout = Fanout::new(SUBSCRIBERS, 1);
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                for _ in 0..if is_mixed { 9 } else { 10 } {
                    fanout.publish("news", PAYLOAD);
                }
                for topic in own.iter().filter(|_| is_mixed) {
                    fanout.publish(topic, PAYLOAD);
                }
                fanout.drain()
            });
        });
    }
    group.finish();
}

/// What does not depend on the number of others.
fn single(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("topics");
    let mut fanout = Fanout::new(10_000, 0);
    group.bench_function("publish to nobody", |bencher| {
        bencher.iter(|| assert_eq!(fanout.publish("nobody", PAYLOAD), 0));
    });
    group.bench_function("subscribe, unsubscribe", |bencher| {
        bencher.iter(|| fanout.come_and_go("news"));
    });
    group.bench_function("subscribe 1,000 to 10 topics, close all", |bencher| {
        bencher.iter_batched(|| (), |()| Fanout::new(1_000, 10), BatchSize::LargeInput);
    });
    group.finish();
}

criterion_group!(benches, one_message, many_messages, single);
criterion_main!(benches);
