//! `cargo xtask bench`: builds the comparison harness and hands over to it.

use crate::shell::{self, Result, cargo, command};

/// Builds the harness as its users run it, then starts its comparison with `arguments`: of keirin
/// alone, unless they name peers. With `--c` in front of them, keirin through its C interface is
/// measured too.
pub(crate) fn run(arguments: &[&str]) -> Result {
    shell::run(&mut cargo(&[
        "build",
        "--release",
        "--package",
        "keirin-bench",
    ]))?;
    let harness = shell::target_folder()?.join("release/keirin-bench");
    let mut compare = command(&harness.to_string_lossy(), &["compare"]);
    compare.args(with_peers(arguments));
    shell::run(&mut compare)
}

fn with_peers<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    match arguments {
        ["--c", rest @ ..] => [&["--peers", "keirin,keirin-c"], rest].concat(),
        rest if rest.contains(&"--peers") => rest.to_vec(),
        rest => [&["--peers", "keirin"], rest].concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keirin_is_measured_unless_peers_are_named() {
        assert_eq!(with_peers(&["--quick"]), ["--peers", "keirin", "--quick"]);
        assert_eq!(with_peers(&["--c", "--runs", "1"])[1], "keirin,keirin-c");
        assert_eq!(with_peers(&["--peers", "all"]), ["--peers", "all"]);
    }
}
