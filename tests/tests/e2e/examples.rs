//! The projects in `examples/` build, and the commands of the tutorials work as they are printed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tests::daemon::{Daemon, free_port};
use tests::registry::{self, Layout};
use tests::{peer, sealift};

/// A folder with a registry that stands in for docker.io, and `sealift` on the search path.
struct Bench {
    folder: tempfile::TempDir,
    registry: Daemon,
}

impl Bench {
    /// `None` if a peer is missing.
    fn new() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let registry = registry::start(folder.path(), free_port())?;
        peer::find("skopeo")?;
        let layout = Layout::new(folder.path().join("layout"));
        let image = layout.image("amd64", &[&registry::layer(folder.path(), &["curl"])]);
        layout.name(&[("image", &image)]);
        for name in ["library/nginx:1.27-alpine", "library/alpine:3.20"] {
            let to = format!("docker://127.0.0.1:{}/{name}", registry.port);
            registry::skopeo_copy(&[], &format!("oci:{}:image", layout.folder.display()), &to);
        }
        let bin = folder.path().join("bin");
        fs::create_dir(&bin).unwrap();
        std::os::unix::fs::symlink(sealift::binary(), bin.join("sealift")).unwrap();
        Some(Self { folder, registry })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A copy of an example.
    fn example(&self, name: &str, into: &str) -> PathBuf {
        let (from, to) = (sealift::repository().join("examples").join(name), self.path(into));
        peer::run(Command::new("cp").arg("-r").arg(from).arg(&to));
        to
    }

    /// Runs lines of a shell in `folder`, each of which must succeed; returns their output.
    fn run(&self, folder: &Path, lines: &[String]) -> String {
        let path = std::env::join_paths(
            std::iter::once(self.path("bin"))
                .chain(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())),
        )
        .unwrap();
        // Only for its environment.
        let clean = sealift::command(folder);
        let mut command = Command::new("bash");
        command.args(["-e", "-u", "-o", "pipefail", "-c", &lines.join("\n")]).current_dir(folder);
        for (name, value) in clean.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let mirror = format!("docker.io=http://127.0.0.1:{}", self.registry.port);
        command.env("PATH", path).env("REGISTRY_MIRRORS", mirror).env("SEALIFT_CACHE", self.path("cache"));
        String::from_utf8(peer::run(&mut command).stdout).unwrap()
    }
}

fn document(name: &str) -> String {
    fs::read_to_string(sealift::repository().join(name)).unwrap()
}

/// The blocks of a kind in a document.
fn blocks(document: &str, kind: &str) -> Vec<String> {
    let start = format!("\n```{kind}\n");
    document.split(&start).skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

/// The commands in a document. A server starts in the background, on a port of its own.
fn commands(document: &str) -> Vec<String> {
    let port = free_port().to_string();
    let blocks = blocks(document, "console");
    let lines = blocks.iter().flat_map(|block| block.lines().filter_map(|line| line.strip_prefix("$ ")));
    let mut commands = Vec::new();
    for line in lines {
        let line = line.replace("8080", &port);
        if line.starts_with("sealift registry serve") {
            commands.push(format!("{line} --listen 127.0.0.1:{port} & trap 'kill %1' EXIT"));
            let ready = format!("http://127.0.0.1:{port}/readyz");
            commands
                .push(format!("curl -sf --retry 50 --retry-connrefused --retry-delay 1 -o ready {ready}"));
        } else {
            commands.push(line);
        }
    }
    assert!(!commands.is_empty());
    commands
}

fn lines(text: &[&str]) -> Vec<String> {
    text.iter().map(|line| (*line).to_owned()).collect()
}

#[test]
fn every_example_builds_as_its_readme_says() {
    let Some(bench) = Bench::new() else { return };
    for (name, expected) in [
        ("minimal", &["Example 1.0.0", "nginx:1.27-alpine", "hello-1.0.0-1.noarch"][..]),
        ("platform", &["Lighthouse 3.1.0", "alpine:3.20", "tools:3.1.0", "tools:latest", "el9"]),
        ("solution", &["example-solution 1.0.0", "example-solution-operator:1.0.0", "base-server:1.0.0"]),
    ] {
        let folder = bench.example(name, name);
        bench.run(&folder, &commands(&document(&format!("examples/{name}/README.md"))));
        let said = bench.run(
            &folder,
            &lines(&["sealift archive verify _build/*.iso", "sealift archive inspect _build/*.iso"]),
        );
        assert!(said.contains("intact"), "{name}: {said}");
        for text in expected {
            assert!(said.contains(text), "{name}: {text} is not in {said}");
        }
    }
    let root = bench.path("platform/_build/root");
    assert_eq!(
        fs::read_to_string(root.join("version.sh")).unwrap(),
        "#!/bin/sh\necho \"Lighthouse 3.1.0\"\n"
    );
    assert!(!root.join("NOTES.md").exists() && !root.join("extra").exists());
    assert!(
        root.join("images/alpine-3.20.tar").exists() && root.join("documentation/docs/check.html").exists()
    );
    bench.run(&bench.path("platform"), &lines(&["sealift run --profile full"]));
    assert!(root.join("extra/VERSION").exists());
    let manifest = fs::read_to_string(bench.path("solution/_build/root/manifest.yaml")).unwrap();
    assert!(manifest.contains("- example-solution-operator:1.0.0\n"), "{manifest}");
    for folder in ["_build", "_build-1.1.0"] {
        let check = format!("sealift solution check {folder}/example-solution.iso");
        let said = bench.run(&bench.path("solution"), &lines(&[&check]));
        assert!(said.contains(": no findings in "), "{said}");
    }
    let iso = bench.path("solution/_build/example-solution.iso");
    let tree = archive::Tree::open(&iso).unwrap();
    let (product, kind) = archive::product::describe(&tree).unwrap().unwrap();
    assert_eq!(
        (product.id().as_str(), kind),
        ("example-solution-1.0.0", archive::product::ArchiveKind::Solution)
    );
}

#[test]
fn the_tutorial_for_platforms_works_as_printed() {
    let Some(bench) = Bench::new() else { return };
    if peer::find("curl").is_none() {
        return;
    }
    let (tutorial, folder) = (document("docs/tutorial/platform.md"), bench.path("project"));
    let files = ["sealift.yaml", "packages/hello/package.yaml"];
    for (name, block) in files.iter().zip(blocks(&tutorial, "yaml")) {
        assert_eq!(block, document(&format!("examples/minimal/{name}")), "{name}");
        fs::create_dir_all(folder.join(name).parent().unwrap()).unwrap();
        fs::write(folder.join(name), block).unwrap();
    }
    let readme = document("README.md");
    assert_eq!(blocks(&readme, "yaml"), [document("examples/minimal/sealift.yaml")]);
    let said = bench.run(&folder, &commands(&tutorial));
    assert!(said.contains("example.iso: intact: implanted MD5 and 26 files"), "{said}");
    for name in ["packages/hello/hello.sh", "salt/top.sls"] {
        assert_eq!(
            fs::read_to_string(folder.join(name)).unwrap(),
            document(&format!("examples/minimal/{name}"))
        );
    }
}

#[test]
fn the_tutorial_for_solutions_works_as_printed() {
    let Some(bench) = Bench::new() else { return };
    let tutorial = document("docs/tutorial/solution.md");
    let folder = bench.example("solution", "project");
    let uncommented = |text: &str| -> String {
        text.lines()
            .filter(|line| !line.trim_start().starts_with('#'))
            .map(|line| format!("{line}\n"))
            .collect()
    };
    let files = ["sealift.yaml", "images/example-solution-operator/image.yaml"];
    for (name, block) in files.iter().zip(blocks(&tutorial, "yaml")) {
        let file = fs::read_to_string(folder.join(name)).unwrap();
        assert_eq!(uncommented(&file), block, "{name}");
    }
    let said = bench.run(&folder, &commands(&tutorial));
    assert!(said.contains("intact") && said.contains("base-server:1.0.0"), "{said}");
}

#[test]
fn the_tutorial_for_releases_works_as_printed() {
    let (Some(bench), Some(_)) = (Bench::new(), peer::find("openssl")) else { return };
    let folder = bench.example("minimal", "first");
    let git = "git -c user.name=Test -c user.email=test@localhost";
    let commit = format!("{git} add . && {git} commit -qm all");
    fs::write(folder.join(".gitignore"), "/_build\n/build.json\n").unwrap();
    bench.run(&folder, &["sealift lock".into(), "git init -q .".into(), commit]);
    let mut script = commands(&document("docs/tutorial/release.md"));
    for line in &mut script {
        if line.starts_with("sealift iso diff") {
            *line = format!(
                "cp _build/example.iso example-1.0.0.iso; cp example-1.0.0.iso example-1.1.0.iso; {line}"
            );
        }
    }
    let said = bench.run(&folder, &script);
    assert!(said.contains("NAME=Example") && !said.contains("dirty"), "{said}");
}

/// All values of an attribute in a page.
fn attributes<'p>(page: &'p str, name: &str) -> Vec<&'p str> {
    let start = format!(" {name}=\"");
    page.split(start.as_str()).skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

#[test]
fn the_book_of_this_repository_can_be_read_without_a_network_or_a_script() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = sealift::command(sealift::repository());
    command.args(["run", "documentation", "--build-root"]).arg(folder.path().join("build"));
    let (code, out, err) =
        sealift::told(&command.env("SEALIFT_CACHE", folder.path().join("cache")).output().unwrap());
    assert!(code == 0 && !err.contains("warning"), "{code}: {out}{err}");
    let root = folder.path().join("build/root/documentation");
    let (mut folders, mut pages) = (vec![root.clone()], 0);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "html") {
                pages += 1;
                read_page(&root, &path);
            }
        }
    }
    assert!(pages > 30, "{pages}");
}

/// Every link of a page below `root` leads to a file there, and to a place in it.
fn read_page(root: &Path, path: &Path) {
    let page = fs::read_to_string(path).unwrap();
    assert!(!page.contains("<script") && page.contains(" aria-current=\"page\""), "{}", path.display());
    for link in attributes(&page, "href").into_iter().chain(attributes(&page, "src")) {
        if link.contains("://") || link.starts_with("mailto:") {
            continue;
        }
        let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
        let target = if file.is_empty() { path.to_path_buf() } else { path.parent().unwrap().join(file) };
        let shown = format!("{}: {link}", path.strip_prefix(root).unwrap().display());
        let target = target.canonicalize().unwrap_or_else(|error| panic!("{shown}: {error}"));
        assert!(target.starts_with(root.canonicalize().unwrap()), "{shown}");
        if !anchor.is_empty() {
            let text = fs::read_to_string(&target).unwrap();
            assert!(attributes(&text, "id").contains(&anchor), "{shown}: no such place");
        }
    }
}

/// An editor checks a project against the schema that `sealift schema` prints. The peer reads patterns as ECMAScript, as editors do.
#[test]
fn the_schema_accepts_every_example_and_names_a_mistake() {
    if peer::find("check-jsonschema").is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let schema = folder.path().join("schema.json");
    fs::write(&schema, peer::run(sealift::command(folder.path()).arg("schema")).stdout).unwrap();
    let check = |project: &Path| {
        let mut command = Command::new("check-jsonschema");
        command.arg("--schemafile").arg(&schema).arg(project);
        command.output().unwrap()
    };
    let root = sealift::repository();
    let mut projects = vec![root.join("sealift.yaml")];
    projects.extend(
        fs::read_dir(root.join("examples")).unwrap().map(|entry| entry.unwrap().path().join("sealift.yaml")),
    );
    assert!(projects.len() > 3);
    for project in projects {
        let output = check(&project);
        assert!(output.status.success(), "{}: {output:?}", project.display());
    }
    let text = fs::read_to_string(root.join("examples/minimal/sealift.yaml")).unwrap();
    for (from, to) in
        [("files:", "file:"), ("kind: Platform", "kind: 7"), ("tag: ", "tag: ' '\n        tg: ")]
    {
        let wrong = folder.path().join("sealift.yaml");
        fs::write(&wrong, text.replace(from, to)).unwrap();
        assert_ne!(fs::read_to_string(&wrong).unwrap(), text, "{from}");
        assert!(!check(&wrong).status.success(), "{to}");
    }
}
