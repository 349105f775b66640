//! Signatures with certificates, by services of sigstore that run here. Python's `sigstore` verifies the same bundles.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tests::daemon::{self, Daemon, free_port};
use tests::{peer, sealift};

use crate::signed_archives::{archive, python};

const SUBJECT: &str = "release@example.com";
const ISSUER: &str = "https://accounts.example.com";

/// Verifies the bundle `$2` with the trusted root `$1`, for the subject `$3` and the issuer `$4`; prints what is signed.
const VERIFY: &str = r#"
import pathlib, sys
from sigstore.models import Bundle, TrustedRoot
from sigstore.verify import Verifier, policy
root, bundle, subject, issuer = sys.argv[1:]
bundle = Bundle.from_json(pathlib.Path(bundle).read_bytes())
verifier = Verifier(trusted_root=TrustedRoot.from_file(root))
print(verifier.verify_dsse(bundle, policy.Identity(identity=subject, issuer=issuer))[1].decode())
"#;

/// An authority and a log, and a folder with what they publish and a token.
struct Services {
    folder: tempfile::TempDir,
    daemon: Daemon,
    python: PathBuf,
}

impl Services {
    fn start() -> Option<Self> {
        let python = python()?;
        let has_sigstore = Command::new(&python).args(["-c", "import sigstore"]).output();
        if !has_sigstore.is_ok_and(|output| output.status.success()) {
            peer::skip("Python's `sigstore` is not installed; `cargo xtask test` installs it");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let program = sealift::repository().join("tests/tests/e2e/certificates/services.py");
        let port = free_port();
        let mut command = Command::new(&python);
        command.arg(program).arg(folder.path()).arg(port.to_string());
        let daemon = daemon::start(&mut command, port, &folder.path().join("log"));
        Some(Self { folder, daemon, python })
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    fn misbehave(&self, mode: &str) {
        fs::write(self.folder.path().join("mode"), mode).unwrap();
    }

    /// The number of signatures in the log.
    fn recorded(&self) -> usize {
        fs::read_to_string(self.folder.path().join("recorded")).unwrap_or_default().lines().count()
    }

    /// Signs the archive, with more words.
    fn sign(&self, folder: &Path, code: i32, more: &[&str]) -> String {
        let url = format!("http://127.0.0.1:{}", self.daemon.port);
        let token = self.path("token");
        let words = ["archive", "sign", "site.iso", "--identity-token", &token];
        run(folder, code, &[&words, &["--fulcio-url", &url, "--rekor-url", &url][..], more].concat())
    }

    /// Verifies the archive for a subject.
    fn verify(&self, folder: &Path, code: i32, subject: &str) -> String {
        let root = self.path("trusted_root.json");
        let words = ["archive", "verify", "site.iso", "--identity", subject, "--issuer", ISSUER];
        run(folder, code, &[&words[..], &["--trusted-root", &root]].concat())
    }

    /// Whether Python verifies the bundle; what is signed, or its error.
    fn peer(&self, bundle: &Path, subject: &str) -> Result<Value, String> {
        let root = self.path("trusted_root.json");
        let output = Command::new(&self.python)
            .args(["-c", VERIFY, &root])
            .arg(bundle)
            .args([subject, ISSUER])
            .output()
            .unwrap();
        match output.status.success() {
            true => Ok(serde_json::from_slice(&output.stdout).unwrap()),
            false => Err(String::from_utf8(output.stderr).unwrap()),
        }
    }
}

/// Runs a command that must exit with `code`; what it prints.
fn run(folder: &Path, code: i32, words: &[&str]) -> String {
    let (found, out, err) = sealift::run(folder, words);
    assert_eq!(found, code, "{words:?}\n{out}{err}");
    out + &err
}

#[test]
fn an_archive_is_signed_with_a_certificate_and_verified_by_the_name_of_the_signer() {
    let Some(services) = Services::start() else { return };
    let archive = archive();
    let folder = archive.path();
    let root = services.path("trusted_root.json");
    let planned = services.sign(folder, 0, &["--dry-run"]);
    assert_eq!(planned, "would write site.iso.sigstore.json: Site 1.0, 3 digests\n");
    // A log keeps what it records.
    assert_eq!(services.recorded(), 0);
    let signed = services.sign(folder, 0, &["--trusted-root", &root]);
    let by = format!("{SUBJECT} ({ISSUER})");
    assert_eq!(signed, format!("wrote site.iso.sigstore.json: Site 1.0, 3 digests, by {by}\n"));
    assert_eq!(services.recorded(), 1);
    let bundle = folder.join("site.iso.sigstore.json");
    assert_eq!(services.peer(&bundle, SUBJECT).unwrap()["predicate"]["version"], "1.0");
    assert!(services.peer(&bundle, "other@example.com").unwrap_err().contains("other@example.com"));
    // The services are not asked.
    let url = format!("http://127.0.0.1:{}/", services.daemon.port);
    services.misbehave("refuses");
    for subject in [SUBJECT, "*@example.com"] {
        let verified = services.verify(folder, 0, subject);
        assert!(verified.contains(&format!("signed as Site 1.0 by {by}: each byte")), "{verified}");
    }
    let other = services.verify(folder, 1, "other@example.com");
    assert!(other.contains(&format!("it was signed by {by}, who is not trusted")), "{other}");
    let key = sealift::repository().join("trust/src/tests/data/ed.pub");
    let by_key = run(folder, 1, &["archive", "verify", "site.iso", "--key", key.to_str().unwrap()]);
    assert!(by_key.contains("it was signed with a certificate, and only keys are trusted"), "{by_key}");
    assert!(by_key.contains("name who may sign: --identity"), "{by_key}");
    let json = run(
        folder,
        0,
        &[
            "archive",
            "verify",
            "site.iso",
            "-o",
            "json",
            "--identity",
            SUBJECT,
            "--issuer",
            ISSUER,
            "--trusted-root",
            &root,
        ],
    );
    let signature = serde_json::from_str::<Value>(&json).unwrap()["signature"].clone();
    assert_eq!((signature["subject"].as_str(), signature["keyId"].as_str()), (Some(SUBJECT), None));
    // A node.
    let policy = folder.join("trust.yaml");
    let identity = format!("identities: [{{subject: {SUBJECT}, issuer: '{ISSUER}'}}]");
    fs::write(&policy, format!("require: signature\ntrustedRoot: root.json\n{identity}\n")).unwrap();
    fs::copy(&root, folder.join("root.json")).unwrap();
    for path in [&policy, &folder.join("root.json")] {
        fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    }
    let accepted = run(folder, 0, &["archive", "verify", "site.iso", "--trust", policy.to_str().unwrap()]);
    assert!(accepted.contains(&by), "{accepted}");
    // A changed archive.
    let mut bytes = fs::read(folder.join("site.iso")).unwrap();
    bytes[40_000] ^= 1;
    fs::write(folder.join("site.iso"), bytes).unwrap();
    services.verify(folder, 1, SUBJECT);
    assert_eq!(services.recorded(), 1, "{url}");
}

#[test]
fn services_that_do_not_certify_or_record_the_signature_leave_no_bundle() {
    let Some(services) = Services::start() else { return };
    let archive = archive();
    let folder = archive.path();
    let root = services.path("trusted_root.json");
    for (mode, reason) in [
        ("refuses", "/api/v2/signingCert: the server returned 400: the token has expired"),
        ("other-key", "/api/v2/signingCert: the certificate is for another key"),
        ("wrong-promise", "invalid inclusion promise"),
    ] {
        services.misbehave(mode);
        let refused = services.sign(folder, 2, &["--trusted-root", &root]);
        assert!(refused.contains(reason), "{mode}: {refused}");
        assert!(!folder.join("site.iso.sigstore.json").exists(), "{mode}");
    }
    services.misbehave("");
    // Nothing is recorded if the bundle cannot be written, and nothing else is replaced by it.
    let recorded = services.recorded();
    fs::copy(services.path("token"), folder.join("own")).unwrap();
    std::os::unix::fs::symlink("own", folder.join("link")).unwrap();
    for (bundle, code, reason) in [
        ("missing/x.json", 2, "missing"),
        ("own", 3, "own exists, and is not a bundle"),
        ("link", 3, "link exists, and is not a bundle"),
        (".", 3, "exists, and is not a bundle"),
    ] {
        let refused = services.sign(folder, code, &["--bundle", bundle]);
        assert!(refused.contains(reason), "{bundle}: {refused}");
    }
    assert_eq!(services.recorded(), recorded);
    assert_eq!(fs::read(folder.join("own")).unwrap(), fs::read(services.path("token")).unwrap());
    let noted = services.sign(folder, 0, &[]);
    assert!(noted.contains("were not verified: --trusted-root FILE does that"), "{noted}");
    for (words, reason) in [
        (&["--key", "k", "--fulcio-url", "https://a"][..], "cannot be used with"),
        (&["--key", "k", "--trusted-root", "r"], "cannot be used with"),
        (
            &["--identity-token", "token", "--fulcio-url", "http://a.example", "--rekor-url", "https://b"],
            "read the token",
        ),
        (
            &["--identity-token", "token", "--fulcio-url", "https://u:p@a", "--rekor-url", "https://b"],
            "without an account",
        ),
    ] {
        let refused = run(folder, 3, &[&["archive", "sign", "site.iso"], words].concat());
        assert!(refused.contains(reason), "{words:?}: {refused}");
    }
    let both = ["archive", "verify", "site.iso", "--trust", "p", "--issuer", ISSUER, "--trusted-root", "r"];
    assert!(run(folder, 3, &both).contains("--trust FILE already says who may sign"));
    let part = |text: &str| trust_base64(text.as_bytes());
    for (token, reason) in [
        ("abc".to_owned(), "it does not have three parts"),
        ("a.!.c".to_owned(), "its second part is not base64"),
        (format!("a.{}.c", part("[")), "its second part is not JSON"),
        (format!("a.{}.c", part("{}")), "it has neither an email address nor a subject"),
        (format!("a.{}.c", part(r#"{"email":"a@example.com"}"#)), "has not verified the email address"),
    ] {
        fs::write(folder.join("token"), token).unwrap();
        let words = ["archive", "sign", "site.iso", "--identity-token", "token"];
        let services = ["--fulcio-url", "http://127.0.0.1:1", "--rekor-url", "http://127.0.0.1:1"];
        let refused = run(folder, 3, &[&words[..], &services].concat());
        assert!(refused.contains(reason), "{refused}");
    }
}

/// Base64 for URLs, without padding.
fn trust_base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}
