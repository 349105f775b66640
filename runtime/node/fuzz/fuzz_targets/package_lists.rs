//! Invariant: the list of the packages of a bootstrap node is refused, or has names that no installer takes for an option.
//!
//! To run it, in `runtime/node/`: `cargo +nightly fuzz run package_lists`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for name in node::bootstrap::parse_packages(bytes).unwrap_or_default() {
        assert!(name.starts_with(|first: char| first.is_ascii_alphanumeric()), "{name}");
        assert!(!name.contains(|one: char| one.is_whitespace() || "/*[]:<>=()".contains(one)), "{name}");
    }
});
