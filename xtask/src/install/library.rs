//! Building the shared and the static library as they are installed.

use std::fs;
use std::path::{Path, PathBuf};

use super::{defined_symbols, of, read};
use crate::shell::{self, Result, capture, cargo, command};

/// What a C compiler links with by itself, in the form that fits: with `-static` there is no
/// `libgcc_s`.
const IMPLIED: &[&str] = &["-lgcc_s", "-lc"];

/// The libraries, ready to be copied to their places.
pub(super) struct Library {
    /// Three numbers, as in `include/keirin.h`.
    pub(super) version: String,
    /// What programs that are linked with the shared library ask the loader for.
    pub(super) soname: String,
    /// The shared library, without what only a debugger reads.
    pub(super) shared: PathBuf,
    /// What only a debugger reads.
    pub(super) debug: PathBuf,
    /// The static library: one object, in which only the interface's symbols can be seen.
    pub(super) archive: PathBuf,
    /// What programs with the static library are linked with too: `-lm`.
    pub(super) system_libraries: Vec<String>,
}

impl Library {
    /// Builds both in release.
    pub(super) fn build() -> Result<Self> {
        let system_libraries = compile()?;
        let target = shell::target_folder()?;
        let made = target.join("release");
        let folder = target.join("library");
        fs::create_dir_all(&folder).map_err(|error| of(&folder, error))?;
        let built = made.join("libkeirin_ffi.so");
        let version = version(&read(&shell::root().join("include/keirin.h"))?)?;
        let shared = folder.join("libkeirin.so");
        let debug = folder.join(format!("libkeirin.so.{version}.debug"));
        split(&built, &shared, &debug)?;
        let archive = folder.join("libkeirin.a");
        combine(&made.join("libkeirin_ffi.a"), &built, &archive)?;
        Ok(Self {
            version,
            soname: soname(&built)?,
            shared,
            debug,
            archive,
            system_libraries,
        })
    }
}

/// Compiles the crate and returns what the static library has to be linked with.
///
/// The kinds of library are named because cargo does not optimize across crates for a crate that is
/// built as an `rlib` too.
fn compile() -> Result<Vec<String>> {
    let mut cargo = cargo(&["rustc", "--release", "--package", "keirin-ffi", "--lib"]);
    cargo.args(["--crate-type", "cdylib,staticlib"]);
    cargo.args(["--", "--print", "native-static-libs"]);
    // With a target named, even this one, the libraries would lie elsewhere.
    cargo.env_remove("CARGO_BUILD_TARGET");
    println!("building the C library in release");
    let messages = capture(&mut cargo)?.errors;
    system_libraries(&messages).ok_or_else(|| "rustc names no native libraries".into())
}

/// The libraries in rustc's note, but those that are implied.
fn system_libraries(messages: &str) -> Option<Vec<String>> {
    let (_, names) = messages.split_once("native-static-libs: ")?;
    let names = names.lines().next()?.split_whitespace();
    let names = names.filter(|name| !IMPLIED.contains(name));
    Some(names.map(str::to_owned).collect())
}

/// Divides a shared library into what runs and what only a debugger reads.
fn split(built: &Path, shared: &Path, debug: &Path) -> Result {
    let tool = |options: &[&str], files: &[&Path]| {
        capture(command("objcopy", options).args(files)).map(|_| ())
    };
    tool(&["--only-keep-debug"], &[built, debug])?;
    let link = format!("--add-gnu-debuglink={}", debug.display());
    tool(&["--strip-unneeded", &link], &[built, shared])
}

/// Makes one object of an archive, with only what the interface needs, and with no other symbol to
/// be seen: in a program with other static libraries of Rust's each would have the same ones of
/// the standard library. The interface is what the shared library exports.
fn combine(built: &Path, shared: &Path, archive: &Path) -> Result {
    let interface = defined_symbols(shared, &["--dynamic"])?;
    let names: Vec<&str> = interface.iter().map(|(_, name)| name.as_str()).collect();
    let keep = archive.with_extension("keep");
    fs::write(&keep, names.join("\n") + "\n").map_err(|error| of(&keep, error))?;

    let object = archive.with_extension("o");
    // The group that holds the reference to the personality routine must not be merged with those
    // of other libraries once its symbol is hidden.
    let options = ["-r", "--gc-sections", "--force-group-allocation", "-o"];
    let mut link = command("ld", &options);
    link.arg(&object);
    link.args(names.iter().map(|name| format!("--undefined={name}")));
    capture(link.arg(built))?;

    let mut hide = command("objcopy", &["--strip-debug"]);
    // Tools that know LLVM's bitcode would take the object for nothing else.
    hide.args(["--remove-section=.llvmbc", "--remove-section=.llvmcmd"]);
    hide.arg(format!("--keep-global-symbols={}", keep.display()));
    capture(hide.arg(&object))?;

    if archive.exists() {
        fs::remove_file(archive).map_err(|error| of(archive, error))?;
    }
    capture(command("ar", &["rcsD"]).args([archive, &object]))?;
    Ok(())
}

fn soname(shared: &Path) -> Result<String> {
    let dynamic = capture(command("readelf", &["--dynamic", "--wide"]).arg(shared))?.output;
    let name = dynamic
        .lines()
        .filter(|line| line.contains("(SONAME)"))
        .find_map(|line| line.split_once('[')?.1.strip_suffix(']'));
    let name = name.ok_or_else(|| of(shared, "it has no soname"))?;
    Ok(name.to_owned())
}

/// The version in the macros of the header.
fn version(header: &str) -> Result<String> {
    let number = |part: &str| {
        let name = format!("#define KEIRIN_VERSION_{part} ");
        let line = header.lines().find_map(|line| line.strip_prefix(&name));
        line.ok_or_else(|| format!("keirin.h has no line `{name}`"))
    };
    let [major, minor, patch] = ["MAJOR", "MINOR", "PATCH"].map(number);
    Ok(format!("{}.{}.{}", major?, minor?, patch?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_read_from_the_note() {
        let note = "warning: x\nnote: native-static-libs: -lgcc_s -lutil -lm -lc\n\nFinished";
        assert_eq!(system_libraries(note).unwrap(), ["-lutil", "-lm"]);
        assert_eq!(system_libraries("Finished"), None);
    }

    #[test]
    fn the_version_is_read_from_the_header() {
        let header = "#define KEIRIN_VERSION_MAJOR 1\n\n#define KEIRIN_VERSION_MINOR 20\n";
        let error = version(header).unwrap_err().to_string();
        assert_eq!(
            error,
            "keirin.h has no line `#define KEIRIN_VERSION_PATCH `"
        );
        let header = header.to_owned() + "#define KEIRIN_VERSION_PATCH 3\n";
        assert_eq!(version(&header).unwrap(), "1.20.3");
    }
}
