//! Tests of transactions: killed before every write, then finished or undone.

use std::collections::BTreeMap;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use super::fault::killed_at;
use super::*;
use crate::file::Attributes;

/// Everything below a folder: what it is, its mode and its content.
pub(crate) fn everything(folder: &Path) -> BTreeMap<PathBuf, (u32, String)> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            let data = std::fs::symlink_metadata(&path).unwrap();
            let content = if data.is_symlink() {
                std::fs::read_link(&path).unwrap().display().to_string()
            } else if data.is_dir() {
                folders.push(path.clone());
                String::new()
            } else {
                String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned()
            };
            let name = path.strip_prefix(folder).unwrap().to_path_buf();
            found.insert(name, (data.permissions().mode() & 0o7777, content));
        }
    }
    found
}

struct Site {
    root: tempfile::TempDir,
}

impl Site {
    /// A file that changes with its mode, one that keeps it, one behind a link, a link, and what is missing.
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let etc = root.path().join("etc");
        std::fs::create_dir(&etc).unwrap();
        for (name, mode) in [("a", 0o640), ("b", 0o600), ("behind", 0o644)] {
            std::fs::write(etc.join(name), format!("former {name}")).unwrap();
            std::fs::set_permissions(etc.join(name), std::fs::Permissions::from_mode(mode)).unwrap();
        }
        symlink("behind", etc.join("link")).unwrap();
        symlink("a", etc.join("turned")).unwrap();
        Self { root }
    }

    fn etc(&self) -> PathBuf {
        self.root.path().join("etc")
    }

    fn state(&self) -> PathBuf {
        self.root.path().join("state/change")
    }

    fn wanted(&self) -> Vec<(PathBuf, Wanted)> {
        let etc = self.etc();
        let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        let file = |text: &str, mode: Option<u32>| Wanted::File {
            bytes: text.as_bytes().to_vec(),
            attributes: mode.map(|mode| Attributes { mode, uid, gid }),
        };
        vec![
            (etc.join("new"), Wanted::Folder { attributes: Attributes { mode: 0o700, uid, gid } }),
            (etc.join("new/key"), file("secret", Some(0o600))),
            (etc.join("a"), file("new a", Some(0o600))),
            (etc.join("b"), file("new b", None)),
            (etc.join("link"), file("new behind", None)),
            (etc.join("turned"), Wanted::Link { target: "b".into() }),
            (etc.join("fresh"), Wanted::Link { target: "a".into() }),
        ]
    }

    fn change(&self) -> Result<(), Error> {
        let transaction = Transaction::begin(&self.state(), "a change".to_owned(), &self.wanted())?;
        transaction.apply()?;
        transaction.end()
    }

    fn open(&self) -> Option<Transaction<String>> {
        Transaction::open(&self.state()).unwrap()
    }
}

#[test]
fn a_change_that_is_killed_before_any_write_is_finished_or_undone() {
    let reference = Site::new();
    let former = everything(&reference.etc());
    reference.change().unwrap();
    let new = everything(&reference.etc());
    assert_eq!(new[Path::new("link")].1, "behind");
    assert_eq!(new[Path::new("behind")], (0o644, "new behind".to_owned()));
    assert_eq!(new[Path::new("new/key")], (0o600, "secret".to_owned()));
    let mut kills = 0;
    for number in 0.. {
        let site = Site::new();
        if killed_at(number, || site.change()).is_some_and(|done| done.is_ok()) {
            break;
        }
        kills += 1;
        match site.open() {
            // The journal is written before the first change and removed after the last.
            None => {
                let now = everything(&site.etc());
                assert!(now == former || now == new, "{number}: {now:?}");
            }
            Some(transaction) => {
                // Killed again while it is undone; not after each kill, since the disk is slow.
                for again in 0..if number % 4 == 0 { usize::MAX } else { 0 } {
                    if killed_at(again, || transaction.undo()).is_some_and(|done| done.is_ok()) {
                        break;
                    }
                    transaction.undo().unwrap();
                    assert_eq!(everything(&site.etc()), former, "{number} {again}");
                    transaction.apply().unwrap();
                }
                transaction.undo().unwrap();
                assert_eq!(everything(&site.etc()), former, "{number}");
                transaction.apply().unwrap();
                assert_eq!(everything(&site.etc()), new, "{number}");
                transaction.undo().unwrap();
                assert_eq!(everything(&site.etc()), former, "{number}");
                transaction.end().unwrap();
            }
        }
        assert!(site.open().is_none());
        site.change().unwrap();
        assert_eq!(everything(&site.etc()), new, "{number}");
        assert!(!site.state().exists());
    }
    assert!(kills > 15, "{kills}");
}

#[test]
fn a_transaction_keeps_its_operation_and_is_private() {
    let site = Site::new();
    let mut transaction = Transaction::begin(&site.state(), "one".to_owned(), &site.wanted()).unwrap();
    transaction.set_operation("two".to_owned()).unwrap();
    assert_eq!(site.open().unwrap().operation(), "two");
    assert_eq!(std::fs::metadata(site.state()).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(site.open().unwrap().paths().count(), site.wanted().len());
}

#[test]
fn what_is_no_file_and_a_foreign_journal_are_refused() {
    let site = Site::new();
    let folder = vec![(site.etc(), Wanted::File { bytes: Vec::new(), attributes: None })];
    let refused = Transaction::begin(&site.state(), String::new(), &folder).unwrap_err().to_string();
    assert_eq!(refused, format!("{} is not a regular file, and is not replaced", site.etc().display()));
    assert!(!site.state().exists());
    std::fs::create_dir_all(site.state()).unwrap();
    for text in ["", "{}", "{\"schemaVersion\":2,\"operation\":\"\",\"changes\":[]}"] {
        std::fs::write(site.state().join("journal.json"), text).unwrap();
        let refused = Transaction::<String>::open(&site.state()).unwrap_err();
        assert!(matches!(refused, Error::Journal { .. }), "{refused}");
    }
}
