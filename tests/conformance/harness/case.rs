//! What a case sends and what it expects.

use std::ops::RangeInclusive;

/// The application and the limits a case runs against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Setup {
    /// A mirror on every path, default limits.
    Mirror,
    /// A few routes and no catch-all, so that 404 and 405 exist.
    Routes,
    /// The mirror with the small limits of [`crate::app::small`].
    Small,
    /// The mirror, asking for a length on POST, PUT and PATCH.
    LengthRequired,
}

/// A check of one field of an answer.
#[derive(Clone, Debug)]
pub(crate) enum Field {
    /// The field is there once and has this value.
    Is(&'static str, String),
    /// The field's comma-separated list has this element.
    Lists(&'static str, &'static str),
    /// The field is not there.
    Absent(&'static str),
}

/// One expected answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) statuses: Vec<u16>,
    pub(crate) body: Option<Vec<u8>>,
    pub(crate) fields: Vec<Field>,
    /// The request was a HEAD: the answer has no body whatever its fields say.
    pub(crate) to_head: bool,
    /// May be missing: a 100 whose need depends on what had arrived.
    pub(crate) optional: bool,
}

impl Answer {
    pub(crate) fn one_of(statuses: &[u16]) -> Self {
        Self {
            statuses: statuses.to_vec(),
            body: None,
            fields: Vec::new(),
            to_head: false,
            optional: false,
        }
    }

    pub(crate) fn status(status: u16) -> Self {
        Self::one_of(&[status])
    }

    pub(crate) fn ok() -> Self {
        Self::status(200)
    }

    /// The 100 that RFC 9110 §10.1.1 lets a server omit when the content has already arrived.
    pub(crate) fn maybe_continue() -> Self {
        Self {
            optional: true,
            ..Self::status(100)
        }
    }

    /// An answer to a HEAD.
    pub(crate) fn headed(mut self) -> Self {
        self.to_head = true;
        self
    }

    pub(crate) fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = Some(body.as_ref().to_vec());
        self
    }

    pub(crate) fn is(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.fields.push(Field::Is(name, value.into()));
        self
    }

    pub(crate) fn lists(mut self, name: &'static str, element: &'static str) -> Self {
        self.fields.push(Field::Lists(name, element));
        self
    }

    pub(crate) fn absent(mut self, name: &'static str) -> Self {
        self.fields.push(Field::Absent(name));
        self
    }
}

/// What becomes of the connection after the answers.
#[derive(Clone, Debug)]
pub(crate) enum Then {
    /// Stays open; a further plain request is answered 200.
    Open,
    /// The server closes, having said so in its last answer; nothing sent later is served.
    Closed,
    /// The server closes; an HTTP/1.0 client expects no announcement.
    ClosedUnannounced,
    /// Stays open without a word until `rest` completes the request.
    Waiting { rest: Vec<u8>, answer: Answer },
    /// The bytes can't become a request, or never do: refused at once or when a timeout strikes.
    Unfinished,
}

/// One acceptable outcome.
#[derive(Clone, Debug)]
pub(crate) struct Expect {
    pub(crate) answers: Vec<Answer>,
    pub(crate) then: Then,
    /// Requests that reached a handler with their whole body.
    pub(crate) completed: usize,
    /// Handler calls, counted at the call: for a message refused at its head this is 0.
    pub(crate) entered: RangeInclusive<usize>,
}

impl Expect {
    /// These answers, each from a handler, and the connection stays open.
    pub(crate) fn served(answers: Vec<Answer>) -> Self {
        let count = answers.iter().filter(|answer| !answer.optional).count();
        Self {
            answers,
            then: Then::Open,
            completed: count,
            entered: count..=count,
        }
    }

    /// One error answer, no handler call, and the connection is closed.
    pub(crate) fn rejected(statuses: &[u16]) -> Self {
        Self {
            answers: vec![Answer::one_of(statuses)],
            then: Then::Closed,
            completed: 0,
            entered: 0..=0,
        }
    }

    pub(crate) fn then(mut self, then: Then) -> Self {
        self.then = then;
        self
    }

    pub(crate) fn handled(mut self, count: usize) -> Self {
        self.completed = count;
        self.entered = count..=count;
        self
    }

    pub(crate) fn entered(mut self, range: RangeInclusive<usize>) -> Self {
        self.entered = range;
        self
    }
}

/// One row of a table.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) name: String,
    /// Section, and in a few words why.
    pub(crate) rfc: &'static str,
    pub(crate) send: Vec<u8>,
    pub(crate) setup: Setup,
    /// Alternatives where the RFC leaves a choice. Which one it is must not depend on the cuts.
    pub(crate) outcomes: Vec<Expect>,
}

impl Case {
    pub(crate) fn new(
        name: impl Into<String>,
        rfc: &'static str,
        send: impl AsRef<[u8]>,
        expect: Expect,
    ) -> Self {
        Self {
            name: name.into(),
            rfc,
            send: send.as_ref().to_vec(),
            setup: Setup::Mirror,
            outcomes: vec![expect],
        }
    }

    /// Answered 200 by one handler call; the connection stays open.
    pub(crate) fn served(
        name: impl Into<String>,
        rfc: &'static str,
        send: impl AsRef<[u8]>,
    ) -> Self {
        Self::new(name, rfc, send, Expect::served(vec![Answer::ok()]))
    }

    /// Refused at its head: one answer, closed, no handler call.
    pub(crate) fn rejected(
        name: impl Into<String>,
        rfc: &'static str,
        send: impl AsRef<[u8]>,
        statuses: &[u16],
    ) -> Self {
        Self::new(name, rfc, send, Expect::rejected(statuses))
    }

    /// Refused in its body: the handler may have been called, but never got a whole body.
    pub(crate) fn body_rejected(
        name: impl Into<String>,
        rfc: &'static str,
        send: impl AsRef<[u8]>,
        statuses: &[u16],
    ) -> Self {
        Self::new(name, rfc, send, Expect::rejected(statuses).entered(0..=1))
    }

    /// A valid beginning: no answer until `rest` arrives, then a 200.
    pub(crate) fn waiting(
        name: impl Into<String>,
        rfc: &'static str,
        send: impl AsRef<[u8]>,
        rest: impl AsRef<[u8]>,
        answer: Answer,
    ) -> Self {
        let then = Then::Waiting {
            rest: rest.as_ref().to_vec(),
            answer,
        };
        Self::new(
            name,
            rfc,
            send,
            Expect::served(Vec::new()).then(then).entered(0..=1),
        )
    }

    /// Refused at once, or given up when the timeout strikes; never served.
    pub(crate) fn unfinished(
        name: impl Into<String>,
        rfc: &'static str,
        send: impl AsRef<[u8]>,
    ) -> Self {
        Self::new(
            name,
            rfc,
            send,
            Expect::rejected(&[400, 408]).then(Then::Unfinished),
        )
    }

    /// Adds another acceptable outcome.
    pub(crate) fn or(mut self, expect: Expect) -> Self {
        self.outcomes.push(expect);
        self
    }

    /// A refusal that says nothing against the framing: whether the connection lives on is the
    /// server's choice. To be called last, as it repeats the first outcome.
    pub(crate) fn or_open(self) -> Self {
        let expect = self.outcomes[0].clone().then(Then::Open);
        self.or(expect)
    }

    /// The RFC leaves it open whether this is served or refused.
    pub(crate) fn or_rejected(self, statuses: &[u16]) -> Self {
        self.or(Expect::rejected(statuses))
    }

    pub(crate) fn on(mut self, setup: Setup) -> Self {
        self.setup = setup;
        self
    }

    fn edit_answer(mut self, edit: impl FnOnce(Answer) -> Answer) -> Self {
        let answers = &mut self.outcomes[0].answers;
        let answer = answers.pop().expect("a case with an answer");
        answers.push(edit(answer));
        self
    }

    /// The body of the last answer of the first outcome.
    pub(crate) fn body(self, body: impl AsRef<[u8]>) -> Self {
        self.edit_answer(|answer| answer.body(body))
    }

    /// A field of the last answer of the first outcome.
    pub(crate) fn is(self, name: &'static str, value: impl Into<String>) -> Self {
        self.edit_answer(|answer| answer.is(name, value))
    }

    pub(crate) fn lists(self, name: &'static str, element: &'static str) -> Self {
        self.edit_answer(|answer| answer.lists(name, element))
    }

    pub(crate) fn absent(self, name: &'static str) -> Self {
        self.edit_answer(|answer| answer.absent(name))
    }

    pub(crate) fn headed(self) -> Self {
        self.edit_answer(Answer::headed)
    }

    /// Other statuses for the last answer of the first outcome.
    pub(crate) fn statuses(self, statuses: &[u16]) -> Self {
        self.edit_answer(|answer| Answer {
            statuses: statuses.to_vec(),
            ..answer
        })
    }

    pub(crate) fn closed(mut self) -> Self {
        self.outcomes[0].then = Then::Closed;
        self
    }

    pub(crate) fn closed_unannounced(mut self) -> Self {
        self.outcomes[0].then = Then::ClosedUnannounced;
        self
    }
}
