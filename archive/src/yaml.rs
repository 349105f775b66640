//! YAML that parsers of YAML 1.1 and 1.2 read alike.

use serde_json::{Number, Value};

/// The longest key on one line, in characters (YAML 1.2.2, 7.4).
const KEY_MAX: usize = 1024;

/// `value` as one document.
///
/// # Errors
///
/// A key is longer than YAML allows.
pub fn document(value: &Value) -> Result<String, String> {
    let mut text = String::new();
    node(value, 0, &mut text)?;
    Ok(text)
}

/// The items of the list `value` as documents.
///
/// # Errors
///
/// `value` is not a list; a key is longer than YAML allows.
pub fn documents(value: &Value) -> Result<String, String> {
    let Value::Array(items) = value else { return Err("`yamlDocuments` needs a list".into()) };
    let documents: Vec<String> = items.iter().map(document).collect::<Result<_, _>>()?;
    Ok(documents.join("---\n"))
}

/// Writes a value at the start of a line, or after `- ` in which case its further lines have `indent` blanks.
fn node(value: &Value, indent: usize, text: &mut String) -> Result<(), String> {
    match value {
        Value::Object(entries) if !entries.is_empty() => {
            for (position, (key, value)) in entries.iter().enumerate() {
                if position > 0 {
                    blanks(indent, text);
                }
                let key = scalar(key);
                if key.chars().count() > KEY_MAX {
                    return Err(format!("a key of more than {KEY_MAX} characters, which YAML does not have"));
                }
                text.push_str(&key);
                text.push(':');
                match value {
                    Value::Object(inner) if !inner.is_empty() => {
                        text.push('\n');
                        blanks(indent + 2, text);
                        node(value, indent + 2, text)?;
                    }
                    // The items stand below their key, as most writers have it.
                    Value::Array(inner) if !inner.is_empty() => {
                        text.push('\n');
                        blanks(indent, text);
                        node(value, indent, text)?;
                    }
                    scalar => {
                        text.push(' ');
                        node(scalar, indent + 2, text)?;
                    }
                }
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (position, item) in items.iter().enumerate() {
                if position > 0 {
                    blanks(indent, text);
                }
                text.push_str("- ");
                node(item, indent + 2, text)?;
            }
        }
        Value::Object(_) => text.push_str("{}\n"),
        Value::Array(_) => text.push_str("[]\n"),
        Value::Null => text.push_str("null\n"),
        Value::Bool(value) => text.push_str(if *value { "true\n" } else { "false\n" }),
        Value::Number(value) => {
            text.push_str(&number(value));
            text.push('\n');
        }
        Value::String(value) => string(value, indent.max(2), text),
    }
    Ok(())
}

fn blanks(count: usize, text: &mut String) {
    text.extend(std::iter::repeat_n(' ', count));
}

/// A number. YAML 1.1 takes only one with a point for a fraction, and only an exponent with a sign for one.
fn number(number: &Number) -> String {
    let text = number.to_string();
    let Some((mantissa, exponent)) = text.split_once(['e', 'E']) else { return text };
    let point = if mantissa.contains('.') { "" } else { ".0" };
    let sign = if exponent.starts_with(['+', '-']) { "" } else { "+" };
    format!("{mantissa}{point}e{sign}{exponent}")
}

/// A text and the end of its line. Lines of a block have `indent` blanks.
fn string(value: &str, indent: usize, text: &mut String) {
    if !is_block(value) {
        text.push_str(&scalar(value));
        text.push('\n');
        return;
    }
    // How many line breaks end it.
    text.push_str(match (value.ends_with('\n'), value.ends_with("\n\n")) {
        (false, _) => "|-\n",
        (true, false) => "|\n",
        (true, true) => "|+\n",
    });
    for line in value.strip_suffix('\n').unwrap_or(value).split('\n') {
        if !line.is_empty() {
            blanks(indent, text);
            text.push_str(line);
        }
        text.push('\n');
    }
}

/// Whether a text is written as a block of lines: it has several, and none that parsers take differently.
fn is_block(value: &str) -> bool {
    value.trim_end_matches('\n').contains(|c| c != '\n')
        && value.contains('\n')
        && !value.starts_with([' ', '\t', '\n'])
        && value.chars().all(|c| matches!(c, '\n' | '\t') || is_printable(c))
        && value.split('\n').all(|line| line.is_empty() || !line.trim_matches([' ', '\t']).is_empty())
}

/// Whether both versions of YAML have the character as it is. A byte order mark counts as none, and nor do the further line
/// breaks of YAML 1.1.
fn is_printable(c: char) -> bool {
    matches!(c, ' '..='~' | '\u{a0}'..='\u{2027}' | '\u{202a}'..='\u{d7ff}' | '\u{e000}'..='\u{fefe}' | '\u{ff00}'..='\u{fffd}' | '\u{10000}'..)
}

/// A text on one line: bare, if every parser takes it for a text, otherwise in quotes.
#[must_use]
pub fn scalar(value: &str) -> String {
    if is_plain(value) {
        return value.to_owned();
    }
    if value.chars().all(is_printable) {
        return format!("'{}'", value.replace('\'', "''"));
    }
    let mut text = String::from("\"");
    for c in value.chars() {
        match c {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\t' => text.push_str("\\t"),
            c if is_printable(c) => text.push(c),
            c => match u32::from(c) {
                code @ 0..=0xff => text += &format!("\\x{code:02X}"),
                code @ 0x100..=0xffff => text += &format!("\\u{code:04X}"),
                code => text += &format!("\\U{code:08X}"),
            },
        }
    }
    text.push('"');
    text
}

/// Words that some parser takes for something else than a text.
const WORDS: [&str; 11] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"];

/// Whether every parser takes the bare `value` for this text.
fn is_plain(value: &str) -> bool {
    let starts = |c: char| c.is_ascii_alphabetic() || matches!(c, '_' | '/');
    let legal = |c: char| c == ' ' || c.is_ascii_graphic();
    value.starts_with(starts)
        && value.chars().all(legal)
        && !value.ends_with([' ', ':'])
        && !value.contains(": ")
        && !value.contains(" #")
        && !WORDS.contains(&value.to_ascii_lowercase().as_str())
}
