//! RPMs that exist, in the repositories of a project.

use super::*;

/// Builds the package `name` in `folder` of the project, with `content` as its only file; its file name.
fn package(place: &TestProject, folder: &str, name: &str, content: &str) -> String {
    let folder = place.root().join(folder);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("content"), content).unwrap();
    let definition: packages::RpmDefinition = serde_saphyr::from_str(&format!(
        "{{name: {name}, version: '1', release: '1', arch: noarch, summary: s, license: l, \
         files: [{{from: content, to: /usr/share/{name}}}]}}"
    ))
    .unwrap();
    let built = packages::build(&definition, &folder, 1_700_000_000, &folder).unwrap();
    fs::remove_file(folder.join("content")).unwrap();
    built.path.file_name().unwrap().to_str().unwrap().to_owned()
}

/// Turns the package into a source package: its tag SOURCERPM (1044) becomes SOURCEPACKAGE (1106).
fn as_source(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let tag = |number: u32, kind: u32| [number.to_be_bytes(), kind.to_be_bytes()].concat();
    let (from, to) = (tag(1044, 6), tag(1106, 6));
    let at = bytes.windows(8).position(|window| window == from).unwrap();
    bytes[at..at + 8].copy_from_slice(&to);
    fs::write(path, bytes).unwrap();
}

fn project(rpms: &str) -> TestProject {
    TestProject::new(&format!("packages: [{{name: r, release: '8', {rpms}}}]"))
}

#[test]
fn existing_packages_go_into_the_folder_of_their_architecture_each_once() {
    let place =
        project("rpms: ['rpms/*.rpm', 'vendor/**/*.rpm', rpms/a-1-1.noarch.rpm], exclude: ['*-debug*']");
    for (folder, name) in [
        ("rpms", "a"),
        ("vendor", "b"),
        ("vendor/deep", "c"),
        ("vendor/deep", "c-debuginfo"),
        ("rpms/sub", "d"),
    ] {
        package(&place, folder, name, "x");
    }
    // The same package under another name, and a second time.
    fs::copy(place.root().join("rpms/a-1-1.noarch.rpm"), place.root().join("rpms/renamed.rpm")).unwrap();
    fs::copy(place.root().join("rpms/a-1-1.noarch.rpm"), place.root().join("vendor/a-1-1.noarch.rpm"))
        .unwrap();
    place.write("rpms/README.md", "");
    let (project, plan) = place.plan_in(None).unwrap();
    let folder = Path::new("packages/redhat/8/example-r-el8");
    let outputs: BTreeSet<PathBuf> = plan
        .tasks
        .iter()
        .flat_map(|task| &task.outputs)
        .filter_map(|output| output.path().strip_prefix(project.tree().join(folder)).ok())
        .map(Path::to_path_buf)
        .collect();
    let expected =
        ["noarch/a-1-1.noarch.rpm", "noarch/b-1-1.noarch.rpm", "noarch/c-1-1.noarch.rpm", "repodata"];
    assert_eq!(outputs, expected.map(PathBuf::from).into());
    // The metadata have the date of the newest package.
    let metadata = plan.tasks.iter().find(|task| task.name.ends_with("/build_repodata")).unwrap();
    let date = |input: &TaskInput| matches!(input, TaskInput::Value { name, value } if name == "source date" && value == "1700000000");
    assert!(metadata.inputs.iter().any(date), "{:?}", metadata.inputs);
    graph(&project, plan.tasks, &plan.origins).unwrap();
}

#[test]
fn every_mistake_is_named_at_its_pattern() {
    for (rpms, expected) in [
        ("build: []", ":5:21: a repository without packages: expected `build`, `rpms` or `source`"),
        ("rpms: [none/*.rpm]", ":5:45: no file matches `none/*.rpm`"),
        ("rpms: ['rpms/z*.rpm']", ":5:45: no file matches `rpms/z*.rpm`"),
        ("rpms: [rpms]", ":5:45: `rpms` is not a file: expected a file, or a pattern such as `rpms/*.rpm`"),
        ("rpms: [rpms/none.rpm]", ":5:45: `rpms/none.rpm` does not exist"),
        ("rpms: [rpms/README.md]", ":5:45: `rpms/README.md` is not named like a package: expected `*.rpm`"),
        ("rpms: [../*.rpm]", ":5:45: `../*.rpm` leads out of its folder"),
        ("rpms: ['rpms/[z-a]']", ":5:45: `rpms/[z-a]` is not a pattern: "),
        ("rpms: [out/*.rpm]", ":5:45: "),
        ("rpms: [damaged/*.rpm]", "damaged/x.rpm: not a usable RPM package: lead: expected "),
        ("rpms: [short/*.rpm]", "short/a.rpm: not a usable RPM package: "),
        (
            "rpms: [source/*.rpm]",
            ":5:45: `source/s-1-1.noarch.rpm` is a source package, which no node installs",
        ),
        (
            "rpms: [rpms/a-1-1.noarch.rpm, two/*.rpm]",
            ":5:68: two packages a-1-1.noarch with different content: ",
        ),
        ("rpms: [_build/x.rpm]", ":5:45: `_build/x.rpm` does not name its architecture"),
        ("rpms: [_build/x-1-1.src.rpm]", ":5:45: `_build/x-1-1.src.rpm` does not name its architecture"),
    ] {
        let place = project(rpms);
        package(&place, "rpms", "a", "x");
        package(&place, "two", "a", "y");
        package(&place, "source", "s", "x");
        as_source(&place.root().join("source/s-1-1.noarch.rpm"));
        place.write("rpms/README.md", "");
        place.write("damaged/x.rpm", &"not a package".repeat(20));
        place.link("../../host", "out");
        let whole = fs::read(place.root().join("rpms/a-1-1.noarch.rpm")).unwrap();
        fs::create_dir_all(place.root().join("short")).unwrap();
        fs::write(place.root().join("short/a.rpm"), &whole[..200]).unwrap();
        let error = place.plan().map(|_| ()).expect_err(rpms);
        assert!(error.contains(expected) && error.lines().count() == 1, "{rpms}: {error}");
    }
}

#[test]
fn a_package_that_a_task_produces_is_taken_by_its_name() {
    let place = project("rpms: [_build/out/tool-1-1.x86_64.rpm]");
    assert!(
        place.deployed().contains(&"packages/redhat/8/example-r-el8/x86_64/tool-1-1.x86_64.rpm".to_owned())
    );
}

/// A project that builds a package with these entries of `files`; one of its tasks writes `gen/made.conf` and the folder
/// `_build/made`.
fn with_files(files: &str) -> TestProject {
    let place = TestProject::new(
        "packages: [{name: r, release: '8', build: [p]}]\n  \
         tasks: {make: {run: [make], inputs: [sealift.yaml], outputs: [gen/made.conf, _build/made/]}}",
    );
    place.write(
        "p/package.yaml",
        &format!(
            "{{name: p, version: '1', release: '1', arch: noarch, summary: s, license: l, files: [{files}]}}"
        ),
    );
    place
}

fn inputs(place: &TestProject) -> Vec<String> {
    let (project, plan) = place.plan_in(None).unwrap();
    let task = plan.tasks.iter().find(|task| task.name.ends_with("/build_rpm/p")).unwrap();
    let shown = |path: &Path| path.strip_prefix(&project.root).unwrap().to_str().unwrap().to_owned();
    let name = |input: &TaskInput| match input {
        TaskInput::File(path) => Some(shown(path)),
        TaskInput::Folder { path, .. } => Some(format!("{}/", shown(path))),
        TaskInput::Value { name, value } if name == "definition" => {
            Some(value.matches("->").map(|_| "link").collect())
        }
        _ => None,
    };
    task.inputs.iter().filter_map(name).filter(|input| !input.is_empty()).collect()
}

#[test]
fn the_files_of_a_folder_are_inputs_and_a_new_one_is_too() {
    let place = with_files("{from: conf/, to: /etc/p}, {from: 'share/**/*.txt', to: /usr/share/p}");
    place.write("conf/b", "b");
    place.write("share/deep/a.txt", "a");
    place.write("share/other", "o");
    assert_eq!(inputs(&place), ["conf/b", "share/deep/a.txt"]);
    place.write("conf/a", "a");
    place.link("../b", "conf/sub/link");
    assert_eq!(inputs(&place), ["conf/a", "conf/b", "share/deep/a.txt"]);
    let (project, _) = place.plan_in(None).unwrap();
    let deciding = project.deciding();
    for file in ["conf/a", "conf/sub/link", "share/deep/a.txt"] {
        assert!(deciding.contains(&place.root().join(file)), "{file} is not in {deciding:?}");
    }
}

#[test]
fn a_folder_that_a_task_writes_is_an_input_as_a_whole() {
    let place = with_files(
        "{from: _build/made/, to: /etc/p}, {from: '_build/made/*.x', to: /usr/p}, {from: a, to: /a}",
    );
    place.write("a", "a");
    assert_eq!(inputs(&place), ["a", "_build/made/", "_build/made/"]);
    let (project, plan) = place.plan_in(None).unwrap();
    graph(&project, plan.tasks, &plan.origins).unwrap();
}

#[test]
fn a_folder_that_cannot_be_a_source_is_named() {
    for (files, said) in [
        ("{from: conf, to: /x}", "p/package.yaml: `conf` is a folder: write `conf/` for the files in it"),
        (
            "{from: none/, to: /x}",
            "p/package.yaml:1:92: `none/` does not exist; paths are relative to the project's folder",
        ),
        (
            "{from: beside/, to: /x}",
            "`beside/` does not exist; paths are relative to the project's folder: write `p/beside/`",
        ),
        ("{from: out/, to: /x}", "`out` leads to "),
        (
            "{from: 'conf/*.json', to: /x}",
            "files[0].from: expected a pattern that matches a file, found `conf/*.json`",
        ),
        ("{from: '_build/*', to: /x}", "`_build/*` is in the build root itself: expected a folder in it"),
        (
            "{from: gen/, to: /x}",
            "a task writes gen/made.conf: exclude it from `gen/`, and name it in an entry of its own",
        ),
        ("{from: '**/*.conf', to: /x}", "a task writes gen/made.conf: exclude it from `**/*.conf`"),
    ] {
        let place = with_files(files);
        place.write("conf/a", "a");
        place.write("gen/b", "b");
        place.write("p/beside/a", "a");
        place.link("../host", "out");
        let error = place.plan().map(|_| ()).unwrap_err();
        assert!(error.contains(said), "{files}: {error}");
    }
    let place =
        with_files("{from: gen/, to: /x, exclude: [made.conf]}, {from: gen/made.conf, to: /x/made.conf}");
    place.write("gen/b", "b");
    assert_eq!(inputs(&place), ["gen/b", "gen/made.conf"]);
    // The project's folder has the build root in it, which is left out.
    let place = with_files("{from: ./, to: /x, exclude: [gen]}");
    place.write("_build/made/a", "a");
    assert_eq!(inputs(&place), ["p/package.yaml", "sealift.yaml"]);
}

#[test]
fn one_definition_gives_a_package_for_each_release() {
    let place = TestProject::new(
        "packages: [{name: r, release: '7', build: [p]}, {name: r, release: '8', build: [p]}, {name: r, release: '9', build: [p]}]",
    );
    place.write("a", "a");
    place.write(
        "p/package.yaml",
        "{name: p, version: '1', release: '1', arch: noarch, summary: s, license: l, requires: [python3], overrides: {el7: \
         {release: 1.el7, requires: [python36]}, el8: {release: 1.el8, files: [{from: a, to: /a}]}}}",
    );
    let (project, plan) = place.plan_in(None).unwrap();
    let outputs = |release: &str| {
        let name = format!("_build_redhat_{release}_repositories:r/build_rpm/p");
        let task = plan.tasks.iter().find(|task| task.name == name).unwrap();
        task.outputs[0].path().file_name().unwrap().to_str().unwrap().to_owned()
    };
    assert_eq!(
        ["7", "8", "9"].map(outputs),
        ["p-1-1.el7.noarch.rpm", "p-1-1.el8.noarch.rpm", "p-1-1.noarch.rpm"]
    );
    let requires = project.repositories.iter().map(|one| one.packages[0].definition.requires[0].to_string());
    assert_eq!(requires.collect::<Vec<_>>(), ["python36", "python3", "python3"]);
    graph(&project, plan.tasks, &plan.origins).unwrap();
}
