//! The options that say whose signatures count.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use content::LinkPolicy;
use trust::{Covers, KEY_MAX, Policy, PublicKey};

use crate::failure::Failure;
use crate::remedies::trust as remedies;

/// Whose signatures count, and what they must cover.
#[derive(Debug, Args)]
pub(crate) struct TrustArguments {
    /// Also fail if the archive is not signed by the public key in FILE (PEM; repeatable)
    #[arg(long = "key", value_name = "FILE", group = "signers", help_heading = "Signatures")]
    keys: Vec<PathBuf>,
    /// Also fail if the archive breaks the policy in FILE, such as /etc/sealift/trust.yaml
    #[arg(long, value_name = "FILE", group = "signers", help_heading = "Signatures")]
    trust: Option<PathBuf>,
    /// Read the bundle from FILE [default: ARCHIVE.sigstore.json]
    #[arg(long, value_name = "FILE", requires = "signers", help_heading = "Signatures")]
    pub(crate) bundle: Option<PathBuf>,
    /// Set what the signature of an ISO must cover
    #[arg(
        long,
        value_enum,
        default_value_t,
        value_name = "WHAT",
        requires = "keys",
        help_heading = "Signatures"
    )]
    covers: CoversArgument,
}

/// What the signature of an ISO must cover.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum CoversArgument {
    /// Each byte of the ISO
    #[default]
    Iso,
    /// Each file, whatever the layout of the ISO
    Contents,
}

impl TrustArguments {
    /// The policy that the options describe; `None` if no option does.
    pub(crate) fn policy(&self) -> Result<Option<Policy>, Failure> {
        if let Some(path) = &self.trust {
            return Policy::read(path).map(Some).map_err(remedies::policy);
        }
        if self.keys.is_empty() {
            return Ok(None);
        }
        let covers = match self.covers {
            CoversArgument::Iso => Covers::Iso,
            CoversArgument::Contents => Covers::Contents,
        };
        let keys = self.keys.iter().map(|path| public_key(path)).collect::<Result<_, _>>()?;
        Ok(Some(Policy::of_keys(keys, covers)))
    }
}

/// The public key in a file.
pub(crate) fn public_key(path: &Path) -> Result<PublicKey, Failure> {
    let bytes = content::open_read(path, LinkPolicy::Follow, KEY_MAX)?;
    PublicKey::read(&bytes).map_err(|fault| remedies::key(path, fault))
}
