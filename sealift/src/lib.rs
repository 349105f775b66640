//! The command line of Sealift: arguments, progress, messages and exit codes; thin, and ignorant of every format.
//!
//! ```
//! // `sealift --version` prints and succeeds; a misspelt command is exit code 3.
//! assert_eq!(sealift::run(["sealift", "--version"]), std::process::ExitCode::SUCCESS);
//! assert_eq!(sealift::run(["sealift", "archve"]), std::process::ExitCode::from(3));
//! ```
#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests use folders of their own"))]

mod args;
mod command_line;
mod commands;
mod completion;
mod failure;
mod output;
mod progress;
mod session;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{ArgMatches, FromArgMatches as _};

use failure::Failure;
use output::ReportForm;

/// Runs the command line `arguments`, the program's name first. What it reports goes to standard output, everything else to
/// standard error.
///
/// The exit code is 0 for success, 1 for a task or a verification that failed, 2 for a command that broke off, 3 for a wrong
/// command line or configuration, 128 + n for signal n.
pub fn run<I, T>(arguments: I) -> ExitCode
where
    I: IntoIterator<Item = T>,
    T: Into<OsString> + Clone,
{
    let words = command_line::verbosity::current(arguments.into_iter().map(Into::into).collect());
    command_line::verbosity::color(&words).apply();
    let mut command = command_line::command();
    let parsed = command.try_get_matches_from_mut(&words).and_then(|matches| {
        let arguments = command_line::Arguments::from_arg_matches(&matches);
        Ok((arguments.map_err(|error| error.format(&mut command))?, wanted_form(&matches)))
    });
    let (arguments, form) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => {
            let error = command_line::suggest::near(error, &command);
            // A broken pipe while help is printed is nobody's concern.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(3) } else { ExitCode::SUCCESS };
        }
    };
    arguments.global.color().apply();
    let outcome = match arguments.global.level() {
        Ok(level) => {
            output::set_level(level);
            commands::dispatch(arguments.command, command_line::command)
        }
        Err(message) => Err(Failure::usage(message)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) if is_broken_pipe(&failure) => ExitCode::SUCCESS,
        Err(failure) => {
            output::failure(&failure);
            if let Some(form) = form {
                output::document_failure(&failure, form);
            }
            ExitCode::from(failure.code())
        }
    }
}

/// The form in which the command reports to programs, if it does.
fn wanted_form(matches: &ArgMatches) -> Option<ReportForm> {
    let mut command = Some(matches);
    while let Some(matches) = command {
        // Some commands have something else under this name.
        if let Ok(Some(form)) = matches.try_get_one::<ReportForm>("output")
            && *form != ReportForm::Text
        {
            return Some(*form);
        }
        command = matches.subcommand().map(|(_, matches)| matches);
    }
    None
}

/// Whether the reader of our output went away, as `head` does.
fn is_broken_pipe(failure: &Failure) -> bool {
    failure.report().is_some_and(|report| {
        report
            .error
            .downcast_ref::<std::io::Error>()
            .is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
    })
}
