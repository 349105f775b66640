//! Imports and deletions that are killed: each runs in a process of its own that gets SIGKILL.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::{BOOTSTRAP, DELETE, Node, PLATFORM, show};
use crate::archives::{
    CannotMount, ImportOptions, Machine, MountMode, configured, delete, import, unit_name,
};

/// A machine whose mounts are files in a folder, so that they outlive the process.
struct Persistent(PathBuf);

impl Persistent {
    fn mark(&self, at: &Path) -> PathBuf {
        self.0.join(at.file_name().unwrap())
    }
}

impl Machine for Persistent {
    fn can_mount(&self, _: &Path, _: MountMode) -> Result<(), CannotMount> {
        Ok(())
    }

    fn mount(&self, archive: &Path, at: &Path, _: MountMode) -> io::Result<()> {
        show(archive, at)?;
        std::fs::File::create_new(self.mark(at)).map(drop)
    }

    fn unmount(&self, at: &Path, _: bool) -> io::Result<()> {
        crate::file::remove(&at.join(archive::layout::PRODUCT))?;
        std::fs::remove_file(self.mark(at))
    }

    fn mounted(&self, at: &Path) -> io::Result<Option<MountMode>> {
        Ok(self.mark(at).exists().then_some(MountMode::Kernel))
    }

    fn shows(&self, _: &Path, at: &Path) -> io::Result<bool> {
        Ok(self.mark(at).exists())
    }

    fn reload_units(&self) -> io::Result<()> {
        Ok(())
    }
}

/// The variables by which the test becomes the process that is killed: the folder of the node, and the operation.
const ROOT: &str = "SEALIFT_TEST_NODE";
const ACTION: &str = "SEALIFT_TEST_ACTION";

/// The process that is killed: imports or deletes an archive of the node at `root`.
fn act(root: &Path, action: &OsStr) {
    let (paths, machine) = (super::paths(root), Persistent(root.join("mounted")));
    if action == "import" {
        import(&paths, &root.join("metalk8s.iso"), &ImportOptions::default(), &machine, &()).unwrap();
    } else {
        delete(&paths, "metalk8s-2.10.0", &DELETE, &machine).unwrap();
    }
}

#[test]
fn killed_at_two_hundred_moments() {
    if let (Some(root), Some(action)) = (std::env::var_os(ROOT), std::env::var_os(ACTION)) {
        return act(Path::new(&root), &action);
    }
    let node = Node::new();
    let root = node.root.path();
    let machine = Persistent(root.join("mounted"));
    std::fs::create_dir(&machine.0).unwrap();
    let platform = node.archive("metalk8s.iso", PLATFORM);
    let listed = BOOTSTRAP.replace("archives: []\n", &format!("archives:\n  - {}\n", platform.display()));
    let start = |action: &str| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "archives::tests::killed::killed_at_two_hundred_moments"])
            .env(ROOT, root)
            .env(ACTION, action);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    };
    // The time that each takes when nothing stops it.
    let mut whole = [Duration::ZERO; 2];
    for (whole, action) in whole.iter_mut().zip(["import", "delete"]) {
        let began = Instant::now();
        assert!(start(action).wait().unwrap().success());
        *whole = began.elapsed();
    }
    let mut killed = 0;
    for turn in 0..2000_u32 {
        if killed == 200 {
            break;
        }
        let action = if turn % 2 == 0 { "import" } else { "delete" };
        let mut child = start(action);
        // Spread over the whole time.
        std::thread::sleep(whole[(turn % 2) as usize] * (turn.wrapping_mul(2_654_435_761) >> 16) / (1 << 16));
        child.kill().unwrap();
        killed += usize::from(!child.wait().unwrap().success());

        // The configuration is complete: either the old one or the new one.
        let text = std::fs::read_to_string(&node.paths.bootstrap).unwrap();
        assert!(text == BOOTSTRAP || text == listed, "{text}");
        // The next run finishes the work, whatever was done before.
        let imported = action == "import";
        if imported {
            import(&node.paths, &platform, &ImportOptions::default(), &machine, &()).unwrap();
        } else {
            match delete(&node.paths, "metalk8s-2.10.0", &DELETE, &machine) {
                // The child had already ended.
                Ok(_) | Err(crate::archives::Error::Unknown(_)) => {}
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!(configured(&node.paths).unwrap().len(), usize::from(imported));
        let mounted = machine.mounted(&node.paths.mounts.join("metalk8s-2.10.0")).unwrap();
        assert_eq!(mounted.is_some(), imported);
        assert_eq!(node.paths.mounts.join("metalk8s-2.10.0").exists(), imported);
        let names = |folder: &Path| -> Vec<String> {
            let entries = std::fs::read_dir(folder).unwrap().flatten();
            entries.map(|entry| entry.file_name().into_string().unwrap()).collect()
        };
        let mut units = names(&node.paths.units);
        units.retain(|name| name != "multi-user.target.wants");
        let unit = unit_name(&node.paths.mounts.join("metalk8s-2.10.0"));
        assert_eq!(units, if imported { vec![unit] } else { Vec::new() }, "turn {turn}");
        let left: Vec<_> = names(root).into_iter().filter(|name| name.starts_with('.')).collect();
        assert_eq!(left, [""; 0], "turn {turn}: what a killed process had begun to write");
    }
    assert_eq!(killed, 200, "killed on their way");
}
