//! "Did you mean" for the keys of a file.

/// The most single edits between a name and the one that was probably meant.
const EDITS_MAX: usize = 3;

/// The name that was probably meant by `found`, if one of `names` is close to it.
///
/// ```
/// assert_eq!(content::nearest("imges", ["files", "images"]), Some("images"));
/// assert_eq!(content::nearest("unrelated", ["files", "images"]), None);
/// ```
#[must_use]
pub fn nearest<'a>(found: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let distances = names.into_iter().map(|name| (strsim::damerau_levenshtein(found, name), name));
    distances.filter(|(distance, _)| *distance <= EDITS_MAX).min().map(|(_, name)| name)
}
