//! What repository metadata says about one package, in the three files' own XML.

use std::borrow::Cow;
use std::collections::HashSet;
use std::io;

use super::header::{Header, HeaderFault, Headers, Strings, text};
use super::tag::{self, Tag};
use super::xml::{Xml, close, element, empty, full, open};
use crate::version::split;

/// Files of one package.
const MAX_FILES: usize = 1_000_000;
/// Bytes of a path (Linux's `PATH_MAX`). Each file names its folder by a number, so that a small header could
/// otherwise stand for endless metadata.
const MAX_PATH: usize = 4096;
/// Dependencies of one kind of one package.
const MAX_DEPENDENCIES: usize = 250_000;
/// Entries of the changelog that are kept by default, the newest ones, as createrepo_c does.
const CHANGELOG_ENTRIES: usize = 10;

const DIRECTORY: u16 = 0o040_000;
const FILE_TYPE: u16 = 0o170_000;
/// File flag `RPMFILE_GHOST`: belongs to the package but is not in it.
const GHOST: u32 = 1 << 6;
/// Dependency flags `RPMSENSE_PREREQ`, `_SCRIPT_PRE`, `_SCRIPT_POST`: needed before the package is installed.
const NEEDED_FIRST: u32 = 1 << 6 | 1 << 9 | 1 << 10;

/// Dependency flag `RPMSENSE_EQUAL`.
const EQUAL: u32 = 1 << 3;

/// A name and a version.
type OwnProvide = (Vec<u8>, Vec<u8>);

/// Why a package's entry could not be written: the package, or the place it is written to.
#[derive(Debug)]
pub(super) enum EntryFailure {
    Package(HeaderFault),
    Write(io::Error),
}

impl From<HeaderFault> for EntryFailure {
    fn from(fault: HeaderFault) -> Self {
        Self::Package(fault)
    }
}

impl From<io::Error> for EntryFailure {
    fn from(error: io::Error) -> Self {
        Self::Write(error)
    }
}

/// What a repository says about its packages beside what their headers say.
#[derive(Clone, Copy, Debug)]
pub(super) struct Listing<'a> {
    /// The algorithm of the packages' checksums.
    pub(super) algorithm: &'static str,
    /// The URL that locations start at, where it is not the repository's own.
    pub(super) base: Option<&'a str>,
    /// When the file was modified; the default is the time of the build, which does not depend on who copied the file when.
    pub(super) file_time: Option<i64>,
    /// How many entries of the changelog are kept, the newest ones.
    pub(super) changelog_entries: usize,
}

impl Default for Listing<'_> {
    fn default() -> Self {
        Self { algorithm: "sha256", base: None, file_time: None, changelog_entries: CHANGELOG_ENTRIES }
    }
}

/// A package file: its headers and what is known of it as a file.
pub(super) struct PackageEntry<'a> {
    headers: &'a Headers,
    /// The checksum of the whole file, in hexadecimal: the package's identity in all three files.
    checksum: &'a str,
    size: u64,
    /// The path from the repository's folder.
    location: &'a str,
    listing: Listing<'a>,
    name: Cow<'a, str>,
    arch: Cow<'a, str>,
    epoch: u32,
    version: Cow<'a, str>,
    release: Cow<'a, str>,
    is_source: bool,
    /// Where RPM 3 built it: what it provides although it does not say so, its own name, and the version of that.
    own_provide: Option<OwnProvide>,
}

/// What the header of a package file says that it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackageIdentity {
    /// The name.
    pub name: String,
    /// The epoch; 0 without one.
    pub epoch: u32,
    /// The version.
    pub version: String,
    /// The release.
    pub release: String,
    /// The architecture: `x86_64`, `noarch`; `src` for a source package.
    pub arch: String,
    /// When it was built, in Unix seconds; 0 if the package does not say.
    pub build_time: i64,
}

impl PackageIdentity {
    /// Whether it is a source package.
    #[must_use]
    pub fn is_source(&self) -> bool {
        self.arch == "src"
    }
}

impl std::fmt::Display for PackageIdentity {
    /// `NAME-[EPOCH:]VERSION-RELEASE.ARCH`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { name, epoch, version, release, arch, .. } = self;
        match epoch {
            0 => write!(f, "{name}-{version}-{release}.{arch}"),
            epoch => write!(f, "{name}-{epoch}:{version}-{release}.{arch}"),
        }
    }
}

impl<'a> PackageEntry<'a> {
    pub(super) fn new(
        headers: &'a Headers,
        checksum: &'a str,
        size: u64,
        location: &'a str,
    ) -> Result<Self, HeaderFault> {
        let main = &headers.main;
        let is_legacy = !main.has_region(tag::HEADERIMMUTABLE)?;
        // Packages of RPM 3 may say neither; then rpm takes one whose files lie in no folder for a source package.
        let mut folders = main.strings(tag::DIRNAMES)?;
        let in_no_folder = folders.len() == 1 && folders.next().is_some_and(<[u8]>::is_empty)
            || main.has(tag::OLDFILENAMES)
                && main.strings(tag::OLDFILENAMES)?.all(|path| !path.contains(&b'/'));
        let is_source = main.has(tag::SOURCEPACKAGE) || !main.has(tag::SOURCERPM) && in_no_folder;
        let mut package = Self {
            headers,
            checksum,
            size,
            location,
            listing: Listing::default(),
            name: label(main, tag::NAME)?,
            arch: if is_source { Cow::Borrowed("src") } else { label(main, tag::ARCH)? },
            epoch: main.u32s(tag::EPOCH)?.next().unwrap_or(0),
            version: label(main, tag::VERSION)?,
            release: label(main, tag::RELEASE)?,
            is_source,
            own_provide: None,
        };
        if is_legacy && !is_source {
            package.own_provide = package.missing_own_provide()?;
        }
        Ok(package)
    }

    /// The package, listed in another way than by default.
    pub(super) fn listed(self, listing: Listing<'a>) -> Self {
        Self { listing, ..self }
    }

    /// What the package is.
    pub(super) fn identity(&self) -> Result<PackageIdentity, HeaderFault> {
        Ok(PackageIdentity {
            name: self.name.to_string(),
            epoch: self.epoch,
            version: self.version.to_string(),
            release: self.release.to_string(),
            arch: self.arch.to_string(),
            build_time: self.headers.main.u32s(tag::BUILDTIME)?.next().unwrap_or(0).into(),
        })
    }

    /// The name and version that the package should provide and does not.
    fn missing_own_provide(&self) -> Result<Option<OwnProvide>, HeaderFault> {
        let main = &self.headers.main;
        let epoch = main.u32s(tag::EPOCH)?.next().map(|epoch| format!("{epoch}:")).unwrap_or_default();
        let (version, release) = (main.string(tag::VERSION)?, main.string(tag::RELEASE)?);
        let version = [epoch.as_bytes(), version, b"-", release].concat();
        let own =
            Dependency { name: main.string(tag::NAME)?, version: &version, flags: EQUAL, requires: false };
        let is_listed = self.listed_provides()?.any(|provide| provide.key() == own.key());
        Ok((!is_listed).then(|| (own.name.to_vec(), version.clone())))
    }

    fn listed_provides(&self) -> Result<Dependencies<'a>, HeaderFault> {
        let main = &self.headers.main;
        Dependencies::read(main, tag::PROVIDENAME, tag::PROVIDEFLAGS, tag::PROVIDEVERSION)
    }

    /// Writes the package's entry of `primary.xml`: what it is, what it needs, and the files that dependencies
    /// name most, or all of them.
    pub(super) fn primary(&self, xml: &mut Xml<'_>, all_files: bool) -> Result<(), EntryFailure> {
        let main = &self.headers.main;
        let line = |tag| Ok::<_, HeaderFault>(printable(text(main.string(tag)?)));
        let build_time = main.u32s(tag::BUILDTIME)?.next().unwrap_or(0).to_string();
        let installed = main.size_of(tag::SIZE, tag::LONGSIZE)?.unwrap_or(0).to_string();

        open(xml, "package", &[("type", "rpm")])?;
        element(xml, "name", &self.name)?;
        element(xml, "arch", &self.arch)?;
        self.write_version(xml)?;
        full(xml, "checksum", &[("type", self.listing.algorithm), ("pkgid", "YES")], self.checksum)?;
        element(xml, "summary", &line(tag::SUMMARY)?)?;
        element(xml, "description", &line(tag::DESCRIPTION)?)?;
        element(xml, "packager", &line(tag::PACKAGER)?)?;
        element(xml, "url", &line(tag::URL)?)?;
        let file_time = self.listing.file_time.map(|time| time.to_string());
        let file_time = file_time.as_ref().unwrap_or(&build_time);
        empty(xml, "time", &[("file", file_time), ("build", &build_time)])?;
        let (size, archive) = (self.size.to_string(), self.archive_size()?.to_string());
        empty(xml, "size", &[("package", &size), ("installed", &installed), ("archive", &archive)])?;
        write_location(xml, self.listing.base, self.location)?;
        open(xml, "format", &[])?;
        element(xml, "rpm:license", &line(tag::LICENSE)?)?;
        element(xml, "rpm:vendor", &line(tag::VENDOR)?)?;
        element(xml, "rpm:group", &line(tag::GROUP)?)?;
        element(xml, "rpm:buildhost", &line(tag::BUILDHOST)?)?;
        let source = line(tag::SOURCERPM)?;
        let says_none = !self.is_source && !main.has(tag::SOURCERPM);
        element(xml, "rpm:sourcerpm", if says_none { "(none)" } else { &source })?;
        let (start, end) = (self.headers.start.to_string(), self.headers.end.to_string());
        empty(xml, "rpm:header-range", &[("start", &start), ("end", &end)])?;
        self.write_dependencies(xml)?;
        for file in self.files()? {
            let file = file?;
            if all_files || is_primary_path(&file.path) {
                file.write(xml)?;
            }
        }
        close(xml, "format")?;
        close(xml, "package")
    }

    /// Writes the package's entry of `filelists.xml`: every file.
    pub(super) fn filelists(&self, xml: &mut Xml<'_>) -> Result<(), EntryFailure> {
        self.open_short(xml)?;
        for file in self.files()? {
            file?.write(xml)?;
        }
        close(xml, "package")
    }

    /// Writes the package's entry of `other.xml`: the changelog, oldest entry first.
    pub(super) fn other(&self, xml: &mut Xml<'_>) -> Result<(), EntryFailure> {
        self.open_short(xml)?;
        let main = &self.headers.main;
        let times = main.u32s(tag::CHANGELOGTIME)?;
        let authors = main.strings(tag::CHANGELOGNAME)?;
        let texts = main.strings(tag::CHANGELOGTEXT)?;
        same_length("CHANGELOGNAME", times.len(), authors.len())?;
        same_length("CHANGELOGTEXT", times.len(), texts.len())?;
        let newest: Vec<_> = times.zip(authors).zip(texts).take(self.listing.changelog_entries).collect();
        // Readers order entries by their date alone: entries of one day keep their order by a second each.
        let (mut last_time, mut last_date) = (None, 0);
        for ((time, author), text_of_change) in newest.into_iter().rev() {
            let date = if last_time == Some(time) { last_date + 1 } else { u64::from(time) };
            (last_time, last_date) = (Some(time), date);
            let author = printable(text(author));
            let date = date.to_string();
            let attributes = [("author", author.trim()), ("date", &date)];
            full(xml, "changelog", &attributes, &printable(text(text_of_change)))?;
        }
        close(xml, "package")
    }

    fn open_short(&self, xml: &mut Xml<'_>) -> Result<(), EntryFailure> {
        open(
            xml,
            "package",
            &[("pkgid", self.checksum), ("name", self.name.as_ref()), ("arch", self.arch.as_ref())],
        )?;
        self.write_version(xml)
    }

    fn write_version(&self, xml: &mut Xml<'_>) -> Result<(), EntryFailure> {
        let epoch = self.epoch.to_string();
        empty(
            xml,
            "version",
            &[("epoch", epoch.as_str()), ("ver", self.version.as_ref()), ("rel", self.release.as_ref())],
        )
    }

    /// The size of the uncompressed payload, from wherever this version of RPM wrote it.
    fn archive_size(&self) -> Result<u64, HeaderFault> {
        let Headers { main, signature, .. } = self.headers;
        let sizes = [
            signature.size_of(tag::SIGNATURE_PAYLOADSIZE, tag::LONGARCHIVESIZE)?,
            main.size_of(tag::ARCHIVESIZE, tag::LONGARCHIVESIZE)?,
            main.size_of(tag::ARCHIVESIZE, tag::PAYLOADSIZEALT)?,
        ];
        Ok(sizes.into_iter().flatten().next().unwrap_or(0))
    }

    fn write_dependencies(&self, xml: &mut Xml<'_>) -> Result<(), EntryFailure> {
        let main = &self.headers.main;
        let read = |name, flags, version| Dependencies::read(main, name, flags, version);
        let own = self.own_provide.iter();
        let own = own.map(|(name, version)| Dependency { name, version, flags: EQUAL, requires: false });
        let provides = self.listed_provides()?.chain(own);
        let requires = read(tag::REQUIRENAME, tag::REQUIREFLAGS, tag::REQUIREVERSION)?;
        write_list(xml, "rpm:provides", provides.clone())?;
        self.write_requires(xml, provides, requires)?;
        for (element, name, flags, version) in [
            ("rpm:conflicts", tag::CONFLICTNAME, tag::CONFLICTFLAGS, tag::CONFLICTVERSION),
            ("rpm:obsoletes", tag::OBSOLETENAME, tag::OBSOLETEFLAGS, tag::OBSOLETEVERSION),
            ("rpm:suggests", tag::SUGGESTNAME, tag::SUGGESTFLAGS, tag::SUGGESTVERSION),
            ("rpm:enhances", tag::ENHANCENAME, tag::ENHANCEFLAGS, tag::ENHANCEVERSION),
            ("rpm:recommends", tag::RECOMMENDNAME, tag::RECOMMENDFLAGS, tag::RECOMMENDVERSION),
            ("rpm:supplements", tag::SUPPLEMENTNAME, tag::SUPPLEMENTFLAGS, tag::SUPPLEMENTVERSION),
        ] {
            write_list(xml, element, read(name, flags, version)?)?;
        }
        Ok(())
    }

    /// Writes what the package requires and does not bring along itself, once each.
    fn write_requires<'b>(
        &self,
        xml: &mut Xml<'_>,
        provides: impl Iterator<Item = Dependency<'b>>,
        requires: Dependencies<'b>,
    ) -> Result<(), EntryFailure> {
        let mut own_files = HashSet::new();
        let wanted: HashSet<&[u8]> =
            requires.clone().map(|required| required.name).filter(|name| name.starts_with(b"/")).collect();
        if !wanted.is_empty() {
            for file in self.files()? {
                let file = file?;
                if is_primary_path(&file.path) && wanted.contains(file.path.as_bytes()) {
                    own_files.insert(file.path.into_owned());
                }
            }
        }
        let provided: HashSet<_> = provides.map(|dependency| dependency.key()).collect();
        let mut seen = HashSet::new();
        let list = requires.filter(|required| {
            // `rpmlib(...)` is asked of rpm itself and of no package.
            !(required.name.starts_with(b"rpmlib(")
                || provided.contains(&required.key())
                || std::str::from_utf8(required.name).is_ok_and(|name| own_files.contains(name)))
                && seen.insert((required.key(), required.is_needed_first()))
        });
        let required = list.map(|dependency| Dependency { requires: true, ..dependency }).collect::<Vec<_>>();
        write_list(xml, "rpm:requires", required.into_iter())
    }

    fn files(&self) -> Result<impl Iterator<Item = Result<File<'a>, HeaderFault>>, HeaderFault> {
        let main = &self.headers.main;
        // RPM 3 lists whole paths, RPM 4 names and their folders.
        let is_old = main.has(tag::OLDFILENAMES) && !main.has(tag::BASENAMES);
        let names = main.strings(if is_old { tag::OLDFILENAMES } else { tag::BASENAMES })?;
        let folders = main.strings(tag::DIRNAMES)?;
        let indexes = main.words(tag::DIRINDEXES)?;
        let modes = main.u16s(tag::FILEMODES)?;
        let flags = main.u32s(tag::FILEFLAGS)?;
        if names.len() > MAX_FILES || folders.len() > names.len() {
            let expected = format!("{MAX_FILES} files in as many folders at most");
            let found = format!("{} files in {} folders", names.len(), folders.len());
            return Err(HeaderFault::new("BASENAMES", expected, found));
        }
        if !is_old {
            same_length("DIRINDEXES", names.len(), indexes.len())?;
        }
        same_length("FILEMODES", names.len(), modes.len())?;
        same_length("FILEFLAGS", names.len(), flags.len())?;
        let folders: Vec<&[u8]> = folders.collect();
        Ok(names.zip(0..).zip(modes).zip(flags).map(move |(((name, place), mode), flags)| {
            let index = indexes.get(place).map_or(0, |index| u32::from_be_bytes(*index));
            let folder = if is_old { Some(&b""[..]) } else { folders.get(index as usize).copied() };
            let folder = folder.ok_or_else(|| {
                HeaderFault::new("DIRINDEXES", format!("a number below {}", folders.len()), index.to_string())
            })?;
            let length = folder.len() + name.len();
            if length > MAX_PATH {
                let expected = format!("paths of {MAX_PATH} bytes at most");
                return Err(HeaderFault::new("BASENAMES", expected, length.to_string()));
            }
            let path = match (text(folder), text(name)) {
                (folder, name) if folder.is_empty() => name,
                (folder, name) => Cow::Owned(format!("{folder}{name}")),
            };
            refuse_control(tag::BASENAMES, &path)?;
            let kind = match mode & FILE_TYPE {
                DIRECTORY => FileKind::Directory,
                _ if flags & GHOST != 0 => FileKind::Ghost,
                _ => FileKind::File,
            };
            Ok(File { path, kind })
        }))
    }
}

struct File<'a> {
    path: Cow<'a, str>,
    kind: FileKind,
}

enum FileKind {
    File,
    Directory,
    Ghost,
}

/// Whether a path belongs into `primary.xml`, where it satisfies a dependency on a file without reading
/// `filelists.xml`: programs, configuration and one name that mailers have.
pub(crate) fn is_primary_path(path: &str) -> bool {
    path.starts_with("/etc/") || path.contains("bin/") || path == "/usr/lib/sendmail"
}

impl File<'_> {
    fn write(&self, xml: &mut Xml<'_>) -> Result<(), EntryFailure> {
        match self.kind {
            FileKind::File => element(xml, "file", &self.path),
            FileKind::Directory => full(xml, "file", &[("type", "dir")], &self.path),
            FileKind::Ghost => full(xml, "file", &[("type", "ghost")], &self.path),
        }
    }
}

/// One kind of a package's dependencies.
#[derive(Clone)]
struct Dependencies<'a> {
    names: Strings<'a>,
    /// Absent where RPM 3 wrote no versions.
    versions: Option<(Strings<'a>, std::slice::Iter<'a, [u8; 4]>)>,
}

impl<'a> Dependencies<'a> {
    fn read(header: &'a Header, name: Tag, flags: Tag, version: Tag) -> Result<Self, HeaderFault> {
        let names = header.strings(name)?;
        let versions = header.strings(version)?;
        let flag_words = header.words(flags)?;
        if names.len() > MAX_DEPENDENCIES {
            let expected = format!("{MAX_DEPENDENCIES} dependencies at most");
            return Err(HeaderFault::new(name.name(), expected, names.len().to_string()));
        }
        if !header.has(version) && !header.has(flags) && !header.has_region(tag::HEADERIMMUTABLE)? {
            return Ok(Self { names, versions: None });
        }
        same_length(version.name(), names.len(), versions.len())?;
        same_length(flags.name(), names.len(), flag_words.len())?;
        Ok(Self { names, versions: Some((versions, flag_words.iter())) })
    }
}

impl<'a> Iterator for Dependencies<'a> {
    type Item = Dependency<'a>;

    fn next(&mut self) -> Option<Dependency<'a>> {
        let name = self.names.next()?;
        let (version, flags) = match &mut self.versions {
            Some((versions, flags)) => (versions.next()?, u32::from_be_bytes(*flags.next()?)),
            None => (&b""[..], 0),
        };
        Some(Dependency { name, version, flags, requires: false })
    }
}

#[derive(Clone, Copy)]
struct Dependency<'a> {
    name: &'a [u8],
    version: &'a [u8],
    flags: u32,
    /// Whether it is one that the package requires; only these say whether they are needed first.
    requires: bool,
}

impl<'a> Dependency<'a> {
    /// What makes two dependencies the same one.
    fn key(&self) -> (&'a [u8], Option<&'static str>, &'a [u8]) {
        (self.name, self.comparison(), self.version)
    }

    fn comparison(&self) -> Option<&'static str> {
        // RPMSENSE_LESS, _GREATER and _EQUAL.
        match self.flags >> 1 & 0b111 {
            0b001 => Some("LT"),
            0b010 => Some("GT"),
            0b100 => Some("EQ"),
            0b101 => Some("LE"),
            0b110 => Some("GE"),
            _ => None,
        }
    }

    fn is_needed_first(&self) -> bool {
        self.flags & NEEDED_FIRST != 0
    }

    fn write(&self, xml: &mut Xml<'_>) -> Result<(), EntryFailure> {
        let (name, version) = (text(self.name), text(self.version));
        refuse_control(tag::REQUIRENAME, &name)?;
        refuse_control(tag::REQUIREVERSION, &version)?;
        let mut attributes = vec![("name", name.as_ref())];
        if let (Some(comparison), false) = (self.comparison(), version.is_empty()) {
            let (epoch, version, release) = split(&version);
            attributes.extend([("flags", comparison), ("epoch", epoch), ("ver", version)]);
            attributes.extend(release.map(|release| ("rel", release)));
        }
        if self.requires && self.is_needed_first() {
            attributes.push(("pre", "1"));
        }
        empty(xml, "rpm:entry", &attributes)
    }
}

fn write_list<'a>(
    xml: &mut Xml<'_>,
    name: &str,
    list: impl Iterator<Item = Dependency<'a>>,
) -> Result<(), EntryFailure> {
    let mut list = list.peekable();
    if list.peek().is_none() {
        return Ok(());
    }
    open(xml, name, &[])?;
    for dependency in list {
        dependency.write(xml)?;
    }
    close(xml, name)
}

/// Writes where a package lies.
pub(super) fn write_location(xml: &mut Xml<'_>, base: Option<&str>, href: &str) -> Result<(), EntryFailure> {
    let base = base.map(|base| ("xml:base", base));
    empty(xml, "location", &base.into_iter().chain([("href", href)]).collect::<Vec<_>>())
}

/// A string that must be there and that identifies something.
pub(super) fn label(header: &Header, tag: Tag) -> Result<Cow<'_, str>, HeaderFault> {
    let label = text(header.string(tag)?);
    if label.is_empty() {
        return Err(HeaderFault::new(tag.name(), "a text", "none"));
    }
    refuse_control(tag, &label)?;
    Ok(label)
}

/// Characters that XML 1.0 cannot express at all (its production 2).
fn is_unprintable(c: char) -> bool {
    matches!(c, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}')
}

fn refuse_control(tag: Tag, text: &str) -> Result<(), HeaderFault> {
    match text.chars().find(|c| is_unprintable(*c)) {
        Some(c) => {
            Err(HeaderFault::new(tag.name(), "no control characters", format!("U+{:04X}", u32::from(c))))
        }
        None => Ok(()),
    }
}

/// Prose, in which what XML cannot express may be replaced.
fn printable(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.chars().any(is_unprintable) { Cow::Owned(text.replace(is_unprintable, "\u{fffd}")) } else { text }
}

fn same_length(place: &str, expected: usize, found: usize) -> Result<(), HeaderFault> {
    if expected == found {
        return Ok(());
    }
    Err(HeaderFault::new(place, format!("{expected} items"), found.to_string()))
}
