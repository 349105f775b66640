//! The commands, one file per noun.

pub(crate) mod archive;
pub(crate) mod cache;
pub(crate) mod client;
pub(crate) mod clients;
pub(crate) mod image;
pub(crate) mod iso;
pub(crate) mod lock;
pub(crate) mod man;
pub(crate) mod nginx;
pub(crate) mod node;
pub(crate) mod nodes;
pub(crate) mod package;
pub(crate) mod push;
pub(crate) mod registry;
pub(crate) mod run;
pub(crate) mod serve;
pub(crate) mod solution;
pub(crate) mod tasks;

use crate::args::Command;
use crate::completion;
use crate::failure::Outcome;
use crate::output;

pub(crate) fn dispatch(command: Command) -> Outcome {
    match command {
        Command::Run(arguments) => run::run(&arguments),
        Command::Lint(arguments) => run::lint(&arguments),
        Command::Watch(arguments) => run::watch(&arguments),
        Command::List(arguments) => tasks::list(&arguments),
        Command::Info(arguments) => tasks::info(&arguments),
        Command::Explain(arguments) => tasks::explain(&arguments),
        Command::Graph(arguments) => tasks::draw(&arguments),
        Command::Clean(arguments) => tasks::clean(&arguments),
        Command::Forget(arguments) => tasks::forget(&arguments),
        Command::Ignore(arguments) => tasks::ignore(&arguments),
        Command::ResetDep(arguments) => tasks::reset_dep(&arguments),
        Command::Lock(arguments) => lock::lock(&arguments),
        Command::Update(arguments) => lock::update(&arguments),
        Command::Schema(arguments) => tasks::schema(&arguments),
        Command::Cache(command) => cache::run(&command),
        Command::Completion { shell } => completion::script(shell),
        Command::Complete { index, words } => completion::complete(index, words),
        Command::Iso(command) => iso::run(command),
        Command::Package(command) => package::run(command),
        Command::Image(command) => image::run(command),
        Command::Registry(command) => registry::run(command),
        Command::Archive(command) => archive::run(command),
        Command::Solution(command) => solution::run(&command),
        Command::Serve(arguments) => serve::run(*arguments),
        Command::Man { into } => man::write(&into),
        Command::Version => {
            output::print(concat!("sealift ", env!("CARGO_PKG_VERSION"), "\n"))?;
            Ok(())
        }
        Command::Repository(command) => clients::repository(&command),
    }
}
