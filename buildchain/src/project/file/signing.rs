//! The signer of packages and repositories, as `spec.signing` names it.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::project::field::Field;
use crate::project::names::{InnerPath, Text};

/// The OpenPGP key of the project. At most one of `secretKey`, `gpg` and `command` says where the secret key is; the variable
/// `SEALIFT_SIGNING_KEY` has priority over them.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SigningEntry {
    /// The file of the project with the public key. It goes into each package repository of the archive, for dnf.
    pub public_key: Field<InnerPath>,
    /// The file of the secret key, armoured or binary: absolute, or relative to the project.
    #[serde(default)]
    pub secret_key: Option<Field<Text>>,
    /// The file whose first line is the passphrase of `secretKey`: absolute, or relative to the project.
    #[serde(default)]
    pub passphrase_file: Option<Field<Text>>,
    /// The environment variable with the passphrase of `secretKey`. Default: `SEALIFT_SIGNING_PASSPHRASE`.
    #[serde(default)]
    pub passphrase_variable: Option<Field<Text>>,
    /// The key that gpg has: a fingerprint, an ID or an address.
    #[serde(default)]
    pub gpg: Option<Field<Text>>,
    /// A command that signs, such as the client of a signing service, as a list of words. It reads the data from standard input,
    /// and writes a detached signature to standard output. `SEALIFT_SIGNING_DATE` has the date of the signature in seconds since
    /// 1970, `SEALIFT_SIGNING_KIND` its type: `binary` or `text`.
    #[serde(default)]
    pub command: Vec<Field<Text>>,
}
