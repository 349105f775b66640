//! The trees of names, one against the other.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::path::Path;

use super::{Found, names};
use crate::image::directory::{Reader, StoredRecord};
use crate::image::{Extent, IsoEntry, IsoEntryKind, ReadAt, View};
use crate::{Error, Result};

/// The trees of an image.
pub(super) struct Trees<'a> {
    pub(super) source: &'a dyn ReadAt,
    pub(super) path: &'a Path,
    pub(super) size: u64,
    /// System Use bytes to skip, if there is Rock Ridge.
    pub(super) skip: Option<usize>,
}

impl Trees<'_> {
    /// Compares the primary tree with the one whose root `other_root` is and whose names are those of `other`, and reports the
    /// faults of both.
    pub(super) fn compare(
        &self,
        primary_root: &[u8; 34],
        other: View,
        other_root: &[u8; 34],
        found: &mut Found,
    ) -> Result<()> {
        let (mut first, view) = self.primary();
        let mut second = self.reader(other, 0);
        let roots = (root(&mut first, primary_root, found)?, root(&mut second, other_root, found)?);
        let (Some(one), Some(two)) = roots else { return Ok(()) };
        let mut open = vec![(String::new(), one, two)];
        let mut seen = HashSet::new();
        while let Some((path, one, two)) = open.pop() {
            if found.is_full() {
                return Ok(());
            }
            if !seen.insert(one.offset) || !seen.insert(two.offset) {
                found.add(&path, one.offset, "a folder overlaps another one");
                continue;
            }
            let (one, faulty) = self.list(&mut first, &path, one, found)?;
            let (mut two, _) = self.list(&mut second, &path, two, found)?;
            two.retain(|entry| !faulty.contains(&entry.name));
            let mut folder = Folder { path: &path, names: (view, other), pairs: Vec::new() };
            let (missing, alone) = folder.compare(one, two, found);
            open.append(&mut folder.pairs);
            let tree = if other == View::Joliet { "Joliet" } else { "enhanced" };
            for (entries, reader, problem) in [
                (missing, &mut first, format!("it is missing in the {tree} tree")),
                (alone, &mut second, format!("it is only in the {tree} tree")),
            ] {
                for entry in entries {
                    let extent =
                        entry.extents.first().filter(|_| entry.kind == IsoEntryKind::Directory).copied();
                    // The folder of those that were moved may be in one tree alone: it is empty.
                    let empty = match extent {
                        Some(extent) => {
                            let (entries, faulty) = self.list(reader, &path, extent, found)?;
                            entries.is_empty() && faulty.is_empty()
                        }
                        None => false,
                    };
                    if !empty {
                        found.add(&join(&path, &entry.name), place(&entry), problem.clone());
                    }
                }
            }
        }
        Ok(())
    }

    /// Tells the faults of a tree that nothing can be compared with.
    pub(super) fn walk(&self, primary_root: &[u8; 34], found: &mut Found) -> Result<()> {
        let (mut reader, _) = self.primary();
        let Some(extent) = root(&mut reader, primary_root, found)? else { return Ok(()) };
        let mut open = vec![(String::new(), extent)];
        let mut seen = HashSet::new();
        while let Some((path, extent)) = open.pop() {
            if found.is_full() {
                return Ok(());
            }
            if !seen.insert(extent.offset) {
                found.add(&path, extent.offset, "a folder overlaps another one");
                continue;
            }
            for entry in self.list(&mut reader, &path, extent, found)?.0 {
                if let (IsoEntryKind::Directory, Some(extent)) = (&entry.kind, entry.extents.first()) {
                    open.push((join(&path, &entry.name), *extent));
                }
            }
        }
        Ok(())
    }

    fn reader(&self, view: View, skip: usize) -> Reader<'_> {
        Reader::new(self.source, self.path, self.size, view, skip)
    }

    fn primary(&self) -> (Reader<'_>, View) {
        match self.skip {
            Some(skip) => (self.reader(View::RockRidge, skip), View::RockRidge),
            None => (self.reader(View::Plain, 0), View::Plain),
        }
    }

    /// The sound entries of a folder, and the names of the others.
    fn list(
        &self,
        reader: &mut Reader<'_>,
        path: &str,
        extent: Extent,
        found: &mut Found,
    ) -> Result<(Vec<IsoEntry>, HashSet<String>)> {
        let (mut out, mut faulty) = (Vec::new(), HashSet::new());
        reader.each(extent, |entry| {
            match &entry.fault {
                Some(fault) => {
                    found.fault(&join(path, &entry.name), fault);
                    faulty.insert(entry.name);
                }
                None => out.push(entry),
            }
            ControlFlow::Continue(())
        })?;
        Ok((out, faulty))
    }
}

/// Where the root of a tree lies, if it lies in the image.
fn root(reader: &mut Reader<'_>, record: &[u8; 34], found: &mut Found) -> Result<Option<Extent>> {
    let Some(record) = StoredRecord::parse(record) else {
        found.add("", 0, "the record of a root is malformed");
        return Ok(None);
    };
    match reader.root(&record) {
        Ok(root) => Ok(root.extents.first().copied()),
        Err(Error::Damaged { offset, problem, .. }) => {
            found.add("", offset, problem);
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") }
}

fn place(entry: &IsoEntry) -> u64 {
    entry.extents.first().map_or(0, |extent| extent.offset)
}

/// A folder that both trees have.
struct Folder<'a> {
    path: &'a str,
    /// What names the trees have.
    names: (View, View),
    /// The folders that both trees have, with their places.
    pairs: Vec<(String, Extent, Extent)>,
}

impl Folder<'_> {
    /// Compares the entries, and returns those that only one tree has.
    fn compare(
        &mut self,
        one: Vec<IsoEntry>,
        other: Vec<IsoEntry>,
        found: &mut Found,
    ) -> (Vec<IsoEntry>, Vec<IsoEntry>) {
        let mut by_name: HashMap<String, IsoEntry> = HashMap::new();
        let mut alone = Vec::new();
        for entry in other {
            if let Some(twice) = by_name.insert(entry.name.clone(), entry) {
                alone.push(twice);
            }
        }
        let mut rest = Vec::new();
        // Without Rock Ridge the primary tree has no name of its own that it could share with another tree.
        let named = self.names.0 == View::RockRidge;
        for entry in one {
            let fits = by_name.get(&entry.name).is_some_and(|other| named || same_entry(&entry, other));
            match by_name.remove(&entry.name) {
                Some(same) if fits => self.pair(&entry, &same, found),
                Some(other) => {
                    alone.push(other);
                    rest.push(entry);
                }
                None => rest.push(entry),
            }
        }
        // What a tree cannot hold has another name there: of those that it may be, one with the same content.
        alone.extend(by_name.into_values());
        alone.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        let mut missing = Vec::new();
        for entry in rest {
            let fits = |other: &IsoEntry| self.resemble(&entry, other) && kinds_agree(&entry, other);
            let best = alone
                .iter()
                .position(|other| fits(other) && contents_agree(&entry, other))
                .or_else(|| alone.iter().position(fits));
            match best {
                Some(at) => {
                    let other = alone.swap_remove(at);
                    self.pair(&entry, &other, found);
                }
                // Other trees have no links and no devices.
                None if matches!(entry.kind, IsoEntryKind::Symlink(_) | IsoEntryKind::Other) => {}
                None => missing.push(entry),
            }
        }
        (missing, alone)
    }

    /// Whether a writer may have made the one name of the other, the longer one.
    fn resemble(&self, entry: &IsoEntry, other: &IsoEntry) -> bool {
        match self.names {
            (_, View::Plain) => {
                names::is_made_of(&other.name, &entry.name) || names::is_made_of(&entry.name, &other.name)
            }
            (View::Plain, _) => names::is_made_of(&entry.name, &other.name),
            _ => names::is_joliet_of(&other.name, &entry.name),
        }
    }

    fn pair(&mut self, entry: &IsoEntry, other: &IsoEntry, found: &mut Found) {
        let path = join(self.path, &entry.name);
        let tree = if self.names.1 == View::Joliet { "Joliet" } else { "enhanced" };
        match (&entry.kind, entry.extents.first(), other.extents.first()) {
            _ if !kinds_agree(entry, other) => {
                found.add(&path, place(entry), format!("it has another type in the {tree} tree"));
            }
            (IsoEntryKind::Directory, Some(one), Some(two)) => self.pairs.push((path, *one, *two)),
            (IsoEntryKind::File, ..) if !contents_agree(entry, other) => {
                found.add(&path, place(entry), format!("it has different content in the {tree} tree"));
            }
            _ => {}
        }
    }
}

/// Joliet shows a link or a device as an empty file, if at all.
fn kinds_agree(entry: &IsoEntry, other: &IsoEntry) -> bool {
    match &entry.kind {
        IsoEntryKind::Symlink(_) | IsoEntryKind::Other => other.kind == IsoEntryKind::File && other.size == 0,
        kind => *kind == other.kind,
    }
}

fn same_entry(entry: &IsoEntry, other: &IsoEntry) -> bool {
    kinds_agree(entry, other) && contents_agree(entry, other)
}

fn contents_agree(entry: &IsoEntry, other: &IsoEntry) -> bool {
    entry.kind != IsoEntryKind::File
        || entry.size == other.size && (entry.size == 0 || stretches(entry) == stretches(other))
}

/// Where a file's content lies, sections that follow each other as one.
fn stretches(entry: &IsoEntry) -> Vec<Extent> {
    let mut out: Vec<Extent> = Vec::new();
    for extent in entry.extents.iter().filter(|extent| extent.len > 0) {
        match out.last_mut() {
            Some(last) if last.offset + last.len == extent.offset => last.len += extent.len,
            _ => out.push(*extent),
        }
    }
    out
}
