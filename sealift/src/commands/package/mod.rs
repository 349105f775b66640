//! `sealift package`: what rpmbuild and createrepo did.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Subcommand;
use packages::repository::Options;
use serde_json::json;

use crate::failure::{Failure, Outcome};
use crate::output::{self, Output};
use crate::session::wrong_project;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Build an RPM from its definition
    #[command(
        after_help = "Example:\n  sealift package build packages/sealift/package.yaml --into /tmp/rpms"
    )]
    Build {
        /// The definition, as `packages/<name>/package.yaml`
        file: PathBuf,
        /// Write the package to DIR, under its own name
        #[arg(long, value_name = "DIR", default_value = ".")]
        into: PathBuf,
        /// Write the package to FILE, also a pipe or device; `-` is standard output
        #[arg(long = "file", value_name = "FILE", conflicts_with = "into")]
        to: Option<PathBuf>,
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
    #[command(after_help = "Examples:\n  sealift package index /srv/repository\n  \
                            sealift package index /srv/repository -g comps.xml -x '*.src.rpm'")]
    Index {
        /// The folder
        folder: PathBuf,
        /// Set the revision of the metadata; clients reload when it changes
        #[arg(long, value_name = "NUMBER", env = "SOURCE_DATE_EPOCH", default_value_t = 0)]
        revision: i64,
        /// Leave out files and folders whose name or path matches PATTERN
        #[arg(short = 'x', long, alias = "excludes", value_name = "PATTERN")]
        exclude: Vec<String>,
        /// Read groups from FILE instead of `comps.xml` in the folder
        #[arg(short = 'g', long, value_name = "FILE")]
        groupfile: Option<PathBuf>,
        /// Keep groups, modules and updates of the old metadata
        #[arg(long)]
        keep_all_metadata: bool,
        /// Leave out damaged packages with a warning instead of failing
        #[arg(long)]
        skip_broken: bool,
        #[command(flatten)]
        output: Output,
    },
}

pub(crate) fn run(command: Command) -> Outcome {
    match command {
        Command::Build { file, into, to, base, source_date, output } => {
            let place = to.as_deref().map_or(Place::Folder(&into), Place::File);
            build(&file, place, &base, source_date, output)
        }
        Command::Index { folder, revision, exclude, groupfile, keep_all_metadata, skip_broken, output } => {
            let options = Options {
                revision,
                exclude,
                groups: groupfile,
                keep_metadata: keep_all_metadata,
                skip_broken,
                boundary: None,
            };
            index(&folder, &options, output)
        }
    }
}

/// The most bytes of the definition of a package.
const DEFINITION_MAX: u64 = 1 << 20;

/// Where a package goes.
enum Place<'a> {
    /// Into a folder, under its own name.
    Folder(&'a Path),
    /// To a file, pipe or device that the user named.
    File(&'a Path),
}

fn build(file: &Path, place: Place<'_>, base: &Path, source_date: Option<i64>, output: Output) -> Outcome {
    let bytes = content::open_read(file, content::Links::Follow, DEFINITION_MAX)?;
    let text =
        String::from_utf8(bytes).with_context(|| format!("cannot read {}", content::printable_path(file)))?;
    let definition = buildchain::project::read_package(file, &text).map_err(wrong_project)?;
    let date = source_date.or(definition.date()).unwrap_or_default();
    let built = match place {
        Place::Folder(into) => packages::build(&definition, base, date, into)?,
        Place::File(to) => {
            let (bytes, mut built) = packages::build_in_memory(&definition, base, date)?;
            output::write_file(to, &bytes)?;
            built.path = to.to_path_buf();
            built
        }
    };
    built.warnings.iter().for_each(|warning| output::warn(warning));
    if content::is_standard_output(&built.path) {
        // A report would become part of the package.
        output::note(&format!("wrote {} to standard output", content::printable(&built.nevra)));
        return Ok(());
    }
    let text = || format!("{}\n", content::printable_path(&built.path));
    Ok(output.report(&json!({"package": built.path, "warnings": built.warnings}), text)?)
}

fn index(folder: &Path, options: &Options, output: Output) -> Outcome {
    let index = match packages::repository::index_with(folder, options) {
        Ok(index) => index,
        Err(error @ packages::Error::Pattern { .. }) => return Err(Failure::usage_by(error)),
        Err(error @ packages::Error::Rpm { .. }) => {
            return Err(Failure::from(error)
                .remedy("leave it out with --exclude PATTERN, or all damaged packages with --skip-broken"));
        }
        Err(error) => return Err(error.into()),
    };
    index.warnings.iter().for_each(|warning| output::warn(warning));
    if !index.dropped.is_empty() {
        output::warn(&format!(
            "the metadata no longer have: {} (--keep-all-metadata keeps them)",
            content::printable(&index.dropped.join(", "))
        ));
    }
    let report = json!({
        "repomd": index.repomd,
        "packages": index.packages,
        "warnings": index.warnings,
        "dropped": index.dropped,
    });
    let text = || format!("{}: {} packages\n", content::printable_path(&index.repomd), index.packages);
    Ok(output.report(&report, text)?)
}
