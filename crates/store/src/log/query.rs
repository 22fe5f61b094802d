//! Reads the log: lists of deliveries, one delivery, events.
//!
//! Lists are read era by era, newest first, from an index that begins with the era: a page costs
//! what it shows, and at most one look per era at what does not match. What an era cannot hold, by
//! type, state or time, is known without looking.

use std::collections::HashMap;

use bytes::Bytes;
use sqlx::any::AnyRow;
use sqlx::{Any, AnyConnection, AnyPool, AssertSqlSafe, Executor, Row as _};
use subscriptions::WebhookId;

use crate::database::{DatabaseError, Kind};
use crate::log::entry::{DeliveryState, LoggedEvent};
use crate::log::events;
use crate::log::id::Id;
use crate::log::names;
use crate::log::packed::{unpack_event, unpack_event_id, unpack_trace};
use crate::log::rows::era;
use crate::log::sql::list;

/// Items of one page at most.
pub(super) const MOST: u32 = 500;
/// Eras that one statement looks at, at most.
pub(super) const ERAS: usize = 64;
/// Attempts shown of one delivery at most; the last ones.
const ATTEMPTS: i64 = 500;

/// Which deliveries of the log are asked for.
#[derive(Clone, Debug, Default)]
pub struct DeliveryQuery {
    /// Of which webhook; `None` means all.
    pub webhook: Option<WebhookId>,
    /// How they stand; `None` means any.
    pub state: Option<DeliveryState>,
    /// Of which event type; `None` means any.
    pub kind: Option<String>,
    /// Those whose last attempt was at or after this time.
    pub since_ms: Option<i64>,
    /// Those whose last attempt was before this time.
    pub until_ms: Option<i64>,
    /// Only those that stand after this place in the list.
    pub after: Option<Position>,
    /// At most so many.
    pub limit: u32,
}

/// A place in a list of deliveries, newest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position(pub i64);

/// A part of a list.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// Where the next one begins, if there is more.
    pub next: Option<Position>,
}

/// A delivery as a list shows it.
#[derive(Clone, Debug)]
pub struct DeliveryRow {
    /// Its place, for lists; grows with every change of any delivery.
    pub position: Position,
    /// Its id.
    pub id: String,
    /// The webhook.
    pub webhook: WebhookId,
    /// The event.
    pub event: String,
    /// The event's type.
    pub kind: String,
    /// How it stands.
    pub state: DeliveryState,
    /// Why it is dead, where it is.
    pub dead_reason: Option<String>,
    /// Attempts made.
    pub attempts: u32,
    /// When the last attempt began, ms since 1970.
    pub last_at_ms: i64,
    /// How long that took, in ms.
    pub last_duration_ms: u32,
    /// The status of the last response.
    pub last_status: Option<u16>,
    /// The failure kind of the last attempt.
    pub last_failure: Option<String>,
    /// When the next attempt is due, ms since 1970, where it waits.
    pub next_at_ms: Option<i64>,
}

/// One attempt as it is shown.
#[derive(Clone, Debug)]
pub struct AttemptRow {
    /// Its number.
    pub attempt: u32,
    /// When it began, ms since 1970.
    pub at_ms: i64,
    /// How long it took, in ms.
    pub duration_ms: u32,
    /// The status of the response.
    pub status: Option<u16>,
    /// The failure kind; `None` where it succeeded.
    pub failure: Option<String>,
    /// A line about the failure.
    pub detail: Option<String>,
    /// The beginning of the response.
    pub response: Vec<u8>,
    /// The value of `x-boottify-signature`.
    pub signature: String,
    /// The value of `webhook-signature`.
    pub standard_signature: String,
}

/// A delivery with everything about it.
#[derive(Clone, Debug)]
pub struct DeliveryDetail {
    /// As a list shows it.
    pub row: DeliveryRow,
    /// What was delivered; the body is empty where the log has forgotten it.
    pub event: LoggedEvent,
    /// Every attempt that the log still has, oldest first.
    pub attempts: Vec<AttemptRow>,
}

/// A question with names turned into numbers.
#[derive(Debug)]
struct Wanted<'a> {
    query: &'a DeliveryQuery,
    webhook: Option<i64>,
    kind: Option<i64>,
    /// Positions below this one.
    below: i64,
    limit: usize,
}

pub(super) async fn deliveries(
    pool: &AnyPool,
    query: &DeliveryQuery,
) -> Result<Page<DeliveryRow>, DatabaseError> {
    let (positions, next) = page(pool, query).await?;
    let rows = rows_at(pool, &positions, false).await?;
    let ids = events::find(pool, events_of(&rows)?, unpack_event_id).await?;
    let read = |row: &AnyRow| {
        let event = ids.get(&row.try_get("event")?).cloned();
        read_row(row, event.unwrap_or_default())
    };
    Ok(Page { items: rows.iter().map(read).collect::<Result<_, _>>()?, next })
}

/// The same with the events.
pub(super) async fn deliveries_with_events(
    pool: &AnyPool,
    query: &DeliveryQuery,
) -> Result<Page<(DeliveryRow, LoggedEvent)>, DatabaseError> {
    let (positions, next) = page(pool, query).await?;
    let rows = rows_at(pool, &positions, false).await?;
    let events = events::find(pool, events_of(&rows)?, unpack_event).await?;
    let read = |row: &AnyRow| read_whole(row, &events);
    Ok(Page { items: rows.iter().map(read).collect::<Result<_, _>>()?, next })
}

pub(super) async fn delivery(
    pool: &AnyPool,
    kind: Kind,
    id: &str,
) -> Result<Option<DeliveryDetail>, DatabaseError> {
    let Some(id) = Id::parse(id) else { return Ok(None) };
    let positions = positions_of(&mut *pool.acquire().await?, kind, id).await?;
    let rows = rows_at(pool, &positions, true).await?;
    let is_it = |row: &&AnyRow| Id::read(row).is_ok_and(|found| found == id);
    let rows: Vec<&AnyRow> = rows.iter().filter(is_it).collect();
    let Some(newest) = rows.first() else { return Ok(None) };
    let events = events::find(pool, [newest.try_get("event")?], unpack_event).await?;
    let (row, event) = read_whole(newest, &events)?;
    let mut attempts = past(pool, id).await?;
    for row in &rows {
        if row.try_get::<i64, _>("attempts")? > 0 {
            attempts.push(read_attempt(row)?);
        }
    }
    attempts.sort_by_key(|attempt| (attempt.at_ms, attempt.attempt));
    attempts.dedup_by_key(|attempt| (attempt.at_ms, attempt.attempt));
    Ok(Some(DeliveryDetail { row, event, attempts }))
}

/// Where the deliveries of this id may be, newest first; others may be among them.
pub(super) async fn positions_of(
    connection: &mut AnyConnection,
    kind: Kind,
    id: Id,
) -> Result<Vec<i64>, DatabaseError> {
    if kind == Kind::Postgres {
        let query = "SELECT position FROM deliveries WHERE high = $1 ORDER BY position DESC";
        return positions(&sqlx::query(query).bind(id.high).fetch_all(&mut *connection).await?);
    }
    let eras =
        eras(&mut *connection, "SELECT DISTINCT era FROM log_eras ORDER BY era DESC").await?;
    for eras in eras.chunks(4 * ERAS) {
        let query = format!(
            "SELECT position FROM deliveries WHERE (position >> 14) IN ({}) AND high = {} \
             ORDER BY position + 0 DESC LIMIT 16",
            list(eras.iter().copied()),
            id.high,
        );
        let rows =
            sqlx::query(AssertSqlSafe(query)).persistent(false).fetch_all(&mut *connection).await?;
        if !rows.is_empty() {
            return positions(&rows);
        }
    }
    Ok(Vec::new())
}

/// The places of a page, and where the next one begins.
async fn page(
    pool: &AnyPool,
    query: &DeliveryQuery,
) -> Result<(Vec<i64>, Option<Position>), DatabaseError> {
    let number = async |name: Option<&str>| match name {
        Some(name) => names::find(pool, name).await.map(|number| number.ok_or(())),
        None => Ok(Ok(-1)),
    };
    let webhook = number(query.webhook.as_ref().map(WebhookId::as_str)).await?;
    let kind = number(query.kind.as_deref()).await?;
    let limit = usize::try_from(query.limit.clamp(1, MOST)).unwrap_or(1);
    // A name that was never written has no deliveries.
    let (Ok(webhook), Ok(kind)) = (webhook, kind) else { return Ok((Vec::new(), None)) };
    let known = |number: i64| Some(number).filter(|number| *number >= 0);
    let below = query.after.map_or(i64::MAX, |after| after.0);
    let wanted = Wanted { query, webhook: known(webhook), kind: known(kind), below, limit };
    let mut found = wanted.find(pool).await?;
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| more).map(|position| Position(*position));
    Ok((found, next))
}

impl Wanted<'_> {
    /// One more than the limit, where there are so many.
    async fn find(&self, pool: &AnyPool) -> Result<Vec<i64>, DatabaseError> {
        let limit = self.limit + 1;
        if self.is_all() {
            let query = "SELECT position FROM deliveries WHERE position < $1 \
                         ORDER BY position DESC LIMIT $2";
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            return positions(
                &sqlx::query(query).bind(self.below).bind(limit).fetch_all(pool).await?,
            );
        }
        let eras = eras(pool, &self.eras()).await?;
        let (mut eras, mut size, mut found) = (eras.as_slice(), 1, Vec::new());
        while !eras.is_empty() && found.len() < limit {
            let (now, later) = eras.split_at(eras.len().min(size));
            eras = later;
            size = ERAS.min(size * 2);
            let query = self.within(now, limit - found.len());
            let rows = sqlx::query(AssertSqlSafe(query)).persistent(false).fetch_all(pool).await?;
            found.append(&mut positions(&rows)?);
        }
        Ok(found)
    }

    fn is_all(&self) -> bool {
        let DeliveryQuery { state, since_ms, until_ms, .. } = self.query;
        (self.webhook, self.kind, state, since_ms, until_ms) == (None, None, &None, &None, &None)
    }

    /// The eras that may hold what is wanted. Numbers only, so nothing has to be quoted.
    fn eras(&self) -> String {
        let DeliveryQuery { state, since_ms, until_ms, .. } = self.query;
        let mut conditions = vec![format!("era <= {}", era(self.below))];
        conditions.extend(self.kind.map(|kind| format!("kind = {kind}")));
        conditions.extend(state.map(|state| format!("state = {}", state.number())));
        conditions.extend(since_ms.map(|since| format!("last_at >= {since}")));
        conditions.extend(until_ms.map(|until| format!("first_at < {until}")));
        let conditions = conditions.join(" AND ");
        format!("SELECT DISTINCT era FROM log_eras WHERE {conditions} ORDER BY era DESC")
    }

    /// What is wanted of these eras. The order is that of a sum, so that no database walks through
    /// all positions for it.
    fn within(&self, eras: &[i64], limit: usize) -> String {
        let DeliveryQuery { state, since_ms, until_ms, .. } = self.query;
        let states = match state {
            Some(state) => list([state.number()]),
            None => list(DeliveryState::ALL.map(DeliveryState::number)),
        };
        let mut conditions = vec![format!("(position >> 14) IN ({})", list(eras.iter().copied()))];
        conditions.extend(self.webhook.map(|webhook| format!("webhook = {webhook}")));
        if state.is_some() || (self.webhook.is_some() && self.kind.is_some()) {
            conditions.push(format!("state IN ({states})"));
        }
        conditions.extend(self.kind.map(|kind| format!("kind = {kind}")));
        conditions.extend(since_ms.map(|since| format!("last_at >= {since}")));
        conditions.extend(until_ms.map(|until| format!("last_at < {until}")));
        if self.below < i64::MAX {
            conditions.push(format!("position + 0 < {}", self.below));
        }
        let conditions = conditions.join(" AND ");
        format!(
            "SELECT position FROM deliveries WHERE {conditions} \
             ORDER BY position + 0 DESC LIMIT {limit}"
        )
    }
}

/// The deliveries at these places, newest first, with their names, and their traces if asked.
pub(super) async fn rows_at(
    pool: &AnyPool,
    positions: &[i64],
    traces: bool,
) -> Result<Vec<AnyRow>, DatabaseError> {
    if positions.is_empty() {
        return Ok(Vec::new());
    }
    let trace = if traces { ", d.trace AS trace" } else { "" };
    let query = format!(
        "SELECT d.position AS position, d.high AS high, d.low AS low, \
         w.name AS webhook_name, k.name AS kind_name, d.state AS state, \
         r.name AS reason_name, d.attempts AS attempts, d.last_at AS at, d.duration AS duration, \
         d.status AS status, f.name AS failure_name, d.next_at AS next_at, \
         d.event AS event{trace} \
         FROM deliveries d \
         JOIN log_names w ON w.id = d.webhook JOIN log_names k ON k.id = d.kind \
         LEFT JOIN log_names r ON r.id = d.dead_reason LEFT JOIN log_names f ON f.id = d.failure \
         WHERE d.position IN ({}) ORDER BY d.position DESC",
        list(positions.iter().copied()),
    );
    Ok(sqlx::query(AssertSqlSafe(query)).persistent(false).fetch_all(pool).await?)
}

/// Attempts of a delivery before its last one.
async fn past(pool: &AnyPool, id: Id) -> Result<Vec<AttemptRow>, DatabaseError> {
    let query = "SELECT a.attempt AS attempts, a.at AS at, a.duration AS duration, \
                 a.status AS status, f.name AS failure_name, a.trace AS trace \
                 FROM attempts a LEFT JOIN log_names f ON f.id = a.failure \
                 WHERE a.high = $1 AND a.low = $2 ORDER BY a.number DESC LIMIT $3";
    let query = sqlx::query(query).bind(id.high).bind(id.low).bind(ATTEMPTS);
    let rows = query.fetch_all(pool).await?;
    rows.iter().map(read_attempt).collect()
}

pub(super) async fn eras(
    executor: impl Executor<'_, Database = Any>,
    query: &str,
) -> Result<Vec<i64>, DatabaseError> {
    let query = AssertSqlSafe(query.to_owned());
    let rows = sqlx::query(query).persistent(false).fetch_all(executor).await?;
    rows.iter().map(|row| Ok(row.try_get("era")?)).collect()
}

pub(super) fn positions(rows: &[AnyRow]) -> Result<Vec<i64>, DatabaseError> {
    rows.iter().map(|row| Ok(row.try_get("position")?)).collect()
}

fn events_of(rows: &[AnyRow]) -> Result<Vec<i64>, DatabaseError> {
    rows.iter().map(|row| Ok(row.try_get("event")?)).collect()
}

pub(super) fn read_row(row: &AnyRow, event: String) -> Result<DeliveryRow, DatabaseError> {
    let id = Id::read(row)?.to_string();
    let wrong = |why: String| DatabaseError::Row { id: id.clone(), why };
    let webhook: String = row.try_get("webhook_name")?;
    let state: i64 = row.try_get("state")?;
    let state = DeliveryState::of_number(state);
    Ok(DeliveryRow {
        position: Position(row.try_get("position")?),
        webhook: WebhookId::try_new(&webhook).map_err(|error| wrong(error.to_string()))?,
        event,
        kind: row.try_get("kind_name")?,
        state: state.ok_or_else(|| wrong("unknown state".to_owned()))?,
        dead_reason: row.try_get("reason_name")?,
        attempts: number(row.try_get("attempts")?),
        last_at_ms: row.try_get("at")?,
        last_duration_ms: number(row.try_get("duration")?),
        last_status: status(row.try_get("status")?),
        last_failure: row.try_get("failure_name")?,
        next_at_ms: row.try_get("next_at")?,
        id,
    })
}

/// A delivery and its event; where that was forgotten, what the delivery itself knows of it.
fn read_whole(
    row: &AnyRow,
    events: &HashMap<i64, LoggedEvent>,
) -> Result<(DeliveryRow, LoggedEvent), DatabaseError> {
    let event = events.get(&row.try_get("event")?).cloned();
    let delivery = read_row(row, event.as_ref().map(|event| event.id.clone()).unwrap_or_default())?;
    let event = event.unwrap_or_else(|| LoggedEvent {
        id: String::new(),
        kind: delivery.kind.clone(),
        project: None,
        published_ms: 0,
        body: Bytes::new(),
    });
    Ok((delivery, event))
}

fn read_attempt(row: &AnyRow) -> Result<AttemptRow, DatabaseError> {
    let trace = unpack_trace(&row.try_get::<Vec<u8>, _>("trace")?);
    Ok(AttemptRow {
        attempt: number(row.try_get("attempts")?),
        at_ms: row.try_get("at")?,
        duration_ms: number(row.try_get("duration")?),
        status: status(row.try_get("status")?),
        failure: row.try_get("failure_name")?,
        detail: trace.detail,
        response: trace.response,
        signature: trace.signature,
        standard_signature: trace.standard_signature,
    })
}

fn number(number: i64) -> u32 {
    u32::try_from(number.max(0)).unwrap_or(u32::MAX)
}

fn status(status: Option<i64>) -> Option<u16> {
    status.and_then(|status| u16::try_from(status).ok())
}
