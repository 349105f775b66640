//! Signing packages.

use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use content::{AtomicFile, Durability, LinkPolicy};

use super::header::Headers;
use super::integrity::Integrity;
use super::metadata::PackageEntry;
use super::signature_header;
use super::signed::{Refused, VerifiedPackage, check_signature, from_header};
use super::{BUFFER, package_error, read_checked};
use crate::error::{Error, Result};
use crate::openpgp::{GoodSignature, SignatureFault, Signer, Signing, SigningFault, ValidAt};

/// A package with a signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedPackage {
    /// What it is, and its signature.
    pub package: VerifiedPackage,
    /// Whether it had a signature by this key before, and stays as it is.
    pub was_signed: bool,
    /// Whether it had signatures by other keys, which are replaced.
    pub had_others: bool,
}

/// Whether the package file at `path` has any signature. None is checked.
///
/// # Errors
///
/// [`Error::Rpm`] if it is not a package, and [`Error::Io`].
pub fn is_signed(path: &Path) -> Result<bool> {
    let file = content::open(path, LinkPolicy::Follow)?;
    let headers = Headers::read(&mut io::BufReader::new(file)).map_err(package_error(path))?;
    Ok(signature_header::has_signature(&headers))
}

/// Whether what `input` reads is a package without a signature.
pub fn is_unsigned_package(mut input: impl Read) -> bool {
    Headers::read(&mut input).is_ok_and(|headers| !signature_header::has_signature(&headers))
}

/// Writes the package at `path` to `to`, which can be the same, with a signature of its header in place of all others. The header,
/// the payload and everything else in the signature header stay as they are. A package that has a signature by this key stays as
/// it is. Without `date` the signature has the date of the package. A failure leaves the old file.
///
/// # Errors
///
/// [`Error::Rpm`] if it is not a package or is damaged, [`Error::Signing`] if the signer fails, [`Error::Signature`] if the header
/// has no digest of the payload, as before RPM 4.14, and [`Error::Io`].
pub fn sign_package(
    path: &Path,
    to: &Path,
    signer: &Signer,
    date: Option<i64>,
    cancelled: &dyn Fn() -> bool,
) -> Result<SignedPackage> {
    let mut file = content::open(path, LinkPolicy::Follow)?;
    let metadata = file.metadata().map_err(Error::io("read", path))?;
    let mut input = io::BufReader::with_capacity(BUFFER, &mut file);
    let (headers, covers_payload) = read_checked(&mut input, path)?;
    if !covers_payload {
        return Err(Error::Signature { path: path.to_owned(), fault: SignatureFault::HeaderOnly });
    }
    let entry = PackageEntry::new(&headers, "", 0, "");
    let identity = entry.and_then(|entry| entry.identity()).map_err(package_error(path))?;
    let before = existing(&headers, &file, signer, path)?;
    let (was_signed, had_others) = match &before {
        Ok(_) => (true, false),
        Err(fault) => (false, *fault != SignatureFault::Missing),
    };
    let (head, good) = match before {
        Ok(good) => (original_head(&headers, &file, path)?, good),
        Err(_) => {
            let signing = Signing { date: date.unwrap_or(identity.build_time), cancelled };
            let head = signed_head(&headers, signer, signing, path)?;
            let good = check_head(&head, &headers, &file, signer, path)?;
            (head, good)
        }
    };
    let package = VerifiedPackage { identity, signature: Some(good) };
    let signed = SignedPackage { package, was_signed, had_others };
    if was_signed && path == to {
        return Ok(signed);
    }
    let new = AtomicFile::create(to, metadata.mode() & 0o7777, Durability::Durable)?;
    if path == to
        && let Err(error) = new.take_attributes(&file)
        // Only root can give the file to its owner.
        && error.kind() != io::ErrorKind::PermissionDenied
    {
        return Err(Error::io("set the owner of", to)(error));
    }
    let mut output = io::BufWriter::with_capacity(BUFFER, new.file());
    let write = Error::io("write", to);
    let mut copy = || {
        output.write_all(&head)?;
        file.seek(SeekFrom::Start(headers.start))?;
        io::copy(&mut file, &mut output)?;
        output.flush()
    };
    copy().map_err(write)?;
    drop(output);
    new.commit()?;
    Ok(signed)
}

/// The bytes of a package up to its header, with a signature of the header.
fn signed_head(headers: &Headers, signer: &Signer, signing: Signing<'_>, path: &Path) -> Result<Vec<u8>> {
    let fault = |fault: SigningFault| Error::Signing { path: path.to_owned(), fault };
    let signature = signer.sign_bytes(&headers.main.bytes().concat(), signing).map_err(fault)?;
    signature_header::head(headers, &signature).map_err(package_error(path))
}

/// The head of a package in memory, up to its payload, with a signature.
pub(crate) fn sign_in_memory(
    head: &[u8],
    signer: &Signer,
    signing: Signing<'_>,
    path: &Path,
) -> Result<Vec<u8>> {
    let headers = Headers::read(&mut &*head).map_err(package_error(path))?;
    let mut signed = signed_head(&headers, signer, signing, path)?;
    headers.main.bytes().iter().for_each(|part| signed.extend_from_slice(part));
    Ok(signed)
}

/// The signature by the signer's key that the package has; a fault if it has none.
fn existing(
    headers: &Headers,
    file: &File,
    signer: &Signer,
    path: &Path,
) -> Result<std::result::Result<GoodSignature, SignatureFault>> {
    match check_signature(headers, &mut from_header(file, headers), true, signer.keys(), ValidAt::Signing) {
        Ok(good) => Ok(Ok(good)),
        Err(Refused::Signature(fault)) => Ok(Err(fault)),
        Err(Refused::Fault(fault)) => Err(package_error(path)(fault)),
    }
}

/// Reads what was made, and checks it.
fn check_head(
    head: &[u8],
    headers: &Headers,
    file: &File,
    signer: &Signer,
    path: &Path,
) -> Result<GoodSignature> {
    let [introduction, index, data] = headers.main.bytes();
    let mut written = head.chain(introduction).chain(index).chain(data);
    let written = Headers::read(&mut written).map_err(package_error(path))?;
    Integrity::new(&written).map_err(package_error(path))?;
    existing(&written, file, signer, path)?
        .map_err(|fault| Error::Signing { path: path.to_owned(), fault: SigningFault::Refused(fault) })
}

fn original_head(headers: &Headers, mut file: &File, path: &Path) -> Result<Vec<u8>> {
    let mut head = Vec::new();
    let mut read = || {
        file.rewind()?;
        file.take(headers.start).read_to_end(&mut head)
    };
    read().map_err(Error::io("read", path))?;
    Ok(head)
}
