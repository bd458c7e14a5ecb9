//! What is measured over WebSocket, and its names.

use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

use super::Duty;
use crate::load::frame;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// The largest message of a scenario: what the servers under test are told to accept.
const MESSAGE_BYTES_MAX: usize = 16 * MIB;
/// The most connections of a scenario: what one process may have open here, less some.
const CONNECTIONS_MAX: usize = 19_000;

/// What the messages are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Binary messages of random bytes.
    Binary,
    /// Text messages in several scripts: one to four bytes a character.
    Text,
    /// Text messages of JSON, which the client has compressed beforehand (RFC 7692).
    Deflate,
    /// Text messages of JSON, which the client has compressed beforehand with Brotli.
    Brotli,
}

/// One kind of load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// Messages that come back as they are.
    Echo {
        /// What they are made of.
        kind: Kind,
        /// Bytes of a message, before compression.
        message_bytes: usize,
    },
    /// Messages from one socket to all others.
    Publish {
        /// How many others.
        subscribers: usize,
        /// Beside them is one more for each hundred which reads hardly anything, and the messages
        /// are of 4 KiB.
        slow: bool,
    },
    /// Messages from every socket to all others, in turns.
    Room {
        /// How many sockets.
        members: usize,
    },
    /// Connect, upgrade, say goodbye, close.
    Handshake,
    /// Connections that have echoed one message and rest.
    Idle {
        /// How many.
        connections: usize,
        /// Whether they have agreed on compression, and compressed that message.
        deflate: bool,
    },
}

const fn echo(kind: Kind, message_bytes: usize) -> Scenario {
    Scenario::Echo {
        kind,
        message_bytes,
    }
}

const fn publish(subscribers: usize) -> Scenario {
    Scenario::Publish {
        subscribers,
        slow: false,
    }
}

const fn idle(deflate: bool) -> Scenario {
    let connections = 15_000;
    Scenario::Idle {
        connections,
        deflate,
    }
}

impl Scenario {
    /// The scenarios of a whole comparison, in the order of the report.
    pub const ALL: [Self; 25] = [
        echo(Kind::Binary, 20),
        echo(Kind::Binary, 125),
        echo(Kind::Binary, 126),
        echo(Kind::Binary, KIB),
        echo(Kind::Binary, 16 * KIB),
        echo(Kind::Binary, 64 * KIB),
        echo(Kind::Binary, MIB),
        echo(Kind::Text, 20),
        echo(Kind::Text, 125),
        echo(Kind::Text, 126),
        echo(Kind::Text, KIB),
        echo(Kind::Text, 16 * KIB),
        echo(Kind::Text, 64 * KIB),
        echo(Kind::Text, MIB),
        echo(Kind::Deflate, KIB),
        echo(Kind::Deflate, 45 * KIB),
        echo(Kind::Brotli, 45 * KIB),
        publish(100),
        publish(1_000),
        publish(10_000),
        Self::Publish {
            subscribers: 100,
            slow: true,
        },
        Self::Room { members: 16 },
        Self::Handshake,
        idle(false),
        idle(true),
    ];

    /// How many messages are under way on a connection, a row of the report for each. For
    /// [`Scenario::Publish`], how many are published at once.
    #[must_use]
    pub fn depths(self) -> &'static [usize] {
        match self {
            Self::Echo {
                kind: Kind::Deflate | Kind::Brotli,
                ..
            } => &[1],
            Self::Echo { .. } => &[1, 32],
            Self::Publish { slow: true, .. } => &[4],
            Self::Publish { .. } => &[1, 16],
            Self::Room { .. } | Self::Handshake | Self::Idle { .. } => &[1],
        }
    }

    /// What the server under test has to be able to do.
    #[must_use]
    pub fn duty(self) -> Duty {
        match self {
            Self::Publish { .. } | Self::Room { .. } => Duty::Publish,
            Self::Echo { kind, .. } => match kind {
                Kind::Binary => Duty::Binary,
                Kind::Text => Duty::Text,
                Kind::Deflate => Duty::Deflate,
                Kind::Brotli => Duty::Brotli,
            },
            Self::Idle { deflate: true, .. } => Duty::Deflate,
            Self::Idle { .. } | Self::Handshake => Duty::Binary,
        }
    }

    /// What it is, for people.
    #[must_use]
    pub fn describe(self) -> String {
        match self {
            Self::Echo {
                kind,
                message_bytes,
            } => {
                let kind = match kind {
                    Kind::Binary => "binary",
                    Kind::Text => "text",
                    Kind::Deflate => "JSON through permessage-deflate",
                    Kind::Brotli => "JSON through Brotli",
                };
                format!("WebSocket, echo of {}, {kind}", size(message_bytes))
            }
            Self::Publish { subscribers, slow } => {
                let slow = if slow { ", 1 % of them slow" } else { "" };
                format!("WebSocket, fan-out to {subscribers}{slow}")
            }
            Self::Room { members } => format!("WebSocket, chat room of {members}"),
            Self::Handshake => "WebSocket, connection storm".to_owned(),
            Self::Idle {
                connections,
                deflate,
            } => {
                let deflate = if deflate {
                    " with permessage-deflate"
                } else {
                    ""
                };
                format!("WebSocket, {connections} idle connections{deflate}")
            }
        }
    }

    /// Whether the client offers compression.
    #[must_use]
    pub fn deflates(self) -> bool {
        match self {
            Self::Echo { kind, .. } => kind == Kind::Deflate,
            Self::Idle { deflate, .. } => deflate,
            Self::Publish { .. } | Self::Room { .. } | Self::Handshake => false,
        }
    }

    /// What the null server is measured with beside this scenario: the same without compression,
    /// and for what it cannot do, 20 bytes with 32 in flight.
    #[must_use]
    pub fn base(self, depth: usize) -> (Self, usize) {
        match self {
            Self::Echo {
                kind: Kind::Deflate | Kind::Brotli,
                message_bytes,
            } => (echo(Kind::Text, message_bytes), depth),
            Self::Publish { .. } | Self::Room { .. } => (echo(Kind::Binary, 20), 32),
            Self::Idle { connections, .. } => {
                let deflate = false;
                let plain = Self::Idle {
                    connections,
                    deflate,
                };
                (plain, depth)
            }
            Self::Echo { .. } | Self::Handshake => (self, depth),
        }
    }

    /// The message of a connection that will be idle, or the scenario itself.
    #[must_use]
    pub fn echoed(self) -> Self {
        match self {
            Self::Idle { deflate: true, .. } => echo(Kind::Deflate, KIB),
            Self::Idle { deflate: false, .. } => echo(Kind::Binary, 20),
            other => other,
        }
    }
}

impl Kind {
    /// The first byte of a message in one frame that is not compressed.
    #[must_use]
    pub fn first_byte(self) -> u8 {
        match self {
            Self::Binary | Self::Brotli => frame::FIN | frame::BINARY,
            Self::Text | Self::Deflate => frame::FIN | frame::TEXT,
        }
    }
}

impl Display for Scenario {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Echo {
                kind,
                message_bytes,
            } => {
                let (prefix, suffix) = match kind {
                    Kind::Binary => ("ws", ""),
                    Kind::Text => ("ws", "-text"),
                    Kind::Deflate => ("deflate", ""),
                    Kind::Brotli => ("brotli", ""),
                };
                let (number, unit) = number_and_unit(message_bytes);
                write!(f, "{prefix}{number}{unit}{suffix}")
            }
            Self::Publish { subscribers, slow } => {
                let prefix = if slow { "slow" } else { "publish" };
                write!(f, "{prefix}{subscribers}")
            }
            Self::Room { members } => write!(f, "room{members}"),
            Self::Handshake => write!(f, "handshake"),
            Self::Idle {
                connections,
                deflate,
            } => {
                let suffix = if deflate { "-deflate" } else { "" };
                write!(f, "idle{connections}{suffix}")
            }
        }
    }
}

fn number_and_unit(bytes: usize) -> (usize, &'static str) {
    match bytes {
        bytes if bytes.is_multiple_of(MIB) => (bytes / MIB, "m"),
        bytes if bytes.is_multiple_of(KIB) => (bytes / KIB, "k"),
        bytes => (bytes, ""),
    }
}

fn size(bytes: usize) -> String {
    let (number, unit) = number_and_unit(bytes);
    let unit = match unit {
        "m" => "MiB",
        "k" => "KiB",
        _ => "bytes",
    };
    format!("{number} {unit}")
}

/// The names of [`Scenario::ALL`], and the like with other numbers: `ws4k`, `publish100`.
impl FromStr for Scenario {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        parse(name)
            // Only what is printed the same way, so that a row has one name: `1k`, not `1024`.
            .filter(|scenario| scenario.to_string() == name)
            .ok_or_else(|| format!("no scenario `{name}`: see keirin-bench help"))
    }
}

fn parse(name: &str) -> Option<Scenario> {
    if name == "handshake" {
        return Some(Scenario::Handshake);
    }
    let digits_at = name.find(|c: char| c.is_ascii_digit())?;
    let (prefix, rest) = name.split_at(digits_at);
    let digits = rest.find(|c: char| !c.is_ascii_digit());
    let (number, suffix) = rest.split_at(digits.unwrap_or(rest.len()));
    let number: usize = number.parse().ok().filter(|&n| n > 0)?;
    let connections = Some(number).filter(|&n| n <= CONNECTIONS_MAX);
    match (prefix, suffix) {
        ("publish", "") => Some(publish(connections?)),
        ("slow", "") => Some(Scenario::Publish {
            subscribers: connections?,
            slow: true,
        }),
        // Everybody to everybody: more of them have more under way than a socket's buffer takes.
        ("room", "") => Some(Scenario::Room {
            members: Some(number).filter(|n| (2..=200).contains(n))?,
        }),
        ("idle", "" | "-deflate") => Some(Scenario::Idle {
            connections: connections?,
            deflate: !suffix.is_empty(),
        }),
        ("ws" | "deflate" | "brotli", _) => {
            let (kind, unit) = match (prefix, suffix.strip_suffix("-text")) {
                ("ws", Some(unit)) => (Kind::Text, unit),
                ("ws", None) => (Kind::Binary, suffix),
                ("brotli", _) => (Kind::Brotli, suffix),
                _ => (Kind::Deflate, suffix),
            };
            let factor = match unit {
                "" => 1,
                "k" => KIB,
                "m" => MIB,
                _ => return None,
            };
            let bytes = number.checked_mul(factor)?;
            // JSON has a frame around it, so very short ones cannot be made.
            let bytes_min = match kind {
                Kind::Binary | Kind::Text => 1,
                Kind::Deflate => 256,
                // What is shorter is not compressed by servers.
                Kind::Brotli => 2 * KIB,
            };
            (bytes_min..=MESSAGE_BYTES_MAX)
                .contains(&bytes)
                .then(|| echo(kind, bytes))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_their_scenario() {
        for scenario in Scenario::ALL {
            assert_eq!(scenario.to_string().parse(), Ok(scenario));
            let (base, _) = scenario.base(1);
            assert_eq!(base.to_string().parse(), Ok(base));
        }
        let other = [
            "ws4k",
            "ws16m-text",
            "deflate256",
            "publish3",
            "idle19000",
            "room2",
            "slow100",
        ];
        for name in other {
            let scenario: Scenario = name.parse().unwrap();
            assert_eq!(scenario.to_string(), name);
        }
    }

    #[test]
    fn other_names_are_refused() {
        let wrong = [
            "",
            "ws",
            "ws0",
            "ws1024",
            "ws17m",
            "ws1g",
            "ws1k-json",
            "deflate1k-text",
            "publish",
            "publish1k",
            "idle19001",
            "idle5-text",
            "ws99999999999999999999",
            "handshake1",
            "deflate255",
            "brotli1k",
            "room1",
            "room201",
            "slow0",
            "ws020",
            "1k",
        ];
        for name in wrong {
            assert!(name.parse::<Scenario>().is_err(), "{name}");
        }
    }

    #[test]
    fn modes_say_what_the_server_does() {
        let mode = |name: &str| {
            let duty = name.parse::<Scenario>().unwrap().duty();
            duty.mode("shared").to_owned()
        };
        let names = [
            "ws1k",
            "deflate1k",
            "publish3",
            "room3",
            "slow100",
            "handshake",
            "brotli45k",
        ];
        let modes = [
            "off", "shared", "pubsub", "pubsub", "pubsub", "off", "brotli",
        ];
        assert_eq!(names.map(mode), modes);
        assert_eq!(["idle5", "idle5-deflate"].map(mode), ["off", "shared"]);
    }
}
