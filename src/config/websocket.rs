//! Every limit and timeout of WebSockets.

use super::first_invalid;
use crate::error::Error;
use crate::proto::ws::MessageLimits;

/// What happens to a message for a peer that reads too slowly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Backpressure {
    /// It is dropped, which its sender is told; so is the handler for dropped messages.
    Drop,
    /// The socket is closed with 1013.
    Close,
    /// It waits in memory, however much that comes to.
    Queue,
}

/// Valid settings of a kind of WebSocket. Made by [`WebSocketConfig::builder`]; the default is
/// valid.
#[derive(Clone, Debug)]
pub struct WebSocketConfig {
    pub(crate) limits: MessageLimits,
    pub(crate) backpressure: Backpressure,
    pub(crate) backpressure_bytes_max: usize,
    pub(crate) idle_timeout_ms: u32,
    pub(crate) ping_interval_ms: u32,
    pub(crate) lifetime_ms: u32,
    pub(crate) lifetime_jitter_ms: u32,
}

impl Default for WebSocketConfig {
    fn default() -> Self {
        const MESSAGE_BYTES_MAX: usize = 1 << 20;
        Self {
            limits: MessageLimits {
                message_bytes_max: MESSAGE_BYTES_MAX,
                message_cost_max: 2 * MESSAGE_BYTES_MAX,
            },
            backpressure: Backpressure::Drop,
            backpressure_bytes_max: 1 << 20,
            idle_timeout_ms: 120_000,
            ping_interval_ms: 25_000,
            lifetime_ms: 0,
            lifetime_jitter_ms: 0,
        }
    }
}

impl WebSocketConfig {
    /// Settings to change, starting from the defaults.
    pub fn builder() -> WebSocketConfigBuilder {
        WebSocketConfigBuilder {
            config: Self::default(),
        }
    }
}

/// Collects settings; [`build`](Self::build) checks them.
#[derive(Clone, Debug)]
#[must_use]
pub struct WebSocketConfigBuilder {
    config: WebSocketConfig,
}

impl WebSocketConfigBuilder {
    super::setters! {
        /// What happens to a message for a peer that reads too slowly. Default
        /// [`Drop`](Backpressure::Drop).
        backpressure: Backpressure => backpressure;
        /// Bytes that may wait in memory for one peer before the policy applies. Default 1 MiB, at
        /// least 16 KiB. A message that would go over it is too much; one that finds nothing
        /// waiting never is.
        backpressure_bytes_max: usize => backpressure_bytes_max;
        /// Milliseconds without a byte from the peer, after which it is closed with 1001. Default
        /// 120 s; 0 is off.
        idle_timeout_ms: u32 => idle_timeout_ms;
        /// Milliseconds without a byte from the peer, after which it is sent a Ping, and after
        /// which the next. Default 25 s, below the 60 s of common load balancers; 0 is off.
        ping_interval_ms: u32 => ping_interval_ms;
        /// Milliseconds that a socket lives, after which it is closed with 1001. Default 0, which
        /// is off.
        lifetime_ms: u32 => lifetime_ms;
        /// Milliseconds that a socket may live beyond `lifetime_ms`, different for each. Default 0.
        lifetime_jitter_ms: u32 => lifetime_jitter_ms;
    }

    /// Bytes of a message, all its fragments together and decompressed, over which the socket is
    /// closed with 1009. Default 1 MiB, at least 1.
    ///
    /// What fragments cost beside their bytes is limited along with it: a message in so many that
    /// they cost more than twice this limit, and more than 64 KiB, at 64 bytes each, closes the
    /// socket with 1008.
    pub fn message_bytes_max(mut self, value: usize) -> Self {
        self.config.limits = MessageLimits {
            message_bytes_max: value,
            message_cost_max: value.saturating_mul(2).max(64 << 10),
        };
        self
    }

    /// Checks every setting.
    ///
    /// # Errors
    /// [`Error::Config`] names the first setting that is out of its range.
    pub fn build(self) -> Result<WebSocketConfig, Error> {
        let config = self.config;
        first_invalid([
            (
                "message_bytes_max",
                config.limits.message_bytes_max >= 1,
                "at least 1",
            ),
            (
                "backpressure_bytes_max",
                config.backpressure_bytes_max >= 16 << 10,
                "at least 16384",
            ),
        ])?;
        Ok(config)
    }
}
