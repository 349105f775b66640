//! Invariant: a status of another node is refused in one line, or read as IDs and digests that are valid.
//!
//! To run it, in `runtime/node/`: `cargo +nightly fuzz run statuses`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use node::other_nodes::held_archives;

fuzz_target!(|document: &[u8]| {
    match held_archives(document) {
        Ok(held) => {
            for (id, contents) in held {
                assert!(!id.contains(['/', '\n']));
                assert!(contents.is_none_or(|digest| digest.len() == 71 && digest.starts_with("sha256:")));
            }
        }
        Err(problem) => assert!(!problem.is_empty()),
    }
});
