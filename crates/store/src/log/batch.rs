//! Writes one batch of attempts, in one transaction.
//!
//! ```text
//! names get numbers ─► take the counter (and with it the lock) ─► read what is known of these
//! deliveries ─► merge each attempt ─► write events, deliveries, past attempts, counts ─► commit
//! ```
//!
//! Healthy deliveries are new, and so cost an insert and nothing else. PostgreSQL is asked about
//! each of them; SQLite, which has one writer, only about those that may be known: after a failure,
//! or written not long ago. A first attempt that is repeated much later makes a second row there.

use std::collections::HashMap;
use std::ops::Range;

use sqlx::{Any, AnyPool, Row as _, Transaction};

use crate::database::{DatabaseError, Kind};
use crate::log::chunk::{Packer, Places, chunk_of};
use crate::log::entry::{DeliveryState, LoggedNext};
use crate::log::events;
use crate::log::hours::Tallies;
use crate::log::id::{BuildQuick, Id};
use crate::log::names::Names;
use crate::log::recent::Recent;
use crate::log::row::{News, Row, merge};
use crate::log::rows::{self, Eras};
use crate::log::sql::Statements;
use crate::log::waiting::{Waiting, WaitingAttempt};

/// What a writer remembers from batch to batch; all of it can be forgotten.
#[derive(Debug)]
pub(super) struct Memory {
    kind: Kind,
    names: Names,
    /// Numbers of events, by the hashes of their ids.
    events: Recent<u64>,
    deliveries: Recent<Id>,
    /// Chunks of events below this number may be gone.
    pub(super) floor: i64,
    pub(super) statements: Statements,
    packer: Packer,
    warm: bool,
}

/// The counter of the log, held until the commit.
#[derive(Debug)]
pub(super) struct Counter {
    value: i64,
    /// Deliveries and attempts.
    pub(super) amount: i64,
}

/// One batch under way.
#[derive(Debug)]
struct Work<'a> {
    waiting: &'a Waiting,
    slots: Vec<Slot>,
    by_id: HashMap<Id, usize, BuildQuick>,
    /// New ones, packed, in the order of their numbers.
    events: Vec<(i64, &'a [u8])>,
    places: Places,
    event_numbers: HashMap<u64, i64, BuildQuick>,
    past: Vec<Row>,
    tallies: Tallies,
}

/// A delivery within a batch.
#[derive(Debug)]
struct Slot {
    row: Row,
    /// As it is in the table, if it is.
    stored: Option<Stored>,
    changed: bool,
}

#[derive(Clone, Copy, Debug)]
struct Stored {
    position: i64,
    state: DeliveryState,
    last_at: i64,
}

impl Memory {
    pub(super) fn new(kind: Kind) -> Self {
        Self {
            kind,
            names: Names::default(),
            events: Recent::default(),
            deliveries: Recent::default(),
            floor: 0,
            statements: Statements::new(kind),
            packer: Packer::default(),
            warm: false,
        }
    }

    /// Remembers what was written before the start.
    async fn warm_up(&mut self, pool: &AnyPool) -> Result<(), DatabaseError> {
        if self.warm || self.kind == Kind::Postgres {
            return Ok(());
        }
        let query = "SELECT high, low, position FROM deliveries ORDER BY position DESC LIMIT 16384";
        for row in sqlx::query(query).fetch_all(pool).await?.iter().rev() {
            self.deliveries.insert(Id::read(row)?, row.try_get("position")?);
        }
        self.warm = true;
        Ok(())
    }
}

impl Counter {
    /// Waits for the lock; whoever holds it is the only one who writes.
    pub(super) async fn take(tx: &mut Transaction<'_, Any>) -> Result<Self, sqlx::Error> {
        let query =
            "UPDATE log_counter SET value = value WHERE only_row = 1 RETURNING value, amount";
        let row = sqlx::query(query).fetch_one(&mut **tx).await?;
        Ok(Self { value: row.try_get("value")?, amount: row.try_get("amount")? })
    }

    pub(super) fn next(&mut self) -> i64 {
        self.value += 1;
        self.value
    }

    pub(super) async fn give_back(&self, tx: &mut Transaction<'_, Any>) -> Result<(), sqlx::Error> {
        sqlx::query("UPDATE log_counter SET value = $1, amount = $2 WHERE only_row = 1")
            .bind(self.value)
            .bind(self.amount)
            .execute(&mut **tx)
            .await?;
        Ok(())
    }
}

/// Writes this part of what waits, or none of it.
pub(super) async fn write(
    pool: &AnyPool,
    memory: &mut Memory,
    waiting: &Waiting,
    part: Range<usize>,
) -> Result<(), DatabaseError> {
    let attempts = &waiting.attempts()[part];
    memory.warm_up(pool).await?;
    let names = attempts.iter().flat_map(|attempt| names_of(waiting, attempt));
    memory.names.learn(pool, names).await?;
    let mut tx = pool.begin().await?;
    let mut counter = Counter::take(&mut tx).await?;
    let mut work = Work::new(waiting, attempts.len());
    work.find(&mut tx, memory, attempts).await?;
    for attempt in attempts {
        work.add(attempt, memory, &mut counter);
    }
    let written = work.write(&mut tx, memory).await?;
    counter.give_back(&mut tx).await?;
    tx.commit().await?;
    for (hash, number) in written.events {
        memory.events.insert(hash, number);
    }
    for (id, position) in written.deliveries {
        memory.deliveries.insert(id, position);
    }
    Ok(())
}

/// What a batch has written, and where.
struct Written {
    events: HashMap<u64, i64, BuildQuick>,
    deliveries: Vec<(Id, i64)>,
}

impl<'a> Work<'a> {
    fn new(waiting: &'a Waiting, attempts: usize) -> Self {
        Self {
            waiting,
            slots: Vec::with_capacity(attempts),
            by_id: HashMap::with_capacity_and_hasher(attempts, BuildQuick::default()),
            events: Vec::with_capacity(attempts),
            places: Places::default(),
            event_numbers: HashMap::default(),
            past: Vec::new(),
            tallies: Tallies::default(),
        }
    }

    /// Reads the deliveries that are known.
    async fn find(
        &mut self,
        tx: &mut Transaction<'_, Any>,
        memory: &mut Memory,
        attempts: &[WaitingAttempt],
    ) -> Result<(), DatabaseError> {
        let (mut positions, mut ids) = (Vec::new(), Vec::new());
        for attempt in attempts {
            let id = attempt.id;
            let recent = memory.deliveries.get(&id);
            positions.extend(recent);
            if memory.kind == Kind::Postgres || recent.is_some() || attempt.attempt != 1 {
                ids.push(id.high);
            }
        }
        let by_id = match memory.kind {
            Kind::Sqlite => rows::OPEN_BY_ID,
            Kind::Postgres => rows::BY_ID,
        };
        for (shape, mut keys) in [(rows::BY_POSITION, positions), (by_id, ids)] {
            keys.sort_unstable();
            keys.dedup();
            for row in memory.statements.read(tx, shape, &keys).await? {
                self.know(Row::read(&row)?);
            }
        }
        Ok(())
    }

    /// Takes in a row of the table; of two of one delivery the later.
    fn know(&mut self, row: Row) {
        let Row { position, state, last_at, id, .. } = row;
        let slot = Slot { row, stored: Some(Stored { position, state, last_at }), changed: false };
        match self.by_id.get(&id) {
            Some(place) if self.slots[*place].row.position >= position => {}
            Some(place) => self.slots[*place] = slot,
            None => {
                self.by_id.insert(id, self.slots.len());
                self.slots.push(slot);
            }
        }
    }

    fn add(&mut self, attempt: &'a WaitingAttempt, memory: &Memory, counter: &mut Counter) {
        let Some(new) = row_of(self.waiting, attempt, &memory.names) else { return };
        let Some(place) = self.by_id.get(&new.id).copied() else {
            let event = self.event(attempt, memory, counter);
            let row = Row { event, position: counter.next(), ..new };
            if row.attempts > 0 {
                self.tallies.attempt(&row);
            }
            self.by_id.insert(row.id, self.slots.len());
            self.slots.push(Slot { row, stored: None, changed: true });
            counter.amount += 1;
            return;
        };
        let slot = &mut self.slots[place];
        let mut tallies = Tallies::default();
        if new.attempts > 0 {
            tallies.attempt(&new);
        }
        let Some(News { row, past }) = merge(&slot.row, new) else { return };
        self.tallies.append(tallies);
        if let Some(row) = row {
            slot.row = Row { position: counter.next(), ..row };
            slot.changed = true;
        }
        if let Some(past) = past {
            counter.amount += 1;
            self.past.push(Row { position: counter.next(), ..past });
        }
    }

    /// The number of an event, which is written where it is new.
    fn event(&mut self, of: &'a WaitingAttempt, memory: &Memory, counter: &mut Counter) -> i64 {
        let event = self.waiting.event(of);
        let is_there = |number: &i64| chunk_of(*number) >= memory.floor;
        let known = memory.events.get(&event.hash).filter(is_there);
        known.unwrap_or_else(|| {
            *self.event_numbers.entry(event.hash).or_insert_with(|| {
                let packed = self.waiting.packed(event);
                let last = counter.value;
                let number = self.places.next(packed.len(), last, || counter.next());
                self.events.push((number, packed));
                number
            })
        })
    }

    async fn write(
        mut self,
        tx: &mut Transaction<'_, Any>,
        memory: &mut Memory,
    ) -> Result<Written, DatabaseError> {
        let mut plain = Vec::with_capacity(self.slots.len());
        let (mut full, mut gone) = (Vec::new(), Vec::new());
        let mut eras = Eras::default();
        for slot in self.slots.into_iter().filter(|slot| slot.changed) {
            let Slot { row, stored, .. } = slot;
            if let Some(Stored { position, state, last_at }) = stored {
                gone.push(position);
                self.tallies.delivery(row.webhook, state, last_at, -1);
            }
            self.tallies.delivery(row.webhook, row.state, row.last_at, 1);
            eras.note(&row);
            if rows::is_plain(&row) { plain.push(row) } else { full.push(row) }
        }
        let deliveries = plain.iter().chain(&full).map(|row| (row.id, row.position)).collect();
        let statements = &mut memory.statements;
        events::write(tx, statements, &mut memory.packer, &self.events).await?;
        rows::remove(tx, statements, &gone).await?;
        rows::write_plain(tx, statements, plain).await?;
        rows::write_full(tx, statements, full).await?;
        rows::write_past(tx, statements, self.past).await?;
        eras.write(tx, statements).await?;
        self.tallies.write(tx, statements).await?;
        Ok(Written { events: self.event_numbers, deliveries })
    }
}

/// The texts of an attempt that are written as numbers.
fn names_of<'a>(
    waiting: &'a Waiting,
    attempt: &'a WaitingAttempt,
) -> impl Iterator<Item = &'a str> + Clone {
    let reason = match &attempt.next {
        LoggedNext::Dead(reason) => Some(reason.as_str()),
        LoggedNext::Delivered | LoggedNext::Retry(_) | LoggedNext::Dropped => None,
    };
    [attempt.webhook.as_str(), waiting.event(attempt).kind.as_str()]
        .into_iter()
        .chain(attempt.failure.as_deref())
        .chain(reason)
}

/// An attempt as a row, without its event and its place. Its names are known.
fn row_of(waiting: &Waiting, attempt: &WaitingAttempt, names: &Names) -> Option<Row> {
    let (next_at, dead_reason) = match &attempt.next {
        LoggedNext::Delivered | LoggedNext::Dropped => (None, None),
        LoggedNext::Retry(at) => (Some(*at), None),
        LoggedNext::Dead(reason) => (None, names.number(reason)),
    };
    Some(Row {
        position: 0,
        id: attempt.id,
        webhook: names.number(attempt.webhook.as_str())?,
        state: attempt.next.state(),
        kind: names.number(waiting.event(attempt).kind.as_str())?,
        event: 0,
        attempts: i64::from(attempt.attempt),
        last_at: attempt.at_ms,
        duration: attempt.duration_ms,
        status: attempt.status.map(i64::from),
        failure: attempt.failure.as_deref().and_then(|failure| names.number(failure)),
        next_at,
        dead_reason,
        sent_again_at: None,
        trace: waiting.trace(attempt).to_vec(),
    })
}
