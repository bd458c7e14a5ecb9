//! One peer's many small messages and what they leave to the others.

use crate::support::{config, note, notes, open_quietly, recorder, rest, start_behaviour};
use crate::wire;

/// More than a socket may have handled in one turn.
const TURN_MAX: usize = 10_000;

#[test]
fn many_small_messages_of_one_peer_leave_others_their_turn() {
    let mut sim = start_behaviour(|| {
        recorder(config()).on_message(|ws, _| {
            let index = ws.data.0;
            note(ws, index.to_string());
        })
    });
    let busy = open_quietly(&mut sim);
    let other = open_quietly(&mut sim);
    sim.send(busy, &wire::text("").repeat(100_000));
    sim.send(other, &wire::text("hi"));
    sim.turn();
    let order = notes(&mut sim);
    let turn = order.iter().position(|index| index == "1");
    assert!(turn.is_some_and(|at| at < TURN_MAX), "{turn:?}");
    assert!(order.len() < TURN_MAX, "{}", order.len());
    // The next one has no longer to wait, and nothing is lost.
    sim.send(other, &wire::text("hi"));
    sim.turn();
    assert!(notes(&mut sim).iter().any(|index| index == "1"));
    rest(&mut sim);
    assert_eq!(sim.counts().messages_received, 100_002);
}
