//! Other places for an ISO than a plain file: file systems that share blocks, and block devices.

use std::fs;
use std::process::Command;

use tests::qemu::{Machine, empty_disk};
use tests::{peer, sealift};

/// The size of the file that is shared, in bytes.
const LAYER: i64 = 16 << 20;

/// Prints how much space of a file system an ISO takes beyond its tree.
const SHARED: &str = r#"
shared() {
    mount -t "$1" "$2" /mnt
    mkdir -p /mnt/tree/folder
    head -c LENGTH /bin/sealift >/mnt/tree/layer
    head -c 100001 /bin/sealift >/mnt/tree/folder/odd
    sync
    before=$(df -k /mnt | awk 'END { print $3 }')
    sealift --quiet iso create /mnt/tree --file /mnt/a.iso --volume-id Shared >/tmp/sum
    sync
    after=$(df -k /mnt | awk 'END { print $3 }')
    [ "$(sha256sum /mnt/a.iso | cut -d' ' -f1)" = "$(cut -d' ' -f1 /tmp/sum)" ]
    sealift --quiet iso check /mnt/a.iso >/dev/null
    for file in layer folder/odd; do sealift iso cat /mnt/a.iso $file | cmp - /mnt/tree/$file; done
    echo "$1 $((after - before))"
    umount /mnt
}
"#;

#[test]
fn file_systems_share_the_blocks_of_the_sources() {
    let (Some(xfs), Some(btrfs)) = (peer::find("mkfs.xfs"), peer::find("mkfs.btrfs")) else { return };
    let Some(machine) = Machine::find() else { return };
    let scratch = tempfile::tempdir().unwrap();
    let disks = ["xfs", "btrfs"].map(|name| empty_disk(&scratch.path().join(name), 400 << 20));
    peer::run(Command::new(xfs).arg("-q").arg(&disks[0]));
    peer::run(Command::new(btrfs).arg("-q").arg(&disks[1]));
    let machine = machine.module("xfs").module("btrfs");
    let machine = machine.file("bin/sealift", sealift::binary());
    let machine = machine.writable_disk(&disks[0]).writable_disk(&disks[1]);
    let shared = SHARED.replace("LENGTH", &LAYER.to_string());
    let printed = machine.run(&format!("{shared}\nshared xfs /dev/vda\nshared btrfs /dev/vdb\n"));
    let layer = LAYER / 1024;
    for (line, system) in printed.lines().zip(["xfs", "btrfs"]) {
        let (found, taken) = line.split_once(' ').unwrap();
        let taken: i64 = taken.parse().unwrap_or_else(|error| panic!("{error}: {printed}"));
        assert!(found == system && taken < layer / 2, "an image with a file of {layer} KiB: {printed}");
    }
    assert_eq!(printed.lines().count(), 2, "{printed}");
}

#[test]
fn an_image_on_a_block_device_is_an_image() {
    let Some(machine) = Machine::find() else { return };
    let scratch = tempfile::tempdir().unwrap();
    let disk = |name: &str, bytes| empty_disk(&scratch.path().join(name), bytes);
    let (large, small) = (disk("large", 4 << 20), disk("small", 1 << 20));
    // Former content of the device must not be visible.
    fs::write(&large, vec![0xAA; 4 << 20]).unwrap();
    let machine = machine.module("isofs").module("loop").file("bin/sealift", sealift::binary());
    let machine = machine.writable_disk(&large).writable_disk(&small);
    let printed = machine.run(
        r#"
        mkdir -p /tmp/tree/folder
        head -c 1500000 /bin/sealift >/tmp/tree/folder/file
        ln -s folder/file /tmp/tree/link
        create() { sealift iso create /tmp/tree --file "$1" --volume-id Device --source-date 1700000000; }
        create /tmp/a.iso >/dev/null
        create /dev/vda >/dev/null
        size=$(stat -c %s /tmp/a.iso)
        head -c $size /dev/vda | cmp - /tmp/a.iso
        sealift iso check /dev/vda
        mount -t iso9660 -o ro /dev/vda /mnt
        cmp /mnt/link /tmp/tree/folder/file
        create /dev/vda 2>&1 || echo "in use: $?"
        umount /mnt
        create /dev/vdb 2>&1 || echo "too small: $?"

        # An image in a file in the place of a disk.
        head -c 5000000 /dev/zero | tr '\0' '\252' >/tmp/loop
        losetup /dev/loop0 /tmp/loop
        create /dev/loop0 >/dev/null
        sync
        head -c $size /tmp/loop | cmp - /tmp/a.iso
        sealift iso check /dev/loop0
        sealift iso cat /dev/loop0 folder/file | cmp - /tmp/tree/folder/file
        "#,
    );
    for part in [
        "/dev/vda: intact",
        "in use: 2",
        "Device or resource busy",
        "too small: 2",
        "bytes on the device",
        "use a larger device",
        "/dev/loop0: intact",
    ] {
        assert!(printed.contains(part), "{part}\n{printed}");
    }
    let written = fs::read(&small).unwrap();
    assert!(written.iter().all(|byte| *byte == 0), "nothing is written where it does not fit");
}
