//! Where the entries of packages lie in an unpacked metadata file, and what tells whether they are still true.

use std::cell::Cell;
use std::io::{self, BufRead, Read};
use std::ops::Range;
use std::rc::Rc;

use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use super::header::HeaderFault;
use super::kind::MetadataKind;
use super::metadata::PackageIdentity;

/// Bytes of one tag or text. The longest are descriptions.
const MAX_EVENT: u64 = 16 << 20;
/// Bytes of a name, a version or a path.
const MAX_FIELD: usize = 4096;

/// A package in a metadata file. All but the checksum and the entry are only in `primary.xml`.
#[derive(Debug)]
pub(super) struct ScannedPackage {
    pub(super) algorithm: String,
    pub(super) checksum: String,
    pub(super) identity: PackageIdentity,
    pub(super) size: u64,
    pub(super) file_time: i64,
    pub(super) href: String,
    /// The element of the package, in bytes from the start.
    pub(super) entry: Range<u64>,
    /// The element `location` in it.
    pub(super) location: Range<u64>,
}

impl ScannedPackage {
    fn new(start: u64) -> Self {
        let text = String::new;
        let identity = PackageIdentity {
            name: text(),
            epoch: 0,
            version: text(),
            release: text(),
            arch: text(),
            build_time: 0,
        };
        Self {
            algorithm: text(),
            checksum: text(),
            identity,
            size: 0,
            file_time: 0,
            href: text(),
            entry: start..start,
            location: 0..0,
        }
    }
}

/// Finds the packages.
///
/// Their entries can be copied into another file of the kind: they use no other namespaces and no entities of their own.
pub(super) fn scan(input: impl BufRead, kind: MetadataKind) -> Result<Vec<ScannedPackage>, HeaderFault> {
    let left = Rc::new(Cell::new(MAX_EVENT));
    let mut reader = Reader::from_reader(Limited { inner: input, left: Rc::clone(&left) });
    let (mut buffer, mut packages) = (Vec::new(), Vec::new());
    let mut scanning = Scanning { kind, depth: 0, package: None, field: None };
    loop {
        let start = reader.buffer_position();
        left.set(MAX_EVENT);
        buffer.clear();
        let event = reader.read_event_into(&mut buffer);
        let event = event.map_err(|error| fault("well-formed XML", error.to_string()))?;
        let end = reader.buffer_position();
        match &event {
            Event::Start(element) => {
                scanning.open(element, start..end)?;
                scanning.depth += 1;
            }
            Event::Empty(element) => {
                scanning.open(element, start..end)?;
                scanning.depth += 1;
                packages.extend(scanning.close(end)?);
            }
            Event::End(_) => packages.extend(scanning.close(end)?),
            Event::Text(text) => scanning.text(text)?,
            Event::GeneralRef(name) => {
                let character = name.resolve_char_ref().map_err(|error| fault("XML", error.to_string()))?;
                let mut bytes = [0; 4];
                let text = match character {
                    Some(character) => Some(&*character.encode_utf8(&mut bytes)),
                    None => quick_xml::escape::resolve_predefined_entity(name),
                };
                let text = text.ok_or_else(|| fault("entities of XML itself", (**name).to_owned()))?;
                scanning.text(text)?;
            }
            Event::DocType(_) => return Err(fault("no document type", "one")),
            Event::Eof if scanning.depth == 0 => return Ok(packages),
            Event::Eof => return Err(fault("the end of all elements", "the end of the file")),
            Event::Decl(_) | Event::CData(_) | Event::Comment(_) | Event::PI(_) => {}
        }
    }
}

fn fault(expected: &str, found: impl Into<String>) -> HeaderFault {
    HeaderFault::new("the file", expected, found)
}

struct Scanning {
    kind: MetadataKind,
    depth: usize,
    package: Option<ScannedPackage>,
    /// The element of `primary.xml` whose text is kept, and the text.
    field: Option<(Field, String)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Field {
    Name,
    Arch,
    Checksum,
}

impl Scanning {
    fn open(&mut self, element: &BytesStart<'_>, span: Range<u64>) -> Result<(), HeaderFault> {
        let name = element.name();
        let name = name.as_ref();
        let mut attributes = Vec::new();
        for attribute in element.attributes() {
            let attribute = attribute.map_err(|error| fault("attributes of XML", error.to_string()))?;
            let value = attribute.normalized_value(XmlVersion::Explicit1_0);
            let value = value.map_err(|error| fault("attributes of XML", error.to_string()))?;
            let key = attribute.key.as_ref().to_owned();
            if self.depth > 0 && (key == "xmlns" || key.contains(':') && key != "xml:base") {
                return Err(fault("the namespaces of the first element", key));
            }
            attributes.push((key, value.into_owned()));
        }
        let get =
            |key: &str| attributes.iter().find(|(known, _)| known == key).map(|(_, value)| value.clone());
        let number = |key: &str| get(key).and_then(|value| value.parse::<u64>().ok());
        if name.contains(':') && !name.starts_with("rpm:") {
            return Err(fault("elements of packages", name));
        }
        if self.depth == 0 {
            let (root, namespaces) = self.kind.root();
            let is_same = namespaces.iter().all(|(key, value)| get(key).as_deref() == Some(value));
            if name != root || !is_same {
                return Err(fault(&format!("the element {root} with its namespaces"), name));
            }
            return Ok(());
        }
        if self.depth == 1 {
            if name != "package" {
                return Err(fault("packages", name));
            }
            let mut package = ScannedPackage::new(span.start);
            package.checksum = get("pkgid").unwrap_or_default();
            self.package = Some(package);
            return Ok(());
        }
        let Some(package) = self.package.as_mut().filter(|_| self.depth == 2) else { return Ok(()) };
        match (self.kind, name) {
            (MetadataKind::Primary, "name") => self.field = Some((Field::Name, String::new())),
            (MetadataKind::Primary, "arch") => self.field = Some((Field::Arch, String::new())),
            (MetadataKind::Primary, "checksum") => {
                package.algorithm = get("type").unwrap_or_default();
                self.field = Some((Field::Checksum, String::new()));
            }
            (MetadataKind::Primary, "version") => {
                let identity = &mut package.identity;
                identity.epoch = number("epoch").and_then(|epoch| epoch.try_into().ok()).unwrap_or(0);
                identity.version = get("ver").unwrap_or_default();
                identity.release = get("rel").unwrap_or_default();
            }
            (MetadataKind::Primary, "time") => {
                package.file_time = number("file").and_then(|time| time.try_into().ok()).unwrap_or(i64::MIN);
            }
            (MetadataKind::Primary, "size") => package.size = number("package").unwrap_or(u64::MAX),
            (MetadataKind::Primary, "location") => {
                package.href = get("href").unwrap_or_default();
                package.location = span;
            }
            _ => {}
        }
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), HeaderFault> {
        if let Some((_, field)) = &mut self.field {
            field.push_str(text);
            if field.len() > MAX_FIELD {
                return Err(fault("names of 4096 bytes at most", field.len().to_string()));
            }
        }
        Ok(())
    }

    /// The package that ends.
    fn close(&mut self, end: u64) -> Result<Option<ScannedPackage>, HeaderFault> {
        // The reader checks that elements end in their order.
        self.depth = self.depth.saturating_sub(1);
        if let (2, Some((field, text)), Some(package)) = (self.depth, self.field.take(), &mut self.package) {
            let text = text.trim().to_owned();
            match field {
                Field::Name => package.identity.name = text,
                Field::Arch => package.identity.arch = text,
                Field::Checksum => package.checksum = text,
            }
        }
        if self.depth != 1 {
            return Ok(None);
        }
        let Some(mut package) = self.package.take() else { return Ok(None) };
        package.entry.end = end;
        let has_location = self.kind != MetadataKind::Primary
            || !package.location.is_empty() && !package.identity.name.is_empty();
        let is_sum = package.checksum.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !has_location || !is_sum || package.checksum.is_empty() {
            return Err(fault("a checksum, a name and a location of each package", package.checksum));
        }
        Ok(Some(package))
    }
}

/// Ends with an error where one event is too long.
struct Limited<R> {
    inner: R,
    left: Rc<Cell<u64>>,
}

impl<R: BufRead> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}

impl<R: BufRead> BufRead for Limited<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.left.get() == 0 {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.inner.fill_buf()
    }

    fn consume(&mut self, bytes: usize) {
        self.left.set(self.left.get().saturating_sub(bytes as u64));
        self.inner.consume(bytes);
    }
}
