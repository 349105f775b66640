//! Packages from spec files: their sources, the source package, the packages, and their check by rpmlint.

mod builder;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use content::Digest;
use graph::{ActionError, Task, TaskAction, TaskInput, TaskOutput, Title};
use images::pull::{DOWNLOAD_MAX, Download};
use iso::Exclude;
use packages::repository::sign_package;

use self::builder::{Builder, LINT, Workplace, collected};
use super::images::{Watch, open_store};
use super::signing::ProjectSigner;
use super::sources::{empty, has_changed, not_locked};
use super::{TaskBuilder, TaskHandle, place_file, shown_url};
use crate::project::{Project, RepositoryDefinition, SpecBuilder, SpecDownload, SpecPackage};

/// No build of a package takes this long, unless it hangs.
const TIMEOUT: Duration = Duration::from_secs(6 * 60 * 60);

/// A step from a spec file to its packages, each a task of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Gathering the sources.
    GetSource,
    /// Building the source package.
    Srpm,
    /// Building the packages.
    Rpm,
    /// Checking all of them.
    Lint,
}

impl Step {
    fn name(self) -> &'static str {
        match self {
            Self::GetSource => "get_source",
            Self::Srpm => "srpm",
            Self::Rpm => "rpm",
            Self::Lint => "lint",
        }
    }
}

/// The name of the task that does `step` for a spec file.
pub(super) fn name(repository: &RepositoryDefinition, spec: &SpecPackage, step: Step) -> String {
    format!("_build_redhat_{}_packages:{}/{}", repository.release, spec.name, step.name())
}

/// The download of a source of a spec file with the digest `digest`.
pub(crate) fn wanted_by_spec(spec: &SpecPackage, source: &SpecDownload, digest: Option<Digest>) -> Download {
    let name = format!("{} of {}", source.name, spec.name);
    Download { name, urls: vec![source.url.to_string()], digest, limit: DOWNLOAD_MAX, accounts: Vec::new() }
}

/// The folders of a spec file.
struct Folders {
    sources: PathBuf,
    srpm: PathBuf,
    rpms: PathBuf,
    report: PathBuf,
}

/// What the tasks of a spec file share.
struct SpecTasks<'a> {
    project: Arc<Project>,
    repository: &'a RepositoryDefinition,
    spec: &'a SpecPackage,
    folders: Folders,
    signer: Option<&'a ProjectSigner>,
}

/// Adds the tasks of a spec file, whose packages go into `repository`, which is at `folder`, and are signed by `signer`.
pub(super) fn add(
    builder: &mut TaskBuilder<'_>,
    repository: &RepositoryDefinition,
    spec: &SpecPackage,
    folder: &Path,
    signer: Option<&ProjectSigner>,
) -> Vec<TaskHandle> {
    let project = Arc::clone(builder.project);
    let work = format!("packages/redhat/{}/{}", repository.release, spec.name);
    let work = project.settings.build_root.join(work);
    let folders = Folders {
        sources: work.join("sources"),
        srpm: work.join("srpm"),
        rpms: folder.join(spec.name.as_str()),
        report: work.join("rpmlint.txt"),
    };
    let tasks = SpecTasks { project, repository, spec, folders, signer };
    let mut made = vec![tasks.get_source(builder), tasks.srpm(builder), tasks.rpm(builder)];
    if let Some(configuration) = &spec.rpmlintrc {
        made.push(tasks.lint(builder, configuration));
    }
    let what = format!("the package {}", spec.name);
    made.into_iter().map(|task| builder.push_for(spec.origin.clone(), &what, task)).collect()
}

impl SpecTasks<'_> {
    fn task(&self, step: Step, doc: String, title: Title) -> Task {
        Task {
            name: name(self.repository, self.spec, step),
            alias: format!("packaging:{}/{}/{}", self.repository.name, self.spec.name, step.name()),
            doc,
            title,
            ..Task::default()
        }
    }

    /// Where the output of a step goes.
    fn log(&self, step: Step) -> PathBuf {
        let name = format!("redhat-{}-{}-{}.log", self.repository.release, self.spec.name, step.name());
        self.project.settings.build_root.join("logs").join(name)
    }

    /// Adds to `inputs` what the result of a step in the builder depends on, and returns what the step runs in.
    fn builder(&self, builder: &mut TaskBuilder<'_>, step: Step, task: &mut Task) -> Builder {
        let (project, spec) = (&self.project, self.spec);
        task.inputs.extend(builder.made_here());
        task.pool = Some(super::ENGINE.into());
        task.timeout = Some(TIMEOUT);
        let program = if step == Step::Lint { "rpmlint" } else { "rpmbuild" };
        match &spec.builder {
            SpecBuilder::Host => {
                task.after = [program, "unshare"].map(|program| builder.check_for(program)).into();
                // Another version may give another result.
                task.inputs
                    .extend(project.settings.program(program).map(|path| TaskInput::named(program, path)));
                task.inputs.push(TaskInput::value("builder", "host"));
            }
            SpecBuilder::Image(image) => {
                let digest =
                    image.digest.map_or_else(|| "none: not locked".into(), |digest| digest.to_string());
                task.inputs.push(TaskInput::value("builder", digest));
            }
        }
        if step != Step::Lint {
            let macros = spec.macros.iter().map(|(name, value)| format!("{name} {value}\n"));
            task.inputs.push(TaskInput::value("macros", macros.collect::<String>()));
            task.inputs.push(TaskInput::value("source date", project.spec_date(spec).to_string()));
        }
        Builder {
            project: Arc::clone(project),
            spec: spec.clone(),
            registries: builder.registries.clone(),
            log: self.log(step),
        }
    }

    /// Gathers the sources: those that are fetched, and those beside the spec file.
    fn get_source(&self, builder: &TaskBuilder<'_>) -> Task {
        let (project, spec) = (Arc::clone(&self.project), self.spec.clone());
        let folder = self.folders.sources.clone();
        let doc = format!("Get the sources of {}.", spec.name);
        let title = Title::new("GET_SRC", builder.shown(&folder));
        let mut inputs = builder.made_here();
        for download in &spec.downloads {
            let digest =
                download.digest.map_or_else(|| "none: not locked".into(), |digest| digest.to_string());
            inputs.push(TaskInput::value(format!("source {}", download.name), digest));
        }
        let files: Vec<PathBuf> = spec.files.iter().map(|file| project.root.join(file)).collect();
        inputs.extend(files.iter().map(TaskInput::file));
        let (output, registries) = (folder.clone(), builder.registries.clone());
        let action: TaskAction = Box::new(move |context| {
            let store = open_store(&project)?;
            empty(&folder)?;
            for source in &spec.downloads {
                let digest = source.digest.ok_or_else(|| not_locked(&shown_url(source.url.as_str())))?;
                let wanted = wanted_by_spec(&spec, source, Some(digest));
                match images::pull::download(&wanted, &store, &registries, &Watch { context }) {
                    Err(_) if context.cancelled() => return Err(ActionError::Cancelled),
                    Err(error) if has_changed(&error) => {
                        return Err(ActionError::failed(format!(
                            "{error}; the file has changed: if the new one is right, run `sealift update`"
                        )));
                    }
                    fetched => drop(fetched?),
                }
                let target = folder.join(&source.name);
                store.give(&digest, &target)?;
                context.record(&target, digest)?;
            }
            for file in &files {
                let target = folder.join(file.file_name().unwrap_or_default());
                place_file::copy(file, &target)?;
            }
            Ok(())
        });
        Task {
            inputs,
            outputs: vec![TaskOutput::Folder(output)],
            action: Some(action),
            pool: Some(super::NETWORK.into()),
            ..self.task(Step::GetSource, doc, title)
        }
    }

    /// Builds the source package.
    fn srpm(&self, builder: &mut TaskBuilder<'_>) -> Task {
        let spec = self.spec;
        let (sources, folder) = (self.folders.sources.clone(), self.folders.srpm.clone());
        let title = Title::new("BUILD SRPM", builder.shown(&folder));
        let mut task = self.task(Step::Srpm, format!("Build the source package of {}.", spec.name), title);
        let file = self.project.root.join(&spec.path);
        task.inputs = vec![TaskInput::file(&file), TaskInput::folder(&sources)];
        task.outputs = vec![TaskOutput::Folder(folder.clone())];
        let run = self.builder(builder, Step::Srpm, &mut task);
        let spec_file = format!("{}.spec", spec.name);
        task.action = Some(Box::new(move |context| {
            let store = open_store(&run.project)?;
            let work = Workplace::new(&store)?;
            work.take(&file, &format!("SPECS/{spec_file}"), run.date())?;
            work.take_all(&sources, "SOURCES", run.date())?;
            let words = ["-bs".to_owned(), "--nodeps".to_owned(), format!("SPECS/{spec_file}")];
            run.rpmbuild(&words, &work, &store, context)?;
            let found = collected(&work.path("SRPMS"))?;
            let [source] = found.as_slice() else {
                return Err(ActionError::failed(format!(
                    "rpmbuild made {} source packages, expected 1",
                    found.len()
                )));
            };
            empty(&folder)?;
            Ok(place_file::copy_as(&source.path, &folder.join(&source.file_name), Some(0o644))?)
        }));
        task
    }

    /// Builds the packages from the source package.
    fn rpm(&self, builder: &mut TaskBuilder<'_>) -> Task {
        let spec = self.spec;
        let (srpm, folder) = (self.folders.srpm.clone(), self.folders.rpms.clone());
        let title = Title::new("BUILD RPM", builder.shown(&folder));
        let mut task = self.task(Step::Rpm, format!("Build the packages of {}.", spec.name), title);
        let exclude: Vec<String> = spec.exclude.iter().map(ToString::to_string).collect();
        task.inputs = vec![TaskInput::folder(&srpm), TaskInput::value("exclude", exclude.join("\n"))];
        task.outputs = vec![TaskOutput::Folder(folder.clone())];
        task.inputs.extend(self.signer.map(|signer| signer.input(builder)));
        let run = self.builder(builder, Step::Rpm, &mut task);
        let (name, signer) = (spec.name.clone(), self.signer.cloned());
        task.action = Some(Box::new(move |context| {
            let signer = signer.as_ref().map(ProjectSigner::open).transpose()?;
            let store = open_store(&run.project)?;
            let work = Workplace::new(&store)?;
            let source = self::source_package(&srpm)?;
            work.take_all(&srpm, "SRPMS", run.date())?;
            let mut words = vec!["--rebuild".to_owned(), format!("SRPMS/{source}")];
            if matches!(run.spec.builder, SpecBuilder::Host) {
                // The packages of another distribution do not matter here.
                words.insert(1, "--nodeps".to_owned());
            }
            run.rpmbuild(&words, &work, &store, context)?;
            let mut without = Exclude::new(&exclude)?;
            empty(&folder)?;
            let mut count = 0;
            for package in collected(&work.path("RPMS"))? {
                if without.excludes(Path::new(&package.file_name), false) {
                    continue;
                }
                let target = folder.join(&package.file_name);
                place_file::copy_as(&package.path, &target, Some(0o644))?;
                if let Some(signer) = &signer {
                    sign_package(&target, &target, signer, None, &|| context.cancelled())?;
                }
                count += 1;
            }
            if count == 0 {
                return Err(ActionError::failed(format!(
                    "{name}: `exclude` leaves out every package that rpmbuild made"
                )));
            }
            Ok(())
        }));
        task
    }

    /// Checks all packages with rpmlint.
    fn lint(&self, builder: &mut TaskBuilder<'_>, configuration: &Path) -> Task {
        let spec = self.spec;
        let Folders { srpm, rpms, report, .. } = &self.folders;
        let title = Title::new("RPMLINT", builder.shown(report));
        let mut task =
            self.task(Step::Lint, format!("Check the packages of {} with rpmlint.", spec.name), title);
        let configuration = self.project.root.join(configuration);
        task.inputs = vec![TaskInput::folder(srpm), TaskInput::folder(rpms), TaskInput::file(&configuration)];
        task.outputs = vec![TaskOutput::File(report.clone())];
        let run = self.builder(builder, Step::Lint, &mut task);
        let (srpm, rpms, report) = (srpm.clone(), rpms.clone(), report.clone());
        let kind = configuration.extension().is_some_and(|extension| extension == "toml");
        let name = if kind { "rpmlint.toml" } else { "rpmlintrc" };
        task.action = Some(Box::new(move |context| {
            let store = open_store(&run.project)?;
            let work = Workplace::new(&store)?;
            work.take(&configuration, name, run.date())?;
            let mut words = ["sh", "-c", LINT, "rpmlint", name].map(str::to_owned).to_vec();
            for folder in [&srpm, &rpms] {
                let packages = work.take_all(folder, "packages", run.date())?;
                words.extend(packages.into_iter().map(|package| format!("packages/{package}")));
            }
            let output = run.run("rpmlint", &words, &work, &store, context)?;
            Ok(place_file::write(&report, &String::from_utf8_lossy(&output), 0o644)?)
        }));
        task
    }
}

/// The name of the source package in `folder`.
fn source_package(folder: &Path) -> Result<String, ActionError> {
    let found = collected(folder)?.into_iter().map(|package| package.file_name).next();
    found.ok_or_else(|| {
        ActionError::failed(format!("{} has no source package", content::printable_path(folder)))
    })
}
