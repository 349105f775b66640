//! Invariant: whatever the bytes are, they are refused or are a provenance that survives being written.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trust::Provenance;

fuzz_target!(|bytes: &[u8]| {
    let Ok(provenance) = Provenance::parse(bytes) else { return };
    let _ = provenance.commit();
    let Ok(text) = provenance.render() else { return };
    assert_eq!(Provenance::parse(text.as_bytes()).ok(), Some(provenance));
});
