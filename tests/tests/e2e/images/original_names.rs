//! The references that `sealift image pull` records.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use content::Digest;
use images::original_names::{FILE, OriginalNames};
use tests::daemon::{Daemon, free_port};
use tests::registry::{self as debian, Layout, layer, skopeo_copy};
use tests::{peer, sealift};

/// A registry that stands for Docker Hub.
struct Hub {
    scratch: tempfile::TempDir,
    registry: Daemon,
    layout: Layout,
    /// The descriptors of two images.
    images: [serde_json::Value; 2],
}

impl Hub {
    fn new() -> Option<Self> {
        for peer in ["skopeo", "docker-registry", "dpkg"] {
            peer::find(peer)?;
        }
        let scratch = tempfile::tempdir().unwrap();
        let registry = debian::start(scratch.path(), free_port())?;
        let layout = Layout::new(scratch.path().join("layout"));
        let base = layer(scratch.path(), &["gzip"]);
        let images = ["amd64", "arm64"].map(|architecture| layout.image(architecture, &[&base]));
        layout.name(&[("one", &images[0]), ("two", &images[1])]);
        Some(Self { scratch, registry, layout, images })
    }

    fn path(&self, relative: &str) -> PathBuf {
        self.scratch.path().join(relative)
    }

    fn digest(&self, image: usize) -> &str {
        self.images[image]["digest"].as_str().unwrap()
    }

    fn push(&self, image: &str, to: &str) {
        let from = format!("oci:{}:{image}", self.layout.folder.display());
        skopeo_copy(
            &["--preserve-digests"],
            &from,
            &format!("docker://127.0.0.1:{}/{to}", self.registry.port),
        );
    }

    fn pull(&self, words: &[&str]) -> (i32, String, String) {
        let mut command = sealift::command(self.scratch.path());
        command.args(["image", "pull"]).args(words).env("SEALIFT_CACHE", self.path("cache"));
        command.arg("--mirror").arg(format!("docker.io=http://127.0.0.1:{}", self.registry.port));
        sealift::told(&command.output().unwrap())
    }

    fn succeed(&self, words: &[&str]) {
        let (code, out, err) = self.pull(words);
        assert_eq!(code, 0, "{words:?}: {out}{err}");
    }

    fn refuse(&self, words: &[&str], reasons: &[&str]) {
        let (code, out, err) = self.pull(words);
        assert!(
            code == 3 && reasons.iter().all(|reason| err.contains(reason)),
            "{words:?}: {code}: {out}{err}"
        );
    }

    /// The references of each image in a folder.
    fn recorded(&self, folder: &str) -> BTreeMap<String, Vec<String>> {
        let names = OriginalNames::load(&self.path(folder)).unwrap();
        let list = |(place, references): (&images::original_names::Place, _)| {
            let references: &std::collections::BTreeSet<_> = references;
            (place.to_string(), references.iter().map(ToString::to_string).collect())
        };
        names.images().map(list).collect()
    }
}

/// What [`Hub::recorded`] should return.
fn expected(entries: &[(&str, &[&str])]) -> BTreeMap<String, Vec<String>> {
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    entries.iter().map(|(place, references)| ((*place).to_owned(), texts(references))).collect()
}

#[test]
fn a_pull_records_where_images_come_from_and_confuses_no_two_of_them() {
    let Some(hub) = Hub::new() else { return };
    for (image, to) in
        [("one", "library/nginx:1.25"), ("two", "other/nginx:1.25"), ("one", "copy/nginx:1.25")]
    {
        hub.push(image, to);
    }
    let (library, other, copy) =
        ("docker.io/library/nginx:1.25", "docker.io/other/nginx:1.25", "docker.io/copy/nginx:1.25");

    // Two images for one folder: in one command, and after another.
    let both = format!("{library} and {other} would both be saved as nginx:1.25");
    hub.refuse(&["nginx:1.25", "other/nginx:1.25", "--into", "c"], &[&both, "--as NAME:TAG"]);
    assert!(!hub.path("c").exists());
    hub.succeed(&["nginx:1.25", "--into", "c"]);
    let file = fs::read_to_string(hub.path("c").join(FILE)).unwrap();
    assert_eq!(
        file,
        "{\n  \"schemaVersion\": 1,\n  \"images\": {\n    \"nginx:1.25\": [\n      \
         \"docker.io/library/nginx:1.25\"\n    ]\n  }\n}\n"
    );
    hub.refuse(
        &["other/nginx:1.25", "--into", "c"],
        &["c/nginx/1.25 contains another image", hub.digest(0), hub.digest(1)],
    );
    assert_eq!(fs::read_to_string(hub.path("c").join(FILE)).unwrap(), file);

    // One image under two references.
    hub.succeed(&["nginx:1.25", "copy/nginx:1.25", "--into", "d"]);
    assert_eq!(hub.recorded("d"), expected(&[("nginx:1.25", &[copy, library])]));
    hub.succeed(&["copy/nginx:1.25", "--into", "c"]);
    assert_eq!(hub.recorded("c"), hub.recorded("d"));

    // The references of an image that is replaced are forgotten.
    hub.succeed(&["other/nginx:1.25", "--into", "c", "--replace"]);
    assert_eq!(hub.recorded("c"), expected(&[("nginx:1.25", &[other])]));

    // A tag that moves: one reference names one image.
    hub.succeed(&["nginx:1.25", "--as", "web:1", "--into", "c"]);
    hub.push("two", "library/nginx:1.25");
    hub.refuse(
        &["nginx:1.25", "--as", "web:2", "--into", "c"],
        &[&format!(
            "{library} would name two images: web:1 with {} and web:2 with {}",
            hub.digest(0),
            hub.digest(1)
        )],
    );
    assert!(!hub.path("c/web/2").exists());
    hub.succeed(&["nginx:1.25", "--as", "web:2", "--into", "c", "--replace"]);
    assert_eq!(hub.recorded("c"), expected(&[("nginx:1.25", &[other]), ("web:2", &[library])]));

    // What a pull could not record before it was killed, or what was removed by hand, the next one records.
    fs::remove_file(hub.path("c").join(FILE)).unwrap();
    hub.succeed(&["nginx:1.25", "--as", "web:2", "--into", "c"]);
    assert_eq!(hub.recorded("c"), expected(&[("web:2", &[library])]));
    fs::remove_dir_all(hub.path("c/web/2")).unwrap();
    let (code, out, err) = sealift::run(hub.scratch.path(), &["registry", "index", "c"]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(!hub.path("c").join(FILE).exists());
    assert!(!hub.path("registry/hosts").exists() && hub.path("registry/v2/nginx").exists());

    // By digest alone, and with what is attached.
    let pinned = format!("library/nginx@{}", hub.digest(0));
    hub.succeed(&[&pinned, "--into", "e"]);
    let place = format!("nginx:{}", hub.digest(0).replace(':', "-"));
    assert_eq!(hub.recorded("e"), expected(&[(&place, &[&format!("docker.io/{pinned}")])]));
    debian::attach(&hub.path("attached"), hub.registry.port, "copy/nginx", &hub.images[0], &["signature"]);
    hub.succeed(&["copy/nginx:1.25", "--referrers", "--into", "f"]);
    let list = format!("docker.io/copy/{place}");
    assert_eq!(hub.recorded("f"), expected(&[("nginx:1.25", &[copy]), (&place, &[&list])]));
    let (code, out, err) = sealift::run(hub.scratch.path(), &["registry", "index", "f", "--into", "g"]);
    assert_eq!(code, 0, "{out}{err}");
    let hex = hub.digest(0).parse::<Digest>().unwrap().hex();
    let referrers = hub.path("g/hosts/docker.io/copy/nginx/_referrers/sha256").join(hex);
    assert!(fs::read_to_string(referrers).unwrap().contains("manifests"));
}

#[test]
fn a_layout_keeps_the_full_names_of_its_images() {
    let Some(hub) = Hub::new() else { return };
    hub.layout.name(&[("ghcr.io/team/one:1", &hub.images[0]), ("two:2", &hub.images[1])]);
    let layout = |name: &str| format!("oci:{}:{name}", hub.layout.folder.display());
    hub.succeed(&[&layout("ghcr.io/team/one:1"), &layout("two:2"), "--into", "images"]);
    assert_eq!(hub.recorded("images"), expected(&[("one:1", &["ghcr.io/team/one:1"])]));
    // So does an archive, and a folder of images.
    hub.succeed(&["dir:images/one/1", "dir:images/two/2", "--into", "c"]);
    assert_eq!(hub.recorded("c"), hub.recorded("images"));
    let archive = format!("oci-archive:{}:quay.io/team/one:3", hub.path("one.tar").display());
    skopeo_copy(&[], &layout("ghcr.io/team/one:1"), &archive);
    hub.succeed(&[&archive, "--into", "c"]);
    let both = [("one:1", &["ghcr.io/team/one:1"][..]), ("one:3", &["quay.io/team/one:3"])];
    assert_eq!(hub.recorded("c"), expected(&both));
}
