//! Registering routes.

use super::cx::Cx;
use super::request::Request;
use super::response::{Reply, Response};
use super::routes::{Handler, Table};
use super::websocket::{Behaviour, Handle, Sockets};
use crate::engine::{ConnectionId, SocketSettings};
use crate::error::Error;
use crate::proto::http1::is_token;
use crate::proto::ws::OriginPolicy;

/// The routes of one worker. A server's setup function is called with one for each worker.
///
/// Patterns are made of segments: text, `:name` for any segment that is not empty, `*` at the end
/// for everything from there on. Per segment text is tried before `:name` before `*`, whatever the
/// order of registration; a handler that returns [`Response::next`] leaves the request to the next
/// match. A method's own routes are tried before those of [`any`](Self::any). The same method and
/// pattern again replaces the route. Paths are compared as they are sent.
///
/// What no route answers is 404, or 405 with `Allow` where the path has routes for other methods;
/// OPTIONS is answered by itself, and HEAD by the routes for GET.
pub struct App<U: 'static = ()> {
    pub(super) table: Table<U>,
    /// Asked before `table` about requests for an upgrade.
    pub(super) upgrades: Table<U>,
    pub(super) behaviours: Vec<Box<dyn Handle<U>>>,
    pub(super) settings: Vec<SocketSettings>,
    pub(super) on_connection: Vec<OnConnection<U>>,
    pub(super) error: Option<Error>,
}

/// Hears of connections: which one, and whether it was opened.
pub(super) type OnConnection<U> = Box<dyn Fn(&mut Cx<'_, U>, ConnectionId, bool)>;

/// A method that registers a route for the HTTP method of its name.
macro_rules! methods {
    ($($name:ident $method:literal,)+) => {
        $(#[doc = concat!("Adds a route for ", $method, ".")]
        pub fn $name<F>(&mut self, pattern: &str, handler: F) -> &mut Self
        where
            F: Fn(Response<'_, U>, &Request<'_>) -> Reply + 'static,
        {
            self.method($method, pattern, handler)
        })+
    };
}

impl<U: 'static> App<U> {
    pub(super) fn new() -> Self {
        Self {
            table: Table::default(),
            upgrades: Table::default(),
            behaviours: Vec::new(),
            settings: Vec::new(),
            on_connection: Vec::new(),
            error: None,
        }
    }

    methods! {
        get "GET",
        post "POST",
        put "PUT",
        patch "PATCH",
        delete "DELETE",
        head "HEAD",
        options "OPTIONS",
        trace "TRACE",
    }

    /// Adds a route for a method of any name. A malformed method or pattern makes the server's
    /// start fail with [`Error::Route`].
    pub fn method<F>(&mut self, method: &str, pattern: &str, handler: F) -> &mut Self
    where
        F: Fn(Response<'_, U>, &Request<'_>) -> Reply + 'static,
    {
        if !is_token(method.as_bytes()) {
            self.error
                .get_or_insert_with(|| Error::Route(format!("{method} {pattern}")));
            return self;
        }
        self.add(Some(method), pattern, Box::new(handler))
    }

    /// Adds a route for every method.
    pub fn any<F>(&mut self, pattern: &str, handler: F) -> &mut Self
    where
        F: Fn(Response<'_, U>, &Request<'_>) -> Reply + 'static,
    {
        self.add(None, pattern, Box::new(handler))
    }

    /// Adds a kind of WebSocket, to which the handler of any route can
    /// [`upgrade`](Response::upgrade) its request.
    pub fn behaviour<D: 'static>(&mut self, behaviour: Behaviour<D, U>) -> Sockets<D> {
        let index = u16::try_from(self.behaviours.len()).unwrap_or_else(|_| {
            let error = || Error::Route("more than 65,536 kinds of WebSocket".to_owned());
            self.error.get_or_insert_with(error);
            0
        });
        let settings = behaviour.settings();
        let sockets = Sockets::new(index, settings.key);
        self.settings.push(settings);
        self.behaviours.push(Box::new(behaviour));
        sockets
    }

    /// Adds a kind of WebSocket, and a route for GET that upgrades every valid handshake from the
    /// same host to it and refuses others: 403 for another origin, else as
    /// [`refuse_upgrade`](Response::refuse_upgrade) does.
    pub fn websocket<D: Default + 'static>(
        &mut self,
        pattern: &str,
        behaviour: Behaviour<D, U>,
    ) -> Sockets<D> {
        let sockets = self.behaviour(behaviour);
        self.get(pattern, move |mut res, req| match req.handshake() {
            Ok(handshake) if handshake.is_allowed(&OriginPolicy::SameHost) => {
                res.upgrade(sockets, handshake, D::default())
            }
            Ok(_) => {
                res.status(403);
                res.end(b"origin not allowed\n")
            }
            Err(error) => res.refuse_upgrade(error),
        });
        sockets
    }

    /// Removes the route of this method, `None` for the one for every method, with exactly this
    /// pattern; false if there is none. For [`EventLoop::change_routes`](super::EventLoop).
    pub fn remove(&mut self, method: Option<&str>, pattern: &str) -> bool {
        self.table.router.remove(method, pattern)
    }

    /// Calls `hear` for each connection that is opened, with `true`, before anything that it sends
    /// is handled; and with `false` when it has ended, whatever it had become, after its other
    /// callbacks. Each is told of once. [`Cx::peer_address`] says whose it is, both times, and
    /// [`Cx::close_connection`] turns it away. Of several that are added, all hear, in order.
    ///
    /// A connection that is closed at once, since `connections_max` is reached, is not told of, nor
    /// is what ends with the loop itself.
    pub fn on_connection(
        &mut self,
        hear: impl Fn(&mut Cx<'_, U>, ConnectionId, bool) + 'static,
    ) -> &mut Self {
        self.on_connection.push(Box::new(hear));
        self
    }

    fn add(&mut self, method: Option<&str>, pattern: &str, handler: Handler<U>) -> &mut Self {
        if self.table.add(method, pattern, handler).is_err() {
            self.error
                .get_or_insert_with(|| Error::Route(pattern.to_owned()));
        }
        self
    }
}
