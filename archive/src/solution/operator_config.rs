//! `OperatorConfig`: the file that an operator gets as `--config`, which says where the images of each version are.

use content::printable;

use super::{API_VERSION, ImageTag, yaml_scalar};

/// The kind of the file.
pub const KIND: &str = "OperatorConfig";

/// The configuration of the operator of a Solution.
///
/// ```
/// use archive::solution::OperatorConfig;
///
/// let mut config = OperatorConfig::default();
/// config.add("1.0.0", "metalk8s-registry/example-1.0.0", vec!["base-server:1.0.0".parse()?])?;
/// assert!(config.render().ends_with("      images:\n        - base-server:1.0.0\n"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OperatorConfig {
    versions: Vec<(String, Vec<Repository>)>,
}

/// Where images of a version are.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Repository {
    endpoint: String,
    images: Vec<ImageTag>,
}

/// A version or an endpoint that an operator would refuse.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not {expected}", printable(text))]
pub struct OperatorConfigError {
    text: String,
    expected: &'static str,
}

impl OperatorConfig {
    /// Adds the images of a version that are at `endpoint`, a registry and the first part of image names such as
    /// `metalk8s-registry/example-1.0.0`. A version can have several endpoints. Versions stay in the order in which they come
    /// first.
    ///
    /// # Errors
    ///
    /// The version or the endpoint is empty, or has blanks or control characters.
    pub fn add(
        &mut self,
        version: &str,
        endpoint: &str,
        images: Vec<ImageTag>,
    ) -> Result<(), OperatorConfigError> {
        for (text, expected) in [
            (version, "the version of a Solution"),
            (endpoint, "an endpoint such as registry.example.com/app"),
        ] {
            if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(OperatorConfigError { text: text.to_owned(), expected });
            }
        }
        let repository = Repository { endpoint: endpoint.to_owned(), images };
        match self.versions.iter_mut().find(|(known, _)| known == version) {
            Some((_, repositories)) => repositories.push(repository),
            None => self.versions.push((version.to_owned(), vec![repository])),
        }
        Ok(())
    }

    /// Whether it has no version. Operators refuse such a configuration.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.versions.is_empty()
    }

    /// The content of the file.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = format!("apiVersion: {API_VERSION}\nkind: {KIND}\n");
        if self.is_empty() {
            return text + "repositories: {}\n";
        }
        text += "repositories:\n";
        for (version, repositories) in &self.versions {
            text += &format!("  {}:\n", yaml_scalar(version));
            for Repository { endpoint, images } in repositories {
                text += &format!("    - endpoint: {}\n", yaml_scalar(endpoint));
                if images.is_empty() {
                    text += "      images: []\n";
                    continue;
                }
                text += "      images:\n";
                for image in images {
                    text += &format!("        - {}\n", yaml_scalar(&image.to_string()));
                }
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn images(names: &[&str]) -> Vec<ImageTag> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    #[test]
    fn the_online_example_of_the_guidelines() {
        let mut config = OperatorConfig::default();
        let zenko = images(&["cloudserver:1.0.0", "zenko-quorum:1.0.0"]);
        config.add("1.0.0", "registry.scality.com/zenko", zenko).unwrap();
        config.add("1.0.0", "quay.io/coreos", images(&["prometheus-operator:v0.34.0"])).unwrap();
        assert_eq!(
            config.render(),
            "\
apiVersion: solutions.metalk8s.scality.com/v1alpha1
kind: OperatorConfig
repositories:
  1.0.0:
    - endpoint: registry.scality.com/zenko
      images:
        - cloudserver:1.0.0
        - zenko-quorum:1.0.0
    - endpoint: quay.io/coreos
      images:
        - prometheus-operator:v0.34.0
"
        );
    }

    #[test]
    fn versions_keep_their_order_and_are_texts() {
        let mut config = OperatorConfig::default();
        config.add("1.1", "registry:5000/a-1.1", Vec::new()).unwrap();
        config.add("1.0", "registry:5000/a-1.0", images(&["a:1"])).unwrap();
        let text = config.render();
        assert!(
            text.contains("'1.1':\n    - endpoint: registry:5000/a-1.1\n      images: []\n  '1.0':\n"),
            "{text}"
        );
        let value: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
        assert_eq!(value["repositories"]["1.0"][0]["images"][0], "a:1");
    }

    #[test]
    fn what_an_operator_refuses_is_refused() {
        let mut config = OperatorConfig::default();
        for (version, endpoint) in [("", "registry/a"), ("1.0.0", ""), ("1.0.0", "a b"), ("1\n", "a")] {
            assert!(config.add(version, endpoint, Vec::new()).is_err(), "{version:?} {endpoint:?}");
        }
        assert!(config.is_empty());
        assert!(config.render().ends_with("repositories: {}\n"));
    }
}
