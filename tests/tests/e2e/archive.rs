//! Archives checked with coreutils, a shell, and the tools of MetalK8s' own build.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use archive::verify::{ImplantedMd5, Problem, VerifyOptions, verify};
use archive::{Product, sums};
use tests::peer;

/// Names that are hard to write into a list of checksums.
const NAMES: [&str; 7] =
    ["plain", "two words", "back\\slash", "new\nline", "return\r", "sub/ümlaut", " leading"];

fn tree(root: &Path) {
    for name in NAMES {
        let file = root.join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, name.repeat(1000)).unwrap();
    }
}

#[test]
fn sha256sum_checks_what_we_write_and_we_read_what_it_writes() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    tree(root);
    let ours = sums::write(root, &sums::digest_file).unwrap();
    let Some(sha256sum) = peer::find("sha256sum") else { return };
    peer::run(Command::new(&sha256sum).current_dir(root).args([
        "--check",
        "--strict",
        "--quiet",
        "SHA256SUMS",
    ]));

    let theirs = peer::run(Command::new(&sha256sum).current_dir(root).args(NAMES).arg("LINKS.mtree")).stdout;
    let mut theirs = sums::parse(&String::from_utf8(theirs).unwrap()).unwrap();
    theirs.sort();
    assert_eq!(theirs, ours);

    fs::write(root.join("new\nline"), "damaged").unwrap();
    let check = Command::new(&sha256sum).current_dir(root).args(["--check", "SHA256SUMS"]).output().unwrap();
    assert!(!check.status.success());
    let report = verify(root, &VerifyOptions::default(), &()).unwrap();
    assert_eq!(
        report.findings.iter().map(|finding| finding.path.as_str()).collect::<Vec<_>>(),
        ["new\nline"]
    );
}

#[test]
fn a_shell_reads_product_information_as_we_do() {
    let folder = tempfile::tempdir().unwrap();
    let values = ["plain", "two words", "\"quoted\"", "it's", "$HOME `id` \\", ">=2.0", ""];
    let product = Product {
        name: "Example".into(),
        version: "1.0.0-dev".into(),
        other: values
            .iter()
            .enumerate()
            .map(|(n, value)| (format!("KEY_{n}"), (*value).to_owned()))
            .collect(),
        ..Product::default()
    };
    let file = folder.path().join("product.txt");
    fs::write(&file, product.render()).unwrap();
    for (n, value) in values.iter().enumerate() {
        let script = format!(". {}; printf %s \"$KEY_{n}\"", file.display());
        let printed = peer::run(Command::new("sh").args(["-eu", "-c", &script])).stdout;
        assert_eq!(String::from_utf8(printed).unwrap(), *value);
    }
    let text = "NAME=Example\nVERSION=\"1.0\"\nQUOTED='a \"b\" $c'\nMIXED=a\"b c\"'d'\nESCAPED=a\\ b\n";
    fs::write(&file, text).unwrap();
    for (key, value) in Product::parse(text).unwrap().other {
        let script = format!(". {}; printf %s \"${key}\"", file.display());
        let printed = peer::run(Command::new("sh").args(["-eu", "-c", &script])).stdout;
        assert_eq!(String::from_utf8(printed).unwrap(), value, "{key}");
    }
}

/// An archive as MetalK8s' own build made it: checksums by sha256sum, the ISO by genisoimage, the MD5 by implantisomd5.
#[test]
fn an_iso_of_the_original_tools_is_verified() {
    let (Some(genisoimage), Some(implant)) = (peer::find("genisoimage"), peer::find("implantisomd5")) else {
        return;
    };
    let scratch = tempfile::tempdir().unwrap();
    let root = scratch.path().join("root");
    fs::create_dir_all(root.join("images")).unwrap();
    fs::create_dir_all(root.join("salt")).unwrap();
    fs::write(root.join("product.txt"), "NAME=MetalK8s\nVERSION=2.10.0\nBUILD_HOST=somewhere\n").unwrap();
    fs::write(root.join("images/pause-3.9.tar"), "x".repeat(3_000_000)).unwrap();
    fs::write(root.join("salt/top.sls"), "base: {}\n").unwrap();
    let sums = "sha256sum product.txt images/pause-3.9.tar salt/top.sls > SHA256SUMS";
    peer::run(Command::new("sh").current_dir(&root).args(["-c", sums]));
    let image = scratch.path().join("metalk8s.iso");
    let make = || {
        let options =
            ["-quiet", "-R", "-J", "-joliet-long", "-l", "-iso-level", "3", "-uid", "0", "-gid", "0"];
        let mut command = Command::new(&genisoimage);
        peer::run(command.args(options).args(["-V", "MetalK8s 2.10.0", "-o"]).arg(&image).arg(&root));
        peer::run(Command::new(&implant).stdin(Stdio::null()).arg(&image));
    };
    make();
    let report = verify(&image, &VerifyOptions::default(), &()).unwrap();
    assert!(report.ok() && report.sha256sums, "{report:?}");
    assert!(matches!(report.implanted_md5, ImplantedMd5::Passed { .. }));
    let found = archive::inspect(&image).unwrap();
    assert_eq!(found.volume_id.as_deref(), Some("MetalK8s 2.10.0"));
    assert_eq!(found.product.map(|product| product.id().to_string()).as_deref(), Some("metalk8s-2.10.0"));

    // An archive without checksums is verified by its implanted MD5.
    fs::rename(root.join("SHA256SUMS"), scratch.path().join("SHA256SUMS")).unwrap();
    make();
    let report = verify(&image, &VerifyOptions::default(), &()).unwrap();
    assert!(report.ok() && !report.sha256sums, "{report:?}");

    // Missing, extra and different, all at once.
    fs::rename(scratch.path().join("SHA256SUMS"), root.join("SHA256SUMS")).unwrap();
    fs::rename(root.join("salt/top.sls"), root.join("salt/bottom.sls")).unwrap();
    fs::write(root.join("product.txt"), "NAME=MetalK8s\nVERSION=2.10.1\n").unwrap();
    make();
    let report = verify(&image, &VerifyOptions::default(), &()).unwrap();
    let found: Vec<_> = report.findings.iter().map(|f| (f.path.as_str(), f.problem.to_string())).collect();
    let [("product.txt", differs), ("salt/bottom.sls", extra), ("salt/top.sls", missing)] = &found[..] else {
        panic!("{found:?}")
    };
    assert!(
        differs.starts_with("damaged: expected SHA-256")
            && extra == "not listed in SHA256SUMS"
            && missing == "missing"
    );

    // A byte is changed after the MD5 was implanted; then the end is cut off.
    let whole = fs::read(&image).unwrap();
    let at = whole.windows(20).position(|window| window == [b'x'; 20]).unwrap();
    let mut flipped = whole.clone();
    flipped[at + 1_000_000] = b'y';
    fs::write(&image, &flipped).unwrap();
    let report = verify(&image, &VerifyOptions::default(), &()).unwrap();
    assert!(
        report
            .findings
            .iter()
            .any(|f| f.path == "images/pause-3.9.tar" && matches!(f.problem, Problem::Differs { .. }))
    );
    // Where the damage begins is an estimate: three digits of a sum are equal by chance once in 4,096 times.
    let ImplantedMd5::Failed { to, .. } = report.implanted_md5 else { panic!("{report:?}") };
    assert!(to > (at + 1_000_000) as u64, "{to}");
    fs::write(&image, &whole[..at + 1_000_000]).unwrap();
    let report = verify(&image, &VerifyOptions::default(), &()).unwrap();
    assert!(
        report
            .findings
            .iter()
            .any(|f| f.path == "images/pause-3.9.tar" && matches!(f.problem, Problem::Truncated { .. }))
    );
}
