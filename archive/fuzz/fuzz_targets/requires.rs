//! Invariant: whatever the text is, it is refused, or requirements that survive being written and have names fit for a path.
#![no_main]

use archive::requires::{parse, render};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(requires) = parse(text) {
        assert!(requires.iter().all(|one| !one.name.contains(['/', '\0']) && !one.name.starts_with('.')));
        assert!(requires.iter().flat_map(|one| &one.images).all(|image| !image.name.contains("..")));
        assert_eq!(parse(&render(&requires)).ok(), Some(requires));
    }
});
