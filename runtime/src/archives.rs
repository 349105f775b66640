//! The archives of the bootstrap node: import, list, delete.
//!
//! An import verifies an archive, makes a mount point and a systemd mount unit for it, mounts it where the machine can,
//! and last adds it to the configuration. That last step is what makes it an archive of this node: servers take what
//! they serve from the configuration. Every step looks first whether it is done already, so an import that was killed
//! is finished by running it again; one that fails undoes what it has done. A deletion goes the other way.

mod follow;
mod fstab;
mod held;
mod lock;
mod machine;
mod mounting;
mod plan;
mod solutions;
mod unit;

use std::path::{Component, Path, PathBuf};

use archive::tree::Entry;
use archive::verify::{Options as VerifyOptions, Report, Verdict, Work};
use archive::{Product, Tree, layout, product, sums};
use images::Digest;
use serde::Serialize;

pub use follow::follow;
pub use machine::{Linux, Machine};
pub use mounting::{Mount, Mounting, Way, mount, unmount};
pub use plan::Step;
pub use solutions::{Activation, LATEST, activate};
pub use unit::{content as unit_content, name as unit_name};

use crate::configuration::{self, Configuration, Kind};
use held::Held;
use lock::lock;

/// Where things are on the node. The default is where the original has them.
#[derive(Clone, Debug)]
pub struct Paths {
    /// The `BootstrapConfiguration`.
    pub bootstrap: PathBuf,
    /// The `SolutionsConfiguration`.
    pub solutions: PathBuf,
    /// The `ArchivesConfiguration`, where there is no MetalK8s.
    pub archives: PathBuf,
    /// The folder in which every archive is mounted as `<name>-<version>`.
    pub mounts: PathBuf,
    /// The folder of systemd's units.
    pub units: PathBuf,
    /// The file systems that the system mounts at each boot.
    pub fstab: PathBuf,
    /// A file that two imports or deletions do not hold at a time. Its folder is created if it does not exist.
    pub lock: PathBuf,
}

impl Default for Paths {
    fn default() -> Self {
        Self {
            bootstrap: "/etc/metalk8s/bootstrap.yaml".into(),
            solutions: "/etc/metalk8s/solutions.yaml".into(),
            archives: "/etc/sealift/archives.yaml".into(),
            mounts: "/srv/scality".into(),
            units: "/etc/systemd/system".into(),
            fstab: "/etc/fstab".into(),
            lock: "/run/sealift/archives.lock".into(),
        }
    }
}

impl Paths {
    /// The same places, the folder of mounts as the kernel names it, and the links between units leading somewhere.
    fn real(&self) -> Self {
        Self { mounts: real(&self.mounts), units: real(&self.units), ..self.clone() }
    }
}

/// An import or deletion could not be done. What was there before is there still.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused.
    #[error("cannot {operation} {}: {source}", content::printable_path(path))]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// The archive cannot be read.
    #[error(transparent)]
    Archive(#[from] archive::Error),
    /// A configuration file cannot be read or changed.
    #[error(transparent)]
    Configuration(#[from] configuration::Error),
    /// A configuration file that was there is not any more.
    #[error("{} is gone", content::printable_path(.0))]
    Gone(PathBuf),
    /// The archive is not what it was when it was made.
    #[error("{} is damaged: {} findings, the first: {}", content::printable_path(&.0.archive), .0.findings.len(), .0.findings.first().map_or_else(|| "the implanted MD5 does not match".to_owned(), ToString::to_string))]
    Damaged(Box<Report>),
    /// The archive was replaced, or somebody wrote to it, between two steps.
    #[error("{} was replaced or changed while it was in use", content::printable_path(.0))]
    Changed(PathBuf),
    /// Nothing is wrong with the archive, but nothing says what it was when it was made either.
    #[error("nothing vouches for {}: it has neither {} nor an implanted MD5", content::printable_path(.0), layout::SUMS)]
    Unvouched(PathBuf),
    /// There is no product information in it.
    #[error("{} is no archive: neither {} nor {} is in it", content::printable_path(.0), layout::PRODUCT, layout::MANIFEST)]
    Nameless(PathBuf),
    /// Another archive of that name and version is there.
    #[error("this node already has {id}: {}", content::printable_path(path))]
    Present {
        /// Name and version.
        id: String,
        /// The archive that is there.
        path: PathBuf,
    },
    /// Another archive's images are asked for under the same name.
    #[error("the images of {id} would be {prefix}/..., as those of {} are", content::printable_path(path))]
    SamePrefix {
        /// Name and version.
        id: String,
        /// What the names of its images begin with.
        prefix: String,
        /// The archive that is there.
        path: PathBuf,
    },
    /// The archive's path would mean something else in a systemd unit.
    #[error(
        "{0:?} cannot stand in a systemd unit: expected UTF-8 without control characters, and no blank or backslash at its end"
    )]
    Unnameable(PathBuf),
    /// A systemd unit is there that no import has written.
    #[error("{} is there and was not written by sealift", content::printable_path(.0))]
    NotOurs(PathBuf),
    /// No archive of the node is meant.
    #[error("this node has no archive `{0}`: expected a name and version, a path, or a mount point")]
    Unknown(String),
    /// No archive of the node is this version of a Solution.
    #[error("this node has no Solution {name} {version}; {}", if there.is_empty() { "it has none of that name".to_owned() } else { format!("of that name it has {}", there.join(", ")) })]
    NoSolution {
        /// The Solution.
        name: String,
        /// The version.
        version: String,
        /// The versions that are there.
        there: Vec<String>,
    },
    /// A Solution is active in this version.
    #[error("{id} is the active version of its Solution")]
    Active {
        /// Name and version.
        id: String,
    },
    /// Something on the machine uses the archive.
    #[error("{id} is in use: {source}")]
    InUse {
        /// Name and version.
        id: String,
        /// What unmounting it gave.
        source: std::io::Error,
    },
    /// It is not mounted.
    #[error(
        "{0} is not mounted: expected the name and version, the path, or the mount point of an archive that is"
    )]
    NotMounted(String),
    /// Something else is mounted there.
    #[error("something else is mounted at {}", content::printable_path(at))]
    Occupied {
        /// The mount point.
        at: PathBuf,
    },
    /// It cannot be mounted here.
    #[error("{id} cannot be mounted here: {problem}")]
    NoWay {
        /// Name and version.
        id: String,
        /// Why.
        problem: String,
    },
    /// Somebody else could hold or replace the lock.
    #[error("cannot use {} for the lock: {problem}", content::printable_path(path))]
    UnsafeLock {
        /// The file or its folder.
        path: PathBuf,
        /// Why not.
        problem: String,
    },
    /// Another import or deletion runs.
    #[error("another import or deletion is running: {} is locked", content::printable_path(.0))]
    Locked(PathBuf),
}

/// How an import goes about.
#[derive(Clone, Debug)]
pub struct Import {
    /// Whether the archive is verified first.
    pub verify: bool,
    /// Whether an archive that nothing vouches for is imported too. A damaged one never is.
    pub unverified: bool,
    /// Whether and how it is mounted; [`Mounting::Auto`] leaves FUSE out.
    pub mounting: Mounting,
    /// Whether only the steps are told.
    pub dry_run: bool,
}

impl Default for Import {
    fn default() -> Self {
        Self { verify: true, unverified: false, mounting: Mounting::Auto, dry_run: false }
    }
}

/// What an import or deletion has done, or would do.
#[derive(Clone, Debug, Serialize)]
pub struct Done {
    /// Name and version.
    pub id: String,
    /// The archive.
    pub archive: PathBuf,
    /// The steps, in order. Empty if all was as it should be.
    pub steps: Vec<Step>,
    /// Why it is not mounted, if it is not.
    pub not_mounted: Option<String>,
    /// What somebody should know who expects that nothing else is there.
    pub notes: Vec<String>,
}

/// An archive of the node.
#[derive(Clone, Debug, Serialize)]
pub struct Listed {
    /// The ISO file or folder.
    pub path: PathBuf,
    /// `platform` or `solution`; `unknown` if it cannot be read, and no configuration tells.
    pub kind: &'static str,
    /// What it says of itself; null if it cannot be read.
    pub product: Option<Product>,
    /// Name and version.
    pub id: Option<String>,
    /// Whether nothing is there any more.
    pub missing: bool,
    /// The bytes of the ISO file.
    pub bytes: Option<u64>,
    /// Its images; null if they cannot be listed.
    pub images: Option<ImageCount>,
    /// A digest of what it serves: that of its `SHA256SUMS`, or, of an archive without, of the paths and sizes of its files.
    /// Null if it cannot be read.
    pub contents: Option<String>,
    /// Where it is mounted.
    pub mounted: Option<PathBuf>,
    /// How it is mounted.
    pub mounted_by: Option<Way>,
    /// Whether the mount is dead: the program that showed the archive has ended.
    pub mount_broken: bool,
    /// Whether a Solution is active in this version.
    pub active: bool,
    /// What is wrong with it, as far as that is seen without reading all of it.
    pub problem: Option<String>,
}

/// The images of an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ImageCount {
    /// All of them.
    pub total: usize,
    /// Those of which every blob that their manifest names is there in its size. Content is not read.
    pub whole: usize,
}

/// Makes an archive one of this node's.
///
/// # Errors
///
/// [`Error`]; what was there before is there still.
pub fn import(
    paths: &Paths,
    archive: &Path,
    options: &Import,
    machine: &dyn Machine,
    progress: &dyn iso::Progress,
) -> Result<Done, Error> {
    let held = Held::open(archive)?;
    let archive = held.path().to_path_buf();
    let paths = &paths.real();
    let _lock = lock(paths, options.dry_run)?;
    let (product, kind) = product_of(&held.tree()?)?;
    let id = product.id();
    refuse_second(paths, &archive, &product)?;
    let kind = list_of(paths, &archive, kind)?;
    let way = match options.mounting {
        // An import is to outlast the system, and so is its mount; what FUSE shows does not.
        Mounting::Auto => machine.can_mount(&archive, Way::Kernel).map(|()| Way::Kernel),
        mounting => mounting.choose(&archive, machine),
    };
    let at = paths.mounts.join(&id);
    let planned = || {
        if way.is_ok() {
            plan::refuse_other(&archive, &id, &at, machine)?;
        }
        plan::import(paths, &archive, &id, way.as_ref().ok().copied(), machine, &read(paths, kind)?)
    };
    // Before minutes are spent on verifying, too: what is refused then is refused now.
    let mut steps = planned()?;
    if options.verify && options.dry_run && !options.unverified {
        // What the import would refuse whatever it reads.
        let work = Work::of(held.tree()?, &VerifyOptions::default())?;
        if !work.has_voucher() {
            return Err(Error::Unvouched(archive));
        }
    }
    if options.verify && !options.dry_run {
        verified(&held, options.unverified, progress)?;
        steps = planned()?;
    }
    if !options.dry_run {
        plan::run(&steps, &id, machine, Some(&held), &|_| {})?;
    }
    Ok(Done { id, archive, steps, not_mounted: way.err(), notes: Vec::new() })
}

/// Makes sure that an archive is what it was when it was made, or that at least nothing is wrong with it where that is
/// enough.
fn verified(held: &Held, unvouched: bool, progress: &dyn iso::Progress) -> Result<(), Error> {
    let report = Work::of(held.tree()?, &VerifyOptions::default())?.run(progress);
    match report.verdict() {
        Verdict::Intact => {}
        Verdict::Unvouched if unvouched => {}
        Verdict::Unvouched => return Err(Error::Unvouched(held.path().to_path_buf())),
        Verdict::Damaged => return Err(Error::Damaged(Box::new(report))),
    }
    held.check()
}

/// Takes an archive off this node: `which` is its name and version, its path, or its mount point. The archive itself
/// stays. `force` takes off what is in use.
///
/// # Errors
///
/// [`Error`]; what was there before is there still.
pub fn delete(
    paths: &Paths,
    which: &str,
    force: bool,
    dry_run: bool,
    machine: &dyn Machine,
) -> Result<Done, Error> {
    let paths = &paths.real();
    let _lock = lock(paths, dry_run)?;
    let (archive, id, kind) = meant(paths, which, machine)?;
    let configuration = read(paths, kind)?;
    if let Some(id) = id.as_ref().filter(|id| !force && active(&configuration).contains(id)) {
        return Err(Error::Active { id: id.clone() });
    }
    let (steps, notes) = plan::delete(paths, &archive, id.as_deref(), force, machine, &configuration)?;
    let id = id.unwrap_or_else(|| archive.display().to_string());
    if !dry_run {
        plan::run(&steps, &id, machine, None, &|_| {})?;
    }
    Ok(Done { id, archive, steps, not_mounted: None, notes })
}

/// The names and versions of the Solutions that a configuration says are active. `latest` is the highest version that it
/// lists, as for Salt's module.
fn active(configuration: &Configuration) -> Vec<String> {
    let listed = || configuration.archives().iter().filter_map(|path| described(path).ok());
    let version = |name: &String, version: &String| {
        if version != LATEST {
            return Some(version.clone());
        }
        let named = listed().map(|(product, _)| product).filter(|product| product.name == *name);
        named.max_by_key(|product| ordered(&product.version)).map(|product| product.version)
    };
    let active = configuration.active().iter();
    active
        .filter_map(|(name, wanted)| {
            Some(format!("{}-{}", name.to_ascii_lowercase(), version(name, wanted)?))
        })
        .collect()
}

/// A key by which 1.10 comes after 1.9, and 1.0 after 1.0-rc1.
fn ordered(version: &str) -> (Vec<u64>, bool, String) {
    let (release, candidate) = version.split_once('-').unwrap_or((version, ""));
    let number = |part: &str| if part.starts_with('+') { 0 } else { part.parse().unwrap_or(0) };
    (release.split('.').map(number).collect(), candidate.is_empty(), candidate.to_owned())
}

/// The archives of this node.
///
/// # Errors
///
/// [`Error::Configuration`]. An archive that cannot be read is listed with the reason.
pub fn get(paths: &Paths, machine: &dyn Machine) -> Result<Vec<Listed>, Error> {
    let paths = &paths.real();
    let mut listed: Vec<Listed> = Vec::new();
    for kind in Kind::ALL {
        let Some(configuration) = read_if_there(paths, kind)? else { continue };
        let active = active(&configuration);
        for path in configuration.archives() {
            if !listed.iter().any(|known| known.path == *path) {
                listed.push(seen(paths, path, kind, &active, machine));
            }
        }
    }
    Ok(listed)
}

/// What is seen of an archive that a configuration of `kind` lists, without reading all of it.
fn seen(paths: &Paths, path: &Path, kind: Kind, active: &[String], machine: &dyn Machine) -> Listed {
    let described = described(path);
    let data = std::fs::metadata(path);
    let missing = matches!(&data, Err(error) if error.kind() == std::io::ErrorKind::NotFound);
    let (images, problem) = match &described {
        Ok(_) => look(path),
        Err(_) if missing => (None, Some("it does not exist".to_owned())),
        Err(error) => (None, Some(error.to_string())),
    };
    let id = described.as_ref().ok().map(|(product, _)| product.id());
    // One that is missing has left its unit behind, under the name it had.
    let mount = id.clone().or_else(|| unit::of_archive(paths, path)).map(|id| paths.mounts.join(id));
    let mount = mount.filter(|mount| matches!(machine.mounted(mount), Ok(Some(_))));
    let mount_broken = mount.as_deref().is_some_and(|mount| machine.is_broken(mount));
    let dead = || {
        let mount = mount.as_deref().unwrap_or(Path::new("")).display().to_string();
        format!("the mount at {mount} is dead: the program that showed the archive has ended")
    };
    Listed {
        path: path.to_path_buf(),
        kind: match (kind, &described) {
            (Kind::Bootstrap, _) | (Kind::Archives, Ok((_, Kind::Bootstrap))) => "platform",
            (Kind::Solutions, _) | (Kind::Archives, Ok(_)) => "solution",
            (Kind::Archives, Err(_)) => "unknown",
        },
        missing,
        bytes: data.ok().filter(std::fs::Metadata::is_file).map(|data| data.len()),
        images,
        contents: contents(path).ok().map(|digest| digest.to_string()),
        mounted_by: mount.as_deref().and_then(|mount| machine.mounted(mount).ok().flatten()),
        mounted: mount.clone(),
        mount_broken,
        active: id.as_ref().is_some_and(|id| active.contains(id)),
        product: described.ok().map(|(product, _)| product),
        id,
        problem: problem.or_else(|| mount_broken.then(dead)),
    }
}

/// The archives that the configurations list, those of the platform first, each once: what a server on this node serves.
///
/// # Errors
///
/// [`Error::Configuration`].
pub fn configured(paths: &Paths) -> Result<Vec<PathBuf>, Error> {
    still_configured(paths, &[])
}

/// As [`configured`], with files that were `there`. That one of them is gone is no decision to have no archives: editors, and
/// those who copy a file into its place, leave moments without it.
fn still_configured(paths: &Paths, there: &[Kind]) -> Result<Vec<PathBuf>, Error> {
    let mut found: Vec<PathBuf> = Vec::new();
    for kind in Kind::ALL {
        match read_if_there(paths, kind)? {
            Some(configuration) => {
                let new = configuration.archives().iter().filter(|path| !found.contains(*path));
                found.extend(new.cloned().collect::<Vec<_>>());
            }
            None if there.contains(&kind) => return Err(Error::Gone(path_of(paths, kind).to_path_buf())),
            None => {}
        }
    }
    Ok(found)
}

/// A digest of what an archive serves, without reading all of it.
fn contents(archive: &Path) -> Result<Digest, archive::Error> {
    let tree = Tree::open(archive)?;
    if tree.entry(layout::SUMS)?.is_some() {
        return Ok(Digest::of(&tree.read(layout::SUMS, sums::LIMIT)?));
    }
    let line = |(path, entry): (String, Entry)| format!("{path}\0{}\n", entry.size);
    Ok(Digest::of(tree.walk()?.into_iter().map(line).collect::<String>().as_bytes()))
}

/// The images of an archive, and what is wrong with them, as far as that is seen without reading all of it.
fn look(archive: &Path) -> (Option<ImageCount>, Option<String>) {
    let images = match archive::inspect::inspect(archive) {
        Ok(inspection) => inspection.images,
        Err(error) => return (None, Some(error.to_string())),
    };
    let broken: Vec<String> = images
        .iter()
        .filter_map(|image| Some(format!("{}:{}: {}", image.name, image.tag, image.problem.as_ref()?)))
        .collect();
    let count = ImageCount { total: images.len(), whole: images.len() - broken.len() };
    let problem = broken.first().map(|first| {
        format!("{} of {} images cannot be served, the first: {first}", broken.len(), images.len())
    });
    (Some(count), problem)
}

fn path_of(paths: &Paths, kind: Kind) -> &Path {
    match kind {
        Kind::Bootstrap => &paths.bootstrap,
        Kind::Solutions => &paths.solutions,
        Kind::Archives => &paths.archives,
    }
}

fn read(paths: &Paths, kind: Kind) -> Result<Configuration, Error> {
    Ok(Configuration::read(path_of(paths, kind), kind)?)
}

fn read_if_there(paths: &Paths, kind: Kind) -> Result<Option<Configuration>, Error> {
    Ok(Configuration::read_if_there(path_of(paths, kind), kind)?)
}

/// The configuration that lists an archive, or is to list it: that of its `kind`, or that of the archives where there is no
/// MetalK8s.
fn list_of(paths: &Paths, archive: &Path, kind: Kind) -> Result<Kind, Error> {
    let mut there = Vec::new();
    for kind in Kind::ALL {
        let Some(configuration) = read_if_there(paths, kind)? else { continue };
        if configuration.archives().iter().any(|listed| listed == archive) {
            return Ok(kind);
        }
        there.push(kind);
    }
    let metalk8s = there.contains(&Kind::Bootstrap) || there.contains(&kind);
    Ok(if metalk8s { kind } else { Kind::Archives })
}

/// What an archive says it is, and whose configuration lists such.
fn described(archive: &Path) -> Result<(Product, Kind), Error> {
    product_of(&Tree::open(archive)?)
}

/// [`described`] of an archive that is open.
fn product_of(tree: &Tree) -> Result<(Product, Kind), Error> {
    let (found, kind) = product::describe(tree)?.ok_or_else(|| Error::Nameless(tree.path().to_path_buf()))?;
    let kind = match kind {
        product::Kind::Platform => Kind::Bootstrap,
        product::Kind::Solution => Kind::Solutions,
    };
    Ok((found, kind))
}

/// Refuses an archive whose name and version another one of the node has, or whose images clients would ask for under the
/// same name.
fn refuse_second(paths: &Paths, archive: &Path, product: &Product) -> Result<(), Error> {
    let (id, prefix) = (product.id(), product.repository_prefix());
    for path in configured(paths)?.into_iter().filter(|path| path != archive) {
        // One that is gone or damaged cannot be what stands in the way.
        let Ok((other, _)) = described(&path) else { continue };
        if other.id() == id {
            return Err(Error::Present { id, path });
        }
        if other.repository_prefix() == prefix {
            return Err(Error::SamePrefix { id, prefix, path });
        }
    }
    Ok(())
}

/// The archive, its name and version, and its configuration, for what a person typed. No name and version where neither the
/// archive nor a unit tells it.
fn meant(
    paths: &Paths,
    which: &str,
    machine: &dyn Machine,
) -> Result<(PathBuf, Option<String>, Kind), Error> {
    let as_path = std::fs::canonicalize(which)
        .or_else(|_| std::path::absolute(which))
        .unwrap_or_else(|_| PathBuf::from(which));
    for kind in Kind::ALL {
        let Some(configuration) = read_if_there(paths, kind)? else { continue };
        for path in configuration.archives() {
            let id = described(path).map(|(product, _)| product.id()).ok();
            let mount = id.as_ref().map(|id| paths.mounts.join(id));
            if *path == as_path || id.as_deref() == Some(which) || mount.as_deref() == Some(&as_path) {
                // An archive that cannot be read any more has left its unit behind, under the name it had.
                let id = id.or_else(|| unit::of_archive(paths, path));
                return Ok((path.clone(), id, kind));
            }
        }
    }
    // Not in the configuration, by an import or a deletion that was killed: its unit is there.
    let id = as_path.strip_prefix(&paths.mounts).ok().and_then(Path::to_str).unwrap_or(which);
    if let Some(archive) = unit::archive_of(paths, id).filter(|_| is_name(id)) {
        let kind = described(&archive).map_or(Kind::Bootstrap, |(_, kind)| kind);
        let kind = list_of(paths, &archive, kind)?;
        return Ok((archive, Some(id.to_owned()), kind));
    }
    // Only mounted, as through FUSE, which has no unit.
    let at = paths.mounts.join(id);
    match described(&at) {
        Ok((product, kind)) if product.id() == id && plan::mounted(machine, &at)?.is_some() => {
            let kind = list_of(paths, &at, kind)?;
            Ok((at, Some(id.to_owned()), kind))
        }
        _ => Err(Error::Unknown(which.to_owned())),
    }
}

/// Whether a text is one name, which can be put below a folder and stays there.
fn is_name(text: &str) -> bool {
    matches!(Path::new(text).components().collect::<Vec<_>>()[..], [Component::Normal(_)])
}

/// A path without symbolic links, as far as it exists: as the kernel's list of mounts names it, and systemd wants it.
fn real(path: &Path) -> PathBuf {
    match (std::fs::canonicalize(path), path.parent(), path.file_name()) {
        (Ok(found), ..) => found,
        (Err(_), Some(parent), Some(name)) => real(parent).join(name),
        _ => path.to_path_buf(),
    }
}

#[cfg(test)]
mod tests;
