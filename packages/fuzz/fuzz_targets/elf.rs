//! Invariant: whatever the bytes of a program or library are, finding its dependencies ends with names of libraries or with a
//! reason, after reading a bounded number of bytes.
//!
//! To run it, in `packages/`: `cargo +nightly fuzz run elf`.
#![no_main]

#[path = "../../src/automatic/elf.rs"]
mod elf;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let mut read = 0;
    let read_at = |offset: u64, length: usize| {
        read += length;
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(input.len());
        Ok(input[start..start.saturating_add(length).min(input.len())].to_vec())
    };
    if let Ok(found) = elf::read(read_at, "libx.so", input.len() % 2 == 0) {
        for name in found.provides.iter().chain(&found.requires) {
            assert!(name.contains(".so") || name == "rtld(GNU_HASH)", "{name}");
        }
    }
    assert!(read <= 16 << 20, "{read}");
});
