//! The metadata of one upstream repository of Debian packages: fetched, checked and read.

use std::io::BufReader;
use std::path::{Path, PathBuf};

use ::packages::debian::{MAX_RELEASE, Release, ReleaseFile, read_packages};
use ::packages::metadata::{MAX_PACKAGE_METADATA, unpacked};
use ::packages::openpgp::{SIGNATURE_MAX, SignatureFault, ValidAt};
use content::LinkPolicy;
use images::Store;

use super::Step;
use super::choose::Choice;
use crate::locking::{Fetcher, joined, read_keys};
use crate::project::DebSource;

/// A day in seconds: clocks differ by less.
const DAY: i64 = 86_400;

/// Reads a repository.
pub(super) struct Reader<'a> {
    pub(super) step: &'a Step<'a>,
    pub(super) source: &'a DebSource,
    pub(super) store: &'a Store,
}

impl Reader<'_> {
    fn fetcher(&self) -> Fetcher<'_> {
        let Step { registries, progress, .. } = *self.step;
        Fetcher { store: self.store, registries, progress, accounts: self.source.accounts() }
    }

    /// The folder of `Release`, below the URL.
    fn folder(&self) -> String {
        self.source.suite.as_ref().map_or_else(String::new, |suite| format!("dists/{suite}/"))
    }

    /// Passes the wanted packages of the repository on to `choice`; the date of its metadata, in seconds since 1970.
    ///
    /// # Errors
    ///
    /// A sentence, if no URL has a `Release` whose signature and date are valid, or a list that it names.
    pub(super) fn read(&self, choice: &mut Choice<'_>) -> Result<i64, String> {
        let mut reasons: Vec<String> = Vec::new();
        for (position, base) in self.source.urls.iter().enumerate() {
            match self.release(base) {
                Ok(release) => {
                    // The others may have the files, too.
                    let others = self.source.urls.iter().enumerate().filter(|(other, _)| *other != position);
                    let bases: Vec<&str> = std::iter::once(base)
                        .chain(others.map(|(_, base)| base))
                        .map(String::as_str)
                        .collect();
                    for folder in self.lists(&release, choice)? {
                        self.packages(&release, &bases, &folder, choice)?;
                    }
                    return Ok(release.date.unwrap_or_default());
                }
                Err(reason) => reasons.push(reason),
            }
        }
        Err(reasons.join("; "))
    }

    /// The `Release` at `base`, whose signature and date are valid.
    fn release(&self, base: &str) -> Result<Release, String> {
        let (fetcher, folder) = (self.fetcher(), self.folder());
        let label = format!("metadata of {}", self.step.name);
        let small = |name: &str, limit| {
            let url = joined(base, &format!("{folder}{name}"));
            Ok::<_, String>((fetcher.small(&label, &url, limit)?, url))
        };
        let missing = |url: &str| format!("{} does not exist", content::printable(url));
        let text = if self.source.is_signed {
            let keys = read_keys(&self.source.keys)?;
            let at = ValidAt::Time(self.step.now);
            match small("InRelease", MAX_RELEASE)? {
                (Some(bytes), url) => {
                    let checked = keys.verify_cleartext(&bytes, at);
                    let (text, _) =
                        checked.map_err(|fault| format!("{}: {fault}", content::printable(&url)))?;
                    (text.into_bytes(), url)
                }
                (None, _) => {
                    let (bytes, url) = small("Release", MAX_RELEASE)?;
                    let bytes = bytes.ok_or_else(|| missing(&url))?;
                    let (signature, _) = small("Release.gpg", SIGNATURE_MAX)?;
                    let checked = match signature {
                        Some(signature) => keys.verify(&bytes, &signature, at).map(drop),
                        None => Err(SignatureFault::Missing),
                    };
                    checked.map_err(|fault| format!("{}: {fault}", content::printable(&url)))?;
                    (bytes, url)
                }
            }
        } else {
            let (bytes, url) = small("Release", MAX_RELEASE)?;
            (bytes.ok_or_else(|| missing(&url))?, url)
        };
        let (bytes, url) = text;
        let release = Release::read(&bytes, Path::new(&url)).map_err(|error| error.to_string())?;
        if let Some(date) = release.expired(self.step.now) {
            return Err(format!(
                "{} expired at {date} by the clock of this machine: the server has old metadata",
                content::printable(&url)
            ));
        }
        if let Some(date) = release.date.filter(|date| *date > self.step.now + DAY) {
            return Err(format!(
                "{} is from the future by the clock of this machine, {date} seconds since 1970: correct the clock",
                content::printable(&url)
            ));
        }
        if let Some(suite) = self.source.suite.as_ref().filter(|suite| !release.is_suite(suite)) {
            let own = release.codename.as_ref().or(release.suite.as_ref());
            self.step.progress.warn(&format!(
                "{}: the suite `{suite}` says that it is `{}`",
                content::printable(&url),
                content::printable(own.map_or("", String::as_str))
            ));
        }
        Ok(release)
    }

    /// The folders of the lists that must be read.
    fn lists(&self, release: &Release, choice: &Choice<'_>) -> Result<Vec<String>, String> {
        if self.source.suite.is_none() {
            return Ok(vec![String::new()]);
        }
        let mut folders = Vec::new();
        for component in &self.source.components {
            let all = format!("{component}/binary-all/");
            let has_all = !release.lists_all_everywhere && !release.packages(&all).is_empty();
            for architecture in choice.architectures() {
                let folder = format!("{component}/binary-{architecture}/");
                if release.packages(&folder).is_empty() {
                    // A repository may have packages for all machines alone.
                    if has_all && !release.architectures.iter().any(|one| one == architecture) {
                        continue;
                    }
                    return Err(format!(
                        "it has no list of the component `{component}` for {architecture}; it has the components {} for {}",
                        content::printable(&release.components.join(", ")),
                        release.architectures.join(", ")
                    ));
                }
                folders.push(folder);
            }
            if has_all {
                folders.push(all);
            }
        }
        Ok(folders)
    }

    /// Reads the list in `folder`.
    fn packages(
        &self,
        release: &Release,
        bases: &[&str],
        folder: &str,
        choice: &mut Choice<'_>,
    ) -> Result<(), String> {
        let mut reasons: Vec<String> = Vec::new();
        // `Release` also names forms that no server has.
        for file in release.packages(folder) {
            match self.list(release, bases, file) {
                Ok(Some(path)) => {
                    let opened =
                        content::open(&path, LinkPolicy::Follow).map_err(|error| error.to_string())?;
                    let shown = Path::new(&file.path);
                    let input = BufReader::with_capacity(128 << 10, opened);
                    let mut input = unpacked(input, MAX_PACKAGE_METADATA)
                        .map_err(|error| format!("{}: {error}", file.path))?;
                    let names = choice.names();
                    let read =
                        read_packages(&mut input, shown, |name| names.contains(name), |deb| choice.add(deb));
                    return read.map_err(|error| error.to_string());
                }
                Ok(None) => reasons.push(format!("{} does not exist", content::printable(&file.path))),
                Err(reason) => return Err(reason),
            }
        }
        if reasons.is_empty() {
            reasons.push(format!("its `Release` lists no {folder}Packages with a SHA-256"));
        }
        Err(reasons.join("; "))
    }

    /// A file that `Release` lists, whose SHA-256 is right; `None` if no URL has it.
    fn list(&self, release: &Release, bases: &[&str], file: &ReleaseFile) -> Result<Option<PathBuf>, String> {
        if file.size > MAX_PACKAGE_METADATA {
            return Err(format!(
                "{} has more than {MAX_PACKAGE_METADATA} bytes",
                content::printable(&file.path)
            ));
        }
        let folder = self.folder();
        let mut urls = Vec::new();
        for base in bases {
            if release.has_by_hash {
                urls.push(joined(base, &format!("{folder}{}", file.by_hash())));
            }
            urls.push(joined(base, &format!("{folder}{}", file.path)));
        }
        let label = format!("{} of {}", file.path, self.step.name);
        self.fetcher().file(&label, urls, file.digest, file.size)
    }
}
