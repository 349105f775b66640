//! Values of a definition that differ between releases.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::check::Mistake;
use crate::debian::DebDefinition;
use crate::definition::{PackageDirectory, PackageFile, PackageGhost, PackageSymlink, RpmDefinition};
use crate::dependency::{Dependency, read};
use crate::error::{Error, Result};
use crate::payload::PackageCompression;
use crate::scriptlets::{ScriptletRequires, Scriptlets};
use crate::triggers::{PackageFileTrigger, PackageTrigger};

/// What some values are for: `el8`, the release 8 of the distribution; `deb`, all Debian packages; or `deb-bookworm`, those for one
/// release.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("pattern" = "^(el[0-9]+|deb(-[A-Za-z0-9][A-Za-z0-9._-]*)?)$"))]
pub struct PackageTarget(String);

impl PackageTarget {
    /// The release `release` of the distribution: `8`.
    #[must_use]
    pub fn release(release: &str) -> Self {
        Self(format!("el{release}"))
    }

    /// Debian packages for the release `release`: `bookworm`.
    #[must_use]
    pub fn debian(release: &str) -> Self {
        Self(format!("{DEBIAN}-{release}"))
    }

    /// Debian packages for any release.
    #[must_use]
    pub fn any_debian() -> Self {
        Self(DEBIAN.to_owned())
    }

    /// The key in a definition: `el8`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The keys whose values count for this target, the most specific one last: `deb` and `deb-bookworm`.
    fn keys(&self) -> impl DoubleEndedIterator<Item = Self> {
        let is_debian = self.0.strip_prefix(DEBIAN).is_some_and(|rest| rest.starts_with('-'));
        is_debian.then(Self::any_debian).into_iter().chain([self.clone()])
    }
}

/// The key for all Debian packages.
const DEBIAN: &str = "deb";

impl FromStr for PackageTarget {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let release = text.strip_prefix("el").unwrap_or_default();
        if !release.is_empty() && release.len() <= 8 && release.bytes().all(|byte| byte.is_ascii_digit()) {
            return Ok(Self(text.to_owned()));
        }
        let legal = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        let is_release = |release: &str| {
            release.starts_with(|c: char| c.is_ascii_alphanumeric()) && release.chars().all(legal)
        };
        match text.strip_prefix(DEBIAN) {
            Some("") => return Ok(Self(text.to_owned())),
            Some(rest) if rest.strip_prefix('-').is_some_and(is_release) => return Ok(Self(text.to_owned())),
            _ => {}
        }
        Err(Error::Value {
            expected: "a release such as `el8`, `deb` or `deb-bookworm`",
            found: text.to_owned(),
        })
    }
}

impl TryFrom<String> for PackageTarget {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<PackageTarget> for String {
    fn from(target: PackageTarget) -> Self {
        target.0
    }
}

impl fmt::Display for PackageTarget {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Declares the keys that may differ: each with its type and, for lists of dependencies, how it is read.
macro_rules! overrides {
    ($($(#[$attribute:meta])* $field:ident: $type:ty,)*) => {
        /// Values that replace those of the definition.
        #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields, rename_all = "camelCase")]
        pub struct PackageOverrides {
            $(
                #[doc = "Replaces the value of the definition."]
                #[serde(default, skip_serializing_if = "Option::is_none")]
                $(#[$attribute])*
                pub $field: Option<$type>,
            )*
        }

        impl PackageOverrides {
            fn apply(&self, definition: &mut RpmDefinition) {
                $(if let Some(value) = &self.$field {
                    definition.$field = value.clone().into();
                })*
            }

            /// Whether a field such as `files[0].from` has its value here.
            fn gives(&self, field: &str) -> bool {
                let key = snake(field.split(['.', '[']).next().unwrap_or_default());
                [$((stringify!($field), self.$field.is_some()),)*].contains(&(key.as_str(), true))
            }
        }
    };
}

overrides! {
    version: String,
    release: String,
    epoch: u32,
    summary: String,
    license: String,
    description: String,
    url: String,
    vendor: String,
    packager: String,
    group: String,
    compression: PackageCompression,
    files: Vec<PackageFile>,
    directories: Vec<PackageDirectory>,
    symlinks: Vec<PackageSymlink>,
    ghosts: Vec<PackageGhost>,
    #[serde(deserialize_with = "read::some::provides")]
    provides: Vec<Dependency>,
    #[serde(deserialize_with = "read::some::requires")]
    requires: Vec<Dependency>,
    scriptlet_requires: ScriptletRequires,
    #[serde(deserialize_with = "read::some::conflicts")]
    conflicts: Vec<Dependency>,
    #[serde(deserialize_with = "read::some::obsoletes")]
    obsoletes: Vec<Dependency>,
    #[serde(deserialize_with = "read::some::recommends")]
    recommends: Vec<Dependency>,
    #[serde(deserialize_with = "read::some::suggests")]
    suggests: Vec<Dependency>,
    #[serde(deserialize_with = "read::some::supplements")]
    supplements: Vec<Dependency>,
    #[serde(deserialize_with = "read::some::enhances")]
    enhances: Vec<Dependency>,
    auto_requires: bool,
    auto_provides: bool,
    scriptlets: Scriptlets,
    triggers: Vec<PackageTrigger>,
    file_triggers: Vec<PackageFileTrigger>,
    deb: DebDefinition,
}

/// The most mistakes of targets that are listed: each target can repeat those of the whole definition.
const MISTAKES_MAX: usize = 10_000;

impl RpmDefinition {
    /// The definition for `target`: with the values of its `overrides`, and without the others. Those of `deb` also count for a
    /// release of Debian.
    #[must_use]
    pub fn for_target(&self, target: &PackageTarget) -> Self {
        let mut definition = Self { overrides: BTreeMap::new(), ..self.clone() };
        for key in target.keys() {
            if let Some(overrides) = self.overrides.get(&key) {
                overrides.apply(&mut definition);
            }
        }
        definition
    }

    /// Where this definition gives the value that the field `field` has for `target`: `url` is `overrides.el8.url` if `el8` has its
    /// own.
    #[must_use]
    pub fn field_for(&self, target: &PackageTarget, field: &str) -> String {
        let is_given = |key: &PackageTarget| self.overrides.get(key).is_some_and(|own| own.gives(field));
        match target.keys().rfind(is_given) {
            Some(key) => format!("overrides.{key}.{field}"),
            None => field.to_owned(),
        }
    }

    /// The mistakes of each target that the definition itself does not have; `own` are those of the definition itself.
    pub(crate) fn mistakes_of_targets(&self, own: &[Mistake]) -> Vec<Mistake> {
        let own: HashSet<&Mistake> = own.iter().collect();
        let of_target = |(target, overrides): (&PackageTarget, &PackageOverrides)| {
            let mistakes = self.for_target(target).mistakes().into_iter();
            let mistakes =
                mistakes.filter(|mistake| overrides.gives(&mistake.field) || !own.contains(mistake));
            mistakes
                .map(|mistake| Mistake { field: format!("overrides.{target}.{}", mistake.field), ..mistake })
                .collect::<Vec<_>>()
        };
        self.overrides.iter().flat_map(of_target).take(MISTAKES_MAX).collect()
    }
}

/// A key as Rust spells it: `autoRequires` is `auto_requires`.
fn snake(key: &str) -> String {
    let mut spelled = String::with_capacity(key.len() + 2);
    for character in key.chars() {
        if character.is_ascii_uppercase() {
            spelled.push('_');
        }
        spelled.push(character.to_ascii_lowercase());
    }
    spelled
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition(overrides: &str) -> RpmDefinition {
        let text = format!(
            "name: a\nversion: '1'\nrelease: '1'\narch: noarch\nsummary: A\nlicense: MIT\nrequires: [b, c]\n\
             directories: [{{path: /d}}]\noverrides: {overrides}\n"
        );
        serde_saphyr::from_str(&text).unwrap()
    }

    #[test]
    fn the_values_of_a_target_replace_those_of_the_definition() {
        let definition = definition(
            "{el7: {requires: [d], compression: xz, description: Old, epoch: 3, autoRequires: false, files: []}, el8: {requires: []}}",
        );
        definition.check().unwrap();
        let of = |release: &str| definition.for_target(&PackageTarget::release(release));
        let seven = of("7");
        assert_eq!(seven.requires.iter().map(ToString::to_string).collect::<Vec<_>>(), ["d"]);
        assert_eq!(
            (seven.description.as_deref(), seven.epoch, seven.auto_requires),
            (Some("Old"), Some(3), false)
        );
        assert_eq!((seven.compression.to_string(), seven.directories.len()), ("xz:6".to_owned(), 1));
        assert!(of("8").requires.is_empty());
        assert_eq!(of("9").requires.len(), 2);
        assert!(of("7").overrides.is_empty() && of("9").overrides.is_empty());
        let written = serde_saphyr::to_string(&definition).unwrap();
        assert_eq!(serde_saphyr::from_str::<RpmDefinition>(&written).unwrap(), definition);
    }

    #[test]
    fn a_mistake_is_named_with_its_target_once() {
        for (overrides, fields) in [
            ("{el8: {url: ''}}", ["overrides.el8.url"].as_slice()),
            ("{el8: {files: [{from: x, to: /d}]}}", &["overrides.el8.directories[0].path"]),
            (
                "{el7: {release: 1-2}, el8: {release: 1-2}}",
                &["overrides.el7.release", "overrides.el8.release"],
            ),
            ("{el7: {autoRequires: false}}", &[]),
        ] {
            let found: Vec<String> =
                definition(overrides).mistakes().into_iter().map(|one| one.field).collect();
            assert_eq!(found, fields, "{overrides}");
        }
        let wrong = RpmDefinition { summary: String::new(), ..definition("{el8: {url: x}}") };
        assert_eq!(wrong.mistakes().len(), 1);
    }

    #[test]
    fn a_target_is_a_release() {
        for text in ["el", "e18", "el8.1", "EL8", "debian", "deb-", "deb-/x", "el123456789"] {
            assert!(text.parse::<PackageTarget>().is_err(), "{text}");
        }
        assert_eq!("el10".parse::<PackageTarget>().unwrap(), PackageTarget::release("10"));
        assert_eq!("deb-22.04".parse::<PackageTarget>().unwrap(), PackageTarget::debian("22.04"));
    }

    #[test]
    fn the_values_for_a_release_of_debian_come_after_those_for_all_debian_packages() {
        let definition = definition(
            "{deb: {description: All, release: '2', deb: {section: utils}}, deb-bookworm: {release: '3'}, el8: {release: '4'}}",
        );
        let of = |target: PackageTarget| {
            let one = definition.for_target(&target);
            (one.release, one.description, one.deb.and_then(|deb| deb.section))
        };
        let all = |release: &str| (release.to_owned(), Some("All".to_owned()), Some("utils".to_owned()));
        assert_eq!(of(PackageTarget::debian("bookworm")), all("3"));
        assert_eq!(of(PackageTarget::debian("trixie")), all("2"));
        assert_eq!(of(PackageTarget::any_debian()), all("2"));
        assert_eq!(of(PackageTarget::release("8")).1, None);
        let place = |target: PackageTarget, field: &str| definition.field_for(&target, field);
        let bookworm = || PackageTarget::debian("bookworm");
        assert_eq!(place(bookworm(), "release"), "overrides.deb-bookworm.release");
        assert_eq!(place(bookworm(), "deb.section"), "overrides.deb.deb.section");
        assert_eq!(place(bookworm(), "summary"), "summary");
        assert_eq!(place(PackageTarget::release("8"), "release"), "overrides.el8.release");
    }
}
