//! Package repositories, as `spec.packages` lists them.

use std::collections::BTreeMap;

use images::Reference;
use schemars::JsonSchema;
use serde::Deserialize;

use super::ForEach;
use super::short::{HasShortForm, Short};
use crate::project::field::Field;
use crate::project::names::{
    DebArchitecture, HostBuilder, InnerPath, ModuleStream, PackageRequest, PathPattern, Pattern, Release,
    RepositoryName, RepositoryUrl, RpmArchitecture, SuiteName, Text,
};

/// A package repository of the archive.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RepositoryEntry {
    /// The name. The folder in the archive is `packages/redhat/<release>/<project>-<name>-el<release>`, or for Debian
    /// `packages/debian/<release>/<project>-<name>`.
    pub name: Field<RepositoryName>,
    /// What the packages are for: `redhat`, RPMs for dnf, or `debian`, DEBs for apt. Default: `redhat`.
    #[serde(default)]
    pub family: PackageFamily,
    /// The release of the distribution: `8`; for Debian and Ubuntu `bookworm` or `22.04`, which is also the name of the suite.
    pub release: Field<Release>,
    /// Packages to build: folders with a `package.yaml`, and for RPMs spec files, such as `packages/redhat/8/containerd.spec`. One of
    /// `build`, `rpms` or `debs`, and `source` or `download` is required; a repository can have all.
    #[serde(default)]
    pub build: Vec<Field<InnerPath>>,
    /// Where spec files are built: `{image: REFERENCE}`, a container image with rpmbuild, or `host`, the rpmbuild of this machine.
    #[serde(default)]
    pub builder: Option<Short<BuilderEntry>>,
    /// Macros for spec files, as `rpmbuild --define` has them: `{commit: 1c4457e}`.
    #[serde(default)]
    pub macros: BTreeMap<String, Field<Text>>,
    /// A configuration of rpmlint: an rpmlintrc, or a `.toml` file for rpmlint 2. With it, packages of spec files are checked.
    #[serde(default)]
    pub rpmlintrc: Option<Field<InnerPath>>,
    /// RPMs that exist: patterns of files of the project, such as `rpms/*.rpm` and `vendor/**/*.rpm`, or files in the build root
    /// that tasks produce. They are copied as they are, with their signatures.
    #[serde(default)]
    pub rpms: Vec<Field<PathPattern>>,
    /// DEBs that exist, as `rpms` for `family: debian`: `debs/*.deb`.
    #[serde(default)]
    pub debs: Vec<Field<PathPattern>>,
    /// Patterns of RPMs or DEBs to leave out, as in a `.gitignore` in the folder of the project: `*.src.rpm`. They also count for packages
    /// of spec files: `*-debuginfo-*`.
    #[serde(default)]
    pub exclude: Vec<Field<Pattern>>,
    /// An upstream repository.
    #[serde(default)]
    pub source: Option<UpstreamEntry>,
    /// Packages that the upstream repository must have, each as after `dnf install`: `socat`, `kubelet-1.29.8`, `nginx >= 1.20`,
    /// `/usr/bin/host`, `@GROUP`, `@MODULE:STREAM`. They are downloaded with what they require, which comes from any upstream
    /// repository of the release. For Debian: `socat`, `socat=1.7.4.4-2`, `socat:arm64`, or the URL of a DEB. What they require is not
    /// downloaded.
    #[serde(default)]
    pub download: Vec<Field<PackageRequest>>,
    /// The entry counts only if this expression is true: `channel == "stable"`.
    #[serde(default)]
    pub when: Option<Field<Text>>,
    /// Repeats the entry: names with the values that they have, one after the other.
    #[serde(default)]
    pub for_each: ForEach,
}

/// What packages are for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum PackageFamily {
    /// RPMs: RHEL and the distributions that are compatible with it.
    #[default]
    Redhat,
    /// DEBs: Debian, Ubuntu and others.
    Debian,
}

/// Where spec files are built.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BuilderEntry {
    /// A container image with rpmbuild, and with rpmlint if it is used. The lock file has its digest. It runs without a network.
    #[serde(default)]
    pub image: Option<Field<Reference>>,
    /// The short form.
    #[serde(skip)]
    pub host: Option<Field<HostBuilder>>,
}

impl HasShortForm for BuilderEntry {
    type Main = HostBuilder;
    const MAIN: &'static str = "`host`";

    fn of(host: Field<HostBuilder>) -> Self {
        Self { image: None, host: Some(host) }
    }
}

/// Where an upstream repository is, and how its packages count. One of `url`, `metalink`, `mirrorlist` and `repoFile` is required.
/// URLs can have `$releasever`, `$basearch` and `$arch`. A repository for Debian has `url`, `mirrors`, `suite`, `components`,
/// `architectures`, `keys` and `signatures`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UpstreamEntry {
    /// The folder that has `repodata/`, or for Debian `dists/`: `https://`, `http://` or `file:///`.
    #[serde(default)]
    pub url: Option<Field<RepositoryUrl>>,
    /// Other URLs of the same repository, which are tried in this order if the first one fails.
    #[serde(default)]
    pub mirrors: Vec<Field<RepositoryUrl>>,
    /// The URL of a metalink.
    #[serde(default)]
    pub metalink: Option<Field<RepositoryUrl>>,
    /// The URL of a list of mirrors.
    #[serde(default)]
    pub mirrorlist: Option<Field<RepositoryUrl>>,
    /// For Debian: the suite, such as `bookworm`, whose metadata are in `dists/bookworm/`. Without it, `Packages` and `Release` must be
    /// in the folder of `url`.
    #[serde(default)]
    pub suite: Option<Field<SuiteName>>,
    /// For Debian: the components of the suite. Default: `main`.
    #[serde(default)]
    pub components: Vec<Field<SuiteName>>,
    /// For Debian: the architectures of the nodes. Each request must have a package for each of them, or one for `all`. Default: `amd64`.
    #[serde(default)]
    pub architectures: Vec<Field<DebArchitecture>>,
    /// A `.repo` file of the project, with the location, the signatures and the priority.
    #[serde(default)]
    pub repo_file: Option<Field<InnerPath>>,
    /// The section of `repoFile`. Default: the name of the entry.
    #[serde(default)]
    pub id: Option<Field<Text>>,
    /// Files of the project with the OpenPGP keys of the repository. Those of RPMs go into the archive beside the packages.
    #[serde(default)]
    pub keys: Vec<Field<InnerPath>>,
    /// Which signatures are required. Default: those of packages; for Debian `all`, that of `Release`.
    #[serde(default)]
    pub signatures: Option<SignatureRule>,
    /// Nodes have this repository: dependencies that it meets are not downloaded.
    #[serde(default)]
    pub on_nodes: bool,
    /// Packages of a repository with a lower number are better, whatever their versions. Default: 99.
    #[serde(default)]
    #[schemars(range(min = 1, max = 1000))]
    pub priority: Option<i32>,
    /// Patterns of packages to ignore: `kernel*`, `*.i686`.
    #[serde(default)]
    pub exclude: Vec<Field<Text>>,
    /// Patterns of the only packages that count.
    #[serde(default)]
    pub include: Vec<Field<Text>>,
    /// Its packages count even if a stream of a module has packages of their names.
    #[serde(default)]
    pub module_hotfixes: bool,
}

/// Which signatures of an upstream repository are required.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum SignatureRule {
    /// Those of packages and of the metadata, as `gpgcheck=1` and `repo_gpgcheck=1` of dnf.
    All,
    /// That of the metadata, as `repo_gpgcheck=1`. Packages are those with the checksums in the metadata.
    Metadata,
    /// Those of packages, as `gpgcheck=1`. A signature of the metadata is checked if there is one.
    Packages,
    /// None.
    None,
}

/// How the packages of one release are chosen.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DistributionEntry {
    /// The release of the distribution: `8`.
    pub release: Field<Release>,
    /// The architecture of the nodes. Default: `x86_64`.
    #[serde(default)]
    pub architecture: Option<Field<RpmArchitecture>>,
    /// The architectures of the nodes, if there are several: `[x86_64, aarch64]`. The packages are chosen for each of them, and go into
    /// one repository.
    #[serde(default)]
    pub architectures: Vec<Field<RpmArchitecture>>,
    /// Whether recommended packages are downloaded too. Default: false.
    #[serde(default)]
    pub weak_dependencies: bool,
    /// Packages to download from any upstream repository of the release, each as `download` of a repository has it.
    #[serde(default)]
    pub download: Vec<Field<PackageRequest>>,
    /// Streams of modules to use instead of the defaults: `nodejs:18`.
    #[serde(default)]
    pub modules: Vec<Field<ModuleStream>>,
    /// Patterns of packages to ignore, whatever their repository.
    #[serde(default)]
    pub exclude: Vec<Field<Text>>,
    /// The entry counts only if this expression is true: `channel == "stable"`.
    #[serde(default)]
    pub when: Option<Field<Text>>,
    /// Repeats the entry: names with the values that they have, one after the other.
    #[serde(default)]
    pub for_each: ForEach,
}
