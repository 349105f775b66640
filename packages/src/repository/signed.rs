//! The signatures of a package file.
//!
//! RPM signs the header, and since 4.14 the header has the SHA-256 of the payload. Older packages have a second signature of header
//! and payload together. RPM 6 writes any number of signatures of the header as text.

use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom};
use std::path::Path;

use base64::Engine as _;
use content::LinkPolicy;

use super::header::{HeaderFault, Headers};
use super::integrity::Integrity;
use super::metadata::{PackageEntry, PackageIdentity};
use super::{BUFFER, package_error, read_checked, tag};
use crate::error::{Error, Result};
use crate::openpgp::{GoodSignature, Keys, Open, SIGNATURE_MAX, SignatureFault, Signatures, ValidAt};

/// A package whose digests and, if keys were given, signature fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedPackage {
    /// What its header says that it is.
    pub identity: PackageIdentity,
    /// The signature that fits; `None` without keys.
    pub signature: Option<GoodSignature>,
}

/// Checks the digests of the package at `path`, and with `keys` that a signature by one of them covers its header and payload.
///
/// # Errors
///
/// [`Error::Rpm`] if it is not a package or is damaged, [`Error::Signature`] if no signature counts, [`Error::Io`].
pub fn verify_package(path: &Path, keys: Option<&Keys>, at: ValidAt) -> Result<VerifiedPackage> {
    let mut file = content::open(path, LinkPolicy::Follow)?;
    let mut input = io::BufReader::with_capacity(BUFFER, &mut file);
    let (headers, covers_payload) = read_checked(&mut input, path)?;
    let entry = PackageEntry::new(&headers, "", 0, "");
    let identity = entry.and_then(|entry| entry.identity()).map_err(package_error(path))?;
    let check = |keys| check_signature(&headers, &mut from_header(&file, &headers), covers_payload, keys, at);
    let signature = match keys.map(check).transpose() {
        Ok(signature) => signature,
        Err(Refused::Fault(fault)) => return Err(package_error(path)(fault)),
        Err(Refused::Signature(fault)) => return Err(Error::Signature { path: path.to_owned(), fault }),
    };
    Ok(VerifiedPackage { identity, signature })
}

/// Checks the signature of a package that `open` opens, once or twice. The payload is read only if no digest in the header covers
/// it, as before RPM 4.14; it is not compared with that digest.
///
/// # Errors
///
/// What is wrong, as a sentence about the package.
pub fn check_signature_of<'a>(
    open: &dyn Fn() -> io::Result<Box<dyn Read + 'a>>,
    keys: &Keys,
    at: ValidAt,
) -> Result<GoodSignature, String> {
    let unreadable = |error: io::Error| SignatureFault::Content(error.to_string()).to_string();
    let fault = |fault: HeaderFault| {
        let HeaderFault { place, expected, found } = fault;
        content::printable(&format!("{place}: expected {expected}, found {found}")).to_string()
    };
    let headers = Headers::read(&mut open().map_err(unreadable)?).map_err(fault)?;
    let covers_payload = Integrity::new(&headers).map_err(fault)?.covers_payload();
    let mut signed = || {
        let mut input = open()?;
        io::copy(&mut input.by_ref().take(headers.start), &mut io::sink())?;
        Ok(input)
    };
    check_signature(&headers, &mut signed, covers_payload, keys, at).map_err(|refused| match refused {
        Refused::Fault(one) => fault(one),
        Refused::Signature(fault) => fault.to_string(),
    })
}

/// Why no signature counts.
pub(super) enum Refused {
    Fault(HeaderFault),
    Signature(SignatureFault),
}

impl From<HeaderFault> for Refused {
    fn from(fault: HeaderFault) -> Self {
        Self::Fault(fault)
    }
}

impl From<SignatureFault> for Refused {
    fn from(fault: SignatureFault) -> Self {
        Self::Signature(fault)
    }
}

/// Checks the signatures of a package whose digests fit. `signed` opens it at its header; `covers_payload` is whether the digests
/// in the header cover the payload.
pub(super) fn check_signature<'a>(
    headers: &Headers,
    signed: &mut Open<'a>,
    covers_payload: bool,
    keys: &Keys,
    at: ValidAt,
) -> Result<GoodSignature, Refused> {
    let of_header = of_header(headers)?;
    let mut of_both = Vec::new();
    for tag in [tag::SIGPGP, tag::SIGGPG] {
        of_both.extend(headers.signature.binary(tag)?.unwrap_or_default());
    }
    if covers_payload && !of_header.is_empty() {
        let [introduction, index, data] = headers.main.bytes();
        let mut open = || Ok(Box::new(introduction.chain(index).chain(data)) as Box<dyn Read>);
        return Ok(Signatures::read(&of_header)?.verify(keys, &mut open, at)?);
    }
    if of_both.is_empty() {
        return Err(
            if of_header.is_empty() { SignatureFault::Missing } else { SignatureFault::HeaderOnly }.into()
        );
    }
    Ok(Signatures::read(&of_both)?.verify(keys, signed, at)?)
}

/// Opens a package file at its header.
pub(super) fn from_header<'a>(
    file: &'a File,
    headers: &Headers,
) -> impl FnMut() -> io::Result<Box<dyn Read + 'a>> + use<'a> {
    let start = headers.start;
    move || {
        let mut file = file.try_clone()?;
        file.seek(SeekFrom::Start(start))?;
        Ok(Box::new(io::BufReader::with_capacity(BUFFER, file)) as Box<dyn Read>)
    }
}

/// The signatures of the header, one packet after another.
fn of_header(headers: &Headers) -> Result<Vec<u8>, HeaderFault> {
    let mut packets = Vec::new();
    for text in headers.signature.strings(tag::OPENPGP)? {
        let fault = |found: String| HeaderFault::new(tag::OPENPGP.name(), "signatures in base64", found);
        if text.len() as u64 > SIGNATURE_MAX {
            return Err(fault(format!("{} bytes", text.len())));
        }
        let decoded = base64::engine::general_purpose::STANDARD.decode(text);
        packets.extend(decoded.map_err(|error| fault(error.to_string()))?);
    }
    for tag in [tag::RSAHEADER, tag::DSAHEADER] {
        packets.extend(headers.signature.binary(tag)?.unwrap_or_default());
    }
    Ok(packets)
}
