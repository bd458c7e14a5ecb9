//! curl: versions, keep-alive, methods, and large transfers in both directions.

use std::process::Command;

use crate::data::{Pattern, TempDir, sha256};
use crate::support::{Example, require, run, succeed};

const LARGE: u64 = 100_000_000;

/// curl without anybody's settings or proxies.
fn curl() -> Command {
    let mut command = require("curl");
    command.args(["--disable", "--silent", "--show-error", "--noproxy", "*"]);
    command.args(["--max-time", "50"]);
    command
}

/// An upload of a file. Left to itself, curl appends the name of the file to a URL that ends in a
/// slash.
fn upload(framing: &str) -> Command {
    let mut command = curl();
    command.args([
        "--fail",
        "--request-target",
        "/",
        "-X",
        "POST",
        "--header",
        framing,
    ]);
    command
}

/// Asks for the same URL three times in one call; gives for each the body, the connections made and
/// the status.
fn three_times(server: &Example, arguments: &[&str]) -> String {
    let url = server.url("/");
    let format = " %{num_connects} %{http_code}\n";
    let mut command = curl();
    command.args(arguments).args(["--write-out", format]);
    succeed(command.args([&url, &url, &url])).text().to_owned()
}

#[test]
fn http_1_1_keeps_the_connection() {
    let served = three_times(&Example::start("hello"), &["--http1.1"]);
    assert_eq!(
        served,
        "Hello world! 1 200\nHello world! 0 200\nHello world! 0 200\n"
    );
}

#[test]
fn http_1_0_closes_by_default() {
    let served = three_times(&Example::start("hello"), &["--http1.0"]);
    assert_eq!(served, "Hello world! 1 200\n".repeat(3));
}

#[test]
fn http_1_0_keeps_the_connection_on_request() {
    let arguments = ["--http1.0", "--header", "Connection: keep-alive"];
    let served = three_times(&Example::start("hello"), &arguments);
    assert_eq!(
        served,
        "Hello world! 1 200\nHello world! 0 200\nHello world! 0 200\n"
    );
}

#[test]
fn connection_close_is_honoured() {
    let arguments = ["--http1.1", "--header", "Connection: close"];
    let served = three_times(&Example::start("hello"), &arguments);
    assert_eq!(served, "Hello world! 1 200\n".repeat(3));
}

/// The head of one answer, in lower case, and what follows it.
fn head_and_body(server: &Example, path: &str, arguments: &[&str]) -> (String, String) {
    let mut command = curl();
    command
        .arg("--include")
        .args(arguments)
        .arg(server.url(path));
    let finished = succeed(&mut command);
    let (head, body) = finished
        .text()
        .split_once("\r\n\r\n")
        .expect("a whole head");
    (head.to_ascii_lowercase() + "\r\n", body.to_owned())
}

#[test]
fn head_is_served_from_a_get_route() {
    let (head, body) = head_and_body(&Example::start("hello"), "/", &["--head"]);
    assert!(head.starts_with("http/1.1 200 "), "{head}");
    assert!(head.contains("\r\ncontent-length: 12\r\n"), "{head}");
    assert_eq!(body, "");
    // curl gives up a connection on which anything follows the head.
    let served = three_times(
        &Example::start("hello"),
        &["--head", "--output", "/dev/null"],
    );
    assert_eq!(served.matches(" 0 200\n").count(), 2, "{served}");
}

/// The methods that an `Allow` header names.
fn allowed(head: &str) -> Vec<&str> {
    let value = head.lines().find_map(|line| line.strip_prefix("allow:"));
    value
        .expect("an Allow header")
        .split(',')
        .map(str::trim)
        .collect()
}

#[test]
fn options_names_the_methods() {
    let server = Example::start("hello");
    for arguments in [
        &["-X", "OPTIONS"][..],
        &["-X", "OPTIONS", "--request-target", "*"],
    ] {
        let (head, body) = head_and_body(&server, "/", arguments);
        assert!(head.starts_with("http/1.1 204 "), "{head}");
        assert!(allowed(&head).contains(&"get"), "{head}");
        assert!(
            !head.contains("\r\ncontent-length:"),
            "not allowed with 204: {head}"
        );
        assert_eq!(body, "");
    }
}

#[test]
fn unknown_paths_methods_and_expectations_are_refused() {
    let server = Example::start("hello");
    let (head, _) = head_and_body(&server, "/nowhere", &[]);
    assert!(head.starts_with("http/1.1 404 "), "{head}");

    let (head, _) = head_and_body(&server, "/", &["-X", "DELETE"]);
    assert!(head.starts_with("http/1.1 405 "), "{head}");
    assert!(allowed(&head).contains(&"get"), "{head}");
    assert!(!allowed(&head).contains(&"delete"), "{head}");

    // A method that the server has no route for anywhere may also be called unknown.
    let (head, _) = head_and_body(&server, "/", &["-X", "PROPFIND"]);
    let refused = ["http/1.1 405 ", "http/1.1 501 "]
        .iter()
        .any(|status| head.starts_with(status));
    assert!(refused, "{head}");

    let (head, _) = head_and_body(&server, "/", &["--header", "Expect: miracles"]);
    assert!(head.starts_with("http/1.1 417 "), "{head}");

    let tunnel = ["-X", "CONNECT", "--request-target", "example.com:443"];
    let (head, _) = head_and_body(&server, "/", &tunnel);
    assert!(head.starts_with("http/1.1 501 "), "{head}");
}

#[test]
fn unusual_methods_reach_the_handler() {
    let server = Example::start("mirror");
    for method in [
        "PROPFIND",
        "MKCOL",
        "REPORT",
        "M-SEARCH",
        "PURGE",
        "TRACE",
        "x!#$%&'*+-.^_`|~9",
    ] {
        let arguments = ["-X", method, "--globoff"];
        let (head, _) = head_and_body(&server, "/a/b%20c?x=1&y=[2]", &arguments);
        assert!(head.starts_with("http/1.1 200 "), "{method}: {head}");
        let named = format!("\r\nx-method: {}\r\n", method.to_ascii_lowercase());
        assert!(head.contains(&named), "{method}: {head}");
        assert!(
            head.contains("\r\nx-target: /a/b%20c?x=1&y=[2]\r\n"),
            "{method}: {head}"
        );
    }
}

#[test]
fn bodies_come_back_with_any_method() {
    let server = Example::start("mirror");
    for method in ["POST", "PUT", "PATCH", "DELETE", "GET", "LOCK"] {
        for framing in ["X-Framing: length", "Transfer-Encoding: chunked"] {
            let data = [
                "-X",
                method,
                "--header",
                framing,
                "--data-binary",
                "some\r\nbody",
            ];
            let (head, body) = head_and_body(&server, "/", &data);
            assert!(
                head.starts_with("http/1.1 200 "),
                "{method}, {framing}: {head}"
            );
            assert_eq!(body, "some\r\nbody", "{method}, {framing}");
        }
    }
}

#[test]
fn continue_is_sent_to_who_waits_for_it() {
    let folder = TempDir::new();
    let file = folder.pattern_file("body", 2_000_000);
    for framing in ["X-Framing: length", "Transfer-Encoding: chunked"] {
        let server = Example::start("upload");
        let mut command = upload(framing);
        // Longer than `--max-time`: curl sends the body only when it is told to.
        command.args(["--verbose", "--expect100-timeout", "1000"]);
        command.args(["--header", "Expect: 100-continue"]);
        let finished = succeed(command.arg("--upload-file").arg(&file).arg(server.url("/")));
        assert!(
            finished.stderr.contains("< HTTP/1.1 100 Continue"),
            "{}",
            finished.stderr
        );
        assert_eq!(
            finished.text().trim_end(),
            sha256(Pattern::new(2_000_000)).0
        );
    }
}

#[test]
fn large_download_is_whole() {
    let server = Example::start("stream");
    let finished = succeed(curl().arg("--fail").arg(server.url(&format!("/{LARGE}"))));
    assert_eq!(sha256(&finished.stdout[..]), sha256(Pattern::new(LARGE)));
}

#[test]
fn large_uploads_are_whole() {
    let folder = TempDir::new();
    let file = folder.pattern_file("body", LARGE);
    let expected = sha256(Pattern::new(LARGE)).0;
    let server = Example::start("upload");
    for framing in ["X-Framing: length", "Transfer-Encoding: chunked"] {
        let mut command = upload(framing);
        let finished = succeed(command.arg("--upload-file").arg(&file).arg(server.url("/")));
        assert_eq!(finished.text().trim_end(), expected, "{framing}");
    }
}

#[test]
fn empty_uploads_are_whole() {
    let server = Example::start("upload");
    for framing in ["X-Framing: length", "Transfer-Encoding: chunked"] {
        let data = ["--header", framing, "--data-binary", ""];
        let (head, body) = head_and_body(&server, "/", &data);
        assert!(head.starts_with("http/1.1 200 "), "{framing}: {head}");
        assert_eq!(body.trim_end(), sha256(&b""[..]).0, "{framing}");
    }
}

#[test]
fn answers_from_another_thread_arrive() {
    let server = Example::start("async_answer");
    let mut command = curl();
    command.args(["--fail", "--parallel", "--parallel-immediate"]);
    command.args(["--write-out", "\n%{http_code} %{size_download}\n"]);
    let finished = succeed(command.arg(server.url("/?[1-20]")));
    let answered = finished
        .text()
        .lines()
        .filter(|line| line.starts_with("200 "));
    let sizes: Vec<u64> = answered.map(|line| line[4..].parse().unwrap()).collect();
    assert_eq!(sizes.len(), 20, "{}", finished.text());
    assert!(sizes.iter().all(|size| *size > 0), "{sizes:?}");
}

#[test]
fn an_impatient_client_does_not_disturb_the_others() {
    let server = Example::start("stream");
    let mut command = curl();
    // curl leaves in the middle: exit code 28 is its timeout, 63 its limit on the size.
    let limit = command.args(["--max-time", "1", "--limit-rate", "100k"]);
    let impatient = run(limit.arg(server.url(&format!("/{LARGE}"))));
    assert_eq!(impatient.status.code(), Some(28), "{}", impatient.stderr);
    let finished = succeed(curl().arg("--fail").arg(server.url("/1000")));
    assert_eq!(sha256(&finished.stdout[..]), sha256(Pattern::new(1000)));
}
