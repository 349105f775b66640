//! Records and contents that are made to do harm: whatever a local or a remote cache has, no file is created outside of the
//! outputs, and none gets permissions that the task did not give it.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::Path;

use proptest::prelude::*;

use crate::cache::forged::*;
use crate::cache::local::{RECORD_MAX, checked_parts};
use crate::model::task::TaskOutput;
use crate::record::entry::FileEntryKind;
use crate::record::key::{ItemTag, ItemValue, ManifestItem, put};
use crate::record::parts::BadRecord;

/// Restores a record from the local and from the remote cache: both must refuse it, and do no harm.
fn refused(case: &str, forged: &Forged) {
    for from_remote in [false, true] {
        let builder = Builder::new();
        let cache = if from_remote { remote(&builder, forged, honestly) } else { builder.cache() };
        if !from_remote {
            forged.plant(&cache);
        }
        let restored = builder.restore(&cache, &declared());
        let cache = if from_remote { "remote" } else { "local" };
        assert!(!matches!(restored, Ok(Some(_))), "{case} ({cache}): it was restored");
        assert_eq!(builder.harm(), Vec::<String>::new(), "{case} ({cache})");
    }
}

#[test]
fn a_valid_record_is_restored_from_both_caches() {
    let long = "n".repeat(255);
    let lines: &[ForgedLine<'_>] = &[
        ("a", FileEntryKind::Folder, 0o700, b""),
        ("a/empty", FileEntryKind::Folder, 0o555, b""),
        ("a/script", FileEntryKind::File, 0o755, b"script"),
        ("a.b", FileEntryKind::File, 0o644, b"script"),
        ("link", FileEntryKind::Link, 0o777, b"/anywhere/at all"),
        (&long, FileEntryKind::File, 0o600, b""),
    ];
    let forged = Forged::tree(lines);
    for from_remote in [false, true] {
        let builder = Builder::new();
        let cache = if from_remote { remote(&builder, &forged, honestly) } else { builder.cache() };
        if !from_remote {
            forged.plant(&cache);
        }
        let (outputs, listings) = builder.restore(&cache, &declared()).unwrap().unwrap();
        assert_eq!((&outputs, &listings), (&forged.outputs, &forged.listings));
        for (name, kind, mode, content) in lines {
            let path = builder.path("project/_build/tree").join(name);
            let metadata = path.symlink_metadata().unwrap();
            match kind {
                FileEntryKind::Folder => assert!(metadata.is_dir()),
                FileEntryKind::Link => {
                    assert_eq!(fs::read_link(&path).unwrap().as_os_str().as_bytes(), *content)
                }
                FileEntryKind::File => assert_eq!(fs::read(&path).unwrap(), *content, "{name}"),
            }
            if *kind != FileEntryKind::Link {
                assert_eq!(metadata.mode() & 0o7777, u32::from(*mode), "{name}");
            }
        }
        assert_eq!(builder.harm(), Vec::<String>::new());
    }
}

#[test]
fn an_entry_of_a_cache_that_is_not_a_file_is_removed_and_replaced() {
    let mut forged = Forged::tree(&[("a", FileEntryKind::File, 0o644, b"content")]);
    let ItemValue::Entry(entry) = forged.entry(FileEntryKind::File, 0o644, b"content") else {
        panic!("no file")
    };
    type Harm = fn(&Path);
    let harms: [(&str, Harm); 3] = [
        ("a folder", |path| fs::create_dir(path).unwrap()),
        ("a link", |path| symlink("/etc/hostname", path).unwrap()),
        ("a pipe", |path| {
            let mode = rustix::fs::Mode::from_raw_mode(0o644);
            rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        }),
    ];
    for (what, harm) in harms {
        for of_record in [false, true] {
            let builder = Builder::new();
            let cache = builder.cache();
            forged.plant(&cache);
            let path = if of_record { cache.record(KEY()) } else { cache.blob(&entry) };
            fs::remove_file(&path).unwrap();
            harm(&path);
            let restored = builder.restore(&cache, &declared());
            assert!(matches!(restored, Ok(None)), "{what}: {restored:?}");
            assert!(path.symlink_metadata().is_err(), "{what} still exists");
            // A new file replaces it.
            harm(&path);
            let temporary = cache.temporary().unwrap();
            let new = temporary.path().join("new");
            fs::write(&new, b"content").unwrap();
            cache.add(&new, &path).unwrap();
            assert_eq!(fs::read(&path).unwrap(), b"content", "{what}");
        }
    }
}

#[test]
fn a_record_with_paths_outside_of_its_outputs_is_refused() {
    use FileEntryKind::{File, Folder, Link};
    let home = b"../../../home/.ssh";
    let (name, part) = ("n".repeat(256), "n".repeat(200));
    let deep: Vec<String> = (1..=21).map(|depth| vec![part.as_str(); depth].join("/")).collect();
    let mut deep: Vec<ForgedLine<'_>> =
        deep.iter().map(|path| (path.as_str(), Folder, 0o755, &b""[..])).collect();
    if let Some((_, kind, _, content)) = deep.last_mut() {
        (*kind, *content) = (File, EVIL);
    }
    let target = "t".repeat(4096);
    let key = |name| (name, File, 0o644, EVIL);
    let folder = |name| (name, Folder, 0o755, &b""[..]);
    let link = |name| (name, Link, 0o777, &home[..]);
    let cases: &[(&str, &[ForgedLine<'_>])] = &[
        ("a file through a link", &[link("x"), key("x/authorized_keys")]),
        ("a link, a folder of its name, a file in it", &[link("x"), folder("x"), key("x/authorized_keys")]),
        ("a folder, a link of its name, a file in it", &[folder("x"), link("x"), key("x/authorized_keys")]),
        ("a folder through a link", &[link("x"), folder("x/new"), key("x/new/file")]),
        ("a link through a link", &[link("x"), link("x/new")]),
        ("a file twice", &[key("x"), key("x")]),
        ("a file and a folder of one name", &[key("x"), folder("x")]),
        ("a folder and a file of one name", &[folder("x"), key("x")]),
        ("a folder twice", &[folder("x"), folder("x")]),
        ("a folder twice, the second time closed", &[folder("x"), ("x", Folder, 0, b"")]),
        ("a link and a file of one name", &[link("x"), key("x")]),
        ("an absolute path", &[key("/tmp/evil")]),
        ("the folder above", &[key("..")]),
        ("a path that goes up", &[key("../../../home/new")]),
        ("a path that goes down and up", &[folder("a"), key("a/../../../../home/new")]),
        ("the folder itself again", &[key(".")]),
        ("an empty name", &[key("")]),
        ("an empty name in a path", &[folder("a"), key("a//b")]),
        ("a slash at the end", &[key("a/")]),
        ("a dot in a path", &[folder("a"), key("a/./b")]),
        ("a NUL", &[key("a\0b")]),
        ("a name of 256 bytes", &[key(&name)]),
        ("a path that no system call takes", &deep),
        ("a file in no folder", &[key("a/b")]),
        ("a file before its folder", &[key("a/b"), folder("a")]),
        ("a file below a file", &[key("a"), key("a/b")]),
        ("out of order", &[key("b"), key("a")]),
        ("a setuid file", &[("x", File, 0o4755, EVIL)]),
        ("a setgid file", &[("x", File, 0o2755, EVIL)]),
        ("a sticky file", &[("x", File, 0o1755, EVIL)]),
        ("a setgid folder", &[("x", Folder, 0o2755, b"")]),
        ("a sticky folder", &[("x", Folder, 0o1777, b"")]),
        ("more bits than a mode has", &[("x", File, 0o177_777, EVIL)]),
        ("a link without a target", &[("x", Link, 0o777, b"")]),
        ("a link with a NUL", &[("x", Link, 0o777, b"a\0b")]),
        ("a link with an endless target", &[("x", Link, 0o777, target.as_bytes())]),
    ];
    for (case, lines) in cases {
        refused(case, &Forged::tree(lines));
    }
}

#[test]
fn a_record_of_other_outputs_is_refused() {
    use FileEntryKind::{File, Folder, Link};
    let whole = |name| Forged::default().file(name).folder("_build/tree", &[]);
    let home = "/home/.ssh";
    let mut cases = vec![
        ("no outputs", Forged::default()),
        ("one output too few", Forged::default().file("_build/file")),
        ("one output too many", Forged::tree(&[]).file("_build/more")),
        ("another order", Forged::default().folder("_build/tree", &[]).file("_build/file")),
        ("another name", whole("_build/other")),
        ("an absolute name", whole("/tmp/evil")),
        ("a name that goes up", whole("_build/../evil")),
        ("a name with a dot", whole("_build/./file")),
        ("the build root", whole("_build")),
        ("nothing", whole("")),
        ("an output inside another", Forged::default().file("_build/tree/x").folder("_build/tree", &[])),
        ("an output twice", Forged::default().file("_build/tree").folder("_build/tree", &[])),
        (
            "a link for the file, and a file below it",
            Forged::default()
                .one("_build/file", Link, 0o777, home.as_bytes())
                .file("_build/file/authorized_keys")
                .folder("_build/tree", &[]),
        ),
        (
            "a link for the folder",
            Forged::default().file("_build/file").one("_build/tree", Link, 0o777, home.as_bytes()),
        ),
        (
            "a folder for the file",
            Forged::default().one("_build/file", Folder, 0o755, b"").folder("_build/tree", &[]),
        ),
        (
            "a setuid file",
            Forged::default().one("_build/file", File, 0o4755, EVIL).folder("_build/tree", &[]),
        ),
        (
            "a folder that is a link",
            Forged::default().file("_build/file").listing(
                "_build/tree",
                &[("", Link, 0o777, home.as_bytes()), ("authorized_keys", File, 0o644, EVIL)],
                b"",
            ),
        ),
        (
            "a folder that is a file",
            Forged::default().file("_build/file").listing("_build/tree", &[("", File, 0o644, EVIL)], b""),
        ),
        (
            "a folder that is not listed itself",
            Forged::default().file("_build/file").listing("_build/tree", &[("a", File, 0o644, EVIL)], b""),
        ),
        (
            "a sticky folder",
            Forged::default().file("_build/file").listing("_build/tree", &[("", Folder, 0o1777, b"")], b""),
        ),
        ("an empty listing", Forged::default().file("_build/file").listing("_build/tree", &[], b"")),
        (
            "a listing with something behind it",
            Forged::default().file("_build/file").listing("_build/tree", &[("", Folder, 0o755, b"")], b"?"),
        ),
        (
            "a missing listing",
            Forged::default().file("_build/file").output(
                ItemTag::Folder,
                "_build/tree",
                ItemValue::Listing(KEY()),
            ),
        ),
        (
            "no value",
            Forged::default()
                .output(ItemTag::File, "_build/file", ItemValue::Nothing)
                .folder("_build/tree", &[]),
        ),
        (
            "a text",
            Forged::default()
                .output(ItemTag::File, "_build/file", ItemValue::Text(b"x"))
                .folder("_build/tree", &[]),
        ),
        ("something behind the record", Forged { tail: b"?".to_vec(), ..Forged::tree(&[]) }),
        ("a second record behind it", Forged { tail: Forged::tree(&[]).record(), ..Forged::tree(&[]) }),
    ];
    let mut behind = Forged::tree(&[]);
    behind.outputs.push(b'?');
    cases.push(("something behind the outputs", behind));
    let mut forged = Forged::tree(&[]);
    forged.listings[0].1[10] ^= 1;
    cases.push(("a listing that is not what its digest says", forged));
    for (case, forged) in cases {
        refused(case, &forged);
    }
}

/// A listing that many outputs name cannot have more parts than a build.
#[test]
fn a_small_record_cannot_take_all_memory() {
    let names: Vec<String> = (0..3000).map(|number| format!("{number:04}")).collect();
    let lines: Vec<ForgedLine<'_>> =
        names.iter().map(|name| (name.as_str(), FileEntryKind::File, 0o644, EVIL)).collect();
    let outputs: Vec<TaskOutput> =
        (0..1000).map(|number| TaskOutput::Folder(format!("_build/{number:04}").into())).collect();
    let mut forged = Forged::default().folder("_build/0000", &lines);
    forged.outputs.clear();
    for output in &outputs {
        let (name, value) = (output.path().as_os_str().as_bytes(), ItemValue::Listing(forged.listings[0].0));
        put(&mut forged.outputs, &ManifestItem { tag: ItemTag::Folder, name, value });
    }
    let error = checked_parts(&forged.outputs, &forged.listings, &outputs).unwrap_err();
    assert_eq!(error, BadRecord::TooMany);
}

#[test]
fn nothing_is_created_through_a_link_or_over_a_file() {
    let declared =
        [TaskOutput::File("_build/sub/deep/file".into()), TaskOutput::Folder("_build/sub/deep/tree".into())];
    let forged = Forged::default()
        .file("_build/sub/deep/file")
        .folder("_build/sub/deep/tree", &[("new", FileEntryKind::File, 0o644, EVIL)]);
    type Prepare = fn(&Builder);
    let places: [(&str, Prepare); 5] = [
        ("a link above the output", |builder| {
            symlink(builder.path("home"), builder.path("project/_build/sub")).unwrap();
        }),
        ("a link for the folder", |builder| {
            fs::create_dir_all(builder.path("project/_build/sub/deep")).unwrap();
            symlink(builder.path("home/.ssh"), builder.path("project/_build/sub/deep/tree")).unwrap();
        }),
        ("a link for the file", |builder| {
            fs::create_dir_all(builder.path("project/_build/sub/deep/tree")).unwrap();
            let keys = builder.path("home/.ssh/authorized_keys");
            symlink(keys, builder.path("project/_build/sub/deep/file")).unwrap();
        }),
        ("a file", |builder| {
            fs::create_dir_all(builder.path("project/_build/sub/deep/tree")).unwrap();
            fs::write(builder.path("project/_build/sub/deep/file"), "mine").unwrap();
        }),
        ("no folder", |_| {}),
    ];
    for (case, prepare) in places {
        let builder = Builder::new();
        prepare(&builder);
        let cache = builder.cache();
        forged.plant(&cache);
        let restored = builder.restore(&cache, &declared);
        assert!(restored.is_err(), "{case}: {restored:?}");
        assert_eq!(builder.harm(), Vec::<String>::new(), "{case}");
        if case == "a file" {
            assert_eq!(fs::read(builder.path("project/_build/sub/deep/file")).unwrap(), b"mine");
        }
    }
}

#[test]
fn contents_that_are_links_or_not_files_are_refused_or_copied() {
    let forged = Forged::tree(&[
        ("link", FileEntryKind::Link, 0o777, b"mine"),
        ("script", FileEntryKind::File, 0o755, b"mine"),
        ("twin", FileEntryKind::File, 0o600, b"mine"),
    ]);
    let keys = |home: &Path| home.join(".ssh/authorized_keys");
    let deliveries: [(&str, Deliver, bool); 6] = [
        ("files", honestly, true),
        // The content is valid, but its file has another mode and another name.
        (
            "hard links",
            |to, content, home| {
                if content == b"mine" {
                    fs::hard_link(home.join(".ssh/authorized_keys"), to).unwrap();
                } else {
                    fs::write(to, content).unwrap();
                }
            },
            true,
        ),
        ("links", |to, _, home| symlink(home.join(".ssh/authorized_keys"), to).unwrap(), false),
        ("folders", |to, _, _| fs::create_dir(to).unwrap(), false),
        (
            "pipes",
            |to, _, _| {
                let mode = rustix::fs::Mode::from_raw_mode(0o644);
                rustix::fs::mknodat(rustix::fs::CWD, to, rustix::fs::FileType::Fifo, mode, 0).unwrap();
            },
            false,
        ),
        ("nothing", |_, _, _| {}, false),
    ];
    for (case, deliver, sound) in deliveries {
        let builder = Builder::new();
        let restored = builder.restore(&remote(&builder, &forged, deliver), &declared());
        assert_eq!(matches!(&restored, Ok(Some(_))), sound, "{case}: {restored:?}");
        assert_eq!(builder.harm(), Vec::<String>::new(), "{case}");
        let kept = fs::metadata(keys(&builder.path("home"))).unwrap();
        let script = builder.path("project/_build/tree/script");
        assert!(!sound || fs::metadata(script).unwrap().ino() != kept.ino(), "{case}");
    }
}

#[test]
fn a_record_that_is_too_large_is_not_parsed() {
    let builder = Builder::new();
    let mut forged = Forged::tree(&[]);
    forged.tail = vec![0; usize::try_from(RECORD_MAX).unwrap()];
    let cache = remote(&builder, &forged, honestly);
    let error = builder.restore(&cache, &declared()).unwrap_err();
    assert!(error.to_string().contains("corrupt"), "{error}");
    forged.tail.clear();
    forged.plant(&builder.cache());
    let record = fs::File::options().write(true).open(builder.cache().record(KEY())).unwrap();
    record.set_len(RECORD_MAX + 1).unwrap();
    let error = builder.restore(&builder.cache(), &declared()).unwrap_err();
    assert!(error.to_string().contains("larger than the limit"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn no_record_does_harm(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
        restore_from_bytes(&bytes);
    }
}
