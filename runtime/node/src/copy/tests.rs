//! Copies over a pair of sockets: complete, interrupted, and with a malicious other end.

use std::fs;
use std::io::{self, BufReader, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use content::Digest;

use super::protocol::RecipeResponse;
use super::*;

/// A policy that requires no signature.
const ANY: Policy = &|_, _, _| Ok(false);

type Policy = &'static (dyn Fn(&Path, Digest, &Path) -> Result<bool, String> + Sync);

/// An ISO `Example <version>` of these files, with `SHA256SUMS`.
fn iso(folder: &Path, version: &str, files: &[(&str, &[u8])]) -> PathBuf {
    let tree = folder.join(format!("tree-{version}"));
    fs::create_dir_all(&tree).unwrap();
    fs::write(tree.join("product.txt"), format!("NAME=Example\nVERSION={version}\n")).unwrap();
    for (path, content) in files {
        fs::create_dir_all(tree.join(path).parent().unwrap()).unwrap();
        fs::write(tree.join(path), content).unwrap();
    }
    archive::sums::write(&tree, &archive::sums::digest_file).unwrap();
    let path = folder.join(format!("example-{version}.iso"));
    let options = iso::IsoOptions { volume_id: format!("Example {version}"), ..iso::IsoOptions::default() };
    iso::PlannedIso::from_dir(&tree, &options).unwrap().write_file(&path, &()).unwrap();
    path
}

/// Pseudorandom bytes; different seeds give different bytes.
fn noise(seed: u64, bytes: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    })
    .take(bytes)
    .collect()
}

/// The results of both ends of a copy into `into`, on a node with these archives. The connection carries `limit` bytes of
/// the sender.
fn copy(
    archive: &Path,
    into: &Path,
    archives: &[PathBuf],
    limit: u64,
) -> (Result<SentArchive, Error>, Result<PathBuf, Error>) {
    copy_by(ANY, archive, into, archives, limit)
}

/// As [`copy`], to a node whose policy is `check`.
fn copy_by(
    check: Policy,
    archive: &Path,
    into: &Path,
    archives: &[PathBuf],
    limit: u64,
) -> (Result<SentArchive, Error>, Result<PathBuf, Error>) {
    let recipe = Recipe::of(archive, &()).unwrap();
    let (ours, theirs) = UnixStream::pair().unwrap();
    let (into, archives) = (into.to_path_buf(), archives.to_vec());
    let node = std::thread::spawn(move || {
        let received = receive(BufReader::new(&theirs), &theirs, &into, &archives, check, &|_| Ok(()));
        // As at the end of the process.
        let _ = theirs.shutdown(Shutdown::Both);
        received
    });
    let line = serde_json::to_vec(&recipe).unwrap().len() as u64 + 1;
    let cut = Cut { stream: &ours, left: line.saturating_add(limit) };
    let sent = send(&recipe, archive, BufReader::new(&ours), cut, &());
    let _ = ours.shutdown(Shutdown::Both);
    (sent, node.join().unwrap())
}

/// A connection that breaks after so many bytes.
struct Cut<'a> {
    stream: &'a UnixStream,
    left: u64,
}

impl Write for Cut<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let wanted = bytes.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        if wanted == 0 {
            self.stream.shutdown(Shutdown::Write)?;
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.left -= wanted as u64;
        self.stream.write_all(&bytes[..wanted]).map(|()| wanted)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn an_archive_arrives_whole_and_is_not_sent_twice() {
    let folder = tempfile::tempdir().unwrap();
    let archive = iso(folder.path(), "1.0", &[("images/a", &noise(1, 300_000)), ("small", b"small")]);
    let into = folder.path().join("into");
    fs::create_dir(&into).unwrap();
    let (sent, received) = copy(&archive, &into, &[], u64::MAX);
    let sent = sent.unwrap();
    assert_eq!((sent.present, sent.bytes), (false, fs::metadata(&archive).unwrap().len()));
    assert_eq!(fs::read(received.unwrap()).unwrap(), fs::read(&archive).unwrap());
    let (sent, _) = copy(&archive, &into, &[], u64::MAX);
    assert!(matches!(sent, Ok(SentArchive { present: true, bytes: 0, .. })), "{sent:?}");
    assert_eq!(fs::read_dir(&into).unwrap().count(), 1, "nothing else is left");
}

#[test]
fn the_bundle_of_a_signed_archive_travels_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let archive = iso(folder.path(), "1.0", &[("small", b"small")]);
    let into = folder.path().join("into");
    fs::create_dir(&into).unwrap();
    let bundle = into.join("example-1.0.iso.sigstore.json");
    // Also that of an archive that is there already.
    for content in [None, Some("{}")] {
        if let Some(content) = content {
            fs::write(archive::attestation::bundle_path(&archive), content).unwrap();
        }
        copy(&archive, &into, &[], u64::MAX).1.unwrap();
        assert_eq!(fs::read_to_string(&bundle).ok().as_deref(), content);
    }
    assert_eq!(fs::read_dir(&into).unwrap().count(), 2, "nothing else is left");
}

#[test]
fn a_bundle_takes_the_place_of_another_one_only_if_the_policy_requires_and_accepts_it() {
    let folder = tempfile::tempdir().unwrap();
    let archive = iso(folder.path(), "1.0", &[("small", b"small")]);
    let into = folder.path().join("into");
    fs::create_dir(&into).unwrap();
    let (sent, bundle) =
        (archive::attestation::bundle_path(&archive), into.join("example-1.0.iso.sigstore.json"));
    let by_content: Policy = &|_, _, file| match fs::read_to_string(file).unwrap().as_str() {
        "bad" => Err("the policy refuses it".into()),
        _ => Ok(true),
    };
    for (policy, content, kept, reason) in [
        (by_content, "bad", None, "the policy refuses it"),
        (ANY, "good", Some("good"), ""),
        (ANY, "good", Some("good"), ""),
        (ANY, "other", Some("good"), "example-1.0.iso.sigstore.json already exists with different content"),
        (by_content, "bad", Some("good"), "the policy refuses it"),
        (by_content, "signed again", Some("signed again"), ""),
    ] {
        fs::write(&sent, content).unwrap();
        let (sent, received) = copy_by(policy, &archive, &into, &[], u64::MAX);
        assert_eq!((sent.is_ok(), received.is_ok()), (reason.is_empty(), reason.is_empty()), "{content}");
        let problem = received.err().map(|error| error.to_string()).unwrap_or_default();
        assert!(problem.ends_with(reason), "{problem}");
        assert_eq!(fs::read_to_string(&bundle).ok().as_deref(), kept, "{content}");
        assert_eq!(fs::read_dir(&into).unwrap().count(), 1 + usize::from(kept.is_some()), "{content}");
    }
}

#[test]
fn only_new_content_of_the_next_version_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let (kept, new) = (noise(1, 900_000), noise(2, 200_000));
    let old = iso(folder.path(), "1.0", &[("images/kept", &kept), ("images/gone", &noise(3, 100_000))]);
    let next = iso(folder.path(), "1.1", &[("images/moved/kept", &kept), ("images/new", &new)]);
    let into = folder.path().join("into");
    fs::create_dir(&into).unwrap();
    let (sent, received) = copy(&next, &into, &[old, "/nowhere".into()], u64::MAX);
    let overhead = fs::metadata(&next).unwrap().len() - kept.len() as u64;
    assert!(sent.unwrap().bytes <= overhead, "what the old version has does not travel");
    assert_eq!(fs::read(received.unwrap()).unwrap(), fs::read(&next).unwrap());
}

#[test]
fn an_interrupted_copy_resumes() {
    let folder = tempfile::tempdir().unwrap();
    let files: Vec<(String, Vec<u8>)> =
        (0..8).map(|number| (format!("images/{number}"), noise(number, 150_000))).collect();
    let files: Vec<(&str, &[u8])> = files.iter().map(|(path, content)| (&**path, &**content)).collect();
    let archive = iso(folder.path(), "1.0", &files);
    let into = folder.path().join("into");
    fs::create_dir(&into).unwrap();
    let mut travelled = Vec::new();
    for limit in [0, 1, 400_000, 800_000] {
        let (sent, received) = copy(&archive, &into, &[], limit);
        assert!(sent.is_err() && received.is_err(), "{sent:?} {received:?}");
        assert!(!into.join("example-1.0.iso").exists(), "after {limit} bytes");
        travelled.push(limit);
    }
    let (sent, received) = copy(&archive, &into, &[], u64::MAX);
    let whole = fs::metadata(&archive).unwrap().len();
    let sent = sent.unwrap().bytes;
    assert!(sent < whole - 600_000, "{sent} of {whole} bytes after {travelled:?}");
    assert_eq!(fs::read(received.unwrap()).unwrap(), fs::read(&archive).unwrap());
}

#[test]
fn a_damaged_archive_of_the_receiver_is_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let content = noise(1, 100_000);
    let archive = iso(folder.path(), "1.0", &[("images/a", &content)]);
    let recipe = Recipe::of(&archive, &()).unwrap();
    let mut bytes = fs::read(&archive).unwrap();
    bytes[usize::try_from(recipe.parts[0].ranges[0].offset).unwrap() + 7] ^= 1;
    fs::write(&archive, bytes).unwrap();
    let into = folder.path().join("into");
    fs::create_dir(&into).unwrap();
    let (ours, theirs) = UnixStream::pair().unwrap();
    let there = into.clone();
    let node =
        std::thread::spawn(move || receive(BufReader::new(&theirs), &theirs, &there, &[], ANY, &|_| Ok(())));
    let error = send(&recipe, &archive, BufReader::new(&ours), &ours, &()).unwrap_err();
    assert!(error.to_string().contains("images/a does not have the SHA-256"), "{error}");
    assert!(matches!(node.join().unwrap(), Err(Error::Damaged(_))));
    assert!(!into.join("example-1.0.iso").exists());
}

#[test]
fn another_content_of_the_same_name_stays() {
    let folder = tempfile::tempdir().unwrap();
    let archive = iso(folder.path(), "1.0", &[]);
    let into = folder.path().join("into");
    fs::create_dir(&into).unwrap();
    fs::write(into.join("example-1.0.iso"), "something else").unwrap();
    let (sent, received) = copy(&archive, &into, &[], u64::MAX);
    assert!(matches!(&sent, Err(Error::Other(text)) if text.contains("different content")), "{sent:?}");
    assert!(matches!(received, Err(Error::Taken(_))));
    assert_eq!(fs::read(into.join("example-1.0.iso")).unwrap(), b"something else");
}

#[test]
fn both_ends_report_an_archive_that_cannot_be_published() {
    let folder = tempfile::tempdir().unwrap();
    let archive = iso(folder.path(), "1.0", &[]);
    let recipe = Recipe::of(&archive, &()).unwrap();
    let into = folder.path().join("into");
    fs::create_dir(&into).unwrap();
    for _ in 0..2 {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let there = into.clone();
        let refuse = |_: &Path| Err("the configuration is locked".to_owned());
        let node =
            std::thread::spawn(move || receive(BufReader::new(&theirs), &theirs, &there, &[], ANY, &refuse));
        let error = send(&recipe, &archive, BufReader::new(&ours), &ours, &()).unwrap_err();
        assert!(error.to_string().contains("the configuration is locked"), "{error}");
        assert!(matches!(node.join().unwrap(), Err(Error::Publish { .. })));
    }
}

#[test]
fn a_recipe_that_asks_for_what_no_archive_needs_is_refused() {
    let range = |offset, bytes| ByteRange { offset, bytes };
    let part = |ranges: &[ByteRange]| RecipePart {
        path: "a".into(),
        digest: Digest::from_bytes([0; 32]),
        ranges: ranges.to_vec(),
    };
    let good = Recipe {
        name: "a.iso".into(),
        bytes: 100,
        digest: Digest::from_bytes([0; 32]),
        parts: vec![part(&[range(0, 100)])],
        bundle: None,
    };
    let bad = [
        Recipe { name: "../a.iso".into(), ..good.clone() },
        Recipe { bundle: Some("x".repeat(2 << 20)), ..good.clone() },
        Recipe { name: "a/b.iso".into(), ..good.clone() },
        Recipe { name: ".a.iso".into(), ..good.clone() },
        Recipe { name: "-a.iso".into(), ..good.clone() },
        Recipe { name: "a\n.iso".into(), ..good.clone() },
        Recipe { name: String::new(), ..good.clone() },
        Recipe { bytes: u64::MAX, ..good.clone() },
        Recipe { parts: vec![part(&[range(0, 101)])], ..good.clone() },
        Recipe { parts: vec![part(&[range(u64::MAX, 2)])], ..good.clone() },
        Recipe { parts: vec![part(&[range(0, 50), range(49, 1)])], ..good.clone() },
        Recipe { parts: vec![part(&[range(0, 50)]), part(&[range(0, 50)])], ..good.clone() },
    ];
    let folder = tempfile::tempdir().unwrap();
    let mut bad: Vec<String> = bad.iter().map(|recipe| serde_json::to_string(recipe).unwrap()).collect();
    let good = serde_json::to_string(&good).unwrap();
    bad.push(good.replacen(&"0".repeat(64), &"0".repeat(63), 1));
    for recipe in bad {
        let mut response = Vec::new();
        let line = format!("{recipe}\n");
        let error =
            receive(line.as_bytes(), &mut response, folder.path(), &[], ANY, &|_| Ok(())).unwrap_err();
        assert!(matches!(error, Error::Protocol(_)), "{recipe}: {error}");
        assert!(matches!(serde_json::from_slice(&response), Ok(RecipeResponse::Error(_))), "{recipe}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "{recipe}");
    }
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(200))]

    #[test]
    fn anything_that_is_said_is_answered(line in "\\PC{0,80}\n?") {
        let folder = tempfile::tempdir().unwrap();
        let mut said = Vec::new();
        proptest::prop_assert!(receive(line.as_bytes(), &mut said, folder.path(), &[], ANY, &|_| Ok(())).is_err());
        proptest::prop_assert!(serde_json::from_slice::<RecipeResponse>(&said).is_ok());
    }
}

#[test]
fn a_file_that_came_meanwhile_is_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let archive = iso(folder.path(), "1.0", &[("data", &noise(1, 100_000))]);
    let there = folder.path().join("there");
    fs::create_dir(&there).unwrap();
    let target = there.join("example-1.0.iso");
    let recipe = Recipe::of(&archive, &()).unwrap();
    let line = [serde_json::to_vec(&recipe).unwrap(), b"\n".to_vec(), fs::read(&archive).unwrap()].concat();
    // When the receiver requests bytes, it has already checked that the name is free.
    let said = Meanwhile { target: target.clone(), said: Vec::new() };
    let error = receive(&*line, said, &there, &[], ANY, &|_| Ok(())).unwrap_err();
    assert!(matches!(&error, Error::Taken(path) if *path == target), "{error}");
    assert_eq!(fs::read(&target).unwrap(), b"somebody else's");
}

/// The output of the receiver; a file is created when it writes.
struct Meanwhile {
    target: PathBuf,
    said: Vec<u8>,
}

impl Write for Meanwhile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        fs::write(&self.target, "somebody else's")?;
        self.said.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Creates something at a path.
type Plant<'a> = &'a dyn Fn(&Path);

#[test]
fn a_planted_partial_file_is_neither_followed_nor_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let archive = iso(folder.path(), "1.0", &[("images/a", &noise(1, 100_000))]);
    let victim = folder.path().join("victim");
    let pipe = |path: &Path| {
        rustix::fs::mkfifoat(rustix::fs::CWD, path, rustix::fs::Mode::from_raw_mode(0o666)).unwrap();
    };
    let link = |path: &Path| std::os::unix::fs::symlink(&victim, path).unwrap();
    let hard = |path: &Path| fs::hard_link(&victim, path).unwrap();
    let foreign = |path: &Path| {
        fs::write(path, "").unwrap();
        std::os::unix::fs::chown(path, Some(4242), None).unwrap();
    };
    let mut cases: Vec<(&str, Plant<'_>, &str)> = vec![
        ("a link", &link, "a symbolic link"),
        ("a pipe", &pipe, "a named pipe"),
        ("a second name of a file", &hard, "it has other names"),
    ];
    if rustix::process::geteuid().is_root() {
        cases.push(("a file of another user", &foreign, "another user owns it"));
    } else {
        eprintln!("skipped: giving a file to another user needs root");
    }
    for (what, plant, expected) in cases {
        fs::write(&victim, "precious").unwrap();
        let into = tempfile::tempdir().unwrap();
        plant(&into.path().join(".example-1.0.iso.partial"));
        let (sent, received) = copy(&archive, into.path(), &[], u64::MAX);
        let said = sent.unwrap_err().to_string();
        assert!(said.contains(expected), "{what}: {said}");
        assert!(received.is_err());
        assert_eq!(fs::read_to_string(&victim).unwrap(), "precious", "{what}");
        assert!(!into.path().join("example-1.0.iso").exists(), "{what}");
    }
    // At the final path of the archive.
    for plant in [&link as Plant<'_>, &pipe] {
        let into = tempfile::tempdir().unwrap();
        plant(&into.path().join("example-1.0.iso"));
        let (_, received) = copy(&archive, into.path(), &[], u64::MAX);
        assert!(matches!(received, Err(Error::Taken(_))), "{received:?}");
        assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
    }
}
