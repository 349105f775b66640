//! Help for errors about a project and its tasks.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use buildchain::project::{DraftError, Error as ProjectError, MISTAKES_SHOWN};
use buildchain::tasks::ProjectRunError;
use content::printable_path;
use graph::{SelectError, StateError};

use super::helped;
use crate::failure::{Failure, FailureReport};

/// A project that cannot be used: exit code 3, with the place in the file.
pub(crate) fn project(error: ProjectError) -> Failure {
    let remedy = match &error {
        ProjectError::Many(errors)
            if !errors.iter().all(|error| matches!(error, ProjectError::NotLocked { .. })) =>
        {
            None
        }
        ProjectError::NotLocked { .. } | ProjectError::Many(_) => Some("run `sealift lock`".into()),
        ProjectError::Outside(_) => {
            Some("copy the file into the project, or list its folder under `spec.externalFolders`".into())
        }
        ProjectError::NoProject(_) => Some(
            "go to the project's folder, name it with --project, or start one: `sealift init`, or `sealift solution new \
             NAME` for a Solution"
                .into(),
        ),
        ProjectError::Exists(_) => Some(
            "`sealift image find --write` adds the images that files name; to start again, remove the file"
                .into(),
        ),
        ProjectError::Repository { help, .. } => Some(help.clone()),
        _ => None,
    };
    let snippet = error.snippet().map(str::to_owned);
    Failure::Usage(FailureReport { error: error.into(), snippet, remedy })
}

/// A project that cannot be turned into tasks: exit code 3.
pub(crate) fn tasks(error: buildchain::tasks::Error) -> Failure {
    let remedy = match &error {
        buildchain::tasks::Error::Unfit { links, long } => Some(match (links.is_empty(), long.is_empty()) {
            (true, _) => "shorten it, or leave it out with `exclude`",
            (_, true) => {
                "make the link relative with a target inside the archive, or leave it out with `exclude`"
            }
            _ => {
                "make links relative with a target inside the archive, shorten long names and targets, or leave the files out \
                 with `exclude`"
            }
        }),
        _ => None,
    };
    helped(Failure::usage_by(error), remedy)
}

/// A state that cannot be opened.
pub(crate) fn state(error: StateError) -> Failure {
    let held = matches!(&error, StateError::Held { .. });
    let help = held.then_some("omit --no-wait to wait for it, or build elsewhere with --build-root DIR");
    helped(Failure::from(error), help)
}

/// A run that ended early.
pub(crate) fn run(error: ProjectRunError) -> Failure {
    match error {
        ProjectRunError::ForeignTree(_) => {
            Failure::usage_by(error).remedy("remove the folder, or build elsewhere with --build-root DIR")
        }
        ProjectRunError::Run(graph::RunError::State(error)) => state(error),
        error => error.into(),
    }
}

/// A project without a commit, for `--release`.
pub(crate) fn no_commit(root: &Path) -> Failure {
    Failure::usage(format!(
        "{} is not a checkout of a commit, which --release requires",
        printable_path(root)
    ))
    .remedy("build in a clone, or without --release")
}

/// Files that differ from the commit, for `--release`.
pub(crate) fn differing(files: &BTreeSet<PathBuf>) -> Failure {
    let mut message = String::from("these files differ from the commit:");
    for path in files.iter().take(MISTAKES_SHOWN) {
        message += &format!("\n  {}", printable_path(path));
    }
    if let Some(more) = files.len().checked_sub(MISTAKES_SHOWN).filter(|more| *more > 0) {
        message += &format!("\n  and {more} more");
    }
    Failure::usage(message).remedy("commit them, or build without --release")
}

/// The name of a task that does not exist.
pub(crate) fn selection(error: SelectError) -> Failure {
    Failure::usage_by(error).remedy("list every task: `sealift list --all --private`")
}

/// A project that builds another kind of archive than a Solution.
pub(crate) fn not_a_solution(name: &str) -> Failure {
    Failure::usage(format!("the project {name} does not build a Solution"))
        .remedy("write `kind: Solution` in sealift.yaml, or build the project with `sealift run`")
}

/// A folder with a project, and options that describe one.
pub(crate) fn described_twice(root: &Path) -> Failure {
    Failure::usage(format!(
        "{} has a sealift.yaml, and --name describes another project",
        printable_path(root)
    ))
    .remedy("build the project without --name, or write the Solution into another folder")
}

/// A project that options describe, which cannot be read: its file does not exist.
pub(crate) fn described(error: ProjectError) -> Failure {
    let failure = project(error);
    if failure.report().is_none_or(|report| report.remedy.is_some()) {
        return failure;
    }
    failure
        .remedy("sealift.yaml stands for the options; add --verbose to print the project that they describe")
}

/// Options that describe no project.
pub(crate) fn draft(error: DraftError) -> Failure {
    let remedy = match &error {
        DraftError::NoSource(image) => {
            let (name, tag) = (&image.name, &image.tag);
            Some(format!(
                "name a source, such as `--source {name}=docker://registry.example.com/{name}:{tag}`"
            ))
        }
        DraftError::OtherTag { .. } => {
            Some("give both the same tag, or name the source by its digest: `NAME@sha256:…`".to_owned())
        }
        _ => None,
    };
    helped(Failure::usage_by(error), remedy)
}

/// A new project that cannot be written.
pub(crate) fn scaffold(error: ProjectError) -> Failure {
    let exists = matches!(error, ProjectError::Exists(_));
    helped(Failure::usage_by(error), exists.then_some("name a new folder with --into DIR"))
}

/// A pipeline that cannot be written.
pub(crate) fn pipeline(error: ProjectError) -> Failure {
    let exists = matches!(error, ProjectError::Exists(_));
    helped(
        Failure::usage_by(error),
        exists.then_some("`sealift init --ci SERVER --dry-run` prints the pipeline: save it as another file, or compare the two"),
    )
}
