//! Repositories of packages that the tests put together.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;
use crate::Error;
use crate::openpgp::{Signer, ValidAt};
use crate::repository::{MetadataCompression, PackageSelection};

const DATE: i64 = 1_700_000_000;

fn tar(files: &[(&str, &str)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        if let Some(target) = content.strip_prefix("-> ") {
            header.set_entry_type(tar::EntryType::Symlink);
            header.set_size(0);
            builder.append_link(&mut header, path, target).unwrap();
        } else {
            if path.ends_with('/') {
                header.set_entry_type(tar::EntryType::Directory);
            }
            header.set_size(content.len() as u64);
            builder.append_data(&mut header, path, content.as_bytes()).unwrap();
        }
    }
    builder.into_inner().unwrap()
}

fn ar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = b"!<arch>\n".to_vec();
    for (name, content) in members {
        writeln!(bytes, "{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`", 0, 0, 0, 100_644, content.len()).unwrap();
        bytes.extend_from_slice(content);
        if content.len() % 2 == 1 {
            bytes.push(b'\n');
        }
    }
    bytes
}

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn deb(control: &str, files: &[(&str, &str)]) -> Vec<u8> {
    let control = gz(&tar(&[("./", ""), ("./control", control)]));
    ar(&[("debian-binary", b"2.0\n"), ("control.tar.gz", &control), ("data.tar", &tar(files))])
}

fn hello(name: &str, architecture: &str) -> Vec<u8> {
    let control = format!(
        "Package: {name}\nVersion: 1:2.0-1\nArchitecture: {architecture}\nSection: utils\nFilename: /etc/passwd\nDescription: A\n B\n"
    );
    deb(&control, &[("./", ""), ("./usr/", ""), ("./usr/a b", "x"), (&format!("./usr/{name}"), "-> a")])
}

fn write(path: &Path, content: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

fn suite(components: &[&str]) -> DebIndexOptions {
    let components = components.iter().map(|name| (*name).to_owned()).collect();
    DebIndexOptions {
        suite: Some(Suite { components, ..Suite::new("stable") }),
        date: Some(DATE),
        compression: MetadataCompression::Plain,
        ..DebIndexOptions::default()
    }
}

#[test]
fn metadata_without_a_date_have_that_of_the_newest_package() {
    let dir = tempfile::tempdir().unwrap();
    for (name, date) in [("old", 86_400), ("new", DATE), ("none", 0)] {
        let control =
            format!("Package: {name}\nVersion: 1\nArchitecture: all\nMaintainer: A\nDescription: A\n");
        let mut bytes = deb(&control, &[]);
        // The first header is behind the magic: 16 bytes of the name, then the time.
        bytes[24..36].copy_from_slice(format!("{date:<12}").as_bytes());
        fs::write(dir.path().join(format!("{name}.deb")), bytes).unwrap();
    }
    let indexed = index(dir.path(), &DebIndexOptions::default()).unwrap();
    let release = fs::read_to_string(indexed.release).unwrap();
    assert!(release.starts_with("Date: Tue, 14 Nov 2023 22:13:20 UTC\n"), "{release}");
}

#[test]
fn a_flat_repository_lies_beside_its_packages() {
    let dir = tempfile::tempdir().unwrap();
    write(&dir.path().join("b/hello.deb"), &hello("hello", "amd64"));
    write(&dir.path().join("a.deb"), &hello("data", "all"));
    let options =
        DebIndexOptions { date: Some(DATE), label: Some("A site".into()), ..DebIndexOptions::default() };
    let indexed = index(dir.path(), &options).unwrap();
    assert_eq!((indexed.packages, indexed.read.len(), indexed.warnings.len()), (2, 2, 0));
    let read = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
    let digest = |name: &str| content::Digest::of(&fs::read(dir.path().join(name)).unwrap()).hex();
    let size = |name: &str| fs::metadata(dir.path().join(name)).unwrap().len();
    assert_eq!(
        read("Packages"),
        format!(
            "Package: data\nVersion: 1:2.0-1\nArchitecture: all\nSection: utils\nFilename: a.deb\nSize: {}\nSHA256: {}\nDescription: A\n B\n\n\
             Package: hello\nVersion: 1:2.0-1\nArchitecture: amd64\nSection: utils\nFilename: b/hello.deb\nSize: {}\nSHA256: {}\nDescription: A\n B\n",
            size("a.deb"),
            digest("a.deb"),
            size("b/hello.deb"),
            digest("b/hello.deb"),
        )
    );
    assert_eq!(
        read("Release"),
        format!(
            "Label: A site\nDate: Tue, 14 Nov 2023 22:13:20 UTC\nArchitectures: all amd64\nSHA256:\n {} {} Packages\n {} {} Packages.gz\n",
            digest("Packages"),
            size("Packages"),
            digest("Packages.gz"),
            size("Packages.gz"),
        )
    );
    let mut names: Vec<_> = fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["Packages", "Packages.gz", "Release", "a.deb", "b"]);

    // Another compression leaves no file of the first.
    index(dir.path(), &DebIndexOptions { compression: MetadataCompression::Plain, ..options }).unwrap();
    assert!(!dir.path().join("Packages.gz").exists());
}

#[test]
fn a_suite_has_an_index_for_each_component_and_architecture() {
    let dir = tempfile::tempdir().unwrap();
    for (path, name, architecture) in [
        ("pool/main/h/hello_amd64.deb", "hello", "amd64"),
        ("pool/main/h/hello_arm64.deb", "hello", "arm64"),
        ("pool/main/d/data_all.deb", "data", "all"),
        ("extra/x.deb", "x", "amd64"),
    ] {
        write(&dir.path().join(path), &hello(name, architecture));
    }
    let indexed = index(dir.path(), &suite(&["main", "extra"])).unwrap();
    let suite_folder = dir.path().join("dists/stable");
    assert_eq!(indexed.release, suite_folder.join("Release"));
    let listed = |path: &str| {
        let text = fs::read_to_string(suite_folder.join(path)).unwrap();
        text.lines().filter_map(|line| line.strip_prefix("Filename: ")).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(
        listed("main/binary-amd64/Packages"),
        ["pool/main/d/data_all.deb", "pool/main/h/hello_amd64.deb"]
    );
    assert_eq!(listed("main/binary-arm64/Packages")[1], "pool/main/h/hello_arm64.deb");
    assert_eq!(listed("extra/binary-amd64/Packages"), ["extra/x.deb"]);
    assert_eq!(listed("extra/binary-arm64/Packages"), [""; 0]);
    let contents = fs::read_to_string(suite_folder.join("main/Contents-arm64")).unwrap();
    let lines: Vec<Vec<&str>> = contents.lines().map(|line| line.rsplitn(2, ' ').collect()).collect();
    assert_eq!(lines[0][0], "utils/data,utils/hello");
    assert_eq!(lines[0][1].trim_end(), "usr/a b");
    assert_eq!(lines.len(), 3);
    let release = fs::read_to_string(suite_folder.join("Release")).unwrap();
    for line in ["Suite: stable", "Codename: stable", "Architectures: amd64 arm64", "Components: main extra"]
    {
        assert!(release.lines().any(|found| found == line), "{line}: {release}");
    }
    for file in super::release::listed_files(&Stanza::read(&mut release.as_bytes(), "").unwrap().unwrap()) {
        let content = fs::read(suite_folder.join(&file.path)).unwrap();
        assert_eq!(content::Digest::of(&content).hex(), file.digest);
        let folder = suite_folder.join(&file.path).with_file_name("by-hash/SHA256");
        assert_eq!(fs::read(folder.join(file.digest)).unwrap(), content);
    }

    let stray = index(dir.path(), &suite(&["main", "other"])).unwrap_err().to_string();
    assert!(stray.contains("x.deb") && stray.contains("the folder of no component"), "{stray}");
    assert_eq!(fs::read_to_string(suite_folder.join("Release")).unwrap(), release);
}

#[test]
fn packages_for_all_machines_alone_are_an_architecture_of_their_own() {
    let dir = tempfile::tempdir().unwrap();
    write(&dir.path().join("a.deb"), &hello("a", "all"));
    index(dir.path(), &suite(&["main"])).unwrap();
    assert!(dir.path().join("dists/stable/main/binary-all/Packages").exists());
    let mut options = suite(&["main"]);
    options.suite.as_mut().unwrap().architectures = vec!["amd64".into()];
    index(dir.path(), &options).unwrap();
    assert!(!dir.path().join("dists/stable/main/binary-all").exists());
    assert!(
        fs::read_to_string(dir.path().join("dists/stable/main/binary-amd64/Packages"))
            .unwrap()
            .contains("a.deb")
    );
}

#[test]
fn entries_of_packages_that_did_not_change_are_taken_over() {
    for mut options in [DebIndexOptions { date: Some(DATE), ..DebIndexOptions::default() }, suite(&["main"])]
    {
        let dir = tempfile::tempdir().unwrap();
        let other = tempfile::tempdir().unwrap();
        options.reuse = true;
        for name in ["a", "b", "c"] {
            write(&dir.path().join(format!("{name}.deb")), &hello(name, "amd64"));
        }
        let read = |options: &DebIndexOptions| {
            let indexed = index(dir.path(), options).unwrap();
            assert_eq!(indexed.warnings, [""; 0]);
            let text = |path: &Path| fs::read_to_string(path).unwrap();
            let contents = indexed.release.with_file_name("main/Contents-amd64");
            let contents = if contents.exists() { text(&contents) } else { String::new() };
            (indexed.read.len(), text(&indexed.release), contents)
        };
        let first = read(&options);
        assert_eq!(first.0, 3);
        assert_eq!(read(&options), (0, first.1.clone(), first.2.clone()));
        // The same size, and another time.
        write(&dir.path().join("b.deb"), &hello("d", "amd64"));
        let file = fs::File::options().write(true).open(dir.path().join("b.deb")).unwrap();
        file.set_modified(std::time::UNIX_EPOCH).unwrap();
        let changed = read(&options);
        assert_eq!(changed.0, 1);
        // As if nothing had been there.
        for entry in fs::read_dir(dir.path()).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|end| end == "deb") {
                fs::hard_link(&path, other.path().join(path.file_name().unwrap())).unwrap();
            }
        }
        let again = index(other.path(), &options).unwrap();
        assert_eq!(fs::read_to_string(again.release).unwrap(), changed.1);
        // Damaged metadata are not used.
        let name =
            if options.suite.is_some() { "dists/stable/main/binary-amd64/Packages" } else { "Packages" };
        fs::write(dir.path().join(name), "Package: x\n").unwrap();
        let indexed = index(dir.path(), &options).unwrap();
        assert_eq!(indexed.read.len(), 3);
        assert!(indexed.warnings[0].contains("not reused"), "{:?}", indexed.warnings);
    }
}

#[test]
fn another_folder_gets_links_to_the_packages() {
    let dir = tempfile::tempdir().unwrap();
    let (packages, output) = (dir.path().join("in"), dir.path().join("out"));
    write(&packages.join("x.deb"), &hello("libhello", "amd64"));
    write(&packages.join("again/x.deb"), &hello("libhello", "amd64"));
    let options = DebIndexOptions { output: Some(output.clone()), ..suite(&["main"]) };
    let indexed = index(&packages, &options).unwrap();
    assert_eq!(indexed.packages, 1);
    let pooled = output.join("pool/main/libh/libhello/libhello_2.0-1_amd64.deb");
    assert_eq!(fs::read(&pooled).unwrap(), hello("libhello", "amd64"));
    let packages_file = fs::read_to_string(output.join("dists/stable/main/binary-amd64/Packages")).unwrap();
    assert!(packages_file.contains("\nFilename: pool/main/libh/libhello/libhello_2.0-1_amd64.deb\n"));
    assert!(!packages.join("dists").exists());
    index(&packages, &options).unwrap();
    write(
        &packages.join("again/x.deb"),
        &deb("Package: libhello\nVersion: 1:2.0-1\nArchitecture: amd64\n", &[]),
    );
    assert!(matches!(index(&packages, &options), Err(Error::Ambiguous { .. })));
    let inside = DebIndexOptions { output: Some(packages.join("again")), ..suite(&["main"]) };
    assert!(matches!(index(&packages, &inside), Err(Error::Unindexable { .. })));
}

#[test]
fn signatures_of_an_older_release_do_not_stay() {
    for mut options in [DebIndexOptions { date: Some(DATE), ..DebIndexOptions::default() }, suite(&["main"])]
    {
        let dir = tempfile::tempdir().unwrap();
        write(&dir.path().join("a.deb"), &hello("a", "amd64"));
        let release = index(dir.path(), &options).unwrap().release;
        for name in ["InRelease", "Release.gpg"] {
            fs::write(release.with_file_name(name), "signed").unwrap();
        }
        // The same metadata have the same signature.
        assert_eq!(index(dir.path(), &options).unwrap().dropped, [""; 0]);
        assert!(release.with_file_name("InRelease").exists());
        options.date = Some(DATE + 1);
        assert_eq!(index(dir.path(), &options).unwrap().dropped, ["InRelease", "Release.gpg"]);
        assert!(
            !release.with_file_name("InRelease").exists() && !release.with_file_name("Release.gpg").exists()
        );
    }
}

#[test]
fn a_signer_signs_the_release_in_both_forms() {
    let key = include_bytes!("../openpgp/tests/data/ed.secret.asc");
    let signer = Arc::new(Signer::with_key(key, None, None).unwrap());
    for options in [DebIndexOptions { date: Some(DATE), ..DebIndexOptions::default() }, suite(&["main"])] {
        let options = DebIndexOptions { signer: Some(Arc::clone(&signer)), ..options };
        let dir = tempfile::tempdir().unwrap();
        write(&dir.path().join("a.deb"), &hello("a", "amd64"));
        let mut made = Vec::new();
        // The second run replaces the signatures of the first.
        for date in [Some(DATE + 1), Some(DATE), Some(DATE)] {
            let options = DebIndexOptions { date, ..options.clone() };
            let indexed = index(dir.path(), &options).unwrap();
            assert_eq!(indexed.dropped, [""; 0]);
            let read = |name: &str| fs::read(indexed.release.with_file_name(name)).unwrap();
            let [release, signature, signed] = ["Release", "Release.gpg", "InRelease"].map(read);
            signer.keys().verify(&release, &signature, ValidAt::Signing).unwrap();
            let (text, _) = signer.keys().verify_cleartext(&signed, ValidAt::Signing).unwrap();
            assert_eq!(text.as_bytes(), release);
            assert_eq!(fs::read(dir.path().join(super::KEY)).unwrap(), signer.public_key());
            made.push((signature, signed));
        }
        assert!(made[1] == made[2] && made[0] != made[1], "the same input gives the same signature");
    }
}

#[test]
fn suites_with_different_keys_keep_them() {
    let dir = tempfile::tempdir().unwrap();
    write(&dir.path().join("a.deb"), &hello("a", "amd64"));
    let signer = |key: &[u8]| Arc::new(Signer::with_key(key, None, None).unwrap());
    let one = signer(include_bytes!("../openpgp/tests/data/ed.secret.asc"));
    let other = signer(include_bytes!("../openpgp/tests/data/rsa.secret.asc"));
    let index = |name: &str, signer: Option<&Arc<Signer>>| {
        let suite = Some(Suite::new(name));
        let options = DebIndexOptions { suite, signer: signer.cloned(), ..self::suite(&["main"]) };
        index(dir.path(), &options).unwrap()
    };
    let key = |path: &str| fs::read(dir.path().join(path)).ok();
    index("stable", Some(&one));
    index("testing", Some(&other));
    // Metadata that stay the same keep their signatures, and the key.
    index("testing", None);
    assert_eq!(key(super::KEY).unwrap(), one.public_key());
    assert_eq!(key("dists/testing/archive-key.asc").unwrap(), other.public_key());
    index("testing", Some(&one));
    assert_eq!((key("dists/testing/archive-key.asc"), key("dists/stable/archive-key.asc")), (None, None));
}

#[test]
fn damaged_packages_are_an_error_or_left_out() {
    let dir = tempfile::tempdir().unwrap();
    write(&dir.path().join("a.deb"), &hello("a", "amd64"));
    write(&dir.path().join("b.deb"), b"!<arch>\n");
    let options = DebIndexOptions::default();
    let error = index(dir.path(), &options).unwrap_err().to_string();
    assert!(error.contains("b.deb: not a usable Debian package: ar archive"), "{error}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "nothing is left");
    let selection = PackageSelection { skip_broken: true, ..PackageSelection::default() };
    let indexed = index(dir.path(), &DebIndexOptions { selection, ..options }).unwrap();
    assert_eq!((indexed.packages, indexed.warnings.len()), (1, 1));
}

#[test]
fn invalid_options_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let named = |change: &dyn Fn(&mut Suite)| {
        let mut options = suite(&["main"]);
        change(options.suite.as_mut().unwrap());
        index(dir.path(), &options)
    };
    let wrong: [&dyn Fn(&mut Suite); 6] = [
        &|suite| suite.name = "../x".into(),
        &|suite| suite.codename = Some("a\nb".into()),
        &|suite| suite.components = vec!["main".into(), "main".into()],
        &|suite| suite.components = vec!["a/b".into()],
        &|suite| suite.components = vec![],
        &|suite| suite.architectures = vec!["amd 64".into()],
    ];
    for change in wrong {
        assert!(matches!(named(change), Err(Error::Value { .. })));
    }
    let zstd = DebIndexOptions { compression: MetadataCompression::Zstd, ..DebIndexOptions::default() };
    assert!(matches!(index(dir.path(), &zstd), Err(Error::Value { .. })));
    let origin = DebIndexOptions { origin: Some("a\nSHA256:".into()), ..DebIndexOptions::default() };
    assert!(matches!(index(dir.path(), &origin), Err(Error::Value { .. })));
    assert!(matches!(index(&dir.path().join("missing"), &zstd), Err(Error::Io(_) | Error::Value { .. })));
}

fn read(bytes: &[u8]) -> crate::Result<DebPackage> {
    DebPackage::read(bytes, Path::new("x.deb"), true)
}

#[test]
fn packages_are_read_in_all_compressions() {
    let control = "Package: a\nVersion: 1\nArchitecture: all\n";
    let (control, data) = (tar(&[("control", control)]), tar(&[("./a", "")]));
    let xz = |bytes: &[u8]| {
        let mut writer = lzma_rust2::XzWriter::new(Vec::new(), lzma_rust2::XzOptions::default()).unwrap();
        writer.write_all(bytes).unwrap();
        writer.finish().unwrap()
    };
    let zstd =
        |bytes: &[u8]| ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest);
    let plain = |bytes: &[u8]| bytes.to_vec();
    type Pack<'a> = &'a dyn Fn(&[u8]) -> Vec<u8>;
    let forms: [(&str, Pack<'_>); 4] = [("", &plain), (".gz", &gz), (".xz", &xz), (".zst", &zstd)];
    for (end, pack) in forms {
        let (control, data) = (pack(&control), pack(&data));
        let (control_name, data_name) = (format!("control.tar{end}"), format!("data.tar{end}/"));
        let members: [(&str, &[u8]); 4] =
            [("debian-binary", b"2.0\n"), ("_extra", b"x"), (&control_name, &control), (&data_name, &data)];
        let bytes = ar(&members);
        let package = read(&bytes).unwrap();
        assert_eq!(package.paths, Some(vec!["a".to_owned()]), "{end}");
        assert_eq!((package.size, package.digest), (bytes.len() as u64, content::Digest::of(&bytes)));
        // Whatever is cut off, it is no package, or a fault.
        for end in (0..bytes.len()).step_by(7) {
            assert!(read(&bytes[..end]).is_err(), "{end} of {}", bytes.len());
        }
    }
}

#[test]
fn what_is_no_package_is_a_fault() {
    let control = |text: &str| deb(text, &[]);
    let whole = tar(&[("control", "Package: a\nVersion: 1\nArchitecture: all\n")]);
    let twice = tar(&[("control", "Package: a\n"), ("./control", "Package: b\n")]);
    let mut sparse = tar(&[("a", "")]);
    sparse[156] = b'S';
    let sum: u32 =
        sparse[..148].iter().chain(&sparse[156..512]).map(|byte| u32::from(*byte)).sum::<u32>() + 256;
    sparse[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    let cases: [(&str, Vec<u8>); 15] = [
        ("another format", b"PK\x03\x04 and more".to_vec()),
        ("no member", ar(&[])),
        ("another first member", ar(&[("control.tar", &whole)])),
        ("another version", ar(&[("debian-binary", b"3.0\n"), ("control.tar", &whole), ("data.tar", b"")])),
        ("no data", ar(&[("debian-binary", b"2.0\n"), ("control.tar", &whole)])),
        ("another member", ar(&[("debian-binary", b"2.0\n"), ("x", b""), ("control.tar", &whole)])),
        ("two control files", ar(&[("debian-binary", b"2.0\n"), ("control.tar", &twice), ("data.tar", b"")])),
        (
            "an unknown kind",
            ar(&[("debian-binary", b"2.0\n"), ("control.tar", &whole), ("data.tar", &sparse)]),
        ),
        (
            "no control file",
            ar(&[("debian-binary", b"2.0\n"), ("control.tar", &tar(&[])), ("data.tar", b"")]),
        ),
        ("no version", control("Package: a\nArchitecture: all\n")),
        ("a path as the name", control("Package: ../a\nVersion: 1\nArchitecture: all\n")),
        ("a space in the version", control("Package: a\nVersion: 1 2\nArchitecture: all\n")),
        ("an epoch without end", control("Package: a\nVersion: 99999999999:1\nArchitecture: all\n")),
        ("two stanzas", control("Package: a\nVersion: 1\nArchitecture: all\n\nPackage: b\n")),
        ("a list of architectures", control("Package: a\nVersion: 1\nArchitecture: amd64 arm64\n")),
    ];
    for (what, bytes) in cases {
        assert!(read(&bytes).is_err(), "{what}");
    }
}

#[test]
fn packages_that_unpack_to_too_much_are_refused() {
    let zeros = vec![0; 1 << 20];
    let mut bomb = GzEncoder::new(Vec::new(), Compression::best());
    let mut header = tar::Header::new_gnu();
    header.set_size(1 << 40);
    header.set_entry_type(tar::EntryType::GNULongName);
    header.set_cksum();
    bomb.write_all(header.as_bytes()).unwrap();
    bomb.write_all(&zeros).unwrap();
    let bomb = bomb.finish().unwrap();
    let fault = read(&ar(&[("debian-binary", b"2.0\n"), ("control.tar.gz", &bomb), ("data.tar", b"")]));
    assert!(fault.is_err());
    let mut large = GzEncoder::new(Vec::new(), Compression::best());
    large.write_all(&tar(&[("x", "y")])[..1024]).unwrap();
    (0..65).for_each(|_| large.write_all(&zeros).unwrap());
    let large = large.finish().unwrap();
    let fault = read(&ar(&[("debian-binary", b"2.0\n"), ("control.tar.gz", &large), ("data.tar", b"")]));
    assert!(fault.unwrap_err().to_string().contains("more than"));
}
