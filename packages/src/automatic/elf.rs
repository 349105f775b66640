//! What a dynamically linked program or library provides and requires, as rpm's `elfdeps` finds it.
//!
//! Like `elfdeps`, this goes by the section headers and uses the readable part of a damaged file. It reads only the
//! headers, the dynamic section, the tables of versions and the strings that these name.

use std::collections::BTreeSet;
use std::io;

/// What a file provides and requires: names such as `libc.so.6(GLIBC_2.34)(64bit)`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct ElfDependencies {
    pub(crate) provides: BTreeSet<String>,
    pub(crate) requires: BTreeSet<String>,
}

/// Why a file was not read to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ElfFailure {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("its tables of libraries and versions have more than {MAX} bytes")]
    TooLarge,
    #[error("it names a library or a version that is not UTF-8")]
    Encoding,
}

/// The most bytes that are read of one file. The largest libraries have some hundred kilobytes of these tables.
const MAX: usize = 16 << 20;

/// The longest name that is read.
const NAME_MAX: usize = 4096;

const ET_EXEC: u64 = 2;
const ET_DYN: u64 = 3;
const EM_ALPHA: u64 = 41;
const EM_FAKE_ALPHA: u64 = 0x9026;
const PT_INTERP: u64 = 3;
const SHT_STRTAB: u64 = 3;
const SHT_DYNAMIC: u64 = 6;
const SHT_GNU_VERDEF: u64 = 0x6fff_fffd;
const SHT_GNU_VERNEED: u64 = 0x6fff_fffe;
const DT_NEEDED: u64 = 1;
const DT_HASH: u64 = 4;
const DT_SONAME: u64 = 14;
const DT_DEBUG: u64 = 21;
const DT_GNU_HASH: u64 = 0x6fff_fef5;
const VER_FLG_BASE: u64 = 1;

/// Reads an ELF file.
///
/// `read_at` reads at most so many bytes at an offset, fewer only at the end of the file. `name` is the last part of the
/// installed path, `executable` whether the file is installed with an execute bit.
///
/// # Errors
///
/// Those of `read_at`, and [`ElfFailure`] if the file exceeds a limit. A file that is not an ELF file, or is damaged, is not
/// an error: rpm finds nothing, or less, there.
pub(crate) fn read<R>(read_at: R, name: &str, executable: bool) -> Result<ElfDependencies, ElfFailure>
where
    R: FnMut(u64, usize) -> io::Result<Vec<u8>>,
{
    let mut file = File { read_at, left: MAX, wide: false, big: false };
    let ident = file.bytes(0, 16)?;
    let (Some(b"\x7fELF"), Some(&[class @ (1 | 2), data @ (1 | 2), 1])) = (ident.get(..4), ident.get(4..7))
    else {
        return Ok(ElfDependencies::default());
    };
    file.wide = class == 2;
    file.big = data == 2;
    let size = if file.wide { 64 } else { 52 };
    let header = file.bytes(0, size)?;
    let whole = header.len() == size;
    let Some(header) = Header::read(&file.fields(&header)) else { return Ok(ElfDependencies::default()) };
    if !whole || !matches!(header.kind, ET_EXEC | ET_DYN) {
        return Ok(ElfDependencies::default());
    }
    let sections = file.sections(&header)?;
    let marker = file.wide && !matches!(header.machine, EM_ALPHA | EM_FAKE_ALPHA);
    let mut scan = Scan {
        marker: if marker { "(64bit)" } else { "" },
        // A program that nobody can execute needs nothing to run.
        needs: executable || !file.has_interpreter(&header)?,
        found: ElfDependencies::default(),
        soname: None,
        debug: false,
        hash: false,
        gnu_hash: false,
    };
    for section in &sections {
        let strings = sections.get(usize::try_from(section.link).unwrap_or(usize::MAX));
        let strings = strings.filter(|strings| strings.kind == SHT_STRTAB);
        match section.kind {
            SHT_DYNAMIC => scan.dynamic(&mut file, section, strings)?,
            SHT_GNU_VERDEF => scan.defined_versions(&mut file, section, strings)?,
            SHT_GNU_VERNEED => scan.needed_versions(&mut file, section, strings)?,
            _ => {}
        }
    }
    // Only glibc since 2.5 reads this table.
    if scan.needs && scan.gnu_hash && !scan.hash {
        scan.found.requires.insert("rtld(GNU_HASH)".to_owned());
    }
    // Programs that are position-independent have the entry for debuggers, libraries do not.
    if header.kind == ET_DYN && !scan.debug {
        let soname = scan.soname.take().unwrap_or_else(|| name.as_bytes().to_owned());
        let marker = scan.marker;
        add(&mut scan.found.provides, &soname, b"", marker)?;
    }
    Ok(scan.found)
}

/// Adds `soname(version)(64bit)`, unless the name is not one of a library that others are linked with.
fn add(to: &mut BTreeSet<String>, soname: &[u8], version: &[u8], marker: &str) -> Result<(), ElfFailure> {
    const STARTS: [&[u8]; 5] = [b"lib", b"ld.", b"ld-", b"ld64.", b"ld64-"];
    if !soname.windows(3).any(|part| part == b".so") || !STARTS.iter().any(|start| soname.starts_with(start))
    {
        return Ok(());
    }
    let text = |bytes| std::str::from_utf8(bytes).map_err(|_| ElfFailure::Encoding);
    let (soname, version) = (text(soname)?, text(version)?);
    to.insert(if version.is_empty() && marker.is_empty() {
        soname.to_owned()
    } else {
        format!("{soname}({version}){marker}")
    });
    Ok(())
}

struct File<R> {
    read_at: R,
    /// How many bytes may still be read.
    left: usize,
    wide: bool,
    big: bool,
}

/// The parts of the header that are needed.
struct Header {
    kind: u64,
    machine: u64,
    programs: u64,
    program_count: u64,
    sections: u64,
    section_count: u64,
}

impl Header {
    fn read(fields: &Fields<'_>) -> Option<Self> {
        Some(Self {
            kind: fields.number(16, 2)?,
            machine: fields.number(18, 2)?,
            programs: fields.either((28, 4), (32, 8))?,
            program_count: fields.either((44, 2), (56, 2))?,
            sections: fields.either((32, 4), (40, 8))?,
            section_count: fields.either((48, 2), (60, 2))?,
        })
    }
}

struct Section {
    kind: u64,
    offset: u64,
    size: u64,
    link: u64,
    info: u64,
}

impl Section {
    fn read(fields: &Fields<'_>) -> Option<Self> {
        Some(Self {
            kind: fields.number(4, 4)?,
            offset: fields.either((16, 4), (24, 8))?,
            size: fields.either((20, 4), (32, 8))?,
            link: fields.either((24, 4), (40, 4))?,
            info: fields.either((28, 4), (44, 4))?,
        })
    }
}

impl<R: FnMut(u64, usize) -> io::Result<Vec<u8>>> File<R> {
    /// So many bytes, or what there is of them.
    fn bytes(&mut self, offset: u64, length: usize) -> Result<Vec<u8>, ElfFailure> {
        // Each read costs something, so that the number of them is bounded, too.
        self.left = self.left.checked_sub(length.max(64)).ok_or(ElfFailure::TooLarge)?;
        Ok((self.read_at)(offset, length)?)
    }

    fn fields<'a>(&self, bytes: &'a [u8]) -> Fields<'a> {
        Fields { bytes, wide: self.wide, big: self.big }
    }

    /// All section headers, or none if they do not lie in the file.
    fn sections(&mut self, header: &Header) -> Result<Vec<Section>, ElfFailure> {
        if header.sections == 0 {
            return Ok(Vec::new());
        }
        let size = if self.wide { 64 } else { 40 };
        let mut count = header.section_count;
        if count == 0 {
            // More than fit the header: the first section has the number.
            let first = self.bytes(header.sections, size)?;
            count = Section::read(&self.fields(&first)).map_or(0, |first| first.size);
        }
        let length = usize::try_from(count).ok().and_then(|count| count.checked_mul(size));
        let length = length.ok_or(ElfFailure::TooLarge)?;
        let bytes = self.bytes(header.sections, length)?;
        if bytes.len() < length {
            return Ok(Vec::new());
        }
        Ok(bytes.chunks_exact(size).map_while(|bytes| Section::read(&self.fields(bytes))).collect())
    }

    fn has_interpreter(&mut self, header: &Header) -> Result<bool, ElfFailure> {
        let size = if self.wide { 56 } else { 32 };
        let length = usize::try_from(header.program_count).unwrap_or(0).saturating_mul(size);
        let bytes = if header.programs == 0 { Vec::new() } else { self.bytes(header.programs, length)? };
        for bytes in bytes.chunks_exact(size) {
            let fields = self.fields(bytes);
            if fields.number(0, 4) == Some(PT_INTERP) {
                let offset = fields.either((4, 4), (8, 8)).unwrap_or(u64::MAX);
                if !self.bytes(offset, 1)?.is_empty() {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// The content of a section, or nothing if it does not lie in the file.
    fn content(&mut self, section: &Section) -> Result<Vec<u8>, ElfFailure> {
        // Damage often shows as a size far beyond the end of the file.
        let last = section.offset.checked_add(section.size.saturating_sub(1));
        match last {
            Some(last) if !self.bytes(last, 1)?.is_empty() => {}
            _ => return Ok(Vec::new()),
        }
        let length = usize::try_from(section.size).map_err(|_| ElfFailure::TooLarge)?;
        let mut bytes = self.bytes(section.offset, length)?;
        if bytes.len() < length {
            bytes.clear();
        }
        Ok(bytes)
    }

    /// The string at an offset of a table of strings, if it ends there.
    fn string(&mut self, strings: Option<&Section>, at: u64) -> Result<Option<Vec<u8>>, ElfFailure> {
        let Some(strings) = strings else { return Ok(None) };
        let room = strings.size.saturating_sub(at);
        let Some(offset) = strings.offset.checked_add(at).filter(|_| room > 0) else { return Ok(None) };
        let mut length = 64;
        loop {
            let asked = usize::try_from(room).unwrap_or(usize::MAX).min(length);
            let mut bytes = self.bytes(offset, asked)?;
            if let Some(end) = bytes.iter().position(|byte| *byte == 0) {
                bytes.truncate(end);
                return Ok(Some(bytes));
            }
            if bytes.len() < length || length >= NAME_MAX {
                return Ok(None);
            }
            length *= 8;
        }
    }
}

/// Numbers at their places in a structure.
#[derive(Clone, Copy)]
struct Fields<'a> {
    bytes: &'a [u8],
    wide: bool,
    big: bool,
}

impl<'a> Fields<'a> {
    fn number(&self, at: usize, size: usize) -> Option<u64> {
        let bytes = self.bytes.get(at..at.checked_add(size)?)?;
        let join = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
        Some(if self.big { bytes.iter().fold(0, join) } else { bytes.iter().rev().fold(0, join) })
    }

    /// A number whose place and size differ between the two classes.
    fn either(&self, narrow: (usize, usize), wide: (usize, usize)) -> Option<u64> {
        let (at, size) = if self.wide { wide } else { narrow };
        self.number(at, size)
    }

    /// The structure of `size` bytes at an offset, which the format wants to be a multiple of four.
    fn at(&self, offset: u64, size: usize) -> Option<Self> {
        let start = usize::try_from(offset).ok().filter(|start| start % 4 == 0)?;
        let bytes: &'a [u8] = self.bytes.get(start..start.checked_add(size)?)?;
        Some(Self { bytes, ..*self })
    }
}

struct Scan {
    marker: &'static str,
    needs: bool,
    found: ElfDependencies,
    soname: Option<Vec<u8>>,
    debug: bool,
    hash: bool,
    gnu_hash: bool,
}

impl Scan {
    fn dynamic<R>(
        &mut self,
        file: &mut File<R>,
        section: &Section,
        strings: Option<&Section>,
    ) -> Result<(), ElfFailure>
    where
        R: FnMut(u64, usize) -> io::Result<Vec<u8>>,
    {
        let content = file.content(section)?;
        for bytes in content.chunks_exact(if file.wide { 16 } else { 8 }) {
            let fields = file.fields(bytes);
            let (Some(tag), Some(value)) = (fields.either((0, 4), (0, 8)), fields.either((4, 4), (8, 8)))
            else {
                break;
            };
            match tag {
                DT_HASH => self.hash = true,
                DT_GNU_HASH => self.gnu_hash = true,
                DT_DEBUG => self.debug = true,
                DT_SONAME => self.soname = file.string(strings, value)?.or(self.soname.take()),
                DT_NEEDED if self.needs => {
                    if let Some(name) = file.string(strings, value)? {
                        add(&mut self.found.requires, &name, b"", self.marker)?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn defined_versions<R>(
        &mut self,
        file: &mut File<R>,
        section: &Section,
        strings: Option<&Section>,
    ) -> Result<(), ElfFailure>
    where
        R: FnMut(u64, usize) -> io::Result<Vec<u8>>,
    {
        let content = file.content(section)?;
        let table = file.fields(&content);
        let mut soname: Option<Vec<u8>> = None;
        let mut offset = 0;
        for _ in 0..section.info {
            let Some(entry) = table.at(offset, 20) else { break };
            let (Some(flags), Some(aux), Some(next)) =
                (entry.number(2, 2), entry.number(12, 4), entry.number(16, 4))
            else {
                break;
            };
            // The first name is the version's own, the others are of those that it follows.
            let name = table.at(offset + aux, 8).and_then(|first| first.number(0, 4));
            if let (Some(name), true) = (name, entry.number(6, 2) != Some(0))
                && let Some(name) = file.string(strings, name)?
            {
                if flags & VER_FLG_BASE != 0 {
                    soname = Some(name);
                } else if let Some(soname) = &soname {
                    add(&mut self.found.provides, soname, &name, self.marker)?;
                }
            }
            if next == 0 {
                break;
            }
            offset += next;
        }
        Ok(())
    }

    fn needed_versions<R>(
        &mut self,
        file: &mut File<R>,
        section: &Section,
        strings: Option<&Section>,
    ) -> Result<(), ElfFailure>
    where
        R: FnMut(u64, usize) -> io::Result<Vec<u8>>,
    {
        let content = file.content(section)?;
        let table = file.fields(&content);
        let mut offset = 0;
        for _ in 0..section.info {
            let Some(entry) = table.at(offset, 16) else { break };
            let (Some(count), Some(library), Some(aux), Some(next)) =
                (entry.number(2, 2), entry.number(4, 4), entry.number(8, 4), entry.number(12, 4))
            else {
                break;
            };
            let Some(soname) = file.string(strings, library)? else { break };
            let mut place = offset + aux;
            for _ in 0..count {
                let Some(version) = table.at(place, 16) else { break };
                let (Some(name), Some(further)) = (version.number(8, 4), version.number(12, 4)) else {
                    break;
                };
                let Some(name) = file.string(strings, name)? else { break };
                if self.needs {
                    add(&mut self.found.requires, &soname, &name, self.marker)?;
                }
                if further == 0 {
                    break;
                }
                place += further;
            }
            if next == 0 {
                break;
            }
            offset += next;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The kinds of the sections of [`Sample`], in order; the first one is empty.
    const KINDS: [u64; 5] = [0, SHT_STRTAB, SHT_DYNAMIC, SHT_GNU_VERDEF, SHT_GNU_VERNEED];

    /// A small library: it is `libme.so.1` with the version `ME_1`, and needs `libc.so.6` in the version `C_2`.
    #[derive(Clone, Copy)]
    struct Sample {
        wide: bool,
        big: bool,
        machine: u64,
    }

    impl Sample {
        fn put(self, to: &mut Vec<u8>, number: u64, size: usize) {
            let bytes = number.to_be_bytes();
            let bytes = &bytes[8 - size..];
            if self.big { to.extend(bytes) } else { to.extend(bytes.iter().rev()) }
        }

        fn all(self, to: &mut Vec<u8>, numbers: &[(u64, usize)]) {
            numbers.iter().for_each(|(number, size)| self.put(to, *number, *size));
        }

        fn bytes(self) -> Vec<u8> {
            let word = if self.wide { 8 } else { 4 };
            let strings = b"\0libme.so.1\0ME_1\0libc.so.6\0C_2\0".to_vec();
            let mut dynamic = Vec::new();
            for (tag, value) in [(DT_SONAME, 1), (DT_NEEDED, 17), (DT_GNU_HASH, 0), (0, 0)] {
                self.all(&mut dynamic, &[(tag, word), (value, word)]);
            }
            let mut defined = Vec::new();
            for (flags, name, next) in [(VER_FLG_BASE, 1, 28), (0, 12, 0)] {
                self.all(&mut defined, &[(1, 2), (flags, 2), (1, 2), (1, 2), (0, 4), (20, 4), (next, 4)]);
                self.all(&mut defined, &[(name, 4), (0, 4)]);
            }
            let mut needed = Vec::new();
            self.all(&mut needed, &[(1, 2), (1, 2), (17, 4), (16, 4), (0, 4)]);
            self.all(&mut needed, &[(0, 4), (0, 2), (2, 2), (27, 4), (0, 4)]);

            let contents = [Vec::new(), strings, dynamic, defined, needed];
            let header = if self.wide { 64 } else { 52 };
            let table = header + contents.iter().map(Vec::len).sum::<usize>() as u64;
            let mut bytes = b"\x7fELF".to_vec();
            bytes.extend([1 + u8::from(self.wide), 1 + u8::from(self.big), 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
            self.all(
                &mut bytes,
                &[(ET_DYN, 2), (self.machine, 2), (1, 4), (0, word), (0, word), (table, word)],
            );
            let sizes = if self.wide { (64, 56, 64) } else { (52, 32, 40) };
            self.all(&mut bytes, &[(0, 4), (sizes.0, 2), (sizes.1, 2), (0, 2), (sizes.2, 2), (5, 2), (0, 2)]);
            contents.iter().for_each(|content| bytes.extend(content));
            let mut offset = header;
            for (kind, content) in KINDS.into_iter().zip(&contents) {
                let size = content.len() as u64;
                let (link, info) = (u64::from(kind > SHT_STRTAB), if kind == SHT_GNU_VERDEF { 2 } else { 1 });
                self.all(
                    &mut bytes,
                    &[(0, 4), (kind, 4), (0, word), (0, word), (offset, word), (size, word)],
                );
                self.all(&mut bytes, &[(link, 4), (info, 4), (4, word), (2 * word as u64, word)]);
                offset += size;
            }
            bytes
        }
    }

    fn found(bytes: &[u8], name: &str) -> Result<ElfDependencies, ElfFailure> {
        let read_at = |offset: u64, length: usize| {
            let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
            Ok(bytes[start..start.saturating_add(length).min(bytes.len())].to_vec())
        };
        read(read_at, name, true)
    }

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn both_classes_and_byte_orders_are_read() {
        for (wide, big, machine, marked) in [
            (true, false, 62, true),
            (true, true, 22, true),
            (true, false, EM_ALPHA, false),
            (false, false, 3, false),
            (false, true, 20, false),
        ] {
            let found = found(&Sample { wide, big, machine }.bytes(), "x").unwrap();
            let expected = if marked {
                [
                    names(&["libme.so.1()(64bit)", "libme.so.1(ME_1)(64bit)"]),
                    names(&["libc.so.6()(64bit)", "libc.so.6(C_2)(64bit)", "rtld(GNU_HASH)"]),
                ]
            } else {
                [
                    names(&["libme.so.1", "libme.so.1(ME_1)"]),
                    names(&["libc.so.6", "libc.so.6(C_2)", "rtld(GNU_HASH)"]),
                ]
            };
            assert_eq!([found.provides, found.requires], expected, "{wide} {big} {machine}");
        }
    }

    #[test]
    fn what_is_cut_off_is_not_there() {
        let bytes = Sample { wide: true, big: false, machine: 62 }.bytes();
        for length in 0..bytes.len() {
            // Without its sections, nothing but the name of the file is known.
            let expected = if length < 64 { names(&[]) } else { names(&["libx.so()(64bit)"]) };
            let found = found(&bytes[..length], "libx.so").unwrap();
            assert_eq!((found.provides, found.requires), (expected, names(&[])), "{length}");
        }
    }

    #[test]
    fn a_file_that_asks_for_too_much_is_refused() {
        let mut bytes = Sample { wide: true, big: false, machine: 62 }.bytes();
        let end = bytes.len();
        let whole = found(&bytes, "x").unwrap();
        // The size of the last section, the versions that are needed: beyond the end of the file it is damage, which
        // loses this section alone.
        bytes[end - 32..end - 24].copy_from_slice(&(1_u64 << 40).to_le_bytes());
        let damaged = found(&bytes, "x").unwrap();
        assert_eq!(damaged.provides, whole.provides);
        assert_eq!(damaged.requires, names(&["libc.so.6()(64bit)", "rtld(GNU_HASH)"]));
        bytes[end - 32..end - 24].copy_from_slice(&(17_u64 << 20).to_le_bytes());
        bytes.resize(18 << 20, 0);
        assert!(matches!(found(&bytes, "x"), Err(ElfFailure::TooLarge)));
    }

    #[test]
    fn a_name_that_is_not_utf_8_counts_only_where_it_would_become_a_dependency() {
        let with = |from: &[u8], to: &[u8]| {
            let mut bytes = Sample { wide: true, big: false, machine: 62 }.bytes();
            let at = bytes.windows(from.len()).position(|part| part == from).unwrap();
            bytes[at..at + to.len()].copy_from_slice(to);
            found(&bytes, "x")
        };
        let found = with(b"libc.so.6", b"\xffibc.so.6").unwrap();
        assert_eq!(found.requires, names(&["rtld(GNU_HASH)"]));
        for part in [&b"libc.so.6"[..], b"libme.so.1", b"C_2", b"ME_1"] {
            let broken = [&part[..part.len() - 1], b"\xff"].concat();
            assert!(matches!(with(part, &broken), Err(ElfFailure::Encoding)), "{part:?}");
        }
    }

    proptest! {
        #[test]
        fn no_damage_ends_the_process(
            wide: bool,
            big: bool,
            changes in proptest::collection::vec((0..700_usize, any::<u8>()), 0..12),
        ) {
            let mut bytes = Sample { wide, big, machine: 62 }.bytes();
            for (at, byte) in changes {
                let at = at % bytes.len();
                bytes[at] = byte;
            }
            if let Ok(found) = found(&bytes, "x") {
                for name in found.provides.iter().chain(&found.requires) {
                    prop_assert!(name.contains(".so") || name == "rtld(GNU_HASH)", "{name}");
                }
            }
        }
    }
}
