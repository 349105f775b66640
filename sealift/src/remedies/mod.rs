//! The help after each error: what to type, or what to change. All of it is here, by the crate that the error comes from.
//!
//! Each function takes an error and returns the failure of the command: its exit code, its message and its help.

pub(crate) mod archives;
pub(crate) mod bootstrap;
pub(crate) mod environments;
pub(crate) mod images;
pub(crate) mod iso;
pub(crate) mod node;
pub(crate) mod packages;
pub(crate) mod project;
pub(crate) mod publishing;
pub(crate) mod serving;
pub(crate) mod tasks;
#[cfg(test)]
mod tests;
pub(crate) mod trust;

use crate::failure::Failure;

/// `failure` with `help`, if there is any.
fn helped(failure: Failure, help: Option<impl Into<String>>) -> Failure {
    match help {
        Some(help) => failure.remedy(help),
        None => failure,
    }
}
