//! What an archive requires of others: `requires.json`, and the versions of MetalK8s that a Solution needs.
//!
//! An archive can leave out images and packages that another archive has, which must then be imported first. It names that
//! archive with a range of versions, and the contents that it uses.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use content::{Digest, printable};
use images::manifest::MANIFEST_MAX;
use images::reference::{check_repository, check_tag};
use images::tags;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::solution::PlatformRequirement;
use crate::tree::EntryKind;
use crate::{Error, Product, Result, Tree, id, layout};

/// The most bytes of a `requires.json`.
pub const LIMIT: u64 = 4 << 20;

const API_VERSION: &str = "sealift.dev/v1alpha1";
const KIND: &str = "ArchiveRequirements";

/// An archive that another one requires.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Requirement {
    /// Its name; capitals do not count.
    pub name: String,
    /// The range of its versions; `None` for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<VersionRange>,
    /// The images that it must have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<RequiredImage>,
    /// The packages that it must have, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub packages: Vec<String>,
    /// Whether it is the requirement of MetalK8s that a Solution has. It means the running platform, whose archive need not be
    /// on the node.
    #[serde(skip)]
    pub of_platform: bool,
}

/// A range of versions: `>=2.7 <2.8`.
///
/// ```
/// let range: archive::requires::VersionRange = ">=2.7 <2.8".parse()?;
/// assert!(range.contains("2.7.3") && !range.contains("2.8.0") && !range.contains("2.7.4-dev"));
/// # Ok::<(), archive::requires::RequirementError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionRange {
    text: String,
    range: tags::VersionRange,
}

/// An image that another archive must have: `nginx:1.25`, or `nginx:1.25@sha256:…`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequiredImage {
    /// The name below `images/`.
    pub name: String,
    /// The tag.
    pub tag: String,
    /// The digest that the tag must have.
    pub digest: Option<Digest>,
}

/// Text that is not a range of versions or not an image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not {expected}: {}", printable(text), printable(reason))]
pub struct RequirementError {
    text: String,
    expected: &'static str,
    reason: String,
}

impl VersionRange {
    /// Whether `version` is in the range, by the rules that ranges of tags have: a pre-release is in the range only if its
    /// comparisons have one (`>=2.7-0`). Versions that do not follow Semantic Versioning are in no range.
    #[must_use]
    pub fn contains(&self, version: &str) -> bool {
        tags::version(version).is_some_and(|version| self.range.contains(&version))
    }

    /// As [`VersionRange::contains`], for the running platform: its pre-release counts as the release that it precedes, unless the
    /// range has a pre-release. `>=2.0` holds for 2.10.0-alpha1, and `<2.10` does not.
    #[must_use]
    pub fn contains_platform(&self, version: &str) -> bool {
        tags::version(version).is_some_and(|version| self.range.contains_release_of(&version))
    }
}

/// The most characters of a range.
const RANGE_MAX: usize = 400;

impl FromStr for VersionRange {
    type Err = RequirementError;

    fn from_str(text: &str) -> Result<Self, RequirementError> {
        let wrong = |reason: String| RequirementError {
            text: text.chars().take(RANGE_MAX).collect(),
            expected: "a range of versions such as `>=2.7 <2.8`",
            reason,
        };
        if text.len() > RANGE_MAX || !text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            return Err(wrong(format!("expected at most {RANGE_MAX} printable ASCII characters")));
        }
        let range = tags::VersionRange::parse(text).map_err(wrong)?;
        Ok(Self { text: text.to_owned(), range })
    }
}

impl fmt::Display for VersionRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for RequiredImage {
    type Err = RequirementError;

    fn from_str(text: &str) -> Result<Self, RequirementError> {
        let wrong = |reason: String| RequirementError {
            text: text.to_owned(),
            expected: "an image of an archive such as `nginx:1.25`",
            reason,
        };
        let (tagged, digest) = match text.split_once('@') {
            Some((tagged, digest)) => {
                (tagged, Some(digest.parse::<Digest>().map_err(|error| wrong(error.to_string()))?))
            }
            None => (text, None),
        };
        let (name, tag) = tagged.rsplit_once(':').ok_or_else(|| wrong("it has no tag".into()))?;
        check_repository(name).map_err(|reason| wrong(format!("its name {reason}")))?;
        check_tag(tag).map_err(|reason| wrong(format!("its tag {reason}")))?;
        Ok(Self { name: name.to_owned(), tag: tag.to_owned(), digest })
    }
}

impl fmt::Display for RequiredImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.name, self.tag)?;
        self.digest.map_or(Ok(()), |digest| write!(f, "@{digest}"))
    }
}

/// Serialized as text.
macro_rules! as_text {
    ($($name:ident),*) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

as_text!(VersionRange, RequiredImage);

/// `MetalK8s >=2.7 <2.8`.
impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", printable(&self.name))?;
        self.version.as_ref().map_or(Ok(()), |version| write!(f, " {version}"))
    }
}

/// The content of `requires.json`.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Requirements {
    api_version: String,
    kind: String,
    requires: Vec<Requirement>,
}

/// The content of `requires.json` with these requirements.
#[must_use]
pub fn render(requires: &[Requirement]) -> String {
    let content =
        Requirements { api_version: API_VERSION.into(), kind: KIND.into(), requires: requires.to_vec() };
    // Text, lists and objects with text as keys can always be written.
    serde_json::to_string_pretty(&content).unwrap_or_default() + "\n"
}

/// Parses the content of a `requires.json`.
///
/// # Errors
///
/// [`Error::Content`]: invalid JSON, another kind, an unknown key, an invalid name, range or image. A later version may
/// require more than this one can check, so unknown keys are refused.
pub fn parse(text: &str) -> Result<Vec<Requirement>> {
    let wrong = |problem: String| Error::Content { file: layout::REQUIRES.into(), problem };
    let content: Requirements = serde_json::from_str(text).map_err(|error| wrong(error.to_string()))?;
    if content.api_version != API_VERSION || content.kind != KIND {
        let (version, kind) = (content.api_version, content.kind);
        return Err(wrong(format!("expected {API_VERSION} and {KIND}, found {version} and {kind}")));
    }
    for requirement in &content.requires {
        if !id::is_name(&requirement.name) {
            return Err(wrong(format!("`{}` is not the name of an archive", requirement.name)));
        }
        if let Some(package) = requirement.packages.iter().find(|package| !is_package(package)) {
            return Err(wrong(format!("`{package}` is not the name of a package")));
        }
    }
    Ok(content.requires)
}

/// Whether `text` can name a package of a distribution: `containerd`, `libstdc++`.
#[must_use]
pub fn is_package(text: &str) -> bool {
    text.len() <= 255
        && text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text.chars().all(|letter| letter.is_ascii_alphanumeric() || "._+-".contains(letter))
}

/// What the `requires.json` of an archive says.
///
/// # Errors
///
/// Those of [`parse`]; it cannot be read.
pub fn listed(tree: &Tree) -> Result<Vec<Requirement>> {
    if tree.entry(layout::REQUIRES)?.is_none() {
        return Ok(Vec::new());
    }
    let text = String::from_utf8(tree.read(layout::REQUIRES, LIMIT)?);
    parse(
        &text.map_err(|_| Error::Content {
            file: layout::REQUIRES.into(),
            problem: "it is not UTF-8".into(),
        })?,
    )
}

/// What an archive requires; `product` is its product information.
///
/// # Errors
///
/// Those of [`listed`]; [`Error::Content`] for a `REQUIRE_METALK8S` that is no range.
pub fn of(tree: &Tree, product: Option<&Product>) -> Result<Vec<Requirement>> {
    let mut requires = listed(tree)?;
    if let Some(platform) = product.map(PlatformRequirement::of).transpose()?.flatten() {
        requires.push(platform.requirement());
    }
    Ok(requires)
}

/// An archive that can meet requirements.
#[derive(Clone, Debug)]
pub struct Base {
    /// The ISO file or folder.
    pub path: PathBuf,
    /// Its product information.
    pub product: Product,
}

/// A requirement that no archive meets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unmet {
    /// The requirement.
    pub requirement: Requirement,
    /// Why no archive meets it.
    pub reason: UnmetReason,
}

/// Why no archive meets a requirement.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnmetReason {
    /// No archive has the name.
    NoArchive,
    /// Those with the name have these versions, which are not in the range.
    Versions(Vec<String>),
    /// The archive with this version lacks some contents. If several versions are in the range, it is the last of them.
    Contents {
        /// The version.
        version: String,
        /// The images and packages, in words.
        lacking: Vec<String>,
    },
}

/// The most images and packages that a message names.
const NAMED: usize = 10;

impl fmt::Display for Unmet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { requirement, reason } = self;
        match reason {
            UnmetReason::NoArchive => write!(f, "{requirement} is missing"),
            UnmetReason::Versions(found) => {
                write!(f, "{requirement} is missing; available versions: {}", printable(&found.join(", ")))
            }
            UnmetReason::Contents { version, lacking } => {
                let (name, named) = (printable(&requirement.name), lacking.iter().take(NAMED));
                let named: Vec<&str> = named.map(String::as_str).collect();
                write!(f, "{name} {} lacks {}", printable(version), printable(&named.join(", ")))?;
                let more = lacking.len().saturating_sub(NAMED);
                if more > 0 { write!(f, " and {more} more") } else { Ok(()) }
            }
        }
    }
}

impl Requirement {
    /// Why none of `bases` meets the requirement; `None` if one does.
    #[must_use]
    pub fn unmet_by(&self, bases: &[Base]) -> Option<Unmet> {
        let unmet = |reason| Some(Unmet { requirement: self.clone(), reason });
        let is_named = |base: &&Base| base.product.name.eq_ignore_ascii_case(&self.name);
        let named: Vec<&Base> = bases.iter().filter(is_named).collect();
        if named.is_empty() {
            return unmet(UnmetReason::NoArchive);
        }
        let versions = named.iter().map(|base| base.product.version.clone()).collect();
        let mut reason = UnmetReason::Versions(versions);
        let fits = |base: &&Base| {
            let version = &base.product.version;
            self.version.as_ref().is_none_or(|range| {
                if self.of_platform { range.contains_platform(version) } else { range.contains(version) }
            })
        };
        for base in named.into_iter().filter(fits) {
            let lacking = self.lacking(base);
            if lacking.is_empty() {
                return None;
            }
            reason = UnmetReason::Contents { version: base.product.version.clone(), lacking };
        }
        unmet(reason)
    }

    /// The required contents that an archive lacks, in words.
    fn lacking(&self, base: &Base) -> Vec<String> {
        if self.images.is_empty() && self.packages.is_empty() {
            return Vec::new();
        }
        let tree = match Tree::open(&base.path) {
            Ok(tree) => tree,
            Err(error) => return vec![format!("everything: {error}")],
        };
        let mut lacking = Vec::new();
        for image in &self.images {
            match (digest_of(&tree, image), image.digest) {
                (Some(found), Some(expected)) if found != expected => {
                    lacking.push(format!("the image {image} ({}:{} is {found})", image.name, image.tag));
                }
                (Some(_), _) => {}
                (None, _) => lacking.push(format!("the image {image}")),
            }
        }
        if !self.packages.is_empty() {
            let there = packages(&tree).unwrap_or_default();
            let missing = self.packages.iter().filter(|package| !there.contains(*package));
            lacking.extend(missing.map(|package| format!("the package {package}")));
        }
        lacking
    }
}

/// The requirements that none of `bases` meets.
#[must_use]
pub fn unmet(requires: &[Requirement], bases: &[Base]) -> Vec<Unmet> {
    requires.iter().filter_map(|requirement| requirement.unmet_by(bases)).collect()
}

/// The digest of an image of an archive; `None` if the archive does not have it.
fn digest_of(tree: &Tree, image: &RequiredImage) -> Option<Digest> {
    let manifest = format!("{}/{}", layout::image_folder(&image.name, &image.tag), layout::IMAGE_MANIFEST);
    tree.entry(&manifest).ok().flatten()?;
    Some(Digest::of(&tree.read(&manifest, MANIFEST_MAX).ok()?))
}

/// The names of the packages of an archive.
pub(crate) fn packages(tree: &Tree) -> Result<BTreeSet<String>> {
    let files = tree.walk()?.into_iter().filter(|(_, entry)| entry.kind == EntryKind::File);
    Ok(files.filter_map(|(path, _)| package_name(&path).map(str::to_owned)).collect())
}

/// The name of the package in a file of an archive; `None` if it is no package.
pub(crate) fn package_name(path: &str) -> Option<&str> {
    if !path.starts_with(layout::PACKAGES) {
        return None;
    }
    let file = path.rsplit('/').next().unwrap_or_default();
    match (file.strip_suffix(".rpm"), file.strip_suffix(".deb")) {
        // name-version-release.architecture
        (Some(file), _) => file.rsplitn(3, '-').nth(2),
        // name_version_architecture
        (None, Some(file)) => file.split('_').next(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::sample;

    fn requirement(name: &str, version: &str) -> Requirement {
        Requirement {
            name: name.into(),
            version: (!version.is_empty()).then(|| version.parse().unwrap()),
            images: Vec::new(),
            packages: Vec::new(),
            of_platform: false,
        }
    }

    #[test]
    fn versions_are_in_a_range_or_not() {
        for (range, inside, outside) in [
            (
                ">=2.7 <2.8",
                &["2.7.0", "2.7", "2.7.9", "2.7.1+build"][..],
                &["2.8.0", "2.6.9", "2.7.1-dev"][..],
            ),
            (">=2.7, <2.8", &["2.7.0"], &["2.8.0"]),
            ("2.7", &["2.7.0", "2.7.9"], &["2.8.0", "2.6.0"]),
            ("=2.7.1", &["2.7.1"], &["2.7.2"]),
            (">=2.7-0", &["2.7.1-dev", "2.7.1", "3.0.0"], &["2.6.9"]),
            ("*", &["0.1.0"], &["2024a", "1.0~rc1", ""]),
        ] {
            let range: VersionRange = range.parse().unwrap();
            inside.iter().for_each(|version| assert!(range.contains(version), "{range} {version}"));
            outside.iter().for_each(|version| assert!(!range.contains(version), "{range} {version}"));
        }
        for (range, inside, outside) in [
            (">=2.0", &["2.0.0-alpha1", "2.10.0-alpha1", "2.10.0"][..], &["1.9.0"][..]),
            ("<2.10", &["2.9.0-dev"], &["2.10.0-alpha1", "newest"]),
            (">=2.10.0-rc.2", &["2.10.0-rc.10", "2.10.0"], &["2.10.0-rc.1", "2.9.0"]),
        ] {
            let range: VersionRange = range.parse().unwrap();
            inside.iter().for_each(|version| assert!(range.contains_platform(version), "{range} {version}"));
            outside
                .iter()
                .for_each(|version| assert!(!range.contains_platform(version), "{range} {version}"));
        }
        for wrong in ["newest", ">=2.7\n<2.8", ">= ", "", &"1 ".repeat(300)] {
            let error = wrong.parse::<VersionRange>().unwrap_err().to_string();
            assert!(error.contains("is not a range of versions such as `>=2.7 <2.8`"), "{error}");
        }
    }

    #[test]
    fn images_have_a_name_and_a_tag() {
        let digest = Digest::of(b"");
        for good in ["nginx:1.25".to_owned(), "team/app:1".into(), format!("nginx:1.25@{digest}")] {
            assert_eq!(good.parse::<RequiredImage>().unwrap().to_string(), good);
        }
        for wrong in ["nginx", "Nginx:1", "nginx:", "nginx:1@md5:0", "../x:1", ""] {
            assert!(wrong.parse::<RequiredImage>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn requirements_survive_being_written() {
        let mut one = requirement("MetalK8s", ">=2.7, <2.8");
        one.images.push("nginx:1.25".parse().unwrap());
        one.packages.push("libstdc++".into());
        let all = vec![one, requirement("other", "")];
        assert_eq!(parse(&render(&all)).unwrap(), all);
        let head =
            "{\"apiVersion\": \"sealift.dev/v1alpha1\", \"kind\": \"ArchiveRequirements\", \"requires\": ";
        for (wrong, problem) in [
            ("[{\"name\": \"../x\"}]}", "`../x` is not the name of an archive"),
            ("[{\"name\": \"x\", \"version\": \"new\"}]}", "is not a range of versions"),
            ("[{\"name\": \"x\", \"images\": [\"nginx\"]}]}", "it has no tag"),
            ("[{\"name\": \"x\", \"packages\": [\"-x\"]}]}", "`-x` is not the name of a package"),
            ("[{\"name\": \"x\", \"license\": \"yes\"}]}", "unknown field `license`"),
            ("[", "EOF"),
        ] {
            let error = parse(&format!("{head}{wrong}")).unwrap_err().to_string();
            assert!(error.starts_with("requires.json: ") && error.contains(problem), "{error}");
        }
        let other = render(&[]).replace(KIND, "Pod");
        assert!(parse(&other).unwrap_err().to_string().contains("found sealift.dev/v1alpha1 and Pod"));
    }

    #[test]
    fn an_archive_meets_requirements_or_not() {
        let folder = sample();
        let tree = Tree::open(folder.path()).unwrap();
        let product = crate::product::of(&tree).unwrap().unwrap();
        let bases = [Base { path: folder.path().to_owned(), product }];
        let with = |images: &[&str], packages: &[&str]| Requirement {
            images: images.iter().map(|image| image.parse().unwrap()).collect(),
            packages: packages.iter().map(|package| (*package).to_owned()).collect(),
            ..requirement("Sample", ">=1")
        };
        let app = "library/app:1.0";
        let digest = digest_of(&tree, &app.parse().unwrap()).unwrap();
        let other = Digest::of(b"other");
        for (requirement, expected) in [
            (requirement("sample", ""), ""),
            (requirement("Sample", ">=1, <2"), ""),
            (with(&[app], &["app"]), ""),
            (with(&[&format!("{app}@{digest}")], &[]), ""),
            (requirement("sample", ">=2"), "sample >=2 is missing; available versions: 1.0"),
            (requirement("MetalK8s", ">=2"), "MetalK8s >=2 is missing"),
            (
                with(&["app:2", &format!("{app}@{other}")], &["app", "ghost"]),
                &format!(
                    "Sample 1.0 lacks the image app:2, the image {app}@{other} ({app} is {digest}), the package ghost"
                ),
            ),
        ] {
            let found = unmet(&[requirement], &bases);
            assert_eq!(found.first().map(ToString::to_string).unwrap_or_default(), expected);
        }
    }

    #[test]
    fn a_solution_of_the_older_layout_requires_the_platform() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        let found = || {
            let tree = Tree::open(folder.path()).unwrap();
            let product = crate::product::of(&tree).unwrap();
            of(&tree, product.as_ref()).map(|all| all.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        write("product.txt", "NAME=Storage\nVERSION=1.0.0\nREQUIRE_METALK8S=\">=2.0\"\n");
        assert_eq!(found().unwrap(), ["MetalK8s >=2.0"]);
        write("requires.json", &render(&[requirement("Base", "")]));
        assert_eq!(found().unwrap(), ["Base", "MetalK8s >=2.0"]);
        write("product.txt", "NAME=Storage\nVERSION=1.0.0\nREQUIRE_METALK8S=newest\n");
        assert!(found().unwrap_err().to_string().starts_with("product.txt: REQUIRE_METALK8S: `newest`"));
    }
}
