//! Help for errors about packages.

use packages::Error;

use crate::failure::Failure;

/// A folder of packages that cannot be indexed.
pub(crate) fn index(error: Error) -> Failure {
    match error {
        Error::Pattern { .. } | Error::Value { .. } => Failure::usage_by(error),
        Error::Contents { .. } => Failure::from(error).remedy("write no lists of files: --no-contents"),
        Error::Rpm { .. } | Error::Deb { .. } => Failure::from(error)
            .remedy("leave it out with --exclude PATTERN, or all damaged packages with --skip-broken"),
        error => error.into(),
    }
}
