//! `archive copy-to` over a real sshd, to a second node that lives in a folder of its own.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tests::daemon::{self, Daemon, free_port};
use tests::{peer, sealift};

use super::site::Site;

/// A node: its configuration and its archives, below one folder.
pub(super) struct Node(pub(super) PathBuf);

impl Node {
    pub(super) fn new(folder: PathBuf) -> Self {
        fs::create_dir_all(folder.join("iso")).unwrap();
        fs::write(
            folder.join("bootstrap.yaml"),
            "apiVersion: metalk8s.scality.com/v1alpha3\nkind: BootstrapConfiguration\nnetworks:\n  \
             controlPlane: {cidr: [10.0.0.0/24]}\n  workloadPlane: {cidr: [10.1.0.0/24]}\nca: {minion: node}\narchives: []\n",
        )
        .unwrap();
        Self(folder)
    }

    /// The flags that make `sealift` work on this node alone.
    fn places(&self) -> Vec<String> {
        sealift::places(&self.0)
    }

    /// The program as it is installed on the node: it knows where things are there.
    pub(super) fn program(&self) -> PathBuf {
        let path = self.0.join("sealift");
        let script =
            format!("#!/bin/sh\nexec {} \"$@\" {}\n", sealift::binary().display(), self.places().join(" "));
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    pub(super) fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        let places = self.places();
        let places = places.iter().map(String::as_str);
        sealift::run(&self.0, &arguments.iter().copied().chain(places).collect::<Vec<_>>())
    }
}

/// An sshd that lets in whoever has the key beside it, and what reaches it.
struct Sshd {
    _daemon: Daemon,
    shell: String,
}

impl Sshd {
    /// `None` if it is missing, which is reported on standard error.
    fn start(folder: &Path) -> Option<Self> {
        let (sshd, keygen) = (peer::find("sshd")?, peer::find("ssh-keygen")?);
        peer::find("ssh")?;
        let place = folder.join("sshd");
        fs::create_dir(&place).unwrap();
        for key in ["host", "user"] {
            peer::run(
                Command::new(&keygen).args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(place.join(key)),
            );
        }
        // Where it gives up its rights, if it has any. Debian's unit makes it.
        if !Path::new("/run/sshd").exists() {
            let _ = fs::create_dir("/run/sshd");
        }
        let (here, port) = (place.display(), free_port());
        let config = format!(
            "ListenAddress 127.0.0.1:{port}\nHostKey {here}/host\nAuthorizedKeysFile {here}/user.pub\nPidFile none\n\
             StrictModes no\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin prohibit-password\n"
        );
        fs::write(place.join("config"), config).unwrap();
        let mut command = Command::new(sshd);
        command.args(["-D", "-e", "-f"]).arg(place.join("config"));
        let daemon = daemon::start(&mut command, port, &place.join("log"));
        let shell = format!(
            "ssh -F none -p {port} -i {here}/user -o IdentitiesOnly=yes -o BatchMode=yes -o StrictHostKeyChecking=no \
             -o UserKnownHostsFile={here}/known -o LogLevel=ERROR"
        );
        Some(Self { _daemon: daemon, shell })
    }
}

#[test]
fn nodes_are_kept_equal_over_ssh() {
    let site = Site::new();
    let Some(sshd) = Sshd::start(site.scratch.path()) else { return };
    let (one, two) = (Node::new(site.scratch.path().join("one")), Node::new(site.scratch.path().join("two")));
    let (program, into) = (two.program().display().to_string(), two.0.join("iso"));
    let here = one.0.join("iso/example-1.0.iso");
    fs::copy(&site.iso, &here).unwrap();
    let (code, out, err) = one.run(&["archive", "import", "--mount", "never", &here.display().to_string()]);
    assert_eq!(code, 0, "{out}{err}");

    let remote = ["--remote-shell", &sshd.shell, "--remote-sealift", &program];
    let compare = || {
        let (code, out, err) =
            one.run(&[&["archive", "get", "--node", "127.0.0.1", "--output", "json"], &remote[..]].concat());
        let compared =
            serde_json::from_str::<Value>(&out).unwrap_or_else(|error| panic!("{error}: {out}{err}"));
        (code, compared["items"].clone())
    };
    let (code, compared) = compare();
    assert_eq!((code, &compared[0]["nodes"]["127.0.0.1"]), (1, &Value::Null), "{compared}");

    let copy = |expected: i32| {
        let into = into.display().to_string();
        let words =
            [&["archive", "copy-to", "127.0.0.1", "--into", &into, "--output", "json"], &remote[..]].concat();
        let (code, out, err) = one.run(&words);
        assert_eq!(code, expected, "{out}{err}");
        serde_json::from_str::<Value>(&out).unwrap()["items"][0].clone()
    };
    let whole = fs::metadata(&here).unwrap().len();
    let first = copy(0);
    assert_eq!((&first["bytes"], &first["present"]), (&whole.into(), &false.into()), "{first}");
    let there = into.join("example-1.0.iso");
    assert!(fs::read(&there).unwrap() == fs::read(&here).unwrap(), "the same bytes");
    let configuration = fs::read_to_string(two.0.join("bootstrap.yaml")).unwrap();
    assert!(configuration.contains(&there.display().to_string()), "{configuration}");
    let (code, compared) = compare();
    assert_eq!((code, &compared[0]["nodes"]["127.0.0.1"]["bytes"]), (0, &whole.into()), "{compared}");

    let second = copy(0);
    assert_eq!(
        (&second["bytes"], &second["present"]),
        (&0.into(), &true.into()),
        "nothing travels: {second}"
    );

    // An unreachable node is reported, and the others are copied to.
    let mut words = vec!["archive", "copy-to", "127.0.0.2.invalid", "127.0.0.1", "--into"];
    let into = into.display().to_string();
    words.extend([&into, "--output", "json"]);
    words.extend(remote);
    let (code, out, err) = one.run(&words);
    let copied = serde_json::from_str::<Value>(&out).unwrap()["items"].clone();
    assert_eq!(code, 1, "{out}{err}");
    assert!(copied[0]["error"].is_string() && copied[1]["present"] == true, "{copied}");
}

#[test]
fn a_node_that_does_not_answer_is_one_that_differs() {
    let site = Site::new();
    let nodes = ["one", "two"].map(|name| Node::new(site.scratch.path().join(name)));
    for node in &nodes {
        let here = node.0.join("iso/example-1.0.iso");
        fs::copy(&site.iso, &here).unwrap();
        let (code, out, err) =
            node.run(&["archive", "import", "--mount", "never", &here.display().to_string()]);
        assert_eq!(code, 0, "{out}{err}");
    }
    let [one, two] = nodes;
    // A stand-in for ssh, which does not reach one of the nodes.
    let shell = one.0.join("shell");
    fs::write(&shell, "#!/bin/sh\ntest $1 = two || exit 255\nshift\nexec sh -c \"$1\"\n").unwrap();
    fs::set_permissions(&shell, fs::Permissions::from_mode(0o755)).unwrap();
    let remote = [
        "--remote-shell",
        &shell.display().to_string(),
        "--remote-sealift",
        &two.program().display().to_string(),
    ]
    .map(str::to_owned);
    let get = |more: &[&str]| {
        let words: Vec<&str> =
            ["archive", "get"].iter().chain(more).copied().chain(remote.iter().map(String::as_str)).collect();
        one.run(&words)
    };
    let (code, out, err) = get(&["--node", "two"]);
    assert_eq!(code, 0, "{out}{err}");
    let (code, out, err) = get(&["--node", "dead", "--node", "two"]);
    assert!(code == 1 && err.contains("dead cannot be queried: "), "{code} {out}{err}");
    assert!(out.contains("example-1.0  dead  not known\n") && out.contains("example-1.0  two  "), "{out}");
    let (code, out, err) = get(&["--node", "dead", "--node", "two", "--output", "json"]);
    let compared: Value = serde_json::from_str(&out).unwrap();
    let nodes = &compared["items"][0]["nodes"];
    assert!(code == 1 && nodes["dead"]["problem"].is_string(), "{out}{err}");
    assert_eq!(nodes["two"], nodes["here"], "{out}");
    assert!(nodes["two"]["contents"].as_str().is_some_and(|digest| digest.starts_with("sha256:")), "{out}");
}

#[test]
fn a_damaged_archive_is_not_imported_on_another_node() {
    let site = Site::new();
    let (one, two) = (Node::new(site.scratch.path().join("one")), Node::new(site.scratch.path().join("two")));
    let here = one.0.join("iso/example-1.0.iso");
    fs::copy(&site.iso, &here).unwrap();
    let (code, out, err) = one.run(&["archive", "import", "--mount", "never", &here.display().to_string()]);
    assert_eq!(code, 0, "{out}{err}");
    let mut bytes = fs::read(&here).unwrap();
    let blob = super::largest(&site.folder("team/skopeo", "1.0"));
    let content = fs::read(blob).unwrap();
    let place = bytes.windows(64).position(|window| *window == content[..64]).unwrap();
    bytes[place + 1000] ^= 1;
    fs::write(&here, bytes).unwrap();

    // A stand-in for ssh: the node is dropped, the rest is what the remote shell would run.
    let shell = one.0.join("shell");
    fs::write(&shell, "#!/bin/sh\nshift\nexec sh -c \"$1\"\n").unwrap();
    fs::set_permissions(&shell, fs::Permissions::from_mode(0o755)).unwrap();
    let (shell, program) = (shell.display().to_string(), two.program().display().to_string());
    let into = two.0.join("iso").display().to_string();
    let words = [
        "archive",
        "copy-to",
        "two",
        "--remote-shell",
        &shell,
        "--remote-sealift",
        &program,
        "--into",
        &into,
    ];
    let (code, out, err) = one.run(&words);
    assert_eq!(code, 1, "{out}{err}");
    assert!(err.contains("is damaged"), "{err}");
    let configuration = fs::read_to_string(two.0.join("bootstrap.yaml")).unwrap();
    assert!(!configuration.contains("example"), "{configuration}");
}
