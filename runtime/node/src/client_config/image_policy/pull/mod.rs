//! Whether the rules of the archives of a node allow an image that a client pulls.

mod archive;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;

use ::archive::Tree;
use ::archive::image::ArchiveImage;
use content::Digest;
use images::Reference;
use images::original_names::{Place, RequestedRegistry};
use images::pull::referrers_tag;
use images::signatures::{RepositoryPattern, RequiredSigners, SignatureForm};

use self::archive::{Copies, KnownArchive, canonical};
use super::super::error::Error;
use super::signed::{SIGNATURES, found_signatures};

/// The most manifests of signatures of an image that are looked at.
const SIGNATURES_MAX: usize = 64;

/// What the archives of a node say about an image that is pulled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PullVerdict {
    /// No rule covers the name.
    NotCovered,
    /// An archive has the image, with signatures that all rules accept.
    Signed {
        /// The archive.
        archive: PathBuf,
        /// The name and tag of the image in it.
        image: String,
        /// The ID of the key, or of the identity with a certificate.
        signer: String,
    },
    /// A rule covers the name, and no archive has the image with a signature that it accepts; or the rules are unknown.
    Refused {
        /// Why.
        reason: String,
    },
}

impl fmt::Display for PullVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotCovered => f.write_str("no rule of the archives covers the name"),
            Self::Signed { archive, image, signer } => {
                let (archive, signer) = (content::printable_path(archive), content::printable(signer));
                write!(f, "{image} in {archive} is signed by {signer}")
            }
            Self::Refused { reason } => write!(f, "{}", content::printable(reason)),
        }
    }
}

/// Compares an image that is pulled as `reference`, whose manifest or index has the digest `digest`, with the archives of the node. A
/// signature of an index also counts for the manifests that it lists. Each rule that covers the name must be met, by a signature in
/// any archive; a rule `*` covers only the repositories of which its archive has images. The archives in `refused` are those that the
/// policy of the node does not accept, and why: their rules cover names, but their keys and images do not count.
///
/// # Errors
///
/// [`Error::Archive`]: an archive cannot be read, so that its rules are unknown; [`Error::Rules`].
pub fn judge_pull(
    archives: &[PathBuf],
    refused: &[(PathBuf, String)],
    reference: &Reference,
    digest: Digest,
) -> Result<PullVerdict, Error> {
    if archives.is_empty() && refused.is_empty() {
        let reason = "this node has no archives, so that the rules are unknown".to_owned();
        return Ok(PullVerdict::Refused { reason });
    }
    // A server serves the images of an archive also without its prefix if it serves no other one.
    let accepted = archives.iter().map(|path| KnownArchive::open(path, archives.len() == 1));
    let accepted = accepted.collect::<Result<Vec<_>, _>>()?;
    let refused =
        refused.iter().map(|(path, reason)| Ok((KnownArchive::open(path, archives.is_empty())?, reason)));
    let refused = refused.collect::<Result<Vec<_>, Error>>()?;
    let mut names =
        BTreeSet::from([reference.name(), canonical(reference.registry(), reference.repository())]);
    for archive in accepted.iter().chain(refused.iter().map(|(archive, _)| archive)) {
        names.extend(archive.names_of(reference));
        let served = || accepted.iter().chain([archive]);
        let serves = |host: &str| served().any(|archive| archive.has_host(host));
        if RequestedRegistry::of(None, None, Some(reference.registry()), serves) == RequestedRegistry::This {
            names.extend(archive.bare_names_of(reference, digest)?);
        }
    }
    let requirements: Vec<Requirement<'_>> =
        accepted.iter().flat_map(|archive| archive.requirements(&names)).collect();
    let by_refused =
        refused.iter().find_map(|(archive, reason)| Some((archive.requirements(&names).pop()?, reason)));
    if requirements.is_empty() && by_refused.is_none() {
        return Ok(PullVerdict::NotCovered);
    }
    let mut copies = Vec::new();
    for archive in &accepted {
        copies.push(archive.copies(&names, digest)?);
    }
    let (mut signed, mut unmet) = (None, None);
    for requirement in &requirements {
        match requirement.met(&copies, digest)? {
            Ok(verdict) => signed = signed.or(Some(verdict)),
            Err(problem) => unmet = unmet.or(Some(requirement.refusal(&problem))),
        }
    }
    if let (Some(verdict), None) = (signed, &unmet) {
        return Ok(verdict);
    }
    if copies.iter().all(|copies| copies.places.is_empty()) {
        for (archive, reason) in &refused {
            if let Some(place) = archive.copies(&names, digest)?.places.first() {
                let path = archive.path.display();
                let reason = format!(
                    "only {path} has {place}, and the policy of this node refuses this archive: {reason}"
                );
                return Ok(PullVerdict::Refused { reason });
            }
        }
    }
    let by_refused = by_refused.map(|(requirement, reason)| {
        requirement.refusal(&format!("the policy of this node refuses this archive: {reason}"))
    });
    Ok(match unmet.or(by_refused) {
        Some(reason) => PullVerdict::Refused { reason },
        None => PullVerdict::NotCovered,
    })
}

/// What a rule requires.
struct Requirement<'a> {
    archive: &'a KnownArchive<'a>,
    rule: &'a RepositoryPattern,
    name: String,
    signers: RequiredSigners<'a>,
}

impl Requirement<'_> {
    /// The signature that meets it, or the reason why no signature does.
    fn met(&self, copies: &[Copies<'_>], digest: Digest) -> Result<Result<PullVerdict, String>, Error> {
        let mut problem = None;
        for Copies { archive, places, stored } in copies {
            for place in places {
                let image = stored.get(place).and_then(|image| image.manifest.as_ref().ok());
                let Some(found) = image.map(|image| image.digest) else { continue };
                for subject in BTreeSet::from([found, digest]) {
                    match signed(&archive.tree, stored, (place, subject), &self.signers)? {
                        Ok(signer) => {
                            let (archive, image) = (archive.path.to_owned(), place.to_string());
                            return Ok(Ok(PullVerdict::Signed { archive, image, signer }));
                        }
                        Err(reason) if subject == found => {
                            problem = problem.or(Some(format!("{place}: {reason}")));
                        }
                        Err(_) => {}
                    }
                }
            }
        }
        let missing = || format!("no image of {} with the digest {digest} is in the archives", self.name);
        Ok(Err(problem.unwrap_or_else(missing)))
    }

    /// The reason why the image is refused.
    fn refusal(&self, problem: &str) -> String {
        format!("the rule `{}` of {} is not met: {problem}", self.rule, self.archive.path.display())
    }
}

/// Who made a signature of `subject` that counts, or the reason why no signature counts.
fn signed(
    tree: &Tree,
    stored: &BTreeMap<Place, ArchiveImage>,
    (place, subject): (&Place, Digest),
    signers: &RequiredSigners<'_>,
) -> Result<Result<String, String>, Error> {
    let tag = referrers_tag(&subject);
    let image = |tag: &str| stored.get(&Place { name: place.name.clone(), tag: tag.to_owned() });
    let under_tag = image(&format!("{tag}{SIGNATURES}"));
    let under_tag =
        under_tag.and_then(|image| Some((SignatureForm::Tag, image.manifest.as_ref().ok()?, image)));
    let referrers = image(&tag).into_iter().flat_map(|list| {
        let manifests = list.children.values().filter_map(|child| child.as_ref().ok());
        manifests.map(move |manifest| (SignatureForm::Referrer, manifest, list))
    });
    let mut reason = None;
    for (form, manifest, image) in under_tag.into_iter().chain(referrers).take(SIGNATURES_MAX) {
        match found_signatures(tree, subject, (form, manifest, &image.blobs), signers)? {
            Ok(found) => match found.good.first() {
                Some(signature) => return Ok(Ok(signature.signer.clone())),
                None if found.refused.is_empty() => {}
                None => reason = reason.or(Some(found.problem())),
            },
            Err(problem) => reason = reason.or(Some(problem)),
        }
    }
    Ok(Err(reason.unwrap_or_else(|| "the archive has no signature of it".into())))
}

#[cfg(test)]
mod tests;
