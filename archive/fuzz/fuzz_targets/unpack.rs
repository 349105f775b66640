//! Invariant: whatever the bytes are, they are refused or unpacked, within the limits, and nothing is written outside the folder.
#![no_main]

use archive::unpack::{TarSelection, TreeWriter, UnpackLimits, unpack_tar};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(folder) = tempfile::tempdir() else { return };
    let inside = folder.path().join("inside");
    if std::fs::create_dir(&inside).is_err() {
        return;
    }
    let limits = UnpackLimits { entries: 100, bytes: 1 << 16 };
    let Ok(mut writer) = TreeWriter::new(&inside, limits) else { return };
    let mut selection = TarSelection { strip: 0, keep: &mut |_, _| true };
    if unpack_tar(&mut &*bytes, &mut selection, &mut writer).is_ok() {
        assert!(writer.finish().is_err() || std::fs::read_dir(&inside).is_ok());
    }
    assert!(std::fs::read_dir(folder.path()).is_ok_and(|entries| entries.count() == 1));
});
