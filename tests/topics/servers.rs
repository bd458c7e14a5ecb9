//! Several workers, and several servers, on loopback.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use keirin::{
    App, Behaviour, Broker, ListenAddress, Message, Server, ServerHandle, WebSocketConfig,
};

use crate::frames::{self, Frame};

/// Longer than anything here takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Running {
    pub(crate) handle: ServerHandle,
    address: SocketAddr,
    thread: Option<JoinHandle<keirin::Result<()>>>,
    pub(crate) records: Arc<Mutex<Vec<String>>>,
}

/// `+topic` and `-topic` subscribe and unsubscribe, `=text` comes back, and the text behind
/// `topic:` is published to the topic, the sender left out.
fn obey(app: &mut App) {
    let config = WebSocketConfig::builder().backpressure_bytes_max(64 << 20);
    let behaviour = Behaviour::new()
        .config(config.build().unwrap())
        .on_message(|ws, message| {
            let Message::Text(text) = message else {
                return;
            };
            let (first, rest) = text.split_at(1);
            let echo = match (first, text.split_once(':')) {
                ("+", _) => ws.subscribe(rest).map(|_| text.to_owned()),
                ("-", _) => ws.unsubscribe(rest).map(|_| text.to_owned()),
                ("~", _) => ws.subscribe_pattern(rest).map(|_| text.to_owned()),
                ("?", _) => Ok(format!("={}", ws.cx().subscribers(rest))),
                (_, Some((topic, text))) => {
                    ws.publish(topic, Message::Text(text)).unwrap();
                    return;
                }
                _ => Ok(text.to_owned()),
            };
            let _ = ws.send_text(&echo.unwrap());
        });
    app.websocket::<()>("/", behaviour);
}

pub(crate) fn start(workers: usize, broker: Option<Box<dyn FnOnce(Server) -> Server>>) -> Running {
    let records = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&records);
    let mut server = Server::new(obey).workers(workers);
    if let Some(link) = broker {
        server = link(server);
    }
    let server = server
        .on_log(move |record| log.lock().unwrap().push(record.message.clone()))
        .listen("127.0.0.1:0")
        .unwrap();
    let address = match server.addresses().remove(0) {
        ListenAddress::Tcp(address) => address,
        other => panic!("{other:?}"),
    };
    Running {
        handle: server.handle(),
        address,
        thread: Some(thread::spawn(|| server.run())),
        records,
    }
}

/// A server with a broker.
pub(crate) fn start_with(workers: usize, broker: impl Broker) -> Running {
    start(workers, Some(Box::new(|server| server.broker(broker))))
}

impl Running {
    pub(crate) fn connect(&self) -> Caller {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut caller = Caller {
            stream,
            rest: Vec::new(),
        };
        caller
            .stream
            .write_all(frames::handshake("").as_bytes())
            .unwrap();
        let end = loop {
            if let Some(end) = frames::head_len(&caller.rest) {
                break end;
            }
            caller.fill();
        };
        assert!(caller.rest.starts_with(b"HTTP/1.1 101 "));
        caller.rest.drain(..end);
        caller
    }

    pub(crate) fn publish(&self, topic: &str, text: &str) -> usize {
        self.handle
            .publish(topic, Message::Text(text))
            .unwrap()
            .matched
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.handle.stop(Duration::ZERO);
        let ran = self.thread.take().map(JoinHandle::join);
        if !thread::panicking() {
            ran.unwrap().unwrap().unwrap();
        }
    }
}

/// A blocking client.
pub(crate) struct Caller {
    stream: TcpStream,
    rest: Vec<u8>,
}

impl Caller {
    fn fill(&mut self) {
        let mut piece = [0; 65_536];
        let len = self.stream.read(&mut piece).expect("it comes in time");
        assert!(len > 0, "the server has closed");
        self.rest.extend(&piece[..len]);
    }

    pub(crate) fn say(&mut self, text: &str) {
        self.stream
            .write_all(&frames::client(0x81, text.as_bytes()))
            .unwrap();
    }

    pub(crate) fn next(&mut self) -> String {
        loop {
            if let Some((frame, len)) = Frame::parse(&self.rest) {
                self.rest.drain(..len);
                assert_eq!(frame.opcode, frames::TEXT, "{frame:?}");
                return String::from_utf8(frame.payload).unwrap();
            }
            self.fill();
        }
    }

    /// Says something that comes back, and returns what came before it.
    pub(crate) fn until(&mut self, text: &str) -> Vec<String> {
        self.say(text);
        let mut got = Vec::new();
        loop {
            match self.next() {
                next if next == text => return got,
                next => got.push(next),
            }
        }
    }

    pub(crate) fn subscribe(&mut self, filter: &str) {
        assert_eq!(self.until(filter), [""; 0]);
    }
}

/// Checks that each publisher's messages, `publisher/number`, are there once and in order.
fn assert_complete(got: &[String], publishers: usize, count: usize) {
    let mut next: HashMap<&str, usize> = HashMap::new();
    for text in got {
        let (publisher, number) = text.split_once('/').unwrap();
        let next = next.entry(publisher).or_default();
        assert_eq!(number.parse(), Ok(*next), "of {publisher}");
        *next += 1;
    }
    assert_eq!(next.len(), publishers);
    assert!(next.values().all(|next| *next == count), "{next:?}");
}

#[test]
fn every_subscriber_gets_each_message_of_each_publisher_once_and_in_order() {
    const SUBSCRIBERS: usize = 12;
    const PUBLISHERS: usize = 4;
    const COUNT: usize = 300;
    for workers in [2, 4] {
        let server = start(workers, None);
        let mut subscribers: Vec<_> = (0..SUBSCRIBERS).map(|_| server.connect()).collect();
        for (number, subscriber) in subscribers.iter_mut().enumerate() {
            subscriber.subscribe("+t");
            if number % 3 == 0 {
                subscriber.subscribe("~#");
            }
        }
        // Only a subscription is sure to be seen by other workers that was made before they look.
        let total = (PUBLISHERS + 1) * COUNT;
        thread::scope(|scope| {
            for subscriber in &mut subscribers {
                scope.spawn(move || {
                    let got: Vec<_> = (0..total).map(|_| subscriber.next()).collect();
                    assert_complete(&got, PUBLISHERS + 1, COUNT);
                });
            }
            for publisher in 0..PUBLISHERS {
                let mut caller = server.connect();
                scope.spawn(move || {
                    for number in 0..COUNT {
                        caller.say(&format!("t:{publisher}/{number}"));
                    }
                    assert_eq!(caller.until("=end"), [""; 0]);
                });
            }
            // From a thread that is no worker.
            scope.spawn(|| {
                for number in 0..COUNT {
                    assert_eq!(
                        server.publish("t", &format!("foreign/{number}")),
                        matched(SUBSCRIBERS)
                    );
                    if number % 16 == 0 {
                        thread::yield_now();
                    }
                }
            });
            // Others come and go meanwhile.
            scope.spawn(|| {
                for n in 0..60 {
                    let mut guest = server.connect();
                    guest.say("+elsewhere");
                    if n % 2 == 0 {
                        guest.until("-elsewhere");
                    }
                }
            });
        });
        for subscriber in &mut subscribers {
            assert_eq!(subscriber.until("=end"), [""; 0], "and nothing more");
        }
    }
}

/// On other workers each subscription counts that matches.
fn matched(subscribers: usize) -> usize {
    subscribers + subscribers / 3
}

#[test]
fn who_comes_and_goes_gets_its_part_in_order() {
    const COUNT: usize = 2_000;
    let server = start(3, None);
    let mut steady = server.connect();
    steady.subscribe("+t");
    thread::scope(|scope| {
        let guests: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    for _ in 0..10 {
                        let mut guest = server.connect();
                        guest.subscribe("+t");
                        let first: Vec<_> = (0..3).map(|_| guest.next()).collect();
                        let rest = guest.until("-t");
                        let all = first.iter().chain(&rest);
                        let numbers: Vec<usize> = all.map(|text| text.parse().unwrap()).collect();
                        let steps = numbers.windows(2).all(|two| two[1] == two[0] + 1);
                        assert!(steps, "{numbers:?}");
                    }
                })
            })
            .collect();
        let mut publisher = server.connect();
        let mut number = 0;
        while number < COUNT || guests.iter().any(|guest| !guest.is_finished()) {
            publisher.say(&format!("t:{number}"));
            number += 1;
            if number % 50 == 0 {
                publisher.until("=sync");
            }
        }
        publisher.say("t:end");
        for expected in 0..number {
            assert_eq!(steady.next(), expected.to_string());
        }
        assert_eq!(steady.next(), "end");
    });
}

#[test]
fn counts_are_of_all_workers() {
    let server = start(4, None);
    assert_eq!(server.publish("t", "to nobody"), 0);
    let mut callers: Vec<_> = (0..20).map(|_| server.connect()).collect();
    for caller in &mut callers {
        caller.subscribe("+t");
    }
    for caller in &mut callers {
        caller.say("?t");
        assert_eq!(caller.next(), "=20");
    }
    assert_eq!(server.publish("t", "to all"), 20);
    for caller in &mut callers {
        assert_eq!(caller.next(), "to all");
        caller.subscribe("-t");
    }
    assert_eq!(server.publish("t", "to nobody"), 0);
}
