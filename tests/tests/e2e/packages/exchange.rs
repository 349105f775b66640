//! Package locks of other tools.

use std::fs;

use super::upstream::{TREE, Upstream, fails, succeeds};

#[test]
fn a_lock_goes_to_other_tools_and_comes_back_the_same() {
    let Some(upstream) = Upstream::new() else { return };
    let project = upstream.project("");
    let refused = fails(&project, &["package", "export", "manifest"], 3);
    assert!(refused.contains("are not locked") && refused.contains("sealift lock"), "{refused}");
    succeeds(&project, &["lock"]);
    let lock = fs::read_to_string(project.path("sealift.lock")).unwrap();
    for (format, file, place) in [
        ("rpms-lock", "rpms.lock.yaml", upstream.server.url("/epel/app-1.0-1.el8.noarch.rpm")),
        ("manifest", "packages.manifest.yaml", "\"app-1.0-1.el8.noarch.rpm\"".to_owned()),
    ] {
        let text = succeeds(&project, &["package", "export", format]);
        assert!(text.contains(&place), "{text}");
        assert!(text.contains("library") && !text.contains("libc"), "{text}");
        project.write(file, &text);
        fs::remove_file(project.path("sealift.lock")).unwrap();
        let said = succeeds(&project, &["package", "import", file, "--dry-run"]);
        assert!(said.contains("library.noarch (epel, release 8) is new"), "{said}");
        assert!(!project.path("sealift.lock").exists());
        succeeds(&project, &["package", "import", file]);
        let imported = fs::read_to_string(project.path("sealift.lock")).unwrap();
        let without_reasons = |text: &str| {
            let lines = text
                .lines()
                .filter(|line| !["why: ", "by: ", "needs: "].iter().any(|key| line.trim().starts_with(key)));
            lines.map(str::to_owned).collect::<Vec<String>>()
        };
        assert_eq!(without_reasons(&imported), without_reasons(&lock), "{file}");
        let why = succeeds(&project, &["package", "why", "library"]);
        assert!(why.contains(&format!("imported from {file}")), "{why}");
        assert_eq!(succeeds(&project, &["lock"]), "nothing moved\n");
        assert_eq!(succeeds(&project, &["package", "export", format]), text);
    }
    // A request of the release is a reason, in any form that names the package.
    let file = fs::read_to_string(project.path("sealift.yaml")).unwrap();
    let more = "  distributions: [{release: \"8\", download: [library-2.0]}]\n";
    project.write("sealift.yaml", &format!("{file}{more}"));
    succeeds(&project, &["package", "import", "rpms.lock.yaml"]);
    let why = succeeds(&project, &["package", "why", "library"]);
    assert!(why.ends_with("requested as library-2.0\n"), "{why}");
    project.write("sealift.yaml", &file);
    succeeds(&project, &["package", "import", "packages.manifest.yaml"]);
    succeeds(&project, &["run", "packaging"]);
    assert!(project.path(TREE).join("noarch/library-2.0-1.el8.noarch.rpm").is_file());

    // What a file says is not trusted: the signature, the content and the name are checked.
    let good = fs::read_to_string(project.path("packages.manifest.yaml")).unwrap();
    let lock = fs::read_to_string(project.path("sealift.lock")).unwrap();
    let digest = |name: &str| {
        let (_, rest) = good.split_once(&format!("name: \"{name}\"")).unwrap();
        rest.split_once("checksum: ").unwrap().1.lines().next().unwrap().to_owned()
    };
    for (text, expected, help) in [
        (good.replace(&digest("app"), &digest("library")), "app-1.0-1.el8.noarch: ", ""),
        (
            good.replace("evr: \"2.0-1.el8\"", "evr: \"2.1-1.el8\""),
            "library-2.1-1.el8.noarch: the file is another package",
            "",
        ),
        (
            good.replace("repo_id: \"epel\"", "repo_id: \"other\""),
            "wrong.yaml:9:15: the project has no repository `other` for the package app",
            "`name: other`",
        ),
        (
            good.replace("noarch:\n", "src:\n"),
            "wrong.yaml: the file has no package for x86_64",
            "`architectures` of the release",
        ),
        (
            good.replace(&digest("app"), "sha1:da39a3ee5e6b4b0d3255bfef95601890afd80709"),
            "app: expected a SHA-256",
            "with their SHA-256",
        ),
        (good.replace("location: ", "other: "), "app: the list does not say where", "`location` or `url`"),
    ] {
        project.write("wrong.yaml", &text);
        let said = fails(&project, &["package", "import", "wrong.yaml"], 2);
        assert!(said.contains(expected) && said.contains(help), "{expected}, {help}: {said}");
        assert_eq!(fs::read_to_string(project.path("sealift.lock")).unwrap(), lock);
    }
    project.write("wrong.yaml", "a: b\n");
    let said = fails(&project, &["package", "import", "wrong.yaml"], 3);
    assert!(said.contains("wrong.yaml:1:1: expected") && said.contains("rpms.lock.yaml"), "{said}");
}

#[test]
fn what_is_asked_for_becomes_entries_of_a_project_that_locks() {
    let Some(upstream) = Upstream::new() else { return };
    let project = upstream.project("");
    let input = succeeds(&project, &["package", "export", "rpms-in"]);
    project.write("rpms.in.yaml", &input);
    let entries = succeeds(&project, &["package", "import", "rpms.in.yaml", "--release", "8"]);
    let head = super::upstream::HEAD.strip_suffix("spec:\n").unwrap();
    for name in ["base", "epel"] {
        project
            .write(&format!("keys/RPM-GPG-KEY-{name}"), std::str::from_utf8(&upstream.key.public()).unwrap());
    }
    project.write("sealift.yaml", &format!("{head}{entries}"));
    let said = succeeds(&project, &["lock"]);
    // The nodes' repository is one like the other.
    for name in ["app-1.0", "library-2.0", "libc-2.28"] {
        assert!(said.contains(name), "{said}");
    }
    let why = succeeds(&project, &["package", "why", "app"]);
    assert!(why.ends_with("requested as app\n"), "{why}");
    project.write("rpms.in.yaml", &format!("{input}reinstallPackages: [x]\ncontext: {{bare: true}}\n"));
    let said = succeeds(&project, &["package", "import", "rpms.in.yaml", "--release", "8"]);
    assert!(
        said.contains("`context` is left out") && said.contains("`reinstallPackages` is left out"),
        "{said}"
    );
}
