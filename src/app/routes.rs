//! The service that a set of routes is.

use std::any::Any;

use super::app::App;
use super::cx::Cx;
use super::request::Request;
use super::response::{Reply, Response};
use super::router::{BadPattern, Parameters, Router};
use crate::engine::{
    ConnectionId, Incoming, Message, ResponseId, Service, SocketEvent, SocketId, SocketSettings,
    State,
};
use crate::error::Error;
use crate::proto::http1::{encode, split_target};

pub(super) type Handler<U> = Box<dyn Fn(Response<'_, U>, &Request<'_>) -> Reply>;

/// Methods that are refused with 405 where a path has none of them, and not with 501.
const KNOWN_METHODS: [&str; 9] = [
    "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH",
];

/// Handlers, and which of them is for which request.
pub(super) struct Table<U: 'static> {
    pub(super) router: Router,
    handlers: Vec<Handler<U>>,
}

impl<U: 'static> Default for Table<U> {
    fn default() -> Self {
        Self {
            router: Router::default(),
            handlers: Vec::new(),
        }
    }
}

/// A request whose target is taken apart.
struct Asked<'a> {
    incoming: Incoming<'a>,
    path: &'a [u8],
    query: Option<&'a [u8]>,
}

impl Asked<'_> {
    #[cold]
    fn is_for_upgrade(&self) -> bool {
        let mut headers = self.incoming.head.headers();
        headers.any(|(name, _)| name.eq_ignore_ascii_case(b"upgrade"))
    }
}

impl<U: 'static> Table<U> {
    pub(super) fn add(
        &mut self,
        method: Option<&str>,
        pattern: &str,
        handler: Handler<U>,
    ) -> Result<(), BadPattern> {
        let route = self.router.add(method, pattern)?;
        debug_assert_eq!(route, self.handlers.len());
        self.handlers.push(handler);
        Ok(())
    }

    fn is_empty(&self) -> bool {
        self.handlers.is_empty()
    }

    /// Runs the handlers that match until one does not yield; else says how many have.
    #[inline]
    fn answer(&self, state: &mut State<U>, id: ResponseId, asked: &Asked<'_>) -> Option<usize> {
        let Incoming {
            head,
            peer,
            proxied,
        } = asked.incoming;
        let (path, query) = (asked.path, asked.query);
        let mut parameters = Parameters::default();
        let mut yielded = 0;
        while path != b"*"
            && let Some(route) = self
                .router
                .find(head.method(), path, yielded, &mut parameters)
        {
            let names = self.router.names(route);
            let parameters = &parameters;
            let request = Request {
                head,
                path,
                query,
                parameters,
                names,
                peer,
                proxied,
            };
            let _: Reply = self.handlers[route](Response { state, id }, &request);
            if !state.take_yield(id) {
                return None;
            }
            yielded += 1;
        }
        Some(yielded)
    }
}

/// A worker's routes.
pub(crate) struct Routes<U: 'static> {
    app: App<U>,
}

impl<U: 'static> Routes<U> {
    pub(crate) fn new() -> Self {
        Self { app: App::new() }
    }

    /// Runs a setup function. The settings are those of new kinds of WebSocket, for the engine.
    pub(crate) fn change(
        &mut self,
        setup: impl FnOnce(&mut App<U>),
    ) -> Result<Vec<SocketSettings>, Error> {
        setup(&mut self.app);
        match self.app.error.take() {
            Some(error) => Err(error),
            None => Ok(std::mem::take(&mut self.app.settings)),
        }
    }
}

impl<U: 'static> Service for Routes<U> {
    type User = U;

    #[inline]
    fn request(&self, state: &mut State<U>, id: ResponseId, incoming: Incoming<'_>) {
        let (path, query) = split_target(incoming.head.target());
        let asked = Asked {
            incoming,
            path,
            query,
        };
        if !self.app.upgrades.is_empty()
            && asked.is_for_upgrade()
            && self.app.upgrades.answer(state, id, &asked).is_none()
        {
            return;
        }
        if let Some(yielded) = self.app.table.answer(state, id, &asked) {
            self.unmatched(state, id, incoming.head.method(), path, yielded > 0);
        }
    }

    fn hears_of_connections(&self) -> bool {
        !self.app.on_connection.is_empty()
    }

    fn connection(&self, state: &mut State<U>, id: ConnectionId, opened: bool) {
        for hear in &self.app.on_connection {
            hear(&mut Cx { state }, id, opened);
        }
    }

    #[inline]
    fn socket_message(
        &self,
        state: &mut State<U>,
        id: SocketId,
        behaviour: u16,
        data: &mut dyn Any,
        message: Message<'_>,
    ) {
        if let Some(behaviour) = self.app.behaviours.get(behaviour as usize) {
            behaviour.message(state, id, data, message);
        }
    }

    fn socket(
        &self,
        state: &mut State<U>,
        id: SocketId,
        behaviour: u16,
        data: &mut dyn Any,
        event: SocketEvent<'_>,
    ) {
        if let Some(behaviour) = self.app.behaviours.get(behaviour as usize) {
            behaviour.handle(state, id, data, event);
        }
    }
}

impl<U: 'static> Routes<U> {
    /// No route has answered.
    #[cold]
    fn unmatched(
        &self,
        state: &mut State<U>,
        id: ResponseId,
        method: &[u8],
        path: &[u8],
        yielded: bool,
    ) {
        let whole_server = path == b"*";
        let methods = || {
            self.app
                .table
                .router
                .methods((!whole_server).then_some(path))
        };
        let known = KNOWN_METHODS.iter().any(|known| known.as_bytes() == method)
            || self
                .app
                .table
                .router
                .methods(None)
                .any(|known| known.as_bytes() == method);
        let exists = whole_server || methods().next().is_some();
        if !known {
            answer(state, id, 501, None);
        } else if yielded || !exists {
            answer(state, id, 404, None);
        } else {
            let status = if method == b"OPTIONS" { 204 } else { 405 };
            answer(state, id, status, Some(&allow(methods())));
        }
    }
}

/// Answers with the status and its phrase. Headers that a route has added before it yielded stay.
fn answer<U: 'static>(state: &mut State<U>, id: ResponseId, status: u16, allow: Option<&str>) {
    if state.set_status(id, status).is_err() {
        // A route has written content and then yielded: it cannot be taken back, nor be completed.
        let _ = state.close_answer(id);
        return;
    }
    let mut response = Response { state, id };
    if let Some(allow) = allow {
        response.header("Allow", allow.as_bytes());
    }
    if status == 204 {
        response.end_without_body();
    } else {
        let body = format!("{status} {}\n", encode::reason(status));
        response.header("Content-Type", b"text/plain");
        response.end(body.as_bytes());
    }
}

/// The value of `Allow`: the methods with a route, and those that are answered by themselves.
fn allow<'a>(methods: impl Iterator<Item = &'a str>) -> String {
    let mut allow: Vec<&str> = methods.collect();
    for (implied, by) in [("HEAD", Some("GET")), ("OPTIONS", None)] {
        let applies = by.is_none_or(|by| allow.contains(&by));
        if applies && !allow.contains(&implied) {
            allow.push(implied);
        }
    }
    allow.join(", ")
}
