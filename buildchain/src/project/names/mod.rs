//! Names in the files of a project: each kind is a type that is parsed once.

mod debian;
mod image_of_archive;
mod other_rooms;
mod packages;
mod patterns;
mod signatures;
mod sources;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use archive::requires::{RequiredImage, VersionRange};
use content::Digest;
use images::build::{Created, LayerMode};
use images::pull::attached_tag;
use images::signatures::RepositoryPattern;
use images::source::{EngineImage, LocalImage};
use images::tags::TagFilter;
use images::{ImageLocation, Platform, Reference};

pub(crate) use self::debian::pool_place;
pub use self::debian::{DebArchitecture, DebName, SuiteName};
pub use self::image_of_archive::ImageOfArchive;
pub use self::packages::{
    HostBuilder, LockedPath, MacroName, ModuleStream, Nevra, PackageRequest, RepositoryUrl, RpmArchitecture,
};
pub use self::signatures::{CertifiedSigner, KeyId};
pub use self::sources::{CommitHash, FileName, FileUrl, GitLocation, GitRef, SourceName};

/// A text with rules of its own.
pub trait ParsedName: Sized {
    /// What the JSON Schema calls its form (`format`).
    const FORMAT: &'static str;
    /// A regular expression for the JSON Schema, in the syntax that ECMA-262 and the crate `regex` share. A text is valid if
    /// and only if it matches and is not too long. `None` if no regular expression can say it.
    const PATTERN: Option<&'static str>;
    /// The most characters, if the pattern does not limit them.
    const LENGTH_MAX: Option<usize> = None;

    /// Parses `text`.
    ///
    /// # Errors
    ///
    /// A sentence that says what is wrong and what is expected.
    fn parse(text: &str) -> Result<Self, String>;
}

/// Whether a text is a name of some kind; else the reason.
type Check = fn(&str) -> Result<(), String>;

/// The rule of one kind of names.
struct NameRule {
    format: &'static str,
    check: Check,
    #[cfg(test)]
    pattern: Option<&'static str>,
    #[cfg(test)]
    length_max: Option<usize>,
}

impl NameRule {
    const fn of<T: ParsedName>() -> Self {
        Self {
            format: T::FORMAT,
            check: |text| T::parse(text).map(drop),
            #[cfg(test)]
            pattern: T::PATTERN,
            #[cfg(test)]
            length_max: T::LENGTH_MAX,
        }
    }
}

const RULES: [NameRule; 56] = [
    NameRule::of::<SuiteName>(),
    NameRule::of::<DebArchitecture>(),
    NameRule::of::<DebName>(),
    NameRule::of::<HostBuilder>(),
    NameRule::of::<MacroName>(),
    NameRule::of::<RepositoryUrl>(),
    NameRule::of::<PackageRequest>(),
    NameRule::of::<ModuleStream>(),
    NameRule::of::<RpmArchitecture>(),
    NameRule::of::<Nevra>(),
    NameRule::of::<LockedPath>(),
    NameRule::of::<TemplateSuffix>(),
    NameRule::of::<Delimiter>(),
    NameRule::of::<FileMode>(),
    NameRule::of::<SourceName>(),
    NameRule::of::<FileUrl>(),
    NameRule::of::<FileName>(),
    NameRule::of::<GitLocation>(),
    NameRule::of::<GitRef>(),
    NameRule::of::<CommitHash>(),
    NameRule::of::<VariableName>(),
    NameRule::of::<Text>(),
    NameRule::of::<ArchiveName>(),
    NameRule::of::<Version>(),
    NameRule::of::<RepositoryName>(),
    NameRule::of::<Release>(),
    NameRule::of::<CargoPackage>(),
    NameRule::of::<ImageName>(),
    NameRule::of::<ImageSource>(),
    NameRule::of::<Tag>(),
    NameRule::of::<TagPattern>(),
    NameRule::of::<TagRange>(),
    NameRule::of::<VersionRange>(),
    NameRule::of::<RequiredImage>(),
    NameRule::of::<ImageOfArchive>(),
    NameRule::of::<PackageName>(),
    NameRule::of::<ImageRepository>(),
    NameRule::of::<RegistryHost>(),
    NameRule::of::<Mirror>(),
    NameRule::of::<InnerPath>(),
    NameRule::of::<Pattern>(),
    NameRule::of::<PathPattern>(),
    NameRule::of::<ProjectPath>(),
    NameRule::of::<TaskName>(),
    NameRule::of::<PoolName>(),
    NameRule::of::<TimeSpan>(),
    NameRule::of::<Digest>(),
    NameRule::of::<Platform>(),
    NameRule::of::<Created>(),
    NameRule::of::<LayerMode>(),
    NameRule::of::<Reference>(),
    NameRule::of::<EngineImage>(),
    NameRule::of::<Subject>(),
    NameRule::of::<RepositoryPattern>(),
    NameRule::of::<KeyId>(),
    NameRule::of::<CertifiedSigner>(),
];

/// The check of the texts that a schema gives the `format`, if there is one.
pub(super) fn checker(format: &str) -> Option<Check> {
    RULES.into_iter().find(|rule| rule.format == format).map(|rule| rule.check)
}

/// A name that is text without a structure: its type, its place in a schema, and its rule.
macro_rules! text_name {
    ($(#[$doc:meta])* $name:ident, $format:literal, $pattern:expr $(; $length_max:literal)?, $check:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl ParsedName for $name {
            const FORMAT: &'static str = $format;
            const PATTERN: Option<&'static str> = $pattern;
            $(const LENGTH_MAX: Option<usize> = Some($length_max);)?

            fn parse(text: &str) -> Result<Self, String> {
                let check: Check = $check;
                check(text).map(|()| Self(text.to_owned()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

use text_name;

text_name! {
    /// The name of a variable.
    VariableName, "variable-name", Some("^[A-Za-z_][A-Za-z0-9_]*$"), |text| {
        let legal = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && text.chars().all(legal) {
            return Ok(());
        }
        Err(format!("`{text}` cannot name a variable: expected letters, digits and `_`, no digit first"))
    }
}

text_name! {
    /// Any text.
    Text, "text", Some("^[\\s\\S]*$"), |_| Ok(())
}

/// What names of archives, repositories, releases and packages look like: they become parts of paths, URLs and
/// configuration files.
const SLUG: Option<&str> = Some("^[A-Za-z0-9][A-Za-z0-9._-]*$");

fn slug(text: &str, what: &str) -> Result<(), String> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(legal) {
        return Ok(());
    }
    Err(format!("`{text}` cannot name {what}: expected letters, digits and `.-_`, a letter or digit first"))
}

text_name! {
    /// The name of an archive: `MetalK8s`.
    ArchiveName, "archive-name", SLUG, |text| slug(text, "an archive")
}

text_name! {
    /// The name of a package repository: `scality`.
    RepositoryName, "repository-name", SLUG, |text| slug(text, "a repository")
}

text_name! {
    /// The release of a distribution: `8`.
    Release, "release", SLUG, |text| slug(text, "a release")
}

text_name! {
    /// A cargo package and its binary.
    CargoPackage, "cargo-package", SLUG, |text| slug(text, "a cargo package")
}

text_name! {
    /// The name of a pool of tasks.
    PoolName, "pool-name", SLUG, |text| slug(text, "a pool")
}

text_name! {
    /// The name of a task of the project's own: `codegen`, `codegen:dex`.
    TaskName, "task-name", Some("^[A-Za-z0-9][A-Za-z0-9._+/-]*(:[A-Za-z0-9][A-Za-z0-9._+/-]*)*$"), |text| {
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '+' | '/' | '-');
        let starts = |part: &str| part.starts_with(|c: char| c.is_ascii_alphanumeric());
        if text.split(':').all(|part| starts(part) && part.chars().all(legal)) {
            return Ok(());
        }
        Err(format!(
            "`{text}` cannot name a task: expected letters, digits and `._+/-`, a letter or digit first, and `:` after a group"
        ))
    }
}

text_name! {
    /// The version of an archive: `2.11.0-dev`, `2.11.0+build.7`.
    Version, "archive-version", Some("^[A-Za-z0-9][A-Za-z0-9._~+-]*$"), |text| {
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '~' | '+');
        if text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(legal) {
            return Ok(());
        }
        Err(format!("`{text}` is not a version: expected letters, digits and `.-_~+`, a letter or digit first"))
    }
}

/// The most parts of the name of an image: readers of archives look no deeper. [`patterns::IMAGE_NAME`] has the number, too.
const PARTS_MAX: usize = 15;

text_name! {
    /// The name that an image is served under: parts joined by `/`, as a registry takes them.
    ImageName, "image-name", Some(patterns::IMAGE_NAME); 255, |text| {
        let reason = match (images::reference::check_repository(text), text.split('/').count()) {
            (Ok(()), parts) if parts <= PARTS_MAX => return Ok(()),
            (Ok(()), parts) => format!("it has {parts} parts; the maximum is {PARTS_MAX}"),
            (Err(reason), _) => format!("it {reason}"),
        };
        Err(format!("`{text}` cannot name an image: {reason}"))
    }
}

text_name! {
    /// The tag of an image.
    Tag, "image-tag", Some("^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$"), |text| {
        images::reference::check_tag(text).map_err(|reason| format!("`{text}` cannot be a tag: it {reason}"))
    }
}

text_name! {
    /// A regular expression for tags: `^1\.27\.`.
    TagPattern, "tag-pattern", None; 400, |text| {
        rule_of_tags(text, "a regular expression for tags")?;
        TagFilter::pattern(text).map(drop)
    }
}

text_name! {
    /// A range of versions for tags: `>=1.27 <1.28`.
    TagRange, "tag-range", None; 400, |text| {
        rule_of_tags(text, "a range of versions")?;
        TagFilter::versions(text).map(drop)
    }
}

/// Checks that a rule for tags can be a key of the lock file: on one line, and no longer than keys of YAML may be. Tags are ASCII.
fn rule_of_tags(text: &str, what: &str) -> Result<(), String> {
    if !text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Err(format!("{what} has only printable ASCII characters, as tags have"));
    }
    match text.len() {
        found if found > 400 => Err(format!("{what} has at most 400 characters, found {found}")),
        _ => Ok(()),
    }
}

text_name! {
    /// The name of a package of a distribution: `containerd`.
    PackageName, "package-name", Some("^[A-Za-z0-9][A-Za-z0-9._+-]{0,254}$"), |text| {
        if archive::requires::is_package(text) {
            return Ok(());
        }
        Err(format!("`{text}` cannot name a package: expected letters, digits and `._+-`, a letter or digit first"))
    }
}

text_name! {
    /// A repository of a registry: `docker.io/library/alpine`.
    ImageRepository, "image-repository", None, |text| {
        let reference = Reference::parse(text)?;
        if reference.name() == text {
            return Ok(());
        }
        Err(format!("`{text}` is not a repository in full: expected `{}`", reference.name()))
    }
}

text_name! {
    /// The host of a registry, with its port if it has one: `registry.example:5000`, `[::1]:5000`.
    RegistryHost, "registry-host", Some(patterns::REGISTRY_HOST), |text| {
        if images::reference::is_domain(text) {
            return Ok(());
        }
        Err(format!("`{text}` is not a registry: expected a host, such as `registry.example:5000`"))
    }
}

text_name! {
    /// The address of a mirror. No message repeats an invalid one: it may have a password.
    Mirror, "mirror", Some("^https?://[^/@]+(/[\\s\\S]*)?$"), |text| {
        let rest = ["http://", "https://"].iter().find_map(|scheme| text.strip_prefix(scheme));
        match rest {
            Some(rest) if rest.split('/').next().is_some_and(|host| host.contains('@')) => {
                Err("a mirror's address takes no user name or password".into())
            }
            Some(rest) if !rest.is_empty() && !rest.starts_with('/') => Ok(()),
            _ => Err("expected a mirror's address, such as `https://mirror.example/path`".into()),
        }
    }
}

text_name! {
    /// A pattern of a `.gitignore`.
    Pattern, "gitignore-pattern", None, |text| {
        iso::Exclude::new(&[text]).map(drop).map_err(|error| error.to_string())
    }
}

text_name! {
    /// A pattern of paths of the project: `rpms/*.rpm`, `vendor/**/*.rpm`.
    PathPattern, "path-pattern", None, |text| {
        InnerPath::parse(text)?;
        path_glob(text).map(drop).map_err(|error| format!("`{text}` is not a pattern: {}", error.kind()))
    }
}

/// What matches the paths that `pattern` stands for: `*` and `?` take no `/`, `**` takes folders.
pub(super) fn path_glob(pattern: &str) -> Result<globset::GlobMatcher, globset::Error> {
    let glob = globset::GlobBuilder::new(pattern).literal_separator(true).build()?;
    Ok(glob.compile_matcher())
}

text_name! {
    /// The ending of the names of templates: `.in`; or `none`.
    TemplateSuffix, "template-suffix", Some("^(none|\\.[^/]+)$"), |text| {
        if text == "none" || text.len() > 1 && text.starts_with('.') && !text.contains('/') {
            return Ok(());
        }
        Err(format!("`{text}` is not an ending: expected one such as `.in`, or `none`"))
    }
}

text_name! {
    /// A delimiter of a template: `<<`.
    Delimiter, "delimiter", Some("^[!-~]{1,16}$"), |text| {
        if (1..=16).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Ok(());
        }
        Err(format!("`{text}` is not a delimiter: expected one to 16 ASCII characters without blanks"))
    }
}

text_name! {
    /// The permissions of a file in an archive: `0644` or `0755`.
    FileMode, "archive-mode", Some("^0?(644|755)$"), |text| match text.strip_prefix('0').unwrap_or(text) {
        "644" | "755" => Ok(()),
        _ => Err(format!("`{text}` is not a mode of an archive: expected `0644`, or `0755` for a program")),
    }
}

impl FileMode {
    /// The permission bits.
    #[must_use]
    pub fn bits(&self) -> u32 {
        if self.0.ends_with("755") { 0o755 } else { 0o644 }
    }
}

text_name! {
    /// What a list of referrers is of: the digest of a manifest; with `.sig` and the like, of what cosign attached to it.
    Subject, "referrer-subject", Some("^sha256:[a-f0-9]{64}(\\.(sig|att|sbom))?$"), |text| match attached_tag(text) {
        Some(_) => Ok(()),
        None => Err(format!("`{text}` is not a digest, or one with an ending such as `.sig`")),
    }
}

impl From<Digest> for Subject {
    fn from(digest: Digest) -> Self {
        Self(digest.to_string())
    }
}

/// A relative path that does not lead upwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InnerPath(PathBuf);

impl InnerPath {
    /// The path, without `.` and without a `/` at its end.
    #[must_use]
    pub fn as_path(&self) -> &Path {
        &self.0
    }
}

impl ParsedName for InnerPath {
    const FORMAT: &'static str = "relative-path";
    const PATTERN: Option<&'static str> = Some(patterns::RELATIVE_PATH);

    fn parse(text: &str) -> Result<Self, String> {
        let path = Path::new(text);
        let inner = path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        if text.is_empty() {
            return Err("the path is empty: expected a relative path; `.` is the folder itself".into());
        }
        if inner {
            return Ok(Self(path.components().filter(|part| matches!(part, Component::Normal(_))).collect()));
        }
        Err(format!("`{text}` leads out of its folder: expected a relative path without `..`"))
    }
}

/// A path in the project, or an absolute one in the build root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectPath {
    path: PathBuf,
    is_folder: bool,
}

impl ProjectPath {
    /// The path, without `.` and without a `/` at its end.
    #[must_use]
    pub fn as_path(&self) -> &Path {
        &self.path
    }

    /// Whether it ends in `/`.
    #[must_use]
    pub fn is_folder(&self) -> bool {
        self.is_folder
    }
}

impl ParsedName for ProjectPath {
    const FORMAT: &'static str = "project-path";
    const PATTERN: Option<&'static str> = Some(patterns::PROJECT_PATH);

    fn parse(text: &str) -> Result<Self, String> {
        let (root, inner) = match text.strip_prefix('/') {
            Some(inner) => (Path::new("/"), inner),
            None => (Path::new(""), text),
        };
        let leads_out = |_| format!("`{text}` leads out of the project: expected a path in it without `..`");
        let inner = InnerPath::parse(inner).map_err(leads_out)?;
        Ok(Self { path: root.join(inner.as_path()), is_folder: text.ends_with('/') })
    }
}

/// A span of time: `90s`, `10m`, `2h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeSpan(pub Duration);

impl ParsedName for TimeSpan {
    const FORMAT: &'static str = "time-span";
    const PATTERN: Option<&'static str> = Some("^[1-9][0-9]{0,5}[smh]$");

    fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not a span of time: expected `90s`, `10m` or `2h`");
        let (number, seconds) = [("s", 1), ("m", 60), ("h", 3600)]
            .into_iter()
            .find_map(|(unit, seconds)| Some((text.strip_suffix(unit)?, seconds)))
            .ok_or_else(wrong)?;
        let plain = number.len() <= 6 && number.bytes().all(|byte| byte.is_ascii_digit());
        let number: u64 =
            Some(number).filter(|_| plain).and_then(|text| text.parse().ok()).ok_or_else(wrong)?;
        if number == 0 || text.starts_with('0') {
            return Err(wrong());
        }
        Ok(Self(Duration::from_secs(number * seconds)))
    }
}

/// Where an image to pull comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageSource {
    /// A repository of a registry, perhaps with a tag and a digest.
    Registry(Reference),
    /// A file or folder of the project.
    Local(LocalImage),
    /// The storage of a container engine of this machine.
    Engine(EngineImage),
}

impl ParsedName for ImageSource {
    const FORMAT: &'static str = "image-source";
    const PATTERN: Option<&'static str> = None;

    fn parse(text: &str) -> Result<Self, String> {
        match text.parse::<ImageLocation>() {
            Err(error) => Err(error.to_string()),
            Ok(ImageLocation::Local(local)) => Ok(Self::Local(local)),
            Ok(ImageLocation::Engine(image)) => Ok(Self::Engine(image)),
            Ok(ImageLocation::Registry(reference)) => Ok(Self::Registry(reference)),
        }
    }
}
