//! Files that are made from something else.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Compares a file of the project with what it would be made to now; with `UPDATE_EXPECT` in the environment it is written.
pub(crate) fn same(path: &str, made: &str) {
    let whole = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&whole, made).unwrap();
    }
    let found = fs::read_to_string(&whole).unwrap_or_default();
    assert!(
        found == made,
        "{path} is not what it would be made to (-: the file, +: what would be made):\n{}\nIf that is right: \
         UPDATE_EXPECT=1 cargo test --test it",
        differences(&found, made)
    );
}

/// The lines that only one of them has.
fn differences(found: &str, made: &str) -> String {
    let only = |sign: &str, text: &str, other: &str| -> Vec<String> {
        let other: BTreeSet<&str> = other.lines().collect();
        text.lines().filter(|line| !other.contains(line)).map(|line| format!("{sign} {line}")).collect()
    };
    let lines = [only("-", found, made), only("+", made, found)].concat();
    if lines.is_empty() { "the same lines in another order".to_owned() } else { lines.join("\n") }
}
