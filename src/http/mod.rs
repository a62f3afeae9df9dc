//! Asking over HTTP, whoever is asked: the one client, and how answers are read that anybody may give.

pub mod date;
pub mod mask;
pub mod retry_after;
pub mod transport;
