//! Every image is pulled by every client, from nginx and from our own server; and the same from a mounted ISO.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

use content::Digest;
use images::nginx;
use tests::containerd::Containerd;
use tests::mounts::fuse;
use tests::registry::{IMAGES, skopeo_copy};
use tests::{nginx as server, peer};

use super::{Laid, assert_same, lay_out};
use crate::runtime::site::Running;

/// The digest of the manifest for this machine: the manifest itself, or the first one of its index.
fn runs(folder: &Path) -> Digest {
    let image = images::dir_layout::read(folder).unwrap();
    image.manifests.iter().find(|stored| !stored.manifest.kind.is_index()).unwrap().digest
}

#[test]
fn every_client_pulls_every_image_from_nginx_and_from_our_server() {
    let Some(buildah) = peer::find("buildah") else { return };
    let Some(laid) = lay_out() else { return };
    let Some(containerd) = Containerd::start(&laid.folder) else { return };
    let includes = nginx::common().to_owned() + &nginx::render("a", laid.images.to_str().unwrap()).unwrap();
    let Some(behind_nginx) = server::start(&laid.folder, &includes) else { return };
    let ours = Running::serving(&[&laid.images]);
    for (place, prefix) in
        [("nginx", format!("127.0.0.1:{}/a/", behind_nginx.port)), ("ours", format!("{}/", ours.address))]
    {
        let storage = laid.folder.join(format!("storage-{place}"));
        let buildah = |arguments: &[&str]| {
            let mut command = Command::new(&buildah);
            command.arg("--root").arg(storage.join("root")).arg("--runroot").arg(storage.join("run"));
            peer::run(command.args(["--storage-driver", "vfs"]).args(arguments)).stdout
        };
        for (position, (name, tag, _)) in IMAGES.iter().enumerate() {
            let (reference, folder) = (format!("{prefix}{name}:{tag}"), laid.images.join(name).join(tag));
            // buildah chooses the platform of this machine and reports the manifest.
            buildah(&["pull", "-q", "--tls-verify=false", &format!("docker://{reference}")]);
            let digest = ["inspect", "--type", "image", "--format", "{{.FromImageDigest}}", &reference];
            let found = String::from_utf8(buildah(&digest)).unwrap();
            assert_eq!(found.trim(), runs(&folder).to_string(), "{reference}");

            let theirs = laid.folder.join(format!("skopeo-{place}-{position}"));
            skopeo_copy(&["--all"], &format!("docker://{reference}"), &format!("dir:{}", theirs.display()));
            assert_same(&folder, &theirs);

            containerd.run(&["content", "fetch", "--plain-http", "--all-platforms", &reference]);
            let listed = containerd.run(&["images", "ls", &format!("name=={reference}")]);
            assert!(listed.contains(&laid.digests[position].to_string()), "{listed}");
        }
        buildah(&["rmi", "--all", "--force"]);
    }
}

/// An ISO of the whole tree of images.
fn image_of(laid: &Laid) -> iso::IsoImage<File> {
    let path = laid.folder.join("archive.iso");
    let options = iso::IsoOptions { volume_id: "Example 1".into(), ..iso::IsoOptions::default() };
    iso::PlannedIso::from_dir(&laid.folder.join("archive"), &options)
        .unwrap()
        .write_file(&path, &())
        .unwrap();
    iso::IsoImage::open(&path).unwrap()
}

#[test]
fn nginx_serves_an_archive_that_is_mounted_through_fuse() {
    if !fuse() {
        return;
    }
    let Some(laid) = lay_out() else { return };
    let at = laid.folder.join("mounted");
    fs::create_dir(&at).unwrap();
    let _mount = image_of(&laid).mount(&at, false).unwrap();
    let includes =
        nginx::common().to_owned() + &nginx::render("a", at.join("images").to_str().unwrap()).unwrap();
    let Some(server) = server::start(&laid.folder, &includes) else { return };
    for (position, (name, tag, _)) in IMAGES.iter().enumerate() {
        let theirs = laid.folder.join(format!("mounted-{position}"));
        let from = format!("docker://127.0.0.1:{}/a/{name}:{tag}", server.port);
        skopeo_copy(&["--all"], &from, &format!("dir:{}", theirs.display()));
        assert_same(&laid.images.join(name).join(tag), &theirs);
    }
}
