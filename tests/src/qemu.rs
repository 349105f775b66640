//! A virtual machine that runs for seconds: Debian's kernel with a busybox, for what only a kernel can judge (isofs, block
//! devices, file systems) and for what needs root on a machine that may break.
//!
//! It needs no privileges and has no network. The processor is emulated, which works everywhere; `/dev/kvm` may exist and hang. `cargo xtask test` puts its parts into `target/peers/machine`.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::peer;

/// Seconds after which a machine is stopped.
const PATIENCE: &str = "500";
/// What every machine needs to see its disks.
const MODULES: [&str; 2] = ["virtio_pci", "virtio_blk"];

/// A virtual machine before its start.
#[derive(Debug)]
pub struct Machine {
    qemu: PathBuf,
    busybox: PathBuf,
    kernel: PathBuf,
    /// The folder with the kernel's modules.
    modules: PathBuf,
    wanted: Vec<String>,
    files: Vec<(String, PathBuf)>,
    /// Images and whether they are read only.
    disks: Vec<(PathBuf, bool)>,
}

impl Machine {
    /// A machine, or `None` if its parts are missing, which is reported on standard error.
    ///
    /// # Panics
    ///
    /// In CI, where they must exist.
    #[must_use]
    pub fn find() -> Option<Self> {
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
        let parts = crate::sealift::repository().join(target).join("peers/machine");
        let qemu = peer::find("qemu-system-x86_64")?;
        let kernel = fs::read_dir(parts.join("boot")).ok().and_then(|mut files| {
            files.find_map(|file| {
                let path = file.ok()?.path();
                let version = path.file_name()?.to_str()?.strip_prefix("vmlinuz-")?.to_owned();
                Some((path, version))
            })
        });
        let Some((kernel, version)) = kernel else {
            peer::skip(&format!("no kernel in {}", parts.display()));
            return None;
        };
        Some(Self {
            qemu,
            busybox: parts.join("bin/busybox"),
            kernel,
            modules: parts.join("lib/modules").join(version).join("kernel"),
            wanted: MODULES.map(str::to_owned).to_vec(),
            files: Vec::new(),
            disks: Vec::new(),
        })
    }

    /// The busybox of the machine, to run the same commands outside.
    #[must_use]
    pub fn busybox(&self) -> &Path {
        &self.busybox
    }

    /// Loads a module of the kernel, with those that it depends on.
    #[must_use]
    pub fn module(mut self, name: &str) -> Self {
        self.wanted.push(name.to_owned());
        self
    }

    /// Copies a file of this machine into the other, with its permissions: `bin/sealift` is `/bin/sealift` there.
    #[must_use]
    pub fn file(mut self, name: &str, source: &Path) -> Self {
        self.files.push((name.to_owned(), source.to_owned()));
        self
    }

    /// Copies a program of this machine into the other, with the libraries that it needs.
    #[must_use]
    pub fn program(self, name: &str, source: &Path) -> Self {
        let listed = Command::new("ldd").arg(source).output().map(|output| output.stdout).unwrap_or_default();
        let listed = String::from_utf8_lossy(&listed);
        let libraries = listed.split_whitespace().filter_map(|word| word.strip_prefix('/'));
        libraries
            .fold(self.file(name, source), |machine, name| machine.file(name, &Path::new("/").join(name)))
    }

    /// Adds a disk that cannot be written. The first of all disks is `/dev/vda`, the next `/dev/vdb`.
    #[must_use]
    pub fn disk(mut self, image: &Path) -> Self {
        self.disks.push((image.to_owned(), true));
        self
    }

    /// Adds a disk that can be written.
    #[must_use]
    pub fn writable_disk(mut self, image: &Path) -> Self {
        self.disks.push((image.to_owned(), false));
        self
    }

    /// Starts the machine, runs `script` in it with busybox's shell and returns the output.
    ///
    /// The script runs as root in an empty folder, with `/proc`, `/sys`, `/dev` and `/tmp`. It ends with the first command that
    /// fails, and so does the test.
    ///
    /// # Panics
    ///
    /// If the machine does not start or the script fails, with the output of both.
    #[must_use]
    pub fn run(&self, script: &str) -> String {
        let scratch = tempfile::tempdir().unwrap();
        let (archive, printed) = (scratch.path().join("initramfs"), scratch.path().join("printed"));
        fs::write(&archive, self.initramfs(script)).unwrap();
        let mut command = Command::new("timeout");
        command.arg(PATIENCE).arg(&self.qemu);
        // Half of the memory may hold files, among them the unoptimized program.
        command.args("-M pc -accel tcg -m 1024 -nodefaults -nographic -no-reboot -serial stdio".split(' '));
        command.arg("-serial").arg(format!("file:{}", printed.display()));
        command.arg("-kernel").arg(&self.kernel).arg("-initrd").arg(&archive);
        command.args(["-append", "console=ttyS0 quiet panic=-1 mitigations=off"]);
        for (image, read_only) in &self.disks {
            let read_only = if *read_only { "on" } else { "off" };
            let path = image.display();
            command.arg("-drive").arg(format!("file={path},if=virtio,format=raw,readonly={read_only}"));
        }
        let console = command.stdin(Stdio::null()).output().unwrap();
        let printed = String::from_utf8_lossy(&fs::read(printed).unwrap_or_default()).into_owned();
        printed.strip_suffix(DONE).map_or_else(
            || {
                panic!(
                    "the virtual machine ended with {} and printed:\n{printed}\n--- console\n{}\n--- qemu\n{}",
                    console.status,
                    String::from_utf8_lossy(&console.stdout),
                    String::from_utf8_lossy(&console.stderr)
                )
            },
            str::to_owned,
        )
    }

    /// As [`Machine::run`], but the machine ends like in a power cut: what is not yet on its disks is lost.
    ///
    /// # Panics
    ///
    /// As [`Machine::run`].
    #[must_use]
    pub fn run_until_power_cut(&self, script: &str) -> String {
        self.run(&format!("{script}\n{POWER_CUT}"))
    }

    /// The first programs of the machine, as the kernel unpacks them at its start.
    fn initramfs(&self, script: &str) -> Vec<u8> {
        let mut archive = Archive::default();
        for folder in ["dev", "proc", "sys", "tmp", "mnt"] {
            archive.folder(folder);
        }
        archive.file("bin/busybox", 0o755, &fs::read(&self.busybox).unwrap());
        let mut init = INIT.to_owned();
        for (number, module) in self.in_order().iter().enumerate() {
            archive.file(&format!("modules/{number}.ko"), 0o644, module);
            writeln!(init, "insmod /modules/{number}.ko").unwrap();
        }
        init += RUN;
        archive.file("init", 0o755, init.as_bytes());
        archive.file("script", 0o755, format!("set -e\n{script}").as_bytes());
        for (name, source) in &self.files {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = fs::metadata(source).unwrap().permissions().mode();
            archive.file(name, mode & 0o7777, &fs::read(source).unwrap());
        }
        archive.end()
    }

    /// The contents of the modules, each behind those that it depends on.
    fn in_order(&self) -> Vec<Vec<u8>> {
        let mut found = std::collections::HashMap::new();
        let mut folders = vec![self.modules.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if let Some(name) = path.file_name().and_then(|name| name.to_str()) {
                    let name = name.split('.').next().unwrap_or_default().replace('-', "_");
                    found.insert(name, path);
                }
            }
        }
        let mut out = Vec::new();
        let mut done = BTreeSet::new();
        let mut open: Vec<String> = self.wanted.iter().rev().cloned().collect();
        while let Some(name) = open.last().cloned() {
            let path = found.get(&name).unwrap_or_else(|| panic!("the kernel has no module `{name}`"));
            let module = read_module(path);
            let before: Vec<String> =
                dependencies(&module).into_iter().filter(|name| !done.contains(name)).collect();
            if before.is_empty() {
                open.pop();
                if done.insert(name) {
                    out.push(module);
                }
            }
            open.extend(before);
        }
        out
    }
}

const INIT: &str = "#!/bin/busybox sh
/bin/busybox mkdir -p /usr/bin /usr/sbin /sbin
/bin/busybox --install -s
export PATH=/bin:/sbin:/usr/bin:/usr/sbin HOME=/tmp
mount -t proc none /proc; mount -t sysfs none /sys; mount -t devtmpfs none /dev
";

/// Runs the script with its output on a serial port of its own, since the kernel prints to the first. The script writes to a
/// pipe, not to a terminal.
const RUN: &str = "stty -F /dev/ttyS1 raw
cd /mnt
(sh /script && printf '\\nthe end\\n') 2>&1 | cat >/dev/ttyS1
poweroff -f
";

/// The line that shows that the script has ended.
const DONE: &str = "\nthe end\n";

/// Reboots the kernel once the output is out; the machine ends instead.
const POWER_CUT: &str = "printf '\\nthe end\\n'
sleep 1
echo b >/proc/sysrq-trigger
sleep 100
";

/// An empty disk.
///
/// # Panics
///
/// If the file cannot be made.
#[must_use]
pub fn empty_disk(path: &Path, bytes: u64) -> PathBuf {
    fs::File::create(path).unwrap().set_len(bytes).unwrap();
    path.to_path_buf()
}

/// A module's bytes; Debian packs them since version 13.
fn read_module(path: &Path) -> Vec<u8> {
    if path.extension().is_some_and(|extension| extension == "xz") {
        return peer::run(Command::new("xz").arg("--decompress").arg("--stdout").arg(path)).stdout;
    }
    fs::read(path).unwrap()
}

/// The names of the modules that must be loaded before this one.
fn dependencies(module: &[u8]) -> Vec<String> {
    let field = module.split(|byte| *byte == 0).find_map(|field| field.strip_prefix(b"depends="));
    let names = String::from_utf8_lossy(field.unwrap_or_default()).replace('-', "_");
    names.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// An archive in the form that the kernel unpacks: cpio's `newc`.
#[derive(Debug, Default)]
struct Archive {
    bytes: Vec<u8>,
    folders: BTreeSet<PathBuf>,
}

impl Archive {
    fn folder(&mut self, name: &str) {
        if self.folders.insert(name.into()) {
            self.add(name, 0o040_755, &[]);
        }
    }

    fn file(&mut self, name: &str, mode: u32, content: &[u8]) {
        let above: Vec<_> = Path::new(name).ancestors().skip(1).filter_map(Path::to_str).collect();
        for folder in above.into_iter().rev().filter(|folder| !folder.is_empty()) {
            self.folder(folder);
        }
        self.add(name, 0o100_000 | mode, content);
    }

    fn add(&mut self, name: &str, mode: u32, content: &[u8]) {
        let length = u32::try_from(content.len()).unwrap();
        let fields = [0, mode, 0, 0, 1, 0, length, 0, 0, 0, 0, name.len() as u32 + 1, 0];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            self.bytes.extend(format!("{field:08X}").bytes());
        }
        self.bytes.extend(name.bytes().chain([0]));
        self.pad();
        self.bytes.extend_from_slice(content);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    fn end(mut self) -> Vec<u8> {
        self.add("TRAILER!!!", 0, &[]);
        self.bytes
    }
}
