//! The macros that a spec file defines, and their expansion. Nothing is run.

use std::collections::BTreeMap;

/// The most bytes that an expansion gives.
const EXPANSION_MAX: usize = 64 << 10;
/// How deep macros may lead to others.
const DEPTH_MAX: u32 = 32;
/// How many bytes all expansions of a file may take.
const TOTAL_MAX: usize = 4 << 20;

/// Macros of distributions: undefined in the file does not mean undefined.
const OF_DISTRIBUTION: [&str; 16] = [
    "amzn",
    "centos",
    "dist",
    "distprefix",
    "distsuffix",
    "el7",
    "el8",
    "el9",
    "epel",
    "fedora",
    "flatpak",
    "mageia",
    "openeuler",
    "rhel",
    "sle_version",
    "suse_version",
];

/// What an expansion takes of [`TOTAL_MAX`] even if it gives nothing.
const STEP: usize = 16;

/// The value of a macro.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Value {
    /// A text that is expanded when the macro is used.
    Body(String),
    /// A text.
    Text(String),
    /// Only rpmbuild knows the value: why.
    Unknown(String),
}

/// The macros of a file so far.
#[derive(Debug)]
pub(super) struct Macros {
    known: BTreeMap<String, Value>,
    /// What is left of [`TOTAL_MAX`].
    left: usize,
    /// Whether an expansion used a macro that the file does not define.
    is_guess: bool,
}

impl Macros {
    pub(super) fn new(given: &BTreeMap<String, String>) -> Self {
        let known = given.iter().map(|(name, value)| (name.clone(), Value::Body(value.clone()))).collect();
        Self { known, left: TOTAL_MAX, is_guess: false }
    }

    /// Takes a definition: `name body`. That of `%global` is expanded now. `is_certain` says that no unknown condition is around it.
    pub(super) fn define(&mut self, definition: &str, is_global: bool, is_certain: bool) {
        let (name, rest) = definition.split_at(name_length(definition));
        if name.is_empty() {
            return;
        }
        let value = if rest.starts_with('(') {
            Value::Unknown(format!("`%{name}` has parameters"))
        } else if is_global {
            self.expand(rest.trim()).map_or_else(Value::Unknown, Value::Text)
        } else {
            Value::Body(rest.trim().to_owned())
        };
        self.set(name, value, is_certain);
    }

    /// Takes a line such as `%{!?name: %global name body}`.
    pub(super) fn define_if_undefined(&mut self, line: &str, is_certain: bool) {
        let inner = ["%{!?", "%{?!"].iter().find_map(|start| line.trim_end().strip_prefix(start));
        let Some((name, body)) =
            inner.and_then(|inner| inner.strip_suffix('}')).and_then(|inner| inner.split_once(':'))
        else {
            return;
        };
        let body = body.trim();
        let definition =
            ["%global ", "%define "].iter().find_map(|word| Some((body.strip_prefix(word)?, *word)));
        let Some((definition, word)) = definition else { return };
        if !self.known.contains_key(name) && name_length(definition.trim_start()) == name.len() {
            self.define(definition.trim_start(), word == "%global ", is_certain);
        }
    }

    pub(super) fn undefine(&mut self, name: &str, is_certain: bool) {
        if is_certain {
            self.known.remove(name);
        }
    }

    /// Takes a tag of the package, which is a macro of the same name, also in capitals.
    pub(super) fn tag(&mut self, name: &str, value: &str, is_certain: bool) {
        let value = self.expand(value).map_or_else(Value::Unknown, Value::Text);
        self.set(&name.to_ascii_uppercase(), value.clone(), is_certain);
        self.set(name, value, is_certain);
    }

    fn set(&mut self, name: &str, value: Value, is_certain: bool) {
        let value = match self.known.get(name) {
            Some(old) if !is_certain && *old != value => Value::Unknown(format!(
                "`%{{{name}}}` has different values in conditions: give the macros of the conditions under `macros`"
            )),
            _ => value,
        };
        self.known.insert(name.to_owned(), value);
    }

    /// `text` with its macros expanded; `None` if it depends on what only rpmbuild knows.
    pub(super) fn expand_certain(&mut self, text: &str) -> Option<String> {
        self.is_guess = false;
        self.expand(text).ok().filter(|_| !self.is_guess)
    }

    /// `text` with its macros expanded.
    ///
    /// # Errors
    ///
    /// A sentence, if it depends on what only rpmbuild knows.
    pub(super) fn expand(&mut self, text: &str) -> Result<String, String> {
        let mut out = String::new();
        self.add(text, DEPTH_MAX, &mut out)?;
        Ok(out)
    }

    fn add(&mut self, text: &str, depth: u32, out: &mut String) -> Result<(), String> {
        let deeper = depth.checked_sub(1).ok_or("macros lead to others too deep")?;
        let mut rest = text;
        while let Some(at) = rest.find('%') {
            let (plain, from) = rest.split_at(at);
            self.push(plain, out)?;
            let after = from.get(1..).unwrap_or_default();
            rest = match after.as_bytes().first() {
                Some(b'%') => {
                    self.push("%", out)?;
                    after.get(1..).unwrap_or_default()
                }
                Some(b'{') => {
                    let end = closing(after).ok_or("a `%{` has no `}`")?;
                    self.braced(after.get(1..end).unwrap_or_default(), deeper, out)?;
                    after.get(end + 1..).unwrap_or_default()
                }
                Some(b'(') => {
                    return Err(
                        "it runs a command, `%(…)`: write its result, or give the macro under `macros`"
                            .into(),
                    );
                }
                Some(b'[') => return Err("it has an expression, `%[…]`: write its result".into()),
                _ => {
                    let flags = after.len() - after.trim_start_matches(['?', '!']).len();
                    let (flags, name) = after.split_at(flags);
                    let length = name_length(name);
                    // rpm knows no macro with a shorter name: `%20` of a URL stays.
                    if length < 3 && !self.known.contains_key(name.get(..length).unwrap_or_default()) {
                        self.push("%", out)?;
                        after
                    } else {
                        let (name, rest) = name.split_at(length);
                        self.used(flags, name, None, deeper, out)?;
                        rest
                    }
                }
            };
        }
        self.push(rest, out)
    }

    /// Adds the value of `%{inner}`.
    fn braced(&mut self, inner: &str, depth: u32, out: &mut String) -> Result<(), String> {
        let flags = inner.len() - inner.trim_start_matches(['?', '!']).len();
        let (flags, rest) = inner.split_at(flags);
        let (name, rest) = rest.split_at(name_length(rest));
        match rest.strip_prefix(':') {
            _ if name.is_empty() => Err(unsupported(inner)),
            None if rest.is_empty() => self.used(flags, name, None, depth, out),
            Some(argument) if flags.contains('?') => self.used(flags, name, Some(argument), depth, out),
            _ => Err(unsupported(inner)),
        }
    }

    fn used(
        &mut self,
        flags: &str,
        name: &str,
        argument: Option<&str>,
        depth: u32,
        out: &mut String,
    ) -> Result<(), String> {
        let is_negated = flags.matches('!').count() % 2 == 1;
        let value = self.known.get(name).cloned();
        if flags.contains('?') {
            if value.is_none() {
                self.is_guess = true;
                if OF_DISTRIBUTION.contains(&name) {
                    return Err(format!("`%{{?{name}}}` depends on the builder: give it under `macros`"));
                }
            }
            return match (value, argument) {
                (value, Some(argument)) if value.is_some() != is_negated => self.add(argument, depth, out),
                (Some(value), None) if !is_negated => self.value(value, depth, out),
                _ => Ok(()),
            };
        }
        match value {
            Some(value) => self.value(value, depth, out),
            None => Err(format!("the file does not define `%{{{name}}}`: give it under `macros`")),
        }
    }

    fn value(&mut self, value: Value, depth: u32, out: &mut String) -> Result<(), String> {
        match value {
            Value::Body(body) => self.add(&body, depth, out),
            Value::Text(text) => self.push(&text, out),
            Value::Unknown(why) => Err(why),
        }
    }

    fn push(&mut self, text: &str, out: &mut String) -> Result<(), String> {
        self.left = self.left.checked_sub(text.len() + STEP).ok_or("the macros of the file are too large")?;
        if out.len() + text.len() > EXPANSION_MAX {
            return Err("the expanded text is too long".into());
        }
        out.push_str(text);
        Ok(())
    }
}

fn unsupported(inner: &str) -> String {
    // The arguments can be a program of many lines.
    let is_short = inner.len() <= 60 && !inner.contains('\n');
    let name = inner.split(|c: char| c == ':' || c.is_whitespace()).next().unwrap_or_default();
    let shown = if is_short {
        inner.to_owned()
    } else {
        format!("{}:…", name.chars().take(60).collect::<String>())
    };
    format!("only rpmbuild knows `%{{{shown}}}`: write its result, or give the macro under `macros`")
}

/// How long the name of a macro is with which `text` starts.
fn name_length(text: &str) -> usize {
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return 0;
    }
    text.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count()
}

/// Where the brace closes with which `text` starts.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(at);
        }
    }
    None
}
