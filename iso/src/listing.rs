//! A plan as a table: what lies where, before anything is written.

use std::fmt;

use crate::format::{FIRST_DESCRIPTOR, SECTOR, sectors};
use crate::layout::IsoLayout;
use crate::tree::{SourceNodeKind, SourceTree};

/// The kind of a part of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PlannedPartKind {
    /// Zeros that a writer of boot sectors would use.
    SystemArea,
    /// A volume descriptor, or the terminator of these.
    Descriptor,
    /// A path table.
    PathTable,
    /// The records of a folder.
    Folder,
    /// What the records of the folder before it continue with.
    Continuation,
    /// The content of a file.
    Content,
    /// Zeros at the end.
    Padding,
    /// A name for the content of another one.
    Shared,
    /// A file without content.
    Empty,
    /// A symbolic link.
    Link,
}

impl PlannedPartKind {
    /// One word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::SystemArea => "system",
            Self::Descriptor => "descriptor",
            Self::PathTable => "path-table",
            Self::Folder => "folder",
            Self::Continuation => "continuation",
            Self::Content => "content",
            Self::Padding => "padding",
            Self::Shared => "shared",
            Self::Empty => "empty",
            Self::Link => "link",
        }
    }
}

/// A part of an image, or a name that has no place of its own in it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PlannedPart {
    /// What it is.
    pub kind: PlannedPartKind,
    /// Where it begins, in sectors of 2048 bytes; a link and an empty file lie nowhere.
    pub sector: Option<u32>,
    /// Its size in bytes, without what fills its last sector up.
    pub bytes: u64,
    /// What it is called: a file by its path from the root (`/a/b`), everything else in words for people.
    pub name: String,
}

/// Lists everything in the image, by sector; then the names that share another one's content, the empty
/// files and the links.
pub(crate) fn each<E>(
    tree: &SourceTree,
    layout: &IsoLayout,
    mut visit: impl FnMut(PlannedPart) -> Result<(), E>,
) -> Result<(), E> {
    let mut part =
        |kind, sector, bytes, name: &str| visit(PlannedPart { kind, sector, bytes, name: name.to_owned() });
    let descriptors = FIRST_DESCRIPTOR as u32;
    part(PlannedPartKind::SystemArea, Some(0), FIRST_DESCRIPTOR * SECTOR, "system area")?;
    let primary = format!("primary volume descriptor `{}`", layout.volume_id);
    for (sector, name) in (descriptors..).zip([&primary, "Joliet volume descriptor", "terminator"]) {
        part(PlannedPartKind::Descriptor, Some(sector), SECTOR, name)?;
    }
    let names = ["primary", "Joliet"];
    for (tables, name) in layout.directories.places.path_tables.iter().zip(names) {
        let bytes = tables.bytes.into();
        part(
            PlannedPartKind::PathTable,
            Some(tables.l),
            bytes,
            &format!("{name} path table, little-endian"),
        )?;
        part(PlannedPartKind::PathTable, Some(tables.m), bytes, &format!("{name} path table, big-endian"))?;
    }
    let shown = |id: u32| format!("/{}", tree.relative(id).display());
    for (view, name) in [(0, names[0]), (1, names[1])] {
        for ((id, _), place) in
            layout.directories.views[view].folders.iter().zip(&layout.directories.places.folders[view])
        {
            let folder = format!("{name} folder {}", shown(*id));
            part(PlannedPartKind::Folder, Some(place.sector), place.bytes.into(), &folder)?;
            if place.continued > 0 {
                let sector = place.sector + sectors(place.bytes.into()) as u32;
                part(PlannedPartKind::Continuation, Some(sector), place.continued.into(), "  continued")?;
            }
        }
    }
    for content in layout.contents.iter().filter_map(|content| tree.contents.get(*content as usize)) {
        part(PlannedPartKind::Content, Some(content.sector), content.size, &shown(content.node))?;
    }
    let padding = u64::from(layout.sectors - layout.directories.end) * SECTOR;
    part(PlannedPartKind::Padding, Some(layout.directories.end), padding, "padding")?;
    for (id, node) in (0..).zip(&tree.nodes) {
        match node.kind {
            SourceNodeKind::Directory { .. } => {}
            SourceNodeKind::Symlink { target } => {
                let target = String::from_utf8_lossy(tree.text(target)).into_owned();
                part(PlannedPartKind::Link, None, 0, &format!("{} -> {target}", shown(id)))?;
            }
            SourceNodeKind::File { content } => {
                let Some(content) = tree.contents.get(content as usize) else { continue };
                if content.size == 0 {
                    part(PlannedPartKind::Empty, None, 0, &shown(id))?;
                } else if content.node != id || content.twin.is_some() {
                    part(PlannedPartKind::Shared, Some(content.sector), content.size, &shown(id))?;
                }
            }
        }
    }
    Ok(())
}

/// Prints the table.
pub(crate) fn print(tree: &SourceTree, layout: &IsoLayout, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    writeln!(f, "{:>10}  {:>15}  what", "sector", "bytes")?;
    each(tree, layout, |part| {
        let PlannedPart { kind, sector, bytes, name } = part;
        match (kind, sector) {
            (PlannedPartKind::Shared, Some(sector)) => {
                writeln!(f, "{:>27}  {name} = sector {sector}", kind.word())
            }
            (_, Some(sector)) => writeln!(f, "{sector:>10}  {bytes:>15}  {name}"),
            (_, None) => writeln!(f, "{:>27}  {name}", kind.word()),
        }?;
        if kind == PlannedPartKind::Padding {
            writeln!(f, "{:>10}  {:>15}  end", layout.sectors, 0)?;
        }
        Ok(())
    })
}
