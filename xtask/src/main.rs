//! The project's own tool, in Rust instead of shell: `cargo xtask COMMAND`.
//!
//! It starts other programs and reads the tree. It depends on nothing but the standard library, so
//! that the first thing a fresh clone builds is built within seconds.

#![allow(
    clippy::print_stdout,
    reason = "a command line tool talks on standard output"
)]

mod autobahn;
mod bench;
mod fuzz;
mod header;
mod icount;
mod install;
mod node;
mod prepare;
mod shell;
mod test;
mod tidy;

use std::env;
use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  test [--full]             every test, in order; --full runs all of Autobahn's testsuite, not a
                            sample of its slow cases, misuses the C interface under a
                            sanitizer, and fuzzes each target for 60 s
  tidy                      style, layering, dead files, links
  autobahn [--full | --cases 1.*,9.7.6]
                            Autobahn's testsuite for WebSocket alone
  bench [--c] [ARGS]        build the comparison harness and run it with ARGS, on keirin alone
                            unless they name --peers; --c adds keirin through its C interface
  fuzz TARGET --seconds N   fuzz one target for N seconds
  icount                    instructions per request, counted by callgrind
  header [--check]          write include/keirin.h; --check compares, and compiles the headers
  install --prefix DIR [--libdir DIR] [--destdir DIR]
                            build the C library and install it with headers and packages
  symbols [--check]         write ffi/symbols.txt; both compare it with libraries and header
  consumers                 build and run programs that use the installed library
  node                      build the Node addon and run its tests";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments.as_slice() {
        ["test"] => test::run(test::Extent::Short),
        ["test", "--full"] => test::run(test::Extent::Full),
        ["tidy"] => tidy::run(),
        ["autobahn", rest @ ..] => {
            autobahn::Selection::parse(rest).and_then(|selection| autobahn::run(&selection))
        }
        ["bench", rest @ ..] => bench::run(rest),
        ["fuzz", target, "--seconds", seconds] => fuzz::run(target, seconds),
        ["icount"] => icount::run(),
        ["header"] => header::write(),
        ["header", "--check"] => header::check(),
        ["install", rest @ ..] => install::run(rest),
        ["symbols"] => install::run_symbols(false),
        ["symbols", "--check"] => install::run_symbols(true),
        ["consumers"] => install::test_consumers(),
        ["node"] => node::test(),
        ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            Ok(())
        }
        _ => Err(USAGE.into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
