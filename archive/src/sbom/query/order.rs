//! The order of versions in each ecosystem.

use std::cmp::Ordering;

use super::apk;
use crate::sbom::Ecosystem;

/// The order of the version of a package and a version that people write. What the latter leaves out does not count: an epoch, and a
/// release or revision.
///
/// RPM, dpkg and apk have their own rules, packages of Python that of PEP 440. All others have Semantic Versioning, and RPM's rule
/// where a version does not follow it.
pub(super) fn compare(ecosystem: Ecosystem, found: &str, asked: &str) -> Ordering {
    match ecosystem {
        Ecosystem::Rpm => {
            let (found, asked) = (without_epoch(found, asked), asked);
            let (found_epoch, found) = split_epoch(found);
            let (asked_epoch, asked) = split_epoch(asked);
            let parts = |text| str::rsplit_once(text, '-').unwrap_or((text, ""));
            let ((version, release), (other, other_release)) = (parts(found), parts(asked));
            let order = found_epoch.cmp(&asked_epoch);
            let order = order.then_with(|| packages::version::compare(version, other));
            match other_release {
                "" => order,
                other_release => order.then_with(|| packages::version::compare(release, other_release)),
            }
        }
        Ecosystem::Deb => {
            let found = without_epoch(found, asked);
            let found = match (asked.contains('-'), found.rsplit_once('-')) {
                (false, Some((version, _))) => version,
                _ => found,
            };
            packages::debian::compare(found, asked)
        }
        Ecosystem::Apk => {
            let found = match (asked.contains("-r"), found.rsplit_once("-r")) {
                (false, Some((version, _))) => version,
                _ => found,
            };
            apk::compare(found, asked)
        }
        Ecosystem::Pypi => {
            let ((epoch, found), (asked_epoch, asked)) = (python(found), python(asked));
            epoch.cmp(&asked_epoch).then_with(|| packages::version::compare(&found, &asked))
        }
        Ecosystem::Npm | Ecosystem::Golang | Ecosystem::Generic => {
            let plain = |text: &'_ str| text.strip_prefix('v').unwrap_or(text).to_owned();
            let (found, asked) = (plain(found), plain(asked));
            match (semver::Version::parse(&found), semver::Version::parse(&asked)) {
                (Ok(found), Ok(asked)) => found.cmp_precedence(&asked),
                _ => packages::version::compare(&found.replace('-', "~"), &asked.replace('-', "~")),
            }
        }
    }
}

/// The order of two versions of packages, where a missing epoch is 0.
#[must_use]
pub fn compare_versions(ecosystem: Ecosystem, version: &str, other: &str) -> Ordering {
    let has_epochs = matches!(ecosystem, Ecosystem::Rpm | Ecosystem::Deb);
    if has_epochs && !other.contains(':') {
        return compare(ecosystem, version, &format!("0:{other}"));
    }
    compare(ecosystem, version, other)
}

/// A version without its epoch if the other one has none.
fn without_epoch<'a>(found: &'a str, asked: &str) -> &'a str {
    match found.split_once(':') {
        Some((_, rest)) if !asked.contains(':') => rest,
        _ => found,
    }
}

fn split_epoch(version: &str) -> (u64, &str) {
    match version.split_once(':') {
        Some((epoch, rest)) => (epoch.parse().unwrap_or(0), rest),
        None => (0, version),
    }
}

/// The epoch of a version of Python, and the rest in a form that RPM's rule orders as PEP 440 does: pre-releases after `~`, and
/// post-releases after `^`. Local versions do not count.
fn python(version: &str) -> (u64, String) {
    let version = version.trim().to_ascii_lowercase();
    let version = version.strip_prefix('v').unwrap_or(&version);
    let (epoch, version) = match version.split_once('!') {
        Some((epoch, rest)) => (epoch.parse().unwrap_or(0), rest),
        None => (0, version),
    };
    let version = version.split('+').next().unwrap_or_default();
    let end = version.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(version.len());
    let (mut release, mut rest) = version.split_at(end);
    release = release.trim_end_matches('.');
    while let Some(shorter) = release.strip_suffix(".0") {
        release = shorter;
    }
    let mut ordered = release.to_owned();
    while !rest.is_empty() {
        rest = rest.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
        let (word, after) =
            rest.split_at(rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len()));
        let number = after.trim_start_matches(['.', '-', '_']);
        let (digits, next) =
            number.split_at(number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len()));
        ordered += match word {
            "dev" => "~~dev",
            "a" | "alpha" => "~a",
            "b" | "beta" => "~b",
            "c" | "rc" | "pre" | "preview" => "~rc",
            // `1.0-1` is a post-release, too.
            _ => "^post",
        };
        ordered += digits;
        if word.is_empty() && digits.is_empty() {
            break;
        }
        rest = next;
    }
    (epoch, ordered)
}
