//! What holds of every reader of foreign text, whatever the text is. The fuzz targets (`fuzz/`) and the replay of their
//! corpus (`corpus.rs`) are both made of these functions, so that whatever was found once is a test for ever.

pub(crate) mod bodies;
pub(crate) mod configuration;
mod http;
pub(crate) mod refusals;
pub(crate) mod retry_after;
pub(crate) mod scenario;
