//! All packages that a solver may choose from, of all repositories.

use std::cmp::Ordering;
use std::fmt;

use super::expression::{Evr, Expression, ExpressionId, Expressions};
use super::modules::Modules;
use super::text::{Text, Texts, TextsFull};
use super::{Groups, checksum::ChecksumKind};
use crate::dependency::{self, Dependency, Relation, VersionComparison};
use crate::version;

/// The number of a repository in its pool, in the order in which they were added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RepositoryId(pub(crate) u16);

/// The number of a package in its pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PackageId(pub(crate) u32);

impl PackageId {
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

impl RepositoryId {
    pub(crate) fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// A repository and how its packages count.
#[derive(Clone, Debug)]
pub struct Repository {
    /// Its name in messages.
    pub name: String,
    /// Packages of a lower number are better than any of a higher one, whatever their versions; dnf's default is 99.
    pub priority: i32,
    /// Whether its packages are on the nodes already: they are preferred to all others, and not part of an answer.
    pub on_nodes: bool,
    /// Patterns of packages to ignore: a name or `NAME-VERSION-RELEASE.ARCH`, with `*`, `?` and `[…]`.
    pub exclude: Vec<String>,
    /// Patterns of the only packages that count; all do where there are none.
    pub include: Vec<String>,
    /// Whether its packages count although an active stream of a module has packages of their names.
    pub module_hotfixes: bool,
    pub(crate) groups: Groups,
    pub(crate) modules: Modules,
}

impl Repository {
    /// A repository of dnf's default priority.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            priority: 99,
            on_nodes: false,
            exclude: Vec::new(),
            include: Vec::new(),
            module_hotfixes: false,
            groups: Groups::default(),
            modules: Modules::default(),
        }
    }
}

/// A package of a repository. Its texts are those of its [`Pool`].
#[derive(Clone, Debug)]
pub struct Package {
    /// The repository.
    pub repository: RepositoryId,
    /// The name.
    pub name: Text,
    /// The architecture: `x86_64`, `noarch`; `src` for a source package.
    pub arch: Text,
    /// The epoch, version and release.
    pub evr: Evr,
    /// The kind of the checksum.
    pub checksum_kind: ChecksumKind,
    /// The checksum of the file, in lowercase hexadecimal: the package's identity in its repository.
    pub checksum: Text,
    /// The path of the file from the folder of the repository, or from [`base`](Self::base).
    pub location: Text,
    /// The URL that the location starts at where it is not the repository's; else empty.
    pub base: Text,
    /// The size of the file, in bytes.
    pub size: u64,
    /// The size of its files when they are installed, in bytes.
    pub installed_size: u64,
    /// When it was built, in Unix seconds.
    pub build_time: i64,
    /// The file name of the source package; empty if unknown.
    pub source: Text,
    /// The licence, as the package states it; empty if unknown.
    pub license: Text,
    /// Where each of its lists starts in the pool's, in the order of [`Relation::ALL`], and where the last one ends.
    pub(crate) lists: [u32; 9],
}

impl Package {
    /// Stands for no package.
    pub(crate) const NOTHING: Self = Self {
        repository: RepositoryId(u16::MAX),
        name: Text::EMPTY,
        arch: Text::EMPTY,
        evr: Evr { epoch: 0, version: Text::EMPTY, release: Text::EMPTY },
        checksum_kind: ChecksumKind::Sha256,
        checksum: Text::EMPTY,
        location: Text::EMPTY,
        base: Text::EMPTY,
        size: 0,
        installed_size: 0,
        build_time: 0,
        source: Text::EMPTY,
        license: Text::EMPTY,
        lists: [0; 9],
    };
}

/// A path of a package: its folder with the last `/`, its name, and the package.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PackagePath {
    pub(crate) folder: Text,
    pub(crate) name: Text,
    pub(crate) package: PackageId,
}

/// The packages of several repositories.
#[derive(Debug, Default)]
pub struct Pool {
    pub(crate) texts: Texts,
    pub(crate) expressions: Expressions,
    pub(crate) repositories: Vec<Repository>,
    pub(crate) packages: Vec<Package>,
    pub(crate) relations: Vec<ExpressionId>,
    pub(crate) paths: Vec<PackagePath>,
}

impl Pool {
    /// A pool without packages.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a repository. Where nothing else decides, packages of the first one are taken.
    ///
    /// # Panics
    ///
    /// Never: repositories beyond 65,535 share the last number.
    pub fn add_repository(&mut self, repository: Repository) -> RepositoryId {
        let id = RepositoryId(u16::try_from(self.repositories.len()).unwrap_or(u16::MAX));
        self.repositories.push(repository);
        id
    }

    /// The repositories, in their order.
    pub fn repositories(&self) -> impl ExactSizeIterator<Item = (RepositoryId, &Repository)> {
        self.repositories
            .iter()
            .enumerate()
            .map(|(index, one)| (RepositoryId(u16::try_from(index).unwrap_or(u16::MAX)), one))
    }

    /// A repository of this pool.
    #[must_use]
    pub fn repository(&self, id: RepositoryId) -> Option<&Repository> {
        self.repositories.get(id.index())
    }

    /// The packages, in the order in which they were read.
    pub fn packages(&self) -> impl ExactSizeIterator<Item = (PackageId, &Package)> {
        self.packages
            .iter()
            .enumerate()
            .map(|(index, one)| (PackageId(u32::try_from(index).unwrap_or(u32::MAX)), one))
    }

    /// A package of this pool.
    #[must_use]
    pub fn package(&self, id: PackageId) -> Option<&Package> {
        self.packages.get(id.index())
    }

    /// The paths that are known of packages: the folder with the last `/`, and the name.
    pub fn paths(&self) -> impl ExactSizeIterator<Item = (PackageId, Text, Text)> {
        self.paths.iter().map(|path| (path.package, path.folder, path.name))
    }

    /// A text of this pool.
    #[must_use]
    pub fn text(&self, text: Text) -> &str {
        self.texts.get(text)
    }

    /// What a package requires, provides and so on.
    #[must_use]
    pub fn relations(&self, package: &Package, relation: Relation) -> &[ExpressionId] {
        let index = relation as usize;
        let (Some(start), Some(end)) = (package.lists.get(index), package.lists.get(index + 1)) else {
            return &[];
        };
        self.relations.get(*start as usize..*end as usize).unwrap_or_default()
    }

    /// An expression of this pool.
    #[must_use]
    pub fn expression(&self, id: ExpressionId) -> Expression {
        self.expressions.get(id)
    }

    /// `NAME-[EPOCH:]VERSION-RELEASE.ARCH`, for people.
    #[must_use]
    pub fn nevra(&self, package: &Package) -> String {
        format!("{}-{}.{}", self.text(package.name), self.evr_text(package.evr), self.text(package.arch))
    }

    /// `[EPOCH:]VERSION[-RELEASE]`.
    #[must_use]
    pub fn evr_text(&self, evr: Evr) -> String {
        let mut text = String::new();
        if evr.epoch != 0 {
            text = format!("{}:", evr.epoch);
        }
        text.push_str(self.text(evr.version));
        if evr.release != Text::EMPTY {
            text.push('-');
            text.push_str(self.text(evr.release));
        }
        text
    }

    /// An expression as a spec file has it, for people.
    #[must_use]
    pub fn expression_text(&self, id: ExpressionId) -> String {
        let mut text = String::new();
        // Writing into a text does not fail.
        let _ = self.write_expression(&mut text, id, false);
        text
    }

    fn write_expression(&self, to: &mut String, id: ExpressionId, inside: bool) -> fmt::Result {
        use fmt::Write as _;
        match self.expression(id) {
            Expression::Capability { name, version } => {
                to.push_str(self.text(name));
                if let Some((comparison, evr)) = version {
                    write!(to, " {} {}", comparison.as_str(), self.evr_text(evr))?;
                }
                Ok(())
            }
            Expression::Rich { operator, left, right } => {
                let open = !inside || operator != dependency::Operator::Else;
                to.push_str(if open { "(" } else { "" });
                self.write_expression(to, left, false)?;
                write!(to, " {} ", operator.as_str())?;
                self.write_expression(to, right, true)?;
                to.push_str(if open { ")" } else { "" });
                Ok(())
            }
        }
    }

    /// The order of two versions. Where one of them leaves the release open, the release does not count.
    #[must_use]
    pub fn compare(&self, first: Evr, second: Evr) -> Ordering {
        if first == second {
            return Ordering::Equal;
        }
        let text = |one: Text, other: Text| match one == other {
            true => Ordering::Equal,
            false => version::compare(self.text(one), self.text(other)),
        };
        let release = || match first.release == Text::EMPTY || second.release == Text::EMPTY {
            true => Ordering::Equal,
            false => text(first.release, second.release),
        };
        let epoch = first.epoch.cmp(&second.epoch);
        epoch.then_with(|| text(first.version, second.version)).then_with(release)
    }

    /// Adds a dependency that no package of the pool has, for a request.
    ///
    /// # Errors
    ///
    /// [`Error::Metadata`](crate::Error::Metadata) where the pool is full.
    pub fn add_requirement(&mut self, dependency: &Dependency) -> crate::Result<ExpressionId> {
        let added = self.add_dependency(dependency.name(), dependency.version().map(parts_of_version));
        added.map_err(|full| super::metadata_error(std::path::Path::new("request"))(full.into()))
    }

    /// Adds what stands in a list of a package: a name and a comparison, or a rich dependency.
    pub(crate) fn add_dependency(
        &mut self,
        name: &str,
        version: Option<(VersionComparison, u32, &str, &str)>,
    ) -> Result<ExpressionId, TextsFull> {
        if name.starts_with('(')
            && version.is_none()
            && let Some(rich) = self.add_rich(name)?
        {
            return Ok(rich);
        }
        let version = match version {
            None => None,
            Some((comparison, epoch, version, release)) => {
                let (version, release) = (self.texts.add(version)?, self.texts.add(release)?);
                Some((comparison, Evr { epoch, version, release }))
            }
        };
        let name = self.texts.add(name)?;
        self.expressions.add(Expression::Capability { name, version })
    }

    fn add_rich(&mut self, text: &str) -> Result<Option<ExpressionId>, TextsFull> {
        let pool = std::cell::RefCell::new(self);
        let simple = |one: &Dependency| {
            pool.borrow_mut().add_dependency(one.name(), one.version().map(parts_of_version))
        };
        let tie = |operator, left, right| {
            pool.borrow_mut().expressions.add(Expression::Rich { operator, left, right })
        };
        dependency::fold(text, simple, tie)
    }
}

fn parts_of_version((comparison, text): (VersionComparison, &str)) -> (VersionComparison, u32, &str, &str) {
    let (epoch, version, release) = version::split(text);
    (comparison, epoch.parse().unwrap_or(u32::MAX), version, release.unwrap_or_default())
}
