//! Rules for the signatures of images, as `spec.images.signatures` lists them.

use content::Digest;
use images::signatures::{RepositoryPattern, SignatureForm};
use schemars::JsonSchema;
use serde::Deserialize;

use super::ForEach;
use crate::project::field::{Field, Named};
use crate::project::names::{CertifiedSigner, ImageRepository, InnerPath, KeyId, Text};

/// What the images of some repositories need. If several entries cover a repository, the most precise one counts.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ImageSignatureEntry {
    /// A repository such as `quay.io/vendor/app`, all repositories below a name (`quay.io/vendor/*`), or all (`*`).
    pub repository: Field<RepositoryPattern>,
    /// `signature`: `sealift lock` checks that one of `keys` or `identities` signed each image, and the archive carries the signatures. `none`:
    /// images need no signature. Default: `signature`.
    #[serde(default)]
    pub require: RequireSignature,
    /// Files of the project, each with a public key in PEM: ECDSA P-256 or Ed25519. A signature by one of them is enough.
    #[serde(default)]
    pub keys: Vec<Field<InnerPath>>,
    /// Persons and pipelines whose signatures with a certificate ("keyless") also count. They need `trustedRoot`.
    #[serde(default)]
    pub identities: Vec<SignerIdentity>,
    /// A file of the project, the `trusted_root.json` of sigstore with the authorities and logs that certify the identities.
    #[serde(default)]
    pub trusted_root: Option<Field<InnerPath>>,
    /// The repository that the images were signed in, if it is not `repository`: for copies of images in another registry. It ends
    /// with `/*` if `repository` does.
    #[serde(default)]
    pub identity: Option<Field<RepositoryPattern>>,
    /// The entry counts only if this expression is true: `channel == "stable"`.
    #[serde(default)]
    pub when: Option<Field<Text>>,
    /// Repeats the entry: names with the values that they have, one after the other.
    #[serde(default)]
    pub for_each: ForEach,
}

/// A person or a pipeline with a certificate.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SignerIdentity {
    /// Whom the certificate names: an email address, or the URI of a pipeline. `*` is any text, before the `@` of an address or
    /// after the first part of a path: `https://github.com/example/app/.github/workflows/release.yml@refs/tags/*`.
    pub subject: Field<Text>,
    /// The URL of the provider that knows the subject: `https://token.actions.githubusercontent.com`.
    pub issuer: Field<Text>,
}

/// What an image needs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum RequireSignature {
    /// No signature.
    None,
    /// A signature by one of the keys or identities.
    #[default]
    Signature,
}

/// The signature of an image that `sealift lock` checked.
#[derive(Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LockedSignatureEntry {
    /// The digest of the image that is signed.
    pub image: Named<Digest>,
    /// The key that signed it.
    #[serde(default)]
    pub key: Option<Named<KeyId>>,
    /// In place of a key, the identity with a certificate that signed it.
    #[serde(default)]
    pub signer: Option<Named<CertifiedSigner>>,
    /// Where the signature is.
    pub form: LockedSignatureForm,
    /// The digest of the manifest that has the signature.
    pub manifest: Named<Digest>,
    /// The repository that is signed; a bundle has none.
    #[serde(default)]
    pub identity: Option<Named<ImageRepository>>,
}

/// Where a signature is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum LockedSignatureForm {
    /// Under cosign's tag `sha256-<hex>.sig`.
    Tag,
    /// In a referrer of the image.
    Referrer,
}

impl From<LockedSignatureForm> for SignatureForm {
    fn from(form: LockedSignatureForm) -> Self {
        match form {
            LockedSignatureForm::Tag => Self::Tag,
            LockedSignatureForm::Referrer => Self::Referrer,
        }
    }
}
