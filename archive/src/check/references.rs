//! The images that the files of an archive name, and how their pods pull them.

use std::path::Path;

use content::printable;
use images::Reference;
use images::find::{self, Certainty, FindOptions, FoundImage};

use super::finding::{Findings, Place};
use super::table::CheckName;
use super::texts::{self, TextFile};
use crate::image::ImageIndex;

/// Checks that the archive or a base archive has each image that `texts` name. Charts are rendered by `helm`.
pub(super) fn check(
    texts: &[TextFile],
    helm: Option<&Path>,
    here: &ImageIndex,
    bases: &ImageIndex,
    findings: &mut Findings,
) {
    let folder = match tempfile::tempdir() {
        Ok(folder) => folder,
        Err(error) => return unread(Place::default(), &error.to_string(), findings),
    };
    if let Err(error) = texts::write(texts, folder.path(), findings) {
        return unread(Place::default(), &error.to_string(), findings);
    }
    let options = FindOptions { skip: Vec::new(), helm: helm.map(Path::to_path_buf) };
    let found = match find::find(&[folder.path().to_path_buf()], &options) {
        Ok(found) => found,
        Err(error) => return unread(Place::default(), &error.source.to_string(), findings),
    };
    let place = |path: &Path, line: Option<u64>| {
        let path = path.strip_prefix(folder.path()).unwrap_or(path);
        Place { path: path.to_string_lossy().into_owned(), line }
    };
    for image in &found.images {
        let place = place(&image.path, image.line);
        let reference = &image.reference;
        let is_known = here.has_reference(reference) || bases.has_reference(reference);
        if is_unversioned(image) && image.certainty > Certainty::Maybe {
            let problem = format!("`{}` has no version", shown(reference, image.is_untagged));
            findings.add(CheckName::ReferenceUntagged, place.clone(), problem);
        }
        if is_known {
            continue;
        }
        let name = shown(reference, image.is_untagged);
        if image.certainty == Certainty::Maybe {
            let problem = format!("it mentions `{name}`, which no archive has");
            findings.add(CheckName::MentionMissing, place, problem);
        } else {
            let problem = format!("it names `{name}`, which no archive has");
            findings.add(CheckName::ReferenceMissing, place, problem);
        }
    }
    for computed in &found.computed {
        let problem = format!("it computes the image `{}`", printable(&computed.written));
        findings.add(CheckName::ReferenceComputed, place(&computed.path, computed.line), problem);
    }
    for file in &found.incomplete {
        unread(
            place(&file.path, None),
            &file.reason.replace(&*folder.path().to_string_lossy(), ""),
            findings,
        );
    }
}

fn unread(place: Place, reason: &str, findings: &mut Findings) {
    findings.add(CheckName::ReferenceUnread, place, format!("it was not read in full: {reason}"));
}

fn is_unversioned(image: &FoundImage) -> bool {
    image.is_untagged || image.reference.digest().is_none() && image.reference.tag() == Some("latest")
}

/// The reference as people write it.
fn shown(reference: &Reference, is_untagged: bool) -> String {
    let text = reference.to_string();
    let text = if is_untagged { text.strip_suffix(":latest").unwrap_or(&text) } else { &text };
    text.strip_prefix("docker.io/library/").or(text.strip_prefix("docker.io/")).unwrap_or(text).to_owned()
}

/// Finds `imagePullPolicy: Always`, in YAML, JSON and templates.
pub(super) fn check_pull_policies(texts: &[TextFile], findings: &mut Findings) {
    for TextFile { path, text } in texts {
        for (line, content) in (1..).zip(text.lines()) {
            if is_always(content) {
                let problem = "a container always pulls its image";
                findings.add(CheckName::PullPolicyAlways, Place::line(path.as_str(), line), problem);
            }
        }
    }
}

/// Whether a line has a key `imagePullPolicy`, or `pullPolicy` as in the values of charts, with the value `Always`.
fn is_always(line: &str) -> bool {
    if line.trim_start().starts_with('#') {
        return false;
    }
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("ullPolicy") {
        rest = after;
        let is_key = ["imageP", "p"].iter().any(|start| {
            before.strip_suffix(start).is_some_and(|before| {
                !before.ends_with(|letter: char| letter.is_ascii_alphanumeric() || letter == '_')
            })
        });
        let value = after.trim_start_matches(['"', '\'']).trim_start().strip_prefix(':');
        let value = value.map(|value| value.trim_start().trim_start_matches(['"', '\'']));
        let is_always = value
            .and_then(|value| value.strip_prefix("Always"))
            .is_some_and(|end| !end.starts_with(|letter: char| letter.is_ascii_alphanumeric()));
        if is_key && is_always {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn always_is_found_in_every_style() {
        for (line, expected) in [
            ("  imagePullPolicy: Always", true),
            ("- imagePullPolicy: \"Always\"", true),
            ("{image: a:1, imagePullPolicy: Always, name: a}", true),
            ("\"imagePullPolicy\":\"Always\"", true),
            ("  pullPolicy: Always # why", true),
            ("  # imagePullPolicy: Always", false),
            ("imagePullPolicy: IfNotPresent", false),
            ("imagePullPolicy: AlwaysNot", false),
            ("defaultpullPolicy: Always", false),
            ("restartPolicy: Always", false),
            ("description: imagePullPolicy is Always", false),
        ] {
            assert_eq!(is_always(line), expected, "{line}");
        }
    }
}
