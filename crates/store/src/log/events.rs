//! Events in their table, where a row is a chunk of them.

use std::collections::{BTreeSet, HashMap};

use sqlx::{Any, AnyPool, AssertSqlSafe, Row as _, Transaction};

use crate::database::DatabaseError;
use crate::log::chunk::{Chunk, Packer, chunk_of, numbers_of};
use crate::log::entry::LoggedEvent;
use crate::log::packed::unpack_event;
use crate::log::sql::{Form, Statements, list};

/// Chunks that are read at once: each may hold one event of the largest size.
const AT_ONCE: usize = 16;

const EVENTS: Form<(i64, Vec<u8>)> = Form {
    name: "events",
    table: "log_events",
    numbers: &[("number", |(number, _)| Some(*number))],
    bytes: Some(("packed", |(_, packed)| std::mem::take(packed))),
    tail: "",
};

/// Writes new events, which are in the order of their numbers.
pub(super) async fn write(
    tx: &mut Transaction<'_, Any>,
    statements: &mut Statements,
    packer: &mut Packer,
    events: &[(i64, &[u8])],
) -> Result<(), DatabaseError> {
    let pack = |events: &[(i64, &[u8])]| {
        let (number, _) = events.first()?;
        Some((chunk_of(*number), packer.pack(events.iter().map(|(_, packed)| *packed))))
    };
    let chunks = events.chunk_by(|(a, _), (b, _)| chunk_of(*a) == chunk_of(*b));
    let chunks: Vec<_> = chunks.filter_map(pack).collect();
    statements.write(tx, &EVENTS, chunks).await?;
    Ok(())
}

/// What `read` makes of these events, as far as the log still has them.
pub(super) async fn find<T>(
    pool: &AnyPool,
    numbers: impl IntoIterator<Item = i64>,
    read: impl Fn(&[u8]) -> Option<T>,
) -> Result<HashMap<i64, T>, DatabaseError> {
    let numbers: BTreeSet<i64> = numbers.into_iter().collect();
    let chunks: BTreeSet<i64> = numbers.iter().map(|number| chunk_of(*number)).collect();
    let chunks: Vec<i64> = chunks.into_iter().collect();
    let mut found = HashMap::with_capacity(numbers.len());
    for chunks in chunks.chunks(AT_ONCE) {
        let query = format!(
            "SELECT number, packed FROM log_events WHERE number IN ({})",
            list(chunks.iter().copied())
        );
        for row in sqlx::query(AssertSqlSafe(query)).persistent(false).fetch_all(pool).await? {
            let (chunk, packed): (i64, Vec<u8>) = (row.try_get("number")?, row.try_get("packed")?);
            let events = Chunk::unpack(&packed);
            let wanted = numbers.range(numbers_of(chunk));
            found
                .extend(wanted.filter_map(|number| Some((*number, read(events.event(*number)?)?))));
        }
    }
    Ok(found)
}

/// The events that came last, newest first.
pub(super) async fn recent(
    pool: &AnyPool,
    limit: usize,
) -> Result<Vec<LoggedEvent>, DatabaseError> {
    let query = "SELECT number, packed FROM log_events WHERE number < $1 \
                 ORDER BY number DESC LIMIT $2";
    let (mut events, mut below) = (Vec::<LoggedEvent>::new(), i64::MAX);
    while events.len() < limit {
        let at_once = i64::try_from(AT_ONCE).unwrap_or(1);
        let rows = sqlx::query(query).bind(below).bind(at_once).fetch_all(pool).await?;
        let Some(last) = rows.last() else { break };
        below = last.try_get("number")?;
        for row in rows {
            let chunk = Chunk::unpack(&row.try_get::<Vec<u8>, _>("packed")?);
            let chunk: Vec<&[u8]> = chunk.events().collect();
            for event in chunk.into_iter().rev().filter_map(unpack_event) {
                // Two replicas may both have kept it.
                if events.iter().all(|known| known.id != event.id) {
                    events.push(event);
                }
            }
        }
    }
    events.truncate(limit);
    Ok(events)
}
