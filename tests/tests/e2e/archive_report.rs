//! The page for the one who approves the transfer of an archive.

use std::fs;
use std::path::Path;

use tests::browser::{ChromeDriver, axe};
use tests::sealift;

use crate::signed_archives::{archive, sign_elsewhere};

/// Runs `archive report`, which must exit with `code`; the page, and what is on standard error.
fn report(folder: &Path, code: i32, words: &[&str]) -> (String, String) {
    let (found, out, err) = sealift::run(folder, &[&["archive", "report"], words].concat());
    assert_eq!(found, code, "{words:?}\n{out}{err}");
    (out, err)
}

fn key(folder: &Path, name: &str) {
    fs::copy(sealift::repository().join("trust/src/tests/data").join(name), folder.join(name)).unwrap();
}

#[test]
fn the_page_says_whether_the_archive_can_be_accepted() {
    let folder = archive();
    let path = folder.path();
    key(path, "ed.pub");
    key(path, "p256.pub");
    let (page, _) = report(path, 0, &["site.iso"]);
    assert!(page.contains(">Intact</span>") && page.contains(">Not signed</span>"), "{page}");
    assert!(page.contains("<h1>Archive Site 1.0</h1>") && page.ends_with("</html>\n"), "{page}");
    let (page, err) = report(path, 1, &["site.iso", "--key", "ed.pub"]);
    assert!(page.contains(">Signature refused</span>"), "{page}");
    assert!(err.contains("the signature of site.iso does not count: site.iso is not signed"), "{err}");

    sign_elsewhere(&path.join("site.iso"));
    let (page, _) = report(path, 0, &["site.iso"]);
    assert!(page.contains(">Signature not checked</span>"), "{page}");
    let (page, err) = report(path, 0, &["site.iso", "--key", "ed.pub", "--into", "site.html"]);
    assert!(page.is_empty() && err.contains("wrote site.html"), "{page}{err}");
    let page = fs::read_to_string(path.join("site.html")).unwrap();
    assert!(page.contains(">Signed</span>") && page.contains("<dd>Site 1.0</dd>"), "{page}");
    let (page, _) = report(path, 1, &["site.iso", "--key", "p256.pub"]);
    assert!(page.contains("which is not trusted"), "{page}");

    // A damaged archive still has its page, and one that cannot be read leaves the former page.
    let mut bytes = fs::read(path.join("site.iso")).unwrap();
    let place = bytes.windows(9).position(|part| part == b"<repomd/>").unwrap();
    bytes[place] = b'[';
    fs::write(path.join("site.iso"), bytes).unwrap();
    let (page, err) = report(path, 1, &["site.iso", "--key", "ed.pub"]);
    assert!(page.contains(">Damaged</span>") && page.contains("repomd.xml: damaged"), "{page}");
    assert!(err.contains("site.iso is not intact: 1 finding"), "{err}");
    fs::write(path.join("site.iso"), "no ISO").unwrap();
    report(path, 2, &["site.iso", "--into", "site.html"]);
    assert!(fs::read_to_string(path.join("site.html")).unwrap().contains(">Signed</span>"));
}

#[test]
fn the_page_is_accessible_and_loads_nothing() {
    let (Some(driver), Some(axe)) = (ChromeDriver::start(), axe()) else { return };
    let folder = archive();
    let path = folder.path();
    let name = "a-package-with-a-long-name-1.2.3.preview.20261120-4.el8.noarch.rpm";
    fs::write(path.join("tree/packages/redhat/8/site").join(name), "package").unwrap();
    fs::create_dir_all(path.join("tree/images/a-long/name-of/an-image-with-a-long-name/v1.2.3")).unwrap();
    let image = path.join("tree/images/a-long/name-of/an-image-with-a-long-name/v1.2.3/manifest.json");
    fs::write(image, "{}").unwrap();
    sign_elsewhere(&path.join("site.iso"));
    key(path, "ed.pub");
    report(path, 0, &["site.iso", "--key", "ed.pub", "--into", "good.html"]);
    report(path, 1, &["tree", "--key", "ed.pub", "--into", "bad.html"]);
    let browser = driver.browser(true);
    for page in ["good.html", "bad.html"] {
        browser.open(&format!("file://{}", path.join(page).display()));
        let loaded = browser.run("return performance.getEntriesByType('resource').length");
        assert_eq!((loaded, browser.run("return document.scripts.length")), (0.into(), 0.into()));
        browser.check_accessibility(&axe, page);
    }
    assert_eq!(browser.console(), serde_json::json!([]));
}
