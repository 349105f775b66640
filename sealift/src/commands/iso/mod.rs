//! `sealift iso`: what genisoimage, implantisomd5, checkisomd5 and isoinfo did.

mod create;

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Subcommand;
use serde_json::json;

use crate::failure::{Failure, Outcome};
use crate::output::{self, Form};
use crate::progress::Bar;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write a folder as an ISO 9660 image with Rock Ridge, Joliet and an implanted MD5
    Create(create::Arguments),
    /// Put the MD5 sum into an image that has none
    Implant {
        /// The image
        image: PathBuf,
        /// Replace what stands in the sum's place
        #[arg(long)]
        force: bool,
    },
    /// Check an image against its implanted MD5
    #[command(after_help = "Exit codes: 0 intact, 1 damaged or no sum, 2 not an image")]
    Check {
        /// The image
        image: PathBuf,
        /// The form of the report
        #[arg(long, value_enum, default_value_t)]
        output: Form,
    },
    /// Show the volume's descriptors, the kinds of names it has, its sizes and the implanted MD5
    Info {
        /// The image
        image: PathBuf,
        /// The form of the report
        #[arg(long, value_enum, default_value_t)]
        output: Form,
    },
    /// List what is in an image
    Ls {
        /// The image
        image: PathBuf,
        /// A file or folder in it
        #[arg(default_value = "")]
        path: String,
        /// Everything below the folder
        #[arg(long, short)]
        recursive: bool,
        /// The form of the report
        #[arg(long, value_enum, default_value_t)]
        output: Form,
    },
    /// Compare what is in two images: which files were added, removed, changed
    #[command(after_help = "Exit codes: 0 equal, 1 different")]
    Diff {
        /// The older image
        before: PathBuf,
        /// The newer image
        after: PathBuf,
        /// The form of the report
        #[arg(long, value_enum, default_value_t)]
        output: Form,
    },
    /// Show an image as a folder, without root and without the kernel's own driver, until Ctrl-C
    #[command(after_help = "Example:\n  sealift iso mount platform.iso /mnt/platform")]
    Mount {
        /// The image
        image: PathBuf,
        /// The folder
        folder: PathBuf,
        /// Let other users see it
        #[arg(long)]
        everybody: bool,
    },
    /// Copy the tree of an image into a new folder
    #[command(after_help = "Example:\n  sealift iso extract platform.iso --into /srv/platform")]
    Extract {
        /// The image
        image: PathBuf,
        /// The folder, which must not be there yet; it appears whole or not at all
        #[arg(long, value_name = "DIR")]
        into: PathBuf,
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
        Command::Extract { image, into } => extract(&image, &into),
        Command::Diff { before, after, output } => diff(&before, &after, output),
        Command::Mount { image, folder, everybody } => mount(&image, &folder, everybody),
        Command::Implant { image, force } => implant(&image, force),
        Command::Check { image, output } => check(&image, output),
        Command::Info { image, output } => info(&image, output),
        Command::Ls { image, path, recursive, output } => list(&image, &path, recursive, output),
        Command::Cat { image, path } => cat(&image, &path),
    }
}

fn implant(image: &Path, force: bool) -> Outcome {
    let bar = Bar::bytes("implanting", file_size(image)?);
    let md5 = ::iso::md5::implant(image, force, &bar).map_err(|error| match error {
        ::iso::Error::ApplicationUse { .. } => {
            Failure::from(error).remedy("--force replaces what stands there")
        }
        error => error.into(),
    })?;
    drop(bar);
    output::print(&format!("{}  {}\n", hex::encode(md5), image.display()))?;
    Ok(())
}

fn check(image: &Path, form: Form) -> Outcome {
    let bar = Bar::bytes("checking", file_size(image)?);
    let check = ::iso::md5::check(image, &bar)?;
    drop(bar);
    let name = image.display();
    let told = |report: serde_json::Value| if form == Form::Json { output::json(&report) } else { Ok(()) };
    match check {
        ::iso::md5::Check::Intact { md5 } => {
            let md5 = hex::encode(md5);
            told(json!({"state": "intact", "md5": md5}))?;
            if form == Form::Text {
                output::print(&format!("{name}: intact, MD5 {md5}\n"))?;
            }
            Ok(())
        }
        ::iso::md5::Check::Damaged { range } => {
            told(json!({"state": "damaged", "range": [range.start, range.end]}))?;
            let error = anyhow::anyhow!("{name} is damaged: a difference lies before byte {}", range.end);
            Err(Failure::failed(error).remedy("copy the image again from where it came"))
        }
        ::iso::md5::Check::Missing => {
            told(json!({"state": "missing"}))?;
            let error = anyhow::anyhow!("{name} carries no MD5 sum");
            Err(Failure::failed(error).remedy("`sealift iso implant` puts one in"))
        }
    }
}

fn info(image: &Path, form: Form) -> Outcome {
    let opened = ::iso::Image::open(image)?;
    let volume = opened.volume();
    let sums = ::iso::md5::stored(opened.file(), image)?;
    let descriptors: Vec<_> = volume.descriptors.iter().map(|kind| kind.word()).collect();
    let bytes = file_size(image)?;
    if form == Form::Json {
        output::json(&json!({
            "descriptors": descriptors, "volumeId": volume.volume_id, "systemId": volume.system_id,
            "volumeSetId": volume.volume_set_id, "publisher": volume.publisher,
            "preparer": volume.preparer, "application": volume.application, "created": volume.created,
            "modified": volume.modified, "sectors": volume.sectors, "rockRidge": volume.rock_ridge,
            "joliet": volume.joliet, "boot": volume.boot, "bytes": bytes,
            "implanted": sums.map(|sums| json!({
                "md5": hex::encode(sums.md5), "skippedSectors": sums.skipped_sectors, "fragments": sums.fragments,
            })),
        }))?;
        return Ok(());
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

fn extract(image: &Path, into: &Path) -> Outcome {
    let opened = ::iso::Image::open(image)?;
    let bar = Bar::bytes("extracting", opened.size());
    opened.extract(into, &bar)?;
    Ok(())
}

fn list(image: &Path, path: &str, recursive: bool, form: Form) -> Outcome {
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
    match form {
        Form::Json => {
            let rows: Vec<_> = entries.iter().map(|(path, entry)| row(path, entry)).collect();
            output::json(&rows)?;
        }
        Form::Text => {
            let mut text = String::new();
            for (path, entry) in &entries {
                text.push_str(&line(path, entry));
            }
            output::print(&text)?;
        }
    }
    Ok(())
}

fn row(path: &str, entry: &::iso::Entry) -> serde_json::Value {
    let target = match &entry.kind {
        ::iso::Kind::Symlink(target) => Some(target),
        _ => None,
    };
    json!({"path": path, "kind": kind(&entry.kind), "target": target, "bytes": entry.size, "mode": format!("{:o}", entry.mode), "mtime": entry.mtime})
}

fn line(path: &str, entry: &::iso::Entry) -> String {
    let letter = match entry.kind {
        ::iso::Kind::Directory => 'd',
        ::iso::Kind::File => '-',
        ::iso::Kind::Symlink(_) => 'l',
        ::iso::Kind::Other => '?',
    };
    let mode: String = (0..9)
        .map(|bit| if entry.mode & (0o400 >> bit) == 0 { '-' } else { ['r', 'w', 'x'][bit % 3] })
        .collect();
    let target = match &entry.kind {
        ::iso::Kind::Symlink(target) => format!(" -> {target}"),
        _ => String::new(),
    };
    format!("{letter}{mode} {:>12} {path}{target}\n", entry.size)
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

fn diff(before: &Path, after: &Path, form: Form) -> Outcome {
    let (old, new) = (::iso::Image::open(before)?, ::iso::Image::open(after)?);
    let differences = {
        let bar = Bar::bytes("comparing", old.size() + new.size());
        ::iso::diff(&old, &new, &bar)?
    };
    let state = |state: &::iso::State| {
        json!({
            "kind": kind(&state.kind), "bytes": state.size, "mode": format!("{:o}", state.permissions),
            "sha256": state.sha256.map(hex::encode),
        })
    };
    match form {
        Form::Json => {
            let rows: Vec<_> = differences
                .iter()
                .map(|one| {
                    json!({"path": one.path, "before": one.before.as_ref().map(state), "after": one.after.as_ref().map(state)})
                })
                .collect();
            output::json(&rows)?;
        }
        Form::Text => {
            let mut text = String::new();
            for one in &differences {
                text.push_str(&match (&one.before, &one.after) {
                    (None, Some(after)) => format!("added    {}  {} bytes\n", one.path, after.size),
                    (Some(before), None) => format!("removed  {}  {} bytes\n", one.path, before.size),
                    (Some(before), Some(after)) => {
                        format!("changed  {}  {} -> {} bytes\n", one.path, before.size, after.size)
                    }
                    (None, None) => String::new(),
                });
            }
            output::print(&text)?;
        }
    }
    if differences.is_empty() { Ok(()) } else { Err(Failure::Failed(None)) }
}

/// How often a mount looks for signals, and whether it is still there.
const SIGNALS_EVERY: std::time::Duration = std::time::Duration::from_millis(100);

fn mount(image: &Path, folder: &Path, everybody: bool) -> Outcome {
    let mut signals =
        signal_hook::iterator::Signals::new([signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM])?;
    let mounted = ::iso::Image::open(image)?.mount(folder, everybody)?;
    output::note(&format!("{} is mounted at {}; Ctrl-C unmounts it", image.display(), folder.display()));
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
        Failure::failed(anyhow::anyhow!("{}: no `{path}` in the image", image.display()))
            .remedy("`sealift iso ls --recursive` lists what there is")
    })
}

fn file_size(path: &Path) -> anyhow::Result<u64> {
    Ok(std::fs::metadata(path).with_context(|| path.display().to_string())?.len())
}
