//! Images in folders and archives of the project.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use content::Digest;
use images::{MediaKind, check, dir_layout};
use tests::containerd::Containerd;
use tests::daemon::{self, free_port};
use tests::registry::skopeo_copy;

use super::{Project, digest_of};

/// The project file: name, source and further keys of each image; all have the tag `1`.
fn write(project: &Project, images: &[(&str, &str, &str)]) {
    let mut text =
        "apiVersion: sealift.dev/v1alpha1\nkind: Platform\nmetadata: {name: Example, version: 1.0.0}\n\
                    spec:\n  images:\n    pull:\n"
            .to_owned();
    for (name, source, more) in images {
        text.push_str(&format!("      - {{name: {name}, source: '{source}', tag: '1'{more}}}\n"));
    }
    fs::write(project.path("sealift.yaml"), text).unwrap();
}

/// Writes an image of the registry into the project with skopeo.
fn save(project: &Project, arguments: &[&str], image: &str, transport: &str, path: &str) {
    let to = format!("{transport}{}", project.path(path).display());
    skopeo_copy(arguments, &format!("docker://127.0.0.1:{}/{image}", project.port), &to);
}

#[test]
fn images_of_the_project_are_taken_from_every_kind_of_folder_and_archive() {
    let Some(mut project) = Project::new() else { return };
    project.succeed(&["lock"]);
    project.succeed(&["run", "images"]);
    let images = project.path("_build/root/images");
    let manifest = |place: &str| images.join(place).join("manifest.json");
    let (curl, multi) = (digest_of(&manifest("curl/oci")), digest_of(&manifest("multi/oci")));
    fs::create_dir(project.path("saved")).unwrap();
    save(&project, &["--all"], "multi:oci", "dir:", "saved/dir");
    save(&project, &["--all"], "multi:oci", "oci:", "saved/layout:multi:1");
    save(&project, &[], "curl:oci", "oci:", "saved/layout:curl:1");
    save(&project, &[], "curl:oci", "oci-archive:", "saved/curl.tar:quay.io/team/curl:1");
    // As an unpacked archive has it.
    fs::create_dir_all(project.path("saved/images/unpacked")).unwrap();
    save(&project, &["--all"], "multi:oci", "dir:", "saved/images/unpacked/1");
    let names = r#"{"schemaVersion":1,"images":{"unpacked:1":["ghcr.io/team/unpacked:3"]}}"#;
    fs::write(project.path("saved/images/original-names.json"), names).unwrap();
    save(&project, &[], "curl:oci", "docker-archive:", "saved/docker.tar:curl:1");
    drop(project.registry.take());
    fs::remove_dir_all(project.path("cache")).unwrap();
    fs::remove_file(project.path("sealift.lock")).unwrap();

    let amd = ", platforms: [linux/amd64]";
    write(
        &project,
        &[
            ("dir", "dir:saved/dir", ""),
            ("part", "dir:saved/dir", amd),
            ("layout", "oci:saved/layout:multi:1", &format!(", digest: '{multi}'")),
            ("one", "oci:saved/layout:curl:1", ", tar: true"),
            ("archive", "oci-archive:saved/curl.tar", ""),
            ("unpacked", "dir:saved/images/unpacked/1", ""),
            ("docker", "docker-archive:saved/docker.tar", ""),
        ],
    );
    assert_eq!(project.succeed(&["lock"]), "nothing moved\n");
    project.succeed(&["run"]);
    for (name, digest) in
        [("dir", &multi), ("part", &multi), ("layout", &multi), ("one", &curl), ("archive", &curl)]
    {
        assert_eq!(digest_of(&manifest(&format!("{name}/1"))), *digest, "{name}");
    }
    let read = |name: &str| dir_layout::read(&images.join(name).join("1")).unwrap();
    assert_eq!((read("dir").left_out.len(), read("part").left_out.len()), (0, 1));
    // `docker save` writes no manifest; the generated one names the same files.
    let made = read("docker");
    assert_eq!((made.kind, made.blobs.len()), (MediaKind::DockerManifest, read("archive").blobs.len()));
    // Full names are kept, short ones say nothing about a registry.
    let names = || {
        let names = images::original_names::OriginalNames::load(&images).unwrap();
        let list = |(place, references): (_, &std::collections::BTreeSet<_>)| {
            format!("{place} {}", references.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
        };
        names.images().map(list).collect::<Vec<String>>()
    };
    // skopeo writes full names into archives for Docker.
    let [archive, docker] = ["archive:1 quay.io/team/curl:1", "docker:1 docker.io/library/curl:1"];
    assert_eq!(names(), [archive, docker, "unpacked:1 ghcr.io/team/unpacked:3"]);
    let changed = r#"{"schemaVersion":1,"images":{"unpacked:1":["ghcr.io/team/unpacked:4"]}}"#;
    fs::write(project.path("saved/images/original-names.json"), changed).unwrap();
    project.succeed(&["run"]);
    assert_eq!(names(), [archive, docker, "unpacked:1 ghcr.io/team/unpacked:4"]);
    let report = check::check(&images, std::num::NonZero::<usize>::MIN);
    assert!(report.unwrap().problems.is_empty());
    assert!(project.path("_build/root/images/one-1.tar").is_file());

    // Files of the project are inputs: another image in their place is used, unless its digest is pinned.
    fs::rename(project.path("saved/docker.tar"), project.path("saved/curl.tar")).unwrap();
    write(&project, &[("archive", "docker-archive:saved/curl.tar", "")]);
    project.succeed(&["run", "images"]);
    let found = digest_of(&manifest("archive/1"));
    assert_eq!(found, made.digest.to_string());
    let wanted = Digest::of(b"another").to_string();
    write(&project, &[("archive", "docker-archive:saved/curl.tar", &format!(", digest: '{wanted}'"))]);
    let (code, out, err) = project.sealift(&["run", "images"]);
    let text = format!("{out}{err}");
    assert!(code == 1 && text.contains(&wanted) && text.contains(&found), "{code}: {text}");
    assert_eq!(digest_of(&manifest("archive/1")), found);
}

#[test]
fn tags_aliases_and_nested_names_of_one_project_are_built_verified_and_pulled() {
    let Some(project) = Project::new() else { return };
    fs::create_dir(project.path("saved")).unwrap();
    for (image, name) in [("multi:oci", "multi:1"), ("curl:oci", "curl:1")] {
        save(&project, &["--all"], image, "oci:", &format!("saved/layout:{name}"));
    }
    // The name, the tag and the image.
    let images =
        [("app", "1", "curl"), ("app", "2", "multi"), ("app", "alias", "multi"), ("team/app", "1", "multi")];
    let mut text =
        "apiVersion: sealift.dev/v1alpha1\nkind: Platform\nmetadata: {name: Example, version: 1.0.0}\n\
                    spec:\n  images:\n    pull:\n"
            .to_owned();
    for (name, tag, image) in images {
        text.push_str(&format!(
            "      - {{name: {name}, tag: '{tag}', source: 'oci:saved/layout:{image}:1', tar: true}}\n"
        ));
    }
    fs::write(project.path("sealift.yaml"), text).unwrap();
    project.succeed(&["run"]);
    let iso = project.path("_build/example.iso");
    project.succeed(&["archive", "verify", iso.to_str().unwrap()]);
    let folder = |name: &str, tag: &str| project.path("_build/root/images").join(name).join(tag);
    let inode = |name: &str, tag: &str| fs::metadata(folder(name, tag).join("manifest.json")).unwrap().ino();
    assert_eq!(inode("app", "2"), inode("app", "alias"));
    assert_eq!(inode("app", "2"), inode("team/app", "1"));
    assert!(project.path("_build/root/images/team/app-1.tar").is_file());

    let port = free_port();
    let mut serve = project.command();
    serve.args(["registry", "serve", "--plain-http", "--listen", &format!("127.0.0.1:{port}")]).arg(&iso);
    let _server = daemon::start(&mut serve, port, &project.path("serve.log"));
    let containerd = Containerd::start(project.folder.path());
    for (name, tag, _) in images {
        let digest = digest_of(&folder(name, tag).join("manifest.json"));
        let url = format!("127.0.0.1:{port}/example-1.0.0/{name}:{tag}");
        let copy = project.path("copy");
        skopeo_copy(&["--all"], &format!("docker://{url}"), &format!("dir:{}", copy.display()));
        assert_eq!(digest_of(&copy.join("manifest.json")), digest, "{url}");
        fs::remove_dir_all(copy).unwrap();
        if let Some(containerd) = &containerd {
            containerd.run(&["images", "pull", "--snapshotter", "native", "--plain-http", &url]);
            let listed = containerd.run(&["images", "ls"]);
            let line = listed.lines().find(|line| line.starts_with(&url)).unwrap_or_default();
            assert!(line.contains(&digest), "{url}: {listed}");
        }
    }
}

#[test]
fn an_image_of_the_project_is_named_wrong_with_line_and_column() {
    let folder = tempfile::tempdir().unwrap();
    let project = Project { folder, registry: None, port: 0 };
    for (source, more, expected) in [
        ("dir:../outside", "", "sealift.yaml:7:27: `../outside` leads out of its folder"),
        ("oci-archive:/etc/passwd", "", "`/etc/passwd` leads out of its folder"),
        ("dir:", "", "expected a folder or file after the colon"),
        ("containers-storage:[vfs@/a]a", "", "the engine itself finds its storage"),
        ("dir:saved", ", referrers: true", "`referrers` needs a registry"),
        ("oci:saved", ", digest: 'sha256:0'", "is not a digest"),
    ] {
        write(&project, &[("a", source, more)]);
        let (code, out, err) = project.sealift(&["list"]);
        assert!(code == 3 && err.contains(expected), "{source}: {code}: {out}{err}");
    }
    write(&project, &[("a", "dir:absent", "")]);
    let (code, out, err) = project.sealift(&["run", "images"]);
    let text = format!("{out}{err}");
    assert!(code != 0 && text.contains("absent"), "{code}: {text}");
}
