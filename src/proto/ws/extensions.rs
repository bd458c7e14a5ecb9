//! Negotiation of permessage-deflate, from the header `Sec-WebSocket-Extensions` (RFC 6455 section
//! 9.1, RFC 7692 section 7.1). No compression here: it decides, [`deflate`](super::deflate) does.

use std::fmt;

use crate::proto::http1::is_token;

/// The name under which the extension is offered and answered.
const NAME: &[u8] = b"permessage-deflate";

/// What a server is willing to agree to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeflateConfig {
    /// How messages to the client are compressed.
    pub compressor: Compressor,
    /// How messages from the client are decompressed.
    pub decompressor: Decompressor,
    /// Effort from 0, none, to 9. The default is 6.
    pub level: u8,
    /// Messages shorter than this are sent as they are. The default is 64 bytes: below that, there
    /// is next to nothing to gain.
    pub threshold_bytes: usize,
}

impl Default for DeflateConfig {
    fn default() -> Self {
        Self {
            compressor: Compressor::Shared,
            decompressor: Decompressor::Shared,
            level: 6,
            threshold_bytes: 64,
        }
    }
}

/// Whether a socket remembers what it has sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compressor {
    /// Every message on its own: no memory per socket, and one frame can go to many.
    Shared,
    /// Messages refer to earlier ones of the same socket, which it remembers.
    Dedicated {
        /// The base-two logarithm of how many bytes are remembered, from 9 to 15.
        window_bits: u8,
    },
}

/// Whether a socket remembers what it has received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decompressor {
    /// The client is asked to compress every message on its own: no memory per socket.
    Shared,
    /// The client's messages may refer to earlier ones.
    Dedicated {
        /// The base-two logarithm of how many bytes are remembered, from 9 to 15. A client that
        /// cannot be limited to fewer than 15 is asked to compress every message on its own.
        window_bits: u8,
    },
}

/// The window of a peer that says nothing about it (RFC 7692 section 7.1.2).
const WINDOW_BITS_MAX: u8 = 15;

/// What both sides have agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// Each message to the client is compressed on its own (RFC 7692 section 7.1.1.1).
    pub server_no_context_takeover: bool,
    /// Each message from the client is compressed on its own (RFC 7692 section 7.1.1.2).
    pub client_no_context_takeover: bool,
    /// Messages to the client refer back by no more than two to this power, 8 to 15 (RFC 7692
    /// section 7.1.2.1).
    pub server_max_window_bits: u8,
    /// Messages from the client refer back by no more than two to this power, 8 to 15 (RFC 7692
    /// section 7.1.2.2).
    pub client_max_window_bits: u8,
    /// Whether the answer names the server's window; the client's is named when it is limited.
    names_server_window: bool,
}

impl Agreed {
    /// Appends the value of the answer's `Sec-WebSocket-Extensions`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(NAME);
        if self.server_no_context_takeover {
            out.extend_from_slice(b"; server_no_context_takeover");
        }
        if self.client_no_context_takeover {
            out.extend_from_slice(b"; client_no_context_takeover");
        }
        if self.names_server_window {
            out.extend_from_slice(b"; server_max_window_bits=");
            encode_bits(self.server_max_window_bits, out);
        }
        if self.client_max_window_bits < WINDOW_BITS_MAX {
            out.extend_from_slice(b"; client_max_window_bits=");
            encode_bits(self.client_max_window_bits, out);
        }
    }
}

fn encode_bits(bits: u8, out: &mut Vec<u8>) {
    if bits >= 10 {
        out.push(b'1');
    }
    out.push(b'0' + bits % 10);
}

/// The header does not follow the grammar of RFC 6455 section 9.1; to be answered with 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExtensionError;

impl fmt::Display for ExtensionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("malformed Sec-WebSocket-Extensions")
    }
}

impl std::error::Error for ExtensionError {}

/// Picks the first offer of permessage-deflate that can be accepted.
///
/// `offers` are the values of `Sec-WebSocket-Extensions` in their order. `None` means that nothing
/// is compressed: nothing was offered, or nothing that can be accepted. An offer with an unknown or
/// repeated parameter, or with a value that its parameter does not take, is declined (RFC 7692
/// section 7.1). Takes time in proportion to the length of the values.
///
/// # Errors
/// [`ExtensionError`] when any part of a value is malformed.
pub fn negotiate<'a>(
    offers: impl Iterator<Item = &'a [u8]>,
    config: &DeflateConfig,
) -> Result<Option<Agreed>, ExtensionError> {
    let mut agreed = None;
    for value in offers {
        let mut scan = Scan { rest: value };
        scan.skip_empty_elements();
        while !scan.rest.is_empty() {
            let offer = parse_extension(&mut scan)?;
            if agreed.is_none() {
                agreed = offer.map(|offer| offer.accept(config));
            }
            scan.blank();
            if !scan.rest.is_empty() && !scan.byte(b',') {
                return Err(ExtensionError);
            }
            scan.skip_empty_elements();
        }
    }
    Ok(agreed)
}

/// The parameters of one acceptable offer.
#[derive(Default)]
struct Offer {
    server_no_context_takeover: bool,
    client_no_context_takeover: bool,
    server_max_window_bits: Option<u8>,
    /// `Some` when the client can be limited, with the most that it will use anyway.
    client_max_window_bits: Option<u8>,
}

impl Offer {
    /// Takes one parameter in; false when the offer has to be declined for it.
    fn take(&mut self, name: &[u8], value: Option<Value<'_>>) -> bool {
        match (name, value) {
            (b"server_no_context_takeover", None) => set(&mut self.server_no_context_takeover),
            (b"client_no_context_takeover", None) => set(&mut self.client_no_context_takeover),
            (b"server_max_window_bits", Some(value)) => {
                fill(&mut self.server_max_window_bits, value.window_bits())
            }
            (b"client_max_window_bits", None) => {
                fill(&mut self.client_max_window_bits, Some(WINDOW_BITS_MAX))
            }
            (b"client_max_window_bits", Some(value)) => {
                fill(&mut self.client_max_window_bits, value.window_bits())
            }
            _ => false,
        }
    }

    fn accept(&self, config: &DeflateConfig) -> Agreed {
        let (server_shared, server_bits) = match config.compressor {
            Compressor::Shared => (true, WINDOW_BITS_MAX),
            Compressor::Dedicated { window_bits } => (false, window_bits),
        };
        let server_max_window_bits = self
            .server_max_window_bits
            .map_or(server_bits, |bits| bits.min(server_bits));
        let client_bits = self.client_max_window_bits;
        let (client_shared, client_max_window_bits) = match config.decompressor {
            Decompressor::Shared => (true, WINDOW_BITS_MAX),
            Decompressor::Dedicated { window_bits } => match client_bits {
                Some(bits) => (false, bits.min(window_bits)),
                None => (window_bits < WINDOW_BITS_MAX, WINDOW_BITS_MAX),
            },
        };
        Agreed {
            server_no_context_takeover: server_shared || self.server_no_context_takeover,
            client_no_context_takeover: client_shared || self.client_no_context_takeover,
            server_max_window_bits,
            client_max_window_bits,
            names_server_window: self.server_max_window_bits.is_some()
                || server_max_window_bits < WINDOW_BITS_MAX,
        }
    }
}

/// Sets a flag; false when it was set before.
fn set(flag: &mut bool) -> bool {
    !std::mem::replace(flag, true)
}

/// Fills a place; false when there is nothing to fill it with or it was filled before.
fn fill(place: &mut Option<u8>, bits: Option<u8>) -> bool {
    bits.is_some() && place.replace(bits.unwrap_or_default()).is_none()
}

/// Reads one element of the list; `None` when it is another extension or has to be declined.
fn parse_extension(scan: &mut Scan<'_>) -> Result<Option<Offer>, ExtensionError> {
    let mut acceptable = scan.token()? == NAME;
    let mut offer = Offer::default();
    loop {
        scan.blank();
        if !scan.byte(b';') {
            return Ok(acceptable.then_some(offer));
        }
        scan.blank();
        let name = scan.token()?;
        scan.blank();
        let value = if scan.byte(b'=') {
            scan.blank();
            Some(scan.value()?)
        } else {
            None
        };
        acceptable = acceptable && offer.take(name, value);
    }
}

/// A parameter's value: a token, or what stood between quotes, with its escapes.
#[derive(Clone, Copy)]
struct Value<'a>(&'a [u8]);

impl Value<'_> {
    /// A token has no backslash, so one reading serves both forms.
    fn unescaped(&self) -> impl Iterator<Item = u8> {
        let mut bytes = self.0.iter().copied();
        std::iter::from_fn(move || match bytes.next()? {
            b'\\' => bytes.next(),
            byte => Some(byte),
        })
    }

    /// A decimal number from 8 to 15 without leading zeros (RFC 7692 section 7.1.2.1).
    fn window_bits(&self) -> Option<u8> {
        let mut digits = self.unescaped();
        match (digits.next()?, digits.next(), digits.next()) {
            (digit @ b'8'..=b'9', None, _) => Some(digit - b'0'),
            (b'1', Some(digit @ b'0'..=b'5'), None) => Some(10 + (digit - b'0')),
            _ => None,
        }
    }
}

/// A place in a header value.
struct Scan<'a> {
    rest: &'a [u8],
}

impl<'a> Scan<'a> {
    /// Skips white space. The grammar is RFC 2616's, which allows it between any two words.
    fn blank(&mut self) {
        while let [b' ' | b'\t', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }

    /// Skips one byte if it is `expected`.
    fn byte(&mut self, expected: u8) -> bool {
        let rest = self.rest.strip_prefix(&[expected]);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// Skips what may stand in front of an element (RFC 9110 section 5.6.1.2).
    fn skip_empty_elements(&mut self) {
        self.blank();
        while self.byte(b',') {
            self.blank();
        }
    }

    fn token(&mut self) -> Result<&'a [u8], ExtensionError> {
        let end = self.rest.iter().position(|byte| b" \t;,=\"".contains(byte));
        let (token, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        is_token(token).then_some(token).ok_or(ExtensionError)
    }

    /// A token, or a token in quotes (RFC 6455 section 9.1).
    fn value(&mut self) -> Result<Value<'a>, ExtensionError> {
        if !self.byte(b'"') {
            return self.token().map(Value);
        }
        let inside = self.rest;
        let mut escaped = false;
        let end = inside.iter().position(|&byte| {
            let quote = byte == b'"' && !escaped;
            escaped = byte == b'\\' && !escaped;
            quote
        });
        let end = end.ok_or(ExtensionError)?;
        self.rest = &inside[end + 1..];
        let value = Value(&inside[..end]);
        let token = end > 0 && value.unescaped().all(|byte| is_token(&[byte]));
        token.then_some(value).ok_or(ExtensionError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEDICATED: DeflateConfig = DeflateConfig {
        compressor: Compressor::Dedicated { window_bits: 15 },
        decompressor: Decompressor::Dedicated { window_bits: 15 },
        level: 6,
        threshold_bytes: 0,
    };

    /// The answer to the offers, one a line; empty when there is none.
    fn answer(offers: &str, config: &DeflateConfig) -> Result<String, ExtensionError> {
        let agreed = negotiate(offers.split('\n').map(str::as_bytes), config)?;
        let mut out = Vec::new();
        if let Some(agreed) = agreed {
            agreed.encode(&mut out);
        }
        Ok(String::from_utf8(out).expect("an answer is ASCII"))
    }

    #[track_caller]
    fn expect(offers: &str, config: &DeflateConfig, expected: &str) {
        let expected = match expected {
            "" => String::new(),
            "-" => "permessage-deflate".to_owned(),
            parameters => format!("permessage-deflate; {parameters}"),
        };
        assert_eq!(answer(offers, config), Ok(expected), "{offers}");
    }

    /// What a dedicated configuration answers to one offer with these parameters.
    #[track_caller]
    fn parameters(offered: &str, expected: &str) {
        let offer = format!("permessage-deflate; {offered}");
        expect(&offer, &DEDICATED, expected);
    }

    #[test]
    fn windows() {
        for bits in 8..=15 {
            let named = format!("server_max_window_bits={bits}");
            parameters(&named, &named);
            let named = format!("client_max_window_bits={bits}");
            parameters(&named, if bits == 15 { "-" } else { &named });
        }
        let refused = [
            "0",
            "7",
            "16",
            "08",
            "015",
            "1",
            "18",
            "100",
            "8x",
            "+9",
            "-9",
            "9.0",
            "x",
            "18446744073709551625",
        ];
        for bits in refused {
            parameters(&format!("server_max_window_bits={bits}"), "");
            parameters(&format!("client_max_window_bits={bits}"), "");
        }
        parameters("server_max_window_bits", "");
        parameters("client_max_window_bits", "-");
        parameters("server_max_window_bits=\"10\"", "server_max_window_bits=10");
        parameters(
            "server_max_window_bits=\"1\\0\"",
            "server_max_window_bits=10",
        );
    }

    #[test]
    fn flags() {
        parameters("server_no_context_takeover", "server_no_context_takeover");
        parameters("client_no_context_takeover", "client_no_context_takeover");
        parameters("server_no_context_takeover=1", "");
        parameters("client_no_context_takeover=\"true\"", "");
    }

    #[test]
    fn what_is_repeated_or_unknown_is_declined() {
        parameters("server_no_context_takeover; server_no_context_takeover", "");
        parameters("client_no_context_takeover; client_no_context_takeover", "");
        parameters("server_max_window_bits=9; server_max_window_bits=9", "");
        parameters("client_max_window_bits; client_max_window_bits=9", "");
        parameters("client_max_window_bits=9; client_max_window_bits", "");
        parameters("mem_level=8", "");
        parameters("constructor", "");
        parameters("Server_No_Context_Takeover", "");
        for name in [
            "constructor",
            "__proto__",
            "permessage-deflat",
            "permessage-deflate2",
        ] {
            expect(name, &DEDICATED, "");
        }
        expect("", &DEDICATED, "");
        assert_eq!(negotiate(std::iter::empty(), &DEDICATED), Ok(None));
    }

    #[test]
    fn the_first_offer_that_can_be_accepted_counts() {
        let offers = "x-a; b=\"c\", permessage-deflate; server_max_window_bits=7,\
            permessage-deflate; server_max_window_bits=9, permessage-deflate";
        expect(offers, &DEDICATED, "server_max_window_bits=9");
        expect(
            &offers.replace(',', "\n"),
            &DEDICATED,
            "server_max_window_bits=9",
        );
        expect(
            &offers.replace(',', " ,,\t, "),
            &DEDICATED,
            "server_max_window_bits=9",
        );
        expect(" , permessage-deflate , ", &DEDICATED, "-");
        expect(
            "permessage-deflate;client_max_window_bits = 9 ",
            &DEDICATED,
            "client_max_window_bits=9",
        );
    }

    #[test]
    fn the_configuration_decides_what_is_left_open() {
        let shared = DeflateConfig::default();
        let both = "server_no_context_takeover; client_no_context_takeover";
        expect("permessage-deflate; client_max_window_bits", &shared, both);
        let offer = "permessage-deflate; server_max_window_bits=10; client_max_window_bits=9";
        expect(
            offer,
            &shared,
            &format!("{both}; server_max_window_bits=10"),
        );

        let small = DeflateConfig {
            compressor: Compressor::Dedicated { window_bits: 11 },
            decompressor: Decompressor::Dedicated { window_bits: 10 },
            ..shared
        };
        let server = "server_max_window_bits=11";
        // A client that cannot be limited would need a larger window than there is.
        let limited = format!("client_no_context_takeover; {server}");
        expect("permessage-deflate", &small, &limited);
        let limited = format!("{server}; client_max_window_bits=10");
        expect(
            "permessage-deflate; client_max_window_bits",
            &small,
            &limited,
        );
        let limited = format!("{server}; client_max_window_bits=9");
        expect(
            "permessage-deflate; client_max_window_bits=9",
            &small,
            &limited,
        );
        expect(
            "permessage-deflate; server_max_window_bits=9; client_no_context_takeover",
            &small,
            "client_no_context_takeover; server_max_window_bits=9",
        );
    }

    #[test]
    fn what_is_malformed_is_an_error_wherever_it_stands() {
        let malformed = [
            ";",
            "=",
            "a b",
            "permessage-deflate;",
            "permessage-deflate; ;",
            "a; =b",
            "a; b=",
            "a; b=,",
            "a; b=\"",
            "a; b=\"c",
            "a; b=\"\"",
            "a; b=\"c d\"",
            "a; b=\"c\\\"",
            "a; b=\"c\"d",
            "a; b=c d",
            "a; b==c",
            "\"permessage-deflate\"",
            "a/b",
            "a; b=(c)",
            "caf\u{e9}",
            "a\u{0}",
        ];
        for text in malformed {
            for offers in [text.to_owned(), format!("permessage-deflate, {text}")] {
                assert_eq!(answer(&offers, &DEDICATED), Err(ExtensionError), "{offers}");
            }
        }
    }

    #[test]
    fn a_long_header_is_read_once() {
        // Quadratic work on a megabyte would take minutes.
        for part in [
            "permessage-deflate; x, ",
            ", ",
            "a; b=\"c\", ",
            "permessage-deflate;a;a;a;a,",
        ] {
            let offers = part.repeat((1 << 20) / part.len()) + "permessage-deflate";
            expect(&offers, &DEDICATED, "-");
        }
        let escapes = format!("a; b=\"{}\"", "\\c".repeat(1 << 19));
        expect(&escapes, &DEDICATED, "");
    }
}
