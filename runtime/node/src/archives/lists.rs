//! The node configurations: the lists of archives.

use std::path::{Path, PathBuf};

use super::error::Error;
use super::node_layout::NodeLayout;
use super::only::Only;
use crate::site_config::{ConfigurationKind, Error as ConfigurationError, NodeConfiguration};

/// The archives that the node configurations list, those of the platform first, each once: the archives that a server on
/// this node serves.
///
/// # Errors
///
/// [`Error::Configuration`].
pub fn configured(paths: &NodeLayout) -> Result<Vec<PathBuf>, Error> {
    still_configured(paths, &[])
}

/// Those of [`configured`] that are Solutions, or may be: an `ArchivesConfiguration` lists all kinds, and an archive in it may be
/// missing.
///
/// # Errors
///
/// [`Error::Configuration`].
pub fn configured_solutions(paths: &NodeLayout) -> Result<Vec<PathBuf>, Error> {
    let mut found = Vec::new();
    for kind in ConfigurationKind::ALL {
        let Some(configuration) = read_if_exists(paths, kind)? else { continue };
        let solutions = configuration
            .archives()
            .iter()
            .filter(|path| Only::Solutions.refuse_listed(path, Some(kind)).is_ok());
        for path in solutions.filter(|path| !found.contains(*path)).cloned().collect::<Vec<_>>() {
            found.push(path);
        }
    }
    Ok(found)
}

/// As [`configured`], where the files of the kinds `required` must exist. They existed before; a missing file does not mean
/// an empty list, since editors and copies replace a file by removing it first.
pub(super) fn still_configured(
    paths: &NodeLayout,
    required: &[ConfigurationKind],
) -> Result<Vec<PathBuf>, Error> {
    let mut found: Vec<PathBuf> = Vec::new();
    for kind in ConfigurationKind::ALL {
        match read_if_exists(paths, kind)? {
            Some(configuration) => {
                let new = configuration.archives().iter().filter(|path| !found.contains(*path));
                found.extend(new.cloned().collect::<Vec<_>>());
            }
            None if required.contains(&kind) => return Err(Error::Gone(path_of(paths, kind).to_path_buf())),
            None => {}
        }
    }
    Ok(found)
}

/// The file of a configuration.
pub(super) fn path_of(paths: &NodeLayout, kind: ConfigurationKind) -> &Path {
    match kind {
        ConfigurationKind::Bootstrap => &paths.bootstrap,
        ConfigurationKind::Solutions => &paths.solutions,
        ConfigurationKind::Archives => &paths.archives,
    }
}

/// Reads a configuration; one of Solutions or archives that does not exist is empty.
pub(super) fn read(paths: &NodeLayout, kind: ConfigurationKind) -> Result<NodeConfiguration, Error> {
    Ok(NodeConfiguration::read(path_of(paths, kind), kind)?)
}

/// Reads a configuration; `None` if it does not exist.
pub(super) fn read_if_exists(
    paths: &NodeLayout,
    kind: ConfigurationKind,
) -> Result<Option<NodeConfiguration>, Error> {
    NodeConfiguration::read_if_exists(path_of(paths, kind), kind)
        .map_err(|error| with_other_files(paths, kind, error).into())
}

/// Adds to the problems of one file those of the others, so that all are corrected at once.
fn with_other_files(
    paths: &NodeLayout,
    kind: ConfigurationKind,
    mut error: ConfigurationError,
) -> ConfigurationError {
    if let ConfigurationError::Invalid { others, .. } = &mut error {
        let kinds = ConfigurationKind::ALL.into_iter().filter(|other| *other != kind);
        let read = |other| NodeConfiguration::read_if_exists(path_of(paths, other), other).err();
        let invalid = |error: &ConfigurationError| matches!(error, ConfigurationError::Invalid { .. });
        others.extend(kinds.filter_map(read).filter(invalid));
    }
    error
}

/// Whether the node accepts unverifiable archives, without `--unverified` at each import.
pub(super) fn accepts_unverified(paths: &NodeLayout) -> Result<bool, Error> {
    let configuration = read_if_exists(paths, ConfigurationKind::Archives)?;
    Ok(configuration.is_some_and(|configuration| configuration.accepts_unverified()))
}

/// The kind of the configuration that lists an archive, or that an import adds it to: its own `kind`, or `Archives` on a
/// node without MetalK8s.
pub(super) fn list_of(
    paths: &NodeLayout,
    archive: &Path,
    kind: ConfigurationKind,
) -> Result<ConfigurationKind, Error> {
    let mut existing = Vec::new();
    for kind in ConfigurationKind::ALL {
        let Some(configuration) = read_if_exists(paths, kind)? else { continue };
        if configuration.archives().iter().any(|listed| listed == archive) {
            return Ok(kind);
        }
        existing.push(kind);
    }
    let metalk8s = existing.contains(&ConfigurationKind::Bootstrap) || existing.contains(&kind);
    Ok(if metalk8s { kind } else { ConfigurationKind::Archives })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_problems_of_all_files_are_reported_at_once() {
        let root = tempfile::tempdir().unwrap();
        let file = |name: &str| root.path().join(name);
        let paths = NodeLayout {
            bootstrap: file("bootstrap.yaml"),
            solutions: file("solutions.yaml"),
            archives: file("archives.yaml"),
            ..NodeLayout::default()
        };
        std::fs::write(&paths.bootstrap, "kind: Other\n").unwrap();
        std::fs::write(&paths.archives, "archives: [x]\n").unwrap();
        let error = configured(&paths).unwrap_err().to_string();
        for expected in [
            "bootstrap.yaml:1:7: kind: expected BootstrapConfiguration",
            "archives.yaml:1:12: archives: expected an absolute path",
        ] {
            assert!(error.contains(expected), "{error}");
        }
        assert_eq!(error.matches("archives.yaml:1:12").count(), 1, "{error}");
    }
}
