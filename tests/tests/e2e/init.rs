//! `sealift init`: what it writes for the folders that users have is a project that loads, and builds as its output says.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tests::daemon::free_port;
use tests::registry::{self, Layout};
use tests::{peer, sealift};

const CHART: &str = "apiVersion: v2\nname: web\nversion: 1.0.0\nappVersion: '2.0'\n";
const CONFIG: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n";

/// A kind of folder: its name, its files, whether it also has an RPM, what `init` says that it found, and files of the archive.
type Case =
    (&'static str, &'static [(&'static str, &'static str)], bool, &'static str, &'static [&'static str]);

/// A folder of a user, in a folder that has nothing of this machine.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        fs::create_dir(folder.path("")).unwrap();
        for (name, text) in files {
            folder.write(name, text);
        }
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join("project").join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// Builds an RPM into `folder`.
    fn rpm(&self, folder: &str) {
        let target = self.path(folder);
        fs::create_dir_all(&target).unwrap();
        let definition: packages::RpmDefinition = serde_saphyr::from_str(
            "{name: hello, version: '1', release: 1.el9, arch: noarch, summary: Hello, license: MIT}",
        )
        .unwrap();
        packages::build(&definition, &target, 1_700_000_000, &target).unwrap();
    }

    fn command(&self) -> Command {
        let mut command = sealift::command(&self.path(""));
        command.env("SEALIFT_CACHE", self.0.path().join("cache")).env("SOURCE_DATE_EPOCH", "1700000000");
        // Charts are read by their values wherever the test runs.
        command.env("HELM_BIN", "/nonexistent/helm");
        command
    }

    fn sealift(&self, arguments: &[&str]) -> (i32, String, String) {
        sealift::told(&self.command().args(arguments).output().unwrap())
    }

    fn succeed(&self, arguments: &[&str]) -> String {
        let (code, out, err) = self.sealift(arguments);
        assert_eq!(code, 0, "{arguments:?}: {out}{err}");
        out
    }

    /// Runs the commands that `init` says to type next.
    fn follow(&self, said: &str) {
        let next = said.lines().find_map(|line| line.strip_prefix("next: ")).unwrap();
        for command in next.split(" && ") {
            let words: Vec<&str> = command.strip_prefix("sealift ").unwrap().split(' ').collect();
            self.succeed(&words);
        }
    }
}

/// The project file at `path` is valid for the validator that editors have, where it is installed.
fn check_schema(folder: &Path, path: &Path) {
    if peer::find("check-jsonschema").is_none() {
        return;
    }
    let schema = folder.join("schema.json");
    fs::write(&schema, peer::run(sealift::command(folder).arg("schema")).stdout).unwrap();
    peer::run(Command::new("check-jsonschema").arg("--schemafile").arg(&schema).arg(path));
}

#[test]
fn each_kind_of_folder_is_a_project_that_builds_without_a_network() {
    let cases: [Case; 6] = [
        ("empty", &[], false, "nothing to pack", &["product.txt"]),
        ("manifests", &[("deploy/a.yaml", CONFIG)], false, "1 manifest", &["manifests/a.yaml"]),
        (
            "chart",
            &[
                ("Chart.yaml", CHART),
                ("templates/a.yaml", "{{ .Values.a }}\n"),
                ("x.sh.in", "{{ nothing }}\n"),
            ],
            false,
            "1 chart",
            &["charts/project/Chart.yaml", "charts/project/templates/a.yaml", "charts/project/x.sh.in"],
        ),
        ("rpms", &[], true, "1 RPM", &["packages/redhat/9/project-base-el9/noarch/hello-1-1.el9.noarch.rpm"]),
        (
            "salt",
            &[("salt/top.sls", "base: {}\n"), ("pillar/top.sls", "base: {}\n")],
            false,
            "2 Salt trees",
            &["salt/top.sls", "pillar/top.sls"],
        ),
        (
            "mixed",
            &[
                ("k8s/a.yaml", CONFIG),
                ("charts/web/Chart.yaml", CHART),
                ("states/top.sls", "base: {}\n"),
                ("README.md", "# Hello\n"),
            ],
            true,
            "1 chart, 1 manifest, 1 Salt tree, 1 RPM",
            &["manifests/a.yaml", "charts/web/Chart.yaml", "salt/top.sls"],
        ),
    ];
    for (kind, files, has_rpm, found, expected) in cases {
        let folder = Folder::new(files);
        if has_rpm {
            folder.rpm("rpms");
        }
        let said = folder.succeed(&["init"]);
        assert_eq!(said, format!("found {found}\nwrote sealift.yaml\nnext: sealift run\n"), "{kind}");
        check_schema(folder.0.path(), &folder.path("sealift.yaml"));
        folder.succeed(&["list", "--all"]);
        // It would run.
        let (code, out, err) = folder.sealift(&["info", "iso"]);
        assert_eq!(code, 1, "{kind}: {out}{err}");
        folder.follow(&said);
        for file in expected {
            assert!(
                folder.path("_build/root").join(file).exists(),
                "{kind}: {file}\n{}",
                folder.read("sealift.yaml")
            );
        }
        let said = folder.succeed(&["archive", "verify", "_build/project.iso"]);
        assert!(said.contains("intact"), "{kind}: {said}");
    }
}

#[test]
fn a_folder_with_images_is_locked_and_built_by_the_commands_that_are_named() {
    if peer::find("skopeo").is_none() || peer::find("buildah").is_none() {
        return;
    }
    let folder = Folder::new(&[
        (
            "deploy/web.yaml",
            "apiVersion: v1\nkind: Pod\nspec: {containers: [{image: 'team/web:1.0'}, {image: 'quay.io/team/api:latest'}]}\n",
        ),
        ("charts/db/Chart.yaml", CHART),
        (
            "charts/db/values.yaml",
            "image: {repository: quay.io/team/db, tag: ''}\nother: {args: '--x=quay.io/team/maybe:1'}\n",
        ),
        ("images.linux-amd64.txt", "# all\nquay.io/team/one:v1\nquay.io/other/one:v1\n"),
        ("sync.yaml", "quay.io: {images: {team/sync: ['1.10']}}\n"),
        ("api/Dockerfile", "FROM quay.io/team/base:3\nCOPY go.mod /\n"),
        ("go.mod", "module a\n"),
        (".dockerignore", "*\n!go.mod\n"),
    ]);
    let port = free_port();
    let Some(registry) = registry::start(folder.0.path(), port) else { return };
    let layout = Layout::new(folder.0.path().join("layout"));
    let image = layout.image("amd64", &[&registry::layer(folder.0.path(), &["curl"])]);
    layout.name(&[("image", &image), ("index", &layout.index(std::slice::from_ref(&image)))]);
    for (name, from) in [
        ("team/web:1.0", "image"),
        ("team/db:2.0", "image"),
        ("team/one:v1", "index"),
        ("other/one:v1", "index"),
        ("team/sync:1.10", "image"),
        ("team/base:3", "image"),
    ] {
        let to = format!("docker://127.0.0.1:{}/{name}", registry.port);
        registry::skopeo_copy(&["--all"], &format!("oci:{}:{from}", layout.folder.display()), &to);
    }
    // The mirrors of the machine; the project knows nothing of them.
    let mirror = |host: &str| format!("{host}=http://127.0.0.1:{port}");
    let mirrors = format!("REGISTRY_MIRRORS=\"{} {}\"\n", mirror("docker.io"), mirror("quay.io"));
    folder.write(".env", &format!("{mirrors}DOCKER_BIN=buildah\n"));
    let (code, said, err) = folder.sealift(&["init"]);
    assert_eq!(
        (code, said.as_str()),
        (
            0,
            "found 1 chart, 1 manifest, 1 image to build, 2 lists of images, 5 images, 2 possible images\nwrote sealift.yaml\n\
             next: sealift lock && sealift run\n"
        ),
        "{err}"
    );
    assert!(err.contains("charts/db: helm is not installed"), "{err}");
    let text = folder.read("sealift.yaml");
    check_schema(folder.0.path(), &folder.path("sealift.yaml"));
    assert!(text.contains("# - quay.io/team/maybe:1  # charts/db/values.yaml:2\n"), "{text}");
    assert!(
        text.contains("# - quay.io/team/api:latest  # deploy/web.yaml:3, perhaps `api` above\n"),
        "{text}"
    );
    folder.succeed(&["list"]);
    let mut command = folder.command();
    command.env("STORAGE_DRIVER", "vfs").env("BUILDAH_ISOLATION", "chroot");
    folder.succeed(&["lock"]);
    let (code, out, err) = sealift::told(&command.arg("run").output().unwrap());
    assert_eq!(code, 0, "{out}{err}\n{text}");
    let said = folder.succeed(&["archive", "inspect", "_build/project.iso"]);
    for image in ["web:1.0", "db:2.0", "team/one:v1", "other/one:v1", "sync:1.10", "api:0.1.0"] {
        assert!(said.contains(image), "{image}: {said}\n{text}");
    }
    // Nothing that the files name is missing.
    let check =
        ["image", "find", "--check", "_build/project.iso", "images.linux-amd64.txt", "charts", "sync.yaml"];
    let (code, out, _) = folder.sealift(&check);
    assert_eq!(code, 0, "{out}");
}

#[test]
fn nothing_is_replaced_and_a_dry_run_writes_nothing() {
    let folder = Folder::new(&[("deploy/a.yaml", CONFIG)]);
    let (code, out, err) = folder.sealift(&["init", "--dry-run"]);
    assert!(code == 0 && err.contains("found 1 manifest"), "{code}: {err}");
    assert!(!folder.path("sealift.yaml").exists());
    let json = folder.succeed(&["init", "--dry-run", "-o", "json", "--name", "Web", "--version", "2.0"]);
    let document: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(document["kind"], "InitializedProject");
    assert_eq!(
        (&document["written"], &document["found"]["manifests"]),
        (&Value::Bool(false), &Value::from(1))
    );
    let text = document["text"].as_str().unwrap();
    assert!(text.contains("  name: Web\n") && text.contains("  version: '2.0'\n"), "{text}");
    folder.succeed(&["init"]);
    assert_eq!(folder.read("sealift.yaml"), out);
    folder.write("sealift.yaml", "mine");
    let (code, _, err) = folder.sealift(&["init"]);
    assert!(
        code == 3 && err.contains("sealift.yaml exists") && err.contains("image find --write"),
        "{code}: {err}"
    );
    assert_eq!(folder.read("sealift.yaml"), "mine");
    for (arguments, message) in [
        (&["init", "--name", "a b"][..], "cannot name an archive"),
        (&["init", "--version", " "], "is not a version"),
    ] {
        let (code, _, err) = folder.sealift(arguments);
        assert!(code == 3 && err.contains(message), "{code}: {err}");
    }
}

#[test]
fn a_folder_without_a_project_names_init_and_another_folder_is_created() {
    let folder = Folder::new(&[]);
    let (code, _, err) = folder.sealift(&["run"]);
    assert!(
        code == 3 && err.contains("no sealift.yaml in") && err.contains("`sealift init`"),
        "{code}: {err}"
    );
    let said = folder.succeed(&["init", "new/it's mine"]);
    assert_eq!(
        said,
        "found nothing to pack\nwrote new/it's mine/sealift.yaml\nnext: sealift run --project \"new/it's mine\"\n"
    );
    folder.succeed(&["run", "--project", "new/it's mine"]);
    assert!(folder.path("new/it's mine/_build/it-s-mine.iso").exists());
}

#[test]
fn in_a_repository_the_build_root_is_ignored_and_the_version_is_the_tag() {
    let folder = Folder::new(&[("deploy/a.yaml", CONFIG)]);
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        command.current_dir(folder.path("")).args(["-c", "user.name=A", "-c", "user.email=a@example.org"]);
        peer::run(command.args(arguments));
    };
    git(&["init", "-q"]);
    git(&["add", "."]);
    git(&["commit", "-qm", "all"]);
    git(&["tag", "v1.2.0"]);
    let said = folder.succeed(&["init"]);
    assert!(said.contains("wrote sealift.yaml, and /_build/ to .gitignore\n"), "{said}");
    folder.succeed(&["run"]);
    let product = folder.read("_build/root/product.txt");
    assert!(product.contains("VERSION=1.2.0\n"), "{product}");
    git(&["add", "."]);
    git(&["commit", "-qm", "init"]);
    folder.succeed(&["run"]);
    let product = folder.read("_build/root/product.txt");
    assert!(product.contains("VERSION=1.2.0-dev\n"), "{product}");
    assert!(!peer::run(Command::new("git").current_dir(folder.path("")).arg("ls-files")).stdout.is_empty());
}
