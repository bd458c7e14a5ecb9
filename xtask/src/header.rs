//! `cargo xtask header`: the C header is what the crate `keirin-ffi` says, and every compiler that
//! is supported takes it, and the C++ header, without a warning.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::install;
use crate::shell::{self, Result, capture, cargo, command};

const C_HEADER: &str = "include/keirin.h";
const CPP_HEADER: &str = "include/keirin.hpp";

/// Compilers, and what they take.
const LANGUAGES: &[Language] = &[
    Language {
        compilers: &["gcc", "clang"],
        extension: "c",
        options: &["-std=c11"],
        headers: &[C_HEADER],
    },
    Language {
        compilers: &["g++", "clang++"],
        extension: "cpp",
        options: &["-std=c++17"],
        headers: &[C_HEADER, CPP_HEADER],
    },
    // Many programs do without exceptions and type information.
    Language {
        compilers: &["g++", "clang++"],
        extension: "cpp",
        options: &["-std=c++17", "-fno-exceptions", "-fno-rtti"],
        headers: &[CPP_HEADER],
    },
];

const WARNINGS: &[&str] = &["-Wall", "-Wextra", "-Werror", "-pedantic"];

struct Language {
    compilers: &'static [&'static str],
    extension: &'static str,
    options: &'static [&'static str],
    headers: &'static [&'static str],
}

/// Writes the header.
pub(crate) fn write() -> Result {
    fs::write(shell::root().join(C_HEADER), generate()?)?;
    Ok(())
}

/// Fails if the header is not what would be written, or if a compiler has something to say.
pub(crate) fn check() -> Result {
    let folder = shell::target_folder()?.join("header");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    compare(&folder)?;
    let prefix = install::for_tests()?;
    let check = Check { folder, prefix };
    for language in LANGUAGES {
        for header in language.headers.iter().filter(|header| exists(header)) {
            for compiler in language.compilers {
                let said = check.run(compiler, language, header)?;
                println!("{compiler} {} {header}: {said}", language.options.join(" "));
            }
        }
    }
    Ok(())
}

fn exists(header: &str) -> bool {
    shell::root().join(header).is_file()
}

fn generate() -> Result<String> {
    let arguments = ["run", "--quiet", "--package", "keirin-header", "--", "ffi"];
    Ok(capture(&mut cargo(&arguments))?.output)
}

fn compare(folder: &Path) -> Result {
    let generated = folder.join("keirin.h");
    fs::write(&generated, generate()?)?;
    let mut diff = command("git", &["diff", "--no-index", "--exit-code", C_HEADER]);
    capture(diff.arg(&generated)).map(|_| ()).map_err(|error| {
        format!("{error}\n{C_HEADER} is not up to date: `cargo xtask header` writes it").into()
    })
}

/// Where a check of the headers works.
struct Check {
    /// For units and programs.
    folder: PathBuf,
    /// Where the headers and the library are installed.
    prefix: PathBuf,
}

impl Check {
    /// Compiles two units that include the header twice each, links them, and runs the program. It
    /// returns what the program says.
    fn run(&self, compiler: &str, language: &Language, header: &str) -> Result<String> {
        let program = self.folder.join("program");
        let mut build = command(compiler, language.options);
        build.args(WARNINGS);
        build.arg("-I").arg(self.prefix.join("include"));
        for (name, code) in UNITS {
            build.arg(self.write_unit(name, language.extension, header, code)?);
        }
        build.arg("-o").arg(&program);
        let libraries = self.prefix.join("lib");
        build.arg("-L").arg(&libraries).arg("-lkeirin");
        build.arg(format!("-Wl,-rpath,{}", libraries.display()));
        capture(&mut build)?;
        let said = capture(&mut Command::new(&program))?.output;
        Ok(said.trim_end().to_owned())
    }

    fn write_unit(&self, name: &str, extension: &str, header: &str, code: &str) -> Result<PathBuf> {
        let path = self.folder.join(name).with_extension(extension);
        let header = header.trim_start_matches("include/");
        let include = format!("#include <{header}>\n");
        fs::write(&path, include.repeat(2) + code)?;
        Ok(path)
    }
}

/// A program in two units: one of them says what version its header has.
const UNITS: [(&str, &str); 2] = [
    (
        "version",
        "
uint32_t version_of_header(void);

uint32_t version_of_header(void) {
    return KEIRIN_VERSION_NUMBER;
}
",
    ),
    (
        "main",
        r#"
#include <stdio.h>

uint32_t version_of_header(void);

int main(void) {
    unsigned library = keirin_version_number();
    unsigned header = version_of_header();
    printf("keirin_version_number() is %u, KEIRIN_VERSION_NUMBER is %u\n", library, header);
    return library == header ? 0 : 1;
}
"#,
    ),
];
