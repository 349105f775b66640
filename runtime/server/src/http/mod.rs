//! What is answered in terms of HTTP: addresses, ranges, answers and their bodies.

pub(crate) mod answer;
pub(crate) mod body;
pub(crate) mod range;
pub(crate) mod route;
pub(crate) mod sendfile;
