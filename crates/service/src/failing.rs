//! Webhooks that fail for days, and secrets that are about to end.
//!
//! A *round* carries what this replica learned of failing webhooks to the delivery log, where all
//! replicas look, brings back what they know together, and acts on it: it tells at half and at four
//! fifths of `webhooks.disable_after`, and disables at its end. What counts is the time from the
//! first failure to the last, without a success anywhere; the log is asked for one before anything is
//! told. Each step is claimed in the log, so
//! that one replica tells of it.

use std::time::Duration;

use dispatch::{Change, Health};
use jiff::Timestamp;
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
        if let Some(after) = self.disable_after {
            for failing in &failing {
                self.judge(failing, after, now_ms).await?;
            }
        }
        self.look_at_secrets(now_ms).await
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
        // To the last failure: silence is no failure.
        let due = stage(last_ms.saturating_sub(since_ms), after);
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
        self.store.disable(id.clone(), reason.clone());
        if self.log.set_told(id, since_ms, due).await? {
            self.announcer.tell(Happening::disabled(webhook, &reason, now_ms));
        }
        Ok(())
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

    async fn look_at_secrets(&self, now_ms: i64) -> Result<(), DatabaseError> {
        let snapshot = self.store.snapshots().load_full();
        let soon = now_ms.saturating_add(i64::try_from(EXPIRING.as_millis()).unwrap_or(i64::MAX));
        let expiring = |webhook: &Webhook| webhook.switches_at_ms.filter(|at| *at <= soon);
        for webhook in snapshot.iter() {
            let Some(until) = expiring(webhook) else { continue };
            if self.log.claim(&format!("secret.expiring:{}:{until}", webhook.id), now_ms).await? {
                self.announcer.tell(Happening::secret_expiring(webhook, until, now_ms));
            }
        }
        Ok(())
    }
}

/// The stage at which a webhook is disabled, in percent of the time.
const DISABLE: u8 = 100;

/// The shortest time between two rounds.
const MIN_ROUND: Duration = Duration::from_millis(100);

/// How far a webhook is on its way to be disabled: 0, 50, 80 or 100 percent.
fn stage(elapsed_ms: i64, after: Duration) -> u8 {
    let elapsed = Duration::from_millis(u64::try_from(elapsed_ms).unwrap_or_default());
    let stages = [(DISABLE, after), (80, after * 4 / 5), (50, after / 2)];
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
    fn stages() {
        let after = Duration::from_secs(100);
        for (elapsed, expected) in [
            (-5, 0),
            (0, 0),
            (49_999, 0),
            (50_000, 50),
            (79_999, 50),
            (80_000, 80),
            (99_999, 80),
            (100_000, 100),
            (1_000_000, 100),
        ] {
            assert_eq!(stage(elapsed, after), expected, "{elapsed}");
        }
    }
}
