//! Solutions: applications that a MetalK8s site imports, deploys and upgrades.
//!
//! [`manifest`] is the `manifest.yaml` at the root of the archive, [`requirement`] what it says about the platform,
//! [`operator_config`] the file that tells the operator of a Solution where its images are.

pub mod manifest;
pub mod operator_config;
pub mod requirement;

pub use manifest::{ImageTag, ImageTagError, SolutionManifest};
pub use operator_config::OperatorConfig;
pub use requirement::PlatformRequirement;

/// The group and version of the objects of Solutions: `manifest.yaml`, the configuration of an operator.
pub const API_VERSION: &str = "solutions.metalk8s.scality.com/v1alpha1";

/// `text` in YAML, with version numbers bare as the documents have them.
///
/// Only the pattern in the text of YAML 1.1 takes `1.0.0` for a number, and no parser follows it there.
fn yaml_scalar(text: &str) -> String {
    let is_version = text.starts_with(|first: char| first.is_ascii_digit())
        && text.split('.').filter(|part| part.starts_with(|c: char| c.is_ascii_digit())).count() >= 3
        && text.bytes().all(|letter| letter.is_ascii_alphanumeric() || b".-+~".contains(&letter));
    if is_version { text.to_owned() } else { crate::yaml::scalar(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_bare_where_every_parser_takes_them_for_text() {
        for bare in ["1.0.0", "1.0.0-rc.1", "10.2.3+build", "a", "solution-name"] {
            assert_eq!(yaml_scalar(bare), bare);
        }
        for quoted in ["1.0", "1", "1e3", "2026-01-31", "1.0.0: a", "1.0.0_1", "yes", "1.2.x"] {
            assert_eq!(yaml_scalar(quoted), format!("'{quoted}'"));
        }
    }
}
