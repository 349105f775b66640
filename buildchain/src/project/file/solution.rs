//! What makes an archive a Solution, as `spec.solution` says it.

use std::collections::BTreeMap;

use archive::requires::VersionRange;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::short::{HasShortForm, Short};
use crate::project::field::Field;
use crate::project::names::{ImageOfArchive, ProjectPath, Text};

/// What `manifest.yaml` says about a Solution besides its name, its version and its images.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SolutionEntry {
    /// The name that people read. Default: the name of the project.
    #[serde(default)]
    pub display_name: Option<Field<Text>>,
    /// The operator: its image, or keys with values.
    #[serde(default)]
    pub operator: Option<Short<OperatorEntry>>,
    /// The user interface: its image, or keys with values.
    #[serde(default)]
    pub ui: Option<Short<UiEntry>>,
    /// The range of versions of MetalK8s that the Solution needs, such as `>=2.7 <2.9`. Default: all.
    #[serde(default)]
    pub require_metalk8s: Option<Field<VersionRange>>,
    /// Annotations of the manifest. A key without `/` is one of `solutions.metalk8s.scality.com`: `build-host`,
    /// `development-release`.
    #[serde(default)]
    pub annotations: BTreeMap<String, Field<Text>>,
    /// `2019` writes `product.txt` as MetalK8s read it in that year, instead of `manifest.yaml`.
    #[serde(default)]
    #[schemars(with = "u16", extend("enum" = [2019]))]
    pub layout: Option<Spanned<u16>>,
}

/// The operator of a Solution.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OperatorEntry {
    /// Its image in the archive: `NAME`, or `NAME:TAG` if the archive has several with that name.
    pub image: Field<ImageOfArchive>,
    /// The folder with `crds/` and `role.yaml`, relative to the project. It becomes `operator/deploy` in the archive. Default:
    /// `operator/deploy`.
    #[serde(default)]
    pub deploy: Option<Field<ProjectPath>>,
}

impl HasShortForm for OperatorEntry {
    type Main = ImageOfArchive;
    const MAIN: &'static str = "an image of the archive";

    fn of(image: Field<ImageOfArchive>) -> Self {
        Self { image, deploy: None }
    }
}

/// The user interface of a Solution.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UiEntry {
    /// Its image in the archive: `NAME`, or `NAME:TAG` if the archive has several with that name.
    pub image: Field<ImageOfArchive>,
}

impl HasShortForm for UiEntry {
    type Main = ImageOfArchive;
    const MAIN: &'static str = "an image of the archive";

    fn of(image: Field<ImageOfArchive>) -> Self {
        Self { image }
    }
}
