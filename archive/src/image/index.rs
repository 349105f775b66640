//! Looking up which images an archive has.

use std::collections::{HashMap, HashSet};

use content::Digest;
use images::Reference;

use super::ArchiveImage;

/// The images of one or more archives, by name and by digest.
#[derive(Debug, Default)]
pub struct ImageIndex {
    /// The names that have a tag.
    tags: HashMap<String, Vec<String>>,
    digests: HashSet<Digest>,
}

impl ImageIndex {
    /// Adds an image.
    pub fn add(&mut self, image: &ArchiveImage) {
        self.tags.entry(image.tag.clone()).or_default().push(image.name.clone());
        self.digests.extend(image.stored().map(|stored| stored.digest));
    }

    /// Adds all images of another index.
    pub fn append(&mut self, other: Self) {
        for (tag, names) in other.tags {
            self.tags.entry(tag).or_default().extend(names);
        }
        self.digests.extend(other.digests);
    }

    /// Whether one of the images has this name and tag.
    #[must_use]
    pub fn has(&self, name: &str, tag: &str) -> bool {
        self.tags.get(tag).is_some_and(|names| names.iter().any(|known| known == name))
    }

    /// Whether one of the images is the one that `reference` names: it has the digest, or the tag and the end of the name.
    #[must_use]
    pub fn has_reference(&self, reference: &Reference) -> bool {
        if let Some(digest) = reference.digest() {
            return self.digests.contains(digest);
        }
        let Some(names) = reference.tag().and_then(|tag| self.tags.get(tag)) else { return false };
        let full = format!("/{}/{}", reference.registry(), reference.repository());
        names.iter().any(|name| full.strip_suffix(name.as_str()).is_some_and(|rest| rest.ends_with('/')))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::sample;
    use crate::{Tree, image, layout};

    #[test]
    fn an_image_is_found_by_the_end_of_its_name_or_by_digest() {
        let folder = sample();
        let mut index = ImageIndex::default();
        let mut digest = None;
        image::each(&Tree::open(folder.path()).unwrap(), layout::IMAGES, &mut |image| {
            index.add(&image);
            digest = image.manifest.ok().map(|stored| stored.digest);
        })
        .unwrap();
        let digest = digest.unwrap();
        for (reference, expected) in [
            ("registry.example/sample-1.0/library/app:1.0".to_owned(), true),
            ("library/app:1.0".to_owned(), true),
            ("app:1.0".to_owned(), true),
            ("registry.example/app:1.0".to_owned(), false),
            ("registry.example/other-library/app:1.0".to_owned(), false),
            ("library/app:1.1".to_owned(), false),
            ("library/app".to_owned(), false),
            (format!("elsewhere.example/x@{digest}"), true),
            (format!("app@{}", Digest::of(b"other")), false),
        ] {
            assert_eq!(index.has_reference(&reference.parse().unwrap()), expected, "{reference}");
        }
        assert!(index.has("library/app", "1.0") && !index.has("app", "1.0"));
    }
}
