//! `sealift archive import`, `get`, `delete`, `mount` and `unmount`: the archives of the bootstrap node.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use content::{printable, printable_path};
use runtime::archives::{self, Done, Error, Import, Linux, Listed, Mounting, Way};
use runtime::configuration::{Error as ConfigurationError, Kind};

use crate::args::node_paths::NodePaths;
use crate::commands::nodes;
use crate::failure::{Failure, Outcome};
use crate::output::{self, Output, size};
use crate::progress::Bar;

#[derive(Debug, Args)]
pub(crate) struct ImportArguments {
    /// The archives: ISO files or folders
    #[arg(required_unless_present = "configured")]
    archives: Vec<PathBuf>,
    /// Import all archives that this node's configuration lists: verify them, and mount those that are not mounted
    #[arg(long, conflicts_with = "archives")]
    configured: bool,
    /// Import archives without SHA256SUMS and implanted MD5 too: nothing shows that they are what their maker wrote
    #[arg(long)]
    unverified: bool,
    /// Mount them this way; serving needs no mount
    #[arg(long, value_enum, default_value_t, value_name = "HOW")]
    mount: Mount,
    /// Report what would change, without changing it
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    paths: NodePaths,
}

/// Whether and how an archive is mounted.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub(crate) enum Mount {
    /// By the kernel where it can; else an import does without, and `archive mount` goes through FUSE
    #[default]
    Auto,
    /// By the kernel, also after a restart of the system, or the command fails
    Kernel,
    /// Through FUSE, until the system ends, or the command fails
    Fuse,
    /// Not at all
    Never,
}

impl Mount {
    fn mounting(self) -> Mounting {
        match self {
            Self::Auto => Mounting::Auto,
            Self::Kernel => Mounting::By(Way::Kernel),
            Self::Fuse => Mounting::By(Way::Fuse),
            Self::Never => Mounting::Never,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct MountArguments {
    /// The archive: an ISO file or a folder
    archive: PathBuf,
    /// Mount it at DIR [default: NAME-VERSION in the folder of mounts]
    #[arg(long, value_name = "DIR")]
    at: Option<PathBuf>,
    /// Mount it this way: by the kernel, through FUSE, or whichever works
    #[arg(long, value_enum, default_value_t, value_name = "HOW")]
    by: Mount,
    /// Mount it without verifying it
    #[arg(long)]
    unverified: bool,
    /// Report what would change, without changing it
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    paths: NodePaths,
}

#[derive(Debug, Args)]
pub(crate) struct UnmountArguments {
    /// The archive: NAME-VERSION, its path, or its mount point
    archive: String,
    /// Continue even if the archive is in use
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    paths: NodePaths,
}

#[derive(Debug, Args)]
pub(crate) struct DeleteArguments {
    /// The archive: NAME-VERSION, its path, or its mount point
    archive: String,
    /// Continue even if the archive is in use
    #[arg(long)]
    force: bool,
    /// Report what would change, without changing it
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    paths: NodePaths,
}

#[derive(Debug, Args)]
pub(crate) struct GetArguments {
    /// Only these: NAME, NAME-VERSION, the path, or the mount point [default: all]
    #[arg(value_name = "NAME", conflicts_with = "nodes")]
    names: Vec<String>,
    /// Compare with this node (repeatable)
    #[arg(long = "node", value_name = "NODE", value_parser = nodes::node)]
    nodes: Vec<String>,
    #[command(flatten)]
    remote: nodes::Remote,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    paths: NodePaths,
}

pub(crate) fn import(arguments: &ImportArguments) -> Outcome {
    let options = Import {
        verify: true,
        unverified: arguments.unverified,
        mounting: arguments.mount.mounting(),
        dry_run: arguments.dry_run,
    };
    let (paths, machine) = (arguments.paths.paths(), machine()?);
    let configured =
        if arguments.configured { archives::configured(&paths).map_err(explained)? } else { Vec::new() };
    let mut done = Vec::new();
    let mut failed = 0;
    for archive in arguments.archives.iter().chain(&configured) {
        let imported = {
            let bar = verifying(archive);
            archives::import(&paths, archive, &options, &machine, &bar).map_err(explained)
        };
        match imported {
            Ok(imported) => done.push(imported),
            // One that is gone does not keep the others of the node from being mounted.
            Err(failure) if arguments.configured && configured.len() > 1 => {
                failed += 1;
                output::failure(&failure);
            }
            Err(failure) => return Err(failure),
        }
    }
    report(&done, arguments.dry_run, arguments.output)?;
    if failed == 0 {
        return Ok(());
    }
    let count = configured.len();
    Err(Failure::failed(anyhow::anyhow!("{failed} of {count} archives could not be imported")))
}

pub(crate) fn mount(arguments: &MountArguments) -> Outcome {
    let options = archives::Mount {
        at: arguments.at.clone(),
        verify: !arguments.unverified,
        mounting: arguments.by.mounting(),
        dry_run: arguments.dry_run,
    };
    let mounted = {
        let bar = verifying(&arguments.archive);
        archives::mount(&arguments.paths.paths(), &arguments.archive, &options, &machine()?, &bar)
    };
    report(&[mounted.map_err(explained)?], arguments.dry_run, arguments.output)
}

pub(crate) fn unmount(arguments: &UnmountArguments) -> Outcome {
    let paths = arguments.paths.paths();
    let unmounted = archives::unmount(&paths, &arguments.archive, arguments.force, &machine()?);
    report(&[unmounted.map_err(explained)?], false, arguments.output)
}

/// This machine; what it mounts through FUSE, this program shows.
fn machine() -> std::io::Result<Linux> {
    Ok(Linux { program: std::env::current_exe()?, running: output::running, ..Linux::default() })
}

fn verifying(archive: &Path) -> Bar {
    Bar::bytes("verifying", std::fs::metadata(archive).map_or(0, |metadata| metadata.len()))
}

pub(crate) fn delete(arguments: &DeleteArguments) -> Outcome {
    let paths = arguments.paths.paths();
    let deleted =
        archives::delete(&paths, &arguments.archive, arguments.force, arguments.dry_run, &machine()?);
    report(&[deleted.map_err(explained)?], arguments.dry_run, arguments.output)
}

pub(crate) fn get(arguments: &GetArguments) -> Outcome {
    let mut listed = archives::get(&arguments.paths.paths(), &machine()?).map_err(explained)?;
    if !arguments.nodes.is_empty() {
        return nodes::compare(&listed, &arguments.nodes, &arguments.remote, arguments.output);
    }
    if let Some(name) = arguments.names.iter().find(|name| !listed.iter().any(|one| is_meant(one, name))) {
        return Err(
            explained(Error::Unknown(name.clone())).remedy("`sealift archive get` lists the archives")
        );
    }
    listed.retain(|one| arguments.names.is_empty() || arguments.names.iter().any(|name| is_meant(one, name)));
    Ok(arguments.output.report(&listed, || table(&listed))?)
}

/// Whether a person means this archive by `name`.
fn is_meant(one: &Listed, name: &str) -> bool {
    let path = Path::new(name);
    one.id.as_deref() == Some(name)
        || one.product.as_ref().is_some_and(|product| product.name.eq_ignore_ascii_case(name))
        || [Some(&one.path), one.mounted.as_ref()].into_iter().flatten().any(|known| known == path)
}

/// The answer no is exit code 1, a configuration that is wrong is 3.
pub(crate) fn explained(error: Error) -> Failure {
    match &error {
        Error::Damaged(_) => {
            Failure::failed(error).remedy("`sealift archive verify` names everything that is wrong")
        }
        Error::Unvouched(_) => {
            Failure::failed(error).remedy("add --unverified if you trust where the archive comes from")
        }
        Error::Changed(_) => Failure::failed(error)
            .remedy("run the command again once nothing writes to the archive; nothing was changed"),
        Error::Present { .. } | Error::SamePrefix { .. } => {
            Failure::failed(error).remedy("remove the other one with `sealift archive delete`")
        }
        Error::NoSolution { .. } => {
            Failure::failed(error).remedy("import it with `sealift archive import`")
        }
        Error::Active { .. } | Error::InUse { .. } => {
            Failure::failed(error).remedy("use --force to override")
        }
        Error::NoWay { .. } => Failure::failed(error)
            .remedy("serving needs no mount: `sealift registry serve`; `sealift iso extract` unpacks"),
        Error::Occupied { .. } => Failure::failed(error).remedy(
            "unmount it with `sealift archive unmount`, or name another folder with `sealift archive mount --at`",
        ),
        Error::UnsafeLock { .. } => {
            Failure::failed(error).remedy("name another file with --lock-file, in a folder of yours")
        }
        Error::NotOurs(_) => Failure::failed(error)
            .remedy("remove the existing mount, or keep it and import with --mount never"),
        Error::Unnameable(_) => Failure::usage_by(error).remedy("rename it, or import it with --mount never"),
        Error::Configuration(ConfigurationError::Invalid { kind: Kind::Bootstrap, .. }) => {
            Failure::usage_by(error).remedy(
                "correct the file; on a node without MetalK8s remove it, then archives are listed in \
                 /etc/sealift/archives.yaml",
            )
        }
        // Nothing is wrong with it; the disk is full, or the like.
        Error::Configuration(ConfigurationError::Io { operation: "write", .. }) => Failure::from(error),
        Error::Unknown(_) => {
            Failure::usage_by(error).remedy("list the archives with `sealift archive get`")
        }
        Error::Configuration(_) | Error::NotMounted(_) => Failure::usage_by(error),
        _ => Failure::from(error),
    }
}

fn report(done: &[Done], dry_run: bool, output: Output) -> Outcome {
    for note in done.iter().flat_map(|one| &one.notes) {
        output::warn(note);
    }
    Ok(output.report(&done, || told(done, dry_run))?)
}

fn told(done: &[Done], dry_run: bool) -> String {
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
    text
}

fn table(listed: &[Listed]) -> String {
    if listed.is_empty() {
        return "no archives\n".to_owned();
    }
    let heads = ["NAME", "KIND", "SIZE", "READABLE", "IMAGES", "MOUNTED", "ARCHIVE"].map(str::to_owned);
    let rows: Vec<[String; 7]> = std::iter::once(heads).chain(listed.iter().map(row)).collect();
    let widths: [usize; 7] =
        std::array::from_fn(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0));
    let mut text = String::new();
    for row in &rows {
        let cells: Vec<String> =
            row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}", cells.join("  ").trim_end());
    }
    for one in listed {
        if let Some(problem) = &one.problem {
            let _ = writeln!(text, "{}", output::about(&one.path, &printable(problem).to_string()));
        }
        for warning in output::bounded(&one.warnings, "warnings") {
            let _ = writeln!(text, "warning: {}", output::about(&one.path, &warning));
        }
    }
    text
}

/// Each column says what was looked at: nothing here has read the content of a file.
fn row(one: &Listed) -> [String; 7] {
    let readable = match (one.missing, &one.product, one.images) {
        (true, ..) => "missing",
        (_, Some(_), Some(_)) => "yes",
        _ => "no",
    };
    let images = one.images.map_or_else(
        || "?".to_owned(),
        |count| match count.total - count.whole {
            0 => format!("{} complete", count.total),
            _ => format!("{} of {} complete", count.whole, count.total),
        },
    );
    let mounted = match one.mounted.as_ref().zip(one.mounted_by) {
        Some((at, _)) if one.mount_broken => format!("broken at {}", printable_path(at)),
        Some((at, way)) => format!("{way} at {}", printable_path(at)),
        None => "no".to_owned(),
    };
    let form = if one.missing || one.product.is_none() { "?" } else { "folder" };
    [
        one.id.clone().unwrap_or_else(|| "?".to_owned()),
        format!("{}{}", one.kind, if one.active { ", active" } else { "" }),
        one.bytes.map_or_else(|| form.to_owned(), size),
        readable.to_owned(),
        images,
        mounted,
        printable_path(&one.path).to_string(),
    ]
}
