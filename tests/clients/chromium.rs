//! Chromium, headless: a browser shows the page.

use crate::browser;
use crate::data::TempDir;
use crate::support::{Example, require, succeed};

#[test]
fn shows_the_page() {
    let server = Example::start("hello");
    let profile = TempDir::new();
    let mut command = require("chromium");
    browser::arguments(&mut command, &profile);
    let finished = succeed(command.arg("--dump-dom").arg(server.url("/")));
    let document = finished.text();
    assert!(
        document.contains("Hello world!"),
        "{document}\n{}",
        finished.stderr
    );
}
