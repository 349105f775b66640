//! Invariant: whatever a `primary.xml` holds, packed or not, reading it ends with packages or a reason. Each package has a name,
//! a version and a path in the repository, and its dependencies can be written.
//!
//! To run it, in `packages/`: `cargo +nightly fuzz run primary`.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use packages::Relation;
use packages::metadata::{Pool, Repository, unpacked};

fuzz_target!(|input: &[u8]| {
    let mut pool = Pool::new();
    let repository = pool.add_repository(Repository::new("r"));
    let Ok(text) = unpacked(input, 1 << 20) else { return };
    let Ok(count) = pool.read_primary(repository, text, Path::new("primary.xml")) else { return };
    assert_eq!(pool.packages().len(), count);
    for (_, package) in pool.packages() {
        assert!(!pool.text(package.name).is_empty() && !pool.text(package.evr.version).is_empty());
        assert!(!pool.text(package.location).split('/').any(|part| part == ".."));
        assert!(pool.compare(package.evr, package.evr).is_eq());
        for relation in Relation::ALL {
            for id in pool.relations(package, relation) {
                assert!(!pool.expression_text(*id).is_empty());
            }
        }
    }
});
