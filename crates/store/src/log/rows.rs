//! The statements that read and write rows of the log, many at a time.

use std::collections::HashMap;

use sqlx::{Any, Transaction};

use crate::database::DatabaseError;
use crate::log::chunk::chunk_of;
use crate::log::entry::DeliveryState;
use crate::log::row::Row;
use crate::log::sql::{Shape, Statements, Values};

/// Numbers of one era are the same above so many bits. An era's part of an index is what a batch
/// touches; how many eras there are is what a reader pays. The tables' indexes say the same.
const ERA_BITS: u32 = 14;
/// How far from the chunk of its event a delivery counts as late.
pub(super) const NEAR: i64 = 1_024;

/// Deliveries at these positions.
pub(super) const BY_POSITION: Shape = Shape { head: "position IN (", row: "?", tail: ")" };
/// Deliveries whose ids begin so that no receiver took yet; the index of SQLite knows those.
pub(super) const OPEN_BY_ID: Shape =
    Shape { head: "state <> 1 AND high IN (", row: "?", tail: ")" };
/// Deliveries whose ids begin so.
pub(super) const BY_ID: Shape = Shape { head: "high IN (", row: "?", tail: ")" };

const REMOVE: Shape =
    Shape { head: "DELETE FROM deliveries WHERE position IN (", row: "?", tail: ")" };
/// Delivered at the first attempt: most of them.
const PLAIN: Shape = Shape {
    head: "INSERT INTO deliveries (position, high, low, webhook, state, kind, event, attempts, \
           last_at, duration, status, trace) VALUES ",
    row: "(?, ?, ?, ?, 1, ?, ?, 1, ?, ?, ?, ?)",
    tail: "",
};
const FULL: Shape = Shape {
    head: "INSERT INTO deliveries (position, high, low, webhook, state, kind, event, attempts, \
           last_at, duration, status, failure, next_at, dead_reason, sent_again_at, late, trace) \
           VALUES ",
    row: "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    tail: "",
};
const PAST: Shape = Shape {
    head: "INSERT INTO attempts (number, high, low, attempt, at, duration, status, failure, \
           trace) VALUES ",
    row: "(?, ?, ?, ?, ?, ?, ?, ?, ?)",
    tail: "",
};
const ERAS: Shape = Shape {
    head: "INSERT INTO log_eras (era, kind, state, first_at, last_at) VALUES ",
    row: "(?, ?, ?, ?, ?)",
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
        let put = |values: &mut Values, ((era, kind, state), (first, last))| {
            [era, kind, state, first, last].into_iter().for_each(|number| values.put(number));
        };
        statements.write(tx, ERAS, self.0, put).await?;
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
    positions: Vec<i64>,
) -> Result<(), DatabaseError> {
    statements.write(tx, REMOVE, positions, Values::put).await?;
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
    let put = |values: &mut Values, row: Row| {
        values.put(row.position);
        values.put(row.id.high);
        values.put(row.id.low);
        values.put(row.webhook);
        values.put(row.kind);
        values.put(row.event);
        values.put(row.last_at);
        values.put(row.duration);
        values.put(row.status);
        values.put(row.trace);
    };
    statements.write(tx, PLAIN, rows, put).await?;
    Ok(())
}

pub(super) async fn write_full(
    tx: &mut Transaction<'_, Any>,
    statements: &mut Statements,
    rows: Vec<Row>,
) -> Result<(), DatabaseError> {
    let put = |values: &mut Values, row: Row| {
        let late = late(&row);
        values.put(row.position);
        values.put(row.id.high);
        values.put(row.id.low);
        values.put(row.webhook);
        values.put(row.state.number());
        values.put(row.kind);
        values.put(row.event);
        values.put(row.attempts);
        values.put(row.last_at);
        values.put(row.duration);
        values.put(row.status);
        values.put(row.failure);
        values.put(row.next_at);
        values.put(row.dead_reason);
        values.put(row.sent_again_at);
        values.put(late);
        values.put(row.trace);
    };
    statements.write(tx, FULL, rows, put).await?;
    Ok(())
}

/// Writes attempts that are not the last of their delivery; their position is their number.
pub(super) async fn write_past(
    tx: &mut Transaction<'_, Any>,
    statements: &mut Statements,
    rows: Vec<Row>,
) -> Result<(), DatabaseError> {
    let put = |values: &mut Values, row: Row| {
        values.put(row.position);
        values.put(row.id.high);
        values.put(row.id.low);
        values.put(row.attempts);
        values.put(row.last_at);
        values.put(row.duration);
        values.put(row.status);
        values.put(row.failure);
        values.put(row.trace);
    };
    statements.write(tx, PAST, rows, put).await?;
    Ok(())
}

/// The chunk of its event, where that is far.
fn late(row: &Row) -> Option<i64> {
    let chunk = chunk_of(row.event);
    (row.position - chunk > NEAR).then_some(chunk)
}
