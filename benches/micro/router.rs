//! Routing, through a worker in memory: the router itself is private. What differs between these
//! figures is the path; the rest of the exchange, nearly all of each figure, is the same.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use keirin::testing::Sim;
use keirin::{App, Config};

/// Requests that are sent at once, so that the turn around them counts for little.
const PIPELINED: usize = 16;

fn few(app: &mut App) {
    app.get("/static/path/to", |res, _req| res.end(b""));
    app.get("/users/:user/posts/:post", |res, req| {
        res.end(req.parameter("post").unwrap_or_default().as_bytes())
    });
    app.get("/files/*", |res, _req| res.end(b""));
}

/// Ten resources with ten routes each, and those of `few`.
fn many(app: &mut App) {
    for resource in 0..10 {
        for route in 0..10 {
            app.get(
                &format!("/api/resource{resource}/:id/route{route}"),
                |res, _req| res.end(b""),
            );
        }
    }
    few(app);
}

fn routes(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("router");
    group.throughput(Throughput::Elements(PIPELINED as u64));
    let few: fn(&mut App) = few;
    for (name, setup, path) in [
        ("static", few, "/static/path/to"),
        ("two parameters", few, "/users/4711/posts/12"),
        ("wildcard", few, "/files/a/long/path/to/a/file"),
        ("static among 100", many, "/static/path/to"),
        ("parameter among 100", many, "/api/resource5/12/route5"),
    ] {
        let mut sim = Sim::new(Config::default(), setup);
        let client = sim.connect();
        sim.run_until_idle();
        let requests = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").repeat(PIPELINED);
        let mut exchange = || {
            sim.send(client, requests.as_bytes());
            sim.turn();
            sim.received(client)
        };
        let answers = exchange();
        assert!(
            answers.starts_with(b"HTTP/1.1 200 OK\r\n"),
            "{path} has no route"
        );
        group.bench_function(name, |bencher| {
            bencher.iter(|| assert_eq!(exchange().len(), answers.len()));
        });
    }
    group.finish();
}

criterion_group!(benches, routes);
criterion_main!(benches);
