//! The programs and the state of the machine that is brought up.

use std::ffi::OsStr;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use content::LinkPolicy;

use super::addresses::{self, InterfaceAddress};
use super::os_release::OsRelease;

/// The maximum size of a file of the system that is read, in bytes.
const TEXT_MAX: u64 = 1 << 20;

/// What a bring-up needs from the machine, apart from files.
pub trait Host {
    /// Runs a program to its end, without input, and returns its output.
    ///
    /// # Errors
    ///
    /// It cannot be started.
    fn run(&self, program: &str, arguments: &[&OsStr]) -> io::Result<Output>;
    /// The state of the machine.
    fn facts(&self) -> HostFacts;
    /// Whether a program could listen on an address.
    ///
    /// # Errors
    ///
    /// Why not.
    fn can_listen(&self, address: SocketAddr) -> io::Result<()>;
    /// The free space of the file system of a folder, in bytes.
    ///
    /// # Errors
    ///
    /// The operating system does not report it.
    fn free_bytes(&self, folder: &Path) -> io::Result<u64>;
}

/// The state of a machine.
#[derive(Clone, Debug, Default)]
pub struct HostFacts {
    /// Whether this process runs as root.
    pub is_root: bool,
    /// Whether systemd runs.
    pub has_systemd: bool,
    /// The operating system.
    pub system: OsRelease,
    /// The release of the kernel, as `uname -r` prints it.
    pub kernel: String,
    /// The number of processor cores.
    pub cores: usize,
    /// The memory, in bytes.
    pub memory: u64,
    /// The size of the root file system, in bytes.
    pub root_bytes: u64,
    /// The name of the machine.
    pub name: String,
    /// Its addresses, without those of the loopback interface.
    pub addresses: Vec<InterfaceAddress>,
    /// The programs that it has, of those that a bring-up uses.
    pub programs: Vec<&'static str>,
    /// The services that run, of those that a bring-up looks for.
    pub services: Vec<&'static str>,
}

/// The programs that a bring-up may run.
pub(super) const PROGRAMS: [&str; 9] =
    ["dnf", "yum", "rpm", "openssl", "systemctl", "ctr", "firewall-cmd", "restorecon", "useradd"];
/// The services that a bring-up looks for.
pub(super) const SERVICES: [&str; 7] = [
    "firewalld",
    "puppet",
    "chef-client",
    "cfengine3",
    "salt-minion",
    "sealift-registry",
    "sealift-registry.socket",
];

impl HostFacts {
    pub(super) fn has(&self, program: &str) -> bool {
        self.programs.contains(&program)
    }

    pub(super) fn runs(&self, service: &str) -> bool {
        self.services.contains(&service)
    }
}

/// A Linux machine.
#[derive(Clone, Debug)]
pub struct LinuxHost {
    /// The folders with programs.
    pub programs: Vec<PathBuf>,
    /// Called with each command before it runs.
    pub running: fn(&Command),
}

impl Default for LinuxHost {
    fn default() -> Self {
        let folders = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];
        Self { programs: folders.map(PathBuf::from).to_vec(), running: |_| {} }
    }
}

impl LinuxHost {
    fn find(&self, program: &str) -> Option<PathBuf> {
        self.programs.iter().map(|folder| folder.join(program)).find(|file| file.is_file())
    }

    /// The output of a program that prints facts; nothing if it fails.
    fn printed(&self, program: &str, arguments: &[&str]) -> String {
        let arguments: Vec<&OsStr> = arguments.iter().map(OsStr::new).collect();
        let output = self.run(program, &arguments).map(|output| output.stdout).unwrap_or_default();
        String::from_utf8_lossy(&output).into_owned()
    }
}

impl Host for LinuxHost {
    fn run(&self, program: &str, arguments: &[&OsStr]) -> io::Result<Output> {
        let path = self.find(program).ok_or_else(|| io::Error::from(ErrorKind::NotFound))?;
        let mut command = Command::new(path);
        command.args(arguments).env("LC_ALL", "C").current_dir("/").stdin(Stdio::null());
        (self.running)(&command);
        command.output()
    }

    fn facts(&self) -> HostFacts {
        let text = |path: &str| {
            content::open_text(Path::new(path), LinkPolicy::Follow, TEXT_MAX).unwrap_or_default()
        };
        let system = OsRelease::parse(&text("/etc/os-release"));
        let memory = text("/proc/meminfo");
        let kilobytes = memory
            .lines()
            .find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        let root = rustix::fs::statvfs("/");
        let has_systemd = Path::new("/run/systemd/system").is_dir();
        // One call: each start of systemctl takes a while on a small machine.
        let states = if has_systemd {
            self.printed("systemctl", &[&["is-active"], SERVICES.as_slice()].concat())
        } else {
            String::new()
        };
        HostFacts {
            is_root: rustix::process::geteuid().is_root(),
            has_systemd,
            system: system.with_redhat_release(&text("/etc/redhat-release")),
            kernel: text("/proc/sys/kernel/osrelease").trim().to_owned(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory: kilobytes.unwrap_or_default().saturating_mul(1024),
            root_bytes: root.map_or(0, |root| root.f_blocks.saturating_mul(root.f_frsize)),
            name: text("/proc/sys/kernel/hostname").trim().to_owned(),
            addresses: addresses::parse(&self.printed("ip", &["-o", "addr", "show"])),
            programs: PROGRAMS.into_iter().filter(|program| self.find(program).is_some()).collect(),
            services: SERVICES
                .into_iter()
                .zip(states.lines())
                .filter(|(_, state)| matches!(*state, "active" | "activating" | "reloading"))
                .map(|(service, _)| service)
                .collect(),
        }
    }

    fn can_listen(&self, address: SocketAddr) -> io::Result<()> {
        TcpListener::bind(address).map(drop)
    }

    fn free_bytes(&self, folder: &Path) -> io::Result<u64> {
        // The folder may not exist yet.
        let existing = folder.ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new("/"));
        let space = rustix::fs::statvfs(existing)?;
        Ok(space.f_bavail.saturating_mul(space.f_frsize))
    }
}
