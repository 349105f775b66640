//! Metadata beside those of packages: groups, modules, updates, and what older metadata held.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};

use content::{Hashed, LinkPolicy, printable};
use quick_xml::Reader;
use quick_xml::events::Event;

use super::find::FoundPackages;
use super::header::HeaderFault;
use super::output::{MetadataFile, MetadataWriter};
use super::{IndexOptions, REPODATA, modules};
use crate::error::{Error, Result};
use crate::metadata::{ChecksumKind, MAX_REPOMD, Repomd, RepomdFile, unpacked};

/// Bytes of descriptions of modules, unpacked. EL 8 has 6 MB of them.
const MODULES_MAX: u64 = 64 << 20;
/// Bytes of groups or updates, unpacked.
const XML_MAX: u64 = 1 << 30;
/// What is made from packages, and so never kept.
const OWN: [&str; 4] = ["primary", "filelists", "other", "filelists-ext"];

/// Writes all of them into `staging`; what `repomd.xml` says of each, and what the older metadata had and these lack.
pub(super) fn write(
    dir: &Path,
    staging: &Path,
    found: &FoundPackages,
    options: &IndexOptions,
) -> Result<(Vec<MetadataFile>, Vec<String>)> {
    let (mut written, mut dropped) = (Vec::new(), Vec::new());
    let groups = match &options.groups {
        Some(path) => Some(path.clone()),
        None => single(dir, &found.groups)?,
    };
    let updates = single(dir, &found.updates)?;
    let mut old = read_old(dir, options.keep_metadata)?;
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
        modules_files.extend(kept.map(|listed| dir.join(&listed.location)));
        old.retain(|listed| !replaces("modules", listed));
    }
    if !options.keep_metadata {
        dropped.extend(old.drain(..).map(|listed| listed.kind));
    }
    if let Some(path) = groups {
        written.extend(write_groups(&path, staging)?);
    }
    if !modules_files.is_empty() {
        written.push(write_modules(&modules_files, staging)?);
    }
    if let Some(path) = updates {
        check_xml(&path, "updates")?;
        let mut output = MetadataWriter::plain(staging, "updateinfo", "updateinfo.xml.gz")?;
        copy(&path, &mut output)?;
        written.push(output.finish()?);
    }
    for listed in old {
        written.push(keep(dir, staging, listed)?);
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
fn file_name(listed: &RepomdFile) -> Option<&str> {
    let name = listed.location.strip_prefix(REPODATA)?.strip_prefix('/')?;
    (!name.is_empty() && !name.starts_with('.') && !name.contains('/') && listed.base.is_none())
        .then_some(name)
}

fn metadata_error(path: &Path) -> impl FnOnce(HeaderFault) -> Error {
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
fn write_groups(path: &Path, staging: &Path) -> Result<[MetadataFile; 2]> {
    check_xml(path, "comps")?;
    let mut packed = MetadataWriter::plain(staging, "group_gz", "comps.xml.gz")?;
    copy(path, &mut packed)?;
    let packed = packed.finish()?;
    let plain_path = staging.join("comps.xml");
    let file = File::create_new(&plain_path).map_err(Error::io("create", &plain_path))?;
    let mut plain = Hashed::new(io::BufWriter::new(file));
    io::copy(&mut open(path)?, &mut plain).map_err(content::IoError::at("copy", path))?;
    plain.flush().map_err(Error::io("write", &plain_path))?;
    let (file, digest, size) = plain.finish();
    file.get_ref().sync_all().map_err(Error::io("write", &plain_path))?;
    let plain = MetadataFile {
        name: "group".into(),
        file_name: "comps.xml".into(),
        checksum: digest.hex(),
        size,
        open_checksum: None,
        open_size: None,
    };
    Ok([plain, packed])
}

fn write_modules(files: &[PathBuf], staging: &Path) -> Result<MetadataFile> {
    let mut documents = Vec::new();
    let mut left = MODULES_MAX;
    for path in files {
        let bytes = content::read_bounded(&mut open(path)?, left).map_err(Error::io("read", path))?;
        left -= bytes.len() as u64;
        let fault = |error: std::str::Utf8Error| HeaderFault::new("the file", "UTF-8", error.to_string());
        let text = std::str::from_utf8(&bytes).map_err(fault).map_err(metadata_error(path))?;
        documents.extend(modules::documents(text).map_err(metadata_error(path))?);
    }
    let mut output = MetadataWriter::plain(staging, "modules", "modules.yaml.gz")?;
    output.write_bytes(modules::join(&documents).as_bytes())?;
    output.finish()
}

/// Copies a file of the older metadata, which must be the one that these name.
fn keep(dir: &Path, staging: &Path, listed: RepomdFile) -> Result<MetadataFile> {
    let file_name = file_name(&listed).unwrap_or_default().to_owned();
    let from = dir.join(&listed.location);
    let to = staging.join(&file_name);
    let source = content::open(&from, LinkPolicy::Follow)?;
    let target = File::create_new(&to).map_err(Error::io("create", &to))?;
    let mut source = Hashed::new(source);
    io::copy(&mut source, &mut &target).map_err(Error::io("read", &from))?;
    target.sync_all().map_err(Error::io("write", &to))?;
    let (_, digest, size) = source.finish();
    let checksum = digest.hex();
    if let Some(expected) = &listed.checksum
        && expected.kind == ChecksumKind::Sha256
        && expected.hex != checksum
    {
        let fault = HeaderFault::new("repomd.xml", format!("the SHA-256 {}", expected.hex), checksum);
        return Err(metadata_error(&from)(fault));
    }
    Ok(MetadataFile {
        name: listed.kind,
        file_name,
        checksum,
        size,
        open_checksum: listed.open_checksum.map(|sum| (sum.kind.as_str().to_owned(), sum.hex)),
        open_size: listed.open_size.map(|size| size.to_string()),
    })
}
