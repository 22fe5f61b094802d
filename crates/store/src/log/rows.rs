//! The statements that read and write rows of the log, many at a time.

use std::collections::HashMap;

use sqlx::{Any, Transaction};

use crate::database::DatabaseError;
use crate::log::chunk::chunk_of;
use crate::log::entry::DeliveryState;
use crate::log::row::Row;
use crate::log::sql::{ByKeys, Bytes, Form, Number, Statements};

/// Numbers of one era are the same above so many bits. An era's part of an index is what a batch
/// touches; how many eras there are is what a reader pays. The tables' indexes say the same.
const ERA_BITS: u32 = 14;
/// How far from the chunk of its event a delivery counts as late.
pub(super) const NEAR: i64 = 1_024;

/// Deliveries at these positions.
pub(super) const BY_POSITION: ByKeys = ByKeys { table: "deliveries", key: "position" };
/// Deliveries whose ids begin so that no receiver took yet; the index of SQLite knows those.
pub(super) const OPEN_BY_ID: ByKeys = ByKeys { table: "deliveries", key: "state <> 1 AND high" };
/// Deliveries whose ids begin so.
pub(super) const BY_ID: ByKeys = ByKeys { table: "deliveries", key: "high" };

// The columns, each said once.
const POSITION: Number<Row> = ("position", |row| Some(row.position));
const HIGH: Number<Row> = ("high", |row| Some(row.id.high));
const LOW: Number<Row> = ("low", |row| Some(row.id.low));
const WEBHOOK: Number<Row> = ("webhook", |row| Some(row.webhook));
const STATE: Number<Row> = ("state", |row| Some(row.state.number()));
const KIND: Number<Row> = ("kind", |row| Some(row.kind));
const EVENT: Number<Row> = ("event", |row| Some(row.event));
const ATTEMPTS: Number<Row> = ("attempts", |row| Some(row.attempts));
const LAST_AT: Number<Row> = ("last_at", |row| Some(row.last_at));
const DURATION: Number<Row> = ("duration", |row| Some(row.duration));
const STATUS: Number<Row> = ("status", |row| row.status);
const FAILURE: Number<Row> = ("failure", |row| row.failure);
const NEXT_AT: Number<Row> = ("next_at", |row| row.next_at);
const DEAD_REASON: Number<Row> = ("dead_reason", |row| row.dead_reason);
const SENT_AGAIN_AT: Number<Row> = ("sent_again_at", |row| row.sent_again_at);
const LATE: Number<Row> = ("late", late);
const TRACE: Bytes<Row> = ("trace", |row| std::mem::take(&mut row.trace));

/// Delivered at the first attempt, which the table takes for granted: most of them.
const PLAIN: Form<Row> = Form {
    name: "plain",
    table: "deliveries",
    numbers: &[POSITION, HIGH, LOW, WEBHOOK, KIND, EVENT, LAST_AT, DURATION, STATUS],
    bytes: Some(TRACE),
    tail: "",
};
const FULL: Form<Row> = Form {
    name: "full",
    numbers: &[
        POSITION,
        HIGH,
        LOW,
        WEBHOOK,
        STATE,
        KIND,
        EVENT,
        ATTEMPTS,
        LAST_AT,
        DURATION,
        STATUS,
        FAILURE,
        NEXT_AT,
        DEAD_REASON,
        SENT_AGAIN_AT,
        LATE,
    ],
    ..PLAIN
};
/// The same as an attempt: its position is its number.
const PAST: Form<Row> = Form {
    name: "past",
    table: "attempts",
    numbers: &[
        ("number", POSITION.1),
        HIGH,
        LOW,
        ("attempt", ATTEMPTS.1),
        ("at", LAST_AT.1),
        DURATION,
        STATUS,
        FAILURE,
    ],
    ..PLAIN
};

/// What an era may hold: its key, and the first and the last time.
type Era = ((i64, i64, i64), (i64, i64));

const ERAS: Form<Era> = Form {
    name: "eras",
    table: "log_eras",
    numbers: &[
        ("era", |((era, _, _), _)| Some(*era)),
        ("kind", |((_, kind, _), _)| Some(*kind)),
        ("state", |((_, _, state), _)| Some(*state)),
        ("first_at", |(_, (first, _))| Some(*first)),
        ("last_at", |(_, (_, last))| Some(*last)),
    ],
    bytes: None,
    tail: " ON CONFLICT (era, kind, state) DO UPDATE SET \
           first_at = CASE WHEN excluded.first_at < log_eras.first_at THEN excluded.first_at \
                           ELSE log_eras.first_at END, \
           last_at = CASE WHEN excluded.last_at > log_eras.last_at THEN excluded.last_at \
                          ELSE log_eras.last_at END",
};

/// What a batch adds to what is known of eras.
#[derive(Debug, Default)]
pub(super) struct Eras(HashMap<(i64, i64, i64), (i64, i64)>);

impl Eras {
    pub(super) fn note(&mut self, row: &Row) {
        let key = (era(row.position), row.kind, row.state.number());
        let (first, last) = self.0.entry(key).or_insert((row.last_at, row.last_at));
        *first = row.last_at.min(*first);
        *last = row.last_at.max(*last);
    }

    pub(super) async fn write(
        self,
        tx: &mut Transaction<'_, Any>,
        statements: &mut Statements,
    ) -> Result<(), DatabaseError> {
        statements.write(tx, &ERAS, self.0.into_iter().collect()).await?;
        Ok(())
    }
}

/// The era of a number.
pub(super) fn era(number: i64) -> i64 {
    number >> ERA_BITS
}

pub(super) async fn remove(
    tx: &mut Transaction<'_, Any>,
    statements: &mut Statements,
    positions: &[i64],
) -> Result<(), DatabaseError> {
    statements.remove(tx, BY_POSITION, positions).await?;
    Ok(())
}

/// Whether only what [`write_plain`] writes is to be said of a delivery: it was delivered at the
/// first attempt, soon after its event was first seen.
pub(super) fn is_plain(row: &Row) -> bool {
    row.state == DeliveryState::Delivered
        && row.attempts == 1
        && row.failure.is_none()
        && late(row).is_none()
}

/// Writes rows that are [`is_plain`].
pub(super) async fn write_plain(
    tx: &mut Transaction<'_, Any>,
    statements: &mut Statements,
    rows: Vec<Row>,
) -> Result<(), DatabaseError> {
    Ok(statements.write(tx, &PLAIN, rows).await?)
}

/// Writes any rows.
pub(super) async fn write_full(
    tx: &mut Transaction<'_, Any>,
    statements: &mut Statements,
    rows: Vec<Row>,
) -> Result<(), DatabaseError> {
    Ok(statements.write(tx, &FULL, rows).await?)
}

/// Writes attempts that are not the last of their delivery; their position is their number.
pub(super) async fn write_past(
    tx: &mut Transaction<'_, Any>,
    statements: &mut Statements,
    rows: Vec<Row>,
) -> Result<(), DatabaseError> {
    Ok(statements.write(tx, &PAST, rows).await?)
}

/// The chunk of its event, where that is far.
fn late(row: &Row) -> Option<i64> {
    let chunk = chunk_of(row.event);
    (row.position - chunk > NEAR).then_some(chunk)
}
