//! The documents of the repository: what they name exists.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use tests::sealift;

/// The files of the repository that have this extension, without what was built.
fn files(extension: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![sealift::repository().to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if path.is_symlink() || name.starts_with('.') || matches!(name, "target" | "_build") {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                files.push(path);
            }
        }
    }
    files
}

fn read(name: &str) -> String {
    fs::read_to_string(sealift::repository().join(name)).unwrap()
}

/// The names in backquotes of a text.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn every_guarantee_of_security_md_names_a_test_that_exists() {
    let mut functions = BTreeSet::new();
    for file in files("rs") {
        let text = fs::read_to_string(&file).unwrap();
        let names =
            text.split("fn ").skip(1).filter_map(|rest| rest.split(['(', '<']).next().map(str::to_owned));
        functions.extend(names);
    }
    let text = read("SECURITY.md");
    let guarantees = text.split("\n## Guarantees\n").nth(1).unwrap();
    let mut tests = 0;
    for guarantee in guarantees.split("\n- ").skip(1) {
        let guarantee = guarantee.split("\n\n").next().unwrap();
        let named = guarantee.split('→').nth(1).unwrap_or_else(|| panic!("no test: {guarantee}"));
        for name in quoted(named) {
            assert!(functions.contains(name), "no test `{name}`: {guarantee}");
            tests += 1;
        }
    }
    assert!(tests > 50, "{tests}");
}

/// Links between the documents beside the book. Those of the book are checked when it is built.
#[test]
fn links_between_documents_lead_to_files() {
    for file in files("md") {
        let text = fs::read_to_string(&file).unwrap();
        // What stands in blocks of code is no link.
        let prose: String = text.split("```").step_by(2).collect();
        for link in prose.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = link.split('#').next().unwrap();
            let outside = path.is_empty() || path.contains(':') || path.contains(char::is_whitespace);
            let target = file.parent().unwrap().join(path);
            assert!(outside || target.exists(), "{}: {link} does not exist", shown(&file));
        }
    }
}

#[test]
fn paths_in_architecture_md_exist() {
    let text = read("ARCHITECTURE.md");
    let rooms = ["archive", "buildchain", "content", "docs", "examples", "images", "iso", "packages"];
    let rooms: Vec<&str> =
        rooms.into_iter().chain(["runtime", "salt", "sealift", "tests", "trust"]).collect();
    let mut paths = 0;
    for path in quoted(&text).filter(|path| path.split('/').next().is_some_and(|room| rooms.contains(&room)))
    {
        // `images/NAME/` and the like are paths of an archive.
        let placeholder = path.contains(|c: char| c.is_uppercase() || c == '<' || c == ' ');
        if path.contains('/') && !placeholder {
            assert!(sealift::repository().join(path).exists(), "ARCHITECTURE.md: {path} does not exist");
            paths += 1;
        }
    }
    assert!(paths > 40, "{paths}");
}

#[test]
fn the_readme_is_short_and_has_the_command_of_the_tests() {
    let readme = read("README.md");
    assert!(readme.lines().count() < 120);
    let section = readme.split("\n## ").find(|section| section.starts_with("Test\n")).unwrap();
    assert!(section.contains("```console\n$ cargo xtask test\n```"), "{section}");
}

fn shown(file: &Path) -> String {
    file.strip_prefix(sealift::repository()).unwrap_or(file).display().to_string()
}
