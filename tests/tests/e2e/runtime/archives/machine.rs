//! Archives on a virtual machine: what its kernel mounts, what systemd starts, and what survives a power cut.

use std::fs;
use std::path::Path;
use std::process::Command;

use node::archives::{unit_content, unit_name};
use tests::qemu::{Machine, empty_disk};
use tests::{peer, sealift};

use super::{BOOTSTRAP, Node};

/// The commands of an operator on a bootstrap node, and what systemd does when that node restarts.
const ON_THE_NODE: &str = r#"
mkdir -p /etc/metalk8s /etc/systemd/system /srv/scality /run/lock
cp /bootstrap.yaml /etc/metalk8s/bootstrap.yaml
sealift archive import /example-1.0.iso
grep -q ' /srv/scality/example-1.0 ro.* - iso9660 /dev/loop' /proc/self/mountinfo
cat /srv/scality/example-1.0/product.txt
md5sum /srv/scality/example-1.0/data
sealift archive get

field() { sed -n "s/^$1=//p" /etc/systemd/system/srv-scality-example*.mount; }
ls /etc/systemd/system/multi-user.target.wants
umount /srv/scality/example-1.0
mount -t "$(field Type)" -o "$(field Options)" "$(field What)" "$(field Where)"
sealift archive import /example-1.0.iso
sealift archive unmount example-1.0
sealift archive import /example-1.0.iso

if (cd /srv/scality/example-1.0 && sealift archive delete example-1.0); then exit 1; fi
sealift archive delete example-1.0
sealift archive get
grep iso9660 /proc/self/mountinfo && exit 1
ls -A /srv/scality /etc/systemd/system
sealift archive mount /example-1.0.iso --at /tmp/here
sealift archive unmount /tmp/here
"#;

#[test]
fn mounted_by_the_kernel_of_a_machine_of_its_own() {
    let Some(machine) = Machine::find() else { return };
    let node = Node::new();
    let iso = node.archive("1.0", 3_000_000);
    let machine = machine
        .module("loop")
        .module("isofs")
        .program("bin/sealift", sealift::binary())
        .file("bootstrap.yaml", &node.path("bootstrap.yaml"))
        .file("example-1.0.iso", &iso);
    let said = machine.run(ON_THE_NODE);
    let at = "/srv/scality/example-1.0";
    let unit = "/etc/systemd/system/srv-scality-example\\x2d1.0.mount";
    let size = fs::metadata(&iso).unwrap().len() / 100_000;
    let row = format!(
        "example-1.0  platform  {}.{} MB  yes       0 complete  by the kernel at {at}",
        size / 10,
        size % 10
    );
    for expected in [
        format!("example-1.0: mount /example-1.0.iso at {at} by the kernel\n").as_str(),
        &format!("example-1.0: write {unit}\n"),
        "NAME=Example\nVERSION=1.0\n",
        &format!("97ddaa60d67d6c21c66aff9569d3f6b6  {at}/data\n"),
        &row,
        "example-1.0: nothing to do\n",
        "example-1.0 is in use",
        "no archives\n",
    ] {
        assert!(said.contains(expected), "{expected}\n--- in\n{said}");
    }
}

/// The archive is imported and unmounted, as in a shutdown. Then systemd starts as the first process, with the units of the
/// import and a report.
const AFTER_A_RESTART: &str = r#"
units=/etc/systemd/system
mkdir -p /etc/metalk8s $units/multi-user.target.wants /srv/scality /run/lock
cp /bootstrap.yaml /etc/metalk8s/bootstrap.yaml
sealift archive import /example-1.0.iso
umount /srv/scality/example-1.0

printf '[Unit]\nDescription=All there is\n' >$units/multi-user.target
printf '[Unit]\nAfter=multi-user.target\nDefaultDependencies=no\n[Service]\nType=oneshot\nExecStart=/bin/sh /report\n' >$units/report.service
ln -s ../report.service $units/multi-user.target.wants/
printf 'grep " /srv/scality/example-1.0 " /proc/self/mountinfo >/found; md5sum /srv/scality/example-1.0/data >>/found; >/done' >/report
mount -t cgroup2 none /sys/fs/cgroup
unshare --fork --pid --mount-proc env container=machine /lib/systemd/systemd --unit=multi-user.target --log-target=console \
    </dev/null >/dev/console 2>&1 &
waited=0
until [ -e /done ]; do sleep 1; waited=$((waited + 1)); [ $waited -lt 200 ]; done
cat /found
"#;

#[test]
fn systemd_mounts_it_again_when_the_system_starts() {
    let Some(machine) = Machine::find() else { return };
    let programs = ["lib/systemd/systemd", "lib/systemd/systemd-executor", "bin/mount"];
    let programs: Vec<_> = programs.into_iter().filter(|name| Path::new("/").join(name).exists()).collect();
    if !programs.contains(&"lib/systemd/systemd") {
        return peer::skip("systemd is not installed");
    }
    let node = Node::new();
    let iso = node.archive("1.0", 3_000_000);
    let machine =
        programs.iter().fold(machine, |machine, name| machine.program(name, &Path::new("/").join(name)));
    let machine = machine
        .module("loop")
        .module("isofs")
        .program("bin/sealift", sealift::binary())
        .file("bootstrap.yaml", &node.path("bootstrap.yaml"))
        .file("example-1.0.iso", &iso);
    let said = machine.run(AFTER_A_RESTART);
    let found = said.lines().find(|line| line.contains(" - iso9660 /dev/loop"));
    let options = found.and_then(|line| line.split(' ').nth(5));
    assert!(options.is_some_and(|options| options.starts_with("ro,nosuid,nodev")), "{said}");
    assert!(said.contains("97ddaa60d67d6c21c66aff9569d3f6b6"), "{said}");
}

/// The options for a node whose files are all on a disk of the machine.
const ON_THE_DISK: &str = "--bootstrap-config /mnt/bootstrap.yaml --solutions-config /mnt/solutions.yaml \
                           --mounts /mnt/mounts --units /mnt/units --lock-file /tmp/lock";

#[test]
fn what_is_done_is_done_when_the_power_is_cut() {
    let Some(xfs) = peer::find("mkfs.xfs") else { return };
    let Some(machine) = Machine::find() else { return };
    let node = Node::new();
    let disk = empty_disk(&node.path("disk"), 400 << 20);
    peer::run(Command::new(xfs).arg("-q").arg(&disk));
    let machine = ["xfs", "loop", "isofs"].into_iter().fold(machine, Machine::module);
    let machine = machine
        .program("bin/sealift", sealift::binary())
        .file("bootstrap.yaml", &node.path("bootstrap.yaml"))
        .file("example-1.0.iso", &node.archive("1.0", 1000))
        .file("example-2.0.iso", &node.archive("2.0", 1000))
        .writable_disk(&disk);
    let before = machine.run_until_power_cut(&format!(
        "mount -t xfs /dev/vda /mnt
        cp /bootstrap.yaml /mnt
        mkdir /mnt/mounts /mnt/units
        sealift archive import /example-1.0.iso {ON_THE_DISK}
        sync
        sealift archive import /example-2.0.iso {ON_THE_DISK}
        sealift archive delete example-1.0 {ON_THE_DISK}"
    ));
    let after = machine.run(
        "mount -t xfs /dev/vda /mnt
        cat /mnt/bootstrap.yaml
        cd /mnt/units
        find . -type f -o -type l | sort
        cat *.mount",
    );
    let unit = unit_name(Path::new("/mnt/mounts/example-2.0"));
    let expected = [
        BOOTSTRAP.replace("archives: []\n", "archives:\n  - /example-2.0.iso\n"),
        format!("./{unit}\n./multi-user.target.wants/{unit}\n"),
        unit_content(Path::new("/example-2.0.iso"), Path::new("/mnt/mounts/example-2.0"), false),
    ];
    assert_eq!(after, expected.concat(), "{before}");
}
