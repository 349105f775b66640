//! The events of a run, how tasks end, and the forms that reports are written in.

pub(crate) mod console;
pub(crate) mod events;
pub(crate) mod json;
pub(crate) mod junit;
pub(crate) mod outcome;
pub(crate) mod trace;
pub(crate) mod xml;
