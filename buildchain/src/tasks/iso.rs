//! The archive itself: its description, checksums, the ISO and its digest.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use graph::{ActionError, Task, TaskAction, TaskContext, TaskInput, TaskOutput, Title, Transfer};

use super::{Sources, TaskBuilder, TaskHandle, place_file, provenance};
use crate::project::{Project, SolutionLayout};

/// The group of the tasks that put something into the archive.
pub(super) const POPULATE: &str = "populate_iso";

/// Adds the tasks of the ISO. `content`: the tasks that put something into the archive. Returns the task of the file that
/// describes the archive.
pub(super) fn add(
    builder: &mut TaskBuilder<'_>,
    mut content: Vec<TaskHandle>,
    sources: &Arc<Sources>,
) -> TaskHandle {
    let project = Arc::clone(builder.project);
    let tree = project.tree();

    let product = add_description(builder, &project, sources);
    content.push(product);
    content.extend(provenance::add(builder, product, sources));
    content.extend(add_requires(builder, &project));

    let mut lists = vec![archive::layout::SUMS, archive::layout::LINKS];
    let pillar = tree.join(archive::layout::PILLAR);
    if builder.tasks.iter().flat_map(|task| &task.outputs).any(|output| output.path().starts_with(&pillar)) {
        lists.extend([archive::layout::HIDDEN_SUMS, archive::layout::HIDDEN_LINKS]);
    }
    let declared = builder.tasks.iter().flat_map(|task| &task.outputs);
    let declared: Vec<TaskOutput> =
        declared.filter(|output| output.path().starts_with(&tree)).cloned().collect();
    let sums = tree.join(archive::layout::SUMS);
    content.push(builder.push(Task {
        name: "_iso_checksums".into(),
        alias: "populate_iso:iso_checksums".into(),
        doc: "Write the checksum of every file of the archive, and the target of every link.".into(),
        title: Title::new("SHA256SUMS", builder.shown(&sums)),
        inputs: vec![TaskInput::Folder {
            path: tree.clone(),
            exclude: lists.iter().map(|list| (*list).to_owned()).collect(),
        }],
        outputs: lists.iter().map(|list| TaskOutput::File(tree.join(list))).collect(),
        action: Some(checksums(&project, declared)),
        ..Task::default()
    }));
    let populate = builder.group(POPULATE, "Populate the tree of the archive.", content);

    let iso = project.iso();
    let mut inputs = builder.made_here();
    inputs.push(TaskInput::folder(&tree));
    inputs.push(TaskInput::value("volume id", volume_id(&project)));
    inputs.push(TaskInput::value("source date", project.source_date.to_string()));
    let after = vec![builder.name(populate)];
    let build = builder.push(Task {
        name: "_iso_build".into(),
        alias: "iso:build".into(),
        doc: "Write the ISO with its implanted MD5.".into(),
        title: Title::new("MKISOFS", builder.shown(&iso)),
        inputs,
        outputs: vec![TaskOutput::File(iso.clone())],
        after,
        action: Some(write(&project)),
        ..Task::default()
    });

    let digest = project.settings.build_root.join("SHA256SUM");
    let (from, to) = (iso.clone(), digest.clone());
    let digest = builder.push(Task {
        name: "_iso_digest".into(),
        alias: "iso:digest".into(),
        doc: "Write the SHA-256 of the ISO.".into(),
        title: Title::new("SHA256SUM", builder.shown(&iso)),
        inputs: vec![TaskInput::file(&iso)],
        outputs: vec![TaskOutput::File(digest)],
        action: Some(Box::new(move |context| {
            let name = from.file_name().unwrap_or_default().to_string_lossy();
            let line = format!("{}  {name}\n", context.digest(&from)?.hex());
            Ok(place_file::write(&to, &line, 0o644)?)
        })),
        ..Task::default()
    });
    builder.group("iso", "Build the ISO of the archive.", vec![populate, build, digest]);
    product
}

/// What the archive says about itself: the content of `product.txt`, or of the `manifest.yaml` of a Solution. `git` is the
/// commit that is built.
fn description(project: &Project, git: Option<String>) -> Result<String, archive::Error> {
    let manifest = project.solution_manifest(git.as_deref());
    if let Some(manifest) = manifest.filter(|_| describing(project) == archive::layout::MANIFEST) {
        manifest.check()?;
        return Ok(manifest.render());
    }
    let product = project.product(git);
    product.check()?;
    Ok(product.render())
}

/// The file that describes the archive.
fn describing(project: &Project) -> &'static str {
    match project.solution.as_ref().map(|solution| solution.layout) {
        Some(SolutionLayout::Manifest) => archive::layout::MANIFEST,
        Some(SolutionLayout::Product) | None => archive::layout::PRODUCT,
    }
}

/// The file that describes the archive. It alone names the commit and its date, so a commit that touches nothing else changes
/// only it and what lists or holds it.
fn add_description(
    builder: &mut TaskBuilder<'_>,
    project: &Arc<Project>,
    sources: &Arc<Sources>,
) -> TaskHandle {
    let file = describing(project);
    let (name, doc, title) = match file {
        archive::layout::MANIFEST => {
            ("_solution_manifest".to_owned(), "Write the manifest of the Solution.", "RENDER YAML")
        }
        _ => (format!("_iso_add_tree:{file}"), "Write the product information.", "RENDER ENV"),
    };
    let path = project.tree().join(file);
    // Without a commit. What is invalid is an error when the task runs.
    let content = description(project, None).unwrap_or_else(|error| error.to_string());
    // What was found when the task was judged is what it writes: a file may be edited in between.
    let found: Arc<Mutex<Option<String>>> = Arc::default();
    let (asked, known) = (Arc::clone(project), Arc::clone(&found));
    let sources = Arc::clone(sources);
    let mut inputs = builder.made_here();
    inputs.push(TaskInput::value("content", content));
    let project = Arc::clone(project);
    builder.push(Task {
        name,
        alias: format!("populate_iso:{file}"),
        doc: doc.into(),
        title: Title::new(title, builder.shown(&path)),
        inputs,
        discover: Some(Box::new(move |_| {
            let revision = sources.revision(&asked)?;
            let shown = revision.clone().unwrap_or_else(|| "no commit".into());
            *known.lock().unwrap_or_else(PoisonError::into_inner) = revision;
            Ok(vec![TaskInput::value("commit", shown)])
        })),
        outputs: vec![TaskOutput::File(path.clone())],
        action: Some(Box::new(move |_| {
            let git = found.lock().unwrap_or_else(PoisonError::into_inner).clone();
            Ok(place_file::write(&path, &description(&project, git)?, 0o644)?)
        })),
        cheap: true,
        ..Task::default()
    })
}

/// The archives that must be imported first, if there are some.
fn add_requires(builder: &mut TaskBuilder<'_>, project: &Arc<Project>) -> Option<TaskHandle> {
    if project.requires.is_empty() {
        return None;
    }
    let path = project.tree().join(archive::layout::REQUIRES);
    let text = archive::requires::render(&project.requires);
    let mut inputs = builder.made_here();
    inputs.push(TaskInput::value("content", text.clone()));
    Some(builder.push(Task {
        name: format!("_iso_add_tree:{}", archive::layout::REQUIRES),
        alias: format!("populate_iso:{}", archive::layout::REQUIRES),
        doc: "Write which archives must be imported first.".into(),
        title: Title::new("RENDER JSON", builder.shown(&path)),
        inputs,
        outputs: vec![TaskOutput::File(path.clone())],
        action: Some(Box::new(move |_| Ok(place_file::write(&path, &text, 0o644)?))),
        cheap: true,
        ..Task::default()
    }))
}

fn volume_id(project: &Project) -> String {
    format!("{} {}", project.values.name, project.values.version)
}

fn checksums(project: &Arc<Project>, declared: Vec<TaskOutput>) -> TaskAction {
    let (tree, root) = (project.tree(), project.root.clone());
    // Only commands can write more than they say.
    let is_checked = project.tasks.iter().any(|task| task.command.is_some());
    Box::new(move |context| {
        if is_checked {
            check_declared(&tree, &root, &declared)?;
        }
        let digest = |path: &std::path::Path| context.digest(path).map_err(std::io::Error::other);
        archive::Tree::open(&tree)?.check_links()?;
        archive::sums::write(&tree, &digest)?;
        Ok(())
    })
}

/// Refuses files of the archive that no task declares: they would be gone in the next build.
fn check_declared(tree: &Path, root: &Path, declared: &[TaskOutput]) -> Result<(), ActionError> {
    let paths: HashMap<&Path, bool> = declared
        .iter()
        .map(|output| (output.path().as_path(), matches!(output, TaskOutput::Folder(_))))
        .collect();
    let mut walk = walkdir::WalkDir::new(tree).min_depth(1).sort_by_file_name().into_iter();
    while let Some(entry) = walk.next() {
        let entry = entry.map_err(std::io::Error::from)?;
        match (paths.get(entry.path()), entry.file_type().is_dir()) {
            (Some(true), true) => walk.skip_current_dir(),
            (Some(_), false) | (None, true) => {}
            _ => {
                let shown = entry.path().strip_prefix(root).unwrap_or(entry.path());
                return Err(ActionError::failed(format!(
                    "{}: no task declares this file as an output",
                    content::printable_path(shown)
                )));
            }
        }
    }
    Ok(())
}

fn write(project: &Arc<Project>) -> TaskAction {
    let project = Arc::clone(project);
    Box::new(move |context| {
        let options = iso::IsoOptions {
            volume_id: volume_id(&project),
            source_date: project.source_date,
            ..iso::IsoOptions::default()
        };
        let iso = project.iso();
        // The checksums are inputs of this task, so these digests were taken before.
        let known = |path: &std::path::Path| context.digest(path).ok();
        let plan =
            iso::PlannedIso::from_known_dir(&project.tree(), &options, &known).map_err(ActionError::from)?;
        context.transfer(Transfer::Planned { verb: "writing", parts: 1, bytes: plan.bytes() });
        let sums = match plan.write_file(&iso, &Watch(context)) {
            Err(iso::Error::Cancelled) => return Err(ActionError::Cancelled),
            sums => sums?,
        };
        context.record(&iso, sums.sha256)?;
        accepted(&project, context).inspect_err(|_| {
            // What would be refused beyond the air gap is not left for anybody to carry there.
            let _ = std::fs::remove_file(&iso);
        })
    })
}

/// Reports the bytes that were read or written to the run, which can stop it.
pub(super) struct Watch<'a, 'run>(pub(super) &'a TaskContext<'run>);

impl iso::ByteProgress for Watch<'_, '_> {
    fn advance(&self, bytes: u64) {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        self.0.transfer(Transfer::Advance { part: String::new(), bytes });
    }

    fn cancelled(&self) -> bool {
        self.0.cancelled()
    }
}

/// How many findings an error names.
const NAMED: usize = 20;

/// Makes sure that the finished ISO is one that `archive verify` and `archive import` accept: the same rules, on the folders
/// of the ISO and the digests that the run knows. No content is read again.
fn accepted(project: &Project, context: &TaskContext<'_>) -> Result<(), ActionError> {
    let tree = project.tree();
    let digest_of = |path: &str, size: u64| {
        let source = tree.join(path);
        let found = std::fs::metadata(&source)?.len();
        if found != size {
            return Err(std::io::Error::other(format!(
                "it has {size} bytes in the ISO and {found} in the tree"
            )));
        }
        context.digest(&source).map_err(std::io::Error::other)
    };
    let report =
        archive::verify::Verification::open(&project.iso(), &archive::verify::VerifyOptions::default())?
            .run_known(&digest_of);
    if report.ok() {
        return Ok(());
    }
    let mut message = "`sealift archive verify` would refuse this archive:".to_owned();
    for finding in report.findings.iter().take(NAMED) {
        message.push_str(&format!("\n  {finding}"));
    }
    let more = report.findings.len().saturating_sub(NAMED) as u64 + report.omitted;
    if more > 0 {
        message.push_str(&format!("\n  and {more} more"));
    }
    Err(ActionError::failed(message))
}
