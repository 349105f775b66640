//! The Salt tree, rendered and applied by Salt on this machine as on a node without a master.

mod archives;
mod clients;
mod installed;
mod network;
mod orchestrations;
mod rendered;
mod site;
mod solutions;
mod trust;
mod versions;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tests::{peer, sealift};

const SALTENV: &str = "metalk8s-2.11.0-dev";

const BOOTSTRAP: &str = "\
apiVersion: metalk8s.scality.com/v1alpha3
kind: BootstrapConfiguration
networks:
  controlPlane:
    cidr: 10.0.0.0/24
    ingress:
      ip: 10.0.0.100
  workloadPlane:
    cidr: [10.1.0.0/24, 10.2.0.0/24]
# The archives of this site.
archives:
  - /archives/one.iso  # the first
  - /archives/two.iso

proxies: {}
";

/// A program that knows what is in archives that are not there. Whatever needs none is done by the real one, `$REAL`.
const SEALIFT: &str = r#"#!/bin/sh
case "$1 $2 $3" in
"registry "* | "repository "*) exec "$REAL" "$@" ;;
"iso cat /archives/one.iso") printf '# product\nNAME=MetalK8s\nVERSION=2.11.0-dev\n' ;;
"iso cat /archives/two.iso") printf 'NAME="MetalK8s"\nVERSION="2.10.0"\n' ;;
"iso cat /archives/evil.iso") printf 'NAME=MetalK8s\nVERSION=../../etc\n' ;;
"iso cat /archives/same.iso") printf 'NAME=MetalK8s\nVERSION=2.10.0\n' ;;
"iso cat "*) echo "$3: no such file" >&2; exit 2 ;;
"archive get --output") echo '[]' ;;
*) exit 3 ;;
esac
"#;

/// A node with a configuration of its own below a scratch folder.
struct Node {
    salt_call: PathBuf,
    scratch: tempfile::TempDir,
    /// A folder whose programs come before those of this machine.
    path_first: Option<PathBuf>,
}

/// What a run of Salt gave.
struct Run {
    success: bool,
    /// The result, or null.
    local: Value,
    said: String,
}

impl Node {
    fn new(bootstrap: &str, grains: &Value) -> Option<Self> {
        let salt_call = peer::find("salt-call")?;
        let scratch = tempfile::tempdir().unwrap();
        let root = scratch.path();
        fs::write(root.join("bootstrap.yaml"), bootstrap).unwrap();
        let real = sealift::binary().display().to_string();
        fs::write(root.join("sealift"), SEALIFT.replace("$REAL", &real)).unwrap();
        fs::set_permissions(root.join("sealift"), fs::Permissions::from_mode(0o755)).unwrap();
        let node = Self { salt_call, scratch, path_first: None };
        node.minion(grains, None);
        Some(node)
    }

    /// Configures the minion over our tree and perhaps one of the test's own.
    fn minion(&self, grains: &Value, tree: Option<&Path>) {
        let root = self.scratch.path();
        let ours = sealift::repository().join("salt");
        let states: Vec<PathBuf> =
            [ours.join("salt")].into_iter().chain(tree.map(Path::to_path_buf)).collect();
        let minion = json!({
            "file_client": "local",
            // What is added to a tree is seen at once.
            "fileserver_list_cache_time": 0,
            "root_dir": root,
            "id": "bootstrap",
            "saltenv": SALTENV,
            "pillarenv": SALTENV,
            "file_roots": {SALTENV: states},
            "pillar_roots": {SALTENV: [ours.join("pillar")]},
            "metalk8s_sealift": root.join("sealift"),
            "metalk8s_bootstrap_config": root.join("bootstrap.yaml"),
            "metalk8s_authority": root.join("authority.crt"),
            "metalk8s_solutions_config": root.join("solutions.yaml"),
            // No cluster, unless a test writes the file.
            "metalk8s_kubeconfig": root.join("kubeconfig"),
            "grains": grains,
        });
        // YAML is a superset of JSON.
        fs::write(root.join("minion"), minion.to_string()).unwrap();
        let run = self.call(&["saltutil.sync_all", &format!("saltenv={SALTENV}")]);
        assert!(run.success, "{}", run.said);
    }

    fn rocky(bootstrap: &str) -> Option<Self> {
        Self::new(bootstrap, &json!({"os": "Rocky", "os_family": "RedHat", "osmajorrelease": 8}))
    }

    fn path(&self, relative: &str) -> PathBuf {
        self.scratch.path().join(relative)
    }

    fn call(&self, arguments: &[&str]) -> Run {
        let mut command = Command::new(&self.salt_call);
        command.args(["--local", "--retcode-passthrough", "--out=json", "--log-level=error", "--config-dir"]);
        if let (Some(first), Some(path)) = (&self.path_first, std::env::var_os("PATH")) {
            let folders = [first.clone()].into_iter().chain(std::env::split_paths(&path));
            command.env("PATH", std::env::join_paths(folders).unwrap());
        }
        let output = command.arg(self.scratch.path()).args(arguments).stdin(Stdio::null()).output().unwrap();
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let said =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        Run { success: output.status.success(), local: answer["local"].clone(), said }
    }

    fn pillar(&self, more: &Value) -> String {
        // Nothing outside the scratch folder is looked at, changed, mounted or unmounted.
        let mut metalk8s = json!({
            "root": self.path("root"),
            "mount_root": self.path("srv"),
            "mount": "never",
            "unit_directory": self.path("units"),
            "lock_file": self.path("lock"),
            "registry": {"environment_file": self.path("sysconfig"), "follow": false},
            "repo": {},
            "containerd": {},
        });
        for (section, values) in more.as_object().unwrap() {
            match values {
                Value::Object(values) => {
                    for (key, value) in values {
                        metalk8s[section][key] = value.clone();
                    }
                }
                value => metalk8s[section] = value.clone(),
            }
        }
        format!("pillar={}", json!({"metalk8s": metalk8s}))
    }

    fn apply(&self, states: &str, more: &Value) -> Run {
        self.call(&["state.apply", states, &self.pillar(more)])
    }

    fn show(&self, states: &str, more: &Value) -> Run {
        self.call(&["state.show_sls", states, &self.pillar(more)])
    }
}

impl Run {
    /// The results of all states and whether they changed something.
    fn results(&self) -> Vec<(bool, bool)> {
        let states = self.local.as_object().unwrap_or_else(|| panic!("{}", self.said)).values();
        states
            .map(|state| {
                let changed = !state["changes"].as_object().is_none_or(serde_json::Map::is_empty);
                (state["result"].as_bool().unwrap_or_else(|| panic!("{}", self.said)), changed)
            })
            .collect()
    }

    fn changes(&self) -> usize {
        self.results().iter().filter(|(_, changed)| *changed).count()
    }

    /// All states succeeded and had nothing to do.
    fn assert_unchanged(&self) {
        assert!(self.results().iter().all(|state| *state == (true, false)), "{}", self.said);
    }
}

/// An ISO with what `files` say, made by the real program, which `node` uses from now on.
fn iso(node: &Node, name: &str, files: &[(&str, &str)]) -> PathBuf {
    let tree = node.path(&format!("tree-{name}"));
    for (path, text) in files {
        let path = tree.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    archive::sums::write(&tree, &archive::sums::digest_file).unwrap();
    let iso = node.path(&format!("{name}.iso"));
    let mut create = sealift::command(node.scratch.path());
    create.args(["iso", "create", "--volume-id", name, "--file"]).arg(&iso).arg(&tree);
    peer::run(&mut create);
    if !node.path("sealift").is_symlink() {
        fs::remove_file(node.path("sealift")).unwrap();
        symlink(sealift::binary(), node.path("sealift")).unwrap();
    }
    iso
}

/// A configuration that passes the program's own checks.
fn bootstrap(archives: &[&Path]) -> String {
    let listed: String = archives.iter().map(|path| format!("\n  - {}", path.display())).collect();
    format!(
        "apiVersion: metalk8s.scality.com/v1alpha3\nkind: BootstrapConfiguration\nnetworks:\n  \
         controlPlane: {{cidr: 10.0.0.0/24}}\n  workloadPlane: {{cidr: 10.0.0.0/24}}\nca: {{minion: bootstrap}}\n\
         archives:{}\n",
        if listed.is_empty() { " []" } else { &listed }
    )
}
