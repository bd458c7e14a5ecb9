//! `cargo xtask bench`: builds the comparison harness and hands over to it.

use crate::shell::{self, Result, cargo, command};

/// Builds the harness as its users run it, then starts its comparison with `arguments`.
pub(crate) fn run(arguments: &[&str]) -> Result {
    let build = [
        "build",
        "--release",
        "--package",
        "keirin-bench",
        "--features",
        "server",
    ];
    shell::run(&mut cargo(&build))?;
    let harness = shell::target_folder()?.join("release/keirin-bench");
    shell::run(command(&harness.to_string_lossy(), &["compare"]).args(arguments))
}
