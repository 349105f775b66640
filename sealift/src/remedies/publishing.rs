//! Help for errors about archives in registries.

use std::path::Path;

use node::publish::Error;

use crate::failure::Failure;
use crate::output;

/// An archive that cannot be published.
pub(crate) fn publish(error: Error) -> Failure {
    match error {
        Error::Push(error) => super::images::push(error),
        Error::Pull(error) => super::images::pull(error),
        Error::NotAFile(_) => {
            Failure::usage_by(error).remedy("name an ISO file; `sealift iso create` makes one of a folder")
        }
        Error::Nameless(_) => {
            Failure::from(error).remedy("name an archive: an ISO with product.txt or manifest.yaml")
        }
        Error::FileName { .. } => Failure::usage_by(error).remedy("rename the file"),
        Error::Bundle { .. } => Failure::failed(error)
            .remedy("sign this archive with `sealift archive sign`, or name its bundle with --bundle FILE"),
        Error::Tagged { .. } => {
            Failure::usage_by(error).remedy("publish under another tag, or move this one with --replace")
        }
        error => error.into(),
    }
}

/// A release that cannot be published: its ISO is at `iso`.
pub(crate) fn release(error: Error, iso: &Path) -> Failure {
    match error {
        Error::Tagged { .. } => {
            let word = output::shell_word(iso);
            Failure::usage_by(error)
                .remedy(format!("move the tag with `sealift archive publish {word} --to URL --replace`"))
        }
        error => publish(error),
    }
}

/// An archive that cannot be fetched.
pub(crate) fn fetch(error: Error) -> Failure {
    match error {
        Error::Pull(error) => super::images::fetch(error),
        Error::Occupied(_) => Failure::usage_by(error)
            .remedy("name another folder with --into DIR, or replace the file with --replace"),
        Error::OtherType { .. } => Failure::from(error)
            .remedy("pull an image with `sealift image pull`, and other artifacts with `oras pull`"),
        Error::Missing(ref reference) => {
            let repository = graph::quoted(&format!("docker://{}", reference.name())).into_owned();
            Failure::from(error)
                .remedy(format!("check the tag; `skopeo list-tags {repository}` lists the tags"))
        }
        Error::Invalid { .. } => Failure::from(error)
            .remedy("ask the publisher for an archive that `sealift archive publish` pushed"),
        Error::Foreign { .. } => {
            Failure::from(error).remedy("name a folder of your own with --into DIR, or remove what is there")
        }
        Error::Busy(_) => Failure::from(error).remedy("wait until it is done, then re-run the command"),
        error => error.into(),
    }
}
