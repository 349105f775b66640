//! The folders of images in an archive.

use std::collections::BTreeSet;
use std::path::Path;

use super::names::{ImageName, Tag};

/// What to do about two images of one name and tag.
pub(super) const RENAME: &str = "give one of them another `name`";

/// The folders that the images of a project have in the archive: no two share one, and none lies in another.
#[derive(Debug, Default)]
pub(super) struct ImageFolders(BTreeSet<String>);

impl ImageFolders {
    /// Whether an image has this name and tag.
    pub(super) fn has(&self, name: &ImageName, tag: &Tag) -> bool {
        self.0.contains(&format!("{name}/{tag}"))
    }

    /// Takes the folder of an image.
    ///
    /// # Errors
    ///
    /// A sentence, if another image is in the way.
    pub(super) fn add(&mut self, name: &ImageName, tag: &Tag) -> Result<(), String> {
        let place = format!("{name}/{tag}");
        if self.0.contains(&place) {
            return Err(format!("a second image `{name}:{tag}`"));
        }
        let above =
            Path::new(&place).ancestors().skip(1).filter_map(Path::to_str).find(|up| self.0.contains(*up));
        let inner = format!("{place}/");
        let below = self.0.range(inner.clone()..).next().filter(|found| found.starts_with(&inner));
        if let Some((other, tag_of_other)) =
            above.or(below.map(String::as_str)).and_then(|place| place.rsplit_once('/'))
        {
            return Err(format!(
                "the images `{name}:{tag}` and `{other}:{tag_of_other}` cannot be in one archive: the folder of one would be inside the folder of the other"
            ));
        }
        self.0.insert(place);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::names::ParsedName as _;

    #[test]
    fn tags_and_nested_names_live_side_by_side_and_not_in_one_another() {
        let mut folders = ImageFolders::default();
        for (name, tag, expected) in [
            ("app", "1", true),
            ("app", "2", true),
            ("team/app", "1", true),
            ("app/1-extra", "x", true),
            ("app/3/deep", "x", true),
            ("app", "1", false),
            ("app/1", "x", false),
            ("app/2/deep/er", "x", false),
            ("app", "3", false),
            ("app/3", "deep", false),
            ("team", "app", false),
            ("ap", "p", true),
        ] {
            let (name, tag) = (ImageName::parse(name).unwrap(), Tag::parse(tag).unwrap());
            assert_eq!(folders.add(&name, &tag).is_ok(), expected, "{name}:{tag}");
        }
    }
}
