//! Options as JavaScript gives them: objects of numbers, whose names and kinds it has checked.

use std::ffi::{CStr, CString};

use keirin::{
    Backpressure, Compressor, Config, ConfigBuilder, Decompressor, DeflateConfig, Error,
    ProxyProtocol, WebSocketConfig,
};

use crate::napi::{Env, Failed, Value};

/// An option's number; `None` where it is left out.
fn number(env: Env, options: Value, name: &CStr) -> Option<f64> {
    let value = env.property(options, name).ok()?;
    (!env.is_undefined(value)).then(|| env.to_number(value))
}

/// The names of an app's settings for JavaScript, each with whether it is a flag.
pub(crate) fn settings(env: Env) -> Result<Value, Failed> {
    let settings = env.object()?;
    for &(name, is_flag) in ConfigBuilder::NUMBERS {
        env.set(settings, &camel_case(name), env.int(i32::from(is_flag)));
    }
    Ok(settings)
}

/// The settings of an app.
///
/// # Errors
/// What is wrong with which option.
pub(crate) fn config(env: Env, options: Value) -> Result<Config, String> {
    // A program asks for the proxied address only where it expects a proxy.
    let mut builder = Config::builder().proxy_protocol(ProxyProtocol::Accepted);
    for (name, _) in ConfigBuilder::NUMBERS {
        let camel = camel_case(name);
        if let Some(number) = number(env, options, &camel) {
            let changed = builder.number(name, number as u64);
            builder = changed.ok_or_else(|| format!("{} is too large", camel.to_string_lossy()))?;
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
            format!(
                "{} has to be {expected}",
                camel_case(name).to_string_lossy()
            )
        }
        error => error.to_string(),
    }
}

/// `head_bytes_max` is `headBytesMax` in JavaScript.
pub(crate) fn camel_case(name: &str) -> CString {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    let name = words.fold(first, |mut name, word| {
        let mut letters = word.chars();
        name.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
        name + letters.as_str()
    });
    CString::new(name).expect("names are words")
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
