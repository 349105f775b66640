pub(crate) mod body;
pub(crate) mod range;
pub(crate) mod registry_host;
pub(crate) mod response;
pub(crate) mod sendfile;
pub(crate) mod uri;
