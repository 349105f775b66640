//! Images to pull.

use std::fmt;

use content::Digest;
use images::pull::is_attached_tag;
use images::source::{EngineImage, LocalImage};
use images::tags::TagFilter;
use images::{Platform, Reference};

use super::error::Origin;
use super::lock::{LockFile, LockedReferrers};
use super::names::{ImageName, ParsedName as _, Tag, TagPattern, TagRange};

/// An image to pull.
#[derive(Debug, Clone)]
pub struct PullDefinition {
    /// The entry that asks for it.
    pub origin: Origin,
    /// The name it is served under.
    pub name: ImageName,
    /// The tag it is served under.
    pub tag: Tag,
    /// Further tags that it is served under.
    pub aliases: Vec<Tag>,
    /// Where it comes from.
    pub source: PullSource,
    /// The digest: that of the project file, else that of the lock file, else none. For an image of a container engine, the ID:
    /// the digest of its configuration.
    pub digest: Option<Digest>,
    /// Whether the project file has the digest, so that the lock file need not.
    pub is_pinned: bool,
    /// The platforms of an image index to keep; all where it is empty.
    pub platforms: Vec<Platform>,
    /// Whether its referrers are pulled: the project asks for them, or a rule requires a signature.
    pub with_referrers: bool,
    /// The lists of its referrers, if they are wanted and locked.
    pub referrers: Option<LockedReferrers>,
    /// Whether it is also saved as a tar.
    pub tar: bool,
    /// Whether its tag comes from a pattern or a range.
    pub is_selected: bool,
}

/// Where an image to pull comes from.
#[derive(Debug, Clone)]
pub enum PullSource {
    /// A registry: the reference with its tag.
    Registry(Reference),
    /// A file or folder of the project.
    Local {
        /// As the project file has it.
        text: String,
        /// With an absolute path.
        local: LocalImage,
    },
    /// The storage of a container engine of this machine: the image with its tag.
    Engine(EngineImage),
}

impl PullDefinition {
    /// The reference of an image of a registry, by which the lock file has its digest.
    #[must_use]
    pub fn reference(&self) -> Option<&Reference> {
        match &self.source {
            PullSource::Registry(reference) => Some(reference),
            PullSource::Local { .. } | PullSource::Engine(_) => None,
        }
    }

    /// What the lock file names it by; `None` for an image in the project, which needs no lock.
    #[must_use]
    pub fn locked_name(&self) -> Option<String> {
        match &self.source {
            PullSource::Registry(reference) => Some(reference.to_string()),
            PullSource::Engine(image) => Some(image.to_string()),
            PullSource::Local { .. } => None,
        }
    }

    /// Whether `other` puts the same image into the same place of the archive.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.reference().is_some() && self.identity() == other.identity()
    }

    /// What it puts where: its name, its tag, its reference, and the digest that the project has for it.
    fn identity(&self) -> (&ImageName, &Tag, Option<&Reference>, Option<Digest>) {
        (&self.name, &self.tag, self.reference(), self.digest.filter(|_| self.is_pinned))
    }

    /// All tags that it is served under.
    pub fn all_tags(&self) -> impl Iterator<Item = &Tag> {
        std::iter::once(&self.tag).chain(&self.aliases)
    }

    /// The platforms to keep, with blanks between them.
    #[must_use]
    pub fn platform_names(&self) -> String {
        self.platforms.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }
}

impl fmt::Display for PullSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registry(reference) => reference.fmt(f),
            Self::Local { text, .. } => f.write_str(text),
            Self::Engine(image) => image.fmt(f),
        }
    }
}

/// What the images of one entry of the project have in common.
#[derive(Debug, Clone)]
pub(super) struct PullTemplate {
    pub(super) origin: Origin,
    pub(super) name: ImageName,
    pub(super) aliases: Vec<Tag>,
    /// The digest that the project has for its image.
    pub(super) digest: Option<Digest>,
    pub(super) platforms: Vec<Platform>,
    pub(super) with_referrers: bool,
    pub(super) tar: bool,
}

impl PullTemplate {
    /// The image with the tag `tag`, with what `lock` has of it: its digest, unless the project has it, and the lists of its
    /// referrers.
    pub(super) fn image(&self, tag: Tag, source: PullSource, lock: &LockFile) -> PullDefinition {
        let mut pull = PullDefinition {
            origin: self.origin.clone(),
            name: self.name.clone(),
            tag,
            aliases: self.aliases.clone(),
            source,
            digest: self.digest,
            is_pinned: self.digest.is_some(),
            platforms: self.platforms.clone(),
            with_referrers: self.with_referrers,
            referrers: None,
            tar: self.tar,
            is_selected: false,
        };
        match &pull.source {
            PullSource::Registry(reference) => {
                let referrers = self.with_referrers.then(|| lock.referrers(reference).cloned()).flatten();
                (pull.digest, pull.referrers) = (self.digest.or_else(|| lock.digest(reference)), referrers);
            }
            PullSource::Engine(image) => pull.digest = self.digest.or_else(|| lock.id(image)),
            PullSource::Local { .. } => {}
        }
        pull
    }
}

/// Tags of a repository that `sealift lock` chooses.
#[derive(Debug, Clone)]
pub struct SelectedTags {
    /// Which tags.
    pub selection: TagSelection,
    /// The repository.
    pub repository: Reference,
    /// Whether the lock file has them.
    pub is_locked: bool,
    pub(super) template: PullTemplate,
}

impl SelectedTags {
    pub(super) fn new(repository: Reference, selection: TagSelection, template: PullTemplate) -> Self {
        Self { selection, repository, is_locked: false, template }
    }

    /// The entry of the project that asks for them.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.template.origin
    }

    /// The images with the tags that `lock` has; `None` if it has none.
    #[must_use]
    pub fn pulls(&self, lock: &LockFile) -> Option<Vec<PullDefinition>> {
        let tags = lock.tags(&self.repository.name(), &self.selection.to_string())?;
        // What is attached to the images is pulled with them.
        let is_pulled = |tag: &&Tag| !(self.template.with_referrers && is_attached_tag(tag.as_str()));
        let pulls = tags.iter().filter(is_pulled).filter_map(|tag| {
            // A locked tag is one.
            let source = PullSource::Registry(self.repository.with_tag(tag.as_str()).ok()?);
            Some(PullDefinition { is_selected: true, ..self.template.image(tag.clone(), source, lock) })
        });
        Some(pulls.collect())
    }
}

impl fmt::Display for SelectedTags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.repository.name(), self.selection)
    }
}

/// Which tags of a repository are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagSelection {
    rule: SelectionRule,
    latest: Option<u32>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum SelectionRule {
    Pattern(TagPattern),
    Range(TagRange),
}

impl TagSelection {
    /// The tags in which a regular expression finds something; with `latest`, only so many of the newest.
    pub(super) fn pattern(pattern: TagPattern, latest: Option<u32>) -> Self {
        Self { rule: SelectionRule::Pattern(pattern), latest }
    }

    /// The tags that are versions in a range; with `latest`, only so many of the newest.
    pub(super) fn range(range: TagRange, latest: Option<u32>) -> Self {
        Self { rule: SelectionRule::Range(range), latest }
    }

    /// Those of `tags` that are meant, the oldest first.
    ///
    /// # Errors
    ///
    /// A sentence, if the rule is invalid. A parsed one never is.
    pub fn choose(&self, tags: &[String]) -> Result<Vec<Tag>, String> {
        let filter = match &self.rule {
            SelectionRule::Pattern(pattern) => TagFilter::pattern(pattern.as_str())?,
            SelectionRule::Range(range) => TagFilter::versions(range.as_str())?,
        };
        let latest = self.latest.map(|latest| usize::try_from(latest).unwrap_or(usize::MAX));
        filter.choose(tags, latest).iter().map(|tag| Tag::parse(tag)).collect()
    }
}

impl fmt::Display for TagSelection {
    /// As the lock file names it. What is in front of the rule cannot be a part of it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(latest) = self.latest {
            write!(f, "latest {latest} of ")?;
        }
        match &self.rule {
            SelectionRule::Pattern(pattern) => write!(f, "tagPattern {}", pattern.as_str()),
            SelectionRule::Range(range) => write!(f, "semver {}", range.as_str()),
        }
    }
}
