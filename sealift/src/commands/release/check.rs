//! `sealift release check`.

use std::fmt::Write as _;

use buildchain::release::{self, ReleaseReport};
use clap::Args;
use content::printable;

use crate::failure::{CommandResult, Failure};
use crate::output::documents::release::ReleaseDocument;
use crate::output::{ReportOutput, count};
use crate::remedies;
use crate::session::Selector;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    selector: Selector,
    /// The tag, such as `1.2.0-rc0` [default: the tag of the commit that is checked out]
    tag: Option<String>,
    #[command(flatten)]
    output: ReportOutput,
}

pub(super) fn run(arguments: &Arguments) -> CommandResult {
    let project = arguments.selector.load()?;
    let report = release::check(&project, arguments.tag.as_deref()).map_err(remedies::project::project)?;
    arguments.output.report(|| ReleaseDocument::from(&report), || text(&report))?;
    if report.is_good() { Ok(()) } else { Err(Failure::Failed(None)) }
}

fn text(report: &ReleaseReport) -> String {
    let mut text = String::new();
    for check in &report.checks {
        let Some(problem) = &check.problem else { continue };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}: {}\n  help: {}", check.rule.word(), problem.text, problem.remedy);
    }
    let problems = report.checks.iter().filter(|check| check.problem.is_some()).count();
    let tag = printable(&report.tag);
    let _ = match (problems, report.tag.as_str()) {
        (0, _) => writeln!(text, "{tag} can be released as {}", report.version),
        (_, "") => Ok(()),
        (count_of, _) => writeln!(text, "{tag} cannot be released: {}", count(count_of, "problem")),
    };
    text
}
