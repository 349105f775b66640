//! The signature header of a package with another signature. The header and the payload of the package stay as they are.

use base64::Engine as _;

use super::header::{Entry, Header, HeaderFault, Headers};
use super::tag::{self, Tag};
use crate::openpgp::MadeSignature;

/// Signatures of packages, which a new one replaces.
const SIGNATURES: [Tag; 5] = [tag::DSAHEADER, tag::RSAHEADER, tag::OPENPGP, tag::SIGPGP, tag::SIGGPG];
/// Room for signatures: of RPM 6 and of RPM 4. What a signature takes is cut from it, so that the size stays the same.
const RESERVED: [Tag; 2] = [tag::RESERVED, tag::RESERVEDSPACE];
/// The type of bytes, and of a list of texts.
const BYTES: u32 = 7;
const TEXTS: u32 = 8;
/// The number of RSA among the algorithms of OpenPGP.
const RSA: u8 = 1;

/// Whether a package has any signature.
pub(super) fn has_signature(headers: &Headers) -> bool {
    SIGNATURES.iter().any(|tag| headers.signature.has(*tag))
}

/// The bytes of a package up to its header, with this signature in place of all others.
pub(super) fn head(headers: &Headers, signature: &MadeSignature) -> Result<Vec<u8>, HeaderFault> {
    let mut entries = headers.signature.entries()?;
    entries.retain(|entry| SIGNATURES.iter().all(|tag| tag.number() != entry.tag));
    entries.push(entry(headers, signature)?);
    let before = headers.signature.size();
    let mut header = written(&mut entries);
    let room = entries.iter().position(|entry| RESERVED.iter().any(|tag| tag.number() == entry.tag));
    if let Some(room) = room.and_then(|place| entries.get_mut(place)) {
        let fitting = (room.data.len() + before).checked_sub(header.len()).filter(|size| *size > 0);
        if let Some(size) = fitting {
            let size = u32::try_from(size).unwrap_or(room.count);
            (room.count, room.data) = (size, vec![0; size as usize]);
            header = written(&mut entries);
        }
    }
    let mut head = headers.lead.to_vec();
    head.append(&mut header);
    head.resize(head.len().next_multiple_of(8), 0);
    Ok(head)
}

/// RPM 4 has a tag for RSA and one for all other algorithms; RPM 6 one for texts of any kind.
fn entry(headers: &Headers, signature: &MadeSignature) -> Result<Entry, HeaderFault> {
    let MadeSignature { packet, algorithm, .. } = signature;
    if headers.main.u32s(tag::RPMFORMAT)?.next().is_some_and(|format| format >= 6) {
        let mut data = base64::engine::general_purpose::STANDARD.encode(packet).into_bytes();
        data.push(0);
        return Ok(Entry { tag: tag::OPENPGP.number(), kind: TEXTS, count: 1, data });
    }
    let tag = if *algorithm == RSA { tag::RSAHEADER } else { tag::DSAHEADER };
    let count = u32::try_from(packet.len()).unwrap_or(u32::MAX);
    Ok(Entry { tag: tag.number(), kind: BYTES, count, data: packet.clone() })
}

/// A header of these entries, which are sorted, with a region around all.
pub(super) fn written(entries: &mut [Entry]) -> Vec<u8> {
    entries.sort_by_key(|entry| entry.tag);
    let mut data = Vec::new();
    let mut index = Vec::new();
    for entry in entries.iter() {
        data.resize(data.len().next_multiple_of(Header::alignment(entry.kind)), 0);
        for number in [entry.tag, entry.kind, length(&data), entry.count] {
            index.extend_from_slice(&number.to_be_bytes());
        }
        data.extend_from_slice(&entry.data);
    }
    let count = length(entries) + 1;
    let region = |offset: u32| -> Vec<u8> {
        [tag::HEADERSIGNATURES.number(), BYTES, offset, 16].into_iter().flat_map(u32::to_be_bytes).collect()
    };
    let first = region(length(&data));
    // The trailer has the length of the index with a minus.
    data.extend(region((count * 16).wrapping_neg()));
    let mut header = super::header::INTRODUCTION.to_vec();
    header.extend_from_slice(&[0; 4]);
    header.extend_from_slice(&count.to_be_bytes());
    header.extend_from_slice(&length(&data).to_be_bytes());
    [header, first, index, data].concat()
}

/// A length. Headers are bounded far below 4 GiB.
fn length<T>(slice: &[T]) -> u32 {
    u32::try_from(slice.len()).unwrap_or(u32::MAX)
}
