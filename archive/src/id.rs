//! The ID of an archive: `NAME-VERSION`.

use std::borrow::Borrow;
use std::ffi::OsStr;
use std::fmt;
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Error, Result};

/// The most characters of a name, and of a version.
pub(crate) const PART_MAX: usize = 64;

/// What a name may have beside letters and digits, which come first.
pub(crate) const NAME_SIGNS: &str = "._-";
/// What a version may have beside letters and digits, which come first.
pub(crate) const VERSION_SIGNS: &str = "._-+~";

/// The ID of an archive: `NAME-VERSION`, such as `metalk8s-2.11.0`, with the name in lower case.
///
/// It names the mount point and is a part of URLs: it has no `/` and does not start with a dot. Both parts may have a `-`,
/// so the ID does not tell where the version starts.
///
/// ```
/// let id: archive::ArchiveId = "metalk8s-2.11.0-dev".parse()?;
/// assert_eq!(id, "metalk8s-2.11.0-dev");
/// assert!("../metalk8s".parse::<archive::ArchiveId>().is_err());
/// # Ok::<(), archive::ArchiveIdError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ArchiveId(String);

/// Text that is not the ID of an archive.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not the ID of an archive: expected NAME-VERSION, such as metalk8s-2.11.0", content::printable(.0))]
pub struct ArchiveIdError(String);

impl ArchiveId {
    /// The ID of what has this name and version, which are [checked](crate::Product::check).
    pub(crate) fn of(name: &str, version: &str) -> Self {
        Self(format!("{}-{version}", name.to_ascii_lowercase()))
    }

    /// The ID as the first part of names of images, which have neither capitals nor `+` and `~`.
    pub(crate) fn repository_prefix(&self) -> String {
        self.0.to_ascii_lowercase().replace(['+', '~'], "_")
    }

    /// The ID as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ArchiveId {
    type Err = ArchiveIdError;

    fn from_str(text: &str) -> Result<Self, ArchiveIdError> {
        let is_lower = |name: &str| is_name(name) && !name.bytes().any(|letter| letter.is_ascii_uppercase());
        let valid = text.match_indices('-').any(|(at, _)| {
            let (name, version) = (text.get(..at), text.get(at + 1..));
            name.is_some_and(is_lower) && version.is_some_and(|version| is_part(version, VERSION_SIGNS))
        });
        if valid { Ok(Self(text.to_owned())) } else { Err(ArchiveIdError(text.to_owned())) }
    }
}

/// Whether `text` can be the name of an archive.
pub(crate) fn is_name(text: &str) -> bool {
    is_part(text, NAME_SIGNS)
}

/// Whether `text` can be a name or a version.
fn is_part(text: &str, signs: &str) -> bool {
    text.len() <= PART_MAX
        && text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text.chars().all(|letter| letter.is_ascii_alphanumeric() || signs.contains(letter))
}

/// Checks that the value of `key` in `file` is fit to name a folder and a URL; `signs` are allowed beside letters and digits.
///
/// # Errors
///
/// [`Error::Content`] naming the key and its value.
pub(crate) fn check_part(file: &str, key: &str, value: &str, signs: &str) -> Result<()> {
    let problem = match value.bytes().next() {
        None => format!("{key} is missing"),
        Some(first) if !first.is_ascii_alphanumeric() => {
            format!("{key} is {value:?}: expected a letter or digit first")
        }
        _ if value.len() > PART_MAX => {
            format!("{key} has {} characters: expected at most {PART_MAX}", value.len())
        }
        _ => match value.chars().find(|c| !c.is_ascii_alphanumeric() && !signs.contains(*c)) {
            Some(bad) => format!("{key} is {value:?}: {bad:?} is not allowed in the name of a folder"),
            None => return Ok(()),
        },
    };
    Err(Error::Content { file: file.into(), problem })
}

impl fmt::Display for ArchiveId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl AsRef<str> for ArchiveId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl AsRef<Path> for ArchiveId {
    fn as_ref(&self) -> &Path {
        Path::new(&self.0)
    }
}

impl AsRef<OsStr> for ArchiveId {
    fn as_ref(&self) -> &OsStr {
        OsStr::new(&self.0)
    }
}

/// For maps with IDs as keys, in which text from outside is looked up.
impl Borrow<str> for ArchiveId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl PartialEq<str> for ArchiveId {
    fn eq(&self, other: &str) -> bool {
        self.0 == other
    }
}

impl PartialEq<&str> for ArchiveId {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

impl From<ArchiveId> for String {
    fn from(id: ArchiveId) -> Self {
        id.0
    }
}

impl Serialize for ArchiveId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ArchiveId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_name_and_a_version() {
        for text in ["metalk8s-2.11.0", "a-1", "example-solution-1.0.0-rc.1+build~2", "x.y_z-V2", "7-zip-9"] {
            assert_eq!(text.parse::<ArchiveId>().map(String::from).as_deref(), Ok(text));
        }
        let long = "a".repeat(PART_MAX);
        assert!(format!("{long}-{long}").parse::<ArchiveId>().is_ok());
        for text in [
            "",
            "-",
            "metalk8s",
            "metalk8s-",
            "-1",
            "../x-1",
            "a/b-1",
            ".a-1",
            "a-1\n",
            "MetalK8s-2",
            "a+b-1",
            "ä-1",
        ] {
            assert_eq!(text.parse::<ArchiveId>(), Err(ArchiveIdError(text.to_owned())), "{text}");
        }
        assert!(format!("{long}a-1").parse::<ArchiveId>().is_err(), "a name that is too long");
    }

    #[test]
    fn an_id_in_json_is_text_that_is_checked() {
        let id: ArchiveId = serde_json::from_str("\"metalk8s-2.11.0\"").unwrap();
        assert_eq!(serde_json::to_string(&id).unwrap(), "\"metalk8s-2.11.0\"");
        let error = serde_json::from_str::<ArchiveId>("\"../etc\"").unwrap_err().to_string();
        assert!(error.starts_with("`../etc` is not the ID of an archive"), "{error}");
    }

    proptest::proptest! {
        #[test]
        fn the_id_of_a_product_is_an_id(name in "[A-Za-z0-9][A-Za-z0-9._-]{0,63}", version in "[A-Za-z0-9][A-Za-z0-9._+~-]{0,63}") {
            let id = ArchiveId::of(&name, &version);
            proptest::prop_assert_eq!(id.as_str().parse(), Ok(id.clone()));
        }
    }
}
