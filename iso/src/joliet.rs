//! Names of the Joliet tree: UCS-2, here UTF-16 with real surrogate pairs, at most 103 units.
//!
//! The specification says 64 units; 103 is what `-joliet-long` of the peers writes and every reader shows.

use std::collections::HashSet;

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

/// A name with the characters that the specification forbids replaced, uncut; and whether it is still itself and fits.
fn allowed(name: &[u8]) -> (Vec<u16>, bool) {
    let mut units = units(name, usize::MAX);
    let mut exact = units.len() <= LENGTH && str::from_utf8(name).is_ok();
    for unit in &mut units {
        if *unit < 0x20 || [b'*', b'/', b':', b';', b'?', b'\\'].map(u16::from).contains(unit) {
            *unit = u16::from(b'_');
            exact = false;
        }
    }
    (units, exact)
}

/// `name` cut to [`LENGTH`] units with `tail` at the end of its base and its extension kept.
fn cut(name: &[u16], tail: &str) -> Vec<u16> {
    let dot = name.iter().rposition(|unit| *unit == u16::from(b'.')).filter(|dot| *dot > 0);
    // An extension that would eat more than half of the name is none.
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

/// The identifiers of one folder's entries, given in the byte order of their names and answered in the same order.
pub(crate) fn identifiers<'a>(names: impl Iterator<Item = &'a [u8]>) -> Vec<Vec<u8>> {
    let names: Vec<(Vec<u16>, bool)> = names.map(allowed).collect();
    let bytes = |name: &[u16]| name.iter().flat_map(|unit| unit.to_be_bytes()).collect();
    if names.iter().all(|(_, exact)| *exact) {
        // A folder of a million names has to fit into memory: each is let go as its bytes are made.
        return names.into_iter().map(|(name, _)| bytes(&name)).collect();
    }
    let exact: HashSet<&[u16]> =
        names.iter().filter(|(_, exact)| *exact).map(|(name, _)| name.as_slice()).collect();
    let mut taken: HashSet<Vec<u16>> = HashSet::new();
    let mut number = 0_usize;
    names
        .iter()
        .map(|(name, is_exact)| {
            if *is_exact {
                return bytes(name);
            }
            let mut chosen = cut(name, "");
            while exact.contains(chosen.as_slice()) || !taken.insert(chosen.clone()) {
                chosen = cut(name, &format!("~{number}"));
                number += 1;
            }
            bytes(&chosen)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&[u8]]) -> Vec<String> {
        identifiers(names.iter().copied())
            .into_iter()
            .map(|bytes| {
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
        assert_eq!(names(&[b"A", b"a"]), ["A", "a"], "case tells names apart");
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
