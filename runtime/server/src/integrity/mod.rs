//! Checks of content against its digest.

pub(crate) mod checker;
