//! `sealift package`: what rpmbuild and createrepo did.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Subcommand;
use serde_json::json;

use crate::failure::{Failure, Outcome};
use crate::output::Output;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Build an RPM from its definition
    #[command(
        after_help = "Example:\n  sealift package build packages/sealift/package.yaml --into /tmp/rpms"
    )]
    Build {
        /// The definition, as `packages/<name>/package.yaml`
        file: PathBuf,
        /// Write the package to DIR
        #[arg(long, value_name = "DIR", default_value = ".")]
        into: PathBuf,
        /// Resolve the paths of the definition from DIR
        #[arg(long, value_name = "DIR", default_value = ".")]
        base: PathBuf,
        /// Set the date of the package, in seconds since 1970 [default: its own, else 0]
        #[arg(long, value_name = "SECONDS", env = "SOURCE_DATE_EPOCH")]
        source_date: Option<i64>,
        #[command(flatten)]
        output: Output,
    },
    /// Write the metadata of a folder of RPMs, so that dnf can install from it
    #[command(after_help = "Example:\n  sealift package index /srv/repository")]
    Index {
        /// The folder
        folder: PathBuf,
        /// Set the revision of the metadata; clients reload when it changes
        #[arg(long, value_name = "NUMBER", env = "SOURCE_DATE_EPOCH", default_value_t = 0)]
        revision: i64,
        #[command(flatten)]
        output: Output,
    },
}

pub(crate) fn run(command: Command) -> Outcome {
    match command {
        Command::Build { file, into, base, source_date, output } => {
            build(&file, &into, &base, source_date, output)
        }
        Command::Index { folder, revision, output } => index(&folder, revision, output),
    }
}

/// The most bytes of the definition of a package.
const DEFINITION_MAX: u64 = 1 << 20;

fn build(file: &Path, into: &Path, base: &Path, source_date: Option<i64>, output: Output) -> Outcome {
    let bytes = content::open_read(file, content::Links::Follow, DEFINITION_MAX)?;
    let text = String::from_utf8(bytes).with_context(|| format!("cannot read {}", file.display()))?;
    let definition: packages::Definition = serde_saphyr::from_str(&text)
        .map_err(|error| Failure::usage(format!("{}: {error}", file.display())))?;
    let date = source_date.or(definition.date()).unwrap_or_default();
    let built = packages::build(&definition, base, date, into)?;
    let text = || format!("{}\n", built.path.display());
    Ok(output.report(&json!({"package": built.path}), text)?)
}

fn index(folder: &Path, revision: i64, output: Output) -> Outcome {
    let index = packages::repository::index(folder, revision)?;
    let report = json!({"repomd": index.repomd, "packages": index.packages});
    let text = || format!("{}: {} packages\n", index.repomd.display(), index.packages);
    Ok(output.report(&report, text)?)
}
