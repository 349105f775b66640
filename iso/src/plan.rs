//! The plan of an image: where every byte will lie, before any content is read.

use std::fmt;
use std::path::Path;

use crate::format::SECTOR;
use crate::format::descriptor::VOLUME_ID_LEN;
use crate::layout::Layout;
use crate::tree::Tree;
use crate::writer::{self, Sums};
use crate::{Error, Options, Progress, Result, listing};

/// Every record, extent and size of an image, before any content is read.
///
/// The image is a pure function of the plan and the contents. Printed, a plan is a table of what lies where.
#[derive(Debug)]
pub struct Plan {
    tree: Tree,
    layout: Layout,
}

impl Plan {
    /// Plans the image of the tree below `root`, whose own name does not matter.
    ///
    /// # Errors
    ///
    /// Everything that the image could not hold is refused here, by its path; see [`Error::Limit`],
    /// [`Error::VolumeId`] and [`Error::SpecialFile`].
    pub fn from_dir(root: &Path, options: &Options) -> Result<Self> {
        check_volume_id(&options.volume_id)?;
        let mut tree = Tree::scan(root, options)?;
        let layout = Layout::new(&mut tree, root, &options.volume_id, options.source_date)?;
        Ok(Self { tree, layout })
    }

    /// The size of the image.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        u64::from(self.layout.sectors) * SECTOR
    }

    /// Writes the image to `output`. The file appears under its name whole, on disk and with its sum implanted, or not
    /// at all; what stood there before is replaced at that moment.
    ///
    /// # Errors
    ///
    /// [`Error::Changed`] if a source file is no longer what was planned, [`Error::Io`] for the rest.
    pub fn write_file(&self, output: &Path, progress: &dyn Progress) -> Result<Sums> {
        writer::write(&self.tree, &self.layout, output, progress)
    }
}

/// A table of what lies where, for people; its form may change.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        listing::print(&self.tree, &self.layout, f)
    }
}

fn check_volume_id(id: &str) -> Result<()> {
    let problem = if id.len() > VOLUME_ID_LEN {
        "longer than 32 bytes"
    } else if id.chars().any(char::is_control) {
        "control characters are not possible"
    } else {
        return Ok(());
    };
    Err(Error::VolumeId { found: id.to_owned(), problem })
}
