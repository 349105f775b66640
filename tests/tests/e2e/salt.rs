//! The Salt tree, rendered and applied by Salt on this machine as on a node without a master.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use images::Digest;
use serde_json::{Value, json};
use tests::containerd::Containerd;
use tests::dnf::System;
use tests::{daemon, peer, sealift};

use super::packages;

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

/// A program with the answers of `sealift` that states ask for; the end-to-end tests of the binary have the real one.
const SEALIFT: &str = r#"#!/bin/sh
case "$1 $2 $3" in
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
}

/// What a run of Salt gave.
struct Run {
    success: bool,
    /// The answer; null where there is none.
    local: Value,
    said: String,
}

impl Node {
    fn new(bootstrap: &str, grains: &Value) -> Option<Self> {
        let salt_call = peer::find("salt-call")?;
        let scratch = tempfile::tempdir().unwrap();
        let root = scratch.path();
        let project = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        fs::write(root.join("bootstrap.yaml"), bootstrap).unwrap();
        fs::write(root.join("sealift"), SEALIFT).unwrap();
        fs::set_permissions(root.join("sealift"), fs::Permissions::from_mode(0o755)).unwrap();
        let minion = json!({
            "file_client": "local",
            "root_dir": root,
            "id": "bootstrap",
            "saltenv": SALTENV,
            "pillarenv": SALTENV,
            "file_roots": {SALTENV: [project.join("salt/salt")]},
            "pillar_roots": {SALTENV: [project.join("salt/pillar")]},
            "metalk8s_sealift": root.join("sealift"),
            "metalk8s_bootstrap_config": root.join("bootstrap.yaml"),
            "metalk8s_solutions_config": root.join("solutions.yaml"),
            "grains": grains,
        });
        // YAML is a superset of JSON.
        fs::write(root.join("minion"), minion.to_string()).unwrap();
        Some(Self { salt_call, scratch })
    }

    /// A node that also knows the tree's own modules.
    fn rocky(bootstrap: &str) -> Option<Self> {
        let node = Self::new(bootstrap, &json!({"os": "Rocky", "os_family": "RedHat", "osmajorrelease": 8}))?;
        let run = node.call(&["saltutil.sync_all", &format!("saltenv={SALTENV}")]);
        assert!(run.success, "{}", run.said);
        Some(node)
    }

    fn path(&self, relative: &str) -> PathBuf {
        self.scratch.path().join(relative)
    }

    fn call(&self, arguments: &[&str]) -> Run {
        let mut command = Command::new(&self.salt_call);
        command.args(["--local", "--retcode-passthrough", "--out=json", "--log-level=error", "--config-dir"]);
        let output = command.arg(self.scratch.path()).args(arguments).stdin(Stdio::null()).output().unwrap();
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let said =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        Run { success: output.status.success(), local: answer["local"].clone(), said }
    }

    fn pillar(&self, more: &Value) -> String {
        // Nothing outside the scratch folder is looked at, mounted or unmounted.
        let mut metalk8s = json!({
            "mount_root": self.path("srv"),
            "mount": "never",
            "unit_directory": self.path("units"),
            "lock_file": self.path("lock"),
            "registry": {"environment_file": self.path("sysconfig"), "follow": false},
            "repo": {"directory": self.path("yum.repos.d")},
            "containerd": {"certs_dir": self.path("certs.d")},
        });
        for (section, values) in more.as_object().unwrap() {
            for (key, value) in values.as_object().unwrap() {
                metalk8s[section][key] = value.clone();
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

    /// The argument `name` of the state `id` in what `state.show_sls` answers.
    fn argument(&self, id: &str, module: &str, name: &str) -> Value {
        let arguments = self.local[id][module].as_array().unwrap_or_else(|| panic!("{id}: {}", self.said));
        let found = arguments.iter().find_map(|argument| argument.get(name));
        found.unwrap_or_else(|| panic!("{id}: {name}: {}", self.said)).clone()
    }
}

#[test]
fn what_is_applied_is_there_and_stays_as_it_is() {
    let Some(node) = Node::rocky(BOOTSTRAP) else { return };
    let states =
        "metalk8s.repo,metalk8s.container-engine,metalk8s.registry.configured,metalk8s.archives.unmounted";
    let endpoints = json!({"registry": {"endpoints": ["http://10.0.0.1:8080", "http://10.0.0.2:8080"]}});

    let first = node.apply(states, &endpoints);
    assert!(first.success, "{}", first.said);
    assert_eq!(first.results().iter().filter(|(_, changed)| *changed).count(), 3, "{}", first.said);
    assert_eq!(
        fs::read_to_string(node.path("certs.d/metalk8s-registry-from-config.invalid/hosts.toml")).unwrap(),
        "# Generated by the Salt state metalk8s.container-engine.containerd.configured of metalk8s-2.11.0-dev.\n\
         # Changes are overwritten.\n\n\
         # The last resort. It is one of the mirrors, so that no pull ever leaves the site.\n\
         server = \"http://10.0.0.1:8080\"\n\n\
         # Every node that serves, in the order in which they are tried.\n\n\
         [host.\"http://10.0.0.1:8080\"]\n  capabilities = [\"pull\", \"resolve\"]\n\n\
         [host.\"http://10.0.0.2:8080\"]\n  capabilities = [\"pull\", \"resolve\"]\n"
    );
    let repository = fs::read_to_string(node.path("yum.repos.d/metalk8s-scality.repo")).unwrap();
    for line in [
        "# Generated by the Salt state metalk8s.repo.configured of metalk8s-2.11.0-dev. Changes are overwritten.",
        "[metalk8s-scality]",
        "baseurl=http://10.0.0.1:8080/metalk8s-2.11.0-dev/redhat/8/scality-el8",
        "        http://10.0.0.2:8080/metalk8s-2.11.0-dev/redhat/8/scality-el8",
        "proxy=_none_",
        "priority=1",
    ] {
        assert!(repository.lines().any(|found| found == line), "{line} is not in\n{repository}");
    }
    let service = fs::read_to_string(node.path("sysconfig")).unwrap();
    assert!(
        service.starts_with("# Generated by the Salt state metalk8s.registry.configured of "),
        "{service}"
    );
    assert!(
        service.ends_with(
            "\nSEALIFT_LISTEN=0.0.0.0:8080\nSEALIFT_OPTIONS=--plain-http\nSEALIFT_ARCHIVES=/archives/two.iso /archives/one.iso\n"
        ),
        "{service}"
    );

    let second = node.apply(states, &endpoints);
    assert!(second.results().iter().all(|state| *state == (true, false)), "{}", second.said);
}

#[test]
fn a_proxy_is_told_to_containerd_and_the_site_left_out_of_it() {
    let proxies = "proxies: {http: \"http://my-proxy.local/50%\", https: \"https://my-proxy.local\", no_proxy: [.site]}";
    let Some(node) = Node::rocky(&BOOTSTRAP.replace("proxies: {}", proxies)) else { return };
    let drop_in = node.path("50-metalk8s.conf");
    let pillar = json!({"containerd": {"drop_in": drop_in, "args": ["--log-level", "info"]}});
    let first = node.apply("metalk8s.container-engine", &pillar);
    assert!(first.success && first.results() == [(true, true), (true, true)], "{}", first.said);
    assert_eq!(
        fs::read_to_string(&drop_in).unwrap(),
        "# Generated by the Salt state metalk8s.container-engine.containerd.configured of metalk8s-2.11.0-dev.\n\
         # Changes are overwritten.\n[Service]\n\
         Environment=\"HTTP_PROXY=http://my-proxy.local/50%%\"\n\
         Environment=\"HTTPS_PROXY=https://my-proxy.local\"\n\
         Environment=\"NO_PROXY=localhost,127.0.0.1,metalk8s-registry-from-config.invalid,10.0.0.0/24,10.1.0.0/24,\
         10.2.0.0/24,10.233.0.0/16,10.96.0.0/12,.site\"\n\
         ExecStart=\nExecStart=/usr/bin/containerd --log-level info\n"
    );
    let second = node.apply("metalk8s.container-engine", &pillar);
    assert!(second.results().iter().all(|state| *state == (true, false)), "{}", second.said);
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
    create.args(["iso", "create", "--volume-id", name, "--output"]).arg(&iso).arg(&tree);
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

#[test]
fn archives_become_those_of_the_node_and_stay_so() {
    let Some(node) = Node::rocky("") else { return };
    let one = iso(&node, "one", &[("product.txt", "NAME=MetalK8s\nVERSION=2.11.0-dev\n")]);
    let two = iso(&node, "two", &[("product.txt", "NAME=MetalK8s\nVERSION=2.10.0\n")]);
    fs::write(node.path("bootstrap.yaml"), bootstrap(&[&one])).unwrap();
    // What is listed is imported already, as long as it is not to be mounted.
    let run = node.apply("metalk8s.archives", &json!({}));
    assert!(run.success && run.results() == [(true, false)], "{}", run.said);

    let configure = |more: &Value| {
        let mut pillar: Value =
            serde_json::from_str(node.pillar(&json!({})).trim_start_matches("pillar=")).unwrap();
        pillar["archives"] = json!([&two]);
        pillar.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        node.call(&["state.apply", "metalk8s.archives.configured", &format!("pillar={pillar}")])
    };
    for (more, listed) in [(json!({}), true), (json!({"remove": true}), false)] {
        let run = configure(&more);
        assert!(run.success && run.results() == [(true, true)], "{}", run.said);
        let text = fs::read_to_string(node.path("bootstrap.yaml")).unwrap();
        assert_eq!(text.contains(two.to_str().unwrap()), listed, "{text}");
        let again = configure(&more);
        assert!(again.success && again.results() == [(true, false)], "{}", again.said);
    }

    // A damaged one is refused, with what is wrong.
    let mut bytes = fs::read(&two).unwrap();
    let at = bytes.windows(4).rposition(|window| window == b"NAME").unwrap();
    bytes[at] = b'G';
    fs::write(&two, bytes).unwrap();
    let run = configure(&json!({}));
    assert!(!run.success && run.results() == [(false, false)], "{}", run.said);

    // The unit of an archive that nobody lists any more goes.
    let unit = node.path("units/gone.mount");
    fs::create_dir(node.path("units")).unwrap();
    let at = node.path("srv/gone-1.0");
    fs::write(unit, runtime::archives::unit_content(Path::new("/gone.iso"), &at, false)).unwrap();
    let shown = node.show("metalk8s.archives.unmounted", &json!({}));
    assert_eq!(shown.argument("Unmount archive gone-1.0", "sealift", "name"), "gone-1.0");
}

#[test]
fn solutions_are_read_and_made_available() {
    let Some(node) = Node::rocky(&bootstrap(&[])) else { return };
    let manifest = "apiVersion: solutions.metalk8s.scality.com/v1alpha1\nkind: Solution\nmetadata:\n  annotations:\n    \
                    solutions.metalk8s.scality.com/display-name: Example\n  name: example\nspec:\n  version: 1.0.0\n  \
                    operator: {image: {name: operator, tag: 1.0.0}}\n  images: []\n";
    let archive = iso(&node, "solution", &[("manifest.yaml", manifest)]);
    let configuration = |archives: &str| {
        let text = format!(
            "apiVersion: solutions.metalk8s.scality.com/v1alpha1\nkind: SolutionsConfiguration\n\
             archives: [{archives}]\nactive: {{example: latest}}\n"
        );
        fs::write(node.path("solutions.yaml"), text).unwrap();
    };
    configuration(archive.to_str().unwrap());
    let run = node.call(&["pillar.raw", "metalk8s"]);
    let solution = &run.local["solutions"]["available"]["example"][0];
    for (key, value) in [
        ("id", json!("example-1.0.0")),
        ("display_name", json!("Example")),
        ("active", json!(true)),
        ("archive", json!(&archive)),
        ("mountpoint", json!("/srv/scality/example-1.0.0")),
    ] {
        assert_eq!(solution[key], value, "{key}: {}", run.said);
    }
    assert_eq!(solution["manifest"]["spec"]["operator"]["image"]["name"], "operator");
    let run = node.apply("metalk8s.solutions.available", &json!({}));
    assert!(run.success && run.results().iter().all(|state| *state == (true, false)), "{}", run.said);

    configuration("/none.iso");
    let run = node.show("metalk8s.solutions.available", &json!({}));
    assert!(!run.success && run.said.contains("/none.iso: cannot read manifest.yaml"), "{}", run.said);
}

#[test]
fn solutions_are_rendered_for_every_case_of_the_formula_tests() {
    let Some(node) = Node::rocky(&bootstrap(&[])) else { return };
    let solution = |version: &str, active: bool| {
        json!({
            "archive": format!("/srv/scality/releases/example-solution-{version}.iso"), "name": "example-solution",
            "version": version, "id": format!("example-solution-{version}"), "active": active,
            "mountpoint": format!("/srv/scality/example-solution-{version}"),
        })
    };
    let (first, second) = (solution("1.0.0", true), solution("1.2.0", false));
    let nothing = "Solutions of this node";
    let import = |solution: &Value| format!("Import Solution {}", solution["archive"]);
    let cases = [
        ("Empty config", json!({}), vec![nothing.to_owned()], ""),
        (
            "Initial state (errors)",
            json!({"_errors": ["Cannot read config file"], "available": {}, "config": {"_errors": ["Cannot read config file"]}}),
            vec!["Read the Solutions".to_owned()],
            "\"Cannot read config file\"",
        ),
        (
            "New archive in config",
            json!({"available": {"example-solution": [first]}, "config": {"archives": [first["archive"], second["archive"]]}}),
            vec![import(&first), import(&second), nothing.to_owned()],
            "",
        ),
        (
            "Active archive removed from config",
            json!({"available": {"example-solution": [first]}, "config": {"archives": []}}),
            vec!["Remove Solution example-solution-1.0.0".to_owned(), nothing.to_owned()],
            "example-solution-1.0.0 is active",
        ),
        (
            "Inactive archive removed from config",
            json!({"available": {"example-solution": [first, second]}, "config": {"archives": [first["archive"]]}}),
            vec![import(&first), "Remove Solution example-solution-1.2.0".to_owned(), nothing.to_owned()],
            "deleted",
        ),
    ];
    for (case, solutions, states, text) in cases {
        let shown = node.show("metalk8s.solutions.available", &json!({"solutions": solutions}));
        let found = shown.local.as_object().unwrap_or_else(|| panic!("{case}: {}", shown.said));
        let mut states = states;
        states.sort();
        assert_eq!(found.keys().cloned().collect::<Vec<_>>(), states, "{case}");
        assert!(shown.said.contains(text), "{case}: {}", shown.said);
    }
}

#[test]
fn states_fit_the_system_and_the_place() {
    let rows = [
        (json!({"os": "CentOS", "os_family": "RedHat", "osmajorrelease": 7}), json!({}), Ok(7)),
        (json!({"os": "RedHat", "os_family": "RedHat", "osmajorrelease": 7}), json!({}), Ok(7)),
        (json!({"os": "RedHat", "os_family": "RedHat", "osmajorrelease": 8}), json!({}), Ok(8)),
        (
            json!({"os": "Rocky", "os_family": "RedHat", "osmajorrelease": 8}),
            json!({"repo": {"local_mode": true}}),
            Err("/srv/metalk8s-2.11.0-dev/packages/redhat/8/metalk8s-scality-el8"),
        ),
        (
            json!({"os": "Debian", "os_family": "Debian", "osmajorrelease": 12}),
            json!({}),
            Err("packages for the RedHat family, and this is Debian"),
        ),
    ];
    for (grains, pillar, expected) in rows {
        let Some(node) = Node::new(BOOTSTRAP, &grains) else { return };
        let shown = node.show("metalk8s.repo", &pillar);
        let text = match expected {
            Ok(release) => format!("http://10.0.0.100:8080/{SALTENV}/redhat/{release}/scality-el{release}"),
            Err(text) => text.to_owned(),
        };
        assert!(shown.success && shown.said.contains(&text), "{grains}: {text}\n{}", shown.said);
    }
}

#[test]
fn without_a_place_to_pull_from_a_state_fails_and_says_so() {
    let Some(node) = Node::rocky("apiVersion: metalk8s.scality.com/v1alpha3\nkind: BootstrapConfiguration\n")
    else {
        return;
    };
    for state in ["metalk8s.container-engine", "metalk8s.repo"] {
        let run = node.apply(state, &json!({}));
        assert!(!run.success && run.said.contains("metalk8s:registry:endpoints"), "{}", run.said);
    }
    let run = node.apply("metalk8s.archives", &json!({}));
    assert!(run.success && run.results() == [(true, false)], "{}", run.said);
}

#[test]
fn a_wrong_bootstrap_configuration_is_named() {
    for (bootstrap, expected) in [
        (
            "kind: Something\napiVersion: metalk8s.scality.com/v1alpha3\n",
            "expected the kind BootstrapConfiguration",
        ),
        ("kind: BootstrapConfiguration\napiVersion: v1\n", "expected an apiVersion metalk8s.scality.com/"),
    ] {
        let Some(node) = Node::rocky(bootstrap) else { return };
        let run = node.show("metalk8s.archives", &json!({}));
        assert!(!run.success && run.said.contains(expected), "{}", run.said);
    }
}

/// The command line of the packaged service with the variables of the file that Salt wrote, as systemd puts it together:
/// `${NAME}` is one word, `$NAME` as many as it has.
fn service_command(environment_file: &Path) -> Vec<String> {
    let unit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packages/sealift/sealift-registry.service");
    let unit = fs::read_to_string(unit).unwrap();
    let line = unit.lines().find_map(|line| line.strip_prefix("ExecStart=/usr/bin/sealift ")).unwrap();
    let environment = fs::read_to_string(environment_file).unwrap();
    let value = |name: &str| {
        let line = environment.lines().find_map(|line| line.strip_prefix(&format!("{name}=")));
        line.unwrap_or_else(|| panic!("{name} is not in {environment}")).to_owned()
    };
    line.split(' ')
        .flat_map(|word| match word.strip_prefix('$') {
            Some(name) if name.starts_with('{') => vec![value(name.trim_matches(['{', '}']))],
            Some(name) => value(name).split_whitespace().map(str::to_owned).collect(),
            None => vec![word.to_owned()],
        })
        .collect()
}

/// Writes an image of one small layer into `folder`, in skopeo's `dir:` layout; gives its digest.
fn image(folder: &Path) -> Digest {
    let mut layer = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_size(3);
    header.set_mode(0o644);
    layer.append_data(&mut header, "hello", &b"hi\n"[..]).unwrap();
    let layer = layer.into_inner().unwrap();
    let config = json!({
        "architecture": "amd64", "os": "linux", "config": {},
        "rootfs": {"type": "layers", "diff_ids": [Digest::of(&layer).to_string()]},
    });
    fs::create_dir_all(folder).unwrap();
    let blob = |media_type: &str, bytes: &[u8]| {
        let digest = Digest::of(bytes).to_string();
        fs::write(folder.join(digest.trim_start_matches("sha256:")), bytes).unwrap();
        json!({"mediaType": media_type, "digest": digest, "size": bytes.len()})
    };
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": blob("application/vnd.oci.image.config.v1+json", config.to_string().as_bytes()),
        "layers": [blob("application/vnd.oci.image.layer.v1.tar", &layer)],
    });
    fs::write(folder.join("manifest.json"), manifest.to_string()).unwrap();
    fs::write(folder.join("version"), "Directory Transport Version: 1.1\n").unwrap();
    Digest::of(manifest.to_string().as_bytes())
}

#[test]
fn what_salt_configures_serves_images_and_packages() {
    // A bootstrap node with one archive: an image, and the project's own package.
    let Some(node) = Node::rocky("") else { return };
    let tree = node.path("tree");
    let repository = tree.join("packages/redhat/8/metalk8s-scality-el8");
    packages::build_own("2.11.0-dev", node.scratch.path(), &repository.join("x86_64"));
    ::packages::repository::index(&repository, packages::DATE).unwrap();
    let digest = image(&tree.join("images/tool/1.0"));
    fs::write(tree.join("product.txt"), "NAME=MetalK8s\nVERSION=2.11.0-dev\n").unwrap();
    let iso = node.path("metalk8s.iso");
    let mut create = sealift::command(node.scratch.path());
    create.args(["iso", "create", "tree", "--volume-id", "MetalK8s 2.11.0-dev", "--output"]).arg(&iso);
    peer::run(&mut create);
    fs::remove_file(node.path("sealift")).unwrap();
    symlink(sealift::binary(), node.path("sealift")).unwrap();
    let bootstrap = format!(
        "apiVersion: metalk8s.scality.com/v1alpha3\nkind: BootstrapConfiguration\nnetworks:\n  \
         controlPlane: {{cidr: 10.0.0.0/24}}\n  workloadPlane: {{cidr: 10.0.0.0/24}}\nca: {{minion: bootstrap}}\n\
         archives:\n  - {}\n",
        iso.display()
    );
    fs::write(node.path("bootstrap.yaml"), bootstrap).unwrap();

    // Beside it, as the first one that is tried, a node that is gone.
    let (port, gone) = (daemon::free_port(), daemon::free_port());
    let endpoints = [gone, port].map(|port| format!("http://127.0.0.1:{port}"));
    let pillar =
        json!({"registry": {"listen": "127.0.0.1", "port": port, "endpoints": endpoints, "follow": true}});
    let run = node.apply("metalk8s.repo,metalk8s.container-engine,metalk8s.registry.configured", &pillar);
    assert!(run.success, "{}", run.said);

    let mut serve = sealift::command(node.scratch.path());
    serve.args(service_command(&node.path("sysconfig")));
    let _daemon = daemon::start(&mut serve, port, &node.path("serve.log"));

    if let Some(system) = System::new(node.scratch.path(), "") {
        let configured = fs::read_to_string(node.path("yum.repos.d/metalk8s-scality.repo")).unwrap();
        fs::write(system.root.join("repos/test.repo"), configured).unwrap();
        system.run(&["install", "sealift"]);
        let installed = fs::read(system.root.join("usr/bin/sealift")).unwrap();
        assert!(installed == packages::own_binary("2.11.0-dev"));
    }
    if let Some(containerd) = Containerd::start(node.scratch.path()) {
        let name = "metalk8s-registry-from-config.invalid/metalk8s-2.11.0-dev/tool:1.0";
        let hosts = node.path("certs.d").display().to_string();
        containerd.run(&["images", "pull", "--hosts-dir", &hosts, name]);
        let listed = containerd.run(&["images", "ls"]);
        assert!(listed.contains(name) && listed.contains(&digest.to_string()), "{listed}");
    }
}

#[test]
fn an_archive_that_cannot_be_is_named() {
    let Some(node) = Node::rocky(BOOTSTRAP) else { return };
    for (archive, expected) in [
        (
            "/archives/missing.iso",
            "/archives/missing.iso: cannot read product.txt: /archives/missing.iso: no such file",
        ),
        ("/archives/evil.iso", "'../../etc' is no version"),
        ("/archives/same.iso", "/archives/same.iso and /archives/two.iso are both version 2.10.0"),
        ("relative.iso", "expected an absolute path"),
        ("'/archives/a b.iso'", "expected an absolute path"),
    ] {
        fs::write(node.path("bootstrap.yaml"), BOOTSTRAP.replace("/archives/one.iso", archive)).unwrap();
        let run = node.show("metalk8s.archives", &json!({}));
        assert!(!run.success && run.said.contains(expected), "{archive}: {}", run.said);
    }
}
