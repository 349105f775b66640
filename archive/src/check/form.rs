//! The form of the ISO, by the guidelines for Solutions: ISO 9660 of at most level 3, with Rock Ridge and Joliet.
//!
//! Images come from any writer, so what they say differently is a finding only if a reader or a rule minds it.

use std::collections::BTreeMap;

use iso::{DescriptorKind, IsoEntry, IsoEntryKind, View};

use super::finding::{Findings, Place};
use super::table::CheckName;
use crate::tree::IsoTree;

/// The longest name of a folder in level 3 (ECMA-119 7.6.3).
const FOLDER_MAX: usize = 31;
/// The most characters of a file name and its extension together (ECMA-119 7.5.1).
const FILE_MAX: usize = 30;
/// The characters that a volume ID has room for.
const VOLUME_ID_MAX: usize = 32;
/// The most files that are named for one reason.
const NAMED_MAX: usize = 20;

/// Checks what the volume descriptors and the names say. `names` are the texts that the volume ID may consist of, with the
/// version after each.
pub(super) fn check(tree: &IsoTree, names: &[&str], version: &str, findings: &mut Findings) {
    let volume = tree.volume();
    let mut wrong = |name, problem: &str| findings.add(name, Place::default(), problem);
    if !volume.rock_ridge {
        wrong(CheckName::IsoRockRidge, "the ISO has no Rock Ridge names");
    }
    if !volume.joliet {
        wrong(CheckName::IsoJoliet, "the ISO has no Joliet names");
    }
    if volume.descriptors.contains(&DescriptorKind::Supplementary) {
        wrong(CheckName::IsoLevel, "the ISO has a volume descriptor of ISO 9660:1999");
    }
    if !is_volume_id(&volume.volume_id, names, version) {
        let expected = names.first().map_or_else(String::new, |name| format!("{name} {version}"));
        let expected: String = expected.chars().take(VOLUME_ID_MAX).collect();
        let found = &volume.volume_id;
        wrong(CheckName::IsoVolumeId, &format!("the volume ID is `{found}`, expected `{expected}`"));
    }
    names_of(tree, View::Plain, findings, &mut |path, entry| {
        let problem = || format!("the plain name `{path}` is longer than level 3 accepts");
        is_too_long(entry).then(|| (CheckName::IsoNameLength, problem()))
    });
    if tree.volume().rock_ridge {
        names_of(tree, View::RockRidge, findings, &mut |_, entry| posix_problem(entry));
    }
}

/// What is wrong with the entry at a path.
type Problem<'a> = dyn FnMut(&str, &IsoEntry) -> Option<(CheckName, String)> + 'a;

/// Adds what `problem` says of each entry, a bounded number of times for each check.
fn names_of(tree: &IsoTree, view: View, findings: &mut Findings, problem: &mut Problem<'_>) {
    // An image that cannot be walked is a finding of the verification.
    let Ok(entries) = tree.entries(view) else { return };
    let mut counts = BTreeMap::<CheckName, usize>::new();
    for (path, entry) in &entries {
        let Some((name, problem)) = problem(path, entry) else { continue };
        let count = counts.entry(name).or_default();
        *count += 1;
        if *count <= NAMED_MAX {
            findings.add(name, Place::file(path.as_str()), problem);
        }
    }
    for (name, count) in counts {
        if let Some(more) = count.checked_sub(NAMED_MAX).filter(|more| *more > 0) {
            findings.add(name, Place::default(), format!("{more} more files or folders"));
        }
    }
}

fn is_too_long(entry: &IsoEntry) -> bool {
    let length = entry.name_bytes().len();
    match entry.kind {
        IsoEntryKind::Directory => length > FOLDER_MAX,
        // The dot between name and extension does not count.
        _ => length - usize::from(entry.name_bytes().contains(&b'.')) > FILE_MAX,
    }
}

fn posix_problem(entry: &IsoEntry) -> Option<(CheckName, String)> {
    if std::str::from_utf8(entry.name_bytes()).is_err() {
        return Some((CheckName::IsoNameEncoding, "the name is not UTF-8".into()));
    }
    let needed = match entry.kind {
        IsoEntryKind::Directory => 0o005,
        IsoEntryKind::File => 0o004,
        _ => return None,
    };
    let mode = entry.mode & 0o7777;
    (mode & needed != needed)
        .then(|| (CheckName::FileMode, format!("its mode is {mode:04o}, so other users cannot read it")))
}

/// Whether a volume ID is one of the names with the version, however it writes blanks and capitals. One of 32 characters may
/// be cut.
fn is_volume_id(found: &str, names: &[&str], version: &str) -> bool {
    let plain = |text: &str| -> String {
        text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
    };
    let is_cut = found.chars().count() >= VOLUME_ID_MAX;
    let found = plain(found);
    names.iter().any(|name| {
        let expected = plain(name) + &plain(version);
        found == expected || is_cut && !found.is_empty() && expected.starts_with(&found)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volume_id_has_the_name_and_the_version() {
        let cases = [
            ("example-solution 1.0.0", true),
            ("EXAMPLE_SOLUTION_1_0_0", true),
            ("Example Application 1.0.0", true),
            ("CDROM", false),
            ("", false),
            ("example-solution 1.0.1", false),
            ("example-solution", false),
            ("1.0.0", false),
        ];
        for (found, expected) in cases {
            let names = ["example-solution", "Example Application"];
            assert_eq!(is_volume_id(found, &names, "1.0.0"), expected, "{found:?}");
        }
        let long = "a-very-long-name-of-a-solution";
        assert!(is_volume_id("a-very-long-name-of-a-solution 1", &[long], "1.0.0"));
        assert!(!is_volume_id("a-very-long-name-of-a-solution 2", &[long], "1.0.0"));
    }
}
