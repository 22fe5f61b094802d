//! Sessions that were ended before their time.
//!
//! They are refused here at once. Where webhooks are kept in a database it knows them, too: so that
//! every replica refuses them within a second, and this one after it was started anew. What could not
//! be written there is tried again. **Invariant:** what is forgotten for want of room takes every
//! session with it that began before: none comes back.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use store::{Database, EndedSession};

use super::session::Session;

/// Ended sessions that are remembered, each until its time is over.
const MOST: usize = 10_000;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Ended(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    sessions: HashMap<String, Known>,
    /// Every session that began before is over, ms since 1970.
    before_ms: i64,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    ended_at_ms: i64,
    until_ms: i64,
    /// Whether the database knows it.
    told: bool,
}

impl Ended {
    /// Ends a session.
    pub(super) fn end(&self, session: Session, now_ms: i64) {
        let known = Known { ended_at_ms: now_ms, until_ms: session.until_ms, told: false };
        self.with(|inner| {
            inner.sessions.entry(session.id).or_insert(known);
            inner.make_room(now_ms);
        });
    }

    /// Whether this session was ended.
    pub(super) fn has(&self, session: &Session) -> bool {
        self.with(|inner| {
            session.began_ms < inner.before_ms || inner.sessions.contains_key(&session.id)
        })
    }

    /// Tells the database what it does not know, and learns what it does; why that failed.
    pub(super) async fn share(&self, database: &Database, now_ms: i64) -> Result<(), String> {
        for ended in self.untold() {
            let told = database.end_session(&ended).await;
            told.map_err(|error| broker::in_one_line(&error))?;
            self.with(|inner| {
                if let Some(known) = inner.sessions.get_mut(&ended.id) {
                    known.told = true;
                }
            });
        }
        // One more than there is room for says from when on nothing is missing.
        let most = u32::try_from(MOST + 1).unwrap_or(u32::MAX);
        let known = database.ended_sessions(most).await;
        self.learn(known.map_err(|error| broker::in_one_line(&error))?, now_ms);
        Ok(())
    }

    fn learn(&self, ended: Vec<EndedSession>, now_ms: i64) {
        self.with(|inner| {
            for EndedSession { id, ended_at_ms, until_ms } in ended {
                inner.sessions.insert(id, Known { ended_at_ms, until_ms, told: true });
            }
            inner.make_room(now_ms);
        });
    }

    fn untold(&self) -> Vec<EndedSession> {
        self.with(|inner| {
            let untold = inner.sessions.iter().filter(|(_, known)| !known.told);
            let ended = untold.map(|(id, known)| EndedSession {
                id: id.clone(),
                ended_at_ms: known.ended_at_ms,
                until_ms: known.until_ms,
            });
            ended.collect()
        })
    }

    /// Every field is whole after each statement, so a panic elsewhere spoils nothing.
    fn with<T>(&self, work: impl FnOnce(&mut Inner) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Inner {
    fn make_room(&mut self, now_ms: i64) {
        self.sessions.retain(|_, known| known.until_ms > now_ms);
        if self.sessions.len() <= MOST {
            return;
        }
        // The half that was ended first is forgotten; all that began before its last one is over.
        let mut times: Vec<i64> = self.sessions.values().map(|known| known.ended_at_ms).collect();
        let (_, middle, _) = times.select_nth_unstable(MOST / 2);
        let middle = *middle;
        self.before_ms = self.before_ms.max(middle.saturating_add(1));
        self.sessions.retain(|_, known| known.ended_at_ms > middle);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(n: i64) -> Session {
        Session { id: n.to_string(), began_ms: n, until_ms: n + 1_000_000 }
    }

    #[test]
    fn what_is_ended_never_comes_back() {
        let ended = Ended::default();
        ended.end(session(1), 1);
        assert!(ended.has(&session(1)) && !ended.has(&session(2)));
        assert_eq!(ended.untold().len(), 1);
        let most = i64::try_from(MOST).unwrap();
        for n in 2..=most + 1 {
            ended.end(session(n), n);
        }
        assert!((1..=most + 1).all(|n| ended.has(&session(n))));
        assert!(!ended.has(&session(most + 2)));
        assert!(ended.0.lock().unwrap().sessions.len() <= MOST);
    }

    #[test]
    fn what_is_over_by_itself_is_forgotten() {
        let ended = Ended::default();
        let row = |id: &str, until_ms| EndedSession { id: id.to_owned(), ended_at_ms: 1, until_ms };
        ended.learn(vec![row("a", 10), row("b", 20)], 15);
        let known: Vec<String> = ended.0.lock().unwrap().sessions.keys().cloned().collect();
        assert_eq!(known, ["b"]);
        assert!(ended.untold().is_empty());
    }
}
