//! `sealift archive import`, `get` and `delete`: the archives of the bootstrap node.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use runtime::archives::{self, Done, Error, Import, Linux, Listed, Mounting, Paths};

use crate::commands::nodes;
use crate::failure::{Failure, Outcome};
use crate::output::{self, Form, size};
use crate::progress::Bar;

/// Where things are on the node.
#[derive(Debug, Args)]
pub(crate) struct Places {
    /// The BootstrapConfiguration
    #[arg(
        long,
        value_name = "FILE",
        default_value = "/etc/metalk8s/bootstrap.yaml",
        help_heading = "Places"
    )]
    bootstrap_config: PathBuf,
    /// The SolutionsConfiguration
    #[arg(
        long,
        value_name = "FILE",
        default_value = "/etc/metalk8s/solutions.yaml",
        help_heading = "Places"
    )]
    solutions_config: PathBuf,
    /// The folder in which archives are mounted as NAME-VERSION
    #[arg(long, value_name = "DIR", default_value = "/srv/scality", help_heading = "Places")]
    mounts: PathBuf,
    /// The folder of systemd's units
    #[arg(long, value_name = "DIR", default_value = "/etc/systemd/system", help_heading = "Places")]
    units: PathBuf,
    /// The file that keeps two imports apart
    #[arg(
        long,
        value_name = "FILE",
        default_value = "/run/lock/sealift-archives.lock",
        help_heading = "Places"
    )]
    lock_file: PathBuf,
}

impl Places {
    pub(crate) fn paths(&self) -> Paths {
        Paths {
            bootstrap: self.bootstrap_config.clone(),
            solutions: self.solutions_config.clone(),
            mounts: self.mounts.clone(),
            units: self.units.clone(),
            lock: self.lock_file.clone(),
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct ImportArguments {
    /// The archives: ISO files or folders
    #[arg(required = true)]
    archives: Vec<PathBuf>,
    /// Whether to mount them; serving needs no mount
    #[arg(long, value_enum, default_value_t, value_name = "WHETHER")]
    mount: Mount,
    /// Only say what would change
    #[arg(long)]
    dry_run: bool,
    /// The form of the report
    #[arg(long, value_enum, default_value_t)]
    output: Form,
    #[command(flatten)]
    places: Places,
}

/// Whether an archive is mounted.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub(crate) enum Mount {
    /// By the kernel where it can, else not
    #[default]
    Auto,
    /// By the kernel, or the import fails
    Kernel,
    /// Not at all
    Never,
}

#[derive(Debug, Args)]
pub(crate) struct DeleteArguments {
    /// The archive: NAME-VERSION, its path, or its mount point
    archive: String,
    /// Even if it is in use
    #[arg(long)]
    force: bool,
    /// Only say what would change
    #[arg(long)]
    dry_run: bool,
    /// The form of the report
    #[arg(long, value_enum, default_value_t)]
    output: Form,
    #[command(flatten)]
    places: Places,
}

#[derive(Debug, Args)]
pub(crate) struct GetArguments {
    /// Another node to compare with (repeatable)
    #[arg(long = "node", value_name = "NODE", value_parser = nodes::node)]
    nodes: Vec<String>,
    #[command(flatten)]
    remote: nodes::Remote,
    /// The form of the report
    #[arg(long, value_enum, default_value_t)]
    output: Form,
    #[command(flatten)]
    places: Places,
}

pub(crate) fn import(arguments: &ImportArguments) -> Outcome {
    let options = Import {
        verify: true,
        mounting: match arguments.mount {
            Mount::Auto => Mounting::Auto,
            Mount::Kernel => Mounting::Kernel,
            Mount::Never => Mounting::Never,
        },
        dry_run: arguments.dry_run,
    };
    let paths = arguments.places.paths();
    let mut done = Vec::new();
    for archive in &arguments.archives {
        let total = std::fs::metadata(archive).map_or(0, |metadata| metadata.len());
        let imported = {
            let bar = Bar::bytes("verifying", total);
            archives::import(&paths, archive, &options, &Linux::default(), &bar).map_err(explained)?
        };
        done.push(imported);
    }
    report(&done, arguments.dry_run, arguments.output)
}

pub(crate) fn delete(arguments: &DeleteArguments) -> Outcome {
    let paths = arguments.places.paths();
    let deleted =
        archives::delete(&paths, &arguments.archive, arguments.force, arguments.dry_run, &Linux::default());
    report(&[deleted.map_err(explained)?], arguments.dry_run, arguments.output)
}

pub(crate) fn get(arguments: &GetArguments) -> Outcome {
    let listed = archives::get(&arguments.places.paths(), &Linux::default())?;
    if !arguments.nodes.is_empty() {
        return nodes::compare(&listed, &arguments.nodes, &arguments.remote, arguments.output);
    }
    match arguments.output {
        Form::Json => output::json(&listed)?,
        Form::Text => output::print(&table(&listed))?,
    }
    Ok(())
}

/// The answer no is exit code 1, a configuration that is wrong is 3.
fn explained(error: Error) -> Failure {
    match &error {
        Error::Damaged(_) => {
            Failure::failed(error).remedy("`sealift archive verify` names everything that is wrong")
        }
        Error::Present { .. } => {
            Failure::failed(error).remedy("`sealift archive delete` takes the other one off")
        }
        Error::Active { .. } | Error::InUse { .. } => {
            Failure::failed(error).remedy("--force does it all the same")
        }
        Error::Configuration(_) | Error::Unknown(_) => Failure::usage_by(error),
        _ => Failure::from(error),
    }
}

fn report(done: &[Done], dry_run: bool, form: Form) -> Outcome {
    if form == Form::Json {
        output::json(&done)?;
        return Ok(());
    }
    let mut text = String::new();
    for one in done {
        if one.steps.is_empty() {
            text.push_str(&format!("{}: nothing to do\n", one.id));
        }
        for step in &one.steps {
            text.push_str(&format!("{}: {}{step}\n", one.id, if dry_run { "would " } else { "" }));
        }
        if let Some(reason) = &one.not_mounted {
            text.push_str(&format!("{}: not mounted: {reason}; it is served all the same\n", one.id));
        }
    }
    output::print(&text)?;
    Ok(())
}

fn table(listed: &[Listed]) -> String {
    let mut text = String::new();
    for one in listed {
        let id = one.id.as_deref().unwrap_or("?");
        let bytes = one.bytes.map_or_else(|| "folder".into(), size);
        let mounted =
            one.mounted.as_ref().map_or_else(|| "not mounted".into(), |path| path.display().to_string());
        let active = if one.active { "  active" } else { "" };
        text.push_str(&format!("{id}  {}  {bytes}  {}  {mounted}{active}\n", one.kind, one.path.display()));
        if let Some(problem) = &one.problem {
            text.push_str(&format!("  cannot be used: {problem}\n"));
        }
    }
    if text.is_empty() {
        text.push_str("no archives\n");
    }
    text
}
