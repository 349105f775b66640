//! A key of GnuPG that signs packages and metadata.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::peer;

/// A key, and the folder that gpg keeps it in.
#[derive(Debug)]
pub struct SigningKey {
    gpg: PathBuf,
    rpmsign: PathBuf,
    home: PathBuf,
}

impl SigningKey {
    const NAME: &str = "Site <site@example.invalid>";

    /// A key of the kind `rsa2048` or `ed25519` in a folder below `scratch`; `None` without gpg and rpmsign, which is reported on standard
    /// error.
    #[must_use]
    pub fn new(scratch: &Path, kind: &str) -> Option<Self> {
        Self::made(scratch, kind, "never", None)
    }

    /// A key that was made in 2019 and expires after `lasts`, such as `1y`.
    #[must_use]
    pub fn expiring(scratch: &Path, lasts: &str) -> Option<Self> {
        Self::made(scratch, "ed25519", lasts, Some("20190101T000000"))
    }

    fn made(scratch: &Path, kind: &str, lasts: &str, at: Option<&str>) -> Option<Self> {
        let (gpg, rpmsign) = (peer::find("gpg")?, peer::find("rpmsign")?);
        // gpg talks to its agent through a socket, whose path must be short.
        let home = scratch.join(format!("gnupg-{kind}-{lasts}"));
        fs::create_dir(&home).unwrap();
        fs::set_permissions(&home, fs::Permissions::from_mode(0o700)).unwrap();
        let key = Self { gpg, rpmsign, home };
        key.gpg_at(at, scratch, &["--quick-generate-key", Self::NAME, kind, "sign", lasts]);
        Some(key)
    }

    /// The output of gpg in `folder`.
    #[must_use]
    pub fn gpg(&self, folder: &Path, arguments: &[&str]) -> Vec<u8> {
        self.gpg_at(None, folder, arguments)
    }

    fn gpg_at(&self, at: Option<&str>, folder: &Path, arguments: &[&str]) -> Vec<u8> {
        let mut command = Command::new(&self.gpg);
        command.arg("--homedir").arg(&self.home).args(["--batch", "--pinentry-mode", "loopback"]);
        command.args(["--passphrase", ""]).args(at.map(|at| format!("--faked-system-time={at}!")));
        peer::run(command.current_dir(folder).args(arguments)).stdout
    }

    /// The folder that gpg keeps the key in.
    #[must_use]
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// The public key, armoured.
    #[must_use]
    pub fn public(&self) -> Vec<u8> {
        self.gpg(&self.home, &["--armor", "--export"])
    }

    /// Signs the package at `path` in place.
    pub fn sign_package(&self, path: &Path) {
        let mut sign = Command::new(&self.rpmsign);
        sign.arg("--addsign").arg(path);
        for (name, value) in [
            ("__gpg", self.gpg.display().to_string()),
            ("_gpg_path", self.home.display().to_string()),
            ("_gpg_name", Self::NAME.to_owned()),
        ] {
            sign.args(["--define", &format!("{name} {value}")]);
        }
        peer::run(&mut sign);
    }

    /// Writes `repomd.xml.asc` into the `repodata/` of `repository`.
    pub fn sign_metadata(&self, repository: &Path) {
        self.sign_metadata_at(None, repository);
    }

    /// As [`SigningKey::sign_metadata`], with the clock at `at`, such as `20190601T000000`.
    pub fn sign_metadata_at(&self, at: Option<&str>, repository: &Path) {
        let metadata = repository.join("repodata");
        let _ = fs::remove_file(metadata.join("repomd.xml.asc"));
        self.gpg_at(at, &metadata, &["--armor", "--detach-sign", "repomd.xml"]);
    }
}

impl Drop for SigningKey {
    fn drop(&mut self) {
        let _ =
            Command::new("gpgconf").arg("--homedir").arg(&self.home).args(["--kill", "gpg-agent"]).status();
    }
}
