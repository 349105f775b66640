//! What signs packages and repositories.

use std::path::PathBuf;

use packages::openpgp::KeySource;

/// The variable with the file of the secret key, and that with its passphrase.
pub(super) const SECRET_KEY: &str = "SEALIFT_SIGNING_KEY";
pub(super) const PASSPHRASE: &str = "SEALIFT_SIGNING_PASSPHRASE";

/// What signs packages and repositories.
#[derive(Debug, Clone)]
pub struct SigningDefinition {
    /// The file of the public key, relative to the project.
    pub name: PathBuf,
    /// The same, absolute.
    pub public_key: PathBuf,
    /// Where the secret key is, if it is known on this machine.
    pub secret_key: Option<KeySource>,
}
