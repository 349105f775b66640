//! `sealift package index`.

use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::ValueEnum;
use packages::PackageFormat;
use packages::debian::DebIndexOptions;
use packages::metadata::ChecksumKind;
use packages::repository::{IndexOptions, MetadataCompression, PackageSelection, RepositoryTags, Reuse};

use super::index_deb::{self, DebArgs};
use crate::args::signing::SigningArguments;
use crate::failure::{CommandResult, Failure};
use crate::output::documents::packages::PackageIndex;
use crate::output::{self, ReportOutput, count, documents};
use crate::remedies;

/// The revision of the metadata where none is given.
const DEFAULT_REVISION: &str = "0";
/// Packages that a list may name, in bytes of the list.
const MAX_LIST: u64 = 64 << 20;
/// Entries of each changelog.
const CHANGELOG_LIMIT: usize = 10;

#[derive(Debug, clap::Args)]
pub(crate) struct IndexArgs {
    /// The folder of packages, either `.rpm` or `.deb`
    folder: PathBuf,
    /// Write the metadata to DIR instead of the folder; DEBs are linked into DIR
    #[arg(long, value_name = "DIR")]
    outputdir: Option<PathBuf>,
    /// Leave out files and folders whose name or path matches PATTERN
    #[arg(short = 'x', long, alias = "excludes", value_name = "PATTERN", help_heading = "Packages")]
    exclude: Vec<String>,
    /// Index only the packages that FILE lists, a path from the folder on each line
    #[arg(short = 'i', long, value_name = "FILE", help_heading = "Packages")]
    pkglist: Option<PathBuf>,
    /// Index only this package, a path from the folder; can be repeated
    #[arg(long, value_name = "PACKAGE", help_heading = "Packages")]
    includepkg: Vec<String>,
    /// Leave out links
    #[arg(short = 'S', long, help_heading = "Packages")]
    skip_symlinks: bool,
    /// Leave out damaged packages with a warning instead of failing
    #[arg(long, help_heading = "Packages")]
    skip_broken: bool,
    /// Take over the old metadata of packages whose size and modification time are the same
    #[arg(long, help_heading = "Old metadata")]
    update: bool,
    /// Also take over metadata of the repository DIR; can be repeated
    #[arg(long, value_name = "DIR", requires = "update", help_heading = "Old metadata")]
    update_md_path: Vec<PathBuf>,
    /// Take over old metadata even if size or modification time differ
    #[arg(long, requires = "update", help_heading = "Old metadata")]
    skip_stat: bool,
    /// Index only the packages of the old metadata
    #[arg(long, requires = "update", help_heading = "Old metadata")]
    recycle_pkglist: bool,
    /// Write the paths of the packages that were read to FILE
    #[arg(long, value_name = "FILE", help_heading = "Old metadata")]
    read_pkgs_list: Option<PathBuf>,
    /// Keep groups, modules and updates of the old metadata
    #[arg(long, help_heading = "Old metadata")]
    keep_all_metadata: bool,
    /// Keep the newest NUMBER old files of each kind, for clients with an old `repomd.xml`
    #[arg(
        long,
        value_name = "NUMBER",
        default_value_t = 0,
        requires = "unique_md_filenames",
        help_heading = "Old metadata"
    )]
    retain_old_md: usize,
    /// Read groups from FILE instead of `comps.xml` in the folder
    #[arg(short = 'g', long, value_name = "FILE", help_heading = "Content")]
    groupfile: Option<PathBuf>,
    /// Read updates from FILE instead of `updateinfo.xml` in the folder
    #[arg(long, value_name = "FILE", help_heading = "Content")]
    updateinfo: Option<PathBuf>,
    /// Keep the newest NUMBER entries of each changelog
    #[arg(long, value_name = "NUMBER", default_value_t = CHANGELOG_LIMIT, help_heading = "Content")]
    changelog_limit: usize,
    /// Set the start of all locations
    #[arg(short = 'u', long, value_name = "URL", help_heading = "Content")]
    baseurl: Option<String>,
    /// Put PREFIX before the path of each package
    #[arg(long, value_name = "PREFIX", help_heading = "Content")]
    location_prefix: Option<String>,
    /// Cut NUMBER folders from the start of each path
    #[arg(long, value_name = "NUMBER", default_value_t = 0, help_heading = "Content")]
    cut_dirs: usize,
    /// Name a distribution: `NAME`, or `CPE,NAME`; can be repeated
    #[arg(long, value_name = "DISTRO", help_heading = "Content")]
    distro: Vec<String>,
    /// Add a tag about the content; can be repeated
    #[arg(long, value_name = "TAG", help_heading = "Content")]
    content: Vec<String>,
    /// Add a tag about the repository; can be repeated
    #[arg(long, value_name = "TAG", help_heading = "Content")]
    repo: Vec<String>,
    /// Set the revision of the metadata; clients reload when it changes. A number is also their time
    #[arg(long, env = "SOURCE_DATE_EPOCH", default_value = DEFAULT_REVISION, help_heading = "Form")]
    revision: String,
    /// Set the modification time of the metadata files to the revision
    #[arg(long, help_heading = "Form")]
    set_timestamp_to_revision: bool,
    /// Compress with this method
    #[arg(
        long,
        alias = "general-compress-type",
        value_name = "METHOD",
        default_value = "gz",
        help_heading = "Form"
    )]
    compress_type: Compression,
    /// Compress with xz
    #[arg(long, conflicts_with = "compress_type", hide = true)]
    xz: bool,
    /// Use this checksum for packages and metadata
    #[arg(short = 's', long, value_name = "KIND", default_value = "sha256", help_heading = "Form")]
    checksum: Checksum,
    /// Use this checksum for metadata [default: that of packages]
    #[arg(long, value_name = "KIND", help_heading = "Form")]
    repomd_checksum: Option<Checksum>,
    /// Begin the names of metadata files with their checksums
    #[arg(long, help_heading = "Form")]
    unique_md_filenames: bool,
    /// Accepted because scripts for createrepo_c have it: it is the default here
    #[arg(long, conflicts_with = "unique_md_filenames", hide = true)]
    simple_md_filenames: bool,
    /// Accepted because scripts for createrepo_c have it: there are no databases
    #[arg(long, hide = true)]
    no_database: bool,
    /// Read packages with NUMBER threads [default: one for each processor]
    #[arg(long, value_name = "NUMBER", help_heading = "Form")]
    workers: Option<NonZero<usize>>,
    #[command(flatten)]
    deb: DebArgs,
    #[command(flatten)]
    signing: SigningArguments,
    #[command(flatten)]
    output: ReportOutput,
}

/// How metadata are compressed.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Compression {
    /// gzip: all clients read it
    Gz,
    /// zstd: dnf of EL 8 and later reads it, fastest
    #[value(alias = "zst")]
    Zstd,
    /// xz: smallest
    Xz,
    /// No compression
    None,
}

/// A checksum in metadata.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Checksum {
    /// SHA-256
    Sha256,
    /// SHA-512
    Sha512,
}

impl From<Checksum> for ChecksumKind {
    fn from(checksum: Checksum) -> Self {
        match checksum {
            Checksum::Sha256 => Self::Sha256,
            Checksum::Sha512 => Self::Sha512,
        }
    }
}

impl IndexArgs {
    fn selection(&mut self) -> Result<PackageSelection, content::IoError> {
        let mut only = self.pkglist.as_deref().map(list).transpose()?;
        if !self.includepkg.is_empty() {
            only.get_or_insert_default().append(&mut self.includepkg);
        }
        Ok(PackageSelection {
            exclude: std::mem::take(&mut self.exclude),
            only,
            skip_links: self.skip_symlinks,
            skip_broken: self.skip_broken,
            boundary: None,
        })
    }

    /// The options that were given and have no meaning for apt.
    fn rpm_only(&self) -> Vec<&'static str> {
        let given = [
            (!self.update_md_path.is_empty(), "--update-md-path"),
            (self.skip_stat, "--skip-stat"),
            (self.recycle_pkglist, "--recycle-pkglist"),
            (self.keep_all_metadata, "--keep-all-metadata"),
            (self.unique_md_filenames, "--unique-md-filenames"),
            (self.groupfile.is_some(), "--groupfile"),
            (self.updateinfo.is_some(), "--updateinfo"),
            (self.changelog_limit != CHANGELOG_LIMIT, "--changelog-limit"),
            (self.baseurl.is_some(), "--baseurl"),
            (self.location_prefix.is_some(), "--location-prefix"),
            (self.cut_dirs > 0, "--cut-dirs"),
            (!self.distro.is_empty(), "--distro"),
            (!self.content.is_empty(), "--content"),
            (!self.repo.is_empty(), "--repo"),
            (self.set_timestamp_to_revision, "--set-timestamp-to-revision"),
            (matches!(self.checksum, Checksum::Sha512), "--checksum sha512"),
            (self.repomd_checksum.is_some(), "--repomd-checksum"),
        ];
        given.into_iter().filter(|(is_given, _)| *is_given).map(|(_, name)| name).collect()
    }

    fn compression(&self) -> MetadataCompression {
        match self.compress_type {
            _ if self.xz => MetadataCompression::Xz,
            Compression::Gz => MetadataCompression::Gzip,
            Compression::Zstd => MetadataCompression::Zstd,
            Compression::Xz => MetadataCompression::Xz,
            Compression::None => MetadataCompression::Plain,
        }
    }

    fn deb_options(self, selection: PackageSelection) -> Result<DebIndexOptions, Failure> {
        let date = self
            .revision
            .trim()
            .parse()
            .map_err(|_| Failure::usage("the --revision of DEBs is their date, in seconds since 1970"))?;
        let compression = self.compression();
        let signer = self.signing.signer(("--revision", self.revision != DEFAULT_REVISION))?.map(Arc::new);
        let Self { deb, outputdir, update, workers, .. } = self;
        Ok(DebIndexOptions {
            selection,
            date: Some(date),
            output: outputdir,
            reuse: update,
            compression,
            signer,
            threads: workers,
            ..deb.options()
        })
    }

    fn options(self, selection: PackageSelection) -> Result<IndexOptions, Failure> {
        let signer = self.signing.signer(("--revision", self.revision != DEFAULT_REVISION))?.map(Arc::new);
        let time = self.revision.trim().parse();
        let compression = self.compression();
        let distribution = |distro: String| match distro.split_once(',') {
            Some((cpe, name)) => (Some(cpe.to_owned()), name.to_owned()),
            None => (None, distro),
        };
        Ok(IndexOptions {
            revision: *time.as_ref().unwrap_or(&0),
            revision_name: time.is_err().then_some(self.revision),
            tags: RepositoryTags {
                content: self.content,
                repository: self.repo,
                distributions: self.distro.into_iter().map(distribution).collect(),
            },
            output: self.outputdir,
            selection,
            groups: self.groupfile,
            updates: self.updateinfo,
            keep_metadata: self.keep_all_metadata,
            retain: self.retain_old_md,
            reuse: self.update.then_some(Reuse {
                also: self.update_md_path,
                by_location_only: self.skip_stat,
                same_packages: self.recycle_pkglist,
            }),
            compression,
            checksum: self.checksum.into(),
            repomd_checksum: self.repomd_checksum.map(Into::into),
            unique_names: self.unique_md_filenames,
            set_file_times: self.set_timestamp_to_revision,
            base_url: self.baseurl,
            cut_folders: self.cut_dirs,
            location_prefix: self.location_prefix,
            changelog_entries: Some(self.changelog_limit),
            unique: false,
            signer,
            threads: self.workers,
        })
    }
}

/// The lines of a file.
fn list(path: &Path) -> Result<Vec<String>, content::IoError> {
    let text = content::open_text(path, content::LinkPolicy::Follow, MAX_LIST)?;
    Ok(text.lines().map(str::to_owned).collect())
}

pub(super) fn run(mut args: IndexArgs) -> CommandResult {
    let (output, read_list) = (args.output, args.read_pkgs_list.take());
    if args.set_timestamp_to_revision && args.revision.trim().parse::<i64>().is_err() {
        return Err(Failure::usage("--set-timestamp-to-revision needs a --revision in seconds since 1970"));
    }
    let folder = args.folder.clone();
    let selection = args.selection()?;
    let given = args.deb.given();
    let found = packages::formats_in(&folder, &selection).map_err(remedies::packages::index)?;
    match (found.as_slice(), given.first()) {
        ([PackageFormat::Rpm], Some(option)) => {
            let folder = content::printable_path(&folder);
            return Err(Failure::usage(format!("{option} is for DEBs, but {folder} has RPMs")));
        }
        ([PackageFormat::Deb], _) | ([], Some(_)) => {
            if let Some(option) = args.rpm_only().first() {
                return Err(Failure::usage(format!("{option} is for RPMs, but the packages are DEBs")));
            }
            let options = args.deb_options(selection)?;
            return index_deb::run(&folder, &options, read_list.as_deref(), output);
        }
        ([_, _, ..], _) => {
            let folder = content::printable_path(&folder);
            return Err(Failure::usage(format!("{folder} has both RPMs and DEBs"))
                .remedy("index one kind at a time: leave out the other with -x '*.deb' or -x '*.rpm'"));
        }
        ([..], None) => {}
    }
    let options = args.options(selection)?;
    let mut index = packages::repository::index_with(&folder, &options).map_err(remedies::packages::index)?;
    if found.is_empty() && index.packages == 0 {
        let folder = content::printable_path(&folder);
        index.warnings.push(format!("{folder} has no packages: the metadata are for dnf"));
    }
    index.warnings.iter().for_each(|warning| output::warn(warning));
    if !index.dropped.is_empty() {
        output::warn(&format!(
            "the new metadata lacks: {}; keep them with --keep-all-metadata",
            content::printable(&index.dropped.join(", "))
        ));
    }
    write_list(read_list.as_deref(), &index.read)?;
    let document = || PackageIndex {
        format: PackageFormat::Rpm.into(),
        metadata: documents::text(&index.repomd),
        packages: index.packages,
        read: index.read.len(),
        warnings: index.warnings.clone(),
        dropped: index.dropped.clone(),
    };
    let text = || summary(&index.repomd, index.packages, index.read.len());
    Ok(output.report(document, text)?)
}

/// Writes the packages that were read into the file that the user named.
pub(super) fn write_list(list: Option<&Path>, read: &[PathBuf]) -> Result<(), content::IoError> {
    let Some(list) = list else { return Ok(()) };
    let read: String = read.iter().map(|path| format!("{}\n", path.display())).collect();
    content::write_output(list, read.as_bytes())
}

/// The report for people.
pub(super) fn summary(metadata: &Path, packages: usize, read: usize) -> String {
    let reused = packages.saturating_sub(read);
    let reused = if reused > 0 { format!(", {reused} of them unchanged") } else { String::new() };
    format!("{}: {}{reused}\n", content::printable_path(metadata), count(packages, "package"))
}
