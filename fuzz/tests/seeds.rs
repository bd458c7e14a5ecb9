//! Every seed, once: what the fuzzer starts from passes without one.

use std::fs;
use std::path::Path;

fn replay(target: &str, run: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("seeds")
        .join(target);
    let mut count = 0;
    for entry in fs::read_dir(&folder).expect("a folder of seeds") {
        let path = entry.expect("an entry").path();
        println!("{}", path.display());
        run(&fs::read(path).expect("a seed"));
        count += 1;
    }
    assert!(count > 0, "no seeds in {}", folder.display());
}

#[test]
fn head() {
    replay("head", keirin_fuzz::head);
}

#[test]
fn chunked() {
    replay("chunked", keirin_fuzz::chunked);
}

#[test]
#[cfg(fuzzing)]
fn router() {
    replay("router", keirin_fuzz::router);
}

#[test]
#[cfg(fuzzing)]
fn topics() {
    replay("topics", keirin_fuzz::topics);
}

#[test]
fn uri() {
    replay("uri", keirin_fuzz::uri);
}

#[test]
fn connection() {
    replay("connection", keirin_fuzz::connection);
}

#[test]
fn api_sequence() {
    replay("api_sequence", keirin_fuzz::api_sequence);
}

#[test]
fn frames() {
    replay("frames", keirin_fuzz::frames);
}

#[test]
fn messages() {
    replay("messages", keirin_fuzz::messages);
}

#[test]
fn handshake() {
    replay("handshake", keirin_fuzz::handshake);
}

#[test]
fn inflate() {
    replay("inflate", keirin_fuzz::inflate);
}

#[test]
fn extensions() {
    replay("extensions", keirin_fuzz::extensions);
}
