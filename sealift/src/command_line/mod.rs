//! The command line as a whole: its commands in groups, the global options, hints for near misses.

#[cfg(test)]
mod documented;
pub(crate) mod groups;
pub(crate) mod suggest;
#[cfg(test)]
mod tests;
pub(crate) mod unparsed;

use clap::{Args, CommandFactory as _, Parser};

use crate::commands::Command;
use crate::output::Level;

/// Pack images, packages and states into one verifiable ISO, and serve it
#[derive(Debug, Parser)]
#[command(
    name = "sealift",
    version,
    max_term_width = 110,
    arg_required_else_help = true,
    after_help = "Exit codes: 0 success, 1 a task or a check failed, 2 an error ended the command,\n\
                  3 the command line or the configuration is invalid, 128+n signal n."
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The options of every command, before or after its name.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Print no notes and no progress, only reports, warnings and errors
    #[arg(long, short, global = true)]
    quiet: bool,
    /// Also print the causes of errors and the programs that are run
    #[arg(long, short, global = true)]
    verbose: bool,
    /// Color the output: auto, always or never
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "WHEN",
        default_value_t,
        hide_possible_values = true
    )]
    color: Color,
}

/// When colors are used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Color {
    #[default]
    Auto,
    Always,
    Never,
}

impl Color {
    /// Applies this to all further output.
    pub(crate) fn apply(self) {
        match self {
            Self::Auto => anstream::ColorChoice::Auto,
            Self::Always => anstream::ColorChoice::Always,
            Self::Never => anstream::ColorChoice::Never,
        }
        .write_global();
    }
}

impl Global {
    /// How much is written.
    ///
    /// # Errors
    ///
    /// Both options are given.
    pub(crate) fn level(&self) -> Result<Level, &'static str> {
        match (self.quiet, self.verbose) {
            (true, true) => Err("--quiet and --verbose exclude each other"),
            (true, false) => Ok(Level::Quiet),
            (false, true) => Ok(Level::Verbose),
            (false, false) => Ok(Level::Normal),
        }
    }

    /// When colors are used.
    pub(crate) fn color(&self) -> Color {
        self.color
    }
}

/// The command line with its groups: the same in every environment and under every name of the program.
pub(crate) fn command() -> clap::Command {
    groups::grouped(same_everywhere(Arguments::command().bin_name("sealift")))
}

/// Leaves the values of environment variables out of the help.
fn same_everywhere(command: clap::Command) -> clap::Command {
    command.mut_args(|arg| arg.hide_env_values(true)).mut_subcommands(same_everywhere)
}
