//! `sealift package sign`.

use std::path::{Path, PathBuf};

use clap::Args;
use packages::repository::sign_package;

use crate::args::signing::SigningArguments;
use crate::failure::{CommandResult, Failure};
use crate::output::document::List;
use crate::output::documents::packages::SignedPackage;
use crate::output::{ReportOutput, documents};
use crate::remedies;

#[derive(Debug, Args)]
pub(crate) struct SignArgs {
    /// The packages: RPM files
    #[arg(required = true, value_name = "PACKAGE")]
    packages: Vec<PathBuf>,
    /// Write the signed packages to DIR [default: replace each file]
    #[arg(long, value_name = "DIR")]
    into: Option<PathBuf>,
    /// Set the date of the signatures, in seconds since 1970 [default: the build time of each package]
    #[arg(long, value_name = "SECONDS", env = "SOURCE_DATE_EPOCH")]
    source_date: Option<i64>,
    #[command(flatten)]
    signing: SigningArguments,
    #[command(flatten)]
    output: ReportOutput,
}

pub(super) fn run(args: &SignArgs) -> CommandResult {
    let Some(signer) = args.signing.signer(("--source-date", args.source_date.is_some()))? else {
        return Err(Failure::usage("the key that signs is missing")
            .remedy("add --sign-key FILE, --sign-gpg KEY, or --sign-command COMMAND"));
    };
    let targets = targets(args)?;
    if let Some(into) = &args.into {
        content::create_folder(into)?;
    }
    let mut signed = Vec::new();
    for (path, to) in args.packages.iter().zip(targets) {
        let one = sign_package(path, &to, &signer, args.source_date, &|| false)
            .map_err(remedies::packages::signing)?;
        let good = one.package.signature;
        signed.push(SignedPackage {
            package: one.package.identity.to_string(),
            path: documents::text(if args.into.is_some() { &to } else { path }),
            fingerprint: good.as_ref().map(|good| good.fingerprint.clone()).unwrap_or_default(),
            user: good.map(|good| good.user).unwrap_or_default(),
            was_signed: one.was_signed,
            replaced: one.had_others,
        });
    }
    let text = || signed.iter().map(ToString::to_string).collect();
    Ok(args.output.report(|| signed.iter().cloned().collect::<List<_>>(), text)?)
}

/// Where each signed package is written.
fn targets(args: &SignArgs) -> Result<Vec<PathBuf>, Failure> {
    let mut targets = Vec::new();
    for path in &args.packages {
        let to = target(path, args.into.as_deref())?;
        if args.into.is_some() && targets.contains(&to) {
            let name = content::printable_path(&to);
            return Err(Failure::usage(format!("two packages would be written to {name}")));
        }
        targets.push(to);
    }
    Ok(targets)
}

/// Where a signed package is written. Behind a link that is the file itself.
fn target(path: &Path, into: Option<&Path>) -> Result<PathBuf, Failure> {
    match into {
        Some(into) => Ok(into.join(path.file_name().unwrap_or_default())),
        None => Ok(std::fs::canonicalize(path).map_err(content::IoError::at("read", path))?),
    }
}
