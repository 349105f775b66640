//! The circumstances.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use tests::mounts::{Disk, Loop};
use tests::peer;
use tests::user::is_root;

use super::{Build, Origin};

/// A circumstance: what it is called, and how it changes a build. `false` where it cannot be had here.
pub(super) type Circumstance = (&'static str, fn(&Origin, &mut Build) -> bool);

pub(super) static CIRCUMSTANCES: [Circumstance; 24] = [
    ("once more", |_, _| true),
    ("a warm cache", |origin, build| {
        build.cache = origin.path("reference.cache");
        build.expect = "<- MKISOFS";
        true
    }),
    ("a remote cache", |origin, build| {
        build.environment.push(("SEALIFT_REMOTE_CACHE", origin.remote_cache()));
        build.expect = "<- MKISOFS";
        true
    }),
    ("no cache", |_, build| set(build, "SEALIFT_CACHE_SIZE", "0")),
    ("a cache on another file system", |origin, build| {
        let warm = build.mount_tmpfs("cache");
        if warm {
            build.cache = build.place.join("cache");
            copy(&origin.path("reference.cache"), &build.cache);
            build.expect = "<- MKISOFS";
        }
        warm
    }),
    ("one job", |_, build| arguments(build, &["-n", "1"])),
    ("eight jobs", |_, build| arguments(build, &["-n", "8"])),
    ("another umask", |_, build| prefix(build, &["sh", "-c", "umask 077; exec \"$@\"", "sh"])),
    ("no umask", |_, build| prefix(build, &["sh", "-c", "umask 000; exec \"$@\"", "sh"])),
    ("a clone under another umask", |_, build| {
        build.clone_prefix = ["sh", "-c", "umask 077; exec \"$@\"", "sh"].map(str::to_owned).to_vec();
        true
    }),
    ("another folder", |_, build| {
        build.name = "another folder, with ünicode and a long name".into();
        true
    }),
    ("another build root", |_, build| {
        build.build_root = "out/of/the/way".into();
        arguments(build, &["--build-root", "out/of/the/way"])
    }),
    ("a folder with set-group-ID", |_, build| {
        fs::set_permissions(&build.place, fs::Permissions::from_mode(0o2755)).is_ok()
    }),
    ("a shallow clone", |_, build| {
        build.clone_options.push("--depth=1".into());
        true
    }),
    ("another time zone and language", |_, build| {
        set(build, "TZ", "Asia/Tokyo") && set(build, "LC_ALL", "tr_TR.UTF-8")
    }),
    ("no home", |_, build| {
        prefix(build, &["env", "-u", "HOME"]);
        true
    }),
    ("other times of files", |_, build| {
        build.arrange = |checkout| {
            let touch = ["-exec", "touch", "-h", "-d", "2037-01-01T00:00:00", "{}", "+"];
            peer::run(Command::new("find").arg(checkout).args(touch));
        };
        true
    }),
    ("a file that nothing reads", |_, build| {
        build.arrange = |checkout| fs::write(checkout.join("not-read.txt"), "edited\n").unwrap();
        true
    }),
    ("another user", |_, build| {
        if !is_root() {
            return false;
        }
        build.arrange = |checkout| {
            peer::run(Command::new("chown").args(["-R", "65534:65534"]).arg(checkout.parent().unwrap()));
        };
        set(build, "HOME", "/nonexistent");
        prefix(build, &["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"])
    }),
    ("a file system in memory", |_, build| build.mount_tmpfs(".")),
    ("ext4", |_, build| build.mount_disk(&["mkfs.ext4", "-q", "-F"])),
    ("XFS", |_, build| build.mount_disk(&["mkfs.xfs", "-q"])),
    ("btrfs", |_, build| build.mount_disk(&["mkfs.btrfs", "-q"])),
    ("ext4, and a cache on XFS that is warm", |origin, build| {
        let mounted = build.mount_disk(&["mkfs.ext4", "-q", "-F"]);
        build.cache = origin.path("reference.cache");
        build.expect = "<- MKISOFS";
        mounted
    }),
];

pub(super) fn set(build: &mut Build, name: &'static str, value: &str) -> bool {
    build.environment.push((name, value.to_owned()));
    true
}

fn arguments(build: &mut Build, words: &[&str]) -> bool {
    build.arguments.extend(words.iter().map(|word| (*word).to_owned()));
    true
}

fn prefix(build: &mut Build, words: &[&str]) -> bool {
    build.prefix = words.iter().map(|word| (*word).to_owned()).collect();
    true
}

fn copy(from: &Path, to: &Path) {
    peer::run(Command::new("cp").arg("-a").arg(from.join(".")).arg(to));
}

impl Build {
    /// Puts a file system in memory at a folder of the place.
    fn mount_tmpfs(&mut self, name: &str) -> bool {
        let at = self.place.join(name);
        fs::create_dir_all(&at).unwrap();
        let disk = Disk::mount(&at, "size=200m,mode=755");
        let mounted = disk.is_some();
        self._disks.extend(disk.map(|disk| Box::new(disk) as _));
        mounted
    }

    /// Puts a disk with a file system of its own at the place.
    fn mount_disk(&mut self, make: &[&str]) -> bool {
        let image = self.place.with_extension("disk");
        let disk = Loop::mount(&image, 400 << 20, make, &self.place);
        let mounted = disk.is_some();
        self._disks.extend(disk.map(|disk| Box::new(disk) as _));
        mounted
    }
}
