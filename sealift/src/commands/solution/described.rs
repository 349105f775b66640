//! A Solution that options describe.

use std::collections::BTreeMap;

use archive::requires::VersionRange;
use archive::solution::ImageTag;
use buildchain::project::{ArchiveName, ParsedName, SolutionDraft, Version};
use clap::{ArgAction, Args};

use crate::failure::Failure;

/// The options that describe a Solution.
#[derive(Debug, Args)]
pub(super) struct DescribedSolution {
    /// Describe a Solution of this name with options
    #[arg(long, value_name = "NAME", value_parser = parsed::<ArchiveName>, requires_all = ["version", "operator_image"])]
    name: Option<ArchiveName>,
    /// Set its version
    #[arg(long, value_name = "VERSION", value_parser = parsed::<Version>, requires = "name")]
    version: Option<Version>,
    /// Set the image of its operator
    #[arg(long, action = ArgAction::Set, num_args = 2, value_names = ["NAME", "TAG"], requires = "name")]
    operator_image: Vec<String>,
    /// Set the image of its user interface
    #[arg(long, action = ArgAction::Set, num_args = 2, value_names = ["NAME", "TAG"], requires = "name")]
    ui_image: Vec<String>,
    /// Add another image (repeatable)
    #[arg(long, num_args = 2, value_names = ["NAME", "TAG"], requires = "name")]
    extra_image: Vec<String>,
    /// Add an annotation (repeatable); a key without `/` is one of solutions.metalk8s.scality.com
    #[arg(long, num_args = 2, value_names = ["KEY", "VALUE"], requires = "name")]
    annotation: Vec<String>,
    /// Set the versions of MetalK8s that it needs: `>=2.7 <2.9`
    #[arg(long, value_name = "RANGE", requires = "name")]
    require_metalk8s: Option<VersionRange>,
}

impl DescribedSolution {
    /// The Solution, if the options describe one.
    pub(super) fn draft(
        &self,
        sources: BTreeMap<String, String>,
        is_2019: bool,
    ) -> Result<Option<SolutionDraft>, Failure> {
        let (Some(name), Some(version)) = (&self.name, &self.version) else { return Ok(None) };
        let one = |words: &[String]| images(words).map(|images| images.into_iter().next());
        Ok(Some(SolutionDraft {
            name: name.clone(),
            version: version.clone(),
            operator: one(&self.operator_image)?,
            ui: one(&self.ui_image)?,
            images: images(&self.extra_image)?,
            sources,
            annotations: pairs(&self.annotation)
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .collect(),
            requirement: self.require_metalk8s.clone(),
            is_2019,
        }))
    }
}

/// The words of an option with two values.
fn pairs(words: &[String]) -> impl Iterator<Item = (&str, &str)> {
    words.chunks_exact(2).filter_map(|pair| match pair {
        [one, other] => Some((one.as_str(), other.as_str())),
        _ => None,
    })
}

fn images(words: &[String]) -> Result<Vec<ImageTag>, Failure> {
    pairs(words).map(|(name, tag)| ImageTag::new(name, tag).map_err(Failure::usage_by)).collect()
}

fn parsed<T: ParsedName>(text: &str) -> Result<T, String> {
    T::parse(text)
}
