//! Whether the process lives and whether it is ready, and if not, why: one line for the operator.
//!
//! *Live* means that the program's own loops turn: the pulse, a task on the runtime that does all
//! the work, beat a short while ago. *Ready* means that a session with the broker stands and that
//! webhooks are loaded. A broker that is away makes it not ready, never not live: a restart would
//! not bring the broker back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use broker::State;
use tokio::sync::watch;
use tokio::time::{Instant, interval};

/// How often the pulse beats, and for how long its absence is put down to load.
const BEAT_EVERY: Duration = Duration::from_secs(1);
const MISSED_AFTER: Duration = Duration::from_secs(15);

/// What the probes are answered from; cheap to clone.
#[derive(Clone)]
pub(crate) struct Health {
    started: Instant,
    last_beat_ms: Arc<AtomicU64>,
    broker: watch::Receiver<State>,
    /// Why there are no webhooks to match events against, where there are none.
    unloaded: Arc<dyn Fn() -> Option<String> + Send + Sync>,
    draining: watch::Receiver<bool>,
}

impl Health {
    pub(crate) fn new(
        broker: watch::Receiver<State>,
        unloaded: impl Fn() -> Option<String> + Send + Sync + 'static,
        draining: watch::Receiver<bool>,
    ) -> Self {
        let (started, last_beat_ms) = (Instant::now(), Arc::new(AtomicU64::new(0)));
        Self { started, last_beat_ms, broker, unloaded: Arc::new(unloaded), draining }
    }

    /// Beats for ever on the runtime that polls it.
    pub(crate) async fn pulse(self) {
        let mut beats = interval(BEAT_EVERY);
        loop {
            beats.tick().await;
            self.last_beat_ms.store(self.age_ms(), Ordering::Relaxed);
        }
    }

    /// `Err` with the reason where the program's loops have stopped turning.
    pub(crate) fn live(&self) -> Result<(), String> {
        let silent = self.age_ms().saturating_sub(self.last_beat_ms.load(Ordering::Relaxed));
        let silent = Duration::from_millis(silent);
        if silent <= MISSED_AFTER {
            return Ok(());
        }
        Err(format!("the program's loops have not turned for {} s", silent.as_secs()))
    }

    /// `Err` with the reason where events are not being taken.
    pub(crate) fn ready(&self) -> Result<(), String> {
        if *self.draining.borrow() {
            return Err("draining after a signal".to_owned());
        }
        let webhooks = (self.unloaded)().map(|why| format!("webhooks: {why}"));
        let broker = match &*self.broker.borrow() {
            State::Connected => None,
            State::Disconnected(why) => Some(format!("broker: {why}")),
        };
        let missing: Vec<String> = webhooks.into_iter().chain(broker).collect();
        if missing.is_empty() { Ok(()) } else { Err(missing.join("; ")) }
    }

    fn age_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn live_while_the_pulse_beats_and_ready_while_connected() {
        let (broker, states) = watch::channel(State::Disconnected("refused".to_owned()));
        let (draining, drains) = watch::channel(false);
        let loaded = Arc::new(AtomicBool::new(false));
        let is_loaded = Arc::clone(&loaded);
        let unloaded = move || (!is_loaded.load(Ordering::Relaxed)).then(|| "none".to_owned());
        let health = Health::new(states, unloaded, drains);
        assert_eq!(health.ready(), Err("webhooks: none; broker: refused".to_owned()));
        loaded.store(true, Ordering::Relaxed);
        assert_eq!(health.ready(), Err("broker: refused".to_owned()));
        broker.send_replace(State::Connected);
        assert_eq!(health.ready(), Ok(()));
        draining.send_replace(true);
        assert!(health.ready().is_err());

        assert_eq!(health.live(), Ok(()));
        advance(MISSED_AFTER + Duration::from_millis(1)).await;
        assert!(health.live().is_err());
        let pulse = tokio::time::timeout(BEAT_EVERY, health.clone().pulse());
        assert!(pulse.await.is_err());
        assert_eq!(health.live(), Ok(()));
    }
}
