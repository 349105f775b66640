//! Where things lie in an archive: the names that outsiders rely on.

use content::{Digest, printable};

/// Product information of a platform archive, and of a Solution archive of the older layout.
pub const PRODUCT: &str = "product.txt";
/// Product information of a Solution archive.
pub const MANIFEST: &str = "manifest.yaml";
/// The archives that this one requires; see [`crate::requires`].
pub const REQUIRES: &str = "requires.json";
/// SHA-256 of every other file, in the format of coreutils' `sha256sum`.
pub const SUMS: &str = "SHA256SUMS";
/// The symbolic links of the archive with their targets; see [`crate::links`].
pub const LINKS: &str = "LINKS.mtree";
/// The folder of the container images, each in `<name>/<tag>/` as skopeo's `dir:` transport lays it out.
pub const IMAGES: &str = "images";
/// The references that the images were published under; see [`images::original_names`].
pub const ORIGINAL_NAMES: &str = "images/original-names.json";
/// Which images need signatures, and the keys that count; see [`images::signatures`].
pub const IMAGE_POLICY: &str = "attestations/image-policy.json";
/// The index beside the images that keeps the nginx configuration at constant size.
pub const REGISTRY: &str = "registry";
/// The part of [`REGISTRY`] for the names that the images were published under.
pub const REGISTRY_HOSTS: &str = "registry/hosts";
/// The nginx configuration template of a platform archive.
pub const REGISTRY_CONFIG: &str = "registry-config.inc.j2";
/// [`REGISTRY_CONFIG`] with the values filled in, for a Solution that is mounted where the guidelines say.
pub const REGISTRY_CONFIG_INCLUDE: &str = "registry-config.inc";
/// The folder of the manifests that deploy the operator of a Solution: `crds/` and `role.yaml`.
pub const OPERATOR: &str = "operator/deploy";
/// The folder of the CustomResourceDefinitions of a Solution.
pub const CRDS: &str = "operator/deploy/crds";
/// The roles of the operator of a Solution.
pub const ROLES: &str = "operator/deploy/role.yaml";
/// The folder of the package repositories.
pub const PACKAGES: &str = "packages";
/// The Salt state tree.
pub const SALT: &str = "salt";
/// The folder of the documentation, `index.html` first.
pub const DOCUMENTATION: &str = "documentation";
/// The folder of what an archive states about itself.
pub const ATTESTATIONS: &str = "attestations";
/// What the archive was built from: a predicate of SLSA Provenance 1, see [`trust::Provenance`].
pub const PROVENANCE: &str = "attestations/provenance.json";
/// The Salt pillar.
pub const PILLAR: &str = "pillar";

/// The SBOM of the archive; see [`crate::sbom`].
pub const ARCHIVE_SBOM: &str = "attestations/archive.spdx.json";

/// The SBOM of an image: `attestations/images/<name>/<tag>.spdx.json`.
#[must_use]
pub fn image_sbom(name: &str, tag: &str) -> String {
    format!("{ATTESTATIONS}/{IMAGES}/{name}/{tag}{SBOM_EXTENSION}")
}

/// How the names of SBOMs end.
pub const SBOM_EXTENSION: &str = ".spdx.json";

/// The raw manifest (or index) of an image folder; its SHA-256 is the digest of the image.
pub const IMAGE_MANIFEST: &str = "manifest.json";
/// The format mark of an image folder.
pub const IMAGE_VERSION: &str = "version";
/// What stands in [`IMAGE_VERSION`].
pub const IMAGE_VERSION_CONTENT: &str = "Directory Transport Version: 1.1\n";

/// Whether the server does not serve a path without links. The pillar is for the Salt master alone, which hands each node
/// its part: it may hold secrets.
#[must_use]
pub fn is_hidden(path: &str) -> bool {
    path.split('/').next() == Some(PILLAR)
}

/// [`SUMS`] of the files that are not served: a digest can reveal a short secret, so `SHA256SUMS`, which anybody can get,
/// has only that of this list. Its paths are relative to the root of the archive.
pub const HIDDEN_SUMS: &str = "pillar/SHA256SUMS";
/// [`LINKS`] of the links that are not served.
pub const HIDDEN_LINKS: &str = "pillar/LINKS.mtree";

/// The SHA-256 that the name of a file promises: a blob or manifest of an image, or one of the registry tree. A list of referrers
/// has the name of what it is about, not its own.
///
/// ```
/// use archive::layout::named_digest;
/// let hex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
/// assert!(named_digest(&format!("images/app/1/{hex}")).is_some());
/// assert!(named_digest(&format!("registry/v2/app/manifests/sha256/{hex}/m.ociman")).is_some());
/// assert!(named_digest(&format!("registry/hosts/quay.io/app/_manifests/sha256/{hex}/m.ociman")).is_some());
/// assert!(named_digest(&format!("registry/v2/app/referrers/sha256/{hex}")).is_none());
/// ```
#[must_use]
pub fn named_digest(path: &str) -> Option<Digest> {
    let (top, rest) = path.split_once('/')?;
    let (folder, name) = path.rsplit_once('/')?;
    let digits = match top {
        IMAGES => name.strip_suffix(".manifest.json").unwrap_or(name),
        REGISTRY if rest.starts_with("blobs/sha256/") => name,
        REGISTRY if name.starts_with("m.") => {
            let (folder, digits) = folder.rsplit_once('/')?;
            let holds_manifests = match rest.split_once('/')? {
                ("v2", _) => folder.ends_with("/manifests/sha256"),
                ("hosts", _) => folder.ends_with("/_manifests/sha256"),
                _ => false,
            };
            Some(digits).filter(|_| holds_manifests)?
        }
        _ => return None,
    };
    Digest::from_hex(digits).ok()
}

/// The folder of an image: `images/<name>/<tag>`. Names may be nested (`library/redis`).
#[must_use]
pub fn image_folder(name: &str, tag: &str) -> String {
    format!("{IMAGES}/{name}/{tag}")
}

/// The folder of an RPM repository: `packages/redhat/<release>/<project>-<repository>-el<release>`.
#[must_use]
pub fn rpm_repository(project: &str, repository: &str, release: &str) -> String {
    format!("{PACKAGES}/redhat/{release}/{project}-{repository}-el{release}")
}

/// The folder of a repository of Debian packages: `packages/debian/<release>/<project>-<repository>`. Nodes serve it as
/// `debian/<release>/<repository>`, too.
#[must_use]
pub fn deb_repository(project: &str, repository: &str, release: &str) -> String {
    format!("{PACKAGES}/debian/{release}/{project}-{repository}")
}

/// The name of an RPM repository without the project, as cluster nodes ask for it: `<repository>-el<release>`.
///
/// `None` where `folder` is not a repository folder of `project`.
#[must_use]
pub fn rpm_repository_name<'a>(folder: &'a str, project: &str) -> Option<&'a str> {
    folder.strip_prefix(project)?.strip_prefix('-').filter(|rest| !rest.is_empty())
}

/// Who a file of the archive belongs to, for people who must know what a damaged file breaks.
///
/// ```
/// use archive::layout::{owner, PathOwner};
/// assert_eq!(owner("images/redis/7/manifest.json"), PathOwner::Image { name: "redis".into(), tag: "7".into() });
/// assert_eq!(owner("product.txt"), PathOwner::Archive);
/// ```
#[must_use]
pub fn owner(path: &str) -> PathOwner {
    let (top, rest) = path.split_once('/').unwrap_or((path, ""));
    let (folder, file) = rest.rsplit_once('/').unwrap_or(("", rest));
    match top {
        // An image saved for an engine lies beside the folders of images.
        IMAGES if file.ends_with(".tar") => PathOwner::Archive,
        IMAGES => match folder.rsplit_once('/') {
            Some((name, tag)) => PathOwner::Image { name: name.to_owned(), tag: tag.to_owned() },
            None => PathOwner::Archive,
        },
        REGISTRY => PathOwner::Registry,
        PACKAGES => match file.strip_suffix(".rpm").or_else(|| file.strip_suffix(".deb")) {
            Some(package) => {
                PathOwner::Package { package: package.to_owned(), repository: repository_of(folder) }
            }
            None if folder.is_empty() => PathOwner::Archive,
            None => PathOwner::Repository { repository: repository_of(folder) },
        },
        SALT | PILLAR => PathOwner::Salt,
        _ => PathOwner::Archive,
    }
}

/// `redhat/8/sealift-scality-el8/x86_64` → `redhat/8/sealift-scality-el8`: the first three parts.
fn repository_of(folder: &str) -> String {
    folder.split('/').take(3).collect::<Vec<_>>().join("/")
}

/// What a file belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PathOwner {
    /// The archive itself: product information, scripts, documents.
    Archive,
    /// A container image.
    Image {
        /// Its name below `images/`.
        name: String,
        /// Its tag.
        tag: String,
    },
    /// The index that nginx serves the images from.
    Registry,
    /// One package.
    Package {
        /// The file name without its extension: name, version, release, architecture.
        package: String,
        /// The folder of the repository below `packages/`.
        repository: String,
    },
    /// The metadata of a package repository.
    Repository {
        /// The folder of the repository below `packages/`.
        repository: String,
    },
    /// The Salt tree or its pillar.
    Salt,
}

impl std::fmt::Display for PathOwner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Archive => write!(f, "the archive"),
            Self::Image { name, tag } => write!(f, "image {}:{}", printable(name), printable(tag)),
            Self::Registry => write!(f, "the registry index"),
            Self::Package { package, repository } => {
                write!(f, "package {} in {}", printable(package), printable(repository))
            }
            Self::Repository { repository } => write!(f, "package repository {}", printable(repository)),
            Self::Salt => write!(f, "the Salt tree"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners() {
        let image = |name: &str, tag: &str| PathOwner::Image { name: name.into(), tag: tag.into() };
        let repository = |repository: &str| PathOwner::Repository { repository: repository.into() };
        let cases = [
            ("images/library/redis/7/abc", image("library/redis", "7")),
            ("images/pause-3.9.tar", PathOwner::Archive),
            ("images/team/sub/pause-3.9.tar", PathOwner::Archive),
            (ORIGINAL_NAMES, PathOwner::Archive),
            ("images", PathOwner::Archive),
            ("registry/v2/redis/tags/list", PathOwner::Registry),
            (
                "packages/redhat/8/sealift-scality-el8/repodata/repomd.xml",
                repository("redhat/8/sealift-scality-el8"),
            ),
            (
                "packages/redhat/8/sealift-scality-el8/x86_64/sealift-1-1.x86_64.rpm",
                PathOwner::Package {
                    package: "sealift-1-1.x86_64".into(),
                    repository: "redhat/8/sealift-scality-el8".into(),
                },
            ),
            ("salt/top.sls", PathOwner::Salt),
            ("pillar/top.sls", PathOwner::Salt),
            ("bootstrap.sh", PathOwner::Archive),
            ("", PathOwner::Archive),
        ];
        for (path, expected) in cases {
            assert_eq!(owner(path), expected, "{path}");
        }
    }

    #[test]
    fn repository_names() {
        assert_eq!(rpm_repository_name("metalk8s-epel-el8", "metalk8s"), Some("epel-el8"));
        assert_eq!(rpm_repository_name("metalk8s-", "metalk8s"), None);
        assert_eq!(rpm_repository_name("other-epel-el8", "metalk8s"), None);
    }
}
