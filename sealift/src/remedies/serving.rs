//! Help for errors about serving: the server, nginx, the clients.

use std::net::SocketAddr;

use node::{client_config, nginx};

use super::helped;
use crate::failure::Failure;

/// A client that cannot be configured.
pub(crate) fn client(error: client_config::Error) -> Failure {
    use client_config::Error;

    match error {
        Error::NotOurs(_) => Failure::failed(error).remedy("replace it with --force"),
        Error::NoFolder(_) => Failure::failed(error)
            .remedy("name the folder that it is mounted at; `sealift archive get` shows it"),
        Error::Unusable { .. } => {
            Failure::usage_by(error).remedy("name the node by its host name or its IPv4 address")
        }
        Error::Release { .. } => {
            Failure::usage_by(error).remedy("choose the release of the clients with --release")
        }
        Error::NoHost => Failure::usage_by(error)
            .remedy("name archives whose images have original names, or registries with --host"),
        Error::NoSigned => Failure::usage_by(error)
            .remedy("name archives whose projects have `spec.images.signatures`, or do without a policy"),
        Error::PolicyConflict { .. } => Failure::failed(error).remedy(
            "change it by hand to what the command prints without --root, or replace it with --force",
        ),
        Error::TwoRules(_) => {
            Failure::failed(error).remedy("give the images different names, or name one archive alone")
        }
        Error::Policy { .. } => Failure::failed(error).remedy("correct the file"),
        Error::ConfigPath(_)
        | Error::Node { .. }
        | Error::NoNode
        | Error::NodeTwice(_)
        | Error::Address(_)
        | Error::Twice(_) => Failure::usage_by(error),
        error => error.into(),
    }
}

/// A configuration of nginx that cannot be generated or installed.
pub(crate) fn nginx(error: nginx::Error) -> Failure {
    use nginx::Error;

    match error {
        Error::NotMounted(_) => Failure::failed(error).remedy(
            "mount it with `sealift archive import --mount kernel`; `sealift registry serve` needs no mount",
        ),
        Error::Include { .. } => Failure::failed(error).remedy(
            "serve this archive with `sealift registry serve`, which does not use its nginx configuration",
        ),
        Error::Value { what: "the address" | "the registry and address", .. } => Failure::usage_by(error)
            .remedy("give --listen a port, ADDRESS:PORT, or either after a registry: `docker.io=8201`"),
        Error::NotReloaded { .. } => Failure::failed(error)
            .remedy("nginx keeps its old configuration; re-run the command to retry the reload"),
        Error::Link(_) => Failure::failed(error)
            .remedy("an archive has no symbolic link here; copy the archive again from its source"),
        Error::Refused { .. } => Failure::failed(error).remedy("nginx keeps its old configuration"),
        Error::Value { .. } | Error::Twice(_) => Failure::usage_by(error),
        error => error.into(),
    }
}

/// An address that other machines can reach, without a certificate.
pub(crate) fn no_certificate(address: SocketAddr) -> Failure {
    Failure::usage(format!("other machines can reach {address}, and no certificate is given"))
        .remedy("add --tls-certificate and --tls-key, or --no-tls")
}

/// A server that cannot start.
pub(crate) fn server(error: server::Error) -> Failure {
    let in_use = matches!(error, server::Error::InUse { .. });
    let help = in_use.then_some("choose another port with --listen, or stop the program that listens there");
    helped(Failure::from(error), help)
}
