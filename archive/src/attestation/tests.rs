//! Rows 44, 48 and 50 to 59 of the attack table: a statement that counts, and an archive that is not the signed one.

use std::os::unix::fs::symlink;

use trust::{ArchiveStatement, Bundle, Covers, Policy, PublicKey, Signer};

use super::*;
use crate::fixture::sample;
use crate::tree::Tree;
use crate::verify::{Verification, VerifyOptions};
use crate::{layout, sums};

const SECRET: &[u8] = include_bytes!("../../../trust/src/tests/data/ed.pk8.pem");
const PUBLIC: &[u8] = include_bytes!("../../../trust/src/tests/data/ed.pub");

fn policy(covers: Covers) -> Policy {
    Policy::of_signers(vec![PublicKey::read(PUBLIC).unwrap()].into(), covers)
}

fn write_iso(root: &Path, file: &Path) {
    let options = iso::IsoOptions { volume_id: "S".into(), ..iso::IsoOptions::default() };
    iso::PlannedIso::from_dir(root, &options).unwrap().write_file(file, &()).unwrap();
}

fn sign_statement(statement: &ArchiveStatement, to: &Path) {
    let signer = Signer::with_key(SECRET).unwrap();
    let bundle = Bundle::sign(&statement.render().unwrap(), &signer, &|| false).unwrap();
    std::fs::write(to, bundle).unwrap();
}

const WHOLE: VerifyOptions = VerifyOptions { threads: 1, implanted_md5: true, iso_digest: true };

fn try_to_describe(archive: &Path) -> Result<ArchiveDescription, AttestationError> {
    Ok(describe(Verification::open(archive, &WHOLE)?, &())?.0)
}

fn described(archive: &Path) -> ArchiveDescription {
    try_to_describe(archive).unwrap()
}

fn sign(archive: &Path) -> ArchiveDescription {
    let described = described(archive);
    sign_statement(&described.statement, &bundle_path(archive));
    described
}

/// A folder with the sample archive `tree`, its ISO `sample.iso`, and the bundle of each.
fn signed() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("tree");
    let sample = sample();
    std::fs::rename(sample.path(), &root).unwrap();
    write_iso(&root, &folder.path().join("sample.iso"));
    sign(&folder.path().join("sample.iso"));
    sign(&root);
    folder
}

/// What a verification with a signature comes to, without the folder of the archive.
fn outcome(archive: &Path, covers: Covers) -> String {
    let tree = Tree::open(archive).unwrap();
    let checked = SignedStatement::check(&tree, None, &policy(covers))
        .and_then(|signed| Ok((signed.covered(&tree)?, signed)));
    let report = Verification::of(tree, &WHOLE).unwrap().run(&());
    let checked = checked.and_then(|(proof, signed)| signed.prove(proof, &report).map(|()| proof));
    let first = report.findings.first().map(|finding| format!(" {finding}")).unwrap_or_default();
    let text = match checked {
        Ok(proof) if proof.holds(&report) => format!("{proof:?}"),
        Ok(proof) => format!("not {proof:?}:{first}"),
        Err(error) => error.to_string(),
    };
    text.replace(&format!("{}/", archive.parent().unwrap().display()), "")
}

const LAYOUT: &str = "sample.iso: the ISO is not the signed one, but its SHA256SUMS is: its layout, a file or bytes outside \
                      files were changed";

#[test]
fn what_is_signed_is_proven() {
    let folder = signed();
    let (iso, tree) = (folder.path().join("sample.iso"), folder.path().join("tree"));
    assert_eq!(outcome(&iso, Covers::Iso), "Iso");
    assert_eq!(outcome(&iso, Covers::Contents), "Contents");
    assert_eq!(outcome(&tree, Covers::Iso), "Contents");
    assert_eq!(outcome(&tree, Covers::Contents), "Contents");
    let described = described(&iso);
    let names: Vec<_> = described.statement.subjects.iter().map(|subject| subject.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "sample.iso",
            "SHA256SUMS",
            "images/library/app/1.0/manifest.json",
            "packages/redhat/8/sample-scality-el8/repodata/repomd.xml",
        ]
    );
    let digest = content::hash_file(&iso, content::LinkPolicy::Refuse).unwrap().0;
    assert_eq!(described.statement.digest_of("sample.iso"), Some(digest));
    assert_eq!((described.statement.iso.as_deref(), described.omitted), (Some("sample.iso"), 0));
    // The name of the file does not count.
    std::fs::rename(&iso, folder.path().join("renamed.iso")).unwrap();
    std::fs::rename(bundle_path(&iso), folder.path().join("renamed.iso.sigstore.json")).unwrap();
    assert_eq!(outcome(&folder.path().join("renamed.iso"), Covers::Iso), "Iso");
}

#[test]
fn an_iso_that_was_just_built_is_described_without_its_content() {
    let folder = signed();
    let iso = folder.path().join("sample.iso");
    let ArchiveDescription { statement, omitted, .. } = described(&iso);
    let digest = statement.digest_of("sample.iso").unwrap();
    // A change of what must not be read.
    let mut bytes = std::fs::read(&iso).unwrap();
    let at = bytes.windows(9).position(|part| part == b"<repomd/>").unwrap();
    bytes[at] ^= 1;
    std::fs::write(&iso, bytes).unwrap();
    let built = describe_built(&Tree::open(&iso).unwrap(), digest).unwrap();
    assert_eq!((built.statement, built.omitted), (statement, omitted));
}

/// The implanted MD5 of an ISO leaves out some ranges, so only the digest of the ISO proves one without checksums.
#[test]
fn an_iso_without_checksums_is_proven_as_a_whole_only() {
    let folder = signed();
    let (iso, root) = (folder.path().join("sample.iso"), folder.path().join("tree"));
    std::fs::remove_file(root.join(layout::SUMS)).unwrap();
    write_iso(&root, &iso);
    sign(&iso);
    assert_eq!(outcome(&iso, Covers::Iso), "Iso");
    let no_sums = "sample.iso: the statement has no digest of SHA256SUMS";
    assert_eq!(outcome(&iso, Covers::Contents), no_sums);
    let unpacked = folder.path().join("unpacked");
    std::fs::rename(&root, &unpacked).unwrap();
    let check = |archive: &Path, covers| {
        let tree = Tree::open(archive).unwrap();
        (SignedStatement::check(&tree, Some(&bundle_path(&iso)), &policy(covers)).unwrap(), tree)
    };
    for covers in [Covers::Iso, Covers::Contents] {
        let (signed, tree) = check(&iso, covers);
        let file = signed.verify_files(&tree, &["product.txt".into(), layout::SUMS.into()]);
        assert!(file.iter().all(|one| one.as_ref().unwrap_err().to_string().ends_with(no_sums)), "{file:?}");
        assert!(signed.covered_files(&tree).unwrap_err().to_string().ends_with(no_sums));
        // Its files, in a folder or mounted.
        let (signed, tree) = check(&unpacked, covers);
        let error = signed.covered(&tree).unwrap_err().to_string();
        assert!(error.ends_with("unpacked: the statement has no digest of SHA256SUMS"), "{error}");
    }
    // Checksums that came later, which nobody signed.
    sums::write(&unpacked, &sums::digest_file).unwrap();
    let (signed, tree) = check(&unpacked, Covers::Contents);
    assert!(
        signed.covered(&tree).is_err() && signed.verify_files(&tree, &["product.txt".into()])[0].is_err()
    );
}

#[test]
fn a_statement_has_room_for_1024_subjects_and_the_checksums_cover_the_others() {
    let sample = sample();
    for number in 0..1100 {
        crate::fixture::put(
            sample.path(),
            &format!("packages/redhat/8/r{number}/repodata/repomd.xml"),
            b"<repomd/>",
        );
    }
    sums::write(sample.path(), &sums::digest_file).unwrap();
    let described = described(sample.path());
    assert_eq!((described.statement.subjects.len(), described.omitted), (1024, 79));
    assert!(described.statement.render().is_ok());
}

#[test]
fn long_names_do_not_make_a_bundle_that_is_too_large() {
    let sample = sample();
    for number in 0..250 {
        let deep = "a-name-as-long-as-they-come/".repeat(50);
        let path = format!("packages/redhat/8/{deep}{number}/repodata/repomd.xml");
        crate::fixture::put(sample.path(), &path, b"<repomd/>");
    }
    sums::write(sample.path(), &sums::digest_file).unwrap();
    let described = sign(sample.path());
    assert!(described.omitted > 50, "{}", described.omitted);
    assert_eq!(outcome(sample.path(), Covers::Contents), "Contents");
    std::fs::remove_file(bundle_path(sample.path())).unwrap();
}

#[test]
fn an_iso_that_was_changed_is_not_the_signed_one() {
    let change = |bytes: &mut Vec<u8>, at: usize| bytes[at] ^= 1;
    let find = |bytes: &[u8], text: &[u8]| bytes.windows(text.len()).position(|part| part == text).unwrap();
    type Attack<'a> = (&'a str, &'a dyn Fn(&mut Vec<u8>), &'a str);
    let attacks: [Attack<'_>; 5] = [
        ("50: the system area", &|bytes| change(bytes, 100), LAYOUT),
        (
            "50: a gap behind a file",
            &|bytes| {
                let at = find(bytes, b"NAME=Sample\n") + 1000;
                change(bytes, at);
            },
            LAYOUT,
        ),
        (
            "51: a file",
            &|bytes| {
                let at = find(bytes, b"NAME=Sample\n") + 22;
                change(bytes, at);
            },
            "the statement is about the archive Sample 1.0, this is Sample 1.1",
        ),
        ("56: an appended session", &|bytes| bytes.extend([0; 4096]), LAYOUT),
        ("56: a truncated ISO", &|bytes| bytes.truncate(bytes.len() - 4096), LAYOUT),
    ];
    for (row, attack, reason) in attacks {
        let folder = signed();
        let iso = folder.path().join("sample.iso");
        let mut bytes = std::fs::read(&iso).unwrap();
        attack(&mut bytes);
        std::fs::write(&iso, bytes).unwrap();
        let found = outcome(&iso, Covers::Iso);
        assert!(found.contains(reason), "{row}: {found}");
    }
    // With the checksums alone, damage outside files is found by the implanted MD5, and a forged MD5 shows what `contents` means.
    let folder = signed();
    let iso = folder.path().join("sample.iso");
    let mut bytes = std::fs::read(&iso).unwrap();
    change(&mut bytes, 100);
    std::fs::write(&iso, bytes).unwrap();
    assert!(
        outcome(&iso, Covers::Contents).starts_with("not Contents: "),
        "{}",
        outcome(&iso, Covers::Contents)
    );
    iso::md5::implant(&iso, true, &()).unwrap();
    assert_eq!(outcome(&iso, Covers::Contents), "Contents");
    assert_eq!(outcome(&iso, Covers::Iso), LAYOUT);
}

#[test]
fn links_that_no_signed_list_has_are_refused() {
    let folder = signed();
    let root = folder.path().join("tree");
    std::fs::remove_file(root.join(layout::LINKS)).unwrap();
    let lines = std::fs::read_to_string(root.join(layout::SUMS)).unwrap();
    let kept: String =
        lines.lines().filter(|line| !line.ends_with(layout::LINKS)).map(|line| format!("{line}\n")).collect();
    std::fs::write(root.join(layout::SUMS), kept).unwrap();
    sign(&root);
    assert_eq!(outcome(&root, Covers::Contents), "Contents");
    symlink("top.sls", root.join("salt/other.sls")).unwrap();
    assert_eq!(
        outcome(&root, Covers::Contents),
        "tree: SHA256SUMS is signed, but no list contains the symbolic links (1): LINKS.mtree is missing"
    );
}

/// Row 59.
#[test]
fn another_layout_with_equal_files_counts_only_if_the_policy_says_so() {
    let folder = signed();
    let iso = folder.path().join("sample.iso");
    let options = iso::IsoOptions { volume_id: "OTHER".into(), ..iso::IsoOptions::default() };
    iso::PlannedIso::from_dir(&folder.path().join("tree"), &options).unwrap().write_file(&iso, &()).unwrap();
    assert_eq!(outcome(&iso, Covers::Iso), LAYOUT);
    assert_eq!(outcome(&iso, Covers::Contents), "Contents");
}

#[test]
fn a_folder_that_was_changed_is_not_the_signed_one() {
    type Attack<'a> = (&'a str, &'a dyn Fn(&Path), &'a str);
    let append = |file: &Path, text: &str| {
        let before = std::fs::read_to_string(file).unwrap();
        std::fs::write(file, format!("{before}{text}")).unwrap();
    };
    let sums_differ = "tree: SHA256SUMS is not the signed one: its SHA-256 is ";
    let line = format!("{}  ./product.txt\n", "0".repeat(64));
    let attacks: [Attack<'_>; 9] = [
        (
            "51: a file was changed",
            &|root| append(&root.join("salt/top.sls"), "x"),
            "not Contents: salt/top.sls: damaged: ",
        ),
        (
            "52: a file was added",
            &|root| std::fs::write(root.join("extra"), "").unwrap(),
            "not Contents: extra: ",
        ),
        (
            "52: a file was added, with checksums",
            &|root| {
                std::fs::write(root.join("extra"), "").unwrap();
                sums::write(root, &sums::digest_file).unwrap();
            },
            sums_differ,
        ),
        ("53: a file is listed twice", &|root| append(&root.join(layout::SUMS), &line), sums_differ),
        ("54: another end of a line", &|root| append(&root.join(layout::SUMS), "\r\n"), sums_differ),
        (
            "55: a link in the place of a file",
            &|root| {
                std::fs::rename(root.join("salt/top.sls"), root.join("salt/moved")).unwrap();
                symlink("moved", root.join("salt/top.sls")).unwrap();
            },
            "not Contents: ",
        ),
        (
            "44: the checksums of another archive",
            &|root| {
                std::fs::write(root.join("other"), "").unwrap();
                sums::write(root, &sums::digest_file).unwrap();
                std::fs::remove_file(root.join("other")).unwrap();
            },
            sums_differ,
        ),
        (
            "the checksums were removed",
            &|root| std::fs::remove_file(root.join(layout::SUMS)).unwrap(),
            "tree: SHA256SUMS is missing in the archive",
        ),
        (
            "48: another version",
            &|root| {
                std::fs::write(root.join("product.txt"), "NAME=Sample\nVERSION=2.0\n").unwrap();
                sums::write(root, &sums::digest_file).unwrap();
            },
            "tree: the statement is about the archive Sample 1.0, this is Sample 2.0",
        ),
    ];
    for (row, attack, reason) in attacks {
        let folder = signed();
        attack(&folder.path().join("tree"));
        let found = outcome(&folder.path().join("tree"), Covers::Contents);
        assert!(found.starts_with(reason), "{row}: {found}");
    }
}

/// Rows 20, 29, 44 and 48.
#[test]
fn a_bundle_that_is_not_about_the_archive_does_not_count() {
    let folder = signed();
    let tree = folder.path().join("tree");
    let good = described(&tree).statement;
    let bundle = bundle_path(&tree);
    let put = |statement: &ArchiveStatement| sign_statement(statement, &bundle);
    let renamed = |from: &str, to: &str| {
        let mut statement = good.clone();
        for subject in &mut statement.subjects {
            if subject.name == from {
                subject.name = to.into();
            }
        }
        statement
    };
    put(&ArchiveStatement { name: "other".into(), ..good.clone() });
    assert_eq!(
        outcome(&tree, Covers::Contents),
        "tree: the statement is about the archive other 1.0, this is Sample 1.0"
    );
    put(&ArchiveStatement { version: "0.9".into(), ..good.clone() });
    assert_eq!(
        outcome(&tree, Covers::Contents),
        "tree: the statement is about the archive Sample 0.9, this is Sample 1.0"
    );
    // The right digest under a wrong name.
    put(&renamed(layout::SUMS, "other/SHA256SUMS"));
    assert_eq!(outcome(&tree, Covers::Contents), "tree: the statement has no digest of SHA256SUMS");
    // An old version that was signed too.
    put(&good);
    let text = "require: signature\nkeys: [key.pub]\narchives:\n  sample: {minimumVersion: '1.1'}\n";
    let read = &mut |_: &Path, _: u64| Ok(PUBLIC.to_vec());
    let policy = Policy::parse(text.as_bytes(), Path::new("/etc/sealift/trust.yaml"), read).unwrap();
    let error = SignedStatement::check(&Tree::open(&tree).unwrap(), None, &policy).unwrap_err().to_string();
    assert!(error.ends_with("version 1.0 is older than 1.1, the oldest that the policy accepts"), "{error}");
    // What is not a file.
    let unsigned = "tree is not signed: tree.sigstore.json is missing";
    for (kind, reason) in [
        ("missing", unsigned),
        ("link", "cannot open tree.sigstore.json: it is a symbolic link, not a regular file"),
        ("folder", "cannot open tree.sigstore.json: it is a folder, not a regular file"),
        ("pipe", "cannot open tree.sigstore.json: it is a named pipe, not a regular file"),
    ] {
        let _ = std::fs::remove_file(&bundle);
        let _ = std::fs::remove_dir(&bundle);
        match kind {
            "link" => symlink("sample.iso.sigstore.json", &bundle).unwrap(),
            "folder" => std::fs::create_dir(&bundle).unwrap(),
            "pipe" => {
                let mode = rustix::fs::Mode::from_raw_mode(0o600);
                rustix::fs::mkfifoat(rustix::fs::CWD, &bundle, mode).unwrap();
            }
            _ => {}
        }
        assert_eq!(outcome(&tree, Covers::Contents), reason, "{kind}");
    }
}

#[test]
fn one_file_is_verified_without_the_others() {
    let folder = signed();
    let root = folder.path().join("tree");
    std::fs::create_dir(root.join("pillar")).unwrap();
    std::fs::write(root.join("pillar/secret.sls"), "a: b\n").unwrap();
    sums::write(&root, &sums::digest_file).unwrap();
    let iso = folder.path().join("sample.iso");
    write_iso(&root, &iso);
    sign(&iso);
    sign(&root);
    let verify = |archive: &Path, file: &str| {
        let tree = Tree::open(archive).unwrap();
        let signed = SignedStatement::check(&tree, None, &policy(Covers::Iso)).unwrap();
        match signed.verify_files(&tree, &[file.into()]).remove(0) {
            Ok(digest) => digest.short(),
            Err(error) => error.to_string().replace(&format!("{}/", folder.path().display()), ""),
        }
    };
    let digest = |text: &[u8]| content::Digest::of(text).short();
    for archive in [&iso, &root] {
        assert_eq!(verify(archive, "salt/top.sls"), digest(b"{}\n"));
        assert_eq!(verify(archive, "pillar/secret.sls"), digest(b"a: b\n"));
        assert_eq!(
            verify(archive, "images/none"),
            format!("{}: images/none: no signed list contains it", name(archive))
        );
        assert_eq!(
            verify(archive, "../x"),
            "\"../x\" is not a path inside an archive: a part of it is `.` or `..`"
        );
        for list in [layout::SUMS, layout::HIDDEN_SUMS, layout::LINKS] {
            assert_eq!(verify(archive, list).len(), 12, "{list}");
        }
    }
    // Damage to other files does not count; damage to this one, and to its list, does.
    std::fs::write(root.join("product.txt"), "NAME=Sample\nVERSION=1.0\n# changed\n").unwrap();
    assert_eq!(verify(&root, "salt/top.sls"), digest(b"{}\n"));
    assert!(verify(&root, "product.txt").starts_with("tree: product.txt: its SHA-256 is "));
    std::fs::write(root.join("pillar/secret.sls"), "a: c\n").unwrap();
    assert!(verify(&root, "pillar/secret.sls").starts_with("tree: pillar/secret.sls: its SHA-256 is "));
    let lines = std::fs::read_to_string(root.join(layout::HIDDEN_SUMS)).unwrap();
    let forged = lines.replace(&content::Digest::of(b"a: b\n").hex(), &content::Digest::of(b"a: c\n").hex());
    std::fs::write(root.join(layout::HIDDEN_SUMS), forged).unwrap();
    assert!(verify(&root, "pillar/secret.sls").starts_with("tree: pillar/SHA256SUMS: its SHA-256 is "));
    std::fs::rename(root.join("salt/top.sls"), root.join("salt/moved")).unwrap();
    assert_eq!(verify(&root, "salt/top.sls"), "tree: salt/top.sls: it is missing");
    symlink("moved", root.join("salt/top.sls")).unwrap();
    assert_eq!(verify(&root, "salt/top.sls"), "tree: salt/top.sls: it is a symbolic link, not a file");
}

/// Row 57: all is read through one open file.
#[test]
fn an_iso_that_is_replaced_meanwhile_is_not_read() {
    let folder = signed();
    let iso = folder.path().join("sample.iso");
    let tree = Tree::open(&iso).unwrap();
    let signed = SignedStatement::check(&tree, None, &policy(Covers::Iso)).unwrap();
    std::fs::rename(&iso, folder.path().join("good.iso")).unwrap();
    std::fs::write(&iso, "forged").unwrap();
    let report = Verification::of(tree, &WHOLE).unwrap().run(&());
    assert!(report.ok());
    signed.prove(Proof::Iso, &report).unwrap();
}

#[test]
fn an_archive_without_a_name_or_checksums_is_not_described() {
    let folder = tempfile::tempdir().unwrap();
    let described = || try_to_describe(folder.path()).unwrap_err().to_string();
    assert!(
        described().ends_with(" has no name: it contains neither product.txt nor manifest.yaml"),
        "{}",
        described()
    );
    std::fs::write(folder.path().join("product.txt"), "NAME=Sample\nVERSION=1.0\n").unwrap();
    assert!(described().ends_with(": SHA256SUMS is missing in the archive"), "{}", described());
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}
