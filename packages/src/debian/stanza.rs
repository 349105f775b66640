//! Stanzas of fields: the control file of a package, and the files of repositories (deb822(5)).

use std::io::{self, BufRead, Read, Write};
use std::path::Path;

use crate::error::{Error, Result};
use crate::repository::{HeaderFault, text};

/// Bytes of a stanza.
const MAX_STANZA: usize = 1 << 20;
/// Fields of a stanza.
const MAX_FIELDS: usize = 1000;

/// Fields and their values, in order. Names are unique, whatever their case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stanza {
    fields: Vec<(String, String)>,
}

impl Stanza {
    /// The value of a field; its further lines start with a space or tab.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut fields = self.fields.iter();
        fields.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// All fields.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Reads all stanzas of a file, which is called `path` in messages.
    ///
    /// # Errors
    ///
    /// [`Error::Metadata`] for a line that is no field, a field that occurs twice, and a stanza that is too long.
    pub fn read_all(mut text: &[u8], path: &Path) -> Result<Vec<Self>> {
        let mut stanzas = Vec::new();
        while let Some(stanza) = Self::read(&mut text, "the file").map_err(metadata_error(path))? {
            stanzas.push(stanza);
        }
        Ok(stanzas)
    }

    /// Adds a field at the end, in the place of one with this name.
    pub(super) fn set(&mut self, name: &str, value: impl Into<String>) {
        self.remove(name);
        self.fields.push((name.to_owned(), value.into()));
    }

    /// Adds a field before another one, or at the end.
    pub(super) fn insert_before(&mut self, other: &str, name: &str, value: impl Into<String>) {
        self.remove(name);
        let place = self.fields.iter().position(|(known, _)| known.eq_ignore_ascii_case(other));
        self.fields.insert(place.unwrap_or(self.fields.len()), (name.to_owned(), value.into()));
    }

    /// Removes a field; its value.
    pub(super) fn remove(&mut self, name: &str) -> Option<String> {
        let place = self.fields.iter().position(|(known, _)| known.eq_ignore_ascii_case(name))?;
        Some(self.fields.remove(place).1)
    }

    /// Writes the stanza, without an empty line at its end.
    ///
    /// # Errors
    ///
    /// The writer's.
    pub fn write(&self, to: &mut dyn Write) -> io::Result<()> {
        for (name, value) in self.fields() {
            let space = if value.is_empty() || value.starts_with('\n') { "" } else { " " };
            writeln!(to, "{name}:{space}{value}")?;
        }
        Ok(())
    }

    /// Reads the next stanza; `None` at the end. `place` is for faults.
    ///
    /// # Errors
    ///
    /// A line that is no field, a field that occurs twice, and a stanza that is too long.
    pub(super) fn read(input: &mut dyn BufRead, place: &'static str) -> Result<Option<Self>, HeaderFault> {
        let mut stanza = Self::default();
        let mut left = MAX_STANZA;
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = Read::take(&mut *input, left as u64 + 1).read_until(b'\n', &mut line);
            let read =
                read.map_err(|error| HeaderFault::new(place, "readable content", error.to_string()))?;
            left = left
                .checked_sub(read)
                .ok_or_else(|| HeaderFault::new(place, format!("{MAX_STANZA} bytes at most"), "more"))?;
            let is_end = read == 0;
            let line = line.strip_suffix(b"\n").unwrap_or(&line);
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.iter().all(|byte| matches!(byte, b' ' | b'\t')) {
                if is_end || !stanza.fields.is_empty() {
                    return Ok(Some(stanza).filter(|stanza| !stanza.fields.is_empty()));
                }
                continue;
            }
            stanza.line(line, place)?;
        }
    }

    fn line(&mut self, line: &[u8], place: &'static str) -> Result<(), HeaderFault> {
        let line = text(line);
        if let Some(control) = line.chars().find(|c| c.is_control() && *c != '\t') {
            let found = format!("`{}`", control.escape_default());
            return Err(HeaderFault::new(place, "no control characters", found));
        }
        if line.starts_with([' ', '\t']) {
            let Some((_, value)) = self.fields.last_mut() else {
                return Err(HeaderFault::new(place, "a field", line.into_owned()));
            };
            value.push('\n');
            value.push_str(line.trim_end_matches([' ', '\t']));
            return Ok(());
        }
        let field = line.split_once(':').filter(|(name, _)| is_field_name(name));
        let Some((name, value)) = field else {
            return Err(HeaderFault::new(place, "`Field: value`", line.into_owned()));
        };
        if self.get(name).is_some() {
            return Err(HeaderFault::new(place, "each field once", format!("a second `{name}`")));
        }
        if self.fields.len() == MAX_FIELDS {
            return Err(HeaderFault::new(place, format!("{MAX_FIELDS} fields at most"), "more"));
        }
        self.fields.push((name.to_owned(), value.trim().to_owned()));
        Ok(())
    }
}

pub(super) fn metadata_error(path: &Path) -> impl FnOnce(HeaderFault) -> Error {
    |HeaderFault { place, expected, found }| Error::Metadata { path: path.to_owned(), place, expected, found }
}

fn is_field_name(name: &str) -> bool {
    !name.is_empty() && !name.starts_with(['#', '-']) && name.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Stanza>, HeaderFault> {
        let mut input = text.as_bytes();
        let mut stanzas = Vec::new();
        while let Some(stanza) = Stanza::read(&mut input, "test")? {
            stanzas.push(stanza);
        }
        Ok(stanzas)
    }

    #[test]
    fn stanzas_are_written_as_they_were_read() {
        let text = "Package: a\nConffiles:\n /etc/a\nDescription: one\n two\n .\n\tthree\n";
        let stanzas = read(&format!("\n{text}\n \nB: c: d\n")).unwrap();
        assert_eq!(stanzas.len(), 2);
        assert_eq!(stanzas[0].get("description"), Some("one\n two\n .\n\tthree"));
        assert_eq!(stanzas[1].get("B"), Some("c: d"));
        let mut written = Vec::new();
        stanzas[0].write(&mut written).unwrap();
        assert_eq!(String::from_utf8(written).unwrap(), text);
    }

    #[test]
    fn other_lines_are_faults() {
        for text in [" a\n", "a\n", "a: b\nA: c\n", ": a\n", "#a: b\n", "-a: b\n", "a b: c\n", "a: \u{1}\n"] {
            assert!(read(text).is_err(), "{text:?}");
        }
        assert!(read(&format!("a: {}", "x".repeat(MAX_STANZA))).is_err());
        assert!(read(&"a: b\n\n".repeat(MAX_STANZA)).is_ok());
    }
}
