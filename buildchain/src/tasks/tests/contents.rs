//! What reaches the archive of what the project names, and the warnings about it.

use super::*;

#[test]
fn excluded_files_are_left_out_and_idle_patterns_are_named() {
    let place =
        TestProject::new("files: [{from: salt, to: salt, exclude: [__pycache__, '/b/', ./c, '*.pyc']}]");
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
fn packages_that_no_metadata_cover_are_named_with_what_to_do() {
    let place = TestProject::new(
        "files: [{from: rpms, to: packages/redhat/8/site}, {from: d, to: packages/debian/12}]",
    );
    for file in ["rpms/x86_64/a-1-1.x86_64.rpm", "rpms/b-1-1.noarch.rpm", "d/pool/a_1_all.deb"] {
        place.write(file, "");
    }
    assert_eq!(
        place.plan().unwrap().warnings,
        [
            "packages/debian/12/pool: 1 DEB package without metadata (no Packages file): apt cannot find it; run \
             `sealift package index d/pool` before the archive is built",
            "packages/redhat/8/site: 2 RPM packages without metadata (no repodata/repomd.xml): dnf cannot find them; run \
             `sealift package index rpms` before the archive is built",
        ]
    );
    // A file in place of the metadata is refused; a link may lead to them.
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
fn documents_bring_their_pictures_and_a_pdf_stays_one() {
    let place = TestProject::new("documentation: [README.md, docs/guide.md, docs/manual.pdf, docs/b.png]");
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
    let expected = [
        "docs/a b.png",
        "docs/b.png",
        "docs/guide.html",
        "docs/manual.pdf",
        "img/logo.svg",
        "index.html",
        "sealift.css",
    ];
    assert_eq!(place.deployed(), expected.map(|path| format!("documentation/{path}")));

    place.link("../../host/secret", "docs/c.png");
    place.write("docs/guide.md", "![c](c.png)\n");
    let error = place.plan().map(|_| ()).unwrap_err();
    assert!(error.contains("`docs/c.png` leads to"), "{error}");
}

#[test]
fn a_book_brings_its_chapters_their_pictures_and_the_files_that_they_link_to() {
    let place = TestProject::new("documentation: [docs/SUMMARY.md, NOTES.md]");
    for (name, text) in [
        (
            "docs/SUMMARY.md",
            "# Summary\n\n[Start](start.md)\n\n- [One](one.md)\n  - [Two & more](one/two.md)\n- [Draft]()\n",
        ),
        (
            "docs/start.md",
            "# Start\n\n[two](one/two.md#deep) [file](x.yaml) [notes](../NOTES.md) [contents](SUMMARY.md)\n",
        ),
        ("docs/one.md", "![a](a.png)\n"),
        ("docs/one/two.md", "# Two\n\n## Deep\n"),
        ("docs/unlisted.md", "# Unlisted\n"),
        ("docs/x.yaml", ""),
        ("docs/a.png", ""),
        ("NOTES.md", "# Notes\n"),
    ] {
        place.write(name, text);
    }
    let expected = [
        "NOTES.html",
        "docs/a.png",
        "docs/one.html",
        "docs/one/two.html",
        "docs/start.html",
        "docs/x.yaml",
        "index.html",
        "sealift.css",
    ];
    assert_eq!(place.deployed(), expected.map(|path| format!("documentation/{path}")));
    let (project, plan) = place.plan_in(None).unwrap();
    let deciding = project.deciding();
    for file in ["docs/SUMMARY.md", "docs/one/two.md"] {
        assert!(deciding.contains(&project.root.join(file)), "{file} is not in {deciding:?}");
    }
    graph(&project, plan.tasks, &plan.origins).unwrap();

    place.write("docs/SUMMARY.md", "- [One](one.md)\n- [Again](one.md)\n- [Gone](gone.md)\n");
    let root = place.root();
    assert_eq!(
        place.plan().map(drop).unwrap_err(),
        format!("{}/docs/SUMMARY.md:3:3: docs/gone.md does not exist", root.display())
    );
    place.write("docs/SUMMARY.md", "- [One](one.md)\n- [Again](one.md)\n");
    let (project, plan) = place.plan_in(None).unwrap();
    let error = graph(&project, plan.tasks, &plan.origins).map(drop).unwrap_err().to_string();
    assert!(error.ends_with("SUMMARY.md:2:3: two sources for `documentation/docs/one.html`: docs/one.md (docs/SUMMARY.md:1) and docs/one.md"), "{error}");
    place.write("docs/SUMMARY.md", "- [Start](start.md)\n");
    let error = place.plan().map(drop).unwrap_err();
    assert!(error.ends_with("docs/start.md:3:1: the link one/two.md#deep leads to docs/one/two.md, which is not part of the documentation"), "{error}");
}

#[test]
fn a_chapter_includes_files_as_mdbook_does() {
    let place = TestProject::new("documentation: [docs/SUMMARY.md]");
    place.write("docs/SUMMARY.md", "- [One](one.md)\n");
    let text = "# One\n\n```yaml\n{{#include ../x.yaml:2:}}\n```\n\n{{#include part.md}}\n\n\\{{#include x}} {{other}}\n";
    place.write("docs/one.md", text);
    place.write("docs/part.md", "## Part\n\n{{#include inner/last.md}}\n");
    place.write("docs/inner/last.md", "the last\n");
    place.write("x.yaml", "a: 1\nb: 2\nc: 3\n");
    let (project, plan) = place.plan_in(None).unwrap();
    let task = plan.tasks.iter().find(|task| task.name == "_doc_deploy:docs/one.md").unwrap();
    for file in ["docs/one.md", "docs/part.md", "docs/inner/last.md", "x.yaml"] {
        let read = |input: &TaskInput| input.path().is_some_and(|path| path.ends_with(file));
        assert!(task.inputs.iter().any(read), "{file} is not in {:?}", task.inputs);
    }
    let read = documentation::text(&project, Path::new("docs/one.md"));
    let expected = "# One\n\n```yaml\nb: 2\nc: 3\n```\n\n## Part\n\nthe last\n\n{{#include x}} {{other}}\n";
    assert_eq!(read.unwrap(), expected);

    let text = "# One\n\n{{#include gone.md}}\n\n{{#include ../x.yaml:5}} {{#include one.md}}\n\n[x](x.md)\n";
    place.write("docs/one.md", text);
    let error = place.plan().map(drop).unwrap_err();
    let root = place.root();
    let lines: Vec<_> =
        error.lines().map(|line| line.strip_prefix(root.to_str().unwrap()).unwrap()).collect();
    assert_eq!(
        lines,
        ["/docs/one.md:3:1: docs/gone.md does not exist", "/docs/one.md:5:1: x.yaml: it has 3 lines, not 5"]
    );
    place.write("docs/one.md", "# One\n\n{{#include one.md}}\n");
    assert!(
        place.plan().map(drop).unwrap_err().ends_with(":3:1: files include each other more than 10 deep")
    );
    place.write("docs/one.md", "# One\n\n{{#include part.md}}\n\n[x](x.md)\n");
    let error = place.plan().map(drop).unwrap_err();
    assert!(
        error.ends_with("/docs/one.md:5:1: the link x.md leads to docs/x.md, which does not exist"),
        "{error}"
    );
}

#[test]
fn a_warning_of_an_odd_pattern_is_one_line() {
    let place = TestProject::new("files: [{from: a, to: a, exclude: [\"x\\nerror: y\\e[2J\"]}]");
    place.write("a/b", "");
    let warnings = place.plan().unwrap().warnings;
    assert_eq!(warnings, [r"sealift.yaml:5:38: exclude `x\nerror: y\u{1b}[2J` matches nothing in a"]);
}

#[test]
fn a_solution_has_a_manifest_and_its_own_registry_configuration() {
    let project = |layout: &str| {
        let place = TestProject::new(&format!(
            "images: {{build: [images/app]}}\n  solution: {{operator: app, requireMetalk8s: '>=2.0'{layout}}}"
        ));
        place.write("images/app/image.yaml", "platform: linux/amd64\nentrypoint: [/run]\n");
        place.write("operator/deploy/role.yaml", "kind: Role\n");
        let text = fs::read_to_string(place.root().join("sealift.yaml")).unwrap();
        place.write("sealift.yaml", &text.replace("Platform", "Solution"));
        let plan = place.plan().unwrap();
        let files: Vec<String> = plan
            .tasks
            .iter()
            .flat_map(|task| &task.outputs)
            .filter_map(|output| output.path().file_name()?.to_str().map(str::to_owned))
            .collect();
        (files, plan.tasks.iter().map(|task| task.name.clone()).collect::<Vec<_>>())
    };
    let (files, tasks) = project("");
    assert!(
        ["manifest.yaml", "registry-config.inc", "registry-config.inc.j2", "role.yaml"]
            .iter()
            .all(|name| files.iter().any(|file| file == name)),
        "{files:?}"
    );
    assert!(!files.iter().any(|file| file == "product.txt"));
    assert!(tasks.iter().any(|task| task == "_solution_manifest"));
    let (files, _) = project(", layout: 2019");
    assert!(
        files.iter().any(|file| file == "product.txt") && !files.iter().any(|file| file == "manifest.yaml")
    );
}
