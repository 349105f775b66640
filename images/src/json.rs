//! JSON that every client reads alike.
//!
//! Go's `encoding/json`, which containerd, docker and skopeo use, matches keys without regard to case and takes the last
//! of several. A document with `Layers` beside `layers`, or with `Layers` alone, is one image to them and another to a
//! reader that compares bytes, so it is refused.

use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

/// The keys of a kind of document.
pub(crate) struct Shape {
    /// Keys that mean something. Any other spelling of them is refused.
    names: &'static [&'static str],
    /// Keys of maps whose own keys are free text, in which case matters.
    free: &'static [&'static str],
}

/// Manifests, indexes and `index.json` of an OCI layout.
pub(crate) const MANIFEST: Shape = Shape {
    names: &[
        "annotations",
        "architecture",
        "artifactType",
        "config",
        "data",
        "digest",
        "fsLayers",
        "layers",
        "manifests",
        "mediaType",
        "os",
        "os.features",
        "os.version",
        "platform",
        "schemaVersion",
        "size",
        "subject",
        "urls",
        "variant",
    ],
    free: &["annotations"],
};

/// Image configurations.
pub(crate) const CONFIG: Shape = Shape {
    names: &["architecture", "config", "diff_ids", "history", "os", "rootfs", "variant"],
    free: &["ExposedPorts", "Labels", "Volumes", "annotations"],
};

/// `manifest.json` of `docker save`.
pub(crate) const SAVED: Shape = Shape { names: &["Config", "Layers", "RepoTags"], free: &[] };

/// A page of a list of tags.
pub(crate) const TAGS: Shape = Shape { names: &["name", "tags"], free: &[] };

/// References of images: `original-names.json`.
pub(crate) const ORIGINAL_NAMES: Shape = Shape { names: &["images", "schemaVersion"], free: &["images"] };

/// Reads a document in which no client sees something else.
///
/// # Errors
///
/// What [`check`] refuses, and what is not a `T`.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8], shape: &Shape) -> serde_json::Result<T> {
    check(bytes, shape)?;
    serde_json::from_slice(bytes)
}

/// Refuses keys that are given twice, and keys that differ from another or from one that means something only in case.
///
/// # Errors
///
/// An error of the category `Data` for such a key; others where the bytes are not JSON.
pub(crate) fn check(bytes: &[u8], shape: &Shape) -> serde_json::Result<()> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    Walk { shape, free: false }.deserialize(&mut reader)?;
    reader.end()
}

/// A value, and whether the keys in it are free text.
#[derive(Clone, Copy)]
struct Walk<'s> {
    shape: &'s Shape,
    free: bool,
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(self)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let mut seen = HashSet::new();
        while let Some(key) = entries.next_key::<String>()? {
            let shown = || content::printable(&key).to_string().chars().take(100).collect::<String>();
            let folded = fold(&key);
            let known = self.shape.names.iter().find(|name| fold(name) == folded);
            if let Some(name) = known.filter(|name| **name != key && !self.free) {
                return Err(A::Error::custom(format!("some clients read the key `{}` as `{name}`", shown())));
            }
            let free = self.free || self.shape.free.contains(&key.as_str());
            let name = if self.free { key.clone() } else { folded };
            if !seen.insert(name) {
                return Err(A::Error::custom(format!(
                    "the key `{}` is given twice, or another differs from it only in case",
                    shown()
                )));
            }
            entries.next_value_seed(Walk { free, ..self })?;
        }
        Ok(())
    }
}

/// A key as Go compares it: simple case folding, by which `ſ` is an `s` and the Kelvin sign a `k`.
fn fold(key: &str) -> String {
    if key.is_ascii() {
        return key.to_ascii_lowercase();
    }
    key.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_some_client_reads_otherwise_are_refused() {
        for (text, fine) in [
            (r#"{"config":{"digest":"a"},"layers":[{"size":1}]}"#, true),
            (r#"{"config":{},"CONFIG":{}}"#, false),
            (r#"{"Config":{}}"#, false),
            (r#"{"layers":[],"layerſ":[]}"#, false),
            ("{\"subject\":{},\"\u{17f}ubject\":{}}", false),
            (r#"{"config":{"digest":"a","Digest":"b"}}"#, false),
            (r#"{"layers":[{"digest":"a","digest":"b"}]}"#, false),
            (r#"{"manifests":[{"platform":{"os":"a","OS":"b"}}]}"#, false),
            (r#"{"manifests":[{"platform":{"Variant":"v7"}}]}"#, false),
            (r#"{"other":{"a":1,"A":2}}"#, false),
            // Case matters in annotations, and so does a key that is given twice.
            (r#"{"annotations":{"a":"","A":"","Config":"","digest":"","Digest":""}}"#, true),
            (r#"{"layers":[{"annotations":{"a":"","A":""}}]}"#, true),
            (r#"{"annotations":{"a":"","a":""}}"#, false),
            (r#"{"annotations":{},"Annotations":{}}"#, false),
            (r#"{"Annotations":{}}"#, false),
            (r#"{"a":1} {"b":2}"#, false),
        ] {
            assert_eq!(check(text.as_bytes(), &MANIFEST).is_ok(), fine, "{text}");
        }
        for (text, fine) in [
            (
                r#"{"architecture":"amd64","config":{"Labels":{"a":"","A":""},"Volumes":{"/a":{},"/A":{}}}}"#,
                true,
            ),
            (r#"{"config":{"Env":[],"ENV":[]}}"#, false),
            (r#"{"rootfs":{"diff_ids":[],"Diff_IDs":[]}}"#, false),
            (r#"{"Architecture":"arm64"}"#, false),
        ] {
            assert_eq!(check(text.as_bytes(), &CONFIG).is_ok(), fine, "{text}");
        }
        assert!(check(br#"[{"Config":"","RepoTags":null,"Layers":[]}]"#, &SAVED).is_ok());
        assert!(check(br#"[{"Config":"","config":"","Layers":[]}]"#, &SAVED).is_err());
    }

    #[test]
    fn nothing_deep_or_broken_is_more_than_an_error() {
        for text in ["", "{", "nul", r#"{"a":"\ud800"}"#, "[1,", "{\"a\":1,}"] {
            let error = check(text.as_bytes(), &MANIFEST).unwrap_err();
            assert!(!error.is_data(), "{text}: {error}");
        }
        assert!(check("[".repeat(100_000).as_bytes(), &MANIFEST).is_err());
    }
}
