//! Secret keys: reading them, and signing with them.

use pgp::composed::{Deserializable as _, SignedSecretKey};
use pgp::packet::{Packet, Signature, SignatureConfig, SignatureType, Subpacket, SubpacketData};
use pgp::ser::Serialize as _;
use pgp::types::{
    EcdsaPublicParams, KeyDetails, KeyVersion, Password, PublicParams, S2kParams, SecretParams, SigningKey,
    StringToKey, Timestamp,
};

use super::fault::{KeysFault, SigningFault};
use super::key::{self, Key, armour_blocks, dearmored, key_id, packets, weakness};
use super::{KEYS_MAX, SignatureKind};

/// The line that begins an armoured secret key.
const BEGIN: &str = "-----BEGIN PGP PRIVATE KEY BLOCK-----";

/// A secret key and the part of it that signs.
pub(super) struct SecretKey {
    key: SignedSecretKey,
    /// The place of the subkey that signs; `None` for the primary key.
    subkey: Option<usize>,
}

impl std::fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SecretKey").field("id", &key_id(&self.key.primary_key)).finish_non_exhaustive()
    }
}

impl SecretKey {
    /// Reads the only secret key of a file, armoured or binary, and finds the part that signs: the newest subkey for signing, else
    /// the primary key.
    pub(super) fn read(bytes: &[u8], passphrase: Option<&[u8]>) -> Result<Self, SigningFault> {
        let key = read(bytes)?;
        let public = key::judge(key.to_public_key())?;
        let subkey = choose(&key, &public)?;
        let mut secret = Self { key, subkey };
        secret.unlock(passphrase)?;
        Ok(secret)
    }

    /// The public key, as packets.
    pub(super) fn public_key(&self) -> Result<Vec<u8>, SigningFault> {
        self.key.to_public_key().to_bytes().map_err(damaged)
    }

    /// Removes the passphrase of the part that signs: to compute its key takes long on purpose. The memory is wiped at the end.
    fn unlock(&mut self, passphrase: Option<&[u8]>) -> Result<(), SigningFault> {
        let password = passphrase.map_or_else(Password::empty, Password::from);
        let subkey = self.subkey.and_then(|place| self.key.secret_subkeys.get_mut(place));
        let unlocked = match subkey {
            Some(subkey) if subkey.key.secret_params().is_encrypted() => {
                subkey.key.remove_password(&password)
            }
            None if self.key.primary_key.secret_params().is_encrypted() => {
                self.key.primary_key.remove_password(&password)
            }
            _ => Ok(()),
        };
        let key = || key_id(&self.key.primary_key);
        unlocked.map_err(|_| match passphrase {
            None => SigningFault::PassphraseMissing(key()),
            Some(_) => SigningFault::PassphraseWrong(key()),
        })
    }

    fn subkey(&self) -> Option<&pgp::packet::SecretSubkey> {
        Some(&self.key.secret_subkeys.get(self.subkey?)?.key)
    }

    /// The packet of a signature that is dated `date`, or when the key was created if that is later. Equal data and dates give
    /// equal bytes.
    pub(super) fn sign(&self, data: &[u8], kind: SignatureKind, date: i64) -> Result<Vec<u8>, SigningFault> {
        let signature = match self.subkey() {
            Some(subkey) => sign(subkey, data, kind, date),
            None => sign(&self.key.primary_key, data, kind, date),
        };
        Packet::from(signature?).to_bytes().map_err(damaged)
    }
}

fn sign(
    key: &impl SigningKey,
    data: &[u8],
    kind: SignatureKind,
    date: i64,
) -> Result<Signature, SigningFault> {
    let typ = match kind {
        SignatureKind::Binary => SignatureType::Binary,
        SignatureKind::Text => SignatureType::Text,
    };
    let date =
        u32::try_from(date.max(key.created_at().as_secs().into())).map_err(|_| SigningFault::Date(date))?;
    // Without salt, and without the notation that has one: what is signed twice has equal signatures.
    let mut config = SignatureConfig::v4(typ, key.algorithm(), key.hash_alg());
    let subpackets = || {
        let hashed = [
            SubpacketData::SignatureCreationTime(Timestamp::from_secs(date)),
            SubpacketData::IssuerFingerprint(key.fingerprint()),
        ];
        let hashed = hashed.into_iter().map(Subpacket::regular).collect::<Result<Vec<_>, _>>()?;
        let unhashed = vec![Subpacket::regular(SubpacketData::IssuerKeyId(key.legacy_key_id()))?];
        Ok((hashed, unhashed))
    };
    (config.hashed_subpackets, config.unhashed_subpackets) = subpackets().map_err(damaged)?;
    config.sign(key, &Password::empty(), data).map_err(damaged)
}

fn damaged(error: pgp::errors::Error) -> SigningFault {
    KeysFault::Damaged(error.to_string()).into()
}

fn read(bytes: &[u8]) -> Result<SignedSecretKey, SigningFault> {
    if bytes.len() as u64 > KEYS_MAX {
        return Err(KeysFault::TooLarge { limit: KEYS_MAX, unit: "bytes" }.into());
    }
    let mut found = Vec::new();
    if bytes.first().is_some_and(|first| first & 0x80 != 0) {
        found = packets(bytes).map_err(KeysFault::Damaged)?;
    } else {
        let text = String::from_utf8_lossy(bytes);
        for block in armour_blocks(&text, BEGIN) {
            let binary = dearmored(block.as_bytes()).map_err(KeysFault::Damaged)?;
            found.extend(packets(&binary).map_err(KeysFault::Damaged)?);
        }
    }
    let count = found.iter().filter(|packet| matches!(packet, Packet::SecretKey(_))).count();
    match count {
        0 => return Err(SigningFault::NoSecretKey),
        1 => {}
        count => return Err(SigningFault::SeveralKeys(count)),
    }
    let of_keys = found.into_iter().filter(|packet| {
        matches!(
            packet,
            Packet::SecretKey(_)
                | Packet::SecretSubkey(_)
                | Packet::PublicSubkey(_)
                | Packet::Signature(_)
                | Packet::UserId(_)
                | Packet::UserAttribute(_)
        )
    });
    let of_keys: Vec<_> = of_keys.map(Ok).collect();
    let mut keys = SignedSecretKey::from_packets(of_keys.into_iter().peekable());
    keys.next().ok_or(SigningFault::NoSecretKey)?.map_err(damaged)
}

/// The place of the subkey that signs; `None` for the primary key.
fn choose(key: &SignedSecretKey, public: &Key) -> Result<Option<usize>, SigningFault> {
    let id = || key_id(&key.primary_key);
    // Subkeys with only a public part come before the secret ones.
    let before = key.public_subkeys.len();
    let mut best: Option<(i64, usize)> = None;
    for part in public.parts.iter().filter(|part| part.signs && part.life.revoked.is_none()) {
        let Some(place) = part.subkey.and_then(|place| place.checked_sub(before)) else { continue };
        let Some(subkey) = key.secret_subkeys.get(place) else { continue };
        let is_newer = best.is_none_or(|(created, _)| part.life.created > created);
        if is_newer && has_secret(subkey.key.secret_params()) {
            best = Some((part.life.created, place));
        }
    }
    let (params, version) = match best.and_then(|(_, place)| key.secret_subkeys.get(place)) {
        Some(subkey) => (subkey.key.public_params(), subkey.key.version()),
        None => {
            let may_sign = public.parts.iter().any(|part| part.subkey.is_none() && part.signs);
            if !may_sign || !has_secret(key.primary_key.secret_params()) {
                return Err(SigningFault::NoSigningKey(id()));
            }
            (key.primary_key.public_params(), key.primary_key.version())
        }
    };
    if version != KeyVersion::V4 {
        let what = "it is not of version 4, and signatures by such keys differ from time to time".to_owned();
        return Err(SigningFault::Unsuitable { key: id(), what });
    }
    let what = match params {
        PublicParams::RSA(_) => weakness(params).map(|what| format!("it is {what}, which is not secure")),
        PublicParams::EdDSALegacy(_) | PublicParams::Ed25519(_) => None,
        PublicParams::ECDSA(
            EcdsaPublicParams::P256 { .. } | EcdsaPublicParams::P384 { .. } | EcdsaPublicParams::P521 { .. },
        ) => None,
        _ => Some("its algorithm is neither RSA, nor EdDSA, nor ECDSA with a curve of NIST".to_owned()),
    };
    what.map_or(Ok(best.map(|(_, place)| place)), |what| Err(SigningFault::Unsuitable { key: id(), what }))
}

/// Whether the secret part is in the file: GnuPG writes keys without it where the primary key is kept elsewhere, or on a card.
fn has_secret(params: &SecretParams) -> bool {
    let SecretParams::Encrypted(params) = params else { return true };
    let s2k = match params.string_to_key_params() {
        S2kParams::Aead { s2k, .. } | S2kParams::Cfb { s2k, .. } | S2kParams::MalleableCfb { s2k, .. } => s2k,
        S2kParams::Unprotected | S2kParams::LegacyCfb { .. } => return true,
    };
    !matches!(s2k, StringToKey::Private { .. } | StringToKey::Other { .. } | StringToKey::Reserved { .. })
}
