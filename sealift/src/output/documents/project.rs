//! A project: its tasks, their runs, the lock file and the result cache.

use std::fmt;

use graph::{Cleaned, ExplainedTask, ListedTask, ResetTask, TaskInfo};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::packages::PackageReason;
use super::text;
use crate::output::document::{Document, List};

/// A task of a project.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Task")]
pub(crate) struct TaskDocument {
    /// The name of the task.
    name: String,
    /// What it does.
    doc: String,
    /// With --status: `R` would run, `U` is up to date, `I` is ignored, `E` has inputs that cannot be read.
    status: Option<char>,
    /// With --deps: the files and folders that it reads.
    deps: Vec<String>,
}

impl Document for List<TaskDocument> {
    const KIND: &'static str = "TaskList";
}

impl From<&ListedTask> for TaskDocument {
    fn from(task: &ListedTask) -> Self {
        Self { name: task.name.clone(), doc: task.doc.clone(), status: task.status, deps: task.deps.clone() }
    }
}

/// The dependencies, outputs and status of a task.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TaskInformation {
    /// The name of the task.
    name: String,
    /// What it does.
    doc: String,
    /// The files and folders that it reads.
    file_dep: Vec<String>,
    /// The tasks that run before it.
    task_dep: Vec<String>,
    /// The files and folders that it produces.
    targets: Vec<String>,
    /// What a run would do: `would-run`, `up-to-date`, `ignore` or `fail`.
    status: String,
    /// Why it would run.
    reasons: Vec<String>,
    /// Why its inputs cannot be read.
    error: Option<String>,
}

impl Document for List<TaskInformation> {
    const KIND: &'static str = "TaskInformationList";
}

impl From<&TaskInfo> for TaskInformation {
    fn from(info: &TaskInfo) -> Self {
        Self {
            name: info.name.clone(),
            doc: info.doc.clone(),
            file_dep: info.file_dep.clone(),
            task_dep: info.task_dep.clone(),
            targets: info.targets.clone(),
            status: info.verdict.word().to_owned(),
            reasons: info.reasons.iter().map(ToString::to_string).collect(),
            error: info.error.clone(),
        }
    }
}

/// Why a task would run.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct TaskExplanation {
    /// The name of the task.
    name: String,
    /// What a run would do: `would-run`, `up-to-date`, `ignore` or `fail`.
    status: String,
    /// The key of its last successful run.
    was: Option<String>,
    /// Its key now; null if another task has to produce an input first.
    now: Option<String>,
    /// Why it would run.
    reasons: Vec<String>,
    /// Why its inputs cannot be read.
    error: Option<String>,
    /// For a task that downloads packages: the packages, and what each is there for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    packages: Vec<PackageReason>,
    /// As text.
    #[serde(skip)]
    text: String,
}

impl fmt::Display for TaskExplanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        if !self.packages.is_empty() {
            f.write_str("  packages:\n")?;
        }
        for line in self.packages.iter().flat_map(PackageReason::lines) {
            writeln!(f, "    {line}")?;
        }
        Ok(())
    }
}

impl Document for List<TaskExplanation> {
    const KIND: &'static str = "TaskExplanationList";
}

impl TaskExplanation {
    /// What is known of a task, and the packages that it downloads.
    pub(crate) fn new(one: &ExplainedTask, packages: Vec<PackageReason>) -> Self {
        Self {
            packages,
            text: one.to_string(),
            name: one.name.clone(),
            status: one.verdict.word().to_owned(),
            was: one.was.clone(),
            now: one.now.clone(),
            reasons: one.reasons.iter().map(ToString::to_string).collect(),
            error: one.error.clone(),
        }
    }
}

/// Tasks with their dependencies.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct TaskGraph {
    /// A task comes after those that it needs.
    tasks: Vec<GraphTask>,
}

impl Document for TaskGraph {
    const KIND: &'static str = "TaskGraph";
}

/// A task of a graph.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct GraphTask {
    /// The name of the task.
    name: String,
    /// What it does.
    doc: String,
    /// What a run prints for it.
    title: String,
    /// Whether it only runs other tasks.
    group: bool,
    /// Whether it is listed only with --private.
    private: bool,
    /// The tasks that run before it.
    needs: Vec<String>,
    /// Each with `file`, `folder`, `glob`, `exclude`, `name` or `value`.
    inputs: Vec<Value>,
    /// Each with `file` or `folder`.
    outputs: Vec<Value>,
    /// The pool that limits how many such tasks run at a time.
    pool: Option<Value>,
}

/// A file or folder that was removed, or would be.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Removal {
    /// Relative to the root of the project.
    path: String,
    /// Whether it is a folder.
    folder: bool,
    /// The task that produced it; null if no task produces it.
    task: Option<String>,
}

impl Document for List<Removal> {
    const KIND: &'static str = "RemovalList";
}

impl From<&Cleaned> for Removal {
    fn from(one: &Cleaned) -> Self {
        Self { path: text(&one.path), folder: one.is_folder, task: one.task.clone() }
    }
}

/// Tasks that were forgotten or are ignored.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct TaskSelection {
    /// Their names.
    pub(crate) tasks: Vec<String>,
}

impl Document for TaskSelection {
    const KIND: &'static str = "TaskSelection";
}

/// Whether the existing outputs of a task now count as up to date.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct TaskReset {
    /// The name of the task.
    name: String,
    /// What was done.
    result: ResetResult,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum ResetResult {
    /// Nothing to do.
    Skipped,
    /// The outputs now count as up to date.
    Processed,
    /// The outputs are not those of the task.
    Failed,
}

impl Document for List<TaskReset> {
    const KIND: &'static str = "TaskResetList";
}

impl From<&ResetTask> for TaskReset {
    fn from(reset: &ResetTask) -> Self {
        let (name, result, reason) = match reset {
            ResetTask::Skipped(name) => (name, ResetResult::Skipped, None),
            ResetTask::Processed(name) => (name, ResetResult::Processed, None),
            ResetTask::Failed(name, reason) => (name, ResetResult::Failed, Some(reason.to_string())),
        };
        Self { name: name.clone(), result, reason }
    }
}

/// The size of the result cache.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct CacheUsage {
    /// The folder of the cache.
    pub(crate) folder: String,
    /// The number of results.
    pub(crate) results: usize,
    /// The number of files.
    pub(crate) files: usize,
    /// Their size.
    pub(crate) bytes: u64,
    /// The maximum size in bytes.
    pub(crate) limit: u64,
}

impl Document for CacheUsage {
    const KIND: &'static str = "CacheUsage";
}

/// What was removed from the result cache.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct CachePruning {
    /// The number of results.
    pub(crate) results: usize,
    /// The number of files.
    pub(crate) files: usize,
    /// Their size.
    pub(crate) bytes: u64,
}

impl Document for CachePruning {
    const KIND: &'static str = "CachePruning";
}

/// A run of tasks.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct RunDocument {
    /// Every task of the run.
    tasks: Vec<TaskRun>,
    /// Always empty: the output of each task is in `tasks`.
    out: String,
    /// The standard error of all tasks, and warnings.
    err: String,
    /// When the run began, in RFC 3339 and UTC; missing if the run ended early.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    started: Option<String>,
    /// Seconds; missing if the run ended early.
    #[serde(skip_serializing_if = "Option::is_none")]
    elapsed: Option<f64>,
    /// The numbers of tasks; missing if the run ended early.
    #[serde(skip_serializing_if = "Option::is_none")]
    counts: Option<RunCounts>,
    /// The ISO and the files of the tasks that were named, if the run built them or found them up to date.
    #[serde(skip_serializing_if = "Option::is_none")]
    artifacts: Option<Vec<RunArtifact>>,
}

impl Document for RunDocument {
    const KIND: &'static str = "Run";
}

/// A task of a run.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct TaskRun {
    /// The name of the task.
    name: String,
    /// The name without a leading underscore.
    public_name: String,
    /// `success`, `fail`, `up-to-date`, `ignore`, `restored`, `would-run` or `cancelled`.
    result: String,
    /// Its standard output.
    out: String,
    /// Its standard error.
    err: String,
    /// Why it failed, or the task whose failure kept it from running.
    error: Option<String>,
    /// What to do about the error.
    help: Option<String>,
    /// The errors of the attempts before the last.
    retried: Vec<String>,
    /// In RFC 3339 and UTC: `2026-11-20T10:00:00.000000Z`.
    #[schemars(extend("format" = "date-time"))]
    started: Option<String>,
    /// Seconds.
    elapsed: Option<f64>,
    /// Why it ran.
    reason: Vec<String>,
    /// Its key.
    key: Option<String>,
    /// `hit` if its outputs were restored, `miss` if it ran.
    cache: Option<String>,
    /// The number of times it was started.
    attempts: u32,
    /// The bytes that it pulled or wrote, if it counts them.
    bytes: u64,
}

/// The numbers of tasks by result.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct RunCounts {
    /// Tasks that ran.
    ran: usize,
    /// Tasks whose outputs were restored from the result cache.
    restored: usize,
    /// Tasks that were up to date.
    up_to_date: usize,
    /// Tasks that were skipped because the user ignores them.
    ignored: usize,
    /// Tasks that failed.
    failed: usize,
    /// Tasks that did not run to their end, because of a failure or a signal.
    not_run: usize,
}

/// A file that a run builds.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct RunArtifact {
    /// The path of the file.
    path: String,
    /// Its size in bytes.
    size: u64,
    /// Its SHA-256.
    sha256: String,
    /// The command to type next.
    next: Option<String>,
}

/// A project file that was written, or would be.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct InitializedProject {
    /// The path of the project file.
    pub(crate) file: String,
    /// Whether it was written: not with --dry-run.
    pub(crate) written: bool,
    /// The name of the project.
    pub(crate) name: String,
    /// Its version, which may be an expression.
    pub(crate) version: String,
    /// The content of the project file.
    pub(crate) text: String,
    /// The line for `.gitignore`; null if it has the build root already or no repository has the folder.
    pub(crate) ignored: Option<String>,
    /// What was found.
    pub(crate) found: InitializedProjectFound,
    /// Folders of tests that were not looked at, relative to the folder.
    pub(crate) skipped: Vec<String>,
    /// What must be finished by hand.
    pub(crate) warnings: Vec<String>,
    /// The release pipeline; null without --ci.
    pub(crate) pipeline: Option<PipelineFile>,
    /// The commands to type next.
    pub(crate) next: Vec<String>,
}

impl Document for InitializedProject {
    const KIND: &'static str = "InitializedProject";
}

/// How much was found in a folder.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct InitializedProjectFound {
    /// Helm charts that are in no other chart.
    pub(crate) charts: usize,
    /// Files with objects of Kubernetes, and compose files, outside charts.
    pub(crate) manifests: usize,
    /// Salt trees, pillars included.
    pub(crate) salt_trees: usize,
    /// Packages for the repositories.
    pub(crate) rpms: usize,
    /// Images to build.
    pub(crate) images_to_build: usize,
    /// Lists of images.
    pub(crate) image_lists: usize,
    /// Images to pull, those of lists included.
    pub(crate) images: usize,
    /// Texts that only look like images.
    pub(crate) maybe_images: usize,
    /// Images that only a template can name.
    pub(crate) computed_images: usize,
}

/// A release pipeline that was written for a project, or would be.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct InitializedPipeline {
    /// Whether it was written: not with --dry-run.
    pub(crate) written: bool,
    /// The pipeline.
    pub(crate) pipeline: PipelineFile,
}

impl Document for InitializedPipeline {
    const KIND: &'static str = "InitializedPipeline";
}

/// The file of a release pipeline.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PipelineFile {
    /// Its path.
    pub(crate) file: String,
    /// Its content.
    pub(crate) text: String,
}

/// The version of the program.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct VersionDocument {
    /// The version: `0.2.0`.
    pub(crate) version: &'static str,
}

impl Document for VersionDocument {
    const KIND: &'static str = "Version";
}

/// The project of a new Solution.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct NewSolution {
    /// The folder.
    pub(crate) folder: String,
    /// The files in it that were written.
    pub(crate) files: Vec<String>,
    /// The command to type next.
    pub(crate) next: String,
}

impl Document for NewSolution {
    const KIND: &'static str = "NewSolution";
}
