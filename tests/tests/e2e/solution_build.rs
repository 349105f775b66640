//! Solutions of vendors: `solution new`, `build` and `manifest`, against the guidelines and the tools that they name.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use content::Digest;
use tests::daemon::{self, free_port};
use tests::registry::{self, Layout};
use tests::{peer, sealift};

/// The manifest of the guidelines.
const GUIDELINE: &str = "\
apiVersion: solutions.metalk8s.scality.com/v1alpha1
kind: Solution
metadata:
  annotations:
    solutions.metalk8s.scality.com/display-name: Solution Name
  labels: {}
  name: solution-name
spec:
  images:
    - some-extra-image:2.0.0
    - solution-name-operator:1.0.0
    - solution-name-ui:1.0.0
  operator:
    image:
      name: solution-name-operator
      tag: 1.0.0
  ui:
    image:
      name: solution-name-ui
      tag: 1.0.0
  version: 1.0.0
";

/// The options of `manifest.py` for it.
const DESCRIBED: [&str; 16] = [
    "--name",
    "solution-name",
    "--version",
    "1.0.0",
    "--extra-image",
    "some-extra-image",
    "2.0.0",
    "--operator-image",
    "solution-name-operator",
    "1.0.0",
    "--ui-image",
    "solution-name-ui",
    "1.0.0",
    "--annotation",
    "solutions.metalk8s.scality.com/display-name",
    "Solution Name",
];

fn run(folder: &Path, words: &[&str]) -> String {
    let (code, out, error) = sealift::run(folder, words);
    assert_eq!(code, 0, "{words:?}: {out}{error}");
    out
}

fn refused(folder: &Path, words: &[&str], expected: i32, message: &str) {
    let (code, out, error) = sealift::run(folder, words);
    assert!(code == expected && error.contains(message), "{words:?}: {code} {out}{error}");
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn digest(path: &Path) -> Digest {
    Digest::of(&fs::read(path).unwrap())
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// Images of a vendor in `folder`, by skopeo as the guidelines have it: `images/NAME/TAG`. `None` if a peer is missing.
fn guideline_folder(folder: &Path) -> Option<()> {
    peer::find("skopeo")?;
    peer::find("tar")?;
    let layout = Layout::new(folder.join("layout"));
    for (name, tag) in
        [("some-extra-image", "2.0.0"), ("solution-name-operator", "1.0.0"), ("solution-name-ui", "1.0.0")]
    {
        fs::write(folder.join("content"), name).unwrap();
        let layer =
            peer::run(Command::new("tar").args(["-czf", "-", "-C"]).arg(folder).arg("content")).stdout;
        layout.name(&[("image", &layout.image("amd64", &[&layer]))]);
        let to = folder.join("solution/images").join(name).join(tag);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        let from = format!("oci:{}:image", layout.folder.display());
        registry::skopeo_copy(
            &["--format", "v2s2", "--dest-compress"],
            &from,
            &format!("dir:{}", to.display()),
        );
    }
    write(&folder.join("solution/operator/deploy/role.yaml"), "kind: Role\n");
    write(
        &folder.join("solution/operator/deploy/crds/some_crd_name.yaml"),
        "kind: CustomResourceDefinition\n",
    );
    Some(())
}

#[test]
fn a_new_solution_builds_at_once_and_to_the_same_bytes_everywhere() {
    let folder = tempfile::tempdir().unwrap();
    let said = run(folder.path(), &["solution", "new", "my-app"]);
    assert!(said.ends_with("next: sealift solution build my-app\n"), "{said}");
    refused(folder.path(), &["solution", "new", "my-app"], 3, "sealift.yaml exists");
    refused(folder.path(), &["solution", "new", "My_App"], 3, "expected at most 24 lower-case letters");
    let said = run(
        folder.path(),
        &["solution", "new", "my-app", "--into", "deep/er", "--version", "2.0.0", "-o", "json"],
    );
    let report: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!((report["kind"].as_str(), report["folder"].as_str()), (Some("NewSolution"), Some("deep/er")));
    assert!(text(&folder.path().join("deep/er/sealift.yaml")).contains("version: 2.0.0\n"));

    let mut command = sealift::command(folder.path());
    let built = peer::run(command.args(["solution", "build", "my-app"]));
    let said = String::from_utf8_lossy(&built.stderr).into_owned();
    assert!(said.contains("next: sealift solution check my-app/_build/my-app.iso\n"), "{said}");
    let iso = folder.path().join("my-app/_build/my-app.iso");
    let first = digest(&iso);
    let other = folder.path().join("another folder, ünicode");
    peer::run(
        Command::new("sh")
            .args(["-c", "umask 077; cp -r \"$0\" \"$1\"; rm -r \"$1/_build\"", "my-app"])
            .arg(&other)
            .current_dir(folder.path()),
    );
    let mut command = sealift::command(&other);
    command.env("TZ", "Asia/Tokyo").env("LC_ALL", "tr_TR.UTF-8").args(["solution", "build", "-n", "1"]);
    peer::run(&mut command);
    assert_eq!(digest(&other.join("_build/my-app.iso")), first);
    // Nothing in it is of this machine or this day.
    let manifest = run(folder.path(), &["solution", "manifest", "my-app/_build/my-app.iso"]);
    assert_eq!(manifest, run(folder.path(), &["solution", "manifest", "my-app"]));
    assert_eq!(manifest, text(&folder.path().join("my-app/_build/root/manifest.yaml")));
    assert!(manifest.contains("build-timestamp: '1980-01-01T00:00:00Z'\n"), "{manifest}");
    run(folder.path(), &["archive", "verify", "my-app/_build/my-app.iso"]);
    let said = run(folder.path(), &["solution", "check", "my-app/_build/my-app.iso"]);
    assert!(said.contains("no findings"), "{said}");
    assert!(!folder.path().join("my-app/_build/root/product.txt").exists());
}

#[test]
fn options_print_the_manifest_of_the_guidelines() {
    let folder = tempfile::tempdir().unwrap();
    let words = |more: &[&'static str]| -> Vec<&'static str> {
        ["solution", "manifest"].into_iter().chain(DESCRIBED).chain(more.iter().copied()).collect()
    };
    assert_eq!(run(folder.path(), &words(&[])), GUIDELINE);
    let more = [
        "--annotation",
        "build-host",
        "ci-7",
        "--annotation",
        "solutions.metalk8s.scality.com/development-release",
        "1",
        "--require-metalk8s",
        ">=2.7",
    ];
    let said = run(folder.path(), &words(&more));
    for line in ["build-host: ci-7", "development-release: '1'", "require-metalk8s: '>=2.7'"] {
        assert!(said.contains(&format!("    solutions.metalk8s.scality.com/{line}\n")), "{line}: {said}");
    }
    let report: serde_json::Value =
        serde_json::from_str(&run(folder.path(), &words(&["-o", "json"]))).unwrap();
    assert_eq!(report["images"][0], "some-extra-image:2.0.0");
    assert_eq!(report["displayName"], "Solution Name");
    refused(folder.path(), &["solution", "manifest", "--name", "a"], 3, "--operator-image");
    refused(folder.path(), &words(&["--extra-image", "Bad", "1"]), 3, "is not an image of an archive");
    refused(folder.path(), &["solution", "manifest"], 3, "no sealift.yaml");
}

#[test]
fn a_folder_builds_from_options_as_a_project_does() {
    let folder = tempfile::tempdir().unwrap();
    let Some(()) = guideline_folder(folder.path()) else { return };
    let solution = folder.path().join("solution");
    let mut words = vec!["solution", "build", "solution"];
    words.extend(DESCRIBED);
    run(folder.path(), &words);
    let iso = solution.join("_build/solution-name.iso");
    let first = digest(&iso);
    let manifest = text(&solution.join("_build/root/manifest.yaml"));
    let expected = GUIDELINE.replace(
        "  annotations:\n",
        "  annotations:\n    solutions.metalk8s.scality.com/build-timestamp: '1980-01-01T00:00:00Z'\n",
    );
    assert_eq!(manifest, expected);

    // The same as a project.
    let project = folder.path().join("project");
    peer::run(Command::new("cp").arg("-r").arg(&solution).arg(&project));
    fs::remove_dir_all(project.join("_build")).unwrap();
    write(
        &project.join("sealift.yaml"),
        "\
apiVersion: sealift.dev/v1alpha1
kind: Solution
metadata: {name: solution-name, version: 1.0.0}
spec:
  images:
    pull:
      - {name: some-extra-image, source: 'dir:images/some-extra-image/2.0.0', tag: 2.0.0}
      - {name: solution-name-operator, source: 'dir:images/solution-name-operator/1.0.0', tag: 1.0.0}
      - {name: solution-name-ui, source: 'dir:images/solution-name-ui/1.0.0', tag: 1.0.0}
  solution:
    displayName: Solution Name
    operator: solution-name-operator
    ui: solution-name-ui
",
    );
    run(&project, &["solution", "build"]);
    assert_eq!(digest(&project.join("_build/solution-name.iso")), first);
    // A folder is described once.
    let mut again = words.clone();
    again[2] = "project";
    refused(folder.path(), &again, 3, "--name describes another project");

    // Every image is the one that skopeo wrote, and skopeo reads it back.
    let unpacked = folder.path().join("unpacked");
    run(folder.path(), &["iso", "extract", "--into", unpacked.to_str().unwrap(), iso.to_str().unwrap()]);
    for image in ["some-extra-image/2.0.0", "solution-name-operator/1.0.0", "solution-name-ui/1.0.0"] {
        let (original, packed) = (solution.join("images").join(image), unpacked.join("images").join(image));
        assert_eq!(digest(&packed.join("manifest.json")), digest(&original.join("manifest.json")), "{image}");
        let to = folder.path().join("copied");
        registry::skopeo_copy(&[], &format!("dir:{}", packed.display()), &format!("dir:{}", to.display()));
        fs::remove_dir_all(&to).unwrap();
    }
    let config = text(&unpacked.join("registry-config.inc"));
    assert!(config.contains("/srv/scality/solution-name-1.0.0/images"), "{config}");
    assert!(text(&unpacked.join("registry-config.inc.j2")).contains("{{ repository }}"));
    peer::run(Command::new("sha256sum").args(["-c", "--quiet", "SHA256SUMS"]).current_dir(&unpacked));
    served(folder.path(), &iso);
    has_the_form_of_the_guidelines(&iso);

    // Mistakes of options.
    refused(
        folder.path(),
        &[
            "solution",
            "build",
            "solution",
            "--name",
            "solution-name",
            "--version",
            "1.0.0",
            "--operator-image",
            "other",
            "1",
        ],
        3,
        "no source for the image other:1",
    );
    let mut unused = words.clone();
    unused.extend(["--source", "nobody=oci:layout"]);
    refused(folder.path(), &unused, 3, "`nobody` is the source of no image");
}

/// Each image of the archive is copied by skopeo from the server.
fn served(folder: &Path, iso: &Path) {
    let port = free_port();
    let mut command = sealift::command(folder);
    command.args(["registry", "serve", "--no-tls", "--listen", &format!("127.0.0.1:{port}")]).arg(iso);
    let _server = daemon::start(&mut command, port, &folder.join("serve.log"));
    for image in ["some-extra-image:2.0.0", "solution-name-operator:1.0.0", "solution-name-ui:1.0.0"] {
        let to = folder.join("from-server");
        let from = format!("docker://127.0.0.1:{port}/solution-name-1.0.0/{image}");
        registry::skopeo_copy(&[], &from, &format!("dir:{}", to.display()));
        fs::remove_dir_all(&to).unwrap();
    }
}

/// The volume ID, Rock Ridge and Joliet as isoinfo reads them; xorriso finds the same volume ID.
fn has_the_form_of_the_guidelines(iso: &Path) {
    let isoinfo = |words: &[&str]| {
        let program = peer::find("isoinfo")?;
        let said = peer::run(Command::new(program).arg("-i").arg(iso).args(words)).stdout;
        Some(String::from_utf8_lossy(&said).into_owned())
    };
    if let Some(said) = isoinfo(&["-d"]) {
        for line in ["Volume id: solution-name 1.0.0\n", "Joliet with UCS level 3", "Rock Ridge"] {
            assert!(said.contains(line), "{line}: {said}");
        }
    }
    // MetalK8s reads the manifest so.
    if let Some(said) = isoinfo(&["-x", "/MANIFEST.YAML;1"]) {
        assert!(said.contains("name: solution-name\n"), "{said}");
    }
    if let Some(plain) = isoinfo(&["-f"]) {
        for name in plain.lines().filter_map(|path| path.rsplit('/').next()) {
            assert!(name.split(';').next().unwrap_or_default().len() <= 31, "{name}");
        }
    }
    if let Some(xorriso) = peer::find("xorriso") {
        let said = peer::run(Command::new(xorriso).arg("-indev").arg(iso).arg("-pvd_info"));
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        assert!(said.contains("solution-name 1.0.0"), "{said}");
    }
}

#[test]
fn the_layout_of_2019_has_product_information() {
    let folder = tempfile::tempdir().unwrap();
    let Some(()) = guideline_folder(folder.path()) else { return };
    let mut words = vec!["solution", "build", "solution", "--layout", "2019"];
    words.extend(DESCRIBED);
    refused(folder.path(), &words, 3, "--require-metalk8s <RANGE>");
    words.extend(["--require-metalk8s", ">=2.0"]);
    run(folder.path(), &words);
    let root = folder.path().join("solution/_build/root");
    let product = text(&root.join("product.txt"));
    for line in [
        "NAME=solution-name\n",
        "VERSION=1.0.0\n",
        "REQUIRE_METALK8S=\">=2.0\"\n",
        "ARCHIVE_LAYOUT_VERSION=1\n",
    ] {
        assert!(product.contains(line), "{line}: {product}");
    }
    assert!(!root.join("manifest.yaml").exists() && root.join("registry-config.inc").exists());
    let tree = archive::Tree::open(&folder.path().join("solution/_build/solution-name.iso")).unwrap();
    let (product, kind) = archive::product::describe(&tree).unwrap().unwrap();
    assert_eq!(kind, archive::product::ArchiveKind::Solution);
    let requires = archive::requires::of(&tree, Some(&product)).unwrap();
    assert_eq!(requires.first().unwrap().to_string(), "MetalK8s >=2.0");
}

#[test]
fn tags_of_a_registry_are_locked_once() {
    let folder = tempfile::tempdir().unwrap();
    let Some(()) = guideline_folder(folder.path()) else { return };
    let Some(registry) = registry::start(folder.path(), free_port()) else { return };
    let operator = format!("127.0.0.1:{}/team/operator:1.0.0", registry.port);
    let from = folder.path().join("solution/images/solution-name-operator/1.0.0");
    registry::skopeo_copy(&[], &format!("dir:{}", from.display()), &format!("docker://{operator}"));
    let only = folder.path().join("only");
    fs::create_dir_all(&only).unwrap();
    peer::run(Command::new("cp").arg("-r").arg(folder.path().join("solution/operator")).arg(&only));
    let mirror = format!("registry.invalid=http://127.0.0.1:{}", registry.port);
    let build = |port_closed: bool| {
        let mut command = sealift::command(&only);
        command.env("SEALIFT_CACHE", folder.path().join("cache")).args([
            "solution",
            "build",
            "--name",
            "app",
            "--version",
            "1.0.0",
        ]);
        command.args(["--operator-image", "app-operator", "1.0.0"]);
        command.args(["--source", "app-operator=docker://registry.invalid/team/operator:1.0.0"]);
        command.env(
            "REGISTRY_MIRRORS",
            if port_closed { "registry.invalid=http://127.0.0.1:1" } else { &mirror },
        );
        sealift::told(&command.output().unwrap())
    };
    let (code, out, error) = build(false);
    assert!(
        code == 0 && error.contains("registry.invalid/team/operator:1.0.0 is new: sha256:"),
        "{out}{error}"
    );
    let lock = text(&only.join("sealift.lock"));
    let first = digest(&only.join("_build/app.iso"));
    // From the lock file and the content store, without the registry.
    fs::remove_dir_all(only.join("_build")).unwrap();
    let (code, out, error) = build(true);
    assert!(code == 0 && !error.contains("is new"), "{out}{error}");
    assert_eq!((digest(&only.join("_build/app.iso")), text(&only.join("sealift.lock"))), (first, lock));
}

#[test]
fn one_source_tree_gives_both_versions_of_the_example() {
    let folder = tempfile::tempdir().unwrap();
    let example = folder.path().join("solution");
    peer::run(
        Command::new("cp").arg("-r").arg(sealift::repository().join("examples/solution")).arg(&example),
    );
    run(&example, &["solution", "build"]);
    run(&example, &["solution", "build", "--set", "release=1.1.0", "--build-root", "_build-1.1.0"]);
    let crd = |root: &str| text(&example.join(root).join("root/operator/deploy/crds/servers_crd.yaml"));
    let (one, other) = (crd("_build"), crd("_build-1.1.0"));
    assert!(!one.contains("port:") && other.contains("port:"));
    for text in [&one, &other] {
        let value: serde_json::Value = serde_saphyr::from_str(text).unwrap();
        assert_eq!(value["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["type"], "object");
    }
    let manifest = run(&example, &["solution", "manifest", "_build-1.1.0/example-solution.iso"]);
    assert!(
        manifest.contains("- base-server:1.1.0\n") && manifest.contains("  version: 1.1.0\n"),
        "{manifest}"
    );
    // A platform is built by another command.
    let minimal = sealift::repository().join("examples/minimal");
    let words = ["solution", "manifest", minimal.to_str().unwrap()];
    refused(folder.path(), &words, 3, "does not build a Solution");
}

/// The blocks of commands in the guide, each a list of lines.
fn guide() -> Vec<Vec<String>> {
    let guide = text(&sealift::repository().join("docs/guide/solutions.md"));
    let blocks = guide.split("\n```console\n").skip(1);
    blocks
        .map(|rest| {
            let block = rest.split("```").next().unwrap_or_default();
            block.lines().filter_map(|line| line.strip_prefix("$ sealift ")).map(str::to_owned).collect()
        })
        .collect()
}

#[test]
fn the_guide_works_as_printed() {
    let folder = tempfile::tempdir().unwrap();
    let commands: Vec<String> = guide().into_iter().flatten().collect();
    assert!(commands.len() >= 3, "{commands:?}");
    for command in commands {
        run(folder.path(), &command.split(' ').collect::<Vec<_>>());
    }
    let iso: PathBuf = folder.path().join("my-app/_build/my-app.iso");
    assert!(iso.exists());
}
