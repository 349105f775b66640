//! `sealift image find`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use archive::Tree;
use archive::image::ImageIndex;
use buildchain::project::Project;
use clap::Args;
use content::printable_path;
use images::Reference;
use images::find::{self, Certainty, FindOptions, FindRule, FoundImage, FoundImages};

use crate::failure::{CommandResult, Failure};
use crate::output::documents::images::{
    CertaintyDocument, ComputedImageDocument, FoundImageDocument, FoundImagesDocument, FoundPlaceDocument,
    IncompleteFileDocument,
};
use crate::output::{self, ReportOutput, count, documents};
use crate::session::Selector;

/// The most places of an image that the text report names.
const PLACES_SHOWN: usize = 3;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The files and folders to read [default: the current folder]
    paths: Vec<PathBuf>,
    /// Fail if this archive lacks one of the images
    #[arg(long, value_name = "ARCHIVE")]
    check: Option<PathBuf>,
    /// Also accept images of this archive, which the checked one requires (repeatable)
    #[arg(long = "base", value_name = "ARCHIVE", requires = "check")]
    bases: Vec<PathBuf>,
    /// Add the images to images/found.yaml, and that catalogue to the project file
    #[arg(long)]
    write: bool,
    /// Also check and add images that only look like references
    #[arg(long)]
    maybe: bool,
    #[command(flatten)]
    project: Selector,
    #[command(flatten)]
    output: ReportOutput,
}

/// An image with its places, the most certain first.
struct Image<'a> {
    reference: &'a Reference,
    certainty: Certainty,
    places: Vec<&'a FoundImage>,
    in_archive: Option<bool>,
}

pub(super) fn run(arguments: &Arguments) -> CommandResult {
    let project = if arguments.write { Some(with_all_profiles(&arguments.project)?) } else { None };
    let settings = match &project {
        Some(project) => project.settings.clone(),
        None => arguments.project.settings()?,
    };
    let helm = settings.program("helm");
    let paths = if arguments.paths.is_empty() { vec![PathBuf::from(".")] } else { arguments.paths.clone() };
    let found = find::find(&paths, &FindOptions { skip: vec![settings.build_root], helm })?;
    let mut grouped: BTreeMap<&Reference, Vec<&FoundImage>> = BTreeMap::new();
    for image in &found.images {
        grouped.entry(&image.reference).or_default().push(image);
    }
    let wanted = if arguments.maybe { Certainty::Maybe } else { Certainty::Likely };
    let mut stored = ImageIndex::default();
    for archive in arguments.check.iter().chain(&arguments.bases) {
        archive::image::each(&Tree::open(archive)?, archive::layout::IMAGES, &mut |image| {
            if image.whole().is_ok() {
                stored.add(&image);
            }
        })?;
    }
    let mut images = Vec::new();
    for (reference, mut places) in grouped {
        places.sort_by_key(|place| std::cmp::Reverse(place.certainty));
        let certainty = places.first().map_or(Certainty::Maybe, |place| place.certainty);
        let is_checked = arguments.check.is_some() && certainty >= wanted;
        let in_archive = is_checked.then(|| stored.has_reference(reference));
        images.push(Image { reference, certainty, places, in_archive });
    }
    let document = || document(&found, &images);
    arguments.output.report(document, || text(&found, &images, arguments.check.as_deref()))?;
    for file in &found.incomplete {
        output::warn(&format!("{}: {}", printable_path(&file.path), file.reason));
    }
    if let Some(project) = project {
        let references: Vec<Reference> = images
            .iter()
            .filter(|image| image.certainty >= wanted)
            .map(|image| image.reference.clone())
            .collect();
        let added = project.add_found(&references).map_err(crate::remedies::project::project)?;
        let catalogue = printable_path(&added.catalogue).to_string();
        let images = count(added.added.len(), "image");
        output::done(&if added.added.is_empty() {
            "the project has all of these images".to_owned()
        } else {
            format!("{images} added to {catalogue}; `sealift lock` writes their digests")
        });
        if !added.is_listed {
            output::warn(&format!(
                "sealift.yaml does not list {0}: add `catalogues: [{0}]` under spec.images",
                buildchain::project::FOUND_CATALOGUE
            ));
        }
    }
    if images.iter().any(|image| image.in_archive == Some(false)) {
        return Err(Failure::Failed(None));
    }
    Ok(())
}

fn rule(rule: FindRule) -> &'static str {
    match rule {
        FindRule::Container => "container",
        FindRule::ImageVolume => "image-volume",
        FindRule::Service => "service",
        FindRule::List => "list",
        FindRule::Key => "key",
        FindRule::Values => "values",
        FindRule::Text => "text",
    }
}

fn document(found: &FoundImages, images: &[Image<'_>]) -> FoundImagesDocument {
    let place = |place: &&FoundImage| FoundPlaceDocument {
        path: documents::text(&place.path),
        line: place.line,
        rule: rule(place.rule),
    };
    let image = |image: &Image<'_>| FoundImageDocument {
        reference: image.reference.to_string(),
        certainty: match image.certainty {
            Certainty::Certain => CertaintyDocument::Certain,
            Certainty::Likely => CertaintyDocument::Likely,
            Certainty::Maybe => CertaintyDocument::Maybe,
        },
        untagged: image.places.iter().any(|place| place.is_untagged),
        in_archive: image.in_archive,
        places: image.places.iter().map(place).collect(),
    };
    let computed = found.computed.iter().map(|computed| ComputedImageDocument {
        path: documents::text(&computed.path),
        line: computed.line,
        written: computed.written.clone(),
    });
    let incomplete = found.incomplete.iter().map(|file| IncompleteFileDocument {
        path: documents::text(&file.path),
        reason: file.reason.clone(),
    });
    FoundImagesDocument {
        files: found.files,
        images: images.iter().map(image).collect(),
        computed: computed.collect(),
        incomplete: incomplete.collect(),
    }
}

fn text(found: &FoundImages, images: &[Image<'_>], archive: Option<&Path>) -> String {
    let place = |path: &Path, line: Option<u64>| match line {
        Some(line) => format!("{}:{line}", printable_path(path)),
        None => format!("{} (rendered)", printable_path(path)),
    };
    let mut text = String::new();
    for image in images {
        let certainty = match image.certainty {
            Certainty::Certain => "certain",
            Certainty::Likely => "likely ",
            Certainty::Maybe => "maybe  ",
        };
        let mut places: Vec<String> =
            image.places.iter().take(PLACES_SHOWN).map(|found| place(&found.path, found.line)).collect();
        if let Some(more) = image.places.len().checked_sub(PLACES_SHOWN).filter(|more| *more > 0) {
            places.push(format!("{more} more"));
        }
        let untagged = if image.places.iter().any(|place| place.is_untagged) { "  (no tag)" } else { "" };
        let lacks = if image.in_archive == Some(false) { "  MISSING" } else { "" };
        text.push_str(&format!("{certainty}  {}{untagged}{lacks}  {}\n", image.reference, places.join(", ")));
    }
    for computed in &found.computed {
        let written = content::printable(&computed.written);
        text.push_str(&format!("computed {written}  {}\n", place(&computed.path, computed.line)));
    }
    let (files, number) = (count(found.files, "file"), count(images.len(), "image"));
    text.push_str(&format!("{number} in {files}"));
    if let Some(archive) = archive {
        let lacking = images.iter().filter(|image| image.in_archive == Some(false)).count();
        text.push_str(&format!("; {} lacks {lacking}", printable_path(archive)));
    }
    text.push('\n');
    text
}

/// The project with the images of all its profiles.
fn with_all_profiles(selector: &Selector) -> Result<Project, Failure> {
    let mut project = selector.load()?;
    for other in selector.load_all()? {
        project.pull.extend(other.pull);
        project.images.extend(other.images);
    }
    Ok(project)
}
