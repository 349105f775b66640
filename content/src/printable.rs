//! Text from outside, made fit for a terminal and for a line of a report.

use std::fmt::{self, Write as _};
use std::path::Path;

/// Shows `text` with every character that could move the cursor, end the line, change colors or reorder the line
/// escaped as Rust escapes it (`\n`, `\u{1b}`). A backslash stays, so paths and globs read as they were written.
///
/// ```
/// assert_eq!(content::printable("a\nb\u{1b}[2J").to_string(), r"a\nb\u{1b}[2J");
/// assert_eq!(content::printable("Überblick.md").to_string(), "Überblick.md");
/// ```
#[must_use]
pub fn printable(text: &str) -> Printable<'_> {
    Printable(Bytes::Text(text))
}

/// As [`printable`], for a path: bytes that are not UTF-8 are shown as `\xNN`.
#[must_use]
pub fn printable_path(path: &Path) -> Printable<'_> {
    Printable(Bytes::Raw(path.as_os_str().as_encoded_bytes()))
}

/// As [`printable`], for text of several lines: ends of lines and tabs stay. Names that are part of it are escaped on their
/// own, with [`printable`]: here they could begin a line.
#[must_use]
pub fn printable_lines(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for (count, line) in text.split('\n').enumerate() {
        if count > 0 {
            shown.push('\n');
        }
        for (count, piece) in line.split('\t').enumerate() {
            if count > 0 {
                shown.push('\t');
            }
            escape(piece, &mut shown);
        }
    }
    shown
}

/// As [`printable`], of the first `max` characters; an ellipsis stands for the others.
///
/// ```
/// assert_eq!(content::printable_start("one\ntwo", 5), r"one\nt…");
/// ```
#[must_use]
pub fn printable_start(text: &str, max: usize) -> String {
    let (start, more) = match text.char_indices().nth(max) {
        Some((end, _)) => (text.get(..end).unwrap_or(text), "…"),
        None => (text, ""),
    };
    format!("{}{more}", printable(start))
}

/// A JSON document without the characters that JSON allows in strings and that act on a terminal: they are escaped as JSON
/// does it, so the document says the same.
#[must_use]
pub fn printable_json(document: &str) -> String {
    let mut shown = String::with_capacity(document.len());
    for character in document.chars() {
        if character != '\n' && is_unsafe(character) {
            let mut units = [0; 2];
            for unit in character.encode_utf16(&mut units) {
                shown.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            shown.push(character);
        }
    }
    shown
}

/// Text that [`printable`] escapes when it is shown.
#[derive(Clone, Copy, Debug)]
pub struct Printable<'a>(Bytes<'a>);

#[derive(Clone, Copy, Debug)]
enum Bytes<'a> {
    Text(&'a str),
    Raw(&'a [u8]),
}

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Into one string first, so that width and alignment apply to the whole.
        let mut shown = String::new();
        match self.0 {
            Bytes::Text(text) => escape(text, &mut shown),
            Bytes::Raw(bytes) => {
                for chunk in bytes.utf8_chunks() {
                    escape(chunk.valid(), &mut shown);
                    for byte in chunk.invalid() {
                        write!(shown, "\\x{byte:02x}")?;
                    }
                }
            }
        }
        f.pad(&shown)
    }
}

fn escape(text: &str, shown: &mut String) {
    for character in text.chars() {
        if is_unsafe(character) {
            shown.extend(character.escape_debug());
        } else {
            shown.push(character);
        }
    }
}

/// Whether a character could move the cursor, end the line, change colors or reorder the line: control characters, line and
/// paragraph separators, and the marks that change the direction of a line.
#[must_use]
pub fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;

    use super::*;

    #[test]
    fn what_could_act_on_a_terminal_is_escaped_and_nothing_else() {
        let cases = [
            ("plain.iso", "plain.iso"),
            ("two words", "two words"),
            (r"back\slash", r"back\slash"),
            ("a\nb\r\tc\0", r"a\nb\r\tc\0"),
            ("\u{1b}]0;title\u{7}", r"\u{1b}]0;title\u{7}"),
            ("c1 \u{9b}2J", r"c1 \u{9b}2J"),
            ("\u{202e}gpj.exe", r"\u{202e}gpj.exe"),
            ("“quoted” – é 漢", "“quoted” – é 漢"),
        ];
        for (text, shown) in cases {
            assert_eq!(printable(text).to_string(), shown);
        }
    }

    #[test]
    fn text_of_lines_keeps_their_ends_and_tabs_and_json_says_the_same() {
        let text = "a\nb\tc\r\u{1b}[2J\u{9b}\u{202e}\u{7}";
        assert_eq!(printable_lines(text), "a\nb\tc\\r\\u{1b}[2J\\u{9b}\\u{202e}\\u{7}");
        let document = "[\n  \"\u{7f}\u{9b}\u{202e}é\"\n]";
        assert_eq!(printable_json(document), "[\n  \"\\u007f\\u009b\\u202eé\"\n]");
    }

    #[test]
    fn bytes_of_a_path_that_are_not_text_are_shown_as_numbers() {
        let path = Path::new(OsStr::from_bytes(b"a\xff\n/b"));
        assert_eq!(printable_path(path).to_string(), r"a\xff\n/b");
    }

    #[test]
    fn width_and_alignment_apply_to_what_is_shown() {
        assert_eq!(format!("{:>4}|{:<4}|", printable("\n"), printable("a")), r"  \n|a   |");
    }

    proptest::proptest! {
        #[test]
        fn no_text_at_all_gets_a_control_character_through(text: String) {
            proptest::prop_assert!(!printable(&text).to_string().contains(is_unsafe));
        }
    }
}
