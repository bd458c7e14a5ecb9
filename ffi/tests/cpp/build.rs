//! Compiles C++ against the headers, and links it with the library as it is installed under
//! `KEIRIN_PREFIX`, or else as cargo has built it for this test.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

/// What has to be clean.
const WARNINGS: &[&str] = &["-Wall", "-Wextra", "-Werror", "-pedantic"];

/// Memory errors, leaks and undefined behaviour end the program, with an exit code that is not 0.
const SANITIZERS: &[&str] = &[
    "-g",
    "-O1",
    "-fsanitize=address,undefined",
    "-fno-sanitize-recover=all",
];

/// The compilers to try the headers with; the first one builds what is run.
pub(crate) fn compilers() -> Vec<&'static str> {
    let is_there = |name: &&str| Command::new(name).arg("--version").output().is_ok();
    let found: Vec<_> = ["c++", "clang++"].into_iter().filter(is_there).collect();
    assert!(!found.is_empty(), "a C++ compiler has to be installed");
    found
}

/// A path from the root of the repository.
pub(crate) fn in_tree(path: &str) -> PathBuf {
    let ffi = Path::new(env!("CARGO_MANIFEST_DIR"));
    ffi.parent()
        .expect("ffi is a folder of the tree")
        .join(path)
}

pub(crate) fn scratch(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

fn prefix() -> Option<PathBuf> {
    std::env::var_os("KEIRIN_PREFIX").map(PathBuf::from)
}

fn include_folder() -> PathBuf {
    prefix().map_or_else(|| in_tree("include"), |prefix| prefix.join("include"))
}

fn library() -> PathBuf {
    let built_for_this = || {
        let test = std::env::current_exe().expect("a test is a file");
        test.with_file_name("libkeirin_ffi.a")
    };
    prefix().map_or_else(built_for_this, |prefix| prefix.join("lib/libkeirin.a"))
}

fn compiler(name: &str, flags: &[&str]) -> Command {
    let mut command = Command::new(name);
    command.arg("-std=c++17").args(WARNINGS).args(flags);
    command.arg("-I").arg(include_folder());
    command
}

fn run(mut command: Command) -> Result<(), String> {
    let output = command.output().expect("the compiler starts");
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{command:?}\n{said}"))
}

/// Compiles a file without linking it; what the compiler says if it does not.
pub(crate) fn check(name: &str, source: &Path, flags: &[&str]) -> Result<(), String> {
    let mut command = compiler(name, flags);
    command.arg("-fsyntax-only").arg(source);
    run(command)
}

/// Makes a program of sources, once for all tests that run it.
pub(crate) fn program(sources: &[&str], flags: &[&str], name: &str) -> PathBuf {
    static MADE: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    let program = scratch(name);
    if made.contains(name) {
        return program;
    }
    let mut command = compiler(compilers()[0], flags);
    command.args(sources.iter().map(|source| in_tree(source)));
    command.arg("-o").arg(&program).arg(library());
    command.args(["-pthread", "-ldl", "-lm"]);
    if let Err(said) = run(command) {
        panic!("{said}");
    }
    made.insert(name.to_owned());
    program
}

/// Makes a program of one source, under the sanitizers.
pub(crate) fn sanitized(source: &str) -> PathBuf {
    let stem = Path::new(source).file_stem().expect("a file has a name");
    let name = format!("{}-sanitized", stem.to_string_lossy());
    program(&[source], SANITIZERS, &name)
}
