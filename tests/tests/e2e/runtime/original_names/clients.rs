//! The clients, with the files that Sealift writes for them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use content::Digest;
use tests::containerd::Containerd;
use tests::daemon::NOBODY;
use tests::file_server::FileServer;
use tests::{peer, sealift};

/// Writes the files of the clients into `client` below `folder`: for a node that is gone, and for the one at `address`.
pub(super) fn configure(folder: &Path, address: &str, isos: &[&Path], fallback: bool) {
    let (gone, serves) = (format!("http://127.0.0.2:{NOBODY}"), format!("http://{address}"));
    let nodes = ["--original-names", "--node", &gone, "--node", &serves, "--root", "client"];
    let fallback = if fallback { &["--fallback"][..] } else { &[] };
    let isos: Vec<&str> = isos.iter().map(|iso| iso.to_str().unwrap()).collect();
    for (command, archives) in [("containerd-config", &[][..]), ("crio-config", &isos)] {
        let arguments = [&["registry", command][..], &nodes, archives, fallback].concat();
        let (code, _, err) = sealift::run(folder, &arguments);
        assert_eq!((code, err.as_str()), (0, ""));
    }
}

/// The clients, all of which send what does not go to a loopback address to the stand-in of the internet.
pub(super) struct Clients<'a> {
    /// The folder with the files.
    files: &'a Path,
    /// The folder with what they pull.
    place: PathBuf,
    internet: &'a FileServer,
    containerd: Option<Containerd>,
}

impl<'a> Clients<'a> {
    /// Clients that have pulled nothing yet, with the files below `files` and their own in the new folder `place`.
    pub(super) fn new(files: &'a Path, place: PathBuf, internet: &'a FileServer) -> Self {
        fs::create_dir(&place).unwrap();
        let containerd = Containerd::start(&place);
        Self { files, place, internet, containerd }
    }

    fn with_proxy(&self, mut command: Command) -> Command {
        let proxy = self.internet.url("");
        for variable in ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"] {
            command.env(variable, &proxy);
        }
        command.env("NO_PROXY", "127.0.0.1,127.0.0.2").env("no_proxy", "127.0.0.1,127.0.0.2");
        command.env("CONTAINERS_REGISTRIES_CONF", self.registries());
        command.env("HOME", self.place.join("home"));
        command.current_dir(&self.place);
        command
    }

    fn registries(&self) -> PathBuf {
        self.files.join("etc/containers/registries.conf.d/50-sealift-original-names.conf")
    }

    /// podman, with images of its own.
    fn engine(&self, program: PathBuf) -> Command {
        let mut command = Command::new(program);
        command.args(["--storage-driver", "vfs", "--root"]).arg(self.place.join("storage"));
        command.arg("--runroot").arg(self.place.join("run"));
        command
    }

    /// Each client with the command that pulls `name`.
    pub(super) fn pulls(&self, name: &str) -> Vec<(&'static str, Command)> {
        let mut pulls = Vec::new();
        if let Some(containerd) = &self.containerd {
            let hosts = self.files.join("etc/containerd/certs.d").display().to_string();
            pulls.push(("ctr", containerd.command(&["images", "pull", "--hosts-dir", &hosts, name])));
        }
        let policy = self.place.join("policy.json");
        fs::write(&policy, r#"{"default": [{"type": "insecureAcceptAnything"}]}"#).unwrap();
        if let Some(skopeo) = peer::find("skopeo") {
            let mut command = Command::new(skopeo);
            // It does not read the variable.
            command.arg("--registries-conf").arg(self.registries());
            command.arg("--policy").arg(&policy).args(["copy", "-q", &format!("docker://{name}")]);
            command.arg(format!("dir:{}", self.place.join("copy").display()));
            pulls.push(("skopeo", command));
        }
        if let Some(podman) = peer::find("podman") {
            let mut command = self.engine(podman);
            command.args(["pull", "-q", "--signature-policy"]).arg(&policy).arg(name);
            pulls.push(("podman", command));
        }
        pulls.into_iter().map(|(client, command)| (client, self.with_proxy(command))).collect()
    }

    /// The digest under which a client has the image that it just pulled.
    pub(super) fn digest(&self, client: &str, name: &str) -> String {
        match client {
            "ctr" => {
                let listed =
                    self.containerd.as_ref().unwrap().run(&["images", "ls", &format!("name=={name}")]);
                listed.split_whitespace().find(|word| word.starts_with("sha256:")).unwrap().to_owned()
            }
            "skopeo" => Digest::of(&fs::read(self.place.join("copy/manifest.json")).unwrap()).to_string(),
            _ => {
                let mut command = self.engine(peer::find(client).unwrap());
                let digests = command.args(["images", "--digests", "--format", "{{.Digest}}", name]);
                String::from_utf8(peer::run(digests).stdout).unwrap().trim().to_owned()
            }
        }
    }
}
