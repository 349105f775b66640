//! Packages of upstream repositories: locked, downloaded, checked, and installed by dnf.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use tests::dnf::System;
use tests::file_server::{FileServer, Reply};
use tests::killed;
use tests::signing_key::SigningKey;

use super::DATE;
use crate::project::Project;

pub(super) const HEAD: &str =
    "apiVersion: sealift.dev/v1alpha1\nkind: Platform\nmetadata: {name: Example, version: 1.2.3}\nspec:\n";

/// A package without files that needs others.
pub(super) fn package(folder: &Path, name: &str, version: &str, more: &str) -> PathBuf {
    let text = format!(
        "{{name: {name}, version: '{version}', release: 1.el8, arch: noarch, summary: A test, license: MIT{more}}}"
    );
    let definition = serde_saphyr::from_str(&text).unwrap();
    packages::build(&definition, folder, DATE, folder).unwrap().path
}

/// The files of a server, by path.
pub(super) type Served = Arc<Mutex<BTreeMap<String, Vec<u8>>>>;

/// An upstream repository: `app` needs `library`, which the nodes' base needs `libc` for.
pub(super) struct Upstream {
    pub(super) scratch: tempfile::TempDir,
    pub(super) key: SigningKey,
    pub(super) served: Served,
    pub(super) server: FileServer,
}

impl Upstream {
    pub(super) fn new() -> Option<Self> {
        let scratch = tempfile::tempdir().unwrap();
        let key = SigningKey::new(scratch.path(), "rsa2048")?;
        let served = Served::default();
        let server = FileServer::start({
            let served = Arc::clone(&served);
            move |path| {
                served.lock().unwrap().get(path).map_or(Reply::Status(404), |file| Reply::File(file.clone()))
            }
        });
        let upstream = Self { scratch, key, served, server };
        for repository in ["epel", "base"] {
            fs::create_dir(upstream.folder(repository)).unwrap();
        }
        let epel = upstream.folder("epel");
        package(&epel, "app", "1.0", ", requires: [library >= 2, /usr/bin/env]");
        package(&epel, "library", "1.0", "");
        package(&epel, "library", "2.0", ", requires: [libc]");
        package(&epel, "unrelated", "1.0", "");
        package(&upstream.folder("base"), "libc", "2.28", ", provides: [/usr/bin/env]");
        upstream.sign(&["epel", "base"]);
        upstream.publish("epel");
        upstream.publish("base");
        Some(upstream)
    }

    pub(super) fn folder(&self, repository: &str) -> PathBuf {
        self.scratch.path().join(repository)
    }

    /// Signs all packages.
    pub(super) fn sign(&self, repositories: &[&str]) {
        for repository in repositories {
            for entry in fs::read_dir(self.folder(repository)).unwrap() {
                let path = entry.unwrap().path();
                if path.extension().is_some_and(|end| end == "rpm") {
                    self.key.sign_package(&path);
                }
            }
        }
    }

    /// Writes and signs the metadata, and serves all files.
    pub(super) fn publish(&self, repository: &str) {
        let folder = self.folder(repository);
        packages::repository::index(&folder, DATE).unwrap();
        self.key.sign_metadata(&folder);
        self.serve(repository);
    }

    pub(super) fn serve(&self, repository: &str) {
        let folder = self.folder(repository);
        let mut served = self.served.lock().unwrap();
        for name in [folder.clone(), folder.join("repodata")] {
            for entry in fs::read_dir(name).unwrap() {
                let path = entry.unwrap().path();
                if path.is_file() {
                    let name = path.strip_prefix(self.scratch.path()).unwrap();
                    served.insert(format!("/{}", name.display()), fs::read(&path).unwrap());
                }
            }
        }
    }

    pub(super) fn project(&self, more: &str) -> Project {
        let project = Project::new();
        project.write("keys/epel", std::str::from_utf8(&self.key.public()).unwrap());
        let (epel, base) = (self.server.url("/epel"), self.server.url("/base"));
        project.write(
            "sealift.yaml",
            &format!(
                "{HEAD}  packages:\n    \
                 - {{name: base, release: \"8\", source: {{url: \"{base}\", keys: [keys/epel], onNodes: true}}}}\n    \
                 - {{name: epel, release: \"8\", download: [app], source: {{url: \"{epel}\", keys: [keys/epel], signatures: all}}}}\n{more}"
            ),
        );
        project
    }
}

pub(super) fn succeeds(project: &Project, arguments: &[&str]) -> String {
    let (code, out, err) = project.sealift(arguments);
    assert_eq!(code, 0, "{arguments:?}: {out}{err}");
    format!("{out}{err}")
}

pub(super) fn fails(project: &Project, arguments: &[&str], expected: i32) -> String {
    let (code, out, err) = project.sealift(arguments);
    assert_eq!(code, expected, "{arguments:?}: {out}{err}");
    format!("{out}{err}")
}

/// Removes the packages from the content store, and what was built.
fn forget(project: &Project) {
    fs::remove_dir_all(project.path(".cache")).unwrap();
    let build = project.path("_build");
    if build.exists() {
        fs::remove_dir_all(build).unwrap();
    }
}

pub(super) const TREE: &str = "_build/root/packages/redhat/8/example-epel-el8";

#[test]
fn packages_are_locked_with_what_they_need_and_built_without_asking_for_metadata() {
    let Some(upstream) = Upstream::new() else { return };
    let project = upstream.project("");
    let refused = project.sealift(&["run", "packaging"]);
    assert!(refused.2.contains("the package set of epel for release 8"), "{refused:?}");
    let said = succeeds(&project, &["lock"]);
    for line in ["app.noarch (epel, release 8) is new: app-1.0-1.el8.noarch", "library-2.0-1.el8.noarch"] {
        assert!(said.contains(line), "{said}");
    }
    assert!(!said.contains("unrelated") && !said.contains("libc-2"), "{said}");
    assert_eq!(succeeds(&project, &["lock"]), "nothing moved\n");
    succeeds(&project, &["lock", "--check"]);
    let why = succeeds(&project, &["package", "why", "library"]);
    assert_eq!(
        why,
        "8 epel library-2.0-1.el8.noarch\n  app-1.0-1.el8.noarch requires library >= 2\n    requested as app\n"
    );

    let said = succeeds(&project, &["explain", "packaging:epel/download"]);
    let packages = "  packages:\n    app-1.0-1.el8.noarch\n      requested as app\n    library-2.0-1.el8.noarch\n      \
                    app-1.0-1.el8.noarch requires library >= 2\n        requested as app\n";
    assert!(said.ends_with(packages), "{said}");

    // The packages are in the store already: they were checked when they were locked.
    drop(upstream.server.asked());
    succeeds(&project, &["run", "packaging"]);
    assert_eq!(upstream.server.asked(), []);
    forget(&project);
    succeeds(&project, &["run", "packaging"]);
    let mut asked: Vec<String> = upstream.server.asked().into_iter().map(|one| one.path).collect();
    asked.sort();
    assert_eq!(asked, ["/epel/app-1.0-1.el8.noarch.rpm", "/epel/library-2.0-1.el8.noarch.rpm"]);
    let tree = project.path(TREE);
    for name in ["app-1.0-1.el8.noarch.rpm", "library-2.0-1.el8.noarch.rpm"] {
        let placed = fs::read(tree.join("noarch").join(name)).unwrap();
        assert!(placed == fs::read(upstream.folder("epel").join(name)).unwrap(), "{name} was changed");
    }
    assert_eq!(fs::read(tree.join("RPM-GPG-KEY-example-epel-8")).unwrap(), upstream.key.public());
    assert!(tree.join("repodata/repomd.xml").is_file());

    // Offline, from nothing but the store; then without anything to do.
    let first = fs::read(tree.join("repodata/primary.xml.gz")).unwrap();
    upstream.served.lock().unwrap().clear();
    fs::remove_dir_all(project.path("_build")).unwrap();
    succeeds(&project, &["run", "packaging"]);
    assert_eq!(fs::read(tree.join("repodata/primary.xml.gz")).unwrap(), first);
    assert_eq!(upstream.server.asked(), []);
    succeeds(&project, &["run", "packaging"]);

    let Some(system) = System::new(project.path("").as_path(), "") else { return };
    let base = upstream.folder("base");
    let key = project.path("keys/epel");
    let repository = |id: &str, folder: &Path| {
        format!(
            "[{id}]\nname={id}\nbaseurl=file://{}\nenabled=1\ngpgcheck=1\ngpgkey=file://{}\n",
            folder.display(),
            key.display()
        )
    };
    let text = repository("epel", &tree) + &repository("base", &base);
    fs::write(system.root.join("repos/test.repo"), text).unwrap();
    let said = system.run(&["install", "app"]);
    assert!(said.contains("library") && said.contains("Complete!"), "{said}");
}

#[test]
fn what_a_repository_changes_is_reported_by_update_and_refused_by_a_build() {
    let Some(upstream) = Upstream::new() else { return };
    let project = upstream.project("");
    succeeds(&project, &["lock"]);
    let lock = fs::read_to_string(project.path("sealift.lock")).unwrap();
    // Another request is another set.
    let file = fs::read_to_string(project.path("sealift.yaml")).unwrap();
    project.write("sealift.yaml", &file.replace("download: [app]", "download: [app, unrelated]"));
    let refused = project.sealift(&["run", "packaging"]).2;
    assert!(
        refused.contains("the package set of epel for release 8") && refused.contains("sealift lock"),
        "{refused}"
    );
    let said = succeeds(&project, &["lock"]);
    assert_eq!(said, "unrelated.noarch (epel, release 8) is new: unrelated-1.0-1.el8.noarch\n");
    project.write("sealift.yaml", &file);
    succeeds(&project, &["lock"]);
    assert_eq!(fs::read_to_string(project.path("sealift.lock")).unwrap(), lock);

    // The same name with other content: a build refuses it, an update reports it.
    let replaced =
        package(&upstream.folder("epel"), "library", "2.0", ", requires: [libc], url: 'https://x'");
    upstream.key.sign_package(&replaced);
    upstream.publish("epel");
    forget(&project);
    let refused = fails(&project, &["run", "packaging"], 1);
    for part in
        ["library-2.0-1.el8.noarch: the repository has another file under this name", "sealift update"]
    {
        assert!(refused.contains(part), "{refused}");
    }
    let (code, _, said) = project.sealift(&["lock", "--check"]);
    assert!(code == 1 && said.contains("library.noarch of epel for release 8"), "{said}");
    package(&upstream.folder("epel"), "library", "2.1", ", requires: [libc]");
    upstream.sign(&["epel"]);
    upstream.publish("epel");
    let said = succeeds(&project, &["update"]);
    let line = "library.noarch (epel, release 8) library-2.0-1.el8.noarch -> library-2.1-1.el8.noarch";
    assert!(said.contains(line), "{said}");
    succeeds(&project, &["run", "packaging"]);
    assert!(!project.path(TREE).join("noarch/library-2.0-1.el8.noarch.rpm").exists());
}

#[test]
fn a_repository_that_is_not_as_it_was_signed_locks_nothing() {
    let Some(upstream) = Upstream::new() else { return };
    let project = upstream.project("");
    let edit = |path: &str, change: &dyn Fn(&mut Vec<u8>)| {
        upstream.serve("epel");
        change(upstream.served.lock().unwrap().get_mut(path).unwrap());
    };
    let refused = |part: &str| {
        let said = fails(&project, &["lock"], 2);
        assert!(said.contains(part), "{said}");
        let lock = fs::read_to_string(project.path("sealift.lock")).unwrap();
        assert!(!lock.contains("app-1.0"), "{lock}");
    };
    edit("/epel/repodata/repomd.xml", &|bytes| bytes.extend(b"<!-- -->"));
    refused("repomd.xml: it was altered after the key ");
    edit("/epel/repodata/repomd.xml.asc", &|bytes| bytes.truncate(100));
    refused("its signature cannot be read");
    edit("/epel/repodata/primary.xml.gz", &|bytes| bytes[20] ^= 1);
    refused("primary of epel");
    upstream.serve("epel");
    upstream.served.lock().unwrap().remove("/epel/repodata/repomd.xml.asc");
    refused("it has no signature");
    upstream.served.lock().unwrap().remove("/epel/repodata/primary.xml.gz");
    upstream.serve("epel");
    upstream.served.lock().unwrap().remove("/epel/repodata/primary.xml.gz");
    refused("primary of epel");
    let Some(other) = SigningKey::expiring(upstream.scratch.path(), "1y") else { return };
    project.write("keys/epel", std::str::from_utf8(&other.public()).unwrap());
    upstream.serve("epel");
    refused("which is not among the keys of the repository");
    for repository in ["epel", "base"] {
        other.sign_metadata_at(Some("20190601T000000"), &upstream.folder(repository));
        upstream.serve(repository);
    }
    refused(" expired on 2020-01-01");
    let (_, _, said) = project.sealift(&["lock"]);
    assert!(said.contains("help: get the new key of the publisher"), "{said}");
    project.write("keys/epel", std::str::from_utf8(&upstream.key.public()).unwrap());
    upstream.publish("epel");
    upstream.publish("base");
    succeeds(&project, &["lock"]);

    // A package that nobody signed: the lock file stays as it is.
    let unsigned = package(&upstream.folder("epel"), "app", "1.1", ", requires: [library]");
    upstream.publish("epel");
    let lock = fs::read_to_string(project.path("sealift.lock")).unwrap();
    let said = fails(&project, &["update"], 2);
    assert!(
        said.contains("app-1.1-1.el8.noarch: it has no signature") && said.contains("signatures: metadata"),
        "{said}"
    );
    assert_eq!(fs::read_to_string(project.path("sealift.lock")).unwrap(), lock);
    let text = fs::read_to_string(project.path("sealift.yaml")).unwrap();
    let placed = project.path(TREE).join("noarch").join(unsigned.file_name().unwrap());
    for (rule, is_signed, expected) in [("metadata", true, 0), ("none", false, 0), ("metadata", false, 2)] {
        upstream.serve("epel");
        if !is_signed {
            upstream.served.lock().unwrap().remove("/epel/repodata/repomd.xml.asc");
        }
        project.write("sealift.yaml", &text.replace("signatures: all", &format!("signatures: {rule}")));
        let (code, out, err) = project.sealift(&["update"]);
        assert_eq!(code, expected, "{rule}: {out}{err}");
        if code == 0 {
            succeeds(&project, &["run", "packaging"]);
            assert!(placed.is_file(), "{rule}");
        }
    }
    // A lock file that names it does not help: a build checks the signature, too.
    project.write("sealift.yaml", &text.replace("signatures: all", "signatures: none"));
    succeeds(&project, &["lock"]);
    let of_none = fs::read_to_string(project.path("sealift.lock")).unwrap();
    project.write("sealift.yaml", &text);
    let inputs = |lock: &str| lock.lines().find(|line| line.contains("inputs: ")).unwrap().to_owned();
    project.write("sealift.lock", &of_none.replace(&inputs(&of_none), &inputs(&lock)));
    let said = fails(&project, &["run", "packaging"], 1);
    assert!(said.contains("app-1.1-1.el8.noarch: it has no signature"), "{said}");
}

#[test]
fn a_download_resumes_after_a_kill_and_a_mirror_helps_where_the_first_server_lacks_a_file() {
    let Some(upstream) = Upstream::new() else { return };
    let large = upstream.folder("epel").join("noise");
    let mut state = 1_u64;
    let mut random = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    };
    let noise: Vec<u8> = (0..1_000_000).map(|_| random()).collect();
    fs::write(&large, noise).unwrap();
    package(
        &upstream.folder("epel"),
        "app",
        "2.0",
        ", requires: [library], files: [{from: noise, to: /usr/share/noise}]",
    );
    fs::remove_file(&large).unwrap();
    upstream.sign(&["epel"]);
    upstream.publish("epel");
    let held = Arc::new(Mutex::new(false));
    let slow = FileServer::start({
        let (served, held) = (Arc::clone(&upstream.served), Arc::clone(&held));
        move |path| match served.lock().unwrap().get(path) {
            Some(file) if path.contains("app-2.0") && *held.lock().unwrap() => {
                Reply::Held(file.clone(), 400_000)
            }
            Some(file) if !path.contains("library") => Reply::File(file.clone()),
            _ => Reply::Status(404),
        }
    });
    let project = upstream.project("");
    let text = fs::read_to_string(project.path("sealift.yaml")).unwrap();
    let (ours, theirs) = (upstream.server.url("/epel"), slow.url("/epel"));
    let (from, to) = (format!("url: \"{ours}\""), format!("url: \"{theirs}\", mirrors: [\"{ours}\"]"));
    project.write("sealift.yaml", &text.replace(&from, &to));
    succeeds(&project, &["lock"]);
    forget(&project);
    *held.lock().unwrap() = true;
    let mut child = killed::start(project.command().args(["run", "packaging"]));
    let partial = project.path(".cache/partial/sha256");
    let size = || {
        let entries = fs::read_dir(&partial).into_iter().flatten().filter_map(Result::ok);
        entries.filter_map(|entry| Some(entry.metadata().ok()?.len())).max().unwrap_or_default()
    };
    while size() < 400_000 {
        assert!(child.try_wait().unwrap().is_none(), "the build ended before it was killed");
        std::thread::yield_now();
    }
    killed::kill(child);
    *held.lock().unwrap() = false;
    drop(slow.asked());
    succeeds(&project, &["run", "packaging"]);
    let resumed = slow.asked().into_iter().find(|one| one.path.contains("app-2.0")).unwrap();
    assert_eq!(resumed.start, 400_000);
    let name = "app-2.0-1.el8.noarch.rpm";
    let placed = fs::read(project.path(TREE).join("noarch").join(name)).unwrap();
    assert!(placed == fs::read(upstream.folder("epel").join(name)).unwrap());
    assert!(project.path(TREE).join("noarch/library-2.0-1.el8.noarch.rpm").is_file());
}

#[test]
fn what_the_packages_of_a_spec_file_require_is_downloaded_too() {
    let Some(upstream) = Upstream::new() else { return };
    let own =
        "  - {name: own, release: \"8\", build: [tool.spec], builder: host, exclude: ['tool-devel-*']}\n";
    let project = upstream.project(&format!("  {own}"));
    let text = fs::read_to_string(project.path("sealift.yaml")).unwrap();
    project.write("sealift.yaml", &text.replace("download: [app]", "download: [library]"));
    let spec = "Name: tool\nVersion: 1\nRelease: 1%{?dist}\nSummary: A test\nLicense: MIT\n\
                Requires(post): app >= 1\nRequires: %{name}-data = %{version}-%{release}, elsewhere\n\
                Requires: %{python_name}\n%description\nA test.\n\
                %package data\nSummary: Data\n%description data\nData.\n\
                %package devel\nSummary: Devel\nRequires: unrelated\n%description devel\nDevel.\n";
    project.write("tool.spec", spec);
    let said = succeeds(&project, &["lock"]);
    for line in [
        "app.noarch (epel, release 8) is new: app-1.0-1.el8.noarch",
        "elsewhere of tool is not downloaded",
        "tool.spec:8: what is required is not downloaded: the file does not define `%{python_name}`",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
    assert!(!said.contains("unrelated") && !said.contains("tool-data"), "{said}");
    let why = succeeds(&project, &["package", "why", "app"]);
    assert_eq!(why, "8 epel app-1.0-1.el8.noarch\n  requested as app >= 1 of tool\n");
    succeeds(&project, &["lock", "--check"]);
    project.write("tool.spec", &spec.replace("app >= 1", "app >= 1, unrelated"));
    let (code, _, said) = project.sealift(&["lock", "--check"]);
    assert!(code == 1 && said.contains("unrelated"), "{said}");
}
