//! A chat in the browser: `cargo run --release --example chat`, then open the printed address.
//! A room is a topic: what is said reaches everybody in it, whatever worker they are on.
#![allow(clippy::print_stdout, reason = "it says where it listens")]

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use keirin::{App, Behaviour, Config, Cx, Message, OriginPolicy, Request, Server, WebSocket};
use serde_json::json;

#[path = "support/page.rs"]
mod page;
mod support;

/// What was said since the numbers were last told, and the rooms to tell them to.
static SAID: AtomicU64 = AtomicU64::new(0);
static ROOMS: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

struct Person {
    name: String,
    room: String,
}

fn main() -> keirin::Result<()> {
    let config = Config::builder().stop_close_code(1012).stop_spread_ms(2000);
    support::serve(Server::new(routes).config(config.build()?))
}

fn routes(app: &mut App) {
    let people = Behaviour::new().on_open(enter).on_message(say);
    let people = app.behaviour(people.on_close(|ws, _| tell_others(ws, "left", "")));
    app.get("/", page::serve(include_str!("chat.html")));
    app.get("/chat", move |mut res, req| {
        match (req.handshake(), person(req)) {
            (Err(error), _) => return res.refuse_upgrade(error),
            (Ok(handshake), _) if !handshake.is_allowed(&OriginPolicy::SameHost) => res.status(403),
            (Ok(_), None) => res.status(400),
            (Ok(handshake), Some(person)) => return res.upgrade(people, handshake, person),
        };
        res.end_without_body()
    });
}

fn person(req: &Request<'_>) -> Option<Person> {
    let word = |key| req.query_parameter(key).filter(|word| is_line(word, 24));
    let (name, room) = (word("name")?.into(), format!("room/{}", word("room")?));
    Some(Person { name, room })
}

fn is_line(text: &str, chars_max: usize) -> bool {
    let is_short = text.chars().count() <= chars_max;
    is_short && !text.trim().is_empty() && !text.contains(char::is_control)
}

fn enter(ws: &mut WebSocket<'_, Person>) {
    let room = ws.data.room.clone();
    let _ = (ws.subscribe("all"), ws.subscribe(&room));
    tell_others(ws, "joined", "");
    let mut rooms = ROOMS.lock().unwrap_or_else(PoisonError::into_inner);
    if rooms.is_empty() {
        ws.cx().after(Duration::from_secs(1), tell_numbers);
    }
    rooms.insert(room);
}

fn say(ws: &mut WebSocket<'_, Person>, message: Message<'_>) {
    if let Message::Text(text) = message
        && is_line(text, 500)
    {
        SAID.fetch_add(1, Relaxed);
        tell_others(ws, "said", text);
        let sent = json!({"kind": "sent", "name": ws.data.name, "text": text});
        let _ = ws.send_text(&sent.to_string());
    } else {
        let _ = ws.end(1008, "a message is one line of at most 500 characters");
    }
}

fn tell_others(ws: &mut WebSocket<'_, Person>, kind: &str, text: &str) {
    let (room, name) = (ws.data.room.clone(), &ws.data.name);
    let news = json!({"kind": kind, "name": name, "text": text});
    let _ = ws.publish(&room, Message::Text(&news.to_string()));
}

/// Runs once a second, on the worker of whoever came first, while anybody is there.
fn tell_numbers(cx: &mut Cx<'_>) {
    let (all, rate) = (cx.subscribers("all"), SAID.swap(0, Relaxed));
    let mut rooms = ROOMS.lock().unwrap_or_else(PoisonError::into_inner);
    rooms.retain(|room| {
        let here = cx.subscribers(room);
        let news = json!({"kind": "numbers", "here": here, "all": all, "rate": rate});
        let _ = cx.publish(room, Message::Text(&news.to_string()));
        here > 0
    });
    if !rooms.is_empty() {
        cx.after(Duration::from_secs(1), tell_numbers);
    }
}
