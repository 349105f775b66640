//! Keys: reading them, and what their self-signatures say.

use pgp::armor::Dearmor;
use pgp::composed::{Deserializable as _, SignedPublicKey};
use pgp::errors::Error as PgpError;
use pgp::packet::{Packet, PacketParser, RevocationCode, Signature, SubpacketData};
use pgp::ser::Serialize as _;
use pgp::types::{KeyDetails, PublicParams, Tag};
use std::io::{BufReader, Read as _};

use super::fault::{KeyName, KeysFault};
use super::{KEYS_MAX, KEYS_PER_FILE};

/// The line that begins an armoured key.
const BEGIN: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";
/// The least bits of an RSA or DSA key.
const BITS_MIN: u16 = 2048;

/// A key with its subkeys.
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) certificate: SignedPublicKey,
    pub(super) fingerprint: String,
    pub(super) user: String,
    /// The primary key first.
    pub(super) parts: Vec<KeyPart>,
}

/// What is known of a primary key or a subkey that signs content.
#[derive(Clone, Debug)]
pub(super) struct KeyPart {
    /// Its place among the subkeys; `None` for the primary key.
    pub(super) subkey: Option<usize>,
    /// Whether it may sign content.
    pub(super) signs: bool,
    pub(super) life: Life,
}

/// When a key is valid.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Life {
    pub(super) created: i64,
    pub(super) expires: Option<i64>,
    pub(super) revoked: Option<Revocation>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Revocation {
    pub(super) on: i64,
    /// Whether nothing that the key ever signed counts. Else what it signed before counts: it was replaced or retired.
    pub(super) is_hard: bool,
}

impl Key {
    pub(super) fn name(&self) -> KeyName {
        KeyName { id: key_id(&self.certificate), user: self.user.clone() }
    }
}

/// The ID of a key, as other programs print it.
pub(super) fn key_id(key: &impl KeyDetails) -> String {
    hex::encode_upper(key.legacy_key_id())
}

/// All keys of a file.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<Key>, KeysFault> {
    if bytes.len() as u64 > KEYS_MAX {
        return Err(KeysFault::TooLarge { limit: KEYS_MAX, unit: "bytes" });
    }
    let mut keys = Vec::new();
    if bytes.first().is_some_and(|first| first & 0x80 != 0) {
        read_binary(bytes, &mut keys)?;
    } else {
        let text = String::from_utf8_lossy(bytes);
        for block in armour_blocks(&text, BEGIN) {
            let binary = dearmored(block.as_bytes()).map_err(KeysFault::Damaged)?;
            read_binary(&binary, &mut keys)?;
        }
    }
    if keys.is_empty() { Err(KeysFault::NoKey) } else { Ok(keys) }
}

/// The armoured blocks that begin with this line.
pub(super) fn armour_blocks<'a>(text: &'a str, begin: &'a str) -> impl Iterator<Item = &'a str> {
    text.match_indices(begin).map(move |(start, _)| {
        let block = text.get(start..).unwrap_or_default();
        // Without this, a block would be read up to the end of the next one.
        let end = block.get(begin.len()..).and_then(|rest| rest.find("-----BEGIN "));
        end.and_then(|end| block.get(..begin.len() + end)).unwrap_or(block)
    })
}

/// The content of an armoured block. It is no longer than the block.
pub(super) fn dearmored(block: &[u8]) -> Result<Vec<u8>, String> {
    let mut dearmor = Dearmor::new(BufReader::new(block));
    let mut binary = Vec::new();
    match dearmor.read_to_end(&mut binary) {
        Ok(_) => Ok(binary),
        Err(error) => Err(error.to_string()),
    }
}

/// The packets of `bytes`. Those that the crate does not know are left out; one that is cut off is an error.
pub(super) fn packets(bytes: &[u8]) -> Result<Vec<Packet>, String> {
    let mut packets = Vec::new();
    for packet in PacketParser::new(bytes) {
        match packet {
            Ok(packet) => packets.push(packet),
            Err(PgpError::Unsupported { .. }) => {}
            Err(PgpError::InvalidPacketContent { source })
                if matches!(*source, PgpError::Unsupported { .. } | PgpError::EllipticCurve { .. }) => {}
            Err(PgpError::PacketIncomplete { .. }) => return Err("a packet is cut off".into()),
            Err(error) => return Err(error.to_string()),
        }
    }
    Ok(packets)
}

fn read_binary(bytes: &[u8], keys: &mut Vec<Key>) -> Result<(), KeysFault> {
    let packets = packets(bytes).map_err(KeysFault::Damaged)?;
    let count = packets.iter().filter(|packet| matches!(packet, Packet::PublicKey(_))).count();
    if keys.len() + count > KEYS_PER_FILE {
        return Err(KeysFault::TooLarge { limit: KEYS_PER_FILE as u64, unit: "keys" });
    }
    // Packets that do not belong to a key would end the list.
    let of_keys = packets.into_iter().filter(|packet| {
        matches!(
            packet,
            Packet::PublicKey(_)
                | Packet::PublicSubkey(_)
                | Packet::Signature(_)
                | Packet::UserId(_)
                | Packet::UserAttribute(_)
        )
    });
    let of_keys: Vec<_> = of_keys.map(Ok).collect();
    for certificate in SignedPublicKey::from_packets(of_keys.into_iter().peekable()) {
        keys.push(judge(certificate.map_err(|error| KeysFault::Damaged(error.to_string()))?)?);
    }
    Ok(())
}

/// What the self-signatures of a key say.
pub(super) fn judge(certificate: SignedPublicKey) -> Result<Key, KeysFault> {
    let primary = &certificate.primary_key;
    let details = &certificate.details;
    let own = |signature: &&Signature| {
        let (ids, prints) = (signature.issuer_key_id(), signature.issuer_fingerprint());
        ids.contains(&&primary.legacy_key_id()) || prints.contains(&&primary.fingerprint())
    };
    let mut self_signatures: Vec<&Signature> = details
        .direct_signatures
        .iter()
        .filter(own)
        .filter(|signature| signature.verify_key(primary).is_ok())
        .collect();
    let mut user: Option<(bool, i64, String)> = None;
    for one in &details.users {
        let mut valid: Vec<&Signature> = one.signatures.iter().filter(own).collect();
        valid.retain(|signature| signature.verify_certification(primary, Tag::UserId, &one.id).is_ok());
        // The newest one says whether the user ID counts.
        let Some(newest) = newest(&valid) else { continue };
        if newest.typ() == Some(pgp::packet::SignatureType::CertRevocation) {
            continue;
        }
        let rank = (newest.is_primary(), created(newest));
        if user.as_ref().is_none_or(|(is_primary, date, _)| (*is_primary, *date) < rank) {
            user = Some((rank.0, rank.1, String::from_utf8_lossy(one.id.id()).into_owned()));
        }
        self_signatures.push(newest);
    }
    let Some(newest) = newest(&self_signatures) else {
        return Err(KeysFault::NoSelfSignature(key_id(primary)));
    };
    let revoked =
        details.revocation_signatures.iter().filter(own).filter(|one| one.verify_key(primary).is_ok());
    let life = life(primary, newest, revoked);
    let mut parts = vec![KeyPart { subkey: None, signs: may_sign(newest), life }];
    for (position, subkey) in certificate.public_subkeys.iter().enumerate() {
        let fits = |signature: &&Signature| signature.verify_subkey_binding(primary, &subkey.key).is_ok();
        let is_revocation =
            |one: &&Signature| one.typ() == Some(pgp::packet::SignatureType::SubkeyRevocation);
        let bindings: Vec<&Signature> = subkey.signatures.iter().filter(|one| !is_revocation(one)).collect();
        let bindings: Vec<&Signature> = bindings.into_iter().filter(fits).collect();
        let Some(binding) = self::newest(&bindings) else { continue };
        let back = binding.embedded_signature();
        // Without it, somebody could claim a subkey of others.
        let is_bound = back.is_some_and(|back| back.verify_primary_key_binding(&subkey.key, primary).is_ok());
        if !is_bound || !binding.key_flags().sign() {
            continue;
        }
        let revoked = subkey.signatures.iter().filter(is_revocation).filter(fits);
        let life = self::life(&subkey.key, binding, revoked);
        parts.push(KeyPart { subkey: Some(position), signs: true, life });
    }
    let fingerprint = hex::encode_upper(primary.fingerprint().as_bytes());
    let user = user.map(|(_, _, user)| user).unwrap_or_default();
    Ok(Key { fingerprint, user, parts, certificate })
}

fn created(signature: &Signature) -> i64 {
    signature.created().map_or(0, |time| time.as_secs().into())
}

fn newest<'a>(signatures: &[&'a Signature]) -> Option<&'a Signature> {
    signatures.iter().copied().max_by_key(|signature| created(signature))
}

fn life<'a>(key: &impl KeyDetails, says: &Signature, revoked: impl Iterator<Item = &'a Signature>) -> Life {
    let created_at = i64::from(key.created_at().as_secs());
    let lasts = says.key_expiration_time().map_or(0, |lasts| i64::from(lasts.as_secs()));
    let revoked = revoked.map(|one| {
        let soft = matches!(
            one.revocation_reason_code(),
            Some(RevocationCode::KeySuperseded | RevocationCode::KeyRetired)
        );
        Revocation { on: created(one), is_hard: !soft }
    });
    // The worst one counts: a hard one, then the earliest.
    let revoked = revoked.min_by_key(|revocation| (!revocation.is_hard, revocation.on));
    Life { created: created_at, expires: (lasts > 0).then(|| created_at + lasts), revoked }
}

/// Whether a primary key may sign content: yes unless its self-signature has other uses for it.
fn may_sign(says: &Signature) -> bool {
    let mut hashed = says.config().into_iter().flat_map(|config| config.hashed_subpackets());
    !hashed.any(|one| matches!(&one.data, SubpacketData::KeyFlags(flags) if !flags.sign()))
}

/// The kind and length of a key that is too short, or of an algorithm that is not supported.
pub(super) fn weakness(params: &PublicParams) -> Option<String> {
    let (kind, number) = match params {
        PublicParams::RSA(params) => ("RSA", params.to_bytes()),
        PublicParams::DSA(params) => ("DSA", params.to_bytes()),
        _ => return None,
    };
    // The first number is the modulus, and begins with its length in bits.
    let bits = number.ok().and_then(|bytes| bytes.first_chunk::<2>().copied()).map(u16::from_be_bytes)?;
    (bits < BITS_MIN).then(|| format!("a {kind} key of {bits} bits"))
}
