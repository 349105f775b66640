//! A browser without a window: Chromium, driven through ChromeDriver by the WebDriver protocol.
//!
//! Chromium gets an empty profile, resolves no host names and fetches nothing for itself.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

use crate::peer;

/// The arguments of Chromium.
const ARGUMENTS: [&str; 11] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--no-proxy-server",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
];

/// The rules of WCAG, levels A and AA.
const AXE: &str = "axe.run({runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']}).then(\
    found => done(found.violations.concat(found.incomplete).map(\
        rule => [rule.id, rule.nodes.map(node => node.html + ' ' + node.failureSummary)])),\
    error => done('' + error));";

/// A running ChromeDriver; ends with its browsers when dropped.
#[derive(Debug)]
pub struct ChromeDriver {
    child: Child,
    /// Kept, so that its messages have a reader.
    _out: BufReader<ChildStdout>,
    port: u16,
    scratch: tempfile::TempDir,
    chromium: PathBuf,
}

/// A browser with one page.
#[derive(Debug)]
pub struct Browser<'a> {
    driver: &'a ChromeDriver,
    session: String,
}

/// The accessibility checks of axe-core as JavaScript, if `cargo xtask test` installed them.
///
/// # Panics
///
/// In CI, where they must be installed.
#[must_use]
pub fn axe() -> Option<String> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    let script = crate::sealift::repository().join(target).join("peers/axe-core/axe.min.js");
    let found = std::fs::read_to_string(script).ok();
    if found.is_none() {
        peer::skip("axe-core is not installed; `cargo xtask test` installs it");
    }
    found
}

impl ChromeDriver {
    /// Starts ChromeDriver; `None` if it or Chromium is not installed.
    ///
    /// # Panics
    ///
    /// If it does not start.
    #[must_use]
    pub fn start() -> Option<Self> {
        let (chromium, driver) = (peer::find("chromium")?, peer::find("chromedriver")?);
        let scratch = tempfile::tempdir().unwrap();
        let mut child = Command::new(driver)
            .arg("--port=0")
            .env("HOME", scratch.path())
            .env("TMPDIR", scratch.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        let port = loop {
            line.clear();
            assert!(out.read_line(&mut line).unwrap() > 0, "ChromeDriver has ended");
            let port = line.trim().strip_prefix("ChromeDriver was started successfully on port ");
            if let Some(port) = port.and_then(|port| port.trim_end_matches('.').parse().ok()) {
                break port;
            }
        };
        Some(Self { child, _out: out, port, scratch, chromium })
    }

    /// Starts a browser, with or without JavaScript in pages.
    ///
    /// # Panics
    ///
    /// If it does not start.
    #[must_use]
    pub fn browser(&self, javascript: bool) -> Browser<'_> {
        let profile = self.scratch.path().join(format!("profile-{javascript}"));
        let arguments = ARGUMENTS.map(str::to_owned).into_iter();
        let arguments: Vec<String> =
            arguments.chain([format!("--user-data-dir={}", profile.display())]).collect();
        let preferences = if javascript {
            json!({})
        } else {
            json!({"profile.managed_default_content_settings.javascript": 2})
        };
        let options = json!({"binary": self.chromium, "args": arguments, "prefs": preferences});
        let wanted = json!({
            "browserName": "chrome",
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL"},
        });
        let session = self.call("POST", "/session", &json!({"capabilities": {"alwaysMatch": wanted}}));
        Browser { driver: self, session: session["sessionId"].as_str().unwrap().to_owned() }
    }

    /// A command of the WebDriver protocol, and its result.
    fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        let answer = self.exchange(method, path, body).unwrap();
        assert!(answer["value"]["error"].is_null(), "{method} {path}: {}", answer["value"]);
        answer["value"].clone()
    }

    fn exchange(&self, method: &str, path: &str, body: &Value) -> std::io::Result<Value> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        let body = if method == "POST" { body.to_string() } else { String::new() };
        // ChromeDriver refuses other hosts.
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )?;
        // It may keep the connection open.
        let (mut stream, mut line, mut length) = (BufReader::new(stream), String::new(), 0);
        while stream.read_line(&mut line)? > 2 {
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            line.clear();
        }
        let mut answer = vec![0; length];
        stream.read_exact(&mut answer)?;
        Ok(serde_json::from_slice(&answer)?)
    }
}

impl Drop for ChromeDriver {
    fn drop(&mut self) {
        // It ends its browsers before it responds.
        let _ = self.exchange("GET", "/shutdown", &Value::Null);
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Browser<'_> {
    fn post(&self, path: &str, body: &Value) -> Value {
        self.driver.call("POST", &format!("/session/{}/{path}", self.session), body)
    }

    /// Opens a page.
    pub fn open(&self, url: &str) {
        self.post("url", &json!({"url": url}));
    }

    /// The result of a script in the page, also if the page may have none.
    pub fn run(&self, script: &str) -> Value {
        self.post("execute/sync", &json!({"script": script, "args": []}))
    }

    /// The value that a script hands to the function `done`.
    #[must_use]
    pub fn run_until_done(&self, script: &str) -> Value {
        let script = format!("const done = arguments[arguments.length - 1];\n{script}");
        self.post("execute/async", &json!({"script": script, "args": []}))
    }

    /// Clicks on the first element that a CSS selector matches.
    ///
    /// # Panics
    ///
    /// If the element is missing or cannot be clicked.
    pub fn click(&self, selector: &str) {
        let found = self.post("element", &json!({"using": "css selector", "value": selector}));
        let id = found.as_object().unwrap().values().next().unwrap().as_str().unwrap();
        self.post(&format!("element/{id}/click"), &json!({}));
    }

    /// Shows the page as a screen of this width does, in CSS pixels.
    pub fn set_width(&self, width: u32) {
        let parameters =
            json!({"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600});
        self.command("Emulation.setDeviceMetricsOverride", &parameters);
    }

    /// Prefers the color scheme `light` or `dark`.
    pub fn prefer(&self, scheme: &str) {
        let parameters = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.command("Emulation.setEmulatedMedia", &parameters);
    }

    /// Checks that the open page breaks no rule of accessibility, fits at all widths, and has a dark form. `axe` is [`axe`]'s
    /// script, and `page` is for messages.
    ///
    /// # Panics
    ///
    /// If it does.
    pub fn check_accessibility(&self, axe: &str, page: &str) {
        self.run(&format!("{axe}; return 0"));
        let mut grounds = BTreeSet::new();
        for width in [360, 768, 1280] {
            self.set_width(width);
            let wide = self.run("return document.documentElement.scrollWidth > window.innerWidth");
            assert_eq!(wide, false, "{page} is wider than {width} pixels");
            for scheme in ["light", "dark"] {
                self.prefer(scheme);
                let ground = self.run("return getComputedStyle(document.body).backgroundColor");
                grounds.insert(ground.to_string());
                // Contrast depends on the scheme, the order of what is read on the width.
                if matches!((width, scheme), (360, "light") | (1280, "dark")) {
                    let found = self.run_until_done(AXE);
                    assert_eq!(found, json!([]), "{page}, {width} pixels, {scheme}");
                }
            }
        }
        assert_eq!(grounds.len(), 2, "{page}: light and dark: {grounds:?}");
    }

    /// The messages of the console since the last call: errors of scripts, refused and failed requests.
    #[must_use]
    pub fn console(&self) -> Value {
        self.post("se/log", &json!({"type": "browser"}))
    }

    fn command(&self, name: &str, parameters: &Value) {
        self.post("goog/cdp/execute", &json!({"cmd": name, "params": parameters}));
    }
}

impl Drop for Browser<'_> {
    fn drop(&mut self) {
        let _ = self.driver.exchange("DELETE", &format!("/session/{}", self.session), &Value::Null);
    }
}
