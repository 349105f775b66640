//! What a package requires, provides and so on: a capability and, optionally, a comparison with a version.

mod parse;
mod rich;

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{DeserializeSeed, Deserializer, Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

pub use self::parse::Operator;
pub(crate) use self::rich::fold;
use crate::error::{Error, Result};

/// A dependency of a package on a capability, with the versions of it that count.
///
/// In text it is what a spec file has: `nginx`, `nginx >= 1.20`, `/bin/sh`, `(firewalld or nftables)`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(into = "String")]
pub struct Dependency {
    name: String,
    version: Option<(VersionComparison, String)>,
}

/// How the version of a capability is compared with the version in a [`Dependency`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VersionComparison {
    /// `<`
    Less,
    /// `<=`, also written `=<`
    LessOrEqual,
    /// `=`, also written `==`
    Equal,
    /// `>=`, also written `=>`
    GreaterOrEqual,
    /// `>`
    Greater,
}

impl VersionComparison {
    /// Every spelling that rpm reads; the first one of each comparison is the one that is written.
    const ALL: [(&'static str, Self); 8] = [
        ("<", Self::Less),
        ("<=", Self::LessOrEqual),
        ("=", Self::Equal),
        (">=", Self::GreaterOrEqual),
        (">", Self::Greater),
        ("=<", Self::LessOrEqual),
        ("==", Self::Equal),
        ("=>", Self::GreaterOrEqual),
    ];

    fn read(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(spelling, _)| *spelling == text).map(|(_, comparison)| comparison)
    }

    pub(crate) fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, comparison)| *comparison == self).map_or("=", |(text, _)| text)
    }
}

/// The field of a definition that a dependency stands in. RPM's rules differ between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Relation {
    /// What must be installed with the package.
    Requires,
    /// What the package offers.
    Provides,
    /// What must not be installed with the package.
    Conflicts,
    /// What the package replaces.
    Obsoletes,
    /// What is installed with the package unless the administrator declines.
    Recommends,
    /// What goes well with the package.
    Suggests,
    /// The packages that this one is installed with, unless the administrator declines.
    Supplements,
    /// The packages that this one goes well with.
    Enhances,
}

impl Relation {
    /// All relations.
    pub const ALL: [Self; 8] = [
        Self::Requires,
        Self::Provides,
        Self::Conflicts,
        Self::Obsoletes,
        Self::Recommends,
        Self::Suggests,
        Self::Supplements,
        Self::Enhances,
    ];

    /// The key in `package.yaml`: `requires`.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Requires => "requires",
            Self::Provides => "provides",
            Self::Conflicts => "conflicts",
            Self::Obsoletes => "obsoletes",
            Self::Recommends => "recommends",
            Self::Suggests => "suggests",
            Self::Supplements => "supplements",
            Self::Enhances => "enhances",
        }
    }
}

impl Dependency {
    /// Reads what may stand after `Requires:` and its like in a spec file: dependencies, separated by commas or blanks.
    ///
    /// Accepts what rpmbuild 4.18 accepts, except control characters, which repository metadata cannot hold.
    ///
    /// # Errors
    ///
    /// [`Error::Dependency`] with what is wrong and what to write.
    pub fn list(relation: Relation, text: &str) -> Result<Vec<Self>> {
        parse::list(relation, text)
            .map_err(|fault| Error::Dependency { text: text.to_owned(), reason: fault.to_string() })
    }

    /// The capability: a package's name, a file's path, or a rich dependency in parentheses.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The version it is compared with, as `[epoch:]version[-release]`.
    #[must_use]
    pub fn version(&self) -> Option<(VersionComparison, &str)> {
        self.version.as_ref().map(|(comparison, version)| (*comparison, version.as_str()))
    }

    /// Warnings: what rpmbuild accepts here, and is probably not intended.
    pub(crate) fn warning(&self, relation: Relation) -> Option<String> {
        let text = self.to_string();
        let (key, found) = (relation.key(), content::printable(&text));
        let version = self.version().map(|(_, version)| version);
        if self.name.contains("%{") || version.is_some_and(|version| version.contains(['%', '{', '}'])) {
            return Some(format!("{key}: `{found}`: macros are not expanded here; write the value"));
        }
        if !self.name.contains('(') && self.name.contains(['<', '=', '>']) {
            return Some(format!(
                "{key}: `{found}` is a name to rpm; to compare versions, put spaces around the comparison"
            ));
        }
        match (relation, self.version()) {
            (Relation::Obsoletes, None) => Some(format!(
                "{key}: `{found}` has no version, so the package could never return; write `{found} < VERSION`"
            )),
            (
                Relation::Obsoletes,
                Some((VersionComparison::Greater | VersionComparison::GreaterOrEqual, _)),
            ) => Some(format!("{key}: `{found}` obsoletes future versions; compare with `<` or `<=`")),
            _ => None,
        }
    }

    pub(crate) fn is_rich(&self) -> bool {
        self.name.starts_with('(')
    }

    /// Whether a version in it, also inside a rich dependency, has the character.
    pub(crate) fn version_contains(&self, character: char) -> bool {
        match self.version() {
            Some((_, version)) => version.contains(character),
            None => self.is_rich() && parse::rich_versions(&self.name).iter().any(|v| v.contains(character)),
        }
    }

    pub(crate) fn to_rpm(&self) -> rpm::Dependency {
        let name = &self.name;
        match self.version() {
            None => rpm::Dependency::any(name),
            Some((VersionComparison::Less, version)) => rpm::Dependency::less(name, version),
            Some((VersionComparison::LessOrEqual, version)) => rpm::Dependency::less_eq(name, version),
            Some((VersionComparison::Equal, version)) => rpm::Dependency::eq(name, version),
            Some((VersionComparison::GreaterOrEqual, version)) => rpm::Dependency::greater_eq(name, version),
            Some((VersionComparison::Greater, version)) => rpm::Dependency::greater(name, version),
        }
    }
}

impl JsonSchema for Dependency {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Dependency".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "Dependencies as in a spec file, separated by commas or blanks: `nginx`, `nginx >= 1.20`, \
                            `/bin/sh`, `(firewalld or nftables)`. RPM's rules decide which are accepted.",
        })
    }
}

impl fmt::Display for Dependency {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.name)?;
        match self.version() {
            None => Ok(()),
            Some((comparison, version)) => write!(formatter, " {} {version}", comparison.as_str()),
        }
    }
}

impl From<Dependency> for String {
    fn from(dependency: Dependency) -> Self {
        dependency.to_string()
    }
}

/// Reads the lists of a definition: `#[serde(deserialize_with = "read::requires")]`.
pub(crate) mod read {
    use super::{Dependency, Deserializer, Lists, Relation};

    macro_rules! fields {
        ($($field:ident: $relation:ident),*) => {$(
            pub(crate) fn $field<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Dependency>, D::Error> {
                from.deserialize_seq(Lists(Relation::$relation))
            }
        )*};
    }

    fields!(
        requires: Requires, provides: Provides, conflicts: Conflicts, obsoletes: Obsoletes,
        recommends: Recommends, suggests: Suggests, supplements: Supplements, enhances: Enhances
    );

    /// The same where the field can be absent.
    pub(crate) mod some {
        use super::{Dependency, Deserializer};

        macro_rules! fields {
            ($($field:ident),*) => {$(
                pub(crate) fn $field<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<Dependency>>, D::Error> {
                    super::$field(from).map(Some)
                }
            )*};
        }

        fields!(requires, provides, conflicts, obsoletes, recommends, suggests, supplements, enhances);
    }
}

/// A list of texts that each may hold several dependencies.
#[derive(Clone, Copy)]
struct Lists(Relation);

impl<'de> Visitor<'de> for Lists {
    type Value = Vec<Dependency>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of dependencies")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Self::Value, A::Error> {
        let mut all = Vec::new();
        while let Some(some) = from.next_element_seed(self)? {
            all.extend(some);
        }
        Ok(all)
    }
}

impl<'de> DeserializeSeed<'de> for Lists {
    type Value = Vec<Dependency>;

    // An element of the list, so that the reader of the file can point at its line.
    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        let text = String::deserialize(from)?;
        Dependency::list(self.0, &text).map_err(D::Error::custom)
    }
}
