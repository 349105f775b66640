//! The platforms of an index in the lock file, and in the report of `update`.

use std::fs;

use images::manifest::Manifest;
use tests::registry::{self, Layout};

use super::Project;

/// Puts an index under `multi:oci` whose arm64 image has other layers than before.
fn move_arm64(project: &Project) {
    let layout = Layout::new(project.path("layout"));
    let text = fs::read(project.path("layout/index.json")).unwrap();
    let listed: serde_json::Value = serde_json::from_slice(&text).unwrap();
    let amd = listed["manifests"][0].clone();
    let arm = layout.image("arm64", &[&registry::layer(project.folder.path(), &["curl"])]);
    let index = layout.index(&[amd, arm]);
    layout.name(&[("moved", &index)]);
    let from = format!("oci:{}:moved", layout.folder.display());
    registry::skopeo_copy(&["--all"], &from, &format!("docker://127.0.0.1:{}/multi:oci", project.port));
}

#[test]
fn the_lock_holds_a_digest_for_each_platform_and_update_says_which_moved() {
    let Some(project) = Project::new() else { return };
    project.succeed(&["lock"]);
    let path = project.path("sealift.lock");
    let digests = || {
        project.succeed(&["run", "images"]);
        let index = fs::read(project.path("_build/root/images/multi/oci/manifest.json")).unwrap();
        let platforms = Manifest::parse(&index).unwrap().platforms();
        ["linux/amd64", "linux/arm64"].map(|name| platforms[&name.parse().unwrap()].to_string())
    };
    let old = digests();
    let lock = fs::read_to_string(&path).unwrap();
    let noted = format!(
        "platforms:\n  \"registry.invalid/multi:oci\":\n    linux/amd64: {}\n    linux/arm64: {}\n",
        old[0], old[1]
    );
    assert!(lock.contains(&noted), "{lock}");

    move_arm64(&project);
    let (code, out, _) = project.sealift(&["lock", "--check"]);
    assert!(code == 1 && out.contains("registry.invalid/multi:oci linux/arm64"), "{code}: {out}");
    let out = project.succeed(&["update"]);
    let new = digests();
    assert_eq!(new[0], old[0]);
    let said: Vec<&str> = out.lines().collect();
    let moved = format!("registry.invalid/multi:oci linux/arm64 {} -> {}", old[1], new[1]);
    assert!(said.len() == 2 && said[0].starts_with("registry.invalid/multi:oci sha256:"), "{out}");
    assert_eq!(said[1], moved);
    assert!(fs::read_to_string(&path).unwrap().contains(&new[1]));

    // A lock file of an earlier version has no platforms: it suffices for a build, and the next update adds them.
    let lock = fs::read_to_string(&path).unwrap();
    let (earlier, _) = lock.split_once("platforms:\n").unwrap();
    fs::write(&path, earlier).unwrap();
    assert_eq!(digests(), new);
    assert_eq!(project.succeed(&["lock", "--check"]), "nothing moved\n");
    assert_eq!(fs::read_to_string(&path).unwrap(), earlier);
    assert_eq!(project.succeed(&["update"]), "nothing moved\n");
    assert_eq!(fs::read_to_string(&path).unwrap(), lock);
}
