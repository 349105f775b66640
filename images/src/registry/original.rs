//! The part of the tree for the names that images were published under.

use std::collections::BTreeMap;

use super::{RegistryEntry, RepositoryPaths, TaggedImage, answers};
use crate::original_names::{OriginalNames, OriginalReference, Place, host_part};

/// An original repository, with those of its images that exist.
#[derive(Debug)]
pub struct OriginalRepository<'a> {
    /// The host, as a part of the path.
    host: String,
    repository: &'a str,
    /// The images with their original tags; without one, if they can be pulled only by digest.
    images: Vec<(Option<&'a str>, &'a Place, &'a TaggedImage)>,
}

impl<'a> OriginalRepository<'a> {
    /// Where the answers about it are in the tree.
    #[must_use]
    pub fn paths(&self) -> RepositoryPaths<'_> {
        RepositoryPaths::Original { host: &self.host, repository: self.repository }
    }

    /// The folders of its images.
    pub fn places(&self) -> impl Iterator<Item = &'a Place> {
        self.images.iter().map(|(_, place, _)| *place)
    }

    /// Everything that the tree holds for it, but for the blobs: path below `registry/` and content.
    #[must_use]
    pub fn entries(&self) -> Vec<(String, RegistryEntry)> {
        answers(self.paths(), self.images.iter().map(|(tag, _, image)| (*tag, *image)))
    }
}

/// A reference that cannot be served, since the folders of images contradict it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{reference}` {reason}")]
pub struct ConflictingNames {
    /// The reference.
    pub reference: OriginalReference,
    /// What is wrong with it: what follows it in a sentence.
    pub reason: String,
}

/// The original repositories of `images`, sorted. Names of images that are not among them are passed over, and so are hosts
/// that no path can hold.
///
/// # Errors
///
/// [`ConflictingNames`] for the first reference that does not name one image.
pub fn original_repositories<'a>(
    names: &'a OriginalNames,
    images: &BTreeMap<&'a Place, &'a TaggedImage>,
) -> Result<Vec<OriginalRepository<'a>>, ConflictingNames> {
    let mut repositories = Vec::new();
    for host in names.hosts() {
        let Some(part) = host_part(host) else { continue };
        for repository in names.repositories(host) {
            let mut found = Vec::new();
            for (tag, places) in names.tags(host, repository) {
                let mut existing = places.iter().filter_map(|place| images.get_key_value(place));
                let Some((place, image)) = existing.next() else { continue };
                let conflict = |reason| {
                    let reference = OriginalReference::tagged(host, repository, tag);
                    Err(ConflictingNames { reference, reason })
                };
                if tag == "sha256" {
                    return conflict("has the tag `sha256`, where manifests are kept by digest".into());
                }
                if let Some((second, other)) = existing.find(|(_, other)| other.digest != image.digest) {
                    let (one, two) = (image.digest, other.digest);
                    return conflict(format!("names two images: {place} with {one} and {second} with {two}"));
                }
                found.push((Some(tag), *place, *image));
            }
            for (digest, places) in names.digests(host, repository) {
                for (place, image) in places.iter().filter_map(|place| images.get_key_value(place)) {
                    if image.digest != *digest {
                        let reference = OriginalReference::pinned(host, repository, *digest);
                        let reason = format!("names {place}, which has {}", image.digest);
                        return Err(ConflictingNames { reference, reason });
                    }
                    found.push((None, *place, *image));
                }
            }
            if !found.is_empty() {
                repositories.push(OriginalRepository { host: part.clone(), repository, images: found });
            }
        }
    }
    Ok(repositories)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;
    use std::path::Path;

    use content::Digest;

    use super::*;
    use crate::original_names::OriginalNamesFile;
    use crate::registry::{RegistryTree, index};
    use crate::{MediaKind, Store, dir_layout};

    /// Lays out an image of its own content, or what is attached to one.
    fn lay(store: &Store, images: &Path, place: &str, content: &str, subject: Option<Digest>) -> Digest {
        let config = store.put(b"{}").unwrap();
        let kind = MediaKind::OciManifest.media_type();
        let subject = subject.map_or(String::new(), |subject| {
            format!(r#","subject":{{"mediaType":"{kind}","digest":"{subject}","size":1}}"#)
        });
        let text = format!(
            r#"{{"schemaVersion":2,"mediaType":"{kind}","config":{{"mediaType":"c","digest":"{config}","size":2}},"layers":[],"annotations":{{"k":"{content}"}}{subject}}}"#
        );
        let digest = store.put(text.as_bytes()).unwrap();
        dir_layout::write(store, &digest, &[], &place.parse::<Place>().unwrap().folder(images)).unwrap();
        digest
    }

    fn record(images: &Path, entries: &[(&str, &str)]) {
        let mut file = OriginalNamesFile::open(images).unwrap();
        for (place, reference) in entries {
            file.names.insert(&place.parse().unwrap(), &reference.parse().unwrap());
        }
        file.save().unwrap();
    }

    /// Files with their content, links with their target.
    fn below(root: &Path) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        let mut waiting = vec![root.to_owned()];
        while let Some(folder) = waiting.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                if path.is_symlink() {
                    found.insert(name, fs::read_link(&path).unwrap().to_str().unwrap().to_owned());
                } else if path.is_dir() {
                    waiting.push(path);
                } else {
                    found.insert(name, fs::read_to_string(&path).unwrap());
                }
            }
        }
        found
    }

    #[test]
    fn an_original_repository_has_its_own_tags_alone() {
        let scratch = tempfile::tempdir().unwrap();
        let store = Store::open(&scratch.path().join("store")).unwrap();
        let (images, registry) = (scratch.path().join("images"), scratch.path().join("registry"));
        let hub = lay(&store, &images, "nginx:1.25", "hub", None);
        let quay = lay(&store, &images, "nginx:1.26", "quay", None);
        let pinned = lay(&store, &images, "nginx:old", "pinned", None);
        let list = lay(&store, &images, &format!("nginx:sha256-{}", hub.hex()), "signature", Some(hub));
        lay(&store, &images, "web:built", "built here", None);
        let renamed = lay(&store, &images, "web:2", "renamed", None);
        record(
            &images,
            &[
                ("nginx:1.25", "nginx:1.25"),
                (&format!("nginx:sha256-{}", hub.hex()), &format!("nginx:sha256-{}", hub.hex())),
                ("nginx:1.26", "quay.io/team/nginx:1.26"),
                ("nginx:old", &format!("quay.io/team/nginx@{pinned}")),
                ("web:2", "localhost:5000/team/nginx/web:stable"),
                ("web:2", "quay.io/team/nginx/web:2"),
                ("web:2", "[::1]:5000/web:2"),
                ("gone:1", "quay.io/gone:1"),
            ],
        );
        index(&images, &registry).unwrap();
        let found = below(&registry.join("hosts"));
        let names: Vec<&str> = found.keys().map(String::as_str).collect();
        let manifest = |repository: &str, digest: &Digest| {
            format!("{repository}/_manifests/sha256/{}/m.ociman", digest.hex())
        };
        let attached = format!("sha256-{}", hub.hex());
        let mut expected = vec![
            manifest("docker.io/library/nginx", &hub),
            manifest("docker.io/library/nginx", &list),
            "docker.io/library/nginx/_manifests/1.25".to_owned(),
            format!("docker.io/library/nginx/_manifests/{attached}"),
            format!("docker.io/library/nginx/_referrers/sha256/{}", hub.hex()),
            "docker.io/library/nginx/_tags/list".to_owned(),
            "docker.io/library/nginx/_tags/after-1.25".to_owned(),
            format!("docker.io/library/nginx/_tags/after-{attached}"),
            manifest("quay.io/team/nginx", &quay),
            manifest("quay.io/team/nginx", &pinned),
            "quay.io/team/nginx/_manifests/1.26".to_owned(),
            "quay.io/team/nginx/_tags/list".to_owned(),
            "quay.io/team/nginx/_tags/after-1.26".to_owned(),
        ];
        for (repository, tag) in
            [("localhost__5000/team/nginx/web", "stable"), ("quay.io/team/nginx/web", "2")]
        {
            expected.push(manifest(repository, &renamed));
            for file in [format!("_manifests/{tag}"), "_tags/list".into(), format!("_tags/after-{tag}")] {
                expected.push(format!("{repository}/{file}"));
            }
        }
        expected.sort_unstable();
        assert_eq!(names, expected);
        assert_eq!(found["docker.io/library/nginx/_manifests/1.25"], format!("sha256/{}", hub.hex()));
        assert_eq!(found["quay.io/team/nginx/_tags/list"], r#"{"name":"team/nginx","tags":["1.26"]}"#);
        let recorded = OriginalNames::load(&images).unwrap();
        assert!(!recorded.has_host("gone") && recorded.lookup("quay.io", "gone", "1").is_none());

        // Brought up to date in place, it is what it is when new.
        lay(&store, &images, "nginx:1.26", "quay again", None);
        record(&images, &[("web:2", "docker.io/new/web:2")]);
        fs::remove_dir_all(images.join("nginx/1.25")).unwrap();
        let fresh = scratch.path().join("fresh");
        for root in [&registry, &fresh] {
            index(&images, root).unwrap();
        }
        assert_eq!(below(&registry), below(&fresh));
        assert!(!below(&registry).contains_key("hosts/docker.io/library/nginx/_manifests/1.25"));
        fs::remove_file(images.join(crate::original_names::FILE)).unwrap();
        index(&images, &registry).unwrap();
        assert!(!registry.join("hosts").exists() && registry.join("v2/nginx/tags/list").exists());
    }

    #[test]
    fn a_reference_names_one_image() {
        let (one, other) = (Digest::of(b"one"), Digest::of(b"other"));
        for (second, entries, expected) in [
            ("same", vec![("a:1", "nginx:1"), ("b:1", "nginx:1")], None),
            ("another", vec![("a:1", "nginx:1"), ("b:1", "nginx:2")], None),
            (
                "another",
                vec![("a:1", "nginx:1"), ("b:1", "nginx:1")],
                Some("`docker.io/library/nginx:1` names two images: a:1 with sha256:"),
            ),
            ("same", vec![("a:1", "nginx:sha256")], Some("has the tag `sha256`, where")),
            ("same", vec![("a:1", &*format!("nginx@{other}"))], Some("names a:1, which has sha256:")),
            ("same", vec![("gone:1", &*format!("nginx@{one}")), ("gone:2", "nginx:sha256")], None),
        ] {
            let scratch = tempfile::tempdir().unwrap();
            let store = Store::open(&scratch.path().join("store")).unwrap();
            let images = scratch.path().join("images");
            lay(&store, &images, "a:1", "same", None);
            lay(&store, &images, "b:1", second, None);
            record(&images, &entries);
            let found = RegistryTree::read(&images).map(drop).map_err(|error| error.to_string()).err();
            match expected {
                None => assert_eq!(found, None, "{entries:?}"),
                Some(expected) => {
                    let found = found.unwrap();
                    assert!(found.contains(expected) && found.contains("original-names.json"), "{found}");
                }
            }
        }
    }
}
