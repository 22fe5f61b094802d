//! `serve`: builds every part, joins them, and takes them down in order.
//!
//! ```text
//! store ─snapshot─► flow ◄─messages─ intake ◄─session─ supervisor
//!   ▲                │
//!   └──── reports ───┴─► delivery log, operational events
//! ```
//!
//! Shutdown goes the way of the messages: the intake closes, the flow ends what is in flight, the
//! supervisor sends the last acknowledgements and closes the connections.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use broker::{Client, Intake, Supervisor};
use delivery::{Guard, Sender};
use dispatch::{Feed, Flow, Spans, Tell};
use prometheus::Registry;
use store::{DeliveryLog, NotKept, Notice, Recorder, Store};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use traces::{Ratio, Tracer};

use crate::admin::{self, With};
use crate::announcer::{Announcer, Happening};
use crate::audit;
use crate::config::Config;
use crate::failing::Watch;
use crate::health::Health;
use crate::journal::{self, Gone};
use crate::log::Log;
use crate::log_metrics::LogMetrics;
use crate::ops::{self, Operations};
use crate::retention::{self, RetentionMetrics};
use crate::signals::{Asked, Signals};
use crate::store_metrics::StoreMetrics;
use crate::tasks::Tasks;
use crate::wiring;

/// How long what waits for the delivery log is tried to be written where deliveries took all of the
/// grace period.
const LAST_WORDS: Duration = Duration::from_secs(3);
/// How long other last parts may take beyond that: the broker to accept the last acknowledgements, the
/// store and the traces to be written out.
const CLOSING: Duration = Duration::from_secs(2);

/// What the command line decided, and what `SIGHUP` reads again.
pub(crate) struct Started {
    pub(crate) config: Config,
    pub(crate) config_path: Option<PathBuf>,
    pub(crate) log: Log,
}

/// The parts that go on until the end.
struct Service {
    store: Store,
    flow: Flow,
    tracer: Tracer,
    /// The Control Center's copy of what the configuration says of webhooks.
    rules: watch::Sender<control::Rules>,
    /// The broker's side's copy of `events.max_bytes`.
    max_event_bytes: Arc<AtomicUsize>,
    ending: Ending,
    tasks: Tasks,
}

/// What the drain tells the parts, in this order, and what it looks at when it is over.
struct Ending {
    draining: watch::Sender<bool>,
    closing: CancellationToken,
    /// The flow has ended; what is left may take until then.
    drained: watch::Sender<Option<Instant>>,
    log: Option<DeliveryLog>,
    recorder: Option<Recorder>,
}

/// Serves until a signal ends it; `Ok` when everything was drained or given back.
///
/// # Errors
///
/// What kept it from starting, or a part that ended by itself.
pub(crate) async fn serve(started: Started) -> Result<()> {
    let mut signals = Signals::listen().context("listening for signals")?;
    let grace = started.config.shutdown.grace;
    let mut service = start(&started.config).await?;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "boottify-webhooks started");
    loop {
        tokio::select! {
            asked = signals.next() => match asked {
                Asked::Reload => service.reload(&started),
                Asked::End => break,
            },
            ended = service.tasks.ended() => {
                anyhow::bail!("{ended} ended by itself; this is a defect of the program")
            }
        }
    }
    tokio::select! {
        () = service.drain(grace) => return Ok(()),
        () = signals.end() => {}
    }
    if let Some(lost) = service.ending.lost_log() {
        tracing::warn!("{lost}");
    }
    anyhow::bail!("a second signal ended it; what was in flight comes again")
}

async fn start(config: &Config) -> Result<Service> {
    let registry = Registry::new();
    let closing = CancellationToken::new();
    let (draining, drains) = watch::channel(false);
    let (drained, drain_seen) = watch::channel(None);

    let options = wiring::store_options(config)?;
    let (store, notices) = Store::open(config.webhooks.store.expose(), options)?;
    notices.iter().for_each(tell);

    let broker_metrics = broker::Metrics::register(&registry)?;
    let broker_config = wiring::broker(config)?;
    let max_event_bytes = Arc::clone(&broker_config.max_event_bytes);
    let client = Client::new(broker_config.clone(), broker_metrics.clone());
    let (supervisor, intake, states) =
        Supervisor::new(broker_config, broker_metrics, closing.clone());
    let first = store.clone();
    let health = Health::new(states, move || wiring::unloaded(first.status()), drains);

    let guard = Guard::new(config.delivery.allow_addresses.clone());
    let delivery_metrics = delivery::Metrics::register(&registry)?;
    let names = wiring::names(config, delivery_metrics.clone());
    let sender = wiring::sender(config, guard.clone(), names.clone(), delivery_metrics)?;
    let mut tasks = Tasks::default();
    let log = wiring::delivery_log(config)?;
    let recorder = log.as_ref().map(|log| record(log, config, &mut tasks, drain_seen.clone()));
    let counters = wiring::JournalCounters::register(&registry)?;
    let (announcer, announce) = Announcer::new(client.clone(), counters.announcements_dropped);
    tasks.spawn("the operational events", announce);
    let (tell, gone) =
        journal::journal(recorder.clone(), announcer.clone(), counters.reports_dropped);
    let (tracer, exporter) = wiring::traces(config, &registry)?;
    if let Some(exporter) = exporter {
        tasks.spawn_last("the traces", exporter.run(over(drain_seen.clone())));
    }
    let spans = wiring::spans(config, tracer.clone());
    let flow = flow(config, &registry, sender, &store, (tell, spans))?;

    let (rules, rules_seen) = watch::channel(admin::rules(config));
    let with = With {
        store: store.clone(),
        log: log.clone(),
        client: client.clone(),
        guard,
        names,
        rules: rules_seen,
        standings: flow.standings(),
        closing: closing.clone(),
    };
    start_admin(config, &registry, with, &mut tasks).await?;
    let retention_metrics = RetentionMetrics::register(&registry)?;
    wiring::register_limits(config, &registry)?;
    let refresh = refresh(&registry, &flow, &store, recorder.clone())?;
    let (bounds, live) = (wiring::operations_bounds(config, &registry)?, store.clone());
    let operations = Operations { registry, health: health.clone(), bounds, live, refresh };
    ops::start(config.operations.listen, operations)?;

    tasks.spawn("the pulse", health.pulse());
    tasks.spawn_last("the store's watch", watch_store(store.clone(), closing.clone()));
    tasks.spawn("the reports", act(store.clone(), announcer.clone(), gone));
    if let Some(log) = log.clone() {
        let (health, store) = (flow.health(), store.clone());
        let disable_after = config.webhooks.disable_after;
        let failures = counters.health_failures;
        let watch = Watch { health, log, store, announcer, disable_after, failures };
        tasks.spawn("the watch of failing webhooks", watch.run(closing.clone()));
    }
    tasks.spawn("the audit's retention", audit::run(store.clone(), config.audit));
    tasks.spawn("the retention", retention::run(client, config.dead, retention_metrics));
    tasks.spawn_last("the broker's supervisor", supervisor.run(over(drain_seen)));
    tasks.spawn_first("the flow", take(flow.clone(), store.clone(), intake, closing.clone()));
    let ending = Ending { draining, closing, drained, log, recorder };
    Ok(Service { store, flow, tracer, rules, max_event_bytes, ending, tasks })
}

/// The flow, which has taken nothing yet.
fn flow(
    config: &Config,
    registry: &Registry,
    sender: Sender,
    store: &Store,
    (tell, spans): (Tell, Spans),
) -> Result<Flow> {
    let metrics = dispatch::Metrics::register(registry, config.operations.webhook_label)?;
    let feed = Feed { snapshot: store.snapshots(), read_at_ms: store.status().read_at_ms_shared() };
    let (rules, places) = (wiring::flow_rules(config), wiring::places(config));
    Ok(Flow::new(rules, places, feed, sender, metrics, tell, spans))
}

/// What brings the computed metrics up to date before they are read.
fn refresh(
    registry: &Registry,
    flow: &Flow,
    store: &Store,
    recorder: Option<Recorder>,
) -> Result<Box<dyn Fn() + Send + Sync>> {
    let (flow, store) = (flow.clone(), store.clone());
    let store_metrics = StoreMetrics::register(registry)?;
    let log_metrics = LogMetrics::register(registry)?;
    wiring::register_process(registry)?;
    Ok(Box::new(move || {
        flow.refresh_metrics();
        store_metrics.refresh(store.status());
        log_metrics.refresh(recorder.as_ref());
    }))
}

/// Opens the admin listener, where there is to be one. The drain lets it end what was asked of it.
async fn start_admin(
    config: &Config,
    registry: &Registry,
    with: With,
    tasks: &mut Tasks,
) -> Result<()> {
    if config.admin.enabled {
        let serving = admin::start(config, registry, with).await?;
        tasks.spawn_first("the admin listener", serving);
    }
    Ok(())
}

/// Takes messages once there are webhooks to match them against: without, every event would be
/// acknowledged as wanted by nobody.
async fn take(flow: Flow, store: Store, intake: Intake, closing: CancellationToken) {
    let first = store.clone();
    let load = async {
        while !first.status().is_loaded() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::select! {
        () = load => flow.run(intake).await,
        () = closing.cancelled() => {}
    }
}

async fn watch_store(store: Store, closing: CancellationToken) {
    store.run(closing.cancelled(), |notice| tell(&notice)).await;
}

/// Waits until the flow has ended; gives until when the rest may take.
async fn seen(mut drained: watch::Receiver<Option<Instant>>) -> Instant {
    let drained = drained.wait_for(Option::is_some).await;
    drained.ok().and_then(|until| *until).unwrap_or_else(Instant::now)
}

/// Waits until the flow has ended.
async fn over(drained: watch::Receiver<Option<Instant>>) {
    seen(drained).await;
}

/// Has the log written until the flow has ended.
fn record(
    log: &DeliveryLog,
    config: &Config,
    tasks: &mut Tasks,
    drained: watch::Receiver<Option<Instant>>,
) -> Recorder {
    let drained = seen(drained);
    let (recorder, write) = log.writer(config.delivery_log.bounds, drained);
    let trouble = recorder.status().trouble();
    tasks.spawn("the trouble of the delivery log", tell_trouble(trouble));
    tasks.spawn_last("the delivery log", write);
    recorder
}

/// Says when the log cannot be written and when it can again.
async fn tell_trouble(mut trouble: watch::Receiver<Option<String>>) {
    while trouble.changed().await.is_ok() {
        match &*trouble.borrow_and_update() {
            Some(why) => tracing::error!(
                "the delivery log cannot be written: {why}; deliveries go on, and what came of them \
                 waits within delivery_log.max_waiting_bytes"
            ),
            None => tracing::info!("the delivery log can be written again"),
        }
    }
}

/// Disables the webhooks whose receivers said 410.
async fn act(store: Store, announcer: Announcer, mut gone: mpsc::Receiver<Gone>) {
    const REASON: &str = "the receiver answered 410 Gone";
    while let Some(Gone { webhook: id, url }) = gone.recv().await {
        // Its owner may have corrected the URL while the request was on its way.
        let snapshot = store.snapshots().load_full();
        let Some(webhook) = snapshot.get(&id).filter(|webhook| webhook.url == url) else {
            continue;
        };
        if store.disable(id.clone(), REASON.to_owned()) {
            tracing::warn!(webhook.id = %id, "{REASON}: disabling the webhook");
            let now_ms = jiff::Timestamp::now().as_millisecond();
            announcer.tell(Happening::disabled(webhook, REASON, now_ms));
        }
    }
}

fn tell(notice: &Notice) {
    match notice {
        notice if notice.is_trouble() => tracing::error!("{notice}"),
        notice if notice.is_passing() => tracing::warn!("{notice}"),
        notice => tracing::info!("{notice}"),
    }
}

impl Service {
    /// Reads the configuration again and applies what can change while it runs.
    fn reload(&self, started: &Started) {
        let config = match Config::load(started.config_path.as_deref(), std::env::vars()) {
            Ok(config) => config,
            Err(report) => {
                tracing::error!("the configuration was not reloaded, nothing changed: {report}");
                return;
            }
        };
        started.log.set(config.log.level);
        self.flow.set_rules(wiring::flow_rules(&config));
        self.tracer.set_ratio(Ratio::new(config.traces.sample_ratio));
        self.max_event_bytes.store(config.events.max_bytes, Ordering::Relaxed);
        self.rules.send_replace(admin::rules(&config));
        self.store.reconfigure(wiring::store_rules(&config));
        let fixed = wiring::needs_restart(&started.config, &config);
        if fixed.is_empty() {
            tracing::info!("configuration reloaded");
        } else {
            let sections = fixed.join(", ");
            tracing::warn!("configuration reloaded; changes of {sections} need a restart");
        }
    }

    /// Stops taking, ends what is in flight within `grace`, hands the rest back.
    async fn drain(&mut self, grace: Duration) {
        tracing::info!(
            grace_s = grace.as_secs(),
            "draining: taking nothing more, ending what is in flight"
        );
        let end = Instant::now() + grace;
        self.ending.draining.send_replace(true);
        self.ending.closing.cancel();
        if timeout_at(end, self.tasks.first_ended()).await.is_err() {
            tracing::warn!("the grace period is over: the broker gives what is left to others");
        }
        let until = end.max(Instant::now() + LAST_WORDS);
        self.ending.drained.send_replace(Some(until));
        let left = self.tasks.last_ended(until + CLOSING).await;
        if !left.is_empty() {
            tracing::warn!("not closed in time: {}", left.join(", "));
        }
        // What is written is whole in one file then, whoever copies that.
        let closed = async {
            if let Some(database) = self.store.database() {
                database.close().await;
            }
            if let Some(log) = &self.ending.log {
                log.close().await;
            }
        };
        if timeout(CLOSING, closed).await.is_err() {
            tracing::warn!("not closed in time: the connections to the database");
        }
        if let Some(lost) = self.ending.lost_log() {
            tracing::warn!("{lost}");
        }
        tracing::info!("drained");
    }
}

impl Ending {
    /// What is to be said of attempts that nobody will write to the delivery log any more.
    fn lost_log(&self) -> Option<String> {
        let status = self.recorder.as_ref()?.status();
        let lost = status.dropped(NotKept::Ended) + status.waiting();
        (lost > 0).then(|| {
            format!(
                "attempts that are missing in the delivery log: {lost}, for its database could not be \
                 written to until the end; what became of the deliveries stands, and only the log shows \
                 them as they were before. Before a replica is stopped let the database be there, or \
                 give it longer (shutdown.grace)"
            )
        })
    }
}
