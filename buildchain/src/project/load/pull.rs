//! Images to pull.

use std::path::Path;

use images::source::LocalImage;

use super::Loader;
use crate::project::entries::CheckedEntries;
use crate::project::error::{Error, Origin};
use crate::project::field::Field;
use crate::project::file::PullImage;
use crate::project::model::{PullDefinition, PullSource};
use crate::project::names::{ImageSource, InnerPath};

impl Loader {
    /// Adds an image to pull that the file at `path` names.
    pub(super) fn pull(&mut self, path: &Path, image: &PullImage) {
        let mut entries = self.entries(path);
        let (name, tag) = (entries.name(&image.name), entries.name(&image.tag));
        let source = entries.name(&image.source);
        let own_digest = image.digest.as_ref().and_then(|digest| entries.name(digest));
        let platforms = entries.names(&image.platforms);
        let source = source.and_then(|source| match source {
            ImageSource::Local(local) => {
                let local = local_source(&mut entries, image, local)?;
                Some(PullSource::Local { text: entries.text(&image.source)?, local })
            }
            ImageSource::Repository(repository) => {
                let reference = repository.with_tag(tag.as_ref()?.as_str());
                let reference =
                    reference.map_err(|error| Error::at(path, image.source.place(), error.to_string()));
                entries.mistakes.note(reference).map(PullSource::Registry)
            }
        });
        let (Some(name), Some(tag)) = (name, tag) else { return };
        if let Err(message) = self.project.folders.add(&name, &tag) {
            self.mistakes.note::<()>(Err(Error::at(path, image.name.place(), message)));
        }
        let Some(source) = source else { return };
        let mut pull = PullDefinition {
            origin: Origin::new(path, image.name.place()),
            name,
            tag,
            source,
            digest: own_digest,
            is_pinned: own_digest.is_some(),
            platforms,
            with_referrers: image.referrers,
            referrers: None,
            tar: image.tar,
        };
        if let Some(reference) = pull.reference() {
            let digest = own_digest.or_else(|| self.lock.digest(reference));
            let referrers = image.referrers.then(|| self.lock.referrers(reference).cloned()).flatten();
            (pull.digest, pull.referrers) = (digest, referrers);
        }
        self.project.pull.push(pull);
    }
}

/// An image in the project, with an absolute path.
fn local_source(
    entries: &mut CheckedEntries<'_>,
    image: &PullImage,
    mut local: LocalImage,
) -> Option<LocalImage> {
    if image.referrers {
        let message = "`referrers` needs a registry: expected a repository, such as `quay.io/team/app`";
        entries.mistakes.note::<()>(Err(Error::at(entries.file, image.source.place(), message)));
        return None;
    }
    let path: Field<InnerPath> = image.source.renamed(local.path.to_string_lossy().into_owned());
    local.path = entries.root.join(entries.existing(&path)?);
    Some(local)
}
