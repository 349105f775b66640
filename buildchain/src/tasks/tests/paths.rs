//! Which paths and links a project may name.

use super::*;

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
        let place = TestProject::new(spec);
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
    let place = TestProject::new("externalFolders: [../host]\n  files: [{from: a, to: a}]");
    place.link("../host", "a");
    assert_eq!(place.deployed(), ["a/secret"]);
    place.write("sealift.yaml", &format!("{HEAD}  externalFolders: [../nowhere]\n"));
    let error = place.plan().map(|_| ()).unwrap_err();
    assert!(error.contains("sealift.yaml:5:21: cannot resolve `../nowhere`"), "{error}");
}

#[test]
fn a_link_at_the_root_is_followed_and_a_single_file_keeps_its_name() {
    let place = TestProject::new(
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
        let place = TestProject::new("files: [{from: ., to: all}]");
        place.write("a", "");
        let build_root = build_root.map(|path| place.root().join(path));
        for _ in 0..2 {
            let (project, plan) = place.plan_in(build_root.clone()).unwrap();
            let inputs = plan.tasks.iter().filter(|task| task.name.starts_with("_iso_add_tree:all"));
            let names: Vec<_> = inputs.map(|task| task.name.as_str()).collect();
            assert_eq!(names, ["_iso_add_tree:all/a", "_iso_add_tree:all/sealift.yaml"], "{build_root:?}");
            Graph::new(
                project.root.clone(),
                project.settings.build_root.clone(),
                plan.tasks,
                pools(&project),
            )
            .unwrap();
            fs::create_dir_all(project.tree().join("all")).unwrap();
            fs::write(project.tree().join("all/a"), "").unwrap();
        }
    }
}

#[test]
fn links_that_no_archive_may_have_are_all_named_before_the_build() {
    let place = TestProject::new("files:\n    - {from: salt, to: salt}\n    - {from: root, to: .}");
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
fn names_that_are_not_text_are_refused_before_the_build() {
    use std::os::unix::ffi::OsStrExt as _;
    let place = TestProject::new("files: [{from: a, to: a}]");
    fs::create_dir_all(place.root().join("a")).unwrap();
    let path = place.root().join("a").join(std::ffi::OsStr::from_bytes(b"\xff"));
    fs::write(&path, "").unwrap();
    assert!(place.plan().map(|_| ()).unwrap_err().contains("names in an archive must be UTF-8"));
    fs::remove_file(&path).unwrap();
    symlink(std::ffi::OsStr::from_bytes(b"\xff"), place.root().join("a/link")).unwrap();
    assert!(place.plan().map(|_| ()).unwrap_err().contains("names in an archive must be UTF-8"));
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
            Some(format!("a/{long}: 254 bytes in a name; the maximum is 253")),
        ),
        (
            "files: [{from: a, to: x}]",
            format!("a/{}/b", name(255)),
            Some(format!("a/{}: 255 bytes in a name; the maximum is 253", name(255))),
        ),
        // A template loses its ending.
        ("files: [{from: a, to: x}]", format!("a/{}.in", name(252)), None),
        (
            &format!("files: [{{from: a, to: {}}}]", name(300)),
            "a/b".to_owned(),
            Some(format!("_build/root/{}: 300 bytes in a name; the maximum is 253", name(300))),
        ),
        (
            "files: [{from: a, to: .}]",
            format!("a/{deep}/b"),
            Some(format!("a/{deep}: 65 nested folders; the maximum is 64")),
        ),
        ("files: [{from: a/d, to: .}]", format!("a/{deep}/b"), None),
    ] {
        let place = TestProject::new(spec);
        place.write(&file, "");
        let found = place.plan().map(|_| ()).err();
        assert_eq!(found, expected, "{spec}");
    }
    let place = TestProject::new("files: [{from: a, to: a}]");
    place.link(&format!("{}x", "./".repeat(511)), "a/fits");
    assert!(place.plan().is_ok());
    place.link(&format!("{}xx", "./".repeat(511)), "a/link");
    assert_eq!(
        place.plan().map(|_| ()).unwrap_err(),
        "a/link: 1024 bytes in a link's target; the maximum is 1023"
    );
}

#[test]
fn all_that_an_archive_cannot_hold_is_named_at_once() {
    let place = TestProject::new("files: [{from: a, to: a}]");
    let (long, deep) = ("n".repeat(254), vec!["d"; 65].join("/"));
    place.write(&format!("a/{long}"), "");
    place.write(&format!("a/{deep}/b"), "");
    place.link(&format!("{}xx", "./".repeat(511)), "a/link");
    place.link("../../out", "a/out");
    let said = place.plan().map(|_| ()).unwrap_err();
    for expected in [
        "a/link: 1024 bytes in a link's target; the maximum is 1023".to_owned(),
        format!("a/{long}: 254 bytes in a name; the maximum is 253"),
        "66 nested folders; the maximum is 64".to_owned(),
        "a/out: link to `../../out`: ".to_owned(),
    ] {
        assert!(said.contains(&expected), "{expected}\n{said}");
    }
    assert_eq!(said.lines().count(), 4, "{said}");
}

#[test]
fn a_link_in_the_place_of_a_made_folder_is_swept_and_nothing_behind_it_removed() {
    let place = TestProject::new(
        "files: [{from: a, to: a}]\n  images: {pull: [{name: i, tag: '1', source: 'dir:d'}]}",
    );
    place.write("a/b", "");
    fs::create_dir(place.root().join("d")).unwrap();
    for name in ["a", "registry"] {
        place.link("../../../host", &format!("_build/root/{name}"));
    }
    fs::write(place.folder.path().join("host/b"), "theirs").unwrap();
    let (project, plan) = place.plan_in(None).unwrap();
    let graph =
        Graph::new(project.root.clone(), project.settings.build_root.clone(), plan.tasks, pools(&project))
            .unwrap();
    let state = graph::ProjectState::read(Path::new("/nonexistent")).unwrap();
    let cleaned = graph::plan_clean(&graph, &graph.select_all(), &[], &state).unwrap();
    assert!(cleaned.iter().all(|one| !one.path.ends_with("a/b")), "{cleaned:?}");
    let mut swept = sweep(&project, &graph).unwrap();
    swept.sort();
    assert_eq!(swept, ["_build/root/a", "_build/root/registry"].map(PathBuf::from));
    assert_eq!(fs::read_to_string(place.folder.path().join("host/b")).unwrap(), "theirs");
}
