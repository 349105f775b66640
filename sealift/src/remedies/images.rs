//! Help for errors about images: registries, the content store, the lock file.

use std::fmt;
use std::path::Path;

use buildchain::locking::{
    self, EntryChange, ImportError, ImportProblem, LockedEntry, PackageChange, SameName, SelectionChange,
    SourceChange,
};
use buildchain::project::{RemoteError, Tag};
use content::{Digest, printable, printable_path};
use graph::quoted;
use images::Reference;
use images::original_names::{OriginalReference, Place};
use images::pull::{self, Login, RegistryFault};
use images::push;
use images::signatures::FoundSignatures;

use super::helped;
use crate::failure::Failure;
use crate::output::count;

/// What to do about a registry that cannot be reached.
const NETWORK: &str = "check the name, the port and the network";
/// What to do about a certificate that is not trusted.
const AUTHORITY: &str = "if you trust the registry, name its certificate authority: --ca [HOST=]FILE";
/// The same in a project.
const AUTHORITY_OF_PROJECT: &str = "if you trust the registry, name its certificate authority: `certificateAuthorities` under `spec.registries`";

/// The help for credentials that are missing or refused. `named_by` says how a file with credentials is named.
fn login(login: &Login, named_by: &str) -> String {
    let host = &login.host;
    let entry = format!(r#"{{"auths": {{"{host}": {{"auth": "BASE64"}}}}}}"#);
    match &login.file {
        Some(file) => {
            let path = file.to_string_lossy();
            let (file, host) = (quoted(&path), quoted(host));
            let tls = if login.plain_http { "--tls-verify=false " } else { "" };
            format!(
                "log in with `skopeo login {tls}--authfile {file} {host}`, or write {entry} to this file, with USER:PASSWORD in base64"
            )
        }
        None => {
            format!("write {entry}, with USER:PASSWORD in base64, to a file, and name it with {named_by}")
        }
    }
}

fn login_of(error: &pull::Error, named_by: &str) -> Option<String> {
    let missing = error.failures.iter().find_map(|failure| failure.fault.login());
    missing.map(|missing| login(missing, named_by))
}

/// What a user can change where images are pulled.
struct Settings {
    /// How a larger disk is chosen.
    folder: &'static str,
    /// Where a certificate authority is named.
    authority: &'static str,
    /// What names a file with credentials.
    credentials: &'static str,
}

/// Those of commands on images.
const OF_COMMANDS: Settings =
    Settings { folder: "SEALIFT_CACHE", authority: AUTHORITY, credentials: "--auth-file" };
/// Those of `archive fetch`, which needs no content store.
const OF_FETCHES: Settings =
    Settings { folder: "--into DIR", authority: AUTHORITY, credentials: "--auth-file" };
/// Those of projects.
const OF_PROJECTS: Settings =
    Settings { folder: "SEALIFT_CACHE", authority: AUTHORITY_OF_PROJECT, credentials: "REGISTRY_AUTH_FILE" };

/// What to do about a transfer that failed: `again` says it of a failure that may not happen again.
fn after(error: &pull::Error, settings: &Settings, again: &str) -> Option<String> {
    let faults = || error.failures.iter().map(|failure| &failure.fault);
    let text = if let Some(missing) = login_of(error, settings.credentials) {
        return Some(missing);
    } else if let Some(RegistryFault::NoSpace { folder, .. }) =
        faults().find(|fault| matches!(fault, RegistryFault::NoSpace { .. }))
    {
        return Some(format!(
            "free space on the disk of {}, or name a folder on a larger disk with {}",
            printable_path(folder),
            settings.folder
        ));
    } else if faults().all(|fault| matches!(fault, RegistryFault::Unreachable(_))) {
        NETWORK
    } else if faults().any(|fault| matches!(fault, RegistryFault::Tls(_))) {
        settings.authority
    } else if faults().any(RegistryFault::is_transient) {
        again
    } else {
        return None;
    };
    Some(text.to_owned())
}

/// An image that cannot be pulled.
pub(crate) fn pull(error: pull::Error) -> Failure {
    let help = after(&error, &OF_COMMANDS, "re-run the command to resume");
    helped(Failure::from(error), help)
}

/// An archive that cannot be fetched from a registry.
pub(super) fn fetch(error: pull::Error) -> Failure {
    let help = after(&error, &OF_FETCHES, "re-run the command to resume");
    helped(Failure::from(error), help)
}

/// An image that no key of the command signed.
pub(crate) fn unsigned(reference: &Reference, image: &Digest, found: &FoundSignatures) -> Failure {
    let error = format!("{reference} ({}) has no good signature: {}", image.short(), found.problem());
    Failure::failed(anyhow::anyhow!(error))
        .remedy("name the key that signed it with --key, or pull it without --key")
}

/// What to do about an image that a task cannot pull.
pub(super) fn task(error: &pull::Error) -> Option<String> {
    after(error, &OF_PROJECTS, "re-run the command to resume")
}

/// A tag that cannot be looked up.
pub(crate) fn lock(error: locking::Error) -> Failure {
    let error = match error {
        locking::Error::Project(error) => return super::project::project(error),
        error => error,
    };
    let help = match &error {
        locking::Error::Resolve { source, .. } | locking::Error::Download(source) => {
            after(source, &OF_PROJECTS, "re-run the command")
        }
        locking::Error::Git(RemoteError::Git { message, .. })
            if ["Authentication failed", "could not read", "Permission denied"]
                .iter()
                .any(|refused| message.contains(refused)) =>
        {
            Some("git never asks: use an ssh:// URL with an agent, or put the password into ~/.netrc".into())
        }
        locking::Error::Unsigned { .. } => Some(
            "if you trust another key, add it to `keys` of the entry in `spec.images.signatures`; if the image was signed in another \
             repository, name that with `identity`"
                .into(),
        ),
        locking::Error::Engine(error) => in_engine(error),
        locking::Error::Repository { reason, .. } => of_repository(reason),
        locking::Error::Package { reason, .. } => of_package(reason),
        locking::Error::Packages { .. } => {
            Some("change `download` and `source` of the project, or add the repositories of the nodes with `onNodes: true`".into())
        }
        locking::Error::Imported(ImportError { problem, .. }) => Some(of_import(problem)),
        locking::Error::NoTag { repository, .. } => Some(format!(
            "change the entry; `skopeo list-tags {}` prints the tags",
            quoted(&format!("docker://{repository}"))
        )),
        _ => None,
    };
    // Without a good signature the result is negative, but nothing went wrong.
    let failure = match &error {
        locking::Error::Unsigned { .. } => Failure::failed(error),
        _ => Failure::from(error),
    };
    helped(failure, help)
}

/// What helps if a file of another tool does not fit the project.
fn of_import(problem: &ImportProblem) -> String {
    match problem {
        ImportProblem::Repository { repository, .. } => format!(
            "add an entry with `name: {}`, `source` and `keys` to `spec.packages`",
            printable(repository)
        ),
        ImportProblem::Architecture(architecture) => format!(
            "let the other tool lock packages for {architecture}, or remove it from `architectures` of the release"
        ),
        ImportProblem::Checksum(_) => "let the other tool lock the packages with their SHA-256".to_owned(),
        ImportProblem::Location(_) => {
            "let the other tool write `location` or `url` of each package".to_owned()
        }
        ImportProblem::Url { repository, .. } => {
            format!("write `url` instead of `metalink` or `mirrorlist` in `source` of {repository}")
        }
        _ => "correct the entry, or let the other tool write the file again".to_owned(),
    }
}

/// What helps if the metadata of a package repository cannot be used.
fn of_repository(reason: &str) -> Option<String> {
    let keys = "add the key of the publisher to `keys`";
    let help = if reason.contains("which is not among the keys") {
        keys
    } else if reason.contains(" expired on ") || reason.contains(" was revoked on ") {
        "get the new key of the publisher, and name it in `keys`"
    } else if reason.contains("it has no signature") {
        "if the publisher does not sign its metadata, write `signatures: packages` for RPMs and `signatures: none` for DEBs"
    } else if reason.contains("which are not sent without TLS") {
        "use an https URL, or write `plainHttp: true` for the host in `spec.registries`"
    } else if reason.contains("not authorized: ") {
        "write the credentials for the host to a file: {\"auths\": {\"HOST\": {\"username\": …, \"password\": …}}}, and name it with REGISTRY_AUTH_FILE"
    } else if reason.contains("no longer secure") {
        "ask the publisher for a new signature; `signatures: none` accepts packages by their digests alone"
    } else {
        return None;
    };
    Some(help.to_owned())
}

/// What helps if an upstream package cannot be used.
fn of_package(reason: &str) -> Option<String> {
    if reason.contains("it has no signature") {
        return Some(
            "ask the publisher for signed packages; `signatures: metadata` accepts those with the checksums in signed metadata".into(),
        );
    }
    of_repository(reason)
}

/// An image that a container engine does not give.
pub(crate) fn engine(error: images::Error) -> Failure {
    let help = in_engine(&error);
    helped(Failure::from(error), help)
}

fn in_engine(error: &images::Error) -> Option<String> {
    let images::Error::NotSaved { image, program, .. } = error else { return None };
    let (program, name) = (program.to_string_lossy(), image.name());
    let program = quoted(&program);
    Some(format!(
        "build the image, or pull it with `{program} pull {name}`; `{program} images` lists what the engine has"
    ))
}

/// A tag that differs from the lock file.
pub(crate) fn moved(change: &EntryChange) -> Failure {
    let (server, what) = match &change.entry {
        LockedEntry::Engine(_) => ("engine", "IDs"),
        LockedEntry::Tag(_) | LockedEntry::Referrers { .. } | LockedEntry::Signature(_) => {
            ("registry", "digests")
        }
    };
    differs(&change.entry, change.old.as_ref(), change.new.as_ref(), server, what)
}

/// A pattern or range that stands for other tags than in the lock file.
pub(crate) fn chosen(change: &SelectionChange) -> Failure {
    let list = |tags: &Vec<Tag>| tags.iter().map(Tag::as_str).collect::<Vec<_>>().join(", ");
    differs(change, change.old.as_ref().map(list), change.new.as_ref().map(list), "registry", "tags")
}

/// What a `server` has differs from the lock file.
fn differs<T: fmt::Display>(
    entry: &dyn fmt::Display,
    old: Option<T>,
    new: Option<T>,
    server: &str,
    what: &str,
) -> Failure {
    let update = format!("lock the new {what}: `sealift update`");
    let (message, help) = match (old, new) {
        (Some(old), Some(new)) => (format!("{entry} is locked to {old}, but the {server} has {new}"), update),
        (None, Some(new)) => (format!("{entry} is not locked; the {server} has {new}"), update),
        (_, None) => (
            format!("{entry} is locked, but the project does not have it"),
            "remove it from the lock file: `sealift lock`".to_owned(),
        ),
    };
    Failure::failed(anyhow::Error::msg(message)).remedy(help)
}

/// A source outside the project that differs from the lock file.
pub(crate) fn moved_source(change: &SourceChange) -> Failure {
    differs(&change.source, change.old.as_ref(), change.new.as_ref(), "server", "digests")
}

/// A package of an upstream repository that differs from the lock file.
pub(crate) fn moved_package(change: &PackageChange) -> Failure {
    let list = |packages: &[String]| (!packages.is_empty()).then(|| packages.join(", "));
    let what = format!("{} of {} for release {}", change.package, change.repository, change.release);
    match change.same_name {
        Some(SameName::File { old, new }) if change.old == change.new => {
            let message = format!("the file of {what} was replaced: expected {old}, found {new}");
            Failure::failed(anyhow::Error::msg(message))
                .remedy("ask the publisher why; if the new file is right, lock it: `sealift update`")
        }
        _ => differs(&what, list(&change.old), list(&change.new), "repository", "packages"),
    }
}

/// Packages are locked for other values of the project, and would be the same for these.
pub(crate) fn stale(what: &str) -> Failure {
    let message = format!("{what} are locked for other requests or sources than those of the project");
    Failure::failed(anyhow::Error::msg(message)).remedy("update the lock file: `sealift lock`")
}

/// Not as many names as images.
pub(crate) fn names(names: usize, images: usize) -> Failure {
    Failure::usage(format!("--as is given {}, for {}", count(names, "time"), count(images, "image")))
        .remedy("give --as once per image, in their order, or pull this image alone")
}

/// Two images that would be saved in one folder, or one inside the other.
pub(crate) fn clash(problem: String) -> Failure {
    Failure::usage(problem).remedy("give them different names: --as NAME:TAG, once per image in their order")
}

/// An image that would be saved under the name of the list of its referrers.
pub(crate) fn referrers_clash(image: &str, saved: &dyn fmt::Display) -> Failure {
    Failure::usage(format!("{image} and the list of its referrers would both be saved as {saved}"))
        .remedy("give the image another name: --as NAME:TAG")
}

/// A folder that holds another image than the one to save.
pub(crate) fn another(folder: &Path, saved: &dyn fmt::Display, expected: &Digest, found: &Digest) -> Failure {
    Failure::usage(format!(
        "{} contains another image: expected {expected}, found {found}",
        printable_path(folder)
    ))
    .remedy(format!("replace it with --replace, or save {saved} under another name with --as NAME:TAG"))
}

/// A reference that would name two images of one folder.
pub(crate) fn two_images(
    reference: &OriginalReference,
    (first, of_first): (&Place, &Digest),
    (second, of_second): (&Place, &Digest),
) -> Failure {
    Failure::usage(format!(
        "{reference} would name two images: {first} with {of_first} and {second} with {of_second}"
    ))
    .remedy(format!(
        "let it name {second} alone with --replace, or save it as {first} with --as {first} --replace"
    ))
}

/// An image that would be saved inside another one.
pub(crate) fn inside(outer: &Path, saved: &dyn fmt::Display) -> Failure {
    Failure::usage(format!("{saved} would be saved inside the image in {}", printable_path(outer)))
        .remedy("save it under another name: --as NAME:TAG")
}

/// A folder without images.
pub(crate) fn none(folder: &Path) -> Failure {
    Failure::failed(anyhow::anyhow!("{}: this folder contains no image", printable_path(folder)))
        .remedy("name the folder that contains <name>/<tag>/manifest.json")
}

/// Images that cannot be pushed.
pub(crate) fn push(error: push::Error) -> Failure {
    let help = match &*error.fault {
        RegistryFault::Sparse { .. } => {
            "build the archive with all platforms of this image, or with a single one".to_owned()
        }
        RegistryFault::Damaged(_) => "list every finding: `sealift archive verify`".to_owned(),
        RegistryFault::Unauthorized(_) => match error.fault.login() {
            Some(missing) => {
                format!("{}; use an account that is allowed to push", login(missing, OF_COMMANDS.credentials))
            }
            None => "use an account that is allowed to push".to_owned(),
        },
        RegistryFault::Unreachable(_) => NETWORK.to_owned(),
        RegistryFault::Tls(_) => AUTHORITY.to_owned(),
        fault if fault.is_transient() => {
            "re-run the command to resume; blobs that the registry has are not sent again".to_owned()
        }
        _ => return error.into(),
    };
    Failure::from(error).remedy(help)
}

/// A content store that cannot be used.
pub(crate) fn store(error: images::Error) -> Failure {
    let help = if error.is_unusable_place() {
        Some("name a folder that you can write to with --store DIR or SEALIFT_CACHE")
    } else if matches!(error, images::Error::StoreInUse { .. }) {
        Some("wait until the pull or build is done, then re-run the command")
    } else {
        None
    };
    helped(Failure::from(error), help)
}

/// A file of original names that cannot be used.
pub(crate) fn original_names(error: images::Error) -> Failure {
    let is_invalid = matches!(error, images::Error::OriginalNames { .. });
    let help = "correct the file, or remove it and pull the images again, which records their names";
    helped(Failure::from(error), is_invalid.then(|| help.to_owned()))
}

/// Images that cannot be indexed.
pub(crate) fn index(error: images::Error) -> Failure {
    let damaged = matches!(error, images::Error::DigestMismatch { .. } | images::Error::SizeMismatch { .. });
    let help = damaged.then_some("list all damaged files: `sealift image check`");
    helped(Failure::from(error), help)
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn an_invalid_file_of_original_names_has_a_way_out() {
        let invalid = images::Error::OriginalNames { path: "names".into(), reason: "invalid JSON".into() };
        let failure = format!("{:?}", original_names(invalid));
        assert!(failure.contains("remove it and pull the images again"), "{failure}");
    }

    #[test]
    fn the_help_for_missing_credentials_can_be_typed() {
        let host = "r.example:5000".to_owned();
        let with = |file: Option<&str>, plain_http| {
            let missing = Login { host: host.clone(), file: file.map(PathBuf::from), plain_http };
            login(&missing, "--auth-file")
        };
        for (file, plain_http, expected) in [
            ("/a/auth.json", false, "`skopeo login --authfile /a/auth.json r.example:5000`"),
            (
                "a b's.json",
                true,
                r#"`skopeo login --tls-verify=false --authfile "a b's.json" r.example:5000`"#,
            ),
            ("a\n.json", false, r"`skopeo login --authfile $'a\x0a.json' r.example:5000`"),
        ] {
            let found = with(Some(file), plain_http);
            assert!(found.starts_with(&format!("log in with {expected}, or ")), "{found}");
        }
        assert!(with(None, false).ends_with("name it with --auth-file"));
    }

    #[test]
    fn another_store_is_suggested_only_where_that_helps() {
        for (kind, helps) in [
            (ErrorKind::PermissionDenied, true),
            (ErrorKind::ReadOnlyFilesystem, true),
            (ErrorKind::StorageFull, false),
        ] {
            let path = PathBuf::from("store/lock");
            let failure = store(content::IoError::at("open", &path)(kind.into()).into());
            assert_eq!(failure.report().unwrap().remedy.is_some(), helps, "{kind}");
        }
    }
}
