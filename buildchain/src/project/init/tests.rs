use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use super::*;
use crate::project::SettingsFlags;
use crate::project::names::ParsedName as _;

/// A folder that is going to be a project.
struct Folder {
    scratch: tempfile::TempDir,
    name: &'static str,
}

impl Folder {
    fn new(name: &'static str, files: &[(&str, &str)]) -> Self {
        let folder = Self { scratch: tempfile::tempdir().unwrap(), name };
        fs::create_dir(folder.root()).unwrap();
        for (path, text) in files {
            folder.write(path, text);
        }
        folder
    }

    fn root(&self) -> PathBuf {
        self.scratch.path().canonicalize().unwrap().join(self.name)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.root().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Builds a package in `folder` whose file is called `name`.
    fn rpm(&self, folder: &str, name: &str) {
        let target = self.root().join(folder);
        fs::create_dir_all(&target).unwrap();
        let package: String = name.chars().take_while(char::is_ascii_alphanumeric).collect();
        let definition = format!(
            "{{name: {package}, version: '1', release: '1', arch: noarch, summary: s, license: l, files: []}}"
        );
        let definition: ::packages::RpmDefinition = serde_saphyr::from_str(&definition).unwrap();
        let built = ::packages::build(&definition, &target, 1_700_000_000, &target).unwrap();
        fs::rename(built.path, target.join(name)).unwrap();
    }

    fn settings(&self) -> Settings {
        // Neither helm nor the user's settings.
        let git = std::env::split_paths(&std::env::var_os("PATH").unwrap())
            .map(|folder| folder.join("git"))
            .find(|git| git.is_file());
        let git = git.map_or_else(|| "git".into(), |git| git.display().to_string());
        let environment = BTreeMap::from([("GIT_BIN".to_owned(), git)]);
        Settings::gather(&self.root(), &environment, &SettingsFlags::default()).unwrap()
    }

    fn draft(&self) -> ProjectDraft {
        Project::draft(&self.root(), &self.settings(), &InitOptions::default()).unwrap()
    }

    /// Drafts the project, which must have no mistakes, and reads it.
    fn text(&self) -> String {
        let draft = self.draft();
        assert_eq!(draft.text, self.draft().text, "the same folder gives the same file");
        Project::load_as(&self.root(), self.settings(), Some(&draft.text))
            .unwrap_or_else(|error| panic!("{error}\n{}", draft.text));
        draft.text
    }

    fn git(&self, arguments: &[&str]) {
        let mut command = Command::new("git");
        command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null");
        for who in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{who}_NAME"), "A").env(format!("GIT_{who}_EMAIL"), "a@example.org");
        }
        let output = command.arg("-C").arg(self.root()).args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

const POD: &str = "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - image: quay.io/team/web:1.0\n";
const CHART: &str = "apiVersion: v2\nname: web\nversion: 1.0.0\nappVersion: '2.0'\n";

#[test]
fn an_empty_folder_becomes_a_small_project() {
    let text = Folder::new("empty", &[]).text();
    assert!(text.lines().count() < 15, "{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn each_kind_of_folder_becomes_a_project() {
    let values = "image: {repository: quay.io/team/app, tag: ''}\nsidecar: {image: {repository: quay.io/team/side, tag: '1'}}\n";
    let folders: [(&str, &[(&str, &str)]); 13] = [
        (
            "manifests",
            &[
                ("deploy/base/web.yaml", POD),
                ("deploy/base/notes.md", ""),
                ("src/main.go", ""),
                ("src/a.go", ""),
            ],
        ),
        (
            "manifests-in-the-folder",
            &[
                ("a.yaml", POD),
                ("kustomization.yml", "resources: [a.yaml]\n"),
                ("values.yaml", "a: 1\n"),
                ("x.sh", ""),
            ],
        ),
        (
            "manifests-among-sources",
            &[
                ("src/b/x.yaml", POD),
                ("src/b/x.go", ""),
                ("src/c.go", ""),
                ("src/compose.yaml", "services: {db: {image: postgres:17}}\n"),
            ],
        ),
        (
            "chart",
            &[
                ("charts/web/Chart.yaml", CHART),
                ("charts/web/values.yaml", values),
                ("charts/web/templates/x.yaml", "a: {{ .Values.b }}\n"),
                ("charts/web/hack.sh.in", ""),
            ],
        ),
        (
            "chart-in-the-folder",
            &[("Chart.yaml", CHART), ("values.yaml", values), (".helmignore", ""), ("tests/a.yaml", "")],
        ),
        (
            "charts",
            &[
                ("x/a/Chart.yaml", CHART),
                ("x/b/Chart.yaml", CHART),
                ("x/c/Chart.yaml", CHART),
                ("x/c/charts/d/Chart.yaml", CHART),
                ("y/a/Chart.yaml", CHART),
            ],
        ),
        (
            "salt",
            &[
                ("salt/top.sls", "base: {'*': [a]}\n"),
                ("salt/a/init.sls", "a: {docker_image.present: [{image: 'quay.io/a/b:1'}]}\n"),
                ("pillar/top.sls", "base: {}\n"),
            ],
        ),
        ("formula", &[("web/init.sls", "a: test.nop\n"), ("web/map.jinja", "")]),
        (
            "containerfiles",
            &[
                ("Dockerfile", "FROM scratch\nCOPY a /a\n"),
                ("a", ""),
                ("images/Web App/Containerfile", "FROM alpine:3\nCOPY go.mod /\n"),
                ("go.mod", ""),
                ("api/Dockerfile", "ARG V\nFROM alpine:$V\n"),
                ("b/Dockerfile.dev", ""),
                (
                    "deploy/web.yaml",
                    "kind: Pod\napiVersion: v1\nspec: {containers: [{image: 'team/web-app:latest'}]}\n",
                ),
            ],
        ),
        (
            "lists",
            &[
                (
                    "rke2-images.linux-amd64.txt",
                    "docker.io/rancher/a:v1\ndocker.io/rancher/b:v2\nquay.io/other/a:v1\n",
                ),
                ("sync.yaml", "quay.io: {images: {c: ['3.10'], d: []}}\n"),
            ],
        ),
        (
            "lists-with-equal-names",
            &[
                ("a.txt", "quay.io/a/x:1\n"),
                ("b.txt", "quay.io/b/x:1\nquay.io/a/x:1\n"),
                ("c.txt", "ghcr.io/b/x:1\n"),
                (
                    "pods.json",
                    "{\"apiVersion\": \"v1\", \"kind\": \"Pod\", \"spec\": {\"containers\": [{\"image\": \"ghcr.io/c/x:1\"}]}}",
                ),
            ],
        ),
        (
            "lists-of-digests",
            &[(
                "a.txt",
                "quay.io/a/x@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\nquay.io/a/y:1@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n",
            )],
        ),
        (
            "maybe",
            &[(
                "deploy/a.yaml",
                "apiVersion: v1\nkind: ConfigMap\ndata: {args: '--x=quay.io/a/maybe:1', image: '{{ x }}'}\n",
            )],
        ),
    ];
    for (name, files) in folders {
        insta::assert_snapshot!(name, Folder::new(name, files).text());
    }
}

#[test]
fn packages_are_in_the_repository_of_their_release() {
    let folder = Folder::new("rpms", &[]);
    for (path, name) in [
        ("rpms", "a-1-1.el8.noarch.rpm"),
        ("rpms", "b-1-1.el9.noarch.rpm"),
        ("rpms", "c-1-1.noarch.rpm"),
        ("el9", "d-1-1.noarch.rpm"),
        ("el9", "e[1]-1-1.noarch.rpm"),
        ("again", "d-1-1.el9.noarch.rpm"),
    ] {
        folder.rpm(path, name);
    }
    folder.write("el9/broken.rpm", "not a package");
    insta::assert_snapshot!("packages", folder.text());
    assert_eq!(folder.draft().warnings.len(), 2, "{:?}", folder.draft().warnings);

    let folder = Folder::new("rpms", &[]);
    for path in ["m/a", "m/b", "m/c", "m/d", "m/e"] {
        folder.rpm(path, &format!("{}-1-1.noarch.rpm", &path[2..]));
    }
    insta::assert_snapshot!("packages_of_a_mirror", folder.text());
}

#[test]
fn everything_together_is_one_project_without_what_git_ignores_and_what_no_archive_holds() {
    let folder = Folder::new(
        "My Project!",
        &[
            (".gitignore", "*.log\n/out/\n!deploy/keep.log\n"),
            ("deploy/web.yaml", POD),
            ("deploy/db.yaml", POD),
            ("deploy/keep.log", ""),
            ("deploy/x.log", ""),
            ("deploy/.gitignore", "secret.yaml\n"),
            ("deploy/secret.yaml", &POD.replace("web", "secret")),
            ("deploy/chart/Chart.yaml", CHART),
            ("deploy/chart/values.yaml", "image: {repository: quay.io/team/app, tag: '1'}\n"),
            ("deploy/node_modules/x.yaml", POD),
            ("out/x.yaml", POD),
            ("test/x.yaml", POD),
            (".github/x.yaml", POD),
            ("_build/x.yaml", POD),
            ("config", "apiVersion: v1\nkind: Config\ncurrent-context: x\n"),
            ("images.txt", "quay.io/team/web:1.0\n"),
        ],
    );
    folder.rpm("vendor", "a-1-1.el8.noarch.rpm");
    let root = folder.root();
    symlink("/etc/passwd", root.join("deploy/absolute")).unwrap();
    symlink("../config", root.join("deploy/out-of-the-folder")).unwrap();
    symlink("nowhere", root.join("deploy/dangling")).unwrap();
    symlink("web.yaml", root.join("deploy/inside.yaml")).unwrap();
    symlink("deploy", root.join("linked")).unwrap();
    let fifo = root.join("deploy/fifo");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    insta::assert_snapshot!(folder.text());
    assert_eq!(folder.draft().skipped, [Path::new("test")]);
}

#[test]
fn hostile_names_are_names() {
    let names = [
        "a: b",
        "#x",
        "it's",
        "\"q\"",
        "new\nline",
        "{{ x }}",
        "{% if %}",
        "*",
        "[a]",
        "~",
        "- y",
        "é",
        "\u{202e}r",
        "tab\t",
        "{a,b}",
        "back\\slash",
        "'{{'",
        "&a",
        "!x",
        "x #y",
        "true",
        "1.0",
    ];
    for name in names {
        let folder = Folder::new("hostile", &[]);
        folder.write(&format!("{name}/web.yaml"), POD);
        folder.write(&format!("{name}/bad {name}.in"), "{{ nothing }}");
        folder.write(&format!("{name}/{name}/Chart.yaml"), CHART);
        folder.write(&format!("images/{name}/Dockerfile"), "FROM scratch\n");
        folder.rpm(&format!("rpms/{name}"), "a-1-1.el8.noarch.rpm");
        symlink("/etc", folder.root().join(name).join(format!("link{name}"))).unwrap();
        let text = folder.text();
        let project = Project::load_as(&folder.root(), folder.settings(), Some(&text)).unwrap();
        assert_eq!(project.files.len(), 2, "{name}: {text}");
        for files in &project.files {
            let listed = project.list(files).unwrap_or_else(|error| panic!("{name}: {error}\n{text}"));
            assert!(
                listed.files.iter().all(|file| !file.is_template && file.link.is_none()),
                "{name}: {text}"
            );
            assert!(listed.unused.is_empty(), "{name}: {:?}\n{text}", listed.unused);
        }
        assert_eq!(project.repositories[0].rpms.len(), 1, "{name}: {text}");
    }
}

#[test]
fn the_name_is_made_valid() {
    let cases = [
        ("web", "web"),
        ("My Project!", "My-Project"),
        ("..x", "x"),
        ("日本", "archive"),
        ("a--b__c", "a-b_c"),
        ("a-very-long-name-of-a-folder-that-goes-on", "a-very-long-name-of-a"),
    ];
    let version = DraftVersion::Fixed(VERSION.to_owned());
    for (folder, expected) in cases {
        assert_eq!(name(&Path::new("/x").join(folder), &version), expected, "{folder}");
    }
    assert_eq!(name(Path::new("/"), &version), "archive");
}

#[test]
fn the_version_is_that_of_the_user_or_the_tag_or_the_first() {
    let folder = Folder::new("project", &[("a", "")]);
    assert_eq!(folder.draft().version, "0.1.0");
    folder.git(&["init", "-q"]);
    assert_eq!(folder.draft().version, "0.1.0");
    folder.git(&["add", "."]);
    folder.git(&["commit", "-qm", "a"]);
    for (tag, version, value) in [
        ("release/1", "0.1.0", "0.1.0"),
        ("2024.1", "0.1.0", "0.1.0"),
        ("v1.2.0", "1.2.0-dev", "1.2.0"),
        ("1.3.0-rc1", "1.3.0-dev", "1.3.0-rc1"),
    ] {
        folder.git(&["tag", "-f", tag]);
        let draft = folder.draft();
        assert_eq!(draft.version, version, "{tag}");
        let project = Project::load_as(&folder.root(), folder.settings(), Some(&draft.text)).unwrap();
        assert_eq!(project.values.version, value, "{}", draft.text);
        folder.git(&["tag", "-d", tag]);
    }
    folder.git(&["tag", "v1.2.0"]);
    folder.git(&["commit", "-q", "--allow-empty", "-m", "b"]);
    let text = folder.text();
    let project = Project::load_as(&folder.root(), folder.settings(), Some(&text)).unwrap();
    assert_eq!(project.values.version, "1.2.0-dev", "{text}");
    insta::assert_snapshot!("version_of_a_tag", text);
    // Another tag of the commit does not hide it, and neither do older and foreign releases.
    folder.git(&["tag", "deployed"]);
    folder.git(&["tag", "v1.1.9"]);
    assert_eq!(folder.draft().version, "1.2.0-dev");
    folder.git(&["checkout", "-q", "-b", "next"]);
    folder.git(&["commit", "-q", "--allow-empty", "-m", "c"]);
    folder.git(&["tag", "v2.0.0"]);
    folder.git(&["checkout", "-q", "-"]);
    assert_eq!(folder.draft().version, "1.2.0-dev");
    let options = InitOptions {
        version: Some(Version::parse("9").unwrap()),
        name: Some(ArchiveName::parse("x").unwrap()),
        from_tags: true,
    };
    let draft = Project::draft(&folder.root(), &folder.settings(), &options).unwrap();
    assert_eq!((draft.name.as_str(), draft.version.as_str()), ("x", "9"));
}

#[test]
fn a_project_with_a_release_pipeline_has_the_version_of_its_tags() {
    let folder = Folder::new("project", &[]);
    let options = InitOptions { from_tags: true, ..InitOptions::default() };
    let draft = Project::draft(&folder.root(), &folder.settings(), &options).unwrap();
    assert!(draft.text.contains("  versionFrom: {git: tag, default: 0.1.0-dev}\n"), "{}", draft.text);
}

#[test]
fn no_file_is_replaced_and_git_learns_of_the_build_root_once() {
    let folder = Folder::new("project", &[]);
    assert_eq!(folder.draft().ignore_line, None, "no repository");
    folder.git(&["init", "-q"]);
    let draft = folder.draft();
    assert_eq!(draft.ignore_line.as_deref(), Some("/_build/"));
    draft.write().unwrap();
    let file = folder.root().join(FILE_NAME);
    assert_eq!(fs::read_to_string(&file).unwrap(), draft.text);
    assert_eq!(fs::read_to_string(folder.root().join(".gitignore")).unwrap(), "/_build/\n");
    assert!(matches!(draft.write(), Err(Error::Exists(path)) if path == file));
    let again = Project::draft(&folder.root(), &folder.settings(), &InitOptions::default());
    assert!(matches!(again, Err(Error::Exists(path)) if path == file));
    // Not even a link that leads nowhere.
    fs::remove_file(&file).unwrap();
    symlink("nowhere", &file).unwrap();
    assert!(Project::draft(&folder.root(), &folder.settings(), &InitOptions::default()).is_err());
    fs::remove_file(&file).unwrap();

    for (text, expected) in [
        ("*.log", Some("*.log\n/_build/\n")),
        ("_build\n", None),
        ("_*\n", None),
        ("_build\n!_build\n", Some("_build\n!_build\n/_build/\n")),
    ] {
        folder.write(".gitignore", text);
        let draft = folder.draft();
        assert_eq!(draft.ignore_line.is_some(), expected.is_some(), "{text}");
        draft.write().unwrap();
        assert_eq!(fs::read_to_string(folder.root().join(".gitignore")).unwrap(), expected.unwrap_or(text));
        fs::remove_file(&file).unwrap();
    }
    // A link could lead anywhere.
    let outside = folder.scratch.path().join("outside");
    fs::write(&outside, "").unwrap();
    fs::remove_file(folder.root().join(".gitignore")).unwrap();
    symlink(&outside, folder.root().join(".gitignore")).unwrap();
    assert_eq!(folder.draft().ignore_line, None);
}

#[test]
fn the_dependencies_of_a_chart_are_part_of_it_even_if_git_ignores_them() {
    let folder = Folder::new(
        "project",
        &[
            (".gitignore", "charts/*/charts\n*.tgz\n"),
            ("charts/web/Chart.yaml", CHART),
            ("charts/web/charts/a-1.0.0.tgz", ""),
            ("charts/web/charts/b/Chart.yaml", CHART),
            ("charts/web/web-1.0.0.tgz", ""),
        ],
    );
    let text = folder.text();
    assert!(text.contains("{from: charts/web, to: charts/web, exclude: [/web-1.0.0.tgz]}\n"), "{text}");
}

#[test]
fn what_git_ignores_is_not_looked_at() {
    let folder = Folder::new(
        "project",
        &[
            (".gitignore", "/sub/x\n*.tmp\n"),
            (".git/info/exclude", ""),
            ("sub/.gitignore", "*\n!.gitignore\n!y*\n!deep/\n"),
        ],
    );
    folder.git(&["init", "-q"]);
    folder.write(".git/info/exclude", "excluded\n!a.tmp\n");
    for name in [
        "a.tmp",
        "b",
        "excluded",
        "sub/x",
        "sub/y",
        "sub/y.tmp",
        "sub/z",
        "sub/deep/y",
        "sub/deep/z",
        "sub/deep/a/y",
    ] {
        folder.write(name, "");
    }
    folder.git(&["add", "-f", "sub/x", "sub/z"]);
    folder.write("sub/deep/z", "");
    folder.write("sub/out/a", "");
    folder.write("sub/out/b", "");
    folder.git(&["add", "-f", "sub/out/a"]);
    for root in [folder.root(), folder.root().join("sub")] {
        let output = Command::new("git")
            .arg("-C")
            .arg(&root)
            .args(["ls-files", "-co", "--exclude-standard"])
            .output()
            .unwrap();
        let mut expected: Vec<String> =
            String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect();
        expected.sort();
        let survey =
            survey::survey(&root, &root.join("_build"), &repository(&root, &folder.settings()).unwrap().1)
                .unwrap();
        let mut found: Vec<String> =
            survey.files.iter().map(|file| file.path.display().to_string()).collect();
        found.sort();
        assert_eq!(found, expected, "{}", root.display());
    }
}
