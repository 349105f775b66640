//! Every error with help, as it is printed.

use std::io;
use std::path::PathBuf;

use super::{archives, images, iso, packages, project, serving};
use crate::failure::Failure;
use crate::output::failure_text;

fn path() -> PathBuf {
    PathBuf::from("/srv/metalk8s.iso")
}

fn of_archives() -> Vec<Failure> {
    use node::archives::Error;

    let id = || "metalk8s-2.11.0".to_owned();
    let mut failures: Vec<Failure> = [
        Error::Unverifiable(path()),
        Error::Changed(path()),
        Error::Present { id: id(), path: path() },
        Error::SamePrefix { id: id(), prefix: "metalk8s".into(), path: path() },
        Error::NoSolution { name: "example".into(), version: "2.0".into(), available: vec!["1.0".into()] },
        Error::NotForMetalk8s {
            name: "example".into(),
            version: "2.0".into(),
            file: "/etc/sealift/archives.yaml".into(),
        },
        Error::Active { id: id() },
        Error::InUse { id: id(), source: io::ErrorKind::ResourceBusy.into() },
        Error::Occupied { at: "/srv/scality/metalk8s-2.11.0".into() },
        Error::NotOurs("/etc/systemd/system/a.mount".into()),
        Error::Unnameable("/srv/a\nb".into()),
        Error::Unknown("metalk8s".into()),
        Error::NotMounted("metalk8s".into()),
    ]
    .into_iter()
    .map(archives::explained)
    .collect();
    failures.push(archives::none_readable());
    failures
}

fn of_serving() -> Vec<Failure> {
    use node::{client_config, nginx};

    let clients = [
        client_config::Error::NotOurs("/etc/yum.repos.d/sealift.repo".into()),
        client_config::Error::NoFolder("metalk8s.iso".into()),
        client_config::Error::Unusable {
            client: "apt",
            node: "http://[::1]".into(),
            reason: "it is an IPv6 address",
        },
        client_config::Error::Release { wanted: Some("9".into()), found: vec!["8".into()] },
        client_config::Error::NodeTwice("http://a".into()),
    ];
    let message = || "exit status: 1".to_owned();
    let of_nginx = [
        nginx::Error::NotMounted(path()),
        nginx::Error::Include { path: path(), problem: "a directive is not allowed".into() },
        nginx::Error::NotReloaded {
            file: "/etc/nginx/nginx.conf".into(),
            program: "nginx".into(),
            message: message(),
        },
        nginx::Error::Link("/srv/images".into()),
        nginx::Error::Refused { program: "nginx".into(), message: message() },
    ];
    let address = ([127, 0, 0, 1], 8080).into();
    clients
        .into_iter()
        .map(serving::client)
        .chain(of_nginx.into_iter().map(serving::nginx))
        .chain([serving::server(server::Error::InUse { address })])
        .collect()
}

fn of_images() -> Vec<Failure> {
    use ::images::Error;

    let digest = content::Digest::of(b"");
    vec![
        images::store(Error::StoreInUse { store: "/var/cache/sealift".into() }),
        images::index(Error::SizeMismatch { path: "images/a/1/manifest.json".into(), expected: 2, found: 1 }),
        images::index(Error::DigestMismatch { path: "images/a/1/b".into(), expected: digest, found: digest }),
    ]
}

fn of_isos() -> Vec<Failure> {
    use ::iso::Error;

    let limit = || Error::Limit { path: "tree/name".into(), limit: "bytes in a name", most: 253, found: 254 };
    vec![
        iso::create(Error::SpecialFile { path: "tree/socket".into(), kind: "socket" }),
        iso::create(limit()),
        iso::create(Error::Changed { path: "tree/file".into(), planned: 5, found: "3 bytes".into() }),
        iso::create(Error::Pattern { pattern: "[".into(), problem: "unclosed".into() }),
        iso::device(limit()),
    ]
}

fn of_projects() -> Vec<Failure> {
    use buildchain::project::{Error, Origin};
    use buildchain::tasks;

    let unfit = |links: &[&str], long: &[&str]| tasks::Error::Unfit {
        links: links.iter().map(ToString::to_string).collect(),
        long: long.iter().map(ToString::to_string).collect(),
    };
    vec![
        project::project(Error::NotLocked {
            origin: Origin { path: "sealift.yaml".into(), line: 7, column: 5 },
            image: "docker.io/library/alpine:3".into(),
        }),
        project::project(Error::NoProject("/home/user".into())),
        project::tasks(unfit(&["salt/a: leads to /etc"], &[])),
        project::tasks(unfit(&[], &["salt/b: a name of 254 bytes"])),
        project::tasks(unfit(&["salt/a: leads to /etc"], &["salt/b: a name of 254 bytes"])),
        project::run(tasks::ProjectRunError::ForeignTree("_build/root".into())),
        project::state(graph::StateError::Held {
            path: "_build/.sealift/state".into(),
            holder: "process 7: sealift run".into(),
        }),
        project::selection(graph::SelectError::Unknown { asked: "izo".into(), meant: vec!["iso".into()] }),
    ]
}

/// A change of words shows in review: `INSTA_UPDATE=always cargo test -p sealift remedies` accepts it.
#[test]
fn every_error_with_help_as_it_is_printed() {
    let mut text = String::new();
    let packages =
        packages::index(::packages::Error::Pattern { pattern: "[".into(), reason: "unclosed".into() });
    let failures = of_archives()
        .into_iter()
        .chain(of_serving())
        .chain(of_images())
        .chain(of_isos())
        .chain(of_projects())
        .chain([packages]);
    for failure in failures {
        let printed = failure_text(failure.report().unwrap());
        text.push_str(&format!("exit {}\n{}\n", failure.code(), anstream::adapter::strip_str(&printed)));
    }
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("errors", text);
    });
}
