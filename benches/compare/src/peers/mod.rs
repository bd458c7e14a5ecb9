//! The servers that are compared: what each is, how it is built, started and tried out.
//!
//! - [`catalogue`]: a manifest for each;
//! - [`build`]: makes programs of them, in a folder under `target`;
//! - [`gate`]: what a server has to get right before its speed is worth a look.

use serde::Serialize;

use crate::Result;
use crate::scenarios::Duty;

pub mod build;
pub mod catalogue;
pub mod gate;

/// What a peer is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Subcommand `server` of this program.
    Own,
    /// Subcommand `relay` of it.
    Relay,
    /// `peers/c/NAME.c` on keirin's own library.
    KeirinC,
    /// `peers/c/uws.c` on libsocketify from PyPI.
    Socketify,
    /// `peers/js/FILE` with packages from npm, and `argument` behind port and mode.
    Node {
        /// The program.
        file: &'static str,
        /// The package whose version is the peer's.
        package: &'static str,
        /// A further argument.
        argument: Option<&'static str>,
    },
    /// `peers/js/bun.js` in Bun.
    Bun,
    /// A binary of `peers/rust`, which has the name of the crate.
    Cargo {
        /// The binary, and the feature that brings it.
        binary: &'static str,
        /// The crate whose version is the peer's.
        package: &'static str,
    },
}

/// A peer, as it stands in the catalogue.
#[derive(Clone, Copy, Debug)]
pub struct Manifest {
    /// Its name on the command line and in reports.
    pub name: &'static str,
    /// What it is, and the fast mode that its own documents describe.
    pub about: &'static str,
    /// What it is made of.
    pub source: Source,
    /// What it can do.
    pub duties: &'static [Duty],
    /// It speaks Socket.IO on top of WebSocket.
    pub socket_io: bool,
    /// It is compiled while it runs, and so needs longer to warm up.
    pub warms_up: bool,
}

/// A server that is ready to be measured.
#[derive(Clone, Debug, Serialize)]
pub struct Peer {
    /// Its name in reports.
    pub name: String,
    /// What it is.
    pub about: String,
    /// Its version, and that of what runs it.
    pub version: String,
    /// How it was built.
    pub built: String,
    /// The program and its arguments: `{port}` stands for the port of 127.0.0.1 to listen on,
    /// `{mode}` for what it has to do, `{scenario}` for what is measured.
    pub command: Vec<String>,
    /// What it can do.
    #[serde(skip)]
    pub duties: Vec<Duty>,
    /// It speaks Socket.IO on top of WebSocket.
    #[serde(skip)]
    pub socket_io: bool,
    /// It is compiled while it runs.
    #[serde(skip)]
    pub warms_up: bool,
    /// What it got wrong before its speed was measured.
    pub findings: Vec<gate::Finding>,
    /// How many things it was tried with.
    pub tried: usize,
}

/// A peer that is not measured.
#[derive(Clone, Debug, Serialize)]
pub struct Missing {
    /// Its name.
    pub name: String,
    /// Why.
    pub reason: String,
}

impl Peer {
    /// A server of the user's: `NAME=COMMAND`, a command line for `sh` with `{port}` in it, and
    /// `{mode}` where it matters.
    ///
    /// # Errors
    /// When there is no `=`, no `{port}`, or the name is not of letters, digits, `-`, `_` and `.`,
    /// or is one of ours.
    pub fn parse(text: &str) -> Result<Self> {
        let (name, command) = text
            .split_once('=')
            .ok_or("a peer is given as NAME=COMMAND")?;
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let ours = name == catalogue::NULL || catalogue::find(name).is_some();
        if name.is_empty() || !name.chars().all(plain) || ours {
            return Err(format!("`{name}` cannot be the name of a peer").into());
        }
        if !command.contains("{port}") {
            return Err(format!("the command of peer `{name}` lacks {{port}}").into());
        }
        // `exec`, so that the process we time and kill is the server and not the shell.
        let line = ["sh", "-c", &format!("exec {command}")].map(str::to_owned);
        Ok(Self {
            name: name.to_owned(),
            about: "given on the command line".to_owned(),
            version: "not known".to_owned(),
            built: "not known".to_owned(),
            command: line.to_vec(),
            duties: catalogue::ALL_DUTIES.to_vec(),
            socket_io: false,
            warms_up: false,
            findings: Vec::new(),
            tried: 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_of_the_user_are_parsed_and_checked() {
        let peer = Peer::parse("mine=./server --port={port}").unwrap();
        assert_eq!(peer.name, "mine");
        assert_eq!(peer.command, ["sh", "-c", "exec ./server --port={port}"]);
        let wrong = [
            "mine",
            "=x {port}",
            "a b=x {port}",
            "null=x {port}",
            "keirin=x {port}",
        ];
        for wrong in wrong.into_iter().chain(["mine=x"]) {
            assert!(Peer::parse(wrong).is_err(), "{wrong}");
        }
    }
}
