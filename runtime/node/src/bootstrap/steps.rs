//! The steps of a bring-up.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use archive::tree::EntryKind;
use archive::{Tree, layout};
use content::{Digest, IoError, LinkPolicy};

use super::certificate::CertificatePlan;
use super::checks::{self, Needs};
use super::error::Error;
use super::host::{Host, HostFacts};
use super::node_state::NodeState;
use super::service_settings::{self, Setting};
use super::{BootstrapOptions, BootstrapProgress, BootstrapReport, PORT};
use crate::archives::{self, ImportOptions, Machine, MountChoice, MountMode, NodeLayout};
use crate::care::CareLayout;
use crate::change_version::{set_version, versions};
use crate::client_config::{self, ArchivePackages, KeyLocation, PackageSource};
use crate::hooks::{self, HookEnvironment, HookFolders, HookRun, HookStep};

/// The maximum size of a file of settings or of the state, in bytes.
const TEXT_MAX: u64 = 1 << 20;
/// The account of the registry's service, and the service.
const ACCOUNT: &str = "sealift";
const SERVICE: &str = "sealift-registry";
/// The most bytes of a program's output in an error.
const OUTPUT_MAX: usize = 2000;

/// Brings up a node: checks it, then makes the changes that are still needed.
///
/// # Errors
///
/// [`Error::Checks`] with all findings, before anything changes; else [`Error`], and the next run continues.
pub fn run(
    options: &BootstrapOptions,
    paths: &NodeLayout,
    machine: &dyn Machine,
    host: &dyn Host,
    progress: &dyn BootstrapProgress,
) -> Result<BootstrapReport, Error> {
    let tree = Tree::open(&options.archive)?;
    let Some(product) = archive::product::of(&tree)? else {
        return Err(Error::Nameless(options.archive.clone()));
    };
    let facts = host.facts();
    let settings = text_of(&options.files.settings)?;
    let state = text_of(&options.files.state)?;
    let care = CareLayout { node: paths.clone(), ..CareLayout::default() };
    let recorded = versions(&care)?.remove(&product.name.to_lowercase());
    let other_version = recorded.as_ref().filter(|version| **version != product.version);
    let other_version = other_version.map(|version| format!("{}-{version}", product.name.to_lowercase()));
    let node = NodeState::of(options, paths, &facts, &settings);
    let tars = image_tars(&tree)?;
    let mut certificate = node.certificate(options, &facts);
    let plan = certificate.as_ref().map_or(CertificatePlan::Keep, |one| one.plan(host));
    let needs = Needs {
        needs_openssl: matches!(plan, CertificatePlan::Make(_)),
        brought_up: !state.is_empty(),
        other_version,
        interrupted: match care.interrupted() {
            Ok(interrupted) => interrupted.map(|interrupted| interrupted.to_string()),
            Err(error) => Some(format!("a change of this node ({error})")),
        },
        ..node.needs(options, &tree, &product, &facts, host, &tars)?
    };
    let findings = checks::run(&facts, &needs, &options.now);
    if findings.iter().any(|one| one.is_error) {
        return Err(Error::Checks(findings));
    }
    let Some(listen) = needs.listen else { return Err(Error::Checks(findings)) };
    if let CertificatePlan::Foreign(problem) = plan {
        return Err(Error::Certificate { folder: options.files.pki.clone(), problem });
    }
    let id = product.id();
    let mut bring_up =
        BringUp { options, paths, machine, host, progress, changes: Vec::new(), notes: Vec::new() };
    let root = paths.mounts.join(&id);
    let shown = options.shown.clone().unwrap_or_else(|| root.clone());
    let mut environment = HookEnvironment {
        program: options.program.clone(),
        archive_id: Some(id.to_string()),
        archive: Some(options.archive.clone()),
        archive_root: Some(shown.clone()),
        to_version: Some(product.version.clone()),
        more: vec![
            ("SEALIFT_URL", url(listen, options.tls).into()),
            ("SEALIFT_CA", options.files.pki.join("ca.crt").into()),
        ],
        ..HookEnvironment::default()
    };
    // An upgrade may have brought this version here.
    let is_new = state.trim() != id.as_str() && recorded.is_none();
    if is_new {
        bring_up.hooks(HookStep::PreBootstrap, &shown, &environment)?;
    }
    environment.archive_root = Some(root.clone());
    bring_up.import(&node.listed)?;
    let sections = bring_up.repositories(&node.listed, facts.system.release())?;
    bring_up.install(&needs.packages, &sections)?;
    let group = bring_up.account(needs.packages.iter().any(|name| name == ACCOUNT))?;
    bring_up.load_images(&root, &tars)?;
    let mut is_renewed = false;
    if let (Some(certificate), CertificatePlan::Make(problem)) = (&mut certificate, plan) {
        certificate.group = group;
        is_renewed = true;
        let text = format!("make the certificate in {}: {problem}", options.files.pki.display());
        bring_up.change(text, |_| certificate.make(host))?;
    }
    bring_up.serve(&node.settings, is_renewed)?;
    bring_up.open_firewall(&facts, node.interface.as_deref(), listen.port())?;
    if is_new {
        bring_up.hooks(HookStep::Bootstrap, &root, &environment)?;
        let text = format!("record {id} in {}", options.files.state.display());
        bring_up.change(text, |this| {
            let path = &this.options.files.state;
            path.parent().map_or(Ok(()), content::create_folder)?;
            let written = crate::file::replace(path, format!("{id}\n").as_bytes());
            Ok(written.map_err(IoError::at("write", path))?)
        })?;
    }
    if recorded.is_none() {
        let text = format!("record the version {} in {}", product.version, care.versions().display());
        bring_up.change(text, |_| {
            set_version(&care, &product.name, &product.version)?;
            Ok(())
        })?;
    }
    Ok(BootstrapReport {
        id: id.to_string(),
        archive: options.archive.clone(),
        changes: bring_up.changes,
        notes: bring_up.notes,
        findings,
        url: url(listen, options.tls),
        authority: options.tls.then(|| options.files.pki.join("ca.crt")),
    })
}

/// Runs a program that must succeed; returns what it prints.
pub(super) fn succeed(host: &dyn Host, program: &str, arguments: &[&OsStr]) -> Result<String, Error> {
    let output = host.run(program, arguments).map_err(IoError::at("run", Path::new(program)))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let printed = [output.stdout, output.stderr].concat();
    let end = printed.len().saturating_sub(OUTPUT_MAX);
    let printed = String::from_utf8_lossy(printed.get(end..).unwrap_or_default()).trim().to_owned();
    Err(Error::Program { program: program.to_owned(), status: output.status, output: printed })
}

fn words<'a>(list: &[&'a str]) -> Vec<&'a OsStr> {
    list.iter().copied().map(OsStr::new).collect()
}

fn url(listen: SocketAddr, tls: bool) -> String {
    format!("{}://{listen}", if tls { "https" } else { "http" })
}

/// The text of a file; empty if it does not exist.
fn text_of(path: &Path) -> Result<String, Error> {
    match content::open_text(path, LinkPolicy::Follow, TEXT_MAX) {
        Ok(text) => Ok(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(error.into()),
    }
}

/// The image tars of an archive, each with its size.
fn image_tars(tree: &Tree) -> Result<Vec<(String, u64)>, Error> {
    let entries = tree.walk_below(layout::IMAGES)?;
    let is_tar = |path: &str| path.ends_with(".tar") && layout::owner(path) == layout::PathOwner::Archive;
    let tars = entries.into_iter().filter(|(path, entry)| entry.kind == EntryKind::File && is_tar(path));
    Ok(tars.map(|(path, entry)| (path, entry.size)).collect())
}

/// The changes of a bring-up.
struct BringUp<'a> {
    options: &'a BootstrapOptions,
    paths: &'a NodeLayout,
    machine: &'a dyn Machine,
    host: &'a dyn Host,
    progress: &'a dyn BootstrapProgress,
    changes: Vec<String>,
    notes: Vec<String>,
}

impl BringUp<'_> {
    /// Makes a change, unless this is a dry run.
    fn change(&mut self, text: String, make: impl FnOnce(&Self) -> Result<(), Error>) -> Result<(), Error> {
        if !self.options.dry_run {
            self.progress.changing(&text);
            make(self)?;
        }
        self.changes.push(text);
        Ok(())
    }

    /// Runs a program that must succeed, and reports what it prints.
    fn succeed(&self, program: &str, arguments: &[&OsStr]) -> Result<(), Error> {
        let printed = succeed(self.host, program, arguments)?;
        if !printed.trim().is_empty() {
            self.progress.printed(program, printed.trim_end());
        }
        Ok(())
    }

    /// Whether a program that answers by its exit code says yes.
    fn asks(&self, program: &str, arguments: &[&str]) -> bool {
        self.host.run(program, &words(arguments)).is_ok_and(|output| output.status.success())
    }

    /// Imports the archives that are not imported, each mounted by the kernel.
    fn import(&mut self, listed: &[PathBuf]) -> Result<(), Error> {
        let look = ImportOptions {
            verify: false,
            unverified: self.options.unverified,
            mounting: MountChoice::By(MountMode::Kernel),
            dry_run: true,
            ..ImportOptions::default()
        };
        for archive in listed {
            let planned = archives::import(self.paths, archive, &look, self.machine, &())?;
            if planned.steps.is_empty() {
                continue;
            }
            self.change(format!("import {} as {}", archive.display(), planned.id), |this| {
                let options = ImportOptions { verify: true, dry_run: false, ..look.clone() };
                let bar = this.progress.verifying(archive);
                archives::import(this.paths, archive, &options, this.machine, &*bar)?;
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Runs the hooks of a step.
    fn hooks(&mut self, step: HookStep, root: &Path, environment: &HookEnvironment) -> Result<(), Error> {
        let archive = Some(root.to_path_buf()).filter(|root| root.is_dir());
        let found = hooks::find(step, &HookFolders { site: self.options.hooks.clone(), archive })?;
        self.notes.extend(found.notes.iter().cloned());
        if found.hooks.is_empty() {
            return Ok(());
        }
        let paths: Vec<String> = found.hooks.iter().map(|hook| hook.path.display().to_string()).collect();
        self.change(format!("run the hooks of {step}: {}", paths.join(", ")), |this| {
            let run = HookRun {
                limit: this.options.hook_limit,
                cancelled: &|| this.progress.cancelled(),
                progress: this.progress,
                lock: this.progress.lock(),
            };
            Ok(run.run(&found, environment)?)
        })
    }

    /// Configures the repositories of the archives as local ones; returns the names of those of the first archive.
    fn repositories(&mut self, listed: &[PathBuf], release: &str) -> Result<Vec<String>, Error> {
        let mut packages = Vec::new();
        let mut own = None;
        for archive in listed {
            let Ok(tree) = Tree::open(archive) else { continue };
            let Some(product) = archive::product::of(&tree)? else { continue };
            let root = self.paths.mounts.join(product.id());
            let folder = format!("{}/redhat/{release}", layout::PACKAGES);
            // A dry run has mounted nothing.
            if tree.entry(&folder)?.is_some() && root.join(&folder).is_dir() {
                own.get_or_insert_with(|| format!("{}-", product.id()));
                packages.push(ArchivePackages::of(&root)?);
            }
        }
        if packages.is_empty() {
            return Ok(Vec::new());
        }
        let files = client_config::dnf(
            &packages,
            PackageSource::Folders,
            KeyLocation::OnClient,
            Some(release),
            None,
        )?;
        let names = |text: &str| -> BTreeSet<String> {
            let sections = text.lines().filter_map(|line| line.strip_prefix('[')?.strip_suffix(']'));
            sections.map(str::to_owned).collect()
        };
        let wanted: BTreeSet<String> = files.iter().flat_map(|file| names(&file.content)).collect();
        let mut existing = BTreeSet::new();
        for file in &files {
            existing.extend(names(&text_of(&self.options.files.root.join(&file.path))?));
        }
        // Salt may have written them with other URLs since.
        if !wanted.is_subset(&existing) {
            for (path, _) in client_config::stale(&self.options.files.root, &files, false)? {
                self.change(format!("write {}", path.display()), |_| Ok(()))?;
            }
            if !self.options.dry_run {
                client_config::write(&self.options.files.root, &files, false)?;
            }
        }
        let own = own.unwrap_or_default();
        Ok(wanted.into_iter().filter(|name| name.starts_with(&own)).collect())
    }

    /// Installs the packages that are missing.
    fn install(&mut self, wanted: &[String], sections: &[String]) -> Result<(), Error> {
        let is_missing = |name: &&String| !self.asks("rpm", &["-q", "--whatprovides", name.as_str()]);
        let missing: Vec<&String> = wanted.iter().filter(is_missing).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let names: Vec<&str> = missing.iter().map(|name| name.as_str()).collect();
        self.change(format!("install {}", names.join(", ")), |this| {
            this.install_all(&names, sections)?;
            // RPM does not: after a power cut, installed files could be empty.
            rustix::fs::sync();
            Ok(())
        })
    }

    fn install_all(&self, names: &[&str], sections: &[String]) -> Result<(), Error> {
        let facts = self.host.facts();
        let installer = if facts.has("dnf") { "dnf" } else { "yum" };
        let ours: Vec<String> = sections.iter().map(|name| format!("--enablerepo={name}")).collect();
        let ours = ours.iter().map(String::as_str);
        let alone: Vec<&str> = ["-y", "--disablerepo=*"].into_iter().chain(ours).chain(["install"]).collect();
        let first = match self.succeed(installer, &words(&[&alone[..], names].concat())) {
            Err(Error::Program { output, .. }) => output,
            done => return done,
        };
        // Some dependencies are in the repositories of the distribution only.
        self.progress.printed(installer, &first);
        let all = ["-y", "--setopt=*.skip_if_unavailable=1", "install"];
        self.succeed(installer, &words(&[&all[..], names].concat()))
    }

    /// Creates the account of the service if no package has; returns its group.
    fn account(&mut self, is_installed: bool) -> Result<Option<u32>, Error> {
        if is_installed && !self.asks("getent", &["passwd", ACCOUNT]) {
            self.change(format!("create the account {ACCOUNT}"), |this| {
                if this.succeed("systemd-sysusers", &words(&["sealift.conf"])).is_ok() {
                    return Ok(());
                }
                // CentOS 7 has no systemd-sysusers.
                let options = ["--system", "--user-group", "--no-create-home", "--home-dir", "/", "--shell"];
                this.succeed("useradd", &words(&[&options[..], &["/sbin/nologin", ACCOUNT]].concat()))
            })?;
        }
        let output = self.host.run("getent", &words(&["group", ACCOUNT])).map(|output| output.stdout);
        let line = String::from_utf8_lossy(&output.unwrap_or_default()).into_owned();
        Ok(line.trim().split(':').nth(2).and_then(|id| id.parse().ok()))
    }

    /// Loads the image tars that containerd does not have.
    fn load_images(&mut self, root: &Path, tars: &[(String, u64)]) -> Result<(), Error> {
        if tars.is_empty() {
            return Ok(());
        }
        if !self.options.dry_run && !self.host.facts().has("ctr") {
            self.notes.push("the image tars are not loaded: containerd is not installed".to_owned());
            return Ok(());
        }
        if !self.asks("systemctl", &["is-active", "--quiet", "containerd"]) {
            self.change("start containerd".to_owned(), |this| {
                this.succeed("systemctl", &words(&["enable", "--now", "containerd"]))
            })?;
        }
        let listed = self.host.run("ctr", &words(&["--namespace", "k8s.io", "images", "list"]));
        let listed = listed.map(|output| output.stdout).unwrap_or_default();
        let listed = String::from_utf8_lossy(&listed).into_owned();
        let has = |name: &str, digest: &Digest| {
            let digest = digest.to_string();
            listed.lines().any(|line| {
                let mut words = line.split_whitespace();
                words.next() == Some(name) && words.any(|word| word == digest)
            })
        };
        for (tar, _) in tars {
            let path = root.join(tar);
            if path.is_file() {
                let named = images::source::named_images(&path)?;
                if !named.is_empty() && named.iter().all(|(name, digest)| has(name, digest)) {
                    continue;
                }
            }
            self.change(format!("load {tar} into containerd"), |this| {
                let import = words(&["--namespace", "k8s.io", "images", "import"]);
                this.succeed("ctr", &[&import[..], &[path.as_os_str()]].concat())
            })?;
        }
        Ok(())
    }

    /// Sets the address and the certificate of the service, and starts it.
    fn serve(&mut self, settings: &[Setting], is_renewed: bool) -> Result<(), Error> {
        let path = &self.options.files.settings;
        let former = text_of(path)?;
        let (text, kept) = service_settings::changed(&former, settings);
        for setting in kept {
            let value = service_settings::value(&former, setting.key).unwrap_or_default();
            self.notes.push(format!(
                "{} keeps {}={value}, which somebody has set; this bring-up would set {}",
                path.display(),
                setting.key,
                setting.value
            ));
        }
        let write =
            |text: &str| crate::file::replace(path, text.as_bytes()).map_err(IoError::at("write", path));
        let is_changed = text != former;
        if is_changed {
            self.change(format!("set the address and the certificate in {}", path.display()), |_| {
                path.parent().map_or(Ok(()), content::create_folder)?;
                Ok(write(&text)?)
            })?;
        }
        if self.asks("systemctl", &["is-active", "--quiet", "sealift-registry.socket"]) {
            self.notes.push("sealift-registry.socket is enabled, so its address is used".to_owned());
        }
        let is_enabled = self.asks("systemctl", &["is-enabled", "--quiet", SERVICE]);
        if is_enabled && !is_changed && !is_renewed && self.is_current(&text) {
            return Ok(());
        }
        let started = self.change(format!("start {SERVICE}"), |this| {
            this.relabel();
            this.succeed("systemctl", &words(&["daemon-reload"]))?;
            this.succeed("systemctl", &words(&["enable", "--quiet", SERVICE]))?;
            this.succeed("systemctl", &words(&["restart", SERVICE]))
        });
        if started.is_err() && is_changed && !former.is_empty() {
            // The former settings worked, perhaps.
            let _ = write(&former).map(|()| self.host.run("systemctl", &words(&["restart", SERVICE])));
        }
        started
    }

    /// Whether the service runs with the current settings: a kill may come between writing and restarting.
    fn is_current(&self, settings: &str) -> bool {
        let show = words(&["show", "--property=MainPID", SERVICE]);
        let printed = self.host.run("systemctl", &show).map(|output| output.stdout).unwrap_or_default();
        let printed = String::from_utf8_lossy(&printed).into_owned();
        let Some(id) = printed.trim().strip_prefix("MainPID=").filter(|id| *id != "0") else { return false };
        let Ok(id) = id.parse::<u32>() else { return false };
        let line = PathBuf::from(format!("/proc/{id}/cmdline"));
        let Ok(line) = content::open_read(&line, LinkPolicy::Follow, TEXT_MAX) else { return false };
        let line = String::from_utf8_lossy(&line).into_owned();
        let running: BTreeSet<&str> = line.split('\0').collect();
        let mut wanted = service_settings::KEYS
            .into_iter()
            .filter_map(|key| service_settings::value(settings, key))
            .flat_map(str::split_whitespace);
        wanted.all(|word| running.contains(word))
    }

    /// Gives new files the labels of SELinux that the system's policy has for their paths.
    fn relabel(&self) {
        let files = &self.options.files;
        let paths = [&files.settings, &files.pki].map(|path| path.as_os_str());
        // Without SELinux there is no such program, and nothing to do.
        let _ = self.host.run("restorecon", &[&words(&["-R"])[..], &paths].concat());
    }

    /// Lets clients through the firewall, if firewalld runs.
    fn open_firewall(&mut self, facts: &HostFacts, interface: Option<&str>, port: u16) -> Result<(), Error> {
        if !facts.runs("firewalld") || !facts.has("firewall-cmd") {
            return Ok(());
        }
        let zone = interface.and_then(|interface| {
            let asked = format!("--get-zone-of-interface={interface}");
            let output = self.host.run("firewall-cmd", &words(&[&asked])).ok()?;
            let zone = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            (output.status.success() && !zone.is_empty()).then(|| format!("--zone={zone}"))
        });
        let rule = if port == PORT { format!("service={SERVICE}") } else { format!("port={port}/tcp") };
        let (query, add) = (format!("--query-{rule}"), format!("--add-{rule}"));
        let mut common = vec!["--permanent"];
        common.extend(zone.as_deref());
        if self.asks("firewall-cmd", &[&common[..], &[&query]].concat()) {
            return Ok(());
        }
        self.change(format!("allow {rule} in firewalld"), |this| {
            this.succeed("firewall-cmd", &words(&[&common[..], &[&add]].concat()))?;
            this.succeed("firewall-cmd", &words(&["--reload"]))
        })
    }
}
