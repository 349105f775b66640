//! Projects that pull: the lock file, and registries that lack images, return wrong bytes, move tags or end.

mod attached;
mod chosen;
mod engine;
mod local;
mod platforms;
mod signed;
mod together;
mod warnings;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use content::Digest;
use tests::daemon::{Daemon, free_port};
use tests::{registry, sealift};

/// A project that pulls two images from a registry of its own.
struct Project {
    folder: tempfile::TempDir,
    registry: Option<Daemon>,
    port: u16,
}

impl Project {
    /// `None` if a peer is missing.
    fn new() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let registry = registry::start(folder.path(), port)?;
        tests::peer::find("skopeo")?;
        registry::fill(folder.path(), &registry);
        let project = Self { folder, registry: Some(registry), port };
        project.write(&[("curl", "curl", "oci", None), ("multi", "multi", "oci", None)]);
        Some(project)
    }

    /// The project file: name, repository, tag and digest of each image.
    fn write(&self, images: &[(&str, &str, &str, Option<&str>)]) {
        let mut text = format!(
            "apiVersion: sealift.dev/v1alpha1\nkind: Platform\nmetadata: {{name: Example, version: 1.0.0}}\n\
             spec:\n  registries: [{{host: 'registry.invalid', mirrors: ['http://127.0.0.1:{}']}}]\n  images:\n    pull:\n",
            self.port
        );
        for (name, source, tag, digest) in images {
            let digest = digest.map(|digest| format!(", digest: '{digest}'")).unwrap_or_default();
            text.push_str(&format!(
                "      - {{name: {name}, source: registry.invalid/{source}, tag: '{tag}', tar: true{digest}}}\n"
            ));
        }
        fs::write(self.folder.path().join("sealift.yaml"), text).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self) -> Command {
        let mut command = sealift::command(self.folder.path());
        command.env("SEALIFT_CACHE", self.path("cache")).env("SOURCE_DATE_EPOCH", "1700000000");
        command
    }

    fn sealift(&self, arguments: &[&str]) -> (i32, String, String) {
        sealift::told(&self.command().args(arguments).output().unwrap())
    }

    fn succeed(&self, arguments: &[&str]) -> String {
        let (code, out, err) = self.sealift(arguments);
        assert_eq!(code, 0, "{arguments:?}: {out}{err}");
        out
    }

    /// Pushes the image of one tag under another.
    fn retag(&self, from: &str, to: &str) {
        let name = |reference: &str| format!("docker://127.0.0.1:{}/{reference}", self.port);
        registry::skopeo_copy(&["--all"], &name(from), &name(to));
    }

    /// Attaches something to a manifest, which `subject` describes, by the list that clients keep under a tag.
    fn attach(&self, repository: &str, subject: &serde_json::Value, contents: &[&str]) {
        registry::attach(&self.path("attached"), self.port, repository, subject, contents);
    }
}

fn digest_of(manifest: &Path) -> String {
    Digest::of(&fs::read(manifest).unwrap()).to_string()
}

#[test]
fn a_build_takes_its_digests_from_the_lock_and_no_tag_from_a_registry() {
    let Some(mut project) = Project::new() else { return };
    let (code, out, err) = project.sealift(&["run"]);
    assert!(code == 3 && format!("{out}{err}").contains("is not locked"), "{code}: {out}{err}");

    let out = project.succeed(&["lock"]);
    assert!(out.contains("registry.invalid/curl:oci") && out.contains("sha256:"), "{out}");
    assert_eq!(project.succeed(&["lock"]), "nothing moved\n");
    project.succeed(&["run"]);
    let manifest = project.path("_build/root/images/curl/oci/manifest.json");
    let first = digest_of(&manifest);
    let saved = fs::read(project.path("_build/root/images/curl-oci.tar")).unwrap();
    let name = b"example-registry-from-config.invalid/example-1.0.0/curl:oci";
    assert!(saved.windows(name.len()).any(|window| window == name), "the tar does not name its image");
    assert!(fs::read_to_string(project.path("sealift.lock")).unwrap().contains(&first));
    let iso = fs::read(project.path("_build/example.iso")).unwrap();
    // The archive keeps the names of the registry, and is verified with them.
    assert_eq!(
        fs::read_to_string(project.path("_build/root/images/original-names.json")).unwrap(),
        "{\n  \"schemaVersion\": 1,\n  \"images\": {\n    \"curl:oci\": [\n      \
         \"registry.invalid/curl:oci\"\n    ],\n    \"multi:oci\": [\n      \
         \"registry.invalid/multi:oci\"\n    ]\n  }\n}\n"
    );
    let tag = project.path("_build/root/registry/hosts/registry.invalid/curl/_manifests/oci");
    assert_eq!(fs::read_link(tag).unwrap().to_str().unwrap(), first.replace(':', "/"));
    project.succeed(&["archive", "verify", "_build/example.iso"]);

    // The tag moves: a build uses the lock file, `lock --check` and `update` report it.
    project.retag("team/skopeo:1.0", "curl:oci");
    fs::remove_dir_all(project.path("_build")).unwrap();
    fs::remove_dir_all(project.path("cache")).unwrap();
    project.succeed(&["run"]);
    assert_eq!(digest_of(&manifest), first);
    assert!(fs::read(project.path("_build/example.iso")).unwrap() == iso);
    let lock = fs::read(project.path("sealift.lock")).unwrap();
    let (code, _, err) = project.sealift(&["lock", "--check"]);
    assert!(code == 1 && err.contains(&first) && err.matches("sha256:").count() == 2, "{code}: {err}");
    assert_eq!(fs::read(project.path("sealift.lock")).unwrap(), lock);
    let out = project.succeed(&["update", "--output", "json"]);
    let moved: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(moved["items"][0]["old"], first);
    project.succeed(&["run"]);
    assert_ne!(digest_of(&manifest), first);

    // With all blobs in the content store, no registry is needed.
    fs::remove_dir_all(project.path("_build")).unwrap();
    drop(project.registry.take());
    project.succeed(&["run"]);
}

#[test]
fn what_a_registry_lacks_or_has_otherwise_is_named_and_what_was_built_stays() {
    let Some(mut project) = Project::new() else { return };
    project.succeed(&["lock"]);
    project.succeed(&["run"]);
    let iso = fs::read(project.path("_build/example.iso")).unwrap();
    let digest = digest_of(&project.path("_build/root/images/curl/oci/manifest.json"));
    let absent = format!("sha256:{}", "0".repeat(64));

    fs::remove_file(project.path("sealift.lock")).unwrap();
    project.write(&[("gone", "gone", "1", None), ("curl", "curl", "oci", None), ("lost", "gone", "2", None)]);
    let (code, out, err) = project.sealift(&["lock"]);
    assert!(code == 2 && err.matches("404").count() == 2, "{code}: {err}");
    assert!(err.contains("registry.invalid/gone:1") && err.contains("registry.invalid/gone:2"), "{err}");
    // The tags that were found are still locked.
    assert!(out.contains("registry.invalid/curl:oci is new: "), "{out}");
    assert!(fs::read_to_string(project.path("sealift.lock")).unwrap().contains(&digest));

    project.write(&[("curl", "curl", "oci", Some(&absent))]);
    let (code, out, err) = project.sealift(&["run"]);
    let text = format!("{out}{err}");
    assert!(code != 0 && text.contains("curl") && text.contains(&absent), "{code}: {text}");

    // A registry that returns other bytes than requested.
    let blob = fs::read_dir(project.path("_build/root/images/curl/oci"))
        .unwrap_or_else(|_| fs::read_dir(project.path("cache/blobs/sha256")).unwrap())
        .map(|entry| entry.unwrap())
        .filter(|entry| Digest::from_hex(&entry.file_name().to_string_lossy()).is_ok())
        .max_by_key(|entry| entry.metadata().unwrap().len())
        .unwrap();
    let hex = blob.file_name().into_string().unwrap();
    let stored =
        project.path(&format!("registry-storage/docker/registry/v2/blobs/sha256/{}/{hex}/data", &hex[..2]));
    let good = fs::read(&stored).unwrap();
    let mut bad = good.clone();
    let middle = bad.len() / 2;
    bad[middle] ^= 1;
    fs::write(&stored, bad).unwrap();
    fs::remove_dir_all(project.path("cache")).unwrap();
    fs::remove_dir_all(project.path("_build/root/images")).unwrap();
    project.write(&[("curl", "curl", "oci", Some(&digest))]);
    let (code, out, err) = project.sealift(&["run"]);
    let text = format!("{out}{err}");
    assert!(
        code != 0 && text.contains(&format!("sha256:{hex}")) && text.contains("expected"),
        "{code}: {text}"
    );
    assert!(!project.path(&format!("cache/blobs/sha256/{hex}")).exists(), "a lie entered the store");
    assert!(fs::read(project.path("_build/example.iso")).unwrap() == iso, "the old archive is gone");

    // The registry works again, and the next build succeeds.
    fs::write(&stored, good).unwrap();
    project.succeed(&["run"]);

    drop(project.registry.take());
    fs::remove_dir_all(project.path("cache")).unwrap();
    fs::remove_dir_all(project.path("_build/root/images")).unwrap();
    let (code, out, err) = project.sealift(&["run"]);
    let text = format!("{out}{err}");
    assert!(code == 2 && text.contains(&format!("127.0.0.1:{}", project.port)), "{code}: {text}");
}

#[test]
fn the_full_profile_is_redirected_by_a_site_and_pulled_by_digest() {
    let Some(project) = Project::new() else { return };
    // The upstream hosts cannot be reached from here: every one of them is redirected to a registry that has none of the images,
    // and the error shows what was asked for, where.
    let hosts = ["docker.io", "registry.k8s.io", "ghcr.io", "cr.fluentbit.io", "quay.io"];
    let mirrors: Vec<String> =
        hosts.iter().map(|host| format!("{host}=http://127.0.0.1:{}/{host}", project.port)).collect();
    let build_root = sealift::repository().join("target/e2e/full");
    let mut command = sealift::command(sealift::repository());
    command
        .args(["run", "--profile", "full", "--single", "--build-root"])
        .arg(&build_root)
        .arg("_image_pull:coredns:*")
        .env("REGISTRY_MIRRORS", mirrors.join(" "))
        .env("SEALIFT_CACHE", project.path("cache"));
    let (code, out, err) = sealift::told(&command.output().unwrap());
    let text = format!("{out}{err}");
    let digest = "sha256:1eeb4c7316bacb1d4c8ead65571cd92dd21e27359f0d4917f1a5822a73b75db1";
    let asked =
        format!("http://127.0.0.1:{}/v2/registry.k8s.io/coredns/coredns/manifests/{digest}", project.port);
    assert!(code != 0 && text.contains(&asked), "{code}: {text}");
}

#[test]
fn what_is_attached_to_an_image_is_locked_and_comes_along() {
    let Some(project) = Project::new() else { return };
    project.write(&[("curl", "curl", "oci", None)]);
    let path = project.path("sealift.yaml");
    let text = fs::read_to_string(&path).unwrap();
    let host = format!("127.0.0.1:{}", project.port);
    let text = text
        .replace("tar: true", "referrers: true")
        .replace("registry.invalid/", &format!("{host}/"))
        .replace(
            &format!("'registry.invalid', mirrors: ['http://{host}']"),
            &format!("'{host}', plainHttp: true"),
        );
    fs::write(&path, text).unwrap();
    project.succeed(&["lock"]);
    project.succeed(&["run", "images"]);
    let image = Digest::of(&fs::read(project.path("_build/root/images/curl/oci/manifest.json")).unwrap());
    let tag = format!("sha256-{}", image.hex());
    let list = project.path(&format!("_build/root/images/curl/{tag}/manifest.json"));
    assert!(!fs::read_to_string(&list).unwrap().contains("digest"), "nothing is attached yet");

    // This registry has no referrers API, so the referrers are listed under a tag.
    let size = fs::metadata(project.path("_build/root/images/curl/oci/manifest.json")).unwrap().len();
    let subject =
        serde_json::json!({ "mediaType": images::MediaKind::OciManifest, "digest": image, "size": size });
    project.attach("curl", &subject, &["signature", "SBOM"]);
    let said = project.succeed(&["update"]);
    assert!(said.contains(&format!("{host}/curl:oci (referrers)")), "{said}");
    let locked = fs::read_to_string(project.path("sealift.lock")).unwrap();
    project.succeed(&["run", "images"]);
    let first = digest_of(&list);
    assert!(locked.contains(&first), "{locked}");
    let attached = images::dir_layout::read(list.parent().unwrap()).unwrap();
    assert_eq!((attached.manifests.len(), attached.left_out.len()), (3, 0));

    project.attach("curl", &subject, &["another"]);
    fs::remove_dir_all(project.path("_build")).unwrap();
    let (code, out, err) = project.sealift(&["run", "images"]);
    let text = format!("{out}{err}");
    assert!(code == 1 && text.contains("have changed") && text.contains(&first), "{code}: {text}");
    project.succeed(&["update"]);
    project.succeed(&["run", "images"]);
    assert_ne!(digest_of(&list), first);
}

#[test]
fn a_signal_ends_a_pull_from_a_registry_that_says_nothing() {
    let registry = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let project = Project { folder, registry: None, port: registry.local_addr().unwrap().port() };
    let digest = Digest::of(b"an image").to_string();
    project.write(&[("silent", "silent", "1", Some(&digest))]);
    let mut command = project.command();
    let mut run =
        command.args(["run", "images"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let (_connection, _) = registry.accept().unwrap();
    let began = Instant::now();
    tests::peer::run(Command::new("kill").args(["-INT", &run.id().to_string()]));
    assert_eq!(run.wait().unwrap().code(), Some(128 + 2));
    // Otherwise it would take five attempts of thirty seconds.
    assert!(began.elapsed() < Duration::from_secs(120), "{:?}", began.elapsed());
}
