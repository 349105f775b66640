//! Input that the fuzzer found, or began with: it is read or refused, and nothing else.
#![allow(clippy::disallowed_methods, reason = "tests use folders of their own")]
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod exercise;

use std::fs;
use std::path::Path;

/// Every input that is kept for a fuzz target.
fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let inputs: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect();
    assert!(!inputs.is_empty(), "nothing is kept for {target}");
    inputs
}

/// Each input as it is, and each cut short.
fn exercise(target: &str, read: fn(&[u8])) {
    for input in corpus(target) {
        read(&input);
        for cut in 1..8 {
            read(&input[..input.len() * cut / 8]);
        }
    }
}

#[test]
fn names() {
    exercise("names", exercise::names);
}

#[test]
fn manifests() {
    exercise("manifests", exercise::manifests);
}

#[test]
fn archives() {
    exercise("archives", exercise::archives);
}

#[test]
fn find() {
    exercise("find", exercise::find);
}

#[test]
fn original_names() {
    exercise("original-names", exercise::original_names);
}
