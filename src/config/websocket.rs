//! Every limit and timeout of WebSockets.

use super::first_invalid;
use crate::error::Error;
use crate::proto::ws::MessageLimits;
use crate::proto::ws::brotli::BrotliConfig;
use crate::proto::ws::extensions::{Compressor, Decompressor, DeflateConfig};

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
    pub(crate) deflate: Option<DeflateConfig>,
    pub(crate) brotli: Option<BrotliConfig>,
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
            deflate: None,
            brotli: None,
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
        /// is off; more than 24 days are 24 days.
        lifetime_ms: u32 => lifetime_ms;
        /// Milliseconds that a socket may live beyond `lifetime_ms`, different for each. Default 0.
        lifetime_jitter_ms: u32 => lifetime_jitter_ms;
    }

    /// Agrees to permessage-deflate (RFC 7692) with clients that offer it. Default: no.
    ///
    /// Where secrets stand beside what others can influence, compression lets the length of
    /// messages tell of them: see [`Socket::send_uncompressed`](crate::Socket::send_uncompressed).
    pub fn deflate(mut self, deflate: DeflateConfig) -> Self {
        self.config.deflate = Some(deflate);
        self
    }

    /// Agrees to Brotli inside of messages with clients that offer it, by a subprotocol that is
    /// called `br` or ends in `+br`. Default: no.
    pub fn brotli(mut self, brotli: BrotliConfig) -> Self {
        self.config.brotli = Some(brotli);
        self
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
        let windows = config.deflate.map_or([15, 15], |deflate| {
            let sent = match deflate.compressor {
                Compressor::Shared => 15,
                Compressor::Dedicated { window_bits } => window_bits,
            };
            let received = match deflate.decompressor {
                Decompressor::Shared => 15,
                Decompressor::Dedicated { window_bits } => window_bits,
            };
            [sent, received]
        });
        let brotli = config.brotli.unwrap_or_default();
        first_invalid([
            (
                "deflate.window_bits",
                windows.iter().all(|bits| (9..=15).contains(bits)),
                "9 to 15",
            ),
            (
                "deflate.level",
                config.deflate.unwrap_or_default().level <= 9,
                "0 to 9",
            ),
            ("brotli.quality", brotli.quality <= 11, "0 to 11"),
            (
                "brotli.window_bits",
                (10..=24).contains(&brotli.window_bits),
                "10 to 24",
            ),
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
