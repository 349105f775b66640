//! Referrers of the platforms of an index.

use std::fs;

use images::manifest::Manifest;

use super::{Project, digest_of};

#[test]
fn what_is_attached_to_a_platform_of_an_index_comes_along_with_it() {
    let Some(project) = Project::new() else { return };
    let host = format!("127.0.0.1:{}", project.port);
    let text = format!(
        "apiVersion: sealift.dev/v1alpha1\nkind: Platform\nmetadata: {{name: Example, version: 1.0.0}}\n\
         spec:\n  registries: [{{host: '{host}', plainHttp: true}}]\n  images:\n    pull:\n      \
         - {{name: multi, source: '{host}/multi', tag: oci, platforms: [linux/arm64], referrers: true}}\n"
    );
    fs::write(project.path("sealift.yaml"), text).unwrap();
    project.succeed(&["lock"]);
    project.succeed(&["run", "images"]);
    let folder = project.path("_build/root/images/multi");
    let index = folder.join("oci/manifest.json");
    let listed = Manifest::parse(&fs::read(&index).unwrap()).unwrap();
    let platforms = listed.platforms();
    let [amd, arm] = ["linux/amd64", "linux/arm64"].map(|name| platforms[&name.parse().unwrap()]);
    let tags = [format!("sha256-{}", amd.hex()), format!("sha256-{}", arm.hex())];
    // Only the index has a list, which is empty.
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 2);

    // Both platforms have referrers, and only one platform is pulled.
    for descriptor in &listed.manifests {
        let subject = serde_json::json!({
            "mediaType": descriptor.media_type, "digest": descriptor.digest, "size": descriptor.size,
        });
        project.attach("multi", &subject, &["signature"]);
    }
    let (code, out, err) = project.sealift(&["lock", "--check"]);
    assert!(code == 1 && format!("{out}{err}").contains(&arm.to_string()), "{code}: {out}{err}");
    let said = project.succeed(&["update"]);
    assert!(said.starts_with(&format!("{host}/multi:oci@{arm} (referrers) is new: sha256:")), "{said}");
    assert_eq!(said.lines().count(), 1);
    project.succeed(&["run", "images"]);
    let list = folder.join(&tags[1]).join("manifest.json");
    assert!(said.contains(&digest_of(&list)) && !folder.join(&tags[0]).exists(), "{said}");
    let known = project.path(&format!("_build/root/registry/v2/multi/manifests/{}", tags[1]));
    assert!(known.exists(), "not served");
    let hosts = project.path(&format!("_build/root/registry/hosts/{}/multi", host.replace(':', "__")));
    assert!(hosts.join("_manifests").join(&tags[1]).exists(), "not served under its original name");
    assert!(hosts.join("_referrers/sha256").join(arm.hex()).exists());

    // A lock file of an earlier version has only the index.
    let path = project.path("sealift.lock");
    let lock = fs::read_to_string(&path).unwrap();
    let (head, lists) = lock.split_once("referrers:\n").unwrap();
    let image = digest_of(&index);
    let of_index = lists.lines().find_map(|line| line.trim().strip_prefix(&format!("{image}: "))).unwrap();
    fs::write(&path, format!("{head}referrers:\n  \"{host}/multi:oci\": {of_index}\n")).unwrap();
    project.succeed(&["run", "images"]);
    assert!(index.exists() && !list.exists());
    project.succeed(&["update"]);
    assert_eq!(fs::read_to_string(&path).unwrap(), lock);
    project.succeed(&["run", "images"]);
    assert!(list.exists());
}
