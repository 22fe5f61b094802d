//! The deliveries of one event. Their ids follow from the event and the webhooks, and ids have an
//! index: one of events would cost every delivery for the few that are looked for.

use std::collections::HashSet;

use event::{DeliveryId, EventId};
use sqlx::{AnyPool, AssertSqlSafe};
use subscriptions::WebhookId;

use crate::database::{DatabaseError, Kind};
use crate::log::id::Id;
use crate::log::query::{DeliveryRow, ERAS, eras, positions, read_row, rows_at};
use crate::log::sql::list;

/// Ids that one statement looks for, at most.
const IDS: usize = 250;

pub(super) async fn deliveries(
    pool: &AnyPool,
    kind: Kind,
    event: &EventId,
    webhooks: &[WebhookId],
) -> Result<Vec<DeliveryRow>, DatabaseError> {
    let id = |webhook: &WebhookId| Id::parse(DeliveryId::derive(event, webhook.as_str()).as_str());
    let ids: Vec<Id> = webhooks.iter().filter_map(id).collect();
    let mut found = Vec::new();
    for ids in ids.chunks(IDS) {
        for query in queries(pool, kind, ids).await? {
            let rows = sqlx::query(AssertSqlSafe(query)).persistent(false).fetch_all(pool).await?;
            found.append(&mut positions(&rows)?);
        }
    }
    let mut missing: HashSet<Id> = ids.into_iter().collect();
    let mut deliveries = Vec::with_capacity(found.len());
    // Newest first, so an older row of the same delivery is passed over.
    for row in rows_at(pool, &found, false).await? {
        if missing.remove(&Id::read(&row)?) {
            deliveries.push(read_row(&row, event.to_string())?);
        }
    }
    Ok(deliveries)
}

/// What finds the places of these ids; others may be among them. Numbers only, so nothing has to be
/// quoted.
async fn queries(pool: &AnyPool, kind: Kind, ids: &[Id]) -> Result<Vec<String>, DatabaseError> {
    let ids = list(ids.iter().map(|id| id.high));
    if kind == Kind::Postgres {
        return Ok(vec![format!("SELECT position FROM deliveries WHERE high IN ({ids})")]);
    }
    let eras = eras(pool, "SELECT DISTINCT era FROM log_eras ORDER BY era DESC").await?;
    let within = |eras: &[i64]| {
        let eras = list(eras.iter().copied());
        format!(
            "SELECT position FROM deliveries WHERE (position >> 14) IN ({eras}) AND high IN ({ids})"
        )
    };
    Ok(eras.chunks(4 * ERAS).map(within).collect())
}
