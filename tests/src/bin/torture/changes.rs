//! Webhooks that are made, changed and deleted all the while, through whichever replica answers.
//!
//! What is kept of each is what a judge may rely on: when its making was asked for, and when its
//! deletion was confirmed.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use testbed::loopback::{self, Answer};
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{Instant, sleep};

use crate::inbox::Inbox;
use crate::random::Random;
use crate::traffic::{CHANGING, CHANGING_PROJECTS};

/// Between two changes.
const PAUSE: Duration = Duration::from_millis(700);

/// So many live at the same time at most.
pub(crate) const MOST: usize = 3;

/// Changes that one sees before it is deleted.
const CHANGES: u64 = 6;

/// A replica that does not answer for so long is passed by.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);

const JSON: &str = "content-type: application/json\r\n";

/// The life of one webhook, in ms since the beginning.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Life {
    pub(crate) hook: u16,
    pub(crate) asked: u32,
    pub(crate) deleted: Option<u32>,
}

/// See the module. Dropped, it stops.
pub(crate) struct Changes {
    lives: Arc<Mutex<Vec<Life>>>,
    made: Arc<AtomicU64>,
    over: Arc<AtomicBool>,
    task: JoinSet<()>,
}

struct Hand {
    admins: Vec<SocketAddr>,
    turn: usize,
}

struct Alive {
    hook: u16,
    id: String,
    changes: u64,
}

impl Changes {
    pub(crate) fn start(
        seed: u64,
        admins: Vec<SocketAddr>,
        inbox: Arc<Inbox>,
        began: Instant,
    ) -> Self {
        let (lives, made, over) = (Arc::default(), Arc::default(), Arc::default());
        let shared = (Arc::clone(&lives), Arc::clone(&made), Arc::clone(&over));
        let mut task = JoinSet::new();
        task.spawn(run(Random::new(seed), Hand { admins, turn: 0 }, inbox, began, shared));
        Self { lives, made, over, task }
    }

    /// Ends after the change that is under way; the lives of all, and how many changes there were.
    pub(crate) async fn finish(mut self) -> (Vec<Life>, u64) {
        self.over.store(true, Ordering::Relaxed);
        while self.task.join_next().await.is_some() {}
        let lives = self.lives.lock().unwrap_or_else(PoisonError::into_inner).clone();
        (lives, self.made.load(Ordering::Relaxed))
    }
}

async fn run(
    mut random: Random,
    mut hand: Hand,
    inbox: Arc<Inbox>,
    began: Instant,
    (lives, made, over): (Arc<Mutex<Vec<Life>>>, Arc<AtomicU64>, Arc<AtomicBool>),
) {
    let locked = || lives.lock().unwrap_or_else(PoisonError::into_inner);
    let mut alive: Vec<Alive> = Vec::new();
    let mut next = CHANGING;
    while !over.load(Ordering::Relaxed) {
        sleep(PAUSE).await;
        if alive.len() < MOST {
            let hook = next;
            next = next.saturating_add(1);
            locked().push(Life { hook, asked: crate::ms(began.elapsed()), deleted: None });
            // Where nothing is known of the outcome it may live on, unchanged, for ever.
            if let Ok((id, secret)) = hand.create(&inbox.url(hook), projects(&mut random)).await {
                inbox.knows_secret(hook, &secret);
                alive.push(Alive { hook, id, changes: 0 });
                made.fetch_add(1, Ordering::Relaxed);
            }
            continue;
        }
        let chosen = usize::try_from(random.below(alive.len() as u64)).unwrap_or_default();
        let one = &mut alive[chosen];
        let path = format!("/{}", one.id);
        if one.changes < CHANGES {
            let body = match random.below(3) {
                0 => json!({ "enabled": false }),
                1 => json!({ "enabled": true }),
                _ => json!({ "projects": projects(&mut random) }),
            };
            if hand.ask("PATCH", &path, &body).await.is_ok_and(|answer| answer.status == 200) {
                one.changes += 1;
                made.fetch_add(1, Ordering::Relaxed);
            }
        } else if let Ok(answer) = hand.ask("DELETE", &path, &Value::Null).await
            // Not there: a deletion whose answer was lost.
            && matches!(answer.status, 200..=299 | 404)
        {
            let hook = one.hook;
            alive.swap_remove(chosen);
            let at = crate::ms(began.elapsed());
            locked().iter_mut().filter(|life| life.hook == hook).for_each(|life| {
                life.deleted = Some(at);
            });
            made.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn projects(random: &mut Random) -> Vec<String> {
    let some = CHANGING_PROJECTS.filter(|_| random.below(2) == 0);
    let mut some: Vec<String> = some.map(|project| format!("prj_{project}")).collect();
    if some.is_empty() {
        some.push(format!("prj_{}", CHANGING_PROJECTS.start()));
    }
    some
}

impl Hand {
    /// Makes a webhook; gives its id and its secret.
    async fn create(&mut self, url: &str, projects: Vec<String>) -> Result<(String, String)> {
        let body = json!({
            "url": url, "events": ["*"], "projects": projects, "keepWhileDisabled": false,
        });
        let answer = self.ask("POST", "", &body).await?;
        anyhow::ensure!(answer.status == 201, "{}: {}", answer.status, answer.body);
        made(&answer)
    }

    /// Asks the next replica.
    async fn ask(&mut self, method: &'static str, path: &str, body: &Value) -> Result<Answer> {
        self.turn = (self.turn + 1) % self.admins.len().max(1);
        let address = *self.admins.get(self.turn).context("nobody to ask")?;
        ask(address, method, path, body).await
    }
}

/// Id and secret in the answer to the making of a webhook.
pub(crate) fn made(answer: &Answer) -> Result<(String, String)> {
    let value: Value = serde_json::from_str(&answer.body)?;
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let parts = text(&value["webhook"]["id"]).zip(text(&value["secret"]));
    parts.with_context(|| format!("no webhook was made: {}", answer.status))
}

/// Asks a replica's API about webhooks.
pub(crate) async fn ask(
    address: SocketAddr,
    method: &'static str,
    path: &str,
    body: &Value,
) -> Result<Answer> {
    let path = format!("/api/v1/webhooks{path}");
    let body = if body.is_null() { String::new() } else { body.to_string() };
    spawn_blocking(move || {
        loopback::request_within(ANSWERS_WITHIN, address, method, &path, JSON, body)
    })
    .await?
}
