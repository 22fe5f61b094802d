//! Webhooks that fail for days, and secrets that are about to end.
//!
//! A *round* carries what this replica learned of failing webhooks to the delivery log, where all
//! replicas look, brings back what they know together, and acts on it: it tells at half and at four
//! fifths of `webhooks.disable_after`, and disables at its end. What disables is the time from the
//! first failure to the last, without a success anywhere, for silence is no failure; what is told
//! ahead goes by the clock, or a webhook that seldom gets an event would be disabled without a word.
//! The log is asked for a success before anything is told. Each step is claimed in the log, so that
//! one replica tells of it.

use std::time::Duration;

use dispatch::{Change, Health};
use jiff::Timestamp;
use metering::IntCounter;
use store::{DatabaseError, DeliveryLog, DeliveryQuery, DeliveryState, Failing, HealthNote, Store};
use subscriptions::{Webhook, WebhookId};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::announcer::{Announcer, Happening};

/// The longest time between two rounds.
const ROUND: Duration = Duration::from_secs(10);

/// How many rounds there are at least until a webhook is disabled.
const ROUNDS: u32 = 20;

/// How long before its end a secret is told of.
const EXPIRING: Duration = Duration::from_secs(2 * 60 * 60);

/// See the module.
pub(crate) struct Watch {
    pub(crate) health: Health,
    pub(crate) log: DeliveryLog,
    pub(crate) store: Store,
    pub(crate) announcer: Announcer,
    /// `None` where nothing is ever disabled for failing.
    pub(crate) disable_after: Option<Duration>,
    /// Counts webhooks about which the log could not be asked.
    pub(crate) failures: IntCounter,
}

/// How many webhooks in a row may fail in a round: then it is the database and not they.
const IN_A_ROW: usize = 3;

/// What went wrong with single webhooks in a round.
#[derive(Debug, Default)]
struct Trouble {
    first: Option<DatabaseError>,
    count: u64,
    in_a_row: usize,
}

impl Trouble {
    /// Takes in how it went with one webhook; whether the round goes on.
    fn took(&mut self, result: Result<(), DatabaseError>) -> bool {
        match result {
            Ok(()) => self.in_a_row = 0,
            Err(error) => {
                self.first.get_or_insert(error);
                self.count += 1;
                self.in_a_row += 1;
            }
        }
        self.in_a_row < IN_A_ROW
    }
}

impl Watch {
    /// Makes rounds until `closing`.
    pub(crate) async fn run(self, closing: CancellationToken) {
        let every =
            self.disable_after.map_or(ROUND, |after| (after / ROUNDS).clamp(MIN_ROUND, ROUND));
        let mut rounds = interval(every);
        rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut trouble = false;
        loop {
            tokio::select! {
                () = closing.cancelled() => return,
                _ = rounds.tick() => {}
            }
            let round = self.round(Timestamp::now().as_millisecond()).await;
            if let Err(error) = &round
                && !trouble
            {
                tracing::warn!(
                    %error,
                    "the health of webhooks cannot be compared: none is disabled for failing, and no \
                     secret is told of, until it can"
                );
            }
            trouble = round.is_err();
        }
    }

    async fn round(&self, now_ms: i64) -> Result<(), DatabaseError> {
        if !self.store.status().is_loaded() {
            // Every webhook would look as if it were gone.
            return Ok(());
        }
        let changes = self.health.take();
        let notes: Vec<_> =
            changes.iter().flat_map(|(webhook, change)| notes(webhook, *change)).collect();
        if let Err(error) = self.log.note_health(&notes).await {
            self.health.put_back(changes);
            return Err(error);
        }
        let failing = self.log.failing().await?;
        self.health
            .known(failing.iter().map(|failing| (failing.webhook.clone(), failing.since_ms)));
        let mut trouble = Trouble::default();
        if let Some(after) = self.disable_after {
            for failing in &failing {
                if !trouble.took(self.judge(failing, after, now_ms).await) {
                    break;
                }
            }
        }
        self.look_at_secrets(now_ms, &mut trouble).await;
        self.failures.inc_by(trouble.count);
        match trouble.first {
            // As if the whole round had failed, which it did for all who came after.
            Some(error) if trouble.in_a_row >= IN_A_ROW => Err(error),
            Some(error) => {
                let count = trouble.count;
                tracing::warn!(%error, count, "webhooks could not be judged in this round");
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// What is due for a webhook that fails.
    async fn judge(
        &self,
        failing: &Failing,
        after: Duration,
        now_ms: i64,
    ) -> Result<(), DatabaseError> {
        let Failing { webhook: id, since_ms, last_ms, told } = failing;
        let (since_ms, told) = (*since_ms, *told);
        let snapshot = self.store.snapshots().load_full();
        let Some(webhook) = snapshot.get(id).filter(|webhook| webhook.enabled) else {
            // Whoever enables it begins anew.
            return self.log.forget_health(id).await;
        };
        let due =
            due(last_ms.saturating_sub(since_ms), now_ms.saturating_sub(since_ms), after, told);
        if due <= told {
            return Ok(());
        }
        if let Some(at) = self.delivered_since(id, since_ms).await? {
            // By a replica that had not heard of the failure.
            let note = (id.clone(), HealthNote::Succeeded(at));
            return self.log.note_health(&[note]).await;
        }
        if due < DISABLE {
            if !self.log.set_told(id, since_ms, due).await? {
                return Ok(());
            }
            let at = since_ms.saturating_add(i64::try_from(after.as_millis()).unwrap_or(i64::MAX));
            tracing::warn!(webhook.id = %id, percent = due, "every attempt fails: the webhook will be disabled");
            self.announcer.tell(Happening::failing(webhook, since_ms, at, now_ms));
            return Ok(());
        }
        let reason = format!("every attempt since {} failed", shown(since_ms));
        tracing::warn!(webhook.id = %id, "{reason}: disabling the webhook");
        // Before it is claimed: whoever ends in between leaves it to the next round.
        let by_us = self.store.disable(id.clone(), reason.clone());
        let claimed = self.log.set_told(id, since_ms, due).await;
        if is_to_be_told(by_us, claimed.as_ref().ok().copied()) {
            self.announcer.tell(Happening::disabled(webhook, &reason, now_ms));
        }
        claimed.map(drop)
    }

    /// When a delivery succeeded since then, if one did, as far as the log remembers.
    async fn delivered_since(
        &self,
        id: &WebhookId,
        since_ms: i64,
    ) -> Result<Option<i64>, DatabaseError> {
        let query = DeliveryQuery {
            webhook: Some(id.clone()),
            state: Some(DeliveryState::Delivered),
            since_ms: Some(since_ms),
            limit: 1,
            ..DeliveryQuery::default()
        };
        let found = self.log.deliveries(&query).await?;
        Ok(found.items.first().map(|row| row.last_at_ms))
    }

    async fn look_at_secrets(&self, now_ms: i64, trouble: &mut Trouble) {
        let snapshot = self.store.snapshots().load_full();
        let soon = now_ms.saturating_add(i64::try_from(EXPIRING.as_millis()).unwrap_or(i64::MAX));
        let expiring = |webhook: &Webhook| webhook.switches_at_ms.filter(|at| *at <= soon);
        for webhook in snapshot.iter() {
            let Some(until) = expiring(webhook) else { continue };
            let name = format!("secret.expiring:{}:{until}", webhook.id);
            let claimed = self.log.claim(&name, now_ms).await.map(|first| {
                if first {
                    self.announcer.tell(Happening::secret_expiring(webhook, until, now_ms));
                }
            });
            if !trouble.took(claimed) {
                return;
            }
        }
    }
}

/// The stage at which a webhook is disabled, in percent of the time.
const DISABLE: u8 = 100;

/// The last stage before it.
const WARNED: u8 = 80;

/// The shortest time between two rounds.
const MIN_ROUND: Duration = Duration::from_millis(100);

/// Whether this replica tells of a webhook that it disabled: unless another one has claimed that. It
/// is better told twice than not at all where the claim cannot be asked for.
fn is_to_be_told(by_us: bool, claimed: Option<bool>) -> bool {
    by_us && claimed != Some(false)
}

/// How far a webhook is on its way to be disabled that has failed for so long, and whose first failure
/// was so long ago: 0, 50, 80 or 100 percent. Nobody is disabled who was not warned.
fn due(failing_ms: i64, elapsed_ms: i64, after: Duration, told: u8) -> u8 {
    let [failing, elapsed] = [failing_ms, elapsed_ms]
        .map(|ms| Duration::from_millis(u64::try_from(ms).unwrap_or_default()));
    if failing >= after && told >= WARNED {
        return DISABLE;
    }
    let stages = [(WARNED, after * 4 / 5), (50, after / 2)];
    stages.into_iter().find(|(_, from)| elapsed >= *from).map_or(0, |(stage, _)| stage)
}

/// In the order in which they happened.
fn notes(webhook: &WebhookId, change: Change) -> impl Iterator<Item = (WebhookId, HealthNote)> {
    let succeeded = change.succeeded_ms.map(HealthNote::Succeeded);
    let failed =
        change.failed_ms.map(|(since_ms, last_ms)| HealthNote::Failing { since_ms, last_ms });
    let webhook = webhook.clone();
    succeeded.into_iter().chain(failed).map(move |note| (webhook.clone(), note))
}

fn shown(ms: i64) -> String {
    Timestamp::from_millisecond(ms).map_or_else(|_| ms.to_string(), |time| format!("{time:.0}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_that_fails_keeps_nobody_from_telling() {
        for (by_us, claimed, told) in [
            (true, Some(true), true),
            (true, None, true),
            (true, Some(false), false),
            (false, Some(true), false),
            (false, None, false),
        ] {
            assert_eq!(is_to_be_told(by_us, claimed), told, "{by_us} {claimed:?}");
        }
    }

    #[test]
    fn one_webhook_does_not_end_the_round_and_a_lost_database_does() {
        let error = || {
            Err(DatabaseError::Row { id: "whk_1".to_owned(), why: "unknown state 9".to_owned() })
        };
        let mut trouble = Trouble::default();
        assert!(trouble.took(error()) && trouble.took(error()) && trouble.took(Ok(())));
        assert!(trouble.took(error()) && trouble.took(error()));
        assert!(!trouble.took(error()));
        assert_eq!(trouble.count, 5);
        assert!(trouble.first.is_some());
    }

    #[test]
    fn what_is_due_goes_by_the_clock_and_the_end_by_failures() {
        let after = Duration::from_secs(100);
        for (failing, elapsed, told, expected) in [
            (-5, -5, 0, 0),
            (0, 0, 0, 0),
            (49_999, 49_999, 0, 0),
            (0, 50_000, 0, 50),
            (50_000, 79_999, 50, 50),
            (50_000, 80_000, 50, 80),
            // Nothing was tried any more: that is no failure.
            (50_000, 1_000_000, 80, 80),
            (99_999, 99_999, 80, 80),
            (100_000, 100_000, 80, 100),
            // Nobody was there to warn in time: first that, then the end.
            (1_000_000, 1_000_000, 0, 80),
            (1_000_000, 1_000_000, 80, 100),
        ] {
            let case = format!("{failing} {elapsed} {told}");
            assert_eq!(due(failing, elapsed, after, told), expected, "{case}");
        }
    }
}
