//! A containerd of the test's own: no root file system, socket or image shared with the machine's.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::daemon::Daemon;
use crate::peer;

/// A containerd of our own.
#[derive(Debug)]
pub struct Containerd {
    _daemon: Daemon,
    ctr: PathBuf,
    socket: PathBuf,
}

impl Containerd {
    /// Starts it with all its files in `folder`; `None` (said) where it is not installed.
    pub fn start(folder: &Path) -> Option<Self> {
        let (containerd, ctr) = (peer::find("containerd")?, peer::find("ctr")?);
        let place = folder.join("containerd");
        fs::create_dir(&place).unwrap();
        let (here, config) = (place.display(), place.join("config.toml"));
        let text = format!(
            "version = 2\nroot = \"{here}/root\"\nstate = \"{here}/state\"\n\
             disabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n[grpc]\naddress = \"{here}/sock\"\n\
             [plugins.\"io.containerd.internal.v1.opt\"]\npath = \"{here}/opt\"\n"
        );
        fs::write(&config, text).unwrap();
        let log = fs::File::create(place.join("log")).unwrap();
        let child = Command::new(containerd)
            .arg("--config")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let daemon = Daemon { child, port: 0 };
        let containerd = Self { _daemon: daemon, ctr, socket: place.join("sock") };
        let began = Instant::now();
        while !containerd.command(&["version"]).output().unwrap().status.success() {
            let log = fs::read_to_string(place.join("log")).unwrap();
            assert!(began.elapsed() < Duration::from_secs(300), "containerd does not start: {log}");
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(containerd)
    }

    /// `ctr` with these arguments.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.ctr);
        command.arg("--address").arg(&self.socket).args(arguments);
        command
    }

    /// What `ctr` with these arguments prints; it must succeed.
    pub fn run(&self, arguments: &[&str]) -> String {
        String::from_utf8(peer::run(&mut self.command(arguments)).stdout).unwrap()
    }
}
