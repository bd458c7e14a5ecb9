//! Every setting on each side of its range.

use keirin::{Config, ConfigBuilder, Error};

use crate::support::{ask, get, ok, short, start};

/// The setting that is at fault; `None` when all are in range.
fn fault(builder: ConfigBuilder) -> Option<&'static str> {
    match builder.build() {
        Ok(_) => None,
        Err(Error::Config { name, expected }) => {
            assert!(!expected.is_empty());
            Some(name)
        }
        Err(error) => panic!("{error}"),
    }
}

/// A setter, values that it takes, and values that it does not.
macro_rules! ranges {
    ($($name:ident: good $good:expr, bad $bad:expr;)+) => {
        $(
            for value in $good {
                let found = fault(Config::builder().$name(value));
                assert_eq!(found, None, "{} {value:?}", stringify!($name));
            }
            for value in $bad {
                let found = fault(Config::builder().$name(value));
                assert_eq!(found, Some(stringify!($name)), "{value:?}");
            }
        )+
    };
}

#[test]
fn the_defaults_are_in_range() {
    assert_eq!(fault(Config::builder()), None);
}

#[test]
fn every_range_holds_on_both_sides() {
    const NONE: [u64; 0] = [];
    ranges! {
        head_bytes_max: good [8192, 65_536], bad [0, 255, 65_537, usize::MAX];
        header_count_max: good [1, 256], bad [0, 257, usize::MAX];
        target_bytes_max: good [1, 16_384], bad [0, 16_385, usize::MAX];
        body_bytes_max: good [0, u64::MAX], bad NONE;
        chunk_extension_bytes_max: good [0, u32::MAX], bad [0_u32; 0];
        trailer_bytes_max: good [0, u32::MAX], bad [0_u32; 0];
        pipelined_bytes_max: good [1024, 524_288], bad [0, 1023, 524_289, usize::MAX];
        requests_per_turn_max: good [1, u32::MAX], bad [0];
        connections_max: good [1, usize::MAX], bad [0];
        write_buffer_bytes_max: good [16_384, usize::MAX], bad [0, 16_383];
        discard_bytes_max: good [0, u64::MAX], bad NONE;
        head_timeout_ms: good [1, u64::MAX], bad [0];
        keep_alive_timeout_ms: good [1, u64::MAX], bad [0];
        body_throughput_min: good [0, u64::MAX], bad NONE;
        body_window_ms: good [1, u64::MAX], bad [0];
        answer_timeout_ms: good [0, u64::MAX], bad NONE;
        write_stall_timeout_ms: good [1, u64::MAX], bad [0];
        linger_timeout_ms: good [1, u64::MAX], bad [0];
        inbox_capacity: good [1, usize::MAX], bad [0];
        server_header: good ["x", "keirin/1 (a b)"], bad ["", "a\r\nb", "a\nb", "a\0"];
        half_close: good [true, false], bad [true; 0];
        length_required: good [true, false], bad [true; 0];
    }
}

#[test]
fn limits_that_hang_together_are_checked_together() {
    let with = |head, target| {
        fault(
            Config::builder()
                .head_bytes_max(head)
                .target_bytes_max(target),
        )
    };
    assert_eq!(with(256, 256), None);
    assert_eq!(with(256, 257), Some("target_bytes_max"));
    assert_eq!(with(255, 255), Some("head_bytes_max"));
    // A smaller head takes the default for targets along.
    assert_eq!(
        fault(Config::builder().head_bytes_max(256)),
        Some("target_bytes_max")
    );
}

#[test]
fn timeouts_without_end_do_not_come_up() {
    let config = Config::builder()
        .head_timeout_ms(u64::MAX)
        .keep_alive_timeout_ms(u64::MAX)
        .body_throughput_min(u64::MAX)
        .body_window_ms(u64::MAX)
        .answer_timeout_ms(u64::MAX)
        .write_stall_timeout_ms(u64::MAX)
        .linger_timeout_ms(u64::MAX);
    let mut sim = start(config, |app| {
        app.post("/", |res, _| {
            res.collect_body(10, |res, body| res.end(&body))
        });
        app.get("/big", |res, _| res.end(&[b'x'; 100_000]));
    });
    let clients: Vec<_> = (0..4).map(|_| sim.connect()).collect();
    sim.set_window(clients[3], 10);
    let body = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n";
    sim.advance_ms(1);
    for (client, request) in [
        (0, get("/a")),
        (1, get("/hold")),
        (2, body.into()),
        (3, get("/big")),
    ] {
        sim.send(clients[client], request.as_bytes());
    }
    sim.run_until_idle();
    sim.advance_ms(1_000_000_000);
    sim.check();
    assert_eq!(sim.counts().connections_open, 4);
    assert_eq!(sim.counts().protocol_errors, 0);
}

#[test]
fn the_limits_of_a_head_hold_on_both_sides() {
    let config = Config::builder()
        .head_bytes_max(256)
        .target_bytes_max(20)
        .header_count_max(3);
    let mut sim = start(config, |app| {
        app.get("/*", |res, _| res.end(b"x"));
    });
    let mut refused = |request: String| {
        let client = sim.connect();
        ask(&mut sim, client, request)
    };
    let padded = |len: usize| {
        let head = "GET / HTTP/1.1\r\nHost: x\r\nX: \r\n\r\n";
        head.replace("X: ", &format!("X: {}", "y".repeat(len - head.len())))
    };
    assert_eq!(padded(256).len(), 256);
    assert_eq!(refused(padded(256)), ok("x"));
    let too_large = short("431 Request Header Fields Too Large", true);
    assert_eq!(refused(padded(257)), too_large);
    assert_eq!(refused(get(&"/".repeat(20))), ok("x"));
    assert_eq!(
        refused(get(&"/".repeat(21))),
        short("414 URI Too Long", true)
    );
    let lines = |count: usize| {
        get("/").replace(
            "Host: x\r\n",
            &("Host: x\r\n".to_owned() + &"A: b\r\n".repeat(count - 1)),
        )
    };
    assert_eq!(refused(lines(3)), ok("x"));
    assert_eq!(refused(lines(4)), too_large);
}
