//! Dead letters, through the broker.
//!
//! Each question is a walk over their queue.

use std::collections::BTreeMap;

use broker::{DeadFilter, DeadReach, MALFORMED};
use subscriptions::WebhookId;

use super::labour::{Course, Ended, Progress};
use super::moving::{DeadAct, DeadWork, DeadWorked, Stayed, Stays, Webhooks};
use super::{DeadAsked, DeadPage, Desk, MAX_PAGE, Moved, Rest, trouble};
use crate::cursor::List;
use crate::problem::{Problem, ProblemKind};

/// Why there are dead letters, as they say it themselves.
pub(crate) const DEAD_REASONS: [&str; 4] = ["gave_up", "gone", "disabled", MALFORMED];

/// One of the reasons for which deliveries die.
///
/// # Errors
///
/// What was expected.
pub fn dead_reason(text: &str) -> Result<String, String> {
    match DEAD_REASONS.contains(&text) {
        true => Ok(text.to_owned()),
        false => Err(format!("expected one of {}", DEAD_REASONS.join(", "))),
    }
}

impl Desk {
    /// Dead letters, newest first.
    ///
    /// # Errors
    ///
    /// A cursor that is none; the broker is away or somebody else works on them.
    pub async fn dead(&self, asked: &DeadAsked) -> Result<DeadPage, Problem> {
        let (desk, filter) = (self.clone(), asked.filter.clone());
        let list = List::Dead.of(&filter);
        let after = asked.cursor.as_deref().map(|cursor| list.place(cursor)).transpose()?;
        let limit = asked.limit.clamp(1, MAX_PAGE) as usize;
        self.1.must_be_idle()?;
        let looked = self.1.to_the_end(async move {
            let after = after.as_ref().map(|(at, id)| (*at, id.as_str()));
            let found = desk.0.broker.dead_letters(&filter, after, limit + 1).await;
            let mut found = found.map_err(|error| trouble::client(&error))?;
            let more = found.letters.len() > limit;
            found.letters.truncate(limit);
            let last = found.letters.last().filter(|_| more);
            let next = last.map(|last| list.cursor(last.dead_ms, &last.delivery));
            let (matching, total, truncated) = (found.matching, found.total, found.truncated);
            Ok(DeadPage { letters: found.letters, next, matching, total, truncated })
        });
        looked.await
    }

    /// Sends every dead letter that fits again, or drops it for good. What is for a webhook that there
    /// is not, or that does not send, stays and is counted. Where it takes long, the answer tells what
    /// was done so far, and the rest follows.
    ///
    /// # Errors
    ///
    /// None of those that were named is there; the webhook of each was deleted or does not send. The
    /// broker is away or somebody else works on them: some may have been sent or dropped.
    pub async fn move_dead(
        &self,
        act: DeadAct,
        filter: &DeadFilter,
        actor: &str,
    ) -> Result<Moved, Problem> {
        let (desk, filter, actor) = (self.clone(), filter.clone(), actor.to_owned());
        let asker = actor.clone();
        let moved = self.1.begin(act, &asker, self.0.patience, |course| async move {
            let work = desk.work(&actor, course);
            let DeadWorked { ended, untold } = work.go(&desk.0.broker, act, &filter).await;
            tell(untold);
            let reach = ended.map_err(|error| trouble::client(&error))?;
            let (unseen, named) = (reach != DeadReach::End, filter.deliveries.unwrap_or_default());
            let progress = work.course.progress.borrow();
            match named.first() {
                Some(_) if !progress.deliveries.is_empty() => {}
                Some(_) if !progress.left_alone.is_empty() => {
                    return Err(all_stay(&progress.left_alone));
                }
                Some(first) => return Err(none_of(first, named.len(), unseen)),
                None => {}
            }
            Ok(if unseen { Rest::Unseen } else { Rest::None })
        });
        let (Progress { deliveries, left, .. }, rest) = moved.await?;
        Ok(Moved { deliveries, left, rest })
    }

    /// Whether there is a webhook of this id: what is for another cannot be sent again.
    #[must_use]
    pub fn has_webhook(&self, id: &str) -> bool {
        let webhooks = self.0.store.snapshots().load();
        WebhookId::try_new(id).is_ok_and(|id| webhooks.get(&id).is_some())
    }

    /// Drops one dead letter, for good.
    ///
    /// # Errors
    ///
    /// As for [`Desk::move_dead`].
    pub async fn drop_one(&self, delivery: &str, actor: &str) -> Result<Rest, Problem> {
        let moved = self.move_dead(DeadAct::Drop, &only(delivery), actor).await?;
        Ok(moved.rest)
    }

    /// How work on dead letters ended last that its asker did not wait for.
    pub(crate) fn ended_work(&self) -> Option<Ended> {
        self.1.ended()
    }

    /// Has the work on dead letters that nobody waits for any more come to a stop, and waits for it.
    pub async fn ended(&self) {
        self.1.end().await;
    }

    /// What works on dead letters for somebody.
    pub(super) fn work<'a>(&'a self, actor: &'a str, course: Course) -> DeadWork<'a> {
        let webhooks = Webhooks::Live(self.0.store.clone());
        let (log, audit) = (self.0.log.as_ref(), self.0.store.database());
        DeadWork { webhooks, log, audit, actor, course }
    }
}

/// The dead letter of this delivery.
pub(super) fn only(delivery: &str) -> DeadFilter {
    DeadFilter { deliveries: Some([delivery.to_owned()].into()), ..DeadFilter::default() }
}

/// Trouble of log and audit is no trouble of who asked.
pub(super) fn tell(untold: Option<String>) {
    if let Some(why) = untold {
        tracing::error!("after work on dead letters: {why}");
    }
}

/// All that was to be sent again is for webhooks that there are not, or that do not send.
fn all_stay(left_alone: &BTreeMap<String, Stayed>) -> Problem {
    let some = |why| left_alone.values().find(|stayed| stayed.why == why);
    let (kind, what, stayed) = if let Some(stayed) = some(Stays::Disabled) {
        (ProblemKind::WebhookDisabled, "is disabled: enable it, then send again", Some(stayed))
    } else if let Some(stayed) = some(Stays::Unopened) {
        (ProblemKind::WebhookUnopened, "cannot be opened", Some(stayed))
    } else {
        (ProblemKind::UnknownWebhook, "was deleted", None)
    };
    let why = match left_alone.len() {
        1 => format!("the webhook of this dead letter {what}; it was not sent and stays"),
        letters => format!(
            "a webhook of these {letters} dead letters {what}; none was sent, and they stay"
        ),
    };
    let problem = Problem::new(kind, why);
    match stayed {
        Some(stayed) => problem.about(stayed.webhook.as_str()),
        None => problem,
    }
}

/// No dead letter of this id was met; `unseen` where not all were looked at.
pub(super) fn not_found(delivery: &str, unseen: bool) -> Problem {
    none_of(delivery, 1, unseen)
}

/// None of so many that were named, of which this is the first, was met.
fn none_of(first: &str, named: usize, unseen: bool) -> Problem {
    let shown: String = first.chars().take(40).collect();
    let these = match named {
        1 => format!("{shown:?} is not"),
        _ => format!("none of the {named} that were named is"),
    };
    if unseen {
        let why = format!(
            "there are more dead letters than could be looked at, and {these} among those that were"
        );
        return Problem::new(ProblemKind::NotAllSeen, why);
    }
    let why = format!("{these} among the dead letters");
    Problem::new(ProblemKind::UnknownDeadLetter, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stays_is_told_with_what_to_do() {
        let all = |stays: &[Stays]| {
            let stayed = |why: &Stays| Stayed { webhook: format!("whk_{why:?}"), why: *why };
            let all = stays.iter().enumerate().map(|(n, why)| (format!("dlv_{n}"), stayed(why)));
            all_stay(&all.collect())
        };
        let disabled = all(&[Stays::Deleted, Stays::Disabled, Stays::Unopened]);
        assert_eq!(disabled.kind, ProblemKind::WebhookDisabled);
        assert!(disabled.detail.contains("enable it, then send again"), "{}", disabled.detail);
        assert_eq!(disabled.webhook.as_deref(), Some("whk_Disabled"));
        assert_eq!(all(&[Stays::Deleted, Stays::Unopened]).kind, ProblemKind::WebhookUnopened);
        let deleted = all(&[Stays::Deleted]);
        assert_eq!(deleted.kind, ProblemKind::UnknownWebhook);
        assert!(deleted.detail.contains("was deleted; it was not sent"), "{}", deleted.detail);
    }

    #[test]
    fn what_was_not_looked_at_is_not_said_to_be_absent() {
        let absent = none_of("dlv_1", 2, false);
        assert_eq!(absent.kind, ProblemKind::UnknownDeadLetter);
        assert_eq!(absent.detail, "none of the 2 that were named is among the dead letters");
        let problem = not_found("dlv_1", true);
        assert_eq!((problem.kind, problem.status().as_u16()), (ProblemKind::NotAllSeen, 409));
    }
}
