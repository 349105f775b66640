//! The hash itself: MD5 (RFC 1321).

#[cfg(not(target_arch = "x86_64"))]
use md5::block_api::compress;

#[cfg(target_arch = "x86_64")]
use super::x86::compress;

/// An MD5 whose value can be read while bytes are still added.
#[derive(Debug, Clone)]
pub(crate) struct Md5 {
    state: [u32; 4],
    /// The start of the next block.
    pending: [u8; 64],
    /// Bytes taken.
    length: u64,
}

impl Default for Md5 {
    fn default() -> Self {
        let state = [0x6745_2301, 0xEFCD_AB89, 0x98BA_DCFE, 0x1032_5476];
        Self { state, pending: [0; 64], length: 0 }
    }
}

impl Md5 {
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        let filled = (self.length % 64) as usize;
        self.length = self.length.wrapping_add(bytes.len() as u64);
        let mut rest = bytes;
        if filled > 0 {
            let room = self.pending.get_mut(filled..).unwrap_or_default();
            let (now, behind) = rest.split_at_checked(room.len()).unwrap_or((rest, &[]));
            for (to, from) in room.iter_mut().zip(now) {
                *to = *from;
            }
            if now.len() < 64 - filled {
                return;
            }
            compress(&mut self.state, &[self.pending]);
            rest = behind;
        }
        let (blocks, rest) = rest.as_chunks();
        compress(&mut self.state, blocks);
        for (to, from) in self.pending.iter_mut().zip(rest) {
            *to = *from;
        }
    }

    /// The digest of all bytes so far.
    pub(crate) fn digest(&self) -> [u8; 16] {
        let mut last = self.clone();
        // A bit, zeros up to the last 8 bytes of a block, and the length in bits.
        let filled = (self.length % 64) as usize;
        let padding = if filled < 56 { 56 - filled } else { 120 - filled };
        let mut pad = [0; 64];
        pad[0] = 0x80;
        last.update(pad.get(..padding).unwrap_or_default());
        last.update(&self.length.wrapping_mul(8).to_le_bytes());
        let mut digest = [0; 16];
        for (to, from) in digest.as_chunks_mut().0.iter_mut().zip(last.state) {
            *to = from.to_le_bytes();
        }
        digest
    }
}

#[cfg(test)]
mod tests {
    use ::md5::digest::Digest;

    use super::*;

    #[test]
    fn the_digests_of_the_standard() {
        let cases = [
            ("", "d41d8cd98f00b204e9800998ecf8427e"),
            ("a", "0cc175b9c0f1b6a831c399e269772661"),
            ("message digest", "f96b697d7cb7938d525a2f31aaf161d0"),
            (
                "12345678901234567890123456789012345678901234567890123456789012345678901234567890",
                "57edf4a22be3c955ac49da2e2107b67a",
            ),
        ];
        for (text, digest) in cases {
            let mut md5 = Md5::default();
            md5.update(text.as_bytes());
            assert_eq!(hex::encode(md5.digest()), digest, "{text}");
        }
    }

    #[test]
    fn every_length_in_every_step_agrees_with_another_implementation() {
        let bytes: Vec<u8> = (0..300_u32).map(|n| (n * 7 % 251) as u8).collect();
        for length in 0..bytes.len() {
            for step in [1, 3, 63, 64, 65, 300] {
                let mut ours = Md5::default();
                for step in bytes[..length].chunks(step) {
                    ours.update(step);
                    ours.digest();
                }
                let theirs: [u8; 16] = ::md5::Md5::digest(&bytes[..length]).into();
                assert_eq!(ours.digest(), theirs, "{length} bytes, {step} at a time");
            }
        }
    }
}
