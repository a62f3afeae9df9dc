//! What the fuzz targets check. The same functions replay the committed corpus in `cargo test` (`tests/it/corpus.rs`).

#[path = "../../tests/it/properties/mod.rs"]
mod properties;

/// Good answers of both services.
pub fn bodies(data: &[u8]) {
    properties::bodies::check(data);
}

/// Answers that describe nothing.
pub fn refusals(data: &[u8]) {
    properties::refusals::check(data);
}

/// `Retry-After` and its kin.
pub fn retry_after(data: &[u8]) {
    properties::retry_after::check(data);
}

/// A watch list.
pub fn watch_list(data: &[u8]) {
    properties::configuration::watch_list(data);
}

/// The main configuration file.
pub fn main_file(data: &[u8]) {
    properties::configuration::main_file(data);
}

/// The simulator's scenario file.
pub fn scenario(data: &[u8]) {
    properties::scenario::check(data);
}
