//! A Linux machine: mounting and unmounting by the kernel and through FUSE.

use std::fs::File;
use std::io::{self, Read as _, Seek as _};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use content::LinkPolicy;

use super::machine::Machine;
use super::mount_mode::{CannotMount, MountMode};
use super::node_layout::real;

/// The reason why an ISO cannot be mounted by the kernel.
const NO_ISO: CannotMount = CannotMount::NoFileSystem("iso9660");
/// How long a mount through FUSE may take, and the pause between two looks for it.
const FUSE_PATIENCE: Duration = Duration::from_secs(20);
const FUSE_PAUSE: Duration = Duration::from_millis(10);
/// The maximum size of a table of the kernel, in bytes.
const TABLE_MAX: u64 = 64 << 20;

/// A Linux machine. Runs `mount`, `umount`, `modprobe`, `systemctl` and, without root, `fusermount3`.
#[derive(Clone, Debug)]
pub struct LinuxMachine {
    /// The list of the kernel's file systems, `/proc/filesystems`.
    pub file_systems: PathBuf,
    /// The release of the kernel, `/proc/sys/kernel/osrelease`.
    pub release: PathBuf,
    /// The folder of modules, with one folder for each release: `/lib/modules`.
    pub modules: PathBuf,
    /// The list of mounts, `/proc/self/mountinfo`.
    pub mounts: PathBuf,
    /// The kernel's information on disks, `/sys/dev/block`: for a loop device, its file.
    pub disks: PathBuf,
    /// The folder that exists where systemd runs: `/run/systemd/system`.
    pub systemd: PathBuf,
    /// The device of FUSE: `/dev/fuse`.
    pub fuse: PathBuf,
    /// The program that mounts an ISO through FUSE with `iso mount [--everybody] ISO FOLDER`: Sealift itself.
    pub program: PathBuf,
    /// Called with each command before it runs.
    pub running: fn(&Command),
}

impl Default for LinuxMachine {
    fn default() -> Self {
        Self {
            file_systems: "/proc/filesystems".into(),
            release: "/proc/sys/kernel/osrelease".into(),
            modules: "/lib/modules".into(),
            mounts: "/proc/self/mountinfo".into(),
            disks: "/sys/dev/block".into(),
            systemd: "/run/systemd/system".into(),
            fuse: "/dev/fuse".into(),
            program: "sealift".into(),
            running: |_| {},
        }
    }
}

/// The file that is mounted at a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MountedFile {
    /// Nothing is mounted there.
    None,
    /// This file, on a loop device or through FUSE.
    File(PathBuf),
    /// Something else: the name of the device.
    Device(String),
}

/// A line of the list of mounts: proc(5), `/proc/pid/mountinfo`.
struct MountLine {
    /// The numbers of the device, `7:0`.
    device: String,
    /// The type of file system.
    kind: String,
    /// The name of the device; for FUSE, what its program names.
    source: String,
}

impl MountLine {
    fn of(line: &str) -> Option<Self> {
        let (mount, file_system) = line.split_once(" - ")?;
        let mut words = file_system.split(' ');
        Some(Self {
            device: mount.split(' ').nth(2)?.to_owned(),
            kind: words.next()?.to_owned(),
            source: decoded(words.next()?),
        })
    }

    fn is_fuse(&self) -> bool {
        self.kind.starts_with("fuse")
    }
}

impl LinuxMachine {
    /// The file that is mounted at a folder.
    ///
    /// # Errors
    ///
    /// The list of mounts cannot be read.
    pub fn file_mounted_at(&self, at: &Path) -> io::Result<MountedFile> {
        let Some(mount) = self.mount_at(at)? else { return Ok(MountedFile::None) };
        let file = if mount.is_fuse() {
            PathBuf::from(&mount.source)
        } else {
            let file = content::open_text(&self.backing_file(&mount), LinkPolicy::Follow, TABLE_MAX);
            file.map(|text| PathBuf::from(text.trim_end_matches('\n'))).unwrap_or_default()
        };
        // Ends in ` (deleted)` once another file has the name.
        Ok(if file.is_file() { MountedFile::File(file) } else { MountedFile::Device(mount.source) })
    }

    /// The file of the kernel that names the file behind a loop device.
    fn backing_file(&self, mount: &MountLine) -> PathBuf {
        self.disks.join(&mount.device).join("loop/backing_file")
    }

    /// The mount at a folder, if there is one.
    fn mount_at(&self, at: &Path) -> io::Result<Option<MountLine>> {
        let table = content::open_text(&self.mounts, LinkPolicy::Follow, TABLE_MAX)?;
        let at = real(at);
        let at = at.to_string_lossy();
        // The last mount hides the ones below it.
        let line =
            table.lines().rfind(|line| line.split(' ').nth(4).is_some_and(|point| decoded(point) == at));
        Ok(line.and_then(MountLine::of))
    }

    /// Runs a command to its end.
    fn run(&self, command: &mut Command) -> io::Result<()> {
        (self.running)(command);
        let output = command.env("LC_ALL", "C").stdin(Stdio::null()).output()?;
        if output.status.success() {
            return Ok(());
        }
        let message = String::from_utf8_lossy(&output.stderr);
        let program = command.get_program().to_string_lossy();
        Err(io::Error::other(format!("`{program}` {}: {}", content::exit(output.status), message.trim())))
    }

    /// Whether the kernel has a file system now.
    fn has(&self, file_system: &str) -> bool {
        let listed =
            content::open_text(&self.file_systems, LinkPolicy::Follow, TABLE_MAX).unwrap_or_default();
        listed.lines().any(|line| line.split_whitespace().next_back() == Some(file_system))
    }

    /// Whether the kernel can load a module: `modules.dep` lists its file, then those it needs.
    fn has_module(&self, name: &str) -> bool {
        let read = |path: &Path| content::open_text(path, LinkPolicy::Follow, TABLE_MAX).unwrap_or_default();
        let list = read(&self.modules.join(read(&self.release).trim()).join("modules.dep"));
        list.lines().any(|line| {
            let path = line.split(':').next().unwrap_or_default();
            let file = path.rsplit('/').next().unwrap_or_default();
            file.strip_prefix(name).is_some_and(|rest| rest.starts_with(".ko"))
        })
    }
}

/// Whether this process runs as root: no other user may mount.
fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

impl LinuxMachine {
    fn can_mount_by_kernel(&self, archive: &Path) -> Result<(), CannotMount> {
        if !is_root() {
            return Err(CannotMount::NotRoot);
        }
        if archive.is_dir() { Ok(()) } else { self.can_read_iso() }
    }

    /// Whether the kernel knows the format, or could load the module for it.
    fn can_read_iso(&self) -> Result<(), CannotMount> {
        if self.has("iso9660") || self.has_module("isofs") { Ok(()) } else { Err(NO_ISO) }
    }

    fn prepare_kernel(&self, archive: &Path) -> Result<(), CannotMount> {
        if is_root() && !archive.is_dir() && !self.has("iso9660") {
            // Fails where there are no modules; only the list afterwards counts.
            let _ = self.run(Command::new("modprobe").arg("isofs"));
            return if self.has("iso9660") { Ok(()) } else { Err(NO_ISO) };
        }
        self.can_mount_by_kernel(archive)
    }

    fn can_mount_through_fuse(&self, archive: &Path) -> Result<(), CannotMount> {
        if archive.is_dir() || self.has("fuse") {
            return self.prepare_fuse(archive);
        }
        // Opening the device would load the module.
        let access = rustix::fs::Access::READ_OK | rustix::fs::Access::WRITE_OK;
        rustix::fs::access(&self.fuse, access).map_err(|error| self.no_device(error.into()))?;
        if self.has_module("fuse") { Ok(()) } else { Err(CannotMount::NoFileSystem("fuse")) }
    }

    fn no_device(&self, source: io::Error) -> CannotMount {
        CannotMount::Device { path: self.fuse.clone(), source }
    }

    fn prepare_fuse(&self, archive: &Path) -> Result<(), CannotMount> {
        if archive.is_dir() {
            return Err(CannotMount::Folder);
        }
        #[expect(clippy::disallowed_methods, reason = "/dev/fuse is a device; at most its module is loaded")]
        let opened = File::options().read(true).write(true).open(&self.fuse);
        match opened {
            Ok(_) => Ok(()),
            Err(source) => Err(self.no_device(source)),
        }
    }

    /// Starts the program that mounts the archive, apart from this process, and waits for the mount.
    fn mount_through_fuse(&self, archive: &Path, at: &Path) -> io::Result<()> {
        let mut messages = tempfile::tempfile()?;
        let mut command = Command::new(&self.program);
        // A group of its own, so that it does not get the signals of this process's terminal.
        command
            .args(["iso", "mount"])
            .args(is_root().then_some("--everybody"))
            .arg("--")
            .arg(archive)
            .arg(at);
        command.current_dir("/").process_group(0).stdin(Stdio::null()).stdout(Stdio::null());
        (self.running)(&command);
        let mut child = command.stderr(messages.try_clone()?).spawn()?;
        let began = Instant::now();
        while self.mounted(at)?.is_none() {
            let ended = child.try_wait()?;
            if ended.is_none() && began.elapsed() < FUSE_PATIENCE {
                std::thread::sleep(FUSE_PAUSE);
                continue;
            }
            // It may have ended already.
            let _ = child.kill();
            let mut text = String::new();
            messages.rewind()?;
            messages.read_to_string(&mut text)?;
            let how = ended.map_or_else(|| "not mounted in time".to_owned(), |status| status.to_string());
            return Err(io::Error::other(format!("{}: {how}: {}", self.program.display(), text.trim())));
        }
        Ok(())
    }
}

impl Machine for LinuxMachine {
    fn can_mount(&self, archive: &Path, way: MountMode) -> Result<(), CannotMount> {
        match way {
            MountMode::Kernel => self.can_mount_by_kernel(archive),
            MountMode::Fuse => self.can_mount_through_fuse(archive),
        }
    }

    fn prepare(&self, archive: &Path, way: MountMode) -> Result<(), CannotMount> {
        match way {
            MountMode::Kernel => self.prepare_kernel(archive),
            MountMode::Fuse => self.prepare_fuse(archive),
        }
    }

    fn mount(&self, archive: &Path, at: &Path, way: MountMode) -> io::Result<()> {
        if way == MountMode::Fuse {
            return self.mount_through_fuse(archive, at);
        }
        let mut command = Command::new("mount");
        if archive.is_dir() {
            command.args(["--bind", "-o", "ro"]);
        } else {
            command.args(["-t", "iso9660", "-o", "ro,loop,nosuid,nodev"]);
        }
        self.run(command.arg("--").arg(archive).arg(at))
    }

    fn unmount(&self, at: &Path, lazily: bool) -> io::Result<()> {
        if is_root() {
            self.run(Command::new("umount").args(lazily.then_some("--lazy")).arg("--").arg(at))
        } else {
            self.run(Command::new("fusermount3").arg("-u").args(lazily.then_some("-z")).arg("--").arg(at))
        }
    }

    fn mounted(&self, at: &Path) -> io::Result<Option<MountMode>> {
        Ok(self.mount_at(at)?.map(|mount| if mount.is_fuse() { MountMode::Fuse } else { MountMode::Kernel }))
    }

    fn shows(&self, archive: &Path, at: &Path) -> io::Result<bool> {
        let Some(mount) = self.mount_at(at)? else { return Ok(false) };
        if mount.is_fuse() {
            return Ok(Path::new(&mount.source) == archive);
        }
        if archive.is_dir() {
            let (there, here) = (std::fs::metadata(at)?, std::fs::metadata(archive)?);
            return Ok((there.dev(), there.ino()) == (here.dev(), here.ino()));
        }
        // Ends in ` (deleted)` once another file has the name.
        match content::open_read(&self.backing_file(&mount), LinkPolicy::Follow, TABLE_MAX) {
            Ok(file) => Ok(file.trim_ascii_end() == archive.as_os_str().as_encoded_bytes()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn reload_units(&self) -> io::Result<()> {
        if !self.systemd.is_dir() {
            return Ok(());
        }
        self.run(Command::new("systemctl").arg("daemon-reload"))
    }
}

/// A path of the list of mounts, in which blanks and backslashes are written as octal numbers (proc(5)).
pub(super) fn decoded(point: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\043", "#"), ("\\134", "\\")]
        .iter()
        .fold(point.to_owned(), |point, (from, to)| point.replace(from, to))
}
