//! `cargo xtask bench`: builds the comparison harness and hands over to it.

use std::path::Path;

use crate::install;
use crate::shell::{self, Result, cargo, command};

/// Builds the harness as its users run it, then starts its comparison with `arguments`. With `--c`
/// in front of them, keirin through its C interface is a peer.
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
    let release = shell::target_folder()?.join("release");
    let harness = release.join("keirin-bench");
    let mut compare = command(&harness.to_string_lossy(), &["compare"]);
    match arguments {
        ["--c", rest @ ..] => {
            let peer = build_c_peer(&release)?;
            compare
                .args(["--peer", &format!("keirin-c={peer} {{port}} {{mode}}")])
                .args(rest);
        }
        rest => {
            compare.args(rest);
        }
    }
    shell::run(&mut compare)
}

/// The same server in C, on the shared library as it is installed.
fn build_c_peer(release: &Path) -> Result<String> {
    let prefix = install::for_tests()?;
    let (include, lib) = (prefix.join("include"), prefix.join("lib"));
    let peer = release.join("keirin-bench-c");
    let peer = peer.to_string_lossy();
    let flags = ["-std=c11", "-O2", "-Wall", "-Wextra", "-Werror"];
    let (include, lib) = (include.display(), lib.display());
    let library = [
        format!("-I{include}"),
        format!("-L{lib}"),
        format!("-Wl,-rpath,{lib}"),
    ];
    let link = ["-o", &peer, "benches/compare/peers/keirin.c", "-lkeirin"];
    shell::run(command("cc", &flags).args(library).args(link))?;
    Ok(peer.into_owned())
}
