//! `metalk8s.archives`: mounted, unmounted, configured.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use tests::mounts::{Disk, fuse};
use tests::{peer, sealift};

use super::{BOOTSTRAP, Node, bootstrap, iso};

#[test]
fn archives_become_those_of_the_node_and_stay_so() {
    let Some(node) = Node::rocky("") else { return };
    let one = iso(&node, "one", &[("product.txt", "NAME=MetalK8s\nVERSION=2.11.0-dev\n")]);
    let two = iso(&node, "two", &[("product.txt", "NAME=MetalK8s\nVERSION=2.10.0\n")]);
    fs::write(node.path("bootstrap.yaml"), bootstrap(&[&one])).unwrap();
    // What is listed is imported already, as long as it is not to be mounted.
    let run = node.apply("metalk8s.archives", &json!({}));
    assert!(run.success && run.results() == [(true, false)], "{}", run.said);

    let configure = |more: &Value| {
        let mut pillar: Value =
            serde_json::from_str(node.pillar(&json!({})).trim_start_matches("pillar=")).unwrap();
        pillar["archives"] = json!([&two]);
        pillar.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        node.call(&["state.apply", "metalk8s.archives.configured", &format!("pillar={pillar}")])
    };
    for (more, listed) in [(json!({}), true), (json!({"remove": true}), false)] {
        let run = configure(&more);
        assert!(run.success && run.results() == [(true, true)], "{}", run.said);
        let text = fs::read_to_string(node.path("bootstrap.yaml")).unwrap();
        assert_eq!(text.contains(two.to_str().unwrap()), listed, "{text}");
        let again = configure(&more);
        assert!(again.success && again.results() == [(true, false)], "{}", again.said);
    }

    // A damaged one is refused, with what is wrong.
    let mut bytes = fs::read(&two).unwrap();
    let at = bytes.windows(4).rposition(|window| window == b"NAME").unwrap();
    bytes[at] = b'G';
    fs::write(&two, bytes).unwrap();
    let run = configure(&json!({}));
    assert!(!run.success && run.results() == [(false, false)], "{}", run.said);
}

#[test]
fn what_was_mounted_and_is_listed_no_more_is_unmounted() {
    let Some(node) = Node::rocky("") else { return };
    let one = iso(&node, "one", &[("product.txt", "NAME=MetalK8s\nVERSION=2.11.0-dev\n")]);
    let two = iso(&node, "two", &[("product.txt", "NAME=MetalK8s\nVERSION=2.10.0\n")]);
    fs::write(node.path("bootstrap.yaml"), bootstrap(&[&one, &two])).unwrap();
    let srv = node.path("srv");
    fs::create_dir(&srv).unwrap();
    // What is mounted on it goes with it.
    let (Some(_disk), true) = (Disk::mount(&srv, "size=1m"), fuse()) else { return };
    let (first, second) = (srv.join("metalk8s-2.11.0-dev"), srv.join("metalk8s-2.10.0"));
    let mounted =
        |at: &Path| fs::read_to_string("/proc/self/mounts").unwrap().contains(&format!(" {} ", at.display()));
    for archive in [&one, &two] {
        let mut command = sealift::command(node.scratch.path());
        command.args(["archive", "mount", "--by", "fuse", "--lock-file", "lock", "--mounts"]);
        peer::run(command.arg(&srv).arg(archive));
    }
    // By the kernel there would be a unit of systemd.
    let gone = srv.join("gone-1.0");
    fs::create_dir_all(&gone).unwrap();
    fs::create_dir(node.path("units")).unwrap();
    let unit = node.path("units").join(node::archives::unit_name(&gone));
    fs::write(&unit, node::archives::unit_content(Path::new("/gone.iso"), &gone, false)).unwrap();
    let states = "metalk8s.archives.mounted,metalk8s.archives.unmounted";

    let run = node.apply(states, &json!({}));
    assert!(run.success && run.changes() == 1, "{}", run.said);
    assert!(!unit.exists() && !gone.exists());
    fs::write(node.path("bootstrap.yaml"), bootstrap(&[&one])).unwrap();
    let run = node.apply(states, &json!({}));
    assert!(run.success && run.changes() == 1, "{}", run.said);
    assert!(mounted(&first) && !mounted(&second) && !second.exists());
    node.apply(states, &json!({})).assert_unchanged();
}

#[test]
fn an_archive_that_cannot_be_is_named() {
    let Some(node) = Node::rocky(BOOTSTRAP) else { return };
    for (archive, expected) in [
        (
            "/archives/missing.iso",
            "/archives/missing.iso: cannot read product.txt: /archives/missing.iso: no such file",
        ),
        ("/archives/evil.iso", "'../../etc' is no version"),
        ("/archives/same.iso", "/archives/same.iso and /archives/two.iso are both version 2.10.0"),
        ("relative.iso", "expected an absolute path"),
        ("'/archives/a b.iso'", "expected an absolute path"),
    ] {
        fs::write(node.path("bootstrap.yaml"), BOOTSTRAP.replace("/archives/one.iso", archive)).unwrap();
        let run = node.show("metalk8s.archives", &json!({}));
        assert!(!run.success && run.said.contains(expected), "{archive}: {}", run.said);
    }
}
