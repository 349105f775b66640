//! The tars of a package and the `ar` archive around them (deb(5)).

use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use md5::{Digest as _, Md5};
use tar::{EntryType, Header};

use super::super::ar::{HEADER_END, MAGIC};
use super::control::{Identity, control};
use super::mistake;
use super::scripts::scripts;
use super::tree::{Content, Node, Nodes, nodes};
use crate::definition::RpmDefinition;
use crate::error::{Error, Result};
use crate::payload::PackageCompression;

/// Bytes of a name or target in the header of a tar.
const MAX_NAME: usize = 100;

/// The members of the package: their names and content.
pub(super) fn assemble(
    definition: &RpmDefinition,
    identity: &Identity,
    base_dir: &Path,
    source_date: i64,
) -> Result<Vec<(String, Vec<u8>)>> {
    let date = u64::try_from(source_date).map_err(|_| {
        mistake("the source date", "seconds since 1970", &source_date.to_string())
            .in_package(&definition.name)
    })?;
    let sources: Vec<PathBuf> =
        definition.files.iter().map(|file| base_dir.join(file.source().path())).collect();
    let nodes = nodes(definition, identity, &sources, source_date)?;
    let installed = nodes.values().map(Node::installed_size).sum();
    let conffiles = nodes.iter().filter(|(_, node)| node.is_config);
    let conffiles = conffiles.fold(String::new(), |all, (path, _)| all + "/" + path + "\n");
    let stanza = control(definition, identity, installed);
    let compression = definition.compression;
    let memory = Path::new("data.tar");

    let mut data = Tar::new(compression, date).map_err(Error::io("write", memory))?;
    let sums = write_data(&mut data, nodes)?;
    let data = data.finish().map_err(Error::io("write", memory))?;

    let mut files: Vec<(&str, u32, Vec<u8>)> = Vec::new();
    let mut text = Vec::new();
    stanza.write(&mut text).map_err(Error::io("write", memory))?;
    files.push(("control", 0o644, text));
    if !conffiles.is_empty() {
        files.push(("conffiles", 0o644, conffiles.into_bytes()));
    }
    files.push(("md5sums", 0o644, sums.into_bytes()));
    for script in scripts(definition) {
        let (name, text) = script.map_err(|mistake| mistake.in_package(&definition.name))?;
        files.push((name, 0o755, text.into_bytes()));
    }
    files.sort_by_key(|(name, ..)| *name);
    let mut control = Tar::new(compression, date).map_err(Error::io("write", memory))?;
    let write_control = |control: &mut Tar| -> io::Result<()> {
        control.append("", &Entry::root(EntryType::Directory, 0o755, 0), &mut io::empty())?;
        for (name, mode, text) in &files {
            let entry = Entry::root(EntryType::Regular, *mode, text.len() as u64);
            control.append(name, &entry, &mut text.as_slice())?;
        }
        Ok(())
    };
    write_control(&mut control).map_err(Error::io("write", memory))?;
    let control = control.finish().map_err(Error::io("write", memory))?;
    let end = ending(compression);
    Ok(vec![
        ("debian-binary".to_owned(), b"2.0\n".to_vec()),
        (format!("control.tar{end}"), control),
        (format!("data.tar{end}"), data),
    ])
}

/// Writes the files, folders and links; the MD5 of each file that is no configuration.
fn write_data(tar: &mut Tar, nodes: Nodes<'_>) -> Result<String> {
    let memory = Path::new("data.tar");
    let mut sums = String::new();
    let root = Entry::root(EntryType::Directory, 0o755, 0);
    tar.append("", &root, &mut io::empty()).map_err(Error::io("write", memory))?;
    for (path, node) in nodes {
        let Node { content, mode, owner, group, is_config } = node;
        let entry = |kind, size, target| Entry { kind, mode: mode.into(), owner, group, size, target };
        let mut sum = None;
        match content {
            Content::Folder => {
                tar.append(&path, &entry(EntryType::Directory, 0, ""), &mut io::empty())
                    .map_err(Error::io("write", memory))?;
            }
            Content::Link(target) => {
                tar.append(&path, &entry(EntryType::Symlink, 0, target), &mut io::empty())
                    .map_err(Error::io("write", memory))?;
            }
            Content::Text(text) => {
                let entry = entry(EntryType::Regular, text.len() as u64, "");
                tar.append(&path, &entry, &mut text.as_slice()).map_err(Error::io("write", memory))?;
                sum = Some(hex::encode(Md5::digest(&text)));
            }
            Content::Source(source, file, size) => {
                let mut reader = Md5Reader { inner: file.take(size), md5: Md5::new() };
                let entry = entry(EntryType::Regular, size, "");
                tar.append(&path, &entry, &mut reader).map_err(Error::io("read", source))?;
                sum = Some(hex::encode(reader.md5.finalize()));
            }
        }
        if let Some(sum) = sum.filter(|_| !is_config) {
            // Writing to a String cannot fail.
            let _ = writeln!(sums, "{sum}  {path}");
        }
    }
    Ok(sums)
}

/// The bytes of an `ar` archive.
pub(super) fn container(members: &[(String, Vec<u8>)], date: i64) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    for (name, content) in members {
        let size = content.len();
        let header = format!("{name:<16}{date:<12}{:<6}{:<6}{:<8}{size:<10}", 0, 0, 100_644);
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend_from_slice(HEADER_END);
        bytes.extend_from_slice(content);
        if size % 2 == 1 {
            bytes.push(b'\n');
        }
    }
    bytes
}

fn ending(compression: PackageCompression) -> &'static str {
    match compression {
        PackageCompression::Gzip(_) => ".gz",
        PackageCompression::Xz(_) => ".xz",
        PackageCompression::Zstd => ".zst",
        PackageCompression::None => "",
    }
}

/// What the header of a member says.
struct Entry<'a> {
    kind: EntryType,
    mode: u32,
    owner: &'a str,
    group: &'a str,
    size: u64,
    target: &'a str,
}

impl Entry<'_> {
    fn root(kind: EntryType, mode: u32, size: u64) -> Self {
        Self { kind, mode, owner: "root", group: "root", size, target: "" }
    }
}

/// A tar in memory, in the format of GNU with `./` before each path.
struct Tar {
    packer: Packing,
    date: u64,
}

impl Tar {
    fn new(compression: PackageCompression, date: u64) -> io::Result<Self> {
        Ok(Self { packer: Packing::new(compression)?, date })
    }

    fn append(&mut self, path: &str, entry: &Entry<'_>, content: &mut dyn Read) -> io::Result<()> {
        let slash = if entry.kind == EntryType::Directory && !path.is_empty() { "/" } else { "" };
        let path = format!("./{path}{slash}");
        self.long(EntryType::GNULongLink, entry.target)?;
        self.long(EntryType::GNULongName, &path)?;
        let mut header = Header::new_gnu();
        header.set_entry_type(entry.kind);
        header.set_mode(entry.mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(self.date);
        header.set_size(entry.size);
        header.set_username(entry.owner)?;
        header.set_groupname(entry.group)?;
        let names = header.as_old_mut();
        for (field, text) in
            [(&mut names.name, path.as_bytes()), (&mut names.linkname, entry.target.as_bytes())]
        {
            let text = text.get(..MAX_NAME).unwrap_or(text);
            for (byte, value) in field.iter_mut().zip(text) {
                *byte = *value;
            }
        }
        header.set_cksum();
        self.packer.write_all(header.as_bytes())?;
        if io::copy(content, &mut self.packer)? != entry.size {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file changed while it was read"));
        }
        self.pad(entry.size)
    }

    /// A name that does not fit into a header, in a member before it.
    fn long(&mut self, kind: EntryType, text: &str) -> io::Result<()> {
        if text.len() <= MAX_NAME {
            return Ok(());
        }
        let size = text.len() as u64 + 1;
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_path("././@LongLink")?;
        header.set_mode(0);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(size);
        header.set_cksum();
        self.packer.write_all(header.as_bytes())?;
        self.packer.write_all(text.as_bytes())?;
        self.packer.write_all(&[0])?;
        self.pad(size)
    }

    fn pad(&mut self, size: u64) -> io::Result<()> {
        let padding = usize::try_from(size.next_multiple_of(512) - size).unwrap_or(0);
        self.packer.write_all([0; 512].get(..padding).unwrap_or_default())
    }

    fn finish(mut self) -> io::Result<Vec<u8>> {
        self.packer.write_all(&[0; 1024])?;
        self.packer.finish()
    }
}

/// Bytes in memory that are compressed.
enum Packing {
    Gzip(Box<flate2::write::GzEncoder<Vec<u8>>>),
    Xz(Box<lzma_rust2::XzWriter<Vec<u8>>>),
    /// Compressed at the end: the encoder takes a whole.
    Zstd(Vec<u8>),
    Plain(Vec<u8>),
}

impl Packing {
    fn new(compression: PackageCompression) -> io::Result<Self> {
        Ok(match compression {
            PackageCompression::Gzip(level) => {
                let level = flate2::Compression::new(level);
                Self::Gzip(Box::new(flate2::GzBuilder::new().write(Vec::new(), level)))
            }
            PackageCompression::Xz(level) => {
                let options = lzma_rust2::XzOptions::with_preset(level);
                Self::Xz(Box::new(lzma_rust2::XzWriter::new(Vec::new(), options)?))
            }
            PackageCompression::Zstd => Self::Zstd(Vec::new()),
            PackageCompression::None => Self::Plain(Vec::new()),
        })
    }

    fn finish(self) -> io::Result<Vec<u8>> {
        match self {
            Self::Gzip(encoder) => encoder.finish(),
            Self::Xz(encoder) => encoder.finish(),
            Self::Zstd(bytes) => {
                use ruzstd::encoding::{CompressionLevel, compress_to_vec};
                Ok(compress_to_vec(bytes.as_slice(), CompressionLevel::Fastest))
            }
            Self::Plain(bytes) => Ok(bytes),
        }
    }
}

impl Write for Packing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Gzip(encoder) => encoder.write(bytes),
            Self::Xz(encoder) => encoder.write(bytes),
            Self::Zstd(all) | Self::Plain(all) => all.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Hashes what is read.
struct Md5Reader<R> {
    inner: R,
    md5: Md5,
}

impl<R: Read> Read for Md5Reader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.md5.update(buffer.get(..read).unwrap_or_default());
        Ok(read)
    }
}
