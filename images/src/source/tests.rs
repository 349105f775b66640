use std::fs;
use std::io::Write as _;

use serde_json::json;

use super::*;
use crate::MediaKind;
use crate::manifest::Manifest;

#[test]
fn sources_are_written_as_containers_image_writes_them() {
    let local = |layout, path: &str, name: Option<&str>| {
        ImageLocation::Local(LocalImage { layout, path: path.into(), name: name.map(Into::into) })
    };
    for (text, expected) in [
        ("oci:folder", local(LocalLayout::Oci, "folder", None)),
        ("oci:/a/b:1.0", local(LocalLayout::Oci, "/a/b", Some("1.0"))),
        ("oci:a:b/c", local(LocalLayout::Oci, "a", Some("b/c"))),
        (
            "oci-archive:f.tar:example.com/team/app:1",
            local(LocalLayout::OciArchive, "f.tar", Some("example.com/team/app:1")),
        ),
        (
            "docker-archive:d/f.tar:example.com:5000/team/app:1",
            local(LocalLayout::DockerArchive, "d/f.tar", Some("example.com:5000/team/app:1")),
        ),
        ("docker-archive:f.tar:@1", local(LocalLayout::DockerArchive, "f.tar", Some("@1"))),
        ("oci-archive:x.tar:name:1", local(LocalLayout::OciArchive, "x.tar", Some("name:1"))),
        ("docker-archive:/x.tar:busybox:1", local(LocalLayout::DockerArchive, "/x.tar", Some("busybox:1"))),
        ("dir:a:b", local(LocalLayout::Dir, "a:b", None)),
    ] {
        let parsed: ImageLocation = text.parse().unwrap();
        assert_eq!(parsed, expected, "{text}");
        assert_eq!(parsed.to_string(), text);
    }
    for text in ["docker://alpine:3", "alpine:3", "docker.io/library/alpine:3"] {
        assert_eq!(text.parse::<ImageLocation>().unwrap().to_string(), "docker.io/library/alpine:3");
    }
    for text in [
        "docker-daemon:",
        "docker-archive:x.tar:UPPER",
        "docker-archive:x.tar:@x",
        "oci:",
        "oci::1",
        "dir:",
        "oci-archive:",
    ] {
        assert!(text.parse::<ImageLocation>().is_err(), "{text}");
    }
}

/// A folder, and a store beside it.
struct Scratch {
    folder: tempfile::TempDir,
    store: Store,
}

impl Scratch {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store")).unwrap();
        fs::create_dir_all(folder.path().join("layout/blobs/sha256")).unwrap();
        Self { folder, store }
    }

    fn layout(&self) -> PathBuf {
        self.folder.path().join("layout")
    }

    fn blob(&self, media_type: &str, bytes: &[u8]) -> serde_json::Value {
        let digest = Digest::of(bytes);
        fs::write(self.layout().join("blobs/sha256").join(digest.hex()), bytes).unwrap();
        json!({ "mediaType": media_type, "digest": digest, "size": bytes.len() })
    }

    fn image(&self, layer: &[u8]) -> serde_json::Value {
        let manifest = json!({
            "schemaVersion": 2, "config": self.blob("c", b"{}"), "layers": [self.blob("l", layer)],
        });
        self.blob(MediaKind::OciManifest.media_type(), manifest.to_string().as_bytes())
    }

    fn name(&self, named: &[(&str, &serde_json::Value)]) {
        let manifests: Vec<_> = named
            .iter()
            .map(|(name, descriptor)| {
                let mut descriptor = (*descriptor).clone();
                descriptor["annotations"] = json!({ "org.opencontainers.image.ref.name": name });
                descriptor
            })
            .collect();
        let index = json!({ "schemaVersion": 2, "manifests": manifests });
        fs::write(self.layout().join("index.json"), index.to_string()).unwrap();
    }

    fn import(&self, layout: LocalLayout, path: &Path, name: Option<&str>) -> Result<Digest> {
        import(&LocalImage { layout, path: path.into(), name: name.map(Into::into) }, &[], &self.store)
    }
}

/// A tar of these files; a target instead of bytes makes a symbolic link.
fn tar(path: &Path, files: &[(&str, Result<&[u8], &str>)]) {
    let mut archive = tar::Builder::new(fs::File::create(path).unwrap());
    for (name, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        match content {
            Ok(bytes) => {
                header.set_size(bytes.len() as u64);
                archive.append_data(&mut header, name, *bytes).unwrap();
            }
            Err(target) => {
                header.set_size(0);
                header.set_entry_type(tar::EntryType::Symlink);
                archive.append_link(&mut header, name, target).unwrap();
            }
        }
    }
    archive.finish().unwrap();
}

#[test]
fn layouts_are_taken_over_with_their_digests() {
    let scratch = Scratch::new();
    let (one, two) = (scratch.image(b"one"), scratch.image(b"two"));
    let digest = |image: &serde_json::Value| image["digest"].as_str().unwrap().parse::<Digest>().unwrap();
    scratch.name(&[("1", &one), ("latest", &one)]);
    assert_eq!(scratch.import(LocalLayout::Oci, &scratch.layout(), None).unwrap(), digest(&one));
    scratch.name(&[("1", &one), ("2", &two)]);
    assert_eq!(scratch.import(LocalLayout::Oci, &scratch.layout(), Some("2")).unwrap(), digest(&two));
    assert_eq!(scratch.store.read(&Digest::of(b"two"), 9).unwrap(), b"two");
    assert_eq!(scratch.import(LocalLayout::Oci, &scratch.layout(), Some("@1")).unwrap(), digest(&two));
    scratch.name(&[("example.com/team/app:1", &one), ("2", &two)]);
    let team = Some("example.com/team/app:1");
    assert_eq!(scratch.import(LocalLayout::Oci, &scratch.layout(), team).unwrap(), digest(&one));
    scratch.name(&[("1", &one), ("2", &two)]);
    for (name, reason) in
        [(None, "2 images match"), (Some("3"), "no image named `3`"), (Some("@7"), "no image named `@7`")]
    {
        let error = scratch.import(LocalLayout::Oci, &scratch.layout(), name).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
    // The same in a tar, in any order and with `./` before the names.
    let archive = scratch.folder.path().join("x.tar");
    let mut paths = vec![scratch.layout().join("index.json")];
    paths.extend(
        fs::read_dir(scratch.layout().join("blobs/sha256")).unwrap().map(|entry| entry.unwrap().path()),
    );
    let contents: Vec<(String, Vec<u8>)> = paths
        .iter()
        .rev()
        .map(|path| {
            let name = path.strip_prefix(scratch.layout()).unwrap();
            (format!("./{}", name.display()), fs::read(path).unwrap())
        })
        .collect();
    let files: Vec<_> = contents.iter().map(|(name, bytes)| (name.as_str(), Ok(bytes.as_slice()))).collect();
    tar(&archive, &files);
    let other = Scratch::new();
    assert_eq!(other.import(LocalLayout::OciArchive, &archive, Some("1")).unwrap(), digest(&one));
    // And from the folder of one image.
    let place = scratch.folder.path().join("dir");
    crate::dir_layout::write(&scratch.store, &digest(&one), &[], &place).unwrap();
    assert_eq!(Scratch::new().import(LocalLayout::Dir, &place, None).unwrap(), digest(&one));
}

#[test]
fn damaged_layouts_are_named_and_nothing_false_is_stored() {
    for (damage, reason) in [
        ("flip", "expected sha256:"),
        ("cut", "expected 3 bytes, found 2"),
        ("grow", "expected 3 bytes, found 4"),
        ("remove", "No such file"),
    ] {
        let scratch = Scratch::new();
        let image = scratch.image(b"one");
        scratch.name(&[("1", &image)]);
        let layer = scratch.layout().join("blobs/sha256").join(Digest::of(b"one").hex());
        match damage {
            "flip" => fs::write(&layer, "0ne").unwrap(),
            "cut" => fs::write(&layer, "on").unwrap(),
            "grow" => fs::write(&layer, "one!").unwrap(),
            _ => fs::remove_file(&layer).unwrap(),
        }
        let error = scratch.import(LocalLayout::Oci, &scratch.layout(), None).unwrap_err().to_string();
        assert!(error.contains(reason) && error.contains(layer.to_str().unwrap()), "{damage}: {error}");
        assert!(scratch.store.size(&Digest::of(b"one")).unwrap().is_none());
        let manifest: Digest = image["digest"].as_str().unwrap().parse().unwrap();
        assert!(scratch.store.size(&manifest).unwrap().is_none(), "{damage}");
    }
}

#[test]
fn docker_archives_get_the_same_manifest_every_time() {
    let (one, two) = (b"layer one".as_slice(), b"layer two".as_slice());
    let config = json!({ "os": "linux", "rootfs": { "diff_ids": [Digest::of(one), Digest::of(two), Digest::of(one)] } })
        .to_string();
    let saved = json!([
        { "Config": "c.json", "RepoTags": ["example.com/team/x:1", "x:1"], "Layers": ["a/layer.tar", "b/layer.tar", "c/layer.tar"] },
        { "Config": "missing", "RepoTags": null, "Layers": [] },
    ])
    .to_string();
    let scratch = Scratch::new();
    let archive = scratch.folder.path().join("x.tar");
    tar(
        &archive,
        &[
            ("c/layer.tar", Err("../a/layer.tar")),
            ("a/layer.tar", Ok(one)),
            ("b/layer.tar", Ok(two)),
            ("c.json", Ok(config.as_bytes())),
            ("manifest.json", Ok(saved.as_bytes())),
        ],
    );
    let digest = scratch.import(LocalLayout::DockerArchive, &archive, Some("x:1")).unwrap();
    for name in ["x:1", "docker.io/library/x:1", "example.com/team/x:1", "@0"] {
        assert_eq!(
            Scratch::new().import(LocalLayout::DockerArchive, &archive, Some(name)).unwrap(),
            digest,
            "{name}"
        );
    }
    for name in ["x", "x:2", "team/x:1", "@2"] {
        let error =
            Scratch::new().import(LocalLayout::DockerArchive, &archive, Some(name)).unwrap_err().to_string();
        assert!(error.contains("no image named"), "{name}: {error}");
    }
    let manifest = Manifest::parse(&scratch.store.read(&digest, MANIFEST_MAX).unwrap()).unwrap();
    assert_eq!(manifest.kind, MediaKind::DockerManifest);
    let layers: Vec<Digest> = manifest.layers.iter().map(|layer| layer.digest).collect();
    assert_eq!(layers, [Digest::of(one), Digest::of(two), Digest::of(one)]);
    assert_eq!(scratch.store.read(&layers[1], 99).unwrap(), two);
    assert!(
        scratch
            .import(LocalLayout::DockerArchive, &archive, None)
            .unwrap_err()
            .to_string()
            .contains("2 images")
    );

    tar(
        &archive,
        &[
            ("a/layer.tar", Ok(b"layer 0ne")),
            ("c.json", Ok(config.as_bytes())),
            ("b/layer.tar", Err("b/layer.tar")),
            ("manifest.json", Ok(saved.as_bytes())),
        ],
    );
    let error = Scratch::new().import(LocalLayout::DockerArchive, &archive, Some("x:1")).unwrap_err();
    assert!(matches!(error, Error::DigestMismatch { .. }), "{error}");
}

#[test]
fn hostile_archives_are_errors() {
    let scratch = Scratch::new();
    let archive = scratch.folder.path().join("x.tar");
    let saved = r#"[{"Config":"../../etc/passwd","Layers":[]}]"#;
    tar(&archive, &[("manifest.json", Ok(saved.as_bytes()))]);
    let error = scratch.import(LocalLayout::DockerArchive, &archive, None).unwrap_err().to_string();
    assert!(error.contains("not in the archive"), "{error}");
    tar(&archive, &[("index.json", Err("index.json"))]);
    assert!(scratch.import(LocalLayout::OciArchive, &archive, None).is_err());
    fs::write(&archive, [0x1f, 0x8b, 8, 0]).unwrap();
    let error = scratch.import(LocalLayout::OciArchive, &archive, None).unwrap_err().to_string();
    assert!(error.contains("compressed"), "{error}");
    for bytes in [&b""[..], b"not a tar at all", &[0xff; 2048]] {
        fs::File::create(&archive).unwrap().write_all(bytes).unwrap();
        assert!(scratch.import(LocalLayout::OciArchive, &archive, None).is_err());
    }
}

#[test]
fn an_archive_of_docker_has_its_names_in_either_list() {
    let scratch = Scratch::new();
    let image = scratch.image(b"one");
    scratch.name(&[("1", &image)]);
    let saved = json!([{ "Config": "c", "RepoTags": ["team/app:1"], "Layers": null }]).to_string();
    fs::write(scratch.layout().join("manifest.json"), saved).unwrap();
    let archive = scratch.folder.path().join("x.tar");
    let mut builder = tar::Builder::new(fs::File::create(&archive).unwrap());
    builder.append_dir_all(".", scratch.layout()).unwrap();
    builder.finish().unwrap();
    let local = LocalImage { layout: LocalLayout::DockerArchive, path: archive.clone(), name: None };
    assert_eq!(default_name(&ImageLocation::Local(local)).unwrap(), ("app".into(), "1".into()));
    assert_eq!(
        scratch.import(LocalLayout::DockerArchive, &archive, None).unwrap().to_string(),
        image["digest"]
    );
}

/// A header may say that the name of the next entry has any number of bytes.
#[test]
fn long_names_in_a_tar_are_not_read_without_a_bound() {
    let scratch = Scratch::new();
    let archive = scratch.folder.path().join("x.tar");
    for kind in [tar::EntryType::GNULongName, tar::EntryType::GNULongLink, tar::EntryType::XHeader] {
        for (bytes, refused) in [(900_u64 << 10, false), (64 << 20, true)] {
            let mut builder = tar::Builder::new(fs::File::create(&archive).unwrap());
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(kind);
            header.set_size(bytes);
            header.set_cksum();
            let mut text = vec![b'n'; usize::try_from(bytes).unwrap()];
            if kind == tar::EntryType::XHeader {
                // One record: its length, a blank, a key and a value.
                let start = format!("{bytes} comment=");
                text[..start.len()].copy_from_slice(start.as_bytes());
                *text.last_mut().unwrap() = b'\n';
            }
            builder.append(&header, text.as_slice()).unwrap();
            let mut header = tar::Header::new_gnu();
            header.set_path("manifest.json").unwrap();
            header.set_size(0);
            header.set_cksum();
            builder.append(&header, &[][..]).unwrap();
            builder.finish().unwrap();
            let error = scratch.import(LocalLayout::DockerArchive, &archive, None).unwrap_err().to_string();
            assert_eq!(
                error.contains("the name of an entry is too long"),
                refused,
                "{kind:?} {bytes}: {error}"
            );
        }
    }
}

#[test]
fn an_image_of_this_machine_is_for_the_platform_of_its_configuration() {
    let config =
        json!({ "os": "linux", "architecture": "amd64", "rootfs": { "diff_ids": null } }).to_string();
    let saved = json!([{ "Config": "c.json", "RepoTags": null, "Layers": null }]).to_string();
    let scratch = Scratch::new();
    let archive = scratch.folder.path().join("x.tar");
    tar(&archive, &[("c.json", Ok(config.as_bytes())), ("manifest.json", Ok(saved.as_bytes()))]);
    let manifest = json!({ "schemaVersion": 2, "config": scratch.blob("c", config.as_bytes()) });
    let image = scratch.blob(MediaKind::OciManifest.media_type(), manifest.to_string().as_bytes());
    scratch.name(&[("1", &image)]);
    for (layout, path) in [(LocalLayout::DockerArchive, &archive), (LocalLayout::Oci, &scratch.layout())] {
        let local = LocalImage { layout, path: path.clone(), name: None };
        for (platform, fine) in [("linux/x86_64", true), ("linux/arm64", false)] {
            let result = import(&local, &[platform.parse().unwrap()], &scratch.store);
            match result {
                Ok(_) => assert!(fine, "{layout:?} {platform}"),
                Err(error) => {
                    let text = error.to_string();
                    assert!(!fine && text.contains("linux/arm64; the image is for linux/amd64"), "{text}");
                }
            }
        }
    }
    // Keys that Go reads otherwise.
    let saved = r#"[{"Config":"c.json","config":"d.json","Layers":[]}]"#;
    tar(&archive, &[("c.json", Ok(config.as_bytes())), ("manifest.json", Ok(saved.as_bytes()))]);
    let error = scratch.import(LocalLayout::DockerArchive, &archive, None).unwrap_err().to_string();
    assert!(error.contains("some clients read the key `config` as `Config`"), "{error}");
}

#[test]
fn an_error_lists_what_may_be_named() {
    let scratch = Scratch::new();
    let images: Vec<serde_json::Value> =
        (0..13).map(|number| scratch.image(format!("{number}").as_bytes())).collect();
    let (layout, long) = (scratch.layout(), "n".repeat(NAME_SHOWN + 1));
    let index = |names: &[Option<&str>]| {
        let named = names.iter().zip(&images).map(|(name, image)| {
            let mut image = image.clone();
            if let Some(name) = name {
                image["annotations"] = json!({ "org.opencontainers.image.ref.name": name });
            }
            image
        });
        let index = json!({ "schemaVersion": 2, "manifests": named.collect::<Vec<_>>() });
        fs::write(layout.join("index.json"), index.to_string()).unwrap();
    };
    let numbers: Vec<String> = (0..13).map(|number| number.to_string()).collect();
    let many: Vec<Option<&str>> = numbers.iter().map(|number| Some(number.as_str())).collect();
    for (names, asked, expected) in [
        (&[][..], None, "no image"),
        (&[], Some("1"), "no image"),
        (&[Some("1")], Some("2"), "no image named `2`: expected `1`"),
        (&[None], Some("2"), "no image named `2`: expected `@0`"),
        (
            &[Some("1"), Some("2")],
            None,
            "2 images match: choose `1` or `2`, written after the path and a colon",
        ),
        (
            &[None, None, Some("x")],
            None,
            "3 images match: choose `@0`, `@1` or `x`, written after the path and a colon",
        ),
        (
            &[None, Some("1"), Some("1")],
            Some("1"),
            "2 images match: choose `@1` or `@2`, written after the path and a colon",
        ),
        (
            &[Some("a\n\u{1b}[2J"), Some(&long)],
            None,
            r"2 images match: choose `a\n\u{1b}[2J` or `@1`, written after the path and a colon",
        ),
        (
            &many,
            Some("x"),
            "no image named `x`: expected `0`, `1`, `2`, `3`, `4`, `5`, `6`, `7`, `8`, `9` or 3 more",
        ),
    ] {
        index(names);
        let error = scratch.import(LocalLayout::Oci, &layout, asked).unwrap_err().to_string();
        assert_eq!(error, format!("{}: {expected}", layout.join("index.json").display()));
    }
    let archive = scratch.folder.path().join("x.tar");
    let saved = json!([
        { "Config": "c", "RepoTags": ["a:1", "a:2"], "Layers": [] },
        { "Config": "c", "RepoTags": null, "Layers": [] },
    ]);
    tar(&archive, &[("manifest.json", Ok(saved.to_string().as_bytes()))]);
    for (asked, expected) in [
        (None, "2 images match: choose `a:1` or `@1`, written after the path and a colon"),
        (Some("b:1"), "no image named `b:1`: expected `a:1` or `@1`"),
    ] {
        let error = scratch.import(LocalLayout::DockerArchive, &archive, asked).unwrap_err().to_string();
        assert_eq!(error, format!("{}: {expected}", archive.join("manifest.json").display()));
    }
    // One kind of source taken for another.
    let error = scratch.import(LocalLayout::OciArchive, &archive, None).unwrap_err().to_string();
    assert!(
        error.ends_with("/x.tar/index.json: missing; this is what `docker save` writes: docker-archive:"),
        "{error}"
    );
    fs::remove_file(layout.join("index.json")).unwrap();
    fs::write(layout.join("manifest.json"), "").unwrap();
    let error = scratch.import(LocalLayout::Oci, &layout, None).unwrap_err().to_string();
    assert!(error.ends_with("/layout/index.json: missing; this is a folder of one image: dir:"), "{error}");
}

#[test]
fn an_archive_that_is_cut_off_is_said_to_be() {
    let scratch = Scratch::new();
    let archive = scratch.folder.path().join("x.tar");
    tar(&archive, &[("blob", Ok(&[0; 2000])), ("index.json", Ok(br#"{"manifests":[]}"#))]);
    let whole = fs::read(&archive).unwrap();
    for (length, expected) in [
        (100, "not a whole tar archive: "),
        (512, "the archive is cut off"),
        (1000, "the archive is cut off"),
        (2511, "the archive is cut off"),
        (2561 + 100, "not a whole tar archive: "),
        (2560 + 512 + 5, "the archive is cut off"),
        (whole.len(), "no image"),
    ] {
        fs::write(&archive, &whole[..length]).unwrap();
        let error = scratch.import(LocalLayout::OciArchive, &archive, None).unwrap_err().to_string();
        assert!(error.contains(expected), "{length}: {error}");
    }
}
