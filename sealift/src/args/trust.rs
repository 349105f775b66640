//! The options that say whose signatures count.

use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};
use content::{LinkPolicy, printable_path};
use images::DocumentClient;
use images::pull::{Proxies, RegistryOptions};
use trust::{
    CertificateServices, Covers, Fault, Identity, KEY_MAX, Policy, PostJson, PublicKey, Signer, Signers,
    TOKEN_MAX, TRUSTED_ROOT_MAX, TrustedRoot,
};

use crate::failure::Failure;
use crate::remedies::trust as remedies;
use crate::session::environment;
use crate::terminal::{self, Answer};

/// The variable with the password of the key that signs archives.
const PASSWORD: &str = "SEALIFT_KEY_PASSWORD";
/// The most bytes of a file with a password.
const PASSWORD_MAX: u64 = 64 << 10;

/// The most bytes of what the services for certificates respond.
const RESPONSE_MAX: u64 = 4 << 20;
/// How long they may take.
const RESPONSE_TIME: Duration = Duration::from_secs(60);

/// Whose signatures count, and what they must cover.
#[derive(Debug, Args)]
pub(crate) struct TrustArguments {
    /// Also fail if the archive is not signed by the public key in FILE (PEM; repeatable)
    #[arg(long = "key", value_name = "FILE", group = "signers", help_heading = "Signatures")]
    keys: Vec<PathBuf>,
    #[command(flatten)]
    identity: IdentityArguments,
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
        requires = "signers",
        conflicts_with = "trust",
        help_heading = "Signatures"
    )]
    covers: CoversArgument,
}

/// Whose certificates count.
#[derive(Debug, Args)]
pub(crate) struct IdentityArguments {
    /// Accept a signature with a certificate for SUBJECT, an email address or a URI; `*` is any text before the `@` or after the owner (repeatable)
    #[arg(
        long,
        value_name = "SUBJECT",
        group = "signers",
        requires = "issuer",
        requires = "trusted_root",
        help_heading = "Signatures"
    )]
    identity: Vec<String>,
    /// Require that the provider at URL knows SUBJECT, such as https://accounts.google.com
    #[arg(long, value_name = "URL", requires = "identity", help_heading = "Signatures")]
    issuer: Option<String>,
    /// Read the authorities and logs whose certificates count from FILE, a trusted_root.json of sigstore
    #[arg(long, value_name = "FILE", requires = "identity", help_heading = "Signatures")]
    trusted_root: Option<PathBuf>,
}

impl IdentityArguments {
    fn is_empty(&self) -> bool {
        self.identity.is_empty() && self.issuer.is_none() && self.trusted_root.is_none()
    }

    /// The identities that the options name.
    fn read(&self) -> Result<Vec<Identity>, Failure> {
        let (Some(issuer), Some(path)) = (&self.issuer, &self.trusted_root) else { return Ok(Vec::new()) };
        let root = trusted_root(path)?;
        let identity = |subject: &String| Identity::new(&root, subject, issuer).map_err(Failure::usage_by);
        self.identity.iter().map(identity).collect()
    }
}

/// The signers that options name.
pub(crate) fn signers(keys: &[PathBuf], identity: &IdentityArguments) -> Result<Signers, Failure> {
    let keys = keys.iter().map(|path| public_key(path)).collect::<Result<_, _>>()?;
    Ok(Signers { keys, identities: identity.read()? })
}

/// What signs an archive.
#[derive(Debug, Args)]
pub(crate) struct ArchiveSigningArguments {
    /// Sign with the private key in FILE (PEM): ECDSA P-256 or Ed25519
    #[arg(long, value_name = "FILE", help_heading = "Signing")]
    key: Option<PathBuf>,
    /// Read the password of an encrypted key from the first line of FILE [default: SEALIFT_KEY_PASSWORD, else ask]
    #[arg(
        long,
        value_name = "FILE",
        requires = "key",
        conflicts_with_all = ["sign_command", "identity_token"],
        help_heading = "Signing"
    )]
    key_password_file: Option<PathBuf>,
    /// Sign with COMMAND: it reads the data from standard input and writes the signature to standard output
    #[arg(
        long,
        value_name = "COMMAND",
        conflicts_with = "key",
        requires = "public_key",
        help_heading = "Signing"
    )]
    sign_command: Option<String>,
    /// Check the signature of COMMAND with the public key in FILE (PEM)
    #[arg(
        long,
        value_name = "FILE",
        requires = "sign_command",
        conflicts_with_all = ["key", "identity_token"],
        help_heading = "Signing"
    )]
    public_key: Option<PathBuf>,
    /// Sign with a certificate for the holder of the OpenID Connect token in FILE
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["key", "sign_command"],
        requires = "fulcio_url",
        requires = "rekor_url",
        help_heading = "Signing"
    )]
    identity_token: Option<PathBuf>,
    /// Get the certificate from the authority at URL, such as https://fulcio.sigstore.dev
    #[arg(
        long,
        value_name = "URL",
        value_parser = service_url,
        requires = "identity_token",
        conflicts_with_all = ["key", "sign_command"],
        help_heading = "Signing"
    )]
    fulcio_url: Option<String>,
    /// Record the signature in the log at URL, such as https://rekor.sigstore.dev
    #[arg(
        long,
        value_name = "URL",
        value_parser = service_url,
        requires = "identity_token",
        conflicts_with_all = ["key", "sign_command"],
        help_heading = "Signing"
    )]
    rekor_url: Option<String>,
    /// Verify the signature with the authorities and logs in FILE, a trusted_root.json of sigstore, before it is written
    #[arg(
        long,
        value_name = "FILE",
        requires = "identity_token",
        conflicts_with_all = ["key", "sign_command"],
        help_heading = "Signing"
    )]
    trusted_root: Option<PathBuf>,
    /// Name the builder in the signed provenance by a URI [default: https://sealift.dev/builder/v1]
    #[arg(long, value_name = "URI", value_parser = uri, help_heading = "Signing")]
    pub(crate) builder_id: Option<String>,
}

impl ArchiveSigningArguments {
    /// Whether signatures with a certificate are verified before they are written.
    pub(crate) fn is_checked(&self) -> bool {
        self.trusted_root.is_some()
    }

    /// What signs; `None` if no option says it.
    pub(crate) fn signer(&self) -> Result<Option<Signer>, Failure> {
        if let (Some(token), Some(authority), Some(log)) =
            (&self.identity_token, &self.fulcio_url, &self.rekor_url)
        {
            let services = CertificateServices {
                authority: authority.clone(),
                log: log.clone(),
                trusted_root: self.trusted_root.as_deref().map(trusted_root).transpose()?,
                post: post_json()?,
            };
            let text = content::open_read(token, LinkPolicy::Follow, TOKEN_MAX)?;
            return Signer::with_certificate(&String::from_utf8_lossy(&text), services)
                .map(Some)
                .map_err(|fault| remedies::key(token, fault));
        }
        match (&self.key, &self.sign_command, &self.public_key) {
            (Some(path), ..) => {
                let bytes = content::open_read(path, LinkPolicy::Follow, KEY_MAX)?;
                match Signer::with_key(&bytes) {
                    Err(Fault::EncryptedKey) => {
                        let (password, source) = self.password(path)?;
                        Signer::with_encrypted_key(&bytes, &password)
                            .map_err(|fault| remedies::encrypted_key(path, fault, source))
                    }
                    signer => signer.map_err(|fault| remedies::key(path, fault)),
                }
                .map(Some)
            }
            (None, Some(command), Some(path)) => {
                let words = crate::args::signing::command_words(command)?;
                Ok(Some(Signer::with_command(words, public_key(path)?)))
            }
            _ => Ok(None),
        }
    }

    /// The password of an encrypted key, and where it is from.
    fn password(&self, key: &Path) -> Result<(Vec<u8>, PasswordSource), Failure> {
        if let Some(path) = &self.key_password_file {
            let text = content::open_read(path, LinkPolicy::Follow, PASSWORD_MAX)?;
            let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            return Ok((line.to_vec(), PasswordSource::File));
        }
        if let Some(text) = std::env::var_os(PASSWORD).filter(|text| !text.is_empty()) {
            return Ok((text.into_vec(), PasswordSource::Environment));
        }
        match terminal::password(&format!("Password of {}: ", printable_path(key)))? {
            Answer::Text(text) => Ok((text, PasswordSource::Terminal)),
            Answer::Interrupted => Err(Failure::Signal(2)),
            Answer::NoTerminal => Err(remedies::key(key, Fault::EncryptedKey)),
        }
    }
}

/// Where the password of a key is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PasswordSource {
    /// The file of `--key-password-file`.
    File,
    /// `SEALIFT_KEY_PASSWORD`.
    Environment,
    /// The user typed it.
    Terminal,
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
            // clap does not see it: `--issuer` requires `--identity`, which `--trust` rules out.
            if !self.identity.is_empty() {
                return Err(Failure::usage("--trust FILE already says who may sign")
                    .remedy("add the identity to the policy, or leave --trust out"));
            }
            return Policy::read(path).map(Some).map_err(remedies::policy);
        }
        let signers = signers(&self.keys, &self.identity)?;
        if signers.is_empty() {
            return Ok(None);
        }
        let covers = match self.covers {
            CoversArgument::Iso => Covers::Iso,
            CoversArgument::Contents => Covers::Contents,
        };
        Ok(Some(Policy::of_signers(signers, covers)))
    }
}

/// A URI: a scheme, a colon, and no blanks or control characters.
fn uri(text: &str) -> Result<String, String> {
    let is_scheme = |scheme: &str| {
        scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme.chars().all(|letter| letter.is_ascii_alphanumeric() || "+-.".contains(letter))
    };
    let is_uri = text.split_once(':').is_some_and(|(scheme, rest)| is_scheme(scheme) && !rest.is_empty())
        && text.bytes().all(|byte| byte.is_ascii_graphic());
    is_uri
        .then(|| text.to_owned())
        .ok_or_else(|| "expected a URI such as https://ci.example/release".to_owned())
}

/// The URL of a service that gets a token: with TLS, except on this machine, and without an account or a query.
fn service_url(text: &str) -> Result<String, String> {
    let host =
        |scheme| text.strip_prefix(scheme).map(|rest: &str| rest.split('/').next().unwrap_or_default());
    let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic()) && !text.contains(['@', '?', '#']);
    let is_here = |host: &str| {
        ["127.0.0.1", "localhost", "[::1]"].contains(&host.rsplit_once(':').map_or(host, |(name, _)| name))
    };
    match (host("https://"), host("http://")) {
        (Some(host), _) if is_plain && !host.is_empty() => Ok(text.to_owned()),
        (_, Some(host)) if is_plain && is_here(host) => Ok(text.to_owned()),
        (_, Some(_)) => Err("expected https://: over http:// others could read the token".into()),
        _ => Err("expected a URL such as https://fulcio.sigstore.dev, without an account and a query".into()),
    }
}

/// The trusted root in a file.
fn trusted_root(path: &Path) -> Result<TrustedRoot, Failure> {
    let bytes = content::open_read(path, LinkPolicy::Follow, TRUSTED_ROOT_MAX)?;
    TrustedRoot::parse(&bytes).map_err(|fault| remedies::key(path, fault))
}

/// Posts documents to the services that certify and record signatures.
fn post_json() -> Result<Box<PostJson>, Failure> {
    let options =
        RegistryOptions { proxies: Proxies::from_variables(&environment()), ..RegistryOptions::default() };
    let client =
        DocumentClient::with_options(&options, RESPONSE_MAX, RESPONSE_TIME).map_err(Failure::usage_by)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(Box::new(move |url, document| {
        runtime.block_on(client.post_json(url, document.to_owned())).map_err(|fault| fault.to_string())
    }))
}

/// The public key in a file.
pub(crate) fn public_key(path: &Path) -> Result<PublicKey, Failure> {
    let bytes = content::open_read(path, LinkPolicy::Follow, KEY_MAX)?;
    PublicKey::read(&bytes).map_err(|fault| remedies::key(path, fault))
}
