//! Repositories of others, served by the real git.

use std::cell::Cell;
use std::os::unix::fs::PermissionsExt as _;

use archive::unpack::UnpackLimits;

use super::*;
use crate::project::SettingsFlags;
use crate::project::git::tests::git;

struct Scratch {
    folder: tempfile::TempDir,
}

impl Scratch {
    /// A repository `theirs` with two commits, of which the first has the annotated tag `v1`.
    fn new() -> Self {
        let scratch = Self { folder: tempfile::tempdir().unwrap() };
        std::fs::create_dir(scratch.path("project")).unwrap();
        scratch.git("", &["init", "-q", "-b", "main", "theirs"]);
        for (name, text) in [("a", "1\n"), ("sub/b", "2\n"), ("sub/deep/c", "3\n")] {
            scratch.write(name, text);
        }
        std::fs::set_permissions(scratch.path("theirs/a"), std::fs::Permissions::from_mode(0o755)).unwrap();
        std::os::unix::fs::symlink("deep/c", scratch.path("theirs/sub/link")).unwrap();
        scratch.commit("first");
        scratch.git("theirs", &["tag", "-a", "-m", "x", "v1"]);
        scratch.write("a", "4\n");
        scratch.commit("second");
        scratch
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path("theirs").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn commit(&self, message: &str) {
        self.git("theirs", &["add", "-A"]);
        self.git("theirs", &["commit", "-q", "-m", message]);
    }

    fn git(&self, folder: &str, arguments: &[&str]) -> String {
        git(self.folder.path(), &self.path(folder), arguments)
    }

    fn hash(&self, name: &str) -> CommitHash {
        CommitHash::parse(&self.git("theirs", &["rev-parse", &format!("{name}^{{commit}}")])).unwrap()
    }

    /// The repository at `location`, seen from `project/`.
    fn remote(&self, location: &str) -> RemoteGit {
        let environment = [
            ("PATH", std::env::var("PATH").unwrap()),
            ("HOME", self.folder.path().display().to_string()),
            ("SEALIFT_CACHE", self.path("cache").display().to_string()),
            // Of the variables of git, none that changes where objects go.
            ("GIT_DIR", "/nowhere".to_owned()),
        ];
        let environment = environment.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let settings = Settings::gather(self.folder.path(), &environment, &SettingsFlags::default()).unwrap();
        RemoteGit::new(&settings, &self.path("project"), &GitLocation::parse(location).unwrap())
    }

    fn fetch(&self, commit: &CommitHash) -> Result<RemoteGit, RemoteError> {
        let remote = self.remote("../theirs");
        remote.fetch(commit, |command| remote.run(command).map(drop), || false)?;
        Ok(remote)
    }

    /// Every file of an export with its mode and content; links with their targets.
    fn export(&self, commit: &CommitHash, folder: &str) -> Result<Vec<(String, u32, String)>, String> {
        let remote = self.fetch(commit).map_err(|error| error.to_string())?;
        let target = tempfile::tempdir().unwrap();
        let mut writer = TreeWriter::new(target.path(), UnpackLimits::default()).unwrap();
        remote.export(commit, Path::new(folder), &mut writer).map_err(|error| error.to_string())?;
        writer.finish().map_err(|error| error.to_string())?;
        Ok(listed(target.path()))
    }
}

fn listed(folder: &Path) -> Vec<(String, u32, String)> {
    let mut found = Vec::new();
    for entry in walkdir::WalkDir::new(folder).min_depth(1).sort_by_file_name() {
        let entry = entry.unwrap();
        let name = entry.path().strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
        if entry.path_is_symlink() {
            found.push((name, 0, std::fs::read_link(entry.path()).unwrap().to_str().unwrap().to_owned()));
        } else if entry.file_type().is_file() {
            let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
            found.push((name, mode, std::fs::read_to_string(entry.path()).unwrap()));
        }
    }
    found
}

fn reference(text: &str) -> GitRef {
    GitRef::parse(text).unwrap()
}

#[test]
fn a_tag_comes_before_a_branch_and_names_its_commit() {
    let scratch = Scratch::new();
    scratch.git("theirs", &["branch", "v1", "main"]);
    scratch.git("theirs", &["branch", "deep/main", "v1^{commit}"]);
    scratch.git("theirs", &["tag", "light", "main"]);
    let (first, second) = (scratch.hash("refs/tags/v1"), scratch.hash("main"));
    assert_ne!(first, second);
    let file = format!("file://{}", scratch.path("theirs").display());
    for location in ["../theirs", &file] {
        let remote = scratch.remote(location);
        for (name, expected) in [
            ("v1", &first),
            ("light", &second),
            ("main", &second),
            ("deep/main", &first),
            ("refs/heads/v1", &second),
            ("refs/tags/v1", &first),
        ] {
            assert_eq!(remote.resolve(&reference(name)).unwrap(), *expected, "{location} {name}");
        }
        for name in ["other", "ain", "heads/main", "refs/heads/other"] {
            let error = remote.resolve(&reference(name)).unwrap_err().to_string();
            assert_eq!(error, format!("git repository {location}: it has no tag or branch `{name}`"));
        }
    }
    let error = scratch.remote("../nowhere").resolve(&reference("v1")).unwrap_err().to_string();
    assert!(error.starts_with("git repository ../nowhere: "), "{error}");
}

#[test]
fn the_export_of_a_commit_is_what_git_checks_out() {
    let scratch = Scratch::new();
    // Neither attributes nor the configuration of the user change a byte.
    scratch.write(".gitattributes", "a export-ignore\na text eol=crlf\nsub/b filter=x\n");
    std::fs::write(scratch.path(".gitconfig"), "[core]\n  autocrlf = true\n").unwrap();
    scratch.commit("third");
    std::fs::write(scratch.path("theirs/.git/info/attributes"), "* -text !eol !filter\n").unwrap();
    for (name, commit) in [("v1", scratch.hash("v1")), ("main", scratch.hash("main"))] {
        let checkout = scratch.path(&format!("checkout-{name}"));
        std::fs::create_dir(&checkout).unwrap();
        let tree = format!("--work-tree={}", checkout.display());
        scratch.git(
            "theirs",
            &["-c", "core.autocrlf=false", &tree, "checkout", "-q", "-f", commit.as_str(), "--", "."],
        );
        let expected = listed(&checkout);
        assert_eq!(scratch.export(&commit, "").unwrap(), expected, "{name}");
        let below: Vec<_> = expected
            .into_iter()
            .filter_map(|(name, mode, text)| Some((name.strip_prefix("sub/")?.to_owned(), mode, text)))
            .collect();
        assert_eq!(scratch.export(&commit, "sub").unwrap(), below, "{name}");
    }
    let error = scratch.export(&scratch.hash("main"), "none").unwrap_err();
    assert!(error.starts_with("git repository ../theirs: "), "{error}");
}

#[test]
fn a_commit_is_fetched_once_even_if_the_repository_is_gone_later() {
    let scratch = Scratch::new();
    let (first, second) = (scratch.hash("v1"), scratch.hash("main"));
    scratch.fetch(&first).unwrap();
    std::fs::rename(scratch.path("theirs"), scratch.path("away")).unwrap();
    assert_eq!(scratch.export(&first, "sub").unwrap().len(), 3);
    // What is not there is an error, and what is there stays.
    scratch.fetch(&second).unwrap_err();
    assert_eq!(scratch.export(&first, "sub").unwrap().len(), 3);
    std::fs::rename(scratch.path("away"), scratch.path("theirs")).unwrap();
    scratch.fetch(&second).unwrap();
    assert_eq!(scratch.export(&first, "sub").unwrap().len(), 3);
}

#[test]
fn a_server_that_gives_only_tags_and_branches_gives_a_commit_below_them() {
    let scratch = Scratch::new();
    let first = scratch.hash("v1");
    scratch.git("theirs", &["tag", "-d", "v1"]);
    // Version 0 of the protocol has no way to ask for other commits, unless the server allows it.
    let remote = scratch.remote("../theirs");
    let tries = Cell::new(0);
    let run = |command: &mut Command| {
        tries.set(tries.get() + 1);
        remote
            .run(
                command
                    .env("GIT_CONFIG_COUNT", "1")
                    .env("GIT_CONFIG_KEY_0", "protocol.version")
                    .env("GIT_CONFIG_VALUE_0", "0"),
            )
            .map(drop)
    };
    remote.fetch(&first, run, || false).unwrap();
    assert_eq!(tries.get(), 2);
    assert_eq!(scratch.export(&first, "sub").unwrap().len(), 3);
    let unknown = CommitHash::parse(&"1".repeat(40)).unwrap();
    let error = scratch.fetch(&unknown).unwrap_err().to_string();
    assert_eq!(error, format!("git repository ../theirs: it has no commit {unknown}"));
}

#[test]
fn a_fetch_that_was_killed_is_made_up_for() {
    let scratch = Scratch::new();
    let first = scratch.hash("v1");
    let remote = scratch.remote("../theirs");
    let error = remote.fetch(&first, |_| Err(remote.wrong("killed")), || true).unwrap_err();
    assert!(error.to_string().contains("killed"));
    // What git leaves behind.
    std::fs::write(remote.folder.join("shallow.lock"), "").unwrap();
    std::fs::create_dir_all(remote.folder.with_extension("new")).unwrap();
    assert_eq!(scratch.export(&first, "").unwrap().len(), 4);
}

#[test]
fn a_damaged_repository_of_the_store_is_fetched_again() {
    let scratch = Scratch::new();
    let commit = scratch.hash("main");
    let intact = scratch.export(&commit, "").unwrap();
    let remote = scratch.fetch(&commit).unwrap();
    assert!(!remote.remove_damaged().unwrap());
    // The commits are first, the files last.
    for is_commit in [false, true] {
        let packs = walkdir::WalkDir::new(&remote.folder).into_iter().map(Result::unwrap);
        let mut packs = packs.filter(|entry| entry.path().extension().is_some_and(|end| end == "pack"));
        let pack = packs.next().unwrap().into_path();
        let mut bytes = std::fs::read(&pack).unwrap();
        let checksum = bytes.len() - 20;
        let start = if is_commit { 12 } else { checksum - 8 };
        bytes[start..checksum].fill(0);
        std::fs::remove_file(&pack).unwrap();
        std::fs::write(&pack, bytes).unwrap();
        if !is_commit {
            scratch.export(&commit, "").unwrap_err();
            assert!(remote.remove_damaged().unwrap());
        }
        assert_eq!(scratch.export(&commit, "").unwrap(), intact);
    }
}

#[test]
fn what_no_archive_may_have_is_refused_by_name() {
    let scratch = Scratch::new();
    for (target, expected) in [("../../../etc/passwd", "leads out"), ("/etc/passwd", "leads out")] {
        std::os::unix::fs::symlink(target, scratch.path("theirs/sub/bad")).unwrap();
        scratch.commit(target);
        let error = scratch.export(&scratch.hash("main"), "").unwrap_err();
        assert!(error.contains("`sub/bad`") && error.contains(expected), "{error}");
        std::fs::remove_file(scratch.path("theirs/sub/bad")).unwrap();
    }
    for (folder, expected) in [
        ("nowhere", "the folder `nowhere` does not exist in the commit "),
        ("sub/x/y", "the folder `sub/x/y` does not exist in the commit "),
        ("a", "`a` is not a folder in the commit "),
    ] {
        let error = scratch.export(&scratch.hash("main"), folder).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
    // A name that git itself would not check out.
    let blob = scratch.git("theirs", &["rev-parse", "main:a"]);
    let mut command = Command::new("sh");
    command.args(["-c", "printf '100644 blob %s\\t..\\0' \"$1\" | git mktree -z", "sh", &blob]);
    let tree = command.current_dir(scratch.path("theirs")).output().unwrap().stdout;
    let tree = String::from_utf8(tree).unwrap().trim().to_owned();
    let commit = scratch.git("theirs", &["commit-tree", "-m", "x", &tree]);
    scratch.git("theirs", &["branch", "hostile", &commit]);
    let error = scratch.export(&scratch.hash("hostile"), "").unwrap_err();
    assert!(error.contains("`..`"), "{error}");
}
