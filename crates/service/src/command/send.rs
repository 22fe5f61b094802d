//! `send`: publishes one event as an orchestrator would, and says what it will meet.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use broker::PublishedEvent;
use bytes::Bytes;
use event::{Event, EventType};
use jiff::Timestamp;
use prometheus::Registry;
use serde_json::{Value, json};
use store::load_once;
use subscriptions::Webhook;
use tokio::time::{MissedTickBehavior, interval};

use crate::cli::Send;
use crate::command::input;
use crate::config::Config;
use crate::exit::Failed;
use crate::print;
use crate::signals::Signals;
use crate::wiring;

/// Each event has a connection of its own: nothing to measure throughput with.
const SHORTEST: Duration = Duration::from_millis(100);

/// Publishes one event, or one every so often until a signal ends it. Of the latter, one that could
/// not be published is told and passed over.
pub(crate) async fn run(asked: &Send, config: &Config) -> Result<(), Failed> {
    let Some(every) = asked.every else { return publish(asked, config).await };
    if every < SHORTEST {
        return Err(Failed::Usage(format!("--every: expected {SHORTEST:?} or more")));
    }
    let mut signals = Signals::listen().context("listening for signals")?;
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => match publish(asked, config).await {
                Err(Failed::Work(error)) => print::error(&broker::in_one_line(error.as_ref())),
                other => other?,
            },
            () = signals.end() => return Ok(()),
        }
    }
}

/// Publishes the event once it is known to be one.
async fn publish(asked: &Send, config: &Config) -> Result<(), Failed> {
    let body = match (&asked.file, &asked.kind) {
        // One byte more than an event may have, so that too large ones are told as such.
        (Some(path), _) => {
            let limit = u64::try_from(config.events.max_bytes).unwrap_or(u64::MAX);
            input::read(path, limit.saturating_add(1))?.into()
        }
        (None, Some(kind)) => sample(kind, &asked.project, now()?)?,
        (None, None) => return Err(Failed::Usage("an event type or --file is needed".to_owned())),
    };
    let id = match &asked.id {
        Some(id) => id.clone(),
        None => random_id()?,
    };
    let (catalog, limit) = (&config.events.catalog, config.events.max_bytes);
    let event = Event::parse(&body, Some(&id), catalog, limit)
        .map_err(|rejection| anyhow::anyhow!("this is no event ({rejection}); nothing was sent"))?;
    let broker = wiring::broker(config)?;
    let metrics = broker::Metrics::register(&Registry::new()).context("metrics")?;
    // Its deliveries may disable webhooks that it matches: those are counted before.
    let matching = matching(config, &event);
    let published = PublishedEvent {
        id: event.id().as_str().to_owned(),
        kind: event.kind().as_str().to_owned(),
        body,
        at_ms: now()?.as_millisecond(),
    };
    broker::publish_event(&broker, &published, &metrics)
        .await
        .with_context(|| format!("failed to publish to {}", broker.place()))?;
    tell(asked, &event, matching)
}

fn now() -> Result<Timestamp> {
    Timestamp::try_from(SystemTime::now()).context("reading the clock")
}

/// The event is published; where the webhooks cannot be read here, serve may still do it.
fn tell(asked: &Send, event: &Event, matching: Result<usize>) -> Result<(), Failed> {
    if asked.json {
        let told = json!({ "id": event.id().as_str(), "type": event.kind().as_str(),
                           "matchingWebhooks": matching.ok() });
        return print::line(&told.to_string());
    }
    let matching = match matching {
        Ok(1) => "1 webhook matches it".to_owned(),
        Ok(count) => format!("{} match it", print::webhooks(count)),
        Err(error) => format!("the webhooks cannot be read here: {error:#}"),
    };
    print::line(&format!("sent {} as {}; {matching}", event.kind(), event.id()))
}

/// How many webhooks of the store want it.
fn matching(config: &Config, event: &Event) -> Result<usize> {
    let options = wiring::store_options(config)?;
    let snapshot = load_once(config.webhooks.store.expose(), &options)?;
    let payload = event.payload();
    let wanted = |webhook: &&Arc<Webhook>| webhook.enabled && webhook.condition_holds(|| &payload);
    Ok(snapshot.matching(event.kind(), event.project()).filter(wanted).count())
}

/// An event in the form of the customer page's payload.
fn sample(kind: &str, project: &str, now: Timestamp) -> Result<Bytes, Failed> {
    let kind = EventType::try_new(kind).map_err(|error| Failed::Usage(error.to_string()))?;
    let mut event = json!({ "type": kind.as_str(), "createdAt": format!("{now:.3}") });
    let subject = match kind.family() {
        "deployment" => json!({
            "id": "dpl_abc123",
            "name": "production",
            "url": "https://my-project.boottify.com",
            "meta": { "gitCommitSha": "abc123def", "gitCommitMessage": "Update homepage",
                      "gitBranch": "main" },
        }),
        "domain" => json!({ "name": "www.example.com" }),
        _ => Value::Null,
    };
    if let Some(members) = event.as_object_mut() {
        if !subject.is_null() {
            members.insert(kind.family().to_owned(), subject);
        }
        members.insert("project".to_owned(), json!({ "id": project, "name": "my-project" }));
    }
    Ok(event.to_string().into())
}

pub(super) fn random_id() -> Result<String> {
    let mut random = [0; 12];
    getrandom::fill(&mut random).map_err(|_| anyhow::anyhow!("no random bytes"))?;
    Ok(random.iter().fold("evt_".to_owned(), |id, byte| format!("{id}{byte:02x}")))
}
