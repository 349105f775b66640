//! Bring-up of a node, in a virtual machine with systemd.

use tests::sealift;
use tests::virtual_node::VirtualNode;

use super::archives::Node;

/// What shows that the archive is mounted by the kernel.
const MOUNTED: &str = "findmnt --noheadings --output FSTYPE /srv/scality/example-1.0 | grep iso9660";

#[test]
fn an_imported_archive_is_mounted_again_after_a_reboot_and_after_a_power_cut() {
    let Some(machine) = VirtualNode::find() else { return };
    let files = Node::new();
    let machine = machine
        .file("/usr/bin/sealift", sealift::binary())
        .file("/etc/metalk8s/bootstrap.yaml", &files.path("bootstrap.yaml"))
        .file("/root/example.iso", &files.archive("1.0", 3_000_000));
    let mut node = machine.boot();
    node.run("sealift archive import /root/example.iso");
    node.reboot();
    node.run(MOUNTED);
    // Not yet on the disk.
    node.run("echo lost >/root/lost");
    node.cut_power();
    node.start();
    node.run(MOUNTED);
    assert_eq!(node.attempt("test -e /root/lost").0, 1);
    let told = node.run("sealift archive import /root/example.iso");
    assert!(told.contains("nothing to do"), "{told}");
}
