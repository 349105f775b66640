//! The versions of MetalK8s that a Solution needs.
//!
//! A `manifest.yaml` has them in the annotation [`REQUIRE_METALK8S`], a `product.txt` of the
//! older layout in the key [`PRODUCT_KEY`]. Both are one [`Requirement`] of an archive, which
//! [`requires::of`](crate::requires::of) finds and [`requires::unmet`](crate::requires::unmet) compares with the archives of a node.

use super::manifest::REQUIRE_METALK8S;
use crate::requires::{Requirement, RequirementError, VersionRange};
use crate::{Error, Product, Result, layout};

/// The key of `product.txt`.
pub const PRODUCT_KEY: &str = "REQUIRE_METALK8S";
/// The key of `product.txt` with the version of the older layout.
pub const LAYOUT_KEY: &str = "ARCHIVE_LAYOUT_VERSION";
/// The only version of the older layout.
pub const LAYOUT_VERSION: &str = "1";
/// The archive that a requirement means.
pub const METALK8S: &str = "MetalK8s";

/// The versions of MetalK8s that a Solution needs: `>=2.7 <2.9`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlatformRequirement(VersionRange);

impl PlatformRequirement {
    /// The requirement that product information has, whether it comes from `product.txt` or from `manifest.yaml`.
    ///
    /// # Errors
    ///
    /// [`Error::Content`]: the value is not a range of versions.
    pub fn of(product: &Product) -> Result<Option<Self>> {
        let places = [(PRODUCT_KEY, layout::PRODUCT), (REQUIRE_METALK8S, layout::MANIFEST)];
        for (key, file) in places {
            let value = product.other.iter().find(|(other, value)| other == key && !value.trim().is_empty());
            let Some((_, range)) = value else { continue };
            return range.parse().map(Some).map_err(|error: RequirementError| Error::Content {
                file: file.into(),
                problem: format!("{key}: {error}"),
            });
        }
        Ok(None)
    }

    /// The range of versions.
    #[must_use]
    pub fn range(&self) -> &VersionRange {
        &self.0
    }

    /// The requirement as one of an archive. It means the running platform, whose archive need not be on the node.
    #[must_use]
    pub fn requirement(&self) -> Requirement {
        Requirement {
            name: METALK8S.into(),
            version: Some(self.0.clone()),
            images: Vec::new(),
            packages: Vec::new(),
            of_platform: true,
        }
    }
}

impl std::fmt::Display for PlatformRequirement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::str::FromStr for PlatformRequirement {
    type Err = RequirementError;

    fn from_str(text: &str) -> Result<Self, RequirementError> {
        text.parse().map(Self)
    }
}

/// Checks that the layout of a `product.txt` is known.
///
/// # Errors
///
/// [`Error::UnknownVersion`]: the layout has another version than [`LAYOUT_VERSION`].
pub fn check_layout(product: &Product) -> Result<()> {
    match product.other.iter().find(|(key, value)| key == LAYOUT_KEY && value != LAYOUT_VERSION) {
        None => Ok(()),
        Some((_, version)) => Err(Error::UnknownVersion {
            file: layout::PRODUCT.into(),
            problem: format!("{LAYOUT_KEY} is {version:?}: only {LAYOUT_VERSION} is known"),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_layouts_say_it_alike() {
        let manifest = "apiVersion: solutions.metalk8s.scality.com/v1alpha1\nkind: Solution\nmetadata:\n  name: a\n  \
            annotations: {solutions.metalk8s.scality.com/require-metalk8s: '>=2.7 <2.9'}\nspec:\n  version: 1\n";
        let older = "NAME=a\nVERSION=1\nREQUIRE_METALK8S=\">=2.7 <2.9\"\nARCHIVE_LAYOUT_VERSION=1\n";
        for product in [Product::from_manifest(manifest).unwrap(), Product::parse(older).unwrap()] {
            let requirement = PlatformRequirement::of(&product).unwrap().unwrap();
            assert!(requirement.range().contains("2.8.1") && !requirement.range().contains("2.9.0"));
            assert_eq!(requirement.requirement().to_string(), "MetalK8s >=2.7 <2.9");
            check_layout(&product).unwrap();
        }
    }

    #[test]
    fn wrong_values_are_named() {
        let product = |line: &str| Product::parse(&format!("NAME=a\nVERSION=1\n{line}\n")).unwrap();
        assert_eq!(PlatformRequirement::of(&product("REQUIRE_METALK8S=")).unwrap(), None);
        let error = PlatformRequirement::of(&product("REQUIRE_METALK8S=newest")).unwrap_err().to_string();
        assert!(error.starts_with("product.txt: REQUIRE_METALK8S: `newest`"), "{error}");
        let manifest = crate::solution::SolutionManifest {
            annotations: [(REQUIRE_METALK8S.to_owned(), "newest".to_owned())].into(),
            ..Default::default()
        };
        let error = PlatformRequirement::of(&manifest.product()).unwrap_err().to_string();
        assert!(
            error.starts_with("manifest.yaml: solutions.metalk8s.scality.com/require-metalk8s: `newest`"),
            "{error}"
        );
        let error = check_layout(&product("ARCHIVE_LAYOUT_VERSION=7")).unwrap_err().to_string();
        assert_eq!(error, "product.txt: ARCHIVE_LAYOUT_VERSION is \"7\": only 1 is known");
    }
}
