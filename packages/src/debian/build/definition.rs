//! What a definition says about the Debian package alone: the key `deb` of `package.yaml`.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::package::{is_architecture, is_version};
use crate::error::{Error, Result};

/// The values that only the Debian package has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct DebDefinition {
    /// The name. Default: that of the RPM in lower case, with `-` for `_`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The version, `[epoch:]version[-revision]`. Default: that of the RPM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The architecture of dpkg. Default: that of the RPM, such as `amd64` for `x86_64` and `all` for `noarch`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub architecture: Option<String>,
    /// Who maintains it: `Name <mail@example.org>`. Default: the author of the newest entry of the changelog.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maintainer: Option<String>,
    /// The section, such as `utils` or `admin`. Default: `misc`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub section: Option<String>,
    /// What must be installed with it, such as `libc6 (>= 2.31)`. Requirements of the RPM are not translated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub depends: Option<Vec<DebDependency>>,
    /// What must be installed before it is unpacked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pre_depends: Vec<DebDependency>,
    /// Packages that are installed with it by default.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recommends: Vec<DebDependency>,
    /// Packages that are useful with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub suggests: Vec<DebDependency>,
    /// Packages that it is useful with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub enhances: Vec<DebDependency>,
    /// What must not be unpacked with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conflicts: Vec<DebDependency>,
    /// What must not be configured with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub breaks: Vec<DebDependency>,
    /// Packages whose files it takes over.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replaces: Vec<DebDependency>,
    /// What it provides beside its name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub provides: Vec<DebDependency>,
    /// The maintainer scripts, with their first lines. Default: `pre`, `post`, `preun` and `postun` of the RPM, which get the
    /// numbers that rpm gives them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scripts: Option<DebScripts>,
}

impl DebDefinition {
    /// The keys of lists of dependencies.
    pub const RELATIONS: [&'static str; 9] = [
        "preDepends",
        "depends",
        "recommends",
        "suggests",
        "enhances",
        "conflicts",
        "breaks",
        "replaces",
        "provides",
    ];
}

/// The scripts that dpkg runs, which get its arguments.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct DebScripts {
    /// Before the files are installed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preinst: Option<String>,
    /// After the files were installed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postinst: Option<String>,
    /// Before the files are removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prerm: Option<String>,
    /// After the files were removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postrm: Option<String>,
}

/// A dependency of a Debian package: `name`, `name (>= version)`, and alternatives with `|`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct DebDependency(String);

impl DebDependency {
    /// Whether it has alternatives.
    pub(super) fn has_alternatives(&self) -> bool {
        self.0.contains('|')
    }
}

impl FromStr for DebDependency {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if text.split('|').all(|one| is_dependency(one.trim())) {
            return Ok(Self(text.to_owned()));
        }
        let expected = "a Debian package such as `libc6`, `libc6 (>= 2.31)` or `mailx | bsd-mailx`";
        Err(Error::Value { expected, found: text.to_owned() })
    }
}

fn is_dependency(text: &str) -> bool {
    let (package, version) = match text.split_once('(') {
        None => (text, None),
        Some((package, version)) => match version.strip_suffix(')') {
            Some(version) => (package.trim_end(), Some(version.trim())),
            None => return false,
        },
    };
    let (name, architecture) = package.split_once(':').unwrap_or((package, "any"));
    let is_relation = |version: &str| {
        // The longer ones first.
        let operator = ["<<", "<=", ">=", ">>", "="].into_iter().find_map(|one| version.strip_prefix(one));
        operator.is_some_and(|version| is_version(version.trim_start()))
    };
    is_policy_name(name) && is_architecture(architecture) && version.is_none_or(is_relation)
}

/// As the Debian policy: at least two lower-case letters, digits and `-+.` after a letter or digit.
pub(super) fn is_policy_name(name: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    name.len() >= 2
        && name.bytes().next().is_some_and(is_letter)
        && name.bytes().all(|byte| is_letter(byte) || b"-+.".contains(&byte))
}

impl TryFrom<String> for DebDependency {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<DebDependency> for String {
    fn from(dependency: DebDependency) -> Self {
        dependency.0
    }
}

impl fmt::Display for DebDependency {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_are_those_of_debian() {
        for good in ["libc6", "libc6 (>= 2.31)", "a1:any (<< 1:2~rc-1) | b2", "g++", "x1(=1)"] {
            assert_eq!(good.parse::<DebDependency>().unwrap().to_string(), good);
        }
        for bad in [
            "",
            "a",
            "A1",
            "libc6 >= 2",
            "libc6 (> 2)",
            "libc6 (>= 2",
            "aa |",
            "aa, bb",
            "aa\nBb: c",
            "aa (= )",
        ] {
            assert!(bad.parse::<DebDependency>().is_err(), "{bad:?}");
        }
    }
}
