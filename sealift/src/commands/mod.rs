//! The commands, one file per noun.

pub(crate) mod archive;
pub(crate) mod build;
pub(crate) mod image;
pub(crate) mod iso;
pub(crate) mod lock;
pub(crate) mod package;
pub(crate) mod registry;

use crate::args::Command;
use crate::failure::Outcome;

pub(crate) fn dispatch(command: Command) -> Outcome {
    match command {
        Command::Run(arguments) => build::run(&arguments),
        Command::List(arguments) => build::list(&arguments),
        Command::Info(arguments) => build::info(&arguments),
        Command::Explain(arguments) => build::explain(&arguments),
        Command::Clean(arguments) => build::clean(&arguments),
        Command::Forget(arguments) => build::forget(&arguments),
        Command::Ignore(arguments) => build::ignore(&arguments),
        Command::ResetDep(arguments) => build::reset_dep(&arguments),
        Command::Lock(arguments) => lock::lock(&arguments),
        Command::Update(arguments) => lock::update(&arguments),
        Command::Schema(arguments) => build::schema(&arguments),
        Command::Completion { shell } => {
            clap_complete::generate(
                shell,
                &mut <crate::args::Arguments as clap::CommandFactory>::command(),
                "sealift",
                &mut std::io::stdout(),
            );
            Ok(())
        }
        Command::Iso(command) => iso::run(command),
        Command::Package(command) => package::run(command),
        Command::Image(command) => image::run(command),
        Command::Registry(command) => registry::run(command),
        Command::Archive(command) => archive::run(command),
    }
}
