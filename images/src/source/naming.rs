//! The name of an image where the user gives none.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use content::Digest;

use super::files::SourceFiles;
use super::{ImageLocation, LocalImage, LocalLayout, docker, index, position};
use crate::Reference;
use crate::error::Result;
use crate::original_names::{self, OriginalNames, OriginalReference, Place};
use crate::pull::referrers_tag;
use crate::reference::{is_repository, is_tag};

/// The name and tag to save an image as, such as `alpine` and `3.20`.
///
/// For an image of a registry or an engine: the last part of its repository and its tag, or else its digest. For an image of this machine
/// the same, of the full name that `local` asks for or that the image has in its layout (`docker.io/library/alpine:3.20`).
/// Where there is only a tag (`oci:alpine:3.20`), the name is that of the folder or file. A `dir:` has neither: its folder
/// is `NAME`, `NAME:TAG` as `skopeo sync` writes them, or `NAME/VERSION` as `sealift image pull` does.
///
/// # Errors
///
/// Where the folder or archive cannot be read.
pub fn default_name(source: &ImageLocation) -> Result<(String, String)> {
    match source {
        ImageLocation::Registry(reference) => Ok(of_reference(reference)),
        ImageLocation::Engine(image) => Ok(of_reference(image.reference())),
        ImageLocation::Local(local) => of_local(local),
    }
}

/// The images of an OCI archive under their full names, each with its digest: what a container engine has after it has loaded the
/// archive. Empty for other archives.
///
/// # Errors
///
/// Where the archive cannot be read.
pub fn named_images(archive: &Path) -> Result<Vec<(String, Digest)>> {
    let local = LocalImage { layout: LocalLayout::OciArchive, path: archive.to_path_buf(), name: None };
    let files = SourceFiles::of(&local)?;
    if files.contains("index.json") { index::listed(&files, &local) } else { Ok(Vec::new()) }
}

fn of_local(local: &LocalImage) -> Result<(String, String)> {
    let asked = local.name.as_deref().filter(|name| position(name).is_none());
    let own = names(local)?;
    let all = || asked.into_iter().chain(own.iter().map(String::as_str));
    // A single word is a tag, as the layout defines it.
    let full = |name: &&str| name.contains([':', '/']);
    if let Some(reference) = all().filter(full).find_map(|name| name.parse().ok()) {
        return Ok(of_reference(&reference));
    }
    let (name, tag) = of_path(local);
    let given = all().find(|name| is_tag(name)).map(Into::into);
    Ok((name, given.or(tag).unwrap_or_else(|| "latest".into())))
}

fn of_reference(reference: &Reference) -> (String, String) {
    let tag = match (reference.tag(), reference.digest()) {
        (None, Some(digest)) => referrers_tag(digest),
        (tag, _) => tag.unwrap_or("latest").to_owned(),
    };
    (reference.repository().rsplit('/').next().unwrap_or_default().to_owned(), tag)
}

/// The references that an image was published under, as its folder or archive has them: the full names in it, or for a `dir:`
/// the original names in [`names_file`]. Short names, such as `nginx:1.25` or `1.25`, are none.
///
/// # Errors
///
/// Where the folder or archive cannot be read.
pub fn original_references(local: &LocalImage) -> Result<BTreeSet<OriginalReference>> {
    let Some(images) = names_file(local).as_deref().and_then(Path::parent).map(Path::to_owned) else {
        return Ok(names(local)?.iter().filter_map(|name| OriginalReference::of_full_name(name)).collect());
    };
    let place = place_below(&absolute(&local.path), &images);
    let names = OriginalNames::load(&images)?;
    Ok(place.map(|place| names.of(&place).cloned().collect()).unwrap_or_default())
}

/// For a `dir:` in a folder called `images`, as archives have them: the file of the original names there, which need not exist.
#[must_use]
pub fn names_file(local: &LocalImage) -> Option<PathBuf> {
    if local.layout != LocalLayout::Dir {
        return None;
    }
    let path = absolute(&local.path);
    let images =
        path.ancestors().skip(1).find(|folder| folder.file_name().is_some_and(|name| name == "images"))?;
    place_below(&path, images)?;
    Some(images.join(original_names::FILE))
}

/// The name and tag of an image in a folder of images.
fn place_below(path: &Path, images: &Path) -> Option<Place> {
    let (name, tag) = path.strip_prefix(images).ok()?.to_str()?.rsplit_once('/')?;
    format!("{name}:{tag}").parse().ok()
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).map_or_else(|_| path.to_owned(), |path| path.components().collect())
}

/// The names that the image has in its folder or archive. None where there are several images and `local` names none.
fn names(local: &LocalImage) -> Result<Vec<String>> {
    if local.layout == LocalLayout::Dir {
        return Ok(Vec::new());
    }
    let (files, docker) = (SourceFiles::of(local)?, local.layout == LocalLayout::DockerArchive);
    let mut names = Vec::new();
    if docker && files.contains("manifest.json") {
        names = docker::names(&files, local.name.as_deref())?;
    }
    if names.is_empty() && (!docker || files.contains("index.json")) {
        names = index::names(&files, local)?;
    }
    Ok(names)
}

/// The name, and the tag if there is one, by the path alone.
fn of_path(local: &LocalImage) -> (String, Option<String>) {
    let base = base(&local.path);
    let name = |text: &str| {
        let text = text.to_ascii_lowercase();
        if is_repository(&text) { text } else { "image".into() }
    };
    match local.layout {
        LocalLayout::Oci => (name(&base), None),
        LocalLayout::OciArchive | LocalLayout::DockerArchive => {
            let extension = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphabetic());
            let stem =
                base.rsplit_once('.').filter(|(_, end)| extension(end)).map_or(&*base, |(stem, _)| stem);
            (name(stem), None)
        }
        LocalLayout::Dir => {
            if let Some((stem, tag)) = base.rsplit_once(':').filter(|(_, tag)| is_tag(tag)) {
                return (name(stem), Some(tag.into()));
            }
            let parent = local.path.parent().and_then(Path::file_name).and_then(|parent| parent.to_str());
            match parent.filter(|parent| is_version(&base) && is_repository(parent)) {
                Some(parent) => (parent.into(), Some(base)),
                None => (name(&base), None),
            }
        }
    }
}

/// The last part of a path; that of the folder where the path ends in `.` or `..`.
fn base(path: &Path) -> String {
    let resolved = || fs::canonicalize(path).ok()?.file_name().map(ToOwned::to_owned);
    let base = path.file_name().map(ToOwned::to_owned).or_else(resolved).unwrap_or_default();
    base.to_string_lossy().into_owned()
}

/// Whether a folder is called like a tag rather than like an image: `3.20`, `v1.2.3-rc1`, `latest`.
fn is_version(text: &str) -> bool {
    let number = text.strip_prefix('v').unwrap_or(text).starts_with(|first: char| first.is_ascii_digit());
    is_tag(text) && (number || text == "latest")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// What an `index.json` says of one image under these annotations.
    fn index(annotations: &[serde_json::Value]) -> String {
        let manifests: Vec<_> = annotations
            .iter()
            .map(|annotations| {
                let media_type = crate::MediaKind::OciManifest.media_type();
                json!({ "mediaType": media_type, "digest": Digest::of(b"x"), "size": 1, "annotations": annotations })
            })
            .collect();
        json!({ "schemaVersion": 2, "manifests": manifests }).to_string()
    }

    #[test]
    fn an_image_of_this_machine_is_named_as_its_user_expects() {
        const REF: &str = "org.opencontainers.image.ref.name";
        let tag = |tag: &str| index(&[json!({ REF: tag })]);
        let containerd = index(&[json!({ REF: "1", "io.containerd.image.name": "docker.io/library/app:1" })]);
        let digest = Digest::of(b"x");
        let pinned = format!("example.com/app@{digest}");
        for (text, index, expected) in [
            // skopeo copy … oci:alpine:3.20
            ("oci:alpine:3.20", tag("3.20"), "alpine:3.20"),
            ("oci:alpine", tag("3.20"), "alpine:3.20"),
            ("oci:alpine:@0", tag("3.20"), "alpine:3.20"),
            ("oci:team/Alpine/:3.20", tag("3.20"), "alpine:3.20"),
            ("oci:./alpine:3.20", tag("3.20"), "alpine:3.20"),
            ("oci:a/..:3.20", tag("3.20"), "HERE:3.20"),
            ("oci:app-1.2:RC_1", tag("RC_1"), "app-1.2:RC_1"),
            ("oci:alpine", index(&[json!(null)]), "alpine:latest"),
            ("oci:no image", tag("1"), "image:1"),
            // Several tags of one image: the first. Several images: none is meant.
            ("oci:app", index(&[json!({ REF: "1" }), json!({ REF: "latest" })]), "app:1"),
            // buildah push … oci:f:example.com/team/app:1, podman save, docker save, ctr image export
            ("oci:f:example.com/team/app:1", tag("example.com/team/app:1"), "app:1"),
            ("oci:f", tag("example.com:5000/team/app:1"), "app:1"),
            ("oci:f:app:1", tag("app:1"), "app:1"),
            ("oci:f:team/app", tag("team/app"), "app:latest"),
            ("oci:f:1", containerd.clone(), "app:1"),
            ("oci:f", tag(&pinned), &*format!("app:sha256-{}", digest.hex())),
            // An annotation that is neither.
            ("oci:f", tag("no tag"), "f:latest"),
        ] {
            let scratch = tempfile::tempdir().unwrap();
            let ImageLocation::Local(mut local) = text.parse().unwrap() else { panic!("{text}") };
            let here = scratch.path().join("HERE");
            fs::create_dir_all(here.join("a")).unwrap();
            let folder = here.join(&local.path);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("index.json"), index).unwrap();
            local.path = folder;
            let (name, tag) = default_name(&ImageLocation::Local(local)).unwrap();
            assert_eq!(format!("{name}:{tag}"), expected.replace("HERE", "here"), "{text}");
        }
    }

    #[test]
    fn an_archive_is_named_by_its_list_and_else_by_its_file() {
        let saved =
            |tags: serde_json::Value| json!([{ "Config": "c", "RepoTags": tags, "Layers": [] }]).to_string();
        let tagged = index(&[json!({ "org.opencontainers.image.ref.name": "3.20" })]);
        let none = index(&[json!(null)]);
        for (text, file, content, expected) in [
            ("oci-archive:alpine.tar:3.20", "index.json", tagged.clone(), "alpine:3.20"),
            ("oci-archive:alpine-3.20.tar", "index.json", none.clone(), "alpine-3.20:latest"),
            ("oci-archive:alpine-3.20", "index.json", none, "alpine-3.20:latest"),
            (
                "docker-archive:x.tar",
                "manifest.json",
                saved(json!(["example.com/team/app:1", "app:2"])),
                "app:1",
            ),
            (
                "docker-archive:x.tar:app:2",
                "manifest.json",
                saved(json!(["example.com/team/app:1", "app:2"])),
                "app:2",
            ),
            ("docker-archive:x.tar:@0", "manifest.json", saved(json!(["app:2"])), "app:2"),
            ("docker-archive:x.tar", "manifest.json", saved(json!(null)), "x:latest"),
            // `docker save` of an image without a name, by its identifier, as newer Docker writes it.
            ("docker-archive:alpine.tar", "index.json", tagged, "alpine:3.20"),
        ] {
            let scratch = tempfile::tempdir().unwrap();
            let ImageLocation::Local(mut local) = text.parse().unwrap() else { panic!("{text}") };
            local.path = scratch.path().join(&local.path);
            let mut archive = tar::Builder::new(fs::File::create(&local.path).unwrap());
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            archive.append_data(&mut header, file, content.as_bytes()).unwrap();
            archive.finish().unwrap();
            let (name, tag) = default_name(&ImageLocation::Local(local)).unwrap();
            assert_eq!(format!("{name}:{tag}"), expected, "{text}");
        }
    }

    #[test]
    fn a_folder_of_one_image_is_named_by_its_path() {
        for (text, expected) in [
            ("dir:a/app", "app:latest"),
            ("dir:app-1.2", "app-1.2:latest"),
            // As `skopeo sync` and `sealift image pull` write them.
            ("dir:out/alpine:3.20", "alpine:3.20"),
            ("dir:images/alpine/3.20", "alpine:3.20"),
            ("dir:images/alpine/v3.20-rc.1", "alpine:v3.20-rc.1"),
            ("dir:images/alpine/latest", "alpine:latest"),
            ("dir:3.20", "3.20:latest"),
            ("dir:UPPER", "upper:latest"),
        ] {
            let (name, tag) = default_name(&text.parse().unwrap()).unwrap();
            assert_eq!(format!("{name}:{tag}"), expected, "{text}");
        }
    }

    #[test]
    fn full_names_are_original_references_and_short_ones_are_not() {
        const REF: &str = "org.opencontainers.image.ref.name";
        let name = |name: &str| index(&[json!({ REF: name })]);
        let hauler = json!({ REF: "library/nginx:1.25", "io.containerd.image.name": "index.docker.io/library/nginx:1.25" });
        for (content, expected) in [
            (name("1.25"), &[][..]),
            (name("nginx:1.25"), &[]),
            (name("library/nginx:1.25"), &[]),
            (name("ghcr.io/team/app:1"), &["ghcr.io/team/app:1"]),
            (name("localhost:5000/app"), &["localhost:5000/app:latest"]),
            (name("ghcr.io/../app:1"), &[]),
            (index(&[hauler]), &["docker.io/library/nginx:1.25"]),
            (
                index(&[json!({ REF: "quay.io/b:1" }), json!({ REF: "ghcr.io/a:1" })]),
                &["ghcr.io/a:1", "quay.io/b:1"],
            ),
        ] {
            let scratch = tempfile::tempdir().unwrap();
            fs::write(scratch.path().join("index.json"), &content).unwrap();
            let local = LocalImage { layout: LocalLayout::Oci, path: scratch.path().into(), name: None };
            let found: Vec<String> =
                original_references(&local).unwrap().iter().map(ToString::to_string).collect();
            assert_eq!(found, expected, "{content}");
        }
    }

    #[test]
    fn a_folder_of_an_archive_has_the_original_names_of_the_archive() {
        let scratch = tempfile::tempdir().unwrap();
        let images = scratch.path().join("unpacked/images");
        let mut file = original_names::OriginalNamesFile::open(&images).unwrap();
        for (place, reference) in [("nginx:1", "nginx:1"), ("team/app:2", "ghcr.io/team/app:2")] {
            file.names.insert(&place.parse().unwrap(), &reference.parse().unwrap());
        }
        file.save().unwrap();
        for (path, expected) in [
            ("unpacked/images/nginx/1", &["docker.io/library/nginx:1"][..]),
            ("unpacked/images/./nginx/1/", &["docker.io/library/nginx:1"]),
            ("unpacked/images/team/app/2", &["ghcr.io/team/app:2"]),
            ("unpacked/images/nginx/2", &[]),
            ("unpacked/images/nginx", &[]),
            ("unpacked/nginx/1", &[]),
        ] {
            let local = LocalImage { layout: LocalLayout::Dir, path: scratch.path().join(path), name: None };
            let found: Vec<String> =
                original_references(&local).unwrap().iter().map(ToString::to_string).collect();
            assert_eq!(found, expected, "{path}");
        }
        fs::write(images.join(original_names::FILE), "{").unwrap();
        let local = LocalImage { layout: LocalLayout::Dir, path: images.join("nginx/1"), name: None };
        assert!(original_references(&local).is_err());
    }
}
