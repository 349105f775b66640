//! Templates with `@@NAME` and `@@{NAME}`: those of Python's `string.Template` with the delimiter `@@`.

use std::borrow::Cow;

use serde_json::Value;

use super::TOO_LARGE;
use crate::project::values::{Values, unknown_name};

/// The delimiter.
const DELIMITER: &str = "@@";

/// A part of a template.
#[derive(Debug, PartialEq, Eq)]
enum Part<'a> {
    /// Text that stands for itself.
    Text(&'a str),
    /// `@@@@`, which stands for `@@`.
    Escaped,
    /// A placeholder, with its name.
    Name(&'a str),
    /// A delimiter that begins no placeholder.
    Invalid,
}

/// The parts of `text`, each with its offset in bytes.
fn parts(text: &str) -> impl Iterator<Item = (usize, Part<'_>)> {
    let mut offset = 0;
    std::iter::from_fn(move || {
        let rest = text.get(offset..).filter(|rest| !rest.is_empty())?;
        let start = offset;
        let (length, part) = match (rest.find(DELIMITER), rest.strip_prefix(DELIMITER)) {
            (_, Some(after)) => placeholder(after),
            (Some(next), None) => (next, Part::Text(rest.get(..next).unwrap_or_default())),
            (None, None) => (rest.len(), Part::Text(rest)),
        };
        offset += length;
        Some((start, part))
    })
}

/// The part that begins with a delimiter, with `after` behind it, and its length.
fn placeholder(after: &str) -> (usize, Part<'_>) {
    if after.starts_with(DELIMITER) {
        return (2 * DELIMITER.len(), Part::Escaped);
    }
    if let Some(name) = identifier(after) {
        return (DELIMITER.len() + name.len(), Part::Name(name));
    }
    let inner = after.strip_prefix('{');
    if let Some(name) = inner.and_then(identifier)
        && after.as_bytes().get(1 + name.len()) == Some(&b'}')
    {
        return (DELIMITER.len() + name.len() + 2, Part::Name(name));
    }
    (DELIMITER.len(), Part::Invalid)
}

/// The identifier that `text` begins with: ASCII letters, digits and `_`, no digit first.
fn identifier(text: &str) -> Option<&str> {
    let legal = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let length = text.bytes().take_while(legal).count();
    let name = text.get(..length)?;
    (!name.is_empty() && !name.starts_with(|first: char| first.is_ascii_digit())).then_some(name)
}

/// The names of all placeholders.
pub(super) fn names(text: &str) -> impl Iterator<Item = &str> {
    parts(text).filter_map(|(_, part)| match part {
        Part::Name(name) => Some(name),
        _ => None,
    })
}

/// `text` with its placeholders replaced, of at most `most` bytes; else the offset of what is wrong, and what it is.
pub(super) fn render(text: &str, values: &Values, most: usize) -> Result<String, (usize, String)> {
    let mut result = String::with_capacity(text.len());
    for (offset, part) in parts(text) {
        let piece = match part {
            Part::Text(text) => Cow::Borrowed(text),
            Part::Escaped => Cow::Borrowed(DELIMITER),
            Part::Name(name) => value(name, values).map_err(|message| (offset, message))?,
            Part::Invalid => {
                let message =
                    "invalid placeholder: expected `@@NAME` or `@@{NAME}`; `@@@@` stands for `@@`".to_owned();
                return Err((offset, message));
            }
        };
        if result.len().saturating_add(piece.len()) > most {
            return Err((offset, TOO_LARGE.to_owned()));
        }
        result.push_str(&piece);
    }
    Ok(result)
}

/// The text of a value.
fn value<'a>(name: &str, values: &'a Values) -> Result<Cow<'a, str>, String> {
    match values.get(name) {
        None => Err(unknown_name(name, values.names())),
        Some(Value::String(text)) => Ok(Cow::Borrowed(text)),
        // As Jinja prints them, and Python: `True`.
        Some(value @ (Value::Number(_) | Value::Bool(_))) => {
            Ok(Cow::Owned(minijinja::Value::from(minijinja::value::Serde(value)).to_string()))
        }
        Some(Value::Object(_)) => Err(format!("`{name}` is a table: a placeholder names a text")),
        Some(Value::Array(_)) => Err(format!("`{name}` is a list: a placeholder names a text")),
        Some(Value::Null) => Err(format!("`{name}` has no value")),
    }
}

/// Renders a template of any text: the parts are in order and cover it.
#[cfg(fuzzing)]
pub fn fuzz(text: &str) {
    let mut end = 0;
    for (offset, _) in parts(text) {
        assert!(offset == end || offset > end, "the parts are out of order");
        end = offset + 1;
    }
    let values = Values::new([("a".to_owned(), Value::from("x"))].into());
    let rendered = render(text, &values, 1 << 20);
    assert!(text.contains(DELIMITER) || rendered.as_deref() == Ok(text), "text without placeholders changed");
    if let Err((offset, _)) = rendered {
        assert!(text.is_char_boundary(offset), "the place of a mistake is inside of a character");
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use proptest::prelude::*;
    use proptest::strategy::ValueTree as _;
    use proptest::test_runner::TestRunner;

    use super::*;

    /// Renders each line of the input, a template as JSON, with Python's own class.
    const PYTHON: &str = "
import json, string, sys
class T(string.Template):
    delimiter = '@@'
values = {'a': 'X', 'B_2': 'yy', '_': '@@a', 'version': ''}
for line in sys.stdin:
    try:
        print(json.dumps(T(json.loads(line)).substitute(values)))
    except (KeyError, ValueError):
        print('null')
";

    /// What Python makes of templates; `None` for those with a mistake.
    fn python(templates: &[String]) -> Vec<Option<String>> {
        let mut child = Command::new("python3")
            .args(["-c", PYTHON])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 starts");
        let lines: String =
            templates.iter().map(|text| serde_json::to_string(text).unwrap() + "\n").collect();
        let mut input = child.stdin.take().unwrap();
        let writer = std::thread::spawn(move || input.write_all(lines.as_bytes()).unwrap());
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        assert!(output.status.success());
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn every_text_becomes_what_python_makes_of_it() {
        let mut templates: Vec<String> = [
            "@@a",
            "@@{a}",
            "@@a.b",
            "@@ab",
            "@@{a}b",
            "@@@@",
            "@@@",
            "@@@@@",
            "@@@@@@a",
            "@@@a",
            "@",
            "@@",
            "@@{",
            "@@{}",
            "@@{a",
            "@@{ a}",
            "@@1",
            "@@_",
            "@@B_2",
            "@@b_2",
            "@@é",
            "@@aé",
            "@@a\u{17f}",
            "@@\u{212a}",
            "@@{a\u{131}}",
            "a\r\n@@a\r",
            "",
            "@@version@@version",
            "@@a@@@@a",
            "@@a@",
            "@@{a}@@",
            "\0@@a",
        ]
        .map(str::to_owned)
        .into();
        let piece = prop_oneof![
            8 => prop::sample::select(vec!["@@", "@", "{", "}", "a", "B_2", "_", "version", "1", " ", "\n", "ſ", "é"])
                .prop_map(str::to_owned),
            1 => any::<char>().prop_map(|c| c.to_string()),
        ];
        let text = prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat());
        let mut runner = TestRunner::deterministic();
        templates.extend((0..3000).map(|_| text.new_tree(&mut runner).unwrap().current()));
        let values = [("a", "X"), ("B_2", "yy"), ("_", "@@a"), ("version", "")];
        let values = Values::new(values.map(|(name, text)| (name.to_owned(), text.into())).into());
        let theirs = python(&templates);
        assert_eq!(theirs.len(), templates.len());
        assert!(theirs.iter().flatten().count() > 500, "few of the templates are valid");
        for (template, theirs) in templates.iter().zip(theirs) {
            assert_eq!(render(template, &values, 1 << 20).ok(), theirs, "{template:?}");
        }
    }
}
