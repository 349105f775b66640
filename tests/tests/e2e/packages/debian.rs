//! Repositories of Debian packages, compared with apt-ftparchive and dpkg-scanpackages, and used by apt.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use tests::apt::Apt;
use tests::signing_key::SigningKey;
use tests::{peer, sealift};

/// Packages of dpkg-deb: a name, an architecture, further lines of the control file, and how `dpkg-deb` compresses.
const PACKAGES: [(&str, &str, &str, &str); 4] = [
    (
        "hello",
        "amd64",
        "Section: utils\nPriority: optional\nDepends: data (>= 1)\nHomepage: http://site.invalid",
        "xz",
    ),
    ("data", "all", "Section: doc\nX-Own: a\n b\n  c", "gzip"),
    ("libold", "amd64", "Source: old (1:3)\nMulti-Arch: same\nEssential: yes", "none"),
    ("fresh", "arm64", "Section: contrib/net\nProvides: mail (= 1), x\nInstalled-Size: 7", "zstd"),
];

/// Builds [`PACKAGES`] below `folder`.
fn build(scratch: &Path, folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    for (name, architecture, more, compression) in PACKAGES {
        let root = scratch.join(format!("tree-{name}"));
        for (path, content) in [
            ("usr/share/doc/name with spaces", "text"),
            ("etc/conf", "a"),
            ("usr/bin/same", "b"),
            (&"deep/".repeat(60), "in many folders"),
        ] {
            let path = root.join(path);
            let path = if content.contains("many") { path.join(name) } else { path };
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        std::os::unix::fs::symlink("same", root.join(format!("usr/bin/{name}"))).unwrap();
        fs::create_dir_all(root.join("var/lib/empty")).unwrap();
        fs::create_dir_all(root.join("DEBIAN")).unwrap();
        let control = format!(
            "Package: {name}\nVersion: 1:2.0~rc1-3\nArchitecture: {architecture}\nMaintainer: Jörg <a@site.invalid>\n{more}\n\
             Description: In one line\n In more.\n .\n  - And a list\n"
        );
        fs::write(root.join("DEBIAN/control"), control).unwrap();
        fs::write(root.join("DEBIAN/conffiles"), "/etc/conf\n").unwrap();
        let file = folder.join(format!("{name}.deb"));
        let mut command = Command::new("dpkg-deb");
        command.args(["--root-owner-group", &format!("-Z{compression}"), "--build"]).arg(root).arg(file);
        peer::run(&mut command);
    }
}

/// The stanzas by package, without the fields that only some tools write.
fn stanzas(text: &str) -> BTreeMap<String, BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    for stanza in text.split("\n\n").filter(|stanza| !stanza.trim().is_empty()) {
        let mut fields: BTreeMap<String, String> = BTreeMap::new();
        let mut last = String::new();
        for line in stanza.lines() {
            if line.starts_with([' ', '\t']) {
                let value = fields.get_mut(&last).unwrap();
                value.push('\n');
                value.push_str(line);
            } else {
                let (name, value) = line.split_once(':').unwrap();
                last = name.to_owned();
                let value = value.trim().trim_start_matches("./");
                assert!(fields.insert(last.clone(), value.to_owned()).is_none(), "{stanza}");
            }
        }
        for weak in ["MD5sum", "SHA1", "SHA512"] {
            fields.remove(weak);
        }
        found.insert(fields["Package"].clone(), fields);
    }
    found
}

/// Each path with its packages.
fn contents(text: &str) -> BTreeMap<String, BTreeSet<String>> {
    let line = |line: &str| {
        let (path, packages) = line.rsplit_once([' ', '\t']).unwrap();
        let name = |package: &str| package.rsplit('/').next().unwrap().to_owned();
        (path.trim_end().to_owned(), packages.split(',').map(name).collect())
    };
    text.lines().map(line).collect()
}

fn index(folder: &Path, arguments: &[&str]) -> String {
    let (code, out, err) = sealift::run(folder, &[&["package", "index", "."], arguments].concat());
    assert_eq!(code, 0, "{out}{err}");
    assert_eq!(err, "");
    out
}

#[test]
fn metadata_of_debs_are_those_of_apt_ftparchive_and_dpkg_scanpackages() {
    let (Some(archive), Some(scan)) = (peer::find("apt-ftparchive"), peer::find("dpkg-scanpackages")) else {
        return;
    };
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join("pool");
    build(scratch.path(), &folder);
    let peers =
        |command: &mut Command| String::from_utf8(peer::run(command.current_dir(&folder)).stdout).unwrap();
    let expected = stanzas(&peers(Command::new(&archive).args(["packages", "."])));
    assert_eq!(expected.len(), PACKAGES.len());
    assert_eq!(stanzas(&peers(Command::new(&scan).args(["--multiversion", "."]))), expected);
    let lists = peers(Command::new(&archive).args(["contents", "."]));

    assert_eq!(index(&folder, &[]), "./Release: 4 packages\n");
    let ours = fs::read_to_string(folder.join("Packages")).unwrap();
    assert_eq!(stanzas(&ours), expected);
    let unpacked = peers(Command::new("zcat").arg("Packages.gz"));
    assert_eq!(unpacked, ours);
    fs::remove_file(folder.join("Packages")).unwrap();

    index(&folder, &["--suite", "stable", "--compress-type", "none"]);
    let read = |path: &str| fs::read_to_string(folder.join("dists/stable/main").join(path)).unwrap();
    let mut of_both = stanzas(&read("binary-amd64/Packages"));
    of_both.extend(stanzas(&read("binary-arm64/Packages")));
    assert_eq!(of_both, expected);
    let mut listed = contents(&read("Contents-amd64"));
    for (path, packages) in contents(&read("Contents-arm64")) {
        listed.entry(path).or_default().extend(packages);
    }
    assert_eq!(listed, contents(&lists));
}

#[test]
fn apt_installs_from_signed_repositories_of_debs_and_refuses_what_was_changed() {
    let Some(apt) = peer::find("apt-get") else { return };
    let scratch = tempfile::tempdir().unwrap();
    let Some(key) = SigningKey::new(scratch.path(), "ed25519") else { return };
    let secret = scratch.path().join("key");
    fs::write(&secret, key.gpg(scratch.path(), &["--export-secret-keys"])).unwrap();
    let secret = secret.to_str().unwrap();
    let (flat, suite) = (scratch.path().join("flat"), scratch.path().join("suite"));
    build(scratch.path(), &flat);
    build(&scratch.path().join("again"), &suite.join("pool"));
    index(&flat, &["--compress-type", "xz", "--sign-key", secret]);
    index(&suite, &["--suite", "stable", "--origin", "A site", "--sign-key", secret]);
    let client = Apt::new(apt, &scratch.path().join("client"));
    let install = ["install", "--yes", "--download-only", "--no-install-recommends", "hello"];
    for (folder, place, metadata, packages) in [
        (&flat, "Suites: ./", "", "Packages.xz"),
        (&suite, "Suites: stable\nComponents: main", "dists/stable/", "main/binary-amd64/Packages.gz"),
    ] {
        let (at, metadata) = (folder.display(), folder.join(metadata));
        let source = format!("Types: deb\nURIs: file:{at}\n{place}\nSigned-By: {at}/archive-key.asc\n");
        client.use_source(&source);

        // Another date than the signed one, in either form of the signature.
        for (text, other_form) in [("InRelease", "Release.gpg"), ("Release", "InRelease")] {
            let signed = fs::read_to_string(metadata.join(text)).unwrap();
            let aside = fs::read(metadata.join(other_form)).unwrap();
            fs::write(
                metadata.join(text),
                signed.replace("Date: Thu, 01 Jan 1970", "Date: Fri, 02 Jan 1970"),
            )
            .unwrap();
            fs::remove_file(metadata.join(other_form)).unwrap();
            let refused = client.command(&["update", "--error-on=any"]).output().unwrap();
            let said = String::from_utf8_lossy(&refused.stderr).into_owned();
            assert!(!refused.status.success() && said.contains("signature"), "{text}: {said}");
            fs::write(metadata.join(text), signed).unwrap();
            fs::write(metadata.join(other_form), aside).unwrap();
        }
        client.use_source(&source);
        peer::run(&mut client.command(&["update", "--error-on=any"]));
        let installed = peer::run(&mut client.command(&install));
        let said = String::from_utf8_lossy(&installed.stdout).into_owned();
        assert!(said.contains(" data all 1:2.0~rc1-3") || said.contains(" data 1:2.0~rc1-3"), "{said}");

        // Another package of the same size.
        let deb = fs::read_dir(folder.join("pool"))
            .map_or(flat.join("hello.deb"), |_| folder.join("pool/hello.deb"));
        let mut bytes = fs::read(&deb).unwrap();
        let last = bytes.len() - 3;
        bytes[last] ^= 1;
        fs::write(&deb, bytes).unwrap();
        client.use_source(&source);
        peer::run(&mut client.command(&["update", "--error-on=any"]));
        let refused = client.command(&install).output().unwrap();
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && said.contains("Hash Sum mismatch"), "{said}");

        // Other metadata of the same size.
        let file = metadata.join(packages);
        let mut bytes = fs::read(&file).unwrap();
        let last = bytes.len() - 3;
        bytes[last] ^= 1;
        fs::write(&file, bytes).unwrap();
        client.use_source(&source);
        let refused = client.command(&["update", "--error-on=any"]).output().unwrap();
        assert!(!refused.status.success(), "{}", String::from_utf8_lossy(&refused.stdout));
    }
}

#[test]
fn package_index_says_which_options_are_for_which_packages() {
    let scratch = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        let (code, _, err) = sealift::run(scratch.path(), &[&["package", "index", "."], arguments].concat());
        (code, err)
    };
    let deb = scratch.path().join("a.deb");
    fs::write(&deb, "no package").unwrap();
    for (arguments, code, said) in [
        (&["--groupfile", "x"][..], 3, "--groupfile is for RPMs, but the packages are DEBs"),
        (&["--compress-type", "zstd"], 3, "gz, xz or none"),
        (&["--revision", "x"], 3, "their date, in seconds"),
        (&["--suite", "../x"], 3, "the name of a suite"),
        (&[], 2, "a.deb: not a usable Debian package: ar header"),
    ] {
        let (found, err) = run(arguments);
        assert!(found == code && err.contains(said), "{arguments:?}: {found}: {err}");
    }
    fs::write(scratch.path().join("b.rpm"), "no package").unwrap();
    let (code, err) = run(&[]);
    assert!(code == 3 && err.contains("has both RPMs and DEBs") && err.contains("-x '*.deb'"), "{err}");
    fs::remove_file(deb).unwrap();
    let (code, err) = run(&["--suite", "stable"]);
    assert!(code == 3 && err.contains("--suite is for DEBs, but . has RPMs"), "{err}");
    assert!(!scratch.path().join("dists").exists());
}
