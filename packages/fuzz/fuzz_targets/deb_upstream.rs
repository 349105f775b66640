//! Invariant: whatever a `Release` or `Packages` of an upstream repository holds, reading it ends with what it lists or with a reason.
//! No path leads out of the repository, and every package can be compared with every other.
//!
//! To run it, in `packages/`: `cargo +nightly fuzz run deb_upstream`.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use packages::debian::{Release, compare, read_packages};

fn stays_inside(path: &str) -> bool {
    !path.starts_with('/') && !path.contains("://") && path.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

fuzz_target!(|input: &[u8]| {
    let path = Path::new("x");
    if let Ok(release) = Release::read(input, path) {
        for folder in ["", "main/binary-amd64/"] {
            assert!(release.packages(folder).iter().all(|file| stays_inside(&file.path) && stays_inside(&file.by_hash())));
        }
        let _ = (release.expired(i64::MAX), release.is_suite("stable"));
    }
    let mut found = Vec::new();
    let _ = read_packages(&mut &*input, path, |_| true, |deb| found.push(deb));
    for deb in found.iter().take(20) {
        assert!(stays_inside(&deb.path) && !deb.identity.file_name().contains('/'), "{deb:?}");
        for other in found.iter().take(20) {
            let order = compare(&deb.identity.version, &other.identity.version);
            assert_eq!(order, compare(&other.identity.version, &deb.identity.version).reverse());
        }
    }
});
