//! What the archive says about how it was made, as `spec.evidence` names it.

use schemars::JsonSchema;
use serde::Deserialize;

/// What the archive has about its own making, in `attestations/`.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EvidenceEntry {
    /// `provenance.json`: the commit, the parameters and all that the archive was built from, as a predicate of SLSA Provenance 1.
    /// `sealift archive reproduce` builds the archive again from it.
    #[serde(default)]
    pub provenance: bool,
}
