//! From the configuration to what each part wants to be told: one small function per part.

use std::fs;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context, Result};
use delivery::{Guard, Limits, NameRules, Names, Sender};
use dispatch::{Places, Queues, Spans};
use metering::Meter;
use prometheus::{IntCounter, IntGauge, Opts, Registry};
use store::{Database, DeliveryLog, Status};
use traces::{Collector, Exporter, Ratio, Tracer};

use crate::config::{Config, EncryptionKeys, Traces};
use crate::listener::{Bounds, Connections};

/// What the broker's side is told.
pub(crate) fn broker(config: &Config) -> Result<broker::Config> {
    let broker = &config.broker;
    let mut told = broker::Config::try_new(broker.url.expose(), broker.heartbeat)?;
    told.deadline = broker.deadline;
    told.prefetch = broker.prefetch;
    told.max_event_bytes.store(config.events.max_bytes, Ordering::Relaxed);
    told.max_large_bytes = broker.max_large_bytes;
    told.delivery_limit = broker.delivery_limit;
    told.max_walk = config.dead.max_walk;
    told.bindings.clone_from(&broker.bindings);
    told.names.clone_from(&broker.names);
    Ok(told)
}

/// The bounds of an attempt.
fn limits(config: &Config) -> Limits {
    let delivery = &config.delivery;
    Limits {
        connect_timeout: delivery.connect_timeout,
        timeout: delivery.timeout,
        max_response_bytes: delivery.max_response_bytes,
        max_connections: delivery.max_connections,
        idle_timeout: delivery.idle_timeout,
        max_idle_per_host: delivery.max_idle_per_host,
    }
}

/// What finds the addresses of receivers. A lookup leaves some of `connect_timeout` to connecting,
/// and is named as what failed where it is.
pub(crate) fn names(config: &Config, metrics: delivery::Metrics) -> Names {
    let delivery = &config.delivery;
    let rules = NameRules {
        servers: delivery.dns_servers.clone(),
        limit: delivery.connect_timeout.mul_f64(0.8),
        max_ttl: delivery.dns_max_ttl,
        max_names: delivery.dns_max_names,
    };
    Names::new(rules, metrics)
}

/// What makes the attempts.
pub(crate) fn sender(
    config: &Config,
    guard: Guard,
    names: Names,
    metrics: delivery::Metrics,
) -> Result<Sender> {
    let ca_pem = ca_file(config)?;
    let sender = Sender::new(limits(config), guard, names, ca_pem.as_deref(), metrics);
    sender.context("setting up TLS for webhooks (delivery.ca_file)")
}

/// What the operations listener puts up with.
pub(crate) fn operations_bounds(config: &Config, registry: &Registry) -> Result<Bounds> {
    let refused = Meter::new(registry).counter(
        "operations_connections_refused_total",
        "Connections to the operations listener that were closed for operations.max_connections",
    )?;
    let operations = &config.operations;
    let (max_connections, timeout) = (operations.max_connections, operations.timeout);
    // Probes and scrapers send their requests at once.
    let head_timeout = timeout.min(Duration::from_secs(2));
    let connections = Connections::Once;
    Ok(Bounds { max_connections, timeout, head_timeout, connections, refused })
}

/// The bounds that metrics are seen against, as they were configured at the start.
pub(crate) fn register_limits(config: &Config, registry: &Registry) -> Result<()> {
    let meter = Meter::new(registry);
    let limits = [
        (
            "messages_unsettled_limit",
            "What messages_unsettled cannot exceed: broker.prefetch for each of the two queues",
            usize::from(config.broker.prefetch) * 2,
        ),
        (
            "attempts_in_flight_limit",
            "What attempts_in_flight cannot exceed: delivery.max_in_flight",
            config.delivery.max_in_flight,
        ),
        (
            "connections_limit",
            "What connections_open cannot exceed: delivery.max_connections",
            config.delivery.max_connections,
        ),
        (
            "delivery_log_waiting_limit_bytes",
            "What delivery_log_waiting_bytes cannot exceed: delivery_log.max_waiting_bytes",
            config.delivery_log.bounds.max_waiting_bytes,
        ),
        (
            "trace_spans_waiting_limit",
            "What trace_spans_waiting cannot exceed: traces.max_waiting_spans",
            config.traces.max_waiting_spans,
        ),
    ];
    for (name, help, limit) in limits {
        meter.gauge(name, help)?.set(i64::try_from(limit).unwrap_or(i64::MAX));
    }
    Ok(())
}

/// What happened and found no room, or no ear.
pub(crate) struct JournalCounters {
    pub(crate) reports_dropped: IntCounter,
    pub(crate) announcements_dropped: IntCounter,
    pub(crate) health_failures: IntCounter,
}

impl JournalCounters {
    pub(crate) fn register(registry: &Registry) -> Result<Self> {
        let meter = Meter::new(registry);
        Ok(Self {
            reports_dropped: meter.counter(
                "reports_dropped_total",
                "Answers of 410 that found too many waiting; the next delivery says it again",
            )?,
            announcements_dropped: meter.counter(
                "operational_events_dropped_total",
                "Operational events that found too many waiting for the broker",
            )?,
            health_failures: meter.counter(
                "webhook_health_failures_total",
                "Webhooks about which the delivery log could not be asked when those were looked for \
                 that fail, or whose secrets end",
            )?,
        })
    }
}

/// How much the flow does at the same time.
pub(crate) fn places(config: &Config) -> Places {
    let (delivery, prefetch) = (&config.delivery, config.broker.prefetch);
    Places { all: delivery.max_in_flight, per_host: delivery.max_in_flight_per_host, prefetch }
}

/// What the flow goes by; can change while it runs.
pub(crate) fn flow_rules(config: &Config) -> dispatch::Rules {
    dispatch::Rules {
        catalog: config.events.catalog.clone(),
        max_event_bytes: config.events.max_bytes,
        webhook_max_in_flight: config.webhooks.max_in_flight,
        breaker: config.webhooks.breaker,
        retry: config.retry,
        propagate_trace: config.traces.propagate,
    }
}

/// What the store checks webhooks against; can change while it runs.
pub(crate) fn store_rules(config: &Config) -> store::Rules {
    store::Rules {
        url: subscriptions::UrlRules { allow_http: config.webhooks.allow_http },
        retry: config.retry,
        catalog: config.events.catalog.clone(),
    }
}

/// How the store is opened.
pub(crate) fn store_options(config: &Config) -> Result<store::Options> {
    let webhooks = &config.webhooks;
    let keys = webhooks.keys.as_ref().map(EncryptionKeys::keys).transpose()?;
    Ok(store::Options { state_dir: webhooks.state_dir.clone(), rules: store_rules(config), keys })
}

/// Why no webhooks are live, in one line; nothing where some are.
pub(crate) fn unloaded(status: &Status) -> Option<String> {
    if status.is_loaded() {
        return None;
    }
    let why = status.trouble().map(|error| format!(": {}", in_one_line(&error.to_string())));
    Some(format!("none could be read yet{}", why.unwrap_or_default()))
}

/// The first of several mistakes, and how many there are.
fn in_one_line(mistakes: &str) -> String {
    let first = mistakes.lines().next().unwrap_or_default();
    match mistakes.lines().skip(1).count() {
        0 => first.to_owned(),
        more => format!("{first} (and {more} more)"),
    }
}

/// The delivery log, where one is kept.
pub(crate) fn delivery_log(config: &Config) -> Result<Option<DeliveryLog>> {
    if !config.delivery_log.enabled {
        return Ok(None);
    }
    let log = match &config.delivery_log.store {
        Some(url) => DeliveryLog::open_at(url.expose())?,
        None => DeliveryLog::open(config.webhooks.store.expose(), &store_options(config)?)?,
    };
    Ok(Some(log))
}

/// Whether a place of its own that the delivery log has can be used.
pub(crate) fn check_delivery_log(config: &Config) -> Result<()> {
    match &config.delivery_log.store {
        Some(url) if config.delivery_log.enabled => {
            Ok(DeliveryLog::check_at(url.expose()).context("delivery_log.store")?)
        }
        _ => Ok(()),
    }
}

/// The delivery log for a command beside the service, which does not make one.
pub(crate) fn present_delivery_log(config: &Config) -> Result<Option<DeliveryLog>> {
    let is_there = match &config.delivery_log.store {
        Some(url) => DeliveryLog::is_there_at(url.expose())?,
        None => DeliveryLog::is_there(config.webhooks.store.expose(), &store_options(config)?)?,
    };
    if is_there { delivery_log(config) } else { Ok(None) }
}

/// Where a command beside the service notes what people did.
pub(crate) fn present_audit(config: &Config) -> Result<Option<Database>> {
    let options = store_options(config)?;
    Ok(store::open_present_database(config.webhooks.store.expose(), &options)?)
}

/// Whether the files and folders that the configuration names are what they are to be. They are read
/// for use later.
pub(crate) fn check_files(config: &Config) -> Result<()> {
    let files = [
        (ca_file(config)?, &config.delivery.ca_file, "delivery.ca_file"),
        (collector_ca_file(config)?, &config.traces.ca_file, "traces.ca_file"),
    ];
    for (pem, path, key) in files {
        let (Some(pem), Some(path)) = (pem, path) else { continue };
        delivery::tls_config(Some(&pem))
            .with_context(|| format!("cannot use {} ({key})", path.display()))?;
    }
    delivery::check_authorities(ca_file(config)?.as_deref())?;
    let state_dir = &config.webhooks.state_dir;
    // One that is not there is made; a part of its path may still be a file.
    let there = state_dir.ancestors().find(|part| part.exists());
    let Some(part) = there.filter(|part| !part.is_dir()) else { return Ok(()) };
    anyhow::bail!("{} is no folder (webhooks.state_dir)", part.display())
}

/// The operator's certificate authorities for receivers.
pub(crate) fn ca_file(config: &Config) -> Result<Option<Vec<u8>>> {
    authorities(config.delivery.ca_file.as_deref(), "delivery.ca_file")
}

/// The operator's certificate authorities for the collector of traces.
pub(crate) fn collector_ca_file(config: &Config) -> Result<Option<Vec<u8>>> {
    authorities(config.traces.ca_file.as_deref(), "traces.ca_file")
}

fn authorities(path: Option<&Path>, key: &'static str) -> Result<Option<Vec<u8>>> {
    let Some(path) = path else { return Ok(None) };
    let pem = fs::read(path);
    pem.map(Some).with_context(|| format!("cannot read {} ({key})", path.display()))
}

/// What begins spans, and what brings them to the collector where there is one.
pub(crate) fn traces(config: &Config, registry: &Registry) -> Result<(Tracer, Option<Exporter>)> {
    let traces = &config.traces;
    for line in &traces.unheeded {
        tracing::warn!("{line}");
    }
    let metrics = traces::Metrics::register(registry)?;
    let endpoint = match &traces.endpoint {
        Ok(endpoint) => endpoint,
        Err(why) => {
            tracing::info!("no traces: {why}");
            return Ok((Tracer::off(), None));
        }
    };
    let tls = delivery::tls_config(collector_ca_file(config)?.as_deref())
        .context("setting up TLS for the collector (traces.ca_file)")?;
    let headers = traces.headers.expose().clone();
    let collector = Collector::new(endpoint.clone(), headers, traces.timeout, tls);
    let (ratio, most) = (Ratio::new(traces.sample_ratio), traces.max_waiting_spans);
    tracing::info!(
        "traces go to {endpoint}: all that publishers record, and of events without a traceparent \
         as many as the ratio {} says",
        traces.sample_ratio
    );
    let (tracer, exporter) = Exporter::new(collector, &traces.resource, ratio, most, metrics);
    Ok((tracer, Some(exporter)))
}

/// The spans of the flow.
pub(crate) fn spans(config: &Config, tracer: Tracer) -> Spans {
    let names = &config.broker.names;
    let queues = Queues {
        events: names.events_queue.clone(),
        deliveries: names.deliveries_queue.clone(),
        dead_letters: names.dead_letter_exchange.clone(),
    };
    Spans::new(tracer, queues)
}

/// The sections that differ and are only read at the start.
pub(crate) fn needs_restart(before: &Config, after: &Config) -> Vec<&'static str> {
    let sections = [
        ("admin", before.admin != after.admin),
        ("audit", before.audit != after.audit),
        ("broker", before.broker != after.broker),
        ("dead", before.dead != after.dead),
        ("delivery", before.delivery != after.delivery),
        ("delivery_log", before.delivery_log != after.delivery_log),
        ("operations", before.operations != after.operations),
        ("runtime", before.runtime != after.runtime),
        ("traces", fixed_traces(before) != fixed_traces(after)),
        ("shutdown", before.shutdown != after.shutdown),
        ("webhooks.store", before.webhooks.store != after.webhooks.store),
        ("webhooks.encryption_key", before.webhooks.keys != after.webhooks.keys),
        ("webhooks.disable_after", before.webhooks.disable_after != after.webhooks.disable_after),
        (
            "webhooks.secret_overlap",
            before.webhooks.secret_overlap != after.webhooks.secret_overlap,
        ),
        ("webhooks.state_dir", before.webhooks.state_dir != after.webhooks.state_dir),
        ("log.format", before.log.format != after.log.format),
    ];
    sections.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect()
}

/// What of the traces is only read at the start.
fn fixed_traces(config: &Config) -> Traces {
    Traces { sample_ratio: 0.0, propagate: true, ..config.traces.clone() }
}

/// The process's own figures, and which version it is.
pub(crate) fn register_process(registry: &Registry) -> prometheus::Result<()> {
    let process = prometheus::process_collector::ProcessCollector::for_self();
    registry.register(Box::new(process))?;
    let version = Opts::new("build_info", "Always 1; the label says which version runs")
        .namespace("boottify_webhooks")
        .const_label("version", env!("CARGO_PKG_VERSION"));
    let version = IntGauge::with_opts(version)?;
    version.set(1);
    registry.register(Box::new(version))
}
