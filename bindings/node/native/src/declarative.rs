//! Answers that are composed without JavaScript: a program of a `DeclarativeResponse`.

use std::borrow::Cow;

use keirin::{Cx, Request, ResponseId};

use crate::embed::Worker;

/// One step of a program. The numbers are part of uWebSockets.js's interface.
#[derive(Debug)]
enum Step {
    End(Vec<u8>),
    Header(String, Vec<u8>),
    QueryValue(String),
    HeaderValue(String),
    Write(Vec<u8>),
    ParameterValue(String),
    Status(u16),
    /// The body has to be read first, which there is no need for.
    Body,
}

/// A program that was checked when it was given.
#[derive(Debug)]
pub(crate) struct Program(Vec<Step>);

/// Takes apart what a program is made of.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    /// Bytes whose length is a byte in front of them.
    fn short(&mut self) -> Option<&'a [u8]> {
        let length = self.byte()?;
        self.take(usize::from(length))
    }

    /// Bytes whose length is two bytes in front of them, the lower first.
    fn long(&mut self) -> Option<Vec<u8>> {
        let length = u16::from_le_bytes([self.byte()?, self.byte()?]);
        self.take(usize::from(length)).map(<[u8]>::to_vec)
    }

    fn text(&mut self) -> Option<String> {
        String::from_utf8(self.short()?.to_vec()).ok()
    }
}

impl Program {
    /// `None` for what is no program, or has no end.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        let mut steps = Vec::new();
        loop {
            steps.push(match reader.byte()? {
                0 => Step::End(reader.long()?),
                1 => Step::Header(reader.text()?, reader.short()?.to_vec()),
                2 => Step::Body,
                3 => Step::QueryValue(reader.text()?),
                4 => Step::HeaderValue(reader.text()?),
                5 => Step::Write(reader.long()?),
                6 => Step::ParameterValue(reader.text()?),
                7 => Step::Status(status(reader.short()?)?),
                _ => return None,
            });
            if matches!(steps.last(), Some(Step::End(_))) {
                return reader.0.is_empty().then_some(Self(steps));
            }
        }
    }

    /// Answers a request.
    pub(crate) fn answer(&self, cx: &mut Cx<'_, Worker>, id: ResponseId, request: &Request<'_>) {
        let by_id = &mut cx.by_id();
        for step in &self.0 {
            let done = match step {
                Step::End(bytes) => by_id.end_whole(id, bytes),
                Step::Header(name, value) => by_id.header(id, name, value),
                Step::Status(status) => by_id.status(id, *status),
                Step::Write(bytes) => by_id.write(id, bytes).map(|_| ()),
                Step::Body => Ok(()),
                Step::QueryValue(_) | Step::HeaderValue(_) | Step::ParameterValue(_) => {
                    by_id.write(id, &value_of(step, request)).map(|_| ())
                }
            };
            if done.is_err() {
                return; // Unanswered, which the engine sees to.
            }
        }
    }
}

/// The three digits at the beginning.
fn status(text: &[u8]) -> Option<u16> {
    let digits = text
        .get(..3)
        .filter(|digits| digits.iter().all(u8::is_ascii_digit))?;
    str::from_utf8(digits).ok()?.parse().ok()
}

fn value_of<'a>(step: &Step, request: &Request<'a>) -> Cow<'a, [u8]> {
    let found = match step {
        Step::QueryValue(name) => {
            let value = request.query_parameter(name);
            value.map(|value| Cow::Owned(value.into_owned().into_bytes()))
        }
        Step::HeaderValue(name) => request.header(name).map(Cow::Borrowed),
        Step::ParameterValue(name) => {
            let value = request.parameter(name);
            value.map(|value| Cow::Borrowed(value.as_bytes()))
        }
        _ => None,
    };
    found.unwrap_or_default()
}
