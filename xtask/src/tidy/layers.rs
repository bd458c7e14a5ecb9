//! Which folder of `src/` may use which: `proto <- net <- engine <- app`, `util` below all.

use super::Finding;
use super::banned::lines_with;
use super::scan::Scan;

/// A folder, and the modules of the crate that it must not use.
const LAYERS: &[(&str, &[&str])] = &[
    (
        "util",
        &["proto", "net", "observe", "pubsub", "engine", "app"],
    ),
    ("proto", &["net", "observe", "pubsub", "engine", "app"]),
    ("net", &["proto", "observe", "pubsub", "engine", "app"]),
    ("pubsub", &["proto", "net", "engine", "app"]),
    ("observe", &["net", "pubsub", "engine", "app"]),
    ("engine", &["app"]),
];

pub(super) fn check(path: &str, scan: &Scan) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (folder, forbidden) in LAYERS {
        if !is_in(path, folder) {
            continue;
        }
        for module in *forbidden {
            for line in lines_with(scan, &format!("crate::{module}")) {
                let text = format!("`crate::{module}`: {folder} lies below it or beside it");
                findings.push(Finding::new(path, line, text));
            }
        }
    }
    findings
}

fn is_in(path: &str, folder: &str) -> bool {
    let inside = path
        .strip_prefix("src/")
        .and_then(|rest| rest.strip_prefix(folder));
    inside.is_some_and(|rest| rest.starts_with('/') || rest == ".rs")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines that are found in `text` if it stands at `path`.
    #[track_caller]
    fn expect(path: &str, text: &str, lines: &[usize]) {
        let findings = check(path, &Scan::of(text));
        let found: Vec<usize> = findings.iter().map(|finding| finding.line).collect();
        assert_eq!(found, lines, "{path}: {text}: {findings:?}");
    }

    #[test]
    fn a_layer_does_not_reach_up() {
        expect("src/util/slab.rs", "use crate::proto::Head;", &[1]);
        expect("src/proto/head.rs", "use crate::net::Socket;", &[1]);
        expect("src/proto.rs", "\nuse crate::engine;", &[2]);
        expect(
            "src/engine/worker.rs",
            "fn f(app: &crate::app::App) {}",
            &[1],
        );
        expect(
            "src/net/poll.rs",
            "use crate::{\n    util::Slab,\n    engine::Turn,\n};",
            &[1],
        );
    }

    #[test]
    fn a_layer_reaches_down() {
        expect("src/proto/head.rs", "use crate::util::Buffer;", &[]);
        expect(
            "src/engine/worker.rs",
            "use crate::{net, proto, util};",
            &[],
        );
        expect("src/app/server.rs", "use crate::engine::Worker;", &[]);
        expect(
            "src/proto/head.rs",
            "use crate::network; // crate::net",
            &[],
        );
        expect("src/lib.rs", "pub use crate::app::App;", &[]);
    }

    #[test]
    fn the_parent_file_belongs_to_its_folder() {
        assert!(is_in("src/proto.rs", "proto"));
        assert!(is_in("src/proto/head.rs", "proto"));
        assert!(!is_in("src/protocol.rs", "proto"));
        assert!(!is_in("xtask/src/net.rs", "net"));
    }
}
