//! The active version of a Solution. The configuration records it; the cluster deploys it when its Salt master applies the
//! states.

use std::path::PathBuf;

use archive::ArchiveId;
use serde::Serialize;

use super::describe::described;
use super::error::Error;
use super::lists::read;
use super::lock::lock;
use super::node_layout::NodeLayout;
use super::version;
use crate::site_config::{ConfigurationKind, NodeConfiguration};

/// The version by which a configuration names the newest imported one.
pub const LATEST: &str = "latest";

/// A change of the active version of a Solution.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Activation {
    /// The Solution's name.
    pub solution: String,
    /// The version that is active now; `None` if none is.
    pub version: Option<String>,
    /// The version that was active before.
    pub former: Option<String>,
    /// The configuration that records it.
    pub file: PathBuf,
}

/// Activates `version` of the Solution `name`, or deactivates the Solution with `None`. The version is [`LATEST`], or an
/// imported version.
///
/// # Errors
///
/// [`Error::NoSolution`], [`Error::NotForMetalk8s`], [`Error::Configuration`], [`Error::Locked`].
pub fn activate(
    paths: &NodeLayout,
    name: &str,
    version: Option<&str>,
    dry_run: bool,
) -> Result<Activation, Error> {
    let _lock = lock(paths, dry_run)?;
    let mut configuration = read(paths, ConfigurationKind::Solutions)?;
    if let Some(version) = version {
        let available = versions(&configuration, name);
        if newest(&available, version).is_none() {
            return Err(not_available(paths, name, version, available)?);
        }
    }
    let former = configuration.active().get(name).cloned();
    if former.as_deref() != version {
        configuration.set_active(name, version)?;
        if !dry_run {
            configuration.write()?;
        }
    }
    let file = configuration.path().to_path_buf();
    Ok(Activation { solution: name.to_owned(), version: version.map(str::to_owned), former, file })
}

/// The error for a version that no archive of the `SolutionsConfiguration` has.
fn not_available(
    paths: &NodeLayout,
    name: &str,
    version: &str,
    available: Vec<String>,
) -> Result<Error, Error> {
    let served = read(paths, ConfigurationKind::Archives)?;
    let name = name.to_owned();
    Ok(match newest(&versions(&served, &name), version) {
        Some(version) => {
            Error::NotForMetalk8s { name, version: version.to_owned(), file: served.path().to_path_buf() }
        }
        None => Error::NoSolution { name, version: version.to_owned(), available },
    })
}

/// The version `wanted`, or for [`LATEST`] the last, if it is available.
fn newest<'a>(available: &'a [String], wanted: &str) -> Option<&'a str> {
    available.iter().rfind(|found| *found == wanted || wanted == LATEST).map(String::as_str)
}

/// The imported versions of a Solution whose archives can be read, the oldest first.
fn versions(configuration: &NodeConfiguration, name: &str) -> Vec<String> {
    let products = configuration.archives().iter().filter_map(|archive| described(archive).ok());
    let mut versions: Vec<String> =
        products.filter(|(product, _)| product.name == name).map(|(product, _)| product.version).collect();
    version::sort(&mut versions, String::as_str);
    versions
}

/// The IDs of the Solutions that a configuration activates. `latest` is the newest version that it lists.
pub(super) fn active(configuration: &NodeConfiguration) -> Vec<ArchiveId> {
    let version = |name: &String, version: &String| {
        if version == LATEST { versions(configuration, name).pop() } else { Some(version.clone()) }
    };
    let active = configuration.active().iter();
    active
        .filter_map(|(name, wanted)| {
            format!("{}-{}", name.to_ascii_lowercase(), version(name, wanted)?).parse().ok()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(folder: &std::path::Path) -> NodeLayout {
        NodeLayout {
            bootstrap: folder.join("bootstrap.yaml"),
            solutions: folder.join("solutions.yaml"),
            archives: folder.join("archives.yaml"),
            fstab: folder.join("fstab"),
            mounts: folder.join("srv"),
            units: folder.join("units"),
            lock: folder.join("lock"),
        }
    }

    /// A node with these versions of the Solution `example`, and `more` in its configuration.
    fn node(versions: &[&str], more: &str) -> (tempfile::TempDir, NodeLayout) {
        let folder = tempfile::tempdir().unwrap();
        let paths = paths(folder.path());
        let mut text =
            "apiVersion: metalk8s.scality.com/v1alpha1\nkind: SolutionsConfiguration\narchives:\n".to_owned();
        for version in versions {
            let archive = folder.path().join(version);
            std::fs::create_dir(&archive).unwrap();
            let manifest = format!(
                "apiVersion: solutions.metalk8s.scality.com/v1alpha1\nkind: Solution\nmetadata: {{name: example}}\n\
                 spec:\n  version: {version}\n  operator: {{image: {{name: a, tag: b}}}}\n  images: []\n"
            );
            std::fs::write(archive.join("manifest.yaml"), manifest).unwrap();
            text.push_str(&format!("  - {}\n", archive.display()));
        }
        std::fs::write(&paths.solutions, text + more).unwrap();
        (folder, paths)
    }

    #[test]
    fn one_version_is_active_and_only_its_line_changes() {
        let (_folder, paths) = node(&["1.9.0", "1.10.0"], "# ours\nactive: {}  # none yet\n");
        let text_of = |paths: &NodeLayout| {
            let text = std::fs::read_to_string(&paths.solutions).unwrap();
            text[text.find("# ours").unwrap()..].to_owned()
        };
        assert!(activate(&paths, "example", Some("1.9.0"), true).unwrap().former.is_none());
        assert_eq!(text_of(&paths), "# ours\nactive: {}  # none yet\n");
        for (version, expected) in [
            (Some("1.9.0"), "# ours\nactive:  # none yet\n  example: \"1.9.0\"\n"),
            (Some("1.9.0"), "# ours\nactive:  # none yet\n  example: \"1.9.0\"\n"),
            (Some(LATEST), "# ours\nactive:  # none yet\n  example: \"latest\"\n"),
            (None, "# ours\nactive: {}  # none yet\n"),
            (None, "# ours\nactive: {}  # none yet\n"),
        ] {
            activate(&paths, "example", version, false).unwrap();
            assert_eq!(text_of(&paths), expected);
        }
        for (name, version) in [("example", "1.0.0"), ("other", "1.9.0"), ("other", LATEST)] {
            let refused = activate(&paths, name, Some(version), false);
            assert!(matches!(refused, Err(Error::NoSolution { .. })), "{refused:?}");
        }
    }

    #[test]
    fn a_solution_that_was_imported_without_metalk8s_is_found_and_not_activated() {
        let (_folder, paths) = node(&["1.9.0", "1.10.0"], "");
        let text = std::fs::read_to_string(&paths.solutions).unwrap();
        let text = text.replace("metalk8s.scality.com/v1alpha1", "sealift.dev/v1alpha1");
        std::fs::write(&paths.archives, text.replace("SolutionsConfiguration", "ArchivesConfiguration"))
            .unwrap();
        std::fs::remove_file(&paths.solutions).unwrap();
        for (wanted, found) in [("1.9.0", "1.9.0"), (LATEST, "1.10.0")] {
            let refused = activate(&paths, "example", Some(wanted), false).unwrap_err();
            assert_eq!(
                refused.to_string(),
                format!(
                    "Solution example {found} is imported, but MetalK8s does not read {}, which lists it",
                    paths.archives.display()
                )
            );
        }
        let refused = activate(&paths, "example", Some("2.0.0"), false);
        assert!(matches!(refused, Err(Error::NoSolution { .. })), "{refused:?}");
        assert!(!paths.solutions.exists());
    }
}
