//! Starting other programs, and where things are. May use nothing else of xtask.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fmt::Write as _};

/// What every command gives back: the text of an error is all that is ever done with it.
pub(crate) type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

/// The root of the repository, as cargo names it now: clones may share their target folder, and so
/// the executable that was built in one of them.
pub(crate) fn root() -> PathBuf {
    let package = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let package = package.unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    let root = package.parent().expect("xtask/ lies below the root");
    root.to_owned()
}

/// A command that starts in the root of the repository.
pub(crate) fn command(program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(root());
    command
}

/// The same cargo that runs this tool.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    command(
        &env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()),
        arguments,
    )
}

/// Shows the command, runs it on our own terminal and fails, naming it, if it does.
pub(crate) fn run(command: &mut Command) -> Result {
    let line = display(command);
    println!("$ {line}");
    let status = command
        .status()
        .map_err(|error| format!("`{line}`: {error}"))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("`{line}` failed: {status}").into())
    }
}

/// What the command wrote, on standard output and on standard error.
pub(crate) struct Captured {
    /// Its standard output.
    pub(crate) output: String,
    /// Its standard error.
    pub(crate) errors: String,
}

/// Runs the command and keeps what it writes. A failure shows all of it: compilers write errors to
/// one stream, and those who start them to the other.
pub(crate) fn capture(command: &mut Command) -> Result<Captured> {
    let line = display(command);
    let done = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("`{line}`: {error}"))?;
    let output = String::from_utf8_lossy(&done.stdout).into_owned();
    let errors = String::from_utf8_lossy(&done.stderr).into_owned();
    if !done.status.success() {
        return Err(format!("{output}{errors}`{line}` failed: {}", done.status).into());
    }
    Ok(Captured { output, errors })
}

/// Where cargo puts its output for this workspace: this tool lies in `TARGET/debug/`.
pub(crate) fn target_folder() -> Result<PathBuf> {
    let this = env::current_exe()?;
    let folder = this
        .ancestors()
        .nth(2)
        .ok_or("this tool was not started by cargo")?;
    Ok(folder.to_owned())
}

/// The executable of that name, looked up as a shell would, and where servers are installed.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin")])
        .map(|folder| folder.join(name))
        .find(|candidate| candidate.is_file())
}

/// The command as one would type it.
fn display(command: &Command) -> String {
    let mut line = String::new();
    for (name, value) in command.get_envs() {
        let value = value.unwrap_or_default().to_string_lossy();
        // Writing to a `String` cannot fail.
        let _ = write!(line, "{}={} ", name.to_string_lossy(), quoted(&value));
    }
    let program = command.get_program();
    let is_cargo = Path::new(program)
        .file_name()
        .is_some_and(|name| name == "cargo");
    line.push_str(
        if is_cargo {
            "cargo".into()
        } else {
            program.to_string_lossy()
        }
        .as_ref(),
    );
    for argument in command.get_args() {
        line.push(' ');
        line.push_str(&quoted(&argument.to_string_lossy()));
    }
    line
}

fn quoted(word: &str) -> String {
    if word.contains(' ') {
        format!("'{word}'")
    } else {
        word.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_command_is_named() {
        let error = run(&mut command("false", &["two words"]))
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("`false 'two words'` failed: exit status: 1"),
            "{error}"
        );
    }

    #[test]
    fn a_missing_command_is_named() {
        let error = run(&mut command("no-such-program", &[]))
            .unwrap_err()
            .to_string();
        assert!(error.starts_with("`no-such-program`: "), "{error}");
    }

    #[test]
    fn the_environment_is_part_of_what_is_shown() {
        let mut command = command("/usr/bin/env", &["-u", "A"]);
        assert_eq!(
            display(command.env("B", "c d")),
            "B='c d' /usr/bin/env -u A"
        );
        assert_eq!(
            display(&super::command("/opt/bin/cargo", &["build"])),
            "cargo build"
        );
    }

    #[test]
    fn capture_keeps_both_streams() {
        let done = capture(&mut command("sh", &["-c", "echo out; echo err >&2"])).unwrap();
        assert_eq!(
            (done.output.as_str(), done.errors.as_str()),
            ("out\n", "err\n")
        );
    }

    #[test]
    fn programs_are_found_by_name() {
        assert!(find_program("sh").is_some());
        assert!(find_program("no-such-program").is_none());
    }
}
