//! The grammar of dependencies, as rpmbuild 4.18 reads it.
//!
//! The judge is rpmbuild itself: the end-to-end tests hold a table of texts to both. Rich dependencies are read without
//! recursion, so that no depth of parentheses can exhaust the stack.

use std::fmt;

use super::{Dependency, Relation, VersionComparison};

/// Why a text is not a list of dependencies, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum DependencyFault {
    Empty,
    Control,
    NameStart(String),
    VersionMissing(String),
    VersionOfFile,
    VersionCharacter(String, char),
    DoubleDot(String),
    DoubleSeparator(String, char),
    Epoch(String),
    ObsoletesName(String),
    ProvidesRpmlib,
    RichNotAllowed(Relation),
    RichEmpty,
    RichArgumentMissing(&'static str),
    RichNameMissing,
    RichNameOpen(String),
    RichUnterminated,
    RichOperator(String),
    RichMixed(&'static str, &'static str),
    RichRepeated(&'static str),
    RichInWith,
    RichUnless,
    RichIf,
}

impl fmt::Display for DependencyFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show = content::printable;
        match self {
            Self::Empty => formatter.write_str("it is empty; write a name such as `nginx`"),
            Self::Control => {
                formatter.write_str("it has a control character, which metadata cannot hold; remove it")
            }
            Self::NameStart(token) if token.starts_with(['<', '=', '>']) => write!(
                formatter,
                "`{}` is not a comparison; write `=`, `<`, `<=`, `>` or `>=` with spaces around it",
                show(token)
            ),
            Self::NameStart(token) if token.starts_with(')') => {
                formatter.write_str("a parenthesis closes nothing; remove it, or open one before")
            }
            Self::NameStart(token) => write!(
                formatter,
                "the name `{}` does not start with a letter, a digit, `_` or `/`; write a name such as `nginx`",
                show(token)
            ),
            Self::VersionMissing(operator) => {
                write!(formatter, "the version is missing; write `{operator} 1.0`")
            }
            Self::VersionOfFile => formatter
                .write_str("a file has no version to compare; write the path alone, or name the package"),
            Self::VersionCharacter(version, character) => write!(
                formatter,
                "the version `{}` has the invalid character `{}`; write letters, digits and `._+~^-:`",
                show(version),
                character.escape_debug()
            ),
            Self::DoubleDot(text) => write!(formatter, "`{}` has two dots in a row; write one", show(text)),
            Self::DoubleSeparator(version, separator) => write!(
                formatter,
                "the version `{}` has more than one `{separator}`; write `[EPOCH:]VERSION[-RELEASE]`",
                show(version)
            ),
            Self::Epoch(version) => write!(
                formatter,
                "the epoch of the version `{}` is not a number; write `1:2.0`, or `2.0` without an epoch",
                show(version)
            ),
            Self::ObsoletesName(name) => write!(
                formatter,
                "`{}` is not the name of a package, and only packages can be obsoleted; \
                 write letters, digits, `.`, `-`, `_` and `+`",
                show(name)
            ),
            Self::ProvidesRpmlib => formatter
                .write_str("only rpm itself provides `rpmlib(…)`; remove it, or write it under `requires`"),
            Self::RichNotAllowed(relation) => write!(
                formatter,
                "`{}` takes no expression in parentheses; write the names one by one",
                relation.key()
            ),
            Self::RichEmpty => formatter.write_str("the parentheses are empty; write `(a or b)`"),
            Self::RichArgumentMissing(operator) => {
                write!(formatter, "there is nothing after `{operator}`; write `(a {operator} b)`")
            }
            Self::RichNameMissing => formatter.write_str("a name is missing; write `(a or b)`"),
            Self::RichNameOpen(name) => write!(
                formatter,
                "a parenthesis in the name `{}` is not closed; write the name without spaces and commas",
                show(name)
            ),
            Self::RichUnterminated => {
                formatter.write_str("a closing parenthesis is missing; write `(a or b)`")
            }
            Self::RichOperator(token) => write!(
                formatter,
                "`{}` is not an operator; write `and`, `or`, `if`, `unless`, `else`, `with` or `without`",
                show(token)
            ),
            Self::RichMixed(one, other) => write!(
                formatter,
                "`{one}` and `{other}` cannot be combined; put one of them in parentheses of its own"
            ),
            Self::RichRepeated(operator) => write!(
                formatter,
                "`{operator}` occurs twice, and only `and`, `or` and `with` can; put one in parentheses of its own"
            ),
            Self::RichInWith => formatter.write_str(
                "`with` and `without` take only names, `or`, `with` and `without`; take the rest out of them",
            ),
            Self::RichUnless => {
                formatter.write_str("`unless` is not possible here; write the expression with `or`")
            }
            Self::RichIf => formatter.write_str("`if` is not possible here; write the expression with `and`"),
        }
    }
}

/// Reads dependencies up to the end of the text.
pub(super) fn list(relation: Relation, text: &str) -> Result<Vec<Dependency>, DependencyFault> {
    if text.chars().any(|c| !is_blank(c) && matches!(c, '\0'..' ' | '\u{fffe}' | '\u{ffff}')) {
        return Err(DependencyFault::Control);
    }
    if text.chars().all(is_blank) {
        return Err(DependencyFault::Empty);
    }
    let mut rest = Rest(text);
    let mut all = Vec::new();
    loop {
        rest.skip_separators();
        if rest.0.is_empty() {
            return Ok(all);
        }
        if rest.0.starts_with('(') {
            if matches!(relation, Relation::Provides | Relation::Obsoletes) {
                return Err(DependencyFault::RichNotAllowed(relation));
            }
            let rich = Rich::read(&mut rest)?;
            rich.allowed_in(relation)?;
            all.push(Dependency { name: rich.text(), version: None });
            continue;
        }
        let dependency = rest.simple(Rest::word)?;
        if relation == Relation::Obsoletes {
            obsolete(&dependency.name)?;
        }
        if relation == Relation::Provides && dependency.name.starts_with("rpmlib(") {
            return Err(DependencyFault::ProvidesRpmlib);
        }
        all.push(dependency);
    }
}

/// The versions in a rich dependency that was read before.
pub(super) fn rich_versions(text: &str) -> Vec<String> {
    let rich = Rich::read(&mut Rest(text));
    let versions = rich.into_iter().flat_map(|rich| rich.parts).filter_map(|part| match part {
        Part::Simple(dependency) => dependency.version.map(|(_, version)| version),
        _ => None,
    });
    versions.collect()
}

/// The parts of a rich dependency that fills the whole text, if it is one.
pub(super) fn rich_parts(text: &str) -> Option<Vec<Part>> {
    let mut rest = Rest(text.strip_prefix('(').map(|_| text)?);
    let rich = Rich::read(&mut rest).ok()?;
    rest.skip_separators();
    rest.0.is_empty().then_some(rich.parts)
}

/// What C calls a space; rpm knows no others.
const fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t'..='\r')
}

const fn is_separator(c: char) -> bool {
    is_blank(c) || c == ','
}

/// The rest of the text.
#[derive(Clone, Copy)]
struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    fn skip_separators(&mut self) {
        self.0 = self.0.trim_start_matches(is_separator);
    }

    fn take(&mut self, length: usize) -> &'a str {
        let (taken, rest) = self.0.split_at(length);
        self.0 = rest;
        taken
    }

    /// Everything up to a separator.
    fn word(&mut self) -> &'a str {
        self.take(self.0.find(is_separator).unwrap_or(self.0.len()))
    }

    /// Everything up to a separator or a parenthesis that the word itself did not open.
    fn rich_word(&mut self) -> &'a str {
        let mut depth = 0_usize;
        let end = self.0.find(|c| match c {
            '(' => {
                depth += 1;
                false
            }
            ')' if depth > 0 => {
                depth -= 1;
                false
            }
            ')' => true,
            _ => is_separator(c),
        });
        self.take(end.unwrap_or(self.0.len()))
    }

    /// A name and, where a comparison follows, a version.
    fn simple(&mut self, word: impl Fn(&mut Self) -> &'a str) -> Result<Dependency, DependencyFault> {
        let name = word(self);
        self.skip_separators();
        let mut ahead = *self;
        let operator = word(&mut ahead);
        let version = match VersionComparison::read(operator) {
            None => None,
            Some(comparison) => {
                ahead.skip_separators();
                let version = word(&mut ahead);
                if version.is_empty() {
                    return Err(DependencyFault::VersionMissing(format!("{name} {operator}")));
                }
                *self = ahead;
                Some((comparison, version.to_owned()))
            }
        };
        if name.starts_with(|c: char| c.is_ascii() && !c.is_ascii_alphanumeric() && c != '_' && c != '/') {
            return Err(DependencyFault::NameStart(name.to_owned()));
        }
        if let Some((_, version)) = &version {
            if name.starts_with('/') {
                return Err(DependencyFault::VersionOfFile);
            }
            is_version(version)?;
        }
        Ok(Dependency { name: name.to_owned(), version })
    }
}

fn is_version(version: &str) -> Result<(), DependencyFault> {
    let valid = |c: char| c.is_ascii_alphanumeric() || "._+%{}~^-:".contains(c);
    if let Some(invalid) = version.chars().find(|c| !valid(*c)) {
        return Err(DependencyFault::VersionCharacter(version.to_owned(), invalid));
    }
    if version.contains("..") {
        return Err(DependencyFault::DoubleDot(version.to_owned()));
    }
    if let Some(separator) = ['-', ':'].into_iter().find(|c| version.matches(*c).count() > 1) {
        return Err(DependencyFault::DoubleSeparator(version.to_owned(), separator));
    }
    match version.split_once(':') {
        Some((epoch, _)) if !epoch.bytes().all(|digit| digit.is_ascii_digit()) => {
            Err(DependencyFault::Epoch(version.to_owned()))
        }
        _ => Ok(()),
    }
}

fn obsolete(name: &str) -> Result<(), DependencyFault> {
    let valid = |c: char| c.is_ascii_alphanumeric() || ".-_+%{}".contains(c);
    if !name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_' || c == '%')
        || !name.chars().all(valid)
    {
        return Err(DependencyFault::ObsoletesName(name.to_owned()));
    }
    if name.contains("..") {
        return Err(DependencyFault::DoubleDot(name.to_owned()));
    }
    Ok(())
}

/// What ties two parts of a rich dependency together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operator {
    /// Both.
    And,
    /// One of them, or both.
    Or,
    /// The first one where the second one holds.
    If,
    /// The first one, except where the second one holds.
    Unless,
    /// After `if` and `unless`: what counts in the other case.
    Else,
    /// Both, in one package.
    With,
    /// A package that has the first one and not the second one.
    Without,
}

impl Operator {
    const ALL: [(&'static str, Self); 7] = [
        ("and", Self::And),
        ("or", Self::Or),
        ("if", Self::If),
        ("unless", Self::Unless),
        ("else", Self::Else),
        ("with", Self::With),
        ("without", Self::Without),
    ];

    /// The word: `and`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, operator)| *operator == self).map_or("", |(text, _)| text)
    }

    /// Whether it may stand after `previous` within the same parentheses.
    fn follows(self, previous: Self) -> Result<(), DependencyFault> {
        if self == Self::Else && matches!(previous, Self::If | Self::Unless) {
            Ok(())
        } else if self != previous {
            Err(DependencyFault::RichMixed(previous.as_str(), self.as_str()))
        } else if matches!(self, Self::And | Self::Or | Self::With) {
            Ok(())
        } else {
            Err(DependencyFault::RichRepeated(self.as_str()))
        }
    }
}

/// What an expression must not stand in, since solvers would not agree on its meaning there.
#[derive(Clone, Copy, Default)]
struct Limits {
    no_with: bool,
    no_and: bool,
    no_or: bool,
}

impl Limits {
    fn allow(self, operator: Operator) -> Result<(), DependencyFault> {
        match operator {
            Operator::With | Operator::Without if self.no_with => Err(DependencyFault::RichInWith),
            Operator::And | Operator::If if self.no_and => Err(DependencyFault::RichUnless),
            Operator::Or | Operator::Unless if self.no_or => Err(DependencyFault::RichIf),
            _ => Ok(()),
        }
    }
}

/// An expression in parentheses that is being read.
#[derive(Default)]
struct Level {
    limits: Limits,
    first: Option<Operator>,
    last: Option<Operator>,
}

impl Level {
    /// Takes over what limits an expression inside this one.
    fn hold(&mut self, inner: Limits) {
        // What stands after `if` and `unless` is a condition, and holds anything.
        let condition = matches!(self.last, Some(Operator::If | Operator::Unless));
        self.limits.no_with |= inner.no_with;
        self.limits.no_and |= inner.no_and && !condition;
        self.limits.no_or |= inner.no_or && !condition;
    }

    /// What limits the expression now that it is complete.
    fn close(self) -> Result<Limits, DependencyFault> {
        let mut limits = self.limits;
        if let Some(first) = self.first {
            limits.allow(first)?;
        }
        limits.no_or |= self.first == Some(Operator::If);
        limits.no_and |= self.first == Some(Operator::Unless);
        if matches!(self.last, Some(Operator::And | Operator::Or)) {
            limits.no_and = false;
            limits.no_or = false;
        }
        limits.no_with |=
            !matches!(self.last, None | Some(Operator::With | Operator::Without | Operator::Or));
        Ok(limits)
    }
}

/// A part of a rich dependency.
pub(super) enum Part {
    Open,
    Close,
    Operator(Operator),
    Simple(Dependency),
}

/// A rich dependency.
struct Rich {
    parts: Vec<Part>,
    limits: Limits,
}

impl Rich {
    /// Reads from an opening parenthesis to the one that closes it.
    fn read(rest: &mut Rest<'_>) -> Result<Self, DependencyFault> {
        rest.take(1);
        let mut rich = Self { parts: vec![Part::Open], limits: Limits::default() };
        let mut outer: Vec<Level> = Vec::new();
        let mut level = Level::default();
        loop {
            rest.skip_separators();
            if rest.0.starts_with(')') {
                return Err(level.last.map_or(DependencyFault::RichEmpty, |last| {
                    DependencyFault::RichArgumentMissing(last.as_str())
                }));
            }
            if rest.0.starts_with('(') {
                rest.take(1);
                rich.parts.push(Part::Open);
                outer.push(std::mem::take(&mut level));
                continue;
            }
            rich.simple(rest)?;
            // Closes the expressions that end here.
            loop {
                rest.skip_separators();
                if !rest.0.starts_with(')') {
                    break;
                }
                rest.take(1);
                rich.closes()?;
                rich.parts.push(Part::Close);
                let limits = level.close()?;
                let Some(around) = outer.pop() else {
                    rich.limits = limits;
                    return Ok(rich);
                };
                level = around;
                level.hold(limits);
            }
            rich.operator(rest, &mut level)?;
        }
    }

    fn simple(&mut self, rest: &mut Rest<'_>) -> Result<(), DependencyFault> {
        if rest.0.is_empty() {
            return Err(DependencyFault::RichNameMissing);
        }
        let dependency = rest.simple(Rest::rich_word)?;
        self.parts.push(Part::Simple(dependency));
        Ok(())
    }

    /// Refuses a name that takes the parenthesis after it for its own, once the separators between them are gone: rpmbuild writes
    /// such an expression, and rpm cannot read it.
    fn closes(&self) -> Result<(), DependencyFault> {
        match self.parts.last() {
            Some(Part::Simple(Dependency { name, version: None }))
                if name.matches('(').count() > name.matches(')').count() =>
            {
                Err(DependencyFault::RichNameOpen(name.clone()))
            }
            _ => Ok(()),
        }
    }

    fn operator(&mut self, rest: &mut Rest<'_>, level: &mut Level) -> Result<(), DependencyFault> {
        if rest.0.is_empty() {
            return Err(DependencyFault::RichUnterminated);
        }
        let end = rest.0.find(|c| is_blank(c) || c == ')').unwrap_or(rest.0.len());
        let token = rest.take(end);
        let Some((_, operator)) = Operator::ALL.into_iter().find(|(text, _)| *text == token) else {
            return Err(DependencyFault::RichOperator(token.to_owned()));
        };
        if let Some(last) = level.last {
            operator.follows(last)?;
        }
        level.first.get_or_insert(operator);
        level.last = Some(operator);
        self.parts.push(Part::Operator(operator));
        Ok(())
    }

    /// The text, as rpm writes it into headers.
    fn text(&self) -> String {
        let pieces = self.parts.iter().map(|part| match part {
            Part::Open => "(".to_owned(),
            Part::Close => ")".to_owned(),
            Part::Operator(operator) => format!(" {} ", operator.as_str()),
            Part::Simple(dependency) => dependency.to_string(),
        });
        pieces.collect()
    }

    fn allowed_in(&self, relation: Relation) -> Result<(), DependencyFault> {
        match relation {
            Relation::Conflicts | Relation::Supplements | Relation::Enhances => {
                self.limits.allow(Operator::Or)
            }
            _ => self.limits.allow(Operator::And),
        }
    }
}

#[cfg(test)]
mod tests;
