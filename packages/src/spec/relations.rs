//! What the packages of a spec file require and provide.

use std::collections::BTreeSet;

use super::macros::Macros;
use super::{SpecFault, SpecFile};
use crate::dependency::{Dependency, Relation};

/// The most tags of dependencies, and the most packages of a spec file.
const TAGS_MAX: usize = 10_000;

/// A package of a spec file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecPackageName {
    /// Its name.
    pub name: String,
    /// The name of a file of it, as `NAME-VERSION-RELEASE.ARCH.rpm`. What only rpmbuild knows of it is `0`, and `noarch`.
    pub file_name: String,
}

/// What a package of a spec file requires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecRequirement {
    /// The line, from 1.
    pub line: u64,
    /// The package: its position among those of the file; `None` if its name is not known.
    pub package: Option<usize>,
    /// What it requires.
    pub dependency: Dependency,
}

/// The tags of dependencies, and the packages that they are of.
#[derive(Debug, Default)]
pub(super) struct Relations {
    /// What each `%package` line names.
    packages: Vec<Option<SubPackage>>,
    tags: Vec<Tag>,
}

#[derive(Debug)]
enum SubPackage {
    /// A name.
    Name(String),
    /// What follows the name of the main package and `-`.
    Suffix(String),
}

#[derive(Debug)]
struct Tag {
    line: u64,
    /// How many `%package` lines are before it.
    package: usize,
    relation: Relation,
    value: Result<Vec<Dependency>, String>,
    /// The first name, if it is known.
    first: Option<String>,
}

impl Relations {
    /// Takes what follows `%package` on its line.
    pub(super) fn begin(&mut self, rest: &str, macros: &mut Macros) {
        if self.packages.len() == TAGS_MAX {
            return;
        }
        let mut words = rest.split_whitespace();
        let named = match words.next() {
            Some("-n") => words.next().and_then(|name| macros.expand(name).ok()).map(SubPackage::Name),
            Some(suffix) => macros.expand(suffix).ok().map(SubPackage::Suffix),
            None => None,
        };
        self.packages.push(named);
    }

    /// Takes a tag.
    pub(super) fn add(&mut self, line: u64, relation: Relation, value: &str, macros: &mut Macros) {
        // The set as a whole is for one architecture.
        let value = value.replace("%{?_isa}", "").replace("%{_isa}", "");
        let mut read = |text: &str| {
            let expanded = macros.expand(text);
            let list = expanded
                .and_then(|text| Dependency::list(relation, &text).map_err(|error| error.to_string()));
            let first = text.split_whitespace().next().and_then(|name| macros.expand(name).ok());
            (list, first)
        };
        let mut parts = vec![read(&value)];
        // What is known of a line counts where the rest is not.
        if matches!(parts.as_slice(), [(Err(_), _)]) && value.contains(',') && !value.contains('(') {
            parts = value.split(',').take(TAGS_MAX).map(read).collect();
        }
        for (value, first) in parts {
            if self.tags.len() < TAGS_MAX {
                self.tags.push(Tag { line, package: self.packages.len(), relation, value, first });
            }
        }
    }

    /// Writes what is known to `spec`.
    pub(super) fn finish(self, macros: &mut Macros, spec: &mut SpecFile) {
        let mut tag = |name: &str| macros.expand(&format!("%{{{name}}}")).ok();
        let main = tag("name");
        let known = |part: Option<String>| part.unwrap_or_else(|| "0".to_owned());
        let end = format!("{}-{}.noarch.rpm", known(tag("version")), known(tag("release")));
        let subpackages = self.packages.into_iter().map(|named| match named? {
            SubPackage::Name(name) => Some(name),
            SubPackage::Suffix(suffix) => Some(format!("{}-{suffix}", main.as_ref()?)),
        });
        // The position in the list of packages, for the main package and each `%package` line.
        let mut places: Vec<Option<usize>> = Vec::new();
        for name in std::iter::once(main.clone()).chain(subpackages) {
            places.push(name.map(|name| {
                let file_name = format!("{name}-{end}");
                spec.packages.push(SpecPackageName { name, file_name });
                spec.packages.len() - 1
            }));
        }
        let (mut requires, mut unknown) = (Vec::new(), Vec::new());
        for Tag { line, package, relation, value, first } in self.tags {
            let package = places.get(package).copied().flatten();
            match (relation, value) {
                (Relation::Provides, Ok(list)) => {
                    spec.provides.extend(list.into_iter().map(|one| one.name().to_owned()));
                }
                (Relation::Provides, Err(_)) => spec.provides.extend(first),
                (_, Ok(list)) => requires.extend(list.into_iter().map(|dependency| SpecRequirement {
                    line,
                    package,
                    dependency,
                })),
                (_, Err(message)) => unknown.push((first, SpecFault { line, message })),
            }
        }
        let own: BTreeSet<&str> = spec
            .packages
            .iter()
            .map(|package| package.name.as_str())
            .chain(spec.provides.iter().map(String::as_str))
            .collect();
        let is_own = |name: &str| own.contains(name);
        requires.retain(|one| !is_own(one.dependency.name()));
        unknown.retain(|(first, _)| !first.as_deref().is_some_and(is_own));
        (spec.requires, spec.unknown) = (requires, unknown.into_iter().map(|(_, fault)| fault).collect());
    }
}
