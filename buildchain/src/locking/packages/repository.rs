//! The metadata of one repository: fetched, checked and read.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use ::packages::metadata::{
    Changelogs, Checksum, ChecksumKind, FolderRepository, MAX_PACKAGE_METADATA, MAX_REPOMD, Package, Pool,
    Repomd, RepomdFile, WantedPaths,
};
use ::packages::openpgp::{KEYS_MAX, Keys, SIGNATURE_MAX, SignatureFault, ValidAt};
use ::packages::source::{Metalink, SOURCE_MAX, mirrors};
use content::{Digest, Durability, LinkPolicy};
use images::Store;
use images::pull::Download;

use super::{Id, Step};
use crate::locking::{Error, Fetcher, joined, local};
use crate::project::{LockedPath, Nevra, RepositoryDefinition, SignatureRule, Upstream, UpstreamLocation};

/// How many mirrors of a list are tried, and locked.
const MIRRORS: usize = 5;
const REPOMD: &str = "repodata/repomd.xml";

/// Reads repositories.
pub(super) struct Reader<'a> {
    pub(super) step: &'a Step<'a>,
    pub(super) store: &'a Store,
    /// A folder of this run on the file system of the store.
    pub(super) scratch: &'a Path,
}

/// A repository that was read.
pub(super) struct Reading {
    /// Its URLs, the one of its `repomd.xml` first.
    bases: Vec<String>,
    are_mirrors: bool,
    repomd: Repomd,
    folder: PathBuf,
    contents: FolderRepository,
}

impl Reading {
    /// The URLs to lock.
    pub(super) fn mirrors(&self) -> Vec<String> {
        if self.are_mirrors { self.bases.clone() } else { Vec::new() }
    }
}

/// The keys in `files`.
pub(crate) fn read_keys(files: &[PathBuf]) -> Result<Keys, String> {
    let mut keys = Keys::default();
    for file in files {
        let read = content::open_read(file, LinkPolicy::Follow, KEYS_MAX).map_err(|error| error.to_string());
        let bytes = read?;
        keys.extend(
            Keys::read(&bytes).map_err(|fault| format!("{}: {fault}", content::printable_path(file)))?,
        );
    }
    Ok(keys)
}

impl Reader<'_> {
    fn wrong(&self, repository: &RepositoryDefinition) -> impl Fn(String) -> Error + use<> {
        let (release, repository) = (self.step.release.to_string(), repository.name.to_string());
        move |reason| Error::Repository { release: release.clone(), repository: repository.clone(), reason }
    }

    fn fetcher(&self, repository: &RepositoryDefinition) -> Fetcher<'_> {
        let Step { registries, progress, .. } = *self.step;
        Fetcher { store: self.store, registries, progress, accounts: self.accounts(repository) }
    }

    /// Fetches and checks the metadata of a repository, and reads them into the pool.
    pub(super) fn read(
        &self,
        repository: &RepositoryDefinition,
        upstream: &Upstream,
        pool: &mut Pool,
        id: Id,
    ) -> Result<Reading, Error> {
        let wrong = self.wrong(repository);
        let location = self.location(upstream).map_err(&wrong)?;
        let keys = match upstream.signatures {
            SignatureRule::None => None,
            _ => Some(read_keys(&upstream.keys).map_err(&wrong)?),
        };
        let (bases, metalink) = self.bases(repository, location).map_err(&wrong)?;
        let mut reasons: Vec<String> = Vec::new();
        for (position, base) in bases.iter().enumerate() {
            match self.repomd(repository, base, upstream, keys.as_ref(), metalink.as_ref()) {
                Ok((repomd, bytes)) => {
                    // The others may have the files, too.
                    let mut ordered = vec![base.clone()];
                    let others = bases.iter().enumerate().filter(|(other, _)| *other != position);
                    ordered.extend(others.map(|(_, base)| base.clone()));
                    return self.contents(repository, upstream, ordered, (repomd, &bytes), pool, id);
                }
                Err(reason) => reasons.push(reason),
            }
        }
        Err(wrong(reasons.join("; ")))
    }

    /// Where the repository is, for the architecture of this step.
    fn location<'b>(&self, upstream: &'b Upstream) -> Result<&'b UpstreamLocation, String> {
        let architecture = self.step.architecture;
        let part = upstream.part(architecture).map(|part| &part.location);
        part.ok_or_else(|| format!("it has no location for {architecture}"))
    }

    /// The servers that may ask for credentials.
    fn accounts(&self, repository: &RepositoryDefinition) -> Vec<String> {
        let upstream = repository.upstream.as_ref();
        let part = upstream.and_then(|upstream| upstream.part(self.step.architecture));
        part.map(|part| part.location.accounts()).unwrap_or_default()
    }

    /// The URLs of the repository, and the metalink that gave them.
    fn bases(
        &self,
        repository: &RepositoryDefinition,
        location: &UpstreamLocation,
    ) -> Result<(Vec<String>, Option<Metalink>), String> {
        let (label, fetcher) = (label(repository), self.fetcher(repository));
        let text = |url: &str| {
            let bytes = fetcher.small(&label, url, SOURCE_MAX)?;
            let bytes = bytes.ok_or_else(|| format!("{} does not exist", content::printable(url)))?;
            String::from_utf8(bytes).map_err(|_| format!("{} is not UTF-8", content::printable(url)))
        };
        let (mut bases, metalink) = match location {
            UpstreamLocation::Urls(urls) => (urls.clone(), None),
            UpstreamLocation::Mirrorlist(url) => {
                let list = mirrors(&text(url)?);
                let list = list.map_err(|fault| format!("{}: {fault}", content::printable(url)))?;
                (list, None)
            }
            UpstreamLocation::Metalink(url) => {
                let metalink = Metalink::read(&text(url)?);
                let metalink = metalink.map_err(|fault| format!("{}: {fault}", content::printable(url)))?;
                let bases = metalink.urls.iter().filter_map(|url| url.strip_suffix(REPOMD));
                (bases.map(str::to_owned).collect(), Some(metalink))
            }
        };
        // A list from outside names no folder of this machine.
        if !matches!(location, UpstreamLocation::Urls(_)) {
            bases.retain(|url| url.starts_with("https://") || url.starts_with("http://"));
            bases.truncate(MIRRORS);
        }
        if bases.is_empty() {
            return Err("no mirror has a URL with https or http".into());
        }
        Ok((bases, metalink))
    }

    /// The `repomd.xml` at `base`, whose signature and checksum are right.
    fn repomd(
        &self,
        repository: &RepositoryDefinition,
        base: &str,
        upstream: &Upstream,
        keys: Option<&Keys>,
        metalink: Option<&Metalink>,
    ) -> Result<(Repomd, Vec<u8>), String> {
        let url = joined(base, REPOMD);
        let shown = content::printable(&url).to_string();
        let (label, fetcher) = (label(repository), self.fetcher(repository));
        let bytes = fetcher.small(&label, &url, MAX_REPOMD)?;
        let bytes = bytes.ok_or_else(|| format!("{shown} does not exist"))?;
        if let Some(metalink) = metalink
            && !metalink.accepted.iter().any(|listed| listed.is(&bytes))
        {
            return Err(format!("{shown} is not the file that the metalink names"));
        }
        if let Some(keys) = keys {
            let signature = fetcher.small(&label, &format!("{url}.asc"), SIGNATURE_MAX)?;
            let checked = match (signature, upstream.signatures) {
                (Some(signature), _) => {
                    keys.verify(&bytes, &signature, ValidAt::Time(self.step.now)).map(drop)
                }
                (None, SignatureRule::All | SignatureRule::Metadata) => Err(SignatureFault::Missing),
                (None, _) => Ok(()),
            };
            checked.map_err(|fault| format!("{shown}: {fault}"))?;
        }
        let repomd = Repomd::read(bytes.as_slice(), Path::new(&url)).map_err(|error| error.to_string())?;
        Ok((repomd, bytes))
    }

    /// Fetches what `repomd` names, and reads it.
    fn contents(
        &self,
        repository: &RepositoryDefinition,
        upstream: &Upstream,
        bases: Vec<String>,
        (repomd, bytes): (Repomd, &[u8]),
        pool: &mut Pool,
        id: Id,
    ) -> Result<Reading, Error> {
        let wrong = self.wrong(repository);
        let are_mirrors = !matches!(self.location(upstream), Ok(UpstreamLocation::Urls(_)));
        let folder = match bases.first().and_then(|base| local(base)) {
            Some(folder) => folder,
            None => {
                let folder = self.scratch.join(repository.name.as_str());
                let kinds = [
                    "primary",
                    if repomd.file("group_gz").is_some() { "group_gz" } else { "group" },
                    "modules",
                ];
                for file in kinds.iter().filter_map(|kind| repomd.file(kind)) {
                    self.place(repository, &bases, file, &folder).map_err(&wrong)?;
                }
                let path = folder.join(REPOMD);
                content::AtomicFile::write(&path, bytes, 0o644, Durability::Cache)
                    .map_err(|error| wrong(error.to_string()))?;
                folder
            }
        };
        let contents = pool.read_repository(id, &folder).map_err(|error| wrong(error.to_string()))?;
        Ok(Reading { bases, are_mirrors, repomd, folder, contents })
    }

    /// Reads paths that only the list of all paths has.
    pub(super) fn read_paths(
        &self,
        repository: &RepositoryDefinition,
        reading: &Reading,
        pool: &mut Pool,
        id: Id,
        wanted: &WantedPaths,
    ) -> Result<(), Error> {
        let wrong = self.wrong(repository);
        if reading.folder.starts_with(self.scratch)
            && let Some(file) = reading.repomd.file("filelists")
        {
            self.place(repository, &reading.bases, file, &reading.folder).map_err(&wrong)?;
        }
        pool.read_wanted_paths(id, reading.folder.as_path(), &reading.contents, wanted)
            .map_err(|error| wrong(error.to_string()))
    }

    /// The changelogs of the packages with the checksums `wanted`.
    pub(super) fn changelogs(
        &self,
        repository: &RepositoryDefinition,
        reading: &Reading,
        wanted: &BTreeSet<String>,
    ) -> Result<Changelogs, String> {
        if reading.folder.starts_with(self.scratch)
            && let Some(file) = reading.repomd.file("other")
        {
            self.place(repository, &reading.bases, file, &reading.folder)?;
        }
        reading.repomd.changelogs(reading.folder.as_path(), wanted).map_err(|error| error.to_string())
    }

    /// The SHA-256 and the size of a package. If the metadata have another kind of checksum, the package is fetched for it.
    pub(super) fn digest(
        &self,
        repository: &RepositoryDefinition,
        reading: &Reading,
        pool: &Pool,
        package: &Package,
        name: &Nevra,
        path: &LockedPath,
    ) -> Result<(Digest, u64), Error> {
        let wrong = self.wrong(repository);
        let sum = pool.text(package.checksum);
        if package.checksum_kind == ChecksumKind::Sha256
            && let Ok(digest) = format!("sha256:{sum}").parse::<Digest>()
        {
            return Ok((digest, package.size));
        }
        let expected = Checksum { kind: package.checksum_kind, hex: sum.to_owned() };
        let check = |file: &Path| -> Result<(), String> {
            let mut opened = content::open(file, LinkPolicy::Follow).map_err(|error| error.to_string())?;
            let found = expected.kind.of(&mut opened).map_err(|error| error.to_string())?;
            match found == expected {
                true => Ok(()),
                false => Err(format!("{name}: expected {expected}, found {found}")),
            }
        };
        if let Some(folder) = reading.bases.first().and_then(|base| local(base)) {
            let file = folder.join(path.as_str());
            check(&file).map_err(&wrong)?;
            let hashed =
                content::hash_file(&file, LinkPolicy::Follow).map_err(|error| wrong(error.to_string()))?;
            return Ok(hashed);
        }
        let urls = reading.bases.iter().map(|base| joined(base, path.as_str())).collect();
        let accounts = self.accounts(repository);
        let download = Download { name: name.to_string(), urls, digest: None, limit: package.size, accounts };
        let digest = images::pull::download(&download, self.store, self.step.registries, self.step.progress)
            .map_err(Error::Download)?;
        check(&self.store.blob_path(&digest)).map_err(&wrong)?;
        Ok((digest, package.size))
    }

    /// Fetches a metadata file, and gives it its place in `folder`.
    fn place(
        &self,
        repository: &RepositoryDefinition,
        bases: &[String],
        file: &RepomdFile,
        folder: &Path,
    ) -> Result<(), String> {
        let Some(checksum) = &file.checksum else {
            return Err(format!("repomd.xml has no checksum of {}", content::printable(&file.location)));
        };
        let digest = (checksum.kind == ChecksumKind::Sha256)
            .then(|| format!("sha256:{}", checksum.hex).parse::<Digest>().ok())
            .flatten();
        let urls = bases.iter().filter(|base| local(base).is_none()).map(|base| joined(base, &file.location));
        let download = Download {
            name: format!("{} of {}", file.kind, repository.name),
            urls: urls.collect(),
            digest,
            limit: file.size.unwrap_or(MAX_PACKAGE_METADATA).min(MAX_PACKAGE_METADATA),
            accounts: self.accounts(repository),
        };
        let digest = images::pull::download(&download, self.store, self.step.registries, self.step.progress)
            .map_err(|error| error.to_string())?;
        let target = folder.join(&file.location);
        if let Some(parent) = target.parent() {
            content::create_folder(parent).map_err(|error| error.to_string())?;
        }
        content::remove(&target).map_err(|error| error.to_string())?;
        self.store.give(&digest, &target).map_err(|error| error.to_string())
    }
}

/// How progress and errors name the metadata of a repository.
fn label(repository: &RepositoryDefinition) -> String {
    format!("metadata of {}", repository.name)
}
