//! The text of the application-use field, as `implantisomd5` writes it, and the sums in it.
//!
//! The sum covers the volume but for its last 15 sectors, with the field itself read as blanks. Besides the sum of the
//! whole, the field holds the start of the running sum at 20 positions, so that a check can stop at the first damage.

use std::ops::Range;

use super::hash::Md5;
use crate::format::descriptor::{APPLICATION_USE, APPLICATION_USE_LEN};
use crate::format::{FIRST_DESCRIPTOR, SECTOR};

/// Sectors at the end that the peers do not cover.
pub(crate) const SKIPPED: u64 = 15;
/// Fragments whose sums the field holds; what follows them belongs to the whole only.
pub(crate) const FRAGMENTS: u64 = 20;
/// Digits of each fragment's sum in the field.
const DIGITS: usize = 3;
/// The peers read in pieces of this size and look at the running sum behind a whole one only.
const PIECE: u64 = 32_768;

/// The start of a running sum.
type Head = [u8; DIGITS];

/// Where the field stands in the image.
pub(crate) const FIELD: Range<u64> = {
    let start = FIRST_DESCRIPTOR * SECTOR + APPLICATION_USE as u64;
    start..start + APPLICATION_USE_LEN as u64
};

/// How many bytes of a volume are covered if `skipped` sectors at its end are not.
pub(crate) fn covered(volume_sectors: u32, skipped: u64) -> u64 {
    u64::from(volume_sectors).saturating_sub(skipped) * SECTOR
}

/// Makes the field blank in a stretch of the image that begins at `position`.
pub(crate) fn blank(position: u64, bytes: &mut [u8]) {
    fill_in(position, bytes, &[b' '; APPLICATION_USE_LEN]);
}

/// Puts `text` into the field in a stretch of the image that begins at `position`.
pub(crate) fn fill_in(position: u64, bytes: &mut [u8], text: &[u8; APPLICATION_USE_LEN]) {
    let within =
        |at: u64| usize::try_from(at.saturating_sub(position)).unwrap_or(usize::MAX).min(bytes.len());
    let (start, end) = (within(FIELD.start), within(FIELD.end));
    let skipped = usize::try_from(position.saturating_sub(FIELD.start)).unwrap_or(usize::MAX);
    let text = text.get(skipped..).unwrap_or_default();
    for (to, from) in bytes.get_mut(start..end).unwrap_or_default().iter_mut().zip(text) {
        *to = *from;
    }
}

/// The running sums of the bytes so far.
#[derive(Debug, Clone)]
pub(crate) struct RunningMd5 {
    md5: Md5,
    position: u64,
    covered: u64,
    fragment_size: u64,
    /// The fragment in which the last piece began.
    fragment: u64,
    heads: Vec<Head>,
}

/// A running sum at the end of a fragment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    /// The fragment's number, from 0.
    pub(crate) index: usize,
    pub(crate) head: Head,
    /// The bytes covered so far.
    pub(crate) position: u64,
}

impl RunningMd5 {
    /// Sums for a volume whose first `covered` bytes count, in this many fragments.
    pub(crate) fn new(covered: u64, fragments: u64) -> Self {
        Self {
            md5: Md5::default(),
            position: 0,
            covered,
            fragment_size: covered / (fragments + 1),
            fragment: 0,
            heads: vec![[b'0'; DIGITS]; usize::try_from(fragments).unwrap_or_default()],
        }
    }

    /// Takes the next bytes, in which the field must be blank; what lies behind the covered part is ignored. Hands out
    /// the running sum where a fragment ended.
    pub(crate) fn update(&mut self, mut bytes: &[u8], mut marked: impl FnMut(Mark)) {
        while self.position < self.covered && !bytes.is_empty() {
            let start = self.position / PIECE * PIECE;
            let end = (start + PIECE).min(self.covered);
            let length = usize::try_from(end - self.position).unwrap_or(usize::MAX).min(bytes.len());
            let (now, rest) = bytes.split_at_checked(length).unwrap_or((bytes, &[]));
            self.md5.update(now);
            self.position += length as u64;
            bytes = rest;
            // A volume of less than 21 bytes has no fragments.
            let fragment = start.checked_div(self.fragment_size).unwrap_or_default();
            if self.position == end && fragment != self.fragment {
                self.fragment = fragment;
                // On a small volume a piece passes over several fragments; those in between keep zeros, which is the
                // one form that the peers' check accepts there.
                let index = usize::try_from(fragment - 1).unwrap_or(usize::MAX);
                if let Some(place) = self.heads.get_mut(index) {
                    *place = head(self.md5.digest());
                    marked(Mark { index, head: *place, position: self.position });
                }
            }
        }
    }

    /// How many of the covered bytes came by.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// Whether a piece may pass over a whole fragment: then the peers' own sums are not where they look for them.
    pub(crate) fn fragments_are_small(&self) -> bool {
        self.fragment_size < PIECE
    }

    /// The sum so far.
    pub(crate) fn md5(&self) -> [u8; 16] {
        self.md5.digest()
    }

    /// The field's 512 bytes.
    pub(crate) fn text(&self) -> [u8; APPLICATION_USE_LEN] {
        let text = format!(
            "ISO MD5SUM = {};SKIPSECTORS = {SKIPPED};RHLISOSTATUS=0;FRAGMENT SUMS = {};FRAGMENT COUNT = {};\
             THIS IS NOT THE SAME AS RUNNING MD5SUM ON THIS ISO!!",
            hex::encode(self.md5()),
            String::from_utf8_lossy(self.heads.as_flattened()),
            self.heads.len(),
        );
        let mut field = [b' '; APPLICATION_USE_LEN];
        for (to, from) in field.iter_mut().zip(text.bytes()) {
            *to = from;
        }
        field
    }
}

/// The first digit of each of the first bytes in hexadecimal without leading zeros, which is how the peers print them.
fn head(digest: [u8; 16]) -> Head {
    let digit = |byte: u8| {
        let nibble = if byte < 0x10 { byte } else { byte >> 4 };
        b"0123456789abcdef".get(usize::from(nibble)).copied().unwrap_or(b'0')
    };
    let [first, second, third, ..] = digest;
    [first, second, third].map(digit)
}

/// The values of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Md5Field {
    pub(crate) md5: [u8; 16],
    pub(crate) skipped: u64,
    /// The fragments' sums; empty if the field has them in a form that cannot be compared.
    pub(crate) heads: Vec<Head>,
}

impl Md5Field {
    /// Reads the field; `None` if it holds no sum. Its parts may stand in any order.
    pub(crate) fn parse(field: &[u8; APPLICATION_USE_LEN]) -> Option<Self> {
        let text = str::from_utf8(field).ok()?;
        let value = |name: &str| {
            let (_, behind) = text.split_once(name)?;
            Some(behind.split_once(';').map_or(behind, |(value, _)| value).trim())
        };
        let mut md5 = [0; 16];
        hex::decode_to_slice(value("ISO MD5SUM = ")?, &mut md5).ok()?;
        let skipped = value("SKIPSECTORS = ")?.parse().ok()?;
        let count = value("FRAGMENT COUNT = ").and_then(|count| count.parse().ok()).unwrap_or(0_usize);
        let sums = value("FRAGMENT SUMS = ").unwrap_or_default().as_bytes();
        let (heads, rest) = sums.as_chunks::<DIGITS>();
        let heads = if heads.len() == count && rest.is_empty() { heads.to_vec() } else { Vec::new() };
        Some(Self { md5, skipped, heads })
    }

    /// Whether a field that holds no sum looks as if it had held one.
    pub(crate) fn was_there(field: &[u8; APPLICATION_USE_LEN]) -> bool {
        let parts = ["ISO MD5SUM", "SKIPSECTORS", "RHLISOSTATUS", "FRAGMENT", "RUNNING MD5SUM"];
        parts.iter().any(|part| field.windows(part.len()).any(|window| window == part.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds a volume of `covered` bytes in steps of `step`.
    fn run(covered: u64, step: usize) -> (RunningMd5, Vec<Mark>) {
        let bytes: Vec<u8> = (0..covered + 5000).map(|n| (n * 31 % 251) as u8).collect();
        let mut running = RunningMd5::new(covered, FRAGMENTS);
        let mut marks = Vec::new();
        for step in bytes.chunks(step) {
            running.update(step, |mark| marks.push(mark));
        }
        (running, marks)
    }

    #[test]
    fn the_steps_do_not_matter() {
        let (whole, marks) = run(1_000_000, usize::MAX);
        for step in [1_000, 32_768, 65_536, 99_999] {
            let (running, again) = run(1_000_000, step);
            assert_eq!((running.text(), again), (whole.text(), marks.clone()), "{step}");
        }
        assert_eq!(whole.position(), 1_000_000);
    }

    #[test]
    fn fragments_end_where_the_closed_form_says() {
        for covered in [688_128, 1_000_000, 2_500_000] {
            let (running, marks) = run(covered, 7_777);
            assert!(!running.fragments_are_small());
            let size = covered / 21;
            let expected: Vec<u64> =
                (1..=20).map(|k| (((k * size).div_ceil(PIECE) + 1) * PIECE).min(covered)).collect();
            assert_eq!(marks.iter().map(|mark| mark.position).collect::<Vec<_>>(), expected, "{covered}");
            assert!(marks.iter().map(|mark| mark.index).eq(0..20));
        }
    }

    #[test]
    fn tiny_volumes_have_few_marks_or_none() {
        for covered in [0, 1, 20, 21, 2_048, 40_000] {
            let (running, marks) = run(covered, 1_000);
            assert!(running.fragments_are_small() && marks.len() <= 1, "{covered}");
            assert_eq!(Md5Field::parse(&running.text()).unwrap().md5, running.md5());
        }
    }

    #[test]
    fn the_text_is_what_the_peers_write() {
        let (running, marks) = run(1_000_000, 4_096);
        let text = String::from_utf8(running.text().to_vec()).unwrap();
        let sums: String = marks.iter().map(|mark| str::from_utf8(&mark.head).unwrap()).collect();
        let expected = format!(
            "ISO MD5SUM = {};SKIPSECTORS = 15;RHLISOSTATUS=0;FRAGMENT SUMS = {sums};FRAGMENT COUNT = 20;\
             THIS IS NOT THE SAME AS RUNNING MD5SUM ON THIS ISO!!",
            hex::encode(running.md5()),
        );
        assert_eq!(text.trim_end(), expected);
        assert_eq!(text.len(), 512);
    }

    #[test]
    fn heads_have_no_leading_zeros() {
        let mut digest = [0; 16];
        digest[..3].copy_from_slice(&[0x0a, 0xf1, 0x10]);
        assert_eq!(&head(digest), b"af1");
    }

    #[test]
    fn fields_that_say_less() {
        let field = |text: &str| {
            let mut field = [b' '; 512];
            field[..text.len()].copy_from_slice(text.as_bytes());
            Md5Field::parse(&field)
        };
        let sum = "0123456789abcdef0123456789abcdef";
        assert_eq!(field(""), None);
        assert_eq!(field(&format!("ISO MD5SUM = {sum};")), None, "no sectors to skip");
        assert_eq!(field(&format!("ISO MD5SUM = {};SKIPSECTORS = 15;", "x".repeat(32))), None, "no sum");
        let short =
            field(&format!("SKIPSECTORS = 15;ISO MD5SUM = {sum};FRAGMENT SUMS = abc;FRAGMENT COUNT = 2;"));
        assert_eq!(short.unwrap().heads, Vec::<Head>::new(), "fewer sums than it counts");
        let whole =
            field(&format!("ISO MD5SUM = {sum};SKIPSECTORS = 9;FRAGMENT SUMS = abcdef;FRAGMENT COUNT = 2"));
        assert_eq!(whole.unwrap().heads, [*b"abc", *b"def"]);
    }

    #[test]
    fn blanking_meets_every_cut() {
        let image = vec![7; 40_000];
        for step in [1, 100, 33_651, 33_652, 33_700, 34_163, 40_000] {
            let mut blanked = image.clone();
            for (index, chunk) in blanked.chunks_mut(step).enumerate() {
                blank((index * step) as u64, chunk);
            }
            for (at, byte) in blanked.iter().enumerate() {
                assert_eq!(*byte == b' ', FIELD.contains(&(at as u64)), "{step} {at}");
            }
        }
    }
}
