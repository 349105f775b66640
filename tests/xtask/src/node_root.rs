//! The disk of the virtual machines with systemd: a small Debian with rpm, dnf, containerd and firewalld, and its kernel.
//!
//! It is installed below `target/`; the system itself does not change. Only root can, since the files belong to many users.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::layer::is_root;
use crate::peers::{run, say};

/// Makes `$1/disk.raw` and `$1/vmlinuz`. The suite is fixed: its cloud kernel has NVMe and ext4 built in, so the machine
/// needs no initramfs.
const MAKE: &str = r#"
set -eu
cd "$1"
trap 'rm -rf root' EXIT
packages=systemd-sysv,dbus,udev,kmod,iproute2,ca-certificates,curl,linux-image-cloud-amd64
# firewalld needs /etc/protocols.
packages=$packages,rpm,dnf,containerd,firewalld,netbase
mmdebstrap --quiet --mode=root --variant=minbase --include="$packages" \
    --aptopt='APT::Install-Recommends "false"' --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/locale/*' bookworm root
cp root/boot/vmlinuz-* vmlinuz
rm -rf root/boot/* root/var/lib/apt/lists/* root/var/cache/apt/*
# dnf does not create the folder for the lists of repositories.
mkdir -p root/etc/yum.repos.d
: >root/etc/machine-id
echo node1 >root/etc/hostname
echo '127.0.1.1 node1' >>root/etc/hosts
printf '[Match]\nName=e*\n[Network]\nDHCP=ipv4\n' >root/etc/systemd/network/20.network
chroot root systemctl --quiet enable systemd-networkd
chroot root systemctl --quiet disable containerd firewalld
# Of the 220 services that firewalld reads when it starts, those that its zones name are enough, and those that these include.
for service in root/usr/lib/firewalld/services/*.xml; do
    name=$(basename "$service" .xml)
    grep -qr "service name=\"$name\"" root/usr/lib/firewalld/zones ||
        grep -qr "include service=\"$name\"" root/usr/lib/firewalld/services || rm "$service"
done
chroot root systemctl --quiet mask apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer fstrim.timer \
    e2scrub_all.timer e2scrub_reap.service systemd-networkd-wait-online.service
# Each unit that starts takes long on an emulated processor, and no test needs these.
chroot root systemctl --quiet mask getty@tty1.service serial-getty@ttyS0.service systemd-logind.service \
    systemd-binfmt.service proc-sys-fs-binfmt_misc.automount modprobe@configfs.service modprobe@dm_mod.service \
    modprobe@drm.service modprobe@efi_pstore.service systemd-modules-load.service systemd-network-generator.service \
    sys-kernel-config.mount sys-kernel-debug.mount sys-kernel-tracing.mount dev-hugepages.mount dev-mqueue.mount \
    systemd-ask-password-console.path systemd-ask-password-wall.path systemd-random-seed.service \
    systemd-sysusers.service systemd-tmpfiles-clean.timer systemd-update-utmp-runlevel.service \
    systemd-update-utmp.service
cat >root/usr/local/sbin/agent <<'AGENT'
#!/bin/bash
# Runs the scripts that arrive on the port, one a line in base64, and answers each with its exit code and its output.
exec 3<>/dev/virtio-ports/cmd
echo "ready $(cut -d' ' -f1 /proc/uptime)" >&3
while read -r line <&3; do
    base64 -d <<<"$line" >/run/agent.sh
    cd /root
    HOME=/root bash -e /run/agent.sh >/run/agent.out 2>&1 </dev/null 3>&-
    printf '%s %s\n' $? "$(base64 -w0 /run/agent.out)" >&3
done
AGENT
chmod 755 root/usr/local/sbin/agent
printf '[Service]\nExecStart=/usr/local/sbin/agent\nRestart=always\nKillMode=process\n' >root/etc/systemd/system/agent.service
echo 'SUBSYSTEM=="virtio-ports", ATTR{name}=="cmd", TAG+="systemd", ENV{SYSTEMD_WANTS}="agent.service"' \
    >root/etc/udev/rules.d/99-agent.rules
mke2fs -q -t ext4 -d root disk.raw 2G
"#;

/// Makes the disk and the kernel in `folder`, unless they exist and were made in the same way. `command` starts a program where the peers are.
pub(crate) fn make(folder: &Path, command: &dyn Fn(&str) -> Command) -> Result<(), String> {
    let recipe = folder.join("recipe");
    if fs::read_to_string(&recipe).is_ok_and(|recipe| recipe == MAKE) {
        return Ok(());
    }
    if !is_root() {
        say("not root: the tests that boot a machine with systemd are skipped");
        return Ok(());
    }
    let unfinished = folder.with_extension("partial");
    let error = |error: std::io::Error| format!("cannot make {}: {error}", unfinished.display());
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished).map_err(error)?;
    }
    fs::create_dir_all(&unfinished).map_err(error)?;
    say(&format!(
        "mmdebstrap bookworm   (a disk for virtual machines, in {}; about a minute)",
        unfinished.display()
    ));
    run(command("sh").args(["-c", MAKE, "make"]).arg(&unfinished))?;
    fs::write(unfinished.join("recipe"), MAKE).map_err(error)?;
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(error)?;
    }
    fs::rename(&unfinished, folder).map_err(error)
}
