//! Settings of one build. The command line overrides the environment, the environment overrides `.env`, and `.env` overrides
//! the defaults.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use images::Reference;
use images::pull::{Proxies, redacted};

use super::error::Error;
use super::names::{ArchiveName, Mirror, ParsedName as _, RegistryHost};
use super::read::read;

/// The file of settings in the project's folder.
pub(super) const DOT_ENV: &str = ".env";

/// Variables of MetalK8s' own build that have no effect here, with the reason.
const UNUSED: [(&str, &str); 13] = [
    ("HARDLINK_BIN", "blobs are linked when they are stored"),
    ("IMPLANTISOMD5_BIN", "the MD5 is implanted while the ISO is written"),
    ("MKISOFS_BIN", "sealift itself writes the ISO"),
    ("SKOPEO_BIN", "sealift itself pulls images"),
    ("GOFMT_BIN", "no Go source is built"),
    ("HELM_BIN", "no Helm chart is rendered"),
    ("MAKE_BIN", "nothing is built with make"),
    ("OPERATOR_SDK_BIN", "no operator is generated"),
    ("TOX_BIN", "nothing is run with tox"),
    ("VAGRANT_PROVIDER", "no Vagrant machine is started"),
    ("VAGRANT_UP_ARGS", "no Vagrant machine is started"),
    ("VAGRANT_SNAPSHOT_NAME", "no Vagrant machine is started"),
    ("VAGRANT_BIN", "no Vagrant machine is started"),
];

/// The settings on the command line.
#[derive(Debug, Clone, Default)]
pub struct SettingsFlags {
    /// `--profile`: names with commas between them.
    pub profiles: Vec<String>,
    /// `--set`: variables of the project with the values that they get.
    pub variables: Vec<(String, String)>,
    /// `--build-root`; relative paths start from the project.
    pub build_root: Option<PathBuf>,
}

/// The part of a project that is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChosenProfile {
    /// Everything outside of profiles.
    Default,
    /// Also what these profiles add, one after the other.
    Named(Vec<String>),
}

impl ChosenProfile {
    /// The profiles that `lists` name, each a list with commas between its names.
    fn named(lists: &[impl AsRef<str>]) -> Self {
        let names = lists.iter().flat_map(|list| list.as_ref().split(','));
        let mut chosen: Vec<String> = Vec::new();
        for name in names.map(str::trim).filter(|name| !name.is_empty()) {
            if !chosen.iter().any(|other| other == name) {
                chosen.push(name.to_owned());
            }
        }
        if chosen.is_empty() { Self::Default } else { Self::Named(chosen) }
    }
}

/// The result cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputCache {
    /// The folder: `outputs` in the cache.
    pub folder: PathBuf,
    /// `SEALIFT_CACHE_SIZE`: the maximum size in bytes; 0 turns the cache off.
    pub size: u64,
    /// `SEALIFT_REMOTE_CACHE`: the repository of the remote cache, such as `registry.example:5000/team/cache`.
    pub remote: Option<Reference>,
    /// `SEALIFT_REMOTE_CACHE_MODE`: whether results are also sent there (`read-write`) or not (`read`).
    pub remote_writes: bool,
}

/// The folder in the build root that replaces a missing home.
const HOME: &str = "home";

/// The default of `SEALIFT_CACHE_SIZE`, in bytes.
const CACHE_SIZE: u64 = 10_000_000_000;

/// The settings of one build.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `SEALIFT_PROFILE`: the part of the project that is used.
    pub profile: ChosenProfile,
    /// `PROJECT_NAME`: the name of the archive, if it overrides that of the project file.
    pub project_name: Option<ArchiveName>,
    /// `BUILD_ROOT`: the build root, absolute; a relative value starts from the project. Default: `_build`.
    pub build_root: PathBuf,
    /// `SEALIFT_CACHE`: the content store, shared by all projects of the user. Default: the XDG cache folder.
    pub cache: PathBuf,
    /// The result cache.
    pub outputs: OutputCache,
    /// `CARGO_HOME`: the folder of cargo.
    pub cargo_home: PathBuf,
    /// `SEALIFT_CARGO_PROFILE`: the profile in which cargo compiles programs. Default: `release`.
    pub cargo_profile: String,
    /// `GIT_BIN`: the git program.
    pub git: PathBuf,
    /// The names or paths of programs, by variables such as `SHELLCHECK_BIN`.
    pub programs: BTreeMap<String, PathBuf>,
    /// `PATH`: the folders to search for programs.
    pub search_path: Vec<PathBuf>,
    /// `SOURCE_DATE_EPOCH`: the date of everything that is built, in seconds since 1970. It overrides the date of the commit,
    /// those that images and packages declare, and those of changelogs.
    pub source_date: Option<i64>,
    /// `SEALIFT_SIGN`: whether packages and repositories are signed, if the project says so. Default: yes.
    pub signs: bool,
    /// Mirrors of registries, tried before those of the project file; see [`mirrors`].
    pub mirrors: Vec<(RegistryHost, Mirror)>,
    /// The files with credentials of registries; see [`auth_files`].
    pub auth_files: Vec<PathBuf>,
    /// Other files that may have them; see [`auth_places`].
    pub auth_places: Vec<PathBuf>,
    /// The folders with certificates of registries; see [`certificate_folders`].
    pub certificate_folders: Vec<PathBuf>,
    /// `HTTPS_PROXY`, `NO_PROXY` and so on: the proxies to registries.
    pub proxies: Proxies,
    /// The variables of `.env` and of the environment, which overrides it.
    pub values: BTreeMap<String, String>,
    /// `--set`: variables of the project with the values that they get.
    pub variables: Vec<(String, String)>,
    /// The environment of programs that are started. It lacks `.env`, whose values are for Sealift alone.
    pub environment: BTreeMap<String, String>,
    /// The variables in `.env` that have no effect, with the reason.
    pub unused: Vec<(String, &'static str)>,
}

/// `REGISTRY_AUTH_FILE`: the file with credentials that the user names.
#[must_use]
pub fn auth_files(environment: &BTreeMap<String, String>) -> Vec<PathBuf> {
    let file = environment.get("REGISTRY_AUTH_FILE").filter(|value| !value.is_empty());
    file.map(PathBuf::from).into_iter().collect()
}

/// The files in which podman and docker store the credentials of a user: `auth.json` and `config.json`. They need not exist.
/// None if the user names a file.
#[must_use]
pub fn auth_places(environment: &BTreeMap<String, String>) -> Vec<PathBuf> {
    if !auth_files(environment).is_empty() {
        return Vec::new();
    }
    let path = |name: &str| environment.get(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = |folder: &str| path("HOME").map(|home| home.join(folder));
    let podman = [path("XDG_RUNTIME_DIR"), path("XDG_CONFIG_HOME").or_else(|| home(".config"))];
    let podman = podman.into_iter().flatten().map(|folder| folder.join("containers/auth.json"));
    let docker = path("DOCKER_CONFIG").or_else(|| home(".docker")).map(|folder| folder.join("config.json"));
    podman.chain(docker).collect()
}

/// The folders in which skopeo and docker look for certificates of registries, those of the user first. Each registry has a
/// folder in them, named after its host.
#[must_use]
pub fn certificate_folders(environment: &BTreeMap<String, String>) -> Vec<PathBuf> {
    let path = |name: &str| environment.get(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let config = path("XDG_CONFIG_HOME").or_else(|| path("HOME").map(|home| home.join(".config")));
    let own = config.map(|config| config.join("containers/certs.d"));
    own.into_iter().chain(["/etc/containers/certs.d", "/etc/docker/certs.d"].map(PathBuf::from)).collect()
}

impl Settings {
    /// Gathers the settings of the project at `root` from its `.env`, the `environment` and the `flags` of the command line.
    ///
    /// # Errors
    ///
    /// If `.env` cannot be read or a value is invalid.
    pub fn gather(
        root: &Path,
        environment: &BTreeMap<String, String>,
        flags: &SettingsFlags,
    ) -> Result<Self, Error> {
        let mut values = dot_env(root)?;
        let unused = UNUSED
            .iter()
            .filter(|(name, _)| values.contains_key(*name))
            .map(|(name, reason)| ((*name).to_owned(), *reason))
            .collect();
        values.extend(environment.iter().map(|(name, value)| (name.clone(), value.clone())));
        let value = |name: &str| values.get(name).filter(|value| !value.is_empty());
        let path = |name: &str| value(name).map(PathBuf::from);
        let build_root =
            flags.build_root.clone().or_else(|| path("BUILD_ROOT")).unwrap_or_else(|| "_build".into());
        let home = path("HOME").unwrap_or_else(|| root.join(&build_root).join(HOME));
        let source_date = value("SOURCE_DATE_EPOCH")
            .map(|text| {
                text.parse().ok().filter(|seconds| *seconds >= 0).ok_or_else(|| Error::Setting {
                    name: "SOURCE_DATE_EPOCH".into(),
                    message: format!("expected seconds since 1970, found `{text}`"),
                })
            })
            .transpose()?;
        let cache = path("SEALIFT_CACHE")
            .or_else(|| path("XDG_CACHE_HOME").map(|cache| cache.join("sealift")))
            .unwrap_or_else(|| home.join(".cache/sealift"));
        Ok(Self {
            profile: if !flags.profiles.is_empty() {
                ChosenProfile::named(&flags.profiles)
            } else {
                ChosenProfile::named(value("SEALIFT_PROFILE").as_slice())
            },
            project_name: value("PROJECT_NAME")
                .map(|name| ArchiveName::parse(name))
                .transpose()
                .map_err(|message| Error::Setting { name: "PROJECT_NAME".into(), message })?,
            build_root: root.join(build_root),
            outputs: OutputCache {
                folder: root.join(&cache).join("outputs"),
                size: value("SEALIFT_CACHE_SIZE").map_or(Ok(CACHE_SIZE), |text| {
                    size(text)
                        .map_err(|message| Error::Setting { name: "SEALIFT_CACHE_SIZE".into(), message })
                })?,
                remote: value("SEALIFT_REMOTE_CACHE")
                    .map(|text| text.parse::<Reference>())
                    .transpose()
                    .map_err(|error| Error::Setting {
                        name: "SEALIFT_REMOTE_CACHE".into(),
                        message: error.to_string(),
                    })?,
                remote_writes: match value("SEALIFT_REMOTE_CACHE_MODE").map(String::as_str) {
                    None | Some("read") => false,
                    Some("read-write") => true,
                    Some(found) => {
                        return Err(Error::Setting {
                            name: "SEALIFT_REMOTE_CACHE_MODE".into(),
                            message: format!("expected `read` or `read-write`, found `{found}`"),
                        });
                    }
                },
            },
            cache: root.join(cache),
            cargo_home: path("CARGO_HOME").unwrap_or_else(|| home.join(".cargo")),
            cargo_profile: value("SEALIFT_CARGO_PROFILE").map_or(
                Ok(cargo_static::RELEASE.into()),
                |name| {
                    // It is also the name of a folder.
                    let plain =
                        name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
                    plain.then(|| name.clone()).ok_or_else(|| Error::Setting {
                        name: "SEALIFT_CARGO_PROFILE".into(),
                        message: format!("expected a profile of cargo such as `dev`, found `{name}`"),
                    })
                },
            )?,
            git: path("GIT_BIN").unwrap_or_else(|| "git".into()),
            programs: values
                .iter()
                .filter(|(name, value)| name.ends_with("_BIN") && !value.is_empty())
                .map(|(name, value)| (name.clone(), value.into()))
                .collect(),
            search_path: value("PATH").map(|path| std::env::split_paths(path).collect()).unwrap_or_default(),
            source_date,
            signs: match value("SEALIFT_SIGN").map(String::as_str) {
                None | Some("yes") => true,
                Some("no") => false,
                Some(found) => {
                    return Err(Error::Setting {
                        name: "SEALIFT_SIGN".into(),
                        message: format!("expected `yes` or `no`, found `{found}`"),
                    });
                }
            },
            mirrors: mirrors(&values)?,
            auth_files: auth_files(&values),
            auth_places: auth_places(&values),
            certificate_folders: certificate_folders(&values),
            proxies: Proxies::from_variables(&values),
            environment: environment.clone(),
            variables: flags.variables.clone(),
            unused,
            values,
        })
    }

    /// The folder that replaces a missing home; it has the caches then. It need not exist.
    #[must_use]
    pub fn own_home(&self) -> PathBuf {
        self.build_root.join(HOME)
    }

    /// `DOCKER_BIN`: the container engine that the user names.
    #[must_use]
    pub fn engine(&self) -> Option<&Path> {
        self.programs.get("DOCKER_BIN").map(PathBuf::as_path)
    }

    /// The path of the program `name`. Its variable ([`program_variable`]) may have a path or another name; a name is looked up
    /// on the search path. `None` if the program does not exist.
    #[must_use]
    pub fn program(&self, name: &str) -> Option<PathBuf> {
        let named = self.programs.get(&program_variable(name)).cloned().unwrap_or_else(|| name.into());
        // A name with a slash is a path. An absolute path does not change when it is joined to a folder.
        let folders = if named.components().count() > 1 { &[PathBuf::new()][..] } else { &self.search_path };
        folders.iter().map(|folder| folder.join(&named)).find(|file| is_program(file))
    }
}

fn is_program(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

/// The variable that names the program `name`: `SALT_LINT_BIN` for `salt-lint`.
#[must_use]
pub fn program_variable(name: &str) -> String {
    format!("{}_BIN", name.to_ascii_uppercase().replace('-', "_"))
}

/// The variables in the `.env` at `root`. None if the file does not exist.
fn dot_env(root: &Path) -> Result<BTreeMap<String, String>, Error> {
    let path = root.join(DOT_ENV);
    if !path.exists() {
        return Ok(BTreeMap::new());
    }
    pairs(&read(&path)?).map_err(|line| Error::Invalid {
        path,
        line,
        column: 1,
        message: PAIR.into(),
        snippet: None,
    })
}

/// What a line of variables looks like.
pub(super) const PAIR: &str = "expected `NAME=value`, with quotes around blanks and a closing quote";

/// The variables in `text`, which has shell syntax with or without `export`.
///
/// # Errors
///
/// The number of the first line that is none, from 1. No more: the line may have a password.
pub(super) fn pairs(text: &str) -> Result<BTreeMap<String, String>, u64> {
    let taken = Cell::new(0);
    let mut pairs = dotenvy::Iter::new(Lines { rest: text.as_bytes(), taken: &taken });
    let mut values = BTreeMap::new();
    loop {
        let before = taken.get();
        match pairs.next() {
            None => return Ok(values),
            Some(Ok((name, value))) => drop(values.insert(name, value)),
            Some(Err(_)) => {
                let is_empty = |line: &&str| line.trim().is_empty() || line.trim_start().starts_with('#');
                let line = before + text.lines().skip(before).take_while(is_empty).count() + 1;
                return Err(line as u64);
            }
        }
    }
}

/// A reader that returns one line at a time and counts the lines.
struct Lines<'a> {
    rest: &'a [u8],
    taken: &'a Cell<usize>,
}

impl Read for Lines<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let line = self.rest.iter().position(|byte| *byte == b'\n').map_or(self.rest.len(), |end| end + 1);
        let count = line.min(buffer.len());
        let (now, rest) = self.rest.split_at(count);
        buffer[..count].copy_from_slice(now);
        self.rest = rest;
        self.taken.set(self.taken.get() + usize::from(count > 0 && count == line));
        Ok(count)
    }
}

/// Parses a size: `0`, `500M`, `10 GB`. Units are powers of ten, as for disks.
///
/// # Errors
///
/// A message that says what is expected.
pub fn size(text: &str) -> Result<u64, String> {
    let wrong = || format!("expected a size such as `10G`, found `{text}`");
    let digits = text.trim_start().bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.trim_start().split_at(digits);
    let unit = unit.trim().to_ascii_lowercase();
    let factor: u64 = match unit.strip_suffix('b').unwrap_or(&unit) {
        "" => 1,
        "k" => 1_000,
        "m" => 1_000_000,
        "g" => 1_000_000_000,
        "t" => 1_000_000_000_000,
        _ => return Err(wrong()),
    };
    number.parse::<u64>().ok().and_then(|number| number.checked_mul(factor)).ok_or_else(wrong)
}

/// `REGISTRY_MIRRORS`: the mirrors of registries, as pairs `host=url` separated by blanks or commas.
///
/// # Errors
///
/// [`Error::Setting`] if the value is not a list of such pairs.
pub fn mirrors(environment: &BTreeMap<String, String>) -> Result<Vec<(RegistryHost, Mirror)>, Error> {
    let text = environment.get("REGISTRY_MIRRORS").map_or("", String::as_str);
    text.split([',', ' ', '\n'])
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let wrong = |message| Error::Setting { name: "REGISTRY_MIRRORS".into(), message };
            let parsed = pair.split_once('=').map(|(host, url)| (RegistryHost::parse(host), url));
            let Some((Ok(host), url)) = parsed else {
                let message = format!("expected `host=http://mirror/path`, found `{}`", redacted(pair));
                return Err(wrong(message));
            };
            let mirror = Mirror::parse(url).map_err(|reason| wrong(format!("{host}: {reason}")))?;
            Ok((host, mirror))
        })
        .collect()
}

#[cfg(test)]
mod tests;
