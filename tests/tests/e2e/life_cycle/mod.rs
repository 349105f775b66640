//! The life of a Solution: two versions of the example are built, imported, activated, deployed, replaced and removed, with
//! `kubectl` and an API server. Each command is also killed at several moments and run again.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use content::Digest;
use serde_json::{Value, json};
use tests::kubernetes::{self, Cluster};
use tests::{killed, mounts, peer, sealift};

use crate::runtime::archives::Node;

const VERSIONS: [&str; 2] = ["1.0.0", "1.1.0"];

/// The objects of a version in an environment; `VERSION` stands for it.
const OBJECTS: &str = include_str!("objects.yaml");

/// The moments at which each command is killed, from its start to its usual end.
const MOMENTS: u32 = 4;

/// The example, built in two versions.
struct Vendor {
    folder: tempfile::TempDir,
}

impl Vendor {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let from = sealift::repository().join("examples/solution");
        peer::run(Command::new("cp").arg("-r").arg(from).arg(folder.path().join("project")));
        Self { folder }
    }

    fn root(&self, version: &str) -> PathBuf {
        self.folder.path().join("project").join(version)
    }

    fn iso(&self, version: &str) -> String {
        self.root(version).join("example-solution.iso").display().to_string()
    }

    fn build(&self, version: &str) -> Command {
        let mut command = sealift::command(&self.folder.path().join("project"));
        command.env("SEALIFT_CACHE", self.folder.path().join("cache"));
        command.args(["solution", "build", "--build-root", version, "--set"]);
        command.arg(format!("release={version}"));
        command
    }

    /// The definition of custom resources in a version, as the API server stores it.
    fn definition(&self, version: &str) -> Value {
        let file = self.root(version).join("root/operator/deploy/crds/servers_crd.yaml");
        let mut object: Value = serde_saphyr::from_str(&fs::read_to_string(file).unwrap()).unwrap();
        let names = object["spec"]["names"].clone();
        object["status"] =
            json!({ "storedVersions": ["v1alpha1"], "acceptedNames": names, "conditions": [] });
        object
    }
}

/// All files and folders below `root` by name, but for what Sealift remembers about its tasks.
fn names(root: &Path) -> Vec<String> {
    let walk = archive::Tree::open(root).and_then(|tree| tree.walk()).unwrap();
    walk.into_iter().map(|(path, _)| path).filter(|path| !path.starts_with(".sealift")).collect()
}

/// What there is on a node and in its cluster.
#[derive(Debug, PartialEq)]
struct State {
    archives: Vec<String>,
    active: Value,
    mounted: Vec<String>,
    /// Files of the node that nothing above explains.
    others: Vec<String>,
    objects: BTreeMap<String, Value>,
}

/// A command of the life cycle, and what there is after it.
struct Step {
    words: Vec<String>,
    /// What the command says if it is run again after it has done everything, if that is an error.
    done: Option<&'static str>,
    imported: bool,
    active: Option<&'static str>,
    /// The version whose definition of custom resources the cluster has.
    definition: Option<&'static str>,
    /// Whether the environment exists, and the version of the Solution in it.
    environment: Option<Option<&'static str>>,
}

struct Site {
    vendor: Vendor,
    node: Node,
    cluster: Cluster,
    mount: &'static str,
}

impl Drop for Site {
    fn drop(&mut self) {
        // A test that failed left them.
        for version in VERSIONS {
            let at = self.node.path("mounts").join(format!("example-solution-{version}"));
            let _ = Command::new("umount").arg("-l").arg(at).output();
        }
    }
}

impl Site {
    /// The life cycle. It ends where it began, but for the definition, which stays in the cluster.
    fn steps(&self) -> Vec<Step> {
        let place = ["--name", "prod", "--namespace", "prod-1"];
        let solution = [&place[..], &["--solution", "example-solution"]].concat();
        let isos = VERSIONS.map(|version| self.vendor.iso(version));
        let add = |version: &'static str| [&["add"], &solution[..], &["--version", version]].concat();
        let activate =
            |version: &'static str| vec!["activate", "--name", "example-solution", "--version", version];
        let [one, two] = VERSIONS;
        let mut steps = Vec::new();
        let mut step = |words: &[&str], done, imported, active, definition, environment| {
            let words = words.iter().map(|word| (*word).to_owned()).collect();
            steps.push(Step { words, done, imported, active, definition, environment });
        };
        step(&["import", "--mount", self.mount, &isos[0], &isos[1]], None, true, None, None, None);
        step(&activate(one), None, true, Some(one), Some(one), None);
        let create = [&["create-environment"], &place[..], &["--description", "For customers"]].concat();
        step(&create, None, true, Some(one), Some(one), Some(None));
        step(&add(one), None, true, Some(one), Some(one), Some(Some(one)));
        step(&activate(two), None, true, Some(two), Some(two), Some(Some(one)));
        step(&add(two), None, true, Some(two), Some(two), Some(Some(two)));
        step(&add(one), None, true, Some(two), Some(two), Some(Some(one)));
        step(&activate(one), None, true, Some(one), Some(one), Some(Some(one)));
        let remove = [&["remove"], &solution[..]].concat();
        step(&remove, Some("has no Solution example-solution"), true, Some(one), Some(one), Some(None));
        let delete = [&["delete-environment"], &place[..2]].concat();
        step(&delete, Some("the environment prod does not exist"), true, Some(one), Some(one), None);
        step(&["deactivate", "--name", "example-solution"], None, true, None, Some(one), None);
        let unimport = ["unimport", "example-solution-1.0.0", "example-solution-1.1.0"];
        step(&unimport, Some("this node has no archive"), false, None, Some(one), None);
        steps
    }

    fn command(&self, words: &[String]) -> Command {
        let folder = self.node.path("");
        let mut command = sealift::command(&folder);
        command.arg("solution").args(words);
        if !matches!(words[0].as_str(), "create-environment" | "delete-environment" | "remove") {
            command.args(sealift::places(&folder));
        }
        self.cluster.reach(&mut command);
        command
    }

    /// Runs the step to its end, and compares what there is after it.
    fn run(&self, step: &Step, when: &str) {
        let (code, out, err) = sealift::told(&self.command(&step.words).output().unwrap());
        let is_done = step.done.is_some_and(|message| !when.is_empty() && err.contains(message));
        assert!(code == 0 || is_done, "{:?}{when}: {code}: {out}{err}", step.words);
        let (found, expected) = (self.state(), self.expected(step));
        for (name, object) in &expected.objects {
            assert_eq!(found.objects.get(name), Some(object), "{:?}{when}: {name}", step.words);
        }
        assert_eq!(found, expected, "{:?}{when}", step.words);
    }

    fn state(&self) -> State {
        let configuration = fs::read_to_string(self.node.path("solutions.yaml"));
        let configuration: Value =
            configuration.map_or(Value::Null, |text| serde_saphyr::from_str(&text).unwrap());
        let list = configuration["archives"].as_array().cloned().unwrap_or_default();
        let listed = |folder: PathBuf| {
            let mut names: Vec<String> = fs::read_dir(folder)
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            names.sort();
            names
        };
        let mut others = listed(self.node.path(""));
        others.extend(listed(self.node.path("units")));
        others.retain(|name| {
            !["bootstrap.yaml", "solutions.yaml", "lock", "mounts", "units"].contains(&name.as_str())
        });
        let mounted = listed(self.node.path("mounts"));
        for name in &mounted {
            let manifest = fs::read_to_string(self.node.path("mounts").join(name).join("manifest.yaml"));
            assert!(manifest.unwrap_or_else(|error| panic!("{name}: {error}")).contains("kind: Solution"));
        }
        State {
            archives: list.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            active: configuration.get("active").cloned().unwrap_or_else(|| json!({})),
            mounted,
            others,
            objects: self.cluster.objects().into_iter().collect(),
        }
    }

    fn expected(&self, step: &Step) -> State {
        let all = |name: fn(&Self, &str) -> String| {
            let versions: &[&str] = if step.imported { &VERSIONS } else { &[] };
            versions.iter().map(|version| name(self, version)).collect::<Vec<_>>()
        };
        let mut objects: Vec<Value> = Vec::new();
        objects.extend(step.definition.map(|version| self.vendor.definition(version)));
        if let Some(solution) = step.environment {
            let text = OBJECTS.replace("VERSION", solution.unwrap_or("none"));
            let mut found: Vec<Value> = serde_saphyr::from_str(&text).unwrap();
            if solution.is_none() {
                found.truncate(2);
                found[1]["data"] = json!({});
            }
            objects.extend(found);
        }
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let named = objects.into_iter().map(|object| {
            let metadata = &object["metadata"];
            let (kind, namespace) = (text(&object["kind"]), text(&metadata["namespace"]));
            (format!("{kind} {namespace}/{}", text(&metadata["name"])), object)
        });
        State {
            archives: all(|site, version| site.vendor.iso(version)),
            active: step.active.map_or_else(|| json!({}), |version| json!({ "example-solution": version })),
            mounted: if self.mount == "never" {
                Vec::new()
            } else {
                all(|_, version| format!("example-solution-{version}"))
            },
            others: Vec::new(),
            objects: named.collect(),
        }
    }

    /// Removes the definition of custom resources, as the administrator of the cluster does it.
    fn remove_definition(&self) {
        let name = "servers.example-solution.example.com";
        let _ = self.cluster.kubectl(&["delete", "customresourcedefinition", name]);
    }
}

/// Builds both versions; killed at any moment, the next build gives the same bytes.
#[test]
fn a_killed_build_is_finished_by_running_it_again() {
    let vendor = Vendor::new();
    for version in VERSIONS {
        let began = Instant::now();
        peer::run(&mut vendor.build(version));
        let whole = began.elapsed();
        let built = || {
            let iso = fs::read(vendor.iso(version)).unwrap();
            (Digest::of(&iso), names(&vendor.root(version)))
        };
        let expected = built();
        for part in 0..MOMENTS {
            fs::remove_dir_all(vendor.root(version)).unwrap();
            let child = killed::start(&mut vendor.build(version));
            std::thread::sleep(whole * part / MOMENTS);
            killed::kill(child);
            peer::run(&mut vendor.build(version));
            assert_eq!(built(), expected, "{version}, killed at {part} of {MOMENTS}");
        }
        let said = sealift::run(vendor.folder.path(), &["solution", "check", &vendor.iso(version)]);
        assert!(said.0 == 0 && said.1.contains("no findings"), "{said:?}");
    }
}

#[test]
fn two_versions_live_from_import_to_removal_whenever_commands_are_killed() {
    let (vendor, node) = (Vendor::new(), Node::new());
    VERSIONS.iter().for_each(|version| drop(peer::run(&mut vendor.build(version))));
    let Some(cluster) = kubernetes::start(vendor.folder.path()) else { return };
    let mount = if mounts::fuse_as_root() { "fuse" } else { "never" };
    let site = Site { vendor, node, cluster, mount };
    let crds = VERSIONS.map(|version| site.vendor.definition(version).to_string());
    assert!(crds[0] != crds[1] && crds[1].contains("\"port\""), "{crds:?}");

    // Without kills.
    let steps = site.steps();
    let mut whole = Vec::new();
    for step in &steps {
        let began = Instant::now();
        site.run(step, "");
        whole.push(began.elapsed());
        // As clients see it.
        if let Some(Some(version)) = step.environment {
            let path = "jsonpath={.items[*].spec.template.spec.containers[*].image}";
            let images = site.cluster.kubectl(&["get", "deployments", "--namespace", "prod-1", "-o", path]);
            let image = |name: &str| {
                format!("metalk8s-registry-from-config.invalid/example-solution-{version}/{name}:{version}")
            };
            let expected = ["example-solution-operator", "example-solution-ui"].map(image).join(" ");
            assert_eq!(images, expected);
        }
    }
    // Whether the next kill of the step, after more writes to the cluster, comes before its end. The commands for environments are
    // killed after each of their writes in a test of their own.
    let has_own_test = |step: &Step| {
        matches!(step.words[0].as_str(), "create-environment" | "add" | "remove" | "delete-environment")
    };
    let mut is_writing: Vec<bool> = steps.iter().map(|step| !has_own_test(step)).collect();
    let mut kills = 0;
    for round in 0.. {
        if round >= MOMENTS && !is_writing.contains(&true) {
            break;
        }
        site.remove_definition();
        for (n, step) in steps.iter().enumerate() {
            if is_writing[n] {
                let ended = site.cluster.kill_after(round as usize, &mut site.command(&step.words));
                assert!(ended.is_none_or(|status| status.success()), "{:?}: {ended:?}", step.words);
                is_writing[n] = ended.is_none();
                kills += usize::from(ended.is_none());
            }
            // Whatever that left, and in the middle of the next run.
            if round < MOMENTS {
                let child = killed::start(&mut site.command(&step.words));
                std::thread::sleep((whole[n] * round / MOMENTS).min(Duration::from_secs(2)));
                killed::kill(child);
            }
            site.run(step, &format!(", killed in round {round}"));
        }
    }
    assert!(kills >= 3, "{kills} of three activations");
}
