//! Text with its signature in one file: the cleartext signature framework (RFC 9580, section 7).
//!
//! The signature covers the lines without the blanks at their ends, joined with CR and LF, and no end of the last line.

use super::SIGNATURE_MAX;
use super::fault::SignatureFault;

const BEGIN: &str = "-----BEGIN PGP SIGNED MESSAGE-----";
const SIGNATURE: &str = "-----BEGIN PGP SIGNATURE-----";
const END: &str = "-----END PGP SIGNATURE-----";

/// The lines of a text as they are signed.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.split('\n').map(|line| line.trim_end_matches([' ', '\t', '\r']))
}

/// What is signed of a text.
pub(super) fn canonical(text: &str) -> String {
    lines(text).collect::<Vec<_>>().join("\r\n")
}

/// A text with its armoured signature. `hash` is the name of the hash algorithm.
pub(super) fn join(text: &str, hash: &str, signature: &[u8]) -> Vec<u8> {
    let mut joined = format!("{BEGIN}\nHash: {hash}\n\n");
    for line in lines(text) {
        if line.starts_with('-') {
            joined.push_str("- ");
        }
        joined.push_str(line);
        joined.push('\n');
    }
    let mut joined = joined.into_bytes();
    joined.extend_from_slice(signature);
    joined
}

/// The text of a file, with a line feed after each line, and its armoured signature. A file that has anything before or after them
/// is refused: programs differ in what they take for the signed text then.
pub(super) fn split(file: &[u8]) -> Result<(String, &str), SignatureFault> {
    let fault = |reason: &str| SignatureFault::Unreadable(reason.to_owned());
    let file = std::str::from_utf8(file).map_err(|_| fault("it is not text in UTF-8"))?;
    let (first, mut rest) = file.split_once('\n').unwrap_or((file, ""));
    if first.trim_end() != BEGIN {
        return Err(fault("it does not begin with the line `-----BEGIN PGP SIGNED MESSAGE-----`"));
    }
    loop {
        let Some((line, next)) = rest.split_once('\n') else { return Err(fault("it is cut off")) };
        rest = next;
        match line.trim_end() {
            "" => break,
            line if line.starts_with("Hash: ") => {}
            _ => return Err(fault("it has a header other than `Hash`")),
        }
    }
    let mut text = String::new();
    let signature = loop {
        let Some((line, next)) = rest.split_once('\n') else { return Err(fault("it is cut off")) };
        if line.trim_end() == SIGNATURE {
            break rest;
        }
        let line = line.strip_prefix("- ").map_or_else(
            || if line.starts_with('-') { Err(fault("a line begins with `-`")) } else { Ok(line) },
            Ok,
        )?;
        text.push_str(line.trim_end_matches([' ', '\t', '\r']));
        text.push('\n');
        rest = next;
    };
    if signature.len() as u64 > SIGNATURE_MAX {
        return Err(fault("its signature is too long"));
    }
    let after = signature.split_once(END).ok_or_else(|| fault("it is cut off"))?.1;
    if !after.trim().is_empty() {
        return Err(fault("it has text after the signature"));
    }
    Ok((text, signature))
}
