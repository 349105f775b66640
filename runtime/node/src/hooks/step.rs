//! The steps that hooks belong to.

use std::fmt;

/// A step of a change of the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HookStep {
    /// Before a bootstrap changes anything.
    PreBootstrap,
    /// The last step of a bootstrap.
    Bootstrap,
    /// Before an upgrade changes anything.
    PreUpgrade,
    /// In an upgrade, after the node serves the new version.
    Upgrade,
    /// After an upgrade, which its failure no longer undoes.
    PostUpgrade,
    /// Before a downgrade changes anything.
    PreDowngrade,
    /// In a downgrade, before the node serves the older version.
    Downgrade,
    /// After a downgrade, which its failure no longer undoes.
    PostDowngrade,
    /// Before a backup is written: hooks add files of their own to it.
    Backup,
    /// The last step of a restoration.
    Restore,
}

impl HookStep {
    /// All steps.
    pub const ALL: [Self; 10] = [
        Self::PreBootstrap,
        Self::Bootstrap,
        Self::PreUpgrade,
        Self::Upgrade,
        Self::PostUpgrade,
        Self::PreDowngrade,
        Self::Downgrade,
        Self::PostDowngrade,
        Self::Backup,
        Self::Restore,
    ];

    /// The name of the step, which is the name of its folder.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::PreBootstrap => "pre-bootstrap",
            Self::Bootstrap => "bootstrap",
            Self::PreUpgrade => "pre-upgrade",
            Self::Upgrade => "upgrade",
            Self::PostUpgrade => "post-upgrade",
            Self::PreDowngrade => "pre-downgrade",
            Self::Downgrade => "downgrade",
            Self::PostDowngrade => "post-downgrade",
            Self::Backup => "backup",
            Self::Restore => "restore",
        }
    }
}

impl fmt::Display for HookStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
