//! Deliveries: look, send again, send a test, try a filter.

use std::collections::BTreeMap;
use std::sync::Arc;

use broker::{DeadFilter, DeadMoved, DeadReach, Once, Parked};
use bytes::Bytes;
use event::{DeliveryId, Event, EventId, EventType};
use serde_json::json;
use store::{
    Action, AttemptRow, DeliveryDetail, DeliveryLog, DeliveryQuery, DeliveryRow, DeliveryState,
    LoggedEvent, Page, Position, Stretch,
};
use subscriptions::{Webhook, WebhookId};

use super::labour::{Course, Progress};
use super::moving::{DeadAct, Entry, Ledger};
use super::webhooks::{opened, unknown};
use super::{
    DeliveriesAsked, Desk, Listed, MAX_PAGE, Recovered, Rest, Sent, TriedEvent, TryOut, dead,
    draft, sample, trouble,
};
use crate::clock::now_ms;
use crate::cursor::List;
use crate::problem::{FieldError, Problem, ProblemKind};

/// Recent events that a filter is tried against.
const TRIED: u32 = 100;
/// Webhooks that are asked for the deliveries of an event, at most.
const ASKED_OF_EVENT: usize = 1_000;
/// Sample events are small.
const MAX_SAMPLE: usize = 64 * 1_024;

impl Desk {
    /// Deliveries, the one that changed last first.
    ///
    /// # Errors
    ///
    /// A cursor that is none; an event among more webhooks than can be asked; there is no log, or it
    /// is away.
    pub async fn deliveries(
        &self,
        asked: &DeliveriesAsked,
    ) -> Result<Listed<DeliveryRow>, Problem> {
        let DeliveriesAsked { webhook, event, state, kind, since_ms, until_ms, .. } = asked;
        let list = List::Deliveries.of(&(webhook, event, state, kind, since_ms, until_ms));
        let after = asked.cursor.as_deref().map(|cursor| list.place(cursor));
        let query = DeliveryQuery {
            webhook: asked.webhook.clone(),
            state: asked.state,
            kind: asked.kind.clone(),
            since_ms: asked.since_ms,
            until_ms: asked.until_ms,
            after: after.transpose()?.map(|(place, _)| Position(place)),
            limit: asked.limit.clamp(1, MAX_PAGE),
        };
        let page = match event {
            Some(event) => self.of_event(event, &query).await?,
            None => {
                let page = self.log()?.deliveries(&query).await;
                page.map_err(|error| trouble::database(&error))?
            }
        };
        let next = page.next.map(|Position(place)| list.cursor(place, ""));
        Ok(Listed { items: page.items, next })
    }

    /// One delivery with its attempts.
    ///
    /// # Errors
    ///
    /// The log does not know it; there is no log, or it is away.
    pub async fn delivery(&self, id: &str) -> Result<DeliveryDetail, Problem> {
        let log = self.log()?;
        let found = match is_delivery_id(id) {
            true => log.delivery(id).await.map_err(|error| trouble::database(&error))?,
            false => None,
        };
        found.ok_or_else(|| {
            let shown: String = id.chars().take(40).collect();
            let why = format!("the delivery log knows no delivery {shown:?}");
            Problem::new(ProblemKind::UnknownDelivery, why)
        })
    }

    /// Sends a delivery again, under its id; its schedule begins anew. One that waits for its next
    /// attempt gets one now, and goes on waiting if that fails.
    ///
    /// # Errors
    ///
    /// The log does not know it or has forgotten its body; its webhook is gone or disabled; log or
    /// broker away.
    pub async fn redeliver(&self, id: &str, actor: &str) -> Result<Sent, Problem> {
        let detail = self.delivery(id).await?;
        self.sending(&detail.row.webhook)?;
        let DeliveryRow { id, event, kind, state, .. } = detail.row.clone();
        let (desk, actor) = (self.clone(), actor.to_owned());
        let asker = actor.clone();
        let again = |course| async move { desk.redeliver_now(&detail, &actor, course).await };
        let rest = match state {
            DeliveryState::Dead => {
                self.1.begin(DeadAct::Replay, &asker, self.0.patience, again).await?.1
            }
            _ => self.1.to_the_end(again(Course::default())).await?,
        };
        Ok(Sent { delivery: id, event, kind, rest })
    }

    /// Sends everything again, once, that failed for this webhook since a time (ms since 1970) and
    /// was given up: first the dead letters, then what only the log still holds. Where it takes long,
    /// the answer tells what was sent so far, and the rest follows.
    ///
    /// # Errors
    ///
    /// There is no such webhook, or it is disabled; log or broker away: some may have been sent.
    pub async fn recover(
        &self,
        id: &WebhookId,
        since_ms: i64,
        actor: &str,
    ) -> Result<Recovered, Problem> {
        self.sending(id)?;
        let (desk, id, actor) = (self.clone(), id.clone(), actor.to_owned());
        let asker = actor.clone();
        let recovered =
            self.1.begin(DeadAct::Replay, &asker, self.0.patience, |course| async move {
                desk.recover_now(&id, since_ms, &actor, course).await
            });
        let (Progress { deliveries, forgotten, .. }, rest) = recovered.await?;
        Ok(Recovered { deliveries, forgotten, rest })
    }

    /// Sends one event of the customer page's form to this webhook alone, once, whatever comes of
    /// it and whether it is enabled. `kind` is a known type; without, one that the webhook wants.
    ///
    /// # Errors
    ///
    /// There is no such webhook or type; it cannot be opened; the broker is away.
    pub async fn send_test(
        &self,
        id: &WebhookId,
        kind: Option<&str>,
        actor: &str,
    ) -> Result<Sent, Problem> {
        let webhook = self.live_webhook(id)?;
        opened(&webhook)?;
        let catalog = self.rules().catalog;
        let kind = match kind {
            Some(name) => catalog.get(name).cloned().ok_or_else(|| unknown_type(name))?,
            None => self.wanted_type(&webhook),
        };
        let now = now_ms();
        let payload = sample::payload(&kind, webhook.projects.first(), now).to_string();
        let event_id = sample::id().ok_or_else(|| internal("no random bytes for an event id"))?;
        let event = Event::parse(payload.as_bytes(), Some(event_id.as_str()), &catalog, MAX_SAMPLE)
            .map_err(|rejection| internal(&rejection.detail))?;
        let parked = Parked {
            webhook: id.as_str().into(),
            event: event.id().as_str().into(),
            kind: kind.as_str().into(),
            body: event.body().clone(),
            attempts: 0,
            earlier_attempts: 0,
            once: Some(Once::Test),
            published_ms: now,
            first_attempt_ms: now,
            parked_ms: now,
            due_ms: now,
            last_failure: None,
            last_failure_detail: None,
            traceparent: None,
        };
        self.0.broker.submit(&parked).await.map_err(|error| trouble::client(&error))?;
        let delivery = DeliveryId::derive(event.id(), id.as_str()).to_string();
        let noted = json!({ "delivery": delivery, "type": kind.as_str() });
        self.note(Action::TestSent, id.as_str(), &noted, actor).await;
        let (event, kind) = (event.id().to_string(), kind.to_string());
        Ok(Sent { delivery, event, kind, rest: Rest::None })
    }

    /// The events that came last, newest first, and whether this filter wants them.
    ///
    /// # Errors
    ///
    /// All mistakes of the filter; there is no log, or it is away.
    pub async fn try_out(&self, asked: &TryOut) -> Result<Vec<TriedEvent>, Problem> {
        let (events, projects, condition) =
            draft::wanted(asked, &self.rules()).map_err(Problem::fields)?;
        let recent = self.log()?.recent_events(TRIED).await;
        let recent = recent.map_err(|error| trouble::database(&error))?;
        let tried = recent.into_iter().map(|event| {
            let by_type = events.as_ref().is_none_or(|filter| {
                EventType::try_new(&event.kind).is_ok_and(|kind| filter.wants(&kind))
            });
            let project = event.project.as_deref();
            let by_project = projects.is_empty()
                || projects.iter().any(|wanted| Some(wanted.as_str()) == project);
            let by_condition = || {
                let payload = || serde_json::from_slice(&event.body).unwrap_or_default();
                condition.as_ref().is_none_or(|condition| condition.holds(&payload()))
            };
            let wanted = by_type && by_project && by_condition();
            TriedEvent { event, wanted }
        });
        Ok(tried.collect())
    }

    /// What happened to each of these webhooks (at most 200) per hour since a time (ms since 1970);
    /// hours in which nothing happened are left out.
    ///
    /// # Errors
    ///
    /// There is no log, or it is away.
    pub async fn hours(
        &self,
        webhooks: &[WebhookId],
        since_ms: i64,
    ) -> Result<BTreeMap<WebhookId, Vec<Stretch>>, Problem> {
        let hours = self.log()?.hours(webhooks, since_ms).await;
        hours.map_err(|error| trouble::database(&error))
    }

    fn log(&self) -> Result<&DeliveryLog, Problem> {
        self.0.log.as_ref().ok_or_else(|| {
            let why = "the delivery log is switched off (delivery_log.enabled)";
            Problem::new(ProblemKind::NoDeliveryLog, why)
        })
    }

    /// A page of the deliveries of one event, to the webhooks that there are.
    async fn of_event(
        &self,
        event: &EventId,
        query: &DeliveryQuery,
    ) -> Result<Page<DeliveryRow>, Problem> {
        let snapshot = self.0.store.snapshots().load_full();
        let webhooks: Vec<WebhookId> = match &query.webhook {
            Some(webhook) => vec![webhook.clone()],
            None if snapshot.len() > ASKED_OF_EVENT => {
                let why = format!(
                    "among more than {ASKED_OF_EVENT} webhooks an event is not looked for: \
                     say of which webhook",
                );
                return Err(Problem::new(ProblemKind::InvalidRequest, why));
            }
            None => snapshot.iter().map(|webhook| webhook.id.clone()).collect(),
        };
        let found = self.log()?.of_event(event, &webhooks).await;
        let mut items = found.map_err(|error| trouble::database(&error))?;
        items.retain(|row| is_wanted(row, query));
        let limit = query.limit as usize;
        let more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| more).map(|row| row.position);
        Ok(Page { items, next })
    }

    fn live_webhook(&self, id: &WebhookId) -> Result<Arc<Webhook>, Problem> {
        let snapshot = self.0.store.snapshots().load_full();
        snapshot.get(id).map(Arc::clone).ok_or_else(|| unknown(id))
    }

    /// The webhook, if it sends: what is handed to one that does not becomes a dead letter again.
    fn sending(&self, id: &WebhookId) -> Result<Arc<Webhook>, Problem> {
        let webhook = self.live_webhook(id)?;
        if !webhook.enabled {
            let why = format!("the webhook {id} is disabled: enable it, then send again");
            return Err(Problem::new(ProblemKind::WebhookDisabled, why).about(id.as_str()));
        }
        opened(&webhook)?;
        Ok(webhook)
    }

    /// A known type that this webhook wants.
    fn wanted_type(&self, webhook: &Webhook) -> EventType {
        let mut types = self.event_types();
        let place = types.iter().position(|known| webhook.events.wants(&known.kind));
        // The catalog always has the types of the customer page.
        types.swap_remove(place.unwrap_or_default()).kind
    }

    /// Hands a delivery to the broker as the log remembers it.
    async fn send_logged(&self, row: &DeliveryRow, event: &LoggedEvent) -> Result<(), Problem> {
        let parked = parked(row, event, now_ms())?;
        self.0.broker.submit(&parked).await.map_err(|error| trouble::client(&error))
    }

    async fn redeliver_now(
        &self,
        detail: &DeliveryDetail,
        actor: &str,
        course: Course,
    ) -> Result<Rest, Problem> {
        let row = &detail.row;
        let work = self.work(actor, course);
        let entry = Entry::new(Action::Redelivered, row.webhook.as_str());
        let mut ledger = work.ledger(entry, now_ms());
        if row.state == DeliveryState::Dead {
            let one = dead::only(&row.id);
            let reach = ledger.walk(&self.0.broker, DeadAct::Replay, &one).await;
            let reach = reach.map_err(|error| trouble::client(&error))?;
            if ledger.count() == 0 && reach != DeadReach::End {
                // It may stand further behind, and must not be sent beside that.
                return Err(dead::not_found(&row.id, true));
            }
        }
        if ledger.has_left_some_alone() {
            // It was there and sending a moment ago.
            return Err(self.sending(&row.webhook).err().unwrap_or_else(|| unknown(&row.webhook)));
        }
        if ledger.count() == 0 {
            self.send_logged(row, &detail.event).await?;
            // What waits for its next attempt goes on waiting.
            let state = Some(DeliveryState::Waiting).filter(|state| *state != row.state);
            ledger.note(vec![moved(row)], state).await;
        }
        dead::tell(ledger.close().await);
        Ok(Rest::None)
    }

    async fn recover_now(
        &self,
        id: &WebhookId,
        since_ms: i64,
        actor: &str,
        course: Course,
    ) -> Result<Rest, Problem> {
        let filter = DeadFilter {
            webhook: Some(id.as_str().to_owned()),
            since_ms: Some(since_ms),
            ..DeadFilter::default()
        };
        let entry = Entry::new(Action::Recovered, id.as_str())
            .with("since", crate::clock::text_of(since_ms));
        let work = self.work(actor, course);
        let mut ledger = work.ledger(entry, now_ms());
        let recovered = match ledger.walk(&self.0.broker, DeadAct::Replay, &filter).await {
            Err(error) => Err(trouble::client(&error)),
            Ok(DeadReach::End) if self.has_log() => {
                self.recover_logged(id, since_ms, &mut ledger).await
            }
            Ok(DeadReach::End) => Ok(Rest::None),
            Ok(DeadReach::Cut) => Ok(Rest::Unseen),
        };
        // What was done is noted, whatever came after it.
        dead::tell(ledger.close().await);
        recovered
    }

    /// What only the log still holds.
    async fn recover_logged(
        &self,
        id: &WebhookId,
        since_ms: i64,
        ledger: &mut Ledger<'_>,
    ) -> Result<Rest, Problem> {
        let log = self.log()?;
        // The log may still be about to write what became of the dead letters.
        let done = ledger.deliveries();
        let mut after = None;
        loop {
            let page = log.failed_since(id, since_ms, after, MAX_PAGE).await;
            let page = page.map_err(|error| trouble::database(&error))?;
            for (row, event) in page.items {
                if done.contains(&row.id) {
                    continue;
                }
                if ledger.is_stopped() {
                    return Ok(Rest::Unseen);
                }
                match self.send_logged(&row, &event).await {
                    Ok(()) => ledger.note(vec![moved(&row)], Some(DeliveryState::Waiting)).await,
                    Err(problem) if problem.kind == ProblemKind::BodyForgotten => {
                        ledger.forgotten();
                    }
                    Err(problem) => return Err(problem),
                }
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(Rest::None),
            }
        }
    }
}

/// Whether the log would list it; the webhook is known to be right.
fn is_wanted(row: &DeliveryRow, query: &DeliveryQuery) -> bool {
    query.state.is_none_or(|state| row.state == state)
        && query.kind.as_ref().is_none_or(|kind| row.kind == *kind)
        && query.since_ms.is_none_or(|since| row.last_at_ms >= since)
        && query.until_ms.is_none_or(|until| row.last_at_ms < until)
        && query.after.is_none_or(|after| row.position.0 < after.0)
}

/// When a delivery that waits is attempted, as far as the log knows: it is told of attempts, and not
/// of what is put off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// At this time, ms since 1970.
    At(i64),
    /// It was due at this time, ms since 1970, and is held back.
    DueSince(i64),
}

impl Next {
    /// As it is now; `None` where nothing is planned.
    pub(crate) fn of(row: &DeliveryRow, now_ms: i64) -> Option<Self> {
        let at = row.next_at_ms.filter(|_| row.state == DeliveryState::Waiting)?;
        // So late may come what nobody holds back.
        let late = (at.saturating_sub(row.last_at_ms) / 20).max(1_000);
        Some(if now_ms > at.saturating_add(late) { Self::DueSince(at) } else { Self::At(at) })
    }
}

/// A delivery that was sent again, as the log knew it.
fn moved(row: &DeliveryRow) -> DeadMoved {
    DeadMoved { delivery: row.id.clone(), attempts: row.attempts }
}

/// The headers that an attempt was made with, by name, as far as the log knows; none where nothing
/// was sent. Those that its webhook added then, the length, and the version that made it are not kept.
#[must_use]
pub fn request_headers(
    detail: &DeliveryDetail,
    attempt: &AttemptRow,
) -> Vec<(&'static str, String)> {
    if attempt.signature.is_empty() {
        return Vec::new();
    }
    let seconds = attempt.at_ms.div_euclid(1_000);
    vec![
        ("content-type", "application/json".to_owned()),
        ("x-boottify-signature", attempt.signature.clone()),
        ("x-boottify-event", detail.row.kind.clone()),
        ("x-boottify-delivery", detail.row.id.clone()),
        ("x-boottify-attempt", attempt.attempt.to_string()),
        ("webhook-id", detail.row.id.clone()),
        ("webhook-timestamp", seconds.to_string()),
        ("webhook-signature", attempt.standard_signature.clone()),
    ]
}

/// The delivery, to be attempted now.
fn parked(row: &DeliveryRow, event: &LoggedEvent, now_ms: i64) -> Result<Parked, Problem> {
    if event.body.is_empty() {
        let why = format!("the delivery log does not keep the body of {} any more", row.event);
        return Err(Problem::new(ProblemKind::BodyForgotten, why));
    }
    let once = match row.state {
        _ if sample::is_sample(event) => Some(Once::Test),
        // What waits in the broker goes on with its schedule; a second one must not begin.
        DeliveryState::Waiting => Some(Once::Beside),
        _ => None,
    };
    Ok(Parked {
        webhook: row.webhook.as_str().into(),
        event: event.id.as_str().into(),
        kind: event.kind.as_str().into(),
        body: Bytes::clone(&event.body),
        attempts: row.attempts,
        earlier_attempts: row.attempts,
        once,
        published_ms: event.published_ms,
        first_attempt_ms: now_ms,
        parked_ms: now_ms,
        due_ms: now_ms,
        last_failure: row.last_failure.as_deref().map(Box::from),
        last_failure_detail: None,
        traceparent: None,
    })
}

/// `dlv_` and 32 hexadecimal digits.
fn is_delivery_id(text: &str) -> bool {
    let digits = text.strip_prefix("dlv_").unwrap_or_default();
    digits.len() == 32 && digits.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

fn unknown_type(name: &str) -> Problem {
    let shown: String = name.chars().take(64).collect();
    let why = format!("{shown:?} is no known event type");
    Problem::fields(vec![FieldError::new("/type", why)])
}

fn internal(why: &str) -> Problem {
    tracing::error!(why, "a sample event could not be made");
    Problem::new(ProblemKind::Internal, "a sample event could not be made")
}
