//! Dead letters are sent again or dropped: as many calls of the broker as it takes, and log and audit
//! know of each piece as soon as the broker has confirmed it.
//!
//! So whoever is killed in the middle leaves a log that lacks the last moment at most: what was sent
//! again and not noted yet stands there as dead. Log and audit follow and decide nothing: their trouble
//! is told and no reason to stop.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use broker::{Client, ClientError, DeadFilter, DeadLetter, DeadMoved, DeadReach, in_one_line};
use serde_json::{Map, Value, json};
use store::{Action, Behind, Database, Decided, DeliveryLog, DeliveryState, Store};
use subscriptions::{Snapshot, WebhookId};
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::labour::Course;

/// Deliveries of one entry of the audit at most; the first entry is made with the first piece.
const ENTRY: usize = 5_000;
/// Pieces that wait to be noted: a walk is faster than a log that is away, and waits for it then.
const PIECES: usize = 256;
/// The log writes what was done a moment later: how long, and how often, what it does not know yet is
/// tried again, and of how many deliveries.
const LATER: Duration = Duration::from_millis(300);
const TIMES: u32 = 4;
const BEHIND: usize = 5_000;
/// Deliveries that an entry of the audit names.
const NAMED: usize = 20;

/// What becomes of dead letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeadAct {
    /// They are sent again.
    Replay,
    /// They are dropped, for good.
    Drop,
}

/// Why a dead letter was not sent again and stays where it is: what is sent to such a webhook dies at
/// once, or never ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stays {
    /// There is no such webhook.
    Deleted,
    /// Its webhook is disabled.
    Disabled,
    /// Its webhook cannot be opened.
    Unopened,
}

/// A dead letter that stays where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stayed {
    /// Its webhook.
    pub webhook: String,
    /// Why.
    pub why: Stays,
}

/// How many dead letters stay where they are, by why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// Their webhook was deleted.
    pub deleted: usize,
    /// Their webhook is disabled.
    pub disabled: usize,
    /// Their webhook cannot be opened.
    pub unopened: usize,
}

/// Where it is known which webhooks there are: what is for another, or for one that does not send, is
/// not sent again.
#[derive(Clone, Debug)]
pub enum Webhooks {
    /// Nowhere: all is sent.
    Unknown,
    /// As they were read.
    Read(Arc<Snapshot>),
    /// As they are at each letter: who disables a webhook stops what is sent to it again.
    Live(Store),
}

impl Left {
    /// All of them.
    pub(crate) fn all(self) -> usize {
        self.deleted + self.disabled + self.unopened
    }
}

/// Who sends dead letters again or drops them, and who is to know of it.
#[derive(Clone, Debug)]
pub struct DeadWork<'a> {
    /// The webhooks that there are.
    pub webhooks: Webhooks,
    /// The delivery log, where there is one.
    pub log: Option<&'a DeliveryLog>,
    /// Where changes are noted, where that is kept.
    pub audit: Option<&'a Database>,
    /// Who wants it, as the audit says.
    pub actor: &'a str,
    /// Where it tells how far it is, and what stops it.
    pub course: Course,
}

/// How it ended; what was done says its course.
#[derive(Debug)]
pub struct DeadWorked {
    /// How far it came, or what ended it.
    pub ended: Result<DeadReach, ClientError>,
    /// What log or audit do not know, and why, in one line.
    pub untold: Option<String>,
}

impl DeadAct {
    /// What is done to dead letters, for people.
    pub(super) fn participle(self) -> &'static str {
        match self {
            Self::Replay => "sent again",
            Self::Drop => "dropped",
        }
    }
}

impl DeadWork<'_> {
    /// Sends again or drops every dead letter that fits. What dies meanwhile is not meant where it is
    /// sent again.
    pub async fn go(&self, broker: &Client, act: DeadAct, filter: &DeadFilter) -> DeadWorked {
        let action = match act {
            DeadAct::Replay => Action::DeadReplayed,
            DeadAct::Drop => Action::DeadDropped,
        };
        let entry = Entry::new(action, filter.webhook.as_deref().unwrap_or_default());
        let mut ledger = self.ledger(entry, crate::clock::now_ms());
        let ended = ledger.walk(broker, act, filter).await;
        DeadWorked { ended, untold: ledger.close().await }
    }

    /// What notes in this entry of the audit, and in the log as of `at_ms` (ms since 1970).
    pub(super) fn ledger<'a>(&'a self, entry: Entry<'a>, at_ms: i64) -> Ledger<'a> {
        let (behind, unnoted, begun, untold) = (Vec::new(), 0, false, None);
        Ledger { work: self, entry, at_ms, behind, unnoted, begun, untold }
    }

    /// Why this letter is not sent again, as far as is known; `None` where it may be.
    fn stays(&self, letter: &DeadLetter) -> Option<Stays> {
        let webhooks = match &self.webhooks {
            Webhooks::Unknown => return None,
            Webhooks::Read(webhooks) => Arc::clone(webhooks),
            Webhooks::Live(store) => store.snapshots().load_full(),
        };
        let id = WebhookId::try_new(&letter.webhook).ok();
        match id.and_then(|id| webhooks.get(&id)) {
            None => Some(Stays::Deleted),
            Some(webhook) if !webhook.enabled => Some(Stays::Disabled),
            Some(webhook) if webhook.secrets.is_err() => Some(Stays::Unopened),
            Some(_) => None,
        }
    }
}

/// What an entry of the audit says beside who and how many.
#[derive(Clone, Debug)]
pub(super) struct Entry<'a> {
    action: Action,
    webhook: &'a str,
    detail: Map<String, Value>,
}

/// Notes what was done, piece by piece.
pub(super) struct Ledger<'a> {
    work: &'a DeadWork<'a>,
    entry: Entry<'a>,
    at_ms: i64,
    /// Those of which the log did not know all attempts yet, and how they stand.
    behind: Vec<(DeliveryState, Decided)>,
    /// How many of the last ones the audit does not know yet.
    unnoted: usize,
    begun: bool,
    untold: Option<String>,
}

impl<'a> Entry<'a> {
    /// About this webhook; an empty text where it is about several.
    pub(super) fn new(action: Action, webhook: &'a str) -> Self {
        Self { action, webhook, detail: Map::new() }
    }

    /// The same, with a text more.
    pub(super) fn with(mut self, name: &str, text: String) -> Self {
        self.detail.insert(name.to_owned(), text.into());
        self
    }
}

impl Ledger<'_> {
    /// What has been noted.
    pub(super) fn deliveries(&self) -> HashSet<String> {
        self.work.course.progress.borrow().deliveries.iter().cloned().collect()
    }

    /// How many have been noted.
    pub(super) fn count(&self) -> usize {
        self.work.course.progress.borrow().deliveries.len()
    }

    /// One could not be sent, because what was sent is not kept any more.
    pub(super) fn forgotten(&self) {
        self.work.course.progress.send_modify(|progress| progress.forgotten += 1);
    }

    /// Whether nothing more is to be begun.
    pub(super) fn is_stopped(&self) -> bool {
        self.work.course.stop.is_cancelled()
    }

    /// Whether some were left alone.
    pub(super) fn has_left_some_alone(&self) -> bool {
        self.work.course.progress.borrow().left.all() > 0
    }

    /// Has the broker send again or drop what fits, in as many walks as it takes; says how far that came.
    pub(super) async fn walk(
        &mut self,
        broker: &Client,
        act: DeadAct,
        filter: &DeadFilter,
    ) -> Result<DeadReach, ClientError> {
        loop {
            let before = self.count();
            let reach = self.walk_once(broker, act, filter).await?;
            // What was moved stands in the way no more: another walk comes further.
            let further = reach == DeadReach::Cut && self.count() > before;
            if !further || self.is_stopped() {
                return Ok(reach);
            }
        }
    }

    async fn walk_once(
        &mut self,
        broker: &Client,
        act: DeadAct,
        filter: &DeadFilter,
    ) -> Result<DeadReach, ClientError> {
        let state = match act {
            DeadAct::Replay => DeliveryState::Waiting,
            DeadAct::Drop => DeliveryState::Dropped,
        };
        let (pieces, mut told) = mpsc::channel(PIECES);
        let now_ms = self.at_ms;
        let work = self.work;
        let Course { progress, stop } = &work.course;
        let goes = |letter: &DeadLetter| {
            let Some(why) = work.stays(letter) else { return true };
            let stayed = Stayed { webhook: letter.webhook.clone(), why };
            progress.send_modify(|progress| progress.leave_alone(&letter.delivery, stayed));
            false
        };
        let goes = &goes;
        // The sender ends with the walk, and what listens with the sender.
        let walk = async move {
            match act {
                DeadAct::Replay => broker.replay_dead(filter, now_ms, goes, stop, &pieces).await,
                DeadAct::Drop => broker.drop_dead(filter, stop, &pieces).await,
            }
        };
        let note = async {
            let mut some = Vec::new();
            while told.recv_many(&mut some, PIECES).await > 0 {
                progress.send_if_modified(|progress| !std::mem::replace(&mut progress.begun, true));
                let moved: Vec<DeadMoved> = some.drain(..).flatten().collect();
                self.note(moved, Some(state)).await;
            }
        };
        let (reach, ()) = tokio::join!(walk, note);
        reach
    }

    /// Notes that these were sent again or dropped; `state` is how they stand now, where that has
    /// changed.
    pub(super) async fn note(&mut self, moved: Vec<DeadMoved>, state: Option<DeliveryState>) {
        let decided: Vec<Decided> = moved
            .into_iter()
            .map(|DeadMoved { delivery, attempts }| Decided { delivery, attempts })
            .collect();
        if decided.is_empty() {
            return;
        }
        if let Some(state) = state {
            let left = self.mark(&decided, state, Behind::Leave).await;
            let room = BEHIND.saturating_sub(self.behind.len());
            self.behind.extend(left.into_iter().take(room).map(|left| (state, left)));
        }
        self.unnoted += decided.len();
        self.work.course.progress.send_modify(|progress| {
            progress.begun = true;
            progress.deliveries.extend(decided.into_iter().map(|decided| decided.delivery));
        });
        if !self.begun || self.unnoted >= ENTRY {
            self.audit().await;
        }
    }

    /// Notes the rest; says what log and audit do not know.
    pub(super) async fn close(mut self) -> Option<String> {
        if self.unnoted > 0 {
            self.audit().await;
        }
        self.catch_up().await;
        self.untold
    }

    /// Notes in the log what it was behind with.
    async fn catch_up(&mut self) {
        for time in 1..=TIMES {
            if self.behind.is_empty() {
                return;
            }
            sleep(LATER).await;
            let behind = if time < TIMES { Behind::Leave } else { Behind::Take };
            let waiting = std::mem::take(&mut self.behind);
            for state in [DeliveryState::Waiting, DeliveryState::Dropped] {
                let of_state = waiting.iter().filter(|(its, _)| *its == state);
                let decided: Vec<Decided> = of_state.map(|(_, decided)| decided.clone()).collect();
                let left = self.mark(&decided, state, behind).await;
                self.behind.extend(left.into_iter().map(|left| (state, left)));
            }
        }
    }

    /// Notes in the log how these stand now; gives those that it was behind with.
    async fn mark(
        &mut self,
        decided: &[Decided],
        state: DeliveryState,
        behind: Behind,
    ) -> Vec<Decided> {
        let Some(log) = self.work.log else { return Vec::new() };
        log.mark(decided, state, self.at_ms, behind).await.unwrap_or_else(|error| {
            let why =
                format!("the delivery log does not know of all of them: {}", in_one_line(&error));
            self.untold.get_or_insert(why);
            Vec::new()
        })
    }

    /// The first ones of the last `count`.
    fn last(&self, count: usize) -> Value {
        let progress = self.work.course.progress.borrow();
        let last = &progress.deliveries[progress.deliveries.len() - count..];
        json!(last[..count.min(NAMED)])
    }

    async fn audit(&mut self) {
        let Entry { action, webhook, ref detail } = self.entry;
        let (count, actor) = (std::mem::take(&mut self.unnoted), self.work.actor);
        self.begun = true;
        tracing::info!(webhook.id = webhook, actor, count, "by people: {action}");
        let Some(audit) = self.work.audit else { return };
        let mut detail = detail.clone();
        detail.insert("count".to_owned(), count.into());
        detail.insert("deliveries".to_owned(), self.last(count));
        if let Err(error) = audit.note(action, webhook, &detail.into(), actor).await {
            let why = format!("the audit lacks an entry: {}", in_one_line(&error));
            self.untold.get_or_insert(why);
        }
    }
}

#[cfg(test)]
mod tests {
    use subscriptions::{EventFilter, Headers, Secrets, Unopened, UrlRules, Webhook, WebhookUrl};

    use super::*;

    fn webhook(id: &str) -> Webhook {
        Webhook {
            id: WebhookId::try_new(id).unwrap(),
            url: WebhookUrl::try_new("https://a.example/", UrlRules::default()).unwrap(),
            events: EventFilter::try_new(["*"]).unwrap(),
            projects: Box::default(),
            condition: None,
            description: None,
            enabled: true,
            keep_while_disabled: true,
            secrets: Ok(Secrets::new(signing::Secret::generate().unwrap())),
            retry: None,
            max_in_flight: None,
            rate_limit: None,
            headers: Headers::default(),
            created_at_ms: 0,
            updated_at_ms: 0,
            disabled_reason: None,
            switches_at_ms: None,
        }
    }

    fn letter(webhook: &str) -> DeadLetter {
        DeadLetter {
            delivery: "dlv_1".to_owned(),
            webhook: webhook.to_owned(),
            event: "evt_1".to_owned(),
            kind: "domain.added".to_owned(),
            reason: "gave_up".to_owned(),
            attempts: 1,
            published_ms: 1,
            dead_ms: 1,
            last_failure: None,
            last_failure_detail: None,
        }
    }

    #[test]
    fn what_would_die_at_once_or_never_end_stays() {
        let unopened = Err(Unopened::Damaged("".into()));
        let webhooks = vec![
            webhook("whk_on"),
            Webhook { enabled: false, ..webhook("whk_off") },
            Webhook { secrets: unopened.clone(), ..webhook("whk_shut") },
            Webhook { secrets: unopened, enabled: false, ..webhook("whk_both") },
        ];
        let snapshot = Snapshot::build(webhooks, 1).unwrap();
        let work = |webhooks| DeadWork {
            webhooks,
            log: None,
            audit: None,
            actor: "ada",
            course: Course::default(),
        };
        let known = work(Webhooks::Read(Arc::new(snapshot)));
        for (webhook, expected) in [
            ("whk_on", None),
            ("whk_off", Some(Stays::Disabled)),
            ("whk_shut", Some(Stays::Unopened)),
            ("whk_both", Some(Stays::Disabled)),
            ("whk_gone", Some(Stays::Deleted)),
            ("no id", Some(Stays::Deleted)),
        ] {
            let letter = letter(webhook);
            assert_eq!(known.stays(&letter), expected, "{webhook}");
            assert_eq!(work(Webhooks::Unknown).stays(&letter), None, "nobody knows");
        }
    }
}
