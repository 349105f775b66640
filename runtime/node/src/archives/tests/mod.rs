mod bugs;
mod checks;
mod following;
mod killed;
mod listed_solutions;
mod pipes;
mod replaced;
mod requires;
mod signed;
mod sites;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use archive::{ArchiveId, Product, Tree, layout, product};
use content::IoError;

use super::*;
use crate::file;
use crate::site_config::ConfigurationKind;

/// A machine that only records what it was asked to do.
#[derive(Default)]
struct Fake {
    mounted: RefCell<BTreeMap<PathBuf, (PathBuf, MountMode)>>,
    no_isofs: bool,
    no_fuse: bool,
    /// It mounts another archive than the requested one.
    shows_another: bool,
    /// The mounts are dead.
    dead: Cell<bool>,
    fail: Cell<Option<&'static str>>,
    busy: Cell<bool>,
    /// It was prepared for mounting.
    prepared: Cell<bool>,
}

impl Fake {
    fn try_to(&self, what: &'static str) -> io::Result<()> {
        if self.fail.get() == Some(what) { Err(io::Error::other("it does not want to")) } else { Ok(()) }
    }
}

impl Machine for Fake {
    fn can_mount(&self, _: &Path, way: MountMode) -> Result<(), CannotMount> {
        match way {
            MountMode::Kernel if self.no_isofs => Err(CannotMount::NoFileSystem("iso9660")),
            MountMode::Fuse if self.no_fuse => Err(CannotMount::NoFileSystem("fuse")),
            _ => Ok(()),
        }
    }

    fn prepare(&self, archive: &Path, way: MountMode) -> Result<(), CannotMount> {
        self.prepared.set(true);
        self.can_mount(archive, way)
    }

    fn mount(&self, archive: &Path, at: &Path, way: MountMode) -> io::Result<()> {
        self.try_to("mount")?;
        self.dead.set(false);
        assert!(at.is_dir(), "no mount point");
        let before = self.mounted.borrow_mut().insert(at.to_path_buf(), (archive.to_path_buf(), way));
        assert_eq!(before, None, "mounted twice");
        show(archive, at)
    }

    fn unmount(&self, at: &Path, lazily: bool) -> io::Result<()> {
        self.try_to("unmount")?;
        self.dead.set(self.dead.get() && !lazily);
        if self.busy.get() && !lazily {
            return Err(io::ErrorKind::ResourceBusy.into());
        }
        assert!(self.mounted.borrow_mut().remove(at).is_some(), "not mounted");
        file::remove(&at.join(layout::PRODUCT))
    }

    fn mounted(&self, at: &Path) -> io::Result<Option<MountMode>> {
        Ok(self.mounted.borrow().get(at).map(|(_, way)| *way))
    }

    fn shows(&self, archive: &Path, at: &Path) -> io::Result<bool> {
        Ok(!self.shows_another && self.mounted.borrow().get(at).is_some_and(|(shown, _)| shown == archive))
    }

    fn is_broken(&self, at: &Path) -> bool {
        self.dead.get() && self.mounted.borrow().contains_key(at)
    }

    fn reload_units(&self) -> io::Result<()> {
        self.try_to("units")
    }
}

/// Makes the mount point show the archive.
fn show(archive: &Path, at: &Path) -> io::Result<()> {
    let product = Tree::open(archive).and_then(|tree| product::of(&tree)).ok().flatten().unwrap_or_default();
    std::fs::write(at.join(layout::PRODUCT), product.render())
}

pub(super) const DELETE: DeleteOptions = DeleteOptions { only: Only::Any, force: false, dry_run: false };
pub(super) const FORCE: DeleteOptions = DeleteOptions { force: true, ..DELETE };
pub(super) const DRY: DeleteOptions = DeleteOptions { dry_run: true, ..DELETE };

/// A node of its own, with a configuration and no archives.
struct Node {
    root: tempfile::TempDir,
    paths: NodeLayout,
}

const BOOTSTRAP: &str = "# Site A\napiVersion: metalk8s.scality.com/v1alpha3\nkind: BootstrapConfiguration\nnetworks:\n  \
                         controlPlane: {cidr: 10.0.0.0/8}\n  workloadPlane: {cidr: 10.0.0.0/8}\nca:\n  minion: b\narchives: []\n";

pub(super) fn paths(root: &Path) -> NodeLayout {
    NodeLayout {
        bootstrap: root.join("bootstrap.yaml"),
        solutions: root.join("solutions.yaml"),
        archives: root.join("archives.yaml"),
        trust: root.join("trust.yaml"),
        trust_must_exist: false,
        fstab: root.join("fstab"),
        mounts: root.join("srv"),
        units: root.join("units"),
        lock: root.join("lock"),
    }
}

impl Node {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let paths = paths(root.path());
        std::fs::create_dir(&paths.units).unwrap();
        std::fs::create_dir(&paths.mounts).unwrap();
        std::fs::write(&paths.bootstrap, BOOTSTRAP).unwrap();
        Self { root, paths }
    }

    /// An archive with this product information, as a platform or in one of the two forms of Solutions.
    fn archive(&self, file: &str, product: &str) -> PathBuf {
        self.archive_with(file, product, &[])
    }

    /// The same with more files: paths and texts. A Solution also has what its check asks for.
    fn archive_with(&self, file: &str, product: &str, more: &[(&str, &str)]) -> PathBuf {
        let tree = tempfile::tempdir().unwrap();
        let is_manifest = product.starts_with("apiVersion");
        let description = if is_manifest { Product::from_manifest(product) } else { Product::parse(product) };
        // Some tests have an invalid one.
        let description = description.unwrap_or_default();
        let name = format!("{} {}", description.name, description.version);
        let volume_id = if name == " " { "Test".to_owned() } else { name };
        let operator =
            if is_manifest { checks::operator(&description.name, &description.version) } else { Vec::new() };
        let files: &[(&str, &str)] =
            if is_manifest || product.contains("REQUIRE_METALK8S") { &checks::FILES } else { &[] };
        let operator = operator.iter().map(|(path, text)| (path.as_str(), text.as_str()));
        for (path, text) in operator.chain(files.iter().copied()).chain(more.iter().copied()) {
            let path = tree.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let says = if is_manifest { layout::MANIFEST } else { layout::PRODUCT };
        std::fs::write(tree.path().join(says), product).unwrap();
        archive::sums::write(tree.path(), &archive::sums::digest_file).unwrap();
        let path = self.root.path().join(file);
        let options = iso::IsoOptions { volume_id, source_date: 1, ..iso::IsoOptions::default() };
        iso::PlannedIso::from_dir(tree.path(), &options).unwrap().write_file(&path, &()).unwrap();
        path
    }

    fn import(&self, archive: &Path, machine: &Fake) -> Result<NodeChange, Error> {
        import(&self.paths, archive, &ImportOptions::default(), machine, &())
    }

    /// Everything that an import may change, except the lock.
    fn state(&self, machine: &Fake) -> String {
        let mut state = format!("{:?}\n", machine.mounted.borrow());
        for (path, entry) in Tree::open(self.root.path()).and_then(|tree| tree.walk()).unwrap() {
            if path != "lock" && path != "units/multi-user.target.wants" && !path.ends_with(".iso") {
                let content = std::fs::read_to_string(self.root.path().join(&path)).unwrap_or_default();
                state.push_str(&format!("{path} {:?} {content}\n", entry.kind));
            }
        }
        state
    }
}

const PLATFORM: &str = "NAME=MetalK8s\nVERSION=2.10.0\n";
const SOLUTION: &str = "NAME=Storage\nVERSION=1.0.0\nREQUIRE_METALK8S=\">=2.0\"\nARCHIVE_LAYOUT_VERSION=1\n";

const MANIFEST: &str = "apiVersion: solutions.metalk8s.scality.com/v1alpha1\nkind: Solution\nmetadata: {name: described}\n\
                        spec: {version: 1.0.0}\n";

#[test]
fn an_import_and_a_deletion_restore_the_node() {
    let (node, machine) = (Node::new(), Fake::default());
    let before = node.state(&machine);
    let platform = node.archive("metalk8s.iso", PLATFORM);
    let dry = import(
        &node.paths,
        &platform,
        &ImportOptions { dry_run: true, ..ImportOptions::default() },
        &machine,
        &(),
    )
    .unwrap();
    assert_eq!(node.state(&machine), before, "a dry run changes nothing");
    let done = node.import(&platform, &machine).unwrap();
    assert_eq!((done.id.as_str(), &done.steps, done.not_mounted), ("metalk8s-2.10.0", &dry.steps, None));
    assert_eq!(done.steps.len(), 4);
    assert_eq!(
        std::fs::read_to_string(&node.paths.bootstrap).unwrap(),
        BOOTSTRAP.replace("archives: []\n", &format!("archives:\n  - {}\n", platform.display()))
    );
    let unit = node.paths.units.join(unit_name(&node.paths.mounts.join("metalk8s-2.10.0")));
    let text = std::fs::read_to_string(&unit).unwrap();
    assert!(text.contains(&format!("What={}\n", platform.display())), "{text}");
    assert!(node.import(&platform, &machine).unwrap().steps.is_empty(), "all is done already");

    let listed = get(&node.paths, &machine).unwrap();
    assert_eq!(
        (listed[0].id.as_ref().map(ArchiveId::as_str), listed[0].kind),
        (Some("metalk8s-2.10.0"), ListedArchiveKind::Platform)
    );
    assert_eq!(listed[0].mounted, Some(node.paths.mounts.join("metalk8s-2.10.0")));
    assert_eq!(configured(&node.paths).unwrap(), std::slice::from_ref(&platform));

    delete(&node.paths, "metalk8s-2.10.0", &DELETE, &machine).unwrap();
    assert_eq!(node.state(&machine), before);
    assert!(matches!(delete(&node.paths, "metalk8s-2.10.0", &DELETE, &machine), Err(Error::Unknown(_))));
}

#[test]
fn an_archive_is_found_by_id_path_or_mount_point() {
    let node = Node::new();
    let platform = node.archive("metalk8s.iso", PLATFORM);
    let mount = node.paths.mounts.join("metalk8s-2.10.0");
    for which in ["metalk8s-2.10.0", platform.to_str().unwrap(), mount.to_str().unwrap()] {
        let machine = Fake::default();
        node.import(&platform, &machine).unwrap();
        assert_eq!(delete(&node.paths, which, &DELETE, &machine).unwrap().id, "metalk8s-2.10.0", "{which}");
    }
    // An archive whose file is missing can still be deleted.
    let machine = Fake::default();
    node.import(&platform, &machine).unwrap();
    std::fs::remove_file(&platform).unwrap();
    assert!(get(&node.paths, &machine).unwrap()[0].problem.is_some());
    let done = delete(&node.paths, platform.to_str().unwrap(), &DELETE, &machine).unwrap();
    assert_eq!((done.id.as_str(), machine.mounted.borrow().len()), ("metalk8s-2.10.0", 0));
}

#[test]
fn solutions_have_a_configuration_of_their_own() {
    let (node, machine) = (Node::new(), Fake::default());
    let solution = node.archive("storage.iso", SOLUTION);
    node.import(&solution, &machine).unwrap();
    let text = std::fs::read_to_string(&node.paths.solutions).unwrap();
    assert!(text.contains(&format!("- {}\n", solution.display())), "{text}");
    assert_eq!(std::fs::read_to_string(&node.paths.bootstrap).unwrap(), BOOTSTRAP);
    std::fs::write(&node.paths.solutions, format!("{text}active:\n  Storage: 1.0.0\n")).unwrap();
    assert!(get(&node.paths, &machine).unwrap()[0].active);
    assert!(matches!(delete(&node.paths, "storage-1.0.0", &DELETE, &machine), Err(Error::Active { .. })));
    delete(&node.paths, "storage-1.0.0", &FORCE, &machine).unwrap();
    assert!(get(&node.paths, &machine).unwrap().is_empty());

    let described = node.archive("described.iso", MANIFEST);
    assert_eq!(node.import(&described, &machine).unwrap().id, "described-1.0.0");
    let listed = &get(&node.paths, &machine).unwrap()[0];
    assert_eq!(
        (listed.id.as_ref().map(ArchiveId::as_str), listed.kind),
        (Some("described-1.0.0"), ListedArchiveKind::Solution)
    );
    assert_eq!(std::fs::read_to_string(&node.paths.bootstrap).unwrap(), BOOTSTRAP);
}

#[test]
fn only_solutions_are_accepted_where_only_they_are_meant() {
    let (node, machine) = (Node::new(), Fake::default());
    let solutions = ImportOptions { only: Only::Solutions, ..ImportOptions::default() };
    let unimport = DeleteOptions { only: Only::Solutions, ..DELETE };
    let platform = node.archive("metalk8s.iso", PLATFORM);
    let described = node.archive("described.iso", MANIFEST);
    let older = node.archive("storage.iso", SOLUTION);
    let state = node.state(&machine);
    let refused = import(&node.paths, &platform, &solutions, &machine, &()).unwrap_err();
    assert_eq!(refused.to_string(), format!("{} is not a Solution", platform.display()));
    assert_eq!(node.state(&machine), state);
    node.import(&platform, &machine).unwrap();
    for solution in [&described, &older] {
        import(&node.paths, solution, &solutions, &machine, &()).unwrap();
    }
    assert_eq!(configured_solutions(&node.paths).unwrap(), [described.clone(), older.clone()]);
    std::fs::remove_file(&older).unwrap();
    for which in ["metalk8s-2.10.0", platform.to_str().unwrap()] {
        let refused = delete(&node.paths, which, &unimport, &machine);
        assert!(matches!(refused, Err(Error::NoSolutionArchive(_))), "{refused:?}");
    }
    // One whose file is missing is a Solution by its configuration.
    for solution in [&described, &older] {
        delete(&node.paths, solution.to_str().unwrap(), &unimport, &machine).unwrap();
    }
    delete(&node.paths, "metalk8s-2.10.0", &DELETE, &machine).unwrap();

    // The configuration of a node without MetalK8s lists both kinds.
    std::fs::remove_file(&node.paths.bootstrap).unwrap();
    std::fs::remove_file(&node.paths.solutions).unwrap();
    node.import(&platform, &machine).unwrap();
    node.import(&described, &machine).unwrap();
    assert_eq!(configured_solutions(&node.paths).unwrap(), std::slice::from_ref(&described));
    let refused = delete(&node.paths, "metalk8s-2.10.0", &unimport, &machine);
    assert!(matches!(refused, Err(Error::NoSolutionArchive(_))), "{refused:?}");
    delete(&node.paths, "described-1.0.0", &unimport, &machine).unwrap();
}

#[test]
fn a_refused_import_changes_nothing() {
    let (node, machine) = (Node::new(), Fake::default());
    let first = node.archive("first.iso", PLATFORM);
    node.import(&first, &machine).unwrap();
    let before = node.state(&machine);
    let second = node.archive("second.iso", PLATFORM);
    assert!(matches!(node.import(&second, &machine), Err(Error::Present { path, .. }) if path == first));

    let damaged = node.archive("damaged.iso", "NAME=Other\nVERSION=1.0.0\n");
    let mut bytes = std::fs::read(&damaged).unwrap();
    let at = bytes.windows(4).rposition(|window| window == b"NAME").unwrap();
    bytes[at + 6] = b'X';
    std::fs::write(&damaged, bytes).unwrap();
    let Err(Error::Damaged(report)) = node.import(&damaged, &machine) else { panic!() };
    assert!(report.findings.iter().any(|finding| finding.path == "product.txt"), "{report:?}");

    let nameless = tempfile::tempdir().unwrap();
    assert!(matches!(node.import(nameless.path(), &machine), Err(Error::Nameless(_))));
    assert!(matches!(
        node.import(Path::new("/none.iso"), &machine),
        Err(Error::Io(IoError { operation: "open", .. }))
    ));
    let held = std::fs::File::create(&node.paths.lock).unwrap();
    held.lock().unwrap();
    assert!(matches!(node.import(&first, &machine), Err(Error::Locked(_))));
    drop(held);
    machine.busy.set(true);
    assert!(matches!(delete(&node.paths, "metalk8s-2.10.0", &DELETE, &machine), Err(Error::InUse { .. })));
    assert_eq!(node.state(&machine), before);
    delete(&node.paths, "metalk8s-2.10.0", &FORCE, &machine).unwrap();

    let at = node.paths.mounts.join("metalk8s-2.10.0");
    std::fs::create_dir(&at).unwrap();
    machine.mounted.borrow_mut().insert(at.clone(), ("/dev/sdb".into(), MountMode::Kernel));
    assert!(matches!(node.import(&first, &machine), Err(Error::Occupied { at: found }) if found == at));
}

#[test]
fn a_failure_at_any_step_leaves_the_former_state() {
    for failing in ["mount", "units"] {
        let (node, machine) = (Node::new(), Fake::default());
        let platform = node.archive("metalk8s.iso", PLATFORM);
        let before = node.state(&machine);
        machine.fail.set(Some(failing));
        assert!(matches!(node.import(&platform, &machine), Err(Error::Io(_))), "{failing}");
        assert_eq!(node.state(&machine), before, "{failing}");
        machine.fail.set(None);
        node.import(&platform, &machine).unwrap();
        delete(&node.paths, "metalk8s-2.10.0", &DELETE, &machine).unwrap();
        assert_eq!(node.state(&machine), before, "{failing}");
    }
    for failing in ["unmount", "units"] {
        let (node, machine) = (Node::new(), Fake::default());
        let platform = node.archive("metalk8s.iso", PLATFORM);
        node.import(&platform, &machine).unwrap();
        let text = std::fs::read_to_string(&node.paths.bootstrap).unwrap();
        std::fs::write(&node.paths.bootstrap, format!("{} # the first\n  - /other.iso\n", text.trim_end()))
            .unwrap();
        let imported = node.state(&machine);
        machine.fail.set(Some(failing));
        delete(&node.paths, "metalk8s-2.10.0", &DELETE, &machine).unwrap_err();
        assert_eq!(node.state(&machine), imported, "{failing}");
    }
    let (node, machine) = (Node::new(), Fake::default());
    let platform = node.archive("metalk8s.iso", PLATFORM);
    let anchored = BOOTSTRAP.replace("archives: []", "archives: &all [/other.iso]\nothers: *all");
    std::fs::write(&node.paths.bootstrap, anchored).unwrap();
    let before = node.state(&machine);
    assert!(matches!(node.import(&platform, &machine), Err(Error::Configuration(_))));
    assert_eq!(node.state(&machine), before, "the list cannot be changed: all is undone");
}

/// What FUSE mounts has no unit, so only the list names it to the next run.
#[test]
fn a_killed_deletion_of_what_fuse_mounts_is_finished_by_running_it_again() {
    let (node, machine) = (Node::new(), Fake::default());
    let platform = node.archive("metalk8s.iso", PLATFORM);
    let untouched = node.state(&machine);
    let options = ImportOptions { mounting: MountChoice::By(MountMode::Fuse), ..ImportOptions::default() };
    for at in 0.. {
        import(&node.paths, &platform, &options, &machine, &()).unwrap();
        let steps = delete(&node.paths, "metalk8s-2.10.0", &DRY, &machine).unwrap().steps;
        assert_eq!(steps.len(), 3, "{steps:?}");
        for step in &steps[..at] {
            apply::apply(step, "metalk8s-2.10.0", &machine, &mut None).unwrap();
        }
        let again = delete(&node.paths, "metalk8s-2.10.0", &DELETE, &machine);
        assert_eq!(node.state(&machine), untouched, "killed before step {at}: {again:?}");
        if at == steps.len() {
            assert!(matches!(again, Err(Error::Unknown(_))), "{again:?}");
            break;
        }
        again.unwrap();
    }
}

#[test]
fn killed_before_any_step_and_run_again() {
    // The steps of an uninterrupted run.
    let (node, machine) = (Node::new(), Fake::default());
    let platform = node.archive("metalk8s.iso", PLATFORM);
    let untouched = node.state(&machine);
    // Nothing is undone, as after a kill.
    let kill = |steps: &[NodeStep], at: usize| {
        for step in &steps[..at] {
            apply::apply(step, "metalk8s-2.10.0", &machine, &mut None).unwrap();
        }
    };
    let dry = ImportOptions { dry_run: true, ..ImportOptions::default() };
    let count = import(&node.paths, &platform, &dry, &machine, &()).unwrap().steps.len();
    for at in 0..count {
        let steps = import(&node.paths, &platform, &dry, &machine, &()).unwrap().steps;
        kill(&steps, at);
        assert!(
            configured(&node.paths).unwrap().is_empty(),
            "not an archive of the node before the last step"
        );
        node.import(&platform, &machine).unwrap();
        let imported = node.state(&machine);
        for at in 0..count {
            let steps = delete(&node.paths, "metalk8s-2.10.0", &DRY, &machine).unwrap().steps;
            kill(&steps, at);
            delete(&node.paths, "metalk8s-2.10.0", &DELETE, &machine).unwrap();
            assert_eq!(node.state(&machine), untouched, "killed before step {at} of the deletion");
            node.import(&platform, &machine).unwrap();
            assert_eq!(node.state(&machine), imported);
        }
        delete(&node.paths, "metalk8s-2.10.0", &DELETE, &machine).unwrap();
    }
}

#[test]
fn an_archive_that_cannot_be_mounted_is_listed() {
    let (node, machine) = (Node::new(), Fake { no_isofs: true, no_fuse: true, ..Fake::default() });
    let platform = node.archive("metalk8s.iso", PLATFORM);
    let done = node.import(&platform, &machine).unwrap();
    assert_eq!((done.steps.len(), done.not_mounted.as_deref()), (1, Some("the kernel has no iso9660")));
    let options = MountOptions { at: None, verify: true, mounting: MountChoice::Auto, dry_run: false };
    let Err(Error::CannotMount { problem, .. }) = mount(&node.paths, &platform, &options, &machine, &())
    else {
        panic!()
    };
    assert_eq!(problem.to_string(), "the kernel has no iso9660; no FUSE: the kernel has no fuse");
    assert_eq!(get(&node.paths, &machine).unwrap()[0].mounted, None);
    delete(&node.paths, "metalk8s-2.10.0", &DELETE, &machine).unwrap();
}

#[test]
fn through_fuse_where_it_is_asked_for() {
    let (node, machine) = (Node::new(), Fake { no_isofs: true, ..Fake::default() });
    let before = node.state(&machine);
    let platform = node.archive("metalk8s.iso", PLATFORM);
    assert_eq!(
        node.import(&platform, &machine).unwrap().not_mounted.as_deref(),
        Some("the kernel has no iso9660")
    );
    delete(&node.paths, "metalk8s-2.10.0", &DELETE, &machine).unwrap();
    let by_fuse = ImportOptions { mounting: MountChoice::By(MountMode::Fuse), ..ImportOptions::default() };
    let import = || import(&node.paths, &platform, &by_fuse, &machine, &()).unwrap();
    let done = import();
    assert_eq!((done.steps.len(), done.not_mounted), (3, None), "no unit, which could not mount it");
    assert_eq!(get(&node.paths, &machine).unwrap()[0].mounted_by, Some(MountMode::Fuse));
    assert!(import().steps.is_empty());
    delete(&node.paths, "metalk8s-2.10.0", &DELETE, &machine).unwrap();
    let options = MountOptions { at: None, verify: true, mounting: MountChoice::Auto, dry_run: false };
    mount(&node.paths, &platform, &options, &machine, &()).unwrap();
    assert_eq!(machine.mounted(&node.paths.mounts.join("metalk8s-2.10.0")).unwrap(), Some(MountMode::Fuse));
    unmount(&node.paths, "metalk8s-2.10.0", false, &machine).unwrap();
    assert_eq!(node.state(&machine), before);
}

#[test]
fn mounted_without_being_imported() {
    let (node, machine) = (Node::new(), Fake::default());
    let before = node.state(&machine);
    let platform = node.archive("metalk8s.iso", PLATFORM);
    let options = MountOptions { at: None, verify: true, mounting: MountChoice::Auto, dry_run: false };
    let mount_at = |at: Option<&Path>| {
        mount(
            &node.paths,
            &platform,
            &MountOptions { at: at.map(Path::to_path_buf), ..options.clone() },
            &machine,
            &(),
        )
    };
    let own = node.paths.mounts.join("metalk8s-2.10.0");
    let other = node.root.path().join("other");
    for which in ["metalk8s-2.10.0", platform.to_str().unwrap(), own.to_str().unwrap()] {
        let done = mount_at(None).unwrap();
        assert_eq!(done.steps.len(), 2);
        assert_eq!(machine.mounted.borrow()[&own], (platform.clone(), MountMode::Kernel));
        assert!(configured(&node.paths).unwrap().is_empty());
        unmount(&node.paths, which, false, &machine).unwrap();
        assert_eq!(node.state(&machine), before, "{which}");
    }
    std::fs::create_dir(&other).unwrap();
    let shows = |product: &str| std::fs::write(other.join("product.txt"), product).unwrap();
    mount_at(Some(&other)).unwrap();
    shows("NAME=Another\nVERSION=1\n");
    assert!(matches!(mount_at(Some(&other)), Err(Error::Occupied { .. })));
    shows(PLATFORM);
    assert!(mount_at(Some(&other)).unwrap().steps.is_empty());
    unmount(&node.paths, other.to_str().unwrap(), false, &machine).unwrap();
    assert!(other.is_dir(), "a folder of the user's stays");
    let elsewhere = (platform.clone(), MountMode::Kernel);
    machine.mounted.borrow_mut().insert(other.clone(), elsewhere);
    let no_archive = unmount(&node.paths, other.to_str().unwrap(), true, &machine);
    assert!(matches!(no_archive, Err(Error::NotMounted(_))), "a disk of the machine's");
    machine.mounted.borrow_mut().clear();

    for which in ["metalk8s-2.10.0", "..", "/", platform.to_str().unwrap()] {
        assert!(matches!(unmount(&node.paths, which, false, &machine), Err(Error::NotMounted(_))), "{which}");
    }
    let mut bytes = std::fs::read(&platform).unwrap();
    let at = bytes.windows(4).rposition(|window| window == b"NAME").unwrap();
    bytes[at + 6] = b'X';
    std::fs::write(&platform, bytes).unwrap();
    assert!(matches!(mount_at(None), Err(Error::Damaged(_))), "never unchecked");
    // An imported archive is mounted again at the next boot: its mount point stays.
    let second = node.archive("second.iso", "NAME=MetalK8s\nVERSION=3.0.0\n");
    node.import(&second, &machine).unwrap();
    machine.busy.set(true);
    assert!(matches!(unmount(&node.paths, "metalk8s-3.0.0", false, &machine), Err(Error::InUse { .. })));
    unmount(&node.paths, "metalk8s-3.0.0", true, &machine).unwrap();
    assert!(node.paths.mounts.join("metalk8s-3.0.0").is_dir());
    assert_eq!(
        node.import(&second, &machine).unwrap().steps.len(),
        1,
        "mounted again, and all else is there"
    );
}

#[test]
fn units_are_named_as_systemd_does() {
    let cases = [
        ("/srv/scality/metalk8s-2.10.0", "srv-scality-metalk8s\\x2d2.10.0.mount"),
        ("/srv/a b/ü", "srv-a\\x20b-\\xc3\\xbc.mount"),
        ("/.hidden", "\\x2ehidden.mount"),
        ("/", "-.mount"),
    ];
    for (path, expected) in cases {
        assert_eq!(unit_name(Path::new(path)), expected);
    }
}
