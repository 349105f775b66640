//! `sealift iso`: create, check, read and mount ISO 9660 images.

mod cat;
mod check;
mod create;
mod diff;
mod extract;
mod implant;
mod info;
mod ls;
mod mount;

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Subcommand;
use content::printable;

use crate::failure::{CommandResult, Failure};
use crate::output::{self, ReportOutput};
use crate::remedies;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write a folder as an ISO 9660 image with Rock Ridge, Joliet and an implanted MD5
    Create(create::Arguments),
    /// Implant an MD5 into an ISO
    Implant {
        /// The ISO: a file or a block device
        #[arg(value_name = "ISO")]
        image: PathBuf,
        /// Overwrite what the application use field holds
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        output: ReportOutput,
    },
    /// Check the implanted MD5 of an ISO, and that all readers agree on its content
    #[command(
        visible_alias = "verify",
        after_help = "Exit codes: 0 intact, 1 damaged, ambiguous or without an MD5, 2 not an ISO"
    )]
    Check {
        /// The ISO: a file or a block device
        #[arg(value_name = "ISO")]
        image: PathBuf,
        #[command(flatten)]
        output: ReportOutput,
    },
    /// Show the descriptors, name extensions, sizes and implanted MD5 of an ISO
    Info {
        /// The ISO: a file or a block device
        #[arg(value_name = "ISO")]
        image: PathBuf,
        #[command(flatten)]
        output: ReportOutput,
    },
    /// List the files in an ISO
    #[command(visible_alias = "list")]
    Ls {
        /// The ISO: a file or a block device
        #[arg(value_name = "ISO")]
        image: PathBuf,
        /// A file or folder in it
        #[arg(default_value = "")]
        path: String,
        /// List everything below the folder
        #[arg(long, short)]
        recursive: bool,
        #[command(flatten)]
        output: ReportOutput,
    },
    /// Compare the files of two ISOs: added, removed, changed
    #[command(after_help = "Exit codes: 0 the ISOs are equal, 1 they differ")]
    Diff {
        /// The older ISO
        before: PathBuf,
        /// The newer ISO
        after: PathBuf,
        #[command(flatten)]
        output: ReportOutput,
    },
    /// Mount an ISO through FUSE, without root, until Ctrl-C
    #[command(after_help = "Example:\n  sealift iso mount platform.iso /mnt/platform")]
    Mount {
        /// The ISO: a file or a block device
        #[arg(value_name = "ISO")]
        image: PathBuf,
        /// The mount point
        folder: PathBuf,
        /// Let other users read the mounted ISO
        #[arg(long)]
        everybody: bool,
    },
    /// Extract an ISO into a folder
    #[command(after_help = "Exit codes: 0 everything was extracted, 1 entries were skipped\n\nExample:\n  \
                           sealift iso extract platform.iso --into /srv/platform")]
    Extract {
        /// The ISO: a file or a block device
        #[arg(value_name = "ISO")]
        image: PathBuf,
        /// Extract into DIR, which is created or must be empty
        #[arg(long, value_name = "DIR")]
        into: PathBuf,
        /// Keep set-user-ID, set-group-ID and sticky bits [default: drop them]
        #[arg(long, short)]
        preserve_permissions: bool,
        #[command(flatten)]
        output: ReportOutput,
    },
    /// Write a file of an ISO to standard output
    #[command(after_help = "Example:\n  sealift iso cat platform.iso product.txt")]
    Cat {
        /// The ISO: a file or a block device
        #[arg(value_name = "ISO")]
        image: PathBuf,
        /// The file in it
        path: String,
    },
}

pub(crate) fn run(command: Command) -> CommandResult {
    match command {
        Command::Create(arguments) => create::run(arguments),
        Command::Extract { image, into, preserve_permissions, output } => {
            extract::run(&image, &into, preserve_permissions, output)
        }
        Command::Diff { before, after, output } => diff::run(&before, &after, output),
        Command::Mount { image, folder, everybody } => mount::run(&image, &folder, everybody),
        Command::Implant { image, force, output } => implant::run(&image, force, output),
        Command::Check { image, output } => check::run(&image, output),
        Command::Info { image, output } => info::run(&image, output),
        Command::Ls { image, path, recursive, output } => ls::run(&image, &path, recursive, output),
        Command::Cat { image, path } => cat::run(&image, &path),
    }
}

/// Warns of entries that cannot be read. They make the result incomplete, so the exit code is 1.
fn faults<'a>(faults: impl Iterator<Item = (&'a str, &'a ::iso::EntryFault)>) -> CommandResult {
    let line = |(path, fault): (&str, &::iso::EntryFault)| {
        format!("{}: {}", printable(path), printable(&fault.to_string()))
    };
    let lines: Vec<String> = faults.map(line).collect();
    output::warn_of(&lines, "entries that cannot be read");
    if lines.is_empty() { Ok(()) } else { Err(Failure::Failed(None)) }
}

fn find(opened: &::iso::IsoImage, image: &Path, path: &str) -> Result<::iso::IsoEntry, Failure> {
    opened.find(path)?.ok_or_else(|| remedies::iso::no_path(image, path))
}

fn file_size(path: &Path) -> anyhow::Result<u64> {
    Ok(std::fs::metadata(path).with_context(|| content::printable_path(path).to_string())?.len())
}
