//! From a request to a WebSocket.

use std::any::Any;
use std::hash::BuildHasher;

use super::codec::Histories;
use super::{Rare, Socket, SocketId, SocketNews};
use crate::engine::compose::Content;
use crate::engine::conn::{Phase, ResponseId, Stage};
use crate::engine::state::{Grave, Notice, State};
use crate::error::Misuse;
use crate::proto::http1::encode;
use crate::proto::ws::brotli::select_protocol;
use crate::proto::ws::extensions::{Agreed, ExtensionError, negotiate};
use crate::proto::ws::{Receiver, Role};
use crate::pubsub::Class;
use crate::util::wheel::Tick;

/// What was agreed to.
pub(crate) struct Upgrade {
    /// The value of `Sec-WebSocket-Accept`.
    pub(crate) accept: [u8; 28],
    /// The subprotocols on offer, and which of them was chosen.
    pub(crate) protocols: Vec<Box<str>>,
    pub(crate) chosen: Option<usize>,
    /// The values of `Sec-WebSocket-Extensions`.
    pub(crate) extensions: Vec<Box<[u8]>>,
    /// Whose handlers and settings, and which key these are to have.
    pub(crate) behaviour: u16,
    pub(crate) key: u64,
    /// The user's value for this socket.
    pub(crate) data: Box<dyn Any>,
}

impl<U> State<U> {
    /// Answers 101 with the headers that were set so far, and makes the connection a WebSocket. Its
    /// open handler is called before any other of its handlers, after the present callback.
    pub(crate) fn upgrade(&mut self, id: ResponseId, upgrade: Upgrade) -> Result<SocketId, Misuse> {
        let misuse = match self.answering(id) {
            Err(misuse) => Some(misuse),
            Ok(conn) if !conn.answer_is_open() => {
                self.close(id.conn);
                Some(self.misuse(Misuse::AlreadyBegun))
            }
            Ok(_) => None,
        };
        if let Some(misuse) = misuse {
            self.graveyard.push(Grave::Data(upgrade.data));
            return Err(misuse);
        }
        let conn = self.answering(id)?;
        // Bytes behind a body that nobody has read cannot be told from frames.
        let unread = conn.exchange.poisoned || !conn.body.is_done();
        let settings = self.socket_settings.get(usize::from(upgrade.behaviour));
        let foreign = settings.is_none_or(|settings| settings.key != upgrade.key);
        let failed = unread || foreign;
        if failed || self.stopping.is_some() {
            self.answer_status(id, if failed { 500 } else { 503 });
            self.graveyard.push(Grave::Data(upgrade.data));
            return Err(self.misuse(Misuse::AlreadyEnded));
        }
        let agreed = match self.agree(&upgrade) {
            Ok(agreed) => agreed,
            Err(ExtensionError) => {
                self.counters.protocol_errors.bump();
                self.answer_status(id, 400);
                self.graveyard.push(Grave::Data(upgrade.data));
                return Err(Misuse::AlreadyEnded);
            }
        };
        self.compose_upgrade(id, &upgrade, &agreed);
        self.begin_socket(id, upgrade, &agreed);
        Ok(SocketId(id.conn))
    }

    /// What of the client's offers is taken.
    fn agree(&self, upgrade: &Upgrade) -> Result<Agreement, ExtensionError> {
        let names = || upgrade.protocols.iter().map(|name| name.as_bytes());
        let chosen = upgrade.chosen.and_then(|index| names().nth(index));
        let mut agreement = Agreement {
            protocol: chosen.map(Into::into),
            ..Agreement::default()
        };
        let Some(settings) = self.socket_settings.get(upgrade.behaviour as usize) else {
            return Ok(agreement);
        };
        let config = &settings.config;
        if config.brotli.is_some()
            && let Some(selected) = select_protocol(names(), chosen)
        {
            agreement.brotli = selected.brotli;
            agreement.protocol = Some(selected.name.into());
        }
        if let Some(deflate) = &config.deflate {
            let offers = upgrade.extensions.iter().map(|value| &**value);
            let deflate = negotiate(offers, deflate)?;
            // Compressing twice gains nothing.
            agreement.deflate = deflate.filter(|_| !agreement.brotli);
        }
        Ok(agreement)
    }

    fn compose_upgrade(&mut self, id: ResponseId, upgrade: &Upgrade, agreed: &Agreement) {
        let Some(conn) = self.conns.get_mut(id.conn) else {
            return;
        };
        if conn.stage == Stage::Head {
            conn.out.replace_open_line(SWITCHING);
        }
        conn.exchange.status = 101;
        Self::open_head(conn, &mut self.spare);
        let tail = conn.out.tail();
        encode::header(tail, b"Upgrade", b"websocket");
        encode::header(tail, b"Connection", b"Upgrade");
        encode::header(tail, b"Sec-WebSocket-Accept", &upgrade.accept);
        if let Some(protocol) = &agreed.protocol {
            encode::header(tail, b"Sec-WebSocket-Protocol", protocol);
        }
        if let Some(deflate) = &agreed.deflate {
            let mut value = Vec::new();
            deflate.encode(&mut value);
            encode::header(tail, b"Sec-WebSocket-Extensions", &value);
        }
        // It is an answer like any other, so it is dated; but nothing of it frames a message.
        conn.exchange.keep_alive = true;
        conn.exchange.http10 = false;
        self.seal_head(id.conn, Content::None);
    }

    fn begin_socket(&mut self, id: ResponseId, upgrade: Upgrade, agreed: &Agreement) {
        self.counters.answers.bump();
        if self.config.access_log {
            self.record_upgrade(id.conn);
        }
        self.counters.sockets_opened.bump();
        self.counters.sockets_open.bump();
        self.drop_later(id.conn, false);
        let expires = self.lifetime_end(id, upgrade.behaviour);
        let Some(settings) = self.socket_settings.get(upgrade.behaviour as usize) else {
            debug_assert!(false, "an upgrade names a behaviour of this worker");
            return self.close(id.conn);
        };
        let histories = match &agreed.deflate {
            Some(deflate) => Histories::new(&settings.config, deflate),
            None => Histories::default(),
        };
        let mut socket = Socket {
            receiver: Receiver::new(Role::Server, agreed.deflate.is_some()),
            data: Some(upgrade.data),
            heard: self.now as u32,
            pinged: self.now as u32,
            expires: 0,
            has_end: false,
            idle_timeout_ms: settings.config.idle_timeout_ms,
            ping_interval_ms: settings.config.ping_interval_ms,
            behaviour: upgrade.behaviour,
            rare: (!histories.is_empty()).then(|| {
                Box::new(Rare {
                    histories,
                    ..Rare::default()
                })
            }),
            class: agreed.class(),
            left: false,
            opened: false,
            told: false,
            paused: false,
            wants_drain: false,
            is_slow: false,
            history_is_stale: false,
        };
        socket.set_end(expires, self.now);
        let deadline = socket.deadline(self.now);
        let Some(conn) = self.conns.get_mut(id.conn) else {
            return;
        };
        conn.stage = Stage::Done;
        conn.phase = Phase::Open;
        conn.exchange.detached = false;
        conn.socket = Some(Box::new(socket));
        self.set_read_deadline(id.conn, deadline);
        self.push_dirty(id.conn);
        // What came with the request is handled now, or as backlog.
        self.push_backlog(id.conn);
        self.notices
            .push_back(Notice::Socket(SocketId(id.conn), SocketNews::Open));
    }

    /// When the socket's time is up. Jitter keeps sockets that were opened together from being
    /// opened again together.
    fn lifetime_end(&self, id: ResponseId, behaviour: u16) -> Tick {
        let Some(settings) = self.socket_settings.get(behaviour as usize) else {
            return Tick::MAX;
        };
        let config = &settings.config;
        if config.lifetime_ms == 0 {
            return Tick::MAX;
        }
        let jitter = match config.lifetime_jitter_ms {
            0 => 0,
            jitter => self.jitter.hash_one(id) % (u64::from(jitter) + 1),
        };
        self.tick_in(u64::from(config.lifetime_ms) + jitter)
    }
}

/// What both sides have agreed on.
#[derive(Default)]
struct Agreement {
    protocol: Option<Box<[u8]>>,
    brotli: bool,
    deflate: Option<Agreed>,
}

impl Agreement {
    fn class(&self) -> Class {
        match self.deflate {
            _ if self.brotli => Class::BROTLI,
            Some(agreed) => Class::deflate(agreed.server_max_window_bits),
            None => Class::PLAIN,
        }
    }
}

/// The status line of the answer.
const SWITCHING: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\n";
