//! `sealift iso check`.

use std::path::Path;

use content::{printable, printable_path};
use iso::md5::Check;
use serde_json::{Value, json};

use crate::failure::{Failure, Outcome};
use crate::output::{self, Output};
use crate::progress::Bar;

pub(super) fn run(path: &Path, output: Output) -> Outcome {
    let image = iso::Image::open(path)?;
    let check = {
        let bar = Bar::bytes("checking", image.size());
        iso::md5::check_source(image.file(), path, &bar)?
    };
    let disagreements = image.disagreements()?;
    if !output.is_text() {
        let mut report = state(&check);
        if let Value::Object(report) = &mut report {
            let rows = disagreements
                .iter()
                .map(|one| json!({"path": one.path, "byte": one.offset, "problem": one.problem}));
            report.insert("disagreements".to_owned(), rows.collect());
        }
        output.report(&report, String::new)?;
    }
    let name = printable_path(path);
    let lines: Vec<String> =
        disagreements.iter().map(|one| printable(&one.to_string()).to_string()).collect();
    output::warn_of(&lines, "findings");
    let (problem, remedy) = match &check {
        Check::Intact { md5 } if disagreements.is_empty() => {
            if output.is_text() {
                output::print(&format!("{name}: intact, MD5 {}\n", hex::encode(md5)))?;
            }
            return Ok(());
        }
        Check::Intact { .. } => {
            let count = count(disagreements.len());
            (format!("{name}: the MD5 is right, but readers disagree about the content: {count}"), FORGED)
        }
        Check::Damaged { range } => (
            format!(
                "{name} is damaged: the first difference lies between byte {} and byte {}",
                range.start, range.end
            ),
            COPY,
        ),
        Check::DamagedField { range, intact } => {
            let rest = if *intact { "; everything else is intact" } else { "" };
            let (start, end) = (range.start, range.end);
            let problem =
                format!("{name} is damaged: byte {start} to byte {end}, which hold the MD5 sum{rest}");
            (problem, if *intact { "repair the sum: `sealift iso implant --force`" } else { COPY })
        }
        Check::Truncated { expected, found } => {
            let lost = expected.saturating_sub(*found);
            let problem =
                format!("{name} is cut off at byte {found}: the last {lost} of {expected} bytes are missing");
            (problem, COPY)
        }
        Check::Missing => {
            let note = if disagreements.is_empty() {
                String::new()
            } else {
                format!("; readers disagree about the content: {}", count(disagreements.len()))
            };
            (format!("{name} carries no MD5 sum{note}"), "`sealift iso implant` puts one in")
        }
    };
    Err(Failure::failed(anyhow::Error::msg(problem)).remedy(remedy))
}

/// What to do about a file that is not what it was.
const COPY: &str = "copy the image again from where it came from";
/// What to do about an image that somebody made to be read in two ways.
const FORGED: &str = "do not mount it; get the image again from whoever made it";

fn count(findings: usize) -> String {
    match findings {
        1 => "1 finding".to_owned(),
        iso::DISAGREEMENTS_MAX.. => format!("{findings} findings or more"),
        _ => format!("{findings} findings"),
    }
}

fn state(check: &Check) -> Value {
    match check {
        Check::Intact { md5 } => json!({"state": "intact", "md5": hex::encode(md5)}),
        Check::Damaged { range } => json!({"state": "damaged", "range": [range.start, range.end]}),
        Check::DamagedField { range, intact } => {
            json!({"state": "damaged-sum", "range": [range.start, range.end], "contentIntact": intact})
        }
        Check::Truncated { expected, found } => {
            json!({"state": "truncated", "expected": expected, "found": found})
        }
        Check::Missing => json!({"state": "missing"}),
    }
}
