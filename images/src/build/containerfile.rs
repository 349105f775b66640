//! Which images a `Containerfile` is built from: what must be known, and pinned, before an engine runs it.
//!
//! Only as much is read as that takes: `FROM`, `COPY --from` and `RUN --mount=…,from=`, with the arguments that stand before
//! the first `FROM`. The rest is the engine's.

use std::collections::BTreeMap;

use crate::{Platform, Reference};

/// The most bytes of a text with its variables replaced. A reference is far shorter; variables that hold each other grow
/// exponentially.
const EXPANDED_MAX: usize = 4096;

/// An image that a `Containerfile` names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseReference {
    /// As it is written, variables included.
    pub written: String,
    /// With its variables replaced.
    pub expanded: String,
    /// What is meant.
    pub reference: Reference,
}

/// What cannot be read, or names an image that cannot be pinned.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct ContainerfileError {
    /// The line of the instruction, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub reason: String,
}

/// The images that `text` names, each once, in their order. `arguments` are the build's; `platform` is what it is for.
///
/// # Errors
///
/// [`ContainerfileError`].
pub fn bases(
    text: &str,
    arguments: &BTreeMap<String, String>,
    platform: &Platform,
) -> Result<Vec<BaseReference>, ContainerfileError> {
    let mut found = Found { variables: predefined(platform), stages: Vec::new(), bases: Vec::new() };
    for Instruction { line, text } in instructions(text) {
        let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((&text, ""));
        match word.to_ascii_uppercase().as_str() {
            "ARG" if found.stages.is_empty() => found.arguments(rest, arguments),
            "FROM" => found.stage(rest),
            "COPY" | "ADD" | "RUN" => found.sources(rest),
            _ => Ok(()),
        }
        .map_err(|reason| ContainerfileError { line, reason })?;
    }
    if found.stages.is_empty() {
        return Err(ContainerfileError { line: 1, reason: "expected a FROM, found none".into() });
    }
    Ok(found.bases)
}

/// The paths that the instructions `COPY` and `ADD` of `text` copy from the context: those without patterns and variables.
#[must_use]
pub fn copied(text: &str) -> Vec<String> {
    let mut copied = Vec::new();
    for Instruction { text, .. } in instructions(text) {
        let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((&text, ""));
        if !["COPY", "ADD"].iter().any(|known| word.eq_ignore_ascii_case(known)) || rest.contains("--from=") {
            continue;
        }
        // `COPY ["from", "to"]` has the words of the other form, in quotes and with commas.
        let rest = rest.trim_start_matches('[').trim_end_matches(']').replace("\",", "\" ");
        let Ok(mut words) = words(&rest) else { continue };
        words.retain(|word| !word.starts_with("--"));
        words.pop();
        words.retain(|word| {
            !word.contains(['$', '*', '?', '[']) && !word.contains("://") && !word.starts_with("<<")
        });
        copied.append(&mut words);
    }
    copied
}

/// What the part that has been read says.
struct Found {
    variables: BTreeMap<String, String>,
    /// The names of the stages in lower case, empty where they have none.
    stages: Vec<String>,
    bases: Vec<BaseReference>,
}

impl Found {
    /// `ARG NAME=default NAME`
    fn arguments(&mut self, rest: &str, given: &BTreeMap<String, String>) -> Result<(), String> {
        for word in words(rest)? {
            let (name, default) =
                word.split_once('=').map_or((&*word, None), |(name, value)| (name, Some(value)));
            if name.is_empty() {
                return Err(format!("`ARG {rest}` has no name"));
            }
            let value = match (given.get(name), default) {
                (Some(value), _) => value.clone(),
                (None, Some(default)) => self.expand(default)?,
                (None, None) => continue,
            };
            self.variables.insert(name.to_owned(), value);
        }
        Ok(())
    }

    /// `FROM [--platform=…] IMAGE [AS NAME]`
    fn stage(&mut self, rest: &str) -> Result<(), String> {
        let words: Vec<String> = words(rest)?.into_iter().filter(|word| !word.starts_with("--")).collect();
        let (image, name) = match words.as_slice() {
            [image] => (image, ""),
            [image, between, name] if between.eq_ignore_ascii_case("as") => (image, name.as_str()),
            _ => return Err(format!("expected `FROM image [AS name]`, found `FROM {rest}`")),
        };
        self.image(image)?;
        self.stages.push(name.to_ascii_lowercase());
        Ok(())
    }

    /// `--from=IMAGE` and `--mount=type=bind,from=IMAGE,…`; a number is a stage.
    fn sources(&mut self, rest: &str) -> Result<(), String> {
        for word in rest.split_whitespace().take_while(|word| word.starts_with("--")) {
            let from = match word.strip_prefix("--mount=") {
                Some(mount) => mount.split(',').find_map(|part| part.strip_prefix("from=")),
                None => word.strip_prefix("--from="),
            };
            match from.map(|from| from.trim_matches(['"', '\''])) {
                Some(from) if from.parse::<usize>().is_err() => self.image(from)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Records an image, unless it is an earlier stage or `scratch`.
    fn image(&mut self, written: &str) -> Result<(), String> {
        let text = self.expand(written)?;
        if text == "scratch" || self.stages.contains(&text.to_ascii_lowercase()) {
            return Ok(());
        }
        let name = text.strip_prefix("docker://").unwrap_or(&text);
        let reference = name.parse().map_err(|error| format!("{error}"))?;
        let base = BaseReference { written: written.to_owned(), expanded: text, reference };
        if !self.bases.contains(&base) {
            self.bases.push(base);
        }
        Ok(())
    }

    /// Puts values in place of `$NAME`, `${NAME}`, `${NAME:-default}` and `${NAME:+other}`.
    fn expand(&self, text: &str) -> Result<String, String> {
        let mut expanded = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('$') {
            expanded.push_str(before);
            let (inner, behind) = match after.strip_prefix('{') {
                Some(braced) => braced.split_once('}').ok_or_else(|| format!("`{text}` lacks a `}}`"))?,
                None => {
                    let end =
                        after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len());
                    after.split_at_checked(end).unwrap_or((after, ""))
                }
            };
            let end = inner.find(':').unwrap_or(inner.len());
            let (name, modifier) = inner.split_at_checked(end).unwrap_or((inner, ""));
            let value = self.variables.get(name).filter(|value| !value.is_empty());
            match (value, modifier.get(..2), modifier.get(2..).unwrap_or_default()) {
                (Some(_), Some(":+"), other) => expanded.push_str(other),
                (None, Some(":-"), default) => expanded.push_str(default),
                (Some(value), None | Some(":-"), _) => expanded.push_str(value),
                (None, Some(":+"), _) => {}
                (None, None, _) if !name.is_empty() => {
                    return Err(format!(
                        "`{text}` cannot be pinned: expected a value for `{name}` from an ARG before the first FROM or from \
                         the build's arguments, found none"
                    ));
                }
                _ => return Err(format!("`{text}` is not understood")),
            }
            rest = behind;
            if expanded.len() > EXPANDED_MAX {
                let start: String = text.chars().take(200).collect();
                return Err(format!("`{start}` is over {EXPANDED_MAX} bytes with its values"));
            }
        }
        expanded.push_str(rest);
        Ok(expanded)
    }
}

/// What engines define for the first part of every file.
fn predefined(platform: &Platform) -> BTreeMap<String, String> {
    let Platform { os, architecture, variant } = platform;
    let mut variables = BTreeMap::new();
    for side in ["TARGET", "BUILD"] {
        variables.insert(format!("{side}PLATFORM"), platform.to_string());
        variables.insert(format!("{side}OS"), os.clone());
        variables.insert(format!("{side}ARCH"), architecture.clone());
        variables.insert(format!("{side}VARIANT"), variant.clone().unwrap_or_default());
    }
    variables
}

/// Blanks separate words; quotes hold them together and are taken off.
fn words(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word = None::<String>;
    let mut quote = None;
    for character in text.chars() {
        match (quote, character) {
            (Some(open), close) if open == close => quote = None,
            (None, '"' | '\'') => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (None, blank) if blank.is_whitespace() => words.extend(word.take()),
            (_, other) => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    match quote {
        Some(quote) => Err(format!("a quote is not closed: expected another {quote} in `{text}`")),
        None => Ok(words),
    }
}

/// An instruction on one line, however it was written.
struct Instruction {
    /// Where it begins, from 1.
    line: u64,
    text: String,
}

/// The instructions of a file: lines joined where they end in the escape character, comments and here-documents left out.
fn instructions(text: &str) -> Vec<Instruction> {
    let escape = escape(text);
    let mut found: Vec<Instruction> = Vec::new();
    let mut open: Option<Instruction> = None;
    let mut documents: Vec<Delimiter> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        if let Some(document) = documents.first() {
            if document.ends(line) {
                documents.remove(0);
            }
            continue;
        }
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            continue;
        }
        let mut instruction =
            open.take().unwrap_or_else(|| Instruction { line: number, text: String::new() });
        match trimmed.strip_suffix(escape) {
            Some(part) => {
                instruction.text.push_str(part);
                instruction.text.push(' ');
                open = Some(instruction);
            }
            None => {
                instruction.text.push_str(trimmed);
                documents = delimiters(&instruction.text);
                found.push(instruction);
            }
        }
    }
    found.extend(open);
    found
}

/// The character that joins lines: a directive in the first comments may choose the backtick.
fn escape(text: &str) -> char {
    let directives = text.lines().map_while(|line| line.trim().strip_prefix('#')?.split_once('='));
    let chosen = directives.filter(|(name, _)| name.trim().eq_ignore_ascii_case("escape")).last();
    chosen.and_then(|(_, value)| value.trim().chars().next()).unwrap_or('\\')
}

/// What ends a here-document.
struct Delimiter {
    word: String,
    /// `<<-`: tabs before it do not count.
    tabs: bool,
}

impl Delimiter {
    fn ends(&self, line: &str) -> bool {
        (if self.tabs { line.trim_start_matches('\t') } else { line }) == self.word
    }
}

/// The here-documents that follow a `RUN`, `COPY` or `ADD`.
fn delimiters(instruction: &str) -> Vec<Delimiter> {
    let word = instruction.split_whitespace().next().unwrap_or_default();
    if !["RUN", "COPY", "ADD"].iter().any(|known| word.eq_ignore_ascii_case(known)) {
        return Vec::new();
    }
    let documents = instruction
        .split_whitespace()
        .filter_map(|word| word.trim_start_matches(|c: char| c.is_ascii_digit()).strip_prefix("<<"));
    documents
        .filter_map(|word| {
            let tabs = word.starts_with('-');
            let word = word.trim_start_matches('-').trim_matches(['"', '\'']);
            let plain = word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            (plain && !word.is_empty()).then(|| Delimiter { word: word.to_owned(), tabs })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Result<Vec<String>, String> {
        let arguments = BTreeMap::from([("GIVEN".to_owned(), "7".to_owned())]);
        let platform = "linux/arm64".parse().unwrap();
        match bases(text, &arguments, &platform) {
            Ok(bases) => Ok(bases.into_iter().map(|base| base.reference.to_string()).collect()),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn files_of_the_context() {
        for (text, expected) in [
            ("COPY a /a\nadd --chown=0 b/c ./d /e/", &["a", "b/c", "./d"][..]),
            ("COPY [\"a b\", \"c\", \"/d\"]", &["a b", "c"]),
            ("COPY --from=x a /a\nADD https://example.com/a /a\nCOPY $A *.go /a\nCOPY a", &[]),
            ("COPY a \\\n  b /c", &["a", "b"]),
        ] {
            assert_eq!(copied(text), expected, "{text}");
        }
    }

    #[test]
    fn images_are_found_wherever_they_stand() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let pinned = format!("FROM alpine:3@{digest}");
        for (text, expected) in [
            ("FROM scratch", &[][..]),
            (
                "from alpine:3 as Build\nFROM build\nCOPY --from=build /a /b\nCOPY --from=0 /a /b",
                &["alpine:3"],
            ),
            ("# c\n\nFROM --platform=linux/amd64 \\\n  # inside\n  alpine:3 AS x", &["alpine:3"]),
            ("# escape=`\nFROM `\nalpine:3", &["alpine:3"]),
            ("ARG V=3\nARG I=alpine:$V\nFROM ${I}", &["alpine:3"]),
            ("ARG GIVEN=1 V=\"3\"\nFROM alpine:${GIVEN}.$V", &["alpine:7.3"]),
            ("ARG GIVEN\nFROM alpine:$GIVEN", &["alpine:7"]),
            ("FROM alpine:${V:-9}${TARGETARCH:+-arm}", &["alpine:9-arm"]),
            ("FROM alpine-$TARGETARCH:1", &["alpine-arm64:1"]),
            ("FROM a:1\nFROM a:1\nFROM b:1", &["a:1", "b:1"]),
            (
                "FROM a:1\nCOPY --chown=0 --from=b:1 /x /y\nRUN --mount=type=bind,from=c:1,target=/c true",
                &["a:1", "b:1", "c:1"],
            ),
            (
                "FROM a:1\nRUN echo --from=b:1\nRUN <<EOF cat <<-'TWO'\nFROM c:1\nEOF\n\tFROM d:1\n\tTWO\nCOPY --from=e:1 / /",
                &["a:1", "e:1"],
            ),
            (&pinned, &[&pinned[5..]]),
            ("FROM docker://quay.io/a/b:1", &["quay.io/a/b:1"]),
        ] {
            let expected: Vec<String> =
                expected.iter().map(|text| text.parse::<Reference>().unwrap().to_string()).collect();
            assert_eq!(found(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_pinned_is_said_with_its_line() {
        let doubled = format!("ARG A=aaaa\n{}FROM $A", "ARG A=$A$A\n".repeat(40));
        for (text, expected) in [
            ("", "expected a FROM"),
            ("RUN true", "expected a FROM"),
            ("\n# x\nFROM a b", "line 3: expected `FROM image [AS name]`"),
            ("FROM alpine:$V", "line 1: `alpine:$V` cannot be pinned"),
            ("FROM a:1\nARG V=1\nCOPY --from=b:$V / /", "line 3: `b:$V` cannot be pinned"),
            ("FROM ${V", "lacks a `}`"),
            ("ARG =x\nFROM a", "line 1: `ARG =x` has no name"),
            (&doubled, "bytes with its values"),
            ("FROM scrat'ch", "a quote is not closed: expected another ' in `scrat'ch`"),
            ("ARG A=\"x\nFROM scratch", "a quote is not closed"),
            ("FROM ${V:?x}", "not understood"),
            ("FROM $", "not understood"),
            ("FROM UPPER/x:1:2", "not an image reference"),
            ("FROM oci:/somewhere", "not an image reference"),
        ] {
            let error = found(text).unwrap_err();
            assert!(error.contains(expected), "{text:?}: {error}");
        }
    }
}
