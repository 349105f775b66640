//! The System Use entries of one record, with everything in them that readers do not agree about.

use std::path::Path;

use super::descriptors::both_orders_agree;
use crate::Result;
use crate::format::{SECTOR, SECTOR_LEN, read32};
use crate::image::source::{ReadAt, read_exact};
use crate::rock_ridge::{CONTINUE, CURRENT, PARENT, ROOT};
use crate::tree::{TYPE, TYPE_SYMLINK};

/// Continuation areas that Linux follows.
const HOPS_MAX: usize = 31;
/// Bytes of a name that Linux shows whole.
const NAME_MAX: usize = 253;
/// RR says that there is an NM.
const RR_NAME: u8 = 8;
/// RR says that there is a PX, SL, CL or TF.
const RR_OTHERS: u8 = 1 | 4 | 16 | 128;

/// What the entries say.
#[derive(Debug, Default)]
pub(super) struct SystemUseSummary {
    pub(super) mode: Option<u32>,
    pub(super) name: Option<Vec<u8>>,
    /// There is an SL.
    pub(super) link: bool,
    /// Where a CL says that the folder is.
    pub(super) child: Option<u32>,
    pub(super) relocated: bool,
    /// The root's declaration: how many bytes to skip.
    pub(super) declared: Option<u8>,
    /// The extensions that ER entries name.
    pub(super) extensions: Vec<Vec<u8>>,
    /// There are entries of Rock Ridge.
    pub(super) rock_ridge: bool,
    pub(super) problems: Vec<&'static str>,
    name_continues: bool,
    link_continues: bool,
    rr: Option<u8>,
    /// A CL came before the PX.
    child_first: bool,
}

impl SystemUseSummary {
    /// Reads the entries of a record and of its continuations.
    pub(super) fn read(source: &dyn ReadAt, path: &Path, system_use: &[u8]) -> Result<Self> {
        let mut out = Self::default();
        let mut next = out.area(system_use);
        let mut sector = [0; SECTOR_LEN];
        for _ in 0..HOPS_MAX {
            let Some([number, offset, length]) = next else { break };
            let (start, end) = (offset as usize, offset as usize + length as usize);
            let there = read_exact(source, path, u64::from(number) * SECTOR, &mut sector)?;
            let Some(area) = sector.get(start..end).filter(|_| there) else {
                out.problem("a continuation lies outside its sector or the image");
                return Ok(out);
            };
            next = out.area(area);
        }
        out.finish(next.is_some());
        Ok(out)
    }

    fn problem(&mut self, problem: &'static str) {
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    fn area(&mut self, mut area: &[u8]) -> Option<[u32; 3]> {
        let mut next = None;
        // Up to two bytes may fill a record up.
        while let [a, b, length, ..] = area {
            let length = usize::from(*length);
            if !(a.is_ascii_uppercase() && (b.is_ascii_uppercase() || b.is_ascii_digit())) {
                self.problem("a System Use entry has no letters for a name, and some readers stop there");
            }
            let Some((entry, rest)) = area.split_at_checked(length).filter(|_| length >= 4) else {
                self.problem("a System Use entry is malformed, and Linux drops the Rock Ridge name with it");
                return None;
            };
            let data = entry.get(4..).unwrap_or_default();
            let least = match (a, b) {
                (b'S', b'P') => 7,
                (b'C', b'E') => 28,
                (b'E', b'R') => 8,
                (b'P', b'X') => 36,
                (b'P', b'N') => 20,
                (b'S', b'L') => 7,
                (b'N', b'M') | (b'R', b'R') | (b'T', b'F') => 5,
                (b'C' | b'P', b'L') => 12,
                (b'Z', b'F') => 16,
                _ => 4,
            };
            if length < least {
                self.problem("a System Use entry is shorter than its parts");
            }
            if (least > 4 || (*a, *b) == (b'R', b'E')) && entry.get(3) != Some(&1) {
                self.problem("a System Use entry has a version other than 1, and some readers ignore it");
            }
            match (a, b) {
                (b'S', b'T') if rest.len() > 2 => {
                    self.problem("System Use entries follow their terminator, and Linux reads them");
                }
                (b'S', b'T') => return next,
                (b'C', b'E') => {
                    if next.is_some() {
                        self.problem("two continuations of one area");
                    }
                    if [0, 8, 16].iter().any(|at| !both_orders_agree(data, *at)) {
                        self.problem("a continuation's place differs between the two byte orders");
                    }
                    next = Some([0, 8, 16].map(|at| read32(data, at)));
                }
                _ => self.entry([*a, *b], data),
            }
            area = rest;
        }
        next
    }

    fn entry(&mut self, signature: [u8; 2], data: &[u8]) {
        let twice = "two entries of one kind contradict each other";
        match &signature {
            b"SP" => match data {
                [0xBE, 0xEF, skip, ..] if self.declared.is_none_or(|known| known == *skip) => {
                    self.declared = Some(*skip);
                }
                _ => self.problem("an SP entry is malformed or occurs twice"),
            },
            b"ER" => {
                let [id, _, _, _, text @ ..] = data else { return };
                match text.get(..usize::from(*id)) {
                    Some(id) => self.extensions.push(id.to_owned()),
                    None => self.problem("an ER entry is shorter than its parts"),
                }
            }
            b"RR" => self.rr = data.first().copied(),
            b"PX" => {
                let mode = read32(data, 0);
                if self.mode.is_some_and(|known| known != mode) {
                    self.problem(twice);
                }
                if !both_orders_agree(data, 0) {
                    self.problem("the mode differs between the two byte orders");
                }
                self.mode = Some(mode);
                self.child_first |= self.child.is_some();
            }
            b"NM" => self.name(data),
            b"SL" => self.link(data),
            b"CL" => {
                let child = read32(data, 0);
                if self.child.is_some_and(|known| known != child) {
                    self.problem(twice);
                }
                if !both_orders_agree(data, 0) {
                    self.problem("a moved folder's place differs between the two byte orders");
                }
                self.child = Some(child);
            }
            b"RE" => self.relocated = true,
            _ => return,
        }
        self.rock_ridge |= matches!(&signature, b"PX" | b"NM" | b"SL" | b"CL" | b"RE");
    }

    fn name(&mut self, data: &[u8]) {
        let [flags, text @ ..] = data else { return };
        // `.` and `..` of a folder.
        if flags & (CURRENT | PARENT) != 0 && text.is_empty() {
            return;
        }
        if flags & !CONTINUE != 0 {
            self.problem("an NM entry has flags with which Linux ignores the name");
        }
        if self.name.is_some() && !self.name_continues {
            self.problem("a second name: some readers use the first one, Linux joins both");
        }
        if text.contains(&0) {
            self.problem("a name contains a zero byte, where Linux ends it");
        }
        self.name_continues = flags & CONTINUE != 0;
        self.name.get_or_insert_default().extend(text);
    }

    fn link(&mut self, data: &[u8]) {
        let [flags, components @ ..] = data else { return };
        if self.link && !self.link_continues {
            self.problem("a second target: some readers use the first one, Linux joins both");
        }
        (self.link, self.link_continues) = (true, flags & CONTINUE != 0);
        let mut rest = components;
        while let [flags, length, behind @ ..] = rest {
            let empty = *length == 0;
            let known = flags & !CONTINUE == 0 || empty && matches!(*flags, CURRENT | PARENT | ROOT);
            if !known {
                self.problem("a target has a component of an unknown kind");
            }
            let Some(behind) = behind.get(usize::from(*length)..) else {
                self.problem("a target's component lies outside its entry");
                return;
            };
            rest = behind;
        }
    }

    fn finish(&mut self, more: bool) {
        if more {
            self.problem("more than 31 continuations");
        }
        if self.name_continues || self.link_continues {
            self.problem("a name or a target is continued but has no end");
        }
        if self.name.as_ref().is_some_and(|name| name.len() > NAME_MAX) {
            self.problem("a name of more than 253 bytes, which Linux truncates");
        }
        match self.rr {
            Some(flags) if self.name.is_some() && flags & RR_NAME == 0 => {
                self.problem("an RR entry hides the name from Linux");
            }
            Some(flags) if self.mode.is_some() && flags & RR_OTHERS == 0 => {
                self.problem("an RR entry hides the attributes from some readers");
            }
            _ => {}
        }
        let is_link = self.mode.is_some_and(|mode| mode & TYPE == TYPE_SYMLINK);
        if is_link != self.link {
            self.problem(if is_link {
                "a link without a target"
            } else {
                "a target, but not a symbolic link"
            });
        }
        if self.child_first {
            self.problem("a moved folder has attributes of its own after its place");
        }
    }
}
