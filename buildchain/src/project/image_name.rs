//! Names and tags of images: they become folders of the archive and paths of a registry.

use std::collections::BTreeSet;
use std::path::Path;

use serde_saphyr::Spanned;

use super::Error;

/// The most parts that a name may have: readers of archives look no deeper.
const PARTS_MAX: usize = 15;

/// Checks the name of an image: parts joined by `/`, as a registry takes them.
pub(super) fn image_name(path: &Path, name: &Spanned<String>) -> Result<(), Error> {
    let text = &name.value;
    let reason = match (images::reference::check_repository(text), text.split('/').count()) {
        (Ok(()), parts) if parts <= PARTS_MAX => return Ok(()),
        (Ok(()), parts) => format!("it has {parts} parts, at most {PARTS_MAX} are possible"),
        (Err(reason), _) => format!("it {reason}"),
    };
    Err(Error::at(path, name.referenced, format!("`{text}` cannot name an image: {reason}")))
}

/// Checks the tag of an image.
pub(super) fn image_tag(path: &Path, tag: &Spanned<String>) -> Result<(), Error> {
    images::reference::check_tag(&tag.value).map_err(|reason| {
        Error::at(path, tag.referenced, format!("`{}` cannot be a tag: it {reason}", tag.value))
    })
}

/// The folders that the images of a project have in the archive: no two share one, and none lies in another.
#[derive(Debug, Default)]
pub(super) struct ImagePlaces(BTreeSet<String>);

impl ImagePlaces {
    /// Takes the folder of an image.
    ///
    /// # Errors
    ///
    /// A sentence, if another image is in the way.
    pub(super) fn add(&mut self, name: &str, tag: &str) -> Result<(), String> {
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
                "the images `{name}:{tag}` and `{other}:{tag_of_other}` cannot be in one archive: one's folder lies in the other's"
            ));
        }
        self.0.insert(place);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_and_nested_names_live_side_by_side_and_not_in_one_another() {
        let mut places = ImagePlaces::default();
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
            assert_eq!(places.add(name, tag).is_ok(), expected, "{name}:{tag}");
        }
    }
}
