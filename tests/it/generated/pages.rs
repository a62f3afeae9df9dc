//! Manual pages and completions, from the command line's own description and the documents.

use std::collections::BTreeMap;
use std::path::Path;

use clap_complete::Shell;

use super::manual::{self, About};
use super::{compare, read};

const VERSION: &str = concat!("claimwatch ", env!("CARGO_PKG_VERSION"));

/// One page for the program, one for each of its commands, and one for its configuration.
fn made() -> BTreeMap<String, String> {
    let folder = tempfile::tempdir().unwrap();
    clap_mangen::generate_to(claimwatch::cli::command(), folder.path()).unwrap();
    let mut pages = BTreeMap::new();
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        pages.insert(name, std::fs::read_to_string(entry.path()).unwrap());
    }
    pages.get_mut("claimwatch.1").unwrap().push_str(&rest_of_the_program());
    let about = About {
        name: "claimwatch.toml",
        section: 5,
        title: "the configuration of claimwatch",
        version: VERSION,
        see_also: &["claimwatch(1)"],
    };
    pages.insert("claimwatch.toml.5".to_owned(), manual::page(&about, &read("docs/configuration.md")));
    pages
}

/// What the command line does not know of itself.
fn rest_of_the_program() -> String {
    let readme = read("README.md");
    let after = readme.split_once("\n## Exit codes\n").unwrap().1;
    let codes = after.split_once("\n## ").unwrap().0;
    let files = read("tests/it/generated/files.md");
    manual::sections(&format!("## Exit status\n{codes}\n{files}"))
}

#[test]
fn manual_pages_are_as_they_would_be_made() {
    let pages = made();
    assert!(pages.len() > 5, "{:?}", pages.keys());
    compare("man", &pages);
}

#[test]
fn every_command_has_a_page_and_the_unit_names_one() {
    let mut command = claimwatch::cli::command();
    command.build();
    let page = |name: &str| Path::new(super::ROOT).join(format!("man/{name}.1")).is_file();
    let commands: Vec<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
    let missing: Vec<&&str> =
        commands.iter().filter(|name| **name != "help" && !page(&format!("claimwatch-{name}"))).collect();
    assert!(commands.len() > 8 && missing.is_empty(), "{missing:?}");
    assert!(read("systemd/claimwatch.service").contains("man:claimwatch(1)"));
}

#[test]
fn completions_are_as_they_would_be_made() {
    let shells =
        [("claimwatch.bash", Shell::Bash), ("_claimwatch", Shell::Zsh), ("claimwatch.fish", Shell::Fish)];
    let made = shells.map(|(name, shell)| {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut claimwatch::cli::command(), "claimwatch", &mut script);
        (name.to_owned(), String::from_utf8(script).unwrap())
    });
    compare("completions", &made.into());
}
