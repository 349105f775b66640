//! What the lock file must have before tasks run.

use content::Digest;

use super::*;
use crate::project::LockFile;

fn check(place: &TestProject, tasks: &[&str]) -> Result<(), String> {
    let (project, plan) = place.plan_in(None).unwrap();
    let graph = graph(&project, plan.tasks, &plan.origins).unwrap();
    let selection = graph.select(tasks).unwrap();
    let root = format!("{}/", place.root().display());
    check_locked(&project, &graph, &selection).map_err(|error| error.to_string().replace(&root, ""))
}

#[test]
fn selected_tasks_need_their_digests_in_the_lock_file_each_at_the_entry_that_names_it() {
    let spec = format!(
        "images:\n    pull:\n      - {{name: free, source: registry.invalid/free, tag: '1'}}\n      \
         - {{name: signed, source: registry.invalid/signed, tag: '1', digest: 'sha256:{}', referrers: true}}\n      \
         - {{name: twin, source: registry.invalid/free, tag: '1', referrers: true}}\n    build: [images/own]\n  \
         files: [{{from: salt, to: salt}}]",
        "a".repeat(64)
    );
    let place = TestProject::new(&spec);
    place.write("salt/top.sls", "");
    place.write("images/own/image.yaml", "base: registry.invalid/base:3\n");
    let [free, signed, base] = [
        "sealift.yaml:7:16: registry.invalid/free:1",
        "sealift.yaml:8:16: the referrer list of registry.invalid/signed:1",
        "sealift.yaml:10:13: registry.invalid/base:3",
    ]
    .map(|start| format!("{start} is not locked: sealift.lock does not have it"));
    let twin = free.replace(":7:", ":9:");
    for (tasks, expected) in [
        (&["salt_tree"][..], &[][..]),
        (&["images:own"], &[&base][..]),
        (&["_image_pull:signed:1"], &[&signed]),
        (&["images:signed:1"], &[&signed]),
        (&["images:twin:1"], &[&twin]),
        (&["_registry_index"], &[&free, &signed, &base]),
        (&["iso"], &[&free, &signed, &base]),
    ] {
        let lines: Vec<String> = expected.iter().map(|line| (*line).clone()).collect();
        assert_eq!(check(&place, tasks).err().unwrap_or_default(), lines.join("\n"), "{tasks:?}");
    }

    let digest = Digest::of(b"");
    let mut lock = LockFile::default();
    for reference in ["registry.invalid/free:1", "registry.invalid/base:3"] {
        lock.set(reference.parse().unwrap(), digest);
    }
    for reference in ["registry.invalid/free:1", "registry.invalid/signed:1"] {
        lock.set_referrers(reference.parse().unwrap(), BTreeMap::from([(digest.into(), digest)]));
    }
    lock.write(&place.root()).unwrap();
    check(&place, &["iso"]).unwrap();
}
