//! The options of the commands that configure clients, and how they write the files.

use std::path::PathBuf;

use clap::Args;
use node::client_config::{self, ClientConfigFile, KeyLocation, NodeAddress};

use crate::failure::{CommandResult, Failure};
use crate::output::documents::node::{ClientConfiguration, ClientFile};
use crate::output::{ReportOutput, documents};
use crate::remedies;

/// The nodes that serve.
#[derive(Debug, Args)]
pub(crate) struct NodeArguments {
    /// Use this server, `http://HOST[:PORT]` (repeatable; clients try them in this order)
    #[arg(long, value_name = "URL", required = true)]
    pub(crate) node: Vec<String>,
}

/// Where the files are written.
#[derive(Debug, Args)]
pub(crate) struct ConfigDestination {
    /// Write the files below DIR, `/` for this machine [default: print them]
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// Also replace files that sealift did not generate
    #[arg(long, requires = "root")]
    force: bool,
    /// Report which files would change, without changing them
    #[arg(long, requires = "root")]
    dry_run: bool,
    #[command(flatten)]
    output: ReportOutput,
}

/// Parses the addresses of the nodes.
pub(crate) fn parsed(nodes: &[String]) -> Result<Vec<NodeAddress>, Failure> {
    nodes.iter().map(|text| text.parse().map_err(remedies::serving::client)).collect()
}

impl ConfigDestination {
    /// Where clients find the keys of repositories.
    pub(crate) fn keys(&self) -> KeyLocation {
        if self.root.is_some() { KeyLocation::OnClient } else { KeyLocation::AtNode }
    }

    /// Prints the files, or writes them and reports which changed.
    pub(crate) fn put(&self, files: &[ClientConfigFile]) -> CommandResult {
        let output = self.output;
        let Some(root) = &self.root else {
            let document = || ClientConfiguration { files: files.iter().map(with_content).collect() };
            let text = || files.iter().map(|file| file.content.clone()).collect();
            return Ok(output.report(document, text)?);
        };
        let changed = if self.dry_run {
            client_config::stale(root, files, self.force)
                .map(|stale| stale.into_iter().map(|(path, _)| path).collect::<Vec<_>>())
        } else {
            client_config::write(root, files, self.force)
        };
        let changed = changed.map_err(remedies::serving::client)?;
        let document = || ClientConfiguration {
            files: changed
                .iter()
                .map(|path| ClientFile { path: documents::text(path), content: None })
                .collect(),
        };
        let text = || changed.iter().map(|path| format!("{}\n", content::printable_path(path))).collect();
        Ok(output.report(document, text)?)
    }
}

fn with_content(file: &ClientConfigFile) -> ClientFile {
    ClientFile { path: documents::text(&file.path), content: Some(file.content.clone()) }
}
