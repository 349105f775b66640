//! Files that are not YAML before they are rendered: read line by line.

use std::path::Path;

use super::text::{ImageText, image, is_image_key, references};
use super::{Certainty, ComputedImage, FindRule, FoundImage, FoundImages};

/// The longest line that is read, in bytes.
const LINE_MAX: usize = 64 << 10;
/// The most characters that are kept of a computed image.
const WRITTEN_MAX: usize = 200;

/// A text in a file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lines<'a> {
    /// The file.
    pub(super) path: &'a Path,
    /// The line on which the text starts, from 1; `None` if the text was rendered.
    pub(super) first: Option<u64>,
    /// The certainty of its keys.
    pub(super) certainty: Certainty,
    /// Whether computed images are reported.
    pub(super) with_computed: bool,
}

impl Lines<'_> {
    /// Reads `text`.
    pub(super) fn read(self, text: &str, found: &mut FoundImages) {
        for (position, line) in (0..).zip(text.lines()) {
            if line.len() <= LINE_MAX {
                self.line(self.first.map(|first| first + position), line, found);
            }
        }
    }

    fn line(self, number: Option<u64>, line: &str, found: &mut FoundImages) {
        let line = line.trim();
        if line.starts_with('#') || line.starts_with("{#") || line.starts_with("{{/*") {
            return;
        }
        let found_image = |reference, is_untagged, certainty, rule| FoundImage {
            reference,
            is_untagged,
            is_app_version: false,
            certainty,
            rule,
            path: self.path.into(),
            line: number,
        };
        if let Some(value) = value_of_image_key(line) {
            match image(&value) {
                ImageText::Reference(reference, is_untagged) => {
                    let certainty = if is_bare(&value) { Certainty::Maybe } else { self.certainty };
                    found.images.push(found_image(reference, is_untagged, certainty, FindRule::Key));
                    return;
                }
                ImageText::Computed if self.with_computed => {
                    found.computed.push(computed(self.path, number, &value));
                }
                ImageText::Computed | ImageText::Other => {}
            }
        }
        for reference in references(line) {
            found.images.push(found_image(reference, false, Certainty::Maybe, FindRule::Text));
        }
    }
}

/// A computed image.
pub(super) fn computed(path: &Path, line: Option<u64>, written: &str) -> ComputedImage {
    ComputedImage { path: path.into(), line, written: written.trim().chars().take(WRITTEN_MAX).collect() }
}

/// Whether a value is one word, which may be anything.
pub(super) fn is_bare(value: &str) -> bool {
    !value.contains(['/', ':', '@'])
}

/// The value in `image: VALUE`, without quotes, comments and block tags of templates.
fn value_of_image_key(line: &str) -> Option<String> {
    let mut line = line;
    while let Some(rest) = line.strip_prefix("- ") {
        line = rest.trim_start();
    }
    let (key, value) = line.split_once(':')?;
    let key = key.trim_end().trim_matches(['"', '\'']);
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    if !key.bytes().all(is_word) || !is_image_key(key) || !value.starts_with([' ', '\t']) {
        return None;
    }
    let value = without_blocks(value);
    let value = value.split(" #").next().unwrap_or_default().trim().trim_end_matches(',');
    let value = value.trim_matches(['"', '\'']);
    (!value.is_empty()).then(|| value.to_owned())
}

/// `text` without `{% … %}`.
fn without_blocks(text: &str) -> String {
    let mut result = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{%") {
        result.push_str(before);
        rest = after.split_once("%}").map_or("", |(_, tail)| tail);
    }
    result.push_str(rest);
    result
}
