//! Where everything lies.
//!
//! ```text
//! sector 0   system area, zeros
//!       16   primary volume descriptor, Joliet's, terminator
//!       19   path tables: primary L and M, Joliet L and M
//!            primary folders, breadth first, each with what its Rock Ridge entries continue with behind it
//!            Joliet folders
//!            contents of the files, large ones at multiples of 4096 bytes, so that file systems can share their blocks
//!            at least 150 sectors of zeros
//! ```
//!
//! One routine, [`IsoLayout::metadata`], writes everything before the contents. It runs twice: over a counter, which
//! determines the position of each part, then over the image, with those places filled in. Lengths do not depend on
//! places, so the two runs agree.
//!
//! Continuations lie behind their folder and before the folders in it: readers that go through an image from start to
//! end, as libarchive does, have to know a folder's name when they come to its records.

mod directories;
mod folder;
mod output;

use std::cmp::Reverse;
use std::path::Path;

use self::directories::{Directories, FolderPlace, MetadataPlaces, PathTables};
use self::folder::FolderRecords;
pub(crate) use self::output::ByteSink;
use self::output::{Continuation, Count};
use crate::format::descriptor::{self, VolumeDescriptor};
use crate::format::record::{self, ByteOrder};
use crate::format::{FIRST_DESCRIPTOR, PADDING, SECTOR, SECTORS_MIN, sectors};
use crate::tree::SourceTree;
use crate::{Error, Result, reflink};

/// The whole image, but for the contents' bytes.
#[derive(Debug)]
pub(crate) struct IsoLayout {
    pub(crate) volume_id: String,
    pub(crate) date: i64,
    pub(crate) directories: Directories,
    /// The contents in the order in which they lie, without those that are empty or have a twin.
    pub(crate) contents: Vec<u32>,
    /// The size of the image.
    pub(crate) sectors: u32,
}

impl IsoLayout {
    /// Lays out the image of `tree`, and sets the sectors of its contents.
    pub(crate) fn new(tree: &mut SourceTree, root: &Path, volume_id: &str, date: i64) -> Result<Self> {
        let mut layout = Self {
            volume_id: volume_id.to_owned(),
            date,
            directories: Directories::new(tree),
            contents: order(tree),
            sectors: 0,
        };
        layout.directories.places = layout.metadata(tree, &mut Count::default())?;
        let mut next = u64::from(layout.directories.places.data);
        for content in &layout.contents {
            if let Some(content) = tree.contents.get_mut(*content as usize) {
                if content.size >= reflink::SHARED_MIN {
                    next = next.next_multiple_of(reflink::BLOCK / SECTOR);
                }
                content.sector = narrow(next);
                next += sectors(content.size);
            }
        }
        let total = (next + PADDING).max(SECTORS_MIN);
        layout.directories.end = narrow(next);
        layout.sectors = u32::try_from(total).map_err(|_| Error::Limit {
            path: root.to_owned(),
            limit: "sectors of 2048 bytes in one image",
            most: u64::from(u32::MAX),
            found: total,
        })?;
        for index in 0..tree.contents.len() {
            let Some(content) = tree.contents.get(index) else { continue };
            let sector = match content.twin.and_then(|twin| tree.contents.get(twin as usize)) {
                Some(twin) => twin.sector,
                None if content.size == 0 => layout.directories.end,
                None => continue,
            };
            if let Some(content) = tree.contents.get_mut(index) {
                content.sector = sector;
            }
        }
        Ok(layout)
    }

    /// Writes everything before the contents and returns its places.
    pub(crate) fn metadata(&self, tree: &SourceTree, out: &mut dyn ByteSink) -> Result<MetadataPlaces> {
        let mut found = MetadataPlaces::default();
        for _ in 0..FIRST_DESCRIPTOR {
            out.put(&[0; SECTOR as usize])?;
        }
        for view in 0..2 {
            out.put(&self.descriptor(tree, view))?;
        }
        out.put(&descriptor::terminator())?;
        for view in 0..2 {
            let start = out.position();
            let l = self.path_table(tree, view, ByteOrder::Little, out)?;
            let bytes = narrow(out.position() - start);
            out.fill()?;
            let m = self.path_table(tree, view, ByteOrder::Big, out)?;
            out.fill()?;
            found.path_tables[view] = PathTables { bytes, l, m };
        }
        for view in 0..2 {
            found.folders[view] = self.folders(tree, view, out)?;
        }
        found.data = sector_of(out);
        Ok(found)
    }

    fn descriptor(&self, tree: &SourceTree, view: usize) -> Vec<u8> {
        let tables = self.directories.places.path_tables[view];
        VolumeDescriptor {
            kind: self.directories.views[view].kind,
            volume_id: &self.volume_id,
            sectors: self.sectors,
            path_table_bytes: tables.bytes,
            path_table_l: tables.l,
            path_table_m: tables.m,
            root: &FolderRecords::new(&self.directories, tree, view, 0).root_record(),
            date: self.date,
        }
        .bytes()
    }

    /// Writes a path table and returns its sector.
    fn path_table(
        &self,
        tree: &SourceTree,
        view: usize,
        order: ByteOrder,
        out: &mut dyn ByteSink,
    ) -> Result<u32> {
        let sector = sector_of(out);
        let places = &self.directories.places.folders[view];
        let view = &self.directories.views[view];
        let place = |number: usize| places.get(number).map_or(0, |place| place.sector);
        for (number, (id, identifier)) in view.folders.iter().enumerate() {
            let parent = tree.nodes.get(*id as usize).map_or(0, |node| view.number(node.parent));
            let parent = u16::try_from(parent + 1).unwrap_or(u16::MAX);
            out.put(&record::path_table(order, identifier, place(number), parent))?;
        }
        Ok(sector)
    }

    /// Puts out a view's folders.
    fn folders(&self, tree: &SourceTree, view: usize, out: &mut dyn ByteSink) -> Result<Vec<FolderPlace>> {
        let mut found = Vec::with_capacity(self.directories.views[view].folders.len());
        for (id, _) in &self.directories.views[view].folders {
            let folder = FolderRecords::new(&self.directories, tree, view, *id);
            let (sector, start, mut continued) = (sector_of(out), out.position(), Count::default());
            folder.put(out, &mut continued)?;
            let bytes = narrow(out.position() - start);
            let continued = narrow(continued.position());
            if continued > 0 {
                // The same records again, this time their other half.
                let start = out.position();
                folder.put(&mut Count::default(), &mut Continuation { out, start })?;
                out.fill()?;
            }
            found.push(FolderPlace { sector, bytes, continued });
        }
        Ok(found)
    }
}

/// The contents in the order in which they are to lie.
fn order(tree: &SourceTree) -> Vec<u32> {
    let mut order: Vec<(Reverse<i32>, u32)> = (0..)
        .zip(&tree.contents)
        .filter(|(_, content)| content.size > 0 && content.twin.is_none())
        .map(|(index, content)| (Reverse(content.weight), index))
        .collect();
    order.sort_unstable();
    order.into_iter().map(|(_, index)| index).collect()
}

fn sector_of(out: &dyn ByteSink) -> u32 {
    narrow(out.position() / SECTOR)
}

/// A number that fits once the image's size is checked, which happens before anything is written.
fn narrow(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
