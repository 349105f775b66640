//! Files, archives and git repositories from elsewhere.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use content::Digest;
use tests::file_server::{FileServer, Reply};
use tests::peer;

use crate::project::Project;

const HEAD: &str =
    "apiVersion: sealift.dev/v1alpha1\nkind: Platform\nmetadata: {name: Example, version: 1.2.3}\n";

fn project(spec: &str) -> Project {
    let project = Project::new();
    project.write("sealift.yaml", &format!("{HEAD}spec:\n{spec}"));
    project
}

fn succeeds(project: &Project, arguments: &[&str]) -> String {
    let (code, out, err) = project.sealift(arguments);
    assert_eq!(code, 0, "{arguments:?}: {out}{err}");
    format!("{out}{err}")
}

fn fails(project: &Project, arguments: &[&str], code: i32) -> String {
    let (found, out, err) = project.sealift(arguments);
    assert_eq!(found, code, "{arguments:?}: {out}{err}");
    format!("{out}{err}")
}

/// The files of a server, which a test can replace.
type Served = Arc<Mutex<Vec<u8>>>;

fn serve(bytes: Vec<u8>) -> (FileServer, Served) {
    let served = Arc::new(Mutex::new(bytes));
    let server = FileServer::start({
        let served = Arc::clone(&served);
        move |_| Reply::File(served.lock().unwrap().clone())
    });
    (server, served)
}

/// Runs git in `folder` as nobody in particular.
fn git(folder: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new("git");
    command.current_dir(folder).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    for who in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{who}_NAME"), "A").env(format!("GIT_{who}_EMAIL"), "a@example.org");
    }
    String::from_utf8(peer::run(command.args(arguments)).stdout).unwrap().trim().to_owned()
}

/// A release as projects publish it, made by GNU tar.
fn release(folder: &Path) -> Vec<u8> {
    let top = folder.join("helm-3.1");
    for (name, mode) in [
        ("bin/helm", 0o755),
        ("README.md", 0o644),
        ("charts/etcd/Chart.yaml", 0o644),
        ("charts/etcd/notes.md", 0o600),
    ] {
        let path = top.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, name).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
    symlink("etcd/Chart.yaml", top.join("charts/link.yaml")).unwrap();
    let mut tar = Command::new("tar");
    peer::run(tar.current_dir(folder).args(["-czf", "release.tgz", "helm-3.1"]));
    fs::read(folder.join("release.tgz")).unwrap()
}

/// Every file below `folder` with its mode and content; links with their targets.
fn listed(folder: &Path) -> Vec<(String, u32, Vec<u8>)> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
            let metadata = path.symlink_metadata().unwrap();
            if metadata.is_symlink() {
                found.push((name, 0, fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes()));
            } else if metadata.is_dir() {
                folders.push(path);
            } else {
                let mode = metadata.permissions().mode() & 0o777;
                found.push((name, mode, fs::read(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn sources_are_locked_and_built_and_the_second_build_needs_no_network() {
    let theirs = tempfile::tempdir().unwrap();
    let release = release(theirs.path());
    let server = FileServer::start({
        let release = release.clone();
        move |path| match path {
            "/helm.tgz" => Reply::File(release.clone()),
            "/v1/kubectl?os=linux" => Reply::File(b"#!/bin/sh\necho kubectl\n".to_vec()),
            _ => Reply::Status(404),
        }
    });
    git(theirs.path(), &["init", "-q", "-b", "main", "charts"]);
    let repository = theirs.path().join("charts");
    fs::create_dir(repository.join("dex")).unwrap();
    fs::write(repository.join("dex/Chart.yaml"), "dex\n").unwrap();
    git(&repository, &["add", "."]);
    git(&repository, &["commit", "-q", "-m", "x"]);
    git(&repository, &["tag", "v2"]);
    let commit = git(&repository, &["rev-parse", "v2"]);
    let project = project(&format!(
        r#"
  variables: {{kubectl: v1}}
  sources:
    - {{name: helm, url: "{}", unpack: {{strip: 1, exclude: ["*.md"]}}}}
    - {{name: kubectl, url: "{}?os=linux", mode: "0755"}}
    - {{name: charts, git: "{}", ref: v2, folder: dex}}
  files:
    - {{from: "{{{{ build_root }}}}/sources/helm/", to: helm}}
    - {{from: "{{{{ build_root }}}}/sources/kubectl/kubectl", to: bin/kubectl}}
    - {{from: "{{{{ build_root }}}}/copy", to: copy}}
  tasks:
    copy:
      run: [cp, "{{{{ build_root }}}}/sources/charts/Chart.yaml", "{{{{ build_root }}}}/copy"]
      inputs: ["{{{{ build_root }}}}/sources/charts/Chart.yaml"]
      outputs: ["{{{{ build_root }}}}/copy"]
"#,
        server.url("/helm.tgz"),
        server.url("/{{ kubectl }}/kubectl"),
        repository.display()
    ));
    let text = fails(&project, &["run", "-n", "2"], 3);
    assert!(
        text.contains("helm.tgz is not locked")
            && text.contains("v2 of ")
            && text.contains("run `sealift lock`"),
        "{text}"
    );
    assert!(!text.contains("os=linux"), "a query may have a secret: {text}");

    let text = succeeds(&project, &["lock"]);
    let digest = Digest::of(&release);
    assert!(text.contains(&format!("/helm.tgz is new: {digest} ({} bytes)", release.len())), "{text}");
    assert!(text.contains(&format!("v2 is new: {commit}")), "{text}");
    assert!(text.contains("fetched without TLS"), "{text}");
    let lock = fs::read_to_string(project.path("sealift.lock")).unwrap();
    for line in [
        format!("    digest: {digest}\n    size: {}\n", release.len()),
        format!("    \"v2\": \"{commit}\"\n"),
    ] {
        assert!(lock.contains(&line), "{line}: {lock}");
    }
    assert_eq!(succeeds(&project, &["lock"]).trim(), "nothing moved");

    succeeds(&project, &["run", "-n", "2"]);
    assert_eq!(server.asked().len(), 2, "the store has what `lock` fetched");
    let root = project.path("_build/root");
    let theirs_unpacked = theirs.path().join("unpacked");
    fs::create_dir(&theirs_unpacked).unwrap();
    let mut tar = Command::new("tar");
    tar.args(["-xzf", "../release.tgz", "--strip-components=1", "--exclude=*.md"]);
    peer::run(tar.current_dir(&theirs_unpacked));
    assert_eq!(listed(&project.path("_build/sources/helm")), listed(&theirs_unpacked));
    assert_eq!(listed(&root.join("helm")), listed(&theirs_unpacked));
    assert_eq!(fs::metadata(root.join("bin/kubectl")).unwrap().permissions().mode() & 0o777, 0o755);
    assert_eq!(fs::read_to_string(root.join("copy")).unwrap(), "dex\n");
    succeeds(&project, &["archive", "verify", "_build/example.iso"]);
    let iso = Digest::of(&fs::read(project.path("_build/example.iso")).unwrap());

    // From nothing but the store: the same bytes.
    fs::remove_dir_all(&repository).unwrap();
    fs::remove_dir_all(project.path("_build")).unwrap();
    succeeds(&project, &["run", "-n", "2"]);
    assert_eq!(Digest::of(&fs::read(project.path("_build/example.iso")).unwrap()), iso);
    assert_eq!(server.asked(), []);
    // What stands in the place of a file is put right.
    fs::write(project.path("_build/sources/helm/bin/helm"), "other").unwrap();
    succeeds(&project, &["run", "-n", "2"]);
    assert_eq!(fs::read_to_string(root.join("helm/bin/helm")).unwrap(), "bin/helm");
    let yaml = fs::read_to_string(project.path("sealift.yaml")).unwrap();
    project.write("sealift.yaml", &yaml.replace("strip: 1", "strip: 0"));
    let text = succeeds(&project, &["explain", "sources:helm"]);
    assert!(text.contains("strip") && !text.contains("digest"), "{text}");
    succeeds(&project, &["clean", "sources"]);
    assert!(!project.path("_build/sources/helm").exists());
}

#[test]
fn a_file_that_changed_is_refused_until_it_is_locked_again() {
    let (server, served) = serve(b"first".to_vec());
    let spec =
        |digest: &str| format!("  sources: [{{name: tool, url: '{}'{digest}}}]\n", server.url("/tool-1"));
    let project = project(&spec(""));
    succeeds(&project, &["lock"]);
    succeeds(&project, &["run", "sources"]);
    assert_eq!(fs::read_to_string(project.path("_build/sources/tool/tool-1")).unwrap(), "first");

    *served.lock().unwrap() = b"other!".to_vec();
    let (old, new) = (Digest::of(b"first"), Digest::of(b"other!"));
    let both = format!("expected {old}, found {new}");
    // The store of another machine does not have the file.
    fs::remove_dir_all(project.path(".cache")).unwrap();
    fs::remove_dir_all(project.path("_build")).unwrap();
    let text = fails(&project, &["run", "sources"], 1);
    assert!(text.contains(&both) && text.contains("run `sealift update`"), "{text}");
    assert_eq!(text.matches(&both).count(), 1, "{text}");
    assert!(!project.path("_build/sources/tool/tool-1").exists());

    let text = fails(&project, &["lock", "--check"], 1);
    assert!(
        text.contains(&format!("is locked to {old} (5 bytes), but the server has {new} (6 bytes)")),
        "{text}"
    );
    let text = succeeds(&project, &["update"]);
    assert!(text.contains(&format!("/tool-1 {old} (5 bytes) -> {new} (6 bytes)")), "{text}");
    succeeds(&project, &["lock", "--check"]);
    succeeds(&project, &["run", "sources"]);
    assert_eq!(fs::read_to_string(project.path("_build/sources/tool/tool-1")).unwrap(), "other!");

    // What the project file pins is changed there, and leaves the lock file.
    project.write("sealift.yaml", &format!("{HEAD}spec:\n{}", spec(&format!(", digest: '{old}'"))));
    let text = succeeds(&project, &["lock"]);
    assert!(text.contains(&format!("/tool-1 is gone: {new} (6 bytes)")), "{text}");
    fs::remove_dir_all(project.path(".cache")).unwrap();
    let text = fails(&project, &["run", "sources"], 1);
    assert!(text.contains(&both) && text.contains("change its `digest` in the project file"), "{text}");
}

#[test]
fn a_branch_that_moved_is_updated_and_each_commit_stays_in_the_store() {
    let theirs = tempfile::tempdir().unwrap();
    let commit = |text: &str| {
        fs::write(theirs.path().join("a"), text).unwrap();
        git(theirs.path(), &["add", "a"]);
        git(theirs.path(), &["commit", "-q", "-m", text]);
        git(theirs.path(), &["rev-parse", "HEAD"])
    };
    git(theirs.path(), &["init", "-q", "-b", "main"]);
    let first = commit("1");
    let project =
        project(&format!("  sources: [{{name: theirs, git: '{}', ref: main}}]\n", theirs.path().display()));
    succeeds(&project, &["lock"]);
    succeeds(&project, &["run", "sources"]);
    let second = commit("2");
    succeeds(&project, &["run", "sources"]);
    let content = || fs::read_to_string(project.path("_build/sources/theirs/a")).unwrap();
    assert_eq!(content(), "1");
    let text = fails(&project, &["lock", "--check"], 1);
    assert!(text.contains(&format!("is locked to {first}, but the server has {second}")), "{text}");
    let old = fs::read(project.path("sealift.lock")).unwrap();
    let text = succeeds(&project, &["update"]);
    assert!(text.contains(&format!("main {first} -> {second}")), "{text}");
    succeeds(&project, &["run", "sources"]);
    assert_eq!(content(), "2");
    fs::remove_dir_all(theirs.path().join(".git")).unwrap();
    fs::write(project.path("sealift.lock"), old).unwrap();
    succeeds(&project, &["run", "sources"]);
    assert_eq!(content(), "1");
}

#[test]
fn a_damaged_repository_of_the_store_is_fetched_again() {
    let theirs = tempfile::tempdir().unwrap();
    fs::write(theirs.path().join("a"), "the only file").unwrap();
    git(theirs.path(), &["init", "-q", "-b", "main"]);
    git(theirs.path(), &["add", "a"]);
    git(theirs.path(), &["commit", "-q", "-m", "1"]);
    let project =
        project(&format!("  sources: [{{name: theirs, git: '{}', ref: main}}]\n", theirs.path().display()));
    succeeds(&project, &["lock"]);
    succeeds(&project, &["run", "sources"]);
    let found =
        peer::run(Command::new("find").arg(project.path(".cache/git")).args(["-name", "*.pack"])).stdout;
    let pack = String::from_utf8(found).unwrap().trim().to_owned();
    let mut bytes = fs::read(&pack).unwrap();
    // The end of the last object, before the checksum of the pack: the file, which is the last.
    let checksum = bytes.len() - 20;
    bytes[checksum - 6..checksum].fill(0);
    fs::remove_file(&pack).unwrap();
    fs::write(&pack, bytes).unwrap();
    fs::remove_dir_all(project.path("_build")).unwrap();
    let text = succeeds(&project, &["run", "sources"]);
    assert!(text.contains("1 task run"), "{text}");
    assert_eq!(fs::read_to_string(project.path("_build/sources/theirs/a")).unwrap(), "the only file");
}

#[test]
fn a_build_that_is_killed_while_it_fetches_resumes() {
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|number| number.to_le_bytes()[1]).collect();
    let half = bytes.len() / 2;
    let is_held = Arc::new(Mutex::new(true));
    let server = FileServer::start({
        let (bytes, is_held) = (bytes.clone(), Arc::clone(&is_held));
        move |_| match *is_held.lock().unwrap() {
            true => Reply::Held(bytes.clone(), half),
            false => Reply::File(bytes.clone()),
        }
    });
    let digest = Digest::of(&bytes);
    let project = project(&format!(
        "  sources: [{{name: tool, url: '{}', digest: '{digest}'}}]\n",
        server.url("/tool")
    ));
    let mut command = project.command();
    command.args(["run", "sources"]).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let partial = project.path(".cache/partial/sha256").join(digest.hex());
    let start = Instant::now();
    while fs::metadata(&partial).map_or(0, |found| found.len()) < half as u64 {
        assert!(
            start.elapsed() < Duration::from_secs(300) && child.try_wait().unwrap().is_none(),
            "nothing arrives"
        );
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!project.path("_build/sources/tool/tool").exists());
    *is_held.lock().unwrap() = false;
    let starts =
        |server: &FileServer| server.asked().into_iter().map(|asked| asked.start).collect::<Vec<_>>();
    assert_eq!(starts(&server), [0]);
    succeeds(&project, &["run", "sources"]);
    assert_eq!(starts(&server), [half], "what arrived is not fetched again");
    assert!(fs::read(project.path("_build/sources/tool/tool")).unwrap() == bytes);
}

#[test]
fn a_mirror_stands_in_for_a_server_that_fails_or_lies() {
    let (good, _) = serve(b"good".to_vec());
    let (liar, _) = serve(b"evil".to_vec());
    let gone = FileServer::start(|_| Reply::Status(404));
    let digest = Digest::of(b"good");
    let source = |url: &str, mirrors: &[&str], digest: &str| {
        format!(
            "  sources: [{{name: tool, filename: tool, url: '{url}', mirrors: [{}]{digest}}}]\n",
            mirrors.join(", ")
        )
    };
    let [good_url, liar_url, gone_url] = [&good, &liar, &gone].map(|server| server.url("/x"));
    let pinned = format!(", digest: '{digest}'");
    let project = project(&source(&gone_url, &[&liar_url, &good_url], &pinned));
    succeeds(&project, &["run", "sources"]);
    assert_eq!(fs::read_to_string(project.path("_build/sources/tool/tool")).unwrap(), "good");
    assert_eq!([&gone, &liar, &good].map(|server| server.asked().len()), [1, 1, 1]);
    // To lock it, too; the lock file names the file by its first URL.
    project.write("sealift.yaml", &format!("{HEAD}spec:\n{}", source(&gone_url, &[&good_url], "")));
    succeeds(&project, &["lock"]);
    let lock = fs::read_to_string(project.path("sealift.lock")).unwrap();
    assert!(
        lock.contains(&gone_url) && !lock.contains(&good_url) && lock.contains(&digest.to_string()),
        "{lock}"
    );
    // All of them fail: each is named.
    project.write("sealift.yaml", &format!("{HEAD}spec:\n{}", source(&gone_url, &[&liar_url], &pinned)));
    fs::remove_dir_all(project.path(".cache")).unwrap();
    fs::remove_dir_all(project.path("_build")).unwrap();
    let text = fails(&project, &["run", "sources"], 1);
    assert!(
        text.contains(&format!("{gone_url}: the server returned 404"))
            && text.contains(&format!("{liar_url}: ")),
        "{text}"
    );
}

/// A tar with one member; the crate would refuse hostile names.
fn tar_of(kind: u8, name: &str, target: &str) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.as_old_mut().linkname[..target.len()].copy_from_slice(target.as_bytes());
    header.set_entry_type(tar::EntryType::new(kind));
    header.set_mode(0o644);
    header.set_size(0);
    header.set_cksum();
    let mut builder = tar::Builder::new(Vec::new());
    builder.append(&header, &b""[..]).unwrap();
    builder.into_inner().unwrap()
}

#[test]
fn a_hostile_or_unknown_archive_is_refused_and_nothing_leaves_the_folder() {
    for (bytes, unpack, expected) in [
        (tar_of(b'0', "../../x", ""), "{}", "tool: `../../x`: a part of it is `..`"),
        (tar_of(b'0', "/tmp/x", ""), "{}", "tool: `/tmp/x`: it is absolute"),
        (
            tar_of(b'2', "link", "../../../x"),
            "{}",
            "tool: `link`: link to `../../../x`: a symbolic link on it leads out",
        ),
        (tar_of(b'2', "link", "/etc/passwd"), "{}", "leads out"),
        (tar_of(b'3', "device", ""), "{}", "tool: `device`: it is a device or a pipe"),
        (b"PK\x03\x04".to_vec(), "{}", "tool: the file is a zip; the known formats are tar and tar.gz"),
        (tar_of(b'0', "a/b", ""), "{strip: 2}", "tool: no file is left: check `strip`"),
        (tar_of(b'0', "a/b", ""), "{only: [c]}", "tool: `c` of `only` matches nothing in the archive"),
    ] {
        let (server, _) = serve(bytes);
        let project =
            project(&format!("  sources: [{{name: tool, url: '{}', unpack: {unpack}}}]\n", server.url("/x")));
        succeeds(&project, &["lock"]);
        let text = fails(&project, &["run", "sources"], 1);
        assert!(text.contains(expected), "{expected}: {text}");
        assert!(!project.path("x").exists() && !project.path("_build/x").exists(), "{expected}");
    }
}

#[test]
fn the_sources_of_all_profiles_are_locked_and_stay_locked() {
    let server = FileServer::start(|path| Reply::File(path.as_bytes().to_vec()));
    let [plain, more, other] = ["/plain", "/more", "/other"].map(|path| server.url(path));
    let project = project(&format!(
        "  sources: [{{name: a, url: '{plain}'}}]\n  profiles:\n    \
         more: {{sources: [{{name: b, url: '{more}'}}]}}\n    \
         other: {{replace: [sources], sources: [{{name: a, url: '{other}'}}]}}\n"
    ));
    succeeds(&project, &["lock"]);
    let lock = fs::read_to_string(project.path("sealift.lock")).unwrap();
    assert!([&plain, &more, &other].iter().all(|url| lock.contains(url.as_str())), "{lock}");
    assert_eq!(succeeds(&project, &["lock", "--profile", "other"]).trim(), "nothing moved");
    succeeds(&project, &["run", "sources", "--profile", "other"]);
    assert_eq!(fs::read_to_string(project.path("_build/sources/a/other")).unwrap(), "/other");
    succeeds(&project, &["run", "sources", "--profile", "more"]);
    // What a profile replaced is gone from the folder.
    assert_eq!(listed(&project.path("_build/sources/a")), [("plain".to_owned(), 0o644, b"/plain".to_vec())]);
    assert_eq!(fs::read_to_string(project.path("_build/sources/b/more")).unwrap(), "/more");
}
