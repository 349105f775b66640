//! The `sealift` binary: everything is in the library beside it.

use std::process::ExitCode;

fn main() -> ExitCode {
    sealift::run(std::env::args_os())
}
