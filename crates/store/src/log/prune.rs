//! Forgets the oldest deliveries, a few at a time, with all that belongs to them.

use std::collections::BTreeSet;

use sqlx::AssertSqlSafe;

use crate::database::{DatabaseError, Pool};
use crate::log::LogBounds;
use crate::log::batch::{Counter, Memory};
use crate::log::chunk::PLACE_BITS;
use crate::log::hours::{HOUR, Tallies};
use crate::log::row::{COLUMNS, Row};
use crate::log::rows::{self, NEAR, era};
use crate::log::sql::ByKeys;

/// Rows of each kind that are forgotten at once: a transaction that nobody waits for long.
pub(super) const CHUNK: usize = 1_000;

const PAST: ByKeys = ByKeys { table: "attempts", key: "high" };

/// What a look came to.
#[derive(Debug)]
pub(super) struct Pruned {
    /// Deliveries forgotten.
    pub(super) forgotten: u64,
    /// Deliveries and past attempts that are left.
    pub(super) amount: i64,
    /// The last attempt of the oldest delivery, ms since 1970; 0 where there is none.
    pub(super) oldest_ms: i64,
    /// Whether there is more to forget.
    pub(super) more: bool,
}

/// Forgets at most [`CHUNK`] deliveries.
pub(super) async fn prune(
    pool: &Pool,
    memory: &mut Memory,
    bounds: LogBounds,
    now_ms: i64,
) -> Result<Pruned, DatabaseError> {
    let oldest_kept = now_ms - i64::try_from(bounds.max_age.as_millis()).unwrap_or(i64::MAX);
    let most = i64::try_from(bounds.max_rows).unwrap_or(i64::MAX);
    let mut tx = pool.ready().await?.begin().await?;
    let mut counter = Counter::take(&mut tx).await?;
    let statements = &mut memory.statements;

    let query = format!("SELECT {COLUMNS} FROM deliveries ORDER BY position LIMIT {}", CHUNK + 1);
    let oldest = sqlx::query(AssertSqlSafe(query)).fetch_all(&mut *tx).await?;
    let mut oldest = oldest.iter().map(Row::read).collect::<Result<Vec<_>, _>>()?;
    let mut amount = counter.amount;
    let old = |row: &Row, amount: &mut i64| {
        let old = row.last_at < oldest_kept || *amount > most;
        *amount -= if old { row.attempts.max(1) } else { 0 };
        old
    };
    let kept = oldest.iter().position(|row| !old(row, &mut amount)).unwrap_or(oldest.len());
    let kept = kept.min(CHUNK);
    let left = oldest.split_off(kept);

    let mut tallies = Tallies::default();
    for row in &oldest {
        tallies.delivery(row.webhook, row.state, row.last_at, -1);
    }
    let positions: Vec<i64> = oldest.iter().map(|row| row.position).collect();
    // Also of what has one attempt: it may have been reported twice, by two replicas.
    let past: BTreeSet<i64> = oldest.iter().map(|row| row.id.high).collect();
    let past: Vec<i64> = past.into_iter().collect();
    rows::remove(&mut tx, statements, &positions).await?;
    let past = statements.remove(&mut tx, PAST, &past).await?;
    tallies.write(&mut tx, statements).await?;
    counter.amount -= i64::try_from(oldest.len()).unwrap_or_default();
    counter.amount -= i64::try_from(past).unwrap_or_default();

    // What is below the first delivery belongs to none, unless it is known as a late one, or near.
    let first = left.first().map_or(counter.next(), |row| row.position);
    let chunk = i64::try_from(CHUNK).unwrap_or(i64::MAX);
    let events = format!(
        "DELETE FROM log_events WHERE number IN (\
         SELECT e.number FROM log_events e WHERE e.number < $1 \
         AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.late = e.number) \
         AND e.number NOT IN (SELECT event >> {PLACE_BITS} FROM deliveries \
                              WHERE position >= $2 AND position < $3) \
         ORDER BY e.number LIMIT $4)"
    );
    let events = sqlx::query(AssertSqlSafe(events))
        .bind(first)
        .bind(first)
        .bind(first + NEAR)
        .bind(chunk)
        .execute(&mut *tx)
        .await?;
    let hours = "DELETE FROM log_hours WHERE (hour, webhook) IN (\
                 SELECT hour, webhook FROM log_hours WHERE hour < $1 ORDER BY hour LIMIT $2)";
    let hours =
        sqlx::query(hours).bind(oldest_kept.div_euclid(HOUR)).bind(chunk).execute(&mut *tx).await?;
    sqlx::query("DELETE FROM log_eras WHERE era < $1").bind(era(first)).execute(&mut *tx).await?;
    counter.give_back(&mut tx).await?;
    tx.commit().await?;
    memory.floor = first;
    let full = |amount: u64| usize::try_from(amount).unwrap_or(usize::MAX) >= CHUNK;
    Ok(Pruned {
        forgotten: oldest.len() as u64,
        amount: counter.amount,
        oldest_ms: left.first().map_or(0, |row| row.last_at),
        more: oldest.len() >= CHUNK || full(events.rows_affected()) || full(hours.rows_affected()),
    })
}
