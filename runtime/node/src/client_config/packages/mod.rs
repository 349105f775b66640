//! Repository files for dnf and apt.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use archive::signatures::has_unsigned_packages;
use archive::tree::EntryKind;
use archive::{Tree, UnindexedPackages, layout, product};
use content::IoError;

use super::error::Error;
use super::file::{ClientConfigFile, header};
use super::node::{NodeAddress, distinct_nodes};

/// The maximum size of a key or `Release` file, in bytes.
const SMALL_MAX: u64 = 1 << 20;
/// The folders for keys.
const RPM_KEYS: &str = "etc/pki/rpm-gpg";
const APT_KEYS: &str = "etc/apt/keyrings";
/// The authority of nodes, for apt.
const APT_AUTHORITY: &str = "etc/apt/apt.conf.d/50sealift";

/// The source of packages for dnf.
#[derive(Debug, Clone, Copy)]
pub enum PackageSource<'a> {
    /// These nodes, tried in this order.
    Nodes(&'a [NodeAddress]),
    /// The archives, which are folders on the client (mounted or unpacked).
    Folders,
}

/// The location of the keys of repositories.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyLocation {
    /// At the first node, or in the archive's folder.
    AtNode,
    /// On the client itself: the keys are among the files.
    OnClient,
}

/// The package repositories of an archive.
#[derive(Debug)]
pub struct ArchivePackages {
    id: String,
    /// The archive, if it is a folder.
    root: Option<PathBuf>,
    rpm: Vec<RpmRepository>,
    deb: Vec<DebRepository>,
    unindexed: Vec<UnindexedPackages>,
}

#[derive(Debug)]
struct RpmRepository {
    /// The name of the section: `metalk8s-2.11.0-scality-el8`.
    name: String,
    /// Below the archive ID, as nodes serve it.
    path: String,
    /// Its release of the distribution: 8 of `packages/redhat/8/…`.
    release: Option<String>,
    /// The folder in the archive.
    folder: String,
    keys: Vec<RepositoryKey>,
    signed_metadata: bool,
    /// Whether the signature of the metadata, which have the checksums of the packages, is the only one that counts.
    unsigned_packages: bool,
}

#[derive(Debug)]
struct DebRepository {
    path: String,
    /// Its release of the distribution: bookworm of `packages/debian/bookworm/…`.
    release: Option<String>,
    /// `./` if it has no suites.
    suite: String,
    /// Empty if it has no suites.
    components: String,
    keys: Vec<RepositoryKey>,
}

#[derive(Debug, Clone)]
struct RepositoryKey {
    /// The file's name.
    name: String,
    /// Unknown where the archive itself is not available.
    content: Option<String>,
}

impl ArchivePackages {
    /// Finds the repositories of an archive by their metadata.
    ///
    /// # Errors
    ///
    /// [`Error::Archive`], [`Error::Name`].
    pub fn of(archive: &Path) -> Result<Self, Error> {
        let tree = Tree::open(archive)?;
        let shown = archive.display().to_string();
        let product = product::of(&tree)?;
        let id = product.as_ref().map(|product| product.id().to_string()).unwrap_or_default();
        let project = product.map(|product| product.name.to_ascii_lowercase()).unwrap_or_default();
        plain(&shown, &id)?;
        let root = matches!(tree, Tree::Folder(_)).then(|| archive.to_owned());
        let entries = tree.walk_below(layout::PACKAGES)?;
        let unindexed = archive::unindexed_of(&entries);
        let mut found = Self { id, root, rpm: Vec::new(), deb: Vec::new(), unindexed };
        for (path, entry) in entries {
            if entry.kind != EntryKind::File {
                continue;
            }
            if let Some(folder) = path.strip_suffix("/repodata/repomd.xml") {
                plain(&shown, folder)?;
                let signed_metadata = tree.entry(&format!("{path}.asc"))?.is_some();
                let keys = keys(&tree, folder, |name| name.starts_with("RPM-GPG-KEY-"), &shown)?;
                let (parent, last) = folder.rsplit_once('/').unwrap_or(("", folder));
                let short = layout::rpm_repository_name(last, &project).unwrap_or(last);
                let parent = below_packages(parent);
                let name = format!("{}-{short}", found.id);
                let path = format!("{parent}{}{short}", if parent.is_empty() { "" } else { "/" });
                let (release, folder) = (release_of(&path), folder.to_owned());
                // Packages of an upstream that does not sign them.
                let unsigned_packages = signed_metadata && has_unsigned_packages(&tree, &folder)?;
                let rpm =
                    RpmRepository { name, path, release, folder, keys, signed_metadata, unsigned_packages };
                found.rpm.push(rpm);
            } else if let Some((folder, suite)) =
                path.strip_suffix("/Release").and_then(|path| path.rsplit_once("/dists/"))
            {
                plain(&shown, folder)?;
                plain(&shown, suite)?;
                let release = text(&tree, &path)?;
                let components =
                    release.lines().find_map(|line| line.strip_prefix("Components:")).unwrap_or("main");
                let components = components.split_whitespace().collect::<Vec<_>>();
                components.iter().try_for_each(|component| plain(&shown, component))?;
                let own = format!("{folder}/dists/{suite}");
                let keys = match keys(&tree, &own, is_apt_key, &shown)? {
                    own if !own.is_empty() => own,
                    _ => keys(&tree, folder, is_apt_key, &shown)?,
                };
                let (path, suite) = (below_packages(folder).to_owned(), suite.to_owned());
                let (release, components) = (deb_release_of(&path), components.join(" "));
                found.deb.push(DebRepository { path, release, suite, components, keys });
            } else if let Some(folder) = flat_repository(&path) {
                let (path, suite) = (below_packages(folder).to_owned(), "./".to_owned());
                // `Packages` can be there in several compressions.
                if found.deb.iter().any(|deb| (&deb.path, &deb.suite) == (&path, &suite)) {
                    continue;
                }
                plain(&shown, folder)?;
                let keys = keys(&tree, folder, is_apt_key, &shown)?;
                let (release, components) = (deb_release_of(&path), String::new());
                found.deb.push(DebRepository { path, release, suite, components, keys });
            }
        }
        Ok(found)
    }

    /// Packages of the archive that clients cannot find, since no metadata covers them.
    #[must_use]
    pub fn unindexed(&self) -> &[UnindexedPackages] {
        &self.unindexed
    }

    /// RPM repositories by the paths at which nodes serve them, such as `metalk8s-2.11.0/redhat/8/scality-el8`, where the
    /// archive itself is not available. `keys` are the names of their keys, such as `RPM-GPG-KEY-metalk8s`, which clients get from the
    /// node. Without names, signatures are not checked.
    ///
    /// # Errors
    ///
    /// [`Error::Address`], [`Error::Name`].
    pub fn served(addresses: &[String], keys: &[String]) -> Result<Vec<Self>, Error> {
        keys.iter().try_for_each(|name| plain("the command line", name))?;
        let keys: Vec<RepositoryKey> =
            keys.iter().map(|name| RepositoryKey { name: name.clone(), content: None }).collect();
        let mut found: Vec<Self> = Vec::new();
        for address in addresses {
            plain("the command line", address)?;
            let whole = address.split('/').all(|part| !matches!(part, "" | "." | ".."));
            let Some(((id, path), (_, short))) =
                address.split_once('/').zip(address.rsplit_once('/')).filter(|_| whole)
            else {
                return Err(Error::Address(address.clone()));
            };
            let rpm = RpmRepository {
                name: format!("{id}-{short}"),
                path: path.to_owned(),
                release: release_of(path),
                folder: String::new(),
                keys: keys.clone(),
                signed_metadata: !keys.is_empty(),
                unsigned_packages: false,
            };
            match found.iter_mut().find(|packages| packages.id == id) {
                Some(packages) => packages.rpm.push(rpm),
                None => found.push(Self {
                    id: id.to_owned(),
                    root: None,
                    rpm: vec![rpm],
                    deb: Vec::new(),
                    unindexed: Vec::new(),
                }),
            }
        }
        Ok(found)
    }

    /// The releases of the distribution that it has RPM repositories for.
    pub(super) fn releases(&self) -> BTreeSet<&str> {
        self.rpm.iter().filter_map(|rpm| rpm.release.as_deref()).collect()
    }

    /// The releases of the distribution that it has DEB repositories for.
    pub(super) fn deb_releases(&self) -> BTreeSet<&str> {
        self.deb.iter().filter_map(|deb| deb.release.as_deref()).collect()
    }

    /// Whether it has RPM repositories.
    pub(super) fn has_rpm(&self) -> bool {
        !self.rpm.is_empty()
    }

    /// Whether it has DEB repositories.
    pub(super) fn has_deb(&self) -> bool {
        !self.deb.is_empty()
    }

    /// The base URLs of one of the repositories.
    fn urls(&self, rpm: &RpmRepository, source: PackageSource<'_>) -> Result<Vec<String>, Error> {
        match (source, &self.root) {
            (PackageSource::Nodes(nodes), _) => {
                Ok(nodes.iter().map(|node| format!("{node}/{}/{}", self.id, rpm.path)).collect())
            }
            (PackageSource::Folders, Some(root)) => {
                let root = std::path::absolute(root).map_err(IoError::at("find", root))?;
                let root = root.display().to_string();
                plain(&self.id, &root)?;
                Ok(vec![format!("file://{root}/{}", rpm.folder)])
            }
            (PackageSource::Folders, None) => Err(Error::NoFolder(self.id.clone())),
        }
    }
}

/// The folder of a DEB repository without suites, if `path` is that of its metadata.
fn flat_repository(path: &str) -> Option<&str> {
    let (folder, name) = path.rsplit_once('/')?;
    let is_metadata = name == "Packages" || name.starts_with("Packages.");
    Some(folder).filter(|folder| is_metadata && !folder.contains("/dists/"))
}

/// Whether a file of this name beside a DEB repository has a key.
fn is_apt_key(name: &str) -> bool {
    name.ends_with(".asc") && !name.starts_with("Release")
}

/// `redhat/8/…` → 8.
fn release_of(path: &str) -> Option<String> {
    let (release, _) = path.strip_prefix("redhat/")?.split_once('/')?;
    Some(release.to_owned())
}

/// `debian/bookworm/…` → bookworm.
fn deb_release_of(path: &str) -> Option<String> {
    let (release, _) = path.strip_prefix("debian/")?.split_once('/')?;
    Some(release.to_owned())
}

/// `packages/redhat/8` → `redhat/8`.
fn below_packages(path: &str) -> &str {
    path.strip_prefix(layout::PACKAGES).unwrap_or(path).trim_start_matches('/')
}

fn keys(
    tree: &Tree,
    folder: &str,
    is_key: impl Fn(&str) -> bool,
    archive: &str,
) -> Result<Vec<RepositoryKey>, Error> {
    let mut keys = Vec::new();
    for entry in tree.read_dir(folder)? {
        if is_key(&entry.name) {
            plain(archive, &entry.name)?;
            let content = text(tree, &format!("{folder}/{}", entry.name))?;
            keys.push(RepositoryKey { name: entry.name, content: Some(content) });
        }
    }
    Ok(keys)
}

fn text(tree: &Tree, path: &str) -> Result<String, Error> {
    Ok(String::from_utf8_lossy(&tree.read(path, SMALL_MAX)?).into_owned())
}

/// Checks a name that becomes part of a configuration file and of a URL.
fn plain(archive: &str, name: &str) -> Result<(), Error> {
    let harmless =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '+' | '~' | ':' | '/' | '-');
    if !name.is_empty() && name.chars().all(harmless) {
        return Ok(());
    }
    Err(Error::Name { archive: archive.to_owned(), name: name.escape_debug().take(200).collect() })
}

/// The file for dnf and yum, `/etc/yum.repos.d/sealift.repo`: a section for each RPM repository, with all base URLs. If the
/// archives have packages for several releases of the distribution, `release` is that of the client: packages of others
/// could be installed otherwise. `authority` is a file on the client with the authority of nodes that serve with TLS; without
/// it, the client trusts those of its system.
///
/// # Errors
///
/// [`Error::NoNode`], [`Error::NodeTwice`], [`Error::NoFolder`], [`Error::Twice`], [`Error::Release`], [`Error::Name`].
pub fn dnf(
    archives: &[ArchivePackages],
    source: PackageSource<'_>,
    keys: KeyLocation,
    release: Option<&str>,
    authority: Option<&str>,
) -> Result<Vec<ClientConfigFile>, Error> {
    let nodes = match source {
        PackageSource::Nodes([]) => return Err(Error::NoNode),
        PackageSource::Nodes(nodes) => distinct_nodes(nodes)?,
        PackageSource::Folders => &[],
    };
    distinct(archives)?;
    let authority = authority.filter(|_| nodes.iter().any(|node| node.tls));
    authority.map_or(Ok(()), |path| plain("the command line", path))?;
    let authority = authority.map(|path| format!("sslcacert={path}\n")).unwrap_or_default();
    check_release(archives.iter().flat_map(ArchivePackages::releases).collect(), release)?;
    let meant = |rpm: &&RpmRepository| {
        release.is_none() || rpm.release.is_none() || rpm.release.as_deref() == release
    };
    let mut sections = BTreeSet::new();
    let mut content = header("repository dnf-config", "#", &origins(archives, nodes));
    let mut files = Vec::new();
    for archive in archives {
        for rpm in archive.rpm.iter().filter(meant) {
            let RpmRepository { name, path, keys: found, signed_metadata, unsigned_packages, .. } = rpm;
            // Two folders have the same name.
            let long = || format!("{}-{}", archive.id, path.replace('/', "-"));
            let name = if sections.insert(name.clone()) { name.clone() } else { long() };
            let urls = archive.urls(rpm, source)?;
            let location = |key: &RepositoryKey| match (keys, &key.content) {
                (KeyLocation::OnClient, Some(_)) => format!("file:///{RPM_KEYS}/{}-{}", archive.id, key.name),
                _ => format!("{}/{}", urls.first().map_or("", String::as_str), key.name),
            };
            let locations: Vec<String> = found.iter().map(location).collect();
            let has_keys = !found.is_empty();
            // Writing to a String cannot fail.
            let _ = write!(
                content,
                "\n[{name}]\nname={name}\nbaseurl={}\nenabled=1\npriority=1\n\
                 # The packages are in the site's own network: no proxy leads to them.\nproxy=_none_\n\
                 {authority}gpgcheck={}\nrepo_gpgcheck={}\n",
                urls.join("\n        "),
                u8::from(has_keys && !unsigned_packages),
                u8::from(has_keys && *signed_metadata),
            );
            if has_keys {
                let _ = writeln!(content, "gpgkey={}", locations.join("\n       "));
            }
            if keys == KeyLocation::OnClient {
                files.extend(found.iter().filter_map(|key| {
                    let path = format!("{RPM_KEYS}/{}-{}", archive.id, key.name);
                    Some(ClientConfigFile { path, content: key.content.clone()? })
                }));
            }
        }
    }
    files.push(ClientConfigFile { path: "etc/yum.repos.d/sealift.repo".into(), content });
    Ok(files)
}

/// Checks that there are packages for the release of the client, and that it is known if there are packages for several.
fn check_release(releases: BTreeSet<&str>, release: Option<&str>) -> Result<(), Error> {
    if release.map_or(releases.len() > 1, |release| !releases.contains(release)) {
        let found = releases.into_iter().map(str::to_owned).collect();
        return Err(Error::Release { wanted: release.map(str::to_owned), found });
    }
    Ok(())
}

/// The files for apt: a stanza in `/etc/apt/sources.list.d/sealift.sources` for each DEB repository. Several URIs in a stanza
/// are several sources for apt, not mirrors of one; with [`KeyLocation::OnClient`] a list of nodes for its `mirror` method is among
/// the files. If the archives have packages for several releases of the distribution, `release` is that of the client. `authority` is a
/// file on the client with the authority of nodes that serve with TLS; without it, the client trusts those of its system.
///
/// # Errors
///
/// [`Error::NoNode`], [`Error::NodeTwice`], [`Error::Twice`], [`Error::Release`], [`Error::Name`], [`Error::Unusable`].
pub fn apt(
    archives: &[ArchivePackages],
    nodes: &[NodeAddress],
    keys: KeyLocation,
    release: Option<&str>,
    authority: Option<&str>,
) -> Result<Vec<ClientConfigFile>, Error> {
    if distinct_nodes(nodes)?.is_empty() {
        return Err(Error::NoNode);
    }
    distinct(archives)?;
    check_release(archives.iter().flat_map(ArchivePackages::deb_releases).collect(), release)?;
    let meant =
        |deb: &DebRepository| release.is_none() || deb.release.is_none() || deb.release.as_deref() == release;
    let from = origins(archives, nodes);
    let mut content = header("repository apt-config", "#", &from);
    let mut files = Vec::new();
    if let Some(path) = authority.filter(|_| nodes.iter().any(|node| node.tls)) {
        plain("the command line", path)?;
        let mut content = header("repository apt-config", "#", &from);
        for node in nodes.iter().filter(|node| node.tls) {
            let host = node.authority.rsplit_once(':').map_or(node.authority.as_str(), |(host, _)| host);
            if host.contains(':') {
                let (client, node) = ("apt", node.authority.clone());
                let reason = "the name of a setting for one host cannot have an IPv6 address";
                return Err(Error::Unusable { client, node, reason });
            }
            let _ = writeln!(content, "Acquire::https::{host}::CAInfo \"{path}\";");
        }
        files.push(ClientConfigFile { path: APT_AUTHORITY.into(), content });
    }
    for archive in archives {
        for (position, deb) in archive.deb.iter().enumerate().filter(|(_, deb)| meant(deb)) {
            let DebRepository { path, suite, components, keys: found, .. } = deb;
            let urls: Vec<String> =
                nodes.iter().map(|node| format!("{node}/{}/{path}", archive.id)).collect();
            let (uris, signed) = match keys {
                KeyLocation::AtNode => {
                    (urls.join(" "), found.iter().filter_map(|key| key.content.clone()).collect())
                }
                KeyLocation::OnClient => {
                    let list = format!("etc/apt/mirrors/sealift-{}-{position}.list", archive.id);
                    let mut mirrors = String::new();
                    for (order, url) in urls.iter().enumerate() {
                        let _ = writeln!(mirrors, "{url}\tpriority:{}", order + 1);
                    }
                    let content = header("repository apt-config", "#", &from) + &mirrors;
                    files.push(ClientConfigFile { path: list.clone(), content });
                    let key = |key: &RepositoryKey| ClientConfigFile {
                        path: format!("{APT_KEYS}/{}-{}", archive.id, key.name),
                        content: key.content.clone().unwrap_or_default(),
                    };
                    let keys: Vec<ClientConfigFile> = found.iter().map(key).collect();
                    let signed = keys.iter().map(|key| format!("/{}", key.path)).collect::<Vec<_>>();
                    files.extend(keys);
                    (format!("mirror+file:/{list}"), signed)
                }
            };
            let _ = write!(content, "\nTypes: deb\nURIs: {uris}\nSuites: {suite}\n");
            let _ = match components.as_str() {
                "" => Ok(()),
                components => writeln!(content, "Components: {components}"),
            };
            let _ = match (found.is_empty(), keys) {
                (true, _) => writeln!(content, "Trusted: yes"),
                (false, KeyLocation::OnClient) => writeln!(content, "Signed-By: {}", signed.join(" ")),
                (false, KeyLocation::AtNode) => writeln!(content, "Signed-By:{}", inline(&signed)),
            };
        }
    }
    files.push(ClientConfigFile { path: "etc/apt/sources.list.d/sealift.sources".into(), content });
    Ok(files)
}

/// An armoured key inside a stanza: each line indented, an empty one as a dot.
fn inline(keys: &[String]) -> String {
    let mut text = String::new();
    for line in keys.iter().flat_map(|key| key.lines()) {
        let _ = write!(text, "\n {}", if line.trim().is_empty() { "." } else { line });
    }
    text
}

fn origins(archives: &[ArchivePackages], nodes: &[NodeAddress]) -> Vec<String> {
    let ids = archives.iter().map(|archive| archive.id.clone());
    ids.chain(nodes.iter().map(ToString::to_string)).collect()
}

fn distinct(archives: &[ArchivePackages]) -> Result<(), Error> {
    let mut seen = BTreeSet::new();
    match archives.iter().find(|archive| !seen.insert(&archive.id)) {
        Some(twice) => Err(Error::Twice(twice.id.clone())),
        None => Ok(()),
    }
}
