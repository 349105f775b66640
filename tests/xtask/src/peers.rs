//! Peers: the real tools that the tests hold Sealift against. What is missing is installed before the tests run.
//!
//! Debian's packages come from apt, Python's from pip into a virtual environment below `target/`, and the parts of a virtual
//! machine lie there too ([`machine`]). Nothing that is installed keeps running: services are neither started nor enabled.

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::machine;

/// A Debian package, and how to see that what it brings is there.
struct Peer {
    package: &'static str,
    sign: Sign,
}

/// What shows that a peer is installed, wherever it came from.
enum Sign {
    /// All of these programs are found.
    Programs(&'static [&'static str]),
    /// The system's Python imports this module.
    PythonModule(&'static str),
}

const fn programs(package: &'static str, programs: &'static [&'static str]) -> Peer {
    Peer { package, sign: Sign::Programs(programs) }
}

/// The peers that Debian has, in the order of the rooms they judge.
const DEBIAN: &[Peer] = &[
    programs("xorriso", &["xorriso"]),
    programs("genisoimage", &["genisoimage", "isoinfo", "isovfy"]),
    programs("libarchive-tools", &["bsdtar"]),
    programs("p7zip-full", &["7z"]),
    programs("isomd5sum", &["checkisomd5", "implantisomd5"]),
    Peer { package: "python3-pycdlib", sign: Sign::PythonModule("pycdlib") },
    programs("qemu-system-x86", &["qemu-system-x86_64"]),
    programs("xfsprogs", &["mkfs.xfs"]),
    programs("btrfs-progs", &["mkfs.btrfs"]),
    programs("fuse3", &["fusermount3"]),
    programs("skopeo", &["skopeo"]),
    programs("buildah", &["buildah"]),
    programs("containerd", &["containerd", "ctr"]),
    programs("nginx-light", &["nginx"]),
    programs("wrk", &["wrk"]),
    programs("docker-registry", &["docker-registry"]),
    programs("dnf", &["dnf"]),
    programs("rpm", &["rpm", "rpmbuild", "rpmsign"]),
    programs("createrepo-c", &["createrepo_c"]),
    programs("systemd", &["systemd-analyze"]),
    programs("curl", &["curl"]),
    programs("zstd", &["zstd"]),
    programs("gnupg", &["gpg", "gpgconf"]),
    programs("openssl", &["openssl"]),
    programs("binutils", &["readelf"]),
    programs("python3-doit", &["doit"]),
    programs("iproute2", &["ip"]),
    programs("openssh-client", &["ssh", "ssh-keygen"]),
    programs("openssh-server", &["sshd"]),
    programs("zsh", &["zsh"]),
    programs("fish", &["fish"]),
    programs("shellcheck", &["shellcheck"]),
    programs("yamllint", &["yamllint"]),
    Peer { package: "python3-venv", sign: Sign::PythonModule("ensurepip") },
];

/// Units that these packages bring and that no test wants running.
const UNITS: [&str; 4] = ["containerd.service", "docker-registry.service", "nginx.service", "ssh.service"];

/// The peers that only Python's registry has: a program, and what pip is asked for.
const PYTHON: [(&str, &[&str]); 2] = [("salt-call", &["salt==3008.3"]), ("salt-lint", &["salt-lint==0.9.2"])];

/// Run by root: installs the packages in its arguments while `policy-rc.d` keeps their services from starting.
const INSTALL: &str = r#"
set -eu
policy=/usr/sbin/policy-rc.d
mark='# by cargo xtask test'
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\n%s\nexit 101\n' "$mark" >"$policy"
    chmod 755 "$policy"
fi
trap 'if grep -qxF "$mark" "$policy" 2>/dev/null; then rm -f "$policy"; fi' EXIT
export DEBIAN_FRONTEND=noninteractive
# Where one of several sources is unreachable the others may still have everything.
apt-get -qq -o DPkg::Lock::Timeout=300 update || :
apt-get -qq -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "$@"
"#;

/// Installs the peers that are missing.
pub(crate) fn install(root: &Path) -> Result<(), String> {
    install_debian()?;
    machine::unpack(&target(root).join("machine"))?;
    install_python(root)
}

/// The search path for the tests: this process's, then the peers from Python's registry.
pub(crate) fn search_path(root: &Path) -> OsString {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain([python_environment(root).join("bin")]);
    env::join_paths(folders).unwrap_or(path)
}

/// The virtual environment of the peers from Python's registry.
fn python_environment(root: &Path) -> PathBuf {
    target(root).join("peers")
}

/// The folder that cargo builds into.
fn target(root: &Path) -> PathBuf {
    root.join(env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from))
}

/// Fetches the lists of the packages that there are.
pub(crate) fn update() -> Result<(), String> {
    let as_root = as_root().ok_or("only root may fetch apt's lists; run first:\n    sudo apt-get update")?;
    let (program, arguments) = as_root.split_first().unwrap_or((&"sh", &[]));
    let mut command = Command::new(program);
    run(command.args(arguments).args(["-c", "apt-get -qq -o DPkg::Lock::Timeout=300 update"]))
}

fn install_debian() -> Result<(), String> {
    let missing: Vec<&str> =
        DEBIAN.iter().filter(|peer| !peer.is_installed()).map(|peer| peer.package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let packages = missing.join(" ");
    let by_hand = format!("apt-get install --no-install-recommends {packages}");
    if find("apt-get").is_none() {
        return Err(format!(
            "the tests need tools that this system lacks and that only Debian's apt-get could install from here; \
             in Debian they are called: {packages}"
        ));
    }
    let as_root = as_root().ok_or_else(|| {
        format!("the tests need tools that are not installed, and this is not root; run first:\n    sudo {by_hand}")
    })?;
    say(&format!("{by_hand}   (services stay off)"));
    let units: Vec<&str> = UNITS.into_iter().filter(|unit| !is_unit(unit)).collect();
    let (program, arguments) = as_root.split_first().unwrap_or((&"sh", &[]));
    let mut command = Command::new(program);
    command.args(arguments).args(["-c", INSTALL, "install"]).args(&missing);
    run(&mut command).map_err(|error| format!("{error}; the tests need these tools; run:\n    {by_hand}"))?;
    stay_off(&as_root, &units)
}

/// Disables the units that were not there before; without a running systemd nothing could start them.
fn stay_off(as_root: &[&str], units: &[&str]) -> Result<(), String> {
    let new: Vec<&&str> = units.iter().filter(|unit| is_unit(unit)).collect();
    if new.is_empty() || !Path::new("/run/systemd/system").is_dir() {
        return Ok(());
    }
    let (program, arguments) = as_root.split_first().unwrap_or((&"sh", &[]));
    let mut command = Command::new(program);
    command.args(arguments).args(["-c", r#"systemctl disable --now "$@""#, "disable"]).args(new);
    run(&mut command)
}

fn is_unit(unit: &str) -> bool {
    ["/lib/systemd/system", "/usr/lib/systemd/system"]
        .iter()
        .any(|folder| Path::new(folder).join(unit).exists())
}

fn install_python(root: &Path) -> Result<(), String> {
    let environment = python_environment(root);
    for (program, requirements) in PYTHON {
        if environment.join("bin").join(program).is_file() {
            continue;
        }
        let shown = environment.display();
        say(&format!("python3 -m venv {shown} && {shown}/bin/pip install {}", requirements.join(" ")));
        run(Command::new(system_python()).args(["-m", "venv"]).arg(&environment))?;
        let mut pip = Command::new(environment.join("bin/pip"));
        pip.args(["install", "--quiet", "--disable-pip-version-check"]).args(requirements);
        run(&mut pip)
            .map_err(|error| format!("{error}; the tests need `{program}` from Python's registry"))?;
    }
    Ok(())
}

impl Peer {
    fn is_installed(&self) -> bool {
        match self.sign {
            Sign::Programs(programs) => programs.iter().all(|program| find(program).is_some()),
            Sign::PythonModule(module) => Command::new(system_python())
                .args(["-c", &format!("import {module}")])
                .stderr(Stdio::null())
                .status()
                .is_ok_and(|status| status.success()),
        }
    }
}

/// Debian's own Python where there is one: a module from apt is found by no other.
fn system_python() -> PathBuf {
    let debian = PathBuf::from("/usr/bin/python3");
    if debian.is_file() { debian } else { PathBuf::from("python3") }
}

/// A shell as root, as the beginning of a command line; `None` where this user may not.
fn as_root() -> Option<Vec<&'static str>> {
    let output = Command::new("id").arg("-u").output().ok()?;
    if output.stdout.trim_ascii() == b"0" {
        return Some(vec!["sh"]);
    }
    let sudo = Command::new("sudo").args(["-n", "true"]).stderr(Stdio::null()).status();
    sudo.is_ok_and(|status| status.success()).then(|| vec!["sudo", "-n", "sh"])
}

pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    folders.map(|folder| folder.join(program)).find(|file| file.is_file())
}

pub(crate) fn run(command: &mut Command) -> Result<(), String> {
    let name = Path::new(command.get_program()).file_name().unwrap_or(OsStr::new("command")).to_owned();
    let status = command.stdin(Stdio::null()).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{}: {status}", name.display())),
        Err(error) => Err(format!("{}: {error}", name.display())),
    }
}

#[expect(clippy::print_stderr, reason = "what is about to be changed on this machine is said")]
pub(crate) fn say(text: &str) {
    eprintln!("cargo xtask: {text}");
}
