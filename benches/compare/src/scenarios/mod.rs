//! What is asked of servers, and answered.
//!
//! - [`mod@http`]: requests and their exact answers; [`websocket`], messages and connections;
//! - [`content`]: what messages are made of.

use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::scenarios::websocket as ws;

pub mod content;
pub mod http;
pub mod websocket;

/// What a server has to be able to do for a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duty {
    /// The routes of HTTP.
    Http,
    /// Parsing a body of JSON.
    Post,
    /// Echo of messages of text.
    Text,
    /// Echo of messages of bytes.
    Binary,
    /// Echo with permessage-deflate.
    Deflate,
    /// Echo with Brotli in the application.
    Brotli,
    /// Messages to all other sockets.
    Publish,
}

impl Duty {
    /// The word that `{mode}` in a server's command stands for. `deflate` is the one of
    /// [`Duty::Deflate`].
    #[must_use]
    pub fn mode(self, deflate: &str) -> &str {
        match self {
            Self::Http | Self::Post => "http",
            Self::Text | Self::Binary => "off",
            Self::Deflate => deflate,
            Self::Brotli => "brotli",
            Self::Publish => "pubsub",
        }
    }
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// HTTP requests.
    Http(http::Scenario),
    /// WebSocket messages or connections.
    WebSocket(ws::Scenario),
}

/// One row of the report: a task and how much of it is under way at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// What is asked for.
    #[serde(rename = "scenario")]
    pub task: Task,
    /// Requests or messages sent at once on a connection, or messages published at once.
    pub in_flight: usize,
}

impl Task {
    /// The tasks of a whole comparison, in the order of the report.
    pub fn all() -> impl Iterator<Item = Self> {
        let http = http::Scenario::ALL.into_iter().map(Self::Http);
        http.chain(ws::Scenario::ALL.into_iter().map(Self::WebSocket))
    }

    /// Its rows. Those with one in flight are the ones to quote; the others show what is left of a
    /// server's own cost when the kernel's is shared by several.
    pub fn rows(self) -> impl Iterator<Item = Row> {
        let depths = match self {
            Self::Http(http::Scenario::Hello | http::Scenario::Headers20) => &[1, 16],
            Self::Http(_) => &[1][..],
            Self::WebSocket(scenario) => scenario.depths(),
        };
        depths.iter().map(move |&in_flight| Row {
            task: self,
            in_flight,
        })
    }

    /// What is counted.
    #[must_use]
    pub fn operation(self) -> &'static str {
        match self {
            Self::Http(http::Scenario::Connect) => "connection",
            Self::Http(_) => "request",
            Self::WebSocket(ws::Scenario::Publish { .. } | ws::Scenario::Room { .. }) => "delivery",
            Self::WebSocket(ws::Scenario::Handshake) => "handshake",
            Self::WebSocket(ws::Scenario::Idle { .. }) => "connection",
            Self::WebSocket(ws::Scenario::Echo { .. }) => "message",
        }
    }

    /// Whether it can be asked at a fixed rate: a request or message after the other, on
    /// connections that stay.
    #[must_use]
    pub fn has_rates(self) -> bool {
        match self {
            Self::Http(scenario) => scenario != http::Scenario::Connect,
            Self::WebSocket(scenario) => matches!(scenario, ws::Scenario::Echo { .. }),
        }
    }

    /// What a server has to be able to do.
    #[must_use]
    pub fn duty(self) -> Duty {
        match self {
            Self::Http(http::Scenario::Post) => Duty::Post,
            Self::Http(_) => Duty::Http,
            Self::WebSocket(scenario) => scenario.duty(),
        }
    }

    /// What it is, for people.
    #[must_use]
    pub fn describe(self) -> String {
        match self {
            Self::Http(scenario) => scenario.describe().to_owned(),
            Self::WebSocket(scenario) => scenario.describe(),
        }
    }
}

impl Row {
    /// What the null server is measured with, for this row to be compared with.
    #[must_use]
    pub fn base(self) -> Self {
        match self.task {
            Task::Http(_) => self,
            Task::WebSocket(scenario) => {
                let (base, in_flight) = scenario.base(self.in_flight);
                let task = Task::WebSocket(base);
                Self { task, in_flight }
            }
        }
    }
}

impl Display for Task {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(scenario) => write!(f, "{}", scenario.name()),
            Self::WebSocket(scenario) => write!(f, "{scenario}"),
        }
    }
}

impl Serialize for Task {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl FromStr for Task {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        name.parse()
            .map(Self::Http)
            .or_else(|_| name.parse().map(Self::WebSocket))
    }
}

/// The rows that a list of names chooses: of tasks, `http`, `ws` (everything over WebSocket), or
/// the beginning of names with a star after it. In the order of the list, each once.
///
/// # Errors
/// When there is no such task.
pub fn rows_of(names: &str) -> Result<Vec<Row>, String> {
    let mut rows = Vec::new();
    for name in names.split(',') {
        let mut chosen: Vec<Task> = match name {
            "http" => Task::all().filter(|t| matches!(t, Task::Http(_))).collect(),
            "ws" => Task::all()
                .filter(|t| !matches!(t, Task::Http(_)))
                .collect(),
            _ => match name.strip_suffix('*') {
                Some(start) => Task::all()
                    .filter(|task| task.to_string().starts_with(start))
                    .collect(),
                None => vec![name.parse()?],
            },
        };
        if chosen.is_empty() {
            return Err(format!("no scenario like `{name}`: see keirin-bench help"));
        }
        for row in chosen.drain(..).flat_map(Task::rows) {
            if !rows.contains(&row) {
                rows.push(row);
            }
        }
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &str) -> Vec<(String, usize)> {
        let rows = rows_of(list).unwrap();
        rows.iter()
            .map(|row| (row.task.to_string(), row.in_flight))
            .collect()
    }

    #[test]
    fn names_choose_rows() {
        let pair = |name: &str, in_flight| (name.to_owned(), in_flight);
        let expected = [pair("upload64k", 1), pair("hello", 1), pair("hello", 16)];
        assert_eq!(names("upload64k,hello"), expected);
        assert_eq!(names("upload64k,hello,upload*"), expected);
        assert_eq!(names("ws20"), [pair("ws20", 1), pair("ws20", 32)]);
        assert_eq!(names("publish1*").len(), 6);
        assert_eq!(names("http").len(), 9);
        assert_eq!(
            names("http,ws").len(),
            Task::all().flat_map(Task::rows).count()
        );
        for wrong in ["hello,", "", "nothing", "x*"] {
            assert!(rows_of(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_the_null_server_cannot_do_is_compared_with_an_echo() {
        let base = |name: &str, in_flight| {
            let task = name.parse().unwrap();
            let base = Row { task, in_flight }.base();
            (base.task.to_string(), base.in_flight)
        };
        assert_eq!(base("publish1000", 16), ("ws20".to_owned(), 32));
        assert_eq!(base("room16", 1), ("ws20".to_owned(), 32));
        assert_eq!(base("brotli45k", 1), ("ws45k-text".to_owned(), 1));
        assert_eq!(base("deflate1k", 1), ("ws1k-text".to_owned(), 1));
        assert_eq!(base("ws1k", 32), ("ws1k".to_owned(), 32));
        assert_eq!(base("idle9-deflate", 1), ("idle9".to_owned(), 1));
        assert_eq!(base("hello", 16), ("hello".to_owned(), 16));
    }
}
