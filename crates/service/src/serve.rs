//! `serve`: builds every part, joins them, and takes them down in order.
//!
//! ```text
//! store ─snapshot─► flow ◄─messages─ intake ◄─session─ supervisor
//!   ▲                │
//!   └──── reports ───┘
//! ```
//!
//! Shutdown goes the way of the messages: the intake closes, the flow ends what is in flight, the
//! supervisor sends the last acknowledgements and closes the connections.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use broker::{Intake, Supervisor};
use delivery::{Guard, Sender};
use dispatch::{Feed, Flow, Report};
use prometheus::Registry;
use store::{Notice, Store};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::health::Health;
use crate::log::Log;
use crate::ops::{self, Operations};
use crate::signals::{Asked, Signals};
use crate::store_metrics::StoreMetrics;
use crate::tasks::Tasks;
use crate::wiring;

/// Reports that wait to be acted upon; what finds the channel full is dropped and counted.
const REPORTS: usize = 256;

/// How long the broker may take to accept the last acknowledgements, after the grace period.
const CLOSING: Duration = Duration::from_secs(5);

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
    /// The broker's side's copy of `events.max_bytes`.
    max_event_bytes: Arc<AtomicUsize>,
    drained: watch::Sender<bool>,
    draining: watch::Sender<bool>,
    closing: CancellationToken,
    tasks: Tasks,
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
        () = service.drain(grace) => Ok(()),
        () = signals.end() => anyhow::bail!("a second signal ended it; what was in flight comes again"),
    }
}

async fn start(config: &Config) -> Result<Service> {
    let registry = Registry::new();
    let closing = CancellationToken::new();
    let (draining, drains) = watch::channel(false);
    let (drained, mut drain_seen) = watch::channel(false);

    let options = wiring::store_options(config)?;
    let (store, notices) = Store::open(config.webhooks.store.expose(), options)?;
    notices.iter().for_each(tell);

    let broker_metrics = broker::Metrics::register(&registry)?;
    let broker_config = wiring::broker(config)?;
    let max_event_bytes = Arc::clone(&broker_config.max_event_bytes);
    let (supervisor, intake, states) =
        Supervisor::new(broker_config, broker_metrics, closing.clone());
    let health = {
        let store = store.clone();
        Health::new(states, move || store.status().is_loaded(), drains)
    };

    let ca_pem = wiring::ca_file(config)?;
    let guard = Guard::new(config.delivery.allow_addresses.clone());
    let sender_metrics = delivery::Metrics::register(&registry)?;
    let sender = Sender::new(wiring::limits(config), guard, ca_pem.as_deref(), sender_metrics)?;
    let flow_metrics = dispatch::Metrics::register(&registry, config.operations.webhook_label)?;
    let feed = Feed { snapshot: store.snapshots(), read_at_ms: store.status().read_at_ms_shared() };
    let (reports, reported) = mpsc::channel(REPORTS);
    let max_in_flight = config.delivery.max_in_flight;
    let flow =
        Flow::new(wiring::flow_rules(config), max_in_flight, feed, sender, flow_metrics, reports);

    let store_metrics = StoreMetrics::register(&registry)?;
    wiring::register_process(&registry)?;
    let refresh = {
        let (flow, store) = (flow.clone(), store.clone());
        move || {
            flow.refresh_metrics();
            store_metrics.refresh(store.status());
        }
    };
    let bounds = wiring::operations_bounds(config, &registry)?;
    let health_shown = health.clone();
    let operations =
        Operations { registry, health: health_shown, bounds, refresh: Box::new(refresh) };
    ops::start(config.operations.listen, operations)?;

    let mut tasks = Tasks::default();
    tasks.spawn("the pulse", health.pulse());
    tasks.spawn("the store's watch", watch_store(store.clone(), closing.clone()));
    tasks.spawn("the reports", act(store.clone(), reported));
    let finished = async move { drain_seen.wait_for(|drained| *drained).await.map_or((), drop) };
    tasks.spawn_last("the broker's supervisor", supervisor.run(finished));
    tasks.spawn_first("the flow", take(flow.clone(), store.clone(), intake, closing.clone()));
    Ok(Service { store, flow, max_event_bytes, drained, draining, closing, tasks })
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
    let first = store.clone();
    // Reading and indexing a large file takes its time; the runtime has other things to do.
    match tokio::task::spawn_blocking(move || first.load()).await {
        Ok(notices) => notices.iter().for_each(tell),
        Err(error) => tracing::error!(%error, "the first reading of the webhooks broke off"),
    }
    store.run(closing.cancelled(), |notice| tell(&notice)).await;
}

/// Acts on what the flow reports.
async fn act(store: Store, mut reports: mpsc::Receiver<Report>) {
    while let Some(report) = reports.recv().await {
        match report {
            Report::Gone { webhook, url } => {
                // Its owner may have corrected the URL while the request was on its way.
                let snapshot = store.snapshots().load_full();
                if snapshot.get(&webhook).is_none_or(|current| current.url != url) {
                    continue;
                }
                tracing::warn!(webhook.id = %webhook, "the receiver answered 410 Gone: disabling the webhook");
                store.disable(webhook, "the receiver answered 410 Gone".to_owned());
            }
        }
    }
}

fn tell(notice: &Notice) {
    if notice.is_trouble() { tracing::error!("{notice}") } else { tracing::info!("{notice}") }
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
        self.max_event_bytes.store(config.events.max_bytes, Ordering::Relaxed);
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
        self.draining.send_replace(true);
        self.closing.cancel();
        if timeout(grace, self.tasks.first_ended()).await.is_err() {
            tracing::warn!("the grace period is over: the broker gives what is left to others");
        }
        self.drained.send_replace(true);
        if timeout(CLOSING, self.tasks.last_ended()).await.is_err() {
            tracing::warn!("the broker did not close the connection in time");
        }
        tracing::info!("drained");
    }
}
