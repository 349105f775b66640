//! RPM's rule for comparing versions.

use std::cmp::Ordering;

/// The order of two versions, or of two releases, by the rule of RPM (rpm-version(7)).
///
/// Runs of digits and runs of letters are compared one after the other; a number is newer than letters. What follows `~` is
/// older than nothing, and what follows `^` is newer than nothing and older than anything else. All other characters only
/// separate.
///
/// ```
/// use std::cmp::Ordering;
///
/// assert_eq!(packages::version::compare("1.10", "1.9"), Ordering::Greater);
/// assert_eq!(packages::version::compare("1.0~rc1", "1.0"), Ordering::Less);
/// assert_eq!(packages::version::compare("1.0^git1", "1.0"), Ordering::Greater);
/// assert_eq!(packages::version::compare("1.0^git1", "1.0.1"), Ordering::Less);
/// ```
#[must_use]
pub fn compare(first: &str, second: &str) -> Ordering {
    let (mut first, mut second) = (first, second);
    loop {
        (first, second) = (without_separators(first), without_separators(second));
        match (first.strip_prefix('~'), second.strip_prefix('~')) {
            (Some(after), Some(other)) => {
                (first, second) = (after, other);
                continue;
            }
            (Some(_), None) => return Ordering::Less,
            (None, Some(_)) => return Ordering::Greater,
            (None, None) => {}
        }
        match (first.strip_prefix('^'), second.strip_prefix('^')) {
            (Some(after), Some(other)) => {
                (first, second) = (after, other);
                continue;
            }
            // A suffix after `^` is newer than nothing, and older than anything else.
            (Some(_), None) => return if second.is_empty() { Ordering::Greater } else { Ordering::Less },
            (None, Some(_)) => return if first.is_empty() { Ordering::Less } else { Ordering::Greater },
            (None, None) => {}
        }
        if first.is_empty() || second.is_empty() {
            return first.len().cmp(&second.len());
        }
        let numeric = first.starts_with(|c: char| c.is_ascii_digit());
        let (run, after) = split_run(first, numeric);
        let (other_run, other_after) = split_run(second, numeric);
        if other_run.is_empty() {
            // A number is newer than letters.
            return if numeric { Ordering::Greater } else { Ordering::Less };
        }
        let order = if numeric {
            let (run, other_run) = (run.trim_start_matches('0'), other_run.trim_start_matches('0'));
            run.len().cmp(&other_run.len()).then_with(|| run.cmp(other_run))
        } else {
            run.cmp(other_run)
        };
        if order.is_ne() {
            return order;
        }
        (first, second) = (after, other_after);
    }
}

fn without_separators(text: &str) -> &str {
    text.trim_start_matches(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '~' | '^'))
}

/// The digits, or else the letters, that a text starts with, and the rest of it.
fn split_run(text: &str, numeric: bool) -> (&str, &str) {
    let ends = |c: char| if numeric { !c.is_ascii_digit() } else { !c.is_ascii_alphabetic() };
    text.split_at(text.find(ends).unwrap_or(text.len()))
}

/// The parts of `[epoch:]version[-release]` as RPM splits it: an epoch is made of digits, and none or an empty one is 0.
pub(crate) fn split(text: &str) -> (&str, &str, Option<&str>) {
    let (epoch, rest) = match text.split_once(':') {
        Some((epoch, rest)) if epoch.bytes().all(|digit| digit.is_ascii_digit()) => (epoch, rest),
        _ => ("", text),
    };
    let epoch = if epoch.is_empty() { "0" } else { epoch };
    match rest.rsplit_once('-') {
        Some((version, release)) => (epoch, version, Some(release)),
        None => (epoch, rest, None),
    }
}
