//! Programs that use an installed keirin as its users do: by pkg-config, by CMake and by Meson.
//!
//! The installation is moved before they are built, and again before they run, so that a path that
//! it should not remember does not exist.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::layout::Layout;
use super::{install, of};
use crate::shell::{self, Result, capture, command};

/// What a program does for the library at run time.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Link {
    Shared,
    Static,
}

/// A way to build the programs, in a copy of `ffi/packaging/consumer` of its own.
struct Consumer {
    name: &'static str,
    link: Link,
    build: fn(&Place) -> Result<Programs>,
}

/// Paths from the folder of the copy.
type Programs = &'static [&'static str];

const CONSUMERS: &[Consumer] = &[
    Consumer {
        name: "pkg-config",
        link: Link::Shared,
        build: |place| place.make(&["PACKAGE=keirin", "CC=gcc", "CXX=g++"]),
    },
    Consumer {
        name: "pkg-config-static",
        link: Link::Static,
        build: |place| place.make(&["PACKAGE=keirin-static", "CC=clang", "CXX=clang++"]),
    },
    Consumer {
        name: "pkg-config-static-libc",
        link: Link::Static,
        build: |place| {
            place.make(&[
                "PACKAGE=keirin-static",
                "CC=gcc",
                "CXX=g++",
                "LDFLAGS=-static",
            ])
        },
    },
    Consumer {
        name: "cmake",
        link: Link::Shared,
        build: |place| place.cmake("-DKEIRIN_STATIC=OFF"),
    },
    Consumer {
        name: "cmake-static",
        link: Link::Static,
        build: |place| place.cmake("-DKEIRIN_STATIC=ON"),
    },
    Consumer {
        name: "meson",
        link: Link::Shared,
        build: |place| place.meson("-Dprefer_static=false"),
    },
    Consumer {
        name: "meson-static",
        link: Link::Static,
        build: |place| place.meson("-Dprefer_static=true"),
    },
    Consumer {
        name: "beside-rust",
        link: Link::Static,
        build: Place::beside_rust,
    },
];

/// Builds every consumer and runs what it has built.
pub(crate) fn run() -> Result {
    let folder = shell::target_folder()?.join("consumers");
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(|error| of(&folder, error))?;
    }
    let first = folder.join("installed");
    install(&Layout::below(&first))?;
    expect_no_mention(&first, &first)?;
    let prefix = folder.join("moved");
    fs::rename(&first, &prefix)?;
    let mut built = Vec::new();
    for consumer in CONSUMERS {
        let place = Place::new(&folder.join(consumer.name), &prefix)?;
        let programs = (consumer.build)(&place)?;
        built.extend(
            programs
                .iter()
                .map(|name| (consumer, place.folder.join(name))),
        );
    }
    let last = folder.join("moved again");
    fs::rename(&prefix, &last)?;
    for (consumer, program) in built {
        expect_link(&program, consumer.link)?;
        let mut command = Command::new(&program);
        if consumer.link == Link::Shared {
            command.env("LD_LIBRARY_PATH", last.join("lib"));
        }
        let said = capture(&mut command)?.output;
        println!("{:<24}{}", consumer.name, said.trim_end());
    }
    Ok(())
}

/// One consumer's copy of the sources, and where keirin is installed.
struct Place {
    folder: PathBuf,
    prefix: PathBuf,
}

impl Place {
    fn new(folder: &Path, prefix: &Path) -> Result<Self> {
        fs::create_dir_all(folder).map_err(|error| of(folder, error))?;
        let sources = shell::root().join("ffi/packaging/consumer");
        for entry in fs::read_dir(&sources).map_err(|error| of(&sources, error))? {
            let entry = entry?;
            fs::copy(entry.path(), folder.join(entry.file_name()))?;
        }
        Ok(Self {
            folder: folder.to_owned(),
            prefix: prefix.to_owned(),
        })
    }

    /// Runs a program in the folder; pkg-config finds keirin.
    fn run(&self, program: &str, arguments: &[impl AsRef<OsStr>]) -> Result<String> {
        let mut command = command(program, &[]);
        command.current_dir(&self.folder).args(arguments);
        command.env("PKG_CONFIG_PATH", self.prefix.join("lib/pkgconfig"));
        Ok(capture(&mut command)?.output)
    }

    fn make(&self, variables: &[&str]) -> Result<Programs> {
        self.run("make", variables)?;
        Ok(&["serve_once", "serve_once_cpp"])
    }

    fn cmake(&self, option: &str) -> Result<Programs> {
        let prefix = format!("-DCMAKE_PREFIX_PATH={}", self.prefix.display());
        self.run("cmake", &["-G", "Ninja", "-B", "build", &prefix, option])?;
        self.run("cmake", &["--build", "build"])?;
        Ok(&["build/serve_once", "build/serve_once_cpp"])
    }

    fn meson(&self, option: &str) -> Result<Programs> {
        self.run("meson", &["setup", "build", option])?;
        self.run("ninja", &["-C", "build"])?;
        Ok(&["build/serve_once", "build/serve_once_cpp"])
    }

    /// The neighbour comes first, and is searched for nothing that keirin needs.
    fn beside_rust(&self) -> Result<Programs> {
        let kind = ["--edition=2024", "--crate-type=staticlib"];
        self.run("rustc", &[&kind[..], &["neighbour.rs"]].concat())?;
        let flags = self.run("pkg-config", &["--cflags", "--libs", "keirin-static"])?;
        let program = ["-std=c11", "-Wall", "-Wextra", "-Werror", "beside_rust.c"];
        let output = ["-o", "beside_rust", "libneighbour.a"];
        let arguments: Vec<&str> = [&program[..], &output]
            .concat()
            .into_iter()
            .chain(flags.split_whitespace())
            .collect();
        self.run("cc", &arguments)?;
        Ok(&["beside_rust"])
    }
}

/// A file that names the folder it was installed in would look for it there.
fn expect_no_mention(folder: &Path, prefix: &Path) -> Result {
    let name = prefix.as_os_str().as_encoded_bytes();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            expect_no_mention(&path, prefix)?;
        } else if fs::read(&path)?
            .windows(name.len())
            .any(|part| part == name)
        {
            return Err(of(&path, "it names the folder it is installed in"));
        }
    }
    Ok(())
}

/// A static library that was passed over for the shared one would not show otherwise.
fn expect_link(program: &Path, link: Link) -> Result {
    let dynamic = capture(command("readelf", &["--dynamic"]).arg(program))?.output;
    let is_shared = dynamic
        .lines()
        .any(|line| line.contains("(NEEDED)") && line.contains("[libkeirin.so."));
    if is_shared == (link == Link::Shared) {
        return Ok(());
    }
    let text = if is_shared {
        "it loads libkeirin.so, and should have it within"
    } else {
        "it does not load libkeirin.so"
    };
    Err(of(program, text))
}
