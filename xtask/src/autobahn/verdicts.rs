//! The testsuite's verdicts, and their comparison with the list of those expected.

use std::collections::{BTreeMap, BTreeSet};

use super::cases::{Case, Job};
use crate::shell::Result;

/// Everything that Autobahn says of a case, spaces replaced; the better comes first.
const WORDS: [&str; 8] = [
    "OK",
    "INFORMATIONAL",
    "NON-STRICT",
    "UNIMPLEMENTED",
    "UNCLEAN",
    "WRONG-CODE",
    "FAILED-BY-CLIENT",
    "FAILED",
];

/// What Autobahn says of the behaviour in a case, and of the close at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    behavior: usize,
    close: usize,
}

impl Verdict {
    fn parse(behavior: &str, close: &str) -> Result<Self> {
        let place = |word: &str| {
            let place = WORDS.iter().position(|known| *known == word);
            place.ok_or_else(|| format!("`{word}` is no verdict"))
        };
        Ok(Self {
            behavior: place(behavior)?,
            close: place(close)?,
        })
    }

    /// Better in one respect, and worse in none.
    fn is_better_than(&self, other: &Self) -> bool {
        self != other && self.behavior <= other.behavior && self.close <= other.close
    }

    fn text(&self) -> String {
        let (behavior, close) = (WORDS[self.behavior], WORDS[self.close]);
        format!("behaviour {behavior}, close {close}")
    }
}

/// The expected verdict of every case that the testsuite has.
pub(crate) type Expected = BTreeMap<Case, Verdict>;

/// Reads lines like `9.7.6 OK OK`. Those that start with `#` are remarks.
pub(crate) fn parse_expected(text: &str) -> Result<Expected> {
    let mut expected = Expected::new();
    let mut parse = |line: &str| -> Result {
        let Ok([case, behavior, close]) =
            <[&str; 3]>::try_from(Vec::from_iter(line.split_whitespace()))
        else {
            return Err("not a case and two verdicts".into());
        };
        let case: Case = case.parse()?;
        let verdict = Verdict::parse(behavior, close)?;
        match expected.insert(case, verdict) {
            None => Ok(()),
            Some(_) => Err("this case has been listed before".into()),
        }
    };
    for (index, line) in text.lines().enumerate() {
        if !line.is_empty() && !line.starts_with('#') {
            parse(line).map_err(|error| format!("line {}: {error}", index + 1))?;
        }
    }
    Ok(expected)
}

/// Fails unless exactly the cases that the testsuite has, one a line in `known`, are expected.
pub(crate) fn check_complete(expected: &Expected, known: &str) -> Result {
    let known: BTreeSet<Case> = known
        .lines()
        .map(|line| Ok(line.parse()?))
        .collect::<Result<_>>()?;
    let absent = known.iter().filter(|case| !expected.contains_key(case));
    let unknown = expected.keys().filter(|case| !known.contains(case));
    let absent = absent.map(|case| format!("no line for {case}"));
    let unknown = unknown.map(|case| format!("the testsuite has no {case}"));
    let wrong: Vec<String> = absent.chain(unknown).collect();
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(wrong.join("\n").into())
    }
}

/// What came of one case.
#[derive(Debug)]
pub(crate) struct Outcome {
    verdict: Verdict,
    /// What the case does, in Autobahn's words, and what came of it where it was not OK.
    about: String,
    /// The path of Autobahn's report.
    report: String,
}

/// Reads what `report.py verdicts` prints.
pub(crate) fn parse_outcomes(text: &str) -> Result<BTreeMap<Case, Outcome>> {
    let parse = |line: &str| -> Result<(Case, Outcome)> {
        let Ok([case, behavior, close, about, report]) =
            <[&str; 5]>::try_from(Vec::from_iter(line.split('\t')))
        else {
            return Err(format!("not five columns: {line}").into());
        };
        let outcome = Outcome {
            verdict: Verdict::parse(behavior, close)?,
            about: about.to_owned(),
            report: report.to_owned(),
        };
        Ok((case.parse()?, outcome))
    };
    text.lines().map(parse).collect()
}

/// Every case of the job that came out different from what is expected, one text each.
pub(crate) fn differences(
    job: &Job,
    expected: &Expected,
    outcomes: &BTreeMap<Case, Outcome>,
) -> Vec<String> {
    let difference = |case: &Case| {
        let mode = job.mode;
        let Some(outcome) = outcomes.get(case) else {
            return Some(format!("{case} ({mode}): not in the report"));
        };
        let Outcome {
            verdict,
            about,
            report,
        } = outcome;
        let wanted = &expected[case];
        if verdict == wanted {
            return None;
        }
        let advice = if verdict.is_better_than(wanted) {
            " (better: mend the list)"
        } else {
            ""
        };
        let (found, wanted) = (verdict.text(), wanted.text());
        Some(format!(
            "{case} ({mode}): {found}; expected {wanted}{advice}\n    {about}\n    {report}"
        ))
    };
    job.cases.iter().filter_map(difference).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "# remark\n\n1.1.1 OK OK\n6.4.1 NON-STRICT OK\n7.1.6 INFORMATIONAL OK\n";

    /// What differs when the run ends with `verdicts`, lines of `case behavior close`.
    fn compare(verdicts: &str) -> Vec<String> {
        let expected = parse_expected(LIST).unwrap();
        let job = Job {
            mode: "off",
            name: "off".to_owned(),
            cases: expected.keys().cloned().collect(),
        };
        let lines = verdicts
            .lines()
            .map(|line| line.replace(' ', "\t") + "\tSend it.\tr.html\n");
        let outcomes = parse_outcomes(&lines.collect::<String>()).unwrap();
        differences(&job, &expected, &outcomes)
    }

    #[test]
    fn what_is_expected_is_no_difference() {
        let same = "7.1.6 INFORMATIONAL OK\n1.1.1 OK OK\n6.4.1 NON-STRICT OK";
        assert_eq!(compare(same), [""; 0]);
        // A case that nobody asked for is no one's concern.
        assert_eq!(compare(&format!("{same}\n9.1.1 FAILED OK")), [""; 0]);
    }

    #[test]
    fn worse_better_and_mixed_are_told_apart() {
        let found = compare("1.1.1 OK UNCLEAN\n6.4.1 OK OK\n7.1.6 OK WRONG-CODE");
        let expected = [
            "1.1.1 (off): behaviour OK, close UNCLEAN; expected behaviour OK, close OK\
             \n    Send it.\n    r.html",
            "6.4.1 (off): behaviour OK, close OK; expected behaviour NON-STRICT, close OK \
             (better: mend the list)\n    Send it.\n    r.html",
            "7.1.6 (off): behaviour OK, close WRONG-CODE; expected behaviour INFORMATIONAL, \
             close OK\n    Send it.\n    r.html",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_missing_case_is_a_difference() {
        let found = compare("1.1.1 OK OK\n7.1.6 INFORMATIONAL OK");
        assert_eq!(found, ["6.4.1 (off): not in the report"]);
        assert_eq!(compare("").len(), 3);
    }

    #[test]
    fn mistakes_in_the_list_are_named_by_line() {
        for (text, message) in [
            ("1.1.1 OK", "line 1: not a case and two verdicts"),
            ("1.1.1 OK OK OK", "line 1: not a case and two verdicts"),
            ("#\n1.1.1 OK FINE", "line 2: `FINE` is no verdict"),
            ("x OK OK", "line 1: `x` is no number of a case"),
            (
                "1.1 OK OK\n1.1 OK OK",
                "line 2: this case has been listed before",
            ),
        ] {
            assert_eq!(parse_expected(text).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn mistakes_in_the_report_are_errors() {
        for (text, message) in [
            ("1.1.1\tOK\tOK\tabout", "not five columns"),
            ("1.1.1\tOK\tFINE\tabout\tr", "`FINE` is no verdict"),
            ("x\tOK\tOK\tabout\tr", "`x` is no number of a case"),
        ] {
            let error = parse_outcomes(text).unwrap_err().to_string();
            assert!(error.starts_with(message), "{error}");
        }
    }

    #[test]
    fn the_list_has_to_have_every_case_and_no_other() {
        let expected = parse_expected(LIST).unwrap();
        check_complete(&expected, "1.1.1\n6.4.1\n7.1.6\n").unwrap();
        let error = check_complete(&expected, "1.1.1\n7.1.6\n9.1.1\n").unwrap_err();
        assert_eq!(
            error.to_string(),
            "no line for 9.1.1\nthe testsuite has no 6.4.1"
        );
    }

    #[test]
    fn the_committed_list_is_read() {
        let text = include_str!("../../../tests/autobahn/expected.txt");
        let expected = parse_expected(text).unwrap();
        assert_eq!(expected.len(), 517);
        let not_ok = Verdict::parse("OK", "OK").unwrap();
        let others = expected.iter().filter(|(_, verdict)| **verdict != not_ok);
        let others: Vec<String> = others.map(|(case, _)| case.to_string()).collect();
        assert_eq!(others, ["7.1.6", "7.13.1", "7.13.2"]);
    }
}
