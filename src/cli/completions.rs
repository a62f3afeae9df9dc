//! `completions`: what a shell has to know to complete these commands.

use std::io::{self, Write as _};

use clap_complete::Shell;

use crate::exit;

/// For which shell.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The shell
    shell: Shell,
}

pub(super) fn run(args: &Args) -> u8 {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::command(), "claimwatch", &mut script);
    if io::stdout().lock().write_all(&script).is_ok() { exit::OK } else { exit::FAILURE }
}
