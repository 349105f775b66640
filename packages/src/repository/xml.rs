//! XML that is written: elements, their attributes and their text.

use std::io::Write;

use quick_xml::Writer;
use quick_xml::escape::partial_escape;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};

use super::metadata::EntryFailure;

/// Where XML goes.
pub(super) type Xml<'a> = Writer<&'a mut dyn Write>;

/// A writer of XML with a line for each element.
pub(super) fn new_xml(writer: &mut dyn Write) -> Xml<'_> {
    Xml::new_with_indent(writer, b' ', 2)
}

/// Writes the first line of an XML file.
pub(super) fn declaration(xml: &mut Xml<'_>) -> Result<(), EntryFailure> {
    Ok(xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?)
}

pub(super) fn open(xml: &mut Xml<'_>, name: &str, attributes: &[(&str, &str)]) -> Result<(), EntryFailure> {
    let start = BytesStart::new(name).with_attributes(attributes.iter().copied());
    Ok(xml.write_event(Event::Start(start))?)
}

pub(super) fn close(xml: &mut Xml<'_>, name: &str) -> Result<(), EntryFailure> {
    Ok(xml.write_event(Event::End(BytesEnd::new(name)))?)
}

pub(super) fn empty(xml: &mut Xml<'_>, name: &str, attributes: &[(&str, &str)]) -> Result<(), EntryFailure> {
    let start = BytesStart::new(name).with_attributes(attributes.iter().copied());
    Ok(xml.write_event(Event::Empty(start))?)
}

pub(super) fn element(xml: &mut Xml<'_>, name: &str, text: &str) -> Result<(), EntryFailure> {
    full(xml, name, &[], text)
}

pub(super) fn full(
    xml: &mut Xml<'_>,
    name: &str,
    attributes: &[(&str, &str)],
    text: &str,
) -> Result<(), EntryFailure> {
    if text.is_empty() {
        return empty(xml, name, attributes);
    }
    open(xml, name, attributes)?;
    xml.write_event(Event::Text(BytesText::from_escaped(partial_escape(text))))?;
    close(xml, name)
}
