//! Texts of a project file: names in YAML, in patterns and in templates.

use std::path::Path;

/// `text` as a value in YAML, in quotes where it could mean anything else, in any version of YAML and in any place.
pub(super) fn scalar(text: &str) -> String {
    if is_plain(text) {
        return text.to_owned();
    }
    if !text.contains(|character| content::is_unsafe(character) || is_special(character)) {
        return format!("'{}'", text.replace('\'', "''"));
    }
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            character if content::is_unsafe(character) || is_special(character) => {
                quoted.push_str(&format!("\\U{:08x}", u32::from(character)));
            }
            character => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}

/// Characters that YAML takes only as escapes.
fn is_special(character: char) -> bool {
    matches!(character, '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

/// Whether `text` means itself without quotes.
fn is_plain(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b"._/@:+-".contains(&byte);
    // Truth values, and nothing, of YAML 1.1.
    let words = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];
    let starts = text.starts_with(|character: char| {
        character.is_ascii_alphanumeric() || character == '/' || character == '.'
    });
    // A number, a date or a time has at most an `e`, an `x` or an `o`; a version has two dots.
    let is_like_number =
        text.bytes().all(|byte| byte.is_ascii_digit() || b"._:+-eExXoOabcdfABCDF".contains(&byte))
            && text.starts_with(|character: char| character.is_ascii_digit() || character == '.')
            && !(text.matches('.').count() >= 2
                && text
                    .split('.')
                    .all(|part| part.bytes().all(|byte| byte.is_ascii_digit()) && !part.is_empty()));
    starts
        && text.bytes().all(is_word)
        && !text.ends_with(':')
        && !words.contains(&text.to_ascii_lowercase().as_str())
        && !matches!(text.to_ascii_lowercase().as_str(), ".inf" | ".nan")
        && (!is_like_number || matches!(text, "." | ".."))
}

/// `text`, of which no part is an expression, as a value of a project file.
pub(in crate::project) fn value(text: &str) -> String {
    scalar(&literal(text))
}

/// The path `path` as a value of a project file; `.` for the folder itself. `None` if it is not UTF-8.
pub(super) fn path(path: &Path) -> Option<String> {
    let text = path.to_str()?;
    Some(value(if text.is_empty() { "." } else { text }))
}

/// `text` as a template that renders to it.
fn literal(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        match ["{{", "{%", "{#"].iter().find(|open| rest.starts_with(**open)) {
            Some(open) => {
                result.push_str(&format!("{{{{ '{open}' }}}}"));
                rest = rest.get(open.len()..).unwrap_or_default();
            }
            None => {
                result.push(character);
                rest = rest.get(character.len_utf8()..).unwrap_or_default();
            }
        }
    }
    result
}

/// A list in YAML of values that are written already.
pub(super) fn list(values: &[String]) -> String {
    format!("[{}]", values.join(", "))
}

/// The path of a file as a pattern of paths of the project.
pub(super) fn glob(text: &str) -> String {
    escaped(text, "*?[]{}\\")
}

/// The path of a file or folder as a pattern of a `.gitignore` in the folder that it starts from.
pub(super) fn pattern(text: &str, is_folder: bool) -> String {
    let mut escaped = escaped(text, "*?[]\\");
    if escaped.ends_with(' ') {
        escaped.pop();
        escaped.push_str("\\ ");
    }
    format!("/{escaped}{}", if is_folder { "/" } else { "" })
}

fn escaped(text: &str, special: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if special.contains(character) {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

/// `text` as part of a comment: one line that cannot end it.
pub(super) fn comment(text: &str) -> String {
    content::printable(text).to_string()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::project::values::Values;

    fn read(yaml: &str) -> Option<String> {
        serde_saphyr::from_str::<Vec<std::collections::BTreeMap<String, String>>>(&format!(
            "- {{a: {yaml}, b: c}}  # d\n"
        ))
        .ok()?
        .pop()?
        .remove("a")
    }

    #[test]
    fn a_name_is_in_quotes_where_it_must_be() {
        let cases = [
            ("nginx", "nginx"),
            ("quay.io/a/b", "quay.io/a/b"),
            ("localhost:5000/a", "localhost:5000/a"),
            ("1.27-alpine", "1.27-alpine"),
            ("v1.2", "v1.2"),
            ("0.1.0", "0.1.0"),
            ("./a", "./a"),
            (".", "."),
            ("1.27", "'1.27'"),
            ("8", "'8'"),
            ("1e3", "'1e3'"),
            ("0x1f", "'0x1f'"),
            ("1:30", "'1:30'"),
            ("2024-01-31", "'2024-01-31'"),
            (".5", "'.5'"),
            ("Yes", "'Yes'"),
            ("null", "'null'"),
            (".inf", "'.inf'"),
            ("", "''"),
            ("-a", "'-a'"),
            ("a b", "'a b'"),
            ("it's", "'it''s'"),
            ("a: b", "'a: b'"),
            ("a:", "'a:'"),
            ("*.rpm", "'*.rpm'"),
            ("a\nb", "\"a\\U0000000ab\""),
            ("a\"\u{85}", "\"a\\\"\\U00000085\""),
            ("{{ x }}", "'{{ x }}'"),
        ];
        for (text, expected) in cases {
            assert_eq!(scalar(text), expected, "{text:?}");
            assert_eq!(read(&scalar(text)).as_deref(), Some(text), "{text:?}");
        }
    }

    #[test]
    fn patterns_match_only_the_path_that_they_are_made_of() {
        for text in ["a", "a b ", "[x]", "*", "a?{b,c}", "back\\slash", "!a", "#a", "{{ a }}"] {
            let mut exclude = iso::Exclude::new(&[pattern(text, false)]).unwrap();
            assert!(exclude.excludes(text.as_ref(), false), "{text}");
            assert!(
                !exclude.excludes("other".as_ref(), false) && !exclude.excludes("x".as_ref(), false),
                "{text}"
            );
            let glob = crate::project::names::path_glob(&glob(text)).unwrap();
            assert!(glob.is_match(text) && !glob.is_match("other") && !glob.is_match("x"), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_back(text in any::<String>()) {
            prop_assert_eq!(read(&scalar(&text)), Some(text));
        }

        #[test]
        fn any_text_means_itself_as_a_value(text in "[{}%#'a\\\\ ]{0,12}") {
            let values = Values::new(std::collections::BTreeMap::new());
            prop_assert_eq!(values.render(&read(&value(&text)).unwrap()), Ok(text));
        }

        #[test]
        fn no_comment_ends_before_its_line(text in any::<String>()) {
            let ends_line = comment(&text).contains(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']);
            prop_assert!(!ends_line);
        }
    }
}
