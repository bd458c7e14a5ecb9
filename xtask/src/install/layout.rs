//! Where things go: `--prefix`, `--libdir`, `--destdir`.

use std::path::{Component, Path, PathBuf};

use crate::shell::Result;

const USAGE: &str = "usage: cargo xtask install --prefix DIR [--libdir DIR] [--destdir DIR]";

/// The folders of an installation.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// Where the files are meant to lie.
    prefix: PathBuf,
    /// The libraries' folder below the prefix: `lib`, or `lib/x86_64-linux-gnu`.
    libdir: PathBuf,
    /// What stands for `/` for now: where a package is put together.
    destdir: Option<PathBuf>,
}

impl Layout {
    /// Everything below this folder, in the usual places.
    pub(super) fn below(prefix: &Path) -> Self {
        Self {
            prefix: prefix.to_owned(),
            libdir: "lib".into(),
            destdir: None,
        }
    }

    /// Reads the command line.
    pub(super) fn parse(arguments: &[&str]) -> Result<Self> {
        let (mut prefix, mut libdir, mut destdir) = (None, None, None);
        let mut rest = arguments;
        while let [name, after @ ..] = rest {
            let place = match *name {
                "--prefix" => &mut prefix,
                "--libdir" => &mut libdir,
                "--destdir" => &mut destdir,
                other => return Err(format!("what is `{other}`?\n{USAGE}").into()),
            };
            let [folder, after @ ..] = after else {
                return Err(format!("{name} wants a folder\n{USAGE}").into());
            };
            if folder.is_empty() || place.replace(PathBuf::from(folder)).is_some() {
                return Err(format!("{name} wants one folder\n{USAGE}").into());
            }
            rest = after;
        }
        let prefix = prefix.ok_or_else(|| format!("--prefix is missing\n{USAGE}"))?;
        let prefix = std::path::absolute(prefix)?;
        let libdir = libdir.unwrap_or_else(|| "lib".into());
        Ok(Self {
            libdir: below(&prefix, &libdir)?,
            destdir: destdir.map(std::path::absolute).transpose()?,
            prefix,
        })
    }

    /// The prefix, as it can be written to now.
    pub(super) fn root(&self) -> PathBuf {
        match &self.destdir {
            Some(destdir) => destdir.join(self.prefix.strip_prefix("/").unwrap_or(&self.prefix)),
            None => self.prefix.clone(),
        }
    }

    /// A file below the libraries' folder.
    pub(super) fn libdir(&self, file: &str) -> PathBuf {
        self.root().join(&self.libdir).join(file)
    }

    /// The way up to the prefix from a folder that lies `depth` levels below the libraries' folder.
    pub(super) fn up(&self, depth: usize) -> String {
        vec![".."; depth + self.libdir.components().count()].join("/")
    }
}

/// The libraries' folder as seen from the prefix. It has to lie below, for what is installed finds
/// its other files from there.
fn below(prefix: &Path, libdir: &Path) -> Result<PathBuf> {
    let outside = || format!("--libdir has to be below {}", prefix.display());
    let path = if libdir.is_absolute() {
        libdir.strip_prefix(prefix).map_err(|_| outside())?
    } else {
        libdir
    };
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => plain.push(name),
            Component::CurDir => (),
            _ => return Err(outside().into()),
        }
    }
    if plain.as_os_str().is_empty() {
        return Err(outside().into());
    }
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(arguments: &[&str]) -> String {
        let error = Layout::parse(arguments).unwrap_err().to_string();
        error.lines().next().unwrap_or_default().to_owned()
    }

    #[test]
    fn the_prefix_is_enough() {
        let layout = Layout::parse(&["--prefix", "/usr/local"]).unwrap();
        assert_eq!(layout, Layout::below(Path::new("/usr/local")));
        assert_eq!(
            layout.libdir("libkeirin.a"),
            Path::new("/usr/local/lib/libkeirin.a")
        );
        assert_eq!((layout.up(0), layout.up(1)), ("..".into(), "../..".into()));
    }

    #[test]
    fn a_package_is_put_together_elsewhere() {
        let layout = Layout::parse(&[
            "--destdir",
            "/tmp/stage",
            "--libdir",
            "lib/x86_64-linux-gnu",
            "--prefix",
            "/usr",
        ])
        .unwrap();
        assert_eq!(layout.root(), Path::new("/tmp/stage/usr"));
        assert_eq!(
            layout.libdir("libkeirin.so"),
            Path::new("/tmp/stage/usr/lib/x86_64-linux-gnu/libkeirin.so")
        );
        assert_eq!(layout.up(1), "../../..");
    }

    #[test]
    fn the_library_folder_may_be_named_in_full() {
        let arguments = ["--prefix", "/usr", "--libdir", "/usr/./lib64/"];
        assert_eq!(
            Layout::parse(&arguments).unwrap().libdir,
            Path::new("lib64")
        );
    }

    #[test]
    fn the_library_folder_lies_below_the_prefix() {
        for libdir in ["/lib", "../lib", ".", "/usr", "lib/../.."] {
            let arguments = ["--prefix", "/usr", "--libdir", libdir];
            assert_eq!(refused(&arguments), "--libdir has to be below /usr");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert_eq!(refused(&[]), "--prefix is missing");
        assert_eq!(refused(&["--libdir", "lib"]), "--prefix is missing");
        assert_eq!(refused(&["--prefix"]), "--prefix wants a folder");
        assert_eq!(refused(&["--prefix", ""]), "--prefix wants one folder");
        assert_eq!(
            refused(&["--prefix", "/a", "--prefix", "/b"]),
            "--prefix wants one folder"
        );
        assert_eq!(refused(&["--root", "/a"]), "what is `--root`?");
    }
}
