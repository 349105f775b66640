//! Repositories as users have them.

use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::project::SettingsFlags;

struct Scratch {
    folder: tempfile::TempDir,
}

/// What git prints in `folder`, without the blanks around it. Its home is `home`, and who commits and when is fixed.
pub(super) fn git(home: &Path, folder: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new("git");
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", home);
    command.env("GIT_CONFIG_NOSYSTEM", "1");
    for who in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{who}_NAME"), "A").env(format!("GIT_{who}_EMAIL"), "a@example.org");
        command.env(format!("GIT_{who}_DATE"), "1700000000 +0000");
    }
    let output = command.arg("-C").arg(folder).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

impl Scratch {
    /// A repository with two commits in `project/`, the first of which has a tag.
    fn new() -> Self {
        let scratch = Self { folder: tempfile::tempdir().unwrap() };
        scratch.git("", &["init", "-q", "-b", "main", "project"]);
        for (file, text) in [("sub/read", "1\n"), ("other", "2\n")] {
            scratch.write(&format!("project/{file}"), text);
            scratch.git("project", &["add", "."]);
            scratch.git("project", &["commit", "-q", "-m", file]);
            if file == "sub/read" {
                scratch.git("project", &["tag", "v1"]);
            }
        }
        scratch
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        std::fs::write(self.path(name), text).unwrap();
    }

    fn git(&self, folder: &str, arguments: &[&str]) {
        git(self.folder.path(), &self.path(folder), arguments);
    }

    fn settings(&self, more: &[(&str, &str)]) -> Settings {
        let mut environment = BTreeMap::from([
            ("PATH", std::env::var("PATH").unwrap()),
            ("HOME", self.folder.path().display().to_string()),
        ]);
        environment.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
        let environment = environment.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Settings::gather(self.folder.path(), &environment, &SettingsFlags::default()).unwrap()
    }

    fn commit(&self, folder: &str, more: &[(&str, &str)]) -> Result<Option<Commit>, Error> {
        let repository = GitRepository::open(&self.settings(more), &self.path(folder))?;
        Ok(repository.map(|repository| repository.commit()).transpose()?.flatten())
    }

    fn open(&self, folder: &str) -> GitRepository {
        GitRepository::open(&self.settings(&[]), &self.path(folder)).unwrap().unwrap()
    }
}

#[test]
fn a_folder_without_a_repository_or_a_commit_is_accepted() {
    let scratch = Scratch::new();
    scratch.write("plain/file", "");
    scratch.git("", &["init", "-q", "unborn"]);
    // An empty `.git` hides a repository in containers.
    std::fs::create_dir_all(scratch.path("hidden/.git")).unwrap();
    for folder in ["plain", "unborn", "hidden"] {
        assert_eq!(scratch.commit(folder, &[]).unwrap(), None, "{folder}");
    }
    // Without a repository, git is not needed.
    assert_eq!(scratch.commit("plain", &[("GIT_BIN", "/nowhere/git")]).unwrap(), None);
}

#[test]
fn a_repository_that_cannot_be_read_is_an_error_with_help() {
    let scratch = Scratch::new();
    let copy = |name: &str| {
        scratch.git("", &["clone", "-q", "--no-hardlinks", "project", name]);
        scratch.path(name).join(".git")
    };
    std::fs::remove_file(copy("no-head").join("HEAD")).unwrap();
    std::fs::write(copy("bad-ref").join("refs/heads/main"), "garbage\n").unwrap();
    std::fs::remove_dir_all(copy("no-objects").join("objects")).unwrap();
    std::fs::create_dir_all(scratch.path("no-objects/.git/objects")).unwrap();
    scratch.write("bin/broken", "#!/bin/sh\necho 'fatal: out of order' >&2\nexit 5\n");
    let broken = scratch.path("bin/broken");
    std::fs::set_permissions(&broken, std::fs::Permissions::from_mode(0o755)).unwrap();
    let broken = broken.display().to_string();
    for (folder, git, message, remedy) in [
        ("no-head", "git", "not a git repository", "fsck"),
        ("bad-ref", "git", "bad revision 'HEAD'", "fsck"),
        ("no-objects", "git", "bad object HEAD", "fsck"),
        ("project", "/nowhere/git", "cannot run `/nowhere/git`", "GIT_BIN"),
        ("project", &broken, "out of order", "fsck"),
    ] {
        let error = scratch.commit(folder, &[("GIT_BIN", git)]).unwrap_err();
        let Error::Repository { path, help, .. } = &error else { panic!("{error}") };
        assert_eq!(*path, scratch.path(folder));
        assert!(error.to_string().contains(message) && help.contains(remedy), "{folder}: {error}: {help}");
    }
}

#[test]
fn a_checkout_of_another_owner_is_refused_until_the_user_trusts_it() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let scratch = Scratch::new();
    let expected = scratch.commit("project", &[]).unwrap();
    for path in [scratch.path("project"), scratch.path("project/.git")] {
        std::os::unix::fs::chown(path, Some(12345), Some(12345)).unwrap();
    }
    let error = scratch.commit("project", &[]).unwrap_err();
    let Error::Repository { help, .. } = &error else { panic!("{error}") };
    let folder = scratch.path("project").display().to_string();
    let (_, remedy) = help.split_once("git config --global ").unwrap();
    assert!(error.to_string().contains("another user"), "{error}");
    assert_eq!(remedy, format!("--add safe.directory {folder}"));
    let by_environment =
        [("GIT_CONFIG_COUNT", "1"), ("GIT_CONFIG_KEY_0", "safe.directory"), ("GIT_CONFIG_VALUE_0", "*")];
    assert_eq!(scratch.commit("project", &by_environment).unwrap(), expected);
    scratch.git("", &["config", "--global", "--add", "safe.directory", &folder]);
    assert_eq!(scratch.commit("project", &[]).unwrap(), expected);
}

#[test]
fn neither_the_clone_nor_the_user_nor_the_caller_changes_the_commit() {
    let scratch = Scratch::new();
    let expected = scratch.commit("project", &[]).unwrap().unwrap();
    assert_eq!((expected.date, expected.hash.len()), (1_700_000_000, 40));
    let source = format!("file://{}", scratch.path("project").display());
    for (name, arguments) in [("shallow", "--depth=1"), ("without-tags", "--no-tags"), ("full", "--quiet")] {
        scratch.git("", &["clone", "-q", arguments, &source, name]);
        assert_eq!(scratch.commit(name, &[]).unwrap().as_ref(), Some(&expected), "{name}");
    }
    assert_eq!(scratch.commit("project/sub", &[]).unwrap().as_ref(), Some(&expected));
    // The environment of a hook, and the configuration of a user.
    scratch.git("", &["init", "-q", "other"]);
    scratch.git("other", &["commit", "-q", "--allow-empty", "-m", "other"]);
    scratch.write(".gitconfig", "[log]\n\tshowSignature = true\n[core]\n\tabbrev = 4\n\tbroken");
    let other = scratch.path("other/.git").display().to_string();
    for variable in
        ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_CONFIG_GLOBAL"]
    {
        assert_eq!(
            scratch.commit("project", &[(variable, &other)]).unwrap().as_ref(),
            Some(&expected),
            "{variable}"
        );
    }
    for (variable, value) in [("LC_ALL", "de_DE.UTF-8"), ("GIT_TRACE", "1"), ("GIT_CEILING_DIRECTORIES", "/")]
    {
        assert_eq!(
            scratch.commit("project", &[(variable, value)]).unwrap().as_ref(),
            Some(&expected),
            "{variable}"
        );
    }
}

#[test]
fn describe_needs_tags_and_the_whole_history() {
    let scratch = Scratch::new();
    let hash = scratch.commit("project", &[]).unwrap().unwrap().hash;
    let source = format!("file://{}", scratch.path("project").display());
    scratch.git("", &["clone", "-q", "--depth=1", &source, "shallow"]);
    scratch.git("", &["clone", "-q", "--no-tags", &source, "without-tags"]);
    assert_eq!(scratch.open("project").describe().unwrap(), format!("v1-1-g{hash}"));
    for (folder, message, remedy) in [
        ("shallow", "shallow", "--unshallow"),
        ("without-tags", "has none", "fetch the tags: `git fetch --tags`"),
    ] {
        let error = scratch.open(folder).describe().unwrap_err();
        let Error::Repository { help, .. } = &error else { panic!("{error}") };
        assert!(error.to_string().contains(message) && help.contains(remedy), "{folder}: {error}: {help}");
    }
}

#[test]
fn a_file_differs_if_the_commit_lacks_it_or_has_other_content() {
    let scratch = Scratch::new();
    scratch.write("project/.gitignore", "ignored\n");
    for file in ["staged", "edited", "mode", "assumed", "skipped", "gone", "touched"] {
        scratch.write(&format!("project/sub/{file}"), "old\n");
    }
    scratch.git("project", &["add", "."]);
    scratch.git("project", &["commit", "-q", "-m", "more"]);
    assert_eq!(scratch.open("project").changes().unwrap().modified, BTreeSet::new());

    for file in ["staged", "edited", "assumed", "skipped"] {
        scratch.git("project", &["update-index", "--assume-unchanged", "sub/assumed"]);
        scratch.git("project", &["update-index", "--skip-worktree", "sub/skipped"]);
        scratch.write(&format!("project/sub/{file}"), "new\n");
    }
    scratch.write("project/sub/touched", "old\n");
    scratch.git("project", &["add", "sub/staged"]);
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(scratch.path("project/sub/mode"), mode).unwrap();
    std::fs::remove_file(scratch.path("project/sub/gone")).unwrap();
    scratch.write("project/sub/untracked", "");
    scratch.write("project/sub/ignored", "");
    for (folder, prefix) in [("project", "sub/"), ("project/sub", "")] {
        let changes = scratch.open(folder).changes().unwrap();
        for (file, differs) in [
            ("read", false),
            ("touched", false),
            ("staged", true),
            ("edited", true),
            ("mode", true),
            ("assumed", true),
            ("skipped", true),
            ("untracked", true),
            ("ignored", true),
        ] {
            let path = format!("{prefix}{file}");
            assert_eq!(changes.differs(Path::new(&path)), differs, "{file} in {folder}");
        }
        assert_eq!(changes.deleted, BTreeSet::from([PathBuf::from(format!("{prefix}gone"))]), "{folder}");
    }
}

#[test]
fn a_submodule_differs_if_one_of_its_files_does() {
    let scratch = Scratch::new();
    scratch.git("", &["init", "-q", "module"]);
    scratch.write("module/file", "1\n");
    scratch.git("module", &["add", "."]);
    scratch.git("module", &["commit", "-q", "-m", "module"]);
    let module = scratch.path("module").display().to_string();
    scratch.git(
        "project",
        &["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", &module, "below"],
    );
    scratch.git("project", &["commit", "-q", "-m", "submodule"]);
    let file = Path::new("below/file");
    assert!(!scratch.open("project").changes().unwrap().differs(file));
    scratch.write("project/below/file", "2\n");
    assert!(scratch.open("project").changes().unwrap().differs(file));
}

#[test]
fn the_last_release_of_a_commit_comes_first() {
    let scratch = Scratch::new();
    let tags = || {
        let repository =
            GitRepository::open(&scratch.settings(&[]), &scratch.path("project")).unwrap().unwrap();
        let tags = repository.release_tags().unwrap();
        tags.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(tags(), [""; 0]);
    for tag in ["1.3.0-rc2", "v1.3.0", "1.3.0-rc10", "latest", "v2"] {
        scratch.git("project", &["tag", tag]);
    }
    assert_eq!(tags(), ["v1.3.0", "1.3.0-rc10", "1.3.0-rc2"]);
}

#[test]
fn a_commit_is_checked_out_without_changes_of_the_folder_and_can_get_a_tag() {
    let scratch = Scratch::new();
    scratch.write("project/sub/read", "changed\n");
    scratch.write("project/untracked", "");
    let check_out = |source: &str, commit: &str, into: &str| {
        let (settings, folder) = (scratch.settings(&[]), scratch.path(into));
        checkout::Checkout::new(&settings, &scratch.path(source), commit, &folder)
    };
    let read = |path: &str| std::fs::read_to_string(scratch.path(path)).unwrap_or_default();
    let second = scratch.commit("project", &[]).unwrap().unwrap().hash;
    check_out("project", &second, "second").unwrap();
    assert_eq!((read("second/sub/read").as_str(), read("second/other").as_str()), ("1\n", "2\n"));
    assert!(!scratch.path("second/untracked").exists());
    // From a folder in the repository, by a tag.
    let first = check_out("project/sub", "v1", "first").unwrap();
    assert!(!scratch.path("first/other").exists());
    assert!(first.tag("v2").unwrap() && !first.tag("v2").unwrap());
    let tags = scratch.open("first").tags().unwrap();
    let tags: Vec<_> = tags.iter().map(|tag| (tag.name.as_str(), tag.is_annotated)).collect();
    assert_eq!(tags, [("v1", false), ("v2", true)]);
    assert_eq!(scratch.open("project").tags().unwrap().len(), 1, "only the clone has the new tag");
    for (source, commit, reason) in [
        ("project", "f00", "it has no commit f00"),
        ("project", "--help", "it has no commit --help"),
        ("missing", "v1", "the folder does not exist"),
        ("project/other", "v1", "it is not a folder"),
    ] {
        let error = check_out(source, commit, "third").unwrap_err().to_string();
        assert!(error.ends_with(reason), "{error}");
        assert!(!scratch.path("third").exists());
    }
}

#[test]
fn a_bare_repository_is_checked_out_and_gets_the_tag_with_the_name_of_the_user() {
    let scratch = Scratch::new();
    scratch.git("", &["clone", "-q", "--bare", "project", "project/bare.git"]);
    let bare = scratch.path("project/bare.git");
    let check_out = |settings: &Settings, into: &str| {
        checkout::Checkout::new(settings, &bare, "v1", &scratch.path(into)).unwrap()
    };
    let nobody = check_out(&scratch.settings(&[("EMAIL", "")]), "nobody");
    let error = nobody.check_tagger().unwrap_err().to_string();
    assert!(error.ends_with("bare.git: git does not know who creates the tag"), "{error}");
    scratch.write(".gitconfig", "[user]\nname = Jane\nemail = jane@example.org\n");
    let checkout = check_out(&scratch.settings(&[("GIT_DIR", "/nonexistent")]), "clone");
    assert_eq!(std::fs::read_to_string(checkout.folder().join("sub/read")).unwrap(), "1\n");
    checkout.check_tagger().unwrap();
    assert!(checkout.tag_source("v1.0.0", "1.0.0").unwrap());
    assert!(!checkout.tag_source("v1.0.0", "1.0.0").unwrap());
    let form = "--format=%(taggername) %(contents:subject) %(*objectname)";
    let tag = git(scratch.folder.path(), &bare, &["for-each-ref", form, "refs/tags/v1.0.0"]);
    assert_eq!(tag, format!("Jane 1.0.0 {}", checkout.commit().unwrap()));
    // A tag of another commit.
    scratch.git("project/bare.git", &["tag", "v1.0.1", "main"]);
    let error = checkout.tag_source("v1.0.1", "1.0.1").unwrap_err().to_string();
    assert!(error.ends_with("bare.git: the tag v1.0.1 names another commit"), "{error}");
}

#[test]
fn a_folder_that_a_provenance_cannot_name_is_refused_before_anything_is_built() {
    let scratch = Scratch::new();
    for (name, evidence, expected) in [
        (&b"f\xfc"[..], "{provenance: true}", "needs a path of the project in the repository that is UTF-8"),
        (b"f\xfc", "{sbom: true}", ""),
        ("f\u{fc}".as_bytes(), "{provenance: true}", ""),
    ] {
        let root = scratch.path("project").join(OsStr::from_bytes(name));
        std::fs::create_dir_all(&root).unwrap();
        let text = format!(
            "apiVersion: sealift.dev/v1alpha1\nkind: Platform\nmetadata: {{name: A, version: 1.0.0}}\nspec: {{evidence: {evidence}}}\n"
        );
        std::fs::write(root.join("sealift.yaml"), text).unwrap();
        let loaded = crate::project::Project::load(&root, scratch.settings(&[]));
        let error = loaded.err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains(expected) && error.is_empty() == expected.is_empty(), "{error}");
    }
}
