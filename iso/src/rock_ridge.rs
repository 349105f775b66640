//! Rock Ridge entries (RRIP 1.10 over SUSP): what a record says beyond ISO 9660.
//!
//! Every entry is a signature of two letters, a length, a version (1) and its data. What does not fit behind the
//! identifier goes to one continuation area of the record, never to a second one: a chain of them is what readers
//! disagree about.

use crate::format::{RECORD_MAX, both32, date, record};

/// The length of a CE entry.
const CE: usize = 28;
/// The most text an NM or SL entry holds: its length is one byte.
const TEXT_MAX: usize = 250;
/// The name or link continues in the next entry of the same kind; inside SL, the component continues in the next one.
pub(crate) const CONTINUE: u8 = 0x01;
/// An SL component or NM name that stands for `.`.
pub(crate) const CURRENT: u8 = 0x02;
/// An SL component or NM name that stands for `..`.
pub(crate) const PARENT: u8 = 0x04;
/// An SL component that stands for `/`.
pub(crate) const ROOT: u8 = 0x08;
/// TF holds modification, access and attribute-change time, in the 7-byte form.
const TIMES: u8 = 0x0E;

/// What a record's entries say.
pub(crate) struct PosixAttributes<'a> {
    pub(crate) mode: u32,
    pub(crate) links: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) time: i64,
    pub(crate) name: RecordName<'a>,
    /// The target of a symbolic link.
    pub(crate) target: Option<&'a [u8]>,
}

/// Which name a record carries.
pub(crate) enum RecordName<'a> {
    /// The `.` record of the root, where the protocols are declared.
    Root,
    /// The `.` or `..` record of a folder, which needs none.
    Dots,
    /// The real name.
    Text(&'a [u8]),
}

/// A record's System Use bytes and its continuation area, which may be empty.
pub(crate) struct SystemUseArea {
    inline: Vec<u8>,
    pub(crate) continuation: Vec<u8>,
}

impl SystemUseArea {
    /// The System Use bytes once it is known where the continuation area begins.
    pub(crate) fn at(mut self, sector: u32, offset: u32) -> Vec<u8> {
        if !self.continuation.is_empty() {
            let length = u32::try_from(self.continuation.len()).unwrap_or(u32::MAX);
            self.inline.extend([b'C', b'E', 28, 1]);
            for number in [sector, offset, length] {
                self.inline.extend(both32(number));
            }
        }
        self.inline
    }
}

/// The entries of a record with an identifier of `identifier` bytes.
pub(crate) fn system_use(identifier: usize, attributes: &PosixAttributes<'_>) -> SystemUseArea {
    let entries = entries(attributes);
    let room = RECORD_MAX - record::length(identifier);
    let whole: usize = entries.iter().map(Vec::len).sum();
    let room = if whole <= room { room } else { room - CE };
    let mut out = SystemUseArea { inline: Vec::with_capacity(RECORD_MAX), continuation: Vec::new() };
    for entry in entries {
        if out.continuation.is_empty() && out.inline.len() + entry.len() <= room {
            out.inline.extend(entry);
        } else {
            out.continuation.extend(entry);
        }
    }
    out
}

fn entries(attributes: &PosixAttributes<'_>) -> Vec<Vec<u8>> {
    let mut out = Vec::with_capacity(4);
    if matches!(attributes.name, RecordName::Root) {
        out.push(entry(*b"SP", &[0xBE, 0xEF, 0]));
    }
    let mut px = Vec::with_capacity(32);
    for number in [attributes.mode, attributes.links, attributes.uid, attributes.gid] {
        px.extend(both32(number));
    }
    out.push(entry(*b"PX", &px));
    let time = date::record(attributes.time);
    let mut tf = vec![TIMES];
    tf.extend([time, time, time].concat());
    out.push(entry(*b"TF", &tf));
    match attributes.name {
        RecordName::Root => out.push(extensions()),
        RecordName::Dots => {}
        RecordName::Text(name) => {
            let mut pieces = name.chunks(TEXT_MAX).peekable();
            while let Some(piece) = pieces.next() {
                let flags = if pieces.peek().is_some() { CONTINUE } else { 0 };
                out.push(entry(*b"NM", &[&[flags], piece].concat()));
            }
        }
    }
    out.extend(attributes.target.map(link).unwrap_or_default());
    out
}

fn entry(signature: [u8; 2], data: &[u8]) -> Vec<u8> {
    let length = u8::try_from(4 + data.len()).unwrap_or(u8::MAX);
    [signature.as_slice(), &[length, 1], data].concat()
}

/// The ER entry, in the wording that the specification prescribes.
fn extensions() -> Vec<u8> {
    let (id, text, source) = (
        b"RRIP_1991A",
        b"THE ROCK RIDGE INTERCHANGE PROTOCOL PROVIDES SUPPORT FOR POSIX FILE SYSTEM SEMANTICS",
        b"PLEASE CONTACT DISC PUBLISHER FOR SPECIFICATION SOURCE.  SEE PUBLISHER IDENTIFIER IN PRIMARY VOLUME DESCRIPTOR FOR CONTACT INFORMATION.",
    );
    let lengths = [id.len(), text.len(), source.len()].map(|length| u8::try_from(length).unwrap_or(u8::MAX));
    entry(*b"ER", &[lengths.as_slice(), &[1], id, text, source].concat())
}

/// The SL entries of a link's target.
///
/// An entry that is not the last ends inside a component, never behind a whole one: some readers forget the `/`
/// between entries. Where a component does not split well (`..`, a single letter) its first piece is empty.
fn link(target: &[u8]) -> Vec<Vec<u8>> {
    let mut parts: Vec<&[u8]> = target.split(|byte| *byte == b'/').collect();
    let absolute = target.first() == Some(&b'/');
    // Empty components, of `//` or a slash at the end, have no form of their own and mean nothing.
    parts.retain(|part| !part.is_empty());
    let mut out = Vec::new();
    let mut current: Vec<u8> = Vec::new();
    if absolute {
        current.extend([ROOT, 0]);
    }
    let count = parts.len();
    for (index, mut part) in parts.into_iter().enumerate() {
        let last = index + 1 == count;
        let mut continued = false;
        loop {
            // Two bytes stay free for the empty piece that a component behind this one may need.
            let room = TEXT_MAX - current.len() - if last { 0 } else { 2 };
            if 2 + part.len() <= room {
                let flags = match part {
                    b"." if !continued => CURRENT,
                    b".." if !continued => PARENT,
                    _ => 0,
                };
                let text = if flags == 0 { part } else { &[] };
                component(&mut current, flags, text);
                break;
            }
            let room = TEXT_MAX - current.len() - 2;
            let (piece, rest) = part.split_at_checked(room.min(part.len() - 1)).unwrap_or((&[], part));
            component(&mut current, CONTINUE, piece);
            out.push(entry(*b"SL", &[&[CONTINUE], current.as_slice()].concat()));
            current.clear();
            (part, continued) = (rest, true);
        }
    }
    out.push(entry(*b"SL", &[&[0], current.as_slice()].concat()));
    out
}

fn component(out: &mut Vec<u8>, flags: u8, text: &[u8]) {
    out.extend([flags, u8::try_from(text.len()).unwrap_or(u8::MAX)]);
    out.extend(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attributes<'a>(name: RecordName<'a>, target: Option<&'a [u8]>) -> PosixAttributes<'a> {
        PosixAttributes { mode: 0o100_444, links: 1, uid: 0, gid: 0, time: 0, name, target }
    }

    fn signatures(mut area: &[u8]) -> Vec<String> {
        let mut out = Vec::new();
        while let [a, b, length, 1, ..] = area {
            out.push(format!("{}{}{length}", char::from(*a), char::from(*b)));
            area = &area[usize::from(*length)..];
        }
        assert!(area.is_empty(), "{area:?}");
        out
    }

    #[test]
    fn a_short_name_needs_no_continuation() {
        let system_use = system_use(13, &attributes(RecordName::Text(b"product.txt"), None));
        assert!(system_use.continuation.is_empty());
        assert_eq!(signatures(&system_use.at(0, 0)), ["PX36", "TF26", "NM16"]);
    }

    #[test]
    fn the_root_declares_the_protocols() {
        let system_use = system_use(1, &attributes(RecordName::Root, None));
        assert_eq!(signatures(&system_use.continuation), ["ER237"]);
        assert_eq!(signatures(&system_use.at(30, 0)), ["SP7", "PX36", "TF26", "CE28"]);
    }

    #[test]
    fn the_longest_names_and_links_fit_one_continuation_block() {
        let targets = ["a/".repeat(511) + "b", "../".repeat(341), "x".repeat(1_023), "./".repeat(511) + "."];
        for target in targets {
            for name in [1, 121, 122, 250, 251, 253] {
                for identifier in [1, 33] {
                    let name = vec![b'n'; name];
                    let system_use =
                        system_use(identifier, &attributes(RecordName::Text(&name), Some(target.as_bytes())));
                    assert!(system_use.continuation.len() <= 2_048);
                    signatures(&system_use.continuation);
                    let inline = system_use.at(30, 0);
                    signatures(&inline);
                    assert!(record::length(identifier) + inline.len() <= RECORD_MAX);
                }
            }
        }
    }

    /// How libarchive puts a target together: it forgets the `/` between two entries.
    fn read_forgetfully(entries: &[Vec<u8>]) -> String {
        let mut out = String::new();
        for entry in entries {
            let (mut rest, mut separator) = (&entry[5..], "");
            while let [flags, length, text @ ..] = rest {
                out += separator;
                separator = if flags & (CONTINUE | ROOT) == 0 { "/" } else { "" };
                out += match flags & !CONTINUE {
                    CURRENT => ".",
                    PARENT => "..",
                    ROOT => "/",
                    _ => str::from_utf8(&text[..usize::from(*length)]).unwrap(),
                };
                rest = &text[usize::from(*length)..];
            }
        }
        out
    }

    #[test]
    fn links_survive_a_reader_that_forgets_slashes() {
        let mut targets = vec!["/".to_owned(), "/a/b".to_owned(), "../../x".to_owned(), ".".to_owned()];
        for length in [1, 2, 3, 40, 200, 245, 246, 247, 248, 249, 250, 255] {
            targets.push("/".to_owned() + &vec!["c".repeat(length); 1_022 / (length + 1)].join("/"));
            targets.push(vec!["c".repeat(length); 1_023 / (length + 1)].join("/"));
        }
        for repeat in 80..130 {
            targets.push("../".repeat(repeat) + "end");
            targets.push("./".repeat(repeat) + "end");
            targets.push("a/../".repeat(repeat) + "end");
        }
        for target in targets {
            let entries = link(target.as_bytes());
            assert_eq!(read_forgetfully(&entries), target);
            let (last, others) = entries.split_last().unwrap();
            assert_eq!(last[4], 0);
            assert!(others.iter().all(|entry| entry[4] == CONTINUE));
        }
    }

    #[test]
    fn slashes_without_a_meaning_are_dropped() {
        assert_eq!(read_forgetfully(&link(b"//a///b/")), "/a/b");
    }
}
