//! What is expected of a broker and its hubs. `linked` says which broker the general ones run with.

use std::collections::BTreeMap;
use std::sync::Condvar;

use std::thread;
use std::time::Duration;

use super::*;
use crate::pubsub::hub::BrokerCounts;
use crate::pubsub::model::publication;
use crate::pubsub::{Full, Post, Topics};
use crate::util::slab::Id;

/// The brokers of two servers that are linked.
fn linked() -> [Arc<dyn Broker>; 2] {
    let first = InProcessBroker::new();
    let second = first.peer();
    [Arc::new(first), Arc::new(second)]
}

#[derive(Clone, Default)]
struct Inbox(Arc<(Mutex<Vec<Arc<Message>>>, Condvar)>);

impl Post for Inbox {
    fn post(&self, message: Arc<Message>) -> Result<(), Full> {
        self.0.0.lock().unwrap().push(message);
        self.0.1.notify_all();
        Ok(())
    }
}

impl Inbox {
    /// Waits for so many messages, and takes all that are there.
    fn take(&self, count: usize) -> Vec<Arc<Message>> {
        let queue = self.0.0.lock().unwrap();
        let limit = Duration::from_secs(30);
        let waited = self
            .0
            .1
            .wait_timeout_while(queue, limit, |queue| queue.len() < count);
        std::mem::take(&mut *waited.unwrap().0)
    }

    fn payloads(&self, count: usize) -> Vec<Vec<u8>> {
        let messages = self.take(count);
        let payloads = messages.iter().map(|message| message.payload().to_vec());
        payloads.collect()
    }
}

/// A server of one worker.
struct Server {
    hub: Arc<Hub>,
    inbox: Inbox,
    topics: Topics,
}

impl Server {
    fn new(broker: Arc<dyn Broker>) -> Self {
        let hub = Hub::new(1, Some(broker));
        let inbox = Inbox::default();
        hub.register(0, Box::new(inbox.clone()));
        let topics = Topics::new(Arc::clone(&hub), 0);
        Self { hub, inbox, topics }
    }

    fn publish(&mut self, topic: &str, payload: &[u8]) -> Published {
        let published = self.topics.publish(&publication(topic, payload), None);
        published.unwrap()
    }

    fn subscribe(&mut self, filter: Filter<'_>) {
        assert!(self.topics.subscribe(Id::new(1, 0, 1), filter).is_some());
    }
}

fn topic(text: &str) -> Filter<'_> {
    Filter::topic(text).unwrap()
}

fn pattern(text: &str) -> Filter<'_> {
    Filter::pattern(text).unwrap()
}

#[test]
fn a_message_reaches_the_subscribers_of_the_other_server_once() {
    let [mut here, mut there] = linked().map(Server::new);
    for server in [&mut here, &mut there] {
        server.subscribe(topic("a"));
        server.subscribe(pattern("+"));
    }
    let published = here.publish("a", b"1");
    assert_eq!(published.matched, 1, "only this server counts");
    here.hub.publish(&publication("a", b"2")).unwrap();
    let messages = there.inbox.take(2);
    assert_eq!(messages.len(), 2);
    assert_eq!(messages[0].publication(), publication("a", b"1"));
    assert_eq!(messages[1].origin(), here.hub.origin());
    // What came in is not sent out again: only what a thread has published is in this inbox.
    there.publish("a", b"3");
    assert_eq!(here.inbox.payloads(2), [b"2", b"3"]);
    let counts = here.hub.broker_counts();
    assert_eq!((counts.published, counts.delivered), (2, 1));
    assert_eq!((counts.failed, counts.echoed), (0, 0));
}

#[test]
fn a_server_gets_only_what_it_has_subscribers_for() {
    let [mut here, mut there] = linked().map(Server::new);
    let filters = [topic("a"), topic("+"), pattern("b/#"), pattern("c/+")];
    for filter in filters {
        there.subscribe(filter);
    }
    let texts = ["a", "+", "b", "b/x/y", "c/x", "c", "c/x/y", "d"];
    for text in texts {
        here.publish(text, text.as_bytes());
    }
    let expected: Vec<_> = texts[..5].iter().map(|text| text.as_bytes()).collect();
    assert_eq!(there.inbox.payloads(5), expected);
    for filter in filters {
        there.topics.unsubscribe(Id::new(1, 0, 1), filter);
    }
    there.subscribe(topic("end"));
    for text in texts {
        here.publish(text, text.as_bytes());
    }
    here.publish("end", b"end");
    assert_eq!(there.inbox.payloads(1), [b"end"]);
}

#[test]
fn each_publisher_keeps_its_order() {
    const COUNT: u32 = 2_000;
    let [here, mut there] = linked().map(Server::new);
    there.subscribe(topic("a"));
    thread::scope(|scope| {
        for publisher in 0..3_u8 {
            let hub = &here.hub;
            scope.spawn(move || {
                for sequence in 0..COUNT {
                    let mut payload = vec![publisher];
                    payload.extend_from_slice(&sequence.to_be_bytes());
                    let publication = Publication {
                        text: false,
                        ..publication("a", &payload)
                    };
                    hub.publish(&publication).unwrap();
                }
            });
        }
    });
    let mut payloads = there.inbox.payloads(3 * COUNT as usize);
    assert_eq!(payloads.len(), 3 * COUNT as usize);
    // A stable sort by publisher leaves the order of each.
    payloads.sort_by_key(|payload| payload[0]);
    assert!(payloads.is_sorted_by(|first, second| first < second));
}

#[test]
fn a_server_that_is_gone_gets_nothing() {
    let [mut here, mut there] = linked().map(Server::new);
    there.subscribe(topic("a"));
    let Server { hub, inbox, topics } = there;
    drop(topics);
    drop(hub);
    here.publish("a", b"1");
    assert!(inbox.take(0).is_empty());
    assert_eq!(here.hub.broker_counts().failed, 0);
    assert_eq!(here.hub.broker_counts().published, 1);
}

#[test]
fn an_in_process_broker_serves_one_server() {
    let broker: Arc<dyn Broker> = Arc::new(InProcessBroker::new());
    let first = Server::new(Arc::clone(&broker));
    let second = Server::new(broker);
    assert!(first.hub.take_broker_error().is_none());
    let error = second.hub.take_broker_error().unwrap();
    assert!(error.to_string().contains("peer"), "{error}");
    assert!(second.hub.take_broker_error().is_none(), "it was taken");
}

/// Sends everything to everybody, its origin too, and delivers when somebody subscribes.
#[derive(Clone, Default)]
struct Echo(Arc<Mutex<Vec<Inlet>>>);

impl Broker for Echo {
    fn attach(&self, inlet: Inlet) -> Result<(), BrokerError> {
        self.0.lock().unwrap().push(inlet);
        Ok(())
    }

    fn publish(&self, message: &Message) -> Result<(), BrokerError> {
        let origin = Origin::from_bits(message.origin().to_bits());
        for inlet in self.0.lock().unwrap().iter() {
            inlet.deliver(origin, &message.publication())?;
        }
        Ok(())
    }

    fn interest(&self, filter: Filter<'_>, wanted: bool) -> Result<(), BrokerError> {
        if wanted && !filter.is_pattern() {
            let retained = publication(filter.as_str(), b"retained");
            for inlet in self.0.lock().unwrap().iter() {
                inlet.deliver(Origin::from_bits(0), &retained)?;
            }
        }
        Ok(())
    }
}

#[test]
fn an_echo_is_recognised() {
    let broker = Echo::default();
    let mut servers = [(); 2].map(|()| Server::new(Arc::new(broker.clone())));
    servers[0].subscribe(topic("a"));
    assert_eq!(servers[0].inbox.payloads(1), [b"retained"]);
    servers[1].subscribe(pattern("#"));
    assert_eq!(servers[0].publish("a", b"1").matched, 1);
    assert_eq!(servers[1].inbox.payloads(1), [b"1"]);
    assert!(servers[0].inbox.take(0).is_empty());
    let counts = servers[0].hub.broker_counts();
    assert_eq!((counts.published, counts.echoed), (1, 1));
    assert_ne!(servers[0].hub.origin(), servers[1].hub.origin());
}

/// Fails in one way or the other.
struct Broken(fn() -> Result<(), BrokerError>);

impl Broker for Broken {
    fn attach(&self, _: Inlet) -> Result<(), BrokerError> {
        (self.0)()
    }

    fn publish(&self, _: &Message) -> Result<(), BrokerError> {
        (self.0)()
    }

    fn interest(&self, _: Filter<'_>, _: bool) -> Result<(), BrokerError> {
        (self.0)()
    }
}

#[test]
fn a_broken_broker_is_counted_and_stops_nothing() {
    let broken = [
        Broken(|| Err("the queue is full".into())),
        Broken(|| panic!("a bug")),
    ];
    for (broken, text) in broken.into_iter().zip(["the queue is full", "panicked"]) {
        let mut server = Server::new(Arc::new(broken));
        server.subscribe(topic("a"));
        server.subscribe(pattern("a/#"));
        assert_eq!(server.publish("a", b"1").matched, 1);
        assert_eq!(server.topics.next_pending().map(|it| it.0.index()), Some(1));
        server.topics.close(Id::new(1, 0, 1), |_| ());
        let error = server.hub.take_broker_error().unwrap().to_string();
        assert!(error.contains(text), "{error}");
        let expected = BrokerCounts {
            failed: 6,
            ..BrokerCounts::default()
        };
        assert_eq!(server.hub.broker_counts(), expected);
    }
}

/// Remembers what it was told of each filter.
#[derive(Default)]
struct Record {
    told: Mutex<BTreeMap<(bool, String), Vec<bool>>>,
}

impl Broker for Arc<Record> {
    fn attach(&self, _: Inlet) -> Result<(), BrokerError> {
        Ok(())
    }

    fn publish(&self, _: &Message) -> Result<(), BrokerError> {
        Ok(())
    }

    fn interest(&self, filter: Filter<'_>, wanted: bool) -> Result<(), BrokerError> {
        // Time for another thread to be told first, if nothing keeps it.
        for _ in 0..3 {
            thread::yield_now();
        }
        let key = (filter.is_pattern(), filter.as_str().to_owned());
        self.told
            .lock()
            .unwrap()
            .entry(key)
            .or_default()
            .push(wanted);
        Ok(())
    }
}

#[test]
fn interest_comes_and_goes_by_turns() {
    const WORKERS: u8 = 4;
    let record = Arc::new(Record::default());
    let hub = Hub::new(usize::from(WORKERS), Some(Arc::new(Arc::clone(&record))));
    thread::scope(|scope| {
        for worker in 0..WORKERS {
            let mut topics = Topics::new(Arc::clone(&hub), worker);
            scope.spawn(move || {
                let socket = Id::new(1, worker, 1);
                for round in 0..2_000 {
                    let filter = if round % 3 == 0 {
                        pattern("a")
                    } else {
                        topic("a")
                    };
                    if topics.subscribe(socket, filter).is_none() {
                        topics.unsubscribe(socket, filter);
                    }
                }
            });
        }
    });
    let told = record.told.lock().unwrap();
    assert_eq!(told.len(), 2);
    for (filter, told) in &*told {
        assert!(told.len() >= 2, "{filter:?}");
        let by_turns = told.iter().zip([true, false].iter().cycle());
        assert!(
            by_turns
                .into_iter()
                .all(|(told, expected)| told == expected)
        );
        assert_eq!(told.last(), Some(&false), "all workers are gone");
    }
}

#[test]
fn what_cannot_be_a_message_is_refused() {
    let broker = Echo::default();
    let mut server = Server::new(Arc::new(broker.clone()));
    server.subscribe(pattern("#"));
    let inlet = broker.0.lock().unwrap()[0].clone();
    assert_eq!(inlet.origin(), server.hub.origin());
    let origin = Origin::from_bits(1);
    let deliver = |topic: &str, payload: &[u8], text| {
        let publication = Publication {
            text,
            ..publication(topic, payload)
        };
        inlet.deliver(origin, &publication)
    };
    assert_eq!(
        deliver("", b"", true),
        Err(InletError::Topic(TopicError::Empty))
    );
    assert_eq!(
        deliver(&"x".repeat(65_536), b"", true),
        Err(InletError::Topic(TopicError::TooLong))
    );
    assert_eq!(deliver("a", b"\xff", true), Err(InletError::NotUtf8));
    assert_eq!(deliver("a", b"\xff", false).map(|it| it.matched), Ok(1));
    assert_eq!(
        deliver("a", "é".as_bytes(), true).map(|it| it.matched),
        Ok(1)
    );
    assert_eq!(server.inbox.take(2).len(), 2);
    assert_eq!(server.hub.broker_counts().delivered, 2);
    drop(server);
    assert_eq!(deliver("a", b"", true), Err(InletError::Closed));
}
