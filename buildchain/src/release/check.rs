//! Whether a tag can be released.

use content::printable_path;
use serde_json::Value;

use super::changelog::sections;
use super::dependencies::in_development;
use crate::project::git::{GitRepository, GitTag, ReleaseTag};
use crate::project::{Error, Project, read_text, value_of};
use crate::tasks::unlocked;

/// How many names a problem lists.
const NAMED: usize = 5;

/// What a tag that is released has to fulfill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReleaseRule {
    /// Its name is that of a release or a candidate.
    Name,
    /// It has a message, an author and a date.
    Annotated,
    /// It is the commit that is checked out.
    Commit,
    /// Candidates are counted from 0, and the release itself does not exist yet.
    Order,
    /// No file differs from the commit.
    Clean,
    /// The project has its version.
    Version,
    /// Files that `spec.release` names have its version.
    Files,
    /// The changelog has its version.
    Changelog,
    /// The lock file has everything.
    Lock,
    /// Nothing that the project builds from is in development.
    Dependencies,
}

impl ReleaseRule {
    /// All rules, in the order in which they are checked.
    pub const ALL: [Self; 10] = [
        Self::Name,
        Self::Annotated,
        Self::Commit,
        Self::Order,
        Self::Clean,
        Self::Version,
        Self::Files,
        Self::Changelog,
        Self::Lock,
        Self::Dependencies,
    ];

    /// The word that reports have.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Annotated => "annotated",
            Self::Commit => "commit",
            Self::Order => "order",
            Self::Clean => "clean",
            Self::Version => "version",
            Self::Files => "files",
            Self::Changelog => "changelog",
            Self::Lock => "lock",
            Self::Dependencies => "dependencies",
        }
    }

    /// What helps where the rule is broken. `tag` is the tag.
    #[must_use]
    pub fn remedy(self, tag: &str) -> String {
        match self {
            Self::Name => "create a tag such as 1.2.0-rc0: git tag -a 1.2.0-rc0".to_owned(),
            Self::Annotated => format!("create it with a message: git tag -a -f {tag}"),
            Self::Commit => format!("check it out: git checkout {tag}"),
            Self::Order => "use the next number of the candidate; a release never changes".to_owned(),
            Self::Clean => "commit the changes or undo them, and move the tag".to_owned(),
            Self::Version => {
                "correct the version of the project, or take it from the tag: `versionFrom: {git: tag}`"
                    .to_owned()
            }
            Self::Files => "correct the version in the file".to_owned(),
            Self::Changelog => {
                "add a section for the version, with a heading such as `## 1.2.0 - 2026-01-31`".to_owned()
            }
            Self::Lock => "run `sealift lock`, and commit sealift.lock".to_owned(),
            Self::Dependencies => "use a released version".to_owned(),
        }
    }
}

/// A rule, and how the tag breaks it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseCheck {
    /// The rule.
    pub rule: ReleaseRule,
    /// What is wrong, as a sentence; `None` if the rule is fulfilled.
    pub problem: Option<String>,
}

/// What was found out about a tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseReport {
    /// The tag.
    pub tag: String,
    /// The version of what the tag builds: `1.2.0-rc0`. Empty if the tag has another form.
    pub version: String,
    /// The version of the release: `1.2.0`. Empty if the tag has another form.
    pub release: String,
    /// All rules that could be checked.
    pub checks: Vec<ReleaseCheck>,
}

impl ReleaseReport {
    /// Whether the tag can be released.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.checks.iter().all(|check| check.problem.is_none())
    }
}

/// Checks whether `tag` of the repository of `project` can be released; without one, the tag of the commit that is checked out.
///
/// # Errors
///
/// [`Error`] if the project is in no git repository, if git fails, or if a file cannot be read.
pub fn check(project: &Project, tag: Option<&str>) -> Result<ReleaseReport, Error> {
    let repository = project.repository()?;
    let tags = repository.tags()?;
    let head = repository.commit()?.map(|commit| commit.hash);
    let name = match tag {
        Some(tag) => tag.to_owned(),
        None => match repository.release_tags()?.first() {
            Some(tag) => tag.to_string(),
            None => {
                let problem = "the commit has no tag such as 1.2.0 or v1.2.0-rc0".to_owned();
                return Ok(ReleaseReport {
                    tag: String::new(),
                    version: String::new(),
                    release: String::new(),
                    checks: vec![ReleaseCheck { rule: ReleaseRule::Name, problem: Some(problem) }],
                });
            }
        },
    };
    let mut report = ReleaseReport {
        tag: name.clone(),
        version: String::new(),
        release: String::new(),
        checks: Vec::new(),
    };
    let Some(tag) = ReleaseTag::parse(&name) else {
        let problem = format!("`{}` is not X.Y.Z, vX.Y.Z or X.Y.Z-rcN", content::printable(&name));
        report.checks.push(ReleaseCheck { rule: ReleaseRule::Name, problem: Some(problem) });
        return Ok(report);
    };
    (report.version, report.release) = (tag.version(), tag.release());
    let found = tags.iter().find(|found| found.name == name);
    let checking = Checking { project, repository, tag: &tag, found, tags: &tags, head: head.as_deref() };
    for rule in ReleaseRule::ALL {
        let problem = checking.check(rule)?;
        report.checks.push(ReleaseCheck { rule, problem });
    }
    Ok(report)
}

struct Checking<'a> {
    project: &'a Project,
    repository: &'a GitRepository,
    tag: &'a ReleaseTag,
    found: Option<&'a GitTag>,
    tags: &'a [GitTag],
    head: Option<&'a str>,
}

impl Checking<'_> {
    fn check(&self, rule: ReleaseRule) -> Result<Option<String>, Error> {
        let tag = self.tag;
        Ok(match rule {
            ReleaseRule::Name => self.found.is_none().then(|| format!("the repository has no tag {tag}")),
            ReleaseRule::Annotated => {
                let is_light = self.found.is_some_and(|found| !found.is_annotated);
                is_light.then(|| format!("the tag {tag} is not annotated: it has no author and no date"))
            }
            ReleaseRule::Commit => {
                let other = self.found.filter(|found| Some(found.commit.as_str()) != self.head);
                other.map(|found| {
                    let head = self.head.unwrap_or("no commit");
                    format!("the tag {tag} is commit {}, and {head} is checked out", found.commit)
                })
            }
            ReleaseRule::Order => self.order(),
            ReleaseRule::Clean => {
                let changes = self.repository.changes()?;
                let changed = changes.modified.iter().chain(&changes.deleted);
                let names = changed.map(|path| printable_path(path).to_string());
                listed(names.collect(), "differ from the commit")
            }
            ReleaseRule::Version => {
                let version = self.project.values.version.as_str();
                (!self.is_version(version))
                    .then(|| format!("the project has version {version}, and not {}", tag.version()))
            }
            ReleaseRule::Files => self.files()?,
            ReleaseRule::Changelog => self.changelog()?,
            ReleaseRule::Lock => listed(unlocked(self.project), "are not in the lock file"),
            ReleaseRule::Dependencies => listed(in_development(self.project), "are in development"),
        })
    }

    /// Whether a version is that of the tag. A candidate can have that of the release already.
    fn is_version(&self, version: &str) -> bool {
        let version = version.split('+').next().unwrap_or_default();
        version == self.tag.version() || version == self.tag.release()
    }

    fn order(&self) -> Option<String> {
        let of_release = |tag: &ReleaseTag| tag.release() == self.tag.release();
        let tags: Vec<ReleaseTag> =
            self.tags.iter().filter_map(|tag| ReleaseTag::parse(&tag.name)).filter(of_release).collect();
        let candidate = self.tag.candidate()?;
        if let Some(release) = tags.iter().find(|tag| tag.candidate().is_none()) {
            return Some(format!("{release} is released already"));
        }
        let before = candidate.checked_sub(1)?;
        let is_known = tags.iter().any(|tag| tag.candidate() == Some(before));
        (!is_known)
            .then(|| format!("the candidate before it, {}-rc{before}, does not exist", self.tag.release()))
    }

    fn files(&self) -> Result<Option<String>, Error> {
        let mut wrong = Vec::new();
        for version in &self.project.release.versions {
            let file = printable_path(&version.file);
            let path = self.project.root.join(&version.file);
            match value_of(&path, &read_text(&path)?, version.key.as_deref()) {
                Ok(Value::String(text)) if self.is_version(text.strip_prefix('v').unwrap_or(&text)) => {}
                Ok(value) => {
                    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                    wrong.push(format!("{file} has version {}", content::printable(&text)));
                }
                Err(reason) => wrong.push(format!("{file}: {reason}")),
            }
        }
        Ok((!wrong.is_empty()).then(|| wrong.join("; ")))
    }

    fn changelog(&self) -> Result<Option<String>, Error> {
        let Some(file) = &self.project.release.changelog else { return Ok(None) };
        let text = read_text(&self.project.root.join(file))?;
        let name = printable_path(file);
        let all = sections(&text);
        let mut found = all.iter().filter(|section| self.is_version(section.version));
        let Some(section) = found.next() else {
            return Ok(Some(format!("{name} has no section for {}", self.tag.release())));
        };
        if section.text.is_empty() {
            return Ok(Some(format!(
                "the section {} of {name} is empty",
                content::printable(section.heading)
            )));
        }
        let is_open = self.tag.candidate().is_none() && section.is_unreleased();
        Ok(is_open.then(|| {
            format!("{name} says that the version is unreleased: {}", content::printable(section.heading))
        }))
    }
}

/// A problem with these things; some are named.
fn listed(mut names: Vec<String>, what: &str) -> Option<String> {
    let more = names.len().saturating_sub(NAMED);
    names.truncate(NAMED);
    match (names.as_slice(), more) {
        ([], _) => None,
        ([name], _) => {
            Some(format!("{name} {}", what.replacen("are ", "is ", 1).replacen("differ ", "differs ", 1)))
        }
        (_, 0) => Some(format!("{} {what}", names.join(", "))),
        (_, more) => Some(format!("{} and {more} more {what}", names.join(", "))),
    }
}
