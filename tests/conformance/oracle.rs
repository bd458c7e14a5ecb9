//! A second reading of a chunked body, written from RFC 9112 §7.1 alone: slow, plain, and sharing
//! nothing with the engine, to have something to compare it with.

use crate::harness::{is_tchar, is_value_byte};

/// What a body's bytes amount to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// A whole body, and how many bytes it took.
    Whole { body: Vec<u8>, taken: usize },
    /// The begin of a body.
    Incomplete,
    /// No body begins like this.
    Invalid,
}

/// Sizes have at most so many digits here; the grammar has no limit, an engine needs one.
const DIGITS_MAX: usize = 16;

/// Reads a chunked body from the start of `bytes`.
pub(crate) fn chunked_body(bytes: &[u8]) -> Verdict {
    let mut reader = Reader { bytes, at: 0 };
    match reader.body() {
        Ok(body) => Verdict::Whole {
            body,
            taken: reader.at,
        },
        Err(Stop::Incomplete) => Verdict::Incomplete,
        Err(Stop::Invalid) => Verdict::Invalid,
    }
}

enum Stop {
    Incomplete,
    Invalid,
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    /// `chunked-body = *chunk last-chunk trailer-section CRLF`
    fn body(&mut self) -> Result<Vec<u8>, Stop> {
        let mut body = Vec::new();
        loop {
            let size = self.size()?;
            self.extensions()?;
            self.expect(b"\r\n")?;
            if size == 0 {
                break;
            }
            for _ in 0..size {
                body.push(self.next()?);
            }
            self.expect(b"\r\n")?;
        }
        while self.peek()? != b'\r' {
            self.field_line()?;
        }
        self.expect(b"\r\n")?;
        Ok(body)
    }

    /// `chunk-size = 1*HEXDIG`
    fn size(&mut self) -> Result<u64, Stop> {
        let mut size = 0u64;
        let mut digits = 0;
        while let Some(digit) = char::from(self.peek()?).to_digit(16) {
            digits += 1;
            if digits > DIGITS_MAX {
                return Err(Stop::Invalid);
            }
            size = size * 16 + u64::from(digit);
            self.at += 1;
        }
        if digits == 0 {
            Err(Stop::Invalid)
        } else {
            Ok(size)
        }
    }

    /// `chunk-ext = *( BWS ";" BWS chunk-ext-name [ BWS "=" BWS chunk-ext-val ] )`
    fn extensions(&mut self) -> Result<(), Stop> {
        while self.peek()? != b'\r' {
            self.blanks()?;
            self.expect(b";")?;
            self.blanks()?;
            self.token()?;
            let blank = self.blanks()?;
            match self.peek()? {
                b'=' => {
                    self.at += 1;
                    self.blanks()?;
                    if self.peek()? == b'"' {
                        self.quoted()?
                    } else {
                        self.token()?
                    }
                }
                // The blanks belong to the next extension, or else to nothing.
                b';' => {}
                _ if blank => return Err(Stop::Invalid),
                _ => {}
            }
        }
        Ok(())
    }

    /// `quoted-string = DQUOTE *( qdtext / quoted-pair ) DQUOTE`
    fn quoted(&mut self) -> Result<(), Stop> {
        self.expect(b"\"")?;
        loop {
            match self.next()? {
                b'"' => return Ok(()),
                b'\\' if is_value_byte(self.peek()?) => self.at += 1,
                b'\\' => return Err(Stop::Invalid),
                byte if is_value_byte(byte) => {}
                _ => return Err(Stop::Invalid),
            }
        }
    }

    /// `field-line = field-name ":" OWS field-value OWS`, with its CRLF.
    fn field_line(&mut self) -> Result<(), Stop> {
        self.token()?;
        self.expect(b":")?;
        while is_value_byte(self.peek()?) {
            self.at += 1;
        }
        self.expect(b"\r\n")
    }

    fn token(&mut self) -> Result<(), Stop> {
        let start = self.at;
        while is_tchar(self.peek()?) {
            self.at += 1;
        }
        if self.at == start {
            Err(Stop::Invalid)
        } else {
            Ok(())
        }
    }

    /// Skips blanks; says whether there were any.
    fn blanks(&mut self) -> Result<bool, Stop> {
        let start = self.at;
        while matches!(self.peek()?, b' ' | b'\t') {
            self.at += 1;
        }
        Ok(self.at > start)
    }

    fn expect(&mut self, wanted: &[u8]) -> Result<(), Stop> {
        for &byte in wanted {
            if self.next()? != byte {
                return Err(Stop::Invalid);
            }
        }
        Ok(())
    }

    fn next(&mut self) -> Result<u8, Stop> {
        let byte = self.peek()?;
        self.at += 1;
        Ok(byte)
    }

    fn peek(&self) -> Result<u8, Stop> {
        self.bytes.get(self.at).copied().ok_or(Stop::Incomplete)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_grammar() {
        let whole = |bytes: &[u8]| match chunked_body(bytes) {
            Verdict::Whole { body, taken } => Some((body, taken)),
            _ => None,
        };
        assert_eq!(
            whole(b"5\r\nhello\r\n0\r\n\r\nrest"),
            Some((b"hello".to_vec(), 15))
        );
        assert_eq!(
            whole(b"2;a=\"\\\"\" ; b\r\nhi\r\n00\r\nA: b\r\n\r\n"),
            Some((b"hi".to_vec(), 30))
        );
        for invalid in [
            "g\r\n",
            "5 \r\n",
            "5;\r\n",
            "5\n",
            "5\r\nhelloX",
            "0\r\nA b\r\n",
            "0\r\n\r\r",
            "5;a \r\n",
        ] {
            assert_eq!(
                chunked_body(invalid.as_bytes()),
                Verdict::Invalid,
                "{invalid:?}"
            );
        }
        for incomplete in [
            "",
            "5",
            "5\r",
            "5\r\nhel",
            "5\r\nhello\r\n0\r\n\r",
            "5;a=\"b",
        ] {
            assert_eq!(
                chunked_body(incomplete.as_bytes()),
                Verdict::Incomplete,
                "{incomplete:?}"
            );
        }
    }
}
