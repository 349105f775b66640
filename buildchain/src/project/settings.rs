//! Settings of one build: the command line wins over the environment, the environment over `.env`, `.env` over the defaults.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use images::pull::{Proxies, redacted};

use super::error::Error;
use super::names::{ArchiveName, ParsedName as _, RegistryHost};
use super::read::read;

/// The file of settings in the project's folder.
pub(super) const DOT_ENV: &str = ".env";

/// Variables of the original buildchain that mean nothing here, with the reason.
const UNUSED: [(&str, &str); 13] = [
    ("HARDLINK_BIN", "blobs are linked when they are stored"),
    ("IMPLANTISOMD5_BIN", "the checksum is implanted while the image is written"),
    ("MKISOFS_BIN", "the image is written by sealift itself"),
    ("SKOPEO_BIN", "images are pulled by sealift itself"),
    ("GOFMT_BIN", "there is no Go in this tree"),
    ("HELM_BIN", "no charts are rendered"),
    ("MAKE_BIN", "nothing is built by make"),
    ("OPERATOR_SDK_BIN", "no operators are generated"),
    ("TOX_BIN", "nothing is run by tox"),
    ("VAGRANT_PROVIDER", "there is no Vagrant environment"),
    ("VAGRANT_UP_ARGS", "there is no Vagrant environment"),
    ("VAGRANT_SNAPSHOT_NAME", "there is no Vagrant environment"),
    ("VAGRANT_BIN", "there is no Vagrant environment"),
];

/// What the command line says of the build's settings.
#[derive(Debug, Clone, Default)]
pub struct SettingsFlags {
    /// `--profile`.
    pub profile: Option<String>,
    /// Take the project with all its profiles, as the lock file does.
    pub all_profiles: bool,
    /// `--build-root`; a relative path starts from the project.
    pub build_root: Option<PathBuf>,
}

/// What of a project is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChosenProfile {
    /// What stands outside of profiles.
    Default,
    /// That and what one profile adds.
    Named(String),
    /// That and what any profile adds.
    All,
}

/// Where the results of tasks are kept, to be put back instead of made again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputCache {
    /// The folder: `outputs` in the cache.
    pub folder: PathBuf,
    /// The most bytes it may hold; 0 where nothing is to be kept: `SEALIFT_CACHE_SIZE`.
    pub size: u64,
    /// The repository of a registry that has results, too, such as `registry.example:5000/team/cache`:
    /// `SEALIFT_REMOTE_CACHE`.
    pub remote: Option<String>,
    /// Results are also sent there: `SEALIFT_REMOTE_CACHE_MODE`, `read` or `read-write`.
    pub remote_writes: bool,
}

/// The folder in the build root that stands in for the home of a user who has none.
const HOME: &str = "home";

/// How many bytes of results are kept where nothing else is said.
const CACHE_SIZE: u64 = 10_000_000_000;

/// The settings of one build.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What of the project is taken: `SEALIFT_PROFILE`.
    pub profile: ChosenProfile,
    /// The archive's name, if it overrides the project file's: `PROJECT_NAME`.
    pub project_name: Option<ArchiveName>,
    /// The folder that the build writes to, absolute: `BUILD_ROOT`, relative to the project, else `_build` there.
    pub build_root: PathBuf,
    /// The content store of images, shared by all projects of the user: `SEALIFT_CACHE`, else the XDG cache folder.
    pub cache: PathBuf,
    /// The cache of the results of tasks.
    pub outputs: OutputCache,
    /// Cargo's own folder: `CARGO_HOME`.
    pub cargo_home: PathBuf,
    /// The profile of cargo in which programs are compiled: `SEALIFT_CARGO_PROFILE`, else `release`.
    pub cargo_profile: String,
    /// The git program: `GIT_BIN`.
    pub git: PathBuf,
    /// The variables that name a program, such as `SHELLCHECK_BIN`, with its name or path.
    pub programs: BTreeMap<String, PathBuf>,
    /// The folders in which programs are looked for: `PATH`.
    pub search_path: Vec<PathBuf>,
    /// The date of everything that is built, in seconds since 1970, if given: `SOURCE_DATE_EPOCH`. It wins over all other
    /// dates: that of the commit, those that images and packages declare, and those of changelogs.
    pub source_date: Option<i64>,
    /// Mirrors of registries, tried before those of the project file: see [`mirrors`].
    pub mirrors: Vec<(RegistryHost, String)>,
    /// The credentials of registries: see [`auth_files`].
    pub auth_files: Vec<PathBuf>,
    /// Where else they may be: see [`auth_places`].
    pub auth_places: Vec<PathBuf>,
    /// The certificates of registries: see [`certificate_folders`].
    pub certificate_folders: Vec<PathBuf>,
    /// The proxies to registries: `HTTPS_PROXY`, `NO_PROXY` and the like.
    pub proxies: Proxies,
    /// The environment, for programs that are started; without `.env`, whose values are ours.
    pub environment: BTreeMap<String, String>,
    /// The variables that are set and mean nothing here, with the reason.
    pub unused: Vec<(String, &'static str)>,
}

/// The file of credentials that the user names: `REGISTRY_AUTH_FILE`.
#[must_use]
pub fn auth_files(environment: &BTreeMap<String, String>) -> Vec<PathBuf> {
    let file = environment.get("REGISTRY_AUTH_FILE").filter(|value| !value.is_empty());
    file.map(PathBuf::from).into_iter().collect()
}

/// Where podman and docker keep a user's credentials, if the user names no file: `auth.json` and `config.json`, which need
/// not exist.
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

/// The folders in which skopeo and docker keep the certificates of registries, each in a folder named for its host: the
/// user's own first.
#[must_use]
pub fn certificate_folders(environment: &BTreeMap<String, String>) -> Vec<PathBuf> {
    let path = |name: &str| environment.get(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let config = path("XDG_CONFIG_HOME").or_else(|| path("HOME").map(|home| home.join(".config")));
    let own = config.map(|config| config.join("containers/certs.d"));
    own.into_iter().chain(["/etc/containers/certs.d", "/etc/docker/certs.d"].map(PathBuf::from)).collect()
}

impl Settings {
    /// Gathers the settings of the project at `root` from `.env` there, the `environment` and the command line's `flags`.
    ///
    /// # Errors
    ///
    /// If `.env` cannot be read or a value cannot be used.
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
            profile: match flags.profile.clone().or_else(|| value("SEALIFT_PROFILE").cloned()) {
                _ if flags.all_profiles => ChosenProfile::All,
                Some(name) => ChosenProfile::Named(name),
                None => ChosenProfile::Default,
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
                remote: value("SEALIFT_REMOTE_CACHE").cloned(),
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
            mirrors: mirrors(&values)?,
            auth_files: auth_files(&values),
            auth_places: auth_places(&values),
            certificate_folders: certificate_folders(&values),
            proxies: Proxies::from_variables(&values),
            environment: environment.clone(),
            unused,
        })
    }

    /// The folder that stands in for the home of a user who has none: caches are in it. It need not exist.
    #[must_use]
    pub fn own_home(&self) -> PathBuf {
        self.build_root.join(HOME)
    }

    /// The path of the program `name`: the value of its variable ([`program_variable`]), a path or a name, else the first
    /// program of that name on the search path. `None` if no such program exists.
    #[must_use]
    pub fn program(&self, name: &str) -> Option<PathBuf> {
        let named = self.programs.get(&program_variable(name)).cloned().unwrap_or_else(|| name.into());
        // A name with a slash in it is a path; joined to a folder, an absolute one stays as it is.
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

/// The variables of `.env` at `root`, in shell syntax with or without `export`; none without the file.
fn dot_env(root: &Path) -> Result<BTreeMap<String, String>, Error> {
    let path = root.join(DOT_ENV);
    if !path.exists() {
        return Ok(BTreeMap::new());
    }
    let text = read(&path)?;
    let taken = Cell::new(0);
    let mut pairs = dotenvy::Iter::new(Lines { rest: text.as_bytes(), taken: &taken });
    let mut values = BTreeMap::new();
    loop {
        let before = taken.get();
        match pairs.next() {
            None => return Ok(values),
            Some(Ok((name, value))) => drop(values.insert(name, value)),
            // The parser's own message repeats what it could not read, which may be a password.
            Some(Err(_)) => {
                let is_empty = |line: &&str| line.trim().is_empty() || line.trim_start().starts_with('#');
                let line = before + text.lines().skip(before).take_while(is_empty).count() + 1;
                return Err(Error::Invalid {
                    path,
                    line: line as u64,
                    column: 1,
                    message: "expected `NAME=value`, with quotes around blanks and a closing quote".into(),
                    snippet: None,
                });
            }
        }
    }
}

/// A reader that hands out one line at a time, so that it is known which have been taken.
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

/// Reads a size: `0`, `500M`, `10 GB`. Powers of ten, as disks have them.
///
/// # Errors
///
/// What is wrong with `text`.
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

/// The mirrors of registries: `REGISTRY_MIRRORS`, pairs `host=url` with blanks or commas between them.
///
/// # Errors
///
/// [`Error::Setting`] for anything else.
pub fn mirrors(environment: &BTreeMap<String, String>) -> Result<Vec<(RegistryHost, String)>, Error> {
    let text = environment.get("REGISTRY_MIRRORS").map_or("", String::as_str);
    text.split([',', ' ', '\n'])
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let wrong = || Error::Setting {
                name: "REGISTRY_MIRRORS".into(),
                message: format!("expected `host=http://mirror/path`, found `{}`", redacted(pair)),
            };
            let (host, url) = pair.split_once('=').ok_or_else(wrong)?;
            let known = url.starts_with("http://") || url.starts_with("https://");
            match RegistryHost::parse(host) {
                Ok(host) if known => Ok((host, url.to_owned())),
                _ => Err(wrong()),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn flags_win_over_the_environment_and_that_over_dot_env() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(
            root.path().join(".env"),
            "export PROJECT_NAME=FromFile\nBUILD_ROOT=\"from file\"\nSKOPEO_BIN=/opt/skopeo\n",
        )
        .unwrap();
        let settings =
            Settings::gather(root.path(), &environment(&[("HOME", "/home/me")]), &SettingsFlags::default())
                .unwrap();
        assert_eq!(settings.project_name.as_ref().map(ArchiveName::as_str), Some("FromFile"));
        assert_eq!(settings.build_root, root.path().join("from file"));
        assert_eq!(settings.cache, Path::new("/home/me/.cache/sealift"));
        assert_eq!(settings.unused.len(), 1);

        let flags = SettingsFlags { build_root: Some("flag".into()), ..SettingsFlags::default() };
        let variables = environment(&[("PROJECT_NAME", "FromEnvironment"), ("BUILD_ROOT", "environment")]);
        let settings = Settings::gather(root.path(), &variables, &flags).unwrap();
        assert_eq!(settings.project_name.as_ref().map(ArchiveName::as_str), Some("FromEnvironment"));
        assert_eq!(settings.build_root, root.path().join("flag"));
    }

    #[test]
    fn credentials_are_where_podman_and_docker_keep_them() {
        let found = |more: &[(&str, &str)]| {
            let environment = environment(&[&[("HOME", "/home/me")], more].concat());
            let text = |paths: Vec<PathBuf>| -> Vec<String> {
                paths.iter().map(|path| path.display().to_string()).collect()
            };
            (text(auth_files(&environment)), text(auth_places(&environment)))
        };
        let none: [&str; 0] = [];
        let [docker, podman, session] = [
            "/home/me/.docker/config.json",
            "/home/me/.config/containers/auth.json",
            "/run/user/1/containers/auth.json",
        ];
        let run = ("XDG_RUNTIME_DIR", "/run/user/1");
        for (more, files, places) in [
            (&[][..], &none[..], &[podman, docker][..]),
            (&[run], &none, &[session, podman, docker]),
            (&[run, ("DOCKER_CONFIG", "/d")], &none, &[session, podman, "/d/config.json"]),
            (&[("XDG_CONFIG_HOME", "/c")], &none, &["/c/containers/auth.json", docker]),
            (&[("REGISTRY_AUTH_FILE", "/f"), run], &["/f"], &none),
            (&[("REGISTRY_AUTH_FILE", "")], &none, &[podman, docker]),
        ] {
            let (found_files, found_places) = found(more);
            assert_eq!((found_files, found_places), (owned(files), owned(places)), "{more:?}");
        }
    }

    fn owned(texts: &[&str]) -> Vec<String> {
        texts.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn values_that_cannot_be_used_name_their_variable() {
        let root = tempfile::tempdir().unwrap();
        for (name, value) in [
            ("SOURCE_DATE_EPOCH", "yesterday"),
            ("SOURCE_DATE_EPOCH", "-1"),
            ("REGISTRY_MIRRORS", "docker.io"),
            ("REGISTRY_MIRRORS", "docker.io=mirror.example"),
            ("SEALIFT_CACHE_SIZE", "10 potatoes"),
            ("SEALIFT_REMOTE_CACHE_MODE", "write"),
            ("PROJECT_NAME", "a b"),
            ("SEALIFT_CARGO_PROFILE", "../release"),
        ] {
            let error =
                Settings::gather(root.path(), &environment(&[(name, value)]), &SettingsFlags::default())
                    .unwrap_err();
            assert!(error.to_string().starts_with(name), "{error}");
        }
    }

    #[test]
    fn a_wrong_line_of_dot_env_is_named_by_its_number_and_never_shown() {
        let root = tempfile::tempdir().unwrap();
        for (text, line) in [
            ("hunter2 SECRET\n", 1),
            ("A=1\n\n# note\nTOKEN='hunter2\nB=SECRET\nC=3\n", 4),
            ("A=\"1\n2\"\nTOKEN=\"hunter2\nSECRET=SECRET", 3),
            ("A=1\nexport TOKEN=hunter2 SECRET\n", 2),
        ] {
            std::fs::write(root.path().join(".env"), text).unwrap();
            let error =
                Settings::gather(root.path(), &BTreeMap::new(), &SettingsFlags::default()).unwrap_err();
            let (shown, details) = (error.to_string(), format!("{error:?}"));
            assert!(shown.contains(&format!(".env:{line}:1: ")), "{text:?}: {shown}");
            assert!(!details.contains("hunter2") && !details.contains("SECRET"), "{text:?}: {details}");
        }
    }

    #[test]
    fn a_named_pipe_in_the_place_of_a_project_file_is_refused_and_does_not_hang() {
        for name in [DOT_ENV, super::super::LOCK_FILE_NAME, super::super::FILE_NAME] {
            let root = tempfile::tempdir().unwrap();
            let text = "apiVersion: sealift.dev/v1alpha1\nkind: Platform\nmetadata: {name: E, version: '1'}\nspec: {}\n";
            std::fs::write(root.path().join(super::super::FILE_NAME), text).unwrap();
            let _ = std::fs::remove_file(root.path().join(name));
            rustix::fs::mknodat(
                rustix::fs::CWD,
                root.path().join(name),
                rustix::fs::FileType::Fifo,
                rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
                0,
            )
            .unwrap();
            let loaded = Settings::gather(root.path(), &BTreeMap::new(), &SettingsFlags::default())
                .and_then(|settings| crate::project::Project::load(root.path(), settings));
            let error = loaded.unwrap_err().to_string();
            assert!(error.contains(name) && error.contains("pipe"), "{name}: {error}");
            assert_eq!(crate::project::Project::find(root.path()).unwrap(), root.path());
        }
    }

    /// The settings that the original documents, as it gives them.
    #[test]
    fn every_variable_of_the_original_has_an_effect_or_a_reason_for_none() {
        let root = tempfile::tempdir().unwrap();
        let effective = [("PROJECT_NAME", "MetalK8s"), ("BUILD_ROOT", "_build"), ("GIT_BIN", "git")];
        let not = [
            "VAGRANT_PROVIDER",
            "VAGRANT_UP_ARGS",
            "VAGRANT_SNAPSHOT_NAME",
            "VAGRANT_BIN",
            "HARDLINK_BIN",
            "IMPLANTISOMD5_BIN",
            "MKISOFS_BIN",
            "SKOPEO_BIN",
            "GOFMT_BIN",
            "HELM_BIN",
            "MAKE_BIN",
            "OPERATOR_SDK_BIN",
            "TOX_BIN",
        ];
        let mut text: String =
            effective.iter().map(|(name, value)| format!("export {name}={value}\n")).collect();
        for name in not {
            text.push_str(&format!("export {name}=\"--provider $PROJECT_NAME\"\n"));
        }
        std::fs::write(root.path().join(".env"), text).unwrap();
        let settings = Settings::gather(root.path(), &BTreeMap::new(), &SettingsFlags::default()).unwrap();
        assert_eq!(settings.project_name.as_ref().map(ArchiveName::as_str), Some("MetalK8s"));
        assert_eq!((settings.build_root, settings.git), (root.path().join("_build"), "git".into()));
        let named: std::collections::BTreeSet<_> =
            settings.unused.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(named, not.into());
    }

    #[test]
    fn sizes_have_units() {
        for (text, bytes) in [
            ("0", Some(0)),
            ("1500", Some(1500)),
            ("10G", Some(10_000_000_000)),
            (" 5 mb ", Some(5_000_000)),
            ("2kB", Some(2_000)),
            ("20000000T", None),
            ("G", None),
            ("-1", None),
            ("1.5G", None),
            ("", None),
        ] {
            assert_eq!(size(text).ok(), bytes, "{text}");
        }
    }

    #[test]
    fn a_program_is_found_by_its_variable_else_on_the_search_path() {
        use std::os::unix::fs::PermissionsExt as _;
        let root = tempfile::tempdir().unwrap();
        for (name, mode) in [("first/note", 0o644), ("second/note", 0o755), ("second/salt-lint", 0o755)] {
            let path = root.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, "").unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        }
        let place = |name: &str| root.path().join(name);
        let search = format!("{}:{}", place("first").display(), place("second").display());
        let absolute = place("second/note").display().to_string();
        for (variables, name, found) in [
            (&[][..], "note", Some("second/note")),
            (&[], "absent", None),
            (&[("ABSENT_BIN", "note")], "absent", Some("second/note")),
            (&[("SALT_LINT_BIN", absolute.as_str())], "salt-lint", Some("second/note")),
            (&[("SALT_LINT_BIN", "/nowhere/salt-lint")], "salt-lint", None),
        ] {
            let mut variables = environment(variables);
            variables.insert("PATH".into(), search.clone());
            let settings = Settings::gather(root.path(), &variables, &SettingsFlags::default()).unwrap();
            assert_eq!(settings.program(name), found.map(place), "{name} with {variables:?}");
        }
    }

    #[test]
    fn mirrors_are_pairs() {
        let mirrors = |text: &str| mirrors(&environment(&[("REGISTRY_MIRRORS", text)]));
        assert!(mirrors("").unwrap().is_empty());
        let pairs = mirrors("docker.io=http://m:5000/hub, quay.io=https://q").unwrap();
        let expected = [("docker.io", "http://m:5000/hub"), ("quay.io", "https://q")];
        assert_eq!(pairs, expected.map(|(host, url)| (RegistryHost::parse(host).unwrap(), url.to_owned())));
        for wrong in [
            "docker.io=ftp://u:hunter2@m",
            "https://u:hunter2@m",
            "=https://u:hunter2@m",
            "a b/c=https://u:hunter2@m",
        ] {
            let error = mirrors(wrong).unwrap_err().to_string();
            assert!(error.contains("REGISTRY_MIRRORS") && !error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn certificates_of_registries_lie_where_skopeo_and_docker_look() {
        let found = certificate_folders(&environment(&[("HOME", "/home/me")]));
        let expected =
            ["/home/me/.config/containers/certs.d", "/etc/containers/certs.d", "/etc/docker/certs.d"];
        assert_eq!(found, expected.map(PathBuf::from));
    }
}
