//! Bring-up of a bootstrap node from the ISO of an archive, in a virtual machine with systemd. Debian with dnf and rpm stands in
//! for Red Hat Enterprise Linux, which its os-release claims to be.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use content::Digest;
use images::MediaKind;
use tests::registry::layer;
use tests::sealift;
use tests::virtual_node::VirtualNode;

use super::site::{DATE, Folder};
use crate::packages::build_own_of;

/// Where the node has the program.
const PROGRAM: &str = "/opt/sealift";

/// The archive `MetalK8s 2.11.0`: our own package, another one in the list of the bootstrap node, an image as a tar, the scripts
/// and a hook. The program is not in `bin/`: the scripts find it by `$SEALIFT`.
fn archive(scratch: &Path) -> PathBuf {
    let tree = scratch.join("tree");
    let write = |path: &str, text: &str| {
        let path = tree.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("product.txt", "NAME=MetalK8s\nVERSION=2.11.0\nBUILD_TIMESTAMP=2023-11-14T22:13:20Z\n");
    let repository = tree.join("packages/redhat/8/metalk8s-scality-el8");
    // The program itself has 100 MB without optimization, which take long to pack, verify and install.
    let program = format!("#!/bin/sh\nexec {PROGRAM} \"$@\"\n");
    build_own_of("2.11.0", program.as_bytes(), scratch, &repository.join("x86_64"));
    // Verifying it takes long enough for the power to fail meanwhile.
    let noise: Vec<u8> =
        (0..16_000_000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    fs::write(tree.join("noise"), noise).unwrap();
    super::site::package(scratch, &repository);
    write("packages/bootstrap.txt", "sealift\ngreeting  # of the site\n");
    let folder = tree.join("images/tool/1");
    let base = layer(scratch, &["gzip"]);
    Folder::new(folder.clone()).image(MediaKind::OciManifest, "amd64", &[&base], "manifest.json");
    let name = "metalk8s-registry-from-config.invalid/metalk8s-2.11.0/tool:1".parse().unwrap();
    images::oci_archive::write(&folder, &name, &tree.join("images/tool-1.tar"), DATE).unwrap();
    let scripts = sealift::repository().join("runtime/scripts");
    for script in ["bootstrap.sh", "common.sh"] {
        fs::copy(scripts.join(script), tree.join(script)).unwrap();
    }
    write(
        "hooks/bootstrap/50-cluster",
        "#!/bin/bash\necho \"$SEALIFT_ARCHIVE_ID at $SEALIFT_URL\" >>/root/cluster\n",
    );
    fs::set_permissions(tree.join("hooks/bootstrap/50-cluster"), fs::Permissions::from_mode(0o755)).unwrap();
    archive::sums::write(&tree, &archive::sums::digest_file).unwrap();
    let iso = scratch.join("metalk8s.iso");
    let options = iso::IsoOptions {
        volume_id: "MetalK8s 2.11.0".into(),
        source_date: DATE,
        ..iso::IsoOptions::default()
    };
    iso::PlannedIso::from_dir(&tree, &options).unwrap().write_file(&iso, &()).unwrap();
    iso
}

/// Prepares the node as the documents say, and waits in a hook of the site, just before the last hook.
const PREPARE: &str = r#"
printf 'ID=rocky\nID_LIKE="rhel centos fedora"\nVERSION_ID="8.10"\nPRETTY_NAME="Rocky Linux 8.10"\n' >/etc/os-release
printf '%s\n' 'apiVersion: metalk8s.scality.com/v1alpha3' 'kind: BootstrapConfiguration' 'networks:' \
    '  controlPlane: {cidr: 10.0.2.0/24}' '  workloadPlane: {cidr: 10.0.2.0/24}' 'ca: {minion: node1}' \
    'archives:' '  - /archives/metalk8s.iso' >/etc/metalk8s/bootstrap.yaml
mkdir -p /etc/metalk8s/hooks.d/bootstrap
printf '#!/bin/bash\ntouch /run/waiting\nsleep 1000\n' >/etc/metalk8s/hooks.d/bootstrap/10-wait
chmod 755 /etc/metalk8s/hooks.d/bootstrap/10-wait
sync
"#;

/// Waits for the import, or shows why the bring-up has failed before it. On an emulated processor, even a look at a unit takes long.
const UNTIL_IT_IMPORTS: &str = r#"
until grep -q 'import /archives' /var/log/metalk8s/bootstrap.log; do
    test ! -e /run/failed || { journalctl --unit bring-up; exit 1; }
    sleep 0.2
done
"#;

/// As [`UNTIL_IT_IMPORTS`], for the hook.
const UNTIL_IT_WAITS: &str = r#"
until test -e /run/waiting; do
    test ! -e /run/failed || { journalctl --unit bring-up; cat /var/log/metalk8s/bootstrap.log; exit 1; }
    sleep 1
done
"#;

/// What must be true of a node that was brought up.
const SERVED: &str = r#"
findmnt --noheadings --output FSTYPE /srv/scality/metalk8s-2.11.0 | grep iso9660
systemctl is-active sealift-registry
curl --fail --silent --show-error --cacert /etc/sealift/pki/ca.crt https://10.0.2.15:8080/v2/_catalog | grep tool
curl --fail --silent --show-error --cacert /etc/sealift/pki/ca.crt https://10.0.2.15:8080/readyz
# The sandbox of the service mounts all file systems read-only, and the page still has their free space.
curl --fail --silent --show-error --cacert /etc/sealift/pki/ca.crt https://10.0.2.15:8080/status.json | grep '"folders":\["/archives","/var/lib'
"#;

#[test]
fn a_node_is_brought_up_from_its_iso_through_a_power_cut_and_a_reboot() {
    let Some(machine) = VirtualNode::find() else { return };
    let scratch = tempfile::tempdir().unwrap();
    let iso = archive(scratch.path());
    let mut node = machine.file("/archives/metalk8s.iso", &iso).program(PROGRAM).boot();
    let root = "/srv/scality/metalk8s-2.11.0";
    node.run(&format!("mkdir -p {root} /etc/metalk8s; mount /archives/metalk8s.iso {root}"));
    let script = format!("export SEALIFT={PROGRAM}; {root}/bootstrap.sh");

    // Everything that is wrong is reported at once, and nothing changes.
    node.run("echo 'kind: BootstrapConfiguration' >/etc/metalk8s/bootstrap.yaml");
    let (code, told) = node.attempt(&format!("{script} --dry-run"));
    assert_eq!(code, 1, "{told}");
    for expected in
        ["[os-release]", "apiVersion", "networks.controlPlane", "ca.minion", "nothing was changed"]
    {
        assert!(told.contains(expected), "{expected} in {told}");
    }
    node.run("test ! -e /var/log/metalk8s; test ! -e /etc/sealift");

    // The power fails while the archive is imported.
    node.run(PREPARE);
    let in_background =
        format!("systemd-run --quiet --unit bring-up bash -c '{script} || touch /run/failed'");
    node.run(&format!("{in_background}\n{UNTIL_IT_IMPORTS}"));
    node.cut_power();
    node.start();
    let is_whole = "findmnt --mountpoint {root} || test ! -e /etc/systemd/system/srv-scality-metalk8s*.mount";
    node.run(&is_whole.replace("{root}", root));

    // The next run continues, with firewalld, and the node is rebooted in its last step.
    // On a busy machine, the kernel once refused the first mount of a loop device after a boot. If it refuses the second one too,
    // its log says why.
    let mount = format!("mount /archives/metalk8s.iso {root}");
    node.run(&format!(
        "systemctl start firewalld; findmnt {root} || {mount} || {{ dmesg | tail; udevadm settle; {mount}; }}"
    ));
    node.run(&format!("{in_background}\n{UNTIL_IT_WAITS}"));
    let allowed = node.run("firewall-cmd --list-services");
    assert!(allowed.split_whitespace().any(|service| service == "sealift-registry"), "{allowed}");
    node.reboot();
    node.wait_for(SERVED);
    node.run("grep sealift-registry /etc/firewalld/zones/public.xml");
    node.run("rm /etc/metalk8s/hooks.d/bootstrap/10-wait");

    // The next run finishes, and one more has nothing to do.
    let told = node.run(&script);
    assert!(told.contains("this node serves metalk8s-2.11.0 at https://10.0.2.15:8080"), "{told}");
    assert!(!told.contains("install ") && !told.contains("import ") && !told.contains("allow "), "{told}");
    let again = node.run(&format!("{script} --output json"));
    let again: serde_json::Value =
        serde_json::from_str(&again[again.find('{').unwrap()..again.rfind('}').unwrap() + 1]).unwrap();
    assert_eq!(again["changes"], serde_json::json!([]), "{again}");
    assert_eq!(again["url"], "https://10.0.2.15:8080");
    assert_eq!(node.run("cat /root/cluster"), "metalk8s-2.11.0 at https://10.0.2.15:8080\n");
    assert_eq!(node.run("cat /usr/share/greeting"), super::site::INSTALLED.1);
    let digest = Digest::of(&fs::read(scratch.path().join("tree/images/tool/1/manifest.json")).unwrap());
    let images = node.run("ctr --namespace k8s.io images list");
    assert!(images.contains(&digest.to_string()), "{images}");
    node.run("grep 'install sealift, greeting' /var/log/metalk8s/bootstrap.log");
    node.run("grep 2.11.0 /etc/sealift/versions.yaml; ls /var/lib/metalk8s/backup_*_after-bootstrap.tar.gz");
}
