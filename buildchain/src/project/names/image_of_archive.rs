//! Names of images of the archive.

use std::fmt;

use super::{ImageName, ParsedName, Tag};

/// An image of the archive, with its tag if it is given: `example-operator`, `example-operator:1.0.0`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageOfArchive {
    /// The name below `images/`.
    pub name: String,
    /// The tag.
    pub tag: Option<String>,
}

impl ParsedName for ImageOfArchive {
    const FORMAT: &'static str = "image-of-archive";
    const PATTERN: Option<&'static str> = None;

    fn parse(text: &str) -> Result<Self, String> {
        let (name, tag) = match text.split_once(':') {
            Some((name, tag)) => (name, Some(Tag::parse(tag)?)),
            None => (text, None),
        };
        let name = ImageName::parse(name)?.as_str().to_owned();
        Ok(Self { name, tag: tag.map(|tag| tag.as_str().to_owned()) })
    }
}

impl fmt::Display for ImageOfArchive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        self.tag.as_ref().map_or(Ok(()), |tag| write!(f, ":{tag}"))
    }
}
