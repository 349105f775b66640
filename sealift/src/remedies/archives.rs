//! Help for errors about the archives of a node.

use std::path::Path;

use archive::requires::{Unmet, UnmetReason};
use node::archives::Error;
use node::remote;
use node::site_config::{ConfigurationKind, Error as ConfigurationError};

use crate::failure::Failure;

/// An archive that cannot be imported, mounted, listed or deleted.
pub(crate) fn explained(error: Error) -> Failure {
    match &error {
        Error::Damaged(_) => {
            Failure::failed(error).remedy("list every finding: `sealift archive verify`")
        }
        Error::Unverifiable(_) => {
            Failure::failed(error).remedy("add --unverified if you trust its source")
        }
        Error::MustBeSigned { .. } => Failure::failed(error).remedy(
            "leave out --unverified, and put the bundle beside the archive: ARCHIVE.sigstore.json; `sealift archive verify --trust FILE` \
             shows what is missing",
        ),
        Error::Signature(signature) => {
            let help = super::trust::unproven_on_node(signature);
            super::helped(Failure::failed(error), help)
        }
        Error::Policy(_) => match error {
            Error::Policy(problem) => super::trust::policy(problem),
            error => error.into(),
        },
        Error::Unfit { .. } => Failure::failed(error).remedy(
            "list every finding: `sealift solution check`; `--allow CHECK` accepts the errors of a check, whose name is in brackets",
        ),
        Error::Changed(_) => Failure::failed(error)
            .remedy("re-run the command once nothing writes to the archive; nothing was changed"),
        Error::Archive(archive::Error::UnknownVersion { .. }) => Failure::failed(error)
            .remedy("a newer sealift may know it; else ask the vendor for an archive that MetalK8s accepts"),
        Error::NoSolutionArchive(_) => Failure::usage_by(error)
            .remedy("other archives are imported with `sealift archive import` and removed with `sealift archive delete`"),
        Error::Present { .. } | Error::SamePrefix { .. } => {
            Failure::failed(error).remedy("delete the other archive first: `sealift archive delete`")
        }
        Error::Requires { unmet, .. } => {
            let lacks = |unmet: &Unmet| matches!(unmet.reason, UnmetReason::Contents { .. });
            let remedy = if unmet.iter().all(lacks) {
                "import a version of that archive that has it: `sealift archive import`; --ignore-requires overrides"
            } else {
                "import that archive first: `sealift archive import`; --ignore-requires overrides"
            };
            Failure::failed(error).remedy(remedy)
        }
        Error::Required { .. } => Failure::failed(error)
            .remedy("delete those archives first, or import another version that they accept; --force overrides"),
        Error::NoSolution { .. } | Error::NotImported(_) => {
            Failure::failed(error).remedy("import it with `sealift solution import`")
        }
        Error::NotForMetalk8s { .. } => Failure::failed(error).remedy(
            "only nodes with MetalK8s activate Solutions; if this node has it now, delete the archive and import it again",
        ),
        Error::Active { .. } => Failure::failed(error).remedy(
            "deactivate the Solution first, or activate another version: `sealift solution deactivate`; --force overrides",
        ),
        Error::InUse { .. } => Failure::failed(error).remedy("use --force to override"),
        Error::CannotMount { .. } => Failure::failed(error)
            .remedy("serve it without a mount with `sealift registry serve`, or unpack it with `sealift iso extract`"),
        Error::Occupied { .. } => Failure::failed(error).remedy(
            "unmount it with `sealift archive unmount`, or name another folder with `sealift archive mount --at`",
        ),
        Error::UnsafeLock { .. } => {
            Failure::failed(error).remedy("choose a file in a folder of yours with --lock-file")
        }
        Error::NotOurs(_) => Failure::failed(error)
            .remedy("remove the existing mount, or keep it and import with --mount never"),
        Error::Unnameable(_) => Failure::usage_by(error).remedy("rename it, or import it with --mount never"),
        Error::Configuration(ConfigurationError::Invalid { kind: ConfigurationKind::Bootstrap, .. }) => {
            Failure::usage_by(error).remedy(
                "correct the file; on a node without MetalK8s remove it, then archives are listed in \
                 /etc/sealift/archives.yaml",
            )
        }
        // The configuration is valid; the disk is full, for example.
        Error::Configuration(ConfigurationError::Io(content::IoError { operation: "write", .. })) => Failure::from(error),
        Error::Unknown(_) => {
            Failure::usage_by(error).remedy("list the archives with `sealift archive get`")
        }
        Error::Configuration(_) | Error::NotMounted(_) => Failure::usage_by(error),
        _ => Failure::from(error),
    }
}

/// An archive that cannot be checked.
pub(crate) fn check(error: archive::Error) -> Failure {
    let is_other = matches!(error, archive::Error::NotASolution { .. });
    let help = is_other.then_some("check archives of other kinds with `sealift archive verify`");
    super::helped(error.into(), help)
}

/// An archive whose images cannot be pushed.
pub(crate) fn push(error: node::push::Error) -> Failure {
    match error {
        node::push::Error::NotWhole { .. } => {
            Failure::failed(error).remedy("list every finding: `sealift archive verify`")
        }
        error => error.into(),
    }
}

/// An archive to copy that this node does not have.
pub(crate) fn select(error: remote::Error) -> Failure {
    Failure::usage_by(error).remedy("list the archives with `sealift archive get`")
}

/// Copies that failed, of so many.
pub(crate) fn copies(failed: usize, all: usize) -> Failure {
    Failure::failed(anyhow::anyhow!("{failed} of {all} copies failed")).remedy("re-run the command to resume")
}

/// An archive without a name, whose images have no place in a registry.
pub(crate) fn no_name() -> Failure {
    Failure::usage("the archive has no name: it contains neither product.txt nor manifest.yaml")
        .remedy("set the path for its images: --repository PATH")
}

/// A base without product information.
pub(crate) fn no_base(archive: &Path) -> Failure {
    let name = content::printable_path(archive);
    Failure::usage(format!("{name} has no name: it contains neither product.txt nor manifest.yaml"))
        .remedy("give --base the archive that is required: its ISO, mount point or folder")
}

/// An archive without images.
pub(crate) fn no_image(archive: &Path) -> Failure {
    Failure::failed(anyhow::anyhow!("{}: no image to push", content::printable_path(archive)))
        .remedy("name an ISO, or the folder that contains `images`")
}

/// No archive of the node can be read: a configuration without any would take away what clients have.
pub(crate) fn none_readable() -> Failure {
    Failure::failed(anyhow::anyhow!("none of this node's archives can be read"))
        .remedy("show what is wrong with each archive: `sealift archive get`")
}

/// The policy accepts no archive of the node.
pub(crate) fn all_refused() -> Failure {
    Failure::failed(anyhow::anyhow!("the policy of this node refuses all its archives"))
        .remedy("put the bundle beside each archive, or correct the policy; `sealift archive verify --trust FILE` shows what is missing")
}
