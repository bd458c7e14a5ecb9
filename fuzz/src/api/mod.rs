//! Sequences of everything that clients and an app can do, on a whole worker in memory.
//!
//! The input describes a few scripts and a list of operations. Clients send requests whose target
//! is a number; the number stands for a script, and whenever the worker calls the app, the app does
//! what a script says: answer, write, wait, arm timers, meddle with other answers, panic. What
//! clients read is a pattern that depends on the request and the offset, so a byte that is lost,
//! repeated or sent to another client shows.

mod app;
mod client;
mod input;
mod run;

use arbitrary::{Arbitrary, Unstructured};

/// Runs the sequence that the input describes. With `KEIRIN_FUZZ_SHOW` in the environment it is
/// shown first.
pub fn api_sequence(data: &[u8]) {
    let Ok(input) = input::Input::arbitrary_take_rest(Unstructured::new(data)) else {
        return;
    };
    if std::env::var_os("KEIRIN_FUZZ_SHOW").is_some() {
        eprintln!("{input:#?}");
    }
    run::run(&input);
}

/// Bytes of an answer's content, or of a request's, from an offset on.
fn pattern(serial: usize, offset: u64, len: usize) -> Vec<u8> {
    let offset = usize::try_from(offset).expect("no content is that long");
    (offset..offset + len)
        // Without the second term the pattern would repeat within a few bytes.
        .map(|at| b'!' + ((serial * 13 + at + at / 94) % 94) as u8)
        .collect()
}
