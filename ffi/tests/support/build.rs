//! How the examples are compiled: as a program of somebody else's would be, without a warning.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use super::program::{require, succeed};

/// What an example is built by, and run under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Way {
    Gcc,
    Clang,
    /// AddressSanitizer, which looks for leaks too, and UndefinedBehaviorSanitizer, on the side
    /// of C.
    Sanitizers,
    /// On both sides, by memcheck.
    Valgrind,
}

impl Way {
    /// Whether it runs as fast as it can, and in no more memory than it needs.
    pub(crate) fn is_plain(self) -> bool {
        matches!(self, Self::Gcc | Self::Clang)
    }

    fn compiler(self) -> &'static str {
        match self {
            Self::Clang => "clang",
            Self::Gcc | Self::Sanitizers | Self::Valgrind => "gcc",
        }
    }

    fn flags(self) -> &'static [&'static str] {
        match self {
            Self::Gcc | Self::Clang => &["-O2"],
            Self::Sanitizers => &[
                "-O1",
                "-g",
                "-fsanitize=address,undefined",
                "-fno-sanitize-recover=all",
                "-fno-omit-frame-pointer",
            ],
            Self::Valgrind => &["-O1", "-g"],
        }
    }
}

/// What every example has to compile with.
const STRICT: [&str; 5] = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-pedantic"];

/// What the library needs of the system, as `rustc --print native-static-libs` says, and libuv.
const SYSTEM_LIBRARIES: [&str; 4] = ["-luv", "-lpthread", "-ldl", "-lm"];

/// The executable of an example, built once for all tests.
pub(crate) fn example(name: &str, way: Way) -> PathBuf {
    static BUILT: Mutex<BTreeMap<(String, Way), PathBuf>> = Mutex::new(BTreeMap::new());
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    built
        .entry((name.to_owned(), way))
        .or_insert_with(|| compile(name, way))
        .clone()
}

fn compile(name: &str, way: Way) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("c-examples");
    fs::create_dir_all(&folder).unwrap();
    let program = folder.join(format!("{name}-{way:?}"));
    let page = root().join("examples/chat.html");
    let mut command = require(way.compiler());
    command
        .args(STRICT)
        .args(way.flags())
        .arg(format!("-DCHAT_PAGE=\"{}\"", page.display()))
        .arg(source(name))
        .arg("-o")
        .arg(&program);
    let prefix = env::var_os("KEIRIN_PREFIX").map(PathBuf::from);
    // Optimized code looks at the length of an absent slice before it looks whether it is absent;
    // valgrind takes that for a use of what was never set.
    match prefix.filter(|_| way != Way::Valgrind) {
        Some(prefix) => {
            let libraries = prefix.join("lib");
            command.arg("-I").arg(prefix.join("include"));
            command.arg("-L").arg(&libraries).arg("-lkeirin");
            command.arg(format!("-Wl,-rpath,{}", libraries.display()));
        }
        None => {
            command.arg("-I").arg(root().join("include"));
            command.arg(library());
        }
    }
    succeed(command.args(SYSTEM_LIBRARIES));
    program
}

fn root() -> &'static Path {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    root.expect("the crate is in a folder of the workspace")
}

fn source(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    folder.join(format!("{name}.c"))
}

/// The static library that was built along with this test: in the folder of its executable, and
/// linked to from the one above where it was asked for by name. The older one is of another build.
fn library() -> PathBuf {
    let test = env::current_exe().unwrap();
    let folders = test.ancestors().skip(1).take(2);
    let found = folders
        .map(|folder| folder.join("libkeirin_ffi.a"))
        .max_by_key(|library| changed(library));
    found
        .filter(|library| library.is_file())
        .expect("libkeirin_ffi.a is beside the tests")
}

fn changed(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).ok()?.modified().ok()
}
