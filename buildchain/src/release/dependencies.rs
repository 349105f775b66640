//! What a project depends on and is in development.

use crate::project::{BaseImage, GitRef, Project, SourceContent, SpecBuilder};

/// Words of tags and branches that move, or that name what is not released.
const IN_DEVELOPMENT: [&str; 16] = [
    "canary",
    "dev",
    "devel",
    "develop",
    "development",
    "edge",
    "head",
    "latest",
    "main",
    "master",
    "next",
    "nightly",
    "snapshot",
    "testing",
    "trunk",
    "unstable",
];

/// Whether a tag or branch names what is in development.
fn is_in_development(tag: &str) -> bool {
    let tag = tag.to_ascii_lowercase();
    let mut words = tag.split(|character: char| !character.is_ascii_alphabetic());
    words.any(|word| IN_DEVELOPMENT.contains(&word))
}

/// The images and sources with a tag or branch that is in development.
pub(super) fn in_development(project: &Project) -> Vec<String> {
    let specs = project.repositories.iter().flat_map(|repository| &repository.specs);
    let builders = specs.filter_map(|spec| match &spec.builder {
        SpecBuilder::Image(image) => Some(image),
        SpecBuilder::Host => None,
    });
    let bases = project.images.iter().flat_map(|image| &image.bases).chain(builders);
    let bases =
        bases.map(|BaseImage { reference, .. }| (reference.to_string(), reference.tag().map(str::to_owned)));
    let pulled = project.pull.iter().filter_map(|pull| {
        let tag = pull.reference().and_then(|reference| reference.tag()).map(str::to_owned);
        Some((pull.locked_name()?, tag.or_else(|| Some(pull.tag.to_string()))))
    });
    let sources = project.external_sources.iter().filter_map(|source| match &source.content {
        SourceContent::Git(repository) => {
            let reference = repository.reference.as_ref().map(GitRef::to_string)?;
            Some((format!("{} at {reference}", repository.location), Some(reference)))
        }
        SourceContent::File(_) => None,
    });
    let mut names: Vec<String> = pulled
        .chain(bases)
        .chain(sources)
        .filter(|(_, tag)| tag.as_deref().is_some_and(is_in_development))
        .map(|(name, _)| name)
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::is_in_development;

    #[test]
    fn tags_in_development_have_a_word_that_says_so() {
        for (tag, expected) in [
            ("1.2.0", false),
            ("v1.2.0-rc1", false),
            ("1.27-alpine", false),
            ("bookworm-slim", false),
            ("develop-team-1.0", true),
            ("latest", true),
            ("2.0-SNAPSHOT", true),
            ("1.2.0-dev.3", true),
            ("main", true),
            ("mainline", false),
        ] {
            assert_eq!(is_in_development(tag), expected, "{tag}");
        }
    }
}
