//! How webhooks are doing: since when every attempt of one has failed.
//!
//! Replicas note what they see; a success ends a stretch of failures that began before it, whoever
//! notes first.

use sqlx::{AnyPool, Row};
use subscriptions::WebhookId;

use crate::database::DatabaseError;

/// What was seen of a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HealthNote {
    /// An attempt succeeded at this time, ms since 1970.
    Succeeded(i64),
    /// Every attempt has failed from the first of these times to the last, ms since 1970.
    Failing {
        /// The first failure.
        since_ms: i64,
        /// The last one so far.
        last_ms: i64,
    },
}

/// A webhook that fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failing {
    /// The webhook.
    pub webhook: WebhookId,
    /// Since when every attempt has failed, ms since 1970.
    pub since_ms: i64,
    /// When the last attempt failed, ms since 1970.
    pub last_ms: i64,
    /// What was told of it: percent of the time until it is disabled, 0 at first.
    pub told: u8,
}

pub(super) async fn note(
    pool: &AnyPool,
    notes: &[(WebhookId, HealthNote)],
) -> Result<(), DatabaseError> {
    // In order, so that replicas do not wait for each other in a ring.
    let mut notes: Vec<_> = notes.iter().collect();
    notes.sort_by(|(a, _), (b, _)| a.cmp(b));
    let mut tx = pool.begin().await?;
    for (webhook, note) in notes {
        let query = match note {
            HealthNote::Succeeded(at) => sqlx::query(SUCCEEDED).bind(webhook.as_str()).bind(*at),
            HealthNote::Failing { since_ms, last_ms } => {
                sqlx::query(FAILING).bind(webhook.as_str()).bind(*since_ms).bind(*last_ms)
            }
        };
        query.execute(&mut *tx).await?;
    }
    tx.commit().await?;
    Ok(())
}

const SUCCEEDED: &str = "INSERT INTO health (webhook, failing_since, last_failure, last_success, told) \
     VALUES ($1, NULL, 0, $2, 0) \
     ON CONFLICT (webhook) DO UPDATE SET \
     last_success = CASE WHEN health.last_success > excluded.last_success \
                         THEN health.last_success ELSE excluded.last_success END, \
     told = CASE WHEN health.failing_since > excluded.last_success THEN health.told ELSE 0 END, \
     failing_since = CASE WHEN health.failing_since > excluded.last_success \
                          THEN health.failing_since ELSE NULL END";
const FAILING: &str = "INSERT INTO health (webhook, failing_since, last_failure, last_success, told) \
     VALUES ($1, $2, $3, NULL, 0) \
     ON CONFLICT (webhook) DO UPDATE SET \
     told = CASE WHEN health.failing_since IS NULL THEN 0 ELSE health.told END, \
     last_failure = CASE WHEN health.last_failure > excluded.last_failure \
                         THEN health.last_failure ELSE excluded.last_failure END, \
     failing_since = COALESCE(health.failing_since, excluded.failing_since) \
     WHERE health.failing_since IS NOT NULL OR health.last_success IS NULL \
     OR health.last_success < excluded.failing_since";

pub(super) async fn failing(pool: &AnyPool) -> Result<Vec<Failing>, DatabaseError> {
    let query = "SELECT webhook, failing_since, last_failure, told FROM health \
                 WHERE failing_since IS NOT NULL ORDER BY failing_since";
    let mut failing = Vec::new();
    for row in sqlx::query(query).fetch_all(pool).await? {
        let id: String = row.try_get("webhook")?;
        let told: i64 = row.try_get("told")?;
        let webhook = WebhookId::try_new(&id)
            .map_err(|error| DatabaseError::Row { id, why: error.to_string() })?;
        let told = u8::try_from(told).unwrap_or(u8::MAX);
        let (since_ms, last_ms) = (row.try_get("failing_since")?, row.try_get("last_failure")?);
        failing.push(Failing { webhook, since_ms, last_ms, told });
    }
    Ok(failing)
}

pub(super) async fn set_told(
    pool: &AnyPool,
    webhook: &WebhookId,
    since_ms: i64,
    told: u8,
) -> Result<bool, DatabaseError> {
    let query =
        "UPDATE health SET told = $1 WHERE webhook = $2 AND failing_since = $3 AND told < $4";
    let changed = sqlx::query(query)
        .bind(i64::from(told))
        .bind(webhook.as_str())
        .bind(since_ms)
        .bind(i64::from(told))
        .execute(pool)
        .await?;
    Ok(changed.rows_affected() == 1)
}

pub(super) async fn forget(pool: &AnyPool, webhook: &WebhookId) -> Result<(), DatabaseError> {
    sqlx::query("DELETE FROM health WHERE webhook = $1")
        .bind(webhook.as_str())
        .execute(pool)
        .await?;
    Ok(())
}

/// How long a claim is remembered: far longer than what is claimed can come again.
const REMEMBER_CLAIMS_MS: i64 = 90 * 24 * 60 * 60 * 1_000;

pub(super) async fn claim(pool: &AnyPool, name: &str, now_ms: i64) -> Result<bool, DatabaseError> {
    let query = "INSERT INTO claims (name, at) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
    let claimed = sqlx::query(query).bind(name).bind(now_ms).execute(pool).await?;
    if claimed.rows_affected() == 0 {
        return Ok(false);
    }
    sqlx::query("DELETE FROM claims WHERE at < $1")
        .bind(now_ms.saturating_sub(REMEMBER_CLAIMS_MS))
        .execute(pool)
        .await?;
    Ok(true)
}
