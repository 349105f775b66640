//! Texts that are kept once, however often they occur.

use std::hash::BuildHasher as _;

use hashbrown::{DefaultHashBuilder, HashTable};

/// A text of a pool. Equal texts have equal numbers; the order of the numbers has no meaning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Text(u32);

impl Text {
    /// The empty text.
    pub const EMPTY: Self = Self(0);

    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }
}

/// All texts of a pool: names, versions, paths.
#[derive(Debug)]
pub(crate) struct Texts {
    bytes: String,
    /// Where each text ends; it starts where the one before it ends.
    ends: Vec<u32>,
    table: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

/// There are more texts, or longer ones, than a pool holds (4 GiB, 2^32 texts).
#[derive(Debug)]
pub(crate) struct TextsFull;

impl Default for Texts {
    fn default() -> Self {
        let mut texts = Self {
            bytes: String::new(),
            ends: Vec::new(),
            table: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
        };
        // The first text is the empty one.
        let _ = texts.add("");
        texts
    }
}

impl Texts {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Those that start with `/`.
    pub(crate) fn paths(&self) -> impl Iterator<Item = Text> + '_ {
        let all = (0..u32::try_from(self.ends.len()).unwrap_or(u32::MAX)).map(Text);
        all.filter(|text| self.get(*text).starts_with('/'))
    }

    pub(crate) fn get(&self, text: Text) -> &str {
        span(&self.bytes, &self.ends, text.0)
    }

    /// The text, if it is known.
    pub(crate) fn find(&self, text: &str) -> Option<Text> {
        let hash = self.hasher.hash_one(text);
        let found = self.table.find(hash, |known| span(&self.bytes, &self.ends, *known) == text)?;
        Some(Text(*found))
    }

    /// The text, which is added if it is not known yet.
    pub(crate) fn add(&mut self, text: &str) -> Result<Text, TextsFull> {
        let Self { bytes, ends, table, hasher } = self;
        let hash = hasher.hash_one(text);
        if let Some(known) = table.find(hash, |known| span(bytes, ends, *known) == text) {
            return Ok(Text(*known));
        }
        let number = u32::try_from(ends.len()).map_err(|_| TextsFull)?;
        let end = u32::try_from(bytes.len() + text.len()).map_err(|_| TextsFull)?;
        bytes.push_str(text);
        ends.push(end);
        table.insert_unique(hash, number, |known| hasher.hash_one(span(bytes, ends, *known)));
        Ok(Text(number))
    }
}

fn span<'a>(bytes: &'a str, ends: &[u32], number: u32) -> &'a str {
    let number = number as usize;
    let start = number.checked_sub(1).and_then(|before| ends.get(before)).map_or(0, |end| *end as usize);
    let end = ends.get(number).map_or(start, |end| *end as usize);
    bytes.get(start..end).unwrap_or_default()
}
