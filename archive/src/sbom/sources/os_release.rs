//! The distribution of an image (os-release(5)).

use super::text;
use crate::sbom::component::bounded;

/// A distribution.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Distribution {
    /// Its identifier: `rocky`.
    pub id: String,
    /// Its version: `9.4`; empty if it has none.
    pub version: String,
    /// Its name for people.
    pub name: String,
}

pub(super) fn read(bytes: &[u8]) -> Distribution {
    let text = text(bytes);
    let value = |key: &str| {
        let mut lines = text.lines().filter_map(|line| line.trim().split_once('='));
        let value = lines.find(|(known, _)| *known == key).map(|(_, value)| value).unwrap_or_default();
        let quoted = value.trim().trim_matches(|c| matches!(c, '"' | '\''));
        bounded(quoted)
    };
    Distribution { id: value("ID").to_lowercase(), version: value("VERSION_ID"), name: value("NAME") }
}
