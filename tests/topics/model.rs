//! The naive implementation: a list of topics for each socket, a list of what it has to get.
//!
//! It is told of every call in the callback that makes it, and notes where the engine says or does
//! something else.

use keirin::{Misuse, Published, Sent, SocketId};

use crate::script::Topic;

#[derive(Default)]
pub(crate) struct Model {
    sockets: Vec<Naive>,
    faults: Vec<String>,
    /// Messages that the engine has said are dropped, less those that a handler was told of.
    dropped_owed: i64,
    /// Sockets may close at any time: for back-pressure, say.
    pub(crate) closes: bool,
}

struct Naive {
    id: SocketId,
    topics: Vec<Topic>,
    /// All that it has to get, from the first on.
    expected: Vec<String>,
    /// A message in fragments, and what was published meanwhile.
    fragments: Option<(String, Vec<String>)>,
    /// It was ended in the middle of one: nothing more is sent but the Close frame.
    ended: bool,
    /// Messages that it did not get, though no handler was told that they were dropped.
    missing: i64,
    /// Something other than `end` ends it, so that it may get less.
    doomed: bool,
    closed: bool,
}

/// MQTT's rules, by recursion over the levels.
pub(crate) fn matches(pattern: &[&str], topic: &[&str]) -> bool {
    match (pattern.split_first(), topic.split_first()) {
        (Some((&"#", _)), _) | (None, None) => true,
        (Some((&level, pattern)), Some((&name, topic))) => {
            (level == "+" || level == name) && matches(pattern, topic)
        }
        _ => false,
    }
}

impl Naive {
    fn wants(&self, name: &str) -> bool {
        let levels: Vec<&str> = name.split('/').collect();
        self.topics.iter().any(|topic| match topic.is_pattern {
            true => matches(&topic.name.split('/').collect::<Vec<_>>(), &levels),
            false => topic.name == name,
        })
    }

    fn push(&mut self, text: &str) {
        match &mut self.fragments {
            Some((_, waiting)) => waiting.push(text.to_owned()),
            None => self.expected.push(text.to_owned()),
        }
    }
}

impl Model {
    pub(crate) fn open(&mut self, id: SocketId) -> usize {
        self.sockets.push(Naive {
            id,
            topics: Vec::new(),
            expected: Vec::new(),
            fragments: None,
            ended: false,
            missing: 0,
            doomed: false,
            closed: false,
        });
        self.sockets.len() - 1
    }

    pub(crate) fn id(&self, number: usize) -> SocketId {
        self.sockets[number].id
    }

    pub(crate) fn ids(&self) -> Vec<SocketId> {
        self.sockets.iter().map(|socket| socket.id).collect()
    }

    pub(crate) fn faults(&self) -> Vec<String> {
        self.faults.clone()
    }

    /// The socket is about to end by something other than `end`.
    pub(crate) fn doom(&mut self, number: usize) {
        self.sockets[number].doomed = true;
    }

    /// Whether nothing has ended it.
    pub(crate) fn is_open(&self, number: usize) -> bool {
        let socket = &self.sockets[number];
        !(socket.ended || socket.doomed || socket.closed)
    }

    fn fault(&mut self, text: String) {
        self.faults.push(text);
    }

    fn must_be_over(&mut self, number: usize, what: &str) {
        if self.is_open(number) && !self.closes {
            self.fault(format!("{what}: {number} is open"));
        }
    }

    pub(crate) fn subscribe(&mut self, number: usize, topic: Topic, done: Result<bool, Misuse>) {
        let topics = &mut self.sockets[number].topics;
        let fresh = !topics.contains(&topic);
        match done {
            Ok(done) if done != fresh => self.fault(format!("{number} {topic:?}: {done}")),
            Ok(true) => topics.push(topic),
            Ok(false) => {}
            Err(_) => self.must_be_over(number, "subscribe"),
        }
    }

    pub(crate) fn unsubscribe(&mut self, number: usize, topic: &Topic, done: Result<bool, Misuse>) {
        let topics = &mut self.sockets[number].topics;
        let at = topics.iter().position(|other| other == topic);
        match done {
            Ok(done) if done != at.is_some() => self.fault(format!("{number} {topic:?}: {done}")),
            Ok(_) => drop(at.map(|at| topics.remove(at))),
            Err(_) => self.must_be_over(number, "unsubscribe"),
        }
    }

    pub(crate) fn publish(
        &mut self,
        from: Option<usize>,
        name: &str,
        text: &str,
        open: &[bool],
        published: Result<Published, Misuse>,
    ) {
        let Ok(published) = published else {
            let Some(from) = from else {
                return self.fault(format!("publish {text}: {published:?}"));
            };
            return self.must_be_over(from, "publish");
        };
        let mut matched = 0;
        for (number, socket) in self.sockets.iter_mut().enumerate() {
            if open[number] && Some(number) != from && socket.wants(name) {
                matched += 1;
                socket.push(text);
            }
        }
        if published.matched != matched || published.dropped > matched {
            self.fault(format!("publish {text}: {published:?}, not {matched}"));
        }
        self.dropped_owed += published.dropped as i64;
    }

    pub(crate) fn send(&mut self, number: usize, text: String, sent: Sent) {
        match sent {
            // It is an error that sends nothing, however it is told.
            _ if self.sockets[number].fragments.is_some() => {}
            Sent::Closed => self.must_be_over(number, "send"),
            _ => {
                self.dropped_owed += i64::from(sent == Sent::Dropped);
                self.sockets[number].push(&text);
            }
        }
    }

    pub(crate) fn fragment(
        &mut self,
        number: usize,
        text: &str,
        last: bool,
        sent: Result<Sent, Misuse>,
    ) {
        match sent {
            Ok(Sent::Sent | Sent::Queued(_)) => {}
            // Only a first one is; its handler hears of it.
            Ok(Sent::Dropped) => return self.send(number, text.to_owned(), Sent::Dropped),
            _ => return self.must_be_over(number, "fragment"),
        }
        let socket = &mut self.sockets[number];
        let (mut whole, waiting) = socket.fragments.take().unwrap_or_default();
        whole.push_str(text);
        if last {
            socket.expected.push(whole);
            socket.expected.extend(waiting);
        } else {
            socket.fragments = Some((whole, waiting));
        }
    }

    pub(crate) fn end(&mut self, number: usize, code: u16, done: Result<(), Misuse>) {
        match done {
            Ok(()) if self.sockets[number].ended => self.fault(format!("end {number} twice")),
            Ok(()) => {
                let socket = &mut self.sockets[number];
                socket.ended = true;
                socket.fragments = None;
                socket.expected.push(format!("close {code}"));
            }
            Err(_) => self.must_be_over(number, "end"),
        }
    }

    /// The handler for dropped messages was told of this one.
    pub(crate) fn dropped(&mut self, number: usize, text: &str) {
        self.dropped_owed -= 1;
        let socket = &mut self.sockets[number];
        let waiting = socket.fragments.as_mut().map(|(_, waiting)| waiting);
        for list in waiting.into_iter().chain([&mut socket.expected]) {
            if let Some(at) = list.iter().rposition(|other| other == text) {
                list.remove(at);
                return;
            }
        }
        self.fault(format!("{number} was told that {text} was dropped"));
    }

    /// The handler for subscriptions was told of these counts.
    pub(crate) fn counted(
        &mut self,
        number: usize,
        (name, is_pattern): (&str, bool),
        before: usize,
        after: usize,
    ) {
        if before.abs_diff(after) != 1 || self.sockets[number].closed {
            self.fault(format!("{number} {name} {is_pattern}: {before}>{after}"));
        }
    }

    pub(crate) fn closed(&mut self, number: usize) {
        let socket = &mut self.sockets[number];
        let twice = std::mem::replace(&mut socket.closed, true);
        socket.topics.clear();
        if twice {
            self.fault(format!("{number} closed twice"));
        }
    }

    /// Compares what a peer has got by now, from the first message on.
    pub(crate) fn compare(&mut self, number: usize, got: &[String], complete: bool) {
        let socket = &mut self.sockets[number];
        let over = socket.doomed || socket.closed && !socket.ended;
        // What ends it may tell why by a Close frame.
        let closing = got.last().is_some_and(|last| last.starts_with("close "));
        let messages = &got[..got.len() - usize::from(over && closing)];
        let (mut missing, mut rest) = (0, socket.expected.iter());
        let known = messages.iter().all(|text| {
            let skipped = rest.by_ref().position(|other| other == text);
            missing += skipped.unwrap_or(0);
            skipped.is_some()
        });
        if complete && !over {
            missing += rest.len();
        }
        socket.missing = missing as i64;
        if !known {
            let list = &socket.expected;
            self.faults.push(format!("{number}: {got:?}, not {list:?}"));
        }
        let missing: i64 = self.sockets.iter().map(|socket| socket.missing).sum();
        if missing > self.dropped_owed {
            self.faults.push(format!("{number}: {missing} are missing"));
        }
    }

    /// Dropped messages that no handler has heard of.
    pub(crate) fn dropped_owed(&self) -> i64 {
        self.dropped_owed
    }

    pub(crate) fn topics(&self, number: usize) -> &[Topic] {
        &self.sockets[number].topics
    }
}
