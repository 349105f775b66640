//! Metadata beside those of packages: groups, modules, updates, and what older metadata held.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};

use content::{LinkPolicy, printable};
use quick_xml::Reader;
use quick_xml::events::Event;

use super::find::FoundPackages;
use super::header::HeaderFault;
use super::options::{IndexOptions, MetadataCompression};
use super::output::{MetadataFile, MetadataForm, MetadataWriter};
use super::sum::Summed;
use super::{REPODATA, modules};
use crate::error::{Error, Result};
use crate::metadata::{ChecksumKind, MAX_REPOMD, Repomd, RepomdFile, unpacked};

/// Bytes of descriptions of modules, unpacked. EL 8 has 6 MB of them.
const MODULES_MAX: u64 = 64 << 20;
/// Bytes of groups or updates, unpacked.
const XML_MAX: u64 = 1 << 30;
/// What is made from packages, and so never kept.
const OWN: [&str; 4] = ["primary", "filelists", "other", "filelists-ext"];

/// Writes all of them into `staging`; what `repomd.xml` says of each, and what the older metadata of `target` had and these
/// lack. Paths in `found` are relative to `dir`.
pub(super) fn write(
    dir: &Path,
    target: &Path,
    staging: &Path,
    found: &FoundPackages,
    options: &IndexOptions,
    form: MetadataForm,
) -> Result<(Vec<MetadataFile>, Vec<String>)> {
    let (mut written, mut dropped) = (Vec::new(), Vec::new());
    let groups = match &options.groups {
        Some(path) => Some(path.clone()),
        None => single(dir, &found.groups)?,
    };
    let updates = match &options.updates {
        Some(path) => Some(path.clone()),
        None => single(dir, &found.updates)?,
    };
    let mut old = read_old(target, options.keep_metadata)?;
    let replaces = |prefix: &str, listed: &RepomdFile| listed.kind.starts_with(prefix);
    if groups.is_some() {
        old.retain(|listed| !replaces("group", listed));
    }
    if updates.is_some() {
        old.retain(|listed| !replaces("updateinfo", listed));
    }
    let mut modules_files: Vec<PathBuf> = found.modules.iter().map(|location| dir.join(location)).collect();
    if !modules_files.is_empty() {
        let kept = old.iter().filter(|listed| options.keep_metadata && listed.kind == "modules");
        modules_files.extend(kept.map(|listed| target.join(&listed.location)));
        old.retain(|listed| !replaces("modules", listed));
    }
    if !options.keep_metadata {
        dropped.extend(old.drain(..).map(|listed| listed.kind));
    }
    if let Some(path) = groups {
        written.extend(write_groups(&path, staging, form)?);
    }
    if !modules_files.is_empty() {
        written.push(write_modules(&modules_files, staging, form)?);
    }
    if let Some(path) = updates {
        check_xml(&path, "updates")?;
        let mut output = MetadataWriter::plain(staging, "updateinfo", "updateinfo.xml", form)?;
        copy(&path, &mut output)?;
        written.push(output.finish()?);
    }
    for listed in old {
        written.push(keep(target, staging, listed, form.checksum)?);
    }
    Ok((written, dropped))
}

fn single(dir: &Path, found: &[String]) -> Result<Option<PathBuf>> {
    match found {
        [] => Ok(None),
        [one] => Ok(Some(dir.join(one))),
        [one, other, ..] => Err(Error::Rpm {
            path: dir.join(other),
            place: "the folder".into(),
            expected: "one such file".into(),
            found: format!("{} beside it", printable(one)),
        }),
    }
}

/// What the older metadata hold that is not made from packages. They may be anything unless they are to be kept.
fn read_old(dir: &Path, must_be_readable: bool) -> Result<Vec<RepomdFile>> {
    let path = dir.join(REPODATA).join("repomd.xml");
    let bytes = match content::open_read(&path, LinkPolicy::Follow, MAX_REPOMD) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound || !must_be_readable => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let read = Repomd::read(bytes.as_slice(), &path).and_then(|repomd| {
        match repomd.files.iter().find(|listed| file_name(listed).is_none()) {
            None => Ok(repomd.files),
            Some(other) => {
                let fault =
                    HeaderFault::new("repomd.xml", "files in repodata/ itself", other.location.clone());
                Err(metadata_error(&path)(fault))
            }
        }
    });
    match read {
        Ok(mut listed) => {
            listed.retain(|listed| {
                !OWN.contains(&listed.kind.as_str())
                    && !listed.kind.ends_with("_db")
                    && !listed.kind.ends_with("_zck")
            });
            Ok(listed)
        }
        Err(_) if !must_be_readable => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// The name of a file in `repodata/` itself.
pub(super) fn file_name(listed: &RepomdFile) -> Option<&str> {
    let name = listed.location.strip_prefix(REPODATA)?.strip_prefix('/')?;
    (!name.is_empty() && !name.starts_with('.') && !name.contains('/') && listed.base.is_none())
        .then_some(name)
}

pub(super) fn metadata_error(path: &Path) -> impl FnOnce(HeaderFault) -> Error {
    |HeaderFault { place, expected, found }| Error::Metadata { path: path.to_owned(), place, expected, found }
}

/// Opens a file that may be compressed.
fn open(path: &Path) -> Result<Box<dyn BufRead + Send>> {
    let file = BufReader::new(content::open(path, LinkPolicy::Follow)?);
    unpacked(file, XML_MAX).map_err(Error::io("read", path))
}

/// Whether the file is XML with this root.
fn check_xml(path: &Path, root: &str) -> Result<()> {
    let fault =
        |expected: &str, found: String| metadata_error(path)(HeaderFault::new("the file", expected, found));
    let mut reader = Reader::from_reader(open(path)?);
    let (mut buffer, mut seen) = (Vec::new(), false);
    loop {
        buffer.clear();
        let event = reader.read_event_into(&mut buffer);
        match event.map_err(|error| fault("well-formed XML", error.to_string()))? {
            Event::Start(start) | Event::Empty(start) if !seen => {
                let name = start.name().as_ref().to_owned();
                if name != root {
                    return Err(fault(&format!("the element {root}"), name));
                }
                seen = true;
            }
            Event::Eof if seen => return Ok(()),
            Event::Eof => return Err(fault(&format!("the element {root}"), "the end".into())),
            _ => {}
        }
    }
}

fn copy(path: &Path, output: &mut MetadataWriter) -> Result<()> {
    let mut source = open(path)?;
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = source.read(&mut buffer).map_err(Error::io("read", path))?;
        if read == 0 {
            return Ok(());
        }
        output.write_bytes(buffer.get(..read).unwrap_or_default())?;
    }
}

/// Groups, plain and compressed: yum of EL 7 and dnf take the one or the other.
fn write_groups(path: &Path, staging: &Path, form: MetadataForm) -> Result<Vec<MetadataFile>> {
    check_xml(path, "comps")?;
    let write = |name: &str, form| {
        let mut output = MetadataWriter::plain(staging, name, "comps.xml", form)?;
        copy(path, &mut output)?;
        output.finish()
    };
    let plain = write("group", MetadataForm { compression: MetadataCompression::Plain, ..form })?;
    Ok(match form.compression.suffix().strip_prefix('.') {
        Some(suffix) => vec![plain, write(&format!("group_{suffix}"), form)?],
        None => vec![plain],
    })
}

fn write_modules(files: &[PathBuf], staging: &Path, form: MetadataForm) -> Result<MetadataFile> {
    let mut documents = Vec::new();
    let mut left = MODULES_MAX;
    for path in files {
        let bytes = content::read_bounded(&mut open(path)?, left).map_err(Error::io("read", path))?;
        left -= bytes.len() as u64;
        let fault = |error: std::str::Utf8Error| HeaderFault::new("the file", "UTF-8", error.to_string());
        let text = std::str::from_utf8(&bytes).map_err(fault).map_err(metadata_error(path))?;
        documents.extend(modules::documents(text).map_err(metadata_error(path))?);
    }
    let mut output = MetadataWriter::plain(staging, "modules", "modules.yaml", form)?;
    output.write_bytes(modules::join(&documents).as_bytes())?;
    output.finish()
}

/// Copies a file of the older metadata of `target`, which must be the one that these name.
fn keep(target: &Path, staging: &Path, listed: RepomdFile, checksum: ChecksumKind) -> Result<MetadataFile> {
    let file_name = file_name(&listed).unwrap_or_default().to_owned();
    let from = target.join(&listed.location);
    let to = staging.join(&file_name);
    let source = content::open(&from, LinkPolicy::Follow)?;
    let copy = File::create_new(&to).map_err(Error::io("create", &to))?;
    let mut source = Summed::new(source, listed.checksum.as_ref().map_or(checksum, |expected| expected.kind));
    let mut copy = Summed::new(copy, checksum);
    io::copy(&mut source, &mut copy).map_err(Error::io("read", &from))?;
    let (_, found, _) = source.finish();
    let (copy, checksum, size) = copy.finish();
    copy.sync_all().map_err(Error::io("write", &to))?;
    if let Some(expected) = &listed.checksum
        && *expected != found
    {
        let fault = HeaderFault::new("repomd.xml", format!("the checksum {expected}"), found.to_string());
        return Err(metadata_error(&from)(fault));
    }
    Ok(MetadataFile {
        name: listed.kind,
        file_name,
        checksum,
        size,
        open_checksum: listed.open_checksum,
        open_size: listed.open_size,
    })
}
