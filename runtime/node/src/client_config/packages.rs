//! Repository files for dnf and apt.

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
                let keys = keys(&tree, folder, is_apt_key, &shown)?;
                let (path, suite) = (below_packages(folder).to_owned(), suite.to_owned());
                found.deb.push(DebRepository { path, suite, components: components.join(" "), keys });
            } else if let Some(folder) = flat_repository(&path) {
                let (path, suite) = (below_packages(folder).to_owned(), "./".to_owned());
                // `Packages` can be there in several compressions.
                if found.deb.iter().any(|deb| (&deb.path, &deb.suite) == (&path, &suite)) {
                    continue;
                }
                plain(&shown, folder)?;
                let keys = keys(&tree, folder, is_apt_key, &shown)?;
                found.deb.push(DebRepository { path, suite, components: String::new(), keys });
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
    let releases: BTreeSet<&str> = archives.iter().flat_map(ArchivePackages::releases).collect();
    if release.map_or(releases.len() > 1, |release| !releases.contains(release)) {
        let found = releases.into_iter().map(str::to_owned).collect();
        return Err(Error::Release { wanted: release.map(str::to_owned), found });
    }
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

/// The files for apt: a stanza in `/etc/apt/sources.list.d/sealift.sources` for each DEB repository. Several URIs in a stanza
/// are several sources for apt, not mirrors of one; with [`KeyLocation::OnClient`] a list of nodes for its `mirror` method is among
/// the files.
///
/// # Errors
///
/// [`Error::NoNode`], [`Error::NodeTwice`], [`Error::Twice`].
pub fn apt(
    archives: &[ArchivePackages],
    nodes: &[NodeAddress],
    keys: KeyLocation,
) -> Result<Vec<ClientConfigFile>, Error> {
    if distinct_nodes(nodes)?.is_empty() {
        return Err(Error::NoNode);
    }
    distinct(archives)?;
    let from = origins(archives, nodes);
    let mut content = header("repository apt-config", "#", &from);
    let mut files = Vec::new();
    for archive in archives {
        for (position, DebRepository { path, suite, components, keys: found }) in
            archive.deb.iter().enumerate()
        {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// An archive with these files.
    fn archive(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in [("product.txt", "NAME=Site\nVERSION=1.0\n")].iter().chain(files) {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        folder
    }

    fn nodes() -> Vec<NodeAddress> {
        vec!["http://10.0.0.1:8080".parse().unwrap(), "https://10.0.0.2".parse().unwrap()]
    }

    #[test]
    fn sections_name_all_nodes_and_the_keys() {
        let folder = archive(&[
            ("packages/redhat/8/site-base-el8/repodata/repomd.xml", ""),
            ("packages/redhat/8/site-base-el8/repodata/repomd.xml.asc", ""),
            ("packages/redhat/8/site-base-el8/RPM-GPG-KEY-site", "a key"),
            ("packages/redhat/8/plain/repodata/repomd.xml", ""),
        ]);
        let packages = [ArchivePackages::of(folder.path()).unwrap()];
        let printed =
            dnf(&packages, PackageSource::Nodes(&nodes()), KeyLocation::AtNode, None, None).unwrap();
        assert_eq!(
            printed[0].content,
            "# Generated by `sealift repository dnf-config` from site-1.0 http://10.0.0.1:8080 https://10.0.0.2.\n\
             # Changes are overwritten: run it again instead.\n\n\
             [site-1.0-plain]\nname=site-1.0-plain\nbaseurl=http://10.0.0.1:8080/site-1.0/redhat/8/plain\n        \
             https://10.0.0.2/site-1.0/redhat/8/plain\nenabled=1\npriority=1\n\
             # The packages are in the site's own network: no proxy leads to them.\nproxy=_none_\ngpgcheck=0\nrepo_gpgcheck=0\n\n\
             [site-1.0-base-el8]\nname=site-1.0-base-el8\nbaseurl=http://10.0.0.1:8080/site-1.0/redhat/8/base-el8\n        \
             https://10.0.0.2/site-1.0/redhat/8/base-el8\nenabled=1\npriority=1\n\
             # The packages are in the site's own network: no proxy leads to them.\nproxy=_none_\ngpgcheck=1\nrepo_gpgcheck=1\n\
             gpgkey=http://10.0.0.1:8080/site-1.0/redhat/8/base-el8/RPM-GPG-KEY-site\n"
        );
        let written =
            dnf(&packages, PackageSource::Nodes(&nodes()), KeyLocation::OnClient, None, None).unwrap();
        assert_eq!(
            (written[0].path.as_str(), written[0].content.as_str()),
            ("etc/pki/rpm-gpg/site-1.0-RPM-GPG-KEY-site", "a key")
        );
        assert!(written[1].content.contains("\ngpgkey=file:///etc/pki/rpm-gpg/site-1.0-RPM-GPG-KEY-site\n"));
    }

    #[test]
    fn the_authority_is_for_nodes_with_tls_and_written_as_it_is() {
        let folder = archive(&[("packages/redhat/8/plain/repodata/repomd.xml", "")]);
        let packages = [ArchivePackages::of(folder.path()).unwrap()];
        let all = nodes();
        let written = |nodes, authority| {
            dnf(&packages, PackageSource::Nodes(nodes), KeyLocation::AtNode, None, authority)
        };
        let ca = Some("/etc/sealift/pki/ca.crt");
        for (nodes, expected) in [(&all[..1], false), (&all[1..], true), (&all[..], true)] {
            let content = written(nodes, ca).unwrap().remove(0).content;
            assert_eq!(content.contains("\nsslcacert=/etc/sealift/pki/ca.crt\n"), expected, "{content}");
        }
        assert!(matches!(written(&all, Some("/a\nproxy=x")), Err(Error::Name { .. })));
    }

    #[test]
    fn a_client_gets_the_packages_of_its_own_release() {
        let folder = archive(&[
            ("packages/redhat/8/plain/repodata/repomd.xml", ""),
            ("packages/redhat/9/plain/repodata/repomd.xml", ""),
            ("packages/other/plain/repodata/repomd.xml", ""),
        ]);
        let packages = [ArchivePackages::of(folder.path()).unwrap()];
        let written =
            |release| dnf(&packages, PackageSource::Nodes(&nodes()[..1]), KeyLocation::AtNode, release, None);
        for wrong in [None, Some("7")] {
            let refused = written(wrong);
            assert!(
                matches!(&refused, Err(Error::Release { found, .. }) if *found == ["8", "9"]),
                "{refused:?}"
            );
        }
        let file = written(Some("9")).unwrap().remove(0).content;
        let lines = |start: &str| file.lines().filter(|line| line.starts_with(start)).collect::<Vec<_>>();
        assert_eq!(
            lines("baseurl="),
            [
                "baseurl=http://10.0.0.1:8080/site-1.0/other/plain",
                "baseurl=http://10.0.0.1:8080/site-1.0/redhat/9/plain"
            ]
        );
        assert_eq!(lines("["), ["[site-1.0-plain]", "[site-1.0-redhat-9-plain]"], "no section twice");
    }

    #[test]
    fn a_release_has_its_own_repositories_over_http_and_in_the_folder() {
        let folder = archive(&[
            ("packages/redhat/7/site-base-el7/repodata/repomd.xml", ""),
            ("packages/redhat/8/site-base-el8/repodata/repomd.xml", ""),
            ("packages/redhat/8/site-base-el8/RPM-GPG-KEY-site", "a key"),
        ]);
        let packages = [ArchivePackages::of(folder.path()).unwrap()];
        let content =
            |source| dnf(&packages, source, KeyLocation::AtNode, Some("8"), None).unwrap().remove(0).content;
        let nodes = nodes();
        let served = content(PackageSource::Nodes(&nodes));
        assert!(!served.contains("el7") && served.contains("\n[site-1.0-base-el8]\n"), "{served}");
        let local = content(PackageSource::Folders);
        let url = format!("file://{}/packages/redhat/8/site-base-el8", folder.path().display());
        assert!(local.contains(&format!("\nbaseurl={url}\n")), "{local}");
        assert!(local.contains(&format!("\ngpgkey={url}/RPM-GPG-KEY-site\n")), "{local}");
    }

    #[test]
    fn what_nodes_serve_can_be_named_without_an_archive() {
        let addresses = ["site-1.0/redhat/8/base-el8", "site-1.0/redhat/7/base-el7", "other-2/redhat/8/x"];
        let packages = ArchivePackages::served(&addresses.map(str::to_owned), &[]).unwrap();
        let content = &dnf(&packages, PackageSource::Nodes(&nodes()), KeyLocation::OnClient, Some("8"), None)
            .unwrap()[0]
            .content;
        for line in [
            "[site-1.0-base-el8]",
            "baseurl=http://10.0.0.1:8080/site-1.0/redhat/8/base-el8",
            "        https://10.0.0.2/site-1.0/redhat/8/base-el8",
            "gpgcheck=0",
            "[other-2-x]",
        ] {
            assert!(content.lines().any(|found| found == line), "{line}\n{content}");
        }
        assert!(!content.contains("el7"), "{content}");
        let signed =
            ArchivePackages::served(&addresses.map(str::to_owned), &["RPM-GPG-KEY-site".into()]).unwrap();
        let files =
            dnf(&signed, PackageSource::Nodes(&nodes()), KeyLocation::OnClient, Some("8"), None).unwrap();
        assert_eq!(files.len(), 1, "the key stays at the node");
        for line in [
            "gpgcheck=1",
            "repo_gpgcheck=1",
            "gpgkey=http://10.0.0.1:8080/site-1.0/redhat/8/base-el8/RPM-GPG-KEY-site",
        ] {
            assert!(files[0].content.lines().any(|found| found == line), "{line}\n{}", files[0].content);
        }
        let odd = ["a\nb".to_owned()];
        assert!(matches!(
            ArchivePackages::served(&addresses.map(str::to_owned), &odd),
            Err(Error::Name { .. })
        ));
        assert!(
            matches!(dnf(&packages, PackageSource::Folders, KeyLocation::AtNode, Some("8"), None), Err(Error::NoFolder(id)) if id == "site-1.0")
        );
        for bad in
            ["", "site-1.0", "/redhat/8/x", "site-1.0/", "site-1.0/../x", "site-1.0/a b", "site-1.0/x\n[y"]
        {
            assert!(ArchivePackages::served(&[bad.to_owned()], &[]).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn names_that_would_mean_more_are_refused() {
        for path in [
            "packages/redhat/8/a b/repodata/repomd.xml",
            "packages/redhat/8/a]\n[b/repodata/repomd.xml",
            "packages/debian/dists/x y/Release",
        ] {
            let folder = archive(&[(path, "")]);
            assert!(matches!(ArchivePackages::of(folder.path()), Err(Error::Name { .. })), "{path}");
        }
        let folder = archive(&[("packages/debian/dists/stable/Release", "Components: main $(x)\n")]);
        assert!(matches!(ArchivePackages::of(folder.path()), Err(Error::Name { .. })));
    }

    #[test]
    fn debs_have_a_stanza_for_each_suite_and_each_folder_without_suites() {
        let folder = archive(&[
            ("packages/debian/12/site-base/dists/stable/Release", "Components: main extra\n"),
            ("packages/debian/12/site-base/dists/stable/main/binary-amd64/Packages", ""),
            ("packages/debian/12/site-flat/Packages", ""),
            ("packages/debian/12/site-flat/Packages.gz", ""),
            ("packages/debian/12/site-flat/site.asc", "a key\n"),
        ]);
        let packages = [ArchivePackages::of(folder.path()).unwrap()];
        let printed = apt(&packages, &nodes()[..1], KeyLocation::AtNode).unwrap();
        let stanzas: Vec<&str> = printed[0].content.split("\n\n").skip(1).collect();
        assert_eq!(
            stanzas,
            [
                "Types: deb\nURIs: http://10.0.0.1:8080/site-1.0/debian/12/site-base\nSuites: stable\nComponents: main extra\nTrusted: yes",
                "Types: deb\nURIs: http://10.0.0.1:8080/site-1.0/debian/12/site-flat\nSuites: ./\nSigned-By:\n a key\n"
            ]
        );
    }

    #[test]
    fn packages_without_metadata_are_named() {
        let folder = archive(&[
            ("packages/redhat/8/plain/repodata/repomd.xml", ""),
            ("packages/redhat/8/plain/a.rpm", ""),
            ("packages/redhat/8/bare/b.rpm", ""),
        ]);
        let packages = ArchivePackages::of(folder.path()).unwrap();
        let found: Vec<&str> = packages.unindexed().iter().map(|one| one.folder.as_str()).collect();
        assert_eq!(found, ["packages/redhat/8/bare"]);
    }

    #[test]
    fn one_archive_is_named_once() {
        let folder = archive(&[]);
        let twice =
            [ArchivePackages::of(folder.path()).unwrap(), ArchivePackages::of(folder.path()).unwrap()];
        assert!(
            matches!(apt(&twice, &nodes(), KeyLocation::AtNode), Err(Error::Twice(id)) if id == "site-1.0")
        );
        assert!(matches!(
            dnf(&[], PackageSource::Nodes(&[]), KeyLocation::AtNode, None, None),
            Err(Error::NoNode)
        ));
    }
}
