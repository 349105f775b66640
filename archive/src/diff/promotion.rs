//! Whether two archives differ in their version only: a candidate and its release.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufReader};

use content::Digest;
use packages::compare::{Replacements, deb, rpm, tar};
use serde_json::Value;

use crate::solution::manifest::DEVELOPMENT_RELEASE;
use crate::tree::EntryKind;
use crate::{Error, Result, Tree, layout};

/// How lines begin that say whether an archive is in development, which a candidate is.
const DEVELOPMENT: [&str; 2] = ["DEVELOPMENT_RELEASE=", DEVELOPMENT_RELEASE];
/// The most bytes of a manifest or a configuration of an image.
const DOCUMENT_MAX: u64 = 16 << 20;

/// A path at which two archives differ in more than their version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherDifference {
    /// The path in the second archive, or in the first if only that has it.
    pub path: String,
    /// What differs, in words.
    pub reason: String,
}

/// What two archives may have in common apart from their version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct VersionComparison {
    /// The files with other bytes whose difference the version explains, sorted.
    pub explained: Vec<String>,
    /// The differences that it does not explain, sorted by path. Files that follow from others are left out: checksums, the
    /// registry index, metadata of package repositories and their signatures, and SBOMs.
    pub other: Vec<OtherDifference>,
}

/// The versions of two archives in all forms that files have.
fn replacements(former: &str, new: &str) -> Replacements {
    // As it is, as RPM and dpkg order candidates, as Python writes them, and in tags of images.
    let forms = ["-", "~", "", "_"].map(|sign| former.replacen("-rc", &format!("{sign}rc"), 1));
    let mut pairs: Vec<(String, String)> = forms.into_iter().map(|form| (form, new.to_owned())).collect();
    pairs.push((former.replace('+', "_"), new.replace('+', "_")));
    Replacements::new(pairs)
}

/// Compares two archives whose versions are `former` and `new`. Each file that differs is read; all others count by their digests in
/// `SHA256SUMS`.
///
/// # Errors
///
/// An archive cannot be read, or has no `SHA256SUMS`.
pub fn compare_promotion(
    (former_tree, former): (&Tree, &str),
    (new_tree, new): (&Tree, &str),
) -> Result<VersionComparison> {
    let comparing = Comparing { former: former_tree, new: new_tree, replaced: replacements(former, new) };
    let (mut before, after) = (listed(former_tree)?, listed(new_tree)?);
    before = before.into_iter().map(|(path, entry)| (comparing.path(&path, &after), entry)).collect();
    let mut found = VersionComparison::default();
    let mut images = BTreeSet::new();
    let paths: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for path in paths {
        if is_derived(path) {
            continue;
        }
        if let Some(image) = image_of(path) {
            // Blobs of an image have other names if it differs.
            if before.get(path).map(Listed::content) != after.get(path).map(Listed::content) {
                images.insert(image.to_owned());
            }
            continue;
        }
        let difference = match (before.get(path), after.get(path)) {
            (Some(one), Some(other)) if one.content() == other.content() => continue,
            (Some(one), Some(other)) => comparing.entry(one, other)?,
            (Some(_), None) => Some("only the candidate has it".to_owned()),
            (None, _) => Some("only the release has it".to_owned()),
        };
        found.note(path.clone(), difference);
    }
    for image in images {
        let difference = comparing.image(&image, &before, &after)?;
        found.note(image, difference);
    }
    found.other.sort_by(|one, other| one.path.cmp(&other.path));
    found.explained.sort();
    Ok(found)
}

impl VersionComparison {
    fn note(&mut self, path: String, difference: Option<String>) {
        match difference {
            Some(reason) => self.other.push(OtherDifference { path, reason }),
            None => self.explained.push(path),
        }
    }
}

/// A file or link.
struct Listed {
    /// Its path in its own archive.
    path: String,
    digest: Option<Digest>,
    target: Option<String>,
    executable: bool,
}

impl Listed {
    fn content(&self) -> (Option<Digest>, Option<&str>, bool) {
        (self.digest, self.target.as_deref(), self.executable)
    }
}

/// The files and links of an archive by their paths.
fn listed(tree: &Tree) -> Result<BTreeMap<String, Listed>> {
    let missing = || Error::NotFound { archive: tree.path().to_owned(), path: layout::SUMS.to_owned() };
    let sums = crate::sums::of(tree)?.ok_or_else(missing)?;
    let digests: BTreeMap<String, Digest> = sums.into_iter().map(|sum| (sum.path, sum.digest)).collect();
    let mut found = BTreeMap::new();
    for (path, entry) in tree.walk()? {
        let target = match &entry.kind {
            EntryKind::Symlink(target) => Some(target.clone()),
            EntryKind::File => None,
            _ => continue,
        };
        let listed = Listed {
            digest: digests.get(&path).copied(),
            target,
            executable: entry.mode & 0o111 != 0,
            path: path.clone(),
        };
        found.insert(path, listed);
    }
    Ok(found)
}

/// Whether a file follows from others, which are compared.
fn is_derived(path: &str) -> bool {
    let lists = [layout::SUMS, layout::LINKS, layout::HIDDEN_SUMS, layout::HIDDEN_LINKS];
    let below = |folder: &str| path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
    let name = path.rsplit('/').next().unwrap_or(path);
    let is_index =
        ["Packages", "Contents", "Release", "InRelease"].iter().any(|start| name.starts_with(start));
    lists.contains(&path)
        || below(layout::REGISTRY)
        || below(layout::ATTESTATIONS) && name.ends_with(".spdx.json")
        || below(layout::PACKAGES)
            && (["/repodata/", "/by-hash/"].iter().any(|part| path.contains(part))
                || is_index && !name.ends_with(".deb"))
}

/// The folder of the image that a file belongs to.
fn image_of(path: &str) -> Option<&str> {
    let (folder, _) = path.rsplit_once('/')?;
    let rest = folder.strip_prefix(layout::IMAGES)?.strip_prefix('/')?;
    rest.contains('/').then_some(folder)
}

struct Comparing<'a> {
    former: &'a Tree,
    new: &'a Tree,
    replaced: Replacements,
}

impl Comparing<'_> {
    /// The path in the new archive of what has `path` in the former one: with the new version, or the same one, if the new archive has
    /// that. All files of an image are in one folder.
    fn path(&self, path: &str, after: &BTreeMap<String, Listed>) -> String {
        let (same, rest) = match image_of(path) {
            Some(image) => (format!("{image}/{}", layout::IMAGE_MANIFEST), path.get(image.len()..)),
            None => (path.to_owned(), None),
        };
        let is_kept = after.contains_key(&same);
        match image_of(path).zip(rest) {
            _ if is_kept => path.to_owned(),
            Some((image, rest)) => self.replaced.text(image) + rest,
            None => self.replaced.text(path),
        }
    }

    /// Whether the version explains how a text differs.
    fn explains(&self, former: &str, new: &str) -> bool {
        self.replaced.explain(former.as_bytes(), new.as_bytes())
    }

    /// What differs between two files or links apart from the version.
    fn entry(&self, one: &Listed, other: &Listed) -> Result<Option<String>> {
        if one.executable != other.executable {
            return Ok(Some("only one is executable".to_owned()));
        }
        match (&one.target, &other.target) {
            (Some(one), Some(other)) => {
                return Ok((!self.explains(one, other)).then(|| "its target differs".to_owned()));
            }
            (None, None) => {}
            _ => return Ok(Some("only one is a symbolic link".to_owned())),
        }
        if [layout::PRODUCT, layout::MANIFEST].contains(&other.path.as_str()) {
            return self.description(&other.path);
        }
        let (former, new) = (self.former.locate(&one.path)?, self.new.locate(&other.path)?);
        let readers = || (BufReader::new(former.reader()), BufReader::new(new.reader()));
        let (mut before, mut after) = readers();
        let difference = match other.path.rsplit('.').next() {
            Some("rpm") => rpm(before, after, &self.replaced),
            Some("deb") => deb(before, after, &self.replaced),
            Some("tar") => tar(before, after, &self.replaced),
            _ => self
                .replaced
                .equal(&mut before, &mut after)
                .map(|equal| (!equal).then(|| "its content differs".to_owned())),
        };
        difference.map_err(|error| self.unreadable(&other.path, error))
    }

    /// What differs between the descriptions of two archives apart from the version, and whether it is in development.
    fn description(&self, path: &str) -> Result<Option<String>> {
        let read = |tree: &Tree| -> Result<String> {
            let text = String::from_utf8_lossy(&tree.read(path, DOCUMENT_MAX)?).into_owned();
            let lines =
                text.lines().filter(|line| !DEVELOPMENT.iter().any(|key| line.trim().starts_with(key)));
            Ok(lines.collect::<Vec<_>>().join("\n"))
        };
        let same = self.explains(&read(self.former)?, &read(self.new)?);
        Ok((!same).then(|| "its content differs".to_owned()))
    }

    /// What differs between the images in a folder apart from the version.
    fn image(
        &self,
        folder: &str,
        before: &BTreeMap<String, Listed>,
        after: &BTreeMap<String, Listed>,
    ) -> Result<Option<String>> {
        let path = format!("{folder}/{}", layout::IMAGE_MANIFEST);
        let (one, other) = match (before.get(&path), after.get(&path)) {
            (Some(one), Some(other)) => (one, other),
            (Some(_), None) => return Ok(Some("only the candidate has it".to_owned())),
            (None, Some(_)) => return Ok(Some("only the release has it".to_owned())),
            (None, None) => return Ok(Some("it is not an image".to_owned())),
        };
        let folders =
            [&one.path, &other.path].map(|path| path.rsplit_once('/').map_or("", |(folder, _)| folder));
        let [mut former, new] =
            [self.json(self.former, &one.path)?, self.json(self.new, &other.path)?].map(|read| read.0);
        let (Some(old_layers), Some(layers)) = (layers(&former), layers(&new)) else {
            return Ok((former != new).then(|| "its index differs".to_owned()));
        };
        if old_layers.len() != layers.len() {
            return Ok(Some("it has another number of layers".to_owned()));
        }
        for (number, (one, other)) in old_layers.iter().zip(&layers).enumerate() {
            if one == other {
                continue;
            }
            let blob = |tree: &Tree, folder: &str, digest: &str| {
                let name = digest.strip_prefix("sha256:").unwrap_or(digest);
                tree.locate(&format!("{folder}/{name}"))
            };
            let (one, other) = (blob(self.former, folders[0], one)?, blob(self.new, folders[1], other)?);
            let (one, other) = (BufReader::new(one.reader()), BufReader::new(other.reader()));
            let difference =
                tar(one, other, &self.replaced).map_err(|error| self.unreadable(&path, error))?;
            if let Some(difference) = difference {
                return Ok(Some(format!("layer {}: {difference}", number + 1)));
            }
        }
        let configs = [(&former, self.former, folders[0]), (&new, self.new, folders[1])].map(
            |(manifest, tree, folder)| {
                let digest = manifest.pointer("/config/digest").and_then(Value::as_str).unwrap_or_default();
                let name = digest.strip_prefix("sha256:").unwrap_or(digest);
                self.json(tree, &format!("{folder}/{name}"))
            },
        );
        let [old_config, config] = configs;
        let (mut old_config, mut config) = (old_config?.0, config?.0);
        // The layers are compared; these follow from them.
        for value in [&mut old_config, &mut config] {
            if let Some(value) = value.pointer_mut("/rootfs/diff_ids") {
                *value = Value::Null;
            }
        }
        if !self.becomes(&old_config, &config) {
            return Ok(Some("its configuration differs".to_owned()));
        }
        let mut new = new;
        for value in [&mut former, &mut new] {
            forget_blobs(value);
        }
        Ok((!self.becomes(&former, &new)).then(|| "its manifest differs".to_owned()))
    }

    /// Whether the version explains how a JSON document differs.
    fn becomes(&self, former: &Value, new: &Value) -> bool {
        match (former, new) {
            (Value::String(former), Value::String(new)) => self.explains(former, new),
            (Value::Array(former), Value::Array(new)) => {
                former.len() == new.len()
                    && former.iter().zip(new).all(|(one, other)| self.becomes(one, other))
            }
            (Value::Object(former), Value::Object(new)) => {
                let value = |key: &String| new.get(key).or_else(|| new.get(&self.replaced.text(key)));
                former.len() == new.len()
                    && former
                        .iter()
                        .all(|(key, former)| value(key).is_some_and(|new| self.becomes(former, new)))
            }
            (former, new) => former == new,
        }
    }

    fn json(&self, tree: &Tree, path: &str) -> Result<(Value,)> {
        let bytes = tree.read(path, DOCUMENT_MAX)?;
        let value = serde_json::from_slice(&bytes);
        value.map(|value| (value,)).map_err(|error| self.unreadable(path, error.into()))
    }

    fn unreadable(&self, path: &str, error: io::Error) -> Error {
        Error::io("compare", self.new.path().join(path), error)
    }
}

/// The digests of the layers of a manifest; `None` if it is an index.
fn layers(manifest: &Value) -> Option<Vec<String>> {
    let layers = manifest.get("layers")?.as_array()?;
    layers.iter().map(|layer| Some(layer.get("digest")?.as_str()?.to_owned())).collect()
}

/// Removes the digests and sizes of blobs, which follow from their content.
fn forget_blobs(manifest: &mut Value) {
    let forget = |descriptor: &mut Value| {
        if let Some(map) = descriptor.as_object_mut() {
            map.remove("digest");
            map.remove("size");
        }
    };
    if let Some(config) = manifest.get_mut("config") {
        forget(config);
    }
    let layers = manifest.get_mut("layers").and_then(Value::as_array_mut);
    layers.into_iter().flatten().for_each(forget);
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// A tree with the tar of an image, which has the name of the image with its version in it.
    fn tree(folder: &Path, version: &str, content: &str) -> Tree {
        let root = folder.join(version);
        std::fs::create_dir_all(root.join("images")).unwrap();
        std::fs::write(root.join("product.txt"), format!("NAME=Site\nVERSION={version}\n")).unwrap();
        let mut builder = ::tar::Builder::new(Vec::new());
        for (path, content) in [("index.json", format!("site-{version}/app:1")), ("blob", content.to_owned())]
        {
            let mut header = ::tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            builder.append_data(&mut header, path, content.as_bytes()).unwrap();
        }
        std::fs::write(root.join("images/app-1.tar"), builder.into_inner().unwrap()).unwrap();
        crate::sums::write(&root, &crate::sums::digest_file).unwrap();
        Tree::open(&root).unwrap()
    }

    #[test]
    fn the_version_of_the_candidate_may_also_stay() {
        let folder = tempfile::tempdir().unwrap();
        let write = |version: &str, other: &str| {
            let root = folder.path().join(version);
            for (path, text) in [
                ("product.txt", format!("NAME=Site\nVERSION={version}\n")),
                ("log.md", format!("1.0.0, 1.0.0-rc0: a, {version}\n")),
                ("docs/1.0.0-rc0.md", format!("{version}\n")),
                ("docs/1.0.0.md", format!("1.0.0-rc0{other}\n")),
                (&format!("docs/{version}/a"), "a".to_owned()),
            ] {
                let path = root.join(path);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, text).unwrap();
            }
            crate::sums::write(&root, &crate::sums::digest_file).unwrap();
            Tree::open(&root).unwrap()
        };
        let former = write("1.0.0-rc0", "");
        for (other, expected) in [("", &[][..]), ("1", &["docs/1.0.0.md"])] {
            let new = write("1.0.0", other);
            let found = compare_promotion((&former, "1.0.0-rc0"), (&new, "1.0.0")).unwrap();
            let paths: Vec<&str> = found.other.iter().map(|one| one.path.as_str()).collect();
            assert_eq!(paths, expected, "{found:?}");
            assert_eq!(found.explained, ["docs/1.0.0-rc0.md", "log.md", "product.txt"]);
        }
    }

    #[test]
    fn tars_of_images_are_compared_by_their_members() {
        for (content, expected) in [("layer", None), ("other", Some("blob differs"))] {
            let folder = tempfile::tempdir().unwrap();
            let (former, new) =
                (tree(folder.path(), "1.0.0-rc0", "layer"), tree(folder.path(), "1.0.0", content));
            let found = compare_promotion((&former, "1.0.0-rc0"), (&new, "1.0.0")).unwrap();
            let other: Vec<&str> = found.other.iter().map(|one| one.reason.as_str()).collect();
            assert_eq!(other, expected.into_iter().collect::<Vec<_>>(), "{found:?}");
        }
    }
}
