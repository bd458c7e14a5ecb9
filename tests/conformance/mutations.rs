//! A valid chunked POST with one byte changed, left out or put in, at every place.
//!
//! Behind it stands a second request. Whatever the change, the engine reads the body as the
//! [oracle](crate::oracle) does, or refuses it; and no request is ever served that was not sent.

use crate::harness::{After, Cut, Exchange, Outcome, Setup, Simulated, parse_all};
use crate::oracle::{Verdict, chunked_body};

const HEAD: &[u8] = b"POST /m HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
const BODY: &[u8] = b"5;a=\"b\\c\" ; d=e\r\nhello\r\n0A\r\nworldwide!\r\n0;f\r\nX-T: u v\r\n\r\n";
const DECODED: &[u8] = b"helloworldwide!";
const NEXT: &[u8] = b"GET /text HTTP/1.1\r\nHost: a\r\n\r\n";

/// Bytes a parser treats in some way of their own.
const TELLING: &[u8] = b"\0\t\n\x0b\r !\"#+,-/0159:;<=>?@AFGZ[\\_`afgxz{|}~\x7f\x80\xa0\xff";

/// All mutations of a message at one place: replaced, left out, put in, twice.
fn mutations(message: &[u8], at: usize, bytes: &[u8]) -> Vec<Vec<u8>> {
    let (before, rest) = message.split_at(at);
    let after = &rest[1..];
    let mut mutated = vec![
        [before, after].concat(),
        [before, &rest[..1], rest].concat(),
    ];
    for &byte in bytes {
        mutated.push([before, &[byte], after].concat());
        mutated.push([before, &[byte], rest].concat());
    }
    mutated
}

fn run(worker: &mut Simulated, message: &[u8], cut: Cut) -> Outcome {
    worker.run(&cut.apply(message), After::Still)
}

/// Answers as status and body.
fn answers(outcome: &Outcome) -> Result<Vec<(u16, Vec<u8>)>, String> {
    let responses = parse_all(&outcome.bytes, outcome.closed, |_| false)?;
    Ok(responses
        .into_iter()
        .map(|response| (response.status, response.body))
        .collect())
}

fn is_refusal(status: u16) -> bool {
    [400, 413, 431].contains(&status)
}

/// The body is read as the oracle reads it.
fn check_body(message: &[u8], outcome: &Outcome) -> Result<(), String> {
    let answers = answers(outcome)?;
    let statuses: Vec<_> = answers.iter().map(|(status, _)| *status).collect();
    match chunked_body(&message[HEAD.len()..]) {
        Verdict::Whole { body, taken } => {
            let untouched = &message[HEAD.len() + taken..] == NEXT;
            match &answers[..] {
                [(200, first), (200, second)]
                    if untouched && *first == body && second == b"hello" => {}
                // What follows the body is no longer the request that stood there.
                [(200, first), ..] if !untouched && *first == body => {}
                _ => return Err(format!("a whole body, answered {statuses:?}")),
            }
            if outcome.completed > 2 {
                Err("more requests than were sent".into())
            } else {
                Ok(())
            }
        }
        Verdict::Incomplete => match (&answers[..], outcome.closed, outcome.completed) {
            ([], false, 0) => Ok(()),
            // More promised than is allowed at all.
            ([(413, _)], true, 0) => Ok(()),
            _ => Err(format!("the begin of a body, answered {statuses:?}")),
        },
        Verdict::Invalid => match (&answers[..], outcome.closed, outcome.completed) {
            ([(status, _)], true, 0) if is_refusal(*status) => Ok(()),
            _ => Err(format!(
                "no body, answered {statuses:?}, closed: {}",
                outcome.closed
            )),
        },
    }
}

/// Whatever the head has become: at most one request is served with the body that was sent or
/// none, and at most one other follows.
fn check_head(outcome: &Outcome) -> Result<(), String> {
    let answers = answers(outcome)?;
    let statuses: Vec<_> = answers.iter().map(|(status, _)| *status).collect();
    let known = |body: &Vec<u8>| [DECODED, b"", b"hello"].contains(&body.as_slice());
    let served = answers.iter().filter(|(status, _)| *status == 200).count();
    if let Some((_, body)) = answers
        .iter()
        .find(|(status, body)| *status == 200 && !known(body))
    {
        return Err(format!(
            "a body that was not sent: \"{}\"",
            body.escape_ascii()
        ));
    }
    let errors = answers.iter().filter(|(status, _)| *status >= 400).count();
    let error_is_last = answers.last().is_some_and(|(status, _)| *status >= 400) && outcome.closed;
    if served + errors != answers.len() || errors > 1 || (errors == 1 && !error_is_last) {
        return Err(format!("answered {statuses:?}, closed: {}", outcome.closed));
    }
    if served > 2 || outcome.completed != served {
        return Err(format!(
            "answered {statuses:?} with {} requests handled",
            outcome.completed
        ));
    }
    Ok(())
}

fn run_all(
    places: std::ops::Range<usize>,
    bytes: &[u8],
    cut: Cut,
    mut check: impl FnMut(&[u8], &Outcome) -> Result<(), String>,
) {
    let message = [HEAD, BODY, NEXT].concat();
    let mut failures = Vec::new();
    let mut count = 0;
    for at in places {
        let mut worker = Simulated::new(Setup::Mirror);
        for mutated in mutations(&message, at, bytes) {
            let outcome = run(&mut worker, &mutated, cut);
            count += 1;
            if let Err(reason) = check(&mutated, &outcome) {
                failures.push(format!(
                    "{reason}\n  sent: {}\n  came: {}",
                    mutated.escape_ascii(),
                    outcome.bytes.escape_ascii()
                ));
            }
        }
    }
    let shown = &failures[..failures.len().min(20)];
    assert!(
        failures.is_empty(),
        "{} of {count} mutations, cut {cut:?}\n\n{}",
        failures.len(),
        shown.join("\n")
    );
}

const IN_BODY: std::ops::Range<usize> = HEAD.len()..HEAD.len() + BODY.len();

#[test]
fn unchanged_message_is_served() {
    let message = [HEAD, BODY, NEXT].concat();
    assert_eq!(
        chunked_body(&message[HEAD.len()..]),
        Verdict::Whole {
            body: DECODED.to_vec(),
            taken: BODY.len()
        }
    );
    let outcome = run(&mut Simulated::new(Setup::Mirror), &message, Cut::Bytes);
    assert_eq!(
        answers(&outcome).unwrap(),
        [(200, DECODED.to_vec()), (200, b"hello".to_vec())]
    );
}

#[test]
fn every_byte_of_the_body_whole() {
    let all: Vec<u8> = (0..=255).collect();
    run_all(IN_BODY, &all, Cut::Whole, check_body);
}

#[test]
fn every_byte_of_the_body_in_pieces() {
    run_all(IN_BODY, TELLING, Cut::Bytes, check_body);
    run_all(IN_BODY, TELLING, Cut::Random { seed: 5 }, check_body);
}

#[test]
fn every_byte_of_the_head() {
    run_all(0..HEAD.len(), TELLING, Cut::Whole, |_, outcome| {
        check_head(outcome)
    });
    run_all(
        0..HEAD.len(),
        TELLING,
        Cut::Random { seed: 6 },
        |_, outcome| check_head(outcome),
    );
}

/// How the bytes are cut changes nothing, whatever they are.
#[test]
fn cuts_change_nothing() {
    let all = 0..[HEAD, BODY, NEXT].concat().len();
    for cut in [Cut::Bytes, Cut::Random { seed: 7 }] {
        let mut worker = Simulated::new(Setup::Mirror);
        run_all(all.clone(), b"\0\r\n ;:0Gx\xff", cut, |mutated, outcome| {
            let whole = run(&mut worker, mutated, Cut::Whole);
            let same = answers(&whole)? == answers(outcome)?
                && (whole.closed, whole.completed) == (outcome.closed, outcome.completed);
            if same {
                return Ok(());
            }
            Err(format!(
                "otherwise as a whole: \"{}\"",
                whole.bytes.escape_ascii()
            ))
        });
    }
}
