//! A stand-in for the API server of Kubernetes, with Debian's `kubectl` as its client.

use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use serde_json::{Value, json};

use crate::daemon::{self, Daemon, free_port};
use crate::{http, killed, peer};

/// The version of Kubernetes whose types objects must have.
const TYPES: &str = "kubernetes_validate/kubernetes-json-schema/v1.25.0-local-strict";

/// The definition of a custom resource, with a structural schema.
pub const CRD: &str = "\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: things, singular: thing, kind: Thing, listKind: ThingList}
  versions:
    - name: v1
      served: true
      storage: true
      schema: {openAPIV3Schema: {type: object}}
";

/// A running API server, and the folder of its clients.
#[derive(Debug)]
pub struct Cluster {
    daemon: Daemon,
    folder: PathBuf,
}

impl Deref for Cluster {
    type Target = Daemon;

    fn deref(&self) -> &Daemon {
        &self.daemon
    }
}

/// Starts the stand-in with its files in `folder`.
///
/// # Panics
///
/// If it does not start.
#[must_use]
pub fn start(folder: &Path) -> Option<Cluster> {
    peer::find("kubectl")?;
    let python = peer::find("kubernetes-validate")?.with_file_name("python3");
    let where_is = "import kubernetes_validate; print(kubernetes_validate.__path__[0])";
    let package = peer::run(Command::new(&python).args(["-c", where_is])).stdout;
    let package = PathBuf::from(String::from_utf8(package).unwrap().trim());
    let types = package.parent().unwrap().join(TYPES);
    let (port, folder) = (free_port(), folder.join("cluster"));
    fs::create_dir(&folder).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/kubernetes/api_server.py");
    let mut command = Command::new(python);
    command.arg(script).arg(port.to_string()).arg(types);
    let daemon = daemon::start(&mut command, port, &folder.join("log"));
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "stand-in", "cluster": {"server": format!("http://127.0.0.1:{port}")}}],
        "contexts": [{"name": "stand-in", "context": {"cluster": "stand-in", "user": "admin"}}],
        "users": [{"name": "admin", "user": {}}],
        "current-context": "stand-in",
    });
    fs::write(folder.join("config"), config.to_string()).unwrap();
    Some(Cluster { daemon, folder })
}

impl Cluster {
    /// Has a command reach this cluster: by KUBECONFIG, and with a cache of its own.
    pub fn reach(&self, command: &mut Command) {
        command.env("KUBECONFIG", self.folder.join("config")).env("HOME", &self.folder);
    }

    /// Runs `kubectl` to its end; returns its output.
    #[must_use]
    pub fn kubectl(&self, words: &[&str]) -> String {
        let mut command = Command::new("kubectl");
        self.reach(&mut command);
        String::from_utf8(peer::run(command.args(words)).stdout).unwrap()
    }

    /// All objects, with the managers of their fields.
    #[must_use]
    pub fn state(&self) -> Value {
        self.request("GET", "state", "")
    }

    /// Replaces all objects.
    pub fn restore(&self, state: &Value) {
        self.request("PUT", "state", &state.to_string());
    }

    /// All objects without what differs from run to run; each is named `KIND NAMESPACE/NAME`.
    #[must_use]
    pub fn objects(&self) -> Vec<(String, Value)> {
        let state = self.state();
        let objects = state.as_array().unwrap().iter().map(|one| {
            let mut object = one["object"].clone();
            let metadata = object["metadata"].as_object_mut().unwrap();
            for key in ["uid", "resourceVersion", "creationTimestamp"] {
                metadata.remove(key);
            }
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let name = format!(
                "{} {}/{}",
                text(&object["kind"]),
                text(&metadata_of(&object, "namespace")),
                text(&metadata_of(&object, "name"))
            );
            (name, object)
        });
        objects.collect()
    }

    /// Runs a command until the cluster has done `writes` writes of it, and then kills it and its children with SIGKILL.
    /// Returns how it ended if it ended before.
    ///
    /// # Panics
    ///
    /// If it cannot be started.
    pub fn kill_after(&self, writes: usize, command: &mut Command) -> Option<ExitStatus> {
        self.request("PUT", "hold", &json!({ "after": writes }).to_string());
        self.reach(command);
        let mut child = killed::start(command);
        let ended = loop {
            if self.request("GET", "hold", "")["held"] == true {
                killed::kill(child);
                break None;
            }
            if let Some(status) = child.try_wait().unwrap() {
                break Some(status);
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        self.request("PUT", "release", "");
        ended
    }

    fn request(&self, method: &str, what: &str, body: &str) -> Value {
        let reply = http::send(self.port, method, &format!("/stand-in/{what}"), body).body;
        serde_json::from_slice(&reply).unwrap_or_else(|error| panic!("{what}: {error}: {reply:?}"))
    }
}

fn metadata_of(object: &Value, key: &str) -> Value {
    object["metadata"][key].clone()
}
