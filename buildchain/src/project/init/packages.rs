//! The packages of a folder: which repositories they belong to, and the patterns that stand for them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::survey::{FoundKind, Survey};
use super::text;
use crate::project::names::path_glob;

/// The release of packages that say none.
const RELEASE: &str = "9";
/// How many folders have patterns of their own.
const FOLDERS_ALONE: usize = 4;

/// An entry of `spec.packages`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RepositoryLine {
    pub(super) release: String,
    /// Whether nothing says which release the packages are for.
    pub(super) is_guess: bool,
    pub(super) rpms: Vec<String>,
    pub(super) exclude: Vec<String>,
}

/// What the entries are made from.
#[derive(Debug, Default)]
pub(super) struct PackagesPlan {
    pub(super) lines: Vec<RepositoryLine>,
    /// The number of packages in the repositories.
    pub(super) rpms: usize,
    pub(super) warnings: Vec<String>,
}

/// A package.
struct Rpm {
    path: PathBuf,
    text: String,
    release: Option<String>,
}

/// Plans the repositories of the packages that `survey` found in `root`.
pub(super) fn plan(root: &Path, survey: &Survey) -> PackagesPlan {
    let mut plan = PackagesPlan::default();
    let mut rpms = Vec::new();
    let mut left_out: BTreeSet<String> = BTreeSet::new();
    let mut known: BTreeSet<(Option<String>, String)> = BTreeSet::new();
    for file in survey.files.iter().filter(|file| file.kind == FoundKind::Rpm) {
        let Some(text) = file.path.to_str().map(str::to_owned) else { continue };
        match packages::repository::identify(&root.join(&file.path)) {
            Ok(identity) if identity.is_source() => drop(left_out.insert(text)),
            Ok(identity) => {
                let name = identity.to_string();
                let release = release_of_name(&text)
                    .or_else(|| release_of_name(&name))
                    .or_else(|| release_of_path(&file.path));
                if known.insert((release.clone(), name)) {
                    rpms.push(Rpm { path: file.path.clone(), text, release });
                } else {
                    plan.warnings
                        .push(format!("{}: another file has the same package", text::comment(&text)));
                    left_out.insert(text);
                }
            }
            Err(error) => {
                plan.warnings.push(error.to_string());
                left_out.insert(text);
            }
        }
    }
    // What git ignores matches a pattern of its folder, too.
    for (path, is_folder) in &survey.ignored {
        let is_rpm = !is_folder && path.extension().is_some_and(|ending| ending == "rpm");
        left_out.extend(path.to_str().filter(|_| is_rpm).map(str::to_owned));
    }
    plan.rpms = rpms.len();
    let releases: BTreeSet<&String> = rpms.iter().filter_map(|rpm| rpm.release.as_ref()).collect();
    let guess = RELEASE.to_owned();
    let is_guess = releases.is_empty();
    // Packages that say no release are for all of them.
    let releases = if is_guess { vec![&guess] } else { releases.into_iter().collect() };
    for release in releases {
        let (wanted, others): (Vec<&Rpm>, Vec<&Rpm>) =
            rpms.iter().partition(|rpm| rpm.release.as_ref().is_none_or(|own| own == release));
        if wanted.is_empty() {
            continue;
        }
        let (rpms, exclude) = patterns(&wanted, &others, &left_out, release);
        plan.lines.push(RepositoryLine { release: release.clone(), is_guess, rpms, exclude });
    }
    plan
}

/// The patterns that match the `wanted` packages and no other one, and those of what to leave out of them.
fn patterns(
    wanted: &[&Rpm],
    others: &[&Rpm],
    left_out: &BTreeSet<String>,
    release: &str,
) -> (Vec<String>, Vec<String>) {
    let mut folders: BTreeMap<&Path, Vec<&str>> = BTreeMap::new();
    for rpm in wanted {
        folders.entry(rpm.path.parent().unwrap_or(Path::new(""))).or_default().push(&rpm.text);
    }
    let is_exact = |pattern: &str| {
        path_glob(pattern).is_ok_and(|glob| others.iter().all(|rpm| !glob.is_match(&rpm.text)))
    };
    let below = |folder: &Path, rest: &str| {
        let folder = text::glob(&folder.to_string_lossy());
        if folder.is_empty() { rest.to_owned() } else { format!("{folder}/{rest}") }
    };
    let mut rpms = Vec::new();
    let common = below(&common(folders.keys().copied()), "**/*.rpm");
    if folders.len() > FOLDERS_ALONE && is_exact(&common) {
        rpms.push(common);
    } else {
        for (folder, files) in folders {
            let all = below(folder, "*.rpm");
            let of_release = below(folder, &format!("*el{release}*.rpm"));
            let has_all = |pattern: &str| {
                path_glob(pattern).is_ok_and(|glob| files.iter().all(|file| glob.is_match(file)))
            };
            if is_exact(&all) {
                rpms.push(all);
            } else if is_exact(&of_release) && has_all(&of_release) {
                rpms.push(of_release);
            } else {
                rpms.extend(files.iter().map(|file| text::glob(file)));
            }
        }
    }
    let globs: Vec<_> = rpms.iter().filter_map(|pattern| path_glob(pattern).ok()).collect();
    let matched: Vec<&String> =
        left_out.iter().filter(|file| globs.iter().any(|glob| glob.is_match(file))).collect();
    let is_source = |file: &&&String| file.ends_with(".src.rpm") || file.ends_with(".nosrc.rpm");
    let (sources, single): (Vec<&String>, Vec<&String>) = matched.iter().partition(|file| is_source(file));
    let mut exclude = Vec::new();
    for ending in [".src.rpm", ".nosrc.rpm"] {
        exclude.extend(sources.iter().any(|file| file.ends_with(ending)).then(|| format!("*{ending}")));
    }
    exclude.extend(single.iter().map(|file| text::pattern(file, false)));
    (rpms, exclude)
}

/// The deepest folder that all `folders` are in.
fn common<'a>(mut folders: impl Iterator<Item = &'a Path>) -> PathBuf {
    let mut common = folders.next().unwrap_or(Path::new("")).to_owned();
    for folder in folders {
        while !folder.starts_with(&common) && common.pop() {}
    }
    common
}

/// The release in the name of a package: `8` of `hello-1.0-1.el8_5.x86_64.rpm`.
fn release_of_name(name: &str) -> Option<String> {
    let file = name.rsplit('/').next().unwrap_or(name);
    file.match_indices("el").find_map(|(at, _)| {
        let before = file.get(..at)?.chars().next_back()?;
        number(file.get(at + 2..)?).filter(|_| !before.is_ascii_alphanumeric())
    })
}

/// The release that a folder names: `9` of `rpms/el9/x86_64`, `8` of `centos/8`.
fn release_of_path(path: &Path) -> Option<String> {
    let mut parts = path.parent()?.iter().filter_map(|part| part.to_str());
    let prefixes = ["el", "rhel", "centos", "rocky", "alma", "almalinux", "redhat", "ol"];
    parts
        .rfind(|part| release_of_part(part, &prefixes).is_some())
        .and_then(|part| release_of_part(part, &prefixes))
}

fn release_of_part(part: &str, prefixes: &[&str]) -> Option<String> {
    let part = part.to_ascii_lowercase();
    let rest = prefixes.iter().find_map(|prefix| part.strip_prefix(prefix)).unwrap_or(&part);
    let rest = rest.trim_start_matches(['-', '_']);
    number(rest).filter(|number| number.len() == rest.len())
}

/// The number of one or two digits at the start of `text`.
fn number(text: &str) -> Option<String> {
    let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
    (1..=2).contains(&digits.len()).then_some(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_release_of_a_package() {
        let cases = [
            ("hello-1.0-1.el8.x86_64.rpm", Some("8")),
            ("a/hello-1.0-1.el9_4.noarch.rpm", Some("9")),
            ("hello-1.0-1.module_el8.5.0+1+2.x86_64.rpm", Some("8")),
            ("hello-1.0-1.el10.noarch.rpm", Some("10")),
            ("hello-1.0-1.noarch.rpm", None),
            ("model9-1.0-1.noarch.rpm", None),
            ("hello-1.0-1.fc40.noarch.rpm", None),
            ("hello-1.0-1.el7777.noarch.rpm", None),
        ];
        for (name, expected) in cases {
            assert_eq!(release_of_name(name).as_deref(), expected, "{name}");
        }
        let cases = [
            ("rpms/el9/x86_64/a.rpm", Some("9")),
            ("centos/8/a.rpm", Some("8")),
            ("redhat-8/x/9/a.rpm", Some("9")),
            ("RHEL_8/a.rpm", Some("8")),
            ("rpms/a.rpm", None),
            ("x86_64/2024/a.rpm", None),
        ];
        for (path, expected) in cases {
            assert_eq!(release_of_path(Path::new(path)).as_deref(), expected, "{path}");
        }
    }
}
