//! `sealift release`: check the tag of a release, print what is new in it, and make a release of a candidate.

mod check;
mod notes;
mod placed;
pub(crate) mod promote;

use clap::Subcommand;

use crate::failure::CommandResult;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Check whether a tag can be released: its name, versions, changelog and lock
    #[command(after_help = "Examples:\n  sealift release check\n  sealift release check v1.2.0-rc0\n  \
                      sealift release check v1.2.0 -o json")]
    Check(check::Arguments),
    /// Print what is new between two releases, in Markdown
    #[command(
        after_help = "Examples:\n  sealift release notes 1.1.0 1.2.0\n  sealift release notes v1.1.0 v1.2.0 > notes.md"
    )]
    Notes(notes::Arguments),
    /// Build a candidate again as the release, and prove that only the version differs
    ///
    /// The commit is built in a clone of its own, under the tag of the release. Each file that differs from the candidate is read, also
    /// in packages and in layers of images: only the version may differ. Then the ISO is written, and signed if a key is given. Options
    /// also push its images, publish it, and create the tag of the release. After a failure, the same command continues.
    #[command(
        after_help = "Examples:\n  sealift release promote 1.2.0-rc1 --candidate app-1.2.0-rc1.iso --key vendor.pem\n  \
                            sealift release promote v1.2.0-rc1 --into releases --dry-run\n  \
                            sealift release promote v1.2.0-rc1 --key vendor.pem --push registry.example/platform \\\n    \
                            --publish oci://registry.example/archives/app --tag\n\n\
                            Exit codes: 0 success, 1 more than the version differs, or the tag cannot be released"
    )]
    Promote(Box<promote::Arguments>),
}

pub(crate) fn run(command: &Command) -> CommandResult {
    match command {
        Command::Check(arguments) => check::run(arguments),
        Command::Notes(arguments) => notes::run(arguments),
        Command::Promote(arguments) => promote::run(arguments),
    }
}
