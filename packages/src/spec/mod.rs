//! Spec files: what must be known of one before rpmbuild reads it.
//!
//! A spec file is a program: its macros can run commands, and their values depend on the distribution. So only rpmbuild, in a
//! builder, evaluates one. This reader runs nothing. It finds the sources and patches, to lock and fetch them, and the date of the
//! newest changelog entry. It expands the macros that the file itself defines. Where a source depends on more than that, it says
//! so, instead of a guess.

mod condition;
mod lines;
mod macros;
mod relations;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

use self::condition::{Branches, evaluate};
use self::lines::{Section, tag};
use self::macros::Macros;
use self::relations::Relations;
pub use self::relations::{SpecPackageName, SpecRequirement};

/// The most sources and patches of a spec file.
const SOURCES_MAX: usize = 1000;

/// What is known of a spec file without rpmbuild.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpecFile {
    /// Its sources and patches, those of all conditions that cannot be evaluated.
    pub sources: Vec<SpecSource>,
    /// The day of the newest changelog entry: its noon in UTC, in seconds since 1970.
    pub date: Option<i64>,
    /// Its packages whose names are known.
    pub packages: Vec<SpecPackageName>,
    /// What its packages require when they are installed, and do not provide themselves; that of all conditions that cannot be
    /// evaluated. What rpmbuild finds in files is not known.
    pub requires: Vec<SpecRequirement>,
    /// The names of what its packages provide, beside their own.
    pub provides: Vec<String>,
    /// The requirements that only rpmbuild knows.
    pub unknown: Vec<SpecFault>,
}

/// A source or a patch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecSource {
    /// Its line, from 1.
    pub line: u64,
    /// Its tag: `Source0`.
    pub tag: String,
    /// Where it is published, without a fragment. `None` for a file of the project.
    pub url: Option<String>,
    /// The folder of the file, from that of the spec file: empty, `files` or `../../common`. It can lead out of the project.
    pub folder: String,
    /// The name of the file, as rpmbuild looks for it.
    pub name: String,
}

/// What is wrong with a line of a spec file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecFault {
    /// The line, from 1.
    pub line: u64,
    /// What is wrong, and what to do about it.
    pub message: String,
}

impl fmt::Display for SpecFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, content::printable(&self.message))
    }
}

impl SpecFile {
    /// Reads the spec file `text`, in which `macros` have these values from the start, as with `rpmbuild --define`.
    ///
    /// # Errors
    ///
    /// All sources and patches that cannot be known without rpmbuild, or whose names no folder may hold.
    pub fn read(text: &str, macros: &BTreeMap<String, String>) -> Result<Self, Vec<SpecFault>> {
        let mut reader = Reader {
            macros: Macros::new(macros),
            branches: Branches::default(),
            section: Section::Preamble,
            relations: Relations::default(),
            spec: Self::default(),
            faults: Vec::new(),
        };
        for (line, text) in lines::logical(text) {
            reader.line(line, &text);
        }
        let Reader { relations, mut macros, mut spec, faults, .. } = reader;
        relations.finish(&mut macros, &mut spec);
        if faults.is_empty() { Ok(spec) } else { Err(faults) }
    }
}

struct Reader {
    macros: Macros,
    branches: Branches,
    section: Section,
    relations: Relations,
    spec: SpecFile,
    faults: Vec<SpecFault>,
}

impl Reader {
    fn line(&mut self, line: u64, text: &str) {
        let start = text.trim_start();
        let word = start.split(|c: char| c.is_whitespace()).next().unwrap_or_default();
        let rest = start.get(word.len()..).unwrap_or_default().trim();
        if self.branches.directive(word, || evaluate(rest, &mut self.macros)) || !self.branches.counts() {
            return;
        }
        if let Some(section) = Section::starting(word) {
            self.section = section;
            if section == Section::SubPackage {
                self.relations.begin(rest, &mut self.macros);
            }
            return;
        }
        match self.section {
            Section::Preamble | Section::SubPackage => self.preamble(line, start, word, rest),
            Section::List(kind) if !start.is_empty() && !start.starts_with('#') => {
                self.source(line, kind.to_owned(), start.trim_end());
            }
            Section::Changelog if self.spec.date.is_none() => self.spec.date = lines::changelog_date(start),
            _ => {}
        }
    }

    fn preamble(&mut self, line: u64, start: &str, word: &str, rest: &str) {
        let is_certain = self.branches.is_certain();
        match word {
            "%global" | "%define" => self.macros.define(rest, word == "%global", is_certain),
            "%undefine" => self.macros.undefine(rest, is_certain),
            _ if start.starts_with('%') => self.macros.define_if_undefined(start, is_certain),
            _ => {
                if let Some((relation, value)) = lines::relation(start) {
                    self.relations.add(line, relation, value, &mut self.macros);
                    return;
                }
                let Some((name, value)) = tag(start) else { return };
                let lower = name.to_ascii_lowercase();
                let kind = lower.trim_end_matches(|c: char| c.is_ascii_digit());
                match kind {
                    "source" | "patch" => self.source(line, name.to_owned(), value),
                    "name" | "version" | "release" | "epoch" | "url" if self.section == Section::Preamble => {
                        self.macros.tag(kind, value, is_certain);
                    }
                    _ => {}
                }
            }
        }
    }

    fn source(&mut self, line: u64, tag: String, value: &str) {
        let read = self.macros.expand(value).and_then(|location| Located::read(&location));
        match read {
            _ if self.spec.sources.len() + self.faults.len() == SOURCES_MAX => {
                let message = format!("more than {SOURCES_MAX} sources");
                self.faults.push(SpecFault { line, message });
            }
            _ if self.spec.sources.len() + self.faults.len() > SOURCES_MAX => {}
            Ok(Located { url, folder, name }) => {
                self.spec.sources.push(SpecSource { line, tag, url, folder, name });
            }
            Err(message) => self.faults.push(SpecFault { line, message: format!("{tag}: {message}") }),
        }
    }
}

/// Where a source is.
struct Located {
    url: Option<String>,
    folder: String,
    name: String,
}

impl Located {
    fn read(location: &str) -> Result<Self, String> {
        let (folder, name) = location.rsplit_once('/').unwrap_or(("", location));
        let is_name = is_name(name);
        if location.contains("://") {
            if !is_name {
                return Err(format!("the URL `{location}` does not end in a usable file name: add `#/NAME`"));
            }
            let url = location.split('#').next().unwrap_or_default();
            return Ok(Self { url: Some(url.to_owned()), folder: String::new(), name: name.to_owned() });
        }
        let mut parts = folder.split('/');
        if is_name
            && !location.starts_with('/')
            && (folder.is_empty() || parts.all(|part| part == ".." || is_name_of_folder(part)))
        {
            return Ok(Self { url: None, folder: folder.to_owned(), name: name.to_owned() });
        }
        Err(format!(
            "`{location}` is not the path of a file, from the folder of the spec file: expected letters, digits and `._+~-`"
        ))
    }
}

fn is_legal(c: char) -> bool {
    c.is_ascii_alphanumeric() || "._+~-".contains(c)
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_') && name.chars().all(is_legal)
}

fn is_name_of_folder(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('.') && name.chars().all(is_legal)
}
