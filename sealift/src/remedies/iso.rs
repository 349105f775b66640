//! Help for errors about ISO images.

use std::path::Path;

use content::printable_path;
use iso::Error;
use iso::md5::Md5Check;

use super::helped;
use crate::failure::Failure;
use crate::output;

/// What to do about a file that is not what it was.
const COPY: &str = "copy the ISO again from its source";
/// What to do about an image that somebody made to be read in two ways.
const FORGED: &str = "do not mount it; get the ISO again from its vendor";
/// What to do about a damaged sum in an intact image.
const IMPLANT_AGAIN: &str = "repair the MD5: `sealift iso implant --force`";
/// What to do about an image without a sum.
const IMPLANT: &str = "implant one: `sealift iso implant`";

/// The number of findings; more than [`iso::DISAGREEMENTS_MAX`] are not counted.
fn findings(count: usize) -> String {
    match count {
        iso::DISAGREEMENTS_MAX.. => format!("{count} findings or more"),
        _ => output::count(count, "finding"),
    }
}

/// An image that is not intact, or about whose content readers disagree in so many ways.
pub(crate) fn check(path: &Path, check: &Md5Check, disagreements: usize) -> Failure {
    let name = printable_path(path);
    let (problem, help) = match check {
        Md5Check::Intact { .. } => (
            format!(
                "{name}: the MD5 is intact, but readers disagree about the content: {}",
                findings(disagreements)
            ),
            FORGED,
        ),
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
                format!("{name} is damaged: byte {start} to byte {end}, which contain the MD5{rest}");
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
            let note = if disagreements == 0 {
                String::new()
            } else {
                format!("; readers disagree about the content: {}", findings(disagreements))
            };
            (format!("{name} has no implanted MD5{note}"), IMPLANT)
        }
    };
    Failure::failed(anyhow::Error::msg(problem)).remedy(help)
}

/// An image that would be written to a terminal.
pub(crate) fn terminal() -> Failure {
    Failure::usage("refusing to write an ISO to a terminal").remedy("write it to a file: --file FILE")
}

/// A path that an image does not have.
pub(crate) fn no_path(image: &Path, path: &str) -> Failure {
    let path = content::printable(path);
    Failure::failed(anyhow::anyhow!("{}: no `{path}` in the ISO", printable_path(image)))
        .remedy("list the files in it: `sealift iso ls --recursive`")
}

/// A folder that no image can be made of.
pub(crate) fn create(error: Error) -> Failure {
    let help = match &error {
        Error::VolumeId { .. } | Error::Pattern { .. } => return Failure::usage_by(error),
        Error::SpecialFile { .. } => Some("leave it out with --exclude"),
        Error::Limit { .. } => Some("rename it, or leave it out with --exclude"),
        Error::Changed { .. } => Some("make sure that nothing writes to the folder, then re-run the command"),
        _ => None,
    };
    helped(Failure::from(error), help)
}

/// A device that the image does not fit on.
pub(crate) fn device(error: Error) -> Failure {
    let small = matches!(error, Error::Limit { .. });
    if small {
        Failure::from(error).remedy("use a larger device, or leave something out with --exclude")
    } else {
        create(error)
    }
}

/// An image that takes no sum.
pub(crate) fn implant(error: Error) -> Failure {
    let taken = matches!(error, Error::ApplicationUse { .. });
    helped(Failure::from(error), taken.then_some("overwrite it with --force"))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    /// The end-to-end tests cover the others; nobody can make a file change at the right moment.
    #[test]
    fn a_file_that_changed_is_tried_again() {
        let path = PathBuf::from("tree/file");
        let failure = create(Error::Changed { path, planned: 5, found: "3 bytes".to_owned() });
        let report = failure.report().unwrap();
        assert_eq!(failure.code(), 2);
        assert_eq!(
            report.remedy.as_deref(),
            Some("make sure that nothing writes to the folder, then re-run the command")
        );
        assert!(report.error.to_string().starts_with("tree/file changed while the image was written"));
    }
}
