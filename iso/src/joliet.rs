//! Names of the Joliet tree: UCS-2, here UTF-16 with real surrogate pairs, at most 103 units.
//!
//! The specification says 64 units; 103 is what `-joliet-long` of the peers writes and every reader shows.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// The longest name, in units; its record still fits into 254 bytes.
pub(crate) const LENGTH: usize = 103;

/// The UTF-16 units of `text`, at most `most` of them, never half a pair. Bytes that are not UTF-8 become `_`.
pub(crate) fn units(text: &[u8], most: usize) -> Vec<u16> {
    let mut out = Vec::with_capacity(text.len().min(most));
    let mut push = |character: char| -> bool {
        let fits = out.len() + character.len_utf16() <= most;
        if fits {
            out.extend_from_slice(character.encode_utf16(&mut [0; 2]));
        }
        fits
    };
    for chunk in text.utf8_chunks() {
        let mut characters = chunk.valid().chars().chain(chunk.invalid().iter().map(|_| '_'));
        if !characters.all(&mut push) {
            break;
        }
    }
    out
}

/// The unit, or `_` where the specification forbids it.
fn allowed(unit: u16) -> u16 {
    match u8::try_from(unit) {
        Ok(..0x20 | b'*' | b'/' | b':' | b';' | b'?' | b'\\') => b'_'.into(),
        _ => unit,
    }
}

/// `name` cut to [`LENGTH`] units with `tail` at the end of its base and its extension kept.
fn cut(name: &[u16], tail: &str) -> Vec<u16> {
    let dot = name.iter().rposition(|unit| *unit == u16::from(b'.')).filter(|dot| *dot > 0);
    // A longer suffix than half of the name is not an extension.
    let dot = dot.filter(|dot| name.len() - dot <= LENGTH / 2).unwrap_or(name.len());
    let (base, extension) = name.split_at_checked(dot).unwrap_or((name, &[]));
    let room = LENGTH - extension.len() - tail.len();
    let mut out: Vec<u16> = base.iter().copied().take(room).collect();
    if base.len() > out.len() && out.last().is_some_and(|unit| (0xD800..0xDC00).contains(unit)) {
        out.pop();
    }
    out.extend(tail.encode_utf16());
    out.extend(extension);
    out
}

/// The identifier of a folder's entry. Folders may hold a million of them, so one that is the entry's own name, but for
/// forbidden characters, is put together when it is asked for.
#[derive(Debug)]
pub(crate) struct JolietIdentifier<'a> {
    name: &'a [u8],
    /// The identifier's bytes where it is another one.
    chosen: Option<Box<[u8]>>,
    /// The entry's number, as it was given.
    pub(crate) number: u32,
}

impl<'a> JolietIdentifier<'a> {
    fn new(number: u32, name: &'a [u8]) -> Self {
        let fits = str::from_utf8(name).is_ok_and(|name| name.encode_utf16().count() <= LENGTH);
        Self { name, chosen: if fits { None } else { Some(chosen(name, "")) }, number }
    }

    /// The identifier's bytes.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.chosen.as_deref().map_or_else(|| bytes(self.own()).collect(), <[u8]>::to_vec)
    }

    /// The name, which stands where nothing else was chosen.
    fn own(&self) -> &str {
        str::from_utf8(self.name).unwrap_or_default()
    }

    /// The order of identifiers by their units.
    fn units(&self, other: &Self) -> Ordering {
        match (&self.chosen, &other.chosen) {
            (None, None) => in_utf16(self.own(), other.own()),
            (None, Some(other)) => bytes(self.own()).cmp(other.iter().copied()),
            (Some(this), None) => this.iter().copied().cmp(bytes(other.own())),
            (Some(this), Some(other)) => this.cmp(other),
        }
    }

    /// The order of identifiers. Of equal ones the name that is really so comes first, then the others by their entries.
    fn order(&self, other: &Self) -> Ordering {
        let is_other = |this: &Self| {
            this.chosen.is_some() || this.own().encode_utf16().any(|unit| unit != allowed(unit))
        };
        let key = |this: &Self| (is_other(this), this.number);
        self.units(other).then_with(|| key(self).cmp(&key(other)))
    }
}

/// The bytes of a name's units.
fn bytes(name: &str) -> impl Iterator<Item = u8> {
    name.encode_utf16().flat_map(|unit| allowed(unit).to_be_bytes())
}

/// How two names compare by their units. Where their UTF-8 first differs, it compares alike, but for one thing: pairs, which
/// begin with F0 and more, come before the characters from U+E000 on, which begin with EE and EF.
fn in_utf16(one: &str, other: &str) -> Ordering {
    let key =
        |byte: u8| if matches!(byte, 0xEE | 0xEF) { 0xFF00 | u16::from(byte) } else { allowed(byte.into()) };
    one.bytes().map(key).cmp(other.bytes().map(key))
}

/// The bytes of a name cut and with `tail` at the end of its base.
fn chosen(name: &[u8], tail: &str) -> Box<[u8]> {
    let units: Vec<u16> = units(name, usize::MAX).into_iter().map(allowed).collect();
    cut(&units, tail).into_iter().flat_map(u16::to_be_bytes).collect()
}

/// The identifiers of one folder's entries in their order. The entries come with numbers that ascend in the byte order of
/// their names.
pub(crate) fn identifiers<'a>(names: impl Iterator<Item = (u32, &'a [u8])>) -> Vec<JolietIdentifier<'a>> {
    let mut sorted: Vec<_> = names.map(|(number, name)| JolietIdentifier::new(number, name)).collect();
    sorted.sort_unstable_by(JolietIdentifier::order);
    let mut later: Vec<usize> = (1..)
        .zip(sorted.windows(2))
        .filter(|(_, pair)| matches!(pair, [first, second] if first.units(second).is_eq()))
        .map(|(position, _)| position)
        .collect();
    if later.is_empty() {
        return sorted;
    }
    later.sort_unstable_by_key(|position| sorted.get(*position).map(|identifier| identifier.number));
    let (mut numbered, mut next) = (HashMap::new(), 0_usize);
    for position in later {
        let Some(JolietIdentifier { name, number, .. }) = sorted.get(position) else { continue };
        loop {
            let candidate =
                JolietIdentifier { name, chosen: Some(chosen(name, &format!("~{next}"))), number: *number };
            next += 1;
            let free = sorted.binary_search_by(|other| other.units(&candidate)).is_err();
            if let (true, Some(Entry::Vacant(place))) =
                (free, candidate.chosen.map(|bytes| numbered.entry(bytes)))
            {
                place.insert(position);
                break;
            }
        }
    }
    for (bytes, position) in numbered {
        if let Some(identifier) = sorted.get_mut(position) {
            identifier.chosen = Some(bytes);
        }
    }
    sorted.sort_unstable_by(JolietIdentifier::order);
    sorted
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// The identifiers of entries given in the byte order of their names, in the order of the entries.
    fn names(names: &[&[u8]]) -> Vec<String> {
        let mut identifiers = identifiers((0..).zip(names.iter().copied()));
        identifiers.sort_by_key(|identifier| identifier.number);
        identifiers
            .into_iter()
            .map(|identifier| {
                let bytes = identifier.bytes();
                let units: Vec<u16> =
                    bytes.chunks_exact(2).map(|unit| u16::from_be_bytes([unit[0], unit[1]])).collect();
                assert!(units.len() <= LENGTH);
                String::from_utf16(&units).expect("no half pair")
            })
            .collect()
    }

    #[test]
    fn names_keep_what_joliet_can_hold() {
        for name in ["product.txt", ".hidden", "été", "emoji_🚀", "UPPER", "trailing."] {
            assert_eq!(names(&[name.as_bytes()]), [name]);
        }
        assert_eq!(names(&[b"a*b/c:d;e?f\\g\x1f"]), ["a_b_c_d_e_f_g_"]);
        assert_eq!(names(&[b"\xff\xfename"]), ["__name"]);
    }

    #[test]
    fn long_names_keep_their_extension() {
        let long = "x".repeat(200) + ".tar";
        assert_eq!(names(&[long.as_bytes()]), ["x".repeat(99) + ".tar"]);
        let all_extension = format!("a.{}", "x".repeat(200));
        assert_eq!(names(&[all_extension.as_bytes()]), [format!("a.{}", "x".repeat(101))]);
    }

    #[test]
    fn a_pair_is_never_cut() {
        let long = "🚀".repeat(60);
        assert_eq!(names(&[long.as_bytes()]), ["🚀".repeat(51)]);
        assert_eq!(units("🚀🚀".as_bytes(), 3).len(), 2);
    }

    #[test]
    fn names_that_fall_together_are_numbered() {
        assert_eq!(names(&[b"a*", b"a:", b"a_"]), ["a_~0", "a_~1", "a_"]);
        assert_eq!(names(&[b"A", b"a"]), ["A", "a"], "case distinguishes names");
    }

    /// Pairs of surrogates (D800 and more) come before U+E000 and what is above, though UTF-8 has them behind.
    #[test]
    fn identifiers_stand_in_the_order_of_their_units() {
        let names: [&[u8]; 9] = [
            b"a",
            b"ab",
            b"b*",
            b"\xe9",
            "\u{e9}".as_bytes(),
            "\u{d7ff}".as_bytes(),
            "\u{1f680}".as_bytes(),
            "\u{e000}".as_bytes(),
            "\u{fffd}z".as_bytes(),
        ];
        let mut sorted = names;
        sorted.sort_unstable();
        assert_ne!(sorted, names);
        let found: Vec<Vec<u8>> =
            identifiers((0..).zip(sorted)).iter().map(JolietIdentifier::bytes).collect();
        assert!(found.is_sorted(), "{found:?}");
        assert_eq!(found.len(), names.len());
    }

    #[test]
    fn a_thousand_names_that_fall_together() {
        let long: Vec<String> = (0..1_500).map(|n| format!("{}{n:06}.txt", "n".repeat(150))).collect();
        let long: Vec<&[u8]> = long.iter().map(String::as_bytes).collect();
        let unique: HashSet<String> = names(&long).into_iter().collect();
        assert_eq!(unique.len(), 1_500);
        assert!(unique.iter().all(|name| name.ends_with(".txt")));
    }
}
