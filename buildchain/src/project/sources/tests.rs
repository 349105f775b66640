//! Entries of `spec.sources`, right and wrong.

use std::collections::BTreeMap;

use super::*;
use crate::project::{Error, FILE_NAME, LockFile, ParsedName as _, Project, Settings, SettingsFlags};

const HEAD: &str =
    "apiVersion: sealift.dev/v1alpha1\nkind: Platform\nmetadata: {name: Example, version: '1.2'}\nspec:\n";

fn digest(digit: &str) -> Digest {
    format!("sha256:{}", digit.repeat(64)).parse().unwrap()
}

fn load(root: &Path, spec: &str, flags: &SettingsFlags) -> Result<Project, Error> {
    std::fs::write(root.join(FILE_NAME), format!("{HEAD}{spec}")).unwrap();
    Project::load(root, Settings::gather(root, &BTreeMap::new(), flags)?)
}

/// The mistakes of these sources, each with its line and column.
fn mistakes(sources: &str) -> Vec<String> {
    let root = tempfile::tempdir().unwrap();
    let error = load(root.path(), &format!("  sources:\n{sources}"), &SettingsFlags::default()).unwrap_err();
    let error = error.to_string();
    error.lines().map(|line| line.rsplit_once("sealift.yaml:").unwrap().1.to_owned()).collect()
}

#[test]
fn a_wrong_source_is_named_with_its_place() {
    let commit = "1".repeat(40);
    for (entry, expected) in [
        ("{name: ../a, url: 'https://h/x'}", &["6:14: `../a` cannot name a source"][..]),
        ("{name: a}", &["6:14: neither `url` nor `git`: expected one of them"]),
        ("{name: a, url: 'https://h/x', git: x}", &["6:14: both `url` and `git`"]),
        ("{url: 'https://h/x'}", &["missing key `name`"]),
        ("{name: a, urls: []}", &["6:17: unknown key `urls`"]),
        ("{name: a, url: h/x}", &["6:22: expected the URL of a file"]),
        ("{name: a, url: 'https://u:p@h/x'}", &["6:22: the URL of a file takes no user name or password"]),
        (
            "{name: a, url: 'https://h/'}",
            &["6:22: the URL does not end in a usable file name: add `filename`"],
        ),
        ("{name: a, url: 'https://h/x', filename: a/b}", &["6:47: `a/b` cannot name a file"]),
        ("{name: a, url: 'https://h/x', mode: '0600'}", &["6:43: "]),
        ("{name: a, url: 'https://h/x', digest: md5}", &["6:45: "]),
        ("{name: a, url: 'https://h/x', mirrors: ['https://h/y', nonsense]}", &["6:62: expected the URL"]),
        ("{name: a, url: 'https://h/x', unpack: {only: ['[z-a]']}}", &["6:53: "]),
        (
            "{name: a, url: 'https://h/x', unpack: {}, filename: f, mode: '0644'}",
            &["6:59: `filename` is not possible", "6:68: `mode` is not possible"],
        ),
        (
            "{name: a, url: 'https://h/x', ref: v1, folder: f}",
            &["6:22: `ref` belongs to `git`", "6:22: `folder` belongs to `git`"],
        ),
        ("{name: a, git: 'https://h/x'}", &["6:22: neither `commit` nor `ref`: expected one of them"]),
        ("{name: a, git: h, commit: 1234}", &["6:33: `1234` is not a commit"]),
        (
            &format!("{{name: a, git: h, ref: v1, commit: '{commit}', unpack: {{}}}}"),
            &["6:22: `unpack` belongs to `url`", "6:22: both `commit` and `ref`"],
        ),
        ("{name: a, git: h, ref: '-x'}", &["6:30: `-x` is not a tag or branch"]),
        (
            "{name: a, git: 'git@h:x', ref: v1}",
            &["6:22: expected a URL with https, http, ssh or file, or a path; for ssh: "],
        ),
        ("{name: a, git: 'ext::sh', ref: v1}", &["6:22: "]),
        (
            "{name: a, git: 'https://u:p@h/x', ref: v1}",
            &["6:22: the URL of a git repository takes no password"],
        ),
        ("{name: a, git: h, ref: v1, folder: ../x}", &["6:42: "]),
        (
            "{name: a, url: 'https://h/x'}\n    - {name: a, url: 'https://h/y'}",
            &["7:14: a second source `a`: the first is in line 6 of sealift.yaml"],
        ),
    ] {
        let found = mistakes(&format!("    - {entry}\n"));
        assert_eq!(found.len(), expected.len(), "{entry}: {found:?}");
        for (found, expected) in found.iter().zip(expected) {
            let matches = if expected.starts_with('6') {
                found.starts_with(expected)
            } else {
                found.contains(expected)
            };
            assert!(matches, "{entry}: expected {expected}, found {found}");
        }
        assert!(!found.concat().contains("u:p"), "{found:?}");
    }
}

#[test]
fn the_lock_file_gives_what_the_project_file_does_not() {
    let root = tempfile::tempdir().unwrap();
    let spec = format!(
        "  variables: {{etcd: 3.5.1}}\n  sources:\n    \
         - {{name: etcd, url: 'https://h/etcd-{{{{ etcd }}}}.tgz?x=1', unpack: {{strip: 1, only: [bin/], exclude: ['*.md']}}}}\n    \
         - {{name: pinned, url: 'https://h/x', mirrors: ['https://i/x'], digest: '{}', mode: '755', filename: y}}\n    \
         - {{name: 'chart-{{{{ c }}}}', git: '../{{{{ c }}}}', ref: v1, folder: a/b, forEach: {{c: [dex, loki]}}}}\n    \
         - {{name: never, url: 'https://h/z', when: 'etcd == \"4\"'}}\n",
        digest("a")
    );
    let mut lock = LockFile::default();
    let url = FileUrl::parse("https://h/etcd-3.5.1.tgz?x=1").unwrap();
    lock.sources_mut().set_download(url, LockedDownload { digest: digest("b"), size: 5 });
    // What the project file pins is not looked up.
    let url = FileUrl::parse("https://h/x").unwrap();
    lock.sources_mut().set_download(url, LockedDownload { digest: digest("c"), size: 5 });
    let (loki, v1) = (GitLocation::parse("../loki").unwrap(), GitRef::parse("v1").unwrap());
    lock.sources_mut().set_commit(loki, v1, CommitHash::parse(&"2".repeat(40)).unwrap());
    lock.write(root.path()).unwrap();
    let project = load(root.path(), &spec, &SettingsFlags::default()).unwrap();
    let names: Vec<&str> = project.external_sources.iter().map(|source| source.name.as_str()).collect();
    assert_eq!(names, ["etcd", "pinned", "chart-dex", "chart-loki"]);
    let file = |number: usize| match &project.external_sources[number].content {
        SourceContent::File(file) => file,
        SourceContent::Git(_) => panic!("{number}"),
    };
    let (etcd, pinned) = (file(0), file(1));
    assert_eq!((etcd.digest, etcd.is_pinned), (Some(digest("b")), false));
    assert!(
        matches!(&etcd.form, FileForm::Archive { strip: 1, only, exclude } if only.len() == 1 && exclude.len() == 1)
    );
    assert_eq!((pinned.digest, pinned.is_pinned), (Some(digest("a")), true));
    assert!(matches!(&pinned.form, FileForm::Plain { name, mode: 0o755 } if name == "y"));
    assert_eq!(pinned.urls().map(FileUrl::as_str).collect::<Vec<_>>(), ["https://h/x", "https://i/x"]);
    let commits = project.external_sources.iter().filter_map(|source| match &source.content {
        SourceContent::Git(repository) => Some((repository.commit.is_some(), repository.folder.clone())),
        SourceContent::File(_) => None,
    });
    assert_eq!(commits.collect::<Vec<_>>(), [(false, "a/b".into()), (true, "a/b".into())]);
}

#[test]
fn a_profile_adds_sources_or_replaces_them() {
    let root = tempfile::tempdir().unwrap();
    let spec = "  sources: [{name: a, url: 'https://h/a'}]\n  profiles:\n    \
                more: {sources: [{name: b, url: 'https://h/b'}]}\n    \
                other: {replace: [sources], sources: [{name: a, url: 'https://h/other'}]}\n";
    for (profile, expected) in [("more", &["a", "b"][..]), ("other", &["other"])] {
        let flags = SettingsFlags { profiles: vec![profile.into()], ..SettingsFlags::default() };
        let project = load(root.path(), spec, &flags).unwrap();
        let names = project.external_sources.iter().map(|source| match &source.content {
            SourceContent::File(RemoteFile { form: FileForm::Plain { name, .. }, .. }) => name.clone(),
            other => panic!("{other:?}"),
        });
        assert_eq!(names.collect::<Vec<_>>(), expected, "{profile}");
    }
}

#[test]
fn what_is_in_a_source_need_not_exist_yet() {
    let root = tempfile::tempdir().unwrap();
    let spec = "  sources: [{name: a, url: 'https://h/a', unpack: {}}]\n  \
                files:\n    - {from: '{{ build_root }}/sources/a/sub/', to: a}\n    - {from: _build/sources/a/b, to: b}\n  \
                documentation: [_build/sources/a/README.md]\n";
    load(root.path(), spec, &SettingsFlags::default()).unwrap();
}
