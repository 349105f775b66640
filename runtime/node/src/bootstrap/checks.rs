//! The checks before a bring-up: what the documents of MetalK8s require from a bootstrap node. All are made, and all
//! problems are reported at once.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use content::size;

use super::host::HostFacts;

/// The sizes that the documents recommend: cores, bytes of memory, bytes of the root file system.
const CORES: usize = 2;
const MEMORY: u64 = 4_000_000_000;
const ROOT: u64 = 40_000_000_000;
/// The oldest release of CentOS and RHEL 7 that the documents accept, and the first kernel of it without the memory leak of
/// cgroups.
const OLDEST: (u32, u32) = (7, 6);
const FIXED_KERNEL: [u32; 6] = [3, 10, 0, 1062, 4, 1];
/// The space for packages, logs and configuration, in bytes.
const SPACE: u64 = 500_000_000;
/// Programs that manage the configuration of a machine.
const MANAGERS: [&str; 3] = ["puppet", "chef-client", "cfengine3"];

/// Something that a check has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckFinding {
    /// The name of the check, such as `os-release`.
    pub check: &'static str,
    /// Whether the bring-up cannot begin; else it is a warning.
    pub is_error: bool,
    /// The problem.
    pub problem: String,
    /// What to do.
    pub help: Option<String>,
}

impl std::fmt::Display for CheckFinding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} [{}]", content::printable(&self.problem), self.check)
    }
}

/// What the archive and the configuration need.
#[derive(Clone, Debug, Default)]
pub(super) struct Needs {
    /// The releases of the distribution that the archive has packages for.
    pub(super) releases: Vec<String>,
    /// The packages to install.
    pub(super) packages: Vec<String>,
    /// The problem with the archive's list of packages.
    pub(super) list_problem: Option<String>,
    /// The bytes of the image tars.
    pub(super) tar_bytes: u64,
    /// The date on which the archive was built, as `BUILD_TIMESTAMP` has it.
    pub(super) built: Option<String>,
    /// Whether the configuration is missing.
    pub(super) is_unconfigured: bool,
    /// The problems of the configuration, as sentences.
    pub(super) configuration: Vec<String>,
    /// The host name of the configuration.
    pub(super) host: Option<String>,
    /// The networks of the control plane.
    pub(super) networks: Vec<String>,
    /// The address to listen on; `None` if the node has none in those networks.
    pub(super) listen: Option<SocketAddr>,
    /// Why nothing can listen there.
    pub(super) port_problem: Option<String>,
    /// Listed archives that do not exist.
    pub(super) missing: Vec<PathBuf>,
    /// Listed archives that the service cannot read, each with the file or folder that keeps it out.
    pub(super) closed: Vec<(PathBuf, PathBuf)>,
    /// The free bytes where container images and packages are stored.
    pub(super) free: u64,
    /// Whether a certificate must be made.
    pub(super) needs_openssl: bool,
    /// Whether this node was brought up before.
    pub(super) brought_up: bool,
    /// The archive whose version the node runs, if it is not the version of this one: `metalk8s-2.10.0`.
    pub(super) other_version: Option<String>,
    /// The change of the node that was interrupted.
    pub(super) interrupted: Option<String>,
}

/// Makes all checks. `now` is the time of day as `BUILD_TIMESTAMP` has it.
pub(super) fn run(facts: &HostFacts, needs: &Needs, now: &str) -> Vec<CheckFinding> {
    let mut found = Vec::new();
    let mut error = |check, problem: String, help: &str| {
        found.push(CheckFinding { check, is_error: true, problem, help: Some(help.to_owned()) });
    };
    if !facts.is_root {
        error("root", "only root can bring up a node".into(), "run it with `sudo`");
    }
    if !facts.has_systemd {
        error("systemd", "systemd does not run".into(), "run it on the node itself, not in a container");
    }
    if let Some(other) = &needs.other_version {
        let problem = format!("this node runs {other}, and a bootstrap does not change its version");
        error(
            "version",
            problem,
            "run upgrade.sh of the newer archive, or downgrade.sh of the one that runs",
        );
    }
    if let Some(interrupted) = &needs.interrupted {
        let help = "finish it, or undo it with --abort: `sealift node upgrade`, `downgrade` or `restore`";
        error("version", format!("{interrupted} was interrupted"), help);
    }
    for problem in &needs.configuration {
        let help = if needs.is_unconfigured {
            "write the file, see docs/guide/bring-up.md; for a site without MetalK8s, name the address instead: --listen"
        } else {
            "correct the file, see docs/guide/bring-up.md"
        };
        error("configuration", problem.clone(), help);
    }
    let system = &facts.system;
    if !system.is_red_hat() {
        let problem = format!("{system} is not Red Hat Enterprise Linux, CentOS or built like them");
        error("os-release", problem, "install the node with one of them, version 7.6 or later");
    } else if system.numbers().is_some_and(|version| version < OLDEST) {
        error("os-release", format!("{system} ({}) is older than 7.6", system.version), "update the system");
    } else if !needs.releases.iter().any(|release| release == system.release()) {
        let has = if needs.releases.is_empty() { "none".into() } else { needs.releases.join(", ") };
        let problem =
            format!("the archive has no packages for release {}; releases: {has}", system.release());
        error("os-release", problem, "use an archive with packages for this release");
    }
    if let Some(problem) = &needs.list_problem {
        error(
            "packages",
            format!("{}: {problem}", super::package_list::FILE),
            "ask the vendor for a corrected archive",
        );
    }
    let installers =
        [("an installer of packages", facts.has("dnf") || facts.has("yum")), ("rpm", facts.has("rpm"))];
    for (program, _) in installers.iter().filter(|(_, found)| !found) {
        error("programs", format!("{program} is missing"), "install dnf or yum, and rpm");
    }
    if needs.needs_openssl && !facts.has("openssl") {
        error(
            "programs",
            "openssl is missing, which makes certificates".into(),
            "install it, or use --no-tls",
        );
    }
    if needs.configuration.is_empty() && needs.listen.is_none() {
        let own: Vec<String> = facts.addresses.iter().map(|one| one.address.to_string()).collect();
        let problem = format!(
            "this node has no address in networks.controlPlane ({}); its addresses: {}",
            needs.networks.join(", "),
            own.join(", ")
        );
        error("address", problem, "correct networks.controlPlane, or configure the network interface");
    }
    if let Some(problem) = &needs.port_problem {
        error(
            "port",
            problem.clone(),
            "stop the program that listens there, or choose another address with --listen",
        );
    }
    for path in &needs.missing {
        let problem = format!("{} does not exist, but the configuration lists it", path.display());
        error("archives", problem, "copy it there, or remove it from the list");
    }
    for (path, closed) in &needs.closed {
        let problem = format!(
            "the service cannot read {}: {} is closed to other users",
            path.display(),
            closed.display()
        );
        error(
            "archives",
            problem,
            "keep it in a folder that every user can read, such as /archives, and list it there",
        );
    }
    for service in MANAGERS.iter().filter(|service| facts.runs(service)) {
        let problem = format!("{service} runs, which manages the configuration of this machine");
        error("services", problem, "stop and disable it");
    }
    if facts.runs("salt-minion") && !needs.brought_up {
        let problem = "salt-minion runs, so another site manages this machine".into();
        error("services", problem, "`systemctl disable --now salt-minion`");
    }
    let space = needs.tar_bytes.saturating_mul(2).saturating_add(SPACE);
    if needs.free < space && !needs.brought_up {
        let problem = format!("{} free in /var, {} needed", size(needs.free), size(space));
        error("space", problem, "free some space, or enlarge the file system");
    }
    if let Some(built) = needs.built.as_deref().filter(|built| now < *built) {
        let problem = format!("the clock says {now}, but the archive was built later, on {built}");
        error("clock", problem, "set the clock: `timedatectl set-time`");
    }
    let mut warning = |check, problem: String| {
        found.push(CheckFinding { check, is_error: false, problem, help: None });
    };
    if system.release() == "7" && kernel_leaks(&facts.kernel) {
        let problem = format!("kernel {} leaks memory of cgroups; 3.10.0-1062.4.1 does not", facts.kernel);
        warning("kernel", problem);
    }
    if facts.cores < CORES {
        warning("size", "1 processor core; at least 2 are recommended".into());
    }
    for (what, has, least) in [("memory", facts.memory, MEMORY), ("root file system", facts.root_bytes, ROOT)]
    {
        // The kernel keeps a part for itself.
        if has < least / 100 * 95 {
            warning("size", format!("{what}: {}; at least {} are recommended", size(has), size(least)));
        }
    }
    if let Some(host) = needs.host.as_deref().filter(|host| *host != facts.name) {
        warning("host-name", format!("ca.minion is {host}, but this machine is called {}", facts.name));
    }
    found
}

/// Whether a kernel of release 7 has the memory leak.
fn kernel_leaks(release: &str) -> bool {
    let numbers = release.split(['.', '-']).map_while(|part| part.parse::<u32>().ok());
    numbers.collect::<Vec<_>>().as_slice() < FIXED_KERNEL.as_slice()
}

/// The address to listen on.
pub(super) fn listen(address: IpAddr) -> SocketAddr {
    SocketAddr::new(address, super::PORT)
}

#[cfg(test)]
mod tests {
    use super::super::os_release::OsRelease;
    use super::*;

    fn system(id: &str, version: &str) -> OsRelease {
        OsRelease { id: id.into(), version: version.into(), ..OsRelease::default() }
    }

    fn good() -> (HostFacts, Needs) {
        let facts = HostFacts {
            is_root: true,
            has_systemd: true,
            system: system("rhel", "8.10"),
            kernel: "4.18.0-553.el8_10.x86_64".into(),
            cores: 2,
            memory: 3_900_000_000,
            root_bytes: 45_000_000_000,
            name: "node1".into(),
            programs: vec!["dnf", "rpm", "openssl"],
            services: vec!["firewalld"],
            ..HostFacts::default()
        };
        let needs = Needs {
            releases: vec!["7".into(), "8".into()],
            built: Some("2026-11-20T10:00:00Z".into()),
            host: Some("node1".into()),
            listen: Some(([10, 0, 0, 1], 8080).into()),
            free: 10_000_000_000,
            needs_openssl: true,
            ..Needs::default()
        };
        (facts, needs)
    }

    const NOW: &str = "2026-11-29T16:00:00Z";

    #[test]
    fn a_node_as_the_documents_describe_it_passes() {
        let (facts, needs) = good();
        assert_eq!(run(&facts, &needs, NOW), []);
    }

    #[test]
    fn each_check_finds_its_problem() {
        type Change = fn(&mut HostFacts, &mut Needs);
        let cases: [(&str, bool, Change); 27] = [
            ("version", true, |_, needs| needs.other_version = Some("metalk8s-2.10.0".into())),
            ("version", true, |_, needs| needs.interrupted = Some("the upgrade".into())),
            ("root", true, |facts, _| facts.is_root = false),
            ("systemd", true, |facts, _| facts.has_systemd = false),
            ("configuration", true, |_, needs| needs.configuration = vec!["bad".into()]),
            ("os-release", true, |facts, _| facts.system = system("debian", "12")),
            ("os-release", true, |facts, _| facts.system = system("rhel", "7.5")),
            ("os-release", true, |facts, _| facts.system = system("rhel", "9.1")),
            ("packages", true, |_, needs| needs.list_problem = Some("line 1".into())),
            ("programs", true, |facts, _| facts.programs.retain(|one| *one != "dnf")),
            ("programs", true, |facts, _| facts.programs.retain(|one| *one != "rpm")),
            ("programs", true, |facts, _| facts.programs.retain(|one| *one != "openssl")),
            ("address", true, |_, needs| needs.listen = None),
            ("port", true, |_, needs| needs.port_problem = Some("in use".into())),
            ("archives", true, |_, needs| needs.missing = vec!["/a.iso".into()]),
            ("archives", true, |_, needs| needs.closed = vec![("/root/a.iso".into(), "/root".into())]),
            ("services", true, |facts, _| facts.services.push("puppet")),
            ("services", true, |facts, _| facts.services.push("salt-minion")),
            ("space", true, |_, needs| needs.free = 1_000_000),
            ("space", true, |_, needs| needs.tar_bytes = 6_000_000_000),
            ("clock", true, |_, needs| needs.built = Some("2027-01-01T00:00:00Z".into())),
            ("size", false, |facts, _| facts.cores = 1),
            ("size", false, |facts, _| facts.memory = 2_000_000_000),
            ("size", false, |facts, _| facts.root_bytes = 20_000_000_000),
            ("host-name", false, |_, needs| needs.host = Some("other".into())),
            ("kernel", false, |facts, _| {
                facts.system = system("rhel", "7.7");
                facts.kernel = "3.10.0-1062.el7.x86_64".into();
            }),
            ("kernel", false, |facts, _| {
                facts.system = system("centos", "7");
                facts.kernel = "3.10.0-957.1.3.el7.x86_64".into();
            }),
        ];
        for (check, is_error, change) in cases {
            let (mut facts, mut needs) = good();
            change(&mut facts, &mut needs);
            let found = run(&facts, &needs, NOW);
            let all: Vec<_> = found.iter().map(|one| (one.check, one.is_error)).collect();
            assert_eq!(all, [(check, is_error)], "{found:?}");
        }
    }

    #[test]
    fn all_problems_are_found_at_once_and_a_second_run_keeps_the_minion() {
        let facts = HostFacts::default();
        let found = run(&facts, &Needs { missing: vec!["/a".into()], ..Needs::default() }, NOW);
        assert!(found.len() > 6, "{found:?}");
        let (mut facts, mut needs) = good();
        facts.services.push("salt-minion");
        needs.brought_up = true;
        assert_eq!(run(&facts, &needs, NOW), []);
        for (kernel, leaks) in [
            ("3.10.0-1062.4.1.el7.x86_64", false),
            ("3.10.0-1160.el7.x86_64", false),
            ("3.10.0-1062.1.2.el7", true),
            ("4.18.0-1", false),
        ] {
            assert_eq!(kernel_leaks(kernel), leaks, "{kernel}");
        }
    }
}
