//! The environment of Salt, which in MetalK8s is the ID of the archive: `saltenv: metalk8s-2.10.0`.

use std::path::{Path, PathBuf};

use content::LinkPolicy;

use crate::transaction::Wanted;

/// The folders with the configurations of Salt's daemons.
const FOLDERS: [&str; 2] = ["minion.d", "master.d"];
/// The most bytes of such a file; larger ones are left alone.
const FILE_MAX: u64 = 1 << 20;
/// The most files of a folder that are looked at.
const FILES_MAX: usize = 1000;
/// The key of the environment, in a minion's and in a master's configuration.
const KEYS: [&str; 2] = ["saltenv:", "environment:"];

/// The files below `salt` that name the environment `from`, with `to` in its place.
pub(crate) fn changes(salt: &Path, from: &str, to: &str) -> Vec<(PathBuf, Wanted)> {
    let folders = FOLDERS.map(|name| salt.join(name));
    let files = folders.iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flat_map(|entries| {
        let mut files: Vec<PathBuf> = entries.flatten().take(FILES_MAX).map(|entry| entry.path()).collect();
        files.sort_unstable();
        files
    });
    let changed = |path: PathBuf| {
        let is_read = path.extension().is_some_and(|end| end == "conf");
        let text = content::open_text(&path, LinkPolicy::Follow, FILE_MAX).ok().filter(|_| is_read)?;
        let bytes = changed(&text, from, to)?.into_bytes();
        Some((path, Wanted::File { bytes, attributes: None }))
    };
    files.filter_map(changed).collect()
}

/// The text with another environment; `None` if no line names `from`. Only the value changes, not quotes and comments.
fn changed(text: &str, from: &str, to: &str) -> Option<String> {
    let mut found = false;
    let line = |line: &str| {
        let value = KEYS.iter().find_map(|key| line.strip_prefix(key)).unwrap_or_default();
        let word = value.split_whitespace().next().unwrap_or_default();
        if word.trim_matches(['"', '\'']) != from {
            return line.to_owned();
        }
        found = true;
        line.replacen(from, to, 1)
    };
    let text: String = text.split_inclusive('\n').map(line).collect();
    found.then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_value_of_the_key_changes() {
        let text = "# saltenv: metalk8s-2.10.0\nsaltenv: 'metalk8s-2.10.0' # of metalk8s-2.10.0\nlog: metalk8s-2.10.0\n";
        let expected = "# saltenv: metalk8s-2.10.0\nsaltenv: 'metalk8s-2.11.0' # of metalk8s-2.10.0\nlog: metalk8s-2.10.0\n";
        assert_eq!(changed(text, "metalk8s-2.10.0", "metalk8s-2.11.0").as_deref(), Some(expected));
        assert_eq!(changed("saltenv: metalk8s-2.10.0-rc1\n", "metalk8s-2.10.0", "metalk8s-2.11.0"), None);
    }
}
