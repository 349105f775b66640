//! What a package is made of: the content of `packages/<name>/package.yaml`.
//!
//! The types only describe; [`RpmDefinition::check`] says whether an RPM can hold what they describe. Modes and
//! dependencies are checked when they are read, so that the reader of the file can point at the line.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::debian::DebDefinition;
use crate::dependency::{Dependency, Relation, read};
use crate::error::{Error, Result};
use crate::overrides::{PackageOverrides, PackageTarget};
use crate::pattern::PackageSource;
use crate::payload::PackageCompression;
use crate::scriptlets::{ScriptletRequires, Scriptlets};
use crate::triggers::{PackageFileTrigger, PackageTrigger};

/// An RPM package: its metadata and where its files come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RpmDefinition {
    /// The name: it starts with a letter, a digit or `_`; later also `.`, `-` and `+`.
    pub name: String,
    /// The version of the software. `-` becomes `~`, so that `2.11.0-dev` sorts before `2.11.0`.
    pub version: String,
    /// The release of the package: `1`, or with a distribution `1.el8`.
    pub release: String,
    /// The epoch: a package with a higher one is newer whatever its version. It can never decrease, so do without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u32>,
    /// The architecture: `x86_64`, `aarch64`, `noarch`.
    pub arch: String,
    /// One line about the package.
    pub summary: String,
    /// The license, an SPDX expression.
    pub license: String,
    /// A longer description. Default: the summary, in a Debian package the version and the license.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The home page of the software.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The publisher of the package.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor: Option<String>,
    /// Who packaged it: `Name <mail@example.org>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packager: Option<String>,
    /// The group of packages that it belongs to, such as `System Environment/Base`. Default: `Unspecified`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// The name of the machine that built it, as the package says. Default: `localhost`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build_host: Option<String>,
    /// How the files are compressed: `gzip`, `xz`, `zstd` or `none`; `gzip:9` and `xz:9` have a level. EL 7 reads all but `zstd`.
    /// Default: `gzip:6`.
    #[serde(default, skip_serializing_if = "PackageCompression::is_default")]
    pub compression: PackageCompression,
    /// The files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<PackageFile>,
    /// Folders that the package owns.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub directories: Vec<PackageDirectory>,
    /// Symbolic links.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub symlinks: Vec<PackageSymlink>,
    /// Files and folders that belong to the package without being in it, such as logs (`%ghost`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ghosts: Vec<PackageGhost>,
    /// What the package provides, in addition to its name and what its files provide.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "read::provides")]
    pub provides: Vec<Dependency>,
    /// What must be installed with it, in addition to what its files require.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "read::requires")]
    pub requires: Vec<Dependency>,
    /// What must be installed when a scriptlet runs: `Requires(pre)` and the like in a spec file.
    #[serde(default, skip_serializing_if = "ScriptletRequires::is_empty")]
    pub scriptlet_requires: ScriptletRequires,
    /// What must not be installed with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "read::conflicts")]
    pub conflicts: Vec<Dependency>,
    /// What it replaces.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "read::obsoletes")]
    pub obsoletes: Vec<Dependency>,
    /// Packages that are installed with it by default.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "read::recommends")]
    pub recommends: Vec<Dependency>,
    /// Packages that are useful with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "read::suggests")]
    pub suggests: Vec<Dependency>,
    /// Packages that recommend this one: it is installed with them by default.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "read::supplements")]
    pub supplements: Vec<Dependency>,
    /// Packages that suggest this one.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "read::enhances")]
    pub enhances: Vec<Dependency>,
    /// Whether the package requires the libraries of its programs and the interpreters of its scripts, as `AutoReq` in a
    /// spec file. Default: `true`.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub auto_requires: bool,
    /// Whether the package provides the names of its shared libraries, as `AutoProv` in a spec file. Default: `true`.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub auto_provides: bool,
    /// Scripts that run when it is installed and removed.
    #[serde(default, skip_serializing_if = "Scriptlets::is_empty")]
    pub scriptlets: Scriptlets,
    /// Scripts that run when other packages are installed and removed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub triggers: Vec<PackageTrigger>,
    /// Scripts that run when files of other packages are installed and removed. EL 8 and later run them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub file_triggers: Vec<PackageFileTrigger>,
    /// The date of the package, as `YYYY-MM-DD`. Default: that of the newest entry of the changelog.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
    /// The changelog, newest entry first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changelog: Vec<ChangelogEntry>,
    /// Values for single releases: `el8: {requires: [python3]}`. Each one replaces that of the definition.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(with = "BTreeMap<String, PackageOverrides>")]
    pub overrides: BTreeMap<PackageTarget, PackageOverrides>,
    /// The values that only the Debian package has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deb: Option<DebDefinition>,
}

impl RpmDefinition {
    /// What is declared for a relation.
    #[must_use]
    pub fn dependencies(&self, relation: Relation) -> &[Dependency] {
        match relation {
            Relation::Requires => &self.requires,
            Relation::Provides => &self.provides,
            Relation::Conflicts => &self.conflicts,
            Relation::Obsoletes => &self.obsoletes,
            Relation::Recommends => &self.recommends,
            Relation::Suggests => &self.suggests,
            Relation::Supplements => &self.supplements,
            Relation::Enhances => &self.enhances,
        }
    }

    /// All dependencies that are declared, those of scriptlets too.
    pub(crate) fn declared(&self) -> impl Iterator<Item = &Dependency> {
        let lists = Relation::ALL.into_iter().map(|relation| self.dependencies(relation));
        lists.chain(self.scriptlet_requires.all().into_iter().map(|(_, list)| list)).flatten()
    }
}

/// A file of the package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct PackageFile {
    /// The source, relative to the project: a file, a folder with `/` at its end (`conf/`), or a pattern (`conf/*.yaml`), in which
    /// `*` matches anything but `/`, and `**` any number of folders. `\` before `*`, `?`, `[` or `{` makes it an ordinary character.
    pub from: String,
    /// The absolute path on the node. For a folder and a pattern, it is the folder that the files go into.
    pub to: String,
    /// Permissions in octal, in quotes. Default: `"0644"`; for executable files of a folder or a pattern `"0755"`. Other permissions
    /// of the source are ignored: they depend on a umask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<PackageMode>,
    /// What is left out of a folder or a pattern: names such as `*.tmp`, or with `/` paths in the folder.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
    /// Whether the package also owns the folder `to`, and those of its files below it. Default: `false`.
    #[serde(default, skip_serializing_if = "is_no")]
    pub own_directories: bool,
    /// The name of its owner.
    #[serde(default = "root")]
    pub owner: String,
    /// The name of its group.
    #[serde(default = "root")]
    pub group: String,
    /// What the file is to RPM.
    #[serde(default)]
    pub kind: PackageFileKind,
    /// Capabilities of a program, as `setcap` takes them: `cap_net_bind_service=ep`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<String>,
}

impl PackageFile {
    /// What `from` stands for.
    #[must_use]
    pub fn source(&self) -> PackageSource {
        PackageSource::read(&self.from)
    }

    /// The permissions of a single file.
    #[must_use]
    pub fn mode(&self) -> PackageMode {
        self.mode.unwrap_or(PackageMode::of(false))
    }
}

/// What a file is to RPM.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum PackageFileKind {
    /// An ordinary file.
    #[default]
    File,
    /// Configuration: an update keeps a file that the administrator changed, and puts the new one beside it
    /// (`%config(noreplace)`).
    Config,
    /// Configuration: an update puts the new file in the place of one that the administrator changed, and keeps that beside it
    /// (`%config`).
    ConfigReplace,
    /// Configuration as `config`, which may be removed: rpm does not report its absence (`%config(missingok,noreplace)`).
    ConfigMissingok,
    /// Documentation (`%doc`).
    Doc,
    /// The text of a license (`%license`).
    License,
}

/// A folder of the package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct PackageDirectory {
    /// Its absolute path.
    pub path: String,
    /// Permissions in octal, in quotes.
    #[serde(default = "PackageMode::directory")]
    pub mode: PackageMode,
    /// The name of its owner.
    #[serde(default = "root")]
    pub owner: String,
    /// The name of its group.
    #[serde(default = "root")]
    pub group: String,
}

/// A file or folder that belongs to the package without being in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct PackageGhost {
    /// Its absolute path.
    pub path: String,
    /// Whether it is a folder. Default: `false`.
    #[serde(default, skip_serializing_if = "is_no")]
    pub directory: bool,
    /// Whether it is configuration, which rpm keeps (`%ghost %config(noreplace)`). Default: `false`.
    #[serde(default, skip_serializing_if = "is_no")]
    pub config: bool,
    /// Permissions in octal, in quotes. Default: `"0644"`, of folders `"0755"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<PackageMode>,
    /// The name of its owner.
    #[serde(default = "root")]
    pub owner: String,
    /// The name of its group.
    #[serde(default = "root")]
    pub group: String,
}

impl PackageGhost {
    /// The permissions, declared or usual.
    pub(crate) fn mode(&self) -> PackageMode {
        let usual = if self.directory { PackageMode::directory() } else { PackageMode::of(false) };
        self.mode.unwrap_or(usual)
    }
}

/// A symbolic link of the package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct PackageSymlink {
    /// Its absolute path.
    pub path: String,
    /// The target, written into the link as it is.
    pub target: String,
}

/// An entry of the changelog.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ChangelogEntry {
    /// The day, as `YYYY-MM-DD`.
    pub date: String,
    /// The author: `Name <mail@example.org>`.
    pub author: String,
    /// The version and release: `1.2.3-1`.
    pub version: String,
    /// What changed, one line for each change.
    pub text: String,
}

/// The permission bits of a file or folder; in text, three or four octal digits (`0644`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("pattern" = "^[0-7]{3,4}$"))]
pub struct PackageMode(u16);

impl PackageMode {
    /// The permission bits, `0o0000` to `0o7777`.
    #[must_use]
    pub const fn bits(self) -> u16 {
        self.0
    }

    pub(crate) const fn of(executable: bool) -> Self {
        Self(if executable { 0o755 } else { 0o644 })
    }

    pub(crate) const fn directory() -> Self {
        Self(0o755)
    }
}

impl FromStr for PackageMode {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let octal = matches!(text.len(), 3 | 4) && text.bytes().all(|digit| matches!(digit, b'0'..=b'7'));
        match u16::from_str_radix(text, 8) {
            Ok(bits) if octal => Ok(Self(bits)),
            _ => Err(Error::Value {
                expected: "permissions as three or four octal digits in quotes, such as \"0644\"",
                found: text.to_owned(),
            }),
        }
    }
}

impl TryFrom<String> for PackageMode {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl fmt::Display for PackageMode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:04o}", self.0)
    }
}

impl From<PackageMode> for String {
    fn from(mode: PackageMode) -> Self {
        mode.to_string()
    }
}

const fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_yes(value: &bool) -> bool {
    *value
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
pub(crate) const fn is_no(value: &bool) -> bool {
    !*value
}

fn root() -> String {
    "root".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINIMAL: &str = "name: a\nversion: '1'\nrelease: '1'\narch: noarch\nsummary: A\nlicense: MIT\n";

    #[test]
    fn what_is_left_out_has_its_usual_value() {
        let more = "files: [{from: x, to: /x}]\ndirectories: [{path: /y}]\n";
        let definition: RpmDefinition = serde_saphyr::from_str(&format!("{MINIMAL}{more}")).unwrap();
        let file = &definition.files[0];
        assert_eq!(
            (file.mode().bits(), file.owner.as_str(), file.group.as_str(), file.kind),
            (0o644, "root", "root", PackageFileKind::File)
        );
        assert_eq!(definition.directories[0].mode.bits(), 0o755);
        assert_eq!(definition.scriptlets, Scriptlets::default());
    }

    #[test]
    fn mistakes_are_found_where_they_are() {
        for (more, mistake) in [
            ("sumary: B\n", "sumary"),
            ("files: [{from: x, to: /x, moed: '0644'}]\n", "moed"),
            ("files: [{from: x, to: /x, mode: '0999'}]\n", "octal digits"),
            ("files: [{from: x, to: /x, mode: 'rwx'}]\n", "octal digits"),
            ("files: [{from: x, to: /x, kind: conf}]\n", "conf"),
            ("requires: ['a >> 1']\n", "a >> 1"),
            ("provides: ['(a or b)']\n", "`provides` takes no expression"),
            ("autoRequires: never\n", "never"),
            ("epoch: -1\n", "-1"),
            ("compression: lzma\n", "found `lzma`"),
            ("compression: zstd:3\n", "found `zstd:3`"),
            ("compression: gzip:10\n", "found `gzip:10`"),
            ("scriptlets: {interpreter: sh}\n", "found `sh`"),
            ("scriptlets: {interpreters: {pre: <python>}}\n", "found `<python>`"),
            ("scriptletRequires: {pre: ['a >']}\n", "a >"),
            ("triggers: [{on: after, packages: [a], script: x}]\n", "after"),
        ] {
            let error = serde_saphyr::from_str::<RpmDefinition>(&format!("{MINIMAL}{more}")).unwrap_err();
            let text = error.to_string();
            assert!(text.contains(mistake) && text.contains("line 7"), "{more}: {text}");
        }
    }

    #[test]
    fn a_mistake_in_a_dependency_is_shown_at_its_line_and_column() {
        let more = "requires:\n  - a >= 1, b\n  - (a or b)\nconflicts:\n  - c\n  - (a if b)\n";
        let error = serde_saphyr::from_str::<RpmDefinition>(&format!("{MINIMAL}{more}")).unwrap_err();
        let place = error.location().unwrap();
        assert_eq!((place.line(), place.column()), (12, 5), "{error}");
        assert!(error.to_string().contains("write the expression with `and`"), "{error}");
    }

    #[test]
    fn what_rpm_takes_but_nobody_means_is_a_warning() {
        for (more, warning) in [
            ("requires: ['a>=1']\n", "put spaces around"),
            ("requires: ['a = %{version}']\n", "macros are not expanded"),
            ("obsoletes: [a]\n", "write `a < VERSION`"),
            ("obsoletes: ['a > 1']\n", "compare with `<`"),
        ] {
            let definition: RpmDefinition = serde_saphyr::from_str(&format!("{MINIMAL}{more}")).unwrap();
            let warnings = definition.warnings();
            assert!(warnings.len() == 1 && warnings[0].contains(warning), "{more}: {warnings:?}");
        }
        let good = "requires: ['a >= 1', 'font(:lang=en)', '(a or b)', '/bin/sh']\nobsoletes: ['a < 2']\n";
        let definition: RpmDefinition = serde_saphyr::from_str(&format!("{MINIMAL}{good}")).unwrap();
        assert_eq!(definition.warnings(), [""; 0]);
    }

    #[test]
    fn a_written_definition_reads_back_equal() {
        let text = include_str!("../sealift/package.yaml");
        // The template of the pages is rendered by the project.
        let (start, pages) = text.split_once("  # {% for page in").unwrap();
        let (_, end) = pages.split_once("{% endfor %}\n").unwrap();
        let text = format!("{start}{end}")
            .replace("{{ version }}", "2.11.0-dev")
            .replace("{{ machine }}", "x86_64")
            .replace("{{ build_root }}", "_build");
        let definition: RpmDefinition = serde_saphyr::from_str(&text).unwrap();
        assert_eq!(definition.file_name().unwrap(), "sealift-2.11.0~dev-1.x86_64.rpm");
        let written = serde_saphyr::to_string(&definition).unwrap();
        assert_eq!(serde_saphyr::from_str::<RpmDefinition>(&written).unwrap(), definition);
    }

    #[test]
    fn the_schema_knows_modes_and_keys() {
        let schema = schemars::schema_for!(RpmDefinition);
        assert_eq!(schema.pointer("/$defs/PackageMode/type").unwrap(), "string");
        assert_eq!(schema.pointer("/$defs/PackageMode/pattern").unwrap(), "^[0-7]{3,4}$");
        assert_eq!(schema.pointer("/$defs/Dependency/type").unwrap(), "string");
        assert_eq!(schema.pointer("/additionalProperties").unwrap(), false);
        let required = schema.pointer("/required").unwrap().as_array().unwrap();
        assert_eq!(required.len(), 6, "{required:?}");
    }
}
