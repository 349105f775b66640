//! What the archive states about itself, as `spec.evidence` names it.

use schemars::JsonSchema;
use serde::Deserialize;

/// What the archive states about itself, in `attestations/`.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EvidenceEntry {
    /// `provenance.json`: the commit, the parameters and all that the archive was built from, as a predicate of SLSA Provenance 1.
    /// `sealift archive reproduce` builds the archive again from it.
    #[serde(default)]
    pub provenance: bool,
    /// SBOMs in the format SPDX 2.3: one for each image, with its packages, and one for the archive.
    #[serde(default)]
    pub sbom: bool,
}
