//! The messages: always the same for the same seed, each different from the next, of an exact
//! length.

use super::websocket::Kind;

/// A sequence of numbers that look random (SplitMix64, of Steele, Lea and Flood, 2014). What it
/// makes has to vary and to be the same in each run, not to be hard to guess.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The sequence that belongs to `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// The next number, brought below `limit`, which is not 0.
    pub fn below(&mut self, limit: usize) -> usize {
        // The remainder fits, and on other machines than of 64 bits the cut is harmless.
        self.number() as usize % limit
    }

    /// `N` bytes.
    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }

    fn fill(&mut self, bytes: &mut [u8]) {
        for piece in bytes.chunks_mut(8) {
            piece.copy_from_slice(&self.number().to_le_bytes()[..piece.len()]);
        }
    }
}

const WORDS: [&str; 16] = [
    "velodrome",
    "the",
    "sprint",
    "of",
    "and",
    "bicycle",
    "lap",
    "rider",
    "on",
    "a",
    "pacer",
    "track",
    "to",
    "final",
    "bell",
    "in",
];
/// With characters of two, three and four bytes.
const OTHER_WORDS: [&str; 12] = [
    "競輪",
    "naïve",
    "гонка",
    "größer",
    "🚲",
    "ποδήλατο",
    "経路",
    "élan",
    "🏁",
    "señor",
    "バンク",
    "最後",
];
/// The first word of a text and one in so many are not of ASCII alone.
const OTHER_INTERVAL: usize = 16;

/// A message of `length` bytes.
#[must_use]
pub fn message(kind: Kind, length: usize, random: &mut Random) -> Vec<u8> {
    match kind {
        Kind::Binary => {
            let mut bytes = vec![0; length];
            random.fill(&mut bytes);
            bytes
        }
        Kind::Text => text(length, random).into_bytes(),
        Kind::Deflate | Kind::Brotli => json(length, random).into_bytes(),
    }
}

/// English with a name or a symbol of another script here and there, as in a chat: a tenth of the
/// bytes are of characters of two to four bytes.
fn text(length: usize, random: &mut Random) -> String {
    let mut text = String::with_capacity(length + 32);
    for position in 0.. {
        if text.len() >= length {
            break;
        }
        let words = if position % OTHER_INTERVAL == 0 {
            &OTHER_WORDS[..]
        } else {
            &WORDS
        };
        text.push_str(words[random.below(words.len())]);
        text.push(' ');
    }
    cut(&mut text, length);
    text
}

/// Cuts `text` to `length` bytes, with a letter for each byte of a character that was cut in two.
fn cut(text: &mut String, length: usize) {
    text.truncate(text.floor_char_boundary(length));
    while text.len() < length {
        text.push('x');
    }
}

const FIRST_NAMES: [&str; 8] = [
    "Aiko", "Marit", "Jules", "Inês", "Tom", "Sanne", "Kenji", "Lucía",
];
const LAST_NAMES: [&str; 8] = [
    "Tanaka", "de Vries", "Martin", "Ferreira", "Okafor", "Berg", "Sato", "Rossi",
];
const TEAMS: [&str; 4] = [
    "Tokyo Keirin Club",
    "Velo Amsterdam",
    "Équipe Paris",
    "Porto Sprint",
];

/// What an API answers: a list of records with the same members, ended by a remark of the length
/// that is missing. At level 6 of deflate, 1 KiB of it takes 280 bytes, and 45 KiB 4 KB.
fn json(length: usize, random: &mut Random) -> String {
    const END: &str = "],\"remark\":\"\"}";
    let mut json = String::with_capacity(length);
    json.push_str("{\"page\":1,\"items\":[");
    for position in 1.. {
        let separator = if position == 1 { "" } else { "," };
        let record = format!(
            "{separator}{{\"id\":{},\"type\":\"rider\",\"name\":\"{} {}\",\"team\":\"{}\",\
             \"status\":\"active\",\"lap\":3,\"position\":{position},\"speed_kmh\":{}.{},\
             \"tags\":[\"track\",\"sprint\"]}}",
            1000 + position,
            FIRST_NAMES[random.below(FIRST_NAMES.len())],
            LAST_NAMES[random.below(LAST_NAMES.len())],
            TEAMS[random.below(TEAMS.len())],
            50 + random.below(20),
            random.below(10),
        );
        if json.len() + record.len() + END.len() > length {
            break;
        }
        json.push_str(&record);
    }
    let remark = length - json.len() - END.len();
    json.push_str(&END[..END.len() - 2]);
    // All alike, so that the remark is no part of what there is to compress.
    json.extend(std::iter::repeat_n('.', remark));
    json.push_str("\"}");
    json
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_have_their_length_and_differ() {
        let mut random = Random::new(7);
        for length in (1..300).chain([1024, 16 * 1024, 45 * 1024]) {
            for kind in [Kind::Binary, Kind::Text, Kind::Deflate] {
                if kind == Kind::Deflate && length < 256 {
                    continue;
                }
                let [one, other] = [(); 2].map(|()| message(kind, length, &mut random));
                assert_eq!((one.len(), other.len()), (length, length));
                assert!(one != other || length < 20, "{kind:?} {length}");
            }
        }
    }

    #[test]
    fn text_is_utf_8_of_one_to_four_bytes_a_character() {
        let bytes = message(Kind::Text, 16 * 1024, &mut Random::new(7));
        let text = String::from_utf8(bytes).unwrap();
        for length in 1..=4 {
            assert!(text.chars().any(|c| c.len_utf8() == length), "{length}");
        }
        let short = String::from_utf8(message(Kind::Text, 20, &mut Random::new(8))).unwrap();
        assert!(!short.is_ascii(), "even a short one: {short}");
        let long: usize = text.chars().map(char::len_utf8).filter(|&n| n > 1).sum();
        assert!((text.len() / 14..text.len() / 8).contains(&long), "{long}");
    }

    #[test]
    fn json_ends_as_it_should() {
        let json = json(1024, &mut Random::new(7));
        assert!(json.starts_with("{\"page\":1,\"items\":[{\"id\":1001,"));
        assert!(json.contains("]},{\"id\":1002,"));
        assert!(json.contains("]}],\"remark\":\"."));
        assert!(json.ends_with(".\"}"));
    }

    #[test]
    fn the_same_seed_gives_the_same() {
        assert_eq!(Random::new(1).number(), Random::new(1).number());
        assert_ne!(Random::new(1).number(), Random::new(2).number());
        assert_ne!(Random::new(1).bytes::<16>(), [0; 16]);
    }
}
