//! Files as distributions publish them.

use super::*;
use crate::metadata::ChecksumKind;

#[test]
fn variables_are_replaced_and_unknown_ones_named() {
    let variables = Variables::new("8.10", "i686");
    for (text, expected) in [
        ("https://h/$releasever/$basearch/", Ok("https://h/8.10/i386/")),
        ("${releasever}-$arch.$releasever_major-${releasever_minor}$", Ok("8.10-i686.8-10$")),
        ("$contentdir/x", Err("contentdir")),
        ("${open", Ok("${open")),
        ("$$arch", Ok("$i686")),
    ] {
        let expected = expected.map(str::to_owned).map_err(str::to_owned);
        assert_eq!(variables.expand(text), expected, "{text}");
    }
}

#[test]
fn a_list_of_mirrors_has_a_url_in_each_line() {
    let list = "# repo = epel-8\nhttps://a.example/epel/8/\r\n\n  http://b.example/epel/8/\n";
    assert_eq!(mirrors(list).unwrap(), ["https://a.example/epel/8/", "http://b.example/epel/8/"]);
    assert_eq!(
        mirrors("https://a/\n<html>\n").unwrap_err().to_string(),
        "line 2: expected the URL of a mirror"
    );
    assert_eq!(mirrors("# nothing\n").unwrap_err().reason, "the list has no mirror");
    assert!(mirrors(&"https://a/\n".repeat(1001)).is_err());
}

#[test]
fn metalinks_of_both_versions_give_urls_and_checksums() {
    let three = format!(
        r#"<?xml version="1.0"?>
<metalink version="3.0" xmlns="http://www.metalinker.org/" xmlns:mm0="http://fedorahosted.org/mirrormanager">
 <files><file name="repomd.xml">
  <mm0:timestamp>1</mm0:timestamp><size>6</size>
  <verification><hash type="md5">{0:032}</hash><hash type="sha256">{1}</hash></verification>
  <mm0:alternates><mm0:alternate><size>5</size><verification><hash type="sha256">{2}</hash></verification></mm0:alternate></mm0:alternates>
  <resources maxconnections="1">
   <url protocol="rsync" preference="100">rsync://r/epel/repodata/repomd.xml</url>
   <url protocol="http" preference="98">http://b/epel/repodata/repomd.xml</url>
   <url protocol="https" preference="100">https://a/epel/repodata/repomd.xml</url>
   <url protocol="https" preference="97">https://c/other.xml</url>
  </resources>
 </file></files></metalink>"#,
        0,
        content::Digest::of(b"repomd").hex(),
        content::Digest::of(b"older").hex(),
    );
    let four = format!(
        r#"<metalink xmlns="urn:ietf:params:xml:ns:metalink"><file name="repodata/repomd.xml"><size>6</size><hash type="sha-256">{}</hash>
        <url priority="2">http://b/epel/repodata/repomd.xml</url><url priority="1">https://a/epel/repodata/repomd.xml</url></file></metalink>"#,
        content::Digest::of(b"repomd").hex()
    );
    for (text, older) in [(&three, true), (&four, false)] {
        let metalink = Metalink::read(text).unwrap();
        assert_eq!(
            metalink.urls,
            ["https://a/epel/repodata/repomd.xml", "http://b/epel/repodata/repomd.xml"]
        );
        let accepts = |bytes: &[u8]| metalink.accepted.iter().any(|file| file.is(bytes));
        assert_eq!((accepts(b"repomd"), accepts(b"older"), accepts(b"other!")), (true, older, false));
        assert_eq!(metalink.accepted[0].checksums.last().unwrap().kind, ChecksumKind::Sha256);
    }
    for (text, said) in [
        ("<html/>".to_owned(), "expected the element metalink, found html"),
        ("<metalink/>".to_owned(), "the metalink has no URL of a repomd.xml"),
        (
            four.replace("<hash type=\"sha-256\">", "<hash type=\"whirlpool\">"),
            "the metalink has no checksum of the repomd.xml",
        ),
        (three.replace("<size>6", "<size>x"), "expected sizes in bytes, found x"),
        (three[..300].to_owned(), "expected"),
    ] {
        let reason = Metalink::read(&text).unwrap_err().reason;
        assert!(reason.starts_with(said), "{reason}");
    }
}

#[test]
fn repo_files_are_read_as_dnf_reads_them() {
    let text = "; comment\n[main]\ngpgcheck = 1\n[epel]\nname=EPEL $releasever\n#baseurl=http://old/\nbaseurl = https://a/$basearch/\n  https://b/$basearch/\n\
                gpgkey=file:///etc/pki/A, https://k/B\nGPGCHECK=yes\nenabled=0\npriority=10\nexclude=a* b,c\nmodule_hotfixes=1\n[epel-source]\n\
                metalink=https://m/?repo=epel-source&arch=$basearch\nrepo_gpgcheck=0\n";
    let file = RepoFile::read(text).unwrap();
    let epel = file.section("epel").unwrap();
    assert_eq!(epel.urls, ["https://a/$basearch/", "https://b/$basearch/"]);
    assert_eq!(epel.keys, ["file:///etc/pki/A", "https://k/B"]);
    assert_eq!((epel.checks_packages, epel.checks_metadata, epel.priority), (Some(true), None, Some(10)));
    assert_eq!((epel.exclude.len(), epel.module_hotfixes), (3, true));
    let source = file.section("epel-source").unwrap();
    assert_eq!(source.metalink.as_deref(), Some("https://m/?repo=epel-source&arch=$basearch"));
    assert_eq!((file.sections.len(), source.checks_metadata), (2, Some(false)));
    for (text, said) in [
        ("[a]\nx\n", "line 2: expected `[id]` or `key=value`"),
        ("[a]\n[a]\n", "line 2: a second section `a`"),
        ("[a]\ngpgcheck=maybe\n", "line 2: expected 1 or 0"),
        ("[a]\nbaseurl=x y\n", "line 2: expected URLs"),
        ("[a]\npriority=high\n", "line 2: expected a number as the priority"),
        ("[]\n", "line 1: a section needs a name"),
    ] {
        assert_eq!(RepoFile::read(text).unwrap_err().to_string(), said);
    }
}
