//! The requests and the answers, byte for byte: the generator, the null server and the server under
//! test all read them here.

use std::fmt::Write as _;
use std::hint::black_box;
use std::str::FromStr;

use super::content::{Random, message};
use super::websocket::Kind;

#[path = "../../../icount/requests.rs"]
mod requests;

use requests::{BROWSER, MINIMAL};

/// Bytes in the body of a `body16k` answer.
pub const BODY_BYTES: usize = 16 * 1024;

/// Bytes in the body of an `upload64k` request.
pub const UPLOAD_BYTES: usize = 64 * 1024;

/// One kind of request and its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// `GET /` with two header fields, answered by `Hello world!`.
    Hello,
    /// The same with the twenty header fields a browser behind a proxy sends.
    Headers20,
    /// `GET /json`, answered by JSON that is composed anew for each request.
    Json,
    /// `POST /post` with a kilobyte of JSON, which the server parses and answers from.
    Post,
    /// `GET /16k`, answered by [`BODY_BYTES`] bytes.
    Body16k,
    /// `POST /upload` with [`UPLOAD_BYTES`] bytes, answered by their number in decimal digits.
    Upload64k,
    /// Connect, `GET /` with `Connection: close`, read the answer and the end.
    Connect,
}

/// Bytes of JSON in the body of a `post` request.
pub const POST_BYTES: usize = 1024;

impl Scenario {
    /// Every scenario, in the order of the report.
    pub const ALL: [Self; 7] = [
        Self::Hello,
        Self::Headers20,
        Self::Json,
        Self::Post,
        Self::Body16k,
        Self::Upload64k,
        Self::Connect,
    ];

    /// The name on the command line and in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Hello => "hello",
            Self::Headers20 => "headers20",
            Self::Json => "json",
            Self::Post => "post",
            Self::Body16k => "body16k",
            Self::Upload64k => "upload64k",
            Self::Connect => "connect",
        }
    }

    /// What it is, for people.
    #[must_use]
    pub fn describe(self) -> &'static str {
        match self {
            Self::Hello => "HTTP, hello",
            Self::Headers20 => "HTTP, request with 20 header fields",
            Self::Json => "HTTP, JSON composed per request",
            Self::Post => "HTTP, JSON of 1 KiB parsed and answered",
            Self::Body16k => "HTTP, download of 16 KiB",
            Self::Upload64k => "HTTP, upload of 64 KiB",
            Self::Connect => "HTTP, connection storm",
        }
    }

    /// One whole request. Always the same bytes, so that a server that parses nothing can count
    /// requests by length.
    #[must_use]
    pub fn request(self) -> Vec<u8> {
        let (line, body) = match self {
            Self::Hello => return MINIMAL.as_bytes().to_vec(),
            Self::Headers20 => return BROWSER.as_bytes().to_vec(),
            Self::Connect => return with("Connection: close\r\n", &[]),
            Self::Json => ("GET /json ", None),
            Self::Body16k => ("GET /16k ", None),
            Self::Post => ("POST /post ", Some(post_body())),
            Self::Upload64k => ("POST /upload ", Some(pattern(UPLOAD_BYTES))),
        };
        let body = body.map(|body| {
            let kind = self
                .response_header()
                .map_or("text/plain", |(_, kind)| kind);
            let length = body.len();
            (
                format!("Content-Type: {kind}\r\nContent-Length: {length}\r\n"),
                body,
            )
        });
        let (fields, body) = body.unwrap_or_default();
        let request = String::from_utf8(with(&fields, &body)).expect("all of it is ASCII or UTF-8");
        request.replacen("GET / ", line, 1).into_bytes()
    }

    /// The header field that the answer carries beyond `Date` and `Content-Length`, as name and
    /// value.
    #[must_use]
    pub fn response_header(self) -> Option<(&'static str, &'static str)> {
        matches!(self, Self::Json | Self::Post).then_some(("Content-Type", "application/json"))
    }

    /// The body of the answer.
    #[must_use]
    pub fn response_body(self) -> Vec<u8> {
        match self {
            Self::Hello | Self::Headers20 | Self::Connect => b"Hello world!".to_vec(),
            Self::Json => compose_json().into_bytes(),
            Self::Post => post_summary().into_bytes(),
            Self::Body16k => pattern(BODY_BYTES),
            Self::Upload64k => UPLOAD_BYTES.to_string().into_bytes(),
        }
    }
}

impl FromStr for Scenario {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|s| s.name() == name);
        found.ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            format!("no scenario `{name}`: there are {names}")
        })
    }
}

/// [`MINIMAL`] with further fields and a body.
fn with(fields: &str, body: &[u8]) -> Vec<u8> {
    let fields_end = MINIMAL.len() - "\r\n".len();
    [
        &MINIMAL.as_bytes()[..fields_end],
        fields.as_bytes(),
        b"\r\n",
        body,
    ]
    .concat()
}

/// The body of a `post` request: always the same.
#[must_use]
pub fn post_body() -> Vec<u8> {
    message(Kind::Deflate, POST_BYTES, &mut Random::new(11))
}

/// What is answered to [`post_body`]: the number of its items, and the sum of their positions.
fn post_summary() -> String {
    let body = String::from_utf8(post_body()).expect("JSON is UTF-8");
    let count = body.matches("\"position\":").count();
    // They are numbered from 1.
    let positions = count * (count + 1) / 2;
    format!("{{\"page\":1,\"count\":{count},\"positions\":{positions}}}")
}

/// `length` bytes in which byte `i` is the letter `a + i % 26`. 26 divides no power of two, so a
/// block that a server repeats, drops or moves shows up as a wrong byte.
#[must_use]
pub fn pattern(length: usize) -> Vec<u8> {
    (b'a'..=b'z').cycle().take(length).collect()
}

/// The JSON text of the `json` scenario, formatted from values: the work of an answer that is
/// composed per request.
#[must_use]
pub fn compose_json() -> String {
    const RIDERS: [(u32, &str, f64); 5] = [
        (1, "Aiko Tanaka", 10.912),
        (2, "Marit de Vries", 11.034),
        (3, "Jules \"le Vite\" Martin", 11.108),
        (4, "Ines Ferreira", 11.275),
        (5, "Tom Okafor", 11.301),
    ];
    let mut text = String::with_capacity(384);
    // Hidden from the optimiser, which could otherwise compose the text once at build time.
    let (race, riders) = black_box((4711_u32, RIDERS));
    let _ = write!(text, "{{\"race\":{race},\"riders\":[");
    for (index, (number, name, seconds)) in riders.into_iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        let _ = write!(text, "{comma}{{\"number\":{number},\"name\":\"");
        for character in name.chars() {
            if matches!(character, '"' | '\\') {
                text.push('\\');
            }
            text.push(character);
        }
        let _ = write!(text, "\",\"seconds\":{seconds:.3}}}");
    }
    text.push_str("]}");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_their_scenario() {
        for scenario in Scenario::ALL {
            assert_eq!(scenario.name().parse(), Ok(scenario));
        }
        assert!("hallo".parse::<Scenario>().is_err());
    }

    #[test]
    fn headers20_sends_twenty_header_fields() {
        let request = String::from_utf8(Scenario::Headers20.request()).unwrap();
        let lines: Vec<_> = request.split("\r\n").collect();
        assert_eq!(
            lines.len(),
            1 + 20 + 2,
            "request line, fields, two empty ends"
        );
        assert!(lines[1..21].iter().all(|line| line.contains(": ")));
    }

    #[test]
    fn upload_announces_the_body_it_sends() {
        let request = Scenario::Upload64k.request();
        let end = request.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4;
        assert_eq!(request.len() - end, UPLOAD_BYTES);
        assert!(request.starts_with(b"POST /upload HTTP/1.1\r\nHost: "));
        assert!(request[..end].ends_with(b"Content-Length: 65536\r\n\r\n"));
        assert_eq!(Scenario::Upload64k.response_body(), b"65536");
    }

    #[test]
    fn what_is_posted_is_json_and_so_is_the_answer() {
        let body: serde_json::Value = serde_json::from_slice(&post_body()).unwrap();
        let items = body["items"].as_array().unwrap();
        let positions: u64 = items
            .iter()
            .map(|item| item["position"].as_u64().unwrap())
            .sum();
        let answer: serde_json::Value =
            serde_json::from_slice(&Scenario::Post.response_body()).unwrap();
        assert_eq!(answer["count"], items.len());
        assert_eq!(answer["positions"], positions);
        assert_eq!(answer["page"], body["page"]);
    }

    #[test]
    fn json_is_what_the_readme_tells_peers_to_send() {
        let readme = include_str!("../../README.md");
        assert!(readme.contains(&compose_json()));
        assert!((280..=340).contains(&compose_json().len()));
    }
}
