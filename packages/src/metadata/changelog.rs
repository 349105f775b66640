//! `other.xml`: the changelogs of all packages. Only those of some packages are kept.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::io::BufRead;
use std::path::Path;

use super::metadata_error;
use super::xml::{self, Attributes, Elements};
use crate::error::Result;
use crate::repository::HeaderFault;
use crate::version;

/// Entries that are kept of one package.
const ENTRIES_MAX: usize = 100;
/// Bytes that are kept of one entry.
const ENTRY_MAX: usize = 16 << 10;

/// An entry of a changelog.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChangelogEntry {
    /// The day, in seconds since 1970.
    pub date: i64,
    /// Who wrote it, often followed by the version of the package: `A <a@example.org> - 1.2-3`.
    pub author: String,
    /// What changed. A very long text is cut off.
    pub text: String,
}

/// Changelogs by the checksums of their packages, in lowercase hexadecimal; the newest entry first.
pub type Changelogs = BTreeMap<String, Vec<ChangelogEntry>>;

impl ChangelogEntry {
    /// The version that the entry names, as `[epoch:]version[-release]`.
    fn version(&self) -> Option<&str> {
        let last = self.author.split_whitespace().next_back()?.trim_start_matches('-');
        let last = last.trim_matches(|c| matches!(c, '[' | ']' | '(' | ')'));
        let is_version = last.starts_with(|c: char| c.is_ascii_digit()) && !last.contains(['@', '<', '>']);
        is_version.then_some(last)
    }
}

/// The entries of a package that are newer than its version `evr` (`[epoch:]version-release`): those before the first one that names this
/// version or an older one. `entries` start with the newest.
#[must_use]
pub fn newer_entries<'a>(entries: &'a [ChangelogEntry], evr: &str) -> &'a [ChangelogEntry] {
    let (epoch, version, release) = version::split(evr);
    let is_known = |entry: &ChangelogEntry| {
        let Some(named) = entry.version() else { return false };
        let (other_epoch, other, other_release) = version::split(named);
        // An entry names an epoch only now and then.
        let epochs = if named.contains(':') { version::compare(other_epoch, epoch) } else { Ordering::Equal };
        let releases = || match (other_release, release) {
            (Some(other), Some(own)) => version::compare(other, own),
            _ => Ordering::Equal,
        };
        epochs.then_with(|| version::compare(other, version)).then_with(releases).is_le()
    };
    let end = entries.iter().position(is_known).unwrap_or(entries.len());
    entries.get(..end).unwrap_or_default()
}

/// Reads the changelogs of the packages with the checksums `wanted` from an `other.xml`, unpacked. `name` is for messages.
///
/// # Errors
///
/// [`Error::Metadata`](crate::Error::Metadata) where it is not one.
pub fn read_changelogs(wanted: &BTreeSet<String>, input: impl BufRead, name: &Path) -> Result<Changelogs> {
    let mut reading = Other { wanted, found: Changelogs::new(), package: None, entry: None, has_root: false };
    xml::read(input, &mut reading).map_err(metadata_error(name))?;
    let mut found = reading.found;
    for entries in found.values_mut() {
        // Of one day, the last one is the newest.
        entries.reverse();
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.date));
    }
    Ok(found)
}

struct Other<'a> {
    wanted: &'a BTreeSet<String>,
    found: Changelogs,
    /// The checksum of the package that is read, if it is wanted.
    package: Option<String>,
    entry: Option<ChangelogEntry>,
    has_root: bool,
}

impl Elements for Other<'_> {
    fn open(&mut self, name: &str, attributes: &Attributes<'_>) -> Result<(), HeaderFault> {
        if !self.has_root {
            if !matches!(name, "otherdata" | "other") {
                return Err(HeaderFault::new("other.xml", "the element otherdata", name));
            }
            self.has_root = true;
        }
        match name {
            "package" => {
                let id = attributes.get("pkgid")?.unwrap_or_default().to_ascii_lowercase();
                self.package = self.wanted.contains(&id).then_some(id);
            }
            "changelog" if self.package.is_some() => {
                let date = attributes.get("date")?.and_then(|date| date.trim().parse().ok());
                let author = cut(&attributes.get("author")?.unwrap_or_default());
                self.entry =
                    Some(ChangelogEntry { date: date.unwrap_or_default(), author, text: String::new() });
            }
            _ => {}
        }
        Ok(())
    }

    fn close(&mut self, name: &str, text: &str) -> Result<(), HeaderFault> {
        match name {
            "package" => self.package = None,
            "changelog" => {
                if let (Some(package), Some(mut entry)) = (&self.package, self.entry.take()) {
                    entry.text = cut(text.trim());
                    keep_newest(self.found.entry(package.clone()).or_default(), entry);
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// Adds an entry. If there are too many then, the oldest is left out; of one day, the first one in the file is the oldest.
fn keep_newest(entries: &mut Vec<ChangelogEntry>, entry: ChangelogEntry) {
    entries.push(entry);
    if entries.len() > ENTRIES_MAX
        && let Some((oldest, _)) = entries.iter().enumerate().min_by_key(|(_, one)| one.date)
    {
        entries.remove(oldest);
    }
}

/// The start of a text.
fn cut(text: &str) -> String {
    text.get(..text.floor_char_boundary(ENTRY_MAX)).unwrap_or(text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(author: &str) -> ChangelogEntry {
        ChangelogEntry { date: 0, author: author.into(), text: "x".into() }
    }

    #[test]
    fn entries_of_wanted_packages_are_read_with_the_newest_first() {
        let long = "é".repeat(ENTRY_MAX);
        let many = r#"<changelog author="x" date="1">y</changelog>"#.repeat(200);
        let text = format!(
            r#"<otherdata xmlns="http://linux.duke.edu/metadata/other" packages="3">
            <package pkgid="AB" name="a" arch="noarch"><version epoch="0" ver="1" rel="1"/>
            <changelog author="A &lt;a@b&gt; - 1-1" date="100">- first</changelog>
            <changelog author="A &lt;a@b&gt; - 1-2" date="200">- second
- more &amp; more</changelog>
            <changelog author="A &lt;a@b&gt; - 1-3" date="200">{long}</changelog></package>
            <package pkgid="cd" name="b"><changelog author="no" date="1">no</changelog></package>
            <package pkgid="ef" name="c">{many}<changelog author="z" date="no"/></package></otherdata>"#
        );
        let wanted = ["ab", "ef"].map(str::to_owned).into();
        let found = read_changelogs(&wanted, text.as_bytes(), Path::new("other.xml")).unwrap();
        assert_eq!(found.keys().collect::<Vec<_>>(), ["ab", "ef"]);
        let entries = &found["ab"];
        let authors: Vec<&str> = entries.iter().map(|entry| entry.author.as_str()).collect();
        assert_eq!(authors, ["A <a@b> - 1-3", "A <a@b> - 1-2", "A <a@b> - 1-1"]);
        assert_eq!(entries[1].text, "- second\n- more & more");
        assert!(entries[0].text.len() <= ENTRY_MAX && entries[0].text.len() > ENTRY_MAX - 2);
        assert_eq!(found["ef"].len(), ENTRIES_MAX);
        let wrong = read_changelogs(&wanted, &b"<html></html>"[..], Path::new("other.xml"));
        assert!(wrong.unwrap_err().to_string().contains("expected the element otherdata, found html"));
    }

    #[test]
    fn of_a_long_changelog_the_newest_entries_are_kept() {
        // createrepo_c writes the oldest entry first; others may write the newest first.
        for newest_first in [false, true] {
            let mut dates: Vec<usize> = (0..ENTRIES_MAX + 50).collect();
            if newest_first {
                dates.reverse();
            }
            let entries: String =
                dates.iter().map(|date| format!(r#"<changelog author="{date}" date="{date}"/>"#)).collect();
            let text = format!(r#"<otherdata><package pkgid="ab" name="a">{entries}</package></otherdata>"#);
            let wanted = ["ab".to_owned()].into();
            let found = read_changelogs(&wanted, text.as_bytes(), Path::new("other.xml")).unwrap();
            let kept: Vec<i64> = found["ab"].iter().map(|entry| entry.date).collect();
            assert_eq!(kept, (50..150).rev().collect::<Vec<i64>>(), "{newest_first}");
        }
    }

    #[test]
    fn entries_end_at_the_version_that_is_known() {
        let entries = [
            entry("A <a@b> - 1:2.0-1"),
            entry("A <a@b>"),
            entry("A <a@b> 1.5-3.1"),
            entry("A <a@b> - 1.5-3"),
            entry("A <a@b> - 1.5-2"),
            entry("A <a@b> [1.4]"),
        ];
        for (evr, expected) in [
            ("1.5-3.el8", 3),
            ("1:1.5-3.el8", 3),
            ("1.5-2.el8_4", 4),
            ("1.5-3.1.el8", 2),
            ("1.4-7", 5),
            ("1:2.0-1.el8", 0),
            ("2:1.0-1", 0),
            ("0.1-1", 6),
        ] {
            assert_eq!(newer_entries(&entries, evr).len(), expected, "{evr}");
        }
        assert_eq!(newer_entries(&[], "1-1"), []);
    }
}
