//! The C programs of `tests/c`, compiled against the header and the static library, and run: as
//! they are, under valgrind, and with the sanitizers for addresses and undefined behaviour on both
//! sides of the border. A tool that is missing is a failure.
//!
//! Nothing here looks for data races: helgrind and drd, and the sanitizer for threads, do not see
//! the locks of a standard library that is not built for them, and report each use of one.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a static library of Rust's needs of the system.
const SYSTEM: [&str; 6] = ["-lgcc_s", "-lutil", "-lrt", "-lpthread", "-lm", "-ldl"];

const SANITIZERS: [&str; 2] = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"];

const VALGRIND: [&str; 6] = [
    "--quiet",
    // Threads that wait for one another take turns.
    "--fair-sched=yes",
    "--leak-check=full",
    "--errors-for-leak-kinds=definite",
    // What the standard library keeps of the main thread it finds again by arithmetic.
    "--show-leak-kinds=definite",
    "--error-exitcode=9",
];

fn root() -> &'static Path {
    let ffi = Path::new(env!("CARGO_MANIFEST_DIR"));
    ffi.parent().expect("the crate is in the workspace")
}

/// Runs a program to its end.
///
/// # Panics
/// When it is missing, or fails.
fn run(command: &mut Command) -> String {
    let name = command.get_program().to_owned();
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{} cannot be run: {error}", name.display()));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.success(),
        "{command:?}: {}\n{text}",
        output.status
    );
    text
}

/// The folder of the build that this test is part of.
fn target() -> &'static Path {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    folder.parent().expect("it is in the target folder")
}

fn cargo(action: &[&str]) -> Command {
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .current_dir(root())
        .args(action)
        .args(["--package", "keirin-ffi"]);
    cargo.env_remove("CARGO_ENCODED_RUSTFLAGS");
    cargo
}

/// The same with the sanitizer for addresses, which stable compilers have but do not offer. It has
/// a folder of its own.
fn cargo_sanitized(action: &[&str]) -> Command {
    let mut cargo = cargo(action);
    cargo.args(["--target", &triple()]);
    cargo.arg("--target-dir").arg(target().join("sanitized"));
    cargo
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTFLAGS", "-Zsanitizer=address");
    cargo
}

/// The target has to be named, so that build scripts and macros are built without it.
fn triple() -> String {
    format!("{}-unknown-linux-gnu", std::env::consts::ARCH)
}

fn library() -> PathBuf {
    run(cargo(&["build"]).arg("--target-dir").arg(target()));
    target().join("debug/libkeirin_ffi.a")
}

fn sanitized_library() -> PathBuf {
    run(&mut cargo_sanitized(&["build"]));
    let folder = target().join("sanitized").join(triple());
    folder.join("debug/libkeirin_ffi.a")
}

/// The programs of `tests/c`, by name.
fn programs() -> Vec<String> {
    let folder = root().join("ffi/tests/c");
    let files = fs::read_dir(folder).expect("the folder is there");
    let mut names: Vec<String> = files
        .map(|file| {
            file.expect("it can be read")
                .file_name()
                .into_string()
                .expect("ASCII")
        })
        .filter_map(|name| name.strip_suffix(".c").map(str::to_owned))
        .collect();
    names.sort();
    assert_eq!(names, ["ends", "nested", "workers"]);
    names
}

fn compile(program: &str, library: &Path, variant: &str, flags: &[&str]) -> PathBuf {
    let source = root().join(format!("ffi/tests/c/{program}.c"));
    let output = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{program}-{variant}"));
    let mut compiler = Command::new("gcc");
    compiler.args([
        "-std=c11",
        "-D_GNU_SOURCE",
        "-g",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-pedantic",
    ]);
    compiler.args(flags).arg("-I").arg(root().join("include"));
    compiler.arg(source).arg(library).args(SYSTEM);
    run(compiler.arg("-o").arg(&output));
    output
}

#[test]
fn the_programs_run() {
    let library = library();
    for program in programs() {
        run(&mut Command::new(compile(&program, &library, "plain", &[])));
    }
}

#[test]
fn the_programs_run_without_a_finding_of_valgrind() {
    let library = library();
    for program in programs() {
        let program = compile(&program, &library, "valgrind", &[]);
        let text = run(Command::new("valgrind").args(VALGRIND).arg(program));
        assert_eq!(text, "");
    }
}

#[test]
fn the_programs_run_without_a_finding_of_the_sanitizers() {
    let library = sanitized_library();
    for program in programs() {
        let program = compile(&program, &library, "sanitized", &SANITIZERS);
        run(&mut Command::new(program));
    }
}

#[test]
#[ignore = "takes minutes: `cargo test --package keirin-ffi --test safety -- --ignored`"]
fn the_matrix_runs_without_a_finding_of_the_sanitizer() {
    run(&mut cargo_sanitized(&[
        "test", "--quiet", "--test", "misuse",
    ]));
}

/// A program that uses what a destructor was given once more, so that the tools above are known to
/// look.
const FAULT: &str = r#"
#include "check.h"
int main(void) {
    keirin_app_t *app = keirin_app_new();
    char *user = token();
    keirin_app_on_start(app, NULL, user, destroy);
    keirin_app_free(app);
    return user[0] != 0;
}
"#;

#[test]
fn a_fault_is_found() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let source = folder.join("fault.c");
    fs::write(&source, FAULT).expect("the folder can be written to");
    let (plain, sanitized) = (library(), sanitized_library());
    let check = root().join("ffi/tests/c");
    let build = |library: &Path, name: &str, flags: &[&str]| {
        let output = folder.join(name);
        let mut compiler = Command::new("gcc");
        compiler
            .args(["-std=c11", "-D_GNU_SOURCE", "-g", "-I"])
            .arg(root().join("include"));
        compiler.arg("-I").arg(&check).args(flags);
        compiler
            .arg(&source)
            .arg(library)
            .args(SYSTEM)
            .arg("-o")
            .arg(&output);
        run(&mut compiler);
        output
    };
    let fails = |command: &mut Command| {
        let output = command.output().expect("the tool is there");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{command:?} finds nothing");
        text
    };
    let found = fails(
        Command::new("valgrind")
            .args(VALGRIND)
            .arg(build(&plain, "fault", &[])),
    );
    assert!(found.contains("Invalid read"), "{found}");
    let found = fails(&mut Command::new(build(
        &sanitized,
        "fault-sanitized",
        &SANITIZERS,
    )));
    assert!(found.contains("heap-use-after-free"), "{found}");
}
