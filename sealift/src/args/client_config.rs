//! The options of the commands that configure clients, and how they write the files.

use std::path::{Path, PathBuf};

use clap::Args;
use node::client_config::{self, ClientConfigFile, KeyLocation, NodeAddress, Obstacle};

use crate::failure::{CommandResult, Failure};
use crate::output::documents::node::{ClientConfiguration, ClientFile};
use crate::output::{self, ReportOutput, documents};
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

    /// The system whose files are written, if it is known.
    pub(crate) fn root(&self) -> Option<&Path> {
        self.root.as_deref()
    }

    /// Whether what others wrote is replaced.
    pub(crate) fn force(&self) -> bool {
        self.force
    }

    /// As [`ConfigDestination::put`]. Then warns about files of the system that override the new ones.
    pub(crate) fn put_original_names(
        &self,
        files: &[ClientConfigFile],
        more: impl Fn(&Path) -> Option<Obstacle>,
    ) -> CommandResult {
        let result = self.put(files);
        if let (Some(root), Ok(_)) = (self.root(), &result) {
            let found = client_config::obstacles(root, files).into_iter().chain(more(root));
            let lines: Vec<String> = found.map(|obstacle| obstacle.to_string()).collect();
            output::warn_of(&lines, "files of the client");
        }
        result
    }

    /// Prints the files, or writes them and reports which changed.
    pub(crate) fn put(&self, files: &[ClientConfigFile]) -> CommandResult {
        let output = self.output;
        let Some(root) = &self.root else {
            let document = || ClientConfiguration { files: files.iter().map(with_content).collect() };
            let text = || files.iter().map(with_path).collect::<Vec<_>>().join("\n");
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

/// The file, after a comment with its path: all formats of the files but JSON have the comment sign `#`.
fn with_path(file: &ClientConfigFile) -> String {
    format!("# File: /{}\n{}", file.path, file.content)
}

fn with_content(file: &ClientConfigFile) -> ClientFile {
    ClientFile { path: documents::text(&file.path), content: Some(file.content.clone()) }
}
