//! Projects that build images on base images, by an `image.yaml` or a `Containerfile`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use content::Digest;
use images::{MediaKind, dir_layout};
use tests::daemon::{Daemon, free_port};
use tests::{peer, registry, sealift};

const PROJECT: &str = "apiVersion: sealift.dev/v1alpha1\nkind: Platform\nmetadata: {name: Example, version: 1.0.0}\n\
                       spec:\n  images: {build: [images/declared, images/contained]}\n";

const CONTAINERFILE: &str = "\
ARG TAG
FROM registry.invalid/curl:$TAG AS first
COPY notes /notes
FROM registry.invalid/multi:docker
COPY --from=first /notes /from-first
COPY . /context
ARG WORD
LABEL word=$WORD
";

/// A project with an `image.yaml` and a `Containerfile`, and the registry with their base images.
struct Project {
    folder: tempfile::TempDir,
    _registry: Daemon,
}

impl Project {
    fn new() -> Option<Self> {
        for peer in ["buildah", "skopeo", "bsdtar", "curl", "dpkg"] {
            peer::find(peer)?;
        }
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let registry = registry::start(folder.path(), port)?;
        registry::fill(folder.path(), &registry);
        let project = Self { folder, _registry: registry };
        let mirror =
            format!("  registries: [{{host: registry.invalid, mirrors: ['http://127.0.0.1:{port}']}}]\n");
        project.write("sealift.yaml", &(PROJECT.to_owned() + &mirror));
        project.write("tool", "#!/bin/sh\n");
        project.write(
            "images/declared/image.yaml",
            "base: registry.invalid/multi:oci\nfiles: [{from: tool, to: /opt/tool, mode: '0755'}]\nentrypoint: [/opt/tool]\n",
        );
        project.write("images/contained/Containerfile", CONTAINERFILE);
        project.write("images/contained/build.yaml", "arguments: {TAG: oci, WORD: '{{ version }}'}\n");
        project.write("images/contained/.dockerignore", "*.log\n");
        project.write("images/contained/notes", "one\n");
        project.write("images/contained/noise.log", "one\n");
        Some(project)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = sealift::command(self.folder.path());
        command.env("SEALIFT_CACHE", self.path("cache")).env("SOURCE_DATE_EPOCH", "1700000000");
        // This needs no right to mount, and nothing is run in the images.
        command.env("STORAGE_DRIVER", "vfs").env("BUILDAH_ISOLATION", "chroot");
        command.env("DOCKER_BIN", "buildah").args(arguments);
        command
    }

    fn sealift(&self, arguments: &[&str]) -> (i32, String) {
        let (code, out, err) = sealift::told(&self.command(arguments).output().unwrap());
        (code, out + &err)
    }

    fn succeed(&self, arguments: &[&str]) -> String {
        let (code, said) = self.sealift(arguments);
        assert_eq!(code, 0, "{arguments:?}: {said}");
        said
    }

    fn image(&self, name: &str) -> dir_layout::DirImage {
        dir_layout::read(&self.path(&format!("_build/root/images/{name}/1.0.0"))).unwrap()
    }

    /// The files of a layer, by name.
    fn layer(&self, name: &str, digest: &Digest) -> Vec<String> {
        let blob = self.path(&format!("_build/root/images/{name}/1.0.0/{}", digest.hex()));
        let listed = peer::run(Command::new("bsdtar").arg("-tf").arg(blob)).stdout;
        String::from_utf8(listed).unwrap().lines().map(ToOwned::to_owned).collect()
    }

    /// The digest of the image that buildah builds from nothing.
    fn rebuilt(&self) -> Digest {
        fs::remove_dir_all(self.path("_build")).unwrap();
        self.succeed(&["run", "images"]);
        self.image("contained").digest
    }
}

#[test]
fn images_are_built_on_locked_images_from_the_mirror() {
    let Some(project) = Project::new() else { return };
    let (code, said) = project.sealift(&["run", "images"]);
    assert!(code == 3 && said.contains("is not locked"), "{code}: {said}");
    let said = project.succeed(&["lock"]);
    for base in ["curl:oci", "multi:docker", "multi:oci"] {
        assert!(said.contains(&format!("registry.invalid/{base}")), "{said}");
    }
    project.succeed(&["run", "images"]);

    let declared = project.image("declared");
    assert_eq!(declared.kind, MediaKind::OciManifest);
    let [config, base @ .., ours] = declared.blobs.as_slice() else { panic!("{declared:?}") };
    assert_eq!((base.len(), project.layer("declared", &ours.digest)), (2, vec!["opt/tool".to_owned()]));
    let config = project.path(&format!("_build/root/images/declared/1.0.0/{}", config.digest.hex()));
    let config: serde_json::Value = serde_json::from_slice(&fs::read(config).unwrap()).unwrap();
    assert_eq!(config["rootfs"]["diff_ids"].as_array().unwrap().len(), 3);
    assert_eq!(config["config"]["Entrypoint"], serde_json::json!(["/opt/tool"]));
    // A peer reads the image and reports the same.
    let folder = project.path("_build/root/images/declared/1.0.0");
    let inspect = peer::run(Command::new("skopeo").arg("inspect").arg(format!("dir:{}", folder.display())));
    let inspected: serde_json::Value = serde_json::from_slice(&inspect.stdout).unwrap();
    assert_eq!(inspected["Digest"], declared.digest.to_string());

    let contained = project.image("contained");
    let top = contained.blobs.last().unwrap();
    let files = project.layer("contained", &top.digest);
    for file in ["from-first", "context/notes", "context/Containerfile"] {
        assert!(files.iter().any(|found| found.trim_start_matches('/') == file), "{file}: {files:?}");
    }
    assert!(!files.iter().any(|file| file.contains(".log") || file.contains("ignore")), "{files:?}");
    let inspect = Command::new("skopeo")
        .args(["inspect", "--config"])
        .arg(format!("dir:{}", project.path("_build/root/images/contained/1.0.0").display()))
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&inspect.stdout).contains(r#""word": "1.0.0""#), "{inspect:?}");

    // The image is that of the engine, byte for byte, and the engine builds it again. It leaves no files behind.
    assert_eq!(project.rebuilt(), contained.digest);
    assert_eq!(fs::read_dir(project.path("cache/new")).unwrap().count(), 0);

    // Only excluded files do not count.
    let runs =
        |project: &Project| !project.succeed(&["run", "images"]).contains("-- IMG BUILD      contained");
    assert!(!runs(&project));
    project.write("images/contained/noise.log", "two\n");
    assert!(!runs(&project), "an ignored file counts");
    project.write("images/contained/notes", "two\n");
    assert!(runs(&project), "a file of the context does not count");
    let second = project.image("contained").digest;
    assert_ne!(second, contained.digest);
    project.write("images/contained/build.yaml", "arguments: {TAG: oci, WORD: other}\n");
    assert!(runs(&project), "an argument does not count");
    assert_ne!(project.image("contained").digest, second);
    project.write("images/contained/Containerfile", &CONTAINERFILE.replace("/from-first", "/from-one"));
    assert!(runs(&project), "the file itself does not count");
    project.write(
        "engine",
        "#!/bin/sh\n[ \"$1\" = --version ] && exec echo buildah version 99\nexec buildah \"$@\"\n",
    );
    fs::set_permissions(project.path("engine"), fs::Permissions::from_mode(0o755)).unwrap();
    let mut explain = project.command(&["explain", "_image_build:contained"]);
    let (_, said, _) = sealift::told(&explain.env("DOCKER_BIN", project.path("engine")).output().unwrap());
    assert!(
        said.contains("engine") && said.contains("buildah version 99"),
        "another engine does not count: {said}"
    );
    let lock = fs::read_to_string(project.path("sealift.lock")).unwrap();
    let swapped = lock
        .replace("curl:oci", "curl:other")
        .replace("multi:docker\"", "curl:oci\"")
        .replace("curl:other", "multi:docker");
    fs::write(project.path("sealift.lock"), swapped).unwrap();
    let (_, said) = project.sealift(&["explain", "_image_build:contained"]);
    assert!(said.contains("base registry.invalid/curl:oci"), "{said}");
}

#[test]
fn without_an_engine_the_error_says_what_to_install() {
    let Some(project) = Project::new() else { return };
    project.succeed(&["lock"]);
    let mut command = project.command(&["run", "_image_build:contained"]);
    let (code, out, err) = sealift::told(&command.env("DOCKER_BIN", "absent-engine").output().unwrap());
    let said = out + &err;
    assert!(
        code == 2 && said.contains("absent-engine") && said.contains("install buildah or podman"),
        "{said}"
    );
    // The engine explains why a stage fails.
    project.write("images/contained/Containerfile", "FROM registry.invalid/curl:oci\nCOPY absent /\n");
    let (code, said) = project.sealift(&["run", "_image_build:contained"]);
    assert!(code == 1 && said.contains("absent"), "{code}: {said}");
    assert_eq!(fs::read_dir(project.path("cache/new")).unwrap().count(), 0);
}
