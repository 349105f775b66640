//! Which packages of a pool count: architecture, excludes, and modules.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;

use globset::{Glob, GlobSet, GlobSetBuilder};

use super::Options;
use crate::metadata::{Modules, Package, Pool};

/// Why a package does not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum LeftOut {
    /// It does not run on the machine, or is a source package.
    Architecture,
    /// A pattern excludes it.
    Excluded,
    /// Its repository includes only others.
    NotIncluded,
    /// It belongs to streams of modules that are not active; here is one.
    InactiveModule(String),
    /// An active stream of a module has packages of its name.
    ActiveModule(String),
}

impl fmt::Display for LeftOut {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Architecture => to.write_str("it does not run on this architecture"),
            Self::Excluded => to.write_str("it is excluded"),
            Self::NotIncluded => to.write_str("its repository includes only other packages"),
            Self::InactiveModule(stream) => {
                write!(to, "it belongs to the module {stream}, which is not active")
            }
            Self::ActiveModule(stream) => write!(to, "the active module {stream} has packages of its name"),
        }
    }
}

/// The names that a pattern is held against.
fn names(pool: &Pool, package: &Package) -> [String; 6] {
    let (name, arch) = (pool.text(package.name), pool.text(package.arch));
    let (version, release) = (pool.text(package.evr.version), pool.text(package.evr.release));
    let epoch = package.evr.epoch;
    [
        name.to_owned(),
        format!("{name}.{arch}"),
        format!("{name}-{version}"),
        format!("{name}-{version}-{release}"),
        format!("{name}-{version}-{release}.{arch}"),
        format!("{name}-{epoch}:{version}-{release}.{arch}"),
    ]
}

fn patterns<'a>(patterns: impl IntoIterator<Item = &'a String>) -> Option<GlobSet> {
    let mut set = GlobSetBuilder::new();
    let mut any = false;
    for pattern in patterns {
        // What is not a pattern is the name itself.
        let glob = Glob::new(pattern).or_else(|_| Glob::new(&globset::escape(pattern)));
        if let Ok(glob) = glob {
            set.add(glob);
            any = true;
        }
    }
    if any { set.build().ok() } else { None }
}

/// Of each package, why it does not count.
pub(super) fn left_out(pool: &Pool, options: &Options, scores: &[u32]) -> Vec<Option<LeftOut>> {
    let everywhere = patterns(&options.exclude);
    let repositories: Vec<_> =
        pool.repositories().map(|(_, one)| (patterns(&one.exclude), patterns(&one.include))).collect();
    let modules = ActiveModules::new(pool, options);
    let mut all = Vec::with_capacity(pool.packages.len());
    for (package, score) in pool.packages.iter().zip(scores) {
        let (exclude, include) = repositories
            .get(package.repository.index())
            .map_or((None, None), |(a, b)| (a.as_ref(), b.as_ref()));
        let matches = |set: &GlobSet| names(pool, package).iter().any(|name| set.is_match(name));
        all.push(if *score == 0 {
            Some(LeftOut::Architecture)
        } else if everywhere.as_ref().is_some_and(matches) || exclude.is_some_and(matches) {
            Some(LeftOut::Excluded)
        } else if include.is_some_and(|set| !matches(set)) {
            Some(LeftOut::NotIncluded)
        } else {
            None
        });
    }
    if let Some(modules) = modules {
        modules.filter(pool, &mut all);
    }
    all
}

/// The modules of all repositories and which of their streams are active.
pub(super) struct ActiveModules {
    /// The stream of each active module.
    streams: BTreeMap<String, String>,
    /// The stream that each package of an active one belongs to.
    active: HashMap<String, String>,
    /// The same of the packages of all others.
    inactive: HashMap<String, String>,
    /// The active stream that has packages of a name.
    names: HashMap<String, String>,
}

impl ActiveModules {
    pub(super) fn new(pool: &Pool, options: &Options) -> Option<Self> {
        let modules: Vec<&Modules> = pool.repositories.iter().map(|one| &one.modules).collect();
        if modules.iter().all(|one| one.streams.is_empty()) {
            return None;
        }
        let streams = active_streams(&modules, options);
        let (mut active, mut inactive, mut names) = (HashMap::new(), HashMap::new(), HashMap::new());
        for stream in modules.iter().flat_map(|one| &one.streams) {
            let title = format!("{}:{}", stream.module, stream.stream);
            let is_active = streams.get(&stream.module) == Some(&stream.stream);
            for artifact in &stream.artifacts {
                if is_active {
                    if let Some(name) = artifact_name(artifact).filter(|_| !artifact.ends_with(".src")) {
                        names.entry(name.to_owned()).or_insert_with(|| title.clone());
                    }
                    active.insert(artifact.clone(), title.clone());
                } else {
                    inactive.insert(artifact.clone(), title.clone());
                }
            }
        }
        Some(Self { streams, active, inactive, names })
    }

    /// The active stream of a module.
    pub(super) fn stream(&self, module: &str) -> Option<&str> {
        self.streams.get(module).map(String::as_str)
    }

    fn filter(&self, pool: &Pool, all: &mut [Option<LeftOut>]) {
        for (package, left_out) in pool.packages.iter().zip(all) {
            let hotfix = pool.repository(package.repository).is_some_and(|one| one.module_hotfixes);
            if left_out.is_some() || hotfix {
                continue;
            }
            let [name, .., full] = names(pool, package);
            if self.active.contains_key(&full) {
                continue;
            }
            *left_out = if let Some(stream) = self.inactive.get(&full) {
                Some(LeftOut::InactiveModule(stream.clone()))
            } else {
                self.names.get(&name).map(|stream| LeftOut::ActiveModule(stream.clone()))
            };
        }
    }
}

/// `NAME` of `NAME-EPOCH:VERSION-RELEASE.ARCH`.
fn artifact_name(artifact: &str) -> Option<&str> {
    artifact.rsplitn(3, '-').nth(2)
}

/// The active stream of each module: those that are asked for, the defaults of the others, and what these require.
fn active_streams(modules: &[&Modules], options: &Options) -> BTreeMap<String, String> {
    let mut active = BTreeMap::new();
    for wanted in &options.modules {
        if let Some((module, stream)) = wanted.split_once(':') {
            active.insert(module.to_owned(), stream.split('/').next().unwrap_or(stream).to_owned());
        }
    }
    let defaults: BTreeMap<&str, &str> = modules
        .iter()
        .rev()
        .flat_map(|one| &one.defaults)
        .filter_map(|(module, defaults)| Some((module.as_str(), defaults.stream.as_deref()?)))
        .collect();
    let mut rest: Vec<(String, String)> = active.clone().into_iter().collect();
    let mut seen = BTreeSet::new();
    let add = |active: &mut BTreeMap<String, String>,
               rest: &mut Vec<(String, String)>,
               module: &str,
               stream: &str| {
        if !active.contains_key(module) {
            active.insert(module.to_owned(), stream.to_owned());
            rest.push((module.to_owned(), stream.to_owned()));
        }
    };
    for (module, stream) in &defaults {
        add(&mut active, &mut rest, module, stream);
    }
    let known: HashSet<(&str, &str)> = modules
        .iter()
        .flat_map(|one| &one.streams)
        .map(|one| (one.module.as_str(), one.stream.as_str()))
        .collect();
    while let Some((module, stream)) = rest.pop() {
        if !seen.insert((module.clone(), stream.clone())) {
            continue;
        }
        let builds = modules.iter().flat_map(|one| &one.streams);
        let newest =
            builds.filter(|one| one.module == module && one.stream == stream).max_by_key(|one| one.version);
        let Some(requires) = newest.and_then(|one| one.requires.first()) else { continue };
        for (module, streams) in requires {
            let default = defaults.get(module.as_str()).copied();
            let chosen = match default.filter(|one| streams.is_empty() || streams.iter().any(|s| s == one)) {
                Some(stream) => Some(stream),
                None => streams.iter().map(String::as_str).filter(|one| known.contains(&(module, one))).max(),
            };
            if let Some(stream) = chosen {
                add(&mut active, &mut rest, module, stream);
            }
        }
    }
    active
}
