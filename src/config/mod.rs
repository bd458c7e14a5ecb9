//! Every limit and every timeout, in one place, checked when it is built.

mod websocket;

use crate::error::Error;
use crate::proto::http1::body::BodyLimits;
use crate::proto::http1::head::{HEAD_BYTES_CAP, HEADERS_CAP, HeadLimits};

pub use websocket::{Backpressure, WebSocketConfig, WebSocketConfigBuilder};

/// Valid settings of a server. Made by [`Config::builder`]; the default is valid.
#[derive(Clone, Debug)]
pub struct Config {
    pub(crate) head: HeadLimits,
    pub(crate) body: BodyLimits,
    pub(crate) pipelined_bytes_max: usize,
    pub(crate) requests_per_turn_max: u32,
    pub(crate) connections_max: usize,
    pub(crate) write_buffer_bytes_max: usize,
    pub(crate) discard_bytes_max: u64,
    pub(crate) head_timeout_ms: u64,
    pub(crate) keep_alive_timeout_ms: u64,
    pub(crate) body_throughput_min: u64,
    pub(crate) body_window_ms: u64,
    pub(crate) answer_timeout_ms: u64,
    pub(crate) write_stall_timeout_ms: u64,
    pub(crate) linger_timeout_ms: u64,
    pub(crate) half_close: bool,
    pub(crate) length_required: bool,
    pub(crate) server_header: Option<Box<str>>,
    pub(crate) inbox_capacity: usize,
    pub(crate) stop_close_code: u16,
    pub(crate) stop_spread_ms: u64,
    pub(crate) access_log: bool,
    pub(crate) io_uring: bool,
    pub(crate) proxy_protocol: ProxyProtocol,
}

/// What is made of a PROXY head, with which a proxy says whose connection it relays: HAProxy's
/// protocol, versions 1 and 2.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProxyProtocol {
    /// It is a malformed request.
    #[default]
    Off,
    /// A connection may begin with one. Whoever can connect can then claim to be anybody.
    Accepted,
    /// Every connection has to begin with one: for listeners that only proxies reach.
    Required,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            head: HeadLimits {
                head_bytes_max: 16 << 10,
                header_count_max: 100,
                target_bytes_max: 8 << 10,
            },
            body: BodyLimits {
                body_bytes_max: 1 << 30,
                chunk_extension_bytes_max: 4 << 10,
                trailer_bytes_max: 8 << 10,
            },
            pipelined_bytes_max: 64 << 10,
            requests_per_turn_max: 256,
            connections_max: crate::util::slab::SLOTS_MAX,
            write_buffer_bytes_max: 16 << 20,
            discard_bytes_max: 64 << 10,
            head_timeout_ms: 10_000,
            keep_alive_timeout_ms: 75_000,
            body_throughput_min: 1 << 10,
            body_window_ms: 10_000,
            answer_timeout_ms: 0,
            write_stall_timeout_ms: 30_000,
            linger_timeout_ms: 2_000,
            half_close: false,
            length_required: false,
            server_header: None,
            inbox_capacity: 65_536,
            stop_close_code: 1001,
            stop_spread_ms: 0,
            access_log: false,
            io_uring: true,
            proxy_protocol: ProxyProtocol::Off,
        }
    }
}

impl Config {
    /// Settings to change, starting from the defaults.
    pub fn builder() -> ConfigBuilder {
        ConfigBuilder {
            config: Self::default(),
        }
    }
}

/// Collects settings; [`build`](Self::build) checks them.
#[derive(Clone, Debug)]
#[must_use]
pub struct ConfigBuilder {
    config: Config,
}

/// A setter for each setting, its unit, default and range in its documentation.
macro_rules! setters {
    ($($(#[$doc:meta])+ $name:ident: $type:ty => $($field:ident).+;)+) => {
        $($(#[$doc])+
        pub fn $name(mut self, value: $type) -> Self {
            self.config.$($field).+ = value;
            self
        })+
    };
}
use setters;

/// A type that a setting may have.
#[cfg(feature = "binding")]
trait Number: Sized {
    /// Whether it stands for no or yes.
    const IS_FLAG: bool = false;
    fn from_number(number: u64) -> Option<Self>;
}

#[cfg(feature = "binding")]
macro_rules! from_number {
    ($($type:ty)+) => {
        $(impl Number for $type {
            fn from_number(number: u64) -> Option<Self> {
                Self::try_from(number).ok()
            }
        })+
    };
}

#[cfg(feature = "binding")]
from_number! { u16 u32 u64 usize }

#[cfg(feature = "binding")]
impl Number for bool {
    const IS_FLAG: Self = true;
    fn from_number(number: u64) -> Option<Self> {
        (number <= 1).then_some(number == 1)
    }
}

/// Setters, and a way to them by name.
macro_rules! numbers {
    ($($(#[$doc:meta])+ $name:ident: $type:ty => $($field:ident).+;)+) => {
        setters! { $($(#[$doc])+ $name: $type => $($field).+;)+ }

        /// The settings that are numbers, by name: whether each stands for no or yes, as 0 or 1.
        #[cfg(feature = "binding")]
        pub const NUMBERS: &[(&str, bool)] =
            &[$((stringify!($name), <$type as Number>::IS_FLAG),)+];

        /// Sets one of these. `None` if there is none of this name, or it cannot hold the number.
        #[cfg(feature = "binding")]
        pub fn number(self, name: &str, number: u64) -> Option<Self> {
            match name {
                $(stringify!($name) => Some(self.$name(Number::from_number(number)?)),)+
                _ => None,
            }
        }
    };
}

/// The first setting that is out of its range.
fn first_invalid<const N: usize>(
    checks: [(&'static str, bool, &'static str); N],
) -> Result<(), Error> {
    match checks.into_iter().find(|&(_, valid, _)| !valid) {
        Some((name, _, expected)) => Err(Error::Config { name, expected }),
        None => Ok(()),
    }
}

impl ConfigBuilder {
    numbers! {
        /// Bytes of a request's head, from the request line to the empty line. Default 16 KiB,
        /// 256 bytes to 64 KiB. A longer head is answered 431.
        head_bytes_max: usize => head.head_bytes_max;
        /// Header lines of a request. Default 100, 1 to 256. More are answered 431.
        header_count_max: usize => head.header_count_max;
        /// Bytes of a request's target. Default 8 KiB, 1 up to `head_bytes_max`. A longer one is
        /// answered 414.
        target_bytes_max: usize => head.target_bytes_max;
        /// Bytes of a request's content, over which it is answered 413. Default 1 GiB. A handler
        /// that collects a body sets a limit of its own below this one.
        body_bytes_max: u64 => body.body_bytes_max;
        /// Bytes of extensions over all chunks of a body, each from behind the size to its CRLF,
        /// which does not count. Default 4 KiB. More is answered 400.
        chunk_extension_bytes_max: u32 => body.chunk_extension_bytes_max;
        /// Bytes of trailer lines with their CRLFs, without the empty line. Default 8 KiB. More is
        /// answered 400.
        trailer_bytes_max: u32 => body.trailer_bytes_max;
        /// Bytes of later requests that are taken from the kernel while an answer is pending; what
        /// is more waits there. Default 64 KiB, 1 KiB to 512 KiB.
        pipelined_bytes_max: usize => pipelined_bytes_max;
        /// Requests of one connection that are handled before others get their turn. Default 256,
        /// at least 1.
        requests_per_turn_max: u32 => requests_per_turn_max;
        /// Connections of one worker; further ones are closed when they are accepted. Default 2^24,
        /// at least 1.
        connections_max: usize => connections_max;
        /// Bytes of answers that one connection may have waiting for a slow reader. A connection
        /// that goes over it is closed. Default 16 MiB, at least 16 KiB.
        write_buffer_bytes_max: usize => write_buffer_bytes_max;
        /// Bytes of a body that nobody read which are read and dropped, so that the connection can
        /// go on; with more to come it is closed after the answer. Default 64 KiB.
        discard_bytes_max: u64 => discard_bytes_max;
        /// Milliseconds from a head's first byte to its last, whatever arrives between; then 408.
        /// Default 10 s, at least 1.
        head_timeout_ms: u64 => head_timeout_ms;
        /// Milliseconds that a connection may be idle before and between requests. Default 75 s,
        /// above the 60 s of common load balancers; at least 1.
        keep_alive_timeout_ms: u64 => keep_alive_timeout_ms;
        /// Bytes a second that a body being read has to arrive with, as an average over
        /// `body_window_ms`; then 408. Default 1 KiB; 0 is off.
        body_throughput_min: u64 => body_throughput_min;
        /// Milliseconds over which `body_throughput_min` is measured. Default 10 s, at least 1.
        body_window_ms: u64 => body_window_ms;
        /// Milliseconds from a request's head to the begin of its answer, reading of the body not
        /// counted; then 503. Default 0, which is off.
        answer_timeout_ms: u64 => answer_timeout_ms;
        /// Milliseconds without progress after which a peer that does not read its answer is
        /// dropped. Default 30 s, at least 1.
        write_stall_timeout_ms: u64 => write_stall_timeout_ms;
        /// Milliseconds that a connection which the server closes stays open for what the peer
        /// still sends, so that the last answer is not lost to a reset. Default 2 s, at least 1.
        linger_timeout_ms: u64 => linger_timeout_ms;
        /// Whether a peer that has closed its sending side still gets a pending answer. Default
        /// false: it counts as having left.
        half_close: bool => half_close;
        /// Whether POST, PUT and PATCH without `Content-Length` and `Transfer-Encoding` are
        /// answered 411. Default false: they have no content.
        length_required: bool => length_required;
        /// Commands from other threads that wait for a worker. Default 65,536, at least 1.
        inbox_capacity: usize => inbox_capacity;
        /// Whether there is a [`Record`](crate::Record) for every answer, upgrades to WebSockets
        /// among them, for every answer that could not be completed, and for the end of every
        /// WebSocket: with method, target, status, and the time it took. Their level is
        /// [`Info`](crate::Level::Info). Default false.
        access_log: bool => access_log;
        /// Whether the output of several connections is handed to the kernel in one call, where it
        /// has `io_uring` and allows it. A short answer then leaves together with those of up to 63
        /// other connections that were ready at the same time, and so when their handlers have
        /// returned: turn it off where handlers take long. Default true.
        io_uring: bool => io_uring;
        /// The code with which a stop closes WebSockets: 1001 (going away) or 1012 (service
        /// restart). Default 1001.
        stop_close_code: u16 => stop_close_code;
        /// Milliseconds over which a stop spreads the closing of WebSockets, so that not all
        /// clients connect again at once. Default 0. The stop's own grace cuts it short.
        stop_spread_ms: u64 => stop_spread_ms;
    }

    setters! {
        /// Whether connections may, or have to, begin with a PROXY head: see [`ProxyProtocol`]. It
        /// may have `head_bytes_max` bytes, and `head_timeout_ms` from its first to its last; what
        /// is malformed is dropped without an answer. Default off.
        proxy_protocol: ProxyProtocol => proxy_protocol;
    }

    /// The value of a `Server` header in every answer. Default none.
    pub fn server_header(mut self, value: &str) -> Self {
        self.config.server_header = Some(value.into());
        self
    }

    /// Checks every setting.
    ///
    /// # Errors
    /// [`Error::Config`] names the first setting that is out of its range.
    pub fn build(self) -> Result<Config, Error> {
        let config = self.config;
        let head = &config.head;
        let server = config.server_header.as_deref().unwrap_or("x");
        let checks = [
            (
                "head_bytes_max",
                (256..=HEAD_BYTES_CAP).contains(&head.head_bytes_max),
                "256 to 65536",
            ),
            (
                "header_count_max",
                (1..=HEADERS_CAP).contains(&head.header_count_max),
                "1 to 256",
            ),
            (
                "target_bytes_max",
                (1..=head.head_bytes_max).contains(&head.target_bytes_max),
                "1 up to head_bytes_max",
            ),
            (
                "pipelined_bytes_max",
                (1 << 10..=512 << 10).contains(&config.pipelined_bytes_max),
                "1024 to 524288",
            ),
            (
                "requests_per_turn_max",
                config.requests_per_turn_max >= 1,
                "at least 1",
            ),
            ("connections_max", config.connections_max >= 1, "at least 1"),
            (
                "write_buffer_bytes_max",
                config.write_buffer_bytes_max >= 16 << 10,
                "at least 16384",
            ),
            ("head_timeout_ms", config.head_timeout_ms >= 1, "at least 1"),
            (
                "keep_alive_timeout_ms",
                config.keep_alive_timeout_ms >= 1,
                "at least 1",
            ),
            ("body_window_ms", config.body_window_ms >= 1, "at least 1"),
            (
                "write_stall_timeout_ms",
                config.write_stall_timeout_ms >= 1,
                "at least 1",
            ),
            (
                "linger_timeout_ms",
                config.linger_timeout_ms >= 1,
                "at least 1",
            ),
            ("inbox_capacity", config.inbox_capacity >= 1, "at least 1"),
            (
                "stop_close_code",
                matches!(config.stop_close_code, 1001 | 1012),
                "1001 or 1012",
            ),
            (
                "server_header",
                !server.is_empty() && crate::proto::http1::is_field_value(server.as_bytes()),
                "a field value without control bytes",
            ),
        ];
        first_invalid(checks)?;
        Ok(config)
    }
}
