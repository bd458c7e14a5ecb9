//! What answers look like on the wire.

use keirin::testing::Sim;
use keirin::{Config, Misuse, Reply, Response, Sent, TryEnd};

use crate::support::{World, ask, get, note, ok, post, send, short, start, take_log, text};

fn head(target: &str) -> String {
    get(target).replace("GET", "HEAD")
}

fn http10(target: &str, more: &str) -> String {
    format!("GET {target} HTTP/1.0\r\n{more}\r\n")
}

#[test]
fn the_plainest_answer_to_the_byte() {
    let mut sim = start(Config::builder(), |_| ());
    let client = sim.connect();
    send(&mut sim, client, get("/a"));
    let plain =
        "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 1\r\n\r\na";
    assert_eq!(
        sim.received(client).escape_ascii().to_string(),
        plain.escape_default().to_string()
    );
}

/// An answer with nothing special about it is composed at one go. Setting the status, even to what
/// it is, takes the general way, and nobody can tell.
#[test]
fn the_short_way_to_an_answer_leads_where_the_general_one_does() {
    type Way = fn(Response<'_, World>, &[u8]) -> Reply;
    let plain: Way = |res, body| res.end(body);
    let general: Way = |mut res, body| {
        res.status(200);
        res.end(body)
    };
    const IDLE_MS: u64 = 5_000;
    let long = "k".repeat(200);
    for server in [None, Some("keirin/test"), Some(&*long)] {
        let outcome = |way: Way| {
            let config = Config::builder().keep_alive_timeout_ms(IDLE_MS);
            let config = match server {
                Some(server) => config.server_header(server),
                None => config,
            };
            let mut sim = start(config, |app| {
                app.get("/:size", move |res, req| {
                    let size = req.parameter("size").and_then(|size| size.parse().ok());
                    way(res, &vec![b'x'; size.expect("a number")])
                });
            });
            let client = sim.connect();
            for size in [70_000, 20_000, 8_192, 8_000, 4_000, 100, 99, 10, 9, 1, 0] {
                send(&mut sim, client, get(&format!("/{size}")).repeat(3));
            }
            // As it goes when no input is being handled.
            let other = sim.connect();
            send(&mut sim, other, get("/hold"));
            sim.with_cx(|cx| {
                let id = cx.state().ids[0];
                way(cx.response(id).expect("it is owed"), b"later");
            });
            sim.advance_ms(IDLE_MS - 1);
            let before = sim.counts();
            sim.advance_ms(1);
            sim.check();
            let received = [client, other].map(|client| sim.received(client));
            (received, before, sim.counts())
        };
        let (plain, general) = (outcome(plain), outcome(general));
        assert!(plain == general, "with {server:?}");
        assert_eq!((plain.1.idle_timeouts, plain.2.idle_timeouts), (0, 2));
        assert_eq!(plain.2.answers, 34);
    }
}

#[test]
fn every_part_of_a_head_has_its_place() {
    let config = Config::builder().server_header("keirin/test");
    let mut sim = start(config, |app| {
        app.get("/full", |mut res, _| {
            res.header("X-One", b"1")
                .status(404)
                .header("x-two", b"\x80 t\tw");
            res.status(201);
            res.header("Connection", b"close");
            res.end(b"body")
        });
    });
    let client = sim.connect();
    send(&mut sim, client, get("/a") + &get("/full"));
    let date = "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nServer: keirin/test\r\n";
    let first = format!("HTTP/1.1 200 OK\r\n{date}Content-Length: 1\r\n\r\na");
    let second = [
        b"HTTP/1.1 201 Created\r\nX-One: 1\r\nx-two: \x80 t\tw\r\n",
        date.as_bytes(),
        b"Connection: close\r\nContent-Length: 4\r\n\r\nbody",
    ]
    .concat();
    let expected = [first.as_bytes(), &second].concat();
    let received = sim.received(client);
    assert_eq!(
        received.escape_ascii().to_string(),
        expected.escape_ascii().to_string()
    );
    assert!(sim.is_closed(client));
}

#[test]
fn head_is_answered_by_the_route_for_get_and_without_a_body() {
    let mut sim = start(Config::builder(), |app| {
        app.get("/write", |mut res, _| {
            let _ = res.write(b"con");
            res.end(b"tent")
        });
        app.get("/declared", |mut res, _| {
            res.header("Content-Length", b"12345");
            res.end_without_body()
        });
        app.get("/try", |res, _| match res.try_end(b"body", 4) {
            TryEnd::Done(reply) => reply,
            TryEnd::More(res) | TryEnd::Blocked(res) => res.close(),
        });
        app.get("/own", |res, _| res.end(b"get"));
        app.head("/own", |mut res, _| {
            res.header("X-Own", b"head");
            res.end(b"")
        });
    });
    let client = sim.connect();
    let length = |length| format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
    assert_eq!(ask(&mut sim, client, head("/a")), length(1));
    let chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(ask(&mut sim, client, head("/write")), chunks);
    assert_eq!(ask(&mut sim, client, head("/declared")), length(12345));
    assert_eq!(ask(&mut sim, client, head("/try")), length(4));
    let own = "HTTP/1.1 200 OK\r\nX-Own: head\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(ask(&mut sim, client, head("/own")), own);
    let missing = short("404 Not Found", false);
    let missing = missing.strip_suffix("404 Not Found\n").unwrap();
    assert_eq!(ask(&mut sim, client, head("/missing")), missing);
    // Nothing of this has got the client out of step.
    assert_eq!(ask(&mut sim, client, get("/a")), ok("a"));
    // GET is promised only what it gets.
    assert_eq!(ask(&mut sim, client, get("/declared")), length(0));
}

#[test]
fn what_no_route_answers() {
    let mut sim = start(Config::builder(), |app| {
        app.post("/a", |res, _| res.end(b"posted"));
        app.delete("/only", |res, _| res.end(b"deleted"));
        app.method("PURGE", "/cache", |res, _| res.end(b"purged"));
        app.get("/next", |mut res, _| {
            res.header("X-Kept", b"x");
            res.next()
        });
    });
    let client = sim.connect();
    let ask_for = |sim: &mut _, method: &str, target: &str| {
        ask(sim, client, get(target).replace("GET", method))
    };
    let allow = |status: &str, allow: &str| {
        short(status, false).replacen("\r\n", &format!("\r\nAllow: {allow}\r\n"), 1)
    };
    let refused = "405 Method Not Allowed";
    assert_eq!(
        ask_for(&mut sim, "GET", "/none"),
        short("404 Not Found", false)
    );
    assert_eq!(
        ask_for(&mut sim, "PUT", "/a"),
        allow(refused, "GET, POST, HEAD, OPTIONS")
    );
    assert_eq!(
        ask_for(&mut sim, "GET", "/only"),
        allow(refused, "DELETE, OPTIONS")
    );
    assert_eq!(
        ask_for(&mut sim, "PURGE", "/a"),
        allow(refused, "GET, POST, HEAD, OPTIONS")
    );
    assert_eq!(ask_for(&mut sim, "PURGE", "/cache"), ok("purged"));
    assert_eq!(
        ask_for(&mut sim, "BREW", "/a"),
        short("501 Not Implemented", false)
    );
    assert_eq!(
        ask_for(&mut sim, "OPTIONS", "/a"),
        "HTTP/1.1 204 No Content\r\nAllow: GET, POST, HEAD, OPTIONS\r\n\r\n"
    );
    assert_eq!(
        ask_for(&mut sim, "OPTIONS", "*"),
        "HTTP/1.1 204 No Content\r\nAllow: GET, POST, DELETE, PURGE, HEAD, OPTIONS\r\n\r\n"
    );
    let kept = short("404 Not Found", false).replacen("\r\n", "\r\nX-Kept: x\r\n", 1);
    assert_eq!(ask_for(&mut sim, "GET", "/next"), kept);
    assert_eq!(sim.counts().misuse_unanswered, 0);
}

#[test]
fn an_http10_connection_goes_on_only_when_asked_to() {
    let mut sim = start(Config::builder(), |app| {
        app.get("/write", |mut res, _| {
            let _ = res.write(b"un");
            let _ = res.write(b"til");
            res.end(b" close")
        });
        app.get("/announced", |mut res, _| {
            let _ = res.header("Content-Length", b"4").write(b"bo");
            res.end(b"dy")
        });
    });
    let client = sim.connect();
    let keep = "Connection: keep-alive\r\n";
    let kept = |body: &str| {
        let length = body.len();
        format!("HTTP/1.1 200 OK\r\n{keep}Content-Length: {length}\r\n\r\n{body}")
    };
    assert_eq!(ask(&mut sim, client, http10("/a", keep)), kept("a"));
    assert_eq!(
        ask(&mut sim, client, http10("/announced", keep)),
        kept("body")
    );
    // Without a length, which chunks cannot replace here, the end of the connection is the end.
    let until_close = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil close";
    assert_eq!(ask(&mut sim, client, http10("/write", keep)), until_close);
    assert!(sim.is_closed(client));
    let client = sim.connect();
    let closed = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\na";
    assert_eq!(ask(&mut sim, client, http10("/a", "")), closed);
    assert!(sim.is_closed(client));
}

#[test]
fn a_refused_header_turns_the_answer_into_500_and_splits_nothing() {
    let bad: [(&str, &[u8]); 12] = [
        ("X-Bad", b"a\r\nInjected: b"),
        ("X-Bad", b"a\nb"),
        ("X-Bad", b"a\rb"),
        ("X-Bad", b"a\0b"),
        ("X-Bad", b"a\x7fb"),
        ("X-Bad\r\nInjected", b"b"),
        ("X Bad", b"b"),
        ("X-Bad:", b"b"),
        ("", b"b"),
        ("Transfer-Encoding", b"chunked"),
        ("content-length", b"+5"),
        ("Connection", b"upgrade"),
    ];
    for (name, value) in bad {
        for ending in ["end", "without", "write", "try", "later"] {
            let mut sim = start(Config::builder(), |app| {
                app.get("/bad", move |mut res, _| {
                    res.status(201).header("X-Good", b"x");
                    res.header(name, value);
                    match ending {
                        "end" => res.end(b"body"),
                        "without" => res.end_without_body(),
                        "write" => {
                            let _ = res.write(b"body");
                            res.detach(|_| ()).1
                        }
                        "try" => match res.try_end(b"body", 4) {
                            TryEnd::Done(reply) => reply,
                            TryEnd::More(res) | TryEnd::Blocked(res) => res.close(),
                        },
                        _ => res.on_writable(|res, _| res.end(b"body")),
                    }
                });
                app.get("/tried", move |mut res, _| {
                    res.header("X-Good", b"x");
                    assert_eq!(res.try_header(name, value).err(), Some(Misuse::Header));
                    res.end(b"went on")
                });
            });
            let client = sim.connect();
            let name = format!("{name:?} {} {ending}", value.escape_ascii());
            let answer = ask(&mut sim, client, get("/bad"));
            assert_eq!(answer, short("500 Internal Server Error", false), "{name}");
            let log = sim.records();
            assert!(
                log.iter()
                    .any(|r| r.message.starts_with("refused to send the header"))
            );
            assert!(
                log.iter().all(|r| !r.message.contains(['\r', '\n'])),
                "{name}"
            );
            let tried = "HTTP/1.1 200 OK\r\nX-Good: x\r\nContent-Length: 7\r\n\r\nwent on";
            assert_eq!(ask(&mut sim, client, get("/tried")), tried, "{name}");
            assert_eq!(sim.counts().panics, 0, "{name}");
            let late = u64::from(ending == "write") * 2; // Its detach comes when all is answered.
            assert_eq!(sim.counts().misuse_other, 2 + late, "{name}");
        }
    }
}

#[test]
fn what_comes_too_late_or_is_out_of_range_is_counted_and_changes_nothing() {
    let mut sim = start(Config::builder(), |app| {
        app.get("/late", |mut res, _| {
            let _ = res.write(b"begun");
            res.status(500).header("X-Late", b"x").write_continue();
            assert_eq!(
                res.try_header("X-Late", b"x").err(),
                Some(Misuse::AlreadyBegun)
            );
            res.end(b"")
        });
        app.get("/range", |mut res, _| {
            res.status(201).status(199).status(600).status(0);
            res.end(b"")
        });
        app.get("/edges", |mut res, req| {
            res.status(req.query().unwrap().parse().unwrap());
            res.end(b"x")
        });
    });
    let client = sim.connect();
    let late = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegun\r\n0\r\n\r\n";
    assert_eq!(ask(&mut sim, client, get("/late")), late);
    assert_eq!(sim.counts().misuse_other, 4);
    let created = "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(ask(&mut sim, client, get("/range")), created);
    assert_eq!(sim.counts().misuse_other, 7);
    let edges = "HTTP/1.1 599 \r\nContent-Length: 1\r\n\r\nx";
    assert_eq!(ask(&mut sim, client, get("/edges?599")), edges);
    assert_eq!(ask(&mut sim, client, get("/edges?200")), ok("x"));
}

#[test]
fn an_announced_length_is_kept() {
    let mut sim = start(Config::builder(), |app| {
        app.get("/exact", |mut res, _| {
            let _ = res.header("Content-Length", b"6").write(b"ab");
            let _ = res.write(b"cd");
            res.end(b"ef")
        });
        app.get("/over", |mut res, _| {
            let _ = res.header("Content-Length", b"3").write(b"ab");
            let over = res.write(b"cd");
            note(&mut res, format!("{over:?}"));
            res.end(b"c")
        });
        for (path, end) in [("/short", &b"e"[..]), ("/long", b"efg")] {
            app.get(path, move |mut res, _| {
                res.on_aborted(|cx| cx.state_mut().log.push("aborted".to_owned()));
                let _ = res.header("Content-Length", b"4").write(b"ab");
                res.end(end)
            });
        }
    });
    let client = sim.connect();
    assert_eq!(ask(&mut sim, client, get("/exact")), ok("abcdef"));
    // What does not fit is not sent: the rest of the answer still can be.
    assert_eq!(ask(&mut sim, client, get("/over")), ok("abc"));
    assert_eq!(sim.counts().misuse_other, 1);
    assert_eq!(take_log(&mut sim).len(), 1);
    for path in ["/short", "/long"] {
        let client = sim.connect();
        let text = ask(&mut sim, client, get(path));
        assert!(sim.is_freed(client), "{path}: cut");
        assert!(
            !text.ends_with("abe") && !text.contains("efg"),
            "{path}: {text}"
        );
        assert_eq!(take_log(&mut sim), ["aborted"], "{path}");
    }
    assert_eq!((sim.counts().misuse_other, sim.counts().aborted), (3, 2));
}

#[test]
fn closed_is_said_only_of_a_connection_that_is_closed() {
    let mut sim = start(Config::builder(), |app| {
        app.get("/over", |mut res, _| {
            let over = res.header("Content-Length", b"1").write(b"ab");
            note(&mut res, (over == Sent::Closed).to_string());
            res.end(b"a")
        });
    });
    let client = sim.connect();
    assert_eq!(ask(&mut sim, client, get("/over")), ok("a"));
    assert_eq!(take_log(&mut sim), ["false"], "the connection lives");
}

#[test]
fn statuses_without_content_have_none_whatever_the_handler_says() {
    for (status, line) in [(204_u16, "204 No Content"), (304, "304 Not Modified")] {
        for ending in ["end", "without", "write", "announced", "try"] {
            let mut sim = start(Config::builder(), |app| {
                app.get("/", move |mut res, _| {
                    res.status(status);
                    match ending {
                        "end" => res.end(b"body"),
                        "without" => res.end_without_body(),
                        "write" => {
                            let _ = res.write(b"bo");
                            res.end(b"dy")
                        }
                        "announced" => {
                            let _ = res.header("Content-Length", b"4").write(b"bo");
                            res.end(b"dy")
                        }
                        _ => match res.try_end(b"body", 4) {
                            TryEnd::Done(reply) => reply,
                            TryEnd::More(res) | TryEnd::Blocked(res) => res.close(),
                        },
                    }
                });
            });
            let client = sim.connect();
            let answer = ask(&mut sim, client, get("/"));
            // RFC 9110 section 8.6: no Content-Length in a 204; what a 304 has is optional.
            assert_eq!(answer, format!("HTTP/1.1 {line}\r\n\r\n"), "{ending}");
            assert_eq!(ask(&mut sim, client, get("/a")), ok("a"), "{line} {ending}");
        }
    }
}

#[test]
fn a_date_of_the_handlers_replaces_the_engines() {
    let mut sim = Sim::new(Config::default(), |app| {
        app.get("/", |mut res, _| {
            res.header("date", b"then");
            res.end(b"")
        });
        app.get("/bad", |mut res, _| {
            res.header("date", b"then").header("x", b"\n");
            res.end(b"")
        });
    });
    let client = sim.connect();
    sim.send(client, (get("/") + &get("/bad")).as_bytes());
    sim.run_until_idle();
    let text = String::from_utf8(sim.received(client)).unwrap();
    let dates: Vec<_> = text
        .lines()
        .filter(|line| line.to_lowercase().starts_with("date"))
        .collect();
    assert_eq!(dates, ["date: then", "Date: Sun, 06 Nov 1994 08:49:37 GMT"]);
}

#[test]
fn chunks_are_as_long_as_the_writes() {
    let mut sim = start(Config::builder(), |app| {
        app.get("/", |mut res, _| {
            assert_eq!(res.write(&[b'x'; 26]), Sent::Sent);
            assert_eq!(res.write(b""), Sent::Sent);
            assert_eq!(res.written(), 26);
            res.end(b"y")
        });
    });
    let client = sim.connect();
    let chunks = format!("1a\r\n{}\r\n1\r\ny\r\n0\r\n\r\n", "x".repeat(26));
    let answer = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}");
    assert_eq!(ask(&mut sim, client, get("/")), answer);
}

#[test]
fn where_a_length_is_required_its_absence_is_411() {
    let mut sim = start(Config::builder().length_required(true), |app| {
        app.any("/", |res, _| res.end(b"x"));
    });
    let client = sim.connect();
    for method in ["POST", "PUT", "PATCH"] {
        let request = get("/").replace("GET", method);
        assert_eq!(
            ask(&mut sim, client, request),
            short("411 Length Required", false),
            "{method}"
        );
    }
    assert_eq!(ask(&mut sim, client, get("/")), ok("x"));
    assert_eq!(ask(&mut sim, client, post("/", 0)), ok("x"));
    assert_eq!(sim.counts().protocol_errors, 3);
    let mut sim = start(Config::builder(), |app| {
        app.any("/", |res, _| res.end(b"x"));
    });
    let client = sim.connect();
    send(&mut sim, client, get("/").replace("GET", "POST"));
    assert_eq!(text(&mut sim, client), ok("x"));
}

#[test]
fn a_route_that_yields_with_an_answer_begun_is_cut() {
    let mut sim = start(Config::builder(), |app| {
        app.get("/begun", |mut res, _| {
            let _ = res.write(b"part");
            res.next()
        });
    });
    let client = sim.connect();
    send(&mut sim, client, get("/begun"));
    let text = text(&mut sim, client);
    assert!(
        text.ends_with("4\r\npart\r\n"),
        "not passed off as whole: {text}"
    );
    assert!(sim.is_freed(client));
    assert_eq!(sim.counts().misuse_other, 1);
}

#[test]
fn a_205_has_no_content_and_says_so() {
    let mut sim = start(Config::builder(), |app| {
        app.get("/reset", |mut res, _| {
            res.status(205);
            res.end(b"dropped")
        });
    });
    let client = sim.connect();
    let answer = "HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(ask(&mut sim, client, get("/reset")), answer);
    assert_eq!(ask(&mut sim, client, get("/a")), ok("a"));
}
