//! The project model: what tasks are made from.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use archive::requires::Requirement;
use content::Digest;
use images::Reference;
use images::signatures::{ImageSignature, SignatureRules};
use images::source::EngineImage;

use super::book::{Book, MarkdownDocument};
use super::debian::DebRepositoryDefinition;
use super::error::{Error, Origin};
use super::file::{EvidenceEntry, ProjectKind};
use super::files::{FilesDefinition, FilesSource};
use super::git;
use super::image::{BaseImage, ImageDefinition};
use super::image_folders::{ImageFolders, RENAME};
use super::lock::{self, LockFile};
use super::names::{CargoPackage, ImageName, Mirror, RegistryHost, Tag};
use super::paths::Territory;
use super::pull::{PullDefinition, PullSource, SelectedTags};
use super::release::ReleaseDefinition;
use super::repository::{RepositoryDefinition, SpecBuilder, SpecPackage};
use super::settings::{self, Settings};
use super::signing::SigningDefinition;
use super::solution::SolutionDefinition;
use super::sources::SourceDefinition;
use super::tasks::{OwnTask, Produced};
use super::upstream::DistributionDefinition;
use super::values::Values;

/// The name of the project file.
pub const FILE_NAME: &str = "sealift.yaml";

/// The date of what has no other: a project without a commit, a package without a changelog. It is the first day that ISO
/// 9660 and every archive format can write.
pub(super) const DEFAULT_SOURCE_DATE: i64 = 315_532_800; // 1980-01-01T00:00:00Z

/// A project, ready to be turned into tasks.
#[derive(Debug)]
pub struct Project {
    /// The folder of `sealift.yaml`, absolute.
    pub root: PathBuf,
    /// The settings that it was read with.
    pub settings: Settings,
    /// Where its paths may lead.
    pub territory: Territory,
    /// The names of all its profiles.
    pub profiles: Vec<String>,
    /// What kind of archive is built.
    pub kind: ProjectKind,
    /// What templates may name: the archive's name and version.
    pub values: Values,
    /// The date of `product.txt` and the ISO, in seconds since 1970: `SOURCE_DATE_EPOCH`, else that of the commit. The content
    /// of the archive has dates of its own ([`Project::image_date`], [`Project::package_date`]), so that a commit that does
    /// not touch it does not change it.
    pub source_date: i64,
    /// The commit that is built, as `product.txt` names it, if there is one.
    pub revision: Option<String>,
    /// The hash of that commit.
    pub commit: Option<String>,
    /// The environment variables that variables of the project have their values from.
    pub environment: BTreeSet<String>,
    /// What the archive states about itself.
    pub evidence: EvidenceEntry,
    /// The repository that holds the project, if there is one.
    pub(crate) repository: Option<git::GitRepository>,
    /// Programs built from the project's sources.
    pub binaries: Vec<Program>,
    /// Tasks of the project's own.
    pub tasks: Vec<OwnTask>,
    /// The pools of these tasks, each with how many of them run at once.
    pub pools: BTreeMap<String, u32>,
    /// What these tasks write.
    pub produced: Produced,
    /// How registries are reached.
    pub registries: Vec<RegistryAccess>,
    /// Which images need signatures, and by whom.
    pub image_signatures: SignatureRules,
    /// The signatures that the lock file has, by the reference of their image.
    pub locked_signatures: BTreeMap<Reference, ImageSignature>,
    /// Images to pull, each with the digest that it is pulled by.
    pub pull: Vec<PullDefinition>,
    /// Tags to pull that a pattern or a range stands for; [`Project::pull`] has those in the lock file.
    pub selections: Vec<SelectedTags>,
    /// Images to build.
    pub images: Vec<ImageDefinition>,
    /// Repositories of RPMs.
    pub repositories: Vec<RepositoryDefinition>,
    /// Repositories of Debian packages.
    pub deb_repositories: Vec<DebRepositoryDefinition>,
    /// How upstream packages are chosen, by release; a release that is not here has the defaults.
    pub distributions: Vec<DistributionDefinition>,
    /// What signs packages and repositories, if anything does.
    pub signing: Option<SigningDefinition>,
    /// What the tag of a release is compared with.
    pub release: ReleaseDefinition,
    /// Archives that must be imported before this one.
    pub requires: Vec<Requirement>,
    /// What makes the archive a Solution, if it is one.
    pub solution: Option<SolutionDefinition>,
    /// Files that are copied or rendered into the archive.
    pub files: Vec<FilesDefinition>,
    /// The documents of the archive, the chapters of its books included.
    pub documentation: Vec<MarkdownDocument>,
    /// The books among the documents.
    pub books: Vec<Book>,
    /// Sources outside the project.
    pub external_sources: Vec<SourceDefinition>,
    /// Every file that was read to make this model.
    pub sources: Vec<PathBuf>,
    /// The folders of the images in the archive.
    pub(super) folders: ImageFolders,
}

/// A program that cargo builds.
#[derive(Debug, Clone)]
pub struct Program {
    /// The cargo package and its binary.
    pub package: CargoPackage,
    /// Its path in the archive, if it is shipped by itself, with the entry that names it.
    pub shipped: Option<(PathBuf, Origin)>,
}

/// The name and the tag that an image is served under.
fn place(pull: &PullDefinition) -> (ImageName, Tag) {
    (pull.name.clone(), pull.tag.clone())
}

/// How a registry is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryAccess {
    /// The host of the registry.
    pub host: RegistryHost,
    /// Mirrors to ask first, in order.
    pub mirrors: Vec<Mirror>,
    /// Whether plain HTTP is spoken to the host.
    pub plain_http: bool,
    /// PEM files with certificate authorities, absolute.
    pub certificate_authorities: Vec<PathBuf>,
    /// PEM files of the client certificate and its key, absolute.
    pub client_certificate: Option<(PathBuf, PathBuf)>,
}

impl Project {
    /// The folder that holds `sealift.yaml`: `start` or the nearest folder above it.
    ///
    /// # Errors
    ///
    /// No folder on the way up holds that file.
    pub fn find(start: &Path) -> Result<PathBuf, Error> {
        start
            .ancestors()
            .find(|folder| folder.join(FILE_NAME).symlink_metadata().is_ok())
            .map(Path::to_path_buf)
            .ok_or_else(|| Error::NoProject(start.into()))
    }

    /// The images to pull with the tags that `lock` has for the selections of the project.
    #[must_use]
    pub fn pulls(&self, lock: &LockFile) -> Vec<PullDefinition> {
        let mut pulls: Vec<PullDefinition> =
            self.pull.iter().filter(|pull| !pull.is_selected).cloned().collect();
        let mut seen: BTreeSet<(ImageName, Tag)> = pulls.iter().map(place).collect();
        for pull in self.selections.iter().filter_map(|selection| selection.pulls(lock)).flatten() {
            if seen.insert(place(&pull)) {
                pulls.push(pull);
            }
        }
        pulls
    }

    /// Checks that each image has a place of its own in the archive, with the tags that `lock` has.
    ///
    /// # Errors
    ///
    /// The first two images that have one place, or of which one would be inside the other, at the entry of the second.
    pub fn check_places(&self, lock: &LockFile) -> Result<(), Error> {
        let mut folders = ImageFolders::default();
        let built = self
            .images
            .iter()
            .flat_map(|image| image.tags.iter().map(|tag| (&image.origin, &image.name, tag)));
        let pulls = self.pulls(lock);
        let pulled = pulls.iter().flat_map(|pull| pull.all_tags().map(|tag| (&pull.origin, &pull.name, tag)));
        for (origin, name, tag) in built.chain(pulled) {
            folders.add(name, tag).map_err(|message| Error::of(origin, format!("{message}: {RENAME}")))?;
        }
        Ok(())
    }

    /// The references that `lock` has digests for: every tag that the project itself does not pin, each once.
    #[must_use]
    pub fn tags(&self, lock: &LockFile) -> Vec<Reference> {
        let pulls = self.pulls(lock);
        let pulls = pulls.iter().filter(|pull| !pull.is_pinned).filter_map(PullDefinition::reference);
        let bases = self.bases().map(|base| &base.reference).filter(|base| base.digest().is_none());
        let mut seen = BTreeSet::new();
        pulls.chain(bases).filter(|reference| seen.insert(*reference)).cloned().collect()
    }

    /// Every image of a registry that the project uses, with the digest of `lock` or its own: images to pull and base images, each
    /// once.
    #[must_use]
    pub fn images_of_registries(&self, lock: &LockFile) -> BTreeMap<Reference, Option<Digest>> {
        let pulls = self.pulls(lock);
        let pulls = pulls.iter().filter_map(|pull| {
            let own = pull.digest.filter(|_| pull.is_pinned);
            pull.reference().map(|reference| (reference, own))
        });
        let bases = self.bases().map(|base| (&base.reference, base.reference.digest().copied()));
        let all = pulls.chain(bases);
        all.map(|(reference, own)| (reference.clone(), own.or_else(|| lock.digest(reference)))).collect()
    }

    /// Whether a rule requires a signature of an image, and the lock file has none that counts.
    #[must_use]
    pub fn lacks_signature(&self, reference: &Reference, image: &Digest) -> bool {
        let Some(signers) = self.image_signatures.required(reference) else { return false };
        let locked = self.locked_signatures.get(reference);
        !locked.is_some_and(|signature| signers.accept(signature, image))
    }

    /// The images of container engines that `lock` has IDs for: all that the project itself does not pin, each once.
    #[must_use]
    pub fn engine_images(&self) -> BTreeSet<EngineImage> {
        let engine = |pull: &PullDefinition| match &pull.source {
            PullSource::Engine(image) if !pull.is_pinned => Some(image.clone()),
            _ => None,
        };
        self.pull.iter().filter_map(engine).collect()
    }

    /// The images that others are built on, and those that build packages.
    fn bases(&self) -> impl Iterator<Item = &BaseImage> {
        fn builder(spec: &SpecPackage) -> Option<&BaseImage> {
            match &spec.builder {
                SpecBuilder::Image(image) => Some(image),
                SpecBuilder::Host => None,
            }
        }
        let specs = self.repositories.iter().flat_map(|repository| &repository.specs);
        self.images.iter().flat_map(|image| &image.bases).chain(specs.filter_map(builder))
    }

    /// Every file and folder that this model and its tasks depend on. Some may not exist.
    #[must_use]
    pub fn deciding(&self) -> Vec<PathBuf> {
        let optional = [lock::FILE_NAME, settings::DOT_ENV].map(|name| self.root.join(name));
        let pages = self.documentation.iter().map(|page| self.root.join(&page.path));
        let mut deciding: Vec<PathBuf> = self.sources.iter().cloned().chain(optional).chain(pages).collect();
        for files in &self.files {
            if let FilesSource::Data(data) = &files.source {
                deciding.extend(data.files().into_iter().map(|(_, path)| path.to_path_buf()));
            }
            match self.list(files) {
                Ok(listing) => {
                    deciding.extend(listing.followed);
                    deciding.extend(listing.files.into_iter().map(|file| file.source));
                }
                // It is listed again once it has changed.
                Err(_) => deciding.extend(files.local().map(|local| self.root.join(&local.from))),
            }
        }
        let debs = self.deb_repositories.iter().flat_map(|repository| &repository.packages);
        for package in self.repositories.iter().flat_map(|repository| &repository.packages).chain(debs) {
            // It is listed again once it has changed.
            let expanded = self.expand_package(package);
            let expanded = expanded.unwrap_or_else(|_| package.definition.clone().into());
            deciding.extend(expanded.links.iter().map(|link| self.root.join(link)));
            let sources = expanded.definition.files.iter().filter(|file| !self.makes_package_folder(file));
            deciding.extend(sources.map(|file| self.root.join(file.source().path())));
        }
        let rpms = self.repositories.iter().flat_map(|repository| &repository.rpms);
        deciding.extend(rpms.map(|rpm| rpm.path.clone()));
        let debs = self.deb_repositories.iter().flat_map(|repository| &repository.debs);
        deciding.extend(debs.map(|deb| deb.path.clone()));
        let specs = self.repositories.iter().flat_map(|repository| &repository.specs);
        deciding.extend(specs.flat_map(|spec| &spec.files).map(|file| self.root.join(file)));
        deciding
    }

    /// The date of an image, in seconds since 1970: `SOURCE_DATE_EPOCH`, else the one that it declares, else 1970, as other
    /// builders have it.
    #[must_use]
    pub fn image_date(&self, declared: Option<i64>) -> i64 {
        self.settings.source_date.or(declared).unwrap_or_default()
    }

    /// The date of a package, in seconds since 1970: `SOURCE_DATE_EPOCH`, else the one that it declares or that of its newest
    /// changelog entry, else a constant.
    #[must_use]
    pub fn package_date(&self, definition: &packages::RpmDefinition) -> i64 {
        self.settings.source_date.or(definition.date()).unwrap_or(DEFAULT_SOURCE_DATE)
    }

    /// The date of a package from a spec file, in seconds since 1970: `SOURCE_DATE_EPOCH`, else that of its newest changelog entry,
    /// else a constant.
    #[must_use]
    pub fn spec_date(&self, spec: &SpecPackage) -> i64 {
        self.settings.source_date.or(spec.date).unwrap_or(DEFAULT_SOURCE_DATE)
    }

    /// The first part of the names under which a node serves the images. A name has no `+` and no `~`.
    #[must_use]
    pub fn repository_prefix(&self) -> String {
        self.product(None).repository_prefix()
    }

    /// The tree that the ISO is made of.
    #[must_use]
    pub fn tree(&self) -> PathBuf {
        self.settings.build_root.join("root")
    }

    /// The ISO.
    #[must_use]
    pub fn iso(&self) -> PathBuf {
        self.settings.build_root.join(format!("{}.iso", self.values.slug))
    }
}
