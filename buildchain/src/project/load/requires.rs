//! Reading `spec.requires`.

use std::path::Path;

use archive::requires::Requirement;

use super::Loader;
use crate::project::file::RequirementEntry;

impl Loader {
    /// Reads an archive that the file at `path` requires.
    pub(super) fn requirement(&mut self, path: &Path, entry: &RequirementEntry) {
        let mut entries = self.entries(path);
        let (name, version) =
            (entries.name(&entry.name), entry.version.as_ref().map(|range| entries.name(range)));
        let (images, packages) = (entries.names(&entry.images), entries.names(&entry.packages));
        let (Some(name), Some(version)) = (name, version.map_or(Some(None), |range| range.map(Some))) else {
            return;
        };
        let same = |other: &str| other.eq_ignore_ascii_case(name.as_str());
        let own = self.project.values.name.clone();
        let is_known = self.project.requires.iter().any(|known| same(&known.name));
        if same(&own) {
            self.entries(path).wrong(&entry.name, format!("an archive cannot require itself: it is `{own}`"));
        } else if is_known {
            let message = format!("`{name}` is required twice: write one entry with all that is used of it");
            self.entries(path).wrong(&entry.name, message);
        } else {
            self.project.requires.push(Requirement {
                name: name.as_str().to_owned(),
                version,
                images,
                packages: packages.iter().map(|package| package.as_str().to_owned()).collect(),
                of_platform: false,
            });
        }
    }
}
