//! `sealift node`: changes of a whole node, whose cluster's part is done by hooks.

mod backup;
mod bootstrap;
mod care;
mod change_version;
mod difference;
mod hooks;
mod restore;
mod run_hooks;

use clap::Subcommand;
use node::change_version::Direction;

use crate::failure::CommandResult;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make this machine the bootstrap node that serves an archive
    ///
    /// Checks the machine, imports the archive, configures its package repositories, installs its packages, loads its image tars into
    /// containerd, makes a certificate, starts the registry and lets clients through the firewall.
    #[command(after_help = "Examples:\n  sealift node bootstrap /srv/scality/metalk8s-2.11.0 --dry-run\n  \
                      sealift node bootstrap metalk8s-2.11.0.iso --ca-certificate site.crt --ca-key site.key\n\n\
                      The script bootstrap.sh of an archive runs this command for that archive. Re-run it after a failure: it continues.\n\n\
                      Exit codes: 0 success, 1 a check or a hook failed")]
    Bootstrap(Box<bootstrap::Arguments>),
    /// Back up the node's configuration, certificates, keys and list of archives
    #[command(after_help = "Examples:\n  sealift node backup\n  sealift node backup --keep 10 --dry-run\n\n\
                            Archives are not in the backup; it lists them with their digests. It has private keys.")]
    Backup(Box<backup::Arguments>),
    /// Restore a backup on this node, whole or not at all, and mount its archives
    #[command(
        after_help = "Examples:\n  sealift node restore --backup-file /var/lib/metalk8s/backup_20261129_160918.tar.gz --dry-run\n  \
                      sealift node restore --backup-file backup.tar.gz --apiserver-node-ip 10.0.0.2\n\n\
                      Re-run the command to finish an interrupted restoration. Restore only backups that you trust."
    )]
    Restore(Box<restore::Arguments>),
    /// Change the node to a newer version of its archives
    #[command(after_help = "Examples:\n  sealift node upgrade --destination-version 2.11.0 --dry-run\n  \
                      sealift node upgrade --destination-version 2.11.0\n\n\
                      Re-run the command to finish an interrupted upgrade. A failed upgrade leaves the node as it was.")]
    Upgrade(Box<change_version::Arguments>),
    /// Change the node to an older version of its archives
    #[command(after_help = "Examples:\n  sealift node downgrade --destination-version 2.10.0 --dry-run\n  \
                      sealift node downgrade --destination-version 2.10.0\n\n\
                      Re-run the command to finish an interrupted downgrade. A failed downgrade leaves the node as it was.")]
    Downgrade(Box<change_version::Arguments>),
    /// List the hooks of each step, in the order in which they run
    #[command(
        after_help = "Examples:\n  sealift node hooks\n  sealift node hooks --archive /srv/scality/metalk8s-2.11.0\n\n\
                      Hooks are executable files in /etc/metalk8s/hooks.d/STEP/ and in hooks/STEP/ of the archive."
    )]
    Hooks(hooks::Arguments),
    /// Run the hooks of one step, to try them or to repeat those that failed
    #[command(
        after_help = "Examples:\n  sealift node run-hooks post-upgrade --to-version 2.11.0\n  sealift node run-hooks backup --dry-run\n\n\
                      Exit codes: 0 success, 1 a hook failed; the hooks after it were not run"
    )]
    RunHooks(Box<run_hooks::Arguments>),
}

pub(crate) fn run(command: &Command) -> CommandResult {
    match command {
        Command::Bootstrap(arguments) => bootstrap::run(arguments),
        Command::Backup(arguments) => backup::run(arguments),
        Command::Restore(arguments) => restore::run(arguments),
        Command::Upgrade(arguments) => change_version::run(arguments, Direction::Upgrade),
        Command::Downgrade(arguments) => change_version::run(arguments, Direction::Downgrade),
        Command::Hooks(arguments) => hooks::run(arguments),
        Command::RunHooks(arguments) => run_hooks::run(arguments),
    }
}
