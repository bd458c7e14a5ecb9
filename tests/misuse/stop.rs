//! A stop that arrives right before each callback, and one that is asked for from within one.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use keirin::{Server, ServerHandle};

use crate::parser;
use crate::world::{self, Callback, Cell, Operation, Role, Target};

fn cell(callback: Callback) -> Cell {
    Cell {
        callback,
        operation: Operation::Resume,
        target: Target::Own,
    }
}

#[test]
fn a_stop_before_any_callback_lets_every_answer_be_given_and_says_close() {
    for callback in Callback::ALL {
        let mut sim = world::sim(cell(callback));
        let clients = world::set_up(&mut sim);
        sim.stop(60_000);
        world::trigger(&mut sim, &clients);
        assert!(!sim.is_stopped(), "{callback:?}: answers are owed");
        sim.with_cx(|cx| {
            for role in [Role::Other, Role::Closing] {
                let id = cx.state().ids[role as usize].expect("it has asked");
                let _ = cx.response(id).expect("it is owed").end(b"late");
            }
        });
        sim.run_until_idle();
        sim.check();
        for (role, body) in [
            (Role::Subject, "self"),
            (Role::Other, "late"),
            (Role::Closing, "late"),
            (Role::Later, "tail"),
            (Role::Stale, ""),
            (Role::Ended, ""),
        ] {
            let client = clients.of(role);
            let received = sim.received(client);
            assert!(sim.is_closed(client), "{callback:?}: {role:?}");
            sim.finish(client);
            if body.is_empty() || (role == Role::Subject && callback == Callback::Aborted) {
                assert_eq!(
                    received.escape_ascii().to_string(),
                    "",
                    "{callback:?}: {role:?}"
                );
                continue;
            }
            let answers = parser::answers(&received);
            assert_eq!(answers.len(), 1, "{callback:?}: {role:?}");
            assert_eq!(answers[0].body, body, "{callback:?}: {role:?}");
            assert_eq!(
                answers[0].header("Connection"),
                Some("close"),
                "{callback:?}: {role:?}"
            );
        }
        sim.run_until_idle();
        assert!(sim.is_stopped(), "{callback:?}");
        let aborted = u32::from(callback == Callback::Aborted);
        sim.with_cx(|cx| assert_eq!(cx.state().aborted, [aborted, 0, 0, 0, 0, 0]));
    }
}

#[test]
fn at_the_deadline_each_owed_answer_is_aborted_once() {
    for callback in Callback::ALL {
        let mut sim = world::sim(cell(callback));
        let clients = world::set_up(&mut sim);
        sim.stop(50);
        world::trigger(&mut sim, &clients);
        sim.advance_ms(60);
        sim.check();
        assert!(sim.is_stopped(), "{callback:?}");
        let own = u32::from(callback == Callback::Aborted);
        sim.with_cx(|cx| assert_eq!(cx.state().aborted, [own, 1, 0, 1, 0, 0], "{callback:?}"));
    }
}

#[test]
fn a_handler_may_stop_its_own_server() {
    for callback in ["handler", "collect", "defer", "timer"] {
        let handle: Arc<OnceLock<ServerHandle>> = Arc::default();
        let for_routes = Arc::clone(&handle);
        let server = Server::new(move |app| {
            let handle = Arc::clone(&for_routes);
            app.post("/:callback", move |mut res, req| {
                let handle = Arc::clone(&handle);
                let stop = move || handle.get().unwrap().stop(Duration::from_secs(10));
                let id = res.id();
                match req.parameter("callback").unwrap() {
                    "handler" => {
                        stop();
                        res.end(b"stopping")
                    }
                    "collect" => res.collect_body(100, move |res, _| {
                        stop();
                        res.end(b"stopping")
                    }),
                    "defer" => {
                        res.cx().defer(move |cx| {
                            stop();
                            let _ = cx.response(id).unwrap().end(b"stopping");
                        });
                        res.detach(|_| ()).1
                    }
                    _ => {
                        let _ = res.cx().after(Duration::from_millis(1), move |cx| {
                            stop();
                            let _ = cx.response(id).unwrap().end(b"stopping");
                        });
                        res.detach(|_| ()).1
                    }
                }
            });
        });
        let server = server.workers(1).listen("127.0.0.1:0").unwrap();
        assert!(handle.set(server.handle()).is_ok());
        let address = server.addresses()[0].to_string();
        let running = std::thread::spawn(move || server.run());
        let mut stream = TcpStream::connect(&address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        let request =
            format!("POST /{callback} HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody");
        stream.write_all(request.as_bytes()).unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        let answers = parser::answers(&bytes);
        assert_eq!(answers.len(), 1, "{callback}");
        assert_eq!(answers[0].body, "stopping", "{callback}");
        drop(stream);
        assert!(running.join().unwrap().is_ok(), "{callback}");
        assert!(
            TcpStream::connect(&address).is_err(),
            "{callback}: nobody listens"
        );
    }
}
