//! Names of the primary tree: interchange level 3, at most 31 characters of `A-Z`, `0-9` and `_`.
//!
//! They are what a reader without Rock Ridge and Joliet shows, so they stay as close to the real names as they can.
//! Where two names of a folder fall together, the first by its real name keeps the plain form and the others get a
//! number, so that the result depends on the set of names alone.

use std::collections::{HashMap, HashSet};

/// Characters of an identifier, the dot included, the version not (ECMA-119 7.5.1, 7.6.3).
const LENGTH: usize = 31;
/// How much of a long extension survives beside a long base.
const EXTENSION: usize = 15;

/// A name of a folder's entry, and whether it is itself a folder.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Name<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) directory: bool,
}

/// An identifier before its dot and version are put in. Folders may hold a million of them, so it has no parts elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Parts {
    /// The base, the extension and zeros.
    letters: [u8; LENGTH],
    base: u8,
    extension: u8,
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

    fn of(name: Name<'_>) -> Self {
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

    /// The same with a number at the end of the base, which gives way to it.
    fn numbered(&self, number: usize, directory: bool) -> Self {
        let digits = format!("{number:03}");
        let kept = room(directory).saturating_sub(self.extension().len() + digits.len());
        let kept = self.base().get(..kept).unwrap_or(self.base());
        Self::new(&[kept, digits.as_bytes()].concat(), self.extension())
    }

    fn identifier(&self, directory: bool) -> Vec<u8> {
        if directory { self.base().to_vec() } else { [self.base(), b".", self.extension(), b";1"].concat() }
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

/// The identifiers of one folder's entries, given in the byte order of their names and answered in the same order.
pub(crate) fn identifiers<'a>(names: impl Iterator<Item = Name<'a>>) -> Vec<Vec<u8>> {
    let names: Vec<(Parts, bool)> = names.map(|name| (Parts::of(name), name.directory)).collect();
    // A folder and a file collide too, though one has a dot: readers that hide the dot show the same name.
    let mut taken = HashSet::with_capacity(names.len());
    let first: Vec<bool> = names.iter().map(|(parts, _)| taken.insert(parts)).collect();
    if first.iter().all(|first| *first) {
        drop(taken);
        return names.into_iter().map(|(parts, directory)| parts.identifier(directory)).collect();
    }
    let mut taken: HashSet<Parts> = taken.into_iter().copied().collect();
    let mut numbers: HashMap<Parts, usize> = HashMap::new();
    names
        .iter()
        .zip(first)
        .map(|((parts, directory), first)| {
            if first {
                return parts.identifier(*directory);
            }
            let next = numbers.entry(*parts).or_default();
            loop {
                let numbered = parts.numbered(*next, *directory);
                *next += 1;
                if taken.insert(numbered) {
                    return numbered.identifier(*directory);
                }
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(names: &[&str]) -> Vec<String> {
        let mut names: Vec<&[u8]> = names.iter().map(|name| name.as_bytes()).collect();
        names.sort_unstable();
        identifiers(names.into_iter().map(|bytes| Name { bytes, directory: false }))
            .into_iter()
            .map(|identifier| String::from_utf8(identifier).unwrap())
            .collect()
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
        let name = |bytes| Name { bytes, directory: true };
        assert_eq!(identifiers([name(b"el8.repo".as_slice())].into_iter()), [b"EL8_REPO"]);
        assert_eq!(identifiers([name([b'a'; 40].as_slice())].into_iter()), [[b'A'; 31]]);
        assert_eq!(identifiers([name(b"\xff\xfe.d".as_slice())].into_iter()), [b"___D"]);
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
        let names = [Name { bytes: b"A", directory: true }, Name { bytes: b"a", directory: false }];
        assert_eq!(identifiers(names.into_iter()), [b"A".to_vec(), b"A000.;1".to_vec()]);
    }

    #[test]
    fn a_thousand_names_that_fall_together() {
        let names: Vec<String> = (0..1_500).map(|n| format!("{}{n:06}", "n".repeat(31))).collect();
        let identifiers = files(&names.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(identifiers.iter().collect::<HashSet<_>>().len(), 1_500);
        assert!(identifiers.iter().all(|identifier| identifier.len() <= LENGTH + 2));
    }
}
