//! PEM files with one key (RFC 7468).

use ::base64::Engine as _;
use p256::elliptic_curve::zeroize::Zeroizing;

use super::KEY_MAX;
use crate::Fault;

const STANDARD: ::base64::engine::GeneralPurpose = ::base64::engine::general_purpose::STANDARD;

/// A block of a PEM file.
pub(crate) struct Block {
    pub(crate) label: String,
    pub(crate) der: Zeroizing<Vec<u8>>,
}

/// The blocks of a file, between which only blanks may stand.
pub(crate) fn blocks(file: &[u8]) -> Result<Vec<Block>, Fault> {
    if file.len() as u64 > KEY_MAX {
        return Err(Fault::NotPem("the file is too large"));
    }
    let text = str::from_utf8(file).map_err(|_| Fault::NotPem("it is not text"))?;
    let mut blocks = Vec::new();
    let mut has_text = false;
    let mut lines = text.lines().map(str::trim_end);
    while let Some(line) = lines.next() {
        let Some(label) = line.strip_prefix("-----BEGIN ").and_then(|rest| rest.strip_suffix("-----")) else {
            has_text |= !line.is_empty();
            continue;
        };
        let mut body = Zeroizing::new(String::with_capacity(text.len()));
        loop {
            let Some(line) = lines.next() else { return Err(Fault::NotPem("its end is missing")) };
            if let Some(end) = line.strip_prefix("-----END ") {
                if end.strip_suffix("-----") != Some(label) {
                    return Err(Fault::NotPem("its first and last line differ"));
                }
                break;
            }
            // The header of keys that OpenSSL encrypted before version 1.0.
            if line.starts_with("Proc-Type:") && line.contains("ENCRYPTED") {
                return Err(Fault::KeyEncryption("OpenSSL's form before PKCS#8".into()));
            }
            body.push_str(line);
        }
        let mut der = Zeroizing::new(vec![0; body.len()]);
        let length = STANDARD.decode_slice(body.as_bytes(), &mut der);
        // Armour of OpenPGP has a checksum; only its label is needed.
        let length = if label.starts_with("PGP ") {
            0
        } else {
            length.map_err(|_| Fault::NotPem("its base64 is damaged"))?
        };
        der.truncate(length);
        blocks.push(Block { label: label.to_owned(), der });
    }
    match (blocks.is_empty(), has_text) {
        (true, _) if text.starts_with("ssh-") || text.starts_with("ecdsa-sha2-") => {
            Err(Fault::NotPem("it is a key for SSH; `ssh-keygen -e -m PKCS8 -f FILE` converts ECDSA keys"))
        }
        (true, _) => Err(Fault::NotPem("it has no line `-----BEGIN …-----`")),
        (false, true) => Err(Fault::TextAroundKey),
        (false, false) => Ok(blocks),
    }
}

/// A file with one block.
pub(crate) fn write(label: &str, der: &[u8]) -> String {
    let encoded = STANDARD.encode(der);
    let lines = encoded.as_bytes().chunks(64).map(String::from_utf8_lossy);
    let body: String = lines.map(|line| format!("{line}\n")).collect();
    format!("-----BEGIN {label}-----\n{body}-----END {label}-----\n")
}

/// What a block is, for messages.
pub(crate) fn noun(label: &str) -> String {
    match label {
        "PUBLIC KEY" | "EC PUBLIC KEY" | "RSA PUBLIC KEY" => "a public key".into(),
        "CERTIFICATE" => "a certificate".into(),
        "PRIVATE KEY" | "EC PRIVATE KEY" | "RSA PRIVATE KEY" | "DSA PRIVATE KEY" => "a private key".into(),
        "ENCRYPTED PRIVATE KEY" => "an encrypted private key".into(),
        "ENCRYPTED SIGSTORE PRIVATE KEY" | "ENCRYPTED COSIGN PRIVATE KEY" => {
            "an encrypted private key of cosign".into()
        }
        "OPENSSH PRIVATE KEY" => "a private key for SSH".into(),
        "PGP PUBLIC KEY BLOCK" | "PGP PRIVATE KEY BLOCK" => "an OpenPGP key".into(),
        other => format!("`{}`", content::printable(other)),
    }
}
