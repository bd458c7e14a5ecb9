//! `cargo xtask bench`: builds the comparison harness and hands over to it.

use std::path::Path;

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

/// The same server in C, on the shared library as it is built for release.
fn build_c_peer(release: &Path) -> Result<String> {
    shell::run(&mut cargo(&[
        "build",
        "--release",
        "--package",
        "keirin-ffi",
    ]))?;
    // The loader looks for the library under the name that it is installed by.
    let soname = release.join(concat!("libkeirin.so.", env!("CARGO_PKG_VERSION_MAJOR")));
    std::fs::copy(release.join("libkeirin_ffi.so"), &soname)?;
    let peer = release.join("keirin-bench-c");
    let (peer, soname) = (peer.to_string_lossy(), soname.to_string_lossy());
    let rpath = format!("-Wl,-rpath,{}", release.display());
    let source = "benches/compare/peers/keirin.c";
    let flags = ["-std=c11", "-O2", "-Wall", "-Wextra", "-Werror"];
    let link = ["-Iinclude", "-o", &peer, source, &soname, &rpath];
    shell::run(command("cc", &flags).args(link))?;
    Ok(peer.into_owned())
}
