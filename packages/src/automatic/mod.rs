//! Automatic dependencies: those that a file has without a declaration.
//!
//! These are rpm's generators `elf` and `script`. What they find depends on the file alone and not on what is installed, so
//! the package is the same on every machine.

mod elf;
mod machine;

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use content::LinkPolicy;

pub(crate) use self::machine::warnings as machine_warnings;

use crate::definition;
use crate::dependency::{Dependency, Relation};
use crate::error::{Error, Result};

/// The dependencies of one file, in order, each once.
#[derive(Debug, Default)]
pub(crate) struct Automatic {
    pub(crate) provides: Vec<Dependency>,
    pub(crate) requires: Vec<Dependency>,
}

/// The most bytes of a script's first line: rpm reads it to its end, the kernel 256 bytes of it.
const LINE_MAX: usize = 1 << 20;

/// How many bytes of a file are read to determine its kind.
const BEGINNING: usize = 4096;

/// Files whose kind rpm derives from their names, whatever they contain.
const NEVER: [&str; 5] = [".pm", ".c", ".h", ".la", ".pc"];

/// Documentation, in which rpm looks for no dependencies: it looks for this text anywhere in the path.
const DOCUMENTATION: &str = "/usr/share/doc";

/// Finds what the file `source` provides and requires where it is installed as `file` says.
///
/// # Errors
///
/// [`Error::Io`] if it cannot be read, [`Error::Automatic`] if it names what cannot be a dependency.
pub(crate) fn find(file: &definition::PackageFile, source: &Path) -> Result<Automatic> {
    let name = file.to.rsplit('/').next().unwrap_or_default();
    let executable = file.mode().bits() & 0o111 != 0;
    let is_other = NEVER.iter().any(|end| name.ends_with(end)) || file.to.starts_with("/dev/");
    if is_other || file.to.contains(DOCUMENTATION) {
        return Ok(Automatic::default());
    }
    let opened = content::open(source, LinkPolicy::Follow)?;
    let read_first = |length| read_at(&opened, 0, length).map_err(Error::io("read", source));
    let first = read_first(BEGINNING)?;
    let failed = |reason: String| Error::Automatic { path: source.to_owned(), reason };
    let found = if first.starts_with(b"\x7fELF") {
        elf::read(|offset, length| read_at(&opened, offset, length), name, executable).map_err(|failure| {
            match failure {
                elf::ElfFailure::Io(error) => Error::io("read", source)(error),
                other => failed(other.to_string()),
            }
        })?
    } else if executable && first.starts_with(b"#!") {
        let is_whole = first.len() < BEGINNING || first.contains(&b'\n');
        let first = if is_whole { first } else { read_first(LINE_MAX)? };
        let requires = interpreters(&first).map_err(|error| failed(error.to_string()))?;
        elf::ElfDependencies { requires, ..elf::ElfDependencies::default() }
    } else {
        elf::ElfDependencies::default()
    };
    let read = |relation, names: BTreeSet<String>| -> Result<Vec<Dependency>> {
        let mut all = Vec::new();
        for name in names {
            all.extend(Dependency::list(relation, &name).map_err(|error| failed(error.to_string()))?);
        }
        Ok(all)
    };
    Ok(Automatic {
        provides: read(Relation::Provides, found.provides)?,
        requires: read(Relation::Requires, found.requires)?,
    })
}

/// So many bytes at an offset, fewer only at the end of the file.
fn read_at(file: &File, offset: u64, length: usize) -> io::Result<Vec<u8>> {
    // The system refuses offsets that no file reaches.
    if i64::try_from(offset.saturating_add(length as u64)).is_err() {
        return Ok(Vec::new());
    }
    let mut bytes = vec![0; length];
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, offset.saturating_add(filled as u64)) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

/// The interpreters that the first line of a script names by absolute paths: that after `#!`, and the one that `env` starts.
fn interpreters(first: &[u8]) -> std::result::Result<BTreeSet<String>, std::str::Utf8Error> {
    let mut found = BTreeSet::new();
    let line = first.split(|byte| matches!(byte, b'\n' | 0)).next().unwrap_or_default();
    let Some(line) = line.strip_prefix(b"#!") else { return Ok(found) };
    let mut words = line.split(|byte| matches!(byte, b' ' | b'\t'..=b'\r')).filter(|word| !word.is_empty());
    let (interpreter, argument) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let is_path = |word: &[u8]| word.len() > 1 && word.starts_with(b"/");
    if is_path(interpreter) {
        found.insert(std::str::from_utf8(interpreter)?.to_owned());
    }
    if interpreter.ends_with(b"/bin/env") && is_path(argument) {
        found.insert(std::str::from_utf8(argument)?.to_owned());
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_requires_the_interpreters_of_its_first_line() {
        for (text, expected) in [
            ("#!/bin/sh\necho", &["/bin/sh"][..]),
            ("#! /bin/sh -e\n", &["/bin/sh"]),
            ("#!/bin/sh\r\n", &["/bin/sh"]),
            ("#!\t/bin/sh", &["/bin/sh"]),
            ("#!/usr/bin/env python3\n", &["/usr/bin/env"]),
            ("#!/usr/bin/env /opt/x\n", &["/opt/x", "/usr/bin/env"]),
            ("#!/usr/bin/env -S /opt/x\n", &["/usr/bin/env"]),
            ("#!bin/env /opt/x\n", &[]),
            ("#!/\n", &[]),
            ("#!sh\n", &[]),
            ("#!\n/bin/sh\n", &[]),
            ("#\n!/bin/sh", &[]),
            (" #!/bin/sh", &[]),
            ("\u{feff}#!/bin/sh", &[]),
            ("#!/bin/sh\0-x /bin/y\n", &["/bin/sh"]),
            ("#!", &[]),
            ("", &[]),
        ] {
            assert_eq!(
                interpreters(text.as_bytes()).unwrap(),
                expected.iter().map(|s| (*s).to_owned()).collect()
            );
        }
        interpreters(b"#!/bin/\xff").unwrap_err();
    }

    /// What a file of this content requires where it is installed at `to` with mode 0755.
    fn required(content: &[u8], to: &str) -> Vec<String> {
        let source = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(source.path(), content).unwrap();
        let file = serde_saphyr::from_str(&format!("{{from: x, to: {to}, mode: '0755'}}")).unwrap();
        find(&file, source.path()).unwrap().requires.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn documentation_brings_nothing() {
        for (to, brings) in [
            ("/usr/share/doc/tool/run", false),
            ("/usr/share/doc-tool", false),
            ("/opt/usr/share/doc/run", false),
            ("/usr/share/tool/doc/run", true),
            ("/usr/share/man/man1/run", true),
        ] {
            assert_eq!(!required(b"#!/bin/sh\n", to).is_empty(), brings, "{to}");
        }
    }

    #[test]
    fn a_first_line_of_any_length_is_read() {
        let path = format!("/{}", "b".repeat(10_000));
        for (line, expected) in [
            (format!("#!{}/bin/sh", " ".repeat(5000)), "/bin/sh"),
            (format!("#!{path}"), path.as_str()),
            (format!("#!/bin/sh {}", "a".repeat(2 << 20)), "/bin/sh"),
        ] {
            assert_eq!(required(line.as_bytes(), "/usr/bin/x"), [expected]);
        }
    }

    #[test]
    fn an_offset_that_no_file_reaches_is_the_end_of_the_file() {
        let file = tempfile::tempfile().unwrap();
        for offset in [0, 1, i64::MAX as u64 - 64, i64::MAX as u64, 1 << 63, u64::MAX] {
            assert_eq!(read_at(&file, offset, 64).unwrap(), b"", "{offset}");
        }
    }
}
