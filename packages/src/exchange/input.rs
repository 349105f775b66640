//! `rpms.in.yaml` of rpm-lockfile-prototype.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Deserialize;
use serde_json::Value;

use super::{ExchangeFault, ListedRepository, bounded, entry, quoted};

/// What packages are asked for, and from where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PackageInput {
    /// The repositories.
    pub repositories: Vec<ListedRepository>,
    /// The requests.
    pub packages: Vec<InputPackage>,
    /// Streams of modules to enable: `nodejs:18`.
    pub modules: Vec<InputPackage>,
    /// The architectures; empty for that of the machine.
    pub architectures: Vec<String>,
    /// Whether recommended packages are installed, too.
    pub weak_dependencies: bool,
    /// The keys that were not read, each as a path in the file.
    pub left_out: Vec<String>,
}

/// A request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InputPackage {
    /// What is asked for: a name, `NAME-VERSION`, `@GROUP`.
    pub name: String,
    /// The only architectures that it is for; empty for all.
    pub only: Vec<String>,
    /// The architectures that it is not for.
    pub not: Vec<String>,
}

impl InputPackage {
    /// Whether it is asked for on an architecture.
    #[must_use]
    pub fn is_for(&self, architecture: &str) -> bool {
        let names = |list: &[String]| list.iter().any(|one| one == architecture);
        (self.only.is_empty() || names(&self.only)) && !names(&self.not)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    content_origin: Origin,
    #[serde(default)]
    packages: Vec<Entry>,
    #[serde(default)]
    module_enable: Vec<Entry>,
    #[serde(default)]
    arches: Vec<String>,
    #[serde(default)]
    install_weak_deps: Option<bool>,
    #[serde(flatten)]
    others: BTreeMap<String, serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct Origin {
    #[serde(default)]
    repos: Vec<Repository>,
    #[serde(flatten)]
    others: BTreeMap<String, serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct Repository {
    repoid: String,
    #[serde(default)]
    baseurl: Option<String>,
    #[serde(default)]
    metalink: Option<String>,
    #[serde(default)]
    mirrorlist: Option<String>,
    #[serde(flatten)]
    others: BTreeMap<String, serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Entry {
    Name(String),
    Limited {
        name: String,
        #[serde(default)]
        arches: Arches,
    },
}

#[derive(Default, Deserialize)]
struct Arches {
    #[serde(default)]
    only: Strings,
    #[serde(default)]
    not: Strings,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Strings {
    One(String),
    Many(Vec<String>),
}

impl Default for Strings {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl From<Strings> for Vec<String> {
    fn from(strings: Strings) -> Self {
        match strings {
            Strings::One(one) => vec![one],
            Strings::Many(many) => many,
        }
    }
}

impl From<Entry> for InputPackage {
    fn from(entry: Entry) -> Self {
        match entry {
            Entry::Name(name) => Self { name, ..Self::default() },
            Entry::Limited { name, arches } => {
                Self { name, only: arches.only.into(), not: arches.not.into() }
            }
        }
    }
}

pub(super) fn read(text: &str) -> Result<PackageInput, ExchangeFault> {
    let input: Input = serde_saphyr::from_str(text).map_err(|error| ExchangeFault::yaml(&error))?;
    let Input { content_origin, packages, module_enable, arches, install_weak_deps, others } = input;
    bounded(packages.len(), content_origin.repos.len())?;
    let mut left_out: Vec<String> = others.into_keys().collect();
    left_out.extend(content_origin.others.into_keys().map(|key| format!("contentOrigin.{key}")));
    let mut repositories = Vec::new();
    for Repository { repoid, baseurl, metalink, mirrorlist, others } in content_origin.repos {
        left_out.extend(others.into_keys().map(|key| format!("contentOrigin.repos.{repoid}.{key}")));
        repositories.push(ListedRepository { id: repoid, url: baseurl, metalink, mirrorlist });
    }
    Ok(PackageInput {
        repositories,
        packages: packages.into_iter().map(InputPackage::from).collect(),
        modules: module_enable.into_iter().map(InputPackage::from).collect(),
        architectures: arches,
        weak_dependencies: install_weak_deps.unwrap_or(true),
        left_out,
    })
}

impl PackageInput {
    /// The file `rpms.in.yaml`.
    #[must_use]
    pub fn rpms_in(&self) -> String {
        let mut out = String::from("contentOrigin:\n  repos:\n");
        for ListedRepository { id, url, metalink, mirrorlist } in &self.repositories {
            // Writing to a string cannot fail.
            let _ = writeln!(out, "    - repoid: {}", quoted(id));
            entry(&mut out, "      ", "baseurl", url.as_deref());
            entry(&mut out, "      ", "metalink", metalink.as_deref());
            entry(&mut out, "      ", "mirrorlist", mirrorlist.as_deref());
        }
        let mut list = |key: &str, packages: &[InputPackage]| {
            out.push_str(&format!("{key}:{}\n", if packages.is_empty() { " []" } else { "" }));
            for InputPackage { name, only, not } in packages {
                let limits = [("only", only), ("not", not)].into_iter().find(|(_, list)| !list.is_empty());
                match limits {
                    None => drop(writeln!(out, "  - {}", quoted(name))),
                    Some((word, list)) => {
                        let list = Value::from(list.as_slice());
                        let _ = writeln!(out, "  - {{name: {}, arches: {{{word}: {list}}}}}", quoted(name));
                    }
                }
            }
        };
        list("packages", &self.packages);
        list("moduleEnable", &self.modules);
        if !self.architectures.is_empty() {
            let _ = writeln!(out, "arches: {}", Value::from(self.architectures.as_slice()));
        }
        let _ = writeln!(out, "installWeakDeps: {}", self.weak_dependencies);
        out
    }
}
