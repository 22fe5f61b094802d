//! `webhooks`: the webhooks of the store, as `serve` would use them. Never their secrets.

use std::fmt::Write;
use std::sync::Arc;

use anyhow::Context;
use serde_json::{Value, json};
use signing::Secret;
use store::load_once;
use subscriptions::Webhook;

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
        print::text(&table(snapshot.iter()))
    }
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
        "enabled": webhook.enabled,
        "disabledReason": webhook.disabled_reason,
    })
}

fn patterns(webhook: &Webhook) -> Vec<String> {
    webhook.events.patterns().iter().map(ToString::to_string).collect()
}

fn table<'a>(webhooks: impl Iterator<Item = &'a Arc<Webhook>>) -> String {
    let rows: Vec<[String; 5]> = webhooks
        .map(|webhook| {
            let projects: Vec<_> = webhook.projects.iter().map(event::ProjectId::as_str).collect();
            [
                webhook.id.to_string(),
                if webhook.enabled { "enabled" } else { "disabled" }.to_owned(),
                patterns(webhook).join(","),
                if projects.is_empty() { "all".to_owned() } else { projects.join(",") },
                webhook.url.to_string(),
            ]
        })
        .collect();
    let head = ["ID", "STATE", "EVENTS", "PROJECTS", "URL"].map(str::to_owned);
    let width = |column: usize| {
        rows.iter().chain([&head]).map(|row| row[column].chars().count()).max().unwrap_or(0)
    };
    let widths = [0, 1, 2, 3].map(width);
    let mut text = String::new();
    for row in [&head].into_iter().chain(&rows) {
        for (cell, width) in row.iter().zip(widths) {
            // Writing into a String cannot fail.
            write!(text, "{cell:width$}  ").unwrap_or_default();
        }
        text.push_str(&row[4]);
        text.push('\n');
    }
    text
}
