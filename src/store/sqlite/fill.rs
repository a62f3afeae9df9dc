//! Filling in what an older claimwatch did not write: where orders stand.
//!
//! The code says that, and SQL cannot; so it is no migration. What is not filled in is NULL, and a start that is cut short
//! leaves the rest to the next one.

use serde::Serialize;
use sqlx::SqliteConnection;

use super::rows::StandingRow;
use super::{commit, error, read};
use crate::core::order::Stream;
use crate::store::StoreError;

/// Orders at once.
const AT_ONCE: u32 = 500;

const UNFILLED: &str = "SELECT stream FROM orders INDEXED BY orders_unfilled WHERE urgency IS NULL LIMIT ?1";

const FILL: &str = "
    UPDATE orders
    SET standing = value ->> '$.standing', urgency = value ->> '$.urgency', place = value ->> '$.place',
        windows = value ->> '$.windows', unacknowledged = value ->> '$.unacknowledged'
    FROM json_each(?1) WHERE stream = value ->> '$.stream'";

#[derive(Serialize)]
struct Row {
    stream: String,
    #[serde(flatten)]
    standing: StandingRow,
}

/// Fills in where all orders stand of which that is not known.
pub(super) async fn standings(conn: &mut SqliteConnection) -> Result<(), StoreError> {
    loop {
        let unfilled: Vec<String> =
            sqlx::query_scalar(UNFILLED).bind(AT_ONCE).fetch_all(&mut *conn).await.map_err(error::in_use)?;
        if unfilled.is_empty() {
            return Ok(());
        }
        let streams: Vec<Stream> = unfilled.iter().filter_map(|stream| Stream::parse(stream)).collect();
        let orders = read::load(&mut *conn, &streams).await?;
        if orders.len() < unfilled.len() {
            return Err(error::unreadable("an order's stream or list", &unfilled.join(" ")));
        }
        let rows: Vec<Row> = orders
            .iter()
            .map(|order| Row { stream: order.stream().to_string(), standing: StandingRow::of(order) })
            .collect();
        let query = sqlx::query(FILL).bind(commit::as_json(&rows)?);
        query.execute(&mut *conn).await.map_err(error::in_use)?;
    }
}
