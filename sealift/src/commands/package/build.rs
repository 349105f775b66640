//! `sealift package build`.

use std::path::Path;

use anyhow::Context as _;
use clap::ValueEnum;
use packages::{PackageTarget, debian, source_package};

use crate::failure::{CommandResult, Failure};
use crate::output::documents::packages::PackageDocument;
use crate::output::{self, ReportOutput, documents};
use crate::remedies;

/// The most bytes of the definition of a package.
const DEFINITION_MAX: u64 = 1 << 20;

/// The format of a package.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Format {
    /// For dnf and rpm
    Rpm,
    /// For apt and dpkg
    Deb,
    /// The source package; `rpmbuild --rebuild` makes the RPM from it
    Srpm,
}

/// Whose `overrides` count for packages of this format: those for a release, for a Debian package also those for all releases.
fn target(format: Format, release: Option<&str>) -> Result<Option<PackageTarget>, Failure> {
    let wrong = |release: &str, expected: &str| {
        Failure::usage(format!("`{}` is not a release: expected {expected}", content::printable(release)))
    };
    match (format, release) {
        (Format::Rpm | Format::Srpm, None) => Ok(None),
        (Format::Rpm | Format::Srpm, Some(release)) => {
            let number = release.strip_prefix("el").unwrap_or(release);
            let target =
                format!("el{number}").parse().map_err(|_| wrong(release, "one such as `8` or `el8`"))?;
            Ok(Some(target))
        }
        (Format::Deb, None) => Ok(Some(PackageTarget::any_debian())),
        (Format::Deb, Some(release)) => {
            let name = release.strip_prefix("deb-").unwrap_or(release);
            let target =
                format!("deb-{name}").parse().map_err(|_| wrong(release, "one such as `bookworm`"))?;
            Ok(Some(target))
        }
    }
}

impl From<Format> for packages::PackageFormat {
    fn from(format: Format) -> Self {
        match format {
            Format::Rpm | Format::Srpm => Self::Rpm,
            Format::Deb => Self::Deb,
        }
    }
}

/// Where a package is written.
pub(super) enum PackageDestination<'a> {
    /// Into a folder, under its own name.
    Folder(&'a Path),
    /// To a file, pipe or device that the user named.
    File(&'a Path),
}

pub(super) fn run(
    file: &Path,
    format: Format,
    place: PackageDestination<'_>,
    base: &Path,
    release: Option<&str>,
    source_date: Option<i64>,
    output: ReportOutput,
) -> CommandResult {
    let target = target(format, release)?;
    let bytes = content::open_read(file, content::LinkPolicy::Follow, DEFINITION_MAX)?;
    let text =
        String::from_utf8(bytes).with_context(|| format!("cannot read {}", content::printable_path(file)))?;
    let definition = buildchain::project::read_package(file, &text, format.into(), target.as_ref(), base)
        .map_err(remedies::project::project)?;
    let date = source_date.or(definition.date()).unwrap_or_default();
    let built = match place {
        PackageDestination::Folder(into) => match format {
            Format::Rpm => packages::build(&definition, base, date, into)?,
            Format::Deb => debian::build(&definition, base, date, into)?,
            Format::Srpm => source_package::build(&definition, base, date, into)?,
        },
        PackageDestination::File(to) => {
            let (bytes, mut built) = match format {
                Format::Rpm => packages::build_in_memory(&definition, base, date)?,
                Format::Deb => debian::build_in_memory(&definition, base, date)?,
                Format::Srpm => source_package::build_in_memory(&definition, base, date)?,
            };
            output::write_file(to, &bytes)?;
            built.path = to.to_path_buf();
            built
        }
    };
    built.warnings.iter().for_each(|warning| output::warn(warning));
    if content::is_standard_output(&built.path) {
        // A report on standard output would become part of the package.
        output::note(&format!("wrote {} to standard output", content::printable(&built.nevra)));
        return Ok(());
    }
    let document =
        || PackageDocument { package: documents::text(&built.path), warnings: built.warnings.clone() };
    let text = || format!("{}\n", content::printable_path(&built.path));
    Ok(output.report(document, text)?)
}
