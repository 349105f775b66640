//! The guide for sites without MetalK8s, with the clients that can be had here.

use std::fs;
use std::process::Command;

use tests::user::is_root;
use tests::{peer, sealift};

use super::chart::{Image, Upstream, name};

/// The images that the guide pulls.
const IMAGES: [Image; 2] =
    [(None, "docker.io/library/nginx", "1.25"), (None, "registry.k8s.io/pause", "3.9")];

/// A machine of its own for the rest of the script: the address of the guide is its only one, and what it writes into `/etc`,
/// `/run` and `/var/lib` goes into the folder `$PLACE`. Everything ends with the script.
const MACHINE: &str = r#"
ip link set lo up
ip address add 10.0.0.1/32 dev lo
mkdir -p "$PLACE/run" "$PLACE/lib" "$PLACE/home"
cp -a /etc "$PLACE/etc"
for name in metalk8s sealift containers containerd docker rancher; do rm -rf "$PLACE/etc/$name"; done
mount --bind "$PLACE/etc" /etc
mount --bind "$PLACE/run" /run
mount --bind "$PLACE/lib" /var/lib
export HOME="$PLACE/home"
cd "$PLACE"
# waits PROGRAM…: until it succeeds, for five minutes at most.
waits() {
    until "$@" >/dev/null 2>&1; do
        [ "$(cut -d. -f1 /proc/uptime)" -lt "$END" ] || { cat "$PLACE"/*.log >&2; exit 1; }
        sleep 0.05
    done
}
END=$(($(cut -d. -f1 /proc/uptime) + 300))
"#;

/// Starts what the guide finds on a client: containerd, and podman and Docker on a file system that every machine has.
const CLIENTS: &str = r#"
mkdir -p /etc/containerd /etc/containers
printf '%s\n' 'version = 2' 'disabled_plugins = ["io.containerd.grpc.v1.cri"]' >/etc/containerd/config.toml
printf '%s\n' '[storage]' 'driver = "vfs"' 'graphroot = "/var/lib/containers"' 'runroot = "/run/containers"' \
    >/etc/containers/storage.conf
echo '{"default": [{"type": "insecureAcceptAnything"}]}' >/etc/containers/policy.json
containerd >"$PLACE/containerd.log" 2>&1 &
waits ctr version
"#;

const DOCKER: &str = r#"
dockerd --iptables=false --ip6tables=false --bridge=none --storage-driver=vfs >"$PLACE/dockerd.log" 2>&1 &
waits docker version
"#;

/// The blocks of the guide below the heading `section`, with their languages.
fn blocks<'a>(guide: &'a str, section: &str) -> Vec<(&'a str, &'a str)> {
    let (_, rest) = guide.split_once(section).unwrap_or_else(|| panic!("no section {section:?}"));
    let rest = rest.split("\n## ").next().unwrap_or_default();
    rest.split("\n```").skip(1).step_by(2).map(|block| block.split_once('\n').unwrap_or_default()).collect()
}

/// The commands of the blocks, as printed.
fn commands(blocks: &[(&str, &str)]) -> Vec<String> {
    let consoles = blocks.iter().filter(|(language, _)| *language == "console");
    let mut commands: Vec<String> = Vec::new();
    for line in consoles.flat_map(|(_, block)| block.lines()) {
        match line.strip_prefix("# ").or_else(|| line.strip_prefix("$ ")) {
            Some(command) => commands.push(command.to_owned()),
            // What a backslash continues.
            None => commands.last_mut().unwrap().push_str(&format!("\n{line}")),
        }
    }
    commands
}

/// The part of the script that runs `commands`. Servers run on in the background, one at a time.
fn script(commands: &[String]) -> String {
    let mut script = String::new();
    // The services of k3s, RKE2 and CRI-O are not here.
    for command in commands.iter().filter(|command| !command.starts_with("systemctl ")) {
        if command.contains(" serve ") {
            script.push_str(&format!(
                "[ -z \"${{SERVER-}}\" ] || {{ kill \"$SERVER\"; wait \"$SERVER\" || :; }}\n\
                 {command} >\"$PLACE/server.log\" 2>&1 &\nSERVER=$!\nwaits curl -fs http://10.0.0.1:8080/v2/\n"
            ));
        } else {
            script.push_str(&format!("{command}\n"));
        }
    }
    script
}

#[test]
fn the_guide_for_other_clusters_works_as_printed() {
    for program in [
        "ip",
        "unshare",
        "curl",
        "containerd",
        "ctr",
        "podman",
        "dockerd",
        "docker",
        "docker-registry",
        "skopeo",
    ] {
        if peer::find(program).is_none() {
            return;
        }
    }
    if !is_root() {
        return peer::skip("only root can have a machine of its own");
    }
    let Some(upstream) = Upstream::start() else { return };
    let folder = upstream.folder.path();
    let digests = upstream.publish("first", &IMAGES);
    upstream.pack("Platform", "1.0", &IMAGES);
    drop(upstream.registry);

    let guide = fs::read_to_string(sealift::repository().join("docs/guide/clusters.md")).unwrap();
    let run = |section: &str| {
        let commands = commands(&blocks(&guide, section));
        assert!(commands.len() >= 2, "{section:?}: {commands:?}");
        commands
    };
    // The Docker of the peers is older than 28, so it pulls once its own configuration is there.
    let (pulls, before): (Vec<_>, Vec<_>) =
        run("\n## Docker\n").into_iter().partition(|command| command.starts_with("docker pull "));
    let docker = blocks(&guide, "\n## Docker\n");
    let (_, daemon) = docker.iter().find(|(language, _)| *language == "json").unwrap();
    let script = [
        MACHINE.to_owned(),
        format!("cp {}/platform-1.0.iso .\n", folder.display()),
        script(&run("# k3s, RKE2, kubeadm, Docker and podman\n")),
        CLIENTS.to_owned(),
        script(&run("\n## k3s\n")),
        script(&run("\n## RKE2\n")),
        script(&run("\n## kubeadm\n")),
        script(&run("\n## podman\n")),
        script(&before),
        format!("cat >/etc/docker/daemon.json <<'end'\n{daemon}\nend\n"),
        DOCKER.to_owned(),
        script(&pulls),
        "echo RESULTS\nctr --namespace k8s.io images ls\npodman images --digests\ndocker images --digests\n\
         cat /etc/rancher/k3s/* /etc/rancher/rke2/*\n"
            .to_owned(),
    ]
    .concat();
    let place = folder.join("machine");
    fs::create_dir(&place).unwrap();
    let path = folder.join("script.sh");
    fs::write(&path, format!("set -eux\n{script}")).unwrap();
    // The program under its own name.
    let programs = folder.join("programs");
    fs::create_dir(&programs).unwrap();
    std::os::unix::fs::symlink(sealift::binary(), programs.join("sealift")).unwrap();
    let search = std::env::var("PATH").unwrap_or_default();

    let mut command = Command::new("unshare");
    command.args(["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh"]);
    command.arg(&path).env("PLACE", &place);
    command.env("PATH", format!("{}:{search}:/usr/sbin:/sbin", programs.display()));
    let output = peer::run(&mut command).stdout;
    let output = String::from_utf8_lossy(&output);
    let (_, results) = output.split_once("RESULTS\n").unwrap();
    let found = |image: &Image| {
        let digest = &digests[&name(image)];
        results.matches(digest.as_str()).count()
    };
    // Docker and podman have one of the images, and containerd the other.
    assert_eq!([found(&IMAGES[0]), found(&IMAGES[1])], [2, 1], "{results}");
    let lines = |line: &str| results.lines().filter(|found| *found == line).count();
    assert_eq!(lines("disable-default-registry-endpoint: true"), 2, "{results}");
    assert_eq!(lines("      - \"http://10.0.0.1:8080\""), 2, "{results}");
}
