//! The active version of a Solution. The configuration records it; the cluster deploys it when its Salt master applies the
//! states.

use std::path::PathBuf;

use archive::solution::requirement::check_layout;
use archive::{ArchiveId, Product, Tree, version};

use super::describe::described;
use super::error::Error;
use super::lists::read;
use super::lock::lock;
use super::node_layout::NodeLayout;
use super::requires;
use super::signed::check_policy;
use crate::site_config::{ConfigurationKind, NodeConfiguration};

/// The version by which a configuration names the newest imported one.
pub const LATEST: &str = "latest";

/// A change of the active version of a Solution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Activation {
    /// The Solution's name.
    pub solution: String,
    /// The version that is active now; `None` if none is.
    pub version: Option<String>,
    /// The version that was active before.
    pub former: Option<String>,
    /// The configuration that records it.
    pub file: PathBuf,
    /// What else the user should know: requirements that cannot be checked on this node.
    pub notes: Vec<String>,
}

/// Options of [`activate`].
#[derive(Clone, Copy, Debug, Default)]
pub struct ActivationOptions {
    /// Whether to activate a version even if the node does not have the archives that it requires.
    pub ignore_requires: bool,
    /// Whether to return the change without making it.
    pub dry_run: bool,
}

/// Activates `version` of the Solution `name`, or deactivates the Solution with `None`. The version is [`LATEST`], or an
/// imported version. Its requirements are checked again: since the import, archives may have come or gone.
///
/// # Errors
///
/// [`Error::NoSolution`], [`Error::NotForMetalk8s`], [`Error::Requires`], [`Error::Configuration`], [`Error::Locked`],
/// [`Error::Signature`];
/// [`Error::Archive`] for a layout that is not known.
pub fn activate(
    paths: &NodeLayout,
    name: &str,
    version: Option<&str>,
    options: &ActivationOptions,
) -> Result<Activation, Error> {
    let _lock = lock(paths, options.dry_run)?;
    let mut configuration = read(paths, ConfigurationKind::Solutions)?;
    let mut notes = Vec::new();
    if let Some(version) = version {
        let available = versions(&configuration, name);
        let Some((path, product)) = newest(&available, version) else {
            return Err(not_available(paths, name, version, &available)?);
        };
        check_layout(product)?;
        check_policy(paths, path)?;
        if !options.ignore_requires {
            notes = requires::refuse_unmet(paths, path, &Tree::open(path)?, product)?;
        }
    }
    let former = configuration.active().get(name).cloned();
    if former.as_deref() != version {
        configuration.set_active(name, version)?;
        if !options.dry_run {
            configuration.write()?;
        }
    }
    let file = configuration.path().to_path_buf();
    Ok(Activation { solution: name.to_owned(), version: version.map(str::to_owned), former, file, notes })
}

/// The error for a version that no archive of the `SolutionsConfiguration` has.
fn not_available(
    paths: &NodeLayout,
    name: &str,
    version: &str,
    available: &[(PathBuf, Product)],
) -> Result<Error, Error> {
    let served = read(paths, ConfigurationKind::Archives)?;
    let name = name.to_owned();
    Ok(match newest(&versions(&served, &name), version) {
        Some((_, product)) => Error::NotForMetalk8s {
            name,
            version: product.version.clone(),
            file: served.path().to_path_buf(),
        },
        None => {
            let available = available.iter().map(|(_, product)| product.version.clone()).collect();
            Error::NoSolution { name, version: version.to_owned(), available }
        }
    })
}

/// The version `wanted`, or for [`LATEST`] the last, if it is available.
fn newest<'a>(available: &'a [(PathBuf, Product)], wanted: &str) -> Option<&'a (PathBuf, Product)> {
    available.iter().rfind(|(_, product)| product.version == wanted || wanted == LATEST)
}

/// The imported versions of a Solution whose archives can be read, the oldest first.
fn versions(configuration: &NodeConfiguration, name: &str) -> Vec<(PathBuf, Product)> {
    let archives = configuration.archives().iter();
    let products = archives.filter_map(|archive| Some((archive.clone(), described(archive).ok()?.0)));
    let mut versions: Vec<_> = products.filter(|(_, product)| product.name == name).collect();
    version::sort(&mut versions, |(_, product)| &product.version);
    versions
}

/// The IDs of the Solutions that a configuration activates. `latest` is the newest version that it lists.
pub(super) fn active(configuration: &NodeConfiguration) -> Vec<ArchiveId> {
    let version = |name: &String, version: &String| {
        if version != LATEST {
            return Some(version.clone());
        }
        Some(versions(configuration, name).pop()?.1.version)
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

    const NOW: ActivationOptions = ActivationOptions { ignore_requires: false, dry_run: false };
    const DRY: ActivationOptions = ActivationOptions { dry_run: true, ..NOW };

    fn paths(folder: &std::path::Path) -> NodeLayout {
        NodeLayout {
            bootstrap: folder.join("bootstrap.yaml"),
            solutions: folder.join("solutions.yaml"),
            archives: folder.join("archives.yaml"),
            fstab: folder.join("fstab"),
            trust: folder.join("trust.yaml"),
            trust_must_exist: false,
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
        assert!(activate(&paths, "example", Some("1.9.0"), &DRY).unwrap().former.is_none());
        assert_eq!(text_of(&paths), "# ours\nactive: {}  # none yet\n");
        for (version, expected) in [
            (Some("1.9.0"), "# ours\nactive:  # none yet\n  example: \"1.9.0\"\n"),
            (Some("1.9.0"), "# ours\nactive:  # none yet\n  example: \"1.9.0\"\n"),
            (Some(LATEST), "# ours\nactive:  # none yet\n  example: \"latest\"\n"),
            (None, "# ours\nactive: {}  # none yet\n"),
            (None, "# ours\nactive: {}  # none yet\n"),
        ] {
            activate(&paths, "example", version, &NOW).unwrap();
            assert_eq!(text_of(&paths), expected);
        }
        for (name, version) in [("example", "1.0.0"), ("other", "1.9.0"), ("other", LATEST)] {
            let refused = activate(&paths, name, Some(version), &NOW);
            assert!(matches!(refused, Err(Error::NoSolution { .. })), "{refused:?}");
        }
    }

    #[test]
    fn an_activated_version_fits_the_platform() {
        let (folder, paths) = node(&["1.0.0", "1.1.0", "1.2.0-rc.1"], "");
        let requires = |version: &str, range: &str| {
            let file = folder.path().join(version).join("manifest.yaml");
            let text = std::fs::read_to_string(&file).unwrap();
            let annotation = format!(
                "{{name: example, annotations: {{solutions.metalk8s.scality.com/require-metalk8s: '{range}'}}}}"
            );
            std::fs::write(file, text.replace("{name: example}", &annotation)).unwrap();
        };
        requires("1.0.0", ">=2.0");
        requires("1.1.0", "newest");
        requires("1.2.0-rc.1", ">=2.11");
        let version = |version, options| activate(&paths, "example", Some(version), options);
        let note = "example-1.0.0 is for MetalK8s >=2.0; no archive on this node says which version runs";
        assert_eq!(version("1.0.0", &DRY).unwrap().notes, [note]);

        let platform = folder.path().join("platform");
        std::fs::create_dir(&platform).unwrap();
        std::fs::write(platform.join("product.txt"), "NAME=MetalK8s\nVERSION=2.10.0-alpha1\n").unwrap();
        std::fs::write(
            &paths.bootstrap,
            format!(
                "apiVersion: metalk8s.scality.com/v1alpha3\nkind: BootstrapConfiguration\nnetworks:\n  \
                 controlPlane: {{cidr: 10.0.0.0/8}}\n  workloadPlane: {{cidr: 10.0.0.0/8}}\nca: {{minion: b}}\narchives:\n  - {}\n",
                platform.display()
            ),
        )
        .unwrap();
        assert_eq!(version("1.0.0", &NOW).unwrap().notes, [""; 0]);
        let refused = version("1.1.0", &NOW).unwrap_err().to_string();
        assert!(refused.contains("require-metalk8s: `newest` is not a range of versions"), "{refused}");
        for wanted in ["1.2.0-rc.1", LATEST] {
            let refused = version(wanted, &NOW).unwrap_err().to_string();
            let expected = "example-1.2.0-rc.1 requires archives that this node does not have: MetalK8s >=2.11 is missing; \
                            available versions: 2.10.0-alpha1";
            assert_eq!(refused, expected);
        }
        version(LATEST, &ActivationOptions { ignore_requires: true, ..NOW }).unwrap();

        let manifest = folder.path().join("1.0.0/manifest.yaml");
        std::fs::remove_file(&manifest).unwrap();
        let older = "NAME=example\nVERSION=1.0.0\nARCHIVE_LAYOUT_VERSION=7\n";
        std::fs::write(folder.path().join("1.0.0/product.txt"), older).unwrap();
        let refused = version("1.0.0", &NOW).unwrap_err().to_string();
        assert_eq!(refused, "product.txt: ARCHIVE_LAYOUT_VERSION is \"7\": only 1 is known");
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
            let refused = activate(&paths, "example", Some(wanted), &NOW).unwrap_err();
            assert_eq!(
                refused.to_string(),
                format!(
                    "Solution example {found} is imported, but MetalK8s does not read {}, which lists it",
                    paths.archives.display()
                )
            );
        }
        let refused = activate(&paths, "example", Some("2.0.0"), &NOW);
        assert!(matches!(refused, Err(Error::NoSolution { .. })), "{refused:?}");
        assert!(!paths.solutions.exists());
    }
}
