//! `compare --quick`: every scenario once, against the null server and keirin, and the page that
//! comes of it, in a browser. It checks the instrument, and no speed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

const EXECUTABLE: &str = env!("CARGO_BIN_EXE_keirin-bench");

/// A folder that is gone in the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("quick");
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The samples of each server of a result, with their errors.
fn check_servers(servers: &Value, names: &[&str]) {
    let servers = servers.as_array().unwrap();
    let found: Vec<_> = servers
        .iter()
        .map(|server| server["name"].as_str().unwrap())
        .collect();
    assert_eq!(found, names);
    for server in servers {
        let samples = server["samples"].as_array().unwrap();
        assert_eq!(samples.len(), 1, "{server}");
        for errors in samples[0]["errors"].as_object().unwrap().values() {
            assert_eq!(errors, 0, "{server}");
        }
    }
}

#[test]
fn every_scenario_is_answered_and_the_page_opens() {
    let folder = Folder::new();
    let (json, html) = (folder.0.join("report.json"), folder.0.join("report.html"));
    let output = Command::new(EXECUTABLE)
        .args(["compare", "--quick", "--offline", "--json"])
        .arg(&json)
        .arg("--html")
        .arg(&html)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let report: Value = serde_json::from_str(&fs::read_to_string(json).unwrap()).unwrap();
    let both = ["null", "keirin"];
    for kind in ["rows", "memory"] {
        for row in report[kind].as_array().unwrap() {
            check_servers(&row["servers"], &both);
        }
    }
    for row in report["latency"].as_array().unwrap() {
        for rate in row["rates"].as_array().unwrap() {
            check_servers(&rate["servers"], &both);
        }
    }
    check_servers(&report["soak"]["servers"], &both);
    assert_eq!(
        report["peers"][0]["findings"].as_array().unwrap().len(),
        0,
        "the gate"
    );
    assert!(report["peers"][0]["tried"].as_u64().unwrap() > 20);
    let charts = report["rows"].as_array().unwrap().len() * 2
        + report["memory"].as_array().unwrap().len()
        + report["latency"].as_array().unwrap().len() * 2
        + 1;
    check_page(&html, &folder.0, charts);
}

/// What the browser makes of the page, and a picture of it.
fn check_page(html: &Path, folder: &Path, charts: usize) {
    let names = ["chromium", "chromium-browser"];
    let chromium = names.into_iter().find(|name| {
        let mut command = Command::new(name);
        command
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    });
    let chromium = chromium.expect("the tests need chromium: apt-get install chromium");
    let picture = folder.join("page.png");
    let run = |task: String| {
        let mut command = Command::new(chromium);
        command
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--no-first-run",
            ])
            .args([
                "--disable-quic",
                "--disable-background-networking",
                "--disable-sync",
            ])
            .args(["--disable-component-update", "--window-size=1500,2400"])
            .arg(format!(
                "--user-data-dir={}",
                folder.join("profile").display()
            ))
            .arg(task)
            .arg(format!("file://{}", html.display()));
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let dom = run("--dump-dom".to_owned());
    assert_eq!(dom.matches("<svg").count(), charts);
    assert_eq!(dom.matches("</svg>").count(), charts);
    assert!(
        dom.contains("<h2>Machine</h2>") && dom.ends_with("</html>\n"),
        "to its end"
    );
    run(format!("--screenshot={}", picture.display()));
    let bytes = fs::read(&picture).unwrap();
    assert!(bytes.starts_with(b"\x89PNG"));
    // An empty page of this size takes some 15 KB.
    assert!(
        bytes.len() > 60_000,
        "{} bytes: nothing was drawn",
        bytes.len()
    );
}
