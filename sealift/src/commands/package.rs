//! `sealift package`: what rpmbuild and createrepo did.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Subcommand;
use serde_json::json;

use crate::failure::{Failure, Outcome};
use crate::output::{self, Output};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Build an RPM from its definition
    #[command(
        after_help = "Example:\n  sealift package build packages/sealift/package.yaml --into /tmp/rpms"
    )]
    Build {
        /// The definition, as `packages/<name>/package.yaml`
        file: PathBuf,
        /// The folder that takes the package
        #[arg(long, value_name = "DIR", default_value = ".")]
        into: PathBuf,
        /// The folder that the definition's paths start from
        #[arg(long, value_name = "DIR", default_value = ".")]
        base: PathBuf,
        /// Date of the package, in seconds since 1970 [default: its own, else 0]
        #[arg(long, value_name = "SECONDS", env = "SOURCE_DATE_EPOCH")]
        source_date: Option<i64>,
    },
    /// Write the metadata of a folder of RPMs, so that dnf can install from it
    #[command(after_help = "Example:\n  sealift package index /srv/repository")]
    Index {
        /// The folder
        folder: PathBuf,
        /// The revision of the metadata; clients take another one for newer
        #[arg(long, value_name = "NUMBER", env = "SOURCE_DATE_EPOCH", default_value_t = 0)]
        revision: i64,
        #[command(flatten)]
        output: Output,
    },
}

pub(crate) fn run(command: Command) -> Outcome {
    match command {
        Command::Build { file, into, base, source_date } => build(&file, &into, &base, source_date),
        Command::Index { folder, revision, output } => index(&folder, revision, output),
    }
}

/// The most bytes of the definition of a package.
const DEFINITION_MAX: u64 = 1 << 20;

fn build(file: &Path, into: &Path, base: &Path, source_date: Option<i64>) -> Outcome {
    let bytes = content::open_read(file, content::Links::Follow, DEFINITION_MAX)?;
    let text = String::from_utf8(bytes).with_context(|| format!("cannot read {}", file.display()))?;
    let definition: packages::Definition = serde_saphyr::from_str(&text)
        .map_err(|error| Failure::usage(format!("{}: {error}", file.display())))?;
    let date = source_date.or(definition.date()).unwrap_or_default();
    let built = packages::build(&definition, base, date, into)?;
    output::print(&format!("{}\n", built.path.display()))?;
    Ok(())
}

fn index(folder: &Path, revision: i64, output: Output) -> Outcome {
    let index = packages::repository::index(folder, revision)?;
    let report = json!({"repomd": index.repomd, "packages": index.packages});
    let text = || format!("{}: {} packages\n", index.repomd.display(), index.packages);
    Ok(output.report(&report, text)?)
}
