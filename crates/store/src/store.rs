//! The store as the service sees it: a feed of snapshots that never goes backwards.
//!
//! A *turn* looks once: is anything to be disabled, has the store changed, does it settle? Turns do
//! blocking I/O and run one at a time; [`Store::run`] makes them when the system tells of a change,
//! and every [`LOOK`] anyhow.
//!
//! A change is read only when two looks in a row, [`QUIET`] apart, find the same: a file that is
//! being written in place is left alone until its writer rests.

mod disabling;
mod saving;

use std::collections::BTreeMap;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use futures_util::FutureExt;
use futures_util::future::Shared as Repeated;
use subscriptions::{DuplicateId, Snapshot, Unopened, Webhook, WebhookId};
use tokio::sync::{Notify, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

use crate::backend::{Backend, Stamps};
use crate::claim::Claim;
use crate::database::Database;
use crate::disabled::Disabled;
use crate::entry::Entry;
use crate::locator::{self, Locator};
use crate::notice::{Notice, Origin};
use crate::open::{self, KeyUse};
use crate::options::{OpenError, Options, Rules};
use crate::saved::Pace;
use crate::status::Status;

/// How often the store is looked at. A change has to be live within a second.
const LOOK: Duration = Duration::from_millis(500);
/// How long a changed file has to rest before it is read.
const QUIET: Duration = Duration::from_millis(100);

/// All webhooks, kept up to date. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// The store, as it may be shown.
    name: String,
    backend: Backend,
    state_dir: PathBuf,
    claim: Claim,
    live: Arc<ArcSwap<Snapshot>>,
    status: Status,
    wake: Arc<Notify>,
    /// Which change of a database is live: all up to this number are.
    revision: watch::Sender<i64>,
    asked: Mutex<Asked>,
    inner: Mutex<Inner>,
}

/// What was asked for and waits for the next turn. Locked for moments only, unlike [`Inner`].
#[derive(Debug, Default)]
struct Asked {
    disable: BTreeMap<WebhookId, String>,
    rules: Option<Rules>,
}

/// What one turn at a time works on, and holds while it reads the store and writes down what is disabled.
/// A saving of the list, which goes on beside turns, locks it for moments only.
#[derive(Debug)]
struct Inner {
    rules: Rules,
    disabled: Disabled,
    /// What is live, as its owner wrote it, and where it came from; sorted by id.
    entries: Vec<Entry>,
    origin: Origin,
    /// Those of them that cannot be opened, as it was told.
    unopened: Vec<(WebhookId, Unopened)>,
    /// When that is saved.
    pace: Pace,
    /// The stamps of what was last read, and the secrets' files among them.
    read: Option<Stamps>,
    secret_files: Vec<PathBuf>,
    /// Whether a change may have hidden from `read`, so that one more reading is due.
    unsettled: bool,
    /// The stamps of a change that does not rest yet.
    restless: Option<Stamps>,
}

/// Ends what waits for a database when it is dropped.
struct End<'a>(&'a Backend);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// When to look again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Again {
    Soon,
    Later,
}

impl Store {
    /// Opens the store at `url`. Reads what was disabled, but no webhooks yet: see [`Store::load`].
    ///
    /// The second value tells what of the state directory could not be read.
    ///
    /// # Errors
    ///
    /// [`OpenError`] where the URL names no store or the state directory cannot be made.
    pub fn open(url: &str, options: Options) -> Result<(Self, Vec<Notice>), OpenError> {
        let locator = Locator::try_new(url)?;
        let state_dir = options.state_dir.clone();
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&state_dir)
            .map_err(|source| OpenError::StateDir { path: state_dir.clone(), source })?;
        let wake = Arc::default();
        let backend = open::backend(&locator, &options, KeyUse::Seal, &wake)?;
        let rules = options.rules;
        let status = Status::default();
        let mut notices = Vec::new();
        // Claimed before it is read: what another process still writes meanwhile is not missed.
        let claim = Claim::new(&state_dir);
        if !claim.is_held() {
            status.shared.store(true, Ordering::Relaxed);
            notices.push(Notice::Shared(state_dir.clone()));
        }
        let disabled = Disabled::load(&state_dir).unwrap_or_else(|error| {
            status.count_error();
            notices.push(Notice::State(Arc::new(error)));
            Disabled::default()
        });
        let inner = Inner {
            rules,
            disabled,
            entries: Vec::new(),
            origin: Origin::Store,
            unopened: Vec::new(),
            pace: Pace::default(),
            read: None,
            secret_files: Vec::new(),
            unsettled: false,
            restless: None,
        };
        let store = Self(Arc::new(Shared {
            name: locator.name(),
            backend,
            state_dir,
            claim,
            live: Arc::default(),
            status,
            wake,
            revision: watch::Sender::new(-1),
            asked: Mutex::default(),
            inner: Mutex::new(inner),
        }));
        Ok((store, notices))
    }

    /// The live snapshot; empty before the first load.
    #[must_use]
    pub fn snapshots(&self) -> Arc<ArcSwap<Snapshot>> {
        Arc::clone(&self.0.live)
    }

    /// How the store is doing.
    #[must_use]
    pub fn status(&self) -> &Status {
        &self.0.status
    }

    /// The database that webhooks are changed through; `None` where they are in a file.
    #[must_use]
    pub fn database(&self) -> Option<&Database> {
        self.0.backend.database()
    }

    /// Which store it is, without saying where: as [`identity`](crate::identity) of its URL.
    #[must_use]
    pub fn identity(&self) -> String {
        locator::identity_of(&self.0.name)
    }

    /// The number of the last change of a database that is live; -1 where changes have none.
    #[must_use]
    pub fn revision(&self) -> i64 {
        *self.0.revision.borrow()
    }

    /// Sees every change of a database, whoever made it; what it was is not said.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<i64> {
        self.0.revision.subscribe()
    }

    /// Waits until the change of this number, made through [`Store::database`], is in the live
    /// snapshot of this process; `false` if it is not within `patience`.
    pub async fn wait_live(&self, revision: i64, patience: Duration) -> bool {
        let mut live = self.0.revision.subscribe();
        let is_live = live.wait_for(|live| *live >= revision);
        matches!(timeout(patience, is_live).await, Ok(Ok(_)))
    }

    /// Reads the webhooks now; where they cannot be read and none are live, takes what was saved.
    /// Blocking. What happened is returned; whether there is a snapshot now, [`Status`] says.
    pub fn load(&self) -> Vec<Notice> {
        let mut notices = Vec::new();
        {
            let mut inner = self.inner();
            let stamps = self.stamps(&inner);
            self.read(&mut inner, stamps, &mut notices);
            if !self.0.status.is_loaded() {
                self.take_saved(&mut inner, &mut notices);
            }
        }
        notices.extend(self.save());
        notices
    }

    /// Has the webhooks read again under other rules, at the next turn.
    pub fn reconfigure(&self, rules: Rules) {
        self.asked().rules = Some(rules);
        self.0.wake.notify_one();
    }

    /// Disables a webhook at the next turn, until its owner changes it. One that is not there, or
    /// disabled already, is left as it is. Whether this is the first to ask.
    pub fn disable(&self, id: WebhookId, reason: String) -> bool {
        // Only known ones, so that what waits here has a bound.
        let enabled = self.0.live.load().get(&id).is_some_and(|webhook| webhook.enabled);
        let first = enabled && self.asked().disable.insert(id, reason).is_none();
        if first {
            self.0.wake.notify_one();
        }
        first
    }

    /// Reads the webhooks where nobody has, and follows the store until `shutdown`, telling what
    /// happens. Nothing that it began goes on after its end, and a database is not read any more; where
    /// it is dropped before, what is being saved is still saved.
    pub async fn run(&self, shutdown: impl Future<Output = ()>, mut tell: impl FnMut(Notice)) {
        let (_end, mut saving) = (End(&self.0.backend), JoinSet::new());
        self.follow(shutdown.shared(), &mut saving, &mut tell).await;
        // What is being saved was begun before what is left.
        while let Some(saved) = saving.join_next().await {
            told(saved).into_iter().for_each(&mut tell);
        }
        let store = self.clone();
        saving.spawn_blocking(move || store.save());
        while let Some(saved) = saving.join_next().await {
            told(saved).into_iter().for_each(&mut tell);
        }
    }

    async fn follow(
        &self,
        shutdown: Repeated<impl Future<Output = ()>>,
        saving: &mut JoinSet<Vec<Notice>>,
        tell: &mut impl FnMut(Notice),
    ) {
        if !self.0.status.is_loaded() {
            let loaded = self.reading(shutdown.clone(), Self::load).await;
            loaded.into_iter().flatten().for_each(&mut *tell);
        }
        let watcher = self.0.backend.watch(Arc::clone(&self.0.wake));
        let _watcher = watcher.map_err(|error| tell(Notice::NotWatched(Arc::new(error))));
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut again = Again::Later;
        loop {
            // However much the system tells, looks are this far apart.
            tokio::select! {
                () = shutdown.clone() => return,
                () = sleep(QUIET) => {}
            }
            if again == Again::Later {
                tokio::select! {
                    () = shutdown.clone() => return,
                    _ = looks.tick() => {}
                    () = self.0.wake.notified() => {}
                }
            }
            let turn = self.reading(shutdown.clone(), Self::turn).await;
            let Some((notices, next)) = turn else { return };
            notices.into_iter().for_each(&mut *tell);
            again = next;
            while let Some(saved) = saving.try_join_next() {
                told(saved).into_iter().for_each(&mut *tell);
            }
            let is_due = || self.0.claim.is_held() && self.inner().pace.is_due(Instant::now());
            if saving.is_empty() && is_due() {
                let store = self.clone();
                saving.spawn_blocking(move || store.save());
            }
        }
    }

    /// Reads the store, blocking. What waits for a database is cut off by `shutdown`, so that it is
    /// over before the runtime is. `None` where that is going down already.
    async fn reading<T: Send + 'static>(
        &self,
        shutdown: impl Future<Output = ()>,
        read: fn(&Self) -> T,
    ) -> Option<T> {
        let store = self.clone();
        let mut reading = tokio::task::spawn_blocking(move || read(&store));
        let read = tokio::select! {
            read = &mut reading => read,
            () = shutdown => {
                self.0.backend.end();
                reading.await
            }
        };
        match read {
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            read => read.ok(),
        }
    }

    /// One look.
    fn turn(&self) -> (Vec<Notice>, Again) {
        let mut inner = self.inner();
        let mut notices = Vec::new();
        if self.0.claim.take(&self.0.state_dir) {
            self.take_over(&mut inner, &mut notices);
        }
        let Asked { disable, rules } = std::mem::take(&mut *self.asked());
        self.disable_now(&mut inner, disable, &mut notices);
        self.hand_over(&mut inner, &mut notices);
        if let Some(rules) = rules {
            inner.rules = rules;
            inner.read = None;
        }
        let now = now_ms();
        let stamps = self.stamps(&inner);
        if inner.read.as_ref() != Some(&stamps) {
            if stamps.has_to_rest() && inner.restless.as_ref() != Some(&stamps) {
                inner.restless = Some(stamps);
                return (notices, Again::Soon);
            }
            self.read(&mut inner, stamps, &mut notices);
        } else if inner.unsettled && stamps.settled() {
            self.read(&mut inner, stamps, &mut notices);
        } else if !self.0.status.is_failing() {
            self.0.status.read_at_ms.store(now, Ordering::Relaxed);
        }
        (notices, Again::Later)
    }

    /// Reads the store, whose stamps were taken just before.
    fn read(&self, inner: &mut Inner, stamps: Stamps, notices: &mut Vec<Notice>) {
        let now = now_ms();
        let listing = self.0.backend.list(&inner.rules);
        // Which secrets are read may have changed with the file; their stamps count from now on.
        let same_files = inner.secret_files == listing.secret_files;
        inner.secret_files = listing.secret_files;
        let stamps = if same_files { stamps } else { self.stamps(inner) };
        inner.unsettled = !stamps.settled();
        inner.read = Some(stamps);
        inner.restless = None;
        match listing.entries.and_then(|entries| Ok(self.take(inner, entries, notices)?)) {
            Ok(changed) => {
                self.0.revision.send_replace(self.0.backend.revision());
                self.0.status.read_at_ms.store(now, Ordering::Relaxed);
                let trouble = self.0.status.trouble.swap(None);
                if changed {
                    inner.pace.changed(now);
                } else if trouble.is_some() {
                    notices.push(Notice::Readable);
                }
            }
            // Then this says nothing of the store.
            Err(_) if self.0.backend.has_ended() => {}
            Err(error) => {
                // Told once.
                if self.0.status.trouble().as_deref() != Some(&error) {
                    self.0.status.count_error();
                    let error = Arc::new(error);
                    self.0.status.trouble.store(Some(Arc::clone(&error)));
                    let live = self.0.status.is_loaded();
                    notices.push(Notice::Unreadable { error, live });
                }
            }
        }
    }

    /// Makes these webhooks live, if they are other ones; says whether they are.
    fn take(
        &self,
        inner: &mut Inner,
        mut entries: Vec<Entry>,
        notices: &mut Vec<Notice>,
    ) -> Result<bool, DuplicateId> {
        Entry::sort(&mut entries);
        let same = self.0.status.is_loaded() && Entry::same(&inner.entries, &entries);
        if same && inner.origin == Origin::Store {
            return Ok(false);
        }
        let mut disabled = inner.disabled.clone();
        let lifted = disabled.lift(&entries);
        self.publish(&entries, &disabled, Origin::Store, notices)?;
        (inner.entries, inner.origin, inner.disabled) = (entries, Origin::Store, disabled);
        self.note_unopened(inner, notices);
        if !lifted.is_empty() {
            // Until it is saved, too, a start without the store would enable what stood there before.
            inner.pace.hurry();
            notices.extend(lifted.into_iter().map(Notice::Lifted));
            self.save_disabled(inner, notices);
        }
        Ok(true)
    }

    /// Tells which webhooks cannot be opened, if they are other ones than were told last.
    fn note_unopened(&self, inner: &mut Inner, notices: &mut Vec<Notice>) {
        let unopened = inner.entries.iter().filter_map(Entry::unopened);
        let unopened: Vec<_> = unopened.collect();
        self.0.status.unopened.store(unopened.len() as u64, Ordering::Relaxed);
        if unopened == inner.unopened {
            return;
        }
        if !unopened.is_empty() {
            self.0.status.count_error();
        }
        notices.push(Notice::Unopened(unopened.clone()));
        inner.unopened = unopened;
    }

    /// Builds the next snapshot and swaps it in.
    fn publish(
        &self,
        entries: &[Entry],
        disabled: &Disabled,
        origin: Origin,
        notices: &mut Vec<Notice>,
    ) -> Result<(), DuplicateId> {
        let status = &self.0.status;
        let generation = status.generation() + 1;
        let snapshot = build(entries, disabled, generation)?;
        let (webhooks, enabled) = (snapshot.len(), snapshot.enabled());
        self.0.live.store(Arc::new(snapshot));
        status.generation.store(generation, Ordering::Relaxed);
        status.webhooks.store(webhooks as u64, Ordering::Relaxed);
        status.enabled.store(enabled as u64, Ordering::Relaxed);
        status.loaded.store(true, Ordering::Relaxed);
        notices.push(Notice::Live { generation, webhooks, enabled, origin });
        Ok(())
    }

    fn stamps(&self, inner: &Inner) -> Stamps {
        self.0.backend.stamps(&inner.secret_files)
    }

    /// Every field is whole after each statement, so a panic elsewhere spoils nothing.
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn asked(&self) -> MutexGuard<'_, Asked> {
        self.0.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a saving told; nothing where the runtime is going down.
fn told(saved: Result<Vec<Notice>, JoinError>) -> Vec<Notice> {
    match saved {
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        saved => saved.unwrap_or_default(),
    }
}

/// The snapshot of these webhooks, with what the service disabled.
pub(crate) fn build(
    entries: &[Entry],
    disabled: &Disabled,
    generation: u64,
) -> Result<Snapshot, DuplicateId> {
    let webhooks = entries.iter().map(|entry| match disabled.reason(entry) {
        None => Arc::clone(&entry.webhook),
        Some(reason) => Arc::new(Webhook {
            enabled: false,
            disabled_reason: Some(reason.to_owned()),
            ..Webhook::clone(&entry.webhook)
        }),
    });
    Snapshot::build(webhooks.collect(), generation)
}

pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
