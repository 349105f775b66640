//! `sealift package`: build and sign packages, index their repositories, and check what these need.

mod build;
pub(crate) mod check;
mod export;
mod import;
mod index;
mod index_deb;
mod sign;
pub(crate) mod why;

use std::path::PathBuf;

use clap::Subcommand;

use crate::failure::CommandResult;
use crate::output::ReportOutput;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Build an RPM or DEB from its definition
    #[command(
        after_help = "Examples:\n  sealift package build packages/sealift/package.yaml --into /tmp/rpms\n  \
                      sealift package build package.yaml --release 8\n  \
                      sealift package build packages/hello/package.yaml --format deb --release bookworm\n  \
                      sealift package build packages/hello/package.yaml --format srpm"
    )]
    Build {
        /// The definition, as `packages/<name>/package.yaml`
        file: PathBuf,
        /// Build a package of this format
        #[arg(long, value_name = "FORMAT", default_value = "rpm")]
        format: build::Format,
        /// Write the package to DIR, under its own name
        #[arg(long, value_name = "DIR", default_value = ".")]
        into: PathBuf,
        /// Write the package to FILE, which can be a pipe or device; `-` is standard output
        #[arg(long = "file", value_name = "FILE", conflicts_with = "into")]
        to: Option<PathBuf>,
        /// Resolve the paths of the definition from DIR
        #[arg(long, value_name = "DIR", default_value = ".")]
        base: PathBuf,
        /// Use the `overrides` of the definition for this release of the distribution: `8`, `el8` or `bookworm`
        #[arg(long, value_name = "RELEASE")]
        release: Option<String>,
        /// Set the date of the package, in seconds since 1970 [default: its own, else 0]
        #[arg(long, value_name = "SECONDS", env = "SOURCE_DATE_EPOCH")]
        source_date: Option<i64>,
        #[command(flatten)]
        output: ReportOutput,
    },
    /// Check that the packages of repositories can be installed from them
    ///
    /// If a repository has keys, `RPM-GPG-KEY-*` beside the packages, the signatures of its metadata and packages must be by one of
    /// them. Metadata need a key that is valid now.
    #[command(
        after_help = "Examples:\n  sealift package check /srv/repository --base /srv/baseos --base /srv/appstream\n  \
                            sealift package check metalk8s.iso --base /srv/baseos -o json"
    )]
    Check {
        /// Folders of RPMs, with or without metadata, and archives, whose releases are checked each on its own
        #[arg(required = true, value_name = "PATH")]
        repositories: Vec<PathBuf>,
        /// Also use the packages of this folder or archive, without checking them (repeatable)
        #[arg(long = "base", value_name = "PATH")]
        bases: Vec<PathBuf>,
        #[command(flatten)]
        output: ReportOutput,
    },
    /// Print what upstream packages of a project are there for
    #[command(after_help = "Examples:\n  sealift package why\n  sealift package why socat libwrap")]
    Why(why::Arguments),
    /// Print the upstream packages of a project for other tools
    ///
    /// `rpms-lock` is `rpms.lock.yaml` of Konflux and Hermeto, `manifest` is `packages.manifest.yaml` of `dnf5 manifest`: the packages
    /// that sealift.lock has. `rpms-in` is `rpms.in.yaml`: what the project asks for.
    #[command(after_help = "Examples:\n  sealift package export rpms-lock > rpms.lock.yaml\n  \
                            sealift package export manifest --release 9 > packages.manifest.yaml\n  \
                            sealift package export rpms-in > rpms.in.yaml")]
    Export(export::Arguments),
    /// Lock the packages that another tool has locked
    ///
    /// FILE is `rpms.lock.yaml` or `packages.manifest.yaml`: its packages are fetched, checked as by `sealift lock`, and written to
    /// sealift.lock in place of the locked ones. Of `rpms.in.yaml`, the entries for sealift.yaml are printed.
    #[command(after_help = "Examples:\n  sealift package import rpms.lock.yaml\n  \
                            sealift package import packages.manifest.yaml --release 9 --dry-run\n  \
                            sealift package import rpms.in.yaml --release 9")]
    Import(import::Arguments),
    /// Write the metadata of a folder of packages, for dnf or apt
    #[command(after_help = "Examples:\n  sealift package index /srv/repository\n  \
                            sealift package index /srv/repository -g comps.xml -x '*.src.rpm'\n  \
                            sealift package index /srv/repository --update --unique-md-filenames --retain-old-md 2\n  \
                            sealift package index /srv/repository --sign-key release.asc\n  \
                            sealift package index /srv/debs --suite stable --origin Example")]
    Index(Box<index::IndexArgs>),
    /// Sign packages with an OpenPGP key
    ///
    /// Each package gets a signature of its header, which has the digest of the content, in place of all other signatures.
    /// Nothing else in the package changes. With a key in a file, the same package and date give the same bytes.
    #[command(
        after_help = "Examples:\n  sealift package sign --sign-key release.asc /srv/repository/*.rpm\n  \
                            sealift package sign --sign-gpg release@example.org --into signed tool-1.0-1.noarch.rpm\n  \
                            sealift package sign --sign-command 'sign-client --key release' --public-key release.pub tool.rpm"
    )]
    Sign(sign::SignArgs),
}

pub(crate) fn run(command: Command) -> CommandResult {
    match command {
        Command::Build { file, format, into, to, base, release, source_date, output } => {
            let place = to
                .as_deref()
                .map_or(build::PackageDestination::Folder(&into), build::PackageDestination::File);
            build::run(&file, format, place, &base, release.as_deref(), source_date, output)
        }
        Command::Check { repositories, bases, output } => check::run(&repositories, &bases, output),
        Command::Why(arguments) => why::run(&arguments),
        Command::Export(arguments) => export::run(&arguments),
        Command::Import(arguments) => import::run(&arguments),
        Command::Index(args) => index::run(*args),
        Command::Sign(args) => sign::run(&args),
    }
}
