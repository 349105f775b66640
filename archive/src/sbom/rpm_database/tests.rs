//! Tests with databases of RPM 4.18 and SQLite 3.40, and a hash that `db5.3_load` made and RPM 4.18 lists.

use std::io::Read as _;
use std::path::Path;

use packages::repository::RpmDescription;
use proptest::prelude::*;

use super::*;

const SQLITE: &[u8] = include_bytes!("fixtures/rpmdb.sqlite.gz");
/// The same database after `bash` was removed; its second transaction adds a table.
const LOG: &[u8] = include_bytes!("fixtures/rpmdb.sqlite-wal.gz");
const BDB: &[u8] = include_bytes!("fixtures/Packages.gz");

const ALL: [&str; 3] =
    ["bash 5.1.8-9.el9 Other", "large 1.0-1 Example Linux", "openssl 1:3.0.7-27.el9 Example Linux"];

fn unpacked(bytes: &[u8]) -> Vec<u8> {
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(bytes).read_to_end(&mut unpacked).unwrap();
    unpacked
}

fn listed(format: DatabaseFormat, database: &[u8], log: Option<&[u8]>) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let log = log.as_ref().map(|log| log as &dyn ReadAt);
    headers(format, &database, log, &mut |header| {
        let RpmDescription { name, epoch, version, release, vendor, .. } =
            RpmDescription::of_installed(header, Path::new("rpm")).unwrap();
        let epoch = if epoch == 0 { String::new() } else { format!("{epoch}:") };
        found.push(format!("{name} {epoch}{version}-{release} {vendor}"));
    })?;
    found.sort();
    Ok(found)
}

/// A database of the format ndb with these blobs.
fn ndb(blobs: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = vec![0; 4096];
    bytes[..16].copy_from_slice(b"RpmP\0\0\0\0\x01\0\0\0\x01\0\0\0");
    for slot in bytes[32..].chunks_exact_mut(16) {
        slot[..4].copy_from_slice(b"Slot");
    }
    for (number, blob) in blobs.iter().enumerate() {
        let index = u32::try_from(number).unwrap() + 1;
        let block = u32::try_from(bytes.len() / 16).unwrap();
        let length = u32::try_from(blob.len()).unwrap();
        let slot = &mut bytes[32 + 16 * number..][..16];
        slot[4..8].copy_from_slice(&index.to_le_bytes());
        slot[8..12].copy_from_slice(&block.to_le_bytes());
        slot[12..16].copy_from_slice(&length.div_ceil(16).to_le_bytes());
        bytes.extend([*b"BlbS", index.to_le_bytes(), [1, 0, 0, 0], length.to_le_bytes()].concat());
        bytes.extend(blob);
        bytes.resize(bytes.len().next_multiple_of(16), 0);
    }
    bytes
}

fn blobs() -> Vec<Vec<u8>> {
    let mut blobs = Vec::new();
    let database = unpacked(SQLITE);
    headers(DatabaseFormat::Sqlite, &&database[..], None, &mut |header| blobs.push(header.to_vec())).unwrap();
    blobs
}

#[test]
fn databases_of_all_formats_have_their_packages() {
    for (format, database) in [
        (DatabaseFormat::Sqlite, unpacked(SQLITE)),
        (DatabaseFormat::Bdb, unpacked(BDB)),
        (DatabaseFormat::Ndb, ndb(&blobs())),
    ] {
        assert_eq!(listed(format, &database, None).unwrap(), ALL, "{format:?}");
    }
}

#[test]
fn what_the_log_has_counts_up_to_its_last_complete_transaction() {
    let (database, log) = (unpacked(SQLITE), unpacked(LOG));
    let without = |log: &[u8]| listed(DatabaseFormat::Sqlite, &database, Some(log)).unwrap();
    assert_eq!(without(&log), ALL[1..]);
    assert_eq!(without(&[]), ALL);
    // Cut off in the first transaction, and damaged there.
    assert_eq!(without(&log[..4000]), ALL);
    let mut damaged = log.clone();
    damaged[100] ^= 1;
    assert_eq!(without(&damaged), ALL);
    // Cut off in the second one.
    assert_eq!(without(&log[..log.len() - 1]), ALL[1..]);
    // Of another database.
    let mut other = log;
    other[16] ^= 1;
    assert_eq!(without(&other), ALL);
}

#[test]
fn other_files_are_refused() {
    let database = unpacked(SQLITE);
    for format in [DatabaseFormat::Sqlite, DatabaseFormat::Ndb, DatabaseFormat::Bdb] {
        for bytes in [&b""[..], &[0; 5000], b"SQLite format 3\0"] {
            assert!(listed(format, bytes, None).is_err(), "{format:?}");
        }
    }
    assert!(listed(DatabaseFormat::Sqlite, &database[..database.len() / 2], None).is_err());
    assert!(listed(DatabaseFormat::Sqlite, &database, Some(&[1; 40])).is_err());
}

#[test]
fn slots_that_share_a_blob_are_refused() {
    let mut database = ndb(&blobs()[1..2]);
    let (first, rest) = database.split_at_mut(48);
    for slot in rest[..4096 - 48].chunks_exact_mut(16) {
        slot.copy_from_slice(&first[32..]);
    }
    assert_eq!(listed(DatabaseFormat::Ndb, &database, None).unwrap_err().to_string(), "its slots overlap");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_damaged_database_is_read_or_refused(
        which in 0_usize..3,
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let format = [DatabaseFormat::Sqlite, DatabaseFormat::Ndb, DatabaseFormat::Bdb][which];
        let mut database = match format {
            DatabaseFormat::Sqlite => unpacked(SQLITE),
            DatabaseFormat::Ndb => ndb(&blobs()),
            DatabaseFormat::Bdb => unpacked(BDB),
        };
        for (place, byte) in changes {
            // Most numbers are at the start.
            let length = database.len().min(8192);
            database[place.index(length)] = byte;
        }
        let _ = headers(format, &&database[..], None, &mut |header| {
            let _ = RpmDescription::of_installed(header, Path::new("rpm"));
        });
    }
}
