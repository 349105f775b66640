//! Images that are pulled, written to a folder and indexed, checked with docker-registry, skopeo, nginx and containerd.

mod clients;
mod find;
mod gc;
mod nginx;
mod original_names;
mod places;
mod served;
mod tls;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use content::Digest;
use images::pull::{self, PullRequest, RegistryOptions, RequestLimits, TransferProgress};
use images::{RegistrySession, Store, check, dir_layout, registry};
use tests::daemon::{Daemon, free_port};
use tests::peer;
use tests::registry::{self as debian, IMAGES, fill, skopeo_copy};

fn requests(registry: &Daemon) -> Vec<PullRequest> {
    IMAGES
        .iter()
        .map(|(name, tag, _)| PullRequest {
            name: (*name).into(),
            tag: (*tag).into(),
            reference: format!("127.0.0.1:{}/{name}:{tag}", registry.port).parse().unwrap(),
            platforms: Vec::new(),
            expected: None,
            referrers: false,
        })
        .collect()
}

fn options(registry: &Daemon) -> RegistryOptions {
    RegistryOptions {
        plain_http: [format!("127.0.0.1:{}", registry.port)].into(),
        first_delay: Duration::from_millis(50),
        ..RegistryOptions::default()
    }
}

/// Name and bytes of every file in a folder.
fn content(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())
        })
        .collect()
}

/// Compares file by file: a message with the bytes would have megabytes.
fn assert_same(ours: &Path, theirs: &Path) {
    let (ours, theirs) = (content(ours), content(theirs));
    assert_eq!(ours.keys().collect::<Vec<_>>(), theirs.keys().collect::<Vec<_>>());
    for (name, bytes) in &ours {
        assert!(*bytes == theirs[name], "{name} differs");
    }
}

/// All images pulled from a registry into a folder.
struct Laid {
    _scratch: tempfile::TempDir,
    folder: PathBuf,
    images: PathBuf,
    digests: Vec<Digest>,
    registry: Daemon,
}

fn lay_out() -> Option<Laid> {
    for peer in ["skopeo", "docker-registry", "bsdtar", "curl", "dpkg"] {
        peer::find(peer)?;
    }
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().to_owned();
    let registry = debian::start(&folder, free_port())?;
    fill(&folder, &registry);
    let store = Store::open(&folder.join("store")).unwrap();
    let images = folder.join("archive/images");
    let pulled =
        pull::pull(&requests(&registry), &store, &RegistrySession::new(options(&registry)), &()).unwrap();
    for image in &pulled {
        let place = images.join(&image.name).join(&image.tag);
        dir_layout::write(&store, &image.digest, &[], &place).unwrap();
    }
    registry::index(&images, &folder.join("archive/registry")).unwrap();
    assert_eq!(pulled.iter().map(|image| image.kind).collect::<Vec<_>>(), IMAGES.map(|(_, _, kind)| kind));
    let digests = pulled.iter().map(|image| image.digest).collect();
    Some(Laid { _scratch: scratch, folder, images, digests, registry })
}

#[test]
fn what_we_pull_is_what_skopeo_pulls() {
    let Some(laid) = lay_out() else { return };
    for (position, (name, tag, _)) in IMAGES.iter().enumerate() {
        let theirs = laid.folder.join(format!("skopeo-{position}"));
        let from = format!("docker://127.0.0.1:{}/{name}:{tag}", laid.registry.port);
        skopeo_copy(&["--all"], &from, &format!("dir:{}", theirs.display()));
        assert_same(&laid.images.join(name).join(tag), &theirs);
    }
    let report = check::check(&laid.images, std::num::NonZero::<usize>::MIN).unwrap();
    assert_eq!(report.images.len(), IMAGES.len());
    assert!(report.problems.is_empty(), "{:?}", report.problems);
    // skopeo reads our folders.
    let (name, tag, _) = IMAGES[3];
    let ours = laid.images.join(name).join(tag);
    let copy = laid.folder.join("copy");
    skopeo_copy(&["--all"], &format!("dir:{}", ours.display()), &format!("dir:{}", copy.display()));
    assert_same(&ours, &copy);
}

/// Counts what is transferred, and stops the registry at a given point.
struct Killer<'a> {
    at: i64,
    came: std::cell::Cell<i64>,
    kill: &'a dyn Fn(),
}

impl TransferProgress for Killer<'_> {
    fn advance(&self, _: &Digest, bytes: i64) {
        let before = self.came.get();
        self.came.set(before + bytes);
        if before < self.at && self.came.get() >= self.at {
            (self.kill)();
        }
    }
}

#[test]
fn a_registry_that_dies_half_way_is_resumed_and_a_second_pull_moves_no_blob() {
    for peer in ["skopeo", "docker-registry", "bsdtar", "curl", "dpkg"] {
        if peer::find(peer).is_none() {
            return;
        }
    }
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path();
    let port = free_port();
    let registry = debian::start(folder, port).unwrap();
    fill(folder, &registry);
    let (requests, patient) = (requests(&registry), options(&registry));
    let store = Store::open(&folder.join("store")).unwrap();
    let daemon = std::cell::RefCell::new(Some(registry));
    let kill = || drop(daemon.borrow_mut().take());
    let killer = Killer { at: 1_000_000, came: 0.into(), kill: &kill };
    let hasty = RegistryOptions { attempts: 1, limits: RequestLimits::new(1, 1), ..patient.clone() };
    let error = pull::pull(&requests, &store, &RegistrySession::new(hasty.clone()), &killer).unwrap_err();
    assert!(error.to_string().contains(&format!("http://127.0.0.1:{port}/v2/")), "{error}");
    assert!(daemon.borrow().is_none());

    let _registry = debian::start(folder, port).unwrap();
    let counter = Killer { at: i64::MAX, came: 0.into(), kill: &|| () };
    let pulled = pull::pull(&requests, &store, &RegistrySession::new(patient.clone()), &counter).unwrap();
    let layers: i64 = {
        let distinct: BTreeMap<Digest, u64> = pulled
            .iter()
            .flat_map(|image| {
                let place = folder.join("images").join(&image.name).join(&image.tag);
                dir_layout::write(&store, &image.digest, &[], &place).unwrap();
                dir_layout::read(&place).unwrap().blobs
            })
            .map(|blob| (blob.digest, blob.size))
            .collect();
        distinct.values().sum::<u64>().try_into().unwrap()
    };
    assert!(counter.came.get() <= layers - 900_000, "{} of {layers} bytes came again", counter.came.get());
    let none = Killer { at: i64::MAX, came: 0.into(), kill: &|| () };
    assert_eq!(pull::pull(&requests, &store, &RegistrySession::new(patient.clone()), &none).unwrap(), pulled);
    assert_eq!(none.came.get(), 0);
}

#[test]
fn folders_and_archives_of_skopeo_are_taken_over() {
    let Some(laid) = lay_out() else { return };
    let from = format!("dir:{}", laid.images.join("curl/oci").display());
    for (position, prefix) in ["oci:", "oci-archive:", "dir:", "docker-archive:"].iter().enumerate() {
        let place = laid.folder.join(format!("source-{position}"));
        let name = if *prefix == "dir:" { "" } else { ":curl:1" };
        let text = format!("{prefix}{}{name}", place.display());
        skopeo_copy(&[], &from, &text);
        let Ok(images::ImageLocation::Local(local)) = text.parse() else { panic!("{text}") };
        let store = Store::open(&laid.folder.join(format!("store-{position}"))).unwrap();
        let digest = if *prefix == "docker-archive:" {
            // `docker save` writes another name than the reference that skopeo was given.
            let local = images::source::LocalImage { name: Some("docker.io/library/curl:1".into()), ..local };
            images::source::import(&local, &[], &store).unwrap()
        } else {
            let digest = images::source::import(&local, &[], &store).unwrap();
            assert_eq!(digest, laid.digests[0], "{text}");
            digest
        };
        // skopeo reads it back, layer by layer.
        let ours = laid.folder.join(format!("ours-{position}"));
        dir_layout::write(&store, &digest, &[], &ours).unwrap();
        let copy = laid.folder.join(format!("copy-{position}"));
        skopeo_copy(&[], &format!("dir:{}", ours.display()), &format!("dir:{}", copy.display()));
        assert_same(&ours, &copy);
    }
}

#[test]
fn what_skopeo_wrote_is_saved_under_the_name_that_its_user_expects() {
    let Some(laid) = lay_out() else { return };
    let from = format!("dir:{}", laid.images.join("curl/oci").display());
    let scratch = tempfile::tempdir().unwrap();
    let at = |text: &str| text.replace("HERE", &scratch.path().display().to_string());
    for (copied, pulled, expected) in [
        ("oci:HERE/alpine:3.20", "oci:HERE/alpine:3.20", "alpine:3.20"),
        ("oci:HERE/alone:3.20", "oci:HERE/alone", "alone:3.20"),
        ("oci:HERE/full:example.com/team/app:1", "oci:HERE/full:example.com/team/app:1", "app:1"),
        ("oci:HERE/nameless", "oci:HERE/nameless", "nameless:latest"),
        ("oci-archive:HERE/curl.tar:8.0", "oci-archive:HERE/curl.tar:8.0", "curl:8.0"),
        ("oci-archive:HERE/x.tar:quay.io/team/y:2", "oci-archive:HERE/x.tar", "y:2"),
        ("docker-archive:HERE/d.tar:quay.io/team/z:3", "docker-archive:HERE/d.tar", "z:3"),
        ("docker-archive:HERE/w-1.2.tar", "docker-archive:HERE/w-1.2.tar", "w-1.2:latest"),
        ("dir:HERE/sync/busybox:1.36", "dir:HERE/sync/busybox:1.36", "busybox:1.36"),
        ("dir:HERE/images/pause/3.9", "dir:HERE/images/pause/3.9", "pause:3.9"),
        ("dir:HERE/plain", "dir:HERE/plain", "plain:latest"),
    ] {
        let target = at(copied);
        let folder = Path::new(target.split_once(':').unwrap().1).parent().unwrap().to_owned();
        std::fs::create_dir_all(&folder).unwrap();
        skopeo_copy(&[], &from, &target);
        let (name, tag) = images::source::default_name(&at(pulled).parse().unwrap()).unwrap();
        assert_eq!(format!("{name}:{tag}"), expected, "{pulled}");
    }
}
