//! What people decide about deliveries, noted in the log.

use std::collections::{HashMap, HashSet};

use sqlx::{Any, Transaction};

use crate::database::{DatabaseError, Kind, Pool};
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

/// A delivery that people decided about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decided {
    /// Its id.
    pub delivery: String,
    /// Attempts that had been made when they did.
    pub attempts: u32,
}

/// What becomes of those of which the log does not know all attempts yet: it writes them a moment
/// after they were made, and would then undo what was noted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behind {
    /// They are given back, to be noted later.
    Leave,
    /// They are noted all the same, where they are known at all.
    Take,
}

/// Notes that these deliveries were sent again (`Waiting`) or dropped (`Dropped`). Unknown ones are
/// passed over, as are those that are not among the dead where they are dropped, and those that
/// were attempted since: the attempt says how they stand. That is told by the number of attempts,
/// for the clocks of replicas differ. Gives those that were left.
pub(super) async fn mark(
    pool: &Pool,
    decided: &[Decided],
    state: DeliveryState,
    at_ms: i64,
    behind: Behind,
) -> Result<Vec<Decided>, DatabaseError> {
    let mut statements = Statements::new(pool.kind());
    let mut left = Vec::new();
    for decided in decided.chunks(CHUNK) {
        left.append(&mut mark_some(pool, &mut statements, decided, state, at_ms, behind).await?);
    }
    Ok(left)
}

async fn mark_some(
    pool: &Pool,
    statements: &mut Statements,
    all: &[Decided],
    state: DeliveryState,
    at_ms: i64,
    behind: Behind,
) -> Result<Vec<Decided>, DatabaseError> {
    let of = |one: &Decided| Some((Id::parse(&one.delivery)?, i64::from(one.attempts)));
    let decided: HashMap<Id, i64> = all.iter().filter_map(of).collect();
    let mut tx = pool.ready().await?.begin().await?;
    // Whoever writes holds it: what is read from here on stays as it is.
    let mut counter = Counter::take(&mut tx).await?;
    let rows = find(&mut tx, pool.kind(), statements, &decided, state).await?;
    let (mut tallies, mut eras) = (Tallies::default(), Eras::default());
    let (mut gone, mut changed) = (Vec::new(), Vec::new());
    let mut left = decided.clone();
    for row in rows {
        let attempts = decided.get(&row.id);
        if behind == Behind::Leave && attempts.is_some_and(|attempts| row.attempts < *attempts) {
            continue;
        }
        left.remove(&row.id);
        if !attempts.is_some_and(|attempts| may_become(&row, state, *attempts)) {
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
    rows::remove(&mut tx, statements, &gone).await?;
    rows::write_full(&mut tx, statements, changed).await?;
    eras.write(&mut tx, statements).await?;
    tallies.write(&mut tx, statements).await?;
    counter.give_back(&mut tx).await?;
    tx.commit().await?;
    if behind == Behind::Take {
        return Ok(Vec::new());
    }
    let is_left =
        |one: &&Decided| Id::parse(&one.delivery).is_some_and(|id| left.contains_key(&id));
    Ok(all.iter().filter(is_left).cloned().collect())
}

/// The rows of these deliveries, and perhaps others.
async fn find(
    tx: &mut Transaction<'_, Any>,
    kind: Kind,
    statements: &mut Statements,
    decided: &HashMap<Id, i64>,
    state: DeliveryState,
) -> Result<Vec<Row>, DatabaseError> {
    let keys: Vec<i64> = decided.keys().map(|id| id.high).collect();
    let by_id = match kind {
        Kind::Sqlite => rows::OPEN_BY_ID,
        Kind::Postgres => rows::BY_ID,
    };
    let found = statements.read(tx, by_id, &keys).await?;
    let mut rows = found.iter().map(Row::read).collect::<Result<Vec<_>, _>>()?;
    // What was delivered SQLite finds the slow way; it can be sent again, and not be dropped.
    if kind == Kind::Sqlite && state != DeliveryState::Dropped {
        let known: HashSet<Id> = rows.iter().map(|row| row.id).collect();
        let mut positions = Vec::new();
        for id in decided.keys().filter(|id| !known.contains(id)) {
            positions.extend(query::positions_of(tx, kind, *id).await?);
        }
        for row in statements.read(tx, rows::BY_POSITION, &positions).await? {
            rows.push(Row::read(&row)?);
        }
    }
    Ok(rows)
}

fn may_become(row: &Row, state: DeliveryState, attempts: i64) -> bool {
    let attempted_since = row.attempts > attempts;
    match state {
        DeliveryState::Dropped => row.state == DeliveryState::Dead && !attempted_since,
        DeliveryState::Waiting => !attempted_since,
        DeliveryState::Delivered | DeliveryState::Dead => true,
    }
}
