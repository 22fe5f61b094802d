//! What people decide about deliveries, noted in the log.

use std::collections::HashSet;

use crate::database::{DatabaseError, Pool};
use crate::log::batch::Counter;
use crate::log::entry::DeliveryState;
use crate::log::hours::Tallies;
use crate::log::id::Id;
use crate::log::query;
use crate::log::row::Row;
use crate::log::rows::{self, Eras};
use crate::log::sql::Statements;

/// Deliveries of one transaction.
const CHUNK: usize = 200;

/// Notes that these deliveries were sent again (`Waiting`) or dropped (`Dropped`). Unknown ones are
/// passed over, as are those that are not among the dead where they are dropped, and those that
/// were attempted since `at_ms` where they are sent again: the attempt says how they stand.
pub(super) async fn mark(
    pool: &Pool,
    ids: &[String],
    state: DeliveryState,
    at_ms: i64,
) -> Result<(), DatabaseError> {
    let mut statements = Statements::new(pool.kind());
    for ids in ids.chunks(CHUNK) {
        mark_some(pool, &mut statements, ids, state, at_ms).await?;
    }
    Ok(())
}

async fn mark_some(
    pool: &Pool,
    statements: &mut Statements,
    ids: &[String],
    state: DeliveryState,
    at_ms: i64,
) -> Result<(), DatabaseError> {
    let connections = pool.ready().await?;
    let ids: HashSet<Id> = ids.iter().filter_map(|id| Id::parse(id)).collect();
    let mut positions = Vec::new();
    for id in &ids {
        positions.extend(query::positions_of(connections, pool.kind(), *id).await?);
    }
    let mut tx = connections.begin().await?;
    let mut counter = Counter::take(&mut tx).await?;
    let (mut tallies, mut eras) = (Tallies::default(), Eras::default());
    let (mut gone, mut changed) = (Vec::new(), Vec::new());
    for row in statements.read(&mut tx, rows::BY_POSITION, &positions).await? {
        let row = Row::read(&row)?;
        if !ids.contains(&row.id) || !may_become(&row, state, at_ms) {
            continue;
        }
        gone.push(row.position);
        tallies.delivery(row.webhook, row.state, row.last_at, -1);
        let row = Row {
            position: counter.next(),
            state,
            next_at: None,
            sent_again_at: (state == DeliveryState::Waiting).then_some(at_ms),
            ..row
        };
        tallies.delivery(row.webhook, row.state, row.last_at, 1);
        eras.note(&row);
        changed.push(row);
    }
    rows::remove(&mut tx, statements, gone).await?;
    rows::write_full(&mut tx, statements, changed).await?;
    eras.write(&mut tx, statements).await?;
    tallies.write(&mut tx, statements).await?;
    counter.give_back(&mut tx).await?;
    tx.commit().await?;
    Ok(())
}

fn may_become(row: &Row, state: DeliveryState, at_ms: i64) -> bool {
    match state {
        DeliveryState::Dropped => row.state == DeliveryState::Dead,
        DeliveryState::Waiting => row.last_at <= at_ms,
        DeliveryState::Delivered | DeliveryState::Dead => true,
    }
}
