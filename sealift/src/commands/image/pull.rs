//! `sealift image pull`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use clap::Args;
use content::Digest;
use images::dir_layout::{self, ImagePlace};
use images::original_names::{OriginalNames, OriginalNamesFile, OriginalReference, Place};
use images::pull::{PullRequest, RegistryOptions, redacted, referrers_tag};
use images::reference::{check_repository, check_tag};
use images::signatures::RequiredSigners;
use images::source::ImageLocation;
use images::{Platform, Reference, RegistrySession, Store};
use trust::Signers;

use super::content_store;
use super::ls::report;
use crate::args::registry_client::ClientArguments;
use crate::args::trust::{IdentityArguments, signers};
use crate::failure::{CommandResult, Failure};
use crate::output::{self, ReportOutput};
use crate::progress::blobs::Blobs;
use crate::remedies;
use crate::session::environment;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The images: `[docker://][host/]repository[:tag][@sha256:…]`, or on this machine `oci:FOLDER[:NAME]`, `oci-archive:FILE[:NAME]`,
    /// `docker-archive:FILE[:NAME]`, `dir:FOLDER`, and in a container engine `docker-daemon:NAME:TAG`, `containers-storage:NAME:TAG`
    #[arg(required = true)]
    references: Vec<String>,
    /// Save the images below DIR
    #[arg(long, value_name = "DIR")]
    into: PathBuf,
    /// Save the image as NAME:TAG; give it once per image, in their order [default: the last part of the name, and the tag]
    #[arg(long = "as", value_name = "NAME:TAG", value_parser = saved_as)]
    names: Vec<Place>,
    /// Replace another image of the same name and tag in DIR
    #[arg(long)]
    replace: bool,
    /// Pull only this platform of an index (repeatable) [default: all]
    #[arg(long, value_name = "OS/ARCH")]
    platform: Vec<String>,
    /// Use the content store in DIR [default: SEALIFT_CACHE, else the user's cache folder]
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,
    /// Try this mirror of a registry first: `docker.io=https://mirror/path` (repeatable)
    #[arg(long, value_name = "HOST=URL")]
    mirror: Vec<String>,
    #[command(flatten)]
    client: ClientArguments,
    /// Pull only images that this public key signed, with cosign (PEM: ECDSA P-256 or Ed25519; repeatable, one key is enough)
    #[arg(long, value_name = "FILE", group = "signers", help_heading = "Signatures")]
    key: Vec<PathBuf>,
    #[command(flatten)]
    identity: IdentityArguments,
    /// Also pull referrers, such as signatures and SBOMs, into DIR/<name>/sha256-<digest>/
    #[arg(long)]
    referrers: bool,
    #[command(flatten)]
    output: ReportOutput,
}

/// Parses a mirror. A parser of clap would print a password in the URL.
fn mirror(text: &str) -> Result<(String, String), Failure> {
    match text.split_once('=') {
        Some((host, url)) if !host.is_empty() && url.starts_with("http") => {
            Ok((host.to_owned(), url.to_owned()))
        }
        _ => Err(Failure::usage(format!("--mirror {}: expected HOST=URL", redacted(text)))),
    }
}

fn saved_as(text: &str) -> Result<Place, String> {
    let (name, tag) = text.rsplit_once(':').ok_or("expected NAME:TAG")?;
    check_repository(name).map_err(|reason| format!("expected NAME:TAG; the name {reason}"))?;
    check_tag(tag).map_err(|reason| format!("expected NAME:TAG; the tag {reason}"))?;
    Ok(Place { name: name.into(), tag: tag.into() })
}

pub(super) fn run(arguments: Arguments) -> CommandResult {
    let platforms = arguments
        .platform
        .iter()
        .map(|text| text.parse())
        .collect::<Result<Vec<Platform>, _>>()
        .map_err(Failure::usage_by)?;
    let wanted = wanted(&arguments)?;
    let mut requests = Vec::new();
    for (source, saved) in &wanted {
        if let ImageLocation::Registry(reference) = source {
            let (name, tag) = (saved.name.clone(), saved.tag.clone());
            let (reference, platforms) = (reference.clone(), platforms.clone());
            let referrers = arguments.referrers;
            requests.push(PullRequest { name, tag, reference, platforms, expected: None, referrers });
        }
    }
    let mut options = RegistryOptions { check_tags: true, ..arguments.client.options() };
    for text in &arguments.mirror {
        let (host, url) = mirror(text)?;
        options.mirrors.entry(host).or_default().push(url);
    }
    for (host, url) in buildchain::project::mirrors(&environment()).map_err(remedies::project::project)? {
        options.mirrors.entry(host.to_string()).or_default().push(url.to_string());
    }
    content::check_folder(&arguments.into)?;
    let trusted = signers(&arguments.key, &arguments.identity)?;
    let local = wanted.iter().find(|(source, _)| !matches!(source, ImageLocation::Registry(_)));
    if let Some((source, _)) = local.filter(|_| !trusted.is_empty()) {
        return Err(Failure::usage(format!("signatures need a registry, which {source} is not in"))
            .remedy("pull it with a command of its own, without --key and --identity"));
    }
    let store = content_store::open(&content_store::root(arguments.store)?)?;
    let named = named(&wanted);
    let session = RegistrySession::new(options);
    let pulled = {
        let blobs = Blobs::start("pulling");
        refuse_clashing_tags(&requests, &named, &session, &blobs)?;
        if !trusted.is_empty() {
            for request in &mut requests {
                request.expected = Some(signed(&request.reference, &trusted, &store, &session, &blobs)?);
            }
        }
        images::pull::pull(&requests, &store, &session, &blobs).map_err(remedies::images::pull)?
    };
    let mut found: Vec<Found<'_>> = Vec::new();
    for (image, request) in pulled.into_iter().zip(&requests) {
        let of = |tag: String| Place { name: image.name.clone(), tag };
        for list in image.referrers {
            let reference = request.reference.with_tag(&list.tag).ok();
            let references = reference.iter().map(OriginalReference::of).collect();
            found.push(Found { place: of(list.tag), digest: list.digest, platforms: &[], references });
        }
        let references = BTreeSet::from([OriginalReference::of(&request.reference)]);
        found.push(Found { place: of(image.tag), digest: image.digest, platforms: &platforms, references });
    }
    for (source, place) in wanted {
        let (digest, references) = match source {
            ImageLocation::Registry(_) => continue,
            ImageLocation::Local(local) => {
                let digest = images::source::import(&local, &platforms, &store)?;
                (digest, images::source::original_references(&local)?)
            }
            ImageLocation::Engine(image) => {
                let program = environment().remove("DOCKER_BIN").filter(|program| !program.is_empty());
                let saved = image.save_now(program.as_deref().map(Path::new), &platforms, &store);
                (saved.map_err(remedies::images::engine)?.digest, BTreeSet::new())
            }
        };
        found.push(Found { place, digest, platforms: &platforms, references });
    }
    refuse_clashes(&found, &named)?;
    let written = save(&found, (&arguments.into, arguments.replace), &store)?;
    report(written, arguments.output)
}

/// The digest of an image that one of `trusted` signed.
fn signed(
    reference: &Reference,
    trusted: &Signers,
    store: &Store,
    session: &RegistrySession,
    progress: &Blobs,
) -> Result<Digest, Failure> {
    let image = images::pull::resolve(reference, session, progress).map_err(remedies::images::pull)?.digest;
    let signers = RequiredSigners { signers: trusted, identity: reference.name() };
    let found = images::pull::signatures(reference, &image, &signers, store, session, progress);
    let found = found.map_err(remedies::images::pull)?;
    if found.good.is_empty() {
        return Err(remedies::images::unsigned(reference, &image, &found));
    }
    found.refused.iter().for_each(|refused| output::warn(&format!("{reference}: {refused}")));
    Ok(image)
}

/// An image in the store, to be saved.
struct Found<'a> {
    place: Place,
    digest: Digest,
    platforms: &'a [Platform],
    /// The references that it was published under.
    references: BTreeSet<OriginalReference>,
}

/// Saves the images below the folder, with the references that they were published under. Other processes that save images
/// there wait meanwhile.
fn save(
    found: &[Found<'_>],
    (into, replace): (&Path, bool),
    store: &Store,
) -> Result<Vec<ImagePlace>, Failure> {
    let mut file = OriginalNamesFile::open(into).map_err(remedies::images::original_names)?;
    for image in found {
        refuse_inside(&image.place, into)?;
    }
    if !replace {
        for image in found.iter().filter(|image| !is_list(&image.place.tag)) {
            refuse_another(&image.place, &image.digest, &image.place.folder(into))?;
        }
    }
    let mut names = file.names.clone();
    let is_there = |image: &Found<'_>| digest_at(into, &image.place) == Some(image.digest);
    let replaced: BTreeSet<&Place> =
        found.iter().filter(|image| !is_there(image)).map(|image| &image.place).collect();
    names.retain(|place| !replaced.contains(place));
    for image in found {
        record(&mut names, image, into, replace)?;
    }
    // While images are replaced, the file has no name that leads to another image than before or after.
    file.names = common(&file.names, &names);
    file.save()?;
    let mut written = Vec::new();
    let mut saved = BTreeSet::new();
    for Found { place, digest, platforms, .. } in found.iter().filter(|image| saved.insert(&image.place)) {
        let folder = place.folder(into);
        dir_layout::write(store, digest, platforms, &folder)?;
        written.push(ImagePlace { name: place.name.clone(), tag: place.tag.clone(), folder });
    }
    file.names = names;
    file.save()?;
    Ok(written)
}

/// The digest of the image that is saved below a folder.
fn digest_at(into: &Path, place: &Place) -> Option<Digest> {
    dir_layout::read(&place.folder(into)).ok().map(|found| found.digest)
}

/// Records the references of an image. Each names this image alone.
fn record(names: &mut OriginalNames, image: &Found<'_>, into: &Path, replace: bool) -> Result<(), Failure> {
    let Found { place, digest, references, .. } = image;
    for reference in references {
        // A digest says itself which image it is.
        let tagged = names.tags(reference.host(), reference.repository());
        let places = tagged.filter(|(tag, _)| reference.tag() == Some(tag)).flat_map(|(_, places)| places);
        let others: Vec<Place> = places.filter(|other| *other != place).cloned().collect();
        for other in &others {
            let Some(found) = digest_at(into, other).filter(|found| found != digest) else { continue };
            if !replace && !is_list(&place.tag) {
                return Err(remedies::images::two_images(reference, (other, &found), (place, digest)));
            }
            names.remove(other, reference);
        }
        names.add(place, reference.clone());
    }
    Ok(())
}

/// The references that both have for the same image.
fn common(before: &OriginalNames, after: &OriginalNames) -> OriginalNames {
    let mut common = OriginalNames::default();
    for (place, references) in before.images() {
        for reference in after.of(place).filter(|reference| references.contains(reference)) {
            common.add(place, reference.clone());
        }
    }
    common
}

/// The images, each once, and the names they are saved under, which must not clash.
fn wanted(arguments: &Arguments) -> Result<Vec<(ImageLocation, Place)>, Failure> {
    let (images, names) = (arguments.references.len(), arguments.names.len());
    if names != 0 && names != images {
        return Err(remedies::images::names(names, images));
    }
    let mut wanted: Vec<(ImageLocation, Place)> = Vec::new();
    let mut taken: BTreeMap<Place, &str> = BTreeMap::new();
    for (position, text) in arguments.references.iter().enumerate() {
        let source: ImageLocation = text.parse().map_err(Failure::usage_by)?;
        let saved = match arguments.names.get(position) {
            Some(saved) => saved.clone(),
            None => {
                let (name, tag) = images::source::default_name(&source)?;
                Place { name, tag }
            }
        };
        if wanted.contains(&(source.clone(), saved.clone())) {
            continue;
        }
        let inside = |outer: &Place, inner: &Place| {
            inner
                .name
                .strip_prefix(&format!("{}/{}", outer.name, outer.tag))
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let clashing = taken.iter().find(|(other, _)| inside(other, &saved) || inside(&saved, other));
        if let Some((other, first)) = clashing {
            return Err(remedies::images::clash(format!(
                "{first} would be saved as {other} and {text} as {saved}: one folder would be inside the other"
            )));
        }
        let listed = match &source {
            ImageLocation::Registry(reference) if arguments.referrers => reference.digest(),
            _ => None,
        };
        if listed.is_some_and(|digest| saved.tag.starts_with(&referrers_tag(digest))) {
            return Err(remedies::images::referrers_clash(text, &saved));
        }
        taken.insert(saved.clone(), text);
        wanted.push((source, saved));
    }
    Ok(wanted)
}

/// Whether a tag is that of a list of referrers, which names the digest of their subject. Such a list is always replaced.
fn is_list(tag: &str) -> bool {
    tag.starts_with("sha256-")
}

/// What is to be saved as each name, as the user wrote it.
fn named(wanted: &[(ImageLocation, Place)]) -> BTreeMap<Place, Vec<String>> {
    let mut named: BTreeMap<Place, Vec<String>> = BTreeMap::new();
    for (source, place) in wanted {
        named.entry(place.clone()).or_default().push(source.to_string());
    }
    named
}

/// Refuses references of different images that would be saved in one folder, before anything is downloaded.
fn refuse_clashing_tags(
    requests: &[PullRequest],
    named: &BTreeMap<Place, Vec<String>>,
    session: &RegistrySession,
    progress: &Blobs,
) -> Result<(), Failure> {
    let mut found = Vec::new();
    for request in requests {
        let place = Place { name: request.name.clone(), tag: request.tag.clone() };
        if named.get(&place).is_some_and(|texts| texts.len() > 1) {
            let resolved = images::pull::resolve(&request.reference, session, progress);
            let digest = resolved.map_err(remedies::images::pull)?.digest;
            found.push(Found { place, digest, platforms: &[], references: BTreeSet::new() });
        }
    }
    refuse_clashes(&found, named)
}

/// Refuses to save two images in one folder. One image under several references is saved once.
fn refuse_clashes(found: &[Found<'_>], named: &BTreeMap<Place, Vec<String>>) -> Result<(), Failure> {
    let mut taken: BTreeMap<&Place, &Digest> = BTreeMap::new();
    for Found { place, digest, .. } in found {
        if taken.insert(place, digest).is_some_and(|other| other != digest) {
            let problem = match named.get(place).map(Vec::as_slice) {
                Some([first, second, ..]) => format!("{first} and {second} would both be saved as {place}"),
                _ => format!("two images would be saved as {place}"),
            };
            return Err(remedies::images::clash(problem));
        }
    }
    Ok(())
}

/// Refuses to replace an image by another. An image that cannot be read is damaged and is replaced.
fn refuse_another(saved: &Place, digest: &Digest, folder: &Path) -> Result<(), Failure> {
    match dir_layout::read(folder) {
        Ok(found) if found.digest != *digest => {
            Err(remedies::images::another(folder, saved, digest, &found.digest))
        }
        _ => Ok(()),
    }
}

/// Refuses a folder inside another image: `team/app:1` where `team:app` exists.
fn refuse_inside(saved: &Place, into: &Path) -> Result<(), Failure> {
    let folder = saved.folder(into);
    let outer = folder.ancestors().skip(1).take_while(|outer| *outer != into);
    match outer.into_iter().find(|outer| outer.join("manifest.json").exists()) {
        Some(outer) => Err(remedies::images::inside(outer, saved)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mirror_that_is_wrong_is_named_without_its_password() {
        assert!(mirror("docker.io=https://m.example/hub").is_ok());
        for wrong in
            ["docker.io=ftp://u:hunter2@m", "https://u:hunter2@m", "=http://u:hunter2@m", "hunter2@m"]
        {
            let failure = mirror(wrong).unwrap_err();
            let text = failure.report().unwrap().error.to_string();
            assert!(text.contains("expected HOST=URL") && !text.contains("hunter2"), "{text}");
        }
    }

    #[test]
    fn a_name_to_save_an_image_as_is_a_folder_and_a_tag() {
        for (text, expected) in [("app:1", Some(("app", "1"))), ("team/app:v1", Some(("team/app", "v1")))] {
            let saved = saved_as(text).ok();
            assert_eq!(saved.as_ref().map(|saved| (&*saved.name, &*saved.tag)), expected, "{text}");
        }
        for text in ["app", "../app:1", "App:1", "app:", ":1", "a//b:1", "app:a/b"] {
            assert!(saved_as(text).is_err(), "{text}");
        }
        let error = saved_as(&format!("{}:1", "a".repeat(256))).unwrap_err();
        assert!(error.ends_with("the name has 256 characters; the maximum is 255"), "{error}");
    }
}
