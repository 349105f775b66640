//! `sealift iso`: what genisoimage, implantisomd5, checkisomd5 and isoinfo did.

mod check;
mod create;

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Subcommand;
use content::printable;
use serde_json::json;

use crate::failure::{Failure, Outcome};
use crate::output::{self, Output};
use crate::progress::Bar;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write a folder as an ISO 9660 image with Rock Ridge, Joliet and an implanted MD5
    Create(create::Arguments),
    /// Implant the MD5 sum into an image
    Implant {
        /// The image
        image: PathBuf,
        /// Overwrite what the application use field holds
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        output: Output,
    },
    /// Check the implanted MD5 of an image, and that all readers agree about it
    #[command(
        visible_alias = "verify",
        after_help = "Exit codes: 0 intact, 1 damaged, no sum, or readers disagree, 2 not an image"
    )]
    Check {
        /// The image
        image: PathBuf,
        #[command(flatten)]
        output: Output,
    },
    /// Show the descriptors, name extensions, sizes and implanted MD5 of an image
    Info {
        /// The image
        image: PathBuf,
        #[command(flatten)]
        output: Output,
    },
    /// List the files in an image
    #[command(visible_alias = "list")]
    Ls {
        /// The image
        image: PathBuf,
        /// A file or folder in it
        #[arg(default_value = "")]
        path: String,
        /// List everything below the folder
        #[arg(long, short)]
        recursive: bool,
        #[command(flatten)]
        output: Output,
    },
    /// Compare the files of two images: added, removed, changed
    #[command(after_help = "Exit codes: 0 equal, 1 different")]
    Diff {
        /// The older image
        before: PathBuf,
        /// The newer image
        after: PathBuf,
        #[command(flatten)]
        output: Output,
    },
    /// Mount an image through FUSE, without root, until Ctrl-C
    #[command(after_help = "Example:\n  sealift iso mount platform.iso /mnt/platform")]
    Mount {
        /// The image
        image: PathBuf,
        /// The folder
        folder: PathBuf,
        /// Let other users read it
        #[arg(long)]
        everybody: bool,
    },
    /// Extract an image into a folder
    #[command(after_help = "Exit codes: 0 all copied, 1 something skipped\n\nExample:\n  \
                           sealift iso extract platform.iso --into /srv/platform")]
    Extract {
        /// The image
        image: PathBuf,
        /// The folder: a new one, which appears whole or not at all, or an empty one
        #[arg(long, value_name = "DIR")]
        into: PathBuf,
        /// Keep set-user-id, set-group-id and sticky bits, which are dropped otherwise
        #[arg(long, short)]
        preserve_permissions: bool,
    },
    /// Write a file of an image to standard output
    #[command(after_help = "Example:\n  sealift iso cat platform.iso product.txt")]
    Cat {
        /// The image
        image: PathBuf,
        /// The file in it
        path: String,
    },
}

pub(crate) fn run(command: Command) -> Outcome {
    match command {
        Command::Create(arguments) => create::run(arguments),
        Command::Extract { image, into, preserve_permissions } => {
            extract(&image, &into, preserve_permissions)
        }
        Command::Diff { before, after, output } => diff(&before, &after, output),
        Command::Mount { image, folder, everybody } => mount(&image, &folder, everybody),
        Command::Implant { image, force, output } => implant(&image, force, output),
        Command::Check { image, output } => check::run(&image, output),
        Command::Info { image, output } => info(&image, output),
        Command::Ls { image, path, recursive, output } => list(&image, &path, recursive, output),
        Command::Cat { image, path } => cat(&image, &path),
    }
}

fn implant(image: &Path, force: bool, output: Output) -> Outcome {
    let bar = Bar::bytes("implanting", file_size(image)?);
    let md5 = ::iso::md5::implant(image, force, &bar).map_err(|error| match error {
        ::iso::Error::ApplicationUse { .. } => {
            Failure::from(error).remedy("--force replaces what stands there")
        }
        error => error.into(),
    })?;
    drop(bar);
    let md5 = hex::encode(md5);
    Ok(output.report(&json!({"image": image, "md5": md5}), || {
        format!("{md5}  {}\n", content::printable_path(image))
    })?)
}

fn info(image: &Path, output: Output) -> Outcome {
    let opened = ::iso::Image::open(image)?;
    let volume = opened.volume();
    let sums = ::iso::md5::stored(opened.file(), image)?;
    let descriptors: Vec<_> = volume.descriptors.iter().map(|kind| kind.word()).collect();
    let bytes = file_size(image)?;
    if !output.is_text() {
        let report = json!({
            "descriptors": descriptors, "volumeId": volume.volume_id, "systemId": volume.system_id,
            "volumeSetId": volume.volume_set_id, "publisher": volume.publisher,
            "preparer": volume.preparer, "application": volume.application, "created": volume.created,
            "modified": volume.modified, "sectors": volume.sectors, "rockRidge": volume.rock_ridge,
            "joliet": volume.joliet, "boot": volume.boot, "bytes": bytes,
            "implanted": sums.map(|sums| json!({
                "md5": hex::encode(sums.md5), "skippedSectors": sums.skipped_sectors, "fragments": sums.fragments,
            })),
        });
        return Ok(output.report(&report, String::new)?);
    }
    let names = [("Rock Ridge", volume.rock_ridge), ("Joliet", volume.joliet), ("El Torito", volume.boot)];
    let names: Vec<_> = names.iter().filter(|(_, there)| *there).map(|(name, _)| *name).collect();
    let mut text = String::new();
    for (key, value) in [
        ("descriptors", descriptors.join(", ")),
        ("volume id", volume.volume_id.clone()),
        ("system id", volume.system_id.clone()),
        ("volume set id", volume.volume_set_id.clone()),
        ("publisher", volume.publisher.clone()),
        ("preparer", volume.preparer.clone()),
        ("application", volume.application.clone()),
        ("created", volume.created.and_then(date).unwrap_or_default()),
        ("modified", volume.modified.and_then(date).unwrap_or_default()),
        ("extensions", names.join(", ")),
        ("volume", format!("{} sectors of 2048 bytes", volume.sectors)),
        ("file", format!("{bytes} bytes ({})", output::size(bytes))),
        ("implanted MD5", sums.as_ref().map_or_else(|| "none".into(), |sums| hex::encode(sums.md5))),
        ("covers", sums.map(covers).unwrap_or_default()),
    ] {
        if !value.is_empty() {
            text.push_str(&format!("{key:<14} {value}\n"));
        }
    }
    output::print(&text)?;
    Ok(())
}

fn covers(sums: ::iso::md5::Stored) -> String {
    format!("all but the last {} sectors, in {} fragments", sums.skipped_sectors, sums.fragments)
}

fn date(seconds: i64) -> Option<String> {
    jiff::Timestamp::from_second(seconds).ok().map(|date| date.to_string())
}

fn extract(image: &Path, into: &Path, preserve: bool) -> Outcome {
    let opened = ::iso::Image::open(image)?;
    let modes = if preserve { ::iso::Modes::All } else { ::iso::Modes::Permissions };
    let extracted = {
        let bar = Bar::bytes("extracting", opened.size());
        opened.extract(into, modes, &bar)?
    };
    if let [first, rest @ ..] = extracted.without_special.as_slice() {
        let others = if rest.is_empty() { String::new() } else { format!(" and {} more", rest.len()) };
        output::note(&format!(
            "dropped the set-user-id, set-group-id or sticky bit of {}{others}; --preserve-permissions keeps it",
            printable(first)
        ));
    }
    for skipped in &extracted.skipped {
        output::warn(&format!("skipped {}: {}", printable(&skipped.path), printable(&skipped.reason)));
    }
    if extracted.skipped.is_empty() { Ok(()) } else { Err(Failure::Failed(None)) }
}

/// Warns of the entries that cannot be read. They make an answer incomplete, so the exit code is 1.
fn faults<'a>(faults: impl Iterator<Item = (&'a str, &'a ::iso::Fault)>) -> Outcome {
    let line = |(path, fault): (&str, &::iso::Fault)| {
        format!("{}: {}", printable(path), printable(&fault.to_string()))
    };
    let lines: Vec<String> = faults.map(line).collect();
    output::warn_of(&lines, "entries that cannot be read");
    if lines.is_empty() { Ok(()) } else { Err(Failure::Failed(None)) }
}

fn list(image: &Path, path: &str, recursive: bool, output: Output) -> Outcome {
    let opened = ::iso::Image::open(image)?;
    let entry = find(&opened, image, path)?;
    let entries: Vec<(String, ::iso::Entry)> = match entry.kind {
        ::iso::Kind::Directory if recursive => {
            let prefix = path.trim_matches('/');
            let below = |name: &str| {
                prefix.is_empty() || name.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('/'))
            };
            opened.walk()?.into_iter().filter(|(name, _)| below(name)).collect()
        }
        ::iso::Kind::Directory => {
            opened.read_dir(&entry)?.into_iter().map(|entry| (entry.name.clone(), entry)).collect()
        }
        _ => vec![(path.to_owned(), entry)],
    };
    if output.is_text() {
        let text: String = entries.iter().map(|(path, entry)| line(path, entry)).collect();
        output::print(&text)?;
    } else {
        let rows: Vec<_> = entries.iter().map(|(path, entry)| row(path, entry)).collect();
        output.report(&rows, String::new)?;
    }
    faults(entries.iter().filter_map(|(path, entry)| Some((path.as_str(), entry.fault.as_deref()?))))
}

fn row(path: &str, entry: &::iso::Entry) -> serde_json::Value {
    let target = match &entry.kind {
        ::iso::Kind::Symlink(target) => Some(target),
        _ => None,
    };
    let mut row = json!({"path": path, "kind": kind(&entry.kind), "target": target, "bytes": entry.size, "mode": format!("{:o}", entry.mode), "mtime": entry.mtime});
    if let (Some(fault), serde_json::Value::Object(row)) = (&entry.fault, &mut row) {
        row.insert("fault".to_owned(), json!({"byte": fault.offset, "problem": fault.problem}));
    }
    row
}

fn line(path: &str, entry: &::iso::Entry) -> String {
    // A faulty entry has a kind that its mode does not tell, and no mode perhaps.
    let letter = match entry.mode & 0o170_000 {
        0o040_000 => 'd',
        0o100_000 => '-',
        0o120_000 => 'l',
        0o010_000 => 'p',
        0o140_000 => 's',
        0o020_000 => 'c',
        0o060_000 => 'b',
        _ => '?',
    };
    let mut mode: Vec<char> = (0..9)
        .map(|bit| if entry.mode & (0o400 >> bit) == 0 { '-' } else { ['r', 'w', 'x'][bit % 3] })
        .collect();
    // As `ls` shows set-user-id, set-group-id and the sticky bit: in the place of the `x`, a capital letter without it.
    for (bit, at, letter) in [(0o4_000, 2, 's'), (0o2_000, 5, 's'), (0o1_000, 8, 't')] {
        if let Some(shown) = mode.get_mut(at).filter(|_| entry.mode & bit != 0) {
            *shown = if *shown == 'x' { letter } else { letter.to_ascii_uppercase() };
        }
    }
    let mode: String = mode.into_iter().collect();
    let target = match &entry.kind {
        ::iso::Kind::Symlink(target) => format!(" -> {}", printable(target)),
        _ => String::new(),
    };
    format!("{letter}{mode} {:>12} {}{target}\n", entry.size, printable(path))
}

fn cat(image: &Path, path: &str) -> Outcome {
    use std::io::Write as _;

    let opened = ::iso::Image::open(image)?;
    let entry = find(&opened, image, path)?;
    let mut buffer = vec![0; 256 * 1024];
    let mut offset = 0;
    // The bytes of the file go out as they are: no terminal filter between.
    let mut out = std::io::stdout().lock();
    loop {
        let count = opened.read_at(&entry, offset, &mut buffer)?;
        if count == 0 {
            break;
        }
        out.write_all(&buffer[..count])?;
        offset += count as u64;
    }
    out.flush()?;
    Ok(())
}

fn diff(before: &Path, after: &Path, output: Output) -> Outcome {
    let (old, new) = (::iso::Image::open(before)?, ::iso::Image::open(after)?);
    let differences = {
        let bar = Bar::bytes("comparing", old.size() + new.size());
        ::iso::diff(&old, &new, &bar)?
    };
    let state = |state: &::iso::State| {
        json!({
            "kind": kind(&state.kind), "bytes": state.size, "mode": format!("{:o}", state.permissions),
            "sha256": state.sha256.map(hex::encode), "fault": state.fault.as_ref().map(|fault| fault.to_string()),
        })
    };
    let rows: Vec<_> = differences
        .iter()
        .map(|one| {
            json!({"path": one.path, "before": one.before.as_ref().map(state), "after": one.after.as_ref().map(state)})
        })
        .collect();
    let text = || {
        let mut text = String::new();
        for one in &differences {
            let path = printable(&one.path);
            let fault = one.before.iter().chain(&one.after).find_map(|state| state.fault.as_ref());
            text.push_str(&match (&one.before, &one.after, fault) {
                (Some(_), Some(_), Some(fault)) => {
                    format!("unreadable {path}: {}\n", printable(&fault.to_string()))
                }
                (None, Some(after), _) => format!("added    {path}  {} bytes\n", after.size),
                (Some(before), None, _) => format!("removed  {path}  {} bytes\n", before.size),
                (Some(before), Some(after), None) => {
                    format!("changed  {path}  {} -> {} bytes\n", before.size, after.size)
                }
                (None, None, _) => String::new(),
            });
        }
        text
    };
    output.report(&rows, text)?;
    if differences.is_empty() { Ok(()) } else { Err(Failure::Failed(None)) }
}

/// How often a mount looks for signals, and whether it is still there.
const SIGNALS_EVERY: std::time::Duration = std::time::Duration::from_millis(100);

fn mount(image: &Path, folder: &Path, everybody: bool) -> Outcome {
    let mut signals =
        signal_hook::iterator::Signals::new([signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM])?;
    let mounted = ::iso::Image::open(image)?.mount(folder, everybody)?;
    output::note(&format!(
        "{} is mounted at {}; Ctrl-C unmounts it",
        content::printable_path(image),
        content::printable_path(folder)
    ));
    // What can be read is there, so that is no failure of the mount.
    let _ = faults(mounted.faults().iter().map(|(path, fault)| (path.as_str(), fault)));
    while signals.pending().next().is_none() {
        if mounted.is_gone() {
            return Ok(());
        }
        std::thread::sleep(SIGNALS_EVERY);
    }
    mounted.unmount()?;
    Ok(())
}

fn kind(kind: &::iso::Kind) -> &'static str {
    match kind {
        ::iso::Kind::Directory => "directory",
        ::iso::Kind::File => "file",
        ::iso::Kind::Symlink(_) => "symlink",
        ::iso::Kind::Other => "other",
    }
}

fn find(opened: &::iso::Image, image: &Path, path: &str) -> Result<::iso::Entry, Failure> {
    opened.find(path)?.ok_or_else(|| {
        Failure::failed(anyhow::anyhow!(
            "{}: no `{}` in the image",
            content::printable_path(image),
            content::printable(path)
        ))
        .remedy("`sealift iso ls --recursive` lists what there is")
    })
}

fn file_size(path: &Path) -> anyhow::Result<u64> {
    Ok(std::fs::metadata(path).with_context(|| content::printable_path(path).to_string())?.len())
}
