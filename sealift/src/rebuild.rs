//! Building a commit of a project again, in a clone of its own.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::process::Command;

use archive::tree::check_path;
use buildchain::project::{Checkout, Project, Settings, SettingsFlags};
use content::{Digest, LinkPolicy, Stream, Supervision, printable, printable_path, supervised};
use trust::BuildParameters;

use crate::failure::Failure;
use crate::output;
use crate::remedies;
use crate::session::environment;
use crate::signals::Signals;

/// The settings that a build can have by its provenance. All others, such as programs, are for the one who builds to choose.
const SETTINGS: [&str; 4] = ["PROJECT_NAME", "SEALIFT_CARGO_PROFILE", "SEALIFT_SIGN", "SOURCE_DATE_EPOCH"];
/// Settings that a build must not take from the environment, beside those.
const OTHERS: [&str; 4] = ["BUILD_ROOT", "SEALIFT_ENTRY_POINT", "SEALIFT_PROFILE", "SEALIFT_REMOTE_CACHE"];
/// The most bytes of the output of a build that are kept.
const KEPT: u64 = 64 << 10;

/// A folder for one build at a time.
#[derive(Debug)]
pub(crate) struct Workshop {
    folder: PathBuf,
    /// Locked as long as the folder is used; `None` if the user names the folder, which is kept then.
    lock: Option<File>,
}

impl Workshop {
    /// The folder `kept`, which must be empty or missing; without one, a folder beside the content store, which is removed in the
    /// end. What a killed command left there is removed first.
    pub(crate) fn open(settings: &Settings, kept: Option<&Path>) -> Result<Self, Failure> {
        if let Some(folder) = kept {
            let folder = std::path::absolute(folder)?;
            content::create_folder(&folder)?;
            if std::fs::read_dir(&folder)?.next().is_some() {
                let message = format!("{} is not empty", printable_path(&folder));
                return Err(Failure::usage(message).remedy("name a new folder: --keep DIR"));
            }
            return Ok(Self { folder, lock: None });
        }
        let folder = settings.cache.join("rebuild");
        content::create_folder(&settings.cache)?;
        let lock = content::open_or_create(&settings.cache.join("rebuild.lock"), 0o600)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let message = "another command is building an archive again";
                return Err(
                    Failure::usage(message).remedy("wait for it, or use a folder of your own: --keep DIR")
                );
            }
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        let workshop = Self { folder, lock: Some(lock) };
        workshop.clean()?;
        content::create_folder(&workshop.folder)?;
        Ok(workshop)
    }

    /// A folder in it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A failure of a command on `checkout`, whose texts name files by their paths in the commit, since this folder is removed.
    pub(crate) fn explained(&self, checkout: &Checkout, mut failure: Failure) -> Failure {
        if let Failure::Failed(Some(report)) | Failure::Error(report) | Failure::Usage(report) = &mut failure
        {
            let text = output::chain(&report.error);
            let shown = self.shown(&text);
            if shown != text {
                let name = printable(checkout.name());
                report.error = anyhow::Error::msg(format!("at {name}: {shown}"));
            }
            for text in [&mut report.snippet, &mut report.remedy].into_iter().flatten() {
                *text = self.shown(text);
            }
        }
        failure
    }

    /// A text with the paths of a checkout and its build root in place of those in this folder, unless that is kept.
    fn shown(&self, text: &str) -> String {
        if self.lock.is_none() {
            return text.to_owned();
        }
        let mut shown = text.to_owned();
        // Programs print the second one.
        for folder in [Some(self.folder.clone()), self.folder.canonicalize().ok()].into_iter().flatten() {
            shown = relative(&shown, &format!("{}/", folder.display()));
        }
        shown
    }

    fn clean(&self) -> Result<(), Failure> {
        if self.lock.is_some() && self.folder.symlink_metadata().is_ok() {
            content::remove(&self.folder)?;
        }
        Ok(())
    }
}

/// A text with `.` in place of `folder/source`, and `_build` in place of other folders in `folder`, which ends with a slash.
fn relative(text: &str, folder: &str) -> String {
    let (mut shown, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once(folder) {
        shown += before;
        let ends = |letter: char| letter.is_whitespace() || "/:,;'\"`()".contains(letter);
        let (name, after) = after.split_at(after.find(ends).unwrap_or(after.len()));
        let inner = after.strip_prefix('/').filter(|_| name == "source");
        rest = inner.unwrap_or(after);
        let is_whole = inner.is_none_or(|inner| inner.chars().next().is_none_or(ends));
        shown += match name {
            "source" if is_whole => ".",
            "source" => "",
            _ => "_build",
        };
    }
    shown + rest
}

impl Drop for Workshop {
    fn drop(&mut self) {
        if let Err(error) = self.clean() {
            output::warn(&format!("cannot remove {}: {error:?}", printable_path(&self.folder)));
        }
    }
}

/// Refuses parameters that this machine cannot build with: a path that leads out of the repository, unknown settings, missing
/// variables of the environment.
pub(crate) fn check(archive: &Path, parameters: &BuildParameters) -> Result<(), Failure> {
    let archive = printable_path(archive);
    if !parameters.project.is_empty() {
        check_path(&parameters.project)
            .map_err(|error| Failure::usage(format!("{archive}: the folder of its project: {error}")))?;
    }
    if let Some(name) = parameters.settings.keys().find(|name| !SETTINGS.contains(&name.as_str())) {
        let message = format!("{archive} was built with the setting {}, which is unknown", printable(name));
        return Err(Failure::usage(message).remedy("use the version of sealift that built the archive"));
    }
    let given = parameters.variables.iter().chain(&parameters.settings);
    let mut texts = given.flat_map(|(name, value)| [name, value]).chain(&parameters.profiles);
    if texts.any(|text| text.contains('\0')) {
        return Err(Failure::usage(format!(
            "{archive} was built with a text that has a NUL, which no program gets"
        )));
    }
    if let Some(name) = parameters.environment.iter().find(|name| std::env::var_os(name).is_none()) {
        let name = printable(name);
        return Err(Failure::usage(format!(
            "the build of {archive} reads {name} from the environment, where it is not set"
        ))
        .remedy(format!("set it to the value of the first build: {name}=VALUE sealift …")));
    }
    Ok(())
}

/// The project in a clone, as these parameters choose it.
pub(crate) fn project(
    checkout: &Checkout,
    parameters: &BuildParameters,
    workshop: &Workshop,
) -> Result<Project, Failure> {
    let root = checkout.folder().join(&parameters.project);
    let flags = SettingsFlags {
        profiles: parameters.profiles.clone(),
        variables: parameters.variables.clone().into_iter().collect(),
        build_root: Some(workshop.path("check")),
    };
    let mut environment = environment();
    environment.retain(|name, _| !SETTINGS.iter().chain(&OTHERS).any(|other| other == name));
    environment.extend(parameters.settings.clone());
    let settings = Settings::gather(&root, &environment, &flags).map_err(remedies::project::project)?;
    Project::load(&root, settings).map_err(remedies::project::project)
}

/// Lets the project in a clone have `version`, which its tags may say otherwise: a candidate can have become a release.
pub(crate) fn set_version(
    checkout: &Checkout,
    parameters: &BuildParameters,
    workshop: &Workshop,
    version: &str,
) -> Result<(), Failure> {
    let found = || project(checkout, parameters, workshop).map(|project| project.values.version.clone());
    if found()? == version {
        return Ok(());
    }
    checkout.set_version(version).map_err(remedies::project::project)?;
    match found()? {
        found if found == version => Ok(()),
        found => {
            let (found, version) = (printable(&found), printable(version));
            let message =
                format!("the project has version {found} at this commit, and the archive has {version}");
            Err(Failure::failed(anyhow::Error::msg(message)))
        }
    }
}

/// An ISO that was built.
pub(crate) struct Built {
    /// Its path.
    pub(crate) iso: PathBuf,
    /// Its digest.
    pub(crate) digest: Digest,
}

/// Builds the ISO of the project in a clone in the folder `name` of the workshop, without results of other builds.
pub(crate) fn build(
    checkout: &Checkout,
    parameters: &BuildParameters,
    (workshop, name): (&Workshop, &str),
    signals: &Signals,
) -> Result<Built, Failure> {
    let build_root = &workshop.path(name);
    let mut command = Command::new(std::env::current_exe()?);
    let project = checkout.folder().join(&parameters.project);
    command.arg("run").arg("--project").arg(&project).arg("--build-root").arg(build_root);
    command.args(["--cache-size", "0", "--reporter", "console"]);
    command.args(parameters.profiles.iter().map(|profile| format!("--profile={profile}")));
    command.args(parameters.variables.iter().map(|(name, value)| format!("--set={name}={value}")));
    for name in SETTINGS.iter().chain(&OTHERS) {
        command.env_remove(name);
    }
    command.envs(&parameters.settings);
    let supervision = Supervision {
        lock: None,
        cancelled: &|| signals.number().is_some(),
        line: &|stream, line| {
            // What it says at its end is about a folder that is removed.
            if stream == Stream::Out {
                output::forward(&workshop.shown(line));
            }
        },
        kept: KEPT,
    };
    let ended = supervised(&supervision, &mut command)?;
    if let Some(number) = signals.number() {
        return Err(Failure::Signal(number));
    }
    if !ended.status.success() {
        let reason = String::from_utf8_lossy(&ended.stderr);
        let message = format!("the build in {} failed:\n{}", printable_path(&project), reason.trim_end());
        return Err(Failure::failed(anyhow::Error::msg(message)));
    }
    built(build_root)
}

/// The ISO that the list of digests in a build root has.
fn built(build_root: &Path) -> Result<Built, Failure> {
    let list = build_root.join("SHA256SUM");
    let text = content::open_text(&list, LinkPolicy::Refuse, KEPT)?;
    let found = text.trim_end_matches('\n').split_once("  ");
    let found = found.and_then(|(digits, name)| Some((Digest::from_hex(digits).ok()?, name)));
    let (digest, name) = found.ok_or_else(|| anyhow::anyhow!("{} lists no ISO", printable_path(&list)))?;
    Ok(Built { iso: build_root.join(name), digest })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_in_a_temporary_folder_are_named_by_their_paths_in_the_commit() {
        for (text, expected) in [
            ("/c/rebuild/source/a/sealift.yaml:3:1: no", "a/sealift.yaml:3:1: no"),
            (
                "run: --project /c/rebuild/source/ --build-root /c/rebuild/release x",
                "run: --project . --build-root _build x",
            ),
            ("in /c/rebuild/source: no", "in .: no"),
            ("`/c/rebuild/check/b`, '/c/rebuild/source/'", "`_build/b`, '.'"),
            ("/c/rebuild2/source, /d/rebuild/source", "/c/rebuild2/source, /d/rebuild/source"),
            ("/c/rebuild/", "_build"),
            ("", ""),
        ] {
            assert_eq!(relative(text, "/c/rebuild/"), expected, "{text}");
        }
    }
}
