//! The files about packages.

const COMMON: (&str, &str) = ("xmlns", "http://linux.duke.edu/metadata/common");
const RPM: (&str, &str) = ("xmlns:rpm", "http://linux.duke.edu/metadata/rpm");
const FILELISTS: (&str, &str) = ("xmlns", "http://linux.duke.edu/metadata/filelists");
const OTHER: (&str, &str) = ("xmlns", "http://linux.duke.edu/metadata/other");

/// A metadata file's kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MetadataKind {
    Primary,
    Filelists,
    Other,
}

impl MetadataKind {
    pub(super) const ALL: [Self; 3] = [Self::Primary, Self::Filelists, Self::Other];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Filelists => "filelists",
            Self::Other => "other",
        }
    }

    /// The element around all others, and its namespaces.
    pub(super) const fn root(self) -> (&'static str, &'static [(&'static str, &'static str)]) {
        match self {
            Self::Primary => ("metadata", &[COMMON, RPM]),
            Self::Filelists => ("filelists", &[FILELISTS]),
            Self::Other => ("otherdata", &[OTHER]),
        }
    }
}
