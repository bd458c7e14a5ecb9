//! Servers that are linked by a broker, and brokers that misbehave.

use std::panic::panic_any;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;

use keirin::{
    Broker, BrokerError, Filter, InProcessBroker, Inlet, InletError, Message, Origin, Publication,
    Published, ServerHandle, SharedMessage,
};

use crate::servers::{Running, start_with};

fn linked() -> [Running; 2] {
    let broker = InProcessBroker::new();
    let peer = broker.peer();
    [start_with(2, broker), start_with(2, peer)]
}

#[test]
fn what_one_server_publishes_subscribers_of_the_other_get_once_and_in_order() {
    const COUNT: usize = 500;
    let servers = linked();
    let mut subscribers: Vec<_> = (0..8).map(|n| servers[n % 2].connect()).collect();
    for (number, subscriber) in subscribers.iter_mut().enumerate() {
        subscriber.subscribe(if number < 4 { "+a/b" } else { "~a/#" });
    }
    thread::scope(|scope| {
        for (number, server) in servers.iter().enumerate() {
            let mut caller = server.connect();
            scope.spawn(move || {
                for n in 0..COUNT {
                    caller.say(&format!("a/b:{number}/{n}"));
                }
                caller.until("=end");
            });
        }
        for subscriber in &mut subscribers {
            scope.spawn(|| {
                let mut next = [0; 2];
                for _ in 0..2 * COUNT {
                    let text = subscriber.next();
                    let (server, n) = text.split_once('/').unwrap();
                    let next = &mut next[server.parse::<usize>().unwrap()];
                    assert_eq!(n.parse(), Ok(*next));
                    *next += 1;
                }
            });
        }
    });
    for subscriber in &mut subscribers {
        assert_eq!(subscriber.until("=end"), [""; 0], "no loops");
    }
    for server in &servers {
        let counts = server.handle.broker_counts();
        assert_eq!(
            (counts.published, counts.delivered),
            (COUNT as u64, COUNT as u64)
        );
        assert_eq!((counts.failed, counts.echoed), (0, 0));
    }
}

#[test]
fn nothing_goes_to_a_server_without_subscribers() {
    let servers = linked();
    let mut here = servers[0].connect();
    let mut there = servers[1].connect();
    here.subscribe("+t");
    servers[0].publish("t", "1");
    assert_eq!(here.next(), "1");
    assert_eq!(servers[1].handle.broker_counts().delivered, 0);
    there.subscribe("+t");
    servers[0].publish("t", "2");
    assert_eq!(there.next(), "2");
    there.subscribe("-t");
    servers[0].publish("t", "3");
    assert_eq!(there.until("=end"), [""; 0]);
    assert_eq!(servers[1].handle.broker_counts().delivered, 1);
    assert_eq!([here.next(), here.next()], ["2", "3"]);
}

/// Does what the test says, and notes what it was told.
#[derive(Default)]
struct Notes {
    inlet: OnceLock<Inlet>,
    server: OnceLock<ServerHandle>,
    published: Mutex<Vec<String>>,
    interest: Mutex<Vec<(String, bool, bool)>>,
    calls: AtomicUsize,
}

enum Mode {
    Fail,
    Panic,
    /// Panics with what panics when it is dropped.
    Bomb,
    /// Publishes all that it is told of once more, to the server itself.
    Republish,
    /// Delivers all that it is told of, by the origin that it has and by another.
    Echo,
    Listen,
}

struct Odd(Mode, Arc<Notes>);

impl Odd {
    fn outcome(&self) -> Result<(), BrokerError> {
        self.1.calls.fetch_add(1, Ordering::SeqCst);
        match self.0 {
            Mode::Fail => Err("it is down".into()),
            Mode::Panic => panic!("a broker's own bug"),
            Mode::Bomb => panic_any(Bomb),
            Mode::Republish | Mode::Echo | Mode::Listen => Ok(()),
        }
    }
}

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic_any("when dropped, too");
    }
}

impl Broker for Odd {
    fn attach(&self, inlet: Inlet) -> Result<(), BrokerError> {
        assert!(self.1.inlet.set(inlet).is_ok(), "once");
        self.outcome()
    }

    fn publish(&self, message: &SharedMessage) -> Result<(), BrokerError> {
        let text = String::from_utf8(message.payload().to_vec())?;
        self.1.published.lock().unwrap().push(text.clone());
        if let (Mode::Republish, Some(server)) = (&self.0, self.1.server.get()) {
            // As an assertion, for the stack would overflow.
            assert!(self.1.published.lock().unwrap().len() < 100, "a recursion");
            server.publish(message.topic(), Message::Text(&text))?;
        }
        if let Mode::Echo = self.0 {
            let inlet = self.1.inlet.get().unwrap();
            inlet.deliver(message.origin(), &message.publication())?;
            let other = Origin::from_bits(message.origin().to_bits() ^ 1);
            inlet.deliver(other, &message.publication())?;
        }
        self.outcome()
    }

    fn interest(&self, filter: Filter<'_>, wanted: bool) -> Result<(), BrokerError> {
        let note = (filter.as_str().to_owned(), filter.is_pattern(), wanted);
        self.1.interest.lock().unwrap().push(note);
        self.outcome()
    }
}

fn odd(mode: Mode) -> (Running, Arc<Notes>) {
    let notes = Arc::new(Notes::default());
    (start_with(2, Odd(mode, Arc::clone(&notes))), notes)
}

#[test]
fn a_broker_that_fails_or_panics_is_counted_and_breaks_nothing() {
    for mode in [Mode::Fail, Mode::Panic, Mode::Bomb] {
        let (server, notes) = odd(mode);
        let mut callers = [server.connect(), server.connect(), server.connect()];
        for caller in &mut callers {
            caller.subscribe("+t");
        }
        for n in 0..100 {
            callers[0].say(&format!("t:{n}"));
            server.publish("u", "to nobody");
        }
        callers[0].until("=end");
        for caller in &mut callers[1..] {
            for n in 0..100 {
                assert_eq!(caller.next(), n.to_string());
            }
        }
        let counts = server.handle.broker_counts();
        let calls = notes.calls.load(Ordering::SeqCst) as u64;
        assert_eq!((counts.published, counts.failed), (0, calls));
        assert!(calls >= 200, "{calls}");
        assert_eq!(server.handle.counts().panics, 0, "those are the app's");
        let records = server.records.lock().unwrap();
        let told = records
            .iter()
            .any(|text| text.contains("the broker failed"));
        assert!(told, "{records:?}");
    }
}

#[test]
fn what_a_broker_publishes_to_its_own_server_is_not_told_to_it_again() {
    let (server, notes) = odd(Mode::Republish);
    assert!(notes.server.set(server.handle.clone()).is_ok());
    let mut callers = [server.connect(), server.connect()];
    callers[0].subscribe("+t");
    server.publish("t", "by the handle");
    callers[1].say("t:by a socket");
    for text in ["by the handle", "by a socket"] {
        // The subscriber gets both, the broker only the first.
        assert_eq!([callers[0].next(), callers[0].next()], [text, text]);
    }
    callers[1].until("=end");
    assert_eq!(callers[0].until("=end"), [""; 0]);
    let told = notes.published.lock().unwrap();
    assert_eq!(*told, ["by the handle", "by a socket"]);
    let counts = server.handle.broker_counts();
    assert_eq!((counts.published, counts.failed), (2, 2));
}

#[test]
fn what_a_broker_echoes_is_not_published_again() {
    let (server, notes) = odd(Mode::Echo);
    let mut caller = server.connect();
    caller.subscribe("+t");
    for n in 0..10 {
        server.publish("t", &n.to_string());
    }
    // By its own origin it comes back to nobody; by another it is somebody else's message.
    for n in 0..10 {
        assert_eq!(
            [caller.next(), caller.next()],
            [n.to_string(), n.to_string()]
        );
    }
    assert_eq!(caller.until("=end"), [""; 0]);
    let counts = server.handle.broker_counts();
    assert_eq!(counts.published, 10);
    assert_eq!(counts.echoed, 10);
    assert_eq!(
        notes.published.lock().unwrap().len(),
        10,
        "told of each once"
    );
}

#[test]
fn interest_is_told_at_the_first_and_the_last_subscriber() {
    let (server, notes) = odd(Mode::Listen);
    let mut callers: Vec<_> = (0..6).map(|_| server.connect()).collect();
    for caller in &mut callers {
        caller.subscribe("+a/+");
        caller.subscribe("~a/+");
    }
    for caller in &mut callers {
        caller.subscribe("-a/+");
    }
    // The others end with their sockets.
    drop(callers);
    let expected = [
        ("a/+".to_owned(), false, true),
        ("a/+".to_owned(), true, true),
        ("a/+".to_owned(), false, false),
        ("a/+".to_owned(), true, false),
    ];
    let mut caller = server.connect();
    while notes.interest.lock().unwrap().len() < expected.len() {
        caller.until("=again");
    }
    assert_eq!(*notes.interest.lock().unwrap(), expected);
}

#[test]
fn an_inlet_delivers_what_can_be_a_message_and_refuses_the_rest() {
    let (server, notes) = odd(Mode::Listen);
    let mut caller = server.connect();
    caller.subscribe("+t");
    let inlet = notes.inlet.get().unwrap().clone();
    let foreign = Origin::from_bits(inlet.origin().to_bits() ^ 1);
    let publication = |topic, payload| Publication {
        topic,
        payload,
        text: true,
        compress: true,
    };
    let deliver = |topic, payload| inlet.deliver(foreign, &publication(topic, payload));
    assert_eq!(
        deliver("t", b"hello").map(|published| published.matched),
        Ok(1)
    );
    assert!(matches!(deliver("", b"x"), Err(InletError::Topic(_))));
    assert_eq!(deliver("t", b"\xff"), Err(InletError::NotUtf8));
    let own = inlet.deliver(inlet.origin(), &publication("t", b"echo"));
    assert_eq!(own, Ok(Published::default()));
    assert_eq!(caller.next(), "hello");
    assert_eq!(caller.until("=end"), [""; 0]);
    assert_eq!(
        *notes.published.lock().unwrap(),
        [""; 0],
        "not told of what it delivered"
    );
    drop((caller, server));
    assert_eq!(deliver("t", b"late"), Err(InletError::Closed));
}
