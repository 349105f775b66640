//! `sealift repository`: the package repositories of archives, for dnf and apt.

mod apt_config;
mod dnf_config;
mod packages;

use clap::Subcommand;

use crate::failure::CommandResult;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Configure dnf and yum: every RPM repository of the archives, on all nodes
    #[command(
        after_help = "Examples:\n  sealift repository dnf-config --configured --node http://10.0.0.1:8080 --node http://10.0.0.2:8080 --root /\n  \
                            sealift repository dnf-config --served metalk8s-2.11.0/redhat/8/scality-el8 --node http://10.0.0.1:8080 --root /\n  \
                            sealift repository dnf-config --folders /srv/scality/metalk8s-2.11.0 --release 8 --root /"
    )]
    DnfConfig(dnf_config::Arguments),
    /// Configure apt: every DEB repository of the archives, on all nodes
    AptConfig(apt_config::Arguments),
}

pub(crate) fn run(command: &Command) -> CommandResult {
    match command {
        Command::DnfConfig(arguments) => dnf_config::run(arguments),
        Command::AptConfig(arguments) => apt_config::run(arguments),
    }
}
