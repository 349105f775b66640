//! The lists of checksums and of links.

use super::*;

#[test]
fn checksums_that_cannot_be_read_are_a_finding() {
    let folder = sample();
    put(folder.path(), "SHA256SUMS", b"nonsense\n");
    let report = check(folder.path());
    assert_eq!(findings(&report), ["SHA256SUMS: invalid: line 1: expected 64 hexadecimal digits"]);
    assert!(!report.sha256sums && !report.ok());
}

#[test]
fn links_are_held_to_their_list() {
    type Change = fn(&Path);
    fn link(root: &Path, path: &str, target: &str) {
        let path = root.join(path);
        fs::remove_file(&path).ok();
        std::os::unix::fs::symlink(target, path).expect("a link");
    }
    let cases: [(&str, Change, &str); 4] = [
        (
            "another target",
            |root| link(root, "salt/link", "../product.txt"),
            "salt/link: leads to `../product.txt`, expected `top.sls` (LINKS.mtree) (the Salt tree)",
        ),
        (
            "missing",
            |root| fs::remove_file(root.join("salt/link")).expect("removed"),
            "salt/link: missing: expected a symbolic link to `top.sls` (LINKS.mtree) (the Salt tree)",
        ),
        (
            "one more",
            |root| link(root, "salt/more", "top.sls"),
            "salt/more: a symbolic link that is not listed in LINKS.mtree (the Salt tree)",
        ),
        (
            "hidden",
            |root| link(root, "pillar/link", "../product.txt"),
            "pillar/link: leads to `../product.txt`, expected `top.sls` (LINKS.mtree) (the Salt tree)",
        ),
    ];
    for (what, change, expected) in cases {
        let folder = sample();
        put(folder.path(), "pillar/top.sls", b"{}");
        link(folder.path(), "salt/link", "top.sls");
        link(folder.path(), "pillar/link", "top.sls");
        crate::sums::write(folder.path(), &crate::sums::digest_file).expect("written");
        let report = check(folder.path());
        assert!(report.ok() && report.links && report.symbolic_links == 2, "{:?}", report.findings);
        change(folder.path());
        assert_eq!(findings(&check(folder.path())), [expected], "{what}");
        fs::remove_file(folder.path().join("LINKS.mtree")).expect("removed");
        let found = findings(&check(folder.path()));
        assert_eq!(found, ["LINKS.mtree: missing"], "{what}: the list is covered by SHA256SUMS");
    }
}

#[test]
fn an_archive_without_a_list_of_links_is_intact_and_says_so() {
    let folder = sample();
    std::os::unix::fs::symlink("top.sls", folder.path().join("salt/link")).expect("a link");
    fs::remove_file(folder.path().join("LINKS.mtree")).expect("removed");
    let sums = fs::read_to_string(folder.path().join("SHA256SUMS")).expect("read");
    let older: Vec<&str> = sums.lines().filter(|line| !line.ends_with("LINKS.mtree")).collect();
    put(folder.path(), "SHA256SUMS", format!("{}\n", older.join("\n")).as_bytes());
    let report = check(folder.path());
    assert_eq!((report.verdict(), report.links, report.symbolic_links), (Verdict::Intact, false, 1));
}

#[test]
fn what_is_hidden_is_covered_and_not_in_the_public_list() {
    let folder = sample();
    put(folder.path(), "pillar/secret.sls", b"password: 1234\n");
    put(folder.path(), "pillar/deeper/secret.sls", b"password: 5678\n");
    std::os::unix::fs::symlink("secret.sls", folder.path().join("pillar/link")).expect("a link");
    crate::sums::write(folder.path(), &crate::sums::digest_file).expect("written");
    let read = |path: &str| fs::read_to_string(folder.path().join(path)).expect("read");
    let public = read("SHA256SUMS");
    assert!(!public.contains("secret") && public.contains("  pillar/SHA256SUMS\n"), "{public}");
    assert!(!read("LINKS.mtree").contains("pillar"));
    let hidden = crate::sums::parse(&read("pillar/SHA256SUMS")).expect("parsed");
    let paths: Vec<&str> = hidden.iter().map(|sum| sum.path.as_str()).collect();
    assert_eq!(paths, ["pillar/LINKS.mtree", "pillar/deeper/secret.sls", "pillar/secret.sls"]);
    assert!(check(folder.path()).ok());
    for (path, content) in [("pillar/secret.sls", "password: 4321\n"), ("pillar/SHA256SUMS", "")] {
        let before = read(path);
        put(folder.path(), path, content.as_bytes());
        let found = findings(&check(folder.path())).join("\n");
        assert!(found.contains(&format!("{path}: damaged")), "{found}");
        put(folder.path(), path, before.as_bytes());
    }
    // Archives that list everything in one file are read, too.
    let mut all = crate::sums::parse(&public).expect("parsed");
    all.retain(|sum| sum.path != "pillar/SHA256SUMS");
    all.extend(hidden);
    fs::remove_file(folder.path().join("pillar/SHA256SUMS")).expect("removed");
    put(folder.path(), "SHA256SUMS", crate::sums::render(&all).as_bytes());
    assert_eq!(findings(&check(folder.path())), [""; 0]);
}

#[test]
fn a_hidden_list_speaks_about_hidden_files_only() {
    let folder = sample();
    put(folder.path(), "pillar/top.sls", b"{}");
    crate::sums::write(folder.path(), &crate::sums::digest_file).expect("written");
    let line = format!("{}  product.txt\n", "0".repeat(64));
    put(folder.path(), "pillar/SHA256SUMS", line.as_bytes());
    let found = findings(&check(folder.path())).join("\n");
    assert!(
        found.contains("pillar/SHA256SUMS: invalid: line 1: \"product.txt\" is not below pillar"),
        "{found}"
    );
}

#[test]
fn a_list_that_names_what_is_not_there_a_thousand_times_keeps_a_bounded_report() {
    let folder = sample();
    let mut text = fs::read_to_string(folder.path().join("SHA256SUMS")).expect("read");
    for line in 0..20_000 {
        text.push_str(&format!("{}  images/none/{line}/x\n", "0".repeat(64)));
    }
    put(folder.path(), "SHA256SUMS", text.as_bytes());
    let report = check(folder.path());
    assert_eq!((report.findings.len(), report.omitted, report.verdict()), (10_000, 10_000, Verdict::Damaged));
    assert_eq!(report.images.intact, ["library/app:1.0"]);
    let lines = format!("{}  a\n", "0".repeat(64)).repeat(crate::tree::ENTRIES + 1);
    put(folder.path(), "SHA256SUMS", lines.as_bytes());
    let found = findings(&check(folder.path())).join("\n");
    assert!(
        found.contains("the number of lines of SHA256SUMS: 500001 is above the limit of 500000"),
        "{found}"
    );
}
