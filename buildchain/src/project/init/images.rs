//! The images of a folder: those that it builds, and those that its files name.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use content::{IoError, LinkPolicy};
use images::build::containerfile;
use images::find::{self, Certainty, FindOptions, FindRule, FoundImage, FoundImages};
use images::{Platform, Reference};

use super::survey::{FoundKind, Survey};
use crate::project::found::name_and_tag;
use crate::project::lists::read_list;
use crate::project::names::{ImageName, ParsedName as _};
use crate::project::settings::Settings;

/// The largest `Containerfile` that is read, in bytes.
const CONTAINERFILE_MAX: u64 = 1 << 20;
/// The largest list that is read, in bytes.
const LIST_MAX: u64 = 16 << 20;
/// The most images that are written, and the most that are comments.
const IMAGES_MAX: usize = 2000;
const COMMENTS_MAX: usize = 50;
/// How many files a warning names.
const FILES_SHOWN: usize = 3;
/// Names of folders that say nothing about the image.
const GENERIC: [&str; 9] =
    ["build", "container", "containers", "docker", "image", "images", "package", "src", "dockerfiles"];

/// An image to build.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BuildLine {
    /// Its folder; empty for the project's own.
    pub(super) folder: PathBuf,
    pub(super) name: String,
    /// Whether the folder has another name.
    pub(super) is_renamed: bool,
    /// Whether its context is the folder of the project.
    pub(super) has_root_context: bool,
    /// Whether it has base images, which must be locked.
    pub(super) has_bases: bool,
}

/// An image to pull.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PullLine {
    /// Its name, if it is not the last part of its repository.
    pub(super) name: Option<String>,
    /// Its reference, with its tag.
    pub(super) source: String,
    pub(super) platform: Option<&'static str>,
    /// The first place that names it, and what else is to be said.
    pub(super) comment: String,
}

/// A list of images.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ListLine {
    /// The file, relative to the project.
    pub(super) file: PathBuf,
    /// The platform that the name of the file says.
    pub(super) platform: Option<&'static str>,
    /// Whether its images are named by the whole path of their repository.
    pub(super) is_scoped: bool,
}

/// What the entries are made from.
#[derive(Debug, Default)]
pub(super) struct ImagesPlan {
    pub(super) build: Vec<BuildLine>,
    /// What cannot be built, with the reason.
    pub(super) not_built: Vec<String>,
    pub(super) pull: Vec<PullLine>,
    /// What only looks like an image, or is one that the project builds.
    pub(super) maybe: Vec<PullLine>,
    /// The places whose image is computed.
    pub(super) computed: Vec<String>,
    /// How many comments are left out.
    pub(super) more: usize,
    pub(super) lists: Vec<ListLine>,
    /// The number of images in these lists.
    pub(super) listed: usize,
    pub(super) warnings: Vec<String>,
}

/// Plans the images of the folder `root`, which `survey` looked at. `slug` is the name of the project in lower case.
///
/// # Errors
///
/// The folder cannot be read.
pub(super) fn plan(
    root: &Path,
    survey: &Survey,
    settings: &Settings,
    slug: &str,
) -> Result<ImagesPlan, IoError> {
    let mut plan = ImagesPlan::default();
    build(root, survey, slug, &mut plan);
    let skip = survey.ignored.iter().map(|(path, _)| path).chain(&survey.aside);
    let options =
        FindOptions { skip: skip.map(|path| root.join(path)).collect(), helm: settings.program("helm") };
    let found = find::find(&[root.to_owned()], &options)?;
    let mut incomplete: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for file in &found.incomplete {
        incomplete.entry(&file.reason).or_default().push(shown(root, &file.path));
    }
    for (reason, mut files) in incomplete {
        if let Some(more) = files.len().checked_sub(FILES_SHOWN).filter(|more| *more > 0) {
            files.truncate(FILES_SHOWN);
            files.push(format!("{more} more"));
        }
        plan.warnings.push(format!("{}: {reason}", files.join(", ")));
    }
    pull(root, &found, &mut plan);
    Ok(plan)
}

/// A path of the folder, for people.
fn shown(root: &Path, path: &Path) -> String {
    let inner = path.strip_prefix(root).unwrap_or(path);
    let inner = if inner.as_os_str().is_empty() { Path::new(".") } else { inner };
    content::printable_path(inner).to_string()
}

fn build(root: &Path, survey: &Survey, slug: &str, plan: &mut ImagesPlan) {
    let mut folders: BTreeMap<&Path, &Path> = BTreeMap::new();
    for file in &survey.files {
        let folder = file.path.parent().unwrap_or(Path::new(""));
        match file.kind {
            // A folder with both is built from its `Containerfile`, which comes first.
            FoundKind::Containerfile => drop(folders.entry(folder).or_insert(&file.path)),
            FoundKind::OtherContainerfile => {
                let file = shown(root, &root.join(&file.path));
                plan.not_built.push(format!(
                    "{file}: an image to build needs a folder with a file named Containerfile or Dockerfile"
                ));
            }
            _ => {}
        }
    }
    let mut names = BTreeSet::new();
    for (folder, file) in folders {
        let Some(text) = folder.to_str() else { continue };
        let place = shown(root, &root.join(file));
        if root.join(folder).join("image.yaml").exists() {
            plan.not_built.push(format!(
                "{place}: its folder also has an image.yaml, and an image is built from one of them"
            ));
            continue;
        }
        let content = match content::open_text(&root.join(file), LinkPolicy::Refuse, CONTAINERFILE_MAX) {
            Ok(content) => content,
            Err(error) => {
                plan.not_built.push(error.to_string());
                continue;
            }
        };
        let bases = match containerfile::bases(&content, &BTreeMap::new(), &Platform::host()) {
            Ok(bases) => bases,
            Err(error) => {
                plan.not_built.push(format!("{place}:{}: {}", error.line, error.reason));
                continue;
            }
        };
        let last = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let short = if last.is_empty() || GENERIC.contains(&last) { slug } else { last };
        let name = [image_name(short), image_name(text), image_name(&format!("{slug}/{text}"))]
            .into_iter()
            .flatten()
            .find(|name| names.insert(name.clone()));
        let Some(name) = name else {
            plan.not_built
                .push(format!("{place}: no name of an image can be made of the name of its folder"));
            continue;
        };
        let is_at = |base: &Path, path: &String| {
            let path = path.trim_start_matches("./").trim_start_matches('/');
            !path.is_empty() && base.join(path).symlink_metadata().is_ok()
        };
        let copied = containerfile::copied(&content);
        let is_inner = |path: &String| is_at(&root.join(folder), path);
        let has_root_context = !text.is_empty()
            && !copied.iter().all(is_inner)
            && copied.iter().filter(|path| !is_inner(path)).any(|path| is_at(root, path));
        plan.build.push(BuildLine {
            folder: folder.to_owned(),
            is_renamed: name != last,
            name,
            has_root_context,
            has_bases: !bases.is_empty(),
        });
    }
}

/// The name of an image made of `text`: in lower case, with `-` for what no name has.
fn image_name(text: &str) -> Option<String> {
    let part = |part: &str| {
        let mut name = String::new();
        for character in part.chars().map(|character| character.to_ascii_lowercase()) {
            if character.is_ascii_lowercase() || character.is_ascii_digit() {
                name.push(character);
            } else if !name.is_empty() && !name.ends_with(['.', '-', '_']) {
                name.push(if matches!(character, '.' | '_') { character } else { '-' });
            }
        }
        name.trim_end_matches(['.', '-', '_']).to_owned()
    };
    let name = text.split('/').map(part).filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/");
    ImageName::parse(&name).ok().map(|_| name)
}

/// The names of images, each with its tag and the repository that has it.
type Names = BTreeMap<(String, String), String>;

/// Plans the lists among the files that name images. Returns those of the files that became entries.
fn lists<'a>(
    root: &Path,
    found: &'a FoundImages,
    names: &mut Names,
    plan: &mut ImagesPlan,
) -> BTreeSet<&'a Path> {
    let is_list = |image: &&FoundImage| image.rule == FindRule::List;
    let paths: BTreeSet<&Path> =
        found.images.iter().filter(is_list).map(|image| image.path.as_path()).collect();
    let mut planned = BTreeSet::new();
    for path in paths {
        let Some(file) = path.strip_prefix(root).ok().filter(|file| file.to_str().is_some()) else {
            continue;
        };
        let text = content::open_text(path, LinkPolicy::Refuse, LIST_MAX).unwrap_or_default();
        let listed = match read_list(path, &text, &|_| false) {
            Ok(listed) => listed,
            Err(error) => {
                let message = error.to_string();
                let first = message.lines().next().unwrap_or_default();
                plan.warnings.push(format!(
                    "its images are entries of their own, because no list can have this: {first}"
                ));
                continue;
            }
        };
        let fitting = [false, true].into_iter().find_map(|is_scoped| {
            let mut names = names.clone();
            for image in listed.iter().filter(|image| image.selection.is_none()) {
                let repository = image.reference.repository();
                let last = repository.rsplit('/').next().unwrap_or_default();
                let name = if is_scoped { repository } else { last };
                let key = (name.to_owned(), image.reference.tag().unwrap_or_default().to_owned());
                let other = names.insert(key, image.reference.name().to_string());
                if other.is_some_and(|other| other != image.reference.name()) {
                    return None;
                }
            }
            Some((is_scoped, names))
        });
        let Some((is_scoped, more)) = fitting else { continue };
        *names = more;
        plan.listed += listed.len();
        plan.lists.push(ListLine { file: file.to_owned(), platform: platform_of(path), is_scoped });
        planned.insert(path);
    }
    planned
}

fn pull(root: &Path, found: &FoundImages, plan: &mut ImagesPlan) {
    let mut listed_names = Names::new();
    let lists = lists(root, found, &mut listed_names, plan);
    let mut by_reference: BTreeMap<&Reference, Vec<&FoundImage>> = BTreeMap::new();
    for image in &found.images {
        by_reference.entry(&image.reference).or_default().push(image);
    }
    by_reference.retain(|_, places| !places.iter().any(|place| lists.contains(place.path.as_path())));
    for computed in found.computed.iter().filter(|computed| !lists.contains(computed.path.as_path())) {
        let place = place(root, &computed.path, computed.line);
        plan.computed.push(format!("{}  {place}", content::printable(&computed.written)));
    }
    let mut names: BTreeSet<(String, String)> = listed_names.into_keys().collect();
    let mut known: BTreeSet<String> = BTreeSet::new();
    let mut maybe = Vec::new();
    for (reference, mut places) in by_reference {
        places.sort_by_key(|place| std::cmp::Reverse(place.certainty));
        let Some(first) = places.first() else { continue };
        let built = plan.build.iter().find(|build| is_built(reference, &build.name));
        if first.certainty == Certainty::Maybe || built.is_some() {
            maybe.push((reference, places, built.map(|build| build.name.clone())));
            continue;
        }
        plan.pull.extend(line(root, reference, &places, &mut names, &mut known));
    }
    for (reference, places, built) in maybe {
        let Some(mut line) = line(root, reference, &places, &mut names, &mut known) else { continue };
        if let Some(name) = built {
            line.comment.push_str(&format!(", perhaps `{name}` above"));
        }
        plan.maybe.push(line);
    }
    if plan.pull.len() > IMAGES_MAX {
        plan.warnings.push(format!("{} images: only {IMAGES_MAX} are written", plan.pull.len()));
        plan.pull.truncate(IMAGES_MAX);
    }
    for count in [plan.maybe.len(), plan.computed.len(), plan.not_built.len()] {
        plan.more += count.saturating_sub(COMMENTS_MAX);
    }
    plan.maybe.truncate(COMMENTS_MAX);
    plan.computed.truncate(COMMENTS_MAX);
    plan.not_built.truncate(COMMENTS_MAX);
}

/// Whether a reference may mean the image `name` that the project builds.
fn is_built(reference: &Reference, name: &str) -> bool {
    reference.digest().is_none() && format!("/{}", reference.repository()).ends_with(&format!("/{name}"))
}

fn place(root: &Path, path: &Path, line: Option<u64>) -> String {
    match line {
        Some(line) => format!("{}:{line}", shown(root, path)),
        None => shown(root, path),
    }
}

/// The entry for a reference; `None` if another one is the same.
fn line(
    root: &Path,
    reference: &Reference,
    places: &[&FoundImage],
    names: &mut BTreeSet<(String, String)>,
    known: &mut BTreeSet<String>,
) -> Option<PullLine> {
    let first = places.first()?;
    let (name, tag) = name_and_tag(reference, names)?;
    // The same tag with and without a digest is one image.
    let mut source = format!("{}/{}:{tag}", reference.registry(), reference.repository());
    if !known.insert(source.clone()) {
        return None;
    }
    let short = reference.repository().rsplit('/').next().unwrap_or_default();
    let own_name = (name != short).then(|| name.clone());
    names.insert((name, tag));
    let mut comment = place(root, &first.path, first.line);
    if places.iter().all(|place| place.is_untagged) {
        comment.push_str(", which names no tag");
    }
    if first.is_app_version {
        comment.push_str(", with the tag from appVersion");
    }
    let is_list = places.iter().all(|place| place.rule == FindRule::List);
    let platform = is_list.then(|| platform_of(&first.path)).flatten();
    if let Some(digest) = reference.digest() {
        source.push_str(&format!("@{digest}"));
    }
    Some(PullLine { name: own_name, source, platform, comment })
}

/// The platform that the name of a list says: `linux/amd64` of `rke2-images.linux-amd64.txt`.
fn platform_of(path: &Path) -> Option<&'static str> {
    let name = path.file_name()?.to_str()?.to_ascii_lowercase();
    [
        ("amd64", "linux/amd64"),
        ("x86_64", "linux/amd64"),
        ("arm64", "linux/arm64"),
        ("aarch64", "linux/arm64"),
        ("s390x", "linux/s390x"),
        ("ppc64le", "linux/ppc64le"),
    ]
    .into_iter()
    .find_map(|(word, platform)| name.contains(word).then_some(platform))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_images() {
        let cases = [
            ("web", Some("web")),
            ("Web App", Some("web-app")),
            ("a/B_c", Some("a/b_c")),
            ("--x..y--", Some("x.y")),
            ("日本", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(image_name(text).as_deref(), expected, "{text}");
        }
    }
}
