//! Builders of spec files: a container without a network, or this machine.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use content::{IoError, LinkPolicy};
use graph::{ActionError, TaskContext};
use images::build::container::{ContainerRun, ContainerStep};
use images::build::engine::Engine;
use images::{RegistrySession, Store};
use packages::BUILD_HOST;

use super::super::{images as image_tasks, place_file};
use crate::project::{MACROS_SET, Project, SpecBuilder, SpecPackage};

/// Where rpmbuild works, the same on every machine: source packages have the path in their scripts.
const IN_CONTAINER: &str = "/build";
/// On this machine, a folder that every system has. A mount namespace hides what is there from rpmbuild alone.
const ON_HOST: &str = "/mnt";

/// How `unshare` of util-linux makes namespaces in which the network is down and mounts are not seen outside: with this user as root,
/// or with the rights of an administrator alone.
const WAYS: [&[&str]; 2] =
    [&["--user", "--map-root-user", "--mount", "--net", "--"], &["--mount", "--net", "--"]];

/// Runs the command `$2…` in the folder `$1`, as the folder [`ON_HOST`].
const IN_NAMESPACES: &str =
    r#"exec 2>&1 && umask 022 && mount --bind "$1" /mnt && cd /mnt && shift && exec "$@""#;

/// How long it may take to find out whether this machine has namespaces.
const PROBE: Duration = Duration::from_secs(10);

/// Runs the command `$1…` with one stream for all that it prints, so that a log has the order in which it was printed.
const IN_ORDER: [&str; 4] = ["sh", "-c", r#"exec "$@" 2>&1"#, "sh"];

/// Runs rpmlint with the configuration `$1` on the packages `$2…`. Its options have changed between versions 1 and 2.
pub(super) const LINT: &str = r#"
option=-r
case $1 in *.toml) option=-c ;; esac
case $(rpmlint --version 2>&1) in *'version 1.'* | 1.*) option=-f ;; esac
exec rpmlint "$option" "$@"
"#;

/// The most packages of a spec file.
const PACKAGES_MAX: usize = 10_000;

/// What a step of a spec file runs in.
pub(super) struct Builder {
    pub(super) project: Arc<Project>,
    pub(super) spec: SpecPackage,
    pub(super) registries: RegistrySession,
    /// The file for the output.
    pub(super) log: PathBuf,
}

/// A folder that rpmbuild works in, with the folders that it expects. It is removed at the end.
pub(super) struct Workplace(tempfile::TempDir);

impl Workplace {
    pub(super) fn new(store: &Store) -> Result<Self, ActionError> {
        let work = Self(store.scratch()?);
        for folder in ["SPECS", "SOURCES", "SRPMS", "RPMS", "BUILD", "BUILDROOT", "home", "packages", "tmp"] {
            content::create_folder(&work.path(folder))?;
        }
        Ok(work)
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Copies a file to `name`, with the modification time `date` and a mode that does not depend on the umask: source packages have
    /// both.
    pub(super) fn take(&self, file: &Path, name: &str, date: i64) -> Result<(), ActionError> {
        let target = self.path(name);
        place_file::copy(file, &target)?;
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(date).unwrap_or_default());
        let dated = content::open_to_write(&target, LinkPolicy::Refuse)?.set_modified(time);
        Ok(dated.map_err(IoError::at("set the time of", &target))?)
    }

    /// Copies the files of a folder to the folder `name`; their names.
    pub(super) fn take_all(&self, folder: &Path, name: &str, date: i64) -> Result<Vec<String>, ActionError> {
        let failed = IoError::at("list", folder);
        let entries = folder.read_dir().and_then(Iterator::collect::<Result<Vec<_>, _>>).map_err(failed)?;
        let mut names = Vec::new();
        for entry in entries {
            let file = entry.file_name().to_string_lossy().into_owned();
            self.take(&entry.path(), &format!("{name}/{file}"), date)?;
            names.push(file);
        }
        names.sort();
        Ok(names)
    }
}

/// A package that rpmbuild made.
pub(super) struct MadePackage {
    pub(super) path: PathBuf,
    pub(super) file_name: String,
}

/// The packages below a folder that a builder wrote, sorted by their names. Links are not followed: they could lead out of the folder.
///
/// # Errors
///
/// If one of them is not a package, or has an unusable name.
pub(super) fn collected(folder: &Path) -> Result<Vec<MadePackage>, ActionError> {
    let shown = content::printable_path(folder).to_string();
    let is_folder = folder.symlink_metadata().is_ok_and(|metadata| metadata.is_dir());
    if !is_folder {
        return Err(ActionError::failed(format!("{shown} is not a folder")));
    }
    let mut found = Vec::new();
    for entry in walkdir::WalkDir::new(folder).follow_links(false) {
        let entry = entry.map_err(|error| IoError::at("list", folder)(error.into()))?;
        let Some(file_name) = entry.file_name().to_str().filter(|name| name.ends_with(".rpm")) else {
            continue;
        };
        if !entry.file_type().is_file() {
            continue;
        }
        let legal = |c: char| c.is_ascii_alphanumeric() || "._+~^-".contains(c);
        if !file_name.chars().all(legal) || file_name.starts_with('.') || found.len() == PACKAGES_MAX {
            let name = content::printable(file_name);
            return Err(ActionError::failed(format!(
                "rpmbuild made a package with an unusable name, {name}"
            )));
        }
        // A damaged one is refused here, with a better message than later.
        packages::repository::identify(entry.path())?;
        found.push(MadePackage { path: entry.path().to_owned(), file_name: file_name.to_owned() });
    }
    found.sort_by(|one, other| one.file_name.cmp(&other.file_name));
    Ok(found)
}

impl Builder {
    /// The date of the packages.
    pub(super) fn date(&self) -> i64 {
        self.project.spec_date(&self.spec)
    }

    /// Where the folder of the work is for the command.
    fn top(&self) -> &'static str {
        match &self.spec.builder {
            SpecBuilder::Host => ON_HOST,
            SpecBuilder::Image(_) => IN_CONTAINER,
        }
    }

    /// Runs rpmbuild, so that the same sources give the same packages anywhere and at any time.
    pub(super) fn rpmbuild(
        &self,
        arguments: &[String],
        work: &Workplace,
        store: &Store,
        context: &TaskContext<'_>,
    ) -> Result<(), ActionError> {
        let top = self.top();
        let set = MACROS_SET.into_iter().zip([
            top.to_owned(),
            format!("{top}/tmp"),
            BUILD_HOST.to_owned(),
            "1".to_owned(),
            "1".to_owned(),
            "clamp_to_source_date_epoch".to_owned(),
        ]);
        let mut words = vec!["rpmbuild".to_owned()];
        let given = self.spec.macros.iter().map(|(name, value)| (name.as_str(), value.clone()));
        for (name, value) in set.chain(given) {
            words.extend(["--define".to_owned(), format!("{name} {value}")]);
        }
        words.extend_from_slice(arguments);
        self.run("rpmbuild", &words, work, store, context).map(drop)
    }

    /// Runs a command in the folder of the work; what it prints to its standard output. `program` is its name in errors.
    pub(super) fn run(
        &self,
        program: &str,
        words: &[String],
        work: &Workplace,
        store: &Store,
        context: &TaskContext<'_>,
    ) -> Result<Vec<u8>, ActionError> {
        let top = self.top();
        let environment: Vec<(&'static str, OsString)> = vec![
            ("HOME", format!("{top}/home").into()),
            ("LC_ALL", "C.UTF-8".into()),
            ("TMPDIR", format!("{top}/tmp").into()),
            ("TZ", "UTC".into()),
            ("SOURCE_DATE_EPOCH", self.date().to_string().into()),
        ];
        match &self.spec.builder {
            SpecBuilder::Host => self.on_host(program, words, environment, work, context),
            SpecBuilder::Image(image) => {
                let engine = Engine::of_containers(self.project.settings.engine())?;
                let images = std::slice::from_ref(image);
                let digests = image_tasks::pull(images, None, &self.registries, context, store)?;
                let [digest] = digests.as_slice() else { return Ok(Vec::new()) };
                let container = ContainerRun {
                    image: *digest,
                    folder: work.0.path().to_owned(),
                    mounted_at: IN_CONTAINER,
                    environment,
                    command: IN_ORDER
                        .into_iter()
                        .chain(words.iter().map(String::as_str))
                        .map(OsString::from)
                        .collect(),
                };
                let mut printed = Vec::new();
                engine.run_in_container(&container, store, &mut |step, command: &mut Command| {
                    if step == ContainerStep::Unpack {
                        let name = command.get_program().to_string_lossy().into_owned();
                        return context.run_logged(&name, command, &self.log).map(drop);
                    }
                    printed = context.run_logged(program, command, &self.log)?.stdout;
                    Ok::<(), ActionError>(())
                })?;
                Ok(printed)
            }
        }
    }

    fn on_host(
        &self,
        name: &str,
        words: &[String],
        environment: Vec<(&'static str, OsString)>,
        work: &Workplace,
        context: &TaskContext<'_>,
    ) -> Result<Vec<u8>, ActionError> {
        let settings = &self.project.settings;
        let unshare = settings.program("unshare").unwrap_or_else(|| "unshare".into());
        let inside = |way: &[&str], program: &Path| {
            let mut command = Command::new(&unshare);
            command.args(way).args(["sh", "-c", IN_NAMESPACES, "sh"]).arg(work.0.path()).arg(program);
            command
        };
        let works = |way: &&&[&str]| {
            let probe = content::probe(&mut inside(way, Path::new("true")), PROBE, 1 << 16);
            probe.is_ok_and(|output| output.status.success())
        };
        let Some(way) = WAYS.iter().find(works) else {
            return Err(ActionError::failed(
                "this machine does not let users create namespaces, which `builder: host` needs: use `builder: {image: REFERENCE}`",
            ));
        };
        let Some((program, arguments)) = words.split_first() else { return Ok(Vec::new()) };
        let found = settings.program(program).unwrap_or_else(|| program.into());
        let mut command = inside(way, &found);
        command.args(arguments).env_clear();
        if let Some(path) = settings.environment.get("PATH") {
            command.env("PATH", path);
        }
        command.envs(environment);
        Ok(context.run_logged(name, &mut command, &self.log)?.stdout)
    }
}
