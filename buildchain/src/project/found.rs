//! Adding images to a project: to a catalogue of their own, which the project file names.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use content::{AtomicFile, Durability};
use images::{ImageLocation, Reference, source};
use serde::Deserialize;

use super::Project;
use super::error::Error;
use super::model::FILE_NAME;
use super::read::read;

/// The catalogue of the images that were found.
pub const FOUND_CATALOGUE: &str = "images/found.yaml";
const HEADER: &str = "# Images that `sealift image find --write` found. You can change this file; the command only appends to it.\nimages:\n";
/// The permission bits of new files.
const MODE: u32 = 0o644;

/// What was added to a project.
#[derive(Debug, Default)]
pub struct AddedImages {
    /// The catalogue.
    pub catalogue: PathBuf,
    /// The images that it did not have.
    pub added: Vec<Reference>,
    /// Whether the project file names the catalogue. If not, the user must add it, because the file has a form that cannot be
    /// changed without risk.
    pub is_listed: bool,
}

#[derive(Deserialize)]
struct Listed {
    #[serde(default)]
    images: Option<Vec<ListedImage>>,
}

/// An entry of the catalogue, which the user can have changed to any form.
#[derive(Deserialize)]
#[serde(untagged)]
enum ListedImage {
    Reference(String),
    Keys { name: Option<String>, source: String, tag: Option<String> },
}

impl ListedImage {
    /// The image and the name that it is served under; `None` if it has variables, or no single tag.
    fn read(&self) -> Option<(Reference, String)> {
        let (own_name, text) = match self {
            Self::Reference(text) => (None, text.clone()),
            Self::Keys { name, source, tag: None } => (name.clone(), source.clone()),
            Self::Keys { name, source, tag: Some(tag) } => (name.clone(), format!("{source}:{tag}")),
        };
        let reference: Reference = text.parse().ok()?;
        // Without the digest, which is not a part of what it is compared with.
        let reference = reference.with_tag(reference.given_tag()?).ok()?;
        let (short, _) = source::default_name(&ImageLocation::Registry(reference.clone())).ok()?;
        Some((reference, own_name.unwrap_or(short)))
    }
}

impl Project {
    /// Adds those of `references` that the project neither pulls nor builds to [`FOUND_CATALOGUE`], and the catalogue to the project
    /// file. Both files keep what is in them, comments too.
    ///
    /// # Errors
    ///
    /// A file cannot be read or written; the catalogue does not end with its list of images.
    pub fn add_found(&self, references: &[Reference]) -> Result<AddedImages, Error> {
        self.territory.resolve(Path::new(FOUND_CATALOGUE))?;
        let catalogue = self.root.join(FOUND_CATALOGUE);
        let before = match read(&catalogue) {
            Ok(text) => Some(text),
            Err(Error::File { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let listed =
            before.as_deref().map(|text| images_of(&catalogue, text)).transpose()?.unwrap_or_default();
        let mut names: BTreeSet<(String, String)> = self
            .pull
            .iter()
            .flat_map(|pull| pull.all_tags().map(|tag| (pull.name.to_string(), tag.to_string())))
            .collect();
        let mut known: BTreeSet<Reference> =
            self.pull.iter().filter_map(|pull| pull.reference().cloned()).collect();
        for (reference, name) in listed.iter().filter_map(ListedImage::read) {
            names.insert((name, reference.tag().unwrap_or_default().to_owned()));
            known.insert(reference);
        }
        let mut text = before.clone().unwrap_or_else(|| HEADER.to_owned());
        if !text.ends_with('\n') {
            text.push('\n');
        }
        // As the entries that are there.
        let first = text.lines().find(|line| line.trim_start().starts_with("- "));
        let indent = first.map_or(2, |line| line.len() - line.trim_start().len());
        let indent = " ".repeat(indent);
        let mut added = Vec::new();
        for reference in references {
            let Some((name, tag)) = name_and_tag(reference, &names) else { continue };
            let Ok(tagged) = reference.with_tag(&tag) else { continue };
            if self.builds(reference, &tag) || !known.insert(tagged) {
                continue;
            }
            let repository = reference.repository();
            let digest =
                reference.digest().map(|digest| format!("\n{indent}  digest: {digest}")).unwrap_or_default();
            let _ = writeln!(
                text,
                "{indent}- name: '{name}'\n{indent}  source: '{}/{repository}'\n{indent}  tag: '{tag}'{digest}",
                reference.registry()
            );
            names.insert((name, tag));
            added.push(reference.clone());
        }
        if !added.is_empty() {
            if images_of(&catalogue, &text)?.len() != listed.len() + added.len() {
                return Err(not_appended(&catalogue));
            }
            if let Some(folder) = catalogue.parent() {
                content::create_folder(folder)
                    .map_err(|error| Error::file("create", folder, error.source))?;
            }
            write(&catalogue, &text)?;
        }
        let is_listed = added.is_empty() && before.is_none() || self.list_catalogue()?;
        Ok(AddedImages { catalogue, added, is_listed })
    }

    /// Whether the project builds the image: one with this tag whose name is the end of the reference.
    fn builds(&self, reference: &Reference, tag: &str) -> bool {
        let full = format!("/{}/{}", reference.registry(), reference.repository());
        self.images.iter().any(|image| {
            image.tags.iter().any(|built| built.as_str() == tag)
                && full.ends_with(&format!("/{}", image.name))
        })
    }

    /// Names [`FOUND_CATALOGUE`] in the project file, if that is possible without a change to anything else.
    fn list_catalogue(&self) -> Result<bool, Error> {
        let path = self.root.join(FILE_NAME);
        if self.sources.contains(&self.root.join(FOUND_CATALOGUE)) {
            return Ok(true);
        }
        match with_catalogue(&read(&path)?) {
            Some(text) => write(&path, &text).map(|()| true),
            None => Ok(false),
        }
    }
}

/// The name and the tag of an image to pull. The name is the last part of the repository, or more of it if `names`, with their tags,
/// have that already.
pub(super) fn name_and_tag(
    reference: &Reference,
    names: &BTreeSet<(String, String)>,
) -> Option<(String, String)> {
    let (short, tag) = source::default_name(&ImageLocation::Registry(reference.clone())).ok()?;
    let repository = reference.repository();
    let longer = repository.rmatch_indices('/').map(|(at, _)| &repository[at + 1..]).chain([repository]);
    let free = |name: &&str| !names.contains(&((*name).to_owned(), tag.clone()));
    let full = format!("{}/{repository}", reference.registry().replace(['[', ']', ':'], "-"));
    let name = longer.filter(|name| name.len() >= short.len()).find(free).unwrap_or(&full).to_owned();
    Some((name, tag))
}

fn images_of(path: &Path, text: &str) -> Result<Vec<ListedImage>, Error> {
    let listed: Listed = serde_saphyr::from_str(text).map_err(|_| not_appended(path))?;
    Ok(listed.images.unwrap_or_default())
}

fn not_appended(path: &Path) -> Error {
    let message = "the list `images` must be the only key, with one entry per line group, so that images can be appended";
    Error::file("append to", path, std::io::Error::new(std::io::ErrorKind::InvalidData, message))
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    // A file of the user keeps its permissions.
    let mode = path
        .metadata()
        .map_or(MODE, |metadata| std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o777);
    // A link is kept, too.
    let target = path.canonicalize().unwrap_or_else(|_| path.into());
    AtomicFile::write(&target, text.as_bytes(), mode, Durability::Durable)
        .map_err(|error| Error::file(error.operation, path, error.source))
}

/// A line of YAML: its indentation, its key, and the value without a comment.
fn key(line: &str) -> Option<(usize, &str, &str)> {
    let content = line.trim_start_matches(' ');
    let (key, value) = content.split_once(':')?;
    let value = value.split(" #").next().unwrap_or_default().trim();
    (!content.starts_with(['#', '-'])).then_some((line.len() - content.len(), key, value))
}

/// The text of a project file that also lists the catalogue. `None` if the result would differ in anything else.
fn with_catalogue(text: &str) -> Option<String> {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let item = FOUND_CATALOGUE;
    let find = |lines: &[String], from: usize, indent: Option<usize>, name: &str| {
        let mut level = indent;
        for (position, line) in lines.iter().enumerate().skip(from) {
            if line.trim().is_empty() || line.trim_start().starts_with('#') {
                continue;
            }
            let depth = line.len() - line.trim_start_matches(' ').len();
            let level = *level.get_or_insert(depth);
            if depth < level || (level == 0 && from > 0 && indent.is_none()) {
                return (None, level);
            }
            if key(line).is_some_and(|(indent, key, _)| indent == level && key == name) {
                return (Some(position), level);
            }
        }
        (None, level.unwrap_or(2))
    };
    let value = |line: &str| key(line).map(|(_, _, value)| value.to_owned()).unwrap_or_default();
    let (spec, _) = find(&lines, 0, Some(0), "spec");
    let spec = spec?;
    if value(&lines[spec]) == "{}" {
        lines[spec] = format!("spec:\n  images:\n    catalogues: [{item}]");
    } else {
        let (images, level) = find(&lines, spec + 1, None, "images");
        let (outer, inner) = (" ".repeat(level), " ".repeat(level * 2));
        match images {
            None => lines.insert(spec + 1, format!("{outer}images:\n{inner}catalogues: [{item}]")),
            Some(images) if value(&lines[images]).starts_with('{') => {
                // `images: {build: [x]}`
                let rest = lines[images].split_once('{')?.1.trim_start().to_owned();
                let comma = if rest.starts_with('}') { "" } else { ", " };
                lines[images] = format!("{outer}images: {{catalogues: [{item}]{comma}{rest}");
            }
            Some(images) => {
                let (catalogues, level) = find(&lines, images + 1, None, "catalogues");
                match catalogues {
                    None => lines.insert(images + 1, format!("{}catalogues: [{item}]", " ".repeat(level))),
                    Some(catalogues) if value(&lines[catalogues]).starts_with('[') => {
                        let at = lines[catalogues].find(']')?;
                        let comma = if value(&lines[catalogues]) == "[]" { "" } else { ", " };
                        lines[catalogues].insert_str(at, &format!("{comma}{item}"));
                    }
                    Some(catalogues) => {
                        let mut last = catalogues + 1;
                        while lines.get(last + 1).is_some_and(|line| line.trim_start().starts_with("- ")) {
                            last += 1;
                        }
                        let line = lines.get(last)?;
                        let indent = line.len() - line.trim_start().len();
                        lines.insert(last + 1, format!("{}- {item}", " ".repeat(indent)));
                    }
                }
            }
        }
    }
    let changed = lines.join("\n") + "\n";
    let parse = |text: &str| serde_saphyr::from_str::<serde_json::Value>(text).ok();
    let (mut expected, found) = (parse(text)?, parse(&changed)?);
    let spec = expected.as_object_mut()?.entry("spec").or_insert_with(|| serde_json::json!({}));
    let images = spec.as_object_mut()?.entry("images").or_insert_with(|| serde_json::json!({}));
    let list = images.as_object_mut()?.entry("catalogues").or_insert_with(|| serde_json::json!([]));
    list.as_array_mut()?.push(item.into());
    (expected == found).then_some(changed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_is_named_and_everything_else_stays() {
        let cases = [
            ("a: 1\nspec: {}\n", "a: 1\nspec:\n  images:\n    catalogues: [images/found.yaml]\n"),
            (
                "spec: # what\n    # files\n    files: []\n",
                "spec: # what\n    images:\n        catalogues: [images/found.yaml]\n    # files\n    files: []\n",
            ),
            (
                "spec:\n  images: {build: [a]} # x\n",
                "spec:\n  images: {catalogues: [images/found.yaml], build: [a]} # x\n",
            ),
            ("spec:\n  images: {}\n", "spec:\n  images: {catalogues: [images/found.yaml]}\n"),
            (
                "spec:\n  images:\n    # my images\n    build: [a]\n",
                "spec:\n  images:\n    catalogues: [images/found.yaml]\n    # my images\n    build: [a]\n",
            ),
            (
                "spec:\n  images:\n    catalogues: [a.yaml] # x\n",
                "spec:\n  images:\n    catalogues: [a.yaml, images/found.yaml] # x\n",
            ),
            (
                "spec:\n  images:\n    catalogues:\n    - a.yaml\n    - b.yaml\n    build: [x]\n",
                "spec:\n  images:\n    catalogues:\n    - a.yaml\n    - b.yaml\n    - images/found.yaml\n    build: [x]\n",
            ),
            (
                "spec:\n  files: []\n  profiles:\n    full:\n      images: {build: [a]}\n",
                "spec:\n  images:\n    catalogues: [images/found.yaml]\n  files: []\n  profiles:\n    full:\n      images: {build: [a]}\n",
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(with_catalogue(text).as_deref(), Some(expected), "{text}");
        }
        for text in [
            "{spec: {files: []}}\n",
            "spec: {files: [a]}\n",
            "spec:\n  images:\n    catalogues: [a,\n      b]\n",
            "",
        ] {
            assert_eq!(with_catalogue(text), None, "{text}");
        }
    }
}
