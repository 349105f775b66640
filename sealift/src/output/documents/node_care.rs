//! Bootstrap, upgrade, downgrade, backup and restoration of a node, and their hooks.

use node::hooks::FoundHooks;
use schemars::JsonSchema;
use serde::Serialize;

use super::text;
use crate::output::document::{Document, List};

/// A program that does the cluster's part of a step.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Hook")]
pub(crate) struct HookDocument {
    /// The step: `pre-upgrade`, for example.
    step: String,
    /// `archive` or `site`.
    origin: String,
    /// The file.
    path: String,
}

impl Document for List<HookDocument> {
    const KIND: &'static str = "HookList";
}

impl HookDocument {
    /// The hooks of a step, in order.
    pub(crate) fn all(found: &FoundHooks) -> impl Iterator<Item = Self> {
        found.hooks.iter().map(|hook| Self {
            step: found.step.to_string(),
            origin: hook.origin.to_string(),
            path: text(&hook.path),
        })
    }
}
