//! References in text.

use crate::Reference;

/// The most characters of a text that is searched for references; a longer one is no argument or variable.
const TEXT_MAX: usize = 1 << 20;

/// What a value that should name an image is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ImageText {
    /// A reference, and whether it has neither tag nor digest.
    Reference(Reference, bool),
    /// The program that renders the file computes it.
    Computed,
    /// Something else.
    Other,
}

/// Reads the value of a key that names an image.
pub(super) fn image(text: &str) -> ImageText {
    let text = text.trim();
    let text = text.strip_prefix("docker://").unwrap_or(text);
    let computed = ["{{", "{%", "$(", "${", "<%", "@@"].iter().any(|sign| text.contains(sign));
    if computed {
        return match substituted(text) {
            Some(text) if !text.contains(['{', '$', '@']) => image(&text),
            _ => ImageText::Computed,
        };
    }
    match text.parse::<Reference>() {
        Ok(reference) => {
            let is_untagged = reference.digest().is_none() && !has_tag(text);
            ImageText::Reference(reference, is_untagged)
        }
        Err(_) => ImageText::Other,
    }
}

/// Whether a reference has a tag: a colon after the last slash.
fn has_tag(text: &str) -> bool {
    text.rsplit('/').next().is_some_and(|last| last.contains(':'))
}

/// A value of a compose file with the defaults of its variables: `${TAG:-1.0}`. None if one has no default.
fn substituted(text: &str) -> Option<String> {
    let mut result = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (variable, tail) = after.split_once('}')?;
        let (name, default) = variable.split_once('-')?;
        let name = name.strip_suffix(':').unwrap_or(name);
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return None;
        }
        result.push_str(before);
        result.push_str(default);
        rest = tail;
    }
    result.push_str(rest);
    Some(result)
}

/// The references in full that stand in `text`: with a registry, and with a tag or a digest.
pub(super) fn references(text: &str) -> Vec<Reference> {
    if text.len() > TEXT_MAX {
        return Vec::new();
    }
    let is_part = |character: char| character.is_ascii_alphanumeric() || "._/:@-".contains(character);
    text.split(|character| !is_part(character)).filter_map(in_full).collect()
}

fn in_full(word: &str) -> Option<Reference> {
    // The end of a sentence is no part of it.
    let word = word.trim_end_matches(['.', ':', '-']).trim_start_matches(['-', '.']);
    (word.len() <= 512 && is_in_full(word)).then(|| word.parse().ok()).flatten()
}

/// Whether a reference has a registry, and a tag or a digest.
pub(super) fn is_in_full(word: &str) -> bool {
    let Some((domain, path)) = word.split_once('/') else { return false };
    let host = domain.split_once(':').map_or(domain, |(host, _)| host);
    let top = host.rsplit('.').next().unwrap_or_default();
    let is_name = host.contains('.') && top.len() > 1 && top.bytes().all(|byte| byte.is_ascii_lowercase());
    let is_address = host.parse::<std::net::Ipv4Addr>().is_ok();
    let is_registry = is_name || is_address || host == "localhost";
    is_registry && (path.contains('@') || has_tag(path))
}

/// Whether a key usually names an image: `image`, `sidecarImage`, `pod-infra-container-image`.
pub(super) fn is_image_key(key: &str) -> bool {
    key.len() <= 100 && key.to_ascii_lowercase().ends_with("image")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_of_a_key() {
        let cases = [
            ("nginx", "docker.io/library/nginx:latest untagged"),
            (" quay.io/a/b:1 ", "quay.io/a/b:1"),
            ("localhost:5000/a", "localhost:5000/a:latest untagged"),
            ("docker://quay.io/a/b:1", "quay.io/a/b:1"),
            ("app:${TAG:-1.0}", "docker.io/library/app:1.0"),
            ("${REGISTRY-quay.io}/app:${TAG:-1.0}", "quay.io/app:1.0"),
            ("app:${TAG}", "computed"),
            ("${A:-${B:-c}}", "computed"),
            ("${A", "computed"),
            ("{{ image }}:1", "computed"),
            ("@@IMAGE:1", "computed"),
            ("Not An Image", "other"),
            ("", "other"),
        ];
        for (written, expected) in cases {
            let found = match image(written) {
                ImageText::Reference(reference, true) => format!("{reference} untagged"),
                ImageText::Reference(reference, false) => reference.to_string(),
                ImageText::Computed => "computed".into(),
                ImageText::Other => "other".into(),
            };
            assert_eq!(found, expected, "{written:?}");
        }
    }

    #[test]
    fn references_in_full() {
        let cases: [(&str, &[&str]); 9] = [
            ("--reloader=quay.io/op/reloader:v0.75.0", &["quay.io/op/reloader:v0.75.0"]),
            ("Use registry.k8s.io/pause:3.9.", &["registry.k8s.io/pause:3.9"]),
            ("a=10.0.0.1:5000/x:1,b=localhost:5000/y:2", &["10.0.0.1:5000/x:1", "localhost:5000/y:2"]),
            ("https://quay.io/a/b:1", &[]),
            ("quay.io/a/b", &[]),
            ("nginx:1.27", &[]),
            ("library/nginx:1.27", &[]),
            ("rbac.authorization.k8s.io/v1", &[]),
            ("1.2/3:4", &[]),
        ];
        for (text, expected) in cases {
            let found: Vec<String> = references(text).iter().map(ToString::to_string).collect();
            assert_eq!(found, expected, "{text:?}");
        }
    }
}
