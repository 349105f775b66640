//! Changing the active version of a Solution in the text of a file, line by line.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_saphyr::Spanned;

use super::edit::content;

#[derive(Deserialize)]
struct Lines {
    #[serde(default)]
    active: Option<BTreeMap<String, Spanned<String>>>,
}

/// The line of the key `active`, counted from 1; 1 if it is missing.
pub(super) fn line(text: &str) -> u64 {
    text.lines().zip(1..).find_map(|(line, number)| after_key(line).map(|_| number)).unwrap_or(1)
}

/// The text with `version` as the active version of the Solution `name`, or without one. `None` where that would change more
/// than a line.
pub(super) fn set(text: &str, name: &str, version: Option<&str>) -> Option<String> {
    let known = serde_saphyr::from_str::<Lines>(text).ok()?.active.unwrap_or_default();
    let index = |entry: &Spanned<String>| usize::try_from(entry.referenced.line()).ok()?.checked_sub(1);
    let mut lines: Vec<String> = text.lines().map(|line| format!("{line}\n")).collect();
    let mut keys = lines.iter().enumerate().filter(|(_, line)| after_key(line).is_some());
    let key = match (keys.next(), keys.next()) {
        (Some((key, _)), None) => key,
        (Some(_), Some(_)) => return None,
        (None, _) => {
            lines.push("active: {}\n".to_owned());
            lines.len() - 1
        }
    };
    // A JSON string is a YAML scalar in double quotes (YAML 1.2, section 1.3): 1.0 stays a version, not a number.
    let entry = version.map(|version| format!("{name}: {}", serde_json::Value::from(version)));
    let rest = after_key(lines.get(key)?.trim_end())?.to_owned();
    if !known.is_empty() && known.values().all(|entry| index(entry) == Some(key)) {
        let others = known.iter().filter(|(known, _)| *known != name);
        let others = others
            .map(|(known, entry)| format!("{known}: {}", serde_json::Value::from(entry.value.as_str())));
        let all: Vec<String> = others.chain(entry).collect();
        let end = rest.split(" #").next()?.rfind('}')?;
        *lines.get_mut(key)? = format!("active: {{{}{}\n", all.join(", "), rest.get(end..)?);
        return Some(lines.concat());
    }
    match (known.get(name), entry) {
        (Some(found), Some(entry)) => {
            let line = lines.get_mut(index(found)?)?;
            // Up to its comment, with the spaces in it.
            let value = line.split(" #").next()?.trim_end();
            let comment = line.get(value.len()..)?;
            *line = format!("{}{entry}{comment}", indent_of(line));
        }
        (Some(found), None) => {
            lines.remove(index(found)?);
            if known.len() == 1 {
                *lines.get_mut(key)? = format!("active: {{}}{rest}\n");
            }
        }
        (None, Some(entry)) => match known.values().filter_map(index).max() {
            Some(last) => {
                let indent = indent_of(lines.get(last)?).to_owned();
                lines.insert(last + 1, format!("{indent}{entry}\n"));
            }
            None if matches!(content(&rest), "" | "{}" | "{ }" | "null" | "~") => {
                let comment =
                    rest.find('#').and_then(|at| rest.get(at..)).map(|comment| format!("  {comment}"));
                *lines.get_mut(key)? = format!("active:{}\n", comment.unwrap_or_default());
                lines.insert(key + 1, format!("  {entry}\n"));
            }
            None => return None,
        },
        (None, None) => {}
    }
    Some(lines.concat())
}

/// The rest of the line after the key.
fn after_key(line: &str) -> Option<&str> {
    line.strip_prefix("active:").filter(|rest| rest.trim_end().is_empty() || rest.starts_with([' ', '\t']))
}

fn indent_of(line: &str) -> &str {
    line.get(..line.len() - line.trim_start_matches(' ').len()).unwrap_or_default()
}
