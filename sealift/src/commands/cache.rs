//! `sealift cache`: the kept results of tasks.

use buildchain::graph::Cache;
use buildchain::project::{Settings, parse_size};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use crate::failure::{Failure, Outcome};
use crate::output::{self, Form, size};
use crate::workshop::Selector;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Say where the cache is and what is in it
    Show {
        #[command(flatten)]
        selector: Selector,
        /// The form of the report
        #[arg(long, value_enum, default_value_t)]
        output: Form,
    },
    /// Remove the results that were not used for longest, and what nobody needs
    #[command(
        after_help = "Examples:\n  sealift cache gc\n  sealift cache gc --size 2G\n  sealift cache gc --size 0"
    )]
    Gc {
        #[command(flatten)]
        selector: Selector,
        /// How much may stay [default: SEALIFT_CACHE_SIZE, else 10G]
        #[arg(long, value_name = "SIZE", value_parser = parse_size)]
        size: Option<u64>,
    },
}

/// What a run may say of the cache.
#[derive(Debug, Args)]
pub(crate) struct Flags {
    /// How much of the results of tasks is kept, to be put back instead of made again; 0 for nothing [default: 10G]
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    cache_size: Option<u64>,
    /// A repository of a registry that is asked for results, too: registry.example:5000/team/cache
    #[arg(long, value_name = "REPOSITORY")]
    remote_cache: Option<String>,
    /// Whether results are also sent there
    #[arg(long, value_enum, value_name = "MODE")]
    remote_cache_mode: Option<Mode>,
}

/// What is done with a remote cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Mode {
    Read,
    ReadWrite,
}

impl Flags {
    /// The cache of a run, if it is to have one.
    pub(crate) fn cache(&self, project: &buildchain::project::Project) -> Result<Option<Cache>, Failure> {
        let settings = &project.settings.outputs;
        let limit = self.cache_size.unwrap_or(settings.size);
        if limit == 0 {
            return Ok(None);
        }
        let cache = Cache::new(settings.folder.clone(), Some(limit));
        let Some(repository) = self.remote_cache.as_ref().or(settings.remote.as_ref()) else {
            return Ok(Some(cache));
        };
        let remote = buildchain::tasks::remote_cache(project, repository).map_err(Failure::usage_by)?;
        let writes = self.remote_cache_mode.map_or(settings.remote_writes, |mode| mode == Mode::ReadWrite);
        Ok(Some(cache.with_remote(remote, writes)))
    }
}

pub(crate) fn run(command: &Command) -> Outcome {
    match command {
        Command::Show { selector, output } => show(&selector.settings()?, *output),
        Command::Gc { selector, size: most } => gc(&selector.settings()?, *most),
    }
}

fn cache(settings: &Settings) -> Cache {
    Cache::new(settings.outputs.folder.clone(), None)
}

fn show(settings: &Settings, form: Form) -> Outcome {
    let cache = cache(settings);
    let usage = cache.usage()?;
    let (folder, limit) = (cache.folder().display(), settings.outputs.size);
    match form {
        Form::Text => output::print(&format!(
            "{folder}\n{} results, {} files, {} of {}\n",
            usage.results,
            usage.files,
            size(usage.bytes),
            size(limit)
        ))?,
        Form::Json => output::json(&json!({
            "folder": folder.to_string(), "results": usage.results, "files": usage.files, "bytes": usage.bytes,
            "limit": limit,
        }))?,
    }
    Ok(())
}

fn gc(settings: &Settings, most: Option<u64>) -> Outcome {
    let swept = cache(settings).sweep(most.unwrap_or(settings.outputs.size))?;
    Ok(output::print(&format!(
        "removed {} results and {} files, {}\n",
        swept.results,
        swept.files,
        size(swept.bytes)
    ))?)
}
