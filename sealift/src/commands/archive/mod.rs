//! `sealift archive`: is it whole, what is in it, and which are this node's.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use archive::Unindexed;
use archive::inspect::Inspection;
use archive::verify::{ImplantedMd5, Options, Report, Verdict, Work};
use clap::Subcommand;
use content::{printable, printable_path};

use crate::commands::{node, nodes, push};
use crate::failure::{Failure, Outcome};
use crate::output::{self, Output, size};
use crate::progress::Bar;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Verify archives without mounting or unpacking them
    ///
    /// Checks the implanted MD5, every file against SHA256SUMS, every link against LINKS.mtree, every blob against its name, and
    /// the registry tree against the images.
    #[command(
        visible_alias = "check",
        after_help = "Examples:\n  sealift archive verify metalk8s.iso\n  sealift archive verify *.iso --output json\n\n\
                      Exit codes: 0 all are intact; 1 one is damaged (every damaged file is named), or nothing vouches for it; 2 one \
                      cannot be read"
    )]
    Verify {
        /// The archives: ISO files, or the folders they are mounted or unpacked at
        #[arg(required = true)]
        archives: Vec<PathBuf>,
        /// Hash files with this many threads [default: one per core]
        #[arg(long, short = 'n', value_name = "NUMBER", default_value_t = 0, hide_default_value = true)]
        jobs: usize,
        #[command(flatten)]
        output: Output,
    },
    /// Import archives: verify, mount where possible, add them to the configuration
    #[command(after_help = "Example:\n  sealift archive import metalk8s-2.11.0.iso --dry-run\n\n\
                            Re-run the command to finish an interrupted import. A failed import changes nothing.")]
    Import(node::ImportArguments),
    /// List the archives of this node, or compare them with those of others
    #[command(
        visible_aliases = ["list", "ls"],
        after_help = "Examples:\n  sealift archive get --output json\n  sealift archive get --node node2 --node node3\n\n\
                            With --node the exit code is 0 if all have the same archives, 1 if not."
    )]
    Get(node::GetArguments),
    /// Copy this node's archives to others over ssh, and import them there
    #[command(after_help = "Examples:\n  sealift archive copy-to root@node2 root@node3\n  \
                            sealift archive copy-to node2 --archive metalk8s-2.11.0 --remote-shell 'ssh -p 2222'\n\n\
                            Re-run the command to resume an interrupted copy.")]
    CopyTo(nodes::CopyArguments),
    /// The other end of copy-to, on standard input and output
    #[command(hide = true)]
    Receive(nodes::ReceiveArguments),
    /// Remove an archive from this node; its file stays
    Delete(node::DeleteArguments),
    /// Push the images of an archive to a registry; only missing blobs are sent
    #[command(after_help = "Examples:\n  sealift archive push metalk8s.iso --to registry.example/mirror\n  \
                            sealift archive push metalk8s.iso --to 10.0.0.5:5000 --plain-http 10.0.0.5:5000\n\n\
                            Re-run the command to resume an interrupted push.")]
    Push(push::Push),
    /// Verify and mount an archive without importing it, by the kernel or FUSE
    #[command(after_help = "Examples:\n  sealift archive mount metalk8s-2.11.0.iso\n  \
                      sealift archive mount metalk8s-2.11.0.iso --at ~/metalk8s --by fuse\n\n\
                      It stays mounted when the command ends. Serving needs no mount.")]
    Mount(node::MountArguments),
    /// Unmount an archive
    #[command(visible_alias = "umount")]
    Unmount(node::UnmountArguments),
    /// Show what is in an archive: its images with digests, its packages, their sizes
    #[command(
        after_help = "Example:\n  sealift archive inspect metalk8s.iso --output json | jq -r '.images[].digest'"
    )]
    Inspect {
        /// The ISO, or the folder it is mounted or unpacked at
        archive: PathBuf,
        #[command(flatten)]
        output: Output,
    },
}

pub(crate) fn run(command: Command) -> Outcome {
    match command {
        Command::Verify { archives, jobs, output } => verify(&archives, jobs, output),
        Command::Inspect { archive, output } => inspect(&archive, output),
        Command::Import(arguments) => node::import(&arguments),
        Command::Get(arguments) => node::get(&arguments),
        Command::CopyTo(arguments) => nodes::copy_to(&arguments),
        Command::Receive(arguments) => nodes::receive(&arguments),
        Command::Delete(arguments) => node::delete(&arguments),
        Command::Push(arguments) => push::push(arguments),
        Command::Mount(arguments) => node::mount(&arguments),
        Command::Unmount(arguments) => node::unmount(&arguments),
    }
}

/// Verifies one archive after the other. One that cannot be read does not keep the others from being verified.
fn verify(archives: &[PathBuf], threads: usize, output: Output) -> Outcome {
    let mut reports = Vec::new();
    let mut unreadable = None;
    for path in archives {
        match verify_one(path, threads) {
            Ok(report) => {
                if output.is_text() {
                    output::print(&verdict(path, &report))?;
                }
                reports.push(report);
            }
            Err(error) if archives.len() == 1 => return Err(error),
            Err(error) => {
                output::failure(&error);
                unreadable = Some(Failure::Told);
            }
        }
    }
    if !output.is_text() {
        match &reports[..] {
            // One archive is one report, as it always was.
            [report] if archives.len() == 1 => output.report(report, String::new)?,
            reports => output.report(&reports, String::new)?,
        }
    }
    match unreadable {
        Some(failure) => Err(failure),
        None if reports.iter().all(Report::ok) => Ok(()),
        None => Err(Failure::Failed(None)),
    }
}

fn verify_one(path: &Path, threads: usize) -> Result<Report, Failure> {
    let work = Work::open(path, &Options { threads, ..Options::default() })?;
    let bar = Bar::bytes("verifying", work.bytes());
    Ok(work.run(&bar))
}

fn verdict(path: &Path, report: &Report) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    for finding in &report.findings {
        let _ = writeln!(text, "{finding}");
    }
    if report.omitted > 0 {
        let _ = writeln!(text, "and {} more findings", report.omitted);
    }
    if report.implanted_md5 == ImplantedMd5::Absent {
        text.push_str("no MD5 is implanted\n");
    }
    if !report.sha256sums {
        text.push_str(
            "no readable SHA256SUMS: only images could be checked, against the names of their blobs\n",
        );
    }
    if report.sha256sums && !report.links && report.symbolic_links > 0 {
        let _ = writeln!(
            text,
            "no readable LINKS.mtree: of {} symbolic links only those of registry/ could be checked",
            report.symbolic_links
        );
    }
    for line in output::bounded(&without_metadata(&report.unindexed), "repositories without metadata") {
        let _ = writeln!(text, "warning: {line}");
    }
    for (what, health) in [("images", &report.images), ("packages", &report.packages)] {
        if !health.damaged.is_empty() {
            let names = health.damaged.join(", ");
            let _ = writeln!(text, "{what} that cannot be served: {}", printable(&names));
        }
    }
    let name = printable_path(path);
    let _ = match report.verdict() {
        Verdict::Intact => {
            let md5 = matches!(report.implanted_md5, ImplantedMd5::Passed { .. });
            let checked = if md5 { "implanted MD5 and " } else { "" };
            writeln!(text, "{name}: intact: {checked}{} files, {}", report.files, size(report.bytes))
        }
        Verdict::Unvouched => writeln!(
            text,
            "{name}: NOT verified: nothing vouches for it: it has neither SHA256SUMS nor an implanted MD5; nothing wrong was \
             found in {} files\n\
             compare its SHA-256 with the one that its maker publishes, then `sealift archive import --unverified`",
            report.files
        ),
        Verdict::Damaged => {
            let count = report.findings.len() as u64 + report.omitted;
            let findings = if count == 1 { "1 finding".to_owned() } else { format!("{count} findings") };
            writeln!(text, "{name}: NOT intact: {findings} in {} files", report.files)
        }
    };
    text
}

/// A line for each repository that clients cannot use, with what to do.
fn without_metadata(unindexed: &[Unindexed]) -> Vec<String> {
    unindexed.iter().map(|one| format!("{one}; {}", one.remedy(&one.folder))).collect()
}

fn inspect(path: &Path, output: Output) -> Outcome {
    let inspection = archive::inspect::inspect(path)?;
    Ok(output.report(&inspection, || contents(&inspection))?)
}

fn contents(inspection: &Inspection) -> String {
    let mut text = String::new();
    if let Some(product) = &inspection.product {
        let _ = writeln!(text, "{} {}", printable(&product.name), printable(&product.version));
        if let Some(date) = &product.build_timestamp {
            let _ = match &product.git {
                Some(commit) => writeln!(text, "commit {} of {}", printable(commit), printable(date)),
                None => writeln!(text, "built without a commit, dated {}", printable(date)),
            };
        }
    }
    let _ = write!(text, "{} files, {}", inspection.files, size(inspection.bytes));
    if let Some(bytes) = inspection.image_bytes {
        let _ = write!(text, "; the ISO has {}", size(bytes));
    }
    text.push('\n');
    for image in &inspection.images {
        let digest = image.digest.as_deref().unwrap_or("no readable manifest");
        let _ = writeln!(
            text,
            "image    {}:{}  {}  {}  {digest}",
            printable(&image.name),
            printable(&image.tag),
            size(image.bytes),
            printable(&image.platforms.join(","))
        );
        if let Some(problem) = &image.problem {
            let _ = writeln!(text, "         cannot be served: {}", printable(problem));
        }
    }
    for repository in &inspection.repositories {
        for package in &repository.packages {
            let _ = writeln!(text, "package  {}  in {}", printable(package), printable(&repository.folder));
        }
    }
    for line in output::bounded(&without_metadata(&inspection.unindexed), "repositories without metadata") {
        let _ = writeln!(text, "warning: {line}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_without_metadata_are_warnings_with_what_to_do() {
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
        let report = archive::verify(folder.path(), &Options::default(), &()).unwrap();
        let inspection = archive::inspect(folder.path()).unwrap();
        let first = "warning: packages/redhat/8/r00: 1 RPM package without metadata (no repodata/repomd.xml): dnf cannot find it; \
                     run `sealift package index packages/redhat/8/r00` before the archive is built";
        for text in [verdict(folder.path(), &report), contents(&inspection)] {
            let warnings: Vec<&str> = text.lines().filter(|line| line.starts_with("warning: ")).collect();
            assert_eq!((warnings.len(), warnings[0]), (21, first), "{text}");
            assert_eq!(warnings[20], "warning: and 2 more repositories without metadata");
        }
        assert!(report.ok());
    }
}
