//! The cases of the testsuite: their numbers, which of them to run, and against what.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use crate::shell::Result;

/// The families of permessage-deflate, slow and run once with each kind of compressor; and what the
/// everyday run takes of each of their groups of 18 cases. Case 2 sends messages of 64 B, 5 of
/// 4 KiB, 8 of 32 KiB, 11 of 8 KiB in fragments of 256 B; the groups of family 12 differ in their
/// text, those of 13 in what is negotiated. Of the cases left out, some take more than a minute.
const COMPRESSED: [(u32, [u32; 3]); 2] = [(12, [2, 8, 11]), (13, [2, 5, 11])];

/// The number of a case, such as 12.1.18: a family, a group and a case, or a family and a case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Case(Vec<u32>);

impl Case {
    pub(crate) fn is_compressed(&self) -> bool {
        self.sample().is_some()
    }

    fn is_sampled(&self) -> bool {
        let Some(sample) = self.sample() else {
            return true;
        };
        self.0.last().is_some_and(|case| sample.contains(case))
    }

    /// The cases to take of its group, if it is one with compression.
    fn sample(&self) -> Option<[u32; 3]> {
        let family = self.0.first()?;
        let mut compressed = COMPRESSED.iter();
        let (_, sample) = compressed.find(|(compressed, _)| compressed == family)?;
        Some(*sample)
    }

    /// All numbers but the last: `12.1` of 12.1.18.
    fn group(&self) -> Self {
        Self(self.0[..self.0.len() - 1].to_vec())
    }
}

impl FromStr for Case {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let numbers: std::result::Result<Vec<u32>, _> = text.split('.').map(str::parse).collect();
        match numbers {
            Ok(numbers) if numbers.len() > 1 => Ok(Self(numbers)),
            _ => Err(format!("`{text}` is no number of a case")),
        }
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers: Vec<String> = self.0.iter().map(u32::to_string).collect();
        f.write_str(&numbers.join("."))
    }
}

/// Which cases to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Selection {
    /// All but the slow ones, and of those a sample.
    Sample,
    /// All of them.
    All,
    /// Those that match one of the patterns: `9.7.6`, or `9.*` for all that start with `9.`.
    Patterns(Vec<String>),
}

impl Selection {
    /// What the options of the command ask for.
    pub(crate) fn parse(arguments: &[&str]) -> Result<Self> {
        match arguments {
            [] => Ok(Self::Sample),
            ["--full"] => Ok(Self::All),
            ["--cases", patterns] => Ok(Self::Patterns(
                patterns.split(',').map(str::to_owned).collect(),
            )),
            _ => Err("usage: cargo xtask autobahn [--full | --cases 1.*,9.7.6]".into()),
        }
    }

    /// Those of `all` that are selected. A pattern that selects none is a mistake.
    pub(crate) fn of<'a>(&self, all: impl Iterator<Item = &'a Case>) -> Result<Vec<Case>> {
        let all: Vec<Case> = all.cloned().collect();
        let Self::Patterns(patterns) = self else {
            let sample = *self == Self::Sample;
            let chosen = all.into_iter().filter(|case| !sample || case.is_sampled());
            return Ok(chosen.collect());
        };
        if let Some(pattern) = patterns
            .iter()
            .find(|pattern| !all.iter().any(|case| matches(pattern, case)))
        {
            return Err(format!("no case matches `{pattern}`").into());
        }
        let is_chosen = |case: &Case| patterns.iter().any(|pattern| matches(pattern, case));
        Ok(all.into_iter().filter(is_chosen).collect())
    }
}

fn matches(pattern: &str, case: &Case) -> bool {
    let case = case.to_string();
    match pattern.strip_suffix('*') {
        Some(start) => case.starts_with(start),
        None => case == pattern,
    }
}

/// Cases for one run of the testsuite against one server.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Job {
    /// The second argument of `echo_ws`.
    pub(crate) mode: &'static str,
    /// What tells it from other jobs: `off`, or `shared-12.1`.
    pub(crate) name: String,
    /// Never empty, in ascending order.
    pub(crate) cases: Vec<Case>,
}

/// One job for everything without compression, and one for each group and mode with it, so that
/// processes side by side share the work evenly.
pub(crate) fn jobs(cases: &[Case]) -> Vec<Job> {
    let (compressed, plain): (Vec<Case>, Vec<Case>) =
        cases.iter().cloned().partition(Case::is_compressed);
    let mut jobs = Vec::new();
    if !plain.is_empty() {
        jobs.push(Job {
            mode: "off",
            name: "off".to_owned(),
            cases: plain,
        });
    }
    let mut groups: BTreeMap<Case, Vec<Case>> = BTreeMap::new();
    for case in compressed {
        groups.entry(case.group()).or_default().push(case);
    }
    for mode in ["shared", "dedicated"] {
        jobs.extend(groups.iter().map(|(group, cases)| Job {
            mode,
            name: format!("{mode}-{group}"),
            cases: cases.clone(),
        }));
    }
    jobs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cases(text: &str) -> Vec<Case> {
        text.split(' ').map(|case| case.parse().unwrap()).collect()
    }

    fn chosen(selection: &Selection, all: &str) -> String {
        let chosen = selection.of(cases(all).iter()).unwrap();
        let chosen: Vec<String> = chosen.iter().map(Case::to_string).collect();
        chosen.join(" ")
    }

    #[test]
    fn cases_are_ordered_by_number() {
        let mut all = cases("10.1.1 2.10 1.1.1 2.9");
        all.sort();
        assert_eq!(all, cases("1.1.1 2.9 2.10 10.1.1"));
    }

    #[test]
    fn a_case_has_numbers_and_more_than_one() {
        for text in ["", "1", "1.", ".1", "1.a", "1.-1", "1 .1", "4294967296.1"] {
            let error = text.parse::<Case>().unwrap_err();
            assert_eq!(error, format!("`{text}` is no number of a case"));
        }
    }

    #[test]
    fn the_sample_leaves_out_slow_cases_only() {
        let all = "9.1.6 10.1.1 12.1.1 12.1.2 12.1.5 12.5.18 13.1.8 13.7.5 13.7.11";
        let sampled = "9.1.6 10.1.1 12.1.2 13.7.5 13.7.11";
        assert_eq!(chosen(&Selection::Sample, all), sampled);
        assert_eq!(chosen(&Selection::All, all), all);
    }

    #[test]
    fn patterns_are_whole_numbers_or_starts_of_them() {
        let all = "1.1.1 1.1.2 1.2.1 9.7.6 10.1.1";
        let select = |patterns: &str| Selection::parse(&["--cases", patterns]).unwrap();
        assert_eq!(chosen(&select("1.*"), all), "1.1.1 1.1.2 1.2.1");
        assert_eq!(chosen(&select("9.7.6,1.1.*"), all), "1.1.1 1.1.2 9.7.6");
        assert_eq!(chosen(&select("*"), all), all);
        for wrong in ["1", "1.1", "11.*", "1.1.1,7.*", ""] {
            let last = wrong.rsplit(',').next().unwrap();
            let error = select(wrong).of(cases(all).iter()).unwrap_err();
            assert_eq!(error.to_string(), format!("no case matches `{last}`"));
        }
    }

    #[test]
    fn the_options_are_checked() {
        assert_eq!(Selection::parse(&[]).unwrap(), Selection::Sample);
        assert_eq!(Selection::parse(&["--full"]).unwrap(), Selection::All);
        for wrong in [&["--cases"] as &[_], &["1.*"], &["--full", "x"]] {
            assert!(Selection::parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn compressed_cases_run_in_both_modes() {
        let jobs = jobs(&cases("1.1.1 2.9 12.1.1 12.1.2 12.2.1 13.1.1"));
        let texts: Vec<String> = jobs
            .iter()
            .map(|job| format!("{} {} {}", job.name, job.mode, job.cases.len()))
            .collect();
        let expected = [
            "off off 2",
            "shared-12.1 shared 2",
            "shared-12.2 shared 1",
            "shared-13.1 shared 1",
            "dedicated-12.1 dedicated 2",
            "dedicated-12.2 dedicated 1",
            "dedicated-13.1 dedicated 1",
        ];
        assert_eq!(texts, expected);
    }
}
