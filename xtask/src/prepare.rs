//! What the tests start and compile with: checked for, and installed where that is ours to do.

use std::fs;

use crate::autobahn;
use crate::shell::{self, Result, command, find_program};

/// A program the tests start, or a library they are compiled with.
struct Tool {
    /// The names it goes by, or the path of a file; one of them must be there.
    names: &'static [&'static str],
    /// The Debian package that brings it.
    package: &'static str,
    /// Whether the tests fail without it, rather than do less.
    required: bool,
}

const TOOLS: &[Tool] = &[
    Tool {
        names: &["c++"],
        package: "g++",
        required: true,
    },
    Tool {
        names: &["clang"],
        package: "clang",
        required: true,
    },
    Tool {
        names: &["make"],
        package: "make",
        required: true,
    },
    Tool {
        names: &["cmake"],
        package: "cmake",
        required: true,
    },
    Tool {
        names: &["meson"],
        package: "meson",
        required: true,
    },
    Tool {
        names: &["ninja"],
        package: "ninja-build",
        required: true,
    },
    Tool {
        names: &["pkg-config"],
        package: "pkg-config",
        required: true,
    },
    Tool {
        names: &["/usr/include/uv.h"],
        package: "libuv1-dev",
        required: true,
    },
    Tool {
        names: &["curl"],
        package: "curl",
        required: true,
    },
    Tool {
        names: &["python3"],
        package: "python3",
        required: true,
    },
    Tool {
        names: &["pip3"],
        package: "python3-pip",
        required: true,
    },
    Tool {
        names: &["node"],
        package: "nodejs",
        required: true,
    },
    Tool {
        names: &["npm"],
        package: "npm",
        required: true,
    },
    Tool {
        names: &["wrk"],
        package: "wrk",
        required: true,
    },
    Tool {
        names: &["nginx"],
        package: "nginx",
        required: true,
    },
    Tool {
        names: &["chromium", "chromium-browser"],
        package: "chromium",
        required: true,
    },
    Tool {
        names: &["slowhttptest"],
        package: "slowhttptest",
        required: false,
    },
];

/// Makes sure that every required tool is there. Installs through apt as root; otherwise says by
/// name what is absent, and fails. Autobahn's testsuite goes into the target folder.
pub(crate) fn run() -> Result {
    tools()?;
    autobahn::prepare()
}

fn tools() -> Result {
    if missing(false).is_empty() {
        println!("all tools are there");
        return Ok(());
    }
    if is_root()? && find_program("apt-get").is_some() {
        install()?;
    }
    for tool in missing(false) {
        println!(
            "absent: {}{}",
            tool.package,
            if tool.required { "" } else { " (optional)" }
        );
    }
    let absent: Vec<&str> = missing(true).iter().map(|tool| tool.package).collect();
    if absent.is_empty() {
        return Ok(());
    }
    let absent = absent.join(" ");
    Err(format!("the tests need: {absent}\ninstall them: apt-get install {absent}").into())
}

fn missing(only_required: bool) -> Vec<&'static Tool> {
    let is_absent = |tool: &&Tool| tool.names.iter().all(|name| find_program(name).is_none());
    TOOLS
        .iter()
        .filter(|tool| tool.required || !only_required)
        .filter(is_absent)
        .collect()
}

fn install() -> Result {
    if let Err(error) = apt_get(&["update"]) {
        // The lists may still be good enough; what can't be installed is named afterwards.
        println!("{error}");
    }
    // One by one: an optional package that this release lacks must not stop the others.
    for tool in missing(false) {
        if let Err(error) = apt_get(&["install", "-y", "--no-install-recommends", tool.package]) {
            println!("{error}");
        }
    }
    Ok(())
}

fn apt_get(arguments: &[&str]) -> Result {
    shell::run(command("apt-get", arguments).env("DEBIAN_FRONTEND", "noninteractive"))
}

/// Whether this process has root's rights: its effective user is the second figure of `Uid:`.
fn is_root() -> Result<bool> {
    let status = fs::read_to_string("/proc/self/status")?;
    let user = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    Ok(user.and_then(|ids| ids.split_whitespace().nth(1)) == Some("0"))
}
