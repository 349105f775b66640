//! Where the key that signs is.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use content::LinkPolicy;

use super::{KEYS_MAX, Signer, SigningFault};
use crate::error::{Error, Result};

/// The most bytes of a file with a passphrase.
const PASSPHRASE_MAX: u64 = 64 << 10;

/// Where the key that signs is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// In a file.
    File {
        /// The file of the secret key, armoured or binary.
        path: PathBuf,
        /// Its passphrase, if it has one.
        passphrase: Option<Passphrase>,
    },
    /// GnuPG has it.
    Gpg {
        /// The program `gpg`.
        program: PathBuf,
        /// A fingerprint, an ID or an address.
        key: String,
    },
    /// A command has it.
    Command {
        /// The program and its arguments.
        words: Vec<OsString>,
        /// The folder in which it runs.
        folder: Option<PathBuf>,
    },
}

/// Where a passphrase is.
#[derive(Clone, PartialEq, Eq)]
pub enum Passphrase {
    /// The first line of a file.
    File(PathBuf),
    /// Here.
    Text(String),
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Text(_) => f.write_str("Text(…)"),
        }
    }
}

impl Signer {
    /// Signs with the key at `source`. `public_key` is the file of the public key; by default that of the secret key.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if a file cannot be read, [`Error::Key`] if it has no key that can sign.
    pub fn open(source: &KeySource, public_key: Option<&Path>) -> Result<Self> {
        let public = public_key.map(|path| content::open_read(path, LinkPolicy::Follow, KEYS_MAX));
        let public = public.transpose()?;
        match source {
            KeySource::File { path, passphrase } => {
                let secret = content::open_read(path, LinkPolicy::Follow, KEYS_MAX)?;
                let passphrase = passphrase.as_ref().map(Passphrase::read).transpose()?;
                Self::with_key(&secret, passphrase.as_deref().map(str::as_bytes), public.as_deref())
                    .map_err(|fault| of_files(fault, path, public_key))
            }
            KeySource::Gpg { program, key } => Self::with_gpg(program, None, key, public.as_deref())
                .map_err(|fault| of_files(fault, Path::new("gpg"), public_key)),
            KeySource::Command { words, folder } => {
                let program = words.first().map_or_else(PathBuf::new, PathBuf::from);
                let Some(public) = public else {
                    return Err(Error::Key { path: program, fault: SigningFault::NoPublicKey });
                };
                Self::with_command(words, folder.as_deref(), &public)
                    .map_err(|fault| of_files(fault, &program, public_key))
            }
        }
    }
}

/// The file that a fault is about: only what the secret key is not said to be is the public one.
fn of_files(fault: SigningFault, secret: &Path, public: Option<&Path>) -> Error {
    let path = match (&fault, public) {
        (SigningFault::PublicKey(_), Some(public)) => public,
        _ => secret,
    };
    Error::Key { path: path.to_owned(), fault }
}

impl Passphrase {
    fn read(&self) -> Result<String> {
        match self {
            Self::File(path) => {
                let text = content::open_text(path, LinkPolicy::Follow, PASSPHRASE_MAX)?;
                Ok(text.lines().next().unwrap_or_default().to_owned())
            }
            Self::Text(text) => Ok(text.clone()),
        }
    }
}
