//! The program: parses the command line, runs the command, turns its outcome into an exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    claimwatch::cli::main(std::env::args_os(), std::env::vars_os())
}
