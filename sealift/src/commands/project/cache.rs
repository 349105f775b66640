//! `sealift cache`: the result cache.

use buildchain::project::{Settings, parse_size};
use clap::{Args, Subcommand, ValueEnum};
use graph::ResultCache;
use images::Reference;

use crate::failure::CommandResult;
use crate::output::documents::project::{CachePruning, CacheUsage};
use crate::output::{ReportOutput, count, documents, size};
use crate::session::{Selector, Session};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show the folder of the cache, its size and its limit
    Show {
        #[command(flatten)]
        selector: Selector,
        #[command(flatten)]
        output: ReportOutput,
    },
    /// Prune the cache: remove the least recently used results
    #[command(
        after_help = "Examples:\n  sealift cache gc\n  sealift cache gc --size 2G\n  sealift cache gc --size 0"
    )]
    Gc {
        #[command(flatten)]
        selector: Selector,
        /// Keep at most SIZE [default: SEALIFT_CACHE_SIZE, else 10G]
        #[arg(long, value_name = "SIZE", value_parser = parse_size)]
        size: Option<u64>,
        #[command(flatten)]
        output: ReportOutput,
    },
}

/// The options of a run for the result cache.
#[derive(Debug, Args)]
pub(crate) struct CacheFlags {
    /// Set the maximum size of the result cache; 0 disables it [default: SEALIFT_CACHE_SIZE, else 10G]
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    cache_size: Option<u64>,
    /// Share results through a repository: `registry.example:5000/team/cache` [default: SEALIFT_REMOTE_CACHE]
    #[arg(long, value_name = "REPOSITORY")]
    remote_cache: Option<Reference>,
    /// Only read results from the remote cache, or also upload them [default: SEALIFT_REMOTE_CACHE_MODE, else read]
    #[arg(long, value_enum, value_name = "MODE")]
    remote_cache_mode: Option<Mode>,
}

/// How a remote cache is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Mode {
    Read,
    ReadWrite,
}

impl CacheFlags {
    /// The result cache of a run, unless it is disabled.
    pub(crate) fn cache(&self, session: &Session) -> Option<ResultCache> {
        let settings = &session.project.settings.outputs;
        let limit = self.cache_size.unwrap_or(settings.size);
        if limit == 0 {
            return None;
        }
        let cache = ResultCache::new(settings.folder.clone(), Some(limit));
        let Some(repository) = self.remote_cache.as_ref().or(settings.remote.as_ref()) else {
            return Some(cache);
        };
        let remote = buildchain::tasks::remote_cache(&session.registries, repository);
        let writes = self.remote_cache_mode.map_or(settings.remote_writes, |mode| mode == Mode::ReadWrite);
        Some(cache.with_remote(remote, writes))
    }
}

pub(crate) fn run(command: &Command) -> CommandResult {
    match command {
        Command::Show { selector, output } => show(&selector.settings()?, *output),
        Command::Gc { selector, size: most, output } => gc(&selector.settings()?, *most, *output),
    }
}

fn cache(settings: &Settings) -> ResultCache {
    ResultCache::new(settings.outputs.folder.clone(), None)
}

fn show(settings: &Settings, output: ReportOutput) -> CommandResult {
    let cache = cache(settings);
    let usage = cache.usage()?;
    let (folder, limit) = (content::printable_path(cache.folder()), settings.outputs.size);
    let document = || CacheUsage {
        folder: documents::text(cache.folder()),
        results: usage.results,
        files: usage.files,
        bytes: usage.bytes,
        limit,
    };
    let text = || {
        let (bytes, limit) = (size(usage.bytes), size(limit));
        let (results, files) = (count(usage.results, "result"), count(usage.files, "file"));
        format!("{folder}\n{results}, {files}, {bytes} of {limit}\n")
    };
    Ok(output.report(document, text)?)
}

fn gc(settings: &Settings, most: Option<u64>, output: ReportOutput) -> CommandResult {
    let evicted = cache(settings).evict(most.unwrap_or(settings.outputs.size))?;
    let document = || CachePruning { results: evicted.results, files: evicted.files, bytes: evicted.bytes };
    let text = || {
        let (results, files) = (count(evicted.results, "result"), count(evicted.files, "file"));
        format!("removed {results} and {files}, {}\n", size(evicted.bytes))
    };
    Ok(output.report(document, text)?)
}
