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
    resembles(&short, &long, cut, true)
}

/// Whether a writer may have made the Joliet name of `name`.
pub(super) fn is_joliet_of(joliet: &str, name: &str) -> bool {
    let (short, long) = (fold(joliet, false), fold(name, false));
    // A writer in a locale without UTF-8 takes each byte of a name for a character.
    if short == long || name.bytes().map(char::from).eq(joliet.chars()) {
        return true;
    }
    let beyond = name.chars().any(|character| u32::from(character) > 0xFFFF || character == '\u{FFFD}');
    let cut = |_: &str, whole: &str| beyond || whole.chars().count() >= JOLIET;
    resembles(&short, &long, cut, beyond)
}

/// Whether `short` is the start of `long`, perhaps with a number at its end, with or without the extension.
fn resembles(short: &str, long: &str, cut: impl Fn(&str, &str) -> bool, cut_extension: bool) -> bool {
    let (base, extension) = split(short);
    let (long_base, long_extension) = split(long);
    let plain = base.trim_end_matches(|character: char| character.is_ascii_digit());
    let numbered = plain.len() < base.len();
    let plain = plain.trim_end_matches(['_', '~']);
    let base_fits = base == long_base
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
fn fold(name: &str, primary: bool) -> String {
    let name = name.trim_end_matches('.');
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
    out
}
