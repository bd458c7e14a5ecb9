//! `keirin-bench`: see `keirin-bench help`, or the README beside this package.

use std::process::ExitCode;

fn main() -> ExitCode {
    keirin_bench::cli::run(std::env::args_os().skip(1))
}
