//! Invariant: whatever a Debian package or a file of stanzas holds, reading it ends with a package, with stanzas, or with a reason.
//! What was read can be written and read again, and no name leads to another folder.
//!
//! To run it, in `packages/`: `cargo +nightly fuzz run deb`.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use packages::debian::{DebPackage, Stanza};

fn written(stanzas: &[Stanza]) -> Vec<u8> {
    let mut text = Vec::new();
    for stanza in stanzas {
        stanza.write(&mut text).unwrap();
        text.push(b'\n');
    }
    text
}

fuzz_target!(|input: &[u8]| {
    let path = Path::new("x");
    if let Ok(package) = DebPackage::read(input, path, true) {
        assert!(!package.identity.file_name().contains('/'));
        assert_eq!(package.size, input.len() as u64);
        let again = Stanza::read_all(&written(std::slice::from_ref(&package.control)), path).unwrap();
        assert_eq!(again, [package.control]);
    }
    if let Ok(stanzas) = Stanza::read_all(input, path) {
        assert_eq!(Stanza::read_all(&written(&stanzas), path).unwrap(), stanzas);
    }
});
