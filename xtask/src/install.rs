//! `cargo xtask install`: the C library, its headers, and what build systems and readers look for,
//! as a distribution lays them out.
//!
//! Nothing that is installed names the prefix, so that the whole can be moved.

mod consumers;
mod layout;
mod library;
mod symbols;

use std::fs;
use std::os::unix::fs as unix;
use std::path::{Path, PathBuf};

pub(crate) use consumers::run as test_consumers;
pub(crate) use symbols::run as run_symbols;

use crate::shell::{self, Result, capture, command};
use layout::Layout;
use library::Library;

/// What is copied as it is: from where in the tree, and to where below the prefix.
const COPIES: &[(&str, &str)] = &[
    ("CHANGELOG.md", "share/doc/keirin/CHANGELOG.md"),
    ("LICENSE-APACHE", "share/doc/keirin/LICENSE-APACHE"),
    ("LICENSE-MIT", "share/doc/keirin/LICENSE-MIT"),
    ("docs/c.md", "share/doc/keirin/c.md"),
    ("docs/c-examples.md", "share/doc/keirin/c-examples.md"),
    ("docs/cpp.md", "share/doc/keirin/cpp.md"),
    ("docs/compression.md", "share/doc/keirin/compression.md"),
];

/// How the names of headers end.
const HEADERS: [&str; 2] = ["h", "hpp"];

/// Installs to the folders that the arguments name.
pub(crate) fn run(arguments: &[&str]) -> Result {
    let layout = Layout::parse(arguments)?;
    install(&layout)?;
    println!("installed in {}", layout.root().display());
    Ok(())
}

/// Installs where tests look, with nothing left of earlier times, and says where that is.
pub(crate) fn for_tests() -> Result<PathBuf> {
    let prefix = test_prefix()?;
    if prefix.exists() {
        fs::remove_dir_all(&prefix).map_err(|error| of(&prefix, error))?;
    }
    install(&Layout::below(&prefix))?;
    Ok(prefix)
}

/// The prefix of the installation for tests.
pub(crate) fn test_prefix() -> Result<PathBuf> {
    Ok(shell::target_folder()?.join("prefix"))
}

fn install(layout: &Layout) -> Result {
    let library = Library::build()?;
    install_library(&library, layout)?;
    let (tree, prefix) = (shell::root(), layout.root());
    for (from, to) in COPIES {
        copy(&tree.join(from), &prefix.join(to))?;
    }
    copy_headers(&tree.join("include"), &prefix.join("include"))?;
    install_templates(&library, layout)
}

/// The libraries themselves. What a debugger wants to know of the shared one lies in `.debug/`
/// beside it, where debuggers look; the static one carries nothing of it.
fn install_library(library: &Library, layout: &Layout) -> Result {
    let file_name = format!("libkeirin.so.{}", library.version);
    let debug = layout.libdir(&format!(".debug/{file_name}.debug"));
    copy(&library.debug, &debug)?;
    copy(&library.shared, &layout.libdir(&file_name))?;
    for name in [library.soname.as_str(), "libkeirin.so"] {
        replace(&layout.libdir(name), |new| unix::symlink(&file_name, new))?;
    }
    copy(&library.archive, &layout.libdir("libkeirin.a"))
}

/// What build systems and `man` read, with what is known of the library filled in.
fn install_templates(library: &Library, layout: &Layout) -> Result {
    let libdir = |path| layout.libdir(path);
    let places = [
        ("keirin.pc.in", libdir("pkgconfig/keirin.pc")),
        ("keirin-static.pc.in", libdir("pkgconfig/keirin-static.pc")),
        (
            "keirinConfig.cmake.in",
            libdir("cmake/keirin/keirinConfig.cmake"),
        ),
        (
            "keirinConfigVersion.cmake.in",
            libdir("cmake/keirin/keirinConfigVersion.cmake"),
        ),
        ("keirin.3.in", layout.root().join("share/man/man3/keirin.3")),
    ];
    let values = values(library, layout);
    for (template, to) in places {
        let template = shell::root().join("ffi/packaging").join(template);
        let text = fill(&read(&template)?, &values).map_err(|error| of(&template, error))?;
        replace(&to, |new| fs::write(new, &text))?;
    }
    Ok(())
}

/// What stands for the names between two `@` of a template.
fn values(library: &Library, layout: &Layout) -> Vec<(&'static str, String)> {
    let major = library.version.split('.').next().unwrap_or_default();
    vec![
        ("VERSION", library.version.clone()),
        ("MAJOR", major.to_owned()),
        ("SONAME", library.soname.clone()),
        ("POINTER_BYTES", size_of::<usize>().to_string()),
        ("SYSTEM_LIBRARIES", library.system_libraries.join(" ")),
        ("SYSTEM_LIBRARIES_LIST", library.system_libraries.join(";")),
        ("UP_FROM_LIBDIR", layout.up(0)),
        ("UP_FROM_PKGCONFIG", layout.up(1)),
    ]
}

/// The template with a value for each `@NAME@`. A name without a value is an error.
fn fill(template: &str, values: &[(&'static str, String)]) -> Result<String> {
    let mut filled = template.to_owned();
    for (name, value) in values {
        filled = filled.replace(&format!("@{name}@"), value);
    }
    match filled.lines().find(|line| line.contains('@')) {
        None => Ok(filled),
        Some(line) => Err(format!("no value for what `{line}` names").into()),
    }
}

/// Copies the headers for C and C++ below a folder, and nothing else that lies there.
fn copy_headers(from: &Path, to: &Path) -> Result {
    for entry in fs::read_dir(from).map_err(|error| of(from, error))? {
        let path = entry?.path();
        let to = to.join(path.file_name().expect("an entry has a name"));
        if path.is_dir() {
            copy_headers(&path, &to)?;
        } else if HEADERS
            .iter()
            .any(|end| path.extension() == Some(end.as_ref()))
        {
            copy(&path, &to)?;
        }
    }
    Ok(())
}

/// Copies a file; `to` keeps its old content until the new one is there as a whole.
fn copy(from: &Path, to: &Path) -> Result {
    if !from.is_file() {
        return Err(format!("{}: no such file", from.display()).into());
    }
    replace(to, |new| fs::copy(from, new).map(|_| ()))
}

/// Makes a file under a new name and then puts it in the place of `path`: programs that run with
/// the old one keep it, and a second run finds nothing in its way.
fn replace(path: &Path, make: impl FnOnce(&Path) -> std::io::Result<()>) -> Result {
    let attempt = || {
        let folder = path.parent().expect("every file is below the root");
        fs::create_dir_all(folder)?;
        let new = path.with_added_extension("new");
        match fs::remove_file(&new) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => (),
        }
        make(&new)?;
        fs::rename(&new, path)
    };
    attempt().map_err(|error| of(path, error))
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(|error| of(path, error))
}

/// The error, with the file it is about.
fn of(path: &Path, error: impl std::fmt::Display) -> Box<dyn std::error::Error> {
    format!("{}: {error}", path.display()).into()
}

/// Kind and name of each symbol that `nm` finds with these arguments.
fn defined_symbols(library: &Path, arguments: &[&str]) -> Result<Vec<(String, String)>> {
    let listing = capture(command("nm", arguments).arg("--defined-only").arg(library))?.output;
    let symbols = listing.lines().filter_map(|line| {
        let mut fields = line.split_whitespace().skip(1);
        Some((fields.next()?.to_owned(), fields.next()?.to_owned()))
    });
    Ok(symbols.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An empty folder of this test's own.
    fn folder(name: &str) -> PathBuf {
        let folder = shell::target_folder()
            .unwrap()
            .join("install-tests")
            .join(name);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn every_name_in_a_template_has_a_value() {
        let values = [("VERSION", "1.2.3".to_owned())];
        assert_eq!(fill("a @VERSION@\nb", &values).unwrap(), "a 1.2.3\nb");
        let error = fill("a\nb @PREFIX@ c", &values).unwrap_err().to_string();
        assert_eq!(error, "no value for what `b @PREFIX@ c` names");
    }

    #[test]
    fn what_is_there_is_replaced() {
        let folder = folder("replace");
        let link = folder.join("lib/link");
        for target in ["one", "two"] {
            replace(&link, |new| unix::symlink(target, new)).unwrap();
            assert_eq!(fs::read_link(&link).unwrap(), Path::new(target));
        }
        // What a run that was cut short has left is in nobody's way.
        fs::write(folder.join("lib/link.new"), "half").unwrap();
        replace(&link, |new| fs::write(new, "whole")).unwrap();
        assert_eq!(fs::read_to_string(&link).unwrap(), "whole");
        assert_eq!(fs::read_dir(folder.join("lib")).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let file = folder("errors").join("file");
        fs::write(&file, "").unwrap();
        let error = copy(&file, &file.join("lib/libkeirin.a")).unwrap_err();
        let path = file.join("lib/libkeirin.a");
        assert!(error.to_string().starts_with(&path.display().to_string()));
        let error = copy(&path, &file).unwrap_err().to_string();
        assert_eq!(error, format!("{}: no such file", path.display()));
    }

    #[test]
    fn headers_are_copied_from_all_levels_and_nothing_else() {
        let (from, to) = (folder("headers"), folder("copies"));
        fs::create_dir(from.join("keirin")).unwrap();
        for name in ["keirin.h", "keirin/app.hpp", "README.md"] {
            fs::write(from.join(name), name).unwrap();
        }
        copy_headers(&from, &to).unwrap();
        assert!(to.join("keirin.h").is_file() && to.join("keirin/app.hpp").is_file());
        assert_eq!(fs::read_dir(&to).unwrap().count(), 2);
    }
}
