//! Invariant: whatever a `filelists.xml` holds, reading it ends with the wanted paths of known packages, or with a reason.
//!
//! To run it, in `packages/`: `cargo +nightly fuzz run filelists`.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use packages::metadata::{Pool, Repository};

const PRIMARY: &str = r#"<metadata><package type="rpm"><name>a</name><arch>noarch</arch><version ver="1" rel="1"/>
<checksum type="md5">00000000000000000000000000000000</checksum><location href="a.rpm"/></package></metadata>"#;

fuzz_target!(|input: &[u8]| {
    let mut pool = Pool::new();
    let repository = pool.add_repository(Repository::new("r"));
    pool.read_primary(repository, PRIMARY.as_bytes(), Path::new("primary.xml")).unwrap();
    let wanted = pool.wanted_paths(["/a", "/opt/b"]);
    if let Ok(count) = pool.read_filelists(repository, &wanted, input, Path::new("filelists.xml")) {
        assert_eq!(pool.paths().len(), count);
    }
    for (package, folder, name) in pool.paths() {
        assert!(pool.package(package).is_some());
        let path = format!("{}{}", pool.text(folder), pool.text(name));
        assert!(path == "/a" || path == "/opt/b", "{path}");
    }
});
