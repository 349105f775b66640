//! The documentation of the archive, for people who have nothing else: `documentation`. Markdown becomes HTML that needs no
//! network; pictures and all other documents are copied.

mod links;
mod page;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use content::Links;
use graph::{Input, Output, Task, Title};

use self::links::Documents;
use super::{Error, Place, files, place_file, spelled};
use crate::project;

/// The most bytes of a page in Markdown.
const PAGE_MAX: u64 = 16 << 20;

pub(super) fn add(place: &mut Place<'_>) -> Result<(), Error> {
    let project = Arc::clone(place.project);
    let pages = || project.documentation.iter().map(|document| (&document.path, &document.origin));
    let mut documents = Documents::new(pages().map(|(path, _)| path.clone()));
    let mut pictures = BTreeMap::new();
    for (document, origin) in pages() {
        let source = resolved(place, document)?;
        if !links::is_markdown(document) {
            continue;
        }
        for picture in page::pictures(&read(&source)?, document) {
            // The page's own task warns of one that does not exist.
            if !documents.contains(&picture) && resolved(place, &picture)?.is_file() {
                pictures.entry(picture).or_insert(origin);
            }
        }
    }
    documents.add(pictures.keys().cloned());
    let documents = Arc::new(documents);
    for (document, origin) in pages().chain(pictures.iter().map(|(path, origin)| (path, *origin))) {
        let source = resolved(place, document)?;
        let task = if links::is_markdown(document) {
            page_task(place, document, source, &documents)
        } else {
            copy_task(place, document, &source)
        };
        place.push_for(origin.clone(), document.to_string_lossy(), task);
    }
    place.group("documentation", "Put the documentation into the archive.", &["_doc_deploy:"]);
    Ok(())
}

fn resolved(place: &Place<'_>, document: &Path) -> Result<PathBuf, Error> {
    Ok(place.project.territory.resolve(document).map_err(project::Error::from)?)
}

fn read(source: &Path) -> Result<String, Error> {
    let failed = |source_error| Error::Read { path: source.to_path_buf(), source: source_error };
    let bytes = content::open_read(source, Links::Follow, PAGE_MAX).map_err(|error| failed(error.source))?;
    String::from_utf8(bytes).map_err(|error| failed(std::io::Error::other(error.utf8_error())))
}

fn target(place: &Place<'_>, document: &Path) -> PathBuf {
    place.project.tree().join(archive::layout::DOCUMENTATION).join(links::output(document))
}

fn page_task(place: &Place<'_>, document: &Path, source: PathBuf, documents: &Arc<Documents>) -> Task {
    let target = target(place, document);
    let mut inputs = place.made_here();
    inputs.push(place.input(&source, document));
    inputs.push(Input::value("documents", documents.to_string()));
    let (document, documents, to) = (document.to_path_buf(), Arc::clone(documents), target.clone());
    Task {
        name: format!("_doc_deploy:{}", spelled(&document)),
        doc: format!("Turn {} into a page of the archive.", content::printable_path(&document)),
        title: Title::new("DOC HTML", place.shown(&target)),
        inputs,
        outputs: vec![Output::File(target)],
        action: Some(Box::new(move |context| {
            let page = page::render(&read(&source)?, &document, &documents);
            for warning in &page.warnings {
                context.warn(warning);
            }
            Ok(place_file::write(&to, &page.html, 0o644)?)
        })),
        ..Task::default()
    }
}

fn copy_task(place: &Place<'_>, document: &Path, source: &Path) -> Task {
    let target = target(place, document);
    Task {
        name: format!("_doc_deploy:{}", spelled(document)),
        doc: format!("Copy {} into the documentation of the archive.", content::printable_path(document)),
        title: Title::new("DOC COPY", place.shown(&target)),
        inputs: vec![place.input(source, document)],
        outputs: vec![Output::File(target.clone())],
        action: Some(files::copy(source, &target)),
        cheap: true,
        ..Task::default()
    }
}
