//! `listen`: forwards live events to a receiver that is being written, signed as they would be.
//!
//! ```text
//! a queue of its own ─► parse ─► match ─► one signed POST ─► a line
//! ```

use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use broker::{Heard, Listening, SessionError};
use delivery::{Attempted, Guard, Outcome, Request, Sender};
use event::{DeliveryId, Event, ProjectId};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use jiff::Timestamp;
use prometheus::Registry;
use serde_json::json;
use signing::Secret;
use store::load_once;
use subscriptions::{
    EventFilter, Headers, Secrets, Snapshot, UrlRules, Webhook, WebhookId, WebhookUrl,
};
use tokio::time::sleep;

use crate::cli::Listen;
use crate::command::input;
use crate::config::Config;
use crate::exit::Failed;
use crate::print;
use crate::wiring;

/// The webhook that a listener is where it stands in for none.
const LISTENER: &str = "whk_listen";
/// Pause before the broker is tried again.
const PAUSE: Duration = Duration::from_secs(2);

/// Forwards until a signal, or until the count is reached.
pub(crate) async fn run(asked: &Listen, config: &Config) -> Result<(), Failed> {
    let webhook = webhook(asked, config)?;
    let broker = wiring::broker(config)?;
    // Who listens has chosen the address; the guard is for addresses that strangers choose.
    let everything = vec![IpNet::V4(Ipv4Net::default()), IpNet::V6(Ipv6Net::default())];
    let metrics = delivery::Metrics::register(&Registry::new()).map_err(anyhow::Error::from)?;
    let names = wiring::names(config, metrics.clone());
    let sender = wiring::sender(config, Guard::new(everything), names, metrics)?;
    let name = super::send::random_id()?;
    let begin = async || Listening::begin(&broker, &name).await;
    let failed = || format!("failed to listen at {}", broker.place());
    let listening = begin().await.with_context(failed)?;
    tell_what(asked, &webhook, &broker);
    let forwarding = forward(asked, config, &webhook, &sender, listening, begin);
    tokio::select! {
        forwarded = forwarding => forwarded,
        signal = tokio::signal::ctrl_c() => Ok(signal.context("waiting for a signal")?),
    }
}

/// What is listened as: a webhook of the store that leads elsewhere, or one made up for this.
fn webhook(asked: &Listen, config: &Config) -> Result<Webhook, Failed> {
    let usage = |error: &dyn std::error::Error| Failed::Usage(error.to_string());
    let url = WebhookUrl::try_new(&asked.url, UrlRules { allow_http: true })
        .map_err(|error| usage(&error))?;
    let secret = asked.secret_file.as_deref().map(input::secret).transpose()?.map(Secrets::new);
    if let Some(id) = &asked.webhook {
        let id = WebhookId::try_new(id).map_err(|error| usage(&error))?;
        let options = wiring::store_options(config)?;
        let snapshot = load_once(config.webhooks.store.expose(), &options)
            .context("the webhooks cannot be read")?;
        let found = snapshot.get(&id).with_context(|| format!("there is no webhook {id}"))?;
        let found = Webhook::clone(found);
        if let (Err(why), []) = (&found.secrets, found.events.patterns()) {
            let instead = "say which events with --event, without --webhook";
            return Err(anyhow::anyhow!("webhook {id} cannot be opened: {why}; {instead}").into());
        }
        let cannot =
            |why| anyhow::anyhow!("webhook {id} cannot be opened: {why}; give --secret-file");
        let secrets = secret.map_or_else(|| found.secrets.clone().map_err(cannot), Ok)?;
        return Ok(Webhook { url, secrets: Ok(secrets), enabled: true, ..found });
    }
    let projects: Result<Vec<ProjectId>, _> =
        asked.project.iter().map(|id| ProjectId::try_new(id)).collect();
    let made = || Secret::generate().map(Secrets::new).context("no random bytes for a secret");
    Ok(Webhook {
        id: WebhookId::try_new(LISTENER).map_err(|error| usage(&error))?,
        url,
        events: EventFilter::try_new(&asked.event).map_err(|error| usage(&error))?,
        projects: projects.map_err(|error| usage(&error))?.into(),
        condition: None,
        description: None,
        enabled: true,
        keep_while_disabled: false,
        secrets: Ok(secret.map_or_else(made, Ok)?),
        retry: None,
        max_in_flight: None,
        rate_limit: None,
        headers: Headers::default(),
        created_at_ms: 0,
        updated_at_ms: 0,
        disabled_reason: None,
        switches_at_ms: None,
    })
}

/// Says on standard error what happens, so that standard output is events and nothing else.
fn tell_what(asked: &Listen, webhook: &Webhook, broker: &broker::Config) {
    let who = match &asked.webhook {
        Some(id) => format!(" as {id}"),
        None => String::new(),
    };
    print::error(&format!("listening at {}{who}; Ctrl-C ends it", broker.place()));
    if let (None, None, Ok(secrets)) = (&asked.webhook, &asked.secret_file, &webhook.secrets) {
        // Made for this run; its only reader is who asked for it.
        print::error(&format!("secret  {}", secrets.primary().expose()));
    }
}

async fn forward(
    asked: &Listen,
    config: &Config,
    webhook: &Webhook,
    sender: &Sender,
    mut listening: Listening,
    begin: impl AsyncFn() -> Result<Listening, SessionError>,
) -> Result<(), Failed> {
    // Alone in a snapshot it wants what it would want of the service.
    let alone = Snapshot::build(vec![webhook.clone()], 0).context("one webhook is itself")?;
    let wants = |event: &Event| {
        let mut matching = alone.matching(event.kind(), event.project());
        matching.any(|webhook| webhook.condition_holds(|| event.payload()))
    };
    let secrets = webhook.secrets.as_ref().map_err(Clone::clone).context("nothing to sign with")?;
    let mut forwarded = 0;
    while asked.count.is_none_or(|count| forwarded < count) {
        let heard = match listening.next().await {
            Ok(heard) => heard,
            Err(error) => {
                listening = again(&error, &begin).await;
                continue;
            }
        };
        let (catalog, limit) = (&config.events.catalog, config.events.max_bytes);
        match Event::parse(&heard.body, heard.message_id(), catalog, limit) {
            Ok(event) if wants(&event) => {
                let delivery = DeliveryId::derive(event.id(), webhook.id.as_str());
                let attempted =
                    attempt((webhook, secrets), sender, &event, &delivery, &heard).await;
                forwarded += 1;
                tell(asked, &event, &delivery, &attempted)?;
            }
            Ok(_) => {}
            Err(rejection) => print::error(&format!("no event, passed over: {rejection}")),
        }
    }
    Ok(())
}

/// Listens again after the connection was lost.
async fn again(
    lost: &SessionError,
    begin: impl AsyncFn() -> Result<Listening, SessionError>,
) -> Listening {
    print::error(&format!("lost the broker: {}", broker::in_one_line(lost)));
    loop {
        sleep(PAUSE).await;
        match begin().await {
            Ok(listening) => {
                print::error("listening again; events between were not heard");
                return listening;
            }
            Err(error) => {
                print::error(&format!("not yet: {}", broker::in_one_line(&error)));
            }
        }
    }
}

async fn attempt(
    (webhook, secrets): (&Webhook, &Secrets),
    sender: &Sender,
    event: &Event,
    delivery: &DeliveryId,
    heard: &Heard,
) -> Attempted {
    let trace = heard.trace();
    let trace = trace.as_ref();
    sender.attempt(&Request { webhook, secrets, event, delivery, attempt: 1, trace }).await
}

fn tell(
    asked: &Listen,
    event: &Event,
    delivery: &DeliveryId,
    attempted: &Attempted,
) -> Result<(), Failed> {
    let took = u64::try_from(attempted.duration.as_millis()).unwrap_or(u64::MAX);
    let (status, failure) = match &attempted.outcome {
        Outcome::Delivered(response) => (Some(response.status), None),
        Outcome::Failed(failure) => {
            let status = failure.response.as_ref().map(|response| response.status);
            (status, Some((failure.kind.to_string(), failure.detail.clone())))
        }
        Outcome::NotSent(bound) => (None, Some((bound.as_str().to_owned(), String::new()))),
    };
    if asked.json {
        let (kind, detail) = failure.unzip();
        let told = json!({
            "id": event.id().as_str(), "type": event.kind().as_str(),
            "deliveryId": delivery.as_str(), "status": status, "failure": kind,
            "detail": detail, "durationMs": took,
        });
        return print::line(&told.to_string());
    }
    let now = Timestamp::try_from(SystemTime::now()).context("reading the clock")?;
    let answer = match (status, failure) {
        (_, Some((kind, detail))) if detail.is_empty() => kind,
        (_, Some((_, detail))) => detail,
        (status, None) => status.map_or(String::new(), |status| status.to_string()),
    };
    // What a receiver or a publisher wrote must not speak to the terminal.
    let line = format!("{now:.0}  {}  {}  {answer}  {took} ms", event.kind(), event.id());
    print::line(&line.replace(char::is_control, "·"))
}
