//! Why a key, a bundle or a statement does not count.

use content::{Digest, FilterFault, printable};

/// Why a key, a bundle, a signature or a statement is refused. Each kind of attack or mistake has a reason of its own.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    // JSON.
    /// More bytes than are read.
    #[error("the bundle has more than {limit} MiB")]
    TooLarge {
        /// The limit, in MiB.
        limit: usize,
    },
    /// It begins with a byte order mark.
    #[error("{0} begins with a byte order mark")]
    ByteOrderMark(&'static str),
    /// It is not JSON.
    #[error("{what} is not JSON: {reason}")]
    NotJson {
        /// The bundle or the statement.
        what: &'static str,
        /// The reason, with its position.
        reason: String,
    },
    /// Something follows the document.
    #[error("{0} has data after its end")]
    TrailingData(&'static str),
    /// Parsers would disagree about which value counts.
    #[error("{what} has the key `{}` twice in one object", printable(key))]
    DuplicateKey {
        /// The bundle or the statement.
        what: &'static str,
        /// The key.
        key: String,
    },
    /// More levels of lists and objects than are read.
    #[error("{what} has more than {limit} levels")]
    TooDeep {
        /// The bundle or the statement.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// A field that the format does not have.
    #[error("{place} has the unknown field `{}`", printable(name))]
    UnknownField {
        /// The object.
        place: String,
        /// The field.
        name: String,
    },
    /// A field that the format requires.
    #[error("{place} has no field `{name}`")]
    MissingField {
        /// The object.
        place: String,
        /// The field.
        name: &'static str,
    },
    /// A value of another type.
    #[error("{place}: expected {expected}")]
    WrongType {
        /// The value.
        place: String,
        /// The type.
        expected: &'static str,
    },

    // The provenance.
    /// More bytes than are read.
    #[error("the provenance has more than {limit} MiB")]
    ProvenanceTooLarge {
        /// The limit, in MiB.
        limit: usize,
    },
    /// JSON of another form.
    #[error("it is not the provenance of an archive: {}", printable(reason))]
    NotProvenance {
        /// The reason.
        reason: String,
    },
    /// The provenance of something else.
    #[error("the provenance is about a build of the type {}: expected {}", printable(.0), crate::BUILD_TYPE)]
    BuildType(String),

    // The bundle.
    /// A format that is not a bundle, or a version that is unknown.
    #[error(
        "the media type of the bundle is `{}`: expected application/vnd.dev.sigstore.bundle.v0.3+json",
        printable(.0)
    )]
    MediaType(String),
    /// The bundle has two contents.
    #[error("the bundle has both a `messageSignature` and a `dsseEnvelope`")]
    TwoContents,
    /// The bundle has no content.
    #[error("the bundle has neither a `messageSignature` nor a `dsseEnvelope`")]
    NoContent,
    /// The bundle signs a file without saying what it is.
    #[error("the bundle signs a file, not a statement about an archive")]
    MessageSignature,
    /// The bundle names a key and has a certificate.
    #[error("the bundle has both a public key and a certificate")]
    TwoMaterials,
    /// The bundle has a certificate in two forms.
    #[error("the bundle has both a `certificate` and a `x509CertificateChain`")]
    TwoCertificates,
    /// It was signed with a certificate, and no identity counts.
    #[error("it was signed with a certificate, and only keys are trusted{}", trusted_keys(.0))]
    Certificate(Vec<String>),
    /// The certificate, the log or the timestamp does not count.
    #[error("the signature with a certificate does not count: {}", printable(.0))]
    NotCertified(String),
    /// Another identity signed it.
    #[error("it was signed by {}, who is not trusted; expected {}", printable(found), trusted.join(" or "))]
    OtherIdentity {
        /// The subject and the issuer of the certificate.
        found: String,
        /// The identities that count.
        trusted: Vec<String>,
    },
    /// A text that cannot be an identity.
    #[error("the identity `{}` {reason}", printable(text))]
    Identity {
        /// The subject or the issuer.
        text: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The file is not a trusted root.
    #[error("it is not a trusted root of sigstore: {}", printable(.0))]
    TrustedRoot(String),
    /// The two names of the key differ.
    #[error(
        "the bundle names two keys: {} in its hint, {} in its signature",
        printable(hint),
        printable(key_id)
    )]
    HintDiffers {
        /// That of the verification material.
        hint: String,
        /// That of the envelope.
        key_id: String,
    },
    /// Not exactly one signature.
    #[error("the envelope has {0} signatures: expected one")]
    SignatureCount(usize),
    /// A signature without bytes.
    #[error("the signature is empty")]
    EmptySignature,
    /// Text that is not base64.
    #[error("`{field}` is not base64: {reason}")]
    Base64 {
        /// The field.
        field: &'static str,
        /// The reason.
        reason: &'static str,
    },
    /// More entries of a transparency log than a bundle can have.
    #[error("the bundle has {found} entries of transparency logs: expected at most {limit}")]
    TooManyLogEntries {
        /// The number.
        found: usize,
        /// The limit.
        limit: usize,
    },

    // The signature.
    /// No key that was given made the signature.
    #[error("it was signed {}, which is not trusted{}", signer(key_id), trusted_keys(trusted))]
    UnknownKey {
        /// The key that the bundle names: by its ID, or by a hint of another program.
        key_id: String,
        /// The IDs of the keys that count.
        trusted: Vec<String>,
    },
    /// No key that was given made the signature, which names no key.
    #[error("it was signed by another key, or changed{}", trusted_keys(trusted))]
    NoKeySigned {
        /// The IDs of the keys that count.
        trusted: Vec<String>,
    },
    /// The signature was made by a key that is no longer accepted.
    #[error("it was signed by the key {0}, which the policy revokes")]
    Revoked(String),
    /// The numbers of an ECDSA signature without their DER encoding.
    #[error("the ECDSA signature is not in DER: it has only the two numbers")]
    RawSignature,
    /// A signature of zeros, which some verifiers accept.
    #[error("the ECDSA signature is zero")]
    ZeroSignature,
    /// Bytes that are not a signature of this algorithm.
    #[error("the signature is not {0}")]
    SignatureEncoding(&'static str),
    /// The signature is of something else, or by another key.
    #[error("the signature is invalid: the statement was changed, or another key signed it")]
    BadSignature,

    // Keys.
    /// The file is not a key.
    #[error("it contains no key in PEM: {0}")]
    NotPem(&'static str),
    /// The file has something else.
    #[error("it contains {found}, not {expected}")]
    OtherContent {
        /// What it has.
        found: String,
        /// What was expected.
        expected: &'static str,
    },
    /// The file has several keys.
    #[error("it contains {0} keys: expected one")]
    SeveralKeys(usize),
    /// Text before or after the key.
    #[error("it has text before or after the key")]
    TextAroundKey,
    /// The key is encrypted, in a way that is supported.
    #[error("the key is encrypted")]
    EncryptedKey,
    /// The password is wrong, or the encrypted key was changed.
    #[error("the password of the key is wrong, or the key is damaged")]
    WrongPassword,
    /// A way of encryption that is not supported.
    #[error("the key is encrypted with {}, which is not supported", printable(.0))]
    KeyEncryption(String),
    /// Decrypting the key would take gigabytes or minutes.
    #[error("decrypting the key would take too much time or memory: it has {0}")]
    KeyCost(String),
    /// The token for a certificate is not one.
    #[error("the token cannot be used: {0}")]
    Token(&'static str),
    /// The authority or the log does not do what it should.
    #[error("{}: {}", printable(url), printable(reason))]
    Service {
        /// The URL of the request.
        url: String,
        /// Why.
        reason: String,
    },
    /// The system has no random numbers for a new key.
    #[error("the system has no random numbers")]
    NoRandomness,
    /// An algorithm that is not supported.
    #[error("it is a key for {0}: expected ECDSA P-256 or Ed25519")]
    KeyAlgorithm(String),
    /// The key breaks its format.
    #[error("the key is damaged: {0}")]
    DamagedKey(&'static str),
    /// Anybody can make signatures that fit the key.
    #[error("the key is weak: anyone can make signatures for it")]
    WeakKey,
    /// The program that signs failed.
    #[error("{}: {fault}", printable(program))]
    Program {
        /// The program.
        program: String,
        /// Why.
        fault: FilterFault,
    },
    /// The program that signs uses another key.
    #[error("`{}` did not write a signature by the key {key}", printable(program))]
    OtherSigner {
        /// The program.
        program: String,
        /// The ID of the public key.
        key: String,
    },

    // The statement.
    /// The envelope has something else than a statement.
    #[error("the envelope has `{}`: expected application/vnd.in-toto+json", printable(.0))]
    PayloadType(String),
    /// Another version of the format.
    #[error("the type of the statement is `{}`: expected https://in-toto.io/Statement/v1", printable(.0))]
    StatementType(String),
    /// A statement about nothing.
    #[error("the statement has no subject")]
    NoSubject,
    /// More subjects than verifiers read.
    #[error("the statement has {found} subjects: expected at most {limit}")]
    TooManySubjects {
        /// The number.
        found: usize,
        /// The limit.
        limit: usize,
    },
    /// A subject without a usable SHA-256.
    #[error("the subject `{}` {reason}", printable(name))]
    SubjectDigest {
        /// The subject.
        name: String,
        /// What is wrong with its digest.
        reason: &'static str,
    },
    /// Two subjects have a name.
    #[error("the statement has two subjects with the name `{}`", printable(.0))]
    DuplicateSubject(String),
    /// A statement about something else.
    #[error("the statement is a `{}`, not about an archive ({expected})", printable(found))]
    PredicateType {
        /// Its type.
        found: String,
        /// The expected type.
        expected: &'static str,
    },
    /// A name that shows as another one, or leads out of a folder.
    #[error("the {what} `{}` in the statement {reason}", printable(name))]
    Name {
        /// What has the name.
        what: &'static str,
        /// The name.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },

    // Images.
    /// More bytes than a payload can have.
    #[error("the payload has more than {limit} KiB")]
    PayloadTooLarge {
        /// The limit, in KiB.
        limit: usize,
    },
    /// The payload signs something else than an image.
    #[error("the payload is a `{}`: expected a `cosign container image signature`", printable(.0))]
    SimpleSigningType(String),
    /// The payload has no usable digest.
    #[error("the payload has the digest `{}`: expected `sha256:` and 64 digits", printable(.0))]
    ImageDigest(String),
    /// The statement signs something else than an image.
    #[error("the statement is a `{}`, not the signature of an image (https://sigstore.dev/cosign/sign/v1)", printable(.0))]
    NotAboutImage(String),

    // The archive.
    /// The statement is about another archive.
    #[error("the statement is about the archive {}, this is {}", printable(signed), printable(found))]
    OtherArchive {
        /// The name and version that are signed.
        signed: String,
        /// Those of the archive.
        found: String,
    },
    /// The policy requires a newer version.
    #[error(
        "version {} is older than {}, the oldest that the policy accepts",
        printable(found),
        printable(oldest)
    )]
    TooOld {
        /// The version of the archive.
        found: String,
        /// The oldest one that counts.
        oldest: String,
    },
    /// The ISO is another one.
    #[error(
        "the ISO is not the signed one: its SHA-256 is {}, and the signed one is {}",
        found.hex(),
        signed.hex()
    )]
    IsoDiffers {
        /// The digest that is signed.
        signed: Digest,
        /// That of the ISO.
        found: Digest,
    },
    /// The ISO is another one, with the same checksums.
    #[error(
        "the ISO is not the signed one, but its SHA256SUMS is: its layout, a file or bytes outside files were changed"
    )]
    LayoutDiffers,
    /// The ISO has no digest.
    #[error("the ISO cannot be read to its end")]
    IsoNotRead,
    /// Nothing about an ISO is signed.
    #[error("the statement has no digest of an ISO")]
    NoIso,
    /// The checksums are others.
    #[error(
        "SHA256SUMS is not the signed one: its SHA-256 is {}, and the signed one is {}",
        found.hex(),
        signed.hex()
    )]
    SumsDiffer {
        /// The digest that is signed.
        signed: Digest,
        /// That of the file.
        found: Digest,
    },
    /// The checksums are not signed.
    #[error("the statement has no digest of SHA256SUMS")]
    NoSums,
    /// The archive has no checksums that could be signed.
    #[error("SHA256SUMS is missing in the archive")]
    SumsMissing,
    /// Links that no signed list has.
    #[error("SHA256SUMS is signed, but no list contains the symbolic links ({0}): LINKS.mtree is missing")]
    LinksNotSigned(u64),
    /// A list of files breaks its format.
    #[error("{0}")]
    InvalidList(String),
    /// A file is not in the signed lists.
    #[error("{}: no signed list contains it", printable(.0))]
    NotListed(String),
    /// A listed file is something else.
    #[error("{}: it is {found}, not a file", printable(path))]
    NotAFile {
        /// The path in the archive.
        path: String,
        /// What it is.
        found: &'static str,
    },
    /// A listed file is missing.
    #[error("{}: it is missing", printable(.0))]
    FileMissing(String),
    /// A file is not what the signed list says.
    #[error("{}: its SHA-256 is {}, and the signed one is {}", printable(path), found.hex(), signed.hex())]
    FileDiffers {
        /// The path in the archive.
        path: String,
        /// The digest that is signed.
        signed: Digest,
        /// That of the file.
        found: Digest,
    },
}

/// The start of the ID of a key.
const KEY_ID: &str = "SHA256:";

fn signer(key_id: &str) -> String {
    match key_id.starts_with(KEY_ID) {
        true => format!("by the key {}", printable(key_id)),
        // Others name keys in their own ways.
        false => format!("by a key with the hint {}", printable(key_id)),
    }
}

fn trusted_keys(signers: &[String]) -> String {
    match signers {
        [] => String::new(),
        [key] if key.starts_with(KEY_ID) => format!("; the trusted key is {key}"),
        keys if keys.iter().all(|key| key.starts_with(KEY_ID)) => {
            format!("; the trusted keys are {}", keys.join(", "))
        }
        signers => format!("; expected a signature by {}", signers.join(" or ")),
    }
}
