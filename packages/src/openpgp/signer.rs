//! Signing, with a key in a file, with GnuPG, or with a command.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use content::{AtomicFile, Durability, Hasher, LinkPolicy};
use pgp::armor::BlockType;

use super::armor::armoured;
use super::fault::SigningFault;
use super::program::{Gpg, SigningCommand};
use super::secret::SecretKey;
use super::{GoodSignature, Keys, SIGNATURE_MAX, Signatures, ValidAt, cleartext};

/// What a signature covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SignatureKind {
    /// Bytes.
    Binary,
    /// Text, whatever the ends of its lines.
    Text,
}

/// A signature that was made.
#[derive(Clone, Debug)]
pub(crate) struct MadeSignature {
    pub(crate) packet: Vec<u8>,
    /// The name of its hash algorithm.
    pub(crate) hash: String,
    /// The number of its algorithm.
    pub(crate) algorithm: u8,
}

/// When something is signed.
#[derive(Clone, Copy)]
pub struct Signing<'a> {
    /// The date of the signature, in Unix seconds. A signature has that of its key if the key is newer.
    pub date: i64,
    /// Whether a program that signs is to be stopped.
    pub cancelled: &'a (dyn Fn() -> bool + 'a),
}

impl Signing<'static> {
    /// At this date, without a way to stop it.
    #[must_use]
    pub fn at(date: i64) -> Self {
        Self { date, cancelled: &|| false }
    }
}

/// Signs packages and metadata. Each signature is checked with the public key before it is returned, so a key that has
/// expired, or a different one, is an error.
#[derive(Debug)]
pub struct Signer {
    method: Method,
    /// In armour.
    public_key: Vec<u8>,
    keys: Keys,
    remembered: Option<PathBuf>,
}

#[derive(Debug)]
enum Method {
    Key(Box<SecretKey>),
    Gpg(Gpg),
    Command(SigningCommand),
}

impl Signer {
    /// Signs with the secret key in a file, armoured or binary. Equal data and dates give equal signatures, on any machine.
    /// `public_key` is the file of its public key, if nodes get another form of it than the one in the secret key.
    ///
    /// # Errors
    ///
    /// [`SigningFault`] if the file has no secret key or several, if the key needs another passphrase, or cannot sign.
    pub fn with_key(
        secret_key: &[u8],
        passphrase: Option<&[u8]>,
        public_key: Option<&[u8]>,
    ) -> Result<Self, SigningFault> {
        let key = SecretKey::read(secret_key, passphrase)?;
        let public = match public_key {
            Some(bytes) => bytes.to_vec(),
            None => key.public_key()?,
        };
        Self::new(Method::Key(Box::new(key)), &public)
    }

    /// Signs with `gpg`, which finds the key that `key` names, asks for its passphrase, and may have it on a card. Its date is set,
    /// so signatures with RSA and EdDSA keys on the disk are equal for equal data. `home` is its folder; by default its own.
    ///
    /// # Errors
    ///
    /// [`SigningFault::Program`] if it does not have the key.
    pub fn with_gpg(
        program: &Path,
        home: Option<&Path>,
        key: &str,
        public_key: Option<&[u8]>,
    ) -> Result<Self, SigningFault> {
        let gpg = Gpg { program: program.to_owned(), home: home.map(Path::to_owned), key: key.to_owned() };
        let public = match public_key {
            Some(bytes) => bytes.to_vec(),
            None => gpg.public_key()?,
        };
        Self::new(Method::Gpg(gpg), &public)
    }

    /// Signs with a command, such as a client of a signing service. It gets the data on standard input, and writes a detached
    /// signature, armoured or binary, to standard output. Its environment has `SEALIFT_SIGNING_DATE`, the date in Unix seconds,
    /// and `SEALIFT_SIGNING_KIND`, `binary` or `text`: the type of the signature. The command runs in `folder`.
    ///
    /// # Errors
    ///
    /// [`SigningFault::PublicKey`] if `public_key` cannot be read.
    pub fn with_command(
        command: &[OsString],
        folder: Option<&Path>,
        public_key: &[u8],
    ) -> Result<Self, SigningFault> {
        let command = SigningCommand { words: command.to_vec(), folder: folder.map(Path::to_owned) };
        Self::new(Method::Command(command), public_key)
    }

    fn new(method: Method, public_key: &[u8]) -> Result<Self, SigningFault> {
        let keys = Keys::read(public_key).map_err(SigningFault::PublicKey)?;
        let public_key = Keys::armoured(public_key).map_err(SigningFault::PublicKey)?;
        Ok(Self { method, public_key, keys, remembered: None })
    }

    /// Keeps signatures that programs make in `folder`, by the digests of what they sign and of the public key: a second build has
    /// the same ones. Signatures with a key in a file are equal without it.
    #[must_use]
    pub fn remembering(mut self, folder: PathBuf) -> Self {
        self.remembered = Some(folder);
        self
    }

    /// The public key in armour, for nodes.
    #[must_use]
    pub fn public_key(&self) -> &[u8] {
        &self.public_key
    }

    /// The public key, for checks.
    #[must_use]
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// A detached binary signature of `data`, as packages have it.
    ///
    /// # Errors
    ///
    /// [`SigningFault`] if the data cannot be signed, or if the signature does not count by the public key.
    pub fn detached(&self, data: &[u8], signing: Signing<'_>) -> Result<Vec<u8>, SigningFault> {
        self.sign_bytes(data, signing).map(|made| made.packet)
    }

    /// [`Self::detached`], with what is known of the signature.
    pub(crate) fn sign_bytes(
        &self,
        data: &[u8],
        signing: Signing<'_>,
    ) -> Result<MadeSignature, SigningFault> {
        self.sign(data, SignatureKind::Binary, signing)
    }

    /// A detached signature of `data` in armour, as `repomd.xml.asc` and `Release.gpg` are.
    ///
    /// # Errors
    ///
    /// Those of [`Self::detached`].
    pub fn detached_armoured(&self, data: &[u8], signing: Signing<'_>) -> Result<Vec<u8>, SigningFault> {
        Ok(armoured(BlockType::Signature, &self.detached(data, signing)?))
    }

    /// A text with its signature, as `InRelease` is: with the escapes of RFC 9580, section 7, and without blanks at the ends of
    /// lines.
    ///
    /// # Errors
    ///
    /// Those of [`Self::detached`].
    pub fn cleartext(&self, text: &str, signing: Signing<'_>) -> Result<Vec<u8>, SigningFault> {
        let canonical = cleartext::canonical(text);
        let made = self.sign(canonical.as_bytes(), SignatureKind::Text, signing)?;
        Ok(cleartext::join(text, &made.hash, &armoured(BlockType::Signature, &made.packet)))
    }

    /// A signature that counts.
    fn sign(
        &self,
        data: &[u8],
        kind: SignatureKind,
        signing: Signing<'_>,
    ) -> Result<MadeSignature, SigningFault> {
        let remembered = match (&self.method, &self.remembered) {
            (Method::Key(_), _) | (_, None) => None,
            (_, Some(folder)) => Some(folder.join(self.name(data, kind))),
        };
        if let Some(known) = remembered.as_deref().and_then(read)
            && let Ok(known) = self.checked(data, kind, &known)
        {
            return Ok(known);
        }
        let signature = match &self.method {
            Method::Key(key) => key.sign(data, kind, signing.date)?,
            Method::Gpg(gpg) => {
                let newest = self.keys.newest_part();
                gpg.sign(data, kind, Signing { date: signing.date.max(newest), ..signing })?
            }
            Method::Command(command) => command.sign(data, kind, signing)?,
        };
        let made = self.checked(data, kind, &signature)?;
        if let Some(path) = remembered {
            if let Some(folder) = path.parent() {
                content::create_folder(folder)?;
            }
            AtomicFile::write(&path, &made.packet, 0o644, Durability::Cache)?;
        }
        Ok(made)
    }

    /// The name of a signature that is kept.
    fn name(&self, data: &[u8], kind: SignatureKind) -> String {
        let mut hasher = Hasher::new();
        for part in [self.public_key.as_slice(), format!("{kind:?}").as_bytes(), data] {
            hasher.update(&(part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
        format!("{}.sig", hasher.finish().hex())
    }

    /// The only signature in `signature`, if it is of this kind and counts.
    fn checked(
        &self,
        data: &[u8],
        kind: SignatureKind,
        signature: &[u8],
    ) -> Result<MadeSignature, SigningFault> {
        let signatures = Signatures::read(signature).map_err(SigningFault::Refused)?;
        let _: GoodSignature = signatures
            .verify(&self.keys, &mut || Ok(Box::new(data)), ValidAt::Signing)
            .map_err(SigningFault::Refused)?;
        signatures.only(kind)
    }
}

fn read(path: &Path) -> Option<Vec<u8>> {
    content::open_read(path, LinkPolicy::Refuse, SIGNATURE_MAX).ok()
}
