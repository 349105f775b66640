//! The documentation of the archive, for people who have nothing else: `documentation`. Markdown becomes HTML that needs no
//! network and no script; pictures and all other documents are copied. A `SUMMARY.md` makes a book of the documents that it
//! lists: each page has the table of contents beside it, and a broken link is a mistake of the project.

mod contents;
mod include;
mod links;
mod page;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use graph::{Task, TaskInput, TaskOutput, Title};

use self::contents::Contents;
use self::include::IncludedText;
use self::links::Documents;
use super::{Error, TaskBuilder, TaskHandle, files, place_file, spelled};
use crate::project::{self, MarkdownDocument, Origin, SummaryItem};

/// The style sheet of all pages.
const STYLE: &str = include_str!("style.css");

/// The name of the style sheet, below the folder of the documentation.
const STYLE_NAME: &str = "sealift.css";

/// What all pages of a documentation share.
#[derive(Debug, Default)]
struct Site {
    documents: Documents,
    contents: Contents,
}

/// Adds the tasks of documents; their group.
pub(super) fn add(builder: &mut TaskBuilder<'_>) -> Result<TaskHandle, Error> {
    let project = Arc::clone(builder.project);
    let chapters: BTreeSet<&Path> =
        project.books.iter().flat_map(|book| &book.items).filter_map(chapter).collect();
    let texts = texts(&project, &chapters)?;
    let mut site = Site::default();
    site.documents.add(project.documentation.iter().map(|document| document.path.clone()));
    for book in &project.books {
        if let Some(first) = book.items.iter().find_map(chapter) {
            site.documents.add_book(book.path.clone(), first.to_path_buf());
        }
    }
    let attached = attached(builder, &project.documentation, &texts, &site.documents, &chapters)?;
    site.documents.add(attached.keys().cloned());
    check_links(builder, &texts, &site.documents, &chapters)?;
    let others = project.documentation.iter().map(|document| document.path.as_path());
    let others = others.filter(|document| !chapters.contains(document));
    let others: Vec<(&Path, String)> =
        others.filter_map(|document| Some((document, page::title_of(&texts.get(document)?.text)))).collect();
    site.contents = Contents::new(&project.books, &others);
    let site = Arc::new(site);
    let mut members = Vec::new();
    let documents = project.documentation.iter().map(|document| (&document.path, &document.origin));
    for (document, origin) in documents.chain(attached.iter().map(|(path, origin)| (path, *origin))) {
        let source = resolved(builder, document)?;
        let task = match texts.get(document) {
            Some(text) => page_task(builder, document, text, chapters.contains(document.as_path()), &site)?,
            None => copy_task(builder, document, &source),
        };
        members.push(builder.push_for(origin.clone(), document.to_string_lossy(), task));
    }
    if !texts.is_empty() {
        let task = style_task(builder);
        members.push(builder.push(task));
    }
    let first = Path::new("index.html");
    if !site.contents.is_empty()
        && !project.documentation.iter().any(|document| links::output(&document.path) == first)
    {
        let task = front_task(builder, &site);
        members.push(builder.push(task));
    }
    Ok(builder.group("documentation", "Put the documentation into the archive.", members))
}

fn chapter(item: &SummaryItem) -> Option<&Path> {
    match item {
        SummaryItem::Chapter(chapter) => chapter.path.as_deref().filter(|path| links::is_markdown(path)),
        _ => None,
    }
}

/// The texts of the documents that are Markdown, all mistakes in them together.
fn texts(
    project: &project::Project,
    chapters: &BTreeSet<&Path>,
) -> Result<BTreeMap<PathBuf, IncludedText>, Error> {
    let mut mistakes = project::Mistakes::default();
    let mut texts = BTreeMap::new();
    for MarkdownDocument { path, .. } in
        project.documentation.iter().filter(|page| links::is_markdown(&page.path))
    {
        match IncludedText::read(project, path, chapters.contains(path.as_path())) {
            Ok(text) => drop(texts.insert(path.clone(), text)),
            Err(Error::Project(error)) => drop(mistakes.note::<()>(Err(error))),
            Err(error) => return Err(error),
        }
    }
    Ok(mistakes.end(texts)?)
}

/// The files that pages need beside the documents, each with the entry of the project that asks for the first such page.
fn attached<'d>(
    builder: &TaskBuilder<'_>,
    pages: &'d [MarkdownDocument],
    texts: &BTreeMap<PathBuf, IncludedText>,
    documents: &Documents,
    chapters: &BTreeSet<&Path>,
) -> Result<BTreeMap<PathBuf, &'d Origin>, Error> {
    let mut attached = BTreeMap::new();
    for MarkdownDocument { path, origin } in pages {
        let Some(text) = texts.get(path) else { continue };
        for file in page::files(&text.text, path, chapters.contains(path.as_path())) {
            // A missing one is reported with the line that names it.
            if !documents.contains(&file) && resolved(builder, &file)?.is_file() {
                attached.entry(file).or_insert(origin);
            }
        }
    }
    Ok(attached)
}

/// Checks the links of the chapters of books.
fn check_links(
    builder: &TaskBuilder<'_>,
    texts: &BTreeMap<PathBuf, IncludedText>,
    documents: &Documents,
    chapters: &BTreeSet<&Path>,
) -> Result<(), Error> {
    if chapters.is_empty() {
        return Ok(());
    }
    let root = &builder.project.root;
    let anchors: HashMap<PathBuf, BTreeSet<String>> =
        texts.iter().map(|(path, text)| (path.clone(), page::anchors(&text.text))).collect();
    let mut mistakes = project::Mistakes::default();
    for (path, text) in texts.iter().filter(|(path, _)| chapters.contains(path.as_path())) {
        let exists = |path: &Path| root.join(path).exists();
        for (position, message) in page::broken_links(&text.text, path, documents, &anchors, &exists) {
            let origin =
                Origin { path: root.join(path), line: text.line(position.line), column: position.column };
            mistakes.note::<()>(Err(project::Error::of(&origin, message)));
        }
    }
    Ok(mistakes.end(())?)
}

/// The text of a chapter.
#[cfg(test)]
pub(super) fn text(project: &project::Project, chapter: &Path) -> Result<String, Error> {
    IncludedText::read(project, chapter, true).map(|text| text.text)
}

fn resolved(builder: &TaskBuilder<'_>, document: &Path) -> Result<PathBuf, Error> {
    Ok(builder.project.territory.resolve(document).map_err(project::Error::from)?)
}

/// The path in the tree of the archive of what lies at `output` below the folder of the documentation.
fn deployed(builder: &TaskBuilder<'_>, output: &Path) -> PathBuf {
    builder.project.tree().join(archive::layout::DOCUMENTATION).join(output)
}

fn page_task(
    builder: &TaskBuilder<'_>,
    document: &Path,
    text: &IncludedText,
    chapter: bool,
    site: &Arc<Site>,
) -> Result<Task, Error> {
    let target = deployed(builder, &links::output(document));
    let mut inputs = builder.made_here();
    for file in std::iter::once(document).chain(text.included.iter().map(PathBuf::as_path)) {
        inputs.push(builder.input(&resolved(builder, file)?, file));
    }
    inputs.push(TaskInput::value("documents", site.documents.to_string()));
    inputs.push(TaskInput::value("contents", site.contents.to_string()));
    let (document, site, to) = (document.to_path_buf(), Arc::clone(site), target.clone());
    let project = Arc::clone(builder.project);
    Ok(Task {
        name: format!("_doc_deploy:{}", spelled(&document)),
        alias: format!("documentation:{}", spelled(&document)),
        doc: format!("Turn {} into a page of the archive.", content::printable_path(&document)),
        title: Title::new("DOC HTML", builder.shown(&target)),
        inputs,
        outputs: vec![TaskOutput::File(target)],
        action: Some(Box::new(move |context| {
            let page = page::render(&IncludedText::read(&project, &document, chapter)?, &document, &site)?;
            for warning in &page.warnings {
                context.warn(warning);
            }
            Ok(place_file::write(&to, &page.html, 0o644)?)
        })),
        ..Task::default()
    })
}

fn copy_task(builder: &TaskBuilder<'_>, document: &Path, source: &Path) -> Task {
    let target = deployed(builder, &links::output(document));
    Task {
        name: format!("_doc_deploy:{}", spelled(document)),
        alias: format!("documentation:{}", spelled(document)),
        doc: format!("Copy {} into the documentation of the archive.", content::printable_path(document)),
        title: Title::new("DOC COPY", builder.shown(&target)),
        inputs: vec![builder.input(source, document)],
        outputs: vec![TaskOutput::File(target.clone())],
        action: Some(files::copy(source, &target)),
        cheap: true,
        ..Task::default()
    }
}

fn style_task(builder: &TaskBuilder<'_>) -> Task {
    let target = deployed(builder, Path::new(STYLE_NAME));
    let to = target.clone();
    Task {
        name: format!("_doc_deploy:{STYLE_NAME}"),
        alias: format!("documentation:{STYLE_NAME}"),
        doc: "Write the style sheet of the documentation.".into(),
        title: Title::new("DOC CSS", builder.shown(&target)),
        inputs: vec![TaskInput::value("style", STYLE)],
        outputs: vec![TaskOutput::File(target)],
        action: Some(Box::new(move |_| Ok(place_file::write(&to, STYLE, 0o644)?))),
        cheap: true,
        ..Task::default()
    }
}

fn front_task(builder: &TaskBuilder<'_>, site: &Arc<Site>) -> Task {
    let target = deployed(builder, Path::new("index.html"));
    let mut inputs = builder.made_here();
    inputs.push(TaskInput::value("contents", site.contents.to_string()));
    let (site, to) = (Arc::clone(site), target.clone());
    Task {
        name: "_doc_deploy:index.html".into(),
        alias: "documentation:index.html".into(),
        doc: "Write the table of contents as the first page of the documentation.".into(),
        title: Title::new("DOC HTML", builder.shown(&target)),
        inputs,
        outputs: vec![TaskOutput::File(target)],
        action: Some(Box::new(move |_| Ok(place_file::write(&to, &page::front(&site)?, 0o644)?))),
        cheap: true,
        ..Task::default()
    }
}
