//! What lies beside the packages: links, groups, modules, updates, older metadata.

use super::*;
use crate::metadata::Repomd;

const GROUPS: &str = "<comps><group><id>g</id></group></comps>";
const UPDATES: &str = "<updates><update><id>1</id></update></updates>";

fn module(name: &str) -> String {
    format!("document: modulemd\nversion: 2\ndata: {{name: {name}, stream: '1'}}\n")
}

/// The types that `repomd.xml` names, in order, and the files of `repodata/` that it does not name.
fn types(dir: &Path) -> (Vec<String>, Vec<String>) {
    let path = dir.join("repodata/repomd.xml");
    let listed = Repomd::read(fs::read(&path).unwrap().as_slice(), &path).unwrap().files;
    let names = fs::read_dir(dir.join(REPODATA))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let unnamed = names.filter(|name| {
        name != "repomd.xml" && !listed.iter().any(|one| one.location == format!("repodata/{name}"))
    });
    let unnamed = unnamed.collect();
    (listed.into_iter().map(|one| one.kind).collect(), unnamed)
}

fn unpacked(dir: &Path, name: &str) -> String {
    let mut text = String::new();
    let file = File::open(dir.join(REPODATA).join(name)).unwrap();
    GzDecoder::new(file).read_to_string(&mut text).unwrap();
    text
}

#[test]
fn groups_modules_and_updates_are_taken_from_where_they_lie() {
    let dir = tempfile::tempdir().unwrap();
    package(dir.path(), "tool");
    fs::create_dir(dir.path().join("below")).unwrap();
    fs::write(dir.path().join("comps.xml"), GROUPS).unwrap();
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut packed, UPDATES.as_bytes()).unwrap();
    fs::write(dir.path().join("updateinfo.xml.gz"), packed.finish().unwrap()).unwrap();
    fs::write(
        dir.path().join("modules.yaml"),
        format!("# said once\n---\n{}...\n---\n{}", module("a"), module("b")),
    )
    .unwrap();
    fs::write(dir.path().join("below/c.modulemd.yaml"), module("c")).unwrap();
    fs::write(
        dir.path().join("below/b.modulemd-defaults.yaml"),
        format!("--- # again\n---\n{}", module("b")),
    )
    .unwrap();

    let index = index(dir.path(), DATE).unwrap();
    assert_eq!((index.packages, index.warnings.len(), index.dropped.len()), (1, 0, 0));
    let (kinds, unnamed) = types(dir.path());
    assert_eq!(kinds, ["primary", "filelists", "other", "group", "group_gz", "modules", "updateinfo"]);
    assert_eq!(unnamed, [""; 0]);
    assert_eq!(unpacked(dir.path(), "comps.xml.gz"), GROUPS);
    assert_eq!(fs::read_to_string(dir.path().join("repodata/comps.xml")).unwrap(), GROUPS);
    assert_eq!(unpacked(dir.path(), "updateinfo.xml.gz"), UPDATES);
    let documents = ["b", "c", "a"].map(|name| format!("---\n{}", module(name))).concat();
    assert_eq!(unpacked(dir.path(), "modules.yaml.gz"), format!("{documents}...\n"));
}

#[test]
fn what_the_old_metadata_had_is_kept_where_asked_and_named_where_not() {
    let dir = tempfile::tempdir().unwrap();
    package(dir.path(), "tool");
    for (name, content) in
        [("comps.xml", GROUPS), ("updateinfo.xml", UPDATES), ("modules.yaml", &module("a"))]
    {
        fs::write(dir.path().join(name), content).unwrap();
    }
    index(dir.path(), DATE).unwrap();
    let before = snapshot(dir.path());
    for name in ["comps.xml", "updateinfo.xml", "modules.yaml"] {
        fs::remove_file(dir.path().join(name)).unwrap();
    }
    let keep = IndexOptions { revision: DATE, keep_metadata: true, ..IndexOptions::default() };
    assert_eq!(index_with(dir.path(), &keep).unwrap().dropped, [""; 0]);
    assert_eq!(snapshot(dir.path()), before);

    // New ones take the place of the old ones; modules are put together.
    let groups = dir.path().join("other.xml");
    fs::write(&groups, "<comps/>").unwrap();
    fs::write(dir.path().join("modules.yaml"), module("b")).unwrap();
    index_with(dir.path(), &IndexOptions { groups: Some(groups), ..keep.clone() }).unwrap();
    assert_eq!(
        types(dir.path()).0,
        ["primary", "filelists", "other", "group", "group_gz", "modules", "updateinfo"]
    );
    assert_eq!(unpacked(dir.path(), "comps.xml.gz"), "<comps/>");
    assert_eq!(
        unpacked(dir.path(), "modules.yaml.gz"),
        format!("---\n{}---\n{}...\n", module("b"), module("a"))
    );

    fs::remove_file(dir.path().join("modules.yaml")).unwrap();
    assert_eq!(index(dir.path(), DATE).unwrap().dropped, ["group", "group_gz", "modules", "updateinfo"]);
    assert_eq!(types(dir.path()).0, ["primary", "filelists", "other"]);
}

#[test]
fn metadata_that_are_none_are_named_and_the_old_ones_stay() {
    let dir = tempfile::tempdir().unwrap();
    package(dir.path(), "tool");
    index(dir.path(), DATE).unwrap();
    let before = snapshot(dir.path());
    for (name, content, expected) in [
        ("comps.xml", "<updates/>", "expected the element comps, found updates"),
        ("comps.xml", "<comps><group></comps>", "well-formed XML"),
        ("updateinfo.xml", "", "expected the element updates, found the end"),
        ("updateinfo.xml.zst", "<updates", "well-formed XML"),
        ("modules.yaml", "a: b\n", "document 1: expected the keys document, version and data"),
        ("modules.yaml", "document: x\nversion: 1\ndata: {}\n", "expected a document of modulemd, found x"),
        ("modules.yaml", "document: [\n", "document 1"),
        ("modules.yaml.xz", "BZh91AY", "cannot read"),
    ] {
        let path = dir.path().join(name);
        fs::write(&path, content).unwrap();
        let error = index(dir.path(), DATE).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains(expected), "{name}: {error}");
        assert_eq!(snapshot(dir.path()), before);
        fs::remove_file(path).unwrap();
    }
    // Older metadata that cannot be kept are an error only where they are to be kept.
    let keep = IndexOptions { revision: DATE, keep_metadata: true, ..IndexOptions::default() };
    for (repomd, expected) in [
        (
            "<repomd><data type='group'><location href='repodata/../../etc/passwd'/></data></repomd>",
            "paths in the repository",
        ),
        (
            "<repomd><data type='group'><location href='elsewhere/comps.xml'/></data></repomd>",
            "files in repodata/ itself",
        ),
        ("<repomd><data type='group'><location href='repodata/gone.xml'/></data></repomd>", "gone.xml"),
        (
            "<repomd><data type='group'><checksum type='sha256'>0000000000000000000000000000000000000000000000000000000000000000</checksum><location href='repodata/old.xml'/></data></repomd>",
            "the checksum sha256:00",
        ),
        ("<repomd><data", "a well-formed document"),
    ] {
        fs::write(dir.path().join("repodata/repomd.xml"), repomd).unwrap();
        fs::write(dir.path().join("repodata/old.xml"), "old").unwrap();
        let error = index_with(dir.path(), &keep).unwrap_err().to_string();
        assert!(error.contains(expected), "{repomd}: {error}");
    }
    index(dir.path(), DATE).unwrap();
    assert_eq!(snapshot(dir.path()), before);
}

#[test]
fn links_are_followed_and_make_no_loops() {
    let dir = tempfile::tempdir().unwrap();
    let (pool, repository) = (dir.path().join("pool"), dir.path().join("repository"));
    let built = package(&pool, "tool");
    package(&pool.join("deep"), "other");
    fs::create_dir_all(repository.join("a")).unwrap();
    symlink("../pool", repository.join("pool")).unwrap();
    symlink("..", repository.join("a/up")).unwrap();
    symlink(".", pool.join("deep/self")).unwrap();
    symlink(&built, repository.join("one.rpm")).unwrap();
    symlink("nowhere", repository.join("README")).unwrap();

    let found = index(&repository, DATE).unwrap();
    assert_eq!(found.packages, 3);
    let primary = metadata(&repository, "primary");
    for location in ["one.rpm", "pool/deep/other-1.2.3-1.noarch.rpm", "pool/tool-1.2.3-1.noarch.rpm"] {
        assert!(primary.contains(&format!("<location href=\"{location}\"/>")), "{primary}");
    }
    assert_eq!(found.warnings.len(), 2, "{:?}", found.warnings);
    assert!(
        found.warnings.iter().any(|text| text.contains("a/up: skipped, a link to a folder that it lies in"))
    );

    // In an archive that is built no link leads out.
    let within = |folder: &Path| {
        let selection = PackageSelection { boundary: Some(folder.to_owned()), ..PackageSelection::default() };
        IndexOptions { revision: DATE, selection, ..IndexOptions::default() }
    };
    let inside = within(&repository);
    let error = index_with(&repository, &inside).unwrap_err().to_string();
    assert!(error.contains("leads out of the archive"), "{error}");
    let whole = within(dir.path());
    assert_eq!(index_with(&repository, &whole).unwrap().packages, 3);
}

#[test]
fn patterns_leave_out_files_and_folders() {
    let dir = tempfile::tempdir().unwrap();
    for (folder, name) in [("a", "one"), ("a", "two"), ("b", "three"), ("b/old", "four")] {
        package(&dir.path().join(folder), name);
    }
    fs::write(dir.path().join("broken.rpm"), "no package").unwrap();
    for (patterns, packages, warnings) in [
        (&["broken*"][..], 4, 0),
        (&["broken.rpm", "t*"], 2, 0),
        (&["broken.rpm", "b"], 2, 0),
        (&["b*"], 2, 0),
        (&["broken.rpm", "b/*.rpm"], 2, 0),
        (&["b?oken.rpm", "old"], 3, 0),
        (&["broken.rpm", "a/nothing", "x"], 4, 2),
    ] {
        let exclude = patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
        let found = index_with(dir.path(), &excluding(exclude)).unwrap();
        assert_eq!(
            (found.packages, found.warnings.len()),
            (packages, warnings),
            "{patterns:?} {:?}",
            found.warnings
        );
    }
    let exclude = vec!["[".to_owned()];
    index_with(dir.path(), &excluding(exclude)).unwrap_err();
}

fn excluding(exclude: Vec<String>) -> IndexOptions {
    let selection = PackageSelection { exclude, ..PackageSelection::default() };
    IndexOptions { selection, ..IndexOptions::default() }
}
