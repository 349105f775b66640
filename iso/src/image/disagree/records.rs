//! The records of one tree, folder by folder as they lie in the image.

use std::collections::{HashMap, HashSet, VecDeque};
use std::path::Path;

use super::descriptors::both_orders_agree;
use super::system_use::SystemUseSummary;
use super::{Found, names};
use crate::Result;
use crate::format::record::{ASSOCIATED, DIRECTORY, HIDDEN, MORE};
use crate::format::{SECTOR, SECTOR_LEN};
use crate::image::Extent;
use crate::image::directory::{StoredRecord, joliet_name, plain_name};
use crate::image::source::{ReadAt, read_exact};
use crate::tree::{TYPE, TYPE_DIRECTORY};

/// Sections of a file that Linux follows.
const SECTIONS_MAX: usize = 100;

/// Bytes of the attributes of CD-ROM XA, which stand before Rock Ridge.
const XA: usize = 14;

fn has_xa(system_use: &[u8]) -> bool {
    system_use.get(6..8) == Some(b"XA")
}

/// A walk through the folders of one tree.
pub(super) struct Walk<'a> {
    source: &'a dyn ReadAt,
    path: &'a Path,
    /// The image's size in bytes, and the volume's.
    size: u64,
    space: u64,
    /// It is the Joliet tree.
    joliet: bool,
    /// It is the primary tree, and Rock Ridge is declared.
    rock_ridge: bool,
    /// Bytes to skip in each record before the entries of Rock Ridge.
    skip: usize,
    /// Folders to come.
    folders: VecDeque<(String, Extent)>,
    seen: HashSet<u64>,
    /// The sectors of moved folders, and of those that a record stands for.
    moved: HashMap<u32, String>,
    children: HashMap<u32, String>,
    /// Where folders lie that have entries which are not moved folders.
    filled: HashSet<u64>,
    /// Entries of Rock Ridge were found where none is declared.
    undeclared: bool,
}

/// A record and its fields beyond ISO 9660.
struct Item<'a> {
    record: StoredRecord<'a>,
    bytes: &'a [u8],
    entries: SystemUseSummary,
    name: Vec<u8>,
    offset: u64,
}

/// The first section of a file of several, and how many there were.
struct Section {
    identifier: Vec<u8>,
    name: Vec<u8>,
    mode: Option<u32>,
    count: usize,
}

impl<'a> Walk<'a> {
    pub(super) fn new(
        source: &'a dyn ReadAt,
        path: &'a Path,
        (size, space): (u64, u64),
        skip: Option<usize>,
    ) -> Self {
        Self {
            source,
            path,
            size,
            space,
            joliet: false,
            rock_ridge: skip.is_some(),
            skip: skip.unwrap_or_default(),
            folders: VecDeque::new(),
            seen: HashSet::new(),
            moved: HashMap::new(),
            children: HashMap::new(),
            filled: HashSet::new(),
            undeclared: false,
        }
    }

    pub(super) fn joliet(source: &'a dyn ReadAt, path: &'a Path, sizes: (u64, u64)) -> Self {
        Self { joliet: true, ..Self::new(source, path, sizes, None) }
    }

    /// Checks all folders from the root on, whose record in the descriptor is `root`.
    pub(super) fn run(mut self, root: &[u8; 34], found: &mut Found) -> Result<()> {
        let Some(record) = StoredRecord::parse(root) else { return Ok(()) };
        self.folders.push_back((String::new(), record.extent()));
        while let Some((path, extent)) = self.folders.pop_front() {
            if found.is_full() {
                return Ok(());
            }
            if self.seen.insert(extent.offset) && extent.offset.saturating_add(extent.len) <= self.size {
                self.folder(&path, extent, found)?;
            }
        }
        for (sector, path) in &self.moved {
            // The folder that holds the moved ones is marked as moved too by some writers.
            let holds_others = !self.filled.contains(&(u64::from(*sector) * SECTOR));
            if !holds_others && !self.children.contains_key(sector) {
                let problem = "a moved folder to which no record points: some readers hide it";
                found.add(path, u64::from(*sector) * SECTOR, problem);
            }
        }
        for (sector, path) in &self.children {
            if !self.moved.contains_key(sector) {
                let problem = "a record points to a folder that is not marked as moved";
                found.add(path, u64::from(*sector) * SECTOR, problem);
            }
        }
        Ok(())
    }

    fn folder(&mut self, path: &str, extent: Extent, found: &mut Found) -> Result<()> {
        if extent.len == 0 || !extent.len.is_multiple_of(SECTOR) {
            let problem = "a folder's size is not a multiple of 2048 bytes: some readers read beyond its end";
            found.add(path, extent.offset, problem);
        }
        let mut sector = [0; SECTOR_LEN];
        let mut number = 0;
        let mut names: HashSet<Vec<u8>> = HashSet::new();
        let mut identifiers: HashSet<Vec<u8>> = HashSet::new();
        let mut changed: Vec<(String, u64, String, String)> = Vec::new();
        let mut folded: HashMap<String, usize> = HashMap::new();
        let mut open: Option<Section> = None;
        for start in (extent.offset..extent.offset + extent.len).step_by(SECTOR_LEN) {
            if !read_exact(self.source, self.path, start, &mut sector)? {
                return Ok(());
            }
            let mut rest = sector.as_slice();
            while let Some(length) =
                rest.first().map(|length| usize::from(*length)).filter(|length| *length > 0)
            {
                let offset = start + (SECTOR_LEN - rest.len()) as u64;
                let Some((bytes, behind)) = rest.split_at_checked(length) else { break };
                rest = behind;
                // What cannot be read is a fault of the listing.
                let Some(record) = StoredRecord::parse(bytes) else { continue };
                let declares = path.is_empty() && number == 0;
                let item = self.item(record, bytes, offset, declares)?;
                number += 1;
                if number <= 2 {
                    self.dots(path, extent, number, &item, found);
                }
                if item.record.is_dots() {
                    if number > 2 {
                        found.add(path, offset, "a folder's own record is among its entries");
                    }
                    continue;
                }
                if !item.entries.relocated {
                    self.filled.insert(extent.offset);
                }
                let shown = String::from_utf8_lossy(&item.name);
                let below = if path.is_empty() { shown.into_owned() } else { format!("{path}/{shown}") };
                self.record(&below, &item, found);
                let more = item.record.flags & MORE != 0;
                match open.take() {
                    Some(first) => {
                        let same = first.identifier == item.record.identifier
                            && first.name == item.name
                            && first.mode == item.entries.mode;
                        if !same {
                            found.add(&below, offset, "the sections of a file have different names or modes");
                        }
                        if first.count == SECTIONS_MAX {
                            found.add(
                                &below,
                                offset,
                                "a file of more than 100 sections, which Linux refuses",
                            );
                        }
                        open = more.then(|| Section { count: first.count + 1, ..first });
                    }
                    None => {
                        if !item.entries.relocated && !names.insert(item.name.clone()) {
                            found.add(&below, offset, "two entries have this name");
                        }
                        if let Some(name) = item.entries.name.as_ref().filter(|_| self.rock_ridge) {
                            let name = String::from_utf8_lossy(name).into_owned();
                            let identifier = String::from_utf8_lossy(item.record.identifier);
                            if names::is_changed_for_nothing(&identifier, &name, |_| 1)
                                && !item.entries.relocated
                            {
                                changed.push((below.clone(), offset, identifier.into_owned(), name.clone()));
                            }
                            *folded.entry(names::fold(&name, true)).or_default() += 1;
                        }
                        if !identifiers.insert(item.record.identifier.to_owned()) {
                            found.add(&below, offset, "two records have the same identifier");
                        }
                        open = more.then(|| Section {
                            identifier: item.record.identifier.to_owned(),
                            name: item.name.clone(),
                            mode: item.entries.mode,
                            count: 1,
                        });
                    }
                }
                if item.record.flags & DIRECTORY != 0 {
                    self.folders.push_back((below, item.record.extent()));
                }
            }
        }
        for (path, offset, identifier, name) in changed {
            let alike = |text: &str| folded.get(text).copied().unwrap_or_default();
            if names::is_changed_for_nothing(&identifier, &name, alike) {
                let problem = format!("readers without Rock Ridge show it as `{identifier}`");
                found.add_once(&path, offset, problem);
            }
        }
        Ok(())
    }

    fn item<'r>(
        &self,
        record: StoredRecord<'r>,
        bytes: &'r [u8],
        offset: u64,
        declares: bool,
    ) -> Result<Item<'r>> {
        let entries = if self.joliet {
            SystemUseSummary::default()
        } else {
            SystemUseSummary::read(self.source, self.path, self.entries(&record, declares))?
        };
        let name = match &entries.name {
            Some(name) if self.rock_ridge => name.clone(),
            _ if self.joliet => joliet_name(record.identifier),
            _ => plain_name(record.identifier),
        };
        Ok(Item { record, bytes, entries, name, offset })
    }

    /// Where the entries of Rock Ridge are in a record: behind the attributes of CD-ROM XA, if it has any.
    /// The record that declares Rock Ridge says what to skip in all others.
    fn entries<'r>(&self, record: &StoredRecord<'r>, declares: bool) -> &'r [u8] {
        let skip = match declares {
            true if has_xa(record.system_use) => XA,
            true => 0,
            false => self.skip,
        };
        record.system_use.get(skip..).unwrap_or_default()
    }

    /// The first two records of a folder, from which Linux reads everything about it.
    fn dots(&mut self, path: &str, extent: Extent, number: usize, item: &Item<'_>, found: &mut Found) {
        let Item { record, entries, offset, .. } = item;
        if record.identifier != [number as u8 - 1] {
            found.add(path, *offset, "a folder does not begin with records of itself and its parent");
            return;
        }
        if number == 2 {
            return;
        }
        if record.extent() != extent || record.flags & DIRECTORY == 0 {
            let problem = "a folder's own record differs from the one in its parent: Linux follows its own";
            found.add(path, *offset, problem);
        }
        if path.is_empty() && !self.joliet {
            self.declaration(item, found);
        }
        if !self.rock_ridge {
            return;
        }
        match entries.mode {
            Some(mode) if mode & TYPE == TYPE_DIRECTORY => {}
            Some(_) => found.add(path, *offset, "a folder's own mode is not that of a folder"),
            None => found.add(path, *offset, "a folder's own record has no mode"),
        }
        for problem in &entries.problems {
            found.add(path, *offset, *problem);
        }
    }

    /// The root's own record, which declares Rock Ridge.
    fn declaration(&mut self, item: &Item<'_>, found: &mut Found) {
        let (entries, offset) = (&item.entries, item.offset);
        let named = entries
            .extensions
            .iter()
            .any(|id| matches!(id.as_slice(), b"RRIP_1991A" | b"IEEE_P1282" | b"IEEE_1282"));
        match entries.declared {
            Some(skip) if self.rock_ridge => {
                if skip != 0 && !(usize::from(skip) == XA && has_xa(item.record.system_use)) {
                    found.add(
                        "",
                        offset,
                        "Rock Ridge begins after other bytes, which some readers do not skip",
                    );
                }
                if !named {
                    found.add("", offset, "Rock Ridge is declared (SP) but not named (ER): Linux ignores it");
                }
            }
            _ if named || entries.declared.is_some() => {
                found.add(
                    "",
                    offset,
                    "Rock Ridge is named (ER) but not declared (SP): some readers ignore it",
                );
                self.undeclared = true;
            }
            _ => {}
        }
    }

    fn record(&mut self, path: &str, item: &Item<'_>, found: &mut Found) {
        let Item { record, bytes, entries, offset, .. } = item;
        let offset = *offset;
        let mut add = |problem: &str| found.add(path, offset, problem);
        let is_directory = record.flags & DIRECTORY != 0;
        if record.flags & HIDDEN != 0 {
            add("the record is hidden: some readers do not show it");
        }
        if record.flags & ASSOCIATED != 0 {
            add("the record is of an associated file: some readers show it");
        }
        if record.attribute_sectors != 0 {
            add("an extended attribute record, which some readers treat as content");
        }
        if !both_orders_agree(bytes, 2) || !both_orders_agree(bytes, 10) {
            add("its place or its size differs between the two byte orders");
        }
        if record.flags & MORE != 0 {
            if is_directory || entries.link {
                add("a folder or a link is marked as having more sections: Linux hides it");
            }
            if !u64::from(record.bytes).is_multiple_of(SECTOR) {
                add("a section of a file ends inside a sector");
            }
        }
        let Extent { offset: start, len } = record.extent();
        if len > 0 && start + len > self.space && start + len <= self.size {
            add("it lies beyond the end of the volume: some readers refuse it, and no checksum covers it");
        }
        if self.joliet {
            return;
        }
        if !self.rock_ridge {
            if entries.rock_ridge && !self.undeclared {
                add("Rock Ridge entries without a declaration: Linux reads them, other readers do not");
                self.undeclared = true;
            }
            return;
        }
        for problem in &entries.problems {
            add(problem);
        }
        if self.skip == XA && !has_xa(record.system_use) {
            add("a record lacks the attributes (XA) that the root's record declares");
        }
        let kind = entries.mode.map(|mode| mode & TYPE == TYPE_DIRECTORY);
        match (entries.child, kind) {
            (Some(_), _) if is_directory => add("a record points to a moved folder and is a folder itself"),
            (Some(_), _) => {}
            (None, None) => add("a record without a mode (PX)"),
            (None, Some(kind)) if kind != is_directory => add(if is_directory {
                "it is a folder by its record, but not by its mode"
            } else {
                "it is a folder by its mode, but a file by its record"
            }),
            _ => {}
        }
        if entries.declared.is_some() {
            add("a declaration (SP) outside of the root changes how Linux reads the rest");
        }
        if entries.link && record.bytes != 0 {
            add("a link has content, which readers without Rock Ridge show");
        }
        if entries.relocated && !is_directory {
            add("a file is marked as moved: Linux hides it");
        }
        let identifier = String::from_utf8_lossy(record.identifier);
        match &entries.name {
            None => add("a record without a name (NM): readers derive different names from its identifier"),
            Some(name)
                if !entries.relocated && !names::is_made_of(&identifier, &String::from_utf8_lossy(name)) =>
            {
                let problem = format!("readers without Rock Ridge show it as `{identifier}`");
                found.add(path, offset, problem);
            }
            Some(_) => {}
        }
        if entries.relocated && is_directory {
            self.moved.insert(record.sector, path.to_owned());
        }
        if let Some(child) = entries.child
            && let Some(other) = self.children.insert(child, path.to_owned())
        {
            found.add(path, offset, format!("it points to the same moved folder as `{other}`"));
        }
    }
}
