//! Changing the list of archives in the text of a file, line by line.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_saphyr::Spanned;

/// The position of the list of archives.
#[derive(Debug)]
pub(super) struct List {
    /// The line of the key, counted from 1.
    pub(super) line: u64,
    /// The line of each item, counted from 1.
    items: Vec<u64>,
}

#[derive(Deserialize)]
struct Lines {
    #[serde(default, alias = "solutions")]
    archives: Option<Vec<Spanned<String>>>,
}

impl List {
    /// `None` where several lines start with the key.
    pub(super) fn find(text: &str) -> Option<Self> {
        let lines: Lines = serde_saphyr::from_str(text).ok()?;
        let items = lines.archives.unwrap_or_default().iter().map(|item| item.referenced.line()).collect();
        let mut keys = text.lines().zip(1_u64..).filter(|(line, _)| after_key(line).is_some());
        match (keys.next(), keys.next()) {
            (Some((_, line)), None) => Some(Self { line, items }),
            // A missing key is added after the last line.
            (None, _) => Some(Self { line: text.lines().count() as u64 + 1, items }),
            _ => None,
        }
    }

    /// Whether the whole list is on the line of its key: `archives: [/a.iso, /b.iso]`.
    fn is_flow(&self) -> bool {
        !self.items.is_empty() && self.items.iter().all(|line| *line == self.line)
    }
}

/// The rest of the line after the key of the list.
fn after_key(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("archives:").or_else(|| line.strip_prefix("solutions:"))?;
    (rest.is_empty() || rest.starts_with([' ', '\t'])).then_some(rest)
}

/// A line before its comment, trimmed. Sufficient for a key with a short value: `[]`, `null`, nothing.
pub(super) fn content(rest: &str) -> &str {
    rest.split_once('#').map_or(rest, |(content, _)| content).trim()
}

/// The text with one more item at the end of the list: the last of `wanted`.
pub(super) fn add(text: &str, list: &List, wanted: &[PathBuf]) -> Option<String> {
    let item = quoted(wanted.last()?)?;
    let mut lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
    if let Some(last) = lines.last_mut().filter(|last| !last.ends_with('\n')) {
        last.push('\n');
    }
    if list.is_flow() {
        return flow(text, list, wanted);
    }
    if let Some(last) = list.items.last() {
        // With the indentation and dash of the last item.
        let index = usize::try_from(*last).ok()?.checked_sub(1)?;
        let dash = dash_of(lines.get(index)?)?;
        lines.insert(index + 1, format!("{dash}{item}\n"));
        return Some(lines.concat());
    }
    let index = usize::try_from(list.line).ok()?.checked_sub(1)?;
    match lines.get_mut(index) {
        None => lines.push(format!("archives:\n  - {item}\n")),
        Some(line) => {
            let rest = after_key(line.trim_end())?;
            if !matches!(content(rest), "" | "[]" | "[ ]" | "null" | "~") {
                return None;
            }
            let comment = rest.find('#').and_then(|at| rest.get(at..)).map(|comment| format!("  {comment}"));
            let key = line.split_once(':')?.0.to_owned();
            *line = format!("{key}:{}\n", comment.unwrap_or_default());
            lines.insert(index + 1, format!("  - {item}\n"));
        }
    }
    Some(lines.concat())
}

/// The text without the item at `index` of the list; `wanted` are the others.
pub(super) fn remove(text: &str, list: &List, index: usize, wanted: &[PathBuf]) -> Option<String> {
    if list.is_flow() {
        return flow(text, list, wanted);
    }
    let mut lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
    let line = usize::try_from(*list.items.get(index)?).ok()?.checked_sub(1)?;
    dash_of(lines.get(line)?)?;
    lines.remove(line);
    if list.items.len() == 1 {
        let key = lines.get_mut(usize::try_from(list.line).ok()?.checked_sub(1)?)?;
        let rest = after_key(key.trim_end())?;
        if !content(rest).is_empty() {
            return None;
        }
        let name = key.split_once(':')?.0;
        *key = format!("{name}: []{}\n", key.trim_end().split_once(':')?.1);
    }
    Some(lines.concat())
}

/// The text with `wanted` between the brackets of a list on the line of its key. The caller parses the result, so a bracket
/// in a name or in a comment does no harm.
fn flow(text: &str, list: &List, wanted: &[PathBuf]) -> Option<String> {
    let mut lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
    let line = lines.get_mut(usize::try_from(list.line).ok()?.checked_sub(1)?)?;
    let (key, rest) = line.split_once('[')?;
    let end = rest.split(" #").next()?.rfind(']')?;
    let items: Vec<String> = wanted.iter().map(|archive| quoted(archive)).collect::<Option<_>>()?;
    *line = format!("{key}[{}{}", items.join(", "), rest.get(end..)?);
    Some(lines.concat())
}

/// The start of a line up to the value: spaces, a dash, spaces.
fn dash_of(line: &str) -> Option<&str> {
    let dash = line.find('-').filter(|at| line.get(..*at).is_some_and(|before| before.trim().is_empty()))?;
    let rest = line.get(dash + 1..)?;
    let blanks = rest.len() - rest.trim_start_matches(' ').len();
    if blanks == 0 { None } else { line.get(..dash + 1 + blanks) }
}

/// A path as a YAML scalar: plain where that is unambiguous.
fn quoted(path: &Path) -> Option<String> {
    let path = path.to_str()?;
    if path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._-+@=~".contains(&byte)) {
        return Some(path.to_owned());
    }
    // A JSON string is a YAML scalar in double quotes (YAML 1.2, section 1.3).
    Some(serde_json::Value::from(path).to_string())
}
