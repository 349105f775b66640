//! Invariant: whatever a `comps.xml` or a `modules.yaml` holds, reading it ends with groups or modules, or with a reason.
//!
//! To run it, in `packages/`: `cargo +nightly fuzz run groups`.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use packages::metadata::{Groups, Modules};

fuzz_target!(|text: &str| {
    let _ = Groups::read(text.as_bytes(), Path::new("comps.xml"));
    if let Ok(modules) = Modules::read(text, Path::new("modules.yaml")) {
        let artifacts: usize = modules.streams.iter().map(|stream| stream.artifacts.len()).sum();
        assert!(artifacts <= text.len());
    }
});
