//! Versions of the library and of the header.

use std::ffi::{CStr, c_char};

/// The version of this header's interface. It changes with every incompatible change.
pub const KEIRIN_VERSION_MAJOR: u32 = 0;
/// It changes when something is added.
pub const KEIRIN_VERSION_MINOR: u32 = 1;
/// It changes with every other release.
pub const KEIRIN_VERSION_PATCH: u32 = 0;
/// The three in one number, which grows: to be compared with keirin_version_number(). A library of
/// the same major number, and the same or a greater minor one, fits this header.
pub const KEIRIN_VERSION_NUMBER: u32 = 100;

const TEXT: &CStr = c"0.1.0";

const _: () = assert!(
    KEIRIN_VERSION_NUMBER
        == KEIRIN_VERSION_MAJOR * 10_000 + KEIRIN_VERSION_MINOR * 100 + KEIRIN_VERSION_PATCH
);

/// The version of the library that is loaded, as KEIRIN_VERSION_NUMBER of its header.
///
/// May be called from any thread.
#[unsafe(no_mangle)]
pub extern "C" fn keirin_version_number() -> u32 {
    KEIRIN_VERSION_NUMBER
}

/// The version of the library that is loaded, as text: "0.1.0". Never NULL, and valid for ever.
///
/// May be called from any thread.
#[unsafe(no_mangle)]
pub extern "C" fn keirin_version() -> *const c_char {
    TEXT.as_ptr()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_has_the_version_of_the_crate() {
        let numbers = [
            KEIRIN_VERSION_MAJOR,
            KEIRIN_VERSION_MINOR,
            KEIRIN_VERSION_PATCH,
        ];
        assert_eq!(
            numbers.map(|number| number.to_string()).join("."),
            env!("CARGO_PKG_VERSION")
        );
        assert_eq!(TEXT.to_str(), Ok(env!("CARGO_PKG_VERSION")));
    }
}
