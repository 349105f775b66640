//! The Solutions of a node.

use node::archives::{ListedSolution, SolutionHealth};
use schemars::JsonSchema;
use serde::Serialize;

use super::node::ArchiveDocument;
use crate::output::document::{Document, List};

/// A version of a Solution on a node.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Solution")]
pub(crate) struct SolutionDocument {
    /// The name; null if the archive cannot be read.
    name: Option<String>,
    /// The version; null if the archive cannot be read.
    version: Option<String>,
    /// The name that people read; null in the older layout.
    display_name: Option<String>,
    /// Whether this version is active.
    active: bool,
    /// What is known without reading the content.
    health: Health,
    /// Whether the content can be verified: the archive has `SHA256SUMS` or an implanted MD5. Null if it cannot be read.
    verifiable: Option<bool>,
    /// The images, as `NAME:TAG`.
    images: Vec<String>,
    /// The image of the operator, as `NAME:TAG`.
    operator: Option<String>,
    /// The image of the user interface, as `NAME:TAG`.
    ui: Option<String>,
    /// What is wrong.
    problem: Option<String>,
    /// The environments that have this version; null without --environments.
    environments: Option<Vec<SolutionUse>>,
    /// The archive; null for an active version that is not imported.
    archive: Option<ArchiveDocument>,
}

/// A namespace that has a version of a Solution.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct SolutionUse {
    /// The name of the environment.
    pub(crate) environment: String,
    /// One of its namespaces.
    pub(crate) namespace: String,
}

impl std::fmt::Display for SolutionUse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { environment, namespace } = self;
        let text = if environment == namespace {
            environment.clone()
        } else {
            format!("{environment}, namespace {namespace}")
        };
        content::printable(&text).fmt(f)
    }
}

impl Document for List<SolutionDocument> {
    const KIND: &'static str = "SolutionList";
}

/// What is known of a Solution without reading the content of its archive.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Health {
    /// All images are in the archive, with all of their blobs.
    Complete,
    /// Images or blobs are missing.
    Incomplete,
    /// The archive cannot be read.
    Unreadable,
    /// The archive does not exist, or the version is active and not imported.
    Missing,
}

impl SolutionDocument {
    pub(crate) fn new(one: &ListedSolution, uses: &Option<Vec<SolutionUse>>) -> Self {
        Self {
            name: one.name.clone(),
            version: one.version.clone(),
            display_name: one.display_name.clone(),
            active: one.active,
            health: match one.health {
                SolutionHealth::Complete => Health::Complete,
                SolutionHealth::Incomplete => Health::Incomplete,
                SolutionHealth::Unreadable => Health::Unreadable,
                SolutionHealth::Missing => Health::Missing,
            },
            verifiable: one.verifiable,
            images: one.images.clone(),
            operator: one.operator.as_ref().map(ToString::to_string),
            ui: one.ui.as_ref().map(ToString::to_string),
            problem: one.problem.clone(),
            environments: uses.clone(),
            archive: one.archive.as_ref().map(Into::into),
        }
    }
}
