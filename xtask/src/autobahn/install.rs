//! The testsuite, installed below the target folder. It is a program for Python 2.7, which is
//! looked for in several places and, where a Debian has none, taken from the last Debian that had.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use std::{env, iter};

use super::process;
use crate::shell::{self, Result, capture, command, find_program};

/// Names another interpreter than those that are looked for.
const VARIABLE: &str = "KEIRIN_PYTHON27";

/// The last release of Debian with Python 2.7, and what of it the testsuite needs.
const DEBIAN: &str = "bullseye";
const DEBIAN_PACKAGES: &[&str] = &[
    "python2.7-minimal",
    "libpython2.7-minimal",
    "libpython2.7-stdlib",
    // With the headers for the testsuite's own C code.
    "libpython2.7-dev",
    "libssl1.1",
    "libffi7",
];
const DEBIAN_KEYS: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// For every step that loads or builds something. It takes a minute in all.
const STEP_TIME: Duration = Duration::from_secs(300);

/// The folder that everything about the testsuite lies in.
pub(crate) fn folder() -> Result<PathBuf> {
    Ok(shell::target_folder()?.join("autobahn"))
}

/// An interpreter of Python 2.7.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Python {
    program: PathBuf,
    /// The folder that it was unpacked to, away from where it expects its libraries.
    unpacked: Option<PathBuf>,
}

impl Python {
    /// A command that can use this interpreter, or the environment made from it.
    fn command(&self, program: &Path) -> Result<Command> {
        let mut command = command(&program.to_string_lossy(), &[]);
        command.env("PIP_DISABLE_PIP_VERSION_CHECK", "1");
        if let Some(unpacked) = &self.unpacked {
            command.env("CPATH", unpacked.join("usr/include"));
            command.env("LD_LIBRARY_PATH", library_path(&unpacked.join("usr/lib"))?);
        }
        Ok(command)
    }

    /// Whether it starts, and is a 2.7. A shim of pyenv may be there and start nothing.
    fn is_usable(&self) -> Result<bool> {
        let mut command = self.command(&self.program)?;
        command.args([
            "-c",
            "import sys, ssl; print(sys.version_info[:2] == (2, 7))",
        ]);
        Ok(capture(&mut command).is_ok_and(|done| done.output.trim() == "True"))
    }
}

/// The installed testsuite.
pub(crate) struct Testsuite {
    python: Python,
    environment: PathBuf,
}

impl Testsuite {
    /// Finds the testsuite, or installs it where it is not there in the versions asked for.
    pub(crate) fn install() -> Result<Self> {
        let folder = folder()?;
        fs::create_dir_all(&folder)?;
        let environment = folder.join("environment");
        let python = find_python(&folder)?;
        let installed = environment.join("installed");
        let lists = shell::root().join("tests/autobahn");
        let [layout, packages] = ["virtualenv.txt", "requirements.txt"].map(|it| lists.join(it));
        let wanted = [
            fs::read_to_string(&layout)?,
            fs::read_to_string(&packages)?,
            python.program.display().to_string(),
        ];
        let wanted = wanted.concat();
        let testsuite = Self {
            python,
            environment,
        };
        if fs::read_to_string(&installed).is_ok_and(|text| text == wanted) {
            return Ok(testsuite);
        }
        testsuite.make(&folder, &layout, &packages)?;
        // Written last: an installation that was broken off is done again.
        fs::write(&installed, wanted)?;
        Ok(testsuite)
    }

    /// A Python script, run with the testsuite's modules.
    pub(crate) fn script(&self, path: &Path) -> Result<Command> {
        let mut command = self.python.command(&self.environment.join("bin/python"))?;
        // Old modules warn of their age.
        command.args(["-W", "ignore"]).arg(path);
        Ok(command)
    }

    /// The testsuite as a client that tries servers.
    pub(crate) fn client(&self, specification: &Path) -> Result<Command> {
        let mut command = self.script(&self.environment.join("bin/wstest"))?;
        command.args(["--mode", "fuzzingclient", "--spec"]);
        command.arg(specification);
        Ok(command)
    }

    fn make(&self, folder: &Path, layout: &Path, packages: &Path) -> Result {
        println!(
            "installing Autobahn's testsuite with {}",
            self.python.program.display()
        );
        // A Python 2.7 need not have pip: virtualenv brings one along, and runs on Python 3.
        let virtualenv = folder.join("virtualenv");
        remove(&virtualenv)?;
        let mut pip = self.python.command(Path::new("python3"))?;
        pip.args(["-m", "pip", "install", "--no-deps", "--target"]);
        pip.arg(&virtualenv).arg("--requirement").arg(layout);
        step(folder, "pip install virtualenv", &mut pip)?;

        remove(&self.environment)?;
        let mut make = self.python.command(Path::new("python3"))?;
        make.env("PYTHONPATH", &virtualenv);
        make.args(["-m", "virtualenv", "--python"]);
        make.arg(&self.python.program).arg(&self.environment);
        step(folder, "virtualenv", &mut make)?;

        let mut pip = self.python.command(&self.environment.join("bin/python"))?;
        pip.args(["-m", "pip", "install", "--no-deps", "--requirement"]);
        step(folder, "pip install autobahntestsuite", pip.arg(packages))
    }
}

fn step(folder: &Path, name: &str, command: &mut Command) -> Result {
    process::run(name, command, &folder.join("install.log"), STEP_TIME)
}

fn find_python(folder: &Path) -> Result<Python> {
    if let Some(program) = env::var_os(VARIABLE) {
        let python = Python {
            program: program.into(),
            unpacked: None,
        };
        return if python.is_usable()? {
            Ok(python)
        } else {
            let program = python.program.display();
            Err(format!("{VARIABLE}: {program} is no Python 2.7 with ssl").into())
        };
    }
    let unpacked = folder.join("python27");
    for python in candidates(&unpacked) {
        if python.is_usable()? {
            return Ok(python);
        }
    }
    unpack(folder, &unpacked).map_err(|error| {
        format!(
            "Autobahn's testsuite needs Python 2.7, and there is none: no `python2.7` or `pypy` \
             that starts, and no 2.7 among pyenv's versions. Do one of these:\n\
             - pyenv install 2.7.18\n\
             - set {VARIABLE} to a CPython or PyPy 2.7 with ssl\n\
             - apt-get install debian-archive-keyring, so that it can be taken from Debian \
             {DEBIAN}, which failed here:\n  {error}"
        )
        .into()
    })
}

/// Where a Python 2.7 may be, the best first.
fn candidates(unpacked: &Path) -> impl Iterator<Item = Python> {
    let named = |name: &str| find_program(name).into_iter();
    let programs = named("python2.7").chain(pyenv()).chain(named("pypy"));
    programs
        .map(|program| Python {
            program,
            unpacked: None,
        })
        .chain(iter::once(in_debian(unpacked)))
}

/// All of pyenv's 2.7 versions, the newest first.
fn pyenv() -> Vec<PathBuf> {
    let Ok(root) = capture(&mut command("pyenv", &["root"])) else {
        return Vec::new();
    };
    let versions = Path::new(root.output.trim()).join("versions");
    let mut names: Vec<OsString> = fs::read_dir(&versions)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name())
        .filter(|name| name.to_string_lossy().starts_with("2.7"))
        .collect();
    names.sort_by_key(|name| std::cmp::Reverse((name.len(), name.clone())));
    let program = |name| versions.join(name).join("bin/python");
    names.into_iter().map(program).collect()
}

fn in_debian(unpacked: &Path) -> Python {
    Python {
        program: unpacked.join("usr/bin/python2.7"),
        unpacked: Some(unpacked.to_owned()),
    }
}

/// Unpacks Debian's Python 2.7 with an apt that keeps all its state in our folder, and checks
/// signatures as ever.
fn unpack(folder: &Path, unpacked: &Path) -> Result<Python> {
    if !Path::new(DEBIAN_KEYS).is_file() {
        return Err(format!("there is no {DEBIAN_KEYS}").into());
    }
    let mirror = debian_mirror()?;
    let state = folder.join("apt");
    remove(&state)?;
    for part in ["lists/partial", "cache/archives/partial"] {
        fs::create_dir_all(state.join(part))?;
    }
    fs::write(state.join("status"), "")?;
    let sources = format!("deb [signed-by={DEBIAN_KEYS}] {mirror} {DEBIAN} main\n");
    fs::write(state.join("sources.list"), sources)?;
    println!("unpacking Python 2.7 from Debian {DEBIAN}");
    // Without the option, a mirror that cannot be reached is a mere warning.
    let mut update = apt_get(&state);
    update.args(["-o", "APT::Update::Error-Mode=any", "update"]);
    step(folder, "apt-get update", &mut update)?;
    let mut download = apt_get(&state);
    download.arg("download").args(DEBIAN_PACKAGES);
    step(folder, "apt-get download", &mut download)?;
    remove(unpacked)?;
    for entry in fs::read_dir(&state)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "deb") {
            let mut extract = command("dpkg-deb", &["--extract"]);
            step(folder, "dpkg-deb", extract.arg(&path).arg(unpacked))?;
        }
    }
    let python = in_debian(unpacked);
    if python.is_usable()? {
        Ok(python)
    } else {
        Err(format!("{} does not start", python.program.display()).into())
    }
}

/// An apt that reads and writes nothing of the system's own state.
fn apt_get(state: &Path) -> Command {
    let mut apt = command("apt-get", &["-o", "Dir::Etc::sourceparts=-"]);
    for (option, part) in [
        ("Dir::Etc::sourcelist", "sources.list"),
        ("Dir::State::lists", "lists"),
        ("Dir::State::status", "status"),
        ("Dir::Cache", "cache"),
    ] {
        let value = state.join(part);
        apt.args(["-o", &format!("{option}={}", value.display())]);
    }
    // Its own user can't write here.
    apt.args(["-o", "APT::Sandbox::User="]).current_dir(state);
    apt
}

/// The mirror that this system's own packages come from.
fn debian_mirror() -> Result<String> {
    let format = "$(REPO_URI) $(CREATED_BY)";
    let targets = capture(&mut command(
        "apt-get",
        &["indextargets", "--format", format],
    ))?;
    let mirror = targets.output.lines().find_map(|line| {
        let uri = line.strip_suffix(" Packages")?;
        uri.ends_with("/debian/").then(|| uri.to_owned())
    });
    Ok(mirror.ok_or("apt has no mirror of Debian among its sources")?)
}

/// The folders of shared libraries below `lib`: one for each architecture.
fn library_path(lib: &Path) -> Result<OsString> {
    let entries = fs::read_dir(lib).into_iter().flatten().flatten();
    let folders = entries.map(|entry| entry.path());
    let is_library = |path: &PathBuf| path.to_string_lossy().ends_with("-linux-gnu");
    Ok(env::join_paths(folders.filter(is_library))?)
}

fn remove(folder: &Path) -> Result {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_python_27_is_not_usable() {
        for program in ["true", "false", "no-such-program", "python3"] {
            let program = program.into();
            let unpacked = None;
            assert!(!Python { program, unpacked }.is_usable().unwrap());
        }
    }

    #[test]
    fn the_unpacked_python_is_the_last_resort_and_finds_its_libraries() {
        let name = format!("autobahn-python27-{}", std::process::id());
        let folder = env::temp_dir().join(name);
        for part in ["x86_64-linux-gnu", "python2.7"] {
            fs::create_dir_all(folder.join("usr/lib").join(part)).unwrap();
        }
        let python = candidates(&folder).last().unwrap();
        assert_eq!(python, in_debian(&folder));
        let command = python.command(&python.program).unwrap();
        let variables: Vec<_> = command.get_envs().collect();
        let libraries = folder.join("usr/lib/x86_64-linux-gnu");
        fs::remove_dir_all(&folder).unwrap();
        assert!(
            variables.contains(&("LD_LIBRARY_PATH".as_ref(), Some(libraries.as_os_str()))),
            "{variables:?}"
        );
    }
}
