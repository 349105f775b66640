//! `sealift package export`.

use buildchain::locking::{export_packages, export_requests};
use buildchain::project::{Project, Release};
use clap::{Args, ValueEnum};

use crate::failure::{CommandResult, Failure};
use crate::output::ReportOutput;
use crate::output::documents::packages::PackageExport;
use crate::session::Selector;

/// A format of another tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExchangeFormat {
    /// `rpms.lock.yaml` of Konflux and Hermeto
    RpmsLock,
    /// `rpms.in.yaml` of Konflux
    RpmsIn,
    /// `packages.manifest.yaml` of `dnf5 manifest`
    Manifest,
}

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    selector: Selector,
    /// The format
    format: ExchangeFormat,
    /// The release of the distribution [default: the only one with upstream packages]
    #[arg(long, value_name = "RELEASE")]
    release: Option<String>,
    #[command(flatten)]
    output: ReportOutput,
}

pub(super) fn run(arguments: &Arguments) -> CommandResult {
    let project = arguments.selector.load()?;
    let release = release(&project, arguments.release.as_deref())?;
    let locked = |urls| {
        export_packages(&project, release, urls).ok_or_else(|| {
            Failure::usage(format!("the packages of release {release} are not locked"))
                .remedy("lock them: `sealift lock`")
        })
    };
    let content = match arguments.format {
        ExchangeFormat::RpmsLock => locked(true)?.rpms_lock(),
        ExchangeFormat::Manifest => locked(false)?.manifest(),
        ExchangeFormat::RpmsIn => export_requests(&project, release).rpms_in(),
    };
    let document = || PackageExport { release: release.to_string(), content: content.clone() };
    Ok(arguments.output.report(document, || content.clone())?)
}

/// The release of the project that is meant.
pub(super) fn release<'a>(project: &'a Project, named: Option<&str>) -> Result<&'a Release, Failure> {
    let releases = project.upstream_releases();
    let list = || releases.iter().map(|release| release.as_str()).collect::<Vec<_>>().join(", ");
    match (named, releases.as_slice()) {
        (_, []) => Err(Failure::usage("the project downloads no upstream packages")
            .remedy("add an entry with `source` and `download` to `spec.packages`")),
        (None, [one]) => Ok(one),
        (None, _) => Err(Failure::usage(format!("the project has several releases: {}", list()))
            .remedy("choose one with --release")),
        (Some(named), _) => {
            releases.iter().find(|release| release.as_str() == named).copied().ok_or_else(|| {
                let named = content::printable(named);
                Failure::usage(format!(
                    "the project downloads no packages for release `{named}`, only for: {}",
                    list()
                ))
            })
        }
    }
}
