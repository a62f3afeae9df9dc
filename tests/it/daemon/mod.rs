//! The daemon as a process, against the simulated AWS.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up should stop")]

mod answers;
mod deliveries;
mod housekeeping;
mod lists;
mod manager;
mod missing;
mod once;
mod outage;
mod reload;
mod restart;
mod secrets;
mod status;
mod stop;
mod store;
mod story;
mod sweep;
mod webhook;

use std::path::Path;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};

/// Changes a store behind the back of claimwatch, which is not running.
pub(crate) fn alter_store(path: &Path, statement: &'static str, parameter: Option<&str>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut store = SqliteConnectOptions::new().filename(path).connect().await.unwrap();
        let done =
            sqlx::query(statement).bind(parameter.unwrap_or_default()).execute(&mut store).await.unwrap();
        assert_eq!(done.rows_affected(), 1);
        store.close().await.unwrap();
    });
}
