//! The kinds of node configurations.

/// The content of a new file of Solutions.
pub(super) const NEW_SOLUTIONS: &str =
    "apiVersion: solutions.metalk8s.scality.com/v1alpha1\nkind: SolutionsConfiguration\narchives: []\n";

/// The content of a new file of archives.
pub(super) const NEW_ARCHIVES: &str = "\
# The archives of this node. `sealift archive import` and `delete` change the list; a server that follows it reloads.
apiVersion: sealift.dev/v1alpha1
kind: ArchivesConfiguration
archives: []
";

/// The kind of a node configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigurationKind {
    /// `BootstrapConfiguration`: the platform.
    Bootstrap,
    /// `SolutionsConfiguration`: the Solutions.
    Solutions,
    /// `ArchivesConfiguration`: the archives of a node without MetalK8s.
    Archives,
}

impl ConfigurationKind {
    /// All kinds, in the order in which their archives are served.
    pub const ALL: [Self; 3] = [Self::Bootstrap, Self::Solutions, Self::Archives];

    /// The value of the key `kind`.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Bootstrap => "BootstrapConfiguration",
            Self::Solutions => "SolutionsConfiguration",
            Self::Archives => "ArchivesConfiguration",
        }
    }

    /// The accepted values of the key `apiVersion`.
    pub(super) fn versions(self) -> &'static [&'static str] {
        match self {
            Self::Bootstrap => &["metalk8s.scality.com/v1alpha2", "metalk8s.scality.com/v1alpha3"],
            // The documentation of MetalK8s has both; its formulas accept only the second one.
            Self::Solutions => &["metalk8s.scality.com/v1alpha1", "solutions.metalk8s.scality.com/v1alpha1"],
            Self::Archives => &["sealift.dev/v1alpha1"],
        }
    }

    /// The content that a missing file is read as; `None` where the file must exist.
    pub(super) fn new_text(self) -> Option<&'static str> {
        match self {
            Self::Bootstrap => None,
            Self::Solutions => Some(NEW_SOLUTIONS),
            Self::Archives => Some(NEW_ARCHIVES),
        }
    }
}
