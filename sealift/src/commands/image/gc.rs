//! `sealift image gc`.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use clap::Args;
use images::store::{FileTotals, KeepLimits, prune};

use crate::failure::CommandResult;
use crate::output::documents::images::ContentStorePruning;
use crate::output::{ReportOutput, documents, size};
use crate::remedies;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Use the content store in DIR [default: SEALIFT_CACHE, else the user's cache folder]
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,
    /// Keep at most this many bytes of unused blobs: `500M`, `20G`
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    max_size: Option<u64>,
    /// Remove blobs that were not used for this many days
    #[arg(long, value_name = "DAYS")]
    max_age: Option<u64>,
    /// Report what would be removed, without removing it
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    output: ReportOutput,
}

pub(super) fn run(arguments: &Arguments) -> CommandResult {
    let root = super::content_store::existing(arguments.store.clone())?;
    let keep = KeepLimits {
        bytes: arguments.max_size,
        age: arguments.max_age.map(|days| Duration::from_secs(days.saturating_mul(24 * 60 * 60))),
    };
    let pruned =
        prune(&root, &keep, SystemTime::now(), arguments.dry_run).map_err(remedies::images::store)?;
    let document = || ContentStorePruning {
        store: documents::text(&root),
        dry_run: arguments.dry_run,
        removed: pruned.removed.into(),
        kept: pruned.kept.into(),
        in_use: pruned.in_use.into(),
    };
    let text = || {
        let line = |what: &str, sum: FileTotals| {
            format!("  {what:<14}{:>10} in {} files\n", size(sum.bytes), sum.files)
        };
        let removed = if arguments.dry_run { "would remove" } else { "removed" };
        let lines = [line(removed, pruned.removed), line("kept", pruned.kept), line("shared", pruned.in_use)];
        format!("{}\n{}", content::printable_path(&root), lines.concat())
    };
    Ok(arguments.output.report(document, text)?)
}

fn bytes(text: &str) -> Result<u64, String> {
    let (digits, unit) = match text.strip_suffix(['K', 'M', 'G', 'T']) {
        Some(digits) => {
            (digits, text.chars().last().and_then(|unit| "KMGT".find(unit)).map_or(0, |at| at + 1))
        }
        None => (text, 0),
    };
    let number: Option<u64> = digits.parse().ok();
    let scale = 1000_u64.checked_pow(u32::try_from(unit).unwrap_or(u32::MAX));
    number
        .zip(scale)
        .and_then(|(number, scale)| number.checked_mul(scale))
        .ok_or_else(|| "expected bytes, or a number with K, M, G or T".into())
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn sizes_have_units() {
        for (text, expected) in
            [("0", 0), ("7", 7), ("500M", 500_000_000), ("20G", 20_000_000_000), ("1K", 1000)]
        {
            assert_eq!(bytes(text), Ok(expected));
        }
        for text in ["", "G", "-1", "1.5G", "1GB", "99999999999T"] {
            assert!(bytes(text).is_err(), "{text}");
        }
    }
}
