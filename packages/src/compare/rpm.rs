//! RPMs: their headers by tags, and the files in their payloads.

use std::collections::BTreeMap;
use std::io::{self, BufRead};

use super::{Replacements, broken, cpio, unpacked};
use crate::repository::{HeaderEntry, Headers, main_tag_name};

/// Tags that follow from the files: the region, sizes, and digests of files and of the payload.
const DERIVED: [u32; 12] = [63, 1009, 1028, 1035, 1046, 5008, 5009, 5092, 5097, 5111, 5112, 5113];
/// The flags, names and versions of what a package requires.
const REQUIRED: [u32; 3] = [1048, 1049, 1050];
/// How features of rpm begin that a package requires. A version with a tilde requires one.
const FEATURE: &[u8] = b"rpmlib(";
/// The types of texts.
const TEXTS: [u32; 3] = [6, 8, 9];

/// What differs between two RPMs apart from the replacements; at most the first difference. Signatures do not count.
///
/// # Errors
///
/// One of the two cannot be read.
pub fn rpm(
    mut former: impl BufRead + Send,
    mut new: impl BufRead + Send,
    replaced: &Replacements,
) -> io::Result<Option<String>> {
    let headers = (Headers::read(&mut former).map_err(broken)?, Headers::read(&mut new).map_err(broken)?);
    let [one, other] = [headers.0.main.entries(), headers.1.main.entries()];
    let (one, other) = (one.map_err(broken)?, other.map_err(broken)?);
    let (former_needs, needs) = (required(&one), required(&other));
    let is_explained = |(former, new): (&[Vec<u8>; 3], &[Vec<u8>; 3])| {
        former.iter().zip(new).all(|(former, new)| replaced.explain(former, new))
    };
    if former_needs.len() != needs.len() || !former_needs.iter().zip(&needs).all(is_explained) {
        return Ok(Some("what it requires differs".to_owned()));
    }
    let (one, other) = (tags(one), tags(other));
    let differs = |tag: &&u32| match (one.get(*tag), other.get(*tag)) {
        (Some((kind, former)), Some((same, new))) if kind == same && TEXTS.contains(kind) => {
            !replaced.explain(former, new)
        }
        (former, new) => former != new,
    };
    if let Some(tag) = one.keys().chain(other.keys()).find(differs) {
        let name = main_tag_name(*tag).map_or_else(|| tag.to_string(), str::to_owned);
        return Ok(Some(format!("the tag {name} of its header differs")));
    }
    cpio::compare(unpacked(former)?, unpacked(new)?, replaced)
}

/// The types and values of the tags that do not follow from others.
fn tags(entries: Vec<HeaderEntry>) -> BTreeMap<u32, (u32, Vec<u8>)> {
    let entries =
        entries.into_iter().filter(|entry| !DERIVED.contains(&entry.tag) && !REQUIRED.contains(&entry.tag));
    entries.map(|entry| (entry.tag, (entry.kind, entry.data))).collect()
}

/// The flags, names and versions of what a package requires, without features of rpm.
fn required(entries: &[HeaderEntry]) -> Vec<[Vec<u8>; 3]> {
    let data = |tag: u32| entries.iter().find(|entry| entry.tag == tag).map(|entry| entry.data.as_slice());
    let [flags, names, versions] = REQUIRED.map(|tag| data(tag).unwrap_or_default());
    let texts = |data: &[u8]| -> Vec<Vec<u8>> {
        data.strip_suffix(&[0]).unwrap_or(data).split(|byte| *byte == 0).map(<[u8]>::to_vec).collect()
    };
    let all = flags.chunks(4).zip(texts(names)).zip(texts(versions));
    all.filter(|((_, name), _)| !name.starts_with(FEATURE))
        .map(|((flags, name), version)| [flags.to_vec(), name, version])
        .collect()
}
