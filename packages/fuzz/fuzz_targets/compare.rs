//! Invariant: whatever the bytes are, comparing them ends, and each file that can be read is equal to itself.
#![no_main]

use libfuzzer_sys::fuzz_target;
use packages::compare::{Replacements, deb, rpm, tar};

fuzz_target!(|bytes: &[u8]| {
    let (one, other) = bytes.split_at(bytes.len() / 2);
    let replaced = Replacements::new(vec![("1-rc1".into(), "1".into())]);
    let nothing = Replacements::default();
    for (former, new, replaced) in [(one, other, &replaced), (bytes, bytes, &nothing)] {
        for found in [tar(former, new, replaced), deb(former, new, replaced), rpm(former, new, replaced)] {
            assert!(former != new || found.map_or(true, |difference| difference.is_none()));
        }
    }
});
