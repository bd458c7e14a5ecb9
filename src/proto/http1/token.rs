//! The character classes of RFC 9110 section 5.6 and RFC 3986, as tables.

const fn table(accept: &[u8]) -> [bool; 256] {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let mut at = 0;
    while at < accept.len() {
        table[accept[at] as usize] = true;
        at += 1;
    }
    table
}

/// `tchar`, RFC 9110 section 5.6.2.
const TOKEN: [bool; 256] = table(b"!#$%&'*+-.^_`|~");

/// Every printable character but `"`, `#`, `<` and `>`.
const TARGET: [bool; 256] = table(b"-._~:/?[]@!$&'()*+,;=%|\\^`{}");

/// `reg-name` of RFC 3986 section 3.2.2, without the `%` of its escapes.
const REG_NAME: [bool; 256] = table(b"-._~!$&'()*+,;=");

pub(super) fn is_token_byte(byte: u8) -> bool {
    TOKEN[byte as usize]
}

/// What a request target may be made of: RFC 3986's characters, and those that browsers send
/// unencoded in a query all the same (the URL standard's query set leaves them as they are).
pub(super) fn is_target_byte(byte: u8) -> bool {
    TARGET[byte as usize]
}

/// SP and HTAB, the white space of RFC 9110 section 5.6.3.
pub(super) fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

pub(super) fn is_reg_name_byte(byte: u8) -> bool {
    REG_NAME[byte as usize]
}

/// The first `byte` in `bytes`. Most of what is searched here is shorter than what it takes to set
/// a vectorised search up.
#[inline]
pub(crate) fn find_byte(byte: u8, bytes: &[u8]) -> Option<usize> {
    if bytes.len() <= 16 {
        bytes.iter().position(|&found| found == byte)
    } else {
        memchr::memchr(byte, bytes)
    }
}

/// Whether `bytes` is a `token` (RFC 9110 section 5.6.2): a method, a header name.
pub fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty()
        && bytes
            .iter()
            .fold(true, |good, &byte| good & TOKEN[byte as usize])
}

/// Whether `bytes` may be sent as a field value (RFC 9110 section 5.5): no CR, LF, NUL or other
/// control byte but HTAB.
pub fn is_field_value(bytes: &[u8]) -> bool {
    bytes
        .iter()
        .fold(true, |good, &byte| good & is_field_byte(byte))
}

pub(super) fn is_field_byte(byte: u8) -> bool {
    (byte >= b' ' && byte != 0x7f) || byte == b'\t'
}
