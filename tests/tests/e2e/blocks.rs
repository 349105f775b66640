//! The tools of the command line, each in place of the program that it replaces.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tests::daemon::free_port;
use tests::{registry, sealift};

/// Runs `sealift`, which must succeed; returns its output.
fn succeed(folder: &Path, arguments: &[&str]) -> String {
    let (code, out, err) = sealift::run(folder, arguments);
    assert_eq!(code, 0, "{arguments:?}: {out}{err}");
    out
}

#[test]
fn an_image_is_created_looked_into_compared_and_checked() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path();
    fs::create_dir_all(folder.join("tree/a/b")).unwrap();
    fs::write(folder.join("tree/product.txt"), "NAME=Example\n").unwrap();
    fs::write(folder.join("tree/a/b/data"), vec![7; 100_000]).unwrap();
    std::os::unix::fs::symlink("a/b/data", folder.join("tree/link")).unwrap();

    let plan = succeed(
        folder,
        &["iso", "create", "tree", "--file", "one.iso", "--volume-id", "Example 1", "--dry-run"],
    );
    assert!(plan.contains("/a/b/data") && !folder.join("one.iso").exists(), "{plan}");
    let first_sector = |more: &[&str], name: &str| {
        let common = ["iso", "create", "tree", "--volume-id", "Example 1", "--dry-run", "-o", "json"];
        let plan: serde_json::Value =
            serde_json::from_str(&succeed(folder, &[&common, more].concat())).unwrap();
        let parts = plan["parts"].as_array().unwrap();
        let part = parts.iter().find(|part| part["kind"] == "content" && part["name"] == name);
        part.and_then(|part| part["sector"].as_u64())
    };
    let (data, product) = ("/a/b/data", "/product.txt");
    assert!(first_sector(&[], product) < first_sector(&[], data));
    let sort = ["--sort", "a/**=5"];
    assert!(first_sector(&sort, data) < first_sector(&sort, product), "heavier files come first");
    assert_eq!(first_sector(&["--exclude", "a/b"], data), None);
    succeed(folder, &["iso", "create", "tree", "--file", "one.iso", "--volume-id", "Example 1"]);
    assert!(succeed(folder, &["iso", "check", "one.iso"]).contains("intact"));
    assert_eq!(succeed(folder, &["iso", "cat", "one.iso", "product.txt"]), "NAME=Example\n");
    assert!(succeed(folder, &["iso", "ls", "one.iso", "--recursive"]).contains("link -> a/b/data"));
    let info = succeed(folder, &["iso", "info", "one.iso", "--output", "json"]);
    let info: serde_json::Value = serde_json::from_str(&info).unwrap();
    assert!(info["volumeId"] == "Example 1" && info["rockRidge"] == true && info["joliet"] == true, "{info}");
    assert_eq!(info["descriptors"], serde_json::json!(["primary", "joliet", "terminator"]));
    assert_eq!(info["implanted"]["fragments"], 20, "{info}");
    let check = succeed(folder, &["iso", "check", "one.iso", "--output", "json"]);
    let check: serde_json::Value = serde_json::from_str(&check).unwrap();
    assert!(check["state"] == "intact" && check["md5"] == info["implanted"]["md5"], "{check}");
    succeed(folder, &["iso", "extract", "one.iso", "--into", "out"]);
    assert_eq!(fs::read(folder.join("out/link")).unwrap(), vec![7; 100_000]);

    let owned = ["--uid", "1000", "--gid", "100", "--keep-modes", "--keep-times", "--source-date", "1"];
    let create = ["iso", "create", "tree", "--file", "owned.iso", "--volume-id", "Example 1"];
    fs::set_permissions(folder.join("tree/product.txt"), fs::Permissions::from_mode(0o640)).unwrap();
    succeed(folder, &[&create[..], &owned].concat());
    let image = iso::IsoImage::open(&folder.join("owned.iso")).unwrap();
    let entry = image.find("product.txt").unwrap().unwrap();
    assert_eq!((entry.uid, entry.gid, entry.mode & 0o777, entry.mtime), (1000, 100, 0o640, 1));

    fs::write(folder.join("tree/product.txt"), "NAME=Other\n").unwrap();
    fs::remove_file(folder.join("tree/link")).unwrap();
    succeed(folder, &["iso", "create", "tree", "--file", "two.iso", "--volume-id", "Example 1"]);
    assert_eq!(succeed(folder, &["iso", "diff", "one.iso", "one.iso"]), "");
    let (code, out, _) = sealift::run(folder, &["iso", "diff", "one.iso", "two.iso"]);
    assert!(
        code == 1 && out.contains("removed  link") && out.contains("changed  product.txt"),
        "{code}: {out}"
    );

    let mut bytes = fs::read(folder.join("one.iso")).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(folder.join("one.iso"), bytes).unwrap();
    let (code, out, err) = sealift::run(folder, &["iso", "check", "one.iso", "--output", "json"]);
    assert!(
        code == 1 && err.contains("damaged") && out.contains(r#""state": "damaged""#),
        "{code}: {out}{err}"
    );
    let (code, _, err) = sealift::run(folder, &["iso", "cat", "two.iso", "nothing"]);
    assert!(code == 1 && err.contains("no `nothing`"), "{code}: {err}");
}

#[test]
fn images_are_pulled_listed_checked_and_indexed() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path();
    let port = free_port();
    let Some(daemon) = registry::start(folder, port) else { return };
    if tests::peer::find("skopeo").is_none() {
        return;
    }
    registry::fill(folder, &daemon);
    let host = format!("127.0.0.1:{port}");
    let (curl, multi) = (format!("{host}/curl:docker"), format!("{host}/multi:oci"));
    let pull = [
        "image",
        "pull",
        &curl,
        &multi,
        "--into",
        "images",
        "--plain-http",
        &host,
        "--platform",
        "linux/amd64",
    ];
    let pulled = succeed(folder, &pull);
    assert_eq!(succeed(folder, &["image", "ls", "images"]), pulled);
    assert!(succeed(folder, &["image", "check", "images"]).contains("2 images, 0 problems"));
    succeed(folder, &["registry", "index", "images"]);
    assert!(folder.join("registry/v2/curl").is_dir());
    let config = succeed(
        folder,
        &["registry", "nginx-config", "images", "--repository", "example-1.0", "--with-common"],
    );
    assert!(config.contains("example-1.0") && config.contains(&folder.join("images").display().to_string()));
    let (code, _, err) =
        sealift::run(folder, &["registry", "nginx-config", "images", "--repository", "x\"; evil"]);
    assert!(code == 3 && err.contains("repository"), "{code}: {err}");

    // An image that was pulled can be a source.
    let from = format!("dir:{}", folder.join("images/curl/docker").display());
    let again = succeed(folder, &["image", "pull", &from, "--into", "again", "--output", "json"]);
    let again: serde_json::Value = serde_json::from_str(&again).unwrap();
    assert!(pulled.contains(again["items"][0]["digest"].as_str().unwrap()), "{again}");

    let blob = fs::read_dir(folder.join("images/curl/docker"))
        .unwrap()
        .map(|entry| entry.unwrap())
        .max_by_key(|entry| entry.metadata().unwrap().len())
        .unwrap();
    let mut bytes = fs::read(blob.path()).unwrap();
    bytes[1000] ^= 1;
    fs::remove_file(blob.path()).unwrap();
    fs::write(blob.path(), bytes).unwrap();
    let (code, out, _) = sealift::run(folder, &["image", "check", "images"]);
    let hex = blob.file_name().into_string().unwrap();
    assert!(code == 1 && out.contains(&hex) && out.contains("1 problem"), "{code}: {out}");
}

#[test]
fn a_package_is_built_and_its_repository_indexed() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path();
    fs::write(folder.join("hello"), "#!/bin/sh\necho hello\n").unwrap();
    let definition = "{name: hello, version: '1.0', release: '1', arch: noarch, summary: Says hello, license: MIT,\n\
                      files: [{from: hello, to: /usr/bin/hello, mode: '0755'}]}\n";
    fs::write(folder.join("package.yaml"), definition).unwrap();
    let built = succeed(folder, &["package", "build", "package.yaml", "--into", "repository"]);
    assert_eq!(built, "repository/hello-1.0-1.noarch.rpm\n");
    let index = succeed(folder, &["package", "index", "repository", "--output", "json"]);
    let index: serde_json::Value = serde_json::from_str(&index).unwrap();
    assert_eq!(index["packages"], 1);
    fs::write(folder.join("package.yaml"), definition.replace("summary", "sumary")).unwrap();
    let (code, _, err) = sealift::run(folder, &["package", "build", "package.yaml"]);
    assert!(code == 3 && err.contains("package.yaml") && err.contains("sumary"), "{code}: {err}");
}

#[test]
fn a_node_imports_lists_serves_and_deletes_archives() {
    let archive = sealift::archive();
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path();
    let config = "# kept\napiVersion: metalk8s.scality.com/v1alpha3\nkind: BootstrapConfiguration\nnetworks:\n  \
                  controlPlane: {cidr: 10.0.0.0/8}\n  workloadPlane: {cidr: 10.0.0.0/8}\nca: {minion: bootstrap}\narchives: []\n";
    fs::write(folder.join("bootstrap.yaml"), config).unwrap();
    let iso = archive.iso.to_str().unwrap();
    let places = sealift::places(folder);
    let places: Vec<&str> = places.iter().map(String::as_str).collect();
    let with = |words: &[&str]| succeed(folder, &[words, &places[..]].concat());
    let planned = with(&["archive", "import", iso, "--mount", "never", "--dry-run"]);
    assert!(
        planned.contains("would add") && fs::read_to_string(folder.join("bootstrap.yaml")).unwrap() == config
    );
    with(&["archive", "import", iso, "--mount", "never"]);
    assert!(with(&["archive", "import", iso, "--mount", "never"]).contains("nothing to do"));
    let text = fs::read_to_string(folder.join("bootstrap.yaml")).unwrap();
    assert!(text.starts_with("# kept\n") && text.contains("metalk8s.iso"), "{text}");
    let listed = with(&["archive", "get", "--output", "json"]);
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    let id = listed["items"][0]["id"].as_str().unwrap().to_owned();
    assert!(id.starts_with("metalk8s-"), "{listed}");

    let port = free_port();
    let listen = format!("127.0.0.1:{port}");
    let mut command = sealift::command(folder);
    command.args(["registry", "serve", "--configured", "--listen", &listen]).args(&places);
    let server = tests::daemon::start(&mut command, port, &folder.join("log"));
    if let Some(curl) = tests::peer::find("curl") {
        let url = format!("http://{listen}/v2/_catalog");
        let out = tests::peer::run(std::process::Command::new(curl).args(["-fsS", &url]));
        assert!(String::from_utf8_lossy(&out.stdout).contains(&format!("{id}/sealift")), "{out:?}");
    }
    drop(server);
    with(&["archive", "delete", &id]);
    assert_eq!(with(&["archive", "get"]), "no archives\n");
}
