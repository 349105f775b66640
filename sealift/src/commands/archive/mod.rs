//! `sealift archive`: verify, inspect, import, mount, copy, push, publish and fetch archives.

mod compare;
mod copy_to;
pub(crate) mod delete;
pub(crate) mod diff;
mod fetch;
pub(crate) mod get;
pub(crate) mod import;
mod inspect;
pub(crate) mod mount;
pub(crate) mod publish;
pub(crate) mod push;
mod receive;
mod report;
mod reproduce;
pub(crate) mod sign;
pub(crate) mod steps;
pub(crate) mod verify;

use archive::UnindexedPackages;
use clap::Subcommand;
use node::archives::Only;

use crate::failure::CommandResult;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Verify archives without mounting or unpacking them
    ///
    /// Checks the implanted MD5, every file against SHA256SUMS, every link against LINKS.mtree, every blob against its name, and
    /// the registry tree against the images.
    #[command(
        visible_alias = "check",
        after_help = "Examples:\n  sealift archive verify metalk8s.iso\n  sealift archive verify *.iso --output json\n  \
                      sealift archive verify app.iso --base metalk8s.iso\n  \
                      sealift archive verify app.iso --key vendor.pub\n\n\
                      Exit codes: 0 all archives are intact, 1 one is not, or requires more, 2 one cannot be read"
    )]
    Verify(verify::Arguments),
    /// Sign an archive: write a sigstore bundle beside it
    ///
    /// The bundle has the digests of the ISO, of SHA256SUMS, of the manifest of each image, and of the metadata of each package
    /// repository. The archive is verified first and does not change.
    #[command(after_help = "Examples:\n  sealift archive sign app-1.0.iso --key vendor.pem\n  \
                            sealift archive sign app-1.0.iso --sign-command 'openssl dgst -sha256 -sign vendor.pem' \
                            --public-key vendor.pub\n\n\
                            `openssl genpkey -algorithm ed25519 -out vendor.pem` makes a key, and\n\
                            `openssl pkey -in vendor.pem -pubout -out vendor.pub` its public key.")]
    Sign(sign::Arguments),
    /// Build an archive again from its sources, and compare each byte
    ///
    /// The archive says which commit it was built from, and with which profiles, variables and settings
    /// (`evidence: {provenance: true}` in sealift.yaml). The commit is built in a clone of its own, without results of other
    /// builds.
    #[command(after_help = "Examples:\n  sealift archive reproduce app-1.0.iso --source ~/app\n  \
                            sealift archive reproduce app-1.0.iso --source ~/app --keep /srv/again\n\n\
                            Exit codes: 0 the archives are equal, 1 they differ or the build failed, \
                            2 the archive cannot be read")]
    Reproduce(reproduce::Arguments),
    /// Write an HTML page about an archive, for the one who approves its transfer
    ///
    /// The archive is verified as `archive verify` does. The page has the result, the signature, what the archive was built from, its
    /// images and packages with sizes and licences, and what it requires. It needs no other file and no network.
    #[command(
        after_help = "Examples:\n  sealift archive report app-1.0.iso --key vendor.pub --into app-1.0.html\n  \
                            sealift archive report app-1.0.iso >app-1.0.html\n\n\
                            Exit codes: 0 the archive is intact, 1 it is not, or its signature does not count, \
                            2 it cannot be read"
    )]
    Report(report::Arguments),
    /// Import archives: verify, mount where possible, add them to the configuration
    #[command(after_help = "Example:\n  sealift archive import metalk8s-2.11.0.iso --dry-run\n\n\
                            Re-run the command to finish an interrupted import. A failed import changes nothing.")]
    Import(import::Arguments),
    /// List the archives of this node, or compare them with those of others
    #[command(
        visible_aliases = ["list", "ls"],
        after_help = "Examples:\n  sealift archive get --output json\n  sealift archive get --node node2 --node node3\n\n\
                            Exit codes: 0 success, 1 with --node if the nodes have different archives"
    )]
    Get(get::Arguments),
    /// Copy this node's archives to others over ssh, and import them there
    #[command(after_help = "Examples:\n  sealift archive copy-to root@node2 root@node3\n  \
                            sealift archive copy-to node2 --archive metalk8s-2.11.0 --remote-shell 'ssh -p 2222'\n  \
                            sealift archive copy-to node3 node4 --from node2\n\n\
                            Re-run the command to resume an interrupted copy.")]
    CopyTo(copy_to::Arguments),
    /// Receive an archive from `copy-to` on standard input
    #[command(hide = true)]
    Receive(receive::Arguments),
    /// Remove archives from this node; their files stay
    #[command(after_help = "Example:\n  sealift archive delete metalk8s-2.10.0 --dry-run")]
    Delete(delete::Arguments),
    /// Push the images of an archive to a registry; only missing blobs are sent
    #[command(after_help = "Examples:\n  sealift archive push metalk8s.iso --to registry.example/mirror\n  \
                            sealift archive push metalk8s.iso --to 10.0.0.5:5000 --plain-http 10.0.0.5:5000\n\n\
                            Re-run the command to resume an interrupted push.")]
    Push(push::Arguments),
    /// Publish an archive in a registry, as an OCI artifact with its signature
    ///
    /// The ISO is the only layer of the artifact, and the bundle that `archive sign` wrote is attached to it. ORAS can
    /// read both, and skopeo the ISO. The same archive under the same file name always gets the same digest.
    #[command(
        after_help = "Examples:\n  sealift archive publish app-1.0.iso --to oci://registry.example/archives/app\n  \
                            sealift archive publish app-1.0.iso --to oci://10.0.0.5:5000/app:stable --replace \
                            --plain-http 10.0.0.5:5000\n\n\
                            Re-run the command to resume an interrupted push."
    )]
    Publish(publish::Arguments),
    /// Download an archive and its signature from a registry
    ///
    /// The digest of each file is checked, and files appear only when they are complete. Verify the signature afterwards with
    /// `sealift archive verify`; `sealift archive import` does so by the policy of the node.
    #[command(after_help = "Examples:\n  sealift archive fetch oci://registry.example/archives/app:1.0\n  \
                            sealift archive fetch oci://registry.example/archives/app:1.0 --into /srv/archives --output json\n\n\
                            Re-run the command to resume an interrupted download.")]
    Fetch(fetch::Arguments),
    /// Verify and mount an archive without importing it, by the kernel or FUSE
    #[command(after_help = "Examples:\n  sealift archive mount metalk8s-2.11.0.iso\n  \
                      sealift archive mount metalk8s-2.11.0.iso --at ~/metalk8s --by fuse\n\n\
                      The archive stays mounted when the command ends. Serving needs no mount.")]
    Mount(mount::Arguments),
    /// Unmount an archive
    #[command(visible_alias = "umount")]
    Unmount(mount::UnmountArguments),
    /// Compare two archives: images, packages, and all other files
    #[command(after_help = "Examples:\n  sealift archive diff metalk8s-2.11.0.iso metalk8s-2.11.1.iso\n  \
                            sealift archive diff old.iso new.iso --output markdown >changes.md\n  \
                            sealift archive diff old.iso new.iso --output html >changes.html\n\n\
                            Exit codes: 0 the files are equal, 1 they differ, 2 an archive cannot be read")]
    Diff(diff::Arguments),
    /// Show what is in an archive: its images with digests, its packages, their sizes
    #[command(
        after_help = "Examples:\n  sealift archive inspect metalk8s.iso --output json | jq -r '.images[].digest'\n  \
                            sealift archive inspect metalk8s.iso --packages 'openssl < 3.0.15'\n  \
                            sealift archive inspect metalk8s.iso --packages"
    )]
    Inspect(inspect::Arguments),
}

pub(crate) fn run(command: Command) -> CommandResult {
    match command {
        Command::Verify(arguments) => verify::run(&arguments),
        Command::Sign(arguments) => sign::run(&arguments),
        Command::Diff(arguments) => diff::run(&arguments),
        Command::Report(arguments) => report::run(&arguments),
        Command::Reproduce(arguments) => reproduce::run(&arguments),
        Command::Inspect(arguments) => inspect::run(&arguments),
        Command::Import(arguments) => import::run(&arguments, Only::Any),
        Command::Get(arguments) => get::run(&arguments),
        Command::CopyTo(arguments) => copy_to::run(&arguments),
        Command::Receive(arguments) => receive::run(&arguments),
        Command::Delete(arguments) => delete::run(&arguments, Only::Any),
        Command::Push(arguments) => push::run(arguments),
        Command::Publish(arguments) => publish::run(arguments),
        Command::Fetch(arguments) => fetch::run(arguments),
        Command::Mount(arguments) => mount::run(&arguments),
        Command::Unmount(arguments) => mount::unmount(&arguments),
    }
}

/// A line for each repository that clients cannot use, with help.
fn without_metadata(unindexed: &[UnindexedPackages]) -> Vec<String> {
    unindexed.iter().map(|one| format!("{one}; {}", one.remedy(&one.folder))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    use archive::verify::VerifyOptions;

    #[test]
    fn packages_without_metadata_are_warnings_with_help() {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str| {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "NAME=Site\nVERSION=1.0\n").unwrap();
        };
        write("product.txt");
        for number in 0..22 {
            write(&format!("packages/redhat/8/r{number:02}/a.rpm"));
        }
        archive::sums::write(folder.path(), &archive::sums::digest_file).unwrap();
        let report = archive::verify(folder.path(), &VerifyOptions::default(), &()).unwrap();
        let inspection = archive::inspect(folder.path()).unwrap();
        let first = "warning: packages/redhat/8/r00: 1 RPM package without metadata (no repodata/repomd.xml): dnf cannot find it; \
                     run `sealift package index packages/redhat/8/r00` before the archive is built";
        for text in [verify::verdict(folder.path(), &report, false), inspect::contents(&inspection)] {
            let warnings: Vec<&str> = text.lines().filter(|line| line.starts_with("warning: ")).collect();
            assert_eq!((warnings.len(), warnings[0]), (21, first), "{text}");
            assert_eq!(warnings[20], "warning: and 2 more repositories without metadata");
        }
        assert!(report.ok());
    }
}
