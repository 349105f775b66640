//! `repomd.xml` of older metadata, and which of its files can be kept.

use quick_xml::Reader;
use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};

use super::header::HeaderFault;

/// A file that `repomd.xml` names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct RepomdFile {
    /// `primary`, `group`, `modules`.
    pub(super) kind: String,
    /// The name in `repodata/`.
    pub(super) file_name: String,
    /// The algorithm and the sum, of the file.
    pub(super) checksum: Option<(String, String)>,
    /// The same of what is compressed in it.
    pub(super) open_checksum: Option<(String, String)>,
    pub(super) open_size: Option<String>,
}

/// Reads `repomd.xml`.
pub(super) fn read(text: &str) -> Result<Vec<RepomdFile>, HeaderFault> {
    let fault = |expected: &str, found: String| HeaderFault::new("repomd.xml", expected, found);
    let mut reader = Reader::from_str(text);
    let (mut all, mut current) = (Vec::new(), None::<RepomdFile>);
    // The element whose text comes next, and the algorithm that it names.
    let mut inside: Option<(String, String)> = None;
    loop {
        let event = reader.read_event().map_err(|error| fault("well-formed XML", error.to_string()))?;
        let is_empty = matches!(event, Event::Empty(_));
        match event {
            Event::Eof => return Ok(all),
            Event::Start(start) | Event::Empty(start) => {
                let name = start.name().as_ref().to_owned();
                let get = |key| attribute(&start, key);
                match name.as_str() {
                    "data" => {
                        let kind = get("type").filter(|kind| is_word(kind));
                        let kind = kind.ok_or_else(|| fault("a type of each file", "another text".into()))?;
                        current = Some(RepomdFile { kind, ..RepomdFile::default() });
                    }
                    "location" => {
                        if let Some(listed) = &mut current {
                            let href = get("href").unwrap_or_default();
                            let name = href.strip_prefix("repodata/").filter(|name| {
                                !name.starts_with('.')
                                    && !name.contains('/')
                                    && !name.chars().any(char::is_control)
                            });
                            let name = name.filter(|name| !name.is_empty());
                            let expected = "files in repodata/ itself";
                            listed.file_name = name.ok_or_else(|| fault(expected, href.clone()))?.to_owned();
                        }
                    }
                    _ => {}
                }
                inside = (!is_empty).then(|| (name, get("type").unwrap_or_default()));
            }
            Event::Text(text) => {
                let (Some((element, algorithm)), Some(listed)) = (&inside, &mut current) else { continue };
                let text = text.trim().to_owned();
                match element.as_str() {
                    "checksum" | "open-checksum" => {
                        if !is_word(algorithm) || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                            return Err(fault("a checksum and its type", text));
                        }
                        let sum = Some((algorithm.clone(), text));
                        if element == "checksum" { listed.checksum = sum } else { listed.open_checksum = sum }
                    }
                    "open-size" if text.bytes().all(|byte| byte.is_ascii_digit()) => {
                        listed.open_size = Some(text)
                    }
                    _ => {}
                }
            }
            Event::End(end) => {
                inside = None;
                if end.name().as_ref() == "data"
                    && let Some(listed) = current.take()
                {
                    if listed.file_name.is_empty() {
                        return Err(fault("a location of each file", listed.kind));
                    }
                    all.push(listed);
                }
            }
            _ => {}
        }
    }
}

fn attribute(start: &BytesStart<'_>, key: &str) -> Option<String> {
    let found = start.attributes().flatten().find(|attribute| attribute.key.as_ref() == key)?;
    found.normalized_value(XmlVersion::Explicit1_0).ok().map(Into::into)
}

fn is_word(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}
