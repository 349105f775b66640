//! Imports and deletions that are killed, for real: each runs in a process of its own that gets SIGKILL.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::{BOOTSTRAP, Node, PLATFORM};
use crate::archives::{Import, Machine, configured, delete, import};

/// A machine whose mounts are files in a folder, so that they outlive the process.
struct Persistent(PathBuf);

impl Persistent {
    fn mark(&self, at: &Path) -> PathBuf {
        self.0.join(at.file_name().unwrap())
    }
}

impl Machine for Persistent {
    fn can_mount(&self) -> Result<(), String> {
        Ok(())
    }

    fn mount(&self, _: &Path, at: &Path) -> io::Result<()> {
        std::fs::File::create_new(self.mark(at)).map(drop)
    }

    fn unmount(&self, at: &Path, _: bool) -> io::Result<()> {
        std::fs::remove_file(self.mark(at))
    }

    fn mounted(&self, at: &Path) -> io::Result<bool> {
        Ok(self.mark(at).exists())
    }

    fn units_changed(&self) -> io::Result<()> {
        Ok(())
    }
}

const ROOT: &str = "SEALIFT_TEST_NODE";
const ACTION: &str = "SEALIFT_TEST_ACTION";

/// Not a test of its own: what the test below starts.
#[test]
#[ignore = "runs as a child of killed_at_two_hundred_moments"]
fn child() {
    let (Some(root), Some(action)) = (std::env::var_os(ROOT), std::env::var_os(ACTION)) else { return };
    let root = PathBuf::from(root);
    let (paths, machine) = (super::paths(&root), Persistent(root.join("mounted")));
    if action == "import" {
        import(&paths, &root.join("metalk8s.iso"), &Import::default(), &machine, &()).unwrap();
    } else {
        delete(&paths, "metalk8s-2.10.0", false, false, &machine).unwrap();
    }
}

#[test]
fn killed_at_two_hundred_moments() {
    let node = Node::new();
    let root = node.root.path();
    let machine = Persistent(root.join("mounted"));
    std::fs::create_dir(&machine.0).unwrap();
    let platform = node.archive("metalk8s.iso", PLATFORM);
    let listed = BOOTSTRAP.replace("archives: []\n", &format!("archives:\n  - {}\n", platform.display()));
    let mut killed = 0;
    for turn in 0..200_u64 {
        let action = if turn % 2 == 0 { "import" } else { "delete" };
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "archives::tests::killed::child", "--ignored"])
            .env(ROOT, root)
            .env(ACTION, action)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Spread over the whole of an import, and a little beyond its end.
        std::thread::sleep(Duration::from_micros(turn.wrapping_mul(2_654_435_761) % 30_000));
        child.kill().unwrap();
        killed += usize::from(!child.wait().unwrap().success());

        // The configuration is the one from before or the one from after, whole.
        let text = std::fs::read_to_string(&node.paths.bootstrap).unwrap();
        assert!(text == BOOTSTRAP || text == listed, "{text}");
        // Running it again finishes, whatever was done.
        let imported = action == "import";
        if imported {
            import(&node.paths, &platform, &Import::default(), &machine, &()).unwrap();
        } else {
            match delete(&node.paths, "metalk8s-2.10.0", false, false, &machine) {
                // The child had got to its end.
                Ok(_) | Err(crate::archives::Error::Unknown(_)) => {}
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!(configured(&node.paths).unwrap().len(), usize::from(imported));
        assert_eq!(machine.mounted(&node.paths.mounts.join("metalk8s-2.10.0")).unwrap(), imported);
        assert_eq!(node.paths.mounts.join("metalk8s-2.10.0").exists(), imported);
        let units = std::fs::read_dir(&node.paths.units).unwrap().flatten();
        let units = units.filter(|unit| unit.file_name().to_string_lossy().ends_with(".mount")).count();
        assert_eq!(units, usize::from(imported), "turn {turn}");
    }
    assert!(killed > 20, "only {killed} were killed on their way");
}
