//! Files for `skopeo sync --src yaml`: registries with their images.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_saphyr::Spanned;

/// The registries of a file, by their hosts.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct SyncFile(pub(in crate::project) SyncEntries<SyncRegistry>);

/// The images of a registry.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SyncRegistry {
    /// Repositories with their tags and digests; without any, all tags.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, Option<Vec<String>>>")]
    pub(in crate::project) images: SyncEntries<Option<Vec<Spanned<String>>>>,
    /// Repositories, each with a regular expression for its tags.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, String>")]
    pub(in crate::project) images_by_tag_regex: SyncEntries<Spanned<String>>,
    /// Repositories, each with a range of versions for its tags.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, String>")]
    pub(in crate::project) images_by_semver: SyncEntries<Spanned<String>>,
    /// Credentials, which are refused.
    #[serde(default)]
    #[schemars(with = "Option<serde_json::Value>")]
    pub(in crate::project) credentials: Option<Spanned<IgnoredAny>>,
    /// Whether certificates are checked.
    #[serde(default)]
    #[schemars(with = "Option<bool>")]
    pub(in crate::project) tls_verify: Option<Spanned<bool>>,
    /// A folder of certificates, which is refused.
    #[serde(default)]
    #[schemars(with = "Option<serde_json::Value>")]
    pub(in crate::project) cert_dir: Option<Spanned<IgnoredAny>>,
}

/// Values by keys, in the order of the file, with the places of the keys.
#[derive(Debug)]
pub struct SyncEntries<V>(pub(in crate::project) Vec<(Spanned<String>, V)>);

impl<V> Default for SyncEntries<V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, V: Deserialize<'de>> Deserialize<'de> for SyncEntries<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries<V>(PhantomData<V>);

        impl<'de, V: Deserialize<'de>> Visitor<'de> for Entries<V> {
            type Value = SyncEntries<V>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("keys with values")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<SyncEntries<V>, A::Error> {
                let mut list = Vec::new();
                while let Some(entry) = entries.next_entry()? {
                    list.push(entry);
                }
                Ok(SyncEntries(list))
            }
        }

        deserializer.deserialize_map(Entries(PhantomData))
    }
}

impl<V: JsonSchema> JsonSchema for SyncEntries<V> {
    fn schema_name() -> Cow<'static, str> {
        format!("sync-{}", V::schema_name()).into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        BTreeMap::<String, V>::json_schema(generator)
    }
}
