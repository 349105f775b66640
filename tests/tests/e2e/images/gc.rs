//! Removing blobs from the content store on the command line.

use std::fs;

use images::Store;
use tests::sealift;

#[test]
fn what_no_tree_uses_goes_and_nothing_goes_while_the_store_is_open() {
    let scratch = tempfile::tempdir().unwrap();
    let root = scratch.path().join("store");
    let store = Store::open(&root).unwrap();
    let used = store.put(b"used").unwrap();
    let unused = [store.put(b"unused").unwrap(), store.put(b"unused as well").unwrap()];
    fs::hard_link(store.blob_path(&used), scratch.path().join("tree")).unwrap();
    let gc = |arguments: &[&str]| {
        let words = [&["image", "gc", "--store", "store", "--output", "json"], arguments].concat();
        sealift::run(scratch.path(), &words)
    };
    let (code, _, err) = gc(&["--max-size", "0"]);
    assert!(code == 2 && err.contains("in use by another process") && err.contains("wait until"), "{err}");
    let paths = unused.map(|digest| store.blob_path(&digest));
    drop(store);

    let report = |arguments: &[&str]| -> serde_json::Value {
        let (code, out, err) = gc(arguments);
        assert_eq!(code, 0, "{err}");
        serde_json::from_str(&out).unwrap()
    };
    let looked = report(&[]);
    assert_eq!((&looked["kept"]["files"], &looked["kept"]["bytes"]), (&2.into(), &20.into()), "{looked}");
    assert_eq!(report(&["--max-size", "0", "--dry-run"])["removed"]["files"], 2);
    assert!(paths.iter().all(|path| path.exists()));
    let pruned = report(&["--max-size", "0"]);
    assert_eq!((&pruned["removed"]["bytes"], &pruned["inUse"]["files"]), (&20.into(), &1.into()), "{pruned}");
    assert!(!paths.iter().any(|path| path.exists()));
    let (code, _, err) = sealift::run(scratch.path(), &["image", "gc", "--store", "nowhere"]);
    assert!(code == 3 && err.contains("not a content store"), "{err}");
}
