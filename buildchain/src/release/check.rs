//! Whether a tag can be released.

use content::{printable, printable_path};
use serde_json::Value;

use super::changelog::sections;
use super::dependencies::in_development;
use super::rule::{ReleaseCheck, ReleaseProblem, ReleaseRule};
use crate::project::git::{GitRepository, GitTag, ReleaseTag};
use crate::project::{Error, Project, read_text, value_of};
use crate::tasks::unlocked;

/// How many names a problem lists.
const NAMED: usize = 5;

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
    let of_head = || {
        let tags = tags.iter().filter(|tag| head.as_ref() == Some(&tag.commit));
        tags.filter_map(|tag| ReleaseTag::parse(&tag.name)).max()
    };
    let name = tag.map(str::to_owned).or_else(|| Some(of_head()?.to_string()));
    let mut report = ReleaseReport {
        tag: name.clone().unwrap_or_default(),
        version: String::new(),
        release: String::new(),
        checks: Vec::new(),
    };
    let parsed = name.as_deref().and_then(ReleaseTag::parse);
    let (rule, problem) = match (name, parsed, head) {
        (Some(name), Some(tag), Some(head)) => {
            (report.version, report.release) = (tag.version(), tag.release());
            let found = tags.iter().find(|found| found.name == name);
            let checking = Checking { project, repository, tag: &tag, found, tags: &tags, head: &head };
            for rule in ReleaseRule::ALL.into_iter().filter(|rule| checking.applies(*rule)) {
                report.checks.push(ReleaseCheck { rule, problem: checking.check(rule)? });
            }
            return Ok(report);
        }
        (Some(name), None, _) => (
            ReleaseRule::Name,
            ReleaseProblem::new(
                format!("`{}` is not X.Y.Z, vX.Y.Z or X.Y.Z-rcN", printable(&name)),
                "create a tag such as 1.2.0-rc0: git tag -a 1.2.0-rc0",
            ),
        ),
        (_, _, None) => (
            ReleaseRule::Commit,
            ReleaseProblem::new("the repository has no commit", "commit the project: git commit"),
        ),
        (None, ..) => (
            ReleaseRule::Name,
            ReleaseProblem::new(
                "the commit has no tag such as 1.2.0 or v1.2.0-rc0",
                format!("create it: `git tag -a 1.2.0-rc0`, or {}", repository.fetching()),
            ),
        ),
    };
    report.checks.push(ReleaseCheck { rule, problem: Some(problem) });
    Ok(report)
}

struct Checking<'a> {
    project: &'a Project,
    repository: &'a GitRepository,
    tag: &'a ReleaseTag,
    /// The tag in the repository, if it has it.
    found: Option<&'a GitTag>,
    tags: &'a [GitTag],
    head: &'a str,
}

impl Checking<'_> {
    /// Whether a rule can be checked: a tag that does not exist is no object and has no commit.
    fn applies(&self, rule: ReleaseRule) -> bool {
        self.found.is_some() || !matches!(rule, ReleaseRule::Annotated | ReleaseRule::Commit)
    }

    fn check(&self, rule: ReleaseRule) -> Result<Option<ReleaseProblem>, Error> {
        let tag = self.tag;
        let with = |text: Option<String>, remedy: &str| text.map(|text| ReleaseProblem::new(text, remedy));
        Ok(match rule {
            ReleaseRule::Name => self.found.is_none().then(|| {
                let remedy = format!("create it: `git tag -a {tag}`, or {}", self.repository.fetching());
                ReleaseProblem::new(format!("the repository has no tag {tag}"), remedy)
            }),
            ReleaseRule::Annotated => self.found.filter(|found| !found.is_annotated).map(|_| {
                ReleaseProblem::new(
                    format!("the tag {tag} is not annotated: it has no author and no date"),
                    format!(
                        "create it with a message: git tag -a -f {tag}, or fetch it as it is in the remote repository: \
                         git fetch --tags --force"
                    ),
                )
            }),
            ReleaseRule::Commit => self.found.filter(|found| found.commit != self.head).map(|found| {
                ReleaseProblem::new(
                    format!("the tag {tag} is commit {}, and {} is checked out", found.commit, self.head),
                    format!("check it out: git checkout {tag}"),
                )
            }),
            ReleaseRule::Order => self.order(),
            ReleaseRule::Clean => {
                let changes = self.repository.changes()?;
                let changed = changes.modified.iter().chain(&changes.deleted);
                let names = changed.map(|path| printable_path(path).to_string());
                let text = listed(names.collect(), ["differs from the commit", "differ from the commit"]);
                with(text, "commit the changes and move the tag, or undo them")
            }
            ReleaseRule::Version => {
                let version = self.project.values.version.as_str();
                let text = (!self.is_version(version))
                    .then(|| format!("the project has version {version}, and not {}", tag.version()));
                with(
                    text,
                    "correct the version of the project, or take it from the tag: `versionFrom: {git: tag}`",
                )
            }
            ReleaseRule::Files => with(self.files()?, "correct the version in the file"),
            ReleaseRule::Changelog => self.changelog()?,
            ReleaseRule::Lock => {
                let text =
                    listed(unlocked(self.project), ["is not in the lock file", "are not in the lock file"]);
                with(text, "run `sealift lock`, and commit sealift.lock")
            }
            ReleaseRule::Dependencies => {
                let text = listed(in_development(self.project), ["is in development", "are in development"]);
                with(text, "use a released version")
            }
        })
    }

    /// Whether a version is that of the tag. A candidate can have that of the release already.
    fn is_version(&self, version: &str) -> bool {
        let version = version.split('+').next().unwrap_or_default();
        version == self.tag.version() || version == self.tag.release()
    }

    fn order(&self) -> Option<ReleaseProblem> {
        let name = self.tag.to_string();
        let others = self.tags.iter().filter(|tag| tag.name != name);
        let others = others.filter_map(|tag| ReleaseTag::parse(&tag.name));
        let others: Vec<ReleaseTag> = others.filter(|other| other.release() == self.tag.release()).collect();
        if let Some(same) = others.iter().find(|other| *other == self.tag) {
            return Some(ReleaseProblem::new(
                format!("the tag {same} has the same version"),
                "use the next version, and delete the tag that was not released: git tag -d",
            ));
        }
        let candidate = self.tag.candidate()?;
        // A candidate that became its release stays one.
        let is_elsewhere = |release: &&ReleaseTag| {
            let name = release.to_string();
            let found = self.tags.iter().find(|tag| tag.name == name);
            found.map(|tag| &tag.commit) != self.found.map(|tag| &tag.commit)
        };
        let release = others.iter().find(|tag| tag.candidate().is_none()).filter(is_elsewhere);
        if let Some(release) = release {
            return Some(ReleaseProblem::new(
                format!("{release} is released already"),
                "use the next version; a release never changes",
            ));
        }
        let before = candidate.checked_sub(1)?;
        let is_known = others.iter().any(|tag| tag.candidate() == Some(before));
        (!is_known).then(|| {
            ReleaseProblem::new(
                format!("the candidate before it, {}-rc{before}, does not exist", self.tag.release()),
                format!("count candidates from 0 without gaps, or {}", self.repository.fetching()),
            )
        })
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
                    wrong.push(format!("{file} has version {}", printable(&text)));
                }
                Err(reason) => wrong.push(format!("{file}: {reason}")),
            }
        }
        Ok((!wrong.is_empty()).then(|| wrong.join("; ")))
    }

    fn changelog(&self) -> Result<Option<ReleaseProblem>, Error> {
        let Some(file) = &self.project.release.changelog else { return Ok(None) };
        let text = read_text(&self.project.root.join(file))?;
        let name = printable_path(file);
        let release = self.tag.release();
        let all = sections(&text);
        let Some(section) = all.iter().find(|section| self.is_version(&section.version)) else {
            return Ok(Some(ReleaseProblem::new(
                format!("{name} has no section for {release}"),
                format!("add one, with a heading such as `## {release} - 2026-01-31`"),
            )));
        };
        let heading = printable(&section.heading);
        if section.is_empty {
            return Ok(Some(ReleaseProblem::new(
                format!("the section {heading} of {name} is empty"),
                "write below its heading what is new",
            )));
        }
        let is_open = self.tag.candidate().is_none() && section.is_unreleased();
        Ok(is_open.then(|| {
            ReleaseProblem::new(
                format!("{name} says that the version is unreleased: {heading}"),
                format!("write the date of the release in its heading: `## {release} - 2026-01-31`"),
            )
        }))
    }
}

/// A problem with these things; some are named. `verbs` are for one thing and for several.
fn listed(mut names: Vec<String>, [one, several]: [&str; 2]) -> Option<String> {
    let more = names.len().saturating_sub(NAMED);
    names.truncate(NAMED);
    match (names.as_slice(), more) {
        ([], _) => None,
        ([name], _) => Some(format!("{name} {one}")),
        ([rest @ .., last], 0) => Some(format!("{} and {last} {several}", rest.join(", "))),
        (_, more) => Some(format!("{} and {more} more {several}", names.join(", "))),
    }
}
