//! One delivery as its table holds it, and what becomes of it when another attempt is reported.
//!
//! Reports come at least once and in any order: replicas write on their own, and an event that was
//! given back is delivered anew. [`merge`] says what follows; it is pure.

use sqlx::Row as _;
use sqlx::any::AnyRow;

use crate::database::DatabaseError;
use crate::log::entry::DeliveryState;
use crate::log::id::Id;

/// Every column that a row is made of.
pub(super) const COLUMNS: &str = "position, high, low, webhook, state, kind, event, attempts, \
     last_at, duration, status, failure, next_at, dead_reason, sent_again_at, trace";

/// See the module. Texts that come again and again are numbers here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) position: i64,
    pub(super) id: Id,
    pub(super) webhook: i64,
    pub(super) state: DeliveryState,
    pub(super) kind: i64,
    pub(super) event: i64,
    pub(super) attempts: i64,
    pub(super) last_at: i64,
    pub(super) duration: i64,
    pub(super) status: Option<i64>,
    pub(super) failure: Option<i64>,
    pub(super) next_at: Option<i64>,
    pub(super) dead_reason: Option<i64>,
    /// When people had it sent again, until the first attempt after that.
    pub(super) sent_again_at: Option<i64>,
    pub(super) trace: Vec<u8>,
}

/// What a report changes: the delivery, where it changed, and an attempt that is not its last one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct News {
    pub(super) row: Option<Row>,
    pub(super) past: Option<Row>,
}

impl Row {
    pub(super) fn read(row: &AnyRow) -> Result<Self, DatabaseError> {
        let id = Id::read(row)?;
        let number: i64 = row.try_get("state")?;
        let Some(state) = DeliveryState::of_number(number) else {
            return Err(DatabaseError::Row {
                id: id.to_string(),
                why: format!("unknown state {number}"),
            });
        };
        Ok(Self {
            position: row.try_get("position")?,
            id,
            webhook: row.try_get("webhook")?,
            state,
            kind: row.try_get("kind")?,
            event: row.try_get("event")?,
            attempts: row.try_get("attempts")?,
            last_at: row.try_get("last_at")?,
            duration: row.try_get("duration")?,
            status: row.try_get("status")?,
            failure: row.try_get("failure")?,
            next_at: row.try_get("next_at")?,
            dead_reason: row.try_get("dead_reason")?,
            sent_again_at: row.try_get("sent_again_at")?,
            trace: row.try_get("trace")?,
        })
    }
}

/// What follows for a delivery from a report of it; `None` where it was reported before.
///
/// - What a receiver took stays delivered, unless people had it sent again since.
/// - Else the higher attempt decides, and among equals the later.
/// - A report without an attempt (`attempts` is 0) changes how the delivery stands and nothing else.
pub(super) fn merge(old: &Row, new: Row) -> Option<News> {
    if (old.attempts, old.last_at, old.state) == (new.attempts, new.last_at, new.state) {
        return None;
    }
    let made = new.attempts > 0;
    // Clocks differ; a number that is higher is of a later attempt whatever they say.
    let sent_again = old.sent_again_at.map(|at| new.last_at >= at || new.attempts > old.attempts);
    let decides = sent_again.unwrap_or_else(|| match (old.state, new.state) {
        (DeliveryState::Delivered, _) => false,
        (_, DeliveryState::Delivered) => true,
        _ if !made => new.last_at >= old.last_at,
        _ => (new.attempts, new.last_at) > (old.attempts, old.last_at),
    });
    if !decides {
        return made.then_some(News { row: None, past: Some(new) });
    }
    if !made {
        let row = Row {
            state: new.state,
            next_at: new.next_at,
            dead_reason: new.dead_reason,
            sent_again_at: None,
            ..old.clone()
        };
        return Some(News { row: Some(row), past: None });
    }
    // Attempts may be counted anew after that.
    let attempts = if sent_again.is_some() { new.attempts } else { new.attempts.max(old.attempts) };
    let past = (old.attempts > 0).then(|| old.clone());
    Some(News { row: Some(Row { event: old.event, attempts, ..new }), past })
}

#[cfg(test)]
mod tests {
    use super::*;
    use DeliveryState::{Dead, Delivered, Dropped, Waiting};

    fn row(attempts: i64, last_at: i64, state: DeliveryState) -> Row {
        Row {
            position: 1,
            id: Id { high: 1, low: 2 },
            webhook: 1,
            state,
            kind: 2,
            event: 3,
            attempts,
            last_at,
            duration: 5,
            status: None,
            failure: None,
            next_at: None,
            dead_reason: None,
            sent_again_at: None,
            trace: Vec::new(),
        }
    }

    /// How the delivery stands then, its attempts, and which attempt is a past one.
    type Expected = (DeliveryState, i64, Option<i64>);

    fn check(old: &Row, new: Row, expected: Expected) {
        let told = format!("{old:?} and {new:?}");
        let found = match merge(old, new) {
            None => (old.state, old.attempts, None),
            Some(News { row, past }) => {
                let row = row.unwrap_or_else(|| old.clone());
                (row.state, row.attempts, past.map(|past| past.attempts))
            }
        };
        assert_eq!(found, expected, "{told}");
    }

    #[test]
    fn reports_in_any_order() {
        for (old, new, expected) in [
            // In order.
            ((1, 10, Waiting), (2, 20, Waiting), (Waiting, 2, Some(1))),
            ((2, 20, Waiting), (3, 30, Delivered), (Delivered, 3, Some(2))),
            ((2, 20, Waiting), (3, 30, Dead), (Dead, 3, Some(2))),
            // The older one comes late.
            ((2, 20, Waiting), (1, 10, Waiting), (Waiting, 2, Some(1))),
            ((3, 30, Dead), (2, 20, Waiting), (Dead, 3, Some(2))),
            ((3, 30, Delivered), (2, 20, Waiting), (Delivered, 3, Some(2))),
            // Clocks of replicas differ.
            ((2, 20, Waiting), (3, 15, Dead), (Dead, 3, Some(2))),
            // The same again.
            ((1, 10, Delivered), (1, 10, Delivered), (Delivered, 1, None)),
            ((2, 20, Waiting), (2, 20, Waiting), (Waiting, 2, None)),
            // The event came again.
            ((1, 10, Delivered), (1, 15, Delivered), (Delivered, 1, Some(1))),
            ((1, 10, Delivered), (1, 15, Waiting), (Delivered, 1, Some(1))),
            ((1, 10, Waiting), (1, 15, Delivered), (Delivered, 1, Some(1))),
            ((3, 30, Waiting), (1, 35, Delivered), (Delivered, 3, Some(3))),
            ((3, 30, Waiting), (1, 35, Waiting), (Waiting, 3, Some(1))),
            // Without an attempt.
            ((2, 20, Waiting), (0, 25, Dead), (Dead, 2, None)),
            ((2, 20, Delivered), (0, 25, Dead), (Delivered, 2, None)),
            ((0, 10, Dead), (1, 20, Delivered), (Delivered, 1, None)),
            // Somebody dropped it, and it was being sent.
            ((3, 30, Dropped), (2, 20, Waiting), (Dropped, 3, Some(2))),
            ((3, 30, Dropped), (4, 40, Delivered), (Delivered, 4, Some(3))),
        ] {
            let [old, new] = [old, new].map(|(attempts, at, state)| row(attempts, at, state));
            check(&old, new, expected);
        }
    }

    #[test]
    fn sent_again_by_people() {
        let old = Row { sent_again_at: Some(50), ..row(9, 40, Waiting) };
        check(&old, row(9, 45, Dead), (Waiting, 9, Some(9)));
        check(&old, row(1, 60, Waiting), (Waiting, 1, Some(9)));
        check(&old, row(10, 60, Delivered), (Delivered, 10, Some(9)));
        check(&old, row(0, 60, Dead), (Dead, 9, None));
    }
}
