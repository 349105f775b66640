//! Encrypted secret keys: those of cosign, and PKCS#8 with PBES2 (RFC 8018), as OpenSSL writes it.

use crypto_secretbox::aead::{Aead as _, KeyInit as _};
use crypto_secretbox::{Key, Nonce, XSalsa20Poly1305};
use p256::elliptic_curve::zeroize::Zeroizing;
use pkcs8::der::asn1::OctetStringRef;
use pkcs8::der::{Decode as _, ErrorKind, Reader as _, SliceReader};
use pkcs8::pkcs5::pbes2::{Kdf, PBES2_OID};
use pkcs8::pkcs5::scrypt::{self, scrypt};
use pkcs8::pkcs5::{AlgorithmIdentifierRef, EncryptionScheme};
use pkcs8::{EncryptedPrivateKeyInfo, ObjectIdentifier, PrivateKeyInfo};

use super::pem::Block;
use crate::json::{self, Fields};
use crate::{Fault, base64};

/// The most memory that deriving a key from a password may take, in bytes: twice what cosign takes.
const MEMORY_MAX: u64 = 128 << 20;
/// The most blocks of 128 bytes that scrypt may mix, which takes some seconds.
const BLOCKS_MAX: u64 = 1 << 21;
/// The most rounds of PBKDF2, which take some seconds.
const ROUNDS_MAX: u32 = 10_000_000;

/// The labels of the keys that cosign writes.
const COSIGN: [&str; 2] = ["ENCRYPTED SIGSTORE PRIVATE KEY", "ENCRYPTED COSIGN PRIVATE KEY"];
/// The label of an encrypted key in PKCS#8.
const PKCS8: &str = "ENCRYPTED PRIVATE KEY";

/// Whether a block is a key that can be decrypted.
pub(super) fn is_encrypted(block: &Block) -> bool {
    block.label == PKCS8 || COSIGN.contains(&block.label.as_str())
}

/// Checks that a block is a key that can be decrypted at a bounded cost.
pub(super) fn check(block: &Block) -> Result<(), Fault> {
    match block.label == PKCS8 {
        true => pkcs8(&block.der).map(drop),
        false => CosignKey::parse(&block.der).map(drop),
    }
}

/// The key in PKCS#8, in DER.
pub(super) fn decrypt(block: &Block, password: &[u8]) -> Result<Zeroizing<Vec<u8>>, Fault> {
    let der = match block.label == PKCS8 {
        true => {
            let decrypted = pkcs8(&block.der)?.decrypt(password).map_err(|_| Fault::WrongPassword)?;
            Zeroizing::new(decrypted.as_bytes().to_vec())
        }
        false => CosignKey::parse(&block.der)?.decrypt(password)?,
    };
    // PBES2 has no check of its own: a wrong password can give bytes that are no key.
    PrivateKeyInfo::from_der(&der).map_err(|_| Fault::WrongPassword)?;
    Ok(der)
}

/// An encrypted key in PKCS#8 that can be decrypted.
fn pkcs8(der: &[u8]) -> Result<EncryptedPrivateKeyInfo<'_>, Fault> {
    const DAMAGED: Fault = Fault::DamagedKey("it is not an encrypted private key in DER");
    let scheme = scheme(der).map_err(|_| DAMAGED)?;
    if scheme != PBES2_OID {
        return Err(Fault::KeyEncryption(match scheme.to_string() {
            old if old.starts_with("1.2.840.113549.1.5.") || old.starts_with("1.2.840.113549.1.12.1.") => {
                "PBES1".into()
            }
            other => other,
        }));
    }
    let info = EncryptedPrivateKeyInfo::from_der(der).map_err(|error| match error.kind() {
        ErrorKind::OidUnknown { oid } => Fault::KeyEncryption(oid.to_string()),
        _ => DAMAGED,
    })?;
    let EncryptionScheme::Pbes2(parameters) = &info.encryption_algorithm else { return Err(DAMAGED) };
    match &parameters.kdf {
        Kdf::Pbkdf2(kdf) => match kdf.iteration_count {
            0 => return Err(Fault::DamagedKey("its PBKDF2 has no rounds")),
            1..=ROUNDS_MAX => {}
            rounds => return Err(Fault::KeyCost(format!("{rounds} rounds of PBKDF2"))),
        },
        Kdf::Scrypt(kdf) => {
            check_scrypt(kdf.cost_parameter, kdf.block_size.into(), kdf.parallelization.into()).map(drop)?;
        }
        other => return Err(Fault::KeyEncryption(other.oid().to_string())),
    }
    Ok(info)
}

/// The ID of the encryption of a key in PKCS#8.
fn scheme(der: &[u8]) -> pkcs8::der::Result<ObjectIdentifier> {
    SliceReader::new(der)?.sequence(|reader| {
        let algorithm = AlgorithmIdentifierRef::decode(reader)?;
        OctetStringRef::decode(reader)?;
        Ok(algorithm.oid)
    })
}

/// The parameters of scrypt, if their cost is bounded.
fn check_scrypt(n: u64, r: u32, p: u32) -> Result<scrypt::Params, Fault> {
    let invalid = Fault::DamagedKey("the parameters of its scrypt are invalid");
    if n < 2 || !n.is_power_of_two() || r == 0 || p == 0 {
        return Err(invalid);
    }
    let (blocks, all) = (n.saturating_mul(r.into()), u64::from(r).saturating_mul(p.into()));
    let memory = blocks.saturating_add(all).saturating_mul(128);
    // Of the lists for each lane, only that of one exists at a time.
    if memory > MEMORY_MAX + (1 << 20) || blocks.saturating_mul(p.into()) > BLOCKS_MAX {
        return Err(Fault::KeyCost(format!("scrypt with N = {n}, r = {r} and p = {p}")));
    }
    // At most 20, since `n` is bounded.
    let log_n = u8::try_from(n.trailing_zeros()).unwrap_or_default();
    scrypt::Params::new(log_n, r, p, scrypt::Params::RECOMMENDED_LEN).map_err(|_| invalid)
}

/// What an encrypted key of cosign has: JSON with scrypt and NaCl's secretbox.
struct CosignKey {
    cost: scrypt::Params,
    salt: Vec<u8>,
    nonce: Nonce,
    ciphertext: Vec<u8>,
}

impl CosignKey {
    fn parse(text: &[u8]) -> Result<Self, Fault> {
        let mut fields = Fields::of(json::parse(text, "the encrypted key")?, "the encrypted key")?;
        let mut kdf = fields.object("kdf")?;
        let mut cipher = fields.object("cipher")?;
        let ciphertext = base64::decode(&fields.text("ciphertext")?, "ciphertext")?;
        fields.end()?;

        let name = kdf.text("name")?;
        if name != "scrypt" {
            return Err(Fault::KeyEncryption(name));
        }
        let mut parameters = kdf.object("params")?;
        let salt = base64::decode(&kdf.text("salt")?, "salt")?;
        kdf.end()?;
        let (n, r, p) =
            (number(&mut parameters, "N")?, number(&mut parameters, "r")?, number(&mut parameters, "p")?);
        parameters.end()?;
        let narrow = |value| u32::try_from(value).unwrap_or(u32::MAX);
        let cost = check_scrypt(n, narrow(r), narrow(p))?;

        let name = cipher.text("name")?;
        if name != "nacl/secretbox" {
            return Err(Fault::KeyEncryption(name));
        }
        let nonce = base64::decode(&cipher.text("nonce")?, "nonce")?;
        cipher.end()?;
        let nonce: [u8; 24] =
            nonce.try_into().map_err(|_| Fault::DamagedKey("its nonce does not have 24 bytes"))?;
        Ok(Self { cost, salt, nonce: nonce.into(), ciphertext })
    }

    fn decrypt(&self, password: &[u8]) -> Result<Zeroizing<Vec<u8>>, Fault> {
        let mut key = Zeroizing::new([0; 32]);
        // It fails only for outputs of another length.
        scrypt(password, &self.salt, &self.cost, key.as_mut_slice()).map_err(|_| Fault::WrongPassword)?;
        let cipher = XSalsa20Poly1305::new(Key::from_slice(key.as_slice()));
        let plain =
            cipher.decrypt(&self.nonce, self.ciphertext.as_slice()).map_err(|_| Fault::WrongPassword)?;
        Ok(Zeroizing::new(plain))
    }
}

fn number(fields: &mut Fields, name: &'static str) -> Result<u64, Fault> {
    let value = fields.required(name)?;
    value.as_u64().ok_or_else(|| Fault::WrongType { place: format!("`{name}`"), expected: "a number" })
}
