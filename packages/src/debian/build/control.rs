//! The control file.

use super::super::package::{DebIdentity, is_architecture, is_version};
use super::super::stanza::Stanza;
use super::definition::{DebDefinition, DebDependency, is_policy_name};
use super::mistake;
use crate::definition::RpmDefinition;
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
    pub(super) fn of(definition: &RpmDefinition) -> Result<Self> {
        let deb = definition.deb.clone().unwrap_or_default();
        let name = deb.name.unwrap_or_else(|| definition.name.to_ascii_lowercase().replace('_', "-"));
        if !is_policy_name(&name) {
            let expected = "two or more lower-case letters, digits and `+-.`, a letter or digit first";
            return Err(mistake(definition, "deb.name", expected, &name));
        }
        let version = deb.version.unwrap_or_else(|| version(definition));
        let upstream = version.split_once(':').map_or(version.as_str(), |(_, rest)| rest);
        if !is_version(&version) || !upstream.starts_with(|c: char| c.is_ascii_digit()) {
            let expected = "`[epoch:]version[-revision]`, a digit and then letters, digits and `.+~`";
            return Err(mistake(definition, "deb.version", expected, &version));
        }
        let known = ARCHITECTURES.iter().find(|(rpm, _)| *rpm == definition.arch);
        let own = deb.architecture;
        let architecture = own.clone().or_else(|| known.map(|(_, deb)| (*deb).to_owned()));
        let architecture = architecture.filter(|name| is_architecture(name)).ok_or_else(|| {
            let expected = "the architecture of dpkg, such as `amd64`";
            mistake(definition, "deb.architecture", expected, own.as_ref().unwrap_or(&definition.arch))
        })?;
        let author = || definition.changelog.first().map(|change| change.author.clone());
        let maintainer =
            deb.maintainer.or_else(|| definition.packager.clone()).or_else(author).unwrap_or_default();
        if !is_person(&maintainer) {
            return Err(mistake(definition, "deb.maintainer", "`Name <mail@example.org>`", &maintainer));
        }
        Ok(Self { deb: DebIdentity { name, version, architecture }, maintainer })
    }
}

fn is_person(text: &str) -> bool {
    let mail = text.strip_suffix('>').and_then(|text| text.split_once(" <"));
    !text.chars().any(char::is_control)
        && mail.is_some_and(|(name, mail)| {
            !name.trim().is_empty() && mail.contains('@') && !mail.contains(['<', ' '])
        })
}

fn version(definition: &RpmDefinition) -> String {
    let epoch = definition.epoch.filter(|epoch| *epoch > 0).map(|epoch| format!("{epoch}:"));
    let (version, release) = (definition.rpm_version(), &definition.release);
    of_rpm(&format!("{}{version}-{release}", epoch.unwrap_or_default()))
}

/// RPM's `^` is `+`, which also sorts after nothing and before `.`, and `_`, which separates, is `.`.
pub(super) fn of_rpm(version: &str) -> String {
    version.replace('^', "+").replace('_', ".")
}

/// What the Debian package lacks of the RPM.
pub(super) fn warnings(definition: &RpmDefinition) -> Vec<String> {
    let deb = definition.deb.as_ref();
    let mut warnings = Vec::new();
    let mut lacks = |is_lost: bool, what: &str, remedy: &str| {
        if is_lost {
            warnings.push(format!("the DEB does not have the {what}: {remedy}"));
        }
    };
    lacks(
        !definition.requires.is_empty() && deb.is_none_or(|deb| deb.depends.is_none()),
        "`requires`, which are names of RPMs",
        "write `deb: {depends: […]}` with the names of Debian packages, or an empty list",
    );
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
        !(has_scripts || definition.triggers.is_empty() && definition.file_triggers.is_empty()),
        "triggers",
        "write `deb: {scripts: {…}}`",
    );
    lacks(
        definition.files.iter().any(|file| file.capabilities.is_some()) && !has_scripts,
        "capabilities of files",
        "call `setcap` in `deb: {scripts: {postinst: …}}`",
    );
    warnings
}

/// The control file of a package that takes this many KiB.
pub(super) fn control(definition: &RpmDefinition, identity: &Identity, installed: u64) -> Result<Stanza> {
    let default = DebDefinition::default();
    let deb = definition.deb.as_ref().unwrap_or(&default);
    let mut stanza = Stanza::default();
    stanza.set("Package", identity.deb.name.as_str());
    stanza.set("Version", identity.deb.version.as_str());
    stanza.set("Architecture", identity.deb.architecture.as_str());
    stanza.set("Maintainer", identity.maintainer.as_str());
    stanza.set("Installed-Size", installed.to_string());
    let depends = deb.depends.as_deref().unwrap_or_default();
    for (field, key, list) in [
        ("Pre-Depends", "preDepends", deb.pre_depends.as_slice()),
        ("Depends", "depends", depends),
        ("Recommends", "recommends", &deb.recommends),
        ("Suggests", "suggests", &deb.suggests),
        ("Enhances", "enhances", &deb.enhances),
        ("Conflicts", "conflicts", &deb.conflicts),
        ("Breaks", "breaks", &deb.breaks),
        ("Replaces", "replaces", &deb.replaces),
        ("Provides", "provides", &deb.provides),
    ] {
        let takes_alternatives = !["conflicts", "breaks", "replaces", "provides", "enhances"].contains(&key);
        if let Some(wrong) = list.iter().find(|one| one.has_alternatives() && !takes_alternatives) {
            let expected = "a package without alternatives";
            return Err(mistake(definition, &format!("deb.{key}"), expected, &wrong.to_string()));
        }
        if !list.is_empty() {
            let all: Vec<String> = list.iter().map(DebDependency::to_string).collect();
            stanza.set(field, all.join(", "));
        }
    }
    let section = deb.section.as_deref().unwrap_or("misc");
    if !section.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-/".contains(&byte))
        || section.is_empty()
    {
        return Err(mistake(definition, "deb.section", "a section such as `utils`", section));
    }
    stanza.set("Section", section);
    stanza.set("Priority", "optional");
    if let Some(url) = &definition.url {
        stanza.set("Homepage", url.as_str());
    }
    stanza.set("Description", description(definition));
    Ok(stanza)
}

/// The summary, and the description in lines that start with a blank.
fn description(definition: &RpmDefinition) -> String {
    let mut text = definition.summary.trim().trim_end_matches('.').to_owned();
    for line in definition.description.as_deref().unwrap_or_default().trim_end().lines() {
        text.push_str("\n ");
        text.push_str(if line.trim().is_empty() { "." } else { line.trim_end() });
    }
    text
}
