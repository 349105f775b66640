//! Invariant: a configuration is refused or parsed, and a change of its list of archives is refused or made: an added archive
//! is listed once, a removed one is not, the others stay, and removing an added one restores the list. The same holds for the
//! active versions.
//!
//! To run it, in `runtime/node/`: `cargo +nightly fuzz run configurations`. The modules are included from the crate's
//! sources, since the crate needs more than a fuzzer does.
#![no_main]

#[path = "../../src"]
#[expect(dead_code, unused_imports, reason = "only reading and changing text is fuzzed")]
mod source {
    pub(crate) mod site_config;
    pub(crate) mod file;
}

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use source::site_config::{NodeConfiguration, ConfigurationKind};
// Where the modules look for it.
use source::file;

fuzz_target!(|text: &str| {
    for kind in ConfigurationKind::ALL {
        let Ok(read) = NodeConfiguration::parse(Path::new("fuzzed.yaml"), kind, text.to_owned()) else { continue };
        let before = read.archives().to_vec();
        let mut added = read.clone();
        let new = Path::new("/a new, archive #1.iso");
        if !before.iter().any(|archive| archive == new) && added.add(new).is_ok() {
            let others: Vec<_> = added.archives().iter().filter(|archive| *archive != new).cloned().collect();
            assert_eq!((added.archives().len(), &others), (before.len() + 1, &before));
            if added.remove(new).is_ok() {
                assert_eq!(added.archives(), before);
            }
        }
        let mut active = read.clone();
        let mut wanted = read.active().clone();
        wanted.insert("new-one".to_owned(), "1.0".to_owned());
        if active.set_active("new-one", Some("1.0")).is_ok() {
            assert_eq!(active.active(), &wanted);
            assert_eq!(active.archives(), before);
        }
        for (index, archive) in before.iter().enumerate() {
            let mut removed = read.clone();
            if removed.remove(archive).is_ok() {
                let mut wanted = before.clone();
                wanted.remove(index);
                assert_eq!(removed.archives(), wanted);
                assert_eq!(removed.active(), read.active());
            }
        }
    }
});
