//! The chat: two tabs that talk to each other, and what clients of its socket can rely on.

use std::net::{SocketAddr, TcpStream};
use std::path::Path;

use serde_json::{Value, json};
use tungstenite::protocol::{Role, WebSocket};
use tungstenite::{Bytes, Message};

use crate::browser::{Browser, Tab};
use crate::support::Example;
use crate::wire::{Client, Head};

const STATE: &str = "document.getElementById('app').dataset.state";
const TEXTS: &str = "[...document.querySelectorAll('#log .text')].map((text) => text.textContent)";
const NOTES: &str = "[...document.querySelectorAll('#log .note')].map((note) => note.textContent)";
const NUMBERS: &str = "['here', 'all'].map((id) => document.getElementById(id).textContent)";

#[test]
fn two_tabs_talk_to_each_other() {
    let server = Example::start("chat");
    let browser = Browser::start();
    let enter = |room: &str, name: &str| {
        let tab = browser.open(&server.url(&format!("/#{room}")));
        tab.wait_for(STATE, "online");
        tab.enter("name", name);
        tab.wait_for(STATE, "online");
        tab
    };
    let ada = enter("garden", "Ada");
    let bob = enter("garden", "Bob");
    let eve = enter("cellar", "Eve");
    for (tab, here) in [(&ada, "2"), (&bob, "2"), (&eve, "1")] {
        tab.wait_for(NUMBERS, json!([here, "3"]));
    }

    ada.enter("text", "Hello, Bob!");
    bob.wait_for(TEXTS, json!(["Hello, Bob!"]));
    // What others write is text, whatever it looks like.
    let markup = "<img src=x onerror=\"document.title='owned'\"> & <b>\u{202e}ünï</b> \u{1f6b2}";
    bob.enter("text", markup);
    for tab in [&ada, &bob] {
        tab.wait_for(TEXTS, json!(["Hello, Bob!", markup]));
        let elements = "document.querySelectorAll('#log img, #log b').length";
        assert_eq!(tab.evaluate(elements), 0);
    }
    let mine = "document.querySelectorAll('#log .mine').length";
    assert_eq!([ada.evaluate(mine), bob.evaluate(mine)], [1, 1]);
    eve.enter("text", "Nobody hears me");
    eve.wait_for(TEXTS, json!(["Nobody hears me"]));
    for tab in [&ada, &bob] {
        assert_eq!(tab.evaluate(TEXTS), json!(["Hello, Bob!", markup]));
    }

    eve.enter("room", "garden");
    for tab in [&ada, &bob, &eve] {
        tab.wait_for(NUMBERS, json!(["3", "3"]));
    }
    assert_eq!(eve.evaluate(TEXTS), json!([]));
    eve.enter("text", "There you are");
    ada.wait_for(TEXTS, json!(["Hello, Bob!", markup, "There you are"]));
    // Messages per second, of which the page remembers the last ones.
    ada.wait_for("rates.some((each) => each > 0)", true);
    let shown = "document.getElementById('rate').textContent === rates.at(-1).toLocaleString()";
    ada.wait_for(shown, true);
    assert_eq!(browser.complaints(), [] as [Value; 0]);
    pictures(&ada);
}

/// For people to look at: what a conversation looks like, in `tmp` in the target folder.
fn pictures(tab: &Tab<'_>) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    tab.picture([1280, 800], "light", &folder.join("chat.png"));
    tab.picture([1280, 800], "dark", &folder.join("chat-dark.png"));
    tab.picture([375, 720], "light", &folder.join("chat-phone.png"));
    let is_too_wide = "document.documentElement.scrollWidth > innerWidth";
    assert_eq!(tab.evaluate(is_too_wide), false);
}

#[test]
fn the_page_comes_back_when_the_server_does() {
    let mut server = Example::start("chat");
    let browser = Browser::start();
    let [ada, bob] = [(); 2].map(|()| browser.open(&server.url("/#garden")));
    for tab in [&ada, &bob] {
        tab.wait_for(NUMBERS, json!(["2", "2"]));
    }
    server.process.signal("TERM");
    assert!(server.process.wait().success());
    for tab in [&ada, &bob] {
        tab.wait_for(&format!("{STATE} !== 'online'"), true);
        assert_eq!(
            tab.evaluate("document.getElementById('send').disabled"),
            true
        );
    }
    let _server = Example::start_on("chat", server.address.port());
    for tab in [&ada, &bob] {
        tab.wait_for(STATE, "online");
        tab.wait_for(NUMBERS, json!(["2", "2"]));
    }
    ada.enter("text", "Still there?");
    bob.wait_for(TEXTS, json!(["Still there?"]));
    bob.enter("text", "Yes");
    ada.wait_for(TEXTS, json!(["Still there?", "Yes"]));
    assert_eq!(browser.complaints(), [] as [Value; 0]);
}

#[test]
fn what_is_refused_is_told_and_forgotten() {
    let server = Example::start("chat");
    let browser = Browser::start();
    let ada = browser.open(&server.url("/"));
    ada.wait_for(STATE, "online");
    ada.evaluate("socket.send('two\\nlines')");
    let reason = "Refused: a message is one line of at most 500 characters";
    ada.wait_for(&format!("{NOTES}.includes('{reason}')"), true);
    ada.wait_for(STATE, "online");
    ada.enter("text", "one line");
    ada.wait_for(TEXTS, json!(["one line"]));
}

#[test]
fn the_page_may_run_nothing_else() {
    let server = Example::start("chat");
    let mut client = Client::connect(server.address);
    client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
    let (head, _) = client.read_answer();
    assert_eq!(head.status, 200);
    assert_eq!(
        head.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    assert_eq!(head.header("x-content-type-options"), Some("nosniff"));
    let policy = head.header("content-security-policy").expect("a policy");
    assert!(
        policy.starts_with("default-src 'none'; script-src 'sha256-"),
        "{policy}"
    );
    assert!(!policy.contains("unsafe"), "{policy}");
}

/// A client of the chat's socket that is no browser.
struct Person {
    socket: WebSocket<TcpStream>,
}

impl Person {
    fn enter(address: SocketAddr, room: &str, name: &str) -> Self {
        let (client, head) = handshake(address, &format!("room={room}&name={name}"), None);
        assert_eq!(head.status, 101);
        let (stream, unread) = client.into_parts();
        let socket = WebSocket::from_partially_read(stream, unread, Role::Client, None);
        Self { socket }
    }

    fn say(&mut self, text: &str) {
        self.socket.send(Message::text(text)).unwrap();
    }

    /// The next thing that somebody says, and whether it comes as one's own or another's.
    fn hear(&mut self) -> (String, String) {
        loop {
            let news = self.read();
            if let (Some(kind @ ("said" | "sent")), Some(text)) =
                (news["kind"].as_str(), news["text"].as_str())
            {
                return (kind.to_owned(), text.to_owned());
            }
        }
    }

    /// Waits until it is told that so many are in its room.
    fn wait_for_others(&mut self, count: usize) {
        while self.read()["here"] != count {}
    }

    fn read(&mut self) -> Value {
        let news = self.socket.read().unwrap().into_text().unwrap();
        serde_json::from_str(&news).unwrap()
    }

    /// The code that the server closes with, whatever it says before.
    fn close_code(&mut self) -> u16 {
        loop {
            if let Message::Close(frame) = self.socket.read().unwrap() {
                return frame.expect("a code").code.into();
            }
        }
    }
}

fn handshake(address: SocketAddr, query: &str, origin: Option<&str>) -> (Client<TcpStream>, Head) {
    let origin = origin.map_or(String::new(), |origin| format!("Origin: {origin}\r\n"));
    let mut client = Client::connect(address);
    client.send(format!(
        "GET /chat?{query} HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{origin}\r\n"
    ));
    let head = client.read_head();
    (client, head)
}

#[test]
fn everybody_in_the_room_hears_it_once() {
    // So many that each worker has some of them.
    const PEOPLE: usize = 24;
    let server = Example::start("chat");
    let mut garden: Vec<Person> = (0..PEOPLE)
        .map(|number| Person::enter(server.address, "garden", &number.to_string()))
        .collect();
    let mut cellar = Person::enter(server.address, "cellar", "Eve");
    for person in &mut garden {
        person.wait_for_others(PEOPLE);
    }
    for (number, person) in garden.iter_mut().enumerate() {
        person.say(&format!("{number} a"));
        person.say(&format!("{number} b"));
    }
    for (number, person) in garden.iter_mut().enumerate() {
        let mut heard: Vec<_> = (0..2 * PEOPLE).map(|_| person.hear()).collect();
        // Of each speaker, what was said first is heard first; a second copy would be in between.
        heard.sort_by_key(|(_, text)| text.split(' ').next().unwrap().parse::<usize>().unwrap());
        let expected: Vec<_> = (0..PEOPLE)
            .flat_map(|speaker| ["a", "b"].map(|what| (speaker, what)))
            .map(|(speaker, what)| {
                let kind = if speaker == number { "sent" } else { "said" };
                (kind.to_owned(), format!("{speaker} {what}"))
            })
            .collect();
        assert_eq!(heard, expected);
    }
    cellar.say("it is dark");
    assert_eq!(cellar.hear(), ("sent".to_owned(), "it is dark".to_owned()));
}

#[test]
fn names_and_texts_are_limited() {
    let server = Example::start("chat");
    let enter = || Person::enter(server.address, "a", "b");
    let longest = "\u{e9}".repeat(500);
    let mut person = enter();
    person.say(&longest);
    assert_eq!(person.hear().1, longest);
    let bad = [
        format!("{longest}!"),
        String::new(),
        " ".into(),
        "a\nb".into(),
    ];
    for text in bad {
        let mut person = enter();
        person.say(&text);
        assert_eq!(person.close_code(), 1008, "{text:?}");
    }
    let mut person = enter();
    let bytes = Message::Binary(Bytes::from_static(b"text"));
    person.socket.send(bytes).unwrap();
    assert_eq!(person.close_code(), 1008);

    let word = "w".repeat(24);
    let status = |query: &str, origin| handshake(server.address, query, origin).1.status;
    let longest = format!("room={word}&name={word}");
    assert_eq!(status(&longest, None), 101);
    assert_eq!(status(&longest, Some("http://test")), 101);
    assert_eq!(status(&longest, Some("http://evil.test")), 403);
    for query in [
        format!("room={word}w&name=b"),
        format!("room=a&name={word}w"),
        "room=a&name=%0A".to_owned(),
        "room=a&name=%FF".to_owned(),
        "room=a".to_owned(),
        String::new(),
    ] {
        assert_eq!(status(&query, None), 400, "{query}");
    }
}

#[test]
fn a_stop_tells_clients_to_come_back() {
    let mut server = Example::start("chat");
    let mut people: Vec<Person> = ["a", "b", "c"]
        .map(|name| Person::enter(server.address, "garden", name))
        .into();
    server.process.signal("TERM");
    for person in &mut people {
        assert_eq!(person.close_code(), 1012);
        // Its answer to the Close frame lets the server end.
        let _ = person.socket.flush();
    }
    assert!(server.process.wait().success());
}
