//! `check`: everything that is wrong with the configuration, at once.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _};

use super::{ConfigArg, complain, load, say, webhooks};
use crate::clock::SystemClock;
use crate::exit;

pub(super) fn run(config: &ConfigArg, environment: &BTreeMap<String, String>, clock: SystemClock) -> u8 {
    let no_color = environment.get("NO_COLOR").is_some_and(|value| !value.is_empty());
    let loaded = load(config, environment.clone(), clock);
    if !loaded.problems.is_empty() {
        complain(&loaded.problems.render(io::stderr().is_terminal() && !no_color));
    }
    let Some(good) = &loaded.config else { return exit::CONFIG };
    let secrets = webhooks::secrets(good, environment);
    for line in &secrets.errors {
        complain(&format!("error: {line}"));
    }
    let told: Vec<&String> = secrets.warnings.iter().chain(&secrets.not_handed).collect();
    for line in &told {
        complain(&format!("warning: {line}"));
    }
    if loaded.problems.errors() + secrets.errors.len() > 0 {
        return exit::CONFIG;
    }
    let warnings = loaded.problems.warnings() + told.len();
    let orders: usize = loaded.lists.iter().map(|list| list.entries.len()).sum();
    let lists = counted(loaded.lists.len(), "watch list");
    let noted = if warnings > 0 { format!(", {}", counted(warnings, "warning")) } else { String::new() };
    say(&format!("{}: good; {} in {lists}{noted}", config.config.display(), counted(orders, "order")));
    exit::OK
}

fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}
