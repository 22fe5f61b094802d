//! Dead letters, through the broker.

use broker::{DeadFilter, DeadMoved};
use serde_json::json;
use store::DeliveryState;

use super::{DeadAsked, DeadPage, Desk, MAX_PAGE, trouble};
use crate::cursor::List;
use crate::problem::Problem;

impl Desk {
    /// Dead letters, newest first.
    ///
    /// # Errors
    ///
    /// A cursor that is none; the broker is away or somebody else works on them.
    pub async fn dead(&self, asked: &DeadAsked) -> Result<DeadPage, Problem> {
        let after = asked.cursor.as_deref().map(|cursor| List::Dead.place(cursor)).transpose()?;
        let after = after.as_ref().map(|(at, id)| (*at, id.as_str()));
        let limit = asked.limit.clamp(1, MAX_PAGE) as usize;
        let list = self.0.broker.dead_letters(&asked.filter, after, limit + 1).await;
        let mut list = list.map_err(|error| trouble::client(&error))?;
        let more = list.letters.len() > limit;
        list.letters.truncate(limit);
        let last = list.letters.last().filter(|_| more);
        let next = last.map(|last| List::Dead.cursor(last.dead_ms, &last.delivery));
        let (matching, total, truncated) = (list.matching, list.total, list.truncated);
        Ok(DeadPage { letters: list.letters, next, matching, total, truncated })
    }

    /// Sends every dead letter that fits again; `more` says that there may be others.
    ///
    /// # Errors
    ///
    /// The broker is away or somebody else works on them: some may have been sent.
    pub async fn replay_dead(
        &self,
        filter: &DeadFilter,
        actor: &str,
    ) -> Result<DeadMoved, Problem> {
        let now = crate::clock::now_ms();
        let moved = self.0.broker.replay_dead(filter, now).await;
        let moved = moved.map_err(|error| trouble::client(&error))?;
        self.moved(&moved, DeliveryState::Waiting, now).await;
        let webhook = filter.webhook.as_deref().unwrap_or_default();
        let detail = detail(&moved);
        self.note("dead letters sent again", webhook, &detail, actor).await;
        Ok(moved)
    }

    /// Drops every dead letter that fits, for good.
    ///
    /// # Errors
    ///
    /// As for [`Desk::replay_dead`].
    pub async fn drop_dead(&self, filter: &DeadFilter, actor: &str) -> Result<DeadMoved, Problem> {
        let now = crate::clock::now_ms();
        let moved = self.0.broker.drop_dead(filter).await;
        let moved = moved.map_err(|error| trouble::client(&error))?;
        self.moved(&moved, DeliveryState::Dropped, now).await;
        let webhook = filter.webhook.as_deref().unwrap_or_default();
        self.note("dead letters dropped", webhook, &detail(&moved), actor).await;
        Ok(moved)
    }

    /// Has the log say how these deliveries stand since then. The log follows and decides nothing, so its
    /// trouble is no trouble of who asked.
    pub(super) async fn moved(&self, moved: &DeadMoved, state: DeliveryState, at_ms: i64) {
        let Some(log) = &self.0.log else { return };
        if moved.deliveries.is_empty() {
            return;
        }
        if let Err(error) = log.mark(&moved.deliveries, state, at_ms).await {
            let error = broker::in_one_line(&error);
            tracing::warn!(%error, "the delivery log does not know of dead letters that were moved");
        }
    }
}

/// How many, and which if there are few.
fn detail(moved: &DeadMoved) -> serde_json::Value {
    let few: Vec<&String> = moved.deliveries.iter().take(20).collect();
    json!({ "count": moved.deliveries.len(), "deliveries": few })
}
