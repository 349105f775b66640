//! dnf, which installs into a system of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::peer;

/// A system to install into. It has one repository and is independent of this machine.
#[derive(Debug)]
pub struct System {
    dnf: PathBuf,
    /// Its root folder.
    pub root: PathBuf,
}

impl System {
    /// A system below `scratch` whose only repository is at `url`; `None` if dnf is not installed, which is reported on standard error.
    pub fn new(scratch: &Path, url: &str) -> Option<Self> {
        let dnf = peer::find("dnf")?;
        let root = scratch.join("system");
        for folder in ["var/log", "etc/dnf/vars", "repos"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        fs::write(root.join("dnf.conf"), "[main]\n").unwrap();
        fs::write(
            root.join("repos/test.repo"),
            format!("[test]\nname=test\nbaseurl={url}\nenabled=1\ngpgcheck=0\n"),
        )
        .unwrap();
        Some(Self { dnf, root })
    }

    /// A command that runs dnf with these arguments on that system.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let root = self.root.display();
        let mut command = Command::new(&self.dnf);
        command
            .env("LC_ALL", "C.UTF-8")
            .stdin(Stdio::null())
            .arg("-y")
            .arg("-c")
            .arg(self.root.join("dnf.conf"));
        command.args(["--releasever=8", "--forcearch=x86_64", "--disableplugin=*"]).args([
            format!("--installroot={root}"),
            format!("--setopt=reposdir={root}/repos"),
            format!("--setopt=cachedir={root}/var/cache/dnf"),
            format!("--setopt=persistdir={root}/var/lib/dnf"),
            format!("--setopt=logdir={root}/var/log"),
            format!("--setopt=varsdir={root}/etc/dnf/vars"),
        ]);
        command.args(arguments);
        command
    }

    /// The output of dnf with these arguments, which must succeed.
    pub fn run(&self, arguments: &[&str]) -> String {
        let Output { stdout, .. } = peer::run(&mut self.command(arguments));
        String::from_utf8(stdout).unwrap()
    }
}
