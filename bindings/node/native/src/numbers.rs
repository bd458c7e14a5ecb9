//! The numbers that both sides know. JavaScript has them from here, by their names.

use std::ffi::CStr;

use crate::napi::{Env, Failed, Value};

/// Modules of constants, and all of them by name.
macro_rules! numbers {
    ($($(#[$about:meta])* $module:ident: $type:ty {
        $($(#[$doc:meta])* $name:ident = $value:expr;)+
    })+) => {
        $($(#[$about])*
        pub(crate) mod $module {
            $($(#[$doc])* pub(crate) const $name: $type = $value;)+
        })+

        const TABLES: &[(&CStr, &[(&CStr, i32)])] = &[$(
            (terminated(concat!(stringify!($module), "\0")), &[$(
                (terminated(concat!(stringify!($name), "\0")), $module::$name as i32),
            )+]),
        )+];
    };
}

const fn terminated(name: &str) -> &CStr {
    match CStr::from_bytes_with_nul(name.as_bytes()) {
        Ok(name) => name,
        Err(_) => panic!("it ends with NUL, and has no other"),
    }
}

numbers! {
    /// Where the numbers of a call or event stand in `registers`.
    register: usize {
        /// The lower half of a connection's id, whose lower 24 bits are its place in tables.
        LOW = 0;
        /// The upper half, which tells apart those that have had the same place.
        HIGH = 1;
        /// The number of a request on its connection.
        REQUEST = 2;
        /// The app.
        APP = 3;
        /// How a call has ended: 0 or more when it was carried out.
        STATUS = 4;
        /// What else there is to say of it.
        FIRST = 5;
        SECOND = 6;
        THIRD = 7;
    }

    /// Negative outcomes of a call.
    status: i32 {
        STALE = -1;
        ALREADY_ENDED = -2;
        ALREADY_BEGUN = -3;
        REFUSED_HEADER = -4;
        REFUSED_STATUS = -5;
        REFUSED_LENGTH = -6;
        LEFT_ALONE = -7;
        REFUSED_FRAGMENT = -8;
        REFUSED_TOPIC = -9;
        REFUSED_CLOSE_CODE = -10;
        NOT_UTF8 = -11;
        REFUSED_OTHER = -12;
        UNAVAILABLE = -13;
    }

    /// What a piece of a body is.
    piece: i32 {
        MORE = 0;
        LAST = 1;
        TOO_MUCH = 2;
    }

    /// Which events of a kind of WebSocket JavaScript has handlers for.
    hears: i32 {
        MESSAGE = 1;
        DROPPED = 2;
        DRAIN = 4;
        PING = 8;
        PONG = 16;
        SUBSCRIPTION = 32;
    }
}

/// The constants for JavaScript: an object for each module.
pub(crate) fn tables(env: Env) -> Result<Value, Failed> {
    let tables = env.object()?;
    for &(name, numbers) in TABLES {
        let table = env.object()?;
        for &(name, number) in numbers {
            env.set(table, name, env.int(number));
        }
        env.set(tables, name, table);
    }
    Ok(tables)
}
