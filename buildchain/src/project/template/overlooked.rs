//! Names of values that minijinja's list of undeclared variables lacks: that of a sliced value (`tag[1:]`), and those on the
//! right of an assignment to the same name (`set tag = tag ~ "x"`). Too many are found rather than too few: the words of the
//! code that can have such a form.

/// The statements whose names can hide others.
const HIDING: [&str; 7] = ["autoescape", "call", "filter", "from", "macro", "set", "with"];

/// The words of those blocks of the Jinja template `text` that can have names that minijinja overlooks.
pub(in crate::project) fn in_blocks(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(start) = ["{{", "{%"].iter().filter_map(|open| rest.find(open)).min() {
        let block = rest.get(start + 2..).unwrap_or_default();
        let (code, after) = code(block);
        found.extend(words(&code));
        rest = after;
    }
    found
}

/// The same for a template whose delimiters are not known: all of it counts as code.
pub(super) fn in_code(text: &str) -> Vec<&str> {
    words(&[text])
}

/// The parts of a block outside of its quoted texts, and what follows the block.
fn code(block: &str) -> (Vec<&str>, &str) {
    let (mut parts, mut start, mut quote) = (Vec::new(), 0, None);
    let mut characters = block.char_indices().peekable();
    while let Some((index, c)) = characters.next() {
        match quote {
            Some(_) if c == '\\' => drop(characters.next()),
            Some(open) if c == open => (quote, start) = (None, index + 1),
            Some(_) => {}
            None if matches!(c, '"' | '\'') => {
                parts.extend(block.get(start..index));
                quote = Some(c);
            }
            None if matches!(c, '}' | '%') && characters.peek().is_some_and(|(_, next)| *next == '}') => {
                parts.extend(block.get(start..index));
                return (parts, block.get(index + 2..).unwrap_or_default());
            }
            None => {}
        }
    }
    if quote.is_none() {
        parts.extend(block.get(start..));
    }
    (parts, "")
}

/// The first names of the paths in `parts`, if names can be hidden there.
fn words<'a>(parts: &[&'a str]) -> Vec<&'a str> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let is_hiding =
        |part: &&str| part.contains(':') || part.split(|c| !is_word(c)).any(|word| HIDING.contains(&word));
    if !parts.iter().any(is_hiding) {
        return Vec::new();
    }
    let paths = parts.iter().flat_map(|part| part.split(move |c| !is_word(c) && c != '.'));
    paths.filter_map(|path| path.split('.').next()).filter(|word| !word.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_blocks_that_can_hide_names_are_found() {
        for (text, expected) in [
            ("tag: {{ tag }}", &[][..]),
            ("tag: {{ tag[1:] }} name: {{ x }}", &["tag", "1"]),
            ("{% set tag = tag ~ 'name' %}{{ tag }}", &["set", "tag", "tag"]),
            ("{%- with a = a.b %}", &["with", "a", "a"]),
            ("{{ '}}' ~ a[:2] ~ \"\\\"b\" }} c", &["a", "2"]),
            ("{{ a[:2] ~ 'b", &["a", "2"]),
            ("{{ é[:1]", &["é", "1"]),
            ("{{", &[]),
        ] {
            assert_eq!(in_blocks(text), expected, "{text}");
        }
    }
}
