//! The headers of an RPM file, read with bounds.
//!
//! An RPM file is a lead of 96 bytes, a signature header padded to 8 bytes, a header, and the payload. A header
//! is an introduction of 16 bytes with the numbers of index entries and of data bytes, an index of 16 bytes per
//! entry (tag, type, offset into the data, number of items, big-endian), and the data. Strings end with NUL.
//!
//! The reader allocates what the file holds and not what it promises, looks at no byte outside the data, and
//! hands out arrays as iterators, so that a small file cannot claim a large result.

use std::borrow::Cow;
use std::io::Read;

use super::tag::Tag;

/// Entries of a header; `rpm` itself refuses more.
const MAX_ENTRIES: u32 = 0xffff;
/// Bytes of a header's data: room for half a million files. `rpm` itself goes up to 256 MiB.
const MAX_DATA: u32 = 64 << 20;

const LEAD: [u8; 4] = [0xed, 0xab, 0xee, 0xdb];
/// The tags of regions: `HEADERIMAGE`, `HEADERSIGNATURES`, `HEADERIMMUTABLE`.
const REGIONS: std::ops::RangeInclusive<i32> = 61..=63;
const HEADERIMAGE: i32 = 61;
const HEADERSIGNATURES: u32 = 62;
pub(super) const INTRODUCTION: [u8; 4] = [0x8e, 0xad, 0xe8, 0x01];

/// What is wrong with a package, and where; the caller knows which file it is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct HeaderFault {
    pub(crate) place: String,
    pub(crate) expected: String,
    pub(crate) found: String,
}

impl HeaderFault {
    pub(crate) fn new(
        place: impl Into<String>,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> Self {
        Self { place: place.into(), expected: expected.into(), found: found.into() }
    }
}

/// The two headers of a package and the bytes `start..end` of the file that the second one takes.
pub(crate) struct Headers {
    pub(super) lead: [u8; 96],
    pub(super) signature: Header,
    pub(crate) main: Header,
    pub(super) start: u64,
    pub(super) end: u64,
}

impl Headers {
    pub(crate) fn read(input: &mut impl Read) -> Result<Self, HeaderFault> {
        let mut lead = [0; 96];
        fill(input, &mut lead, "lead")?;
        if !lead.starts_with(&LEAD) {
            return Err(HeaderFault::new("lead", "the RPM magic edabeedb", hex::encode(&lead[..4])));
        }
        let signature = Header::read(input, "signature header")?;
        let padding = signature.size().next_multiple_of(8) - signature.size();
        let mut rest = [0; 8];
        fill(input, rest.get_mut(..padding).unwrap_or_default(), "signature header")?;
        let start = (lead.len() + signature.size() + padding) as u64;
        let main = Header::read(input, "header")?;
        let end = start + main.size() as u64;
        Ok(Self { lead, signature, main, start, end })
    }
}

/// One header: its introduction, its index and its data.
pub(crate) struct Header {
    introduction: [u8; 16],
    index: Vec<u8>,
    data: Vec<u8>,
}

/// An entry of a header.
pub(crate) struct Entry {
    pub(crate) tag: u32,
    pub(crate) kind: u32,
    pub(crate) count: u32,
    pub(crate) data: Vec<u8>,
}

/// The types of index entries that are read here.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Type {
    Int16 = 3,
    Int32 = 4,
    Int64 = 5,
    String = 6,
    Binary = 7,
    StringArray = 8,
    I18nString = 9,
}

impl Header {
    pub(super) fn read(input: &mut impl Read, place: &'static str) -> Result<Self, HeaderFault> {
        let mut introduction = [0; 16];
        fill(input, &mut introduction, place)?;
        let [m0, m1, m2, m3, _, _, _, _, e0, e1, e2, e3, d0, d1, d2, d3] = introduction;
        if [m0, m1, m2, m3] != INTRODUCTION {
            return Err(HeaderFault::new(place, "the header magic 8eade801", hex::encode([m0, m1, m2, m3])));
        }
        let entries = u32::from_be_bytes([e0, e1, e2, e3]);
        let bytes = u32::from_be_bytes([d0, d1, d2, d3]);
        if entries > MAX_ENTRIES {
            return Err(HeaderFault::new(
                place,
                format!("{MAX_ENTRIES} entries at most"),
                entries.to_string(),
            ));
        }
        if bytes > MAX_DATA {
            return Err(HeaderFault::new(
                place,
                format!("{MAX_DATA} bytes of data at most"),
                bytes.to_string(),
            ));
        }
        let mut section = |length: u32| {
            let mut section = Vec::new();
            let read = input.by_ref().take(length.into()).read_to_end(&mut section);
            match read {
                Ok(read) if read == length as usize => Ok(section),
                Ok(read) => {
                    Err(HeaderFault::new(place, format!("{length} bytes"), format!("{read}, then the end")))
                }
                Err(error) => Err(HeaderFault::new(place, format!("{length} bytes"), error.to_string())),
            }
        };
        Ok(Self { introduction, index: section(entries * 16)?, data: section(bytes)? })
    }

    /// The bytes of the header as they lie in the file.
    pub(super) fn bytes(&self) -> [&[u8]; 3] {
        [&self.introduction, &self.index, &self.data]
    }

    /// Whether the header has a region, as all headers since RPM 4 have: an entry before all others whose 16 bytes of data,
    /// the trailer, repeat it. It says how many entries belong together. A region that is not as RPM writes it is a fault.
    pub(super) fn has_region(&self, tag: Tag) -> Result<bool, HeaderFault> {
        let entry = |bytes: &[u8]| -> Option<[i32; 4]> {
            let ([bytes], _) = bytes.get(..16)?.as_chunks::<16>() else { return None };
            let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = *bytes;
            Some([[a, b, c, d], [e, f, g, h], [i, j, k, l], [m, n, o, p]].map(i32::from_be_bytes))
        };
        let Some(first) = entry(&self.index) else { return Ok(false) };
        let number = tag.number().cast_signed();
        let fault = |found: String| HeaderFault::new(tag.name(), "a region and its trailer", found);
        if !REGIONS.contains(&first[0]) {
            // No digest covers a signature header: that one without a region came from RPM 3 shows in the order of its data.
            let offsets = self.index.chunks_exact(16).filter_map(entry).map(|[_, _, offset, _]| offset);
            if tag.number() == HEADERSIGNATURES && !offsets.is_sorted() {
                return Err(fault(format!("tag {} first", first[0])));
            }
            return Ok(false);
        }
        let describe = |[tag, kind, offset, count]: [i32; 4]| {
            format!("tag {tag}, type {kind}, offset {offset}, count {count}")
        };
        let [_, kind, offset, count] = first;
        if (first[0], kind, count) != (number, Type::Binary as i32, 16) {
            return Err(fault(describe(first)));
        }
        let trailer = usize::try_from(offset).ok().and_then(|offset| entry(self.data.get(offset..)?));
        let trailer = trailer.ok_or_else(|| fault(format!("offset {offset} of {}", self.data.len())))?;
        let [repeated, kind, length, count] = trailer;
        // RPM 4.0 wrote the trailers of signature headers with the tag of another region.
        let same = repeated == number || repeated == HEADERIMAGE && tag.number() == HEADERSIGNATURES;
        let entries = length.checked_neg().filter(|bytes| bytes % 16 == 0).map(|bytes| bytes / 16);
        let fits = entries.is_some_and(|entries| {
            entries >= 1 && usize::try_from(entries).is_ok_and(|entries| entries <= self.index.len() / 16)
        });
        if !same || (kind, count) != (Type::Binary as i32, 16) || !fits {
            return Err(fault(format!("a trailer of {}", describe(trailer))));
        }
        Ok(true)
    }

    /// The bytes of an entry that is neither text nor numbers; `None` where the tag is absent.
    pub(super) fn binary(&self, tag: Tag) -> Result<Option<&[u8]>, HeaderFault> {
        let Some((items, count)) = self.items(tag, &[Type::Binary])? else { return Ok(None) };
        items.get(..count as usize).map(Some).ok_or_else(|| {
            HeaderFault::new(tag.name(), format!("{count} bytes"), format!("the end after {}", items.len()))
        })
    }

    pub(super) fn size(&self) -> usize {
        16 + self.index.len() + self.data.len()
    }

    /// The bytes that an item of this type starts at a multiple of.
    pub(super) fn alignment(kind: u32) -> usize {
        match kind {
            3 => 2,
            4 => 4,
            5 => 8,
            _ => 1,
        }
    }

    /// All entries with their data, but for the region. Data of several entries may overlap, so their sum is bounded.
    pub(crate) fn entries(&self) -> Result<Vec<Entry>, HeaderFault> {
        let mut entries = Vec::new();
        let mut sum = 0;
        let (index, _) = self.index.as_chunks::<16>();
        for entry in index {
            let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = *entry;
            let [tag, kind, offset, count] =
                [[a, b, c, d], [e, f, g, h], [i, j, k, l], [m, n, o, p]].map(u32::from_be_bytes);
            if REGIONS.contains(&tag.cast_signed()) {
                continue;
            }
            let fault = || {
                let found = format!("type {kind}, offset {offset}, count {count}");
                HeaderFault::new(format!("tag {tag}"), "an entry within the header", found)
            };
            let data = self.data.get(offset as usize..).ok_or_else(fault)?;
            let length = match kind {
                0..=5 | 7 => (count as usize).checked_mul(match kind {
                    0 => 0,
                    1 | 2 | 7 => 1,
                    kind => Self::alignment(kind),
                }),
                6 | 8 | 9 => {
                    let ends = data.iter().enumerate().filter(|(_, byte)| **byte == 0);
                    let mut ends = ends.map(|(place, _)| place + 1);
                    (count as usize).checked_sub(1).and_then(|last| ends.nth(last))
                }
                _ => None,
            };
            let data = length.and_then(|length| data.get(..length)).ok_or_else(fault)?;
            sum += data.len();
            if sum > MAX_DATA as usize {
                return Err(fault());
            }
            entries.push(Entry { tag, kind, count, data: data.to_vec() });
        }
        Ok(entries)
    }

    /// The items of the first entry with this tag, from its first byte to the end of the data, and their number.
    fn items(&self, tag: Tag, types: &[Type]) -> Result<Option<(&[u8], u32)>, HeaderFault> {
        let (entries, _) = self.index.as_chunks::<16>();
        let Some(entry) = entries.iter().find(|entry| entry.starts_with(&tag.number().to_be_bytes())) else {
            return Ok(None);
        };
        let [_, _, _, _, t0, t1, t2, t3, o0, o1, o2, o3, c0, c1, c2, c3] = *entry;
        let kind = u32::from_be_bytes([t0, t1, t2, t3]);
        let offset = u32::from_be_bytes([o0, o1, o2, o3]);
        let count = u32::from_be_bytes([c0, c1, c2, c3]);
        if !types.iter().any(|known| *known as u32 == kind) {
            let known: Vec<String> = types.iter().map(|known| (*known as u32).to_string()).collect();
            return Err(HeaderFault::new(
                tag.name(),
                format!("the type {}", known.join(" or ")),
                kind.to_string(),
            ));
        }
        let items = self.data.get(offset as usize..).ok_or_else(|| {
            HeaderFault::new(tag.name(), format!("an offset up to {}", self.data.len()), offset.to_string())
        })?;
        Ok(Some((items, count)))
    }

    /// An array of numbers; empty where the tag is absent.
    fn numbers<const SIZE: usize>(&self, tag: Tag, kind: Type) -> Result<&[[u8; SIZE]], HeaderFault> {
        let (items, count) = self.items(tag, &[kind])?.unwrap_or_default();
        let (items, _) = items.as_chunks::<SIZE>();
        items.get(..count as usize).ok_or_else(|| {
            HeaderFault::new(tag.name(), format!("{count} numbers"), format!("the end after {}", items.len()))
        })
    }

    /// An array of 32-bit numbers as they lie there; empty where the tag is absent.
    pub(super) fn words(&self, tag: Tag) -> Result<&[[u8; 4]], HeaderFault> {
        self.numbers(tag, Type::Int32)
    }

    pub(super) fn u16s(&self, tag: Tag) -> Result<impl ExactSizeIterator<Item = u16> + '_, HeaderFault> {
        Ok(self.numbers(tag, Type::Int16)?.iter().copied().map(u16::from_be_bytes))
    }

    pub(super) fn u32s(&self, tag: Tag) -> Result<impl ExactSizeIterator<Item = u32> + '_, HeaderFault> {
        Ok(self.words(tag)?.iter().copied().map(u32::from_be_bytes))
    }

    /// A size, for which RPM has a tag of 64 bits and one of 32.
    pub(super) fn size_of(&self, short: Tag, long: Tag) -> Result<Option<u64>, HeaderFault> {
        if let Some(size) = self.numbers(long, Type::Int64)?.first() {
            return Ok(Some(u64::from_be_bytes(*size)));
        }
        Ok(self.u32s(short)?.next().map(u64::from))
    }

    /// An array of strings; empty where the tag is absent.
    pub(super) fn strings(&self, tag: Tag) -> Result<Strings<'_>, HeaderFault> {
        let types = [Type::String, Type::StringArray, Type::I18nString];
        let (items, count) = self.items(tag, &types)?.unwrap_or_default();
        let present = items.iter().filter(|byte| **byte == 0).take(count as usize).count();
        if present < count as usize {
            let expected = format!("{count} strings that end with NUL");
            return Err(HeaderFault::new(tag.name(), expected, format!("the end after {present}")));
        }
        Ok(Strings { rest: items, left: count as usize })
    }

    /// A string, or of a translated one the untranslated form; empty where the tag is absent.
    pub(super) fn string(&self, tag: Tag) -> Result<&[u8], HeaderFault> {
        Ok(self.strings(tag)?.next().unwrap_or_default())
    }

    pub(super) fn has(&self, tag: Tag) -> bool {
        let (entries, _) = self.index.as_chunks::<16>();
        entries.iter().any(|entry| entry.starts_with(&tag.number().to_be_bytes()))
    }
}

/// The strings of an entry; all of them are known to be there.
#[derive(Clone)]
pub(super) struct Strings<'a> {
    rest: &'a [u8],
    left: usize,
}

impl<'a> Iterator for Strings<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        self.left = self.left.checked_sub(1)?;
        let end = self.rest.iter().position(|byte| *byte == 0)?;
        let string = self.rest.get(..end)?;
        self.rest = self.rest.get(end + 1..)?;
        Some(string)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Strings<'_> {}

fn fill(input: &mut impl Read, buffer: &mut [u8], place: &'static str) -> Result<(), HeaderFault> {
    let expected = buffer.len();
    input.read_exact(buffer).map_err(|error| {
        let found = if error.kind() == std::io::ErrorKind::UnexpectedEof {
            "the end of the file".to_owned()
        } else {
            error.to_string()
        };
        HeaderFault::new(place, format!("{expected} bytes"), found)
    })
}

/// The text of a string of a header. Before RPM 4.14 nothing said how it is encoded: what is not UTF-8 is read as
/// Latin-1, which fits the packages that there are.
pub(crate) fn text(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(bytes.iter().copied().map(char::from).collect()),
    }
}
