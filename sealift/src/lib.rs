//! The command line of Sealift: arguments, progress, messages and exit codes; thin, and ignorant of every format.
//!
//! ```
//! // `sealift --version` prints and succeeds; a misspelt command is exit code 3.
//! assert_eq!(sealift::run(["sealift", "--version"]), std::process::ExitCode::SUCCESS);
//! assert_eq!(sealift::run(["sealift", "archve"]), std::process::ExitCode::from(3));
//! ```

mod args;
mod commands;
mod completion;
mod failure;
mod output;
mod progress;
mod workshop;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{ArgMatches, CommandFactory as _, FromArgMatches as _};

use failure::Failure;

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
    let mut command = args::Arguments::command();
    let parsed = command.try_get_matches_from_mut(arguments).and_then(|matches| {
        let arguments = args::Arguments::from_arg_matches(&matches);
        Ok((arguments.map_err(|error| error.format(&mut command))?, wants_json(&matches)))
    });
    let (arguments, json) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => {
            // A broken pipe while help is printed is nobody's concern.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(3) } else { ExitCode::SUCCESS };
        }
    };
    match commands::dispatch(arguments.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) if is_broken_pipe(&failure) => ExitCode::SUCCESS,
        Err(failure) => {
            output::failure(&failure);
            if json {
                output::json_failure(&failure);
            }
            ExitCode::from(failure.code())
        }
    }
}

/// Whether the command reports in JSON.
fn wants_json(matches: &ArgMatches) -> bool {
    let mut command = Some(matches);
    while let Some(matches) = command {
        // Some commands have a file under this name.
        if let Ok(Some(output::Form::Json)) = matches.try_get_one("output") {
            return true;
        }
        if let Ok(Some(output::ReportForm::Json)) = matches.try_get_one("output") {
            return true;
        }
        command = matches.subcommand().map(|(_, matches)| matches);
    }
    false
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
