//! Names of the primary tree: interchange level 3, at most 31 characters of `A-Z`, `0-9` and `_`.
//!
//! They are what a reader without Rock Ridge and Joliet shows, so they stay as close to the real names as they can.
//! Where two names of a folder fall together, the first by its real name keeps the plain form and the others get a
//! number, so that the result depends on the set of names alone.

use std::cmp::Ordering;
use std::collections::HashMap;

/// Characters of an identifier, the dot included, the version not (ECMA-119 7.5.1, 7.6.3).
const LENGTH: usize = 31;
/// How much of a long extension survives beside a long base.
const EXTENSION: usize = 15;
/// Digits of a number at least.
const DIGITS: usize = 3;

/// A name of a folder's entry, and whether it is itself a folder.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EntryName<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) directory: bool,
}

/// The identifier of a folder's entry. Folders may hold a million of them, so it has no parts elsewhere.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PlainIdentifier {
    parts: Parts,
    directory: bool,
    /// The entry's number, as it was given.
    pub(crate) number: u32,
}

impl PlainIdentifier {
    /// The identifier with its dot and version: a folder has neither.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let (base, extension) = (self.parts.base(), self.parts.extension());
        if self.directory { base.to_vec() } else { [base, b".", extension, b";1"].concat() }
    }

    /// The order of identifiers, equal ones by their entries.
    fn order(&self, other: &Self) -> Ordering {
        self.parts.cmp(&other.parts).then(self.number.cmp(&other.number))
    }
}

/// An identifier's characters before its dot and version are put in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Parts {
    /// The base, the extension and zeros.
    letters: [u8; LENGTH],
    base: u8,
    extension: u8,
}

/// The order of ECMA-119 9.3: by base, then by extension, as if both were filled up with blanks, which come before all
/// that they may hold.
impl Ord for Parts {
    fn cmp(&self, other: &Self) -> Ordering {
        self.base().cmp(other.base()).then_with(|| self.extension().cmp(other.extension()))
    }
}

impl PartialOrd for Parts {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Parts {
    fn new(base: &[u8], extension: &[u8]) -> Self {
        let mut letters = [0; LENGTH];
        for (to, from) in letters.iter_mut().zip(base.iter().chain(extension)) {
            *to = *from;
        }
        // Both fit into the letters.
        Self { letters, base: base.len() as u8, extension: extension.len() as u8 }
    }

    fn of(name: EntryName<'_>) -> Self {
        // A leading dot is part of the base: `.hidden` has no extension.
        let dot = name.bytes.iter().rposition(|byte| *byte == b'.').filter(|dot| *dot > 0 && !name.directory);
        let (mut base, mut extension) = match dot.and_then(|dot| name.bytes.split_at_checked(dot)) {
            Some((base, extension)) => (letters(base), letters(extension.get(1..).unwrap_or_default())),
            None => (letters(name.bytes), Vec::new()),
        };
        let room = room(name.directory);
        extension.truncate(EXTENSION.max(room.saturating_sub(base.len())));
        base.truncate(room - extension.len());
        Self::new(&base, &extension)
    }

    fn base(&self) -> &[u8] {
        self.letters.get(..usize::from(self.base)).unwrap_or_default()
    }

    fn extension(&self) -> &[u8] {
        let start = usize::from(self.base);
        self.letters.get(start..start + usize::from(self.extension)).unwrap_or_default()
    }

    /// The same with a number of so many digits at the end of the base, which gives way to it.
    fn numbered(&self, number: u32, digits: usize, directory: bool) -> Self {
        let number = format!("{number:0digits$}");
        let kept = room(directory).saturating_sub(self.extension().len() + number.len());
        let kept = self.base().get(..kept).unwrap_or(self.base());
        Self::new(&[kept, number.as_bytes()].concat(), self.extension())
    }
}

/// How many characters there are for base and extension.
fn room(directory: bool) -> usize {
    if directory { LENGTH } else { LENGTH - 1 }
}

/// The nearest allowed character for each character; bytes that are not UTF-8 count one by one.
fn letters(name: &[u8]) -> Vec<u8> {
    let letter = |character: char| match character.to_ascii_uppercase() {
        plain @ ('A'..='Z' | '0'..='9') => plain as u8,
        _ => b'_',
    };
    let mut out = Vec::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        out.extend(chunk.valid().chars().map(letter));
        out.extend(chunk.invalid().iter().map(|_| b'_'));
    }
    out
}

/// The identifiers of one folder's entries in their order. The entries come with numbers that ascend in the byte order of
/// their names.
pub(crate) fn identifiers<'a>(names: impl Iterator<Item = (u32, EntryName<'a>)>) -> Vec<PlainIdentifier> {
    let identifier = |(number, name): (u32, EntryName<'_>)| PlainIdentifier {
        parts: Parts::of(name),
        directory: name.directory,
        number,
    };
    let mut sorted: Vec<PlainIdentifier> = names.map(identifier).collect();
    sorted.sort_unstable_by(PlainIdentifier::order);
    // A folder and a file collide too, though one has a dot: readers that hide the dot show the same name.
    let mut later: Vec<u32> = (1..)
        .zip(sorted.windows(2))
        .filter(|(_, pair)| matches!(pair, [first, second] if first.parts == second.parts))
        .map(|(position, _)| position)
        .collect();
    if later.is_empty() {
        return sorted;
    }
    later.sort_unstable_by_key(|position| sorted.get(*position as usize).map(|identifier| identifier.number));
    // Numbers of one folder have equally many digits, so that none reads as another name's last digit and a number.
    let numbers = (DIGITS..).find_map(|digits| Some((digits, numbers(&sorted, &later, digits)?)));
    let (digits, numbers) = numbers.unwrap_or_default();
    for (position, number) in later.into_iter().zip(numbers) {
        if let Some(PlainIdentifier { parts, directory, .. }) = sorted.get_mut(position as usize) {
            *parts = parts.numbered(number, digits, *directory);
        }
    }
    sorted.sort_unstable_by(PlainIdentifier::order);
    sorted
}

/// The numbers of the identifiers at the positions `later`, which others have already; `None` if there are not enough of so
/// many digits.
fn numbers(sorted: &[PlainIdentifier], later: &[u32], digits: usize) -> Option<Vec<u32>> {
    // The next number of each form that differs from others only in its number.
    let mut next: HashMap<Parts, u32> = HashMap::new();
    let free = |parts: &Parts| sorted.binary_search_by(|other| other.parts.cmp(parts)).is_err();
    let end = u32::try_from(10_u64.pow(u32::try_from(digits).ok()?)).unwrap_or(u32::MAX);
    let later = later.iter().filter_map(|position| sorted.get(*position as usize));
    later
        .map(|PlainIdentifier { parts, directory, .. }| {
            let next = next.entry(parts.numbered(0, digits, *directory)).or_default();
            let number = (*next..end).find(|number| free(&parts.numbered(*number, digits, *directory)))?;
            *next = number + 1;
            Some(number)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// The identifiers of entries given in the byte order of their names, in the order of the entries.
    fn of_entries(names: &[EntryName<'_>]) -> Vec<String> {
        let mut identifiers = identifiers((0..).zip(names.iter().copied()));
        identifiers.sort_by_key(|identifier| identifier.number);
        identifiers.iter().map(|identifier| String::from_utf8(identifier.bytes()).unwrap()).collect()
    }

    fn files(names: &[&str]) -> Vec<String> {
        let mut names: Vec<&[u8]> = names.iter().map(|name| name.as_bytes()).collect();
        names.sort_unstable();
        let names: Vec<_> = names.into_iter().map(|bytes| EntryName { bytes, directory: false }).collect();
        of_entries(&names)
    }

    #[test]
    fn names_of_files() {
        let cases = [
            ("product.txt", "PRODUCT.TXT;1"),
            ("NODOT", "NODOT.;1"),
            (".hidden", "_HIDDEN.;1"),
            (".hidden.conf", "_HIDDEN.CONF;1"),
            ("a.b.c", "A_B.C;1"),
            ("trailing.", "TRAILING.;1"),
            ("été 1.txt", "_T__1.TXT;1"),
            ("a-very-long-name-indeed-that-never-ends.tar.gz", "A_VERY_LONG_NAME_INDEED_THAT.GZ;1"),
            ("short.an-extension-of-thirty-three-letters", "SHORT.AN_EXTENSION_OF_THIRTY_TH;1"),
            (
                "a-very-long-name-indeed.an-extension-of-thirty-three-letters",
                "A_VERY_LONG_NAM.AN_EXTENSION_OF;1",
            ),
        ];
        for (name, identifier) in cases {
            assert_eq!(files(&[name]), [identifier], "{name}");
            assert!(identifier.len() <= LENGTH + 2);
        }
    }

    #[test]
    fn names_of_folders_have_neither_dot_nor_version() {
        for (bytes, identifier) in
            [(b"el8.repo".as_slice(), "EL8_REPO"), (&[b'a'; 40], &"A".repeat(31)), (b"\xff\xfe.d", "___D")]
        {
            assert_eq!(of_entries(&[EntryName { bytes, directory: true }]), [identifier]);
        }
    }

    /// Digits come before the `;` of the version, but an extension comes before all that it begins.
    #[test]
    fn identifiers_stand_in_the_order_of_the_standard() {
        let files = [b"a".as_slice(), b"a.r", b"a.r00", b"a-b", b"a0.r", b"ab", b"B.r"];
        let folders = [b"a1".as_slice(), b"b"];
        let files = files.map(|bytes| EntryName { bytes, directory: false });
        let folders = folders.map(|bytes| EntryName { bytes, directory: true });
        let mut names = [files.as_slice(), &folders].concat();
        names.sort_by_key(|name| name.bytes);
        let found: Vec<String> = identifiers((0..).zip(names))
            .iter()
            .map(|identifier| String::from_utf8(identifier.bytes()).unwrap())
            .collect();
        assert_eq!(found, ["A.;1", "A.R;1", "A.R00;1", "A0.R;1", "A1", "AB.;1", "A_B.;1", "B", "B.R;1"]);
    }

    #[test]
    fn names_that_fall_together_are_numbered() {
        assert_eq!(files(&["A.txt", "a.TXT", "a.txt"]), ["A.TXT;1", "A000.TXT;1", "A001.TXT;1"]);
        assert_eq!(files(&["a.txt", "A.txt", "A000.txt"]), ["A.TXT;1", "A000.TXT;1", "A001.TXT;1"]);
        let long = "x".repeat(40);
        let (one, two) = (format!("{long}1.txt"), format!("{long}2.txt"));
        let xs = "X".repeat(24);
        assert_eq!(files(&[&one, &two]), [format!("{xs}XXX.TXT;1"), format!("{xs}000.TXT;1")]);
    }

    #[test]
    fn a_folder_and_a_file_do_not_share_a_shown_name() {
        let names = [EntryName { bytes: b"A", directory: true }, EntryName { bytes: b"a", directory: false }];
        assert_eq!(of_entries(&names), ["A", "A000.;1"]);
    }

    /// With a number of three digits and one of four, `x1` and `x` could both become `X1000`.
    #[test]
    fn names_that_fall_together_in_thousands() {
        let numbers: Vec<String> = (0..1_500).map(|n| format!("{}{n:06}", "n".repeat(31))).collect();
        let cases: Vec<String> = (0..1_u32 << 11)
            .map(|bits| {
                let letter = |at: u32| if bits & (1_u32 << at) == 0 { 'x' } else { 'X' };
                (0..11).map(letter).collect()
            })
            .collect();
        let begun: Vec<String> = cases.iter().map(|name| format!("{name}1")).collect();
        for names in [numbers, cases.into_iter().chain(begun).collect()] {
            let identifiers = files(&names.iter().map(String::as_str).collect::<Vec<_>>());
            assert_eq!(identifiers.iter().collect::<HashSet<_>>().len(), names.len());
            assert!(identifiers.iter().all(|identifier| identifier.len() <= LENGTH + 2));
        }
    }
}
