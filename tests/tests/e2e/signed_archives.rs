//! Signed archives, read by openssl and by Python's libraries for DSSE, in-toto and sigstore.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tests::{peer, sealift};

/// Reads the bundle `$1` with the public key `$2` as each library does, and writes the bytes that are signed and the signature.
pub(crate) const READ: &str = r#"
import base64, copy, json, pathlib, sys
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from google.protobuf import json_format
from in_toto_attestation.v1.statement import Statement
from in_toto_attestation.v1 import statement_pb2
from securesystemslib.dsse import Envelope
from securesystemslib.signer import SSlibKey
from sigstore_models.bundle.v1 import Bundle

text = pathlib.Path(sys.argv[1]).read_text()
Bundle.from_json(text)
bundle = json.loads(text)
envelope = bundle["dsseEnvelope"]
key_id = envelope["signatures"][0]["keyid"]
assert key_id == bundle["verificationMaterial"]["publicKey"]["hint"]
public = load_pem_public_key(pathlib.Path(sys.argv[2]).read_bytes())
key = SSlibKey.from_crypto(public, keyid=key_id)
read = Envelope.from_dict(copy.deepcopy(envelope))
assert list(read.verify([key], 1)) == [key_id]
payload = base64.b64decode(envelope["payload"], validate=True)
statement = json_format.Parse(payload, statement_pb2.Statement())
Statement.copy_from_pb(statement).validate()
pathlib.Path("pae").write_bytes(read.pae())
pathlib.Path("sig").write_bytes(base64.b64decode(envelope["signatures"][0]["sig"], validate=True))
print(json.dumps(json.loads(payload)))
"#;

/// The Python of the peers.
pub(crate) fn python() -> Option<PathBuf> {
    let python = peer::find("check-jsonschema")?.with_file_name("python3");
    let imports = "import securesystemslib, sigstore_models, in_toto_attestation";
    let has_them =
        Command::new(&python).args(["-c", imports]).output().is_ok_and(|output| output.status.success());
    if !has_them {
        peer::skip("Python's libraries for signatures are not installed; `cargo xtask test` installs them");
    }
    has_them.then_some(python)
}

/// A folder with the archive `site.iso` and the tree that it was made from.
pub(crate) fn archive() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let tree = folder.path().join("tree");
    fs::create_dir_all(tree.join("packages/redhat/8/site/repodata")).unwrap();
    fs::write(tree.join("packages/redhat/8/site/repodata/repomd.xml"), "<repomd/>").unwrap();
    fs::write(tree.join("product.txt"), "NAME=Site\nVERSION=1.0\n").unwrap();
    archive::sums::write(&tree, &archive::sums::digest_file).unwrap();
    let options = iso::IsoOptions { volume_id: "Site 1.0".into(), ..iso::IsoOptions::default() };
    let file = folder.path().join("site.iso");
    iso::PlannedIso::from_dir(&tree, &options).unwrap().write_file(&file, &()).unwrap();
    folder
}

/// Signs an archive without its verification.
pub(crate) fn sign_elsewhere(archive: &Path) {
    let secret = fs::read(sealift::repository().join("trust/src/tests/data/ed.pk8.pem")).unwrap();
    let options = archive::verify::VerifyOptions { iso_digest: true, ..Default::default() };
    let work = archive::verify::Verification::open(archive, &options).unwrap();
    let (described, _) = archive::attestation::describe(work, &()).unwrap();
    let signer = trust::Signer::with_key(&secret).unwrap();
    let statement = described.statement.render().unwrap();
    let bundle = trust::Bundle::sign(&statement, &signer, &|| false).unwrap();
    fs::write(archive::attestation::bundle_path(archive), bundle).unwrap();
}

/// Runs a command that must exit with `code`; what it prints.
fn run(folder: &Path, code: i32, words: &[&str]) -> String {
    let (found, out, err) = sealift::run(folder, words);
    assert_eq!(found, code, "{words:?}\n{out}{err}");
    out + &err
}

/// Writes a new key with openssl: the private one to `NAME.pem`, the public one to `NAME.pub`.
fn make_key(openssl: &Path, folder: &Path, name: &str, options: &[&str]) {
    let key = format!("{name}.pem");
    let of = |words: &[&str]| peer::run(Command::new(openssl).current_dir(folder).args(words));
    of(&[&["genpkey", "-out", &key], options].concat());
    of(&["pkey", "-in", &key, "-pubout", "-out", &format!("{name}.pub")]);
}

const P256: [&str; 4] = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"];
const ED25519: [&str; 2] = ["-algorithm", "ed25519"];

#[test]
fn openssl_and_python_verify_what_we_sign() {
    let (Some(openssl), Some(python)) = (peer::find("openssl"), python()) else { return };
    let folder = archive();
    let path = folder.path();
    make_key(&openssl, path, "p256", &P256);
    make_key(&openssl, path, "ed25519", &ED25519);
    let by_command = |words: &str| format!("{} {words}", openssl.display());
    let signers = [
        ("p256", None),
        ("ed25519", None),
        ("p256", Some(by_command("dgst -sha256 -sign p256.pem"))),
        ("ed25519", Some(by_command("pkeyutl -sign -inkey ed25519.pem -rawin -in /dev/stdin"))),
    ];
    for (name, command) in signers {
        let (key, public) = (format!("{name}.pem"), format!("{name}.pub"));
        let words = match &command {
            None => vec!["archive", "sign", "site.iso", "--key", &key],
            Some(command) => {
                vec!["archive", "sign", "site.iso", "--sign-command", command, "--public-key", &public]
            }
        };
        run(path, 0, &words);
        let bundle = fs::read(path.join("site.iso.sigstore.json")).unwrap();
        if command.is_none() {
            run(path, 0, &words);
            assert_eq!(
                fs::read(path.join("site.iso.sigstore.json")).unwrap(),
                bundle,
                "equal bytes each time"
            );
        }
        let read = peer::run(Command::new(&python).current_dir(path).args([
            "-c",
            READ,
            "site.iso.sigstore.json",
            &public,
        ]));
        let statement: Value = serde_json::from_slice(&read.stdout).unwrap();
        let subjects = statement["subject"].as_array().unwrap();
        let digest = content::hash_file(&path.join("site.iso"), content::LinkPolicy::Refuse).unwrap().0;
        assert_eq!(
            (&subjects[0]["name"], &subjects[0]["digest"]["sha256"]),
            (&"site.iso".into(), &digest.hex().into())
        );
        assert_eq!(subjects[2]["name"], "packages/redhat/8/site/repodata/repomd.xml");
        assert_eq!(statement["predicateType"], "https://sealift.dev/attestation/archive/v1");
        let verify: &[&str] = match name {
            "p256" => &["dgst", "-sha256", "-verify", &public, "-signature", "sig", "pae"],
            _ => &[
                "pkeyutl", "-verify", "-pubin", "-inkey", &public, "-rawin", "-in", "pae", "-sigfile", "sig",
            ],
        };
        peer::run(Command::new(&openssl).current_dir(path).args(verify));
        let text = run(path, 0, &["archive", "verify", "site.iso", "--key", &public]);
        assert!(text.contains("site.iso: signed as Site 1.0 by the key SHA256:"), "{text}");
        assert!(text.ends_with("): each byte of the ISO is the signed one\n"), "{text}");
    }
}

#[test]
fn a_signature_of_the_same_statement_by_the_same_key_is_kept() {
    let Some(openssl) = peer::find("openssl") else { return };
    let folder = archive();
    let path = folder.path();
    let tree = path.join("tree");
    crate::publishing::write_provenance(&tree);
    let write = |version: &str| {
        fs::write(tree.join("product.txt"), format!("NAME=Site\nVERSION={version}\n")).unwrap();
        archive::sums::write(&tree, &archive::sums::digest_file).unwrap();
        let options = iso::IsoOptions { volume_id: "Site".into(), ..iso::IsoOptions::default() };
        let planned = iso::PlannedIso::from_dir(&tree, &options).unwrap();
        planned.write_file(&path.join("site.iso"), &()).unwrap();
    };
    write("1.0");
    let bundles = ["site.iso.sigstore.json", "site.iso.provenance.sigstore.json"];
    let read = || bundles.map(|bundle| fs::read(path.join(bundle)).unwrap());
    // The signatures of openssl have a random part.
    let sign = |name: &str, words: &[&str]| {
        make_key(&openssl, path, name, &P256);
        let (command, public) =
            (format!("{} dgst -sha256 -sign {name}.pem", openssl.display()), format!("{name}.pub"));
        let by = ["archive", "sign", "site.iso", "--sign-command", &command, "--public-key", &public];
        let repeat = [&by[..], words].concat();
        (run(path, 0, &repeat), repeat.into_iter().map(str::to_owned).collect::<Vec<_>>())
    };
    let (text, words) = sign("one", &[]);
    assert!(bundles.iter().all(|bundle| text.contains(&format!("wrote {bundle}: "))), "{text}");
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let first = read();
    let text = run(path, 0, &words);
    assert!(bundles.iter().all(|bundle| text.contains(&format!("kept {bundle}: "))), "{text}");
    assert_eq!(read(), first);
    let text = run(path, 0, &[&words[..], &["--dry-run"]].concat());
    assert!(text.starts_with("would keep site.iso.sigstore.json: Site 1.0, "), "{text}");
    // Only what is missing is signed.
    fs::remove_file(path.join(bundles[1])).unwrap();
    let text = run(path, 0, &words);
    assert!(
        text.contains("kept site.iso.sigstore.json") && text.contains("wrote site.iso.provenance"),
        "{text}"
    );
    assert_eq!(read()[0], first[0]);
    // A signature that does not count, one of another archive, and one by another key are replaced.
    let forged = String::from_utf8(first[0].clone()).unwrap();
    let at = forged.find("\"sig\":\"").unwrap() + 20;
    let letter = if &forged[at..=at] == "A" { "B" } else { "A" };
    fs::write(path.join(bundles[0]), format!("{}{letter}{}", &forged[..at], &forged[at + 1..])).unwrap();
    let text = run(path, 0, &words);
    assert!(text.starts_with("wrote site.iso.sigstore.json"), "{text}");
    run(path, 0, &["archive", "verify", "site.iso", "--key", "one.pub"]);
    write("1.1");
    let text = run(path, 0, &words);
    assert!(text.starts_with("wrote site.iso.sigstore.json: Site 1.1, "), "{text}");
    run(path, 0, &["archive", "verify", "site.iso", "--key", "one.pub"]);
    let (text, _) = sign("two", &[]);
    assert!(text.starts_with("wrote site.iso.sigstore.json"), "{text}");
    run(path, 0, &["archive", "verify", "site.iso", "--key", "two.pub"]);
}

#[test]
fn an_iso_without_checksums_is_signed_as_a_whole_and_quiet_commands_print_reports_only() {
    let folder = archive();
    let path = folder.path();
    for name in ["ed.pk8.pem", "ed.pub"] {
        fs::copy(sealift::repository().join("trust/src/tests/data").join(name), path.join(name)).unwrap();
    }
    fs::remove_file(path.join("tree/SHA256SUMS")).unwrap();
    let options = iso::IsoOptions { volume_id: "Site 1.0".into(), ..iso::IsoOptions::default() };
    let planned = iso::PlannedIso::from_dir(&path.join("tree"), &options).unwrap();
    planned.write_file(&path.join("site.iso"), &()).unwrap();
    let quiet = |code, words: &[&str]| {
        let (found, out, err) = sealift::run(path, &[&["-q", "archive"], words].concat());
        assert_eq!((found, err.as_str()), (code, ""), "{words:?}: {out}");
        out
    };
    let by = ["site.iso", "--key", "ed.pub"];
    let text = quiet(0, &["sign", "site.iso", "--key", "ed.pk8.pem"]);
    assert!(text.starts_with("wrote site.iso.sigstore.json: Site 1.0, 1 digest, "), "{text}");
    // What could not be checked is a part of the report.
    let text = quiet(0, &[&["verify"], &by[..]].concat());
    assert!(text.starts_with("no readable SHA256SUMS: "), "{text}");
    assert!(text.ends_with("): each byte of the ISO is the signed one\n"), "{text}");
    let reason = "site.iso: the statement has no digest of SHA256SUMS\n";
    let text = quiet(1, &[&["verify"], &by[..], &["--covers", "contents"]].concat());
    assert!(text.ends_with(&format!("site.iso: NOT accepted: {reason}")), "{text}");
    assert_eq!(quiet(1, &[&["verify"], &by[..], &["--file", "product.txt"]].concat()), reason);
}

#[test]
fn a_key_that_a_password_protects_signs() {
    let folder = archive();
    let path = folder.path();
    let data = sealift::repository().join("trust/src/tests/data");
    for (file, name) in [
        ("keys/encrypted/cosign.pem", "cosign.key"),
        ("keys/encrypted/ed-scrypt.pem", "ed.key"),
        ("keys/encrypted/pbes1.pem", "old.key"),
        ("cosign.pub", "cosign.pub"),
        ("ed.pub", "ed.pub"),
    ] {
        fs::copy(data.join(file), path.join(name)).unwrap();
    }
    fs::write(path.join("password"), "pw\nanother line\n").unwrap();
    fs::write(path.join("wrong"), "pw \n").unwrap();
    // Without the terminal of whoever runs the tests.
    let sign = |code, variable: Option<&str>, words: &[&str]| {
        let mut command = Command::new("setsid");
        command.arg("--wait").arg(sealift::binary()).current_dir(path).stdin(Stdio::null());
        command.args(["archive", "sign", "site.iso"]).args(words).env_remove("SEALIFT_KEY_PASSWORD");
        command.envs(variable.map(|password| ("SEALIFT_KEY_PASSWORD", password)));
        let (found, out, err) = sealift::told(&command.output().unwrap());
        assert_eq!(found, code, "{words:?}\n{out}{err}");
        out + &err
    };
    for key in ["cosign", "ed"] {
        let (secret, public) = (format!("{key}.key"), format!("{key}.pub"));
        for (variable, options) in [
            (None, &["--key-password-file", "password"][..]),
            (Some("pw"), &[]),
            // The option has priority.
            (Some("wrong"), &["--key-password-file", "password"]),
        ] {
            sign(0, variable, &[&["--key", &secret], options].concat());
            let text = run(path, 0, &["archive", "verify", "site.iso", "--key", &public]);
            assert!(text.contains("site.iso: signed as Site 1.0"), "{text}");
            fs::remove_file(path.join("site.iso.sigstore.json")).unwrap();
        }
    }
    let wrong = "ed.key: the password of the key is wrong, or the key is damaged";
    for (variable, options, reason, help) in [
        (
            None,
            &[][..],
            "ed.key: the key is encrypted",
            "add --key-password-file FILE, or set SEALIFT_KEY_PASSWORD",
        ),
        // An empty value counts as unset.
        (
            Some(""),
            &[],
            "ed.key: the key is encrypted",
            "add --key-password-file FILE, or set SEALIFT_KEY_PASSWORD",
        ),
        (Some("other"), &[], wrong, "correct SEALIFT_KEY_PASSWORD"),
        (
            None,
            &["--key-password-file", "wrong"],
            wrong,
            "correct the first line of the file of --key-password-file",
        ),
    ] {
        let text = sign(3, variable, &[&["--key", "ed.key"], options].concat());
        assert!(text.contains(reason) && text.contains(&format!("help: {help}")), "{text}");
    }
    let text = sign(3, Some("pw"), &["--key", "old.key"]);
    assert!(
        text.contains("help: encrypt it again: `openssl pkcs8 -topk8 -in old.key -out key.pem`"),
        "{text}"
    );
    let text = run(path, 3, &["archive", "verify", "site.iso", "--key", "cosign.key"]);
    assert!(text.contains("`cosign public-key --key cosign.key --outfile key.pub`"), "{text}");
    assert!(!path.join("site.iso.sigstore.json").exists());
}

#[test]
fn an_archive_that_is_not_the_signed_one_is_refused_with_the_reason() {
    let folder = archive();
    let path = folder.path();
    for name in ["ed.pk8.pem", "ed.pub", "p256.pub"] {
        fs::copy(sealift::repository().join("trust/src/tests/data").join(name), path.join(name)).unwrap();
    }
    let iso = fs::read(path.join("site.iso")).unwrap();
    let verify = |code, words: &[&str]| run(path, code, &[&["archive", "verify"], words].concat());
    let key = ["--key", "ed.pub"];
    let text = verify(1, &["site.iso", "--key", "ed.pub"]);
    assert!(
        text.contains(
            "site.iso: NOT accepted: site.iso is not signed: site.iso.sigstore.json is missing; get"
        ),
        "{text}"
    );
    let text = run(path, 0, &["archive", "sign", "site.iso", "--key", "ed.pk8.pem", "--dry-run"]);
    assert!(
        text.starts_with("would write site.iso.sigstore.json: Site 1.0, 3 digests, by the key SHA256:"),
        "{text}"
    );
    assert!(!path.join("site.iso.sigstore.json").exists());
    let report = run(path, 0, &["archive", "sign", "site.iso", "--key", "ed.pk8.pem", "--output", "json"]);
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!((&report["bundle"], &report["omitted"]), (&"site.iso.sigstore.json".into(), &0.into()));
    assert_eq!(fs::read(path.join("site.iso")).unwrap(), iso, "signing changes no byte");

    // Another key, another archive, and a policy.
    let text = verify(1, &["site.iso", "--key", "p256.pub"]);
    assert!(text.contains("which is not trusted; the trusted key is SHA256:HqH4"), "{text}");
    run(path, 0, &["archive", "sign", "tree", "--key", "ed.pk8.pem"]);
    let text = verify(1, &["site.iso", "--bundle", "tree.sigstore.json", "--key", "ed.pub"]);
    assert!(text.contains("site.iso: the statement has no digest of an ISO"), "{text}");
    let tree = path.join("tree");
    let by = ["--key", "../ed.pk8.pem"];
    for (bundle, code) in [("x.json", 3), ("../tree", 3), ("../site.json", 0)] {
        let words = [&["archive", "sign", ".", "--bundle", bundle][..], &by].concat();
        let text = run(&tree, code, &words);
        let refused = text.contains("is a part of the archive, which signing must not change");
        assert_eq!(refused, code == 3, "{text}");
    }
    let text = run(path, 3, &["archive", "sign", "site.iso", "--key", "ed.pk8.pem", "--bundle", "site.iso"]);
    assert!(text.contains("site.iso is a part of the archive"), "{text}");
    let before = fs::read(path.join("tree.sigstore.json")).unwrap();
    fs::remove_file(path.join("tree.sigstore.json")).unwrap();
    run(&tree, 0, &[&["archive", "sign", "."][..], &by].concat());
    assert_eq!(fs::read(path.join("tree.sigstore.json")).unwrap(), before, "beside the folder");
    run(&tree, 0, &["archive", "verify", ".", "--key", "../ed.pub"]);
    let text = verify(0, &["tree", "--key", "ed.pub", "--key", "p256.pub"]);
    assert!(text.ends_with("): each file is the signed one\n"), "{text}");
    fs::write(
        path.join("trust.yaml"),
        "require: none\narchives:\n  site: {require: signature, keys: [ed.pub]}\n",
    )
    .unwrap();
    for file in ["trust.yaml", "ed.pub"] {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        fs::set_permissions(path.join(file), mode).unwrap();
    }
    let report = verify(0, &["site.iso", "--trust", "trust.yaml", "--output", "json"]);
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!((&report["signature"]["ok"], &report["signature"]["covers"]), (&true.into(), &"iso".into()));
    fs::write(path.join("trust.yaml"), "require: none\n").unwrap();
    let text = verify(0, &["site.iso", "--trust", "trust.yaml"]);
    assert!(text.contains("site.iso: the policy requires no signature of it"), "{text}");
    let oldest = "require: none\narchives:\n  site: {minimumVersion: '2.0'}\n";
    fs::write(path.join("trust.yaml"), oldest).unwrap();
    let text = verify(1, &["site.iso", "--trust", "trust.yaml"]);
    assert!(
        text.contains("site.iso: NOT accepted: site.iso: version 1.0 is older than 2.0, the oldest that"),
        "{text}"
    );
    let text = verify(3, &["site.iso", "--bundle", "site.iso.sigstore.json"]);
    assert!(text.contains("required arguments were not provided"), "{text}");
    let text = verify(3, &["site.iso", "--trust", "trust.yaml", "--key", "ed.pub"]);
    assert!(text.contains("cannot be used with"), "{text}");
    let both = ["archive", "sign", "site.iso", "--key", "ed.pk8.pem", "--public-key", "ed.pub"];
    let text = run(path, 3, &both);
    assert!(text.contains("cannot be used with"), "{text}");
    let named = ["archive", "import", "site.iso", "--dry-run", "--trust-config", "missing.yaml"];
    let text = run(path, 3, &named);
    assert!(text.contains("missing.yaml: it cannot be read: No such file"), "{text}");
    fs::write(path.join("trust.yaml"), "require: signature\n").unwrap();
    let text = verify(3, &["site.iso", "--trust", "trust.yaml"]);
    assert!(
        text.contains("trust.yaml: the policy requires signatures, but has neither `keys` nor `identities`"),
        "{text}"
    );
    let text = verify(3, &["site.iso", "--key", "ed.pk8.pem"]);
    assert!(
        text.contains("help: write its public key: `openssl pkey -in ed.pk8.pem -pubout -out key.pub`"),
        "{text}"
    );

    // What the policy refuses is not in the configuration of nginx.
    let list = format!(
        "apiVersion: sealift.dev/v1alpha1\nkind: ArchivesConfiguration\narchives: ['{}']\n",
        fs::canonicalize(path.join("tree")).unwrap().display()
    );
    fs::write(path.join("archives.yaml"), list).unwrap();
    let nginx = "registry nginx-config --configured --archives-config archives.yaml --bootstrap-config none \
                 --solutions-config none --trust-config trust.yaml";
    let nginx: Vec<&str> = nginx.split_whitespace().collect();
    fs::write(path.join("trust.yaml"), "require: signature\nkeys: [ed.pub]\n").unwrap();
    assert!(!run(path, 0, &nginx).contains("left out"));
    fs::rename(path.join("tree.sigstore.json"), path.join("kept.json")).unwrap();
    let text = run(path, 1, &nginx);
    assert!(text.contains("left out: ") && text.contains("tree is not signed"), "{text}");
    fs::rename(path.join("kept.json"), path.join("tree.sigstore.json")).unwrap();

    // Single files, also of an archive with damage elsewhere.
    let mut damaged = iso.clone();
    let at = damaged.windows(9).position(|bytes| bytes == b"<repomd/>").unwrap();
    damaged[at] = b'X';
    fs::write(path.join("site.iso"), damaged).unwrap();
    let text = verify(1, &["site.iso", "--key", "ed.pub"]);
    assert!(
        text.contains("repomd.xml: damaged: ") && text.contains("but its SHA256SUMS is: its layout"),
        "{text}"
    );
    let repomd = "packages/redhat/8/site/repodata/repomd.xml";
    let text = verify(1, &[&["site.iso", "--file", "product.txt", "--file", repomd][..], &key].concat());
    assert!(text.contains("product.txt: signed by the key SHA256:"), "{text}");
    assert!(text.contains(&format!("site.iso: {repomd}: its SHA-256 is ")), "{text}");
    verify(0, &[&["site.iso", "--file", "product.txt"][..], &key].concat());
    verify(3, &["site.iso", "--file", "product.txt"]);

    // A folder whose list is the signed one, and a file is not.
    fs::write(path.join("tree").join(repomd), "<other/>").unwrap();
    let text = verify(1, &[&["tree"][..], &key].concat());
    assert!(text.ends_with("tree: NOT accepted: files differ from the signed SHA256SUMS\n"), "{text}");
    fs::write(path.join("tree").join(repomd), "<repomd/>").unwrap();

    // Damage is not signed, but a bundle of it, made elsewhere, gives its own reason.
    let text = run(path, 1, &["archive", "sign", "site.iso", "--key", "ed.pk8.pem"]);
    assert!(text.contains("site.iso is damaged: "), "{text}");
    sign_elsewhere(&path.join("site.iso"));
    let text = verify(1, &[&["site.iso"], &key[..]].concat());
    assert!(
        text.ends_with("each byte of the ISO is the signed one, but it was damaged when it was signed\n"),
        "{text}"
    );

    // Equal files in another layout, where that is enough.
    let options = iso::IsoOptions { volume_id: "Other".into(), ..iso::IsoOptions::default() };
    let planned = iso::PlannedIso::from_dir(&path.join("tree"), &options).unwrap();
    planned.write_file(&path.join("site.iso"), &()).unwrap();
    let text = verify(1, &[&["site.iso"], &key[..]].concat());
    assert!(
        text.contains("; `--covers contents`, or `covers: contents` in the policy, accepts equal files"),
        "{text}"
    );
    let text = verify(0, &[&["site.iso", "--covers", "contents"], &key[..]].concat());
    assert!(text.ends_with("): each file is the signed one\n"), "{text}");
}

/// The commands of the README, with a key that was made for the test.
#[test]
fn the_archive_of_this_repository_is_signed_and_verified_as_the_readme_says() {
    let Some(openssl) = peer::find("openssl") else { return };
    let folder = tempfile::tempdir().unwrap();
    make_key(&openssl, folder.path(), "release", &ED25519);
    let archive = sealift::archive();
    fs::create_dir(folder.path().join("_build")).unwrap();
    std::os::unix::fs::symlink(&archive.iso, folder.path().join("_build/metalk8s.iso")).unwrap();
    let readme = fs::read_to_string(sealift::repository().join("README.md")).unwrap();
    let commands: Vec<Vec<&str>> = readme
        .lines()
        .filter_map(|line| line.strip_prefix("$ sealift archive "))
        .filter(|line| line.contains("--key release."))
        .map(|line| std::iter::once("archive").chain(line.split(' ')).collect())
        .collect();
    assert_eq!(commands.len(), 2, "{commands:?}");
    let said: Vec<String> = commands.iter().map(|words| run(folder.path(), 0, words)).collect();
    assert!(said[0].contains("what it was built from"), "{}", said[0]);
    assert!(said[1].contains("each byte of the ISO is the signed one"), "{}", said[1]);
}

/// All rules for a candidate of the next version but those about its tag, which does not exist yet.
#[test]
fn this_repository_can_be_released() {
    let version = env!("CARGO_PKG_VERSION");
    let words = ["release", "check", &format!("v{version}-rc0"), "-o", "json"];
    let (_, out, err) = sealift::run(sealift::repository(), &words);
    let report: Value = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{err}"));
    let problems: Vec<String> = report["checks"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|check| !check["problem"].is_null())
        .map(|check| format!("{}: {}", check["rule"].as_str().unwrap(), check["problem"]))
        .filter(|problem| {
            !["name", "annotated", "commit", "order", "clean"].iter().any(|rule| problem.starts_with(rule))
        })
        .collect();
    assert!(problems.is_empty(), "{problems:?}");
}
