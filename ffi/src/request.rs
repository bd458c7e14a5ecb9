//! Requests.

use std::ffi::{c_char, c_void};
use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};

use keirin::proto::uri;
use keirin::{HandshakeError, OwnedRequest, Request};

use crate::arguments::{free, give, keirin_bytes_t, output, reference, set_optional, text};
use crate::status::{
    KEIRIN_ERR_LENGTH, KEIRIN_ERR_NOT_FOUND, KEIRIN_ERR_NULL, Outcome, Refused, keirin_status_t,
    run, value,
};

/// A request's head. The one that a handler is given is gone when the handler returns;
/// keirin_request_clone() makes one that stays. It may be read on any thread.
pub struct keirin_request_t {
    head: Head,
}

enum Head {
    /// In the receive buffer, while the handler runs.
    Borrowed(*const Request<'static>),
    Owned(Box<OwnedRequest>),
}

/// An IP address and port.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct keirin_address_t {
    /// The address in network order: the first four for IPv4, all for IPv6.
    pub bytes: [u8; 16],
    /// How many of them it has: 4 or 16; 0 for a peer on a Unix socket.
    pub length: u8,
    /// The port.
    pub port: u16,
}

impl From<Option<SocketAddr>> for keirin_address_t {
    fn from(address: Option<SocketAddr>) -> Self {
        let mut bytes = [0; 16];
        let (length, port) = match address.map(|address| (address.ip(), address.port())) {
            None => (0, 0),
            Some((IpAddr::V4(ip), port)) => {
                bytes[..4].copy_from_slice(&ip.octets());
                (4, port)
            }
            Some((IpAddr::V6(ip), port)) => {
                bytes = ip.octets();
                (16, port)
            }
        };
        Self {
            bytes,
            length,
            port,
        }
    }
}

impl keirin_request_t {
    /// The request as it is lent to a handler.
    #[inline]
    pub(crate) fn lend<R>(request: &Request<'_>, f: impl FnOnce(&Self) -> R) -> R {
        // The lifetime is only erased: the value ends before the request does.
        let borrowed: *const Request<'_> = request;
        f(&Self {
            head: Head::Borrowed(borrowed.cast()),
        })
    }

    fn view<R>(
        &self,
        borrowed: impl FnOnce(&Request<'_>) -> R,
        owned: impl FnOnce(&OwnedRequest) -> R,
    ) -> R {
        match &self.head {
            // SAFETY: `lend` has made it, and has not returned.
            Head::Borrowed(request) => borrowed(unsafe { &**request }),
            Head::Owned(request) => owned(request),
        }
    }

    /// Whether it is a request for a WebSocket; only a request that was not cloned can tell.
    pub(crate) fn handshake(&self) -> Outcome<Result<keirin::Handshake, HandshakeError>> {
        self.view(
            |request| Ok(request.handshake()),
            |_| Err(Refused(KEIRIN_ERR_NOT_FOUND)),
        )
    }

    fn header(&self, name: &str) -> keirin_bytes_t {
        let is_named = |found: &str| found.eq_ignore_ascii_case(name);
        self.view(
            |request| request.header(name).into(),
            |request| {
                let mut headers = request.headers.iter();
                let found = headers.find(|(found, _)| is_named(found));
                found.map(|(_, value)| value.as_slice()).into()
            },
        )
    }

    fn header_at(&self, index: usize) -> Option<(keirin_bytes_t, keirin_bytes_t)> {
        self.view(
            |request| {
                let (name, value) = request.headers().nth(index)?;
                Some((name.as_bytes().into(), value.into()))
            },
            |request| {
                let (name, value) = request.headers.get(index)?;
                Some((name.as_bytes().into(), value.as_slice().into()))
            },
        )
    }

    fn parameter(&self, name: &str) -> keirin_bytes_t {
        self.view(
            |request| request.parameter(name).map(str::as_bytes).into(),
            |request| {
                let mut parameters = request.parameters.iter();
                let found = parameters.find(|(found, _)| found == name);
                found.map(|(_, value)| value.as_bytes()).into()
            },
        )
    }
}

/// What a request says, where it is not NULL.
///
/// # Safety
/// As [`reference`].
unsafe fn look(
    request: *const keirin_request_t,
    f: impl FnOnce(&keirin_request_t) -> keirin_bytes_t,
) -> keirin_bytes_t {
    value(keirin_bytes_t::ABSENT, || {
        // SAFETY: as the caller promises.
        unsafe { reference(request) }.map_or(keirin_bytes_t::ABSENT, f)
    })
}

/// Text of a request, lent or cloned.
///
/// # Safety
/// As [`reference`].
unsafe fn look_text(
    request: *const keirin_request_t,
    borrowed: impl for<'a> FnOnce(&Request<'a>) -> Option<&'a str>,
    owned: impl FnOnce(&OwnedRequest) -> Option<&str>,
) -> keirin_bytes_t {
    let bytes = |text: Option<&str>| text.map(str::as_bytes).into();
    // SAFETY: as the caller promises.
    unsafe {
        look(request, |request| {
            request.view(|it| bytes(borrowed(it)), |it| bytes(owned(it)))
        })
    }
}

/// The method as sent: "GET". Case matters (RFC 9110 section 9.1). Absent for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_request_method(request: *const keirin_request_t) -> keirin_bytes_t {
    // SAFETY: as the header asks.
    unsafe { look_text(request, |it| Some(it.method()), |it| Some(&it.method)) }
}

/// The target as sent: path and query, an absolute URI, or "*" (RFC 9112 section 3.2). Absent for
/// NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_request_target(request: *const keirin_request_t) -> keirin_bytes_t {
    // SAFETY: as the header asks.
    unsafe { look_text(request, |it| Some(it.target()), |it| Some(&it.target)) }
}

/// The path, neither decoded nor normalised. Absent for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_request_path(request: *const keirin_request_t) -> keirin_bytes_t {
    // SAFETY: as the header asks.
    unsafe { look_text(request, |it| Some(it.path()), |it| Some(&it.path)) }
}

/// What follows the first "?", not decoded. Absent without one, and for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_request_query(request: *const keirin_request_t) -> keirin_bytes_t {
    // SAFETY: as the header asks.
    unsafe { look_text(request, |it| it.query(), |it| it.query.as_deref()) }
}

/// The value of the first header of this name, in any case, without the white space around it
/// (RFC 9110 section 5.5). Absent where there is none, and for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_request_header(
    request: *const keirin_request_t,
    name: *const c_void,
    length: usize,
) -> keirin_bytes_t {
    // SAFETY: as the header asks.
    unsafe {
        look(request, |request| {
            text(name, length).map_or(keirin_bytes_t::ABSENT, |name| request.header(name))
        })
    }
}

/// The header at an index, from 0, in the order of arrival; names as sent.
///
/// Errors: KEIRIN_ERR_NULL, KEIRIN_ERR_NOT_FOUND behind the last.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_request_header_at(
    request: *const keirin_request_t,
    index: usize,
    name: *mut keirin_bytes_t,
    value: *mut keirin_bytes_t,
) -> keirin_status_t {
    run(|| {
        // SAFETY: as the header asks.
        let (request, name, value) =
            unsafe { (reference(request)?, output(name)?, output(value)?) };
        let found = request.header_at(index);
        let (found_name, found_value) = found.ok_or(Refused(KEIRIN_ERR_NOT_FOUND))?;
        name.set(found_name);
        value.set(found_value);
        Ok(())
    })
}

/// The segment of the path that the route's ":name" matched, not decoded. Absent where the route
/// has no such name, and for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_request_parameter(
    request: *const keirin_request_t,
    name: *const c_void,
    length: usize,
) -> keirin_bytes_t {
    // SAFETY: as the header asks.
    unsafe {
        look(request, |request| {
            text(name, length).map_or(keirin_bytes_t::ABSENT, |name| request.parameter(name))
        })
    }
}

/// Decodes what the route's ":name" matched into `buffer`: percent-decoded, which has to give
/// UTF-8. `*value_length` is set to its length, also when it does not fit; it may be NULL.
///
/// Errors: KEIRIN_ERR_NULL, KEIRIN_ERR_UTF8, KEIRIN_ERR_NOT_FOUND where there is none or it is
/// malformed, KEIRIN_ERR_LENGTH when it is longer than `capacity`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_request_parameter_decoded(
    request: *const keirin_request_t,
    name: *const c_void,
    length: usize,
    buffer: *mut c_void,
    capacity: usize,
    value_length: *mut usize,
) -> keirin_status_t {
    // SAFETY: as the header asks.
    unsafe {
        decode(
            (request, name, length),
            (buffer, capacity, value_length),
            |request, name| {
                let owned = |it: &OwnedRequest| {
                    let found = it.parameters.iter().find(|(found, _)| found == name);
                    Some(uri::percent_decode(&found?.1)?.into_owned())
                };
                request.view(|it| Some(it.parameter_decoded(name)?.into_owned()), owned)
            },
        )
    }
}

/// Decodes the value of the first query parameter of this name into `buffer`. One without "=" is
/// empty. `*value_length` is set to its length, also when it does not fit; it may be NULL.
///
/// Errors: KEIRIN_ERR_NULL, KEIRIN_ERR_UTF8, KEIRIN_ERR_NOT_FOUND where there is none or it is
/// malformed, KEIRIN_ERR_LENGTH when it is longer than `capacity`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_request_query_parameter(
    request: *const keirin_request_t,
    name: *const c_void,
    length: usize,
    buffer: *mut c_void,
    capacity: usize,
    value_length: *mut usize,
) -> keirin_status_t {
    // SAFETY: as the header asks.
    unsafe {
        decode(
            (request, name, length),
            (buffer, capacity, value_length),
            |request, name| {
                let owned = |it: &OwnedRequest| {
                    let found = uri::query_parameter(it.query.as_deref()?, name);
                    Some(found?.into_owned())
                };
                request.view(|it| Some(it.query_parameter(name)?.into_owned()), owned)
            },
        )
    }
}

/// Finds something by its name and copies it to the caller.
///
/// # Safety
/// As the header asks of the pointers.
unsafe fn decode(
    (request, name, length): (*const keirin_request_t, *const c_void, usize),
    (buffer, capacity, value_length): (*mut c_void, usize, *mut usize),
    find: impl FnOnce(&keirin_request_t, &str) -> Option<String>,
) -> keirin_status_t {
    run(|| {
        // SAFETY: as the caller promises.
        let (request, name) = unsafe { (reference(request)?, text(name, length)?) };
        let found = find(request, name).ok_or(Refused(KEIRIN_ERR_NOT_FOUND))?;
        // SAFETY: as the caller promises.
        unsafe {
            set_optional(value_length, found.len());
            copy_out(found.as_bytes(), buffer, capacity)
        }
    })
}

/// Copies bytes into a buffer of the caller's, if it is large enough.
///
/// # Safety
/// `buffer` is NULL or has room for `capacity` bytes.
unsafe fn copy_out(from: &[u8], buffer: *mut c_void, capacity: usize) -> Outcome {
    if from.len() > capacity {
        return Err(Refused(KEIRIN_ERR_LENGTH));
    }
    if from.is_empty() {
        return Ok(());
    }
    if buffer.is_null() {
        return Err(Refused(KEIRIN_ERR_NULL));
    }
    // SAFETY: it has room, as the caller promises, and nobody else writes to it.
    unsafe { std::ptr::copy_nonoverlapping(from.as_ptr(), buffer.cast(), from.len()) };
    Ok(())
}

/// 0 for HTTP/1.0, 1 for HTTP/1.1; -1 for NULL and for a clone, which does not keep it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_request_version_minor(request: *const keirin_request_t) -> i32 {
    value(-1, || {
        // SAFETY: as the header asks.
        unsafe { reference(request) }.map_or(-1, |request| {
            request.view(|request| i32::from(request.version_minor()), |_| -1)
        })
    })
}

/// The peer's address.
///
/// Errors: KEIRIN_ERR_NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_request_peer(
    request: *const keirin_request_t,
    address: *mut keirin_address_t,
) -> keirin_status_t {
    run(|| {
        // SAFETY: as the header asks.
        let (request, address) = unsafe { (reference(request)?, output(address)?) };
        address.set(
            request
                .view(
                    |request| request.peer_address(),
                    |request| request.peer_address,
                )
                .into(),
        );
        Ok(())
    })
}

/// Writes an address as text, "127.0.0.1:80", with a NUL behind it; 64 bytes are room enough for
/// any. It is empty for a peer on a Unix socket.
///
/// May be called from any thread.
///
/// Errors: KEIRIN_ERR_NULL, KEIRIN_ERR_LENGTH when it is longer than `capacity`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_address_text(
    address: *const keirin_address_t,
    buffer: *mut c_char,
    capacity: usize,
) -> keirin_status_t {
    run(|| {
        // SAFETY: as the header asks.
        let address = unsafe { reference(address) }?;
        let mut text = String::new();
        let ip = match address.length {
            4 => Some(IpAddr::from([
                address.bytes[0],
                address.bytes[1],
                address.bytes[2],
                address.bytes[3],
            ])),
            16 => Some(IpAddr::from(address.bytes)),
            _ => None,
        };
        if let Some(ip) = ip {
            let _ = write!(text, "{}", SocketAddr::new(ip, address.port));
        }
        text.push('\0');
        // SAFETY: as the header asks.
        unsafe { copy_out(text.as_bytes(), buffer.cast(), capacity) }
    })
}

/// Copies a request for later. The copy is freed with keirin_request_free().
///
/// Errors: KEIRIN_ERR_NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_request_clone(
    request: *const keirin_request_t,
    clone: *mut *mut keirin_request_t,
) -> keirin_status_t {
    run(|| {
        // SAFETY: as the header asks.
        let (request, clone) = unsafe { (reference(request)?, output(clone)?) };
        let owned = request.view(|request| request.to_owned(), OwnedRequest::clone);
        clone.set(give(keirin_request_t {
            head: Head::Owned(Box::new(owned)),
        }));
        Ok(())
    })
}

/// Frees a copy. NULL is ignored, and so is what a handler was given.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keirin_request_free(clone: *mut keirin_request_t) {
    value((), || {
        // SAFETY: as the header asks.
        let owned = unsafe { reference(clone) }.is_ok_and(|it| matches!(it.head, Head::Owned(_)));
        if owned {
            // SAFETY: as the header asks; `keirin_request_clone` has made it.
            unsafe { free(clone) };
        }
    });
}
