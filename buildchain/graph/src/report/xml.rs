//! Text in XML documents.

/// Escapes text for XML.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            // XML 1.0 cannot represent these.
            '\u{0}'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {
                escaped.push('\u{fffd}')
            }
            '\n' | '\t' => escaped.push(character),
            // Reports are shown on terminals.
            character if content::is_unsafe(character) => {
                escaped.push_str(&format!("&#x{:x};", u32::from(character)));
            }
            character => escaped.push(character),
        }
    }
    escaped
}

/// Escapes text for an attribute in XML, on one line: a parser would replace line ends by blanks.
pub(crate) fn attribute(text: &str) -> String {
    escape(text).replace('\n', "&#10;").replace('\t', "&#9;")
}
