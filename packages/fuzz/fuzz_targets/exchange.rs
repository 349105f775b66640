//! Invariant: whatever a list or an input of another tool holds, reading it ends with packages or a reason, and what is written of it
//! reads back the same.
//!
//! To run it, in `packages/`: `cargo +nightly fuzz run exchange`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use packages::exchange::{ExchangeFile, PackageInput};

fuzz_target!(|text: &str| match ExchangeFile::read(text) {
    Err(fault) => assert!(!fault.to_string().is_empty()),
    Ok(ExchangeFile::List(list)) => {
        let Ok(ExchangeFile::List(again)) = ExchangeFile::read(&list.rpms_lock()) else { return };
        assert!(again.packages.iter().all(|one| list.packages.iter().any(|own| own.name == one.name)));
    }
    Ok(ExchangeFile::Input(input)) => {
        let input = PackageInput { left_out: Vec::new(), ..input };
        assert_eq!(ExchangeFile::read(&input.rpms_in()), Ok(ExchangeFile::Input(input)));
    }
});
