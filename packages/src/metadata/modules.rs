//! Modules: several versions of software in one repository, of which one stream is active at a time.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::metadata_error;
use crate::error::Result;
use crate::repository::{HeaderFault, module_documents};

/// The modules of a repository.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Modules {
    /// All streams, in all their versions and contexts.
    pub streams: Vec<ModuleStream>,
    /// The defaults of each module, by its name.
    pub defaults: BTreeMap<String, ModuleDefaults>,
}

/// A build of a stream of a module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModuleStream {
    /// The module.
    pub module: String,
    /// The stream: `18`.
    pub stream: String,
    /// The version: a number that grows.
    pub version: u64,
    /// Which of several builds of one version.
    pub context: String,
    /// The architecture.
    pub arch: String,
    /// The packages of each profile.
    pub profiles: BTreeMap<String, Vec<String>>,
    /// Its packages: `NAME-EPOCH:VERSION-RELEASE.ARCH`.
    pub artifacts: Vec<String>,
    /// For each alternative, the modules that it requires and their streams; none means any.
    pub requires: Vec<BTreeMap<String, Vec<String>>>,
}

/// What counts where nobody chooses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModuleDefaults {
    /// The active stream.
    pub stream: Option<String>,
    /// The profiles of each stream.
    pub profiles: BTreeMap<String, Vec<String>>,
}

impl Modules {
    /// Reads a `modules.yaml`, unpacked. `name` is for messages. Documents of other kinds, such as obsoletes and
    /// translations, do not count.
    ///
    /// # Errors
    ///
    /// [`Error::Metadata`](crate::Error::Metadata) where it has other YAML.
    pub fn read(text: &str, name: &Path) -> Result<Self> {
        read(text).map_err(metadata_error(name))
    }
}

#[derive(Deserialize)]
struct Kind {
    document: String,
}

#[derive(Deserialize)]
struct Document<T> {
    data: T,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct StreamData {
    name: String,
    stream: String,
    version: u64,
    context: String,
    arch: String,
    profiles: BTreeMap<String, Profile>,
    artifacts: Artifacts,
    dependencies: Vec<Dependencies>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Profile {
    rpms: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Artifacts {
    rpms: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Dependencies {
    requires: BTreeMap<String, Vec<String>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct DefaultsData {
    module: String,
    stream: Option<String>,
    profiles: BTreeMap<String, Vec<String>>,
}

fn read(text: &str) -> Result<Modules, HeaderFault> {
    let mut modules = Modules::default();
    for (place, document) in module_documents(text)?.iter().enumerate() {
        let fault = |error: serde_saphyr::Error| {
            let first = error.to_string().lines().next().unwrap_or_default().to_owned();
            HeaderFault::new(format!("document {}", place + 1), "a stream or the defaults of a module", first)
        };
        let kind: Kind = serde_saphyr::from_str(document).map_err(fault)?;
        match kind.document.as_str() {
            "modulemd" => {
                let Document { data } =
                    serde_saphyr::from_str::<Document<StreamData>>(document).map_err(fault)?;
                modules.streams.push(ModuleStream {
                    module: data.name,
                    stream: data.stream,
                    version: data.version,
                    context: data.context,
                    arch: data.arch,
                    profiles: data.profiles.into_iter().map(|(name, profile)| (name, profile.rpms)).collect(),
                    artifacts: data.artifacts.rpms,
                    requires: data.dependencies.into_iter().map(|one| one.requires).collect(),
                });
            }
            "modulemd-defaults" => {
                let Document { data } =
                    serde_saphyr::from_str::<Document<DefaultsData>>(document).map_err(fault)?;
                let defaults = ModuleDefaults { stream: data.stream, profiles: data.profiles };
                modules.defaults.entry(data.module).or_insert(defaults);
            }
            _ => {}
        }
    }
    Ok(modules)
}
