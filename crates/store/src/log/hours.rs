//! Attempts by hour and webhook, counted as they are written, so that charts cost little to draw.

use std::collections::{BTreeMap, HashMap};

use sqlx::{Any, AnyPool, AssertSqlSafe, Row as _, Transaction};
use subscriptions::WebhookId;

use crate::database::DatabaseError;
use crate::log::entry::DeliveryState;
use crate::log::id::BuildQuick;
use crate::log::names;
use crate::log::row::Row;
use crate::log::sql::{Form, Statements, list};

/// An hour in ms.
pub(super) const HOUR: i64 = 3_600_000;
/// Durations are counted by powers of two of ms: up to 1, 2, 4, … 16,384 and beyond.
const BUCKETS: usize = 16;
/// Hours at most that one question is about: 400 days.
const MOST_HOURS: i64 = 24 * 400;

/// What happened to a webhook within a stretch of time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stretch {
    /// When it begins, ms since 1970.
    pub from_ms: i64,
    /// Attempts that succeeded.
    pub delivered: u64,
    /// Attempts that failed.
    pub failed: u64,
    /// Half of the attempts took at most so long, in ms.
    pub p50_ms: Option<f64>,
    /// Of a hundred attempts, 95 took at most so long, in ms.
    pub p95_ms: Option<f64>,
}

/// What a webhook's deliveries and attempts came to, since a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Deliveries that wait for an attempt.
    pub waiting: u64,
    /// Deliveries that a receiver took.
    pub delivered: u64,
    /// Deliveries that are dead letters.
    pub dead: u64,
    /// Deliveries that somebody dropped from the dead letters.
    pub dropped: u64,
    /// Attempts that succeeded.
    pub succeeded: u64,
    /// Attempts that failed.
    pub failed: u64,
}

/// What is added to the counts when a batch is written.
#[derive(Debug, Default)]
pub(super) struct Tallies(HashMap<(i64, i64), Tally, BuildQuick>);

#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    succeeded: i64,
    failed: i64,
    states: [i64; 4],
    buckets: [i64; BUCKETS],
}

/// What is added to an hour of a webhook.
type Addition = ((i64, i64), Tally);

const ADD: Form<Addition> = Form {
    name: "hours",
    table: "log_hours",
    numbers: &[
        ("hour", |((hour, _), _)| Some(*hour)),
        ("webhook", |((_, webhook), _)| Some(*webhook)),
        ("succeeded", |(_, tally)| Some(tally.succeeded)),
        ("failed", |(_, tally)| Some(tally.failed)),
        ("waiting", |(_, tally)| Some(tally.states[0])),
        ("delivered", |(_, tally)| Some(tally.states[1])),
        ("dead", |(_, tally)| Some(tally.states[2])),
        ("dropped", |(_, tally)| Some(tally.states[3])),
        ("b0", |(_, tally)| Some(tally.buckets[0])),
        ("b1", |(_, tally)| Some(tally.buckets[1])),
        ("b2", |(_, tally)| Some(tally.buckets[2])),
        ("b3", |(_, tally)| Some(tally.buckets[3])),
        ("b4", |(_, tally)| Some(tally.buckets[4])),
        ("b5", |(_, tally)| Some(tally.buckets[5])),
        ("b6", |(_, tally)| Some(tally.buckets[6])),
        ("b7", |(_, tally)| Some(tally.buckets[7])),
        ("b8", |(_, tally)| Some(tally.buckets[8])),
        ("b9", |(_, tally)| Some(tally.buckets[9])),
        ("b10", |(_, tally)| Some(tally.buckets[10])),
        ("b11", |(_, tally)| Some(tally.buckets[11])),
        ("b12", |(_, tally)| Some(tally.buckets[12])),
        ("b13", |(_, tally)| Some(tally.buckets[13])),
        ("b14", |(_, tally)| Some(tally.buckets[14])),
        ("b15", |(_, tally)| Some(tally.buckets[15])),
    ],
    bytes: None,
    tail: " ON CONFLICT (hour, webhook) DO UPDATE SET \
           succeeded = log_hours.succeeded + excluded.succeeded, \
           failed = log_hours.failed + excluded.failed, \
           waiting = log_hours.waiting + excluded.waiting, \
           delivered = log_hours.delivered + excluded.delivered, \
           dead = log_hours.dead + excluded.dead, dropped = log_hours.dropped + excluded.dropped, \
           b0 = log_hours.b0 + excluded.b0, b1 = log_hours.b1 + excluded.b1, \
           b2 = log_hours.b2 + excluded.b2, b3 = log_hours.b3 + excluded.b3, \
           b4 = log_hours.b4 + excluded.b4, b5 = log_hours.b5 + excluded.b5, \
           b6 = log_hours.b6 + excluded.b6, b7 = log_hours.b7 + excluded.b7, \
           b8 = log_hours.b8 + excluded.b8, b9 = log_hours.b9 + excluded.b9, \
           b10 = log_hours.b10 + excluded.b10, b11 = log_hours.b11 + excluded.b11, \
           b12 = log_hours.b12 + excluded.b12, b13 = log_hours.b13 + excluded.b13, \
           b14 = log_hours.b14 + excluded.b14, b15 = log_hours.b15 + excluded.b15",
};

impl Tallies {
    /// One attempt more.
    pub(super) fn attempt(&mut self, attempt: &Row) {
        let tally = self.of(attempt.webhook, attempt.last_at);
        // What a receiver took has no failure.
        match attempt.failure {
            None => tally.succeeded += 1,
            Some(_) => tally.failed += 1,
        }
        tally.buckets[bucket(attempt.duration)] += 1;
    }

    /// A delivery more (1) or less (-1) that stands so.
    pub(super) fn delivery(&mut self, webhook: i64, state: DeliveryState, at: i64, amount: i64) {
        let place = usize::try_from(state.number()).unwrap_or_default();
        self.of(webhook, at).states[place] += amount;
    }

    /// All of another one more.
    pub(super) fn append(&mut self, other: Self) {
        for (key, tally) in other.0 {
            let sum = self.0.entry(key).or_default();
            sum.succeeded += tally.succeeded;
            sum.failed += tally.failed;
            sum.states.iter_mut().zip(tally.states).for_each(|(sum, amount)| *sum += amount);
            sum.buckets.iter_mut().zip(tally.buckets).for_each(|(sum, amount)| *sum += amount);
        }
    }

    pub(super) async fn write(
        self,
        tx: &mut Transaction<'_, Any>,
        statements: &mut Statements,
    ) -> Result<(), DatabaseError> {
        let mut tallies: Vec<Addition> = self.0.into_iter().collect();
        tallies.sort_unstable_by_key(|(key, _)| *key);
        statements.write(tx, &ADD, tallies).await?;
        Ok(())
    }

    fn of(&mut self, webhook: i64, at: i64) -> &mut Tally {
        self.0.entry((at.div_euclid(HOUR), webhook)).or_default()
    }
}

/// What happened to these webhooks per hour since `since_ms`.
pub(super) async fn read(
    pool: &AnyPool,
    webhooks: &[WebhookId],
    since_ms: i64,
    now_ms: i64,
) -> Result<BTreeMap<WebhookId, Vec<Stretch>>, DatabaseError> {
    let mut known = BTreeMap::new();
    for webhook in webhooks {
        if let Some(number) = names::find(pool, webhook.as_str()).await? {
            known.insert(number, webhook.clone());
        }
    }
    let mut found: BTreeMap<WebhookId, Vec<Stretch>> = BTreeMap::new();
    if known.is_empty() {
        return Ok(found);
    }
    let buckets: Vec<String> = (0..BUCKETS).map(|n| format!("b{n}")).collect();
    let query = format!(
        "SELECT hour, webhook, succeeded, failed, {} FROM log_hours \
         WHERE hour IN ({}) AND webhook IN ({}) AND succeeded + failed > 0 ORDER BY hour",
        buckets.join(", "),
        list(hours(since_ms, now_ms)),
        list(known.keys().copied()),
    );
    for row in sqlx::query(AssertSqlSafe(query)).persistent(false).fetch_all(pool).await? {
        let webhook: i64 = row.try_get("webhook")?;
        let mut amounts = [0_i64; BUCKETS];
        for (amount, name) in amounts.iter_mut().zip(&buckets) {
            *amount = row.try_get(name.as_str())?;
        }
        let stretch = Stretch {
            from_ms: row.try_get::<i64, _>("hour")? * HOUR,
            delivered: unsigned(row.try_get("succeeded")?),
            failed: unsigned(row.try_get("failed")?),
            p50_ms: quantile(&amounts, 0.5),
            p95_ms: quantile(&amounts, 0.95),
        };
        if let Some(webhook) = known.get(&webhook) {
            found.entry(webhook.clone()).or_default().push(stretch);
        }
    }
    Ok(found)
}

/// The sums for one webhook since the beginning of the hour of `since_ms`.
pub(super) async fn count(
    pool: &AnyPool,
    webhook: i64,
    since_ms: i64,
    now_ms: i64,
) -> Result<Counts, DatabaseError> {
    let columns = ["waiting", "delivered", "dead", "dropped", "succeeded", "failed"];
    let sums = columns.map(|name| format!("CAST(COALESCE(SUM({name}), 0) AS BIGINT) AS {name}"));
    let query = format!(
        "SELECT {} FROM log_hours WHERE hour IN ({}) AND webhook = {webhook}",
        sums.join(", "),
        list(hours(since_ms, now_ms)),
    );
    let row = sqlx::query(AssertSqlSafe(query)).persistent(false).fetch_one(pool).await?;
    let sum = |name: &str| row.try_get(name).map(unsigned);
    Ok(Counts {
        waiting: sum("waiting")?,
        delivered: sum("delivered")?,
        dead: sum("dead")?,
        dropped: sum("dropped")?,
        succeeded: sum("succeeded")?,
        failed: sum("failed")?,
    })
}

/// The hours since then, one by one: the index begins with the hour. One more, for clocks differ.
fn hours(since_ms: i64, now_ms: i64) -> std::ops::RangeInclusive<i64> {
    let last = now_ms.div_euclid(HOUR) + 1;
    since_ms.div_euclid(HOUR).max(last - MOST_HOURS)..=last
}

fn unsigned(amount: i64) -> u64 {
    u64::try_from(amount).unwrap_or_default()
}

fn bucket(ms: i64) -> usize {
    (0..BUCKETS - 1).find(|n| ms <= 1 << n).unwrap_or(BUCKETS - 1)
}

/// What a share of the attempts took at most: exact to within a bucket, in which they count as
/// spread evenly.
#[expect(clippy::cast_precision_loss, reason = "amounts of attempts are far below 2^53")]
fn quantile(amounts: &[i64; BUCKETS], share: f64) -> Option<f64> {
    let all: i64 = amounts.iter().sum();
    let mut missing = all as f64 * share;
    for (n, amount) in amounts.iter().enumerate().filter(|(_, amount)| **amount > 0) {
        let top = (1_u64 << n) as f64;
        let bottom = if n == 0 { 0.0 } else { top / 2.0 };
        if missing <= *amount as f64 {
            return Some(bottom + (top - bottom) * missing / *amount as f64);
        }
        missing -= *amount as f64;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_counted_where_they_belong() {
        for (ms, expected) in [(0, 0), (1, 0), (2, 1), (3, 2), (4, 2), (16_384, 14), (90_000, 15)] {
            assert_eq!(bucket(ms), expected, "{ms} ms");
        }
    }

    #[test]
    fn quantiles() {
        let mut amounts = [0; BUCKETS];
        assert_eq!(quantile(&amounts, 0.5), None);
        amounts[5] = 100;
        assert_eq!(quantile(&amounts, 0.5), Some(24.0));
        amounts[10] = 100;
        assert_eq!(quantile(&amounts, 0.5), Some(32.0));
        assert_eq!(quantile(&amounts, 0.95), Some(512.0 + 512.0 * 0.9));
    }
}
