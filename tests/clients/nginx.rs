//! nginx in front, with connections to the server kept alive.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use keirin::Config;

use crate::data::{Pattern, TempDir, sha256};
use crate::support::{Example, InProcess, Process, eventually, require, succeed};

/// A reverse proxy that listens on a Unix socket: nginx cannot report a port that the system chose.
struct Proxy {
    // Killed before its folder is removed.
    _process: Process,
    folder: TempDir,
}

impl Proxy {
    /// The most idle connections that nginx keeps to the server.
    const KEPT: usize = 4;

    fn start(server: SocketAddr) -> Self {
        let folder = TempDir::new();
        let path = folder.path("");
        let path = path.display();
        let kept = Self::KEPT;
        // One process, so that killing it leaves none behind.
        let configuration = format!(
            "daemon off; master_process off; pid {path}/pid; error_log {path}/error.log notice;
            events {{ worker_connections 256; }}
            http {{
                access_log off;
                client_body_temp_path {path}/body; proxy_temp_path {path}/proxy;
                fastcgi_temp_path {path}/fastcgi; uwsgi_temp_path {path}/uwsgi;
                scgi_temp_path {path}/scgi;
                upstream server {{ server {server}; keepalive {kept}; }}
                server {{
                    listen unix:{path}/listen;
                    client_max_body_size 0;
                    proxy_http_version 1.1;
                    proxy_set_header Connection \"\";
                    proxy_next_upstream off;
                    location / {{ proxy_pass http://server/; }}
                    location /unbuffered/ {{
                        proxy_buffering off; proxy_request_buffering off; proxy_pass http://server/;
                    }}
                }}
            }}"
        );
        let file = folder.path("nginx.conf");
        fs::write(&file, configuration).unwrap();
        let mut command = require("nginx");
        command.arg("-e").arg(folder.path("error.log"));
        let process = Process::spawn(command.arg("-c").arg(file).stdin(Stdio::null()));
        let proxy = Self {
            _process: process,
            folder,
        };
        eventually("nginx listens", || {
            UnixStream::connect(proxy.socket()).is_ok()
        });
        proxy
    }

    fn socket(&self) -> PathBuf {
        self.folder.path("listen")
    }

    /// curl, by way of this proxy.
    fn curl(&self) -> Command {
        let mut command = require("curl");
        command.args([
            "--disable",
            "--silent",
            "--show-error",
            "--fail",
            "--max-time",
            "50",
        ]);
        command.arg("--unix-socket").arg(self.socket());
        command
    }

    /// What nginx has complained about.
    fn complaints(&self) -> String {
        let log = fs::read_to_string(self.folder.path("error.log")).unwrap();
        let is_complaint = |line: &&str| {
            ["[warn]", "[error]", "[crit]"]
                .iter()
                .any(|level| line.contains(level))
        };
        let buffered = |line: &&str| !line.contains("is buffered to a temporary file");
        log.lines().filter(is_complaint).filter(buffered).collect()
    }
}

#[test]
fn requests_share_few_connections() {
    let server = InProcess::loopback(Config::default(), |app| {
        app.get("/*", |res, req| {
            let peer = format!("{:?}\n", req.peer_address());
            res.end(peer.as_bytes())
        });
    });
    let proxy = Proxy::start(server.address());

    let one_by_one = succeed(proxy.curl().arg("http://proxy/[1-200]"));
    let at_once = ["--parallel", "--parallel-immediate", "--parallel-max", "4"];
    let at_once = succeed(proxy.curl().args(at_once).arg("http://proxy/[1-200]"));

    let peers = [one_by_one.text(), at_once.text()].concat();
    let mut peers: Vec<_> = peers.lines().collect();
    assert_eq!(peers.len(), 400);
    peers.sort_unstable();
    peers.dedup();
    assert!(
        peers.len() <= Proxy::KEPT,
        "{} connections were made",
        peers.len()
    );
    assert_eq!(proxy.complaints(), "");
}

#[test]
fn large_download() {
    let length = 10_000_000;
    let server = Example::start("stream");
    let proxy = Proxy::start(server.address);
    for path in ["", "unbuffered/"] {
        let url = format!("http://proxy/{path}{length}");
        let finished = succeed(proxy.curl().arg(url));
        assert_eq!(
            sha256(&finished.stdout[..]),
            sha256(Pattern::new(length)),
            "{path}"
        );
    }
    assert_eq!(proxy.complaints(), "");
}

#[test]
fn uploads() {
    let length = 10_000_000;
    let server = Example::start("upload");
    let proxy = Proxy::start(server.address);
    let file = proxy.folder.pattern_file("upload", length);
    let expected = sha256(Pattern::new(length)).0;
    for path in ["/", "/unbuffered/"] {
        for framing in ["X-Framing: length", "Transfer-Encoding: chunked"] {
            let mut command = proxy.curl();
            // Left to itself, curl appends the name of the file to a path that ends in a slash.
            command.args(["-X", "POST", "--request-target", path, "--header", framing]);
            let finished = succeed(command.arg("--upload-file").arg(&file).arg("http://proxy/"));
            assert_eq!(finished.text().trim_end(), expected, "{path} {framing}");
        }
    }
    assert_eq!(proxy.complaints(), "");
}
