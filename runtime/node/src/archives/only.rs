//! Which archives a command accepts.

use std::path::Path;

use super::describe::described;
use super::error::Error;
use crate::site_config::ConfigurationKind;

/// The archives that an import or a deletion accepts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Only {
    /// All archives.
    #[default]
    Any,
    /// Solutions.
    Solutions,
}

impl Only {
    /// Refuses an archive whose own `kind` is not accepted.
    pub(super) fn refuse_other(self, archive: &Path, kind: ConfigurationKind) -> Result<(), Error> {
        if self == Self::Any || kind == ConfigurationKind::Solutions {
            return Ok(());
        }
        Err(Error::NoSolutionArchive(archive.to_path_buf()))
    }

    /// Refuses an archive that is not accepted, where `listing` is the kind of the configuration that lists it, if any does. One that
    /// cannot be read is accepted unless it is listed as a platform.
    pub(super) fn refuse_listed(
        self,
        archive: &Path,
        listing: Option<ConfigurationKind>,
    ) -> Result<(), Error> {
        let kind = match listing {
            Some(kind @ (ConfigurationKind::Bootstrap | ConfigurationKind::Solutions)) => kind,
            Some(ConfigurationKind::Archives) | None => {
                described(archive).map_or(ConfigurationKind::Solutions, |(_, kind)| kind)
            }
        };
        self.refuse_other(archive, kind)
    }
}
