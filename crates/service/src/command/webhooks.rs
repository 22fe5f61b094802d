//! `webhooks`: the webhooks of the store, as `serve` would use them. Never their secrets.

use std::sync::Arc;

use anyhow::Context;
use jiff::Timestamp;
use serde_json::{Value, json};
use signing::Secret;
use store::load_once;
use subscriptions::{Clause, Condition, Snapshot, Webhook, WebhookId};

use crate::cli::Show;
use crate::config::Config;
use crate::exit::Failed;
use crate::print;
use crate::wiring;

/// Prints all webhooks, as a table or as JSON.
pub(crate) fn list(config: &Config, as_json: bool) -> Result<(), Failed> {
    let options = wiring::store_options(config)?;
    let snapshot = load_once(config.webhooks.store.expose(), &options)
        .map_err(|error| Failed::Usage(error.to_string()))?;
    if as_json {
        let all: Vec<_> = snapshot.iter().map(|webhook| to_json(webhook)).collect();
        print::line(&format!("{:#}", Value::Array(all)))
    } else {
        unopened(&snapshot);
        print::text(&table(snapshot.iter()))
    }
}

/// Says of each webhook that cannot be opened why.
pub(crate) fn unopened(snapshot: &Snapshot) {
    for (webhook, why) in snapshot.iter().filter_map(|it| Some((it, it.secrets.as_ref().err()?))) {
        print::error(&format!("warning: webhook {} cannot be opened: {why}", webhook.id));
    }
}

/// Prints one webhook, every field in a line of its own or as JSON.
pub(crate) fn show(asked: &Show, config: &Config) -> Result<(), Failed> {
    let options = wiring::store_options(config)?;
    let snapshot = load_once(config.webhooks.store.expose(), &options)
        .map_err(|error| Failed::Usage(error.to_string()))?;
    let id = WebhookId::try_new(&asked.one.id).map_err(|error| Failed::Usage(error.to_string()))?;
    let webhook = snapshot.get(&id).with_context(|| format!("there is no webhook {id}"))?;
    let shown = to_json(webhook);
    if asked.json {
        return print::line(&format!("{shown:#}"));
    }
    let lines = shown.as_object().into_iter().flatten().map(|(name, value)| {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        format!("{name:20}{value}\n")
    });
    print::text(&lines.collect::<String>())
}

/// Prints a new secret.
pub(crate) fn new_secret() -> Result<(), Failed> {
    let secret = Secret::generate().context("making a secret")?;
    print::line(secret.expose())
}

fn to_json(webhook: &Webhook) -> Value {
    json!({
        "id": webhook.id.as_str(),
        "url": webhook.url.to_string(),
        "events": patterns(webhook),
        "projects": webhook.projects.iter().map(event::ProjectId::as_str).collect::<Vec<_>>(),
        "description": webhook.description,
        "condition": webhook.condition.as_ref().map(condition),
        "enabled": webhook.enabled,
        "disabledReason": webhook.disabled_reason,
        "unopened": webhook.secrets.as_ref().err().map(ToString::to_string),
        "keepWhileDisabled": webhook.keep_while_disabled,
        "maxInFlight": webhook.max_in_flight,
        "rateLimit": webhook.rate_limit.map(|limit| json!({
            "perSecond": limit.per_second(),
            "burst": limit.burst(),
        })),
        // Their values may be secret.
        "headers": webhook.headers.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
        "createdAt": time(webhook.created_at_ms),
        "updatedAt": time(webhook.updated_at_ms),
        "oldSecretSignsUntil": webhook.switches_at_ms.map(time),
    })
}

fn condition(condition: &Condition) -> Vec<Value> {
    let clause = |clause: &Clause| {
        let values: Vec<Value> = clause.values().iter().map(Value::from).collect();
        json!({ "pointer": clause.pointer(), "in": values })
    };
    condition.clauses().iter().map(clause).collect()
}

fn time(ms: i64) -> Option<String> {
    Timestamp::from_millisecond(ms).ok().map(|time| format!("{time:.3}"))
}

fn patterns(webhook: &Webhook) -> Vec<String> {
    webhook.events.patterns().iter().map(ToString::to_string).collect()
}

/// How it stands; what cannot be opened sends nothing, whatever its owner wants.
fn state(webhook: &Webhook) -> &'static str {
    match (&webhook.secrets, webhook.enabled) {
        (Err(_), _) => "unopened",
        (Ok(_), true) => "enabled",
        (Ok(_), false) => "disabled",
    }
}

fn table<'a>(webhooks: impl Iterator<Item = &'a Arc<Webhook>>) -> String {
    let rows: Vec<[String; 5]> = webhooks
        .map(|webhook| {
            let projects: Vec<_> = webhook.projects.iter().map(event::ProjectId::as_str).collect();
            [
                webhook.id.to_string(),
                state(webhook).to_owned(),
                patterns(webhook).join(","),
                if projects.is_empty() { "all".to_owned() } else { projects.join(",") },
                webhook.url.to_string(),
            ]
        })
        .collect();
    print::table(["ID", "STATE", "EVENTS", "PROJECTS", "URL"], &rows)
}
