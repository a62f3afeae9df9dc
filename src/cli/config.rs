//! `config show`: every setting of the main configuration, and where it comes from.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::known::{as_json, told};
use super::text::{Tone, clean, paint};
use super::{ConfigArg, colours, complain, load_main};
use crate::clock::SystemClock;
use crate::config::Setting;
use crate::exit;

/// What to do with the configuration.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Show every setting that is in force after a start, defaults included
    Show(Show),
}

/// How to show it.
#[derive(Debug, clap::Args)]
struct Show {
    #[command(flatten)]
    config: ConfigArg,
    /// Add where each comes from: the file and line, the variable, or that it is a default
    #[arg(long)]
    origin: bool,
    /// Print a JSON array
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args, environment: BTreeMap<String, String>, clock: SystemClock) -> u8 {
    let What::Show(args) = &args.what;
    let colour = colours(&environment);
    let loaded = load_main(&args.config, environment, clock);
    if loaded.config.is_none() {
        complain(&loaded.problems.render(false));
        return exit::CONFIG;
    }
    let settings = &loaded.settings;
    told(if args.json { as_json(settings) } else { Ok(render(settings, args.origin, colour)) })
}

/// As TOML with dotted keys: what is printed can be a configuration again, but for what is starred out.
fn render(settings: &[Setting], origin: bool, colour: bool) -> String {
    let mut text = String::new();
    for setting in settings {
        if origin {
            let line = setting.line.map(|line| format!(":{line}")).unwrap_or_default();
            let from = format!("# {}{line}", clean(&setting.origin));
            let _infallible = writeln!(text, "{}", paint(&from, Tone::Dim, colour));
        }
        let _infallible = writeln!(text, "{} = {}", setting.key, clean(&setting.value));
    }
    text
}
