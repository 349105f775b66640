//! SLSA provenance, version 1 (<https://slsa.dev/spec/v1.1/provenance>): what an archive was built from, and how.
//!
//! An archive has the predicate as a file, so that `SHA256SUMS` covers it, and two builds of the same sources have the same one. A
//! statement with it, about the finished ISO, is signed beside the archive.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Fault, Subject, json, statement};

/// The type of the predicate of a statement about a build.
pub const PROVENANCE_PREDICATE: &str = "https://slsa.dev/provenance/v1";
/// The type of a build of an archive: what its parameters mean.
pub const BUILD_TYPE: &str = "https://sealift.dev/build/archive/v1";
/// The builder of a provenance that names no other: Sealift, run by the one who signs.
pub const BUILDER_ID: &str = "https://sealift.dev/builder/v1";
/// The name of the dependency that is the commit of the project.
pub const SOURCE: &str = "source";
/// The most bytes of a provenance.
pub const PROVENANCE_MAX: usize = 16 << 20;

/// What an archive was built from, and how: the predicate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Provenance {
    /// What was built.
    pub build_definition: BuildDefinition,
    /// Who built it.
    pub run_details: RunDetails,
}

/// What was built, from what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BuildDefinition {
    /// [`BUILD_TYPE`].
    pub build_type: String,
    /// What the user chose.
    pub external_parameters: BuildParameters,
    /// What follows from the sources.
    pub internal_parameters: InternalParameters,
    /// The commit of the project, named [`SOURCE`], and all that is fetched, sorted by name and URI.
    pub resolved_dependencies: Vec<Material>,
}

/// What the user chose for a build. With the same sources, equal parameters give equal archives.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BuildParameters {
    /// The folder of the project in its repository; empty for the root.
    #[serde(default)]
    pub project: String,
    /// The profiles, in their order.
    #[serde(default)]
    pub profiles: Vec<String>,
    /// The variables of the command line.
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
    /// The environment variables that the project reads and that were set. Their values are not recorded, since they can be
    /// secrets.
    #[serde(default)]
    pub environment: Vec<String>,
    /// The settings that change the archive, with their values: `SOURCE_DATE_EPOCH`.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
}

/// What follows from the sources of a build.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InternalParameters {
    /// The name of the archive.
    pub name: String,
    /// The version of the archive.
    pub version: String,
    /// The architecture of the programs that were compiled: `x86_64`.
    pub architecture: String,
    /// The date of the archive, in seconds since 1970.
    pub source_date: i64,
}

/// Something that an archive was built from.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Material {
    /// Its name: [`SOURCE`], or that of a package.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where it comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// Its digests, by their names: `sha256`, `gitCommit`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub digest: BTreeMap<String, String>,
    /// More about it: `dirty`, if files of the project differed from the commit.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, bool>,
}

/// Who built an archive. Times are not in it: they would differ in each build.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RunDetails {
    /// The builder.
    pub builder: Builder,
}

/// What ran a build.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Builder {
    /// A URI for all that must be trusted for the build: [`BUILDER_ID`], or one that the signer names.
    pub id: String,
    /// The versions of its programs: `sealift`.
    #[serde(default)]
    pub version: BTreeMap<String, String>,
}

/// The annotation of a commit whose files were changed.
const DIRTY: &str = "dirty";

impl Material {
    /// A commit; `dirty` if files differed from it.
    #[must_use]
    pub fn commit(hash: &str, dirty: bool) -> Self {
        Self {
            name: Some(SOURCE.to_owned()),
            uri: None,
            digest: BTreeMap::from([("gitCommit".to_owned(), hash.to_owned())]),
            annotations: dirty.then(|| (DIRTY.to_owned(), true)).into_iter().collect(),
        }
    }

    /// A file or an image with the SHA-256 `digest`.
    #[must_use]
    pub fn content(name: Option<&str>, uri: Option<&str>, digest: content::Digest) -> Self {
        Self {
            name: name.map(ToOwned::to_owned),
            uri: uri.map(ToOwned::to_owned),
            digest: BTreeMap::from([("sha256".to_owned(), digest.hex())]),
            annotations: BTreeMap::new(),
        }
    }

    /// The commit of another repository.
    #[must_use]
    pub fn git(uri: &str, commit: &str) -> Self {
        Self { uri: Some(uri.to_owned()), name: None, ..Self::commit(commit, false) }
    }
}

impl Provenance {
    /// What `builder_version` of Sealift builds from `materials`, which are sorted here.
    #[must_use]
    pub fn new(
        parameters: BuildParameters,
        internal: InternalParameters,
        mut materials: Vec<Material>,
        builder_version: &str,
    ) -> Self {
        materials.sort();
        materials.dedup();
        Self {
            build_definition: BuildDefinition {
                build_type: BUILD_TYPE.to_owned(),
                external_parameters: parameters,
                internal_parameters: internal,
                resolved_dependencies: materials,
            },
            run_details: RunDetails {
                builder: Builder {
                    id: BUILDER_ID.to_owned(),
                    version: BTreeMap::from([("sealift".to_owned(), builder_version.to_owned())]),
                },
            },
        }
    }

    /// Reads a predicate.
    ///
    /// # Errors
    ///
    /// [`Fault`]: it has more than [`PROVENANCE_MAX`] bytes, is not such JSON, or is about a build of another type.
    pub fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        const WHAT: &str = "the provenance";
        if bytes.len() > PROVENANCE_MAX {
            return Err(Fault::ProvenanceTooLarge { limit: PROVENANCE_MAX >> 20 });
        }
        let value = json::parse(bytes, WHAT)?;
        let found: Self = serde_json::from_value(value)
            .map_err(|error| Fault::NotProvenance { reason: error.to_string() })?;
        if found.build_definition.build_type != BUILD_TYPE {
            return Err(Fault::BuildType(found.build_definition.build_type));
        }
        Ok(found)
    }

    /// The predicate as JSON, indented, with a line end; equal values give equal text.
    ///
    /// # Errors
    ///
    /// [`Fault::NotProvenance`]; no value that can be made has it.
    pub fn render(&self) -> Result<String, Fault> {
        let text = serde_json::to_string_pretty(self)
            .map_err(|error| Fault::NotProvenance { reason: error.to_string() })?;
        Ok(text + "\n")
    }

    /// A statement, as JSON in one line, that `subjects` were built like this.
    ///
    /// # Errors
    ///
    /// [`Fault`] if [`Statement::parse`](crate::Statement::parse) would refuse it.
    pub fn statement(&self, subjects: &[Subject]) -> Result<String, Fault> {
        statement::render(subjects, PROVENANCE_PREDICATE, self)
    }

    /// The hash of the commit that was built, and whether files differed from it; `None` outside a repository.
    #[must_use]
    pub fn commit(&self) -> Option<(&str, bool)> {
        let materials = &self.build_definition.resolved_dependencies;
        let source = materials.iter().find(|one| one.name.as_deref() == Some(SOURCE))?;
        // git also takes other texts for a commit, such as the name of a branch.
        let is_hash = |text: &&String| {
            [40, 64].contains(&text.len()) && text.bytes().all(|digit| digit.is_ascii_hexdigit())
        };
        let hash = source.digest.get("gitCommit").filter(is_hash)?;
        Some((hash, source.annotations.get(DIRTY) == Some(&true)))
    }

    /// The version of Sealift that built the archive.
    #[must_use]
    pub fn builder_version(&self) -> Option<&str> {
        self.run_details.builder.version.get("sealift").map(String::as_str)
    }
}
