//! A node: a virtual machine with systemd as its init, dnf, containerd and firewalld, for what needs a boot, a mount by the
//! kernel, services or a power cut.
//!
//! It needs no privileges and reaches no network; its own address is 10.0.2.15 in 10.0.2.0/24. The processor is emulated,
//! so a boot takes about ten seconds. Root's `cargo xtask test` makes the disk in `target/peers/node`; every node writes to a
//! file of its own over it. For questions to the kernel alone, [`crate::qemu`] is faster.
//!
//! ```no_run
//! # use tests::virtual_node::VirtualNode;
//! let Some(node) = VirtualNode::find() else { return };
//! let mut node = node.file("/root/site.iso", "target/site.iso".as_ref()).boot();
//! node.run("sealift archive import /root/site.iso");
//! node.reboot();
//! node.run("findmnt /srv/scality/site-1.0");
//! node.cut_power();
//! node.start();
//! ```

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tempfile::TempDir;

use crate::peer;

/// How long a boot or a script may take.
const PATIENCE: Duration = Duration::from_secs(600);
/// The pause between two looks for the socket of a machine that starts.
const PAUSE: Duration = Duration::from_millis(20);
/// What the kernel is started with. `panic=-1` ends the machine instead of leaving it hanging. Without its self-tests of ciphers, and
/// without KVM, a boot takes a quarter less.
const KERNEL_LINE: &str = "root=/dev/nvme0n1 rw console=ttyS0 quiet mitigations=off panic=-1 net.ifnames=0 \
                           systemd.unit=multi-user.target cryptomgr.notests modprobe.blacklist=kvm,kvm_amd,kvm_intel";

/// Mounts the ISO with the program, and so does each later boot.
const MOUNT_PROGRAM: &str = "mkdir -p /media/program
echo '/dev/vdb /media/program iso9660 ro 0 0' >>/etc/fstab
mount /media/program
";

/// Makes an ISO of a folder that has only the program under test.
fn write_program(folder: &Path, iso: &Path) {
    fs::create_dir(folder).unwrap();
    let (program, there) = (crate::sealift::binary(), folder.join("sealift"));
    fs::hard_link(program, &there).or_else(|_| fs::copy(program, &there).map(drop)).unwrap();
    let options = iso::IsoOptions { volume_id: "program".into(), ..iso::IsoOptions::default() };
    iso::PlannedIso::from_dir(folder, &options).unwrap().write_file(iso, &()).unwrap();
}

/// A node before its first boot.
#[derive(Debug)]
pub struct VirtualNode {
    qemu: PathBuf,
    folder: TempDir,
    kernel: PathBuf,
    /// The files to copy in, each with its path there.
    files: Vec<(PathBuf, PathBuf)>,
    /// The paths of `sealift`.
    programs: Vec<String>,
}

impl VirtualNode {
    /// A node, or `None` if its parts are missing, which is reported on standard error.
    ///
    /// # Panics
    ///
    /// In CI, where they must exist; if its disk cannot be created.
    #[must_use]
    pub fn find() -> Option<Self> {
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
        let parts = crate::sealift::repository().join(target).join("peers/node");
        let (qemu, image) = (peer::find("qemu-system-x86_64")?, peer::find("qemu-img")?);
        let (kernel, disk) = (parts.join("vmlinuz"), parts.join("disk.raw"));
        if !kernel.is_file() || !disk.is_file() {
            peer::skip(&format!("no disk in {}; root's `cargo xtask test` makes it", parts.display()));
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let mut overlay = Command::new(image);
        overlay.args(["create", "-q", "-f", "qcow2", "-F", "raw", "-b"]).arg(disk);
        peer::run(overlay.arg(folder.path().join("disk.qcow2")));
        Some(Self { qemu, folder, kernel, files: Vec::new(), programs: Vec::new() })
    }

    /// Copies a file of this machine to the absolute path `to` of the node, with its permissions, before the first script.
    #[must_use]
    pub fn file(mut self, to: &str, source: &Path) -> Self {
        self.files.push((to.into(), source.to_owned()));
        self
    }

    /// Puts the program under test at the absolute path `to`: a link to a file of an ISO that each boot mounts. To copy an unoptimized
    /// program, of 100 MB and more, takes an emulated processor half a minute.
    #[must_use]
    pub fn program(mut self, to: &str) -> Self {
        self.programs.push(to.into());
        self
    }

    /// Boots the node for the first time and waits until it runs scripts.
    ///
    /// # Panics
    ///
    /// If it does not boot.
    #[must_use]
    pub fn boot(self) -> RunningNode {
        let Self { qemu, folder, kernel, files, programs } = self;
        // A disk whose content is a tar archive: the kernel needs no file system for it.
        let copied = folder.path().join("files.tar");
        let mut archive = tar::Builder::new(File::create(&copied).unwrap());
        for (to, source) in &files {
            let to = to.strip_prefix("/").unwrap_or(to);
            archive.append_path_with_name(source, to).unwrap_or_else(|e| panic!("{}: {e}", source.display()));
        }
        archive.into_inner().unwrap().sync_all().unwrap();
        let program = folder.path().join("program.iso");
        write_program(&folder.path().join("program"), &program);
        let disks = [copied, program];
        let mut node = RunningNode { qemu, folder, kernel, disks, machine: None };
        node.start();
        let mut script = format!("tar --no-same-owner -C / -xf /dev/vda\n{MOUNT_PROGRAM}");
        for to in programs {
            script += &format!("ln -s /media/program/sealift {to}\n");
        }
        node.run(&script);
        node
    }
}

/// A node that has been booted. It ends when it is dropped.
#[derive(Debug)]
pub struct RunningNode {
    qemu: PathBuf,
    /// Its disk, its sockets and what it prints.
    folder: TempDir,
    kernel: PathBuf,
    /// The archive of the files, and the ISO with the program.
    disks: [PathBuf; 2],
    /// `None` while it has no power.
    machine: Option<(Child, BufReader<UnixStream>)>,
}

impl RunningNode {
    /// Runs a script with bash as root in `/root` and returns its output, standard error included. It ends with the first
    /// command that fails, and so does the test.
    ///
    /// # Panics
    ///
    /// If the script fails, with its output.
    pub fn run(&mut self, script: &str) -> String {
        let (code, output) = self.attempt(script);
        assert_eq!(code, 0, "{script}\n--- output\n{output}\n--- console\n{}", self.console());
        output
    }

    /// As [`RunningNode::run`]; returns the exit code and the output.
    ///
    /// # Panics
    ///
    /// If the node does not answer.
    pub fn attempt(&mut self, script: &str) -> (i32, String) {
        self.send(script);
        let line = self.line();
        let answer = line.split_once(' ').and_then(|(code, output)| {
            let output = STANDARD.decode(output.trim_end()).ok()?;
            Some((code.parse().ok()?, String::from_utf8_lossy(&output).into_owned()))
        });
        answer.unwrap_or_else(|| panic!("{script}\n--- answer\n{line}\n--- console\n{}", self.console()))
    }

    /// Runs a script until it succeeds, for what happens in the background; returns its output.
    ///
    /// # Panics
    ///
    /// If it does not succeed in time.
    pub fn wait_for(&mut self, script: &str) -> String {
        // The node itself waits between two tries: each answer to this machine costs it more than a look.
        self.run(&format!(
            "until (\nset -e\n{script}\n) >/run/waited 2>&1; do sleep 1; done; cat /run/waited"
        ))
    }

    /// The content of a file of the node, of at most a few megabytes.
    ///
    /// # Panics
    ///
    /// If it cannot be read.
    pub fn read(&mut self, path: &str) -> Vec<u8> {
        let text = self.run(&format!("base64 -w0 '{path}'"));
        STANDARD.decode(text.trim_end()).unwrap()
    }

    /// Shuts the node down, boots it and waits until it runs scripts.
    ///
    /// # Panics
    ///
    /// If it does not boot.
    pub fn reboot(&mut self) {
        self.send("systemctl reboot");
        self.wait_until_ready();
    }

    /// Cuts the power: what the node has not written to its disk is lost.
    pub fn cut_power(&mut self) {
        if let Some((mut qemu, _)) = self.machine.take() {
            // It may have ended already.
            let _ = qemu.kill();
            let _ = qemu.wait();
        }
    }

    /// Boots the node after [`RunningNode::cut_power`].
    ///
    /// # Panics
    ///
    /// If it does not boot.
    pub fn start(&mut self) {
        let (socket, errors) = (self.path("scripts"), self.path("errors"));
        let _ = fs::remove_file(&socket);
        let mut command = Command::new(&self.qemu);
        command.args(
            "-M q35 -accel tcg,tb-size=256 -cpu max -smp 1 -m 768 -nodefaults -display none".split(' '),
        );
        command.arg("-kernel").arg(&self.kernel).args(["-append", KERNEL_LINE]);
        let disk = self.path("disk.qcow2");
        command.arg("-drive").arg(format!("if=none,id=root,file={},format=qcow2", disk.display()));
        command.args(["-device", "nvme,drive=root,serial=root"]);
        for image in &self.disks {
            let image = image.display();
            command.arg("-drive").arg(format!("if=virtio,file={image},format=raw,readonly=on"));
        }
        command.arg("-serial").arg(format!("file:{}", self.path("console").display()));
        command.args(["-device", "virtio-rng-pci", "-device", "virtio-serial-pci"]);
        command.arg("-chardev").arg(format!("socket,id=cmd,path={},server=on,wait=off", socket.display()));
        command.args(["-device", "virtserialport,chardev=cmd,name=cmd"]);
        command.args(["-netdev", "user,id=net,restrict=on", "-device", "virtio-net-pci,netdev=net,romfile="]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&errors).unwrap());
        let mut qemu = command.spawn().unwrap();
        let began = Instant::now();
        let stream = loop {
            if let Ok(stream) = UnixStream::connect(&socket) {
                break stream;
            }
            let ended = qemu.try_wait().unwrap();
            let printed = || fs::read_to_string(&errors).unwrap_or_default();
            assert!(ended.is_none() && began.elapsed() < PATIENCE, "{ended:?}: {}", printed());
            std::thread::sleep(PAUSE);
        };
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        self.machine = Some((qemu, BufReader::new(stream)));
        self.wait_until_ready();
    }

    /// What the kernel and systemd printed since the last start, the end of it.
    #[must_use]
    pub fn console(&self) -> String {
        let printed = fs::read(self.path("console")).unwrap_or_default();
        let end = printed.len().saturating_sub(4000);
        String::from_utf8_lossy(printed.get(end..).unwrap_or_default()).into_owned()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn stream(&mut self) -> &mut BufReader<UnixStream> {
        &mut self.machine.as_mut().unwrap_or_else(|| panic!("the node has no power")).1
    }

    fn send(&mut self, script: &str) {
        let line = STANDARD.encode(script) + "\n";
        self.stream().get_mut().write_all(line.as_bytes()).unwrap();
    }

    /// The next line from the node; empty if none comes in time.
    fn line(&mut self) -> String {
        let mut line = String::new();
        // The caller reports what has come, with the console.
        let _ = self.stream().read_line(&mut line);
        line
    }

    /// The answer to the command that reboots may or may not come before.
    fn wait_until_ready(&mut self) {
        loop {
            let line = self.line();
            assert!(!line.is_empty(), "the node does not boot\n--- console\n{}", self.console());
            if line.starts_with("ready ") {
                return;
            }
        }
    }
}

impl Drop for RunningNode {
    fn drop(&mut self) {
        self.cut_power();
    }
}
