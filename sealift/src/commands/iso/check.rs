//! `sealift iso check`.

use std::path::Path;

use content::{printable, printable_path};
use iso::md5::Md5Check;

use crate::failure::{CommandResult, Failure};
use crate::output::documents::iso::IsoCheck;
use crate::output::{self, ReportOutput};
use crate::progress::Bar;
use crate::remedies::iso::{COPY, FORGED, IMPLANT, IMPLANT_AGAIN};

pub(super) fn run(path: &Path, output: ReportOutput) -> CommandResult {
    let image = iso::IsoImage::open(path)?;
    let check = {
        let bar = Bar::bytes("checking", image.size());
        iso::md5::check_source(image.file(), path, &bar)?
    };
    let disagreements = image.disagreements()?;
    if !output.is_text() {
        output.report(|| IsoCheck::new(&check, &disagreements), String::new)?;
    }
    let name = printable_path(path);
    let lines: Vec<String> =
        disagreements.iter().map(|one| printable(&one.to_string()).to_string()).collect();
    output::warn_of(&lines, "findings");
    let (problem, remedy) = match &check {
        Md5Check::Intact { md5 } if disagreements.is_empty() => {
            if output.is_text() {
                output::print(&format!("{name}: intact, MD5 {}\n", hex::encode(md5)))?;
            }
            return Ok(());
        }
        Md5Check::Intact { .. } => {
            let count = count(disagreements.len());
            (format!("{name}: the MD5 is intact, but readers disagree about the content: {count}"), FORGED)
        }
        Md5Check::Damaged { range } => (
            format!(
                "{name} is damaged: the first difference lies between byte {} and byte {}",
                range.start, range.end
            ),
            COPY,
        ),
        Md5Check::DamagedField { range, intact } => {
            let rest = if *intact { "; everything else is intact" } else { "" };
            let (start, end) = (range.start, range.end);
            let problem =
                format!("{name} is damaged: byte {start} to byte {end}, which hold the MD5 sum{rest}");
            (problem, if *intact { IMPLANT_AGAIN } else { COPY })
        }
        Md5Check::Truncated { expected, found } => {
            let lost = expected.saturating_sub(*found);
            let problem = format!(
                "{name} is truncated at byte {found}: the last {lost} of {expected} bytes are missing"
            );
            (problem, COPY)
        }
        Md5Check::Missing => {
            let note = if disagreements.is_empty() {
                String::new()
            } else {
                format!("; readers disagree about the content: {}", count(disagreements.len()))
            };
            (format!("{name} has no implanted MD5{note}"), IMPLANT)
        }
    };
    Err(Failure::failed(anyhow::Error::msg(problem)).remedy(remedy))
}

fn count(findings: usize) -> String {
    match findings {
        iso::DISAGREEMENTS_MAX.. => format!("{findings} findings or more"),
        _ => output::count(findings, "finding"),
    }
}
