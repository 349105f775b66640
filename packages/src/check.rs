//! Whether an RPM can hold what a definition describes, and what its file will be called.

use std::collections::HashMap;
use std::fmt;
use std::path::{Component, Path};

use jiff::civil::Date;

use crate::definition::{ChangelogEntry, PackageFile, RpmDefinition};
use crate::dependency::Relation;
use crate::error::{Error, Result, quoted};
use crate::pattern::{self, PackageSource};
use crate::scriptlets::ScriptletInterpreter;

const NAME: &str = "a letter, a digit or `_`, then also `-`, `+` and single `.`, 128 characters at most";
const VERSION: &str = "letters, digits, `_`, `+`, `~`, `^`, `-` and single `.`, 128 characters at most";
const RELEASE: &str = "letters, digits, `_`, `+`, `~`, `^` and single `.`, 128 characters at most";
const ARCH: &str = "a machine such as `x86_64`, `aarch64` or `noarch`";
const LINE: &str = "one line of text without control characters";
const LINES: &str = "text without control characters other than line ends and tabs";
const SOURCE: &str = "a relative path without `..`";
const ONE_FILE: &str = "this key only with a folder or a pattern";
const PATTERN: &str = "a pattern of files such as `*.yaml`";
const INSTALLED: &str = "an absolute path without `.`, `..`, `//`, a `/` at its end or control characters, with 246 bytes \
                         at most in each name and 4086 in all";
const TARGET: &str = "one line of text without control characters, 4095 bytes at most";
const NAMES: &str = "parts with which the name of the package's file has 255 bytes at most";
const OWNER: &str = "the name of a user or group: a lower-case letter or `_`, then also digits and `-`";
const CAPABILITIES: &str = "capabilities as setcap takes them, such as `cap_net_bind_service=ep`";
const DATE: &str = "a day between 1970-01-01 and 2105-12-31 as `YYYY-MM-DD`";

/// Bytes of a file name and of a path on Linux.
pub(crate) const NAME_MAX: usize = 255;
const PATH_MAX: usize = 4095;
/// Bytes that rpm and dpkg append to the name of a file while they write it: `;6b0cf1cd`, `.dpkg-new`.
const TEMPORARY: usize = 9;

/// The most releases that have values of their own.
const TARGETS_MAX: usize = 32;

impl RpmDefinition {
    /// The version as RPM knows it: of a semantic version's hyphens the first becomes `~`, which sorts before
    /// everything, and the others, which RPM does not allow either, become dots.
    #[must_use]
    pub fn rpm_version(&self) -> String {
        self.version.replacen('-', "~", 1).replace('-', ".")
    }

    /// `name-version-release.arch`, without the epoch.
    ///
    /// # Errors
    ///
    /// As for [`check`](Self::check).
    pub fn nevra(&self) -> Result<String> {
        self.check()?;
        Ok(format!("{}-{}-{}.{}", self.name, self.rpm_version(), self.release, self.arch))
    }

    /// The name of the file that [`build`](crate::build) makes: `<name>-<version>-<release>.<arch>.rpm`.
    ///
    /// # Errors
    ///
    /// As for [`check`](Self::check).
    pub fn file_name(&self) -> Result<String> {
        Ok(format!("{}.rpm", self.nevra()?))
    }

    /// Whether an RPM can hold what this definition describes; the source files are not read.
    ///
    /// # Errors
    ///
    /// [`Error::Definition`] for the first of the [`mistakes`](Self::mistakes).
    pub fn check(&self) -> Result<()> {
        match self.mistakes().into_iter().next() {
            Some(mistake) => Err(mistake.in_package(&self.name)),
            None => Ok(()),
        }
    }

    /// Every field that an RPM cannot hold as it is; the source files are not read.
    #[must_use]
    pub fn mistakes(&self) -> Vec<Mistake> {
        let mut mistakes = Mistakes::default();
        let label = |text: &str, more: &str| {
            (1..=128).contains(&text.len())
                && text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
                && !text.contains("..")
        };
        let name = label(&self.name, "._-+")
            && self.name.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '_');
        mistakes.check(name, "name", NAME, &self.name);
        mistakes.check(label(&self.version, "._+~^-"), "version", VERSION, &self.version);
        mistakes.check(label(&self.release, "._+~^"), "release", RELEASE, &self.release);
        mistakes.check(label(&self.arch, "_"), "arch", ARCH, &self.arch);

        let name = format!("{}-{}-{}.{}.rpm", self.name, self.version, self.release, self.arch);
        mistakes.check(name.len() <= NAME_MAX, "version", NAMES, &name);

        mistakes.check(is_line(&self.summary), "summary", LINE, &self.summary);
        mistakes.check(is_line(&self.license), "license", LINE, &self.license);
        for (field, text) in [
            ("url", &self.url),
            ("vendor", &self.vendor),
            ("packager", &self.packager),
            ("group", &self.group),
            ("buildHost", &self.build_host),
        ] {
            let text = text.as_deref();
            mistakes.check(text.is_none_or(is_line), field, LINE, text.unwrap_or_default());
        }
        let description = self.description.as_deref();
        mistakes.check(
            description.is_none_or(is_lines),
            "description",
            LINES,
            description.unwrap_or_default(),
        );
        self.check_scripts(&mut mistakes);
        if let Some(day) = &self.date {
            mistakes.check(midnight(day).is_some(), "date", DATE, day);
        }
        self.check_paths(&mut mistakes);
        self.check_changelog(&mut mistakes);
        let targets = self.overrides.len();
        if targets > TARGETS_MAX {
            mistakes.add("overrides".to_owned(), "at most 32 releases", &targets.to_string());
            return mistakes.0;
        }
        let of_targets = self.mistakes_of_targets(&mistakes.0);
        mistakes.0.extend(of_targets);
        mistakes.0
    }

    /// Warnings: values that rpm accepts and that are probably not intended. Each is a sentence that says what to write.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let all = Relation::ALL.into_iter().flat_map(|relation| {
            self.dependencies(relation).iter().filter_map(move |dependency| dependency.warning(relation))
        });
        all.collect()
    }

    /// The day that the package is dated to: its first second in UTC, in seconds since 1970. That is the declared one, else
    /// that of the newest entry of the changelog; `None` if there is neither.
    #[must_use]
    pub fn date(&self) -> Option<i64> {
        let newest = || self.changelog.iter().map(|change| &change.date).max_by_key(|date| midnight(date));
        self.date.as_ref().or_else(newest).and_then(|day| midnight(day))
    }

    fn check_scripts(&self, mistakes: &mut Mistakes) {
        for (key, text) in self.scriptlets.scripts() {
            mistakes.check(is_lines(text), &format!("scriptlets.{key}"), LINES, text);
        }
        for (i, trigger) in self.triggers.iter().enumerate() {
            let field = |name: &str| format!("triggers[{i}].{name}");
            mistakes.check(is_lines(&trigger.script), &field("script"), LINES, &trigger.script);
            check_interpreter(mistakes, &field("interpreter"), &trigger.interpreter);
            mistakes.check(!trigger.packages.is_empty(), &field("packages"), "at least one package", "");
            for package in trigger.packages.iter().filter(|package| package.is_rich()) {
                mistakes.add(field("packages"), "a package and a version", &package.to_string());
            }
        }
        for (i, trigger) in self.file_triggers.iter().enumerate() {
            let field = |name: &str| format!("fileTriggers[{i}].{name}");
            mistakes.check(is_lines(&trigger.script), &field("script"), LINES, &trigger.script);
            check_interpreter(mistakes, &field("interpreter"), &trigger.interpreter);
            mistakes.check(!trigger.paths.is_empty(), &field("paths"), "at least one path", "");
            for path in &trigger.paths {
                let valid = path.starts_with('/') && is_line(path);
                mistakes.check(valid, &field("paths"), "the start of an absolute path", path);
            }
        }
    }

    fn check_paths(&self, mistakes: &mut Mistakes) {
        // Every installed path with the field that names it, and whether something may lie below it.
        let mut paths: HashMap<&str, (String, bool)> = HashMap::new();
        let mut add = |mistakes: &mut Mistakes, path, field: String, is_folder| {
            if !is_installed(path) {
                mistakes.add(field, INSTALLED, path);
            } else if paths.contains_key(path) {
                mistakes.add(field, "a path that no other entry installs", path);
            } else {
                paths.insert(path, (field, is_folder));
            }
        };
        for (i, file) in self.files.iter().enumerate() {
            let field = |name: &str| format!("files[{i}].{name}");
            let leads_out = |part| matches!(part, Component::ParentDir | Component::RootDir);
            let inside = !file.from.is_empty() && !Path::new(&file.from).components().any(leads_out);
            mistakes.check(inside, &field("from"), SOURCE, &file.from);
            let source = file.source();
            if source.is_file() {
                add(mistakes, &file.to, field("to"), false);
                mistakes.check(
                    file.exclude.is_empty(),
                    &field("exclude"),
                    ONE_FILE,
                    &file.exclude.join(", "),
                );
                mistakes.check(!file.own_directories, &field("ownDirectories"), ONE_FILE, "true");
            } else {
                check_several(mistakes, file, &source, field);
            }
            mistakes.check(is_owner(&file.owner), &field("owner"), OWNER, &file.owner);
            mistakes.check(is_owner(&file.group), &field("group"), OWNER, &file.group);
            if let Some(capabilities) = &file.capabilities {
                let valid = rpm::FileOptions::new("/x").caps(capabilities).is_ok();
                mistakes.check(valid, &field("capabilities"), CAPABILITIES, capabilities);
            }
        }
        for (i, directory) in self.directories.iter().enumerate() {
            let field = |name: &str| format!("directories[{i}].{name}");
            add(mistakes, &directory.path, field("path"), true);
            mistakes.check(is_owner(&directory.owner), &field("owner"), OWNER, &directory.owner);
            mistakes.check(is_owner(&directory.group), &field("group"), OWNER, &directory.group);
        }
        for (i, ghost) in self.ghosts.iter().enumerate() {
            let field = |name: &str| format!("ghosts[{i}].{name}");
            add(mistakes, &ghost.path, field("path"), ghost.directory);
            mistakes.check(is_owner(&ghost.owner), &field("owner"), OWNER, &ghost.owner);
            mistakes.check(is_owner(&ghost.group), &field("group"), OWNER, &ghost.group);
        }
        for (i, symlink) in self.symlinks.iter().enumerate() {
            let field = |name: &str| format!("symlinks[{i}].{name}");
            add(mistakes, &symlink.path, field("path"), false);
            let target = (1..=PATH_MAX).contains(&symlink.target.len())
                && !symlink.target.chars().any(char::is_control);
            mistakes.check(target, &field("target"), TARGET, &symlink.target);
        }
        let mut below: Vec<(&String, &str)> = Vec::new();
        for (path, (field, _)) in &paths {
            let above = Path::new(path).ancestors().skip(1).filter_map(Path::to_str);
            if above.filter_map(|parent| paths.get(parent)).any(|(_, is_folder)| !is_folder) {
                below.push((field, path));
            }
        }
        below.sort_unstable();
        for (field, path) in below {
            mistakes.add(field.clone(), "a path that lies below no file and no link", path);
        }
    }

    fn check_changelog(&self, mistakes: &mut Mistakes) {
        let mut previous = None;
        for (i, change) in self.changelog.iter().enumerate() {
            let field = |name: &str| format!("changelog[{i}].{name}");
            let time = change.time();
            mistakes.check(time.is_some(), &field("date"), DATE, &change.date);
            if let (Some(time), Some(newer)) = (time, previous) {
                mistakes.check(
                    time <= newer,
                    &field("date"),
                    "a day not after the entry before",
                    &change.date,
                );
            }
            previous = time.or(previous);
            for (name, text) in [("author", &change.author), ("version", &change.version)] {
                mistakes.check(is_line(text), &field(name), LINE, text);
            }
            mistakes.check(is_lines(&change.text), &field("text"), LINES, &change.text);
        }
    }
}

/// Checks an entry that stands for several files, which are not known yet.
fn check_several(
    mistakes: &mut Mistakes,
    file: &PackageFile,
    source: &PackageSource,
    field: impl Fn(&str) -> String,
) {
    let to = file.to.strip_suffix('/').unwrap_or(&file.to);
    let is_root = file.to == "/" && !file.own_directories;
    mistakes.check(is_root || is_installed(to), &field("to"), INSTALLED, &file.to);
    let pattern = match source {
        PackageSource::Pattern { pattern, .. } => Some(("from", pattern)),
        _ => None,
    };
    for (key, pattern) in pattern.into_iter().chain(file.exclude.iter().map(|pattern| ("exclude", pattern))) {
        let is_pattern = !pattern.trim_end_matches('/').is_empty() && pattern::glob(pattern).is_ok();
        let ends_well = key == "exclude" || !pattern.ends_with('/');
        mistakes.check(is_pattern && ends_well, &field(key), PATTERN, pattern);
    }
}

fn check_interpreter(mistakes: &mut Mistakes, field: &str, interpreter: &ScriptletInterpreter) {
    mistakes.check(interpreter.is_plain(), field, "a program without arguments", &interpreter.to_string());
}

/// A field of a definition with a value that an RPM cannot hold.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Mistake {
    /// The field, as a path into the definition: `files[2].to`.
    pub field: String,
    /// What the field may hold.
    pub expected: &'static str,
    /// What it holds.
    pub found: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "expected {}, found {}", self.expected, quoted(&self.found))
    }
}

impl Mistake {
    /// The error that it is in the package `package`.
    pub(crate) fn in_package(self, package: &str) -> Error {
        let Self { field, expected, found } = self;
        Error::Definition { package: package.to_owned(), field, expected, found }
    }
}

#[derive(Default)]
struct Mistakes(Vec<Mistake>);

impl Mistakes {
    fn add(&mut self, field: String, expected: &'static str, found: &str) {
        self.0.push(Mistake { field, expected, found: found.to_owned() });
    }

    fn check(&mut self, good: bool, field: &str, expected: &'static str, found: &str) {
        if !good {
            self.add(field.to_owned(), expected, found);
        }
    }
}

impl ChangelogEntry {
    /// Noon of the day in UTC, as rpmbuild writes it: the day is then the same in almost every time zone.
    pub(crate) fn time(&self) -> Option<u32> {
        let day: Date = self.date.parse().ok()?;
        let noon = day.at(12, 0, 0, 0).to_zoned(jiff::tz::TimeZone::UTC).ok()?;
        u32::try_from(noon.timestamp().as_second()).ok()
    }
}

/// The first second of a day in UTC, in seconds since 1970, if RPM can store it.
fn midnight(day: &str) -> Option<i64> {
    let day: Date = day.parse().ok()?;
    let seconds = day.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_second();
    u32::try_from(seconds).is_ok().then_some(seconds)
}

fn is_line(text: &str) -> bool {
    !text.trim().is_empty() && !text.chars().any(char::is_control)
}

fn is_lines(text: &str) -> bool {
    !text.trim().is_empty() && !text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t'))
}

fn is_installed(path: &str) -> bool {
    path.strip_prefix('/').is_some_and(|relative| {
        let is_name = |part: &str| !matches!(part, "" | "." | "..") && part.len() <= NAME_MAX - TEMPORARY;
        path.len() <= PATH_MAX - TEMPORARY
            && relative.split('/').all(is_name)
            && !path.chars().any(char::is_control)
    })
}

fn is_owner(name: &str) -> bool {
    (1..=32).contains(&name.len())
        && name.starts_with(|first: char| first.is_ascii_lowercase() || first == '_')
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition(more: &str) -> RpmDefinition {
        let mut fields = vec![
            ("name", "name: a"),
            ("version", "version: '1'"),
            ("release", "release: '1'"),
            ("arch", "arch: noarch"),
            ("summary", "summary: A"),
            ("license", "license: MIT"),
        ];
        let is_given = |key: &str| more.lines().any(|line| line.starts_with(&format!("{key}:")));
        fields.retain(|(key, _)| !is_given(key));
        let text: String = fields.iter().map(|(_, line)| format!("{line}\n")).collect();
        serde_saphyr::from_str(&format!("{text}{more}\n")).unwrap()
    }

    #[test]
    fn versions_become_ones_that_rpm_knows() {
        for (version, rpm) in [
            ("2.11.0", "2.11.0"),
            ("2.11.0-dev", "2.11.0~dev"),
            ("2.11.0-rc.1-3", "2.11.0~rc.1.3"),
            ("1.0.0+build5", "1.0.0+build5"),
        ] {
            let definition = definition(&format!("version: '{version}'"));
            assert_eq!(definition.rpm_version(), rpm);
            assert_eq!(definition.file_name().unwrap(), format!("a-{rpm}-1.noarch.rpm"));
        }
    }

    #[test]
    fn a_package_is_dated_to_its_declared_day_else_to_its_newest_change() {
        let change = "{date: 2026-01-02, author: A, version: '1', text: B}, {date: 2025-01-02, author: A, version: '1', text: B}";
        for (more, date) in [
            ("url: x".to_owned(), None),
            (format!("changelog: [{change}]"), Some(1_767_312_000)),
            (format!("date: 2026-02-03\nchangelog: [{change}]"), Some(1_770_076_800)),
            ("date: 1970-01-01".to_owned(), Some(0)),
        ] {
            assert_eq!(definition(&more).date(), date, "{more}");
            definition(&more).check().unwrap();
        }
        for day in ["2026-02-30", "1969-12-31", "'2106-02-08'", "soon"] {
            let error = definition(&format!("date: {day}")).check().unwrap_err().to_string();
            assert!(error.contains("date: expected a day"), "{day}: {error}");
        }
    }

    #[test]
    fn names_the_field_that_cannot_stand() {
        for (more, field) in [
            ("name: a b", "name"),
            ("name: ../a", "name"),
            ("name: -a", "name"),
            ("version: 1/2", "version"),
            ("version: ''", "version"),
            ("version: 1..2", "version"),
            ("release: 1..2", "release"),
            ("name: a..b", "name"),
            ("release: 1-2", "release"),
            ("arch: x86/64", "arch"),
            ("summary: \"a\\nb\"", "summary"),
            ("license: ' '", "license"),
            ("url: \"a\\tb\"", "url"),
            ("description: \"a\\u0007\"", "description"),
            ("scriptlets: {post: ''}", "scriptlets.post"),
            ("files: [{from: ../x, to: /x}]", "files[0].from"),
            ("files: [{from: /x, to: /x}]", "files[0].from"),
            ("files: [{from: x/../../y, to: /x}]", "files[0].from"),
            ("files: [{from: '', to: /x}]", "files[0].from"),
            ("files: [{from: x, to: x}]", "files[0].to"),
            ("files: [{from: x/, to: x}]", "files[0].to"),
            ("files: [{from: x/, to: /, ownDirectories: true}]", "files[0].to"),
            ("files: [{from: x/*/, to: /x}]", "files[0].from"),
            ("files: [{from: 'x/[a', to: /x}]", "files[0].from"),
            ("files: [{from: x/, to: /x, exclude: ['[']}]", "files[0].exclude"),
            ("files: [{from: x, to: /x, exclude: [a]}]", "files[0].exclude"),
            ("files: [{from: x, to: /x, ownDirectories: true}]", "files[0].ownDirectories"),
            ("files: [{from: x, to: /}]", "files[0].to"),
            ("files: [{from: x, to: /a/../x}]", "files[0].to"),
            ("files: [{from: x, to: /a//x}]", "files[0].to"),
            ("files: [{from: x, to: /x/}]", "files[0].to"),
            (&format!("files: [{{from: x, to: /x/{}}}]", "é".repeat(124)), "files[0].to"),
            (&format!("files: [{{from: x, to: '{}'}}]", "/abcdefg".repeat(511)), "files[0].to"),
            (&format!("symlinks: [{{path: /x, target: '{}'}}]", "a".repeat(4096)), "symlinks[0].target"),
            (&format!("name: {}\nversion: '{}'", "a".repeat(128), "1".repeat(128)), "version"),
            ("files: [{from: x, to: /x, owner: Root}]", "files[0].owner"),
            ("files: [{from: x, to: /x, group: ''}]", "files[0].group"),
            ("files: [{from: x, to: /x}, {from: y, to: /x}]", "files[1].to"),
            ("files: [{from: x, to: /x}, {from: y, to: /x/y}]", "files[1].to"),
            ("files: [{from: x, to: /x, capabilities: much}]", "files[0].capabilities"),
            ("buildHost: \"a\\nb\"", "buildHost"),
            ("ghosts: [{path: x}]", "ghosts[0].path"),
            ("ghosts: [{path: /x, group: A}]", "ghosts[0].group"),
            ("ghosts: [{path: /x}, {path: /x/y}]", "ghosts[1].path"),
            ("triggers: [{on: in, packages: [], script: x}]", "triggers[0].packages"),
            ("triggers: [{on: in, packages: ['(a or b)'], script: x}]", "triggers[0].packages"),
            ("triggers: [{on: in, packages: [a], script: ''}]", "triggers[0].script"),
            (
                "triggers: [{on: in, packages: [a], script: x, interpreter: /bin/bash -e}]",
                "triggers[0].interpreter",
            ),
            ("fileTriggers: [{on: in, paths: [usr], script: x}]", "fileTriggers[0].paths"),
            ("directories: [{path: x}]", "directories[0].path"),
            ("directories: [{path: /x, owner: '0'}]", "directories[0].owner"),
            ("symlinks: [{path: /x, target: ''}]", "symlinks[0].target"),
            ("symlinks: [{path: /x, target: y}]\ndirectories: [{path: /x/z}]", "directories[0].path"),
            ("changelog: [{date: 2026-13-01, author: A, version: '1', text: A}]", "changelog[0].date"),
            ("changelog: [{date: 1969-12-31, author: A, version: '1', text: A}]", "changelog[0].date"),
            ("changelog: [{date: 2026-01-01, author: '', version: '1', text: A}]", "changelog[0].author"),
            (
                "changelog: [{date: 2026-01-01, author: A, version: '1', text: A}, \
                 {date: 2026-01-02, author: A, version: '1', text: A}]",
                "changelog[1].date",
            ),
        ] {
            match definition(more).check() {
                Err(Error::Definition { field: found, .. }) => assert_eq!(found, field, "{more}"),
                other => panic!("{more}: {other:?}"),
            }
        }
    }

    #[test]
    fn all_mistakes_are_found_at_once_and_in_order() {
        let more = "name: a b\narch: x/y\nfiles:\n  - {from: ../x, to: x, owner: Root}\n  - {from: x, to: /x/y}\n\
                    symlinks: [{path: /x, target: ''}]\nchangelog: [{date: soon, author: '', version: '', text: ''}]\n";
        let fields = ["name", "arch"].map(|key| format!("{key}:"));
        let minimal = "name: a\nversion: '1'\nrelease: '1'\narch: noarch\nsummary: A\nlicense: MIT\n";
        let kept: Vec<&str> =
            minimal.lines().filter(|line| !fields.iter().any(|key| line.starts_with(key))).collect();
        let definition: RpmDefinition =
            serde_saphyr::from_str(&format!("{}\n{more}", kept.join("\n"))).unwrap();
        let found: Vec<String> = definition.mistakes().into_iter().map(|mistake| mistake.field).collect();
        assert_eq!(
            found,
            [
                "name",
                "arch",
                "files[0].from",
                "files[0].to",
                "files[0].owner",
                "symlinks[0].target",
                "files[1].to",
                "changelog[0].date",
                "changelog[0].author",
                "changelog[0].version",
                "changelog[0].text",
            ]
        );
    }

    #[test]
    fn a_folder_may_hold_what_the_package_installs() {
        let more =
            "directories: [{path: /x}]\nfiles: [{from: x, to: /x/y}]\nsymlinks: [{path: /x/z, target: ../y}]";
        definition(more).check().unwrap();
    }
}
