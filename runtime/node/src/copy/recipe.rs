//! The recipe of an archive: its larger files and their positions.

use std::collections::HashSet;
use std::fmt;
use std::path::Path;

use archive::Tree;
use archive::attestation::bundle_path;
use content::{Digest, IoError, LinkPolicy};
use serde::{Deserialize, Deserializer, Serialize};
use trust::BUNDLE_MAX;

use super::error::Error;
use super::library::{StatedFile, stated};
use super::range::ByteRange;

/// The maximum size of an ISO: 2^32 sectors of 2048 bytes (ECMA-119 8.4.8).
const LARGEST: u64 = (1 << 32) * 2048;
/// The maximum number of files in a recipe: the largest. The others are sent with the bytes between.
const PARTS_MAX: usize = 50_000;
/// The maximum size of all names in a recipe, in bytes of its JSON.
const NAMES_MAX: usize = 8 << 20;
/// The maximum number of ranges of one file: the largest file has as many extents.
const RANGES_MAX: usize = 4096;

/// An ISO as its larger files and the bytes between them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// The name of the ISO file.
    pub name: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// Its digest. As JSON: the key `sha256`, and the hexadecimal digits alone.
    #[serde(rename = "sha256", with = "hexadecimal")]
    pub digest: Digest,
    /// Its larger files, each content once, in the order of the ISO.
    #[serde(deserialize_with = "at_most::<PARTS_MAX, _, _>")]
    pub parts: Vec<RecipePart>,
    /// The bundle with its signature, if it is signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bundle: Option<String>,
}

/// A file of an ISO.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecipePart {
    /// A path of it in the archive.
    pub path: String,
    /// The digest of its content, as recorded in the archive.
    #[serde(rename = "sha256", with = "hexadecimal")]
    pub digest: Digest,
    /// The ranges of its bytes, in order.
    #[serde(deserialize_with = "at_most::<RANGES_MAX, _, _>")]
    pub ranges: Vec<ByteRange>,
}

/// Digests as 64 hexadecimal digits, the form of all versions of the protocol.
mod hexadecimal {
    use content::Digest;
    use serde::{Deserialize as _, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(digest: &Digest, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&digest.hex())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Digest, D::Error> {
        let text = String::deserialize(deserializer)?;
        Digest::from_hex(&text).map_err(|_| {
            de::Error::invalid_value(de::Unexpected::Str(&text), &"64 lower-case hexadecimal digits")
        })
    }
}

/// Reads a list of at most `MAX` elements, so that a message uses no more memory than an archive needs.
fn at_most<'de, const MAX: usize, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    struct Visitor<const MAX: usize, T>(std::marker::PhantomData<T>);

    impl<'de, const MAX: usize, T: Deserialize<'de>> serde::de::Visitor<'de> for Visitor<MAX, T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a list of at most {MAX} elements")
        }

        fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut list: A) -> Result<Vec<T>, A::Error> {
            let mut elements = Vec::new();
            while let Some(element) = list.next_element()? {
                if elements.len() == MAX {
                    return Err(serde::de::Error::invalid_length(MAX + 1, &self));
                }
                elements.push(element);
            }
            Ok(elements)
        }
    }

    deserializer.deserialize_seq(Visitor::<MAX, T>(std::marker::PhantomData))
}

impl Recipe {
    /// The recipe of the ISO at `path`, which is read once for its digest.
    ///
    /// # Errors
    ///
    /// [`Error::Archive`] if it is not an ISO, [`Error::Io`] if it cannot be read.
    pub fn of(path: &Path, progress: &dyn iso::ByteProgress) -> Result<Self, Error> {
        let failed = |error| IoError::at("read", path)(error);
        let unnamed = || failed(std::io::ErrorKind::InvalidFilename.into());
        let name = path.file_name().and_then(|name| name.to_str()).ok_or_else(unnamed)?;
        // One open file for everything, so that the recipe matches what was read.
        let file = match content::open(path, LinkPolicy::Follow) {
            Err(error) if error.kind() == std::io::ErrorKind::IsADirectory => {
                let error = std::io::Error::other("expected an ISO file; a folder is not copied");
                return Err(failed(error).into());
            }
            opened => opened?,
        };
        let tree = Tree::of_file(file.try_clone().map_err(failed)?, path)?;
        let mut seen = HashSet::new();
        let mut files = stated(&tree, &|_| true)?;
        files.sort_by_key(|file| std::cmp::Reverse(file.entry.size));
        let mut parts: Vec<RecipePart> = Vec::new();
        let mut names = 0;
        for StatedFile { path, entry, digest } in files {
            let pieces = tree.locate_entry(&path, &entry)?.pieces;
            let ranges: Vec<ByteRange> =
                pieces.iter().map(|piece| ByteRange { offset: piece.offset, bytes: piece.len }).collect();
            // Another name of the same bytes.
            if ranges.first().is_none_or(|range| !seen.insert(range.offset)) {
                continue;
            }
            names += serde_json::to_string(&path).map_or(usize::MAX, |text| text.len());
            if parts.len() == PARTS_MAX || names > NAMES_MAX {
                break;
            }
            parts.push(RecipePart { path, digest, ranges });
        }
        parts.sort_by_key(|part| part.ranges.first().map(|range| range.offset));
        let bytes = file.metadata().map_err(failed)?.len();
        let digest = super::read::digest_of(&file, progress).map_err(failed)?;
        let bundle = match content::open_text(&bundle_path(path), LinkPolicy::Refuse, BUNDLE_MAX as u64) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            read => Some(read?),
        };
        Ok(Self { name: name.to_owned(), bytes, digest, parts, bundle })
    }

    /// Refuses an invalid recipe: a name that is a path, ranges that overlap or exceed the file.
    ///
    /// # Errors
    ///
    /// [`Error::Protocol`].
    pub fn check(&self) -> Result<(), Error> {
        let wrong = |what: String| Err(Error::Protocol(what));
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '+' | ' ');
        if !self.name.starts_with(|c: char| c.is_ascii_alphanumeric()) || !self.name.chars().all(plain) {
            return wrong(format!("`{}` is not a valid name of an ISO file", self.name.escape_debug()));
        }
        if self.bundle.as_ref().is_some_and(|bundle| bundle.len() > BUNDLE_MAX) {
            return wrong("the bundle with the signature is too large".into());
        }
        if self.bytes > LARGEST {
            return wrong(format!("no ISO has {} bytes", self.bytes));
        }
        let mut ranges: Vec<ByteRange> =
            self.parts.iter().flat_map(|part| part.ranges.iter().copied()).collect();
        ranges.sort_by_key(|range| range.offset);
        let mut reached = 0;
        for range in ranges {
            if range.offset < reached || range.end() > self.bytes {
                return wrong(format!(
                    "the range of {} bytes at {} overlaps another or exceeds the file",
                    range.bytes, range.offset
                ));
            }
            reached = range.end();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invalid_recipe_is_refused() {
        let whole = include_str!("../../fuzz/corpus/recipes/seed-whole");
        let hostile = include_str!("../../fuzz/corpus/recipes/seed-hostile");
        let check = |text: &str| serde_json::from_str::<Recipe>(text).unwrap().check();
        check(whole).unwrap();
        for refused in [
            hostile.to_owned(),
            whole.replace("metalk8s-2.11.0.iso", "../metalk8s.iso"),
            whole.replace("metalk8s-2.11.0.iso", ".metalk8s.iso"),
            whole.replace("metalk8s-2.11.0.iso", "a\\n.iso"),
            whole.replace("\"bytes\":409600", "\"bytes\":90112"),
            whole.replace("\"offset\":90112", "\"offset\":70000"),
            whole.replace("\"offset\":90112", "\"offset\":18446744073709551615"),
        ] {
            assert!(matches!(check(&refused), Err(Error::Protocol(_))), "{refused}");
        }
    }

    #[test]
    fn digests_are_hexadecimal_digits_on_the_wire_and_nothing_else() {
        let whole = include_str!("../../fuzz/corpus/recipes/seed-whole");
        let recipe: Recipe = serde_json::from_str(whole).unwrap();
        assert_eq!(
            serde_json::to_value(&recipe).unwrap(),
            serde_json::from_str::<serde_json::Value>(whole).unwrap()
        );
        for (digest, next) in [(recipe.digest, "parts"), (recipe.parts[0].digest, "ranges")] {
            let digits = digest.hex();
            let field = |digits: &str| format!(r#""sha256":"{digits}","{next}""#);
            for bad in ["", &digits[..63], &digits.to_uppercase(), &format!("sha256:{digits}")] {
                let changed = whole.replace(&field(&digits), &field(bad));
                assert_ne!(changed, whole);
                assert!(serde_json::from_str::<Recipe>(&changed).is_err(), "{changed}");
            }
        }
    }

    #[test]
    fn a_recipe_with_too_many_parts_is_refused() {
        let digest = "0".repeat(64);
        let part = format!(r#"{{"path":"","sha256":"{digest}","ranges":[]}}"#);
        let recipe = |parts: usize| {
            let parts = vec![part.as_str(); parts].join(",");
            serde_json::from_str::<Recipe>(&format!(
                r#"{{"name":"a.iso","bytes":0,"sha256":"{digest}","parts":[{parts}]}}"#
            ))
        };
        assert_eq!(recipe(PARTS_MAX).unwrap().parts.len(), PARTS_MAX);
        let error = recipe(PARTS_MAX + 1).unwrap_err().to_string();
        assert!(error.contains("expected a list of at most 50000 elements"), "{error}");
    }
}
