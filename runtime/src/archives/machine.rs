//! What an import asks of the machine.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What an import asks of the machine, apart from files.
pub trait Machine {
    /// Whether archives can be mounted here; if not, why.
    ///
    /// # Errors
    ///
    /// The reason, for people.
    fn can_mount(&self) -> Result<(), String>;
    /// Mounts an ISO, or a folder, read-only.
    ///
    /// # Errors
    ///
    /// What the machine said.
    fn mount(&self, archive: &Path, at: &Path) -> io::Result<()>;
    /// Unmounts; lazily if something uses it.
    ///
    /// # Errors
    ///
    /// What the machine said.
    fn unmount(&self, at: &Path, lazily: bool) -> io::Result<()>;
    /// Whether something is mounted there.
    ///
    /// # Errors
    ///
    /// If that cannot be told.
    fn mounted(&self, at: &Path) -> io::Result<bool>;
    /// Tells systemd that units have come or gone.
    ///
    /// # Errors
    ///
    /// What the machine said.
    fn units_changed(&self) -> io::Result<()>;
}

/// A Linux machine, by way of `mount`, `umount`, `modprobe` and `systemctl`.
#[derive(Clone, Debug)]
pub struct Linux {
    /// The list of file systems that the kernel has, `/proc/filesystems`.
    pub file_systems: PathBuf,
    /// The list of mounts, `/proc/self/mountinfo`.
    pub mounts: PathBuf,
    /// Where systemd runs, if it does: `/run/systemd/system`.
    pub systemd: PathBuf,
}

impl Default for Linux {
    fn default() -> Self {
        Self {
            file_systems: "/proc/filesystems".into(),
            mounts: "/proc/self/mountinfo".into(),
            systemd: "/run/systemd/system".into(),
        }
    }
}

impl Linux {
    fn has_isofs(&self) -> bool {
        let listed = std::fs::read_to_string(&self.file_systems).unwrap_or_default();
        listed.lines().any(|line| line.split_whitespace().next_back() == Some("iso9660"))
    }
}

impl Machine for Linux {
    fn can_mount(&self) -> Result<(), String> {
        if !rustix::process::geteuid().is_root() {
            return Err("only root can mount".to_owned());
        }
        // Fails where there are no modules; what counts is the list afterwards.
        if !self.has_isofs() && run(Command::new("modprobe").arg("isofs")).is_err() | !self.has_isofs() {
            return Err("the kernel has no iso9660".to_owned());
        }
        Ok(())
    }

    fn mount(&self, archive: &Path, at: &Path) -> io::Result<()> {
        let mut command = Command::new("mount");
        if archive.is_dir() {
            command.args(["--bind", "-o", "ro"]);
        } else {
            command.args(["-t", "iso9660", "-o", "ro,loop,nosuid,nodev"]);
        }
        run(command.arg("--").arg(archive).arg(at))
    }

    fn unmount(&self, at: &Path, lazily: bool) -> io::Result<()> {
        run(Command::new("umount").args(lazily.then_some("--lazy")).arg("--").arg(at))
    }

    fn mounted(&self, at: &Path) -> io::Result<bool> {
        let table = std::fs::read_to_string(&self.mounts)?;
        let at = at.to_string_lossy();
        Ok(table.lines().filter_map(|line| line.split(' ').nth(4)).any(|point| decoded(point) == at))
    }

    fn units_changed(&self) -> io::Result<()> {
        if !self.systemd.is_dir() {
            return Ok(());
        }
        run(Command::new("systemctl").arg("daemon-reload"))
    }
}

/// A path of the list of mounts, in which blanks and backslashes are octal numbers (proc(5)).
fn decoded(point: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(point.to_owned(), |point, (from, to)| point.replace(from, to))
}

fn run(command: &mut Command) -> io::Result<()> {
    let output = command.env("LC_ALL", "C").stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let program = command.get_program().to_string_lossy();
    Err(io::Error::other(format!("{program}: {}: {}", output.status, said.trim())))
}
