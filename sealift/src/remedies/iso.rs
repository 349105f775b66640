//! Help for errors about ISO images.

use iso::Error;

use super::helped;
use crate::failure::Failure;

/// What to do about a file that is not what it was.
pub(crate) const COPY: &str = "copy the ISO again from its source";
/// What to do about an image that somebody made to be read in two ways.
pub(crate) const FORGED: &str = "do not mount it; get the ISO again from its vendor";
/// What to do about a damaged sum in an intact image.
pub(crate) const IMPLANT_AGAIN: &str = "repair the sum: `sealift iso implant --force`";
/// What to do about an image without a sum.
pub(crate) const IMPLANT: &str = "implant one: `sealift iso implant`";

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
