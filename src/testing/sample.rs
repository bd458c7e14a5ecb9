//! Messages as servers send them, the same in every run: what tests and benches compress.

use std::fmt::Write;

/// Lengths that are worth looking at, in bytes.
pub const LENGTHS: [usize; 5] = [1024, 1400, 6_000, 45_000, 500_000];

/// Random numbers that are the same in every run (xorshift).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// A sequence for each seed.
    pub fn new(seed: u64) -> Self {
        let mut random = Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        (0..8).for_each(|_| _ = random.next());
        random
    }

    /// The next number.
    #[expect(
        clippy::should_implement_trait,
        reason = "a sequence without an end is no use as an iterator"
    )]
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// The next number, below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        ((self.next() >> 11) % bound as u64) as usize
    }

    /// So many bytes without any order.
    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.below(256) as u8).collect()
    }

    fn choose<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }
}

const FIRST_NAMES: &[&str] = &[
    "Ada", "Alan", "Barbara", "Claude", "Donald", "Edsger", "Frances", "Grace", "Hedy", "Ivan",
    "John", "Ken", "Leslie", "Margaret", "Niklaus", "Radia",
];
const LAST_NAMES: &[&str] = &[
    "Lovelace",
    "Turing",
    "Liskov",
    "Shannon",
    "Knuth",
    "Dijkstra",
    "Allen",
    "Hopper",
    "Lamarr",
    "Sutherland",
    "Backus",
    "Thompson",
    "Lamport",
    "Hamilton",
    "Wirth",
    "Perlman",
];
const TAGS: &[&str] = &[
    "alpha", "beta", "urgent", "review", "backend", "mobile", "paid", "trial", "eu-west", "us-east",
];
const EVENTS: &[&str] = &["created", "updated", "deleted", "moved", "assigned"];
const WORDS: &[&str] = &[
    "ready", "pending", "of", "the", "order", "value", "and", "next",
];

/// A JSON text of exactly `len` bytes, at least 64: records with ids, names, numbers, flags, lists
/// and nested objects, and a note to fill it up.
pub fn json(seed: u64, len: usize) -> Vec<u8> {
    let mut random = Random::new(seed);
    let topic = random.below(100);
    let sequence = random.below(1_000_000);
    let mut text = format!(r#"{{"topic":"events/{topic}","sequence":{sequence},"records":["#);
    let mut separator = "";
    let mut id = 100_000 + random.below(900_000);
    let mut at_ms = 1_760_000_000_000 + random.below(600_000);
    loop {
        id += 1;
        at_ms += random.below(1000);
        let record = record(&mut random, id, at_ms);
        // What is left has to hold the end.
        if text.len() + record.len() + 16 > len {
            break;
        }
        text += separator;
        text += &record;
        separator = ",";
    }
    text += r#"],"note":""#;
    while text.len() + 2 < len {
        text += random.choose(WORDS);
        text += " ";
    }
    text.truncate(len.saturating_sub(2));
    text += "\"}";
    text.into_bytes()
}

fn record(random: &mut Random, id: usize, at_ms: usize) -> String {
    let event = random.choose(EVENTS);
    let (first, last) = (random.choose(FIRST_NAMES), random.choose(LAST_NAMES));
    let email = format!("{first}.{last}{}", random.below(100)).to_lowercase();
    let active = random.below(3) > 0;
    let verified = random.below(2) > 0;
    let balance = random.below(100_000) as f64 / 100.0;
    let score = random.below(1000) as f64 / 1000.0;
    let latitude = 52.5 + random.below(1000) as f64 / 1e4;
    let longitude = 13.4 + random.below(1000) as f64 / 1e4;
    let tags: Vec<String> = (0..random.below(4))
        .map(|_| format!("{:?}", random.choose(TAGS)))
        .collect();
    let mut record = String::new();
    let written = write!(
        record,
        concat!(
            r#"{{"id":{},"type":"{}","at":{},"user":{{"name":"{} {}","email":"{}@example.com","#,
            r#""active":{},"verified":{}}},"balance":{:.2},"score":{:.3},"#,
            r#""position":{{"lat":{:.4},"lon":{:.4}}},"tags":[{}],"parent":null}}"#,
        ),
        id,
        event,
        at_ms,
        first,
        last,
        email,
        active,
        verified,
        balance,
        score,
        latitude,
        longitude,
        tags.join(","),
    );
    debug_assert!(written.is_ok());
    record
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_have_their_length_and_differ() {
        for len in LENGTHS {
            assert_eq!(json(1, len).len(), len);
            assert_ne!(json(1, len), json(2, len));
            assert_eq!(json(1, len), json(1, len));
        }
    }
}
