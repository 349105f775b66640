//! Archives and the operating system: mounts through FUSE by any user, and full disks.

use std::fs::{self, File};

use tests::mounts::{Disk, fuse_as_root, fuse_for_users};
use tests::user::{as_user, is_root, make_folder, open_folder};
use tests::{peer, sealift};

use super::{BOOTSTRAP, Node, text};

#[test]
fn mounted_through_fuse_until_unmounted() {
    if !fuse_as_root() {
        return;
    }
    let node = Node::new();
    let iso = node.archive("1.0", 3_000_000);
    let at = node.path("mounts/example-1.0");
    let before = node.names();
    let data = || fs::read(at.join("data")).unwrap();
    let said = node.succeed(&["mount", "--by", "fuse", text(&iso)]);
    assert!(said.contains("through FUSE"), "{said}");
    // The command has ended; the mount has not.
    assert!(data() == vec![7; 3_000_000]);
    let again = node.succeed(&["mount", "--by", "fuse", text(&iso)]);
    assert_eq!(again, "example-1.0: nothing to do\n");
    node.succeed(&["unmount", "example-1.0"]);
    assert_eq!(node.names(), before);
    assert!(node.listed().is_empty());

    node.succeed(&["import", "--mount", "fuse", text(&iso)]);
    let listed = &node.listed()[0];
    assert_eq!((listed["mountedBy"].as_str(), listed["mounted"].as_str()), (Some("fuse"), Some(text(&at))));
    assert!(node.succeed(&["get"]).contains(&format!("through FUSE at {}", text(&at))));
    // A mount in use is refused and stays; with --force it is removed.
    let held = File::open(at.join("data")).unwrap();
    let imported = node.configuration();
    let (code, _, error) = node.archive_command(&["delete", "example-1.0"]);
    assert!(code == 1 && error.contains("is in use") && error.contains("--force"), "{code} {error}");
    assert!(data().len() == 3_000_000 && node.configuration() == imported);
    node.succeed(&["delete", "--force", "example-1.0"]);
    drop(held);
    assert_eq!((node.names(), node.configuration()), (before, BOOTSTRAP.to_owned()));

    // Never without a check.
    let mut bytes = fs::read(&iso).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&iso, bytes).unwrap();
    for action in ["mount", "import"] {
        let (code, _, error) = node.archive_command(&[action, text(&iso)]);
        assert!(code == 1 && error.contains("is damaged"), "{action}: {code} {error}");
    }
    assert!(node.names().iter().all(|name| !name.starts_with("mounts/")));
}

#[test]
fn any_user_may_mount_an_archive() {
    if peer::find("fusermount3").is_none() || !fuse_for_users() {
        return;
    }
    let (node, scratch) = (Node::new(), open_folder());
    let path = |name: &str| scratch.path().join(name);
    fs::copy(node.archive("1.0", 3_000_000), path("example.iso")).unwrap();
    fs::copy(sealift::binary(), path("sealift")).unwrap();
    make_folder(&path("mounted"));
    let run = |words: &[&str]| {
        let mut command = as_user(path("sealift"));
        let output = command.current_dir(scratch.path()).arg("archive").args(words).output().unwrap();
        sealift::told(&output)
    };
    let (code, out, error) = run(&["mount", "example.iso", "--at", "mounted"]);
    let expected = format!(
        "example-1.0: mount {} at {} through FUSE",
        text(&path("example.iso")),
        text(&path("mounted"))
    );
    assert!(code == 0 && out.starts_with(&expected), "{code} {out}{error}");
    // The command has ended; the mount has not.
    assert!(peer::run(as_user("cat").arg(path("mounted/data"))).stdout == vec![7; 3_000_000]);
    let (code, out, _) = run(&["mount", "example.iso", "--at", "mounted"]);
    assert_eq!((code, out.as_str()), (0, "example-1.0: nothing to do\n"));
    let (code, out, error) = run(&["unmount", "mounted"]);
    assert!(code == 0 && out.contains("unmount "), "{code} {out}{error}");
    assert_eq!(fs::read_dir(path("mounted")).unwrap().count(), 0);
    let (code, _, error) = run(&["mount", "example.iso", "--at", "mounted", "--by", "kernel"]);
    assert!(code == 2 && error.starts_with("error: cannot mount "), "{code} {error}");
    assert_eq!(fs::read_dir(path("mounted")).unwrap().count(), 0);
}

#[test]
fn mounts_are_known_behind_a_link() {
    if !is_root() {
        return peer::skip("an import that mounts needs root");
    }
    let (source, node) = (Node::new(), Node::new());
    source.archive("1.0", 1000);
    let real = node.path("real");
    fs::rename(node.path("mounts"), &real).unwrap();
    std::os::unix::fs::symlink("real", node.path("mounts")).unwrap();
    let archive = source.path("tree-1.0");
    let import = ["import", text(&archive)];
    assert!(node.succeed(&import).contains(&format!("{}/example-1.0 by the kernel", text(&real))));
    assert_eq!(node.succeed(&import), "example-1.0: nothing to do\n");
    assert_eq!(node.listed()[0]["mounted"], text(&real.join("example-1.0")));
    node.succeed(&["delete", "example-1.0"]);
    assert_eq!(fs::read_dir(real).unwrap().count(), 0);
}

/// The state of a node: its configuration, its files and folders, its mounts.
fn state(node: &Node) -> (String, Vec<String>, Vec<String>) {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let mounts = table.lines().filter(|line| line.contains(text(&node.path("mounts"))));
    // Without the number of each mount: a new mount may get another one.
    let mounts = mounts.filter_map(|line| line.split_once(' ')).map(|(_, line)| line.to_owned());
    (node.configuration(), node.names(), mounts.collect())
}

/// Runs a command repeatedly, each time with a little more space on a full disk, until it succeeds. Until then it must report
/// the error and change nothing. Returns its output.
fn with_ever_more_room(disk: &Disk, resource: &str, node: &Node, words: &[&str]) -> Vec<String> {
    let (before, taken) = (state(node), disk.taken());
    let mut refusals = Vec::new();
    for room in 0..20 {
        disk.resize(&match resource {
            "nr_inodes" => format!("nr_inodes={}", taken.inodes + room),
            _ => format!("size={}", taken.bytes + room * 4096),
        });
        let (code, out, error) = node.archive_command(words);
        if code == 0 {
            disk.resize("size=1m,nr_inodes=1000");
            return refusals;
        }
        assert!(code == 2 && error.contains("No space left on device"), "{words:?}: {code} {out}{error}");
        assert_eq!(state(node), before, "{words:?}: {error}");
        refusals.push(error);
    }
    panic!("{words:?} never succeeds: {refusals:?}");
}

#[test]
fn on_a_full_disk_nothing_changes() {
    if !is_root() {
        return peer::skip("an import that mounts needs root");
    }
    let scratch = tempfile::tempdir().unwrap();
    let Some(disk) = Disk::mount(scratch.path(), "size=1m,nr_inodes=1000") else { return };
    let (source, node) = (Node::new(), Node::below(disk.path()));
    source.archive("1.0", 1000);
    // Every kernel can mount the folder of an archive, and import writes a unit for it.
    let archive = source.path("tree-1.0");
    fs::create_dir(node.path("units/multi-user.target.wants")).unwrap();
    let untouched = state(&node);
    for (resource, stops_at) in [
        ("nr_inodes", ["lock ", "create ", "enable ", "write "].as_slice()),
        ("size", &["enable ", "write "]),
    ] {
        let refusals = with_ever_more_room(&disk, resource, &node, &["import", text(&archive)]);
        for place in stops_at {
            let place = format!("cannot {place}{}", text(&node.path("")));
            assert!(refusals.iter().any(|said| said.contains(&place)), "{resource}: {place} in {refusals:?}");
        }
        assert_eq!(node.listed()[0]["mountedBy"], "kernel");
        let refusals = with_ever_more_room(&disk, resource, &node, &["delete", "example-1.0"]);
        assert!(refusals.iter().all(|said| said.contains("bootstrap.yaml")), "{resource}: {refusals:?}");
        // The folder that goes first has the inode that the new list needs.
        assert_eq!(refusals.is_empty(), resource == "nr_inodes", "{resource}: {refusals:?}");
        assert_eq!(state(&node), untouched);
        fs::remove_file(node.path("lock")).unwrap();
    }
}
