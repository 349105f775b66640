//! A plan as a table: what lies where, before anything is written.

use std::fmt;

use crate::format::{FIRST_DESCRIPTOR, SECTOR, sectors};
use crate::layout::Layout;
use crate::tree::{NodeKind, Tree};

/// Prints the table: a line for everything that lies in the image, by sector; then, without a place of their own, the
/// names that share another one's content, the empty files and the links.
pub(crate) fn print(tree: &Tree, layout: &Layout, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    writeln!(f, "{:>10}  {:>15}  what", "sector", "bytes")?;
    let mut line =
        |sector: u64, bytes: u64, what: &dyn fmt::Display| writeln!(f, "{sector:>10}  {bytes:>15}  {what}");
    line(0, FIRST_DESCRIPTOR * SECTOR, &"system area")?;
    line(FIRST_DESCRIPTOR, SECTOR, &format_args!("primary volume descriptor `{}`", layout.volume_id))?;
    line(FIRST_DESCRIPTOR + 1, SECTOR, &"Joliet volume descriptor")?;
    line(FIRST_DESCRIPTOR + 2, SECTOR, &"terminator")?;
    let names = ["primary", "Joliet"];
    for (tables, name) in layout.places.path_tables.iter().zip(names) {
        line(tables.l.into(), tables.bytes.into(), &format_args!("{name} path table, little-endian"))?;
        line(tables.m.into(), tables.bytes.into(), &format_args!("{name} path table, big-endian"))?;
    }
    let shown = |id: u32| format!("/{}", tree.relative(id).display());
    for (view, name) in [(0, names[0]), (1, names[1])] {
        for ((id, _), place) in layout.views[view].folders.iter().zip(&layout.places.folders[view]) {
            line(place.sector.into(), place.bytes.into(), &format_args!("{name} folder {}", shown(*id)))?;
            if place.continued > 0 {
                let sector = u64::from(place.sector) + sectors(place.bytes.into());
                line(sector, place.continued.into(), &"  continued")?;
            }
        }
    }
    for content in layout.contents.iter().filter_map(|content| tree.contents.get(*content as usize)) {
        line(content.sector.into(), content.size, &shown(content.node))?;
    }
    let padding = u64::from(layout.sectors - layout.end) * SECTOR;
    line(layout.end.into(), padding, &"padding")?;
    line(layout.sectors.into(), 0, &"end")?;
    for (id, node) in (0..).zip(&tree.nodes) {
        match node.kind {
            NodeKind::Directory { .. } => {}
            NodeKind::Symlink { target } => {
                let target = String::from_utf8_lossy(tree.text(target));
                writeln!(f, "{:>27}  {} -> {target}", "link", shown(id))?;
            }
            NodeKind::File { content } => {
                let Some(content) = tree.contents.get(content as usize) else { continue };
                if content.size == 0 {
                    writeln!(f, "{:>27}  {}", "empty", shown(id))?;
                } else if content.node != id || content.twin.is_some() {
                    writeln!(f, "{:>27}  {} = sector {}", "shared", shown(id), content.sector)?;
                }
            }
        }
    }
    Ok(())
}
