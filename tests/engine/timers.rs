//! Timers and deferred calls.

use std::time::Duration;

use keirin::{Config, Cx, TimerId};

use crate::support::{Worker, World, start, take_log};

fn worker() -> Worker {
    let mut sim = start(Config::builder(), |_| ());
    sim.run_until_idle();
    sim
}

fn arm(cx: &mut Cx<'_, World>, ms: u64, name: &'static str) -> TimerId {
    let timer = cx.after(Duration::from_millis(ms), move |cx| {
        cx.state_mut().log.push(name.to_owned());
    });
    timer.expect("there is room")
}

#[test]
fn timers_come_up_in_the_order_of_their_time_and_then_of_their_arming() {
    let mut sim = worker();
    sim.with_cx(|cx| {
        for (ms, name) in [
            (50, "50"),
            (5, "5"),
            (500, "500"),
            (5, "5 again"),
            (70_000, "70000"),
        ] {
            arm(cx, ms, name);
        }
    });
    sim.advance_ms(100_000);
    assert_eq!(take_log(&mut sim), ["5", "5 again", "50", "500", "70000"]);
}

#[test]
fn a_timer_does_not_come_before_its_time_and_comes_in_the_tick_behind_it() {
    for ms in [0, 1, 63, 64, 4096, 75_000] {
        let mut sim = worker();
        sim.advance_ms(1234);
        sim.with_cx(|cx| {
            arm(cx, ms, "up");
        });
        sim.advance_ms(ms);
        assert_eq!(
            take_log(&mut sim),
            [""; 0],
            "{ms}: the present tick had begun"
        );
        sim.advance_ms(1);
        assert_eq!(take_log(&mut sim), ["up"], "{ms}");
        sim.advance_ms(100_000);
        assert_eq!(take_log(&mut sim), [""; 0], "{ms}: once");
    }
}

#[test]
fn a_part_of_a_millisecond_is_a_whole_one() {
    let mut sim = worker();
    sim.with_cx(|cx| {
        let timer = cx.after(Duration::from_nanos(1), |cx| {
            cx.state_mut().log.push("up".to_owned());
        });
        assert!(timer.is_some());
    });
    sim.advance_ms(1);
    assert_eq!(take_log(&mut sim), [""; 0]);
    sim.advance_ms(1);
    assert_eq!(take_log(&mut sim), ["up"]);
}

#[test]
fn a_cancelled_timer_does_not_come_and_is_cancelled_once() {
    let mut sim = worker();
    sim.with_cx(|cx| {
        let first = arm(cx, 5, "first");
        arm(cx, 5, "second");
        assert!(cx.cancel(first));
        assert!(!cx.cancel(first));
        // Its place is taken by another, which its id does not name.
        arm(cx, 5, "third");
        assert!(!cx.cancel(first));
    });
    sim.advance_ms(10);
    assert_eq!(take_log(&mut sim), ["second", "third"]);
}

#[test]
fn a_timer_can_cancel_one_that_comes_up_with_it_and_not_itself() {
    let mut sim = worker();
    let own = std::rc::Rc::new(std::cell::Cell::new(None));
    let victim = std::rc::Rc::new(std::cell::Cell::new(None));
    sim.with_cx(|cx| {
        let ids = (std::rc::Rc::clone(&own), std::rc::Rc::clone(&victim));
        own.set(cx.after(Duration::from_millis(5), move |cx| {
            cx.state_mut().log.push("killer".to_owned());
            assert!(!cx.cancel(ids.0.get().unwrap()), "it has come up");
            assert!(
                cx.cancel(ids.1.get().unwrap()),
                "it has not, though its time has come"
            );
        }));
        victim.set(Some(arm(cx, 5, "victim")));
        arm(cx, 5, "bystander");
    });
    sim.advance_ms(20);
    assert_eq!(take_log(&mut sim), ["killer", "bystander"]);
    assert_eq!(sim.counts().panics, 0);
}

#[test]
fn a_timer_can_be_armed_again_from_its_own_callback() {
    fn tick(cx: &mut Cx<'_, World>, left: u32) {
        cx.state_mut().log.push(left.to_string());
        if left > 0 {
            let timer = cx.after(Duration::from_millis(9), move |cx| tick(cx, left - 1));
            assert!(timer.is_some());
        }
    }
    let mut sim = worker();
    sim.with_cx(|cx| tick(cx, 3));
    sim.advance_ms(10);
    assert_eq!(take_log(&mut sim), ["3", "2"]);
    sim.advance_ms(19);
    assert_eq!(take_log(&mut sim), ["1"]);
    sim.advance_ms(1);
    assert_eq!(take_log(&mut sim), ["0"]);
    sim.advance_ms(1000);
    assert_eq!(take_log(&mut sim), [""; 0]);
}

#[test]
fn zero_delay_lets_the_loop_go_on_between() {
    fn again(cx: &mut Cx<'_, World>) {
        cx.state_mut().log.push("tick".to_owned());
        assert!(cx.after(Duration::ZERO, again).is_some());
    }
    let mut sim = worker();
    sim.with_cx(again);
    assert_eq!(take_log(&mut sim), ["tick"]);
    // It comes once a tick, and the worker comes to rest between.
    sim.advance_ms(10);
    assert_eq!(take_log(&mut sim).len(), 10);
    sim.check();
}

#[test]
fn deferred_calls_run_in_order_after_the_callback_and_may_defer_more() {
    let mut sim = worker();
    sim.with_cx(|cx| {
        for name in ["one", "two"] {
            cx.defer(move |cx| {
                cx.state_mut().log.push(name.to_owned());
                cx.defer(move |cx| cx.state_mut().log.push(format!("{name} later")));
            });
        }
        cx.state_mut().log.push("callback".to_owned());
    });
    sim.turn();
    sim.check();
    assert_eq!(
        take_log(&mut sim),
        ["callback", "one", "two", "one later", "two later"]
    );
}

#[test]
fn calls_that_defer_for_ever_leave_the_loop_its_turns() {
    fn again(cx: &mut Cx<'_, World>) {
        cx.state_mut().log.push("again".to_owned());
        if cx.state().log.len() < 1000 {
            cx.defer(again);
        }
    }
    let mut sim = worker();
    sim.with_cx(again);
    sim.turn();
    let first = sim.with_cx(|cx| cx.state().log.len());
    assert!(first < 100, "{first} in one turn");
    sim.run_until_idle();
    assert_eq!(take_log(&mut sim).len(), 1000);
}

#[test]
fn ten_thousand_timers_come_up_in_their_order() {
    let mut sim = worker();
    sim.with_cx(|cx| {
        let mut random = 0x9e37_79b9_u64;
        for _ in 0..10_000 {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let ms = random % 100_000;
            let timer = cx.after(Duration::from_millis(ms), move |cx| {
                cx.state_mut().log.push(format!("{ms:06}"));
            });
            assert!(timer.is_some());
        }
    });
    sim.advance_ms(100_001);
    let log = take_log(&mut sim);
    assert_eq!(log.len(), 10_000);
    assert!(log.is_sorted());
}
