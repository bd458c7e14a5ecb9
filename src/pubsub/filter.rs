//! What one subscribes to: a topic, or a pattern of topics in the manner of MQTT.

use std::collections::HashMap;
use std::fmt;

/// The most bytes of a topic or a pattern, as in MQTT.
const BYTES_MAX: usize = 65_535;

/// The most levels of a pattern. A topic may have more.
const LEVELS_MAX: usize = 128;

/// A topic, or a pattern that matches topics.
///
/// In a pattern, `/` separates levels, `+` stands for any one level and `#`, at the end, for all
/// levels that remain, or none: `a/#` matches `a`, `a/b` and `a/b/c`, and `a/+` only `a/b`. A level
/// may be empty. `$` means nothing special.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Filter<'a> {
    text: &'a str,
    pattern: bool,
}

/// Why a topic or a pattern was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TopicError {
    /// It is empty.
    Empty,
    /// It has more than 65,535 bytes.
    TooLong,
    /// The pattern has more than 128 levels.
    TooDeep,
    /// In the pattern, `+` or `#` shares its level with something, or `#` is not at the end.
    Wildcard,
}

impl<'a> Filter<'a> {
    /// Exactly this topic: `+` and `#` are ordinary characters.
    pub fn topic(text: &'a str) -> Result<Self, TopicError> {
        check_topic(text)?;
        Ok(Self {
            text,
            pattern: false,
        })
    }

    /// All topics that the pattern matches.
    pub fn pattern(text: &'a str) -> Result<Self, TopicError> {
        check_topic(text)?;
        let mut after_rest = false;
        for (index, level) in text.split('/').enumerate() {
            if index == LEVELS_MAX {
                return Err(TopicError::TooDeep);
            }
            if after_rest || (level.len() > 1 && level.contains(['+', '#'])) {
                return Err(TopicError::Wildcard);
            }
            after_rest = level == "#";
        }
        Ok(Self {
            text,
            pattern: true,
        })
    }

    /// The text it was made from.
    pub fn as_str(&self) -> &'a str {
        self.text
    }

    /// Whether it is a pattern, and not one topic.
    pub fn is_pattern(&self) -> bool {
        self.pattern
    }

    /// What was checked when it was first made.
    pub(super) fn trusted(text: &'a str, pattern: bool) -> Self {
        Self { text, pattern }
    }
}

pub(super) fn check_topic(text: &str) -> Result<(), TopicError> {
    match text.len() {
        0 => Err(TopicError::Empty),
        1..=BYTES_MAX => Ok(()),
        _ => Err(TopicError::TooLong),
    }
}

impl fmt::Display for TopicError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "a topic must not be empty",
            Self::TooLong => "a topic has at most 65,535 bytes",
            Self::TooDeep => "a pattern has at most 128 levels",
            Self::Wildcard => "`+` and `#` stand alone in their level, and `#` at the end",
        })
    }
}

impl std::error::Error for TopicError {}

/// Values by pattern, found by the topics that match. Its depth, and so that of its recursion, is
/// that of the deepest pattern.
pub(super) struct PatternMap<V> {
    literal: HashMap<Box<str>, Self>,
    /// Below `+`.
    any: Option<Box<Self>>,
    /// The value of the pattern that ends here.
    here: Option<V>,
    /// The value of the pattern that ends in `#` after this level.
    rest: Option<V>,
}

impl<V> Default for PatternMap<V> {
    fn default() -> Self {
        Self {
            literal: HashMap::new(),
            any: None,
            here: None,
            rest: None,
        }
    }
}

impl<V> PatternMap<V> {
    pub(super) fn is_empty(&self) -> bool {
        self.literal.is_empty() && self.any.is_none() && self.here.is_none() && self.rest.is_none()
    }

    pub(super) fn insert(&mut self, pattern: &str, value: V) {
        let mut map = self;
        for level in pattern.split('/') {
            match level {
                "#" => {
                    map.rest = Some(value);
                    return;
                }
                "+" => map = map.any.get_or_insert_default(),
                _ => map = map.literal.entry(level.into()).or_default(),
            }
        }
        map.here = Some(value);
    }

    pub(super) fn get(&self, pattern: &str) -> Option<&V> {
        let mut map = self;
        for level in pattern.split('/') {
            match level {
                "#" => return map.rest.as_ref(),
                "+" => map = map.any.as_ref()?,
                _ => map = map.literal.get(level)?,
            }
        }
        map.here.as_ref()
    }

    /// Takes a value out, and what has become empty with it.
    pub(super) fn remove(&mut self, pattern: &str) -> Option<V> {
        self.remove_below(Some(pattern))
    }

    fn remove_below(&mut self, remaining: Option<&str>) -> Option<V> {
        let Some(remaining) = remaining else {
            return self.here.take();
        };
        let (level, below) = split_level(remaining);
        match level {
            "#" => self.rest.take(),
            "+" => {
                let any = self.any.as_mut()?;
                let value = any.remove_below(below);
                if any.is_empty() {
                    self.any = None;
                }
                value
            }
            _ => {
                let child = self.literal.get_mut(level)?;
                let value = child.remove_below(below);
                if child.is_empty() {
                    self.literal.remove(level);
                }
                value
            }
        }
    }

    /// Calls `found` with the value of each pattern that matches `topic`, in no particular order.
    pub(super) fn find<'a>(&'a self, topic: &str, found: &mut impl FnMut(&'a V)) {
        self.find_below(Some(topic), found);
    }

    fn find_below<'a>(&'a self, remaining: Option<&str>, found: &mut impl FnMut(&'a V)) {
        self.rest.iter().for_each(&mut *found);
        let Some(remaining) = remaining else {
            self.here.iter().for_each(found);
            return;
        };
        let (level, below) = split_level(remaining);
        if let Some(child) = self.literal.get(level) {
            child.find_below(below, found);
        }
        if let Some(any) = &self.any {
            any.find_below(below, found);
        }
    }
}

fn split_level(text: &str) -> (&str, Option<&str>) {
    match text.split_once('/') {
        Some((level, below)) => (level, Some(below)),
        None => (text, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(patterns: &[&str], topic: &str) -> Vec<usize> {
        let mut map = PatternMap::default();
        for (value, pattern) in patterns.iter().enumerate() {
            map.insert(Filter::pattern(pattern).unwrap().as_str(), value);
        }
        let mut found = Vec::new();
        map.find(topic, &mut |value| found.push(*value));
        found.sort_unstable();
        found
    }

    #[test]
    fn a_topic_has_1_to_65535_bytes() {
        assert_eq!(Filter::topic(""), Err(TopicError::Empty));
        assert!(Filter::topic("x").is_ok());
        assert!(Filter::topic(&"x".repeat(65_535)).is_ok());
        assert_eq!(Filter::topic(&"x".repeat(65_536)), Err(TopicError::TooLong));
        let bytes = "é".repeat(32_768);
        assert_eq!(
            Filter::topic(&bytes),
            Err(TopicError::TooLong),
            "bytes count"
        );
        assert_eq!(Filter::pattern(""), Err(TopicError::Empty));
        assert_eq!(
            Filter::pattern(&"x".repeat(65_536)),
            Err(TopicError::TooLong)
        );
    }

    #[test]
    fn a_pattern_has_at_most_128_levels() {
        let deepest = "/".repeat(127);
        assert!(Filter::pattern(&deepest).is_ok());
        assert_eq!(
            Filter::pattern(&(deepest.clone() + "/")),
            Err(TopicError::TooDeep)
        );
        assert!(Filter::topic(&(deepest.clone() + "/")).is_ok());
        assert_eq!(found(&[&deepest], &deepest), [0]);
        let deep = "/".repeat(65_535);
        assert_eq!(found(&["#", &deepest, "+/+/#"], &deep), [0, 2]);
    }

    #[test]
    fn wildcards_stand_alone_and_the_rest_comes_last() {
        for good in ["#", "+", "a/+/b", "a/#", "/", "+/+/#", "a//#", "$x/+"] {
            assert!(Filter::pattern(good).is_ok(), "{good}");
        }
        for bad in ["a+", "+a", "a#", "#/a", "a/#/b", "##", "+#", "#/", "a/b+/c"] {
            assert_eq!(Filter::pattern(bad), Err(TopicError::Wildcard), "{bad}");
            assert!(Filter::topic(bad).is_ok(), "{bad} is a topic");
        }
    }

    /// The cases of MQTT 5.0, 4.7.1, but for topics that begin with `$`.
    #[test]
    fn patterns_match_as_in_mqtt() {
        let patterns = ["sport/tennis/player1/#", "sport/#", "#"];
        assert_eq!(found(&patterns, "sport/tennis/player1"), [0, 1, 2]);
        assert_eq!(found(&patterns, "sport/tennis/player1/ranking"), [0, 1, 2]);
        assert_eq!(found(&patterns, "sport/tennis/player10"), [1, 2]);
        assert_eq!(found(&patterns, "sport"), [1, 2]);
        assert_eq!(found(&patterns, "sports"), [2]);
        let patterns = ["sport/+", "sport/tennis/+", "+/+", "/+", "+"];
        assert_eq!(found(&patterns, "sport/tennis/player1"), [1]);
        assert_eq!(found(&patterns, "sport"), [4]);
        assert_eq!(found(&patterns, "sport/"), [0, 2]);
        assert_eq!(found(&patterns, "/finance"), [2, 3]);
        assert_eq!(found(&["+/monitor", "+"], "a+b"), [1]);
        assert_eq!(found(&["+", "#"], "+"), [0, 1]);
    }

    #[test]
    fn what_is_removed_leaves_nothing_behind() {
        let patterns = ["a/b/c", "a/b", "a/#", "+/b", "#", "+", "a/+/c"];
        let mut map = PatternMap::default();
        for pattern in patterns {
            map.insert(pattern, pattern);
        }
        assert_eq!(map.remove("a"), None);
        assert_eq!(map.remove("a/b/c/d"), None);
        assert_eq!(map.remove("+/#"), None);
        for pattern in patterns {
            assert!(!map.is_empty());
            assert_eq!(map.get(pattern), Some(&pattern));
            assert_eq!(map.remove(pattern), Some(pattern));
            assert_eq!(map.get(pattern), None);
        }
        assert!(map.is_empty());
    }
}
