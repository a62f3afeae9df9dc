//! What is shipped and made from something else: manual pages, completions, the message catalog, the examples of events.
//! Each is compared with what would be made now; `UPDATE_EXPECT=1 cargo test --test it generated` makes them anew.
#![expect(clippy::unwrap_used, reason = "what cannot be read here is a failed test")]

mod catalog;
mod examples;
mod manual;
mod pages;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::support::expect;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(ROOT).join(path)).unwrap()
}

/// Compares a folder with the files that it should have, by name.
fn compare(folder: &str, made: &BTreeMap<String, String>) {
    for (name, text) in made {
        expect::same(&format!("{folder}/{name}"), text);
    }
    for entry in fs::read_dir(Path::new(ROOT).join(folder)).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(made.contains_key(&name), "{folder}/{name} is not made any more: remove it");
    }
}
