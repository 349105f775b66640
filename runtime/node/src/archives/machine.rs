//! What an import asks of the machine.

use std::fs::File;
use std::io::{self, Read as _, Seek as _};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use content::Links;

use super::mounting::Way;
use super::places::real;

/// What an import asks of the machine, apart from files.
pub trait Machine {
    /// Whether an archive can be mounted here in a way; if not, why. Changes nothing.
    ///
    /// # Errors
    ///
    /// The reason, for people.
    fn can_mount(&self, archive: &Path, way: Way) -> Result<(), String>;
    /// Makes ready to mount an archive in a way: loads what the kernel lacks for it. If that is not enough, why.
    ///
    /// # Errors
    ///
    /// The reason, for people.
    fn prepare(&self, archive: &Path, way: Way) -> Result<(), String> {
        self.can_mount(archive, way)
    }
    /// Mounts an ISO, or a folder, read-only. It stays mounted when this process ends.
    ///
    /// # Errors
    ///
    /// What the machine said.
    fn mount(&self, archive: &Path, at: &Path, way: Way) -> io::Result<()>;
    /// Unmounts; lazily if something uses it.
    ///
    /// # Errors
    ///
    /// What the machine said.
    fn unmount(&self, at: &Path, lazily: bool) -> io::Result<()>;
    /// Whether something is mounted there, and in which way.
    ///
    /// # Errors
    ///
    /// If that cannot be told.
    fn mounted(&self, at: &Path) -> io::Result<Option<Way>>;
    /// Whether what is mounted there is this archive, and not another one or a file that had its name before.
    ///
    /// # Errors
    ///
    /// If that cannot be told.
    fn shows(&self, archive: &Path, at: &Path) -> io::Result<bool>;
    /// Whether what is mounted there is dead: the program that showed it has ended, and every access fails.
    fn is_broken(&self, at: &Path) -> bool {
        let dead = Some(rustix::io::Errno::NOTCONN.raw_os_error());
        std::fs::metadata(at).is_err_and(|error| error.raw_os_error() == dead)
    }
    /// Tells systemd that units have come or gone.
    ///
    /// # Errors
    ///
    /// What the machine said.
    fn units_changed(&self) -> io::Result<()>;
}

/// How long a mount through FUSE may take, and how often it is looked for.
const FUSE_PATIENCE: Duration = Duration::from_secs(20);
const FUSE_PAUSE: Duration = Duration::from_millis(10);
/// What an ISO cannot be mounted without.
const NO_ISO: &str = "the kernel has no iso9660";
/// The most bytes of a table of the kernel's.
const TABLE_MAX: u64 = 64 << 20;

/// A Linux machine, by way of `mount`, `umount`, `modprobe`, `systemctl` and, where root is not to be had, `fusermount3`.
#[derive(Clone, Debug)]
pub struct Linux {
    /// The list of file systems that the kernel has, `/proc/filesystems`.
    pub file_systems: PathBuf,
    /// The release of the kernel, `/proc/sys/kernel/osrelease`.
    pub release: PathBuf,
    /// The folder of modules, in it one for each release: `/lib/modules`.
    pub modules: PathBuf,
    /// The list of mounts, `/proc/self/mountinfo`.
    pub mounts: PathBuf,
    /// What the kernel tells of its disks, `/sys/dev/block`: for a loop device, its file.
    pub disks: PathBuf,
    /// Where systemd runs, if it does: `/run/systemd/system`.
    pub systemd: PathBuf,
    /// What file systems of programs go through: `/dev/fuse`.
    pub fuse: PathBuf,
    /// The program that shows an ISO through FUSE when told `iso mount [--everybody] ISO FOLDER`: Sealift itself.
    pub program: PathBuf,
    /// Called with each command before it is run.
    pub running: fn(&Command),
}

impl Default for Linux {
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

/// What is mounted somewhere: proc(5), `/proc/pid/mountinfo`.
struct Seen {
    /// The numbers of the device, `7:0`.
    device: String,
    /// The type of file system.
    kind: String,
    /// The name of the device, or what a file system of a program says it shows.
    source: String,
}

impl Seen {
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

impl Linux {
    /// What is seen at a place, if something is mounted there.
    fn seen(&self, at: &Path) -> io::Result<Option<Seen>> {
        let table = content::open_text(&self.mounts, Links::Follow, TABLE_MAX)?;
        let at = real(at);
        let at = at.to_string_lossy();
        // What was mounted last is what is seen.
        let line =
            table.lines().rfind(|line| line.split(' ').nth(4).is_some_and(|point| decoded(point) == at));
        Ok(line.and_then(Seen::of))
    }

    /// Runs a command to its end.
    fn run(&self, command: &mut Command) -> io::Result<()> {
        (self.running)(command);
        let output = command.env("LC_ALL", "C").stdin(Stdio::null()).output()?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let program = command.get_program().to_string_lossy();
        Err(io::Error::other(format!("{program}: {}: {}", output.status, said.trim())))
    }

    /// Whether the kernel has a file system now.
    fn has(&self, file_system: &str) -> bool {
        let listed = content::open_text(&self.file_systems, Links::Follow, TABLE_MAX).unwrap_or_default();
        listed.lines().any(|line| line.split_whitespace().next_back() == Some(file_system))
    }

    /// Whether there is a module that the kernel can load: `modules.dep` names its file, then those it needs.
    fn has_module(&self, name: &str) -> bool {
        let read = |path: &Path| content::open_text(path, Links::Follow, TABLE_MAX).unwrap_or_default();
        let list = read(&self.modules.join(read(&self.release).trim()).join("modules.dep"));
        list.lines().any(|line| {
            let path = line.split(':').next().unwrap_or_default();
            let file = path.rsplit('/').next().unwrap_or_default();
            file.strip_prefix(name).is_some_and(|rest| rest.starts_with(".ko"))
        })
    }
}

/// Whether this process is root's, which alone may mount without help.
fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

impl Linux {
    fn can_mount_by_kernel(&self, archive: &Path) -> Result<(), String> {
        if !is_root() {
            return Err("only root can have the kernel mount".to_owned());
        }
        if archive.is_dir() { Ok(()) } else { self.can_read_iso() }
    }

    /// Whether the kernel knows the format, or could load the module for it.
    fn can_read_iso(&self) -> Result<(), String> {
        if self.has("iso9660") || self.has_module("isofs") { Ok(()) } else { Err(NO_ISO.to_owned()) }
    }

    fn prepare_kernel(&self, archive: &Path) -> Result<(), String> {
        if is_root() && !archive.is_dir() && !self.has("iso9660") {
            // Fails where there are no modules; what counts is the list afterwards.
            let _ = self.run(Command::new("modprobe").arg("isofs"));
            return if self.has("iso9660") { Ok(()) } else { Err(NO_ISO.to_owned()) };
        }
        self.can_mount_by_kernel(archive)
    }

    fn can_mount_through_fuse(&self, archive: &Path) -> Result<(), String> {
        if archive.is_dir() || self.has("fuse") {
            return self.prepare_fuse(archive);
        }
        // To open the device would load the module.
        let access = rustix::fs::Access::READ_OK | rustix::fs::Access::WRITE_OK;
        rustix::fs::access(&self.fuse, access)
            .map_err(|error| format!("{}: {}", self.fuse.display(), io::Error::from(error)))?;
        if self.has_module("fuse") { Ok(()) } else { Err("the kernel has no fuse".to_owned()) }
    }

    fn prepare_fuse(&self, archive: &Path) -> Result<(), String> {
        if archive.is_dir() {
            return Err("it is a folder".to_owned());
        }
        #[expect(clippy::disallowed_methods, reason = "/dev/fuse is a device; at most its module is loaded")]
        let opened = File::options().read(true).write(true).open(&self.fuse);
        match opened {
            Ok(_) => Ok(()),
            Err(error) => Err(format!("{}: {error}", self.fuse.display())),
        }
    }

    /// Starts the program that shows the archive, apart from this process, and waits until it does.
    fn mount_through_fuse(&self, archive: &Path, at: &Path) -> io::Result<()> {
        let mut said = tempfile::tempfile()?;
        let mut command = Command::new(&self.program);
        // A group of its own: what a terminal sends to this process is not meant for it.
        command
            .args(["iso", "mount"])
            .args(is_root().then_some("--everybody"))
            .arg("--")
            .arg(archive)
            .arg(at);
        command.current_dir("/").process_group(0).stdin(Stdio::null()).stdout(Stdio::null());
        (self.running)(&command);
        let mut child = command.stderr(said.try_clone()?).spawn()?;
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
            said.rewind()?;
            said.read_to_string(&mut text)?;
            let how = ended.map_or_else(|| "not mounted in time".to_owned(), |status| status.to_string());
            return Err(io::Error::other(format!("{}: {how}: {}", self.program.display(), text.trim())));
        }
        Ok(())
    }
}

impl Machine for Linux {
    fn can_mount(&self, archive: &Path, way: Way) -> Result<(), String> {
        match way {
            Way::Kernel => self.can_mount_by_kernel(archive),
            Way::Fuse => self.can_mount_through_fuse(archive),
        }
    }

    fn prepare(&self, archive: &Path, way: Way) -> Result<(), String> {
        match way {
            Way::Kernel => self.prepare_kernel(archive),
            Way::Fuse => self.prepare_fuse(archive),
        }
    }

    fn mount(&self, archive: &Path, at: &Path, way: Way) -> io::Result<()> {
        if way == Way::Fuse {
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

    fn mounted(&self, at: &Path) -> io::Result<Option<Way>> {
        Ok(self.seen(at)?.map(|seen| if seen.is_fuse() { Way::Fuse } else { Way::Kernel }))
    }

    fn shows(&self, archive: &Path, at: &Path) -> io::Result<bool> {
        let Some(seen) = self.seen(at)? else { return Ok(false) };
        if seen.is_fuse() {
            return Ok(Path::new(&seen.source) == archive);
        }
        if archive.is_dir() {
            let (there, here) = (std::fs::metadata(at)?, std::fs::metadata(archive)?);
            return Ok((there.dev(), there.ino()) == (here.dev(), here.ino()));
        }
        // Ends in ` (deleted)` once the name is another file's.
        let backing = self.disks.join(&seen.device).join("loop/backing_file");
        match content::open_read(&backing, Links::Follow, TABLE_MAX) {
            Ok(file) => Ok(file.trim_ascii_end() == archive.as_os_str().as_encoded_bytes()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn units_changed(&self) -> io::Result<()> {
        if !self.systemd.is_dir() {
            return Ok(());
        }
        self.run(Command::new("systemctl").arg("daemon-reload"))
    }
}

/// A path of the list of mounts, in which blanks and backslashes are octal numbers (proc(5)).
pub(super) fn decoded(point: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\043", "#"), ("\\134", "\\")]
        .iter()
        .fold(point.to_owned(), |point, (from, to)| point.replace(from, to))
}
