//! The chat: what its page relies on, as the example in Rust does it.

use std::net::{SocketAddr, TcpStream};

use serde_json::{Value, json};
use tungstenite::{Message, WebSocket};

use crate::support::build::Way;
use crate::support::http::{Client, curl};
use crate::support::program::Example;
use crate::support::websocket::{connect, handshake};

/// A client of the chat's socket that is no browser.
struct Person(WebSocket<TcpStream>);

impl Person {
    fn enter(address: SocketAddr, room: &str, name: &str) -> Self {
        let target = format!("/chat?room={room}&name={name}");
        Self(connect(address, &target, "Origin: http://test\r\n"))
    }

    fn say(&mut self, text: &str) {
        self.0.send(Message::text(text)).unwrap();
    }

    /// The next thing that it is told, but for the numbers of every second.
    fn hear(&mut self) -> Value {
        loop {
            let news = self.read();
            if news["kind"] != "numbers" {
                return news;
            }
        }
    }

    /// Waits until so many are in the room, and in all rooms.
    fn wait_for_numbers(&mut self, here: usize, all: usize) {
        loop {
            let news = self.read();
            if news["here"] == here && news["all"] == all {
                assert_eq!(news["kind"], "numbers");
                assert!(news["rate"].is_u64(), "{news}");
                return;
            }
        }
    }

    fn read(&mut self) -> Value {
        match self.0.read().unwrap() {
            Message::Text(news) => serde_json::from_str(&news).expect("JSON"),
            other => panic!("{other:?}"),
        }
    }

    /// The code that the server closes with, whatever it says before.
    fn close_code(&mut self) -> u16 {
        loop {
            if let Message::Close(frame) = self.0.read().unwrap() {
                // So that the server, too, is through with it.
                let _ = self.0.flush();
                return frame.expect("a code").code.into();
            }
        }
    }
}

fn news(kind: &str, name: &str, text: &str) -> Value {
    json!({"kind": kind, "name": name, "text": text})
}

pub(crate) fn talk(way: Way) {
    let server = Example::start("chat", way);
    let address = server.address;
    serve_the_page(&server);
    let mut ada = Person::enter(address, "garden", "Ada");
    ada.wait_for_numbers(1, 1);
    let mut bob = Person::enter(address, "garden", "Bob%20%22B%5C%22");
    let mut eve = Person::enter(address, "%C3%BCber", "Eve");
    assert_eq!(ada.hear(), news("joined", "Bob \"B\\\"", ""));
    ada.wait_for_numbers(2, 3);
    bob.wait_for_numbers(2, 3);
    eve.wait_for_numbers(1, 3);

    ada.say("Hello, Bob!");
    assert_eq!(bob.hear(), news("said", "Ada", "Hello, Bob!"));
    assert_eq!(ada.hear(), news("sent", "Ada", "Hello, Bob!"));
    let odd = "\\ \" </script> \\u0041 \u{202e}\u{fc}n\u{ef} \u{1f6b2}";
    bob.say(odd);
    assert_eq!(ada.hear(), news("said", "Bob \"B\\\"", odd));
    assert_eq!(bob.hear(), news("sent", "Bob \"B\\\"", odd));
    // Had she heard anything of the other room, that would have come first.
    eve.say("Nobody hears me");
    assert_eq!(eve.hear(), news("sent", "Eve", "Nobody hears me"));

    drop(bob);
    assert_eq!(ada.hear(), news("left", "Bob \"B\\\"", ""));
    ada.wait_for_numbers(1, 2);
    let quotes = "\"".repeat(500);
    ada.say(&quotes);
    assert_eq!(ada.hear(), news("sent", "Ada", &quotes));
    refuse(address);
    server.signal("TERM");
    for person in [&mut ada, &mut eve] {
        assert_eq!(person.close_code(), 1012);
    }
    server.finish();
}

fn serve_the_page(server: &Example) {
    let page = curl(["--include", &server.url("/")]);
    let page = String::from_utf8(page.stdout).unwrap();
    let (head, body) = page.split_once("\r\n\r\n").unwrap();
    assert!(body == include_str!("../../../examples/chat.html"));
    assert!(head.contains("\r\nContent-Type: text/html; charset=utf-8"));
    assert!(head.contains("\r\nX-Content-Type-Options: nosniff"));
    let policy = "\r\nContent-Security-Policy: default-src 'none';";
    assert!(head.contains(policy), "{head}");
}

/// What the limits leave out, and what they just let in.
fn refuse(address: SocketAddr) {
    let long = |length: usize| "\u{1f6b2}".repeat(length);
    for refused in ["", " ", "two\nlines", "\u{7f}", "\u{85}", &long(501)] {
        let mut person = Person::enter(address, "refused", "Person");
        person.say(refused);
        assert_eq!(person.close_code(), 1008, "{refused:?}");
    }
    let mut person = Person::enter(address, "refused", "Person");
    person.say(&long(500));
    while person.hear() != news("sent", "Person", &long(500)) {}
    person.0.send(Message::binary("bytes")).unwrap();
    assert_eq!(person.close_code(), 1008);

    let status = |query: &str, headers: &str| {
        let (_, head) = handshake(address, &format!("/chat?{query}"), headers);
        head.status
    };
    let bicycles = |count: usize| "%F0%9F%9A%B2".repeat(count);
    assert_eq!(status(&format!("room=a&name={}", bicycles(24)), ""), 101);
    assert_eq!(status(&format!("name=a&room={}", bicycles(24)), ""), 101);
    for query in [
        "room=a",
        "name=a",
        "room=a&name=%20",
        "room=a&name=b%00",
        "room=a%0A&name=b",
        &format!("room=a&name={}", bicycles(25)),
        &format!("name=a&room={}", bicycles(25)),
        &format!("name=a&room={}", "b".repeat(25)),
    ] {
        assert_eq!(status(query, ""), 400, "{query}");
    }
    let foreign = "Origin: http://elsewhere.test\r\n";
    assert_eq!(status("room=a&name=b", foreign), 403);
    let mut client = Client::ask(address, "/chat?room=a&name=b");
    assert_eq!(client.read_head().status, 426);
}
