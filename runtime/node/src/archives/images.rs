//! The images of a node's archives, under all of their names.

use std::collections::HashMap;
use std::path::PathBuf;

use archive::{ArchiveId, Tree, image, layout, version};
use content::Digest;
use images::original_names::Place;

use super::list::ListedArchive;

/// An image of an archive of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchivedImage {
    /// The archive.
    pub archive: PathBuf,
    /// The ID of the archive.
    pub id: Option<ArchiveId>,
    /// The name in the archive.
    pub name: String,
    /// The tag in the archive.
    pub tag: String,
    /// The digest of its manifest; `None` if that cannot be read.
    pub digest: Option<Digest>,
    /// Why it is not served. Its content was not read.
    pub problem: Option<String>,
    /// The references under which it was published.
    pub original: Vec<OriginalName>,
}

/// A reference under which an image was published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginalName {
    /// The reference, such as `docker.io/library/nginx:1.25`.
    pub reference: String,
    /// The archive whose image servers provide under this reference instead, because it is newer and has another digest.
    pub hidden_by: Option<ArchiveId>,
}

/// The images of archives that [`super::get`] lists, in their order; and the archives that cannot be read, with the reason.
#[must_use]
pub fn images(listed: &[ListedArchive]) -> (Vec<ArchivedImage>, Vec<(PathBuf, String)>) {
    let mut order: Vec<(usize, &ListedArchive)> = listed.iter().enumerate().collect();
    version::newest_first(&mut order, |(_, one)| one.product.as_ref());
    let (mut found, mut failed) = (Vec::new(), Vec::new());
    // The newest archive of each reference, and the digest there.
    let mut provided: HashMap<String, (Option<ArchiveId>, Option<Digest>)> = HashMap::new();
    for (index, one) in order {
        match of(one) {
            Ok(images) => found.push((index, images)),
            Err(error) => failed.push((index, one.path.clone(), error.to_string())),
        }
        for image in found.last_mut().filter(|(last, _)| *last == index).into_iter().flat_map(|(_, all)| all)
        {
            for original in &mut image.original {
                let (id, digest) = provided
                    .entry(original.reference.clone())
                    .or_insert_with(|| (image.id.clone(), image.digest));
                if *id != image.id && *digest != image.digest {
                    original.hidden_by.clone_from(id);
                }
            }
        }
    }
    found.sort_by_key(|(index, _)| *index);
    failed.sort();
    let failed = failed.into_iter().map(|(_, path, problem)| (path, problem)).collect();
    (found.into_iter().flat_map(|(_, images)| images).collect(), failed)
}

fn of(one: &ListedArchive) -> archive::Result<Vec<ArchivedImage>> {
    let tree = Tree::open(&one.path)?;
    let names = image::original_names(&tree, layout::IMAGES)?;
    let mut images = Vec::new();
    image::each(&tree, layout::IMAGES, &mut |image| {
        let problem = image.whole().err().map(|problem| problem.to_string());
        let place = Place { name: image.name, tag: image.tag };
        let original =
            names.of(&place).map(|name| OriginalName { reference: name.to_string(), hidden_by: None });
        images.push(ArchivedImage {
            archive: one.path.clone(),
            id: one.id.clone(),
            digest: image.manifest.as_ref().ok().map(|stored| stored.digest),
            problem,
            original: original.collect(),
            name: place.name,
            tag: place.tag,
        });
    })?;
    Ok(images)
}

#[cfg(test)]
mod tests {
    use images::original_names::{FILE, OriginalNames};

    use super::*;
    use crate::archives::{LinuxMachine, NodeLayout, get};

    /// Writes an archive whose images have no blobs but the configuration `{}`: `nginx:1.25` with `note`, and `same:1`.
    fn archive(root: &std::path::Path, id: &str, version: &str, note: &str) -> PathBuf {
        let folder = root.join(id);
        let put = |path: &str, bytes: &[u8]| {
            let path = folder.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        };
        put("product.txt", format!("NAME=Example\nVERSION={version}\n").as_bytes());
        let config = Digest::of(b"{}");
        let mut names = OriginalNames::default();
        for (place, note) in [("nginx:1.25", note), ("same:1", ""), ("built:1", "")] {
            let manifest = format!(
                "{{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"layers\":[],\
                 \"config\":{{\"mediaType\":\"application/vnd.oci.image.config.v1+json\",\"size\":2,\"digest\":\"{config}\"}},\
                 \"annotations\":{{\"note\":\"{note}\"}}}}"
            );
            let folder = place.replace(':', "/");
            put(&format!("images/{folder}/manifest.json"), manifest.as_bytes());
            put(&format!("images/{folder}/{}", config.hex()), b"{}");
            if place != "built:1" {
                names.insert(&place.parse().unwrap(), &place.parse().unwrap());
            }
        }
        put(&format!("images/{FILE}"), &names.write());
        folder
    }

    #[test]
    fn an_image_is_hidden_by_the_newest_archive_that_has_another_under_its_name() {
        let root = tempfile::tempdir().unwrap();
        let one = archive(root.path(), "one", "1.10.0", "new");
        let two = archive(root.path(), "two", "1.9.0", "old");
        let three = archive(root.path(), "three", "1.8.0", "new");
        let broken = root.path().join("broken");
        let configuration = root.path().join("archives.yaml");
        let list = [&broken, &two, &three, &one].map(|path| path.display().to_string()).join(", ");
        let text =
            format!("apiVersion: sealift.dev/v1alpha1\nkind: ArchivesConfiguration\narchives: [{list}]\n");
        std::fs::write(&configuration, text).unwrap();
        let layout = NodeLayout {
            bootstrap: root.path().join("bootstrap.yaml"),
            solutions: root.path().join("solutions.yaml"),
            archives: configuration,
            ..NodeLayout::default()
        };
        let (found, failed) = images(&get(&layout, &LinuxMachine::default()).unwrap());
        assert_eq!(failed.len(), 1, "{failed:?}");
        let lines: Vec<String> = found
            .iter()
            .map(|image| {
                let original = image.original.iter().map(|name| match &name.hidden_by {
                    Some(newer) => format!(" {} hidden by {newer}", name.reference),
                    None => format!(" {}", name.reference),
                });
                assert_eq!(image.problem, None);
                format!(
                    "{} {}:{}{}",
                    image.id.as_ref().unwrap(),
                    image.name,
                    image.tag,
                    original.collect::<String>()
                )
            })
            .collect();
        let same = "same:1 docker.io/library/same:1";
        assert_eq!(
            lines,
            [
                "example-1.9.0 built:1".to_owned(),
                "example-1.9.0 nginx:1.25 docker.io/library/nginx:1.25 hidden by example-1.10.0".to_owned(),
                format!("example-1.9.0 {same}"),
                "example-1.8.0 built:1".to_owned(),
                // The newest archive has the same image.
                "example-1.8.0 nginx:1.25 docker.io/library/nginx:1.25".to_owned(),
                format!("example-1.8.0 {same}"),
                "example-1.10.0 built:1".to_owned(),
                "example-1.10.0 nginx:1.25 docker.io/library/nginx:1.25".to_owned(),
                format!("example-1.10.0 {same}"),
            ]
        );
    }
}
