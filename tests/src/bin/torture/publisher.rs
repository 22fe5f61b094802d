//! The orchestrator: numbers its events, publishes them under confirms at a pace, and publishes again
//! under the same id whatever was not confirmed.

use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures_util::stream::{FuturesUnordered, StreamExt};
use lapin::Confirmation;
use lapin::options::BasicPublishOptions;
use testbed::amqp::{Client, event_properties};
use testbed::eventually;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

use crate::traffic;

/// Publishes that wait for their confirm at the same time.
const WINDOW: usize = 500;

/// Longest wait for a confirm; longer than any alarm that is raised here.
const PATIENCE: Duration = Duration::from_secs(20);

/// Pause before the next try to connect.
const PAUSE: Duration = Duration::from_millis(300);

const TICK: Duration = Duration::from_millis(10);

/// Parts of an event: a hundred ticks a second, and twice as much in a mean second as in most.
const UNIT: u32 = 200;

/// No more than so much is made up for after a pause.
const MOST_DUE: u32 = 100 * UNIT;

/// What became of one publish.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sent {
    /// When its confirm came, in ms since the beginning.
    pub(crate) confirmed: Option<u32>,
}

/// See the module. Dropped, it stops.
pub(crate) struct Publisher {
    state: Arc<State>,
    _task: JoinSet<()>,
}

struct State {
    url: String,
    began: Instant,
    sent: Mutex<Vec<Sent>>,
    confirmed: AtomicU32,
    repeated: AtomicU64,
    goal: AtomicU32,
    per_second: AtomicU32,
}

impl Publisher {
    /// Publishes nothing yet.
    pub(crate) fn start(url: String, began: Instant) -> Self {
        let state = Arc::new(State {
            url,
            began,
            sent: Mutex::default(),
            confirmed: AtomicU32::default(),
            repeated: AtomicU64::default(),
            goal: AtomicU32::default(),
            per_second: AtomicU32::new(1),
        });
        let mut task = JoinSet::new();
        let shared = Arc::clone(&state);
        task.spawn(async move { shared.run().await });
        Self { state, _task: task }
    }

    /// Goes on until so many were published, so many a second.
    pub(crate) fn go_on(&self, goal: u32, per_second: u32) {
        self.state.per_second.store(per_second.max(1), Ordering::Relaxed);
        self.state.goal.store(goal, Ordering::Relaxed);
    }

    pub(crate) fn published(&self) -> u32 {
        u32::try_from(locked(&self.state.sent).len()).unwrap_or(u32::MAX)
    }

    /// How often one was published again.
    pub(crate) fn repeated(&self) -> u64 {
        self.state.repeated.load(Ordering::Relaxed)
    }

    pub(crate) fn sent(&self) -> Vec<Sent> {
        locked(&self.state.sent).clone()
    }

    /// Waits until all are published and confirmed.
    pub(crate) async fn finished(&self, deadline: Duration) -> Result<()> {
        let state = &self.state;
        let done = eventually("every event is confirmed", deadline, || async {
            let confirmed = state.confirmed.load(Ordering::Relaxed);
            (confirmed >= state.goal.load(Ordering::Relaxed)).then_some(())
        });
        let open = || {
            let confirmed = state.confirmed.load(Ordering::Relaxed);
            format!("{confirmed} of {} are", state.goal.load(Ordering::Relaxed))
        };
        done.await.with_context(open)
    }
}

impl State {
    async fn run(&self) {
        let mut again = VecDeque::new();
        loop {
            if let Ok(client) = Client::connect(&self.url).await {
                self.session(&client, &mut again).await;
            }
            sleep(PAUSE).await;
        }
    }

    /// Publishes until something goes wrong. What is not confirmed then is to be published again.
    async fn session(&self, client: &Client, again: &mut VecDeque<u32>) {
        let (mut waiting, mut open) = (FuturesUnordered::new(), BTreeSet::new());
        let (mut ticks, mut due) = (interval(TICK), 0);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                Some((n, outcome)) = waiting.next(), if !waiting.is_empty() => match outcome {
                    Ok(()) => {
                        open.remove(&n);
                        self.confirm(n);
                    }
                    Err(_) => break,
                },
                _ = ticks.tick() => {
                    due = (due + self.share()).min(MOST_DUE);
                    while due >= UNIT && waiting.len() < WINDOW {
                        let Some(n) = again.pop_front().or_else(|| self.next()) else { break };
                        due -= UNIT;
                        open.insert(n);
                        waiting.push(async move { (n, publish(client, n).await) });
                    }
                }
            }
        }
        self.repeated.fetch_add(open.len() as u64, Ordering::Relaxed);
        again.extend(open);
    }

    /// What a tick adds, in parts of an event so that slow paces are kept: six times as much in every
    /// fifth second as in the others, for faults are to meet queues that are full, too.
    fn share(&self) -> u32 {
        let waves = if self.began.elapsed().as_secs().is_multiple_of(5) { 6 } else { 1 };
        self.per_second.load(Ordering::Relaxed) * waves
    }

    /// The number of the next new one, if there is to be one.
    fn next(&self) -> Option<u32> {
        let mut sent = locked(&self.sent);
        let n = u32::try_from(sent.len()).ok()?;
        (n < self.goal.load(Ordering::Relaxed)).then(|| {
            sent.push(Sent::default());
            n
        })
    }

    fn confirm(&self, n: u32) {
        let at = crate::ms(self.began.elapsed());
        let mut sent = locked(&self.sent);
        let index = usize::try_from(n).unwrap_or(usize::MAX);
        if let Some(sent) = sent.get_mut(index).filter(|sent| sent.confirmed.is_none()) {
            sent.confirmed = Some(at);
            self.confirmed.fetch_add(1, Ordering::Relaxed);
        }
    }
}

async fn publish(client: &Client, n: u32) -> Result<()> {
    let now = jiff::Timestamp::now();
    let (key, body) = traffic::message(n, &format!("{now:.3}"));
    let (exchange, options) =
        ("boottify.events", BasicPublishOptions { mandatory: true, ..Default::default() });
    let properties = event_properties(&traffic::id(n));
    let confirmed = async {
        let publish = client.channel().basic_publish(
            exchange.into(),
            key.into(),
            options,
            body.as_bytes(),
            properties,
        );
        publish.await?.await
    };
    match timeout(PATIENCE, confirmed).await.context("no confirm")?? {
        Confirmation::Ack(None) => Ok(()),
        // Not taken by any queue, or refused: it is published again.
        other => bail!("not taken: {other:?}"),
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
