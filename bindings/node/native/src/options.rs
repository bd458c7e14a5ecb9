//! Options as JavaScript gives them: objects of numbers, whose names and kinds it has checked.

use std::ffi::CStr;

use keirin::{
    Backpressure, Compressor, Config, ConfigBuilder, Decompressor, DeflateConfig, Error,
    ProxyProtocol, WebSocketConfig,
};

use crate::napi::{Env, Value};

type Setter = fn(ConfigBuilder, u64) -> Option<ConfigBuilder>;

/// A setter for each option, by its name in JavaScript; `None` for a number that it cannot hold.
macro_rules! options {
    ($($name:literal => $setter:ident,)+) => {
        [$(($name, |builder, number| Some(builder.$setter(FromNumber::from_number(number)?))),)+]
    };
}

/// A type that an option has.
trait FromNumber: Sized {
    fn from_number(number: u64) -> Option<Self>;
}

macro_rules! from_number {
    ($($type:ty)+) => {
        $(impl FromNumber for $type {
            fn from_number(number: u64) -> Option<Self> {
                Self::try_from(number).ok()
            }
        })+
    };
}

from_number! { u16 u32 u64 usize }

impl FromNumber for bool {
    fn from_number(number: u64) -> Option<Self> {
        (number <= 1).then_some(number == 1)
    }
}

const OPTIONS: [(&CStr, Setter); 25] = options! {
    c"headBytesMax" => head_bytes_max,
    c"headerCountMax" => header_count_max,
    c"targetBytesMax" => target_bytes_max,
    c"bodyBytesMax" => body_bytes_max,
    c"chunkExtensionBytesMax" => chunk_extension_bytes_max,
    c"trailerBytesMax" => trailer_bytes_max,
    c"pipelinedBytesMax" => pipelined_bytes_max,
    c"requestsPerTurnMax" => requests_per_turn_max,
    c"connectionsMax" => connections_max,
    c"writeBufferBytesMax" => write_buffer_bytes_max,
    c"discardBytesMax" => discard_bytes_max,
    c"headTimeoutMs" => head_timeout_ms,
    c"keepAliveTimeoutMs" => keep_alive_timeout_ms,
    c"bodyThroughputMin" => body_throughput_min,
    c"bodyWindowMs" => body_window_ms,
    c"answerTimeoutMs" => answer_timeout_ms,
    c"writeStallTimeoutMs" => write_stall_timeout_ms,
    c"lingerTimeoutMs" => linger_timeout_ms,
    c"halfClose" => half_close,
    c"lengthRequired" => length_required,
    c"accessLog" => access_log,
    c"ioUring" => io_uring,
    c"inboxCapacity" => inbox_capacity,
    c"stopCloseCode" => stop_close_code,
    c"stopSpreadMs" => stop_spread_ms,
};

/// An option's number; `None` where it is left out.
fn number(env: Env, options: Value, name: &CStr) -> Option<f64> {
    let value = env.property(options, name).ok()?;
    (!env.is_undefined(value)).then(|| env.to_number(value))
}

/// The settings of an app.
///
/// # Errors
/// What is wrong with which option.
pub(crate) fn config(env: Env, options: Value) -> Result<Config, String> {
    // A program asks for the proxied address only where it expects a proxy.
    let mut builder = Config::builder().proxy_protocol(ProxyProtocol::Accepted);
    for (name, set) in OPTIONS {
        if let Some(number) = number(env, options, name) {
            let changed = set(builder, number as u64);
            builder = changed.ok_or_else(|| format!("{} is too large", name.to_string_lossy()))?;
        }
    }
    if let Some(value) = env.property(options, c"serverHeader").ok()
        && let Some(server) = env.string(value, &mut Vec::new())
    {
        builder = builder.server_header(server);
    }
    builder.build().map_err(explain)
}

fn explain(error: Error) -> String {
    match error {
        Error::Config { name, expected } => {
            format!("{} has to be {expected}", camel_case(name))
        }
        error => error.to_string(),
    }
}

/// `head_bytes_max` is `headBytesMax` in JavaScript.
fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |mut name, word| {
        let mut letters = word.chars();
        name.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
        name + letters.as_str()
    })
}

/// The settings of a kind of WebSocket.
///
/// # Errors
/// As [`config`].
pub(crate) fn websocket_config(env: Env, options: Value) -> Result<WebSocketConfig, String> {
    let get = |name| number(env, options, name).unwrap_or_default();
    let mut builder = WebSocketConfig::builder()
        .message_bytes_max(get(c"maxPayloadLength") as usize)
        .idle_timeout_ms(get(c"idleTimeoutMs") as u32)
        .ping_interval_ms(get(c"pingIntervalMs") as u32)
        .lifetime_ms(get(c"lifetimeMs") as u32)
        .backpressure(match get(c"backpressure") as u32 {
            0 => Backpressure::Drop,
            1 => Backpressure::Close,
            _ => Backpressure::Queue,
        })
        .backpressure_bytes_max(get(c"maxBackpressure") as usize);
    if let Some(compressor) = number(env, options, c"compressorBits") {
        builder = builder.deflate(DeflateConfig {
            compressor: match compressor as u8 {
                0 => Compressor::Shared,
                window_bits => Compressor::Dedicated { window_bits },
            },
            decompressor: match get(c"decompressorBits") as u8 {
                0 => Decompressor::Shared,
                window_bits => Decompressor::Dedicated { window_bits },
            },
            ..DeflateConfig::default()
        });
    }
    builder.build().map_err(explain)
}
