//! Chromium, headless: a browser shows the page.

use crate::data::TempDir;
use crate::support::{Example, require, succeed};

#[test]
fn shows_the_page() {
    let server = Example::start("hello");
    let profile = TempDir::new();
    let mut command = require("chromium");
    command.args([
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
    ]);
    command.args(["--no-first-run", "--disable-background-networking"]);
    command.args([
        "--disable-component-update",
        "--disable-sync",
        "--no-proxy-server",
    ]);
    command.arg(format!(
        "--user-data-dir={}",
        profile.path("profile").display()
    ));
    let finished = succeed(command.arg("--dump-dom").arg(server.url("/")));
    let document = finished.text();
    assert!(
        document.contains("Hello world!"),
        "{document}\n{}",
        finished.stderr
    );
}
