//! Invariant: a folder with any manifest, state and values is checked to the end, or is no Solution.
#![no_main]

use archive::check::{CheckOptions, Checking};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|texts: (&str, &str, &str)| {
    let Ok(folder) = tempfile::tempdir() else { return };
    let (manifest, state, values) = texts;
    for (name, text) in [("manifest.yaml", manifest), ("state.sls", state), ("values.yaml", values)] {
        if std::fs::write(folder.path().join(name), text).is_err() {
            return;
        }
    }
    if let Ok(checking) = Checking::open(folder.path(), &CheckOptions::default()) {
        let report = checking.run(&());
        assert!(report.findings.iter().all(|finding| !finding.problem.is_empty()));
    }
});
