//! Reading `spec.release`.

use std::path::Path;

use super::Loader;
use super::parts::Part;
use crate::project::release::{CHANGELOG, ReleaseDefinition, ReleaseVersion};

impl Loader {
    /// Reads `release`. The last part that has it is used.
    pub(super) fn release(&mut self, parts: &[Part]) {
        let found =
            parts.iter().rev().find_map(|part| Some((part.file.as_path(), part.content.release.as_ref()?)));
        let usual = Some(Path::new(CHANGELOG)).filter(|name| self.project.root.join(name).is_file());
        let usual = usual.map(Path::to_path_buf);
        let Some((file, entry)) = found else {
            self.project.release = ReleaseDefinition { changelog: usual, versions: Vec::new() };
            return;
        };
        let changelog = match &entry.changelog {
            Some(changelog) => self.entries(file).existing(changelog),
            None => usual,
        };
        let mut versions = Vec::new();
        for place in &entry.versions {
            let path = self.entries(file).existing(&place.file);
            let key = match &place.key {
                Some(key) => match self.entries(file).name(key) {
                    Some(key) => Some(key.to_string()),
                    None => continue,
                },
                None => None,
            };
            versions.extend(path.map(|file| ReleaseVersion { file, key }));
        }
        self.project.release = ReleaseDefinition { changelog, versions };
    }
}
