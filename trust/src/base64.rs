//! Base64 as DSSE has it: the standard or the URL-safe alphabet, with or without padding.

use ::base64::Engine as _;
use ::base64::alphabet::{STANDARD, URL_SAFE};
use ::base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::Fault;

const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);

/// The bytes of a field.
///
/// # Errors
///
/// [`Fault::Base64`] for blanks, letters of both alphabets, and bits after the last byte.
pub(crate) fn decode(text: &str, field: &'static str) -> Result<Vec<u8>, Fault> {
    let fault = |reason| Fault::Base64 { field, reason };
    if text.contains(|letter: char| letter.is_whitespace()) {
        return Err(fault("it has whitespace"));
    }
    let (standard, url_safe) = (text.contains(['+', '/']), text.contains(['-', '_']));
    let alphabet = match (standard, url_safe) {
        (true, true) => return Err(fault("it mixes the standard and the URL-safe alphabet")),
        (_, false) => &STANDARD,
        (false, true) => &URL_SAFE,
    };
    GeneralPurpose::new(alphabet, LENIENT).decode(text).map_err(|error| {
        fault(match error {
            ::base64::DecodeError::InvalidLastSymbol { .. } => "it has bits after the last byte",
            ::base64::DecodeError::InvalidByte(..) => "it has a character that is not base64",
            _ => "its length or padding is wrong",
        })
    })
}

/// Standard and padded, as we write it.
pub(crate) fn encode(bytes: &[u8]) -> String {
    ::base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// Standard without padding, as OpenSSH writes fingerprints.
pub(crate) fn encode_unpadded(bytes: &[u8]) -> String {
    ::base64::engine::general_purpose::STANDARD_NO_PAD.encode(bytes)
}
