//! What a run reports, and the forms that it is written in.

pub(crate) mod console;
pub(crate) mod events;
pub(crate) mod json;
pub(crate) mod trace;
