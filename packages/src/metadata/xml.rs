//! XML from outside, element by element and with bounds.
//!
//! A document cannot make the reader hold more than one element's tag or text. Entities that a document declares itself are
//! an error, so that a few bytes cannot stand for many.

use std::borrow::Cow;
use std::io::{self, BufRead, Read};

use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use crate::repository::HeaderFault;

/// Bytes of one tag, text or comment.
const MAX_EVENT: usize = 4 << 20;
/// Bytes of the text of one element, and of attributes that are kept.
pub(crate) const MAX_TEXT: usize = 1 << 20;
/// Elements that lie in each other.
const MAX_DEPTH: usize = 64;

/// Takes the elements of a document, in their order. Names have no prefix.
pub(crate) trait Elements {
    /// An element starts.
    fn open(&mut self, name: &str, attributes: &Attributes<'_>) -> Result<(), HeaderFault>;

    /// An element ends; `text` is what stands between its last tag and this one.
    fn close(&mut self, name: &str, text: &str) -> Result<(), HeaderFault>;
}

/// The attributes of an element.
pub(crate) struct Attributes<'a>(&'a BytesStart<'a>);

impl Attributes<'_> {
    /// The value of an attribute.
    pub(crate) fn get(&self, key: &str) -> Result<Option<Cow<'_, str>>, HeaderFault> {
        let mut found = None;
        self.each(|name, value| {
            if name == key {
                found = Some(value);
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// Calls `take` with the name, without its prefix, and the value of each attribute.
    pub(crate) fn each<'a>(
        &'a self,
        mut take: impl FnMut(&str, Cow<'a, str>) -> Result<(), HeaderFault>,
    ) -> Result<(), HeaderFault> {
        let mut attributes = self.0.attributes();
        for attribute in attributes.with_checks(false) {
            let attribute = attribute.map_err(|error| malformed(error.to_string()))?;
            let value = attribute.normalized_value(XmlVersion::Explicit1_0);
            let value = value.map_err(|error| malformed(error.to_string()))?;
            let value = match value {
                Cow::Borrowed(_) => match attribute.value {
                    Cow::Borrowed(value) => Cow::Borrowed(value),
                    Cow::Owned(value) => Cow::Owned(value),
                },
                Cow::Owned(value) => Cow::Owned(value),
            };
            if value.len() > MAX_TEXT {
                let expected = format!("attributes of {MAX_TEXT} bytes at most");
                return Err(HeaderFault::new(
                    self.0.local_name().as_ref(),
                    expected,
                    value.len().to_string(),
                ));
            }
            take(attribute.key.local_name().as_ref(), value)?;
        }
        Ok(())
    }
}

/// What comes in, counted from one event to the next.
struct Counted<R> {
    inner: R,
    since: usize,
}

impl<R: BufRead> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}

impl<R: BufRead> BufRead for Counted<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.since > MAX_EVENT {
            return Err(io::Error::other(format!("a tag or text of more than {MAX_EVENT} bytes")));
        }
        self.inner.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.since += amount;
        self.inner.consume(amount);
    }
}

fn malformed(found: String) -> HeaderFault {
    HeaderFault::new("XML", "a well-formed document", found)
}

/// Reads a document to its end.
pub(crate) fn read(input: impl BufRead, elements: &mut impl Elements) -> Result<(), HeaderFault> {
    let mut reader = Reader::from_reader(Counted { inner: input, since: 0 });
    let mut buffer = Vec::new();
    let mut text = String::new();
    let mut depth = 0_usize;
    let mut has_root = false;
    loop {
        buffer.clear();
        reader.get_mut().since = 0;
        let event = reader.read_event_into(&mut buffer).map_err(|error| malformed(error.to_string()))?;
        let piece = match event {
            Event::Start(start) => {
                depth += 1;
                if depth > MAX_DEPTH {
                    let expected = format!("{MAX_DEPTH} elements in each other at most");
                    return Err(HeaderFault::new("XML", expected, "more"));
                }
                has_root = true;
                text.clear();
                elements.open(start.local_name().as_ref(), &Attributes(&start))?;
                continue;
            }
            Event::Empty(start) => {
                has_root = true;
                text.clear();
                elements.open(start.local_name().as_ref(), &Attributes(&start))?;
                elements.close(start.local_name().as_ref(), "")?;
                continue;
            }
            Event::End(end) => {
                depth = depth.saturating_sub(1);
                elements.close(end.local_name().as_ref(), &text)?;
                text.clear();
                continue;
            }
            Event::Text(piece) => {
                text.push_str(&piece);
                text.len()
            }
            Event::CData(piece) => {
                text.push_str(&piece);
                text.len()
            }
            Event::GeneralRef(entity) => {
                match entity.resolve_char_ref().map_err(|error| malformed(error.to_string()))? {
                    Some(character) => text.push(character),
                    None => match resolve_xml_entity(&entity) {
                        Some(known) => text.push_str(known),
                        None => {
                            return Err(HeaderFault::new("XML", "no entity of its own", entity.to_string()));
                        }
                    },
                }
                text.len()
            }
            // Groups name their document type. One with declarations of its own is in none of them.
            Event::DocType(kind) if kind.contains('[') => {
                return Err(HeaderFault::new("XML", "no declarations of entities", "<!DOCTYPE [...]>"));
            }
            Event::DocType(_) => continue,
            Event::Eof if depth > 0 || !has_root => return Err(malformed("the end of the file".into())),
            Event::Eof => return Ok(()),
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) => continue,
        };
        if piece > MAX_TEXT {
            let expected = format!("texts of {MAX_TEXT} bytes at most");
            return Err(HeaderFault::new("XML", expected, piece.to_string()));
        }
    }
}
