//! Dead letters are sent again or dropped: as many calls of the broker as it takes, and log and audit
//! know of each piece as soon as the broker has confirmed it.
//!
//! So whoever is killed in the middle leaves a log that lacks the last moment at most: what was sent
//! again and not noted yet stands there as dead. Log and audit follow and decide nothing: their trouble
//! is told and no reason to stop.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use broker::{Client, ClientError, DeadFilter, DeadLetter, DeadMoved, DeadReach, in_one_line};
use serde_json::{Map, Value, json};
use store::{Behind, Database, Decided, DeliveryLog, DeliveryState};
use subscriptions::{Snapshot, WebhookId};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

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

impl Left {
    /// Of those that were left alone.
    pub(crate) fn of(left_alone: &BTreeMap<String, Stays>) -> Self {
        let count = |why| left_alone.values().filter(|stays| **stays == why).count();
        Self {
            deleted: count(Stays::Deleted),
            disabled: count(Stays::Disabled),
            unopened: count(Stays::Unopened),
        }
    }

    /// All of them.
    pub(crate) fn all(self) -> usize {
        self.deleted + self.disabled + self.unopened
    }
}

/// Who sends dead letters again or drops them, and who is to know of it.
#[derive(Clone, Debug)]
pub struct DeadWork<'a> {
    /// The webhooks that there are: what is for another, or for one that does not send, is not sent
    /// again. `None` where they cannot be read here, and all is sent.
    pub webhooks: Option<Arc<Snapshot>>,
    /// The delivery log, where there is one.
    pub log: Option<&'a DeliveryLog>,
    /// Where changes are noted, where that is kept.
    pub audit: Option<&'a Database>,
    /// Who wants it, as the audit says.
    pub actor: &'a str,
}

/// What was done.
#[derive(Debug)]
pub struct DeadWorked {
    /// The deliveries that were sent again or dropped, whatever came after that.
    pub deliveries: Vec<String>,
    /// Those that were left alone where they are, and why.
    pub left_alone: BTreeMap<String, Stays>,
    /// How far it came, or what ended it.
    pub ended: Result<DeadReach, ClientError>,
    /// What log or audit do not know, and why, in one line.
    pub untold: Option<String>,
}

impl DeadWork<'_> {
    /// Sends again or drops every dead letter that fits, looking at nothing more after `until`. What
    /// dies meanwhile is not meant where it is sent again.
    pub async fn go(
        &self,
        broker: &Client,
        act: DeadAct,
        filter: &DeadFilter,
        until: Option<Instant>,
    ) -> DeadWorked {
        let action = match act {
            DeadAct::Replay => "dead letters sent again",
            DeadAct::Drop => "dead letters dropped",
        };
        let entry = Entry::new(action, filter.webhook.as_deref().unwrap_or_default());
        let mut ledger = self.ledger(entry, crate::clock::now_ms());
        let ended = loop {
            let before = ledger.deliveries.len();
            let reach = ledger.walk(broker, act, filter, until).await;
            // What was moved stands in the way no more: another walk comes further.
            let further = matches!(reach, Ok(DeadReach::Cut)) && ledger.deliveries.len() > before;
            if !further || until.is_some_and(|until| Instant::now() >= until) {
                break reach;
            }
        };
        let left_alone = std::mem::take(&mut ledger.left_alone);
        let (deliveries, untold) = ledger.close().await;
        DeadWorked { deliveries, left_alone, ended, untold }
    }

    /// What notes in this entry of the audit, and in the log as of `at_ms` (ms since 1970).
    pub(super) fn ledger<'a>(&'a self, entry: Entry<'a>, at_ms: i64) -> Ledger<'a> {
        let (deliveries, left_alone) = (Vec::new(), BTreeMap::new());
        let (behind, unnoted, begun, untold) = (Vec::new(), 0, false, None);
        Ledger { work: self, entry, at_ms, deliveries, left_alone, behind, unnoted, begun, untold }
    }

    /// Why this letter is not sent again, as far as is known; `None` where it may be.
    fn stays(&self, letter: &DeadLetter) -> Option<Stays> {
        let webhooks = self.webhooks.as_ref()?;
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
    action: &'static str,
    webhook: &'a str,
    detail: Map<String, Value>,
}

/// Notes what was done, piece by piece.
pub(super) struct Ledger<'a> {
    work: &'a DeadWork<'a>,
    entry: Entry<'a>,
    at_ms: i64,
    deliveries: Vec<String>,
    /// Those of which the log did not know all attempts yet, and how they stand.
    behind: Vec<(DeliveryState, Decided)>,
    left_alone: BTreeMap<String, Stays>,
    /// How many of the last ones the audit does not know yet.
    unnoted: usize,
    begun: bool,
    untold: Option<String>,
}

impl<'a> Entry<'a> {
    /// About this webhook; an empty text where it is about several.
    pub(super) fn new(action: &'static str, webhook: &'a str) -> Self {
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
    pub(super) fn deliveries(&self) -> &[String] {
        &self.deliveries
    }

    /// Whether some were left alone.
    pub(super) fn has_left_some_alone(&self) -> bool {
        !self.left_alone.is_empty()
    }

    /// Has the broker send again or drop what fits; says how far that came.
    pub(super) async fn walk(
        &mut self,
        broker: &Client,
        act: DeadAct,
        filter: &DeadFilter,
        until: Option<Instant>,
    ) -> Result<DeadReach, ClientError> {
        let state = match act {
            DeadAct::Replay => DeliveryState::Waiting,
            DeadAct::Drop => DeliveryState::Dropped,
        };
        let (pieces, mut told) = mpsc::channel(PIECES);
        let now_ms = self.at_ms;
        let (work, left_alone) = (self.work, Mutex::new(BTreeMap::new()));
        let goes = |letter: &DeadLetter| {
            let stays = work.stays(letter);
            if let Some(why) = stays {
                let mut left_alone = left_alone.lock().unwrap_or_else(PoisonError::into_inner);
                left_alone.insert(letter.delivery.clone(), why);
            }
            stays.is_none()
        };
        let goes = &goes;
        // The sender ends with the walk, and what listens with the sender.
        let walk = async move {
            match act {
                DeadAct::Replay => broker.replay_dead(filter, now_ms, goes, until, &pieces).await,
                DeadAct::Drop => broker.drop_dead(filter, until, &pieces).await,
            }
        };
        let note = async {
            let mut some = Vec::new();
            while told.recv_many(&mut some, PIECES).await > 0 {
                let moved: Vec<DeadMoved> = some.drain(..).flatten().collect();
                self.note(moved, Some(state)).await;
            }
        };
        let (reach, ()) = tokio::join!(walk, note);
        self.left_alone.extend(left_alone.into_inner().unwrap_or_else(PoisonError::into_inner));
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
        self.deliveries.extend(decided.into_iter().map(|decided| decided.delivery));
        if !self.begun || self.unnoted >= ENTRY {
            self.audit().await;
        }
    }

    /// Notes the rest; the deliveries, and what log and audit do not know.
    pub(super) async fn close(mut self) -> (Vec<String>, Option<String>) {
        if self.unnoted > 0 {
            self.audit().await;
        }
        self.catch_up().await;
        (self.deliveries, self.untold)
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

    async fn audit(&mut self) {
        let Entry { action, webhook, ref detail } = self.entry;
        let (count, actor) = (std::mem::take(&mut self.unnoted), self.work.actor);
        self.begun = true;
        tracing::info!(webhook.id = webhook, actor, count, "by people: {action}");
        let Some(audit) = self.work.audit else { return };
        let last = &self.deliveries[self.deliveries.len() - count..];
        let mut detail = detail.clone();
        detail.insert("count".to_owned(), count.into());
        detail.insert("deliveries".to_owned(), json!(last[..count.min(NAMED)]));
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
        let unopened = Err(Unopened("damaged".into()));
        let webhooks = vec![
            webhook("whk_on"),
            Webhook { enabled: false, ..webhook("whk_off") },
            Webhook { secrets: unopened.clone(), ..webhook("whk_shut") },
            Webhook { secrets: unopened, enabled: false, ..webhook("whk_both") },
        ];
        let snapshot = Snapshot::build(webhooks, 1).unwrap();
        let work = |webhooks| DeadWork { webhooks, log: None, audit: None, actor: "ada" };
        let known = work(Some(Arc::new(snapshot)));
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
            assert_eq!(work(None).stays(&letter), None, "nobody knows");
        }
    }
}
