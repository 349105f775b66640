//! Help for errors about packages.

use packages::Error;

use crate::failure::Failure;

/// A folder of packages that cannot be indexed.
pub(crate) fn index(error: Error) -> Failure {
    match error {
        Error::Pattern { .. } => Failure::usage_by(error),
        Error::Rpm { .. } => Failure::from(error)
            .remedy("leave it out with --exclude PATTERN, or all damaged packages with --skip-broken"),
        error => error.into(),
    }
}
