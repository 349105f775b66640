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
mod page;
mod progress;
mod rebuild;
mod reference;
mod remedies;
mod session;
mod signals;
mod terminal;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::FromArgMatches as _;

use failure::Failure;
use output::ReportForm;

/// Runs the command line `arguments`, the program's name first. Reports go to standard output, everything else to standard
/// error.
///
/// The exit code is 0 for success, 1 for a task or a verification that failed, 2 for an error that ended the command, 3 for a wrong
/// command line or configuration, 128 + n for signal n.
pub fn run<I, T>(arguments: I) -> ExitCode
where
    I: IntoIterator<Item = T>,
    T: Into<OsString> + Clone,
{
    let words = command_line::unparsed::current(arguments.into_iter().map(Into::into).collect());
    command_line::unparsed::color(&words).apply();
    output::set_wanted(command_line::unparsed::form(&words));
    let mut command = command_line::command();
    let parsed = command.try_get_matches_from_mut(&words).and_then(|matches| {
        command_line::Arguments::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
    });
    let arguments = match parsed {
        Ok(parsed) => parsed,
        Err(error) => return refused(command_line::suggest::near(error, &command, &words), &words),
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
            ExitCode::from(failure.code())
        }
    }
}

/// Prints the help that was asked for, or why the command line is wrong.
fn refused(error: clap::Error, words: &[OsString]) -> ExitCode {
    if !error.use_stderr() {
        // A broken pipe while help is printed is nobody's concern.
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    match command_line::unparsed::form(words) {
        ReportForm::Text => drop(error.print()),
        form => output::document_failure(&command_line::suggest::document(&error), form),
    }
    ExitCode::from(3)
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
