//! The modules in a program that Go built (Go's package `debug/buildinfo`).
//!
//! A program has a block that starts with a magic at a multiple of 16 bytes. Since Go 1.18, the version of Go and the list of
//! modules follow it, each after its length. Before, only addresses of them did.

use std::io::{self, Cursor, Read};

use super::text;
use crate::sbom::component::{Component, Ecosystem, bounded};

/// The first bytes of the block.
const MAGIC: &[u8; 14] = b"\xff Go buildinf:";
/// The multiple at which a block starts.
const ALIGNMENT: usize = 16;
/// Bytes of the block before the version.
const HEADER: u64 = 32;
/// Bytes that are searched at a time; a multiple of the alignment.
const CHUNK: usize = 64 << 10;
/// Bytes of the version and of the list of modules.
const TEXT_MAX: u64 = 8 << 20;
/// Bytes of the marks at the start and end of the list of modules.
const MARK: usize = 16;

/// The version of a module that was built outside of a module cache.
const DEVELOPMENT: &str = "(devel)";

/// Why the modules of a program are not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GoFault {
    /// The program is too old.
    #[error("it was built with Go before 1.18, whose list of modules is not read")]
    Old,
    /// The program cannot be read.
    #[error("{0}")]
    Unreadable(String),
}

impl From<io::Error> for GoFault {
    fn from(error: io::Error) -> Self {
        Self::Unreadable(error.to_string())
    }
}

/// The modules in a program: Go's standard library first, then those that it was built from. Nothing for other programs. All of
/// `program` may be read.
///
/// # Errors
///
/// [`GoFault`].
pub fn modules(program: &mut dyn Read) -> Result<Vec<Component>, GoFault> {
    let mut buffer = vec![0; CHUNK];
    let mut is_old = false;
    loop {
        let read = fill(program, &mut buffer)?;
        let chunk = buffer.get(..read).unwrap_or_default();
        let (blocks, _) = chunk.as_chunks::<ALIGNMENT>();
        for (number, block) in blocks.iter().enumerate() {
            if !block.starts_with(MAGIC) {
                continue;
            }
            match block {
                // The size of an address; bit 1 says that the texts follow.
                [.., 4 | 8, 2 | 3] => {
                    let rest = chunk.get(number * ALIGNMENT..).unwrap_or_default();
                    return Ok(list(&mut Cursor::new(rest).chain(program))?);
                }
                [.., 4 | 8, 0 | 1] => is_old = true,
                // A program that reads such blocks has the magic, too.
                _ => {}
            }
        }
        if read < CHUNK {
            return if is_old { Err(GoFault::Old) } else { Ok(Vec::new()) };
        }
    }
}

/// Fills the buffer; the number of bytes, which is lower at the end.
fn fill(reader: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while let Some(rest) = buffer.get_mut(length..).filter(|rest| !rest.is_empty()) {
        match reader.read(rest) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}

/// The block at the start of `reader`.
fn list(reader: &mut dyn Read) -> io::Result<Vec<Component>> {
    io::copy(&mut Read::take(&mut *reader, HEADER), &mut io::sink())?;
    let version = framed(reader)?;
    let modules = framed(reader)?;
    let end = modules.len().saturating_sub(MARK);
    let modules = text(modules.get(MARK..end).unwrap_or_default());
    let mut found = Vec::new();
    // `go1.22.1 X:strictfipsruntime`
    let version = text(&version);
    if let Some(number) = version.split_whitespace().next().and_then(|word| word.strip_prefix("go")) {
        found.push(component("stdlib", number));
    }
    let mut before: Option<Component> = None;
    // Without modules, only the path of the program is known.
    let is_of_modules = modules.lines().any(|line| line.starts_with("mod\t"));
    for line in modules.lines() {
        let mut parts = line.split('\t');
        let (kind, name, version) = (parts.next(), parts.next(), parts.next());
        if let (Some("path"), Some(name), false) = (kind, name, is_of_modules) {
            found.push(component(name, DEVELOPMENT));
        }
        let (Some(name), Some(version)) = (name, version) else { continue };
        match kind {
            Some("mod" | "dep") => {
                found.extend(before.take());
                before = Some(component(name, version));
            }
            // What is in the program in place of the one before.
            Some("=>") => before = Some(component(name, version)),
            _ => {}
        }
    }
    found.extend(before);
    found.retain(|component| !component.name.is_empty() && !component.version.is_empty());
    Ok(found)
}

fn component(name: &str, version: &str) -> Component {
    let mut component = Component::new(Ecosystem::Golang, name, version);
    // `github.com/owner` of `github.com/owner/name/v2`
    let owner: Vec<&str> = component.name.split('/').take(2).collect();
    component.supplier =
        if component.name == "stdlib" { "The Go Authors".into() } else { bounded(&owner.join("/")) };
    component
}

/// A text after its length, in groups of 7 bits with the lowest first.
fn framed(reader: &mut dyn Read) -> io::Result<Vec<u8>> {
    let mut length = 0_u64;
    for shift in (0..35).step_by(7) {
        let mut byte = [0];
        reader.read_exact(&mut byte)?;
        length |= u64::from(byte[0] & 0x7f) << shift;
        if byte[0] & 0x80 == 0 {
            break;
        }
    }
    if length > TEXT_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the list of modules is damaged"));
    }
    let mut bytes = Vec::new();
    reader.take(length).read_to_end(&mut bytes)?;
    if bytes.len() as u64 == length { Ok(bytes) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}
