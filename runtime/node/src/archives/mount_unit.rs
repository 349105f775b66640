//! The systemd mount unit of an archive, by which its mount survives a reboot.

use std::fmt::Write as _;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use archive::ArchiveId;
use content::LinkPolicy;

use super::error::Error;
use super::node_layout::NodeLayout;

/// The maximum size of a unit that is read, in bytes; ours have a few hundred.
const SIZE_MAX: u64 = 64 << 10;
/// The mark of a unit that an import has written.
const MARK: &str = "# Written by `sealift archive import`; `sealift archive delete` removes it.";
/// The key that names the archive.
const WHAT: &str = "What=";

/// The name of the unit that mounts at `path`, as `systemd-escape --path --suffix=mount` makes it.
#[must_use]
pub fn name(path: &Path) -> String {
    let path = path.to_string_lossy();
    let mut escaped = String::new();
    for (index, byte) in path.trim_matches('/').bytes().enumerate() {
        match byte {
            b'/' => escaped.push('-'),
            b'.' if index == 0 => escaped.push_str("\\x2e"),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b':' | b'_' | b'.' => escaped.push(char::from(byte)),
            // Writing to a String cannot fail.
            _ => drop(write!(escaped, "\\x{byte:02x}")),
        }
    }
    if escaped.is_empty() { "-.mount".to_owned() } else { format!("{escaped}.mount") }
}

/// The content of the unit that mounts the archive at `at`. The boot wants it but does not require it: a node boots without
/// a missing archive, as with `nofail` in an fstab.
#[must_use]
pub fn content(archive: &Path, at: &Path, folder: bool) -> String {
    let (kind, options) = if folder { ("none", "bind,ro") } else { ("iso9660", "ro,loop,nosuid,nodev") };
    let plain = |path: &Path| path.to_string_lossy().replace('%', "%%");
    format!(
        "{MARK}\n[Unit]\nDescription=Archive {}\nRequiresMountsFor={}\n\n[Mount]\n{WHAT}{}\nWhere={}\nType={kind}\n\
         Options={options}\n\n[Install]\nWantedBy=multi-user.target\n",
        plain(Path::new(at.file_name().unwrap_or_default())),
        quoted(&plain(archive.parent().unwrap_or(archive))),
        plain(archive),
        plain(at),
    )
}

/// Refuses a path that systemd would read differently from a line of a unit: systemd.syntax(7).
pub(super) fn check(path: &Path) -> Result<(), Error> {
    let harmless = |text: &str| !text.chars().any(char::is_control) && !text.ends_with(['\\', ' ']);
    if path.to_str().is_some_and(harmless) { Ok(()) } else { Err(Error::Unnameable(path.to_path_buf())) }
}

/// The content of a unit that an import has written; `None` if it does not exist. A unit that people have written or masked
/// is refused.
pub(super) fn read(path: &Path) -> Result<Option<String>, Error> {
    match content::open_read(path, LinkPolicy::Follow, SIZE_MAX).map(String::from_utf8) {
        Ok(Ok(text)) if text.starts_with(MARK) => Ok(Some(text)),
        Ok(_) => Err(Error::NotOurs(path.to_path_buf())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        // A masked unit is a link to /dev/null; a larger file is no unit of ours.
        Err(error) if matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::FileTooLarge) => {
            Err(Error::NotOurs(path.to_path_buf()))
        }
        Err(error) => Err(error.into()),
    }
}

/// `RequiresMountsFor=` accepts several paths, separated by spaces.
fn quoted(path: &str) -> String {
    format!("\"{}\"", path.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The file of the unit for `id`, and the link that enables it.
pub(super) fn files(paths: &NodeLayout, id: &ArchiveId) -> (PathBuf, PathBuf) {
    let name = name(&paths.mounts.join(id));
    (paths.units.join(&name), paths.units.join("multi-user.target.wants").join(&name))
}

/// The archive that the unit for `id` mounts.
pub(super) fn archive_of(paths: &NodeLayout, id: &ArchiveId) -> Option<PathBuf> {
    archive_in(&read(&files(paths, id).0).ok()??)
}

/// The ID under which a unit mounts `archive`.
pub(super) fn of_archive(paths: &NodeLayout, archive: &Path) -> Option<ArchiveId> {
    let units = std::fs::read_dir(&paths.units).ok()?;
    let mut texts = units.flatten().filter_map(|unit| read(&unit.path()).ok().flatten());
    let text = texts.find(|text| archive_in(text).as_deref() == Some(archive))?;
    let at = text.lines().find_map(|line| line.strip_prefix("Where="))?.replace("%%", "%");
    Path::new(&at).strip_prefix(&paths.mounts).ok()?.to_str()?.parse().ok()
}

fn archive_in(text: &str) -> Option<PathBuf> {
    text.lines().find_map(|line| line.strip_prefix(WHAT)).map(|path| path.replace("%%", "%").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_has_the_sections_and_keys_of_systemd() {
        let unit = content(Path::new("/var/100%/a.iso"), Path::new("/srv/scality/a-1.0"), false);
        assert_eq!(
            unit,
            format!(
                "{MARK}\n[Unit]\nDescription=Archive a-1.0\nRequiresMountsFor={}\n\n\
                 [Mount]\nWhat=/var/100%%/a.iso\nWhere=/srv/scality/a-1.0\nType=iso9660\nOptions=ro,loop,nosuid,nodev\n\n\
                 [Install]\nWantedBy=multi-user.target\n",
                quoted("/var/100%%"),
            )
        );
        let unit = content(Path::new("/var/a"), Path::new("/srv/scality/a-1.0"), true);
        assert!(
            unit.contains("\n[Mount]\nWhat=/var/a\n") && unit.contains("\nType=none\nOptions=bind,ro\n"),
            "{unit}"
        );
    }
}
