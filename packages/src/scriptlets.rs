//! Scripts of a package: what a definition says about them, and how they reach the package.

use std::fmt;
use std::str::FromStr;

use rpm::{DependencyFlags, PackageBuilder, Scriptlet};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::dependency::{Dependency, read};
use crate::error::{Error, Result};

/// Scripts that RPM runs. Each one makes the package require what runs it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Scriptlets {
    /// What runs them: a program with its arguments such as `/bin/bash -e`, or `<lua>`, the Lua in rpm itself, which works in an
    /// empty root too. Default: `/bin/sh`.
    #[serde(default, skip_serializing_if = "ScriptletInterpreter::is_shell")]
    pub interpreter: ScriptletInterpreter,
    /// What runs single ones instead.
    #[serde(default, skip_serializing_if = "ScriptletInterpreters::is_empty")]
    pub interpreters: ScriptletInterpreters,
    /// Before the transaction. In an empty root there is no shell yet: use `<lua>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pretrans: Option<String>,
    /// Before the files are installed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pre: Option<String>,
    /// After the files were installed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub post: Option<String>,
    /// Before the files are removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preun: Option<String>,
    /// After the files were removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postun: Option<String>,
    /// After the transaction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub posttrans: Option<String>,
    /// Before a transaction that removes the package. RPM 4.19 and later run it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preuntrans: Option<String>,
    /// After a transaction that removed the package. RPM 4.19 and later run it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postuntrans: Option<String>,
    /// In `rpm --verify`, beside the checks of rpm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify: Option<String>,
}

/// What runs single scriptlets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ScriptletInterpreters {
    /// What runs `pretrans`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pretrans: Option<ScriptletInterpreter>,
    /// What runs `pre`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pre: Option<ScriptletInterpreter>,
    /// What runs `post`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub post: Option<ScriptletInterpreter>,
    /// What runs `preun`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preun: Option<ScriptletInterpreter>,
    /// What runs `postun`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postun: Option<ScriptletInterpreter>,
    /// What runs `posttrans`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub posttrans: Option<ScriptletInterpreter>,
    /// What runs `preuntrans`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preuntrans: Option<ScriptletInterpreter>,
    /// What runs `postuntrans`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postuntrans: Option<ScriptletInterpreter>,
    /// What runs `verify`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify: Option<ScriptletInterpreter>,
}

impl ScriptletInterpreters {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Puts a script into the package.
type Setter = fn(&mut PackageBuilder, Scriptlet);

impl Scriptlets {
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Each scriptlet that a package can have: its key, its text, what runs it, and how it gets into the package.
    fn each(&self) -> [(&'static str, Option<&String>, &ScriptletInterpreter, Setter); 9] {
        let own = &self.interpreters;
        macro_rules! one {
            ($field:ident, $setter:ident) => {
                (
                    stringify!($field),
                    self.$field.as_ref(),
                    own.$field.as_ref().unwrap_or(&self.interpreter),
                    |builder: &mut PackageBuilder, script| _ = builder.$setter(script),
                )
            };
        }
        [
            one!(pretrans, pre_trans_script),
            one!(pre, pre_install_script),
            one!(post, post_install_script),
            one!(preun, pre_uninstall_script),
            one!(postun, post_uninstall_script),
            one!(posttrans, post_trans_script),
            one!(preuntrans, pre_untrans_script),
            one!(postuntrans, post_untrans_script),
            one!(verify, verify_script),
        ]
    }

    /// The scripts with their keys.
    pub(crate) fn scripts(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.each().into_iter().filter_map(|(key, text, ..)| Some((key, text?.as_str())))
    }

    /// The scripts with their keys and what runs them.
    pub(crate) fn scripts_with_interpreters(
        &self,
    ) -> impl Iterator<Item = (&'static str, &str, &ScriptletInterpreter)> {
        let each = self.each().into_iter();
        each.filter_map(|(key, text, interpreter, _)| Some((key, text?.as_str(), interpreter)))
    }

    pub(crate) fn add_to(&self, builder: &mut PackageBuilder) {
        for (_, text, interpreter, set) in self.each() {
            if let Some(text) = text {
                set(builder, interpreter.scriptlet(text));
            }
        }
    }
}

/// What runs a script: a program with an absolute path and its arguments, or `<lua>`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("pattern" = "^(/|<lua>$)"))]
pub struct ScriptletInterpreter(String);

impl ScriptletInterpreter {
    /// The Lua in rpm (`-p <lua>` in a spec file).
    pub(crate) const LUA: &str = "<lua>";

    pub(crate) fn is_shell(&self) -> bool {
        *self == Self::default()
    }

    /// The program, without its arguments.
    pub(crate) fn program(&self) -> &str {
        self.0.split_ascii_whitespace().next().unwrap_or_default()
    }

    /// Whether it is a program without arguments: RPM stores no others for a trigger.
    pub(crate) fn is_plain(&self) -> bool {
        self.program() == self.0
    }

    /// The script with what runs it, which is named as rpmbuild does, although RPM would assume the shell.
    fn scriptlet(&self, text: &str) -> Scriptlet {
        Scriptlet::new(text).prog(self.0.split_ascii_whitespace().collect())
    }
}

impl Default for ScriptletInterpreter {
    fn default() -> Self {
        Self("/bin/sh".to_owned())
    }
}

impl FromStr for ScriptletInterpreter {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let is_program = text.starts_with('/') && !text.chars().any(char::is_control);
        if text == Self::LUA || is_program {
            return Ok(Self(text.to_owned()));
        }
        Err(Error::Value {
            expected: "a program with its absolute path, such as `/bin/sh`, or `<lua>`",
            found: text.to_owned(),
        })
    }
}

impl TryFrom<String> for ScriptletInterpreter {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<ScriptletInterpreter> for String {
    fn from(interpreter: ScriptletInterpreter) -> Self {
        interpreter.0
    }
}

impl fmt::Display for ScriptletInterpreter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// What must be installed when a scriptlet runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ScriptletRequires {
    /// For `pretrans`.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "read::requires")]
    pub pretrans: Vec<Dependency>,
    /// For `pre`.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "read::requires")]
    pub pre: Vec<Dependency>,
    /// For `post`.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "read::requires")]
    pub post: Vec<Dependency>,
    /// For `preun`.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "read::requires")]
    pub preun: Vec<Dependency>,
    /// For `postun`.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "read::requires")]
    pub postun: Vec<Dependency>,
    /// For `posttrans`.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "read::requires")]
    pub posttrans: Vec<Dependency>,
}

impl ScriptletRequires {
    /// The keys of a definition.
    pub const KEYS: [&str; 6] = ["pretrans", "pre", "post", "preun", "postun", "posttrans"];

    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The lists, with the flag that each has in a package.
    pub(crate) fn all(&self) -> [(DependencyFlags, &[Dependency]); 6] {
        [
            (DependencyFlags::PRETRANS, &self.pretrans),
            (DependencyFlags::SCRIPT_PRE, &self.pre),
            (DependencyFlags::SCRIPT_POST, &self.post),
            (DependencyFlags::SCRIPT_PREUN, &self.preun),
            (DependencyFlags::SCRIPT_POSTUN, &self.postun),
            (DependencyFlags::POSTTRANS, &self.posttrans),
        ]
    }
}
