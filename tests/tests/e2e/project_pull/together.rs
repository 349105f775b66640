//! Tasks and processes that need the same layers at the same time.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use tests::{peer, sealift};

use super::Project;

/// How often the registry was asked for each blob, by the digest, since its log had `before` bytes.
fn fetched(log: &Path, before: usize) -> BTreeMap<String, usize> {
    let text = fs::read(log).unwrap();
    let mut counts = BTreeMap::new();
    for line in String::from_utf8_lossy(&text[before..]).lines() {
        let path = line.split_once("\"GET ").and_then(|(_, rest)| rest.split(' ').next());
        if let Some((_, digest)) = path.and_then(|path| path.split_once("/blobs/")) {
            *counts.entry(digest.to_owned()).or_default() += 1;
        }
    }
    counts
}

#[test]
fn a_layer_that_tasks_of_two_builds_want_at_the_same_time_is_fetched_once() {
    let Some(project) = Project::new() else { return };
    let images = [
        ("one", "curl", "oci", None),
        ("two", "curl", "docker", None),
        ("three", "team/skopeo", "1.0", None),
        ("four", "multi", "oci", None),
    ];
    project.write(&images);
    project.succeed(&["lock"]);
    // Another project of the same user: a folder of its own, the same store.
    let other = project.path("other");
    fs::create_dir(&other).unwrap();
    for file in ["sealift.yaml", "sealift.lock"] {
        fs::copy(project.path(file), other.join(file)).unwrap();
    }
    let log = project.path("registry.log");
    let before = fs::metadata(&log).unwrap().len().try_into().unwrap();
    std::thread::scope(|scope| {
        for folder in [project.folder.path(), &other] {
            let mut command = sealift::command(folder);
            command.env("SEALIFT_CACHE", project.path("cache")).env("SOURCE_DATE_EPOCH", "1700000000");
            scope.spawn(move || peer::run(command.args(["run", "-n", "4", "images"])));
        }
    });
    let mut wanted = BTreeSet::new();
    for (name, _, tag, _) in images {
        let ours = project.path("_build/root/images").join(name).join(tag);
        let image = images::dir_layout::read(&ours).unwrap();
        assert_eq!(
            images::dir_layout::read(&other.join("_build/root/images").join(name).join(tag)).unwrap(),
            image
        );
        wanted.extend(image.blobs.iter().map(|blob| blob.digest.to_string()));
    }
    // The registry writes its log after the response.
    let began = Instant::now();
    let counts = loop {
        let counts = fetched(&log, before);
        if counts.len() >= wanted.len() || began.elapsed() > Duration::from_secs(300) {
            break counts;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let once = wanted.into_iter().map(|digest| (digest, 1)).collect();
    assert_eq!(counts, once);
}
