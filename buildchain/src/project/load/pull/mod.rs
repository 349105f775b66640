//! Images to pull.

use std::path::Path;

use images::source::{self, LocalImage};
use images::{ImageLocation, Reference};

use super::Loader;
use crate::project::error::{Error, Origin};
use crate::project::field::Field;
use crate::project::file::{ImageList, PullImage, Short};
use crate::project::image_folders::RENAME;
use crate::project::lists::{ListedImage, read_list};
use crate::project::names::{ImageName, ImageSource, InnerPath, ParsedName as _, Tag};
use crate::project::pull::{PullDefinition, PullSource, PullTemplate, SelectedTags, TagSelection};
use crate::project::read::read;

/// The tags of an entry.
enum Tags {
    Named(Vec<Tag>),
    Selected(TagSelection),
}

impl Tags {
    /// Whether they are always one.
    fn is_single(&self, latest: Option<u32>) -> bool {
        match self {
            Self::Named(tags) => tags.len() == 1,
            Self::Selected(_) => latest == Some(1),
        }
    }
}

/// What to do about two images of one name and tag in a list.
const RENAME_LISTED: &str =
    "name the images of the list by the whole path of their repository: `scoped: true`";

impl Loader {
    /// Adds the images to pull that the file at `path` names. Tags that are to be chosen wait for [`Loader::selections`].
    pub(super) fn pulls(&mut self, path: &Path, images: &[Short<PullImage>]) {
        self.each(path, images, |loader, image| loader.pull(path, &image.0));
    }

    fn pull(&mut self, path: &Path, image: &PullImage) {
        let mut entries = self.entries(path);
        let source = entries.name(&image.source);
        let own_name = image.name.as_ref().map(|name| entries.name(name));
        let own_digest = image.digest.as_ref().and_then(|digest| entries.name(digest));
        let platforms = entries.names(&image.platforms);
        let aliases = entries.names(&image.aliases);
        let tags = self.tags(path, image, source.as_ref());
        let name = match (own_name, &source) {
            (Some(name), _) => name,
            (None, Some(ImageSource::Registry(reference))) => {
                self.default_name(&Origin::new(path, image.source.place()), reference, false)
            }
            (None, Some(ImageSource::Engine(engine))) => {
                self.default_name(&Origin::new(path, image.source.place()), engine.reference(), false)
            }
            (None, Some(ImageSource::Local(_))) => {
                self.refuse(path, &image.source, "an image of the project needs a `name`");
                None
            }
            (None, None) => None,
        };
        let (Some(source), Some(name), Some(tags)) = (source, name, tags) else { return };
        let digest =
            match (own_digest, reference_of(&source).and_then(|reference| reference.digest().copied())) {
                (Some(_), Some(_)) => {
                    self.refuse(
                        path,
                        &image.source,
                        "two digests: expected one, in `source` or under `digest`",
                    );
                    return;
                }
                (own, of_source) => own.or(of_source),
            };
        if digest.is_some() && !matches!(&tags, Tags::Named(tags) if tags.len() == 1) {
            self.refuse(path, &image.source, "a digest is that of one image: expected one tag");
            return;
        }
        if let Some(alias) = image.aliases.first().filter(|_| !tags.is_single(image.latest)) {
            self.refuse(path, alias, "`aliases` are tags of one image: expected one tag, or `latest: 1`");
            return;
        }
        let place = image.name.as_ref().map_or(image.source.place(), Field::place);
        let template = PullTemplate {
            origin: Origin::new(path, place),
            name,
            aliases,
            digest,
            platforms,
            with_referrers: image.referrers || self.needs_signature(&source),
            tar: image.tar,
        };
        match (tags, source) {
            (Tags::Selected(selection), ImageSource::Registry(repository)) => {
                self.project.selections.push(SelectedTags::new(repository, selection, template));
            }
            (Tags::Named(tags), ImageSource::Registry(reference)) => {
                for tag in tags {
                    self.add_tag(&template, &reference, tag, false);
                }
            }
            (Tags::Named(tags), ImageSource::Local(local)) => {
                let Some(local) = self.local_source(path, image, local) else { return };
                let Some(text) = self.entries(path).text(&image.source) else { return };
                for tag in tags {
                    let source = PullSource::Local { text: text.clone(), local: local.clone() };
                    let pull = template.image(tag, source, &self.lock);
                    self.add(pull, RENAME);
                }
            }
            (Tags::Named(tags), ImageSource::Engine(engine)) => {
                if !self.has_no_referrers(path, image) {
                    return;
                }
                for tag in tags {
                    // Every tag of a project is one of a reference.
                    let Ok(engine) = engine.with_tag(tag.as_str()) else { continue };
                    let pull = template.image(tag, PullSource::Engine(engine), &self.lock);
                    self.add(pull, RENAME);
                }
            }
            // Refused with its tags.
            (Tags::Selected(_), ImageSource::Local(_) | ImageSource::Engine(_)) => {}
        }
    }

    fn refuse<T>(&mut self, path: &Path, field: &Field<T>, message: &str) {
        self.mistakes.note::<()>(Err(Error::at(path, field.place(), message.to_owned())));
    }

    /// The tags that an entry names: in its source, or under exactly one key.
    fn tags(&mut self, path: &Path, image: &PullImage, source: Option<&ImageSource>) -> Option<Tags> {
        let given = source.and_then(reference_of).and_then(Reference::given_tag);
        let keys = [
            given.map(|_| "a tag in `source`"),
            image.tag.as_ref().map(|_| "`tag`"),
            image.tags.first().map(|_| "`tags`"),
            image.tag_pattern.as_ref().map(|_| "`tagPattern`"),
            image.semver.as_ref().map(|_| "`semver`"),
        ];
        let keys: Vec<&str> = keys.into_iter().flatten().collect();
        let is_local = matches!(source, Some(ImageSource::Local(_)));
        let is_engine = matches!(source, Some(ImageSource::Engine(_)));
        match keys.as_slice() {
            // What is wrong with the source is reported.
            [] if source.is_none() => return None,
            [] if is_local => {
                self.refuse(path, &image.source, "an image of the project needs `tag` or `tags`");
                return None;
            }
            [] if is_engine => {
                let message = "no tag: expected one in `source` (`NAME:TAG`), `tag` or `tags`";
                self.refuse(path, &image.source, message);
                return None;
            }
            [] => {
                let message = "no tag: expected one in `source` (`REPOSITORY:TAG`), `tag`, `tags`, `tagPattern` or `semver`";
                self.refuse(path, &image.source, message);
                return None;
            }
            [_] => {}
            several => {
                let message = format!("{}: expected one of them", several.join(" and "));
                self.refuse(path, &image.source, &message);
                return None;
            }
        }
        let is_selection = image.tag_pattern.is_some() || image.semver.is_some();
        if image.latest.is_some() && !is_selection {
            self.refuse(path, &image.source, "`latest` needs `tagPattern` or `semver`");
        }
        if image.latest == Some(0) {
            self.refuse(path, &image.source, "`latest: 0` takes no tag: expected 1 or more");
        }
        if (is_local || is_engine) && is_selection {
            self.refuse(path, &image.source, "`tagPattern` and `semver` need a repository of a registry");
            return None;
        }
        let mut entries = self.entries(path);
        if let Some(pattern) = &image.tag_pattern {
            return Some(Tags::Selected(TagSelection::pattern(entries.name(pattern)?, image.latest)));
        }
        if let Some(range) = &image.semver {
            return Some(Tags::Selected(TagSelection::range(entries.name(range)?, image.latest)));
        }
        if let Some(tag) = given {
            return Tag::parse(tag).ok().map(|tag| Tags::Named(vec![tag]));
        }
        let fields: Vec<&Field<Tag>> = image.tag.iter().chain(&image.tags).collect();
        let tags: Vec<Tag> = fields.iter().filter_map(|field| entries.name(field)).collect();
        (tags.len() == fields.len()).then_some(Tags::Named(tags))
    }

    /// The name of an image that has none of its own: the last part of its repository, or all of it.
    fn default_name(&mut self, origin: &Origin, reference: &Reference, scoped: bool) -> Option<ImageName> {
        let name = match source::default_name(&ImageLocation::Registry(reference.clone())) {
            Ok((name, _)) if !scoped => name,
            _ => reference.repository().to_owned(),
        };
        self.mistakes.note(ImageName::parse(&name).map_err(|message| Error::of(origin, message)))
    }

    /// Adds the image of a registry with the tag `tag`. One of a list counts once, whatever names it.
    fn add_tag(&mut self, template: &PullTemplate, reference: &Reference, tag: Tag, is_listed: bool) {
        // Every tag of a project is one of a reference.
        let Ok(reference) = reference.with_tag(tag.as_str()) else { return };
        let pull = template.image(tag, PullSource::Registry(reference), &self.lock);
        if is_listed && self.is_known(&pull) {
            return;
        }
        self.add(pull, if is_listed { RENAME_LISTED } else { RENAME });
    }

    /// Whether the project has the image already.
    fn is_known(&self, pull: &PullDefinition) -> bool {
        self.project.folders.has(&pull.name, &pull.tag)
            && self.project.pull.iter().any(|other| other.is_same(pull))
    }

    fn add(&mut self, pull: PullDefinition, help: &str) {
        for tag in pull.all_tags() {
            if let Err(message) = self.project.folders.add(&pull.name, tag) {
                self.mistakes.note::<()>(Err(Error::of(&pull.origin, format!("{message}: {help}"))));
            }
        }
        self.project.pull.push(pull);
    }

    /// An image in the project, with an absolute path.
    fn local_source(&mut self, path: &Path, image: &PullImage, mut local: LocalImage) -> Option<LocalImage> {
        if !self.has_no_referrers(path, image) {
            return None;
        }
        let inner: Field<InnerPath> = image.source.renamed(local.path.to_string_lossy().into_owned());
        let mut entries = self.entries(path);
        local.path = entries.root.join(entries.existing(&inner)?);
        Some(local)
    }

    /// Refuses `referrers` of an image that is in no registry.
    fn has_no_referrers(&mut self, path: &Path, image: &PullImage) -> bool {
        if image.referrers {
            let message = "`referrers` needs a registry: expected a repository, such as `quay.io/team/app`";
            self.refuse(path, &image.source, message);
        }
        !image.referrers
    }

    /// Adds the images of the lists that the file at `path` names, once all other images and the registries are known.
    pub(super) fn lists(&mut self, path: &Path, lists: &[Short<ImageList>]) {
        self.each(path, lists, |loader, list| loader.list(path, &list.0));
    }

    fn list(&mut self, path: &Path, list: &ImageList) {
        let platforms = self.entries(path).names(&list.platforms);
        let Some(inner) = self.entries(path).path(&list.file) else { return };
        let file = self.project.root.join(inner);
        let text =
            read(&file).map_err(|error| error.unreadable_at(path, list.file.place(), &self.project.root));
        let registries = &self.project.registries;
        let knows = |host: &str| registries.iter().any(|registry| registry.host.as_str() == host);
        let listed = text.and_then(|text| read_list(&file, &text, &knows));
        self.project.sources.push(file.clone());
        for ListedImage { line, column, reference, selection } in
            self.mistakes.note(listed).unwrap_or_default()
        {
            let origin = Origin { path: file.clone(), line, column };
            let Some(name) = self.default_name(&origin, &reference, list.scoped) else { continue };
            let is_covered = self.project.image_signatures.required(&reference).is_some();
            let template = PullTemplate {
                origin,
                name,
                aliases: Vec::new(),
                digest: reference.digest().copied(),
                platforms: platforms.clone(),
                with_referrers: list.referrers || is_covered,
                tar: false,
            };
            match (selection, reference.given_tag().map(Tag::parse)) {
                (Some(selection), _) => {
                    self.project.selections.push(SelectedTags::new(reference, selection, template));
                }
                (None, Some(Ok(tag))) => self.add_tag(&template, &reference, tag, true),
                // A list has no reference without a tag.
                (None, _) => {}
            }
        }
    }

    /// Adds the images with the tags that are locked for the selections of the project.
    pub(super) fn selections(&mut self) {
        let mut selections = std::mem::take(&mut self.project.selections);
        for selected in &mut selections {
            let pulls = selected.pulls(&self.lock);
            selected.is_locked = pulls.is_some();
            for pull in pulls.unwrap_or_default() {
                if !self.is_known(&pull) {
                    self.add(pull, RENAME);
                }
            }
        }
        self.project.selections = selections;
    }
}

/// The reference of an image of a registry or an engine.
fn reference_of(source: &ImageSource) -> Option<&Reference> {
    match source {
        ImageSource::Registry(reference) => Some(reference),
        ImageSource::Engine(image) => Some(image.reference()),
        ImageSource::Local(_) => None,
    }
}

#[cfg(test)]
mod tests;
