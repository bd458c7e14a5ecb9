//! Calls from other threads.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use keirin::{Config, EventLoop, RemoteError};

use crate::support::{World, get, ok, send, start, take_log, text};

#[test]
fn calls_run_in_their_order_in_the_next_turn() {
    let mut sim = start(Config::builder(), |_| ());
    let remote = sim.remote();
    for name in ["one", "two", "three"] {
        let called = remote.defer(move |cx| cx.state_mut().log.push(name.to_owned()));
        assert_eq!(called, Ok(()));
    }
    assert_eq!(take_log(&mut sim), [""; 0]);
    sim.turn();
    sim.check();
    assert_eq!(take_log(&mut sim), ["one", "two", "three"]);
}

#[test]
fn a_call_from_within_a_call_runs_in_the_turn_behind_it() {
    let mut sim = start(Config::builder(), |_| ());
    let called = sim.remote().defer(|cx| {
        let inner = cx
            .remote()
            .defer(|cx| cx.state_mut().log.push("inner".to_owned()));
        assert_eq!(inner, Ok(()));
        cx.state_mut().log.push("outer".to_owned());
    });
    assert_eq!(called, Ok(()));
    sim.turn();
    assert_eq!(take_log(&mut sim), ["outer"]);
    sim.turn();
    assert_eq!(take_log(&mut sim), ["inner"]);
}

#[test]
fn a_full_inbox_refuses_and_has_room_again_after_a_turn() {
    let mut sim = start(Config::builder().inbox_capacity(2), |_| ());
    let remote = sim.remote();
    let dropped = Arc::new(AtomicU32::new(0));
    struct Witness(Arc<AtomicU32>);
    impl Drop for Witness {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let call = |name: &'static str| {
        let witness = Witness(Arc::clone(&dropped));
        remote.defer(move |cx| {
            cx.state_mut().log.push(name.to_owned());
            drop(witness);
        })
    };
    assert_eq!([call("one"), call("two")], [Ok(()), Ok(())]);
    assert_eq!(call("three"), Err(RemoteError::Full));
    assert_eq!(
        dropped.load(Ordering::Relaxed),
        1,
        "a refused call is let go of"
    );
    sim.turn();
    assert_eq!(take_log(&mut sim), ["one", "two"]);
    assert_eq!(call("four"), Ok(()));
    sim.turn();
    assert_eq!(take_log(&mut sim), ["four"]);
    assert_eq!(dropped.load(Ordering::Relaxed), 4);
}

#[test]
fn an_answer_can_come_from_another_thread() {
    let mut sim = start(Config::builder(), |_| ());
    let client = sim.connect();
    send(&mut sim, client, get("/hold"));
    let remote = sim.remote();
    let id = sim.with_cx(|cx| cx.state().ids[0]);
    let thread = std::thread::spawn(move || {
        remote.defer(move |cx| {
            let _ = cx.response(id).expect("it is owed").end(b"from afar");
        })
    });
    assert_eq!(thread.join().unwrap(), Ok(()));
    sim.run_until_idle();
    sim.check();
    assert_eq!(text(&mut sim, client), ok("from afar"));
}

#[test]
fn calls_from_each_of_many_threads_keep_their_order() {
    let mut sim = start(Config::builder(), |_| ());
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let remote = sim.remote();
            scope.spawn(move || {
                for number in 0..1000 {
                    let line = format!("{thread} {number:04}");
                    let called = remote.defer(move |cx| cx.state_mut().log.push(line));
                    assert_eq!(called, Ok(()));
                }
            });
        }
    });
    sim.turn();
    let log = take_log(&mut sim);
    assert_eq!(log.len(), 4000);
    for thread in ["0 ", "1 ", "2 ", "3 "] {
        let of_thread: Vec<_> = log.iter().filter(|line| line.starts_with(thread)).collect();
        assert!(of_thread.len() == 1000 && of_thread.is_sorted());
    }
}

#[test]
fn a_loop_that_is_gone_refuses_and_lets_go_of_what_waited() {
    let event_loop = EventLoop::new(Config::default(), World::default(), |_| ()).unwrap();
    let remote = event_loop.remote();
    let (sender, receiver) = mpsc::channel::<()>();
    assert_eq!(remote.defer(move |_| drop(sender)), Ok(()));
    drop(event_loop);
    assert_eq!(receiver.try_recv(), Err(mpsc::TryRecvError::Disconnected));
    assert_eq!(remote.defer(|_| ()), Err(RemoteError::Stopped));
}

#[test]
fn a_call_wakes_a_loop_that_waits() {
    let (sender, receiver) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        let mut event_loop = EventLoop::new(Config::default(), World::default(), |_| ()).unwrap();
        sender.send(event_loop.remote()).unwrap();
        event_loop.turn(Some(Duration::from_secs(60))).unwrap();
        event_loop.turn(Some(Duration::ZERO)).unwrap();
    });
    let remote = receiver.recv().unwrap();
    let ran = Arc::new(Mutex::new(false));
    let in_call = Arc::clone(&ran);
    assert_eq!(
        remote.defer(move |_| *in_call.lock().unwrap() = true),
        Ok(())
    );
    thread.join().unwrap();
    assert!(*ran.lock().unwrap());
}
