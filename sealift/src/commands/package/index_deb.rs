//! `sealift package index` of DEBs.

use std::path::Path;

use packages::PackageFormat;
use packages::debian::{DebIndexOptions, Suite, index};

use super::index::{summary, write_list};
use crate::failure::CommandResult;
use crate::output::documents::packages::PackageIndex;
use crate::output::{self, ReportOutput, documents};
use crate::remedies;

/// The options that are for DEBs alone.
#[derive(Debug, clap::Args)]
pub(super) struct DebArgs {
    /// Write `dists/NAME/` instead of metadata beside the packages
    #[arg(long, value_name = "NAME", help_heading = "DEB repository")]
    suite: Option<String>,
    /// Name a component [default: main]; of several, each has a folder of packages
    #[arg(long, value_name = "NAME", requires = "suite", help_heading = "DEB repository")]
    component: Vec<String>,
    /// Set the code name of the suite [default: its name]
    #[arg(long, value_name = "NAME", requires = "suite", help_heading = "DEB repository")]
    codename: Option<String>,
    /// Add an architecture beside those of the packages; can be repeated
    #[arg(long, value_name = "NAME", requires = "suite", help_heading = "DEB repository")]
    architecture: Vec<String>,
    /// Write no lists of the files in packages, which `apt-file` reads
    #[arg(long, requires = "suite", help_heading = "DEB repository")]
    no_contents: bool,
    /// Name the origin of the repository
    #[arg(long, value_name = "TEXT", help_heading = "DEB repository")]
    origin: Option<String>,
    /// Set the label of the repository
    #[arg(long, value_name = "TEXT", help_heading = "DEB repository")]
    label: Option<String>,
    /// Describe the repository on one line
    #[arg(long, value_name = "TEXT", help_heading = "DEB repository")]
    description: Option<String>,
}

impl DebArgs {
    /// The options that were given.
    pub(super) fn given(&self) -> Vec<&'static str> {
        let given = [
            (self.suite.is_some(), "--suite"),
            (self.origin.is_some(), "--origin"),
            (self.label.is_some(), "--label"),
            (self.description.is_some(), "--description"),
        ];
        given.into_iter().filter(|(is_given, _)| *is_given).map(|(_, name)| name).collect()
    }

    pub(super) fn options(self) -> DebIndexOptions {
        let Self { suite, component, codename, architecture, no_contents, origin, label, description } = self;
        let suite = suite.map(|name| {
            let default = Suite::new(name);
            Suite {
                codename,
                components: if component.is_empty() { default.components } else { component },
                architectures: architecture,
                contents: !no_contents,
                name: default.name,
            }
        });
        DebIndexOptions { suite, origin, label, description, ..DebIndexOptions::default() }
    }
}

pub(super) fn run(
    folder: &Path,
    options: &DebIndexOptions,
    read_list: Option<&Path>,
    output: ReportOutput,
) -> CommandResult {
    let index = index(folder, options).map_err(remedies::packages::index)?;
    index.warnings.iter().for_each(|warning| output::warn(warning));
    if !index.dropped.is_empty() {
        let dropped = index.dropped.join(" and ");
        output::warn(&format!("removed {dropped}, which signed the old metadata: sign the repository again"));
    }
    write_list(read_list, &index.read)?;
    let document = || PackageIndex {
        format: PackageFormat::Deb.into(),
        metadata: documents::text(&index.release),
        packages: index.packages,
        read: index.read.len(),
        warnings: index.warnings.clone(),
        dropped: index.dropped.clone(),
    };
    Ok(output.report(document, || summary(&index.release, index.packages, index.read.len()))?)
}
