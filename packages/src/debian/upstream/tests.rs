use std::path::Path;

use super::release::seconds_of;
use super::*;

const SUM: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn release(fields: &str) -> Result<Release, String> {
    Release::read(fields.as_bytes(), Path::new("Release")).map_err(|error| error.to_string())
}

#[test]
fn a_release_has_its_dates_and_the_forms_of_packages() {
    let text = format!(
        "Suite: stable\nCodename: bookworm\nDate: Sat, 10 Feb 2024 11:07:25 UTC\n\
         Valid-Until: Sat, 17 Feb 2024 12:07:25 +0100\nArchitectures: all amd64\nComponents: main updates/main\n\
         Acquire-By-Hash: yes\nNo-Support-for-Architecture-all: Packages\n\
         SHA256:\n {SUM} 5 main/binary-amd64/Packages\n {SUM} 3 main/binary-amd64/Packages.xz\n {SUM} 4 ../x\n"
    );
    let read = release(&text).unwrap();
    assert_eq!((read.date, read.valid_until), (Some(1_707_563_245), Some(1_707_563_245 + 7 * 86_400)));
    assert_eq!(read.expired(1_707_563_245), None);
    assert_eq!(read.expired(1_800_000_000).as_deref(), Some("2024-02-17T11:07:25Z"));
    assert!(read.has_by_hash && read.lists_all_everywhere);
    assert_eq!(read.components, ["main", "updates/main"]);
    let forms: Vec<&str> =
        read.packages("main/binary-amd64/").iter().map(|file| file.path.as_str()).collect();
    assert_eq!(forms, ["main/binary-amd64/Packages.xz", "main/binary-amd64/Packages"]);
    let by_hash = read.packages("main/binary-amd64/")[0].by_hash();
    assert_eq!(by_hash, format!("main/binary-amd64/by-hash/SHA256/{SUM}"));
    assert!(read.packages("main/binary-arm64/").is_empty());
    assert!(read.is_suite("stable") && read.is_suite("bookworm") && !read.is_suite("trixie"));
    assert_eq!(seconds_of("Thu,  1 Jan 1970 00:00:01 GMT"), Some(1));
    assert_eq!(seconds_of("1970-01-01"), None);
}

#[test]
fn a_release_without_sha256_or_with_other_content_is_refused() {
    for (text, said) in [
        (
            format!("Date: Thu, 01 Jan 1970 00:00:00 UTC\nMD5Sum:\n {SUM} 1 Packages\n"),
            "MD5 and SHA-1 do not count",
        ),
        (format!("SHA256:\n {SUM} 1 ../Packages\n"), "the field `SHA256`"),
        (format!("SHA256:\n {SUM} 1 Packages\n\nSHA256:\n"), "expected one stanza"),
        (format!("Valid-Until: soon\nSHA256:\n {SUM} 1 Packages\n"), "found soon"),
        (format!("Architectures: ../x\nSHA256:\n {SUM} 1 Packages\n"), "found ../x"),
        (String::new(), "expected one stanza"),
        ("SHA256: \u{1}\n".to_owned(), "no control characters"),
    ] {
        let error = release(&text).unwrap_err();
        assert!(error.contains(said), "{text}: {error}");
    }
}

#[test]
fn wanted_packages_are_listed_and_faults_of_others_do_not_count() {
    let read = |text: &str| {
        let mut found = Vec::new();
        let read =
            read_packages(&mut text.as_bytes(), Path::new("P"), |name| name == "a", |one| found.push(one));
        read.map(|()| found).map_err(|error| error.to_string())
    };
    let good = format!(
        "Package: a\nVersion: 1:1-1\nArchitecture: all\nFilename: ./pool/a.deb\nSize: 7\nSHA256: {SUM}\n"
    );
    let found = read(&format!("Package: b\n\n{good}")).unwrap();
    assert_eq!((found[0].path.as_str(), found[0].size, found.len()), ("pool/a.deb", 7, 1));
    assert_eq!(found[0].identity.file_name(), "a_1-1_all.deb");
    for (from, to, said) in [
        (
            "./pool/a.deb",
            "../a.deb",
            "a_1:1-1_all, Filename: expected a path in the repository, found `../a.deb`",
        ),
        ("./pool/a.deb", "/a.deb", "Filename"),
        ("./pool/a.deb", "https://x/a.deb", "Filename"),
        ("Size: 7", "Size: +7", "Size: expected a number of bytes"),
        ("Size: 7", "Size: 99999999999999999999", "Size"),
        ("SHA256: e", "SHA256: g", "SHA256: expected 64 digits"),
        ("SHA256", "SHA1", "SHA256: expected 64 digits, found none"),
        ("Version: 1:1-1", "Version: a b", "Version"),
        ("Size: 7\n", "Size: 7\nSize: 7\n", "a second `Size`"),
    ] {
        let error = read(&good.replace(from, to)).unwrap_err();
        assert!(error.contains(said), "{to}: {error}");
    }
}
