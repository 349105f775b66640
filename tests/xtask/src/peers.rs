//! Peers: the real tools that the tests compare Sealift with. Missing ones are installed before the tests run.
//!
//! Debian's packages go into a layer over the system ([`layer`](crate::layer)) below `target/peers/`; the system itself does
//! not change. Where no layer is possible, `apt-get` installs them on the system, after asking on a terminal, and removes
//! nothing. Python's packages go into a virtual environment below `target/peers/`; npm's, and the parts of a virtual machine
//! ([`machine`]), are unpacked there. `cargo xtask clean --peers` removes them all.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::layer::{Layer, is_root};
use crate::{machine, node_root};

/// A Debian package, and the sign that it is installed.
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
    programs("qemu-utils", &["qemu-img"]),
    programs("mmdebstrap", &["mmdebstrap"]),
    programs("e2fsprogs", &["mke2fs"]),
    programs("xfsprogs", &["mkfs.xfs"]),
    programs("btrfs-progs", &["mkfs.btrfs"]),
    programs("fuse3", &["fusermount3"]),
    programs("skopeo", &["skopeo"]),
    programs("buildah", &["buildah"]),
    programs("podman", &["podman"]),
    programs("containerd", &["containerd", "ctr"]),
    programs("docker.io", &["dockerd", "docker"]),
    programs("nginx-light", &["nginx"]),
    programs("kubernetes-client", &["kubectl"]),
    programs("wrk", &["wrk"]),
    programs("docker-registry", &["docker-registry"]),
    programs("dnf", &["dnf"]),
    programs("rpm", &["rpm", "rpmbuild", "rpmsign", "rpmspec"]),
    programs("rpmlint", &["rpmlint"]),
    programs("createrepo-c", &["createrepo_c"]),
    programs("apt-utils", &["apt-ftparchive"]),
    programs("dpkg-dev", &["dpkg-scanpackages"]),
    programs("lintian", &["lintian"]),
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
    programs("libxml2-utils", &["xmllint"]),
    programs("chromium", &["chromium"]),
    programs("chromium-driver", &["chromedriver"]),
    programs("npm", &["npm"]),
    Peer { package: "python3-venv", sign: Sign::PythonModule("ensurepip") },
];

/// How often packages are installed into the layer: to make one fit, apt-get may remove another one that the system had in a version
/// from elsewhere. It comes back in the version that fits.
const ROUNDS: usize = 3;

/// Units that these packages bring and that no test wants running.
const UNITS: [&str; 6] = [
    "containerd.service",
    "docker-registry.service",
    "docker.service",
    "docker.socket",
    "nginx.service",
    "ssh.service",
];

/// The peers that only Python's registry has: a program or a module, and what pip is asked for.
const PYTHON: [(&str, &[&str]); 7] = [
    ("salt-call", &["salt==3008.3"]),
    ("salt-lint", &["salt-lint==0.9.2"]),
    ("check-jsonschema", &["check-jsonschema==0.39.0"]),
    // The types of Kubernetes, for the API server of the tests.
    ("kubernetes-validate", &["kubernetes-validate==1.37.0"]),
    // It pulls archives that are published in registries.
    ("oras", &["oras==0.2.43"]),
    // They validate SBOMs.
    ("spdx_tools", &["spdx-tools==0.8.5", "ntia-conformance-checker==6.0.0"]),
    // They read bundles of signed archives.
    (
        "sigstore",
        &[
            "securesystemslib[crypto]==1.6.0",
            "in-toto-attestation==0.9.3",
            "sigstore-models==0.0.6",
            "sigstore==4.5.1",
        ],
    ),
];

/// The accessibility checks that only npm's registry has: the package, and the SHA-256 of its file there.
const AXE: (&str, &str) =
    ("axe-core@4.14.1", "e6b0ce02b84d892e2e33e403485e7f3d6c29e2be6df65daf44d89ba564139745");

/// Unpacks the package `$1`, whose file has the SHA-256 `$2`, into the folder `$3`.
const UNPACK_NPM: &str = r#"
set -eu
partial="$3.partial"
rm -rf "$partial"
mkdir -p "$partial"
cd "$partial"
npm pack --silent "$1" >/dev/null
for file in *.tgz; do printf '%s  %s\n' "$2" "$file"; done | sha256sum --check --quiet --strict
tar -xzf *.tgz --strip-components=1
rm -f *.tgz
mv "$partial" "$3"
"#;

/// Installs packages while `policy-rc.d` keeps their services from starting. Its arguments are those of `apt-get install`.
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

/// The peers of this machine, all of them installed.
pub(crate) struct Peers {
    /// Debian's packages, where the system does not have them all.
    layer: Option<Layer>,
    /// The search path: this process's, then the peers from Python's registry.
    path: OsString,
}

impl Peers {
    /// Finds the peers, and installs those that are missing.
    pub(crate) fn prepare(root: &Path) -> Result<Self, String> {
        let folder = folder(root);
        let layer = debian(&folder.join("system"))?;
        machine::unpack(&folder.join("machine"), &|program| in_layer(layer.as_ref(), program))?;
        node_root::make(&folder.join("node"), &|program| in_layer(layer.as_ref(), program))?;
        let environment = folder.join("python");
        python(&environment, layer.as_ref())?;
        axe(&folder.join("axe-core"), layer.as_ref())?;
        let path = env::var_os("PATH").unwrap_or_default();
        let folders = env::split_paths(&path).chain([environment.join("bin")]);
        let path = env::join_paths(folders).unwrap_or(path);
        Ok(Self { layer, path })
    }

    /// A command that runs `program` where the peers are found.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = in_layer(self.layer.as_ref(), program);
        command.env("PATH", &self.path);
        command
    }
}

/// Removes all that [`Peers::prepare`] installed below the project.
pub(crate) fn clean(root: &Path) -> Result<(), String> {
    let folder = folder(root);
    match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(format!("cannot remove {}: {error}", folder.display()))
        }
        _ => Ok(()),
    }
}

/// Where the peers lie: below the folder that cargo builds into.
fn folder(root: &Path) -> PathBuf {
    root.join(env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from)).join("peers")
}

fn in_layer(layer: Option<&Layer>, program: &str) -> Command {
    layer.map_or_else(|| Command::new(program), |layer| layer.command(program))
}

/// Debian's packages: on the system, else in the layer in `folder`.
fn debian(folder: &Path) -> Result<Option<Layer>, String> {
    let missing = missing(None)?;
    if missing.is_empty() {
        return Ok(None);
    }
    let names = missing.join(" ");
    if find("apt-get").is_none() {
        return Err(format!(
            "the tests need tools that this system lacks, and only Debian's apt-get can install them; \
             in Debian they are called: {names}"
        ));
    }
    let layer = Layer::open(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let Some(layer) = layer else { return on_the_system(&missing).map(|()| None) };
    for _ in 0..ROUNDS {
        let missing = self::missing(Some(&layer))?;
        if missing.is_empty() {
            return Ok(Some(layer));
        }
        say(&format!(
            "installing the tools that the tests need into {} (nothing on the system changes): {}",
            folder.display(),
            missing.join(" ")
        ));
        install(&mut layer.command("sh"), &[], &missing)?;
    }
    let missing = self::missing(Some(&layer))?;
    if !missing.is_empty() {
        return Err(format!(
            "apt-get cannot install these beside the other tools that the tests need: {}",
            missing.join(" ")
        ));
    }
    Ok(Some(layer))
}

/// Installs packages on the system itself: said first, and asked where somebody can answer.
fn on_the_system(missing: &[&str]) -> Result<(), String> {
    let names = missing.join(" ");
    let by_hand = format!("apt-get install --no-remove --no-install-recommends {names}");
    let as_root = as_root().ok_or_else(|| {
        format!("the tests need tools that are not installed, and this is not root; run first:\n    sudo {by_hand}")
    })?;
    say(&format!("the tests need tools that are not installed:\n    {by_hand}   (their services stay off)"));
    if io::stdin().is_terminal() && !agreed("Install them on this system?") {
        return Err("the tests need these tools".into());
    }
    let units: Vec<&str> = UNITS.into_iter().filter(|unit| !is_unit(unit)).collect();
    let (program, arguments) = as_root.split_first().unwrap_or((&"sh", &[]));
    install(Command::new(program).args(arguments), &["--no-remove"], missing)?;
    stay_off(&as_root, &units)
}

/// Asks on the terminal.
#[expect(clippy::print_stderr, reason = "a question to the developer")]
fn agreed(question: &str) -> bool {
    eprint!("cargo xtask: {question} [y/N] ");
    let mut answer = String::new();
    let _ = io::stderr().flush();
    io::stdin().read_line(&mut answer).is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
}

/// Runs [`INSTALL`] in the shell that `shell` starts.
fn install(shell: &mut Command, options: &[&str], packages: &[&str]) -> Result<(), String> {
    run(shell.args(["-c", INSTALL, "install"]).args(options).args(packages))
        .map_err(|error| format!("{error}; the tests need {}", packages.join(" ")))
}

/// Prints those of its arguments that are no program.
const ABSENT: &str = r#"
PATH=$PATH:/usr/sbin:/sbin
for name; do command -v "$name" >/dev/null || echo "$name"; done
"#;

/// The packages that bring what is missing: on the system, or in the layer, where a package of the system may be removed.
fn missing(layer: Option<&Layer>) -> Result<Vec<&'static str>, String> {
    let names = DEBIAN.iter().flat_map(|peer| match peer.sign {
        Sign::Programs(programs) => programs,
        Sign::PythonModule(_) => &[],
    });
    let printed = in_layer(layer, "sh").args(["-c", ABSENT, "absent"]).args(names).output();
    let printed = printed.ok().filter(|output| output.status.success()).ok_or("cannot look for programs")?;
    let printed = String::from_utf8_lossy(&printed.stdout);
    let absent: Vec<&str> = printed.lines().collect();
    let missing = DEBIAN.iter().filter(|peer| !peer.is_installed(layer, &absent));
    Ok(missing.map(|peer| peer.package).collect())
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

/// The peers from Python's registry, in the virtual environment `environment`.
fn python(environment: &Path, layer: Option<&Layer>) -> Result<(), String> {
    for (name, requirements) in PYTHON {
        if environment.join("bin").join(name).is_file() || has_module(environment, name) {
            continue;
        }
        let shown = environment.display();
        say(&format!("python3 -m venv {shown} && {shown}/bin/pip install {}", requirements.join(" ")));
        run(in_layer(layer, &system_python()).args(["-m", "venv"]).arg(environment))?;
        let mut pip = in_layer(layer, &environment.join("bin/pip").to_string_lossy());
        pip.args(["install", "--quiet", "--no-compile", "--disable-pip-version-check"]).args(requirements);
        run(&mut pip).map_err(|error| format!("{error}; the tests need `{name}` from Python's registry"))?;
    }
    Ok(())
}

/// Whether a virtual environment has a module. The name of one folder has the version of Python.
fn has_module(environment: &Path, module: &str) -> bool {
    let versions = fs::read_dir(environment.join("lib")).into_iter().flatten().flatten();
    versions.into_iter().any(|version| version.path().join("site-packages").join(module).is_dir())
}

/// The accessibility checks, in `folder`.
fn axe(folder: &Path, layer: Option<&Layer>) -> Result<(), String> {
    if folder.is_dir() {
        return Ok(());
    }
    let (package, digest) = AXE;
    say(&format!("npm pack {package}   (unpacked into {})", folder.display()));
    let mut shell = in_layer(layer, "sh");
    run(shell.args(["-c", UNPACK_NPM, "unpack", package, digest]).arg(folder))
        .map_err(|error| format!("{error}; the tests need {package} from npm's registry"))
}

impl Peer {
    /// `absent` are the programs that were not found.
    fn is_installed(&self, layer: Option<&Layer>, absent: &[&str]) -> bool {
        match self.sign {
            Sign::Programs(programs) => programs.iter().all(|program| !absent.contains(program)),
            Sign::PythonModule(module) => in_layer(layer, &system_python())
                .args(["-c", &format!("import {module}")])
                .stderr(Stdio::null())
                .status()
                .is_ok_and(|status| status.success()),
        }
    }
}

/// Debian's own Python where there is one: a module from apt is found by no other.
fn system_python() -> String {
    let debian = "/usr/bin/python3";
    if Path::new(debian).is_file() { debian.into() } else { "python3".into() }
}

/// A shell as root, as the beginning of a command line; `None` where this user may not.
fn as_root() -> Option<Vec<&'static str>> {
    if is_root() {
        return Some(vec!["sh"]);
    }
    let sudo = Command::new("sudo").args(["-n", "true"]).stderr(Stdio::null()).status();
    sudo.is_ok_and(|status| status.success()).then(|| vec!["sudo", "-n", "sh"])
}

/// Every place where `program` may be.
fn search(program: &str) -> impl Iterator<Item = PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]).collect();
    folders.into_iter().map(move |folder| folder.join(program))
}

pub(crate) fn find(program: &str) -> Option<PathBuf> {
    search(program).find(|file| file.is_file())
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

#[expect(clippy::print_stderr, reason = "what is about to happen on this machine is said first")]
pub(crate) fn say(text: &str) {
    eprintln!("cargo xtask: {text}");
}
