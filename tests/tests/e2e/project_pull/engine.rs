//! Images in the storage of container engines: buildah's own, and that of a stand-in for docker, whose archive skopeo writes.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use images::dir_layout;
use serde_json::Value;
use tests::{peer, sealift};

use super::{Project, digest_of};

/// A storage of images of its own, for all programs that share it.
struct Storage(PathBuf);

impl Storage {
    fn new(project: &Project, name: &str) -> Self {
        let folder = project.path(name);
        fs::create_dir(&folder).unwrap();
        // This needs no right to mount.
        let text = format!(
            "[storage]\ndriver = \"vfs\"\ngraphroot = \"{0}/root\"\nrunroot = \"{0}/run\"\n",
            folder.display()
        );
        fs::write(folder.join("storage.conf"), text).unwrap();
        Self(folder)
    }

    fn command<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.env("CONTAINERS_STORAGE_CONF", self.0.join("storage.conf")).env_remove("STORAGE_DRIVER")
    }

    /// Copies an image of the registry into it.
    fn fill(&self, project: &Project, image: &str, name: &str) {
        let mut skopeo = Command::new(peer::find("skopeo").unwrap());
        skopeo.args(["--insecure-policy", "--override-os", "linux", "copy", "-q", "--src-tls-verify=false"]);
        skopeo.arg(format!("docker://127.0.0.1:{}/{image}", project.port));
        peer::run(self.command(skopeo.arg(format!("containers-storage:{name}"))));
    }

    fn run(&self, project: &Project, arguments: &[&str]) -> (i32, String) {
        let mut command = project.command();
        // Where podman is installed too, it would be asked first.
        command.env("DOCKER_BIN", "buildah");
        let output = self.command(command.args(arguments)).output().unwrap();
        let (code, out, err) = sealift::told(&output);
        (code, out + &err)
    }

    fn succeed(&self, project: &Project, arguments: &[&str]) -> String {
        let (code, said) = self.run(project, arguments);
        assert_eq!(code, 0, "{arguments:?}: {said}");
        said
    }
}

fn write(project: &Project, images: &str) {
    let text = format!(
        "apiVersion: sealift.dev/v1alpha1\nkind: Platform\nmetadata: {{name: Example, version: 1.0.0}}\nspec:\n  images:\n    pull:\n{images}"
    );
    fs::write(project.path("sealift.yaml"), text).unwrap();
}

/// The digest of the configuration of an image in a `dir:` folder, and those of its uncompressed layers.
fn judged(folder: &Path) -> (String, Value) {
    let read =
        |name: &str| -> Value { serde_json::from_slice(&fs::read(folder.join(name)).unwrap()).unwrap() };
    let id = read("manifest.json")["config"]["digest"].as_str().unwrap().to_owned();
    let config = read(id.strip_prefix("sha256:").unwrap());
    (id, config["rootfs"]["diff_ids"].clone())
}

/// A program that speaks like docker, has what skopeo saved, and notes what it is asked. Its ID of the image is not the digest of the
/// configuration, as with docker's containerd image store.
fn docker(project: &Project, image: &str) -> PathBuf {
    let (program, saved) = (project.path("docker"), project.path("docker.tar"));
    let to = format!("docker-archive:{}:team/{image}:1", saved.display());
    tests::registry::skopeo_copy(&[], &format!("docker://127.0.0.1:{}/{image}:oci", project.port), &to);
    let text = format!(
        "#!/bin/sh\necho \"$1\" >>'{}'\ncase $1 in\n--version) echo 'Docker version 28.2.2, build e6534b4';;\n\
         images) echo sha256:{};;\nsave) test \"$4\" = team/{image}:1 && cp '{}' \"$3\";;\nesac\n",
        project.path("asked").display(),
        "a".repeat(64),
        saved.display()
    );
    fs::write(&program, text).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    program
}

#[test]
fn an_image_of_an_engine_is_locked_by_its_id_and_built_from_the_engine_or_the_store() {
    let Some(project) = Project::new() else { return };
    if peer::find("buildah").is_none() {
        return;
    }
    let (storage, empty) = (Storage::new(&project, "storage"), Storage::new(&project, "empty"));
    storage.fill(&project, "curl:oci", "localhost/team/app:1");
    write(&project, "      - containers-storage:localhost/team/app:1\n");
    let (code, said) = storage.run(&project, &["run"]);
    assert!(
        code == 3 && said.contains("containers-storage:localhost/team/app:1 is not locked"),
        "{code}: {said}"
    );
    let (code, said) = empty.run(&project, &["lock"]);
    assert!(
        code != 0 && said.contains("image not known") && said.contains("buildah pull localhost/team/app:1"),
        "{code}: {said}"
    );
    let said = storage.succeed(&project, &["lock"]);

    // skopeo reads the same storage.
    let copy = project.path("copy");
    let mut skopeo = Command::new(peer::find("skopeo").unwrap());
    skopeo.args(["--insecure-policy", "copy", "-q", "containers-storage:localhost/team/app:1"]);
    peer::run(storage.command(skopeo.arg(format!("dir:{}", copy.display()))));
    let (id, layers) = judged(&copy);
    assert!(said.contains(&format!("containers-storage:localhost/team/app:1 is new: {id}")), "{said}");
    assert_eq!(storage.succeed(&project, &["lock"]), "nothing moved\n");

    storage.succeed(&project, &["run"]);
    let folder = project.path("_build/root/images/app/1");
    assert_eq!(judged(&folder), (id.clone(), layers.clone()));
    let image = dir_layout::read(&folder).unwrap();
    let blobs: Vec<String> = image.blobs.iter().map(|blob| blob.digest.to_string()).collect();
    let expected: Vec<&str> =
        layers.as_array().unwrap().iter().map(|layer| layer.as_str().unwrap()).collect();
    assert!(expected.iter().all(|layer| blobs.iter().any(|blob| blob == layer)), "{blobs:?}");
    let digest = digest_of(&folder.join("manifest.json"));
    let iso = fs::read(project.path("_build/example.iso")).unwrap();

    // Docker packs the same image, in another archive, to the same bytes; so does `image pull`.
    let docker = docker(&project, "curl");
    let mut pull = project.command();
    pull.args(["image", "pull", "docker-daemon:team/curl:1", "--into", "pulled"]).env("DOCKER_BIN", &docker);
    let (code, out, err) = sealift::told(&pull.output().unwrap());
    assert_eq!(code, 0, "{out}{err}");
    assert_eq!(digest_of(&project.path("pulled/curl/1/manifest.json")), digest);

    // What is there is not asked for again, and the store is enough where the engine lacks the image or is not there.
    empty.succeed(&project, &["run"]);
    fs::remove_dir_all(project.path("_build")).unwrap();
    empty.succeed(&project, &["run"]);
    assert!(fs::read(project.path("_build/example.iso")).unwrap() == iso);
    fs::remove_dir_all(project.path("_build")).unwrap();
    let bare = project.command().args(["run"]).env("PATH", project.path("none")).output().unwrap();
    let (code, out, err) = sealift::told(&bare);
    assert_eq!(code, 0, "{out}{err}");
    assert_eq!(digest_of(&folder.join("manifest.json")), digest);

    // The engine alone is enough, too.
    fs::remove_dir_all(project.path("_build")).unwrap();
    fs::remove_dir_all(project.path("cache")).unwrap();
    let (code, said) = empty.run(&project, &["run", "images"]);
    assert!(
        code == 1
            && said.contains("nor the content store has it")
            && said.contains("buildah pull localhost/team/app:1"),
        "{code}: {said}"
    );
    storage.succeed(&project, &["run"]);
    assert!(fs::read(project.path("_build/example.iso")).unwrap() == iso);

    // Another image under the same name is refused, until it is locked.
    storage.fill(&project, "team/skopeo:1.0", "localhost/team/app:1");
    fs::remove_dir_all(project.path("_build")).unwrap();
    let (code, said) = storage.run(&project, &["run", "images"]);
    let named =
        said.contains(&format!("expected the ID {id}, found sha256:")) && said.contains("`sealift update`");
    assert!(code == 1 && named && !folder.exists(), "{code}: {said}");
    let lock = fs::read(project.path("sealift.lock")).unwrap();
    let (code, said) = storage.run(&project, &["lock", "--check"]);
    assert!(
        code == 1 && said.contains(&format!("is locked to {id}, but the engine has sha256:")),
        "{code}: {said}"
    );
    assert_eq!(fs::read(project.path("sealift.lock")).unwrap(), lock);
    let said = storage.succeed(&project, &["update"]);
    assert!(said.contains(&format!("{id} -> sha256:")), "{said}");
    storage.succeed(&project, &["run", "images"]);
    assert_ne!(judged(&folder).0, id);
    write(
        &project,
        &format!("      - {{source: 'containers-storage:localhost/team/app:1', digest: '{id}'}}\n"),
    );
    assert!(storage.succeed(&project, &["lock"]).contains("is gone"));
    let (code, said) = storage.run(&project, &["run", "images"]);
    assert!(code == 1 && said.contains("change its `digest` in the project file"), "{code}: {said}");
}

#[test]
fn docker_is_asked_once_and_the_archive_that_it_saves_counts() {
    let Some(project) = Project::new() else { return };
    let program = docker(&project, "curl");
    let run = |arguments: &[&str]| {
        let (code, out, err) =
            sealift::told(&project.command().args(arguments).env("DOCKER_BIN", &program).output().unwrap());
        assert_eq!(code, 0, "{arguments:?}: {out}{err}");
        out
    };
    write(
        &project,
        "      - {name: team/curl, source: docker-daemon:team/curl, tag: '1', tar: true, aliases: [stable]}\n",
    );
    let said = run(&["lock"]);
    run(&["run"]);
    let folder = project.path("_build/root/images/team/curl/1");
    let (id, _) = judged(&folder);
    assert_eq!(said, format!("docker-daemon:team/curl:1 is new: {id}\n"));
    let lock = fs::read_to_string(project.path("sealift.lock")).unwrap();
    assert!(lock.contains(&format!("engines:\n  \"docker-daemon:team/curl:1\": {id}\n")), "{lock}");
    assert_eq!(
        digest_of(&project.path("_build/root/images/team/curl/stable/manifest.json")),
        digest_of(&folder.join("manifest.json"))
    );
    let asked = || fs::read_to_string(project.path("asked")).unwrap();
    assert_eq!(asked(), "--version\nsave\n--version\nimages\nsave\n");
    run(&["run"]);
    assert_eq!(asked().lines().count(), 5, "{}", asked());
    run(&["archive", "verify", project.path("_build/example.iso").to_str().unwrap()]);
}
