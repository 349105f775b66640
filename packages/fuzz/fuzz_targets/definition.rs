//! Invariant: whatever the text of a definition is, reading and checking it ends with a result or with mistakes, also for each release that
//! it names; and a definition that is written reads back equal.
//!
//! To run it, in `packages/`: `cargo +nightly fuzz run definition`.
#![no_main]

use libfuzzer_sys::fuzz_target;

use packages::RpmDefinition;

fuzz_target!(|text: &str| {
    let Ok(definition) = serde_saphyr::from_str::<RpmDefinition>(text) else { return };
    let mistakes = definition.mistakes();
    assert_eq!(definition.check().is_ok(), mistakes.is_empty());
    drop(definition.warnings());
    for target in definition.overrides.keys() {
        let of_target = definition.for_target(target);
        assert!(of_target.overrides.is_empty());
        assert!(!mistakes.is_empty() || of_target.check().is_ok());
    }
    for file in &definition.files {
        assert!(file.source().is_file() || !file.takes(".git").unwrap_or_default());
    }
    let written = serde_saphyr::to_string(&definition).expect("a definition can be written");
    assert_eq!(serde_saphyr::from_str::<RpmDefinition>(&written).expect("it reads back"), definition);
});
