//! Checksums as repository metadata name them.

use std::fmt;
use std::io::{self, Read};

use md5::Digest as _;

/// The kind of a checksum in repository metadata.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ChecksumKind {
    /// MD5, of the oldest repositories.
    Md5,
    /// SHA-1, also called `sha`.
    Sha1,
    /// SHA-224.
    Sha224,
    /// SHA-256.
    #[default]
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl ChecksumKind {
    const ALL: [(&'static str, Self, usize); 7] = [
        ("md5", Self::Md5, 32),
        ("sha", Self::Sha1, 40),
        ("sha1", Self::Sha1, 40),
        ("sha224", Self::Sha224, 56),
        ("sha256", Self::Sha256, 64),
        ("sha384", Self::Sha384, 96),
        ("sha512", Self::Sha512, 128),
    ];

    /// The kind with this name in metadata.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(known, ..)| *known == name).map(|(_, kind, _)| kind)
    }

    /// The name that is written: `sha256`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::ALL.into_iter().rev().find(|(_, kind, _)| *kind == self).map_or("", |(name, ..)| name)
    }

    /// How many hexadecimal digits it has.
    #[must_use]
    pub fn digits(self) -> usize {
        Self::ALL.into_iter().find(|(_, kind, _)| *kind == self).map_or(0, |(.., digits)| digits)
    }
}

impl ChecksumKind {
    /// The checksum of everything that a reader has.
    ///
    /// # Errors
    ///
    /// The reader's.
    pub fn of(self, reader: &mut impl Read) -> io::Result<Checksum> {
        let mut hasher = ChecksumHasher::new(self);
        let mut buffer = vec![0; 128 << 10];
        loop {
            match reader.read(&mut buffer)? {
                0 => return Ok(hasher.finish()),
                read => hasher.update(buffer.get(..read).unwrap_or_default()),
            }
        }
    }
}

/// A checksum that is being computed.
#[derive(Clone, Debug)]
pub struct ChecksumHasher(Hasher);

#[derive(Clone, Debug)]
enum Hasher {
    Md5(md5::Md5),
    Sha1(sha1::Sha1),
    Sha224(sha2::Sha224),
    Sha256(sha2::Sha256),
    Sha384(sha2::Sha384),
    Sha512(sha2::Sha512),
}

impl ChecksumHasher {
    /// The checksum of no bytes.
    #[must_use]
    pub fn new(kind: ChecksumKind) -> Self {
        Self(match kind {
            ChecksumKind::Md5 => Hasher::Md5(Default::default()),
            ChecksumKind::Sha1 => Hasher::Sha1(Default::default()),
            ChecksumKind::Sha224 => Hasher::Sha224(Default::default()),
            ChecksumKind::Sha256 => Hasher::Sha256(Default::default()),
            ChecksumKind::Sha384 => Hasher::Sha384(Default::default()),
            ChecksumKind::Sha512 => Hasher::Sha512(Default::default()),
        })
    }

    /// Takes more bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            Hasher::Md5(hasher) => hasher.update(bytes),
            Hasher::Sha1(hasher) => sha1::Digest::update(hasher, bytes),
            Hasher::Sha224(hasher) => hasher.update(bytes),
            Hasher::Sha256(hasher) => hasher.update(bytes),
            Hasher::Sha384(hasher) => hasher.update(bytes),
            Hasher::Sha512(hasher) => hasher.update(bytes),
        }
    }

    /// The checksum of all bytes.
    #[must_use]
    pub fn finish(self) -> Checksum {
        let (kind, hex) = match self.0 {
            Hasher::Md5(hasher) => (ChecksumKind::Md5, hex::encode(hasher.finalize())),
            Hasher::Sha1(hasher) => (ChecksumKind::Sha1, hex::encode(sha1::Digest::finalize(hasher))),
            Hasher::Sha224(hasher) => (ChecksumKind::Sha224, hex::encode(hasher.finalize())),
            Hasher::Sha256(hasher) => (ChecksumKind::Sha256, hex::encode(hasher.finalize())),
            Hasher::Sha384(hasher) => (ChecksumKind::Sha384, hex::encode(hasher.finalize())),
            Hasher::Sha512(hasher) => (ChecksumKind::Sha512, hex::encode(hasher.finalize())),
        };
        Checksum { kind, hex }
    }
}

impl fmt::Display for ChecksumKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A checksum.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Checksum {
    /// Its kind.
    pub kind: ChecksumKind,
    /// The sum, in lowercase hexadecimal.
    pub hex: String,
}

impl Checksum {
    /// Reads a checksum as metadata write it; `None` where the kind is unknown or the sum has another length.
    #[must_use]
    pub fn read(kind: &str, sum: &str) -> Option<Self> {
        let kind = ChecksumKind::from_name(kind)?;
        let valid = sum.len() == kind.digits() && sum.bytes().all(|byte| byte.is_ascii_hexdigit());
        valid.then(|| Self { kind, hex: sum.to_ascii_lowercase() })
    }
}

impl fmt::Display for Checksum {
    /// `KIND:SUM`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.kind, self.hex)
    }
}
