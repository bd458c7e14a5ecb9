//! Chromium without a window, driven through the pipe that it offers for that: the Chrome DevTools
//! Protocol as JSON, with a NUL behind each message.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use data_encoding::BASE64;
use serde_json::{Value, json};

use crate::data::TempDir;
use crate::support::{PATIENCE, Process, eventually, require};

/// What makes Chromium a quiet one, that does what it is told and nothing else.
const ARGUMENTS: &[&str] = &[
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-proxy-server",
    // A tab that is behind another one is as awake as that.
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
];

/// Has Chromium run with a profile of its own.
pub(crate) fn arguments(command: &mut Command, profile: &TempDir) {
    let profile = profile.path("profile");
    command
        .args(ARGUMENTS)
        .arg(format!("--user-data-dir={}", profile.display()));
}

/// A running Chromium, ended when dropped.
pub(crate) struct Browser {
    pipe: RefCell<Pipe>,
    _process: Process,
    _profile: TempDir,
}

struct Pipe {
    commands: ChildStdin,
    news: Receiver<Value>,
    calls: u64,
    /// The tabs whose page is there.
    loaded: BTreeSet<String>,
    /// What pages had to complain about: exceptions, and what a policy has kept them from.
    complaints: Vec<Value>,
}

impl Browser {
    pub(crate) fn start() -> Self {
        let profile = TempDir::new();
        let chromium = require("chromium");
        // It reads commands from descriptor 3 and writes answers to 4.
        let script = "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null";
        let mut command = Command::new("sh");
        command.args(["-c", script]).arg(chromium.get_program());
        arguments(&mut command, &profile);
        command.args(["--remote-debugging-pipe", "about:blank"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = Process::spawn(command.stderr(Stdio::null()));
        let commands = process.child().stdin.take().unwrap();
        let answers = BufReader::new(process.child().stdout.take().unwrap());
        let (sender, news) = mpsc::channel();
        thread::spawn(move || {
            for message in answers.split(0).map_while(Result::ok) {
                let message = serde_json::from_slice(&message).expect("JSON from Chromium");
                if sender.send(message).is_err() {
                    return;
                }
            }
        });
        let pipe = Pipe {
            commands,
            news,
            calls: 0,
            loaded: BTreeSet::new(),
            complaints: Vec::new(),
        };
        Self {
            pipe: RefCell::new(pipe),
            _process: process,
            _profile: profile,
        }
    }

    /// Opens a tab.
    pub(crate) fn open(&self, url: &str) -> Tab<'_> {
        let mut pipe = self.pipe.borrow_mut();
        let target = pipe.call(None, "Target.createTarget", json!({"url": "about:blank"}));
        let target = json!({"targetId": target["targetId"], "flatten": true});
        let attached = pipe.call(None, "Target.attachToTarget", target);
        let session = attached["sessionId"].as_str().expect("a session");
        for domain in ["Runtime.enable", "Log.enable", "Page.enable"] {
            pipe.call(Some(session), domain, json!({}));
        }
        pipe.call(Some(session), "Page.navigate", json!({"url": url}));
        while !pipe.loaded.contains(session) {
            pipe.news("Page.navigate");
        }
        Tab {
            browser: self,
            session: session.to_owned(),
        }
    }

    /// What has gone wrong in pages so far.
    pub(crate) fn complaints(&self) -> Vec<Value> {
        self.pipe.borrow().complaints.clone()
    }
}

impl Pipe {
    /// Sends a command and waits for its answer.
    fn call(&mut self, session: Option<&str>, method: &str, parameters: Value) -> Value {
        self.calls += 1;
        let mut command = json!({"id": self.calls, "method": method, "params": parameters});
        if let Some(session) = session {
            command["sessionId"] = session.into();
        }
        let message = format!("{command}\0");
        self.commands.write_all(message.as_bytes()).unwrap();
        loop {
            let mut news = self.news(method);
            if news["id"] == self.calls {
                assert_eq!(news["error"], Value::Null, "{method}");
                return news["result"].take();
            }
        }
    }

    /// The next message, which is waited for because of `method`.
    fn news(&mut self, method: &str) -> Value {
        let news = self.news.recv_timeout(PATIENCE);
        let news = news.unwrap_or_else(|error| panic!("{method}: {error}"));
        match news["method"].as_str() {
            Some("Page.loadEventFired") => {
                let session = news["sessionId"].as_str().expect("a session");
                self.loaded.insert(session.to_owned());
            }
            Some("Runtime.exceptionThrown") => self.complaints.push(news.clone()),
            Some("Log.entryAdded") if news["params"]["entry"]["source"] == "security" => {
                self.complaints.push(news.clone());
            }
            _ => {}
        }
        news
    }
}

/// A tab, and the page in it.
pub(crate) struct Tab<'a> {
    browser: &'a Browser,
    session: String,
}

impl Tab<'_> {
    fn call(&self, method: &str, parameters: Value) -> Value {
        let mut pipe = self.browser.pipe.borrow_mut();
        pipe.call(Some(&self.session), method, parameters)
    }

    /// The value of an expression in JavaScript.
    pub(crate) fn evaluate(&self, expression: &str) -> Value {
        let parameters = json!({"expression": expression, "returnByValue": true});
        let mut answer = self.call("Runtime.evaluate", parameters);
        assert_eq!(answer["exceptionDetails"], Value::Null, "{expression}");
        answer["result"]["value"].take()
    }

    /// Waits until an expression has a value.
    pub(crate) fn wait_for(&self, expression: &str, expected: impl Into<Value>) {
        let expected = expected.into();
        let mut found = Value::Null;
        eventually(&format!("{expression} is {expected}"), || {
            found = self.evaluate(expression);
            found == expected
        });
    }

    /// Types into the field that has this id, in place of what is there, and presses Enter.
    pub(crate) fn enter(&self, field: &str, text: &str) {
        self.evaluate(&format!("document.getElementById('{field}').select()"));
        self.call("Input.insertText", json!({"text": text}));
        for kind in ["keyDown", "keyUp"] {
            let key = json!({"type": kind, "key": "Enter", "windowsVirtualKeyCode": 13,
                "text": if kind == "keyDown" { "\r" } else { "" }});
            self.call("Input.dispatchKeyEvent", key);
        }
    }

    /// Takes a picture of the page at this size, in the scheme `light` or `dark`.
    pub(crate) fn picture(&self, size: [u32; 2], scheme: &str, path: &Path) {
        let [width, height] = size;
        let metrics = json!({"width": width, "height": height,
            "deviceScaleFactor": 1, "mobile": false});
        self.call("Emulation.setDeviceMetricsOverride", metrics);
        let scheme = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.call("Emulation.setEmulatedMedia", scheme);
        self.call("Page.bringToFront", json!({}));
        let taken = self.call("Page.captureScreenshot", json!({"format": "png"}));
        let encoded = taken["data"].as_str().expect("a picture").as_bytes();
        let mut picture = vec![0; BASE64.decode_len(encoded.len()).unwrap()];
        let length = BASE64.decode_mut(encoded, &mut picture).unwrap();
        fs::write(path, &picture[..length]).unwrap();
    }
}
