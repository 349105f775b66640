//! The control file.

use std::path::Path;

use content::printable;

use super::super::package::{DebIdentity, is_architecture, is_version};
use super::super::stanza::Stanza;
use super::definition::{DebDefinition, DebDependency, is_policy_name};
use super::mistake;
use crate::automatic;
use crate::check::{Mistake, NAME_MAX};
use crate::definition::RpmDefinition;
use crate::dependency::Relation;
use crate::error::Result;

/// The architectures of RPM and of dpkg.
const ARCHITECTURES: [(&str, &str); 12] = [
    ("noarch", "all"),
    ("x86_64", "amd64"),
    ("aarch64", "arm64"),
    ("armv7hl", "armhf"),
    ("i386", "i386"),
    ("i486", "i386"),
    ("i586", "i386"),
    ("i686", "i386"),
    ("ppc64le", "ppc64el"),
    ("riscv64", "riscv64"),
    ("s390x", "s390x"),
    ("loongarch64", "loong64"),
];

/// What the package is, and who maintains it.
pub(super) struct Identity {
    pub(super) deb: DebIdentity,
    pub(super) maintainer: String,
}

impl Identity {
    pub(super) fn of(definition: &RpmDefinition) -> Result<Self, Mistake> {
        let deb = DebIdentity {
            name: name(definition)?,
            version: version(definition)?,
            architecture: architecture(definition)?,
        };
        Ok(Self { deb, maintainer: maintainer(definition)? })
    }
}

/// Why there is no [`Identity`].
pub(super) fn identity_mistakes(definition: &RpmDefinition) -> Vec<Mistake> {
    let parts = [name, version, architecture, maintainer];
    let mut mistakes: Vec<Mistake> = parts.into_iter().filter_map(|part| part(definition).err()).collect();
    if let Ok(file) = Identity::of(definition).map(|identity| identity.deb.file_name())
        && file.len() > NAME_MAX
    {
        let expected = "a name and a version with which the name of the package's file has 255 bytes at most";
        mistakes.push(mistake("deb.name", expected, &file));
    }
    mistakes
}

/// The name of the package.
pub(super) fn name(definition: &RpmDefinition) -> Result<String, Mistake> {
    let own = definition.deb.as_ref().and_then(|deb| deb.name.clone());
    let name = own.unwrap_or_else(|| definition.name.to_ascii_lowercase().replace('_', "-"));
    if !is_policy_name(&name) {
        let expected = "two or more lower-case letters, digits and `+-.`, a letter or digit first";
        return Err(mistake("deb.name", expected, &name));
    }
    Ok(name)
}

fn version(definition: &RpmDefinition) -> Result<String, Mistake> {
    let own = definition.deb.as_ref().and_then(|deb| deb.version.clone());
    let version = own.unwrap_or_else(|| {
        let epoch = definition.epoch.filter(|epoch| *epoch > 0).map(|epoch| format!("{epoch}:"));
        let (version, release) = (definition.rpm_version(), &definition.release);
        of_rpm(&format!("{}{version}-{release}", epoch.unwrap_or_default()))
    });
    let upstream = version.split_once(':').map_or(version.as_str(), |(_, rest)| rest);
    if !is_version(&version) || !upstream.starts_with(|c: char| c.is_ascii_digit()) {
        let expected = "`[epoch:]version[-revision]`, a digit and then letters, digits and `.+~`";
        return Err(mistake("deb.version", expected, &version));
    }
    Ok(version)
}

fn architecture(definition: &RpmDefinition) -> Result<String, Mistake> {
    let own = definition.deb.as_ref().and_then(|deb| deb.architecture.as_deref());
    let known = ARCHITECTURES.iter().find(|(rpm, _)| *rpm == definition.arch).map(|(_, deb)| *deb);
    let name = own.or(known).filter(|name| is_architecture(name)).ok_or_else(|| {
        let expected = "the architecture of dpkg, such as `amd64`";
        mistake("deb.architecture", expected, own.unwrap_or(&definition.arch))
    })?;
    Ok(name.to_owned())
}

fn maintainer(definition: &RpmDefinition) -> Result<String, Mistake> {
    let own = definition.deb.as_ref().and_then(|deb| deb.maintainer.as_ref());
    let author = || definition.changelog.first().map(|change| &change.author);
    let maintainer = own.or(definition.packager.as_ref()).or_else(author).cloned().unwrap_or_default();
    if !is_person(&maintainer) {
        return Err(mistake("deb.maintainer", "`Name <mail@example.org>`", &maintainer));
    }
    Ok(maintainer)
}

fn is_person(text: &str) -> bool {
    let mail = text.strip_suffix('>').and_then(|text| text.split_once(" <"));
    !text.chars().any(char::is_control)
        && mail.is_some_and(|(name, mail)| {
            !name.trim().is_empty() && mail.contains('@') && !mail.contains(['<', ' '])
        })
}

/// RPM's `^` is `+`, which also sorts after nothing and before `.`, and `_`, which separates, is `.`.
pub(super) fn of_rpm(version: &str) -> String {
    version.replace('^', "+").replace('_', ".")
}

/// Interpreters of essential packages, which need no dependency.
const ESSENTIAL: [&str; 8] = [
    "/bin/sh",
    "/bin/bash",
    "/bin/dash",
    "/usr/bin/bash",
    "/usr/bin/env",
    "/usr/bin/perl",
    "/usr/bin/sed",
    "/usr/bin/sh",
];

/// What the Debian package lacks of the RPM.
///
/// # Errors
///
/// Those of [`automatic::find`].
pub(super) fn warnings(definition: &RpmDefinition, base_dir: &Path) -> Result<Vec<String>> {
    let deb = definition.deb.as_ref();
    let mut warnings = Vec::new();
    let mut lacks = |is_lost: bool, what: &str, remedy: &str| {
        if is_lost {
            warnings.push(format!("the DEB does not have the {what}: {remedy}"));
        }
    };
    let depends = "write `deb: {depends: […]}` with the names of Debian packages, or an empty list";
    // A definition with values for Debian says what it means.
    let named: Vec<String> = Relation::ALL
        .into_iter()
        .filter(|relation| deb.is_none() || *relation == Relation::Requires)
        .filter(|relation| !definition.dependencies(*relation).is_empty())
        .map(|relation| format!("`{}`", relation.key()))
        .collect();
    if deb.is_none_or(|deb| deb.depends.is_none()) {
        if named.is_empty() {
            let missing = undeclared(definition, base_dir)?;
            let (path, name) = missing.clone().unwrap_or_default();
            let what = format!("dependencies of its files, such as {name}, which {path} needs");
            lacks(missing.is_some(), &what, depends);
        } else {
            lacks(true, &format!("{}, which are names of RPMs", named.join(", ")), depends);
        }
    }
    let has_scripts = deb.is_some_and(|deb| deb.scripts.is_some());
    let scriptlets = &definition.scriptlets;
    let others =
        [&scriptlets.pretrans, &scriptlets.posttrans, &scriptlets.preuntrans, &scriptlets.postuntrans];
    lacks(
        others.iter().any(|script| script.is_some()) && !has_scripts,
        "scriptlets around transactions",
        "write `deb: {scripts: {…}}`",
    );
    lacks(
        scriptlets.verify.is_some(),
        "scriptlet `verify`",
        "dpkg runs no script of a package in `dpkg --verify`",
    );
    lacks(
        !(has_scripts || definition.triggers.is_empty() && definition.file_triggers.is_empty()),
        "triggers",
        "write `deb: {scripts: {…}}`",
    );
    lacks(
        definition.files.iter().any(|file| file.capabilities.is_some()) && !has_scripts,
        "capabilities of files",
        "call `setcap` in `deb: {scripts: {postinst: …}}`",
    );
    Ok(warnings)
}

/// The first dependency that the files have without a declaration, with the path of its file.
fn undeclared(definition: &RpmDefinition, base_dir: &Path) -> Result<Option<(String, String)>> {
    for file in definition.files.iter().filter(|_| definition.auto_requires) {
        let found = automatic::find(file, &base_dir.join(file.source().path()))?.requires;
        let mut names = found.iter().map(ToString::to_string);
        let needed = names.find(|name| !name.starts_with("rtld(") && !ESSENTIAL.contains(&name.as_str()));
        if let Some(name) = needed {
            return Ok(Some((printable(&file.to).to_string(), printable(&name).to_string())));
        }
    }
    Ok(None)
}

/// The lists of dependencies: the field, its key, and what it has.
fn relations(deb: &DebDefinition) -> [(&'static str, &'static str, &[DebDependency]); 9] {
    [
        ("Pre-Depends", "preDepends", &deb.pre_depends),
        ("Depends", "depends", deb.depends.as_deref().unwrap_or_default()),
        ("Recommends", "recommends", &deb.recommends),
        ("Suggests", "suggests", &deb.suggests),
        ("Enhances", "enhances", &deb.enhances),
        ("Conflicts", "conflicts", &deb.conflicts),
        ("Breaks", "breaks", &deb.breaks),
        ("Replaces", "replaces", &deb.replaces),
        ("Provides", "provides", &deb.provides),
    ]
}

/// Dependencies and the section, where the control file cannot have them.
pub(super) fn relation_mistakes(definition: &RpmDefinition) -> Vec<Mistake> {
    let Some(deb) = &definition.deb else { return Vec::new() };
    let mut mistakes = Vec::new();
    for (_, key, list) in relations(deb) {
        let takes_alternatives = !["conflicts", "breaks", "replaces", "provides", "enhances"].contains(&key);
        for (index, wrong) in list.iter().enumerate() {
            if wrong.has_alternatives() && !takes_alternatives {
                let field = format!("deb.{key}[{index}]");
                mistakes.push(mistake(&field, "a package without alternatives", &wrong.to_string()));
            }
        }
    }
    if let Some(section) = &deb.section {
        let is_good = |byte: u8| byte.is_ascii_alphanumeric() || b"-/".contains(&byte);
        if section.is_empty() || !section.bytes().all(is_good) {
            mistakes.push(mistake("deb.section", "a section such as `utils`", section));
        }
    }
    mistakes
}

/// The control file of a package that takes this many KiB.
pub(super) fn control(definition: &RpmDefinition, identity: &Identity, installed: u64) -> Stanza {
    let default = DebDefinition::default();
    let deb = definition.deb.as_ref().unwrap_or(&default);
    let mut stanza = Stanza::default();
    stanza.set("Package", identity.deb.name.as_str());
    stanza.set("Version", identity.deb.version.as_str());
    stanza.set("Architecture", identity.deb.architecture.as_str());
    stanza.set("Maintainer", identity.maintainer.as_str());
    stanza.set("Installed-Size", installed.to_string());
    for (field, _, list) in relations(deb) {
        if !list.is_empty() {
            let all: Vec<String> = list.iter().map(DebDependency::to_string).collect();
            stanza.set(field, all.join(", "));
        }
    }
    stanza.set("Section", deb.section.as_deref().unwrap_or("misc"));
    stanza.set("Priority", "optional");
    if let Some(url) = &definition.url {
        stanza.set("Homepage", url.as_str());
    }
    stanza.set("Description", description(definition));
    stanza
}

/// The summary, and the description in lines that start with a blank.
fn description(definition: &RpmDefinition) -> String {
    let summary = definition.summary.trim().trim_end_matches('.');
    let mut text = summary.to_owned();
    // The policy demands a description that does not repeat the summary.
    let RpmDefinition { name, version, license, .. } = definition;
    let default =
        format!("This package installs version {version} of {name}.\n\nThe license of {name} is {license}.");
    for line in definition.description.as_deref().unwrap_or(&default).trim_end().lines() {
        text.push_str("\n ");
        text.push_str(if line.trim().is_empty() { "." } else { line.trim_end() });
    }
    text
}
