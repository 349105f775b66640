use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::Command;

use ::tar::{Builder, EntryType, Header};
use proptest::prelude::*;

use super::*;

/// A tar of these members: kind, name, target of a link, content.
fn tar(members: &[(u8, &str, &str, &[u8])]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (kind, name, target, content) in members {
        let mut header = Header::new_gnu();
        // Not through the crate, which refuses what is hostile.
        let fields = header.as_old_mut();
        fields.name[..name.len()].copy_from_slice(name.as_bytes());
        fields.linkname[..target.len()].copy_from_slice(target.as_bytes());
        header.set_entry_type(EntryType::new(*kind));
        header.set_mode(0o644);
        header.set_size(content.len() as u64);
        header.set_cksum();
        builder.append(&header, *content).unwrap();
    }
    builder.into_inner().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn unpack(folder: &Path, bytes: &[u8], strip: usize, limits: UnpackLimits) -> Result<usize, UnpackError> {
    let mut writer = TreeWriter::new(folder, limits)?;
    let mut selection = TarSelection { strip, keep: &mut |_, _| true };
    unpack_tar(&mut &*bytes, &mut selection, &mut writer)?;
    writer.finish()
}

fn refused(bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let (inside, limits) = (folder.path().join("inside"), UnpackLimits { entries: 10, bytes: 1 << 20 });
    fs::create_dir(&inside).unwrap();
    let error = unpack(&inside, bytes, 0, limits).unwrap_err().to_string();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "something was written outside");
    error
}

#[test]
fn what_is_hostile_is_refused_and_nothing_leaves_the_folder() {
    let many: Vec<(u8, String)> = (0..11).map(|number| (b'0', number.to_string())).collect();
    let many: Vec<_> = many.iter().map(|(kind, name)| (*kind, name.as_str(), "", &b""[..])).collect();
    let large = vec![0; (1 << 20) + 1];
    for (members, expected) in [
        (&[(b'0', "/etc/x", "", &b"x"[..])][..], "`/etc/x`: it is absolute"),
        (&[(b'0', "../x", "", b"x")], "`../x`: a part of it is `..`"),
        (&[(b'0', "a/../../x", "", b"x")], "`a/../../x`: a part of it is `..`"),
        (&[(b'2', "a", "..", b"")], "`a`: link to `..`: a symbolic link on it leads out of the archive"),
        (&[(b'2', "a", "/etc", b"")], "leads out of the archive"),
        (&[(b'2', "a", "b", b""), (b'2', "b", "a", b"")], "too many symbolic links"),
        (&[(b'2', "a", ".", b""), (b'0', "a/x", "", b"x")], "`a/x`: `a` is a symbolic link"),
        (&[(b'2', "a", "", b"")], "the link leads nowhere"),
        (&[(b'1', "a", "/etc/passwd", b"")], "`/etc/passwd`: it is absolute"),
        (&[(b'1', "a", "b", b"")], "a hard link to `b`, which is not unpacked before it"),
        (&[(b'0', "a", "", b"1"), (b'0', "./a", "", b"2")], "`a`: a second entry has this name"),
        (&[(b'0', "a", "", b"1"), (b'0', "a/b", "", b"2")], "`a/b`: `a` is not a folder"),
        (&[(b'0', "a", "", b"1"), (b'5', "a", "", b"")], "`a` is not a folder"),
        (&[(b'3', "a", "", b"")], "a device or a pipe"),
        (&[(b'6', "a", "", b"")], "a device or a pipe"),
        (&[(b'S', "a", "", b"")], "sparse"),
        (&[(b'V', "a", "", b"")], "the kind `V`"),
        (&many, "more than 10 entries"),
        (&[(b'0', "a", "", &large)], "more than 1048576 bytes"),
        (&[(b'L', "l", "", &large)], "more than 1048576 bytes"),
        (&[(b'x', "x", "", b"12 path=../x")], "damaged"),
        (&[(b'x', "x", "", b"13 path=../x\n"), (b'0', "a", "", b"")], "`../x`: a part of it is `..`"),
        (&[(b'x', "x", "", b"10 size=1\n")], "8 GiB"),
    ] {
        for bytes in [tar(members), gzip(&tar(members))] {
            let error = refused(&bytes);
            assert!(error.contains(expected), "{expected}: {error}");
        }
    }
    // A name that is not UTF-8.
    let mut bytes = tar(&[(b'0', "aaaa", "", b"")]);
    bytes[0] = 0xff;
    let sum: u32 =
        bytes[..148].iter().chain(&[b' '; 8]).chain(&bytes[156..512]).copied().map(u32::from).sum();
    bytes[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    assert!(refused(&bytes).contains("not UTF-8"));
}

#[test]
fn an_unknown_format_names_the_known_ones_and_a_damaged_archive_is_refused() {
    for (bytes, expected) in [
        (&b"\xfd7zXZ\0"[..], "xz"),
        (b"\x28\xb5\x2f\xfd", "zstd"),
        (b"BZh9", "bzip2"),
        (b"PK\x03\x04", "zip"),
        (b"<html>", "an unknown format"),
        (b"", "is empty"),
        (&gzip(b"text"), "is not a tar"),
    ] {
        let error = refused(bytes);
        assert!(error.contains(expected) && error.ends_with("are tar and tar.gz"), "{error}");
    }
    let whole = tar(&[(b'0', "a", "", &[7; 5000])]);
    for cut in [600, 1024, 3000] {
        assert!(refused(&whole[..cut]).contains("cut off"), "{cut}");
    }
    let packed = gzip(&tar(&[(b'0', "a", "", b"text")]));
    assert!(refused(&packed[..packed.len() / 2]).contains("damaged"));
    // A bomb: a gigabyte in a megabyte.
    let mut bomb = Header::new_gnu();
    bomb.set_path("bomb").unwrap();
    bomb.set_mode(0o644);
    bomb.set_size(1 << 30);
    bomb.set_cksum();
    assert!(refused(bomb.as_bytes()).contains("more than 1048576 bytes"));
}

#[test]
fn a_gzip_is_read_to_its_end_as_gnu_tar_does() {
    let folder = tempfile::tempdir().unwrap();
    let tar = tar(&[(b'0', "a", "", b"text")]);
    let whole = gzip(&tar);
    let end = whole.len();
    let with = |more: &[u8]| [&whole, more].concat();
    let mut wrong = whole.clone();
    wrong[end - 8] ^= 1;
    let mut cases = vec![with(b""), with(&[0; 700]), with(&gzip(b"")), with(&gzip(&[0; 512])), wrong];
    cases.extend([with(b"x"), with(b"\0\0x"), with(&gzip(b"more")[..15])]);
    cases.extend([1, 4, 8, 9].map(|cut| whole[..end - cut].to_vec()));
    let mut taken = 0;
    for (number, bytes) in cases.iter().enumerate() {
        let file = folder.path().join(format!("{number}.tgz"));
        fs::write(&file, bytes).unwrap();
        let peer = Command::new("tar").arg("-tzf").arg(&file).output().unwrap().status.success();
        let target = folder.path().join(number.to_string());
        fs::create_dir(&target).unwrap();
        match unpack(&target, bytes, 0, UnpackLimits::default()) {
            Ok(count) => assert!(peer && count == 1, "{number} is taken"),
            Err(error) => {
                assert!(
                    !peer && error.to_string().starts_with("the archive is damaged: "),
                    "{number}: {error}"
                );
            }
        }
        taken += usize::from(peer);
    }
    assert_eq!(taken, 4);
    // A bomb after the end of the tar.
    assert!(refused(&gzip(&[tar, vec![0; 2 << 20]].concat())).contains("more than 1048576 bytes"));
}

/// Every path below `folder` with its kind, mode and content.
fn listed(folder: &Path) -> Vec<(String, u32, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            let metadata = path.symlink_metadata().unwrap();
            let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
            let (mode, content) = if metadata.is_symlink() {
                (0, fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes())
            } else if metadata.is_dir() {
                folders.push(path.clone());
                (metadata.permissions().mode() & 0o777, b"folder".to_vec())
            } else {
                (metadata.permissions().mode() & 0o777, fs::read(&path).unwrap())
            };
            found.push((name, mode, content));
        }
    }
    found.sort();
    found
}

#[test]
fn a_tree_is_unpacked_as_by_gnu_tar() {
    let scratch = tempfile::tempdir().unwrap();
    let top = scratch.path().join("tool-1.2");
    let long = format!("deep/{}/{}", "d".repeat(120), "n".repeat(200));
    for (name, mode) in
        [("bin/tool", 0o755), ("README", 0o644), ("share/é ü.txt", 0o644), (long.as_str(), 0o644)]
    {
        let path = top.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, name.repeat(1000)).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }
    fs::create_dir(top.join("empty")).unwrap();
    fs::hard_link(top.join("README"), top.join("SAME")).unwrap();
    symlink("../bin/tool", top.join("share/link")).unwrap();
    symlink(&long, top.join("long-link")).unwrap();
    let run = |arguments: &[&str]| {
        let status = Command::new("tar").args(arguments).current_dir(scratch.path()).status().unwrap();
        assert!(status.success(), "{arguments:?}");
    };
    run(&["--mode=u+rwX,go+rX,go-w", "-cf", "v7.tar", "--format=v7", "tool-1.2/README", "tool-1.2/bin"]);
    for format in ["gnu", "posix", "v7"] {
        let (plain, packed) = (format!("{format}.tar"), format!("{format}.tar.gz"));
        if format != "v7" {
            run(&["--mode=u+rwX,go+rX,go-w", "--format", format, "-cf", &plain, "tool-1.2"]);
        }
        for (number, strip) in [0, 1].into_iter().enumerate() {
            let (theirs, ours) = (format!("{format}-theirs-{number}"), format!("{format}-ours-{number}"));
            for folder in [&theirs, &ours] {
                fs::create_dir(scratch.path().join(folder)).unwrap();
            }
            run(&["-xpf", &plain, "-C", &theirs, &format!("--strip-components={strip}")]);
            let bytes = fs::read(scratch.path().join(&plain)).unwrap();
            fs::write(scratch.path().join(&packed), gzip(&bytes)).unwrap();
            let bytes = fs::read(scratch.path().join(&packed)).unwrap();
            unpack(&scratch.path().join(&ours), &bytes, strip, UnpackLimits::default()).unwrap();
            let (theirs, ours) = (listed(&scratch.path().join(theirs)), listed(&scratch.path().join(ours)));
            assert!(theirs.len() > 2);
            assert_eq!(ours, theirs, "{format}, strip {strip}");
        }
    }
}

#[test]
fn a_selection_leaves_out_the_rest_and_modes_are_those_that_git_keeps() {
    let folder = tempfile::tempdir().unwrap();
    let mut bytes = tar(&[(b'0', "x/bin/a", "", b"a"), (b'3', "x/dev", "", b""), (b'0', "x/b", "", b"b")]);
    // 04777
    bytes[100..108].copy_from_slice(b"0004777\0");
    let sum: u32 =
        bytes[..148].iter().chain(&[b' '; 8]).chain(&bytes[156..512]).copied().map(u32::from).sum();
    bytes[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut writer = TreeWriter::new(folder.path(), UnpackLimits::default()).unwrap();
    let mut keep = |path: &str, _: bool| path.starts_with("bin/");
    unpack_tar(&mut &*bytes, &mut TarSelection { strip: 1, keep: &mut keep }, &mut writer).unwrap();
    assert_eq!(writer.finish().unwrap(), 1);
    let expected =
        [("bin".to_owned(), 0o755, b"folder".to_vec()), ("bin/a".to_owned(), 0o755, b"a".to_vec())];
    assert_eq!(listed(folder.path()), expected);
}

/// The header of a member in the records of pax, where its names can be of any length.
fn pax(name: &str) -> Vec<u8> {
    let record = format!(" path={name}\n");
    // The length counts itself.
    let length = (record.len()..).find(|length| length.to_string().len() + record.len() == *length).unwrap();
    format!("{length}{record}").into_bytes()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Members that get in each other's way: links in the place of folders, links to links, names that lead out.
    #[test]
    fn no_archive_writes_outside_or_leaves_a_link_that_leads_out(
        members in prop::collection::vec(
            (prop::sample::select(b"0001225Lxg".to_vec()), "[ab./]{0,6}", "[ab./]{0,8}"),
            0..8,
        ),
        strip in 0_usize..2,
    ) {
        let contents: Vec<Vec<u8>> = members
            .iter()
            .map(|(kind, name, _)| match kind {
                b'L' => name.clone().into_bytes(),
                b'x' | b'g' => pax(name),
                b'0' => b"text".to_vec(),
                _ => Vec::new(),
            })
            .collect();
        let members: Vec<(u8, &str, &str, &[u8])> = members
            .iter()
            .zip(&contents)
            .map(|((kind, name, target), content)| (*kind, name.as_str(), target.as_str(), content.as_slice()))
            .collect();
        let folder = tempfile::tempdir().unwrap();
        let inside = folder.path().canonicalize().unwrap().join("inside");
        fs::create_dir(&inside).unwrap();
        let unpacked = unpack(&inside, &tar(&members), strip, UnpackLimits { entries: 20, bytes: 1 << 16 });
        prop_assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        if unpacked.is_ok() {
            for (name, ..) in listed(&inside) {
                if let Ok(real) = inside.join(&name).canonicalize() {
                    prop_assert!(real.starts_with(&inside), "{} leads to {}", name, real.display());
                }
            }
        }
    }
}
