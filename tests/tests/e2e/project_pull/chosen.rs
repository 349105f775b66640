//! Tags by pattern and version, aliases and lists of images, compared with what skopeo says.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use tests::daemon::free_port;
use tests::peer;
use tests::registry::{self, Layout};

use super::Project;

/// The tags of `team/app` in the registry, each with the image that it has first.
const TAGS: [(&str, &str); 7] = [
    ("1.0", "amd"),
    ("1.1", "arm"),
    ("1.1-alpine", "amd"),
    ("v2.0", "both"),
    ("10.0", "arm"),
    ("edge", "both"),
    ("latest", "arm"),
];

/// A project with a registry that has small images under many tags; `None` if a peer is missing.
fn project(spec: &str) -> Option<Project> {
    for peer in ["skopeo", "dpkg", "tar"] {
        peer::find(peer)?;
    }
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let registry = registry::start(folder.path(), port)?;
    let layout = Layout::new(folder.path().join("layout"));
    let layer = registry::layer(folder.path(), &["isomd5sum"]);
    let (amd, arm) = (layout.image("amd64", &[&layer]), layout.image("arm64", &[&layer]));
    let both = layout.index(&[amd.clone(), arm.clone()]);
    layout.name(&[("amd", &amd), ("arm", &arm), ("both", &both)]);
    let project = Project { folder, registry: Some(registry), port };
    for (tag, image) in TAGS {
        project.push(image, &format!("team/app:{tag}"));
    }
    project.push("amd", "team/db:3");
    let text = format!(
        "apiVersion: sealift.dev/v1alpha1\nkind: Platform\nmetadata: {{name: Example, version: 1.0.0}}\nspec:\n  \
         registries: [{{host: 'HOST', plainHttp: true}}]\n  images:\n{spec}"
    );
    fs::write(project.path("sealift.yaml"), text.replace("HOST", &project.host())).unwrap();
    Some(project)
}

impl Project {
    fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Pushes an image of the layout.
    fn push(&self, image: &str, to: &str) {
        let from = format!("oci:{}:{image}", self.path("layout").display());
        registry::skopeo_copy(&["--all"], &from, &format!("docker://{}/{to}", self.host()));
    }

    /// How often the registry was asked for a list of tags.
    fn lists(&self) -> usize {
        fs::read_to_string(self.path("registry.log")).unwrap().matches("/tags/list").count()
    }

    /// The bytes of the manifest that skopeo sees under a reference.
    fn skopeo_manifest(&self, reference: &str) -> Vec<u8> {
        let skopeo = peer::find("skopeo").unwrap();
        let arguments = ["inspect", "--raw", "--tls-verify=false"];
        peer::run(Command::new(skopeo).args(arguments).arg(format!("docker://{}/{reference}", self.host())))
            .stdout
    }

    /// The tags that skopeo lists.
    fn skopeo_tags(&self, repository: &str) -> BTreeSet<String> {
        let skopeo = peer::find("skopeo").unwrap();
        let arguments = ["list-tags", "--tls-verify=false"];
        let listed = peer::run(
            Command::new(skopeo).args(arguments).arg(format!("docker://{}/{repository}", self.host())),
        );
        let listed: serde_json::Value = serde_json::from_slice(&listed.stdout).unwrap();
        listed["Tags"].as_array().unwrap().iter().map(|tag| tag.as_str().unwrap().to_owned()).collect()
    }
}

/// The manifest of each image below `folder`, by `NAME:TAG`: a folder for each name and tag, or one for both, as skopeo has it.
fn manifests(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(place) = folders.pop() {
        for entry in fs::read_dir(&place).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.ends_with("manifest.json") {
                let name = place.strip_prefix(folder).unwrap().to_str().unwrap();
                let name = match name.rsplit_once('/') {
                    Some((name, tag)) if !tag.contains(':') => format!("{name}:{tag}"),
                    _ => name.to_owned(),
                };
                found.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    found
}

#[test]
fn the_lock_chooses_tags_and_a_build_lists_none() {
    let spec = "    pull:
      - {source: HOST/team/app, semver: '>=1 <10', latest: 2}
      - {source: HOST/team/app, tagPattern: '^1\\.0|alpine$'}
      - {name: team/aliased, source: 'HOST/team/app:latest', aliases: [stable, '7']}
";
    let Some(mut project) = project(spec) else { return };
    let host = project.host();
    let (code, out, err) = project.sealift(&["run"]);
    let message = format!(
        "sealift.yaml:8:18: the list of tags {host}/team/app (latest 2 of semver >=1 <10) is not locked"
    );
    assert!(code == 3 && err.contains(&message) && err.contains("sealift lock"), "{code}: {out}{err}");
    assert_eq!(project.lists(), 0);

    let out = project.succeed(&["lock"]);
    for line in [
        format!("{host}/team/app (latest 2 of semver >=1 <10) is new: 1.1, v2.0\n"),
        format!("{host}/team/app (tagPattern ^1\\.0|alpine$) is new: 1.0, 1.1-alpine\n"),
        format!("{host}/team/app:v2.0 is new: sha256:"),
    ] {
        assert!(out.contains(&line), "{line}: {out}");
    }
    assert!(!out.contains(":10.0"), "{out}");
    // One list for both rules.
    assert_eq!(project.lists(), 1);
    assert_eq!(project.succeed(&["lock"]), "nothing moved\n");
    assert_eq!(project.lists(), 1);

    project.succeed(&["run"]);
    let tree = project.path("_build/root/images");
    let built = manifests(&tree);
    let names: Vec<&str> = built.keys().map(String::as_str).collect();
    let chosen = ["app:1.0", "app:1.1", "app:1.1-alpine", "app:v2.0"];
    let aliased = ["team/aliased:7", "team/aliased:latest", "team/aliased:stable"];
    assert_eq!(names, [&chosen[..], &aliased[..]].concat());
    for (name, manifest) in &built {
        let tag = name.rsplit(':').next().unwrap();
        let tag = if name.starts_with("team/aliased") { "latest" } else { tag };
        assert!(*manifest == project.skopeo_manifest(&format!("team/app:{tag}")), "{name} differs");
    }
    // The tags of one image share its files.
    let inode = |tag: &str| {
        let folder = tree.join("team/aliased").join(tag);
        let largest = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        largest.map(|path| path.metadata().unwrap()).max_by_key(MetadataExt::size).unwrap().ino()
    };
    assert!(inode("latest") == inode("stable") && inode("stable") == inode("7"));

    // A new tag changes nothing until it is locked.
    project.push("both", "team/app:3.0");
    let iso = fs::read(project.path("_build/example.iso")).unwrap();
    fs::remove_dir_all(project.path("_build")).unwrap();
    project.succeed(&["run"]);
    assert!(fs::read(project.path("_build/example.iso")).unwrap() == iso);
    assert_eq!(project.lists(), 1);
    let lock = fs::read(project.path("sealift.lock")).unwrap();
    let (code, _, err) = project.sealift(&["lock", "--check"]);
    let message = "is locked to 1.1, v2.0, but the registry has v2.0, 3.0";
    assert!(code == 1 && err.contains(message) && err.contains("sealift update"), "{code}: {err}");
    assert_eq!(fs::read(project.path("sealift.lock")).unwrap(), lock);

    let out = project.succeed(&["update"]);
    for line in [
        format!("{host}/team/app (latest 2 of semver >=1 <10): added 3.0; removed 1.1\n"),
        format!("{host}/team/app:3.0 is new: sha256:"),
        format!("{host}/team/app:1.1 is gone: sha256:"),
    ] {
        assert!(out.contains(&line), "{line}: {out}");
    }
    assert!(!out.contains("tagPattern"), "{out}");
    let out = project.succeed(&["update", "--output", "json"]);
    let report: serde_json::Value = serde_json::from_str(&out).unwrap();
    let rules: Vec<_> =
        report["items"].as_array().unwrap().iter().filter_map(|item| item.get("selection")).collect();
    assert_eq!(rules.len(), 2, "{out}");
    assert_eq!(rules[0]["rule"], "latest 2 of semver >=1 <10", "{out}");
    assert_eq!(rules[0]["new"], serde_json::json!(["v2.0", "3.0"]), "{out}");
    project.succeed(&["run"]);
    let built = manifests(&project.path("_build/root/images"));
    assert!(built.contains_key("app:3.0") && !built.contains_key("app:1.1"), "{:?}", built.keys());

    // A rule without tags is an error that leaves the others locked; one that is gone leaves the lock file.
    let path = project.path("sealift.yaml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace(">=1 <10", "^99")).unwrap();
    let (code, out, err) = project.sealift(&["lock"]);
    let message =
        format!("sealift.yaml:8:18: none of the 8 tags of {host}/team/app fits `latest 2 of semver ^99`");
    assert!(code == 2 && err.contains(&message), "{code}: {err}");
    assert!(err.contains(&format!("`skopeo list-tags docker://{host}/team/app` prints the tags")), "{err}");
    assert!(out.contains(&format!("{host}/team/app (latest 2 of semver >=1 <10) is gone\n")), "{out}");
    let lock = fs::read_to_string(project.path("sealift.lock")).unwrap();
    assert!(lock.contains("tagPattern ^1") && !lock.contains("semver") && !lock.contains(":3.0"), "{lock}");
    // Tags that cannot be listed stay as they are.
    drop(project.registry.take());
    let (code, _, err) = project.sealift(&["update"]);
    assert!(
        code == 2 && err.contains(&format!("{host}/team/app: cannot fetch the list of tags: ")),
        "{code}: {err}"
    );
    assert_eq!(fs::read_to_string(project.path("sealift.lock")).unwrap(), lock);
}

/// `skopeo sync` and Sealift read one file, and bring the same images.
#[test]
fn a_list_for_skopeo_sync_names_the_images_that_skopeo_copies() {
    let Some(project) = project("    lists: [{file: sync.yaml, scoped: true}]\n") else { return };
    for tag in ["1.0", "2.0-rc.1", "x.1"] {
        project.push("amd", &format!("deep/er/web:{tag}"));
    }
    let list = format!(
        "{}:\n  tls-verify: false\n  images:\n    team/app: ['1.0', edge]\n    team/db: []\n  \
         images-by-tag-regex:\n    team/app: '^1\\.1'\n    deep/er/web: '[.]1$'\n",
        project.host()
    );
    fs::write(project.path("sync.yaml"), list).unwrap();
    project.succeed(&["lock"]);
    project.succeed(&["run"]);
    let ours = manifests(&project.path("_build/root/images"));

    let theirs = project.path("theirs");
    fs::create_dir(&theirs).unwrap();
    let skopeo = peer::find("skopeo").unwrap();
    let arguments = ["--insecure-policy", "sync", "--all", "--scoped", "--src", "yaml", "--dest", "dir"];
    peer::run(Command::new(skopeo).args(arguments).arg(project.path("sync.yaml")).arg(&theirs));
    let theirs = manifests(&theirs.join(project.host()));
    assert_eq!(ours.keys().collect::<Vec<_>>(), theirs.keys().collect::<Vec<_>>());
    assert_eq!(ours.len(), 7, "{:?}", ours.keys());
    for (name, manifest) in &ours {
        assert!(*manifest == theirs[name], "{name} differs");
    }
}

/// Each rule takes what a filter over skopeo's own list of the tags takes.
#[test]
fn rules_choose_from_the_tags_that_skopeo_lists() {
    let spec = "    pull: [{source: HOST/team/app, tagPattern: '1'}]\n    lists: [images.txt]\n";
    let Some(project) = project(spec) else { return };
    let list = format!(
        "# images of the site\n{0}/team/app:edge # by its tag\n\ndocker://{0}/team/db:3\n",
        project.host()
    );
    fs::write(project.path("images.txt"), list).unwrap();
    let out = project.succeed(&["lock", "--output", "json"]);
    let report: serde_json::Value = serde_json::from_str(&out).unwrap();
    let chosen: BTreeSet<String> = report["items"][0]["selection"]["new"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tag| tag.as_str().unwrap().to_owned())
        .collect();
    let all = project.skopeo_tags("team/app");
    assert_eq!(all.len(), TAGS.len());
    assert_eq!(chosen, all.into_iter().filter(|tag| tag.contains('1')).collect());
    let locked: Vec<&str> =
        report["items"].as_array().unwrap().iter().filter_map(|item| item["reference"].as_str()).collect();
    for name in ["team/app:edge", "team/db:3"] {
        assert!(locked.contains(&format!("{}/{name}", project.host()).as_str()), "{locked:?}");
    }
}

/// What cannot be built is not locked.
#[test]
fn a_tag_in_the_place_of_another_image_is_not_locked() {
    let spec = "    pull:
      - {name: app, source: 'HOST/team/db:3', aliases: ['1.0']}
      - {source: HOST/team/app, tagPattern: '^1[.]0$'}
      - {name: others, source: HOST/team/app, tagPattern: '^1[.]1$'}
";
    let Some(project) = project(spec) else { return };
    let (code, out, err) = project.sealift(&["lock"]);
    let message = "sealift.yaml:9:18: a second image `app:1.0`: give one of them another `name`";
    assert!(code == 3 && err.contains(message), "{code}: {out}{err}");
    assert!(out.contains("(tagPattern ^1[.]1$) is new: 1.1\n") && !out.contains("^1[.]0$"), "{out}");
    let path = project.path("sealift.yaml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("aliases: ['1.0']", "aliases: ['2']")).unwrap();
    let out = project.succeed(&["lock"]);
    assert!(out.contains("(tagPattern ^1[.]0$) is new: 1.0\n"), "{out}");
}
