//! Signatures of content.

use std::io::{self, Read};

use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{Packet, Signature, SignatureType, SubpacketData};
use pgp::ser::Serialize as _;

use super::fault::{KeyName, SignatureFault, SigningFault};
use super::key::{Key, KeyPart, Life, dearmored, key_id, packets, weakness};
use super::signer::{MadeSignature, SignatureKind};
use super::{GoodSignature, Keys, SIGNATURE_MAX, ValidAt};

/// The most signatures of one content that are looked at.
const SIGNATURES: usize = 16;
/// How far clocks may differ, in seconds.
const SKEW: i64 = 24 * 60 * 60;
const BEGIN: &[u8] = b"-----BEGIN PGP SIGNATURE-----";

/// Opens the content once more.
pub(crate) type Open<'a> = dyn FnMut() -> io::Result<Box<dyn Read + 'a>> + 'a;

/// The signatures of one content.
#[derive(Debug)]
pub(crate) struct Signatures(Vec<Signature>);

impl Signatures {
    /// Reads signatures, armoured or binary.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, SignatureFault> {
        if bytes.len() as u64 > SIGNATURE_MAX {
            return Err(SignatureFault::Unreadable(format!("it has more than {SIGNATURE_MAX} bytes")));
        }
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Err(SignatureFault::Missing);
        }
        let mut signatures = Vec::new();
        if bytes.first().is_some_and(|first| first & 0x80 != 0) {
            read_binary(bytes, &mut signatures)?;
        } else {
            let starts: Vec<usize> = bytes
                .windows(BEGIN.len())
                .enumerate()
                .filter(|(_, at)| *at == BEGIN)
                .map(|(at, _)| at)
                .collect();
            for (position, start) in starts.iter().enumerate().take(SIGNATURES) {
                let end = starts.get(position + 1).copied().unwrap_or(bytes.len());
                let block = bytes.get(*start..end).unwrap_or_default();
                read_binary(&dearmored(block).map_err(SignatureFault::Unreadable)?, &mut signatures)?;
            }
        }
        if signatures.is_empty() {
            return Err(SignatureFault::Unreadable("it is not an OpenPGP signature".into()));
        }
        Ok(Self(signatures))
    }

    /// The only one, which is of this kind.
    pub(super) fn only(&self, kind: SignatureKind) -> Result<MadeSignature, SigningFault> {
        let refused = |reason: String| SigningFault::Refused(SignatureFault::Unreadable(reason));
        let [signature] = self.0.as_slice() else {
            return Err(refused(format!("expected one signature, found {}", self.0.len())));
        };
        let expected = match kind {
            SignatureKind::Binary => SignatureType::Binary,
            SignatureKind::Text => SignatureType::Text,
        };
        let config = signature.config().filter(|config| config.typ() == expected);
        let config =
            config.ok_or_else(|| refused(format!("expected a signature of the type {expected:?}")))?;
        let packet = Packet::from(signature.clone()).to_bytes();
        Ok(MadeSignature {
            packet: packet.map_err(|error| refused(error.to_string()))?,
            hash: config.hash_alg.to_string(),
            algorithm: config.pub_alg.into(),
        })
    }

    /// Checks that one of them fits the content and is by one of `keys`.
    pub(crate) fn verify(
        &self,
        keys: &Keys,
        open: &mut Open<'_>,
        at: ValidAt,
    ) -> Result<GoodSignature, SignatureFault> {
        let mut worst = SignatureFault::Missing;
        for signature in &self.0 {
            match verify(signature, keys, open, at) {
                Ok(good) => return Ok(good),
                Err(fault) => worst = add(worst, fault),
            }
        }
        Err(worst)
    }
}

/// The fault of the higher rank. Unknown keys add up.
fn add(one: SignatureFault, other: SignatureFault) -> SignatureFault {
    match (one, other) {
        (SignatureFault::UnknownKey(mut ids), SignatureFault::UnknownKey(more)) => {
            ids.extend(more);
            ids.sort_unstable();
            ids.dedup();
            SignatureFault::UnknownKey(ids)
        }
        (one, other) if other.rank() > one.rank() => other,
        (one, _) => one,
    }
}

fn read_binary(bytes: &[u8], signatures: &mut Vec<Signature>) -> Result<(), SignatureFault> {
    for packet in packets(bytes).map_err(SignatureFault::Unreadable)? {
        if let Packet::Signature(signature) = packet
            && signatures.len() < SIGNATURES
        {
            signatures.push(signature);
        }
    }
    Ok(())
}

fn verify(
    signature: &Signature,
    keys: &Keys,
    open: &mut Open<'_>,
    at: ValidAt,
) -> Result<GoodSignature, SignatureFault> {
    let unreadable = |text: &str| SignatureFault::Unreadable(text.into());
    let Some(config) = signature.config() else {
        return Err(unreadable("its version is not supported"));
    };
    if !matches!(config.typ(), SignatureType::Binary | SignatureType::Text) {
        return Err(unreadable("it is not a signature of content"));
    }
    let unknown =
        |data: &SubpacketData| matches!(data, SubpacketData::Other(..) | SubpacketData::Experimental(..));
    if config.hashed_subpackets().any(|one| one.is_critical && unknown(&one.data)) {
        return Err(unreadable("it has a critical part that is not supported"));
    }
    let Some(created) = signature.created() else { return Err(unreadable("it has no date")) };
    let created = i64::from(created.as_secs());
    if matches!(
        config.hash_alg,
        HashAlgorithm::None | HashAlgorithm::Md5 | HashAlgorithm::Sha1 | HashAlgorithm::Ripemd160
    ) {
        return Err(SignatureFault::Weak { what: config.hash_alg.to_string() });
    }
    let mut worst = SignatureFault::UnknownKey(issuers(signature));
    for (key, part) in keys.keys.iter().flat_map(|key| key.parts.iter().map(move |part| (key, part))) {
        let found = match part.subkey {
            None => verify_with(signature, &key.certificate.primary_key, key, open),
            Some(position) => match key.certificate.public_subkeys.get(position) {
                Some(subkey) => verify_with(signature, &subkey.key, key, open),
                None => None,
            },
        };
        let Some(found) = found else { continue };
        let found = found.and_then(|fingerprint| {
            check_time(signature, created, key, part, at)?;
            Ok(GoodSignature { fingerprint, user: key.user.clone(), created })
        });
        match found {
            Ok(good) => return Ok(good),
            Err(fault) => worst = add(worst, fault),
        }
    }
    Err(worst)
}

/// Checks that `key` made the signature of the content; its fingerprint. `None` if the signature names another key.
fn verify_with<K: pgp::types::VerifyingKey>(
    signature: &Signature,
    key: &K,
    whole: &Key,
    open: &mut Open<'_>,
) -> Option<Result<String, SignatureFault>> {
    let (ids, prints) = (signature.issuer_key_id(), signature.issuer_fingerprint());
    let is_named = ids.contains(&&key.legacy_key_id()) || prints.contains(&&key.fingerprint());
    let is_anonymous = ids.is_empty() && prints.is_empty();
    if !is_named && !is_anonymous {
        return None;
    }
    if let Some(what) = weakness(key.public_params()) {
        return Some(Err(SignatureFault::Weak { what }));
    }
    let mut failure = None;
    let fits = match open() {
        Ok(content) => signature.verify(key, Noted { content, failure: &mut failure }),
        Err(error) => return Some(Err(SignatureFault::Content(error.to_string()))),
    };
    if let Some(failure) = failure {
        return Some(Err(SignatureFault::Content(failure)));
    }
    Some(match fits {
        Ok(()) => Ok(hex::encode_upper(key.fingerprint().as_bytes())),
        Err(_) => Err(SignatureFault::Altered(KeyName { id: key_id(key), user: whole.user.clone() })),
    })
}

/// Content whose failures to read are known.
struct Noted<'a, R> {
    content: R,
    failure: &'a mut Option<String>,
}

impl<R: Read> Read for Noted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.content.read(buffer);
        if let Err(error) = &read
            && error.kind() != io::ErrorKind::Interrupted
        {
            *self.failure = Some(error.to_string());
        }
        read
    }
}

/// Checks that the key and the signature were valid.
fn check_time(
    signature: &Signature,
    created: i64,
    key: &Key,
    part: &KeyPart,
    at: ValidAt,
) -> Result<(), SignatureFault> {
    let name = || key.name();
    if !part.signs {
        let why = "it is by a key that is not for signing";
        return Err(SignatureFault::Unreadable(why.into()));
    }
    let date = |why| SignatureFault::Date { key: name(), created, why };
    let moment = match at {
        ValidAt::Signing => created,
        ValidAt::Time(time) if created > time.saturating_add(SKEW) => return Err(date("in the future")),
        ValidAt::Time(time) => time.max(created),
    };
    if created < part.life.created {
        return Err(date("before the key was created"));
    }
    check_life(key, part, moment)?;
    let lasts = signature.signature_expiration_time().map_or(0, |lasts| i64::from(lasts.as_secs()));
    if lasts > 0 && created + lasts <= moment {
        return Err(SignatureFault::SignatureExpired { key: name(), on: created + lasts });
    }
    Ok(())
}

/// Checks that a part of a key counts at this time.
pub(super) fn check_life(key: &Key, part: &KeyPart, moment: i64) -> Result<(), SignatureFault> {
    let name = || key.name();
    let primary = key.parts.first().map(|part| part.life);
    for Life { expires, revoked, .. } in primary.into_iter().chain([part.life]) {
        if let Some(revocation) = revoked
            && (revocation.is_hard || revocation.on <= moment)
        {
            return Err(SignatureFault::Revoked { key: name(), on: revocation.on });
        }
        if let Some(on) = expires
            && on <= moment
        {
            return Err(SignatureFault::KeyExpired { key: name(), on });
        }
    }
    Ok(())
}

/// The IDs of the keys that the signature names.
fn issuers(signature: &Signature) -> Vec<String> {
    let mut ids: Vec<String> = signature.issuer_key_id().into_iter().map(hex::encode_upper).collect();
    if ids.is_empty() {
        ids =
            signature.issuer_fingerprint().into_iter().map(|one| hex::encode_upper(one.as_bytes())).collect();
    }
    ids.sort_unstable();
    ids.dedup();
    ids
}
