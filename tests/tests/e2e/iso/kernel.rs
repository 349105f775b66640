//! The kernel's own isofs, in a virtual machine: it is the reader that clusters mount archives with.
//!
//! Needs the packages qemu-system-x86, busybox-static and linux-image-cloud-amd64 (its kernel and modules, which are
//! only read). The machine needs no privileges and no network, and is gone in seconds.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tests::peer;

use super::write;

/// What the kernel needs to mount an image on a virtual disk, in the order of loading.
const MODULES: [(&str, &str); 8] = [
    ("virtio", "drivers/virtio/virtio.ko"),
    ("virtio_ring", "drivers/virtio/virtio_ring.ko"),
    ("virtio_pci_legacy_dev", "drivers/virtio/virtio_pci_legacy_dev.ko"),
    ("virtio_pci_modern_dev", "drivers/virtio/virtio_pci_modern_dev.ko"),
    ("virtio_pci", "drivers/virtio/virtio_pci.ko"),
    ("virtio_blk", "drivers/block/virtio_blk.ko"),
    ("cdrom", "drivers/cdrom/cdrom.ko"),
    ("isofs", "fs/isofs/isofs.ko"),
];

/// What the machine says about a tree; the same commands tell what is expected. Every line of it begins with a mark,
/// since the kernel prints to the same place.
const REPORT: &str = r#"
find . | sort | sed 's/^/@ /'
find . -type f -size -4000000k | sort | while read -r f; do echo "@ $(md5sum "$f")"; done
find . -type f | sort | while read -r f; do echo "@ $(stat -c '%s %h %a %n' "$f")"; done
find . -type d | sort | while read -r f; do echo "@ $(stat -c '%a %n' "$f")"; done
find . -type l | sort | while read -r l; do echo "@ $l -> $(readlink "$l")"; done
echo "@ $(dd if=huge bs=1 skip=4299999998 2>/dev/null)"
"#;

/// A kernel with its modules: the image in /boot and the folder of modules.
fn kernel() -> Option<(PathBuf, PathBuf)> {
    fs::read_dir("/boot").ok()?.find_map(|entry| {
        let image = entry.ok()?.path();
        let version = image.file_name()?.to_str()?.strip_prefix("vmlinuz-")?.to_owned();
        let modules = Path::new("/lib/modules").join(version).join("kernel");
        MODULES.iter().all(|(_, path)| modules.join(path).is_file()).then_some((image, modules))
    })
}

/// Adds a file or (without content) a folder to an archive in the form that the kernel unpacks at its start.
fn add(archive: &mut Vec<u8>, name: &str, mode: u32, content: &[u8]) {
    let fields = [0, mode, 0, 0, 1, 0, content.len() as u32, 0, 0, 0, 0, name.len() as u32 + 1, 0];
    let header = fields.iter().fold("070701".to_owned(), |mut header, field| {
        write!(header, "{field:08X}").unwrap();
        header
    });
    archive.extend(header.bytes().chain(name.bytes()).chain([0]));
    archive.resize(archive.len().next_multiple_of(4), 0);
    archive.extend(content);
    archive.resize(archive.len().next_multiple_of(4), 0);
}

/// The first programs of the machine.
fn initramfs(busybox: &Path, modules: &Path) -> Vec<u8> {
    let mut archive = Vec::new();
    for folder in ["bin", "mods", "proc", "dev", "m"] {
        add(&mut archive, folder, 0o040_755, &[]);
    }
    add(&mut archive, "bin/busybox", 0o100_755, &fs::read(busybox).unwrap());
    let mut init = "#!/bin/busybox sh\n/bin/busybox --install -s /bin\nexport PATH=/bin\n".to_owned();
    init += "mount -t proc none /proc; mount -t devtmpfs none /dev\n";
    for (name, path) in MODULES {
        add(&mut archive, &format!("mods/{name}.ko"), 0o100_644, &fs::read(modules.join(path)).unwrap());
    }
    // virtio_ring and virtio need each other's order swapped between versions: whatever fails is tried again.
    for _ in 0..2 {
        for (name, _) in MODULES {
            writeln!(init, "insmod /mods/{name}.ko 2>/dev/null").unwrap();
        }
    }
    init += "n=0; while [ ! -e /dev/vda ] && [ $n -lt 50 ]; do sleep 0.1; n=$((n+1)); done\n";
    init += "mount -t iso9660 -o ro /dev/vda /m && cd /m && echo @mounted\n";
    init += REPORT;
    init += "echo @end\npoweroff -f\n";
    add(&mut archive, "init", 0o100_755, init.as_bytes());
    add(&mut archive, "TRAILER!!!", 0, &[]);
    archive
}

#[test]
#[ignore = "slow: boots a virtual machine"]
fn linux_mounts_our_images() {
    let (Some(qemu), Some(busybox)) = (peer::find("qemu-system-x86_64"), peer::find("busybox")) else {
        return;
    };
    let Some((kernel, modules)) = kernel() else {
        eprintln!("SKIPPED: no kernel with isofs in /boot (the package linux-image-cloud-amd64 brings one)");
        return;
    };
    let scratch = tempfile::tempdir().unwrap();
    let (source, image) = (scratch.path().join("source"), scratch.path().join("a.iso"));
    let long_folder = "d".repeat(200);
    fs::create_dir_all(source.join("1/2/3/4/5/6/7/8/9/10/11/12")).unwrap();
    fs::create_dir_all(source.join(&long_folder).join("sub")).unwrap();
    fs::create_dir_all(source.join("many")).unwrap();
    for name in [
        "1/2/3/4/5/6/7/8/9/10/11/12/deep".to_owned(),
        "n".repeat(253),
        "\u{e9}t\u{e9}\u{1f680}.txt".to_owned(),
        format!("{long_folder}/sub/file"),
    ] {
        fs::write(source.join(&name), &name).unwrap();
    }
    for number in 0..500 {
        fs::write(source.join(format!("many/{}-{number}", "m".repeat(140))), number.to_string()).unwrap();
    }
    fs::write(source.join("zero"), "").unwrap();
    fs::write(source.join("shared"), super::tree::content(1, 3_000_000)).unwrap();
    fs::set_permissions(source.join("shared"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::hard_link(source.join("shared"), source.join("1/linked")).unwrap();
    for (name, target) in [
        ("up", "../".repeat(300) + "end"),
        ("down", "/abcdefghi".repeat(101)),
        ("long", ["x".repeat(200), "y".repeat(255), "z".repeat(255)].join("/")),
        ("1/short", "../a".to_owned()),
    ] {
        symlink(target, source.join(name)).unwrap();
    }
    let huge = fs::File::create(source.join("huge")).unwrap();
    huge.set_len(4_300_000_000).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&huge, b"here", 4_299_999_998).unwrap();
    write(&source, &image);

    // What is to be seen: the same commands by the same busybox in a copy with the image's permissions.
    let copy = scratch.path().join("copy");
    iso::Image::open(&image).unwrap().extract(&copy, &()).unwrap();
    let mut local = Command::new(&busybox);
    let expected = peer::run(local.args(["sh", "-c", REPORT]).current_dir(&copy).env("LC_ALL", "C"));
    let expected = String::from_utf8(expected.stdout).unwrap();

    let archive = scratch.path().join("initramfs");
    fs::write(&archive, initramfs(&busybox, &modules)).unwrap();
    let output = Command::new("timeout")
        .arg("500")
        .arg(qemu)
        .args([
            "-M",
            "pc",
            "-accel",
            "tcg",
            "-m",
            "512",
            "-nodefaults",
            "-nographic",
            "-no-reboot",
            "-serial",
            "stdio",
        ])
        .arg("-kernel")
        .arg(kernel)
        .arg("-initrd")
        .arg(&archive)
        .args(["-append", "console=ttyS0 quiet panic=-1 mitigations=off", "-drive"])
        .arg(format!("file={},if=virtio,format=raw,readonly=on", image.display()))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).replace('\r', "");
    let (_, report) =
        said.split_once("@mounted\n").unwrap_or_else(|| panic!("the kernel does not mount it: {said}"));
    let (report, _) = report.split_once("@end").unwrap_or_else(|| panic!("the report breaks off: {report}"));
    let report: String =
        report.lines().filter(|line| line.starts_with("@ ")).flat_map(|line| [line, "\n"]).collect();
    if report != expected {
        let missing: Vec<_> =
            expected.lines().filter(|line| !report.lines().any(|other| other == *line)).collect();
        let other: Vec<_> =
            report.lines().filter(|line| !expected.lines().any(|other| other == *line)).collect();
        panic!("Linux sees another tree\nmissing {missing:#?}\ninstead {other:#?}");
    }
}
