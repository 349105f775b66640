//! `sealift node`: changes of a whole node, whose cluster's part is done by hooks.

mod bootstrap;
mod hooks;
mod run_hooks;

use clap::Subcommand;

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
    /// List the hooks of each step, in the order in which they run
    #[command(
        after_help = "Examples:\n  sealift node hooks\n  sealift node hooks upgrade --archive /srv/scality/metalk8s-2.11.0\n\n\
                      Hooks are executable files in /etc/metalk8s/hooks.d/STEP/ and in hooks/STEP/ of the archive."
    )]
    Hooks(hooks::Arguments),
    /// Run the hooks of one step, to try them or to repeat those that failed
    #[command(
        after_help = "Examples:\n  sealift node run-hooks post-upgrade --to-version 2.11.0\n  sealift node run-hooks backup --dry-run\n\n\
                      Exit codes: 0 success, 1 a hook failed; the hooks after it were not run"
    )]
    RunHooks(run_hooks::Arguments),
}

pub(crate) fn run(command: &Command) -> CommandResult {
    match command {
        Command::Bootstrap(arguments) => bootstrap::run(arguments),
        Command::Hooks(arguments) => hooks::run(arguments),
        Command::RunHooks(arguments) => run_hooks::run(arguments),
    }
}
