//! `icount SCENARIO N`: answers N requests in memory, to be counted by callgrind.
//!
//! Everything runs on one thread and nothing depends on time or on the network, so two runs take
//! the same instructions, but for a handful in the start of the process. Counting two lengths and
//! dividing the difference, as `cargo xtask icount` does, cancels the start.
//!
//! What is left of the harness in each figure is the memory that stands for the socket: the
//! client's `send`, a copy in, a copy out, taking the answer, and the turn that goes with them;
//! some 600 instructions a batch, the same for every version of the engine. Compare figures; do
//! not read one as the cost of a request.

mod requests;
mod scenario;

use std::env;
use std::process::ExitCode;

use scenario::{Bench, SCENARIOS};

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let parsed = match arguments.as_slice() {
        [name, requests] => SCENARIOS
            .into_iter()
            .find(|scenario| scenario.name == *name)
            .zip(requests.parse().ok()),
        // `cargo bench` runs every bench target: a few requests of each show that it works.
        ["--bench"] => {
            SCENARIOS
                .into_iter()
                .for_each(|scenario| Bench::new(scenario).run(100));
            return ExitCode::SUCCESS;
        }
        _ => None,
    };
    let Some((scenario, requests)) = parsed else {
        let names = SCENARIOS.map(|scenario| scenario.name).join("|");
        eprintln!("usage: icount {names} REQUESTS");
        return ExitCode::FAILURE;
    };
    Bench::new(scenario).run(requests);
    ExitCode::SUCCESS
}
