//! Which package of a repository meets each request.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use ::packages::debian::{DebIdentity, ListedDeb, compare};
use content::printable;

use crate::project::{DebName, DebRequest, LockedDeb, LockedPath, ParsedName as _};

/// How many versions of a package are read.
const VERSIONS_MAX: usize = 10_000;
/// How many versions an error lists.
const VERSIONS_SHOWN: usize = 5;
/// The architecture of packages for all machines.
const ALL: &str = "all";

/// The packages that are wanted, while the lists of a repository are read.
pub(super) struct Choice<'a> {
    requests: &'a [&'a DebRequest],
    architectures: &'a [String],
    /// The packages of the wanted names, by name, architecture and version.
    found: BTreeMap<String, BTreeMap<(String, String), ListedDeb>>,
    /// Packages that the lists have with different content, with the two paths in words.
    doubles: BTreeMap<DebIdentity, String>,
    /// Why the lists cannot be used, if they cannot.
    fault: Option<String>,
}

impl<'a> Choice<'a> {
    pub(super) fn new(requests: &'a [&'a DebRequest], architectures: &'a [String]) -> Self {
        let name = |request: &&DebRequest| match request {
            DebRequest::Package { name, .. } => Some((name.clone(), BTreeMap::new())),
            DebRequest::File(_) => None,
        };
        let found = requests.iter().filter_map(name).collect();
        Self { requests, architectures, found, doubles: BTreeMap::new(), fault: None }
    }

    /// The architectures whose lists must be read.
    pub(super) fn architectures(&self) -> Vec<&str> {
        let own = self.requests.iter().filter_map(|request| match request {
            DebRequest::Package { architecture: Some(architecture), .. } => Some(architecture.as_str()),
            _ => None,
        });
        let mut all: Vec<&str> = self.architectures.iter().map(String::as_str).collect();
        for architecture in own.filter(|one| *one != ALL) {
            if !all.contains(&architecture) {
                all.push(architecture);
            }
        }
        all
    }

    /// The names of the packages that are wanted.
    pub(super) fn names(&self) -> BTreeSet<String> {
        self.found.keys().cloned().collect()
    }

    /// Takes a package that the repository lists. The same package may be in several lists.
    pub(super) fn add(&mut self, deb: ListedDeb) {
        let Some(versions) = self.found.get_mut(&deb.identity.name) else { return };
        let key = (deb.identity.architecture.clone(), deb.identity.version.clone());
        match versions.get(&key) {
            Some(other) if other.digest != deb.digest => {
                let paths = format!("{} and {}", printable(&other.path), printable(&deb.path));
                self.doubles.insert(deb.identity, paths);
            }
            Some(_) => {}
            None if versions.len() == VERSIONS_MAX => {
                self.fault =
                    Some(format!("it lists more than {VERSIONS_MAX} versions of {}", deb.identity.name));
            }
            None => drop(versions.insert(key, deb)),
        }
    }

    /// The package of each request.
    ///
    /// # Errors
    ///
    /// A sentence for the first request that the repository does not meet.
    pub(super) fn end(self) -> Result<Vec<(DebName, LockedDeb)>, String> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        let mut chosen = Vec::new();
        for request in self.requests {
            let DebRequest::Package { name, architecture, version } = request else { continue };
            let versions = self.found.get(name);
            let all: Vec<&ListedDeb> = versions.into_iter().flat_map(BTreeMap::values).collect();
            let fitting =
                all.iter().filter(|deb| version.as_ref().is_none_or(|one| *one == deb.identity.version));
            let own: Vec<&String> = architecture.iter().collect();
            let architectures = if own.is_empty() { self.architectures.iter().collect() } else { own };
            let fitting: Vec<&&ListedDeb> = fitting.collect();
            for architecture in architectures {
                // One for all machines counts beside one for this machine.
                let of = |deb: &&&&ListedDeb| {
                    deb.identity.architecture == *architecture || deb.identity.architecture == ALL
                };
                let newest = fitting.iter().filter(of).max_by(|one, other| order(one, other));
                let Some(deb) = newest else {
                    return Err(missing(request, architecture, &all));
                };
                if let Some(paths) = self.doubles.get(&deb.identity) {
                    let package = &deb.identity;
                    return Err(format!("it lists the package {package} with different content: {paths}"));
                }
                chosen.push(locked(deb, request)?);
            }
        }
        Ok(chosen)
    }
}

/// The older one first.
fn order(one: &ListedDeb, other: &ListedDeb) -> Ordering {
    compare(&one.identity.version, &other.identity.version)
        // One for this machine is better, as apt has it.
        .then_with(|| (other.identity.architecture == ALL).cmp(&(one.identity.architecture == ALL)))
        // Two ways to write the same version.
        .then_with(|| one.identity.version.cmp(&other.identity.version))
}

fn locked(deb: &ListedDeb, request: &DebRequest) -> Result<(DebName, LockedDeb), String> {
    let ListedDeb { identity, path, size, digest } = deb;
    let name = DebName::parse(&identity.to_string())?;
    let path = LockedPath::parse(path).map_err(|reason| format!("{name}: {reason}"))?;
    Ok((name, LockedDeb { path, digest: *digest, size: *size, by: request.to_string() }))
}

/// Why no package meets a request.
fn missing(request: &DebRequest, architecture: &str, all: &[&ListedDeb]) -> String {
    let mut sorted = all.to_vec();
    sorted.sort_by(|one, other| order(other, one));
    let shown: Vec<String> = sorted
        .iter()
        .take(VERSIONS_SHOWN)
        .map(|deb| printable(&deb.identity.to_string()).to_string())
        .collect();
    let more = if sorted.len() > VERSIONS_SHOWN { ", …" } else { "" };
    match shown.join(", ") {
        none if none.is_empty() => format!("it has no package `{request}`"),
        shown => format!("it has no package `{request}` for {architecture}; it has {shown}{more}"),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// The packages chosen for `requests` from lists of `NAME_VERSION_ARCHITECTURE`.
    fn chosen(requests: &[&str], architectures: &[&str], lists: &[&str]) -> Result<Vec<String>, String> {
        let requests: Vec<DebRequest> =
            requests.iter().map(|text| DebRequest::parse(text).unwrap()).collect();
        let requests: Vec<&DebRequest> = requests.iter().collect();
        let architectures: Vec<String> = architectures.iter().map(|name| (*name).to_owned()).collect();
        let mut choice = Choice::new(&requests, &architectures);
        for (number, list) in lists.iter().enumerate() {
            let [name, version, architecture] = list.split('_').collect::<Vec<_>>()[..] else {
                panic!("{list}")
            };
            let sum = content::Digest::of(list.split('!').next().unwrap().as_bytes()).hex();
            let (version, sum) = match version.strip_suffix('!') {
                Some(version) => (version, content::Digest::of(&[number as u8]).hex()),
                None => (version, sum),
            };
            let text = format!(
                "Package: {name}\nVersion: {version}\nArchitecture: {architecture}\nFilename: {number}.deb\nSize: 1\nSHA256: {sum}\n"
            );
            let names = choice.names();
            let wanted = |name: &str| names.contains(name);
            let add = |deb| choice.add(deb);
            ::packages::debian::read_packages(&mut text.as_bytes(), Path::new("P"), wanted, add).unwrap();
        }
        choice.end().map(|list| list.into_iter().map(|(name, _)| name.to_string()).collect())
    }

    #[test]
    fn the_newest_package_that_meets_a_request_is_chosen_for_each_architecture() {
        let lists = [
            "a_1.9_amd64",
            "a_1.10_amd64",
            "a_1.10~rc_amd64",
            "a_2_arm64",
            "b_1_all",
            "b_1_amd64",
            "c_9_all",
        ];
        for (requests, architectures, expected) in [
            (&["a"][..], &["amd64"][..], &["a_1.10_amd64"][..]),
            (&["a=1.9"], &["amd64"], &["a_1.9_amd64"]),
            (&["a"], &["amd64", "arm64"], &["a_1.10_amd64", "a_2_arm64"]),
            (&["a:arm64"], &["amd64"], &["a_2_arm64"]),
            (&["b", "c"], &["amd64"], &["b_1_amd64", "c_9_all"]),
            (&["b:all"], &["amd64"], &["b_1_all"]),
        ] {
            assert_eq!(chosen(requests, architectures, &lists).unwrap(), expected, "{requests:?}");
        }
    }

    #[test]
    fn what_a_repository_does_not_have_is_reported_with_what_it_has() {
        let lists = ["a_1_amd64", "a_2_amd64"];
        for (request, said) in [
            ("x", "it has no package `x`"),
            ("a=3", "it has no package `a=3` for amd64; it has a_2_amd64, a_1_amd64"),
            ("a:arm64", "it has no package `a:arm64` for arm64; it has a_2_amd64, a_1_amd64"),
        ] {
            assert_eq!(chosen(&[request], &["amd64"], &lists).unwrap_err(), said);
        }
        let error = chosen(&["a"], &["amd64"], &["a_1_amd64", "a_1!_amd64"]).unwrap_err();
        assert_eq!(error, "it lists the package a_1_amd64 with different content: 0.deb and 1.deb");
        assert!(chosen(&["a"], &["amd64"], &["a_1_amd64", "a_1_amd64"]).is_ok());
        let other = chosen(&["a=2"], &["amd64"], &["a_1_amd64", "a_1!_amd64", "a_2_amd64"]);
        assert_eq!(other.unwrap(), ["a_2_amd64"], "a package that nobody asked for");
    }
}
