use std::collections::BTreeMap;
use std::io::Read;

use super::*;
use crate::manifest::{MANIFEST_MAX, Manifest};

const DATE: i64 = 1_700_000_000;

fn definition() -> DefinedImage {
    serde_json::from_value(json!({
        "platform": "linux/arm64/v8",
        "files": [
            { "from": "bin/tool", "to": "/usr/bin/tool", "mode": "0755" },
            { "from": "notes", "to": "/usr/share/doc/notes", "uid": 7, "gid": 8 },
        ],
        "directories": [{ "path": "/srv/data", "mode": "1777", "uid": 65532, "gid": 65532 }],
        "links": [{ "path": "/bin", "target": "usr/bin" }],
        "user": { "name": "nobody", "uid": 65532 },
        "entrypoint": ["/usr/bin/tool"],
        "cmd": ["--help"],
        "labels": { "b": "2", "a": "1" },
        "env": { "PATH": "/usr/bin" },
        "exposedPorts": ["8080/tcp"],
        "workdir": "/srv",
    }))
    .unwrap()
}

fn project() -> tempfile::TempDir {
    let base = tempfile::tempdir().unwrap();
    std::fs::create_dir(base.path().join("bin")).unwrap();
    std::fs::write(base.path().join("bin/tool"), "tool").unwrap();
    std::fs::write(base.path().join("notes"), "n".repeat(100_000)).unwrap();
    base
}

/// The image's configuration and its layer's tar.
fn built(definition: &DefinedImage) -> (Digest, serde_json::Value, Vec<u8>) {
    let (base, scratch) = (project(), tempfile::tempdir().unwrap());
    let store = Store::open(scratch.path()).unwrap();
    let digest = build(definition, base.path(), DATE, None, &store).unwrap();
    let manifest = Manifest::parse(&store.read(&digest, MANIFEST_MAX).unwrap()).unwrap();
    assert_eq!(manifest.kind, MediaKind::OciManifest);
    let config = store.read(&manifest.config.unwrap().digest, MANIFEST_MAX).unwrap();
    let [layer] = manifest.layers.as_slice() else { panic!("{:?}", manifest.layers) };
    let bytes = store.read(&layer.digest, MANIFEST_MAX).unwrap();
    assert_eq!(bytes.len() as u64, layer.size);
    let mut tar = Vec::new();
    flate2::read::GzDecoder::new(bytes.as_slice()).read_to_end(&mut tar).unwrap();
    (digest, serde_json::from_slice(&config).unwrap(), tar)
}

#[test]
fn the_configuration_says_what_the_definition_says() {
    let (_, config, tar) = built(&definition());
    assert_eq!(
        config,
        json!({
            "created": "2023-11-14T22:13:20Z",
            "architecture": "arm64",
            "os": "linux",
            "variant": "v8",
            "config": {
                "User": "65532:65532",
                "ExposedPorts": { "8080/tcp": {} },
                "Env": ["PATH=/usr/bin"],
                "Entrypoint": ["/usr/bin/tool"],
                "Cmd": ["--help"],
                "WorkingDir": "/srv",
                "Labels": { "a": "1", "b": "2" },
            },
            "rootfs": { "type": "layers", "diff_ids": [Digest::of(&tar)] },
            "history": [{ "created": "2023-11-14T22:13:20Z", "created_by": "sealift" }],
        })
    );
}

#[test]
fn the_layer_is_sorted_and_its_entries_are_as_declared() {
    let (_, _, tar) = built(&definition());
    let mut archive = tar::Archive::new(tar.as_slice());
    let mut found = Vec::new();
    let mut contents = BTreeMap::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().display().to_string();
        let header = entry.header();
        assert_eq!(header.mtime().unwrap(), DATE.unsigned_abs());
        let line = (path.clone(), header.mode().unwrap(), header.uid().unwrap(), header.gid().unwrap());
        found.push(line);
        let mut bytes = String::new();
        entry.read_to_string(&mut bytes).unwrap();
        contents.insert(path, bytes);
    }
    let expected = [
        ("bin", 0o777, 0, 0),
        ("etc/", 0o755, 0, 0),
        ("etc/group", 0o644, 0, 0),
        ("etc/passwd", 0o644, 0, 0),
        ("srv/", 0o755, 0, 0),
        ("srv/data/", 0o1777, 65532, 65532),
        ("usr/", 0o755, 0, 0),
        ("usr/bin/", 0o755, 0, 0),
        ("usr/bin/tool", 0o755, 0, 0),
        ("usr/share/", 0o755, 0, 0),
        ("usr/share/doc/", 0o755, 0, 0),
        ("usr/share/doc/notes", 0o644, 7, 8),
    ];
    assert_eq!(found, expected.map(|(path, mode, uid, gid)| (path.to_owned(), mode, uid, gid)));
    assert_eq!(contents["usr/bin/tool"], "tool");
    assert_eq!(
        contents["etc/passwd"],
        "root:x:0:0:root:/root:/sbin/nologin\nnobody:x:65532:65532:nobody:/:/sbin/nologin\n"
    );
    assert_eq!(contents["etc/group"], "root:x:0:\nnobody:x:65532:\n");
}

/// An image of this kind in the store, with a configuration that says a bit of everything.
fn base(store: &Store, kind: MediaKind, architecture: &str) -> Digest {
    let config = json!({
        "architecture": architecture, "os": "linux", "author": "somebody",
        "config": { "Env": ["PATH=/base", "A=1"], "Cmd": ["sh"], "Labels": { "a": "0", "z": "9" }, "User": "5" },
        "rootfs": { "type": "layers", "diff_ids": [Digest::of(b"tar")] },
        "history": [{ "created_by": "base" }],
    });
    let (config, layer) = (config.to_string(), b"layer");
    let manifest = json!({
        "schemaVersion": 2, "mediaType": kind.media_type(),
        "config": { "mediaType": "c", "digest": store.put(config.as_bytes()).unwrap(), "size": config.len() },
        "layers": [{ "mediaType": "l", "digest": store.put(layer).unwrap(), "size": layer.len() }],
    });
    store.put(manifest.to_string().as_bytes()).unwrap()
}

fn read(store: &Store, digest: &Digest) -> (Manifest, Value) {
    let manifest = Manifest::parse(&store.read(digest, MANIFEST_MAX).unwrap()).unwrap();
    let config = store.read(&manifest.config.as_ref().unwrap().digest, MANIFEST_MAX).unwrap();
    (manifest, serde_json::from_slice(&config).unwrap())
}

#[test]
fn an_image_on_a_base_keeps_its_layers_and_says_what_is_new() {
    let (project, scratch) = (project(), tempfile::tempdir().unwrap());
    let store = Store::open(scratch.path()).unwrap();
    let mut definition = definition();
    definition.base = Some("base:1".parse().unwrap());
    definition.platform = Some("linux/arm64".parse().unwrap());
    for kind in [MediaKind::OciManifest, MediaKind::DockerManifest] {
        let base = base(&store, kind, "arm64");
        let built = build(&definition, project.path(), DATE, Some(&base), &store).unwrap();
        let (manifest, config) = read(&store, &built);
        assert_eq!(manifest.kind, kind);
        let layer_type = media_types(kind).1;
        let types: Vec<&str> = manifest.layers.iter().map(|layer| &*layer.media_type).collect();
        assert_eq!(types, ["l", layer_type]);
        assert_eq!(manifest.layers[0].digest, Digest::of(b"layer"));
        let mut tar = Vec::new();
        let bytes = store.read(&manifest.layers[1].digest, MANIFEST_MAX).unwrap();
        flate2::read::GzDecoder::new(bytes.as_slice()).read_to_end(&mut tar).unwrap();
        assert_eq!(config["rootfs"]["diff_ids"], json!([Digest::of(b"tar"), Digest::of(&tar)]));
        assert_eq!(config["history"].as_array().unwrap().len(), 2);
        assert_eq!(config["config"]["Env"], json!(["PATH=/usr/bin", "A=1"]));
        assert_eq!(config["config"]["Labels"], json!({ "a": "1", "z": "9", "b": "2" }));
        assert_eq!(config["config"]["User"], "65532:65532");
        // Neither the folders nor the users of the base are replaced.
        let mut archive = tar::Archive::new(tar.as_slice());
        let names: Vec<String> = archive
            .entries()
            .unwrap()
            .map(|entry| entry.unwrap().path().unwrap().display().to_string())
            .collect();
        assert_eq!(names, ["bin", "srv/data/", "usr/bin/tool", "usr/share/doc/notes"]);
    }

    // A new command alone is a new configuration and no layer.
    let index = json!({
        "schemaVersion": 2, "mediaType": MediaKind::OciIndex.media_type(),
        "manifests": [{
            "mediaType": MediaKind::OciManifest.media_type(), "size": 1, "digest": base(&store, MediaKind::OciManifest, "arm64"),
            "platform": { "os": "linux", "architecture": "arm64" },
        }],
    });
    let index = store.put(index.to_string().as_bytes()).unwrap();
    let said = json!({ "base": "base:1", "platform": "linux/arm64", "entrypoint": ["/tool"] });
    let mut said: DefinedImage = serde_json::from_value(said).unwrap();
    let (manifest, config) = read(&store, &build(&said, project.path(), DATE, Some(&index), &store).unwrap());
    assert_eq!(manifest.layers.len(), 1);
    assert_eq!(config["config"]["Entrypoint"], json!(["/tool"]));
    assert!(config["config"].get("Cmd").is_none(), "{config}");
    assert_eq!(config["history"][1]["empty_layer"], true);

    said.platform = Some("linux/s390x".parse().unwrap());
    let error = build(&said, project.path(), DATE, Some(&index), &store).unwrap_err();
    assert!(matches!(error, Error::NoPlatform { .. }), "{error}");
    let other = base(&store, MediaKind::OciManifest, "arm64");
    let error = build(&said, project.path(), DATE, Some(&other), &store).unwrap_err().to_string();
    assert!(error.contains("is for linux/arm64, expected linux/s390x"), "{error}");
    assert!(build(&said, project.path(), DATE, None, &store).unwrap_err().to_string().contains("base"));
}

#[test]
fn the_same_definition_is_the_same_image_and_everything_counts() {
    let (first, ..) = built(&definition());
    assert_eq!(built(&definition()).0, first);
    let mut other = definition();
    other.labels.insert("c".into(), String::new());
    assert_ne!(built(&other).0, first);
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let (base, scratch) = (project(), tempfile::tempdir().unwrap());
    let store = Store::open(scratch.path()).unwrap();
    let with = |change: fn(&mut DefinedImage)| {
        let mut definition = definition();
        change(&mut definition);
        build(&definition, base.path(), DATE, None, &store).unwrap_err().to_string()
    };
    assert!(with(|d| d.files[0].to = "usr/bin".into()).contains("must be absolute"));
    assert!(with(|d| d.files[0].to = "/".into()).contains("root itself"));
    assert!(with(|d| d.files[0].to = "/a/../b".into()).contains("must be plain"));
    assert!(with(|d| d.files[0].to = "/a//b".into()).contains("must be plain"));
    assert!(with(|d| d.files[0].to = "/.wh.b".into()).contains("hide"));
    assert!(with(|d| d.files[0].to = "/etc/passwd".into()).contains("given twice"));
    assert!(with(|d| d.files[0].to = "/bin/x".into()).contains("not a folder"));
    assert!(with(|d| d.files[0].from = "../secret".into()).contains("stay inside"));
    assert!(with(|d| d.files[0].from = "/etc/passwd".into()).contains("stay inside"));
    assert!(with(|d| d.files[0].from = "absent".into()).contains("absent"));
    assert!(with(|d| d.files[0].from = "bin".into()).contains("not a regular file"));
    assert!(with(|d| d.user.as_mut().unwrap().name = "a:b".into()).contains("user"));
    assert_eq!(std::fs::read_dir(scratch.path().join("new")).unwrap().count(), 0);
}

#[test]
fn keys_and_values_are_checked_when_read() {
    for (text, reason) in [
        (r#"{"file":[]}"#, "unknown field `file`"),
        (r#"{"files":[{"from":"a","to":"/a","mode":"0999"}]}"#, "not a mode"),
        (r#"{"files":[{"from":"a","to":"/a","mode":755}]}"#, "invalid type: integer"),
        (r#"{"platform":"linux"}"#, "not a platform"),
    ] {
        let error = serde_json::from_str::<DefinedImage>(text).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
    let text = serde_json::to_string(&definition()).unwrap();
    assert_eq!(serde_json::from_str::<DefinedImage>(&text).unwrap(), definition());
}
