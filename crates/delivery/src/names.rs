//! From a host's name to its addresses: asked of name servers, remembered as long as they say.
//!
//! What is asked is what the system's own resolver would ask (`/etc/hosts`, then the name servers
//! and search domains of `/etc/resolv.conf`, both read again when they change), but without its
//! threads: a name whose servers never answer would hold one for ten seconds and more, and enough
//! of them would hold all. However many ask for a name at the same time, it is asked for once.
//!
//! **Invariant:** what is remembered is bounded in number and in time, and so is a lookup.
//!
//! Not here: whether an address may be reached. That is judged at every connect anew, remembered
//! or not.

mod source;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use thiserror::Error;
use tokio::time::{Instant, timeout};

use crate::metrics::Metrics;
use crate::names::source::Source;

/// How long any answer is remembered at least: as long as it takes those to connect who asked for
/// it together.
const SHORTEST: Duration = Duration::from_secs(1);
/// How long a failure is remembered.
const FAILED: Duration = Duration::from_secs(1);
/// The most addresses that are remembered of a name; no more would be tried within an attempt.
const MOST_ADDRESSES: usize = 16;

/// Who is asked, and what is remembered.
#[derive(Clone, Debug)]
pub struct NameRules {
    /// Name servers; those of the system where there are none here.
    pub servers: Vec<SocketAddr>,
    /// How long a lookup may take.
    pub limit: Duration,
    /// How long an answer is remembered at most, whatever it says.
    pub max_ttl: Duration,
    /// How many names are remembered.
    pub max_names: usize,
}

/// Why there is no address.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum NameError {
    /// The name servers say that there is no such name.
    #[error("there is no such name")]
    NoName,
    /// The name is there, but leads to no address.
    #[error("the name has no address")]
    NoAddress,
    /// Nothing came back in time.
    #[error("no answer from the name servers within {0:?}")]
    Silent(Duration),
    /// The name servers failed.
    #[error("the name servers failed: {0}")]
    Failed(Arc<str>),
}

/// Looks names up. Cheap to clone.
#[derive(Clone)]
pub struct Names(Arc<Parts>);

struct Parts {
    rules: NameRules,
    source: Source,
    remembered: Mutex<HashMap<Box<str>, Arc<Entry>>>,
    metrics: Metrics,
}

/// Locked while its name is looked up: who comes meanwhile waits for that answer.
type Entry = tokio::sync::Mutex<Option<Answer>>;

struct Answer {
    found: Result<Arc<[IpAddr]>, NameError>,
    until: Instant,
}

impl Names {
    /// Nothing is remembered yet. Asking needs a runtime.
    #[must_use]
    pub fn new(rules: NameRules, metrics: Metrics) -> Self {
        let source = Source::new(rules.servers.clone(), rules.limit);
        let remembered = Mutex::default();
        Self(Arc::new(Parts { rules, source, remembered, metrics }))
    }

    /// The addresses of `name`, in no particular order; at least one.
    ///
    /// # Errors
    ///
    /// [`NameError`], within [`NameRules::limit`] of being asked for alone.
    pub async fn addresses(&self, name: &str) -> Result<Arc<[IpAddr]>, NameError> {
        let parts = &*self.0;
        let entry = parts.entry(name);
        let mut answer = entry.lock().await;
        if let Some(known) = answer.as_ref().filter(|known| Instant::now() < known.until) {
            parts.metrics.names_remembered.inc();
            return known.found.clone();
        }
        let new = parts.look_up(name).await;
        let found = new.found.clone();
        *answer = Some(new);
        found
    }
}

impl Parts {
    /// What is remembered of the name, or room for it.
    fn entry(&self, name: &str) -> Arc<Entry> {
        // All is whole after every statement, so a panic elsewhere spoils nothing.
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = remembered.get(name) {
            return Arc::clone(entry);
        }
        if remembered.len() >= self.rules.max_names {
            let now = Instant::now();
            remembered.retain(|_, entry| !is_over(entry, now));
        }
        if remembered.len() >= self.rules.max_names
            && let Some(any) = remembered.keys().next().cloned()
        {
            remembered.remove(&any);
            self.metrics.names_forgotten.inc();
        }
        let entry = Arc::new(Entry::default());
        remembered.insert(name.into(), Arc::clone(&entry));
        entry
    }

    async fn look_up(&self, name: &str) -> Answer {
        let limit = self.rules.limit;
        let found = timeout(limit, self.source.ask(name)).await;
        let found = found.unwrap_or(Err(NameError::Silent(limit)));
        let (found, ttl) = match found {
            Ok((addresses, ttl)) if !addresses.is_empty() => {
                self.metrics.names_answered.inc();
                let addresses: Arc<[IpAddr]> = addresses.into_iter().take(MOST_ADDRESSES).collect();
                (Ok(addresses), ttl.min(self.rules.max_ttl).max(SHORTEST))
            }
            Ok(_) => (Err(NameError::NoAddress), FAILED),
            Err(error) => (Err(error), FAILED),
        };
        if found.is_err() {
            self.metrics.names_failed.inc();
        }
        Answer { found, until: Instant::now() + ttl }
    }
}

/// Whether nothing is lost with it. What is being looked up stays.
fn is_over(entry: &Entry, now: Instant) -> bool {
    let answer = entry.try_lock();
    answer.is_ok_and(|answer| answer.as_ref().is_none_or(|answer| answer.until <= now))
}
