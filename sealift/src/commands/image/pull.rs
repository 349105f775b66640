//! `sealift image pull`.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use clap::Args;
use content::Digest;
use images::dir_layout::{self, ImagePlace};
use images::pull::{PullRequest, RegistryOptions, redacted, referrers_tag};
use images::reference::{check_repository, check_tag};
use images::source::ImageLocation;
use images::{Platform, RegistrySession};

use super::content_store;
use super::ls::report;
use crate::args::registry_client::ClientArguments;
use crate::failure::{CommandResult, Failure};
use crate::output::ReportOutput;
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
    names: Vec<Saved>,
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

/// The name and tag that an image is saved as: the folder `<name>/<tag>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Saved {
    name: String,
    tag: String,
}

impl Saved {
    fn folder(&self, into: &Path) -> PathBuf {
        into.join(&self.name).join(&self.tag)
    }
}

impl fmt::Display for Saved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.name, self.tag)
    }
}

fn saved_as(text: &str) -> Result<Saved, String> {
    let (name, tag) = text.rsplit_once(':').ok_or("expected NAME:TAG")?;
    check_repository(name).map_err(|reason| format!("expected NAME:TAG; the name {reason}"))?;
    check_tag(tag).map_err(|reason| format!("expected NAME:TAG; the tag {reason}"))?;
    Ok(Saved { name: name.into(), tag: tag.into() })
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
    let store = content_store::open(&content_store::root(arguments.store)?)?;
    let pulled = {
        let blobs = Blobs::start("pulling");
        images::pull::pull(&requests, &store, &RegistrySession::new(options), &blobs)
            .map_err(remedies::images::pull)?
    };
    let mut places: Vec<(Saved, Digest, &[Platform])> = Vec::new();
    for image in pulled {
        let of = |tag: String| Saved { name: image.name.clone(), tag };
        places.extend(image.referrers.into_iter().map(|list| (of(list.tag), list.digest, &[][..])));
        places.push((of(image.tag), image.digest, &platforms));
    }
    for (source, saved) in wanted {
        let digest = match source {
            ImageLocation::Registry(_) => continue,
            ImageLocation::Local(local) => images::source::import(&local, &platforms, &store)?,
            ImageLocation::Engine(image) => {
                let program = environment().remove("DOCKER_BIN").filter(|program| !program.is_empty());
                let saved = image.save_now(program.as_deref().map(Path::new), &platforms, &store);
                saved.map_err(remedies::images::engine)?.digest
            }
        };
        places.push((saved, digest, &platforms));
    }
    refuse_clashes(&places)?;
    for (saved, ..) in &places {
        refuse_inside(saved, &arguments.into)?;
    }
    if !arguments.replace {
        for (saved, digest, _) in places.iter().filter(|(saved, ..)| !is_list(&saved.tag)) {
            refuse_another(saved, digest, &saved.folder(&arguments.into))?;
        }
    }
    let mut written = Vec::new();
    for (saved, digest, platforms) in places {
        let folder = saved.folder(&arguments.into);
        dir_layout::write(&store, &digest, platforms, &folder)?;
        written.push(ImagePlace { name: saved.name, tag: saved.tag, folder });
    }
    report(written, arguments.output)
}

/// The images, each once, and the names they are saved under, which must not clash.
fn wanted(arguments: &Arguments) -> Result<Vec<(ImageLocation, Saved)>, Failure> {
    let (images, names) = (arguments.references.len(), arguments.names.len());
    if names != 0 && names != images {
        return Err(remedies::images::names(names, images));
    }
    let mut wanted: Vec<(ImageLocation, Saved)> = Vec::new();
    let mut taken: BTreeMap<Saved, &str> = BTreeMap::new();
    for (position, text) in arguments.references.iter().enumerate() {
        let source: ImageLocation = text.parse().map_err(Failure::usage_by)?;
        let saved = match arguments.names.get(position) {
            Some(saved) => saved.clone(),
            None => {
                let (name, tag) = images::source::default_name(&source)?;
                Saved { name, tag }
            }
        };
        if wanted.contains(&(source.clone(), saved.clone())) {
            continue;
        }
        let inside = |outer: &Saved, inner: &Saved| {
            inner
                .name
                .strip_prefix(&format!("{}/{}", outer.name, outer.tag))
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        for (other, first) in &taken {
            let clash = if *other == saved {
                format!("{first} and {text} would both be saved as {saved}")
            } else if inside(other, &saved) || inside(&saved, other) {
                format!(
                    "{first} would be saved as {other} and {text} as {saved}: one folder would be inside the other"
                )
            } else {
                continue;
            };
            return Err(remedies::images::clash(clash));
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

fn refuse_clashes(places: &[(Saved, Digest, &[Platform])]) -> Result<(), Failure> {
    let mut taken: BTreeMap<&Saved, &Digest> = BTreeMap::new();
    for (saved, digest, _) in places {
        if taken.insert(saved, digest).is_some_and(|other| other != digest) {
            return Err(remedies::images::clash(format!("two images would be saved as {saved}")));
        }
    }
    Ok(())
}

/// Refuses to replace an image by another. An image that cannot be read is damaged and is replaced.
fn refuse_another(saved: &Saved, digest: &Digest, folder: &Path) -> Result<(), Failure> {
    match dir_layout::read(folder) {
        Ok(found) if found.digest != *digest => {
            Err(remedies::images::another(folder, saved, digest, &found.digest))
        }
        _ => Ok(()),
    }
}

/// Refuses a folder inside another image: `team/app:1` where `team:app` exists.
fn refuse_inside(saved: &Saved, into: &Path) -> Result<(), Failure> {
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
