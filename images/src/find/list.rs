//! Lists of images, as other tools have them: a reference on each line, and files for `skopeo sync`.

use std::path::Path;

use super::document::Document;
use super::lines::computed;
use super::text::{ImageText, image, is_in_full};
use super::{Certainty, FindRule, FoundImage, FoundImages};
use crate::yaml::{Node, Value, word_at};

/// The longest line of a list, in bytes.
const LINE_MAX: usize = 1024;
/// The keys of a registry in a file for `skopeo sync`.
const SYNC_KEYS: [&str; 6] =
    ["images", "images-by-tag-regex", "images-by-semver", "credentials", "tls-verify", "cert-dir"];

/// Reads `text` as a list: each line is a reference with a tag or a digest, empty, or a comment. Returns whether it is one, which
/// must have a reference with a `/`.
pub(super) fn plain(path: &Path, text: &str, found: &mut FoundImages) -> bool {
    let mut images = Vec::new();
    let mut has_slash = false;
    for (line, content) in (1..).zip(text.trim_start_matches('\u{feff}').lines()) {
        let word = content.split('#').next().unwrap_or_default().trim();
        if word.is_empty() {
            continue;
        }
        let ImageText::Reference(reference, false) = image(word) else { return false };
        if word.len() > LINE_MAX {
            return false;
        }
        has_slash |= word.contains('/');
        let certainty = if is_in_full(word) { Certainty::Certain } else { Certainty::Likely };
        images.push(FoundImage {
            reference,
            is_untagged: false,
            is_app_version: false,
            certainty,
            rule: FindRule::List,
            path: path.into(),
            line: Some(line),
        });
    }
    // Most lists name registries; the images of the others are in docker.io then.
    if images.iter().any(|image| image.certainty == Certainty::Certain) {
        images.iter_mut().for_each(|image| image.certainty = Certainty::Certain);
    }
    if has_slash {
        found.images.append(&mut images);
    }
    has_slash
}

/// Reads `document` as a file for `skopeo sync`. Returns whether it is one: keys that are hosts, with the keys of registries.
pub(super) fn sync(document: Document<'_>, node: &Node, found: &mut FoundImages) -> bool {
    let Value::Map(registries) = &node.value else { return false };
    let is_registry = |(host, registry): &(String, Node)| {
        let is_host = host.contains(['.', ':']) || host == "localhost";
        let Value::Map(entries) = &registry.value else { return false };
        let is_known = entries.iter().all(|(key, _)| SYNC_KEYS.contains(&key.as_str()));
        is_host && is_known && SYNC_KEYS.iter().take(3).any(|key| registry.value.key(key).is_some())
    };
    if registries.is_empty() || !registries.iter().all(is_registry) {
        return false;
    }
    for (host, registry) in registries {
        for key in SYNC_KEYS.iter().take(3) {
            let Some(Value::Map(repositories)) = registry.value.key(key).map(|images| &images.value) else {
                continue;
            };
            for (repository, tags) in repositories {
                let name = format!("{host}/{repository}");
                match &tags.value {
                    Value::List(tags) if !tags.is_empty() => {
                        tags.iter().for_each(|tag| listed(document, &name, tag, found));
                    }
                    // All tags, or those that a pattern selects: only the registry knows them.
                    Value::Text(pattern) => {
                        let written = format!("{name} {key} {pattern}");
                        found.computed.push(computed(
                            document.path,
                            document.line(tags.referenced),
                            &written,
                        ));
                    }
                    _ => {
                        let written = format!("{name} (all tags)");
                        found.computed.push(computed(
                            document.path,
                            document.line(tags.referenced),
                            &written,
                        ));
                    }
                }
            }
        }
    }
    true
}

/// Reads a tag or a digest of the repository `name`.
fn listed(document: Document<'_>, name: &str, tag: &Node, found: &mut FoundImages) {
    let text = match &tag.value {
        Value::Text(text) => text.clone(),
        Value::Number => word_at(document.lines, tag.referenced).unwrap_or_default(),
        _ => return,
    };
    let sign = if text.contains(':') { '@' } else { ':' };
    if let ImageText::Reference(reference, false) = image(&format!("{name}{sign}{text}")) {
        document.push(tag.referenced, (reference, false), Certainty::Certain, FindRule::List, found);
    }
}
