pub(crate) mod body;
pub(crate) mod range;
pub(crate) mod response;
pub(crate) mod sendfile;
pub(crate) mod uri;
