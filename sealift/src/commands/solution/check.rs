//! `sealift solution check`.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use archive::Tree;
use archive::check::{CHECKS, CheckBases, CheckName, CheckOptions, CheckReport, Finding, Severity};
use clap::{Args, ValueEnum};
use content::{printable, printable_path};
use graph::{JunitResult, JunitSuite};

use crate::commands::archive::verify;
use crate::failure::{CommandResult, Failure};
use crate::output::documents::checks::SolutionCheck;
use crate::output::{self, ReportForm, count, sarif};
use crate::progress::Bar;
use crate::remedies;
use crate::session::SettingsSelector;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The archive: an ISO, a mount point or a folder
    archive: PathBuf,
    /// Also accept images and packages of this archive; with a package repository of the distribution, also check that all
    /// packages can be installed (repeatable)
    #[arg(long = "base", value_name = "PATH")]
    bases: Vec<PathBuf>,
    /// Hash files with this many threads [default: one per core]
    #[arg(long, short = 'n', value_name = "NUMBER", default_value_t = 0, hide_default_value = true)]
    jobs: usize,
    /// Write the report in this form
    #[arg(id = "output", long, short = 'o', value_enum, default_value_t, value_name = "FORM")]
    form: CheckForm,
    #[command(flatten)]
    project: SettingsSelector,
}

/// The form of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum CheckForm {
    /// For people
    #[default]
    Text,
    /// One JSON document
    Json,
    /// One YAML document
    Yaml,
    /// SARIF 2.1.0, which code hosts show beside the files
    Sarif,
    /// JUnit: a test case for each check
    Junit,
}

pub(super) fn run(arguments: &Arguments) -> CommandResult {
    let mut bases = CheckBases::default();
    for base in &arguments.bases {
        if archive::closure::is_repository(&Tree::open(base)?) {
            bases.add_repository(base.clone());
        } else {
            bases.add(verify::base(base)?)?;
        }
    }
    let helm = arguments.project.settings()?.program("helm");
    let options = CheckOptions { threads: arguments.jobs, helm, bases, ..CheckOptions::default() };
    let path = arguments.archive.as_path();
    let checking = node::archives::check(Tree::open(path)?, &options).map_err(remedies::archives::check)?;
    let report = {
        let bar = Bar::bytes("checking", checking.bytes());
        checking.run(&bar)
    };
    match arguments.form {
        CheckForm::Text => output::print(&text(path, &report))?,
        CheckForm::Json => output::write(&SolutionCheck::from(&report), ReportForm::Json)?,
        CheckForm::Yaml => output::write(&SolutionCheck::from(&report), ReportForm::Yaml)?,
        CheckForm::Sarif => output::print(&sarif::report(path, &report.findings)?)?,
        CheckForm::Junit => output::print(&junit(path, &report))?,
    }
    if report.ok() { Ok(()) } else { Err(Failure::Failed(None)) }
}

fn text(path: &Path, report: &CheckReport) -> String {
    let mut text = String::new();
    let mut helped = BTreeSet::new();
    for finding in &report.findings {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{finding}");
        if helped.insert(finding.code()) {
            let _ = writeln!(text, "  help: {}", finding.remedy());
        }
    }
    if report.omitted > 0 {
        let _ = writeln!(text, "and {} more", report.omitted);
    }
    let counts = [Severity::Error, Severity::Warning, Severity::Note]
        .map(|severity| (report.count(severity), severity.word()))
        .into_iter()
        .filter(|(found, _)| *found > 0)
        .map(|(found, word)| count(found, word));
    let counts: Vec<String> = counts.collect();
    let counts = if counts.is_empty() { "no findings".to_owned() } else { counts.join(", ") };
    let files = count(report.verification.files, "file");
    let _ = writeln!(text, "{}: {counts} in {files}", printable_path(path));
    text
}

/// A test case for each check. Its errors are a failure; the others are what it wrote.
fn junit(path: &Path, report: &CheckReport) -> String {
    let mut suite = JunitSuite::new(format!("sealift solution check {}", printable_path(path)));
    for name in CHECKS {
        let check = name.check();
        let of_check: Vec<&Finding> = report.findings.iter().filter(|one| one.name == *name).collect();
        let lines: String = of_check.iter().map(|one| format!("{}\n", line(one))).collect();
        let all = format!("{lines}help: {}", check.remedy);
        let first = of_check.first().map(|one| line(one)).unwrap_or_default();
        let is_failure = check.severity == Severity::Error && !of_check.is_empty();
        let result = if is_failure {
            JunitResult::Failed { kind: check.severity.word(), message: &first, text: &all }
        } else {
            JunitResult::Passed
        };
        let output = if is_failure || of_check.is_empty() { "" } else { &all };
        suite.case(check.code, Default::default(), &result, &JunitSuite::stream("system-out", output));
    }
    suite.render("", "")
}

fn line(finding: &Finding) -> String {
    format!("{}: {}", finding.place, printable(&finding.problem))
}

/// Reads the name of a check that an import may ignore.
///
/// # Errors
///
/// It is no check, or one that nobody can ignore.
pub(crate) fn allowed(code: &str) -> Result<CheckName, String> {
    match CheckName::from_code(code) {
        Some(name) if name.can_be_allowed() => Ok(name),
        Some(_) => Err("damaged archives are never imported".into()),
        None => {
            let near = content::nearest(code, CHECKS.iter().map(|name| name.check().code));
            let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            Err(format!("no check has this name{near}"))
        }
    }
}
