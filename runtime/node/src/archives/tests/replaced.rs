//! Archives that are replaced while they are imported or mounted.

use std::cell::Cell;
use std::io::{self, Write as _};
use std::path::Path;

use super::{Fake, Node, PLATFORM};
use crate::archives::{
    CannotMount, Error, ImportOptions, Machine, MountChoice, MountMode, MountOptions, configured, import,
    mount,
};

/// A machine that runs a hook at its nth call.
struct Timed<'a> {
    machine: Fake,
    asked: Cell<usize>,
    when: usize,
    happens: &'a dyn Fn(),
}

impl<'a> Timed<'a> {
    fn new(when: usize, happens: &'a dyn Fn()) -> Self {
        Self { machine: Fake::default(), asked: Cell::new(0), when, happens }
    }

    fn ask(&self) -> &Fake {
        self.asked.set(self.asked.get() + 1);
        if self.asked.get() == self.when {
            (self.happens)();
        }
        &self.machine
    }
}

impl Machine for Timed<'_> {
    fn can_mount(&self, archive: &Path, way: MountMode) -> Result<(), CannotMount> {
        self.ask().can_mount(archive, way)
    }

    fn mount(&self, archive: &Path, at: &Path, way: MountMode) -> io::Result<()> {
        self.ask().mount(archive, at, way)
    }

    fn unmount(&self, at: &Path, lazily: bool) -> io::Result<()> {
        self.ask().unmount(at, lazily)
    }

    fn mounted(&self, at: &Path) -> io::Result<Option<MountMode>> {
        self.ask().mounted(at)
    }

    fn shows(&self, archive: &Path, at: &Path) -> io::Result<bool> {
        self.ask().shows(archive, at)
    }

    fn reload_units(&self) -> io::Result<()> {
        self.ask().reload_units()
    }
}

/// Replaces an archive, given its path and that of the other one.
type Replace = fn(&Path, &Path);

/// The ways to replace an archive.
const WAYS: [(&str, Replace); 3] = [
    ("renamed over", |archive, other| std::fs::rename(other, archive).unwrap()),
    ("written to", |archive, _| {
        std::fs::File::options().append(true).open(archive).unwrap().write_all(b"x").unwrap();
    }),
    ("removed", |archive, _| std::fs::remove_file(archive).unwrap()),
];

#[test]
fn an_archive_that_is_replaced_at_any_moment_is_neither_listed_nor_mounted() {
    for (name, replace) in WAYS {
        for when in 1.. {
            let node = Node::new();
            let archive = node.archive("metalk8s.iso", PLATFORM);
            let other = node.archive("other.iso", "NAME=Other\nVERSION=9\n");
            let happens = || replace(&archive, &other);
            let machine = Timed::new(when, &happens);
            let before = node.state(&machine.machine);
            let imported = import(&node.paths, &archive, &ImportOptions::default(), &machine, &());
            if machine.asked.get() < when {
                imported.unwrap();
                assert!(when > 5, "{name}: asked {when} times");
                break;
            }
            assert!(matches!(imported, Err(Error::Changed(_))), "{name}, {when}: {imported:?}");
            assert_eq!(node.state(&machine.machine), before, "{name}, {when}");
            assert!(configured(&node.paths).unwrap().is_empty(), "{name}, {when}");
        }
    }
}

/// A hook that runs while an archive is verified.
struct Meanwhile<'a>(&'a (dyn Fn() + Sync), std::sync::Once);

impl iso::ByteProgress for Meanwhile<'_> {
    fn advance(&self, _: u64) {
        self.1.call_once(self.0);
    }
}

#[test]
fn an_archive_that_is_replaced_during_its_verification_is_refused() {
    for (name, replace) in WAYS {
        let (node, machine) = (Node::new(), Fake::default());
        let archive = node.archive("metalk8s.iso", PLATFORM);
        let other = node.archive("other.iso", "NAME=Other\nVERSION=9\n");
        let before = node.state(&machine);
        let happens = || replace(&archive, &other);
        let meanwhile = || Meanwhile(&happens, std::sync::Once::new());
        let imported = import(&node.paths, &archive, &ImportOptions::default(), &machine, &meanwhile());
        assert!(matches!(imported, Err(Error::Changed(_))), "{name}: {imported:?}");
        assert_eq!(node.state(&machine), before, "{name}");

        let archive = node.archive("metalk8s.iso", PLATFORM);
        node.archive("other.iso", "NAME=Other\nVERSION=9\n");
        let options = MountOptions { at: None, verify: true, mounting: MountChoice::Auto, dry_run: false };
        let mounted = mount(&node.paths, &archive, &options, &machine, &meanwhile());
        assert!(matches!(mounted, Err(Error::Changed(_))), "{name}: {mounted:?}");
        assert_eq!(node.state(&machine), before, "{name}");
    }
}

#[test]
fn another_mount_instead_of_the_archive_is_unmounted() {
    let (node, machine) = (Node::new(), Fake { shows_another: true, ..Fake::default() });
    let archive = node.archive("metalk8s.iso", PLATFORM);
    let before = node.state(&machine);
    assert!(matches!(node.import(&archive, &machine), Err(Error::Changed(_))));
    assert_eq!(node.state(&machine), before);
}
