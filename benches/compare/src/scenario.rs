//! The requests and the answers, byte for byte: the generator, the null server and the server under
//! test all read them here.

use std::fmt::Write as _;
use std::hint::black_box;
use std::str::FromStr;

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
    /// `GET /16k`, answered by [`BODY_BYTES`] bytes.
    Body16k,
    /// `POST /upload` with [`UPLOAD_BYTES`] bytes, answered by their number in decimal digits.
    Upload64k,
}

const MINIMAL_HEADERS: &str = "Host: localhost\r\nUser-Agent: keirin-bench\r\n";

const BROWSER_HEADERS: &str = concat!(
    "Host: www.example.com\r\n",
    "Connection: keep-alive\r\n",
    "Cache-Control: max-age=0\r\n",
    "Sec-Ch-Ua: \"Chromium\";v=\"142\", \"Not A(Brand\";v=\"24\"\r\n",
    "Sec-Ch-Ua-Mobile: ?0\r\n",
    "Sec-Ch-Ua-Platform: \"Linux\"\r\n",
    "Upgrade-Insecure-Requests: 1\r\n",
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36\r\n",
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n",
    "Sec-Fetch-Site: same-origin\r\n",
    "Sec-Fetch-Mode: navigate\r\n",
    "Sec-Fetch-User: ?1\r\n",
    "Sec-Fetch-Dest: document\r\n",
    "Referer: https://www.example.com/catalogue/bicycles?page=2&order=price\r\n",
    "Accept-Encoding: gzip, deflate, br, zstd\r\n",
    "Accept-Language: en-GB,en;q=0.9,ja;q=0.8\r\n",
    "Cookie: session=4f1c0d9b7e2a4c6f8b1d3e5a7c9f0b2d; theme=dark; consent=analytics%3D0%26ads%3D0\r\n",
    "If-None-Match: \"5f2c-62a1b0c4d8e40\"\r\n",
    "X-Forwarded-For: 203.0.113.7\r\n",
    "X-Forwarded-Proto: https\r\n",
);

impl Scenario {
    /// Every scenario, in the order of the report.
    pub const ALL: [Self; 5] = [
        Self::Hello,
        Self::Headers20,
        Self::Json,
        Self::Body16k,
        Self::Upload64k,
    ];

    /// The name on the command line and in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Hello => "hello",
            Self::Headers20 => "headers20",
            Self::Json => "json",
            Self::Body16k => "body16k",
            Self::Upload64k => "upload64k",
        }
    }

    /// One whole request. Always the same bytes, so that a server that parses nothing can count
    /// requests by length.
    #[must_use]
    pub fn request(self) -> Vec<u8> {
        let mut request = match self {
            Self::Hello => format!("GET / HTTP/1.1\r\n{MINIMAL_HEADERS}\r\n"),
            Self::Headers20 => format!("GET / HTTP/1.1\r\n{BROWSER_HEADERS}\r\n"),
            Self::Json => format!("GET /json HTTP/1.1\r\n{MINIMAL_HEADERS}\r\n"),
            Self::Body16k => format!("GET /16k HTTP/1.1\r\n{MINIMAL_HEADERS}\r\n"),
            Self::Upload64k => format!(
                "POST /upload HTTP/1.1\r\n{MINIMAL_HEADERS}Content-Length: {UPLOAD_BYTES}\r\n\r\n"
            ),
        }
        .into_bytes();
        if self == Self::Upload64k {
            request.extend_from_slice(&pattern(UPLOAD_BYTES));
        }
        request
    }

    /// The header field that the answer carries beyond `Date` and `Content-Length`, as name and
    /// value.
    #[must_use]
    pub fn response_header(self) -> Option<(&'static str, &'static str)> {
        (self == Self::Json).then_some(("Content-Type", "application/json"))
    }

    /// The body of the answer.
    #[must_use]
    pub fn response_body(self) -> Vec<u8> {
        match self {
            Self::Hello | Self::Headers20 => b"Hello world!".to_vec(),
            Self::Json => compose_json().into_bytes(),
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
        assert!(request[..end].ends_with(b"Content-Length: 65536\r\n\r\n"));
        assert_eq!(Scenario::Upload64k.response_body(), b"65536");
    }

    #[test]
    fn json_is_what_the_readme_tells_peers_to_send() {
        let readme = include_str!("../README.md");
        assert!(readme.contains(&compose_json()));
        assert!((280..=340).contains(&compose_json().len()));
    }
}
