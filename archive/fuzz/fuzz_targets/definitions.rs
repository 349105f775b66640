//! Invariant: whatever the text is, its check ends, and each finding is about the file and bounded.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let findings = archive::check::check_definitions("a_crd.yaml", text);
    let lines = text.len() as u64 + 1;
    for finding in findings {
        assert!(finding.place.path == "a_crd.yaml" && finding.place.line.is_none_or(|line| line <= lines));
        assert!(finding.problem.chars().count() <= 601 && finding.code().starts_with("crd-"));
    }
});
