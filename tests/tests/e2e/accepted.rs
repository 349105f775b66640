//! `archive verify` and `archive import` accept every archive that a build produces.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use content::Digest;
use tests::{peer, sealift};

const PROJECT: &str =
    "apiVersion: sealift.dev/v1alpha1\nkind: Platform\nmetadata: {name: Example, version: 1.2.3}\nspec:\n";

fn put(path: &Path, content: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

/// Writes a blob into an OCI layout; returns its descriptor.
fn blob(folder: &Path, content: &str, kind: &str) -> serde_json::Value {
    let digest = Digest::of(content.as_bytes());
    put(&folder.join("blobs/sha256").join(digest.hex()), content.as_bytes());
    serde_json::json!({
        "mediaType": format!("application/vnd.oci.image.{kind}"),
        "digest": digest.to_string(),
        "size": content.len(),
    })
}

/// Writes an image of these layers into an OCI layout; `note` makes it differ from others. Returns its descriptor.
fn image(folder: &Path, layers: &[&str], note: &str) -> serde_json::Value {
    let layers: Vec<_> = layers.iter().map(|layer| blob(folder, layer, "layer.v1.tar")).collect();
    let manifest = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": blob(folder, "{\"os\":\"linux\",\"architecture\":\"amd64\"}", "config.v1+json"),
        "layers": layers,
        "annotations": {"note": note},
    });
    blob(folder, &manifest.to_string(), "manifest.v1+json")
}

/// Writes the index of an OCI layout.
fn index(folder: &Path, named: Vec<(serde_json::Value, String)>) {
    let named = named.into_iter().map(|(mut descriptor, name)| {
        descriptor["annotations"] = serde_json::json!({"org.opencontainers.image.ref.name": name});
        descriptor
    });
    let index = serde_json::json!({"schemaVersion": 2, "manifests": named.collect::<Vec<_>>()});
    put(&folder.join("index.json"), index.to_string().as_bytes());
    put(&folder.join("oci-layout"), br#"{"imageLayoutVersion":"1.0.0"}"#);
}

/// An OCI layout with the image `app` and a signature of it, `signature`.
fn layout(folder: &Path) {
    let blob = |content: &str, kind: &str| blob(folder, content, kind);
    let manifest = |layer: &str, subject: Option<&serde_json::Value>| {
        let mut manifest = serde_json::json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": blob("{\"os\":\"linux\",\"architecture\":\"amd64\"}", "config.v1+json"),
            "layers": [blob(layer, "layer.v1.tar")],
            "annotations": {"note": format!("of {layer}")},
        });
        if let Some(subject) = subject {
            manifest["subject"] = subject.clone();
        }
        blob(&manifest.to_string(), "manifest.v1+json")
    };
    let image = manifest("a layer", None);
    let signature = manifest("a signature", Some(&image));
    index(folder, vec![(image, "app:1".into()), (signature, "signature:1".into())]);
}

/// Builds the project; returns whether that succeeded, and the output.
fn build(folder: &Path) -> (i32, String) {
    let mut command = sealift::command(folder);
    command.env("SEALIFT_CACHE", folder.join("cache")).env("SOURCE_DATE_EPOCH", "1700000000");
    let (code, out, err) = sealift::told(&command.args(["run", "iso"]).output().unwrap());
    (code, out + &err)
}

/// Checks the result with `archive verify`, `archive import` and coreutils.
fn accepted(folder: &Path) {
    let iso = folder.join("_build/example.iso");
    let (code, out, err) = sealift::run(folder, &["archive", "verify", "_build/example.iso"]);
    assert!(code == 0 && out.contains(": intact: implanted MD5 and "), "{out}{err}");
    let list = folder.join("site/bootstrap.yaml");
    put(
        &list,
        b"apiVersion: metalk8s.scality.com/v1alpha3\nkind: BootstrapConfiguration\nca: {minion: bootstrap}\n\
          networks: {controlPlane: 10.0.0.0/24, workloadPlane: 10.0.1.0/24}\narchives: []\n",
    );
    fs::create_dir_all(folder.join("site/units")).unwrap();
    let mut import = sealift::command(folder);
    import.args(["archive", "import", "--mount", "never"]).args(sealift::places(&folder.join("site")));
    let (code, out, err) = sealift::told(&import.arg(&iso).output().unwrap());
    assert_eq!(code, 0, "{out}{err}");
    let (Some(bsdtar), Some(sha256sum)) = (peer::find("bsdtar"), peer::find("sha256sum")) else { return };
    let unpacked = folder.join("unpacked");
    fs::create_dir_all(&unpacked).unwrap();
    peer::run(Command::new(&bsdtar).arg("-C").arg(&unpacked).arg("-xf").arg(&iso));
    let lists = if unpacked.join("pillar").exists() {
        &["SHA256SUMS", "pillar/SHA256SUMS"][..]
    } else {
        &["SHA256SUMS"]
    };
    peer::run(
        Command::new(sha256sum).current_dir(&unpacked).args(["--check", "--strict", "--quiet"]).args(lists),
    );
    // To bsdtar, the link list and the tree are equal.
    let mut listed: Vec<String> = Vec::new();
    for list in ["LINKS.mtree", "pillar/LINKS.mtree"].iter().filter(|list| unpacked.join(list).exists()) {
        let said = peer::run(Command::new(&bsdtar).current_dir(&unpacked).arg("-tvf").arg(list)).stdout;
        listed.extend(
            String::from_utf8(said).unwrap().lines().map(|line| line.split_once(" ./").unwrap().1.to_owned()),
        );
    }
    let mut found: Vec<String> = Vec::new();
    let mut waiting = vec![unpacked.clone()];
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if let Ok(target) = fs::read_link(&path) {
                let path = path.strip_prefix(&unpacked).unwrap().display().to_string();
                // bsdtar escapes names like this.
                let shown = format!("{path} -> {}", target.display());
                found.push(shown.replace('\\', "\\\\").replace('\n', "\\n").replace('\t', "\\t"));
            } else if path.is_dir() {
                waiting.push(path);
            }
        }
    }
    found.sort();
    listed.sort();
    assert_eq!(listed, found);
}

#[test]
fn images_with_what_is_attached_to_them_are_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    layout(&root.join("saved"));
    let images = "  images:\n    pull:\n      - {name: app, source: 'oci:saved:app:1', tag: '1'}\n      \
                  - {name: signature, source: 'oci:saved:signature:1', tag: '1'}\n";
    put(&root.join("sealift.yaml"), format!("{PROJECT}{images}").as_bytes());
    let (code, said) = build(root);
    assert_eq!(code, 0, "{said}");
    let referrers = root.join("_build/root/registry/v2/signature/referrers/sha256");
    assert_eq!(fs::read_dir(referrers).unwrap().count(), 1);
    accepted(root);

    // Again, and again after a part of the tree was removed.
    fs::remove_dir_all(root.join("_build/root/registry")).unwrap();
    let (code, said) = build(root);
    assert_eq!(code, 0, "{said}");
    accepted(root);
}

#[test]
fn files_of_any_name_are_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    put(&root.join("sealift.yaml"), format!("{PROJECT}  files: [{{from: files, to: .}}]\n").as_bytes());
    let long = "l".repeat(246);
    let odd = [
        "two words",
        " leading",
        "trailing ",
        "back\\slash",
        "new\nline",
        "return\r",
        "tab\t",
        "-leading",
        "#",
        "a=b",
        "*?[",
        "\u{1b}[2J",
        "ümlaut",
        "\u{1f600}",
        "e\u{301}",
        "\u{e9}",
        "case",
        "CASE",
        "Case",
        "ab:c;1",
        "a;1",
        "a.",
        "a..",
        "a",
        "b.d/file",
        "B.D/file",
        "b.d./file",
        "con.txt",
        ".hidden",
        "..double",
        "salt/registry",
        "x/SHA256SUMS",
        "x/product.txt",
        "x/LINKS.mtree",
        "registry.txt",
        "deep/1/2/3/4/5/6/7/8/9/a/b",
        "A".repeat(64).as_str(),
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "x/referrers/sha256/e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        long.as_str(),
        "pillar/secret.sls",
    ]
    .map(ToOwned::to_owned);
    for name in &odd {
        put(&root.join("files").join(name), name.as_bytes());
    }
    put(&root.join("files/empty"), b"");
    put(&root.join("files/empty too"), b"");
    for number in 0..300 {
        put(&root.join(format!("files/many/{}{number}", "x".repeat(70))), b"many");
    }
    for (target, link) in [
        ("two words", "a link"),
        ("back\\slash", "li\\nk"),
        ("new\nline", "link\n"),
        ("many", "to a folder"),
        ("empty", "#=\t"),
        ("nowhere", "dangling"),
        ("secret.sls", "pillar/link"),
        ("../ümlaut", "x/ümlaut"),
        ("many/", "slash at the end"),
        (".//many", "slashes"),
    ] {
        symlink(target, root.join("files").join(link)).unwrap();
    }
    let (code, said) = build(root);
    assert_eq!(code, 0, "{said}");
    accepted(root);
    let public = fs::read_to_string(root.join("_build/root/SHA256SUMS")).unwrap();
    assert!(!public.contains("secret"), "{public}");
}

/// A hundred images that share layers, with names of all depths and several tags for one digest; two of them are built.
#[test]
fn images_of_nested_names_that_share_blobs_are_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let saved = root.join("saved");
    let (mut named, mut pulled) = (Vec::new(), String::new());
    for number in 0..100 {
        let layers = ["shared", &format!("of ten {}", number / 10), &format!("own {number}")];
        // Every tenth image is the one before it under another name.
        let note = if number % 10 == 9 { number - 1 } else { number };
        let image = match number % 10 {
            9 => {
                image(&saved, &["shared", &format!("of ten {}", number / 10), &format!("own {note}")], "same")
            }
            8 => image(&saved, &layers, "same"),
            _ => image(&saved, &layers, &format!("{note}")),
        };
        let name = match number % 4 {
            0 => format!("app-{number}"),
            1 => format!("team/app-{number}"),
            2 => format!("a/b/c/d/e/f/g/h/i/j/k/l/m/n/o-{number}"),
            _ => format!("team/app-{number}/part.of_it"),
        };
        named.push((image, format!("i{number}:1")));
        for tag in ["1", "1.0-alpha_x"] {
            pulled += &format!("      - {{name: {name}, source: 'oci:saved:i{number}:1', tag: '{tag}'}}\n");
        }
    }
    index(&saved, named);
    put(&root.join("own/image.yaml"), b"files: [{from: file, to: /file}]\nentrypoint: [/file]\n");
    put(&root.join("file"), b"a file");
    let images = format!(
        "  images:\n    build:\n      - own\n      - {{folder: own, name: team/own/x, tags: [latest, v1]}}\n    pull:\n{pulled}"
    );
    put(&root.join("sealift.yaml"), format!("{PROJECT}{images}").as_bytes());
    let (code, said) = build(root);
    assert_eq!(code, 0, "{said}");
    let images = root.join("_build/root/images");
    for path in ["team/own/x/v1", "own/1.2.3", "a/b/c/d/e/f/g/h/i/j/k/l/m/n/o-2/1", "team/app-3/part.of_it/1"]
    {
        assert!(images.join(path).join("manifest.json").exists(), "{path}");
    }
    accepted(root);
}

#[test]
fn thousands_of_files_and_links_of_every_kind_are_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    put(&root.join("sealift.yaml"), format!("{PROJECT}  files: [{{from: files, to: .}}]\n").as_bytes());
    let files = root.join("files");
    for number in 0..4000 {
        // Some share a folder, some have their own; some share content, some are empty.
        let path = match number % 3 {
            0 => format!("flat/{number}"),
            1 => format!("deep/{}/{}/{number}", number % 7, number % 11),
            _ => format!("own-{number}/file"),
        };
        let content = if number % 5 == 0 { String::new() } else { format!("{}", number / 2) };
        put(&files.join(path), content.as_bytes());
    }
    for number in 0..200 {
        symlink(format!("{}", 3 * number), files.join(format!("flat/link-{number}"))).unwrap();
        symlink("../../../flat", files.join(format!("deep/{}/{}/up-{number}", number % 7, number % 11)))
            .unwrap();
    }
    // Chains, links through links, links to the root, to rendered files and to names in other scripts, and the longest targets.
    let long = "l".repeat(240);
    put(&files.join("t.in"), b"{{ name }}");
    put(&files.join("\u{65e5}\u{672c}/\u{8a9e} \u{1f600}"), b"x");
    put(&files.join("a'b\"c$(d)`e`;&|<>"), b"x");
    put(&files.join(&long), b"x");
    put(&files.join("pillar/one.sls"), b"x");
    for (target, link) in [
        ("chain-1", "chain-0"),
        ("./chain-2", "chain-1"),
        ("flat/../flat/0", "chain-2"),
        ("flat/link-1", "through"),
        ("deep/1/1/up-1/link-2", "through links"),
        (".", "here"),
        ("..", "flat/root"),
        ("../.", "flat/root dot"),
        ("t", "to rendered"),
        ("product.txt", "to product"),
        ("SHA256SUMS", "to sums"),
        ("\u{65e5}\u{672c}/\u{8a9e} \u{1f600}", "\u{30ea}\u{30f3}\u{30af}"),
        ("a'b\"c$(d)`e`;&|<>", "'\"$(x)`y`;&|<>"),
        (&long, &"L".repeat(240)),
        ("not there/at all", "dangling into nowhere"),
        ("chain-0/../x", "dangling through a file"),
        ("one.sls", "pillar/two.sls"),
        ("../flat", "pillar/out"),
        ("pillar", "into pillar"),
        ("pillar/one.sls", "to pillar"),
        ("-flag", "-rf"),
        ("#", "=#"),
        ("\u{202e}", "\u{200b}"),
    ] {
        symlink(target, files.join(link)).unwrap();
    }
    let (code, said) = build(root);
    assert_eq!(code, 0, "{said}");
    accepted(root);
}

#[test]
fn what_would_be_refused_is_not_built() {
    type Spoil = fn(&Path);
    let cases: [(&str, Spoil); 9] = [
        ("a name that is not UTF-8", |files| put(&files.join(OsStr::from_bytes(b"a\xff")), b"x")),
        ("a link that leads out", |files| symlink("/etc/passwd", files.join("link")).unwrap()),
        ("a link in a circle", |files| symlink("circle", files.join("circle")).unwrap()),
        ("a link that is absolute", |files| symlink("/file", files.join("link")).unwrap()),
        ("a link that leads out further down", |files| {
            fs::create_dir(files.join("a")).unwrap();
            symlink("../../file", files.join("a/link")).unwrap();
        }),
        ("a link that leads out through another", |files| {
            fs::create_dir_all(files.join("a/b")).unwrap();
            symlink("..", files.join("a/b/up")).unwrap();
            symlink("a/b/up/../../file", files.join("link")).unwrap();
        }),
        ("links in a wide circle", |files| {
            for number in 0..50 {
                symlink(format!("{}", (number + 1) % 50), files.join(format!("{number}"))).unwrap();
            }
        }),
        ("a list of its own", |files| put(&files.join("SHA256SUMS"), b"x")),
        ("a blob that is no blob", |files| {
            put(&files.join(format!("images/a/1/{}", "0".repeat(64))), b"x");
            put(&files.join("images/a/1/manifest.json"), b"{}");
        }),
    ];
    for (what, spoil) in cases {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        put(&root.join("sealift.yaml"), format!("{PROJECT}  files: [{{from: files, to: .}}]\n").as_bytes());
        put(&root.join("files/file"), b"x");
        spoil(&root.join("files"));
        let (code, said) = build(root);
        assert_ne!(code, 0, "{what}: {said}");
        assert!(!root.join("_build/example.iso").exists(), "{what}: {said}");
    }
}
