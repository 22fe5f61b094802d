//! One replica of the service behind a wire of its own, and what it has counted over all its lives.
//!
//! A process that is killed takes its counters with it. So every replica is asked for them twice a
//! second, and the last answer of each life is kept: it is never more than what happened.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use testbed::loopback;
use testbed::program::{Metrics, Program};
use testbed::proxy::Proxy;
use testbed::setup::Setup;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{interval, sleep};

const ASK_EVERY: Duration = Duration::from_millis(500);
const ANSWERS_WITHIN: Duration = Duration::from_secs(3);

/// Longest drain: the grace period of the defaults, and closing.
const DRAIN: Duration = Duration::from_secs(40);

/// Counters of one life, or of several together.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Counted {
    pub(crate) delivered: f64,
    /// Attempts that failed and are made again.
    pub(crate) failed: f64,
    /// Deliveries that were given up; in calm, with an attempt each.
    pub(crate) dead: f64,
    pub(crate) consumed: f64,
    pub(crate) rejected: f64,
    /// Sessions with the broker that were built.
    pub(crate) sessions: f64,
}

impl Counted {
    fn of(metrics: &Metrics) -> Self {
        let sum = |name: &str, labels: &[(&str, &str)]| {
            metrics.sum(&format!("boottify_webhooks_{name}"), labels)
        };
        let outcome = |word| sum("deliveries_total", &[("outcome", word)]);
        // A webhook that is disabled has no attempt.
        let kept = sum("deliveries_total", &[("outcome", "dead"), ("failure", "disabled")]);
        Self {
            delivered: outcome("delivered"),
            failed: outcome("failed"),
            dead: outcome("dead") - kept,
            consumed: sum("events_consumed_total", &[]),
            rejected: sum("events_rejected_total", &[]),
            sessions: sum("broker_sessions_total", &[]),
        }
    }

    fn with(self, sign: f64, other: Self) -> Self {
        Self {
            delivered: self.delivered + sign * other.delivered,
            failed: self.failed + sign * other.failed,
            dead: self.dead + sign * other.dead,
            consumed: self.consumed + sign * other.consumed,
            rejected: self.rejected + sign * other.rejected,
            sessions: self.sessions + sign * other.sessions,
        }
    }

    pub(crate) fn plus(self, other: Self) -> Self {
        self.with(1.0, other)
    }

    pub(crate) fn minus(self, other: Self) -> Self {
        self.with(-1.0, other)
    }
}

/// See the module. Dropped, it is killed.
pub(crate) struct Replica {
    pub(crate) program: Program,
    pub(crate) wire: Proxy,
    number: usize,
    life: Arc<AtomicU32>,
    lives: Arc<Mutex<BTreeMap<u32, Counted>>>,
    /// Two binaries that take turns at a replacement.
    versions: [Option<PathBuf>; 2],
    _asking: JoinSet<()>,
}

impl Replica {
    /// Starts it and waits until it is ready.
    pub(crate) async fn start(
        number: usize,
        setup: &Setup,
        wire: Proxy,
        previous: Option<PathBuf>,
    ) -> Result<Self> {
        let program = Program::start(setup).await.with_context(|| format!("replica {number}"))?;
        let (life, lives) = (Arc::default(), Arc::default());
        let mut asking = JoinSet::new();
        asking.spawn(ask(program.operations(), Arc::clone(&life), Arc::clone(&lives)));
        let versions = [previous, None];
        Ok(Self { program, wire, number, life, lives, versions, _asking: asking })
    }

    pub(crate) async fn kill_for(&mut self, hold: Duration) -> Result<()> {
        self.program.kill9()?;
        sleep(hold).await;
        self.begin_again().await
    }

    pub(crate) async fn stop_for(&mut self, hold: Duration) {
        self.program.signal(Signal::STOP);
        sleep(hold).await;
        self.program.signal(Signal::CONT);
    }

    /// Drains it and starts its other version, if there is one.
    pub(crate) async fn replace(&mut self) -> Result<()> {
        self.drain().await?;
        self.versions.rotate_left(1);
        self.program.set_binary(self.versions[1].clone());
        self.begin_again().await?;
        self.program.ready().await.with_context(|| format!("replica {} came again", self.number))
    }

    /// Asks it to end, as an orchestrator does.
    pub(crate) async fn drain(&mut self) -> Result<()> {
        self.program.sigterm();
        let ended = self.program.wait(DRAIN).await;
        let ended = ended.with_context(|| format!("replica {} does not drain", self.number))?;
        ensure!(ended.success(), "replica {} drained with {ended}", self.number);
        Ok(())
    }

    async fn begin_again(&mut self) -> Result<()> {
        self.life.fetch_add(1, Ordering::SeqCst);
        self.program.start_again().await.with_context(|| format!("replica {}", self.number))
    }

    /// That it did not end by itself.
    pub(crate) fn lives(&mut self) -> Result<()> {
        if let Some(status) = self.program.ended()? {
            let log = self.program.log().join("\n");
            anyhow::bail!("replica {} ended by itself ({status}); its log:\n{log}", self.number);
        }
        Ok(())
    }

    /// What this life has counted by now.
    pub(crate) fn counted(&self) -> Result<Counted> {
        Ok(Counted::of(&self.program.metrics()?))
    }

    /// What is seen of all lives, and how many there were.
    pub(crate) fn seen(&self) -> (Counted, u32) {
        let lives = self.lives.lock().unwrap_or_else(PoisonError::into_inner);
        let sum = lives.values().fold(Counted::default(), |sum, life| sum.plus(*life));
        (sum, self.life.load(Ordering::SeqCst) + 1)
    }
}

async fn ask(address: SocketAddr, life: Arc<AtomicU32>, lives: Arc<Mutex<BTreeMap<u32, Counted>>>) {
    let mut ticks = interval(ASK_EVERY);
    loop {
        ticks.tick().await;
        let before = life.load(Ordering::SeqCst);
        let asked = spawn_blocking(move || {
            loopback::request_within(ANSWERS_WITHIN, address, "GET", "/metrics", "", "")
        });
        let Ok(Ok(answer)) = asked.await else { continue };
        let Ok(metrics) = Metrics::parse(&answer.body) else { continue };
        if life.load(Ordering::SeqCst) == before {
            let mut lives = lives.lock().unwrap_or_else(PoisonError::into_inner);
            lives.insert(before, Counted::of(&metrics));
        }
    }
}
