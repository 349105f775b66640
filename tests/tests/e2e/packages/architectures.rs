//! Upstream packages for several architectures, and their changelogs.

use std::fs;
use std::path::Path;

use super::DATE;
use super::upstream::{HEAD, TREE, fails, succeeds};
use crate::project::Project;

fn package(folder: &Path, name: &str, version: &str, arch: &str, more: &str) {
    let text = format!(
        "{{name: {name}, version: '{version}', release: 1.el8, arch: {arch}, summary: A test, license: MIT{more}}}"
    );
    let definition = serde_saphyr::from_str(&text).unwrap();
    packages::build(&definition, folder, DATE, folder).unwrap();
}

/// A repository in a folder for each of two architectures. `tool` needs `common`, which has none, and on x86_64 `extra`.
fn publish(root: &Path, version: &str, changelog: &str) {
    for (arch, more) in [("x86_64", ", requires: [common, extra]"), ("aarch64", ", requires: [common]")] {
        let folder = root.join(arch);
        fs::create_dir_all(&folder).unwrap();
        package(&folder, "tool", "1.0", arch, more);
        package(&folder, "common", version, "noarch", changelog);
        package(&folder, "extra", "1.0", "noarch", "");
        packages::repository::index(&folder, DATE).unwrap();
    }
}

fn project(root: &Path, architectures: &str) -> Project {
    let project = Project::new();
    let url = format!("file://{}/$basearch", root.display());
    project.write(
        "sealift.yaml",
        &format!(
            "{HEAD}  distributions: [{{release: \"8\", architectures: {architectures}}}]\n  packages:\n    \
             - {{name: epel, release: \"8\", download: [tool], source: {{url: \"{url}\", signatures: none}}}}\n"
        ),
    );
    project
}

fn built(project: &Project) -> Vec<String> {
    let tree = project.path(TREE);
    let mut names = Vec::new();
    for folder in fs::read_dir(&tree).unwrap().map(|entry| entry.unwrap().path()) {
        if folder.file_name().is_some_and(|name| name != "repodata") {
            let files = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
            names.extend(files.map(|file| file.strip_prefix(&tree).unwrap().display().to_string()));
        }
    }
    names.sort();
    names
}

#[test]
fn the_packages_of_several_architectures_are_locked_each_and_built_into_one_repository() {
    let root = tempfile::tempdir().unwrap();
    publish(root.path(), "1.0", "");
    let project = project(root.path(), "[x86_64, aarch64]");
    let said = succeeds(&project, &["lock"]);
    assert_eq!(said.matches("common.noarch (epel, release 8) is new").count(), 1, "{said}");
    for name in ["tool.x86_64", "tool.aarch64", "extra.noarch"] {
        assert!(said.contains(&format!("{name} (epel, release 8) is new")), "{said}");
    }
    let lock = fs::read_to_string(project.path("sealift.lock")).unwrap();
    assert_eq!(lock.matches("\n      architecture: ").count(), 2, "{lock}");
    succeeds(&project, &["lock", "--check"]);
    succeeds(&project, &["run", "packaging"]);
    let both = [
        "aarch64/tool-1.0-1.el8.aarch64.rpm",
        "noarch/common-1.0-1.el8.noarch.rpm",
        "noarch/extra-1.0-1.el8.noarch.rpm",
        "x86_64/tool-1.0-1.el8.x86_64.rpm",
    ];
    assert_eq!(built(&project), both);
    succeeds(&project, &["package", "check", &project.path(TREE).to_string_lossy()]);
    let why = succeeds(&project, &["package", "why", "common"]);
    assert_eq!(why.matches("common-1.0-1.el8.noarch\n").count(), 1, "{why}");

    // Without one of them, its packages are gone, and those of both stay.
    let text = fs::read_to_string(project.path("sealift.yaml")).unwrap();
    project.write("sealift.yaml", &text.replace("[x86_64, aarch64]", "[aarch64]"));
    let said = succeeds(&project, &["lock"]);
    assert!(
        said.contains("tool.x86_64 (epel, release 8) is gone") && said.contains("extra.noarch"),
        "{said}"
    );
    assert!(!said.contains("common") && !said.contains("aarch64 ("), "{said}");
    succeeds(&project, &["run", "packaging"]);
    assert_eq!(built(&project), both[..2]);

    // One file on x86_64 and another on aarch64 cannot lie in one folder.
    project.write("sealift.yaml", &text);
    package(&root.path().join("aarch64"), "common", "1.0", "noarch", ", url: 'https://x'");
    packages::repository::index(&root.path().join("aarch64"), DATE).unwrap();
    let said = fails(&project, &["update"], 2);
    assert!(said.contains("common-1.0-1.el8.noarch is one file for "), "{said}");

    // Nor can a list of another tool lock them. It has a name of the repository for each architecture.
    let mut list = "lockfileVersion: 1\narches:\n".to_owned();
    for arch in ["x86_64", "aarch64"] {
        let url = root.path().join(arch).join("common-1.0-1.el8.noarch.rpm");
        let (digest, size) = content::hash_file(&url, content::LinkPolicy::Refuse).unwrap();
        list += &format!(
            "- arch: {arch}\n  packages:\n  - {{url: 'file://{}', repoid: epel-{arch}, size: {size}, checksum: '{digest}', name: common, evr: 1.0-1.el8}}\n",
            url.display()
        );
    }
    project.write("rpms.lock.yaml", &list);
    let said = fails(&project, &["package", "import", "rpms.lock.yaml"], 2);
    assert!(said.contains("common-1.0-1.el8.noarch is one file for "), "{said}");
}

#[test]
fn an_update_prints_what_changelogs_say_since_the_locked_version() {
    let root = tempfile::tempdir().unwrap();
    let entry = |date: &str, version: &str, text: &str| {
        format!("{{date: {date}, author: 'A <a@example.org>', version: {version}, text: '- {text}'}}")
    };
    let first = entry("2023-01-02", "1.0-1", "Begin");
    publish(root.path(), "1.0", &format!(", changelog: [{first}]"));
    let project = project(root.path(), "[x86_64, aarch64]");
    succeeds(&project, &["lock"]);
    let (second, third) = (entry("2023-02-03", "1.1-1", "Repair"), entry("2023-03-04", "1.2-1", "Improve"));
    publish(root.path(), "1.2", &format!(", changelog: [{third}, {second}, {first}]"));
    let lock = fs::read_to_string(project.path("sealift.lock")).unwrap();
    let moved = "common.noarch (epel, release 8) common-1.0-1.el8.noarch -> common-1.2-1.el8.noarch\n";
    assert_eq!(succeeds(&project, &["update"]), moved);
    project.write("sealift.lock", &lock);
    let said = succeeds(&project, &["update", "--changelog"]);
    let entries = "  2023-03-04 A <a@example.org> - 1.2-1\n    - Improve\n  2023-02-03 A <a@example.org> - 1.1-1\n    - Repair\n";
    assert_eq!(said, format!("{moved}{entries}"));
    project.write("sealift.lock", &lock);
    let json = succeeds(&project, &["update", "--changelog", "-o", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let items = json["items"].as_array().unwrap();
    let common = items.iter().find(|item| item["reference"].as_str().unwrap().contains("common")).unwrap();
    assert_eq!(common["changelog"].as_array().unwrap().len(), 2, "{common}");
    assert_eq!(common["changelog"][0]["text"], "- Improve");
}
