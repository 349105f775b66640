//! The file of a policy, and the files that it names.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use content::{IoError, LinkPolicy, printable};
use serde::{Deserialize, Deserializer};
use serde_saphyr::UserMessageFormatter;

use super::{Covers, ENTRIES_MAX, Policy, PolicyError, PolicyProblem, Require, Rule};
use crate::archive_statement::{name_problem, version_problem};
use crate::{Fault, Identity, KEY_MAX, PublicKey, Signers, TRUSTED_ROOT_MAX, TrustedRoot};

/// The most bytes of a policy.
const POLICY_MAX: u64 = 1 << 20;

/// Reads a file that a policy names, with at most a number of bytes.
pub type ReadFile<'a> = dyn FnMut(&Path, u64) -> Result<Vec<u8>, PolicyError> + 'a;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct File {
    require: Require,
    #[serde(default)]
    covers: Covers,
    #[serde(default)]
    keys: Vec<PathBuf>,
    #[serde(default)]
    identities: Vec<FileIdentity>,
    #[serde(default, deserialize_with = "given")]
    trusted_root: Option<PathBuf>,
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
    identities: Option<Vec<FileIdentity>>,
    #[serde(default, deserialize_with = "given")]
    minimum_version: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct FileIdentity {
    subject: String,
    issuer: String,
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
            Ok(bytes) => Self::parse(&bytes, path, &mut read_safely).map(Some),
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
        Self::parse(&bytes, path, &mut read_safely)
    }

    /// A policy from its text. `path` names it, and its folder is that of relative paths of keys and of the trusted root, which `read_file` reads up to a
    /// number of bytes.
    ///
    /// # Errors
    ///
    /// [`PolicyError`]: it breaks its format; those of `read_file`.
    pub fn parse(bytes: &[u8], path: &Path, read_file: &mut ReadFile<'_>) -> Result<Self, PolicyError> {
        let fail = |problem| PolicyError { path: path.to_owned(), problem };
        let text =
            str::from_utf8(bytes).map_err(|_| fail(PolicyProblem::Invalid("it is not UTF-8".into())))?;
        let file: File = serde_saphyr::from_str(text)
            .map_err(|error| error.without_snippet().render_with_formatter(&UserMessageFormatter))
            .map_err(|reason| fail(PolicyProblem::Invalid(reason)))?;
        if file.archives.len() > ENTRIES_MAX || file.revoked.len() > ENTRIES_MAX {
            return Err(fail(PolicyProblem::TooMany { what: "it" }));
        }
        let mut reader = SignersReader { path, read_file, root: None, files: vec![path.to_owned()] };
        if let Some(root) = &file.trusted_root {
            let rules = file.archives.values().filter_map(|rule| rule.identities.as_ref());
            if file.identities.is_empty() && rules.flatten().next().is_none() {
                return Err(fail(PolicyProblem::RootWithoutEffect));
            }
            reader.root = Some(reader.read(root, TRUSTED_ROOT_MAX, TrustedRoot::parse)?);
        }
        let default = Rule {
            require: file.require,
            covers: file.covers,
            signers: reader.signers("the policy", &file.keys, &file.identities)?,
            minimum_version: None,
        };
        if default.require == Require::Signature && default.signers.is_empty() {
            return Err(fail(PolicyProblem::NoSigners("the policy".into())));
        }
        let mut archives = BTreeMap::new();
        for (name, rule) in file.archives {
            let place = format!("the rule for {}", printable(&name));
            let merged = Rule {
                require: rule.require.unwrap_or(default.require),
                covers: rule.covers.unwrap_or(default.covers),
                // Whoever names the signers of an archive does not mean those of all archives too.
                signers: match (&rule.keys, &rule.identities) {
                    (None, None) => default.signers.clone(),
                    (keys, identities) => reader.signers(
                        &place,
                        keys.as_deref().unwrap_or_default(),
                        identities.as_deref().unwrap_or_default(),
                    )?,
                },
                minimum_version: rule.minimum_version,
            };
            let is_signed = merged.require == Require::Signature;
            let without_effect = [
                ("keys", rule.keys.is_some()),
                ("identities", rule.identities.is_some()),
                ("covers", rule.covers.is_some()),
            ];
            if let Some((key, _)) = without_effect.into_iter().find(|(_, given)| *given && !is_signed) {
                return Err(fail(PolicyProblem::WithoutEffect(place, key)));
            }
            if is_signed && merged.signers.is_empty() {
                return Err(fail(PolicyProblem::NoSigners(place)));
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
        Ok(Self { default, archives, revoked: file.revoked, files: reader.files })
    }
}

/// Reads the files of a policy that say whose signatures count.
struct SignersReader<'a> {
    path: &'a Path,
    read_file: &'a mut ReadFile<'a>,
    root: Option<TrustedRoot>,
    files: Vec<PathBuf>,
}

impl SignersReader<'_> {
    fn fail(&self, problem: PolicyProblem) -> PolicyError {
        PolicyError { path: self.path.to_owned(), problem }
    }

    fn signers(
        &mut self,
        place: &str,
        keys: &[PathBuf],
        identities: &[FileIdentity],
    ) -> Result<Signers, PolicyError> {
        for (what, count) in [("`keys`", keys.len()), ("`identities`", identities.len())] {
            if count > ENTRIES_MAX {
                return Err(self.fail(PolicyProblem::TooMany { what }));
            }
        }
        let keys = keys.iter().map(|key| self.read(key, KEY_MAX, PublicKey::read));
        let keys = keys.collect::<Result<Vec<_>, _>>()?;
        let no_root = || self.fail(PolicyProblem::NoRoot(place.to_owned()));
        let identities = identities.iter().map(|identity| {
            let root = self.root.as_ref().ok_or_else(no_root)?;
            Identity::new(root, &identity.subject, &identity.issuer)
                .map_err(|fault| self.fail(PolicyProblem::Identity(place.to_owned(), Box::new(fault))))
        });
        Ok(Signers { keys, identities: identities.collect::<Result<Vec<_>, _>>()? })
    }

    /// What `parse` finds in a file, whose path may be relative to the folder of the policy.
    fn read<T>(
        &mut self,
        path: &Path,
        limit: u64,
        parse: impl Fn(&[u8]) -> Result<T, Fault>,
    ) -> Result<T, PolicyError> {
        let path = self.path.parent().unwrap_or(Path::new("/")).join(path);
        let parsed = parse(&(self.read_file)(&path, limit)?);
        self.files.push(path.clone());
        parsed.map_err(|fault| PolicyError { path, problem: PolicyProblem::Key(fault) })
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
