//! Limits and timeouts of a server or loop.

use std::ffi::c_char;

use keirin::{Config, ConfigBuilder};

use crate::arguments::{c_text, free, give, reference_mut};
use crate::status::{KEIRIN_ERR_ARGUMENT, Outcome, Refused, keirin_status_t, run, value};

/// Names a limit or timeout for keirin_config_set(). Sizes are in bytes, times in milliseconds.
pub type keirin_option_t = u32;

/// Bytes of a request's head, 256 to 65536. The default is 16384; more is answered 431.
pub const KEIRIN_HEAD_BYTES_MAX: keirin_option_t = 1;
/// Headers of a request, 1 to 256. The default is 100; more are answered 431.
pub const KEIRIN_HEADER_COUNT_MAX: keirin_option_t = 2;
/// Bytes of a request's target, up to KEIRIN_HEAD_BYTES_MAX. The default is 8192; more is answered
/// 414.
pub const KEIRIN_TARGET_BYTES_MAX: keirin_option_t = 3;
/// Bytes of a request's body. The default is 1 GiB; more is answered 413.
pub const KEIRIN_BODY_BYTES_MAX: keirin_option_t = 4;
/// Bytes of a chunked body's extensions. The default is 4096.
pub const KEIRIN_CHUNK_EXTENSION_BYTES_MAX: keirin_option_t = 5;
/// Bytes of a chunked body's trailers. The default is 8192.
pub const KEIRIN_TRAILER_BYTES_MAX: keirin_option_t = 6;
/// Bytes of requests that wait behind one that is answered later, 1024 to 524288. The default is
/// 65536; what is more stays in the kernel.
pub const KEIRIN_PIPELINED_BYTES_MAX: keirin_option_t = 7;
/// Requests of one connection that are handled before others have their turn, at least 1. The
/// default is 256.
pub const KEIRIN_REQUESTS_PER_TURN_MAX: keirin_option_t = 8;
/// Open connections of a worker, at least 1; more are closed at once. The default is 16777216.
pub const KEIRIN_CONNECTIONS_MAX: keirin_option_t = 9;
/// Bytes of an answer that wait in memory for a peer, at least 16384; for more the connection is
/// dropped. The default is 16 MiB.
pub const KEIRIN_WRITE_BUFFER_BYTES_MAX: keirin_option_t = 10;
/// Bytes of a body nobody reads that are read and dropped to keep the connection open. The default
/// is 65536.
pub const KEIRIN_DISCARD_BYTES_MAX: keirin_option_t = 11;
/// Within which a request's head has to be complete, at least 1. The default is 10000; later is
/// answered 408.
pub const KEIRIN_HEAD_TIMEOUT_MS: keirin_option_t = 12;
/// How long a connection may be idle between requests, at least 1. The default is 75000.
pub const KEIRIN_KEEP_ALIVE_TIMEOUT_MS: keirin_option_t = 13;
/// Bytes of a body that have to arrive in KEIRIN_BODY_WINDOW_MS; 0 is off. The default is 1024.
pub const KEIRIN_BODY_THROUGHPUT_MIN: keirin_option_t = 14;
/// See KEIRIN_BODY_THROUGHPUT_MIN; at least 1. The default is 10000.
pub const KEIRIN_BODY_WINDOW_MS: keirin_option_t = 15;
/// Within which an answer that was kept for later has to come, else it is 503; 0, the default, is
/// off.
pub const KEIRIN_ANSWER_TIMEOUT_MS: keirin_option_t = 16;
/// How long a peer may read nothing of what waits for it, at least 1. The default is 30000.
pub const KEIRIN_WRITE_STALL_TIMEOUT_MS: keirin_option_t = 17;
/// How long a connection that the server ends waits for the peer's end, at least 1. The default is
/// 2000.
pub const KEIRIN_LINGER_TIMEOUT_MS: keirin_option_t = 18;
/// 1: a peer that has shut its sending side still gets its answer. 0, the default: it has left.
pub const KEIRIN_HALF_CLOSE: keirin_option_t = 19;
/// 1: a body without Content-Length is answered 411. The default is 0.
pub const KEIRIN_LENGTH_REQUIRED: keirin_option_t = 20;
/// Calls from other threads that may wait for a worker, at least 1. The default is 65536.
pub const KEIRIN_INBOX_CAPACITY: keirin_option_t = 21;
/// The code that a graceful stop closes WebSockets with: 1001, the default, or 1012.
pub const KEIRIN_STOP_CLOSE_CODE: keirin_option_t = 22;
/// The time over which a graceful stop spreads the closing of WebSockets. The default is 0.
pub const KEIRIN_STOP_SPREAD_MS: keirin_option_t = 23;
/// 1: each request is logged. The default is 0.
pub const KEIRIN_ACCESS_LOG: keirin_option_t = 24;

/// 1, the default: output of several connections is handed to the kernel in one call, where it has
/// io_uring and allows it. A short answer then leaves together with those of up to 63 other
/// connections that were ready at the same time, when their handlers have returned. 0: each
/// connection is sent to by itself, at once, which is better where handlers take long.
pub const KEIRIN_IO_URING: keirin_option_t = 25;

/// Limits and timeouts of a server or loop. It may be used on one thread at a time, and for any
/// number of them.
pub struct keirin_config_t {
    builder: ConfigBuilder,
}

impl keirin_config_t {
    /// What it says; a NULL is the defaults.
    pub(crate) fn build(config: Option<&Self>) -> Outcome<Config> {
        let builder = config.map_or_else(Config::builder, |config| config.builder.clone());
        Ok(builder.build()?)
    }
}

/// A configuration with the default of every option. It is freed with keirin_config_free().
#[unsafe(no_mangle)]
pub extern "C" fn keirin_config_new() -> *mut keirin_config_t {
    value(std::ptr::null_mut(), || {
        give(keirin_config_t {
            builder: Config::builder(),
        })
    })
}

/// Frees a configuration; what was made with it is not concerned. NULL is ignored.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_config_free(config: *mut keirin_config_t) {
    // SAFETY: as the header asks.
    value((), || unsafe { free(config) });
}

/// Sets an option. What is out of range is found when a loop or server is made with it.
///
/// Errors: KEIRIN_ERR_NULL, KEIRIN_ERR_ARGUMENT for an unknown option or a number it cannot hold.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_config_set(
    config: *mut keirin_config_t,
    option: keirin_option_t,
    number: u64,
) -> keirin_status_t {
    run(|| {
        // SAFETY: as the header asks.
        let config = unsafe { reference_mut(config) }?;
        config.builder = set(config.builder.clone(), option, number)?;
        Ok(())
    })
}

/// Sets the value of a Server header, which is sent with every answer then. A value that must not
/// be sent is found when a loop or server is made with it.
///
/// Errors: KEIRIN_ERR_NULL, KEIRIN_ERR_UTF8.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_config_set_server_header(
    config: *mut keirin_config_t,
    value: *const c_char,
) -> keirin_status_t {
    run(|| {
        // SAFETY: as the header asks.
        let (config, value) = unsafe { (reference_mut(config)?, c_text(value)?) };
        config.builder = config.builder.clone().server_header(value);
        Ok(())
    })
}

fn set(builder: ConfigBuilder, option: keirin_option_t, number: u64) -> Outcome<ConfigBuilder> {
    let size = narrow::<usize>(number);
    let short = narrow::<u32>(number);
    let flag = narrow::<u8>(number).and_then(flag);
    Ok(match option {
        KEIRIN_HEAD_BYTES_MAX => builder.head_bytes_max(size?),
        KEIRIN_HEADER_COUNT_MAX => builder.header_count_max(size?),
        KEIRIN_TARGET_BYTES_MAX => builder.target_bytes_max(size?),
        KEIRIN_BODY_BYTES_MAX => builder.body_bytes_max(number),
        KEIRIN_CHUNK_EXTENSION_BYTES_MAX => builder.chunk_extension_bytes_max(short?),
        KEIRIN_TRAILER_BYTES_MAX => builder.trailer_bytes_max(short?),
        KEIRIN_PIPELINED_BYTES_MAX => builder.pipelined_bytes_max(size?),
        KEIRIN_REQUESTS_PER_TURN_MAX => builder.requests_per_turn_max(short?),
        KEIRIN_CONNECTIONS_MAX => builder.connections_max(size?),
        KEIRIN_WRITE_BUFFER_BYTES_MAX => builder.write_buffer_bytes_max(size?),
        KEIRIN_DISCARD_BYTES_MAX => builder.discard_bytes_max(number),
        KEIRIN_HEAD_TIMEOUT_MS => builder.head_timeout_ms(number),
        KEIRIN_KEEP_ALIVE_TIMEOUT_MS => builder.keep_alive_timeout_ms(number),
        KEIRIN_BODY_THROUGHPUT_MIN => builder.body_throughput_min(number),
        KEIRIN_BODY_WINDOW_MS => builder.body_window_ms(number),
        KEIRIN_ANSWER_TIMEOUT_MS => builder.answer_timeout_ms(number),
        KEIRIN_WRITE_STALL_TIMEOUT_MS => builder.write_stall_timeout_ms(number),
        KEIRIN_LINGER_TIMEOUT_MS => builder.linger_timeout_ms(number),
        KEIRIN_HALF_CLOSE => builder.half_close(flag?),
        KEIRIN_LENGTH_REQUIRED => builder.length_required(flag?),
        KEIRIN_INBOX_CAPACITY => builder.inbox_capacity(size?),
        KEIRIN_STOP_CLOSE_CODE => builder.stop_close_code(narrow(number)?),
        KEIRIN_STOP_SPREAD_MS => builder.stop_spread_ms(number),
        KEIRIN_ACCESS_LOG => builder.access_log(flag?),
        KEIRIN_IO_URING => builder.io_uring(flag?),
        _ => return Err(Refused(KEIRIN_ERR_ARGUMENT)),
    })
}

/// A number that has to fit.
pub(crate) fn narrow<T: TryFrom<u64>>(number: u64) -> Outcome<T> {
    T::try_from(number).map_err(|_| Refused(KEIRIN_ERR_ARGUMENT))
}

/// A number that says no or yes.
pub(crate) fn flag(number: u8) -> Outcome<bool> {
    match number {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Refused(KEIRIN_ERR_ARGUMENT)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_is_an_option() {
        let source = include_str!("config.rs");
        for (name, _) in ConfigBuilder::NUMBERS {
            assert!(source.contains(&format!("=> builder.{name}(")), "{name}");
        }
    }
}
