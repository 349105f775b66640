//! What a project's files become, and which of them are refused before anything is written.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::*;
use crate::project::{Flags, Settings};

const HEAD: &str =
    "apiVersion: sealift.dev/v1alpha1\nkind: Platform\nmetadata: {name: Example, version: 1.0.0}\nspec:\n";

/// A folder with a project in it, and a host's files beside it.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    /// A project whose `spec` has this text.
    fn new(spec: &str) -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap() };
        place.write("sealift.yaml", &format!("{HEAD}  {spec}\n"));
        fs::create_dir(place.folder.path().join("host")).unwrap();
        fs::write(place.folder.path().join("host/secret"), "secret\n").unwrap();
        place
    }

    fn root(&self) -> PathBuf {
        self.folder.path().canonicalize().unwrap().join("project")
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.folder.path().join("project").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn link(&self, target: &str, name: &str) {
        let path = self.root().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(target, path).unwrap();
    }

    fn plan_in(&self, build_root: Option<PathBuf>) -> Result<(Arc<Project>, Plan), String> {
        let flags = Flags { build_root, ..Flags::default() };
        let settings = Settings::gather(&self.root(), &BTreeMap::new(), &flags).map_err(|e| e.to_string())?;
        let project = Arc::new(Project::load(&self.root(), settings).map_err(|e| e.to_string())?);
        let plan = tasks(&project, Path::new("/proc/self/exe")).map_err(|e| e.to_string())?;
        Ok((project, plan))
    }

    fn plan(&self) -> Result<Plan, String> {
        self.plan_in(None).map(|(_, plan)| plan)
    }

    /// The files of the project that end up in the archive's tree.
    fn deployed(&self) -> Vec<String> {
        let (project, plan) = self.plan_in(None).unwrap();
        let outputs = plan.tasks.iter().flat_map(|task| &task.outputs);
        let mut paths: Vec<String> = outputs
            .filter_map(|output| output.path().strip_prefix(project.tree()).ok())
            .map(|path| path.to_str().unwrap().to_owned())
            .filter(|path| !["product.txt", "SHA256SUMS", "LINKS.mtree"].contains(&path.as_str()))
            .collect();
        paths.sort();
        paths
    }
}

/// Files with their contents.
type Pairs<'a> = &'a [(&'a str, &'a str)];

/// The cases are the spec, files of the project, and a link that leads out: its target and its name.
#[test]
fn whatever_a_project_names_lies_in_it_or_it_is_refused() {
    let package = "name: p\nversion: '1'\nrelease: '1'\narch: noarch\nsummary: s\ndescription: d\nlicense: l\n\
                   files: [{from: FROM, to: /usr/share/x}]\n";
    let image = "files: [{from: FROM, to: /x}]\nentrypoint: [/x]\n";
    let files = "files: [{from: a, to: a}]";
    let build = "images: {build: [images/i]}";
    let binaries = "binaries: [{cargo: tool}]";
    let rpm = "packages: [{name: r, release: '8', build: [packages/p]}]";
    let cases: &[(&str, Pairs<'_>, (&str, &str))] = &[
        (files, &[], ("../host", "a")),
        (files, &[], ("../host/secret", "a")),
        ("files: [{from: a/b/secret, to: a}]", &[("a/x", "")], ("../../host", "a/b")),
        ("documentation: [README.md]", &[], ("../host/secret", "README.md")),
        ("documentation: [docs/a.md]", &[], ("../host", "docs")),
        (build, &[("images/i/image.yaml", &image.replace("FROM", "tool"))], ("../host/secret", "tool")),
        (build, &[("images/i/image.yaml", &image.replace("FROM", "a/secret"))], ("../host", "a")),
        (build, &[("images/i/image.yaml", &image.replace("FROM", "/etc/passwd"))], ("x", "unused")),
        (build, &[], ("../../../host/secret", "images/i/image.yaml")),
        (build, &[], ("../../host", "images/i")),
        (build, &[], ("../../../host/secret", "images/i/Containerfile")),
        (
            build,
            &[("images/i/Containerfile", "FROM scratch\n")],
            ("../../../host/secret", "images/i/build.yaml"),
        ),
        (
            build,
            &[("images/i/Containerfile", "FROM scratch\n"), ("images/i/build.yaml", "context: a\n")],
            ("../host", "a"),
        ),
        (
            build,
            &[("images/i/Containerfile", "FROM scratch\n")],
            ("../../../host/secret", "images/i/.dockerignore"),
        ),
        (rpm, &[("packages/p/package.yaml", &package.replace("FROM", "tool"))], ("../host/secret", "tool")),
        (rpm, &[("packages/p/package.yaml", &package.replace("FROM", "/etc/passwd"))], ("x", "unused")),
        (rpm, &[], ("../../../host/secret", "packages/p/package.yaml")),
        ("images: {catalogues: [list.yaml]}", &[], ("../host/secret", "list.yaml")),
        ("images: {pull: [{name: a, tag: '1', source: 'oci:layout'}]}", &[], ("../host", "layout")),
        ("registries: [{host: h, certificateAuthorities: [ca.pem]}]", &[], ("../host/secret", "ca.pem")),
        (binaries, &[("Cargo.toml", "[workspace]\nmembers = ['m']\n")], ("../host", "m")),
        (binaries, &[("Cargo.toml", "[workspace]\nmembers = []\n")], ("../host", "target")),
        ("files: []", &[], ("../host/secret", "sealift.lock")),
        ("files: []", &[], ("../host", "_build")),
        ("files: []", &[], ("../../host", "_build/root")),
        ("files: []", &[], ("../../../host/secret", "_build/.sealift/state")),
    ];
    for (spec, files, (target, link)) in cases {
        let place = Place::new(spec);
        for (name, text) in *files {
            place.write(name, text);
        }
        place.link(target, link);
        let error = place.plan().map(|_| ()).expect_err(&format!("{spec} with {link} -> {target}"));
        let named = error.contains("outside the project") || error.contains("is a symbolic link");
        assert!(named, "{spec} with {link} -> {target}: {error}");
    }
}

#[test]
fn a_link_may_lead_into_an_external_folder_that_the_project_names() {
    let place = Place::new("externalFolders: [../host]\n  files: [{from: a, to: a}]");
    place.link("../host", "a");
    assert_eq!(place.deployed(), ["a/secret"]);
    place.write("sealift.yaml", &format!("{HEAD}  externalFolders: [../nowhere]\n"));
    let error = place.plan().map(|_| ()).unwrap_err();
    assert!(error.contains("sealift.yaml:5:21: cannot resolve `../nowhere`"), "{error}");
}

#[test]
fn a_link_at_the_root_is_followed_and_a_single_file_keeps_its_name() {
    let place = Place::new(
        "files:\n    - {from: current, to: salt}\n    - {from: one.txt, to: .}\n    - {from: one.txt, to: docs/}\n    \
         - {from: one.txt, to: two.txt}\n    - {from: script.in, to: .}\n    - {from: name.txt, to: ./}",
    );
    for file in ["v2/top.sls", "v2/deep/x.sls", "one.txt", "script.in"] {
        place.write(file, "");
    }
    place.link("v2", "current");
    place.link("one.txt", "name.txt");
    let expected =
        ["docs/one.txt", "name.txt", "one.txt", "salt/deep/x.sls", "salt/top.sls", "script", "two.txt"];
    assert_eq!(place.deployed(), expected);
}

#[test]
fn the_build_root_is_no_input_wherever_it_lies() {
    for build_root in [None, Some("out/deep"), Some("../elsewhere")] {
        let place = Place::new("files: [{from: ., to: all}]");
        place.write("a", "");
        let build_root = build_root.map(|path| place.root().join(path));
        for _ in 0..2 {
            let (project, plan) = place.plan_in(build_root.clone()).unwrap();
            let inputs = plan.tasks.iter().filter(|task| task.name.starts_with("_iso_add_tree:all"));
            let names: Vec<_> = inputs.map(|task| task.name.as_str()).collect();
            assert_eq!(names, ["_iso_add_tree:all/a", "_iso_add_tree:all/sealift.yaml"], "{build_root:?}");
            Graph::new(project.root.clone(), project.settings.build_root.clone(), plan.tasks, pools())
                .unwrap();
            fs::create_dir_all(project.tree().join("all")).unwrap();
            fs::write(project.tree().join("all/a"), "").unwrap();
        }
    }
}

#[test]
fn links_that_no_archive_may_have_are_all_named_before_the_build() {
    let place = Place::new("files:\n    - {from: salt, to: salt}\n    - {from: root, to: .}");
    for file in ["salt/a/file", "root/x"] {
        place.write(file, "");
    }
    for (target, link) in [
        ("file", "salt/a/fine"),
        ("../../x", "salt/a/out-and-in"),
        ("nothing", "salt/dangling"),
        ("a", "salt/folder"),
        ("folder/fine", "salt/two"),
        ("../images/app/1/manifest.json", "salt/made-later"),
        ("/etc/passwd", "salt/absolute"),
        ("../..", "salt/outward"),
        ("../images/../../x", "salt/through-what-is-made"),
        ("folder/../../../x", "salt/through-link"),
        ("round", "salt/round"),
        ("b", "salt/c"),
        ("c", "salt/b"),
        ("..", "root/up"),
    ] {
        place.link(target, link);
    }
    let error = place.plan().map(|_| ()).unwrap_err();
    let places: Vec<&str> =
        error.lines().filter_map(|line| line.split_once(':')).map(|(path, _)| path).collect();
    let expected = [
        "salt/absolute",
        "salt/b",
        "salt/c",
        "salt/outward",
        "salt/round",
        "salt/through-link",
        "salt/through-what-is-made",
        "root/up",
    ];
    assert_eq!(places, expected, "{error}");
    assert!(
        error.contains("salt/absolute: link to `/etc/passwd`: a symbolic link on it leads out"),
        "{error}"
    );
}

#[test]
fn excluded_files_are_left_out_and_idle_patterns_are_named() {
    let place = Place::new("files: [{from: salt, to: salt, exclude: [__pycache__, '/b/', ./c, '*.pyc']}]");
    for file in ["salt/a", "salt/d/__pycache__/x", "salt/b/x", "salt/d/b/x", "salt/c"] {
        place.write(file, "");
    }
    assert_eq!(place.deployed(), ["salt/a", "salt/c", "salt/d/b/x"]);
    assert_eq!(
        place.plan().unwrap().warnings,
        [
            "sealift.yaml:5:64: exclude `./c` matches nothing in salt; write `/c`",
            "sealift.yaml:5:69: exclude `*.pyc` matches nothing in salt"
        ]
    );
}

#[test]
fn names_that_are_not_text_are_refused_before_the_build() {
    use std::os::unix::ffi::OsStrExt as _;
    let place = Place::new("files: [{from: a, to: a}]");
    fs::create_dir_all(place.root().join("a")).unwrap();
    let path = place.root().join("a").join(std::ffi::OsStr::from_bytes(b"\xff"));
    fs::write(&path, "").unwrap();
    assert!(place.plan().map(|_| ()).unwrap_err().contains("only names in UTF-8"));
    fs::remove_file(&path).unwrap();
    symlink(std::ffi::OsStr::from_bytes(b"\xff"), place.root().join("a/link")).unwrap();
    assert!(place.plan().map(|_| ()).unwrap_err().contains("only names in UTF-8"));
}

/// What the writer of the ISO refuses is refused before anything is built.
#[test]
fn names_and_targets_that_are_too_long_for_an_iso_are_refused_before_the_build() {
    let name = |length: usize| "n".repeat(length);
    let long = name(254);
    let deep = vec!["d"; 65].join("/");
    for (spec, file, expected) in [
        ("files: [{from: a, to: x}]", format!("a/{}", name(253)), None),
        (
            "files: [{from: a, to: x}]",
            format!("a/{long}"),
            Some(format!("a/{long}: bytes in a name: at most 253 possible, found 254")),
        ),
        (
            "files: [{from: a, to: x}]",
            format!("a/{}/b", name(255)),
            Some(format!("a/{}: bytes in a name: at most 253 possible, found 255", name(255))),
        ),
        // A template loses its ending.
        ("files: [{from: a, to: x}]", format!("a/{}.in", name(252)), None),
        (
            &format!("files: [{{from: a, to: {}}}]", name(300)),
            "a/b".to_owned(),
            Some(format!("_build/root/{}: bytes in a name: at most 253 possible, found 300", name(300))),
        ),
        (
            "files: [{from: a, to: .}]",
            format!("a/{deep}/b"),
            Some(format!("a/{deep}: folders in one another: at most 64 possible, found 65")),
        ),
        ("files: [{from: a/d, to: .}]", format!("a/{deep}/b"), None),
    ] {
        let place = Place::new(spec);
        place.write(&file, "");
        let found = place.plan().map(|_| ()).err();
        assert_eq!(found, expected, "{spec}");
    }
    let place = Place::new("files: [{from: a, to: a}]");
    place.link(&format!("{}x", "./".repeat(511)), "a/fits");
    assert!(place.plan().is_ok());
    place.link(&format!("{}xx", "./".repeat(511)), "a/link");
    assert_eq!(
        place.plan().map(|_| ()).unwrap_err(),
        "a/link: bytes in a link's target: at most 1023 possible, found 1024"
    );
}

#[test]
fn all_that_an_archive_cannot_hold_is_named_at_once() {
    let place = Place::new("files: [{from: a, to: a}]");
    let (long, deep) = ("n".repeat(254), vec!["d"; 65].join("/"));
    place.write(&format!("a/{long}"), "");
    place.write(&format!("a/{deep}/b"), "");
    place.link(&format!("{}xx", "./".repeat(511)), "a/link");
    place.link("../../out", "a/out");
    let said = place.plan().map(|_| ()).unwrap_err();
    for expected in [
        "a/link: bytes in a link's target: at most 1023 possible, found 1024".to_owned(),
        format!("a/{long}: bytes in a name: at most 253 possible, found 254"),
        "folders in one another: at most 64 possible".to_owned(),
        "a/out: link to `../../out`: ".to_owned(),
    ] {
        assert!(said.contains(&expected), "{expected}\n{said}");
    }
    assert_eq!(said.lines().count(), 4, "{said}");
}

#[test]
fn packages_that_no_metadata_cover_are_named_with_what_to_do() {
    let place =
        Place::new("files: [{from: rpms, to: packages/redhat/8/site}, {from: d, to: packages/debian/12}]");
    for file in ["rpms/x86_64/a-1-1.x86_64.rpm", "rpms/b-1-1.noarch.rpm", "d/pool/a_1_all.deb"] {
        place.write(file, "");
    }
    assert_eq!(
        place.plan().unwrap().warnings,
        [
            "packages/debian/12/pool: 1 DEB package without metadata (no Packages file): apt cannot find it; write \
             d/pool/Packages with `dpkg-scanpackages` before the archive is built",
            "packages/redhat/8/site: 2 RPM packages without metadata (no repodata/repomd.xml): dnf cannot find them; run \
             `sealift package index rpms` before the archive is built",
        ]
    );
    // A file in the place of the metadata is none, a link may lead to them.
    place.write("rpms/repodata", "");
    assert_eq!(place.plan().unwrap().warnings.len(), 2);
    fs::remove_file(place.root().join("rpms/repodata")).unwrap();
    place.write("rpms/metadata/repomd.xml", "");
    place.link("metadata", "rpms/repodata");
    assert_eq!(place.plan().unwrap().warnings.len(), 1);
    fs::remove_file(place.root().join("rpms/repodata")).unwrap();
    place.write("rpms/repodata/repomd.xml", "");
    place.write("d/dists/stable/main/binary-amd64/Packages.gz", "");
    assert_eq!(place.plan().unwrap().warnings, [""; 0]);
}

#[test]
fn a_link_in_the_place_of_a_made_folder_is_swept_and_nothing_behind_it_removed() {
    let place =
        Place::new("files: [{from: a, to: a}]\n  images: {pull: [{name: i, tag: '1', source: 'dir:d'}]}");
    place.write("a/b", "");
    fs::create_dir(place.root().join("d")).unwrap();
    for name in ["a", "registry"] {
        place.link("../../../host", &format!("_build/root/{name}"));
    }
    fs::write(place.folder.path().join("host/b"), "theirs").unwrap();
    let (project, plan) = place.plan_in(None).unwrap();
    let graph =
        Graph::new(project.root.clone(), project.settings.build_root.clone(), plan.tasks, pools()).unwrap();
    let state = graph::State::read(Path::new("/nonexistent")).unwrap();
    let cleaned = graph::plan_clean(&graph, &graph.select_all(), &[], &state).unwrap();
    assert!(cleaned.iter().all(|one| !one.path.ends_with("a/b")), "{cleaned:?}");
    let mut swept = sweep(&project, &graph).unwrap();
    swept.sort();
    assert_eq!(swept, ["_build/root/a", "_build/root/registry"].map(PathBuf::from));
    assert_eq!(fs::read_to_string(place.folder.path().join("host/b")).unwrap(), "theirs");
}

#[test]
fn documents_bring_their_pictures_and_a_pdf_stays_one() {
    let place = Place::new("documentation: [README.md, docs/guide.md, docs/manual.pdf, docs/b.png]");
    for (name, text) in [
        ("README.md", "# R\n\n![logo](img/logo.svg)\n\n![gone](gone.png)\n"),
        ("docs/guide.md", "<img src='../img/logo.svg'> ![a](a%20b.png) ![b](b.png) ![page](../README.md)\n"),
        ("docs/manual.pdf", "%PDF"),
        ("docs/a b.png", "a"),
        ("docs/b.png", "b"),
        ("img/logo.svg", "<svg/>"),
    ] {
        place.write(name, text);
    }
    let expected =
        ["docs/a b.png", "docs/b.png", "docs/guide.html", "docs/manual.pdf", "img/logo.svg", "index.html"];
    assert_eq!(place.deployed(), expected.map(|path| format!("documentation/{path}")));

    place.link("../../host/secret", "docs/c.png");
    place.write("docs/guide.md", "![c](c.png)\n");
    let error = place.plan().map(|_| ()).unwrap_err();
    assert!(error.contains("`docs/c.png` leads to"), "{error}");
}

#[test]
fn private_tasks_have_public_names_that_can_be_typed() {
    let digest = "a".repeat(64);
    let spec = format!(
        "images:\n    pull: [{{name: nginx, source: registry.invalid/nginx, tag: '1.25', digest: 'sha256:{digest}'}}]\n  \
         files: [{{from: salt, to: salt}}]"
    );
    let place = Place::new(&spec);
    place.write("salt/100%.sls", "a\n");
    let (project, plan) = place.plan_in(None).unwrap();
    let graph =
        Graph::new(project.root.clone(), project.settings.build_root.clone(), plan.tasks, pools()).unwrap();
    for (name, public) in [
        ("_image_pull:nginx:1.25", "images:nginx:1.25"),
        ("_registry_index", "images:registry_index"),
        ("_deploy_salt_tree:salt/100%25.sls", "salt_tree:salt/100%25.sls"),
        ("_iso_add_tree:product.txt", "populate_iso:product.txt"),
        ("_iso_build", "iso:build"),
        ("_iso_digest", "iso:digest"),
        ("images", "images"),
    ] {
        let id = graph.find(name).unwrap();
        assert_eq!(graph.task(id).public_name(), public);
        assert_eq!(graph.select(&[public]).unwrap().tasks(), [id], "{public}");
    }
    let private: Vec<&str> =
        graph.tasks().map(|(_, task)| task.public_name()).filter(|name| name.starts_with('_')).collect();
    assert_eq!(private, [""; 0]);
}

#[test]
fn tags_of_one_image_and_nested_names_are_tasks_of_their_own() {
    let pull = |name: &str, tag: &str, more: &str| {
        format!(
            "\n      - {{name: {name}, source: registry.invalid/app, tag: '{tag}', digest: 'sha256:{}'{more}}}",
            "a".repeat(64)
        )
    };
    let list = format!(
        "referrers:\n  \"registry.invalid/app:TAG\":\n    \"sha256:{}\": \"sha256:{}\"\n",
        "a".repeat(64),
        "b".repeat(64)
    );
    let spec = |images: &[String]| format!("images:\n    pull:{}", images.concat());
    let more = ", referrers: true, tar: true";
    let place =
        Place::new(&spec(&[pull("app", "1", more), pull("app", "2", more), pull("team/app", "1", more)]));
    let entry = |tag: &str| list.replace("referrers:\n", "").replace("TAG", tag);
    place.write(
        "sealift.lock",
        &format!("version: 1\nimages: {{}}\nreferrers:\n{}{}", entry("1"), entry("2")),
    );
    let (project, plan) = place.plan_in(None).unwrap();
    let names: Vec<&str> = plan.tasks.iter().map(|task| task.name.as_str()).collect();
    for name in ["app:1", "app:2", "team/app:1"] {
        for family in ["_image_pull", "_image_save", "_image_referrers"] {
            assert!(names.contains(&format!("{family}:{name}").as_str()), "{family}:{name}: {names:?}");
        }
    }
    Graph::new(project.root.clone(), project.settings.build_root.clone(), plan.tasks, pools())
        .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>())
        .unwrap();

    for (name, tag, expected) in [
        ("app", "1", "a second image `app:1`"),
        ("app/1", "x", "cannot be in one archive"),
        ("App", "1", "`App` cannot name an image"),
        ("a//b", "1", "`a//b` cannot name an image"),
        ("app", "../../x", "`../../x` cannot be a tag"),
    ] {
        place.write(
            "sealift.yaml",
            &format!("{HEAD}  {}\n", spec(&[pull("app", "1", ""), pull(name, tag, "")])),
        );
        let error = place.plan().map(|_| ()).unwrap_err();
        assert!(error.contains("sealift.yaml:8:") && error.contains(expected), "{name}:{tag}: {error}");
    }
}

#[test]
fn two_sources_for_one_place_are_named_once_for_each_two_entries_with_their_lines() {
    let place =
        Place::new("files:\n    - {from: a, to: .}\n    - {from: b, to: x}\n    - {from: c.in, to: x/c.in}");
    for number in 0..30 {
        place.write(&format!("a/x/{number}"), "");
        place.write(&format!("b/{number}"), "");
    }
    place.write("b/c", "");
    place.write("c.in", "");
    let error = place.plan().map(|_| ()).unwrap_err();
    let lines: Vec<&str> =
        error.lines().filter_map(|line| line.split_once("sealift.yaml")).map(|(_, rest)| rest).collect();
    let expected = [
        ":7:21: two sources for `x/0`: a/x/0 (line 6) and b/0, and 29 more places",
        ":8:24: two sources for `x/c`: b/c (line 7) and c.in",
    ];
    assert_eq!(lines, expected, "{error}");
}

#[test]
fn what_clashes_with_the_output_of_another_task_is_named_with_the_entry_that_asks_for_it() {
    let spec = format!(
        "images:\n    pull:\n      - {{name: app, source: registry.invalid/app, tag: '1', digest: 'sha256:{}'}}\n    \
         build: [images/own]\n  packages: [{{name: r, release: '8', build: [packages/p]}}]\n  \
         documentation: [README.md]\n  files:\n    - {{from: files, to: .}}",
        "a".repeat(64)
    );
    let place = Place::new(&spec);
    place.write("README.md", "");
    place.write("images/own/image.yaml", "entrypoint: [/x]\n");
    place.write(
        "packages/p/package.yaml",
        "{name: p, version: '1', release: '1', arch: noarch, summary: s, description: d, license: l}\n",
    );
    let rpm = "packages/redhat/8/example-r-el8/noarch/p-1-1.noarch.rpm";
    for name in
        ["images/own/1.0.0/x", rpm, "documentation/index.html", "registry/x", "product.txt", "SHA256SUMS"]
    {
        place.write(&format!("files/{name}"), "");
    }
    for number in 0..30 {
        place.write(&format!("files/images/app/1/{number}"), "");
    }
    let refused = || {
        let (project, plan) = place.plan_in(None).unwrap();
        graph(&project, plan.tasks, &plan.origins).map(drop).unwrap_err().to_string()
    };
    let error = refused();
    let lines: Vec<&str> =
        error.lines().map(|line| line.split_once("sealift.yaml").map_or(line, |(_, rest)| rest)).collect();
    let expected = [
        ":12:25: two sources for `SHA256SUMS`: the task `_iso_checksums` and files/SHA256SUMS",
        ":12:25: two sources for `product.txt`: the task `_iso_add_tree:product.txt` and files/product.txt",
        ":12:25: two sources for `registry/x`: the task `_registry_index` and files/registry/x",
        ":12:25: two sources for `images/app/1/0`: the image app:1 (line 7) and files/images/app/1/0, and 29 more places",
        ":12:25: two sources for `images/own/1.0.0/x`: the image own (line 8) and files/images/own/1.0.0/x",
        &format!(":12:25: two sources for `{rpm}`: the package p (line 9) and files/{rpm}"),
        ":12:25: two sources for `documentation/index.html`: README.md (line 10) and files/documentation/index.html",
    ];
    let sorted = |lines: &[&str]| {
        let mut lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&lines), sorted(&expected), "{error}");

    // Named twice, and more than anybody reads.
    let entries: Vec<String> =
        (0..30).map(|number| format!("{{from: f, to: images/app/1/{number}}}")).collect();
    let files = format!("{{from: files, to: .}}\n    - {}", entries.join("\n    - "));
    place.write("sealift.yaml", &format!("{HEAD}  {}\n", spec.replace("{from: files, to: .}", &files)));
    place.write("f", "");
    fs::remove_dir_all(place.root().join("files/images/app")).unwrap();
    let error = refused();
    assert_eq!(error.lines().count(), 21, "{error}");
    assert!(error.ends_with("\nand 16 more"), "{error}");
    place.write("sealift.yaml", &format!("{HEAD}  documentation: [README.md, README.md]\n"));
    let error = refused();
    let expected = ":5:30: two sources for `documentation/index.html`: README.md (line 5) and README.md";
    assert!(error.lines().count() == 1 && error.ends_with(expected), "{error}");
}

#[test]
fn images_that_are_built_have_nested_names_and_further_tags() {
    let spec = |more: &str| {
        format!(
            "images:\n    build:\n      - images/own\n      - {{folder: images/own, name: team/own, tags: [latest, '1.0']}}{more}"
        )
    };
    let place = Place::new(&spec(""));
    place.write("images/own/image.yaml", "entrypoint: [/x]\n");
    let (project, plan) = place.plan_in(None).unwrap();
    let outputs = |name: &str| -> Vec<String> {
        let task = plan.tasks.iter().find(|task| task.name == name).unwrap();
        let images = project.tree().join("images");
        let path =
            |output: &graph::Output| output.path().strip_prefix(&images).unwrap().display().to_string();
        task.outputs.iter().map(path).collect()
    };
    assert_eq!(outputs("_image_build:own"), ["own/1.0.0"]);
    assert_eq!(outputs("_image_build:team/own"), ["team/own/1.0.0", "team/own/latest", "team/own/1.0"]);
    graph(&project, plan.tasks, &plan.origins).unwrap();
    for (more, expected) in [
        ("\n      - images/own", "sealift.yaml:9:9: a second image `own:1.0.0`"),
        ("\n      - {folder: images/own, name: Own}", "sealift.yaml:9:36: `Own` cannot name an image"),
        (
            "\n      - {folder: images/own, name: a, tags: ['1', '1']}",
            "sealift.yaml:9:51: a second image `a:1`",
        ),
        ("\n      - {folder: images/own, name: a, tags: [a b]}", "sealift.yaml:9:46: `a b` cannot be a tag"),
        ("\n      - {folder: images/own, name: own/1.0.0}", "sealift.yaml:9:36: the images"),
        (
            "\n      - {folder: images/own, tag: a}",
            "sealift.yaml:9:30: unknown key `tag`; did you mean `tags`?",
        ),
        ("\n      - {name: a}", "sealift.yaml:9:9: missing key `folder`"),
        ("\n      - [a]", "sealift.yaml:9:9: expected text or keys with values, found a list"),
        ("\n      - images/gone", "sealift.yaml:9:9: images/gone/image.yaml does not exist"),
    ] {
        place.write("sealift.yaml", &format!("{HEAD}  {}\n", spec(more)));
        let error = place.plan().map(drop).unwrap_err();
        assert!(error.contains(expected), "{more}: {error}");
    }
}

#[test]
fn no_input_of_a_task_has_its_place_on_this_machine_in_the_key() {
    let spec = "images: {build: [images/i, images/c]}\n  packages: [{name: r, release: '8', build: [packages/p]}]\n  \
                documentation: [docs/a.md, docs/b.pdf]\n  externalFolders: [../host]\n  \
                files: [{from: out, to: out}, {from: t.in, to: t.in}]";
    let place = Place::new(spec);
    place.write("images/i/image.yaml", "files: [{from: out/secret, to: /x}]\nentrypoint: [/x]\n");
    place.write("images/c/Containerfile", "FROM scratch\nCOPY . /\n");
    place.write("images/c/build.yaml", "context: out\n");
    place.write(
        "packages/p/package.yaml",
        "{name: p, version: '1', release: '1', arch: noarch, summary: s, description: d, license: l,\n\
         files: [{from: out/secret, to: /usr/share/x}]}\n",
    );
    place.write("t.in", "");
    for name in ["a.md", "b.pdf"] {
        fs::write(place.folder.path().join("host").join(name), "").unwrap();
    }
    place.link("../host", "out");
    place.link("../host", "docs");
    let (project, plan) = place.plan_in(None).unwrap();
    let named = |inputs: &[Input]| -> Vec<String> {
        let names = inputs.iter().filter_map(|input| match input {
            Input::Named { name, .. } => Some(name.clone()),
            other => {
                let path = other.path().map(|path| path.strip_prefix(&project.root).unwrap_or(path));
                assert!(path.is_none_or(Path::is_relative), "{other:?}");
                None
            }
        });
        names.collect()
    };
    let inputs_of = |name: &str| {
        let task = plan.tasks.iter().find(|task| task.name == name).unwrap_or_else(|| panic!("{name}"));
        let discovered = task.discover.as_ref().map(|discover| discover(&project.root).unwrap_or_default());
        [named(&task.inputs), named(&discovered.unwrap_or_default())].concat()
    };
    for (task, expected) in [
        ("_image_build:i", &["sealift", "out/secret"][..]),
        ("_image_build:c", &["sealift", "a.md", "b.pdf", "secret"]),
        ("_build_redhat_8_repositories:r/build_rpm/p", &["sealift", "out/secret"]),
        ("_doc_deploy:docs/a.md", &["sealift", "docs/a.md"]),
        ("_doc_deploy:docs/b.pdf", &["docs/b.pdf"]),
        ("_iso_add_tree:out/secret", &["out/secret"]),
        ("_iso_add_tree:t", &["sealift"]),
        ("_iso_build", &["sealift"]),
    ] {
        assert_eq!(inputs_of(task), expected, "{task}");
    }
    for task in &plan.tasks {
        named(&task.inputs);
    }
}

#[test]
fn a_warning_of_an_odd_pattern_is_one_line() {
    let place = Place::new("files: [{from: a, to: a, exclude: [\"x\\nerror: y\\e[2J\"]}]");
    place.write("a/b", "");
    let warnings = place.plan().unwrap().warnings;
    assert_eq!(warnings, [r"sealift.yaml:5:38: exclude `x\nerror: y\u{1b}[2J` matches nothing in a"]);
}
