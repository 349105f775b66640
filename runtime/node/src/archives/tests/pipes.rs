//! Named pipes in place of files: opening one to read waits for a writer that may never come.

use std::path::Path;

use rustix::fs::{CWD, Mode, mkfifoat};

use super::{DELETE, Fake, Node, PLATFORM};
use crate::archives::{
    ImportOptions, MountChoice, MountOptions, configured, delete, get, import, mount, unit_name, unmount,
};
use crate::client_config::{self, ArchivePackages, HOST};
use crate::site_config::{ConfigurationKind, NodeConfiguration};
use crate::{copy, nginx, push};

fn pipe(path: &Path) {
    let _ = std::fs::remove_file(path);
    mkfifoat(CWD, path, Mode::from_raw_mode(0o644)).unwrap();
}

/// Asserts that an operation failed at once, with the reason.
fn refused<T: std::fmt::Debug, E: std::fmt::Display>(what: &str, result: Result<T, E>) {
    match result {
        Err(error) => assert!(error.to_string().contains("a named pipe"), "{what}: {error}"),
        Ok(done) => panic!("{what}: {done:?}"),
    }
}

#[test]
fn a_pipe_in_place_of_an_archive_is_refused_at_once() {
    let (node, machine) = (Node::new(), Fake::default());
    let archive = node.root.path().join("metalk8s.iso");
    pipe(&archive);
    let options = MountOptions { at: None, verify: true, mounting: MountChoice::Auto, dry_run: false };
    refused("import", import(&node.paths, &archive, &ImportOptions::default(), &machine, &()));
    refused("mount", mount(&node.paths, &archive, &options, &machine, &()));
    refused("packages", ArchivePackages::of(&archive));
    refused("push", push::ArchiveImages::open(&archive));
    refused("copy", copy::Recipe::of(&archive, &()));
    refused(
        "verify",
        archive::verify::Verification::open(&archive, &archive::verify::VerifyOptions::default()),
    );
    refused("nginx", nginx::configuration(std::slice::from_ref(&archive), &nginx::NginxOptions::default()));
    assert!(unmount(&node.paths, archive.to_str().unwrap(), false, &machine).is_err());

    // An archive that the configuration lists is reported, and can be removed from the list.
    let real = node.archive("real.iso", PLATFORM);
    node.import(&real, &machine).unwrap();
    pipe(&real);
    let listed = get(&node.paths, &machine).unwrap();
    assert!(listed[0].problem.as_ref().is_some_and(|text| text.contains("a named pipe")), "{listed:?}");
    delete(&node.paths, real.to_str().unwrap(), &DELETE, &machine).unwrap();
    assert!(configured(&node.paths).unwrap().is_empty());
}

#[test]
fn a_pipe_in_place_of_a_configuration_is_refused_at_once() {
    let (node, machine) = (Node::new(), Fake::default());
    let archive = node.archive("metalk8s.iso", PLATFORM);
    pipe(&node.paths.bootstrap);
    refused("read", NodeConfiguration::read(&node.paths.bootstrap, ConfigurationKind::Bootstrap));
    refused("configured", configured(&node.paths));
    refused("import", node.import(&archive, &machine));
    refused("get", get(&node.paths, &machine));

    let node = Node::new();
    let archive = node.archive("metalk8s.iso", PLATFORM);
    let unit = node.paths.units.join(unit_name(&node.paths.mounts.join("metalk8s-2.10.0")));
    pipe(&unit);
    let error = node.import(&archive, &machine).unwrap_err();
    assert!(error.to_string().contains("was not written by sealift"), "{error}");

    let nodes = ["http://10.0.0.1".parse().unwrap()];
    let file = client_config::crio(HOST, &nodes).unwrap();
    let place = node.root.path().join(&file.path);
    std::fs::create_dir_all(place.parent().unwrap()).unwrap();
    pipe(&place);
    refused("clients", client_config::write(node.root.path(), &[file], true));
    let config = node.root.path().join("nginx.conf");
    pipe(&config);
    refused("nginx", nginx::install("", &config, "true".as_ref(), "/none".as_ref(), |_| {}));
}

#[test]
fn a_configuration_file_that_never_ends_is_refused() {
    let node = Node::new();
    let file = std::fs::File::create(&node.paths.bootstrap).unwrap();
    file.set_len(1 << 40).unwrap();
    let error = configured(&node.paths).unwrap_err().to_string();
    assert!(error.contains("larger than the limit"), "{error}");
    // Its size is meaningless.
    std::fs::remove_file(&node.paths.bootstrap).unwrap();
    std::os::unix::fs::symlink("/dev/zero", &node.paths.bootstrap).unwrap();
    let error = configured(&node.paths).unwrap_err().to_string();
    assert!(error.contains("a character device"), "{error}");
}
