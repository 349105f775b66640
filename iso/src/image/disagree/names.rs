//! Whether a name is what a writer makes of another one that a tree cannot hold.

/// Letters of a primary identifier's base from which on it may be cut, and of all of it.
const BASE: usize = 8;
const WHOLE: usize = 28;
/// Characters of a Joliet name from which on it may be cut.
const JOLIET: usize = 60;
/// Letters of an extension from which on it may be cut.
const EXTENSION: usize = 3;

/// Whether a writer may have made the identifier of the primary tree of `name`.
pub(super) fn is_made_of(identifier: &str, name: &str) -> bool {
    let version = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let plain =
        identifier.rsplit_once(';').filter(|(_, text)| version(text)).map_or(identifier, |(name, _)| name);
    let (short, long) = (fold(plain, true), fold(name, true));
    // A folder may have no dot, and a version may be left out.
    if short == long || fold(identifier, true) == long || short == long.replace('.', "_") {
        return true;
    }
    let cut = |base: &str, whole: &str| base.len() >= BASE || whole.len() >= WHOLE;
    // The name of a folder may have no dot.
    resembles(&short, &long, cut, true) || resembles(&short, &long.replace('.', "_"), cut, true)
}

/// Whether an identifier that is not the name itself has no reason: the name is short, and no other one of the folder would
/// have the same identifier. `folded` says how many names of the folder [`fold`] to the same text.
pub(super) fn is_changed_for_nothing(identifier: &str, name: &str, folded: impl Fn(&str) -> usize) -> bool {
    let long = fold(name, true);
    let (base, extension) = split(&long);
    let short = fold(identifier.split(';').next().unwrap_or_default(), true);
    let same = short == long || fold(identifier, true) == long || short == long.replace('.', "_");
    !same && base.len() <= BASE && extension.len() <= EXTENSION && folded(&long) < 2
}

/// Whether a writer may have made the Joliet name of `name`.
pub(super) fn is_joliet_of(joliet: &str, name: &str) -> bool {
    let (short, long) = (fold(joliet, false), fold(name, false));
    // A writer in a locale without UTF-8 takes each byte of a name for a character.
    if short == long || name.bytes().map(char::from).eq(joliet.chars()) {
        return true;
    }
    let beyond = name.chars().any(|character| u32::from(character) > 0xFFFF || character == '\u{FFFD}');
    // Only names that Joliet cannot hold as they are may become equal, and are numbered then.
    let changed = beyond
        || name.ends_with('.')
        || name.chars().any(|character| character.is_control() || "*/:;?\\".contains(character));
    let cut = |_: &str, whole: &str| beyond || whole.chars().count() >= JOLIET;
    (changed || name.chars().count() >= JOLIET) && resembles(&short, &long, cut, beyond)
}

/// Whether `short` is the start of `long`, perhaps with a number at its end, with or without the extension.
fn resembles(short: &str, long: &str, cut: impl Fn(&str, &str) -> bool, cut_extension: bool) -> bool {
    let (base, extension) = split(short);
    let (long_base, long_extension) = split(long);
    let plain = base.trim_end_matches(|character: char| character.is_ascii_digit());
    let numbered = plain.len() < base.len();
    let plain = plain.trim_end_matches(['_', '~']);
    // genisoimage counts in hexadecimal and libarchive in base 36, each in three digits.
    let counted = base.len().checked_sub(3).and_then(|end| base.split_at_checked(end));
    let counted = counted.is_some_and(|(start, number)| {
        cut(base, short)
            && number.bytes().all(|digit| digit.is_ascii_alphanumeric())
            && long_base.starts_with(start.trim_end_matches('_'))
    });
    let base_fits = base == long_base
        || counted
        || (long_base.starts_with(plain) || long.starts_with(base)) && (numbered || cut(base, short));
    let extension_fits = extension == long_extension
        || extension.is_empty() && (cut(base, short) || long_extension.is_empty())
        || cut_extension && extension.len() >= EXTENSION && long_extension.starts_with(extension)
        || cut(base, short) && long_extension.starts_with(extension);
    base_fits && extension_fits
}

fn split(name: &str) -> (&str, &str) {
    name.rsplit_once('.').unwrap_or((name, ""))
}

/// What is left of a name where only letters, digits and the last dot count. In the primary tree the case does not.
pub(super) fn fold(name: &str, primary: bool) -> String {
    let name = name.trim_end_matches(['.', '_']);
    let last = name.rfind('.').filter(|at| *at > 0);
    let mut out = String::with_capacity(name.len());
    for (at, character) in name.char_indices() {
        let kept = match character {
            '.' if Some(at) == last => '.',
            character if character.is_ascii_alphanumeric() && primary => character.to_ascii_uppercase(),
            character if character.is_ascii_alphanumeric() => character,
            character if !primary && !character.is_ascii() && u32::from(character) <= 0xFFFF => character,
            _ => '_',
        };
        // One character may become several.
        if kept != '_' || !out.ends_with('_') {
            out.push(kept);
        }
    }
    // A dot at the end may have become `_`.
    out.truncate(out.trim_end_matches('_').len());
    out
}

#[cfg(test)]
mod tests {
    use super::{is_changed_for_nothing, is_joliet_of, is_made_of};

    #[test]
    fn identifiers_as_writers_make_them() {
        for (identifier, name, expected) in [
            // genisoimage counts in hexadecimal where many names begin alike.
            ("LONG_00A.CON;1", "long-file-name-number-11.conf", true),
            ("LONG_0FF.CON;1", "long-file-name-number-11.conf", true),
            ("LONG_00A.CON;1", "other-file-name.conf", false),
            ("LONG_00A.CON;1", "long-file-name-number-11.txt", false),
            // The name of a folder has no dot.
            ("ETC_D000", "etc.d", true),
            ("DIR_", "dir.", true),
            ("A_.;1", "a..", true),
            ("A_1.;1", "a.", true),
            ("TROJAN.;1", "victim", false),
        ] {
            assert_eq!(is_made_of(identifier, name), expected, "{identifier} of {name}");
        }
    }

    #[test]
    fn a_short_name_is_numbered_only_beside_another_one() {
        assert!(is_changed_for_nothing("F26.;1", "f06", |_| 1));
        assert!(!is_changed_for_nothing("F06.;1", "f06", |_| 1));
        assert!(!is_changed_for_nothing("README00.;1", "readme", |_| 2));
        assert!(!is_changed_for_nothing("LONGNAM1.TXT;1", "longname12.txt", |_| 1));
    }

    #[test]
    fn a_joliet_name_is_changed_only_where_joliet_cannot_hold_it() {
        for (joliet, name, expected) in [
            ("f06", "f06", true),
            ("f26", "f06", false),
            ("a_b000", "a:b", true),
            (&"l".repeat(64), &*"l".repeat(100), true),
        ] {
            assert_eq!(is_joliet_of(joliet, name), expected, "{joliet} of {name}");
        }
    }
}
