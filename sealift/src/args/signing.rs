//! The options of the commands that sign.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;
use packages::openpgp::{KeySource, Passphrase, Signer};

use crate::failure::Failure;
use crate::output;
use crate::remedies::packages::{outdated, signing as explained};

/// The variable with a passphrase, where no other one is named.
const PASSPHRASE: &str = "SEALIFT_SIGNING_PASSPHRASE";

/// What signs.
#[derive(Debug, Args)]
pub(crate) struct SigningArguments {
    /// Sign with the OpenPGP secret key in FILE, armoured or binary
    #[arg(long, alias = "key", value_name = "FILE", help_heading = "Signing")]
    sign_key: Option<PathBuf>,
    /// Sign with the key that gpg has: a fingerprint, an ID or an address
    #[arg(long, value_name = "KEY", conflicts_with = "sign_key", help_heading = "Signing")]
    sign_gpg: Option<String>,
    /// Sign with COMMAND: it reads the data from standard input and writes a detached signature to standard output
    #[arg(
        long,
        value_name = "COMMAND",
        conflicts_with_all = ["sign_key", "sign_gpg"],
        requires = "public_key",
        help_heading = "Signing"
    )]
    sign_command: Option<String>,
    /// Check and publish the public key in FILE [default: that of the secret key]
    #[arg(long, value_name = "FILE", help_heading = "Signing")]
    public_key: Option<PathBuf>,
    /// Read the passphrase of the secret key from the first line of FILE
    #[arg(long, value_name = "FILE", requires = "sign_key", help_heading = "Signing")]
    passphrase_file: Option<PathBuf>,
    /// Read the passphrase of the secret key from the environment variable NAME [default: SEALIFT_SIGNING_PASSPHRASE]
    #[arg(
        long,
        value_name = "NAME",
        requires = "sign_key",
        conflicts_with = "passphrase_file",
        help_heading = "Signing"
    )]
    passphrase_env: Option<String>,
}

impl SigningArguments {
    /// What signs, if an option says it. `date` is the option with the date of the signatures, and whether it is given: without it,
    /// the key must be valid now. With it, the key must be valid at that date; one that is outdated is a warning.
    pub(crate) fn signer(&self, date: (&str, bool)) -> Result<Option<Signer>, Failure> {
        let Some(source) = self.source()? else { return Ok(None) };
        let signer = Signer::open(&source, self.public_key.as_deref()).map_err(explained)?;
        if let Some(fault) = signer.keys().outdated(jiff::Timestamp::now().as_second()) {
            let (option, is_given) = date;
            if !is_given {
                return Err(outdated(&fault, option));
            }
            output::warn(&format!("clients refuse the signatures: {}", fault.before_signing()));
        }
        Ok(Some(signer))
    }

    fn source(&self) -> Result<Option<KeySource>, Failure> {
        if let Some(path) = &self.sign_key {
            let (path, passphrase) = (path.clone(), self.passphrase()?);
            return Ok(Some(KeySource::File { path, passphrase }));
        }
        if let Some(key) = &self.sign_gpg {
            let program = std::env::var_os("GPG_BIN").unwrap_or_else(|| "gpg".into()).into();
            return Ok(Some(KeySource::Gpg { program, key: key.clone() }));
        }
        let Some(command) = &self.sign_command else { return Ok(None) };
        Ok(Some(KeySource::Command { words: command_words(command)?, folder: None }))
    }

    fn passphrase(&self) -> Result<Option<Passphrase>, Failure> {
        if let Some(path) = &self.passphrase_file {
            return Ok(Some(Passphrase::File(path.clone())));
        }
        let name = self.passphrase_env.as_deref();
        match (std::env::var(name.unwrap_or(PASSPHRASE)), name) {
            (Ok(text), _) => Ok(Some(Passphrase::Text(text))),
            (Err(_), None) => Ok(None),
            (Err(_), Some(name)) => {
                let name = content::printable(name);
                Err(Failure::usage(format!(
                    "--passphrase-env: the environment variable {name} is not set, or not UTF-8"
                )))
            }
        }
    }
}

/// The program and the arguments of `--sign-command`.
pub(crate) fn command_words(command: &str) -> Result<Vec<OsString>, Failure> {
    let words = shlex::split(command).filter(|words| !words.is_empty());
    let words =
        words.ok_or_else(|| Failure::usage("--sign-command: expected a command, with closed quotes"))?;
    Ok(words.into_iter().map(Into::into).collect())
}
