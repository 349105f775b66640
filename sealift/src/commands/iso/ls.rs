//! `sealift iso ls`.

use std::path::Path;

use content::printable;

use super::{faults, find};
use crate::failure::CommandResult;
use crate::output::document::List;
use crate::output::documents::iso::IsoFile;
use crate::output::{self, ReportOutput};

pub(super) fn run(image: &Path, path: &str, recursive: bool, output: ReportOutput) -> CommandResult {
    let opened = ::iso::IsoImage::open(image)?;
    let entry = find(&opened, image, path)?;
    let entries: Vec<(String, ::iso::IsoEntry)> = match entry.kind {
        ::iso::IsoEntryKind::Directory if recursive => {
            let prefix = path.trim_matches('/');
            let below = |name: &str| {
                prefix.is_empty() || name.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('/'))
            };
            opened.walk()?.into_iter().filter(|(name, _)| below(name)).collect()
        }
        ::iso::IsoEntryKind::Directory => {
            opened.read_dir(&entry)?.into_iter().map(|entry| (entry.name.clone(), entry)).collect()
        }
        _ => vec![(path.to_owned(), entry)],
    };
    if output.is_text() {
        let text: String = entries.iter().map(|(path, entry)| line(path, entry)).collect();
        output::print(&text)?;
    } else {
        let files = || entries.iter().map(|(path, entry)| IsoFile::new(path, entry)).collect::<List<_>>();
        output.report(files, String::new)?;
    }
    faults(entries.iter().filter_map(|(path, entry)| Some((path.as_str(), entry.fault.as_deref()?))))
}

fn line(path: &str, entry: &::iso::IsoEntry) -> String {
    // An entry with a fault can have no mode, or one that does not show its kind.
    let letter = match entry.mode & 0o170_000 {
        0o040_000 => 'd',
        0o100_000 => '-',
        0o120_000 => 'l',
        0o010_000 => 'p',
        0o140_000 => 's',
        0o020_000 => 'c',
        0o060_000 => 'b',
        _ => '?',
    };
    let mut mode: Vec<char> = (0..9)
        .map(|bit| if entry.mode & (0o400 >> bit) == 0 { '-' } else { ['r', 'w', 'x'][bit % 3] })
        .collect();
    // As `ls` shows set-user-ID, set-group-ID and the sticky bit: in place of the `x`, or a capital letter without `x`.
    for (bit, at, letter) in [(0o4_000, 2, 's'), (0o2_000, 5, 's'), (0o1_000, 8, 't')] {
        if let Some(shown) = mode.get_mut(at).filter(|_| entry.mode & bit != 0) {
            *shown = if *shown == 'x' { letter } else { letter.to_ascii_uppercase() };
        }
    }
    let mode: String = mode.into_iter().collect();
    let target = match &entry.kind {
        ::iso::IsoEntryKind::Symlink(target) => format!(" -> {}", printable(target)),
        _ => String::new(),
    };
    format!("{letter}{mode} {:>12} {}{target}\n", entry.size, printable(path))
}
