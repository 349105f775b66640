//! The policy of a node: which archives it accepts, and whose signatures.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use content::{IoError, LinkPolicy, printable, printable_path};
use serde::{Deserialize, Deserializer};
use serde_saphyr::UserMessageFormatter;

use crate::archive_statement::{name_problem, version_problem};
use crate::{ArchiveStatement, Bundle, Fault, KEY_MAX, PublicKey};

/// The most bytes of a policy.
const POLICY_MAX: u64 = 1 << 20;
/// The most keys of a rule, and archives of a policy.
const ENTRIES_MAX: usize = 1000;

/// What an archive must have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Require {
    /// Nothing: archives without checksums are accepted. Damaged ones are not.
    None,
    /// `SHA256SUMS` or an implanted MD5 that fits.
    #[default]
    Checksum,
    /// A signature by a key of the policy.
    Signature,
}

/// What a signature must cover.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Covers {
    /// Of an ISO each byte; of a folder and a mounted archive, which have no others, each file.
    #[default]
    Iso,
    /// Each file, through the signed `SHA256SUMS`.
    Contents,
}

/// What holds for an archive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rule {
    /// What it must have.
    pub require: Require,
    /// What its signature must cover.
    pub covers: Covers,
    /// Whose signatures count.
    pub keys: Vec<PublicKey>,
    /// The oldest version that is accepted: an older one was signed too.
    pub minimum_version: Option<String>,
}

/// The policy of a node. The default requires checksums.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    default: Rule,
    archives: BTreeMap<String, Rule>,
    revoked: Vec<String>,
    files: Vec<PathBuf>,
}

/// A policy that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}", printable_path(path))]
#[non_exhaustive]
pub struct PolicyError {
    /// The file of the policy, or of one of its keys.
    pub path: PathBuf,
    /// What is wrong with it.
    pub problem: PolicyProblem,
}

/// What is wrong with a policy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyProblem {
    /// It cannot be read.
    #[error("it cannot be read: {}", .0.source)]
    Io(IoError),
    /// It is a symbolic link, which may lead to a file of another user.
    #[error("it is a symbolic link")]
    Link,
    /// Others can change it.
    #[error("users other than its owner can write to it")]
    Writable,
    /// Others can replace it.
    #[error("users other than the owner of its folder can replace it")]
    FolderWritable,
    /// Its folder belongs to another user than root and the one who runs the command.
    #[error("its folder belongs to the user {0}, who can replace it")]
    FolderOwner(u32),
    /// It belongs to another user than root and the one who runs the command.
    #[error("it belongs to the user {0}")]
    Owner(u32),
    /// It breaks its format.
    #[error("{0}")]
    Invalid(String),
    /// Signatures are required, and no key is trusted.
    #[error("{0} requires signatures, but has no `keys`")]
    NoKeys(String),
    /// Keys without effect.
    #[error("{0} has `{1}`, which takes effect only with `require: signature`")]
    WithoutEffect(String, &'static str),
    /// Two rules for one archive.
    #[error("there are two rules for the archive `{}`", printable(.0))]
    TwoRules(String),
    /// A text that is not the name of an archive.
    #[error("`{}` is not the name of an archive", printable(.0))]
    Name(String),
    /// A text that is not a version.
    #[error("{place}: `{}` is not a version: expected one such as 2.11.0", printable(version))]
    Version {
        /// The rule.
        place: String,
        /// The text.
        version: String,
    },
    /// A text that is not the ID of a key.
    #[error("`{}` is not the ID of a key: expected `SHA256:` and 43 letters of base64", printable(.0))]
    KeyId(String),
    /// More than a policy can have.
    #[error("{what} has more than {limit} entries", limit = ENTRIES_MAX)]
    TooMany {
        /// The list.
        what: &'static str,
    },
    /// The file is not a public key.
    #[error("{0}")]
    Key(Fault),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct File {
    require: Require,
    #[serde(default)]
    covers: Covers,
    #[serde(default)]
    keys: Vec<PathBuf>,
    #[serde(default)]
    archives: BTreeMap<String, FileRule>,
    #[serde(default)]
    revoked: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct FileRule {
    #[serde(default, deserialize_with = "given")]
    require: Option<Require>,
    #[serde(default, deserialize_with = "given")]
    covers: Option<Covers>,
    #[serde(default, deserialize_with = "given")]
    keys: Option<Vec<PathBuf>>,
    #[serde(default, deserialize_with = "given")]
    minimum_version: Option<String>,
}

/// The value of a key that is given: null is not the same as no key.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

impl Policy {
    /// Reads a policy and its keys; `None` if the file does not exist.
    ///
    /// # Errors
    ///
    /// [`PolicyError`]: a file cannot be read, others can change it, or it breaks its format.
    pub fn read_if_exists(path: &Path) -> Result<Option<Self>, PolicyError> {
        match read_safely(path, POLICY_MAX) {
            Ok(bytes) => Self::parse(&bytes, path, &mut |key| read_safely(key, KEY_MAX)).map(Some),
            Err(PolicyError { problem: PolicyProblem::Io(error), .. })
                if error.kind() == std::io::ErrorKind::NotFound =>
            {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Reads a policy and its keys.
    ///
    /// # Errors
    ///
    /// Those of [`Policy::read_if_exists`]; the file does not exist.
    pub fn read(path: &Path) -> Result<Self, PolicyError> {
        let bytes = read_safely(path, POLICY_MAX)?;
        Self::parse(&bytes, path, &mut |key| read_safely(key, KEY_MAX))
    }

    /// A policy from its text. `path` names it, and its folder is that of relative paths of keys, which `read_key` reads.
    ///
    /// # Errors
    ///
    /// [`PolicyError`]: it breaks its format; those of `read_key`.
    pub fn parse(
        bytes: &[u8],
        path: &Path,
        read_key: &mut dyn FnMut(&Path) -> Result<Vec<u8>, PolicyError>,
    ) -> Result<Self, PolicyError> {
        let fail = |problem| PolicyError { path: path.to_owned(), problem };
        let text =
            str::from_utf8(bytes).map_err(|_| fail(PolicyProblem::Invalid("it is not UTF-8".into())))?;
        let file: File = serde_saphyr::from_str(text)
            .map_err(|error| error.without_snippet().render_with_formatter(&UserMessageFormatter))
            .map_err(|reason| fail(PolicyProblem::Invalid(reason)))?;
        if file.archives.len() > ENTRIES_MAX || file.revoked.len() > ENTRIES_MAX {
            return Err(fail(PolicyProblem::TooMany { what: "it" }));
        }
        let mut files = vec![path.to_owned()];
        let mut read = |keys: &[PathBuf]| {
            if keys.len() > ENTRIES_MAX {
                return Err(fail(PolicyProblem::TooMany { what: "`keys`" }));
            }
            keys.iter()
                .map(|key| {
                    let key = path.parent().unwrap_or(Path::new("/")).join(key);
                    let read = PublicKey::read(&read_key(&key)?);
                    let read = read.map_err(|fault| PolicyError {
                        path: key.clone(),
                        problem: PolicyProblem::Key(fault),
                    });
                    files.push(key);
                    read
                })
                .collect::<Result<Vec<_>, _>>()
        };
        let default = Rule {
            require: file.require,
            covers: file.covers,
            keys: read(&file.keys)?,
            minimum_version: None,
        };
        if default.require == Require::Signature && default.keys.is_empty() {
            return Err(fail(PolicyProblem::NoKeys("the policy".into())));
        }
        let mut archives = BTreeMap::new();
        for (name, rule) in file.archives {
            let place = format!("the rule for {}", printable(&name));
            let merged = Rule {
                require: rule.require.unwrap_or(default.require),
                covers: rule.covers.unwrap_or(default.covers),
                keys: match &rule.keys {
                    Some(keys) => read(keys)?,
                    None => default.keys.clone(),
                },
                minimum_version: rule.minimum_version,
            };
            let is_signed = merged.require == Require::Signature;
            let without_effect = [("keys", rule.keys.is_some()), ("covers", rule.covers.is_some())];
            if let Some((key, _)) = without_effect.into_iter().find(|(_, given)| *given && !is_signed) {
                return Err(fail(PolicyProblem::WithoutEffect(place, key)));
            }
            if is_signed && merged.keys.is_empty() {
                return Err(fail(PolicyProblem::NoKeys(place)));
            }
            if name_problem(&name).is_some() {
                return Err(fail(PolicyProblem::Name(name)));
            }
            if let Some(version) = merged.minimum_version.as_ref().filter(|version| !is_comparable(version)) {
                return Err(fail(PolicyProblem::Version { place, version: version.clone() }));
            }
            // IDs of archives are in lower case.
            if archives.insert(name.to_ascii_lowercase(), merged).is_some() {
                return Err(fail(PolicyProblem::TwoRules(name)));
            }
        }
        if let Some(id) = file.revoked.iter().find(|id| !is_key_id(id)) {
            return Err(fail(PolicyProblem::KeyId(id.clone())));
        }
        Ok(Self { default, archives, revoked: file.revoked, files })
    }

    /// A policy that requires a signature by one of these keys for every archive.
    #[must_use]
    pub fn of_keys(keys: Vec<PublicKey>, covers: Covers) -> Self {
        let default = Rule { require: Require::Signature, covers, keys, minimum_version: None };
        Self { default, ..Self::default() }
    }

    /// The files that it was read from: itself first, then its keys.
    #[must_use]
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// The rule for archives of this name, in upper or lower case.
    #[must_use]
    pub fn rule(&self, name: &str) -> &Rule {
        self.archives.get(&name.to_ascii_lowercase()).unwrap_or(&self.default)
    }

    /// The statement in a bundle, and the key that signed it, if the rule for the archive `name` accepts that key.
    ///
    /// # Errors
    ///
    /// [`Fault`].
    pub fn verify(&self, name: &str, bundle: &Bundle) -> Result<(ArchiveStatement, &PublicKey), Fault> {
        let is_revoked = |id: &str| self.revoked.iter().any(|revoked| revoked == id);
        if is_revoked(bundle.key_id()) {
            return Err(Fault::Revoked(bundle.key_id().to_owned()));
        }
        let signed = bundle.verify(&self.rule(name).keys)?;
        // The bundle may name the key in the way of cosign.
        if is_revoked(signed.key.id()) {
            return Err(Fault::Revoked(signed.key.id().to_owned()));
        }
        Ok((ArchiveStatement::parse(signed.statement)?, signed.key))
    }
}

/// Whether versions can be compared with this one: every version is newer than a word.
fn is_comparable(version: &str) -> bool {
    let numbers = version.strip_prefix('v').unwrap_or(version);
    version_problem(version).is_none() && numbers.starts_with(|first: char| first.is_ascii_digit())
}

fn is_key_id(id: &str) -> bool {
    let digest = id.strip_prefix("SHA256:");
    digest.is_some_and(|digest| digest.len() == 43 && crate::base64::decode(digest, "revoked").is_ok())
}

/// Reads a file that nobody but root and the user who runs the command can change.
fn read_safely(path: &Path, most: u64) -> Result<Vec<u8>, PolicyError> {
    let fail = |problem| PolicyError { path: path.to_owned(), problem };
    let io = |error| fail(PolicyProblem::Io(error));
    if std::fs::symlink_metadata(path).is_ok_and(|data| data.is_symlink()) {
        return Err(fail(PolicyProblem::Link));
    }
    let mut file = content::open(path, LinkPolicy::Refuse).map_err(io)?;
    let data = file.metadata().map_err(IoError::at("read", path)).map_err(io)?;
    let user = rustix::process::geteuid().as_raw();
    if data.uid() != 0 && data.uid() != user {
        return Err(fail(PolicyProblem::Owner(data.uid())));
    }
    if data.mode() & 0o022 != 0 {
        return Err(fail(PolicyProblem::Writable));
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = std::fs::metadata(folder).map_err(IoError::at("read", folder)).map_err(io)?;
    if folder.uid() != 0 && folder.uid() != user {
        return Err(fail(PolicyProblem::FolderOwner(folder.uid())));
    }
    // In a folder such as /tmp only the owners of a file and of the folder can replace the file.
    if folder.mode() & 0o022 != 0 && folder.mode() & 0o1000 == 0 {
        return Err(fail(PolicyProblem::FolderWritable));
    }
    content::read_bounded(&mut file, most).map_err(IoError::at("read", path)).map_err(io)
}
