//! `sealift iso create`.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use clap::Args;
use content::printable_path;
use iso::{IsoOptions, Owner, Permissions, PlannedIso, Times};

use crate::failure::{CommandResult, Failure};
use crate::output::documents::iso::{Iso, IsoPlan};
use crate::output::{self, ReportOutput};
use crate::progress::Bar;
use crate::remedies;
use crate::signals::Signals;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sealift iso create _build/root --file platform.iso --volume-id 'MetalK8s 2.11.0'
  sealift iso create data --file /dev/sdx --volume-id Data --sort 'images/**=10'
  sealift iso create data --file - --volume-id Data | ssh node 'cat >data.iso'
  sealift iso create data --volume-id Data --dry-run -o json")]
pub(crate) struct Arguments {
    /// The folder to write
    folder: PathBuf,
    /// Write the image to FILE: a file, block device or pipe; `-` is standard output
    #[arg(long, value_name = "FILE", required_unless_present = "dry_run")]
    file: Option<PathBuf>,
    /// Name the volume, in at most 32 bytes
    #[arg(long, value_name = "NAME")]
    volume_id: String,
    /// Set the date of everything in the image, in seconds since 1970
    #[arg(long, value_name = "SECONDS", env = "SOURCE_DATE_EPOCH", default_value_t = 0)]
    source_date: i64,
    /// Set the owner of everything in the image
    #[arg(long, value_name = "ID", default_value_t = 0)]
    uid: u32,
    /// Set the group of everything in the image
    #[arg(long, value_name = "ID", default_value_t = 0)]
    gid: u32,
    /// Keep the folder's owners and groups instead
    #[arg(long, conflicts_with_all = ["uid", "gid"])]
    keep_owners: bool,
    /// Keep the folder's permissions instead of 0444 and 0555
    #[arg(long)]
    keep_modes: bool,
    /// Keep the folder's times where they are not later than the source date
    #[arg(long)]
    keep_times: bool,
    /// Exclude what PATTERN matches, in the syntax of .gitignore (repeatable)
    #[arg(long, value_name = "PATTERN")]
    exclude: Vec<String>,
    /// Place files matching PATTERN earlier in the image; higher weights come first (default 0, first match wins;
    /// repeatable)
    #[arg(long, value_name = "PATTERN=WEIGHT", value_parser = weight, allow_hyphen_values = true)]
    sort: Vec<(String, i32)>,
    /// Report the layout, without writing the image
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    output: ReportOutput,
}

fn weight(argument: &str) -> Result<(String, i32), String> {
    let (pattern, weight) = argument.rsplit_once('=').ok_or("expected PATTERN=WEIGHT")?;
    let weight = weight.parse().map_err(|_| format!("`{weight}` is not a whole number"))?;
    Ok((pattern.to_owned(), weight))
}

pub(super) fn run(arguments: Arguments) -> CommandResult {
    let Arguments { uid, gid, .. } = arguments;
    let options = IsoOptions {
        volume_id: arguments.volume_id,
        source_date: arguments.source_date,
        times: if arguments.keep_times { Times::Clamped } else { Times::SourceDate },
        permissions: if arguments.keep_modes { Permissions::Source } else { Permissions::ReadOnly },
        owner: if arguments.keep_owners { Owner::Source } else { Owner::Fixed { uid, gid } },
        exclude: arguments.exclude,
        sort: arguments.sort,
    };
    let plan = PlannedIso::from_dir(&arguments.folder, &options).map_err(remedies::iso::create)?;
    for pattern in plan.unused_patterns() {
        output::warn(&format!(
            "--exclude `{pattern}` matches nothing in {}",
            content::printable_path(&arguments.folder)
        ));
    }
    match arguments.file {
        Some(file) if !arguments.dry_run => write(&plan, &file, arguments.output),
        _ => Ok(arguments.output.report(|| IsoPlan::from(&plan), || plan.to_string())?),
    }
}

/// A progress bar, and whether a signal was received.
struct Watched<'a> {
    bar: Bar,
    signals: &'a Signals,
}

impl iso::ByteProgress for Watched<'_> {
    fn advance(&self, bytes: u64) {
        iso::ByteProgress::advance(&self.bar, bytes);
    }

    fn cancelled(&self) -> bool {
        self.signals.number().is_some()
    }
}

fn write(plan: &PlannedIso, file: &Path, output: ReportOutput) -> CommandResult {
    let to_standard_output = content::is_standard_output(file);
    if to_standard_output && std::io::stdout().is_terminal() {
        return Err(remedies::iso::terminal());
    }
    let signals = Signals::catch()?;
    let written = {
        let watched = Watched { bar: Bar::bytes("writing", plan.bytes()), signals: &signals };
        if to_standard_output {
            // Not locked: a lock cannot move to another thread, and nothing else writes there.
            plan.write_to(&mut std::io::stdout(), file, &watched)
        } else {
            plan.write_file(file, &watched)
        }
    };
    let sums = match written {
        Err(iso::Error::Cancelled) => return Err(Failure::Signal(signals.number().unwrap_or_default())),
        // The plan holds what any image can; this is the limit of the device.
        written => written.map_err(remedies::iso::device)?,
    };
    let line = format!("{}  {}\n", sums.sha256.hex(), printable_path(file));
    if to_standard_output {
        use std::io::Write as _;
        std::io::stdout().flush()?;
        std::io::stderr().write_all(line.as_bytes())?;
        return Ok(());
    }
    Ok(output.report(|| Iso::new(file, &sums), || line)?)
}
