//! The packages of archives, as clients are configured to find them.

use std::path::PathBuf;

use archive::PackageFormat;
use node::client_config::{ArchivePackages, Error};

use crate::args::node_paths::NodePaths;
use crate::failure::Failure;
use crate::output;
use crate::remedies;
use crate::remedies::serving::client as explained;

/// The repositories of the given archives, or of those that this node serves. Warns about packages of `format` without metadata.
pub(super) fn packages(
    given: &[PathBuf],
    of_this_node: bool,
    paths: &NodePaths,
    format: PackageFormat,
) -> Result<Vec<ArchivePackages>, Failure> {
    let found = opened(given, of_this_node, paths)?;
    let bare = found.iter().flat_map(ArchivePackages::unindexed).filter(|one| one.format == format);
    let lines: Vec<String> = bare.map(ToString::to_string).collect();
    output::warn_of(&lines, "repositories without metadata");
    Ok(found)
}

fn opened(given: &[PathBuf], of_this_node: bool, paths: &NodePaths) -> Result<Vec<ArchivePackages>, Failure> {
    if !of_this_node {
        return given.iter().map(|archive| ArchivePackages::of(archive).map_err(explained)).collect();
    }
    let listed = paths.served_archives()?;
    let mut found = Vec::new();
    for archive in &listed {
        match ArchivePackages::of(archive) {
            Ok(packages) => found.push(packages),
            // The packages of the others are still served.
            Err(error @ Error::Archive(_)) => output::warn(&output::left_out(archive, &error.to_string())),
            Err(error) => return Err(explained(error)),
        }
    }
    if found.is_empty() && !listed.is_empty() {
        return Err(remedies::archives::none_readable());
    }
    Ok(found)
}
