use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use super::changelog::sections;
use super::{NotesError, ReleaseRule, check, notes};
use crate::project::{Project, Settings, SettingsFlags};

const CHANGELOG: &str = "\
# Changes

## Unreleased

## [1.2.0](https://example.org) - 2026-01-31

- New.

```text
## 9.9.9
```

## v1.1.0 – 2025-12-01

### Fixed
- Old.

## 1.0.0
First.
";

struct Repository(TempDir);

impl Repository {
    /// A project with one commit.
    fn new(spec: &str) -> Self {
        let repository = Self(tempfile::tempdir().unwrap());
        repository.git(&["init", "-q", "-b", "main"]);
        repository.write(
            "sealift.yaml",
            &format!(
                "apiVersion: sealift.dev/v1alpha1\nkind: Platform\nmetadata:\n  name: Example\n  \
                 versionFrom: {{git: tag, default: 0.0.0-dev}}\nspec:\n{spec}"
            ),
        );
        repository.write("CHANGELOG.md", CHANGELOG);
        repository.write("chart/Chart.yaml", "version: v1.2.0\n");
        repository.commit("First");
        repository
    }

    fn root(&self) -> PathBuf {
        self.0.path().canonicalize().unwrap()
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn git(&self, arguments: &[&str]) {
        let mut command = Command::new("git");
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", "/nonexistent");
        for who in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{who}_NAME"), "A").env(format!("GIT_{who}_EMAIL"), "a@example.org");
            command.env(format!("GIT_{who}_DATE"), "1700000000 +0000");
        }
        let output = command.arg("-C").arg(self.0.path()).args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn commit(&self, subject: &str) {
        self.git(&["add", "."]);
        self.git(&["commit", "-q", "--allow-empty", "-m", subject]);
    }

    fn tag(&self, name: &str) {
        self.git(&["tag", "-f", "-a", "-m", "A release", name]);
    }

    fn project(&self) -> Project {
        let environment: BTreeMap<String, String> =
            std::env::vars().filter(|(name, _)| name == "PATH").collect();
        let settings = Settings::gather(&self.root(), &environment, &SettingsFlags::default()).unwrap();
        Project::load(&self.root(), settings).unwrap()
    }

    /// The problems of a tag, each with the word of its rule.
    fn problems(&self, tag: Option<&str>) -> Vec<String> {
        let report = check(&self.project(), tag).unwrap();
        let problems = report
            .checks
            .iter()
            .filter_map(|check| Some(format!("{}: {}", check.rule.word(), check.problem.as_ref()?.text)));
        let problems: Vec<_> = problems.collect();
        assert_eq!(report.is_good(), problems.is_empty());
        problems
    }
}

#[test]
fn candidates_and_their_release_are_good() {
    let repository = Repository::new("  release: {versions: [{file: chart/Chart.yaml, key: version}]}\n");
    repository.tag("v1.2.0-rc0");
    assert_eq!(repository.problems(None), [""; 0]);
    repository.commit("Second");
    repository.tag("v1.2.0-rc1");
    assert_eq!(repository.problems(Some("v1.2.0-rc1")), [""; 0]);
    repository.tag("v1.2.0");
    let report = check(&repository.project(), None).unwrap();
    assert_eq!(
        (report.tag.as_str(), report.version.as_str(), report.release.as_str()),
        ("v1.2.0", "1.2.0", "1.2.0")
    );
    assert_eq!(report.checks.len(), ReleaseRule::ALL.len());
    assert!(report.is_good());
}

#[test]
fn each_rule_is_broken_alone() {
    type Break = fn(&Repository);
    fn changed(one: &Repository, file: &str, text: &str) {
        one.write(file, text);
        one.commit("Other file");
        one.tag("1.2.0");
    }
    let cases: [(&str, Break, &str); 15] = [
        ("1.2", |_| {}, "name: `1.2` is not X.Y.Z"),
        ("1.2.0", |one| one.git(&["tag", "-f", "1.2.0"]), "annotated: the tag 1.2.0 is not annotated"),
        (
            "1.2.0",
            |one| {
                let text = fs::read_to_string(one.root().join("sealift.yaml")).unwrap();
                let fixed = text.replace("versionFrom: {git: tag, default: 0.0.0-dev}", "version: 1.2.0");
                changed(one, "sealift.yaml", &fixed);
                one.commit("Second");
            },
            "commit: the tag 1.2.0 is commit",
        ),
        ("1.2.0", |one| one.tag("v1.2.0"), "order: the tag v1.2.0 has the same version"),
        (
            "1.2.0-rc0",
            |one| {
                one.commit("Second");
                one.tag("1.2.0-rc0");
            },
            "order: 1.2.0 is released already",
        ),
        (
            "1.2.0-rc0",
            |one| {
                one.git(&["tag", "-d", "1.2.0"]);
                one.tag("1.2.0-rc0");
                one.tag("v1.2.0-rc0");
            },
            "order: the tag v1.2.0-rc0 has the same version",
        ),
        (
            "1.2.0-rc4",
            |one| {
                one.git(&["tag", "-d", "1.2.0"]);
                // Candidates and releases of other versions do not count.
                for other in ["1.1.0", "1.3.0-rc3", "v1.2.1-rc3", "1.2.0-rc2", "1.2.0-rc4"] {
                    one.tag(other);
                }
                one.git(&["tag", "-d", "1.3.0-rc3"]);
                one.git(&["tag", "-d", "v1.2.1-rc3"]);
            },
            "order: the candidate before it, 1.2.0-rc3, does not exist",
        ),
        (
            "1.2.0",
            |one| one.write("CHANGELOG.md", &format!("{CHANGELOG}\n")),
            "clean: CHANGELOG.md differs from the commit",
        ),
        (
            "1.2.0",
            |one| {
                one.write("a", "");
                one.write("b", "");
                one.commit("Files");
                one.tag("1.2.0");
                fs::remove_file(one.root().join("a")).unwrap();
                fs::remove_file(one.root().join("b")).unwrap();
            },
            "clean: a and b differ from the commit",
        ),
        (
            "1.2.0",
            |one| changed(one, "chart/Chart.yaml", "version: 1.1.9\n"),
            "files: chart/Chart.yaml has version 1.1.9",
        ),
        (
            "1.2.0",
            |one| changed(one, "CHANGELOG.md", "## 1.2.0 - unreleased\n\n- New.\n"),
            "changelog: CHANGELOG.md says that the version is unreleased",
        ),
        (
            "1.2.0",
            |one| {
                changed(
                    one,
                    "CHANGELOG.md",
                    "## 1.2.0\n\n### Added\n\n<!--\n- New.\n-->\n\n## 1.1.0\n\nOld\n",
                )
            },
            "changelog: the section 1.2.0 of CHANGELOG.md is empty",
        ),
        (
            "1.2.0",
            |one| changed(one, "CHANGELOG.md", "## [1.2.0]\n\n[1.2.0]: https://example.org\n"),
            "changelog: the section [1.2.0] of CHANGELOG.md is empty",
        ),
        (
            "1.2.0",
            |one| changed(one, "CHANGELOG.md", "## 1.2.0-rc0\n\n- New.\n"),
            "changelog: CHANGELOG.md has no section for 1.2.0",
        ),
        (
            "1.2.0",
            |one| changed(one, "CHANGELOG.md", "<!--\n## 1.2.0\n- New.\n-->\n"),
            "changelog: CHANGELOG.md has no section for 1.2.0",
        ),
    ];
    for (tag, break_it, expected) in cases {
        let repository = Repository::new("  release: {versions: [{file: chart/Chart.yaml, key: version}]}\n");
        repository.tag("1.2.0");
        break_it(&repository);
        let problems = repository.problems(Some(tag));
        assert!(
            matches!(&problems[..], [problem] if problem.starts_with(expected)),
            "{tag}: {expected}: {problems:#?}"
        );
    }
}

#[test]
fn a_tag_that_does_not_exist_has_no_commit_and_no_message() {
    let repository = Repository::new("  files: []\n");
    let report = check(&repository.project(), Some("1.2.0-rc0")).unwrap();
    let rules: Vec<_> = report.checks.iter().map(|check| check.rule).collect();
    assert!(!rules.contains(&ReleaseRule::Annotated) && !rules.contains(&ReleaseRule::Commit));
    let name = report.checks[0].problem.as_ref().unwrap();
    assert_eq!(name.text, "the repository has no tag 1.2.0-rc0");
    assert!(name.remedy.contains("git tag -a 1.2.0-rc0") && name.remedy.contains("git fetch --tags"));
}

#[test]
fn a_candidate_may_have_an_unreleased_section_and_one_of_its_own() {
    for (changelog, tag) in [
        ("## 1.2.0 - Unreleased\n\n- New.\n", "1.2.0-rc0"),
        ("## 1.2.0-rc0\n\n- New.\n\n## 1.1.0\n\n- Old.\n", "1.2.0-rc0"),
    ] {
        let repository = Repository::new("  files: []\n");
        repository.write("CHANGELOG.md", changelog);
        repository.commit("Changelog");
        repository.tag(tag);
        assert_eq!(repository.problems(Some(tag)), [""; 0], "{changelog}");
        let text = notes(&repository.project(), "1.1.0", tag).unwrap();
        assert!(text.starts_with("## 1.2.0") && text.ends_with("\n\n- New.\n"), "{text}");
    }
}

#[test]
fn each_problem_of_a_changelog_has_its_remedy() {
    for (changelog, remedy) in [
        ("## 1.1.0\n\n- Old.\n", "a heading such as `## 1.2.0 - 2026-01-31`"),
        ("## 1.2.0\n", "write below its heading"),
        ("## 1.2.0 (unreleased)\n\n- New.\n", "write the date of the release in its heading"),
    ] {
        let repository = Repository::new("  files: []\n");
        repository.write("CHANGELOG.md", changelog);
        repository.commit("Changelog");
        repository.tag("1.2.0");
        let report = check(&repository.project(), None).unwrap();
        let problems: Vec<_> = report.checks.iter().filter_map(|check| check.problem.as_ref()).collect();
        assert!(
            matches!(problems[..], [problem] if problem.remedy.contains(remedy)),
            "{remedy}: {problems:?}"
        );
    }
}

#[test]
fn a_repository_without_a_commit_has_nothing_to_release() {
    let repository = Repository::new("  files: []\n");
    repository.git(&["checkout", "-q", "--orphan", "other"]);
    for tag in [None, Some("1.2.0")] {
        assert_eq!(repository.problems(tag), ["commit: the repository has no commit"]);
    }
}

#[test]
fn the_project_has_the_version_of_the_tag_or_of_its_release() {
    for (version, tag, problem) in [
        ("1.2.0", "1.2.0", None),
        ("1.2.0+7", "1.2.0", None),
        ("1.2.0", "1.2.0-rc0", None),
        ("1.2.0-rc0", "1.2.0-rc0", None),
        ("1.2.0-rc0", "1.2.0", Some("version: the project has version 1.2.0-rc0, and not 1.2.0")),
        ("1.2.1", "1.2.0-rc0", Some("version: the project has version 1.2.1, and not 1.2.0-rc0")),
    ] {
        let repository = Repository::new("  files: []\n");
        let file = format!(
            "apiVersion: sealift.dev/v1alpha1\nkind: Platform\nmetadata: {{name: Example, version: {version}}}\nspec: {{}}\n"
        );
        repository.write("sealift.yaml", &file);
        repository.commit("Version");
        repository.tag(tag);
        let problems: Vec<String> = problem.map(str::to_owned).into_iter().collect();
        assert_eq!(repository.problems(Some(tag)), problems, "{version}, {tag}");
    }
}

#[test]
fn what_is_not_locked_or_in_development_is_named() {
    let repository = Repository::new(
        "  images:\n    pull: ['docker.io/library/nginx:latest', 'quay.io/a/b:1.0']\n    \
         build: [{name: own, folder: own}]\n  \
         sources:\n    - {name: tool, git: 'https://example.org/tool.git', ref: main}\n    \
         - {name: lib, git: 'https://example.org/lib.git', ref: v1.0}\n",
    );
    repository.write("own/Dockerfile", "FROM quay.io/a/base:edge AS build\nFROM quay.io/a/base:2.0\n");
    repository.commit("Image");
    repository.tag("1.2.0");
    let problems = repository.problems(None);
    assert_eq!(problems.len(), 2, "{problems:#?}");
    assert!(
        problems[0].starts_with("lock: ")
            && problems[0].contains("quay.io/a/b:1.0")
            && problems[0].ends_with(" are not in the lock file"),
        "{problems:#?}"
    );
    assert_eq!(
        problems[1],
        "dependencies: docker.io/library/nginx:latest, https://example.org/tool.git at main and quay.io/a/base:edge are in development"
    );
}

#[test]
fn a_commit_without_a_tag_cannot_be_released() {
    let repository = Repository::new("  files: []\n");
    assert_eq!(repository.problems(None), ["name: the commit has no tag such as 1.2.0 or v1.2.0-rc0"]);
}

#[test]
fn the_sections_of_a_changelog_are_found() {
    let found = sections(CHANGELOG);
    let versions: Vec<_> = found.iter().map(|section| section.version.as_str()).collect();
    assert_eq!(versions, ["Unreleased", "1.2.0", "1.1.0", "1.0.0"]);
    assert!(found[0].is_unreleased() && !found[1].is_unreleased());
    assert_eq!(found[1].text, "- New.\n\n```text\n## 9.9.9\n```");
    assert_eq!(found[3].text, "First.");
}

#[test]
fn only_headings_of_the_document_start_sections() {
    for (text, expected) in [
        ("## 1.0.0\na\n````\n```\n## 2.0.0\n```\n````\n", &["1.0.0"][..]),
        ("## 1.0.0\n~~~ text ```\n## 2.0.0\n~~~\n", &["1.0.0"]),
        ("## 1.0.0\n\n    ## 2.0.0\n", &["1.0.0"]),
        ("## 1.0.0\n<!--\n## 2.0.0\n-->\n## 3.0.0\n", &["1.0.0", "3.0.0"]),
        ("## 1.0.0\n> ## 2.0.0\n\n- ## 3.0.0\n", &["1.0.0"]),
        ("2.0.0\n-----\n\na\n\n[v1.0.0] - now\n---\n", &["2.0.0", "1.0.0"]),
        ("\u{feff}## 1.0.0\na\n", &["1.0.0"]),
        ("  ##   **1.0.0**   ##\r\na\r\n##2.0.0\r\n", &["1.0.0"]),
        ("## `v1.0.0`\na\n# Old\nb\n", &["1.0.0"]),
    ] {
        let found = sections(text);
        let versions: Vec<_> = found.iter().map(|section| section.version.as_str()).collect();
        assert_eq!(versions, expected, "{text}");
    }
    let text = "2.0.0 -\nnow\n---\na\n\n# Old\nb\n";
    let found = sections(text);
    assert_eq!((found[0].heading.as_str(), found[0].text.as_str()), ("2.0.0 - now", "a"));
}

#[test]
fn definitions_of_links_are_where_they_are_used() {
    let text = "# Changes\n\n## [1.1.0] - now\n\n- See [a][X], and [not this].\n\n## [1.0.0]\n\n- First.\n\n\
                [1.1.0]: https://example.org/1.1.0\n[1.0.0]: https://example.org/1.0.0\n[x]: https://example.org/x 'X'\n";
    let found = sections(text);
    assert_eq!(found[1].text, "- First.");
    let repository = Repository::new("  files: []\n");
    repository.write("CHANGELOG.md", text);
    assert_eq!(
        notes(&repository.project(), "1.0.0", "1.1.0").unwrap(),
        "## [1.1.0] - now\n\n- See [a][X], and [not this].\n\n[1.1.0]: https://example.org/1.1.0\n[x]: https://example.org/x 'X'\n"
    );
}

#[test]
fn notes_have_all_versions_since_the_last_release() {
    let repository = Repository::new("  files: []\n");
    let project = repository.project();
    let text = notes(&project, "v1.0.0", "1.2.0-rc3").unwrap();
    assert!(text.starts_with("## [1.2.0](https://example.org) - 2026-01-31\n\n- New.\n"), "{text}");
    assert!(text.ends_with("\n\n## v1.1.0 – 2025-12-01\n\n### Fixed\n- Old.\n"), "{text}");
    assert_eq!(notes(&project, "1.0.0", "1.1.0").unwrap(), "## v1.1.0 – 2025-12-01\n\n### Fixed\n- Old.\n");
    assert!(matches!(notes(&project, "1.2", "1.2.0"), Err(NotesError::Name { .. })));
    assert!(matches!(notes(&project, "1.2.0", "1.2.0"), Err(NotesError::Order { .. })));
    assert!(matches!(notes(&project, "1.2.0", "1.3.0"), Err(NotesError::NoSection { .. })));
}

#[test]
fn without_a_changelog_the_notes_are_the_commits() {
    let repository = Repository::new("  files: []\n");
    fs::remove_file(repository.root().join("CHANGELOG.md")).unwrap();
    repository.tag("1.0.0");
    repository.commit("Add a thing");
    repository.commit("Correct a thing");
    repository.tag("1.0.1");
    let text = notes(&repository.project(), "1.0.0", "1.0.1").unwrap();
    assert_eq!(text, "## 1.0.1\n\n- Correct a thing\n- Add a thing\n");
    // A version is its tag, with or without `v`.
    repository.git(&["tag", "v1.0.2"]);
    assert_eq!(notes(&repository.project(), "v1.0.0", "1.0.2").unwrap(), text.replace("1.0.1", "1.0.2"));
    let missing = notes(&repository.project(), "0.9.0", "1.0.1");
    assert!(matches!(&missing, Err(NotesError::NoTag { name, .. }) if name == "0.9.0"), "{missing:?}");
    // The first release.
    let first = notes(&repository.project(), "0.0.0", "1.0.0").unwrap();
    assert!(first.starts_with("## 1.0.0\n\n- "), "{first}");
    let clone = Repository(tempfile::tempdir().unwrap());
    let source = format!("file://{}", repository.root().display());
    clone.git(&["clone", "-q", "--depth=1", "--branch=main", &source, "."]);
    fs::remove_file(clone.root().join("CHANGELOG.md")).ok();
    let shallow = notes(&clone.project(), "1.0.0", "1.0.1");
    assert!(
        matches!(&shallow, Err(NotesError::Shallow { fetching }) if fetching.contains("--unshallow")),
        "{shallow:?}"
    );
}

#[test]
fn a_candidate_that_became_its_release_stays_good() {
    let repository = Repository::new("  files: []\n");
    for tag in ["1.2.0-rc0", "1.2.0"] {
        repository.tag(tag);
        assert_eq!(repository.problems(Some("1.2.0-rc0")), [""; 0], "{tag}");
    }
}

/// A build with another lock file is not that of the commit.
#[test]
fn changes_of_the_lock_file_count_as_changes_of_the_commit() {
    let repository = Repository::new("  files: []\n");
    let differing = || {
        let project = std::sync::Arc::new(repository.project());
        let registries = images::RegistrySession::new(images::pull::RegistryOptions::default());
        let plan = crate::tasks::tasks(&project, std::path::Path::new("/bin/true"), &registries).unwrap();
        plan.sources.differing(&project).unwrap().into_iter().collect::<Vec<_>>()
    };
    assert_eq!(differing(), Vec::<PathBuf>::new());
    repository.write("sealift.lock", "version: 1\nimages: {}\n");
    assert_eq!(differing(), [PathBuf::from("sealift.lock")]);
    repository.commit("Lock");
    assert_eq!(differing(), Vec::<PathBuf>::new());
    repository.write("sealift.lock", "version: 1\nimages: {}\n# changed\n");
    assert_eq!(differing(), [PathBuf::from("sealift.lock")]);
}
