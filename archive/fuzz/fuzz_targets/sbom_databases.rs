//! Invariant: whatever the bytes are, they are a database of RPM or are refused, and no header is longer than the database.
#![no_main]

use archive::sbom::rpm_database::{DatabaseFormat, ReadAt, headers};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, &[u8], &[u8])| {
    let (kind, database, log) = input;
    let format = match kind % 3 {
        0 => DatabaseFormat::Sqlite,
        1 => DatabaseFormat::Ndb,
        _ => DatabaseFormat::Bdb,
    };
    let log = Some(&log as &dyn ReadAt).filter(|_| kind & 0x80 != 0);
    let most = database.len() + log.map_or(0, |log| usize::try_from(log.size()).unwrap_or(0));
    let _ = headers(format, &database, log, &mut |header| assert!(header.len() <= most));
});
