//! Invariant: whatever the bytes are, they are refused or are a statement. One about an archive survives being written.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trust::{ArchiveStatement, Statement};

fuzz_target!(|bytes: &[u8]| {
    let Ok(statement) = Statement::parse(bytes) else { return };
    assert!((1..=1024).contains(&statement.subjects.len()));
    let Ok(archive) = ArchiveStatement::parse(statement) else { return };
    // Other tools may leave out names; ours has them.
    let Ok(text) = archive.render() else { return };
    let read = Statement::parse(text.as_bytes()).and_then(ArchiveStatement::parse);
    assert_eq!(read.ok(), Some(archive));
});
