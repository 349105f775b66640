//! Regression tests.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::{BOOTSTRAP, DELETE, Fake, Node, PLATFORM};
use crate::archives::{
    Error, ImportOptions, LinuxMachine, Machine as _, MountChoice, MountMode, MountOptions, NodeStep,
    configured, delete, get, import, mount, unit_name,
};

/// A user who edits a file while an archive is verified.
struct Editor(Mutex<Option<(PathBuf, String)>>);

impl iso::ByteProgress for Editor {
    fn advance(&self, _: u64) {
        if let Some((path, text)) = self.0.lock().unwrap().take() {
            std::fs::write(path, text).unwrap();
        }
    }
}

#[test]
fn an_edit_while_an_archive_is_verified_is_kept() {
    let (node, machine) = (Node::new(), Fake::default());
    let platform = node.archive("metalk8s.iso", PLATFORM);
    let edited = BOOTSTRAP.replace("# Site A", "# Site A, edited");
    let editor = Editor(Mutex::new(Some((node.paths.bootstrap.clone(), edited.clone()))));
    import(&node.paths, &platform, &ImportOptions::default(), &machine, &editor).unwrap();
    assert_eq!(
        std::fs::read_to_string(&node.paths.bootstrap).unwrap(),
        edited.replace("archives: []\n", &format!("archives:\n  - {}\n", platform.display()))
    );
}

#[test]
fn a_refused_deletion_does_not_touch_the_configuration() {
    let (node, machine) = (Node::new(), Fake::default());
    node.import(&node.archive("metalk8s.iso", PLATFORM), &machine).unwrap();
    let file = || std::fs::metadata(&node.paths.bootstrap).unwrap().ino();
    let before = file();
    machine.busy.set(true);
    let refused = delete(&node.paths, "metalk8s-2.10.0", &DELETE, &machine);
    assert!(matches!(refused, Err(Error::InUse { .. })));
    assert_eq!(file(), before, "not even written back: servers that follow it would reload twice");
}

#[test]
fn archives_whose_images_would_have_the_same_names_are_refused() {
    for (first, second) in [("1.0~a", "1.0+a"), ("1.0-rc1", "1.0-RC1")] {
        let (node, machine) = (Node::new(), Fake::default());
        let archive = |version: &str| {
            node.archive(&format!("{version}.iso"), &format!("NAME=MetalK8s\nVERSION={version}\n"))
        };
        let (first, second) = (archive(first), archive(second));
        node.import(&first, &machine).unwrap();
        let refused = node.import(&second, &machine);
        assert!(matches!(&refused, Err(Error::SamePrefix { path, .. }) if *path == first), "{refused:?}");
        assert_eq!(configured(&node.paths).unwrap(), [first]);
    }
}

#[test]
fn a_configuration_that_cannot_be_looked_at_is_no_empty_one() {
    let mut node = Node::new();
    // A path below a file cannot exist; that does not mean that the configuration is missing.
    node.paths.bootstrap = node.root.path().join("file/bootstrap.yaml");
    std::fs::write(node.root.path().join("file"), "").unwrap();
    assert!(matches!(configured(&node.paths), Err(Error::Configuration(_))));
    node.paths.bootstrap = node.root.path().join("none/bootstrap.yaml");
    assert_eq!(configured(&node.paths).unwrap(), [""; 0].map(PathBuf::from));
}

#[test]
fn an_old_file_that_is_mounted_still_is_not_the_archive() {
    let (node, machine) = (Node::new(), Fake::default());
    let (old, new) = (node.archive("old.iso", PLATFORM), node.archive("new.iso", PLATFORM));
    node.import(&old, &machine).unwrap();
    // Removed from the list by hand; its archive is still mounted.
    std::fs::write(&node.paths.bootstrap, BOOTSTRAP).unwrap();
    std::fs::remove_file(&old).unwrap();
    let refused = node.import(&new, &machine);
    assert!(matches!(refused, Err(Error::Occupied { .. })), "{refused:?}");
}

#[test]
fn archives_of_one_size_are_distinguished_by_their_content() {
    let (node, machine) = (Node::new(), Fake::default());
    let contents = |more: &str| {
        let archive = node.archive("metalk8s.iso", &format!("{PLATFORM}{more}"));
        node.import(&archive, &machine).unwrap();
        let listed = get(&node.paths, &machine).unwrap().remove(0);
        (listed.bytes, listed.contents.unwrap())
    };
    let (one, other) = (contents("GIT=a\n"), contents("GIT=b\n"));
    assert_eq!(one.0, other.0);
    assert_ne!(one.1, other.1);
    assert_eq!(contents("GIT=a\n"), one);
}

/// A machine with the lists of mounts and disks that a test provides.
fn linux(root: &Path, mounts: &str, backing_file: &str) -> LinuxMachine {
    std::fs::write(root.join("mountinfo"), mounts).unwrap();
    let disk = root.join("disks/7:3/loop");
    std::fs::create_dir_all(&disk).unwrap();
    std::fs::write(disk.join("backing_file"), backing_file).unwrap();
    LinuxMachine { mounts: root.join("mountinfo"), disks: root.join("disks"), ..LinuxMachine::default() }
}

#[test]
fn mounts_are_identified_by_their_source() {
    let root = tempfile::tempdir().unwrap();
    let at = root.path().join("at");
    std::fs::create_dir(&at).unwrap();
    let line = |device: &str, kind: &str, source: &str| {
        format!("36 35 {device} / {} ro,nosuid - {kind} {source} ro\n", at.display())
    };
    let looped = line("7:3", "iso9660", "/dev/loop3");
    let shown =
        |mounts: &str, file: &str| linux(root.path(), mounts, file).shows("/a b.iso".as_ref(), &at).unwrap();
    assert!(shown(&looped, "/a b.iso\n"));
    assert!(!shown(&looped, "/a b.iso (deleted)\n"));
    assert!(!shown(&looped, "/other.iso\n"));
    assert!(!shown(&line("8:1", "ext4", "/dev/sda1"), ""), "no loop device");
    assert!(shown(&line("0:50", "fuse.iso9660", "/a\\040b.iso"), ""));
    assert!(!shown(&line("0:50", "fuse.iso9660", "/b.iso"), ""));
    assert!(!shown("", ""), "nothing");
    assert!(
        !shown(&format!("{looped}{}", line("0:50", "fuse.iso9660", "/b.iso")), "/a b.iso\n"),
        "the upper one"
    );
    // A bind mount shows the same folder.
    let folder = root.path().join("folder");
    std::fs::create_dir(&folder).unwrap();
    let machine = linux(root.path(), &line("8:1", "ext4", "/dev/sda1"), "");
    assert!(machine.shows(&at, &at).unwrap());
    assert!(!machine.shows(&folder, &at).unwrap());
}

#[test]
fn latest_is_the_highest_version_of_a_solution() {
    let (node, machine) = (Node::new(), Fake::default());
    for version in ["1.9.0", "1.10.0-rc1", "1.10.0"] {
        let product = format!("NAME=Storage\nVERSION={version}\nARCHIVE_LAYOUT_VERSION=1\n");
        node.import(&node.archive(&format!("{version}.iso"), &product), &machine).unwrap();
    }
    let text = std::fs::read_to_string(&node.paths.solutions).unwrap();
    std::fs::write(&node.paths.solutions, text + "active:\n  Storage: latest\n").unwrap();
    let active = get(&node.paths, &machine).unwrap().into_iter().filter(|one| one.active);
    assert_eq!(active.map(|one| one.id.unwrap()).collect::<Vec<_>>(), ["storage-1.10.0"]);
    let refused = delete(&node.paths, "storage-1.10.0", &DELETE, &machine);
    assert!(matches!(&refused, Err(Error::Active { id }) if id == "storage-1.10.0"), "{refused:?}");
    delete(&node.paths, "storage-1.10.0-rc1", &DELETE, &machine).unwrap();
    delete(&node.paths, "storage-1.9.0", &DELETE, &machine).unwrap();
}

#[test]
fn an_unidentifiable_archive_is_only_removed_from_the_list() {
    let (node, machine) = (Node::new(), Fake::default());
    // Listed by hand, with a mount that the operator made.
    let archive = node.root.path().join("archive");
    std::fs::create_dir(&archive).unwrap();
    machine.mounted.borrow_mut().insert(archive.clone(), ("/dev/sdb".into(), MountMode::Kernel));
    let listed = BOOTSTRAP.replace("archives: []", &format!("archives: [{}]", archive.display()));
    std::fs::write(&node.paths.bootstrap, listed).unwrap();
    let done = delete(&node.paths, archive.to_str().unwrap(), &DELETE, &machine).unwrap();
    assert!(matches!(&done.steps[..], [NodeStep::Unlist { .. }]), "{:?}", done.steps);
    assert!(archive.is_dir() && machine.mounted.borrow().contains_key(&archive));
    assert!(configured(&node.paths).unwrap().is_empty());
}

#[test]
fn a_folder_of_mounts_that_is_a_link_is_mounted_at_once() {
    let mut node = Node::new();
    let link = node.root.path().join("link");
    std::os::unix::fs::symlink(&node.paths.mounts, &link).unwrap();
    let at = node.paths.mounts.join("metalk8s-2.10.0");
    node.paths.mounts = link.clone();
    let machine = Fake::default();
    let platform = node.archive("metalk8s.iso", PLATFORM);
    node.import(&platform, &machine).unwrap();
    assert!(machine.mounted.borrow().contains_key(&at), "as the kernel and systemd name it");
    assert!(node.paths.units.join(unit_name(&at)).exists());
    assert!(node.import(&platform, &machine).unwrap().steps.is_empty());
    delete(&node.paths, link.join("metalk8s-2.10.0").to_str().unwrap(), &DELETE, &machine).unwrap();
    // The path in the list of mounts, whatever path the caller gives.
    let line = format!("36 35 0:50 / {} ro - fuse.iso9660 /a.iso ro\n", at.display());
    let machine = linux(node.root.path(), &line, "");
    assert_eq!(machine.mounted(&link.join("metalk8s-2.10.0")).unwrap(), Some(MountMode::Fuse));
}

#[test]
fn no_path_writes_lines_of_a_unit() {
    let (node, machine) = (Node::new(), Fake::default());
    let before = node.state(&machine);
    for name in ["x\n[Unit]\nOnFailure=evil.service", "joined\\", "blank "] {
        let archive = node.archive(name, PLATFORM);
        let refused = node.import(&archive, &machine);
        assert!(matches!(&refused, Err(Error::Unnameable(path)) if *path == archive), "{refused:?}");
        std::fs::remove_file(archive).unwrap();
        assert_eq!(node.state(&machine), before);
    }
}

#[test]
fn a_unit_of_the_operators_stays() {
    let (node, machine) = (Node::new(), Fake::default());
    let platform = node.archive("metalk8s.iso", PLATFORM);
    let unit = node.paths.units.join(unit_name(&node.paths.mounts.join("metalk8s-2.10.0")));
    std::fs::write(&unit, "[Mount]\nWhat=/dev/sdb\n").unwrap();
    let before = node.state(&machine);
    let refused = node.import(&platform, &machine);
    assert!(matches!(&refused, Err(Error::NotOurs(path)) if *path == unit), "{refused:?}");
    assert_eq!(node.state(&machine), before);
    // Nor is it removed with an archive that is mounted without one.
    let machine = Fake { no_isofs: true, ..Fake::default() };
    node.import(&platform, &machine).unwrap();
    delete(&node.paths, "metalk8s-2.10.0", &DELETE, &machine).unwrap();
    assert_eq!(node.state(&machine), before);
}

#[test]
fn a_dry_run_does_not_prepare_the_machine() {
    let (node, machine) = (Node::new(), Fake::default());
    let platform = node.archive("metalk8s.iso", PLATFORM);
    for (dry_run, prepared) in [(true, false), (false, true)] {
        machine.prepared.set(false);
        let options = ImportOptions { dry_run, ..ImportOptions::default() };
        assert_eq!(import(&node.paths, &platform, &options, &machine, &()).unwrap().not_mounted, None);
        assert_eq!(machine.prepared.get(), prepared, "import");
    }
    delete(&node.paths, "metalk8s-2.10.0", &DELETE, &machine).unwrap();
    for (dry_run, prepared) in [(true, false), (false, true)] {
        machine.prepared.set(false);
        let options = MountOptions { at: None, verify: true, mounting: MountChoice::Auto, dry_run };
        assert_eq!(mount(&node.paths, &platform, &options, &machine, &()).unwrap().steps.len(), 2);
        assert_eq!(machine.prepared.get(), prepared, "mount");
    }
}

#[test]
fn asking_a_machine_loads_no_modules() {
    let root = tempfile::tempdir().unwrap();
    let path = |name: &str| root.path().join(name);
    let machine = LinuxMachine {
        file_systems: path("filesystems"),
        release: path("osrelease"),
        modules: path("modules"),
        fuse: path("fuse"),
        running: |command| panic!("{command:?}"),
        ..LinuxMachine::default()
    };
    std::fs::create_dir_all(path("modules/6.1.0")).unwrap();
    std::fs::write(path("osrelease"), "6.1.0\n").unwrap();
    std::fs::write(path("fuse"), "").unwrap();
    let (iso, folder) = (path("a.iso"), root.path());
    let is_root = rustix::process::geteuid().is_root();
    let isofs = "kernel/fs/isofs/isofs.ko.xz: kernel/drivers/cdrom/cdrom.ko.xz\n";
    let fuse = "kernel/fs/fuse/fuse.ko:\n";
    for (listed, modules, by_kernel, through_fuse) in [
        ("nodev\tproc\n\text4\n", "", false, false),
        ("\tiso9660\n", "", true, false),
        ("nodev\tfuse\n", "", false, true),
        ("\text4\n", isofs, true, false),
        ("\text4\n", fuse, false, true),
        // Other modules that need them or have similar names.
        ("\tfuseblk\n", "a.ko: fs/isofs.ko fs/fuse.ko\nfs/fuse-x.ko:\nfs/isofs2.ko:\n", false, false),
    ] {
        std::fs::write(path("filesystems"), listed).unwrap();
        std::fs::write(path("modules/6.1.0/modules.dep"), modules).unwrap();
        let can = |archive: &Path, way| machine.can_mount(archive, way).is_ok();
        assert_eq!(can(&iso, MountMode::Kernel), by_kernel && is_root, "{listed:?} {modules:?}");
        assert_eq!(can(&iso, MountMode::Fuse), through_fuse, "{listed:?} {modules:?}");
        assert_eq!((can(folder, MountMode::Kernel), can(folder, MountMode::Fuse)), (is_root, false));
    }
    // The list of another kernel does not count.
    std::fs::write(path("osrelease"), "6.2.0\n").unwrap();
    std::fs::write(path("modules/6.1.0/modules.dep"), format!("{isofs}{fuse}")).unwrap();
    assert!(
        machine.can_mount(&iso, MountMode::Kernel).is_err()
            && machine.can_mount(&iso, MountMode::Fuse).is_err()
    );
}
