//! The `starling` program: reads the command line, does it, ends with its exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    starling::cli::run().into()
}
