//! `sealift registry verify-pull`.

use std::path::PathBuf;

use clap::Args;
use content::Digest;
use images::Reference;
use node::archives::served;
use node::client_config::{self, PullVerdict};

use super::client_config::named_archives;
use crate::args::node_paths::NodePaths;
use crate::failure::{CommandResult, Failure};
use crate::output;
use crate::remedies;

#[derive(Debug, Args)]
#[command(mut_arg("trust_config", |option| option.requires("configured").conflicts_with("archives")))]
pub(crate) struct Arguments {
    /// Compare with the images and the rules in these ISO files or folders
    #[arg(value_name = "ARCHIVE")]
    archives: Vec<PathBuf>,
    /// Compare with the archives of this node
    #[arg(long, conflicts_with = "archives")]
    configured: bool,
    /// The name by which the image is pulled
    #[arg(long, value_name = "REFERENCE")]
    name: String,
    /// The digest of its manifest or index, `sha256:…`
    #[arg(long, value_name = "DIGEST")]
    digest: Digest,
    /// The type of what is on standard input, which is not read
    #[arg(long, value_name = "TYPE", hide = true)]
    stdin_media_type: Option<String>,
    #[command(flatten)]
    paths: NodePaths,
}

pub(super) fn run(arguments: &Arguments) -> CommandResult {
    let (archives, refused) = match arguments.configured {
        true => {
            arguments.paths.check_named()?;
            let served = served(&arguments.paths.paths()).map_err(remedies::archives::explained)?;
            let refused = served.refused.into_iter().map(|(path, error)| (path, error.to_string()));
            (served.archives, refused.collect())
        }
        false => (named_archives(&arguments.archives, false, &arguments.paths)?, Vec::new()),
    };
    let reference: Reference = arguments.name.parse().map_err(Failure::usage_by)?;
    let verdict = client_config::judge_pull(&archives, &refused, &reference, arguments.digest)
        .map_err(remedies::serving::client)?;
    output::print(&format!("{verdict}\n"))?;
    match verdict {
        PullVerdict::NotCovered | PullVerdict::Signed { .. } => Ok(()),
        PullVerdict::Refused { .. } => Err(Failure::Failed(None)),
    }
}
