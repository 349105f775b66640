//! Upgrade with a power cut in the middle, downgrade, backup, and restoration on a second machine: virtual machines with systemd.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use tests::virtual_node::VirtualNode;

use super::archives::Node;

/// The hook of an upgrade: it stays in its work as long as the mark exists.
const HOOK: &str = "#!/bin/sh\nset -e\necho \"$SEALIFT_TO_VERSION\" >>/root/upgraded\nsync\nwhile [ -e /root/stay ]; do sleep 0.1; done\n";

#[test]
fn a_node_survives_a_power_cut_in_an_upgrade_and_moves_to_another_machine() {
    let Some(machine) = VirtualNode::find() else { return };
    let files = Node::new();
    let (old, new) = (files.archive("1.0.0", 1_000_000), files.archive("1.1.0", 1_000_000));
    fs::write(files.path("10-hook"), HOOK).unwrap();
    fs::set_permissions(files.path("10-hook"), fs::Permissions::from_mode(0o755)).unwrap();
    let mut node = machine
        .program("/usr/bin/sealift")
        .file("/etc/metalk8s/bootstrap.yaml", &files.path("bootstrap.yaml"))
        .file("/etc/metalk8s/hooks.d/upgrade/10-hook", &files.path("10-hook"))
        .file("/root/old.iso", &old)
        .file("/root/new.iso", &new)
        .boot();
    node.run("sealift archive import /root/old.iso /root/new.iso");
    node.run("mkdir -p /etc/salt/minion.d; echo 'saltenv: example-1.0.0' >/etc/salt/minion.d/site.conf; touch /root/stay; sync");
    // The power is cut while the hook runs: the files have changed, the upgrade has not ended.
    node.run("setsid sealift node upgrade --destination-version 1.1.0 </dev/null >/root/said 2>&1 &");
    node.wait_for("test -s /root/upgraded || { cat /root/said; false; }");
    node.cut_power();
    node.start();
    assert_eq!(node.run("cat /etc/salt/minion.d/site.conf"), "saltenv: example-1.1.0\n");
    let planned = node.run("sealift node upgrade --destination-version 1.1.0 --dry-run");
    let interrupted = "would finish the upgrade of example from 1.0.0 to 1.1.0, while its hooks ran\n";
    assert!(planned.contains(interrupted), "{planned}");
    let (code, told) = node.attempt("sealift node downgrade --destination-version 1.0.0");
    assert!(code == 1 && told.contains("was interrupted"), "{told}");
    let done = node.run("rm /root/stay; sealift node upgrade --destination-version 1.1.0");
    assert!(done.contains("the node runs example-1.1.0; before, it ran example-1.0.0"), "{done}");
    assert_eq!(node.run("cat /root/upgraded"), "1.1.0\n1.1.0\n");

    node.run("sealift node downgrade --destination-version 1.0.0");
    assert_eq!(node.run("cat /etc/salt/minion.d/site.conf"), "saltenv: example-1.0.0\n");
    node.run("mkdir -m 700 /etc/sealift/tls; (umask 077; echo secret >/etc/sealift/tls/node.key)");
    let backup =
        node.run("sealift node backup -o json | sed -n 's/.*\"path\": \"\\(.*backup_.*\\)\",/\\1/p'");
    let backup = node.read(backup.trim());
    drop(node);

    fs::write(files.path("backup.tar.gz"), backup).unwrap();
    let Some(second) = VirtualNode::find() else { return };
    let mut second = second
        .program("/usr/bin/sealift")
        .file("/root/backup.tar.gz", &files.path("backup.tar.gz"))
        .file("/root/old.iso", &old)
        .file("/root/spare.iso", &new)
        .boot();
    let restore = "sealift node restore --backup-file /root/backup.tar.gz --apiserver-node-ip 10.0.0.2";
    let (code, told) = second.attempt(restore);
    assert!(code == 1 && told.contains("/root/new.iso: it is missing; copy example-1.1.0 "), "{told}");
    second.run("test ! -e /etc/metalk8s/bootstrap.yaml");
    second.run("mv /root/spare.iso /root/new.iso");
    second.run(restore);
    second.run("findmnt /srv/scality/example-1.0.0 && findmnt /srv/scality/example-1.1.0");
    assert_eq!(second.run("stat -c %a /etc/sealift/tls /etc/sealift/tls/node.key"), "700\n600\n");
    let list = second.run("cat /etc/metalk8s/bootstrap.yaml");
    assert!(list.ends_with("archives:\n  - /root/old.iso\n  - /root/new.iso\n"), "{list}");
    assert_eq!(second.run("ls /var/lib/metalk8s | grep -c after-restore"), "1\n");
}
