//! Archives in registries: docker-registry, read by ORAS for Python and skopeo; and servers that lie.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use content::Digest;
use serde_json::{Value, json};
use tests::daemon::free_port;
use tests::file_server::{FileServer, Reply};
use tests::{peer, registry, sealift};

/// Pulls `$1` into the folder `$2`.
const PULL: &str = "import sys, oras.client
oras.client.OrasClient(insecure=True).pull(target=sys.argv[1], outdir=sys.argv[2])";

/// The Python of the peers, if it has ORAS.
fn python() -> Option<PathBuf> {
    let python = peer::find("check-jsonschema")?.with_file_name("python3");
    let imported = Command::new(&python).args(["-c", "import oras.client"]).output();
    let has_it = imported.is_ok_and(|output| output.status.success());
    if !has_it {
        peer::skip("ORAS for Python is not installed; `cargo xtask test` installs it");
    }
    has_it.then_some(python)
}

/// Writes a provenance into the tree of an archive.
pub(crate) fn write_provenance(tree: &Path) {
    fs::create_dir(tree.join("attestations")).unwrap();
    let provenance = trust::Provenance::new(
        trust::BuildParameters::default(),
        trust::InternalParameters::default(),
        Vec::new(),
        "0.2.0",
    );
    fs::write(tree.join(archive::layout::PROVENANCE), provenance.render().unwrap()).unwrap();
}

/// Writes the ISO `NAME` of an archive with `content` in a file.
fn archive(folder: &Path, name: &str, content: &[u8]) {
    let tree = folder.join("tree");
    fs::create_dir_all(&tree).unwrap();
    let product = "NAME=Site\nVERSION=1.0+b1\nGIT=abc\nBUILD_TIMESTAMP=2026-11-20T10:00:00Z\n";
    fs::write(tree.join("product.txt"), product).unwrap();
    fs::write(tree.join("content"), content).unwrap();
    write_provenance(&tree);
    fs::write(tree.join(archive::layout::ARCHIVE_SBOM), "{}").unwrap();
    archive::sums::write(&tree, &archive::sums::digest_file).unwrap();
    let options = iso::IsoOptions { volume_id: "Site".into(), ..iso::IsoOptions::default() };
    let file = folder.join(name);
    iso::PlannedIso::from_dir(&tree, &options).unwrap().write_file(&file, &()).unwrap();
    fs::remove_dir_all(tree).unwrap();
}

/// Runs a command that must exit with `code`; what it prints.
fn run(folder: &Path, code: i32, words: &[&str]) -> (String, String) {
    let (found, out, err) = sealift::run(folder, words);
    assert_eq!(found, code, "{words:?}\n{out}{err}");
    (out, err)
}

fn document((out, _): (String, String)) -> Value {
    serde_json::from_str(&out).unwrap()
}

#[test]
fn an_archive_comes_back_from_a_registry_with_its_signature_and_other_clients_read_it() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path();
    let Some(registry) = registry::start(folder, free_port()) else { return };
    let host = format!("127.0.0.1:{}", registry.port);
    archive(folder, "site.iso", b"one");
    fs::copy(sealift::repository().join("trust/src/tests/data/ed.pk8.pem"), folder.join("key.pem")).unwrap();
    fs::copy(sealift::repository().join("trust/src/tests/data/ed.pub"), folder.join("key.pub")).unwrap();
    run(folder, 0, &["archive", "sign", "site.iso", "--key", "key.pem"]);
    let to = format!("oci://{host}/team/site");
    let publish = |code, words: &[&str]| {
        let words = [&["archive", "publish", "site.iso", "--to", &to, "--plain-http", &host], words].concat();
        run(folder, code, &words)
    };
    let planned = document(publish(0, &["--dry-run", "-o", "json"]));
    assert_eq!((&planned["changed"], &planned["bytes"]), (&Value::Null, &Value::Null), "{planned}");
    let first = document(publish(0, &["-o", "json"]));
    assert_eq!((&first["digest"], &first["changed"]), (&planned["digest"], &true.into()), "{first}");
    assert_eq!(first["reference"], format!("{host}/team/site:1.0_b1"));
    let attached: Vec<&str> =
        first["attached"].as_array().unwrap().iter().filter_map(|one| one["name"].as_str()).collect();
    let bundles = ["site.iso.sigstore.json", "site.iso.provenance.sigstore.json"];
    assert_eq!(attached, [bundles[0], bundles[1], "site.iso.spdx.json"], "{first}");
    let again = document(publish(0, &["-o", "json"]));
    assert_eq!((&again["changed"], &again["bytes"]), (&false.into(), &0.into()), "{again}");

    // By tag, by digest, and what exists.
    let fetch = |code, url: &str, into: &str, words: &[&str]| {
        let words = [&["archive", "fetch", url, "--into", into, "--plain-http", &host], words].concat();
        run(folder, code, &words)
    };
    let tagged = format!("{to}:1.0_b1");
    fetch(0, &tagged, "planned", &["--dry-run"]);
    assert!(!folder.join("planned").exists());
    let equal = |file: &str, into: &str| {
        fs::read(folder.join(file)).unwrap() == fs::read(folder.join(into).join(file)).unwrap()
    };
    for (url, into) in [(&tagged, "one"), (&format!("{to}@{}", first["digest"].as_str().unwrap()), "two")] {
        let (_, note) = fetch(0, url, into, &[]);
        assert!(note.contains(&format!("`sealift archive verify {into}/site.iso --key FILE`")), "{note}");
        assert!(equal("site.iso", into) && bundles.iter().all(|bundle| equal(bundle, into)));
        assert_eq!(fs::read_dir(folder.join(into)).unwrap().count(), 3, "nothing else is left");
    }
    run(folder, 0, &["archive", "verify", "one/site.iso", "--key", "key.pub"]);
    let present = document(fetch(0, &tagged, "one", &["-o", "json"]));
    assert!(present["files"].as_array().unwrap().iter().all(|file| file["fetched"] == false), "{present}");
    assert_eq!((&present["name"], &present["version"]), (&"Site".into(), &"1.0+b1".into()));
    fs::write(folder.join("one/site.iso"), "mine").unwrap();
    let (_, error) = fetch(3, &tagged, "one", &[]);
    assert!(error.contains("one/site.iso exists and is not the published file"), "{error}");
    assert_eq!(fs::read(folder.join("one/site.iso")).unwrap(), b"mine");
    fetch(0, &tagged, "one", &["--replace"]);
    assert!(equal("site.iso", "one"));

    // One bundle of several that counts is enough.
    fs::create_dir(folder.join("several")).unwrap();
    let copied = |from: &str, to: &str| fs::copy(folder.join(from), folder.join("several").join(to)).unwrap();
    copied("site.iso", "site.iso");
    copied("site.iso.provenance.sigstore.json", "site.iso.000000000000.sigstore.json");
    run(folder, 1, &["archive", "verify", "several/site.iso", "--key", "key.pub"]);
    copied("site.iso.sigstore.json", "site.iso.16e777537ea8.sigstore.json");
    run(folder, 0, &["archive", "verify", "several/site.iso", "--key", "key.pub"]);

    // Other clients.
    if let Some(python) = python() {
        let target = format!("{host}/team/site:1.0_b1");
        peer::run(Command::new(python).current_dir(folder).args(["-c", PULL, &target, "oras"]));
        assert!(equal("site.iso", "oras"));
    }
    if peer::find("skopeo").is_some() {
        let from = format!("docker://{host}/team/site:1.0_b1");
        registry::skopeo_copy(&[], &from, &format!("dir:{}", folder.join("skopeo").display()));
        let copied = fs::read(folder.join("skopeo/manifest.json")).unwrap();
        assert_eq!(Digest::of(&copied).to_string(), first["digest"].as_str().unwrap());
    }

    // Another archive: its old bundle is refused, and the tag stays.
    archive(folder, "site.iso", b"two");
    let (_, error) = publish(1, &[]);
    assert!(error.contains("the ISO is not the signed one"), "{error}");
    fs::rename(folder.join("site.iso.sigstore.json"), folder.join("old.json")).unwrap();
    let (_, error) = publish(3, &[]);
    assert!(error.contains("team/site:1.0_b1 already exists: expected sha256:"), "{error}");
    let (_, note) = publish(0, &["--replace"]);
    assert!(note.contains("site.iso is not signed"), "{note}");
    let (_, note) = fetch(0, &tagged, "three", &[]);
    assert!(note.contains("the registry has no signature of it"), "{note}");
    assert!(equal("site.iso", "three"));
}

#[test]
fn an_archive_that_is_signed_again_by_the_same_key_gets_no_second_bundle() {
    let Some(openssl) = peer::find("openssl") else { return };
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path();
    let Some(registry) = registry::start(folder, free_port()) else { return };
    let host = format!("127.0.0.1:{}", registry.port);
    archive(folder, "site.iso", b"one");
    let by = |words: &str| peer::run(Command::new(&openssl).current_dir(folder).args(words.split(' ')));
    let bundles = ["site.iso.sigstore.json", "site.iso.provenance.sigstore.json"];
    // Signs as a machine does that has no bundle yet. The signatures have a random part.
    let sign = |name: &str| {
        if !folder.join(format!("{name}.pem")).exists() {
            by(&format!("ecparam -name prime256v1 -genkey -noout -out {name}.pem"));
            by(&format!("ec -in {name}.pem -pubout -out {name}.pub"));
        }
        bundles.iter().for_each(|bundle| fs::remove_file(folder.join(bundle)).unwrap_or_default());
        let command = format!("{} dgst -sha256 -sign {name}.pem", openssl.display());
        let public = format!("{name}.pub");
        run(folder, 0, &["archive", "sign", "site.iso", "--sign-command", &command, "--public-key", &public]);
    };
    let to = format!("oci://{host}/team/site");
    let publish = |words: &[&str]| {
        let words = [&["archive", "publish", "site.iso", "--to", &to, "--plain-http", &host], words].concat();
        run(folder, 0, &words)
    };
    let fetched = |into: &str| {
        let url = format!("{to}:1.0_b1");
        run(folder, 0, &["archive", "fetch", &url, "--into", into, "--plain-http", &host]);
        let entries = fs::read_dir(folder.join(into)).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    sign("one");
    let first = document(publish(&["-o", "json"]));
    let published = bundles.map(|bundle| fs::read(folder.join(bundle)).unwrap());
    sign("one");
    assert!(bundles.map(|bundle| fs::read(folder.join(bundle)).unwrap()) != published, "signatures differ");
    let again = document(publish(&["-o", "json"]));
    assert_eq!((&again["changed"], &again["bytes"]), (&false.into(), &0.into()), "{again}");
    assert_eq!(again["attached"], first["attached"]);
    let (text, _) = publish(&[]);
    assert_eq!(text.matches("  kept: the same key has signed it\n").count(), 2, "{text}");
    let one = [bundles[1], bundles[0], "site.iso"].map(str::to_owned);
    let mut expected = one.to_vec();
    expected.sort();
    assert_eq!(fetched("one"), expected);
    assert!(bundles.map(|bundle| fs::read(folder.join("one").join(bundle)).unwrap()) == published);
    // Another key signs beside it.
    sign("two");
    let other = document(publish(&["-o", "json"]));
    assert_eq!(other["changed"], true, "{other}");
    assert_eq!(fetched("two").len(), 5);
    sign("one");
    assert_eq!(document(publish(&["-o", "json"]))["changed"], false);
    assert_eq!(fetched("three").len(), 5);
}

/// A registry of one artifact, under `site:1`, whose layer is `layer`.
fn serve(
    artifact_type: &str,
    title: &str,
    digest: Digest,
    layer: impl Fn() -> Reply + Send + Sync + 'static,
) -> FileServer {
    serve_with(artifact_type, title, digest, layer, 404)
}

/// [`serve`], which answers with the status `otherwise` what it is asked for beside.
fn serve_with(
    artifact_type: &str,
    title: &str,
    digest: Digest,
    layer: impl Fn() -> Reply + Send + Sync + 'static,
    otherwise: u16,
) -> FileServer {
    let size = match layer() {
        Reply::File(bytes) | Reply::Held(bytes, _) => bytes.len(),
        _ => 0,
    };
    let config =
        json!({"mediaType": "application/vnd.oci.empty.v1+json", "digest": Digest::of(b"{}"), "size": 2});
    let manifest = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "artifactType": artifact_type,
        "config": config,
        "layers": [{
            "mediaType": node::publish::ISO_TYPE, "digest": digest, "size": size,
            "annotations": {"org.opencontainers.image.title": title},
        }],
    });
    FileServer::start(move |path| match path {
        "/v2/site/manifests/1" => Reply::File(manifest.to_string().into_bytes()),
        path if path == format!("/v2/site/blobs/{digest}") => layer(),
        _ => Reply::Status(otherwise),
    })
}

/// The arguments that fetch the artifact of a server into `out`.
fn fetch_from(server: &FileServer) -> Vec<String> {
    let host = format!("127.0.0.1:{}", server.port);
    ["archive", "fetch", &format!("oci://{host}/site:1"), "--into", "out", "--plain-http", &host]
        .map(str::to_owned)
        .to_vec()
}

#[test]
fn a_fetch_that_is_killed_resumes_with_the_bytes_that_arrived() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path();
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|number| number.to_le_bytes()[1]).collect();
    let (half, digest) = (bytes.len() / 2, Digest::of(&bytes));
    let is_held = Arc::new(Mutex::new(true));
    let layer = {
        let (bytes, is_held) = (bytes.clone(), Arc::clone(&is_held));
        move || match *is_held.lock().unwrap() {
            true => Reply::Held(bytes.clone(), half),
            false => Reply::File(bytes.clone()),
        }
    };
    let server = serve(node::publish::ARCHIVE_TYPE, "site.iso", digest, layer);
    let words = fetch_from(&server);
    let mut command = sealift::command(folder);
    let mut child = command.args(&words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let arrived = || {
        let hidden = fs::read_dir(folder.join("out")).ok()?.next()?.ok()?.path();
        Some(fs::metadata(hidden.join("partial/sha256").join(digest.hex())).ok()?.len())
    };
    let start = Instant::now();
    while arrived().unwrap_or_default() < half as u64 {
        let is_running = child.try_wait().unwrap().is_none();
        assert!(start.elapsed() < Duration::from_secs(300) && is_running, "nothing arrives");
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!folder.join("out/site.iso").exists());
    *is_held.lock().unwrap() = false;
    let starts = || {
        let asked = server.asked().into_iter().filter(|asked| asked.path.contains("/blobs/"));
        asked.map(|asked| asked.start).collect::<Vec<_>>()
    };
    assert_eq!(starts(), [0]);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    run(folder, 0, &words);
    assert_eq!(starts(), [half], "what arrived is not fetched again");
    assert!(fs::read(folder.join("out/site.iso")).unwrap() == bytes);
    assert_eq!(fs::read_dir(folder.join("out")).unwrap().count(), 1, "nothing else is left");
}

#[test]
fn what_is_not_the_archive_that_it_says_leaves_no_file() {
    let archive = node::publish::ARCHIVE_TYPE;
    let image = "application/vnd.oci.image.config.v1+json";
    for (artifact_type, title, content, code, expected) in [
        (archive, "site.iso", b"evil", 2, "expected sha256:"),
        (archive, "../site.iso", b"good", 2, "the file name contains `/`"),
        (archive, ".bashrc", b"good", 2, "the file name starts with `.` or `-`"),
        (archive, "a\u{1b}[2J.iso", b"good", 2, "contains a character that is not allowed"),
        (archive, "", b"good", 2, "the file name is empty"),
        (archive, "Makefile", b"good", 2, "the file name does not end in `.iso`"),
        (
            image,
            "site.iso",
            b"good",
            2,
            "is not an archive: expected an artifact of type application/vnd.sealift",
        ),
    ] {
        let scratch = tempfile::tempdir().unwrap();
        let server = serve(artifact_type, title, Digest::of(b"good"), || Reply::File(content.to_vec()));
        let words = fetch_from(&server);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let (_, error) = run(scratch.path(), code, &words);
        assert!(error.contains(expected) && !error.contains('\u{1b}'), "{title:?}: {error}");
        let left = fs::read_dir(scratch.path().join("out")).map_or(0, Iterator::count);
        assert_eq!((left, scratch.path().join("site.iso").exists()), (0, false), "{title:?}");
    }
}

#[test]
fn a_list_of_signatures_that_cannot_be_read_is_a_warning_and_a_name_is_quoted_for_the_shell() {
    let scratch = tempfile::tempdir().unwrap();
    let title = "$(touch evil).iso";
    let archive = node::publish::ARCHIVE_TYPE;
    let server = serve_with(archive, title, Digest::of(b"good"), || Reply::File(b"good".to_vec()), 403);
    let words = fetch_from(&server);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (_, said) = run(scratch.path(), 0, &words);
    assert!(said.contains("warning: ") && said.contains("403"), "{said}");
    assert!(said.contains("`sealift archive verify 'out/$(touch evil).iso'`"), "{said}");
}
