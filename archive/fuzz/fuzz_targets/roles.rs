//! Invariant: whatever the text is, its check ends, and each finding is about the file and bounded.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    for finding in archive::check::check_roles(text) {
        assert!(finding.place.path == archive::check::ROLE && finding.code().starts_with("role-"));
        assert!(finding.problem.chars().count() <= 601);
    }
});
