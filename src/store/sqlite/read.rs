//! Reading what is known of orders and watch lists, through the daemon's own readers or beside it.

use sqlx::sqlite::SqliteRow;
use sqlx::{SqliteConnection, SqlitePool};

use super::rows::{self, SharedTerms};
use super::{commit, error};
use crate::core::order::{OrderKey, Stream};
use crate::core::state::Order;
use crate::store::{Known, Scheduled, StoreError};

/// Orders read by one statement, which bounds what is held at once.
const ORDERS_PER_STATEMENT: usize = 500;

const LOAD: &str = "
    SELECT orders.provider, orders.account, orders.region, orders.id, orders.list, orders.declared, orders.tracked,
        orders.generation, orders.state, orders.due_at, orders.decided_at, orders.wake_at, orders.answered_at,
        orders.not_failed_at, orders.elsewhere_at, orders.faults, orders.lane, orders.ahead_at, orders.ahead_of, lists.terms,
        (SELECT json_group_object(numbers.number, json(numbers.state)) FROM numbers
         WHERE numbers.stream = orders.stream) AS numbers
    FROM json_each(?1) AS asked
    CROSS JOIN orders ON orders.stream = asked.value
    JOIN lists ON lists.name = orders.list";

const SCHEDULE: &str = "
    SELECT stream, provider, account, region, due_at, decided_at, wake_at, answered_at, not_failed_at, elsewhere_at, faults,
        lane, ahead_at, ahead_of FROM orders
    WHERE tracked = 1 AND stream > ?1 ORDER BY stream LIMIT ?2";

const KEYS_OF_LIST: &str = "
    SELECT provider, account, region, id FROM orders
    WHERE tracked = 1 AND list = ?3 AND stream > ?1 ORDER BY stream LIMIT ?2";

/// The statements over tables that grow, for the test of their plans.
#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[LOAD, SCHEDULE, KEYS_OF_LIST];

/// What has connections that read.
pub(super) trait Readers {
    fn readers(&self) -> &SqlitePool;
}

impl<R: Readers + Send + Sync + 'static> Known for R {
    async fn load(&self, streams: &[Stream]) -> Result<Vec<Order>, StoreError> {
        let mut reader = self.readers().acquire().await.map_err(error::in_use)?;
        load(&mut reader, streams).await
    }

    async fn schedule(&self, after: Option<Stream>, limit: u32) -> Result<Vec<Scheduled>, StoreError> {
        page(self.readers(), SCHEDULE, after, limit, None).await?.iter().map(rows::scheduled).collect()
    }

    async fn keys_of_list(
        &self,
        list: &str,
        after: Option<Stream>,
        limit: u32,
    ) -> Result<Vec<OrderKey>, StoreError> {
        page(self.readers(), KEYS_OF_LIST, after, limit, Some(list)).await?.iter().map(rows::key).collect()
    }

    async fn lists(&self) -> Result<Vec<(String, String)>, StoreError> {
        sqlx::query_as("SELECT name, content_hash FROM lists WHERE in_force = 1 ORDER BY name")
            .fetch_all(self.readers())
            .await
            .map_err(error::in_use)
    }
}

/// The orders with these identities, through one connection.
pub(super) async fn load(conn: &mut SqliteConnection, streams: &[Stream]) -> Result<Vec<Order>, StoreError> {
    let mut orders = Vec::with_capacity(streams.len());
    for chunk in streams.chunks(ORDERS_PER_STATEMENT) {
        let wanted: Vec<String> = chunk.iter().map(Stream::to_string).collect();
        let query = sqlx::query(LOAD).bind(commit::as_json(&wanted)?);
        let rows = query.fetch_all(&mut *conn).await.map_err(error::in_use)?;
        let mut shared = SharedTerms::default();
        for row in &rows {
            orders.push(rows::order(row, &mut shared)?);
        }
    }
    Ok(orders)
}

async fn page(
    readers: &SqlitePool,
    sql: &'static str,
    after: Option<Stream>,
    limit: u32,
    list: Option<&str>,
) -> Result<Vec<SqliteRow>, StoreError> {
    let after = after.map(|stream| stream.to_string()).unwrap_or_default();
    let mut query = sqlx::query(sql).bind(after).bind(limit);
    if let Some(list) = list {
        query = query.bind(list);
    }
    query.fetch_all(readers).await.map_err(error::in_use)
}
