//! Metadata that is damaged, or made to harm.

use super::*;

fn reason(result: Result<Pool, Error>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn primary_that_is_not_what_it_should_be_is_refused_with_a_reason() {
    let package = |inside: &str| format!("<metadata><package type=\"rpm\">{inside}</package></metadata>");
    let whole = "<name>a</name><arch>x</arch><version ver=\"1\"/><checksum \
                 type=\"md5\">00000000000000000000000000000000</checksum><location href=\"a.rpm\"/>";
    assert_eq!(read(&package(whole)).unwrap().packages().len(), 1);
    let entry = |entry: &str| package(&format!("{whole}<format><requires>{entry}</requires></format>"));
    for (text, part) in [
        (String::new(), "a well-formed document"),
        ("<metadata>".to_owned(), "the end of the file"),
        ("<metadata><a></b></metadata>".to_owned(), "a well-formed document"),
        ("<filelists/>".to_owned(), "expected the element metadata, found filelists"),
        ("<!DOCTYPE m [<!ENTITY a \"b\">]><metadata/>".to_owned(), "no declarations of entities"),
        (package("<name>&a;</name>"), "no entity of its own"),
        (package("<name>a</name>"), "package a: expected an architecture, found none"),
        (package(&whole.replace("a.rpm", "../a.rpm")), "a path in the repository, found ../a.rpm"),
        (package(&whole.replace("a.rpm", "b/../../a.rpm")), "a path in the repository"),
        (package(&whole.replace("a.rpm", "/etc/a.rpm")), "a path in the repository"),
        (package(&whole.replace("a.rpm", "https://x/a.rpm")), "a path in the repository"),
        (package(&whole.replace("a.rpm", "a&#10;.rpm")), "a path in the repository"),
        (package(&whole.replace("md5", "crc")), "a checksum and its type"),
        (package(&whole.replace("0000", "000")), "a checksum and its type"),
        (package(&format!("{whole}<size package=\"-1\"/>")), "a number, found -1"),
        (entry("<entry/>"), "a name"),
        (entry("<entry name=\"b\" flags=\"XX\"/>"), "EQ, LT, LE, GT or GE"),
        (entry("<entry name=\"b\" flags=\"EQ\" epoch=\"x\"/>"), "a number, found x"),
        (entry(&format!("<entry name=\"{}\"/>", "b".repeat(2 << 20))), "attributes of 1048576 bytes at most"),
        (entry(&format!("<entry name=\"{}\"/>", "b".repeat(9 << 20))), "more than 4194304 bytes"),
        (package(&format!("<name>{}</name>", "b".repeat(2 << 20))), "texts of 1048576 bytes at most"),
        (format!("<metadata>{}", "<a>".repeat(100)), "64 elements in each other at most"),
    ] {
        let reason = reason(read(&text));
        assert!(reason.contains(part), "{}: {reason}", &text[..text.len().min(200)]);
    }
}

#[test]
fn a_package_that_is_listed_twice_counts_once_and_a_borrowed_checksum_is_refused() {
    let package = |name: &str| {
        format!(
            "<package type=\"rpm\"><name>{name}</name><arch>x</arch><version ver=\"1\"/><checksum \
             type=\"md5\">00000000000000000000000000000000</checksum><location href=\"{name}.rpm\"/>\
             <format><file>/etc/a</file></format></package>"
        )
    };
    let document = |names: &[&str]| {
        format!("<metadata>{}</metadata>", names.iter().map(|name| package(name)).collect::<String>())
    };
    let pool = read(&document(&["a", "a"])).unwrap();
    assert_eq!((pool.packages().len(), pool.paths().len()), (1, 1));
    let reason = reason(read(&document(&["a", "b"])));
    assert!(
        reason.contains("package b-1.x: expected a checksum of its own, found that of a-1.x"),
        "{reason}"
    );
}

#[test]
fn repomd_names_files_in_its_repository_once_each() {
    let data = |kind: &str, href: &str| {
        format!("<data type=\"{kind}\"><location href=\"{href}\"/><size>7</size></data>")
    };
    let read = |inside: &str| {
        Repomd::read(
            format!("<repomd><revision>5</revision>{inside}</repomd>").as_bytes(),
            Path::new("repomd.xml"),
        )
    };
    let repomd = read(&(data("primary", "repodata/p.gz") + &data("group", "comps.xml"))).unwrap();
    assert_eq!(repomd.revision.as_deref(), Some("5"));
    assert_eq!(
        repomd.file("primary").map(|file| (file.location.as_str(), file.size)),
        Some(("repodata/p.gz", Some(7)))
    );
    for (inside, part) in [
        (data("primary", "../p.gz"), "paths in the repository"),
        (data("primary", ""), "paths in the repository"),
        (data("", "p.gz"), "a type of each file"),
        (data("a b", "p.gz"), "a type of each file"),
        (data("primary", "a").repeat(2), "each type once, found primary"),
        ("<data type=\"primary\"></data>".to_owned(), "a location of each file"),
        (data("primary", "a").replace('7', "-7"), "sizes in bytes"),
        (
            "<data type=\"p\"><checksum type=\"sha256\">00</checksum></data>".to_owned(),
            "a checksum and its type",
        ),
        ((0..1001).map(|n| data(&format!("k{n}"), "a")).collect(), "1000 files at most"),
    ] {
        let reason = read(&inside).unwrap_err().to_string();
        assert!(reason.contains(part), "{inside:.100}: {reason}");
    }
    assert!(Repomd::read(&b"<metadata/>"[..], Path::new("repomd.xml")).is_err());
}

#[test]
fn a_bomb_ends_at_the_limit_of_its_content() {
    let bomb = bomb();
    assert!(bomb.len() < 100_000, "{}", bomb.len());
    let mut pool = Pool::new();
    let id = pool.add_repository(Repository::new("r"));
    let text = unpacked(bomb.as_slice(), 1 << 20).unwrap();
    let reason = pool.read_primary(id, text, Path::new("primary.xml")).unwrap_err().to_string();
    assert!(reason.contains("more than 1048576 bytes"), "{reason}");
}

fn bomb() -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(b"<metadata>").unwrap();
    for _ in 0..200 {
        gzip.write_all(&b"<a/>".repeat(10_000)).unwrap();
    }
    gzip.finish().unwrap()
}

#[test]
fn a_folder_is_read_by_its_metadata_and_metadata_of_another_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("repodata")).unwrap();
    let write =
        |name: &str, text: &str| std::fs::write(dir.path().join("repodata").join(name), text).unwrap();
    let needs = r#"<requires><entry name="/opt/x"/></requires>"#;
    let text = primary(&[("a", needs)]);
    let listed = |kind: &str, text: &str| {
        let sum = ChecksumKind::Sha256.of(&mut text.as_bytes()).unwrap().hex;
        format!(
            "<data type=\"{kind}\"><checksum type=\"sha256\">{sum}</checksum><location href=\"repodata/{kind}\"/></data>"
        )
    };
    let filelists =
        format!("<filelists><package pkgid=\"{:064x}\"><file>/opt/x</file></package></filelists>", 1);
    let comps = "<comps><group><id>g</id></group></comps>";
    write("primary", &text);
    write("filelists", &filelists);
    write("group", comps);
    let all = listed("primary", &text) + &listed("filelists", &filelists) + &listed("group", comps);
    write("repomd.xml", &format!("<repomd>{all}</repomd>"));
    let mut pool = Pool::new();
    let id = pool.add_repository(Repository::new("r"));
    let folder = pool.read_repository(id, dir.path()).unwrap();
    assert_eq!((folder.packages, pool.paths().len()), (1, 0));
    let wanted = pool.wanted_paths([]);
    pool.read_wanted_paths(id, dir.path(), &folder, &wanted).unwrap();
    assert_eq!(pool.paths().len(), 1);
    assert!(pool.repository(id).unwrap().groups.groups.contains_key("g"));

    write("primary", &(text + " "));
    let reason = pool.read_repository(id, dir.path()).unwrap_err().to_string();
    assert!(reason.contains("expected a file with sha256:"), "{reason}");
}
