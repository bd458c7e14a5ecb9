//! Prints the C header of the crate in the folder that is given.

#![allow(
    clippy::print_stdout,
    reason = "a command line tool talks on standard output"
)]

use std::error::Error;
use std::path::PathBuf;

use cbindgen::{Builder, Config};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args()
        .nth(1)
        .ok_or("usage: keirin-header CRATE")?;
    let folder = PathBuf::from(folder);
    let config = Config::from_file(folder.join("cbindgen.toml"))?;
    let bindings = Builder::new()
        .with_crate(&folder)
        .with_config(config)
        .generate()?;
    let mut header = Vec::new();
    bindings.write(&mut header);
    // `loop` is a word of Rust's, but a good name in C.
    print!("{}", String::from_utf8(header)?.replace("*loop_", "*loop"));
    Ok(())
}
