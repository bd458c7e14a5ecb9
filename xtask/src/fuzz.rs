//! Building and running the fuzz targets in `fuzz/`, a workspace of its own.
//!
//! The instrumentation comes from stable flags of rustc and libFuzzer from its crate, so that
//! neither a nightly compiler nor another tool is needed. There is no address sanitizer: the
//! only unsafe code that it would watch is in `payload/`, whose tests go through all lengths.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::shell::{self, Result, cargo, command};

/// What libFuzzer needs to see which way an input went; and assertions, as what it looks for.
const FLAGS: &[&str] = &[
    "--cfg=fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Cllvm-args=-sanitizer-coverage-stack-depth",
    "-Cllvm-args=-simplifycfg-branch-fold-threshold=0",
    "-Cdebug-assertions",
    // With more than one, the counters keep functions from being inlined across units.
    "-Ccodegen-units=1",
];

/// An input that takes longer than this is a finding.
const INPUT_TIMEOUT: &str = "-timeout=20";

/// Fuzzes one target for `seconds`, starting from what earlier runs found and from the seeds.
pub(crate) fn run(target: &str, seconds: &str) -> Result {
    let seconds: u64 = seconds
        .parse()
        .map_err(|_| format!("`{seconds}` is no number of seconds"))?;
    let targets = targets(&fuzz_folder())?;
    if !targets.contains(target) {
        let known = Vec::from_iter(targets).join(", ");
        return Err(format!("no fuzz target `{target}`; there are: {known}").into());
    }
    let programs = build()?;
    fuzz_one(&programs, target, seconds)
}

/// Fuzzes every target, each for `seconds`.
pub(crate) fn run_all(seconds: u64) -> Result {
    let programs = build()?;
    targets(&fuzz_folder())?
        .iter()
        .try_for_each(|target| fuzz_one(&programs, target, seconds))
}

/// Runs every target once over each of its seeds.
pub(crate) fn replay_all() -> Result {
    let folder = fuzz_folder();
    let targets = targets(&folder)?;
    check_seeds(&folder, &targets)?;
    let programs = build()?;
    for target in &targets {
        let seeds = folder.join("seeds").join(target);
        let artifacts = artifacts_option(target)?;
        let arguments = [
            "-runs=0",
            INPUT_TIMEOUT,
            &artifacts,
            &seeds.to_string_lossy(),
        ];
        shell::run(&mut command(
            &programs.join(target).to_string_lossy(),
            &arguments,
        ))?;
    }
    Ok(())
}

fn fuzz_one(programs: &Path, target: &str, seconds: u64) -> Result {
    let seeds = fuzz_folder().join("seeds").join(target);
    let corpus = fuzz_folder().join("corpus").join(target);
    fs::create_dir_all(&corpus)?;
    let time = format!("-max_total_time={seconds}");
    let artifacts = artifacts_option(target)?;
    // The first folder is where new finds are written.
    let folders = [corpus.to_string_lossy(), seeds.to_string_lossy()];
    let arguments = [&time, INPUT_TIMEOUT, "-print_final_stats=1", &artifacts];
    let arguments = [
        &arguments[..],
        &folders.each_ref().map(|folder| folder.as_ref()),
    ]
    .concat();
    shell::run(&mut command(
        &programs.join(target).to_string_lossy(),
        &arguments,
    ))
}

fn fuzz_folder() -> PathBuf {
    shell::root().join("fuzz")
}

/// Where libFuzzer leaves an input that fails.
fn artifacts_option(target: &str) -> Result<String> {
    let folder = fuzz_folder().join("artifacts").join(target);
    fs::create_dir_all(&folder)?;
    Ok(format!("-artifact_prefix={}/", folder.display()))
}

/// Builds all targets; returns the folder with their executables.
fn build() -> Result<PathBuf> {
    // Naming the target keeps the flags away from build scripts, which have no libFuzzer to link.
    let host = host()?;
    let output = shell::target_folder()?.join("fuzz");
    let arguments = [
        "build",
        "--release",
        "--bins",
        "--manifest-path",
        "fuzz/Cargo.toml",
    ];
    let mut cargo = cargo(&arguments);
    cargo.args(["--target", &host, "--target-dir"]).arg(&output);
    shell::run(cargo.env("RUSTFLAGS", FLAGS.join(" ")))?;
    Ok(output.join(host).join("release"))
}

fn host() -> Result<String> {
    let about = shell::capture(&mut command("rustc", &["-vV"]))?.output;
    let host = about.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.ok_or("`rustc -vV` names no host")?.to_owned())
}

/// The names of the targets: those of the files in `fuzz_targets/`.
fn targets(fuzz: &Path) -> Result<BTreeSet<String>> {
    let manifest = fuzz.join("Cargo.toml");
    if !manifest.is_file() {
        return Err(format!("there is no {}: nothing to fuzz", manifest.display()).into());
    }
    let mut targets = BTreeSet::new();
    for path in entries(&fuzz.join("fuzz_targets"))? {
        if let (Some(name), Some("rs")) = (stem(&path), extension(&path)) {
            targets.insert(name.to_owned());
        }
    }
    if targets.is_empty() {
        return Err(format!("no targets in {}/fuzz_targets", fuzz.display()).into());
    }
    Ok(targets)
}

/// Every target has seeds, and all seeds belong to a target: a replay of nothing would pass.
fn check_seeds(fuzz: &Path, targets: &BTreeSet<String>) -> Result {
    for target in targets {
        let seeds = fuzz.join("seeds").join(target);
        if !entries(&seeds).is_ok_and(|files| !files.is_empty()) {
            return Err(format!("no seeds in {}", seeds.display()).into());
        }
    }
    for seeds in entries(&fuzz.join("seeds"))? {
        if !stem(&seeds).is_some_and(|name| targets.contains(name)) {
            return Err(format!("{} belongs to no fuzz target", seeds.display()).into());
        }
    }
    Ok(())
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let listing = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    Ok(listing
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<std::io::Result<_>>()?)
}

fn stem(path: &Path) -> Option<&str> {
    path.file_stem()?.to_str()
}

fn extension(path: &Path) -> Option<&str> {
    path.extension()?.to_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder in the temporary directory that goes away at the end of its test.
    struct Folder(PathBuf);

    impl Folder {
        fn with(name: &str, files: &[&str]) -> Self {
            let folder = Self(std::env::temp_dir().join(format!("{name}-{}", std::process::id())));
            for file in files {
                let path = folder.0.join(file);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, "").unwrap();
            }
            folder
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn targets_are_the_rust_files() {
        let files = [
            "Cargo.toml",
            "fuzz_targets/head.rs",
            "fuzz_targets/notes.md",
        ];
        let fuzz = Folder::with("targets", &files);
        assert_eq!(Vec::from_iter(targets(&fuzz.0).unwrap()), ["head"]);
    }

    #[test]
    fn a_missing_manifest_is_an_error() {
        let fuzz = Folder::with("no-manifest", &["fuzz_targets/head.rs"]);
        assert!(
            targets(&fuzz.0)
                .unwrap_err()
                .to_string()
                .contains("nothing to fuzz")
        );
    }

    #[test]
    fn seeds_and_targets_belong_together() {
        let targets = BTreeSet::from(["head".to_owned()]);
        let good = Folder::with("good", &["seeds/head/get"]);
        check_seeds(&good.0, &targets).unwrap();

        let none = Folder::with("none", &["seeds/other/get"]);
        assert!(
            check_seeds(&none.0, &targets)
                .unwrap_err()
                .to_string()
                .contains("no seeds in")
        );

        let orphan = Folder::with("orphan", &["seeds/head/get", "seeds/old/get"]);
        let error = check_seeds(&orphan.0, &targets).unwrap_err().to_string();
        assert!(error.ends_with("old belongs to no fuzz target"), "{error}");
    }
}
