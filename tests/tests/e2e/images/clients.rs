//! Several archives behind one nginx; containerd as a reader of image archives; incomplete images.

use std::fs;

use images::{Store, check, dir_layout, nginx, registry};
use tests::containerd::Containerd;
use tests::http::ask;
use tests::nginx as server;
use tests::registry::{IMAGES, skopeo_copy};

use super::{assert_same, lay_out};

#[test]
fn nginx_serves_several_archives_side_by_side() {
    let Some(laid) = lay_out() else { return };
    let root = format!("{}/", laid.images.display());
    // Two archives, and a common part for /v2/ itself.
    let includes = [
        nginx::common().to_owned(),
        nginx::render("metalk8s-1.0.0", &root).unwrap(),
        nginx::render("vendor/solution-1.2", laid.images.to_str().unwrap()).unwrap(),
    ];
    let Some(server) = server::start(&laid.folder, &includes.concat()) else { return };
    for (position, (name, tag, _)) in IMAGES.iter().enumerate() {
        for repository in ["metalk8s-1.0.0", "vendor/solution-1.2"] {
            let theirs = laid.folder.join(format!("nginx-{position}-{}", repository.replace('/', "-")));
            let from = format!("docker://127.0.0.1:{}/{repository}/{name}:{tag}", server.port);
            skopeo_copy(&["--all"], &from, &format!("dir:{}", theirs.display()));
            assert_same(&laid.images.join(name).join(tag), &theirs);
        }
    }
}

#[test]
fn containerd_loads_our_archives_under_the_digest_of_the_registry() {
    let Some(laid) = lay_out() else { return };
    let Some(containerd) = Containerd::start(&laid.folder) else { return };
    for ((name, tag, _), digest) in IMAGES.iter().zip(&laid.digests) {
        let reference: images::Reference = format!("registry.invalid/base-1.0/{name}:{tag}").parse().unwrap();
        let archive = laid.folder.join("image.tar");
        let again = laid.folder.join("again.tar");
        for output in [&archive, &again] {
            images::oci_archive::write(&laid.images.join(name).join(tag), &reference, output, 1_700_000_000)
                .unwrap();
        }
        assert!(
            fs::read(&archive).unwrap() == fs::read(&again).unwrap(),
            "{reference} is not the same twice"
        );
        containerd.run(&["images", "import", "--all-platforms", "--no-unpack", archive.to_str().unwrap()]);
        let listed = containerd.run(&["images", "ls", &format!("name=={reference}")]);
        assert!(listed.contains(&digest.to_string()), "{listed}");
    }
    // Every layer can be unpacked.
    let image = "registry.invalid/base-1.0/curl:oci";
    if tests::user::is_root() {
        let archive = laid.folder.join("unpacked.tar");
        images::oci_archive::write(&laid.images.join("curl/oci"), &image.parse().unwrap(), &archive, 0)
            .unwrap();
        containerd.run(&["images", "import", "--snapshotter", "native", archive.to_str().unwrap()]);
    }
}

#[test]
fn of_an_index_only_the_platforms_that_were_kept_are_served() {
    let Some(laid) = lay_out() else { return };
    let store = Store::open(&laid.folder.join("store")).unwrap();
    let kept = laid.folder.join("sparse/images/multi/1");
    dir_layout::write(&store, &laid.digests[3], &["linux/amd64".parse().unwrap()], &kept).unwrap();
    let images = laid.folder.join("sparse/images");
    registry::index(&images, &laid.folder.join("sparse/registry")).unwrap();
    assert!(check::check(&images, std::num::NonZero::<usize>::MIN).unwrap().problems.is_empty());
    let includes = nginx::common().to_owned() + &nginx::render("s", images.to_str().unwrap()).unwrap();
    let Some(server) = server::start(&laid.folder, &includes) else { return };
    let reference = format!("127.0.0.1:{}/s/multi:1", server.port);
    // Clients pull their platform, and the index has the digest that it was published under.
    skopeo_copy(
        &["--override-arch", "amd64"],
        &format!("docker://{reference}"),
        &format!("dir:{}", laid.folder.join("one").display()),
    );
    let left_out = dir_layout::read(&kept).unwrap().left_out;
    let path = format!("/v2/s/multi/manifests/{}", left_out[0].digest);
    assert_eq!(ask(server.port, "GET", &path, "").status, 404);
    let Some(containerd) = Containerd::start(&laid.folder) else { return };
    containerd.run(&["content", "fetch", "--plain-http", "--platform", "linux/amd64", &reference]);
    let listed = containerd.run(&["images", "ls", &format!("name=={reference}")]);
    assert!(listed.contains(&laid.digests[3].to_string()), "{listed}");
}
