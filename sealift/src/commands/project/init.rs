//! `sealift init`.

use std::path::{Path, PathBuf};

use buildchain::project::{
    ArchiveName, CiServer, FILE_NAME, InitCounts, InitOptions, ParsedName, PipelineDraft, Project,
    ProjectDraft, Settings, SettingsFlags, Version,
};
use clap::{Args, ValueEnum};
use content::printable_path;

use crate::failure::{CommandResult, Failure};
use crate::output::documents::project::{
    InitializedPipeline, InitializedProject, InitializedProjectFound, PipelineFile,
};
use crate::output::{self, ReportOutput, count, documents};
use crate::remedies;
use crate::session::environment;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The folder, which is created if it does not exist [default: the current folder]
    folder: Option<PathBuf>,
    /// The name of the project [default: that of the folder, made valid]
    #[arg(long, value_name = "NAME", value_parser = parsed::<ArchiveName>)]
    name: Option<ArchiveName>,
    /// Its version [default: the tag of the commit, else 0.1.0]
    #[arg(long, value_name = "VERSION", value_parser = parsed::<Version>)]
    version: Option<Version>,
    /// Also write a release pipeline for this CI server. A folder that has a project gets only that
    #[arg(long, value_enum, value_name = "SERVER")]
    ci: Option<Server>,
    /// Print the files, and write nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    output: ReportOutput,
}

/// The servers that `--ci` knows.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Server {
    /// GitHub Actions: `.github/workflows/sealift.yml`
    Github,
    /// GitLab CI/CD: `.gitlab-ci.yml`
    Gitlab,
}

impl From<Server> for CiServer {
    fn from(server: Server) -> Self {
        match server {
            Server::Github => Self::Github,
            Server::Gitlab => Self::Gitlab,
        }
    }
}

fn parsed<T: ParsedName>(text: &str) -> Result<T, String> {
    T::parse(text)
}

pub(crate) fn run(arguments: &Arguments) -> CommandResult {
    let folder = arguments.folder.as_deref().unwrap_or(Path::new("."));
    let root = folder.canonicalize().or_else(|_| std::path::absolute(folder))?;
    let settings = Settings::gather(&root, &environment(), &SettingsFlags::default())
        .map_err(remedies::project::project)?;
    let server = arguments.ci.map(CiServer::from);
    if let Some(server) = server.filter(|_| root.join(FILE_NAME).exists()) {
        return pipeline_only(arguments, server, &root, settings);
    }
    let (name, version) = (arguments.name.clone(), arguments.version.clone());
    let options = InitOptions { name, version, from_tags: server.is_some() };
    let draft = Project::draft(&root, &settings, &options).map_err(remedies::project::project)?;
    if let Some(above) = root.parent().and_then(|above| Project::find(above).ok()) {
        output::note(&format!("the folder is in the project at {}", printable_path(&above)));
    }
    let pipeline = match server {
        Some(server) => Some(pipeline(arguments, server, &root, &draft.name.to_ascii_lowercase())?),
        None => None,
    };
    if !arguments.dry_run {
        if let Some(pipeline) = &pipeline {
            pipeline.write().map_err(remedies::project::pipeline)?;
        }
        if let Err(error) = draft.write() {
            pipeline.iter().for_each(PipelineDraft::remove);
            return Err(remedies::project::project(error));
        }
    }
    draft.warnings.iter().for_each(|warning| output::warn(warning));
    let next = next(arguments.folder.as_deref(), draft.needs_lock);
    let document = || InitializedProject {
        file: documents::text(root.join(FILE_NAME)),
        written: !arguments.dry_run,
        name: draft.name.clone(),
        version: draft.version.clone(),
        text: draft.text.clone(),
        ignored: draft.ignore_line.clone(),
        found: found_document(&draft.counts),
        skipped: draft.skipped.iter().map(documents::text).collect(),
        warnings: draft.warnings.clone(),
        pipeline: pipeline.as_ref().map(pipeline_file),
        next: next.clone(),
    };
    if arguments.dry_run && arguments.output.is_text() {
        output::note(&format!("found {}", found(&draft)));
        let pipeline = pipeline.map(|pipeline| format!("---\n{}", pipeline.text)).unwrap_or_default();
        return Ok(output::print(&format!("{}{pipeline}", draft.text))?);
    }
    Ok(arguments.output.report(document, || {
        let file =
            arguments.folder.as_deref().map_or_else(|| FILE_NAME.into(), |folder| folder.join(FILE_NAME));
        let ignored = draft.ignore_line.as_deref().unwrap_or_default();
        let ignored =
            if ignored.is_empty() { String::new() } else { format!(", and {ignored} to .gitignore") };
        let pipeline = pipeline.as_ref().map(wrote).unwrap_or_default();
        format!(
            "found {}\nwrote {}{}\n{pipeline}next: {}\n",
            found(&draft),
            printable_path(&file),
            content::printable(&ignored),
            next.join(" && ")
        )
    })?)
}

/// Writes the pipeline of a project that exists.
fn pipeline_only(arguments: &Arguments, server: CiServer, root: &Path, settings: Settings) -> CommandResult {
    if arguments.name.is_some() || arguments.version.is_some() {
        return Err(Failure::usage("the folder has a project: --name and --version are for a new one"));
    }
    let project = Project::load(root, settings).map_err(remedies::project::project)?;
    let pipeline = pipeline(arguments, server, root, &project.values.slug)?;
    if !arguments.dry_run {
        pipeline.write().map_err(remedies::project::pipeline)?;
    } else if arguments.output.is_text() {
        return Ok(output::print(&pipeline.text)?);
    }
    let document = || InitializedPipeline { written: !arguments.dry_run, pipeline: pipeline_file(&pipeline) };
    Ok(arguments.output.report(document, || wrote(&pipeline))?)
}

/// Drafts the pipeline of the project `name`. It must not exist, unless it is only printed.
fn pipeline(
    arguments: &Arguments,
    server: CiServer,
    root: &Path,
    name: &str,
) -> Result<PipelineDraft, Failure> {
    let draft = PipelineDraft::new(server, root, name).map_err(remedies::project::project)?;
    if !arguments.dry_run {
        draft.check().map_err(remedies::project::pipeline)?;
    }
    if !draft.has_repository {
        output::warn(&format!(
            "no git repository has the folder: {} must be at the top of one",
            printable_path(&draft.path)
        ));
    }
    Ok(draft)
}

fn pipeline_file(draft: &PipelineDraft) -> PipelineFile {
    PipelineFile { file: documents::text(&draft.path), text: draft.text.clone() }
}

/// The line about a pipeline, for people.
fn wrote(draft: &PipelineDraft) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    let path = draft.path.strip_prefix(&here).unwrap_or(&draft.path);
    format!("wrote {}: set its variables SEALIFT_URL and SEALIFT_SHA256\n", printable_path(path))
}

/// The commands to type next.
fn next(folder: Option<&Path>, needs_lock: bool) -> Vec<String> {
    let project = folder.filter(|folder| *folder != Path::new(".")).map(|folder| {
        let folder = folder.to_string_lossy().into_owned();
        format!(" --project {}", graph::quoted(&folder))
    });
    let project = project.unwrap_or_default();
    let commands = if needs_lock { &["lock", "run"][..] } else { &["run"] };
    commands.iter().map(|command| format!("sealift {command}{project}")).collect()
}

/// What was found, for people.
fn found(draft: &ProjectDraft) -> String {
    let InitCounts {
        charts,
        manifests,
        salt_trees,
        rpms,
        images_to_build,
        image_lists,
        images,
        maybe_images,
        computed_images,
    } = draft.counts;
    let parts = [
        (charts, "chart"),
        (manifests, "manifest"),
        (salt_trees, "Salt tree"),
        (rpms, "RPM"),
        (images_to_build, "image to build"),
        (image_lists, "list of images"),
        (images, "image"),
        (maybe_images, "possible image"),
        (computed_images, "computed image"),
    ];
    let plural = |(number, noun): &(usize, &str)| match *noun {
        "image to build" if *number != 1 => format!("{number} images to build"),
        "list of images" if *number != 1 => format!("{number} lists of images"),
        noun => count(*number, noun),
    };
    let parts: Vec<String> = parts.iter().filter(|(number, _)| *number > 0).map(plural).collect();
    let mut text = if parts.is_empty() { "nothing to pack".to_owned() } else { parts.join(", ") };
    if !draft.skipped.is_empty() {
        let folders = draft.skipped.iter().take(3).map(|folder| printable_path(folder).to_string());
        let mut folders: Vec<String> = folders.collect();
        if let Some(more) = draft.skipped.len().checked_sub(3).filter(|more| *more > 0) {
            folders.push(format!("{more} more"));
        }
        text.push_str(&format!("; not looked at: {}", folders.join(", ")));
    }
    text
}

fn found_document(counts: &InitCounts) -> InitializedProjectFound {
    InitializedProjectFound {
        charts: counts.charts,
        manifests: counts.manifests,
        salt_trees: counts.salt_trees,
        rpms: counts.rpms,
        images_to_build: counts.images_to_build,
        image_lists: counts.image_lists,
        images: counts.images,
        maybe_images: counts.maybe_images,
        computed_images: counts.computed_images,
    }
}
