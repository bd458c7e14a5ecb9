//! Compares what came back with what a case expects.

use super::case::{Answer, Expect, Field, Then};
use super::exchange::Outcome;
use super::response::{Response, parse_all};

/// An outcome as a client understands it; two of them are compared across cuts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Understood {
    pub(crate) responses: Vec<Response>,
    pub(crate) closed: bool,
    pub(crate) entered: usize,
    pub(crate) completed: usize,
}

impl Understood {
    /// Without what may differ between two runs: the date, and a 100 that an answer made needless.
    pub(crate) fn comparable(mut self) -> Self {
        self.responses.retain(|response| response.status != 100);
        for response in &mut self.responses {
            response
                .fields
                .retain(|(name, _)| !name.eq_ignore_ascii_case("date"));
        }
        self
    }
}

/// Checks the outcome against each alternative; the error says what was wrong with all of them.
pub(crate) fn check(
    outcomes: &[Expect],
    outcome: &Outcome,
) -> Result<(Understood, Expect), String> {
    let mut reasons = Vec::new();
    for expect in outcomes {
        match check_one(expect, outcome) {
            Ok(understood) => return Ok((understood, expect.clone())),
            Err(reason) => reasons.push(reason),
        }
    }
    Err(reasons.join("; nor: "))
}

fn check_one(expect: &Expect, outcome: &Outcome) -> Result<Understood, String> {
    let responses = parse_all(&outcome.bytes, outcome.closed, |index| {
        let mut finals = expect
            .answers
            .iter()
            .filter(|answer| answer.statuses != [100]);
        finals.nth(index).is_some_and(|answer| answer.to_head)
    })?;
    check_state(&expect.then, outcome, &responses)?;
    if matches!(expect.then, Then::Unfinished) && responses.is_empty() {
        // Closed without a word: nothing came that could be answered.
    } else {
        check_answers(&expect.answers, &responses)?;
    }
    if outcome.completed != expect.completed {
        return Err(format!(
            "{} requests handled, expected {}",
            outcome.completed, expect.completed
        ));
    }
    if !expect.entered.contains(&outcome.entered) {
        return Err(format!(
            "{} handler calls, expected {:?}",
            outcome.entered, expect.entered
        ));
    }
    responses.iter().try_for_each(check_manners)?;
    let Outcome {
        closed,
        entered,
        completed,
        ..
    } = *outcome;
    Ok(Understood {
        responses,
        closed,
        entered,
        completed,
    })
}

fn check_state(then: &Then, outcome: &Outcome, responses: &[Response]) -> Result<(), String> {
    let announced = responses.last().is_some_and(Response::announces_close);
    let statuses = || {
        responses
            .iter()
            .map(|response| response.status)
            .collect::<Vec<_>>()
    };
    match then {
        Then::Open | Then::Waiting { .. } if outcome.closed => Err(format!(
            "closed after {:?}, expected to stay open",
            statuses()
        )),
        Then::Open if announced => Err("stays open after announcing close".into()),
        Then::Closed | Then::ClosedUnannounced | Then::Unfinished if !outcome.closed => Err(
            format!("still open after {:?}, expected to be closed", statuses()),
        ),
        Then::Closed if !announced => {
            Err("closed without Connection: close (RFC 9112 §9.6)".into())
        }
        _ => Ok(()),
    }
}

fn check_answers(expected: &[Answer], responses: &[Response]) -> Result<(), String> {
    let mut left = responses.iter();
    let mut next = left.next();
    for (index, answer) in expected.iter().enumerate() {
        let fits = next.is_some_and(|response| answer.statuses.contains(&response.status));
        match next {
            Some(response) if fits => {
                check_answer(answer, response)
                    .map_err(|what| format!("answer {}: {what}", index + 1))?;
                next = left.next();
            }
            _ if answer.optional => {}
            Some(response) => {
                return Err(format!(
                    "answer {} is a {}, expected {:?}",
                    index + 1,
                    response.status,
                    answer.statuses
                ));
            }
            None => {
                return Err(format!(
                    "no answer {}, expected {:?}",
                    index + 1,
                    answer.statuses
                ));
            }
        }
    }
    match next {
        Some(response) => Err(format!("an answer too many: {}", response.status)),
        None => Ok(()),
    }
}

fn check_answer(answer: &Answer, response: &Response) -> Result<(), String> {
    if let Some(body) = &answer.body
        && *body != response.body
    {
        let (came, expected) = (response.body.escape_ascii(), body.escape_ascii());
        return Err(format!(
            "body \"{came:.200}\", expected \"{expected:.200}\""
        ));
    }
    for field in &answer.fields {
        let wrong = match field {
            Field::Is(name, value) => response.values(name) != [value],
            Field::Lists(name, element) => !response.elements(name).contains(element),
            Field::Absent(name) => !response.values(name).is_empty(),
        };
        if wrong {
            return Err(format!("expected {field:?} among {:?}", response.fields));
        }
    }
    Ok(())
}

/// What holds for every answer of this engine, whatever the case is about.
fn check_manners(response: &Response) -> Result<(), String> {
    if response.is_interim() {
        return Ok(());
    }
    match response.values("date")[..] {
        [date] if is_imf_fixdate(date) => {}
        ref other => return Err(format!("Date {other:?} (RFC 9110 §6.6.1, §5.6.7)")),
    }
    // The application under test sets no Content-Type; nor must the engine for it.
    let content_types = usize::from(response.status >= 400);
    for (name, limit) in [
        ("server", 0),
        ("content-type", content_types),
        ("connection", 1),
    ] {
        let count = response.values(name).len();
        if count > limit {
            return Err(format!(
                "{count} fields named {name}, expected at most {limit}"
            ));
        }
    }
    if response.status >= 400 && response.values("content-length").is_empty() {
        return Err(format!("a {} without Content-Length", response.status));
    }
    if response.status == 405 && response.values("allow").is_empty() {
        return Err("a 405 without Allow (RFC 9110 §15.5.6)".into());
    }
    Ok(())
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`, with the right day of the week.
fn is_imf_fixdate(date: &str) -> bool {
    const DAYS: [&str; 7] = ["Sat", "Sun", "Mon", "Tue", "Wed", "Thu", "Fri"];
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let number = |range: std::ops::Range<usize>| -> Option<usize> {
        let digits = date.get(range)?;
        digits
            .bytes()
            .all(|digit| digit.is_ascii_digit())
            .then(|| digits.parse().ok())?
    };
    let parts = (
        number(5..7),
        number(12..16),
        number(17..19),
        number(20..22),
        number(23..25),
    );
    let (Some(day), Some(year), Some(hour), Some(minute), Some(second)) = parts else {
        return false;
    };
    let Some(month) = MONTHS
        .iter()
        .position(|&name| date.get(8..11) == Some(name))
    else {
        return false;
    };
    // Zeller's congruence: January and February count as months 13 and 14 of the year before.
    let (shifted, of_year) = if month < 2 {
        (month + 13, year - 1)
    } else {
        (month + 1, year)
    };
    let leap_days = of_year / 4 + of_year / 400 - of_year / 100;
    let weekday = (day + 13 * (shifted + 1) / 5 + of_year + leap_days) % 7;
    let month = MONTHS[month];
    let name = DAYS[weekday];
    (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60
        && date
            == format!("{name}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT")
}

#[cfg(test)]
mod tests {
    use super::is_imf_fixdate;

    #[test]
    fn knows_a_date_from_another() {
        assert!(is_imf_fixdate("Sun, 06 Nov 1994 08:49:37 GMT"));
        assert!(is_imf_fixdate("Thu, 29 Feb 2024 00:00:00 GMT"));
        assert!(!is_imf_fixdate("Mon, 06 Nov 1994 08:49:37 GMT"));
        assert!(!is_imf_fixdate("Sun, 6 Nov 1994 08:49:37 GMT"));
        assert!(!is_imf_fixdate("Sunday, 06-Nov-94 08:49:37 GMT"));
        assert!(!is_imf_fixdate("Sun, 06 Nov 1994 08:49:37 UTC"));
    }
}
