//! Invariant: the roles and definitions of an archive are refused or parsed, and the JSON that `kubectl` gets has the same
//! objects.
//!
//! To run it, in `runtime/node/`: `cargo +nightly fuzz run objects`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(objects) = node::environments::parse_objects(text) else { return };
    for object in objects {
        assert!(object.is_object());
        let read: serde_json::Value = serde_json::from_str(&object.to_string()).unwrap();
        assert_eq!(read, object);
    }
});
